//! Commands to a charger: the form, the charger's answer, and what was asked before.

use axum::Form;
use axum::extract::{Path, State};
use mendpoint_model::{
    Action, CommandId, CommandOutcome, ConnectorRef, Origin, TriggeredMessage, UnixMs,
};
use mendpoint_pipeline::CommandReport;
use mendpoint_store::CommandRow;
use serde::Deserialize;

use crate::pages::errors::{Page, back};
use crate::place::{Moment, charger_href};
use crate::session::Acting;
use crate::{AppState, url};

/// The form of every command button.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ask {
    /// Which button.
    #[serde(rename = "do")]
    what: String,
    /// `2` or `2.1`; empty for the whole charger.
    connector: String,
    /// For `raw`: the OCPP action.
    action: String,
    /// For `raw`: its payload.
    payload: String,
}

impl Ask {
    fn action(&self) -> Result<Action, String> {
        let connector = connector_of(&self.connector)?;
        let one = || connector.ok_or_else(|| "Say which connector, 1 for instance.".to_owned());
        Ok(match self.what.as_str() {
            "soft-reset" => Action::Reset { hard: false, evse: None },
            "hard-reset" => Action::Reset { hard: true, evse: None },
            "unlock" => Action::Unlock { connector: one()? },
            "off" | "on" => Action::SetAvailability {
                connector: connector.unwrap_or(ConnectorRef::CHARGER),
                operative: self.what == "on",
            },
            "status" => {
                Action::Trigger { message: TriggeredMessage::StatusNotification, connector }
            }
            "configuration" => Action::GetConfiguration { keys: Vec::new() },
            "raw" => self.raw()?,
            other => return Err(format!("There is no button {other:?} here.")),
        })
    }

    fn raw(&self) -> Result<Action, String> {
        let action = self.action.trim().to_owned();
        if action.is_empty() {
            return Err("Choose an action to send.".to_owned());
        }
        let payload = match self.payload.trim() {
            "" => "{}",
            payload => payload,
        };
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(payload);
        match parsed {
            Ok(value) if value.is_object() => {
                Ok(Action::Raw { action, payload: payload.to_owned() })
            }
            Ok(_) => Err(format!(
                "The payload of {action} must be a JSON object, as in {{\"connectorId\": 1}}."
            )),
            Err(error) => Err(format!("The payload of {action} is not JSON: {error}.")),
        }
    }
}

/// `2`, `2.1` or nothing.
pub(in crate::pages) fn connector_of(text: &str) -> Result<Option<ConnectorRef>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let read = || {
        let (evse, connector) = text.split_once('.').unwrap_or((text, "1"));
        let (evse, connector) = (evse.parse().ok()?, connector.parse().ok()?);
        (evse > 0).then_some(ConnectorRef { evse, connector })
    };
    read().map(Some).ok_or_else(|| format!("There is no connector {text:?}."))
}

/// Sends a command, waits for the charger's own answer, and leads to it.
pub(super) async fn send(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(ask): Form<Ask>,
) -> Page {
    let record = super::find(&state, &identity)?;
    let home = charger_href(&record.identity);
    let action = match ask.action() {
        Ok(action) => action,
        Err(sentence) => return Ok(back(&home, Err(sentence))),
    };
    let handle = state.handle();
    let CommandReport { id, .. } = handle.command(record.key, action, &viewer.name).await?;
    // The answer is read from the database, so wait until it is there.
    handle.settle(record.site).await;
    let to = format!("{home}?command={}#answer", url::encode(&id.0));
    Ok(axum::response::IntoResponse::into_response(axum::response::Redirect::to(&to)))
}

/// A command as it is shown.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) action: String,
    /// What exactly was asked: the connector, the kind of reset.
    pub(super) detail: String,
    pub(super) by: String,
    /// The page of the incident that asked.
    pub(super) by_href: String,
    pub(super) asked: Moment,
    /// The charger's status word, or why there is none.
    pub(super) summary: String,
    /// `ok`, `fault`, `warn`, or `maint` while it is under way.
    pub(super) token: &'static str,
    /// What the answer means, in plain words.
    pub(super) meaning: String,
    pub(super) took: String,
    /// The answer's payload, indented.
    pub(super) payload: String,
    pub(super) late: bool,
}

impl Told {
    pub(super) fn new(now: UnixMs, row: &CommandRow) -> Self {
        let (by, by_href) = match &row.command.origin {
            Origin::Engine(incident) => (incident.to_string(), format!("/incidents/{incident}")),
            Origin::User(name) => (name.clone(), String::new()),
            Origin::System => ("Mendpoint".to_owned(), String::new()),
            Origin::Upkeep(why) => (format!("Upkeep: {why}"), String::new()),
        };
        let (summary, token) = match &row.outcome {
            Some(outcome) => (outcome.summary().to_owned(), token_of(outcome)),
            None => ("Waiting for the answer".to_owned(), "maint"),
        };
        Self {
            id: row.command.id.to_string(),
            action: row.command.action.name().to_owned(),
            detail: detail(&row.command.action),
            by,
            by_href,
            asked: Moment::new(now, row.command.created_at),
            summary,
            token,
            meaning: row.outcome.as_ref().map(meaning).unwrap_or_default(),
            took: row
                .answered_at
                .map(|at| took(at.since_ms(row.command.created_at)))
                .unwrap_or_default(),
            payload: row.outcome.as_ref().map(payload).unwrap_or_default(),
            late: row.late,
        }
    }
}

/// The command of an id, if it is this charger's.
pub(super) async fn told(
    state: &AppState,
    charger: mendpoint_model::ChargerKey,
    id: &str,
) -> Result<Option<Told>, mendpoint_store::Error> {
    if id.is_empty() {
        return Ok(None);
    }
    let row = state.handle().store().command(&CommandId(id.into())).await?;
    let now = state.handle().now();
    Ok(row.filter(|row| row.command.charger == charger).map(|row| Told::new(now, &row)))
}

fn token_of(outcome: &CommandOutcome) -> &'static str {
    match outcome {
        CommandOutcome::Answered { accepted: true, .. } => "ok",
        CommandOutcome::Answered { .. } | CommandOutcome::Refused { .. } => "fault",
        CommandOutcome::NotConnected => "offline",
        CommandOutcome::TimedOut
        | CommandOutcome::Expired
        | CommandOutcome::QueueFull
        | CommandOutcome::Unsupported(_) => "warn",
    }
}

fn meaning(outcome: &CommandOutcome) -> String {
    match outcome {
        CommandOutcome::Answered { accepted: true, status, .. } if status.is_empty() => {
            "The charger answered.".to_owned()
        }
        CommandOutcome::Answered { accepted: true, .. } => {
            "The charger said yes. Whether it does it shows below.".to_owned()
        }
        CommandOutcome::Answered { .. } => "The charger said no.".to_owned(),
        CommandOutcome::Refused { description, .. } if description.is_empty() => {
            "The charger answered with an error.".to_owned()
        }
        CommandOutcome::Refused { description, .. } => {
            format!("The charger answered with an error: {description}")
        }
        CommandOutcome::TimedOut => {
            "It is connected but did not answer. It may still do it; look at the messages below."
                .to_owned()
        }
        CommandOutcome::NotConnected => {
            "It is not connected, so nothing was sent or no answer came back.".to_owned()
        }
        CommandOutcome::Expired => {
            "It waited too long behind other commands and was not sent.".to_owned()
        }
        CommandOutcome::QueueFull => {
            "Too many commands were waiting for this charger already, so it was not sent."
                .to_owned()
        }
        CommandOutcome::Unsupported(why) => format!("It was not sent: {why}."),
    }
}

fn payload(outcome: &CommandOutcome) -> String {
    let CommandOutcome::Answered { payload, .. } = outcome else { return String::new() };
    let pretty = serde_json::from_str::<serde_json::Value>(payload)
        .and_then(|value| serde_json::to_string_pretty(&value));
    pretty.unwrap_or_else(|_| payload.clone())
}

fn took(ms: i64) -> String {
    if ms < 1_000 { format!("{} ms", ms.max(0)) } else { format!("{:.1} s", ms as f64 / 1_000.0) }
}

fn detail(action: &Action) -> String {
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
        // The address may hold a password.
        Action::GetDiagnostics { .. } => String::new(),
        Action::Raw { payload, .. } => payload.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(what: &str, connector: &str) -> Ask {
        Ask { what: what.to_owned(), connector: connector.to_owned(), ..Ask::default() }
    }

    #[test]
    fn buttons_become_actions() {
        let hard = ask("hard-reset", "").action();
        assert_eq!(hard, Ok(Action::Reset { hard: true, evse: None }));
        let unlock = ask("unlock", "2").action();
        assert_eq!(unlock, Ok(Action::Unlock { connector: ConnectorRef::v16(2) }));
        let second = ConnectorRef { evse: 1, connector: 2 };
        assert_eq!(ask("unlock", "1.2").action(), Ok(Action::Unlock { connector: second }));
        let off = Action::SetAvailability { connector: ConnectorRef::CHARGER, operative: false };
        assert_eq!(ask("off", "").action(), Ok(off));
    }

    #[test]
    fn what_cannot_be_sent_gets_a_sentence() {
        for (what, connector, word) in [
            ("unlock", "", "which connector"),
            ("unlock", "x", "no connector"),
            ("dance", "", "button"),
        ] {
            let error = ask(what, connector).action().expect_err("refused");
            assert!(error.contains(word), "{error}");
        }
        let raw = |action: &str, payload: &str| {
            Ask {
                what: "raw".to_owned(),
                action: action.to_owned(),
                payload: payload.to_owned(),
                ..Ask::default()
            }
            .action()
        };
        assert!(raw("", "{}").is_err());
        assert!(raw("Reset", "[1]").expect_err("no object").contains("JSON object"));
        assert!(raw("Reset", "{").expect_err("not JSON").contains("not JSON"));
        let empty = Action::Raw { action: "ClearCache".to_owned(), payload: "{}".to_owned() };
        assert_eq!(raw("ClearCache", "  "), Ok(empty));
    }

    #[test]
    fn an_answer_is_shown_as_the_charger_gave_it() {
        let answer = CommandOutcome::Answered {
            accepted: false,
            status: "Rejected".to_owned(),
            payload: r#"{"status":"Rejected"}"#.to_owned(),
        };
        assert_eq!(token_of(&answer), "fault");
        assert_eq!(payload(&answer), "{\n  \"status\": \"Rejected\"\n}");
        assert_eq!(meaning(&CommandOutcome::Unsupported("no".to_owned())), "It was not sent: no.");
        assert_eq!(took(640), "640 ms");
        assert_eq!(took(1_240), "1.2 s");
    }
}
