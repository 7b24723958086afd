//! What belongs together: outages, merges, cohorts of one firmware, vehicles, paused rollouts.

use axum::Json;
use axum::extract::State;
use mendpoint_escalation::{Held, HeldBy};
use mendpoint_model::{Incident, IncidentId};
use mendpoint_pipeline::{Directory, Handle};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::{Admin, Caller};
use super::error::{ApiError, Result};
use super::extract::Path;
use super::json::Page;
use crate::AppState;

/// What ties an incident to others.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TiesJson {
    /// `charger`, `site`, `carrier`, `cohort` or `fleet`.
    breadth: &'static str,
    /// The incident that explains it: it heals nothing and asks nobody while that is open.
    inhibited_by: Option<String>,
    silenced_by: Option<String>,
    maintenance: Option<String>,
    flapping: bool,
    merged_into: Option<String>,
    merged: Vec<String>,
    /// What is notified together.
    group: String,
    /// Rules that fire too and are part of it.
    also: Vec<String>,
    outage: Option<OutageJson>,
    regression: Option<RegressionJson>,
}

/// Chargers that went away together.
#[derive(Debug, Serialize, ToSchema)]
struct OutageJson {
    lost: u32,
    back: u32,
    /// How many were online before.
    of: u32,
    sites: u32,
    /// `power`, `network`, `carrier`, `platform` or `unclear`; `null` until it can be told.
    cause: Option<&'static str>,
    evidence: String,
    /// At most 200 of them.
    members: Vec<MemberJson>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
struct MemberJson {
    /// OCPP identity.
    charger: String,
    lost_at: String,
    back_at: Option<String>,
    /// The reason of the boot it returned with.
    boot: Option<String>,
}

/// A firmware that fails more often than the one before it.
#[derive(Debug, Serialize, ToSchema)]
struct RegressionJson {
    code: String,
    before: String,
    chargers: u32,
    affected: u32,
    alerts_now: u32,
    /// In thousands.
    connector_hours_now: f64,
    alerts_before: u32,
    connector_hours_before: f64,
    ratio: Option<f64>,
    p: f64,
}

impl TiesJson {
    pub(crate) fn new(incident: &Incident, directory: &Directory, held: Option<&Held>) -> Self {
        let ties = &incident.ties;
        let why = |by| held.filter(|held| held.by == by).map(|held| held.why.clone());
        Self {
            breadth: ties.breadth.name(),
            inhibited_by: ties.inhibited_by.map(|id| id.to_string()),
            silenced_by: why(HeldBy::Silence),
            maintenance: why(HeldBy::Maintenance),
            flapping: ties.flapping,
            merged_into: ties.merged_into.map(|id| id.to_string()),
            merged: ties.merged.iter().map(ToString::to_string).collect(),
            group: ties.group.clone(),
            also: ties.also.clone(),
            outage: ties.outage.as_deref().map(|outage| OutageJson {
                lost: outage.lost,
                back: outage.back,
                of: outage.of,
                sites: outage.sites,
                cause: outage.cause.map(mendpoint_model::Cause::name),
                evidence: outage.evidence.clone(),
                members: outage
                    .members
                    .iter()
                    .map(|member| MemberJson {
                        charger: directory
                            .charger(member.charger)
                            .map(|charger| charger.identity.to_string())
                            .unwrap_or_default(),
                        lost_at: member.lost_at.rfc3339_ms(),
                        back_at: member.back_at.map(mendpoint_model::UnixMs::rfc3339_ms),
                        boot: member.boot.clone(),
                    })
                    .collect(),
            }),
            regression: ties.regression.as_deref().map(|found| RegressionJson {
                code: found.code.clone(),
                before: found.before.clone(),
                chargers: found.chargers,
                affected: found.affected,
                alerts_now: found.now.0,
                connector_hours_now: found.now.1,
                alerts_before: found.then.0,
                connector_hours_before: found.then.1,
                ratio: found.ratio,
                p: found.p,
            }),
        }
    }
}

/// How often alerts come with a firmware.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CohortJson {
    vendor: String,
    model: String,
    firmware: String,
    chargers: u32,
    /// In the last 24 hours.
    alerts: u32,
    connector_hours: f64,
    /// Alerts per 1,000 connector-hours.
    rate: f64,
}

/// A card or vehicle that fails at several sites.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VehicleJson {
    /// Shortened for those who may not see cards.
    token: String,
    since: String,
    last_at: String,
    failures: u32,
    sites: u32,
}

/// A rollout that is paused.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RolloutJson {
    incident: String,
    vendor: String,
    model: String,
    firmware: String,
    /// The firmware it is proposed to go back to.
    before: String,
}

pub(super) async fn cohorts(_: Caller, State(state): State<AppState>) -> Json<Page<CohortJson>> {
    let items = state.handle().cohort_rates().into_iter().map(|rate| CohortJson {
        vendor: rate.cohort.vendor,
        model: rate.cohort.model,
        firmware: rate.cohort.firmware,
        chargers: rate.chargers,
        alerts: rate.alerts,
        connector_hours: rate.connector_hours,
        rate: rate.rate,
    });
    Json(Page { items: items.collect(), next: None })
}

pub(super) async fn vehicles(
    caller: Caller,
    State(state): State<AppState>,
) -> Json<Page<VehicleJson>> {
    let items = state.handle().vehicle_suspects().into_iter().map(|suspect| VehicleJson {
        token: caller.token_words(&suspect.token),
        since: suspect.since.rfc3339_ms(),
        last_at: suspect.last_at.rfc3339_ms(),
        failures: suspect.failures,
        sites: suspect.sites,
    });
    Json(Page { items: items.collect(), next: None })
}

fn paused(handle: &Handle) -> Json<Page<RolloutJson>> {
    let items = handle.paused_rollouts().into_iter().map(|(id, pause)| RolloutJson {
        incident: id.to_string(),
        vendor: pause.cohort.vendor,
        model: pause.cohort.model,
        firmware: pause.cohort.firmware,
        before: pause.before,
    });
    Json(Page { items: items.collect(), next: None })
}

pub(super) async fn rollouts(_: Caller, State(state): State<AppState>) -> Json<Page<RolloutJson>> {
    paused(state.handle())
}

pub(super) async fn lift(
    Admin(caller): Admin,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Page<RolloutJson>>> {
    let incident: IncidentId = id
        .parse()
        .map_err(|_| ApiError::not_found(format!("{id:?} is not an incident's number")))?;
    state.handle().lift_rollout(incident, &caller.name).await?;
    Ok(paused(state.handle()))
}
