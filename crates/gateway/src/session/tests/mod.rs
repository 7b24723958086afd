//! Sessions over an in-memory pipe, in paused time: hours pass in milliseconds.

mod commands;
mod ending;
mod kit;
mod messages;
mod security;
mod versions;
