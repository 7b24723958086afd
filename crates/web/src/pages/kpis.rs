//! The figures: how charging goes, and what healing is worth.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use mendpoint_model::{DAY_MS, UnixMs};
use mendpoint_pipeline::{Handle, KpiBy, Kpis};
use serde::Deserialize;

use super::errors::{Page, PageError, render};
use crate::kpis::{DEFINITIONS, Definition};
use crate::pages::extract::Query;
use crate::session::Viewer;
use crate::shell::Shell;
use crate::{AppState, show};

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/kpis", get(page)).route("/kpis.csv", get(file))
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    by: String,
    days: String,
}

struct Line {
    name: String,
    first_time: String,
    charges: String,
    technical: String,
    visits: String,
    attempts: u64,
    incidents: u64,
    healed: String,
    heal_time: String,
    handed_over: u64,
    false_alarms: String,
    worse: String,
}

#[derive(Template)]
#[template(path = "kpis.html")]
struct KpisPage {
    shell: Shell,
    by: &'static str,
    days: i64,
    lines: Vec<Line>,
    definitions: &'static [Definition],
}

/// A share, percent.
fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "none".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn line(name: String, kpis: &Kpis) -> Line {
    let (charging, healing) = (&kpis.charging, &kpis.healing);
    Line {
        name,
        first_time: percent(charging.ftcsr()),
        charges: percent(charging.csr()),
        technical: percent(charging.tsr()),
        visits: percent(charging.visit_success()),
        attempts: charging.attempts,
        incidents: healing.incidents,
        healed: percent(healing.healed_share()),
        heal_time: healing.heal_ms.map_or_else(|| "none".to_owned(), show::duration),
        handed_over: healing.handed_over,
        false_alarms: percent(healing.false_alarm_share()),
        worse: percent(healing.worse_share()),
    }
}

impl Asked {
    /// By what, for so many days; what cannot be read is left to what is usual.
    fn read(&self) -> (KpiBy, i64) {
        let by = KpiBy::from_name(&self.by).unwrap_or(KpiBy::Day);
        (by, self.days.parse().unwrap_or(30_i64).clamp(1, 366))
    }
}

/// The figures of the last days, up to now.
async fn figures(
    handle: &Handle,
    by: KpiBy,
    days: i64,
) -> Result<BTreeMap<String, Kpis>, mendpoint_pipeline::Error> {
    let now = handle.now();
    let from = UnixMs((now - days * DAY_MS).0.div_euclid(DAY_MS) * DAY_MS);
    handle.kpis(from, now + 1, None, by).await
}

/// The figures as a file.
async fn file(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let (by, days) = asked.read();
    let word = by.name();
    let kpis = figures(state.handle(), by, days).await?;
    state.handle().exported(&viewer.name, &format!("figures by {word}")).await?;
    Ok(crate::csv::file(&format!("figures-by-{word}.csv"), crate::kpis::file(word, &kpis)))
}

async fn page(viewer: Viewer, State(state): State<AppState>, Query(asked): Query<Asked>) -> Page {
    let (by, days) = asked.read();
    let kpis = figures(state.handle(), by, days).await?;
    let mut lines: Vec<Line> = kpis.iter().map(|(name, kpis)| line(name.clone(), kpis)).collect();
    if by == KpiBy::Day {
        lines.reverse();
    }
    render(KpisPage {
        shell: Shell::new(&state, &viewer, "uptime", "Figures").await,
        by: by.name(),
        days,
        lines,
        definitions: &DEFINITIONS,
    })
}
