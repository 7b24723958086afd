//! Tickets: lists, one with its history, and everything that is done with them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mendpoint_model::{Actor, Contact, TicketId, UnixMs};
use mendpoint_pipeline::Directory;
use mendpoint_store::{TicketFilter, TicketOrder};
use mendpoint_tickets::{
    CommandKind, Ticket, TicketCommand, TicketEvent, Visibility, WaitKind, available_commands,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Caller, Operator};
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{Body, MaybeBody, Params, Path, cursor, limit};
use super::json::{Page, time};
use crate::AppState;

/// A ticket.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TicketJson {
    /// `T-1882`.
    id: String,
    /// `new`, `assigned`, `accepted`, `en_route`, `on_site`, `in_progress`, `waiting`, `resolved`,
    /// `verifying`, `closed` or `cancelled`.
    status: &'static str,
    priority: &'static str,
    kind: &'static str,
    title: String,
    description: String,
    tried: Vec<String>,
    incident: Option<String>,
    /// OCPP identity.
    charger: String,
    site: String,
    connector: String,
    assignee: Option<String>,
    assignee_email: Option<String>,
    requester: String,
    opened_at: String,
    updated_at: String,
    accepted_at: Option<String>,
    on_site_at: Option<String>,
    resolved_at: Option<String>,
    closed_at: Option<String>,
    respond_by: Option<String>,
    repair_by: Option<String>,
    reopen_count: u32,
    cause: String,
    action: String,
    resolution: String,
    /// What the charger itself showed last.
    evidence: String,
    recovered_at: Option<String>,
    proven_at: Option<String>,
    /// What can be done with it now: `POST /api/v1/tickets/{id}/{command}`.
    commands: Vec<&'static str>,
    /// What happened, oldest first. Only on the ticket's own page.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<EventJson>>,
}

/// A line of a ticket's history.
#[derive(Debug, Serialize, ToSchema)]
struct EventJson {
    seq: u32,
    at: String,
    actor: String,
    kind: &'static str,
    title: String,
    text: String,
    /// `internal` or `customer`.
    visibility: &'static str,
}

impl TicketJson {
    fn new(ticket: &Ticket, directory: &Directory) -> Self {
        Self {
            id: ticket.id.to_string(),
            status: ticket.status.name(),
            priority: ticket.priority.name(),
            kind: ticket.kind.name(),
            title: ticket.title.clone(),
            description: ticket.description.clone(),
            tried: ticket.tried.clone(),
            incident: ticket.incident.map(|id| id.to_string()),
            charger: directory
                .charger(ticket.charger)
                .map(|charger| charger.identity.to_string())
                .unwrap_or_default(),
            site: directory.site(ticket.site).map(|site| site.name.clone()).unwrap_or_default(),
            connector: ticket.connector.to_string(),
            assignee: ticket.assignee.as_ref().map(|assignee| assignee.name.clone()),
            assignee_email: ticket.assignee.as_ref().map(|assignee| assignee.email.clone()),
            requester: ticket.requester.clone(),
            opened_at: ticket.opened_at.rfc3339_ms(),
            updated_at: ticket.updated_at.rfc3339_ms(),
            accepted_at: time(ticket.accepted_at),
            on_site_at: time(ticket.on_site_at),
            resolved_at: time(ticket.resolved_at),
            closed_at: time(ticket.closed_at),
            respond_by: time(ticket.respond_by()),
            repair_by: time(ticket.repair_by()),
            reopen_count: ticket.reopen_count,
            cause: ticket.cause.clone(),
            action: ticket.action.clone(),
            resolution: ticket.resolution.clone(),
            evidence: ticket.evidence.clone(),
            recovered_at: time(ticket.recovered_at),
            proven_at: time(ticket.proven_at),
            commands: available_commands(ticket).into_iter().map(CommandKind::name).collect(),
            history: None,
        }
    }

    fn with_history(mut self, events: &[TicketEvent]) -> Self {
        let line = |event: &TicketEvent| EventJson {
            seq: event.seq,
            at: event.at.rfc3339_ms(),
            actor: match &event.actor {
                Actor::Engine => "engine".to_owned(),
                Actor::Charger => "charger".to_owned(),
                Actor::User(name) => name.clone(),
            },
            kind: event.kind.name(),
            title: event.kind.title(),
            text: event.kind.text(),
            visibility: event.visibility.name(),
        };
        self.history = Some(events.iter().map(line).collect());
        self
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// One status or several with commas; `active` for all that are not over.
    status: Option<String>,
    charger: Option<String>,
    assignee: Option<String>,
    q: Option<String>,
    /// `newest`, or `due` for what is due soonest of what is not over.
    order: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn list(
    _: Caller,
    State(state): State<AppState>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<TicketJson>>> {
    let handle = state.handle();
    let order = match query.order.as_deref() {
        None | Some("newest") => TicketOrder::Newest,
        Some("due") => TicketOrder::Due,
        Some(word) => {
            return Err(ApiError::bad_request(format!("order is newest or due, not {word:?}")));
        }
    };
    let statuses = match query.status.as_deref() {
        None if order == TicketOrder::Due => crate::tickets::active(),
        None => Vec::new(),
        Some(words) => crate::tickets::statuses_of(words).map_err(ApiError::bad_request)?,
    };
    let filter = TicketFilter {
        statuses,
        charger: match &query.charger {
            Some(id) => Some(find(&state, id)?.key),
            None => None,
        },
        assignee: query.assignee,
        text: query.q,
        order,
        ..TicketFilter::default()
    };
    let from = cursor(query.cursor.as_deref())?;
    let (rows, next) = handle.store().tickets(&filter, from, limit(query.limit)?).await?;
    let items = rows
        .iter()
        .filter_map(|row| serde_json::from_str::<Ticket>(&row.json).ok())
        .map(|ticket| TicketJson::new(&ticket, handle.directory()))
        .collect();
    Ok(Json(Page { items, next: next.map(|next| next.to_string()) }))
}

fn number(id: &str) -> Result<TicketId> {
    id.parse().map_err(|_| ApiError::not_found(format!("{id:?} is not a ticket's number")))
}

async fn detail(state: &AppState, id: TicketId) -> Result<Json<TicketJson>> {
    let (ticket, events) = state.handle().ticket_with_events(id).await?;
    Ok(Json(TicketJson::new(&ticket, state.handle().directory()).with_history(&events)))
}

pub(super) async fn one(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<TicketJson>> {
    detail(&state, number(&id)?).await
}

/// A ticket to be opened by hand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Open {
    /// OCPP identity.
    charger: String,
    /// What is wrong, in a line.
    title: String,
    #[serde(default)]
    description: String,
}

pub(super) async fn open(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<Open>,
) -> Result<(StatusCode, Json<TicketJson>)> {
    let charger = find(&state, &body.charger)?.key;
    let ticket =
        state.handle().open_ticket(charger, body.title, body.description, &caller.name).await?;
    Ok((StatusCode::CREATED, detail(&state, ticket.id).await?))
}

/// What goes with a command.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = TicketAct)]
pub(super) struct ActBody {
    /// For `note` and `resolve`.
    text: String,
    /// For `note`: `internal` (when left out) or `customer`.
    visibility: Option<String>,
    /// For `decline`, `wait`, `reopen` and `cancel`.
    reason: String,
    /// For `wait`: `customer`, `access`, `parts`, `third_party` or `scheduled`.
    kind: Option<String>,
    /// For `resolve`: what was wrong.
    cause: String,
    /// For `resolve`: what was done.
    action: String,
    /// For `start_travel`: when they expect to arrive, RFC 3339.
    eta: Option<String>,
    /// For `assign`.
    name: String,
    /// For `assign`.
    email: String,
    /// For `assign`.
    phone: String,
    /// Who does it; the token's name when left out.
    user: Option<String>,
}

/// The command of a word, with what goes with it.
pub(crate) fn command_of(
    word: &str,
    body: &ActBodyView<'_>,
) -> std::result::Result<TicketCommand, String> {
    let kind = CommandKind::from_name(word).ok_or_else(|| {
        let known: Vec<_> = CommandKind::FOR_PEOPLE.iter().map(|kind| kind.name()).collect();
        format!("the commands are {}, not {word:?}", known.join(", "))
    })?;
    let text = |text: &str| text.trim().to_owned();
    Ok(match kind {
        CommandKind::Assign => TicketCommand::Assign {
            assignee: Contact {
                name: text(body.name),
                email: text(body.email),
                phone: text(body.phone),
            },
            user: None,
        },
        CommandKind::Unassign => TicketCommand::Unassign,
        CommandKind::Accept => TicketCommand::Accept,
        CommandKind::Decline => TicketCommand::Decline { reason: text(body.reason) },
        CommandKind::StartTravel => TicketCommand::StartTravel {
            eta: match body.eta {
                None | Some("") => None,
                Some(eta) => Some(UnixMs::parse_rfc3339(eta).ok_or("eta is RFC 3339 with a zone")?),
            },
        },
        CommandKind::Arrive => TicketCommand::Arrive,
        CommandKind::Start => TicketCommand::Start,
        CommandKind::Wait => TicketCommand::Wait {
            kind: body
                .kind
                .and_then(WaitKind::from_name)
                .ok_or("kind is customer, access, parts, third_party or scheduled")?,
            reason: text(body.reason),
        },
        CommandKind::Resume => TicketCommand::Resume,
        CommandKind::Note => TicketCommand::Note {
            text: text(body.text),
            visibility: match body.visibility {
                None => Visibility::Internal,
                Some(word) => Visibility::from_name(word)
                    .ok_or_else(|| format!("visibility is internal or customer, not {word:?}"))?,
            },
        },
        CommandKind::Resolve => TicketCommand::Resolve {
            cause: text(body.cause),
            action: text(body.action),
            text: text(body.text),
        },
        CommandKind::Confirm => TicketCommand::Confirm,
        CommandKind::Reopen => TicketCommand::Reopen { reason: text(body.reason) },
        CommandKind::Cancel => TicketCommand::Cancel { reason: text(body.reason) },
        CommandKind::AskProgress => TicketCommand::AskProgress,
        CommandKind::Open | CommandKind::Evidence => {
            return Err("only the program itself does that".to_owned());
        }
    })
}

/// What goes with a command, from a form or from JSON.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ActBodyView<'a> {
    pub(crate) text: &'a str,
    pub(crate) visibility: Option<&'a str>,
    pub(crate) reason: &'a str,
    pub(crate) kind: Option<&'a str>,
    pub(crate) cause: &'a str,
    pub(crate) action: &'a str,
    pub(crate) eta: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) phone: &'a str,
}

pub(super) async fn act(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path((id, word)): Path<(String, String)>,
    MaybeBody(body): MaybeBody<ActBody>,
) -> Result<Json<TicketJson>> {
    let id = number(&id)?;
    let view = ActBodyView {
        text: &body.text,
        visibility: body.visibility.as_deref(),
        reason: &body.reason,
        kind: body.kind.as_deref(),
        cause: &body.cause,
        action: &body.action,
        eta: body.eta.as_deref(),
        name: &body.name,
        email: &body.email,
        phone: &body.phone,
    };
    let command = command_of(&word, &view).map_err(ApiError::bad_request)?;
    let user = body.user.unwrap_or(caller.name);
    state.handle().ticket(id, command, Actor::User(user)).await?;
    detail(&state, id).await
}
