//! How fast one charger is read: one that floods is slowed down, and loses nothing (behaviour 39).

use std::time::Duration;

use tokio::time::Instant;

/// A bucket of messages that fills again with time. What it does not allow stays unread in the
/// socket, where TCP makes the charger wait.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the bucket would be full, if nothing more came.
    full_at: Instant,
}

/// Messages that may come at once after a silence: a queue of a night offline.
const BURST: u32 = 2_000;

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// A message was taken in; `each` is the time for one, zero for no limit.
    pub(super) fn took(&mut self, now: Instant, each: Duration) {
        self.full_at = self.full_at.max(now) + each;
    }

    /// When the next one may be read, if not now.
    pub(super) fn wait_until(&self, now: Instant, each: Duration) -> Option<Instant> {
        // Compared as a sum: there may be no instant so long ago.
        let ahead = self.full_at.saturating_duration_since(now);
        let over = ahead.checked_sub(each * BURST)?;
        (!over.is_zero()).then(|| now + over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_it_is_so_many_a_second() {
        let start = Instant::now();
        let each = Duration::from_millis(10);
        let mut pace = Pace::new(start);
        for _ in 0..BURST {
            assert_eq!(pace.wait_until(start, each), None);
            pace.took(start, each);
        }
        assert_eq!(pace.wait_until(start, each), None);
        pace.took(start, each);
        assert_eq!(pace.wait_until(start, each), Some(start + each));
        assert_eq!(pace.wait_until(start + each, each), None);
    }

    #[test]
    fn no_limit_is_none() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        (0..100_000).for_each(|_| pace.took(start, Duration::ZERO));
        assert_eq!(pace.wait_until(start, Duration::ZERO), None);
    }
}
