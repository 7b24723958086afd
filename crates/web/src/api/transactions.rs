//! Charging sessions, what is odd about them, and ends without a start.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use mendpoint_model::{TransactionId, UnixMs};
use mendpoint_pipeline::Directory;
use mendpoint_store::{
    FindingRow, Look, OrphanRow, TransactionFilter, TransactionRow, TransactionState,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Caller, Operator};
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{MaybeBody, Params, Path, cursor, limit};
use super::json::{Page, time};
use crate::AppState;
use crate::table::Table;

/// The most rows of a file; the filter by time gives the rest.
const CSV_ROWS_MAX: usize = 100_000;
/// The longest note, in characters.
const NOTE_MAX: usize = 2_000;

/// A charging session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TransactionJson {
    /// Our number; also the `transactionId` of OCPP 1.6.
    id: i64,
    /// The charger's own id (OCPP 2.x).
    external_id: Option<String>,
    /// OCPP identity.
    charger: String,
    connector: String,
    /// The token, shortened unless an administrator asks: tokens are personal data.
    id_token: String,
    /// The token that ended it, if told.
    stop_token: Option<String>,
    started_at: String,
    ended_at: Option<String>,
    meter_start_wh: Option<i64>,
    meter_stop_wh: Option<i64>,
    energy_wh: Option<f64>,
    power_w: Option<f64>,
    /// Why it ended, as the charger says; `Interrupted` when it never said.
    reason: Option<String>,
    /// The worst thing that is odd about it, as a sentence.
    suspect: Option<String>,
    /// `sound`, `soft` (somebody should look) or `hard` (the money is wrong).
    severity: &'static str,
    /// How many things are odd.
    findings_count: u32,
    /// Who looked at it.
    looked: Option<LookJson>,
    /// Whether it came from the charger's offline queue.
    offline: bool,
    /// Sequence numbers of OCPP 2.x that never came, as ranges with both ends.
    missing: Vec<(i64, i64)>,
    /// What is odd about it; only when one is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<FindingJson>>,
}

/// Who looked at a suspect record.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LookJson {
    at: String,
    by: String,
    note: String,
}

impl LookJson {
    fn new(look: &Look) -> Self {
        Self { at: look.at.rfc3339_ms(), by: look.by.clone(), note: look.note.clone() }
    }
}

/// Something that is odd about a session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FindingJson {
    /// `REGISTER_BACKWARDS`, ..
    code: &'static str,
    /// Whether the money is wrong.
    hard: bool,
    sentence: String,
    found_at: String,
    /// Since when it does not hold any more.
    cleared_at: Option<String>,
}

impl FindingJson {
    fn new(row: &FindingRow) -> Self {
        Self {
            code: row.finding.code.name(),
            hard: row.finding.code.is_hard(),
            sentence: row.finding.sentence.clone(),
            found_at: row.found_at.rfc3339_ms(),
            cleared_at: time(row.cleared_at),
        }
    }
}

fn identity(directory: &Directory, charger: mendpoint_model::ChargerKey) -> String {
    directory.charger(charger).map(|charger| charger.identity.to_string()).unwrap_or_default()
}

impl TransactionJson {
    fn new(row: &TransactionRow, directory: &Directory, caller: &Caller) -> Self {
        let transaction = &row.transaction;
        let ended = row.ended_at.is_some();
        Self {
            id: transaction.id.0,
            external_id: Some(transaction.external_id.to_string()).filter(|id| !id.is_empty()),
            charger: identity(directory, row.charger),
            connector: transaction.connector.to_string(),
            id_token: caller.token_words(&transaction.id_token),
            stop_token: transaction.stop_token.as_deref().map(|token| caller.token_words(token)),
            started_at: transaction.started_at.rfc3339_ms(),
            ended_at: time(row.ended_at),
            meter_start_wh: transaction.meter_start_wh,
            meter_stop_wh: transaction.meter_wh.filter(|_| ended).map(|wh| wh as i64),
            energy_wh: row.energy_wh.or_else(|| transaction.energy_wh()),
            power_w: transaction.power_w.filter(|_| !ended),
            reason: Some(row.reason.clone()).filter(|reason| !reason.is_empty()),
            suspect: row.suspect.clone(),
            severity: row.severity.name(),
            findings_count: row.findings,
            looked: row.look.as_ref().map(LookJson::new),
            offline: transaction.offline,
            missing: transaction.missing.clone(),
            findings: None,
        }
    }
}

/// Which sessions.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    charger: Option<String>,
    /// A site's number.
    site: Option<u32>,
    /// `true`: only those that are not over; `false`: only those that are.
    open: Option<bool>,
    /// `true`, `unseen` (nobody looked) or `hard` (the money is wrong).
    suspect: Option<String>,
    /// RFC 3339: learned of then or later.
    from: Option<String>,
    /// RFC 3339: learned of before.
    until: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl ListQuery {
    fn filter(&self, state: &AppState) -> Result<TransactionFilter> {
        let charger = match &self.charger {
            Some(id) => Some(find(state, id)?.key),
            None => None,
        };
        let suspect = match self.suspect.as_deref() {
            None | Some("false" | "0") => None,
            Some("true" | "1") => Some(TransactionState::Suspect),
            Some("unseen") => Some(TransactionState::Unseen),
            Some("hard") => Some(TransactionState::Hard),
            Some(other) => {
                return Err(ApiError::bad_request(format!(
                    "suspect is true, unseen or hard, not {other:?}"
                )));
            }
        };
        let wanted = match (suspect, self.open) {
            (Some(suspect), None) => suspect,
            (Some(_), Some(_)) => {
                return Err(ApiError::bad_request("give open or suspect, not both"));
            }
            (None, Some(true)) => TransactionState::Open,
            (None, Some(false)) => TransactionState::Over,
            (None, None) => TransactionState::Any,
        };
        Ok(TransactionFilter {
            charger,
            site: self.site.map(mendpoint_model::SiteKey),
            state: wanted,
            from: moment("from", self.from.as_deref())?,
            until: moment("until", self.until.as_deref())?,
        })
    }
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<UnixMs>> {
    let Some(text) = text else { return Ok(None) };
    UnixMs::parse_rfc3339(text).map(Some).ok_or_else(|| {
        ApiError::bad_request(format!("{name} is RFC 3339 with a zone, 2026-11-21T00:00:00Z"))
    })
}

pub(super) async fn list(
    caller: Caller,
    State(state): State<AppState>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<TransactionJson>>> {
    let handle = state.handle();
    let filter = query.filter(&state)?;
    let from = cursor(query.cursor.as_deref())?;
    let (rows, next) = handle.store().transactions(&filter, from, limit(query.limit)?).await?;
    let items =
        rows.iter().map(|row| TransactionJson::new(row, handle.directory(), &caller)).collect();
    Ok(Json(Page { items, next: next.map(|next| next.to_string()) }))
}

pub(super) async fn one(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<i64>,
) -> Result<Json<TransactionJson>> {
    Ok(Json(read(&state, &caller, id).await?))
}

async fn read(state: &AppState, caller: &Caller, id: i64) -> Result<TransactionJson> {
    let handle = state.handle();
    let id = TransactionId(id);
    let row = handle
        .store()
        .transaction(id)
        .await?
        .ok_or_else(|| ApiError::not_found(format!("there is no transaction {id}")))?;
    let findings = handle.store().findings(id).await?;
    let mut json = TransactionJson::new(&row, handle.directory(), caller);
    json.findings = Some(findings.iter().map(FindingJson::new).collect());
    Ok(json)
}

/// Something that was said of a session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NoteJson {
    at: String,
    /// `started`, `updated`, `meter`, `ended`, `corrected`, ..
    kind: &'static str,
    /// The charger's own time.
    told_at: Option<String>,
    seq_no: Option<i64>,
    text: String,
    /// The number of the raw frame, `GET /chargers/{id}/frames`.
    frame: Option<u64>,
    energy_wh: Option<f64>,
    power_w: Option<f64>,
    current_a: Option<f64>,
    voltage_v: Option<f64>,
    soc_percent: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NotesQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn notes(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<i64>,
    Params(query): Params<NotesQuery>,
) -> Result<Json<Page<NoteJson>>> {
    let limit = limit(query.limit)?;
    let after = match query.cursor.as_deref() {
        None => 0,
        Some(text) => text
            .parse()
            .map_err(|_| ApiError::bad_request("take `next` of the page before as the cursor"))?,
    };
    let notes = state.handle().store().notes(TransactionId(id), after, limit).await?;
    let next = (notes.len() == limit as usize)
        .then(|| notes.last().map(|last| last.id.to_string()))
        .flatten();
    let items = notes.into_iter().map(|kept| {
        let reading = kept.note.reading.unwrap_or_default();
        NoteJson {
            at: kept.at.rfc3339_ms(),
            kind: kept.note.kind.name(),
            told_at: time(kept.note.told_at),
            seq_no: kept.note.seq_no,
            text: kept.note.text,
            frame: Some(kept.frame).filter(|frame| *frame > 0),
            energy_wh: reading.energy_wh,
            power_w: reading.power_w,
            current_a: reading.current_a,
            voltage_v: reading.voltage_v,
            soc_percent: reading.soc_percent,
        }
    });
    Ok(Json(Page { items: items.collect(), next }))
}

/// What somebody makes of a suspect record.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LookBody {
    #[serde(default)]
    note: String,
}

impl LookBody {
    fn into_look(self, state: &AppState, caller: &Caller) -> Result<Look> {
        if self.note.chars().count() > NOTE_MAX {
            return Err(ApiError::bad_request(format!("a note has at most {NOTE_MAX} characters")));
        }
        Ok(Look { at: state.handle().now(), by: caller.name.clone(), note: self.note })
    }
}

pub(super) async fn look(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<i64>,
    MaybeBody(body): MaybeBody<LookBody>,
) -> Result<Json<TransactionJson>> {
    let look = body.into_look(&state, &caller)?;
    let handle = state.handle();
    if !handle.store().look_at_transaction(TransactionId(id), &look).await? {
        // Is there none, or is nothing odd about it?
        read(&state, &caller, id).await?;
        return Err(ApiError::conflict("nothing is odd about this transaction"));
    }
    handle.audit(&caller.name, "looked at", &format!("transaction {id}")).await;
    Ok(Json(read(&state, &caller, id).await?))
}

/// The end of a session that is not known here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrphanJson {
    id: i64,
    charger: String,
    received_at: String,
    /// The `transactionId` that the charger sent (OCPP 1.6).
    transaction_id: i64,
    external_id: Option<String>,
    id_token: Option<String>,
    meter_stop_wh: Option<i64>,
    reason: Option<String>,
    ended_at: Option<String>,
    /// The session that it turned out to end.
    joined: Option<i64>,
    frame: Option<u64>,
    looked: Option<LookJson>,
}

impl OrphanJson {
    fn new(row: &OrphanRow, directory: &Directory, caller: &Caller) -> Self {
        let ended = row.ended.as_ref();
        Self {
            id: row.id,
            charger: identity(directory, row.charger),
            received_at: row.at.rfc3339_ms(),
            transaction_id: row.sent.0,
            external_id: Some(row.external_id.clone()).filter(|id| !id.is_empty()),
            id_token: ended
                .and_then(|ended| ended.id_token.as_deref())
                .map(|token| caller.token_words(token)),
            meter_stop_wh: ended.and_then(|ended| ended.meter_wh),
            reason: ended.map(|ended| ended.reason.clone()),
            ended_at: time(ended.and_then(|ended| ended.at)),
            joined: row.joined.map(|id| id.0),
            frame: Some(row.frame).filter(|frame| *frame > 0),
            looked: row.look.as_ref().map(LookJson::new),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrphansQuery {
    charger: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn orphans(
    caller: Caller,
    State(state): State<AppState>,
    Params(query): Params<OrphansQuery>,
) -> Result<Json<Page<OrphanJson>>> {
    let charger = match &query.charger {
        Some(id) => Some(find(&state, id)?.key),
        None => None,
    };
    let handle = state.handle();
    let from = cursor(query.cursor.as_deref())?;
    let (rows, next) = handle.store().orphans(charger, from, limit(query.limit)?).await?;
    let items = rows.iter().map(|row| OrphanJson::new(row, handle.directory(), &caller)).collect();
    Ok(Json(Page { items, next: next.map(|next| next.to_string()) }))
}

pub(super) async fn look_at_orphan(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<i64>,
    MaybeBody(body): MaybeBody<LookBody>,
) -> Result<Json<OrphanJson>> {
    let look = body.into_look(&state, &caller)?;
    let handle = state.handle();
    handle.store().look_at_orphan(id, &look).await?;
    let row = handle.store().orphan(id).await?;
    let row = row.ok_or_else(|| ApiError::not_found(format!("there is no orphan {id}")))?;
    handle.audit(&caller.name, "looked at", &format!("orphan {id}")).await;
    Ok(Json(OrphanJson::new(&row, handle.directory(), &caller)))
}

/// The same list as a file for spreadsheets.
pub(super) async fn csv(
    caller: Caller,
    State(state): State<AppState>,
    Params(query): Params<ListQuery>,
) -> Result<Response> {
    let filter = query.filter(&state)?;
    let is_full = caller.is_admin();
    state.handle().exported(&caller.name, "transactions").await?;
    Ok(table(&state, &filter, is_full).await?.into_file("transactions.csv"))
}

/// The sessions of a filter as a table. `is_full`: with whole tokens.
pub(crate) async fn table(
    state: &AppState,
    filter: &TransactionFilter,
    is_full: bool,
) -> std::result::Result<Table, mendpoint_store::Error> {
    let handle = state.handle();
    let mut table = Table::new(&[
        "id",
        "external_id",
        "charger",
        "site",
        "connector",
        "id_token",
        "started_at",
        "ended_at",
        "meter_start_wh",
        "meter_stop_wh",
        "energy_wh",
        "reason",
        "severity",
        "findings",
        "suspect",
        "looked_by",
        "looked_at",
        "note",
    ]);
    let mut from = None;
    let mut count = 0;
    loop {
        let (rows, next) = handle.store().transactions(filter, from, 500).await?;
        count += rows.len();
        for row in &rows {
            table.row(&cells(row, handle.directory(), is_full));
        }
        from = next;
        if from.is_none() || count >= CSV_ROWS_MAX {
            return Ok(table);
        }
    }
}

fn cells(row: &TransactionRow, directory: &Directory, is_full: bool) -> [String; 18] {
    let transaction = &row.transaction;
    let token = &transaction.id_token;
    let number = |number: Option<f64>| number.map(|n| format!("{n:.0}")).unwrap_or_default();
    let site = directory
        .charger(row.charger)
        .and_then(|charger| directory.site(charger.site))
        .map(|site| site.name.clone())
        .unwrap_or_default();
    let look = row.look.as_ref();
    [
        transaction.id.to_string(),
        transaction.external_id.to_string(),
        identity(directory, row.charger),
        site,
        transaction.connector.to_string(),
        if is_full { token.to_string() } else { crate::search::masked(token) },
        transaction.started_at.rfc3339(),
        row.ended_at.map(UnixMs::rfc3339).unwrap_or_default(),
        number(transaction.meter_start_wh.map(|wh| wh as f64)),
        number(transaction.meter_wh.filter(|_| row.ended_at.is_some())),
        number(row.energy_wh.or_else(|| transaction.energy_wh())),
        row.reason.clone(),
        row.severity.name().to_owned(),
        row.findings.to_string(),
        row.suspect.clone().unwrap_or_default(),
        look.map(|look| look.by.clone()).unwrap_or_default(),
        look.map(|look| look.at.rfc3339()).unwrap_or_default(),
        look.map(|look| look.note.clone()).unwrap_or_default(),
    ]
}
