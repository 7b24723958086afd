use mendpoint_model::UnixMs;

use crate::cursor::{page, rows_of};
use crate::db::{Columns as _, all, read};
use crate::{Cursor, Page, Result, Store};

const LIST: &str = "SELECT id, at_ms, actor, action, subject, detail FROM audit_entry
    WHERE (CAST($1 AS TEXT) IS NULL OR subject = $1)
      AND (CAST($2 AS TEXT) IS NULL OR actor = $2) AND id < $3
    ORDER BY id DESC LIMIT $4";

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number; larger is later.
    pub id: i64,
    /// When.
    pub at: UnixMs,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// More; may be empty.
    pub detail: String,
}

impl Store {
    /// What people did, newest first, to one thing or all, by one person or all.
    pub async fn audit(
        &self,
        subject: Option<&str>,
        actor: Option<&str>,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<AuditRow>> {
        let rows = read!(&self.db, conn => {
            let rows = sqlx::query(LIST)
                .bind(subject)
                .bind(actor)
                .bind(Cursor::or_start(cursor).id)
                .bind(rows_of(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, |row| Ok(AuditRow {
                id: row.int(0)?,
                at: UnixMs(row.int(1)?),
                actor: row.text(2)?,
                action: row.text(3)?,
                subject: row.text(4)?,
                detail: row.text(5)?,
            }))
        })?;
        Ok(page(rows, limit, |row| (row.at.0, row.id)))
    }
}
