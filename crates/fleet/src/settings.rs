//! Settings of the fold.

use mendpoint_model::{MINUTE_MS, SECOND_MS};
use serde::{Deserialize, Serialize};

/// Settings of the fold. The defaults are right for real chargers; a demonstration shortens the
/// waits, and the limits keep one broken charger from eating the memory of all (behaviour 71).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FleetSettings {
    /// How long after a boot the queued end of an open transaction is waited for before the
    /// transaction is closed as `Interrupted`, milliseconds (behaviour 53).
    pub interrupted_wait_ms: i64,
    /// From how many milliseconds of delay a message counts as late: history only, never a reason
    /// to act (incidents 1.2).
    pub late_ms: i64,
    /// Power below which a transaction counts as idle, W.
    pub idle_power_w: f64,
    /// How many ended transactions a charger are remembered, to know retries by (behaviour 32).
    pub recent_transactions_max: usize,
    /// How many transactions a charger may have open; the oldest is closed beyond that.
    pub open_transactions_max: usize,
    /// How many connectors a charger may have; reports of further ones are ignored.
    pub connectors_max: usize,
    /// How many faults are kept for one connector.
    pub faults_max: usize,
    /// What a connector can deliver at most, W: more energy than that is suspect.
    pub connector_power_max_w: f64,
    /// How many configuration keys are kept for one charger.
    pub configuration_keys_max: usize,
}

impl FleetSettings {
    /// The same with our own waits multiplied by `pace`, never below a millisecond. What comes late
    /// and what a connector can deliver do not hurry.
    #[must_use]
    pub fn paced(mut self, pace: f64) -> Self {
        self.interrupted_wait_ms = ((self.interrupted_wait_ms as f64 * pace).round() as i64).max(1);
        self
    }
}

impl Default for FleetSettings {
    fn default() -> Self {
        Self {
            interrupted_wait_ms: 10 * MINUTE_MS,
            late_ms: 300 * SECOND_MS,
            idle_power_w: 50.0,
            recent_transactions_max: 8,
            open_transactions_max: 32,
            connectors_max: 64,
            faults_max: 32,
            connector_power_max_w: 500_000.0,
            configuration_keys_max: 512,
        }
    }
}
