//! The settings of `[healing]`: the numbers of the guardrails, and what may be done where.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use anyhow::Result;
use mendpoint_incidents::{EngineSettings, HealMode};
use mendpoint_model::{DAY_MS, HOUR_MS, SECOND_MS};
use mendpoint_pipeline::PowerHook;
use serde::Deserialize;

use crate::settings::Secret;

/// The guardrails' numbers. Each has bounds: none can be set so that it means nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Healing {
    pub(crate) after_plug_in_s: u32,
    pub(crate) ground_wait_s: u32,
    pub(crate) gap_s: u32,
    pub(crate) tries_per_rung: u32,
    pub(crate) disruptive_per_day: u32,
    pub(crate) hard_reset_gap_s: u32,
    pub(crate) wait_max_s: u32,
    pub(crate) site_percent: u32,
    pub(crate) cohort_percent: f64,
    pub(crate) fleet_percent: f64,
    pub(crate) fleet_at_least: u32,
    pub(crate) new_per_minute: u32,
    pub(crate) storm_site_percent: f64,
    pub(crate) storm_cohort_percent: f64,
    pub(crate) storm_fleet_percent: f64,
    pub(crate) storm_fleet_min: u32,
    pub(crate) storm_cool_s: u32,
    pub(crate) canary_chargers: u32,
    pub(crate) breaker_below_percent: f64,
    pub(crate) breaker_outcomes: u32,
    pub(crate) breaker_worse: u32,
    pub(crate) breaker_open_h: u32,
    pub(crate) boot_loop: u32,
    pub(crate) new_rule_shadow_days: u32,
    pub(crate) quiet_hour: i32,
    pub(crate) boot_s: u32,
    pub(crate) boot_min_s: u32,
    pub(crate) boot_max_s: u32,
    pub(crate) healthy_s: u32,
    pub(crate) proof_h: u32,
    pub(crate) learn: bool,
    pub(crate) learn_fleet_min: u32,
    pub(crate) models: Vec<ModelMode>,
    pub(crate) power_hooks: Vec<SitePower>,
}

/// The most that is done on chargers of one model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelMode {
    pub(crate) vendor: String,
    pub(crate) model: String,
    pub(crate) mode: HealMode,
}

/// Where a site's power is switched.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SitePower {
    pub(crate) site: String,
    pub(crate) url: Secret,
    pub(crate) secret: Secret,
}

fn bound<T: Copy + PartialOrd + std::fmt::Display>(
    name: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<()> {
    anyhow::ensure!(
        range.contains(&value),
        "healing.{name} must be between {} and {}, and is {value}",
        range.start(),
        range.end()
    );
    Ok(())
}

impl Healing {
    /// What types cannot say.
    pub(crate) fn check(&self) -> Result<()> {
        bound("after_plug_in_s", self.after_plug_in_s, &(30..=3_600))?;
        bound("ground_wait_s", self.ground_wait_s, &(900..=86_400))?;
        bound("gap_s", self.gap_s, &(60..=86_400))?;
        bound("tries_per_rung", self.tries_per_rung, &(1..=5))?;
        bound("disruptive_per_day", self.disruptive_per_day, &(1..=10))?;
        bound("hard_reset_gap_s", self.hard_reset_gap_s, &(3_600..=604_800))?;
        bound("wait_max_s", self.wait_max_s, &(300..=86_400))?;
        bound("site_percent", self.site_percent, &(1..=50))?;
        bound("cohort_percent", self.cohort_percent, &(0.1..=25.0))?;
        bound("fleet_percent", self.fleet_percent, &(0.1..=10.0))?;
        bound("fleet_at_least", self.fleet_at_least, &(1..=20))?;
        bound("new_per_minute", self.new_per_minute, &(1..=100))?;
        bound("storm_site_percent", self.storm_site_percent, &(10.0..=90.0))?;
        bound("storm_cohort_percent", self.storm_cohort_percent, &(5.0..=90.0))?;
        bound("storm_fleet_percent", self.storm_fleet_percent, &(1.0..=50.0))?;
        bound("storm_fleet_min", self.storm_fleet_min, &(10..=100_000))?;
        bound("storm_cool_s", self.storm_cool_s, &(60..=86_400))?;
        bound("canary_chargers", self.canary_chargers, &(1..=20))?;
        bound("breaker_below_percent", self.breaker_below_percent, &(5.0..=90.0))?;
        bound("breaker_outcomes", self.breaker_outcomes, &(5..=200))?;
        bound("breaker_worse", self.breaker_worse, &(1..=10))?;
        bound("breaker_open_h", self.breaker_open_h, &(1..=720))?;
        bound("boot_loop", self.boot_loop, &(2..=10))?;
        bound("new_rule_shadow_days", self.new_rule_shadow_days, &(0..=90))?;
        bound("quiet_hour", self.quiet_hour, &(-1..=23))?;
        bound("boot_s", self.boot_s, &(60..=1_800))?;
        bound("boot_min_s", self.boot_min_s, &(10..=600))?;
        bound("boot_max_s", self.boot_max_s, &(60..=3_600))?;
        anyhow::ensure!(
            self.boot_min_s <= self.boot_max_s,
            "healing.boot_min_s must not be above healing.boot_max_s"
        );
        bound("healthy_s", self.healthy_s, &(60..=3_600))?;
        bound("proof_h", self.proof_h, &(1..=168))?;
        bound("learn_fleet_min", self.learn_fleet_min, &(10..=1_000_000))?;
        let mut sites = BTreeSet::new();
        for hook in &self.power_hooks {
            let site = &hook.site;
            anyhow::ensure!(
                hook.url.0.starts_with("http://") && hook.url.0.len() <= 512,
                "healing.power_hooks: the url for the site {site:?} must begin with http:// and \
                 have at most 512 characters; requests are signed, not encrypted"
            );
            anyhow::ensure!(
                hook.secret.0.len() >= 16,
                "healing.power_hooks: the secret for the site {site:?} needs 16 characters at least"
            );
            anyhow::ensure!(
                sites.insert(site),
                "healing.power_hooks names the site {site:?} twice"
            );
        }
        Ok(())
    }

    /// The engine's settings with these numbers.
    pub(crate) fn apply(&self, settings: EngineSettings) -> EngineSettings {
        let seconds = |s: u32| i64::from(s) * SECOND_MS;
        let mut settings = settings;
        let rails = &mut settings.guardrails;
        rails.after_plug_in_ms = seconds(self.after_plug_in_s);
        rails.ground_wait_ms = seconds(self.ground_wait_s);
        rails.gap_ms = seconds(self.gap_s);
        rails.tries_per_rung = self.tries_per_rung;
        rails.disruptive_max = self.disruptive_per_day;
        rails.hard_reset_gap_ms = seconds(self.hard_reset_gap_s);
        rails.wait_max_ms = seconds(self.wait_max_s);
        rails.site_percent = self.site_percent;
        rails.cohort_percent = self.cohort_percent;
        rails.fleet_percent = self.fleet_percent;
        rails.fleet_at_least = self.fleet_at_least as usize;
        rails.new_per_minute = self.new_per_minute;
        rails.storm_site_percent = self.storm_site_percent;
        rails.storm_cohort_percent = self.storm_cohort_percent;
        rails.storm_fleet_percent = self.storm_fleet_percent;
        rails.storm_fleet_min = self.storm_fleet_min as usize;
        rails.storm_cool_ms = seconds(self.storm_cool_s);
        rails.canary_chargers = self.canary_chargers;
        rails.breaker_below = self.breaker_below_percent / 100.0;
        rails.breaker_outcomes = self.breaker_outcomes;
        rails.breaker_worse = self.breaker_worse;
        rails.breaker_open_ms = i64::from(self.breaker_open_h) * HOUR_MS;
        rails.boot_loop = self.boot_loop;
        settings.new_rule_shadow_ms = i64::from(self.new_rule_shadow_days) * DAY_MS;
        settings.quiet_hour = usize::try_from(self.quiet_hour).ok();
        settings.boot_ms = seconds(self.boot_s);
        settings.boot_min_ms = seconds(self.boot_min_s);
        settings.boot_max_ms = seconds(self.boot_max_s);
        settings.healthy_ms = seconds(self.healthy_s);
        settings.proof_ms = i64::from(self.proof_h) * HOUR_MS;
        settings.learn = self.learn;
        settings.learn_fleet_min = self.learn_fleet_min as usize;
        settings.models = self
            .models
            .iter()
            .map(|of| ((of.vendor.to_lowercase(), of.model.to_lowercase()), of.mode))
            .collect();
        settings
    }

    /// The hooks by the names of their sites.
    pub(crate) fn power_hooks(&self) -> BTreeMap<String, PowerHook> {
        let hook =
            |of: &SitePower| PowerHook { url: of.url.0.clone(), secret: of.secret.0.clone() };
        self.power_hooks.iter().map(|of| (of.site.clone(), hook(of))).collect()
    }
}
