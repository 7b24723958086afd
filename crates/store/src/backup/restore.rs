//! The way back from a copy. It is all or nothing, however it ends: until one last step, a rename on
//! `SQLite` and a commit on `PostgreSQL`, the database is the one of before; from then on it is the copy,
//! with a note in it of what is still to be done, which whoever opens it next does first.

use std::path::{Path, PathBuf};

use super::unfinished::Unfinished;
use super::{Manifest, into_postgres, into_sqlite, is_postgres, verify_backup};
use crate::erasure::Erased;
use crate::{Error, Result, Store, StoreSettings};

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

/// What is put in the place of a database.
pub(super) struct Source<'a> {
    /// The copy.
    pub(super) file: &'a Path,
    /// What it holds.
    pub(super) manifest: &'a Manifest,
    /// Also where there is something already.
    pub(super) force: bool,
    /// What is to be done in it; what the database of before knows is added.
    pub(super) unfinished: Unfinished,
}

/// Puts a copy in the place of the database of these settings, after checking it. Erasures of
/// persons that were made since the copy are made again, from the database that is replaced and from
/// the lists beside the copy, in the folder of backups and beside the database.
///
/// # Errors
/// When the copy is not whole, the database is in use, or it is not empty and `force` was not said: the
/// database is as it was then. [`Error::Unfinished`] when the copy is in its place and what follows failed.
pub async fn restore_backup(
    settings: &StoreSettings,
    file: &Path,
    options: &RestoreOptions,
) -> Result<Restored> {
    let (manifest, aside, _hold) = put(settings, file, options).await?;
    let finished = async {
        let store = Store::open_unfinished(settings).await?;
        let done = store.finish_restore().await;
        store.close().await;
        done
    };
    match finished.await {
        Ok(erased_again) => Ok(Restored { manifest, aside, erased_again }),
        Err(error) => Err(Error::Unfinished(Box::new(error))),
    }
}

/// As far as a restore comes that is cut off in its worst moment.
#[cfg(test)]
pub(crate) async fn put_in_place(settings: &StoreSettings, file: &Path) -> Result<()> {
    let options = RestoreOptions { force: true, backups: None };
    put(settings, file, &options).await.map(drop)
}

/// Puts the copy in the place of the database. Gives what was put there, where the database of before is
/// now, and what keeps everybody else out until the rest is done.
async fn put(
    settings: &StoreSettings,
    file: &Path,
    options: &RestoreOptions,
) -> Result<(Manifest, Option<String>, Box<dyn Send>)> {
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
    let unfinished =
        Unfinished { made_at_ms: manifest.made_at_ms, erased, ..Unfinished::default() };
    let source = Source { file, manifest: &manifest, force: options.force, unfinished };
    let (aside, hold): (_, Box<dyn Send>) = if is_postgres(settings) {
        let (aside, hold) = into_postgres::replace(settings, source).await?;
        (aside, Box::new(hold))
    } else {
        let (aside, hold) = into_sqlite::replace(settings, source).await?;
        (aside, Box::new(hold))
    };
    Ok((manifest, aside, hold))
}

pub(super) fn not_empty(what: &str) -> Error {
    Error::Backup(format!(
        "{what} is not empty; with --force it is kept aside and the copy takes its place"
    ))
}

/// Counts the rows that somebody would miss, as far as the tables are there; a macro, because the body is
/// stamped for each engine.
macro_rules! something_in {
    ($conn:expr, $tables:expr) => {{
        let mut found = 0;
        for table in $crate::backup::COUNTED {
            // A start that nobody saw leaves a line there.
            if table == "audit_entry" || !$tables.iter().any(|name| name == table) {
                continue;
            }
            let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {table} LIMIT 1) AS one");
            found += sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&mut *$conn).await?.int(0)?;
        }
        found
    }};
}
pub(super) use something_in;
