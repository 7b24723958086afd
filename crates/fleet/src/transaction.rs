//! Transactions: from start to end, and what happens when a part of that is missing.

use mendpoint_model::{
    ChargerEvent, ConnectorStatus, Fact, Transaction, TransactionEnded, TransactionId,
    TransactionStarted, TransactionUpdated, UnixMs,
};

use crate::recent::How;
use crate::settings::FleetSettings;
use crate::slot::Slot;
use crate::status::is_same_evse;

/// The reason given for what we closed ourselves.
const INTERRUPTED: &str = "Interrupted";

/// How many ends without a start are remembered for one charger.
const EARLY_ENDS_MAX: usize = 4;

impl Slot {
    pub(crate) fn transaction_started(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        started: &TransactionStarted,
        is_old: bool,
        facts: &mut Vec<Fact>,
    ) {
        let timing = self.time(settings, event, started.at, started.offline);
        // A retry has a new message id and the same content (behaviour 32).
        let is_known = self.known_transaction(started).is_some()
            || self.state.transactions.iter().any(|open| open.id == started.id)
            || self.memory.recent.iter().any(|recent| recent.id == started.id);
        if is_known {
            return;
        }
        let offline = timing.historical;
        self.close_what_this_start_ends(event, started, timing.at, facts);
        let transaction = Transaction {
            id: started.id,
            external_id: started.external_id.as_str().into(),
            connector: started.connector,
            id_token: started.id_token.as_str().into(),
            opened_at: event.received_at,
            started_at: timing.at,
            meter_start_wh: started.meter_wh,
            meter_wh: started.meter_wh.map(|meter_wh| meter_wh as f64),
            seq_no: started.seq_no,
            charging_state: started.charging_state.as_deref().map(Into::into),
            suspended_by_ev: started.charging_state.as_deref() == Some("SuspendedEV"),
            offline,
            ..Transaction::default()
        };
        self.state.transactions.push(transaction.clone());
        self.remember_start(settings, started);
        facts.push(Fact::TransactionOpened(transaction));
        if !offline && !is_old && started.charging_state.is_some() {
            let state = started.charging_state.as_deref();
            self.show_charging_state(started.connector, state, event.received_at, facts);
        }
        if self.state.transactions.len() > settings.open_transactions_max {
            self.give_up(0, event.received_at, facts);
        }
        // Its end may have overtaken it (behaviour 62).
        let early = self.memory.early_ends.iter().position(|ended| {
            !ended.external_id.is_empty() && ended.external_id == started.external_id
        });
        if let Some(index) = early {
            let ended = self.memory.early_ends.remove(index);
            self.transaction_ended(settings, event, &ended, is_old, facts);
        }
    }

    /// An EVSE has one transaction at a time: one that begins there later shows that the charger
    /// lost the end of the one before.
    fn close_what_this_start_ends(
        &mut self,
        event: &ChargerEvent,
        started: &TransactionStarted,
        started_at: UnixMs,
        facts: &mut Vec<Fact>,
    ) {
        let lost = self.state.transactions.iter().position(|open| {
            is_same_evse(open.connector, started.connector) && open.started_at <= started_at
        });
        if let Some(index) = lost {
            self.give_up(index, started_at.min(event.received_at), facts);
        }
    }

    pub(crate) fn transaction_updated(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        updated: &TransactionUpdated,
        is_old: bool,
        facts: &mut Vec<Fact>,
    ) {
        let timing = self.time(settings, event, updated.at, updated.offline);
        let is_live = !timing.historical && !is_old;
        let Some(index) = self.open_index(TransactionId(0), &updated.external_id) else {
            // Updated without Started: nothing to count energy by, and still the truth about the
            // connector now. Of an ended one it is a straggler and tells nothing.
            let is_over = self.recent_of(TransactionId(0), &updated.external_id).is_some();
            if let (true, Some(at), false) = (is_live, updated.connector, is_over) {
                self.show_unknown_session(at, updated, event.received_at, facts);
            }
            return;
        };
        let transaction = &mut self.state.transactions[index];
        // Sorted by number, not by arrival (behaviour 62).
        if updated.seq_no < transaction.seq_no {
            return;
        }
        transaction.seq_no = updated.seq_no;
        if transaction.id_token.is_empty()
            && let Some(token) = &updated.id_token
        {
            transaction.id_token = token.as_str().into();
        }
        if transaction.connector.is_charger()
            && let Some(connector) = updated.connector
        {
            transaction.connector = connector;
        }
        if let Some(state) = updated.charging_state.as_deref() {
            transaction.suspended_by_ev |= state == "SuspendedEV";
            transaction.charging_state = Some(state.into());
        }
        if !is_live {
            return;
        }
        // It is talked of live, so it is the present now, wherever its start came from.
        transaction.offline = false;
        let (id, at) = (transaction.id, transaction.connector);
        self.goes_on(id);
        if updated.charging_state.is_some() {
            let state = updated.charging_state.as_deref();
            self.show_charging_state(at, state, event.received_at, facts);
        }
    }

    pub(crate) fn transaction_ended(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        ended: &TransactionEnded,
        is_old: bool,
        facts: &mut Vec<Fact>,
    ) {
        let timing = self.time(settings, event, ended.at, ended.offline);
        let ended_at = timing.at;
        if let Some(index) = self.open_index(ended.id, &ended.external_id) {
            let mut transaction = self.state.transactions.remove(index);
            complete(&mut transaction, ended);
            self.remember(transaction.id, How::Ended);
            let (at, had_state) = (transaction.connector, transaction.charging_state.is_some());
            facts.push(closed(transaction, &ended.reason, ended_at, timing.historical));
            if !timing.historical && !is_old {
                self.stop_showing(at, had_state, event.received_at, facts);
            }
            return;
        }
        match self.recent_of(ended.id, &ended.external_id).map(|recent| (recent.id, &recent.how)) {
            // The end that the charger had queued comes after we gave it up: the numbers were a
            // guess, these are right. It changes history, never the present (behaviour 53).
            Some((id, How::GivenUp(given_up))) => {
                let mut transaction = Transaction::clone(given_up);
                complete(&mut transaction, ended);
                self.remember(id, How::Ended);
                facts.push(closed(transaction, &ended.reason, ended_at, true));
            }
            // A second end of the same transaction: answered, and nothing more (behaviour 59).
            Some(_) => {}
            None => {
                if !ended.external_id.is_empty() {
                    if self.memory.early_ends.len() == EARLY_ENDS_MAX {
                        self.memory.early_ends.remove(0);
                    }
                    self.memory.early_ends.push(ended.clone());
                }
                facts.push(Fact::TransactionOrphaned {
                    id: ended.id,
                    external_id: ended.external_id.clone(),
                });
                if let (Some(at), false, false) = (ended.connector, timing.historical, is_old) {
                    self.stop_showing(at, true, event.received_at, facts);
                }
            }
        }
    }

    /// Closes what a boot interrupted and nobody ended since.
    pub(crate) fn give_up_interrupted(&mut self, now: UnixMs, facts: &mut Vec<Fact>) {
        if self.memory.interrupted_until.is_none_or(|until| until > now) {
            return;
        }
        self.memory.interrupted_until = None;
        let ended_at = self.state.booted_at.unwrap_or(now).min(now);
        let mut index = 0;
        while let Some(open) = self.state.transactions.get(index) {
            let id = open.id;
            if self.is_interrupted(id) {
                self.give_up(index, ended_at, facts);
            } else {
                index += 1;
            }
        }
    }

    /// Closes an open transaction with what is known of it.
    fn give_up(&mut self, index: usize, ended_at: UnixMs, facts: &mut Vec<Fact>) {
        let transaction = self.state.transactions.remove(index);
        self.remember(transaction.id, How::GivenUp(Box::new(transaction.clone())));
        let ended_at = ended_at.max(transaction.started_at);
        facts.push(closed(transaction, INTERRUPTED, ended_at, false));
    }

    fn is_interrupted(&self, id: TransactionId) -> bool {
        self.memory.recent.iter().any(|r| r.id == id && matches!(r.how, How::Interrupted))
    }

    /// The transaction was heard of after a boot: it was not interrupted.
    pub(crate) fn goes_on(&mut self, id: TransactionId) {
        if self.memory.interrupted_until.is_none() {
            return;
        }
        if self.is_interrupted(id) {
            self.remember(id, How::Open);
        }
        let any_left =
            self.memory.recent.iter().any(|recent| matches!(recent.how, How::Interrupted));
        if !any_left {
            self.memory.interrupted_until = None;
        }
    }

    /// The open transaction that a message names. The charger's own id decides where there is one;
    /// our number is any number at all (behaviour 45), looked up with this charger only.
    pub(crate) fn open_index(&self, id: TransactionId, external_id: &str) -> Option<usize> {
        self.state.transactions.iter().position(|open| {
            if external_id.is_empty() {
                open.id == id && open.external_id.is_empty()
            } else {
                *open.external_id == *external_id
            }
        })
    }

    fn stop_showing(
        &mut self,
        at: mendpoint_model::ConnectorRef,
        had_charging_state: bool,
        received_at: UnixMs,
        facts: &mut Vec<Fact>,
    ) {
        if had_charging_state {
            // 2.x: still occupied, the transaction is over.
            self.show_status(at, ConnectorStatus::Finishing, received_at, facts);
        }
        if let Some(index) = self.connector_index(at) {
            self.state.connectors[index].power_w = None;
        }
    }
}

/// Puts what the end tells into the transaction.
fn complete(transaction: &mut Transaction, ended: &TransactionEnded) {
    if let Some(meter_wh) = ended.meter_wh {
        // Also when it lies below the start: that is how a suspect end is known (behaviour 59).
        transaction.meter_wh = Some(meter_wh as f64);
    }
    transaction.seq_no = transaction.seq_no.max(ended.seq_no);
    if transaction.id_token.is_empty()
        && let Some(token) = &ended.id_token
    {
        transaction.id_token = token.as_str().into();
    }
    if transaction.connector.is_charger()
        && let Some(connector) = ended.connector
    {
        transaction.connector = connector;
    }
    transaction.power_w = None;
}

fn closed(transaction: Transaction, reason: &str, ended_at: UnixMs, historical: bool) -> Fact {
    let energy_wh = transaction.energy_wh();
    Fact::TransactionClosed {
        transaction,
        reason: reason.to_owned(),
        ended_at,
        energy_wh,
        historical,
    }
}
