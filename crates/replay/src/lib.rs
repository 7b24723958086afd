//! The past, lived through once more: stored frames go through the same decoder, the same fleet and
//! the same engine as they did live, with other rules, and what comes of it is held against what
//! happened.
//!
//! Pure: frames and changes of connections come in in the order of their time of receipt, a
//! [`Run`] comes out. The same past and the same rules give the same run, byte for byte. Nothing is
//! sent: what the engine would have sent is written down. An answer that really came in the log is
//! given to it; a command that nobody sent live is taken as accepted and without effect, because
//! the log goes on as it was.
//!
//! Who is handed what, and how fast budgets of uptime are used up, is decided as live too. When our own
//! server did not run the replay stands still, and begins anew with what the server kept.
//!
//! What people did to an incident live is done to the one that stands for it, where it is open.
//!
//! What it deliberately does not do: read a database, or know what people would have done to an incident
//! that live had not. Read [`Replay`],
//! [`Run`] and [`Report`] first.

mod answer;
mod budget;
mod desk;
mod found;
pub mod hindsight;
mod order;
mod past;
mod replay;
mod report;
#[cfg(test)]
mod tests;
mod wire;

pub use budget::BudgetSettings;
pub use desk::DeskSettings;
pub use found::{Found, WouldBe};
pub use past::{Deed, Direction, PastAct, PastFrame, PastLink, PastSubject, Start};
pub use replay::{Replay, ReplaySettings, Run};
pub use report::{Kinship, Notes, Pair, Proxies, Report, RuleReport, Span};
