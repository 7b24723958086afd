//! What copies a database: SQLite itself, and PostgreSQL's own programs. Passwords go into their
//! environment: what stands on a command line is seen by everybody on the machine.

use std::path::Path;
use std::process::Stdio;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::process::Command;

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
    let mut command = Command::new(program);
    if let Some(url) = url {
        let (address, password) = for_libpq(url);
        // Nobody is there to be asked for one.
        command.arg("--no-password").arg(format!("--dbname={address}"));
        if let Some(password) = password {
            command.env("PGPASSWORD", password);
        }
    }
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| {
        Error::Backup(format!(
            "{program} does not run ({error}): install the client programs of PostgreSQL"
        ))
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let told: Vec<&str> = told.lines().take(5).collect();
    Err(Error::Backup(format!("{program} failed: {}", told.join("; "))))
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
