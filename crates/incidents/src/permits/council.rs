//! The state behind the permits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mendpoint_model::{ChargerKey, IncidentId, ModelKey, Rung, SiteKey, StepState, UnixMs};
use rustc_hash::FxHashMap;

use crate::duration::duration_words;
use crate::learn::{Boots, Choice, Learned, Lesson, Situation, Times, Usage, choose};
use crate::permits::memory::{Kind, Place};
use crate::permits::record::{BreakerState, Record};
use crate::permits::shadow::{ShadowTally, Truth};
use crate::permits::storm::{Gauge, StormLimit};
use crate::permits::{Held, Running};
use crate::settings::{EngineSettings, Guardrails};

/// How many records of models are kept (behaviour 71).
const RECORDS_MAX: usize = 10_000;
/// How many rules are remembered as seen.
const RULES_MAX: usize = 10_000;
/// How often the hours of a site are written down.
const USAGE_EVERY_MS: i64 = mendpoint_model::HOUR_MS;

/// Restarts, the gentlest first.
const RESTARTS: [Rung; 4] = [Rung::L4, Rung::L5, Rung::L6, Rung::L6P];

/// What is said to an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    /// Do it; it counts as under way from now on.
    Go,
    /// Not now.
    Wait(Held),
    /// Not in this run.
    Never(Held),
}

/// How an action ended.
pub(crate) struct Ended<'a> {
    pub(crate) charger: ChargerKey,
    pub(crate) incident: IncidentId,
    pub(crate) rung: Rung,
    pub(crate) code: &'a str,
    pub(crate) state: StepState,
    /// From sending to the moment it was gone.
    pub(crate) took_ms: i64,
}

/// A charger.
#[derive(Clone, Debug)]
struct Member {
    site: Option<SiteKey>,
    model: Arc<ModelKey>,
    /// In trouble since then.
    unwell: Option<UnixMs>,
    /// Whether that is young enough to count.
    counted: bool,
}

/// Everything that goes beyond one shard.
#[derive(Debug)]
pub(crate) struct Council {
    pub(super) settings: EngineSettings,
    members: FxHashMap<ChargerKey, Member>,
    pub(super) cohorts: BTreeMap<Arc<ModelKey>, Gauge>,
    pub(super) sites: BTreeMap<SiteKey, Gauge>,
    pub(super) fleet: Gauge,
    /// When trouble gets too old to count.
    aging: BTreeSet<(UnixMs, ChargerKey)>,
    pub(super) running: BTreeMap<ChargerKey, Running>,
    /// When the newest actions began.
    begun: VecDeque<UnixMs>,
    pub(super) records: BTreeMap<(Arc<ModelKey>, Rung), Record>,
    pub(super) off: BTreeMap<(ChargerKey, Rung), (UnixMs, IncidentId)>,
    /// When a ground fault was last reset (G3).
    pub(super) ground: BTreeMap<ChargerKey, UnixMs>,
    pub(crate) learned: Learned,
    pub(super) boots: Boots,
    pub(super) usage: BTreeMap<SiteKey, Usage>,
    /// Rules, and since when they are known. `None`: nobody asked to know.
    pub(super) rules: Option<BTreeMap<String, UnixMs>>,
    shipped: BTreeSet<String>,
    pub(super) shadows: BTreeMap<String, ShadowTally>,
    pub(super) changed: BTreeSet<Place>,
    pub(super) revision: u64,
}

impl Council {
    /// `settings` are scaled already.
    pub(super) fn new(settings: EngineSettings) -> Self {
        Self {
            settings,
            members: FxHashMap::default(),
            cohorts: BTreeMap::new(),
            sites: BTreeMap::new(),
            fleet: Gauge::default(),
            aging: BTreeSet::new(),
            running: BTreeMap::new(),
            begun: VecDeque::new(),
            records: BTreeMap::new(),
            off: BTreeMap::new(),
            ground: BTreeMap::new(),
            learned: Learned::default(),
            boots: Boots::default(),
            usage: BTreeMap::new(),
            rules: None,
            shipped: BTreeSet::new(),
            shadows: BTreeMap::new(),
            changed: BTreeSet::new(),
            revision: 1,
        }
    }

    pub(super) fn rails(&self) -> &Guardrails {
        &self.settings.guardrails
    }

    pub(super) fn site_limit(&self) -> StormLimit {
        let rails = self.rails();
        StormLimit {
            percent: rails.storm_site_percent,
            min: rails.storm_site_min,
            cool_ms: rails.storm_cool_ms,
        }
    }

    pub(super) fn cohort_limit(&self) -> StormLimit {
        let rails = self.rails();
        StormLimit {
            percent: rails.storm_cohort_percent,
            min: rails.storm_cohort_min,
            cool_ms: rails.storm_cool_ms,
        }
    }

    pub(super) fn fleet_limit(&self) -> StormLimit {
        let rails = self.rails();
        StormLimit {
            percent: rails.storm_fleet_percent,
            min: rails.storm_fleet_min,
            cool_ms: rails.storm_cool_ms,
        }
    }

    // Who there is.

    /// A charger is there, or is another one than it was. Chargers without a site pass none.
    pub(crate) fn enrol(
        &mut self,
        now: UnixMs,
        key: ChargerKey,
        site: Option<SiteKey>,
        model: Option<&ModelKey>,
    ) {
        let model = model.cloned().unwrap_or_default();
        if let Some(member) = self.members.get(&key) {
            if member.site == site && *member.model == model {
                return;
            }
            self.leave(now, key);
        }
        let model = match self.cohorts.get_key_value(&model) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::new(model),
        };
        self.cohorts.entry(Arc::clone(&model)).or_default().known += 1;
        if let Some(site) = site {
            let part = self.fleet_part(site);
            self.sites.entry(site).or_default().known += 1;
            self.settle_fleet(site, part);
        }
        self.fleet.known += 1;
        let member = Member { site, model, unwell: None, counted: false };
        self.members.insert(key, member);
    }

    /// A charger is gone.
    pub(crate) fn leave(&mut self, now: UnixMs, key: ChargerKey) {
        self.set_unwell(now, key, false);
        let Some(member) = self.members.remove(&key) else { return };
        if let Some(cohort) = self.cohorts.get_mut(&member.model) {
            cohort.known -= 1;
            if cohort.known == 0 {
                self.cohorts.remove(&member.model);
            }
        }
        if let Some(site) = member.site {
            let part = self.fleet_part(site);
            if let Some(gauge) = self.sites.get_mut(&site) {
                gauge.known -= 1;
                if gauge.known == 0 {
                    self.sites.remove(&site);
                }
            }
            self.settle_fleet(site, part);
        }
        self.fleet.known -= 1;
        self.running.remove(&key);
    }

    /// How many chargers there are.
    pub(crate) fn fleet_size(&self) -> usize {
        self.fleet.known
    }

    pub(crate) fn model_of(&self, key: ChargerKey) -> Option<&ModelKey> {
        self.members.get(&key).map(|member| &*member.model)
    }

    // Storms (G6).

    /// A charger is in trouble, or is not any more.
    pub(crate) fn set_unwell(&mut self, now: UnixMs, key: ChargerKey, unwell: bool) {
        self.age(now);
        let Some(member) = self.members.get_mut(&key) else { return };
        if member.unwell.is_some() == unwell {
            return;
        }
        let counted = std::mem::replace(&mut member.counted, unwell);
        if let Some(since) = member.unwell.take() {
            self.aging.remove(&(since + self.settings.guardrails.storm_counts_ms, key));
        }
        if unwell {
            member.unwell = Some(now);
            self.aging.insert((now + self.settings.guardrails.storm_counts_ms, key));
        }
        if counted != unwell {
            self.count(now, key, unwell);
        }
    }

    /// Trouble that lasts for long is no storm.
    fn age(&mut self, now: UnixMs) {
        while let Some((at, key)) = self.aging.first().copied().filter(|(at, _)| *at <= now) {
            self.aging.pop_first();
            if let Some(member) = self.members.get_mut(&key)
                && std::mem::replace(&mut member.counted, false)
            {
                self.count(at, key, false);
            }
        }
    }

    fn count(&mut self, now: UnixMs, key: ChargerKey, more: bool) {
        let Some(member) = self.members.get(&key) else { return };
        let (site_limit, cohort_limit, fleet_limit) =
            (self.site_limit(), self.cohort_limit(), self.fleet_limit());
        let change = |gauge: &mut Gauge, limit: &StormLimit| {
            gauge.unwell = if more { gauge.unwell + 1 } else { gauge.unwell.saturating_sub(1) };
            gauge.look(limit, now);
        };
        if let Some(gauge) = self.cohorts.get_mut(&member.model) {
            change(gauge, &cohort_limit);
        }
        match member.site {
            Some(site) => {
                let part = self.fleet_part(site);
                if let Some(gauge) = self.sites.get_mut(&site) {
                    change(gauge, &site_limit);
                }
                self.settle_fleet(site, part);
                self.fleet.look(&fleet_limit, now);
            }
            None => change(&mut self.fleet, &fleet_limit),
        }
    }

    /// What a site in trouble is for the fleet: each of its chargers, but one in all when the trouble
    /// is the site's own. A power cut at one place must not stop repairs everywhere.
    fn fleet_part(&self, site: SiteKey) -> usize {
        let gauge = self.sites.get(&site);
        gauge.map_or(0, |gauge| {
            if self.site_limit().is_above(gauge) { gauge.unwell.min(1) } else { gauge.unwell }
        })
    }

    /// Takes a site's part of the fleet's trouble anew; `before` is what it was.
    fn settle_fleet(&mut self, site: SiteKey, before: usize) {
        self.fleet.unwell = (self.fleet.unwell + self.fleet_part(site)).saturating_sub(before);
    }

    /// The storm a charger is in.
    pub(crate) fn storm(&mut self, now: UnixMs, key: ChargerKey) -> Option<Held> {
        self.age(now);
        let member = self.members.get(&key)?;
        let cohort = self.cohorts.get(&member.model);
        let site = member.site.and_then(|site| self.sites.get(&site));
        let model = member.model.to_string();
        let places = [
            (Some(&self.fleet), self.fleet_limit(), "the fleet".to_owned()),
            (site, self.site_limit(), "this site".to_owned()),
            (cohort, self.cohort_limit(), model),
        ];
        places.into_iter().find_map(|(gauge, limit, place)| {
            let gauge = gauge?;
            let (_, until) = gauge.holds(&limit, now)?;
            let why = if until.is_some() {
                format!(
                    "many chargers of {place} were in trouble at once, nothing new is begun yet"
                )
            } else {
                format!(
                    "{} of {} chargers of {place} are in trouble at once, so the cause is not \
                     theirs, and nothing new is begun",
                    gauge.unwell, gauge.known
                )
            };
            Some(Held { guardrail: "G6", why, until })
        })
    }

    // Actions (G5 to G9).

    /// May this charger be acted on now? `Go` counts as under way at once.
    pub(crate) fn ask(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        incident: IncidentId,
        rung: Rung,
    ) -> Permit {
        if let Some(held) = self.off_words(charger, rung) {
            return Permit::Never(held);
        }
        let Some(member) = self.members.get(&charger) else {
            let why = "the charger is not known yet".to_owned();
            return Permit::Wait(Held { guardrail: "G5", why, until: None });
        };
        let model = Arc::clone(&member.model);
        if let Some(held) = self.storm(now, charger) {
            return Permit::Wait(held);
        }
        let mut is_trial = false;
        match self.breaker(now, &model, rung) {
            BreakerState::Closed => {}
            BreakerState::Open(until) => {
                return Permit::Never(self.breaker_words(&model, rung, until));
            }
            BreakerState::HalfOpen => is_trial = true,
        }
        if let Some(held) = self.crowded(now, charger, &model, rung, is_trial) {
            return Permit::Wait(held);
        }
        self.begun.push_back(now);
        self.running.insert(charger, Running { incident, rung, at: now, model, is_trial });
        Permit::Go
    }

    /// Whether a rung is off for a model now: then nobody need choose it.
    pub(crate) fn is_barred(&self, now: UnixMs, charger: ChargerKey, rung: Rung) -> Option<Held> {
        if let Some(held) = self.off_words(charger, rung) {
            return Some(held);
        }
        let model = &self.members.get(&charger)?.model;
        match self.breaker(now, model, rung) {
            BreakerState::Open(until) => Some(self.breaker_words(model, rung, until)),
            _ => None,
        }
    }

    fn breaker(&self, now: UnixMs, model: &Arc<ModelKey>, rung: Rung) -> BreakerState {
        let record = self.records.get(&(Arc::clone(model), rung));
        record.map_or(BreakerState::Closed, |record| record.breaker(self.rails(), now))
    }

    fn breaker_words(&self, model: &Arc<ModelKey>, rung: Rung, until: UnixMs) -> Held {
        let label = rung.label();
        let record = self.records.get(&(Arc::clone(model), rung)).cloned().unwrap_or_default();
        let (fixed, of) = record.share();
        let model = model_words(model);
        let harm = match record.worse() {
            0 => String::new(),
            worse => format!(", and made {worse} worse"),
        };
        let why = format!(
            "{label} is off on {model}: it fixed {fixed} of the last {of}{harm}. After {} UTC it is \
             tried again on one of them",
            until.minute()
        );
        Held { guardrail: "G8", why, until: Some(until) }
    }

    fn off_words(&self, charger: ChargerKey, rung: Rung) -> Option<Held> {
        let label = rung.label();
        // A harder restart is no answer to one that made it worse.
        let softer = RESTARTS.iter().take_while(|other| **other != rung);
        let softer = softer.filter(|_| RESTARTS.contains(&rung));
        let worse = |of: Rung| Some((of, self.off.get(&(charger, of))?.1));
        let (cause, incident) = worse(rung).or_else(|| softer.copied().find_map(worse))?;
        let why = if cause == rung {
            format!("{label} is off for this charger: in {incident} it made it worse")
        } else {
            format!(
                "{label} is off for this charger: in {incident} the {} made it worse",
                cause.label().to_lowercase()
            )
        };
        Some(Held { guardrail: "G9", why, until: None })
    }

    /// What is under way elsewhere (G5, G7).
    fn crowded(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        model: &Arc<ModelKey>,
        rung: Rung,
        is_trial: bool,
    ) -> Option<Held> {
        let rails = self.settings.guardrails.clone();
        let held = |guardrail, why: String, until| Some(Held { guardrail, why, until });
        let others = || self.running.iter().filter(|(key, _)| **key != charger);
        let same_model = others().filter(|(_, running)| running.model == *model).count();
        let same = others().filter(|(_, run)| run.model == *model && run.rung == rung).count();
        let record = self.records.get(&(Arc::clone(model), rung));
        let is_canary = record.map_or(rails.canary_chargers > 0, |record| record.is_canary(&rails));
        let label = rung.label().to_lowercase();
        if (is_canary || is_trial) && same > 0 {
            let many = record.map_or(0, |record| record.harmless);
            let why = if is_trial {
                format!("{label} is tried again on one charger of {} first", model_words(model))
            } else {
                format!(
                    "{label} is new on {}: one charger at a time until {} went well ({many} so far)",
                    model_words(model),
                    rails.canary_chargers
                )
            };
            return held("G7", why, None);
        }
        let cohort = self.cohorts.get(model).map_or(1, |gauge| gauge.known);
        let most = part_of(cohort, rails.cohort_percent).max(1);
        if same_model >= most {
            let why = format!(
                "{same_model} of {cohort} chargers of {} are being repaired, which is the limit",
                model_words(model)
            );
            return held("G5", why, None);
        }
        let most = part_of(self.fleet.known, rails.fleet_percent).max(rails.fleet_at_least);
        let all = others().count();
        if all >= most {
            let known = self.fleet.known;
            let why = format!("{all} of {known} chargers are being repaired, which is the limit");
            return held("G5", why, None);
        }
        let window = rails.new_window_ms;
        while self.begun.front().is_some_and(|at| now.since_ms(*at) >= window) {
            self.begun.pop_front();
        }
        if self.begun.len() >= rails.new_per_minute as usize {
            let until = self.begun.front().map(|at| *at + window);
            let why = format!(
                "{} repairs were begun within {}, which is the limit",
                self.begun.len(),
                duration_words(window)
            );
            return held("G5", why, until);
        }
        None
    }

    /// An action that was under way before a restart of ours.
    pub(crate) fn resume(
        &mut self,
        charger: ChargerKey,
        incident: IncidentId,
        rung: Rung,
        at: UnixMs,
    ) {
        let Some(member) = self.members.get(&charger) else { return };
        let model = Arc::clone(&member.model);
        let is_trial = matches!(self.breaker(at, &model, rung), BreakerState::HalfOpen);
        self.running.insert(charger, Running { incident, rung, at, model, is_trial });
        let place = self.begun.iter().position(|other| *other > at).unwrap_or(self.begun.len());
        self.begun.insert(place, at);
    }

    /// An action ended. What its effect was is learned.
    pub(crate) fn ended(&mut self, now: UnixMs, ended: &Ended<'_>) {
        let key = ended.charger;
        let is_it = self
            .running
            .get(&key)
            .is_some_and(|run| run.incident == ended.incident && run.rung == ended.rung);
        let running = if is_it { self.running.remove(&key) } else { None };
        let Some(running) = running else { return };
        let Some(lesson) = Lesson::of(ended.state, ended.took_ms) else { return };
        let model = running.model;
        self.learned.add(now, &model, ended.code, ended.rung, lesson);
        self.note_learned(&model, ended.code, ended.rung);
        let rails = self.settings.guardrails.clone();
        let record_key = (Arc::clone(&model), ended.rung);
        if self.records.len() >= RECORDS_MAX && !self.records.contains_key(&record_key) {
            self.records.retain(|_, record| !record.is_old(now));
        }
        if self.records.len() < RECORDS_MAX || self.records.contains_key(&record_key) {
            let record = self.records.entry(record_key).or_default();
            record.add(&rails, now, lesson, running.is_trial);
            self.note_record(&model, ended.rung);
        }
        if lesson == Lesson::Worse {
            self.off.insert((key, ended.rung), (now, ended.incident));
            self.changed.insert(Place::off(key, ended.rung));
        }
    }

    /// A step that counted as fixed did not hold.
    pub(crate) fn undo(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        code: &str,
        rung: Rung,
        seen_at: UnixMs,
    ) {
        let Some(member) = self.members.get(&charger) else { return };
        let model = Arc::clone(&member.model);
        self.learned.undo(now, &model, code, rung, seen_at);
        self.note_learned(&model, code, rung);
        let rails = self.settings.guardrails.clone();
        if let Some(record) = self.records.get_mut(&(Arc::clone(&model), rung)) {
            record.undo(&rails, now);
            self.note_record(&model, rung);
        }
    }

    /// What was switched off for a charger may be done again (another firmware, or a person says
    /// so). Says whether anything was off.
    pub(crate) fn allow_again(&mut self, charger: ChargerKey) -> bool {
        let rungs: Vec<Rung> = self
            .off
            .range((charger, Rung::L0)..)
            .take_while(|((key, _), _)| *key == charger)
            .map(|((_, rung), _)| *rung)
            .collect();
        for rung in &rungs {
            self.off.remove(&(charger, *rung));
            self.changed.insert(Place::off(charger, *rung));
        }
        !rungs.is_empty()
    }

    // Learning.

    /// Which of the rungs to come is next, for a charger.
    pub(crate) fn choose(
        &self,
        now: UnixMs,
        (charger, code, severity): (ChargerKey, &str, u8),
        (seed, nth): (u64, u64),
        rungs: &[Rung],
    ) -> Choice {
        let unknown = ModelKey::default();
        let model = self.model_of(charger).unwrap_or(&unknown);
        let of = Situation {
            now,
            model,
            code,
            severity,
            fleet: self.fleet.known,
            fleet_min: self.settings.learn_fleet_min,
            seed,
            nth,
        };
        choose(&self.learned, &of, rungs)
    }

    /// How long a reset of this charger may take (`T_boot`).
    pub(crate) fn boot_ms(&self, charger: ChargerKey) -> i64 {
        let settings = &self.settings;
        let p95 = self
            .model_of(charger)
            .and_then(|model| self.boots.of(&model.vendor, &model.model))
            .and_then(Times::p95);
        p95.map_or(settings.boot_ms, |ms| {
            ms.clamp(settings.boot_min_ms, settings.boot_max_ms.max(settings.boot_min_ms))
        })
    }

    /// A charger was back so long after a reset.
    pub(crate) fn booted(&mut self, charger: ChargerKey, took_ms: i64) {
        let Some(member) = self.members.get(&charger) else { return };
        let model = Arc::clone(&member.model);
        if (model.vendor.is_empty() && model.model.is_empty())
            || !self.boots.note(&model.vendor, &model.model, took_ms)
        {
            return;
        }
        self.changed.insert(Place::boots(&model.vendor, &model.model));
    }

    /// A session began at a site.
    pub(crate) fn session(&mut self, now: UnixMs, site: SiteKey) {
        let usage = self.usage.entry(site).or_default();
        usage.note(now);
        if usage.kept_at.is_none_or(|at| now.since_ms(at) >= USAGE_EVERY_MS) {
            usage.kept_at = Some(now);
            self.changed.insert(Place::usage(site));
        }
    }

    /// The hour of the day (UTC) in which a site is used least, once it is known.
    pub(crate) fn quiet_hour(&self, now: UnixMs, site: SiteKey) -> Option<usize> {
        self.usage.get(&site)?.quiet_hour(now)
    }

    /// When a ground fault of a charger was last reset.
    pub(crate) fn ground_reset_at(&self, charger: ChargerKey) -> Option<UnixMs> {
        self.ground.get(&charger).copied()
    }

    /// A ground fault is about to be reset.
    pub(crate) fn note_ground_reset(&mut self, now: UnixMs, charger: ChargerKey) {
        self.ground.insert(charger, now);
        self.changed.insert(Place::ground(charger));
    }

    /// What the other firmware versions of a charger's model look like, in sentences.
    pub(crate) fn firmware_words(&self, charger: ChargerKey) -> String {
        let Some(of) = self.members.get(&charger).map(|member| Arc::clone(&member.model)) else {
            return "Nothing is known of its firmware".to_owned();
        };
        let words = |(model, gauge): (&Arc<ModelKey>, &Gauge)| {
            let firmware =
                if model.firmware.is_empty() { "no told version" } else { &*model.firmware };
            format!("{firmware}: {} of {} in trouble", gauge.unwell, gauge.known)
        };
        let is_same = |model: &ModelKey| model.vendor == of.vendor && model.model == of.model;
        let own = self.cohorts.get_key_value(&of).map(words).unwrap_or_default();
        let others: Vec<String> = self
            .cohorts
            .iter()
            .filter(|(model, _)| is_same(model) && **model != of)
            .map(words)
            .collect();
        if others.is_empty() {
            return format!(
                "Ask the manufacturer for another firmware: every {} here runs the same ({own})",
                format!("{} {}", of.vendor, of.model).trim()
            );
        }
        format!("Consider another firmware. This one, {own}. Others: {}", others.join("; "))
    }

    // New rules (G10).

    pub(super) fn watch_new_rules(&mut self, shipped: BTreeSet<String>) {
        self.shipped = shipped;
        self.rules.get_or_insert_default();
    }

    /// Until when a rule may only write down what it would do. Says so from the first time on that
    /// it is asked about.
    pub(crate) fn shadow_until(&mut self, now: UnixMs, rule: &str) -> Option<UnixMs> {
        let for_ms = self.settings.new_rule_shadow_ms;
        if self.shipped.contains(rule) {
            return None;
        }
        let rules = self.rules.as_mut()?;
        let since = match rules.get(rule) {
            Some(since) => *since,
            None if rules.len() < RULES_MAX => {
                rules.insert(rule.to_owned(), now);
                self.changed.insert(Place::rule(rule));
                now
            }
            None => now,
        };
        Some(since + for_ms).filter(|until| now < *until)
    }

    /// A rule in shadow mode wrote a step down.
    pub(crate) fn shadowed(&mut self, now: UnixMs, rule: &str) {
        if self.shadows.len() < RULES_MAX || self.shadows.contains_key(rule) {
            self.shadows.entry(rule.to_owned()).or_default().step(now);
            self.changed.insert(Place::shadow(rule));
        }
    }

    /// What became of it.
    pub(crate) fn shadow_truth(&mut self, rule: &str, truth: Truth) {
        if let Some(tally) = self.shadows.get_mut(rule) {
            tally.truth(truth);
            self.changed.insert(Place::shadow(rule));
        }
    }

    fn note_learned(&mut self, model: &ModelKey, code: &str, rung: Rung) {
        if let Some(row) = self.learned.row(model, code, rung) {
            self.changed.insert(Place::learned(&row));
        }
    }

    fn note_record(&mut self, model: &ModelKey, rung: Rung) {
        self.changed.insert(Place::new(Kind::Record, model.clone(), "", Some(rung)));
    }
}

/// A part of a number, in percent, rounded down.
fn part_of(many: usize, percent: f64) -> usize {
    (many as f64 * percent / 100.0).floor() as usize
}

/// A model for people.
pub(super) fn model_words(model: &ModelKey) -> String {
    let words = model.to_string();
    if words.trim().is_empty() { "chargers of an unknown model".to_owned() } else { words }
}
