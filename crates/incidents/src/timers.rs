//! What to look at again, and when: one ordered set, so that the same input gives the same order.

use std::collections::BTreeSet;

use mendpoint_model::{ChargerKey, ConnectorRef, IncidentId, SiteKey, UnixMs};

use crate::correlate::GroupKey;

/// What to look at. Looking too early or twice does no harm: whoever is looked at decides by its
/// own state, so a timer never needs to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// An alert of a charger: the rule's place in the catalogue, and the subject.
    Alert(ChargerKey, u16, ConnectorRef),
    /// The attempts of a charger.
    Attempts(ChargerKey),
    /// Whether a charger answers.
    Calls(ChargerKey),
    /// The outage of a site.
    Site(SiteKey),
    /// What is told together.
    Group(GroupKey),
    /// A case.
    Case(IncidentId),
    /// Visits of drivers that may be over.
    Visits,
}

/// The timers, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeSet<(UnixMs, Timer)>,
    /// The time of the first: asked before each event, and seldom another.
    first: Option<UnixMs>,
}

impl Timers {
    /// Moves a timer: `slot` is where its owner keeps the time it is set to.
    pub(crate) fn set(&mut self, slot: &mut Option<UnixMs>, timer: Timer, at: Option<UnixMs>) {
        if *slot == at {
            return;
        }
        if let Some(old) = slot.take() {
            self.queue.remove(&(old, timer));
            if self.first == Some(old) {
                self.find_first();
            }
        }
        if let Some(at) = at {
            self.queue.insert((at, timer));
            self.first = Some(self.first.map_or(at, |first| first.min(at)));
            *slot = Some(at);
        }
    }

    fn find_first(&mut self) {
        self.first = self.queue.first().map(|&(at, _)| at);
    }

    /// The earliest.
    pub(crate) fn next(&self) -> Option<UnixMs> {
        self.first
    }

    /// Takes the earliest that is due.
    pub(crate) fn pop(&mut self, now: UnixMs) -> Option<Timer> {
        if self.first.is_none_or(|at| at > now) {
            return None;
        }
        let (_, timer) = self.queue.pop_first()?;
        self.find_first();
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_order_and_can_be_moved() {
        let mut timers = Timers::default();
        let (mut a, mut b) = (None, None);
        let first = Timer::Case(IncidentId(1));
        let second = Timer::Case(IncidentId(2));
        timers.set(&mut a, first, Some(UnixMs(20)));
        timers.set(&mut b, second, Some(UnixMs(10)));
        timers.set(&mut b, second, Some(UnixMs(30)));
        assert_eq!(timers.next(), Some(UnixMs(20)));
        assert_eq!(timers.pop(UnixMs(19)), None);
        assert_eq!(timers.pop(UnixMs(40)), Some(first));
        assert_eq!(timers.pop(UnixMs(40)), Some(second));
        assert_eq!(timers.next(), None);
    }
}
