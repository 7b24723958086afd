//! What was learned of rungs: how often each fixed which code on which model.
//!
//! Five levels, from the firmware of a model up to every charger there is. What is known of the
//! special case counts most; where little is known, the level above speaks (prior strength 4).

use std::collections::BTreeMap;

use mendpoint_model::{DAY_MS, ModelKey, Rung, StepState, UnixMs};
use serde::{Deserialize, Serialize};

use super::wilson::{Bounds, wilson};

/// After this time an outcome counts half.
const HALF_LIFE_MS: f64 = 90.0 * DAY_MS as f64;
/// So many tries is the level above worth.
const PRIOR: f64 = 4.0;
/// What is expected of a rung that nobody ever tried.
const ROOT: f64 = 0.5;
/// From so many tries a rung that does not help is left out, when its share is hardly above this.
const SKIP_FROM: f64 = 10.0;
const SKIP_BELOW: f64 = 0.30;
/// How many special cases are kept: codes and models are what chargers make them (behaviour 71).
const ROWS_MAX: usize = 20_000;
/// The longest code that is kept, in bytes.
const CODE_MAX: usize = 64;

/// Outcomes counted, each worth less as it grows old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Tries whose effect was seen.
    pub n: f64,
    /// Those that fixed it.
    pub fixed: f64,
    /// Those that made it worse.
    pub worse: f64,
    /// Seconds from sending to fixed, over all that fixed it.
    pub seconds: f64,
    /// The moment for which the numbers hold.
    pub at: UnixMs,
}

impl Tally {
    /// What is left of it at a later moment.
    #[must_use]
    pub fn as_of(self, now: UnixMs) -> Self {
        let passed = now.since_ms(self.at).max(0) as f64;
        let left = (-passed / HALF_LIFE_MS).exp2();
        Self {
            n: self.n * left,
            fixed: self.fixed * left,
            worse: self.worse * left,
            seconds: self.seconds * left,
            at: self.at.max(now),
        }
    }

    /// The 95 % bounds of the share that was fixed.
    pub fn bounds(&self) -> Bounds {
        wilson(self.fixed, self.n)
    }

    fn add(&mut self, now: UnixMs, lesson: Lesson) {
        *self = self.as_of(now);
        self.n += 1.0;
        match lesson {
            Lesson::Fixed { seconds } => {
                self.fixed += 1.0;
                self.seconds += seconds;
            }
            Lesson::NotFixed => {}
            Lesson::Worse => self.worse += 1.0,
        }
    }

    /// A repair of some time ago did not hold.
    fn undo(&mut self, now: UnixMs, seen_at: UnixMs) {
        *self = self.as_of(now);
        let worth = (-(now.since_ms(seen_at).max(0) as f64) / HALF_LIFE_MS).exp2();
        let mean = if self.fixed > 0.0 { self.seconds / self.fixed } else { 0.0 };
        let gone = worth.min(self.fixed);
        self.fixed -= gone;
        self.seconds = (self.seconds - gone * mean).max(0.0);
    }
}

/// What one try teaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lesson {
    Fixed { seconds: f64 },
    NotFixed,
    Worse,
}

impl Lesson {
    /// What the end of a step teaches; nothing, when its effect was not seen.
    pub(crate) fn of(state: StepState, took_ms: i64) -> Option<Self> {
        match state {
            StepState::Fixed => Some(Self::Fixed { seconds: took_ms.max(0) as f64 / 1_000.0 }),
            StepState::NotFixed => Some(Self::NotFixed),
            StepState::Worse => Some(Self::Worse),
            _ => None,
        }
    }
}

type Text = Box<str>;

/// Everything that was learned of rungs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    firmware: BTreeMap<(ModelKey, Text, Rung), Tally>,
    model: BTreeMap<(Text, Text, Text, Rung), Tally>,
    vendor: BTreeMap<(Text, Text, Rung), Tally>,
    code: BTreeMap<(Text, Rung), Tally>,
    rung: BTreeMap<Rung, Tally>,
}

/// What is known of a rung in one case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Known {
    /// The share it is expected to fix.
    pub(crate) p: f64,
    /// The share it is expected to make worse.
    pub(crate) worse: f64,
    /// What the level above the firmware expects.
    pub(crate) above: f64,
    /// On this firmware.
    pub(crate) firmware: Tally,
    /// On this model in every firmware.
    pub(crate) model: Tally,
}

impl Known {
    /// The level that has something to say, and whether it is that of the firmware.
    pub(crate) fn telling(&self) -> (Tally, bool) {
        let of_firmware = self.firmware.n >= 3.0 || self.firmware.n >= self.model.n;
        if of_firmware { (self.firmware, true) } else { (self.model, false) }
    }

    /// The level at which it is known to be of no use.
    pub(crate) fn useless(&self) -> Option<(Tally, bool)> {
        [(self.firmware, true), (self.model, false)].into_iter().find(|(tally, _)| {
            tally.n.round() >= SKIP_FROM && wilson(tally.fixed, tally.n.round()).high < SKIP_BELOW
        })
    }
}

/// What was learned of one rung against one code on one firmware of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnedRow {
    /// The model.
    pub model: ModelKey,
    /// The code; empty where the rule has none.
    pub code: String,
    /// The rung.
    pub rung: Rung,
    /// What came of it.
    pub tally: Tally,
    /// When the newest outcome was seen.
    #[serde(default)]
    pub seen: UnixMs,
}

impl LearnedRow {
    /// When the newest outcome was seen.
    pub fn seen_at(&self) -> UnixMs {
        self.seen
    }
}

fn short(code: &str) -> Text {
    let mut end = code.len().min(CODE_MAX);
    while !code.is_char_boundary(end) {
        end -= 1;
    }
    code[..end].into()
}

impl Evidence {
    fn tallies(&mut self, model: &ModelKey, code: &str, rung: Rung) -> [Option<&mut Tally>; 5] {
        let code = short(code);
        let key = (model.clone(), code.clone(), rung);
        let has_room = self.firmware.len() < ROWS_MAX || self.firmware.contains_key(&key);
        let (vendor, name) = (model.vendor.clone(), model.model.clone());
        let special = (vendor.clone(), name, code.clone(), rung);
        [
            has_room.then(|| self.firmware.entry(key).or_default()),
            has_room.then(|| self.model.entry(special).or_default()),
            has_room.then(|| self.vendor.entry((vendor, code.clone(), rung)).or_default()),
            has_room.then(|| self.code.entry((code, rung)).or_default()),
            Some(self.rung.entry(rung).or_default()),
        ]
    }

    /// Takes in what a try taught.
    pub(crate) fn add(
        &mut self,
        now: UnixMs,
        model: &ModelKey,
        code: &str,
        rung: Rung,
        lesson: Lesson,
    ) {
        for tally in self.tallies(model, code, rung).into_iter().flatten() {
            tally.add(now, lesson);
        }
    }

    /// A repair that ended at `seen_at` did not hold.
    pub(crate) fn undo(
        &mut self,
        now: UnixMs,
        model: &ModelKey,
        code: &str,
        rung: Rung,
        seen_at: UnixMs,
    ) {
        for tally in self.tallies(model, code, rung).into_iter().flatten() {
            tally.undo(now, seen_at);
        }
    }

    /// What is known of a rung in a case.
    pub(crate) fn known(&self, now: UnixMs, model: &ModelKey, code: &str, rung: Rung) -> Known {
        let code = short(code);
        let (vendor, name) = (model.vendor.clone(), model.model.clone());
        let firmware = self.firmware.get(&(model.clone(), code.clone(), rung));
        let of_model = self.model.get(&(vendor.clone(), name, code.clone(), rung));
        let of_vendor = self.vendor.get(&(vendor, code.clone(), rung));
        let of_code = self.code.get(&(code, rung));
        let now_of = |tally: Option<&Tally>| tally.copied().unwrap_or_default().as_of(now);
        let (mut p, mut worse, mut above) = (ROOT, 0.0, ROOT);
        for tally in [self.rung.get(&rung), of_code, of_vendor, of_model, firmware] {
            let tally = now_of(tally);
            above = p;
            p = (tally.fixed + PRIOR * p) / (tally.n + PRIOR);
            worse = (tally.worse + PRIOR * worse) / (tally.n + PRIOR);
        }
        Known { p, worse, above, firmware: now_of(firmware), model: now_of(of_model) }
    }

    /// One special case as it is kept.
    pub(crate) fn row(&self, model: &ModelKey, code: &str, rung: Rung) -> Option<LearnedRow> {
        let key = (model.clone(), short(code), rung);
        let tally = *self.firmware.get(&key)?;
        Some(LearnedRow { model: key.0, code: key.1.into(), rung, tally, seen: tally.at })
    }

    /// Takes back a special case that was kept: the levels above are its sums.
    pub(crate) fn put(&mut self, row: &LearnedRow) {
        for tally in self.tallies(&row.model, &row.code, row.rung).into_iter().flatten() {
            let at = tally.at.max(row.tally.at);
            let (old, new) = (tally.as_of(at), row.tally.as_of(at));
            *tally = Tally {
                n: old.n + new.n,
                fixed: old.fixed + new.fixed,
                worse: old.worse + new.worse,
                seconds: old.seconds + new.seconds,
                at,
            };
        }
    }

    /// Every special case, as it is at a moment, in order of models, codes and rungs.
    pub(crate) fn rows(&self, now: UnixMs) -> impl Iterator<Item = LearnedRow> {
        self.firmware.iter().map(move |((model, code, rung), tally)| LearnedRow {
            model: model.clone(),
            code: code.to_string(),
            rung: *rung,
            tally: tally.as_of(now),
            seen: tally.at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn model(firmware: &str) -> ModelKey {
        ModelKey { vendor: "ACME".into(), model: "X".into(), firmware: firmware.into() }
    }

    fn teach(evidence: &mut Evidence, of: &ModelKey, fixed: u32, failed: u32) {
        for n in 0..fixed + failed {
            let lesson = if n < fixed { Lesson::Fixed { seconds: 60.0 } } else { Lesson::NotFixed };
            evidence.add(NOW, of, "InternalError", Rung::L4, lesson);
        }
    }

    #[test]
    fn what_is_not_known_of_a_firmware_is_taken_from_the_model_and_so_on() {
        let mut evidence = Evidence::default();
        let known = |evidence: &Evidence, of: &ModelKey, code: &str| {
            evidence.known(NOW, of, code, Rung::L4).p
        };
        assert!((known(&evidence, &model("1.4"), "InternalError") - 0.5).abs() < 1e-9);
        teach(&mut evidence, &model("1.4"), 18, 2);
        // (18 + 4 p) / 24, five times over.
        let mut p = 0.5;
        for _ in 0..5 {
            p = (18.0 + 4.0 * p) / 24.0;
        }
        assert!((known(&evidence, &model("1.4"), "InternalError") - p).abs() < 1e-9);
        let other = known(&evidence, &model("2.0"), "InternalError");
        assert!(other > 0.85 && other < p + 1e-9, "{other}: the model speaks for a new firmware");
        let stranger = ModelKey { vendor: "Other".into(), ..model("1") };
        let by_code = known(&evidence, &stranger, "InternalError");
        let by_rung = known(&evidence, &stranger, "OtherError");
        assert!(by_code > by_rung && by_rung > 0.5, "{by_code} {by_rung}");
    }

    #[test]
    fn after_ninety_days_an_outcome_counts_half() {
        let mut evidence = Evidence::default();
        teach(&mut evidence, &model("1.4"), 10, 10);
        let later = NOW + 90 * DAY_MS;
        let known = evidence.known(later, &model("1.4"), "InternalError", Rung::L4);
        assert!((known.firmware.n - 10.0).abs() < 1e-6);
        assert!((known.firmware.fixed - 5.0).abs() < 1e-6);
    }

    #[test]
    fn a_rung_that_never_helped_is_left_out_from_ten_tries_on() {
        for (tries, is_useless) in [(8, false), (9, false), (10, true), (30, true)] {
            let mut evidence = Evidence::default();
            teach(&mut evidence, &model("1.4"), 0, tries);
            let known = evidence.known(NOW + 1_000, &model("1.4"), "InternalError", Rung::L4);
            assert_eq!(known.useless().is_some(), is_useless, "{tries}");
        }
        let mut evidence = Evidence::default();
        teach(&mut evidence, &model("1.4"), 2, 8);
        let known = evidence.known(NOW, &model("1.4"), "InternalError", Rung::L4);
        assert_eq!(known.useless(), None, "2 of 10 may be one of two");
    }

    #[test]
    fn a_repair_that_did_not_hold_counts_as_none() {
        let mut evidence = Evidence::default();
        teach(&mut evidence, &model("1.4"), 1, 0);
        evidence.undo(NOW + 1, &model("1.4"), "InternalError", Rung::L4, NOW);
        let known = evidence.known(NOW + 1, &model("1.4"), "InternalError", Rung::L4);
        assert!((known.firmware.n - 1.0).abs() < 1e-6 && known.firmware.fixed < 1e-6);
        assert!(known.p < 0.5);
    }

    #[test]
    fn what_is_kept_gives_the_same_again() {
        let mut evidence = Evidence::default();
        teach(&mut evidence, &model("1.4"), 3, 1);
        teach(&mut evidence, &model("2.0"), 1, 5);
        let mut again = Evidence::default();
        for row in evidence.rows(NOW) {
            again.put(&row);
        }
        for firmware in ["1.4", "2.0", "9"] {
            let of = model(firmware);
            let a = evidence.known(NOW + DAY_MS, &of, "InternalError", Rung::L4).p;
            let b = again.known(NOW + DAY_MS, &of, "InternalError", Rung::L4).p;
            assert!((a - b).abs() < 1e-9);
        }
    }
}
