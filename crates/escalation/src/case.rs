//! How far the chain of an incident is.

use mendpoint_model::UnixMs;
use serde::{Deserialize, Serialize};

/// How far the chain of an incident is. Kept over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Case {
    /// The route it took.
    pub route: String,
    /// The chain of that route.
    pub chain: String,
    /// From when the chain counts; `None` while nobody need be told yet.
    pub began_at: Option<UnixMs>,
    /// How much sooner its steps come than the chain says, milliseconds, since nobody is waited for
    /// where a step reached nobody.
    pub sooner_ms: i64,
    /// Steps that were done.
    pub steps_done: usize,
    /// Who was told, in order.
    pub told: Vec<Told>,
    /// Who took it.
    pub taken: Option<Taken>,
    /// What keeps people from being told.
    pub held: Option<Held>,
    /// Its ticket was asked for while it was held: it is opened when that ends.
    pub ticket_held: bool,
    /// When those who were told and did not answer are told again.
    pub repeat_at: Option<UnixMs>,
    /// Since when it is on the breach list.
    pub breached_at: Option<UnixMs>,
    /// When the installer got it.
    pub ordered_at: Option<UnixMs>,
    /// When it has to be looked at again.
    #[serde(skip)]
    pub(crate) wake: Option<UnixMs>,
}

/// Somebody who was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The key of their inbox.
    pub key: String,
    /// Their name for people.
    pub name: String,
    /// As what.
    pub role: String,
    /// When it was decided.
    pub at: UnixMs,
    /// It is decided, and not written yet: it is gathered with others first, or kept.
    #[serde(default)]
    pub waits: bool,
    /// Until when it is kept, by quiet hours or because it is enough for today.
    #[serde(default)]
    pub until: Option<UnixMs>,
}

/// Somebody who took it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Who.
    pub by: String,
    /// When.
    pub at: UnixMs,
}

/// What keeps people from being told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What.
    pub by: HeldBy,
    /// The number of the silence or window.
    pub number: i64,
    /// Until when.
    pub until: UnixMs,
    /// Why, in words.
    pub why: String,
}

/// What keeps people from being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// A silence.
    Silence,
    /// A maintenance window.
    Maintenance,
}
