//! Trying rules out on the past: start, progress, result.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mendpoint_model::{ChargerKey, DAY_MS, UnixMs};
use mendpoint_pipeline::{ReplayAsk, ReplayStatus, ReplayView};
use mendpoint_replay::{Found, Kinship, Report};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::auth::{Caller, Operator};
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{Body, Path};
use super::json::{Page, time};
use crate::AppState;

/// A file of rules or playbooks.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile {
    /// Its name, for what is said of it.
    #[serde(default)]
    file: String,
    /// What is in it.
    text: String,
}

/// Live through the past with other rules.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayBody {
    /// Rules that take the place of those of the same id; none for the rules in force.
    #[serde(default)]
    rules: Vec<RuleFile>,
    /// Playbooks likewise.
    #[serde(default)]
    playbooks: Vec<RuleFile>,
    /// Report only what this rule does.
    rule: Option<String>,
    /// From when on; thirty days ago when not given.
    from: Option<String>,
    /// Until when; now when not given.
    until: Option<String>,
    /// Only the chargers of this site.
    site: Option<String>,
    /// Only this charger.
    charger: Option<String>,
}

fn files(files: &[RuleFile], kind: &str) -> Vec<(String, String)> {
    let name = |(index, file): (usize, &RuleFile)| {
        let name =
            if file.file.is_empty() { format!("{kind} {}", index + 1) } else { file.file.clone() };
        (name, file.text.clone())
    };
    files.iter().enumerate().map(name).collect()
}

/// What is asked for, in the pipeline's words.
fn ask(state: &AppState, by: String, body: &ReplayBody) -> Result<ReplayAsk> {
    let handle = state.handle();
    let rules = if body.rules.is_empty() && body.playbooks.is_empty() {
        handle.catalogue()
    } else {
        let (rules, playbooks) = (files(&body.rules, "rule"), files(&body.playbooks, "playbook"));
        Arc::new(handle.catalogue().overlaid(&rules, &playbooks).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            ApiError::unfit(lines.join("\n"))
        })?)
    };
    let at = |text: &Option<String>, otherwise: UnixMs| match text {
        None => Ok(otherwise),
        Some(text) => UnixMs::parse_rfc3339(text).ok_or_else(|| {
            ApiError::bad_request(format!("{text:?} is no time such as 2026-10-01T08:00:00Z"))
        }),
    };
    let now = handle.now();
    let site = match &body.site {
        None => None,
        Some(name) => Some(
            handle
                .directory()
                .sites()
                .iter()
                .find(|site| site.name == *name)
                .ok_or_else(|| ApiError::not_found(format!("there is no site {name:?}")))?
                .key,
        ),
    };
    let charger = body.charger.as_deref().map(|id| find(state, id)).transpose()?;
    Ok(ReplayAsk {
        rules,
        only: body.rule.clone(),
        from: at(&body.from, now - 30 * DAY_MS)?,
        until: at(&body.until, now)?,
        site,
        charger: charger.map(|charger| charger.key),
        lead_ms: DAY_MS,
        by,
    })
}

/// Begins a replay.
pub(super) async fn start(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<ReplayBody>,
) -> Result<(StatusCode, Json<Value>)> {
    let ask = ask(&state, caller.name, &body)?;
    let id = state.handle().start_replay(ask)?;
    let view = state.handle().replays().one(id);
    Ok((StatusCode::ACCEPTED, Json(view.map_or(Value::Null, |view| whole(&state, &view)))))
}

/// The last replays, newest first, without their reports.
pub(super) async fn list(_: Caller, State(state): State<AppState>) -> Json<Page<Value>> {
    let items = state.handle().replays().all().iter().map(|view| head(&state, view)).collect();
    Json(Page { items, next: None })
}

/// A replay with its progress, and its report once it is done.
pub(super) async fn one(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<u64>,
) -> Result<Json<Value>> {
    let view = state.handle().replays().one(id).ok_or_else(|| none(id))?;
    Ok(Json(whole(&state, &view)))
}

/// Ends a replay that runs.
pub(super) async fn stop(
    Operator(_): Operator,
    State(state): State<AppState>,
    Path(id): Path<u64>,
) -> Result<Json<Value>> {
    let board = state.handle().replays();
    let view = board.one(id).ok_or_else(|| none(id))?;
    if !board.stop(id) {
        return Err(ApiError::conflict(format!("replay {id} is {} already", view.status.name())));
    }
    Ok(Json(json!({ "id": id, "status": "stopping" })))
}

fn none(id: u64) -> ApiError {
    ApiError::not_found(format!("there is no replay {id}; the last 16 are kept"))
}

fn head(state: &AppState, view: &ReplayView) -> Value {
    let directory = state.handle().directory();
    let error = match &view.status {
        ReplayStatus::Failed(why) => Some(why.as_str()),
        _ => None,
    };
    let sentence = match &view.status {
        ReplayStatus::Done(report) => Some(report.sentence.as_str()),
        _ => None,
    };
    json!({
        "id": view.id,
        "status": view.status.name(),
        "by": view.ask.by,
        "rule": view.ask.only,
        "from": view.ask.from.rfc3339(),
        "until": view.ask.until.rfc3339(),
        "site": view.ask.site.and_then(|key| directory.site(key)).map(|site| site.name.clone()),
        "charger": view.ask.charger.map(|key| identity(state, key)),
        "frames": view.frames,
        "frames_total": view.frames_total,
        "at": time(view.at),
        "started_at": view.started_at.rfc3339_ms(),
        "ended_at": time(view.ended_at),
        "error": error,
        "sentence": sentence,
    })
}

fn whole(state: &AppState, view: &ReplayView) -> Value {
    let mut value = head(state, view);
    value["report"] = match &view.status {
        ReplayStatus::Done(report) => report_json(state, report),
        _ => Value::Null,
    };
    value
}

fn identity(state: &AppState, key: ChargerKey) -> String {
    let record = state.handle().directory().charger(key);
    record.map_or_else(|| key.to_string(), |record| record.identity.to_string())
}

fn found_json(state: &AppState, found: &Found) -> Value {
    json!({
        "id": found.id.to_string(),
        "rule": found.rule,
        "charger": identity(state, found.charger),
        "connector": found.connector.to_string(),
        "code": found.code,
        "title": found.title,
        "severity": found.severity,
        "opened_at": found.opened_at.rfc3339_ms(),
        "gone_at": time(found.gone_at),
        "resolved_at": time(found.resolved_at),
        "handed_over": found.escalated,
        "ticket": found.ticket,
        "commands": found.actions,
    })
}

/// A report with times that people read and identities instead of handles.
fn report_json(state: &AppState, report: &Report) -> Value {
    let pairs: Vec<Value> = report
        .pairs
        .iter()
        .map(|pair| {
            let (kinship, by_ms) = match pair.kinship {
                Kinship::New => ("new", 0),
                Kinship::Same => ("same", 0),
                Kinship::Earlier(ms) => ("earlier", ms),
                Kinship::Later(ms) => ("later", ms),
                Kinship::Gone => ("gone", 0),
            };
            json!({
                "kinship": kinship,
                "by_ms": by_ms,
                "replayed": pair.replayed.as_ref().map(|found| found_json(state, found)),
                "live": pair.live.as_ref().map(|found| found_json(state, found)),
            })
        })
        .collect();
    let actions: Vec<Value> = report
        .actions
        .iter()
        .map(|action| {
            json!({
                "at": action.at.rfc3339_ms(),
                "charger": identity(state, action.charger),
                "incident": action.incident.map(|id| id.to_string()),
                "action": action.action,
                "was_sent": action.was_sent,
            })
        })
        .collect();
    let missed: Vec<Value> = report
        .proxies
        .missed_at
        .iter()
        .map(|(at, charger)| json!({ "at": at.rfc3339(), "charger": identity(state, *charger) }))
        .collect();
    json!({
        "sentence": report.sentence,
        "rules": report.rules,
        "incidents": pairs,
        "incidents_counted": report.pairs_counted,
        "actions": actions,
        "actions_counted": report.actions_counted,
        "tickets": report.tickets().0,
        "tickets_live": report.tickets().1,
        "only": report.only,
        "false_alarms": report.proxies.false_alarms,
        "false_alarms_live": report.proxies.false_alarms_live,
        "troubles": report.proxies.troubles,
        "missed": report.proxies.missed,
        "missed_live": report.proxies.missed_live,
        "missed_at": missed,
        "frames": report.frames,
        "frames_left_out": report.frames_left_out,
        "frames_unreadable": report.frames_unreadable,
    })
}
