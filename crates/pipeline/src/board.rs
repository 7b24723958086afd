//! The board: one byte a charger, what the honeycomb shows, and the last changes of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use mendpoint_model::{CellState, ChargerKey};

/// How many changes are remembered for pages that lost the live feed for a moment. A page that was
/// away for longer reads the whole board again, which costs one byte a charger.
const REMEMBERED_CHANGES: usize = 65_536;

/// The state of every charger as one byte, indexed by [`ChargerKey`].
#[derive(Debug, Default)]
pub struct Board {
    cells: RwLock<Vec<AtomicU8>>,
    seq: AtomicU64,
    changes: Mutex<VecDeque<Change>>,
}

/// One change of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Growing number of the change.
    pub seq: u64,
    /// The charger.
    pub charger: ChargerKey,
    /// Its new state.
    pub state: CellState,
}

/// The number that stands for "no such charger" in a snapshot.
const EMPTY: u8 = u8::MAX;

impl Board {
    /// Writes a cell. Cheap when nothing changed: one relaxed read.
    pub fn set(&self, charger: ChargerKey, state: CellState) {
        let index = charger.0 as usize;
        let new = state as u8;
        {
            let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
            match cells.get(index) {
                Some(cell) if cell.load(Ordering::Relaxed) == new => return,
                Some(cell) => cell.store(new, Ordering::Relaxed),
                None => {
                    drop(cells);
                    let mut cells = self.cells.write().unwrap_or_else(PoisonError::into_inner);
                    if cells.len() <= index {
                        cells.resize_with(index + 1, || AtomicU8::new(EMPTY));
                    }
                    cells[index].store(new, Ordering::Relaxed);
                }
            }
        }
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = self.seq.load(Ordering::Relaxed) + 1;
        changes.push_back(Change { seq, charger, state });
        if changes.len() > REMEMBERED_CHANGES {
            changes.pop_front();
        }
        self.seq.store(seq, Ordering::Release);
    }

    /// The number of the newest change.
    pub fn seq(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }

    /// The state of one charger.
    pub fn get(&self, charger: ChargerKey) -> Option<CellState> {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        CellState::from_u8(cells.get(charger.0 as usize)?.load(Ordering::Relaxed))
    }

    /// The newest change's number, and the chargers that have a state.
    pub fn snapshot(&self) -> (u64, Vec<(ChargerKey, CellState)>) {
        // The number first: a change that lands while the cells are read is then sent once more,
        // which is harmless, instead of being missed.
        let seq = self.seq();
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        let states = cells
            .iter()
            .enumerate()
            .filter_map(|(index, cell)| {
                Some((ChargerKey(index as u32), CellState::from_u8(cell.load(Ordering::Relaxed))?))
            })
            .collect();
        (seq, states)
    }

    /// The changes after `seq`, the newest of each charger only, or `None` when they are no longer
    /// all remembered and the whole board has to be read.
    pub fn changes_since(&self, seq: u64) -> Option<(u64, Vec<(ChargerKey, CellState)>)> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.seq();
        if seq == newest {
            return Some((newest, Vec::new()));
        }
        let oldest = changes.front()?.seq;
        if seq + 1 < oldest || seq > newest {
            return None;
        }
        let mut latest = std::collections::BTreeMap::new();
        for change in changes.range((seq + 1 - oldest) as usize..) {
            latest.insert(change.charger, change.state);
        }
        Some((newest, latest.into_iter().collect()))
    }

    /// How many chargers are in each state, by the number of the state.
    pub fn counts(&self) -> [usize; 9] {
        let mut counts = [0; 9];
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        for cell in cells.iter() {
            if let Some(count) = counts.get_mut(usize::from(cell.load(Ordering::Relaxed))) {
                *count += 1;
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_only_when_it_is_one() {
        let board = Board::default();
        board.set(ChargerKey(3), CellState::Available);
        board.set(ChargerKey(3), CellState::Available);
        assert_eq!(board.seq(), 1);
        board.set(ChargerKey(3), CellState::Faulted);
        board.set(ChargerKey(1), CellState::Offline);
        let (seq, changes) = board.changes_since(1).expect("remembered");
        assert_eq!(seq, 3);
        assert_eq!(
            changes,
            [(ChargerKey(1), CellState::Offline), (ChargerKey(3), CellState::Faulted)]
        );
        assert_eq!(board.changes_since(3), Some((3, Vec::new())));
        assert_eq!(board.changes_since(9), None, "a number from before a restart reads all anew");
        assert_eq!(board.snapshot().1.len(), 2);
        assert_eq!(board.counts()[CellState::Faulted as usize], 1);
    }

    #[test]
    fn what_was_forgotten_is_read_anew() {
        let board = Board::default();
        for round in 0..REMEMBERED_CHANGES + 10 {
            let state = if round % 2 == 0 { CellState::Available } else { CellState::Charging };
            board.set(ChargerKey(0), state);
        }
        assert_eq!(board.changes_since(1), None);
        assert!(board.changes_since(board.seq() - 5).is_some());
    }
}
