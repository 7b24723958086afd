//! One server a database: two that give out the same numbers would write over each other.

use std::fs::{File, TryLockError};

use crate::db::Db;
use crate::{Error, Result, Store};

/// Any number that no other program is likely to lock in the same database.
pub(crate) const ADVISORY_LOCK: i64 = 0x4D45_4E44_504F_494E;

/// The right to be the server of a database; given back when it is dropped, and by the system when
/// the process ends in any way.
#[derive(Debug)]
#[must_use]
pub struct ServerClaim {
    _held: Held,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held for as long as it lives, never looked at")]
enum Held {
    File(File),
    Connection(Box<sqlx::pool::PoolConnection<sqlx::Postgres>>),
}

impl Store {
    /// Claims the database for a server. Commands that add a person or a token need no claim.
    ///
    /// # Errors
    /// [`Error::InUse`] when another server has it.
    pub async fn claim_for_server(&self) -> Result<ServerClaim> {
        let in_use = || {
            Error::InUse(
                "another Mendpoint server is using this database; stop it first, or set \
                 database.url to another one"
                    .to_owned(),
            )
        };
        let held = match (&self.db, self.lock_path()) {
            (Db::Postgres(pool), _) => {
                let mut connection = pool.acquire().await?;
                let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                    .bind(ADVISORY_LOCK)
                    .fetch_one(&mut *connection)
                    .await?;
                if !locked {
                    return Err(in_use());
                }
                Held::Connection(Box::new(connection))
            }
            (Db::Sqlite { .. }, None) => return Err(in_use()),
            (Db::Sqlite { .. }, Some(path)) => {
                let file = File::create(&path)
                    .map_err(|source| Error::File { path: path.clone(), source })?;
                match file.try_lock() {
                    Ok(()) => Held::File(file),
                    Err(TryLockError::WouldBlock) => return Err(in_use()),
                    Err(TryLockError::Error(source)) => return Err(Error::File { path, source }),
                }
            }
        };
        Ok(ServerClaim { _held: held })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Error, Store, StoreSettings};

    async fn open(folder: &std::path::Path) -> Store {
        let url = format!("sqlite://{}/claim.db", folder.display());
        let settings = StoreSettings { url, ..StoreSettings::default() };
        Store::open(&settings, &prometheus::Registry::new()).await.expect("opened")
    }

    #[tokio::test]
    async fn a_second_server_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, second) = (open(folder.path()).await, open(folder.path()).await);
        let claim = first.claim_for_server().await.expect("nobody else");
        assert!(matches!(second.claim_for_server().await, Err(Error::InUse(_))));
        drop(claim);
        let _claim = second.claim_for_server().await.expect("free again");
    }
}
