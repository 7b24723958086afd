//! The audit log: a chain that nothing can be taken out of without being missed (S19).

use mendpoint_model::UnixMs;

use super::kit::{File, write};
use crate::db::Db;
use crate::{AuditHead, AuditVerdict, Entry, Store};

/// Runs a statement as somebody with the right to everything would.
pub(super) async fn run(store: &Store, sql: &str) -> Result<u64, sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match &store.db {
        Db::Sqlite { write, .. } => {
            sqlx::raw_sql(sql).execute(write).await.map(|done| done.rows_affected())
        }
        Db::Postgres(pool) => {
            sqlx::raw_sql(sql).execute(pool).await.map(|done| done.rows_affected())
        }
    }
}

fn line(actor: &str, subject: &str) -> Entry {
    Entry::Audit {
        at: UnixMs(1_000),
        actor: actor.to_owned(),
        action: "command Reset".to_owned(),
        subject: subject.to_owned(),
        detail: "\0 \"quoted\" ț".to_owned(),
    }
}

async fn whole(store: &Store) -> AuditHead {
    match store.verify_audit(None).await.expect("read") {
        AuditVerdict::Whole(head) => head,
        broken @ AuditVerdict::Broken { .. } => panic!("{broken:?}"),
    }
}

async fn broken(store: &Store, noted: Option<&AuditHead>) -> (i64, String) {
    match store.verify_audit(noted).await.expect("read") {
        AuditVerdict::Broken { seq, why } => (seq, why),
        AuditVerdict::Whole(head) => panic!("it was found to be whole up to {head:?}"),
    }
}

/// The part of the story that both databases tell.
pub(super) async fn audit(store: &Store) {
    let before = whole(store).await;
    assert!(before.seq > 0, "the story so far is in it");
    // Writers that come at the same time, through the journal and beside it.
    let entries = (0..300).map(|n| line("ana", &format!("CP-{n}"))).collect();
    let (one, two) = (store.add_audit("root", "user added", "bo", ""), write(store, entries));
    let three = store.add_audit("root", "token made", "script", "viewer");
    let (one, (), three) = tokio::join!(one, two, three);
    assert!(one.is_ok() && three.is_ok());
    let head = whole(store).await;
    assert_eq!(head.seq, before.seq + 302);
    assert_eq!(store.audit_head().await.expect("read"), head);
    assert!(matches!(
        store.verify_audit(Some(&before)).await.expect("read"),
        AuditVerdict::Whole(_)
    ));

    for refused in [
        "UPDATE audit_entry SET actor = 'nobody'",
        "DELETE FROM audit_entry WHERE actor = 'root'",
        "DELETE FROM audit_head",
        "UPDATE audit_head SET seq = 1",
    ] {
        let error = run(store, refused).await.expect_err(refused).to_string();
        assert!(error.contains("append-only"), "{refused}: {error}");
    }
    if matches!(store.db, Db::Postgres(_)) {
        let refused = "INSERT INTO audit_entry SELECT * FROM audit_entry WHERE actor = 'root'
            ON CONFLICT (id) DO UPDATE SET actor = 'nobody'";
        let error = run(store, refused).await.expect_err(refused).to_string();
        assert!(error.contains("append-only"), "{error}");
    }
    whole(store).await;
    tampered(store, &before, &head).await;
}

/// Somebody who may take the triggers away is found all the same.
async fn tampered(store: &Store, noted: &AuditHead, head: &AuditHead) {
    let unlocked = match &store.db {
        Db::Sqlite { .. } => {
            "DROP TRIGGER audit_entry_stays; DROP TRIGGER audit_entry_kept;
             DROP TRIGGER audit_head_kept; DROP TRIGGER audit_head_grows;
             DROP TRIGGER audit_entry_once; DROP TRIGGER audit_head_once"
        }
        Db::Postgres(_) => {
            "ALTER TABLE audit_entry DISABLE TRIGGER USER;
             ALTER TABLE audit_head DISABLE TRIGGER USER"
        }
    };
    run(store, unlocked).await.expect("unlocked");
    let (middle, end) = (noted.seq + 100, head.seq);
    let change = async |sql: String| {
        assert!(run(store, &sql).await.expect("run") > 0, "{sql} found nothing");
    };

    // Edited, and put back.
    let set = |what: &str| format!("UPDATE audit_entry SET {what} WHERE seq = {middle}");
    change(set("actor = 'anb'")).await;
    let (seq, why) = broken(store, None).await;
    assert!(seq == middle && why.contains("was changed"), "{seq}: {why}");
    change(set("actor = 'ana', at_ms = 1001")).await;
    assert_eq!(broken(store, None).await.0, middle);
    change(set("at_ms = 1000")).await;
    whole(store).await;

    // Deleted in the middle.
    run(store, "CREATE TABLE aside AS SELECT * FROM audit_entry").await.expect("copied");
    let back = format!("INSERT INTO audit_entry SELECT * FROM aside WHERE seq >= {middle}");
    change(format!("DELETE FROM audit_entry WHERE seq = {middle}")).await;
    let (seq, why) = broken(store, None).await;
    assert!(seq == middle && why.contains("was deleted"), "{seq}: {why}");
    change(format!("DELETE FROM audit_entry WHERE seq > {middle}")).await;
    change(back.clone()).await;
    whole(store).await;

    // The end cut off, with and without the head.
    change(format!("DELETE FROM audit_entry WHERE seq >= {middle}")).await;
    let (seq, why) = broken(store, None).await;
    assert!(seq == middle && why.contains(&format!("to {end} were cut off")), "{seq}: {why}");
    let hash = format!("(SELECT hash FROM audit_entry WHERE seq = {})", middle - 1);
    change(format!("UPDATE audit_head SET seq = {}, hash = {hash}", middle - 1)).await;
    whole(store).await;
    let (_, why) = broken(store, Some(head)).await;
    assert!(why.contains("ends before the line that was noted"), "{why}");
    let other = AuditHead { seq: noted.seq, hash: "00".to_owned() };
    assert_eq!(broken(store, Some(&other)).await.0, noted.seq);
    change(back).await;
    change("DELETE FROM audit_head".to_owned()).await;
    let (_, why) = broken(store, None).await;
    assert!(why.contains("head of the chain was deleted"), "{why}");
    let set = format!("INSERT INTO audit_head VALUES (1, {end}, '{}')", head.hash);
    change(set).await;
    whole(store).await;
    run(store, "DROP TABLE aside").await.expect("dropped");
    if matches!(store.db, Db::Postgres(_)) {
        let locked = "ALTER TABLE audit_entry ENABLE TRIGGER USER;
            ALTER TABLE audit_head ENABLE TRIGGER USER";
        run(store, locked).await.expect("locked");
    }
}

#[tokio::test]
async fn lines_from_before_there_was_a_chain_get_their_places_at_the_first_start() {
    let file = File::new();
    let old: &'static [_] = &crate::migration::MIGRATIONS[..6];
    let store = Store::open_with(&file.settings(), &prometheus::Registry::new(), old).await;
    let store = store.expect("the schema of before");
    for id in 1..=4_500 {
        let sql = format!("INSERT INTO audit_entry VALUES ({id}, {id}, 'ana', 'x', 'y', '')");
        run(&store, &sql).await.expect("added");
    }
    store.close().await;
    let store = file.open().await;
    assert_eq!(whole(&store).await.seq, 4_500);
    store.add_audit("ana", "signed in", "10.0.0.1", "").await.expect("added");
    assert_eq!(whole(&store).await.seq, 4_501);
    store.close().await;
    let store = file.open().await;
    assert_eq!(whole(&store).await.seq, 4_501, "once and no more");
    // Lines that somebody puts there are not taken in, wherever they say they stand.
    run(&store, "DROP TRIGGER audit_entry_kept").await.expect("dropped");
    store.close().await;
    for seq in ["NULL", "-5", "0"] {
        let store = file.open().await;
        let columns = "id, at_ms, actor, action, subject, detail, seq, hash";
        let sql = format!(
            "INSERT INTO audit_entry ({columns}) VALUES (9001, 1, 'x', 'x', 'x', 'x', {seq}, 'x')"
        );
        run(&store, &sql).await.expect("added");
        store.close().await;
        let store = file.open().await;
        assert!(broken(&store, None).await.1.contains("no place"), "{seq}");
        run(&store, "DELETE FROM audit_entry WHERE id = 9001").await.expect("deleted");
        assert_eq!(whole(&store).await.seq, 4_501, "{seq}");
        store.close().await;
    }
}

/// What a shell of SQLite can do that sets nothing up.
#[tokio::test]
async fn a_line_is_not_replaced_and_one_that_was_is_found() {
    use sqlx::Connection as _;

    let file = File::new();
    let store = file.open().await;
    for number in 0..5 {
        store.add_audit("ana", "signed in", &number.to_string(), "").await.expect("added");
    }
    let head = whole(&store).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file.path());
    let mut shell = sqlx::SqliteConnection::connect_with(&options).await.expect("a shell");
    let columns = "id, at_ms, actor, action, subject, detail, seq, hash";
    let changed = "SELECT id, at_ms, 'nobody', action, subject, detail, seq, hash FROM audit_entry
        WHERE seq = 3";
    let replace = format!("INSERT OR REPLACE INTO audit_entry ({columns}) {changed}");
    let by_row = format!(
        "INSERT OR REPLACE INTO audit_entry (rowid, {columns}) SELECT rowid, id + 1, at_ms, 'nobody',
        action, subject, detail, seq, hash FROM audit_entry WHERE seq = 3"
    );
    let head_anew = "INSERT OR REPLACE INTO audit_head VALUES (1, 0, '')";
    let head_by_row = "REPLACE INTO audit_head (rowid, head_id, seq, hash) VALUES (1, 2, 0, '')";
    for refused in [&replace, &by_row, head_anew, head_by_row] {
        let sql = sqlx::AssertSqlSafe(refused.to_owned());
        let error = sqlx::raw_sql(sql).execute(&mut shell).await.expect_err(refused).to_string();
        assert!(error.contains("append-only"), "{refused}: {error}");
        assert_eq!(whole(&store).await, head, "{refused}");
    }
    let unlocked = "DROP TRIGGER audit_entry_once; DROP TRIGGER audit_head_once";
    sqlx::raw_sql(unlocked).execute(&mut shell).await.expect("dropped");
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(replace)).execute(&mut shell).await;
    assert_eq!(done.expect("replaced").rows_affected(), 1);
    let (seq, why) = broken(&store, None).await;
    assert!(seq == 3 && why.contains("was changed"), "{seq}: {why}");
    store.close().await;
}

#[tokio::test]
async fn s19_a_log_that_was_emptied_is_not_whole() {
    let file = File::new();
    let store = file.open().await;
    assert_eq!(whole(&store).await.seq, 0, "nothing happened yet");
    store.add_audit("system", "server started", "server", "").await.expect("written");
    store.set_value("settings.last", "x").await.expect("set");
    assert_eq!(whole(&store).await.seq, 1);
    run(
        &store,
        "DROP TRIGGER audit_entry_stays; DROP TRIGGER audit_entry_kept; DROP TRIGGER audit_head_kept;
         DROP TRIGGER audit_head_grows; DROP TRIGGER audit_entry_once; DROP TRIGGER audit_head_once;
         DELETE FROM audit_entry; DELETE FROM audit_head",
    )
    .await
    .expect("emptied");
    let (seq, why) = broken(&store, None).await;
    assert!(seq == 1 && why.contains("there is no line at all"), "{why}");
    store.close().await;
}
