//! The diagnostics that are fetched before a reset wipes them out (1.6): a step of its own, which
//! never holds the repair up for long.

use mendpoint_model::{
    Action, Actor, CommandOutcome, IncidentId, LogRequest, Rung, Step, StepState, UnixMs,
};
use serde::Deserialize;

use crate::case::Line;
use crate::duration::duration_words;
use crate::engine::{Cx, Engine};
use crate::heal::verify::{Look, View};

/// How often an incident asks at most, when the answer is lost each time.
const TRIES_MAX: usize = 2;

/// What the answers of both versions call the file.
#[derive(Debug, Default, Deserialize)]
struct FileName {
    /// `GetDiagnostics` of 1.6.
    #[serde(rename = "fileName")]
    v16: Option<String>,
    /// `GetLog` of 2.x.
    #[serde(rename = "filename")]
    v2x: Option<String>,
}

/// The file that an answer names.
fn file_name(outcome: &CommandOutcome) -> Option<String> {
    let CommandOutcome::Answered { payload, .. } = outcome else { return None };
    let answer: FileName = serde_json::from_str(payload).unwrap_or_default();
    answer.v16.or(answer.v2x).filter(|name| !name.is_empty())
}

/// Whether the charger said yes or no to a step of this kind.
pub(crate) fn was_answered(step: &Step) -> bool {
    step.commands.iter().any(|(_, outcome)| {
        matches!(
            outcome,
            Some(
                CommandOutcome::Answered { .. }
                    | CommandOutcome::Refused { .. }
                    | CommandOutcome::Unsupported(_)
            )
        )
    })
}

/// The file a step asked for, with a space before it, or nothing.
fn file_words(step: &Step) -> String {
    let mut outcomes = step.commands.iter().filter_map(|(_, outcome)| outcome.as_ref());
    outcomes.find_map(file_name).map_or_else(String::new, |name| format!(" {name}"))
}

/// The watch over an upload: it ends when the charger says so, and when it takes too long.
pub(crate) fn fetched(step: &Step, began: UnixMs, view: &View<'_>) -> Look {
    let file = file_words(step);
    match view.upload {
        Some("Uploaded") => {
            return Look::Done(StepState::Done, format!("Diagnostics uploaded{}", and(&file)));
        }
        Some("Uploading" | "Idle") | None => {}
        Some(word) => {
            return Look::Done(StepState::Blocked, format!("The charger reported {word}"));
        }
    }
    let until = began + view.settings.diagnostics_ms;
    if view.now >= until {
        let waited = duration_words(view.settings.diagnostics_ms);
        let note = format!("The diagnostics{file} were not uploaded within {waited}");
        return Look::Done(StepState::Unknown, note);
    }
    Look::Pending { wake: Some(until), next: format!("Waiting for the diagnostics{file}") }
}

fn and(file: &str) -> String {
    if file.is_empty() { String::new() } else { format!(":{file}") }
}

impl Engine {
    /// Whether the diagnostics are to be fetched before a rung: before a reset, where there is a
    /// place for them, and not again within a day.
    pub(crate) fn wants_diagnostics(&mut self, cx: &Cx<'_>, id: IncidentId, rung: Rung) -> bool {
        if !matches!(rung, Rung::L4 | Rung::L5) {
            return false;
        }
        let Some(case) = self.cases.get(&id) else { return false };
        if self.lacks(case.incident.charger, Rung::D).is_some() {
            return false;
        }
        let last_is_fetch = case.steps().last().is_some_and(|step| step.rung == Rung::D);
        let tries = case.steps().iter().filter(|step| step.rung == Rung::D).count();
        if last_is_fetch || tries >= TRIES_MAX {
            return false;
        }
        let key = case.incident.charger;
        let every_ms = self.settings.diagnostics_every_ms;
        let is_recent = |at: UnixMs| cx.now.since_ms(at) < every_ms;
        let asked_at = self.watches.get(&key).and_then(|watch| watch.diagnostics_at);
        // Whoever fetched them: they are there.
        let uploaded_at = cx
            .fleet
            .charger(key)
            .and_then(|charger| charger.diagnostics_status.as_ref())
            .filter(|(_, word)| word.as_ref() == "Uploaded")
            .map(|(at, _)| *at);
        if asked_at.is_some_and(is_recent) || uploaded_at.is_some_and(is_recent) {
            return false;
        }
        if self.settings.diagnostics_url.is_empty() {
            self.say_no_diagnostics(cx, id);
            return false;
        }
        true
    }

    /// Says once why no diagnostics are there.
    fn say_no_diagnostics(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        if std::mem::replace(&mut case.said_no_diagnostics, true) {
            return;
        }
        let line = Line::new("diagnostics_skipped", "No diagnostics fetched before the reset")
            .text("There is no place for them: the setting engine.diagnostics_url is empty.")
            .rung(Rung::D);
        self.say(cx, id, line);
    }

    /// What asks for the diagnostics.
    pub(crate) fn diagnostics_action(&self, id: IncidentId) -> Option<Action> {
        let case = self.cases.get(&id)?;
        let number = case.steps().last().map_or(1, |step| i64::from(step.number));
        // Any number does that is no other request's of the same charger's of late.
        let request_id = (id.0.rem_euclid(20_000_000) * 100 + number.rem_euclid(100)) as i32;
        let location = self.settings.diagnostics_url.clone();
        let request = LogRequest { location, request_id, ..LogRequest::default() };
        Some(Action::GetLog(Box::new(request)))
    }

    /// The charger said yes or no: it is not asked again for a while.
    pub(crate) fn note_diagnostics(&mut self, id: IncidentId, at: UnixMs) {
        let Some(key) = self.cases.get(&id).map(|case| case.incident.charger) else { return };
        if let Some(watch) = self.watches.get_mut(&key) {
            watch.diagnostics_at = Some(at);
        }
    }

    /// An upload that was given up came to its end all the same.
    pub(crate) fn note_upload(&mut self, cx: &Cx<'_>, id: IncidentId, word: &str) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let mut steps = case.incident.healing.iter_mut().flat_map(|healing| &mut healing.steps);
        let given_up = steps
            .rfind(|step| step.rung == Rung::D)
            .filter(|step| step.state == StepState::Unknown && was_answered(step));
        let Some(step) = given_up.filter(|_| word == "Uploaded") else { return };
        step.state = StepState::Done;
        step.note = format!("Diagnostics uploaded late{}", and(&file_words(step)));
        let line = Line::new("diagnostics_uploaded", step.note.clone()).rung(Rung::D);
        self.say(cx, id, line.by(Actor::Charger));
    }

    /// The charger will send a file, or has none.
    pub(crate) fn diagnostics_accepted(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        outcome: &CommandOutcome,
    ) {
        self.note_diagnostics(id, cx.now);
        let CommandOutcome::Answered { status, .. } = outcome else { return };
        // 1.6 answers without a status, and without a name when there is nothing to send.
        if status.is_empty() && file_name(outcome).is_none() {
            self.end_step(cx, id, StepState::Done, "The charger has no diagnostics to send");
        }
    }
}
