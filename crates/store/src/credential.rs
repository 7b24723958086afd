use mendpoint_model::{ChargerKey, SecurityProfile};

use crate::db::{Columns, all, read, tx, write};
use crate::{Error, Result, Store, row_id};

const ALL: &str = "SELECT charger_key, slot, kind, hash FROM credential
    WHERE kind IN ('basic', 'argon2') ORDER BY charger_key, slot";
const PUT: &str = "INSERT INTO credential (charger_key, kind, slot, salt, hash, created_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6)";
const DELETE: &str = "DELETE FROM credential WHERE charger_key = $1";
const DELETE_SLOT: &str = "DELETE FROM credential WHERE charger_key = $1 AND slot = $2";
const PROMOTE: &str = "UPDATE credential SET slot = 0 WHERE charger_key = $1 AND slot = 1";
const ACCESS: &str = "SELECT charger_key, profile_required, profile_reached, certificate_name,
    certificate_sha256, key_spelling FROM charger_access ORDER BY charger_key";
const PUT_ACCESS: &str = "INSERT INTO charger_access (charger_key, profile_required,
    profile_reached, certificate_name, certificate_sha256, key_spelling, updated_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (charger_key) DO UPDATE
    SET profile_required = excluded.profile_required, profile_reached = excluded.profile_reached,
    certificate_name = excluded.certificate_name,
    certificate_sha256 = excluded.certificate_sha256, key_spelling = excluded.key_spelling,
    updated_at_ms = excluded.updated_at_ms";

/// The salt is in the hash, or there is none because the hash is keyed with a key that is not in
/// this table.
const NO_SALT: &[u8] = &[];

/// Writes a password into a slot that is empty: `put!(conn, charger, slot, credential)`.
macro_rules! put {
    ($conn:ident, $charger:expr, $slot:expr, $credential:expr) => {{
        let (kind, hash) = match $credential {
            Credential::Keyed(hash) => ("basic", hash.as_slice()),
            Credential::Slow(text) => ("argon2", text.as_bytes()),
        };
        sqlx::query(PUT)
            .bind($charger)
            .bind(kind)
            .bind($slot as i64)
            .bind(NO_SALT)
            .bind(hash)
            .bind(row_id::now().0)
            .execute(&mut *$conn)
            .await?;
    }};
}

/// What is kept of a charger's Basic password.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// HMAC-SHA-256 with the program's key: fast, for secrets that are random.
    Keyed(Vec<u8>),
    /// Argon2id in PHC form: slow, for passwords that a person chose.
    Slow(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keyed(_) => "Keyed(***)",
            Self::Slow(_) => "Slow(***)",
        })
    }
}

/// Which of a charger's two secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The one in force.
    Current,
    /// The one it was told, while it is not known whether it took it.
    Next,
}

/// How a charger may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRow {
    /// The charger.
    pub charger: ChargerKey,
    /// The weakest profile a person allows it.
    pub required: SecurityProfile,
    /// The strongest it has come in with.
    pub reached: SecurityProfile,
    /// The CN of its certificate; empty while none is bound.
    pub certificate_name: String,
    /// The SHA-256 of the one certificate it may use, in hexadecimal; empty for any of its name.
    pub certificate_sha256: String,
    /// How it sends its 1.6 key, in words for people; empty while unknown.
    pub key_spelling: String,
}

impl Store {
    /// What is kept of every charger's Basic passwords. They are few and small, and are all kept
    /// in memory, so that a storm of logins does not ask the database.
    pub async fn credentials(&self) -> Result<Vec<(ChargerKey, Slot, Credential)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(ALL).fetch_all(conn).await?;
            all(&rows, |row| {
                let slot = if row.int(1)? == 0 { Slot::Current } else { Slot::Next };
                let hash = row.bytes(3)?;
                let credential = if row.text(2)? == "basic" {
                    Credential::Keyed(hash)
                } else {
                    let text = String::from_utf8(hash);
                    let unreadable = |_| Error::Unreadable("a charger's password".to_owned());
                    Credential::Slow(text.map_err(unreadable)?)
                };
                Ok((ChargerKey(row.number(0)?), slot, credential))
            })
        })
    }

    /// Sets a charger's only Basic password; `None` removes it.
    pub async fn set_credential(
        &self,
        charger: ChargerKey,
        credential: Option<&Credential>,
    ) -> Result<()> {
        let number = i64::from(charger.0);
        tx!(&self.db, conn => {
            sqlx::query(DELETE).bind(number).execute(&mut *conn).await?;
            if let Some(credential) = credential {
                put!(conn, number, 0, credential);
            }
            Ok(())
        })
    }

    /// Puts a second password beside the one in force: either opens.
    pub async fn add_credential(&self, charger: ChargerKey, credential: &Credential) -> Result<()> {
        let number = i64::from(charger.0);
        tx!(&self.db, conn => {
            sqlx::query(DELETE_SLOT).bind(number).bind(1_i64).execute(&mut *conn).await?;
            put!(conn, number, 1, credential);
            Ok(())
        })
    }

    /// Keeps one of a charger's two passwords, as the one in force.
    pub async fn keep_credential(&self, charger: ChargerKey, kept: Slot) -> Result<()> {
        let number = i64::from(charger.0);
        tx!(&self.db, conn => {
            let dropped = i64::from(kept == Slot::Current);
            sqlx::query(DELETE_SLOT).bind(number).bind(dropped).execute(&mut *conn).await?;
            if kept == Slot::Next {
                sqlx::query(PROMOTE).bind(number).execute(&mut *conn).await?;
            }
            Ok(())
        })
    }

    /// How every charger may come in, where anything is on record.
    pub async fn access(&self) -> Result<Vec<AccessRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(ACCESS).fetch_all(conn).await?;
            all(&rows, |row| Ok(AccessRow {
                charger: ChargerKey(row.number(0)?),
                required: profile(row.int(1)?)?,
                reached: profile(row.int(2)?)?,
                certificate_name: row.text(3)?,
                certificate_sha256: row.text(4)?,
                key_spelling: row.text(5)?,
            }))
        })
    }

    /// Sets how a charger may come in.
    pub async fn put_access(&self, row: &AccessRow) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(PUT_ACCESS)
                .bind(i64::from(row.charger.0))
                .bind(i64::from(row.required.number()))
                .bind(i64::from(row.reached.number()))
                .bind(&row.certificate_name)
                .bind(&row.certificate_sha256)
                .bind(&row.key_spelling)
                .bind(row_id::now().0)
                .execute(conn)
                .await?;
            Ok(())
        })
    }
}

fn profile(number: i64) -> Result<SecurityProfile> {
    u8::try_from(number)
        .ok()
        .and_then(SecurityProfile::from_number)
        .ok_or_else(|| Error::Unreadable("a charger's security profile".to_owned()))
}
