//! Incidents: lists, one with its timeline, what people do with them, and reports of others.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mendpoint_incidents::correlate::BUILT_IN;
use mendpoint_incidents::{Request, Seen, StepAsked};
use mendpoint_model::{ConnectorRef, IncidentId, IncidentState, Rung, Source, UnixMs};
use mendpoint_store::IncidentFilter;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Caller, Operator};
use super::chargers::find;
use super::duty::ChainJson;
use super::error::{ApiError, Result};
use super::extract::{Body, MaybeBody, Params, Path, cursor, limit};
use super::json::{IncidentJson, Page};
use crate::AppState;
use crate::evidence::{Evidence, For};
use crate::pages::incident::waiting_step;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// One state or several with commas; `active` for all that are not over.
    state: Option<String>,
    /// OCPP identity.
    charger: Option<String>,
    /// A rule's id, or a part of the reason's code.
    reason: Option<String>,
    rule: Option<String>,
    source: Option<String>,
    needs_person: Option<bool>,
    /// `true` leaves out what another incident explains, or what is silenced.
    hide_inhibited: Option<bool>,
    q: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Reads the words of a state filter.
fn states_of(words: &str) -> Result<Vec<IncidentState>> {
    if words == "active" {
        return Ok(IncidentState::ALL.into_iter().filter(|state| !state.is_over()).collect());
    }
    words
        .split(',')
        .map(|word| {
            IncidentState::from_name(word.trim()).ok_or_else(|| {
                let known: Vec<_> = IncidentState::ALL.iter().map(|state| state.name()).collect();
                ApiError::bad_request(format!(
                    "state is active, or one of {}, not {word:?}",
                    known.join(", ")
                ))
            })
        })
        .collect()
}

/// A rule that nothing was ever opened under is more likely misspelt than quiet, and finding nothing
/// reads as "all is well".
fn check_rule(state: &AppState, rule: Option<&str>) -> Result<()> {
    let catalogue = state.handle().catalogue();
    let is_built_in = |rule: &str| BUILT_IN.iter().any(|(id, ..)| *id == rule);
    let rule = rule.filter(|rule| !is_built_in(rule));
    let Some(rule) = rule.filter(|rule| catalogue.rule(rule).is_none()) else { return Ok(()) };
    let known: Vec<&str> = catalogue.rules().iter().map(|known| known.id.as_str()).collect();
    Err(ApiError::bad_request(format!("rule is one of {}, not {rule:?}", known.join(", "))))
}

pub(super) async fn list(
    _: Caller,
    State(state): State<AppState>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<IncidentJson>>> {
    let handle = state.handle();
    let filter = IncidentFilter {
        states: query.state.as_deref().map(states_of).transpose()?.unwrap_or_default(),
        charger: match &query.charger {
            Some(id) => Some(find(&state, id)?.key),
            None => None,
        },
        rule: query.rule,
        reason: query.reason,
        source: query
            .source
            .as_deref()
            .map(|word| {
                Source::from_name(word).ok_or_else(|| {
                    ApiError::bad_request(format!(
                        "source is system, user, support or external, not {word:?}"
                    ))
                })
            })
            .transpose()?,
        needs_person: query.needs_person,
        text: query.q,
        hide_quiet: query.hide_inhibited.unwrap_or(false),
        ..IncidentFilter::default()
    };
    let from = cursor(query.cursor.as_deref())?;
    let (incidents, next) = handle.store().incidents(&filter, from, limit(query.limit)?).await?;
    if incidents.is_empty() && query.cursor.is_none() {
        check_rule(&state, filter.rule.as_deref())?;
    }
    let items = incidents.iter().map(|incident| IncidentJson::new(incident, handle)).collect();
    Ok(Json(Page { items, next: next.map(|next| next.to_string()) }))
}

/// Reads an incident's number from an address.
fn number(id: &str) -> Result<IncidentId> {
    id.parse().map_err(|_| ApiError::not_found(format!("{id:?} is not an incident's number")))
}

async fn detail(state: &AppState, id: IncidentId) -> Result<Json<IncidentJson>> {
    let store = state.handle().store();
    let incident = store
        .incident(id)
        .await?
        .ok_or_else(|| ApiError::not_found(format!("there is no incident {id}")))?;
    let timeline = store.timeline(id).await?;
    let json = IncidentJson::new(&incident, state.handle());
    Ok(Json(json.with_timeline(&timeline)))
}

pub(super) async fn one(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<IncidentJson>> {
    detail(&state, number(&id)?).await
}

/// The bundle of evidence, as far as this caller may see it. That it was taken is in the audit log.
pub(super) async fn evidence(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Evidence>> {
    let id = number(&id)?;
    let who = For { name: &caller.name, sees_persons: caller.sees_tokens() };
    let evidence = Evidence::gather(state.handle(), id, who).await?;
    let evidence =
        evidence.ok_or_else(|| ApiError::not_found(format!("there is no incident {id}")))?;
    state.handle().audit(&caller.name, "evidence read", &id.to_string()).await;
    Ok(Json(evidence))
}

/// How far the chain of an incident is.
pub(super) async fn chain(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<ChainJson>> {
    let id = number(&id)?;
    let handle = state.handle();
    if let Some(case) = handle.duty_case(id) {
        return Ok(Json(ChainJson::new(handle, id, &case)));
    }
    let incident = handle.store().incident(id).await?;
    let incident =
        incident.ok_or_else(|| ApiError::not_found(format!("there is no incident {id}")))?;
    let lines = handle.store().timeline(id).await?.into_iter();
    let told = lines.filter(|line| line.kind == "told").map(|line| (line.at, line.title));
    Ok(Json(ChainJson::without(handle, &incident, &told.collect::<Vec<_>>())))
}

/// A report of somebody else: another program, the support team, a driver (feature A-02).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    /// OCPP identity.
    charger: String,
    /// Connector number, if it is about one.
    connector: Option<u16>,
    /// `not_working`, `not_in_location`, `inaccessible`, `broken`, `charge_interrupted`,
    /// `blocked_by_car`, `other` or `tax_refund`.
    reason: String,
    /// What was seen.
    #[serde(default)]
    text: String,
    /// `external` when left out; `support` or `user`.
    source: Option<String>,
    /// Who reports; the token's name when left out.
    reporter: Option<String>,
}

pub(super) async fn report(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<Report>,
) -> Result<(StatusCode, Json<IncidentJson>)> {
    let record = find(&state, &body.charger)?;
    let source = match body.source.as_deref() {
        None => Source::External,
        Some(word) => {
            Source::from_name(word).filter(|source| *source != Source::System).ok_or_else(|| {
                ApiError::bad_request(format!("source is external, support or user, not {word:?}"))
            })?
        }
    };
    let site = state.handle().directory().site(record.site);
    let time_zone = site.map(|site| site.time_zone.clone()).unwrap_or_default();
    let known: Vec<_> = crate::reasons::at(&time_zone).map(|reason| reason.code).collect();
    if !known.contains(&body.reason.as_str()) {
        return Err(ApiError::bad_request(format!(
            "reason is one of {} at this site, not {:?}",
            known.join(", "),
            body.reason
        )));
    }
    let connector = body.connector.map(ConnectorRef::v16);
    let live = state.handle().charger(record.key).await;
    crate::place::check_connector(live.as_deref(), connector).map_err(ApiError::bad_request)?;
    let id = state
        .handle()
        .request(Request::Report {
            charger: record.key,
            connector,
            reason: body.reason,
            text: body.text,
            reporter: body.reporter.unwrap_or(caller.name),
            source,
        })
        .await?;
    state.handle().settle(record.site).await;
    Ok((StatusCode::CREATED, detail(&state, id).await?))
}

/// What goes with an action.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = IncidentAct)]
pub(super) struct ActBody {
    /// For `note`.
    text: String,
    /// For `resolve` and `refuse`: why.
    reason: String,
    /// For `resolve`: somebody saw that it is safe. Without it a fault of safety that the charger still
    /// reports is not resolved (409).
    safe: bool,
    /// For `snooze`: until when, RFC 3339.
    until: Option<String>,
    /// For `merge`: the incident it is part of.
    into: Option<String>,
    /// For `merge`: they may be at different sites.
    across_sites: bool,
    /// For `approve` and `refuse`: the number of the step that is decided about, from
    /// `healing.steps`. The next one may be harsher.
    step: Option<u32>,
    /// For `approve` and `refuse`: the rung of that step.
    rung: Option<String>,
    /// How the incident was when it was decided on; when it is not so any more, nothing is done and
    /// the answer is 409.
    seen: Option<SeenBody>,
    /// Who does it; the token's name when left out.
    user: Option<String>,
}

/// What was seen of an incident. What is left out does not matter.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = IncidentSeen)]
pub(super) struct SeenBody {
    /// Whose it was; `""` for nobody's.
    owner: Option<String>,
    /// How severe it was, 0 to 9; 409 only when it is more severe now.
    severity: Option<u8>,
    /// Whether it had recovered, not yet proven.
    recovered: Option<bool>,
    /// How many steps its playbook had begun.
    steps: Option<u32>,
    /// What it was merged into.
    merged_into: Option<String>,
}

impl SeenBody {
    fn read(self) -> Result<Seen> {
        Ok(Seen {
            owner: self.owner,
            severity: self.severity,
            recovered: self.recovered,
            steps: self.steps,
            parent: self.merged_into.as_deref().map(number).transpose()?,
        })
    }
}

/// The step that an approval names. Without one nothing is decided: sent twice it would decide about
/// the next one too.
async fn step_asked(
    state: &AppState,
    incident: IncidentId,
    action: &str,
    step: Option<u32>,
    rung: Option<&str>,
) -> Result<StepAsked> {
    if let (Some(number), Some(rung)) = (step, rung) {
        let rung = Rung::from_name(rung).ok_or_else(|| {
            ApiError::bad_request(format!("rung is one of healing.ladder, as L4, not {rung:?}"))
        })?;
        return Ok(StepAsked { number, rung });
    }
    let kept = state.handle().store().incident(incident).await?;
    let waits = kept.as_ref().and_then(waiting_step);
    let waits = waits.map_or_else(
        || "no step waits now".to_owned(),
        |waits| {
            let (number, rung) = (waits.number, waits.rung.name());
            format!("{waits}, waits now: {{\"step\":{number},\"rung\":\"{rung}\"}}")
        },
    );
    Err(ApiError::bad_request(format!(
        "{action} needs step and rung, of the step that is decided about; {waits}"
    )))
}

pub(super) async fn act(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path((id, action)): Path<(String, String)>,
    MaybeBody(body): MaybeBody<ActBody>,
) -> Result<Json<IncidentJson>> {
    let incident = number(&id)?;
    let user = body.user.unwrap_or(caller.name);
    let seen = body.seen.unwrap_or_default().read()?;
    let handle = state.handle();
    if action == "escalate" {
        handle.hand_over(incident, &user).await?;
        return detail(&state, incident).await;
    }
    match action.as_str() {
        "merge" => {
            let into = body.into.as_deref().and_then(|id| id.parse().ok()).ok_or_else(|| {
                ApiError::bad_request("merge needs into, the number of an incident, as INC-12")
            })?;
            handle.merge(incident, into, body.across_sites, &user).await?;
            handle.settle_incident(incident).await;
            return detail(&state, incident).await;
        }
        "split" => {
            handle.split(incident, seen, &user).await?;
            handle.settle_incident(incident).await;
            return detail(&state, incident).await;
        }
        _ => {}
    }
    let request = match action.as_str() {
        "take" => Request::Take { incident, user },
        "release" => Request::Release { incident, user },
        "note" => Request::Note { incident, user, text: body.text },
        "resolve" => Request::Resolve { incident, user, reason: body.reason, safe: body.safe },
        "stop-healing" => Request::StopHealing { incident, user },
        "run-playbook" => Request::RunPlaybook { incident, user },
        "approve" | "refuse" => {
            let rung = body.rung.as_deref();
            let step = step_asked(&state, incident, &action, body.step, rung).await?;
            match action.as_str() {
                "approve" => Request::Approve { incident, step, user },
                _ => Request::Refuse { incident, step, user },
            }
        }
        "snooze" => {
            let until = body.until.as_deref().and_then(UnixMs::parse_rfc3339).ok_or_else(|| {
                ApiError::bad_request("snooze needs until, as RFC 3339 with a zone")
            })?;
            Request::Snooze { incident, user, until }
        }
        other => {
            return Err(ApiError::not_found(format!(
                "the actions are take, release, note, resolve, stop-healing, run-playbook, \
                 approve, refuse, snooze, escalate, merge and split, not {other:?}"
            )));
        }
    };
    handle.request(Request::IfSeen { seen, request: Box::new(request) }).await?;
    handle.settle_incident(incident).await;
    detail(&state, incident).await
}
