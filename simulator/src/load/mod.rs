//! A load generator for any OCPP 1.6J server on this machine, and a bare server to compare with.
//!
//! Unlike the simulated chargers of this crate these have no behaviour: they connect, boot, report
//! a status and then send a fixed mix of messages as fast as they are answered, or at a given rate.
//! It is bounded in everything and stops by itself. Read [`LoadOptions`], [`run`] and
//! [`LoadReport`].

pub mod bare;
mod charger;
mod error;
mod frames;
mod options;
mod process;
mod report;
mod run;
mod tls;

pub use error::LoadError;
pub use options::{LoadOptions, Mix, Pace};
pub use report::{LatencyReport, LoadReport, ServerReport};
pub use run::run;
pub use tls::ServerFiles;
