//! From when until when something holds.

use mendpoint_model::UnixMs;

/// The time in which a condition holds if nothing else happens: `from` included, `until` not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holds {
    pub(crate) from: UnixMs,
    pub(crate) until: UnixMs,
}

impl Holds {
    pub(crate) const ALWAYS: Self = Self { from: UnixMs(i64::MIN), until: UnixMs(i64::MAX) };
    pub(crate) const NEVER: Self = Self { from: UnixMs(i64::MAX), until: UnixMs(i64::MAX) };

    pub(crate) fn when(yes: bool) -> Self {
        if yes { Self::ALWAYS } else { Self::NEVER }
    }

    pub(crate) fn since(from: UnixMs) -> Self {
        Self { from, ..Self::ALWAYS }
    }

    pub(crate) fn before(until: UnixMs) -> Self {
        Self { until, ..Self::ALWAYS }
    }

    pub(crate) fn at(self, now: UnixMs) -> bool {
        self.from <= now && now < self.until
    }

    /// When the answer next changes by time alone.
    pub(crate) fn next_change(self, now: UnixMs) -> Option<UnixMs> {
        let never = UnixMs(i64::MAX);
        [self.from, self.until].into_iter().find(|at| *at > now && *at != never)
    }

    pub(super) fn and(self, other: Self) -> Self {
        let both = Self { from: self.from.max(other.from), until: self.until.min(other.until) };
        if both.from < both.until { both } else { Self::NEVER }
    }

    pub(super) fn or(self, other: Self, now: UnixMs) -> Self {
        match (self.at(now), other.at(now)) {
            (true, true) => {
                Self { from: self.from.min(other.from), until: self.until.max(other.until) }
            }
            (true, false) => self,
            (false, true) => other,
            // The one that comes sooner; one that is over does not count.
            _ if self.from > now && (other.from <= now || self.from <= other.from) => self,
            _ => other,
        }
    }

    pub(super) fn not(self, now: UnixMs) -> Self {
        if self.from > now {
            Self::before(self.from)
        } else {
            // Either it holds now and stops at `until`, or it is over.
            Self::since(self.until)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(from: i64, until: i64) -> Holds {
        Holds { from: UnixMs(from), until: UnixMs(until) }
    }

    #[test]
    fn and_or_not_of_times() {
        let now = UnixMs(10);
        assert_eq!(between(0, 20).and(between(5, 30)), between(5, 20));
        assert_eq!(between(0, 5).and(between(5, 9)), Holds::NEVER);
        assert_eq!(between(0, 20).or(between(5, 30), now), between(0, 30));
        assert_eq!(between(40, 50).or(between(20, 30), now), between(20, 30));
        assert_eq!(between(0, 5).or(between(20, 30), now), between(20, 30));
        assert_eq!(Holds::NEVER.not(now), Holds::before(UnixMs(i64::MAX)));
        assert_eq!(Holds::ALWAYS.not(now), Holds::NEVER);
        assert_eq!(between(0, 20).not(now), Holds::since(UnixMs(20)));
        assert_eq!(between(20, 30).not(now), Holds::before(UnixMs(20)));
    }

    #[test]
    fn the_next_change_lies_ahead() {
        assert_eq!(between(0, 20).next_change(UnixMs(10)), Some(UnixMs(20)));
        assert_eq!(between(15, 20).next_change(UnixMs(10)), Some(UnixMs(15)));
        assert_eq!(Holds::ALWAYS.next_change(UnixMs(10)), None);
        assert_eq!(Holds::NEVER.next_change(UnixMs(10)), None);
    }
}
