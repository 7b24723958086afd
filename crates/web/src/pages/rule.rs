//! One rule or playbook: its sentence, its text, its tests, its versions, and what it may do.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use mendpoint_incidents::{HealMode, Rule, ThresholdOverride};
use mendpoint_model::{Priority, UnixMs};
use mendpoint_pipeline::{CheckedRule, Handle, NewRuleText, ReplayStatus, RuleEdits, RuleKind};
use mendpoint_store::RuleTextRow;
use serde::Deserialize;

use super::errors::{Page, PageError, back, render, wrong};
use super::shadow::{self, ShadowView};
use crate::diff;
use crate::pages::extract::{Form, Query};
use crate::place::Moment;
use crate::sentence::{FIELDS, STATUSES, Sentence};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;
use crate::{AppState, targets, url};

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

/// What a new playbook begins with.
const PLAYBOOK: &str = "id = \"my_playbook\"\nversion = 1\ntitle = \"What it does\"\ndescription = \
                        \"Asks for the status, then restarts the charger.\"\nladder = [\"L1\", \
                        \"L4\"]\n";

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

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// A version to compare with the one before it.
    version: Option<i64>,
    done: Option<String>,
    error: Option<String>,
}

/// What a form of a text sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    text: String,
    note: String,
    made_from: i64,
    act: String,
}

/// A line of a text with what is wrong with it.
struct CodeLine {
    number: usize,
    text: String,
    problems: Vec<(usize, String)>,
}

struct TestRow {
    name: String,
    passed: bool,
    failures: Vec<(usize, String, Vec<String>)>,
}

struct VersionRow {
    version: i64,
    at: Moment,
    by: String,
    note: String,
    is_current: bool,
    is_empty: bool,
    href: String,
}

struct ThresholdRow {
    name: String,
    about: String,
    default: String,
    limits: String,
}

struct OverrideRow {
    name: String,
    kind: String,
    target: String,
    value: String,
    by: String,
    at: Moment,
}

/// What is known of a rule besides its text.
struct Facts {
    sentence: String,
    priority: &'static str,
    severity: u8,
    clears: Vec<String>,
    is_on: bool,
    mode: &'static str,
    mode_sentence: &'static str,
    heals: bool,
    shadow_until: Option<Moment>,
    thresholds: Vec<ThresholdRow>,
    overrides: Vec<OverrideRow>,
    /// What it would have done in the past, newest first: address, sentence, when and by whom.
    replays: Vec<(String, String, String)>,
}

#[derive(Template)]
#[template(path = "rule.html")]
struct RulePage {
    shell: Shell,
    kind: &'static str,
    is_new: bool,
    id: String,
    title: String,
    path: String,
    origin: String,
    facts: Option<Facts>,
    modes: Vec<&'static str>,
    set_aside: Vec<String>,
    text: String,
    note: String,
    made_from: i64,
    problems: usize,
    elsewhere: Vec<String>,
    listing: Vec<CodeLine>,
    checked: bool,
    tests: Vec<TestRow>,
    refused: String,
    versions: Vec<VersionRow>,
    compared: String,
    diff: Vec<diff::Line>,
    is_edited: bool,
    in_file: bool,
    may_change: bool,
    is_admin: bool,
    builder: Option<Builder>,
    shadow_href: String,
    seen: Option<ShadowView>,
}

/// The sentence builder.
struct Builder {
    sentence: Sentence,
    words: String,
    problem: String,
    playbooks: Vec<(String, String)>,
    asked: bool,
}

/// What is shown besides what is kept.
#[derive(Default)]
struct Shown {
    written: Option<Written>,
    checked: Option<CheckedRule>,
    refused: String,
}

async fn rule(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Page {
    whole(&state, &viewer, RuleKind::Rule, &id, asked, Shown::default()).await
}

async fn playbook(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Page {
    whole(&state, &viewer, RuleKind::Playbook, &id, asked, Shown::default()).await
}

fn path_of(kind: RuleKind, id: &str) -> String {
    format!("/{}s/{}", kind.name(), url::encode(id))
}

/// The title and the text that holds, and the name of its file.
fn held(handle: &Handle, kind: RuleKind, id: &str) -> Option<(String, Arc<str>, String)> {
    let catalogue = handle.catalogue();
    match kind {
        RuleKind::Rule => catalogue
            .rule(id)
            .map(|rule| (rule.title.clone(), Arc::clone(&rule.source), rule.file.clone())),
        RuleKind::Playbook => catalogue
            .playbook(id)
            .map(|book| (book.title.clone(), Arc::clone(&book.source), book.file.clone())),
    }
}

async fn whole(
    state: &AppState,
    viewer: &Viewer,
    kind: RuleKind,
    id: &str,
    asked: Asked,
    shown: Shown,
) -> Page {
    let handle = state.handle();
    let edits = handle.rule_edits();
    let held = held(handle, kind, id);
    let versions = handle.store().rule_versions(kind.name(), id).await?;
    if held.is_none() && versions.is_empty() {
        let noun = kind.name();
        return Err(PageError::not_found(format!("There is no {noun} {id}.")));
    }
    let now = handle.now();
    let newest = edits.version(kind, id);
    let edited = edits.text(kind, id);
    let aside: Vec<String> = edits
        .set_aside
        .iter()
        .filter(|(of, name, _)| *of == kind && name == id)
        .flat_map(|(_, _, problems)| problems.iter().map(ToString::to_string))
        .collect();
    let (title, source, file) =
        held.unwrap_or_else(|| (id.to_owned(), Arc::from(""), String::new()));
    let origin = match edited {
        Some(_) if !aside.is_empty() => "the edit is set aside, the file holds".to_owned(),
        Some(row) => format!("edited here: version {} by {}", row.version, row.saved_by),
        None if source.is_empty() => "taken away; its versions are kept".to_owned(),
        None => format!("as in {file}"),
    };
    // An edit that is set aside is what somebody will want to mend.
    let text = edited.map_or_else(|| source.to_string(), |row| row.text.clone());
    let path = path_of(kind, id);
    let (compared, diff) = compare(handle, kind, id, &versions, asked.version);
    let rule = handle.catalogue().rule(id).filter(|_| kind == RuleKind::Rule).cloned();
    let seen = match &rule {
        Some(rule) => shadow::view(handle, rule).await?,
        None => None,
    };
    let mut page = RulePage {
        seen,
        shell: Shell::new(state, viewer, "rules", &title)
            .await
            .with_messages(asked.done, asked.error),
        kind: kind.name(),
        is_new: false,
        id: id.to_owned(),
        title,
        origin,
        facts: rule.map(|rule| facts(handle, &edits, &rule, now)),
        modes: MODES.iter().map(|(_, word, _)| *word).collect(),
        set_aside: aside,
        text,
        note: String::new(),
        made_from: newest,
        problems: 0,
        elsewhere: Vec::new(),
        listing: Vec::new(),
        checked: false,
        tests: Vec::new(),
        refused: shown.refused,
        versions: versions.iter().map(|row| version(row, newest, &path, now)).collect(),
        compared,
        diff,
        is_edited: edited.is_some(),
        in_file: match kind {
            RuleKind::Rule => handle.rule_files().rule(id).is_some(),
            RuleKind::Playbook => handle.rule_files().playbook(id).is_some(),
        },
        may_change: viewer.manages_cards(),
        is_admin: viewer.is_admin(),
        builder: None,
        shadow_href: format!("/incidents?tab=all&rule={}", url::encode(id)),
        path,
    };
    page.show(shown.written, shown.checked);
    render(page)
}

impl RulePage {
    /// Shows what was written and what came of looking at it.
    fn show(&mut self, written: Option<Written>, checked: Option<CheckedRule>) {
        if let Some(written) = written {
            self.text = written.text;
            self.note = written.note;
            self.made_from = written.made_from;
        }
        let Some(checked) = checked else { return };
        self.checked = true;
        self.problems = checked.problems.len();
        self.elsewhere = checked.elsewhere.iter().map(ToString::to_string).collect();
        if self.problems > 0 {
            self.listing = self
                .text
                .lines()
                .enumerate()
                .map(|(at, text)| CodeLine {
                    number: at + 1,
                    text: text.to_owned(),
                    problems: checked
                        .problems
                        .iter()
                        .filter(|problem| problem.line == at + 1)
                        .map(|problem| (problem.column, problem.message.clone()))
                        .collect(),
                })
                .collect();
        }
        self.tests = checked
            .outcomes
            .iter()
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
            .collect();
    }

    fn failed(&self) -> usize {
        self.tests.iter().filter(|test| !test.passed).count()
    }
}

/// A version beside the one before it, or beside the file.
fn compare(
    handle: &Handle,
    kind: RuleKind,
    id: &str,
    versions: &[RuleTextRow],
    wanted: Option<i64>,
) -> (String, Vec<diff::Line>) {
    let Some(at) = wanted.and_then(|wanted| versions.iter().position(|row| row.version == wanted))
    else {
        return (String::new(), Vec::new());
    };
    let files = handle.rule_files();
    let file = match kind {
        RuleKind::Rule => files.rule(id).map(|rule| rule.source.to_string()),
        RuleKind::Playbook => files.playbook(id).map(|book| book.source.to_string()),
    };
    let file = file.unwrap_or_default();
    let text = |row: Option<&RuleTextRow>| match row {
        Some(row) if !row.text.is_empty() => (format!("version {}", row.version), row.text.clone()),
        _ => ("the file".to_owned(), file.clone()),
    };
    let (before, old) = text(versions.get(at + 1));
    let (_, new) = text(versions.get(at));
    (format!("Version {} beside {before}", versions[at].version), diff::lines(&old, &new))
}

fn version(row: &RuleTextRow, newest: i64, path: &str, now: UnixMs) -> VersionRow {
    VersionRow {
        version: row.version,
        at: Moment::new(now, row.saved_at),
        by: row.saved_by.clone(),
        note: row.note.clone(),
        is_current: row.version == newest,
        is_empty: row.text.is_empty(),
        href: format!("{path}?version={}#diff", row.version),
    }
}

fn facts(handle: &Handle, edits: &RuleEdits, rule: &Rule, now: UnixMs) -> Facts {
    let (mode, mode_sentence) = mode_words(rule.auto_heal);
    Facts {
        sentence: sentence(rule),
        priority: Priority::of_severity(rule.severity).name(),
        severity: rule.severity,
        clears: rule.clear_text.clone(),
        is_on: rule.enabled,
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

/// What replays of the past made of a rule, the last three.
fn replays(handle: &Handle, id: &str) -> Vec<(String, String, String)> {
    let all = handle.replays().all();
    all.iter()
        .filter_map(|view| {
            let ReplayStatus::Done(report) = &view.status else { return None };
            let found = report.rules.iter().find(|rule| rule.rule == id)?;
            let when = format!("{} by {}", view.started_at.rfc3339(), view.ask.by);
            Some((format!("/rules/replay/{}", view.id), found.sentence.clone(), when))
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

async fn put_rule(
    acting: Acting,
    state: State<AppState>,
    path: Path<String>,
    form: Form<Written>,
) -> Page {
    put(acting, state, RuleKind::Rule, path, form).await
}

async fn put_playbook(
    acting: Acting,
    state: State<AppState>,
    path: Path<String>,
    form: Form<Written>,
) -> Page {
    put(acting, state, RuleKind::Playbook, path, form).await
}

/// Looks at a text, and keeps it when that was asked for.
async fn put(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    kind: RuleKind,
    Path(id): Path<String>,
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
            id: id.clone(),
            made_from: written.made_from,
            text: written.text.clone(),
            note: written.note.trim().to_owned(),
            by: viewer.name.clone(),
        };
        match handle.save_rule(new).await {
            Ok((id, version)) => {
                let told = format!("Version {version} is in force.");
                return Ok(back(&path_of(kind, &id), Ok(told)));
            }
            Err(error) => refused = error.to_string(),
        }
    }
    let is_good = refused.is_empty() && checked.is_good();
    let shown = Shown { written: Some(written), checked: Some(checked), refused };
    let page = whole(&state, &viewer, kind, &id, Asked::default(), shown).await;
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

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Version {
    version: i64,
}

async fn take_back_rule(
    acting: Acting,
    state: State<AppState>,
    path: Path<String>,
    form: Form<Version>,
) -> Page {
    take_back(acting, state, RuleKind::Rule, path, form).await
}

async fn take_back_playbook(
    acting: Acting,
    state: State<AppState>,
    path: Path<String>,
    form: Form<Version>,
) -> Page {
    take_back(acting, state, RuleKind::Playbook, path, form).await
}

async fn take_back(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    kind: RuleKind,
    Path(id): Path<String>,
    Form(form): Form<Version>,
) -> Page {
    allowed(&viewer)?;
    let done = state.handle().take_back_rule(kind, &id, form.version, &viewer.name).await;
    let told = match done {
        Ok(_) if form.version == 0 => Ok("It is as in its file again.".to_owned()),
        Ok(version) => {
            Ok(format!("Version {} is in force again, as version {version}.", form.version))
        }
        Err(error) => Err(error.to_string()),
    };
    let gone = held(state.handle(), kind, &id).is_none();
    let to = if gone { "/rules".to_owned() } else { path_of(kind, &id) };
    Ok(back(&to, told))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Switch {
    on: String,
}

async fn switch(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Form(form): Form<Switch>,
) -> Page {
    allowed(&viewer)?;
    let is_on = form.on == "1";
    let told = state
        .handle()
        .set_rule_on(&id, is_on, &viewer.name)
        .await
        .map(|()| if is_on { "The rule is on.".to_owned() } else { "The rule is off.".to_owned() })
        .map_err(|error| error.to_string());
    Ok(back(&path_of(RuleKind::Rule, &id), told))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mode {
    mode: String,
    at_once: String,
}

async fn mode(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Form(form): Form<Mode>,
) -> Page {
    allowed(&viewer)?;
    let to = path_of(RuleKind::Rule, &id);
    let Some((mode, _, sentence)) = MODES.into_iter().find(|(_, word, _)| *word == form.mode)
    else {
        return Ok(back(&to, Err("A mode is off, shadow, approve or on.".to_owned())));
    };
    // Only an administrator may say that a new rule need not be watched first.
    let at_once = form.at_once == "1" && viewer.is_admin();
    let told = state
        .handle()
        .set_rule_mode(&id, mode, at_once, &viewer.name)
        .await
        .map(|()| format!("From now on {sentence}."))
        .map_err(|error| error.to_string());
    Ok(back(&to, told))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Setting {
    kind: String,
    target: String,
    name: String,
    value: String,
}

async fn set_threshold(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Form(form): Form<Setting>,
) -> Page {
    allowed(&viewer)?;
    let to = path_of(RuleKind::Rule, &id);
    let handle = state.handle();
    let target = match targets::read(handle, &form.kind, &form.target) {
        Ok(target) => target,
        Err(why) => return Ok(back(&to, Err(why))),
    };
    let name = form.name.clone();
    let own = ThresholdOverride { rule: id, target, name: form.name, value: form.value.clone() };
    let told = handle
        .set_threshold(own, &viewer.name)
        .await
        .map(|()| format!("{name} is {} for {} now.", form.value.trim(), form.target.trim()))
        .map_err(|error| error.to_string());
    Ok(back(&to, told))
}

async fn clear_threshold(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Form(form): Form<Setting>,
) -> Page {
    allowed(&viewer)?;
    let to = path_of(RuleKind::Rule, &id);
    let handle = state.handle();
    // By what was shown, so that one of a site that is gone can be taken back, too.
    let edits = handle.rule_edits();
    let row = edits.thresholds_of(&id).find(|row| {
        row.target_kind == form.kind
            && row.name == form.name
            && targets::words(handle, row) == form.target
    });
    let Some(target) = row.and_then(targets::kept) else {
        return Ok(back(&to, Err("That was taken back already.".to_owned())));
    };
    let told = handle
        .clear_threshold(&id, &target, &form.name, &viewer.name)
        .await
        .map(|_| format!("{} for {} is as in the rule again.", form.name, form.target))
        .map_err(|error| error.to_string());
    Ok(back(&to, told))
}

async fn reload(Acting(viewer): Acting, State(state): State<AppState>) -> Page {
    allowed(&viewer)?;
    let told = state
        .handle()
        .reload_rules(&viewer.name)
        .await
        .map(|count| format!("The files were read again: {count} rules. Timers and counts go on."))
        .map_err(|error| error.to_string());
    Ok(back("/rules", told))
}

async fn new_rule(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(sentence): Query<Sentence>,
) -> Page {
    let catalogue = state.handle().catalogue();
    let asked = !sentence.field.is_empty();
    let sentence = if asked { sentence } else { Sentence::example() };
    let made = if asked { sentence.rule(&catalogue) } else { Ok(String::new()) };
    let (text, problem) = match made {
        Ok(text) => (text, String::new()),
        Err(why) => (String::new(), why),
    };
    let builder = Builder {
        words: sentence.words(),
        sentence,
        problem,
        playbooks: catalogue
            .playbooks()
            .iter()
            .map(|book| (book.id.clone(), book.title.clone()))
            .collect(),
        asked,
    };
    let written = Written { text, ..Written::default() };
    fresh(
        &state,
        &viewer,
        RuleKind::Rule,
        Some(builder),
        Shown { written: Some(written), ..Shown::default() },
    )
    .await
}

async fn new_playbook(viewer: Viewer, State(state): State<AppState>) -> Page {
    let written = Written { text: PLAYBOOK.to_owned(), ..Written::default() };
    let shown = Shown { written: Some(written), ..Shown::default() };
    fresh(&state, &viewer, RuleKind::Playbook, None, shown).await
}

async fn put_new_rule(acting: Acting, state: State<AppState>, form: Form<Written>) -> Page {
    put_new(acting, state, RuleKind::Rule, form).await
}

async fn put_new_playbook(acting: Acting, state: State<AppState>, form: Form<Written>) -> Page {
    put_new(acting, state, RuleKind::Playbook, form).await
}

async fn put_new(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    kind: RuleKind,
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
            id: String::new(),
            made_from: 0,
            text: written.text.clone(),
            note: written.note.trim().to_owned(),
            by: viewer.name.clone(),
        };
        match handle.save_rule(new).await {
            Ok((id, _)) => {
                let told = match kind {
                    RuleKind::Rule => "The rule is in force, and begins in shadow (G10).",
                    RuleKind::Playbook => "The playbook can be named by rules now.",
                };
                return Ok(back(&path_of(kind, &id), Ok(told.to_owned())));
            }
            Err(error) => refused = error.to_string(),
        }
    }
    let is_good = refused.is_empty() && checked.is_good();
    let shown = Shown { written: Some(written), checked: Some(checked), refused };
    let page = fresh(&state, &viewer, kind, None, shown).await;
    if is_good { page } else { wrong(page) }
}

/// The page of something that is not kept yet.
async fn fresh(
    state: &AppState,
    viewer: &Viewer,
    kind: RuleKind,
    builder: Option<Builder>,
    shown: Shown,
) -> Page {
    let title = format!("New {}", kind.name());
    let mut page = RulePage {
        shell: Shell::new(state, viewer, "rules", &title).await,
        kind: kind.name(),
        is_new: true,
        id: String::new(),
        title: String::new(),
        path: format!("/{}s/new", kind.name()),
        origin: String::new(),
        facts: None,
        modes: Vec::new(),
        set_aside: Vec::new(),
        text: String::new(),
        note: String::new(),
        made_from: 0,
        problems: 0,
        elsewhere: Vec::new(),
        listing: Vec::new(),
        checked: false,
        tests: Vec::new(),
        refused: shown.refused,
        versions: Vec::new(),
        compared: String::new(),
        diff: Vec::new(),
        is_edited: false,
        in_file: false,
        may_change: viewer.manages_cards(),
        is_admin: viewer.is_admin(),
        builder,
        shadow_href: String::new(),
        seen: None,
    };
    page.show(shown.written, shown.checked);
    render(page)
}
