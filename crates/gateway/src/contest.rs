//! Two devices with one identity: each pushes the other out, for ever (behaviour 4).
//!
//! A charger that changes its address, or comes back while its old connection is dead, is not that.
//! It counts only when a connection that had just spoken is pushed out by an address that was
//! pushed out itself before.

use std::net::IpAddr;
use std::time::Duration;

use dashmap::DashMap;
use mendpoint_model::{ChargerKey, IdentityContest};
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

/// A contest is told again as long as it goes on, at most this often.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// The contests of late.
#[derive(Debug, Default)]
pub(crate) struct Contests {
    addresses: DashMap<ChargerKey, Contest>,
    serials: DashMap<ChargerKey, Serials>,
}

/// The serial numbers that one identity booted with: two devices behind one address.
#[derive(Debug)]
struct Serials {
    began: Instant,
    last: Box<str>,
    before: Option<Box<str>>,
    swaps: u32,
}

#[derive(Debug)]
struct Contest {
    began: Instant,
    last: Instant,
    /// Who was pushed out while it was alive.
    losers: Vec<IpAddr>,
    holder: IpAddr,
    turns: u32,
    told_at: Option<Instant>,
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
    ) -> Option<IdentityContest> {
        if old == new {
            return None;
        }
        if self.addresses.len() >= REMEMBERED {
            self.addresses.retain(|_, contest| now < contest.last + WINDOW);
            if self.addresses.len() >= REMEMBERED {
                self.addresses.clear();
            }
        }
        let fresh = || Contest {
            began: now,
            last: now,
            losers: Vec::new(),
            holder: new,
            turns: 0,
            told_at: None,
        };
        let mut contest = self.addresses.entry(charger).or_insert_with(fresh);
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
        let told = contest.told_at.is_some_and(|at| now < at + TELL_EVERY);
        if contest.turns < TURNS || told {
            return None;
        }
        contest.told_at = Some(now);
        let mut addresses = contest.losers.clone();
        if !addresses.contains(&new) {
            addresses.push(new);
        }
        addresses.sort_unstable();
        let parties = addresses.iter().map(ToString::to_string).collect();
        Some(IdentityContest { parties, swaps: contest.turns })
    }

    /// A charger told its serial number at a boot. A contest, when two of them take turns.
    pub(crate) fn booted(
        &self,
        charger: ChargerKey,
        serial: &str,
        now: Instant,
    ) -> Option<IdentityContest> {
        if self.serials.len() >= REMEMBERED {
            self.serials.retain(|_, serials| now < serials.began + WINDOW);
            if self.serials.len() >= REMEMBERED {
                self.serials.clear();
            }
        }
        let mut serials = self.serials.entry(charger).or_insert_with(|| Serials {
            began: now,
            last: serial.into(),
            before: None,
            swaps: 0,
        });
        if &*serials.last == serial {
            return None;
        }
        if now >= serials.began + WINDOW {
            serials.began = now;
            serials.swaps = 0;
        }
        if serials.before.as_deref() == Some(serial) {
            serials.swaps += 1;
        }
        let last = std::mem::replace(&mut serials.last, serial.into());
        serials.before = Some(last.clone());
        if serials.swaps < TURNS {
            return None;
        }
        let mut parties = vec![format!("serial number {last}"), format!("serial number {serial}")];
        parties.sort_unstable();
        Some(IdentityContest { parties, swaps: serials.swaps })
    }

    /// How many seconds a newcomer has to wait before it may push out whoever holds the identity.
    pub(crate) fn wait_s(&self, charger: ChargerKey, from: IpAddr, now: Instant) -> Option<u32> {
        let contest = self.addresses.get(&charger)?;
        let free_at = contest.last + HOLD;
        (contest.turns >= TURNS && contest.holder != from && now < free_at)
            .then(|| (free_at - now).as_secs() as u32 + 1)
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
        // Rounds of 20 s: from the third swap on, once a minute.
        assert_eq!(told.len(), 3);
        assert_eq!(told[0].parties, [a.to_string(), b.to_string()]);
        assert_eq!(told[0].swaps, TURNS);
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
    fn b04_two_serial_numbers_behind_one_address_are_told() {
        let contests = Contests::default();
        let now = Instant::now();
        let boots = ["A", "B", "A", "B", "A", "B"];
        let told: Vec<_> =
            boots.iter().filter_map(|serial| contests.booted(CHARGER, serial, now)).collect();
        assert_eq!(told[0].parties, ["serial number A", "serial number B"]);
        // A new board is one change, and a restart is none.
        let other = ChargerKey(2);
        for serial in ["A", "A", "B", "B", "B"] {
            assert_eq!(contests.booted(other, serial, now), None);
        }
    }

    #[test]
    fn b71_contests_are_bounded() {
        let contests = Contests::default();
        let now = Instant::now();
        for key in 0..REMEMBERED as u32 + 500 {
            contests.pushed_out(ChargerKey(key), address(1), address(2), now);
            contests.booted(ChargerKey(key), "SN", now);
        }
        assert!(contests.addresses.len() <= REMEMBERED, "{}", contests.addresses.len());
        assert!(contests.serials.len() <= REMEMBERED, "{}", contests.serials.len());
    }
}
