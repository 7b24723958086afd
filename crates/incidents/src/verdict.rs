//! How a transaction ended, and whether that was a failure (1.5, F3 to F5).

use mendpoint_model::{SECOND_MS, Transaction, UnixMs};

use crate::attempts::{AttemptTimes, Failure, NO_ENERGY_MS, SESSION_WH};

/// F3: a session below the energy that is shorter than this failed.
const SHORT_MS: i64 = 120 * SECOND_MS;
/// A user who stops after this time, with power, was served (F3).
const USER_STOP_MS: i64 = 60 * SECOND_MS;

/// How a transaction ended.
pub(crate) struct Verdict<'a> {
    pub(crate) reason: &'a str,
    pub(crate) ended_at: UnixMs,
    pub(crate) energy_wh: Option<f64>,
}

impl Verdict<'_> {
    /// F3, F4 and F5.
    pub(crate) fn failure(
        &self,
        tx: &Transaction,
        ours: bool,
        paused: bool,
        times: AttemptTimes,
    ) -> Option<Failure> {
        const BROKEN_OFF: [&str; 10] = [
            "EmergencyStop",
            "PowerLoss",
            "HardReset",
            "SoftReset",
            "ImmediateReset",
            "Reboot",
            "UnlockCommand",
            "Other",
            "GroundFault",
            "OvercurrentFault",
        ];
        if BROKEN_OFF.contains(&self.reason) {
            return (!ours).then_some(Failure::BrokenOff);
        }
        let empty = self.energy_wh.is_some_and(|energy| energy < SESSION_WH);
        let refused = self.reason == "DeAuthorized";
        let unwanted = tx.id_token.is_empty() && !tx.had_power;
        if !empty || paused || ours || refused || unwanted {
            return None;
        }
        let duration_ms = self.ended_at.since_ms(tx.started_at);
        if duration_ms >= times.ms(NO_ENERGY_MS) {
            return Some(Failure::NoEnergy);
        }
        if duration_ms >= times.ms(SHORT_MS) {
            return None;
        }
        let served = matches!(self.reason, "Local" | "Remote")
            && duration_ms >= times.ms(USER_STOP_MS)
            && tx.had_power;
        (!served).then_some(Failure::EndedAtOnce)
    }

    /// Whether the charger lost its power or started anew: that ends every charge it has.
    pub(crate) fn is_cut(&self) -> bool {
        matches!(self.reason, "PowerLoss" | "HardReset" | "SoftReset" | "ImmediateReset" | "Reboot")
    }

    /// Unplugged before any power, within a minute of plug-in.
    pub(crate) fn changed_mind(
        &self,
        tx: &Transaction,
        plugged_at: UnixMs,
        times: AttemptTimes,
    ) -> bool {
        self.reason == "EVDisconnected"
            && !tx.had_power
            && self.ended_at.since_ms(plugged_at) <= times.ms(USER_STOP_MS)
    }
}
