//! What models of chargers send that is not as the specification says.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use mendpoint_store::{DeviationRow, ModelKey, ModelRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Caller;
use super::error::Result;
use super::extract::Params;
use super::json::Page;
use crate::AppState;
use crate::conformance::{Wanted, csv_file};

/// A model in one firmware version whose messages were looked at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelJson {
    vendor: String,
    model: String,
    firmware: String,
    /// Messages that were looked at: a part of all.
    checked: u64,
    /// Ways in which they deviate.
    deviations: u64,
    first_seen_at: String,
    last_seen_at: String,
}

impl From<ModelRow> for ModelJson {
    fn from(row: ModelRow) -> Self {
        Self {
            vendor: row.of.vendor,
            model: row.of.model,
            firmware: row.of.firmware,
            checked: row.checked,
            deviations: row.deviations,
            first_seen_at: row.first_seen.rfc3339_ms(),
            last_seen_at: row.last_seen.rfc3339_ms(),
        }
    }
}

/// A way in which a model deviates from the specification.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviationJson {
    vendor: String,
    model: String,
    firmware: String,
    /// `ocpp1.6`, `ocpp2.0.1` or `ocpp2.1`.
    protocol: String,
    /// The message; with ` answer` behind it for an answer of the charger.
    message: String,
    /// The field, as in `meterValue[].sampledValue[].unit`; empty for the message as a whole.
    field: String,
    /// `json`, `unknown`, `missing`, `doubled`, `count`, `type`, `time`, `length`, `word`, `range`
    /// or `sense`.
    rule: String,
    /// What the specification allows.
    allowed: String,
    /// What was found last; hidden where it may name a person or a secret.
    example: String,
    /// Messages in which it was found, of those that were looked at.
    found: u64,
    /// Messages of this kind that were looked at.
    checked: u64,
    /// Chargers at which it was found.
    chargers: u64,
    first_seen_at: String,
    last_seen_at: String,
}

impl From<(ModelKey, DeviationRow)> for DeviationJson {
    fn from((of, row): (ModelKey, DeviationRow)) -> Self {
        Self {
            vendor: of.vendor,
            model: of.model,
            firmware: of.firmware,
            protocol: row.protocol,
            message: row.message,
            field: row.place,
            rule: row.rule,
            allowed: row.allowed,
            example: row.example,
            found: row.found,
            checked: row.checked,
            chargers: row.chargers,
            first_seen_at: row.first_seen.rfc3339_ms(),
            last_seen_at: row.last_seen.rfc3339_ms(),
        }
    }
}

/// Every model that was looked at, also those without a deviation.
pub(super) async fn models(
    _: Caller,
    State(state): State<AppState>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Page<ModelJson>>> {
    state.handle().settle_conformance().await;
    let models = wanted.models(state.handle().store()).await?;
    Ok(Json(Page { items: models.into_iter().map(ModelJson::from).collect(), next: None }))
}

/// The deviations of the models that are asked for.
pub(super) async fn report(
    _: Caller,
    State(state): State<AppState>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Page<DeviationJson>>> {
    state.handle().settle_conformance().await;
    let lines = wanted.report(state.handle().store()).await?;
    Ok(Json(Page { items: lines.into_iter().map(DeviationJson::from).collect(), next: None }))
}

/// The same as a file.
pub(super) async fn file(
    caller: Caller,
    State(state): State<AppState>,
    Params(wanted): Params<Wanted>,
) -> Result<Response> {
    state.handle().settle_conformance().await;
    state.handle().exported(&caller.name, "conformance report").await?;
    Ok(csv_file(&wanted.report(state.handle().store()).await?))
}
