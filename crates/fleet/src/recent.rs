//! What is remembered of transactions so that a retry, a late end and a second end are known for
//! what they are (behaviours 32, 53, 59).

use mendpoint_model::{ConnectorRef, Transaction, TransactionId, TransactionStarted, UnixMs};

use crate::settings::FleetSettings;
use crate::slot::Slot;

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
    /// It was open when the charger booted.
    Interrupted,
    /// We gave it up after a boot; its last state, in case the end comes after all.
    GivenUp(Box<Transaction>),
    /// The charger ended it.
    Ended,
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
}

impl Slot {
    /// The transaction that a start is a retry of.
    pub(crate) fn known_transaction(&self, started: &TransactionStarted) -> Option<TransactionId> {
        let mut recent = self.memory.recent.iter().rev();
        if !started.external_id.is_empty() {
            // The charger's own id is all that counts when there is one.
            return recent.find(|r| *r.external_id == *started.external_id).map(|r| r.id);
        }
        let tolerance_ms =
            self.state.clock_skew_ms.unwrap_or(0).saturating_abs().saturating_add(1_000);
        recent
            // Without a time two starts of one driver look the same: only an open one is a retry.
            .filter(|recent| started.at.is_some() || !recent.is_over())
            .find(|r| r.start.as_ref().is_some_and(|start| start.is(started, tolerance_ms)))
            .map(|recent| recent.id)
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
        matches!(self.how, How::Ended | How::GivenUp(_))
    }
}
