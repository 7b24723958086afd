//! Decides what happens when and to whom: a list of acts that depends on scenario and seed alone,
//! never on what the server does.

use rand::Rng;
use rand::rngs::SmallRng;

use super::{EventKind, EventRule, Scenario};
use crate::reporter::{DriverReport, ReportReason};
use crate::{Act, ChargerSpec, Cure, LinkKind};

/// What is to happen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    /// When, ms after the start.
    pub(crate) at_ms: i64,
    /// To which charger, by index.
    pub(crate) charger: usize,
    pub(crate) what: What,
}

/// An act on a charger, or a report about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Act(Act),
    Report(DriverReport),
}

/// The list of a scenario, made as it is needed.
#[derive(Debug)]
pub(crate) struct Director {
    scenario: Scenario,
    chargers: Vec<ChargerSpec>,
    rules: Vec<(i64, SmallRng)>,
    /// Until when a charger is taken by an event, ms after the start.
    taken_until: Vec<i64>,
    /// Until when it counts as broken, and whether its faults show, for reports.
    broken_until: Vec<i64>,
}

impl Director {
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Self {
        let chargers = scenario.chargers();
        let rules = scenario.events.iter().enumerate().map(|(index, event)| {
            let mut rng = crate::seed::rng(seed, &format!("event {index}"));
            let first = (event.at_ms + jitter(&mut rng, event)).max(0);
            (first, rng)
        });
        Self {
            rules: rules.collect(),
            taken_until: vec![0; chargers.len()],
            broken_until: vec![0; chargers.len()],
            chargers,
            scenario: scenario.clone(),
        }
    }

    /// The acts of the next event; `None` when nothing more happens. An event for which there is
    /// no charger left gives an empty list.
    pub(crate) fn next(&mut self) -> Option<(i64, Vec<Planned>)> {
        let rules = self.rules.iter().enumerate().filter(|(_, (at, _))| *at < i64::MAX);
        let (index, at) = rules.map(|(index, (at, _))| (index, *at)).min_by_key(|(_, at)| *at)?;
        let rule = self.scenario.events[index].clone();
        let mut rng = self.rules[index].1.clone();
        let planned = self.plan(at, &rule, &mut rng);
        let next = rule.every_ms.map(|every| at + (every + jitter(&mut rng, &rule)).max(100));
        let next = next.filter(|next| rule.until_ms.is_none_or(|until| *next <= until));
        self.rules[index] = (next.unwrap_or(i64::MAX), rng);
        Some((at, planned))
    }

    fn plan(&mut self, at: i64, rule: &EventRule, rng: &mut SmallRng) -> Vec<Planned> {
        let lasts = crate::seed::between(rng, rule.lasts_ms);
        if let EventKind::SiteDown { power } = rule.kind {
            return self.site_down(at, rule, rng, lasts, power);
        }
        if rule.kind == EventKind::CarrierDown {
            return self.carrier_down(at, rule, rng, lasts);
        }
        if rule.kind == EventKind::Report {
            return self.report(at, rule, rng);
        }
        let Some(charger) = self.pick(at, rule, rng) else { return Vec::new() };
        let spec = &self.chargers[charger];
        let connector = rng.random_range(1..=spec.connectors);
        let (act, taken, broken) = match &rule.kind {
            EventKind::Fault(models) => {
                let weights: Vec<f64> =
                    models.iter().map(|model| self.scenario.faults[*model].weight).collect();
                let picked = models[crate::seed::weighted(rng, &weights)];
                let model = &self.scenario.faults[picked];
                let mut fault = model.fault.clone();
                fault.connector = match model.connector {
                    None => connector,
                    Some(given) => given.min(spec.connectors),
                };
                let itself = match fault.cure {
                    Cure::Itself { after_ms } => Some(self.scenario.behaviour.scaled(after_ms)),
                    _ => None,
                };
                let stays = [itself, fault.repaired_after_ms].into_iter().flatten().min();
                let stays = stays.unwrap_or(i64::MAX / 4);
                (Act::Fault(fault), stays + 20_000, stays)
            }
            EventKind::Offline { power } => {
                (Act::GoOffline { for_ms: Some(lasts), power: *power }, lasts + 20_000, lasts)
            }
            EventKind::Flap { times, up_ms } => {
                let all = (lasts + up_ms) * i64::from(*times);
                let act = Act::Flap { times: *times, down_ms: lasts, up_ms: *up_ms };
                (act, all + 20_000, 0)
            }
            EventKind::Weak { dbm, error_code, .. } => {
                let dbm = rng.random_range(dbm.0.min(dbm.1)..=dbm.0.max(dbm.1));
                let act = Act::WeakSignal { dbm, for_ms: lasts, error_code: *error_code };
                (act, lasts + 20_000, 0)
            }
            EventKind::Session => {
                (Act::StartSession { connector, token: None, length_ms: None }, 0, 0)
            }
            EventKind::FailedSession => (Act::FailSession { connector }, 0, 0),
            EventKind::SiteDown { .. } | EventKind::CarrierDown | EventKind::Report => {
                return Vec::new();
            }
        };
        self.take(charger, at, taken, broken);
        vec![Planned { at_ms: at, charger, what: What::Act(act) }]
    }

    fn take(&mut self, charger: usize, at: i64, taken: i64, broken: i64) {
        let until = |ms: i64, before: i64| if ms > 0 { before.max(at + ms) } else { before };
        self.taken_until[charger] = until(taken, self.taken_until[charger]);
        self.broken_until[charger] = until(broken, self.broken_until[charger]);
    }

    /// A charger that the rule may hit and that nothing else has hit; none when as much of the
    /// fleet is broken as the scenario allows.
    fn pick(&self, at: i64, rule: &EventRule, rng: &mut SmallRng) -> Option<usize> {
        let breaks = matches!(rule.kind, EventKind::Fault(_) | EventKind::Offline { .. });
        if breaks && self.broken(at) + 1 > self.may_be_broken() {
            return None;
        }
        let free: Vec<usize> = (0..self.chargers.len())
            .filter(|index| self.taken_until[*index] <= at && self.fits(*index, rule))
            .collect();
        (!free.is_empty()).then(|| free[rng.random_range(0..free.len())])
    }

    fn broken(&self, at: i64) -> usize {
        self.broken_until.iter().filter(|until| **until > at).count()
    }

    fn may_be_broken(&self) -> usize {
        ((self.chargers.len() as f64 * self.scenario.max_broken) as usize).max(1)
    }

    fn fits(&self, index: usize, rule: &EventRule) -> bool {
        let spec = &self.chargers[index];
        let link = match rule.kind {
            EventKind::Weak { wifi: true, .. } => spec.link == LinkKind::Wifi,
            EventKind::Weak { wifi: false, .. } | EventKind::CarrierDown => {
                spec.link == LinkKind::Cellular
            }
            _ => true,
        };
        let site = rule.sites.is_empty()
            || rule.sites.iter().any(|site| self.scenario.sites[*site].name == spec.site);
        link && site && rule.charger.is_none_or(|only| only == index)
    }

    fn site_down(
        &mut self,
        at: i64,
        rule: &EventRule,
        rng: &mut SmallRng,
        lasts: i64,
        power: bool,
    ) -> Vec<Planned> {
        let sites: Vec<usize> = if rule.sites.is_empty() {
            (0..self.scenario.sites.len()).collect()
        } else {
            rule.sites.clone()
        };
        let site = &self.scenario.sites[sites[rng.random_range(0..sites.len())]].name;
        let hit: Vec<usize> =
            (0..self.chargers.len()).filter(|index| self.chargers[*index].site == *site).collect();
        let already = hit.iter().filter(|index| self.broken_until[**index] > at).count();
        if self.broken(at) - already + hit.len() > self.may_be_broken() {
            return Vec::new();
        }
        let mut planned = Vec::new();
        for charger in hit {
            // A router that fails takes its chargers within seconds of each other.
            let at_ms = at + rng.random_range(0..2_000);
            self.take(charger, at, lasts + 20_000, lasts);
            let act = Act::GoOffline { for_ms: Some(lasts), power };
            planned.push(Planned { at_ms, charger, what: What::Act(act) });
        }
        planned.sort_by_key(|planned| (planned.at_ms, planned.charger));
        planned
    }

    /// A mobile network fails: all who use it are away, each from when it notices.
    fn carrier_down(
        &mut self,
        at: i64,
        rule: &EventRule,
        rng: &mut SmallRng,
        lasts: i64,
    ) -> Vec<Planned> {
        let hit: Vec<usize> =
            (0..self.chargers.len()).filter(|index| self.fits(*index, rule)).collect();
        let mut planned = Vec::new();
        for charger in hit {
            let at_ms = at + rng.random_range(0..5_000);
            self.take(charger, at, lasts + 20_000, lasts);
            let act = Act::GoOffline { for_ms: Some(lasts), power: false };
            planned.push(Planned { at_ms, charger, what: What::Act(act) });
        }
        planned.sort_by_key(|planned| (planned.at_ms, planned.charger));
        planned
    }

    /// A driver reports a charger that is broken, if one is, else any.
    fn report(&self, at: i64, rule: &EventRule, rng: &mut SmallRng) -> Vec<Planned> {
        let fitting = |index: &usize| self.fits(*index, rule);
        let mut choice: Vec<usize> = (0..self.chargers.len())
            .filter(fitting)
            .filter(|index| self.broken_until[*index] > at)
            .collect();
        let broken = !choice.is_empty();
        if !broken {
            choice = (0..self.chargers.len()).filter(fitting).collect();
        }
        if choice.is_empty() {
            return Vec::new();
        }
        let charger = choice[rng.random_range(0..choice.len())];
        let spec = &self.chargers[charger];
        let reason = if broken {
            ReportReason::of_broken(rng.random_range(0..64))
        } else {
            ReportReason::of_working(rng.random_range(0..64))
        };
        let report = DriverReport {
            identity: spec.identity.clone(),
            site: spec.site.clone(),
            connector: Some(rng.random_range(1..=spec.connectors)),
            reason: reason.code(),
            text: reason.text(rng.random_range(0..64)).to_owned(),
        };
        vec![Planned { at_ms: at, charger, what: What::Report(report) }]
    }
}

fn jitter(rng: &mut SmallRng, rule: &EventRule) -> i64 {
    if rule.jitter_ms == 0 { 0 } else { rng.random_range(-rule.jitter_ms..=rule.jitter_ms) }
}
