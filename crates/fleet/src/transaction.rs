//! Transactions: from start to end, and what happens when a part of that is missing.

use mendpoint_model::{
    ChargerEvent, ConnectorRef, ConnectorStatus, Fact, FindingCode, Interruption, LedgerLine,
    NoteKind, Transaction, TransactionEnded, TransactionId, TransactionNote, TransactionStarted,
    TransactionUpdated, UnixMs,
};

use crate::clock::Timing;
use crate::recent::How;
use crate::sequence::{self, Heard};
use crate::settings::FleetSettings;
use crate::slot::Slot;
use crate::status::is_same_evse;

/// The reason given for what we closed ourselves.
pub(crate) const INTERRUPTED: &str = "Interrupted";

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
        let known = self.known_transaction(started).or_else(|| {
            let is_known = self.state.transactions.iter().any(|open| open.id == started.id)
                || self.memory.recent.iter().any(|recent| recent.id == started.id);
            is_known.then_some(started.id)
        });
        if let Some(known) = known {
            self.started_again(known, started);
            return;
        }
        let offline = timing.historical;
        self.close_what_this_start_ends(settings, event, started, timing.at, facts);
        let transaction = Transaction {
            id: started.id,
            external_id: started.external_id.as_str().into(),
            connector: started.connector,
            id_token: started.id_token.as_str().into(),
            opened_at: event.received_at,
            started_at: timing.at,
            meter_start_wh: started.meter_wh,
            meter_wh: started.meter_wh.map(|meter_wh| meter_wh as f64),
            metered_at: started.meter_wh.map(|_| timing.at),
            seq_no: started.seq_no,
            charging_state: started.charging_state.as_deref().map(Into::into),
            suspended_by_ev: started.charging_state.as_deref() == Some("SuspendedEV"),
            offline,
            ..Transaction::default()
        };
        self.note(
            started.id,
            NoteKind::Started,
            started.at,
            numbered(&started.external_id, started.seq_no),
            started.charging_state.clone().unwrap_or_default(),
        );
        self.state.transactions.push(transaction.clone());
        self.remember_start(settings, started);
        facts.push(Fact::TransactionOpened(transaction));
        self.judge_clock(started.id, started.at, timing);
        if !offline && !is_old && started.charging_state.is_some() {
            let state = started.charging_state.as_deref();
            self.show_charging_state(started.connector, state, event.received_at, facts);
        }
        if self.state.transactions.len() > settings.open_transactions_max {
            self.give_up(settings, 0, event.received_at, facts);
        }
        self.judge_start(started);
        self.join_only_updated(started);
        // Its end may have overtaken it (behaviours 59, 62).
        if let Some(ended) = self.take_early_end(started) {
            self.memory.lines.push(LedgerLine::Joined {
                transaction: started.id,
                sent: ended.id,
                external_id: ended.external_id.clone(),
            });
            let sentence = "Its end came before its start.".to_owned();
            self.found(started.id, FindingCode::EndFirst, sentence);
            let ended = TransactionEnded {
                id: started.id,
                offline: ended.offline || ended.external_id.is_empty(),
                ..ended
            };
            self.transaction_ended(settings, event, &ended, is_old, facts);
        }
    }

    /// An EVSE has one transaction at a time: one that begins there later shows that the charger
    /// lost the end of the one before.
    fn close_what_this_start_ends(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        started: &TransactionStarted,
        started_at: UnixMs,
        facts: &mut Vec<Fact>,
    ) {
        let lost = self.state.transactions.iter().position(|open| {
            is_same_evse(open.connector, started.connector) && open.started_at <= started_at
        });
        if let Some(index) = lost {
            self.give_up(settings, index, started_at.min(event.received_at), facts);
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
            // Of an ended one it is a straggler: it may fill a gap, and moves nothing.
            if self.straggler(updated) {
                // We gave it up, and the charger shows that it goes on.
                if let (true, Some(at)) = (is_live, self.given_up_at(&updated.external_id)) {
                    self.show_unknown_session(at, updated, event.received_at, facts);
                }
                return;
            }
            self.orphan_of_update(updated, facts);
            // Updated without Started: nothing to count energy by, and still the truth about the
            // connector now.
            if let (true, Some(at)) = (is_live, updated.connector) {
                self.show_unknown_session(at, updated, event.received_at, facts);
            }
            return;
        };
        let transaction = &mut self.state.transactions[index];
        let heard =
            sequence::hear(&mut transaction.seq_no, &mut transaction.missing, updated.seq_no);
        let id = transaction.id;
        // Sorted by number, not by arrival (behaviour 62).
        let is_newest = heard == Heard::Newest || updated.seq_no == transaction.seq_no;
        let kind = if is_newest { NoteKind::Updated } else { NoteKind::Late };
        self.note(id, kind, updated.at, Some(updated.seq_no), words_of(updated));
        if !is_newest {
            return;
        }
        let transaction = &mut self.state.transactions[index];
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
        let at = transaction.connector;
        self.goes_on(id, event.received_at, facts);
        if updated.charging_state.is_some() {
            let state = updated.charging_state.as_deref();
            self.show_charging_state(at, state, event.received_at, facts);
        }
    }

    /// Where a transaction was that we closed ourselves.
    fn given_up_at(&self, external_id: &str) -> Option<ConnectorRef> {
        let recent =
            self.memory.recent.iter().rev().find(|recent| *recent.external_id == *external_id)?;
        match &recent.how {
            How::GivenUp(over) => Some(over.transaction.connector),
            _ => None,
        }
    }

    /// Takes in an update of a transaction that is over. `false` when none of that id is known.
    fn straggler(&mut self, updated: &TransactionUpdated) -> bool {
        if updated.external_id.is_empty() {
            return false;
        }
        let recent =
            self.memory.recent.iter_mut().rev().find(|r| *r.external_id == *updated.external_id);
        let Some(over) = recent.and_then(crate::recent::Recent::over_mut) else { return false };
        let transaction = &mut over.transaction;
        let (id, had_gap) = (transaction.id, !transaction.missing.is_empty());
        sequence::hear(&mut transaction.seq_no, &mut transaction.missing, updated.seq_no);
        let is_whole = had_gap && transaction.missing.is_empty();
        if is_whole {
            transaction.found.retain(|code| *code != FindingCode::SeqGap);
            self.memory.lines.push(LedgerLine::Cleared(id, FindingCode::SeqGap));
        }
        self.note(id, NoteKind::Late, updated.at, Some(updated.seq_no), words_of(updated));
        true
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
        if let Some(index) = self.open_index(ended.id, &ended.external_id) {
            self.note_end(self.state.transactions[index].id, NoteKind::Ended, ended, String::new());
            self.judge_clock(self.state.transactions[index].id, ended.at, timing);
            let mut transaction = self.state.transactions.remove(index);
            let sampled_wh = transaction.meter_wh;
            complete(&mut transaction, ended);
            let (at, had_state) = (transaction.connector, transaction.charging_state.is_some());
            let end =
                End { reason: &ended.reason, timing, told: true, replaces: false, sampled_wh };
            self.close(settings, transaction, end, facts);
            if !timing.historical && !is_old {
                self.stop_showing(at, had_state, event.received_at, facts);
            }
            return;
        }
        match self.recent_of(ended.id, &ended.external_id).map(|recent| (recent.id, &recent.how)) {
            // The end that the charger had queued comes after we gave it up: the numbers were a
            // guess, these are right. It changes history, never the present (behaviour 53).
            Some((id, How::GivenUp(over))) => {
                let mut transaction = over.transaction.clone();
                let text = format!(
                    "It had been closed as {} at {} with {}; the charger's own end, which came \
                     late, replaces that.",
                    over.reason,
                    over.ended_at,
                    transaction
                        .energy_wh()
                        .map_or("no energy known".to_owned(), |wh| format!("{wh:.0} Wh")),
                );
                let sampled_wh = transaction.meter_wh;
                complete(&mut transaction, ended);
                self.note_end(id, NoteKind::Corrected, ended, text);
                self.judge_clock(id, ended.at, timing);
                let timing = Timing { historical: true, ..timing };
                let end =
                    End { reason: &ended.reason, timing, told: true, replaces: true, sampled_wh };
                self.close(settings, transaction, end, facts);
            }
            // A second end of the same transaction: answered, and the first one stands
            // (behaviour 59).
            Some((id, How::Ended(over))) => {
                let known_wh = over.transaction.meter_wh;
                let contradiction = ended.meter_wh.and_then(|told_wh| match known_wh {
                    Some(known_wh) if known_wh.round() as i64 == told_wh => None,
                    Some(known_wh) => Some(format!("{told_wh} Wh instead of {known_wh:.0} Wh")),
                    None => Some(format!("{told_wh} Wh")),
                });
                let text = contradiction.clone().unwrap_or_default();
                self.note_end(id, NoteKind::EndedAgain, ended, text);
                if let Some(contradiction) = contradiction {
                    let sentence = format!(
                        "A second end came with another register: {contradiction}. The first one \
                         stands."
                    );
                    self.found(id, FindingCode::EndTwice, sentence);
                }
            }
            Some(_) => {}
            None => self.orphan(event, ended, timing, is_old, facts),
        }
    }

    /// An end of a transaction that is not known here: kept, answered, and waited with for its
    /// start (behaviours 58, 59).
    fn orphan(
        &mut self,
        event: &ChargerEvent,
        ended: &TransactionEnded,
        timing: Timing,
        is_old: bool,
        facts: &mut Vec<Fact>,
    ) {
        if self.remember_early_end(ended.clone()) {
            facts.push(Fact::TransactionOrphaned {
                id: ended.id,
                external_id: ended.external_id.clone(),
                ended: Box::new(ended.clone()),
            });
        }
        if let (Some(at), false, false) = (ended.connector, timing.historical, is_old) {
            self.stop_showing(at, true, event.received_at, facts);
        }
    }

    /// Closes what a boot interrupted and nobody ended since.
    pub(crate) fn give_up_interrupted(
        &mut self,
        settings: &FleetSettings,
        now: UnixMs,
        facts: &mut Vec<Fact>,
    ) {
        let mut index = 0;
        while let Some(open) = self.state.transactions.get(index) {
            match open.interrupted {
                Some(doubt) if doubt.until <= now => {
                    self.give_up(settings, index, doubt.at.min(now), facts);
                }
                _ => index += 1,
            }
        }
    }

    /// A charge that is stuck is given up at the next moment: see [`crate::Fleet::give_up_stuck`].
    pub(crate) fn mark_stuck(&mut self, id: TransactionId, now: UnixMs) {
        if let Some(open) = self.state.transactions.iter_mut().find(|open| open.id == id) {
            open.interrupted = Some(Interruption { at: now, until: now, stuck: true });
        }
    }

    /// Closes an open transaction with what is known of it.
    fn give_up(
        &mut self,
        settings: &FleetSettings,
        index: usize,
        ended_at: UnixMs,
        facts: &mut Vec<Fact>,
    ) {
        let mut transaction = self.state.transactions.remove(index);
        let at = ended_at.max(transaction.started_at);
        let text = match transaction.interrupted.take() {
            Some(doubt) if doubt.stuck => {
                "It delivered nothing, and the charger did not end it when it was asked to."
            }
            Some(_) => {
                "The charger started anew, and neither its end nor a sign that it goes on came in time."
            }
            None => "The charger did not tell its end in time.",
        };
        let text = text.to_owned();
        self.note(transaction.id, NoteKind::GivenUp, None, None, text);
        let timing = Timing { at, historical: false, told: false };
        let end =
            End { reason: INTERRUPTED, timing, told: false, replaces: false, sampled_wh: None };
        self.close(settings, transaction, end, facts);
    }

    /// The transaction was heard of live: a boot before that did not end it.
    pub(crate) fn goes_on(&mut self, id: TransactionId, now: UnixMs, facts: &mut Vec<Fact>) {
        let Some(open) = self.state.transactions.iter_mut().find(|open| open.id == id) else {
            return;
        };
        if open.interrupted.take().is_some() {
            open.resumed_at = Some(now);
            facts.push(Fact::TransactionResumed { id, connector: open.connector });
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

    /// A line of the transaction's history.
    pub(crate) fn note(
        &mut self,
        id: TransactionId,
        kind: NoteKind,
        told_at: Option<UnixMs>,
        seq_no: Option<i64>,
        text: String,
    ) {
        let note = TransactionNote { kind, told_at, seq_no, text, reading: None };
        self.memory.lines.push(LedgerLine::Note(id, note));
    }

    fn note_end(
        &mut self,
        id: TransactionId,
        kind: NoteKind,
        ended: &TransactionEnded,
        text: String,
    ) {
        let text = if text.is_empty() { ended.reason.clone() } else { text };
        self.note(id, kind, ended.at, numbered(&ended.external_id, ended.seq_no), text);
    }

    /// OCPP 1.6 tells card and register at the start, and never again: without them it is known from
    /// the first moment that somebody has to look. 2.x may tell both later.
    fn judge_start(&mut self, started: &TransactionStarted) {
        if !started.external_id.is_empty() {
            return;
        }
        let missing = match (started.id_token.is_empty(), started.meter_wh.is_none()) {
            (false, false) => return,
            (true, false) => "no card",
            (false, true) => "no register",
            (true, true) => "neither a card nor a register",
        };
        let sentence = format!("The charger began it with {missing}.");
        self.found(started.id, FindingCode::StartIncomplete, sentence);
    }

    /// Notes a clock that was of no use for the start or the end of a transaction (behaviour 44).
    fn judge_clock(&mut self, id: TransactionId, own: Option<UnixMs>, timing: Timing) {
        if timing.told {
            return;
        }
        // A time that nobody could take for one (1970, 2099) does not come this far.
        let said =
            own.map_or("no time that can be".to_owned(), |own| format!("{own}, which cannot be"));
        let sentence = format!("The charger's clock said {said}; the time of receipt is used.");
        self.found(id, FindingCode::ClockOdd, sentence);
    }
}

/// How a transaction ends.
#[derive(Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) reason: &'a str,
    pub(crate) timing: Timing,
    /// Whether the charger told it.
    pub(crate) told: bool,
    /// Whether it replaces one that we gave.
    pub(crate) replaces: bool,
    /// The newest sample before it, Wh.
    pub(crate) sampled_wh: Option<f64>,
}

/// The sequence number of a 2.x message; 1.6 has none.
fn numbered(external_id: &str, seq_no: i64) -> Option<i64> {
    (!external_id.is_empty()).then_some(seq_no)
}

/// What an update said, for people.
fn words_of(updated: &TransactionUpdated) -> String {
    match updated.charging_state.as_deref() {
        Some(state) if updated.trigger.is_empty() => state.to_owned(),
        Some(state) => format!("{}, {state}", updated.trigger),
        None => updated.trigger.clone(),
    }
}

/// Puts what the end tells into the transaction.
fn complete(transaction: &mut Transaction, ended: &TransactionEnded) {
    if let Some(meter_wh) = ended.meter_wh {
        // Also when it lies below the start: that is how a suspect end is known (behaviour 59).
        transaction.meter_wh = Some(meter_wh as f64);
    } else if transaction.metered_at == Some(transaction.started_at) {
        // Only the start was measured: to take that for the end would be a gift.
        transaction.meter_wh = None;
    }
    if !ended.external_id.is_empty() {
        sequence::hear(&mut transaction.seq_no, &mut transaction.missing, ended.seq_no);
    }
    if let Some(token) = &ended.id_token {
        transaction.stop_token = Some(token.as_str().into());
        if transaction.id_token.is_empty() {
            transaction.id_token = token.as_str().into();
        }
    }
    if transaction.connector.is_charger()
        && let Some(connector) = ended.connector
    {
        transaction.connector = connector;
    }
    transaction.power_w = None;
}
