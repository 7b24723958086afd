//! Uptime ledgers: for every connector and minute one class, kept as spans, and the formulas of the
//! rules that ask for them as functions over it.
//!
//! The class of a minute is the one that holds at its beginning. Spans are folded from what is
//! known of a charger ([`fold`]); fold the same again, with late messages among it, and the ledger
//! is what it would have been. Exclusions and opening hours are laid over it when it is read
//! ([`tally`]), so that a decision of a person counts at once. Pure: no clock, no database.
//!
//! Read [`Span`], [`Tally`] and the formulas in [`formula`] first.

mod burn;
mod exclusion;
mod fold;
pub mod formula;
mod history;
mod link;
mod propose;
mod rounds;
mod span;
mod tally;

pub use burn::{Burn, BurnLevel, TARGET_PERCENT, burn, projected_percent};
pub use exclusion::{Decision, Exclusion, Reason};
pub use fold::{Observed, Said, fold, losses, mend, overlay};
pub use history::{History, Unseen};
pub use link::{Link, Stop};
pub use mendpoint_model::Hours;
pub use propose::{Gap, Proposal, propose};
pub use rounds::{EVERY_MS, Rounds, may_lose};
pub use span::{Class, Span};
pub use tally::{Tally, tally};
