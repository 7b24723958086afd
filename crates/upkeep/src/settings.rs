//! Settings of the upkeep.

use mendpoint_model::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use serde::{Deserialize, Serialize};

/// When chargers are asked about themselves. The defaults are gentle; a demonstration shortens them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpkeepSettings {
    /// Whether chargers are asked at all.
    pub enabled: bool,
    /// How long a connection must have held before the first question, milliseconds. It doubles
    /// with every further connection within the last hour (behaviour 22).
    pub settle_ms: i64,
    /// Over how long the first questions are spread, by the charger's number, milliseconds
    /// (behaviour 21).
    pub spread_ms: i64,
    /// After how long configuration and inventory are read again, milliseconds.
    pub repeat_ms: i64,
    /// How often a radio link is asked for at most, milliseconds (2.2c).
    pub signal_every_ms: i64,
    /// How long to wait before a charger that is busy is looked at again, milliseconds.
    pub busy_retry_ms: i64,
    /// The pause between two questions, milliseconds.
    pub pause_ms: i64,
    /// How long the parts of a report are waited for after the last one, milliseconds.
    pub report_wait_ms: i64,
    /// How many chargers of a shard are asked at the same time.
    pub asked_at_once_max: usize,
    /// How many values of one charger are taken in within an hour (behaviour 71).
    pub values_an_hour_max: usize,
    /// Monitors in one `SetVariableMonitoring`; small chargers take few.
    pub monitors_a_message: usize,
    /// Monitors installed on one charger.
    pub monitors_max: usize,
}

impl Default for UpkeepSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            settle_ms: MINUTE_MS,
            spread_ms: 5 * MINUTE_MS,
            repeat_ms: 7 * DAY_MS,
            signal_every_ms: 15 * MINUTE_MS,
            busy_retry_ms: 2 * MINUTE_MS,
            pause_ms: 2 * SECOND_MS,
            report_wait_ms: 2 * MINUTE_MS,
            asked_at_once_max: 50,
            values_an_hour_max: 10_000,
            monitors_a_message: 8,
            monitors_max: 200,
        }
    }
}

impl UpkeepSettings {
    /// The same with all waits multiplied by `pace`, as the engine's are.
    #[must_use]
    pub fn paced(mut self, pace: f64) -> Self {
        let scale = |ms: &mut i64| *ms = ((*ms as f64) * pace) as i64;
        scale(&mut self.settle_ms);
        scale(&mut self.spread_ms);
        scale(&mut self.repeat_ms);
        scale(&mut self.signal_every_ms);
        scale(&mut self.busy_retry_ms);
        // A charger is not hurried: what it is asked within one conversation keeps its pace.
        self
    }
}

/// The longest settle window: a station that connects again and again is looked at now and then.
pub(crate) const SETTLE_MAX_MS: i64 = HOUR_MS;
