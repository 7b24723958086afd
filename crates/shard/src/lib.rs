//! One shard: the state of its chargers ([`Fleet`](mendpoint_fleet::Fleet)) and the engine that
//! decides about them ([`Engine`](mendpoint_incidents::Engine)), joined.
//!
//! The same [`Shard`] works live, in the timeline tests of rules ([`timeline_test`]) and in replays.
//! Pure: time comes with events and with [`Shard::advance`], whatever has to be done leaves as
//! [`Outputs`]. It keeps nothing on disk and sends nothing itself.
//!
//! A shard owns whole sites. Two shards share nothing; their numbers come from sequences that never
//! meet.

mod number;
mod outputs;
#[cfg(test)]
mod oversight_tests;
mod shard;
mod shown;
mod stage;
pub mod timeline_test;
mod trial;

#[cfg(test)]
mod clocks;
#[cfg(test)]
mod disorder;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod late;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reboots;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_upkeep;
#[cfg(test)]
mod weeks;

pub use outputs::Outputs;
pub use shard::Shard;
pub use shown::shown_status;
pub use trial::Trial;
