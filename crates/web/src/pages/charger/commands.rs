//! Sending commands to a charger: the buttons, and what must be confirmed first.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect};
use mendpoint_model::{
    Action, ChargerRecord, ChargerState, CommandId, ConnectorRef, Origin, TriggeredMessage,
};
use mendpoint_pipeline::{Asked, WAIT_MAX_MS};
use serde::Deserialize;
use std::time::Duration;

use crate::commands::{on_the_wire, protocol_of};
use crate::pages::errors::{Page, back, render};
use crate::pages::extract::Form;
use crate::place::{charger_href, connector_of};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;
use crate::{AppState, url};

/// How long a form waits for the charger's answer before it leads to the page that shows it when it
/// comes.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The form of every command button.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ask {
    /// Which button; with a connector as in `unlock:2`.
    #[serde(rename = "do")]
    what: String,
    /// How many seconds it may wait for a charger that is away; empty for not at all.
    wait_s: String,
    /// Anything: the person was asked and is sure.
    sure: String,
}

impl Ask {
    fn action(&self) -> Result<Action, String> {
        let (what, connector) = self.what.split_once(':').unwrap_or((&self.what, ""));
        let connector = connector_of(connector)?;
        let one = || connector.ok_or_else(|| "Say which connector, 1 for instance.".to_owned());
        Ok(match what {
            "soft-reset" => Action::Reset { hard: false, evse: None },
            "hard-reset" => Action::Reset { hard: true, evse: None },
            "unlock" => Action::Unlock { connector: one()? },
            "off" | "on" => Action::SetAvailability {
                connector: connector.unwrap_or(ConnectorRef::CHARGER),
                operative: what == "on",
            },
            "status" => {
                Action::Trigger { message: TriggeredMessage::StatusNotification, connector }
            }
            "configuration" => Action::GetConfiguration { keys: Vec::new() },
            "clear-cache" => Action::ClearCache,
            other => return Err(format!("There is no button {other:?} here.")),
        })
    }
}

/// How long a form lets a command wait, in milliseconds.
pub(super) fn wait_ms(wait_s: &str) -> Option<i64> {
    let wait_s: i64 = wait_s.trim().parse().ok()?;
    (wait_s > 0).then(|| wait_s.saturating_mul(1_000).min(WAIT_MAX_MS))
}

/// What a command may break, in a sentence; nothing when it is harmless.
pub(super) fn danger(action: &Action, state: Option<&ChargerState>) -> Option<String> {
    let sessions = state.map_or(0, |state| state.transactions.len());
    let cut = match sessions {
        0 => "",
        1 => " A session is running and would be cut off.",
        _ => " Sessions are running and would be cut off.",
    };
    let sentence = match action {
        Action::Reset { hard: true, .. } => {
            format!("It restarts at once and is away for a minute or so.{cut}")
        }
        Action::Reset { .. } if sessions > 0 => {
            format!("It ends what it is doing and restarts.{cut}")
        }
        Action::Unlock { connector } => {
            let is_taken = state.is_some_and(|state| {
                state.transactions.iter().any(|open| open.connector.evse == connector.evse)
            });
            let taken = if is_taken { " A session is running there and would end." } else { "" };
            format!("The cable of connector {connector} can then be pulled out by anybody.{taken}")
        }
        Action::UpdateFirmware(_) => {
            format!("It installs other software and restarts; a wrong file can break it.{cut}")
        }
        Action::ClearCache => "It forgets whom it let charge without asking.".to_owned(),
        Action::Raw { action, .. } => danger_of(action)?.to_owned(),
        _ => return None,
    };
    Some(sentence)
}

/// The same of an action by its name, whatever its payload says.
pub(super) fn danger_of(action: &str) -> Option<&'static str> {
    Some(match action {
        "Reset" => "It restarts; running sessions may be cut off.",
        "UnlockConnector" => "The cable can then be pulled out by anybody.",
        "UpdateFirmware" | "SignedUpdateFirmware" | "PublishFirmware" => {
            "It installs other software and restarts; a wrong file can break it."
        }
        "ClearCache" => "It forgets whom it let charge without asking.",
        "ClearChargingProfile" => "Limits of its power are taken away.",
        "ClearVariableMonitoring" => "It stops telling about the values that are watched.",
        "ClearDERControl" | "SetDERControl" => "How it supports the grid is changed.",
        "ClearTariffs" => "Drivers no longer see what charging costs.",
        "ChangeConfiguration" | "SetVariables" | "SetNetworkProfile" => {
            "A wrong value can keep it from connecting again."
        }
        "CertificateSigned" | "DeleteCertificate" | "InstallCertificate" => {
            "A wrong certificate can keep it from connecting again."
        }
        "SendLocalList" => "Who may charge while it is offline is changed.",
        _ => return None,
    })
}

/// A command that a person must be sure of.
#[derive(askama::Template)]
#[template(path = "charger_confirm.html")]
struct ConfirmPage {
    shell: Shell,
    name: String,
    home: String,
    /// Where the form goes again.
    to: String,
    action: String,
    detail: String,
    danger: String,
    /// The fields of the form as they were.
    fields: Vec<(String, String)>,
}

/// Asks whether a person is sure. `fields` are sent once more, with `sure`.
pub(super) async fn confirm(
    state: &AppState,
    viewer: &Viewer,
    record: &ChargerRecord,
    to: String,
    action: (String, String),
    danger: String,
    fields: Vec<(String, String)>,
) -> Page {
    let title = format!("{}: {}?", record.name, action.0);
    render(ConfirmPage {
        shell: Shell::new(state, viewer, "chargers", title).await,
        name: record.name.clone(),
        home: charger_href(&record.identity),
        to,
        action: action.0,
        detail: action.1,
        danger,
        fields,
    })
}

/// A button was pressed.
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
    let live = state.handle().charger(record.key).await;
    if let Some(danger) = danger(&action, live.as_deref()).filter(|_| ask.sure.is_empty()) {
        let protocol = protocol_of(live.as_deref());
        let words = (on_the_wire(protocol, &action).0, super::history::detail(&action));
        let fields = vec![("do".to_owned(), ask.what), ("wait_s".to_owned(), ask.wait_s)];
        let to = format!("{home}/command");
        return confirm(&state, &viewer, &record, to, words, danger, fields).await;
    }
    hand_over(&state, &viewer, &record, action, &ask.wait_s).await
}

/// Sends a command and leads to its answer: it is there already, or shown as soon as it comes.
pub(super) async fn hand_over(
    state: &AppState,
    viewer: &Viewer,
    record: &ChargerRecord,
    action: Action,
    wait_s: &str,
) -> Page {
    let home = charger_href(&record.identity);
    let handle = state.handle();
    let by = Origin::User(viewer.name.clone());
    let asked = Asked { action, by, wait_ms: wait_ms(wait_s) };
    let taken = match handle.submit(record.key, asked).await {
        Ok(taken) => taken,
        Err(mendpoint_pipeline::Error::Refused(why)) => return Ok(back(&home, Err(why))),
        Err(error) => return Err(error.into()),
    };
    let id = taken.id.clone();
    if taken.waits_until.is_none() {
        // No answer in time is no error here: the page tells when it comes.
        let _ = tokio::time::timeout(ANSWER_WITHIN, taken.outcome()).await;
    }
    // The answer is read from the database, so wait until it is there.
    handle.settle(record.site).await;
    let to = format!("{home}?command={}#answer", url::encode(&id.0));
    Ok(Redirect::to(&to).into_response())
}

/// Which command is taken back.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TakeBack {
    command: String,
}

/// Takes a command back that waits.
pub(super) async fn take_back(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(form): Form<TakeBack>,
) -> Page {
    let record = super::find(&state, &identity)?;
    let home = charger_href(&record.identity);
    let command = CommandId(form.command.as_str().into());
    match state.handle().take_back(record.key, command, &viewer.name).await {
        Ok(()) => Ok(back(&home, Ok("It was taken back and will not be sent.".to_owned()))),
        Err(mendpoint_pipeline::Error::Refused(why)) => Ok(back(&home, Err(why))),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_fleet::{Fleet, FleetSettings};
    use mendpoint_model::{ChargerKey, Chargers as _, SiteKey, Transaction};

    use super::*;

    fn charger() -> ChargerState {
        let mut fleet = Fleet::new(FleetSettings::default());
        fleet.register(ChargerKey(1), SiteKey(1), "CP-1".into());
        fleet.charger(ChargerKey(1)).cloned().expect("it is registered")
    }

    fn ask(what: &str) -> Ask {
        Ask { what: what.to_owned(), ..Ask::default() }
    }

    #[test]
    fn buttons_become_actions() {
        assert_eq!(ask("hard-reset").action(), Ok(Action::Reset { hard: true, evse: None }));
        let unlock = ask("unlock:2").action();
        assert_eq!(unlock, Ok(Action::Unlock { connector: ConnectorRef::v16(2) }));
        let second = ConnectorRef { evse: 1, connector: 2 };
        assert_eq!(ask("unlock:1.2").action(), Ok(Action::Unlock { connector: second }));
        let off = Action::SetAvailability { connector: ConnectorRef::CHARGER, operative: false };
        assert_eq!(ask("off").action(), Ok(off));
    }

    #[test]
    fn what_cannot_be_sent_gets_a_sentence() {
        for (what, word) in
            [("unlock", "which connector"), ("unlock:x", "no connector"), ("dance", "button")]
        {
            let error = ask(what).action().expect_err("refused");
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn what_may_break_something_is_asked_about_first() {
        let soft = Action::Reset { hard: false, evse: None };
        assert_eq!(danger(&soft, None), None);
        let mut state = charger();
        state
            .transactions
            .push(Transaction { connector: ConnectorRef::v16(1), ..Transaction::default() });
        assert!(danger(&soft, Some(&state)).expect("a session runs").contains("cut off"));
        let unlock = Action::Unlock { connector: ConnectorRef::v16(1) };
        assert!(danger(&unlock, Some(&state)).expect("always").contains("session is running"));
        let raw =
            |action: &str| Action::Raw { action: action.to_owned(), payload: "{}".to_owned() };
        assert!(danger(&raw("SignedUpdateFirmware"), None).is_some());
        assert_eq!(danger(&raw("GetLocalListVersion"), None), None);
    }

    #[test]
    fn a_wait_is_bounded() {
        assert_eq!(wait_ms(""), None);
        assert_eq!(wait_ms("0"), None);
        assert_eq!(wait_ms("3600"), Some(3_600_000));
        assert_eq!(wait_ms("9999999999"), Some(WAIT_MAX_MS));
    }
}
