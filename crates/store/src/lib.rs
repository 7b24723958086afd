//! The database: SQLite by default, PostgreSQL behind the same functions.
//!
//! Two ways in. What must be on disk before the world hears of it goes through the [`Journal`]:
//! many tasks add [`Entry`]s, one writes them in groups, and a number says how far it got.
//! Everything else is a function of [`Store`]: lists by page, single things, what people change.
//! Raw frames have a log of their own, [`FrameLog`].
//!
//! This crate decides nothing: it knows no rule, no ticket state and no OCPP message.
//!
//! Read [`Store`], [`Journal`] and [`Entry`] first.

mod audit;
mod charger;
mod charger_state;
mod claim;
mod command;
mod commit;
mod conformance;
mod credential;
mod cursor;
mod db;
mod entry;
mod error;
mod frame_block;
mod frame_log;
mod history;
mod id_token;
mod incident;
mod journal;
mod metrics;
mod migration;
mod outbox;
mod report;
mod row_id;
mod settings;
mod sheet;
mod site;
mod store;
mod ticket;
mod transaction;
mod user;
mod value;

#[cfg(test)]
mod tests;

pub use audit::AuditRow;
pub use charger_state::HighestIds;
pub use claim::ServerClaim;
pub use command::CommandRow;
pub use conformance::{
    ConformanceChange, DeviationCount, DeviationKey, DeviationRow, ModelKey, ModelRow,
};
pub use credential::{AccessRow, Credential, Slot};
pub use cursor::{Cursor, PAGE_MAX, Page};
pub use entry::Entry;
pub use error::{Error, Result};
pub use frame_block::{Direction, FrameBlock, FrameRecord};
pub use frame_log::{FrameLog, FrameTimes};
pub use history::{LinkChangeRow, SecurityRow, StateChangeRow};
pub use id_token::{IdTokenRow, TokenStatus};
pub use incident::{HourStats, IncidentCounts, IncidentFilter};
pub use journal::{Journal, JournalHealth};
pub use outbox::{MailRow, MailState, NewMail};
pub use report::ReportRow;
pub use settings::StoreSettings;
pub use store::Store;
pub use ticket::{TicketEventRow, TicketFilter, TicketRow};
pub use transaction::{OrphanRow, TransactionRow};
pub use user::{ApiTokenRow, NewUser, SessionRow, UserRow};
