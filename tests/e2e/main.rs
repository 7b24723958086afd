//! End-to-end tests: the real program, started as its users start it; on SQLite, or on `PostgreSQL` with
//! `MENDPOINT_TEST_DATABASE=postgres scripts/with-postgres cargo nextest run --test e2e`.

#[path = "../../crates/gateway/tests/it/authority.rs"]
#[expect(dead_code, reason = "shared with the tests of the gateway, which use other parts")]
mod authority;
mod backup;
mod commands;
mod conformance;
mod database;
mod direction;
mod docs;
mod input;
mod kill;
mod kit;
mod oracle;
mod replay;
mod restart;
mod restore;
mod rolling;
mod rotation;
mod security;
mod tickets;
mod uptime;
