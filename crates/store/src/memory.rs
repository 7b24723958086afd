//! What healing must remember over a restart: rows of a kind and a key, each replaced by a newer one.

use crate::db::{Columns, all, read};
use crate::{Result, Store};

const LIST: &str = "SELECT kind, name, revision, json FROM heal_memory
    WHERE json <> 'null' ORDER BY kind, name";
const HIGHEST: &str = "SELECT COALESCE(MAX(revision), 0) FROM heal_memory";

/// A row to be written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// What kind of thing is remembered.
    pub kind: &'static str,
    /// Its key among those of its kind.
    pub key: String,
    /// JSON; `null` when it is forgotten.
    pub json: String,
    /// Of two rows of the same key the one with the higher number holds.
    pub revision: u64,
}

/// A row as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRow {
    /// What kind of thing is remembered.
    pub kind: String,
    /// Its key among those of its kind.
    pub key: String,
    /// JSON.
    pub json: String,
    /// See [`Memory::revision`].
    pub revision: u64,
}

impl Store {
    /// Everything that healing remembers, by kind and key, and the highest number that a row ever
    /// had.
    pub async fn memories(&self) -> Result<(Vec<MemoryRow>, u64)> {
        read!(&self.db, conn => {
            let rows = sqlx::query(LIST).fetch_all(&mut *conn).await?;
            let highest = sqlx::query(HIGHEST).fetch_one(&mut *conn).await?;
            let rows = all(&rows, |row| Ok(MemoryRow {
                kind: row.text(0)?,
                key: row.text(1)?,
                revision: row.number(2)?,
                json: row.text(3)?,
            }))?;
            Ok((rows, highest.number(0)?))
        })
    }
}
