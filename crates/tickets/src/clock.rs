//! Clocks of the service level: when somebody has to have taken the ticket, and when the charger has
//! to work again.
//!
//! A clock is never a counter that somebody adds to: it is folded from the events, all day and all
//! week (24x7), and can be folded again at any time with the same result.

use mendpoint_model::{DAY_MS, HOUR_MS, MINUTE_MS, Priority, UnixMs};
use serde::{Deserialize, Serialize};

/// What is promised for a priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets {
    /// Until somebody took it, milliseconds.
    pub respond_ms: i64,
    /// Until it is mended, milliseconds.
    pub repair_ms: i64,
}

impl Targets {
    /// What is promised for a priority: P1 30 min and 4 h, P2 1 h and 8 h, P3 8 h and 3 days,
    /// P4 3 days and 14 days.
    pub fn of(priority: Priority) -> Self {
        let (respond_ms, repair_ms) = match priority {
            Priority::P1 => (30 * MINUTE_MS, 4 * HOUR_MS),
            Priority::P2 => (HOUR_MS, 8 * HOUR_MS),
            Priority::P3 => (8 * HOUR_MS, 3 * DAY_MS),
            Priority::P4 => (3 * DAY_MS, 14 * DAY_MS),
        };
        Self { respond_ms, repair_ms }
    }
}

/// One clock of one ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// What is promised, milliseconds.
    pub target_ms: i64,
    /// What was spent in runs that are over, milliseconds.
    pub spent_ms: i64,
    /// Since when it runs; `None` while it stands still.
    pub running_since: Option<UnixMs>,
    /// When it was stopped for good; a reopened ticket lets it run on.
    pub stopped_at: Option<UnixMs>,
    /// When the promise was broken, as far as ended runs tell. Never taken back.
    pub breached_at: Option<UnixMs>,
}

/// How a clock stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockState {
    /// It runs; due then.
    Running {
        /// When it is due.
        due_at: UnixMs,
    },
    /// It stands still; so much would be left.
    Paused {
        /// Milliseconds left; negative when the promise is broken already.
        remaining_ms: i64,
    },
    /// Done in time.
    Met {
        /// When it was done.
        at: UnixMs,
    },
    /// Not done in time.
    Breached {
        /// When the promise was broken.
        at: UnixMs,
    },
}

impl Clock {
    /// A clock that starts to run.
    pub(crate) fn started(target_ms: i64, at: UnixMs) -> Self {
        Self { target_ms, running_since: Some(at), ..Self::default() }
    }

    /// When it is due; `None` while it stands still.
    pub fn due_at(&self) -> Option<UnixMs> {
        self.running_since.map(|since| since + self.target_ms.saturating_sub(self.spent_ms))
    }

    /// How it stands.
    pub fn state(&self, now: UnixMs) -> ClockState {
        let breached_at = self.breached_at.or_else(|| self.due_at().filter(|&due| due < now));
        match (breached_at, self.due_at(), self.stopped_at) {
            (Some(at), _, _) => ClockState::Breached { at },
            (None, Some(due_at), _) => ClockState::Running { due_at },
            (None, None, Some(at)) => ClockState::Met { at },
            (None, None, None) => {
                ClockState::Paused { remaining_ms: self.target_ms.saturating_sub(self.spent_ms) }
            }
        }
    }

    /// Ends the run, for now.
    pub(crate) fn pause(&mut self, at: UnixMs) {
        let Some(since) = self.running_since.take() else { return };
        let left_ms = self.target_ms.saturating_sub(self.spent_ms);
        let run_ms = at.since_ms(since).max(0);
        if run_ms > left_ms {
            self.breached_at.get_or_insert(since + left_ms);
        }
        self.spent_ms = self.spent_ms.saturating_add(run_ms);
    }

    /// Ends the run for good.
    pub(crate) fn stop(&mut self, at: UnixMs) {
        if self.stopped_at.is_none() {
            self.pause(at);
            self.stopped_at = Some(at);
        }
    }

    /// Runs on after a pause; a stopped clock stays stopped.
    pub(crate) fn resume(&mut self, at: UnixMs) {
        if self.stopped_at.is_none() && self.running_since.is_none() {
            self.running_since = Some(at);
        }
    }

    /// Runs on after it was stopped: the time in between does not count.
    pub(crate) fn reopen(&mut self, at: UnixMs) {
        self.stopped_at = None;
        self.resume(at);
    }
}

/// A time for people: `2026-09-21 15:13 UTC`. The seconds of a promise are of no use to anybody.
pub(crate) fn time_words(at: UnixMs) -> String {
    let text = at.rfc3339();
    match text.split_once('T') {
        Some((day, time)) => format!("{day} {} UTC", &time[..time.floor_char_boundary(5)]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMs = UnixMs(1_790_000_000_000);

    #[test]
    fn a_pause_moves_the_due_time_by_its_length() {
        let mut clock = Clock::started(4 * HOUR_MS, START);
        assert_eq!(clock.due_at(), Some(START + 4 * HOUR_MS));
        clock.pause(START + HOUR_MS);
        assert_eq!(clock.due_at(), None);
        assert_eq!(
            clock.state(START + 9 * HOUR_MS),
            ClockState::Paused { remaining_ms: 3 * HOUR_MS }
        );
        clock.resume(START + 11 * HOUR_MS);
        assert_eq!(clock.due_at(), Some(START + 14 * HOUR_MS));
        clock.stop(START + 14 * HOUR_MS);
        assert_eq!(clock.state(START + 99 * HOUR_MS), ClockState::Met { at: START + 14 * HOUR_MS });
    }

    #[test]
    fn a_broken_promise_stays_broken_at_the_moment_it_broke() {
        let mut clock = Clock::started(HOUR_MS, START);
        clock.pause(START + HOUR_MS / 2);
        clock.resume(START + 2 * HOUR_MS);
        let broken = START + 2 * HOUR_MS + HOUR_MS / 2;
        assert_eq!(clock.state(broken), ClockState::Running { due_at: broken });
        assert_eq!(clock.state(broken + 1), ClockState::Breached { at: broken });
        clock.pause(START + 5 * HOUR_MS);
        assert_eq!(clock.state(START + 6 * HOUR_MS), ClockState::Breached { at: broken });
        clock.stop(START + 7 * HOUR_MS);
        assert_eq!(clock.state(START + 8 * HOUR_MS), ClockState::Breached { at: broken });
    }

    #[test]
    fn splitting_a_run_changes_nothing() {
        let mut whole = Clock::started(HOUR_MS, START);
        let mut split = whole;
        for minute in 1..90 {
            split.pause(START + minute * MINUTE_MS);
            split.resume(START + minute * MINUTE_MS);
        }
        whole.stop(START + 90 * MINUTE_MS);
        split.stop(START + 90 * MINUTE_MS);
        assert_eq!(whole, split);
    }
}
