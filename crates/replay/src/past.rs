//! What the past is told in.

use mendpoint_model::{ChargerKey, ChargerState, FrameSeq, UnixMs};

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

/// A charger as it was when the replay begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// What was known of it then; `link.connected` says whether it was online.
    pub state: ChargerState,
}
