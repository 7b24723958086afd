//! How strictly the messages of one charger are read.

use axum::extract::{Path, State};
use mendpoint_model::{ChargerRecord, Validation};
use serde::Deserialize;

use super::find;
use crate::AppState;
use crate::pages::errors::{Page, back};
use crate::pages::extract::Form;
use crate::place::charger_href;
use crate::session::Admin;

/// A choice of the form.
pub(super) struct ValidationChoice {
    pub(super) word: &'static str,
    pub(super) label: &'static str,
    pub(super) chosen: bool,
}

/// The choices, with the one in force.
pub(super) fn choices(record: &ChargerRecord) -> Vec<ValidationChoice> {
    Validation::EVERY
        .into_iter()
        .map(|validation| ValidationChoice {
            word: validation.name(),
            label: match validation {
                Validation::Server => "as the server’s setting says",
                Validation::Tolerant => "tolerantly: understood as far as possible",
                Validation::Strict => "strictly: refused when not as OCPP says",
            },
            chosen: record.validation == validation,
        })
        .collect()
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Change {
    validation: String,
}

pub(super) async fn change(
    Admin(viewer): Admin,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(form): Form<Change>,
) -> Page {
    let record = find(&state, &identity)?;
    let to = charger_href(&record.identity);
    let Some(validation) = Validation::from_name(&form.validation) else {
        let error = "Messages are read as the server says, tolerantly or strictly.".to_owned();
        return Ok(back(&to, Err(error)));
    };
    let changed = ChargerRecord { validation, ..ChargerRecord::clone(&record) };
    state.handle().update_charger(changed).await?;
    let action = format!("validation {}", validation.name());
    state.handle().audit(&viewer.name, &action, &record.identity).await;
    let done = match validation {
        Validation::Server => "Its messages are read as the server’s setting says.",
        Validation::Tolerant => "Its messages are read tolerantly.",
        Validation::Strict => "Its messages are refused when they are not as OCPP says.",
    };
    Ok(back(&to, Ok(format!("{done} It connects again in a moment."))))
}
