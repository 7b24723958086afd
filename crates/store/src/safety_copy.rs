//! A copy of the database before its schema is migrated: `SQLite` copies itself, `pg_dump` copies
//! PostgreSQL. A copy that was not finished never has the name of one that was.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sqlx::ConnectOptions as _;
use tokio::process::Command;

use crate::db::Db;
use crate::{Error, Result, StoreSettings, row_id};

/// What `pg_dump` understands of an address; the rest are words of ours.
const KNOWN_TO_LIBPQ: [&str; 7] =
    ["host", "port", "user", "sslmode", "sslrootcert", "sslcert", "sslkey"];

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
    let name = to.to_str().ok_or_else(|| file_error(to)(io::ErrorKind::InvalidFilename.into()))?;
    // A connection of its own, so that the copy of a large file does not hold up the writer.
    let mut conn = write.connect_options().as_ref().clone().connect().await?;
    let copied = sqlx::query("VACUUM INTO $1").bind(name).execute(&mut conn).await;
    sqlx::Connection::close(conn).await.ok();
    copied?;
    File::open(to).and_then(|copy| copy.sync_all()).map_err(file_error(to))
}

/// Lets `pg_dump` write the database into a file, in its own format.
async fn dump(url: &str, to: &Path) -> Result<()> {
    let refused = |why: String| {
        Error::NoCopy(format!(
            "the schema must be migrated and no copy of the database could be made first: {why}; \
             install pg_dump of the server's version, or make a copy yourself and set \
             database.dump_folder = \"\""
        ))
    };
    let (address, password) = for_libpq(url);
    let mut command = Command::new("pg_dump");
    command.args(["--format=custom", "--no-password", "--dbname", &address, "--file"]).arg(to);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    let done = command.output().await.map_err(|error| refused(format!("pg_dump: {error}")))?;
    if done.status.success() {
        return Ok(());
    }
    std::fs::remove_file(to).ok();
    let said = String::from_utf8_lossy(&done.stderr);
    Err(refused(said.lines().next().unwrap_or("pg_dump said nothing").to_owned()))
}

/// The address as libpq takes it, and the password apart: a command line can be read by everybody.
fn for_libpq(url: &str) -> (String, Option<String>) {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", address));
    let (user, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (user, mut password) = match user.split_once(':') {
        Some((user, password)) => (user, Some(decoded(password))),
        None => (user, None),
    };
    let mut kept = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if name == "password" {
            password = Some(decoded(value));
        } else if KNOWN_TO_LIBPQ.contains(&name) {
            kept.push(part);
        }
    }
    let at = if user.is_empty() { "" } else { "@" };
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    (format!("{scheme}://{user}{at}{place}{query}"), password)
}

/// Undoes the percent signs of an address.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *byte == b'%') {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_on_the_command_line() {
        let url =
            "postgres://mend:s%40cret@db.example:5433/mend?sslmode=require&application_name=x";
        let (address, password) = for_libpq(url);
        assert_eq!(address, "postgres://mend@db.example:5433/mend?sslmode=require");
        assert_eq!(password.as_deref(), Some("s@cret"));
        let (address, password) = for_libpq("postgres:///mend?host=/run/pg&password=a%20b");
        assert_eq!(address, "postgres:///mend?host=/run/pg");
        assert_eq!(password.as_deref(), Some("a b"));
    }
}
