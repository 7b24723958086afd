//! End-to-end tests: the real program, started as its users start it.

mod direction;
mod kill;
mod kit;
