//! The ladder: what the playbook may do, what it did, and the person at its end.

use mendpoint_model::{
    HealMode, Healing, Incident, IncidentState, Rung, Step, StepState, TimelineEntry, UnixMs,
};

use crate::place::Moment;

/// A rung as it is drawn.
#[derive(Clone, Debug)]
pub(super) struct RungView {
    /// Class: `ok`, `no`, `neu`, `run`, `todo`, `esc`.
    pub(super) class: &'static str,
    pub(super) icon: &'static str,
    /// What its look means, for people who do not see it.
    pub(super) look: &'static str,
    pub(super) name: String,
    /// A sentence: what came of it.
    pub(super) note: String,
    pub(super) at: Option<Moment>,
    /// When it goes on, while it is under way.
    pub(super) due: Option<Moment>,
    /// The guardrail that holds it back, or did; empty when none does.
    pub(super) guardrail: String,
    /// Why it was chosen; empty when the playbook's order was.
    pub(super) why: String,
}

/// The rungs of an incident's playbook and the person after them. Empty where no command can heal.
pub(super) fn ladder(
    incident: &Incident,
    timeline: &[TimelineEntry],
    now: UnixMs,
) -> Vec<RungView> {
    let Some(healing) = &incident.healing else { return Vec::new() };
    let mut views: Vec<RungView> =
        healing.ladder.iter().map(|rung| of_rung(*rung, healing, incident, now)).collect();
    views.push(person(incident, timeline, now));
    views
}

fn of_rung(rung: Rung, healing: &Healing, incident: &Incident, now: UnixMs) -> RungView {
    let tries: Vec<&Step> = healing.steps.iter().filter(|step| step.rung == rung).collect();
    let Some(step) = tries.last() else { return untried(rung, healing, incident) };
    let (class, icon, look) = outcome(Some(rung), step.state);
    let name = if tries.len() > 1 {
        format!("{}, try {}", rung.label(), tries.len())
    } else {
        rung.label().to_owned()
    };
    let is_last = healing.steps.last().is_some_and(|last| last.number == step.number);
    let due = incident
        .next_at
        .filter(|at| is_last && !step.state.is_over() && *at > now)
        .map(|at| Moment::new(now, at));
    let note = match step.state {
        _ if !step.note.is_empty() => step.note.clone(),
        StepState::Sent => "Sent, waiting for the answer".to_owned(),
        StepState::Verifying => "Accepted, watching what it does".to_owned(),
        _ => String::new(),
    };
    RungView {
        class,
        icon,
        look,
        name,
        note,
        at: Some(Moment::new(now, step.at)),
        due,
        guardrail: step.guardrail.clone(),
        why: step.why.clone(),
    }
}

/// A rung that was not tried: still to come, or not needed any more.
fn untried(rung: Rung, healing: &Healing, incident: &Incident) -> RungView {
    let note = if incident.state.is_over() || incident.state == IncidentState::RecoveredUnproven {
        "Not needed".to_owned()
    } else if let Some(user) = &healing.stopped_by {
        format!("Stopped by {user}")
    } else if healing.mode == HealMode::Off {
        "Healing is switched off".to_owned()
    } else if incident.ticket.is_some() {
        "Not tried".to_owned()
    } else {
        String::new()
    };
    RungView {
        class: "todo",
        icon: "ellipsis",
        look: "not tried",
        name: rung.label().to_owned(),
        note,
        at: None,
        due: None,
        guardrail: String::new(),
        why: String::new(),
    }
}

/// Class, icon and words of a step's outcome.
pub(super) fn outcome(
    rung: Option<Rung>,
    state: StepState,
) -> (&'static str, &'static str, &'static str) {
    match state {
        // Asking repairs nothing: that nothing changed is an answer and no failure.
        StepState::NotFixed if matches!(rung, Some(Rung::L1 | Rung::L1M)) => {
            ("neu", "activity", "asked, no change")
        }
        StepState::Fixed => ("ok", "check", "worked"),
        StepState::Done => ("neu", "check", "done"),
        StepState::NotFixed => ("no", "x", "did not help"),
        StepState::Worse => ("no", "triangle-alert", "made it worse"),
        StepState::Blocked => ("neu", "x", "the charger did not do it"),
        StepState::Skipped => ("neu", "arrow-right", "skipped"),
        StepState::Shadowed => ("neu", "eye", "only written down"),
        StepState::Unknown => ("neu", "circle-help", "no clear result"),
        StepState::Waiting => ("run", "clock", "waiting"),
        StepState::AwaitingApproval => ("run", "hand", "waits for approval"),
        StepState::Sent => ("run", "send", "decided, no answer yet"),
        StepState::Verifying => ("run", "eye", "being watched"),
    }
}

/// The last rung: a person.
fn person(incident: &Incident, timeline: &[TimelineEntry], now: UnixMs) -> RungView {
    let handed = timeline.iter().rev().find(|entry| entry.kind == "escalated");
    let is_asked = incident.ticket.is_some() || handed.is_some();
    let note = match (&incident.ticket, is_asked) {
        (Some(ticket), _) => format!("Ticket {ticket}"),
        (None, true) => "A person was asked".to_owned(),
        (None, false) if incident.state.is_over() => "Not needed".to_owned(),
        (None, false) => "If nothing helps".to_owned(),
    };
    RungView {
        class: if is_asked { "esc" } else { "todo" },
        icon: "ticket",
        look: if is_asked { "handed over" } else { "not asked" },
        name: "Hand to a person".to_owned(),
        note,
        at: handed.map(|entry| Moment::new(now, entry.at)),
        due: None,
        guardrail: String::new(),
        why: String::new(),
    }
}
