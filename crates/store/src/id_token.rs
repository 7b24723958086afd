use mendpoint_model::{TokenInfo, TokenStatus, UnixMs};

use crate::cursor::rows_of;
use crate::db::{Columns, all, one, read, tx, write};
use crate::{Error, Result, Store};

macro_rules! columns {
    () => {
        "SELECT id_token, status, parent, expires_at_ms, note, kind, updated_at_ms FROM id_token "
    };
}
const ALL: &str = concat!(columns!(), "ORDER BY id_token");
const ONE: &str = concat!(columns!(), "WHERE id_token = $1");
const LIST: &str = concat!(
    columns!(),
    "WHERE id_token > $1
       AND (CAST($2 AS TEXT) IS NULL OR status = $2)
       AND (CAST($3 AS TEXT) IS NULL OR LOWER(parent) = LOWER($3))
       AND (CAST($4 AS TEXT) IS NULL OR LOWER(id_token) LIKE $4 OR LOWER(note) LIKE $4)
     ORDER BY id_token LIMIT $5"
);
const PUT: &str = "INSERT INTO id_token
        (id_token, status, parent, expires_at_ms, note, kind, updated_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id_token) DO UPDATE SET
    status = excluded.status, parent = excluded.parent, expires_at_ms = excluded.expires_at_ms,
    note = excluded.note, kind = excluded.kind, updated_at_ms = excluded.updated_at_ms";
const DELETE: &str = "DELETE FROM id_token WHERE id_token = $1";

/// A driver's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdTokenRow {
    /// The idTag (1.6) or idToken (2.x).
    pub token: String,
    /// Whether it may charge.
    pub status: TokenStatus,
    /// The group it belongs to.
    pub parent: Option<String>,
    /// When it ends.
    pub expires_at: Option<UnixMs>,
    /// Whose it is, for people.
    pub note: String,
    /// What kind of token 2.x knows it as (`ISO14443`, `eMAID`, ..); empty when nobody said.
    pub kind: String,
    /// When it was changed last.
    pub updated_at: UnixMs,
}

impl IdTokenRow {
    /// What a charger is told of it.
    pub fn info(&self) -> TokenInfo {
        TokenInfo {
            status: self.status,
            expires_at: self.expires_at,
            parent: self.parent.as_deref().map(Into::into),
        }
    }
}

/// Which tokens a list shows.
#[derive(Clone, Debug, Default)]
pub struct TokenFilter {
    /// With this status.
    pub status: Option<TokenStatus>,
    /// Of this group.
    pub parent: Option<String>,
    /// With this text in the token or in the note, whatever its case.
    pub text: Option<String>,
}

fn token(row: &impl Columns) -> Result<IdTokenRow> {
    let status = row.text(1)?;
    Ok(IdTokenRow {
        token: row.text(0)?,
        status: TokenStatus::from_name(&status)
            .ok_or_else(|| Error::Unreadable(format!("the token status \"{status}\"")))?,
        parent: row.text_or_null(2)?,
        expires_at: row.int_or_null(3)?.map(UnixMs),
        note: row.text(4)?,
        kind: row.text(5)?,
        updated_at: UnixMs(row.int(6)?),
    })
}

/// The pattern that finds a text anywhere; what `LIKE` would read as a sign is left out.
fn pattern(text: &str) -> String {
    let plain: String =
        text.to_lowercase().chars().filter(|letter| !matches!(letter, '%' | '_' | '\\')).collect();
    format!("%{plain}%")
}

macro_rules! bind_token {
    ($row:expr) => {
        sqlx::query(PUT)
            .bind(&$row.token)
            .bind($row.status.name())
            .bind($row.parent.as_deref())
            .bind($row.expires_at.map(|at| at.0))
            .bind(&$row.note)
            .bind(&$row.kind)
            .bind($row.updated_at.0)
    };
}

impl Store {
    /// All drivers' tokens.
    pub async fn id_tokens(&self) -> Result<Vec<IdTokenRow>> {
        read!(&self.db, conn => all(&sqlx::query(ALL).fetch_all(conn).await?, token))
    }

    /// Drivers' tokens in the order of their letters, from after the token `after` (empty: from
    /// the first), and the last one of the page when there are more.
    pub async fn id_tokens_page(
        &self,
        filter: &TokenFilter,
        after: &str,
        limit: u32,
    ) -> Result<(Vec<IdTokenRow>, Option<String>)> {
        let text = filter.text.as_deref().filter(|text| !text.is_empty()).map(pattern);
        let mut rows = read!(&self.db, conn => {
            let rows = sqlx::query(LIST)
                .bind(after)
                .bind(filter.status.map(TokenStatus::name))
                .bind(filter.parent.as_deref())
                .bind(text.as_deref())
                .bind(rows_of(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, token)
        })?;
        let size = (rows_of(limit) - 1) as usize;
        if rows.len() <= size {
            return Ok((rows, None));
        }
        rows.truncate(size);
        let next = rows.last().map(|last| last.token.clone());
        Ok((rows, next))
    }

    /// One driver's token.
    pub async fn id_token(&self, id: &str) -> Result<Option<IdTokenRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(id);
            one(query.fetch_optional(conn).await?.as_ref(), token)
        })
    }

    /// Writes drivers' tokens down, new or changed: all of them or none.
    pub async fn put_id_tokens(&self, rows: &[IdTokenRow]) -> Result<()> {
        tx!(&self.db, conn => {
            for row in rows {
                bind_token!(row).execute(&mut *conn).await?;
            }
            Ok(())
        })
    }

    /// Forgets a driver's token; `false` when there is none.
    pub async fn delete_id_token(&self, id: &str) -> Result<bool> {
        write!(&self.db, conn => {
            Ok(sqlx::query(DELETE).bind(id).execute(conn).await?.rows_affected() > 0)
        })
    }
}
