//! The live page: must somebody act, and on what.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use mendpoint_model::CellState;
use serde::Deserialize;

use super::duty::{OnCallView, on_call};
use super::errors::{Page, render};
use crate::AppState;
use crate::live::kpis::Kpis;
use crate::live::queue::Queue;
use crate::live::strip::Strip;
use crate::pages::extract::Query;
use crate::session::Viewer;
use crate::shell::Shell;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/", get(live))
}

/// States in the order of the legend: what matters first.
const LEGEND: [CellState; 9] = [
    CellState::Faulted,
    CellState::Offline,
    CellState::Degraded,
    CellState::Healing,
    CellState::Charging,
    CellState::PluggedIn,
    CellState::Available,
    CellState::Planned,
    CellState::NeverSeen,
];

/// A state in the legend.
struct Entry {
    token: &'static str,
    label: &'static str,
    count: usize,
    hidden: bool,
}

fn legend(counts: &[usize; 9]) -> Vec<Entry> {
    LEGEND
        .into_iter()
        .map(|cell| {
            let count = counts[cell as usize];
            let is_rare = matches!(cell, CellState::Planned | CellState::NeverSeen);
            // "Self-healing" is long, and beside the glyph it is plain what heals.
            let label = if cell == CellState::Healing { "Healing" } else { cell.label() };
            Entry { token: cell.token(), label, count, hidden: is_rare && count == 0 }
        })
        .collect()
}

#[derive(Template)]
#[template(path = "live.html")]
struct LivePage {
    shell: Shell,
    kpis: Kpis,
    legend: Vec<Entry>,
    queue: Queue,
    on_call: Vec<OnCallView>,
    strip: Strip,
    ocpp_url: String,
}

#[derive(Template)]
#[template(path = "live.html", block = "kpis")]
struct KpisFragment {
    kpis: Kpis,
}

#[derive(Template)]
#[template(path = "live.html", block = "queue")]
struct QueueFragment {
    queue: Queue,
    on_call: Vec<OnCallView>,
}

#[derive(Template)]
#[template(path = "live.html", block = "strip")]
struct StripFragment {
    strip: Strip,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    fragment: String,
    done: Option<String>,
    error: Option<String>,
}

async fn live(viewer: Viewer, State(state): State<AppState>, Query(asked): Query<Asked>) -> Page {
    let handle = state.handle();
    match asked.fragment.as_str() {
        "kpis" => return render(KpisFragment { kpis: Kpis::read(handle).await? }),
        "queue" => {
            let (queue, on_call) = (Queue::read(handle).await?, on_call(handle));
            return render(QueueFragment { queue, on_call });
        }
        "strip" => return render(StripFragment { strip: Strip::read(handle).await? }),
        _ => {}
    }
    let mut shell = Shell::new(&state, &viewer, "live", "Live").await;
    if shell.needs_person > 0 {
        shell.title = format!("Live, {} need you", shell.needs_person);
    }
    render(LivePage {
        shell: shell.with_messages(asked.done, asked.error),
        kpis: Kpis::read(handle).await?,
        legend: legend(&handle.board().counts()),
        queue: Queue::read(handle).await?,
        on_call: on_call(handle),
        strip: Strip::read(handle).await?,
        ocpp_url: state.settings().ocpp_url.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_in_the_legend_once() {
        let mut tokens: Vec<_> = legend(&[0; 9]).iter().map(|entry| entry.token).collect();
        tokens.sort_unstable();
        let mut all: Vec<_> = CellState::ALL.into_iter().map(CellState::token).collect();
        all.sort_unstable();
        assert_eq!(tokens, all);
    }
}
