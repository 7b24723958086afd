//! Maintenance windows: planned work, once or by a calendar rule (RFC 5545 RRULE). While one is open
//! nobody is told and nothing is healed there; all of it is still written down (1.9).

use chrono::NaiveDateTime;
use mendpoint_model::{ChargerKey, DAY_MS, MINUTE_MS, SiteKey, UnixMs};
use rrule::{RRuleSet, Tz};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::zone::{instant, is_left_out, is_shown_twice, zone, zone_or_utc};

/// The longest one window may be open.
const MINUTES_MAX: i64 = 7 * 24 * 60;
/// Occurrences that are looked at for one answer.
const OCCURRENCES_MAX: u16 = 500;
/// Times of a rule that are looked at when it is written down.
const LOOKED_AT: u16 = 20;
/// How far ahead the next occurrence is looked for.
const AHEAD_MS: i64 = 400 * DAY_MS;

/// Where a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A whole site.
    Site(SiteKey),
    /// A charger.
    Charger(ChargerKey),
}

/// A maintenance window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its number.
    pub id: i64,
    /// Where.
    pub scope: Scope,
    /// What is done, for people.
    pub title: String,
    /// When it is open for the first time, by the clock of its zone: `2026-11-22T02:00`.
    pub starts: String,
    /// How long, in minutes.
    pub minutes: i64,
    /// IANA zone of its times; UTC when empty.
    pub zone: String,
    /// How it comes again, as the value of an RRULE: `FREQ=WEEKLY;BYDAY=SU`. Empty: it does not.
    pub rrule: String,
    /// Who wrote it down.
    pub author: String,
    /// Who cancelled it; empty for nobody.
    pub cancelled_by: String,
}

/// One time that a window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// From when.
    pub from: UnixMs,
    /// Until when.
    pub until: UnixMs,
}

impl Window {
    /// Checks what a person typed.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |sentence: String| Err(Error::Window(sentence));
        if self.title.trim().is_empty() || self.title.chars().count() > 200 {
            return wrong("say what is done, in at most 200 letters".to_owned());
        }
        if !(1..=MINUTES_MAX).contains(&self.minutes) {
            return wrong("it lasts from a minute to seven days".to_owned());
        }
        let zone = zone(&self.zone)?;
        let Some(first) = self.first() else {
            return wrong("it begins at a date and time, as in 2026-11-22T02:00".to_owned());
        };
        if is_left_out(first, zone) {
            return wrong(format!(
                "no clock in {} shows {} on {}: it is put forward then, so begin it at another time",
                zone.name(),
                first.format("%H:%M"),
                first.format("%Y-%m-%d")
            ));
        }
        if self.rrule.trim().is_empty() {
            return Ok(());
        }
        if is_shown_twice(first, zone) {
            return wrong(format!(
                "clocks in {} show {} twice on {}: they are put back then, so begin what comes again at \
                 another time",
                zone.name(),
                first.format("%H:%M"),
                first.format("%Y-%m-%d")
            ));
        }
        let rule = self.rule_text();
        let frequent = ["SECONDLY", "MINUTELY", "HOURLY"];
        if frequent.iter().any(|word| rule.contains(word)) {
            return wrong("it comes again daily, weekly, monthly or yearly".to_owned());
        }
        if rule.contains(['\n', '\r']) || rule.len() > 300 {
            return wrong("its rule is one line, as in FREQ=WEEKLY;BYDAY=SU".to_owned());
        }
        if rule.split(';').any(|part| part == "INTERVAL=0") {
            return wrong("INTERVAL is 1 or more in its rule".to_owned());
        }
        match self.set() {
            Ok(set) => match self.overlap(set) {
                Some(minutes) => wrong(format!(
                    "it would not close before it opens again: it lasts {} minutes and comes again \
                     after {minutes}",
                    self.minutes
                )),
                None => Ok(()),
            },
            Err(why) => wrong(format!(
                "its rule cannot be read ({why}); write one like FREQ=WEEKLY;BYDAY=SU"
            )),
        }
    }

    /// After how many minutes it comes again, if it is still open then.
    fn overlap(&self, set: RRuleSet) -> Option<i64> {
        let times = set.all(LOOKED_AT).dates;
        let gaps = times.windows(2).map(|two| (two[1] - two[0]).num_minutes());
        gaps.min().filter(|minutes| *minutes <= self.minutes)
    }

    /// The rule in capitals, without its name.
    fn rule_text(&self) -> String {
        let rule = self.rrule.trim().to_ascii_uppercase();
        rule.strip_prefix("RRULE:").unwrap_or(&rule).trim_end_matches(';').to_owned()
    }

    fn first(&self) -> Option<NaiveDateTime> {
        let text = self.starts.trim().replace(' ', "T");
        ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok())
    }

    fn set(&self) -> Result<RRuleSet, String> {
        let first = self.first().ok_or("no beginning")?;
        let zone = zone_or_utc(&self.zone);
        let at = first.format("%Y%m%dT%H%M%S");
        let text = if zone == chrono_tz::Tz::UTC {
            format!("DTSTART:{at}Z\nRRULE:{}", self.rule_text())
        } else {
            format!("DTSTART;TZID={}:{at}\nRRULE:{}", zone.name(), self.rule_text())
        };
        text.parse::<RRuleSet>().map_err(|error| error.to_string())
    }

    /// The times it is open that touch a span, in order.
    pub fn occurrences(&self, from: UnixMs, to: UnixMs) -> Vec<Occurrence> {
        if !self.cancelled_by.is_empty() {
            return Vec::new();
        }
        let Some(first) = self.first() else { return Vec::new() };
        let lasts_ms = self.minutes * MINUTE_MS;
        let of = |begins: UnixMs| Occurrence { from: begins, until: begins + lasts_ms };
        let touches = |one: &Occurrence| one.until > from && one.from < to;
        if self.rrule.trim().is_empty() {
            let once = of(instant(first, zone_or_utc(&self.zone)));
            return Some(once).filter(touches).into_iter().collect();
        }
        let Ok(set) = self.set() else { return Vec::new() };
        let time = |at: UnixMs| {
            chrono::DateTime::from_timestamp_millis(at.0)
                .unwrap_or_default()
                .with_timezone(&Tz::UTC)
        };
        let set = set.after(time(from - lasts_ms - DAY_MS)).before(time(to));
        let mut found: Vec<Occurrence> = set
            .all(OCCURRENCES_MAX)
            .dates
            .into_iter()
            .map(|at| of(UnixMs(at.timestamp_millis())))
            .filter(touches)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Until when it is open, if it is; and when that changes next.
    pub fn state(&self, now: UnixMs) -> (Option<UnixMs>, Option<UnixMs>) {
        let ahead = self.occurrences(now, now + AHEAD_MS);
        let open = ahead.iter().filter(|one| one.from <= now).map(|one| one.until).max();
        let next = ahead.iter().flat_map(|one| [one.from, one.until]).filter(|at| *at > now).min();
        (open, next)
    }

    /// Why it will not be open again in the time that is looked ahead, for who writes it down.
    pub fn why_never(&self, now: UnixMs) -> &'static str {
        let first = self.first().map(|first| instant(first, zone_or_utc(&self.zone)));
        if first.is_some_and(|first| first > now + AHEAD_MS) {
            return "it begins in more than 400 days: plan it nearer to the time";
        }
        let ever = self.set().is_ok_and(|set| !set.all(1).dates.is_empty());
        if !self.rrule.trim().is_empty() && !ever {
            return "it would never be open: its rule names no day that there is";
        }
        "it would never be open again: it is in the past"
    }

    /// Whether it will never be open again.
    pub fn is_over(&self, now: UnixMs) -> bool {
        self.occurrences(now, now + AHEAD_MS).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::HOUR_MS;

    use super::*;

    fn at(text: &str) -> UnixMs {
        UnixMs::parse_rfc3339(text).expect("a time")
    }

    fn window(rrule: &str) -> Window {
        Window {
            id: 1,
            scope: Scope::Site(SiteKey(1)),
            title: "Cables".to_owned(),
            starts: "2026-10-18T02:00".to_owned(),
            minutes: 90,
            zone: "Europe/Bucharest".to_owned(),
            rrule: rrule.to_owned(),
            author: "ana".to_owned(),
            cancelled_by: String::new(),
        }
    }

    #[test]
    fn a_time_that_a_change_of_clocks_leaves_out_is_refused() {
        for rrule in ["", "FREQ=YEARLY"] {
            let at = |starts: &str| {
                let told = Window { starts: starts.to_owned(), ..window(rrule) }.check();
                told.err().map(|error| error.to_string())
            };
            let told = at("2027-03-28T03:30").expect("there is no such time");
            assert!(
                told.contains("no clock in Europe/Bucharest shows 03:30 on 2027-03-28"),
                "{told}"
            );
            assert_eq!(at("2027-03-28T04:00"), None);
            // The first time is meant, but what comes again has no first time there.
            let told = at("2026-10-25T03:30");
            let twice = "clocks in Europe/Bucharest show 03:30 twice on 2026-10-25";
            assert_eq!(told.map(|told| told.contains(twice)), (!rrule.is_empty()).then_some(true));
        }
    }

    #[test]
    fn a_window_that_never_opens_or_never_closes_is_refused_with_its_reason() {
        let told = |window: Window| window.check().err().map(|error| error.to_string());
        let long = |rrule: &str, minutes: i64| told(Window { minutes, ..window(rrule) });
        for minutes in [1_440, 2_880] {
            let why = long("FREQ=DAILY", minutes).expect("it never closes");
            assert!(why.contains("comes again after 1440"), "{why}");
        }
        assert_eq!(long("FREQ=DAILY", 1_439), None);
        assert_eq!(long("FREQ=WEEKLY;BYDAY=SU,MO", 1_000), None);
        assert!(long("FREQ=WEEKLY;BYDAY=SU,MO", 2_000).is_some());
        assert!(told(window("FREQ=DAILY;INTERVAL=0")).is_some_and(|why| why.contains("INTERVAL")));
        let now = at("2026-11-23T00:00:00Z");
        let why = |window: Window| window.why_never(now);
        assert!(why(window("")).contains("in the past"));
        assert!(why(window("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")).contains("no day"));
        let far = Window { starts: "2126-12-01T02:00".to_owned(), ..window("") };
        assert!(why(far).contains("400 days"));
    }

    #[test]
    fn one_without_a_rule_is_open_once() {
        let once = window("");
        assert_eq!(once.check(), Ok(()));
        let begins = at("2026-10-18T02:00:00+03:00");
        assert_eq!(once.state(begins - 1), (None, Some(begins)));
        let ends = begins + 90 * MINUTE_MS;
        assert_eq!(once.state(begins), (Some(ends), Some(ends)));
        assert_eq!(once.state(ends), (None, None));
        assert!(once.is_over(ends));
    }

    #[test]
    fn sundays_at_two_are_so_by_the_clock_of_the_place() {
        let weekly = window("RRULE:FREQ=WEEKLY;BYDAY=SU;COUNT=3");
        assert_eq!(weekly.check(), Ok(()));
        let all = weekly.occurrences(at("2026-10-01T00:00:00Z"), at("2026-12-31T00:00:00Z"));
        // The clocks went back on 25 October: two o'clock comes an hour later from then on.
        let begins: Vec<_> = all.iter().map(|one| one.from.rfc3339()).collect();
        assert_eq!(
            begins,
            ["2026-10-17T23:00:00Z", "2026-10-24T23:00:00Z", "2026-11-01T00:00:00Z"]
        );
        assert!(weekly.is_over(at("2026-11-02T00:00:00Z")));
        let monthly = window("FREQ=MONTHLY;BYDAY=1SU");
        let (open, next) = monthly.state(at("2026-11-01T00:30:00Z"));
        assert_eq!(open, Some(at("2026-11-01T01:30:00Z")));
        assert_eq!(next, open);
    }

    #[test]
    fn a_rule_of_long_ago_is_answered_at_once() {
        let mut daily = window("FREQ=DAILY");
        daily.starts = "2006-01-01T01:00".to_owned();
        let (open, _) = daily.state(at("2026-11-22T00:00:00+02:00") + HOUR_MS + 1);
        assert!(open.is_some());
    }

    #[test]
    fn what_is_wrong_with_a_window_is_said() {
        for rrule in ["FREQ=HOURLY", "FREQ=SOMETIMES", "x", "FREQ=DAILY\nRDATE:20260101"] {
            assert!(window(rrule).check().is_err(), "{rrule}");
        }
        assert!(Window { minutes: 0, ..window("") }.check().is_err());
        assert!(Window { starts: "tomorrow".to_owned(), ..window("") }.check().is_err());
        assert!(Window { title: " ".to_owned(), ..window("") }.check().is_err());
        let cancelled = Window { cancelled_by: "ana".to_owned(), ..window("FREQ=DAILY") };
        assert!(cancelled.is_over(at("2026-10-01T00:00:00Z")));
    }
}
