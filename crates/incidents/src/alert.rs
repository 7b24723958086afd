//! One rule on one subject: pending until the condition has lasted, firing until it is over.

use std::collections::VecDeque;

use mendpoint_model::{CommandId, ConnectorRef, IncidentId, UnixMs};
use smallvec::SmallVec;

use crate::predicate::Holds;

/// The most things that are counted at a time; a rule may ask for 1,000 (behaviour 71).
const COUNTED_MAX: usize = 1_024;

/// An alert. One that is inactive does not exist.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    /// The rule's place in the program.
    pub(crate) rule: u16,
    /// The subject.
    pub(crate) at: ConnectorRef,
    /// Since when the condition holds.
    pub(crate) began: Option<UnixMs>,
    pub(crate) phase: Phase,
    /// Whether the condition holds now, as far as was seen.
    pub(crate) holding: bool,
    /// When the condition was last seen to end, since it fires.
    pub(crate) gone_at: Option<UnixMs>,
    /// Since when each of the rule's clears holds.
    pub(crate) clear_since: SmallVec<[Option<UnixMs>; 2]>,
    /// How often what a clear counts has happened since it fired.
    pub(crate) clear_counts: SmallVec<[u32; 2]>,
    /// What a counting rule has counted, oldest first, with what it is told apart by.
    pub(crate) counted: VecDeque<(UnixMs, Box<str>)>,
    pub(crate) armed: Option<UnixMs>,
}

/// Where an alert stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The condition may hold, but not long enough.
    Pending,
    /// It held long enough; a sign of life was asked for before it fires.
    Probing { command: CommandId, sent_at: UnixMs },
    /// It fires, and this incident explains it: none of its own is opened.
    Inhibited(IncidentId),
    /// It fires.
    Firing(IncidentId),
}

/// What to do with a pending alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Forget it.
    Drop,
    /// Look again then.
    Wait(UnixMs),
    /// It fires; the condition began then.
    Fire(UnixMs),
}

impl Alert {
    pub(crate) fn new(rule: u16, at: ConnectorRef, clears: usize) -> Self {
        Self {
            rule,
            at,
            began: None,
            phase: Phase::Pending,
            holding: false,
            gone_at: None,
            clear_since: smallvec::smallvec![None; clears],
            clear_counts: smallvec::smallvec![0; clears],
            counted: VecDeque::new(),
            armed: None,
        }
    }

    /// The incident it belongs to, when it fires.
    pub(crate) fn incident(&self) -> Option<IncidentId> {
        match self.phase {
            Phase::Firing(id) => Some(id),
            _ => None,
        }
    }

    /// Judges a condition that has not fired. `not_before` is the end of a startup grace.
    pub(crate) fn pend(
        &mut self,
        holds: Holds,
        now: UnixMs,
        for_ms: i64,
        not_before: UnixMs,
    ) -> Next {
        if holds.until <= now || holds == Holds::NEVER {
            return Next::Drop;
        }
        if holds.from > now {
            self.began = None;
            self.holding = false;
            return Next::Wait((holds.from + for_ms).max(not_before));
        }
        self.holding = true;
        let began = match self.began {
            Some(began) if holds.from <= began => began,
            _ if holds.from == UnixMs(i64::MIN) => now,
            _ => holds.from,
        };
        self.began = Some(began);
        let due = (began + for_ms).max(not_before);
        if due <= now { Next::Fire(began) } else { Next::Wait(due.min(holds.until)) }
    }

    /// Counts one more thing; says how many are in the window, ends included, and how many
    /// different ones.
    pub(crate) fn count(&mut self, now: UnixMs, within_ms: i64, mark: &str) -> (u32, u32) {
        if self.counted.len() == COUNTED_MAX {
            self.counted.pop_front();
        }
        self.counted.push_back((now, mark.into()));
        self.forget_counted(now, within_ms);
        let mut marks: Vec<&str> = self
            .counted
            .iter()
            .map(|(_, mark)| mark.as_ref())
            .filter(|mark| !mark.is_empty())
            .collect();
        marks.sort_unstable();
        marks.dedup();
        (self.counted.len() as u32, marks.len() as u32)
    }

    /// Forgets what has left the window.
    pub(crate) fn forget_counted(&mut self, now: UnixMs, within_ms: i64) {
        while self.counted.front().is_some_and(|(at, _)| now.since_ms(*at) > within_ms) {
            self.counted.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert() -> Alert {
        Alert::new(0, ConnectorRef::CHARGER, 1)
    }

    const NONE: UnixMs = UnixMs(0);

    #[test]
    fn it_fires_after_its_time_and_not_before() {
        let mut alert = alert();
        let always = Holds::ALWAYS;
        assert_eq!(alert.pend(always, UnixMs(100), 60, NONE), Next::Wait(UnixMs(160)));
        assert_eq!(alert.pend(always, UnixMs(159), 60, NONE), Next::Wait(UnixMs(160)));
        assert_eq!(alert.pend(always, UnixMs(160), 60, NONE), Next::Fire(UnixMs(100)));
        assert_eq!(alert.pend(Holds::NEVER, UnixMs(161), 60, NONE), Next::Drop);
    }

    #[test]
    fn a_sign_of_life_moves_the_moment_without_a_timer() {
        let mut alert = alert();
        let silent = |since: i64| Holds { from: UnixMs(since + 120), until: UnixMs(i64::MAX) };
        assert_eq!(alert.pend(silent(0), UnixMs(0), 600, NONE), Next::Wait(UnixMs(720)));
        assert_eq!(alert.pend(silent(700), UnixMs(720), 600, NONE), Next::Wait(UnixMs(1_420)));
        assert_eq!(alert.pend(silent(700), UnixMs(1_420), 600, NONE), Next::Fire(UnixMs(820)));
    }

    #[test]
    fn the_grace_of_a_start_holds_it_back() {
        let mut alert = alert();
        let grace = UnixMs(1_000);
        assert_eq!(alert.pend(Holds::ALWAYS, UnixMs(100), 60, grace), Next::Wait(grace));
        assert_eq!(alert.pend(Holds::ALWAYS, grace, 60, grace), Next::Fire(UnixMs(100)));
    }

    #[test]
    fn the_window_includes_both_ends() {
        let mut alert = alert();
        assert_eq!(alert.count(UnixMs(0), 3_600, "A"), (1, 1));
        assert_eq!(alert.count(UnixMs(10), 3_600, "A"), (2, 1));
        assert_eq!(alert.count(UnixMs(3_600), 3_600, "B"), (3, 2));
        assert_eq!(alert.count(UnixMs(3_601), 3_600, ""), (3, 2));
    }
}
