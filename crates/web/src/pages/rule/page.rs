//! The page of one rule or playbook, kept or new.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use mendpoint_incidents::Rule;
use mendpoint_pipeline::{Handle, RuleEdits, RuleKind};
use serde::Deserialize;

use super::facts::Facts;
use super::new::Builder;
use super::text::Draft;
use super::versions::Versions;
use super::{MODES, mode_words, path_of};
use crate::pages::errors::{Page, PageError, render};
use crate::pages::extract::Query;
use crate::pages::shadow::{self, ShadowView};
use crate::sentence::{FIELDS, STATUSES, WIDE};
use crate::session::Viewer;
use crate::shell::Shell;
use crate::{AppState, url};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// A version to compare with the one before it.
    version: Option<i64>,
    /// Only this part of the page.
    fragment: String,
    done: Option<String>,
    error: Option<String>,
}

/// What is kept under an id; nothing of what is new.
#[derive(Default)]
struct Kept {
    id: String,
    title: String,
    origin: String,
    facts: Option<Facts>,
    seen: Option<ShadowView>,
    set_aside: Vec<String>,
    text: String,
    versions: Versions,
    is_edited: bool,
    in_file: bool,
}

#[derive(Template)]
#[template(path = "rule.html")]
struct RulePage {
    shell: Shell,
    kind: &'static str,
    path: String,
    is_new: bool,
    kept: Kept,
    draft: Draft,
    builder: Option<Builder>,
    modes: Vec<&'static str>,
    may_change: bool,
    is_admin: bool,
    shadow_href: String,
}

/// What became of the rule on the past, for a page that is open while it is tried.
#[derive(Template)]
#[template(path = "rule_past.html")]
struct PastFragment {
    path: String,
    kept: Kept,
}

pub(super) async fn rule(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Page {
    whole(&state, &viewer, RuleKind::Rule, Some(&id), asked, None, None).await
}

pub(super) async fn playbook(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Page {
    whole(&state, &viewer, RuleKind::Playbook, Some(&id), asked, None, None).await
}

/// The page of what is kept under `id`, or of something new, with a draft in its form.
///
/// Without a draft the form holds what is kept.
pub(super) async fn whole(
    state: &AppState,
    viewer: &Viewer,
    kind: RuleKind,
    id: Option<&str>,
    asked: Asked,
    draft: Option<Draft>,
    builder: Option<Builder>,
) -> Page {
    if let (Some(id), "past") = (id, asked.fragment.as_str()) {
        let handle = state.handle();
        let edits = handle.rule_edits();
        let rule = handle.catalogue().rule(id).cloned();
        let versions = handle.store().rule_versions(kind.name(), id).await?;
        let facts = rule.map(|rule| Facts::of(handle, &edits, &rule, &versions));
        let kept = Kept { facts, ..Kept::default() };
        return render(PastFragment { path: path_of(kind, id), kept });
    }
    let kept = match id {
        Some(id) => kept(state.handle(), kind, id, asked.version).await?,
        None => Kept::default(),
    };
    let noun = kind.name();
    let title = id.map_or_else(|| format!("New {noun}"), |_| kept.title.clone());
    render(RulePage {
        shell: Shell::new(state, viewer, "rules", &title)
            .await
            .with_messages(asked.done, asked.error),
        kind: noun,
        path: id.map_or_else(|| format!("/{noun}s/new"), |id| path_of(kind, id)),
        is_new: id.is_none(),
        draft: draft.unwrap_or_else(|| Draft::of(kept.text.clone(), kept.versions.newest)),
        builder,
        modes: MODES.iter().map(|(_, word, _)| *word).collect(),
        may_change: viewer.manages_cards(),
        is_admin: viewer.is_admin(),
        shadow_href: format!("/incidents?tab=all&rule={}", url::encode(&kept.id)),
        kept,
    })
}

/// What a person decided about a rule that its text does not say.
fn otherwise(handle: &Handle, edits: &RuleEdits, rule: &Rule) -> Option<String> {
    let switch = edits.switch(&rule.id)?;
    let mut words = Vec::new();
    if rule.on_trial {
        words.push("put on trial".to_owned());
    } else if !rule.enabled {
        words.push("switched off".to_owned());
    }
    let files = handle.rule_files();
    let written = files.rule(&rule.id).filter(|of| of.auto_heal != rule.auto_heal);
    if written.is_some() {
        words.push(format!("healing is set to {}", mode_words(rule.auto_heal).0));
    }
    (!words.is_empty()).then(|| format!("{} by {}", words.join(" and "), switch.changed_by))
}

/// The title and the text that holds, and the name of its file.
pub(super) fn held(
    handle: &Handle,
    kind: RuleKind,
    id: &str,
) -> Option<(String, Arc<str>, String)> {
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

async fn kept(
    handle: &Handle,
    kind: RuleKind,
    id: &str,
    wanted: Option<i64>,
) -> Result<Kept, PageError> {
    let edits = handle.rule_edits();
    let held = held(handle, kind, id);
    let versions = handle.store().rule_versions(kind.name(), id).await?;
    if held.is_none() && versions.is_empty() {
        let noun = kind.name();
        return Err(PageError::not_found(format!("There is no {noun} {id}.")));
    }
    let edited = edits.text(kind, id);
    let set_aside: Vec<String> = edits
        .set_aside
        .iter()
        .filter(|(of, name, _)| *of == kind && name == id)
        .flat_map(|(_, _, problems)| problems.iter().map(ToString::to_string))
        .collect();
    let (title, source, file) =
        held.unwrap_or_else(|| (id.to_owned(), Arc::from(""), String::new()));
    let origin = match edited {
        Some(_) if !set_aside.is_empty() => "the edit is set aside, the file holds".to_owned(),
        Some(row) => format!("version {}, edited here by {}", row.version, row.saved_by),
        None if source.is_empty() => "taken away; its versions are kept".to_owned(),
        None => format!("as in {file}"),
    };
    let rule = handle.catalogue().rule(id).filter(|_| kind == RuleKind::Rule).cloned();
    let origin = match rule.as_deref().and_then(|rule| otherwise(handle, &edits, rule)) {
        Some(words) => format!("{origin}; {words}"),
        None => origin,
    };
    let seen = match &rule {
        Some(rule) => shadow::view(handle, rule).await?,
        None => None,
    };
    Ok(Kept {
        seen,
        id: id.to_owned(),
        title,
        origin,
        facts: rule.map(|rule| Facts::of(handle, &edits, &rule, &versions)),
        set_aside,
        // An edit that is set aside is what somebody will want to mend.
        text: edited.map_or_else(|| source.to_string(), |row| row.text.clone()),
        versions: Versions::of(handle, kind, id, &versions, wanted),
        is_edited: edited.is_some(),
        in_file: match kind {
            RuleKind::Rule => handle.rule_files().rule(id).is_some(),
            RuleKind::Playbook => handle.rule_files().playbook(id).is_some(),
        },
    })
}
