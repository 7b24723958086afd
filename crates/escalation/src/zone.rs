//! Local time: what a clock on the wall shows, and back.

use chrono::{
    DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _,
};
use chrono_tz::Tz;
use mendpoint_model::UnixMs;

use crate::Error;

/// The zone of an IANA name; UTC when the name is empty.
pub(crate) fn zone(name: &str) -> Result<Tz, Error> {
    let name = name.trim();
    if name.is_empty() {
        return Ok(Tz::UTC);
    }
    name.parse().map_err(|_| Error::Zone(name.to_owned()))
}

/// The zone of a name that was checked when it was written down.
pub(crate) fn zone_or_utc(name: &str) -> Tz {
    zone(name).unwrap_or(Tz::UTC)
}

/// What a clock there shows.
pub(crate) fn local(at: UnixMs, zone: Tz) -> NaiveDateTime {
    DateTime::from_timestamp_millis(at.0).unwrap_or_default().with_timezone(&zone).naive_local()
}

/// Whether a clock there never shows this: a change of clocks leaves it out.
pub(crate) fn is_left_out(local: NaiveDateTime, zone: Tz) -> bool {
    zone.from_local_datetime(&local).earliest().is_none()
}

/// Whether a clock there shows this twice: it is put back meanwhile.
pub(crate) fn is_shown_twice(local: NaiveDateTime, zone: Tz) -> bool {
    let found = zone.from_local_datetime(&local);
    found.earliest() != found.latest()
}

/// When a clock there shows this: the first time, where it shows it twice; what a change of clocks
/// leaves out is as much later.
pub(crate) fn instant(local: NaiveDateTime, zone: Tz) -> UnixMs {
    for hours in 0..4 {
        let shifted = local + TimeDelta::hours(hours);
        if let Some(found) = zone.from_local_datetime(&shifted).earliest() {
            return UnixMs(found.timestamp_millis());
        }
    }
    UnixMs(local.and_utc().timestamp_millis())
}

/// The instant of a minute of a local day.
pub(crate) fn minute_of(day: NaiveDate, minute: u16, zone: Tz) -> UnixMs {
    instant(day.and_time(NaiveTime::MIN) + TimeDelta::minutes(i64::from(minute)), zone)
}

/// The minute of the day.
pub(crate) fn minute(local: NaiveDateTime) -> u16 {
    use chrono::Timelike as _;
    (local.hour() * 60 + local.minute()) as u16
}

/// Monday is 1, Sunday is 7.
pub(crate) fn weekday(day: NaiveDate) -> u8 {
    day.weekday().number_from_monday() as u8
}

/// "07:30" as a minute of the day; "24:00" is the end of it.
pub(crate) fn parse_minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours.checked_mul(60)?.checked_add(minutes)?;
    (minutes < 60 && total <= 24 * 60).then_some(total)
}

/// A minute of the day as "07:30".
pub(crate) fn minute_words(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// "Mon 23 Nov, 07:30" there.
pub(crate) fn words(at: UnixMs, zone: Tz) -> String {
    local(at, zone).format("%a %-d %b, %H:%M").to_string()
}

/// "Mon 23 Nov, 05:30 UTC", for who looks from anywhere.
pub(crate) fn utc_words(at: UnixMs) -> String {
    format!("{} UTC", words(at, Tz::UTC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_changed_still_shows_a_time() {
        let bucharest = zone("Europe/Bucharest").expect("known");
        // 29 March 2026, 03:00 becomes 04:00.
        let day = NaiveDate::from_ymd_opt(2026, 3, 29).expect("a day");
        assert_eq!(minute_of(day, 3 * 60 + 30, bucharest), minute_of(day, 4 * 60 + 30, bucharest));
        let before = minute_of(day, 60, bucharest);
        assert_eq!(minute_of(day, 9 * 60, bucharest).since_ms(before), 7 * 3_600_000);
        assert!(zone("Mars/Olympus").is_err());
        assert_eq!(zone(""), Ok(Tz::UTC));
    }

    #[test]
    fn minutes_are_read_and_written() {
        assert_eq!(parse_minute("07:30"), Some(450));
        assert_eq!(parse_minute("24:00"), Some(1_440));
        for wrong in ["7", "24:01", "07:60", "x:00", "-1:00"] {
            assert_eq!(parse_minute(wrong), None, "{wrong}");
        }
        assert_eq!(minute_words(450), "07:30");
    }
}
