//! What goes into a shard's queue.

use std::sync::Arc;

use mendpoint_incidents::{KillScope, Request, RequestError};
use mendpoint_model::{
    ChargerKey, ChargerRecord, ChargerState, Command, CommandId, CommandOutcome, Events, FrameSeq,
    IncidentId, SiteKey, TransactionId, UnixMs,
};
use mendpoint_upkeep::Progress;
use tokio::sync::oneshot;

use crate::waiting::Kept;

/// What one frame of one charger brought, or one change of its connection.
#[derive(Debug)]
pub struct Incoming {
    /// The charger.
    pub charger: ChargerKey,
    /// Its site: it chooses the shard.
    pub site: SiteKey,
    /// The connection's number.
    pub epoch: u64,
    /// When it was received.
    pub received_at: UnixMs,
    /// The number that the frame log gave to its frame; 0 when it came from none.
    pub frame: FrameSeq,
    /// What it says.
    pub events: Events,
    /// What in it was not as the standard says: field and reason.
    pub quirks: Vec<(String, String)>,
    /// The message itself, when it is to be held against the specification.
    pub sample: Option<Box<Sampled>>,
    /// Whoever waits for a decision. Answered after the commit when an event is a transaction's.
    pub answer: Option<ReplyTo>,
}

/// A message that is to be held against the specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// The frame as received.
    pub text: Box<str>,
    /// For an answer of the charger: the action that it answers.
    pub answers: Option<Box<str>>,
}

/// Where a decision goes. A function and not a channel, so that whoever holds the session can turn
/// it into its own words without another task.
pub struct ReplyTo(Box<dyn FnOnce(Answer) + Send>);

impl ReplyTo {
    /// Calls `reply` with the decision, once.
    pub fn new(reply: impl FnOnce(Answer) + Send + 'static) -> Self {
        Self(Box::new(reply))
    }

    pub(crate) fn send(self, answer: Answer) {
        (self.0)(answer);
    }
}

impl std::fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReplyTo")
    }
}

/// What a session needs to know before it can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The transaction's number; 0 where there is none.
    pub transaction: TransactionId,
    /// Whether the token may charge.
    pub token_accepted: bool,
    /// What else is known of the token; `None` for one that nobody registered.
    pub token: Option<std::sync::Arc<mendpoint_model::TokenInfo>>,
}

impl Answer {
    /// Takes over what is made of the token that was presented.
    pub(crate) fn judge(&mut self, verdict: crate::tokens::Verdict) {
        self.token_accepted = verdict.accepted;
        self.token = verdict.info;
    }
}

/// A message to a shard.
pub(crate) enum ShardMessage {
    /// From a charger.
    Incoming(Incoming),
    /// A command of a person or of the program. The outcome goes to whoever waits.
    Command(Command, Option<oneshot::Sender<CommandOutcome>>),
    /// The same, and it may wait until the charger is back. Tells first whether it does.
    Keep(Command, oneshot::Sender<Kept>, oneshot::Sender<CommandOutcome>),
    /// A command was put on the wire.
    Sent(ChargerKey, CommandId, UnixMs),
    /// A person takes a command back that waits. Tells whether it still did.
    TakeBack(ChargerKey, CommandId, String, oneshot::Sender<bool>),
    /// What a person wants of an incident.
    Request(Request, oneshot::Sender<Result<IncidentId, RequestError>>),
    /// A charger was registered, or got another site or identity.
    Register(ChargerRecord),
    /// Somebody wants to see a charger.
    Look(ChargerKey, oneshot::Sender<Option<Box<ChargerState>>>),
    /// Somebody wants to see how far the upkeep of a charger is.
    LookUpkeep(ChargerKey, oneshot::Sender<Option<Box<Progress>>>),
    /// Planned maintenance began or ended: where it is now, and until when.
    Maintenance(std::sync::Arc<[(KillScope, UnixMs)]>),
    /// What the overseer orders, and when it decided that.
    Order(UnixMs, mendpoint_incidents::overseer::Order),
    /// The rules were changed, or thresholds were set otherwise.
    Catalogue(
        std::sync::Arc<mendpoint_incidents::Catalogue>,
        Vec<mendpoint_incidents::ThresholdOverride>,
    ),
    /// How fast chargers use up their budgets of uptime.
    Burns(Vec<(ChargerKey, mendpoint_incidents::UptimeBurn)>),
    /// When sites are open, those that close at some time.
    OpeningHours(std::sync::Arc<std::collections::BTreeMap<SiteKey, mendpoint_model::Hours>>),
    /// Somebody adds up what shards counted of each kind of charger.
    Cohorts(oneshot::Sender<Vec<mendpoint_incidents::CohortFigures>>),
    /// What the whole fleet counted of each kind of charger.
    FleetCohorts(std::sync::Arc<[mendpoint_incidents::CohortFigures]>),
    /// When connectors were used before our start.
    Usage(Vec<((ChargerKey, mendpoint_model::ConnectorRef), mendpoint_incidents::Usage)>),
    /// Answer when everything decided so far is on disk.
    Settle(oneshot::Sender<()>),
    /// A card is erased: nothing of it stays in what is held of these chargers, and of incidents.
    Erase(Arc<mendpoint_store::Erasure>, Vec<ChargerKey>, oneshot::Sender<()>),
}
