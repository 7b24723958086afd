//! Statuses and times that say again what was said before. Chargers send them for hours, and nothing
//! follows from them but that the charger lives: what time brings has its timers.

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

/// By how much a clock moves before a rule looks at it again, milliseconds. The estimate of a clock that
/// is told in whole seconds stays within that.
const SKEW_NEWS_MS: u32 = 250;

/// How wrong a charger's clock was when rules last looked at it, milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SeenSkew(Option<i32>);

impl SeenSkew {
    /// Whether the clock is another than then; from now on it is not.
    pub(crate) fn is_news(&mut self, skew_ms: Option<i64>) -> bool {
        let skew_ms = skew_ms.map(|ms| ms.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32);
        let is_news = match (self.0, skew_ms) {
            (Some(seen), Some(now)) => seen.abs_diff(now) >= SKEW_NEWS_MS,
            (seen, now) => seen != now,
        };
        if is_news {
            self.0 = skew_ms;
        }
        is_news
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
    fn a_clock_that_creeps_is_news_in_steps() {
        let mut skew = SeenSkew::default();
        assert!(!skew.is_news(None));
        assert!(skew.is_news(Some(0)));
        let told = (0..=1_000).filter(|ms| skew.is_news(Some(*ms))).count();
        assert_eq!(told, 4, "250, 500, 750, 1,000 ms");
        assert!(!skew.is_news(Some(900)) && skew.is_news(Some(-50)));
        assert!(skew.is_news(Some(i64::MAX)) && !skew.is_news(Some(i64::MAX - 1)));
        assert!(skew.is_news(Some(i64::MIN)) && skew.is_news(None));
    }

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
