//! What a rule in shadow would have done, and what became of it: a part of the rule's page.

use mendpoint_incidents::{HealMode, Rule};
use mendpoint_model::Incident;
use mendpoint_pipeline::{Handle, Hindsight};
use mendpoint_replay::hindsight::Shadowed;

use crate::pages::errors::PageError;
use crate::place::{Moment, Place};

/// How many incidents are shown.
const ROWS: usize = 20;

/// The part of the page.
pub(crate) struct ShadowView {
    /// "fired 14 times in 30 days, 3 new, ..".
    pub(crate) words: String,
    /// Whether the rule is on trial, or its healing in shadow, now.
    pub(crate) is_now: bool,
    /// Whether it is on trial now.
    pub(crate) on_trial: bool,
    /// For how many a person would have been asked.
    pub(crate) asked: usize,
    pub(crate) steps: u32,
    pub(crate) rows: Vec<ShadowRow>,
    pub(crate) more: usize,
}

/// One incident.
pub(crate) struct ShadowRow {
    /// Empty for what a rule on trial found.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) at: Moment,
    pub(crate) place: Place,
    pub(crate) would: String,
    pub(crate) token: &'static str,
    pub(crate) truth: String,
}

/// What is shown of a rule; `None` for one that was never in shadow lately, and is not now.
pub(crate) async fn view(handle: &Handle, rule: &Rule) -> Result<Option<ShadowView>, PageError> {
    let is_now = rule.on_trial
        || rule.auto_heal == HealMode::Shadow
        || handle.in_shadow_until(&rule.id).is_some();
    let seen = handle.hindsight(&rule.id).await?;
    Ok((is_now || !seen.incidents.is_empty()).then(|| of(handle, &seen, (is_now, rule.on_trial))))
}

/// From here on numbers are those of rules on trial: no incident has them.
const TRIALS_FROM: i64 = 1 << 39;

/// The number of an incident; `None` for what a rule on trial found.
pub(crate) fn incident_id(incident: &Incident) -> Option<String> {
    (incident.id.0 < TRIALS_FROM).then(|| incident.id.to_string())
}

fn of(handle: &Handle, seen: &Hindsight, (is_now, on_trial): (bool, bool)) -> ShadowView {
    let row = |one: &Shadowed| {
        let incident = &one.incident;
        let directory = handle.directory();
        let would: Vec<&str> = one.would.iter().map(|(_, label)| *label).collect();
        ShadowRow {
            id: incident_id(incident).unwrap_or_default(),
            title: incident.title.clone(),
            at: Moment::new(handle.now(), incident.opened_at),
            place: Place::new(directory, incident.charger, incident.site, incident.connector),
            would: if would.is_empty() { "nothing".to_owned() } else { would.join(", ") },
            token: token(one),
            truth: one.truth.words(),
        }
    };
    ShadowView {
        words: seen.words(),
        is_now,
        on_trial,
        asked: seen.asked,
        steps: seen.sums.steps,
        rows: seen.incidents.iter().take(ROWS).map(row).collect(),
        more: seen.incidents.len().saturating_sub(ROWS),
    }
}

fn token(one: &Shadowed) -> &'static str {
    match one.truth.name() {
        "nothing" => "ok",
        "open" => "maint",
        _ => "warn",
    }
}
