//! What a rung did on one model in one firmware: the canary before it is trusted (G7), and the
//! breaker when it does not deserve it (G8).

use std::collections::VecDeque;

use mendpoint_model::{DAY_MS, UnixMs};
use serde::{Deserialize, Serialize};

use crate::learn::{Lesson, wilson};
use crate::settings::Guardrails;

/// What one try did, as long as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Did {
    Fixed,
    NotFixed,
    Worse,
}

/// The record of one rung on one model in one firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Tries that did no harm, up to the canary's number.
    pub(crate) harmless: u32,
    /// The newest outcomes, oldest first.
    pub(crate) outcomes: VecDeque<(UnixMs, Did)>,
    /// Since when the breaker is open.
    pub(crate) open_since: Option<UnixMs>,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BreakerState {
    Closed,
    /// Until when nothing is tried.
    Open(UnixMs),
    /// One try.
    HalfOpen,
}

impl Record {
    pub(crate) fn breaker(&self, rails: &Guardrails, now: UnixMs) -> BreakerState {
        match self.open_since {
            None => BreakerState::Closed,
            Some(since) if now < since + rails.breaker_open_ms => {
                BreakerState::Open(since + rails.breaker_open_ms)
            }
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// Whether it is still tried on one charger at a time.
    pub(crate) fn is_canary(&self, rails: &Guardrails) -> bool {
        self.harmless < rails.canary_chargers
    }

    /// (fixed, of), among those that are remembered.
    pub(crate) fn share(&self) -> (usize, usize) {
        let fixed = self.outcomes.iter().filter(|(_, did)| *did == Did::Fixed).count();
        (fixed, self.outcomes.len())
    }

    pub(crate) fn worse(&self) -> usize {
        self.outcomes.iter().filter(|(_, did)| *did == Did::Worse).count()
    }

    /// Takes in what a try did. `is_trial`: it was the one of a half-open breaker.
    pub(crate) fn add(&mut self, rails: &Guardrails, now: UnixMs, lesson: Lesson, is_trial: bool) {
        let did = match lesson {
            Lesson::Fixed { .. } => Did::Fixed,
            Lesson::NotFixed => Did::NotFixed,
            Lesson::Worse => Did::Worse,
        };
        if did == Did::Worse {
            self.harmless = 0;
        } else {
            self.harmless = (self.harmless + 1).min(rails.canary_chargers);
        }
        if is_trial && did == Did::Fixed {
            // It helps again: what was before says nothing any more.
            *self = Self { harmless: self.harmless, ..Self::default() };
        }
        while self.outcomes.len() >= rails.breaker_outcomes.max(1) as usize {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((now, did));
        if is_trial && did != Did::Fixed {
            self.open_since = Some(now);
        } else {
            self.judge(rails, now);
        }
    }

    /// A repair that counted as fixed did not hold.
    pub(crate) fn undo(&mut self, rails: &Guardrails, now: UnixMs) {
        let last = self.outcomes.iter_mut().rfind(|(_, did)| *did == Did::Fixed);
        if let Some((_, did)) = last {
            *did = Did::NotFixed;
            self.judge(rails, now);
        }
    }

    fn judge(&mut self, rails: &Guardrails, now: UnixMs) {
        if self.open_since.is_some() {
            return;
        }
        let (fixed, of) = self.share();
        let hopeless = wilson(fixed as f64, of as f64).high < rails.breaker_below;
        if hopeless || self.worse() >= rails.breaker_worse as usize {
            self.open_since = Some(now);
        }
    }

    /// Whether there is anything in it that is worth keeping.
    pub(crate) fn is_old(&self, now: UnixMs) -> bool {
        let last = self.outcomes.back().map(|(at, _)| *at).max(self.open_since);
        last.is_none_or(|at| now.since_ms(at) > 400 * DAY_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: Lesson = Lesson::Fixed { seconds: 1.0 };

    fn after(lessons: &[Lesson]) -> Record {
        let mut record = Record::default();
        for (n, lesson) in (0..).zip(lessons) {
            record.add(&Guardrails::default(), UnixMs(n), *lesson, false);
        }
        record
    }

    #[test]
    fn g08_the_breaker_opens_when_it_hardly_helps_or_twice_did_harm() {
        let rails = Guardrails::default();
        let is_open = |lessons: &[Lesson]| {
            after(lessons).breaker(&rails, UnixMs(100)) != BreakerState::Closed
        };
        // Wilson's upper bound of 0 of 5 is 0.434, of 0 of 6 it is 0.390.
        assert!(!is_open(&[Lesson::NotFixed; 5]));
        assert!(is_open(&[Lesson::NotFixed; 6]));
        assert!(!is_open(&[Lesson::Worse]));
        assert!(is_open(&[FIXED, FIXED, FIXED, Lesson::Worse, FIXED, Lesson::Worse]));
        let mut many = vec![Lesson::NotFixed; 4];
        many.extend([FIXED; 20]);
        many.extend([Lesson::NotFixed; 16]);
        // 4 of the last 20: the bound is 0.416. 3 of them: 0.360.
        assert!(!is_open(&many));
        many.push(Lesson::NotFixed);
        assert!(is_open(&many), "only the last 20 count");
    }

    #[test]
    fn g08_a_day_later_one_try_decides() {
        let rails = Guardrails::default();
        let mut record = after(&[Lesson::NotFixed; 6]);
        let opened = UnixMs(5);
        assert_eq!(record.breaker(&rails, UnixMs(9)), BreakerState::Open(opened + DAY_MS));
        let later = opened + DAY_MS;
        assert_eq!(record.breaker(&rails, later), BreakerState::HalfOpen);
        let mut again = record.clone();
        again.add(&rails, later, Lesson::NotFixed, true);
        assert_eq!(again.breaker(&rails, later), BreakerState::Open(later + DAY_MS));
        record.add(&rails, later, FIXED, true);
        assert_eq!(record.breaker(&rails, later), BreakerState::Closed);
        assert_eq!(record.share(), (1, 1), "what was before is over");
    }

    #[test]
    fn g07_three_tries_without_harm_end_the_canary() {
        let rails = Guardrails::default();
        assert!(after(&[FIXED, Lesson::NotFixed]).is_canary(&rails));
        assert!(!after(&[FIXED, Lesson::NotFixed, FIXED]).is_canary(&rails));
        assert!(after(&[FIXED, FIXED, FIXED, Lesson::Worse]).is_canary(&rails), "it begins anew");
    }

    #[test]
    fn a_repair_that_did_not_hold_counts_against_it() {
        let rails = Guardrails::default();
        let mut record = after(&[FIXED, Lesson::NotFixed, Lesson::NotFixed, Lesson::NotFixed]);
        record.add(&rails, UnixMs(5), Lesson::NotFixed, false);
        record.add(&rails, UnixMs(6), Lesson::NotFixed, false);
        assert_eq!(record.breaker(&rails, UnixMs(7)), BreakerState::Closed, "1 of 6");
        record.undo(&rails, UnixMs(7));
        assert_ne!(record.breaker(&rails, UnixMs(7)), BreakerState::Closed, "0 of 6");
    }
}
