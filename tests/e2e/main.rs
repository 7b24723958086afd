//! End-to-end tests: the real program, started as its users start it.

#[path = "../../crates/gateway/tests/it/authority.rs"]
#[expect(dead_code, reason = "shared with the tests of the gateway, which use other parts")]
mod authority;
mod commands;
mod conformance;
mod direction;
mod docs;
mod input;
mod kill;
mod kit;
mod restart;
mod security;
mod tickets;
