//! Measured values.

use mendpoint_model::{
    ChargerEvent, Fact, FindingCode, LedgerLine, MINUTE_MS, MeterReading, NoteKind, TransactionId,
    TransactionNote, UnixMs,
};

use crate::checks;
use crate::clock::Timing;
use crate::closing::closed;
use crate::recent::{How, Over};
use crate::settings::FleetSettings;
use crate::slot::Slot;
use crate::status::is_same_evse;
use crate::trace::trace_meter;

/// How much earlier than the start a sample may be and still belong to the transaction: meters
/// sample on their own beat.
const BEFORE_START_MS: i64 = MINUTE_MS;

/// A register that moved this far within a transaction shows that power flowed, for chargers that
/// measure no power, Wh.
const ENERGY_SHOWS_POWER_WH: f64 = 100.0;

impl Slot {
    pub(crate) fn metered(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        reading: &MeterReading,
        is_old: bool,
        facts: &mut Vec<Fact>,
    ) {
        let timing = self.time(settings, event, reading.at, false);
        let is_live = !timing.historical && !is_old;
        let power_w = finite(reading.power_w);
        let energy_wh = finite(reading.energy_wh);
        if is_live && let Some(connector) = self.connector_entry(settings, reading.connector) {
            trace_meter(connector, reading, event.received_at);
            replace(&mut connector.power_w, power_w);
            replace(&mut connector.energy_wh, energy_wh);
            replace(&mut connector.soc_percent, finite(reading.soc_percent));
            replace(&mut connector.temperature_c, finite(reading.temperature_c));
            facts.push(Fact::Metered { connector: connector.at, power_w });
        }
        match self.metered_transaction(reading, timing.at) {
            Some(Metered::Open(index)) => {
                self.metered_open(settings, event, reading, (timing, is_live), index, facts);
            }
            Some(Metered::Over(id)) => self.metered_after_the_end(reading, id, timing, facts),
            None => {}
        }
    }

    fn metered_open(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        reading: &MeterReading,
        (timing, is_live): (Timing, bool),
        index: usize,
        facts: &mut Vec<Fact>,
    ) {
        let power_w = finite(reading.power_w);
        let transaction = &mut self.state.transactions[index];
        let id = transaction.id;
        // A sample that was taken before one that is known already tells nothing new. Of two with one
        // time the higher register is the newer: messages may come in another order than they were
        // written, and clocks of chargers count seconds.
        let is_higher = finite(reading.energy_wh) >= transaction.meter_wh;
        let is_newest = transaction
            .metered_at
            .is_none_or(|known| timing.at > known || timing.at == known && is_higher);
        let mut finding = None;
        if let Some(energy_wh) = finite(reading.energy_wh)
            && is_newest
        {
            // A start that told no register begins with the first one that is measured.
            let start_wh = *transaction.meter_start_wh.get_or_insert(energy_wh as i64);
            if let Some((before_wh, at)) = transaction.meter_wh.zip(transaction.metered_at) {
                let after_ms = timing.at.since_ms(at);
                finding =
                    checks::step(before_wh, energy_wh, after_ms, settings.connector_power_max_w);
            }
            if is_live && transaction.meter_wh.is_some_and(|before_wh| energy_wh > before_wh) {
                transaction.progress_at = Some(event.received_at);
            }
            transaction.meter_wh = Some(energy_wh);
            transaction.metered_at = Some(timing.at);
            transaction.had_power |= energy_wh - start_wh as f64 >= ENERGY_SHOWS_POWER_WH;
        }
        if is_live {
            if let Some(power_w) = power_w {
                transaction.power_w = Some(power_w);
                if power_w < settings.idle_power_w {
                    transaction.idle_since.get_or_insert(event.received_at);
                } else {
                    transaction.idle_since = None;
                    transaction.had_power = true;
                }
            }
            let is_evidence = reading.transaction.is_some()
                || power_w.is_some_and(|power_w| power_w >= settings.idle_power_w);
            let after_boot = self.state.booted_at.is_none_or(|booted_at| timing.at >= booted_at);
            if is_evidence && after_boot {
                self.goes_on(id, event.received_at, facts);
            }
        }
        self.note_reading(id, NoteKind::Meter, reading);
        if let Some(finding) = finding {
            if is_live && finding.code == FindingCode::RegisterBackwards {
                self.register_fell(reading.connector, event.received_at);
            }
            self.found(id, finding.code, finding.sentence);
        }
    }

    /// Values of a transaction that is over are kept with it and resurrect nothing
    /// (behaviour 61). Where its energy was a guess or is not known, they make it better.
    fn metered_after_the_end(
        &mut self,
        reading: &MeterReading,
        id: TransactionId,
        timing: Timing,
        facts: &mut Vec<Fact>,
    ) {
        self.note_reading(id, NoteKind::MeterAfterEnd, reading);
        let Some(energy_wh) = finite(reading.energy_wh) else { return };
        let Some(recent) = self.memory.recent.iter_mut().find(|recent| recent.id == id) else {
            return;
        };
        let is_guess = matches!(recent.how, How::GivenUp(_));
        let Some(over) = recent.over_mut() else { return };
        let transaction = &mut over.transaction;
        let is_unknown = transaction.meter_wh.is_none();
        let is_more = transaction.meter_wh.is_some_and(|known_wh| energy_wh > known_wh);
        if !(is_unknown || is_guess && is_more) {
            return;
        }
        transaction.meter_start_wh.get_or_insert(energy_wh as i64);
        transaction.meter_wh = Some(energy_wh);
        transaction.metered_at = Some(timing.at);
        if transaction.found.contains(&FindingCode::NoRegister) {
            transaction.found.retain(|code| *code != FindingCode::NoRegister);
            self.memory.lines.push(LedgerLine::Cleared(id, FindingCode::NoRegister));
        }
        facts.push(closed(transaction.clone(), &over.reason, over.ended_at, true));
    }

    fn note_reading(&mut self, id: TransactionId, kind: NoteKind, reading: &MeterReading) {
        let note = TransactionNote {
            kind,
            told_at: reading.at,
            seq_no: None,
            text: String::new(),
            reading: Some(*reading),
        };
        self.memory.lines.push(LedgerLine::Note(id, note));
    }

    /// The transaction that values belong to: by its number, else by place and time, an open one
    /// before one that is over (behaviour 61).
    fn metered_transaction(&self, reading: &MeterReading, at: UnixMs) -> Option<Metered> {
        let open = &self.state.transactions;
        if let Some(id) = reading.transaction.filter(|id| id.0 > 0) {
            if let Some(index) = open.iter().position(|open| open.id == id) {
                return Some(Metered::Open(index));
            }
            if self.recent_of(id, "").is_some_and(crate::recent::Recent::is_over) {
                return Some(Metered::Over(id));
            }
        }
        let by_place = open.iter().position(|open| {
            is_same_evse(open.connector, reading.connector)
                && at.since_ms(open.started_at) >= -BEFORE_START_MS
        });
        if let Some(index) = by_place {
            return Some(Metered::Open(index));
        }
        // The charger's own time of the sample must say that it was taken then.
        reading.at?;
        let over = self.memory.recent.iter().rev().filter_map(crate::recent::Recent::over);
        let within = |over: &&Over| {
            is_same_evse(over.transaction.connector, reading.connector)
                && at.since_ms(over.transaction.started_at) >= 0
                && at <= over.ended_at
        };
        over.into_iter().find(within).map(|over| Metered::Over(over.transaction.id))
    }
}

/// Where values belong.
enum Metered {
    /// To the open transaction of this index.
    Open(usize),
    /// To one that is over.
    Over(TransactionId),
}

/// The value, unless it is none: JSON cannot say "not a number", a computed sum can.
fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

/// Replaces what was measured; what was not measured stays.
fn replace(known: &mut Option<f64>, measured: Option<f64>) {
    if measured.is_some() {
        *known = measured;
    }
}
