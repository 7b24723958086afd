//! What happened to a ticket. Append-only: corrections are new events.

use mendpoint_model::{Actor, Contact, TicketId, UnixMs};
use serde::{Deserialize, Serialize};

use crate::clock::time_words;
use crate::command::NewTicket;
use crate::status::WaitKind;

/// One line of a ticket's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TicketEvent {
    /// The ticket.
    pub ticket: TicketId,
    /// Its number in the ticket, from 1 without gaps.
    pub seq: u32,
    /// When.
    pub at: UnixMs,
    /// Who.
    pub actor: Actor,
    /// What.
    pub kind: TicketEventKind,
    /// Who may see it.
    pub visibility: Visibility,
}

/// Who may see an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Staff and installers.
    #[default]
    Internal,
    /// The requester too.
    Customer,
}

impl Visibility {
    /// The word in forms and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Customer => "customer",
        }
    }

    /// The visibility of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Internal, Self::Customer].into_iter().find(|v| v.name() == name)
    }
}

/// What the charger itself shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// The condition is gone and stayed gone for the healthy delay.
    Recovered,
    /// A charging session delivered energy again.
    Proven,
    /// The condition is gone, where no session could prove more: a link, a signal.
    Cleared,
    /// The condition is back.
    FaultReturned,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketEventKind {
    /// It was opened.
    Opened(Box<NewTicket>),
    /// Somebody was asked.
    Assigned {
        /// Who, for mail and telephone.
        assignee: Contact,
        /// The account of that person or company, if there is one.
        user: Option<String>,
    },
    /// It was taken away again.
    Unassigned,
    /// The assignee took it.
    Accepted,
    /// The assignee will not do it.
    Declined {
        /// Why.
        reason: String,
    },
    /// The assignee is on the way.
    TravelStarted {
        /// When they expect to be there.
        eta: Option<UnixMs>,
    },
    /// The assignee is at the charger.
    Arrived,
    /// Work began.
    WorkStarted,
    /// It waits for something.
    WaitingBegan {
        /// For what.
        kind: WaitKind,
        /// Why.
        reason: String,
    },
    /// It goes on where it was.
    Resumed,
    /// Somebody wrote something.
    Noted {
        /// What.
        text: String,
    },
    /// A person says that it is mended.
    Resolved {
        /// The coded cause.
        cause: String,
        /// The coded action.
        action: String,
        /// In their words.
        text: String,
    },
    /// The charger mended itself before anybody was on the way.
    SelfHealed,
    /// The charger is watched.
    VerificationBegan,
    /// The charger shows something.
    EvidenceSeen {
        /// What.
        kind: EvidenceKind,
        /// In words, with numbers.
        text: String,
    },
    /// It is not mended after all.
    Reopened {
        /// Why.
        reason: String,
    },
    /// Over.
    Closed {
        /// Why.
        reason: String,
    },
    /// Over without work.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// Somebody wants to know how it goes.
    ProgressAsked,
}

impl TicketEventKind {
    /// The stable word for scripts and the database.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Assigned { .. } => "assigned",
            Self::Unassigned => "unassigned",
            Self::Accepted => "accepted",
            Self::Declined { .. } => "declined",
            Self::TravelStarted { .. } => "travel_started",
            Self::Arrived => "arrived",
            Self::WorkStarted => "work_started",
            Self::WaitingBegan { .. } => "waiting_began",
            Self::Resumed => "resumed",
            Self::Noted { .. } => "noted",
            Self::Resolved { .. } => "resolved",
            Self::SelfHealed => "self_healed",
            Self::VerificationBegan => "verification_began",
            Self::EvidenceSeen { .. } => "evidence_seen",
            Self::Reopened { .. } => "reopened",
            Self::Closed { .. } => "closed",
            Self::Cancelled { .. } => "cancelled",
            Self::ProgressAsked => "progress_asked",
        }
    }

    /// A line for people, for the history on the page.
    pub fn title(&self) -> String {
        match self {
            Self::Opened(ticket) => format!("Opened: {}", ticket.title),
            Self::Assigned { assignee, .. } => format!("Assigned to {}", assignee.name),
            Self::Unassigned => "Taken back into the queue".to_owned(),
            Self::Accepted => "Accepted".to_owned(),
            Self::Declined { .. } => "Declined".to_owned(),
            Self::TravelStarted { .. } => "On the way".to_owned(),
            Self::Arrived => "Arrived on site".to_owned(),
            Self::WorkStarted => "Work started".to_owned(),
            Self::WaitingBegan { kind, .. } => format!("Waiting for {}", kind.label()),
            Self::Resumed => "Work goes on".to_owned(),
            Self::Noted { .. } => "Note".to_owned(),
            Self::Resolved { .. } => "Reported as resolved".to_owned(),
            Self::SelfHealed => "The charger recovered by itself".to_owned(),
            Self::VerificationBegan => "The charger is being watched".to_owned(),
            Self::EvidenceSeen {
                kind: EvidenceKind::Recovered | EvidenceKind::Cleared, ..
            } => "The charger works again".to_owned(),
            Self::EvidenceSeen { kind: EvidenceKind::Proven, .. } => {
                "Proved by a charging session".to_owned()
            }
            Self::EvidenceSeen { kind: EvidenceKind::FaultReturned, .. } => {
                "The fault is back".to_owned()
            }
            Self::Reopened { .. } => "Reopened".to_owned(),
            Self::Closed { .. } => "Closed".to_owned(),
            Self::Cancelled { .. } => "Cancelled".to_owned(),
            Self::ProgressAsked => "Asked how it goes".to_owned(),
        }
    }

    /// More, if there is more.
    pub fn text(&self) -> String {
        match self {
            Self::Opened(ticket) => ticket.description.clone(),
            Self::Declined { reason }
            | Self::WaitingBegan { reason, .. }
            | Self::Reopened { reason }
            | Self::Closed { reason }
            | Self::Cancelled { reason } => reason.clone(),
            Self::TravelStarted { eta: Some(eta) } => format!("Expected at {}", time_words(*eta)),
            Self::Noted { text } | Self::EvidenceSeen { text, .. } => text.clone(),
            Self::Resolved { cause, action, text } if text.is_empty() => {
                format!("Cause: {cause}. Action: {action}.")
            }
            Self::Resolved { cause, action, text } => {
                format!("Cause: {cause}. Action: {action}. {text}")
            }
            _ => String::new(),
        }
    }
}
