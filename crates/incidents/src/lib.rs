//! The incident engine: finds what is wrong with chargers, repairs what can be repaired from afar,
//! proves the repair, and hands the rest to a person.
//!
//! A pure state machine: events and moments in, effects out. It has no clock, no socket, no
//! database and no randomness; the same input gives the same effects, byte for byte. It does not
//! decode OCPP, does not keep the state of chargers (it reads it through
//! [`mendpoint_model::Chargers`]) and knows nothing of tickets but that one was asked for.
//!
//! Read [`Catalogue`] (rules and playbooks, compiled from TOML), [`Engine`] (the state machine) and
//! [`Effect`] (what it wants done) first.

mod alert;
mod attempts;
mod boots;
mod calls;
mod case;
mod catalogue;
mod codes;
mod cohort;
mod contradiction;
pub mod correlate;
#[cfg(test)]
mod crash;
mod credit;
mod duration;
mod effect;
mod engine;
mod evaluate;
mod expression;
mod figures;
pub mod flap;
mod functions;
mod gate;
mod guardrail;
mod happen;
mod heal;
mod lag;
mod learn;
mod lifecycle;
mod look;
mod memory;
mod moments;
mod news;
mod opening;
pub mod overseer;
mod parse;
mod permits;
mod playbook;
mod power;
mod predicate;
mod probe;
mod problem;
mod program;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod properties_fleet;
mod reading;
mod reload;
mod repeats;
mod report;
mod request;
mod restore;
mod rule;
mod seen;
mod settings;
mod signal;
mod silence;
#[cfg(test)]
mod specification;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod stories_attempts;
#[cfg(test)]
mod stories_behaviours;
#[cfg(test)]
mod stories_charges;
#[cfg(test)]
mod stories_commands;
#[cfg(test)]
mod stories_diagnostics;
#[cfg(test)]
mod stories_flapping;
#[cfg(test)]
mod stories_guardrails;
#[cfg(test)]
mod stories_late;
#[cfg(test)]
mod stories_lost;
#[cfg(test)]
mod stories_maintenance;
#[cfg(test)]
mod stories_outage;
#[cfg(test)]
mod stories_people;
#[cfg(test)]
mod stories_places;
#[cfg(test)]
mod stories_reload;
#[cfg(test)]
mod stories_safety;
#[cfg(test)]
mod stories_signal;
#[cfg(test)]
mod stories_silent;
#[cfg(test)]
mod stories_thresholds;
#[cfg(test)]
mod stories_ties;
#[cfg(test)]
mod stories_wide;
mod threshold;
mod timeline_parse;
pub mod timeline_test;
mod timers;
mod usage;
mod verdict;
mod visits;
mod vitals;
mod watch_cases;
mod watches;
mod whole;
mod words;
#[cfg(test)]
mod world;

pub use attempts::Failure;
pub use catalogue::Catalogue;
pub use codes::{CODES, CodeInfo, code_info, forbids_reset, is_safety};
pub use cohort::CohortFigures;
pub use duration::{duration_words, parse_duration};
pub use effect::{Effect, Evidence, TicketRequest};
pub use engine::Engine;
pub use figures::HealFigures;
pub use heal::approve::StepAsked;
pub use learn::{Bounds, LearnedRow, Tally, wilson};
pub use mendpoint_model::HealMode;
pub use mendpoint_model::Overlay;
pub use news::SECURITY_ALARMS;
pub use permits::{
    BootRow, HealingReport, Memory, OffRow, Permits, RecordRow, RunningRow, ShadowTally, StormRow,
};
pub use playbook::Playbook;
pub use power::UptimeBurn;
pub use problem::Problem;
pub use report::REASONS;
pub use request::{KillScope, Request, RequestError};
pub use rule::{Proof, Rule, RuleOverride, Scope};
pub use seen::Seen;
pub use settings::{EngineSettings, Guardrails, IdSequence};
pub use threshold::{Target, Threshold, ThresholdOverride};
pub use timeline_test::TimelineTest;
pub use usage::Usage;
pub use visits::{AttemptEnded, Outcome, VisitEnded};
