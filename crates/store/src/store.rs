use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Row as _};
use tokio::task::JoinHandle;

use crate::db::Db;
use crate::migration::{MIGRATIONS, Migration, migrate, newest, version};
use crate::settings::without_password;
use crate::{Error, FrameLog, Journal, Result, StoreSettings, metrics, row_id};

/// Memory of the writing connection for pages, in KiB (negative: SQLite's way to say KiB): the newest
/// page of every charger's history should fit, or each row costs reading one.
const WRITER_CACHE: &str = "-8192";
/// Pages in the log before they are copied into the file (16 MiB): a page that changes often is
/// copied once for many changes.
const LOG_PAGES: &str = "4096";
/// The oldest SQLite that does not corrupt a database in WAL mode (the WAL-reset bug of 3.7.0 to
/// 3.51.2).
const SQLITE_NEEDED: &str = "3.51.3";
/// How long a statement waits for a lock held by another process, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long anybody waits for a connection of a pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// The database. Cheap to clone; everybody shares the same pools, journal and frame log.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) db: Db,
    journal: Journal,
    frames: FrameLog,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
    file: Option<Arc<Path>>,
}

impl Store {
    /// Opens the database, creating the file and its folder (SQLite) where there is none, brings
    /// the schema up to date after a backup, and starts the journal.
    ///
    /// # Errors
    /// When the address cannot be used, SQLite is too old, the schema is newer than this program,
    /// or the database cannot be reached.
    pub async fn open(settings: &StoreSettings, registry: &prometheus::Registry) -> Result<Self> {
        Self::open_with(settings, registry, MIGRATIONS).await
    }

    pub(crate) async fn open_with(
        settings: &StoreSettings,
        registry: &prometheus::Registry,
        migrations: &'static [Migration],
    ) -> Result<Self> {
        let (db, file) = connect(settings).await?;
        let found = version(&db).await?;
        let known = newest(migrations);
        if found > known {
            db.close().await;
            return Err(Error::SchemaTooNew { found, known });
        }
        if found < known {
            if let (Some(file), true) = (&file, found > 0) {
                backup_before_migration(&db, file, found).await?;
            }
            migrate(&db, migrations).await?;
        }
        let frames = FrameLog::new(db.clone());
        let metrics = metrics::Metrics::new(registry)?;
        let (journal, writer) =
            Journal::start(db.clone(), frames.clone(), metrics, settings.queue_entries);
        tracing::info!(database.url = without_password(&settings.url), "the database is open");
        let writer = Arc::new(Mutex::new(Some(writer)));
        Ok(Self { db, journal, frames, writer, file: file.map(Into::into) })
    }

    /// The journal: what must be on disk before the world hears of it goes through here.
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// The log of raw frames.
    pub fn frame_log(&self) -> FrameLog {
        self.frames.clone()
    }

    /// The file that a server locks beside an SQLite database.
    pub(crate) fn lock_path(&self) -> Option<PathBuf> {
        let file = self.file.as_deref()?;
        let mut name = file.as_os_str().to_owned();
        name.push(".lock");
        Some(name.into())
    }

    /// Whether the database answers, for the readiness check.
    pub async fn ping(&self) -> Result<()> {
        self.db.ping().await
    }

    /// Writes what is in the journal and closes the database. Nothing is taken any more after it.
    pub async fn close(&self) {
        self.journal.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the journal's writer ended badly");
        }
        self.db.close().await;
    }

    /// Copies the whole database, consistent and compact, into a new file, while it is in use.
    ///
    /// # Errors
    /// When the file exists already, or the database is PostgreSQL.
    pub async fn backup(&self, to: &Path) -> Result<()> {
        if self.file.is_none() {
            return Err(Error::Unsupported(
                "a PostgreSQL database is backed up with pg_dump or pg_basebackup",
            ));
        }
        vacuum_into(&self.db, to).await
    }
}

async fn connect(settings: &StoreSettings) -> Result<(Db, Option<PathBuf>)> {
    let url = settings.url.as_str();
    if url.starts_with("sqlite:") {
        let (db, file) = connect_sqlite(url, settings.connections).await?;
        return Ok((db, Some(file)));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| Error::Url(format!("database.url: {error}")))?
            .application_name("mendpoint")
            .statement_cache_capacity(300)
            // What is acknowledged is on disk, whatever the server's own default is.
            .options([("synchronous_commit", "on")])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections.max(2))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        return Ok((Db::Postgres(pool), None));
    }
    Err(Error::Url(format!(
        "database.url is \"{}\"; write sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE",
        without_password(url)
    )))
}

async fn connect_sqlite(url: &str, readers: u32) -> Result<(Db, PathBuf)> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| Error::Url(format!("database.url: {error}")))?;
    let file = options.get_filename().to_path_buf();
    if url.contains(":memory:") || url.contains("mode=memory") || file.as_os_str().is_empty() {
        return Err(Error::Url(
            "database.url: a database in memory forgets what was acknowledged; name a file, as in \
             sqlite://data/mendpoint.db"
                .to_owned(),
        ));
    }
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|source| Error::File { path: folder.to_path_buf(), source })?;
    }
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(200)
        // A log that grew while a reader was slow is cut back when it is used up again (64 MiB).
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging();
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };
    let writing = options.clone().pragma("cache_size", WRITER_CACHE);
    let writing = writing.pragma("wal_autocheckpoint", LOG_PAGES);
    // What a statement of many rows would have to take back, were it refused, is kept in memory:
    // in a file, that is a page written for every row.
    let writing = writing.pragma("temp_store", "MEMORY");
    let write = pool().max_connections(1).connect_with(writing).await?;
    check_sqlite_version(&write).await?;
    // Not `read_only`: a reader must be able to set the shared memory of the log up again after a
    // crash. The pragma refuses writes all the same.
    let reading = options.pragma("query_only", "1");
    let read = pool().max_connections(readers.max(1)).connect_with(reading).await?;
    Ok((Db::Sqlite { read, write }, file))
}

async fn check_sqlite_version(pool: &SqlitePool) -> Result<()> {
    let row = sqlx::query("SELECT sqlite_version()").fetch_one(pool).await?;
    let found: String = row.try_get(0)?;
    if version_parts(&found) < version_parts(SQLITE_NEEDED) {
        return Err(Error::SqliteTooOld { found, needed: SQLITE_NEEDED });
    }
    Ok(())
}

fn version_parts(text: &str) -> Vec<u32> {
    text.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// Keeps the database as it was beside itself: `mendpoint.db.schema-1.1790000000000.bak`.
async fn backup_before_migration(db: &Db, file: &Path, found: i64) -> Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".schema-{found}.{}.bak", row_id::now().0));
    let to = file.with_file_name(name);
    vacuum_into(db, &to).await?;
    tracing::info!(file = %to.display(), "the database was copied before its schema is migrated");
    Ok(())
}

async fn vacuum_into(db: &Db, to: &Path) -> Result<()> {
    let Db::Sqlite { write, .. } = db else {
        return Err(Error::Unsupported("only SQLite copies itself into a file"));
    };
    let source = |kind: std::io::ErrorKind| Error::File { path: to.into(), source: kind.into() };
    if to.exists() {
        return Err(source(std::io::ErrorKind::AlreadyExists));
    }
    let name = to.to_str().ok_or_else(|| source(std::io::ErrorKind::InvalidFilename))?;
    // A connection of its own, so that the copy of a large file does not hold up the writer.
    let mut conn = write.connect_options().as_ref().clone().connect().await?;
    let copied = sqlx::query("VACUUM INTO $1").bind(name).execute(&mut conn).await;
    sqlx::Connection::close(conn).await.ok();
    copied?;
    let copy =
        std::fs::File::open(to).map_err(|error| Error::File { path: to.into(), source: error })?;
    copy.sync_all().map_err(|error| Error::File { path: to.into(), source: error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(version_parts("3.9.0") < version_parts(SQLITE_NEEDED));
        assert!(version_parts("3.51.2") < version_parts(SQLITE_NEEDED));
        assert!(version_parts("3.51.3") >= version_parts(SQLITE_NEEDED));
        assert!(version_parts("3.100.0") > version_parts(SQLITE_NEEDED));
    }
}
