//! What chargers say of themselves: variables and their changes, monitors, upkeep, and what models
//! can do.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use mendpoint_model::{AttributeKind, CapabilityCounts, Mutability};
use mendpoint_store::{SignalKeyRow, VariableRow};
use mendpoint_upkeep::Stage;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Caller, Operator};
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{Body, Params, Path, limit};
use super::json::Page;
use crate::{AppState, device};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VariablesQuery {
    /// Part of a name or a value.
    q: Option<String>,
    /// `name` (the default) or `changed`, which has one page.
    sort: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A configuration key (1.6) or one value of a variable (2.x).
#[derive(Serialize, ToSchema)]
pub(super) struct VariableJson {
    /// `Component[instance]:evse:connector.Variable[instance]`, or the key.
    name: String,
    component: String,
    instance: String,
    evse: Option<u16>,
    connector: Option<u16>,
    variable: String,
    variable_instance: String,
    /// `Actual`, `Target`, `MinSet` or `MaxSet`.
    attribute: &'static str,
    /// `null` when it was not told, or is a secret.
    value: Option<String>,
    /// How many characters the value had when it was too long to be kept whole.
    cut_from: Option<u32>,
    /// `ReadOnly`, `WriteOnly` or `ReadWrite`; `null` when not told.
    mutability: Option<&'static str>,
    data_type: String,
    unit: String,
    supports_monitoring: Option<bool>,
    /// Whether it opens something: then its value is neither kept nor shown.
    secret: bool,
    /// Since when the value holds, as far as was seen.
    since: String,
    last_told_at: String,
    /// A user's name, or `charger`.
    changed_by: String,
}

impl VariableJson {
    fn new(row: VariableRow) -> Self {
        let report = row.report;
        Self {
            name: row.name,
            attribute: report.attribute.name(),
            value: report.value,
            cut_from: report.cut_from,
            mutability: report.mutability.map(Mutability::name),
            data_type: report.data_type,
            unit: report.unit,
            supports_monitoring: report.supports_monitoring,
            secret: report.at.is_secret() || report.mutability == Some(Mutability::WriteOnly),
            since: row.since.rfc3339_ms(),
            last_told_at: row.seen.rfc3339_ms(),
            changed_by: row.changed_by,
            component: report.at.component,
            instance: report.at.instance,
            evse: report.at.evse,
            connector: report.at.connector,
            variable: report.at.variable,
            variable_instance: report.at.variable_instance,
        }
    }
}

/// The variables of a charger.
pub(super) async fn variables(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Params(query): Params<VariablesQuery>,
) -> Result<Json<Page<VariableJson>>> {
    let record = find(&state, &id)?;
    let limit = limit(query.limit)?;
    let text = query.q.unwrap_or_default();
    let store = state.handle().store();
    let (rows, next) = match query.sort.as_deref() {
        None | Some("name") => {
            let after = query.cursor.as_deref().map(place).transpose()?;
            store.variables(record.key, &text, after, limit).await?
        }
        Some("changed") => (store.recent_variables(record.key, &text, limit).await?, None),
        Some(other) => {
            let sentence = format!("sort is name or changed, not {other:?}");
            return Err(ApiError::bad_request(sentence));
        }
    };
    Ok(Json(Page {
        items: rows.into_iter().map(VariableJson::new).collect(),
        next: next.map(|(name, kind)| format!("{name}|{}", kind.name())),
    }))
}

/// `NAME|Actual`, where a page begins.
fn place(cursor: &str) -> Result<(String, AttributeKind)> {
    let read = || {
        let (name, kind) = cursor.rsplit_once('|')?;
        Some((name.to_owned(), AttributeKind::from_name(kind)?))
    };
    read().ok_or_else(|| ApiError::bad_request("use the cursor of an answer as it was given"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryQuery {
    /// The variable's name; all of them when left out.
    name: Option<String>,
    limit: Option<u32>,
}

/// A change of a value.
#[derive(Serialize, ToSchema)]
pub(super) struct VariableChangeJson {
    name: String,
    attribute: &'static str,
    at: String,
    before: Option<String>,
    value: Option<String>,
    /// A user's name, or `charger`.
    changed_by: String,
}

/// Changes of a charger's variables, newest first.
pub(super) async fn history(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<Page<VariableChangeJson>>> {
    let record = find(&state, &id)?;
    let limit = limit(query.limit)?;
    let store = state.handle().store();
    let rows = store.variable_changes(record.key, query.name.as_deref(), limit).await?;
    let items = rows.into_iter().map(|row| VariableChangeJson {
        name: row.name,
        attribute: row.attribute.name(),
        at: row.at.rfc3339_ms(),
        before: row.before,
        value: row.value,
        changed_by: row.changed_by,
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}

/// All variables of a charger as CSV.
pub(super) async fn csv(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response> {
    let record = find(&state, &id)?;
    let text = device::csv(&device::all_rows(&state, record.key).await?);
    let subject = format!("settings of {}", record.identity);
    state.handle().exported(&caller.name, &subject).await?;
    Ok(crate::csv::file("settings.csv", text))
}

/// A monitor of a charger (2.x).
#[derive(Serialize, ToSchema)]
pub(super) struct MonitorJson {
    variable: String,
    /// The charger's own number.
    id: Option<i64>,
    /// `LowerThreshold`, `Delta`, ..
    kind: String,
    value: Option<f64>,
    severity: u8,
    /// `Accepted`, or the charger's word for why not.
    status: String,
}

/// The monitors of a charger.
pub(super) async fn monitors(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Page<MonitorJson>>> {
    let record = find(&state, &id)?;
    let rows = state.handle().store().monitors(record.key, 500).await?;
    let items = rows.into_iter().map(|(variable, monitor)| MonitorJson {
        variable,
        id: monitor.id,
        kind: monitor.kind,
        value: monitor.value,
        severity: monitor.severity,
        status: monitor.status,
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}

/// How far the upkeep of a charger is.
#[derive(Serialize, ToSchema)]
pub(super) struct UpkeepJson {
    read_at: Option<String>,
    inventory_at: Option<String>,
    values: u32,
    /// Values that were told and not kept, because they were too many.
    dropped: u64,
    parts_missing: u32,
    monitors_wanted: usize,
    monitors_installed: usize,
    monitors_done: bool,
    /// Monitors that the charger does not take.
    monitors_refused: Vec<MonitorRefusalJson>,
    refused: Vec<RefusalJson>,
    last: Option<String>,
    last_at: Option<String>,
}

/// A monitor that a charger does not take.
#[derive(Serialize, ToSchema)]
pub(super) struct MonitorRefusalJson {
    variable: String,
    kind: String,
    /// The charger's word; `no word` when its answer said nothing of it.
    word: String,
}

/// A question that is not asked again with this firmware.
#[derive(Serialize, ToSchema)]
pub(super) struct RefusalJson {
    question: String,
    /// The charger's word.
    word: String,
    /// Whether another charger of the model said it.
    by_model: bool,
    at: String,
}

/// How far the upkeep of a charger is.
pub(super) async fn upkeep(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<UpkeepJson>> {
    let record = find(&state, &id)?;
    let progress = state.handle().upkeep(record.key).await.unwrap_or_default();
    Ok(Json(UpkeepJson {
        read_at: progress.read_at.map(mendpoint_model::UnixMs::rfc3339_ms),
        inventory_at: progress.inventory_at.map(mendpoint_model::UnixMs::rfc3339_ms),
        values: progress.values,
        dropped: progress.dropped,
        parts_missing: progress.parts_missing,
        monitors_wanted: progress.monitors.wanted.len(),
        monitors_installed: progress.installed(),
        monitors_done: progress.inventory_at.is_some() && progress.monitors.stage == Stage::Done,
        monitors_refused: progress
            .monitors_refused()
            .map(|wanted| MonitorRefusalJson {
                variable: wanted.at.to_string(),
                kind: wanted.kind.clone(),
                word: wanted.status.clone(),
            })
            .collect(),
        refused: progress
            .refused
            .iter()
            .map(|(question, refusal)| RefusalJson {
                question: question.clone(),
                word: refusal.word.clone(),
                by_model: refusal.by_model,
                at: refusal.at.rfc3339_ms(),
            })
            .collect(),
        last: progress.last.as_ref().map(|line| line.words.clone()),
        last_at: progress.last.as_ref().map(|line| line.at.rfc3339_ms()),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CapabilitiesQuery {
    vendor: Option<String>,
    model: Option<String>,
    firmware: Option<String>,
}

/// What a model was seen to do when it was asked for something.
#[derive(Serialize, ToSchema)]
pub(super) struct CapabilityJson {
    vendor: String,
    model: String,
    firmware: String,
    /// `Reset Hard`, `TriggerMessage MeterValues`, `GetBaseReport FullInventory`, ..
    name: String,
    /// `works`, `not supported`, `always rejected` or `not known`.
    verdict: &'static str,
    works: u32,
    not_supported: u32,
    not_implemented: u32,
    rejected: u32,
    no_answer: u32,
    last_at: String,
}

/// What models can do.
pub(super) async fn capabilities(
    _: Caller,
    State(state): State<AppState>,
    Params(query): Params<CapabilitiesQuery>,
) -> Json<Page<CapabilityJson>> {
    let fits =
        |asked: &Option<String>, told: &str| asked.as_deref().is_none_or(|text| text == told);
    let items = state
        .handle()
        .capabilities()
        .into_iter()
        .filter(|(model, _, _)| {
            fits(&query.vendor, &model.vendor)
                && fits(&query.model, &model.model)
                && fits(&query.firmware, &model.firmware)
        })
        .map(|(model, name, counts)| {
            let CapabilityCounts {
                works,
                not_supported,
                not_implemented,
                rejected,
                no_answer,
                last_at,
            } = counts;
            CapabilityJson {
                vendor: model.vendor.into(),
                model: model.model.into(),
                firmware: model.firmware.into(),
                name: name.into(),
                verdict: counts.verdict().label(),
                works,
                not_supported,
                not_implemented,
                rejected,
                no_answer,
                last_at: last_at.rfc3339_ms(),
            }
        });
    Json(Page { items: items.collect(), next: None })
}

/// What a person says of a key that may tell of a radio link.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignalKeyJson {
    vendor: String,
    model: String,
    name: String,
    /// `false`: it does not.
    confirmed: bool,
    /// `dbm`, `rsrp`, `csq` or `percent`.
    unit: String,
    /// `wifi` or `cellular`.
    transport: String,
    /// Left out in a request.
    #[serde(default)]
    decided_by: String,
}

/// What people said of keys.
pub(super) async fn signal_keys(
    _: Caller,
    State(state): State<AppState>,
) -> Json<Page<SignalKeyJson>> {
    let keys = state.handle().signal_keys();
    let items = keys.iter().map(|key| SignalKeyJson {
        vendor: key.vendor.clone(),
        model: key.model.clone(),
        name: key.name.clone(),
        confirmed: key.confirmed,
        unit: device::unit_word(key.unit).to_owned(),
        transport: device::transport_word(key.transport).to_owned(),
        decided_by: key.decided_by.clone(),
    });
    Json(Page { items: items.collect(), next: None })
}

/// Says whether a key tells of the radio link of a model.
pub(super) async fn put_signal_key(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<SignalKeyJson>,
) -> Result<Json<SignalKeyJson>> {
    let unit = device::unit_of(&body.unit).ok_or_else(|| {
        ApiError::bad_request(format!("unit is dbm, rsrp, csq or percent, not {:?}", body.unit))
    })?;
    let transport = device::transport_of(&body.transport).ok_or_else(|| {
        ApiError::bad_request(format!("transport is wifi or cellular, not {:?}", body.transport))
    })?;
    if body.name.trim().is_empty() || body.model.trim().is_empty() {
        return Err(ApiError::bad_request("say which key of which model"));
    }
    let row = SignalKeyRow {
        vendor: body.vendor.clone(),
        model: body.model.clone(),
        name: body.name.clone(),
        confirmed: body.confirmed,
        unit,
        transport,
        decided_by: caller.name.clone(),
        decided_at: state.handle().now(),
    };
    let subject = format!("{} {} {}", row.vendor, row.model, row.name);
    state.handle().decide_signal_key(row).await?;
    let action = if body.confirmed { "signal key: confirm" } else { "signal key: dismiss" };
    state.handle().audit(&caller.name, action, &subject).await;
    Ok(Json(SignalKeyJson { decided_by: caller.name, ..body }))
}
