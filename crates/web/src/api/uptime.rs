//! Uptime: minutes and figures of connectors, and what is not counted.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use mendpoint_model::{IncidentId, SiteKey, UnixMs};
use mendpoint_pipeline::{KpiBy, Kpis, PortTally, UptimeScope};
use mendpoint_store::ExclusionRow;
use mendpoint_uptime::{Decision, Exclusion, Reason, Span, Tally, formula};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::auth::{Caller, Operator};
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{Body, Params, Path};
use super::json::{Page, time};
use crate::AppState;
use crate::kpis::{definitions, figures as figures_of};
use crate::place::connector_of;
use crate::uptime::{
    EVIDENCE_MAX, Figures, Month, NEVI_PERCENT, check_exclusion, quarter_file, sum,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UptimeQuery {
    month: Option<String>,
    from: Option<String>,
    until: Option<String>,
    site: Option<String>,
    charger: Option<String>,
}

fn site_named(state: &AppState, name: &str) -> Result<SiteKey> {
    let site = state.handle().directory().site_named(name);
    site.map(|site| site.key)
        .ok_or_else(|| ApiError::not_found(format!("there is no site {name:?}")))
}

fn moment(text: &str) -> Result<UnixMs> {
    UnixMs::parse_rfc3339(text).ok_or_else(|| {
        ApiError::bad_request(format!("{text:?} is no time such as 2026-10-01T08:00:00Z"))
    })
}

fn scope(state: &AppState, site: Option<&str>, charger: Option<&str>) -> Result<UptimeScope> {
    Ok(UptimeScope {
        site: site.map(|name| site_named(state, name)).transpose()?,
        charger: charger.map(|id| find(state, id)).transpose()?.map(|record| record.key),
    })
}

/// Minutes and figures of the connectors, and of all together.
pub(super) async fn figures(
    _: Caller,
    State(state): State<AppState>,
    Params(query): Params<UptimeQuery>,
) -> Result<Json<Value>> {
    let scope = scope(&state, query.site.as_deref(), query.charger.as_deref())?;
    let month = month_of(&state, query.month.as_deref())?;
    let from = query.from.as_deref().map_or(Ok(month.begin()), moment)?;
    let until = query.until.as_deref().map_or(Ok(month.end()), moment)?;
    if until <= from {
        return Err(ApiError::bad_request("`until` must be after `from`"));
    }
    let ports = state.handle().uptime(scope, from, until).await?;
    let now = state.handle().now();
    let items: Vec<Value> = ports.iter().map(|port| port_json(&state, port, now)).collect();
    let mut together = tally_json(&sum(&ports));
    together["california_percent"] = json!(Figures::of_ports(&ports).california);
    Ok(Json(json!({
        "from": from.rfc3339(),
        "until": until.rfc3339(),
        "connectors": items,
        "together": together,
    })))
}

fn tally_json(tally: &Tally) -> Value {
    let figures = Figures::of(tally);
    let excluded: Vec<Value> = tally
        .excluded
        .iter()
        .map(|((reason, id), minutes)| {
            json!({ "reason": reason.name(), "exclusion": id.to_string(), "minutes": minutes })
        })
        .collect();
    json!({
        "up_min": tally.up,
        "offline_min": tally.offline,
        "faulted_min": tally.faulted,
        "unavailable_min": tally.unavailable,
        "excluded_min": tally.excluded(),
        "excluded": excluded,
        "unknown_min": tally.blind,
        "closed_min": tally.closed,
        "t_outage_min": formula::nevi_outage(tally),
        "nevi_percent": figures.nevi,
        "uk_percent": figures.uk,
        "california_percent": figures.california,
        "strict_percent": figures.strict,
    })
}

fn port_json(state: &AppState, port: &PortTally, now: UnixMs) -> Value {
    let directory = state.handle().directory();
    let mut value = tally_json(&port.tally);
    let record = directory.charger(port.charger);
    value["charger"] = json!(record.map(|record| record.identity.to_string()));
    value["site"] = json!(directory.site(port.site).map(|site| site.name.clone()));
    value["connector"] = json!(port.connector.to_string());
    value["outages"] = port.outages.iter().map(|span| outage_json(span, now)).collect();
    value
}

/// An outage. Of one that goes on there is no end: its last minute is not over.
fn outage_json(span: &Span, now: UnixMs) -> Value {
    let ongoing = span.until > now;
    json!({
        "from": span.from.rfc3339(),
        "until": (!ongoing).then(|| span.until.rfc3339()),
        "ongoing": ongoing,
        "minutes": span.until.min(now).since_ms(span.from).max(0) / 60_000,
        "class": span.class.name(),
    })
}

/// A quarter of the ledgers as a file (23 CFR 680.112(a)): that of `month`, or this one.
pub(super) async fn file(
    caller: Caller,
    State(state): State<AppState>,
    Params(query): Params<FileQuery>,
) -> Result<Response> {
    let scope = scope(&state, query.site.as_deref(), query.charger.as_deref())?;
    let first = month_of(&state, query.month.as_deref())?.quarter();
    let text = quarter_file(&state, first, scope).await?;
    state.handle().exported(&caller.name, &format!("uptime from {first}")).await?;
    Ok(crate::csv::file(&format!("uptime-{first}.csv"), text))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileQuery {
    month: Option<String>,
    site: Option<String>,
    charger: Option<String>,
}

fn month_of(state: &AppState, text: Option<&str>) -> Result<Month> {
    match text {
        None => Ok(Month::of(state.handle().now())),
        Some(text) => Month::parse(text)
            .ok_or_else(|| ApiError::bad_request(format!("{text:?} is no month as 2026-11"))),
    }
}

/// How fast a charger uses up the budget of a target.
pub(super) async fn burn(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Value>> {
    let charger = find(&state, &id)?;
    let burn = state.handle().burn(charger.key, NEVI_PERCENT).await?;
    Ok(Json(json!({
        "charger": id,
        "target_percent": NEVI_PERCENT,
        "burn": burn,
        "level": burn.level(),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExclusionsQuery {
    site: Option<String>,
    incident: Option<String>,
}

/// Exclusions, newest first, or those that an outage proposed.
pub(super) async fn exclusions(
    _: Caller,
    State(state): State<AppState>,
    Params(query): Params<ExclusionsQuery>,
) -> Result<Json<Page<Value>>> {
    let site = query.site.as_deref().map(|name| site_named(&state, name)).transpose()?;
    let store = state.handle().store();
    let rows = match query.incident.as_deref() {
        Some(id) => store.exclusions_of(incident_of(id)?).await?,
        None => store.exclusions(site, UnixMs(0), UnixMs(i64::MAX)).await?,
    };
    let items = rows.iter().map(|row| exclusion_json(&state, row)).collect();
    Ok(Json(Page { items, next: None }))
}

fn exclusion_json(state: &AppState, row: &ExclusionRow) -> Value {
    let directory = state.handle().directory();
    let exclusion = &row.exclusion;
    let charger = exclusion.charger.and_then(|key| directory.charger(key));
    json!({
        "id": exclusion.id.to_string(),
        "incident": row.incident.map(|id| id.to_string()),
        "site": directory.site(exclusion.site).map(|site| site.name.clone()),
        "charger": charger.map(|record| record.identity.to_string()),
        "connector": exclusion.connector.map(|at| at.to_string()),
        "from": exclusion.from.rfc3339(),
        "until": exclusion.until.rfc3339(),
        "reason": exclusion.reason.name(),
        "evidence": exclusion.evidence,
        "decision": exclusion.decision.name(),
        "proposed_by": row.proposed_by,
        "proposed_at": row.proposed_at.rfc3339(),
        "decided_by": Some(&row.decided_by).filter(|by| !by.is_empty()),
        "decided_at": time(row.decided_at),
    })
}

/// Minutes that should not count, with what shows it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExclusionBody {
    /// The site.
    site: String,
    /// Only this charger of it.
    charger: Option<String>,
    /// Only this connector of it: `1`, or `2.1` for EVSE and connector.
    connector: Option<String>,
    /// From when on.
    from: String,
    /// Until before when.
    until: String,
    /// utility, vehicle, maintenance, vandalism or disaster.
    reason: String,
    /// What shows it.
    evidence: String,
}

pub(super) async fn propose(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<ExclusionBody>,
) -> Result<Json<Value>> {
    let scope = scope(&state, Some(&body.site), body.charger.as_deref())?;
    let reason = Reason::from_name(&body.reason).ok_or_else(|| {
        ApiError::bad_request(
            "`reason` is utility, vehicle, maintenance, vandalism or disaster".to_owned(),
        )
    })?;
    let (from, until) = (moment(&body.from)?, moment(&body.until)?);
    let connector = match body.connector.as_deref() {
        None => None,
        Some(_) if scope.charger.is_none() => {
            return Err(ApiError::bad_request("`connector` wants a `charger`"));
        }
        Some(text) => connector_of(text).map_err(ApiError::bad_request)?,
    };
    if body.evidence.chars().count() > EVIDENCE_MAX {
        return Err(ApiError::bad_request(format!(
            "`evidence` has at most {EVIDENCE_MAX} characters"
        )));
    }
    if until <= from || body.evidence.trim().is_empty() {
        return Err(ApiError::bad_request(
            "`until` must be after `from`, and `evidence` must say what shows it",
        ));
    }
    let exclusion = Exclusion {
        id: 0,
        site: scope.site.unwrap_or_default(),
        charger: scope.charger,
        connector,
        from,
        until,
        reason,
        evidence: body.evidence.trim().to_owned(),
        decision: Decision::Proposed,
    };
    check_exclusion(&state, &exclusion).await.map_err(ApiError::bad_request)?;
    let store = state.handle().store();
    let Some(id) = store.propose_exclusion(&exclusion, &caller.name).await? else {
        return Err(ApiError::conflict(crate::uptime::PROPOSED_BEFORE));
    };
    state.handle().audit(&caller.name, "exclusion proposed", &id.to_string()).await;
    let row = store.exclusion(id).await?;
    Ok(Json(row.map_or(Value::Null, |row| exclusion_json(&state, &row))))
}

/// Approves or refuses an exclusion.
pub(super) async fn decide(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path((id, decision)): Path<(i64, String)>,
) -> Result<Json<Value>> {
    crate::uptime::decide(&state, &caller.name, id, &decision)
        .await?
        .map_err(ApiError::conflict)?;
    let row = state.handle().store().exclusion(id).await?;
    Ok(Json(row.map_or(Value::Null, |row| exclusion_json(&state, &row))))
}

fn incident_of(id: &str) -> Result<IncidentId> {
    id.parse().map_err(|_| ApiError::bad_request(format!("{id:?} is not an incident's number")))
}

/// Approves or refuses all that an outage proposed.
pub(super) async fn decide_outage(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path((id, decision)): Path<(String, String)>,
) -> Result<Json<Page<Value>>> {
    let incident = incident_of(&id)?;
    crate::uptime::decide_outage(&state, &caller.name, incident, &decision)
        .await?
        .map_err(ApiError::conflict)?;
    let rows = state.handle().store().exclusions_of(incident).await?;
    let items = rows.iter().map(|row| exclusion_json(&state, row)).collect();
    Ok(Json(Page { items, next: None }))
}

/// Opening hours of a site.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HoursBody {
    /// The site.
    site: String,
    /// `24/7`, or as in `mo-fr 06:00-22:00; sa,su 08:00-20:00 utc+2`.
    hours: String,
}

pub(super) async fn hours(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<HoursBody>,
) -> Result<Json<Value>> {
    let site = site_named(&state, &body.site)?;
    state.handle().set_opening_hours(site, &body.hours, &caller.name).await.map_err(|error| {
        match error {
            mendpoint_pipeline::Error::Refused(why) => ApiError::bad_request(why),
            other => other.into(),
        }
    })?;
    Ok(Json(json!({ "site": body.site, "hours": body.hours.trim() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KpiQuery {
    by: Option<String>,
    from: Option<String>,
    until: Option<String>,
    site: Option<String>,
}

/// The figures of charging and healing, by day, site or model.
pub(super) async fn kpis(
    _: Caller,
    State(state): State<AppState>,
    Params(query): Params<KpiQuery>,
) -> Result<Json<Value>> {
    let (kpis, _) = kpis_of(&state, &query).await?;
    let items: Vec<Value> = kpis.iter().map(|(name, kpis)| figures_of(name, kpis)).collect();
    Ok(Json(json!({ "items": items, "next": null, "definitions": definitions() })))
}

/// The same as a file.
pub(super) async fn kpi_file(
    caller: Caller,
    State(state): State<AppState>,
    Params(query): Params<KpiQuery>,
) -> Result<Response> {
    let (kpis, by) = kpis_of(&state, &query).await?;
    state.handle().exported(&caller.name, &format!("figures by {by}")).await?;
    Ok(crate::csv::file(&format!("figures-by-{by}.csv"), crate::kpis::file(by, &kpis)))
}

async fn kpis_of(
    state: &AppState,
    query: &KpiQuery,
) -> Result<(BTreeMap<String, Kpis>, &'static str)> {
    let by = query.by.as_deref().unwrap_or_default();
    let by = KpiBy::from_name(by).map_err(ApiError::bad_request)?;
    let now = state.handle().now();
    let site = query.site.as_deref().map(|name| site_named(state, name)).transpose()?;
    let from = query.from.as_deref().map_or(Ok(now - 30 * mendpoint_model::DAY_MS), moment)?;
    let until = query.until.as_deref().map_or(Ok(now + 1), moment)?;
    Ok((state.handle().kpis(from, until, site, by).await?, by.name()))
}

#[cfg(test)]
mod tests {
    use mendpoint_uptime::Class;

    use super::*;

    #[test]
    fn an_outage_that_goes_on_has_no_end_in_the_future() {
        let span = Span { from: UnixMs(0), until: UnixMs(600_000), class: Class::Offline };
        let on = outage_json(&span, UnixMs(590_000));
        assert_eq!(
            (&on["until"], &on["ongoing"], &on["minutes"]),
            (&Value::Null, &json!(true), &json!(9))
        );
        let over = outage_json(&span, UnixMs(600_000));
        assert_eq!(over["until"], json!("1970-01-01T00:10:00Z"));
        assert_eq!((&over["ongoing"], &over["minutes"]), (&json!(false), &json!(10)));
    }
}
