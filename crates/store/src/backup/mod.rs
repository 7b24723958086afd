//! Copies of a database that is in use, and the way back (R20).
//!
//! A copy is a file and a manifest beside it. Both are written under another name and renamed when
//! they are whole and on disk, the manifest last: a copy without a manifest is none.
//!
//! Read [`make_backup`], [`Manifest`] and [`restore_backup`] first.

mod into_postgres;
mod into_sqlite;
mod manifest;
mod restore;
pub(crate) mod tools;
mod unfinished;

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

pub use self::manifest::Manifest;
#[cfg(test)]
pub(crate) use self::restore::put_in_place;
pub use self::restore::{RestoreOptions, Restored, restore_backup};

use self::manifest::hash_of;
use crate::db::Columns as _;
use crate::migration::{MIGRATIONS, newest};
use crate::{Error, Result, StoreSettings, private, row_id};

/// The tables whose rows a manifest counts.
const COUNTED: [&str; 14] = [
    "site",
    "charger",
    "charge_transaction",
    "transaction_note",
    "incident",
    "timeline",
    "ticket",
    "ticket_event",
    "outbox",
    "app_user",
    "id_token",
    "command",
    "frame_block",
    "audit_entry",
];

/// Counts rows on a connection; a macro, because the body is stamped for each engine.
macro_rules! count {
    ($conn:expr) => {{
        let mut rows = Vec::with_capacity(COUNTED.len());
        for table in COUNTED {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            let count = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut $conn).await?.int(0)?;
            rows.push((table.to_owned(), count));
        }
        let schema = "SELECT COALESCE(MAX(version), 0) FROM schema_version";
        let schema = sqlx::query(schema).fetch_one(&mut $conn).await?.int(0)?;
        let mut head = (0, String::new());
        if schema >= crate::audit::CHAINED_SINCE {
            let sql = "SELECT seq, hash FROM audit_head WHERE head_id = 1";
            if let Some(row) = sqlx::query(sql).fetch_optional(&mut $conn).await? {
                head = (row.int(0)?, row.text(1)?);
            }
        }
        Contents { rows, schema, head }
    }};
}

/// What is in a database, as far as a manifest tells.
#[derive(Debug, PartialEq, Eq)]
struct Contents {
    rows: Vec<(String, i64)>,
    schema: i64,
    head: (i64, String),
}

/// Copies the database of these settings into a file, while it is in use, and checks the copy.
/// Nothing is migrated: this may be a newer program than the server that is running.
///
/// # Errors
/// When the file exists, the database cannot be read, or the copy is not whole.
pub async fn make_backup(settings: &StoreSettings, to: &Path) -> Result<Manifest> {
    let source = |kind: std::io::ErrorKind| Error::File { path: to.into(), source: kind.into() };
    if to.exists() || Manifest::path_of(to).exists() {
        return Err(source(std::io::ErrorKind::AlreadyExists));
    }
    if !is_postgres(settings) {
        let from = sqlite_options(&settings.url)?.get_filename().to_path_buf();
        if !from.exists() {
            return Err(Error::NoDatabase(from.display().to_string()));
        }
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // It is not made: where a disk is not mounted, copies would go to the disk that they are to save from.
    if !folder.is_dir() {
        return Err(Error::Backup(format!(
            "there is no folder {}; make it, or mount the disk that it is on",
            folder.display()
        )));
    }
    let part = with_ending(to, "part");
    let made_at_ms = row_id::now().0;
    private::create(&part).map_err(|error| file_error(&part, error))?;
    let copied = if is_postgres(settings) {
        dump(&settings.url, &part).await
    } else {
        copy_sqlite(&settings.url, &part).await
    };
    let finished = match copied {
        Ok(contents) => finish(&part, to, contents, made_at_ms, is_postgres(settings)).await,
        Err(error) => Err(error),
    };
    if finished.is_err() {
        std::fs::remove_file(&part).ok();
    }
    let manifest = finished?;
    let folder = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    folder.map_err(|error| file_error(to, error))?;
    Ok(manifest)
}

async fn finish(
    part: &Path,
    to: &Path,
    contents: Contents,
    made_at_ms: i64,
    is_postgres: bool,
) -> Result<Manifest> {
    use std::io::Write as _;
    let file = std::fs::File::open(part).and_then(|file| file.sync_all());
    file.map_err(|error| file_error(part, error))?;
    let (sha256, bytes) = hash_of(part).await?;
    let manifest = Manifest {
        format: 1,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        database: if is_postgres { "postgres" } else { "sqlite" }.to_owned(),
        schema: contents.schema,
        made_at_ms,
        bytes,
        sha256,
        rows: contents.rows,
        audit_seq: contents.head.0,
        audit_hash: contents.head.1,
    };
    let path = Manifest::path_of(to);
    let part_of_manifest = with_ending(&path, "part");
    let written = private::create(&part_of_manifest).and_then(|mut file| {
        file.write_all(manifest.text().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(part, to)?;
        std::fs::rename(&part_of_manifest, &path)
    });
    written.map_err(|error| file_error(&path, error))?;
    Ok(manifest)
}

/// Checks a copy: the manifest, the hash, the database's own checks, and the rows that are in it.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub async fn verify_backup(file: &Path) -> Result<Manifest> {
    if !file.exists() {
        return Err(Error::Backup(format!("{}: there is no such file", file.display())));
    }
    if !Manifest::path_of(file).exists() {
        return Err(Error::Backup(format!(
            "{0} has no manifest beside it ({0}.manifest): it was never finished, or the manifest was \
             left behind where it was made",
            file.display()
        )));
    }
    let manifest = Manifest::read(file)?;
    let broken = |why: String| Err(Error::Backup(format!("{} {why}", file.display())));
    let (sha256, bytes) = hash_of(file).await?;
    if bytes != manifest.bytes {
        return broken(format!("has {bytes} bytes where {} were written", manifest.bytes));
    }
    if sha256 != manifest.sha256 {
        return broken("is damaged: it is not what was written (its SHA-256 differs)".to_owned());
    }
    if manifest.schema > newest(MIGRATIONS) {
        let (found, known) = (manifest.schema, newest(MIGRATIONS));
        return Err(Error::SchemaTooNew { found, known });
    }
    if manifest.database == "postgres" {
        let name = file.to_string_lossy();
        tools::run("pg_restore", None, &["--list", &name]).await?;
    } else {
        let contents = look_into(file).await?;
        if contents.rows != manifest.rows || contents.schema != manifest.schema {
            return broken("does not hold the rows that its manifest counts".to_owned());
        }
    }
    Ok(manifest)
}

fn is_postgres(settings: &StoreSettings) -> bool {
    settings.url.starts_with("postgres")
}

fn file_error(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.to_path_buf(), source }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// The file of an SQLite address.
fn sqlite_options(url: &str) -> Result<SqliteConnectOptions> {
    SqliteConnectOptions::from_str(url)
        .map_err(|error| Error::Url(format!("database.url: {error}")))
}

async fn copy_sqlite(url: &str, to: &Path) -> Result<Contents> {
    let options = sqlite_options(url)?
        .create_if_missing(false)
        .busy_timeout(std::time::Duration::from_secs(30));
    tools::vacuum(&options, to).await?;
    look_into(to).await
}

/// Checks an SQLite file that nobody uses, and counts what is in it.
async fn look_into(file: &Path) -> Result<Contents> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .read_only(true)
        .immutable(true)
        .disable_statement_logging();
    let mut conn = options.connect().await?;
    let looked = async {
        let check = sqlx::query("PRAGMA integrity_check(3)").fetch_all(&mut conn).await?;
        let said: Vec<String> = check.iter().map(|row| row.text(0)).collect::<Result<_>>()?;
        if said != ["ok"] {
            let said = said.join("; ");
            return Err(Error::Backup(format!("{} is not whole: {said}", file.display())));
        }
        Ok(count!(conn))
    }
    .await;
    conn.close().await.ok();
    looked
}

/// `pg_dump` of the moment that the rows are counted in.
async fn dump(url: &str, to: &Path) -> Result<Contents> {
    let options = sqlx::postgres::PgConnectOptions::from_str(url)
        .map_err(|error| Error::Url(format!("database.url: {error}")))?
        .disable_statement_logging();
    let mut conn = options.connect().await?;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    sqlx::query(begin).execute(&mut conn).await?;
    let snapshot = sqlx::query("SELECT pg_export_snapshot()").fetch_one(&mut conn).await?;
    let snapshot = format!("--snapshot={}", snapshot.text(0)?);
    let contents = count!(conn);
    let dumped = tools::dump(url, to, &[&snapshot]).await;
    conn.close().await.ok();
    dumped?;
    Ok(contents)
}

/// How long after its last byte a copy that is not whole was broken off.
const BROKEN_OFF: std::time::Duration = std::time::Duration::from_hours(1);

/// Deletes all but the newest copies that were made by themselves, and what is left of those that were
/// broken off; gives how many whole ones.
///
/// # Errors
/// When the folder cannot be read.
pub fn prune_backups(folder: &Path, keep: usize) -> Result<usize> {
    sweep(folder);
    let mut copies = automatic_backups(folder)?;
    let spare = copies.len().saturating_sub(keep.max(1));
    for copy in copies.drain(..spare) {
        // The manifest first: a copy without one is none.
        std::fs::remove_file(Manifest::path_of(&copy)).map_err(|e| file_error(&copy, e))?;
        std::fs::remove_file(&copy).map_err(|e| file_error(&copy, e))?;
    }
    Ok(spare)
}

/// Removes copies that were never finished, as after a power cut.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let ending = Path::new(&name).extension();
        let is_part = name.starts_with(PREFIX) && ending.is_some_and(|ending| ending == "part");
        let age = entry.metadata().and_then(|data| data.modified()).map(|at| at.elapsed());
        if is_part && age.is_ok_and(|age| age.is_ok_and(|age| age > BROKEN_OFF)) {
            // One that stays is only in the way.
            std::fs::remove_file(entry.path()).ok();
        }
    }
}

/// What the names of copies begin with that the server makes by itself.
const PREFIX: &str = "mendpoint-";

/// The copies that were made by themselves, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn automatic_backups(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut copies = copies_in(folder)?;
    copies.retain(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(".backup"))
    });
    copies.sort();
    Ok(copies)
}

/// Everything in a folder that has a manifest beside it.
fn copies_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(file_error(folder, error)),
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| Manifest::path_of(path).exists()).collect())
}

/// The copy in a folder that was made last, by the server or by hand, and when its manifest says that it
/// was. What has a manifest that cannot be read is passed over.
///
/// # Errors
/// When the folder cannot be read.
pub fn newest_backup(folder: &Path) -> Result<Option<(PathBuf, Manifest)>> {
    let read = |path: PathBuf| Manifest::read(&path).ok().map(|manifest| (path, manifest));
    let copies = copies_in(folder)?.into_iter().filter_map(read);
    Ok(copies.max_by_key(|(path, manifest)| (manifest.made_at_ms, path.clone())))
}

/// The name of a copy that is made now: names sort by their time.
pub fn backup_name(now: mendpoint_model::UnixMs) -> String {
    let now = now.rfc3339();
    let digits: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{PREFIX}{digits}.backup")
}
