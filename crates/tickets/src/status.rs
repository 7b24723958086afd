//! Where a ticket stands, and what kind it is.

use serde::{Deserialize, Serialize};

/// Where a ticket stands. The meaning is fixed; labels an organisation prefers map onto these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody is asked yet.
    #[default]
    New,
    /// Somebody was asked.
    Assigned,
    /// That somebody took it.
    Accepted,
    /// On the way.
    EnRoute,
    /// At the charger.
    OnSite,
    /// At work, on site or from afar.
    InProgress,
    /// Nothing can be done until something happens.
    Waiting {
        /// What is waited for.
        kind: WaitKind,
    },
    /// A person, or the charger itself, says that it is mended.
    Resolved,
    /// The charger is watched: does it really work?
    Verifying,
    /// Over, and never changed again.
    Closed,
    /// Over without work.
    Cancelled,
}

/// What a ticket waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitKind {
    /// The customer's answer. Clocks stand still.
    Customer,
    /// Access to the place. Clocks stand still.
    Access,
    /// A spare part.
    Parts,
    /// Somebody else: the grid operator, a maker.
    ThirdParty,
    /// An agreed date.
    Scheduled,
}

impl WaitKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Customer, Self::Access, Self::Parts, Self::ThirdParty, Self::Scheduled];

    /// The word in forms and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Access => "access",
            Self::Parts => "parts",
            Self::ThirdParty => "third_party",
            Self::Scheduled => "scheduled",
        }
    }

    /// The kind of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The words for people, to follow "Waiting for".
    pub fn label(self) -> &'static str {
        match self {
            Self::Customer => "the customer",
            Self::Access => "access",
            Self::Parts => "parts",
            Self::ThirdParty => "a third party",
            Self::Scheduled => "the appointment",
        }
    }

    /// Whether the clocks stand still meanwhile: it is not ours to hurry.
    pub fn pauses_clocks(self) -> bool {
        matches!(self, Self::Customer | Self::Access)
    }
}

impl Status {
    /// All of them, with every kind of waiting.
    pub const ALL: [Self; 15] = [
        Self::New,
        Self::Assigned,
        Self::Accepted,
        Self::EnRoute,
        Self::OnSite,
        Self::InProgress,
        Self::Waiting { kind: WaitKind::Customer },
        Self::Waiting { kind: WaitKind::Access },
        Self::Waiting { kind: WaitKind::Parts },
        Self::Waiting { kind: WaitKind::ThirdParty },
        Self::Waiting { kind: WaitKind::Scheduled },
        Self::Resolved,
        Self::Verifying,
        Self::Closed,
        Self::Cancelled,
    ];

    /// The word in the database and the API; waiting carries its kind (`waiting_parts`).
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Assigned => "assigned",
            Self::Accepted => "accepted",
            Self::EnRoute => "en_route",
            Self::OnSite => "on_site",
            Self::InProgress => "in_progress",
            Self::Waiting { kind: WaitKind::Customer } => "waiting_customer",
            Self::Waiting { kind: WaitKind::Access } => "waiting_access",
            Self::Waiting { kind: WaitKind::Parts } => "waiting_parts",
            Self::Waiting { kind: WaitKind::ThirdParty } => "waiting_third_party",
            Self::Waiting { kind: WaitKind::Scheduled } => "waiting_scheduled",
            Self::Resolved => "resolved",
            Self::Verifying => "verifying",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// The words for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Assigned => "Assigned",
            Self::Accepted => "Accepted",
            Self::EnRoute => "On the way",
            Self::OnSite => "On site",
            Self::InProgress => "In progress",
            Self::Waiting { kind: WaitKind::Customer } => "Waiting for the customer",
            Self::Waiting { kind: WaitKind::Access } => "Waiting for access",
            Self::Waiting { kind: WaitKind::Parts } => "Waiting for parts",
            Self::Waiting { kind: WaitKind::ThirdParty } => "Waiting for a third party",
            Self::Waiting { kind: WaitKind::Scheduled } => "Waiting for the appointment",
            Self::Resolved => "Resolved",
            Self::Verifying => "Checking the repair",
            Self::Closed => "Closed",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Whether it is over for good.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Cancelled)
    }

    /// Whether there is still work to do.
    pub fn is_active(self) -> bool {
        !self.is_over() && !matches!(self, Self::Resolved | Self::Verifying)
    }

    /// Whether somebody is on the way, there, or at work: then the engine only tells what it sees.
    pub fn has_somebody_at_it(self) -> bool {
        matches!(self, Self::EnRoute | Self::OnSite | Self::InProgress)
    }
}

/// Where a ticket came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketKind {
    /// An incident of a charger: the charger's own evidence closes it.
    #[default]
    Incident,
    /// A wish of a person: a person closes it.
    ServiceRequest,
}

impl TicketKind {
    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::ServiceRequest => "service_request",
        }
    }

    /// The kind of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Incident, Self::ServiceRequest].into_iter().find(|kind| kind.name() == name)
    }
}

/// How the work is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkMode {
    /// Somebody goes there.
    #[default]
    OnSite,
    /// From afar: no travel.
    Remote,
}

impl WorkMode {
    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnSite => "on_site",
            Self::Remote => "remote",
        }
    }

    /// The mode of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::OnSite, Self::Remote].into_iter().find(|mode| mode.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_word_that_reads_back() {
        for status in Status::ALL {
            assert_eq!(Status::from_name(status.name()), Some(status));
        }
        for kind in WaitKind::ALL {
            assert_eq!(Status::Waiting { kind }.name(), format!("waiting_{}", kind.name()));
            assert!(Status::Waiting { kind }.label().ends_with(kind.label()));
        }
        assert_eq!(Status::from_name("waiting"), None);
    }
}
