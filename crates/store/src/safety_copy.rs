//! A copy of the database before its schema is migrated: `SQLite` copies itself, `pg_dump` copies
//! PostgreSQL. A copy that was not finished never has the name of one that was.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::backup::tools;
use crate::db::Db;
use crate::{Error, Result, StoreSettings, private, row_id};

/// Keeps the database as it was: `mendpoint.db.schema-1.1790000000000.bak` beside the file, or
/// `NAME.schema-1.1790000000000.dump` in the folder of the settings.
pub(crate) async fn before_migration(
    db: &Db,
    file: Option<&Path>,
    settings: &StoreSettings,
    found: i64,
) -> Result<()> {
    let now = row_id::now().0;
    let to = if let Some(file) = file {
        let mut name = file.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".schema-{found}.{now}.bak"));
        let to = file.with_file_name(name);
        let part = unfinished(&to);
        vacuum_into(db, &part).await?;
        finish(&part, &to)?;
        to
    } else {
        if settings.dump_folder.as_os_str().is_empty() {
            tracing::warn!("the schema is migrated without a copy: database.dump_folder is empty");
            return Ok(());
        }
        std::fs::create_dir_all(&settings.dump_folder)
            .map_err(file_error(&settings.dump_folder))?;
        let to = settings.dump_folder.join(format!("postgres.schema-{found}.{now}.dump"));
        let part = unfinished(&to);
        dump(&settings.url, &part).await?;
        finish(&part, &to)?;
        to
    };
    tracing::info!(file = %to.display(), "the database was copied before its schema is migrated");
    Ok(())
}

/// The name until all is written. What an attempt before left is removed: it was cut off.
fn unfinished(to: &Path) -> PathBuf {
    let mut name = OsString::from(to.as_os_str());
    name.push(".part");
    let (folder, ends) = (to.parent(), [".bak.part", ".dump.part"]);
    for old in folder.and_then(|folder| folder.read_dir().ok()).into_iter().flatten().flatten() {
        let old = old.path();
        if ends.iter().any(|end| old.to_string_lossy().ends_with(end)) {
            // One that stays is only in the way.
            std::fs::remove_file(&old).ok();
        }
    }
    name.into()
}

/// The copy is whole: on disk, and under its name.
fn finish(part: &Path, to: &Path) -> Result<()> {
    File::open(part).and_then(|copy| copy.sync_all()).map_err(file_error(part))?;
    std::fs::rename(part, to).map_err(file_error(to))?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(file_error(folder))
}

fn file_error(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::File { path: path.into(), source }
}

/// Copies an `SQLite` database, consistent and compact, into a new file, while it is in use.
pub(crate) async fn vacuum_into(db: &Db, to: &Path) -> Result<()> {
    let Db::Sqlite { write, .. } = db else {
        return Err(Error::Unsupported("only SQLite copies itself into a file"));
    };
    if to.exists() {
        return Err(file_error(to)(io::ErrorKind::AlreadyExists.into()));
    }
    private::touch(to).map_err(file_error(to))?;
    tools::vacuum(write.connect_options().as_ref(), to).await?;
    File::open(to).and_then(|copy| copy.sync_all()).map_err(file_error(to))
}

/// Lets `pg_dump` write the database into a file, in its own format.
async fn dump(url: &str, to: &Path) -> Result<()> {
    private::create(to).map_err(file_error(to))?;
    let dumped = tools::dump(url, to, &[]).await;
    if dumped.is_err() {
        std::fs::remove_file(to).ok();
    }
    dumped.map_err(|error| {
        Error::NoCopy(format!(
            "the schema must be migrated and no copy of the database could be made first: {error}; \
             install pg_dump of the server's version, or make a copy yourself and set \
             database.dump_folder = \"\""
        ))
    })
}
