//! What a condition is asked of: a connector or a charger, and what is remembered of it.

use mendpoint_model::{ChargerState, ConnectorRef, ConnectorState, UnixMs};

use super::{BurnOver, Elapsed, Flag, Number};
use crate::calls::Calls;
use crate::codes::{is_safety, normalise_error, normalise_fault};
use crate::cohort::{Cohort, wilson_upper};
use crate::memory::Memory;
use crate::rule::Occurrence;
use crate::signal::SignalLog;

/// What a condition is asked of.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) now: UnixMs,
    pub(crate) charger: &'a ChargerState,
    pub(crate) connector: Option<&'a ConnectorState>,
    pub(crate) at: ConnectorRef,
    pub(crate) signals: Option<&'a SignalLog>,
    calls: Calls,
    pub(crate) memory: Option<&'a Memory>,
    cohort: Option<&'a Cohort>,
}

impl<'a> Subject<'a> {
    /// A connector of a charger, or the charger itself.
    pub(crate) fn new(now: UnixMs, charger: &'a ChargerState, at: ConnectorRef) -> Self {
        let connector = connector_state(charger, at);
        let (signals, memory, cohort) = (None, None, None);
        Self { now, charger, connector, at, signals, calls: Calls::default(), memory, cohort }
    }

    /// The same, with what the engine itself knows of the charger.
    pub(crate) fn watched(
        now: UnixMs,
        charger: &'a ChargerState,
        at: ConnectorRef,
        signals: Option<&'a SignalLog>,
        calls: Calls,
    ) -> Self {
        Self { signals, calls, ..Self::new(now, charger, at) }
    }

    /// The same, with what is remembered of the charger and known of its kind.
    pub(crate) fn remembering(
        self,
        memory: Option<&'a Memory>,
        cohort: Option<&'a Cohort>,
    ) -> Self {
        Self { memory, cohort, ..self }
    }

    /// The normalised code of what is wrong here; empty when the charger names nothing. Of several
    /// errors and faults it is the most dangerous one: a matter of safety, then the most severe.
    pub(crate) fn code(&self) -> String {
        let Some(connector) = self.connector else { return String::new() };
        let mut faults: Vec<String> = self.faults().map(normalise_fault).collect();
        faults.sort();
        // The first of equals stays: the error beside the status.
        connector
            .error
            .as_deref()
            .map(normalise_error)
            .into_iter()
            .chain(faults)
            .min_by_key(|code| crate::codes::danger(code))
            .unwrap_or_default()
    }

    /// The 2.x faults that count as such: active, of severity 5 (the standard's default) or worse,
    /// and not about the radio link. What is a matter of safety counts whatever its variable and
    /// severity are: the `Active` of an emergency stop is as much a fault as its `Tripped` (G3).
    pub(crate) fn faults(
        &self,
    ) -> impl Iterator<Item = &'a mendpoint_model::FaultReport> + use<'a> {
        self.connector.into_iter().flat_map(|connector| &connector.faults).filter(|fault| {
            let named = ["Problem", "Tripped", "Active"];
            fault.active
                && (is_safety(&normalise_fault(fault))
                    || (fault.severity.is_none_or(|severity| severity <= 5)
                        && named.iter().any(|name| fault.variable.eq_ignore_ascii_case(name))
                        && !fault.component.eq_ignore_ascii_case("DataLink")
                        && normalise_fault(fault) != "WeakSignal"))
        })
    }

    pub(super) fn number(&self, field: Number) -> Option<f64> {
        match field {
            Number::Connector => Some(f64::from(self.at.evse)),
            Number::Power => self.connector?.power_w,
            Number::Soc => self.connector?.soc_percent,
            Number::Temperature => self.connector?.temperature_c,
            Number::ClockSkew => self.charger.clock_skew_ms.map(|ms| ms as f64 / 1_000.0),
            Number::UnansweredCommands => Some(f64::from(self.calls.unanswered)),
            Number::Signal(channel) => self.signals?.last(channel),
            Number::Vital(vital) => vital.of(self),
            Number::Burn(over) => {
                let burn = self.memory?.burn.as_deref()?;
                Some(match over {
                    BurnOver::FiveMinutes => burn.five_minutes,
                    BurnOver::Hour => burn.hour,
                    BurnOver::SixHours => burn.six_hours,
                    BurnOver::ThreeDays => burn.three_days,
                })
            }
        }
    }

    pub(crate) fn transactions(
        &self,
    ) -> impl Iterator<Item = &'a mendpoint_model::Transaction> + use<'a> {
        let at = self.at;
        self.charger.transactions.iter().filter(move |tx| is_at(tx, at))
    }

    pub(super) fn flag(&self, flag: Flag) -> bool {
        let link = &self.charger.link;
        match flag {
            Flag::Connected => link.connected,
            Flag::EverConnected => link.since.is_some() || link.last_seen_at.is_some(),
            Flag::Spoke => {
                link.connected && link.last_seen_at.is_some_and(|seen| Some(seen) > link.since)
            }
            Flag::Plugged => self.connector.is_some_and(|connector| connector.plugged_at.is_some()),
            Flag::TransactionOpen => self.transactions().next().is_some(),
            Flag::FaultActive => self.faults().next().is_some(),
            Flag::OutOfServiceByPlan => is_planned_out(self.charger, self.at),
            Flag::AnswersCommands => self.calls.answers,
            Flag::Vital(vital) => vital.of(self),
        }
    }

    pub(super) fn below_cohort(&self, good: Occurrence, bad: Occurrence, last: usize) -> bool {
        let well = self.memory.and_then(|memory| memory.share(self.at, good, bad, last));
        let usual = self.cohort.and_then(|cohort| cohort.share(good, bad));
        well.zip(usual).is_some_and(|(well, usual)| wilson_upper(well, last) < usual)
    }

    /// How often something happened here, as a multiple of what is usual, and when that next sinks.
    pub(super) fn times_cohort(
        &self,
        kind: Occurrence,
        within_ms: i64,
    ) -> Option<(f64, Option<UnixMs>)> {
        let usual = self.cohort?.a_day(kind)? * within_ms as f64 / mendpoint_model::DAY_MS as f64;
        let (many, until) = self.memory?.count(self.now, self.at, kind, within_ms);
        (usual > 0.0).then(|| (f64::from(many) / usual, until))
    }

    /// How often something is usual for a charger of its kind within a time.
    pub(super) fn cohort_expects(&self, kind: Occurrence, within_ms: i64) -> Option<f64> {
        Some(self.cohort?.a_day(kind)? * within_ms as f64 / mendpoint_model::DAY_MS as f64)
    }

    /// The power of the last sessions, as a part of what is usual for its kind.
    pub(super) fn power_of_kind(&self, last: usize) -> Option<(f64, f64)> {
        let most = self.memory?.power.as_ref()?.most(self.at, last)?;
        let usual = self.cohort?.median_power_w()?;
        Some((most, usual))
    }

    /// How often a connector of its kind, or a charger, is used in a day.
    pub(super) fn kind_a_day(&self) -> Option<f64> {
        let a_day = self.cohort?.a_day(Occurrence::AttemptSucceeded)?;
        let places = if self.at.is_charger() { 1 } else { self.charger.connectors.len().max(1) };
        Some(a_day / places as f64)
    }

    /// When a growing field began to grow.
    pub(super) fn anchor(&self, field: Elapsed) -> Option<UnixMs> {
        let link = &self.charger.link;
        match field {
            Elapsed::Silent => link.last_seen_at.max(link.since),
            Elapsed::Offline => link.since.filter(|_| !link.connected),
            Elapsed::Status => self.connector?.since,
            Elapsed::Plugged => self.connector?.plugged_at,
            Elapsed::TransactionAge => self.transactions().map(|tx| tx.opened_at).min(),
            Elapsed::TransactionIdle => self.transactions().filter_map(|tx| tx.idle_since).min(),
            Elapsed::CertificateLeft => link.certificate_ends,
            // Answers for itself.
            Elapsed::Vital(_) => None,
        }
    }
}

/// Whether a transaction is at a place. One that names its EVSE only is at each of its connectors.
pub(crate) fn is_at(tx: &mendpoint_model::Transaction, at: ConnectorRef) -> bool {
    let whole_evse = tx.connector.connector == 0 && tx.connector.evse == at.evse;
    at.is_charger() || tx.connector == at || whole_evse
}

/// Whether a charge is open at a place of which it is not known whether it goes on, because its charger
/// started anew (1.6).
pub(crate) fn is_in_doubt(charger: &ChargerState, at: ConnectorRef) -> bool {
    charger.transactions.iter().any(|tx| tx.interrupted.is_some() && is_at(tx, at))
}

/// Whether a person took the connector or its charger out of service.
pub(crate) fn is_planned_out(charger: &ChargerState, at: ConnectorRef) -> bool {
    charger.whole.desired_operative == Some(false)
        || connector_state(charger, at).is_some_and(|state| state.desired_operative == Some(false))
}

/// The state of a connector, or of the charger as a whole.
pub(crate) fn connector_state(charger: &ChargerState, at: ConnectorRef) -> Option<&ConnectorState> {
    if at.is_charger() {
        Some(&charger.whole)
    } else {
        charger.connectors.iter().find(|connector| connector.at == at)
    }
}
