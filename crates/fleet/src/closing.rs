//! The end of a transaction: what is checked then, what is remembered of it, and ends that wait
//! for their start.

use mendpoint_model::{
    Fact, LedgerLine, ONLY_UPDATES, Transaction, TransactionEnded, TransactionId,
    TransactionStarted, TransactionUpdated, UnixMs,
};

use crate::checks::{self, Closing};
use crate::recent::{How, Over};
use crate::settings::FleetSettings;
use crate::slot::Slot;
use crate::transaction::End;

/// How many ends without a start are remembered for one charger.
const EARLY_ENDS_MAX: usize = 4;
/// How many transactions without a start and an end are remembered for one charger.
const ONLY_UPDATED_MAX: usize = 8;

impl Slot {
    /// Closes a transaction, or closes it anew with better figures: checks it, remembers it, and
    /// tells it as a fact.
    pub(crate) fn close(
        &mut self,
        settings: &FleetSettings,
        mut transaction: Transaction,
        end: End<'_>,
        facts: &mut Vec<Fact>,
    ) {
        transaction.interrupted = None;
        let others = self.neighbours(&transaction);
        let findings = checks::check(&Closing {
            transaction: &transaction,
            ended_at: end.timing.at,
            told: end.told,
            replaces: end.replaces,
            sampled_wh: end.sampled_wh,
            offline: transaction.offline || (end.told && end.timing.historical),
            others: &others,
            power_max_w: settings.connector_power_max_w,
        });
        let id = transaction.id;
        let lines = &mut self.memory.lines;
        // What was found at a close before and does not hold for this one.
        transaction.found.retain(|code| {
            let still_holds = !checks::AT_CLOSE.contains(code)
                || findings.iter().any(|finding| finding.code == *code);
            if !still_holds {
                lines.push(LedgerLine::Cleared(id, *code));
            }
            still_holds
        });
        for finding in findings {
            if !transaction.found.contains(&finding.code) {
                transaction.found.push(finding.code);
                lines.push(LedgerLine::Found(id, finding));
            }
        }
        let over = Box::new(Over {
            transaction: transaction.clone(),
            reason: end.reason.into(),
            ended_at: end.timing.at,
        });
        self.remember(id, if end.told { How::Ended(over) } else { How::GivenUp(over) });
        facts.push(closed(transaction, end.reason, end.timing.at, end.timing.historical));
    }

    /// Remembers an end without a start. `false` when it is one that was sent before: chargers send
    /// again what they believe unanswered, and it stays one record.
    pub(crate) fn remember_early_end(&mut self, ended: TransactionEnded) -> bool {
        let early_ends = &mut self.memory.early_ends;
        if early_ends.iter().any(|known| is_same_end(known, &ended)) {
            return false;
        }
        if early_ends.len() == EARLY_ENDS_MAX {
            early_ends.remove(0);
        }
        early_ends.push(ended);
        true
    }

    /// An update of a transaction that is not known here: its start may have been lost, and its end
    /// may never come. It is put on record once (behaviour 62).
    pub(crate) fn orphan_of_update(&mut self, updated: &TransactionUpdated, facts: &mut Vec<Fact>) {
        if updated.external_id.is_empty() || !self.remember_only_updated(&updated.external_id) {
            return;
        }
        facts.push(Fact::TransactionOrphaned {
            id: TransactionId(0),
            external_id: updated.external_id.clone(),
            ended: Box::new(TransactionEnded {
                id: TransactionId(0),
                external_id: updated.external_id.clone(),
                connector: updated.connector,
                id_token: updated.id_token.clone(),
                meter_wh: None,
                reason: ONLY_UPDATES.to_owned(),
                at: updated.at,
                seq_no: updated.seq_no,
                offline: updated.offline,
            }),
        });
    }

    /// Remembers that only updates of it came. `false`: that is known.
    pub(crate) fn remember_only_updated(&mut self, external_id: &str) -> bool {
        let known = &mut self.memory.only_updated;
        if known.iter().any(|id| **id == *external_id) {
            return false;
        }
        if known.len() == ONLY_UPDATED_MAX {
            known.remove(0);
        }
        known.push(external_id.into());
        true
    }

    /// The start came after all: the record of its updates belongs to it.
    pub(crate) fn join_only_updated(&mut self, started: &TransactionStarted) {
        let known = &mut self.memory.only_updated;
        let Some(index) = known.iter().position(|id| **id == *started.external_id) else { return };
        known.remove(index);
        self.memory.lines.push(LedgerLine::Joined {
            transaction: started.id,
            sent: TransactionId(0),
            external_id: started.external_id.clone(),
        });
    }

    /// The end that came before this start. Where there is no id of the charger's own, card, time
    /// and register must fit.
    pub(crate) fn take_early_end(
        &mut self,
        started: &TransactionStarted,
    ) -> Option<TransactionEnded> {
        let fits = |ended: &TransactionEnded| {
            if !started.external_id.is_empty() || !ended.external_id.is_empty() {
                return ended.external_id == started.external_id;
            }
            // With a number that we gave to nobody it is another system's; without one it may be
            // of a start that is still to come.
            if (1..=i64::from(i32::MAX)).contains(&ended.id.0) {
                return false;
            }
            let is_same_card = ended.id_token.as_deref() == Some(started.id_token.as_str());
            let is_after = |begun: UnixMs, over: UnixMs| over >= begun;
            let is_in_time = started.at.zip(ended.at).is_some_and(|(a, b)| is_after(a, b));
            let is_on_register = started.meter_wh.zip(ended.meter_wh).is_some_and(|(a, b)| b >= a);
            is_same_card && is_in_time && is_on_register
        };
        let index = self.memory.early_ends.iter().position(fits)?;
        Some(self.memory.early_ends.remove(index))
    }
}

/// Whether two ends are one message: by what the charger wrote down, not by how it was sent.
fn is_same_end(a: &TransactionEnded, b: &TransactionEnded) -> bool {
    a.id == b.id && a.external_id == b.external_id && a.at == b.at && a.meter_wh == b.meter_wh
}

pub(crate) fn closed(
    transaction: Transaction,
    reason: &str,
    ended_at: UnixMs,
    historical: bool,
) -> Fact {
    let energy_wh = transaction.energy_wh();
    Fact::TransactionClosed {
        transaction,
        reason: reason.to_owned(),
        ended_at,
        energy_wh,
        historical,
    }
}
