use mendpoint_model::ChargerKey;

use crate::db::{Columns as _, all, read, write};
use crate::{Result, Store, row_id};

const ALL: &str = "SELECT charger_key, hash FROM credential WHERE kind = 'basic' AND slot = 0
    ORDER BY charger_key";
const PUT: &str = "INSERT INTO credential (charger_key, kind, slot, salt, hash, created_at_ms)
    VALUES ($1, 'basic', 0, $2, $3, $4) ON CONFLICT (charger_key, kind, slot) DO UPDATE
    SET salt = excluded.salt, hash = excluded.hash, created_at_ms = excluded.created_at_ms";
const DELETE: &str = "DELETE FROM credential WHERE charger_key = $1";

/// The hashes are keyed, with a key that is not in this table; the column is there for other kinds.
const NO_SALT: &[u8] = &[];

impl Store {
    /// The keyed hash of every charger's Basic password. They are few and small, and are all kept
    /// in memory, so that a storm of logins does not ask the database.
    pub async fn credentials(&self) -> Result<Vec<(ChargerKey, Vec<u8>)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(ALL).fetch_all(conn).await?;
            all(&rows, |row| Ok((ChargerKey(row.number(0)?), row.bytes(1)?)))
        })
    }

    /// Sets the keyed hash of a charger's Basic password; `None` removes it.
    pub async fn set_credential(&self, charger: ChargerKey, hash: Option<&[u8]>) -> Result<()> {
        let number = i64::from(charger.0);
        write!(&self.db, conn => {
            match hash {
                Some(hash) => {
                    sqlx::query(PUT)
                        .bind(number)
                        .bind(NO_SALT)
                        .bind(hash)
                        .bind(row_id::now().0)
                        .execute(conn)
                        .await?
                }
                None => sqlx::query(DELETE).bind(number).execute(conn).await?,
            };
            Ok(())
        })
    }
}
