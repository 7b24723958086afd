//! What an event is to the rules: the news they listen to, where it happened, what counts.

use mendpoint_model::{
    ChargerEvent, ChargerKey, CommandOutcome, ConnectorRef, ConnectorStatus, EventKind, Fact,
    UnixMs,
};

use crate::engine::Cx;
use crate::predicate::Inputs;
use crate::rule::Occurrence;

/// Something countable that happened.
pub(crate) struct Happening {
    pub(crate) kind: Occurrence,
    pub(crate) connector: ConnectorRef,
    pub(crate) id_token: Box<str>,
}

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
        _ => {}
    }
    for fact in facts {
        inputs.add(match fact {
            Fact::LinkUp { .. } | Fact::LinkDown { .. } => Inputs::LINK,
            Fact::Booted { .. } => Inputs::BOOT,
            // Late news is history: it never makes a rule look (1.2).
            Fact::StatusChanged { historical: false, .. }
            | Fact::StatusRepeated { .. }
            | Fact::FaultChanged(_) => Inputs::STATUS,
            Fact::TransactionOpened(_) | Fact::TransactionClosed { historical: false, .. } => {
                Inputs::TRANSACTION
            }
            Fact::Metered { .. } => Inputs::METER,
            Fact::SignalRead(_) => Inputs::SIGNAL,
            _ => Inputs::default(),
        });
    }
    inputs
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
    for fact in facts {
        let (kind, connector) = match fact {
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

/// Whether a charger's own time lies so far back that the message is history (1.2).
pub(crate) fn is_late(cx: &Cx<'_>, key: ChargerKey, at: UnixMs) -> bool {
    const LATE_MS: i64 = 300_000;
    let skew = cx.fleet.charger(key).and_then(|charger| charger.clock_skew_ms).unwrap_or(0);
    cx.now.since_ms(at + skew) > LATE_MS
}
