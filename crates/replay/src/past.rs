//! What the past is told in.

use mendpoint_model::{ChargerKey, ChargerState, ConnectorRef, FrameSeq, Source, UnixMs};
use mendpoint_uptime::History;

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the charger to us.
    In,
    /// From us to the charger.
    Out,
}

/// A frame that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastFrame<'a> {
    /// Its number.
    pub seq: FrameSeq,
    /// The charger.
    pub charger: ChargerKey,
    /// When it came or went, by our clock.
    pub at: UnixMs,
    /// Which way.
    pub direction: Direction,
    /// The text as it was on the wire.
    pub text: &'a str,
}

/// A connection that opened or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastLink {
    /// The charger.
    pub charger: ChargerKey,
    /// When.
    pub at: UnixMs,
    /// Whether it was open from then on.
    pub online: bool,
    /// Why it ended.
    pub reason: String,
}

/// Something that a person did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastAct {
    /// When.
    pub at: UnixMs,
    /// What.
    pub deed: Deed,
}

/// What a person did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Somebody reported that something is wrong.
    Report {
        /// With which charger.
        charger: ChargerKey,
        /// With which connector, if told.
        connector: Option<ConnectorRef>,
        /// Code of the reason.
        reason: String,
        /// In their own words.
        text: String,
        /// Who.
        reporter: String,
        /// What kind of person.
        source: Source,
    },
    /// Somebody took an incident.
    Take(PastSubject, String),
    /// Somebody gave it back.
    Release(PastSubject, String),
    /// Somebody declared it over.
    Resolve(PastSubject, String),
}

/// What an incident of the past was about: the replay has other numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastSubject {
    /// Its rule.
    pub rule: String,
    /// Its charger.
    pub charger: ChargerKey,
    /// Its connector, or the whole charger.
    pub connector: ConnectorRef,
}

/// A charger as it was when the replay begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// What was known of it then; `link.connected` says whether it was online.
    pub state: ChargerState,
    /// What was known of it in the days before.
    pub history: History,
}
