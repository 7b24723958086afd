//! The audit log: who did what, as a chain that shows whether anything was taken out of it.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use mendpoint_store::{AuditRow, AuditVerdict, Store};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Admin;
use super::error::Result;
use super::extract::{Params, cursor, limit};
use super::json::Page;
use crate::AppState;
use crate::table::Table;

/// Lines of a file at most.
const FILE_ROWS_MAX: usize = 100_000;

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditJson {
    /// Its place in the chain, from 1.
    seq: i64,
    at: String,
    actor: String,
    action: String,
    subject: String,
    detail: String,
    /// SHA-256 of this line and of the hash of the line before it.
    hash: String,
}

impl From<AuditRow> for AuditJson {
    fn from(row: AuditRow) -> Self {
        Self {
            seq: row.seq,
            at: row.at.rfc3339_ms(),
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            detail: row.detail,
            hash: row.hash,
        }
    }
}

/// What checking the chain found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerdictJson {
    whole: bool,
    /// The last place when it is whole, else the first that is not as it was written.
    seq: i64,
    /// The hash of the last line, to be noted elsewhere; empty when something is wrong.
    hash: String,
    /// What is wrong; empty when nothing is.
    why: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListQuery {
    actor: Option<String>,
    subject: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lines, newest first.
pub(super) async fn list(
    _: Admin,
    State(state): State<AppState>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<AuditJson>>> {
    let from = cursor(query.cursor.as_deref())?;
    let (actor, subject) = (query.actor.as_deref(), query.subject.as_deref());
    let store = state.handle().store();
    let (rows, next) = store.audit(subject, actor, from, limit(query.limit)?).await?;
    let items = rows.into_iter().map(AuditJson::from).collect();
    Ok(Json(Page { items, next: next.map(|next| next.to_string()) }))
}

/// Checks the chain.
pub(super) async fn verify(_: Admin, State(state): State<AppState>) -> Result<Json<VerdictJson>> {
    Ok(Json(match state.handle().store().verify_audit(None).await? {
        AuditVerdict::Whole(head) => {
            VerdictJson { whole: true, seq: head.seq, hash: head.hash, why: String::new() }
        }
        AuditVerdict::Broken { seq, why } => {
            VerdictJson { whole: false, seq, hash: String::new(), why }
        }
    }))
}

/// The newest lines as a file.
pub(super) async fn csv(
    Admin(caller): Admin,
    State(state): State<AppState>,
    Params(query): Params<ListQuery>,
) -> Result<Response> {
    let (actor, subject) = (query.actor.as_deref(), query.subject.as_deref());
    let table = table(state.handle().store(), actor, subject).await?;
    state.handle().exported(&caller.name, "audit log").await?;
    Ok(table.into_file("audit.csv"))
}

/// The newest lines, newest first, as a table.
pub(crate) async fn table(
    store: &Store,
    actor: Option<&str>,
    subject: Option<&str>,
) -> std::result::Result<Table, mendpoint_store::Error> {
    let mut table = Table::new(&["seq", "at", "actor", "action", "subject", "detail", "hash"]);
    let (mut from, mut count) = (None, 0);
    loop {
        let (rows, next) = store.audit(subject, actor, from, 500).await?;
        count += rows.len();
        for row in rows {
            let (seq, at) = (row.seq.to_string(), row.at.rfc3339_ms());
            let cells = [&seq, &at, &row.actor, &row.action, &row.subject, &row.detail, &row.hash];
            table.row(&cells);
        }
        if next.is_none() || count >= FILE_ROWS_MAX {
            return Ok(table);
        }
        from = next;
    }
}
