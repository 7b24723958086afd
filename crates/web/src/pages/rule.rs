//! One rule or playbook: its sentence, its text, its tests, its versions, and what it may do.

mod acts;
mod facts;
mod new;
mod page;
mod text;
mod versions;

use axum::Router;
use axum::routing::{get, post};
use mendpoint_incidents::{HealMode, Rule};
use mendpoint_pipeline::RuleKind;

use self::acts::{
    clear_threshold, mode, reload, set_threshold, switch, take_back_playbook, take_back_rule,
};
use self::new::{new_playbook, new_rule};
use self::page::{playbook, rule};
use self::text::{put_new_playbook, put_new_rule, put_playbook, put_rule};
use super::errors::PageError;
use crate::session::Viewer;
use crate::{AppState, url};

/// The routes of these pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/rules/new", get(new_rule).post(put_new_rule))
        .route("/rules/reload", post(reload))
        .route("/rules/{id}", get(rule))
        .route("/rules/{id}/text", post(put_rule))
        .route("/rules/{id}/take-back", post(take_back_rule))
        .route("/rules/{id}/switch", post(switch))
        .route("/rules/{id}/mode", post(mode))
        .route("/rules/{id}/thresholds", post(set_threshold))
        .route("/rules/{id}/thresholds/clear", post(clear_threshold))
        .route("/playbooks/new", get(new_playbook).post(put_new_playbook))
        .route("/playbooks/{id}", get(playbook))
        .route("/playbooks/{id}/text", post(put_playbook))
        .route("/playbooks/{id}/take-back", post(take_back_playbook))
}

/// The modes, with what each means.
pub(crate) const MODES: [(HealMode, &str, &str); 4] = [
    (HealMode::Off, "off", "no command is sent by itself"),
    (HealMode::Shadow, "shadow", "it only writes down what it would send"),
    (HealMode::Approve, "approve", "it asks a person before every step"),
    (HealMode::On, "on", "it acts by itself"),
];

/// A mode's word and what it means.
pub(crate) fn mode_words(mode: HealMode) -> (&'static str, &'static str) {
    let found = MODES.iter().find(|(of, ..)| *of == mode);
    found.map_or(("off", ""), |(_, word, sentence)| (word, sentence))
}

fn path_of(kind: RuleKind, id: &str) -> String {
    format!("/{}s/{}", kind.name(), url::encode(id))
}

/// A rule as a sentence.
pub(crate) fn sentence(rule: &Rule) -> String {
    let scope = rule.scope.name();
    let heal = match &rule.playbook {
        Some(playbook) if rule.auto_heal != HealMode::Off => {
            let how = match rule.auto_heal {
                HealMode::Shadow => "note what healing with",
                HealMode::Approve => "ask before healing with",
                _ => "heal with",
            };
            let end = if rule.auto_heal == HealMode::Shadow { " would do" } else { "" };
            format!("{how} {playbook}{end}")
        }
        _ => "ask a person".to_owned(),
    };
    format!(
        "When {} on a {scope}, then severity {}; {heal}.",
        rule.condition_text.trim_end_matches(" for 0s"),
        rule.severity
    )
}

/// Refuses those who may act on chargers and not change how they are watched.
fn allowed(viewer: &Viewer) -> Result<(), PageError> {
    if viewer.manages_cards() {
        return Ok(());
    }
    Err(PageError::forbidden("Technicians do not change rules. An operator can."))
}
