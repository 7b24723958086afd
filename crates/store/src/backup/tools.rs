//! What copies a database: SQLite itself, and PostgreSQL's own programs. Passwords go into their
//! environment: what stands on a command line is seen by everybody on the machine.

use std::path::Path;
use std::process::Stdio;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use crate::{Error, Result};

/// What PostgreSQL's programs understand of an address; the rest are words of ours.
const KNOWN_TO_LIBPQ: [&str; 7] =
    ["host", "port", "user", "sslmode", "sslrootcert", "sslcert", "sslkey"];

/// What the names of schemas begin with that a restore put aside.
pub(crate) const ASIDE: &str = "before_restore_";

/// Lets SQLite copy itself into a new file. On a connection of its own, so that the copy of a large
/// database holds nobody up.
pub(crate) async fn vacuum(options: &SqliteConnectOptions, to: &Path) -> Result<()> {
    let name = to.to_str().ok_or_else(|| Error::File {
        path: to.into(),
        source: std::io::ErrorKind::InvalidFilename.into(),
    })?;
    let mut conn = options.clone().disable_statement_logging().connect().await?;
    let copied = sqlx::query("VACUUM INTO $1").bind(name).execute(&mut conn).await;
    conn.close().await.ok();
    copied?;
    Ok(())
}

/// Lets `pg_dump` write a database into a file, in its own format.
pub(crate) async fn dump(url: &str, to: &Path, more: &[&str]) -> Result<()> {
    let file = format!("--file={}", to.display());
    // Databases that a restore put aside are none of it.
    let aside = format!("--exclude-schema={ASIDE}*");
    let mut args = vec!["--format=custom", "--no-owner", "--no-privileges", &aside, &file];
    args.extend(more);
    run("pg_dump", Some(url), &args).await?;
    Ok(())
}

/// Runs one of PostgreSQL's programs on a database; gives what it printed.
pub(crate) async fn run(program: &str, url: Option<&str>, args: &[&str]) -> Result<String> {
    let mut command = command(program, url);
    command.args(args).stdin(Stdio::null());
    let output = command.output().await.map_err(|error| not_run(program, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(program, &output.stderr))
}

fn command(program: &str, url: Option<&str>) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true);
    if let Some(url) = url {
        let (address, password) = for_libpq(url);
        // Nobody is there to be asked for one.
        command.arg("--no-password").arg(format!("--dbname={address}"));
        if let Some(password) = password {
            command.env("PGPASSWORD", password);
        }
    }
    command
}

fn not_run(program: &str, error: &std::io::Error) -> Error {
    Error::Backup(format!(
        "{program} does not run ({error}): install the client programs of PostgreSQL"
    ))
}

fn failed(program: &str, told: &[u8]) -> Error {
    let told = String::from_utf8_lossy(told);
    let told: Vec<&str> = told.lines().take(5).collect();
    Error::Backup(format!("{program} failed: {}", told.join("; ")))
}

/// Plays a dump into a database between statements of ours, all of it as one transaction. Whatever ends
/// this early, a kill too, ends it without a commit: `psql` is told of that last, when all came through.
pub(crate) async fn replay(url: &str, dump: &Path, before: &str, after: &str) -> Result<()> {
    let (reads, writes) = ("pg_restore", "psql");
    let mut reader = command(reads, None);
    reader.args(["--no-owner", "--no-privileges", "--file=-"]).arg(dump);
    reader.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut reader = reader.spawn().map_err(|error| not_run(reads, &error))?;
    let mut writer = command(writes, Some(url));
    writer.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]);
    writer.env("PGOPTIONS", "-c client_min_messages=warning");
    writer.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut writer = writer.spawn().map_err(|error| not_run(writes, &error))?;
    let (told_by_reader, told_by_writer) = (reader.stderr.take(), writer.stderr.take());
    let (fed, told_by_reader, told_by_writer) = tokio::join!(
        feed(&mut reader, &mut writer, before, after),
        all_of(told_by_reader),
        all_of(told_by_writer),
    );
    // A pipe that broke is told better by the one who broke it.
    match writer.wait().await {
        Ok(status) if !status.success() => return Err(failed(writes, &told_by_writer)),
        Ok(_) => {}
        Err(error) => return Err(not_run(writes, &error)),
    }
    match fed {
        Ok(true) => Ok(()),
        Ok(false) => Err(failed(reads, &told_by_reader)),
        Err(error) => Err(Error::Backup(format!("{reads} to {writes}: {error}"))),
    }
}

/// Gives one program what the other writes; false when that one failed, and then nothing is committed.
async fn feed(
    reader: &mut Child,
    writer: &mut Child,
    before: &str,
    after: &str,
) -> std::io::Result<bool> {
    let (Some(mut dump), Some(mut into)) = (reader.stdout.take(), writer.stdin.take()) else {
        return Err(std::io::ErrorKind::BrokenPipe.into());
    };
    into.write_all(format!("BEGIN;\n{before}").as_bytes()).await?;
    tokio::io::copy(&mut dump, &mut into).await?;
    let is_whole = reader.wait().await?.success();
    if is_whole {
        into.write_all(format!("\n{after}COMMIT;\n").as_bytes()).await?;
    }
    into.shutdown().await?;
    Ok(is_whole)
}

async fn all_of(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> Vec<u8> {
    let mut told = Vec::new();
    if let Some(mut pipe) = pipe {
        // What was read until then is told.
        pipe.read_to_end(&mut told).await.ok();
    }
    told
}

/// The address as libpq takes it, and the password apart.
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
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
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
        assert_eq!(for_libpq("postgres://mend@db/x"), ("postgres://mend@db/x".into(), None));
    }
}
