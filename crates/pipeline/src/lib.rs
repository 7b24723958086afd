//! The pipeline: events from chargers in; journal entries, answers, commands and tickets out.
//!
//! A few shards own the state of the fleet, each the whole sites given to it. What a shard decides
//! is written to the journal first; answers to transaction messages and commands to chargers leave
//! when that is on disk. Deciding itself is in the `shard` crate, without clock or disk; here are
//! the queues, the clock and the disk.
//!
//! Read [`Pipeline`], [`Handle`] and [`Incoming`] first.

mod admission;
mod attempts;
mod board;
mod clock;
mod commands;
mod conformance;
mod desk;
mod directory;
mod error;
mod handle;
mod history;
mod message;
mod metrics;
mod outbound;
mod pipeline;
mod registration;
mod release;
mod settings;
mod shard_task;
mod topics;
mod vitals;
mod waiting;

#[cfg(test)]
mod tests;

pub use admission::{Admitted, NotAdmitted};
pub use board::{Board, Change};
pub use commands::{Asked, CommandReport, Taken, WAIT_MAX_MS};
pub use directory::Directory;
pub use error::Error;
pub use handle::{Handle, NewCharger};
pub use message::{Answer, Incoming, ReplyTo, Sampled};
pub use outbound::{Outbound, SendRefused};
pub use pipeline::Pipeline;
pub use settings::{PipelineSettings, UnknownChargers};
pub use topics::{Topics, Versions};
pub use vitals::Vitals;
