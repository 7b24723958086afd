//! The shared words of Mendpoint: ids, time, what chargers report, what we ask of them, what is
//! known of them, and incidents.
//!
//! This crate decides nothing and does no IO. Read [`ChargerEvent`], [`ChargerState`] and
//! [`Incident`] first: the way of a message is event, state, incident.

mod capability;
mod command;
mod desired;
mod device;
mod event;
mod figures;
mod finding;
mod hours;
mod id;
mod incident;
mod markup;
mod registry;
mod security;
mod state;
mod ties;
mod time;
mod token;

pub use capability::*;
pub use command::*;
pub use desired::*;
pub use device::*;
pub use event::*;
pub use figures::*;
pub use finding::*;
pub use hours::Hours;
pub use id::*;
pub use incident::*;
pub use markup::*;
pub use registry::*;
pub use security::*;
pub use state::*;
pub use ties::*;
pub use time::*;
pub use token::*;
