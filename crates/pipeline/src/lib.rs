//! The pipeline: events from chargers in; journal entries, answers, commands and tickets out.
//!
//! A few shards own the state of the fleet, each the whole sites given to it. What a shard decides
//! is written to the journal first; answers to transaction messages and commands to chargers leave
//! when that is on disk. Deciding itself is in the `shard` crate, without clock or disk; here are
//! the queues, the clock and the disk.
//!
//! Read [`Pipeline`], [`Handle`] and [`Incoming`] first.

mod access;
mod actor;
mod admission;
mod attempts;
mod audited;
mod board;
mod burn;
mod capabilities;
mod cards;
mod clock;
mod commands;
mod conformance;
mod desk;
mod directory;
mod duty;
mod error;
mod handle;
mod hindsight;
mod history;
mod kept;
mod keyring;
mod kpi;
mod kpi_gauges;
mod lag;
mod message;
mod metrics;
mod outbound;
mod oversight;
mod pages;
mod pipeline;
mod power;
mod pulse;
mod redact;
mod registration;
mod release;
mod replay;
mod rotation;
mod rule_book;
mod security_log;
mod settings;
mod shard_task;
mod switches;
#[cfg(test)]
mod tests;
mod ties;
mod tokens;
mod topics;
mod upkeep;
mod uptime;
mod usage;
mod vitals;
mod waiting;

pub use actor::AuditActor;
pub use admission::{Admitted, Door, NotAdmitted};
pub use board::{Board, Change};
pub use commands::{Asked, CommandReport, Taken, WAIT_MAX_MS};
pub use directory::Directory;
pub use duty::{DutyCase, DutySettings, Maintenance};
pub use error::Error;
pub use handle::{ChargerSecurity, Handle, NewCharger, SecurityChange};
pub use hindsight::Hindsight;
pub use keyring::new_secret;
pub use kpi::{KpiBy, Kpis};
pub use mendpoint_cards::{TextForm, masked_card};
pub use mendpoint_shard::timeline_test::{Outcome as RuleTestOutcome, run_all as run_rule_tests};
pub use message::{Answer, Incoming, ReplyTo, Sampled};
pub use outbound::{Outbound, SendRefused};
pub use oversight::Pause;
pub use pipeline::Pipeline;
pub use pulse::Pulse;
pub use replay::{
    Progress, ReplayAsk, ReplayBoard, ReplayStatus, ReplayView, replay_past, rule_digest,
};
pub use rotation::{Rotated, UpgradeStep, UpgradeTo};
pub use rule_book::{
    CheckedRule, NewRuleText, NewerText, RuleDraft, RuleEdits, RuleKind, rules_in_force,
};
pub use security_log::SecurityNote;
pub use settings::{IdentityCase, PipelineSettings, PowerHook, UnknownChargers};
pub use switches::Switched;
pub use topics::{Topics, Versions};
pub use uptime::{PortTally, UptimeScope};
pub use vitals::Vitals;
