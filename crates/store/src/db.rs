//! The two databases behind one set of functions. Every query is one `const` with `$n`; the macros
//! here stamp the body that runs it once for each engine, so that nothing is written twice and
//! nothing is lost to a least common denominator at run time.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgRow, Postgres};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::{Error, Result};

/// The database: the pools of one engine.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    /// One file: readers beside exactly one writer.
    Sqlite {
        /// Read-only connections.
        read: SqlitePool,
        /// The writer; the pool has one connection.
        write: SqlitePool,
    },
    /// A server.
    Postgres(PgPool),
}

impl Db {
    /// Closes the pools; the last SQLite connection folds the write-ahead log into the file.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// How long one use of a PostgreSQL connection may take. A server that vanished without a word would
/// keep it for a quarter of an hour, and with it everybody who waits for a connection.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// How long a reader waits for a connection to a server before it asks whether the server is there at
/// all. People and programs are told soon, and not when the pool gives up.
const READER_WAIT: Duration = Duration::from_secs(2);
/// How long the server may take to answer that.
const THERE_WITHIN: Duration = Duration::from_millis(500);
/// How long is waited for one's turn to ask: a server that is only busy answers many in that time.
const TURN_WITHIN: Duration = Duration::from_secs(1);
/// How many ask at the same time: more connections are the last thing a busy server needs.
static ASKING: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);

/// A connection to read with. Where all are busy it is waited for; where the server is away it is not.
pub(crate) async fn reader(pool: &PgPool) -> Result<PoolConnection<Postgres>> {
    if let Ok(acquired) = tokio::time::timeout(READER_WAIT, pool.acquire()).await {
        return Ok(acquired?);
    }
    let Ok(Ok(turn)) = tokio::time::timeout(TURN_WITHIN, ASKING.acquire()).await else {
        return Err(Error::Silent(READER_WAIT));
    };
    match tokio::time::timeout(THERE_WITHIN, pool.connect_options().connect()).await {
        Ok(Ok(connection)) => drop(connection.close().await),
        // It has too many connections, so it is there.
        Ok(Err(sqlx::Error::Database(error))) if error.code().as_deref() == Some("53300") => {}
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err(Error::Silent(READER_WAIT)),
    }
    drop(turn);
    Ok(pool.acquire().await?)
}

/// Runs an expression on a reading connection: `read!(db, conn => expression)`. The expression is
/// a `Result`, and may use `?`.
macro_rules! read {
    ($db:expr, $conn:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Sqlite { read, .. } => {
                let mut guard = read.acquire().await?;
                let $conn = &mut *guard;
                $body
            }
            $crate::db::Db::Postgres(pool) => {
                let guard = $crate::db::reader(pool).await?;
                $crate::db::on_server!(guard, $conn => $body)
            }
        }
    };
}

/// Runs one statement on the writing connection: `write!(db, conn => expression)`, a `Result` too. A
/// connection that failed for a passing reason is thrown away.
macro_rules! write {
    ($db:expr, $conn:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Sqlite { write, .. } => {
                let mut guard = write.acquire().await?;
                let work = async {
                    let $conn = &mut *guard;
                    let outcome: $crate::Result<_> = $body;
                    outcome
                };
                let result = work.await;
                if $crate::db::is_suspect(&result) {
                    sqlx::Connection::close_hard(guard.detach()).await.ok();
                }
                result
            }
            $crate::db::Db::Postgres(pool) => {
                let guard = pool.acquire().await?;
                $crate::db::on_server!(guard, $conn => $body)
            }
        }
    };
}

/// Uses a connection to a server, not for ever. One that failed for a passing reason, or was given
/// up while it waited, is thrown away.
macro_rules! on_server {
    ($guard:ident, $conn:ident => $body:expr) => {{
        let mut guard = $guard;
        let work = async {
            let $conn = &mut *guard;
            let outcome: $crate::Result<_> = $body;
            outcome
        };
        let result = match tokio::time::timeout($crate::db::PATIENCE, work).await {
            Ok(result) => result,
            Err(_) => Err($crate::Error::Silent($crate::db::PATIENCE)),
        };
        if $crate::db::is_suspect(&result) {
            sqlx::Connection::close_hard(guard.detach()).await.ok();
        }
        result
    }};
}

/// Runs several statements as one transaction: `tx!(db, conn => expression)`. An `Err`, or a `?`
/// that fails inside, rolls back. A connection that failed for a passing reason is thrown away:
/// after a full disk or an IO error its transaction state is not worth trusting.
macro_rules! tx {
    ($db:expr, $conn:ident => $body:expr) => {
        $crate::db::tx_within!($crate::db::PATIENCE, $db, $conn => $body)
    };
}

/// The same with a time of its own; `SQLite` takes the time it takes.
macro_rules! tx_within {
    ($patience:expr, $db:expr, $conn:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Sqlite { write, .. } => {
                let mut guard = write.acquire().await?;
                let result = async {
                    let mut transaction =
                        sqlx::Connection::begin_with(&mut *guard, "BEGIN IMMEDIATE").await?;
                    let $conn = &mut *transaction;
                    let outcome: $crate::Result<_> = $body;
                    let value = outcome?;
                    transaction.commit().await?;
                    Ok::<_, $crate::Error>(value)
                }
                .await;
                if $crate::db::is_suspect(&result) {
                    sqlx::Connection::close_hard(guard.detach()).await.ok();
                }
                result
            }
            $crate::db::Db::Postgres(pool) => {
                let mut guard = pool.acquire().await?;
                let work = async {
                    let mut transaction = sqlx::Connection::begin(&mut *guard).await?;
                    let $conn = &mut *transaction;
                    let outcome: $crate::Result<_> = $body;
                    let value = outcome?;
                    transaction.commit().await?;
                    Ok::<_, $crate::Error>(value)
                };
                let result = match tokio::time::timeout($patience, work).await {
                    Ok(result) => result,
                    // Whether it was committed is not known. Who tries again waits for the rows that
                    // a server which still works on this has locked, so that order is kept.
                    Err(_) => Err($crate::Error::Silent($patience)),
                };
                if $crate::db::is_suspect(&result) {
                    sqlx::Connection::close_hard(guard.detach()).await.ok();
                }
                result
            }
        }
    };
}

/// Whether the connection that gave this result should not be used again.
pub(crate) fn is_suspect<T>(result: &Result<T>) -> bool {
    matches!(result, Err(error) if error.fault() == crate::error::Fault::Passing)
}

/// A row of either engine, read by the position of the column.
pub(crate) trait Columns {
    /// A BIGINT.
    fn int(&self, index: usize) -> Result<i64>;
    /// A BIGINT or NULL.
    fn int_or_null(&self, index: usize) -> Result<Option<i64>>;
    /// A DOUBLE PRECISION or NULL.
    fn real_or_null(&self, index: usize) -> Result<Option<f64>>;
    /// A TEXT.
    fn text(&self, index: usize) -> Result<String>;
    /// A TEXT or NULL.
    fn text_or_null(&self, index: usize) -> Result<Option<String>>;
    /// A BYTEA.
    fn bytes(&self, index: usize) -> Result<Vec<u8>>;

    /// A BIGINT that means true or false.
    fn truth(&self, index: usize) -> Result<bool> {
        Ok(self.int(index)? != 0)
    }

    /// A BIGINT that fits what it is read into.
    fn number<T: TryFrom<i64>>(&self, index: usize) -> Result<T> {
        let value = self.int(index)?;
        T::try_from(value).map_err(|_| Error::Unreadable(format!("the number {value}")))
    }

    /// A TEXT that holds the JSON of a `T`; `what` names it in an error.
    fn json<T: serde::de::DeserializeOwned>(&self, index: usize, what: &str) -> Result<T> {
        let text = self.text(index)?;
        serde_json::from_str(&text)
            .map_err(|source| Error::Corrupt { what: what.to_owned(), source })
    }
}

macro_rules! columns {
    ($row:ty) => {
        impl Columns for $row {
            fn int(&self, index: usize) -> Result<i64> {
                Ok(self.try_get(index)?)
            }

            fn int_or_null(&self, index: usize) -> Result<Option<i64>> {
                Ok(self.try_get(index)?)
            }

            fn real_or_null(&self, index: usize) -> Result<Option<f64>> {
                Ok(self.try_get(index)?)
            }

            fn text(&self, index: usize) -> Result<String> {
                Ok(self.try_get(index)?)
            }

            fn text_or_null(&self, index: usize) -> Result<Option<String>> {
                Ok(self.try_get(index)?)
            }

            fn bytes(&self, index: usize) -> Result<Vec<u8>> {
                Ok(self.try_get(index)?)
            }
        }
    };
}
columns!(SqliteRow);
columns!(PgRow);

/// Reads all rows with one function.
pub(crate) fn all<R: Columns, T>(rows: &[R], read: impl Fn(&R) -> Result<T>) -> Result<Vec<T>> {
    rows.iter().map(read).collect()
}

/// Reads the row, if there is one.
pub(crate) fn one<R: Columns, T>(
    row: Option<&R>,
    read: impl Fn(&R) -> Result<T>,
) -> Result<Option<T>> {
    row.map(read).transpose()
}

/// JSON for a column. Our own types always serialise; the error is there for maps with odd keys.
pub(crate) fn json<T: serde::Serialize>(value: &T, what: &str) -> Result<String> {
    serde_json::to_string(value).map_err(|source| Error::Corrupt { what: what.to_owned(), source })
}

const NEXT: &str = "INSERT INTO id_sequence (name, value) VALUES ($1, 1)
    ON CONFLICT (name) DO UPDATE SET value = id_sequence.value + 1 RETURNING value";

impl Db {
    /// The next number of a sequence, from 1. Numbers are never given out twice, not even after
    /// the newest row was deleted: old history must not come to mean a new charger.
    pub(crate) async fn next_id(&self, sequence: &str) -> Result<i64> {
        write!(self, conn => {
            sqlx::query(NEXT).bind(sequence).fetch_one(conn).await?.int(0)
        })
    }

    /// Whether the database answers.
    pub(crate) async fn ping(&self) -> Result<()> {
        read!(self, conn => Ok(conn.ping().await?))
    }
}

pub(crate) use {on_server, read, tx, tx_within, write};

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool that would wait for an hour.
    fn patient(port: u16) -> PgPool {
        let options = sqlx::postgres::PgConnectOptions::new().host("127.0.0.1").port(port);
        let pool = sqlx::postgres::PgPoolOptions::new().acquire_timeout(Duration::from_hours(1));
        pool.connect_lazy_with(options)
    }

    #[tokio::test]
    async fn a_reader_is_told_soon_that_the_server_is_away_or_silent() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let silent = listener.local_addr().expect("an address").port();
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let away = gone.local_addr().expect("an address").port();
        drop(gone);
        for port in [away, silent] {
            let pool = patient(port);
            let read = tokio::time::timeout(Duration::from_mins(10), reader(&pool)).await;
            let error = read.expect("it does not wait for the pool").expect_err("nobody is there");
            assert_eq!(error.trouble(), crate::TroubleKind::Away, "{error}");
        }
    }
}
