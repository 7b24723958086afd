//! What the overseer knows of every charger.

use std::collections::BTreeMap;

use mendpoint_model::{ChargerKey, SiteKey, UnixMs};
use rustc_hash::FxHashMap;

/// A charger as the overseer sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) site: SiteKey,
    pub(crate) online: bool,
    /// When its connection last came or went.
    pub(crate) since: UnixMs,
    /// Its carrier's place in [`Fleet::carriers`].
    pub(crate) carrier: Option<u32>,
}

/// The chargers.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    chargers: FxHashMap<ChargerKey, Seen>,
    online: usize,
    carriers: BTreeMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Fleet {
    pub(crate) fn get(&self, charger: ChargerKey) -> Option<&Seen> {
        self.chargers.get(&charger)
    }

    /// How many have a connection.
    pub(crate) fn online(&self) -> usize {
        self.online
    }

    /// The name of a carrier.
    pub(crate) fn carrier_name(&self, carrier: u32) -> &str {
        self.names.get(carrier as usize).map_or("", AsRef::as_ref)
    }

    /// The number of a carrier, a new one if it was never heard of.
    pub(crate) fn carrier(&mut self, name: &str) -> u32 {
        if let Some(number) = self.carriers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.into());
        self.carriers.insert(name.into(), number);
        number
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.chargers.len()
    }

    /// How many there are at a site.
    pub(crate) fn at_site(&self, site: SiteKey) -> usize {
        self.chargers.values().filter(|seen| seen.site == site).count()
    }

    /// How many of a carrier have a connection.
    pub(crate) fn online_of(&self, carrier: u32) -> usize {
        self.chargers.values().filter(|seen| seen.online && seen.carrier == Some(carrier)).count()
    }

    pub(crate) fn known(
        &mut self,
        charger: ChargerKey,
        site: SiteKey,
        carrier: Option<&str>,
        online: bool,
        at: UnixMs,
    ) {
        let carrier = carrier.map(|name| self.carrier(name));
        let seen = self.entry(charger, site, at);
        seen.carrier = carrier.or(seen.carrier);
        if seen.online != online {
            self.switch(charger, online, at);
        }
    }

    pub(crate) fn up(&mut self, charger: ChargerKey, site: SiteKey, at: UnixMs) {
        self.entry(charger, site, at);
        self.switch(charger, true, at);
    }

    pub(crate) fn down(&mut self, charger: ChargerKey, site: SiteKey, at: UnixMs) {
        self.entry(charger, site, at);
        self.switch(charger, false, at);
    }

    pub(crate) fn gone(&mut self, charger: ChargerKey) {
        if self.chargers.remove(&charger).is_some_and(|seen| seen.online) {
            self.online -= 1;
        }
    }

    fn entry(&mut self, charger: ChargerKey, site: SiteKey, at: UnixMs) -> &mut Seen {
        let seen = self.chargers.entry(charger).or_insert(Seen {
            site,
            online: false,
            since: at,
            carrier: None,
        });
        seen.site = site;
        seen
    }

    fn switch(&mut self, charger: ChargerKey, online: bool, at: UnixMs) {
        let Some(seen) = self.chargers.get_mut(&charger) else { return };
        if seen.online != online {
            seen.online = online;
            seen.since = at;
            if online {
                self.online += 1;
            } else {
                self.online -= 1;
            }
        }
    }
}
