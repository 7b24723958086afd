//! What a charger is asked about itself, and when.
//!
//! After a connection has held for a while, an idle charger is asked for its configuration (1.6) or
//! its inventory (2.x), gets the monitors of 2.2b, and is asked for its radio link where a vendor
//! profile says how. One question at a time, each once a connection, spread over the fleet; what a
//! charger or its model does not know is not asked again (behaviours 22, 64).
//!
//! Pure: time comes with events and with [`Upkeep::advance`]; what is to be done leaves as
//! [`UpkeepEffect`]s. It repairs nothing and judges nothing: that is the engine's.
//!
//! Read [`Upkeep`], [`Progress`] and [`Profiles`] first.

mod alias;
mod answers;
mod ledger;
mod monitors;
mod prepare;
mod profile;
mod progress;
mod questions;
mod settings;
mod signal;
mod task;
mod upkeep;
mod ward;

#[cfg(test)]
mod kit;
#[cfg(test)]
mod tests;

pub use alias::{Alias, Note, Told};
pub use profile::{ConfirmedKey, Profile, ProfileProblem, Profiles, ReadingRule, Source};
pub use progress::{Line, Monitors, Progress, Refusal, Stage, Wanted};
pub use settings::UpkeepSettings;
pub use signal::{Guess, guess};
pub use upkeep::{Upkeep, UpkeepEffect};
