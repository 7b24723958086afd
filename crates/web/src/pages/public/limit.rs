//! How many reports somebody may send: enough for everybody who stands at a charger, too few for a
//! program.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use mendpoint_model::{ChargerKey, HOUR_MS, MINUTE_MS, UnixMs};

/// Reports of one address within [`ADDRESS_MS`].
const PER_ADDRESS: usize = 6;
const ADDRESS_MS: i64 = 10 * MINUTE_MS;
/// Reports about one charger within an hour, from wherever they come.
const PER_CHARGER: usize = 30;
/// How many addresses are remembered at most.
const REMEMBERED: usize = 20_000;

/// Who sent reports lately, and about what.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    addresses: BTreeMap<u128, VecDeque<UnixMs>>,
    chargers: BTreeMap<ChargerKey, VecDeque<UnixMs>>,
}

impl Limiter {
    /// Whether a report is taken; one that is taken is counted.
    pub(super) fn allow(
        &mut self,
        address: Option<IpAddr>,
        charger: ChargerKey,
        now: UnixMs,
    ) -> bool {
        if self.addresses.len() >= REMEMBERED {
            self.forget(now);
        }
        let sender = network(address);
        let is_new = !self.addresses.contains_key(&sender);
        if is_new && self.addresses.len() >= REMEMBERED {
            return false;
        }
        let of_address = self.addresses.entry(sender).or_default();
        let of_charger = self.chargers.entry(charger).or_default();
        drop_old(of_address, now - ADDRESS_MS);
        drop_old(of_charger, now - HOUR_MS);
        if of_address.len() >= PER_ADDRESS || of_charger.len() >= PER_CHARGER {
            return false;
        }
        of_address.push_back(now);
        of_charger.push_back(now);
        true
    }

    fn forget(&mut self, now: UnixMs) {
        self.addresses.retain(|_, times| times.back().is_some_and(|at| *at > now - ADDRESS_MS));
        self.chargers.retain(|_, times| times.back().is_some_and(|at| *at > now - HOUR_MS));
    }
}

fn drop_old(times: &mut VecDeque<UnixMs>, since: UnixMs) {
    while times.front().is_some_and(|at| *at <= since) {
        times.pop_front();
    }
}

/// An IPv4 address, or the /64 that an IPv6 subscriber gets whole.
fn network(address: Option<IpAddr>) -> u128 {
    match address.map(|address| address.to_canonical()) {
        None => 0,
        Some(IpAddr::V4(address)) => u128::from(address.to_bits()),
        Some(IpAddr::V6(address)) => address.to_bits() >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn one_address_may_send_some_and_then_waits() {
        let mut limiter = Limiter::default();
        let mut send = |from: &str, at: UnixMs| limiter.allow(address(from), ChargerKey(1), at);
        for _ in 0..PER_ADDRESS {
            assert!(send("192.0.2.1", NOW));
        }
        assert!(!send("192.0.2.1", NOW + MINUTE_MS));
        assert!(send("192.0.2.2", NOW + MINUTE_MS), "others are not held up");
        assert!(send("192.0.2.1", NOW + ADDRESS_MS), "it may again later");
    }

    #[test]
    fn a_network_of_the_new_addresses_is_one_sender() {
        let mut limiter = Limiter::default();
        for host in 0..PER_ADDRESS {
            let from = address(&format!("2001:db8::{host}"));
            assert!(limiter.allow(from, ChargerKey(1), NOW));
        }
        assert!(!limiter.allow(address("2001:db8::ffff"), ChargerKey(1), NOW));
        assert!(limiter.allow(address("2001:db8:0:1::1"), ChargerKey(1), NOW));
    }

    #[test]
    fn one_charger_takes_so_many_an_hour() {
        let mut limiter = Limiter::default();
        let mut sent = 0;
        for host in 0..100 {
            let from = address(&format!("198.51.100.{host}"));
            sent += usize::from(limiter.allow(from, ChargerKey(1), NOW));
        }
        assert_eq!(sent, PER_CHARGER);
        assert!(limiter.allow(address("198.51.100.200"), ChargerKey(2), NOW));
    }

    #[test]
    fn a_flood_of_addresses_does_not_fill_the_memory() {
        let mut limiter = Limiter::default();
        for number in 0..REMEMBERED as u32 + 10 {
            let from = Some(IpAddr::V4(number.into()));
            limiter.allow(from, ChargerKey(number), NOW);
        }
        assert_eq!(limiter.addresses.len(), REMEMBERED);
        let later = NOW + ADDRESS_MS;
        assert!(limiter.allow(address("203.0.113.9"), ChargerKey(7), later));
        assert_eq!(limiter.addresses.len(), 1, "what is old was forgotten");
    }
}
