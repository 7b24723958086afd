//! What became of faults that a rule in shadow mode only wrote a step down for (G10).

use mendpoint_model::UnixMs;
use serde::{Deserialize, Serialize};

/// How a shadowed fault ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    /// Nobody did anything: the step would have been for nothing.
    Itself,
    /// A person did something: the step might have saved that.
    Person,
    /// A step for another incident ended it.
    Neighbour,
}

/// What a rule in shadow mode would have done, and what became of it without that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowTally {
    /// Steps that were only written down.
    pub steps: u64,
    /// Of these: the fault went away by itself.
    pub by_itself: u64,
    /// A person ended it.
    pub by_person: u64,
    /// A step for another incident of the charger ended it.
    pub by_neighbour: u64,
    /// When the first of them was written down.
    pub since: Option<UnixMs>,
}

impl ShadowTally {
    pub(crate) fn step(&mut self, now: UnixMs) {
        self.steps += 1;
        self.since.get_or_insert(now);
    }

    pub(crate) fn truth(&mut self, truth: Truth) {
        match truth {
            Truth::Itself => self.by_itself += 1,
            Truth::Person => self.by_person += 1,
            Truth::Neighbour => self.by_neighbour += 1,
        }
    }
}
