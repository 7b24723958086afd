//! OCPP 1.6: what the charger says, hears and answers, in rust-ocpp's types.

pub(crate) mod commands;
pub(crate) mod hear;
pub(crate) mod say;

use chrono::{DateTime, Utc};
use mendpoint_model::UnixMs;

/// A time in the type of the messages. The simulation's times are always in its range.
pub(crate) fn time(at: UnixMs) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.0).unwrap_or_default()
}
