//! The way back from a copy.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::{Manifest, file_error, is_postgres, sqlite_options, tools, verify_backup, with_ending};
use crate::db::Columns as _;
use crate::erasure::Erased;
use crate::{Error, Result, Store, StoreSettings, claim, private, row_id};

/// How a copy is brought back.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// Also where there is a database with something in it; that one is kept aside.
    pub force: bool,
    /// The folder of backups, whose list of erasures counts too.
    pub backups: Option<PathBuf>,
}

/// What was brought back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the copy held.
    pub manifest: Manifest,
    /// Where the database of before was put, if there was one.
    pub aside: Option<String>,
    /// How many erasures of persons were made again.
    pub erased_again: u64,
}

/// Puts a copy in the place of the database of these settings, after checking it. Erasures of
/// persons that were made since the copy are made again, from the database that is replaced and from
/// the lists beside the copy, in the folder of backups and beside the database.
///
/// # Errors
/// When the copy is not whole, the database is in use, or it is not empty and `force` was not said.
pub async fn restore_backup(
    settings: &StoreSettings,
    file: &Path,
    options: &RestoreOptions,
) -> Result<Restored> {
    let manifest = verify_backup(file).await?;
    let wanted = if is_postgres(settings) { "postgres" } else { "sqlite" };
    if manifest.database != wanted {
        return Err(Error::Backup(format!(
            "{} is a copy of a {} database, and database.url is {wanted}",
            file.display(),
            manifest.database
        )));
    }
    let mut erased = Erased::read_beside(file)?;
    if let Some(folder) = &options.backups {
        erased.extend(Erased::read_folder(folder)?);
    }
    let aside = if is_postgres(settings) {
        into_postgres(settings, file, options, &mut erased).await?
    } else {
        into_sqlite(settings, file, &manifest, options, &mut erased).await?
    };
    let store = Store::open(settings, &prometheus::Registry::new()).await?;
    let done = again(&store, &manifest, erased).await;
    store.close().await;
    Ok(Restored { manifest, aside, erased_again: done? })
}

/// What is done in the database that was brought back.
async fn again(store: &Store, manifest: &Manifest, erased: Vec<Erased>) -> Result<u64> {
    let count = store.erase_again(erased).await?;
    let made = mendpoint_model::UnixMs(manifest.made_at_ms).rfc3339();
    store.add_audit("command line", "backup restored", "database", &made).await?;
    Ok(count)
}

fn not_empty(what: &str) -> Error {
    Error::Backup(format!(
        "{what} is not empty; with --force it is kept aside and the copy takes its place"
    ))
}

async fn into_sqlite(
    settings: &StoreSettings,
    file: &Path,
    manifest: &Manifest,
    options: &RestoreOptions,
    erased: &mut Vec<Erased>,
) -> Result<Option<String>> {
    let target = sqlite_options(&settings.url)?.get_filename().to_path_buf();
    if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| file_error(folder, error))?;
    }
    // The same lock as a server's, held until the copy is in place.
    let lock_path = with_ending(&target, "lock");
    let lock = File::create(&lock_path).map_err(|error| file_error(&lock_path, error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Error::InUse(
                "a Mendpoint server is using this database; stop it first".to_owned(),
            ));
        }
        Err(TryLockError::Error(error)) => return Err(file_error(&lock_path, error)),
    }
    erased.extend(Erased::read_beside(&target)?);
    if target.exists() && !options.force && !is_empty_sqlite(&target).await {
        return Err(not_empty(&target.display().to_string()));
    }
    // First the copy, where it needs room: until it is whole, nothing is moved.
    let part = with_ending(&target, "part");
    let written = write_part(file, &part, manifest).await;
    if written.is_err() {
        std::fs::remove_file(&part).ok();
    }
    written?;
    // A log of writes that stayed alone would be played into the copy.
    let name = with_ending(&target, &format!("before-restore.{}", row_id::now().0));
    let is_there = ENDINGS.iter().any(|ending| named(&target, ending).exists());
    if is_there {
        move_files(&target, &name)?;
        // What was erased in it stays erased, if it can still be read.
        erased.extend(erasures_of_file(&name).await.unwrap_or_default());
    }
    if let Err(error) = std::fs::rename(&part, &target) {
        if is_there {
            move_files(&name, &target)?;
        }
        return Err(file_error(&target, error));
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new("."))).and_then(|it| it.sync_all());
    folder.map_err(|error| file_error(&target, error))?;
    Ok(is_there.then(|| name.display().to_string()))
}

/// The files of an SQLite database.
const ENDINGS: [&str; 3] = ["", "-wal", "-shm"];

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Gives a database another name; what there is not is left out.
fn move_files(from: &Path, to: &Path) -> Result<()> {
    for ending in ENDINGS {
        match std::fs::rename(named(from, ending), named(to, ending)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(file_error(from, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes the copy beside its place, and makes sure that it is on disk as it was read.
async fn write_part(file: &Path, part: &Path, manifest: &Manifest) -> Result<()> {
    let copied =
        private::create(part).and_then(|mut part| std::io::copy(&mut File::open(file)?, &mut part));
    copied.map_err(|error| file_error(part, error))?;
    let (sha256, _) = super::hash_of(part).await?;
    if sha256 != manifest.sha256 {
        return Err(Error::Backup(format!("{} was not written as it was read", part.display())));
    }
    File::open(part).and_then(|part| part.sync_all()).map_err(|error| file_error(part, error))
}

/// Whether there is nothing in it that anybody would miss. What cannot be read is not empty.
async fn is_empty_sqlite(file: &Path) -> bool {
    let looked = async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let mut conn = options.disable_statement_logging().connect().await?;
        let found = sqlx::query("SELECT COUNT(*) FROM sqlite_master").fetch_one(&mut conn).await;
        let count = found?.int(0)?;
        let missed = if count == 0 { 0 } else { something_in!(conn) };
        conn.close().await.ok();
        Ok::<_, Error>(missed)
    };
    matches!(looked.await, Ok(0))
}

async fn erasures_of_file(file: &Path) -> Result<Vec<Erased>> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut conn = options.disable_statement_logging().connect().await?;
    let rows = sqlx::query(crate::erasure::LIST).fetch_all(&mut conn).await;
    conn.close().await.ok();
    rows?.iter().map(crate::erasure::erased).collect()
}

/// How many rows there are that somebody would miss.
macro_rules! something_in {
    ($conn:expr) => {{
        let sql = "SELECT (SELECT COUNT(*) FROM charger) + (SELECT COUNT(*) FROM app_user)
            + (SELECT COUNT(*) FROM charge_transaction) + (SELECT COUNT(*) FROM id_token)";
        sqlx::query(sql).fetch_one(&mut $conn).await?.int(0)?
    }};
}
use something_in;

async fn into_postgres(
    settings: &StoreSettings,
    file: &Path,
    options: &RestoreOptions,
    erased: &mut Vec<Erased>,
) -> Result<Option<String>> {
    let connect = sqlx::postgres::PgConnectOptions::from_str(&settings.url)
        .map_err(|error| Error::Url(format!("database.url: {error}")))?
        .disable_statement_logging();
    let mut conn = connect.connect().await?;
    let done = replace_schema(&mut conn, settings, file, options, erased).await;
    conn.close().await.ok();
    done
}

async fn replace_schema(
    conn: &mut sqlx::PgConnection,
    settings: &StoreSettings,
    file: &Path,
    options: &RestoreOptions,
    erased: &mut Vec<Erased>,
) -> Result<Option<String>> {
    let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(claim::ADVISORY_LOCK)
        .fetch_one(&mut *conn)
        .await?;
    if !locked {
        return Err(Error::InUse(
            "a Mendpoint server is using this database; stop it first".to_owned(),
        ));
    }
    let known: Option<String> = sqlx::query_scalar("SELECT to_regclass('schema_version')::text")
        .fetch_one(&mut *conn)
        .await?;
    let mut aside = None;
    if known.is_some() {
        let missed = something_in!(*conn);
        if missed > 0 && !options.force {
            return Err(not_empty("the database"));
        }
        let rows = sqlx::query(crate::erasure::LIST).fetch_all(&mut *conn).await;
        for row in &rows.unwrap_or_default() {
            erased.push(crate::erasure::erased(row)?);
        }
        aside = Some(format!("{}{}", tools::ASIDE, row_id::now().0));
    }
    if let Some(name) = &aside {
        let sql = format!("ALTER SCHEMA public RENAME TO {name}");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *conn).await?;
        sqlx::query("CREATE SCHEMA public").execute(&mut *conn).await?;
    }
    let name = file.to_string_lossy();
    let args = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", &name];
    let filled = tools::run("pg_restore", Some(&settings.url), &args).await;
    if let (Err(_), Some(name)) = (&filled, &aside) {
        // Nothing of the copy is in it: one transaction, rolled back.
        sqlx::query("DROP SCHEMA public CASCADE").execute(&mut *conn).await?;
        let sql = format!("ALTER SCHEMA {name} RENAME TO public");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *conn).await?;
    }
    filled?;
    Ok(aside.map(|name| format!("the schema {name} of the same database")))
}
