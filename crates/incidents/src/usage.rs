//! When a charger is usually used, so that an unusual silence can be told from a quiet night.
//!
//! Successes are counted by the hour of the day. What is expected in a span of time is the sum of its
//! hours; the chance that nothing happens although `n` are expected is exp(-n).

use mendpoint_model::{DAY_MS, HOUR_MS, UnixMs};

/// Before so many days are known, nothing is expected.
const DAYS_MIN: f64 = 7.0;
/// Nor before so many successes.
const SUCCESSES_MIN: u32 = 10;
/// Half of what is known is forgotten after this time, so that a charger's habits may change.
const DAYS_MAX: i64 = 56;
/// No silence is waited for longer than this.
const WAIT_MAX_DAYS: f64 = 60.0;

/// The successes of one charger by the hour of the day (UTC), as they are kept or rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Successes in each hour of the day.
    pub hours: [u16; 24],
    /// Since when they are counted.
    pub since: UnixMs,
    /// The newest.
    pub last: UnixMs,
    /// Time offline since the newest, milliseconds: then nobody can charge.
    pub away_ms: i64,
}

impl Usage {
    /// One that knows nothing before `since`.
    pub fn new(since: UnixMs) -> Self {
        Self { hours: [0; 24], since, last: since, away_ms: 0 }
    }

    /// Takes in a success.
    pub fn note(&mut self, at: UnixMs) {
        let hour = at.0.rem_euclid(DAY_MS) / HOUR_MS;
        let count = &mut self.hours[hour as usize];
        *count = count.saturating_add(1);
        self.last = self.last.max(at);
        self.away_ms = 0;
        if self.last.since_ms(self.since) > DAYS_MAX * DAY_MS {
            // Rounded up, so that a rare hour is not forgotten altogether.
            self.hours.iter_mut().for_each(|count| *count = count.div_ceil(2));
            self.since = self.last + -(DAYS_MAX / 2 * DAY_MS);
        }
    }

    /// Adds what was counted before.
    pub(crate) fn join(&mut self, before: &Self) {
        for (count, more) in self.hours.iter_mut().zip(before.hours) {
            *count = count.saturating_add(more);
        }
        self.since = self.since.min(before.since);
        self.last = self.last.max(before.last);
    }

    /// It was offline for so long.
    pub(crate) fn away(&mut self, ms: i64) {
        self.away_ms = self.away_ms.saturating_add(ms.max(0));
    }

    /// Successes expected in each hour of the day; `None` while too little is known. The silence
    /// itself teaches nothing: what is known ends with the newest success.
    fn hourly(&self) -> Option<[f64; 24]> {
        let days = self.last.since_ms(self.since) as f64 / DAY_MS as f64;
        let total: u32 = self.hours.iter().map(|count| u32::from(*count)).sum();
        (days >= DAYS_MIN && total >= SUCCESSES_MIN)
            .then(|| self.hours.map(|count| f64::from(count) / days))
    }

    /// From when on so long a silence has a probability below `p` (between 0 and 1); `None` while
    /// too little is known, or when that would be more than sixty days after the newest success.
    pub(crate) fn silent_from(&self, p: f64) -> Option<UnixMs> {
        let hourly = self.hourly()?;
        let a_day: f64 = hourly.iter().sum();
        let wanted = -p.ln();
        let days = (wanted / a_day).floor();
        if !(0.0..WAIT_MAX_DAYS).contains(&days) {
            return None;
        }
        let began = self.last + self.away_ms;
        let mut at = began + days as i64 * DAY_MS;
        let mut missing = wanted - days * a_day;
        // At most a day is left, and the two parts of the hour it began in.
        for _ in 0..=25 {
            let hour = at.0.rem_euclid(DAY_MS) / HOUR_MS;
            let rate = hourly[hour as usize];
            let left_ms = HOUR_MS - at.0.rem_euclid(HOUR_MS);
            let expected = rate * left_ms as f64 / HOUR_MS as f64;
            if expected >= missing && rate > 0.0 {
                return Some(at + (missing / rate * HOUR_MS as f64).ceil() as i64);
            }
            missing -= expected;
            at = at + left_ms;
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDNIGHT: UnixMs = UnixMs(1_767_225_600_000);

    /// One that was used every so many minutes for four weeks.
    fn used_every(minutes: i64) -> Usage {
        let mut usage = Usage::new(MIDNIGHT);
        let mut at = MIDNIGHT;
        while at.since_ms(MIDNIGHT) <= 28 * DAY_MS {
            usage.note(at);
            at = at + minutes * 60_000;
        }
        usage
    }

    fn hours_until_silent(usage: &Usage) -> f64 {
        let from = usage.silent_from(0.001).expect("enough is known");
        from.since_ms(usage.last) as f64 / HOUR_MS as f64
    }

    #[test]
    fn the_published_times() {
        // 24 a day, evenly: 6.9 h.
        let hours = hours_until_silent(&used_every(60));
        assert!((hours - 6.9).abs() < 0.1, "{hours}");
        // 4 a day: 41.4 h when spread evenly; here in four hours of the day, so a little off.
        let hours = hours_until_silent(&used_every(360));
        assert!((hours - 41.4).abs() < 6.0, "{hours}");
    }

    #[test]
    fn a_quiet_night_is_no_silence() {
        let mut usage = Usage::new(MIDNIGHT);
        for day in 0..28 {
            for hour in 8..20 {
                usage.note(MIDNIGHT + day * DAY_MS + hour * HOUR_MS);
            }
        }
        // The last was at 19:00; twelve a day, all between 8 and 20.
        let from = usage.silent_from(0.001).expect("enough is known");
        let night = usage.last + 13 * HOUR_MS;
        assert!(from > night, "nothing is expected before 8 in the morning");
        assert!(from < night + 8 * HOUR_MS);
    }

    #[test]
    fn little_knowledge_expects_nothing() {
        let mut usage = Usage::new(MIDNIGHT);
        (0..6).for_each(|day| usage.note(MIDNIGHT + day * DAY_MS));
        assert_eq!(usage.silent_from(0.001), None);
        let mut rare = Usage::new(MIDNIGHT);
        rare.note(MIDNIGHT + 20 * DAY_MS);
        assert_eq!(rare.silent_from(0.001), None);
    }

    #[test]
    fn time_offline_is_not_counted_and_habits_are_forgotten() {
        let mut usage = used_every(60);
        let before = usage.silent_from(0.001).expect("known");
        usage.away(5 * HOUR_MS);
        let after = usage.silent_from(0.001).expect("known");
        // One hour of the day was counted once more than the others.
        assert!((after.since_ms(before) - 5 * HOUR_MS).abs() < 5 * 60_000);
        for day in 28..200 {
            usage.note(MIDNIGHT + day * DAY_MS + 12 * HOUR_MS);
        }
        let a_day: f64 = usage.hourly().expect("known").iter().sum();
        assert!(a_day < 4.0, "it is used once a day now: {a_day}");
    }
}
