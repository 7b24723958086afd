//! What is known of a rule besides its text.

use mendpoint_incidents::{Rule, duration_words};
use mendpoint_model::Priority;
use mendpoint_pipeline::{Handle, ReplayStatus, RuleEdits, RuleKind, rule_digest};
use mendpoint_replay::Report;
use mendpoint_store::RuleTextRow;

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
    /// The version that was kept here and holds; 0 for the file's.
    pub(super) version: i64,
    /// What it would have done in the past, newest first.
    pub(super) replays: Vec<PastRow>,
}

/// How many versions are looked through for the one that was tried.
const VERSIONS_MAX: usize = 10;

/// What a replay made of a text of a rule.
pub(super) struct PastRow {
    pub(super) href: String,
    /// Which text, as the beginning of a sentence.
    pub(super) of: String,
    /// Whether that is the one that holds.
    pub(super) is_current: bool,
    pub(super) words: String,
    /// When and by whom.
    pub(super) when: String,
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
    pub(super) fn of(
        handle: &Handle,
        edits: &RuleEdits,
        rule: &Rule,
        versions: &[RuleTextRow],
    ) -> Self {
        let now = handle.now();
        let version = edits.version(RuleKind::Rule, &rule.id);
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
            version,
            replays: replays(handle, rule, version, versions),
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

impl Facts {
    /// Whether something is known of how it stands, or will be.
    pub(super) fn is_tried(&self) -> bool {
        self.replays.iter().any(|past| past.is_current)
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

/// What replays of the past made of a rule, the last three of how it stands and of other texts of it.
fn replays(handle: &Handle, rule: &Rule, version: i64, versions: &[RuleTextRow]) -> Vec<PastRow> {
    let id = rule.id.as_str();
    let now = handle.now();
    let catalogue = handle.catalogue();
    let current = rule_digest(&catalogue, id);
    let of = |digest: &str| {
        if current.as_deref() == Some(digest) {
            return match version {
                0 => "As it stands, it".to_owned(),
                version => format!("As it stands (version {version}), it"),
            };
        }
        let is_same = |text: &str| {
            let file = (format!("{id}.toml"), text.to_owned());
            let other = catalogue.overlaid(&[file], &[]).ok();
            other.and_then(|other| rule_digest(&other, id)).as_deref() == Some(digest)
        };
        let known = versions.iter().take(VERSIONS_MAX);
        if let Some(row) = known.into_iter().find(|row| !row.text.is_empty() && is_same(&row.text))
        {
            return format!("version {}", row.version);
        }
        match handle.rule_files().rule(id) {
            Some(file) if is_same(&file.source) => "the file's text".to_owned(),
            _ => "another text or playbook".to_owned(),
        }
    };
    let all = handle.replays().all();
    all.iter()
        .filter_map(|view| {
            let digest = view.digests.get(id);
            let is_meant = view.ask.only.as_deref().is_none_or(|only| only == id);
            let (words, since) = match &view.status {
                ReplayStatus::Done(report) if digest.is_some() => (words_of(report, id), ""),
                ReplayStatus::Running if is_meant => {
                    let percent = (view.frames * 100 / view.frames_total.max(1)).min(100);
                    (format!("is being tried, {percent} %"), "since ")
                }
                _ => return None,
            };
            let when = Moment::new(now, view.started_at).full;
            Some(PastRow {
                href: format!("/rules/replay/{}", view.id),
                of: digest.map_or_else(|| "It".to_owned(), |digest| of(digest)),
                is_current: digest.is_none() || digest == current.as_ref(),
                words,
                when: format!("{since}{when} by {}", view.ask.by),
            })
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
