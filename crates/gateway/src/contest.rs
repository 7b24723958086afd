//! Two devices with one identity: each pushes the other out, for ever (behaviour 4).
//!
//! A charger that changes its address, or comes back while its old connection is dead, is not that.
//! It counts only when a connection that had just spoken is pushed out by an address that was
//! pushed out itself before.

use std::net::IpAddr;
use std::time::Duration;

use dashmap::DashMap;
use mendpoint_model::ChargerKey;
use tokio::time::Instant;

/// A connection that spoke within this time was alive when it was pushed out.
pub(crate) const ALIVE: Duration = Duration::from_mins(1);
/// Turns within this time are one contest.
const WINDOW: Duration = Duration::from_mins(10);
/// So many turns back and forth are no accident.
const TURNS: u32 = 3;
/// How long whoever holds a contested identity keeps it, before the other may push it out.
const HOLD: Duration = Duration::from_mins(1);
/// Chargers remembered at once (behaviour 71).
const REMEMBERED: usize = 10_000;
/// Addresses remembered of one charger.
const ADDRESSES: usize = 4;

/// The contests of late.
#[derive(Debug, Default)]
pub(crate) struct Contests(DashMap<ChargerKey, Contest>);

#[derive(Debug)]
struct Contest {
    began: Instant,
    last: Instant,
    /// Who was pushed out while it was alive.
    losers: Vec<IpAddr>,
    holder: IpAddr,
    turns: u32,
    told: bool,
}

impl Contests {
    /// A connection that was alive was pushed out. The addresses, when this is a contest and it has
    /// not been told yet.
    pub(crate) fn pushed_out(
        &self,
        charger: ChargerKey,
        old: IpAddr,
        new: IpAddr,
        now: Instant,
    ) -> Option<Vec<IpAddr>> {
        if old == new {
            return None;
        }
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, contest| now < contest.last + WINDOW);
            if self.0.len() >= REMEMBERED {
                self.0.clear();
            }
        }
        let fresh = || Contest {
            began: now,
            last: now,
            losers: Vec::new(),
            holder: new,
            turns: 0,
            told: false,
        };
        let mut contest = self.0.entry(charger).or_insert_with(fresh);
        if now >= contest.began + WINDOW && now >= contest.last + WINDOW {
            *contest = fresh();
        }
        if contest.losers.contains(&new) {
            contest.turns += 1;
        }
        if !contest.losers.contains(&old) {
            if contest.losers.len() == ADDRESSES {
                contest.losers.remove(0);
            }
            contest.losers.push(old);
        }
        contest.last = now;
        contest.holder = new;
        if contest.turns < TURNS || contest.told {
            return None;
        }
        contest.told = true;
        let mut addresses = contest.losers.clone();
        if !addresses.contains(&new) {
            addresses.push(new);
        }
        addresses.sort_unstable();
        Some(addresses)
    }

    /// How many seconds a newcomer has to wait before it may push out whoever holds the identity.
    pub(crate) fn wait_s(&self, charger: ChargerKey, from: IpAddr, now: Instant) -> Option<u32> {
        let contest = self.0.get(&charger)?;
        let free_at = contest.last + HOLD;
        (contest.turns >= TURNS && contest.holder != from && now < free_at)
            .then(|| (free_at - now).as_secs() as u32 + 1)
    }

    /// How many chargers are remembered.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHARGER: ChargerKey = ChargerKey(1);

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn b04_two_that_push_each_other_out_are_told_once_and_slowed_down() {
        let contests = Contests::default();
        let (a, b) = (address(1), address(2));
        let mut now = Instant::now();
        let mut told = Vec::new();
        for round in 0..10 {
            now += Duration::from_secs(20);
            let (old, new) = if round % 2 == 0 { (a, b) } else { (b, a) };
            told.extend(contests.pushed_out(CHARGER, old, new, now));
        }
        assert_eq!(told, [vec![a, b]]);
        // The last one in was `a`.
        assert_eq!(contests.wait_s(CHARGER, a, now), None);
        assert_eq!(contests.wait_s(CHARGER, b, now), Some(61));
        assert_eq!(contests.wait_s(CHARGER, b, now + HOLD), None, "behaviour 2: not for ever");
        assert_eq!(contests.wait_s(ChargerKey(2), b, now), None);
    }

    #[test]
    fn b04_a_charger_that_moves_is_not_two() {
        let contests = Contests::default();
        let mut now = Instant::now();
        // A mobile link: another address each time, and back to an old one now and then.
        for last in [1, 2, 3, 4, 5, 1, 6, 7] {
            now += Duration::from_mins(8);
            let (old, new) = (address(last), address(last + 1));
            assert_eq!(contests.pushed_out(CHARGER, old, new, now), None);
        }
        for _ in 0..20 {
            now += Duration::from_secs(5);
            assert_eq!(contests.pushed_out(CHARGER, address(1), address(1), now), None);
        }
    }

    #[test]
    fn b71_contests_are_bounded() {
        let contests = Contests::default();
        let now = Instant::now();
        for key in 0..REMEMBERED as u32 + 500 {
            contests.pushed_out(ChargerKey(key), address(1), address(2), now);
        }
        assert!(contests.len() <= REMEMBERED);
    }
}
