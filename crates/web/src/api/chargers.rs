//! Chargers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mendpoint_model::{Admission, CellState, ChargerRecord, SecurityProfile, Validation};
use mendpoint_pipeline::NewCharger;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

use super::auth::{Admin, Caller, Operator};
use super::error::{ApiError, Result};
use super::extract::{Body, Params, Path, limit};
use super::json::{ChargerDetail, ChargerItem, Page};
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
    /// OCPP identity: up to 48 characters without `/`.
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
    Operator(caller): Operator,
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
    state.handle().audit(&caller.name, "register charger", &record.identity).await;
    let created = Created {
        charger: ChargerItem::new(&record, directory, None),
        password: made,
        url: crate::url::of_charger(&state.settings().ocpp_url, &record.identity),
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
        handle.audit(&caller.name, "charger password replaced", &record.identity).await;
    }
    let cell = handle.board().get(record.key);
    Ok(Json(ChargerItem::new(&record, handle.directory(), cell)))
}
