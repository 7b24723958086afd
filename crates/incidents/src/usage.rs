//! When a connector is usually used, so that an unusual silence can be told from a quiet night.
//!
//! Successes are counted by the hour of the day and by the day of the week. Time in which nobody could
//! begin (offline, faulted, occupied) is no silence, and teaches nothing either. What is expected in a
//! span of time is the sum of its hours.
//!
//! How often the connector is used is itself only known as well as it was counted: after `n`
//! successes in `d` days the chance of no success in `t` more is `(d / (d + t))^n`, which is exp(-n)
//! of what is expected once much is known, and more careful before. What others of the same kind do
//! counts as a few successes of its own.

use mendpoint_model::{DAY_MS, HOUR_MS, UnixMs};

/// Before so many successes of its own nothing is expected: perhaps nobody knows the place yet.
const SUCCESSES_MIN: u32 = 4;
/// What is known of others of its kind is worth so many successes.
const KIND_WORTH: f64 = 4.0;
/// Before so many days are known, weekdays and weekends cannot be told apart.
const WEEKS_KNOWN_DAYS: i64 = 14;
/// Until then a shorter silence proves nothing: it may be a weekend.
const UNKNOWN_WEEK_MS: i64 = 3 * DAY_MS;
/// Half of what is known is forgotten after this time, so that a connector's habits may change.
const DAYS_MAX: i64 = 56;
/// No silence is waited for longer than this.
const WAIT_MAX_DAYS: f64 = 60.0;
/// So many successes an hour of the day, and a day of the week, are taken for granted: few counts are
/// no habit.
const HOUR_WORTH: f64 = 1.0;
const WEEKDAY_WORTH: f64 = 8.0;
/// Hours of a week.
const WEEK_HOURS: i64 = 168;

/// The successes of one connector, as they are kept or rebuilt.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// Successes in each hour of the day (UTC).
    pub hours: [u16; 24],
    /// Successes in each day of the week (UTC), from Thursday on, as time began on one.
    pub days: [u16; 7],
    /// Since when they are counted.
    pub since: UnixMs,
    /// The newest.
    pub last: UnixMs,
    /// For how many days it was free, until the newest success.
    known: f64,
    /// The same since then, without what is under way.
    unused: f64,
    /// The same in usual days: a busy hour counts for more than a quiet one.
    silent: f64,
    /// Since when it is free, if it is.
    free_since: Option<UnixMs>,
}

fn hour_of(at: UnixMs) -> usize {
    (at.0.div_euclid(HOUR_MS).rem_euclid(24)) as usize
}

fn weekday_of(at: UnixMs) -> usize {
    (at.0.div_euclid(DAY_MS).rem_euclid(7)) as usize
}

/// How busy each hour is beside the mean of the week.
struct Shape {
    hours: [f64; 24],
    days: [f64; 7],
}

impl Shape {
    fn at(&self, at: UnixMs) -> f64 {
        self.hours[hour_of(at)] * self.days[weekday_of(at)]
    }
}

impl Usage {
    /// One that knows nothing before `since`.
    pub fn new(since: UnixMs) -> Self {
        Self {
            hours: [0; 24],
            days: [0; 7],
            since,
            last: since,
            known: 0.0,
            unused: 0.0,
            silent: 0.0,
            free_since: None,
        }
    }

    /// One with what was counted elsewhere: successes by hour of the day and day of the week, since
    /// when, and the newest. It is taken to have been free all the time.
    pub fn counted(hours: [u16; 24], days: [u16; 7], since: UnixMs, last: UnixMs) -> Self {
        let known = last.since_ms(since).max(0) as f64 / DAY_MS as f64;
        Self { hours, days, last, known, ..Self::new(since) }
    }

    /// Takes in a success.
    pub fn note(&mut self, at: UnixMs) {
        self.pass(at);
        self.known += std::mem::take(&mut self.unused);
        self.silent = 0.0;
        let hour = &mut self.hours[hour_of(at)];
        *hour = hour.saturating_add(1);
        let day = &mut self.days[weekday_of(at)];
        *day = day.saturating_add(1);
        self.last = self.last.max(at);
        if self.last.since_ms(self.since) > DAYS_MAX * DAY_MS {
            // Rounded up, so that a rare hour is not forgotten altogether.
            self.hours.iter_mut().for_each(|count| *count = count.div_ceil(2));
            self.days.iter_mut().for_each(|count| *count = count.div_ceil(2));
            self.known /= 2.0;
            self.since = self.last + -(DAYS_MAX / 2 * DAY_MS);
        }
    }

    /// From now on somebody could begin a charge, or nobody can.
    pub(crate) fn set_free(&mut self, now: UnixMs, free: bool) {
        if free != self.free_since.is_some() {
            self.pass(now);
            self.free_since = free.then_some(now);
        }
    }

    /// It was repaired: the silence before says nothing of the time after.
    pub(crate) fn begin_anew(&mut self, now: UnixMs) {
        (self.unused, self.silent) = (0.0, 0.0);
        if self.free_since.is_some() {
            self.free_since = Some(now);
        }
    }

    /// Adds what was counted before. `free` is since when it is free, as far as that is known, and
    /// until when, where it is not any more.
    pub(crate) fn join(&mut self, before: &Self, free: Option<(UnixMs, Option<UnixMs>)>) {
        let is_new = self.successes() == 0;
        for (count, more) in self.hours.iter_mut().zip(before.hours) {
            *count = count.saturating_add(more);
        }
        for (count, more) in self.days.iter_mut().zip(before.days) {
            *count = count.saturating_add(more);
        }
        self.since = self.since.min(before.since);
        self.known += before.known;
        if is_new {
            // Nothing was counted since: it may be silent for longer than we run.
            self.last = before.last;
            (self.unused, self.silent) = (0.0, 0.0);
            self.free_since = free.map(|(from, _)| from.max(before.last));
            if let Some((_, Some(until))) = free {
                self.set_free(until, false);
            }
        }
    }

    /// Writes down the time in which it was free until now.
    fn pass(&mut self, now: UnixMs) {
        let Some(from) = self.free_since.replace(now) else {
            self.free_since = None;
            return;
        };
        if now <= from {
            self.free_since = Some(from);
            return;
        }
        self.unused += now.since_ms(from) as f64 / DAY_MS as f64;
        let shape = self.shape();
        let mut at = from;
        let weeks = now.since_ms(from) / (7 * DAY_MS);
        self.silent += weeks as f64 * 7.0;
        at = at + weeks * 7 * DAY_MS;
        while at < now {
            let until = at + (HOUR_MS - at.0.rem_euclid(HOUR_MS)).min(now.since_ms(at));
            self.silent += shape.at(at) * until.since_ms(at) as f64 / DAY_MS as f64;
            at = until;
        }
    }

    fn successes(&self) -> u32 {
        self.hours.iter().map(|count| u32::from(*count)).sum()
    }

    fn knows_weeks(&self) -> bool {
        self.last.since_ms(self.since) >= WEEKS_KNOWN_DAYS * DAY_MS
    }

    fn shape(&self) -> Shape {
        let days =
            if self.knows_weeks() { beside_mean(self.days, WEEKDAY_WORTH) } else { [1.0; 7] };
        Shape { hours: beside_mean(self.hours, HOUR_WORTH), days }
    }

    /// From when on so long a silence has a probability below `p` (between 0 and 1), if nothing
    /// changes; `None` while too little is known, while nobody could begin, or when that would be more
    /// than sixty days from now. `kind_a_day` is how often others of its kind are used in a day.
    pub(crate) fn silent_from(&self, p: f64, kind_a_day: Option<f64>) -> Option<UnixMs> {
        let since = self.free_since?;
        let own = self.successes();
        if own < SUCCESSES_MIN {
            return None;
        }
        let (mut many, mut days) = (f64::from(own), self.known);
        if let Some(a_day) = kind_a_day.filter(|a_day| *a_day > 0.0) {
            many += KIND_WORTH;
            days += KIND_WORTH / a_day;
        }
        if days <= 0.0 {
            return None;
        }
        let wanted = days * (p.powf(-1.0 / many) - 1.0);
        let mut missing = (wanted - self.silent).max(0.0);
        if !(0.0..WAIT_MAX_DAYS).contains(&missing) {
            return None;
        }
        let shape = self.shape();
        let weeks = (missing / 7.0).floor();
        missing -= weeks * 7.0;
        let mut at = since + weeks as i64 * 7 * DAY_MS;
        // At most a week is left, and the two parts of the hour it began in.
        for _ in 0..=WEEK_HOURS + 1 {
            let busy = shape.at(at);
            let left_ms = HOUR_MS - at.0.rem_euclid(HOUR_MS);
            let passes = busy * left_ms as f64 / DAY_MS as f64;
            if passes >= missing {
                at = at + (missing / busy * DAY_MS as f64).ceil() as i64;
                break;
            }
            missing -= passes;
            at = at + left_ms;
        }
        let least = if self.knows_weeks() { 0 } else { UNKNOWN_WEEK_MS };
        Some(at.max(self.last + least))
    }
}

/// Counts beside their mean, each a little nearer to it than it was counted.
fn beside_mean<const N: usize>(counts: [u16; N], worth: f64) -> [f64; N] {
    let all: u32 = counts.iter().map(|count| u32::from(*count)).sum();
    let mean = f64::from(all) / N as f64 + worth;
    counts.map(|count| (f64::from(count) + worth) / mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Thursday.
    const MIDNIGHT: UnixMs = UnixMs(1_767_225_600_000);

    /// One that was used every so many minutes for eight weeks, free all the time.
    fn used_every(minutes: i64) -> Usage {
        let mut usage = Usage::new(MIDNIGHT);
        usage.set_free(MIDNIGHT, true);
        let mut at = MIDNIGHT;
        while at.since_ms(MIDNIGHT) < 56 * DAY_MS {
            at = at + minutes * 60_000;
            usage.note(at);
        }
        usage
    }

    fn hours_until_silent(usage: &Usage, p: f64) -> f64 {
        let from = usage.silent_from(p, None).expect("enough is known");
        from.since_ms(usage.last) as f64 / HOUR_MS as f64
    }

    #[test]
    fn the_published_times() {
        // 24 a day, evenly: 6.9 h.
        let hours = hours_until_silent(&used_every(60), 0.001);
        assert!((hours - 6.9).abs() < 0.2, "{hours}");
        // 4 a day: 41.4 h when spread evenly; here in four hours of the day, so a little off.
        let hours = hours_until_silent(&used_every(360), 0.001);
        assert!((hours - 41.4).abs() < 6.0, "{hours}");
    }

    #[test]
    fn a_quiet_night_is_no_silence() {
        let mut usage = Usage::new(MIDNIGHT);
        usage.set_free(MIDNIGHT, true);
        for day in 0..28 {
            for hour in 8..20 {
                usage.note(MIDNIGHT + day * DAY_MS + hour * HOUR_MS);
            }
        }
        // The last was at 19:00; twelve a day, all between 8 and 20.
        let from = usage.silent_from(0.001, None).expect("enough is known");
        let night = usage.last + 13 * HOUR_MS;
        assert!(from > night, "nothing is expected before 8 in the morning");
        assert!(from < night + 8 * HOUR_MS);
    }

    #[test]
    fn a_quiet_weekend_is_no_silence() {
        let mut usage = Usage::new(MIDNIGHT);
        usage.set_free(MIDNIGHT, true);
        // Day 0 is a Thursday: 2 and 3 are Saturday and Sunday. The last is on a Friday.
        let is_open = |day: i64| !matches!(day % 7, 2 | 3);
        for day in (0..=50).filter(|day| is_open(*day)) {
            for hour in 8..18 {
                usage.note(MIDNIGHT + day * DAY_MS + hour * HOUR_MS);
            }
        }
        let from = usage.silent_from(0.001, None).expect("enough is known");
        assert!(from > MIDNIGHT + 53 * DAY_MS + 8 * HOUR_MS, "it is closed until Monday");
        assert!(from < MIDNIGHT + 54 * DAY_MS);
        // In its first week nobody knows that.
        let mut young = Usage::new(MIDNIGHT);
        young.set_free(MIDNIGHT, true);
        for hour in (8..18).chain(32..42) {
            young.note(MIDNIGHT + hour * HOUR_MS);
        }
        let from = young.silent_from(0.001, None).expect("enough is known");
        assert!(from >= young.last + 3 * DAY_MS, "it may be a weekend");
    }

    #[test]
    fn little_knowledge_waits_longer_and_others_of_its_kind_help() {
        let mut usage = Usage::new(MIDNIGHT);
        usage.set_free(MIDNIGHT, true);
        (1..4).for_each(|n| usage.note(MIDNIGHT + n * 6 * HOUR_MS));
        assert_eq!(usage.silent_from(0.001, None), None, "three are nothing");
        (4..9).for_each(|n| usage.note(MIDNIGHT + n * 6 * HOUR_MS));
        // Two days with four a day: much less sure than after weeks.
        let alone = hours_until_silent(&usage, 0.001);
        assert!(alone > 60.0 && alone < 90.0, "{alone}");
        let others = usage.silent_from(0.000_01, Some(4.0)).expect("known");
        assert!(others < usage.silent_from(0.000_01, None).expect("known"));
        let seldom = usage.silent_from(0.000_01, Some(0.5)).expect("known");
        assert!(seldom > others, "others of its kind are used seldom");
    }

    #[test]
    fn time_in_which_nobody_can_begin_is_no_silence() {
        let mut usage = used_every(60);
        let before = usage.silent_from(0.001, None).expect("known");
        usage.set_free(usage.last + HOUR_MS, false);
        assert_eq!(usage.silent_from(0.001, None), None, "it is broken, or somebody stands there");
        usage.set_free(usage.last + 21 * HOUR_MS, true);
        let after = usage.silent_from(0.001, None).expect("known");
        assert!((after.since_ms(before) - 20 * HOUR_MS).abs() < 30 * 60_000);
        // Nor does it teach that it is used seldom.
        usage.note(usage.last + 22 * HOUR_MS);
        let hours = hours_until_silent(&usage, 0.001);
        assert!((hours - 6.9).abs() < 0.2, "{hours}");
        usage.set_free(usage.last + 6 * HOUR_MS, true);
        usage.begin_anew(usage.last + 6 * HOUR_MS);
        let hours = hours_until_silent(&usage, 0.001);
        assert!((hours - 12.9).abs() < 0.2, "a repair begins the silence anew: {hours}");
    }

    #[test]
    fn habits_are_forgotten() {
        let mut usage = used_every(60);
        for day in 57..230 {
            usage.note(MIDNIGHT + day * DAY_MS + 12 * HOUR_MS);
        }
        let hours = hours_until_silent(&usage, 0.001);
        assert!(hours > 60.0, "it is used once a day now: {hours}");
    }

    #[test]
    fn what_was_counted_before_goes_on() {
        let whole = used_every(240);
        let mut later = Usage::new(whole.last + 5 * HOUR_MS);
        let before = Usage::counted(whole.hours, whole.days, whole.since, whole.last);
        // Free for five hours already, when we start.
        later.join(&before, Some((whole.last, None)));
        assert!(
            (hours_until_silent(&later, 0.001) - hours_until_silent(&whole, 0.001)).abs() < 0.5
        );
        let mut used = Usage::new(whole.last + 5 * HOUR_MS);
        used.set_free(used.since, true);
        used.note(used.since + HOUR_MS);
        let last = used.last;
        used.join(&before, Some((whole.last, None)));
        assert_eq!(used.last, last, "what was counted since is newer");
        // Not connected yet, but it was free until we stopped three hours after the last.
        let mut away = Usage::new(whole.last + 5 * HOUR_MS);
        away.join(&before, Some((whole.last, Some(whole.last + 3 * HOUR_MS))));
        assert_eq!(away.silent_from(0.001, None), None);
        away.set_free(whole.last + 5 * HOUR_MS, true);
        let later = hours_until_silent(&away, 0.001) - hours_until_silent(&whole, 0.001);
        assert!((later - 2.0).abs() < 0.5, "{later}");
    }
}
