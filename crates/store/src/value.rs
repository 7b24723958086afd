//! Single values by name: switches, and secrets that the program makes for itself.

use crate::db::{Columns as _, one, read, write};
use crate::{Error, Result, Store, row_id};

const GET: &str = "SELECT value FROM kv WHERE name = $1";
const SET: &str = "INSERT INTO kv (name, value, updated_at_ms) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value,
    updated_at_ms = excluded.updated_at_ms";
const SET_ONCE: &str = "INSERT INTO kv (name, value, updated_at_ms) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO NOTHING";
const DELETE: &str = "DELETE FROM kv WHERE name = $1";

/// Bytes of a secret.
const SECRET_BYTES: usize = 32;

impl Store {
    /// The value of a name.
    pub async fn get_value(&self, name: &str) -> Result<Option<String>> {
        read!(&self.db, conn => {
            let query = sqlx::query(GET).bind(name);
            one(query.fetch_optional(conn).await?.as_ref(), |row| row.text(0))
        })
    }

    /// Sets the value of a name.
    pub async fn set_value(&self, name: &str, value: &str) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(SET).bind(name).bind(value).bind(row_id::now().0).execute(conn).await?;
            Ok(())
        })
    }

    /// Forgets a name.
    pub async fn delete_value(&self, name: &str) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(DELETE).bind(name).execute(conn).await?;
            Ok(())
        })
    }

    /// A secret of 32 random bytes: made at the first call, the same ever after, also when two
    /// programs ask at the same time.
    pub async fn secret(&self, name: &str) -> Result<Vec<u8>> {
        let name = format!("secret.{name}");
        if let Some(text) = self.get_value(&name).await? {
            return unhex(&text);
        }
        let mut bytes = [0_u8; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
        write!(&self.db, conn => {
            Ok(sqlx::query(SET_ONCE)
                .bind(&name)
                .bind(hex(&bytes))
                .bind(row_id::now().0)
                .execute(conn)
                .await?
                .rows_affected())
        })?;
        let text = self.get_value(&name).await?.unwrap_or_default();
        unhex(&text)
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let broken = || Error::Unreadable("a secret".to_owned());
    if text.len() != SECRET_BYTES * 2 || !text.is_ascii() {
        return Err(broken());
    }
    (0..SECRET_BYTES)
        .map(|index| u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| broken()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_read_back_and_nonsense_is_refused() {
        let bytes: Vec<u8> = (0..32).map(|n| n * 7).collect();
        assert_eq!(unhex(&hex(&bytes)).expect("it is whole"), bytes);
        assert!(unhex("").is_err());
        assert!(unhex(&"g".repeat(64)).is_err());
    }
}
