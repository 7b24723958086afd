//! What repairs taught: which rung helps which model against which code, how long models take to
//! start, and at which hours sites are used least (1.6).
//!
//! Pure: outcomes and moments go in, estimates and choices come out; chance comes from a seed.

mod boots;
mod choose;
mod dice;
mod evidence;
mod usage;
mod wilson;

pub(crate) use boots::{Boots, Times};
pub(crate) use choose::{Choice, Situation, choose, is_chosen, share_words};
pub(crate) use evidence::Evidence as Learned;
pub(crate) use evidence::Lesson;
pub use evidence::{LearnedRow, Tally};
pub(crate) use usage::{Usage, next_hour};
pub use wilson::{Bounds, wilson};
