//! A database for one server: a file in its folder, or a database of its own on a `PostgreSQL` server.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// `postgres`, or nothing for SQLite.
const CHOICE: &str = "MENDPOINT_TEST_DATABASE";
/// The server to make databases on; `scripts/with-postgres` sets it.
const SERVER: &str = "MENDPOINT_TEST_POSTGRES_URL";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// An empty database, gone when dropped.
pub(crate) struct Database {
    /// What `database.url` says.
    pub(crate) url: String,
    /// Where it is dropped, and its name.
    server: Option<(String, String)>,
}

impl Database {
    /// Makes one; a file goes into this folder.
    pub(crate) fn new(folder: &Path) -> Self {
        match std::env::var(CHOICE).as_deref() {
            Err(_) | Ok("" | "sqlite") => {
                Self { url: format!("sqlite://{}/test.db", folder.display()), server: None }
            }
            Ok("postgres") => Self::on_postgres(),
            Ok(other) => panic!("{CHOICE} is {other:?}; write sqlite or postgres"),
        }
    }

    fn on_postgres() -> Self {
        let server = std::env::var(SERVER).expect("run this with scripts/with-postgres");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("e2e_{}_{count}", std::process::id());
        psql(&server, &format!("CREATE DATABASE {name}"));
        let (address, _) = server.rsplit_once('/').expect("postgres://USER@HOST/DATABASE");
        Self { url: format!("{address}/{name}"), server: Some((server, name)) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.server
            && !std::thread::panicking()
        {
            psql(server, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

fn psql(server: &str, sql: &str) {
    let done =
        Command::new("psql").args([server, "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]).output();
    let done = done.expect("psql runs");
    assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
}
