//! What an event is to the rules: the news they listen to, where it happened, what counts.

use mendpoint_model::{
    ChargerEvent, ChargerKey, CommandOutcome, ConnectorRef, ConnectorStatus, EventKind, Fact,
    UnixMs, is_our_stop,
};

use crate::codes::normalise_error;
use crate::engine::Cx;
use crate::predicate::Inputs;
use crate::rule::Occurrence;

/// Something countable that happened.
pub(crate) struct Happening {
    pub(crate) kind: Occurrence,
    pub(crate) connector: ConnectorRef,
    pub(crate) id_token: Box<str>,
}

impl Happening {
    /// Something that happened to the whole charger.
    pub(crate) fn of(kind: Occurrence) -> Self {
        Self { kind, connector: ConnectorRef::CHARGER, id_token: Box::default() }
    }
}

/// Security events that somebody looks at now. The specification calls others critical too, such as
/// every restart: that only means that a charger must send them.
pub const SECURITY_ALARMS: [&str; 9] = [
    "SecurityLogWasCleared",
    "AttemptedReplayAttacks",
    "TamperDetectionActivated",
    "InvalidFirmwareSignature",
    "InvalidFirmwareSigningCertificate",
    "InvalidCentralSystemCertificate",
    "InvalidCsmsCertificate",
    "InvalidCSMSCertificate",
    "MaintenanceLoginFailed",
];

/// The news in an event that rules may listen to.
pub(crate) fn inputs_of(event: &ChargerEvent, facts: &[Fact]) -> Inputs {
    let mut inputs = Inputs::MESSAGE;
    match &event.kind {
        EventKind::Connected(_) | EventKind::IdentityContested(_) => inputs.add(Inputs::LINK),
        EventKind::Disconnected(_) => inputs = Inputs::LINK,
        EventKind::Boot(_) => inputs.add(Inputs::BOOT),
        EventKind::Status(report) if report.error.is_none() => {}
        // A status or a fault may carry a warning about the radio link.
        EventKind::Signal(_) | EventKind::Status(_) | EventKind::Fault(_) => {
            inputs.add(Inputs::SIGNAL);
        }
        EventKind::CommandAnswered(answer)
            if !matches!(
                answer.outcome,
                CommandOutcome::Answered { .. } | CommandOutcome::Refused { .. }
            ) =>
        {
            inputs = Inputs::CALLS;
        }
        EventKind::CommandAnswered(_) => inputs.add(Inputs::CALLS),
        EventKind::Firmware(_) => inputs.add(Inputs::FIRMWARE),
        EventKind::Security(_) => inputs.add(Inputs::SECURITY),
        EventKind::Configuration(_) | EventKind::Device(_) => inputs.add(Inputs::CONFIGURATION),
        _ => {}
    }
    if tells_time(&event.kind) {
        inputs.add(Inputs::CLOCK);
    }
    for fact in facts {
        inputs.add(match fact {
            Fact::LinkUp { .. } | Fact::LinkDown { .. } => Inputs::LINK,
            // What was open is in doubt from now on.
            Fact::Booted { .. } => Inputs(Inputs::BOOT.0 | Inputs::TRANSACTION.0),
            // Late news is history: it never makes a rule look (1.2).
            Fact::StatusChanged { historical: false, .. }
            | Fact::StatusRepeated { .. }
            | Fact::FaultChanged(_)
            | Fact::Authorized { accepted: true, .. } => Inputs::STATUS,
            Fact::TransactionOpened(_)
            | Fact::TransactionResumed { .. }
            | Fact::TransactionClosed { historical: false, .. } => Inputs::TRANSACTION,
            Fact::Metered { .. } => Inputs::METER,
            Fact::SignalRead(_) => Inputs::SIGNAL,
            _ => Inputs::default(),
        });
    }
    inputs
}

/// Whether a message tells the charger's own time, so that its clock is known better after it.
fn tells_time(kind: &EventKind) -> bool {
    match kind {
        EventKind::Status(report) => report.at.is_some(),
        EventKind::Meter(reading) => reading.at.is_some(),
        EventKind::Fault(report) => report.at.is_some(),
        EventKind::TransactionStarted(started) => started.at.is_some(),
        EventKind::TransactionUpdated(updated) => updated.at.is_some(),
        EventKind::TransactionEnded(ended) => ended.at.is_some(),
        _ => false,
    }
}

/// The one connector an event is about, where there is one.
pub(crate) fn focus_of(event: &ChargerEvent, facts: &[Fact]) -> Option<ConnectorRef> {
    let mut focus = match &event.kind {
        EventKind::Status(report) => report.connector,
        EventKind::Meter(reading) => reading.connector,
        _ => return None,
    };
    for fact in facts {
        if let Fact::StatusChanged { connector, .. } | Fact::StatusRepeated { connector } = fact
            && *connector != focus
        {
            focus = ConnectorRef::CHARGER;
        }
    }
    Some(focus).filter(|at| !at.is_charger())
}

/// What an event's facts count as.
pub(crate) fn happenings(event: &ChargerEvent, facts: &[Fact]) -> Vec<Happening> {
    let mut happened = Vec::new();
    if matches!(event.kind, EventKind::IdentityContested(_)) {
        let (kind, connector) = (Occurrence::IdentityContested, ConnectorRef::CHARGER);
        happened.push(Happening { kind, connector, id_token: Box::default() });
    }
    if let EventKind::Security(report) = &event.kind
        && SECURITY_ALARMS.iter().any(|kind| kind.eq_ignore_ascii_case(report.kind.trim()))
    {
        let id_token = report.kind.trim().into();
        happened.push(Happening { id_token, ..Happening::of(Occurrence::SecurityAlarm) });
    }
    for fact in facts {
        if let Fact::Authorized { id_token, connector, .. } = fact {
            let connector = connector.unwrap_or(ConnectorRef::CHARGER);
            let id_token = id_token.as_str().into();
            happened.push(Happening { kind: Occurrence::Card, connector, id_token });
        }
        if let (Some(code), Some(connector)) = (warning_of(event), told_live(fact)) {
            happened.push(Happening { kind: Occurrence::Warning, connector, id_token: code });
        }
        let (kind, connector) = match fact {
            // Our own stops are no charger's restlessness.
            Fact::LinkDown { reason } if is_our_stop(reason) => continue,
            Fact::LinkDown { .. } => (Occurrence::Disconnected, ConnectorRef::CHARGER),
            Fact::LinkUp { .. } => (Occurrence::Connected, ConnectorRef::CHARGER),
            Fact::Booted { .. } => (Occurrence::Boot, ConnectorRef::CHARGER),
            Fact::StatusChanged {
                connector,
                from,
                to: ConnectorStatus::Faulted,
                historical: false,
                ..
            } if *from != ConnectorStatus::Faulted => (Occurrence::Faulted, *connector),
            Fact::StatusChanged { connector, from, to, historical: false, .. } if from != to => {
                let at = *connector;
                let mut add = |kind| {
                    happened.push(Happening { kind, connector: at, id_token: Box::default() });
                };
                if to.is_plugged() && !from.is_plugged() {
                    add(Occurrence::PluggedIn);
                } else if from.is_plugged() && !to.is_plugged() {
                    add(Occurrence::Unplugged);
                }
                match to {
                    ConnectorStatus::Available => add(Occurrence::BecameAvailable),
                    ConnectorStatus::Unavailable => add(Occurrence::BecameUnavailable),
                    ConnectorStatus::Charging => add(Occurrence::BecameCharging),
                    _ => {}
                }
                continue;
            }
            Fact::Authorized { id_token, accepted, connector } => {
                let kind = if *accepted { Occurrence::Authorized } else { Occurrence::Refused };
                let connector = connector.unwrap_or(ConnectorRef::CHARGER);
                happened.push(Happening { kind, connector, id_token: id_token.as_str().into() });
                continue;
            }
            Fact::TransactionOpened(transaction) => {
                let (kind, connector) = (Occurrence::SessionStarted, transaction.connector);
                let id_token = transaction.id_token.clone();
                happened.push(Happening { kind, connector, id_token });
                continue;
            }
            Fact::TransactionClosed { transaction, historical: false, .. } => {
                (Occurrence::SessionEnded, transaction.connector)
            }
            _ => continue,
        };
        happened.push(Happening { kind, connector, id_token: Box::default() });
    }
    happened
}

/// The code of an error that is told beside a status other than Faulted.
fn warning_of(event: &ChargerEvent) -> Option<Box<str>> {
    match &event.kind {
        EventKind::Status(report) if report.status != ConnectorStatus::Faulted => {
            report.error.as_ref().map(|error| normalise_error(error).into())
        }
        _ => None,
    }
}

/// Where a live status was told.
fn told_live(fact: &Fact) -> Option<ConnectorRef> {
    match fact {
        Fact::StatusChanged { connector, historical: false, .. }
        | Fact::StatusRepeated { connector } => Some(*connector),
        _ => None,
    }
}

/// Whether a charger's own time lies so far back that the message is history (1.2).
pub(crate) fn is_late(cx: &Cx<'_>, key: ChargerKey, at: UnixMs) -> bool {
    const LATE_MS: i64 = 300_000;
    let skew = cx.fleet.charger(key).and_then(|charger| charger.clock_skew_ms).unwrap_or(0);
    cx.now.since_ms(at + skew) > LATE_MS
}
