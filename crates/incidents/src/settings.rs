//! The engine's settings: every number of the guardrails and of the healing ladder.

use std::collections::{BTreeMap, BTreeSet};

use mendpoint_model::{
    COMMAND_TIMEOUT_MS, DAY_MS, HOUR_MS, HealMode, MINUTE_MS, SECOND_MS, SiteKey,
};
use serde::Deserialize;

use crate::duration::paced;
use crate::overseer::OverseerSettings;
use crate::rule::RuleOverride;

/// Settings of the engine. All times in milliseconds, as they are before `pace`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineSettings {
    /// Every duration of rules, playbooks, guardrails and healing is multiplied by this: 0.05 makes
    /// ten minutes thirty seconds. 1.0 leaves them as written. Only for demonstrations.
    pub pace: f64,
    /// After a start of ours, silence counts only after this time (1.2): at least twice the
    /// heartbeat interval.
    pub startup_grace_ms: i64,
    /// The most the engine may do, whatever a rule says (G10).
    pub default_mode: HealMode,
    /// How long a charger waits for a car after authorisation, where its configuration does not
    /// say (`ConnectionTimeOut`).
    pub connection_timeout_ms: i64,
    /// How long an answer to a command is waited for. Not paced: networks do not hurry.
    pub command_timeout_ms: i64,
    /// How long an answer to a sign-of-life probe is waited for. Not paced.
    pub probe_timeout_ms: i64,
    /// How long a reset may take until the charger is back (`T_boot`), as long as it is not known
    /// how long its model takes.
    pub boot_ms: i64,
    /// The least and the most that is learned of it.
    pub boot_min_ms: i64,
    /// See `boot_min_ms`.
    pub boot_max_ms: i64,
    /// Whether what repairs taught changes which rung comes next.
    pub learn: bool,
    /// A fleet of fewer chargers does not try things out to learn.
    pub learn_fleet_min: usize,
    /// The hour of the day (UTC) in which repairs that can wait are done (G12); the one that was
    /// learned of each site when `None`.
    pub quiet_hour: Option<usize>,
    /// How long a rule that was never seen before only writes down what it would do (G10).
    pub new_rule_shadow_ms: i64,
    /// How long after `boot_ms` an absent charger is worse off than before (G9).
    pub worse_after_ms: i64,
    /// How long the condition must stay away before a repair counts (`healthyDelay`).
    pub healthy_ms: i64,
    /// How long a status is waited for after it was asked for (L1).
    pub status_answer_ms: i64,
    /// How long an unlock or an availability cycle may take to show an effect (L2, L3).
    pub settle_ms: i64,
    /// How long `Unavailable` is waited for before a connector is switched on again (L3).
    pub unavailable_ms: i64,
    /// Within this time after the end, the same trouble reopens the incident (`minHealthyPeriod`).
    pub reopen_ms: i64,
    /// Within this time a failed first attempt undoes a repair.
    pub proof_ms: i64,
    /// After this time a recovered incident that no session proved is put away.
    pub unproven_close_ms: i64,
    /// Within this time a driver's report joins an open incident.
    pub report_join_ms: i64,
    /// Where chargers upload their diagnostics before a reset (1.6). Empty: they are not asked. May
    /// hold a password.
    pub diagnostics_url: String,
    /// How long the upload is waited for before the repair goes on without it.
    pub diagnostics_ms: i64,
    /// How long a charger is not asked for its diagnostics again, also when it refused.
    pub diagnostics_every_ms: i64,
    /// What healing may never do.
    pub guardrails: Guardrails,
    /// When single failures are one cause (1.7).
    pub correlation: OverseerSettings,
    /// How long one look of the flap damping is (1.8): twenty of them are remembered.
    pub flap_look_ms: i64,
    /// How long the first notice of a group waits for what belongs to it.
    pub group_wait_ms: i64,
    /// Least time between two notices of a group.
    pub group_interval_ms: i64,
    /// After this time what is still open in a group is told again.
    pub group_repeat_ms: i64,
    /// Operators' own numbers, by rule id.
    pub rules: BTreeMap<String, RuleOverride>,
    /// Where chargers stand that nobody gave a site. It is no place: each of them counts as a site
    /// of its own (G5).
    #[serde(skip)]
    pub unassigned: Option<SiteKey>,
    /// Sites whose chargers' power can be switched off and on by a hook of the site (L6P).
    #[serde(skip)]
    pub power_hooks: BTreeSet<SiteKey>,
    /// The most that healing may do on single models, whatever their rules say (G10): vendor and
    /// model in lower case.
    #[serde(skip)]
    pub models: BTreeMap<(String, String), HealMode>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            pace: 1.0,
            startup_grace_ms: 10 * MINUTE_MS,
            default_mode: HealMode::On,
            connection_timeout_ms: 60 * SECOND_MS,
            command_timeout_ms: COMMAND_TIMEOUT_MS,
            probe_timeout_ms: 5 * SECOND_MS,
            boot_ms: 180 * SECOND_MS,
            boot_min_ms: 60 * SECOND_MS,
            boot_max_ms: 600 * SECOND_MS,
            learn: true,
            learn_fleet_min: 50,
            quiet_hour: None,
            new_rule_shadow_ms: 7 * DAY_MS,
            worse_after_ms: 10 * MINUTE_MS,
            healthy_ms: 300 * SECOND_MS,
            status_answer_ms: 30 * SECOND_MS,
            settle_ms: 120 * SECOND_MS,
            unavailable_ms: 15 * SECOND_MS,
            reopen_ms: HOUR_MS,
            proof_ms: DAY_MS,
            unproven_close_ms: 7 * DAY_MS,
            report_join_ms: DAY_MS,
            diagnostics_url: String::new(),
            diagnostics_ms: 5 * MINUTE_MS,
            diagnostics_every_ms: DAY_MS,
            guardrails: Guardrails::default(),
            correlation: OverseerSettings::default(),
            flap_look_ms: 90 * SECOND_MS,
            group_wait_ms: 30 * SECOND_MS,
            group_interval_ms: 5 * MINUTE_MS,
            group_repeat_ms: 4 * HOUR_MS,
            rules: BTreeMap::new(),
            unassigned: None,
            power_hooks: BTreeSet::new(),
            models: BTreeMap::new(),
        }
    }
}

/// What healing may never exceed, whatever a rule says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guardrails {
    /// Nothing that acts within this time after plug-in or an accepted authorisation (G2).
    pub after_plug_in_ms: i64,
    /// A transaction without power for this long, on a connector that finished or is faulted, is
    /// stuck (G1).
    pub stuck_transaction_ms: i64,
    /// How long a stopped stuck transaction is waited for (G1).
    pub stuck_stop_ms: i64,
    /// After a charger connected, how long its own status is waited for before anything is done to
    /// it on the strength of an old one. Not paced: chargers do not hurry.
    pub reconnect_ms: i64,
    /// Least time between two actions on a charger (G4).
    pub gap_ms: i64,
    /// Most tries of a rung in an incident (G4).
    pub tries_per_rung: u32,
    /// Most disruptive actions on a charger in `disruptive_window_ms` (G4).
    pub disruptive_max: u32,
    /// See `disruptive_max`.
    pub disruptive_window_ms: i64,
    /// Least time between two hard resets of a charger (G4).
    pub hard_reset_gap_ms: i64,
    /// Least time before the second, third and every later try of the same rung (G4).
    pub backoff_ms: [i64; 3],
    /// A wait for a limit longer than this is no wait: the rung is skipped.
    pub wait_max_ms: i64,
    /// How long an upload of diagnostics is not disturbed after its last news (G2): some chargers
    /// never say that it ended.
    pub upload_max_ms: i64,
    /// Most chargers of a site disturbed at a time, in percent, at least one (G5).
    pub site_percent: u32,
    /// Most chargers of one vendor, model and firmware disturbed at a time, in percent, at least
    /// one (G5).
    pub cohort_percent: f64,
    /// Most chargers of the fleet disturbed at a time, in percent (G5).
    pub fleet_percent: f64,
    /// But so many in any case: a small fleet has no hundredth.
    pub fleet_at_least: usize,
    /// Most actions begun within `new_window_ms` (G5).
    pub new_per_minute: u32,
    /// See `new_per_minute`.
    pub new_window_ms: i64,
    /// More than this part of a site in trouble is a storm, in percent (G6).
    pub storm_site_percent: f64,
    /// At sites of so many chargers at least.
    pub storm_site_min: usize,
    /// More than this part of a vendor, model and firmware in trouble is a storm, in percent (G6).
    pub storm_cohort_percent: f64,
    /// Of so many chargers at least.
    pub storm_cohort_min: usize,
    /// More than this part of the fleet in trouble is a storm, in percent (G6).
    pub storm_fleet_percent: f64,
    /// In fleets of so many chargers at least.
    pub storm_fleet_min: usize,
    /// Trouble counts for so long; what is broken for longer is no storm (G6).
    pub storm_counts_ms: i64,
    /// How long a storm lasts after the part is back (G6).
    pub storm_cool_ms: i64,
    /// On so many chargers of a new model or firmware, one after the other, a rung must have done
    /// no harm before it is used on several at a time (G7).
    pub canary_chargers: u32,
    /// How many of the newest outcomes the breaker looks at (G8).
    pub breaker_outcomes: u32,
    /// It opens when the upper bound of what was fixed is below this share (G8).
    pub breaker_below: f64,
    /// Or when so many made it worse (G8).
    pub breaker_worse: u32,
    /// After this time it lets one try through (G8).
    pub breaker_open_ms: i64,
    /// How long a ground fault may clear by itself, without a car, before its one reset (G3).
    pub ground_wait_ms: i64,
    /// How long after that reset there is no other (G3).
    pub ground_again_ms: i64,
    /// So many starts of a charger after an action, none of them asked for, are a boot loop (G9).
    pub boot_loop: u32,
    /// More than this part of the fleet lost within `vanished_window_ms`, in percent: nothing is
    /// sent any more (G11).
    pub vanished_percent: u32,
    /// And at least so many chargers: a small fleet loses a site like that.
    pub vanished_min: usize,
    /// See `vanished_percent`. Not paced.
    pub vanished_window_ms: i64,
    /// How long nothing is sent after that.
    pub vanished_hold_ms: i64,
    /// When the engine is later than this, nothing is sent (G11). Not paced: the disk does not
    /// hurry.
    pub lag_stop_ms: i64,
    /// It must be no later than this before anything is sent again. Not paced.
    pub lag_resume_ms: i64,
    /// And for so long. Not paced.
    pub lag_calm_ms: i64,
}

impl Default for Guardrails {
    fn default() -> Self {
        Self {
            after_plug_in_ms: 120 * SECOND_MS,
            stuck_transaction_ms: 30 * MINUTE_MS,
            stuck_stop_ms: 120 * SECOND_MS,
            reconnect_ms: 60 * SECOND_MS,
            gap_ms: 5 * MINUTE_MS,
            tries_per_rung: 2,
            disruptive_max: 3,
            disruptive_window_ms: DAY_MS,
            hard_reset_gap_ms: 6 * HOUR_MS,
            backoff_ms: [15 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS],
            wait_max_ms: HOUR_MS,
            upload_max_ms: 15 * MINUTE_MS,
            site_percent: 20,
            cohort_percent: 5.0,
            fleet_percent: 1.0,
            fleet_at_least: 3,
            new_per_minute: 10,
            new_window_ms: MINUTE_MS,
            storm_site_percent: 40.0,
            storm_site_min: 3,
            storm_cohort_percent: 20.0,
            storm_cohort_min: 10,
            storm_fleet_percent: 5.0,
            storm_fleet_min: 100,
            storm_counts_ms: DAY_MS,
            storm_cool_ms: 10 * MINUTE_MS,
            canary_chargers: 3,
            breaker_outcomes: 20,
            breaker_below: 0.40,
            breaker_worse: 2,
            breaker_open_ms: DAY_MS,
            ground_wait_ms: 15 * MINUTE_MS,
            ground_again_ms: 7 * DAY_MS,
            boot_loop: 3,
            vanished_percent: 20,
            vanished_min: 10,
            vanished_window_ms: MINUTE_MS,
            vanished_hold_ms: 10 * MINUTE_MS,
            lag_stop_ms: 60 * SECOND_MS,
            lag_resume_ms: 10 * SECOND_MS,
            lag_calm_ms: 60 * SECOND_MS,
        }
    }
}

impl EngineSettings {
    /// The settings with every duration scaled by the pace.
    pub(crate) fn scaled(&self) -> Self {
        let mut settings = self.clone();
        let pace = if self.pace.is_finite() && self.pace > 0.0 { self.pace } else { 1.0 };
        settings.pace = pace;
        settings.correlation =
            self.correlation.scaled(pace, &self.guardrails, self.startup_grace_ms);
        let rails = &mut settings.guardrails;
        for ms in [
            &mut settings.startup_grace_ms,
            &mut settings.connection_timeout_ms,
            &mut settings.boot_ms,
            &mut settings.boot_min_ms,
            &mut settings.boot_max_ms,
            &mut settings.new_rule_shadow_ms,
            &mut settings.worse_after_ms,
            &mut settings.healthy_ms,
            &mut settings.status_answer_ms,
            &mut settings.settle_ms,
            &mut settings.unavailable_ms,
            &mut settings.reopen_ms,
            &mut settings.proof_ms,
            &mut settings.unproven_close_ms,
            &mut settings.report_join_ms,
            &mut settings.diagnostics_ms,
            &mut settings.diagnostics_every_ms,
            &mut settings.flap_look_ms,
            &mut settings.group_wait_ms,
            &mut settings.group_interval_ms,
            &mut settings.group_repeat_ms,
            &mut rails.after_plug_in_ms,
            &mut rails.stuck_transaction_ms,
            &mut rails.stuck_stop_ms,
            &mut rails.gap_ms,
            &mut rails.disruptive_window_ms,
            &mut rails.hard_reset_gap_ms,
            &mut rails.wait_max_ms,
            &mut rails.upload_max_ms,
            &mut rails.vanished_hold_ms,
            &mut rails.new_window_ms,
            &mut rails.storm_counts_ms,
            &mut rails.storm_cool_ms,
            &mut rails.breaker_open_ms,
            &mut rails.ground_wait_ms,
            &mut rails.ground_again_ms,
        ] {
            *ms = paced(*ms, pace);
        }
        for ms in &mut rails.backoff_ms {
            *ms = paced(*ms, pace);
        }
        settings
    }
}

/// Where the engine takes its incident numbers from. Shards use steps that never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdSequence {
    /// The next number.
    pub next: i64,
    /// The distance to the one after it.
    pub step: i64,
}

impl IdSequence {
    /// Takes the next number.
    pub fn take(&mut self) -> i64 {
        let id = self.next;
        self.next += self.step.max(1);
        id
    }
}
