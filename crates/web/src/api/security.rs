//! How chargers may come in, and what was noticed at the door.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use mendpoint_model::SecurityProfile;
use mendpoint_pipeline::{ChargerSecurity, Rotated, SecurityChange, UpgradeTo, new_secret};
use mendpoint_store::SecurityRow;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::auth::{Admin, Caller};
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{Body, Params, Path, limit};
use super::json::{Page, time};
use crate::AppState;

/// The listeners with their profiles, and the certificates that they present.
pub(super) async fn listeners(_: Caller, State(state): State<AppState>) -> Json<Value> {
    let security = &state.settings().security;
    let listeners: Vec<Value> = security
        .listeners
        .iter()
        .map(|(address, profile)| {
            json!({
                "address": address.to_string(),
                "profile": profile.number(),
                "words": profile.words(),
            })
        })
        .collect();
    let certificates: Vec<Value> = security
        .certificates()
        .into_iter()
        .map(|certificate| {
            json!({
                "listener": certificate.listener.to_string(),
                "file": certificate.file,
                "not_after": certificate.not_after.rfc3339_ms(),
            })
        })
        .collect();
    Json(json!({
        "listeners": listeners,
        "certificates": certificates,
        "signs_certificates": security.signs_certificates,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    charger: Option<String>,
    limit: Option<u32>,
    cursor: Option<i64>,
}

/// A security event.
#[derive(Serialize, ToSchema)]
pub(super) struct SecurityEventJson {
    id: String,
    at: String,
    /// The charger; `null` when that is not proven.
    charger: Option<String>,
    /// Its identity, or the one that a refused connection asked for; empty when none was named.
    identity: String,
    /// `LoginRefused`, `UnknownCharger`, `IdentityContested`, or what the charger reported.
    kind: String,
    info: Option<String>,
    /// Of an event that the specifications name: `info`, `warning` or `alarm`.
    rating: Option<&'static str>,
    /// What such an event means, in a sentence.
    means: Option<&'static str>,
    /// The charger's own time of it, if it told one.
    charger_at: Option<String>,
    remote: String,
}

impl SecurityEventJson {
    fn new(state: &AppState, row: SecurityRow) -> Self {
        let directory = state.handle().directory();
        let charger = row.charger.and_then(|key| directory.charger(key));
        let known = mendpoint_ocpp::security_event(&row.report.kind);
        Self {
            rating: known.map(|event| event.rating.name()),
            means: known.map(|event| event.means),
            id: row.id.to_string(),
            at: row.at.rfc3339_ms(),
            identity: match &charger {
                Some(record) if row.identity.is_empty() => record.identity.to_string(),
                _ => row.identity,
            },
            charger: charger.map(|record| record.identity.to_string()),
            kind: row.report.kind,
            info: row.report.info,
            charger_at: time(row.report.at),
            remote: row.remote,
        }
    }
}

/// Security events, newest first.
pub(super) async fn events(
    _: Caller,
    State(state): State<AppState>,
    Params(query): Params<EventsQuery>,
) -> Result<Json<Page<SecurityEventJson>>> {
    let charger = query.charger.as_deref().map(|id| find(&state, id)).transpose()?;
    let limit = limit(query.limit)?;
    let store = state.handle().store();
    let rows = store
        .security_events(charger.as_deref().map(|it| (it.key, &*it.identity)), query.cursor, limit)
        .await?;
    let next = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.id.to_string()));
    let items = rows.into_iter().map(|row| SecurityEventJson::new(&state, row)).collect();
    Ok(Json(Page { items, next: next.flatten() }))
}

/// How a charger may come in, and how it came last.
#[derive(Serialize, ToSchema)]
pub(super) struct SecurityJson {
    /// The weakest profile a person allows, 0 to 3.
    required_profile: u8,
    /// The strongest it has come in with; weaker ones are refused.
    reached_profile: u8,
    /// How it came in last since the start of the program.
    last_profile: Option<u8>,
    /// `none`, `generated` or `chosen`.
    password: &'static str,
    /// Whether two passwords are good because it is not known which one it has.
    two_passwords: bool,
    /// How it sends its 1.6 key: `hexadecimal text`, `bytes`, or empty while unknown.
    key_spelling: String,
    /// The CN of its certificate; empty while none is bound.
    certificate_name: String,
    /// The SHA-256 of the one certificate it may use; empty for any of its name.
    certificate_sha256: String,
    /// When the certificate it showed last ends.
    certificate_not_after: Option<String>,
}

impl From<ChargerSecurity> for SecurityJson {
    fn from(security: ChargerSecurity) -> Self {
        Self {
            required_profile: security.required.number(),
            reached_profile: security.reached.number(),
            last_profile: security.last.map(SecurityProfile::number),
            password: security.password,
            two_passwords: security.two_passwords,
            key_spelling: security.key_spelling,
            certificate_name: security.certificate_name,
            certificate_sha256: security.certificate_sha256,
            certificate_not_after: time(security.certificate.and_then(|it| it.not_after)),
        }
    }
}

pub(super) async fn one(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<SecurityJson>> {
    let record = find(&state, &id)?;
    Ok(Json(state.handle().security(record.key).into()))
}

/// What to change of how a charger may come in; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeSecurity {
    /// The weakest profile, 0 to 3, also if the charger has come in with a stronger one.
    profile: Option<u8>,
    /// The CN that its certificate must have; empty for whatever it comes with next.
    certificate_name: Option<String>,
    /// The SHA-256 of the one certificate it may use; empty for any of its name.
    certificate_sha256: Option<String>,
}

pub(super) async fn change(
    Admin(caller): Admin,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<ChangeSecurity>,
) -> Result<Json<SecurityJson>> {
    let record = find(&state, &id)?;
    let change = SecurityChange {
        profile: body.profile.map(profile).transpose()?,
        certificate_name: body.certificate_name,
        certificate_sha256: body.certificate_sha256,
    };
    state.handle().audit(&caller.name, "charger security changed", &id).await;
    Ok(Json(state.handle().set_security(record.key, change).await?.into()))
}

fn profile(number: u8) -> Result<SecurityProfile> {
    SecurityProfile::try_from(number).map_err(ApiError::bad_request)
}

/// Makes a password that is typed into the charger by hand; the old one is dead at once.
pub(super) async fn new_password(
    Admin(caller): Admin,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response> {
    let record = find(&state, &id)?;
    let secret = new_secret()?;
    state.handle().audit(&caller.name, "charger password replaced", &id).await;
    state.handle().set_password(record.key, Some(secret.clone().into_bytes())).await?;
    let answer = Json(json!({ "password": secret }));
    // It is shown this once, also to whatever stands between.
    Ok(([(header::CACHE_CONTROL, "no-store")], answer).into_response())
}

/// Gives a connected charger a new password over its own connection.
pub(super) async fn rotate(
    Admin(caller): Admin,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Value>> {
    let record = find(&state, &id)?;
    let rotated = state.handle().rotate_password(record.key, &caller.name).await?;
    Ok(Json(match rotated {
        Rotated::Accepted => json!({ "outcome": "accepted" }),
        Rotated::Rejected(said) => json!({ "outcome": "rejected", "said": said }),
        Rotated::Unknown(said) => json!({ "outcome": "unknown", "said": said }),
    }))
}

/// Where a charger is to go with a stronger profile.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Upgrade {
    /// 1, 2 or 3.
    profile: u8,
    /// OCPP 2.x: the address without the identity, `wss://HOST:PORT/ocpp`.
    #[serde(default)]
    url: String,
    /// OCPP 2.x: which network profile to write; 1 when left out.
    slot: Option<u32>,
    /// OCPP 2.x: its interface; `Wired0` when left out.
    interface: Option<String>,
    /// The root certificate that the charger is to know us by (PEM), installed as the first step;
    /// left out when it has one.
    #[serde(default)]
    root_certificate: String,
}

pub(super) async fn upgrade(
    Admin(caller): Admin,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<Upgrade>,
) -> Result<Json<Value>> {
    let record = find(&state, &id)?;
    let to = UpgradeTo {
        profile: profile(body.profile)?,
        url: body.url,
        slot: body.slot.unwrap_or(1),
        interface: body.interface.unwrap_or_else(|| "Wired0".to_owned()),
        root_certificate: body.root_certificate,
    };
    let steps = state.handle().upgrade_profile(record.key, to, &caller.name).await?;
    let steps: Vec<Value> = steps
        .into_iter()
        .map(|step| json!({ "what": step.what, "done": step.done, "said": step.said }))
        .collect();
    Ok(Json(json!({ "steps": steps })))
}
