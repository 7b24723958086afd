//! Chargers, their commands and their frames.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use mendpoint_model::{Action, Admission, CellState, ChargerRecord, SecurityProfile, Validation};
use mendpoint_pipeline::NewCharger;
use mendpoint_store::Direction;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;
use utoipa::ToSchema;

use super::auth::{Admin, Caller, Operator};
use super::error::{ApiError, Result};
use super::extract::{Body, Params, limit};
use super::json::{ChargerDetail, ChargerItem, CommandJson, Page};
use crate::AppState;

/// Finds a charger by its OCPP identity.
pub(super) fn find(state: &AppState, id: &str) -> Result<Arc<ChargerRecord>> {
    state
        .handle()
        .directory()
        .by_identity(id)
        .ok_or_else(|| ApiError::not_found(format!("there is no charger {id:?}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// A state's word (`ok`, `fault`, ..).
    state: Option<String>,
    site: Option<String>,
    admission: Option<String>,
    /// Part of the identity, name, vendor, model or serial number.
    q: Option<String>,
    limit: Option<u32>,
    /// The identity after which the page begins.
    cursor: Option<String>,
}

/// Chargers in the order of their registration.
pub(super) async fn list(
    _: Caller,
    State(state): State<AppState>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<ChargerItem>>> {
    let limit = limit(query.limit)? as usize;
    let wanted = query.state.as_deref().map(cell_of).transpose()?;
    if let Some(word) = &query.admission {
        Admission::from_name(word).ok_or_else(|| {
            ApiError::bad_request(format!(
                "admission is accepted, quarantined or blocked, not {word:?}"
            ))
        })?;
    }
    let directory = state.handle().directory();
    let after = match &query.cursor {
        Some(identity) => Some(find(&state, identity)?.key),
        None => None,
    };
    let text = query.q.as_deref().map(str::to_lowercase);
    let mut items = Vec::new();
    let mut next = None;
    for record in directory.chargers() {
        let cell = state.handle().board().get(record.key);
        let fits = after.is_none_or(|after| record.key > after)
            && wanted.is_none_or(|wanted| cell.unwrap_or(CellState::NeverSeen) == wanted)
            && query.admission.as_deref().is_none_or(|word| record.admission.name() == word)
            && query.site.as_deref().is_none_or(|name| {
                directory.site(record.site).is_some_and(|site| site.name == name)
            })
            && text.as_deref().is_none_or(|text| crate::search::matches(&record, text));
        if !fits {
            continue;
        }
        if items.len() == limit {
            next = items.last().map(|(identity, _): &(String, _)| identity.clone());
            break;
        }
        let item = ChargerItem::new(&record, directory, cell);
        items.push((record.identity.to_string(), item));
    }
    let items = items.into_iter().map(|(_, item)| item).collect();
    Ok(Json(Page { items, next }))
}

fn cell_of(word: &str) -> Result<CellState> {
    CellState::ALL.into_iter().find(|cell| cell.token() == word).ok_or_else(|| {
        let words: Vec<_> = CellState::ALL.iter().map(|cell| cell.token()).collect();
        ApiError::bad_request(format!("state is one of {}, not {word:?}", words.join(", ")))
    })
}

/// A charger to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    /// OCPP identity: up to 48 characters without `:` and `/`.
    identity: String,
    /// Name for people; the identity when left out.
    #[serde(default)]
    name: String,
    /// Name of a registered site.
    site: Option<String>,
    /// Password for Basic authentication.
    password: Option<String>,
    /// Make a password, and show it once in the answer.
    #[serde(default)]
    generate_password: bool,
    /// The weakest OCPP security profile it may come in with, 0 to 3; 0 when left out.
    #[serde(default)]
    security_profile: u8,
}

/// A charger that was registered.
#[derive(Serialize, ToSchema)]
pub(super) struct Created {
    #[schema(inline)]
    charger: ChargerItem,
    /// The password that was made; it is not shown again.
    password: Option<String>,
    /// Where the charger connects.
    url: String,
}

pub(super) async fn create(
    _: Operator,
    State(state): State<AppState>,
    Body(body): Body<Create>,
) -> Result<(StatusCode, Json<Created>)> {
    let directory = state.handle().directory();
    let site = match &body.site {
        Some(name) => Some(
            directory
                .sites()
                .into_iter()
                .find(|site| site.name == *name)
                .ok_or_else(|| {
                    ApiError::bad_request(format!(
                        "there is no site {name:?}; register it first with POST /api/v1/sites"
                    ))
                })?
                .key,
        ),
        None => None,
    };
    let made = match (&body.password, body.generate_password) {
        (Some(_), true) => {
            return Err(ApiError::bad_request("send either password or generate_password"));
        }
        (Some(given), false) if !(8..=64).contains(&given.len()) => {
            return Err(ApiError::bad_request("a password has 8 to 64 characters"));
        }
        (None, true) => Some(mendpoint_pipeline::new_secret()?),
        _ => None,
    };
    let profile =
        SecurityProfile::try_from(body.security_profile).map_err(ApiError::bad_request)?;
    let password = body.password.or_else(|| made.clone());
    let record = state
        .handle()
        .register_charger(NewCharger {
            identity: body.identity,
            name: body.name,
            site,
            password: password.map(String::into_bytes),
            profile,
        })
        .await?;
    let created = Created {
        charger: ChargerItem::new(&record, directory, None),
        password: made,
        url: format!("{}{}", state.settings().ocpp_url, record.identity),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

pub(super) async fn one(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<ChargerDetail>> {
    let record = find(&state, &id)?;
    let handle = state.handle();
    let now = handle.charger(record.key).await;
    let cell = handle.board().get(record.key);
    Ok(Json(ChargerDetail::new(&record, handle.directory(), cell, now.as_deref())))
}

/// What to change of a charger.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    name: Option<String>,
    /// `accepted`, `quarantined` or `blocked`.
    admission: Option<String>,
    /// How its messages are read: `server`, `tolerant` or `strict`.
    validation: Option<String>,
    /// A new password for Basic authentication; empty takes it away.
    password: Option<String>,
}

pub(super) async fn change(
    Admin(caller): Admin,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<Change>,
) -> Result<Json<ChargerItem>> {
    let record = find(&state, &id)?;
    let mut changed = ChargerRecord::clone(&record);
    if let Some(name) = body.name {
        changed.name = name;
    }
    if let Some(word) = body.admission {
        changed.admission = Admission::from_name(&word).ok_or_else(|| {
            ApiError::bad_request(format!(
                "admission is accepted, quarantined or blocked, not {word:?}"
            ))
        })?;
    }
    if let Some(word) = body.validation {
        changed.validation = Validation::from_name(&word).ok_or_else(|| {
            ApiError::bad_request(format!("validation is server, tolerant or strict, not {word:?}"))
        })?;
    }
    let handle = state.handle();
    handle.audit(&caller.name, "charger changed", &id).await;
    let record = handle.update_charger(changed).await?;
    if let Some(password) = body.password {
        let password = (!password.is_empty()).then(|| password.into_bytes());
        handle.set_password(record.key, password).await?;
    }
    let cell = handle.board().get(record.key);
    Ok(Json(ChargerItem::new(&record, handle.directory(), cell)))
}

/// A command.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// Any action of the charger's OCPP version, `Reset` for instance.
    action: String,
    /// Its payload, an object.
    #[schema(value_type = Object)]
    payload: Option<Box<RawValue>>,
}

pub(super) async fn command(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<Ask>,
) -> Result<Json<CommandJson>> {
    let record = find(&state, &id)?;
    let payload = body.payload.map_or_else(|| "{}".to_owned(), |payload| payload.get().to_owned());
    if !payload.trim_start().starts_with('{') {
        return Err(ApiError::bad_request("payload must be an object"));
    }
    let action = Action::Raw { action: body.action.clone(), payload };
    let state_now = state.handle().charger(record.key).await;
    if let Some(protocol) = state_now.and_then(|now| now.link.protocol) {
        // Said at once, also when the charger is offline: it could never be sent.
        mendpoint_ocpp::encode_action(protocol, &action).map_err(ApiError::bad_request)?;
    }
    let report = state.handle().command(record.key, action, &caller.name).await?;
    let mut answer = CommandJson::new(report.id.to_string(), body.action, &report.outcome);
    answer.took_ms = Some(report.took_ms);
    Ok(Json(answer))
}

/// The last commands of a charger, newest first.
pub(super) async fn commands(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Page<serde_json::Value>>> {
    let record = find(&state, &id)?;
    let (rows, next) = state.handle().store().commands(record.key, None, 100).await?;
    let items = rows
        .into_iter()
        .map(|row| {
            let outcome = row.outcome.as_ref().map(|outcome| {
                CommandJson::new(
                    row.command.id.to_string(),
                    row.command.action.name().to_owned(),
                    outcome,
                )
            });
            serde_json::json!({
                "id": row.command.id,
                "action": row.command.action.name(),
                "asked_at": row.command.created_at.rfc3339_ms(),
                "by": match &row.command.origin {
                    mendpoint_model::Origin::Engine(incident) => incident.to_string(),
                    mendpoint_model::Origin::User(name) => name.clone(),
                    mendpoint_model::Origin::System => "system".to_owned(),
                    mendpoint_model::Origin::Upkeep(_) => "upkeep".to_owned(),
                },
                "answered_at": row.answered_at.map(mendpoint_model::UnixMs::rfc3339_ms),
                "late": row.late,
                "outcome": outcome,
            })
        })
        .collect();
    Ok(Json(Page { items, next: next.map(|next| next.to_string()) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FramesQuery {
    /// Frames before this number.
    before: Option<u64>,
    limit: Option<u32>,
}

/// A raw frame.
#[derive(Serialize, ToSchema)]
pub(super) struct FrameJson {
    seq: u64,
    at: String,
    /// `in` (from the charger) or `out`.
    direction: &'static str,
    text: String,
}

/// The raw frames of a charger, newest first. `next` is the `before` of the next page.
pub(super) async fn frames(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Params(query): Params<FramesQuery>,
) -> Result<Json<Page<FrameJson>>> {
    let record = find(&state, &id)?;
    let limit = limit(query.limit)? as usize;
    let frames =
        state.handle().store().frame_log().frames_of(record.key, query.before, limit).await?;
    let next =
        (frames.len() == limit).then(|| frames.last().map(|frame| frame.seq.to_string())).flatten();
    let items = frames
        .into_iter()
        .map(|frame| FrameJson {
            seq: frame.seq,
            at: frame.at.rfc3339_ms(),
            direction: match frame.direction {
                Direction::In => "in",
                Direction::Out => "out",
            },
            text: frame.text.into(),
        })
        .collect();
    Ok(Json(Page { items, next }))
}
