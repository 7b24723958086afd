//! Tests against real databases: files in a temporary folder, and a PostgreSQL server, whose tests
//! have `postgres` in their names and are left out, visibly, where there is none:
//! `scripts/with-postgres cargo nextest run -p mendpoint-store --run-ignored all`.

mod backup;
mod frames;
mod growth;
mod journal;
mod killed;
mod kit;
mod migrations;
mod parity;
mod past;
pub(crate) mod postgres;
mod story;
mod story_audit;
mod story_conformance;
mod story_correlation;
mod story_device;
mod story_duty;
mod story_history;
mod story_memory;
mod story_money;
mod story_people;
mod story_privacy;
mod story_rules;
mod story_tickets;
mod story_uptime;
