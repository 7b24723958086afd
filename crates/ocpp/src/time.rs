//! Reading the times that chargers write (behaviours 43 and 44).

use mendpoint_model::{DAY_MS, UnixMs};

/// A time as read, and what was odd about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadTime {
    pub(crate) at: Option<UnixMs>,
    pub(crate) odd: Option<&'static str>,
}

impl ReadTime {
    const UNREADABLE: Self = Self { at: None, odd: Some("not a time") };
}

/// Reads a time. Without a zone it is taken as UTC. A time of a clock that was never set (before
/// 2000, or over a year ahead of ours) tells nothing and gives `None`: whoever needs an order goes
/// by the time of receipt (behaviour 44).
pub(crate) fn read_time(text: &str, received_at: UnixMs) -> ReadTime {
    let text = text.trim();
    let Some((at, odd)) = parse(text.as_bytes()) else { return ReadTime::UNREADABLE };
    if is_absurd(at, received_at) {
        return ReadTime { at: None, odd: Some("clock not set") };
    }
    ReadTime { at: Some(at), odd }
}

/// 2000-01-01T00:00:00Z, before which no clock that was ever set can stand.
const EARLIEST_MS: i64 = 946_684_800_000;
/// 2100-01-01T00:00:00Z.
const LATEST_MS: i64 = 4_102_444_800_000;

fn is_absurd(at: UnixMs, received_at: UnixMs) -> bool {
    if !(EARLIEST_MS..LATEST_MS).contains(&at.0) {
        return true;
    }
    // Our own clock is a measure only where it is set itself.
    received_at.0 >= EARLIEST_MS && at.since_ms(received_at) > 366 * DAY_MS
}

/// By hand: a general parser costs ten times as much and refuses half of what is in the field.
fn parse(text: &[u8]) -> Option<(UnixMs, Option<&'static str>)> {
    if text.len() >= 9 && text.iter().all(u8::is_ascii_digit) {
        return parse_number(text);
    }
    let mut cursor = Cursor { text, at: 0 };
    let year = cursor.digits(4)?;
    cursor.byte(b"-")?;
    let month = cursor.digits(2)?;
    cursor.byte(b"-")?;
    let day = cursor.digits(2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if cursor.is_at_end() {
        return Some((UnixMs(days * DAY_MS), Some("time of day missing")));
    }
    cursor.byte(b"Tt ")?;
    let hour = cursor.digits(2)?;
    cursor.byte(b":")?;
    let minute = cursor.digits(2)?;
    let mut second = 0;
    let mut fraction_ms = 0;
    if cursor.byte(b":").is_some() {
        second = cursor.digits(2)?;
        if cursor.byte(b".,").is_some() {
            fraction_ms = cursor.fraction_ms()?;
        }
    }
    // 24:00:00 is midnight at the end of the day, 23:59:60 a leap second; both are just added up.
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    cursor.byte(b" ");
    let (offset_minutes, odd) = cursor.zone()?;
    if !cursor.is_at_end() {
        return None;
    }
    let seconds = hour * 3_600 + (minute - offset_minutes) * 60 + second;
    Some((UnixMs(days * DAY_MS + seconds * 1_000 + fraction_ms), odd))
}

/// Seconds or milliseconds since 1970, which some chargers send in place of a date.
fn parse_number(text: &[u8]) -> Option<(UnixMs, Option<&'static str>)> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    // 1e11 seconds is the year 5138; 1e11 milliseconds is 1973.
    let at_ms = if number < 100_000_000_000 { number * 1_000 } else { number };
    Some((UnixMs(at_ms), Some("time as a number")))
}

/// Whether the 19 bytes `YYYY-MM-DDTHH:MM:SS` name a moment that the calendar has.
pub(crate) fn exists(date_time: &[u8]) -> bool {
    // 24 o'clock is a habit, not a time of RFC 3339.
    date_time.get(11..13).is_some_and(|hour| hour < b"24") && parse(date_time).is_some()
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn byte(&mut self, any_of: &[u8]) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        any_of.contains(&byte).then(|| {
            self.at += 1;
            byte
        })
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let digits = self.text.get(self.at..self.at + count)?;
        let mut number = 0;
        for digit in digits {
            number = number * 10 + i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        self.at += count;
        Some(number)
    }

    fn fraction_ms(&mut self) -> Option<i64> {
        let mut scale = 100;
        let mut ms = 0;
        let start = self.at;
        while let Some(digit) = self.text.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            ms += i64::from(digit - b'0') * scale;
            scale /= 10;
            self.at += 1;
        }
        (self.at > start).then_some(ms)
    }

    /// `Z`, `+02`, `+0200`, `+02:00`, or nothing.
    fn zone(&mut self) -> Option<(i64, Option<&'static str>)> {
        if self.is_at_end() {
            return Some((0, Some("zone missing")));
        }
        let sign = match self.byte(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some((0, None)),
        };
        let hours = self.digits(2)?;
        if self.is_at_end() {
            return Some((sign * hours * 60, Some("zone without minutes")));
        }
        self.byte(b":");
        let minutes = self.digits(2)?;
        Some((sign * (hours * 60 + minutes), None))
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar (Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year - era * 400;
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000); // 2026-09-21T14:13:20Z

    fn at(text: &str) -> Option<i64> {
        read_time(text, NOW).at.map(|at| at.0)
    }

    #[test]
    fn b43_reads_every_spelling_in_the_field() {
        for text in [
            "2026-09-21T14:13:20Z",
            "2026-09-21T14:13:20.000Z",
            "2026-09-21T14:13:20.0000000Z",
            "2026-09-21t14:13:20z",
            "2026-09-21 14:13:20Z",
            "2026-09-21T16:13:20+02:00",
            "2026-09-21T16:13:20+0200",
            "2026-09-21T16:13:20+02",
            "2026-09-21T09:43:20-04:30",
            "2026-09-21T14:13:20",
            " 2026-09-21T14:13:20Z ",
            "1790000000",
            "1790000000000",
        ] {
            assert_eq!(at(text), Some(NOW.0), "{text}");
        }
        assert_eq!(at("2026-09-21T14:13:20.5Z"), Some(NOW.0 + 500));
        assert_eq!(at("2026-09-21T14:13Z"), Some(NOW.0 - 20_000));
    }

    #[test]
    fn b43_a_missing_zone_is_noted() {
        assert_eq!(read_time("2026-09-21T14:13:20", NOW).odd, Some("zone missing"));
        assert_eq!(read_time("2026-09-21T14:13:20Z", NOW).odd, None);
    }

    #[test]
    fn b44_a_clock_that_was_never_set_tells_nothing() {
        for text in [
            "1970-01-01T00:00:12Z",
            "0001-01-03T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "2036-01-01T00:00:00Z",
        ] {
            let read = read_time(text, NOW);
            assert_eq!((read.at, read.odd), (None, Some("clock not set")), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-09-21T25:00:00Z",
            "2026-09-21T14:13:20Zx",
            "2026-09-21T14:13:20.Z",
            "99999999999999999999",
        ] {
            assert_eq!(read_time(text, NOW), ReadTime::UNREADABLE, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_calendar_library(ms in EARLIEST_MS..NOW.0) {
            let text = UnixMs(ms).rfc3339_ms();
            prop_assert_eq!(at(&text), Some(ms));
        }

        #[test]
        fn never_panics(text in any::<String>(), near in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.+Z-]{0,20}") {
            read_time(&text, NOW);
            read_time(&near, NOW);
        }
    }
}
