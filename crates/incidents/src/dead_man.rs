//! The dead man's switch (G11): when much of the fleet vanishes at once, the fault is likely ours
//! or the network's, what we know of chargers is not to be trusted, and nothing is sent.

use std::collections::VecDeque;

use mendpoint_model::UnixMs;

use crate::settings::Guardrails;

/// What it says while it holds.
const WHY: &str = "many chargers vanished at once, so nothing is sent (G11)";

/// The connections that were lost lately.
#[derive(Debug, Default)]
pub(crate) struct DeadMan {
    lost_at: VecDeque<UnixMs>,
    until: Option<UnixMs>,
}

impl DeadMan {
    /// A charger's connection was lost. `fleet_size` is how many chargers there are.
    pub(crate) fn lost(&mut self, rails: &Guardrails, now: UnixMs, fleet_size: usize) {
        while self.lost_at.front().is_some_and(|at| now.since_ms(*at) > rails.vanished_window_ms) {
            self.lost_at.pop_front();
        }
        self.lost_at.push_back(now);
        let lost = self.lost_at.len();
        let is_many =
            lost >= rails.vanished_min && lost * 100 > fleet_size * rails.vanished_percent as usize;
        if is_many {
            self.until = Some(now + rails.vanished_hold_ms);
        }
    }

    /// Why nothing may be sent now, if so.
    pub(crate) fn holds(&self, now: UnixMs) -> Option<&'static str> {
        self.until.is_some_and(|until| now < until).then_some(WHY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_fleet_within_a_minute_stops_everything_for_a_while() {
        let rails = Guardrails::default();
        let mut dead_man = DeadMan::default();
        for n in 0..20 {
            dead_man.lost(&rails, UnixMs(n * 1_000), 100);
        }
        assert_eq!(dead_man.holds(UnixMs(20_000)), None, "20 of 100 are not more than a fifth");
        dead_man.lost(&rails, UnixMs(20_000), 100);
        assert!(dead_man.holds(UnixMs(20_001)).is_some());
        assert_eq!(dead_man.holds(UnixMs(20_000) + rails.vanished_hold_ms), None);
    }

    #[test]
    fn a_few_chargers_or_many_over_time_are_no_such_thing() {
        let rails = Guardrails::default();
        let mut dead_man = DeadMan::default();
        for n in 0..9 {
            dead_man.lost(&rails, UnixMs(n), 10);
        }
        assert_eq!(dead_man.holds(UnixMs(9)), None, "a small fleet loses a site like that");
        for n in 0..100 {
            dead_man.lost(&rails, UnixMs(n * 61_000), 100);
        }
        assert_eq!(dead_man.holds(UnixMs(100 * 61_000)), None);
    }
}
