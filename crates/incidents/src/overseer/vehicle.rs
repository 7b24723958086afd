//! A card or vehicle that fails wherever it comes, while others charge there (1.7): its failures are
//! not the chargers'.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mendpoint_model::{ChargerKey, SiteKey, UnixMs};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::Overseer;
use super::report::{Directive, Order, Target};

/// How many failures of one card are kept.
const FAILURES_MAX: usize = 32;
/// How many cards with failures are remembered: those of many strangers must not fill the memory.
const TOKENS_MAX: usize = 50_000;

/// A card or vehicle whose failures are its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VehicleSuspect {
    /// The card or vehicle. Shown to those only who may see cards.
    pub token: Box<str>,
    /// Since when it is suspected.
    pub since: UnixMs,
    /// Its newest failure.
    pub last_at: UnixMs,
    /// How often it failed.
    pub failures: u32,
    /// At how many sites.
    pub sites: u32,
}

/// When somebody charged, and with which card.
type Charge = (UnixMs, Box<str>);

/// What is known of failing cards.
#[derive(Debug, Default)]
pub(crate) struct Vehicles {
    failed: BTreeMap<Box<str>, VecDeque<(UnixMs, ChargerKey, SiteKey)>>,
    suspects: BTreeMap<Box<str>, VehicleSuspect>,
    /// The newest charge at each charger, and the newest with another card.
    worked: FxHashMap<ChargerKey, [Option<Charge>; 2]>,
    /// Cards that failed often enough, wherever it was.
    near: BTreeSet<Box<str>>,
    /// Cards to look at.
    changed: BTreeSet<Box<str>>,
    /// Suspects of before a restart, and those that charged.
    restored: Vec<VehicleSuspect>,
    cleared: Vec<VehicleSuspect>,
}

impl Vehicles {
    pub(crate) fn failed(&mut self, charger: ChargerKey, site: SiteKey, token: &str, at: UnixMs) {
        if token.is_empty() {
            return;
        }
        if self.failed.len() >= TOKENS_MAX && !self.failed.contains_key(token) {
            self.forget_oldest();
        }
        let failures = self.failed.entry(token.into()).or_default();
        if failures.len() == FAILURES_MAX {
            failures.pop_front();
        }
        failures.push_back((at, charger, site));
        if failures.len() >= 2 {
            self.near.insert(token.into());
        }
        self.changed.insert(token.into());
    }

    /// The card that failed longest ago makes room.
    fn forget_oldest(&mut self) {
        let last = |failures: &VecDeque<(UnixMs, ChargerKey, SiteKey)>| {
            failures.back().map(|(at, ..)| *at)
        };
        let oldest = self.failed.iter().min_by_key(|(_, failures)| last(failures));
        if let Some(oldest) = oldest.map(|(token, _)| token.clone()) {
            self.failed.remove(&oldest);
            self.near.remove(&oldest);
        }
    }

    pub(crate) fn worked(&mut self, charger: ChargerKey, token: &str, at: UnixMs) {
        let last = self.worked.entry(charger).or_default();
        match &mut last[0] {
            Some((newest, who)) if **who == *token => *newest = at,
            _ => {
                last.swap(0, 1);
                last[0] = Some((at, token.into()));
            }
        }
        // Whoever charges is not at fault.
        self.failed.remove(token);
        self.near.remove(token);
        self.cleared.extend(self.suspects.remove(token));
        // Those that failed here look guiltier.
        let here = |token: &str| {
            let failures = self.failed.get(token);
            failures.is_some_and(|failures| failures.iter().any(|(_, at, _)| *at == charger))
        };
        let waiting: Vec<_> = self.near.iter().filter(|token| here(token)).cloned().collect();
        self.changed.extend(waiting);
    }

    pub(crate) fn restore(&mut self, suspect: VehicleSuspect) {
        self.suspects.insert(suspect.token.clone(), suspect.clone());
        self.restored.push(suspect);
    }

    /// Knows nothing of a card any more, however it is spelt; the suspect that it was.
    pub(crate) fn forget(&mut self, token: &str) -> Option<VehicleSuspect> {
        let is_it = |known: &str| known.eq_ignore_ascii_case(token);
        self.failed.retain(|known, _| !is_it(known));
        self.near.retain(|known| !is_it(known));
        self.changed.retain(|known| !is_it(known));
        self.restored.retain(|suspect| !is_it(&suspect.token));
        self.cleared.retain(|suspect| !is_it(&suspect.token));
        for charges in self.worked.values_mut() {
            for charge in charges {
                charge.take_if(|(_, known)| is_it(known));
            }
        }
        let known = self.suspects.keys().find(|known| is_it(known)).cloned()?;
        self.suspects.remove(&known)
    }

    pub(crate) fn suspects(&self) -> impl Iterator<Item = &VehicleSuspect> {
        self.suspects.values()
    }

    /// Whether anybody else charged at a charger since then.
    fn others_charge(&self, charger: ChargerKey, token: &str, since: UnixMs) -> bool {
        let last = self.worked.get(&charger);
        last.is_some_and(|last| {
            last.iter().flatten().any(|(at, who)| *at >= since && **who != *token)
        })
    }

    /// How often a card failed lately, at how many sites where others charge, and when last.
    fn seen(&mut self, token: &str, now: UnixMs, window_ms: i64) -> Option<(u32, u32, UnixMs)> {
        let failures = self.failed.get_mut(token)?;
        failures.retain(|(at, ..)| now.since_ms(*at) <= window_ms);
        let failures = self.failed.get(token)?;
        let last_at = failures.back()?.0;
        let since = now - window_ms;
        let sites: BTreeSet<SiteKey> = failures
            .iter()
            .filter(|(_, charger, _)| self.others_charge(*charger, token, since))
            .map(|(.., site)| *site)
            .collect();
        Some((failures.len() as u32, sites.len() as u32, last_at))
    }
}

impl Overseer {
    /// Says when to look again: a suspicion fades with its failures.
    pub(crate) fn look_at_vehicles(
        &mut self,
        now: UnixMs,
        out: &mut Vec<Directive>,
    ) -> Option<UnixMs> {
        let settings = self.settings.clone();
        let window_ms = settings.vehicle_window_ms;
        let vehicles = &mut self.vehicles;
        for known in std::mem::take(&mut vehicles.restored) {
            out.push(order(&known, true));
        }
        for known in std::mem::take(&mut vehicles.cleared) {
            out.push(order(&known, false));
        }
        for token in std::mem::take(&mut vehicles.changed) {
            let Some((failures, sites, last_at)) = vehicles.seen(&token, now, window_ms) else {
                continue;
            };
            let known = vehicles.suspects.get(&token);
            let guilty = failures >= settings.vehicle_failures && sites >= settings.vehicle_sites;
            if !guilty && known.is_none() {
                continue;
            }
            let since = known.map_or(now, |known| known.since);
            let sites = sites.max(known.map_or(0, |known| known.sites));
            let suspect = VehicleSuspect { token: token.clone(), since, last_at, failures, sites };
            if known != Some(&suspect) {
                out.push(order(&suspect, true));
                vehicles.suspects.insert(token, suspect);
            }
        }
        let gone: Vec<Box<str>> = vehicles
            .suspects
            .values()
            .filter(|suspect| now.since_ms(suspect.last_at) > window_ms)
            .map(|suspect| suspect.token.clone())
            .collect();
        for token in gone {
            vehicles.failed.remove(&token);
            vehicles.near.remove(&token);
            if let Some(suspect) = vehicles.suspects.remove(&token) {
                out.push(order(&suspect, false));
            }
        }
        vehicles.suspects.values().map(|suspect| suspect.last_at + window_ms + 1).min()
    }
}

fn order(suspect: &VehicleSuspect, suspected: bool) -> Directive {
    let suspect = Box::new(suspect.clone());
    Directive { to: Target::All, order: Order::Vehicle { suspect, suspected } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_is_erased_is_forgotten_however_it_is_spelt() {
        let mut vehicles = Vehicles::default();
        let (charger, site, at) = (ChargerKey(1), SiteKey(1), UnixMs(1));
        vehicles.failed(charger, site, "04AA11", at);
        vehicles.failed(charger, site, "04aa11", at);
        vehicles.failed(charger, site, "04BB22", at);
        let token = "04Aa11".into();
        let suspect = VehicleSuspect { token, since: at, last_at: at, failures: 3, sites: 2 };
        vehicles.restore(suspect.clone());
        assert_eq!(vehicles.forget("04AA11"), Some(suspect));
        assert_eq!(vehicles.forget("04AA11"), None);
        let left = format!("{vehicles:?}");
        assert!(!left.to_lowercase().contains("04aa11") && left.contains("04BB22"), "{left}");
    }
}
