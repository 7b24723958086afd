//! Tests against real databases: files in a temporary folder, and a PostgreSQL server where one
//! is named by `MENDPOINT_TEST_POSTGRES_URL` (an empty database; run with `--ignored`).

mod frames;
mod journal;
mod kit;
mod migrations;
mod story;
mod story_audit;
mod story_conformance;
mod story_device;
mod story_money;
mod story_people;
mod story_tickets;
