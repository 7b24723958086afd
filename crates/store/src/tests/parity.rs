//! The schema is the same on both databases: tables, columns, what may be NULL, indices, keys.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;

use super::kit::File;
use super::postgres;
use crate::db::Db;

/// What a table promises.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    /// Name, type, whether NULL is refused.
    columns: BTreeMap<String, (String, bool)>,
    /// Columns in order, whether they are unique, whether only a part of the rows is in it.
    indices: BTreeSet<(String, bool, bool)>,
    /// Columns, the table they point to and its columns, what happens on delete.
    references: BTreeSet<(String, String, String, String)>,
}

type Schema = BTreeMap<String, Table>;

const SQLITE_COLUMNS: &str = "SELECT t.name, c.name, lower(c.type), c.\"notnull\" OR c.pk > 0
    FROM pragma_table_list t, pragma_table_info(t.name) c
    WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%'";
const SQLITE_INDICES: &str = "SELECT t.name, group_concat(i.name, ','), l.\"unique\", l.partial
    FROM pragma_table_list t, pragma_index_list(t.name) l, pragma_index_info(l.name) i
    WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
    GROUP BY t.name, l.name, l.\"unique\", l.partial";
const SQLITE_REFERENCES: &str = "SELECT t.name, group_concat(f.\"from\", ','), f.\"table\",
        group_concat(f.\"to\", ','), lower(f.on_delete)
    FROM pragma_table_list t, pragma_foreign_key_list(t.name) f
    WHERE t.schema = 'main' AND t.type = 'table'
    GROUP BY t.name, f.id, f.\"table\", f.on_delete";

async fn of_sqlite(pool: &SqlitePool) -> Schema {
    let mut schema = Schema::new();
    let columns: Vec<(String, String, String, bool)> =
        sqlx::query_as(SQLITE_COLUMNS).fetch_all(pool).await.expect("columns");
    for (table, column, kind, is_needed) in columns {
        schema.entry(table).or_default().columns.insert(column, (kind, is_needed));
    }
    let indices: Vec<(String, String, bool, bool)> =
        sqlx::query_as(SQLITE_INDICES).fetch_all(pool).await.expect("indices");
    for (table, columns, is_unique, is_partial) in indices {
        let indices = &mut schema.entry(table).or_default().indices;
        indices.insert((columns, is_unique, is_partial));
    }
    let references: Vec<(String, String, String, String, String)> =
        sqlx::query_as(SQLITE_REFERENCES).fetch_all(pool).await.expect("references");
    for (table, from, target, to, on_delete) in references {
        let references = &mut schema.entry(table).or_default().references;
        references.insert((from, target, to, on_delete));
    }
    schema
}

const POSTGRES_COLUMNS: &str = "SELECT table_name::text, column_name::text, data_type::text,
        is_nullable = 'NO'
    FROM information_schema.columns WHERE table_schema = 'public'";
const POSTGRES_INDICES: &str = "SELECT t.relname::text,
        (SELECT string_agg(a.attname, ',' ORDER BY place.at)
            FROM unnest(i.indkey) WITH ORDINALITY AS place (attnum, at)
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = place.attnum),
        i.indisunique, i.indpred IS NOT NULL
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = 'public'";
const POSTGRES_REFERENCES: &str = "SELECT t.relname::text,
        (SELECT string_agg(a.attname, ',' ORDER BY place.at)
            FROM unnest(c.conkey) WITH ORDINALITY AS place (attnum, at)
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = place.attnum),
        target.relname::text,
        (SELECT string_agg(a.attname, ',' ORDER BY place.at)
            FROM unnest(c.confkey) WITH ORDINALITY AS place (attnum, at)
            JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = place.attnum),
        CASE c.confdeltype WHEN 'a' THEN 'no action' WHEN 'c' THEN 'cascade'
            WHEN 'n' THEN 'set null' WHEN 'r' THEN 'restrict' ELSE 'set default' END
    FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
    JOIN pg_class target ON target.oid = c.confrelid WHERE c.contype = 'f'";

async fn of_postgres(pool: &PgPool) -> Schema {
    let mut schema = Schema::new();
    let columns: Vec<(String, String, String, bool)> =
        sqlx::query_as(POSTGRES_COLUMNS).fetch_all(pool).await.expect("columns");
    for (table, column, kind, is_needed) in columns {
        schema.entry(table).or_default().columns.insert(column, (kind, is_needed));
    }
    let indices: Vec<(String, String, bool, bool)> =
        sqlx::query_as(POSTGRES_INDICES).fetch_all(pool).await.expect("indices");
    for (table, columns, is_unique, is_partial) in indices {
        let indices = &mut schema.entry(table).or_default().indices;
        indices.insert((columns, is_unique, is_partial));
    }
    let references: Vec<(String, String, String, String, String)> =
        sqlx::query_as(POSTGRES_REFERENCES).fetch_all(pool).await.expect("references");
    for (table, from, target, to, on_delete) in references {
        let references = &mut schema.entry(table).or_default().references;
        references.insert((from, target, to, on_delete));
    }
    schema
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server: scripts/with-postgres"]
async fn the_schema_is_the_same_on_sqlite_and_on_postgres() {
    let file = File::new();
    let (one, other) = (file.open().await, postgres::open().await);
    let (Db::Sqlite { read, .. }, Db::Postgres(pool)) = (&one.db, &other.db) else {
        panic!("one of each");
    };
    let (sqlite, postgres) = (of_sqlite(read).await, of_postgres(pool).await);
    assert!(sqlite.len() > 30, "{} tables were found", sqlite.len());
    let names = |schema: &Schema| schema.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&sqlite), names(&postgres));
    for (name, table) in &sqlite {
        let other = &postgres[name];
        assert_eq!(table.columns, other.columns, "columns of {name}");
        assert_eq!(table.indices, other.indices, "indices of {name}");
        assert_eq!(table.references, other.references, "references of {name}");
    }
    let unique = |table: &Table| table.indices.iter().any(|(_, is_unique, _)| *is_unique);
    let loose: Vec<_> = sqlite.iter().filter(|(_, table)| !unique(table)).collect();
    assert!(loose.is_empty(), "tables without a key: {loose:?}");
    one.close().await;
    other.close().await;
}
