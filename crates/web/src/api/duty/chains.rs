//! Who is on call, and how far chains are.

use axum::Json;
use axum::extract::State;
use mendpoint_escalation::{Case, Rota};
use mendpoint_model::{Incident, IncidentId, UnixMs};
use mendpoint_pipeline::Handle;
use serde::Serialize;
use utoipa::ToSchema;

use super::all;
use crate::AppState;
use crate::api::auth::Caller;
use crate::api::error::Result;
use crate::api::json::{Page, time};

/// Who is on call by a rota now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OnCallJson {
    rota: String,
    /// The name they sign in with; `null` for nobody.
    first: Option<String>,
    second: Option<String>,
    /// When somebody else is; `null` when that does not change within a month.
    until: Option<String>,
    /// When nobody can be told within the next 14 days.
    gaps: Vec<GapJson>,
}

/// A time at which nobody can be told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GapJson {
    from: String,
    to: String,
    why: String,
}

/// How far the chain of an incident is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChainJson {
    incident: String,
    route: String,
    chain: String,
    /// From when its times count; `null` while nobody need be told.
    began_at: Option<String>,
    steps_done: usize,
    steps: usize,
    told: Vec<ToldJson>,
    taken_by: Option<String>,
    /// `silence` or `maintenance`, while that keeps people from being told.
    held_by: Option<&'static str>,
    held_until: Option<String>,
    breached_at: Option<String>,
    work_ordered_at: Option<String>,
    /// Of an incident without a chain: why it has none, and who was told.
    sentence: Option<String>,
}

/// Somebody who was told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ToldJson {
    name: String,
    role: String,
    /// When that was decided.
    at: String,
    /// Whether the letter is still to be written: it is gathered with others, or kept.
    waits: bool,
    /// Until when it is kept, by quiet hours or a full budget.
    waits_until: Option<String>,
}

impl ChainJson {
    pub(crate) fn new(handle: &Handle, incident: IncidentId, case: &Case) -> Self {
        let book = handle.duty_book();
        let held = case.held.as_ref();
        Self {
            incident: incident.to_string(),
            route: case.route.clone(),
            chain: case.chain.clone(),
            began_at: time(case.began_at),
            steps_done: case.steps_done,
            steps: book.routes.chain(&case.chain).steps.len(),
            told: case
                .told
                .iter()
                .map(|told| ToldJson {
                    name: told.name.clone(),
                    role: told.role.clone(),
                    at: told.at.rfc3339_ms(),
                    waits: told.waits,
                    waits_until: time(told.until),
                })
                .collect(),
            taken_by: case.taken.as_ref().map(|taken| taken.by.clone()),
            held_by: held.map(|held| match held.by {
                mendpoint_escalation::HeldBy::Silence => "silence",
                mendpoint_escalation::HeldBy::Maintenance => "maintenance",
            }),
            held_until: time(held.map(|held| held.until)),
            breached_at: time(case.breached_at),
            work_ordered_at: time(case.ordered_at),
            sentence: None,
        }
    }

    /// Of an incident that has no chain any more, or needs none. `told` are the lines of its history
    /// that say who was told.
    pub(crate) fn without(handle: &Handle, incident: &Incident, told: &[(UnixMs, String)]) -> Self {
        let why = if incident.state.is_over() {
            "It is over, and its chain with it"
        } else {
            "It has no chain, as nobody need be told of it"
        };
        let told: Vec<String> =
            told.iter().map(|(at, title)| format!("{title} ({})", at.rfc3339())).collect();
        let told = if told.is_empty() {
            "Nobody was told.".to_owned()
        } else {
            format!("{}.", told.join("; "))
        };
        let sentence = Some(format!("{why}. {told}"));
        Self { sentence, steps: 0, ..Self::new(handle, incident.id, &Case::default()) }
    }
}

/// `GET /duty/on-call`
pub(crate) async fn on_call(
    _: Caller,
    State(state): State<AppState>,
) -> Result<Json<Page<OnCallJson>>> {
    let book = state.handle().duty_book();
    let now = state.handle().now();
    let one = |rota: &Rota| {
        let duty = rota.on_call(now);
        let gaps = rota.gaps(now, now + 14 * mendpoint_model::DAY_MS, |who| book.reaches(who));
        OnCallJson {
            rota: rota.name.clone(),
            first: duty.first,
            second: duty.second,
            until: rota.changes_at(now).map(UnixMs::rfc3339),
            gaps: gaps
                .into_iter()
                .map(|gap| GapJson { from: gap.from.rfc3339(), to: gap.to.rfc3339(), why: gap.why })
                .collect(),
        }
    };
    Ok(all(book.rotas.values().map(one).collect()))
}

/// `GET /duty/chains`
pub(crate) async fn chains(
    _: Caller,
    State(state): State<AppState>,
) -> Result<Json<Page<ChainJson>>> {
    let handle = state.handle();
    let cases = handle.duty_cases();
    let items = cases.iter().map(|one| ChainJson::new(handle, one.brief.incident, &one.case));
    Ok(all(items.collect()))
}

/// `GET /duty/breaches`
pub(crate) async fn breaches(
    _: Caller,
    State(state): State<AppState>,
) -> Result<Json<Page<ChainJson>>> {
    let handle = state.handle();
    let cases = handle.duty_cases();
    let breached = cases.iter().filter(|one| one.case.breached_at.is_some());
    Ok(all(breached.map(|one| ChainJson::new(handle, one.brief.incident, &one.case)).collect()))
}
