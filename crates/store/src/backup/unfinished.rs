//! What is still to be done in a database that a copy took the place of. It comes into the database with
//! the copy, in the same step, so that no end of the program can part the two.

use serde::{Deserialize, Serialize};

use crate::db::{Columns as _, Db, all, read, write};
use crate::erasure::Erased;
use crate::{Error, Result, Store, row_id};

/// A table that is only there between a restore and the end of its work: no schema has it.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS restore_pending (
    item BIGINT PRIMARY KEY, body TEXT NOT NULL)";
pub(super) const PUT: &str = "INSERT INTO restore_pending (item, body) VALUES ($1, $2)";
const LIST: &str = "SELECT body FROM restore_pending ORDER BY item";
const REVOKE: &str = "UPDATE api_token SET revoked_at_ms = $2
    WHERE token_hash = $1 AND revoked_at_ms IS NULL";
const DISABLE: &str = "UPDATE app_user SET disabled = 1 WHERE name = $1";
const END_SESSIONS: &str = "DELETE FROM app_session";
const DROP: &str = "DROP TABLE IF EXISTS restore_pending";

/// What a restore has to do when the copy is in its place.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    /// When the copy was made, unix milliseconds.
    pub(crate) made_at_ms: i64,
    /// Who was erased since.
    pub(crate) erased: Vec<Erased>,
    /// The hashes of tokens of the API that were revoked since.
    #[serde(default)]
    pub(crate) revoked: Vec<Vec<u8>>,
    /// The names of accounts that were disabled since.
    #[serde(default)]
    pub(crate) disabled: Vec<String>,
}

/// Adds what a database knows that is replaced; a macro, because the body is stamped for each engine.
macro_rules! learn {
    ($unfinished:expr, $conn:expr, $tables:expr) => {{
        let there = |table: &str| $tables.iter().any(|name| name == table);
        if there("erasure") {
            let rows = sqlx::query($crate::erasure::LIST).fetch_all(&mut *$conn).await?;
            $unfinished.erased.extend($crate::db::all(&rows, $crate::erasure::erased)?);
        }
        if there("api_token") && there("app_user") {
            let sql = "SELECT token_hash FROM api_token WHERE revoked_at_ms IS NOT NULL";
            let rows = sqlx::query(sql).fetch_all(&mut *$conn).await?;
            $unfinished.revoked.extend($crate::db::all(&rows, |row| row.bytes(0))?);
            let sql = "SELECT name FROM app_user WHERE disabled <> 0";
            let rows = sqlx::query(sql).fetch_all(&mut *$conn).await?;
            $unfinished.disabled.extend($crate::db::all(&rows, |row| row.text(0))?);
        }
    }};
}
pub(super) use learn;

impl Unfinished {
    /// Its row: (number, text).
    pub(super) fn row(&self) -> Result<(i64, String)> {
        Ok((row_id::next(), crate::db::json(self, "what a restore has to do")?))
    }
}

impl Store {
    /// Does what a restore left to be done: erases persons again, and writes down that a copy came back.
    /// Every step may be done twice. Gives how many cards were erased.
    pub(crate) async fn finish_restore(&self) -> Result<u64> {
        let is_pending = match &self.db {
            Db::Sqlite { .. } => {
                "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'restore_pending'"
            }
            Db::Postgres(_) => "SELECT CAST(COUNT(to_regclass('restore_pending')) AS BIGINT)",
        };
        let pending = read!(&self.db, conn => {
            sqlx::query(is_pending).fetch_one(&mut *conn).await?.int(0)
        })?;
        if pending == 0 {
            return Ok(0);
        }
        let bodies = read!(&self.db, conn => {
            all(&sqlx::query(LIST).fetch_all(&mut *conn).await?, |row| row.text(0))
        })?;
        let mut count = 0;
        for body in bodies {
            let what = "what a restore has to do".to_owned();
            let work: Unfinished =
                serde_json::from_str(&body).map_err(|source| Error::Corrupt { what, source })?;
            count += self.erase_again(work.erased).await?;
            self.take_access(&work.revoked, &work.disabled).await?;
            let made = mendpoint_model::UnixMs(work.made_at_ms).rfc3339();
            self.add_audit("command line", "backup restored", "database", &made).await?;
        }
        write!(&self.db, conn => {
            sqlx::query(DROP).execute(&mut *conn).await?;
            Ok(())
        })?;
        tracing::info!(erased = count, "the copy that was brought back is ready");
        Ok(count)
    }

    /// What was taken from people since the copy was made stays taken, and everybody logs in anew.
    async fn take_access(&self, revoked: &[Vec<u8>], disabled: &[String]) -> Result<()> {
        for hash in revoked {
            write!(&self.db, conn => {
                let query = sqlx::query(REVOKE).bind(hash).bind(row_id::now().0);
                query.execute(&mut *conn).await?;
                Ok(())
            })?;
        }
        for name in disabled {
            write!(&self.db, conn => {
                sqlx::query(DISABLE).bind(name).execute(&mut *conn).await?;
                Ok(())
            })?;
        }
        write!(&self.db, conn => {
            sqlx::query(END_SESSIONS).execute(&mut *conn).await?;
            Ok(())
        })
    }
}
