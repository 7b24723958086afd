//! Incidents as everybody sees them: the engine writes them, store and web carry them.

use serde::{Deserialize, Serialize};

use crate::{
    ChargerKey, CommandId, CommandOutcome, ConnectorRef, FrameSeq, IncidentId, SiteKey, TicketId,
    Ties, UnixMs,
};

/// The unit of healing, escalation and SLA: one cause, one subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// `INC-..`.
    pub id: IncidentId,
    /// The rule that opened it (`CP_OFFLINE`, ..); `USER_REPORT` and `MANUAL` for people's reports.
    pub rule: String,
    /// The version of that rule.
    pub rule_version: u32,
    /// Where it stands.
    pub state: IncidentState,
    /// OCPP severity: 0 danger to 9 debug.
    pub severity: u8,
    /// Who found it.
    pub source: Source,
    /// Who filed it: `system`, or the person's name.
    pub reporter: String,
    /// The charger.
    pub charger: ChargerKey,
    /// Its site.
    pub site: SiteKey,
    /// The connector, or the whole charger.
    pub connector: ConnectorRef,
    /// Normalised error code (`GroundFailure`, `CX014`, ..); empty when the rule has none.
    pub code: String,
    /// A line for lists: what is wrong, in plain words.
    pub title: String,
    /// A sentence or two: what happened and why it was opened.
    pub description: String,
    /// What happens next, in a sentence ("Soft reset accepted, back in about 40 s").
    pub next: String,
    /// When that is due, for countdowns.
    pub next_at: Option<UnixMs>,
    /// When the condition began (before any hold-down).
    pub began_at: UnixMs,
    /// When it was opened.
    pub opened_at: UnixMs,
    /// When it last changed.
    pub updated_at: UnixMs,
    /// When the condition was gone and stayed gone, or a person resolved it.
    pub resolved_at: Option<UnixMs>,
    /// How often the condition was seen since it opened, the first included.
    pub occurrences: u32,
    /// The incident of the same fingerprint before this one, when that was closed already.
    pub previous: Option<IncidentId>,
    /// The ticket it was handed over with.
    pub ticket: Option<TicketId>,
    /// Whether a person has to act: the "Needs you" queue.
    pub needs_person: bool,
    /// The person who took it.
    pub owner: Option<String>,
    /// The repair, where the rule has one.
    pub healing: Option<Healing>,
    /// How it ended; empty while it is open.
    pub resolution: String,
    /// Whether the truth is unknown now (charger offline, our own restart): nothing is decided.
    pub blind: bool,
    /// What ties it to others, and what keeps it quiet.
    #[serde(default)]
    pub ties: Ties,
}

impl Incident {
    /// One that was opened at `now` by the first version of `rule`, found by the system, about a whole
    /// charger, and of which nothing else is known yet. Its severity is 9, the mildest.
    pub fn opened(
        id: IncidentId,
        rule: &str,
        charger: ChargerKey,
        site: SiteKey,
        now: UnixMs,
    ) -> Self {
        Self {
            id,
            rule: rule.to_owned(),
            rule_version: 1,
            state: IncidentState::Open,
            severity: 9,
            source: Source::System,
            reporter: "system".to_owned(),
            charger,
            site,
            connector: ConnectorRef::CHARGER,
            code: String::new(),
            title: String::new(),
            description: String::new(),
            next: String::new(),
            next_at: None,
            began_at: now,
            opened_at: now,
            updated_at: now,
            resolved_at: None,
            occurrences: 1,
            previous: None,
            ticket: None,
            needs_person: false,
            owner: None,
            healing: None,
            resolution: String::new(),
            blind: false,
            ties: Ties::default(),
        }
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// The condition holds; nothing was tried yet, or nothing can be tried.
    Open,
    /// A playbook is running.
    Healing,
    /// A step was done; its effect is being watched.
    Verifying,
    /// The condition is gone; no session has proved it yet.
    RecoveredUnproven,
    /// A person was asked: a ticket exists.
    Escalated,
    /// A person took it.
    Acknowledged,
    /// A person works on it.
    InProgress,
    /// Gone, and proved or accepted.
    Resolved,
    /// Done with.
    Closed,
}

impl IncidentState {
    /// All of them in the order of life.
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Healing,
        Self::Verifying,
        Self::RecoveredUnproven,
        Self::Escalated,
        Self::Acknowledged,
        Self::InProgress,
        Self::Resolved,
        Self::Closed,
    ];

    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Healing => "healing",
            Self::Verifying => "verifying",
            Self::RecoveredUnproven => "recovered_unproven",
            Self::Escalated => "escalated",
            Self::Acknowledged => "acknowledged",
            Self::InProgress => "in_progress",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }

    /// The state of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The words for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Healing => "Self-healing",
            Self::Verifying => "Checking the repair",
            Self::RecoveredUnproven => "Recovered, not yet proven",
            Self::Escalated => "Handed over",
            Self::Acknowledged => "Taken",
            Self::InProgress => "Being worked on",
            Self::Resolved => "Resolved",
            Self::Closed => "Closed",
        }
    }

    /// Whether it is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Resolved | Self::Closed)
    }
}

/// Who found an incident (feature A-04).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A rule.
    System,
    /// A driver.
    User,
    /// The support team or a dispatcher.
    Support,
    /// Another program, by the API.
    External,
}

impl Source {
    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Support => "support",
            Self::External => "external",
        }
    }

    /// The source of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::System, Self::User, Self::Support, Self::External]
            .into_iter()
            .find(|source| source.name() == name)
    }
}

/// How urgent a person's work is; shown as P1 to P4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Priority {
    /// Danger or a whole site: severity 0 to 2.
    P1,
    /// A public charger cannot be used: severity 3 and 4.
    P2,
    /// Works, with a fault: severity 5 and 6.
    P3,
    /// To know: severity 7 to 9.
    P4,
}

impl Priority {
    /// The priority of a severity.
    pub fn of_severity(severity: u8) -> Self {
        match severity {
            0..=2 => Self::P1,
            3..=4 => Self::P2,
            5..=6 => Self::P3,
            _ => Self::P4,
        }
    }

    /// `P1` ..
    pub fn name(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4 => "P4",
        }
    }
}

/// A repair: a playbook and what became of its steps. Its status is a fold of the steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Healing {
    /// The playbook's id.
    pub playbook: String,
    /// Whether commands are sent.
    pub mode: HealMode,
    /// The rungs the playbook allows, in order, for the ladder on screen.
    pub ladder: Vec<Rung>,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// Stopped by a person (G11, take over).
    pub stopped_by: Option<String>,
}

/// Whether the engine acts (G10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealMode {
    /// It does nothing.
    #[default]
    Off,
    /// It writes down what it would have sent.
    Shadow,
    /// It asks a person, step by step.
    Approve,
    /// It acts.
    On,
}

/// A rung of the healing ladder (1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rung {
    /// Wait and observe.
    L0,
    /// `TriggerMessage`.
    L1,
    /// `UnlockConnector`.
    L2,
    /// `ChangeAvailability` off and on.
    L3,
    /// Soft reset.
    L4,
    /// Hard reset.
    L5,
    /// Close the socket.
    L6,
    /// Quarantine: take the connector out of service.
    Q,
    /// Fetch the diagnostics: never part of a playbook, comes before the first reset (1.6).
    D,
    /// `TriggerMessage` for `MeterValues`.
    L1M,
    /// Ask how strong the radio link is, where the vendor's profile says how.
    L1S,
    /// Switch the power of the charger off and on, by the site's own hook.
    L6P,
    /// Propose another firmware to a person: never sent.
    L7,
    /// `RemoteStopTransaction` of a charge that is stuck.
    S,
    /// Close a stuck charge here, where the charger does not: nothing is sent.
    C,
}

impl Rung {
    /// All of them, the gentlest first.
    pub const ALL: [Self; 15] = [
        Self::L0,
        Self::L1,
        Self::L1M,
        Self::L1S,
        Self::S,
        Self::C,
        Self::L2,
        Self::L3,
        Self::L4,
        Self::L5,
        Self::L6,
        Self::L6P,
        Self::L7,
        Self::Q,
        Self::D,
    ];

    /// `L1` ..
    pub fn name(self) -> &'static str {
        match self {
            Self::L0 => "L0",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::L4 => "L4",
            Self::L5 => "L5",
            Self::L6 => "L6",
            Self::Q => "Q",
            Self::D => "D",
            Self::L1M => "L1M",
            Self::L1S => "L1S",
            Self::L6P => "L6P",
            Self::L7 => "L7",
            Self::S => "S",
            Self::C => "C",
        }
    }

    /// The rung of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| rung.name() == name)
    }

    /// What it does, for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::L0 => "Wait and watch",
            Self::L1 => "Ask for status",
            Self::L2 => "Unlock connector",
            Self::L3 => "Switch off and on",
            Self::L4 => "Soft reset",
            Self::L5 => "Hard reset",
            Self::L6 => "Drop the connection",
            Self::Q => "Take out of service",
            Self::D => "Fetch diagnostics",
            Self::L1M => "Ask for meter values",
            Self::L1S => "Ask for the signal",
            Self::L6P => "Switch the power off and on",
            Self::L7 => "Propose a firmware",
            Self::S => "Stop the stuck charge",
            Self::C => "Close the charge here",
        }
    }

    /// Whether it disturbs a driver (G4 counts these).
    pub fn is_disruptive(self) -> bool {
        matches!(self, Self::L3 | Self::L4 | Self::L5 | Self::L6 | Self::L6P)
    }
}

/// One try of one rung.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Number in the run, from 1.
    pub number: u32,
    /// The rung.
    pub rung: Rung,
    /// Where it stands.
    pub state: StepState,
    /// When it was begun (intent journaled) or waited for since.
    pub at: UnixMs,
    /// The commands it sent, in order, with their outcomes so far.
    pub commands: Vec<(CommandId, Option<CommandOutcome>)>,
    /// When the charger accepted (verification starts here).
    pub accepted_at: Option<UnixMs>,
    /// When it ended.
    pub ended_at: Option<UnixMs>,
    /// A sentence for people: what happened, or why it waits.
    pub note: String,
    /// The guardrail that holds it back, or did (`G5`); empty when none does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub guardrail: String,
    /// Why this rung was chosen, where that was learned; empty when the playbook's order was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// A guardrail makes it wait; the note says which and until when.
    Waiting,
    /// A person must approve it.
    AwaitingApproval,
    /// Intent on disk, command on its way.
    Sent,
    /// Accepted; its effect is being watched.
    Verifying,
    /// The condition went away and stayed away.
    Fixed,
    /// It was done, and repairs nothing by itself (diagnostics).
    Done,
    /// The condition is still there, or came back.
    NotFixed,
    /// Things got worse (G9).
    Worse,
    /// Rejected, not supported or unanswered: nothing was done (`blocked`, not `failed`).
    Blocked,
    /// A guardrail or a person forbids it; it was not sent.
    Skipped,
    /// Shadow mode: written down, not sent.
    Shadowed,
    /// The truth could not be seen (restart, charger away for another reason).
    Unknown,
}

impl StepState {
    /// Whether it is over.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Waiting | Self::AwaitingApproval | Self::Sent | Self::Verifying)
    }
}

/// One line of an incident's history. Append-only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// The incident.
    pub incident: IncidentId,
    /// When.
    pub at: UnixMs,
    /// Who.
    pub actor: Actor,
    /// What kind: `opened`, `step_sent` (decided: it leaves once this is on disk), `step_outcome`, `status`, `recovered`, `proven`,
    /// `escalated`, `note`, `resolved`, `reopened`, `closed`, ..: stable words for scripts.
    pub kind: String,
    /// A line for people.
    pub title: String,
    /// More, if there is more.
    pub text: String,
    /// The frame that shows it; 0 for none.
    pub frame: FrameSeq,
    /// The command it is about.
    pub command: Option<CommandId>,
    /// The rung it is about.
    pub rung: Option<Rung>,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The engine.
    Engine,
    /// The charger.
    Charger,
    /// A person, by name.
    User(String),
}
