//! How healing stands: what is held back and why, what each step did on each model, what was learned.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use mendpoint_incidents::{HealingReport, LearnedRow, RecordRow, StormRow, wilson};
use mendpoint_model::{ChargerKey, ModelKey, UnixMs};
use serde::Deserialize;

use super::errors::{Page, PageError, back, render};
use crate::pages::extract::{Form, Query};
use crate::place::Moment;
use crate::session::{Acting, Viewer};
use crate::shell::Shell;
use crate::{AppState, number, show};

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/healing", get(page))
        .route("/healing.json", get(export))
        .route("/healing/allow", post(allow))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    done: Option<String>,
    error: Option<String>,
    /// Only this model.
    vendor: Option<String>,
    model: Option<String>,
}

/// A storm, in words.
pub(crate) struct Storm {
    pub(crate) place: String,
    pub(crate) words: String,
    pub(crate) until: Option<Moment>,
}

/// What a step did on one model in one firmware.
pub(crate) struct Record {
    pub(crate) model: String,
    pub(crate) firmware: String,
    pub(crate) step: &'static str,
    pub(crate) fixed: String,
    pub(crate) worse: usize,
    /// Class of its chip.
    pub(crate) token: &'static str,
    pub(crate) state: String,
    pub(crate) until: Option<Moment>,
}

/// What was learned of a step against a code on a model.
struct Learned {
    model: String,
    firmware: String,
    code: String,
    step: &'static str,
    fixed: String,
    range: String,
    took: String,
    last: Moment,
}

/// A step that is off for one charger.
struct Off {
    charger: String,
    href: String,
    key: u32,
    step: &'static str,
    since: Moment,
    incident: String,
}

/// An action under way.
struct Running {
    charger: String,
    href: String,
    step: &'static str,
    incident: String,
    since: Moment,
}

struct Boot {
    model: String,
    starts: usize,
    p95: String,
}

struct Shadow {
    rule: String,
    steps: u64,
    by_itself: u64,
    by_person: u64,
    by_neighbour: u64,
    still: u64,
}

#[derive(Template)]
#[template(path = "healing.html")]
struct HealingPage {
    shell: Shell,
    storms: Vec<Storm>,
    running: Vec<Running>,
    records: Vec<Record>,
    learned: Vec<Learned>,
    off: Vec<Off>,
    boots: Vec<Boot>,
    shadows: Vec<Shadow>,
    new_rules: Vec<(String, Moment)>,
}

fn name_of(model: &ModelKey) -> String {
    let name = format!("{} {}", model.vendor, model.model).trim().to_owned();
    if name.is_empty() { "Unknown model".to_owned() } else { name }
}

/// Storms as pages show them.
pub(crate) fn storms(state: &AppState, rows: &[StormRow]) -> Vec<Storm> {
    let handle = state.handle();
    let now = handle.now();
    rows.iter()
        .map(|row| {
            let place = match row.site {
                Some(site) => handle
                    .directory()
                    .site(site)
                    .map_or_else(|| format!("Site {site}"), |site| site.name.clone()),
                None if row.model.is_empty() => "The whole fleet".to_owned(),
                None => row.model.clone(),
            };
            let words = match row.until {
                Some(_) => "The trouble is over; new repairs begin again soon.".to_owned(),
                None => format!(
                    "{} of {} chargers are in trouble at once, so the cause is not theirs.",
                    row.unwell, row.known
                ),
            };
            Storm { place, words, until: row.until.map(|at| Moment::new(now, at)) }
        })
        .collect()
}

/// What steps did, as pages show it: what is held back first.
pub(crate) fn records(now: UnixMs, canary: u32, rows: &[RecordRow]) -> Vec<Record> {
    let mut rows: Vec<&RecordRow> = rows.iter().collect();
    rows.sort_by_key(|row| (row.breaker == "closed", row.canary.is_none()));
    rows.into_iter()
        .map(|row| {
            let (token, state) = match (row.breaker, row.canary) {
                ("open", _) => ("fault", "off".to_owned()),
                ("half_open", _) => ("warn", "one trial".to_owned()),
                (_, Some(many)) => ("busy", format!("new: {many} of {canary}")),
                _ => ("ok", "trusted".to_owned()),
            };
            Record {
                model: name_of(&row.model),
                firmware: row.model.firmware.to_string(),
                step: row.rung.label(),
                fixed: format!("{} of {}", row.fixed, row.of),
                worse: row.worse,
                token,
                state,
                until: row.until.map(|at| Moment::new(now, at)),
            }
        })
        .collect()
}

fn learned(now: UnixMs, row: &LearnedRow) -> Learned {
    let (n, fixed) = (row.tally.n.round(), row.tally.fixed.round());
    let bounds = wilson(fixed, n);
    let took = if row.tally.fixed > 0.5 {
        show::duration((row.tally.seconds / row.tally.fixed * 1_000.0) as i64)
    } else {
        String::new()
    };
    Learned {
        model: name_of(&row.model),
        firmware: row.model.firmware.to_string(),
        code: row.code.clone(),
        step: row.rung.label(),
        fixed: format!("{fixed:.0} of {n:.0}"),
        range: format!("{:.0}\u{2013}{:.0} %", bounds.low * 100.0, bounds.high * 100.0),
        took,
        last: Moment::new(now, row.seen_at()),
    }
}

async fn page(viewer: Viewer, State(state): State<AppState>, Query(asked): Query<Asked>) -> Page {
    let handle = state.handle();
    let now = handle.now();
    let report: HealingReport = handle.healing_report();
    let charger = |key: ChargerKey| match handle.directory().charger(key) {
        Some(record) => {
            (record.name.clone(), format!("/chargers/{}", crate::url::encode(&record.identity)))
        }
        None => (format!("charger {key}"), String::new()),
    };
    let of_model = |row: &LearnedRow| {
        asked.vendor.as_deref().is_none_or(|vendor| vendor == &*row.model.vendor)
            && asked.model.as_deref().is_none_or(|model| model == &*row.model.model)
    };
    render(HealingPage {
        storms: storms(&state, &report.storms),
        running: report
            .running
            .iter()
            .map(|row| {
                let (charger, href) = charger(row.charger);
                let since = Moment::new(now, row.since);
                let incident = row.incident.to_string();
                Running { charger, href, step: row.rung.label(), incident, since }
            })
            .collect(),
        records: records(now, handle.canary_chargers(), &report.records),
        learned: handle
            .learned()
            .iter()
            .filter(|row| of_model(row))
            .map(|row| learned(now, row))
            .collect(),
        off: report
            .off
            .iter()
            .map(|row| {
                let (charger, href) = charger(row.charger);
                Off {
                    charger,
                    href,
                    key: row.charger.0,
                    step: row.rung.label(),
                    since: Moment::new(now, row.since),
                    incident: row.incident.to_string(),
                }
            })
            .collect(),
        boots: report
            .boots
            .iter()
            .map(|row| Boot {
                model: format!("{} {}", row.vendor, row.model).trim().to_owned(),
                starts: row.starts,
                p95: row.p95_ms.map_or_else(String::new, show::duration),
            })
            .collect(),
        shadows: report
            .shadows
            .iter()
            .map(|(rule, tally)| Shadow {
                rule: rule.clone(),
                steps: tally.steps,
                by_itself: tally.by_itself,
                by_person: tally.by_person,
                by_neighbour: tally.by_neighbour,
                still: tally
                    .steps
                    .saturating_sub(tally.by_itself + tally.by_person + tally.by_neighbour),
            })
            .collect(),
        new_rules: report
            .new_rules
            .iter()
            .map(|(rule, until)| (rule.clone(), Moment::new(now, *until)))
            .collect(),
        shell: Shell::new(&state, &viewer, "rules", "Healing")
            .await
            .with_messages(asked.done, asked.error),
    })
}

/// Everything that healing knows, as a file.
async fn export(viewer: Viewer, State(state): State<AppState>) -> Page {
    let handle = state.handle();
    handle.exported(&viewer.name, "what healing learned").await?;
    let text = crate::api::healing_json(handle).to_string();
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"mendpoint-healing.json\""),
    ];
    Ok((headers, text).into_response())
}

/// Which charger may be healed as before.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Allow {
    charger: u32,
}

async fn allow(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Form(form): Form<Allow>,
) -> Page {
    let key = ChargerKey(form.charger);
    let record = state
        .handle()
        .directory()
        .charger(key)
        .ok_or_else(|| PageError::not_found("There is no such charger."))?;
    let was_off = state.handle().allow_steps_again(key, &viewer.name).await?;
    let words = if was_off {
        format!("Every step is allowed for {} again.", record.name)
    } else {
        format!("Nothing was off for {}.", record.name)
    };
    Ok(back("/healing", Ok(words)))
}

/// How many records hold something back: open breakers, and canaries.
pub(crate) fn held_back(rows: &[RecordRow]) -> (String, String) {
    let open = rows.iter().filter(|row| row.breaker != "closed").count();
    let new = rows.iter().filter(|row| row.breaker == "closed" && row.canary.is_some()).count();
    (number::grouped(open), number::grouped(new))
}
