//! What can be asked of a ticket.

use mendpoint_model::{
    ChargerKey, ConnectorRef, Contact, IncidentId, Priority, SiteKey, TicketId, UnixMs,
};
use serde::{Deserialize, Serialize};

use crate::decide::guard;
use crate::event::{EvidenceKind, Visibility};
use crate::status::{TicketKind, WaitKind, WorkMode};
use crate::ticket::Ticket;

/// What a ticket is opened with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewTicket {
    /// Its number, given out by whoever keeps tickets.
    pub id: TicketId,
    /// Where it comes from.
    pub kind: TicketKind,
    /// How the work is done.
    pub mode: WorkMode,
    /// The incident it was handed over from.
    pub incident: Option<IncidentId>,
    /// The charger.
    pub charger: ChargerKey,
    /// Its site.
    pub site: SiteKey,
    /// The connector, or the whole charger.
    pub connector: ConnectorRef,
    /// How urgent.
    pub priority: Priority,
    /// A line for lists.
    pub title: String,
    /// What is wrong, and how it is known.
    pub description: String,
    /// What was tried from afar, a line each.
    pub tried: Vec<String>,
    /// Who asked: `system`, or a name.
    pub requester: String,
}

/// What can be asked of a ticket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketCommand {
    /// Open it.
    Open(Box<NewTicket>),
    /// Ask somebody.
    Assign {
        /// Who.
        assignee: Contact,
        /// Their account, if they have one.
        user: Option<String>,
    },
    /// Take it back into the queue.
    Unassign,
    /// Take it on.
    Accept,
    /// Say no.
    Decline {
        /// Why.
        reason: String,
    },
    /// Set out.
    StartTravel {
        /// When they expect to be there.
        eta: Option<UnixMs>,
    },
    /// Be there.
    Arrive,
    /// Begin the work.
    Start,
    /// Wait for something.
    Wait {
        /// For what.
        kind: WaitKind,
        /// Why.
        reason: String,
    },
    /// Go on.
    Resume,
    /// Write something.
    Note {
        /// What.
        text: String,
        /// Who may see it.
        visibility: Visibility,
    },
    /// Say that it is mended.
    Resolve {
        /// The coded cause.
        cause: String,
        /// The coded action.
        action: String,
        /// In their words; may be empty.
        text: String,
    },
    /// What the charger itself shows.
    Evidence {
        /// What.
        kind: EvidenceKind,
        /// In words, with numbers.
        text: String,
    },
    /// Close it on the requester's word: only where no charger can give evidence.
    Confirm,
    /// Say that it is not mended after all.
    Reopen {
        /// Why.
        reason: String,
    },
    /// Give it up.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Ask how it goes.
    AskProgress,
}

/// The commands without what they carry: a button each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// [`TicketCommand::Open`].
    Open,
    /// [`TicketCommand::Assign`].
    Assign,
    /// [`TicketCommand::Accept`].
    Accept,
    /// [`TicketCommand::StartTravel`].
    StartTravel,
    /// [`TicketCommand::Arrive`].
    Arrive,
    /// [`TicketCommand::Start`].
    Start,
    /// [`TicketCommand::Resolve`].
    Resolve,
    /// [`TicketCommand::Confirm`].
    Confirm,
    /// [`TicketCommand::Resume`].
    Resume,
    /// [`TicketCommand::Wait`].
    Wait,
    /// [`TicketCommand::Reopen`].
    Reopen,
    /// [`TicketCommand::Note`].
    Note,
    /// [`TicketCommand::AskProgress`].
    AskProgress,
    /// [`TicketCommand::Decline`].
    Decline,
    /// [`TicketCommand::Unassign`].
    Unassign,
    /// [`TicketCommand::Cancel`].
    Cancel,
    /// [`TicketCommand::Evidence`].
    Evidence,
}

impl CommandKind {
    /// What people may be offered, in the order of buttons: the way forward first.
    pub const FOR_PEOPLE: [Self; 15] = [
        Self::Assign,
        Self::Accept,
        Self::StartTravel,
        Self::Arrive,
        Self::Start,
        Self::Resolve,
        Self::Confirm,
        Self::Resume,
        Self::Wait,
        Self::Reopen,
        Self::Note,
        Self::AskProgress,
        Self::Decline,
        Self::Unassign,
        Self::Cancel,
    ];

    /// The word in addresses and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Assign => "assign",
            Self::Accept => "accept",
            Self::StartTravel => "start_travel",
            Self::Arrive => "arrive",
            Self::Start => "start",
            Self::Resolve => "resolve",
            Self::Confirm => "confirm",
            Self::Resume => "resume",
            Self::Wait => "wait",
            Self::Reopen => "reopen",
            Self::Note => "note",
            Self::AskProgress => "ask_progress",
            Self::Decline => "decline",
            Self::Unassign => "unassign",
            Self::Cancel => "cancel",
            Self::Evidence => "evidence",
        }
    }

    /// The kind of a word, of those that people may use.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::FOR_PEOPLE.into_iter().find(|kind| kind.name() == name)
    }

    /// The words on the button.
    pub fn label(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Assign => "Assign",
            Self::Accept => "Accept",
            Self::StartTravel => "On my way",
            Self::Arrive => "Arrived",
            Self::Start => "Start work",
            Self::Resolve => "Resolve",
            Self::Confirm => "Confirm and close",
            Self::Resume => "Resume",
            Self::Wait => "Wait",
            Self::Reopen => "Reopen",
            Self::Note => "Add note",
            Self::AskProgress => "Ask for progress",
            Self::Decline => "Decline",
            Self::Unassign => "Unassign",
            Self::Cancel => "Cancel ticket",
            Self::Evidence => "Evidence",
        }
    }
}

impl TicketCommand {
    /// Which command it is.
    pub fn kind(&self) -> CommandKind {
        match self {
            Self::Open(_) => CommandKind::Open,
            Self::Assign { .. } => CommandKind::Assign,
            Self::Unassign => CommandKind::Unassign,
            Self::Accept => CommandKind::Accept,
            Self::Decline { .. } => CommandKind::Decline,
            Self::StartTravel { .. } => CommandKind::StartTravel,
            Self::Arrive => CommandKind::Arrive,
            Self::Start => CommandKind::Start,
            Self::Wait { .. } => CommandKind::Wait,
            Self::Resume => CommandKind::Resume,
            Self::Note { .. } => CommandKind::Note,
            Self::Resolve { .. } => CommandKind::Resolve,
            Self::Evidence { .. } => CommandKind::Evidence,
            Self::Confirm => CommandKind::Confirm,
            Self::Reopen { .. } => CommandKind::Reopen,
            Self::Cancel { .. } => CommandKind::Cancel,
            Self::AskProgress => CommandKind::AskProgress,
        }
    }
}

/// What people may do with a ticket as it stands, in the order of buttons.
pub fn available_commands(ticket: &Ticket) -> Vec<CommandKind> {
    CommandKind::FOR_PEOPLE.into_iter().filter(|&kind| guard(ticket, kind).is_ok()).collect()
}
