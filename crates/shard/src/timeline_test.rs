//! Runs the timeline tests that rule files carry, in virtual time: `mendpoint rules test`.
//!
//! A test plays one charger against a whole [`Shard`](crate::Shard) with all rules: those of the file
//! and any other there is. It looks at the incidents of its own rule and of those that its file names;
//! a rule of somebody's own that opens something beside them does not make it fail. Hours of it take
//! milliseconds.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use mendpoint_incidents::timeline_test::{Act, TimelineTest};
use mendpoint_incidents::{Catalogue, Rule};

use crate::stage::Stage;

/// What became of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The rule whose file carries it.
    pub rule: String,
    /// The test's name.
    pub test: String,
    /// The file.
    pub file: String,
    /// The line it begins at.
    pub line: usize,
    /// What was not as expected; empty when it passed.
    pub failures: Vec<Failure>,
}

impl Outcome {
    /// Whether everything was as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// One expectation that was not met. Displays as a sentence with its place:
/// `rules/x.toml:41: ERR_FAULTED, "a fault opens": at 1m the incidents were [], expected [..]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The file.
    pub file: String,
    /// The line of the step.
    pub line: usize,
    /// The rule.
    pub rule: String,
    /// The test's name.
    pub test: String,
    /// When, in milliseconds from the beginning of the test.
    pub at_ms: i64,
    /// What was asked for: "incidents", "actions", ..
    pub what: &'static str,
    /// What the test says.
    pub expected: String,
    /// What was there.
    pub got: String,
    /// What happened until then, a line each: the engine's own words.
    pub history: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}, \"{}\": at {} the {} should be {}, got {}",
            self.file,
            self.line,
            self.rule,
            self.test,
            clock_words(self.at_ms),
            self.what,
            self.expected,
            self.got
        )?;
        for line in &self.history {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// The same, where every test looks at the incidents of all rules: what is shipped together must
/// not disturb each other.
#[cfg(test)]
pub(crate) fn run_all_together(catalogue: &Arc<Catalogue>) -> Vec<Outcome> {
    let alone = |test: &TimelineTest| TimelineTest { looks_at_all: true, ..test.clone() };
    catalogue
        .rules()
        .iter()
        .flat_map(|rule| rule.tests.iter().map(|test| run(catalogue, rule, &alone(test))))
        .collect()
}

/// Runs every test of every rule, in the order of rules and tests.
pub fn run_all(catalogue: &Arc<Catalogue>) -> Vec<Outcome> {
    catalogue
        .rules()
        .iter()
        .flat_map(|rule| rule.tests.iter().map(|test| run(catalogue, rule, test)))
        .collect()
}

/// Runs one test.
pub fn run(catalogue: &Arc<Catalogue>, rule: &Rule, test: &TimelineTest) -> Outcome {
    let mut stage = Stage::new(Arc::clone(catalogue), test);
    let mut failures = Vec::new();
    // Another rule that opens something, too, is none of this test's business.
    let seen = (!test.looks_at_all).then(|| {
        let named = rule.tests.iter().flat_map(TimelineTest::expected);
        let mut seen: BTreeSet<String> = named.map(|(_, id)| id.to_owned()).collect();
        seen.insert(rule.id.clone());
        seen
    });
    for step in &test.steps {
        let fail = |what, expected, got, history| Failure {
            file: rule.file.clone(),
            line: step.line,
            rule: rule.id.clone(),
            test: test.name.clone(),
            at_ms: step.at_ms,
            what,
            expected,
            got,
            history,
        };
        if let Err(got) = stage.wait_until(step.at_ms) {
            let expected = "one that passes".to_owned();
            failures.push(fail("engine's next deadline", expected, got, stage.history()));
            break;
        }
        if let Act::Expect(expect) = &step.act {
            for (what, expected, got) in stage.differences(expect, seen.as_ref()) {
                failures.push(fail(what, expected, got, stage.history()));
            }
        } else {
            stage.act(step.charger, &step.act);
        }
    }
    Outcome {
        rule: rule.id.clone(),
        test: test.name.clone(),
        file: rule.file.clone(),
        line: test.line,
        failures,
    }
}

/// A time of a test as its author writes it: `10m1s`.
pub(crate) fn clock_words(ms: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let mut rest = ms;
    let mut words = String::new();
    for (unit, name) in UNITS {
        if rest >= unit {
            // Writing to a string cannot fail.
            let _ = write!(words, "{}{name}", rest / unit);
            rest %= unit;
        }
    }
    if words.is_empty() { "0s".to_owned() } else { words }
}
