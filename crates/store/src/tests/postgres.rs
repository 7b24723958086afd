//! A PostgreSQL server to test against, where there is one: `scripts/with-postgres` brings it.

use std::sync::atomic::{AtomicU32, Ordering};

use prometheus::Registry;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{Store, StoreSettings};

/// Names the server; any number of databases may be made there.
const VARIABLE: &str = "MENDPOINT_TEST_POSTGRES_URL";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Settings for a database of one's own, empty.
pub(crate) async fn empty_database() -> StoreSettings {
    let server = std::env::var(VARIABLE)
        .unwrap_or_else(|_| panic!("{VARIABLE} is not set: run this with scripts/with-postgres"));
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("store_{}_{count}", std::process::id());
    let mut conn = PgConnection::connect(&server).await.expect("the server answers");
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut conn).await.expect("created");
    conn.close().await.expect("closed");
    let (address, _) = server.rsplit_once('/').expect("postgres://USER@HOST/DATABASE");
    StoreSettings { url: format!("{address}/{name}"), ..StoreSettings::default() }
}

/// A store on an empty database.
pub(crate) async fn open() -> Store {
    Store::open(&empty_database().await, &Registry::new()).await.expect("it opens")
}
