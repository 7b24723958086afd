//! Failed sign-ins of chargers: who guesses has to wait, longer each time.
//!
//! Counted per address *and* identity, so that guessing at somebody's identity does not lock the
//! real charger out (S24).

use std::net::IpAddr;

use dashmap::DashMap;
use mendpoint_model::{HOUR_MS, SECOND_MS, UnixMs};

/// How many failures are free: people mistype.
const FREE: u32 = 5;

/// The longest wait, in seconds.
const LONGEST_S: u32 = 300;

/// How many pairs are remembered at most (behaviour 71).
const REMEMBERED: usize = 50_000;

/// Failed sign-ins.
#[derive(Debug, Default)]
pub(crate) struct Attempts(DashMap<(IpAddr, String), Failures>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last_at: UnixMs,
}

impl Attempts {
    /// How long this charger has to wait before it may try again, in seconds; `None` for not.
    pub(crate) fn wait_s(&self, from: IpAddr, identity: &str, now: UnixMs) -> Option<u32> {
        let failures = *self.0.get(&(from, identity.to_owned()))?;
        let wait_s = wait_after(failures.count)?;
        let left_ms = i64::from(wait_s) * SECOND_MS - now.since_ms(failures.last_at);
        (left_ms > 0).then(|| (left_ms / SECOND_MS + 1) as u32)
    }

    /// Remembers a failure.
    pub(crate) fn failed(&self, from: IpAddr, identity: &str, now: UnixMs) {
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, failures| now.since_ms(failures.last_at) < HOUR_MS);
            if self.0.len() >= REMEMBERED {
                self.0.clear();
            }
        }
        let mut failures = self
            .0
            .entry((from, identity.to_owned()))
            .or_insert(Failures { count: 0, last_at: now });
        if now.since_ms(failures.last_at) > HOUR_MS {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last_at = now;
    }

    /// Forgets the failures of a charger that got it right.
    pub(crate) fn succeeded(&self, from: IpAddr, identity: &str) {
        if !self.0.is_empty() {
            self.0.remove(&(from, identity.to_owned()));
        }
    }
}

/// The wait after so many failures: none for the first, then doubling.
fn wait_after(count: u32) -> Option<u32> {
    let over = count.checked_sub(FREE)?;
    Some(2_u32.saturating_pow(over.min(16)).min(LONGEST_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_waits_longer_and_longer_and_nobody_else_does() {
        let attempts = Attempts::default();
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let now = UnixMs(1_000_000);
        for _ in 0..FREE - 1 {
            attempts.failed(here, "CP", now);
        }
        assert_eq!(attempts.wait_s(here, "CP", now), None);
        attempts.failed(here, "CP", now);
        assert_eq!(attempts.wait_s(here, "CP", now), Some(2));
        for _ in 0..20 {
            attempts.failed(here, "CP", now);
        }
        assert_eq!(attempts.wait_s(here, "CP", now), Some(LONGEST_S + 1));
        assert_eq!(
            attempts.wait_s(there, "CP", now),
            None,
            "the real charger comes from elsewhere"
        );
        assert_eq!(attempts.wait_s(here, "CP", now + 400 * SECOND_MS), None);
        attempts.succeeded(here, "CP");
        assert_eq!(attempts.wait_s(here, "CP", now), None);
    }
}
