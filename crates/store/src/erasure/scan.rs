//! Going through a whole column. No index helps to find a number that may be spelt in many ways, so
//! every text is looked at, some at a time: no reader holds the database for long.

use sqlx::AssertSqlSafe;

use crate::Result;
use crate::db::{Columns as _, Db, all, read};

/// Rows that are read at once (SQLite).
const ROWS: i64 = 2_000;
/// Pages of 8 KiB that are read at once (PostgreSQL).
const PAGES: i64 = 512;

/// A text, and the row that it stands in, as [`row_is`] takes it.
pub(super) struct Cell {
    pub(super) row: String,
    pub(super) text: String,
}

/// The condition that a row is the one of `$1`.
pub(super) fn row_is(db: &Db) -> &'static str {
    match db {
        Db::Postgres(_) => "ctid = CAST($1 AS tid)",
        Db::Sqlite { .. } => "rowid = CAST($1 AS INTEGER)",
    }
}

/// Where a column is read on; goes through it once.
pub(super) struct Scan<'a> {
    db: &'a Db,
    sql: String,
    size: String,
    /// The next row, or the next page.
    from: i64,
}

impl<'a> Scan<'a> {
    pub(super) fn new(db: &'a Db, table: &str, column: &str) -> Self {
        let is_text = format!("{column} IS NOT NULL AND {column} <> ''");
        let sql = match db {
            Db::Sqlite { .. } => format!(
                "SELECT rowid, {column} FROM {table} WHERE rowid >= $1 AND {is_text}
                    ORDER BY rowid LIMIT $2"
            ),
            Db::Postgres(_) => format!(
                "SELECT CAST(ctid AS TEXT), {column} FROM {table}
                    WHERE ctid >= CAST('(' || CAST($1 AS TEXT) || ',0)' AS tid)
                      AND ctid < CAST('(' || CAST($1 + $2 AS TEXT) || ',0)' AS tid) AND {is_text}"
            ),
        };
        let size = format!(
            "SELECT pg_relation_size('{table}') / CAST(current_setting('block_size') AS BIGINT)"
        );
        Self { db, sql, size, from: 0 }
    }

    /// The next cells; `None` when there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Cell>>> {
        match self.db {
            Db::Sqlite { .. } => self.next_rows().await,
            Db::Postgres(_) => self.next_pages().await,
        }
    }

    async fn next_rows(&mut self) -> Result<Option<Vec<Cell>>> {
        let sql = self.sql.clone();
        let rows = read!(self.db, conn => {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(self.from).bind(ROWS);
            all(&query.fetch_all(conn).await?, |row| Ok((row.int(0)?, row.text(1)?)))
        })?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        self.from = last + 1;
        let cell = |(row, text): (i64, String)| Cell { row: row.to_string(), text };
        Ok(Some(rows.into_iter().map(cell).collect()))
    }

    async fn next_pages(&mut self) -> Result<Option<Vec<Cell>>> {
        let size = self.size.clone();
        let pages = read!(self.db, conn => {
            sqlx::query(AssertSqlSafe(size)).fetch_one(conn).await?.int(0)
        })?;
        if self.from >= pages {
            return Ok(None);
        }
        let sql = self.sql.clone();
        let cells = read!(self.db, conn => {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(self.from).bind(PAGES);
            all(&query.fetch_all(conn).await?, |row| {
                Ok(Cell { row: row.text(0)?, text: row.text(1)? })
            })
        })?;
        self.from += PAGES;
        Ok(Some(cells))
    }
}
