//! Fields of conditions that look behind the present state: since when something stands still, how
//! long a phase lasts. What they go by is kept by whoever folds the state; nothing is kept here.

use mendpoint_model::{
    ChargerState, ConnectorState, ConnectorStatus, ConnectorTrace, SECOND_MS, Transaction, UnixMs,
};

use crate::predicate::{Holds, Inputs, Subject, is_at};

/// A gap between values shorter than this is none, however often they come: networks stutter.
const GAP_MIN_MS: i64 = 60 * SECOND_MS;
/// A gap of so many intervals is one.
const GAP_INTERVALS: i64 = 3;
/// Configuration that tells how often values are measured within a transaction, in seconds.
const INTERVAL_KEYS: [&str; 2] = ["MeterValueSampleInterval", "SampledDataCtrlr.TxUpdatedInterval"];

/// Yes-or-no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VitalFlag {
    /// It told a boot at some time.
    EverBooted,
    /// A card was accepted for the car that waits here.
    Authorised,
    /// It charges with direct current.
    DirectCurrent,
    /// An error is told beside the status, whatever the status is.
    ErrorTold,
    /// A transaction is open and nobody was authorised or charges yet (2.x `EVConnected`).
    CarWaits,
    /// One of the charger's connectors is free.
    AnyAvailable,
    /// No energy is counted though power flows, for longer than the meter's own steps explain.
    RegisterStill,
}

/// Numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VitalNumber {
    /// What the charger offers the car, A.
    Offered,
    /// How wrong its clock is, in either direction, seconds.
    ClockOff,
    /// Keys whose value is not the desired one.
    ConfigurationDrift,
}

/// Times that grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VitalTime {
    /// Since it was made known here.
    Registered,
    /// Since the card was accepted.
    Authorised,
    /// Since the error beside the status is the one it is.
    Error,
    /// Since that error was last told.
    ErrorTold,
    /// Since the firmware status is the one it is.
    Firmware,
    /// Since the register of the transaction last rose.
    NoProgress,
    /// Since the register last fell.
    RegisterFell,
    /// Since a card was held up at the charger, or since it was made known.
    Card,
    /// Since values should have come.
    MeterOverdue,
    /// How long the register stood still under power, from reading to reading.
    RegisterStill,
    /// How long the state of charge stayed the same, from reading to reading.
    SocUnchanged,
}

pub(crate) const FLAGS: [(&str, VitalFlag); 7] = [
    ("ever_booted", VitalFlag::EverBooted),
    ("authorised", VitalFlag::Authorised),
    ("direct_current", VitalFlag::DirectCurrent),
    ("error.told", VitalFlag::ErrorTold),
    ("transaction.car_waits", VitalFlag::CarWaits),
    ("any_available", VitalFlag::AnyAvailable),
    ("register.still", VitalFlag::RegisterStill),
];

pub(crate) const NUMBERS: [(&str, VitalNumber); 3] = [
    ("offered_a", VitalNumber::Offered),
    ("clock_off_s", VitalNumber::ClockOff),
    ("configuration.drift", VitalNumber::ConfigurationDrift),
];

pub(crate) const TIMES: [(&str, VitalTime); 11] = [
    ("registered_for", VitalTime::Registered),
    ("authorised_for", VitalTime::Authorised),
    ("error.for", VitalTime::Error),
    ("error.silent_for", VitalTime::ErrorTold),
    ("firmware.status_for", VitalTime::Firmware),
    ("transaction.no_progress_for", VitalTime::NoProgress),
    ("register.fell_for", VitalTime::RegisterFell),
    ("card.silent_for", VitalTime::Card),
    ("meter.overdue_for", VitalTime::MeterOverdue),
    ("register.still_for", VitalTime::RegisterStill),
    ("soc.unchanged_for", VitalTime::SocUnchanged),
];

impl VitalFlag {
    pub(crate) fn of(self, subject: &Subject<'_>) -> bool {
        let trace = trace_of(subject);
        match self {
            Self::EverBooted => subject.charger.booted_at.is_some(),
            Self::Authorised => trace.is_some_and(|trace| trace.authorised_at.is_some()),
            Self::DirectCurrent => trace.is_some_and(|trace| trace.is_dc),
            Self::ErrorTold => subject.connector.is_some_and(|state| state.error.is_some()),
            Self::CarWaits => transactions(subject)
                .any(|tx| matches!(tx.charging_state.as_deref(), Some("EVConnected"))),
            Self::AnyAvailable => {
                let is_free = |state: &ConnectorState| state.status == ConnectorStatus::Available;
                subject.charger.connectors.iter().any(is_free)
            }
            Self::RegisterStill => is_still(subject),
        }
    }

    pub(crate) fn inputs(self) -> Inputs {
        match self {
            Self::EverBooted => Inputs::BOOT_OR_LINK,
            Self::Authorised | Self::ErrorTold | Self::AnyAvailable => Inputs::STATUS,
            Self::CarWaits => Inputs::TRANSACTION,
            Self::DirectCurrent | Self::RegisterStill => Inputs::METER,
        }
    }

    pub(crate) fn reads_connector(self) -> bool {
        !matches!(self, Self::EverBooted | Self::CarWaits | Self::AnyAvailable)
    }
}

impl VitalNumber {
    pub(crate) fn of(self, subject: &Subject<'_>) -> Option<f64> {
        match self {
            Self::Offered => trace_of(subject)?.offered_a,
            Self::ClockOff => {
                subject.charger.clock_skew_ms.map(|ms| ms.saturating_abs() as f64 / 1_000.0)
            }
            Self::ConfigurationDrift => subject.charger.drift.map(f64::from),
        }
    }

    pub(crate) fn inputs(self) -> Inputs {
        match self {
            Self::Offered => Inputs::METER,
            // It is learned from every message that tells a time.
            Self::ClockOff => Inputs::CLOCK,
            Self::ConfigurationDrift => Inputs::CONFIGURATION,
        }
    }

    pub(crate) fn reads_connector(self) -> bool {
        self == Self::Offered
    }
}

impl VitalTime {
    /// When a comparison with `ms` holds.
    pub(crate) fn holds(self, subject: &Subject<'_>, at_least: bool, ms: i64) -> Holds {
        // What is measured from reading to reading does not grow between them: a charger that
        // measures nothing more must not be taken for one that measures the same.
        let span = |span: Option<(UnixMs, UnixMs)>| match span {
            Some((since, until)) => Holds::when((until.since_ms(since) >= ms) == at_least),
            None => Holds::NEVER,
        };
        let trace = trace_of(subject);
        match self {
            Self::RegisterStill => {
                span(trace.and_then(|trace| trace.still).map(|still| (still.since, still.until)))
            }
            Self::SocUnchanged => span(trace.and_then(|trace| trace.soc_span)),
            _ => match self.anchor(subject) {
                Some(anchor) if at_least => Holds::since(anchor + ms),
                Some(anchor) => Holds::before(anchor + ms),
                None => Holds::NEVER,
            },
        }
    }

    fn anchor(self, subject: &Subject<'_>) -> Option<UnixMs> {
        let charger = subject.charger;
        match self {
            Self::Registered => charger.link.registered_at,
            Self::Authorised => trace_of(subject)?.authorised_at,
            Self::Error => trace_of(subject)?.error_since,
            Self::ErrorTold => trace_of(subject)?.error_told_at,
            Self::Firmware => charger.firmware_status.as_ref().map(|(at, _)| *at),
            Self::NoProgress => {
                // What its charger's boot put in doubt has not stood still all the while.
                let since = |tx: &Transaction| {
                    tx.progress_at.unwrap_or(tx.opened_at).max(tx.resumed_at.unwrap_or_default())
                };
                transactions(subject).map(since).min()
            }
            Self::RegisterFell => trace_of(subject)?.register_fell_at,
            Self::Card => charger.carded_at.or(charger.link.registered_at),
            Self::MeterOverdue => {
                let trace = trace_of(subject)?;
                let resumed_at = transactions(subject).map(|tx| tx.resumed_at).max()?;
                let gap_ms = meter_gap_ms(charger, trace)?;
                // A connection that was away brings its values late, and not none; a charger that
                // starts anew begins to measure when the charge goes on.
                let from = trace.metered_at.max(charger.link.since).max(resumed_at)?;
                Some(from + (gap_ms * GAP_INTERVALS).max(GAP_MIN_MS))
            }
            Self::RegisterStill | Self::SocUnchanged => None,
        }
    }

    pub(crate) fn inputs(self) -> Inputs {
        match self {
            Self::Registered => Inputs::LINK,
            Self::Authorised | Self::Error | Self::ErrorTold => Inputs::STATUS,
            Self::Firmware => Inputs::FIRMWARE,
            Self::Card => Inputs::HAPPENED,
            Self::NoProgress | Self::MeterOverdue | Self::RegisterFell => {
                Inputs::METER_OR_TRANSACTION
            }
            Self::RegisterStill | Self::SocUnchanged => Inputs::METER,
        }
    }

    pub(crate) fn reads_connector(self) -> bool {
        !matches!(self, Self::Registered | Self::Firmware | Self::NoProgress | Self::Card)
    }
}

fn trace_of<'a>(subject: &Subject<'a>) -> Option<&'a ConnectorTrace> {
    subject.connector?.trace.as_deref()
}

fn transactions<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Transaction> + use<'a> {
    let at = subject.at;
    subject.charger.transactions.iter().filter(move |tx| is_at(tx, at))
}

/// How far apart values come: what was seen, or what the charger is told to do when that is longer.
/// `None` while fewer than two came: a charger that measures nothing leaves nothing out.
fn meter_gap_ms(charger: &ChargerState, trace: &ConnectorTrace) -> Option<i64> {
    let seen_ms = Some(trace.meter_gap_ms).filter(|gap| *gap > 0)?;
    let told = INTERVAL_KEYS.iter().find_map(|key| {
        charger.configuration.get(*key)?.value.as_deref()?.trim().parse::<i64>().ok()
    });
    let told_ms = told.filter(|seconds| (1..=86_400).contains(seconds)).unwrap_or(0) * SECOND_MS;
    Some(seen_ms.max(told_ms))
}

/// Whether what is missing is more than one step of the meter: a register that counts whole kWh
/// stands still for a while at any power.
fn is_still(subject: &Subject<'_>) -> bool {
    let Some((still, register_wh)) = trace_of(subject)
        .and_then(|trace| trace.still)
        .zip(subject.connector.and_then(|state| state.energy_wh))
    else {
        return false;
    };
    let is_multiple = |step: &f64| register_wh % *step == 0.0;
    let step_wh = [1_000.0, 100.0, 10.0].into_iter().find(is_multiple).unwrap_or(1.0);
    still.missing_wh > step_wh
}
