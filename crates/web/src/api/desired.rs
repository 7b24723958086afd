//! What configuration keys should be, and where chargers tell something else.

use axum::Json;
use axum::extract::State;
use mendpoint_model::{DesiredFor, DesiredKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Caller, Operator};
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{Body, Path};
use super::json::Page;
use crate::AppState;
use crate::device::words_of_target;

/// A value that a configuration key (1.6) or a variable (2.x) should have. For exactly one of: a
/// `charger`, a `site`, or a model (`vendor` and `model`).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DesiredKeyJson {
    /// The charger's identity.
    charger: Option<String>,
    /// The site's name.
    site: Option<String>,
    /// The maker, as told at boot.
    vendor: Option<String>,
    /// Its model.
    model: Option<String>,
    /// The key, or the variable as `Component.Variable`.
    key: String,
    /// What it should be; `null` wants nothing any more.
    value: Option<String>,
    /// Who wants that. Answers only.
    set_by: String,
    /// Since when. Answers only.
    set_at: String,
}

/// A wanted value beside the one that the charger told.
#[derive(Serialize, ToSchema)]
pub(super) struct DesiredValueJson {
    key: String,
    wanted: String,
    /// `null` when the charger did not tell a value.
    told: Option<String>,
    /// Whether the charger told the key at all.
    known: bool,
    /// Whether the told value is another one.
    drifts: bool,
    /// `this charger`, the site's name, or the model.
    from: String,
    set_by: String,
}

fn json(state: &AppState, row: &DesiredKey) -> DesiredKeyJson {
    let directory = state.handle().directory();
    let mut json = DesiredKeyJson {
        key: row.name.clone(),
        value: Some(row.value.clone()),
        set_by: row.set_by.clone(),
        set_at: row.set_at.rfc3339_ms(),
        ..DesiredKeyJson::default()
    };
    match &row.target {
        DesiredFor::Model(vendor, model) => {
            json.vendor = Some(vendor.clone());
            json.model = Some(model.clone());
        }
        DesiredFor::Site(site) => json.site = directory.site(*site).map(|site| site.name.clone()),
        DesiredFor::Charger(key) => {
            json.charger = directory.charger(*key).map(|charger| charger.identity.to_string());
        }
    }
    json
}

fn target(state: &AppState, body: &DesiredKeyJson) -> Result<DesiredFor> {
    match (&body.charger, &body.site, &body.vendor, &body.model) {
        (Some(id), None, None, None) => Ok(DesiredFor::Charger(find(state, id)?.key)),
        (None, Some(name), None, None) => {
            let site = state.handle().directory().site_named(name);
            let site = site.ok_or_else(|| ApiError::not_found(format!("no site {name:?}")))?;
            Ok(DesiredFor::Site(site.key))
        }
        (None, None, Some(vendor), Some(model)) => {
            Ok(DesiredFor::Model(vendor.clone(), model.clone()))
        }
        _ => Err(ApiError::bad_request(
            "say for whom: a charger, or a site, or vendor and model, and only one of them",
        )),
    }
}

/// Everything that is wanted.
pub(super) async fn list(_: Caller, State(state): State<AppState>) -> Json<Page<DesiredKeyJson>> {
    let desired = state.handle().desired();
    let items = desired.rows().iter().map(|row| json(&state, row)).collect();
    Json(Page { items, next: None })
}

/// Says what a key should be, or that nothing is wanted of it any more.
pub(super) async fn put(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<DesiredKeyJson>,
) -> Result<Json<DesiredKeyJson>> {
    let target = target(&state, &body)?;
    let name = body.key.trim().to_owned();
    if name.is_empty() || name.len() > 500 {
        return Err(ApiError::bad_request("say which key, in at most 500 characters"));
    }
    if mendpoint_model::is_secret_name(&name) {
        return Err(ApiError::bad_request(format!("{name} is a secret: its value is never kept")));
    }
    let handle = state.handle();
    let Some(value) = body.value.clone() else {
        if !handle.unwant_key(&target, &name).await? {
            return Err(ApiError::not_found(format!("nothing is wanted of {name} there")));
        }
        handle.audit(&caller.name, "desired key taken back", &name).await;
        return Ok(Json(body));
    };
    if value.len() > 2_500 {
        return Err(ApiError::bad_request("a value has at most 2500 characters"));
    }
    let set_at = handle.now();
    let row = DesiredKey { target, name, value, set_by: caller.name.clone(), set_at };
    let answer = json(&state, &row);
    let subject = format!("{} = {} for {}", row.name, row.value, words_of_target(&state, &row));
    handle.want_key(row).await?;
    handle.audit(&caller.name, "desired key", &subject).await;
    Ok(Json(answer))
}

/// What is wanted of one charger, beside what it told.
pub(super) async fn of_charger(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Page<DesiredValueJson>>> {
    let record = find(&state, &id)?;
    let desired = state.handle().desired();
    let live = state.handle().charger(record.key).await;
    let values = live.as_deref().map(|live| desired.of(live)).unwrap_or_default();
    let items = values.iter().map(|value| DesiredValueJson {
        key: value.wanted.name.clone(),
        wanted: value.wanted.value.clone(),
        told: value.actual.map(str::to_owned),
        known: value.is_known,
        drifts: value.drifts(),
        from: words_of_target(&state, value.wanted),
        set_by: value.wanted.set_by.clone(),
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}
