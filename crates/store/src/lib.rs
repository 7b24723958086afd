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
mod audit_chain;
mod backup;
mod capability;
mod charger;
mod charger_state;
mod charging_profile;
mod claim;
mod command;
mod commit;
mod conformance;
mod correlation;
mod credential;
mod cursor;
mod db;
mod desired;
mod device;
mod device_sheet;
mod duty;
mod entry;
mod erasure;
mod error;
mod frame_block;
mod frame_log;
mod history;
mod id_token;
mod incident;
mod journal;
mod kpi;
mod local_list;
mod memory;
mod metrics;
mod migration;
mod outbox;
mod past;
mod photo;
mod private;
mod report;
mod reservation;
mod row_id;
mod rule;
mod safety_copy;
mod settings;
mod sheet;
mod site;
mod store;
mod summary;
mod suspect;
mod ticket;
mod transaction;
mod trial;
mod trouble;
mod uptime;
mod usage;
mod user;
mod value;
mod words;

#[cfg(test)]
mod tests;

pub use audit::{AuditHead, AuditRow, AuditVerdict};
pub use backup::{
    Manifest, RestoreOptions, Restored, automatic_backups, backup_name, make_backup, newest_backup,
    prune_backups, restore_backup, verify_backup,
};
pub use capability::SignalKeyRow;
pub use charger_state::HighestIds;
pub use charging_profile::ChargingProfileRow;
pub use claim::ServerClaim;
pub use command::CommandRow;
pub use conformance::{
    ConformanceChange, DeviationCount, DeviationKey, DeviationRow, ModelKey, ModelRow,
};
pub use correlation::{MergeCount, VehicleRow};
pub use credential::{AccessRow, Credential, Slot};
pub use cursor::{Cursor, PAGE_MAX, Page};
pub use device::{VariableChangeRow, VariableRow};
pub use duty::{DutyDocument, DutyTurn};
pub use entry::Entry;
pub use erasure::{Erased, Erasure, ErasureReport, IfUnknown, is_pseudonym};
pub use error::{Error, Result};
pub use frame_block::{Direction, FrameBlock, FrameRecord, FrameView};
pub use frame_log::{FrameLog, FrameTimes};
pub use history::{LinkChangeRow, SecurityRow, StateChangeRow};
pub use id_token::{IdTokenRow, TokenFilter};
pub use incident::{HourStats, IncidentCounts, IncidentFilter};
pub use journal::{Journal, JournalHealth};
pub use kpi::ChargeDayRow;
pub use local_list::{LocalListRow, WantedList};
pub use memory::{Memory, MemoryRow};
pub use mendpoint_model::TokenStatus;
pub use migration::schema_version;
pub use outbox::{MailRow, MailState, NewMail};
pub use past::{PastFrames, PastLinks, Piece};
pub use photo::PhotoRow;
pub use report::ReportRow;
pub use reservation::{ReservationRow, ReservationState};
pub use rule::{RuleSwitchRow, RuleTextRow, RuleThresholdRow};
pub use settings::StoreSettings;
pub use store::Store;
pub use summary::{Retention, SpanRow};
pub use suspect::{FindingRow, OrphanRow};
pub use ticket::{TicketEventRow, TicketFilter, TicketOrder, TicketRow};
pub use transaction::{Look, Severity, TransactionFilter, TransactionRow, TransactionState};
pub use trial::TrialRow;
pub use trouble::{Trouble, TroubleKind};
pub use uptime::{ExclusionRow, UptimeDayRow};
pub use usage::{DayPart, PartOfUse};
pub use user::{ApiTokenRow, NewUser, SessionRow, UserRow};
pub use words::{counted, io_words};
