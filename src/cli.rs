//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// An OCPP central system that finds broken chargers, repairs them from afar and proves the repair.
#[derive(Debug, Parser)]
#[command(name = "mendpoint", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server with a new temporary database and 200 simulated chargers
    Demo(Demo),
    /// Run the server
    Serve(ConfigFile),
    /// Simulate chargers against any OCPP server
    #[command(subcommand)]
    Simulate(Simulate),
    /// Check and test rules
    #[command(subcommand)]
    Rules(Rules),
    /// Add and list the people who may sign in
    #[command(subcommand)]
    User(User),
    /// Make and revoke tokens for the API
    #[command(subcommand)]
    Token(Token),
    /// Copy the database, also while the server runs, and check copies
    Backup(Backup),
    /// Put a copy in the place of the database
    Restore(Restore),
    /// Tell what is kept of a card, or erase it
    #[command(subcommand)]
    Person(Person),
    /// Look at the audit log, and check that nothing was taken out of it
    #[command(subcommand)]
    Audit(Audit),
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// A file with settings that differ from the defaults
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where the pages are, instead of web.listen
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) web: Option<SocketAddr>,
    /// Where the chargers connect, instead of ocpp.listen
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ocpp: Option<SocketAddr>,
    /// The scenario to show: one that is built in (see `simulate scenarios`)
    #[arg(long, value_name = "NAME", default_value = "demo")]
    pub(crate) scenario: String,
    /// The same seed gives the same run
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Keep the database in this folder instead of a new temporary one
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Simulate {
    /// Run a scenario: a fleet with sessions, faults and outages
    Run(SimulateRun),
    /// Put load on a server and measure it
    Load(SimulateLoad),
    /// Run a bare WebSocket server that answers {}, to compare with
    Bare(SimulateBare),
    /// Measure how good the engine is: a fleet with a published fault mix, weeks in virtual time
    Quality(SimulateQuality),
    /// List the scenarios that are built in
    Scenarios,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateQuality {
    /// How many chargers
    #[arg(long, default_value_t = 1_000)]
    pub(crate) chargers: usize,
    /// How many virtual days
    #[arg(long, default_value_t = 30)]
    pub(crate) days: u32,
    /// The same seed gives the same run
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How often our own server restarts meanwhile
    #[arg(long, default_value_t = 2)]
    pub(crate) restarts: u32,
    /// Live through it twice: with what repairs taught, and with the playbooks as they are written
    #[arg(long)]
    pub(crate) compare: bool,
    /// A file with another fault mix
    #[arg(long, value_name = "FILE")]
    pub(crate) mix: Option<PathBuf>,
    /// Folder of rules; the built-in ones when not given
    #[arg(long, value_name = "FOLDER")]
    pub(crate) rules: Option<PathBuf>,
    /// Folder of playbooks; the built-in ones when not given
    #[arg(long, value_name = "FOLDER")]
    pub(crate) playbooks: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateRun {
    /// A scenario that is built in, or a TOML file
    #[arg(default_value = "steady")]
    pub(crate) scenario: String,
    /// The server; the identity is added at the end
    #[arg(long, default_value = "ws://127.0.0.1:9000/ocpp")]
    pub(crate) url: String,
    /// The same seed gives the same run
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Basic authentication: every charger's password
    #[arg(long)]
    pub(crate) password: Option<String>,
    /// Stop after this many seconds; without it, run until Ctrl-C
    #[arg(long, value_name = "SECONDS")]
    pub(crate) duration: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateLoad {
    /// The server, ws:// or wss://; the identity is added at the end
    #[arg(long, default_value = "ws://127.0.0.1:9000/ocpp")]
    pub(crate) url: String,
    /// Who signed the certificate of a wss:// server, as a PEM file
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// How many chargers
    #[arg(long, default_value_t = 1_000)]
    pub(crate) chargers: usize,
    /// Messages a second in all, sent whether or not the last were answered; without it, every
    /// charger sends its next message as soon as the last one is answered
    #[arg(long, value_name = "PER_SECOND")]
    pub(crate) rate: Option<f64>,
    /// How long to measure, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) duration: u64,
    /// How long chargers are silent after they connected, in seconds; then the memory is read
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    pub(crate) settle: f64,
    /// What is sent, in parts of a hundred: heartbeats, statuses and meter values
    #[arg(long, value_name = "H,S,M", value_delimiter = ',')]
    pub(crate) mix: Option<Vec<u32>>,
    /// The least length of a message with meter values, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 420)]
    pub(crate) meter_bytes: usize,
    /// Every status says what the one before said; otherwise each is a change
    #[arg(long)]
    pub(crate) same_status: bool,
    /// Only connect, boot and report the status; then hold the connections for the duration
    #[arg(long)]
    pub(crate) idle: bool,
    /// What the identities begin with
    #[arg(long, default_value = "LOAD-")]
    pub(crate) prefix: String,
    /// Basic authentication: every charger's password
    #[arg(long)]
    pub(crate) password: Option<String>,
    /// Process of the server, to read its memory and processor time
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateBare {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:9001")]
    pub(crate) listen: SocketAddr,
    /// Encrypted: the server's certificate, with its chain, as a PEM file
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
    /// Encrypted: the private key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// Read rules and playbooks and say what is wrong with them
    Check(RuleFiles),
    /// Run the tests that the rules carry, in virtual time
    Test(RuleFiles),
    /// Live through the stored past with other rules, and tell what would have been different
    Replay(Box<RulesReplay>),
}

#[derive(Debug, Args)]
pub(crate) struct RulesReplay {
    /// A folder with all rules, or a file with one that takes the place of the one in force
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Option<PathBuf>,
    /// A folder with all playbooks, or a file with one
    #[arg(long, value_name = "PATH")]
    pub(crate) playbooks: Option<PathBuf>,
    /// From when on: 2026-10-01, 2026-10-01T08:00:00Z, or 30d for thirty days ago
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub(crate) from: String,
    /// Until when, likewise; now when not given
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Only the chargers of this site
    #[arg(long, value_name = "NAME", conflicts_with = "charger")]
    pub(crate) site: Option<String>,
    /// Only this charger
    #[arg(long, value_name = "IDENTITY")]
    pub(crate) charger: Option<String>,
    /// Report only what this rule does
    #[arg(long, value_name = "ID")]
    pub(crate) rule: Option<String>,
    /// Print the whole report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

#[derive(Debug, Args)]
pub(crate) struct RuleFiles {
    /// Folder of rules; the built-in ones when not given
    #[arg(long, value_name = "FOLDER")]
    pub(crate) rules: Option<PathBuf>,
    /// Folder of playbooks; the built-in ones when not given
    #[arg(long, value_name = "FOLDER")]
    pub(crate) playbooks: Option<PathBuf>,
    /// Folder of vendor profiles; the built-in ones when not given
    #[arg(long, value_name = "FOLDER")]
    pub(crate) vendors: Option<PathBuf>,
    /// File of routes (`duty.routes`), which rules may name; the built-in ones when not given
    #[arg(long, value_name = "FILE")]
    pub(crate) routes: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Add a person; the password is read from standard input, or made and printed
    Add {
        /// Name to sign in with
        name: String,
        /// admin, operator, dispatcher, technician or viewer
        #[arg(long, default_value = "operator")]
        role: String,
        /// Address for mail
        #[arg(long, default_value = "")]
        email: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List everybody
    List {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Take a person's right to sign in, and end their sessions
    Disable {
        /// The name
        name: String,
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token; it is shown once
    Create {
        /// What it is for
        name: String,
        /// admin, operator, dispatcher, technician or viewer
        #[arg(long, default_value = "operator")]
        role: String,
        /// Days until it ends; 0 is never
        #[arg(long, default_value_t = 365)]
        days: u32,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List tokens
    List {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// End a token
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Backup {
    #[command(subcommand)]
    pub(crate) verb: Option<BackupVerb>,
    /// Where to; a new file in backup.folder when not given
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupVerb {
    /// Check that a copy is whole and as it was written
    Verify {
        /// The copy; its manifest is beside it
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The copy; its manifest is beside it
    pub(crate) file: PathBuf,
    /// Also where there is a database with something in it; that one is kept aside
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Person {
    /// Print all that is kept of a card, as JSON
    Export {
        /// The card's number (idTag or idToken)
        token: String,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Put a pseudonym in the place of a card's number everywhere; the server must be stopped
    Erase {
        /// The card's number (idTag or idToken)
        token: String,
        /// Also where nothing of it is known: it may be in an older copy that is brought back some day
        #[arg(long)]
        unknown: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check every line; the first that is not as it was written is named
    Verify {
        /// A line that was noted earlier, as this command prints it: SEQ:HASH
        #[arg(long, value_name = "SEQ:HASH")]
        noted: Option<String>,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Print the newest lines, oldest of them first
    List {
        /// Only what this person, token or part of the program did
        #[arg(long)]
        actor: Option<String>,
        /// Only what was done to this
        #[arg(long)]
        subject: Option<String>,
        /// How many, 500 at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the settings and show what is in force
    Check(ConfigFile),
    /// Print the file with every setting and its default
    Defaults,
    /// Shows the routes and chains that are built in: a file to begin one of your own with
    Routes,
}
