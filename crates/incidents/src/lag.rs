//! The stop when we are late (G11): what the engine believes of the chargers is then older than a
//! minute, or what it decides is not written down, and nothing is sent.
//!
//! Pure: whoever runs the engine measures how late it is and says so with [`Engine::note_lag`].
//! Virtual time is never late by itself, so tests that let hours pass in one step are not either.

use mendpoint_model::{Chargers, IncidentId, UnixMs};

use crate::case::Line;
use crate::effect::Effect;
use crate::engine::{Cx, Engine};
use crate::settings::Guardrails;

/// What it says while it holds.
const WHY: &str = "Mendpoint itself is late, so nothing is sent (G11)";

/// A lag that nobody notices: an answer that is waited for has more slack than that.
const UNNOTICED_MS: i64 = 2_000;

/// How late we are, and whether that stops everything.
///
/// It begins to hold at `lag_stop_ms`. It ends only after the lag was at most `lag_resume_ms` for
/// `lag_calm_ms` without a break: a queue that is worked off in jumps, or a disk that writes a batch
/// a minute, must not switch healing on and off; and what came in meanwhile is taken in first.
#[derive(Clone, Debug, Default)]
pub(crate) struct LagStop {
    holds: bool,
    calm_since: Option<UnixMs>,
    /// When we were last so late that an answer may be on its way to us, or its command not gone.
    late_at: Option<UnixMs>,
}

impl LagStop {
    /// Takes in how late we are. Says whether that changed anything.
    fn note(&mut self, rails: &Guardrails, now: UnixMs, lag_ms: i64) -> bool {
        if lag_ms > UNNOTICED_MS {
            self.late_at = Some(now);
        }
        if lag_ms > rails.lag_stop_ms {
            self.calm_since = None;
            return !std::mem::replace(&mut self.holds, true);
        }
        if !self.holds {
            return false;
        }
        if lag_ms > rails.lag_resume_ms {
            self.calm_since = None;
            return false;
        }
        let since = *self.calm_since.get_or_insert(now);
        if now.since_ms(since) < rails.lag_calm_ms {
            return false;
        }
        (self.holds, self.calm_since) = (false, None);
        true
    }

    /// When an answer to what was sent at `at` is waited for in vain: what left late is answered
    /// late.
    pub(crate) fn waits_from(&self, at: UnixMs) -> UnixMs {
        self.late_at.map_or(at, |late| late.max(at))
    }

    /// Why nothing may be sent now, if so.
    pub(crate) fn holds(&self) -> Option<&'static str> {
        self.holds.then_some(WHY)
    }
}

impl Engine {
    /// How late we are, in milliseconds: how long the oldest message waited for the engine, by how
    /// much its next deadline is overdue, or how long the oldest decision waits for the disk,
    /// whichever is most. To be called again and again, also when it is 0: that ends the stop.
    pub fn note_lag(
        &mut self,
        now: UnixMs,
        lag_ms: i64,
        fleet: &dyn Chargers,
        out: &mut Vec<Effect>,
    ) {
        let changed = self.lag.note(&self.settings.guardrails, now, lag_ms);
        if self.lag.holds().is_some() {
            // Silence of a charger counts for nothing while its messages may wait for us (blind).
            let calm = now + self.settings.guardrails.lag_calm_ms;
            self.grace_until = self.grace_until.max(calm);
        }
        if !changed {
            return;
        }
        let held = self.lag.holds().is_some();
        let cx = Cx { now, fleet, frame: 0, from: None };
        let ids: Vec<IncidentId> = self.cases.keys().copied().collect();
        for id in ids {
            let healed = self
                .cases
                .get(&id)
                .is_some_and(|case| case.run.active && !case.incident.state.is_over());
            let line = if held {
                let words = crate::duration::duration_words(lag_ms);
                Line::new("healing_held", "Healing waits: Mendpoint itself is late (G11)")
                    .text(format!("By {words}. It goes on by itself when that is over."))
            } else {
                Line::new("healing_resumed", "Healing goes on: Mendpoint is in time again (G11)")
            };
            if healed {
                self.say(&cx, id, line);
            }
            self.tend(&cx, id);
        }
        self.flush(now, out);
    }

    /// Why nothing at all is sent now, of the engine's own accord (G11).
    pub fn held(&self, _now: UnixMs) -> Option<&'static str> {
        self.lag.holds().or_else(|| self.fleet_hold())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_past_a_minute_and_ends_after_a_calm_one() {
        let rails = Guardrails::default();
        let mut lag = LagStop::default();
        let at = |seconds: i64| UnixMs(seconds * 1_000);
        assert!(!lag.note(&rails, at(0), 60_000), "a minute is not more than a minute");
        assert!(lag.note(&rails, at(1), 60_001));
        assert!(!lag.note(&rails, at(2), 90_000), "no news");
        assert!(!lag.note(&rails, at(3), 10_001), "less, but not little");
        assert!(!lag.note(&rails, at(4), 10_000));
        assert!(!lag.note(&rails, at(63), 0), "59 s of calm");
        assert!(lag.holds().is_some());
        assert!(lag.note(&rails, at(64), 0));
        assert!(lag.holds().is_none());
    }

    #[test]
    fn a_lag_that_comes_and_goes_does_not_switch_it_on_and_off() {
        let rails = Guardrails::default();
        let mut lag = LagStop::default();
        assert!(lag.note(&rails, UnixMs(0), 70_000));
        for n in 1..20 {
            let lag_ms = if n % 2 == 0 { 30_000 } else { 0 };
            assert!(!lag.note(&rails, UnixMs(n * 40_000), lag_ms));
            assert!(lag.holds().is_some());
        }
    }
}
