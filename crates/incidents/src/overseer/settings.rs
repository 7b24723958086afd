//! The numbers of correlation (1.7).

use mendpoint_model::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use serde::Deserialize;

use crate::duration::paced;
use crate::settings::Guardrails;

/// When single failures are one cause. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverseerSettings {
    /// At least so many chargers of a site are an outage of the site.
    pub site_min: usize,
    /// And so many of those that were online, in percent.
    pub site_percent: u32,
    /// Within this time. Not paced: networks do not hurry.
    pub site_window_ms: i64,
    /// How long an outage is watched before it is told: what belongs together arrives (group wait).
    pub settle_ms: i64,
    /// How long most of the members must be back before an outage is over.
    pub over_ms: i64,
    /// After an outage ended, chargers that stay away are given so long before that is told of each.
    pub release_grace_ms: i64,
    /// How long a site's outage is left to itself before a person gets a ticket: the installer's work
    /// order comes after four hours (1.9), twice what a power cut lasts on average.
    pub site_escalate_ms: i64,
    /// A boot so soon after the return belongs to the return. Not paced.
    pub boot_after_ms: i64,
    /// At least so many chargers of one carrier are an outage of the carrier.
    pub carrier_min: usize,
    /// At so many sites.
    pub carrier_sites: usize,
    /// Within this time. Not paced.
    pub carrier_window_ms: i64,
    /// And so many times as many as the carrier loses in such a time on an ordinary day.
    pub carrier_factor: u32,
    /// The fleet is blind when more than this part of it is lost at once, in percent (G11).
    pub blind_percent: u32,
    /// And at least so many chargers.
    pub blind_min: usize,
    /// Within this time. Not paced.
    pub blind_window_ms: i64,
    /// How long nothing is sent at least.
    pub blind_hold_ms: i64,
    /// How long nothing is sent at most, while chargers stay away.
    pub blind_hold_max_ms: i64,
    /// At least so many chargers of a cohort show the same code.
    pub cohort_affected: u32,
    /// Of at least so many that had both firmware versions.
    pub cohort_min: u32,
    /// Within this time.
    pub cohort_window_ms: i64,
    /// The firmware before is looked at over so long.
    pub cohort_before_ms: i64,
    /// It must come at least so many times as often.
    pub cohort_ratio: f64,
    /// With a probability of chance below this, after Holm.
    pub cohort_p: f64,
    /// So many failures of one card or vehicle.
    pub vehicle_failures: u32,
    /// At so many sites.
    pub vehicle_sites: u32,
    /// Within this time, while others charge there.
    pub vehicle_window_ms: i64,
    /// After a start of ours nothing wide is opened for so long. Set by the engine's settings.
    #[serde(skip)]
    pub startup_grace_ms: i64,
}

impl Default for OverseerSettings {
    fn default() -> Self {
        let rails = Guardrails::default();
        Self {
            site_min: 2,
            site_percent: 60,
            site_window_ms: 120 * SECOND_MS,
            settle_ms: 30 * SECOND_MS,
            over_ms: 60 * SECOND_MS,
            release_grace_ms: 10 * MINUTE_MS,
            site_escalate_ms: 4 * HOUR_MS,
            boot_after_ms: 120 * SECOND_MS,
            carrier_min: 10,
            carrier_sites: 3,
            carrier_window_ms: 5 * MINUTE_MS,
            carrier_factor: 4,
            blind_percent: rails.vanished_percent,
            blind_min: rails.vanished_min,
            blind_window_ms: rails.vanished_window_ms,
            blind_hold_ms: rails.vanished_hold_ms,
            blind_hold_max_ms: HOUR_MS,
            cohort_affected: 3,
            cohort_min: 5,
            cohort_window_ms: DAY_MS,
            cohort_before_ms: 14 * DAY_MS,
            cohort_ratio: 3.0,
            cohort_p: 0.01,
            vehicle_failures: 3,
            vehicle_sites: 2,
            vehicle_window_ms: 7 * DAY_MS,
            startup_grace_ms: 10 * MINUTE_MS,
        }
    }
}

impl OverseerSettings {
    /// The settings with every paced duration scaled, and with the guardrails' own numbers.
    #[must_use]
    pub fn scaled(&self, pace: f64, rails: &Guardrails, startup_grace_ms: i64) -> Self {
        let pace = if pace.is_finite() && pace > 0.0 { pace } else { 1.0 };
        let mut settings = self.clone();
        settings.blind_percent = rails.vanished_percent;
        settings.blind_min = rails.vanished_min;
        settings.blind_window_ms = rails.vanished_window_ms;
        settings.blind_hold_ms = rails.vanished_hold_ms;
        settings.startup_grace_ms = startup_grace_ms;
        for ms in [
            &mut settings.settle_ms,
            &mut settings.over_ms,
            &mut settings.release_grace_ms,
            &mut settings.site_escalate_ms,
            &mut settings.blind_hold_ms,
            &mut settings.blind_hold_max_ms,
            &mut settings.startup_grace_ms,
        ] {
            *ms = paced(*ms, pace);
        }
        settings
    }
}
