//! How a step ends, what a waiting one says, and how a run ends.

use mendpoint_model::{HealMode, IncidentId, IncidentState, Rung, Step, StepState, UnixMs};

use crate::case::{Line, patience_ms};
use crate::engine::{Cx, Engine};

impl Engine {
    /// Ends the step under way.
    pub(crate) fn end_step(&mut self, cx: &Cx<'_>, id: IncidentId, state: StepState, note: &str) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let Some(step) = case.step_mut() else { return };
        step.state = state;
        step.ended_at = Some(cx.now);
        note.clone_into(&mut step.note);
        let (rung, command) = (step.rung, step.commands.last().map(|(id, _)| id.clone()));
        self.tell_ended(cx, id, rung, state);
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.incident.next_at = None;
        if matches!(case.incident.state, IncidentState::Healing | IncidentState::Verifying) {
            case.incident.state =
                if case.is_healing() { IncidentState::Healing } else { case.resting() };
        }
        let label = rung.label();
        let title = match state {
            StepState::Fixed if rung == Rung::Q => note.to_owned(),
            StepState::Done => note.to_owned(),
            StepState::Fixed => format!("{label} worked"),
            StepState::NotFixed if matches!(rung, Rung::L1 | Rung::L1M) => note.to_owned(),
            StepState::NotFixed if matches!(rung, Rung::L4 | Rung::L5) => {
                format!("Fault returned after the {}", label.to_lowercase())
            }
            StepState::NotFixed => format!("{label} did not help"),
            StepState::Worse => format!("Worse after the {}", label.to_lowercase()),
            StepState::Blocked => format!("{label} was not done"),
            StepState::Skipped => format!("{label} skipped"),
            _ => format!("{label}: no clear result"),
        };
        let text = if title == note { String::new() } else { note.to_owned() };
        let mut line = Line::new("step_outcome", title).text(text).rung(rung);
        line.command = command;
        self.say(cx, id, line);
    }

    /// Keeps a step waiting, and says why, once for each reason: numbers in it may change, and a storm
    /// may come and go, without another line.
    pub(crate) fn hold_step(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        why: &str,
        until: Option<UnixMs>,
        guardrail: &str,
    ) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let Some(step) = case.step_mut() else { return };
        let rung = step.rung;
        let is_told = step.guardrail == guardrail
            && (guardrail == "G6" || without_numbers(&step.note).eq(without_numbers(why)));
        let news = step.note != why;
        if news {
            why.clone_into(&mut step.note);
        }
        guardrail.clone_into(&mut step.guardrail);
        let incident = &mut case.incident;
        if news || incident.next != why || incident.next_at != until {
            why.clone_into(&mut incident.next);
            incident.next_at = until;
            self.dirty.insert(id);
        }
        if !is_told {
            let title = why.strip_prefix("Waits: ").map_or_else(
                || why.to_owned(),
                |reason| format!("{} waits: {reason}", rung.label()),
            );
            self.say(cx, id, Line::new("step_waiting", title).rung(rung));
        }
    }

    /// Notes which guardrail holds a step back, or forbids it.
    pub(crate) fn set_guardrail(&mut self, id: IncidentId, guardrail: &str) {
        if let Some(case) = self.cases.get_mut(&id)
            && let Some(step) = case.step_mut()
        {
            guardrail.clone_into(&mut step.guardrail);
        }
    }

    pub(crate) fn set_note(&mut self, id: IncidentId, note: &str) {
        if let Some(case) = self.cases.get_mut(&id)
            && let Some(healing) = case.incident.healing.as_mut()
            && let Some(step) = healing.steps.last_mut()
        {
            note.clone_into(&mut step.note);
            self.dirty.insert(id);
        }
    }

    pub(crate) fn stop_run(&mut self, id: IncidentId) {
        if let Some(case) = self.cases.get_mut(&id) {
            case.run.active = false;
        }
    }

    /// The ladder is at its end, and it is still there: a person.
    pub(crate) fn exhausted(&mut self, cx: &Cx<'_>, id: IncidentId) {
        self.stop_run(id);
        let tried = self.cases.get(&id).is_some_and(|case| {
            case.steps()
                .iter()
                .any(|step| !step.commands.is_empty() && !matches!(step.rung, Rung::Q | Rung::D))
        });
        let acted = self.cases.get(&id).is_some_and(|case| {
            let sent = |step: &&Step| !step.commands.is_empty();
            case.steps().iter().filter(sent).any(|step| crate::guardrail::acts(step.rung))
        });
        let barred = self.cases.get(&id).is_some_and(|case| {
            let is_barred = |step: &Step| {
                crate::guardrail::acts(step.rung)
                    && matches!(step.state, StepState::Skipped | StepState::Blocked)
            };
            case.steps().iter().any(is_barred)
        });
        let shadow = self
            .cases
            .get(&id)
            .and_then(|case| case.healing())
            .is_some_and(|healing| healing.mode == HealMode::Shadow);
        let why = if shadow {
            "In shadow mode nothing is sent."
        } else if barred && !acted {
            "Nothing that might help was allowed from afar."
        } else if tried {
            "Nothing that can be done from afar helped."
        } else {
            "Nothing can be done from afar."
        };
        // A rule may leave it to itself for a while before a person is asked.
        let program = std::sync::Arc::clone(&self.program);
        if let Some(case) = self.cases.get_mut(&id)
            && case.incident.ticket.is_none()
            && let wait_ms = patience_ms(&self.watches, &program, case)
            && cx.now.since_ms(case.incident.opened_at) < wait_ms
        {
            let at = case.incident.opened_at + wait_ms;
            let was_healing =
                matches!(case.incident.state, IncidentState::Healing | IncidentState::Verifying);
            if was_healing {
                case.incident.state = IncidentState::Open;
            }
            case.escalate_at = Some(at);
            case.will_ask(at);
            self.dirty.insert(id);
            return;
        }
        self.escalate(cx, id, why);
    }

    /// G9: it is worse than before. No more tries; a person at once.
    pub(crate) fn worse(&mut self, cx: &Cx<'_>, id: IncidentId) {
        self.stop_run(id);
        if let Some(case) = self.cases.get_mut(&id) {
            case.incident.severity = case.incident.severity.min(2);
        }
        self.escalate(cx, id, "The charger is worse off than before the repair.");
    }
}

/// A sentence as far as it says why, and not how many or how long.
fn without_numbers(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|letter| !letter.is_ascii_digit())
}
