//! The pipeline with a database of its own, and nothing else.

mod admission;
mod duty;
mod kit;
mod outage;
mod passwords;
mod secrets;
mod upgrade;
mod uptime;
mod wide;
