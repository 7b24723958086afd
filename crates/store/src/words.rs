//! What the system and the databases say, in words for people: codes help nobody who has to mend it.

use std::io::{Error, ErrorKind};

use sqlx::error::DatabaseError;

/// What kept a file or a connection from being used.
pub fn io_words(error: &Error) -> String {
    let words = match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder",
        ErrorKind::PermissionDenied => "this user may not use it",
        ErrorKind::AlreadyExists => "there is one already, and it is not written over",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "there is no room left on its disk",
        ErrorKind::ReadOnlyFilesystem => "its disk takes no writes",
        ErrorKind::IsADirectory => "it is a folder, where a file is needed",
        ErrorKind::NotADirectory => "a file stands where a folder is needed",
        ErrorKind::InvalidFilename => "its name cannot be used",
        ErrorKind::ConnectionRefused => "nobody takes connections there",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            "the connection was cut"
        }
        ErrorKind::TimedOut => "there was no answer in time",
        ErrorKind::AddrInUse => "another program listens there",
        ErrorKind::AddrNotAvailable => "this machine does not have that address",
        _ => return without_code(&error.to_string()),
    };
    words.to_owned()
}

/// So many of a thing: "1 row", "2 rows".
pub fn counted(count: impl std::fmt::Display, noun: &str) -> String {
    let count = count.to_string();
    let ending = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// A text of the system without its number: "Too many open files (os error 24)".
fn without_code(text: &str) -> String {
    match text.rsplit_once(" (os error ") {
        Some((words, code)) if code.ends_with(')') => words.to_owned(),
        _ => text.to_owned(),
    }
}

/// What a database said, or why it was not reached.
pub(crate) fn sql_words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => io_words(error),
        sqlx::Error::Database(error) => database_words(&**error),
        sqlx::Error::PoolTimedOut => "no connection to it was to be had in time".to_owned(),
        sqlx::Error::PoolClosed => "it is closed already".to_owned(),
        sqlx::Error::WorkerCrashed => "its connection broke".to_owned(),
        _ => without_code(&error.to_string()),
    }
}

fn database_words(error: &dyn DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    let words = match (code.len(), &*code) {
        (5, "53100") => "there is no room left on its disk",
        (5, "58030" | "XX001" | "XX002") => "its disk gives errors, or it is damaged",
        (5, "25006") => "it takes no writes, as a standby does",
        (5, "28P01" | "28000") => "the server does not know this user, or not with this password",
        (5, "3D000") => "there is no database of this name on the server",
        (5, "42501") => "this user may not do that there",
        (5, "53300") => "the server takes no more connections",
        (5, "57P01" | "57P02") => "the server is going down",
        (5, "57P03") => "the server is just starting or stopping",
        (5, _) => return error.message().to_owned(),
        (_, code) => match code.parse::<i64>().map(|code| code & 0xff) {
            Ok(5 | 6) => "it is locked by another program; try again when that is done",
            Ok(8) => "its file may not be written: see who owns it and its folder",
            Ok(10) => "its disk gives errors: look at the system's log",
            Ok(11) => "its file is damaged: bring a copy back with `mendpoint restore FILE`",
            Ok(13) => "there is no room left on its disk",
            Ok(14) => "its file cannot be opened: see that it and its folder may be used",
            Ok(26) => "its file is no database of SQLite, or it is damaged from the beginning on",
            _ => return error.message().to_owned(),
        },
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_told_without_its_numbers() {
        for code in [1, 2, 13, 17, 20, 21, 24, 28, 30, 98, 111] {
            let error = Error::from_raw_os_error(code);
            let words = io_words(&error);
            assert!(!words.contains("os error") && !words.contains("entity"), "{code}: {words}");
        }
        assert_eq!(io_words(&ErrorKind::AlreadyExists.into()).split(',').count(), 2);
        assert_eq!(without_code("Too many open files (os error 24)"), "Too many open files");
    }
}
