//! What people set about who is told of incidents, and how far each chain is. JSON here: the
//! `escalation` crate knows what is in it.

use mendpoint_model::{IncidentId, TimelineEntry, UnixMs};

use crate::db::{Columns, all, read, tx, write};
use crate::outbox::insert_mail;
use crate::{Error, NewMail, Result, Store, row_id};

const DOCUMENTS: &str =
    "SELECT kind, name, json, updated_at_ms, updated_by FROM duty_document ORDER BY kind, name";
const PUT_DOCUMENT: &str = "INSERT INTO duty_document (kind, name, json, updated_at_ms, updated_by)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (kind, name) DO UPDATE SET json = excluded.json,
    updated_at_ms = excluded.updated_at_ms, updated_by = excluded.updated_by";
const DELETE_DOCUMENT: &str = "DELETE FROM duty_document WHERE kind = $1 AND name = $2";
const CASES: &str = "SELECT incident_id, json FROM duty_case ORDER BY incident_id";
const PUT_CASE: &str = "INSERT INTO duty_case (incident_id, json, updated_at_ms)
    VALUES ($1, $2, $3) ON CONFLICT (incident_id) DO UPDATE SET json = excluded.json,
    updated_at_ms = excluded.updated_at_ms";
const DELETE_CASE: &str = "DELETE FROM duty_case WHERE incident_id = $1";
const INBOXES: &str = "SELECT name, json FROM duty_inbox ORDER BY name";
const PUT_INBOX: &str = "INSERT INTO duty_inbox (name, json, updated_at_ms) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET json = excluded.json,
    updated_at_ms = excluded.updated_at_ms";
const DELETE_INBOX: &str = "DELETE FROM duty_inbox WHERE name = $1";
const ADD_LINE: &str = "INSERT INTO timeline (id, incident_id, at_ms, kind, json)
    VALUES ($1, $2, $3, $4, $5)";

/// Something that people set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutyDocument {
    /// What it is: `rota`, `person`, `silence`, `window`, `place`.
    pub kind: String,
    /// Its name or number among those.
    pub name: String,
    /// The whole of it.
    pub json: String,
    /// When it was changed.
    pub updated_at: UnixMs,
    /// By whom.
    pub updated_by: String,
}

/// What one turn of the duty desk leads to: all of it is written, or nothing.
#[derive(Clone, Debug, Default)]
pub struct DutyTurn {
    /// Cases by incident; `None` is put away.
    pub cases: Vec<(IncidentId, Option<String>)>,
    /// Inboxes by name; `None` is put away.
    pub inboxes: Vec<(String, Option<String>)>,
    /// Lines for the histories of incidents.
    pub lines: Vec<TimelineEntry>,
    /// Letters.
    pub mails: Vec<NewMail>,
}

impl DutyTurn {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
            && self.inboxes.is_empty()
            && self.lines.is_empty()
            && self.mails.is_empty()
    }
}

fn document(row: &impl Columns) -> Result<DutyDocument> {
    Ok(DutyDocument {
        kind: row.text(0)?,
        name: row.text(1)?,
        json: row.text(2)?,
        updated_at: UnixMs(row.int(3)?),
        updated_by: row.text(4)?,
    })
}

impl Store {
    /// Everything that people set about who is told.
    pub async fn duty_documents(&self) -> Result<Vec<DutyDocument>> {
        read!(&self.db, conn => {
            all(&sqlx::query(DOCUMENTS).fetch_all(conn).await?, document)
        })
    }

    /// Writes one of them over what was there.
    pub async fn put_duty_document(&self, document: &DutyDocument) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(PUT_DOCUMENT)
                .bind(&document.kind)
                .bind(&document.name)
                .bind(&document.json)
                .bind(document.updated_at.0)
                .bind(&document.updated_by)
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// Forgets one of them; `false` when it was not there.
    pub async fn delete_duty_document(&self, kind: &str, name: &str) -> Result<bool> {
        write!(&self.db, conn => {
            let query = sqlx::query(DELETE_DOCUMENT).bind(kind).bind(name);
            Ok(query.execute(conn).await?.rows_affected() > 0)
        })
    }

    /// How far the chains are.
    pub async fn duty_cases(&self) -> Result<Vec<(IncidentId, String)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(CASES).fetch_all(conn).await?;
            all(&rows, |row| Ok((IncidentId(row.int(0)?), row.text(1)?)))
        })
    }

    /// What is to be told, by whose it is.
    pub async fn duty_inboxes(&self) -> Result<Vec<(String, String)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(INBOXES).fetch_all(conn).await?;
            all(&rows, |row| Ok((row.text(0)?, row.text(1)?)))
        })
    }

    /// Writes what one turn of the duty desk leads to, all or nothing: nobody is told of what was not
    /// written down, and nobody twice.
    pub async fn write_duty(&self, turn: &DutyTurn) -> Result<()> {
        let now = row_id::now().0;
        let mut lines = Vec::with_capacity(turn.lines.len());
        for line in &turn.lines {
            let json = serde_json::to_string(line)
                .map_err(|error| Error::Unreadable(format!("a timeline entry: {error}")))?;
            lines.push((row_id::next(), line, json));
        }
        tx!(&self.db, conn => {
            for (incident, json) in &turn.cases {
                let query = match json {
                    Some(json) => sqlx::query(PUT_CASE).bind(incident.0).bind(json).bind(now),
                    None => sqlx::query(DELETE_CASE).bind(incident.0),
                };
                query.execute(&mut *conn).await?;
            }
            for (name, json) in &turn.inboxes {
                let query = match json {
                    Some(json) => sqlx::query(PUT_INBOX).bind(name).bind(json).bind(now),
                    None => sqlx::query(DELETE_INBOX).bind(name),
                };
                query.execute(&mut *conn).await?;
            }
            for (id, line, json) in &lines {
                sqlx::query(ADD_LINE)
                    .bind(*id)
                    .bind(line.incident.0)
                    .bind(line.at.0)
                    .bind(&line.kind)
                    .bind(json)
                    .execute(&mut *conn)
                    .await?;
            }
            for mail in &turn.mails {
                insert_mail!(conn, mail);
            }
            Ok(())
        })
    }
}
