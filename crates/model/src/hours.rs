//! Opening hours of a site.

use crate::{DAY_MS, MINUTE_MS, UnixMs};

/// A week, in milliseconds.
const WEEK_MS: i64 = 7 * DAY_MS;

/// The days as they are written.
const DAYS: [&str; 7] = ["mo", "tu", "we", "th", "fr", "sa", "su"];
/// Minutes of a day.
const DAY_MINUTES: i64 = 1_440;

/// When a site is open, by the minute of a week, in the site's own time.
///
/// Written `24/7`, or as in `mo-fr 06:00-22:00; sa,su 08:00-20:00`, with the site's distance from UTC at
/// the end where it is not 0: `mo-su 06:00-22:00 utc+2`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    /// Open from, until, in minutes of the week from Monday 00:00; empty for always.
    open: Vec<(i64, i64)>,
    offset_minutes: i64,
}

impl Hours {
    /// Reads opening hours; an empty text is always.
    ///
    /// # Errors
    /// What cannot be read, in a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut text = text.trim().to_lowercase();
        let mut offset_minutes = 0;
        if let Some(at) = text.find("utc") {
            let zone = text.split_off(at);
            offset_minutes = offset(zone.trim_start_matches("utc").trim())?;
        }
        let text = text.trim().trim_end_matches(';').trim();
        if text.is_empty() || text == "24/7" {
            return Ok(Self { open: Vec::new(), offset_minutes });
        }
        let mut open = Vec::new();
        for part in text.split(';') {
            let Some((days, times)) = part.trim().split_once(' ') else {
                return Err(format!("{part:?} wants days and times, as in mo-fr 06:00-22:00"));
            };
            let (from, until) = times
                .trim()
                .split_once('-')
                .and_then(|(from, until)| Some((clock(from)?, clock(until)?)))
                .ok_or_else(|| format!("{times:?} is no stretch of time such as 06:00-22:00"))?;
            for day in days_of(days)? {
                let day = day * DAY_MINUTES;
                // Past midnight it goes on into the next day.
                let until = if until <= from { until + DAY_MINUTES } else { until };
                open.push((day + from, day + until));
            }
        }
        open.sort_unstable();
        Ok(Self { open, offset_minutes })
    }

    /// Whether it is always open.
    pub fn is_always(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether it is open at a moment.
    pub fn is_open(&self, at: UnixMs) -> bool {
        let minute = UnixMs(at.0.div_euclid(MINUTE_MS) * MINUTE_MS);
        !self.open_parts(minute, minute + MINUTE_MS).is_empty()
    }

    /// When it closes next; the moment itself when it is closed then, `None` when it does not close
    /// within a week.
    pub fn closes_at(&self, at: UnixMs) -> Option<UnixMs> {
        if self.is_always() {
            return None;
        }
        if !self.is_open(at) {
            return Some(at);
        }
        let minute = UnixMs(at.0.div_euclid(MINUTE_MS) * MINUTE_MS);
        let end = minute + WEEK_MS;
        let closes = self.open_parts(minute, end).first().map(|(_, until)| *until);
        closes.filter(|until| *until < end)
    }

    /// How many minutes of a stretch of whole minutes it is open.
    pub fn open_minutes(&self, from: UnixMs, until: UnixMs) -> i64 {
        if self.is_always() {
            return until.since_ms(from) / MINUTE_MS;
        }
        self.open_parts(from, until)
            .iter()
            .map(|(from, until)| until.since_ms(*from) / MINUTE_MS)
            .sum()
    }

    /// The open parts of a stretch of whole minutes.
    pub fn open_parts(&self, from: UnixMs, until: UnixMs) -> Vec<(UnixMs, UnixMs)> {
        if self.is_always() {
            return if from < until { vec![(from, until)] } else { Vec::new() };
        }
        // 1970-01-05 was a Monday.
        let monday = 4 * DAY_MS - self.offset_minutes * MINUTE_MS;
        let mut week = (from.0 - monday).div_euclid(WEEK_MS) * WEEK_MS + monday - WEEK_MS;
        let mut parts: Vec<(UnixMs, UnixMs)> = Vec::new();
        while week < until.0 {
            for (open, close) in &self.open {
                let begin = UnixMs(week + open * MINUTE_MS).max(from);
                let end = UnixMs(week + close * MINUTE_MS).min(until);
                if begin >= end {
                    continue;
                }
                match parts.last_mut() {
                    Some(last) if last.1 >= begin => last.1 = last.1.max(end),
                    _ => parts.push((begin, end)),
                }
            }
            week += WEEK_MS;
        }
        parts
    }
}

fn clock(text: &str) -> Option<i64> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let is_time = (0..=24).contains(&hours) && (0..60).contains(&minutes);
    let minutes = hours * 60 + minutes;
    (is_time && minutes <= DAY_MINUTES).then_some(minutes)
}

fn offset(text: &str) -> Result<i64, String> {
    let wrong = || format!("utc{text} is no time zone such as utc+2 or utc-3:30");
    if text.is_empty() {
        return Ok(0);
    }
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(wrong()),
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let hours: i64 = hours.trim().parse().map_err(|_| wrong())?;
    let minutes: i64 = minutes.trim().parse().map_err(|_| wrong())?;
    if hours > 14 || minutes > 59 || hours < 0 || minutes < 0 {
        return Err(wrong());
    }
    Ok(sign * (hours * 60 + minutes))
}

fn days_of(text: &str) -> Result<Vec<i64>, String> {
    let day = |text: &str| {
        DAYS.iter()
            .position(|day| *day == text.trim())
            .ok_or_else(|| format!("{text:?} is no day: mo, tu, we, th, fr, sa, su"))
    };
    let mut days = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            None => days.push(day(part)? as i64),
            Some((first, last)) => {
                let (first, last) = (day(first)?, day(last)?);
                let count = (last + 7 - first) % 7;
                days.extend((0..=count).map(|step| ((first + step) % 7) as i64));
            }
        }
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thursday, 2026-01-01.
    const T: UnixMs = UnixMs(1_767_225_600_000);

    #[test]
    fn a_week_of_opening_hours() {
        let hours = Hours::parse("mo-fr 06:00-22:00; sa,su 08:00-20:00").expect("reads");
        let week = hours.open_minutes(T, T + 7 * DAY_MS);
        assert_eq!(week, 5 * 16 * 60 + 2 * 12 * 60);
        // New Year's morning until 06:30.
        assert_eq!(hours.open_minutes(T, T + 390 * MINUTE_MS), 30);
    }

    #[test]
    fn nights_and_time_zones() {
        let night = Hours::parse("mo-su 22:00-02:00").expect("reads");
        assert_eq!(night.open_minutes(T, T + DAY_MS), 240);
        let east = Hours::parse("mo-su 00:00-12:00 utc+2").expect("reads");
        assert_eq!(east.open_minutes(T, T + 10 * 60 * MINUTE_MS), 600);
        assert_eq!(east.open_minutes(T + 10 * 60 * MINUTE_MS, T + 22 * 60 * MINUTE_MS), 0);
    }

    #[test]
    fn when_it_closes() {
        let hours = Hours::parse("mo-su 06:00-22:00").expect("reads");
        let at = |hour: i64| T + hour * 60 * MINUTE_MS;
        assert!(!hours.is_open(at(5)) && hours.is_open(at(6)) && hours.is_open(at(21)));
        assert!(!hours.is_open(at(22)));
        assert_eq!(hours.closes_at(at(7)), Some(at(22)));
        assert_eq!(hours.closes_at(at(23)), Some(at(23)), "it is closed");
        assert_eq!(Hours::default().closes_at(at(7)), None);
        let days = Hours::parse("mo-su 00:00-24:00").expect("reads");
        assert_eq!(days.closes_at(at(7)), None, "midnight does not close it");
    }

    #[test]
    fn always_and_mistakes() {
        assert!(Hours::parse("").expect("reads").is_always());
        assert!(Hours::parse("24/7").expect("reads").is_always());
        assert!(Hours::parse("mon 1-2").expect_err("no").contains("stretch"));
        assert!(Hours::parse("xx 06:00-07:00").expect_err("no").contains("no day"));
        assert!(Hours::parse("mo 06:00-07:00 utc*3").expect_err("no").contains("time zone"));
    }
}
