//! What is known of a rule besides its text.

use mendpoint_incidents::{Rule, duration_words};
use mendpoint_model::Priority;
use mendpoint_pipeline::{Handle, ReplayStatus, RuleEdits};
use mendpoint_replay::Report;

use super::{mode_words, sentence};
use crate::place::Moment;
use crate::targets;

/// What is known of a rule besides its text.
pub(super) struct Facts {
    pub(super) sentence: String,
    pub(super) priority: &'static str,
    pub(super) severity: u8,
    pub(super) clears: Vec<String>,
    pub(super) is_on: bool,
    pub(super) on_trial: bool,
    /// Whether it can be: one about many chargers cannot.
    pub(super) has_trial: bool,
    /// Whether nobody knows what it would do, as it stands, if it were on.
    pub(super) is_untried: bool,
    /// What it would have done, as it stands: address and sentence.
    pub(super) tried: Option<(String, String)>,
    pub(super) mode: &'static str,
    pub(super) mode_sentence: &'static str,
    pub(super) heals: bool,
    pub(super) shadow_until: Option<Moment>,
    pub(super) thresholds: Vec<ThresholdRow>,
    pub(super) overrides: Vec<OverrideRow>,
    /// What it would have done in the past, newest first: address, sentence, when and by whom.
    pub(super) replays: Vec<(String, String, String)>,
}

pub(super) struct ThresholdRow {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) default: String,
    pub(super) limits: String,
}

pub(super) struct OverrideRow {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) target: String,
    pub(super) value: String,
    pub(super) by: String,
    pub(super) at: Moment,
}

impl Facts {
    /// What holds of `rule` now.
    pub(super) fn of(handle: &Handle, edits: &RuleEdits, rule: &Rule) -> Self {
        let now = handle.now();
        let (mode, mode_sentence) = mode_words(rule.auto_heal);
        Self {
            sentence: sentence(rule),
            priority: Priority::of_severity(rule.severity).name(),
            severity: rule.severity,
            clears: rule.clear_text.clone(),
            is_on: rule.enabled,
            on_trial: rule.on_trial,
            has_trial: !rule.scope.is_wide(),
            is_untried: handle.is_untried(&rule.id),
            tried: tried(handle, &rule.id),
            mode,
            mode_sentence,
            heals: rule.playbook.is_some(),
            shadow_until: handle.in_shadow_until(&rule.id).map(|until| Moment::new(now, until)),
            thresholds: rule
                .thresholds
                .iter()
                .map(|threshold| ThresholdRow {
                    name: threshold.name.clone(),
                    about: threshold.about.clone(),
                    default: threshold.default.clone(),
                    limits: limits(&threshold.min, &threshold.max),
                })
                .collect(),
            replays: replays(handle, &rule.id),
            overrides: edits
                .thresholds_of(&rule.id)
                .map(|row| OverrideRow {
                    name: row.name.clone(),
                    kind: row.target_kind.clone(),
                    target: targets::words(handle, row),
                    value: row.setting.clone(),
                    by: row.set_by.clone(),
                    at: Moment::new(now, row.set_at),
                })
                .collect(),
        }
    }
}

/// What a replay says of a rule, also of one that never fired.
fn words_of(report: &Report, id: &str) -> String {
    let found = report.rules.iter().find(|rule| rule.rule == id);
    found.map_or_else(
        || {
            let long_ms = report.span.until.since_ms(report.span.from);
            format!("would not have fired in {}", duration_words(long_ms))
        },
        |rule| match (rule.tickets, rule.tickets_live) {
            (0, 0) => rule.sentence.clone(),
            (would, live) => {
                let would = crate::number::counted(would, "ticket");
                format!("{}; {would}, live {live}", rule.sentence)
            }
        },
    )
}

/// What the newest replay of a rule made of it, as it stands.
fn tried(handle: &Handle, id: &str) -> Option<(String, String)> {
    let view = handle.tried(id)?;
    let ReplayStatus::Done(report) = &view.status else { return None };
    Some((format!("/rules/replay/{}", view.id), words_of(report, id)))
}

/// What replays of the past made of a rule, the last three.
fn replays(handle: &Handle, id: &str) -> Vec<(String, String, String)> {
    let all = handle.replays().all();
    all.iter()
        .filter_map(|view| {
            let href = format!("/rules/replay/{}", view.id);
            let report = match &view.status {
                ReplayStatus::Done(report) => report,
                ReplayStatus::Running if view.ask.only.as_deref().is_none_or(|only| only == id) => {
                    let percent = (view.frames * 100 / view.frames_total.max(1)).min(100);
                    let since = format!("since {}, by {}", view.started_at.rfc3339(), view.ask.by);
                    return Some((href, format!("is being tried, {percent} %"), since));
                }
                _ => return None,
            };
            view.digests.get(id)?;
            let when = format!("{} by {}", view.started_at.rfc3339(), view.ask.by);
            Some((href, words_of(report, id), when))
        })
        .take(3)
        .collect()
}

fn limits(min: &str, max: &str) -> String {
    match (min.is_empty(), max.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!("{min} or more"),
        (true, false) => format!("{max} or less"),
        (false, false) => format!("{min} to {max}"),
    }
}
