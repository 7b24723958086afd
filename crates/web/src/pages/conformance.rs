//! What models of chargers send that is not as the specification says: the list of models, and one
//! model's report.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use mendpoint_model::UnixMs;
use mendpoint_store::{DeviationRow, ModelKey};

use super::errors::{Page, PageError, render};
use crate::conformance::{Wanted, csv_file, rule_in_words, version_in_words};
use crate::pages::extract::Query;
use crate::place::Moment;
use crate::session::Viewer;
use crate::shell::Shell;
use crate::{AppState, number, url};

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/conformance", get(page)).route("/conformance.csv", get(file))
}

/// The address of a model's report.
pub(crate) fn href(of: &ModelKey) -> String {
    format!("/conformance?{}", query(of))
}

fn query(of: &ModelKey) -> String {
    format!(
        "vendor={}&model={}&firmware={}",
        url::encode(&of.vendor),
        url::encode(&of.model),
        url::encode(&of.firmware)
    )
}

/// A model of the list.
struct Row {
    href: String,
    vendor: String,
    model: String,
    firmware: String,
    checked: String,
    deviations: String,
    found: String,
    is_clean: bool,
    last: Moment,
}

/// A line of a report.
pub(crate) struct Line {
    pub(crate) version: String,
    pub(crate) message: String,
    /// The field; empty for the message as a whole.
    pub(crate) field: String,
    pub(crate) wrong: &'static str,
    pub(crate) allowed: String,
    pub(crate) example: String,
    pub(crate) found: String,
    pub(crate) checked: String,
    /// `3 of 4`: how many of the messages that were looked at.
    pub(crate) chargers: String,
    pub(crate) first: Moment,
    pub(crate) last: Moment,
}

impl Line {
    pub(crate) fn new(now: UnixMs, row: DeviationRow) -> Self {
        Self {
            version: version_in_words(&row.protocol),
            message: row.message,
            field: row.place,
            wrong: rule_in_words(&row.rule),
            allowed: row.allowed,
            example: row.example,
            found: number::grouped(row.found),
            checked: number::grouped(row.checked),
            chargers: number::grouped(row.chargers),
            first: Moment::new(now, row.first_seen),
            last: Moment::new(now, row.last_seen),
        }
    }
}

/// How many messages of a kind were looked at.
struct Checked {
    version: String,
    message: String,
    count: String,
}

#[derive(Template)]
#[template(path = "conformance.html")]
struct ModelsPage {
    shell: Shell,
    models: Vec<Row>,
}

#[derive(Template)]
#[template(path = "conformance_report.html")]
struct ReportPage {
    shell: Shell,
    name: String,
    firmware: String,
    csv_href: String,
    chargers_href: String,
    lines: Vec<Line>,
    checked: Vec<Checked>,
}

async fn page(viewer: Viewer, State(state): State<AppState>, Query(asked): Query<Wanted>) -> Page {
    let handle = state.handle();
    handle.settle_conformance().await;
    if let Wanted { vendor: Some(vendor), model: Some(model), firmware } = &asked {
        let firmware = firmware.clone().unwrap_or_default();
        let of = ModelKey { vendor: vendor.clone(), model: model.clone(), firmware };
        return report(&viewer, &state, of).await;
    }
    let now = handle.now();
    let models = asked.models(handle.store()).await?;
    render(ModelsPage {
        shell: Shell::new(&state, &viewer, "chargers", "Conformance").await,
        models: models
            .into_iter()
            .map(|row| Row {
                href: href(&row.of),
                vendor: row.of.vendor,
                model: row.of.model,
                firmware: row.of.firmware,
                checked: number::grouped(row.checked),
                deviations: number::grouped(row.deviations),
                found: number::grouped(row.found),
                is_clean: row.deviations == 0,
                last: Moment::new(now, row.last_seen),
            })
            .collect(),
    })
}

async fn report(viewer: &Viewer, state: &AppState, of: ModelKey) -> Page {
    let store = state.handle().store();
    let now = state.handle().now();
    let checked = store.conformance_messages(&of).await?;
    if checked.is_empty() {
        return Err(PageError::not_found(
            "No message of this model in this firmware was looked at yet. Look at the list of models.",
        ));
    }
    let lines = store.conformance_report(&of).await?;
    let name = format!("{} {}", of.vendor, of.model).trim().to_owned();
    render(ReportPage {
        shell: Shell::new(state, viewer, "chargers", format!("Conformance of {name}")).await,
        csv_href: format!("/conformance.csv?{}", query(&of)),
        chargers_href: format!("/chargers?q={}", url::encode(&of.model)),
        name,
        firmware: of.firmware,
        lines: lines.into_iter().map(|row| Line::new(now, row)).collect(),
        checked: checked
            .into_iter()
            .map(|(protocol, message, count)| Checked {
                version: version_in_words(&protocol),
                message,
                count: number::grouped(count),
            })
            .collect(),
    })
}

async fn file(viewer: Viewer, State(state): State<AppState>, Query(wanted): Query<Wanted>) -> Page {
    state.handle().settle_conformance().await;
    state.handle().exported(&viewer.name, "conformance report").await?;
    Ok(csv_file(&wanted.report(state.handle().store()).await?))
}
