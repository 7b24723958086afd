//! The program itself: mail, numbers, and the switch that stops healing.

use axum::Json;
use axum::extract::State;
use mendpoint_incidents::{KillScope, Request};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::auth::{Caller, Operator};
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{Body, Params, cursor, limit};
use super::json::{Page, time};
use crate::AppState;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutboxQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Mail, newest first.
pub(super) async fn outbox(
    _: Caller,
    State(state): State<AppState>,
    Params(query): Params<OutboxQuery>,
) -> Result<Json<Page<Value>>> {
    let from = cursor(query.cursor.as_deref())?;
    let store = state.handle().store();
    let (rows, next) = store.mails(None, None, from, limit(query.limit)?).await?;
    let items = rows
        .into_iter()
        .map(|row| {
            json!({
                "id": row.id,
                "state": row.state.name(),
                "to": row.mail.recipient,
                "subject": row.mail.subject,
                "text": row.mail.text,
                "ticket": row.mail.ticket.map(|id| id.to_string()),
                "created_at": row.created_at.rfc3339_ms(),
                "sent_at": time(row.sent_at),
                "attempts": row.attempts,
                "last_error": row.last_error,
            })
        })
        .collect();
    Ok(Json(Page { items, next: next.map(|next| next.to_string()) }))
}

/// Numbers about the running program.
pub(super) async fn vitals(_: Caller, State(state): State<AppState>) -> Json<Value> {
    let vitals = state.handle().vitals();
    let counts = state.handle().board().counts();
    let states: serde_json::Map<String, Value> = mendpoint_model::CellState::ALL
        .iter()
        .map(|cell| (cell.token().to_owned(), counts[*cell as usize].into()))
        .collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": vitals.started_at.rfc3339_ms(),
        "chargers": vitals.chargers,
        "chargers_by_state": states,
        "events": vitals.events,
        "delay_p99_ms": vitals.delay_p99_ms,
        "database": {
            "trouble": vitals.trouble.as_ref().map(|trouble| json!({
                "kind": trouble.kind.name(),
                "since": trouble.since.rfc3339_ms(),
                "sentence": trouble.sentence(),
                "said": trouble.said,
            })),
        },
        "journal": {
            "lag_ms": vitals.journal.lag_ms,
            "queued": vitals.journal.queued,
            "last_error": vitals.journal.last_error,
        },
        "engine": { "lag_ms": vitals.lag_ms, "held": vitals.held },
        "healing_stopped_for": vitals
            .kill_switches
            .iter()
            .map(|scope| crate::scope::words(scope, state.handle().directory()))
            .collect::<Vec<_>>(),
        "healing_stopped": state
            .handle()
            .healing_stopped()
            .iter()
            .map(|(scope, switched)| json!({
                "where": crate::scope::words(scope, state.handle().directory()),
                "by": switched.as_ref().map(|switched| switched.by.clone()),
                "at": switched.as_ref().map(|switched| switched.at.rfc3339_ms()),
            }))
            .collect::<Vec<_>>(),
        "quirks": vitals.quirks,
        "backup": backup(&state),
    }))
}

/// The copies of the database.
fn backup(state: &AppState) -> Value {
    let news = state.settings().backups.news();
    json!({
        "folder": news.folder,
        "newest_at": news.newest.as_ref().map(|(at, _, _)| at.rfc3339_ms()),
        "newest": news.newest.as_ref().map(|(_, name, _)| name),
        "bytes": news.newest.as_ref().map(|(_, _, bytes)| bytes),
        "failed_at": news.failed.as_ref().map(|(at, _)| at.rfc3339_ms()),
        "error": news.failed.as_ref().map(|(_, why)| why),
        "recent_at": news.recent.map(|(at, _, _)| at.rfc3339_ms()),
        "recent_took_ms": news.recent.map(|(_, took_ms, _)| took_ms),
        "recent_bytes": news.recent.map(|(_, _, bytes)| bytes),
        "erasure_list_error": news.unlisted,
        "recent_error": news.recent_failed.as_ref().map(|(_, why)| why),
    })
}

/// Stops or allows healing (G11).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Healing {
    /// Whether the engine may act.
    allowed: bool,
    /// Only on this charger.
    charger: Option<String>,
    /// Only at this site.
    site: Option<String>,
}

pub(super) async fn healing(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<Healing>,
) -> Result<Json<Value>> {
    let scope = match (&body.charger, &body.site) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request("send charger or site, not both"));
        }
        (Some(id), None) => KillScope::Charger(find(&state, id)?.key),
        (None, Some(name)) => {
            let sites = state.handle().directory().sites();
            let site = sites
                .iter()
                .find(|site| site.name == *name)
                .ok_or_else(|| ApiError::not_found(format!("there is no site {name:?}")))?;
            KillScope::Site(site.key)
        }
        (None, None) => KillScope::Global,
    };
    let request = Request::KillSwitch { scope, on: !body.allowed, user: caller.name };
    state.handle().request(request).await?;
    Ok(Json(json!({ "allowed": body.allowed })))
}
