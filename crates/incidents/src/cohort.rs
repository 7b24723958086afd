//! A charger's own kind: what happens to others of the same vendor, model and firmware.
//!
//! The engine counts for the chargers it has. Where several engines share a fleet, somebody who sees
//! all of them adds their figures up ([`CohortFigures::merge`]) and gives the sums back
//! ([`Engine::set_cohorts`](crate::Engine::set_cohorts)). A comparison with a cohort that is not known
//! well enough does not hold.

use std::collections::BTreeMap;

use mendpoint_model::{Boot, DAY_MS, UnixMs};

use crate::rule::Occurrence;

/// A cohort of fewer chargers says nothing.
const CHARGERS_MIN: u32 = 5;
/// Nor one that was watched for fewer days, all chargers together.
const CHARGER_DAYS_MIN: f64 = 14.0;
/// Half of what is known is forgotten when every charger was watched for so long.
const DAYS_MAX: f64 = 56.0;
/// The most cohorts; what chargers say they are must not eat the memory (behaviour 71).
const COHORTS_MAX: usize = 4_096;

/// What is known of a cohort.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CohortFigures {
    /// Manufacturer, as told at boot.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Firmware; empty where it is not told.
    pub firmware: String,
    /// How many chargers.
    pub chargers: u32,
    /// For how long they were watched, all together, in days.
    pub charger_days: f64,
    /// How often each kind of thing happened (`faulted`, `attempt_failed`, ..).
    pub counts: BTreeMap<String, f64>,
    /// Sessions by the class of their power; empty where none are known.
    pub powers: Vec<f64>,
}

impl CohortFigures {
    /// Adds the figures of the same cohort from elsewhere.
    pub fn merge(&mut self, other: &Self) {
        self.chargers += other.chargers;
        self.charger_days += other.charger_days;
        for (kind, count) in &other.counts {
            *self.counts.entry(kind.clone()).or_default() += count;
        }
        self.powers.resize(self.powers.len().max(other.powers.len()), 0.0);
        for (count, more) in self.powers.iter_mut().zip(&other.powers) {
            *count += more;
        }
    }
}

/// Counts of one cohort.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tally {
    chargers: u32,
    charger_days: f64,
    /// Until when `charger_days` is right.
    counted_to: UnixMs,
    counts: [f64; Occurrence::NAMES.len()],
    /// Sessions by the class of their power; empty as long as there is none.
    powers: Vec<f64>,
}

impl Tally {
    /// Lets the time of its chargers pass.
    fn pass(&mut self, now: UnixMs) {
        let days = now.since_ms(self.counted_to).max(0) as f64 / DAY_MS as f64;
        self.charger_days += days * f64::from(self.chargers);
        self.counted_to = self.counted_to.max(now);
        if self.charger_days > DAYS_MAX * f64::from(self.chargers.max(1)) {
            self.charger_days /= 2.0;
            self.counts.iter_mut().for_each(|count| *count /= 2.0);
            self.powers.iter_mut().for_each(|count| *count /= 2.0);
        }
    }
}

/// A cohort as a rule reads it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cohort {
    own: Tally,
    /// Of the whole fleet, where somebody tells.
    fleet: Option<Tally>,
}

impl Cohort {
    fn figures(&self) -> Option<&Tally> {
        let tally = self.fleet.as_ref().unwrap_or(&self.own);
        (tally.chargers >= CHARGERS_MIN && tally.charger_days >= CHARGER_DAYS_MIN).then_some(tally)
    }

    /// How often something happens to one charger of it in a day.
    pub(crate) fn a_day(&self, kind: Occurrence) -> Option<f64> {
        let tally = self.figures()?;
        Some(tally.counts[kind as usize] / tally.charger_days)
    }

    /// The power that half of its sessions exceed, W.
    pub(crate) fn median_power_w(&self) -> Option<f64> {
        crate::power::median(&self.figures()?.powers)
    }

    /// Of two kinds, which part is the first.
    pub(crate) fn share(&self, good: Occurrence, bad: Occurrence) -> Option<f64> {
        let tally = self.figures()?;
        let (good, bad) = (tally.counts[good as usize], tally.counts[bad as usize]);
        // Twenty of them say something.
        (good + bad >= 20.0).then(|| good / (good + bad))
    }
}

/// The number of a cohort in an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CohortId(u16);

/// The cohorts of an engine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cohorts {
    table: Vec<Cohort>,
    ids: BTreeMap<[Box<str>; 3], CohortId>,
}

impl Cohorts {
    /// The cohort of a charger that says this of itself; `None` when there are too many.
    pub(crate) fn id_of(&mut self, now: UnixMs, boot: &Boot) -> Option<CohortId> {
        let firmware = boot.firmware.as_deref().unwrap_or_default();
        self.id([&boot.vendor, &boot.model, firmware], now)
    }

    fn id(&mut self, key: [&str; 3], now: UnixMs) -> Option<CohortId> {
        let key = key.map(|word| Box::from(word.trim().to_ascii_lowercase()));
        if let Some(id) = self.ids.get(&key) {
            return Some(*id);
        }
        let id = CohortId(u16::try_from(self.table.len()).ok()?);
        if self.table.len() == COHORTS_MAX {
            return None;
        }
        let own = Tally { counted_to: now, ..Tally::default() };
        self.table.push(Cohort { own, fleet: None });
        self.ids.insert(key, id);
        Some(id)
    }

    pub(crate) fn get(&self, id: Option<CohortId>) -> Option<&Cohort> {
        self.table.get(usize::from(id?.0))
    }

    /// Until when the time of a cohort is counted.
    pub(crate) fn counted_to(&self, id: Option<CohortId>) -> UnixMs {
        self.get(id).map_or(UnixMs(0), |cohort| cohort.own.counted_to)
    }

    /// A charger joins one cohort and leaves another.
    pub(crate) fn move_charger(
        &mut self,
        now: UnixMs,
        from: Option<CohortId>,
        to: Option<CohortId>,
    ) {
        for (id, joins) in [(from, false), (to, true)] {
            let Some(id) = id else { continue };
            let Some(cohort) = self.table.get_mut(usize::from(id.0)) else { continue };
            cohort.own.pass(now);
            let chargers = &mut cohort.own.chargers;
            *chargers = if joins { *chargers + 1 } else { chargers.saturating_sub(1) };
        }
    }

    /// Something happened to a charger of a cohort.
    pub(crate) fn note(&mut self, now: UnixMs, id: Option<CohortId>, kind: Occurrence) {
        let Some(id) = id else { return };
        if let Some(cohort) = self.table.get_mut(usize::from(id.0)) {
            cohort.own.pass(now);
            cohort.own.counts[kind as usize] += 1.0;
        }
    }

    /// A session of a cohort got power of this class.
    pub(crate) fn note_power(&mut self, now: UnixMs, id: Option<CohortId>, class: usize) {
        let Some(id) = id else { return };
        if let Some(cohort) = self.table.get_mut(usize::from(id.0)) {
            cohort.own.pass(now);
            cohort.own.powers.resize(crate::power::CLASSES, 0.0);
            cohort.own.powers[class.min(crate::power::CLASSES - 1)] += 1.0;
        }
    }

    /// What the engine counted itself, by vendor, model and firmware.
    pub(crate) fn own(&self) -> Vec<CohortFigures> {
        let figures = |([vendor, model, firmware], id): (&[Box<str>; 3], &CohortId)| {
            let tally = &self.table.get(usize::from(id.0))?.own;
            let counts = Occurrence::NAMES
                .iter()
                .map(|(name, kind)| ((*name).to_owned(), tally.counts[*kind as usize]))
                .filter(|(_, count)| *count > 0.0)
                .collect();
            Some(CohortFigures {
                vendor: vendor.to_string(),
                model: model.to_string(),
                firmware: firmware.to_string(),
                chargers: tally.chargers,
                charger_days: tally.charger_days,
                counts,
                powers: tally.powers.clone(),
            })
        };
        self.ids.iter().filter_map(figures).collect()
    }

    /// Takes over the figures of the whole fleet.
    pub(crate) fn set_fleet(&mut self, now: UnixMs, figures: &[CohortFigures]) {
        for of in figures {
            let Some(id) = self.id([&of.vendor, &of.model, &of.firmware], now) else { continue };
            let mut counts = [0.0; Occurrence::NAMES.len()];
            for (name, kind) in Occurrence::NAMES {
                counts[kind as usize] = of.counts.get(name).copied().unwrap_or(0.0);
            }
            let tally = Tally {
                chargers: of.chargers,
                charger_days: of.charger_days,
                counted_to: now,
                counts,
                powers: of.powers.clone(),
            };
            if let Some(cohort) = self.table.get_mut(usize::from(id.0)) {
                cohort.fleet = Some(tally);
            }
        }
    }
}

/// The upper end of the Wilson interval (95 %) of a share.
pub(crate) fn wilson_upper(good: usize, all: usize) -> f64 {
    const Z: f64 = 1.96;
    if all == 0 {
        return 1.0;
    }
    let n = all as f64;
    let share = good as f64 / n;
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    (share + Z * Z / (2.0 * n) + spread) / (1.0 + Z * Z / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(firmware: &str) -> Boot {
        Boot {
            vendor: "ACME".to_owned(),
            model: "X".to_owned(),
            firmware: Some(firmware.to_owned()),
            ..Boot::default()
        }
    }

    #[test]
    fn too_few_chargers_say_nothing() {
        let mut cohorts = Cohorts::default();
        let id = cohorts.id_of(UnixMs(0), &boot("1"));
        assert_eq!(cohorts.id_of(UnixMs(0), &boot("1 ")), id);
        assert_ne!(cohorts.id_of(UnixMs(0), &boot("2")), id);
        (0..4).for_each(|_| cohorts.move_charger(UnixMs(0), None, id));
        (0..8).for_each(|_| cohorts.note(UnixMs(7 * DAY_MS), id, Occurrence::Boot));
        assert_eq!(cohorts.get(id).and_then(|cohort| cohort.a_day(Occurrence::Boot)), None);
        cohorts.move_charger(UnixMs(7 * DAY_MS), None, id);
        let a_day = cohorts.get(id).and_then(|cohort| cohort.a_day(Occurrence::Boot));
        assert!((a_day.expect("enough") - 8.0 / 28.0).abs() < 1e-9);
    }

    #[test]
    fn the_figures_of_the_fleet_come_before_our_own() {
        let mut cohorts = Cohorts::default();
        let id = cohorts.id_of(UnixMs(0), &boot("1"));
        let counts = [("attempt_succeeded".to_owned(), 95.0), ("attempt_failed".to_owned(), 5.0)];
        let mut figures = CohortFigures {
            vendor: "acme".to_owned(),
            model: "x".to_owned(),
            firmware: "1".to_owned(),
            chargers: 50,
            charger_days: 350.0,
            counts: counts.into(),
            powers: Vec::new(),
        };
        figures.merge(&figures.clone());
        assert_eq!(figures.chargers, 100);
        cohorts.set_fleet(UnixMs(0), &[figures]);
        let cohort = cohorts.get(id).expect("it is there");
        let share = cohort.share(Occurrence::AttemptSucceeded, Occurrence::AttemptFailed);
        assert!((share.expect("known") - 0.95).abs() < 1e-9);
    }

    #[test]
    fn the_upper_end_of_a_share() {
        // The published table for n = 20.
        assert!((wilson_upper(10, 20) - 0.7007).abs() < 0.001);
        assert!((wilson_upper(0, 20) - 0.1611).abs() < 0.001);
        assert!((wilson_upper(20, 20) - 1.0).abs() < 1e-9);
    }
}
