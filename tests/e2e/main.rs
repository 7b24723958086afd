//! End-to-end tests: the real program, started as its users start it.

mod commands;
mod conformance;
mod direction;
mod input;
mod kill;
mod kit;
mod restart;
mod tickets;
