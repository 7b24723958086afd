//! The rules in force: what opens an incident, what ends it, and what is tried meanwhile.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use mendpoint_incidents::{Catalogue, Playbook, Rule};
use mendpoint_model::{DAY_MS, Incident, Priority, Rung, StepState, UnixMs};
use mendpoint_pipeline::{RuleEdits, RuleKind};
use mendpoint_store::{IncidentFilter, PAGE_MAX, RuleTextRow, Store};
use serde::Deserialize;

use super::errors::{Page, render};
use crate::AppState;
use crate::pages::extract::Query;
use crate::session::Viewer;
use crate::shell::Shell;

/// Pages of incidents that are counted at most.
const COUNTED_PAGES: usize = 4;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/rules", get(page))
}

/// What happened with a rule in the last 24 hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Day {
    fired: u32,
    healed: u32,
}

struct RuleView {
    id: String,
    version: u32,
    title: String,
    cause: String,
    condition: String,
    clears: Vec<String>,
    priority: &'static str,
    severity: u8,
    mode: &'static str,
    mode_sentence: &'static str,
    playbook: String,
    playbook_sentence: String,
    ladders: Vec<Ladder>,
    fired: u32,
    healed: u32,
    tests: usize,
    file: String,
    is_on: bool,
    on_trial: bool,
    /// What it found on trial in the last 24 hours.
    found: u64,
    is_aside: bool,
    /// The version edited here; 0 for the file's.
    edited: i64,
    /// How many thresholds are set otherwise.
    thresholds: usize,
}

struct PlaybookView {
    id: String,
    title: String,
    rungs: Vec<&'static str>,
}

/// What the address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    done: Option<String>,
    error: Option<String>,
}

/// A ladder and the codes it is for.
#[derive(Debug, PartialEq, Eq)]
struct Ladder {
    /// Empty: every other code.
    codes: Vec<String>,
    /// Empty: a person at once.
    rungs: Vec<&'static str>,
}

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    shell: Shell,
    rules: Vec<RuleView>,
    tests: usize,
    /// Whether more incidents happened than were counted.
    counted_all: bool,
    playbooks: Vec<PlaybookView>,
    /// What was taken away and can be taken back: kind, id, by whom.
    gone: Vec<(String, String, String)>,
    may_change: bool,
}

async fn page(viewer: Viewer, State(state): State<AppState>, Query(asked): Query<Asked>) -> Page {
    let handle = state.handle();
    let catalogue = handle.catalogue();
    let edits = handle.rule_edits();
    let set_otherwise = handle.threshold_counts();
    let trials = handle.store().rule_trial_counts(handle.now() - DAY_MS).await?;
    let (days, counted_all) = count(handle.store(), handle.now() - DAY_MS).await?;
    let rules: Vec<_> = catalogue
        .rules()
        .iter()
        .map(|rule| {
            let playbook = rule.playbook.as_deref().and_then(|id| catalogue.playbook(id));
            let day = days.get(&rule.id).copied().unwrap_or_default();
            let mut view = view(rule, playbook.map(|playbook| &**playbook), day);
            view.is_aside = edits.set_aside.iter().any(|(_, id, _)| *id == rule.id);
            view.found = trials.get(&rule.id).copied().unwrap_or_default();
            view.edited = edits.text(RuleKind::Rule, &rule.id).map_or(0, |row| row.version);
            view.thresholds = set_otherwise.get(&rule.id).copied().unwrap_or_default();
            view
        })
        .collect();
    render(RulesPage {
        shell: Shell::new(&state, &viewer, "rules", "Rules")
            .await
            .with_messages(asked.done, asked.error),
        playbooks: catalogue
            .playbooks()
            .iter()
            .map(|book| PlaybookView {
                id: book.id.clone(),
                title: book.title.clone(),
                rungs: labels(book.ladder("")),
            })
            .collect(),
        gone: gone(&catalogue, &edits),
        may_change: viewer.manages_cards(),
        tests: rules.iter().map(|rule| rule.tests).sum(),
        rules,
        counted_all,
    })
}

/// What people made here and took away; its versions are kept.
fn gone(catalogue: &Catalogue, edits: &RuleEdits) -> Vec<(String, String, String)> {
    let is_gone = |row: &&RuleTextRow| {
        row.text.is_empty()
            && match RuleKind::from_name(&row.kind) {
                Some(RuleKind::Playbook) => catalogue.playbook(&row.name).is_none(),
                _ => catalogue.rule(&row.name).is_none(),
            }
    };
    let rows = edits.texts.iter().filter(is_gone);
    rows.map(|row| (row.kind.clone(), row.name.clone(), row.saved_by.clone())).collect()
}

/// Counts what was opened since a time, by rule; says whether that was all.
async fn count(
    store: &Store,
    since: UnixMs,
) -> Result<(BTreeMap<String, Day>, bool), mendpoint_store::Error> {
    let mut days = BTreeMap::<String, Day>::new();
    let mut cursor = None;
    for _ in 0..COUNTED_PAGES {
        let (rows, next) = store.incidents(&IncidentFilter::default(), cursor, PAGE_MAX).await?;
        for incident in &rows {
            if incident.opened_at < since {
                return Ok((days, true));
            }
            let day = days.entry(incident.rule.clone()).or_default();
            day.fired += 1;
            day.healed += u32::from(is_healed(incident));
        }
        cursor = next;
        if cursor.is_none() {
            return Ok((days, true));
        }
    }
    Ok((days, false))
}

/// Whether a command of ours ended it and nobody had to come.
fn is_healed(incident: &Incident) -> bool {
    let fixed = incident
        .healing
        .as_ref()
        .is_some_and(|healing| healing.steps.iter().any(|step| step.state == StepState::Fixed));
    fixed && incident.ticket.is_none() && incident.owner.is_none() && !incident.needs_person
}

fn view(rule: &Rule, playbook: Option<&Playbook>, day: Day) -> RuleView {
    let (mode, mode_sentence) = super::rule::mode_words(rule.auto_heal);
    RuleView {
        id: rule.id.clone(),
        version: rule.version,
        title: rule.title.clone(),
        cause: rule.description.clone(),
        condition: rule.condition_text.clone(),
        clears: rule.clear_text.clone(),
        priority: Priority::of_severity(rule.severity).name(),
        severity: rule.severity,
        mode,
        mode_sentence,
        playbook: playbook.map(|playbook| playbook.title.clone()).unwrap_or_default(),
        playbook_sentence: playbook
            .map(|playbook| playbook.description.clone())
            .unwrap_or_default(),
        ladders: playbook.map(ladders).unwrap_or_default(),
        fired: day.fired,
        healed: day.healed,
        tests: rule.tests.len(),
        file: rule.file.clone(),
        is_on: rule.enabled,
        on_trial: rule.on_trial,
        found: 0,
        is_aside: false,
        edited: 0,
        thresholds: 0,
    }
}

/// The ladders of a playbook; codes with the same one together, the usual one first.
fn ladders(playbook: &Playbook) -> Vec<Ladder> {
    // No code has this name, so it gets the ladder of all that have none of their own.
    let usual = labels(playbook.ladder(""));
    let mut groups: Vec<Ladder> = vec![Ladder { codes: Vec::new(), rungs: usual }];
    for (code, rungs) in playbook.ladders() {
        let rungs = labels(rungs);
        match groups.iter_mut().skip(1).find(|group| group.rungs == rungs) {
            Some(group) => group.codes.push(code.to_owned()),
            None => groups.push(Ladder { codes: vec![code.to_owned()], rungs }),
        }
    }
    groups
}

fn labels(rungs: &[Rung]) -> Vec<&'static str> {
    rungs.iter().map(|rung| rung.label()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_with_the_same_ladder_stand_together() {
        let playbook = r#"
            id = "p"
            version = 1
            title = "P"
            description = "Tries."
            ladder = ["L1", "L4"]
            [by_code]
            GroundFailure = ["Q"]
            ReaderFailure = ["L4", "L5"]
            PowerSwitchFailure = ["Q"]
            OverCurrentFailure = []
        "#;
        let files = [("p.toml".to_owned(), playbook.to_owned())];
        let catalogue = Catalogue::parse(&[], &files).expect("a playbook that reads");
        let shown = ladders(catalogue.playbook("p").expect("it is there"));
        assert_eq!(shown[0].rungs, ["Ask for status", "Soft reset"]);
        assert!(shown[0].codes.is_empty());
        let grounded = shown.iter().find(|ladder| ladder.rungs == ["Take out of service"]);
        let mut codes = grounded.expect("a group").codes.clone();
        codes.sort();
        assert_eq!(codes, ["GroundFailure", "PowerSwitchFailure"]);
        assert!(shown.iter().skip(1).any(|ladder| ladder.rungs.is_empty()));
        assert_eq!(shown.len(), 4);
    }
}
