//! When a site is used least: sessions by the hour of the day (G12).

use mendpoint_model::{DAY_MS, HOUR_MS, UnixMs};
use serde::{Deserialize, Serialize};

/// After this time an old session counts half.
const HALF_LIFE_MS: f64 = 30.0 * DAY_MS as f64;
/// From so many sessions, over so many days, the hours say something.
const SESSIONS_MIN: f64 = 20.0;
const DAYS_MIN: i64 = 7;

/// The sessions of one site by the hour they began in, in UTC: a site's own clock is only shifted
/// against it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    hours: [f64; 24],
    first_at: Option<UnixMs>,
    at: UnixMs,
    /// When it was last written down.
    #[serde(skip)]
    pub(crate) kept_at: Option<UnixMs>,
}

fn hour_of(at: UnixMs) -> usize {
    at.0.div_euclid(HOUR_MS).rem_euclid(24) as usize
}

impl Usage {
    /// A session began.
    pub(crate) fn note(&mut self, now: UnixMs) {
        let passed = now.since_ms(self.at).max(0) as f64;
        let left = (-passed / HALF_LIFE_MS).exp2();
        for sessions in &mut self.hours {
            *sessions *= left;
        }
        self.at = self.at.max(now);
        self.first_at.get_or_insert(now);
        self.hours[hour_of(now)] += 1.0;
    }

    /// The hour in which it is used least, once enough is known. Hours beside a busy one are not
    /// the quietest.
    pub(crate) fn quiet_hour(&self, now: UnixMs) -> Option<usize> {
        let known = self.hours.iter().sum::<f64>() >= SESSIONS_MIN
            && now.since_ms(self.first_at?) >= DAYS_MIN * DAY_MS;
        let around = |hour: usize| {
            self.hours[(hour + 23) % 24] + 2.0 * self.hours[hour] + self.hours[(hour + 1) % 24]
        };
        let quietest = (0..24).min_by(|a, b| around(*a).total_cmp(&around(*b)));
        quietest.filter(|_| known)
    }
}

/// When an hour of the day next begins; `now` when it is that hour already.
pub(crate) fn next_hour(now: UnixMs, hour: usize) -> UnixMs {
    let wait = (hour + 24 - hour_of(now)) % 24;
    if wait == 0 {
        return now;
    }
    let begun = UnixMs(now.0.div_euclid(HOUR_MS) * HOUR_MS);
    begun + wait as i64 * HOUR_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quietest_hour_is_known_after_a_week() {
        let mut usage = Usage::default();
        for day in 0..8 {
            for hour in (6..23).chain([0, 1, 2]) {
                usage.note(UnixMs(day * DAY_MS + hour * HOUR_MS));
            }
        }
        assert_eq!(usage.quiet_hour(UnixMs(6 * DAY_MS)), None, "not a week yet");
        assert_eq!(usage.quiet_hour(UnixMs(8 * DAY_MS)), Some(4), "3 and 5 lie beside busy ones");
        assert_eq!(next_hour(UnixMs(3 * HOUR_MS + 5), 4), UnixMs(4 * HOUR_MS));
        assert_eq!(next_hour(UnixMs(4 * HOUR_MS + 5), 4), UnixMs(4 * HOUR_MS + 5));
        assert_eq!(next_hour(UnixMs(5 * HOUR_MS + 5), 4), UnixMs(28 * HOUR_MS));
    }
}
