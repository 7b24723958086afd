use std::path::PathBuf;

use crate::trouble::TroubleKind;
use crate::words::{io_words, sql_words};

/// Why the store failed to do something. Every text fits behind "failed to ...:".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the database cannot be used; the text says what to write instead.
    #[error("{0}")]
    Url(String),
    /// The bundled or linked SQLite can corrupt a database in WAL mode.
    #[error(
        "SQLite {found} is too old: versions before {needed} can corrupt a database in WAL mode; \
         build with the bundled SQLite or a newer one"
    )]
    SqliteTooOld {
        /// The version found.
        found: String,
        /// The oldest version that is good.
        needed: &'static str,
    },
    /// A newer program wrote this database.
    #[error(
        "the database has schema version {found} and this program knows versions up to {known}; \
         run the newer program, or restore the backup that was made before the upgrade"
    )]
    SchemaTooNew {
        /// The version in the database.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// A migration did not go through; the database is as it was before it.
    #[error("migration {name} failed and was rolled back: {}", sql_words(source))]
    Migration {
        /// Which.
        name: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The file or folder of the database cannot be used.
    #[error("{}: {}", path.display(), io_words(source))]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database refused or is away.
    #[error("database: {}", sql_words(.0))]
    Database(sqlx::Error),
    /// A copy took the place of the database, and what follows failed: persons to be erased again, a
    /// migration, a line in the audit log.
    #[error(
        "the copy is in its place, but what has to follow failed: {0}; the next start, or the next \
         command, tries it again before anything else"
    )]
    Unfinished(Box<Error>),
    /// There is nothing where a database should be.
    #[error(
        "there is no database of Mendpoint at {0}: see database.url and the folder that you are in; \
         `mendpoint serve` makes one"
    )]
    NoDatabase(String),
    /// The server or the file cannot be opened; the sentence says which it is and why.
    #[error("{0}")]
    Unreachable(String),
    /// Another program holds the lock of the SQLite file for longer than is waited for.
    #[error(
        "the database is locked by another program, such as a backup or a shell with an open \
         transaction; try again when it is done"
    )]
    Locked,
    /// The server took a question and said nothing for this long.
    #[error("database: no answer for {} s", .0.as_secs())]
    Silent(std::time::Duration),
    /// The database would acknowledge what is not on disk; the sentence says which setting it is.
    #[error("{0}")]
    NotDurable(String),
    /// No copy could be made before a migration; the sentence says why and what to do.
    #[error("{0}")]
    NoCopy(String),
    /// A stored JSON text does not fit the type it should have.
    #[error("{what} in the database cannot be read: {source}")]
    Corrupt {
        /// What, with its id.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A stored block of frames does not unpack, or a column holds a word nobody knows.
    #[error("{0} in the database cannot be read")]
    Unreadable(String),
    /// Something with this unique name exists already; a sentence for the person who typed it.
    #[error("{0}")]
    Exists(String),
    /// Something else depends on it, so it cannot be removed; a sentence for people.
    #[error("{0}")]
    InUse(String),
    /// What was asked for is not here; a sentence.
    #[error("{0}")]
    Unknown(String),
    /// Somebody else changed the thing in between: read it again and decide again.
    #[error("it was changed in the meantime: expected version {expected}, found {found}")]
    Conflict {
        /// The version the caller had seen.
        expected: i64,
        /// The version in the database.
        found: i64,
    },
    /// A page marker that this program did not write.
    #[error("\"{0}\" is not a page marker; use the `next` of the page before as it is")]
    Cursor(String),
    /// A metric of this name is registered already.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(String),
    /// A copy is not whole, or cannot be made or used; a sentence for people.
    #[error("{0}")]
    Backup(String),
    /// The engine cannot do this; the sentence says what to use.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// What became of a statement that the database did not carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The data itself is refused: trying again gives the same answer.
    Data,
    /// Busy, full, away, broken: worth trying again, on a fresh connection.
    Passing,
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        // SQLite: 5 BUSY and 6 LOCKED, in the low byte of extended codes. PostgreSQL's have letters
        // or more digits.
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let code = code.filter(|code| code.len() != 5).and_then(|code| code.parse::<i64>().ok());
        if matches!(code.map(|code| code & 0xff), Some(5 | 6)) {
            return Self::Locked;
        }
        Self::Database(error)
    }
}

impl Error {
    /// Whether trying again can help. In doubt it can: waiting loses nothing, giving up does.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                // PostgreSQL: class 22 is bad data, 23 a broken constraint. SQLite: extended codes
                // whose low byte is 18 TOOBIG, 19 CONSTRAINT, 20 MISMATCH or 25 RANGE.
                let is_postgres = code.len() == 5;
                let is_data = if is_postgres {
                    code.starts_with("22") || code.starts_with("23")
                } else {
                    matches!(code.parse::<i64>().map(|code| code & 0xff), Ok(18 | 19 | 20 | 25))
                };
                if is_data { Fault::Data } else { Fault::Passing }
            }
            Self::Database(
                sqlx::Error::Encode(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::RowNotFound,
            ) => Fault::Data,
            Self::Database(_) | Self::Locked | Self::Silent(_) => Fault::Passing,
            _ => Fault::Data,
        }
    }

    /// What is wrong with the database when it says this.
    pub(crate) fn trouble(&self) -> TroubleKind {
        if matches!(self, Self::Locked) {
            return TroubleKind::Locked;
        }
        let Self::Database(sqlx::Error::Database(error)) = self else { return TroubleKind::Away };
        let code = error.code().unwrap_or_default();
        if code.len() == 5 && !code.starts_with("SQ") {
            return match &*code {
                // disk_full; what a full disk or a failing one says in other places.
                "53100" => TroubleKind::Full,
                "58030" | "58000" | "XX001" | "XX002" => TroubleKind::Failing,
                "25006" => TroubleKind::ReadOnly,
                "55P03" | "40P01" | "40001" => TroubleKind::Locked,
                _ => TroubleKind::Away,
            };
        }
        match code.parse::<i64>().map(|code| code & 0xff) {
            Ok(13) => TroubleKind::Full,
            Ok(8) => TroubleKind::ReadOnly,
            Ok(14) => TroubleKind::Away,
            _ => TroubleKind::Failing,
        }
    }

    /// Turns a broken unique constraint into a sentence for people; keeps every other error.
    pub(crate) fn exists(self, sentence: impl FnOnce() -> String) -> Self {
        match &self {
            Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Self::Exists(sentence())
            }
            _ => self,
        }
    }

    /// Turns a broken foreign key into a sentence for people; keeps every other error.
    pub(crate) fn in_use(self, sentence: impl FnOnce() -> String) -> Self {
        match &self {
            Self::Database(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
                Self::InUse(sentence())
            }
            _ => self,
        }
    }
}

/// The usual result here.
pub type Result<T, E = Error> = std::result::Result<T, E>;
