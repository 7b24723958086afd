//! What came of an event.

use mendpoint_incidents::Effect;
use mendpoint_incidents::overseer::Report;
use mendpoint_model::{ChargerKey, Fact, FrameSeq, LedgerLine, TransactionId, UnixMs};
use mendpoint_upkeep::UpkeepEffect;

use crate::trial::Trial;

/// What came of an event, a moment or a request. Filled up by the shard, emptied by the caller.
#[derive(Debug, Default)]
pub struct Outputs {
    /// What changed in the state: of which charger, when it was received, by which frame (0 for
    /// none).
    pub facts: Vec<(ChargerKey, UnixMs, FrameSeq, Fact)>,
    /// What was said of transactions and found odd about them, with the same three in front.
    pub lines: Vec<(ChargerKey, UnixMs, FrameSeq, LedgerLine)>,
    /// What the engine wants done, in order.
    pub effects: Vec<Effect>,
    /// What the upkeep wants done, in order.
    pub upkeep: Vec<UpkeepEffect>,
    /// What the overseer is to know, where it is not part of the shard.
    pub reports: Vec<Report>,
    /// What rules on trial would have opened.
    pub trials: Vec<Trial>,
    /// The number of the transaction that the event began, new or known (behaviours 32, 46, 57).
    pub answer: Option<TransactionId>,
}

impl Outputs {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
            && self.lines.is_empty()
            && self.effects.is_empty()
            && self.upkeep.is_empty()
            && self.trials.is_empty()
    }
}
