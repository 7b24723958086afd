//! Any action of the charger's OCPP version: a form made from the message's definition, or a raw
//! payload.

use askama::Template;
use axum::extract::{Path, State};
use mendpoint_model::{CommandId, Protocol};
use mendpoint_ocpp::sendable_actions;
use serde::Deserialize;

use super::commands::{confirm, danger, danger_of, hand_over};
use super::sample;
use crate::AppState;
use crate::commands::{on_the_wire, pretty, protocol_of, raw};
use crate::form::{self, Control, Filled, Node};
use crate::orders::limits::check_size;
use crate::pages::errors::{Page, render, wrong};
use crate::pages::extract::{Form, Query};
use crate::place::charger_href;
use crate::session::{Acting, Viewer};
use crate::shell::Shell;

/// Which action.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    action: String,
    /// A command whose payload is filled in.
    from: String,
    fragment: String,
}

/// The form of an action.
pub(super) struct ActionForm {
    home: String,
    action: String,
    /// Every action of the version.
    actions: Vec<&'static str>,
    version: &'static str,
    /// Whether that is the version the charger speaks.
    is_known: bool,
    online: bool,
    danger: String,
    nodes: Vec<Node>,
    /// What is wrong and belongs to no field.
    problems: Vec<String>,
    raw: String,
    raw_open: bool,
    raw_problem: String,
    unchecked: bool,
    wait_s: String,
}

#[derive(Template)]
#[template(path = "charger_action.html")]
struct ActionPage {
    shell: Shell,
    name: String,
    form: ActionForm,
}

#[derive(Template)]
#[template(path = "charger_action_form.html")]
struct ActionFragment {
    form: ActionForm,
}

/// What is being filled in.
struct Draft {
    action: String,
    filled: Filled,
    wrong: std::collections::BTreeMap<String, String>,
    problems: Vec<String>,
    raw: Option<String>,
    raw_problem: String,
    unchecked: bool,
    wait_s: String,
}

impl Draft {
    fn of(action: &str, payload: &str) -> Self {
        Self {
            action: action.to_owned(),
            filled: Filled::from_payload(payload),
            wrong: std::collections::BTreeMap::new(),
            problems: Vec::new(),
            raw: None,
            raw_problem: String::new(),
            unchecked: false,
            wait_s: String::new(),
        }
    }
}

fn version(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::V16 => "OCPP 1.6",
        Protocol::V201 => "OCPP 2.0.1",
        Protocol::V21 => "OCPP 2.1",
    }
}

/// Shows the form.
pub(super) async fn show(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Query(which): Query<Which>,
) -> Page {
    let record = super::find(&state, &identity)?;
    let live = state.handle().charger(record.key).await;
    let protocol = protocol_of(live.as_deref());
    let mut action = which.action.trim().to_owned();
    let mut payload = sample::payload(protocol, &action).to_owned();
    if !which.from.is_empty() {
        let row = state.handle().store().command(&CommandId(which.from.as_str().into())).await?;
        if let Some(row) = row.filter(|row| row.command.charger == record.key) {
            (action, payload) = on_the_wire(protocol, &row.command.action);
            payload = viewer.message(&payload);
        }
    }
    let draft = Draft::of(&action, &payload);
    draw(&state, &viewer, &identity, draft, &which.fragment).await
}

async fn draw(
    state: &AppState,
    viewer: &Viewer,
    identity: &str,
    mut draft: Draft,
    fragment: &str,
) -> Page {
    let record = super::find(state, identity)?;
    let live = state.handle().charger(record.key).await;
    let live = live.as_deref();
    let protocol = protocol_of(live);
    let nodes = match form::definition(protocol, &draft.action) {
        Some(message) => form::nodes(message, &draft.filled, &draft.wrong),
        None => Vec::new(),
    };
    if nodes.is_empty() && !draft.action.is_empty() {
        // Either it has no fields, or there is no such action; the words tell which.
        draft.problems.extend(raw(protocol, &draft.action, "{}", true).err());
    }
    let raw_open = draft.raw.is_some();
    let form = ActionForm {
        home: charger_href(&record.identity),
        actions: sendable_actions(protocol),
        version: version(protocol),
        is_known: live.is_some_and(|live| live.link.protocol.is_some()),
        online: live.is_some_and(|live| live.link.connected),
        danger: danger_of(&draft.action).unwrap_or_default().to_owned(),
        nodes,
        problems: draft.problems,
        raw: draft.raw.unwrap_or_else(|| pretty(sample::payload(protocol, &draft.action))),
        raw_open,
        raw_problem: draft.raw_problem,
        unchecked: draft.unchecked,
        wait_s: draft.wait_s,
        action: draft.action,
    };
    if fragment == "form" {
        return render(ActionFragment { form });
    }
    let title = format!(
        "{}: {}",
        record.name,
        if form.action.is_empty() { "any command" } else { &form.action }
    );
    render(ActionPage {
        shell: Shell::new(state, viewer, "chargers", title).await,
        name: record.name.clone(),
        form,
    })
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().rev().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

/// The form was sent: the payload is made and checked, and what is wrong is said beside the field.
pub(super) async fn send(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Page {
    let record = super::find(&state, &identity)?;
    let live = state.handle().charger(record.key).await;
    let protocol = protocol_of(live.as_deref());
    let name = field(&fields, "action").trim().to_owned();
    let mut draft = Draft::of(&name, "{}");
    field(&fields, "wait_s").clone_into(&mut draft.wait_s);
    let is_raw = field(&fields, "mode") == "raw";
    let unchecked = is_raw && !field(&fields, "unchecked").is_empty();
    let payload = if is_raw {
        field(&fields, "raw").to_owned()
    } else {
        draft.filled = Filled::from_fields(&fields);
        if !field(&fields, "add").is_empty() {
            return draw(&state, &viewer, &identity, draft, field(&fields, "fragment")).await;
        }
        let Some(message) = form::definition(protocol, &name) else {
            return wrong(draw(&state, &viewer, &identity, draft, "").await);
        };
        let built = form::build(protocol, message, &draft.filled);
        if !built.wrong.is_empty() || !built.other.is_empty() {
            (draft.wrong, draft.problems) = (built.wrong, built.other);
            return wrong(draw(&state, &viewer, &identity, draft, "").await);
        }
        built.payload
    };
    let mut read = raw(protocol, &name, &payload, unchecked);
    if let (Ok(action), Some(live), false) = (&read, live.as_deref(), unchecked)
        && let Err(error) = check_size(&state, live, protocol, action).await
    {
        read = Err(error.sentence());
    }
    let action = match read {
        Ok(action) => action,
        Err(sentence) => {
            draft.raw_problem = sentence;
            draft.unchecked = unchecked;
            draft.filled = Filled::from_payload(&payload);
            draft.raw = Some(payload);
            return wrong(draw(&state, &viewer, &identity, draft, "").await);
        }
    };
    if field(&fields, "sure").is_empty() {
        // The typed form knows more; what stays raw is known by its name.
        let why = danger(&action, live.as_deref());
        if let Some(why) = why {
            let to = format!("{}/actions", charger_href(&record.identity));
            let detail = super::history::detail(&action);
            return confirm(&state, &viewer, &record, to, (name, detail), why, fields).await;
        }
    }
    hand_over(&state, &viewer, &record, action, &draft.wait_s).await
}
