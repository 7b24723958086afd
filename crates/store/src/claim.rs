//! One server a database: two that give out the same numbers would write over each other.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::sqlite::SqlitePool;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::db::Db;
use crate::{Error, Result, Store, row_id};

/// Any number that no other program is likely to lock in the same database.
const ADVISORY_LOCK: i64 = 0x4D45_4E44_504F_494E;
/// How often is looked whether the lock still stands, and how long an answer may take.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The pause before the lock is asked for again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The right to be the server of a database; given back when it is dropped, and by the system when
/// the process ends in any way.
#[derive(Debug)]
#[must_use]
pub struct ServerClaim {
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// Locked for as long as it is open.
    #[expect(dead_code, reason = "held for as long as it lives, never looked at")]
    File(File),
    /// A task that holds a connection with the lock, and whether another server took it.
    Keeper(JoinHandle<()>, watch::Receiver<bool>),
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::Keeper(task, _) = self {
            task.abort();
        }
    }
}

impl ServerClaim {
    /// Waits until another server has the database, as can happen while this one was cut off from
    /// it. This one must stop then.
    pub async fn lost(&self) {
        if let Held::Keeper(_, lost) = &self.held
            && lost.clone().wait_for(|lost| *lost).await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

impl Store {
    /// Claims the database for a server. Commands that add a person or a token need no claim.
    ///
    /// # Errors
    /// [`Error::InUse`] when another server has it.
    pub async fn claim_for_server(&self) -> Result<ServerClaim> {
        let held = match (&self.db, self.file()) {
            (Db::Postgres(pool), _) => keep_on_server(pool).await?,
            (Db::Sqlite { .. }, None) => return Err(in_use()),
            (Db::Sqlite { write, .. }, Some(file)) => {
                let held = lock_beside(file).map_err(|error| match error {
                    Error::InUse(_) => in_use(),
                    error => error,
                })?;
                empty_log(write).await;
                Held::File(held)
            }
        };
        Ok(ServerClaim { held })
    }
}

/// The file that a name leads to, whatever links are on the way: two names of one database are one
/// database. What is not there yet keeps the name that it will have.
pub(crate) fn real_path(file: &Path) -> PathBuf {
    if let Ok(real) = file.canonicalize() {
        return real;
    }
    // A link to what is not there yet.
    let led = std::fs::read_link(file).map(|to| file.parent().unwrap_or(Path::new("")).join(to));
    let file = led.as_deref().unwrap_or(file);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    match (folder, file.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => file.to_path_buf(),
    }
}

/// Locks an SQLite database for whoever needs it alone: a file beside it, for as long as it is open.
///
/// # Errors
/// [`Error::InUse`] when somebody else has it.
pub(crate) fn lock_beside(database: &Path) -> Result<File> {
    let mut path = real_path(database).into_os_string();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = File::create(&path).map_err(|source| Error::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(stop_it_first()),
        Err(TryLockError::Error(source)) => Err(Error::File { path, source }),
    }
}

/// What is said to whoever would take the database from under a server.
pub(crate) fn stop_it_first() -> Error {
    Error::InUse("a Mendpoint server is using this database; stop it first".to_owned())
}

/// Copies SQLite's log of writes into the database, before anybody writes more. A program that is killed
/// again and again before its turn comes would have more to read at every start.
async fn empty_log(pool: &SqlitePool) {
    let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await;
    if let Err(error) = emptied {
        tracing::warn!(%error, "the log of writes was not emptied; it is copied while the server runs");
    }
}

fn in_use() -> Error {
    Error::InUse(
        "another Mendpoint server is using this database; stop it first, or set database.url to \
         another one"
            .to_owned(),
    )
}

/// Takes the lock on a connection of its own and keeps it, over restarts of the database too.
async fn keep_on_server(pool: &PgPool) -> Result<Held> {
    // The name tells a connection of ours that the server has not missed yet from another's.
    let name = format!("mendpoint server {:x}", row_id::next());
    let options = pool.connect_options().as_ref().clone().application_name(&name);
    let mut conn = options.connect().await?;
    if !try_lock(&mut conn).await? {
        return Err(in_use());
    }
    let (tell, lost) = watch::channel(false);
    let keeper = tokio::spawn(async move {
        loop {
            sleep(LOOK_EVERY).await;
            if matches!(timeout(ANSWER_WITHIN, conn.ping()).await, Ok(Ok(()))) {
                continue;
            }
            conn = match take_again(&options, &name).await {
                Some(conn) => conn,
                None => {
                    tell.send_replace(true);
                    return;
                }
            };
        }
    });
    Ok(Held::Keeper(keeper, lost))
}

/// Takes the lock again after its connection was lost; `None` when another server was faster.
async fn take_again(options: &PgConnectOptions, name: &str) -> Option<PgConnection> {
    loop {
        let tried = timeout(ANSWER_WITHIN, async {
            let mut conn = options.connect().await?;
            if try_lock(&mut conn).await? {
                return Ok(Some(conn));
            }
            let holder: Option<(i32, String)> =
                sqlx::query_as(HOLDER).bind(ADVISORY_LOCK).fetch_optional(&mut conn).await?;
            match holder {
                Some((_, holder)) if holder != name => Ok(None),
                // Our own, that the server takes for alive.
                Some((pid, _)) => {
                    sqlx::query(END).bind(pid).execute(&mut conn).await?;
                    Err(Error::Silent(LOOK_EVERY))
                }
                None => Err(Error::Silent(LOOK_EVERY)),
            }
        });
        match tried.await {
            Ok(Ok(Some(conn))) => {
                tracing::info!("the claim on the database was renewed");
                return Some(conn);
            }
            Ok(Ok(None)) => return None,
            Ok(Err(_)) | Err(_) => sleep(AGAIN_AFTER).await,
        }
    }
}

const HOLDER: &str = "SELECT a.pid, a.application_name
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()
      AND (l.classid::bigint << 32) | l.objid::bigint = $1";
const END: &str = "SELECT pg_terminate_backend($1)";

pub(crate) async fn try_lock(conn: &mut PgConnection) -> Result<bool> {
    let row =
        sqlx::query("SELECT pg_try_advisory_lock($1)").bind(ADVISORY_LOCK).fetch_one(conn).await?;
    Ok(row.try_get(0)?)
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

    #[tokio::test]
    #[ignore = "needs a PostgreSQL server: scripts/with-postgres"]
    async fn a_claim_on_postgres_outlives_its_connection_and_does_not_hold_up_the_close() {
        let settings = crate::tests::postgres::empty_database().await;
        let registry = prometheus::Registry::new;
        let first = Store::open(&settings, &registry()).await.expect("opened");
        let second = Store::open(&settings, &registry()).await.expect("opened");
        let claim = first.claim_for_server().await.expect("nobody else");
        assert!(matches!(second.claim_for_server().await, Err(Error::InUse(_))));
        let crate::db::Db::Postgres(pool) = &second.db else { panic!("it is PostgreSQL") };
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name LIKE 'mendpoint server %'";
        sqlx::query(cut).execute(pool).await.expect("cut");
        tokio::time::sleep(super::LOOK_EVERY * 2).await;
        assert!(matches!(second.claim_for_server().await, Err(Error::InUse(_))), "taken again");
        let lost = tokio::time::timeout(std::time::Duration::from_millis(10), claim.lost());
        assert!(lost.await.is_err(), "it is ours all the time");

        // Cut off, and another one is faster.
        let options =
            pool.connect_options().as_ref().clone().application_name("mendpoint server x");
        let mut other = sqlx::ConnectOptions::connect(&options).await.expect("connected");
        let only_ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name LIKE 'mendpoint server %' AND application_name NOT LIKE '% x'";
        sqlx::query(only_ours).execute(&mut other).await.expect("cut");
        while !super::try_lock(&mut other).await.expect("asked") {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let lost = tokio::time::timeout(super::LOOK_EVERY * 4, claim.lost()).await;
        assert!(lost.is_ok(), "it must be told");
        // The claim is still held here: closing must not wait for it.
        let closed = tokio::time::timeout(super::LOOK_EVERY, first.close()).await;
        assert!(closed.is_ok(), "the close hangs");
        drop(claim);
        second.close().await;
    }
}
