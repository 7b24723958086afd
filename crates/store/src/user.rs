//! People and programs that sign in: users, their sessions, API tokens.

use mendpoint_model::UnixMs;

use crate::db::{Columns, all, one, read, tx, write};
use crate::{Error, Result, Store, row_id};

const USERS: &str = "SELECT user_id, name, display_name, email, password_hash, role, disabled,
    created_at_ms FROM app_user ORDER BY name";
const USER: &str = "SELECT user_id, name, display_name, email, password_hash, role, disabled,
    created_at_ms FROM app_user WHERE user_id = $1";
const BY_NAME: &str = "SELECT user_id, name, display_name, email, password_hash, role, disabled,
    created_at_ms FROM app_user WHERE LOWER(name) = LOWER($1)";
const ADD_USER: &str = "INSERT INTO app_user (user_id, name, display_name, email, password_hash,
    role, disabled, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, 0, $7)";
const UPDATE_USER: &str = "UPDATE app_user SET display_name = $2, email = $3, password_hash = $4,
    role = $5, disabled = $6 WHERE user_id = $1";
const END_SESSIONS: &str = "DELETE FROM app_session WHERE user_id = $1";
const REVOKE_ALL_OF: &str = "UPDATE api_token SET revoked_at_ms = $2
    WHERE created_by = $1 AND revoked_at_ms IS NULL";
const ADD_SESSION: &str = "INSERT INTO app_session (token_hash, user_id, created_at_ms,
    seen_at_ms, expires_at_ms, remote) VALUES ($1, $2, $3, $3, $4, $5)";
const SESSION: &str = "SELECT s.user_id, s.created_at_ms, s.seen_at_ms, s.expires_at_ms,
    s.remote FROM app_session s JOIN app_user u ON u.user_id = s.user_id
    WHERE s.token_hash = $1 AND s.expires_at_ms > $2 AND s.seen_at_ms > $3 AND u.disabled = 0";
const SEEN: &str = "UPDATE app_session SET seen_at_ms = $2 WHERE token_hash = $1";
const END_SESSION: &str = "DELETE FROM app_session WHERE token_hash = $1";
const EXPIRED: &str = "DELETE FROM app_session WHERE expires_at_ms <= $1 OR seen_at_ms <= $2";
const ADD_TOKEN: &str = "INSERT INTO api_token (token_id, token_hash, name, scopes, created_by,
    created_at_ms, expires_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const TOKEN: &str = "SELECT token_id, name, scopes, created_by, created_at_ms, expires_at_ms,
    revoked_at_ms, used_at_ms FROM api_token WHERE token_hash = $1 AND revoked_at_ms IS NULL
    AND (expires_at_ms IS NULL OR expires_at_ms > $2)";
const TOKENS: &str = "SELECT token_id, name, scopes, created_by, created_at_ms, expires_at_ms,
    revoked_at_ms, used_at_ms FROM api_token ORDER BY token_id";
const REVOKE: &str = "UPDATE api_token SET revoked_at_ms = $2
    WHERE token_id = $1 AND revoked_at_ms IS NULL";
const USED: &str = "UPDATE api_token SET used_at_ms = $2 WHERE token_id = $1";

/// Somebody who signs in.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Its number.
    pub id: i64,
    /// What is typed to sign in.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// The address; empty for none.
    pub email: String,
    /// The password's Argon2 hash as text.
    pub password_hash: String,
    /// The role, one word.
    pub role: String,
    /// Whether signing in is refused.
    pub disabled: bool,
    /// When it was made.
    pub created_at: UnixMs,
}

impl std::fmt::Debug for UserRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRow")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("role", &self.role)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

/// A user to be made.
#[derive(Clone, Copy)]
pub struct NewUser<'a> {
    /// What is typed to sign in.
    pub name: &'a str,
    /// The name for people.
    pub display_name: &'a str,
    /// The address; empty for none.
    pub email: &'a str,
    /// The password's Argon2 hash as text.
    pub password_hash: &'a str,
    /// The role, one word.
    pub role: &'a str,
}

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Who.
    pub user: i64,
    /// Since when.
    pub created_at: UnixMs,
    /// When it was last used.
    pub seen_at: UnixMs,
    /// When it ends whatever happens.
    pub expires_at: UnixMs,
    /// The address it was made from.
    pub remote: String,
}

/// An API token, without its secret: only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTokenRow {
    /// Its number.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// What it may do, words with spaces between.
    pub scopes: String,
    /// Who made it: the user's name.
    pub created_by: String,
    /// When.
    pub created_at: UnixMs,
    /// When it ends; `None` for never.
    pub expires_at: Option<UnixMs>,
    /// When it was revoked.
    pub revoked_at: Option<UnixMs>,
    /// When it was last used, to the minute or so.
    pub used_at: Option<UnixMs>,
}

fn user(row: &impl Columns) -> Result<UserRow> {
    Ok(UserRow {
        id: row.int(0)?,
        name: row.text(1)?,
        display_name: row.text(2)?,
        email: row.text(3)?,
        password_hash: row.text(4)?,
        role: row.text(5)?,
        disabled: row.truth(6)?,
        created_at: UnixMs(row.int(7)?),
    })
}

fn session(row: &impl Columns) -> Result<SessionRow> {
    Ok(SessionRow {
        user: row.int(0)?,
        created_at: UnixMs(row.int(1)?),
        seen_at: UnixMs(row.int(2)?),
        expires_at: UnixMs(row.int(3)?),
        remote: row.text(4)?,
    })
}

fn token(row: &impl Columns) -> Result<ApiTokenRow> {
    Ok(ApiTokenRow {
        id: row.int(0)?,
        name: row.text(1)?,
        scopes: row.text(2)?,
        created_by: row.text(3)?,
        created_at: UnixMs(row.int(4)?),
        expires_at: row.int_or_null(5)?.map(UnixMs),
        revoked_at: row.int_or_null(6)?.map(UnixMs),
        used_at: row.int_or_null(7)?.map(UnixMs),
    })
}

impl Store {
    /// All users, by name.
    pub async fn users(&self) -> Result<Vec<UserRow>> {
        read!(&self.db, conn => all(&sqlx::query(USERS).fetch_all(conn).await?, user))
    }

    /// One user.
    pub async fn user(&self, id: i64) -> Result<Option<UserRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(USER).bind(id);
            one(query.fetch_optional(conn).await?.as_ref(), user)
        })
    }

    /// The user of a sign-in name, upper and lower case alike.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<UserRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(BY_NAME).bind(name);
            one(query.fetch_optional(conn).await?.as_ref(), user)
        })
    }

    /// Makes a user; gives its number.
    ///
    /// # Errors
    /// [`Error::Exists`] when the name is taken.
    pub async fn insert_user(&self, new: NewUser<'_>) -> Result<i64> {
        let taken = || format!("there is a user named {} already", new.name);
        if self.user_by_name(new.name).await?.is_some() {
            return Err(Error::Exists(taken()));
        }
        let id = self.db.next_id("app_user").await?;
        let written = async {
            write!(&self.db, conn => {
                sqlx::query(ADD_USER)
                    .bind(id)
                    .bind(new.name)
                    .bind(new.display_name)
                    .bind(new.email)
                    .bind(new.password_hash)
                    .bind(new.role)
                    .bind(row_id::now().0)
                    .execute(conn)
                    .await?;
                Ok::<_, Error>(())
            })
        };
        written.await.map_err(|error: Error| error.exists(taken))?;
        Ok(id)
    }

    /// Changes a user; the name stays. A disabled user's sessions and tokens end with it.
    pub async fn update_user(&self, row: &UserRow) -> Result<bool> {
        tx!(&self.db, conn => {
            let done = sqlx::query(UPDATE_USER)
                .bind(row.id)
                .bind(&row.display_name)
                .bind(&row.email)
                .bind(&row.password_hash)
                .bind(&row.role)
                .bind(i64::from(row.disabled))
                .execute(&mut *conn)
                .await?;
            if row.disabled {
                sqlx::query(END_SESSIONS).bind(row.id).execute(&mut *conn).await?;
                sqlx::query(REVOKE_ALL_OF)
                    .bind(&row.name)
                    .bind(row_id::now().0)
                    .execute(&mut *conn)
                    .await?;
            }
            Ok::<_, Error>(done.rows_affected() > 0)
        })
    }

    /// Signs a browser in. `token_hash` is the hash of its secret.
    pub async fn insert_session(
        &self,
        token_hash: &[u8],
        user: i64,
        now: UnixMs,
        expires_at: UnixMs,
        remote: &str,
    ) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(ADD_SESSION)
                .bind(token_hash)
                .bind(user)
                .bind(now.0)
                .bind(expires_at.0)
                .bind(remote)
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// The session of a secret, unless it ended, was idle for longer than `idle_ms`, or its user
    /// is disabled.
    pub async fn session(
        &self,
        token_hash: &[u8],
        now: UnixMs,
        idle_ms: i64,
    ) -> Result<Option<SessionRow>> {
        read!(&self.db, conn => {
            let query =
                sqlx::query(SESSION).bind(token_hash).bind(now.0).bind((now - idle_ms).0);
            one(query.fetch_optional(conn).await?.as_ref(), session)
        })
    }

    /// The session was used. Once a minute is enough.
    pub async fn session_seen(&self, token_hash: &[u8], now: UnixMs) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(SEEN).bind(token_hash).bind(now.0).execute(conn).await?;
            Ok(())
        })
    }

    /// Signs a browser out.
    pub async fn delete_session(&self, token_hash: &[u8]) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(END_SESSION).bind(token_hash).execute(conn).await?;
            Ok(())
        })
    }

    /// Signs a user out everywhere; gives the number of sessions that ended.
    pub async fn delete_sessions_of(&self, user: i64) -> Result<u64> {
        write!(&self.db, conn => {
            Ok(sqlx::query(END_SESSIONS).bind(user).execute(conn).await?.rows_affected())
        })
    }

    /// Forgets sessions that ended or were idle for too long; gives how many.
    pub async fn prune_sessions(&self, now: UnixMs, idle_ms: i64) -> Result<u64> {
        write!(&self.db, conn => {
            let query = sqlx::query(EXPIRED).bind(now.0).bind((now - idle_ms).0);
            Ok(query.execute(conn).await?.rows_affected())
        })
    }

    /// Makes an API token; `token_hash` is the hash of its secret. Gives its number.
    pub async fn insert_api_token(
        &self,
        token_hash: &[u8],
        name: &str,
        scopes: &str,
        created_by: &str,
        expires_at: Option<UnixMs>,
    ) -> Result<i64> {
        let id = self.db.next_id("api_token").await?;
        let written = async {
            write!(&self.db, conn => {
                sqlx::query(ADD_TOKEN)
                    .bind(id)
                    .bind(token_hash)
                    .bind(name)
                    .bind(scopes)
                    .bind(created_by)
                    .bind(row_id::now().0)
                    .bind(expires_at.map(|at| at.0))
                    .execute(conn)
                    .await?;
                Ok::<_, Error>(())
            })
        };
        let taken = || "this token exists already".to_owned();
        written.await.map_err(|error: Error| error.exists(taken))?;
        Ok(id)
    }

    /// The API token of a secret, unless it was revoked or ended.
    pub async fn api_token(&self, token_hash: &[u8], now: UnixMs) -> Result<Option<ApiTokenRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(TOKEN).bind(token_hash).bind(now.0);
            one(query.fetch_optional(conn).await?.as_ref(), token)
        })
    }

    /// All API tokens, the revoked ones too.
    pub async fn api_tokens(&self) -> Result<Vec<ApiTokenRow>> {
        read!(&self.db, conn => all(&sqlx::query(TOKENS).fetch_all(conn).await?, token))
    }

    /// Revokes an API token; `false` when there is none, or it was revoked before.
    pub async fn revoke_api_token(&self, id: i64, now: UnixMs) -> Result<bool> {
        write!(&self.db, conn => {
            let query = sqlx::query(REVOKE).bind(id).bind(now.0);
            Ok(query.execute(conn).await?.rows_affected() > 0)
        })
    }

    /// The API token was used. Once a minute is enough.
    pub async fn api_token_used(&self, id: i64, now: UnixMs) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(USED).bind(id).bind(now.0).execute(conn).await?;
            Ok(())
        })
    }
}
