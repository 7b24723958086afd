//! The live state of chargers: the fold of [`ChargerEvent`](mendpoint_model::ChargerEvent)s into
//! [`ChargerState`](mendpoint_model::ChargerState), and the
//! [`Fact`](mendpoint_model::Fact)s of what each event changed.
//!
//! Pure: no clock, no socket, no database. Time comes with the events and with
//! [`Fleet::advance`]; the same events give the same states and facts, byte for byte.
//!
//! This crate decides nothing about incidents, numbers no transactions and sends nothing. What it
//! does own are the habits of real chargers: two connections at once, clocks that are years off,
//! queues that are replayed hours late, transactions that are forgotten over a reboot. The numbers
//! in brackets, `(behaviour 32)`, name the rows of the list of charger behaviours.
//!
//! Read [`Fleet`] first, then the modules in the way of a message: `link`, `status`,
//! `transaction`, `meter`, `trace`, `checks`.

mod cell;
mod checks;
mod clock;
mod closing;
mod command;
mod fleet;
mod link;
mod meter;
mod recent;
mod report;
mod sequence;
mod settings;
mod slot;
mod status;
mod trace;
mod transaction;
mod waiting;

#[cfg(test)]
mod behaviours;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod money;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod waits;

pub use fleet::Fleet;
pub use mendpoint_model::Overlay;
pub use sequence::missing_words;
pub use settings::FleetSettings;
pub use waiting::{Checked, RoomFull, Verdict, WAITING_MAX, WaitingRoom, check};
