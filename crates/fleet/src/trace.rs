//! What was seen of a connector over time, for rules that look at more than the present: since when
//! a card waits for its transaction, a register stands still, values fail to come.
//!
//! Only live news counts. What comes late from a charger's queue never starts, stops or moves
//! anything here (incidents 1.2).

use mendpoint_model::{
    ConnectorRef, ConnectorState, ConnectorStatus, ConnectorTrace, ErrorReport, Fact, FindingCode,
    HOUR_MS, MINUTE_MS, MeterReading, StillRegister, UnixMs,
};

use crate::slot::Slot;
use crate::status::is_same_evse;

/// How long an accepted card waits for a car to be plugged in.
const CARD_WAITS_MS: i64 = 2 * MINUTE_MS;

/// More power than this has no outlet of alternating current, W (3 x 63 A at 230 V are 43.5 kW).
const AC_POWER_MAX_W: f64 = 50_000.0;

/// Power from which a register must move, W.
const FLOWS_W: f64 = 500.0;

/// Longer than this two readings say nothing of the time between them.
const APART_MAX_MS: i64 = HOUR_MS;

impl Slot {
    /// A card was accepted: for the connector that is named, for the one car that waits, or for the
    /// next one that is plugged in.
    pub(crate) fn authorised(&mut self, at: UnixMs, connector: Option<ConnectorRef>) {
        let open = &self.state.transactions;
        let is_busy = |place: ConnectorRef| open.iter().any(|tx| is_same_evse(tx.connector, place));
        let index = match connector.filter(|place| !place.is_charger()) {
            Some(place) => self.connector_index(place),
            None => {
                let waits = |state: &ConnectorState| {
                    state.status == ConnectorStatus::Preparing && !is_busy(state.at)
                };
                let mut waiting =
                    self.state.connectors.iter().enumerate().filter(|(_, c)| waits(c));
                let first = waiting.next().map(|(index, _)| index);
                first.filter(|_| waiting.next().is_none())
            }
        };
        match index.filter(|index| !is_busy(self.state.connectors[*index].at)) {
            Some(index) if self.state.connectors[index].status == ConnectorStatus::Preparing => {
                trace(&mut self.state.connectors[index]).authorised_at = Some(at);
            }
            _ => self.memory.authorised_at = Some(at),
        }
    }

    /// A connector's live status is another one now.
    pub(crate) fn trace_status(&mut self, at: ConnectorRef, status: ConnectorStatus, now: UnixMs) {
        let waits = (status == ConnectorStatus::Preparing)
            .then(|| self.memory.authorised_at.take())
            .flatten()
            .filter(|card| now.since_ms(*card) <= CARD_WAITS_MS);
        let Some(index) = self.connector_index(at) else { return };
        let connector = &mut self.state.connectors[index];
        if waits.is_some() {
            trace(connector).authorised_at = waits;
        } else if status != ConnectorStatus::Preparing
            && let Some(trace) = connector.trace.as_deref_mut()
        {
            trace.authorised_at = None;
        }
    }

    /// What follows from transactions that began or ended in this message.
    pub(crate) fn trace_transactions(&mut self, facts: &[Fact], now: UnixMs) {
        for fact in facts {
            match fact {
                Fact::TransactionOpened(transaction) => {
                    self.memory.authorised_at = None;
                    let Some(index) = self.connector_index(transaction.connector) else { continue };
                    if let Some(trace) = self.state.connectors[index].trace.as_deref_mut() {
                        *trace = ConnectorTrace {
                            error_since: trace.error_since,
                            error_told_at: trace.error_told_at,
                            offered_a: trace.offered_a,
                            register_fell_at: trace.register_fell_at,
                            is_dc: trace.is_dc,
                            ..ConnectorTrace::default()
                        };
                    }
                }
                Fact::TransactionClosed { transaction, historical: false, .. }
                    if transaction.found.contains(&FindingCode::RegisterBackwards) =>
                {
                    self.register_fell(transaction.connector, now);
                }
                _ => {}
            }
        }
    }

    /// The register of a connector fell within a transaction.
    pub(crate) fn register_fell(&mut self, at: ConnectorRef, now: UnixMs) {
        if let Some(index) = self.connector_index(at) {
            trace(&mut self.state.connectors[index]).register_fell_at = Some(now);
        }
    }
}

/// The trace of a connector, there from now on.
pub(crate) fn trace(connector: &mut ConnectorState) -> &mut ConnectorTrace {
    connector.trace.get_or_insert_default()
}

/// The error beside a live status. `is_same`: it is the one that was there.
pub(crate) fn trace_error(
    connector: &mut ConnectorState,
    error: Option<&ErrorReport>,
    is_same: bool,
    now: UnixMs,
) {
    match error {
        Some(_) => {
            let trace = trace(connector);
            if !is_same || trace.error_since.is_none() {
                trace.error_since = Some(now);
            }
            trace.error_told_at = Some(now);
        }
        None => {
            if let Some(trace) = connector.trace.as_deref_mut() {
                trace.error_since = None;
                trace.error_told_at = None;
            }
        }
    }
}

/// Takes live values in, before they replace those of the connector.
pub(crate) fn trace_meter(connector: &mut ConnectorState, reading: &MeterReading, now: UnixMs) {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let (energy_wh, soc) = (finite(reading.energy_wh), finite(reading.soc_percent));
    let power_w = finite(reading.power_w).or(connector.power_w);
    let (known_wh, known_soc) = (connector.energy_wh, connector.soc_percent);
    let trace = trace(connector);
    if let Some(last) = trace.metered_at
        && now > last
    {
        // The largest gap of late, forgotten slowly: clock-aligned and sampled values come mixed.
        let gap_ms = now.since_ms(last);
        trace.meter_gap_ms = gap_ms.max(trace.meter_gap_ms - trace.meter_gap_ms / 8);
    }
    let before = trace.metered_at.replace(now);
    trace.offered_a = finite(reading.offered_a).or(trace.offered_a);
    trace.is_dc |= soc.is_some() || power_w.is_some_and(|power_w| power_w > AC_POWER_MAX_W);
    if let Some(soc) = soc {
        let same = known_soc.is_some_and(|known| (known - soc).abs() < f64::EPSILON);
        trace.soc_span = match trace.soc_span {
            Some((since, _)) if same => Some((since, now)),
            _ => Some((now, now)),
        };
    }
    if let Some(energy_wh) = energy_wh {
        let same = known_wh.is_some_and(|known| (known - energy_wh).abs() < f64::EPSILON);
        let flows = power_w.filter(|power_w| *power_w > FLOWS_W);
        if !same || trace.register_at.is_none() {
            trace.register_at = Some(now);
        }
        trace.still = match (flows, trace.still, before) {
            (Some(power_w), Some(still), _) if same => {
                let hours = now.since_ms(still.until).min(APART_MAX_MS) as f64 / HOUR_MS as f64;
                let missing_wh = still.missing_wh + power_w * hours;
                Some(StillRegister { until: now, missing_wh, ..still })
            }
            (Some(_), _, _) => Some(StillRegister { since: now, until: now, missing_wh: 0.0 }),
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{Authorize, EventKind, SECOND_MS};

    use super::*;
    use crate::kit::{self, Kit, MIN, start};

    fn status(number: u16, to: ConnectorStatus) -> EventKind {
        kit::status(number, to, None)
    }

    fn meter(power_w: f64, energy_wh: Option<f64>) -> EventKind {
        let reading = kit::meter(1, 0.0, power_w, None);
        EventKind::Meter(MeterReading { energy_wh, ..reading })
    }

    fn traced(kit: &Kit) -> ConnectorTrace {
        kit.connector(1).trace.as_deref().cloned().unwrap_or_default()
    }

    fn card(accepted: bool) -> EventKind {
        EventKind::Authorize(Authorize { id_token: "A".to_owned(), accepted, connector: None })
    }

    #[test]
    fn a_card_waits_for_its_transaction_at_the_car_that_stands_there() {
        let mut kit = Kit::new();
        kit.send(status(1, ConnectorStatus::Preparing));
        kit.send(status(2, ConnectorStatus::Available));
        kit.after(SECOND_MS).send(card(false));
        assert_eq!(traced(&kit).authorised_at, None, "refused");
        kit.after(SECOND_MS).send(card(true));
        assert_eq!(traced(&kit).authorised_at, Some(kit.now));
        kit.after(SECOND_MS).send(status(1, ConnectorStatus::Available));
        assert_eq!(traced(&kit).authorised_at, None, "the car has left");
    }

    #[test]
    fn a_card_before_the_plug_waits_for_two_minutes() {
        for (wait_ms, waits) in [(CARD_WAITS_MS, true), (CARD_WAITS_MS + 1, false)] {
            let mut kit = Kit::new();
            kit.send(status(1, ConnectorStatus::Available));
            kit.send(card(true));
            let shown = kit.now;
            kit.after(wait_ms).send(status(1, ConnectorStatus::Preparing));
            assert_eq!(traced(&kit).authorised_at, waits.then_some(shown));
        }
    }

    #[test]
    fn a_transaction_ends_the_wait_and_begins_the_meter_anew() {
        let mut kit = Kit::new();
        kit.send(status(1, ConnectorStatus::Preparing));
        kit.send(card(true));
        kit.send(meter(7_000.0, Some(100.0)));
        kit.after(MIN).send(meter(7_000.0, Some(100.0)));
        assert!(traced(&kit).still.is_some() && traced(&kit).meter_gap_ms == MIN);
        kit.send(EventKind::TransactionStarted(start(41, 1, None)));
        let trace = traced(&kit);
        assert_eq!((trace.authorised_at, trace.metered_at, trace.still), (None, None, None));
        assert_eq!(trace.meter_gap_ms, 0);
    }

    #[test]
    fn the_largest_gap_between_values_is_forgotten_slowly() {
        let mut kit = Kit::new();
        kit.send(status(1, ConnectorStatus::Charging));
        for after in [0, 60, 10, 10] {
            kit.after(after * SECOND_MS).send(meter(7_000.0, None));
        }
        // 60 s, less an eighth, less an eighth.
        assert_eq!(traced(&kit).meter_gap_ms, 45_938);
    }

    #[test]
    fn a_register_that_stands_still_under_power_counts_what_is_missing() {
        let mut kit = Kit::new();
        kit.send(status(1, ConnectorStatus::Charging));
        for _ in 0..4 {
            kit.after(10 * MIN).send(meter(6_000.0, Some(5_000.0)));
        }
        let still = traced(&kit).still.expect("it stands");
        assert_eq!(still.until.since_ms(still.since), 30 * MIN);
        assert!((still.missing_wh - 3_000.0).abs() < 0.01, "{still:?}");
        kit.after(MIN).send(meter(400.0, Some(5_000.0)));
        assert_eq!(traced(&kit).still, None, "no power to speak of");
        kit.after(MIN).send(meter(6_000.0, Some(5_001.0)));
        let still = traced(&kit).still.expect("a new one begins");
        assert_eq!(still.since, kit.now, "it moved");
    }
}
