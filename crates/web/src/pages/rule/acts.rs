//! What is done with a rule or playbook that exists: on and off, healing, thresholds, versions.

use axum::extract::{Path, State};
use mendpoint_incidents::ThresholdOverride;
use mendpoint_pipeline::{Error, RuleKind};
use serde::Deserialize;

use super::page::held;
use super::text::unfit;
use super::{MODES, allowed, path_of};
use crate::pages::errors::{Page, answered, back};
use crate::pages::extract::Form;
use crate::session::Acting;
use crate::{AppState, targets};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Version {
    version: i64,
}

pub(super) async fn take_back_rule(
    acting: Acting,
    state: State<AppState>,
    path: Path<String>,
    form: Form<Version>,
) -> Page {
    take_back(acting, state, RuleKind::Rule, path, form).await
}

pub(super) async fn take_back_playbook(
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
    let handle = state.handle();
    let done = handle.take_back_rule(kind, &id, form.version, &viewer.name).await;
    let told = match done {
        // The text is shown with what it does not fit to, and can be changed together with that.
        Err(Error::Unfit(_)) if held(handle, kind, &id).is_some() => {
            let old = match form.version {
                0 => handle.file_text(kind, &id),
                version => {
                    let row = handle.store().rule_version(kind.name(), &id, version).await?;
                    row.map(|row| row.text)
                }
            };
            let note = match form.version {
                0 => "as in the file again".to_owned(),
                version => format!("version {version} again"),
            };
            return unfit(&state, &viewer, kind, &id, old.unwrap_or_default(), note).await;
        }
        Ok(_) if form.version == 0 && held(handle, kind, &id).is_none() => {
            Ok(format!("{id} is taken away; its versions are kept, below the rules."))
        }
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

/// Why a rule is not switched on at once.
const UNTRIED: &str = "Nobody has tried this version on the past, so nobody knows how often it would \
                       fire. Try it first, or tick that it need not be.";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Switch {
    /// `1`, `0`, or `trial`.
    on: String,
    /// It may be switched on although nobody tried it on the past.
    untried: String,
}

pub(super) async fn switch(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Form(form): Form<Switch>,
) -> Page {
    allowed(&viewer)?;
    let (handle, to) = (state.handle(), path_of(RuleKind::Rule, &id));
    if form.on == "1" && form.untried != "1" && handle.is_untried(&id) {
        return Ok(back(&to, Err(UNTRIED.to_owned())));
    }
    let done = match form.on.as_str() {
        "trial" => handle.set_rule_on_trial(&id, &viewer.name).await,
        on => handle.set_rule_on(&id, on == "1", &viewer.name).await,
    };
    let told = match form.on.as_str() {
        "trial" => "The rule is on trial: nobody is told of what it finds.",
        "1" => "The rule is on.",
        _ => "The rule is off.",
    };
    Ok(answered(&to, done.map(|()| told.to_owned())))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Mode {
    mode: String,
    at_once: String,
}

pub(super) async fn mode(
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
        .map(|()| format!("From now on {sentence}."));
    Ok(answered(&to, told))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Setting {
    kind: String,
    target: String,
    name: String,
    value: String,
}

pub(super) async fn set_threshold(
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
        .map(|()| format!("{name} is {} for {} now.", form.value.trim(), form.target.trim()));
    Ok(answered(&to, told))
}

pub(super) async fn clear_threshold(
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
        .map(|_| format!("{} for {} is as in the rule again.", form.name, form.target));
    Ok(answered(&to, told))
}

pub(super) async fn reload(Acting(viewer): Acting, State(state): State<AppState>) -> Page {
    allowed(&viewer)?;
    let told = state.handle().reload_rules(&viewer.name).await.map(|count| {
        format!(
            "The files were read again: {}. Timers and counts go on.",
            crate::number::counted(count, "rule")
        )
    });
    Ok(answered("/rules", told))
}
