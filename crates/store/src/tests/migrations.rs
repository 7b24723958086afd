use prometheus::Registry;
use sqlx::Connection as _;

use super::kit::File;
use crate::migration::{MIGRATIONS, Migration, newest};
use crate::{Error, Store, StoreSettings};

/// The schema of this program and one step more.
fn with_next(name: &'static str, sql: &'static str) -> &'static [Migration] {
    let next = Migration { version: newest(MIGRATIONS) + 1, name, sql };
    MIGRATIONS.iter().copied().chain([next]).collect::<Vec<_>>().leak()
}

fn with_more() -> &'static [Migration] {
    with_next("9999_more", "CREATE TABLE more (id BIGINT PRIMARY KEY);")
}

fn with_broken() -> &'static [Migration] {
    let sql = "CREATE TABLE half (id BIGINT PRIMARY KEY); CREATE TABLE site (id BIGINT);";
    with_next("9999_broken", sql)
}

fn backups(file: &File) -> Vec<std::path::PathBuf> {
    let data = file.path().parent().expect("it has a folder").to_path_buf();
    std::fs::read_dir(data)
        .expect("it is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.to_string_lossy().ends_with(".bak"))
        .collect()
}

#[tokio::test]
async fn a_new_file_gets_its_folder_and_its_schema_and_opens_again() {
    let file = File::new();
    assert!(!file.path().exists());
    let store = file.open().await;
    store.set_value("a", "1").await.expect("set");
    store.close().await;
    let store = file.open().await;
    assert_eq!(store.get_value("a").await.expect("get").as_deref(), Some("1"));
    assert!(backups(&file).is_empty(), "nothing was migrated");
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_a_sentence() {
    let file = File::new();
    let store = Store::open_with(&file.settings(), &Registry::new(), with_more()).await;
    store.expect("it opens").close().await;
    let error = Store::open(&file.settings(), &Registry::new()).await.expect_err("it is newer");
    let ours = newest(MIGRATIONS);
    assert!(
        matches!(error, Error::SchemaTooNew { found, known } if found == ours + 1 && known == ours),
        "{error}"
    );
    assert!(error.to_string().contains("run the newer program"), "{error}");
}

#[tokio::test]
async fn an_older_schema_is_copied_before_it_is_migrated() {
    let file = File::new();
    let store = file.open().await;
    store.set_value("kept", "yes").await.expect("set");
    store.close().await;
    let store = Store::open_with(&file.settings(), &Registry::new(), with_more()).await;
    let store = store.expect("it is migrated");
    assert_eq!(store.get_value("kept").await.expect("get").as_deref(), Some("yes"));
    store.close().await;

    let copies = backups(&file);
    assert_eq!(copies.len(), 1);
    std::fs::remove_dir_all(file.path().parent().expect("a folder").join("none")).ok();
    let mut settings = file.settings();
    settings.url = format!("sqlite://{}", copies[0].display());
    let copy = Store::open(&settings, &Registry::new()).await.expect("it has the old schema");
    assert_eq!(copy.get_value("kept").await.expect("get").as_deref(), Some("yes"));
    copy.close().await;
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_behind() {
    let file = File::new();
    file.open().await.close().await;
    let error = Store::open_with(&file.settings(), &Registry::new(), with_broken())
        .await
        .expect_err("there is a table site already");
    assert!(matches!(error, Error::Migration { name: "9999_broken", .. }), "{error}");
    // The version before still opens, and the first half of the broken one is not there.
    let store = file.open().await;
    let half = sqlx::query("SELECT COUNT(*) FROM half");
    let crate::db::Db::Sqlite { read, .. } = &store.db else { panic!("it is SQLite") };
    assert!(half.fetch_one(read).await.is_err());
}

#[tokio::test]
async fn addresses_that_cannot_be_used_get_a_sentence() {
    let mut settings = File::new().settings();
    for (url, part) in [
        ("mysql://root:s3cret@host/db", "postgres://USER:PASSWORD@HOST/DATABASE"),
        ("sqlite::memory:", "forgets what was acknowledged"),
        ("sqlite:///proc/none/mend.db", "/proc/none"),
    ] {
        url.clone_into(&mut settings.url);
        let error = Store::open(&settings, &Registry::new()).await.expect_err(url).to_string();
        assert!(error.contains(part) && !error.contains("s3cret"), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_backup_is_a_whole_database_and_overwrites_nothing() {
    let file = File::new();
    let store = file.open().await;
    store.set_value("kept", "yes").await.expect("set");
    let to = file.folder().join("copy.db");
    store.backup(&to).await.expect("copied");
    assert!(matches!(store.backup(&to).await, Err(Error::File { .. })));
    let mut settings = file.settings();
    settings.url = format!("sqlite://{}", to.display());
    let copy = Store::open(&settings, &Registry::new()).await.expect("it opens");
    assert_eq!(copy.get_value("kept").await.expect("get").as_deref(), Some("yes"));
}

#[tokio::test]
async fn sqlite_keeps_its_promises_on_every_connection() {
    let file = File::new();
    let store = file.open().await;
    let crate::db::Db::Sqlite { read, write } = &store.db else { panic!("it is SQLite") };
    for (pool, sql, wanted) in [
        (write, "SELECT journal_mode FROM pragma_journal_mode", "wal"),
        (write, "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous", "2"),
        (write, "SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys", "1"),
        (write, "SELECT CAST(recursive_triggers AS TEXT) FROM pragma_recursive_triggers", "1"),
        (read, "SELECT CAST(query_only AS TEXT) FROM pragma_query_only", "1"),
    ] {
        let (found,): (String,) = sqlx::query_as(sql).fetch_one(pool).await.expect(sql);
        assert_eq!(found, wanted, "{sql}");
    }
    let refused = sqlx::query("DELETE FROM kv").execute(read).await;
    assert!(refused.is_err(), "readers may not write");
}

#[tokio::test]
async fn a_database_that_another_program_locked_gets_a_sentence() {
    let file = File::new();
    file.open().await.close().await;
    let settings = StoreSettings { busy_timeout_ms: 1, ..file.settings() };
    let store = Store::open(&settings, &Registry::new()).await.expect("it opens");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file.path());
    let mut other = sqlx::SqliteConnection::connect_with(&options).await.expect("a connection");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("locked");
    let error = store.set_value("a", "1").await.expect_err("it is locked");
    assert!(matches!(error, Error::Locked), "{error:?}");
    assert!(error.to_string().contains("locked by another program"), "{error}");
    sqlx::query("ROLLBACK").execute(&mut other).await.expect("let go");
    store.set_value("a", "1").await.expect("free again");
}
