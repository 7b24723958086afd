//! Mendpoint: the program. It reads the command line and the settings, wires the crates together,
//! and stops them in order.
//!
//! What it deliberately does not do: decide anything about chargers. That is in the crates under
//! `crates/`; see ARCHITECTURE.md.

mod audit;
mod backup;
mod cli;
mod daily;
mod demo;
mod descriptors;
mod healing;
mod housekeeping;
mod logging;
mod people;
mod person;
mod recent;
mod replay;
mod rules;
mod security;
mod server;
mod settings;
mod simulate;
mod terminal;
mod vendors;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Command, ConfigCommand, Rules};
use settings::Settings;

/// Gives memory back that the return of a whole fleet needed for a moment
/// (docs/decisions/007-allocator.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The exit code for settings or rules that cannot be used (`EX_USAGE` of `sysexits.h`).
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            terminal::complain(&sentence(&error));
            let is_usage = error.is::<BadSettings>() || error.is::<BadRules>();
            ExitCode::from(if is_usage { EXIT_USAGE } else { 1 })
        }
    }
}

/// An error with its causes in one sentence; what a cause repeats is left out.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = match cause.downcast_ref::<std::io::Error>() {
            Some(error) => mendpoint_store::io_words(error),
            None => cause.to_string(),
        };
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What is wrong with rules, playbooks, vendor profiles or routes, a line each.
#[derive(Debug)]
struct BadRules(String);

impl std::fmt::Display for BadRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadRules {}

/// Marks an error as one of the person who wrote the settings.
#[derive(Debug)]
struct BadSettings(anyhow::Error);

impl std::fmt::Display for BadSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the settings cannot be used: {}", sentence(&self.0))
    }
}

impl std::error::Error for BadSettings {}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let read = |file: Option<&std::path::Path>| {
        Settings::read(file).map_err(|error| anyhow::Error::new(BadSettings(error)))
    };
    let opens_database = matches!(
        &cli.command,
        Command::Rules(Rules::Replay(_))
            | Command::User(_)
            | Command::Token(_)
            | Command::Backup(_)
            | Command::Restore(_)
            | Command::Person(_)
            | Command::Audit(_)
    );
    if opens_database {
        // That a server does not answer, for example.
        logging::start("warn")?;
    }
    match cli.command {
        Command::Demo(options) => {
            let settings = read(None)?;
            block_on(demo::run(options, settings))
        }
        Command::Serve(file) => {
            let settings = read(file.config.as_deref())?;
            logging::start(&settings.log.filter)?;
            block_on(server::run(settings))
        }
        Command::Simulate(command) => {
            logging::start("warn")?;
            block_on(simulate::run(command))
        }
        Command::Rules(Rules::Check(files)) => rules::run(&files, false),
        Command::Rules(Rules::Test(files)) => rules::run(&files, true),
        Command::Rules(Rules::Replay(options)) => block_on(replay::run(*options, read)),
        Command::User(command) => block_on(people::user(command, read)),
        Command::Token(command) => block_on(people::token(command, read)),
        Command::Backup(command) => block_on(backup::backup(command, read)),
        Command::Restore(command) => block_on(backup::restore(command, read)),
        Command::Person(command) => block_on(person::run(command, read)),
        Command::Audit(command) => block_on(audit::run(command, read)),
        Command::Config(ConfigCommand::Check(file)) => {
            let settings = read(file.config.as_deref())?;
            vendors::load(&settings.ocpp.vendors)?;
            terminal::say(&format!("{settings:#?}"));
            terminal::say("The settings are valid.");
            Ok(ExitCode::SUCCESS)
        }
        Command::Config(ConfigCommand::Defaults) => {
            terminal::say(settings::DEFAULTS.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Config(ConfigCommand::Routes) => {
            terminal::say(settings::ROUTES.trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs the asynchronous part of the program.
fn block_on(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
