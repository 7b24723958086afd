//! How healing stands beyond one charger, for pages and the API.

use mendpoint_model::{ChargerKey, IncidentId, ModelKey, Rung, SiteKey, UnixMs};
use serde::Serialize;

use crate::permits::council::{Council, model_words};
use crate::permits::record::BreakerState;
use crate::permits::shadow::ShadowTally;

/// A storm that holds actions back (G6).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StormRow {
    /// The site; `None` for a model or the fleet.
    pub site: Option<SiteKey>,
    /// The model in words; empty for a site or the fleet.
    pub model: String,
    /// Chargers in trouble.
    pub unwell: usize,
    /// Chargers there are.
    pub known: usize,
    /// Since when.
    pub since: UnixMs,
    /// When it ends, once the trouble is over.
    pub until: Option<UnixMs>,
}

/// What one rung did on one model in one firmware (G7, G8).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordRow {
    /// The model.
    pub model: ModelKey,
    /// The rung.
    pub rung: Rung,
    /// How many of the newest outcomes were repairs.
    pub fixed: usize,
    /// How many there are.
    pub of: usize,
    /// How many made it worse.
    pub worse: usize,
    /// Tries without harm so far, while it is new here; `None` when it is trusted.
    pub canary: Option<u32>,
    /// `closed`, `open` or `half_open`.
    pub breaker: &'static str,
    /// When an open breaker lets one try through.
    pub until: Option<UnixMs>,
}

/// A rung that is off for one charger (G9).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OffRow {
    /// The charger.
    pub charger: ChargerKey,
    /// The rung.
    pub rung: Rung,
    /// Since when.
    pub since: UnixMs,
    /// The incident in which it made things worse.
    pub incident: IncidentId,
}

/// An action under way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunningRow {
    /// The charger.
    pub charger: ChargerKey,
    /// The incident.
    pub incident: IncidentId,
    /// The rung.
    pub rung: Rung,
    /// Since when.
    pub since: UnixMs,
}

/// How long a model takes to be back after a reset.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BootRow {
    /// Manufacturer.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// How many starts are known.
    pub starts: usize,
    /// What 95 of 100 of them do not exceed, in milliseconds, once enough are known.
    pub p95_ms: Option<i64>,
}

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HealingReport {
    /// Storms, the fleet's first.
    pub storms: Vec<StormRow>,
    /// Every model and rung that was tried.
    pub records: Vec<RecordRow>,
    /// What is off for single chargers.
    pub off: Vec<OffRow>,
    /// What is under way.
    pub running: Vec<RunningRow>,
    /// How long models take to start.
    pub boots: Vec<BootRow>,
    /// What rules in shadow mode would have done, by rule.
    pub shadows: Vec<(String, ShadowTally)>,
    /// Rules that are new and therefore in shadow mode, and until when.
    pub new_rules: Vec<(String, UnixMs)>,
    /// Chargers there are.
    pub chargers: usize,
}

impl Council {
    pub(super) fn report(&mut self, now: UnixMs) -> HealingReport {
        // Ages what is too old to count.
        self.set_unwell(now, ChargerKey(0), false);
        HealingReport {
            storms: self.storms(now),
            records: self.record_rows(now),
            off: self
                .off
                .iter()
                .map(|((charger, rung), (since, incident))| OffRow {
                    charger: *charger,
                    rung: *rung,
                    since: *since,
                    incident: *incident,
                })
                .collect(),
            running: self
                .running
                .iter()
                .map(|(charger, running)| RunningRow {
                    charger: *charger,
                    incident: running.incident,
                    rung: running.rung,
                    since: running.at,
                })
                .collect(),
            boots: self
                .boots
                .all()
                .map(|(vendor, model, times)| BootRow {
                    vendor: vendor.to_owned(),
                    model: model.to_owned(),
                    starts: times.len(),
                    p95_ms: times.p95(),
                })
                .collect(),
            shadows: self.shadows.iter().map(|(rule, tally)| (rule.clone(), *tally)).collect(),
            new_rules: self
                .rules
                .iter()
                .flatten()
                .map(|(rule, since)| (rule.clone(), *since + self.settings.new_rule_shadow_ms))
                .filter(|(_, until)| now < *until)
                .collect(),
            chargers: self.fleet_size(),
        }
    }

    fn storms(&self, now: UnixMs) -> Vec<StormRow> {
        let fleet = [(None, String::new(), &self.fleet, self.fleet_limit())];
        let sites = self
            .sites
            .iter()
            .map(|(site, gauge)| (Some(*site), String::new(), gauge, self.site_limit()));
        let models = self
            .cohorts
            .iter()
            .map(|(model, gauge)| (None, model_words(model), gauge, self.cohort_limit()));
        let all = fleet.into_iter().chain(sites).chain(models);
        all.filter_map(|(site, model, gauge, limit)| {
            let (since, until) = gauge.holds(&limit, now)?;
            let (unwell, known) = (gauge.unwell, gauge.known);
            Some(StormRow { site, model, unwell, known, since, until })
        })
        .collect()
    }

    fn record_rows(&self, now: UnixMs) -> Vec<RecordRow> {
        let rails = self.rails();
        self.records
            .iter()
            .map(|((model, rung), record)| {
                let (fixed, of) = record.share();
                let (breaker, until) = match record.breaker(rails, now) {
                    BreakerState::Closed => ("closed", None),
                    BreakerState::Open(until) => ("open", Some(until)),
                    BreakerState::HalfOpen => ("half_open", None),
                };
                RecordRow {
                    model: (**model).clone(),
                    rung: *rung,
                    fixed,
                    of,
                    worse: record.worse(),
                    canary: record.is_canary(rails).then_some(record.harmless),
                    breaker,
                    until,
                }
            })
            .collect()
    }
}
