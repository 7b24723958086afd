//! The ledger itself.

use mendpoint_model::{MINUTE_MS, UnixMs};
use serde::{Deserialize, Serialize};

/// What a minute was, before exclusions and opening hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Online and available, or in use.
    Up,
    /// No connection, and nothing shows that it worked meanwhile.
    Offline,
    /// It said that it is broken (OCPI: out of order).
    Faulted,
    /// It said that it is out of service (OCPI: inoperative).
    Unavailable,
    /// Nobody can know: our own server was down, or much of the fleet vanished at once.
    Blind,
}

impl Class {
    /// All of them.
    pub const EVERY: [Self; 5] =
        [Self::Up, Self::Offline, Self::Faulted, Self::Unavailable, Self::Blind];

    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Offline => "offline",
            Self::Faulted => "faulted",
            Self::Unavailable => "unavailable",
            Self::Blind => "blind",
        }
    }

    /// The class of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|class| class.name() == name)
    }

    /// Whether it counts as an outage that an exclusion may excuse.
    pub fn is_down(self) -> bool {
        matches!(self, Self::Offline | Self::Faulted | Self::Unavailable)
    }
}

/// A stretch of whole minutes of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its beginning: a whole minute.
    pub from: UnixMs,
    /// Its end, not included: a whole minute.
    pub until: UnixMs,
    /// What it was.
    pub class: Class,
}

impl Span {
    /// How many minutes it has.
    pub fn minutes(&self) -> i64 {
        self.until.since_ms(self.from) / MINUTE_MS
    }
}

/// The first whole minute at or after a moment.
pub(crate) fn minute_from(at: UnixMs) -> UnixMs {
    UnixMs(at.0.saturating_add(MINUTE_MS - 1).div_euclid(MINUTE_MS) * MINUTE_MS)
}
