//! Points in time, as the whole program keeps them.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, in memory and on disk alike.
///
/// Displays as RFC 3339 in UTC with whole seconds, the one form that every charger accepts
/// (behaviour 43). Serialises as the plain number; JSON for people goes through [`UnixMs::rfc3339`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

/// One second, in milliseconds.
pub const SECOND_MS: i64 = 1_000;
/// One minute, in milliseconds.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// One hour, in milliseconds.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// One day, in milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;

impl UnixMs {
    /// The number of milliseconds that passed since `earlier`; negative when `earlier` is later.
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// To the minute, as people read it: `2026-11-23 09:30`, in UTC.
    pub fn minute(self) -> String {
        self.rfc3339().chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
    }

    /// `YYYY-MM-DDTHH:MM:SSZ`.
    pub fn rfc3339(self) -> String {
        self.to_string()
    }

    /// `YYYY-MM-DDTHH:MM:SS.mmmZ`, for evidence where milliseconds matter.
    pub fn rfc3339_ms(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => format!("{at:.3}"),
            Err(_) => self.0.to_string(),
        }
    }

    /// Reads an RFC 3339 time with a zone. `None` for anything else.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|at| Self(at.as_millisecond()))
    }
}

impl Add<i64> for UnixMs {
    type Output = Self;

    /// Adds milliseconds, stopping at the ends of the range.
    fn add(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl Sub<i64> for UnixMs {
    type Output = Self;

    /// Takes milliseconds away, stopping at the ends of the range.
    fn sub(self, ms: i64) -> Self {
        Self(self.0.saturating_sub(ms))
    }
}

impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{}", at.strftime("%Y-%m-%dT%H:%M:%SZ")),
            // Outside the years that a calendar date can be written for: the number is honest.
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_form_that_chargers_accept() {
        assert_eq!(UnixMs(1_790_000_000_123).to_string(), "2026-09-21T14:13:20Z");
    }

    #[test]
    fn reads_back_what_it_wrote() {
        let at = UnixMs(1_790_000_000_000);
        assert_eq!(UnixMs::parse_rfc3339(&at.rfc3339()), Some(at));
        assert_eq!(UnixMs::parse_rfc3339("2026-09-21T16:13:20+02:00"), Some(at));
        assert_eq!(UnixMs::parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(UnixMs(i64::MAX) + 1, UnixMs(i64::MAX));
        assert_eq!(UnixMs(i64::MIN).since_ms(UnixMs(1)), i64::MIN);
    }
}
