//! The text of a rule or playbook: what somebody wrote, what came of looking at it, and keeping it.
//!
//! A playbook and the tests of the rules that heal with it change together or not at all: such texts
//! stand below each other in one form and are kept in one go.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use mendpoint_incidents::{HealMode, Rule};
use mendpoint_pipeline::{CheckedRule, Handle, NewRuleText, RuleDraft, RuleKind, rule_digest};

use super::page::{Asked, held, whole};
use super::{allowed, path_of};
use crate::AppState;
use crate::diff;
use crate::pages::errors::{Page, back, wrong};
use crate::pages::extract::Form;
use crate::place::Moment;
use crate::session::{Acting, Viewer};

/// How many texts are saved together at most.
const TOGETHER_MAX: usize = 8;

/// What a form of texts sent: one, and others that are to be saved together with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    text: String,
    note: String,
    made_from: i64,
    act: String,
    /// Kind, id, the version it was made from, text.
    with: Vec<(RuleKind, String, i64, String)>,
}

impl Written {
    /// Reads a form; the fields of the n-th other text end with `_n`.
    fn of(mut fields: BTreeMap<String, String>) -> Self {
        let mut take = |name: &str| fields.remove(name).unwrap_or_default();
        let mut with = Vec::new();
        for n in 1..TOGETHER_MAX {
            let kind = RuleKind::from_name(&take(&format!("kind_{n}")));
            let (id, text) = (take(&format!("id_{n}")), take(&format!("text_{n}")));
            let made_from = take(&format!("made_from_{n}")).parse().unwrap_or_default();
            with.extend(kind.map(|kind| (kind, id, made_from, with_line_breaks(&text))));
        }
        // The second is the button that was pressed beside a choice.
        let act = take("act");
        let act = if act == "with" { format!("with:{}", take("with")) } else { act };
        Self {
            text: with_line_breaks(&take("text")),
            note: take("note"),
            made_from: take("made_from").parse().unwrap_or_default(),
            act,
            with,
        }
    }
}

/// A text as it stands in the form, with what came of looking at it.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) note: String,
    pub(super) made_from: i64,
    /// It would be in force at once, and nobody tried it on the past.
    pub(super) is_untried: bool,
    /// Why it was not kept although it is well formed.
    pub(super) refused: String,
    /// What somebody kept since it was made.
    pub(super) newer: Option<Newer>,
    /// Whether somebody looked at it.
    pub(super) checked: bool,
    pub(super) problems: usize,
    pub(super) elsewhere: Vec<String>,
    /// Its lines with what is wrong with each; empty when nothing is.
    pub(super) listing: Vec<CodeLine>,
    pub(super) tests: Vec<TestRow>,
    /// What is saved together with it.
    pub(super) with: Vec<Companion>,
    /// What it does not fit to as it stands, and could be changed together with it: kind, id.
    pub(super) offered: Vec<(&'static str, String)>,
}

/// Another text that is to be saved together with the one of the page.
pub(super) struct Companion {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) draft: Draft,
}

/// What somebody kept since a text was made, beside that text.
pub(super) struct Newer {
    /// What it is, as a sentence.
    pub(super) words: String,
    /// Where what it changed stands.
    pub(super) href: String,
    pub(super) version: i64,
    /// What the text would change about it.
    pub(super) diff: Vec<diff::Line>,
}

impl Newer {
    /// What is newer than the version that a text was made from.
    fn than(handle: &Handle, kind: RuleKind, id: &str, made_from: i64, text: &str) -> Option<Self> {
        let newer = handle.newer_than(kind, id, made_from)?;
        let (_, kept, _) = held(handle, kind, id)?;
        let by = if newer.saved_by.is_empty() { "somebody" } else { newer.saved_by.as_str() };
        let when = newer.saved_at.map(|at| Moment::new(handle.now(), at).full);
        let when = when.map_or_else(String::new, |when| format!(" on {when}"));
        let words = match newer.version {
            0 => format!("The {} {id} is as in its file again", kind.name()),
            version => {
                format!("{by} kept version {version} of the {} {id}{when}", kind.name())
            }
        };
        Some(Self {
            words: format!("{words}, after this text was begun."),
            href: match newer.version {
                0 => path_of(kind, id),
                version => format!("{}?version={version}#diff", path_of(kind, id)),
            },
            version: newer.version,
            diff: diff::lines(&kept, text),
        })
    }
}

/// A line of a text with what is wrong with it.
pub(super) struct CodeLine {
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) problems: Vec<(usize, String)>,
}

pub(super) struct TestRow {
    /// The rule it is of, where that is not the one of the text.
    pub(super) of: String,
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
    fn looked_at(
        handle: &Handle,
        kind: RuleKind,
        written: Written,
        all: &[CheckedRule],
        refused: String,
    ) -> Self {
        let none = CheckedRule::default();
        let mut checked = all.iter();
        let mut draft = Self::of_one(written.text, written.made_from, checked.next());
        let known: Vec<(RuleKind, String)> =
            written.with.iter().map(|(kind, id, ..)| (*kind, id.clone())).collect();
        let mut offered = offers(handle, kind, all.first().unwrap_or(&none));
        for (kind, id, made_from, text) in written.with {
            let one = checked.next();
            offered.extend(offers(handle, kind, one.unwrap_or(&none)));
            let other = Self::of_one(text, made_from, one);
            draft.with.push(Companion { kind: kind.name(), id, draft: other });
        }
        let own = all.first().map(|one| (kind, one.id.clone()));
        for other in &mut draft.with {
            let (of, id) = (RuleKind::from_name(other.kind).unwrap_or(kind), other.id.clone());
            let (made_from, text) = (other.draft.made_from, other.draft.text.clone());
            other.draft.newer = Newer::than(handle, of, &id, made_from, &text);
        }
        offered.retain(|offer| !known.contains(offer) && own.as_ref() != Some(offer));
        offered.sort();
        offered.dedup();
        draft.offered = offered.into_iter().map(|(kind, id)| (kind.name(), id)).collect();
        draft.note = written.note;
        draft.refused = refused;
        draft
    }

    /// One text and what came of looking at it.
    fn of_one(text: String, made_from: i64, checked: Option<&CheckedRule>) -> Self {
        let Some(checked) = checked else { return Self::of(text, made_from) };
        let problems = checked.problems.len();
        Self {
            made_from,
            checked: true,
            problems,
            elsewhere: checked.elsewhere.iter().map(ToString::to_string).collect(),
            listing: if problems > 0 { listing(&text, checked) } else { Vec::new() },
            tests: tests(checked),
            text,
            ..Self::default()
        }
    }

    /// How many of its tests fail.
    pub(super) fn failed(&self) -> usize {
        self.tests.iter().filter(|test| !test.passed).count()
    }
}

/// What a text does not fit to, and could be changed together with it: of a playbook the rules whose
/// tests fail, of a rule whose own tests fail its playbook.
fn offers(handle: &Handle, kind: RuleKind, checked: &CheckedRule) -> Vec<(RuleKind, String)> {
    let mut found: Vec<_> =
        checked.others().into_iter().map(|id| (RuleKind::Rule, id.to_owned())).collect();
    let fails = checked.outcomes.iter().any(|of| !of.passed() && of.rule == checked.id);
    if kind == RuleKind::Rule && fails {
        let rule = checked.rule.clone().or_else(|| handle.catalogue().rule(&checked.id).cloned());
        let playbook = rule.and_then(|rule| rule.playbook.clone());
        found.extend(playbook.map(|id| (RuleKind::Playbook, id)));
    }
    found
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
            of: if outcome.rule == checked.id { String::new() } else { outcome.rule.clone() },
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
    form: Form<BTreeMap<String, String>>,
) -> Page {
    put(acting, state, RuleKind::Rule, Some(&id), form).await
}

pub(super) async fn put_playbook(
    acting: Acting,
    state: State<AppState>,
    Path(id): Path<String>,
    form: Form<BTreeMap<String, String>>,
) -> Page {
    put(acting, state, RuleKind::Playbook, Some(&id), form).await
}

pub(super) async fn put_new_rule(
    acting: Acting,
    state: State<AppState>,
    form: Form<BTreeMap<String, String>>,
) -> Page {
    put(acting, state, RuleKind::Rule, None, form).await
}

pub(super) async fn put_new_playbook(
    acting: Acting,
    state: State<AppState>,
    form: Form<BTreeMap<String, String>>,
) -> Page {
    put(acting, state, RuleKind::Playbook, None, form).await
}

/// Looks at a text, of what has this id or of something new, and at what is to be changed together
/// with it; keeps them when that was asked for.
async fn put(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    kind: RuleKind,
    id: Option<&str>,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Page {
    allowed(&viewer)?;
    let mut written = Written::of(fields);
    let handle = state.handle();
    let asked = written.act.clone();
    let (act, of) = asked.split_once(':').unwrap_or((&asked, ""));
    let (is_save, may_be_untried) = (act.starts_with("save"), act == "save-untried");
    // Somebody saw the newest version, and wants this one in its place.
    if let ("save-over", Ok(seen)) = (act, of.parse()) {
        written.made_from = seen;
    }
    match (act, of.split_once(':')) {
        ("with", Some((kind, of))) => {
            let (kind, of) = (RuleKind::from_name(kind), of.to_owned());
            let known = written.with.iter().any(|(k, id, ..)| Some(*k) == kind && *id == of);
            if let Some(kind) = kind
                && !known
                && written.with.len() + 1 < TOGETHER_MAX
                && let Some((_, text, _)) = held(handle, kind, &of)
            {
                let made_from = handle.rule_edits().version(kind, &of);
                written.with.push((kind, of, made_from, text.to_string()));
            }
        }
        ("without", Some((kind, of))) => {
            let (kind, of) = (kind.to_owned(), of.to_owned());
            written.with.retain(|(known, id, ..)| known.name() != kind || *id != of);
        }
        _ => {}
    }
    let draft = |kind: RuleKind, id: &str, text: &str| RuleDraft {
        kind,
        id: id.to_owned(),
        text: text.to_owned(),
    };
    let others = written.with.iter().map(|(kind, id, _, text)| draft(*kind, id, text));
    let own = draft(kind, id.unwrap_or_default(), &written.text);
    let checked = handle.check_rules(std::iter::once(own).chain(others).collect()).await;
    let all_good = checked.iter().all(CheckedRule::is_good);
    let mut refused = String::new();
    let is_late = id.is_some_and(|id| handle.newer_than(kind, id, written.made_from).is_some())
        || written
            .with
            .iter()
            .any(|(kind, id, made_from, _)| handle.newer_than(*kind, id, *made_from).is_some());
    if is_save && is_late {
        "Nothing was kept: somebody changed it meanwhile.".clone_into(&mut refused);
    }
    let untried = is_save && !may_be_untried && all_good && is_untried(handle, kind, id, &written);
    if is_save && all_good && !untried && !is_late {
        let note = written.note.trim().to_owned();
        let new = |kind, id: String, made_from, text| {
            let (note, by) = (note.clone(), viewer.name.clone());
            NewRuleText { kind, id, made_from, text, note, by }
        };
        let made_from = if id.is_some() { written.made_from } else { 0 };
        let own = id.unwrap_or_default().to_owned();
        let mut all = vec![new(kind, own, made_from, written.text.clone())];
        for (kind, id, made_from, text) in &written.with {
            all.push(new(*kind, id.clone(), *made_from, text.clone()));
        }
        match handle.save_rules(all).await {
            Ok(kept) => {
                let to = kept.first().map(|(id, _)| path_of(kind, id)).unwrap_or_default();
                let on_trial = kept.first().is_some_and(|(id, _)| {
                    handle.catalogue().rule(id).is_some_and(|rule| rule.on_trial)
                });
                return Ok(back(&to, Ok(told(kind, (id.is_none(), on_trial), &kept))));
            }
            Err(error) => refused = error.to_string(),
        }
    }
    let is_good = refused.is_empty() && all_good && !untried;
    let (made_from, text) = (written.made_from, written.text.clone());
    let mut draft = Draft::looked_at(handle, kind, written, &checked, refused);
    draft.is_untried = untried;
    draft.newer = id.and_then(|id| Newer::than(handle, kind, id, made_from, &text));
    let page = whole(&state, &viewer, kind, id, Asked::default(), Some(draft), None).await;
    if is_good { page } else { wrong(page) }
}

/// Whether a text would change a rule that is on, or what one heals with, and nobody tried it on the
/// past (1.10).
fn is_untried(handle: &Handle, kind: RuleKind, id: Option<&str>, written: &Written) -> bool {
    let Some(id) = id else { return false };
    let catalogue = handle.catalogue();
    let mut rules: Vec<(String, String)> = Vec::new();
    let mut playbooks: Vec<(String, String)> = Vec::new();
    let own = (kind, id.to_owned(), written.text.clone());
    let with = written.with.iter().map(|(kind, id, _, text)| (*kind, id.clone(), text.clone()));
    for (kind, id, text) in with.chain([own]) {
        match kind {
            RuleKind::Rule => rules.push((id, text)),
            RuleKind::Playbook => playbooks.push((id, text)),
        }
    }
    let Ok(changed) = catalogue.overlaid(&rules, &playbooks) else { return false };
    let is_changed_and_untried = |rule: &&Arc<Rule>| {
        let digest = rule_digest(&changed, &rule.id);
        digest != rule_digest(&catalogue, &rule.id)
            && digest.is_some_and(|digest| handle.tried_as(&rule.id, &digest).is_none())
    };
    let is_concerned = |rule: &&Arc<Rule>| match kind {
        RuleKind::Rule => rule.id == id,
        RuleKind::Playbook => {
            rule.auto_heal != HealMode::Off && rule.playbook.as_deref() == Some(id)
        }
    };
    catalogue
        .rules()
        .iter()
        .filter(|rule| rule.enabled)
        .filter(is_concerned)
        .any(|rule| is_changed_and_untried(&rule))
}

/// What was kept, for the person who kept it.
fn told(kind: RuleKind, (is_new, on_trial): (bool, bool), kept: &[(String, i64)]) -> String {
    let (own, others) = kept.split_first().map_or((1, kept), |(own, others)| (own.1, others));
    let mut words = match (is_new, kind) {
        (false, _) => format!("Version {own} is in force."),
        (true, RuleKind::Rule) if !on_trial => {
            "The rule is kept and off: try it on the past, then switch it on.".to_owned()
        }
        (true, RuleKind::Rule) => {
            "The rule is kept and on trial: nobody is told of what it finds until it is switched on."
                .to_owned()
        }
        (true, RuleKind::Playbook) => "The playbook can be named by rules now.".to_owned(),
    };
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|(id, _)| id.as_str()).collect();
        words = format!("{words} Together with it: {}.", names.join(", "));
    }
    words
}

/// A text that was asked back and does not fit any more, with what it does not fit to.
pub(super) async fn unfit(
    state: &AppState,
    viewer: &Viewer,
    kind: RuleKind,
    id: &str,
    text: String,
    note: String,
) -> Page {
    let handle = state.handle();
    let draft = RuleDraft { kind, id: id.to_owned(), text: text.clone() };
    let checked = handle.check_rules(vec![draft]).await;
    let made_from = handle.rule_edits().version(kind, id);
    let written = Written { text, note, made_from, ..Written::default() };
    let draft = Draft::looked_at(handle, kind, written, &checked, String::new());
    wrong(whole(state, viewer, kind, Some(id), Asked::default(), Some(draft), None).await)
}

/// Browsers send the ends of lines as two letters.
fn with_line_breaks(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
