//! The learner against the fixed ladder: the same fleet and the same failures twice, once with what
//! repairs taught, once with the playbooks as they are written.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::report::{Gate, Report};
use crate::world::{Lived, QualitySettings, live};

/// The least that the learner is wanted to save, in percent.
const WANTED: f64 = 20.0;

/// What came of both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// With what repairs taught.
    pub learner: Report,
    /// With the fixed ladder.
    pub fixed: Report,
    /// Failures that a command can mend and that both runs saw.
    pub failures: u64,
    /// Hours that they lasted from their first incident on, with the learner.
    pub learner_hours: f64,
    /// The same with the fixed ladder.
    pub fixed_hours: f64,
    /// What the learner saves of them.
    pub saved: Gate,
}

/// Lives through the days twice.
pub fn compare(settings: QualitySettings) -> Comparison {
    let mut without = settings.clone();
    without.engine.learn = false;
    let mut with = settings;
    with.engine.learn = true;
    let (learner, fixed) = (live(with), live(without));
    let (a, b) = (eligible_ms(&learner), eligible_ms(&fixed));
    let both: Vec<(i64, i64)> =
        a.iter().filter_map(|(planned, ms)| Some((*ms, *b.get(planned)?))).collect();
    let hours = |ms: i64| ms as f64 / 3_600_000.0;
    let learner_hours = hours(both.iter().map(|(ms, _)| ms).sum());
    let fixed_hours = hours(both.iter().map(|(_, ms)| ms).sum());
    let reached = (fixed_hours > 0.0).then(|| 100.0 * (1.0 - learner_hours / fixed_hours));
    Comparison {
        learner: learner.report(),
        fixed: fixed.report(),
        failures: both.len() as u64,
        learner_hours,
        fixed_hours,
        saved: Gate::new(
            ("downtime that the learner saves beside the fixed ladder", ">= 20 %", "%"),
            (reached, both.len() as u64),
            |reached| reached >= WANTED,
        ),
    }
}

impl Comparison {
    /// Whether the learner misses anything that was measured. The fixed ladder is what it is held
    /// against, and has no goals.
    pub fn is_missed(&self) -> bool {
        self.learner.is_missed() || self.saved.is_missed()
    }
}

/// For how long each failure lasted that a command can mend, from its first incident on, by its number
/// in the plan. What passes before nobody can repair.
fn eligible_ms(of: &Lived) -> BTreeMap<usize, i64> {
    let failures = of.truth.failures.iter().filter(|failure| failure.heal_eligible);
    failures
        .filter_map(|failure| {
            let ended = failure.ended_at.unwrap_or(of.now);
            let seen_at = of.seen_at(failure)?;
            Some((failure.begun.planned, ended.since_ms(seen_at).max(0)))
        })
        .collect()
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "with the learner: {}", self.learner)?;
        writeln!(f, "with the fixed ladder: {}", self.fixed)?;
        let reached =
            self.saved.reached.map_or("not measured".to_owned(), |share| format!("{share:.1} %"));
        write!(
            f,
            "  {:6} {}: {reached} ({:.1} h instead of {:.1} h, {} failures that a command can \
             mend; wanted {})",
            self.saved.word(),
            self.saved.name,
            self.learner_hours,
            self.fixed_hours,
            self.failures,
            self.saved.wanted
        )
    }
}
