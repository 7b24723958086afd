//! Rules and playbooks: their texts, versions and thresholds, and what they may do.

use axum::Json;
use axum::extract::State;
use mendpoint_incidents::{Playbook, Rule, Target, ThresholdOverride};
use mendpoint_pipeline::{CheckedRule, Handle, NewRuleText, RuleEdits, RuleKind};
use mendpoint_store::RuleTextRow;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::auth::{Caller, Operator};
use super::error::{ApiError, Result};
use super::extract::{Body, Path};
use super::json::{Page, time};
use crate::{AppState, targets};

/// How many texts are kept together at most.
const TOGETHER_MAX: usize = 8;

/// A rule in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RuleJson {
    id: String,
    /// The version that the text gives itself.
    version: u32,
    title: String,
    description: String,
    condition: String,
    clear: Vec<String>,
    /// What one incident is about: `connector`, `charger`, `site`, `cohort` or `fleet`.
    scope: &'static str,
    severity: u8,
    labels: Vec<String>,
    playbook: Option<String>,
    /// `off`, `shadow`, `approve` or `on`.
    auto_heal: &'static str,
    /// How many tests it has.
    tests: usize,
    /// Whether it opens incidents.
    on: bool,
    /// Whether it is on trial: it opens nothing, and what it would open is under `/shadow`.
    on_trial: bool,
    /// Whether it is off, was edited or made here, and nobody tried it on the past as it stands.
    untried: bool,
    /// Until when it stays in shadow because it is new (G10); RFC 3339.
    shadow_until: Option<String>,
    /// The version edited here; 0 for the file's.
    edited_version: i64,
    /// The edit does not fit the files any more: what is wrong with it.
    set_aside: Vec<String>,
    thresholds: Vec<ThresholdJson>,
}

/// A number of a rule that may be set otherwise for some chargers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ThresholdJson {
    name: String,
    about: String,
    default: String,
    min: String,
    max: String,
    /// Where it is set otherwise.
    set: Vec<OverrideJson>,
}

/// A threshold set otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OverrideJson {
    /// `site`, `charger` or `model`.
    kind: String,
    /// The site's name, the charger's identity, or `Vendor / Model`.
    target: String,
    value: String,
    set_by: String,
    /// RFC 3339.
    set_at: Option<String>,
}

fn rule_json(handle: &Handle, edits: &RuleEdits, rule: &Rule) -> RuleJson {
    let aside = edits.set_aside.iter().filter(|(_, id, _)| *id == rule.id);
    let set = |name: &str| {
        edits
            .thresholds_of(&rule.id)
            .filter(|row| row.name == name)
            .map(|row| OverrideJson {
                kind: row.target_kind.clone(),
                target: targets::words(handle, row),
                value: row.setting.clone(),
                set_by: row.set_by.clone(),
                set_at: time(Some(row.set_at)),
            })
            .collect()
    };
    RuleJson {
        id: rule.id.clone(),
        version: rule.version,
        title: rule.title.clone(),
        description: rule.description.clone(),
        condition: rule.condition_text.clone(),
        clear: rule.clear_text.clone(),
        scope: rule.scope.name(),
        severity: rule.severity,
        labels: rule.labels.clone(),
        playbook: rule.playbook.clone(),
        auto_heal: crate::pages::rule::mode_words(rule.auto_heal).0,
        tests: rule.tests.len(),
        on: rule.enabled,
        on_trial: rule.on_trial,
        untried: handle.is_untried(&rule.id),
        shadow_until: time(handle.in_shadow_until(&rule.id)),
        edited_version: edits.text(RuleKind::Rule, &rule.id).map_or(0, |row| row.version),
        set_aside: aside.flat_map(|(_, _, why)| why.iter().map(ToString::to_string)).collect(),
        thresholds: rule
            .thresholds
            .iter()
            .map(|threshold| ThresholdJson {
                name: threshold.name.clone(),
                about: threshold.about.clone(),
                default: threshold.default.clone(),
                min: threshold.min.clone(),
                max: threshold.max.clone(),
                set: set(&threshold.name),
            })
            .collect(),
    }
}

pub(super) async fn list(_: Caller, State(state): State<AppState>) -> Json<Page<RuleJson>> {
    let handle = state.handle();
    let (catalogue, edits) = (handle.catalogue(), handle.rule_edits());
    let items = catalogue.rules().iter().map(|rule| rule_json(handle, &edits, rule)).collect();
    Json(Page { items, next: None })
}

/// A rule or playbook with its text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TextJson {
    id: String,
    /// `rule` or `playbook`.
    kind: String,
    /// The newest version kept here; 0 while it was never edited. Send it back as `made_from`.
    version: i64,
    /// The text that holds, in TOML.
    text: String,
    /// Of a rule: what is known of it besides.
    rule: Option<RuleJson>,
}

fn text_json(handle: &Handle, kind: RuleKind, id: &str) -> Result<TextJson> {
    let (catalogue, edits) = (handle.catalogue(), handle.rule_edits());
    let (text, rule) = match kind {
        RuleKind::Rule => {
            let rule = catalogue.rule(id);
            (rule.map(|rule| rule.source.to_string()), rule)
        }
        RuleKind::Playbook => (
            catalogue.playbook(id).map(|book: &std::sync::Arc<Playbook>| book.source.to_string()),
            None,
        ),
    };
    let missing = || ApiError::not_found(format!("there is no {} {id}", kind.name()));
    Ok(TextJson {
        id: id.to_owned(),
        kind: kind.name().to_owned(),
        version: edits.version(kind, id),
        text: text.ok_or_else(missing)?,
        rule: rule.map(|rule| rule_json(handle, &edits, rule)),
    })
}

pub(super) async fn rule(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<TextJson>> {
    Ok(Json(text_json(state.handle(), RuleKind::Rule, &id)?))
}

pub(super) async fn playbook(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<TextJson>> {
    Ok(Json(text_json(state.handle(), RuleKind::Playbook, &id)?))
}

pub(super) async fn playbooks(_: Caller, State(state): State<AppState>) -> Json<Page<Value>> {
    let items = state
        .handle()
        .catalogue()
        .playbooks()
        .iter()
        .map(|book| json!({ "id": book.id, "version": book.version, "title": book.title }))
        .collect();
    Json(Page { items, next: None })
}

/// A text to be kept, or only looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutText {
    /// In TOML.
    text: String,
    /// Why, for the list of versions.
    #[serde(default)]
    note: String,
    /// The version it was made from, so that nobody's change is lost; 0 for the file's.
    #[serde(default)]
    made_from: i64,
    /// For a look: `rule` (when left out) or `playbook`.
    #[serde(default)]
    kind: String,
}

/// What came of looking at a text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckJson {
    id: String,
    /// Whether it could be kept.
    good: bool,
    problems: Vec<ProblemJson>,
    tests: Vec<TestJson>,
}

/// A mistake, with its place.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemJson {
    /// The file's name; `edited rule ID` for the text itself.
    file: String,
    line: usize,
    column: usize,
    message: String,
}

/// A test and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestJson {
    /// The rule whose test it is.
    rule: String,
    name: String,
    passed: bool,
    failures: Vec<String>,
}

fn check_json(checked: &CheckedRule) -> CheckJson {
    let problems = checked.problems.iter().chain(&checked.elsewhere);
    CheckJson {
        id: checked.id.clone(),
        good: checked.is_good(),
        problems: problems
            .map(|problem| ProblemJson {
                file: problem.file.clone(),
                line: problem.line,
                column: problem.column,
                message: problem.message.clone(),
            })
            .collect(),
        tests: checked
            .outcomes
            .iter()
            .map(|outcome| TestJson {
                rule: outcome.rule.clone(),
                name: outcome.test.clone(),
                passed: outcome.passed(),
                failures: outcome.failures.iter().map(ToString::to_string).collect(),
            })
            .collect(),
    }
}

/// Looks at a text and runs its tests; nothing is kept.
pub(super) async fn check(
    Operator(_): Operator,
    State(state): State<AppState>,
    Body(body): Body<PutText>,
) -> Result<Json<CheckJson>> {
    let kind =
        if body.kind.is_empty() { Some(RuleKind::Rule) } else { RuleKind::from_name(&body.kind) };
    let kind = kind.ok_or_else(|| ApiError::bad_request("kind is rule or playbook"))?;
    Ok(Json(check_json(&state.handle().check_rule(kind, body.text).await)))
}

async fn save(
    state: &AppState,
    caller: &Caller,
    kind: RuleKind,
    id: String,
    body: PutText,
) -> Result<Json<TextJson>> {
    let new = NewRuleText {
        kind,
        id,
        made_from: body.made_from,
        text: body.text,
        note: body.note,
        by: caller.name.clone(),
    };
    let (id, _) = state.handle().save_rule(new).await?;
    Ok(Json(text_json(state.handle(), kind, &id)?))
}

pub(super) async fn create_rule(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<PutText>,
) -> Result<Json<TextJson>> {
    save(&state, &caller, RuleKind::Rule, String::new(), body).await
}

pub(super) async fn create_playbook(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<PutText>,
) -> Result<Json<TextJson>> {
    save(&state, &caller, RuleKind::Playbook, String::new(), body).await
}

pub(super) async fn put_rule(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<PutText>,
) -> Result<Json<TextJson>> {
    save(&state, &caller, RuleKind::Rule, id, body).await
}

pub(super) async fn put_playbook(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<PutText>,
) -> Result<Json<TextJson>> {
    save(&state, &caller, RuleKind::Playbook, id, body).await
}

/// Several texts, to be kept in one go or only looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutTexts {
    texts: Vec<OneOfTexts>,
    /// Why, for the lists of versions.
    #[serde(default)]
    note: String,
    /// Only look at them and run their tests; nothing is kept.
    #[serde(default)]
    check: bool,
}

/// One of several texts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneOfTexts {
    /// `rule` or `playbook`.
    kind: String,
    /// Which one is edited; left out for a new one.
    #[serde(default)]
    id: String,
    /// In TOML.
    text: String,
    /// The version it was made from; 0 for the file's.
    #[serde(default)]
    made_from: i64,
}

/// What came of several texts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TextsJson {
    /// Of each what looking at it told, in their order.
    items: Vec<CheckJson>,
    /// The versions that were kept, in the same order; empty where they were only looked at.
    versions: Vec<i64>,
}

/// Keeps several texts, all of them or none: a playbook and the tests of the rules that heal with it
/// fit only together.
pub(super) async fn put_together(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<PutTexts>,
) -> Result<Json<TextsJson>> {
    let mut all = Vec::new();
    for one in body.texts {
        let kind = RuleKind::from_name(&one.kind)
            .ok_or_else(|| ApiError::bad_request("kind is rule or playbook"))?;
        let (note, by) = (body.note.clone(), caller.name.clone());
        let OneOfTexts { id, text, made_from, .. } = one;
        all.push(NewRuleText { kind, id, made_from, text, note, by });
    }
    if !(1..=TOGETHER_MAX).contains(&all.len()) {
        return Err(ApiError::bad_request(format!("send 1 to {TOGETHER_MAX} texts")));
    }
    let handle = state.handle();
    let drafts = all.iter().map(NewRuleText::draft).collect();
    let items = handle.check_rules(drafts).await.iter().map(check_json).collect();
    let kept = if body.check { Vec::new() } else { handle.save_rules(all).await? };
    Ok(Json(TextsJson { items, versions: kept.into_iter().map(|(_, version)| version).collect() }))
}

/// What a rule may do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeRule {
    /// Whether it opens incidents.
    #[serde(default)]
    on: Option<bool>,
    /// `true` puts it on trial.
    #[serde(default)]
    on_trial: Option<bool>,
    /// It may be switched on although nobody tried it on the past as it stands.
    #[serde(default)]
    untried: bool,
    /// `off`, `shadow`, `approve` or `on`.
    #[serde(default)]
    auto_heal: Option<String>,
    /// A new rule need not stay in shadow for seven days; administrators only.
    #[serde(default)]
    at_once: bool,
}

/// What a rule is to be.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    On,
    Off,
    Trial,
}

pub(super) async fn change(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<ChangeRule>,
) -> Result<Json<TextJson>> {
    if body.at_once && !caller.is_admin() {
        return Err(ApiError::forbidden("admin", &caller.role));
    }
    let handle = state.handle();
    let wanted = match (body.on, body.on_trial) {
        (Some(true), Some(true)) => {
            return Err(ApiError::bad_request(
                "a rule is on, on trial, or off: ask for one of them",
            ));
        }
        (_, Some(true)) => Some(Wanted::Trial),
        (Some(true), _) => Some(Wanted::On),
        (Some(false), _) => Some(Wanted::Off),
        // The end of a trial is that it is off.
        (None, Some(false)) => {
            let catalogue = handle.catalogue();
            catalogue.rule(&id).filter(|rule| rule.on_trial).map(|_| Wanted::Off)
        }
        (None, None) => None,
    };
    if matches!(wanted, Some(Wanted::On)) && !body.untried && handle.is_untried(&id) {
        return Err(ApiError::conflict(format!(
            "nobody has tried the rule {id} on the past as it stands: POST rules/replay first, or \
             send \"untried\": true"
        )));
    }
    if let Some(word) = &body.auto_heal {
        let modes = crate::pages::rule::MODES;
        let mode = modes.iter().find(|(_, name, _)| name == word).map(|(mode, ..)| *mode);
        let mode =
            mode.ok_or_else(|| ApiError::bad_request("auto_heal is off, shadow, approve or on"))?;
        handle.set_rule_mode(&id, mode, body.at_once, &caller.name).await?;
    }
    match wanted {
        Some(Wanted::On) => handle.set_rule_on(&id, true, &caller.name).await?,
        Some(Wanted::Off) => handle.set_rule_on(&id, false, &caller.name).await?,
        Some(Wanted::Trial) => handle.set_rule_on_trial(&id, &caller.name).await?,
        None => {}
    }
    Ok(Json(text_json(handle, RuleKind::Rule, &id)?))
}

/// A threshold to set, or to take back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutThreshold {
    /// `site`, `charger` or `model`.
    kind: String,
    /// The site's name, the charger's identity, or `Vendor / Model`.
    target: String,
    name: String,
    /// As in the rule: `"20m"`, `-80` or `"-80"`; `null` takes it back.
    #[schema(value_type = Option<String>, example = "20m")]
    value: Option<Value>,
}

pub(super) async fn put_threshold(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<PutThreshold>,
) -> Result<Json<TextJson>> {
    let handle = state.handle();
    // What is set for a rule that is gone can be taken back all the same.
    if body.value.is_some()
        && let Err(message) = handle.catalogue().known_rule(&id)
    {
        return Err(ApiError::not_found(message));
    }
    let target: Target =
        targets::read(handle, &body.kind, &body.target).map_err(ApiError::bad_request)?;
    let value = match body.value {
        Some(Value::String(text)) => Some(text),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) => {
            let message = "value is a duration such as \"20m\", a number, or null to take it back";
            return Err(ApiError::bad_request(message));
        }
        None => None,
    };
    match value {
        Some(value) => {
            let own = ThresholdOverride { rule: id.clone(), target, name: body.name, value };
            handle.set_threshold(own, &caller.name).await?;
        }
        None => {
            if !handle.clear_threshold(&id, &target, &body.name, &caller.name).await? {
                return Err(ApiError::not_found("this threshold is not set otherwise there"));
            }
        }
    }
    Ok(Json(text_json(handle, RuleKind::Rule, &id)?))
}

/// A version as it was saved.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionJson {
    version: i64,
    /// Empty where the edit was taken back.
    text: String,
    note: String,
    saved_by: String,
    /// RFC 3339.
    saved_at: Option<String>,
}

async fn versions(state: &AppState, kind: RuleKind, id: &str) -> Result<Json<Page<VersionJson>>> {
    let rows = state.handle().store().rule_versions(kind.name(), id).await?;
    // Of one that is gone the versions are still there; one that was never edited has none.
    if rows.is_empty() {
        text_json(state.handle(), kind, id)?;
    }
    let item = |row: RuleTextRow| VersionJson {
        version: row.version,
        text: row.text,
        note: row.note,
        saved_by: row.saved_by,
        saved_at: time(Some(row.saved_at)),
    };
    Ok(Json(Page { items: rows.into_iter().map(item).collect(), next: None }))
}

pub(super) async fn rule_versions(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Page<VersionJson>>> {
    versions(&state, RuleKind::Rule, &id).await
}

pub(super) async fn playbook_versions(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Page<VersionJson>>> {
    versions(&state, RuleKind::Playbook, &id).await
}

/// Which version to take back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeBack {
    /// 0: as in the file.
    version: i64,
}

/// The version that holds now.
async fn take_back(
    state: &AppState,
    caller: &Caller,
    kind: RuleKind,
    id: &str,
    version: i64,
) -> Result<Json<Value>> {
    let version = state.handle().take_back_rule(kind, id, version, &caller.name).await?;
    Ok(Json(json!({ "version": version })))
}

pub(super) async fn take_back_rule(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<TakeBack>,
) -> Result<Json<Value>> {
    take_back(&state, &caller, RuleKind::Rule, &id, body.version).await
}

pub(super) async fn take_back_playbook(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<TakeBack>,
) -> Result<Json<Value>> {
    take_back(&state, &caller, RuleKind::Playbook, &id, body.version).await
}

/// Reads the files again.
pub(super) async fn reload(
    Operator(caller): Operator,
    State(state): State<AppState>,
) -> Result<Json<Value>> {
    let rules = state.handle().reload_rules(&caller.name).await?;
    Ok(Json(json!({ "rules": rules })))
}

/// What a rule in shadow mode would have done in the last thirty days, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShadowJson {
    rule: String,
    /// Since when; RFC 3339.
    since: String,
    /// It in a sentence.
    words: String,
    fired: u32,
    /// Where nothing else was found at the charger.
    new: u32,
    /// Where something else was, at about the same time.
    same: u32,
    /// Where something else was later.
    earlier: u32,
    /// How much later, in the middle.
    earlier_by_ms: i64,
    /// How often something was really wrong.
    real: u32,
    /// How often it was over by itself and nothing else showed.
    nothing: u32,
    open: u32,
    /// For how many a person would have been asked while it was on trial.
    asked: usize,
    /// How many steps it would have sent.
    steps: u32,
    /// Whether there are more than these.
    has_more: bool,
    incidents: Vec<ShadowedJson>,
}

/// An incident of a rule in shadow mode.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShadowedJson {
    /// The incident; `null` for what was found on trial, which is none.
    id: Option<String>,
    title: String,
    charger: String,
    connector: String,
    opened_at: String,
    /// What would have been sent.
    would: Vec<String>,
    /// `open`, `ticket`, `report`, `later_incident`, `failed_charges`, `person` or `nothing`.
    truth: &'static str,
    /// The same in a sentence.
    truth_words: String,
}

pub(super) async fn shadow(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<ShadowJson>> {
    let handle = state.handle();
    if handle.catalogue().rule(&id).is_none() {
        return Err(ApiError::not_found(format!("there is no rule {id:?}")));
    }
    let seen = handle.hindsight(&id).await?;
    let directory = handle.directory();
    let incidents = seen
        .incidents
        .iter()
        .map(|one| ShadowedJson {
            id: crate::pages::incident_id(&one.incident),
            title: one.incident.title.clone(),
            charger: directory
                .charger(one.incident.charger)
                .map(|charger| charger.identity.to_string())
                .unwrap_or_default(),
            connector: one.incident.connector.to_string(),
            opened_at: one.incident.opened_at.rfc3339_ms(),
            would: one.would.iter().map(|(_, label)| (*label).to_owned()).collect(),
            truth: one.truth.name(),
            truth_words: one.truth.words(),
        })
        .collect();
    let sums = seen.sums;
    Ok(Json(ShadowJson {
        rule: id,
        since: seen.since.rfc3339_ms(),
        words: seen.words(),
        fired: sums.fired,
        new: sums.new,
        same: sums.same,
        earlier: sums.earlier,
        earlier_by_ms: sums.earlier_by_ms,
        real: sums.real,
        nothing: sums.nothing,
        open: sums.open,
        asked: seen.asked,
        steps: sums.steps,
        has_more: seen.has_more,
        incidents,
    }))
}
