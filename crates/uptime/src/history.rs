//! What is known of a charger, as it is gathered.

use std::collections::BTreeMap;

use mendpoint_model::{ConnectorRef, UnixMs};

use crate::fold::{Observed, Said};
use crate::link::{Link, Stop};

/// When we could not see: the same for every charger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unseen {
    /// When we did not run.
    pub stops: Vec<Stop>,
    /// When so much of the fleet vanished at once that the fault is taken to be ours (1.7).
    pub blind: Vec<(UnixMs, UnixMs)>,
}

impl Unseen {
    /// As much of it as was known at a moment: a stop is known once it is over.
    #[must_use]
    pub fn known_at(&self, now: UnixMs) -> Self {
        let begun = |(from, _): &&(UnixMs, UnixMs)| *from <= now;
        Self {
            stops: self.stops.iter().filter(|stop| stop.until <= now).copied().collect(),
            blind: self.blind.iter().filter(begun).copied().collect(),
        }
    }
}

/// What is known of a charger. Each list is kept in the order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    links: Vec<(UnixMs, Link)>,
    /// Statuses by connector; those of the charger as a whole are under the charger itself.
    said: BTreeMap<ConnectorRef, Vec<Said>>,
    sessions: BTreeMap<ConnectorRef, Vec<(UnixMs, UnixMs)>>,
    power_ups: Vec<UnixMs>,
}

impl History {
    /// Its connection opened or ended.
    pub fn link(&mut self, at: UnixMs, link: Link) {
        let place = self.links.partition_point(|(other, _)| *other <= at);
        self.links.insert(place, (at, link));
    }

    /// It told the status of a connector, or its own.
    pub fn said(&mut self, connector: ConnectorRef, said: Said) {
        let list = self.said.entry(connector).or_default();
        let place = list.partition_point(|other| other.at <= said.at);
        list.insert(place, said);
    }

    /// A session on a connector delivered energy.
    pub fn delivered(&mut self, connector: ConnectorRef, begun: UnixMs, ended: UnixMs) {
        self.sessions.entry(connector).or_default().push((begun, ended));
    }

    /// It booted because its power was back.
    pub fn power_up(&mut self, at: UnixMs) {
        self.power_ups.push(at);
    }

    /// Forgets what was before a moment, but for what says how it was then.
    pub fn forget(&mut self, before: UnixMs) {
        let last = self.links.partition_point(|(at, _)| *at < before);
        self.links.drain(..last.saturating_sub(1));
        for list in self.said.values_mut() {
            let last = list.partition_point(|said| said.at < before);
            list.drain(..last.saturating_sub(1));
        }
        for list in self.sessions.values_mut() {
            list.retain(|(_, ended)| *ended > before);
        }
        self.power_ups.retain(|at| *at >= before);
    }

    /// By connector, to be folded. One that never said anything of its connectors has one.
    pub fn connectors(&self, unseen: &Unseen) -> BTreeMap<ConnectorRef, Observed> {
        let mut shared = Observed { links: self.links.clone(), ..Observed::default() };
        let whole = self.said.get(&ConnectorRef::CHARGER);
        shared.whole = whole.cloned().unwrap_or_default();
        if let Some((first, _)) = shared.links.first() {
            let since = |stop: &&Stop| stop.grace_until > *first;
            shared.stops = unseen.stops.iter().filter(since).copied().collect();
            let blind = unseen.blind.iter().filter(|(_, ended)| ended > first);
            shared.blind = blind.copied().collect();
        }
        if !shared.stops.is_empty() || !shared.blind.is_empty() {
            shared.power_ups.clone_from(&self.power_ups);
        }
        let named = self.said.keys().chain(self.sessions.keys());
        let mut all: BTreeMap<ConnectorRef, Observed> = named
            .filter(|connector| !connector.is_charger())
            .map(|connector| {
                let statuses = self.said.get(connector).cloned().unwrap_or_default();
                let sessions = self.sessions.get(connector).cloned().unwrap_or_default();
                (*connector, Observed { statuses, sessions, ..shared.clone() })
            })
            .collect();
        if all.is_empty() && !self.links.is_empty() {
            all.insert(ConnectorRef::v16(1), shared);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::ConnectorStatus;

    use super::*;

    const ONE: ConnectorRef = ConnectorRef { evse: 1, connector: 1 };

    #[test]
    fn what_is_forgotten_still_says_how_it_was() {
        let mut history = History::default();
        history.link(UnixMs(1), Link::Opened);
        for at in [1, 5, 9] {
            history.said(ONE, Said::live(UnixMs(at), ConnectorStatus::Faulted));
        }
        history.delivered(ONE, UnixMs(1), UnixMs(2));
        history.delivered(ONE, UnixMs(1), UnixMs(20));
        history.forget(UnixMs(8));
        let all = history.connectors(&Unseen::default());
        let one = &all[&ONE];
        assert_eq!(one.links, [(UnixMs(1), Link::Opened)]);
        assert_eq!(one.statuses.iter().map(|said| said.at.0).collect::<Vec<_>>(), [5, 9]);
        assert_eq!(one.sessions, [(UnixMs(1), UnixMs(20))]);
    }

    #[test]
    fn a_charger_that_named_no_connector_has_one() {
        let mut history = History::default();
        assert!(history.connectors(&Unseen::default()).is_empty());
        history.link(UnixMs(1), Link::Opened);
        history.said(ConnectorRef::CHARGER, Said::live(UnixMs(2), ConnectorStatus::Faulted));
        let all = history.connectors(&Unseen::default());
        assert_eq!(all.keys().copied().collect::<Vec<_>>(), [ConnectorRef::v16(1)]);
        assert_eq!(all[&ConnectorRef::v16(1)].whole.len(), 1);
    }

    #[test]
    fn a_stop_is_known_once_it_is_over() {
        let stop = Stop { from: UnixMs(10), until: UnixMs(20), grace_until: UnixMs(30) };
        let unseen = Unseen { stops: vec![stop], blind: vec![(UnixMs(15), UnixMs(40))] };
        assert_eq!(unseen.known_at(UnixMs(14)), Unseen::default());
        assert_eq!(unseen.known_at(UnixMs(19)).stops, []);
        assert_eq!(unseen.known_at(UnixMs(20)), unseen);
    }
}
