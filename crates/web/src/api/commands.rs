//! Commands to a charger: asked for, looked up, taken back.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mendpoint_model::{CommandId, CommandOutcome, Origin, Protocol, UnixMs};
use mendpoint_pipeline::{Asked, WAIT_MAX_MS};
use mendpoint_store::CommandRow;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::auth::{Caller, Operator};
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{Body, Params, Path, cursor, limit};
use super::json::Page;
use super::neutral;
use crate::AppState;
use crate::commands::{Stage, asker, check, on_the_wire, protocol_of, raw};
use crate::orders::limits::check_size;

/// A command of the charger's own OCPP version.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// Any action of the charger's OCPP version, `Reset` for instance.
    action: String,
    /// Its payload, an object.
    #[schema(value_type = Object)]
    payload: Option<Box<RawValue>>,
    /// How many seconds it may wait for a charger that is not connected; it is checked again when
    /// the charger is back. Not at all when left out.
    wait_s: Option<u64>,
    /// Send the payload even when it is not as the version says.
    #[serde(default)]
    unchecked: bool,
}

/// Which of the two forms a body has.
#[derive(Deserialize)]
struct Head {
    action: Option<serde::de::IgnoredAny>,
    command: Option<String>,
}

/// A command and what became of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct CommandJson {
    /// Its id: the OCPP message id.
    id: String,
    /// The OCPP action, in the words of the charger's version.
    action: String,
    /// `answered`, `refused`, `timed_out`, `not_connected`, `expired`, `queue_full`, `unsupported` or
    /// `dropped`;
    /// `waiting` while it waits for its charger.
    outcome: &'static str,
    /// Whether the charger said yes.
    accepted: bool,
    /// The charger's own status word, its error code, or why there is no answer.
    status: String,
    /// The charger's own answer.
    #[schema(value_type = Object)]
    payload: Option<Box<RawValue>>,
    /// More about a refusal.
    description: Option<String>,
    /// From the request to the outcome.
    took_ms: Option<i64>,
    /// Until when it waits for its charger.
    waits_until: Option<String>,
}

impl CommandJson {
    pub(crate) fn new(
        caller: &Caller,
        id: String,
        action: String,
        outcome: &CommandOutcome,
    ) -> Self {
        let (kind, description) = match outcome {
            CommandOutcome::Answered { .. } => ("answered", None),
            CommandOutcome::Refused { description, .. } => ("refused", Some(description.clone())),
            CommandOutcome::TimedOut => ("timed_out", None),
            CommandOutcome::NotConnected => ("not_connected", None),
            CommandOutcome::Expired => ("expired", None),
            CommandOutcome::QueueFull => ("queue_full", None),
            CommandOutcome::Unsupported(why) => ("unsupported", Some(why.clone())),
            CommandOutcome::Dropped(why) => ("dropped", Some(why.clone())),
        };
        let payload = match outcome {
            CommandOutcome::Answered { payload, .. } => {
                RawValue::from_string(caller.message(payload)).ok()
            }
            _ => None,
        };
        Self {
            id,
            action,
            outcome: kind,
            accepted: outcome.is_accepted(),
            status: outcome.summary().to_owned(),
            payload,
            description,
            took_ms: None,
            waits_until: None,
        }
    }

    fn waiting(id: String, action: String, until: UnixMs) -> Self {
        Self {
            id,
            action,
            outcome: "waiting",
            accepted: false,
            status: "Waiting".to_owned(),
            payload: None,
            description: Some(
                "the charger is not connected; it is sent when it is back".to_owned(),
            ),
            took_ms: None,
            waits_until: Some(until.rfc3339()),
        }
    }
}

/// A command in the history of a charger.
#[derive(Serialize, ToSchema)]
pub(super) struct CommandItem {
    /// Its id: the OCPP message id.
    id: String,
    /// The OCPP action, in the words of the charger's version.
    action: String,
    /// The payload that was sent or is going to be.
    #[schema(value_type = Object)]
    request: Option<Box<RawValue>>,
    /// The name of the person or of the token, the incident, or `Mendpoint`.
    by: String,
    /// `person`, `token`, `engine` or `upkeep`.
    by_kind: &'static str,
    /// `waiting`, `queued`, `sent` or `over`.
    stage: &'static str,
    asked_at: String,
    /// When it was put on the wire.
    sent_at: Option<String>,
    /// When the outcome was known.
    answered_at: Option<String>,
    /// Until when it may wait for a charger that is not connected.
    waits_until: Option<String>,
    /// Whether the answer came after the time-out had been told.
    late: bool,
    outcome: Option<CommandJson>,
}

impl CommandItem {
    fn new(caller: &Caller, protocol: Protocol, row: &CommandRow) -> Self {
        let command = &row.command;
        let (action, request) = on_the_wire(protocol, &command.action);
        let (by_kind, by) = asker(&command.origin);
        let outcome = row.outcome.as_ref().map(|outcome| {
            let mut json =
                CommandJson::new(caller, command.id.to_string(), action.clone(), outcome);
            json.took_ms = row.answered_at.map(|at| at.since_ms(command.created_at));
            json
        });
        Self {
            id: command.id.to_string(),
            action,
            request: RawValue::from_string(caller.message(&request)).ok(),
            by,
            by_kind,
            stage: Stage::of(row).name(),
            asked_at: command.created_at.rfc3339_ms(),
            sent_at: row.sent_at.map(UnixMs::rfc3339_ms),
            answered_at: row.answered_at.map(UnixMs::rfc3339_ms),
            waits_until: row.wait_until.map(UnixMs::rfc3339),
            late: row.late,
            outcome,
        }
    }
}

/// Sends a command and answers with the charger's own answer; or keeps it for a charger that is
/// away (202).
pub(super) async fn ask(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<Box<RawValue>>,
) -> Result<Response> {
    let record = find(&state, &id)?;
    let live = state.handle().charger(record.key).await;
    let protocol = protocol_of(live.as_deref());
    // A charger that never connected has no version yet: what is asked cannot be checked.
    let is_known = live.as_deref().is_some_and(|live| live.link.protocol.is_some());
    let text = body.get();
    let head: Head = neutral::read(text)?;
    let is_neutral = head.command.is_some();
    let mut is_unchecked = false;
    let (action, wait_s) = match (head.action, head.command) {
        (Some(_), None) => {
            let ask: Ask = neutral::read(text)?;
            let payload = ask.payload.as_ref().map_or("{}", |payload| payload.get());
            if !payload.trim_start().starts_with('{') {
                return Err(ApiError::bad_request("payload must be an object"));
            }
            is_unchecked = ask.unchecked;
            let action = if is_known {
                raw(protocol, &ask.action, payload, ask.unchecked).map_err(ApiError::bad_request)?
            } else {
                mendpoint_model::Action::Raw { action: ask.action, payload: payload.to_owned() }
            };
            (action, ask.wait_s)
        }
        (None, Some(command)) => {
            let open = live.as_deref().map_or(&[][..], |live| &live.transactions);
            neutral::action(&command, text, state.handle().now(), open)?
        }
        _ => {
            return Err(ApiError::bad_request(
                "send either `action` with `payload`, in the words of the charger's OCPP version, \
                 or `command`, which is the same for every version",
            ));
        }
    };
    if is_known {
        // Said at once, also when the charger is offline: it could never be sent.
        let sendable = if is_neutral {
            check(protocol, &action)
        } else {
            mendpoint_ocpp::encode_action(protocol, &action).map(drop)
        };
        sendable.map_err(ApiError::bad_request)?;
    }
    if let Some(live) = live.as_deref().filter(|_| !is_unchecked) {
        check_size(&state, live, protocol, &action).await?;
    }
    let (name, _) = on_the_wire(protocol, &action);
    let asked = Asked { action, by: Origin::Token(caller.name.clone()), wait_ms: wait_ms(wait_s)? };
    let taken = state.handle().submit(record.key, asked).await?;
    if let Some(until) = taken.waits_until {
        let answer = CommandJson::waiting(taken.id.to_string(), name, until);
        return Ok((StatusCode::ACCEPTED, Json(answer)).into_response());
    }
    let report = taken.outcome().await?;
    let mut answer = CommandJson::new(&caller, report.id.to_string(), name, &report.outcome);
    answer.took_ms = Some(report.took_ms);
    Ok(Json(answer).into_response())
}

fn wait_ms(wait_s: Option<u64>) -> Result<Option<i64>> {
    let longest_s = WAIT_MAX_MS / 1_000;
    match wait_s.map(i64::try_from) {
        None => Ok(None),
        Some(Ok(wait_s)) if (1..=longest_s).contains(&wait_s) => Ok(Some(wait_s * 1_000)),
        Some(_) => Err(ApiError::bad_request(format!(
            "wait_s is a number of seconds between 1 and {longest_s} (7 days)"
        ))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// The commands of a charger, newest first.
pub(super) async fn list(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<CommandItem>>> {
    let record = find(&state, &id)?;
    let limit = limit(query.limit)?;
    let cursor = cursor(query.cursor.as_deref())?;
    let (rows, next) = state.handle().store().commands(record.key, cursor, limit).await?;
    let live = state.handle().charger(record.key).await;
    let protocol = protocol_of(live.as_deref());
    let items = rows.iter().map(|row| CommandItem::new(&caller, protocol, row)).collect();
    Ok(Json(Page { items, next: next.map(|next| next.to_string()) }))
}

/// One command of a charger.
pub(super) async fn one(
    caller: Caller,
    State(state): State<AppState>,
    Path((id, command)): Path<(String, String)>,
) -> Result<Json<CommandItem>> {
    let record = find(&state, &id)?;
    let row = state.handle().store().command(&CommandId(command.as_str().into())).await?;
    let row = row
        .filter(|row| row.command.charger == record.key)
        .ok_or_else(|| ApiError::not_found(format!("{id} has no command {command:?}")))?;
    let live = state.handle().charger(record.key).await;
    Ok(Json(CommandItem::new(&caller, protocol_of(live.as_deref()), &row)))
}

/// Takes a command back that waits for its charger.
pub(super) async fn take_back(
    Operator(caller): Operator,
    state: State<AppState>,
    path: Path<(String, String)>,
) -> Result<Json<CommandItem>> {
    let (id, command) = path.0.clone();
    let _ = one(caller.clone(), state.clone(), path).await?;
    let record = find(&state, &id)?;
    let command = CommandId(command.as_str().into());
    state.handle().take_back(record.key, command.clone(), &caller.name).await?;
    one(caller, state, Path((id, command.to_string()))).await
}
