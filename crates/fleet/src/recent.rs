//! What is remembered of transactions so that a retry, a late end and a second end are known for
//! what they are (behaviours 32, 53, 59).

use mendpoint_model::{
    ConnectorRef, FindingCode, LedgerLine, NoteKind, Transaction, TransactionId, TransactionNote,
    TransactionStarted, UnixMs,
};

use crate::checks::Span;
use crate::settings::FleetSettings;
use crate::slot::Slot;
use crate::status::is_same_evse;

/// One transaction, open or ended.
#[derive(Debug)]
pub(crate) struct Recent {
    pub(crate) id: TransactionId,
    /// What the charger said at the start, if we heard it: retries say exactly the same.
    start: Option<Start>,
    pub(crate) external_id: Box<str>,
    pub(crate) how: How,
}

/// Where a remembered transaction stands.
#[derive(Debug)]
pub(crate) enum How {
    /// It runs.
    Open,
    /// We gave it up; its last state, in case the end comes after all.
    GivenUp(Box<Over>),
    /// The charger ended it.
    Ended(Box<Over>),
}

/// A transaction that is over: what a second end, a late message and late values are held against.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) transaction: Transaction,
    pub(crate) reason: Box<str>,
    pub(crate) ended_at: UnixMs,
}

/// What the charger said at the start: retries say exactly the same (behaviour 32).
#[derive(Debug)]
struct Start {
    connector: ConnectorRef,
    at: Option<UnixMs>,
    id_token: Box<str>,
    meter_wh: Option<i64>,
    /// `at` was read back from disk, where it stands corrected by the skew of the clock.
    corrected: bool,
}

impl Start {
    fn of(transaction: &Transaction) -> Self {
        Self {
            connector: transaction.connector,
            at: Some(transaction.started_at),
            id_token: transaction.id_token.clone(),
            meter_wh: transaction.meter_start_wh,
            corrected: true,
        }
    }

    fn is(&self, started: &TransactionStarted, tolerance_ms: i64) -> bool {
        let is_same_time = match (self.at, started.at) {
            (Some(known), Some(told)) if self.corrected => {
                known.since_ms(told).saturating_abs() <= tolerance_ms
            }
            (_, None) if self.corrected => true,
            (known, told) => known == told,
        };
        is_same_time
            && self.connector == started.connector
            && *self.id_token == *started.id_token
            && self.meter_wh == started.meter_wh
    }

    /// What a start of the same transaction says otherwise, if anything: then two transactions
    /// share an id.
    fn contradiction(&self, started: &TransactionStarted, tolerance_ms: i64) -> Option<String> {
        let other = started.id_token.as_str();
        if !self.id_token.is_empty() && !other.is_empty() && *self.id_token != *other {
            return Some("with another card".to_owned());
        }
        let is_placed = !self.connector.is_charger() && !started.connector.is_charger();
        if is_placed && !is_same_evse(self.connector, started.connector) {
            return Some(format!("on connector {}", started.connector));
        }
        if let (Some(known), Some(told)) = (self.at, started.at)
            && known.since_ms(told).saturating_abs() > tolerance_ms
        {
            return Some(format!("as begun at {told}"));
        }
        None
    }
}

impl Slot {
    /// The transaction that a start is a retry of.
    pub(crate) fn known_transaction(&self, started: &TransactionStarted) -> Option<TransactionId> {
        let mut recent = self.memory.recent.iter().rev();
        if !started.external_id.is_empty() {
            // The charger's own id is all that counts when there is one.
            return recent.find(|r| *r.external_id == *started.external_id).map(|r| r.id);
        }
        let tolerance_ms = self.time_tolerance_ms();
        recent
            // Without a time two starts of one driver look the same: only an open one is a retry.
            .filter(|recent| started.at.is_some() || !recent.is_over())
            .find(|r| r.start.as_ref().is_some_and(|start| start.is(started, tolerance_ms)))
            .map(|recent| recent.id)
    }

    /// How far two readings of one time may differ, when one of them was corrected.
    fn time_tolerance_ms(&self) -> i64 {
        self.state.clock_skew_ms.unwrap_or(0).saturating_abs().saturating_add(1_000)
    }

    /// A start that is known already: the charger did not get our answer. Under the charger's own
    /// id something else may be said the second time, and then one of them is lost.
    pub(crate) fn started_again(&mut self, id: TransactionId, started: &TransactionStarted) {
        let tolerance_ms = self.time_tolerance_ms().max(60_000);
        let recent = self.memory.recent.iter().find(|recent| recent.id == id);
        let contradiction = recent
            .filter(|recent| !recent.external_id.is_empty())
            .and_then(|recent| recent.start.as_ref())
            .and_then(|start| start.contradiction(started, tolerance_ms));
        self.memory.lines.push(LedgerLine::Note(
            id,
            TransactionNote {
                kind: NoteKind::StartedAgain,
                told_at: started.at,
                seq_no: (!started.external_id.is_empty()).then_some(started.seq_no),
                text: contradiction.clone().unwrap_or_default(),
                reading: None,
            },
        ));
        if let Some(contradiction) = contradiction {
            let sentence =
                format!("A second start came under the same id, {contradiction}: one is lost.");
            self.found(id, FindingCode::IdReused, sentence);
        }
    }

    /// The other transactions of an EVSE that are over.
    pub(crate) fn neighbours(&self, of: &Transaction) -> Vec<Span> {
        let is_near = |over: &&Over| {
            over.transaction.id != of.id
                && !of.connector.is_charger()
                && is_same_evse(over.transaction.connector, of.connector)
        };
        self.memory
            .recent
            .iter()
            .filter_map(Recent::over)
            .filter(is_near)
            .map(|over| Span {
                id: over.transaction.id,
                from: over.transaction.started_at,
                until: over.ended_at,
            })
            .collect()
    }

    /// Notes a check that was not passed, once.
    pub(crate) fn found(&mut self, id: TransactionId, code: FindingCode, sentence: String) {
        let open = self.state.transactions.iter_mut().find(|open| open.id == id);
        let found = match open {
            Some(open) => Some(&mut open.found),
            None => self
                .memory
                .recent
                .iter_mut()
                .find(|recent| recent.id == id)
                .and_then(Recent::over_mut)
                .map(|over| &mut over.transaction.found),
        };
        if let Some(found) = found {
            if found.contains(&code) {
                return;
            }
            found.push(code);
        }
        let finding = mendpoint_model::Finding::new(code, sentence);
        self.memory.lines.push(LedgerLine::Found(id, finding));
    }

    /// Remembers a transaction that was read back from disk.
    pub(crate) fn remember_restored(
        &mut self,
        settings: &FleetSettings,
        transaction: &Transaction,
        how: How,
    ) {
        if self.memory.recent.iter().any(|recent| recent.id == transaction.id) {
            return;
        }
        self.memory.recent.push(Recent {
            id: transaction.id,
            start: Some(Start::of(transaction)),
            external_id: transaction.external_id.clone(),
            how,
        });
        self.forget_oldest(settings);
    }

    /// Remembers a transaction that was just opened.
    pub(crate) fn remember_start(
        &mut self,
        settings: &FleetSettings,
        started: &TransactionStarted,
    ) {
        self.memory.recent.push(Recent {
            id: started.id,
            start: Some(Start {
                connector: started.connector,
                at: started.at,
                id_token: started.id_token.as_str().into(),
                meter_wh: started.meter_wh,
                corrected: false,
            }),
            external_id: started.external_id.as_str().into(),
            how: How::Open,
        });
        self.forget_oldest(settings);
    }

    /// Remembers what became of a transaction.
    pub(crate) fn remember(&mut self, id: TransactionId, how: How) {
        if let Some(recent) = self.recent_mut(id) {
            recent.how = how;
        }
    }

    /// Forgets the oldest ended transactions beyond the limit; open ones are bounded elsewhere.
    fn forget_oldest(&mut self, settings: &FleetSettings) {
        let recent = &mut self.memory.recent;
        let mut over = recent.iter().filter(|recent| recent.is_over()).count();
        recent.retain(|recent| {
            let is_too_old = recent.is_over() && over > settings.recent_transactions_max;
            over -= usize::from(is_too_old);
            !is_too_old
        });
    }

    /// What is remembered of a transaction that is or was open here.
    pub(crate) fn recent_mut(&mut self, id: TransactionId) -> Option<&mut Recent> {
        self.memory.recent.iter_mut().find(|recent| recent.id == id)
    }

    /// What is remembered of the transaction that an ended message names.
    pub(crate) fn recent_of(&self, id: TransactionId, external_id: &str) -> Option<&Recent> {
        self.memory.recent.iter().rev().find(|recent| {
            if external_id.is_empty() {
                recent.id == id
            } else {
                *recent.external_id == *external_id
            }
        })
    }
}

impl Recent {
    pub(crate) fn is_over(&self) -> bool {
        self.over().is_some()
    }

    pub(crate) fn over(&self) -> Option<&Over> {
        match &self.how {
            How::Ended(over) | How::GivenUp(over) => Some(over),
            How::Open => None,
        }
    }

    pub(crate) fn over_mut(&mut self) -> Option<&mut Over> {
        match &mut self.how {
            How::Ended(over) | How::GivenUp(over) => Some(over),
            How::Open => None,
        }
    }
}
