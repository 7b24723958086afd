//! Statuses that say again what was said before. Chargers send them for hours, and nothing follows from
//! them but that the charger lives: what time brings has its timers.

use mendpoint_model::{ChargerEvent, ConnectorRef, EventKind, Fact};

/// EVSEs and connectors of an EVSE that are told apart; others are looked at every time.
const EVSES: u16 = 8;
const CONNECTORS: u16 = 4;

/// Connectors whose status was looked at since anything else was heard of their charger.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Repeats(u32);

impl Repeats {
    /// Whether a status at this place says nothing new; from now on it does.
    pub(crate) fn again(&mut self, at: ConnectorRef) -> bool {
        if at.evse >= EVSES || at.connector >= CONNECTORS {
            return false;
        }
        let bit = 1 << (at.evse * CONNECTORS + at.connector);
        let known = self.0 & bit != 0;
        self.0 |= bit;
        known
    }

    /// Something else was heard.
    pub(crate) fn forget(&mut self) {
        self.0 = 0;
    }
}

/// Where a status without an error was told that had been told before.
pub(crate) fn repeated(event: &ChargerEvent, facts: &[Fact]) -> Option<ConnectorRef> {
    match (&event.kind, facts) {
        (EventKind::Status(report), [Fact::StatusRepeated { connector }])
            if report.error.is_none() =>
        {
            Some(*connector)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_known_from_its_second_status_on() {
        let mut repeats = Repeats::default();
        let places = [(0, 0), (1, 1), (1, 2), (2, 1), (7, 3)];
        let places = places.map(|(evse, connector)| ConnectorRef { evse, connector });
        assert!(places.iter().all(|at| !repeats.again(*at)));
        assert!(places.iter().all(|at| repeats.again(*at)));
        repeats.forget();
        assert!(places.iter().all(|at| !repeats.again(*at)));
        let far = ConnectorRef { evse: 8, connector: 1 };
        assert!(!repeats.again(far) && !repeats.again(far), "looked at every time");
    }
}
