//! Planned maintenance.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mendpoint_escalation::{Scope, Window};
use mendpoint_model::UnixMs;
use mendpoint_pipeline::Handle;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::all;
use crate::AppState;
use crate::api::auth::{Caller, Operator};
use crate::api::chargers::find;
use crate::api::error::{ApiError, Result};
use crate::api::extract::{Body, Path};
use crate::api::json::Page;

/// A maintenance window.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WindowJson {
    id: i64,
    site: Option<String>,
    /// OCPP identity.
    charger: Option<String>,
    title: String,
    /// By the clock of the zone: `2026-11-23T02:00`.
    starts: String,
    minutes: i64,
    zone: String,
    rrule: String,
    author: String,
    cancelled_by: Option<String>,
    /// Until when it is open, if it is.
    open_until: Option<String>,
    /// The next times, at most 20 within 60 days.
    occurrences: Vec<OccurrenceJson>,
}

/// One time that a window is open.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OccurrenceJson {
    from: String,
    until: String,
}

/// A maintenance window to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddWindow {
    /// A site's name; or `charger`.
    site: Option<String>,
    /// OCPP identity.
    charger: Option<String>,
    title: String,
    /// By the clock of the zone: `2026-11-23T02:00`.
    starts: String,
    minutes: i64,
    /// IANA time zone; that of the site when left out.
    zone: Option<String>,
    /// `FREQ=WEEKLY;BYDAY=SU`; once when left out.
    #[serde(default)]
    rrule: String,
}

impl WindowJson {
    fn of(handle: &Handle, window: &Window) -> Self {
        let now = handle.now();
        let directory = handle.directory();
        let (site, charger) = match window.scope {
            Scope::Site(site) => (directory.site(site).map(|site| site.name.clone()), None),
            Scope::Charger(charger) => {
                (None, directory.charger(charger).map(|one| one.identity.to_string()))
            }
        };
        let ahead = window.occurrences(now, now + 60 * mendpoint_model::DAY_MS);
        Self {
            id: window.id,
            site,
            charger,
            title: window.title.clone(),
            starts: window.starts.clone(),
            minutes: window.minutes,
            zone: window.zone.clone(),
            rrule: window.rrule.clone(),
            author: window.author.clone(),
            cancelled_by: Some(window.cancelled_by.clone()).filter(|by| !by.is_empty()),
            open_until: window.state(now).0.map(UnixMs::rfc3339),
            occurrences: ahead
                .into_iter()
                .take(20)
                .map(|one| OccurrenceJson { from: one.from.rfc3339(), until: one.until.rfc3339() })
                .collect(),
        }
    }
}

/// `GET /duty/windows`
pub(crate) async fn windows(_: Caller, State(state): State<AppState>) -> Json<Page<WindowJson>> {
    let handle = state.handle();
    let book = handle.duty_book();
    all(book.windows.values().rev().map(|one| WindowJson::of(handle, one)).collect())
}

/// `POST /duty/windows`
pub(crate) async fn add_window(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<AddWindow>,
) -> Result<(StatusCode, Json<WindowJson>)> {
    let handle = state.handle();
    let (scope, zone) = match (&body.site, &body.charger) {
        (Some(name), None) => {
            let site = handle.directory().site_named(name);
            let site =
                site.ok_or_else(|| ApiError::not_found(format!("there is no site {name:?}")))?;
            (Scope::Site(site.key), site.time_zone.clone())
        }
        (None, Some(id)) => {
            let record = find(&state, id)?;
            let site = handle.directory().site(record.site);
            let zone = site.map(|site| site.time_zone.clone()).unwrap_or_default();
            (Scope::Charger(record.key), zone)
        }
        _ => return Err(ApiError::bad_request("say either site or charger")),
    };
    let window = Window {
        id: 0,
        scope,
        title: body.title,
        starts: body.starts,
        minutes: body.minutes,
        zone: body.zone.filter(|zone| !zone.trim().is_empty()).unwrap_or(zone),
        rrule: body.rrule,
        author: String::new(),
        cancelled_by: String::new(),
    };
    let id = handle.add_window(window, &caller.name).await?;
    let book = handle.duty_book();
    let window = book.windows.get(&id).ok_or_else(|| ApiError::not_found("it is gone already"))?;
    Ok((StatusCode::CREATED, Json(WindowJson::of(handle, window))))
}

/// `DELETE /duty/windows/{id}`
pub(crate) async fn cancel_window(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<i64>,
) -> Result<StatusCode> {
    state.handle().cancel_window(id, &caller.name).await?;
    Ok(StatusCode::NO_CONTENT)
}
