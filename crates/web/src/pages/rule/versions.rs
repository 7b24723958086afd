//! The versions that are kept of a text, and one of them beside the one before it.

use mendpoint_model::UnixMs;
use mendpoint_pipeline::{Handle, RuleKind};
use mendpoint_store::RuleTextRow;

use super::path_of;
use crate::diff;
use crate::place::Moment;

/// The versions of a text, newest first, and what one of them changed.
#[derive(Default)]
pub(super) struct Versions {
    pub(super) rows: Vec<VersionRow>,
    /// The newest that is kept; zero when the file holds.
    pub(super) newest: i64,
    /// Which two are beside each other, in words; empty when none were asked for.
    pub(super) compared: String,
    pub(super) diff: Vec<diff::Line>,
}

pub(super) struct VersionRow {
    pub(super) version: i64,
    pub(super) at: Moment,
    pub(super) by: String,
    pub(super) note: String,
    pub(super) is_current: bool,
    pub(super) is_empty: bool,
    pub(super) href: String,
}

impl Versions {
    /// The versions of a text, and version `wanted` beside the one before it.
    pub(super) fn of(
        handle: &Handle,
        kind: RuleKind,
        id: &str,
        rows: &[RuleTextRow],
        wanted: Option<i64>,
    ) -> Self {
        let (compared, diff) = compare(handle, kind, id, rows, wanted);
        let newest = handle.rule_edits().version(kind, id);
        let path = path_of(kind, id);
        let now = handle.now();
        let rows = rows.iter().map(|row| version(row, newest, &path, now)).collect();
        Self { rows, newest, compared, diff }
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
