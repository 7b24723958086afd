//! Charging sessions.

use axum::Json;
use axum::extract::{Path, State};
use mendpoint_pipeline::Directory;
use mendpoint_store::{TransactionFilter, TransactionRow, TransactionState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{Params, cursor, limit};
use super::json::{Page, time};
use crate::AppState;

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
    /// The token, shortened: tokens are personal data.
    id_token: String,
    started_at: String,
    ended_at: Option<String>,
    meter_start_wh: Option<i64>,
    meter_stop_wh: Option<i64>,
    energy_wh: Option<f64>,
    power_w: Option<f64>,
    /// Why it ended, as the charger says; `Interrupted` when it never said.
    reason: Option<String>,
    /// Why the record is not to be trusted as it is.
    suspect: Option<String>,
    /// Whether it came from the charger's offline queue.
    offline: bool,
}

impl TransactionJson {
    fn new(row: &TransactionRow, directory: &Directory) -> Self {
        let transaction = &row.transaction;
        let ended = row.ended_at.is_some();
        Self {
            id: transaction.id.0,
            external_id: Some(transaction.external_id.to_string()).filter(|id| !id.is_empty()),
            charger: directory
                .charger(row.charger)
                .map(|charger| charger.identity.to_string())
                .unwrap_or_default(),
            connector: transaction.connector.to_string(),
            id_token: crate::search::masked(&transaction.id_token),
            started_at: transaction.started_at.rfc3339_ms(),
            ended_at: time(row.ended_at),
            meter_start_wh: transaction.meter_start_wh,
            meter_stop_wh: transaction.meter_wh.filter(|_| ended).map(|wh| wh as i64),
            energy_wh: row.energy_wh.or_else(|| transaction.energy_wh()),
            power_w: transaction.power_w.filter(|_| !ended),
            reason: Some(row.reason.clone()).filter(|reason| !reason.is_empty()),
            suspect: row.suspect.clone(),
            offline: transaction.offline,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    charger: Option<String>,
    /// Only those that are not over.
    open: Option<bool>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn list(
    _: Caller,
    State(state): State<AppState>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<TransactionJson>>> {
    let charger = match &query.charger {
        Some(id) => Some(find(&state, id)?.key),
        None => None,
    };
    let handle = state.handle();
    let from = cursor(query.cursor.as_deref())?;
    let state =
        if query.open == Some(true) { TransactionState::Open } else { TransactionState::Any };
    let filter = TransactionFilter { charger, state, ..TransactionFilter::default() };
    let (rows, next) = handle.store().transactions(&filter, from, limit(query.limit)?).await?;
    let items = rows.iter().map(|row| TransactionJson::new(row, handle.directory())).collect();
    Ok(Json(Page { items, next: next.map(|next| next.to_string()) }))
}

pub(super) async fn one(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<i64>,
) -> Result<Json<TransactionJson>> {
    let handle = state.handle();
    let row = handle
        .store()
        .transaction(mendpoint_model::TransactionId(id))
        .await?
        .ok_or_else(|| ApiError::not_found(format!("there is no transaction {id}")))?;
    Ok(Json(TransactionJson::new(&row, handle.directory())))
}
