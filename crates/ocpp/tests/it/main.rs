//! What the crate promises, through its public functions only: every message of both versions,
//! the behaviours of `docs` that are decided here, and input that nobody meant.

mod arbitrary;
mod authorisation;
mod canonical;
mod commands;
mod definitions;
mod documented;
mod frames;
mod fuzz;
mod replies;
mod tolerance;
mod v16;
mod v201;
