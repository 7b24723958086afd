//! The schema and its versions. The migrations are part of the program.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row as _};

use crate::db::{Db, read, tx, tx_within};
use crate::settings::without_password;
use crate::{Error, Result, row_id};

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    /// Its number; each is larger than the one before.
    pub(crate) version: i64,
    /// The name of its file.
    pub(crate) name: &'static str,
    /// What it does, for both engines.
    pub(crate) sql: &'static str,
}

/// The steps by the names of their files in `migrations/`: the number in a name is its version.
macro_rules! migrations {
    ($($name:literal,)*) => {
        &[$(Migration {
            version: version_of($name),
            name: $name,
            sql: include_str!(concat!("../../../migrations/", $name, ".sql")),
        }),*]
    };
}

/// All of them, in order.
pub(crate) const MIGRATIONS: &[Migration] = migrations![
    "0001_first",
    "0002_device_model",
    "0003_conformance",
    "0004_access",
    "0005_money",
    "0006_commands",
    "0007_audit",
    "0008_history",
    "0009_healing",
    "0010_correlation",
    "0011_duty",
    "0012_uptime",
    "0013_rules",
    "0014_desired",
    "0015_charge_days",
    "0016_exclusion_incident",
    "0017_audit_once",
    "0018_server_gap_grace",
    "0019_editor",
];

/// The number that a name begins with.
const fn version_of(name: &str) -> i64 {
    let (digits, mut version, mut at) = (name.as_bytes(), 0, 0);
    while at < 4 {
        assert!(digits[at].is_ascii_digit(), "a name begins with four digits");
        version = version * 10 + (digits[at] - b'0') as i64;
        at += 1;
    }
    version
}

/// What must differ between the engines, run after the step of the same name: (name, SQLite,
/// PostgreSQL).
const DIALECT: &[(&str, &str, &str)] = &[
    (
        "0007_audit",
        include_str!("../../../migrations/0007_audit.sqlite.sql"),
        include_str!("../../../migrations/0007_audit.postgres.sql"),
    ),
    ("0017_audit_once", include_str!("../../../migrations/0017_audit_once.sqlite.sql"), ""),
];

/// The part of a step that only one engine understands.
fn dialect(name: &str, is_postgres: bool) -> Option<&'static str> {
    let (_, sqlite, postgres) = DIALECT.iter().find(|(of, _, _)| *of == name)?;
    let sql = if is_postgres { *postgres } else { *sqlite };
    (!sql.is_empty()).then_some(sql)
}

/// The newest version this program knows.
pub(crate) fn newest(migrations: &[Migration]) -> i64 {
    migrations.last().map_or(0, |migration| migration.version)
}

/// The newest version of the schema that this program knows.
pub fn schema_version() -> i64 {
    newest(MIGRATIONS)
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at_ms BIGINT NOT NULL)";
const VERSION: &str = "SELECT COALESCE(MAX(version), 0) FROM schema_version";
const APPLIED: &str =
    "INSERT INTO schema_version (version, name, applied_at_ms) VALUES ($1, $2, $3)";
/// Two programs that start on one PostgreSQL at the same time take turns; the lock goes with the
/// transaction.
const TURNS: &str = "SELECT pg_advisory_xact_lock(7236831)";

/// The tables that the migrations make, and the one that counts them.
pub(crate) fn our_tables() -> impl Iterator<Item = &'static str> {
    let made =
        |sql: &'static str| sql.lines().filter_map(|line| line.strip_prefix("CREATE TABLE "));
    let name = |rest: &'static str| rest.split([' ', '(']).next();
    MIGRATIONS
        .iter()
        .flat_map(move |migration| made(migration.sql).filter_map(name))
        .chain(["schema_version", "restore_pending"])
}

/// The tables of others among those of a database.
pub(crate) fn tables_of_others(tables: &[String]) -> Vec<&str> {
    let ours: std::collections::BTreeSet<&str> = our_tables().collect();
    tables
        .iter()
        .map(String::as_str)
        .filter(|name| !ours.contains(name) && !name.starts_with("sqlite_"))
        .collect()
}

/// A few names, for a sentence.
pub(crate) fn some_of(tables: &[&str]) -> String {
    let more = if tables.len() > 3 { ", .." } else { "" };
    format!("{}{more}", tables.iter().take(3).copied().collect::<Vec<_>>().join(", "))
}

/// The tables where ours go: all of a file, and of a server's schema those that belong to no extension.
const TABLES: [&str; 2] = [
    "SELECT name FROM sqlite_master WHERE type = 'table'",
    "SELECT CAST(c.relname AS TEXT) FROM pg_class c
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = to_regnamespace(current_schema())
          AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')",
];

/// Refuses the database of another program: it would find tables of ours in it.
pub(crate) async fn refuse_others(db: &Db, url: &str) -> Result<()> {
    if has_schema(db).await? {
        return Ok(());
    }
    let [of_file, of_server] = TABLES;
    let sql = if matches!(db, Db::Postgres(_)) { of_server } else { of_file };
    let tables: Vec<String> = read!(db, conn => {
        let rows = sqlx::query(sql).fetch_all(&mut *conn).await?;
        rows.iter().map(|row| Ok(row.try_get::<String, _>(0)?)).collect()
    })?;
    let others = tables_of_others(&tables);
    if others.is_empty() {
        return Ok(());
    }
    Err(Error::Url(format!(
        "database.url: {} is the database of another program (it has {}); name one of its own",
        without_password(url),
        some_of(&others)
    )))
}

/// Whether somebody set this database up: asked without leaving anything in it.
pub(crate) async fn has_schema(db: &Db) -> Result<bool> {
    let sql = match db {
        Db::Sqlite { .. } => {
            "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'"
        }
        Db::Postgres(_) => "SELECT CAST(COUNT(to_regclass('schema_version')) AS BIGINT)",
    };
    let count = read!(db, conn => {
        Ok(sqlx::query(sql).fetch_one(&mut *conn).await?.try_get::<i64, _>(0)?)
    })?;
    Ok(count > 0)
}

/// The version of the schema in the database; 0 for an empty one.
pub(crate) async fn version(db: &Db) -> Result<i64> {
    let is_postgres = matches!(db, Db::Postgres(_));
    tx!(db, conn => {
        if is_postgres {
            sqlx::query(TURNS).execute(&mut *conn).await?;
        }
        sqlx::query(TABLE).execute(&mut *conn).await?;
        let row = sqlx::query(VERSION).fetch_one(&mut *conn).await?;
        Ok(row.try_get::<i64, _>(0)?)
    })
}

/// Brings the schema from `from` to the newest version, each step in a transaction of its own.
pub(crate) async fn migrate(db: &Db, migrations: &[Migration]) -> Result<()> {
    for migration in migrations {
        apply(db, migration).await?;
    }
    Ok(())
}

async fn apply(db: &Db, migration: &Migration) -> Result<()> {
    let is_postgres = matches!(db, Db::Postgres(_));
    // A step takes as long as it takes: large tables may have to be read.
    let step = tx_within!(Duration::MAX, db, conn => {
        if is_postgres {
            sqlx::query(TURNS).execute(&mut *conn).await?;
        }
        // Read again inside: the other program may have done it while this one waited.
        let row = sqlx::query(VERSION).fetch_one(&mut *conn).await?;
        let is_new = row.try_get::<i64, _>(0)? < migration.version;
        if is_new {
            sqlx::raw_sql(AssertSqlSafe(migration.sql)).execute(&mut *conn).await?;
            if let Some(sql) = dialect(migration.name, is_postgres) {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await?;
            }
            sqlx::query(APPLIED)
                .bind(migration.version)
                .bind(migration.name)
                .bind(row_id::now().0)
                .execute(&mut *conn)
                .await?;
        }
        Ok(is_new)
    });
    match step {
        Ok(true) => {
            tracing::info!(migration.name = migration.name, "the schema was migrated");
            Ok(())
        }
        Ok(false) => Ok(()),
        Err(Error::Database(source)) => Err(Error::Migration { name: migration.name, source }),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up_and_every_file_is_one() {
        assert!(MIGRATIONS.is_sorted_by(|one, next| one.version < next.version));
        assert_eq!(newest(MIGRATIONS), MIGRATIONS.last().expect("there are some").version);
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("migrations/")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| !name.ends_with(".sqlite.sql") && !name.ends_with(".postgres.sql"))
            .collect();
        files.sort();
        let tables: Vec<&str> = our_tables().collect();
        assert!(tables.contains(&"charger") && tables.contains(&"erasure"), "{tables:?}");
        let found = ["charger", "wp_posts", "sqlite_sequence"].map(str::to_owned);
        assert_eq!(tables_of_others(&found), ["wp_posts"]);
        let known: Vec<String> =
            MIGRATIONS.iter().map(|migration| format!("{}.sql", migration.name)).collect();
        assert_eq!(files, known, "a file that is not in the list would never run");
    }
}
