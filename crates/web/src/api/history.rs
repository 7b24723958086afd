//! Hours and days of a charger: kept long after its messages are gone.

use axum::Json;
use axum::extract::State;
use mendpoint_model::{DAY_MS, HOUR_MS, UnixMs};
use mendpoint_store::SpanRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{Params, Path};
use super::json::Page;
use crate::AppState;

/// An hour or a day of a charger.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SpanJson {
    /// When it began (UTC).
    began_at: String,
    /// Sessions that ended in it.
    sessions: u64,
    energy_wh: f64,
    /// How often a connector went to Faulted.
    faults: u64,
    /// How long it was connected.
    online_s: i64,
    /// The radio link, in the charger's own unit; null without readings.
    signal_min: Option<f64>,
    signal_mean: Option<f64>,
    signal_max: Option<f64>,
}

impl From<SpanRow> for SpanJson {
    fn from(row: SpanRow) -> Self {
        Self {
            began_at: row.began_at.rfc3339(),
            sessions: row.sessions,
            energy_wh: row.energy_wh,
            faults: row.faults,
            online_s: row.online_ms / 1_000,
            signal_min: row.signal.map(|(least, _, _)| least),
            signal_mean: row.signal.map(|(_, mean, _)| mean),
            signal_max: row.signal.map(|(_, _, most)| most),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HistoryQuery {
    /// `day` (default) or `hour`.
    by: Option<String>,
    /// How many days back, 90 unless said otherwise.
    days: Option<u32>,
}

/// Days or hours of a charger, oldest first.
pub(super) async fn history(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<Page<SpanJson>>> {
    let record = find(&state, &id)?;
    let (span_ms, most) = match query.by.as_deref() {
        None | Some("day") => (DAY_MS, 3_660),
        Some("hour") => (HOUR_MS, 92),
        Some(other) => {
            return Err(ApiError::bad_request(format!("by is day or hour, not {other:?}")));
        }
    };
    let days = query.days.unwrap_or(90);
    if !(1..=most).contains(&days) {
        return Err(ApiError::bad_request(format!("days is between 1 and {most}, not {days}")));
    }
    let now = state.handle().now();
    let from = now.0 - now.0.rem_euclid(DAY_MS) - i64::from(days) * DAY_MS;
    let rows = state.handle().store().spans(record.key, span_ms, UnixMs(from), now).await?;
    Ok(Json(Page { items: rows.into_iter().map(SpanJson::from).collect(), next: None }))
}
