//! The part of a sentence that is about many chargers: a site, a cohort or the fleet.

use std::fmt::Write as _;

use mendpoint_model::{DAY_MS, HOUR_MS};

use super::made::{BEGIN_MS, BOOT, Made, happens};
use super::steps::{Step, step};
use super::{Field, Sentence};

/// What a rule may be about beside one connector or charger: the word of the language, and for people.
pub(crate) const WIDE: [(&str, &str); 3] =
    [("site", "a site"), ("cohort", "a vendor, model and firmware"), ("fleet", "the fleet")];

/// The most chargers of one test (see the rule language).
const CHARGERS_MAX: u32 = 100;
/// When it comes all at once, in a test that has to know first what is usual.
const USUAL_KNOWN_MS: i64 = 20 * DAY_MS;

/// How many chargers, as it was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Many {
    /// The word of the language.
    pub(super) scope: &'static str,
    place: &'static str,
    at_least: Option<u32>,
    percent: Option<u32>,
    times_usual: Option<f64>,
}

fn whole(text: &str, what: &str, most: u32) -> Result<Option<u32>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let number = text.trim().parse().ok().filter(|n| (1..=most).contains(n));
    number.map(Some).ok_or(format!("{what} is a whole number from 1 to {most}, or empty."))
}

impl Sentence {
    /// What was chosen about many chargers; `None` for a rule about one.
    pub(super) fn many(&self, field: &Field) -> Result<Option<Many>, String> {
        let Some((scope, place)) = WIDE.iter().copied().find(|(scope, _)| *scope == self.scope)
        else {
            if !self.scope.is_empty() {
                return Err("A rule is about one charger, a site, a cohort or the fleet.".into());
            }
            let given = [&self.chargers, &self.percent, &self.times_usual];
            if given.iter().any(|text| !text.trim().is_empty()) {
                return Err(
                    "How many chargers, and how many times as many as usual, is for a rule \
                            about a site, a vendor, model and firmware, or the fleet: choose one \
                            under \"About\"."
                        .into(),
                );
            }
            return Ok(None);
        };
        if !self.playbook.is_empty() {
            return Err(format!(
                "A rule about {place} heals nothing: what many chargers show has one cause, and no \
                 step at a single one removes it. Choose \"nothing\" under \"Heal with\"."
            ));
        }
        let at_least = whole(&self.chargers, "The number of chargers", CHARGERS_MAX)?;
        let percent = whole(&self.percent, "The part of the chargers", 100)?;
        let times_usual = match self.times_usual.trim() {
            "" => None,
            text => Some(
                text.parse::<f64>()
                    .ok()
                    .filter(|times| (1.0..=1_000.0).contains(times))
                    .ok_or("Times as many as usual is a number from 1 to 1000, or empty.")?,
            ),
        };
        if times_usual.is_some() && !field.is_window {
            return Err(
                "Times as many as usual is for what is counted: lost connections, restarts, \
                        faults or refused cards."
                    .into(),
            );
        }
        if at_least.is_none() && percent.is_none() && !field.is_window {
            return Err(format!(
                "Say how many chargers of {place} must show it, how many percent of them, or both."
            ));
        }
        Ok(Some(Many { scope, place, at_least, percent, times_usual }))
    }
}

impl Many {
    /// "on at least 3 chargers and 30 % of a site".
    pub(super) fn words(&self) -> String {
        let mut words = String::new();
        if let Some(times) = self.times_usual {
            let _ = write!(words, ", {times} times as many as usual,");
        }
        let chargers = match (self.at_least, self.percent) {
            (None, None) => return format!("{words} on {}", self.place),
            (Some(1), None) => "at least 1 charger".to_owned(),
            (Some(least), None) => format!("at least {least} chargers"),
            (None, Some(percent)) => format!("{percent} % of the chargers"),
            (Some(least), Some(percent)) => {
                format!("at least {least} chargers and {percent} % of those")
            }
        };
        let _ = write!(words, " on {chargers} of {}", self.place);
        words
    }

    /// `chargers = { .. }`, where so many are asked for.
    pub(super) fn chargers(&self) -> String {
        let least = self.at_least.map(|least| format!("at_least = {least}"));
        let percent = self.percent.map(|percent| format!("percent = {percent}"));
        let asked: Vec<String> = [least, percent].into_iter().flatten().collect();
        if asked.is_empty() {
            return String::new();
        }
        format!("chargers = {{ {} }}\n", asked.join(", "))
    }

    /// The line of an incident.
    pub(super) fn headline(title: &str) -> String {
        let plain: String = title.chars().filter(|c| !matches!(c, '{' | '}')).collect();
        format!("{{chargers}} of {{of}} chargers, {{place}}: {plain}")
    }

    /// How many chargers its tests have.
    pub(super) fn in_tests(&self) -> u32 {
        self.at_least.unwrap_or(1)
    }

    /// They say what they are, where that matters.
    fn identities(&self) -> Vec<Step> {
        let chargers = if self.scope == "cohort" { self.in_tests() } else { 0 };
        (1..=chargers).map(|charger| step(1_000, BOOT.to_owned()).by(charger)).collect()
    }

    /// What one charger does, done by enough of them; and by one too few, where the others are fine.
    pub(super) fn spread(&self, made: &mut Made) {
        let all = self.in_tests();
        let (fires, silent) = (made.fires.clone(), made.silent.clone());
        let by = |steps: &[Step], charger: u32| -> Vec<Step> {
            steps.iter().map(|step| step.clone().by(charger)).collect()
        };
        made.fires = self.identities();
        made.silent = self.identities();
        for charger in 1..=all {
            made.fires.extend(by(&fires, charger));
            made.silent.extend(by(if charger < all { &fires } else { &silent }, charger));
        }
        made.silent_at_ms = made.fires_at_ms;
    }

    /// What is counted at all of them together: enough, and then too few, at too few, or before it is
    /// known what is usual.
    pub(super) fn made_of_count(
        &self,
        kind: &str,
        (times, within): (u32, &str),
        (within_ms, step_ms): (i64, i64),
        made: &mut Made,
    ) {
        let all = self.in_tests();
        let usual =
            self.times_usual.map(|times| format!(", times_usual = {times:?}")).unwrap_or_default();
        made.condition =
            format!("{{ kind = \"{kind}\", at_least = {times}, within = \"{within}\"{usual} }}");
        // What says who they are is itself a restart: it must have left the window.
        let begin_ms = BEGIN_MS + if kind == "boot" { within_ms + 1_000 } else { 0 };
        let burst = |from_ms: i64, number: u32, chargers: u32| -> Vec<Step> {
            (0..number)
                .flat_map(|n| {
                    let steps = happens(kind, n, from_ms, step_ms);
                    steps.into_iter().map(move |step| step.by(n % chargers + 1))
                })
                .collect()
        };
        let length_ms = i64::from(times) * step_ms * 2 + 1_000;
        let end = |from_ms: i64| (from_ms + length_ms) / 1_000 * 1_000;
        made.fires = self.identities();
        made.silent = self.identities();
        let fires_from = if self.times_usual.is_some() {
            made.fires.extend(happens(kind, 0, HOUR_MS, step_ms));
            USUAL_KNOWN_MS
        } else {
            begin_ms
        };
        made.fires.extend(burst(fires_from, times, all));
        made.fires_at_ms = end(fires_from);
        made.silent.extend(match (self.times_usual, all) {
            (Some(_), _) => burst(begin_ms, times, all),
            (None, 1) => burst(begin_ms, times - 1, 1),
            (None, _) => burst(begin_ms, times, all - 1),
        });
        made.silent_at_ms = end(begin_ms);
    }

    /// Whether what is counted can ever be enough.
    pub(super) fn fits(&self, kind: &str, times: u32, within_ms: i64) -> Result<(), String> {
        if let Some(least) = self.at_least
            && times < least
        {
            return Err(format!(
                "{times} cannot come from {least} chargers: count at least {least}."
            ));
        }
        let Some(many_times) = self.times_usual else { return Ok(()) };
        if within_ms > DAY_MS {
            return Err("What is usual is known for a window of a day at most.".into());
        }
        // As often as it is in the test: once, and each time that a charger says what it is.
        let told = if kind == "boot" { self.identities().len() as f64 } else { 0.0 };
        let usual = (told + 1.0) * within_ms as f64 / (USUAL_KNOWN_MS - HOUR_MS) as f64;
        if usual * many_times >= f64::from(times) {
            return Err(format!(
                "{times} within so long a time is not {many_times} times as many as usual anywhere: \
                 ask for more, or for a shorter time."
            ));
        }
        Ok(())
    }
}
