//! PostgreSQL's own programs. The password goes into their environment: what stands on a command line
//! is seen by everybody on the machine.

use std::process::Stdio;

use tokio::process::Command;

use crate::{Error, Result};

/// An address without its password, and the password.
pub(crate) fn split_password(url: &str) -> (String, Option<String>) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let Some((user, place)) = rest.rsplit_once('@') else { return (url.to_owned(), None) };
    match user.split_once(':') {
        Some((name, password)) => (format!("{scheme}://{name}@{place}"), Some(decoded(password))),
        None => (url.to_owned(), None),
    }
}

/// Percent signs of an address read.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs one of the programs on a database; gives what it printed.
pub(crate) async fn run(program: &str, url: Option<&str>, args: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    if let Some(url) = url {
        let (url, password) = split_password(url);
        command.arg(format!("--dbname={url}"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_on_the_command_line() {
        let (url, password) = split_password("postgres://mend:p%40ss%2F1@db:5432/mend?sslmode=x");
        assert_eq!(url, "postgres://mend@db:5432/mend?sslmode=x");
        assert_eq!(password.as_deref(), Some("p@ss/1"));
        assert_eq!(split_password("postgres://mend@db/x"), ("postgres://mend@db/x".into(), None));
    }
}
