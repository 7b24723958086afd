//! Who is on call: a list of people who take turns, and who stands in for whom.

use chrono::{Datelike as _, NaiveDate};
use mendpoint_model::{DAY_MS, UnixMs};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::zone::{local, minute, minute_of, parse_minute, weekday, words, zone, zone_or_utc};

/// People who take turns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rota {
    /// Its name; `default` is the one that chains mean when they name none.
    pub name: String,
    /// IANA zone of its times; UTC when empty.
    pub zone: String,
    /// Who takes turns, in this order, by the names they sign in with.
    pub people: Vec<String>,
    /// How long a turn is.
    pub turn: Turn,
    /// The day on which the first of the list begins, as `2026-11-23`.
    pub since: String,
    /// When turns change, as `08:00`.
    pub at: String,
    /// Only in these hours is anybody on call; always when empty.
    pub hours: Vec<Hours>,
    /// Who stands in; the last one that covers a time counts.
    pub overrides: Vec<Override>,
}

/// How long a turn is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// A day.
    Daily,
    /// A week, from the weekday of `since`.
    #[default]
    Weekly,
}

/// Hours of some weekdays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Monday is 1, Sunday is 7.
    pub days: Vec<u8>,
    /// `08:00`.
    pub from: String,
    /// `18:00`; `24:00` is midnight. Earlier than `from` is on the next day.
    pub to: String,
}

/// Somebody else, for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// From when.
    pub from: UnixMs,
    /// Until when.
    pub to: UnixMs,
    /// Who; empty: nobody.
    pub person: String,
    /// Who wrote it down.
    #[serde(default)]
    pub by: String,
}

/// Who is on call at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnCall {
    /// The first to be told.
    pub first: Option<String>,
    /// The next in the list, who is told when the first does not answer.
    pub second: Option<String>,
}

/// A time at which nobody can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// From when.
    pub from: UnixMs,
    /// Until when.
    pub to: UnixMs,
    /// Why, in words.
    pub why: String,
}

impl Rota {
    /// Checks what a person typed. `is_known` says whether somebody of that name signs in here.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn check(&self, is_known: impl Fn(&str) -> bool) -> Result<(), Error> {
        let wrong = |sentence: String| Err(Error::Rota(sentence));
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || self.name.len() > 40 || !self.name.chars().all(fits) {
            return wrong("its name is letters, digits, - and _, at most 40".to_owned());
        }
        zone(&self.zone)?;
        if parse_minute(&self.at).is_none_or(|minute| minute >= 24 * 60) {
            return wrong("turns change at a time of the day, as in 08:00".to_owned());
        }
        if self.since.parse::<NaiveDate>().is_err() {
            return wrong("it begins on a day, as in 2026-11-23".to_owned());
        }
        if self.people.len() > 100 || self.overrides.len() > 1_000 || self.hours.len() > 50 {
            return wrong("it has too many people, hours or overrides".to_owned());
        }
        let stand_ins = self.overrides.iter().map(|one| &one.person).filter(|who| !who.is_empty());
        for name in self.people.iter().chain(stand_ins) {
            if !is_known(name) {
                return wrong(format!("nobody signs in as \"{name}\""));
            }
        }
        for hours in &self.hours {
            let days_fit = !hours.days.is_empty() && hours.days.iter().all(|d| (1..=7).contains(d));
            let (from, to) = (parse_minute(&hours.from), parse_minute(&hours.to));
            if !days_fit || from.is_none() || to.is_none() || from == to {
                return wrong(
                    "hours are weekdays from 1 to 7 and two times, as in 08:00 and 18:00"
                        .to_owned(),
                );
            }
        }
        if let Some(one) = self.overrides.iter().find(|one| one.to <= one.from) {
            return wrong(format!(
                "an override ends after it begins, and that of {} does not",
                one.person
            ));
        }
        Ok(())
    }

    /// Who is on call at a time.
    pub fn on_call(&self, at: UnixMs) -> OnCall {
        let (first, second) = self.turn_at(at);
        let stand_in = self.overrides.iter().rev().find(|one| one.from <= at && at < one.to);
        if let Some(stand_in) = stand_in {
            let person = Some(stand_in.person.clone()).filter(|name| !name.is_empty());
            // Whoever is replaced is not woken as the second one.
            let second = second.filter(|name| Some(name) != person.as_ref());
            return OnCall { first: person, second };
        }
        if !self.covers(at) {
            return OnCall::default();
        }
        OnCall { first, second }
    }

    /// Whose turn it is, whatever the hours say.
    fn turn_at(&self, at: UnixMs) -> (Option<String>, Option<String>) {
        let Ok(since) = self.since.parse::<NaiveDate>() else { return (None, None) };
        let count = self.people.len() as i64;
        if count == 0 {
            return (None, None);
        }
        let here = local(at, zone_or_utc(&self.zone));
        let before_change = minute(here) < parse_minute(&self.at).unwrap_or_default();
        let days = i64::from(here.date().num_days_from_ce())
            - i64::from(since.num_days_from_ce())
            - i64::from(before_change);
        let turns = match self.turn {
            Turn::Daily => days,
            Turn::Weekly => days.div_euclid(7),
        };
        let name = |turn: i64| self.people.get(turn.rem_euclid(count) as usize).cloned();
        (name(turns), name(turns + 1).filter(|_| count > 1))
    }

    /// Whether anybody is on call at this hour.
    fn covers(&self, at: UnixMs) -> bool {
        if self.hours.is_empty() {
            return true;
        }
        let here = local(at, zone_or_utc(&self.zone));
        let (now, today) = (minute(here), weekday(here.date()));
        let yesterday = if today == 1 { 7 } else { today - 1 };
        self.hours.iter().any(|hours| {
            let (Some(from), Some(to)) = (parse_minute(&hours.from), parse_minute(&hours.to))
            else {
                return false;
            };
            let (has, had) = (hours.days.contains(&today), hours.days.contains(&yesterday));
            if from < to {
                has && (from..to).contains(&now)
            } else {
                (has && now >= from) || (had && now < to)
            }
        })
    }

    /// Every time within a span at which it may become somebody else's turn, the two ends included.
    fn changes(&self, from: UnixMs, to: UnixMs) -> Vec<UnixMs> {
        let zone = zone_or_utc(&self.zone);
        let mut minutes: Vec<u16> = vec![parse_minute(&self.at).unwrap_or_default()];
        for hours in &self.hours {
            minutes
                .extend([&hours.from, &hours.to].into_iter().filter_map(|text| parse_minute(text)));
        }
        let mut changes = vec![from, to];
        let mut day = local(from - DAY_MS, zone).date();
        let last = local(to, zone).date();
        while day <= last {
            changes.extend(minutes.iter().map(|minute| minute_of(day, *minute, zone)));
            let Some(next) = day.succ_opt() else { break };
            day = next;
        }
        changes.extend(self.overrides.iter().flat_map(|one| [one.from, one.to]));
        changes.retain(|at| (from..=to).contains(at));
        changes.sort_unstable();
        changes.dedup();
        changes
    }

    /// When somebody else is on call, after a time; `None` when that does not change within a month.
    pub fn changes_at(&self, at: UnixMs) -> Option<UnixMs> {
        let now = self.on_call(at).first;
        let end = at + 32 * DAY_MS;
        self.changes(at, end)
            .into_iter()
            .find(|then| *then > at && self.on_call(*then).first != now)
    }

    /// Who is on call in a span, one turn after another.
    pub fn turns(&self, from: UnixMs, to: UnixMs) -> Vec<(UnixMs, UnixMs, Option<String>)> {
        let changes = self.changes(from, to);
        let mut turns: Vec<(UnixMs, UnixMs, Option<String>)> = Vec::new();
        for pair in changes.windows(2) {
            let first = self.on_call(pair[0]).first;
            match turns.last_mut() {
                Some(last) if last.2 == first => last.1 = pair[1],
                _ => turns.push((pair[0], pair[1], first)),
            }
        }
        turns
    }

    /// When nobody can be told in a span. `reaches` says whether a person has an address.
    pub fn gaps(&self, from: UnixMs, to: UnixMs, reaches: impl Fn(&str) -> bool) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = Vec::new();
        for (begins, ends, who) in self.turns(from, to) {
            let why = match &who {
                None if self.people.is_empty() => "nobody is on the list".to_owned(),
                None => "nobody is on call".to_owned(),
                Some(name) if !reaches(name) => format!("{name} has no address to be told at"),
                Some(_) => continue,
            };
            match gaps.last_mut() {
                Some(last) if last.to == begins && last.why == why => last.to = ends,
                _ => gaps.push(Gap { from: begins, to: ends, why }),
            }
        }
        gaps
    }

    /// A time as its wall shows it.
    pub fn time_words(&self, at: UnixMs) -> String {
        words(at, zone_or_utc(&self.zone))
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::HOUR_MS;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> UnixMs {
        UnixMs::parse_rfc3339(text).expect("a time")
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Monday 23 November 2026, 08:00 in Bucharest.
    fn weekly() -> Rota {
        Rota {
            name: "default".to_owned(),
            zone: "Europe/Bucharest".to_owned(),
            people: names(&["ana", "ion", "mia"]),
            since: "2026-11-23".to_owned(),
            at: "08:00".to_owned(),
            ..Rota::default()
        }
    }

    fn first(rota: &Rota, text: &str) -> Option<String> {
        rota.on_call(at(text)).first
    }

    #[test]
    fn turns_change_by_the_wall_clock() {
        let rota = weekly();
        assert_eq!(first(&rota, "2026-11-23T08:00:00+02:00").as_deref(), Some("ana"));
        assert_eq!(first(&rota, "2026-11-23T07:59:00+02:00").as_deref(), Some("mia"));
        assert_eq!(first(&rota, "2026-11-30T07:59:00+02:00").as_deref(), Some("ana"));
        assert_eq!(first(&rota, "2026-11-30T08:00:00+02:00").as_deref(), Some("ion"));
        // In summer time eight o'clock is an hour earlier.
        assert_eq!(
            rota.on_call(at("2026-04-06T08:00:00+03:00")).first,
            first(&rota, "2026-04-06T08:30:00+03:00")
        );
        assert_ne!(
            first(&rota, "2026-04-06T07:59:00+03:00"),
            first(&rota, "2026-04-06T08:00:00+03:00")
        );
        let daily = Rota { turn: Turn::Daily, ..weekly() };
        assert_eq!(first(&daily, "2026-11-24T09:00:00+02:00").as_deref(), Some("ion"));
        assert_eq!(daily.on_call(at("2026-11-24T09:00:00+02:00")).second.as_deref(), Some("mia"));
        let changes = weekly().changes_at(at("2026-11-24T00:00:00Z"));
        assert_eq!(changes, Some(at("2026-11-30T08:00:00+02:00")));
    }

    #[test]
    fn an_override_stands_in_and_the_last_one_counts() {
        let mut rota = weekly();
        let (from, to) = (at("2026-11-24T00:00:00Z"), at("2026-11-25T00:00:00Z"));
        let by = |person: &str| Override { from, to, person: person.to_owned(), by: String::new() };
        rota.overrides = vec![by("mia"), by("ion")];
        let duty = rota.on_call(from);
        assert_eq!(duty.first.as_deref(), Some("ion"));
        assert_eq!(duty.second, None, "the stand-in is not asked twice");
        assert_eq!(rota.on_call(to).first.as_deref(), Some("ana"));
    }

    #[test]
    fn a_gap_is_said() {
        let mut rota = weekly();
        rota.hours = vec![Hours {
            days: vec![1, 2, 3, 4, 5],
            from: "08:00".to_owned(),
            to: "18:00".to_owned(),
        }];
        let friday = at("2026-11-27T12:00:00+02:00");
        let gaps = rota.gaps(friday, friday + 4 * DAY_MS, |_| true);
        let weekend = Gap {
            from: at("2026-11-27T18:00:00+02:00"),
            to: at("2026-11-30T08:00:00+02:00"),
            why: "nobody is on call".to_owned(),
        };
        assert_eq!(gaps[0], weekend);
        let mute = weekly().gaps(friday, friday + HOUR_MS, |name| name != "ana");
        assert_eq!(mute[0].why, "ana has no address to be told at");
        assert!(weekly().gaps(friday, friday + 30 * DAY_MS, |_| true).is_empty());
        let empty = Rota { people: Vec::new(), ..weekly() };
        assert_eq!(empty.gaps(friday, friday + HOUR_MS, |_| true)[0].why, "nobody is on the list");
    }

    #[test]
    fn what_is_wrong_with_a_rota_is_said() {
        let known = |name: &str| name != "zoe";
        assert_eq!(weekly().check(known), Ok(()));
        let mut rota = weekly();
        rota.people.push("zoe".to_owned());
        assert!(rota.check(known).is_err_and(|e| e.to_string().contains("nobody signs in as")));
        let rota = Rota { at: "25:00".to_owned(), ..weekly() };
        assert!(rota.check(known).is_err());
        let rota = Rota { name: "a b".to_owned(), ..weekly() };
        assert!(rota.check(known).is_err());
    }

    proptest! {
        /// Whoever is on call between two changes is so at every moment between them.
        #[test]
        fn nothing_changes_between_two_changes(
            start in 1_760_000_000_i64..1_820_000_000, share in 0_i64..1_000, daily: bool,
        ) {
            let mut rota = weekly();
            if daily { rota.turn = Turn::Daily; }
            rota.hours = vec![
                Hours { days: vec![1, 3, 6, 7], from: "20:00".to_owned(), to: "06:30".to_owned() },
                Hours { days: vec![2], from: "00:00".to_owned(), to: "24:00".to_owned() },
            ];
            let from = UnixMs(start * 1_000);
            for (begins, ends, who) in rota.turns(from, from + 9 * DAY_MS) {
                let moment = begins + ends.since_ms(begins) * share / 1_000;
                prop_assert_eq!(rota.on_call(moment).first, who);
            }
        }
    }
}
