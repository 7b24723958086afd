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
//! What it deliberately does not do: read a database, or play what people did. Read [`Replay`],
//! [`Run`] and [`Report`] first.

mod answer;
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

pub use desk::DeskSettings;
pub use found::{Found, WouldBe};
pub use past::{Direction, PastFrame, PastLink, Start};
pub use replay::{Replay, ReplaySettings, Run};
pub use report::{Kinship, Notes, Pair, Proxies, Report, RuleReport, Span};
