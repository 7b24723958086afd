//! One charging session: what is known of it, what is odd about it, and everything that was said.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use mendpoint_model::{ConnectorRef, KeptNote, MeterReading, NoteKind, TransactionId, UnixMs};
use mendpoint_store::{Direction, FindingRow, FrameRecord};
use serde::Deserialize;

use super::errors::{Page, PageError, render};
use super::transactions::{Looked, soundness};
use crate::pages::extract::Query;
use crate::place::{Moment, Place};
use crate::session::Viewer;
use crate::shell::Shell;
use crate::{AppState, show};

/// Lines of the history that are shown at once.
const NOTES: u32 = 200;
/// Raw messages that are looked up at once.
const FRAMES: usize = 40;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/transactions/{id}", get(page))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// Show lines after this one.
    after: String,
    /// Show the raw messages beside the lines.
    raw: String,
    done: Option<String>,
    error: Option<String>,
}

struct Found {
    code: &'static str,
    title: &'static str,
    sentence: String,
    is_hard: bool,
    at: Moment,
    cleared: Option<Moment>,
}

struct Line {
    label: &'static str,
    kind: &'static str,
    at: Moment,
    told: Option<Moment>,
    seq: String,
    text: String,
    raw: String,
}

#[derive(Template)]
#[template(path = "transaction.html")]
struct TransactionPage {
    shell: Shell,
    id: String,
    href: String,
    external_id: String,
    place: Place,
    glyph: &'static str,
    glyph_label: &'static str,
    is_open: bool,
    is_suspect: bool,
    token: String,
    stop_token: String,
    learned: Moment,
    started: Moment,
    ended: Option<Moment>,
    lasted: String,
    reason: String,
    meter_start: String,
    meter_end: String,
    energy: String,
    power: String,
    offline: bool,
    seq_no: String,
    missing: String,
    findings: Vec<Found>,
    looked: Option<Looked>,
    lines: Vec<Line>,
    is_first: bool,
    next: Option<String>,
    raw_href: String,
    is_raw: bool,
}

async fn page(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
) -> Page {
    let handle = state.handle();
    let (store, now) = (handle.store(), handle.now());
    let key = TransactionId(id);
    let row = store.transaction(key).await?.ok_or_else(|| {
        PageError::not_found(format!("No transaction has the number {id}. Look in the list."))
    })?;
    let findings = store.findings(key).await?;
    let after: i64 = asked.after.trim().parse().unwrap_or(0);
    let notes = store.notes(key, after, NOTES).await?;
    let is_raw = !asked.raw.is_empty();
    let frames = if is_raw { frames(&state, row.charger, &notes).await? } else { Vec::new() };
    let transaction = &row.transaction;
    let (glyph, glyph_label) = soundness(row.severity, row.ended_at.is_none());
    let href = format!("/transactions/{id}");
    let site = handle.directory().charger(row.charger).map(|charger| charger.site);
    let until = row.ended_at.unwrap_or(now);
    let energy = row.energy_wh.or_else(|| transaction.energy_wh());
    let register = |wh: f64| format!("{wh:.0} Wh");
    render(TransactionPage {
        shell: Shell::new(&state, &viewer, "transactions", format!("Transaction {id}"))
            .await
            .with_messages(asked.done, asked.error),
        id: key.to_string(),
        external_id: transaction.external_id.to_string(),
        place: Place::new(
            handle.directory(),
            row.charger,
            site.unwrap_or_default(),
            transaction.connector,
        ),
        glyph,
        glyph_label,
        is_open: row.ended_at.is_none(),
        is_suspect: row.severity != mendpoint_store::Severity::Sound,
        token: viewer.token_words(&transaction.id_token),
        stop_token: transaction
            .stop_token
            .as_deref()
            .map(|token| viewer.token_words(token))
            .unwrap_or_default(),
        learned: Moment::new(now, transaction.opened_at),
        started: Moment::new(now, transaction.started_at),
        ended: row.ended_at.map(|at| Moment::new(now, at)),
        lasted: show::duration(until.since_ms(transaction.started_at)),
        reason: row.reason.clone(),
        meter_start: transaction.meter_start_wh.map(|wh| register(wh as f64)).unwrap_or_default(),
        meter_end: transaction.meter_wh.map(register).unwrap_or_default(),
        energy: energy.map(show::energy).unwrap_or_default(),
        power: transaction
            .power_w
            .filter(|_| row.ended_at.is_none())
            .map(show::power)
            .unwrap_or_default(),
        offline: transaction.offline,
        seq_no: if transaction.external_id.is_empty() {
            String::new()
        } else {
            transaction.seq_no.to_string()
        },
        missing: mendpoint_fleet::missing_words(&transaction.missing),
        findings: findings.iter().map(|row| found(now, row)).collect(),
        looked: Looked::new(now, row.look.as_ref()),
        is_first: after == 0,
        next: (notes.len() == NOTES as usize)
            .then(|| notes.last().map(|last| format!("{href}?after={}#said", last.id)))
            .flatten(),
        raw_href: format!("{href}?after={after}&raw=1#said"),
        is_raw,
        lines: notes.iter().map(|kept| line(&viewer, now, kept, &frames)).collect(),
        href,
    })
}

/// The raw messages that the lines came from, the first few.
async fn frames(
    state: &AppState,
    charger: mendpoint_model::ChargerKey,
    notes: &[KeptNote],
) -> Result<Vec<FrameRecord>, mendpoint_store::Error> {
    let mut wanted: Vec<u64> =
        notes.iter().map(|kept| kept.frame).filter(|frame| *frame > 0).collect();
    wanted.dedup();
    let log = state.handle().store().frame_log();
    let mut found = Vec::new();
    for seq in wanted.into_iter().take(FRAMES) {
        let frame = log.frame_of(charger, seq).await?;
        found.extend(frame.filter(|frame| frame.direction == Direction::In));
    }
    Ok(found)
}

fn found(now: UnixMs, row: &FindingRow) -> Found {
    let code = row.finding.code;
    Found {
        code: code.name(),
        title: code.title(),
        sentence: row.finding.sentence.clone(),
        is_hard: code.is_hard(),
        at: Moment::new(now, row.found_at),
        cleared: row.cleared_at.map(|at| Moment::new(now, at)),
    }
}

fn line(viewer: &Viewer, now: UnixMs, kept: &KeptNote, frames: &[FrameRecord]) -> Line {
    let note = &kept.note;
    let raw = frames.iter().find(|frame| frame.seq == kept.frame);
    let mut text = note.text.clone();
    if let Some(reading) = &note.reading {
        text = values(reading);
    }
    Line {
        label: note.kind.label(),
        kind: match note.kind {
            NoteKind::GivenUp | NoteKind::Corrected | NoteKind::Late | NoteKind::MeterAfterEnd => {
                "t-warn"
            }
            NoteKind::Started | NoteKind::Ended => "t-ok",
            _ => "",
        },
        at: Moment::new(now, kept.at),
        told: note.told_at.map(|at| Moment::new(now, at)),
        seq: note.seq_no.map(|seq| seq.to_string()).unwrap_or_default(),
        text,
        raw: raw.map(|frame| viewer.message(&frame.text)).unwrap_or_default(),
    }
}

/// The values of a reading in one line.
fn values(reading: &MeterReading) -> String {
    let parts = [
        reading.energy_wh.map(|wh| format!("{wh:.0} Wh")),
        reading.power_w.map(show::power),
        reading.current_a.map(|a| format!("{a:.1} A")),
        reading.voltage_v.map(|v| format!("{v:.0} V")),
        reading.soc_percent.map(|soc| format!("{soc:.0} % charged")),
        reading.temperature_c.map(|c| format!("{c:.0} °C")),
        (!reading.connector.is_charger() && reading.connector != ConnectorRef::default())
            .then(|| format!("connector {}", reading.connector)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_one_line() {
        let reading = MeterReading {
            connector: ConnectorRef::v16(1),
            energy_wh: Some(1_234.4),
            power_w: Some(7_360.0),
            soc_percent: Some(55.0),
            ..MeterReading::default()
        };
        assert_eq!(values(&reading), "1234 Wh, 7.4 kW, 55 % charged, connector 1");
    }
}
