//! The text of a rule or playbook: what somebody wrote, what came of looking at it, and keeping it.

use axum::extract::{Path, State};
use mendpoint_pipeline::{CheckedRule, NewRuleText, RuleKind};
use serde::Deserialize;

use super::page::{Asked, whole};
use super::{allowed, path_of};
use crate::AppState;
use crate::pages::errors::{Page, back, wrong};
use crate::pages::extract::Form;
use crate::session::Acting;

/// What a form of a text sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) note: String,
    pub(super) made_from: i64,
    act: String,
}

/// A text as it stands in the form, with what came of looking at it.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) note: String,
    pub(super) made_from: i64,
    /// Why it was not kept although it is well formed.
    pub(super) refused: String,
    /// Whether somebody looked at it.
    pub(super) checked: bool,
    pub(super) problems: usize,
    pub(super) elsewhere: Vec<String>,
    /// Its lines with what is wrong with each; empty when nothing is.
    pub(super) listing: Vec<CodeLine>,
    pub(super) tests: Vec<TestRow>,
}

/// A line of a text with what is wrong with it.
pub(super) struct CodeLine {
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) problems: Vec<(usize, String)>,
}

pub(super) struct TestRow {
    pub(super) name: String,
    pub(super) passed: bool,
    pub(super) failures: Vec<(usize, String, Vec<String>)>,
}

impl Draft {
    /// A text that nobody looked at yet.
    pub(super) fn of(text: String, made_from: i64) -> Self {
        Self { text, made_from, ..Self::default() }
    }

    /// What was written and what came of looking at it.
    fn looked_at(written: Written, checked: &CheckedRule, refused: String) -> Self {
        let problems = checked.problems.len();
        Self {
            note: written.note,
            made_from: written.made_from,
            refused,
            checked: true,
            problems,
            elsewhere: checked.elsewhere.iter().map(ToString::to_string).collect(),
            listing: if problems > 0 { listing(&written.text, checked) } else { Vec::new() },
            tests: tests(checked),
            text: written.text,
        }
    }

    /// How many of its tests fail.
    pub(super) fn failed(&self) -> usize {
        self.tests.iter().filter(|test| !test.passed).count()
    }
}

fn listing(text: &str, checked: &CheckedRule) -> Vec<CodeLine> {
    let line = |(at, text): (usize, &str)| CodeLine {
        number: at + 1,
        text: text.to_owned(),
        problems: checked
            .problems
            .iter()
            .filter(|problem| problem.line == at + 1)
            .map(|problem| (problem.column, problem.message.clone()))
            .collect(),
    };
    text.lines().enumerate().map(line).collect()
}

fn tests(checked: &CheckedRule) -> Vec<TestRow> {
    let outcomes = checked.outcomes.iter();
    outcomes
        .map(|outcome| TestRow {
            name: outcome.test.clone(),
            passed: outcome.passed(),
            failures: outcome
                .failures
                .iter()
                .map(|failure| {
                    let told = format!(
                        "the {} should be {}, got {}",
                        failure.what, failure.expected, failure.got
                    );
                    (failure.line, told, failure.history.clone())
                })
                .collect(),
        })
        .collect()
}

pub(super) async fn put_rule(
    acting: Acting,
    state: State<AppState>,
    Path(id): Path<String>,
    form: Form<Written>,
) -> Page {
    put(acting, state, RuleKind::Rule, Some(&id), form).await
}

pub(super) async fn put_playbook(
    acting: Acting,
    state: State<AppState>,
    Path(id): Path<String>,
    form: Form<Written>,
) -> Page {
    put(acting, state, RuleKind::Playbook, Some(&id), form).await
}

pub(super) async fn put_new_rule(
    acting: Acting,
    state: State<AppState>,
    form: Form<Written>,
) -> Page {
    put(acting, state, RuleKind::Rule, None, form).await
}

pub(super) async fn put_new_playbook(
    acting: Acting,
    state: State<AppState>,
    form: Form<Written>,
) -> Page {
    put(acting, state, RuleKind::Playbook, None, form).await
}

/// Looks at a text, of what has this id or of something new, and keeps it when that was asked for.
async fn put(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    kind: RuleKind,
    id: Option<&str>,
    Form(mut written): Form<Written>,
) -> Page {
    allowed(&viewer)?;
    written.text = with_line_breaks(&written.text);
    let handle = state.handle();
    let checked = handle.check_rule(kind, written.text.clone()).await;
    let mut refused = String::new();
    if written.act == "save" && checked.is_good() {
        let new = NewRuleText {
            kind,
            id: id.unwrap_or_default().to_owned(),
            made_from: if id.is_some() { written.made_from } else { 0 },
            text: written.text.clone(),
            note: written.note.trim().to_owned(),
            by: viewer.name.clone(),
        };
        match handle.save_rule(new).await {
            Ok((kept, version)) => {
                let told = match (id, kind) {
                    (Some(_), _) => format!("Version {version} is in force."),
                    (None, RuleKind::Rule) => {
                        "The rule is in force, and begins in shadow (G10).".to_owned()
                    }
                    (None, RuleKind::Playbook) => {
                        "The playbook can be named by rules now.".to_owned()
                    }
                };
                return Ok(back(&path_of(kind, &kept), Ok(told)));
            }
            Err(error) => refused = error.to_string(),
        }
    }
    let is_good = refused.is_empty() && checked.is_good();
    let draft = Draft::looked_at(written, &checked, refused);
    let page = whole(&state, &viewer, kind, id, Asked::default(), Some(draft), None).await;
    if is_good { page } else { wrong(page) }
}

/// Browsers send the ends of lines as two letters.
fn with_line_breaks(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
