//! What was when: stretches of one state, from the history of the connection and the connectors.

use std::collections::BTreeMap;

use mendpoint_model::{ConnectorRef, UnixMs};
use mendpoint_store::{LinkChangeRow, StateChangeRow};

/// A stretch of one state.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) from: UnixMs,
    pub(super) to: UnixMs,
    /// The word of the style sheet.
    pub(super) token: &'static str,
    pub(super) label: String,
}

/// What the connection was. Before the first row nothing is known, and nothing is drawn.
pub(super) fn link_spans(from: UnixMs, to: UnixMs, rows: &[LinkChangeRow]) -> Vec<Span> {
    let changes = rows.iter().map(|row| {
        let (token, label) = if row.online { ("ok", "online") } else { ("offline", "offline") };
        (row.at, token, label.to_owned())
    });
    spans(from, to, changes)
}

pub(super) fn state_spans(from: UnixMs, to: UnixMs, rows: &[&StateChangeRow]) -> Vec<Span> {
    let changes = rows.iter().map(|row| {
        let (token, word) = look(&row.status, &row.error);
        let label =
            if row.error.is_empty() { word.to_owned() } else { format!("{word} · {}", row.error) };
        (row.at, token, label)
    });
    spans(from, to, changes)
}

fn spans(
    from: UnixMs,
    to: UnixMs,
    changes: impl Iterator<Item = (UnixMs, &'static str, String)>,
) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (at, token, label) in changes {
        if at >= to {
            break;
        }
        let at = at.max(from);
        if let Some(last) = spans.last_mut() {
            if last.token == token && last.label == label {
                continue;
            }
            last.to = at;
        }
        spans.push(Span { from: at, to, token, label });
    }
    // Several changes before the beginning collapse into the last of them.
    spans.retain(|span| span.to > span.from);
    spans
}

/// A charger that is offline says nothing of its connectors: those stretches are shown as offline.
pub(super) fn overlaid(spans: Vec<Span>, connection: &[Span]) -> Vec<Span> {
    let offline: Vec<&Span> = connection.iter().filter(|span| span.token == "offline").collect();
    let mut result: Vec<Span> = Vec::new();
    for span in spans {
        let mut from = span.from;
        for gap in &offline {
            if gap.to <= from || gap.from >= span.to {
                continue;
            }
            if gap.from > from {
                result.push(Span { from, to: gap.from, ..span.clone() });
            }
            let until = gap.to.min(span.to);
            result.push(Span {
                from: gap.from.max(from),
                to: until,
                token: "offline",
                label: "offline".to_owned(),
            });
            from = until;
        }
        if from < span.to {
            result.push(Span { from, ..span });
        }
    }
    result
}

pub(super) fn by_connector(
    states: &[StateChangeRow],
) -> BTreeMap<ConnectorRef, Vec<&StateChangeRow>> {
    let mut rows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in states {
        rows.entry(row.connector).or_default().push(row);
    }
    rows
}

/// The word of the style sheet and the word for people of an OCPP status.
pub(super) fn look<'a>(status: &'a str, error: &str) -> (&'static str, &'a str) {
    match status {
        "Available" if error.is_empty() => ("ok", "available"),
        "Available" => ("warn", "available"),
        "Charging" => ("charge", "charging"),
        "Preparing" => ("busy", "plugged in"),
        "Finishing" => ("busy", "finishing"),
        "SuspendedEV" | "SuspendedEVSE" => ("busy", "paused"),
        "Reserved" => ("busy", "reserved"),
        "Unavailable" => ("maint", "out of service"),
        "Faulted" => ("fault", "Faulted"),
        other => ("maint", other),
    }
}
