//! Whose budgets of uptime are looked at, and when.
//!
//! A charger that is up uses nothing up, so only those are looked at that are down now, or that were
//! within the longest window.

use std::collections::{BTreeSet, VecDeque};

use mendpoint_model::{CellState, ChargerKey, MINUTE_MS, UnixMs};

use crate::Burn;

/// How often budgets are looked at: the shortest window.
pub const EVERY_MS: i64 = 5 * MINUTE_MS;
/// How many chargers are looked at in a round; the others come in the next ones.
const ROUND_MAX: usize = 300;

/// Which chargers are looked at.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    looked_at: Option<UnixMs>,
    /// Those that used something up when they were looked at last.
    burning: BTreeSet<ChargerKey>,
    /// Those that did not have their turn, oldest first.
    waiting: VecDeque<ChargerKey>,
}

impl Rounds {
    /// When the next round is; `None` before the first one, which is due at once.
    pub fn next(&self) -> Option<UnixMs> {
        Some(self.looked_at? + EVERY_MS)
    }

    /// Whether it is time for a round.
    pub fn is_due(&self, now: UnixMs) -> bool {
        self.next().is_none_or(|at| now >= at)
    }

    /// Whether there was no round yet: then those that lost something before count as well
    /// ([`Rounds::lost_before`]).
    pub fn is_first(&self) -> bool {
        self.looked_at.is_none()
    }

    /// These lost minutes before the first round.
    pub fn lost_before(&mut self, chargers: impl IntoIterator<Item = ChargerKey>) {
        self.burning.extend(chargers);
    }

    /// The chargers whose turn it is. `down` are those that may lose minutes now ([`may_lose`]).
    pub fn turn(&mut self, now: UnixMs, down: impl Iterator<Item = ChargerKey>) -> Vec<ChargerKey> {
        self.looked_at = Some(now);
        let mut known: BTreeSet<ChargerKey> = self.waiting.iter().copied().collect();
        let all: BTreeSet<ChargerKey> = down.chain(self.burning.iter().copied()).collect();
        self.waiting.extend(all.into_iter().filter(|charger| known.insert(*charger)));
        let many = self.waiting.len().min(ROUND_MAX);
        self.waiting.drain(..many).collect()
    }

    /// What a charger uses up was worked out; whether that is to be told.
    pub fn note(&mut self, charger: ChargerKey, burn: &Burn) -> bool {
        let windows = [burn.five_minutes, burn.hour, burn.six_hours, burn.three_days];
        let was = self.burning.remove(&charger);
        let uses = windows.iter().any(|part| *part > 0.0);
        if uses {
            self.burning.insert(charger);
        }
        uses || was
    }

    /// A charger is gone.
    pub fn forget(&mut self, charger: ChargerKey) {
        self.burning.remove(&charger);
    }
}

/// Whether a charger may lose minutes now.
pub fn may_lose(cell: CellState) -> bool {
    !matches!(cell, CellState::Available | CellState::Charging | CellState::NeverSeen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_and_nobody_two_in_a_round() {
        let mut rounds = Rounds::default();
        rounds.lost_before([ChargerKey(5)]);
        let down = || (0..700).map(ChargerKey);
        let mut seen = BTreeSet::new();
        for round in 0..3 {
            let turn = rounds.turn(UnixMs(round * EVERY_MS), down());
            assert!(turn.len() <= ROUND_MAX);
            let before = seen.len();
            seen.extend(turn.iter().copied());
            assert_eq!(seen.len(), (before + turn.len()).min(700), "round {round}");
        }
        assert_eq!(seen.len(), 700);
    }

    #[test]
    fn the_end_of_a_burn_is_told_once() {
        let mut rounds = Rounds::default();
        assert!(rounds.is_first() && rounds.is_due(UnixMs(0)));
        let one = ChargerKey(1);
        let burning = Burn { three_days: 0.1, ..Burn::default() };
        assert_eq!(rounds.turn(UnixMs(0), [one].into_iter()), [one]);
        assert!(!rounds.note(one, &Burn::default()), "it never began");
        assert!(rounds.note(one, &burning));
        assert!(!rounds.is_due(UnixMs(EVERY_MS - 1)));
        assert_eq!(rounds.turn(UnixMs(EVERY_MS), std::iter::empty()), [one]);
        assert!(rounds.note(one, &Burn::default()), "it is over");
        assert!(rounds.turn(UnixMs(2 * EVERY_MS), std::iter::empty()).is_empty());
    }
}
