//! Sentences for people.

use mendpoint_model::{ConnectorRef, Incident, Rung, Step, StepState};

use crate::duration::duration_words;
use crate::rule::Rule;

/// What a headline's places are filled with.
pub(crate) struct Places<'a> {
    pub(crate) code: &'a str,
    pub(crate) at: ConnectorRef,
    pub(crate) for_ms: i64,
    pub(crate) count: u32,
    pub(crate) within_ms: i64,
    pub(crate) value: Option<String>,
}

/// Fills a rule's headline.
pub(crate) fn headline(rule: &Rule, places: &Places<'_>) -> String {
    let code = if places.code.is_empty() { "Faulted" } else { places.code };
    rule.headline
        .replace("{code}", code)
        .replace("{where}", &where_words(places.at))
        .replace("{for}", &duration_words(places.for_ms))
        .replace("{count}", &places.count.to_string())
        .replace("{within}", &duration_words(places.within_ms))
        .replace("{value}", places.value.as_deref().unwrap_or("reported by the charger"))
}

/// ", connector 2", or nothing for the whole charger.
pub(crate) fn where_words(at: ConnectorRef) -> String {
    if at.is_charger() { String::new() } else { format!(", connector {at}") }
}

/// "Connector 2", or "The charger".
pub(crate) fn subject_words(at: ConnectorRef) -> String {
    if at.is_charger() { "The charger".to_owned() } else { format!("Connector {at}") }
}

/// "8.4 kWh".
pub(crate) fn energy_words(wh: f64) -> String {
    if wh < 1_000.0 { format!("{wh:.0} Wh") } else { format!("{:.1} kWh", wh / 1_000.0) }
}

/// What cured it, inside a sentence.
pub(crate) fn cure_words(rung: Rung) -> &'static str {
    match rung {
        Rung::L0 => "waiting",
        Rung::L1 => "asking for its status",
        Rung::L2 => "unlocking the connector",
        Rung::L3 => "switching off and on",
        Rung::L4 => "Soft reset",
        Rung::L5 => "Hard reset",
        Rung::L6 => "dropping the connection",
        Rung::Q => "taking it out of service",
        Rung::D => "fetching the diagnostics",
        Rung::L1M => "asking for meter values",
        Rung::L1S => "asking for the signal",
        Rung::L6P => "switching the power off and on",
        Rung::L7 => "another firmware",
        Rung::S => "stopping the stuck charge",
        Rung::C => "closing the stuck charge here",
    }
}

/// What a step did, a line for a ticket.
pub(crate) fn tried_line(step: &Step) -> String {
    let what = match step.state {
        StepState::Waiting | StepState::AwaitingApproval => "waiting",
        StepState::Sent | StepState::Verifying => "under way",
        StepState::Done => "done",
        StepState::Fixed if step.rung == Rung::Q => "done",
        StepState::Fixed => "worked",
        StepState::NotFixed => "did not help",
        StepState::Worse => "made it worse",
        StepState::Blocked => "the charger did not do it",
        StepState::Skipped => "not done",
        StepState::Shadowed => "only written down",
        StepState::Unknown => "no clear result",
    };
    format!("{}: {what}. {}", step.rung.label(), step.note)
}

/// All steps of an incident, a line each.
pub(crate) fn tried_lines(incident: &Incident) -> Vec<String> {
    incident.healing.iter().flat_map(|healing| &healing.steps).map(tried_line).collect()
}
