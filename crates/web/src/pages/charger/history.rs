//! The commands of a charger as its page shows them: the newest ones, and one with its answer.

use askama::Template;
use mendpoint_model::{Action, ChargerKey, CommandId, CommandOutcome, Origin, Protocol, UnixMs};
use mendpoint_store::CommandRow;

use crate::AppState;
use crate::commands::{Stage, asker, on_the_wire, pretty, took, words};
use crate::place::Moment;
use crate::session::Viewer;

/// Commands that are shown.
const COMMANDS: u32 = 15;

/// A command as it is shown.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) action: String,
    /// What exactly was asked: the connector, the kind of reset.
    pub(super) detail: String,
    pub(super) by: String,
    /// "person", "token", "engine" or "upkeep".
    pub(super) by_kind: &'static str,
    /// The page of the incident that asked.
    pub(super) by_href: String,
    pub(super) asked: Moment,
    pub(super) sent: Option<Moment>,
    pub(super) answered: Option<Moment>,
    /// Until when it waits for its charger.
    pub(super) waits_until: Option<Moment>,
    pub(super) is_waiting: bool,
    /// The charger's status word, or why there is none.
    pub(super) summary: String,
    /// `ok`, `fault`, `warn`, or `maint` while it is under way.
    pub(super) token: &'static str,
    /// What the answer means, in plain words.
    pub(super) meaning: String,
    /// From the wire to the answer.
    pub(super) took: String,
    /// The request's payload, indented.
    pub(super) request: String,
    /// The answer's payload, indented.
    pub(super) payload: String,
    pub(super) late: bool,
}

impl Told {
    pub(super) fn new(viewer: &Viewer, now: UnixMs, protocol: Protocol, row: &CommandRow) -> Self {
        let command = &row.command;
        let (by_kind, by) = asker(&command.origin);
        let by_href = match &command.origin {
            Origin::Engine(incident) => format!("/incidents/{incident}"),
            _ => String::new(),
        };
        let (action, request) = on_the_wire(protocol, &command.action);
        let shown = match &command.action {
            Action::Raw { action, payload } => {
                Action::Raw { action: action.clone(), payload: viewer.message(payload) }
            }
            other => other.clone(),
        };
        let stage = Stage::of(row);
        let (summary, token) = match &row.outcome {
            Some(outcome) => (outcome.summary().to_owned(), token_of(outcome)),
            None => (under_way(stage).to_owned(), "maint"),
        };
        let from = row.sent_at.unwrap_or(command.created_at);
        Self {
            id: command.id.to_string(),
            action,
            detail: detail(&shown),
            by,
            by_kind,
            by_href,
            asked: Moment::new(now, command.created_at),
            sent: row.sent_at.map(|at| Moment::new(now, at)),
            answered: row.answered_at.map(|at| Moment::new(now, at)),
            waits_until: row.wait_until.map(|at| Moment::new(now, at)),
            is_waiting: stage == Stage::Waiting,
            summary,
            token,
            meaning: row.outcome.as_ref().map_or_else(|| hope(stage).to_owned(), words),
            took: row.answered_at.map(|at| took(from, at)).unwrap_or_default(),
            request: pretty(&viewer.message(&request)),
            payload: row.outcome.as_ref().map(|one| payload(viewer, one)).unwrap_or_default(),
            late: row.late,
        }
    }
}

fn under_way(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => "Waits for the charger",
        Stage::Queued => "In the queue",
        Stage::Sent | Stage::Over => "Waiting for the answer",
    }
}

/// What to expect of a command that is not over.
fn hope(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => {
            "The charger is not connected. When it is back, this is checked again and sent if it \
             still makes sense."
        }
        Stage::Queued => "It is sent as soon as the charger has answered what was asked before.",
        Stage::Sent | Stage::Over => "The answer appears here when it comes.",
    }
}

fn token_of(outcome: &CommandOutcome) -> &'static str {
    match outcome {
        CommandOutcome::Answered { accepted: true, .. } => "ok",
        CommandOutcome::Answered { .. } | CommandOutcome::Refused { .. } => "fault",
        CommandOutcome::NotConnected => "offline",
        CommandOutcome::TimedOut
        | CommandOutcome::Expired
        | CommandOutcome::QueueFull
        | CommandOutcome::Unsupported(_)
        | CommandOutcome::Dropped(_) => "warn",
    }
}

fn payload(viewer: &Viewer, outcome: &CommandOutcome) -> String {
    match outcome {
        CommandOutcome::Answered { payload, .. } => pretty(&viewer.message(payload)),
        _ => String::new(),
    }
}

/// The most characters of a payload in a list of commands: a list of cards has 17,000.
const DETAIL_MAX: usize = 300;

/// What exactly is asked, in a few words.
pub(super) fn detail(action: &Action) -> String {
    match action {
        Action::Trigger { message, connector } => match connector {
            Some(connector) => format!("{} of connector {connector}", message.name()),
            None => message.name().to_owned(),
        },
        Action::Unlock { connector } => format!("connector {connector}"),
        Action::SetAvailability { connector, operative } => {
            let way = if *operative { "on" } else { "off" };
            if connector.is_charger() {
                format!("whole charger {way}")
            } else {
                format!("connector {connector} {way}")
            }
        }
        Action::Reset { hard, evse } => {
            let kind = if *hard { "hard" } else { "soft" };
            evse.map_or_else(|| kind.to_owned(), |evse| format!("{kind}, EVSE {evse}"))
        }
        Action::RemoteStart { connector, .. } => {
            connector.map(|connector| format!("connector {connector}")).unwrap_or_default()
        }
        Action::RemoteStop { transaction, .. } => format!("session {transaction}"),
        Action::GetConfiguration { keys } if keys.is_empty() => "everything".to_owned(),
        Action::GetConfiguration { keys } => keys.join(", "),
        Action::GetLog(request) if request.security => "security log".to_owned(),
        Action::GetLog(_) => "diagnostics".to_owned(),
        Action::UpdateFirmware(request) => request.location.clone(),
        Action::ClearCache => String::new(),
        Action::Raw { payload, .. } if payload.trim() == "{}" => String::new(),
        Action::Raw { payload, .. } => beginning(payload),
    }
}

/// The first letters of what may be long; all of it stands with the command itself.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(DETAIL_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The commands, newest first.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// The charger's page.
    pub(super) home: String,
    pub(super) commands: Vec<Told>,
    pub(super) can_act: bool,
}

#[derive(Template)]
#[template(path = "charger_history.html")]
pub(super) struct HistoryFragment {
    pub(super) history: History,
}

impl History {
    pub(super) fn new(
        viewer: &Viewer,
        now: UnixMs,
        protocol: Protocol,
        home: String,
        rows: &[CommandRow],
    ) -> Self {
        let commands = rows.iter().map(|row| Told::new(viewer, now, protocol, row)).collect();
        Self { home, commands, can_act: viewer.can_act() }
    }
}

/// The rows that are shown.
pub(super) async fn rows(
    state: &AppState,
    charger: ChargerKey,
) -> Result<Vec<CommandRow>, mendpoint_store::Error> {
    Ok(state.handle().store().commands(charger, None, COMMANDS).await?.0)
}

/// A command with its answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) home: String,
    pub(super) told: Told,
    pub(super) can_act: bool,
}

#[derive(Template)]
#[template(path = "charger_answer.html")]
pub(super) struct AnswerFragment {
    pub(super) answer: Answer,
}

/// The command of an id, if it is this charger's.
pub(super) async fn answer(
    state: &AppState,
    charger: ChargerKey,
    protocol: Protocol,
    home: &str,
    viewer: &Viewer,
    id: &str,
) -> Result<Option<Answer>, mendpoint_store::Error> {
    if id.is_empty() {
        return Ok(None);
    }
    let row = state.handle().store().command(&CommandId(id.into())).await?;
    let now = state.handle().now();
    let row = row.filter(|row| row.command.charger == charger);
    Ok(row.map(|row| Answer {
        home: home.to_owned(),
        told: Told::new(viewer, now, protocol, &row),
        can_act: viewer.can_act(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_as_the_charger_gave_it() {
        let answer = CommandOutcome::Answered {
            accepted: false,
            status: "Rejected".to_owned(),
            payload: r#"{"status":"Rejected"}"#.to_owned(),
        };
        assert_eq!(token_of(&answer), "fault");
        let viewer =
            Viewer { name: String::new(), login: String::new(), role: "viewer".to_owned() };
        assert_eq!(payload(&viewer, &answer), "{\n  \"status\": \"Rejected\"\n}");
        assert_eq!(words(&CommandOutcome::Unsupported("no".to_owned())), "It was not sent: no.");
    }
}
