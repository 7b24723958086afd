//! A firmware that fails more often than the one before it on the same chargers (1.7).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mendpoint_model::{
    Breadth, ChargerKey, Cohort, DAY_MS, HOUR_MS, Incident, MINUTE_MS, Regression, UnixMs,
};
use rustc_hash::FxHashMap;

use super::report::{Directive, Order, Target, Wide};
use super::statistics::{holm, rate_p};
use super::{Opened, Overseer, OverseerSettings};

/// How many alerts of a charger are kept.
const ALERTS_MAX: usize = 64;
/// How often cohorts are compared, when there is news of them.
const LOOK_EVERY_MS: i64 = MINUTE_MS;
/// How often the rates are given out.
const RATES_EVERY_MS: i64 = 5 * MINUTE_MS;
/// How long a cohort is left alone after a person ended its incident.
const REST_MS: i64 = DAY_MS;

/// How often alerts come in a cohort.
#[derive(Clone, Debug, PartialEq)]
pub struct CohortRate {
    /// Vendor, model and firmware.
    pub cohort: Cohort,
    /// How many chargers.
    pub chargers: u32,
    /// Alerts in the last 24 hours.
    pub alerts: u32,
    /// Their connectors times the hours, in the last 24.
    pub connector_hours: f64,
    /// Alerts per 1,000 connector-hours.
    pub rate: f64,
}

/// A time with one firmware.
#[derive(Clone, Copy, Debug)]
struct Stint {
    cohort: u32,
    since: UnixMs,
}

/// A charger's past as far as it is compared.
#[derive(Debug, Default)]
struct Past {
    connectors: u16,
    now: Option<Stint>,
    /// The firmware before.
    before: Option<Stint>,
    alerts: VecDeque<(UnixMs, u32)>,
}

impl Past {
    fn count(&self, code: u32, from: UnixMs, to: UnixMs) -> u32 {
        let hits = self.alerts.iter().filter(|(at, of)| *of == code && *at >= from && *at <= to);
        hits.count() as u32
    }

    fn hours(&self, from: UnixMs, to: UnixMs) -> f64 {
        let ms = to.since_ms(from).max(0);
        f64::from(self.connectors.max(1)) * ms as f64 / HOUR_MS as f64
    }
}

/// Names as numbers.
#[derive(Debug, Default)]
struct Names<T> {
    numbers: BTreeMap<T, u32>,
    names: Vec<T>,
}

impl<T: Ord + Clone> Names<T> {
    fn number(&mut self, name: T) -> u32 {
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.numbers.insert(name.clone(), number);
        self.names.push(name);
        number
    }
}

/// All cohorts.
#[derive(Debug, Default)]
pub(crate) struct Cohorts {
    chargers: FxHashMap<ChargerKey, Past>,
    names: Names<Cohort>,
    codes: Names<Box<str>>,
    /// The chargers that have a firmware now.
    members: BTreeMap<u32, BTreeSet<ChargerKey>>,
    /// The codes a cohort showed, and when last.
    shown: BTreeMap<(u32, u32), UnixMs>,
    dirty: bool,
    looked_at: Option<UnixMs>,
    told_rates_at: Option<UnixMs>,
    /// Cohorts whose incident a person ended, until when they are left alone.
    resting: BTreeMap<(u32, u32), UnixMs>,
    ended: BTreeSet<(u32, u32)>,
}

impl Cohorts {
    pub(crate) fn note_firmware(
        &mut self,
        charger: ChargerKey,
        cohort: &Cohort,
        connectors: u16,
        at: UnixMs,
    ) {
        let number = self.names.number(cohort.clone());
        let past = self.chargers.entry(charger).or_default();
        past.connectors = past.connectors.max(connectors);
        if past.now.is_some_and(|stint| stint.cohort == number) {
            return;
        }
        if let Some(old) = past.now.replace(Stint { cohort: number, since: at }) {
            if let Some(members) = self.members.get_mut(&old.cohort) {
                members.remove(&charger);
            }
            past.before = Some(old);
        }
        self.members.entry(number).or_default().insert(charger);
        self.dirty = true;
    }

    pub(crate) fn is_news(&self, charger: ChargerKey, cohort: &Cohort) -> bool {
        let now = self.chargers.get(&charger).and_then(|past| past.now);
        now.is_none_or(|stint| self.names.names[stint.cohort as usize] != *cohort)
    }

    /// What a charger is now.
    pub(crate) fn cohort_of(&self, charger: ChargerKey) -> Option<&Cohort> {
        let stint = self.chargers.get(&charger)?.now?;
        self.names.names.get(stint.cohort as usize)
    }

    /// How many chargers of a cohort there are.
    pub(crate) fn size(&self, cohort: &Cohort) -> usize {
        let number = self.names.numbers.get(cohort);
        number.and_then(|number| self.members.get(number)).map_or(0, BTreeSet::len)
    }

    pub(crate) fn alert(&mut self, charger: ChargerKey, code: &str, at: UnixMs) {
        self.remember(charger, code, at);
        self.dirty = true;
    }

    pub(crate) fn remember(&mut self, charger: ChargerKey, code: &str, at: UnixMs) {
        let code = self.codes.number(code.into());
        let past = self.chargers.entry(charger).or_default();
        if past.alerts.len() == ALERTS_MAX {
            past.alerts.pop_front();
        }
        past.alerts.push_back((at, code));
        if let Some(stint) = past.now {
            let shown = self.shown.entry((stint.cohort, code)).or_insert(at);
            *shown = at.max(*shown);
        }
    }

    pub(crate) fn gone(&mut self, charger: ChargerKey) {
        let Some(past) = self.chargers.remove(&charger) else { return };
        if let Some(members) = past.now.and_then(|stint| self.members.get_mut(&stint.cohort)) {
            members.remove(&charger);
        }
    }

    pub(crate) fn restore(&mut self, cohort: &Cohort, incident: &Incident) {
        let pair =
            (self.names.number(cohort.clone()), self.codes.number(incident.code.as_str().into()));
        self.shown.insert(pair, incident.updated_at);
        self.dirty = true;
    }

    pub(crate) fn ended_by_hand(&mut self, cohort: &Cohort, code: &str, at: UnixMs) {
        let pair = (self.names.number(cohort.clone()), self.codes.number(code.into()));
        self.resting.insert(pair, at + REST_MS);
        self.ended.insert(pair);
        self.dirty = true;
    }

    pub(crate) fn rates(&self, now: UnixMs, settings: &OverseerSettings) -> Vec<CohortRate> {
        let window = now - settings.cohort_window_ms;
        let mut rates: Vec<CohortRate> = self
            .members
            .iter()
            .filter(|(_, members)| !members.is_empty())
            .map(|(number, members)| {
                let (mut alerts, mut hours) = (0, 0.0);
                for past in members.iter().filter_map(|charger| self.chargers.get(charger)) {
                    let Some(stint) = past.now else { continue };
                    let from = window.max(stint.since);
                    alerts += past.alerts.iter().filter(|(at, _)| *at >= from).count() as u32;
                    hours += past.hours(from, now);
                }
                let rate = if hours > 0.0 { f64::from(alerts) * 1_000.0 / hours } else { 0.0 };
                CohortRate {
                    cohort: self.names.names[*number as usize].clone(),
                    chargers: members.len() as u32,
                    alerts,
                    connector_hours: hours,
                    rate,
                }
            })
            .collect();
        rates.sort_by(|a, b| a.cohort.cmp(&b.cohort));
        rates
    }

    /// Compares a firmware with the one before it on the same chargers.
    fn compare(
        &self,
        (cohort, code): (u32, u32),
        now: UnixMs,
        settings: &OverseerSettings,
    ) -> Option<Regression> {
        let own = &self.names.names[cohort as usize];
        let window = now - settings.cohort_window_ms;
        let mut found = Regression::default();
        let mut befores: BTreeMap<&str, u32> = BTreeMap::new();
        for past in self.members.get(&cohort)?.iter().filter_map(|key| self.chargers.get(key)) {
            let (Some(stint), Some(before)) = (past.now, past.before) else { continue };
            let old = &self.names.names[before.cohort as usize];
            // Another device under the same name is no firmware update.
            if (&old.vendor, &old.model) != (&own.vendor, &own.model) {
                continue;
            }
            let from = window.max(stint.since);
            let then = (stint.since - settings.cohort_before_ms).max(before.since);
            let count = past.count(code, from, now);
            found.chargers += 1;
            found.affected += u32::from(count > 0);
            found.now.0 += count;
            found.now.1 += past.hours(from, now);
            found.then.0 += past.count(code, then, stint.since - 1);
            found.then.1 += past.hours(then, stint.since);
            *befores.entry(&old.firmware).or_default() += 1;
        }
        found.code = self.codes.names[code as usize].to_string();
        found.before = befores
            .into_iter()
            .max_by_key(|(name, many)| (*many, std::cmp::Reverse(*name)))
            .map(|(name, _)| name.to_owned())
            .unwrap_or_default();
        found.p = rate_p(found.now.0, found.now.1, found.then.0, found.then.1);
        let rate = |(events, hours): (u32, f64)| f64::from(events) / hours;
        found.ratio = (found.then.0 > 0).then(|| rate(found.now) / rate(found.then));
        found.now.1 /= 1_000.0;
        found.then.1 /= 1_000.0;
        (found.chargers >= settings.cohort_min).then_some(found)
    }
}

impl Overseer {
    /// Says when to look again.
    pub(crate) fn look_at_cohorts(
        &mut self,
        now: UnixMs,
        out: &mut Vec<Directive>,
    ) -> Option<UnixMs> {
        let mut wakes = [None; 2];
        let cohorts = &mut self.cohorts;
        if !cohorts.shown.is_empty() {
            let due = cohorts.told_rates_at.map_or(now, |at| at + RATES_EVERY_MS);
            if due <= now {
                cohorts.told_rates_at = Some(now);
                let rates: Arc<[CohortRate]> = cohorts.rates(now, &self.settings).into();
                out.push(Directive { to: Target::All, order: Order::Rates(rates) });
            }
            wakes[0] = Some(self.cohorts.told_rates_at.unwrap_or(now) + RATES_EVERY_MS);
        }
        let cohorts = &mut self.cohorts;
        let due = cohorts.looked_at.map_or(now, |at| at + LOOK_EVERY_MS);
        if cohorts.dirty && due <= now {
            cohorts.dirty = false;
            cohorts.looked_at = Some(now);
            self.compare_cohorts(now, out);
        } else if cohorts.dirty {
            wakes[1] = Some(due);
        }
        // What fades away fades without news.
        let open = self.opened.keys().any(|breadth| matches!(breadth, Breadth::Cohort(_)));
        if open && wakes[1].is_none() {
            self.cohorts.dirty = true;
            wakes[1] = Some(now + HOUR_MS.min(self.settings.cohort_window_ms));
        }
        wakes.into_iter().flatten().min()
    }

    fn compare_cohorts(&mut self, now: UnixMs, out: &mut Vec<Directive>) {
        let settings = self.settings.clone();
        let window_ms = settings.cohort_window_ms;
        self.cohorts.resting.retain(|_, until| *until > now);
        let ended = std::mem::take(&mut self.cohorts.ended);
        let mut tests: Vec<((u32, u32), Regression)> = Vec::new();
        let mut faded: Vec<(u32, u32)> = ended.into_iter().collect();
        for (pair, last) in &self.cohorts.shown {
            if now.since_ms(*last) > window_ms {
                faded.push(*pair);
            } else if let Some(found) = self.cohorts.compare(*pair, now, &settings) {
                tests.push((*pair, found));
            } else {
                // Rolled back: too few have it to say anything.
                faded.push(*pair);
            }
        }
        let corrected = holm(&tests.iter().map(|(_, found)| found.p).collect::<Vec<_>>());
        for ((pair, mut found), p) in tests.into_iter().zip(corrected) {
            found.p = p;
            let worse =
                found.ratio.is_none_or(|ratio| ratio >= settings.cohort_ratio) && found.now.0 > 0;
            let is_regression =
                worse && found.affected >= settings.cohort_affected && p < settings.cohort_p;
            if is_regression && !self.cohorts.resting.contains_key(&pair) && now >= self.grace_until
            {
                self.open_regression(pair, found, out);
            }
        }
        for pair in faded {
            if self.cohorts.shown.get(&pair).is_some_and(|last| now.since_ms(*last) > window_ms) {
                self.cohorts.shown.remove(&pair);
            }
            self.close_regression(pair, out);
        }
    }

    fn open_regression(
        &mut self,
        (cohort, _): (u32, u32),
        found: Regression,
        out: &mut Vec<Directive>,
    ) {
        let own = self.cohorts.names.names[cohort as usize].clone();
        let first = self.cohorts.members.get(&cohort).and_then(|members| {
            let shows = |key: &&ChargerKey| self.fleet.get(**key).is_some();
            members.iter().find(shows).copied()
        });
        let Some(charger) = first else { return };
        let Some(site) = self.fleet.get(charger).map(|seen| seen.site) else { return };
        let times = found.ratio.map_or_else(
            || "which never came before".to_owned(),
            |ratio| format!("{ratio:.1} times as often as before"),
        );
        let wide = Wide {
            breadth: Breadth::Cohort(own.clone()),
            rule: crate::correlate::FW_REGRESSION.into(),
            version: 1,
            ask_after_ms: 0,
            code: found.code.clone(),
            charger,
            site,
            severity: 3,
            title: format!(
                "Firmware {} of {} {}: {} on {} chargers, {times}",
                own.firmware, own.vendor, own.model, found.code, found.affected
            ),
            description: format!(
                "{} of {} chargers with firmware {} showed {} in the last 24 hours: {} alerts in \
                 {:.2} thousand connector-hours. On {} the same chargers had {} in {:.2} thousand. \
                 The chance of that by accident is {:.4} (exact test, corrected after Holm). \
                 Updates to {} are paused; going back to {} is proposed.",
                found.affected,
                found.chargers,
                own.firmware,
                found.code,
                found.now.0,
                found.now.1,
                found.before,
                found.then.0,
                found.then.1,
                found.p,
                own.firmware,
                found.before,
            ),
            began_at: self.cohorts.looked_at.unwrap_or_default(),
            outage: None,
            regression: Some(found),
        };
        self.open(wide, out);
    }

    fn close_regression(&mut self, (cohort, code): (u32, u32), out: &mut Vec<Directive>) {
        let own = self.cohorts.names.names[cohort as usize].clone();
        let code = self.cohorts.codes.names[code as usize].to_string();
        let breadth = Breadth::Cohort(own);
        if let Some(Opened { id: Some(incident), site }) = self.opened(&breadth, &code) {
            self.forget_opened(&breadth, &code);
            let words = format!("{code} did not come again, or the firmware was taken back");
            let order = Order::Close { incident, words, outage: None };
            out.push(Directive { to: Target::Site(site), order });
        }
    }
}
