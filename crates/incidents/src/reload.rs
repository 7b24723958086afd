//! Other rules and other thresholds while the engine runs: what a rule counts and waits for goes on
//! where it still looks for the same.

use std::sync::Arc;

use mendpoint_model::{ChargerKey, Chargers, IncidentId, UnixMs};
use smallvec::SmallVec;

use crate::alert::{Alert, Phase};
use crate::case::Watch;
use crate::catalogue::Catalogue;
use crate::engine::{Cx, Engine};
use crate::program::Program;
use crate::rule::{Clear, Rule};
use crate::threshold::{Overrides, Placed, ThresholdOverride};
use crate::timers::{Timer, Timers};

impl Engine {
    /// Takes other rules. A rule of the same id that still looks for the same goes on where it is:
    /// with what it counted and since when it waits. One that looks for something else begins anew,
    /// but what fires goes on under it. Incidents whose rule is gone are resolved. What follows from
    /// all this comes out with the next call.
    pub fn set_catalogue(&mut self, now: UnixMs, catalogue: &Catalogue, fleet: &dyn Chargers) {
        let program = Arc::new(Program::new(catalogue, &self.settings));
        let had_wide = !self.program.wide_ids().is_empty();
        self.change(now, program, fleet);
        self.rehold();
        if had_wide || !self.program.wide_ids().is_empty() {
            self.tell_wide_rules(now);
        }
        let cx = Cx { now, fleet, frame: 0, from: None };
        let orphans: Vec<IncidentId> = self
            .cases
            .values()
            .filter(|case| case.rule.is_none() && !case.incident.state.is_over())
            .filter(|case| case.incident.source == mendpoint_model::Source::System)
            // What is built in is in no file.
            .filter(|case| !case.incident.is_wide())
            .map(|case| case.incident.id)
            .collect();
        for id in orphans {
            let actor = mendpoint_model::Actor::Engine;
            self.resolve(&cx, id, "Its rule was taken away", &actor, None);
        }
    }

    /// The same with other thresholds for some chargers.
    pub fn set_rules(
        &mut self,
        now: UnixMs,
        catalogue: &Catalogue,
        overrides: Vec<ThresholdOverride>,
        fleet: &dyn Chargers,
    ) {
        self.overrides = Overrides::new(overrides);
        self.set_catalogue(now, catalogue, fleet);
    }

    /// Takes other thresholds for some chargers; all there are, not only the new ones. One that the
    /// rules do not know, or a value that its rule refuses, changes nothing.
    pub fn set_thresholds(
        &mut self,
        now: UnixMs,
        overrides: Vec<ThresholdOverride>,
        fleet: &dyn Chargers,
    ) {
        self.overrides = Overrides::new(overrides);
        let program = Arc::clone(&self.program);
        self.change(now, program, fleet);
    }

    fn change(&mut self, now: UnixMs, program: Arc<Program>, fleet: &dyn Chargers) {
        let old = std::mem::replace(&mut self.program, program);
        self.variants.clear();
        self.wants = self.program.wants.clone();
        let program = Arc::clone(&self.program);
        let changed = changed_places(&old, &program);
        let mut keys: Vec<_> = self.watches.keys().copied().collect();
        keys.sort_unstable();
        let mut looks: Vec<(ChargerKey, SmallVec<[u16; 4]>)> = Vec::new();
        for key in keys {
            let variants = self.variants_of(key, fleet);
            let Some(watch) = self.watches.get_mut(&key) else { continue };
            let before = std::mem::replace(&mut watch.variants, variants);
            let mut places = changed.clone();
            places.extend(varied(&before, &watch.variants, &old, &program));
            places.sort_unstable();
            places.dedup();
            move_over(watch, key, &before, (&old, &program), &mut self.timers);
            if let Some(memory) = &mut watch.memory {
                memory.trim(&self.wants);
            }
            if !places.is_empty() {
                looks.push((key, places));
            }
        }
        for case in self.cases.values_mut().filter(|case| !case.incident.is_wide()) {
            case.rule = program.place(&case.incident.rule);
        }
        let cx = Cx { now, fleet, frame: 0, from: None };
        for (key, places) in looks {
            self.look_at(&cx, key, &places);
        }
    }

    /// Looks at some rules of one charger.
    fn look_at(&mut self, cx: &Cx<'_>, key: ChargerKey, places: &[u16]) {
        let program = Arc::clone(&self.program);
        let Some(charger) = cx.fleet.charger(key) else { return };
        for place in places {
            let scope = program.rules[usize::from(*place)].unit;
            self.evaluate_place(cx, &program, (key, charger), *place, scope, None);
        }
    }

    /// A charger may have become another one: by its place, or by what it says of itself.
    pub(crate) fn note_variants(&mut self, cx: &Cx<'_>, key: ChargerKey) {
        if self.overrides.is_empty() {
            return;
        }
        let variants = self.variants_of(key, cx.fleet);
        let program = Arc::clone(&self.program);
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let before = std::mem::replace(&mut watch.variants, variants);
        let places: Vec<u16> =
            varied(&before, &watch.variants, &program, &program).into_iter().collect();
        if !places.is_empty() {
            move_over(watch, key, &before, (&program, &program), &mut self.timers);
            self.look_at(cx, key, &places);
        }
    }

    /// The rules that hold for a charger with other thresholds.
    fn variants_of(&mut self, key: ChargerKey, fleet: &dyn Chargers) -> Variants {
        if self.overrides.is_empty() {
            return SmallVec::new();
        }
        let Some(charger) = fleet.charger(key) else { return SmallVec::new() };
        let boot = charger.boot.as_deref();
        let placed = Placed {
            key,
            site: charger.site,
            boot: boot.map(|boot| (boot.vendor.as_str(), boot.model.as_str())),
        };
        let program = Arc::clone(&self.program);
        let (pace, settings) = (self.settings.pace, &self.settings.rules);
        let mut found: Variants = SmallVec::new();
        let scope =
            |id: &str| program.place(id).map(|place| program.rules[usize::from(place)].scope);
        for (id, values) in self.overrides.of(&placed, scope) {
            let Some(place) = program.place(id) else { continue };
            let rule = &program.rules[usize::from(place)];
            // What the rule has no more, or refuses by now, must not take the others along.
            let holds = |name: &str, value: &str| {
                let known = rule.thresholds.iter().find(|known| known.name == name);
                known.is_some_and(|known| known.check(value).is_ok())
            };
            let mut values = values;
            values.retain(|name, value| holds(name, value));
            if values.is_empty() {
                continue;
            }
            let own = settings.get(id);
            let wants = &mut self.wants;
            let compile = || {
                let rule = rule.with_thresholds(&values).ok()?;
                let rule = rule.paced(pace, own);
                // Ten of something are not known where only five of them are kept.
                rule.predicates().for_each(|predicate| wants.add(predicate, rule.unit));
                Some(Arc::new(rule))
            };
            let known = self.variants.entry((place, values.clone())).or_insert_with(compile);
            found.extend(known.as_ref().map(|rule| (place, Arc::clone(rule))));
        }
        // They are looked up by their place.
        found.sort_unstable_by_key(|(place, _)| *place);
        found
    }
}

/// Rules of a charger with thresholds of their own, by place.
type Variants = SmallVec<[(u16, Arc<Rule>); 0]>;

/// A rule as it held for a charger.
fn rule_in(variants: &Variants, program: &Program, place: u16) -> Arc<Rule> {
    let own = variants.iter().find(|(of, _)| *of == place).map(|(_, rule)| rule);
    Arc::clone(own.unwrap_or_else(|| &program.rules[usize::from(place)]))
}

/// The rules that are not as they were, or that are new.
fn changed_places(old: &Program, new: &Program) -> SmallVec<[u16; 4]> {
    let is_as_before = |(place, rule): &(usize, &Arc<Rule>)| {
        old.place(&rule.id).is_some_and(|before| {
            let before = usize::from(before);
            old.rules[before].judges_the_same(rule) && old.enabled[before] == new.enabled[*place]
        })
    };
    new.rules
        .iter()
        .enumerate()
        .filter(|rule| !is_as_before(rule))
        .map(|(place, _)| place as u16)
        .collect()
}

/// The rules whose own thresholds for a charger are not as they were, by their new places.
fn varied(before: &Variants, after: &Variants, old: &Program, new: &Program) -> SmallVec<[u16; 4]> {
    let gone = before.iter().filter_map(|(_, rule)| new.place(&rule.id));
    gone.chain(after.iter().map(|(place, _)| *place))
        .filter(|place| {
            let now = rule_in(after, new, *place);
            let was = old.place(&now.id).map(|place| rule_in(before, old, place));
            was.is_none_or(|was| !was.judges_the_same(&now))
        })
        .collect()
}

/// Takes the alerts of a charger over to the rules of another program.
fn move_over(
    watch: &mut Watch,
    key: ChargerKey,
    before: &Variants,
    (old_program, program): (&Program, &Program),
    timers: &mut Timers,
) {
    let place_of = |old: u16| program.place(&old_program.rules[usize::from(old)].id);
    let mut kept: SmallVec<[Alert; 0]> = SmallVec::new();
    let mut alerts = std::mem::take(&mut watch.alerts);
    // Their timers have the old places in their names, and the old place of one may be the new one of
    // another that is due at the same moment: all are taken away before the first is set again.
    let armed: SmallVec<[Option<UnixMs>; 1]> = alerts
        .iter_mut()
        .map(|alert| {
            let armed = alert.armed;
            timers.set(&mut alert.armed, Timer::Alert(key, alert.rule, alert.at), None);
            armed
        })
        .collect();
    for (mut alert, armed) in alerts.into_iter().zip(armed) {
        let old = rule_in(before, old_program, alert.rule);
        let Some(place) = place_of(alert.rule) else { continue };
        let new = watch.rule(program, place);
        let is_same = old.looks_for_the_same(&new);
        let goes_on = match alert.phase {
            Phase::Firing(_) => true,
            Phase::Pending | Phase::Probing { .. } | Phase::Inhibited(_) => {
                is_same && program.enabled[usize::from(place)]
            }
        };
        if !goes_on {
            continue;
        }
        alert.rule = place;
        if old.clears != new.clears {
            // An end that is the same but for its time goes on from when it was first seen.
            let before =
                |clear: &Clear| old.clears.iter().position(|of| of.is_about_the_same(clear));
            let since = |clear| alert.clear_since.get(before(clear)?).copied().flatten();
            let counts = |clear| alert.clear_counts.get(before(clear)?).copied();
            let kept: (SmallVec<_>, SmallVec<_>) = new
                .clears
                .iter()
                .map(|clear| (since(clear), counts(clear).unwrap_or_default()))
                .unzip();
            (alert.clear_since, alert.clear_counts) = kept;
        }
        if !is_same {
            alert.counted.clear();
        }
        timers.set(&mut alert.armed, Timer::Alert(key, place, alert.at), armed);
        kept.push(alert);
    }
    watch.alerts = kept;
    let cooling = std::mem::take(&mut watch.cooling);
    watch.cooling = cooling
        .into_iter()
        .filter_map(|(old, at, until)| Some((place_of(old)?, at, until)))
        .collect();
}
