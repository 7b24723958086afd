//! Simulated chargers that talk to any OCPP server over real `WebSocket`s.
//!
//! A library and the engine behind `mendpoint simulate` and `mendpoint demo`. Chargers of OCPP 1.6J
//! and 2.0.1 boot, report, charge cars, break, heal and answer every command of their version. What
//! they send is made with the types of the crate rust-ocpp, so that a server is tested against
//! words that somebody else wrote.
//!
//! Read first: [`ChargerCore`], the charger as a state machine without sockets and clocks;
//! [`Scenario`], what fleet there is and what happens to it; [`Simulation`], both over the network.
//! [`Charger`] is a single one for tests.
//!
//! What it deliberately does not do: TLS (put a proxy in front; only the load generator speaks it),
//! certificates, and any check of the server beyond reading its answers.

mod behaviour;
mod charger;
mod core;
mod error;
mod fault;
pub mod load;
mod reporter;
mod scenario;
mod seed;
mod shell;
mod simulation;
mod spec;
mod stats;
mod target;
mod v16;
mod v201;

pub use behaviour::Behaviour;
pub use charger::{Charger, ReceivedCommand, View};
pub use core::ChargerCore;
pub use core::io::{Act, Input, Note, Output};
pub use error::{ScenarioProblem, SimulatorError};
pub use fault::{Cure, ERROR_CODES, Fault, Shows, component_of};
pub use reporter::{DriverReport, Reporter};
pub use scenario::Scenario;
pub use simulation::Simulation;
pub use spec::{ChargerSpec, Current, LinkKind, SiteSpec};
pub use stats::Stats;
pub use target::{Password, Target};
