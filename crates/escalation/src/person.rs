//! A person who can be told, and how much of it they want.

use mendpoint_model::UnixMs;
use serde::{Deserialize, Serialize};

use crate::zone::{local, minute, minute_of, minute_words, parse_minute, zone, zone_or_utc};
use crate::{Error, words};

/// How many notifications a day somebody gets before the rest comes in one mail, unless they say.
pub(crate) const BUDGET: u32 = 20;

/// Somebody who can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Person {
    /// The name they sign in with.
    pub name: String,
    /// The name for people.
    pub shown: String,
    /// Where their mail goes; empty: they cannot be told.
    pub email: String,
    /// IANA zone of their day; UTC when empty.
    pub zone: String,
    /// When they are not disturbed.
    pub quiet: Option<QuietHours>,
    /// Notifications a day before the rest comes in one mail.
    pub budget: u32,
    /// Whether they are told that what they were told of is over or taken.
    pub tell_over: bool,
}

impl Default for Person {
    fn default() -> Self {
        Self {
            name: String::new(),
            shown: String::new(),
            email: String::new(),
            zone: String::new(),
            quiet: None,
            budget: BUDGET,
            tell_over: true,
        }
    }
}

/// From when to when somebody is not disturbed, by the clock on their wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// `22:00`.
    pub from: String,
    /// `07:00`; earlier than `from` is on the next day.
    pub to: String,
}

impl Person {
    /// Checks what a person typed.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn check(&self) -> Result<(), Error> {
        zone(&self.zone)?;
        if let Some(quiet) = &self.quiet {
            let (from, to) = (parse_minute(&quiet.from), parse_minute(&quiet.to));
            if from.is_none() || to.is_none() || from == to {
                let sentence = "quiet hours are two times of the day, as in 22:00 and 07:00";
                return Err(Error::Person(sentence.to_owned()));
            }
        }
        if self.budget > 1_000 {
            return Err(Error::Person("the budget is at most 1000 a day".to_owned()));
        }
        Ok(())
    }

    /// Until when they are not disturbed, if they are not now.
    pub fn quiet_until(&self, now: UnixMs) -> Option<UnixMs> {
        let quiet = self.quiet.as_ref()?;
        let (from, to) = (parse_minute(&quiet.from)?, parse_minute(&quiet.to)?);
        let zone = zone_or_utc(&self.zone);
        let here = local(now, zone);
        let (at, today) = (minute(here), here.date());
        let over_night = from > to;
        let is_quiet = if over_night { at >= from || at < to } else { at >= from && at < to };
        if !is_quiet {
            return None;
        }
        let day = if over_night && at >= from { today.succ_opt()? } else { today };
        Some(minute_of(day, to, zone)).filter(|until| *until > now)
    }

    /// The day that a budget is for, as a number that changes at their midnight.
    pub(crate) fn day(&self, now: UnixMs) -> i64 {
        use chrono::Datelike as _;
        i64::from(local(now, zone_or_utc(&self.zone)).date().num_days_from_ce())
    }

    /// The name for people; the name they sign in with where there is none.
    pub fn label(&self) -> &str {
        if self.shown.is_empty() { &self.name } else { &self.shown }
    }

    /// A time as their wall shows it.
    pub(crate) fn time_words(&self, at: UnixMs) -> String {
        let zone = zone_or_utc(&self.zone);
        let name = if self.zone.is_empty() { "UTC" } else { &self.zone };
        format!("{} {name}", minute_words(minute(local(at, zone))))
    }

    /// Their quiet hours in words; empty for none.
    pub fn quiet_words(&self) -> String {
        self.quiet.as_ref().map_or_else(String::new, |quiet| {
            let zone = if self.zone.is_empty() { "UTC" } else { &self.zone };
            format!("{} to {}, {}", quiet.from, quiet.to, words::one_line(zone))
        })
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::HOUR_MS;

    use super::*;

    fn ana() -> Person {
        Person {
            zone: "Europe/Bucharest".to_owned(),
            quiet: Some(QuietHours { from: "22:00".to_owned(), to: "07:00".to_owned() }),
            ..Person::default()
        }
    }

    fn at(text: &str) -> UnixMs {
        UnixMs::parse_rfc3339(text).expect("a time")
    }

    #[test]
    fn a_night_ends_in_the_morning_of_the_wall_clock() {
        let seven = at("2026-11-23T07:00:00+02:00");
        assert_eq!(ana().quiet_until(at("2026-11-22T23:00:00+02:00")), Some(seven));
        assert_eq!(ana().quiet_until(at("2026-11-23T06:59:00+02:00")), Some(seven));
        assert_eq!(ana().quiet_until(seven), None);
        assert_eq!(ana().quiet_until(at("2026-11-22T21:59:00+02:00")), None);
        // The clocks went forward in this night: it is an hour shorter.
        let night = at("2026-03-28T22:00:00+02:00");
        let until = ana().quiet_until(night).expect("it is quiet");
        assert_eq!(until.since_ms(night), 8 * HOUR_MS);
    }

    #[test]
    fn wrong_settings_get_a_sentence() {
        let wrong = |change: fn(&mut Person)| {
            let mut person = ana();
            change(&mut person);
            person.check().is_err()
        };
        assert_eq!(ana().check(), Ok(()));
        assert!(wrong(|person| "Moon".clone_into(&mut person.zone)));
        assert!(wrong(|person| person.budget = 1_001));
        assert!(wrong(|person| {
            person.quiet = Some(QuietHours { from: "9".to_owned(), to: "10:00".to_owned() });
        }));
    }
}
