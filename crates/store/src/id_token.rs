use mendpoint_model::UnixMs;
use serde::{Deserialize, Serialize};

use crate::db::{Columns, all, one, read, write};
use crate::{Error, Result, Store};

const ALL: &str =
    "SELECT id_token, status, parent, expires_at_ms, note FROM id_token ORDER BY id_token";
const ONE: &str =
    "SELECT id_token, status, parent, expires_at_ms, note FROM id_token WHERE id_token = $1";
const PUT: &str = "INSERT INTO id_token (id_token, status, parent, expires_at_ms, note)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id_token) DO UPDATE SET status = excluded.status,
    parent = excluded.parent, expires_at_ms = excluded.expires_at_ms, note = excluded.note";
const DELETE: &str = "DELETE FROM id_token WHERE id_token = $1";

/// Whether a driver's token may charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenStatus {
    /// It may.
    Accepted,
    /// It may not, by order of a person.
    Blocked,
    /// It might once.
    Expired,
    /// It never might.
    Invalid,
}

impl TokenStatus {
    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Blocked => "blocked",
            Self::Expired => "expired",
            Self::Invalid => "invalid",
        }
    }

    /// The status of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Accepted, Self::Blocked, Self::Expired, Self::Invalid]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

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
    })
}

impl Store {
    /// All drivers' tokens.
    pub async fn id_tokens(&self) -> Result<Vec<IdTokenRow>> {
        read!(&self.db, conn => all(&sqlx::query(ALL).fetch_all(conn).await?, token))
    }

    /// One driver's token.
    pub async fn id_token(&self, id: &str) -> Result<Option<IdTokenRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(id);
            one(query.fetch_optional(conn).await?.as_ref(), token)
        })
    }

    /// Writes a driver's token down, new or changed.
    pub async fn put_id_token(&self, row: &IdTokenRow) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(PUT)
                .bind(&row.token)
                .bind(row.status.name())
                .bind(row.parent.as_deref())
                .bind(row.expires_at.map(|at| at.0))
                .bind(&row.note)
                .execute(conn)
                .await?;
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
