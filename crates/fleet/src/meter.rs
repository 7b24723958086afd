//! Measured values.

use mendpoint_model::{ChargerEvent, Fact, MINUTE_MS, MeterReading, UnixMs};

use crate::settings::FleetSettings;
use crate::slot::Slot;
use crate::status::is_same_evse;

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
            replace(&mut connector.power_w, power_w);
            replace(&mut connector.energy_wh, energy_wh);
            replace(&mut connector.soc_percent, finite(reading.soc_percent));
            replace(&mut connector.temperature_c, finite(reading.temperature_c));
            facts.push(Fact::Metered { connector: connector.at, power_w });
        }
        let Some(index) = self.metered_transaction(reading, timing.at) else { return };
        let transaction = &mut self.state.transactions[index];
        if let Some(energy_wh) = energy_wh {
            // A start that told no register begins with the first one that is measured.
            let start_wh = *transaction.meter_start_wh.get_or_insert(energy_wh as i64);
            transaction.meter_wh = Some(energy_wh);
            transaction.had_power |= energy_wh - start_wh as f64 >= ENERGY_SHOWS_POWER_WH;
        }
        let id = transaction.id;
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
                self.goes_on(id);
            }
        }
    }

    /// The open transaction that values belong to: by its number, else by place and time
    /// (behaviour 61). Values of an ended transaction belong to nobody: nothing is resurrected.
    fn metered_transaction(&self, reading: &MeterReading, at: UnixMs) -> Option<usize> {
        let open = &self.state.transactions;
        if let Some(id) = reading.transaction.filter(|id| id.0 > 0) {
            let by_id = open.iter().position(|open| open.id == id);
            if by_id.is_some() || self.recent_of(id, "").is_some() {
                return by_id;
            }
        }
        open.iter().position(|open| {
            is_same_evse(open.connector, reading.connector)
                && at.since_ms(open.started_at) >= -BEFORE_START_MS
        })
    }
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
