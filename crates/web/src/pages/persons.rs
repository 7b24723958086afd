//! Telling a person what is kept of them, and erasing it. A person is known here by the number of
//! their card.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use mendpoint_model::UnixMs;
use mendpoint_store::{ErasureReport, IfUnknown, counted};
use serde::Deserialize;

use super::errors::{Page, PageError, back, capitalised, render};
use crate::AppState;
use crate::place::Moment;
use crate::session::Admin;
use crate::shell::Shell;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/persons", get(page))
        .route("/persons/export", post(export))
        .route("/persons/erase", post(erase))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    done: Option<String>,
    error: Option<String>,
}

struct Gone {
    pseudonym: String,
    at: Moment,
    by: String,
}

#[derive(Template)]
#[template(path = "persons.html")]
struct PersonsPage {
    shell: Shell,
    gone: Vec<Gone>,
    /// Why the list beside the copies is not up to date; empty when it is.
    unlisted: String,
}

async fn page(
    Admin(viewer): Admin,
    State(state): State<AppState>,
    Query(asked): Query<Asked>,
) -> Page {
    let now = state.handle().now();
    let mut gone: Vec<Gone> = state
        .handle()
        .store()
        .erasures()
        .await?
        .into_iter()
        .map(|one| Gone {
            pseudonym: one.pseudonym,
            at: Moment::new(now, UnixMs(one.erased_at_ms)),
            by: one.erased_by,
        })
        .collect();
    gone.reverse();
    let shell = Shell::new(&state, &viewer, "system", "Persons").await;
    let unlisted = state.settings().backups.news().unlisted;
    let unlisted = unlisted.map_or_else(String::new, |why| unlisted_words(&why));
    render(PersonsPage { shell: shell.with_messages(asked.done, asked.error), gone, unlisted })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    token: String,
    /// The same once more.
    again: String,
    /// Not empty: also where nothing of it is known.
    even_if_unknown: String,
}

async fn export(
    Admin(viewer): Admin,
    State(state): State<AppState>,
    Form(form): Form<Typed>,
) -> Result<Response, PageError> {
    let told = state.handle().export_person(&form.token, &viewer.name).await?;
    let text = serde_json::to_string_pretty(&told).unwrap_or_default();
    let kind = HeaderValue::from_static("application/json");
    let name = HeaderValue::from_static("attachment; filename=\"person.json\"");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], text).into_response())
}

async fn erase(
    Admin(viewer): Admin,
    State(state): State<AppState>,
    Form(form): Form<Typed>,
) -> Page {
    let typed = form.token.trim();
    if typed.is_empty() || typed != form.again.trim() {
        let error = "Write the number of the card twice, the same both times.".to_owned();
        return Ok(back("/persons", Err(error)));
    }
    let if_unknown = if_unknown(!form.even_if_unknown.is_empty());
    let done = match erase_person(&state, typed, &viewer.name, if_unknown).await {
        Ok(report) => {
            let rows = counted(report.rows, "row");
            let done = format!("Erased in {rows}; {} stands there now.", report.pseudonym);
            match report.unlisted {
                None => Ok(done),
                Some(why) => Err(format!("{done} {}", unlisted_words(&why))),
            }
        }
        Err(mendpoint_pipeline::Error::Store(mendpoint_store::Error::InUse(why))) => {
            Err(format!("It was not erased: {why}."))
        }
        Err(mendpoint_pipeline::Error::Store(mendpoint_store::Error::Unsupported(why))) => {
            Err(format!("It was not erased: {why}."))
        }
        Err(mendpoint_pipeline::Error::Store(mendpoint_store::Error::Unknown(why))) => {
            Err(format!(
                "{} If it may be in an older copy of the database, tick the box for that.",
                capitalised(&why)
            ))
        }
        Err(error) => return Err(error.into()),
    };
    Ok(back("/persons", done))
}

/// What is done about a number that is nowhere.
pub(crate) fn if_unknown(is_said: bool) -> IfUnknown {
    if is_said { IfUnknown::Remember } else { IfUnknown::Refuse }
}

/// Whether nothing was erased because of what was asked for.
fn is_refusal(error: &mendpoint_pipeline::Error) -> bool {
    use mendpoint_store::Error::{InUse, Unknown, Unsupported};
    matches!(error, mendpoint_pipeline::Error::Store(InUse(_) | Unknown(_) | Unsupported(_)))
}

/// Erases a card everywhere, and keeps the list of erasures beside the backups. Where that could not be
/// written the report says why: the card is erased all the same, and the list follows.
pub(crate) async fn erase_person(
    state: &AppState,
    token: &str,
    by: &str,
    if_unknown: IfUnknown,
) -> Result<ErasureReport, mendpoint_pipeline::Error> {
    let erasing = state.erasures().begin().await;
    let mut report = match state.handle().erase_person(token, by, if_unknown).await {
        Ok(report) => report,
        Err(error) => {
            if is_refusal(&error) {
                erasing.refused();
            }
            return Err(error);
        }
    };
    drop(erasing);
    let board = &state.settings().backups;
    let folder = board.news().folder;
    if !folder.is_empty() {
        let folder = std::path::Path::new(&folder);
        if let Err(error) = state.handle().store().write_erasures(Some(folder)).await {
            tracing::error!("the list of erased persons was not written: {error}");
            report.unlisted = Some(error.to_string());
        }
        board.listed(report.unlisted.clone());
    }
    Ok(report)
}

/// What is told of the list that could not be written.
pub(crate) fn unlisted_words(why: &str) -> String {
    format!(
        "The list that keeps erased persons erased when an older copy is brought back could not be \
         written: {why}. It is tried again every minute and with the next erasure; until then it is not \
         up to date."
    )
}
