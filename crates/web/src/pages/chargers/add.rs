//! Registering a charger: the answer shows what has to be typed into it, once.

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use mendpoint_pipeline::{Error, NewCharger};
use serde::Deserialize;

use super::Filter;
use crate::AppState;
use crate::pages::errors::{Page, render, wrong};
use crate::pages::extract;
use crate::place::charger_href;
use crate::session::Acting;
use crate::shell::Shell;

/// What was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    pub(super) identity: String,
    pub(super) name: String,
    /// A site's number.
    pub(super) site: String,
    /// `make` or `none`.
    pub(super) password: String,
}

impl Form {
    /// Whether the form's site is this one.
    pub(super) fn is_at(&self, site: &str) -> bool {
        self.site == site
    }
}

#[derive(Template)]
#[template(path = "charger_added.html")]
struct Added {
    shell: Shell,
    name: String,
    identity: String,
    href: String,
    /// The whole address the charger connects to.
    url: String,
    /// The same without the identity, for chargers that add it themselves.
    base: String,
    password: String,
    public_url: String,
}

pub(super) async fn add(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    extract::Form(form): extract::Form<Form>,
) -> Page {
    let handle = state.handle();
    let password = match form.password.as_str() {
        "none" => None,
        _ => Some(mendpoint_pipeline::new_secret()?),
    };
    let new = NewCharger {
        identity: form.identity.trim().to_owned(),
        name: form.name.trim().to_owned(),
        site: form.site.parse().ok(),
        password: password.clone().map(String::into_bytes),
        ..NewCharger::default()
    };
    let record = match handle.register_charger(new).await {
        Ok(record) => record,
        Err(Error::Refused(why)) => {
            return wrong(super::whole(&state, &viewer, Filter::default(), form, why).await);
        }
        Err(error) => return Err(error.into()),
    };
    handle.audit(&viewer.name, "register charger", &record.identity).await;
    let settings = state.settings();
    let page = render(Added {
        shell: Shell::new(&state, &viewer, "chargers", "Charger added").await,
        name: record.name.clone(),
        identity: record.identity.to_string(),
        href: charger_href(&record.identity),
        url: crate::url::of_charger(&settings.ocpp_url, &record.identity),
        base: settings.ocpp_url.clone(),
        password: password.unwrap_or_default(),
        public_url: format!("{}/c/{}", settings.public_url, record.public_id),
    })?;
    // The password must not come back out of a cache when somebody presses "back".
    Ok(([(axum::http::header::CACHE_CONTROL, "no-store")], page).into_response())
}
