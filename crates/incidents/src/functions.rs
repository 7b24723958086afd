//! The words of conditions that look back or at others: `count(..)`, `ratio(..)`, `flap(..)`.

use crate::expression::{Mistake, Parser, Token, look, negate_unless};
use crate::memory::Restless;
use crate::predicate::Predicate;
use crate::problem::suggestion;
use crate::rule::{Distinct, Occurrence};

impl Parser<'_, '_> {
    /// One word of a table.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        what: &str,
        table: &[(&'static str, T)],
    ) -> Result<T, Mistake> {
        let names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
        let offset = self.offset();
        let Some(&Token::Word(name)) = self.peek() else {
            return self.wrong(&format!("a {what} (one of {})", names.join(", ")));
        };
        self.at += 1;
        look(table, name)
            .ok_or_else(|| (offset, format!("unknown {what} `{name}`{}", suggestion(name, &names))))
    }

    pub(crate) fn occurrence(&mut self) -> Result<Occurrence, Mistake> {
        self.choice("kind", &Occurrence::NAMES)
    }

    /// A whole number between two bounds.
    pub(crate) fn whole(&mut self, least: u32, most: u32) -> Result<u32, Mistake> {
        let offset = self.offset();
        let number = self.number()?;
        let is_whole = number.fract() == 0.0 && number >= f64::from(least);
        if is_whole && number <= f64::from(most) {
            return Ok(number as u32);
        }
        Err((offset, format!("expected a whole number from {least} to {most}, found {number}")))
    }

    /// `count(disconnect, 1h) >= 5`, `distinct(attempt_failed, id_token, 1h) >= 2`.
    pub(crate) fn count(&mut self, is_distinct: bool) -> Result<Predicate, Mistake> {
        self.count_by(is_distinct, None)
    }

    /// `same(warning, 24h) >= 5`: so many of one code, or of one card.
    pub(crate) fn same(&mut self) -> Result<Predicate, Mistake> {
        self.count_by(false, Some(Distinct::Same))
    }

    fn count_by(&mut self, is_distinct: bool, by: Option<Distinct>) -> Result<Predicate, Mistake> {
        self.expect("(")?;
        let kind = self.occurrence()?;
        self.expect(",")?;
        let distinct = if is_distinct {
            let by = self.choice("field", &Distinct::NAMES)?;
            self.expect(",")?;
            Some(by)
        } else {
            by
        };
        let within_ms = self.window()?;
        self.expect(")")?;
        // A count is at least so many, or fewer.
        let (more, meant) = match self.peek() {
            Some(Token::Sign(">=")) => (0, true),
            Some(Token::Sign(">")) => (1, true),
            Some(Token::Sign("<")) => (0, false),
            Some(Token::Sign("<=")) => (1, false),
            _ => return self.wrong("one of >=, >, <, <= and a number"),
        };
        self.at += 1;
        let at_least = self.whole(u32::from(more == 0), 1_000)? + more;
        Ok(negate_unless(meant, Predicate::Happened { kind, within_ms, at_least, distinct }))
    }

    /// The two kinds and the number of `ratio(good, bad, 20)`.
    pub(crate) fn outcomes(&mut self) -> Result<(Occurrence, Occurrence, usize), Mistake> {
        self.expect("(")?;
        let good = self.occurrence()?;
        self.expect(",")?;
        let offset = self.offset();
        let bad = self.occurrence()?;
        if good == bad {
            return Err((
                offset,
                "the two kinds must differ: the first of them is good".to_owned(),
            ));
        }
        self.expect(",")?;
        let last = self.whole(1, 500)? as usize;
        self.expect(")")?;
        Ok((good, bad, last))
    }

    /// `ratio(attempt_succeeded, attempt_failed, 20) < 0.7`.
    pub(crate) fn ratio(&mut self) -> Result<Predicate, Mistake> {
        let (good, bad, last) = self.outcomes()?;
        let (compare, value) = self.compared("a ratio", (0.0, 1.0))?;
        Ok(Predicate::Ratio { good, bad, last, compare, value })
    }

    /// `below_cohort(attempt_succeeded, attempt_failed, 20)`.
    pub(crate) fn below_cohort(&mut self) -> Result<Predicate, Mistake> {
        let (good, bad, last) = self.outcomes()?;
        Ok(Predicate::BelowCohort { good, bad, last })
    }

    /// `cohort_expects(card, 7d) >= 20`.
    pub(crate) fn cohort_expects(&mut self) -> Result<Predicate, Mistake> {
        match self.times_cohort()? {
            Predicate::TimesCohort { kind, within_ms, compare, value } => {
                Ok(Predicate::CohortExpects { kind, within_ms, compare, value })
            }
            other => Ok(other),
        }
    }

    /// `power_of_kind(5) < 0.5`.
    pub(crate) fn power_of_kind(&mut self) -> Result<Predicate, Mistake> {
        self.expect("(")?;
        let last = self.whole(3, crate::power::KEPT as u32)? as usize;
        self.expect(")")?;
        let (compare, value) = self.compared("a part of the power", (0.0, f64::INFINITY))?;
        Ok(Predicate::PowerOfKind { last, compare, value })
    }

    /// `times_cohort(faulted, 24h) >= 3`.
    pub(crate) fn times_cohort(&mut self) -> Result<Predicate, Mistake> {
        self.expect("(")?;
        let kind = self.occurrence()?;
        self.expect(",")?;
        let within_ms = self.window()?;
        self.expect(")")?;
        let (compare, value) = self.compared("what happens", (0.0, f64::INFINITY))?;
        Ok(Predicate::TimesCohort { kind, within_ms, compare, value })
    }

    /// `flap(link, 3m) >= 20`: Nagios' percent over twenty looks of three minutes.
    pub(crate) fn flap(&mut self) -> Result<Predicate, Mistake> {
        self.expect("(")?;
        let of = self.choice("thing that flaps", &Restless::NAMES)?;
        self.expect(",")?;
        let offset = self.offset();
        let look_ms = self.duration()?;
        if look_ms == 0 {
            return Err((offset, "a look must last longer than nothing, as in 3m".to_owned()));
        }
        self.expect(")")?;
        let at_least = match self.peek() {
            Some(Token::Sign(">=" | ">")) => true,
            Some(Token::Sign("<" | "<=")) => false,
            _ => return self.wrong("`>=` or `<=` and a percentage"),
        };
        self.at += 1;
        let offset = self.offset();
        let percent = self.number()?;
        if !(0.0..=100.0).contains(&percent) || (at_least && percent == 0.0) {
            return Err((offset, "a percentage lies between 0 and 100".to_owned()));
        }
        if !at_least && percent >= 100.0 {
            return Err((
                offset,
                "a percentage is never more than 100, so this always holds".to_owned(),
            ));
        }
        Ok(Predicate::Flap { of, look_ms, at_least, percent })
    }

    /// `expected_usage_silence(0.001)`.
    pub(crate) fn silence(&mut self) -> Result<Predicate, Mistake> {
        self.expect("(")?;
        let offset = self.offset();
        let p = self.number()?;
        if !(p > 0.0 && p < 1.0) {
            let message = "a probability lies between 0 and 1, as in 0.001 for one in a thousand";
            return Err((offset, message.to_owned()));
        }
        self.expect(")")?;
        Ok(Predicate::Silence { p })
    }
}
