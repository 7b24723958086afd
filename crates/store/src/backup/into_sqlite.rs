//! A copy in the place of a file of `SQLite`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::restore::{Source, not_empty, something_in};
use super::unfinished::{PUT, TABLE, Unfinished, learn};
use super::{Manifest, file_error, sqlite_options, with_ending};
use crate::db::Columns as _;
use crate::erasure::Erased;
use crate::migration::{some_of, tables_of_others};
use crate::{Error, Result, StoreSettings, claim, private, row_id};

/// The endings of what belongs to a file while it is used.
const LOGS: [&str; 2] = ["-wal", "-shm"];

/// Gives where the file of before is kept, and the lock on the name.
pub(super) async fn replace(
    settings: &StoreSettings,
    mut source: Source<'_>,
) -> Result<(Option<String>, File)> {
    // Whatever leads to it: a link to a file is to lead to the copy afterwards.
    let target = claim::real_path(sqlite_options(&settings.url)?.get_filename());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| file_error(folder, error))?;
    let lock = claim::lock_beside(&target)?;
    source.unfinished.erased.extend(Erased::read_beside(&target)?);
    // What cannot be read is not empty. What was erased in it stays erased, if it can be read.
    let is_empty = !target.exists()
        || match look_at(&target, &mut source.unfinished).await {
            Ok(is_empty) => is_empty,
            Err(error @ Error::Backup(_)) => return Err(error),
            Err(_) => false,
        };
    if !is_empty && !source.force {
        return Err(not_empty(&target.display().to_string()));
    }
    // First the copy, where it needs room: until it is whole, nothing is touched.
    let part = with_ending(&target, "part");
    let written = write_part(&part, &source).await;
    if written.is_err() {
        std::fs::remove_file(&part).ok();
    }
    written?;
    let aside = with_ending(&target, &format!("before-restore.{}", row_id::now().0));
    let is_kept = put_aside(&target, &aside)?;
    // The step that counts: what is at the name is the one file or the other at every moment.
    if let Err(error) = std::fs::rename(&part, &target) {
        take_back(&target, &aside);
        return Err(file_error(&target, error));
    }
    let synced = File::open(folder).and_then(|it| it.sync_all());
    synced.map_err(|error| Error::Unfinished(Box::new(file_error(&target, error))))?;
    Ok((is_kept.then(|| aside.display().to_string()), lock))
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Whether there is nothing in a database that anybody would miss; adds what it knows of the work to do.
async fn look_at(file: &Path, unfinished: &mut Unfinished) -> Result<bool> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(false);
    let mut conn = options.disable_statement_logging().connect().await?;
    // Its log of writes goes into the file: a log that stayed would be played into the copy.
    let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(&mut conn).await;
    let looked = look(&mut conn, unfinished).await;
    conn.close().await?;
    let is_empty = looked?;
    emptied?;
    Ok(is_empty)
}

async fn look(conn: &mut SqliteConnection, unfinished: &mut Unfinished) -> Result<bool> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table'";
    let tables: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *conn).await?;
    if tables.is_empty() {
        return Ok(true);
    }
    let others = tables_of_others(&tables);
    if !others.is_empty() {
        let others = some_of(&others);
        return Err(Error::Backup(format!(
            "database.url is the database of another program (it has {others}); name one of its own"
        )));
    }
    learn!(unfinished, conn, tables);
    let is_ours = tables.iter().any(|name| name == "schema_version");
    Ok(is_ours && something_in!(conn, tables) == 0)
}

/// Writes the copy beside its place, makes sure that it is on disk as it was read, and notes in it what
/// is to be done.
async fn write_part(part: &Path, source: &Source<'_>) -> Result<()> {
    let failed = |error| file_error(part, error);
    let copied = private::create(part)
        .and_then(|mut part| io::copy(&mut File::open(source.file)?, &mut part));
    copied.map_err(failed)?;
    check(part, source.manifest).await?;
    note(part, &source.unfinished).await?;
    File::open(part).and_then(|part| part.sync_all()).map_err(failed)
}

async fn check(part: &Path, manifest: &Manifest) -> Result<()> {
    let (sha256, _) = super::hash_of(part).await?;
    if sha256 == manifest.sha256 {
        return Ok(());
    }
    Err(Error::Backup(format!("{} was not written as it was read", part.display())))
}

async fn note(part: &Path, unfinished: &Unfinished) -> Result<()> {
    let (item, body) = unfinished.row()?;
    let options = SqliteConnectOptions::new().filename(part).create_if_missing(false);
    let mut conn = options.disable_statement_logging().connect().await?;
    let noted = async {
        sqlx::query(TABLE).execute(&mut conn).await?;
        sqlx::query(PUT).bind(item).bind(body).execute(&mut conn).await
    };
    let noted = noted.await;
    // With its last connection a file is alone: nothing of it stands in a log.
    conn.close().await?;
    noted?;
    Ok(())
}

/// Gives a database a second name, and takes its logs from the first; what there is not is left out.
fn put_aside(target: &Path, aside: &Path) -> Result<bool> {
    let failed = |error| file_error(target, error);
    let mut is_there = link(target, aside).map_err(failed)?;
    // Only where the file is missing or could not be read, or its log would be in it.
    for ending in LOGS {
        let (log, kept) = (named(target, ending), named(aside, ending));
        if log.exists() {
            std::fs::rename(log, kept).map_err(failed)?;
            is_there = true;
        }
    }
    Ok(is_there)
}

/// Undoes that.
fn take_back(target: &Path, aside: &Path) {
    for ending in LOGS {
        // What is not there was not moved.
        std::fs::rename(named(aside, ending), named(target, ending)).ok();
    }
    std::fs::remove_file(aside).ok();
}

/// Gives a file a second name; on a file system that knows only one, it is copied. False when there is
/// no such file.
fn link(from: &Path, to: &Path) -> io::Result<bool> {
    match std::fs::hard_link(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(_) => {
            io::copy(&mut File::open(from)?, &mut private::create(to)?)?;
            File::open(to)?.sync_all()?;
            Ok(true)
        }
    }
}
