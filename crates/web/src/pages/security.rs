//! Who came to the door, how the listeners are secured, and how one charger may come in.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use mendpoint_model::{DAY_MS, SecurityProfile};
use mendpoint_ocpp::SecurityRating;
use mendpoint_pipeline::{ChargerSecurity, Rotated, SecurityChange, UpgradeTo, new_secret};
use mendpoint_store::SecurityRow;
use serde::Deserialize;

use super::errors::{Page, back, render};
use crate::AppState;
use crate::pages::extract::{Form, Query};
use crate::place::{Moment, charger_href};
use crate::session::{Admin, Viewer};
use crate::shell::Shell;

/// Events of a page.
const ROWS: u32 = 50;
/// The same on the page of one charger.
const ROWS_OF_ONE: u32 = 10;
/// Certificates that end within these days are marked.
const SOON_DAYS: i64 = 30;

/// The routes of these pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/security", get(page))
        .route("/chargers/{identity}/security", get(charger).post(change))
        .route("/chargers/{identity}/security/password", post(new_password))
        .route("/chargers/{identity}/security/rotate", post(rotate))
        .route("/chargers/{identity}/security/upgrade", post(upgrade))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    before: Option<i64>,
    done: Option<String>,
    error: Option<String>,
}

struct Listener {
    address: String,
    number: u8,
    words: &'static str,
    certificate: Option<Certificate>,
    is_open: bool,
}

struct Certificate {
    file: String,
    ends: Moment,
    is_soon: bool,
    is_over: bool,
}

struct Event {
    at: Moment,
    kind: String,
    info: String,
    /// What an event means that the specifications name; empty for others.
    means: &'static str,
    is_alarm: bool,
    is_warning: bool,
    charger: String,
    href: String,
    identity: String,
    remote: String,
}

impl Event {
    fn new(state: &AppState, row: SecurityRow) -> Self {
        let handle = state.handle();
        let now = handle.now();
        let directory = handle.directory();
        let charger = row
            .charger
            .and_then(|key| directory.charger(key))
            .or_else(|| directory.by_identity(&row.identity));
        let known = mendpoint_ocpp::security_event(&row.report.kind);
        let is = |rating| known.is_some_and(|event| event.rating == rating);
        Self {
            at: Moment::new(now, row.at),
            means: known.map_or("", |event| event.means),
            is_alarm: is(SecurityRating::Alarm),
            is_warning: is(SecurityRating::Warning),
            kind: row.report.kind,
            info: row.report.info.unwrap_or_default(),
            href: charger
                .as_ref()
                .map(|charger| charger_href(&charger.identity))
                .unwrap_or_default(),
            charger: charger.map(|charger| charger.name.clone()).unwrap_or_default(),
            identity: row.identity,
            remote: row.remote,
        }
    }
}

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage {
    shell: Shell,
    listeners: Vec<Listener>,
    is_open: bool,
    signs: bool,
    events: Vec<Event>,
    is_first: bool,
    older: Option<i64>,
}

async fn page(viewer: Viewer, State(state): State<AppState>, Query(asked): Query<Asked>) -> Page {
    let handle = state.handle();
    let now = handle.now();
    let rows = handle.store().security_events(None, asked.before, ROWS).await?;
    let older = (rows.len() == ROWS as usize).then(|| rows.last().map(|row| row.id)).flatten();
    let events = rows.into_iter().map(|row| Event::new(&state, row)).collect();
    let facts = &state.settings().security;
    let certificates = facts.certificates();
    let listeners: Vec<Listener> = facts
        .listeners
        .iter()
        .map(|(address, profile)| Listener {
            address: address.to_string(),
            number: profile.number(),
            words: profile.words(),
            certificate: certificates.iter().find(|it| it.listener == *address).map(|it| {
                let left_ms = it.not_after.since_ms(now);
                Certificate {
                    file: it.file.clone(),
                    ends: Moment::new(now, it.not_after),
                    is_soon: left_ms <= SOON_DAYS * DAY_MS,
                    is_over: left_ms <= 0,
                }
            }),
            is_open: *profile == SecurityProfile::Open,
        })
        .collect();
    render(SecurityPage {
        is_open: listeners.iter().any(|listener| listener.is_open),
        listeners,
        signs: facts.signs_certificates,
        events,
        is_first: asked.before.is_none(),
        older,
        shell: Shell::new(&state, &viewer, "system", "Security")
            .await
            .with_messages(asked.done, asked.error),
    })
}

/// A profile to choose.
struct Choice {
    number: u8,
    words: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "charger_security.html")]
struct ChargerSecurityPage {
    shell: Shell,
    name: String,
    identity: String,
    serial: String,
    href: String,
    is_admin: bool,
    is_connected: bool,
    now: ChargerSecurity,
    last: Option<&'static str>,
    certificate_ends: Option<Moment>,
    profiles: Vec<Choice>,
    stronger: Vec<Choice>,
    /// 2.x asks for an address.
    asks_for_url: bool,
    /// A password that was just made, shown this once.
    password: String,
    events: Vec<Event>,
}

async fn charger(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Query(asked): Query<Asked>,
) -> Page {
    let page = charger_page(&state, &viewer, &identity, asked, String::new()).await?;
    render(page)
}

async fn charger_page(
    state: &AppState,
    viewer: &Viewer,
    identity: &str,
    asked: Asked,
    password: String,
) -> Result<ChargerSecurityPage, super::errors::PageError> {
    let record = super::charger::find(state, identity)?;
    let handle = state.handle();
    let now = handle.security(record.key);
    let live = handle.charger(record.key).await;
    let link = live.as_ref().map(|live| &live.link);
    let choice = |profile: &SecurityProfile, chosen: SecurityProfile| Choice {
        number: profile.number(),
        words: profile.words(),
        chosen: *profile == chosen,
    };
    let least = now.required.max(now.reached);
    Ok(ChargerSecurityPage {
        name: record.name.clone(),
        identity: record.identity.to_string(),
        serial: record.serial.clone(),
        href: charger_href(&record.identity),
        is_admin: viewer.is_admin(),
        is_connected: link.is_some_and(|link| link.connected),
        last: now.last.map(SecurityProfile::words),
        certificate_ends: now
            .certificate
            .as_ref()
            .and_then(|certificate| certificate.not_after)
            .map(|at| Moment::new(handle.now(), at)),
        profiles: SecurityProfile::ALL.iter().map(|it| choice(it, least)).collect(),
        stronger: SecurityProfile::ALL
            .iter()
            .filter(|profile| **profile > least)
            .map(|it| choice(it, SecurityProfile::Open))
            .collect(),
        asks_for_url: link
            .and_then(|link| link.protocol)
            .is_some_and(|protocol| protocol != mendpoint_model::Protocol::V16),
        password,
        now,
        events: handle
            .store()
            .security_events(Some((record.key, &record.identity)), None, ROWS_OF_ONE)
            .await?
            .into_iter()
            .map(|row| Event::new(state, row))
            .collect(),
        shell: Shell::new(state, viewer, "chargers", format!("Security of {}", record.name))
            .await
            .with_messages(asked.done, asked.error),
    })
}

fn here(identity: &str) -> String {
    format!("{}/security", charger_href(identity))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Change {
    profile: String,
    certificate_name: String,
    certificate_sha256: String,
}

async fn change(
    Admin(viewer): Admin,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(form): Form<Change>,
) -> Page {
    let record = super::charger::find(&state, &identity)?;
    let profile = form.profile.parse().ok().and_then(SecurityProfile::from_number);
    let Some(profile) = profile else {
        return Ok(back(&here(&identity), Err("A profile is 0, 1, 2 or 3.".to_owned())));
    };
    let change = SecurityChange {
        profile: Some(profile),
        certificate_name: Some(form.certificate_name.trim().to_owned()),
        certificate_sha256: Some(form.certificate_sha256),
    };
    state.handle().audit(&viewer.name, "charger security changed", &record.identity).await;
    let result = state.handle().set_security(record.key, change).await;
    let result = result.map(|_| "Saved. It counts from the next connection.".to_owned());
    Ok(back(&here(&identity), result.map_err(|error| sentence(&error))))
}

/// Makes a password to type in. It is in the answer, and nowhere else.
async fn new_password(
    Admin(viewer): Admin,
    State(state): State<AppState>,
    Path(identity): Path<String>,
) -> Page {
    let record = super::charger::find(&state, &identity)?;
    let secret = new_secret()?;
    state.handle().audit(&viewer.name, "charger password replaced", &record.identity).await;
    state.handle().set_password(record.key, Some(secret.clone().into_bytes())).await?;
    let page = charger_page(&state, &viewer, &identity, Asked::default(), secret).await?;
    // The password must not come back out of a cache when somebody presses "back".
    Ok(([(header::CACHE_CONTROL, "no-store")], render(page)?).into_response())
}

async fn rotate(
    Admin(viewer): Admin,
    State(state): State<AppState>,
    Path(identity): Path<String>,
) -> Page {
    let record = super::charger::find(&state, &identity)?;
    let result = match state.handle().rotate_password(record.key, &viewer.name).await {
        Ok(Rotated::Accepted) => {
            Ok("The charger took its new password; the old one is dead.".to_owned())
        }
        Ok(Rotated::Rejected(said)) => {
            Err(format!("The charger did not take it ({said}); the old password stays."))
        }
        Ok(Rotated::Unknown(said)) => Err(format!(
            "The charger did not say whether it took it ({said}). Both passwords open until it \
             comes in with one of them."
        )),
        Err(error) => Err(sentence(&error)),
    };
    Ok(back(&here(&identity), result))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Upgrade {
    profile: String,
    url: String,
    root_certificate: String,
}

async fn upgrade(
    Admin(viewer): Admin,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(form): Form<Upgrade>,
) -> Page {
    let record = super::charger::find(&state, &identity)?;
    let profile = form.profile.parse().ok().and_then(SecurityProfile::from_number);
    let Some(profile) = profile else {
        return Ok(back(&here(&identity), Err("A profile is 0, 1, 2 or 3.".to_owned())));
    };
    let to = UpgradeTo {
        profile,
        url: form.url,
        slot: 1,
        interface: "Wired0".to_owned(),
        root_certificate: form.root_certificate,
    };
    let result = match state.handle().upgrade_profile(record.key, to, &viewer.name).await {
        Err(error) => Err(sentence(&error)),
        Ok(steps) => {
            let told: Vec<String> =
                steps.iter().map(|step| format!("{}: {}", step.what, step.said)).collect();
            let told = told.join("; ");
            if steps.iter().all(|step| step.done) {
                Ok(format!("{told}. It is expected with the new profile; the old one ends then."))
            } else {
                Err(format!("{told}. Nothing has changed on our side."))
            }
        }
    };
    Ok(back(&here(&identity), result))
}

/// An error as a sentence of its own.
fn sentence(error: &mendpoint_pipeline::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}
