//! The audit log: who did what to what, and whether the log is whole.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use mendpoint_store::{AuditVerdict, Cursor};
use serde::Deserialize;

use super::errors::{Page, PageError, render};
use crate::AppState;
use crate::pages::extract::Query;
use crate::place::Moment;
use crate::session::Admin;
use crate::shell::Shell;

/// Lines of a page.
const ROWS: u32 = 100;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/audit", get(list)).route("/audit.csv", get(file))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    actor: String,
    subject: String,
    cursor: String,
    /// Not empty: the chain is checked.
    verify: String,
}

struct Line {
    seq: i64,
    at: Moment,
    actor: String,
    action: String,
    subject: String,
    detail: String,
    hash: String,
}

struct Verdict {
    is_whole: bool,
    seq: i64,
    words: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    lines: Vec<Line>,
    actor: String,
    subject: String,
    narrowed: bool,
    verdict: Option<Verdict>,
    verify: String,
    file: String,
    first: Option<String>,
    next: Option<String>,
}

impl Filter {
    fn href(&self, path: &str, more: &[(&str, &str)]) -> String {
        let mut href = path.to_owned();
        let own = [("actor", self.actor.trim()), ("subject", self.subject.trim())];
        for (name, value) in own.iter().chain(more).filter(|(_, value)| !value.is_empty()) {
            let joint = if href.contains('?') { '&' } else { '?' };
            href = format!("{href}{joint}{name}={}", crate::url::encode(value));
        }
        href
    }

    fn wanted(&self) -> (Option<&str>, Option<&str>) {
        let given = |text: &'_ str| !text.is_empty();
        (
            Some(self.actor.trim()).filter(|text| given(text)),
            Some(self.subject.trim()).filter(|text| given(text)),
        )
    }
}

async fn list(
    Admin(viewer): Admin,
    State(state): State<AppState>,
    Query(filter): Query<Filter>,
) -> Page {
    let store = state.handle().store();
    let now = state.handle().now();
    let cursor = match filter.cursor.trim() {
        "" => None,
        text => Some(text.parse::<Cursor>()?),
    };
    let (actor, subject) = filter.wanted();
    let (rows, next) = store.audit(subject, actor, cursor, ROWS).await?;
    let verdict = if filter.verify.is_empty() {
        None
    } else {
        Some(match store.verify_audit(None).await? {
            AuditVerdict::Whole(head) => {
                Verdict { is_whole: true, seq: head.seq, words: head.hash }
            }
            AuditVerdict::Broken { seq, why } => Verdict { is_whole: false, seq, words: why },
        })
    };
    let lines = rows
        .into_iter()
        .map(|row| Line {
            seq: row.seq,
            at: Moment::new(now, row.at),
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            detail: row.detail,
            hash: row.hash,
        })
        .collect();
    render(AuditPage {
        lines,
        narrowed: actor.is_some() || subject.is_some(),
        verdict,
        verify: filter.href("/audit", &[("verify", "1")]),
        file: filter.href("/audit.csv", &[]),
        first: cursor.map(|_| filter.href("/audit", &[])),
        next: next.map(|next| filter.href("/audit", &[("cursor", &next.to_string())])),
        shell: Shell::new(&state, &viewer, "system", "Audit log").await,
        actor: filter.actor,
        subject: filter.subject,
    })
}

async fn file(
    Admin(viewer): Admin,
    State(state): State<AppState>,
    Query(filter): Query<Filter>,
) -> Result<Response, PageError> {
    let (actor, subject) = filter.wanted();
    let table = crate::api::audit_table(state.handle().store(), actor, subject).await?;
    state.handle().exported(&viewer.name, "audit log").await?;
    Ok(table.into_file("audit.csv"))
}
