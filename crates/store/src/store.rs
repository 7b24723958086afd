use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Row as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::db::Db;
use crate::migration::{
    MIGRATIONS, Migration, has_schema, migrate, newest, refuse_others, version,
};
use crate::settings::without_password;
use crate::trouble::{TroubleBoard, watch_over};
use crate::words::io_words;
use crate::{
    Error, FrameLog, Journal, Result, StoreSettings, Trouble, claim, metrics, private, row_id,
    safety_copy,
};

/// Memory of the writing connection for pages, in KiB (negative: SQLite's way to say KiB): the newest
/// page of every charger's history should fit, or each row costs reading one.
const WRITER_CACHE: &str = "-8192";
/// Pages in the log before they are copied into the file (16 MiB): a page that changes often is
/// copied once for many changes.
const LOG_PAGES: &str = "4096";
/// The oldest SQLite that does not corrupt a database in WAL mode (the WAL-reset bug of 3.7.0 to
/// 3.51.2).
const SQLITE_NEEDED: &str = "3.51.3";
/// How long anybody waits for a connection of a pool: a page then says that the database is away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(8);
/// How long nothing is said of a server that does not answer.
const TELL_AFTER: Duration = Duration::from_secs(2);

/// The database. Cheap to clone; everybody shares the same pools, journal and frame log.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) db: Db,
    journal: Journal,
    frames: FrameLog,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
    trouble: TroubleBoard,
    closed: watch::Sender<bool>,
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

    /// Opens a database that is there, for whoever asks it something: a name that was mistyped must
    /// not give an empty one that says all is well. Otherwise like [`Store::open`].
    ///
    /// # Errors
    /// [`Error::NoDatabase`] when there is none, and as [`Store::open`].
    pub async fn open_existing(
        settings: &StoreSettings,
        registry: &prometheus::Registry,
    ) -> Result<Self> {
        if let Some(file) = sqlite_file(&settings.url)? {
            // One of no bytes is what a start that failed leaves.
            if std::fs::metadata(&file).is_ok_and(|about| about.len() == 0) || !is_there(&file)? {
                return Err(Error::NoDatabase(file.display().to_string()));
            }
        }
        Self::open_known(settings, registry, MIGRATIONS, true).await?.finished().await
    }

    /// Opens a database whose restore is not done yet, for the one who does it.
    pub(crate) async fn open_unfinished(settings: &StoreSettings) -> Result<Self> {
        Self::open_known(settings, &prometheus::Registry::new(), MIGRATIONS, true).await
    }

    /// Does what a restore that was cut off has left: nobody sees the database before.
    async fn finished(self) -> Result<Self> {
        match self.finish_restore().await {
            Ok(_) => Ok(self),
            Err(error) => {
                self.close().await;
                Err(Error::Unfinished(Box::new(error)))
            }
        }
    }

    pub(crate) async fn open_with(
        settings: &StoreSettings,
        registry: &prometheus::Registry,
        migrations: &'static [Migration],
    ) -> Result<Self> {
        Self::open_known(settings, registry, migrations, false).await?.finished().await
    }

    async fn open_known(
        settings: &StoreSettings,
        registry: &prometheus::Registry,
        migrations: &'static [Migration],
        must_exist: bool,
    ) -> Result<Self> {
        let (db, file) = connect(settings).await?;
        if must_exist && !has_schema(&db).await? {
            db.close().await;
            return Err(Error::NoDatabase(without_password(&settings.url)));
        }
        if let Err(error) = refuse_others(&db, &settings.url).await {
            db.close().await;
            return Err(error);
        }
        if let Some(file) = &file {
            private::tighten(file);
        }
        let found = version(&db).await?;
        let known = newest(migrations);
        if found > known {
            db.close().await;
            return Err(Error::SchemaTooNew { found, known });
        }
        if found < known {
            if found > 0 {
                safety_copy::before_migration(&db, file.as_deref(), settings, found).await?;
            }
            migrate(&db, migrations).await?;
        }
        if known >= crate::audit::CHAINED_SINCE {
            crate::audit::chain_old_rows(&db).await?;
        }
        let metrics = metrics::Metrics::new(registry)?;
        let frames = FrameLog::new(db.clone(), metrics.frames_dropped.clone());
        let (journal, writer) =
            Journal::start(db.clone(), frames.clone(), metrics, settings.queue_entries);
        let trouble = TroubleBoard::new(registry)?;
        let closed = watch::Sender::new(false);
        tokio::spawn(watch_over(db.clone(), journal.clone(), trouble.clone(), closed.subscribe()));
        tracing::info!(database.url = without_password(&settings.url), "the database is open");
        let writer = Arc::new(Mutex::new(Some(writer)));
        Ok(Self { db, journal, frames, writer, trouble, closed, file: file.map(Into::into) })
    }

    /// The journal: what must be on disk before the world hears of it goes through here.
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// The log of raw frames.
    pub fn frame_log(&self) -> FrameLog {
        self.frames.clone()
    }

    /// The file of an SQLite database.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether the database answers, for the readiness check.
    pub async fn ping(&self) -> Result<()> {
        self.db.ping().await
    }

    /// What is wrong with the database, if something is. Found within seconds, and gone as soon as
    /// it is over.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.get()
    }

    /// Writes what is in the journal and closes the database. Nothing is taken any more after it.
    pub async fn close(&self) {
        self.closed.send_replace(true);
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
        safety_copy::vacuum_into(&self.db, to).await
    }
}

async fn connect(settings: &StoreSettings) -> Result<(Db, Option<PathBuf>)> {
    let url = settings.url.as_str();
    if url.starts_with("sqlite:") {
        let (db, file) = connect_sqlite(url, settings).await?;
        return Ok((db, Some(file)));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| Error::Url(format!("database.url: {error}")))?
            .application_name("mendpoint")
            .statement_cache_capacity(300)
            .options([
                // What is acknowledged is on disk, whatever the server's own default is.
                ("synchronous_commit", "on"),
                // A connection of ours that vanished must not keep rows locked for hours.
                ("tcp_keepalives_idle", "30"),
                ("tcp_keepalives_interval", "10"),
                ("tcp_keepalives_count", "3"),
                ("idle_in_transaction_session_timeout", "90s"),
            ])
            .disable_statement_logging();
        reach(&options, url).await?;
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections.max(2))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        check_postgres_promises(&pool).await?;
        return Ok((Db::Postgres(pool), None));
    }
    Err(Error::Url(format!(
        "database.url is \"{}\"; write sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE",
        without_password(url)
    )))
}

/// Asks a server by a connection of its own whether it can be reached: a pool would only say that it
/// waited in vain. One that is just starting is waited for.
async fn reach(options: &PgConnectOptions, url: &str) -> Result<()> {
    let told = async {
        tokio::time::sleep(TELL_AFTER).await;
        let until = row_id::now() + ACQUIRE_TIMEOUT.saturating_sub(TELL_AFTER).as_millis() as i64;
        tracing::warn!(
            "the database at {}:{} does not answer; trying on until {}",
            options.get_host(),
            options.get_port(),
            until.rfc3339()
        );
        std::future::pending().await
    };
    tokio::select! {
        reached = try_to_reach(options, url) => reached,
        never = told => never,
    }
}

async fn try_to_reach(options: &PgConnectOptions, url: &str) -> Result<()> {
    let begun = std::time::Instant::now();
    loop {
        let tried = tokio::time::timeout(ACQUIRE_TIMEOUT, options.connect()).await;
        let why = match tried {
            Ok(Ok(connection)) => {
                sqlx::Connection::close(connection).await.ok();
                return Ok(());
            }
            Ok(Err(sqlx::Error::Io(error))) => io_words(&error),
            // 57P03: it is starting up, or going down.
            Ok(Err(sqlx::Error::Database(error))) if error.code().as_deref() == Some("57P03") => {
                error.message().to_owned()
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => "it does not answer".to_owned(),
        };
        if begun.elapsed() >= ACQUIRE_TIMEOUT {
            return Err(Error::Unreachable(format!(
                "{} cannot be reached ({why}): see that the server runs and can be reached from here",
                without_password(url)
            )));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Why a file could not be opened, with its name.
fn not_opened(file: &Path, error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let why = match code.and_then(|code| code.parse::<i64>().ok()).map(|code| code & 0xff) {
        // CANTOPEN, READONLY
        Some(14 | 8) => {
            "cannot be opened: see that it is a file, and that it and its folder may be written"
        }
        // NOTADB
        Some(26) => "is no database of SQLite, or it is damaged from the beginning on",
        _ => return error.into(),
    };
    Error::Unreachable(format!("{} {why}", file.display()))
}

/// The file of an address of SQLite; `None` for other databases.
fn sqlite_file(url: &str) -> Result<Option<PathBuf>> {
    if !url.starts_with("sqlite:") {
        return Ok(None);
    }
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| Error::Url(format!("database.url: {error}")))?;
    Ok(Some(options.get_filename().to_path_buf()))
}

/// Whether there is a file. One in a folder that may not be looked into is an error.
fn is_there(file: &Path) -> Result<bool> {
    file.try_exists().map_err(|source| Error::File { path: file.to_path_buf(), source })
}

async fn connect_sqlite(url: &str, settings: &StoreSettings) -> Result<(Db, PathBuf)> {
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
    // What keeps this from being made keeps SQLite from opening it, and is told there.
    private::touch(&file).ok();
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What an INSERT OR REPLACE deletes, it deletes before the triggers too.
        .pragma("recursive_triggers", "ON")
        .busy_timeout(Duration::from_millis(settings.busy_timeout_ms))
        .statement_cache_capacity(300)
        // Rows that the reading thread may be ahead; with the default of 50 a large read is mostly
        // two threads that wake each other.
        .row_buffer_size(1_024)
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
    let write = pool().max_connections(1).connect_with(writing).await;
    let write = write.map_err(|error| not_opened(&file, error))?;
    check_sqlite_version(&write).await?;
    check_sqlite_promises(&write).await?;
    // Not `read_only`: a reader must be able to set the shared memory of the log up again after a
    // crash. The pragma refuses writes all the same.
    let reading = options.pragma("query_only", "1");
    let read = pool().max_connections(settings.connections.max(1)).connect_with(reading).await?;
    // Its lock and its lists lie beside it, by whatever name it was called.
    Ok((Db::Sqlite { read, write }, claim::real_path(&file)))
}

async fn check_sqlite_version(pool: &SqlitePool) -> Result<()> {
    let row = sqlx::query("SELECT sqlite_version()").fetch_one(pool).await?;
    let found: String = row.try_get(0)?;
    if version_parts(&found) < version_parts(SQLITE_NEEDED) {
        return Err(Error::SqliteTooOld { found, needed: SQLITE_NEEDED });
    }
    Ok(())
}

/// Whether the file keeps what it acknowledges. A file system without shared memory leaves the log
/// mode at what it was, and says so only when asked.
async fn check_sqlite_promises(pool: &SqlitePool) -> Result<()> {
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await?;
    if mode != "wal" {
        return Err(Error::NotDurable(format!(
            "SQLite uses the journal mode {mode} here and not wal, as on some network file systems; \
             put the database on a disk of this machine"
        )));
    }
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await?;
    if synchronous < 2 {
        return Err(Error::NotDurable(format!(
            "SQLite runs with synchronous={synchronous} instead of FULL (2)"
        )));
    }
    Ok(())
}

/// Whether the server keeps what it acknowledges: a pooler between us may have dropped our setting.
async fn check_postgres_promises(pool: &PgPool) -> Result<()> {
    let (fsync, commit): (String, String) =
        sqlx::query_as("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
            .fetch_one(pool)
            .await?;
    if fsync != "on" {
        return Err(Error::NotDurable(
            "the PostgreSQL server runs with fsync=off: a power cut would lose what chargers were \
             told is safe; set fsync = on in its postgresql.conf"
                .to_owned(),
        ));
    }
    // The other words wait for the disk here too, and for more or less of a standby.
    if commit == "off" {
        return Err(Error::NotDurable(
            "the PostgreSQL server does not let Mendpoint set synchronous_commit=on, and it is off; \
             a pooler in between must pass start-up options on, or set it for this user: ALTER ROLE \
             .. SET synchronous_commit = on"
                .to_owned(),
        ));
    }
    Ok(())
}

fn version_parts(text: &str) -> Vec<u32> {
    text.split('.').map(|part| part.parse().unwrap_or(0)).collect()
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
