//! One incident: what happened, what was tried, what happens next, and what can be done now.

mod facts;
mod ladder;
pub(crate) mod ties;
mod timeline;

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use mendpoint_escalation::suspected_part;
use mendpoint_incidents::{Request, Seen, StepAsked};
use mendpoint_model::{
    FrameSeq, HOUR_MS, HealMode, Healing, Incident, IncidentId, IncidentState, MINUTE_MS, Priority,
    Rung, StepState, TimelineEntry, UnixMs,
};
use mendpoint_pipeline::Handle;
use mendpoint_tickets::Ticket;
use serde::Deserialize;

use self::facts::{Before, Fact, Why};
use self::ladder::RungView;
use self::ties::TiesView;
use self::timeline::{EventView, FrameView, Who};
use super::duty::ChainView;
use super::errors::{Page, PageError, answered, back, render};
use super::incidents::{glyph_of, source_label, state_label};
use super::ticket::{Target, targets};
use crate::evidence::{Evidence, For, file_name};
use crate::pages::extract::{Form, Query};
use crate::place::{ChargerNow, Moment, Place};
use crate::session::{Acting, Viewer};
use crate::shell::{Glyph, Shell};
use crate::{AppState, ribbon, show};

/// Frames that are looked up for one page; more lines than these have no raw frame beside them.
const FRAMES_MAX: usize = 60;
/// Drivers' reports that are shown.
const DRIVERS_MAX: u32 = 20;
/// How long an incident is put off.
const SNOOZE_MS: i64 = HOUR_MS;
/// The ribbon shows at most this much; what began long before is cut.
const RIBBON_MAX_MS: i64 = 7 * 24 * HOUR_MS;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/incidents/{id}", get(page))
        .route("/incidents/{id}/evidence", get(evidence))
        .route("/incidents/{id}/{action}", post(act))
        .route("/photos/{id}", get(photo))
}

/// What can be done with an incident now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Actions {
    take: bool,
    release: bool,
    snooze: bool,
    run_playbook: bool,
    stop_healing: bool,
    approve: bool,
    hand_over: bool,
    resolve: bool,
    note: bool,
}

impl Actions {
    fn of(incident: &Incident, user: &str) -> Self {
        let open = !incident.state.is_over();
        let healing = incident.healing.as_ref();
        let under_way = healing.is_some_and(is_under_way);
        let awaits = healing.is_some_and(|healing| {
            healing.steps.last().is_some_and(|step| step.state == StepState::AwaitingApproval)
        });
        Self {
            take: open && incident.owner.as_deref() != Some(user),
            release: open && incident.owner.is_some(),
            snooze: open && incident.needs_person,
            run_playbook: open && !under_way && healing.is_some_and(can_heal),
            stop_healing: open && under_way,
            approve: open && awaits,
            hand_over: open && incident.ticket.is_none(),
            resolve: open,
            note: true,
        }
    }

    /// Changes when the buttons do: a page that somebody is using waits with them then.
    fn key(self) -> String {
        [
            self.take,
            self.release,
            self.snooze,
            self.run_playbook,
            self.stop_healing,
            self.approve,
            self.hand_over,
            self.resolve,
            self.note,
        ]
        .map(|is_shown| if is_shown { '1' } else { '0' })
        .iter()
        .collect()
    }
}

/// Whether its playbook may do anything at all.
fn can_heal(healing: &Healing) -> bool {
    healing.mode != HealMode::Off && !healing.ladder.is_empty()
}

/// Whether a step is under way, or the next one is about to be.
fn is_under_way(healing: &Healing) -> bool {
    can_heal(healing)
        && healing.stopped_by.is_none()
        && healing.steps.last().is_some_and(|step| !step.state.is_over())
}

/// A choice of which lines of the timeline are shown.
#[derive(Clone, Debug)]
struct Lens {
    label: &'static str,
    icon: &'static str,
    href: String,
    count: usize,
    current: bool,
}

/// The ticket beside an incident.
#[derive(Clone, Debug)]
struct TicketBrief {
    id: String,
    href: String,
    /// "T-1882, Radu Pop, accepted".
    text: String,
    targets: Vec<Target>,
}

/// Everything the page shows.
#[derive(Clone, Debug)]
struct View {
    id: String,
    href: String,
    /// Where the page is read from again, with what is chosen on it.
    refresh: String,
    priority: Priority,
    title: String,
    glyph: Glyph,
    state: &'static str,
    over: bool,
    opened: Moment,
    /// "open for 26 min", or "lasted 26 min".
    age: String,
    /// "System", or who reported it.
    found_by: String,
    place: Place,
    description: String,
    /// What happens next, or how it ended.
    next: String,
    due: Option<Moment>,
    owner: String,
    previous: String,
    can_act: bool,
    actions: Actions,
    /// The step that waits for approval.
    asked: Option<StepAsked>,
    /// What the buttons carry, so that they do nothing that was not seen.
    severity: u8,
    is_safety: bool,
    recovered: bool,
    steps: usize,
    parent: String,
    ticket: Option<TicketBrief>,
    playbook: String,
    rungs: Vec<RungView>,
    ribbon: String,
    lenses: Vec<Lens>,
    events: Vec<EventView>,
    charger: ChargerNow,
    impact: Vec<Fact>,
    before: Before,
    why: Why,
    ties: TiesView,
    /// How far the chain is; `None` when it is over.
    chain: Option<ChainView>,
    /// What is probably broken; empty when nothing points at a part.
    part: &'static str,
    /// What drivers sent of it.
    drivers: Vec<DriverView>,
    /// The page of a silence for this rule and charger.
    silence_href: String,
}

/// What a driver reported.
#[derive(Clone, Debug)]
struct DriverView {
    at: Moment,
    reason: String,
    text: String,
    photos: Vec<i64>,
}

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage {
    shell: Shell,
    view: View,
}

#[derive(Template)]
#[template(path = "incident.html", block = "incident")]
struct IncidentFragment {
    view: View,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// `system`, `charger` or `people`; all when empty.
    show: String,
    fragment: String,
    done: Option<String>,
    error: Option<String>,
}

/// Reads an incident's number from an address.
fn number(id: &str) -> Result<IncidentId, PageError> {
    id.parse().map_err(|_| PageError::not_found(format!("{id:?} is not an incident's number.")))
}

async fn page(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Page {
    let id = number(&id)?;
    let incident = state
        .handle()
        .store()
        .incident(id)
        .await?
        .ok_or_else(|| PageError::not_found(format!("There is no incident {id}.")))?;
    let view = view(&state, &viewer, &incident, &asked).await?;
    if asked.fragment == "incident" {
        return render(IncidentFragment { view });
    }
    let title = format!("{} {}", view.id, view.title);
    let shell = Shell::new(&state, &viewer, "incidents", title).await;
    render(IncidentPage { shell: shell.with_messages(asked.done, asked.error), view })
}

async fn view(
    state: &AppState,
    viewer: &Viewer,
    incident: &Incident,
    asked: &Asked,
) -> Result<View, PageError> {
    let handle = state.handle();
    let store = handle.store();
    let now = handle.now();
    let timeline = store.timeline(incident.id).await?;
    let frames = frames(handle, viewer, incident, &timeline).await?;
    let over = incident.state.is_over();
    let ended = incident.resolved_at.filter(|_| over).unwrap_or(now);
    let age = show::duration(ended.since_ms(incident.opened_at));
    let href = format!("/incidents/{}", incident.id);
    let chosen = Who::of_name(&asked.show);
    let all = timeline::events(incident, &timeline, &frames, now);
    let lenses = lenses(&href, &all, chosen);
    let events =
        all.into_iter().filter(|event| chosen.is_none_or(|who| event.who == who)).collect();
    let show = chosen.map_or("", Who::name);
    let place = Place::new(handle.directory(), incident.charger, incident.site, incident.connector);
    let ties = ties::ties(handle, incident, &place.site, viewer.is_admin(), now).await?;
    Ok(View {
        id: incident.id.to_string(),
        refresh: format!("{href}?show={show}&fragment=incident"),
        priority: Priority::of_severity(incident.severity),
        title: incident.title.clone(),
        glyph: glyph_of(incident),
        state: state_label(incident),
        over,
        opened: Moment::new(now, incident.opened_at),
        age: if over { format!("lasted {age}") } else { format!("open for {age}") },
        found_by: found_by(incident),
        place,
        description: incident.description.clone(),
        next: if over { incident.resolution.clone() } else { incident.next.clone() },
        due: incident.next_at.filter(|at| !over && *at > now).map(|at| Moment::new(now, at)),
        owner: incident.owner.clone().unwrap_or_default(),
        previous: incident.previous.map(|id| id.to_string()).unwrap_or_default(),
        can_act: viewer.can_act(),
        actions: Actions::of(incident, &viewer.name),
        asked: waiting_step(incident),
        severity: incident.severity,
        is_safety: mendpoint_incidents::is_safety(&incident.code),
        recovered: incident.state == IncidentState::RecoveredUnproven,
        steps: incident.healing.as_ref().map_or(0, |healing| healing.steps.len()),
        parent: incident.ties.merged_into.map(|id| id.to_string()).unwrap_or_default(),
        ticket: ticket(handle, incident).await?,
        playbook: Why::new(handle, incident).playbook,
        rungs: ladder::ladder(incident, &timeline, now),
        ribbon: ribbon_of(state, incident, &timeline).await?,
        lenses,
        events,
        charger: ChargerNow::look(handle, incident.charger, incident.site).await,
        impact: facts::impact(handle, incident, &timeline).await?,
        before: facts::before(handle, incident).await?,
        why: Why::new(handle, incident),
        chain: chain_of(handle, incident, now),
        part: suspected_part(&incident.rule, &incident.code).unwrap_or_default(),
        drivers: drivers(handle, incident, now).await?,
        silence_href: silence_href(handle, incident),
        ties,
        href,
    })
}

fn chain_of(handle: &Handle, incident: &Incident, now: UnixMs) -> Option<ChainView> {
    let one = handle.duty_cases().into_iter().find(|one| one.brief.incident == incident.id)?;
    Some(ChainView::new(handle, &one, now))
}

fn silence_href(handle: &Handle, incident: &Incident) -> String {
    let identity = handle.directory().charger(incident.charger);
    let identity = identity.map(|one| one.identity.to_string()).unwrap_or_default();
    format!(
        "/duty/silences?rule={}&charger={}",
        crate::url::encode(&incident.rule),
        crate::url::encode(&identity)
    )
}

/// What drivers reported of it, newest first.
async fn drivers(
    handle: &Handle,
    incident: &Incident,
    now: UnixMs,
) -> Result<Vec<DriverView>, PageError> {
    let store = handle.store();
    let (reports, _) = store.reports(None, Some(incident.id), None, DRIVERS_MAX).await?;
    let mut views = Vec::new();
    for report in reports {
        let photos = store.photos(&report.reference).await?;
        views.push(DriverView {
            at: Moment::new(now, report.created_at),
            reason: crate::reasons::find(&report.reason)
                .map_or_else(|| report.reason.clone(), |reason| reason.label.to_owned()),
            text: report.text,
            photos: photos.iter().map(|photo| photo.id).collect(),
        });
    }
    Ok(views)
}

/// The bundle of evidence as one file, as far as whoever takes it may see it.
async fn evidence(viewer: Viewer, State(state): State<AppState>, Path(id): Path<String>) -> Page {
    let id = number(&id)?;
    let handle = state.handle();
    let who = For { name: &viewer.name, sees_persons: viewer.sees_tokens() };
    let evidence = Evidence::gather(handle, id, who).await?;
    let evidence =
        evidence.ok_or_else(|| PageError::not_found(format!("There is no incident {id}.")))?;
    let file = evidence.file(handle).await?;
    handle.audit(&viewer.name, "evidence downloaded", &id.to_string()).await;
    let name = file_name(id, handle.now());
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)], file)
        .into_response())
}

/// A photo of a driver, for those who are signed in.
async fn photo(_: Viewer, State(state): State<AppState>, Path(id): Path<i64>) -> Page {
    let photo = state.handle().store().photo(id).await?;
    let (kind, data) = photo.ok_or_else(|| PageError::not_found("There is no such photo."))?;
    let kind =
        HeaderValue::try_from(kind).map_err(|_| PageError::not_found("There is no such photo."))?;
    Ok(([(header::CONTENT_TYPE, kind)], data).into_response())
}

/// Who found it: a kind of person and a name, where the name does not say the kind already.
fn found_by(incident: &Incident) -> String {
    let kind = source_label(incident.source);
    match incident.reporter.as_str() {
        "" | "system" => kind.to_owned(),
        name if name.to_lowercase().starts_with(&kind.to_lowercase()) => name.to_owned(),
        name => format!("{kind}, {name}"),
    }
}

/// The step that waits for approval.
pub(crate) fn waiting_step(incident: &Incident) -> Option<StepAsked> {
    let last = incident.healing.as_ref().and_then(|healing| healing.steps.last());
    last.filter(|step| !incident.state.is_over() && step.state == StepState::AwaitingApproval)
        .map(StepAsked::from)
}

/// The raw frames that the lines speak of.
async fn frames(
    handle: &Handle,
    viewer: &Viewer,
    incident: &Incident,
    timeline: &[TimelineEntry],
) -> Result<BTreeMap<FrameSeq, FrameView>, PageError> {
    let log = handle.store().frame_log();
    let mut frames = BTreeMap::new();
    // The newest lines are on top and are looked at first.
    for entry in timeline.iter().rev().filter(|entry| entry.frame != 0) {
        if frames.len() >= FRAMES_MAX {
            break;
        }
        if frames.contains_key(&entry.frame) {
            continue;
        }
        // Old frames are deleted by the retention while the timeline stays.
        if let Some(mut record) = log.frame_of(incident.charger, entry.frame).await? {
            record.text = viewer.message(&record.text).into();
            frames.insert(entry.frame, FrameView::new(&record));
        }
    }
    Ok(frames)
}

fn lenses(href: &str, events: &[EventView], chosen: Option<Who>) -> Vec<Lens> {
    let all = Lens {
        label: "All",
        icon: "",
        href: href.to_owned(),
        count: events.iter().map(EventView::lines).sum(),
        current: chosen.is_none(),
    };
    let each = Who::ALL.into_iter().map(|who| Lens {
        label: who.label(),
        icon: who.icon(),
        href: format!("{href}?show={}", who.name()),
        count: events.iter().filter(|event| event.who == who).map(EventView::lines).sum(),
        current: chosen == Some(who),
    });
    std::iter::once(all).chain(each).collect()
}

async fn ticket(handle: &Handle, incident: &Incident) -> Result<Option<TicketBrief>, PageError> {
    let Some(id) = incident.ticket else { return Ok(None) };
    let row = handle.store().ticket(id).await?;
    let ticket = row.and_then(|row| serde_json::from_str::<Ticket>(&row.json).ok());
    let mut words = vec![id.to_string()];
    if let Some(ticket) = &ticket {
        words.extend(ticket.assignee.as_ref().map(|assignee| assignee.name.clone()));
        words.push(ticket.status.label().to_lowercase());
    }
    Ok(Some(TicketBrief {
        id: id.to_string(),
        href: format!("/tickets/{id}"),
        text: words.join(", "),
        targets: ticket.map(|ticket| targets(&ticket, handle.now())).unwrap_or_default(),
    }))
}

/// The time the ribbon shows: the incident in the middle of an hour, or more when it lasted longer.
/// Where time is shortened, so is the hour.
fn ribbon_window(incident: &Incident, now: UnixMs, pace: f64) -> (UnixMs, UnixMs) {
    let start = incident.began_at.min(incident.opened_at);
    let end = incident.resolved_at.unwrap_or(now).max(start);
    let lasted = end.since_ms(start);
    let hour = ((HOUR_MS as f64 * pace) as i64).clamp(5 * MINUTE_MS, HOUR_MS);
    let before = (lasted / 3).max((hour - lasted) / 2).max(hour / 6);
    let to = (end + before / 2).min(now);
    let from = (start - before).max(to - RIBBON_MAX_MS);
    // A little beyond now, so that the line of now stands free.
    (from, to + to.since_ms(from) / 24)
}

async fn ribbon_of(
    state: &AppState,
    incident: &Incident,
    timeline: &[TimelineEntry],
) -> Result<String, PageError> {
    let handle = state.handle();
    let store = handle.store();
    let now = handle.now();
    let (from, to) = ribbon_window(incident, now, state.settings().pace);
    let link = store.link_history(incident.charger, from, to).await?;
    let states = store.state_history(incident.charger, from, to).await?;
    Ok(ribbon::ribbon(from, to, &link, &states, &marks(incident, timeline, now)))
}

/// The flags on the ribbon.
fn marks(incident: &Incident, timeline: &[TimelineEntry], now: UnixMs) -> Vec<(UnixMs, String)> {
    let mut marks = vec![(now, "now".to_owned()), (incident.opened_at, "opened".to_owned())];
    for step in incident.healing.iter().flat_map(|healing| &healing.steps) {
        // What was never sent did nothing to the charger.
        if !step.commands.is_empty() || step.accepted_at.is_some() {
            marks.push((step.at, step.rung.label().to_lowercase()));
        }
    }
    let handed = timeline.iter().filter(|entry| entry.kind == "escalated");
    marks.extend(handed.map(|entry| (entry.at, "handed over".to_owned())));
    marks.extend(incident.resolved_at.map(|at| (at, "resolved".to_owned())));
    marks
}

/// What goes with an act.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ActForm {
    text: String,
    reason: String,
    /// The incident it is merged into.
    into: String,
    /// It may be at another site.
    across: String,
    /// A fault of safety was looked at, and it is safe.
    safe: String,
    /// The step that is decided about: its number and its rung.
    step: Option<u32>,
    rung: String,
    /// What the page showed.
    owner: Option<String>,
    severity: Option<u8>,
    recovered: Option<bool>,
    steps: Option<u32>,
    parent: Option<String>,
    /// The page to go back to; the incident's own when empty.
    to: String,
}

impl ActForm {
    /// The step that is decided about.
    fn asked(&self) -> Option<StepAsked> {
        Some(StepAsked { number: self.step?, rung: Rung::from_name(&self.rung)? })
    }

    /// What the page showed.
    fn seen(&self) -> Seen {
        Seen {
            owner: self.owner.clone(),
            severity: self.severity,
            recovered: self.recovered,
            steps: self.steps,
            parent: self.parent.as_deref().map(|id| id.parse().unwrap_or_default()),
        }
    }
}

async fn act(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path((id, action)): Path<(String, String)>,
    Form(form): Form<ActForm>,
) -> Result<Response, PageError> {
    let incident = number(&id)?;
    let own = format!("/incidents/{incident}");
    let to = if form.to.is_empty() { &own } else { &form.to };
    if action == "lift-pause" {
        if !viewer.is_admin() {
            return Err(PageError::forbidden(
                "Only an administrator lifts the pause of a firmware.",
            ));
        }
        let lifted = state.handle().lift_rollout(incident, &viewer.name).await;
        let words = format!("{incident} holds no update back any more.");
        return Ok(answered(to, lifted.map(|()| words)));
    }
    let result = carry_out(state.handle(), incident, &action, &form, viewer.name).await?;
    Ok(back(to, result))
}

/// Merges or splits, where that is asked for.
async fn tie(
    handle: &Handle,
    incident: IncidentId,
    action: &str,
    form: &ActForm,
    user: &str,
) -> Result<Option<Result<String, String>>, PageError> {
    let done = match action {
        "merge" => {
            let text = form.into.trim();
            let Ok(into) = text.parse::<IncidentId>() else {
                let why = match text {
                    "" => {
                        "Write the number of the incident it is part of, as in INC-12.".to_owned()
                    }
                    text => {
                        format!("\u{201c}{text}\u{201d} is no number of an incident, as INC-12 is.")
                    }
                };
                return Ok(Some(Err(why)));
            };
            handle
                .merge(incident, into, !form.across.is_empty(), user)
                .await
                .map(|()| format!("{incident} is part of {into} now."))
        }
        "split" => handle
            .split(incident, form.seen(), user)
            .await
            .map(|()| format!("{incident} stands by itself again.")),
        _ => return Ok(None),
    };
    Ok(Some(done.map_err(|error| error.to_string())))
}

/// Does it, and says what was done or why not.
async fn carry_out(
    handle: &Handle,
    incident: IncidentId,
    action: &str,
    form: &ActForm,
    user: String,
) -> Result<Result<String, String>, PageError> {
    if action == "escalate" {
        let handed = handle.hand_over(incident, &user).await;
        return Ok(handed
            .map(|ticket| format!("{incident} is handed over with {}.", ticket.id))
            .map_err(|error| error.to_string()));
    }
    if let Some(done) = tie(handle, incident, action, form, &user).await? {
        handle.settle_incident(incident).await;
        return Ok(done);
    }
    let text = form.text.trim().to_owned();
    let (request, done) = match action {
        "take" => (Request::Take { incident, user }, "is yours."),
        "release" => (Request::Release { incident, user }, "is free for others."),
        "note" => (Request::Note { incident, user, text }, "has your note."),
        "resolve" => {
            let reason = form.reason.trim().to_owned();
            let safe = !form.safe.is_empty();
            (Request::Resolve { incident, user, reason, safe }, "is resolved.")
        }
        "stop-healing" => (Request::StopHealing { incident, user }, "is not healed any more."),
        "run-playbook" => (Request::RunPlaybook { incident, user }, "is being healed."),
        "approve" | "refuse" => {
            let Some(step) = form.asked() else {
                let why = "Open the incident anew: the step that waits for approval stands there.";
                return Ok(Err(why.to_owned()));
            };
            if action == "approve" {
                (Request::Approve { incident, step, user }, "goes on with the approved step.")
            } else {
                (Request::Refuse { incident, step, user }, "goes on without the refused step.")
            }
        }
        "snooze" => {
            let until = handle.now() + SNOOZE_MS;
            (Request::Snooze { incident, user, until }, "is put off for an hour.")
        }
        other => {
            return Err(PageError::not_found(format!("Nothing here is called {other:?}.")));
        }
    };
    let request = Request::IfSeen { seen: form.seen(), request: Box::new(request) };
    let result = handle.request(request).await;
    handle.settle_incident(incident).await;
    Ok(result.map(|_| format!("{incident} {done}")).map_err(|error| error.to_string()))
}

#[cfg(test)]
mod tests;
