//! How good the engine is, measured: a fleet of simulated chargers with a published fault mix lives
//! through weeks in virtual time, in one thread and without sockets, under the same shard that works
//! live. What is true is what the simulator did, never what the engine believes.
//!
//! The same seed, mix and rules give the same report. Read [`Mix`], [`run`] and [`Report`] first.

mod book;
mod compare;
mod disk;
mod line;
mod mix;
mod pages;
mod report;
mod truth;
mod world;

pub use compare::{Comparison, compare};
pub use mix::{Cause, Mix};
pub use pages::PageReport;
pub use report::{CauseReport, Gate, Report};
pub use world::{QualitySettings, run};
