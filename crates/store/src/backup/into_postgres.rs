//! A copy in the place of a database of `PostgreSQL`: in one transaction, so that whatever ends it leaves
//! the database as it was.

use std::fmt::Write as _;
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use super::restore::{Source, not_empty, something_in};
use super::unfinished::{self, learn};
use super::{COUNTED, Manifest, tools};
use crate::db::Columns as _;
use crate::migration::{some_of, tables_of_others};
use crate::{Error, Result, StoreSettings, claim, row_id};

const TABLES: &str = "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'";
const IS_DONE: &str = "SELECT COUNT(to_regclass('public.restore_pending')) FROM pg_tables";

/// Gives where the database of before is kept, and the connection that holds the lock.
pub(super) async fn replace(
    settings: &StoreSettings,
    source: Source<'_>,
) -> Result<(Option<String>, PgConnection)> {
    let connect = PgConnectOptions::from_str(&settings.url)
        .map_err(|error| Error::Url(format!("database.url: {error}")))?
        .disable_statement_logging();
    let mut conn = connect.connect().await?;
    match replace_schema(&mut conn, settings, source).await {
        Ok(aside) => Ok((aside, conn)),
        Err(error) => {
            conn.close().await.ok();
            Err(error)
        }
    }
}

async fn replace_schema(
    conn: &mut PgConnection,
    settings: &StoreSettings,
    mut source: Source<'_>,
) -> Result<Option<String>> {
    if !claim::try_lock(conn).await? {
        return Err(claim::stop_it_first());
    }
    let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(&mut *conn).await?;
    let is_ours = tables.iter().any(|name| name == "schema_version");
    // They would be put aside with ours, under their owner's feet.
    let others = tables_of_others(&tables);
    if !others.is_empty() {
        return Err(Error::Backup(format!(
            "the database holds tables of another program ({}): see database.url, or make a database \
             for Mendpoint alone",
            some_of(&others)
        )));
    }
    let mut aside = None;
    if is_ours {
        if !source.force && something_in!(conn, tables) > 0 {
            return Err(not_empty("the database"));
        }
        learn!(source.unfinished, conn, tables);
        aside = Some(format!("{}{}", tools::ASIDE, row_id::now().0));
    }
    let (item, body) = source.unfinished.row()?;
    let before = aside.as_ref().map_or_else(String::new, |name| {
        format!("ALTER SCHEMA public RENAME TO {name};\nCREATE SCHEMA public;\n")
    });
    let after = closing(source.manifest, item, &body);
    let done = tools::replay(&settings.url, source.file, &before, &after).await;
    if done.is_err() {
        // The answer to a commit can be lost.
        let sql = format!("SELECT COUNT(*) FROM public.restore_pending WHERE item = {item}");
        let is_there: i64 = sqlx::query_scalar(IS_DONE).fetch_one(&mut *conn).await.unwrap_or(0);
        let is_in = is_there > 0
            && matches!(
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut *conn).await,
                Ok(1_i64)
            );
        if !is_in {
            done?;
        }
    }
    Ok(aside.map(|name| format!("the schema {name} of the same database")))
}

/// What ends the transaction of a restore: the rows are there that the manifest counts, and what is to be
/// done is noted.
fn closing(manifest: &Manifest, item: i64, body: &str) -> String {
    let mut sql = String::new();
    for (table, rows) in &manifest.rows {
        if !COUNTED.contains(&table.as_str()) {
            continue;
        }
        writeln!(
            sql,
            "DO $do$ BEGIN IF (SELECT COUNT(*) FROM public.{table}) <> {rows} THEN
                RAISE EXCEPTION 'the table {table} does not hold the rows that the manifest counts';
                END IF; END $do$;"
        )
        .ok();
    }
    let table = unfinished::TABLE.replace("restore_pending", "public.restore_pending");
    let text = body.replace('\'', "''");
    writeln!(sql, "{table};\nINSERT INTO public.restore_pending VALUES ({item}, '{text}');").ok();
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_and_a_name_bring_no_sql_of_their_own() {
        let rows = vec![("charger".to_owned(), 3), ("x; DROP TABLE y".to_owned(), 1)];
        let manifest = Manifest {
            format: 1,
            program: String::new(),
            database: "postgres".to_owned(),
            schema: 17,
            made_at_ms: 0,
            bytes: 0,
            sha256: String::new(),
            rows,
            audit_seq: 0,
            audit_hash: String::new(),
        };
        let sql = closing(&manifest, 7, r#"{"by":"o'neil"}"#);
        assert!(sql.contains("public.charger) <> 3") && !sql.contains("DROP"), "{sql}");
        assert!(sql.ends_with("VALUES (7, '{\"by\":\"o''neil\"}');\n"), "{sql}");
    }
}
