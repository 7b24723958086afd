//! One ticket: where it stands, what was said, what can be done, and what the charger itself shows.

mod conversation;
mod form;
mod steps;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use mendpoint_model::{Actor, Contact, DAY_MS, MINUTE_MS, Priority, TicketId, UnixMs};
use mendpoint_pipeline::Handle;
use mendpoint_store::{MailRow, MailState};
use mendpoint_tickets::{
    Clock, ClockState, CommandKind, Ticket, TicketEvent, TicketKind, WaitKind, available_commands,
};
use serde::Deserialize;

use self::conversation::Message;
use self::form::ActForm;
use self::steps::StepView;
use super::errors::{Page, PageError, back, render};
use crate::pages::extract::{Form, Query};
use crate::place::{ChargerNow, Moment};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;
use crate::{AppState, show, url};

/// Mail that is listed beside a ticket.
const MAILS: u32 = 20;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/tickets/{id}", get(page)).route("/tickets/{id}/{command}", post(act))
}

/// A clock of the service level as it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// "Respond by 14:27".
    pub(super) label: String,
    /// "3 h 50 left", "met 14:03".
    pub(super) state: String,
    /// How much of the time is spent.
    pub(super) percent: i64,
    /// Class: `run`, `soon`, `met`, `bad`, `still`.
    pub(super) tone: &'static str,
}

/// The clocks of a ticket.
pub(super) fn targets(ticket: &Ticket, now: UnixMs) -> Vec<Target> {
    vec![target("Respond", &ticket.respond, now), target("Repair", &ticket.repair, now)]
}

fn target(what: &str, clock: &Clock, now: UnixMs) -> Target {
    let run_ms = clock.running_since.map_or(0, |since| now.since_ms(since).max(0));
    let spent_ms = clock.spent_ms.saturating_add(run_ms);
    let percent = (spent_ms.saturating_mul(100) / clock.target_ms.max(1)).clamp(0, 100);
    let time = |at: UnixMs| day_time(now, at);
    match clock.state(now) {
        ClockState::Running { due_at } => Target {
            label: format!("{what} by {}", time(due_at)),
            state: format!("{} left", minutes(due_at.since_ms(now))),
            percent,
            tone: if percent >= 75 { "soon" } else { "run" },
        },
        ClockState::Paused { remaining_ms } => Target {
            label: what.to_owned(),
            state: format!("stands still, {} left", minutes(remaining_ms)),
            percent,
            tone: "still",
        },
        ClockState::Met { at } => Target {
            label: format!("{what} within {}", show::duration(clock.target_ms)),
            state: format!("met {}", time(at)),
            percent,
            tone: "met",
        },
        ClockState::Breached { at } => Target {
            label: format!("{what} by {}", time(at)),
            state: if clock.stopped_at.is_some() {
                "missed".to_owned()
            } else {
                format!("{} late", minutes(now.since_ms(at)))
            },
            percent: 100,
            tone: "bad",
        },
    }
}

/// A length of time to the minute, as promises are.
fn minutes(ms: i64) -> String {
    if ms < MINUTE_MS { "under 1 min".to_owned() } else { show::duration(ms) }
}

/// `14:27`, `tomorrow 04:11`, or with the date when it is further away.
fn day_time(now: UnixMs, at: UnixMs) -> String {
    let text = show::date_time(at);
    let time = text.get(11..).unwrap_or_default();
    match at.0.div_euclid(DAY_MS) - now.0.div_euclid(DAY_MS) {
        0 => time.to_owned(),
        1 => format!("tomorrow {time}"),
        -1 => format!("yesterday {time}"),
        _ => text,
    }
}

/// A button, or a small form behind one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CommandView {
    word: &'static str,
    label: &'static str,
    icon: &'static str,
    /// The letter of the keyboard; empty for none.
    key: &'static str,
    primary: bool,
}

impl CommandView {
    fn new(kind: CommandKind, ticket: &Ticket, primary: bool) -> Self {
        let (icon, key) = match kind {
            CommandKind::Assign => ("user-plus", "a"),
            CommandKind::Accept | CommandKind::Confirm => ("check", ""),
            CommandKind::StartTravel => ("navigation", ""),
            CommandKind::Arrive => ("map-pin", ""),
            CommandKind::Start => ("wrench", ""),
            CommandKind::Resolve => ("badge-check", "e"),
            CommandKind::Resume => ("play", ""),
            CommandKind::Wait => ("pause", ""),
            CommandKind::Reopen => ("rotate-ccw", ""),
            CommandKind::AskProgress => ("send", ""),
            CommandKind::Unassign => ("undo-2", ""),
            _ => ("x", ""),
        };
        let label = match kind {
            CommandKind::Assign if ticket.assignee.is_some() => "Reassign",
            kind => kind.label(),
        };
        Self { word: kind.name(), label, icon, key, primary }
    }
}

/// The way forward first and marked; then what is often needed; the rest in a menu.
fn commands(ticket: &Ticket) -> (Vec<CommandView>, Vec<CommandView>) {
    let possible = available_commands(ticket);
    let forward = [
        CommandKind::Accept,
        CommandKind::Resume,
        CommandKind::StartTravel,
        CommandKind::Arrive,
        CommandKind::Start,
        CommandKind::Resolve,
        CommandKind::Confirm,
        CommandKind::Assign,
    ];
    let first = forward.into_iter().find(|kind| possible.contains(kind));
    let often = [
        CommandKind::AskProgress,
        CommandKind::Wait,
        CommandKind::Resolve,
        CommandKind::Assign,
        CommandKind::Reopen,
    ];
    let beside = often.into_iter().filter(|kind| possible.contains(kind) && Some(*kind) != first);
    let shown: Vec<CommandView> = beside
        .chain(first)
        .map(|kind| CommandView::new(kind, ticket, Some(kind) == first))
        .collect();
    let rest = possible
        .into_iter()
        .filter(|kind| *kind != CommandKind::Note && Some(*kind) != first && !often.contains(kind))
        .map(|kind| CommandView::new(kind, ticket, false))
        .collect();
    (shown, rest)
}

/// Who has a ticket.
#[derive(Clone, Debug, Default)]
struct Assignee {
    name: String,
    initials: String,
    email: String,
    mailto: String,
    phone: String,
    tel: String,
    eta: Option<Moment>,
}

impl Assignee {
    fn new(contact: &Contact, eta: Option<Moment>) -> Self {
        let digits: String =
            contact.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        Self {
            name: if contact.name.is_empty() {
                contact.email.clone()
            } else {
                contact.name.clone()
            },
            initials: conversation::initials(&contact.name),
            email: contact.email.clone(),
            mailto: format!("mailto:{}", url::encode(&contact.email)),
            phone: contact.phone.clone(),
            tel: format!("tel:{digits}"),
            eta,
        }
    }
}

/// A mail about a ticket.
#[derive(Clone, Debug)]
struct MailView {
    at: Moment,
    subject: String,
    recipient: String,
    state: &'static str,
    token: &'static str,
}

impl MailView {
    fn new(row: &MailRow, now: UnixMs) -> Self {
        let (state, token) = match row.state {
            MailState::Sent => ("sent", "ok"),
            MailState::Queued => ("on its way", "busy"),
            MailState::Held => ("held, no mail server", "warn"),
            MailState::Failed => ("failed", "fault"),
        };
        Self {
            at: Moment::new(now, row.sent_at.unwrap_or(row.created_at)),
            subject: row.mail.subject.clone(),
            recipient: row.mail.recipient.clone(),
            state,
            token,
        }
    }
}

/// Everything the page shows.
#[derive(Clone, Debug)]
struct View {
    id: String,
    href: String,
    priority: Priority,
    title: String,
    status: &'static str,
    over: bool,
    waiting: String,
    incident: String,
    opened: Moment,
    requester: String,
    steps: Vec<StepView>,
    description: String,
    tried: Vec<String>,
    messages: Vec<Message>,
    can_act: bool,
    can_note: bool,
    commands: Vec<CommandView>,
    more: Vec<CommandView>,
    /// What the form of assigning begins with.
    suggested: Contact,
    waits: Vec<WaitKind>,
    targets: Vec<Target>,
    assignee: Option<Assignee>,
    charger: ChargerNow,
    /// What must happen before it can close.
    closes_when: &'static str,
    evidence: String,
    recovered: Option<Moment>,
    proven: Option<Moment>,
    resolution: Vec<(&'static str, String)>,
    mails: Vec<MailView>,
}

impl View {
    /// The identity of the set of buttons, so that a page in use waits when it changes.
    fn key(&self) -> String {
        self.commands.iter().chain(&self.more).map(|command| command.word).collect()
    }
}

#[derive(Template)]
#[template(path = "ticket.html")]
struct TicketPage {
    shell: Shell,
    view: View,
}

#[derive(Template)]
#[template(path = "ticket.html", block = "ticket")]
struct TicketFragment {
    view: View,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    fragment: String,
    done: Option<String>,
    error: Option<String>,
}

/// Reads a ticket's number from an address.
fn number(id: &str) -> Result<TicketId, PageError> {
    id.parse().map_err(|_| PageError::not_found(format!("{id:?} is not a ticket's number.")))
}

async fn page(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Page {
    let handle = state.handle();
    let (ticket, events) = handle.ticket_with_events(number(&id)?).await?;
    let charger = ChargerNow::look(handle, ticket.charger, ticket.site).await;
    let (mails, _) = handle.store().mails(None, Some(ticket.id), None, MAILS).await?;
    let mut view = View::new(&ticket, &events, charger, &mails, handle.now());
    view.can_act = viewer.can_act();
    view.suggested = suggested(handle, &ticket);
    if asked.fragment == "ticket" {
        return render(TicketFragment { view });
    }
    let title = format!("{} {}", view.id, view.title);
    let shell = Shell::new(&state, &viewer, "tickets", title).await;
    render(TicketPage { shell: shell.with_messages(asked.done, asked.error), view })
}

/// Who is asked if nobody else is: whoever has it, else the installer bound to the site.
fn suggested(handle: &Handle, ticket: &Ticket) -> Contact {
    let installer = || handle.directory().site(ticket.site)?.installer.clone();
    ticket.assignee.clone().or_else(installer).unwrap_or_default()
}

impl View {
    fn new(
        ticket: &Ticket,
        events: &[TicketEvent],
        charger: ChargerNow,
        mails: &[MailRow],
        now: UnixMs,
    ) -> Self {
        let (shown, more) = commands(ticket);
        let moment = |at: UnixMs| Moment::new(now, at);
        let resolution = [
            ("Cause", &ticket.cause),
            ("Action", &ticket.action),
            ("In words", &ticket.resolution),
        ];
        Self {
            id: ticket.id.to_string(),
            href: format!("/tickets/{}", ticket.id),
            priority: ticket.priority,
            title: ticket.title.clone(),
            status: ticket.status.label(),
            over: ticket.status.is_over(),
            waiting: ticket.waiting_reason.clone(),
            incident: ticket.incident.map(|id| id.to_string()).unwrap_or_default(),
            opened: moment(ticket.opened_at),
            requester: if ticket.requester == "system" {
                "the engine".to_owned()
            } else {
                ticket.requester.clone()
            },
            steps: steps::steps(ticket, events, now),
            description: ticket.description.clone(),
            tried: ticket.tried.clone(),
            messages: events.iter().map(|event| Message::new(event, now)).collect(),
            can_act: false,
            can_note: available_commands(ticket).contains(&CommandKind::Note),
            commands: shown,
            more,
            suggested: Contact::default(),
            waits: WaitKind::ALL.to_vec(),
            targets: targets(ticket, now),
            assignee: ticket
                .assignee
                .as_ref()
                .map(|contact| Assignee::new(contact, ticket.eta.map(moment))),
            charger,
            closes_when: match ticket.kind {
                _ if ticket.status.is_over() => "",
                TicketKind::Incident => {
                    "A technician's word is not enough: the ticket closes when the charger itself \
                     shows that it works again."
                }
                TicketKind::ServiceRequest => {
                    "A person closes this one: no fault of the charger is behind it."
                }
            },
            evidence: ticket.evidence.clone(),
            recovered: ticket.recovered_at.map(moment),
            proven: ticket.proven_at.map(moment),
            resolution: resolution
                .into_iter()
                .filter(|(_, text)| !text.is_empty())
                .map(|(name, text)| (name, text.clone()))
                .collect(),
            mails: mails.iter().map(|row| MailView::new(row, now)).collect(),
        }
    }
}

async fn act(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path((id, word)): Path<(String, String)>,
    Form(form): Form<ActForm>,
) -> Result<Response, PageError> {
    let handle = state.handle();
    let id = number(&id)?;
    let own = format!("/tickets/{id}");
    let to = if form.to.is_empty() { &own } else { &form.to };
    let eta = form.minutes().map(|minutes| (handle.now() + minutes * MINUTE_MS).rfc3339());
    let result = match crate::api::tickets::command_of(&word, &form.view(eta.as_deref())) {
        Err(why) => Err(why),
        Ok(command) => handle
            .ticket(id, command, Actor::User(viewer.name))
            .await
            .map(|ticket| format!("{id}: {}.", ticket.status.label().to_lowercase()))
            .map_err(|error| error.to_string()),
    };
    Ok(back(to, result))
}

#[cfg(test)]
mod tests;
