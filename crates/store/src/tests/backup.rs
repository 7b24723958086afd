//! Copies and the way back (R20).

use mendpoint_model::{ChargerKey, UnixMs};
use prometheus::Registry;

use super::kit::{File, write};
use super::story_privacy::{self, card};
use crate::{
    Entry, Error, Manifest, RestoreOptions, Store, StoreSettings, make_backup, restore_backup,
    verify_backup,
};

fn change(at: i64) -> Entry {
    Entry::LinkChange {
        charger: ChargerKey(7),
        at: UnixMs(at),
        online: true,
        reason: String::new(),
    }
}

async fn count(store: &Store) -> usize {
    let all = store.link_history(ChargerKey(7), UnixMs(0), UnixMs(i64::MAX)).await;
    all.expect("read").len()
}

#[tokio::test]
async fn r20_a_copy_made_under_load_holds_all_that_was_acknowledged_before_it() {
    let file = File::new();
    let store = file.open().await;
    let writer = store.clone();
    let load = tokio::spawn(async move {
        for at in 1..=2_000 {
            write(&writer, vec![change(at)]).await;
        }
    });
    while count(&store).await < 200 {
        tokio::task::yield_now().await;
    }
    let acknowledged = count(&store).await;
    std::fs::create_dir(file.folder().join("backups")).expect("made");
    let to = file.folder().join("backups").join("a.backup");
    let manifest = make_backup(&file.settings(), &to).await.expect("copied");
    load.await.expect("it went on");
    let head = store.audit_head().await.expect("read");
    assert_eq!(manifest.audit_seq, head.seq);
    store.close().await;

    let settings = elsewhere(&file);
    let restored = restore_backup(&settings, &to, &RestoreOptions::default()).await;
    assert_eq!(restored.expect("brought back").aside, None, "there was nothing");
    let store = Store::open(&settings, &Registry::new()).await.expect("it opens");
    let found = count(&store).await;
    assert!((acknowledged..2_000).contains(&found), "{acknowledged} <= {found}");
    store.close().await;
}

/// What somebody else on the machine may do with the files of a folder: (name, rights).
fn open_to_others(folder: &std::path::Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let entries = folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry"));
    let files = entries.filter(|entry| entry.file_type().expect("a type").is_file());
    let named = files.map(|entry| {
        let rights = entry.metadata().expect("known").permissions().mode();
        (entry.file_name().to_string_lossy().into_owned(), rights)
    });
    // The lock is empty.
    let open = named.filter(|(name, rights)| rights & 0o077 != 0 && !name.contains(".lock"));
    open.map(|(name, _)| name).collect()
}

#[tokio::test]
async fn nobody_else_may_read_the_database_or_what_was_copied_from_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let file = File::new();
    let store = file.open().await;
    store.set_value("a", "1").await.expect("set");
    let data = file.path().parent().expect("a folder").to_path_buf();
    assert_eq!(data.read_dir().expect("read").count(), 3, "the file, its log and its memory");
    assert_eq!(open_to_others(&data), [""; 0]);
    store.put_id_tokens(&[story_privacy::card("04A2B3C4D5E6", None, "")]).await.expect("put");
    store.erase_person("04A2B3C4D5E6", "ana").await.expect("erased");
    let copies = file.folder().join("copies");
    let told =
        make_backup(&file.settings(), &copies.join("a.backup")).await.expect_err("no folder");
    assert!(told.to_string().contains("mount the disk"), "{told}");
    std::fs::create_dir(&copies).expect("made");
    make_backup(&file.settings(), &copies.join("a.backup")).await.expect("copied");
    store.write_erasures(Some(&copies)).await.expect("written");
    store.close().await;
    assert_eq!(open_to_others(&data), [""; 0]);
    assert_eq!(open_to_others(&copies), [""; 0]);
    let force = RestoreOptions { force: true, backups: None };
    let copy = copies.join("a.backup");
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o644)).expect("set");
    restore_backup(&file.settings(), &copy, &force).await.expect("brought back");
    assert_eq!(open_to_others(&data), [""; 0]);

    // What an older program left is tightened, and other people's files are not looked at.
    for name in ["mend.db", "mend.db.erasures", "mend.dbx"] {
        let path = data.join(name);
        let made = std::fs::OpenOptions::new().append(true).create(true).open(&path);
        let loose = std::fs::Permissions::from_mode(0o644);
        made.and_then(|made| made.set_permissions(loose)).expect("made");
    }
    file.open().await.close().await;
    assert_eq!(open_to_others(&data), ["mend.dbx"]);
}

#[tokio::test]
async fn errors_of_files_are_told_in_words() {
    let file = File::new();
    let store = file.open().await;
    let to = file.folder().join("a.backup");
    make_backup(&file.settings(), &to).await.expect("copied");
    let told = make_backup(&file.settings(), &to).await.expect_err("it is there").to_string();
    assert!(told.ends_with("a.backup: there is one already, and it is not written over"), "{told}");
    store.close().await;
    std::fs::write(file.path(), "no database, but long enough to be looked at").expect("written");
    let told = make_backup(&file.settings(), &file.folder().join("b")).await.expect_err("none");
    assert_eq!(
        told.to_string(),
        "database: its file is no database of SQLite, or it is damaged from the beginning on"
    );
    let missing = StoreSettings { url: "sqlite:///nowhere/a.db".to_owned(), ..file.settings() };
    for told in [
        make_backup(&missing, &file.folder().join("c")).await.map(drop),
        Store::open_existing(&missing, &Registry::new()).await.map(drop),
    ] {
        assert!(matches!(told, Err(Error::NoDatabase(_))), "{told:?}");
    }
}

fn elsewhere(file: &File) -> StoreSettings {
    let url = format!("sqlite://{}/other/mend.db", file.folder().display());
    StoreSettings { url, ..StoreSettings::default() }
}

#[tokio::test]
async fn r20_a_flipped_byte_is_detected_wherever_it_is() {
    let file = File::new();
    let store = file.open().await;
    write(&store, (0..500).map(change).collect()).await;
    let to = file.folder().join("a.backup");
    make_backup(&file.settings(), &to).await.expect("copied");
    assert!(make_backup(&file.settings(), &to).await.is_err(), "nothing is overwritten");
    let manifest = verify_backup(&to).await.expect("whole");
    assert!(manifest.rows.contains(&("link_change".to_owned(), 500)) || manifest.bytes > 0);
    for path in [to.clone(), Manifest::path_of(&to)] {
        let whole = std::fs::read(&path).expect("read");
        for part in 0..16 {
            let mut bytes = whole.clone();
            let at = part * (bytes.len() - 1) / 15;
            bytes[at] ^= 0x01;
            std::fs::write(&path, &bytes).expect("written");
            let error = verify_backup(&to).await.expect_err("a flipped byte");
            assert!(
                matches!(error, Error::Backup(_) | Error::File { .. }),
                "byte {at} of {}: {error}",
                path.display()
            );
            let force = &RestoreOptions { force: true, backups: None };
            assert!(restore_backup(&elsewhere(&file), &to, force).await.is_err(), "byte {at}");
        }
        std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        assert!(verify_backup(&to).await.is_err(), "cut off");
        std::fs::write(&path, &whole).expect("written");
    }
    verify_backup(&to).await.expect("whole again");
    assert!(!file.folder().join("other/mend.db").exists(), "nothing was put in place");
    store.close().await;
}

#[tokio::test]
async fn a_database_in_use_or_with_something_in_it_is_not_overwritten() {
    let file = File::new();
    let store = file.open().await;
    let to = file.folder().join("a.backup");
    make_backup(&file.settings(), &to).await.expect("copied");
    store.put_id_tokens(&[card("NEW", None, "")]).await.expect("put");
    let claim = store.claim_for_server().await.expect("claimed");
    let force = &RestoreOptions { force: true, backups: None };
    let error = restore_backup(&file.settings(), &to, force).await.expect_err("in use");
    assert!(matches!(error, Error::InUse(_)), "{error}");
    drop(claim);
    store.close().await;
    let error = restore_backup(&file.settings(), &to, &RestoreOptions::default()).await;
    let error = error.expect_err("not empty").to_string();
    assert!(error.contains("--force"), "{error}");
    let restored = restore_backup(&file.settings(), &to, force).await.expect("brought back");
    let aside = restored.aside.expect("the old one is kept");
    let store = file.open().await;
    assert!(store.id_token("NEW").await.expect("read").is_none(), "the copy is in its place");
    assert!(matches!(
        store.verify_audit(None).await.expect("read"),
        crate::AuditVerdict::Whole(head) if head.seq > 0
    ));
    store.close().await;
    let settings = StoreSettings { url: format!("sqlite://{aside}"), ..StoreSettings::default() };
    let old = Store::open(&settings, &Registry::new()).await.expect("it opens");
    assert!(old.id_token("NEW").await.expect("read").is_some());
    old.close().await;
}

#[tokio::test]
async fn s21_who_was_erased_stays_erased_when_an_older_copy_comes_back() {
    let file = File::new();
    let store = file.open().await;
    story_privacy::used(&store, ChargerKey(1), 1).await;
    std::fs::create_dir(file.folder().join("backups")).expect("made");
    let to = file.folder().join("backups").join("a.backup");
    make_backup(&file.settings(), &to).await.expect("copied");
    let report = store.erase_person("04A2B3C4D5E6F7", "ana").await.expect("erased");
    assert!(report.rows > 5);
    store.close().await;

    // From the database that is replaced.
    let force = &RestoreOptions { force: true, backups: None };
    let restored = restore_backup(&file.settings(), &to, force).await.expect("brought back");
    assert_eq!(restored.erased_again, 1);
    let store = file.open().await;
    let left = story_privacy::dump(&store).await.to_lowercase();
    assert!(!left.contains("04a2b3c4d5e6f7") && left.contains(&report.pseudonym.to_lowercase()));
    // From the list in the folder of backups, when everything else is lost.
    store.write_erasures(Some(&file.folder().join("backups"))).await.expect("written");
    store.close().await;
    let restored = restore_backup(&elsewhere(&file), &to, force).await.expect("brought back");
    assert_eq!(restored.erased_again, 1);
    let store = Store::open(&elsewhere(&file), &Registry::new()).await.expect("it opens");
    let left = story_privacy::dump(&store).await.to_lowercase();
    assert!(!left.contains("04a2b3c4d5e6f7"), "{left}");
    store.close().await;
}

#[tokio::test]
async fn s21_who_is_on_a_list_is_erased_at_the_next_start_whatever_file_took_the_place() {
    let file = File::new();
    let store = file.open().await;
    story_privacy::used(&store, ChargerKey(1), 1).await;
    let to = file.folder().join("a.backup");
    make_backup(&file.settings(), &to).await.expect("copied");
    store.erase_person("04A2B3C4D5E6F7", "ana").await.expect("erased");
    store.write_erasures(None).await.expect("written");
    assert_eq!(store.heed_erasures(None).await.expect("read"), 0, "it is known");
    store.close().await;
    // As after a restore that was cut off, or by somebody who copied the file.
    for left in ["mend.db-wal", "mend.db-shm"] {
        std::fs::remove_file(file.path().with_file_name(left)).ok();
    }
    std::fs::copy(&to, file.path()).expect("copied");
    let store = file.open().await;
    assert!(story_privacy::dump(&store).await.to_lowercase().contains("04a2b3c4d5e6f7"));
    assert_eq!(store.heed_erasures(None).await.expect("erased"), 1);
    assert!(!story_privacy::dump(&store).await.to_lowercase().contains("04a2b3c4d5e6f7"));
    let (lines, _) = store.audit(None, None, None, 10).await.expect("read");
    assert!(lines.iter().any(|line| line.action == "persons erased again"), "{lines:?}");
    assert_eq!(store.heed_erasures(None).await.expect("read"), 0, "once");
    store.close().await;
}

#[tokio::test]
async fn s21_a_list_that_cannot_be_written_is_told_and_follows_later() {
    let file = File::new();
    let store = file.open().await;
    story_privacy::used(&store, ChargerKey(1), 1).await;
    let copies = file.folder().join("copies");
    assert_eq!(store.unlisted_erasures(Some(&copies)).await.expect("read"), 0, "nobody was erased");
    let report = store.erase_person("04A2B3C4D5E6F7", "ana").await.expect("erased");
    assert_eq!(report.unlisted, None, "beside the database");
    let told = store.write_erasures(Some(&copies)).await.expect_err("there is no such folder");
    assert!(told.to_string().contains("copies/mendpoint.erasures"), "{told}");
    assert_eq!(store.unlisted_erasures(Some(&copies)).await.expect("read"), 1);
    std::fs::create_dir(&copies).expect("made");
    store.write_erasures(Some(&copies)).await.expect("written");
    assert_eq!(store.unlisted_erasures(Some(&copies)).await.expect("read"), 0);
    // A folder in the place of the list beside the database: it is erased all the same.
    let list = file.path().with_file_name("mend.db.erasures");
    std::fs::remove_file(&list).and_then(|()| std::fs::create_dir(&list)).expect("made");
    story_privacy::used(&store, ChargerKey(1), 2).await;
    let report = store.erase_person("04A2B3C4D5E6F7", "ana").await.expect("erased");
    assert!(report.unlisted.expect("why").contains("mend.db.erasures"));
    assert!(!story_privacy::dump(&store).await.to_lowercase().contains("04a2b3c4d5e6f7"));
    store.close().await;
}

async fn person(store: &Store, name: &str) -> i64 {
    let new =
        crate::NewUser { name, display_name: "", email: "", password_hash: "-", role: "viewer" };
    store.insert_user(new).await.expect("made")
}

#[tokio::test]
async fn r20_s21_what_a_restore_could_not_do_any_more_is_done_before_anybody_looks() {
    let file = File::new();
    let store = file.open().await;
    story_privacy::used(&store, ChargerKey(1), 1).await;
    let [bea, cy] = [person(&store, "bea").await, person(&store, "cy").await];
    for (hash, user) in [(b"hers", bea), (b"his!", cy)] {
        store.insert_session(hash, user, UnixMs(1), UnixMs(i64::MAX), "").await.expect("made");
    }
    let token = store.insert_api_token(b"t1", "ci", "read", "cy", None).await.expect("made");
    store.insert_api_token(b"t2", "cd", "read", "cy", None).await.expect("made");
    let to = file.folder().join("a.backup");
    make_backup(&file.settings(), &to).await.expect("copied");
    store.erase_person("04A2B3C4D5E6F7", "ana").await.expect("erased");
    assert!(store.revoke_api_token(token, UnixMs(5)).await.expect("revoked"));
    let her = store.user(bea).await.expect("read").expect("known");
    let gone = crate::UserRow { disabled: true, ..her };
    assert!(store.update_user(&gone).await.expect("disabled"));
    store.close().await;
    // The database of before is the only one that knows who was erased.
    std::fs::remove_file(file.path().with_file_name("mend.db.erasures")).expect("there was one");
    crate::backup::put_in_place(&file.settings(), &to).await.expect("in its place");
    let store = Store::open_existing(&file.settings(), &Registry::new()).await.expect("it opens");
    assert!(!story_privacy::dump(&store).await.to_lowercase().contains("04a2b3c4d5e6f7"));
    let tokens = store.api_tokens().await.expect("read");
    let revoked: Vec<bool> = tokens.iter().map(|token| token.revoked_at.is_some()).collect();
    assert_eq!(revoked, [true, false], "{tokens:?}");
    assert!(store.user(bea).await.expect("read").expect("known").disabled);
    assert!(!store.user(cy).await.expect("read").expect("known").disabled);
    assert_eq!(store.session(b"his!", UnixMs(2), 1_000).await.expect("read"), None);
    let restored = |lines: Vec<crate::AuditRow>| {
        lines.iter().filter(|line| line.action == "backup restored").count()
    };
    assert_eq!(restored(store.audit(None, None, None, 10).await.expect("read").0), 1);
    store.close().await;
    let store = file.open().await;
    assert_eq!(restored(store.audit(None, None, None, 10).await.expect("read").0), 1, "once");
    store.close().await;
}

#[tokio::test]
async fn a_link_to_a_database_is_the_same_database() {
    let file = File::new();
    let store = file.open().await;
    store.put_id_tokens(&[card("NEW", None, "")]).await.expect("put");
    let to = file.folder().join("a.backup");
    make_backup(&file.settings(), &to).await.expect("copied");
    let link = file.folder().join("link.db");
    std::os::unix::fs::symlink(file.path(), &link).expect("linked");
    let by_link =
        StoreSettings { url: format!("sqlite://{}", link.display()), ..StoreSettings::default() };
    let other = Store::open(&by_link, &Registry::new()).await.expect("it opens");
    let claim = store.claim_for_server().await.expect("claimed");
    assert!(matches!(other.claim_for_server().await, Err(Error::InUse(_))));
    let force = &RestoreOptions { force: true, backups: None };
    assert!(matches!(restore_backup(&by_link, &to, force).await, Err(Error::InUse(_))));
    drop(claim);
    other.close().await;
    store.close().await;
    restore_backup(&by_link, &to, force).await.expect("brought back");
    assert!(link.is_symlink(), "it still leads to the database");
    let store = file.open().await;
    let (lines, _) = store.audit(None, None, None, 10).await.expect("read");
    assert!(lines.iter().any(|line| line.action == "backup restored"), "{lines:?}");
    store.close().await;
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    use sqlx::Connection as _;

    let file = File::new();
    let store = file.open().await;
    let to = file.folder().join("a.backup");
    make_backup(&file.settings(), &to).await.expect("copied");
    store.close().await;
    let other = file.folder().join("blog.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&other);
    let options = options.create_if_missing(true);
    let mut conn = sqlx::SqliteConnection::connect_with(&options).await.expect("made");
    sqlx::query("CREATE TABLE wp_posts (id INTEGER)").execute(&mut conn).await.expect("made");
    conn.close().await.expect("closed");
    let before = std::fs::read(&other).expect("read");
    let settings =
        StoreSettings { url: format!("sqlite://{}", other.display()), ..StoreSettings::default() };
    let told = Store::open(&settings, &Registry::new()).await.expect_err("another's").to_string();
    assert!(told.contains("another program (it has wp_posts)"), "{told}");
    let force = &RestoreOptions { force: true, backups: None };
    let told = restore_backup(&settings, &to, force).await.expect_err("another's").to_string();
    assert!(told.contains("another program (it has wp_posts)"), "{told}");
    // SQLite notes in the file that its log is another one now; nothing else is changed.
    let after = std::fs::read(&other).expect("read");
    assert_eq!(after.len(), before.len());
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&other);
    let mut conn = sqlx::SqliteConnection::connect_with(&options).await.expect("opened");
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_master")
        .fetch_all(&mut conn)
        .await
        .expect("read");
    assert_eq!(tables, ["wp_posts"]);
}

/// The server's own database, its copy, and another database of the same server.
#[tokio::test]
#[ignore = "needs a PostgreSQL server: set MENDPOINT_TEST_POSTGRES_URL to an empty database"]
async fn r20_backup_story_on_postgres() {
    let url = std::env::var("MENDPOINT_TEST_POSTGRES_URL").expect("the variable is set");
    let admin = Store::open(
        &StoreSettings { url: url.clone(), ..StoreSettings::default() },
        &Registry::new(),
    )
    .await
    .expect("it opens");
    super::story_audit::run(&admin, "DROP DATABASE IF EXISTS mend_backup").await.expect("gone");
    super::story_audit::run(&admin, "CREATE DATABASE mend_backup").await.expect("made");
    admin.close().await;
    let (place, _) = url.rsplit_once('/').expect("an address");
    let settings =
        StoreSettings { url: format!("{place}/mend_backup"), ..StoreSettings::default() };
    let file = File::new();
    let store = Store::open(&settings, &Registry::new()).await.expect("it opens");
    story_privacy::used(&store, ChargerKey(1), 1).await;
    write(&store, (0..500).map(change).collect()).await;
    let to = file.folder().join("a.backup");
    let manifest = make_backup(&settings, &to).await.expect("copied");
    assert_eq!(manifest.database, "postgres");
    write(&store, (500..600).map(change).collect()).await;
    store.erase_person("04A2B3C4D5E6F7", "ana").await.expect("erased");
    let claim = store.claim_for_server().await.expect("claimed");
    let force = &RestoreOptions { force: true, backups: None };
    assert!(matches!(restore_backup(&settings, &to, force).await, Err(Error::InUse(_))));
    drop(claim);
    store.close().await;
    let refused = restore_backup(&settings, &to, &RestoreOptions::default()).await;
    assert!(refused.expect_err("not empty").to_string().contains("--force"));
    let restored = restore_backup(&settings, &to, force).await.expect("brought back");
    assert_eq!(restored.erased_again, 1);
    let store = Store::open(&settings, &Registry::new()).await.expect("it opens");
    assert_eq!(count(&store).await, 500);
    let left = story_privacy::dump(&store).await.to_lowercase();
    assert!(!left.contains("04a2b3c4d5e6f7"));
    assert!(
        super::story_audit::run(&store, "DELETE FROM audit_entry").await.is_err(),
        "triggers too"
    );
    store.close().await;
    // What a restore put aside is in no later copy, which comes back as well.
    let later = file.folder().join("b.backup");
    make_backup(&settings, &later).await.expect("copied");
    restore_backup(&settings, &later, force).await.expect("brought back once more");
    let store = Store::open(&settings, &Registry::new()).await.expect("it opens");
    assert_eq!(count(&store).await, 500);
    store.close().await;
    let mut bytes = std::fs::read(&to).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&to, bytes).expect("written");
    assert!(verify_backup(&to).await.is_err());
}

#[tokio::test]
async fn a_restore_that_fails_leaves_the_database_where_it_was() {
    let file = File::new();
    let store = file.open().await;
    write(&store, vec![change(1)]).await;
    let to = file.folder().join("a.backup");
    make_backup(&file.settings(), &to).await.expect("copied");
    write(&store, vec![change(2)]).await;
    store.close().await;
    // Nothing can be written there, as on a full disk.
    let mut part = file.path().into_os_string();
    part.push(".part");
    std::fs::create_dir(&part).expect("in the way");
    let force = &RestoreOptions { force: true, backups: None };
    let failed = restore_backup(&file.settings(), &to, force).await;
    assert!(matches!(failed, Err(Error::File { .. })), "{failed:?}");
    let store = file.open().await;
    assert_eq!(count(&store).await, 2, "the database is as it was");
    store.close().await;
    std::fs::remove_dir(&part).expect("it is out of the way");
    restore_backup(&file.settings(), &to, force).await.expect("brought back");
    let store = file.open().await;
    assert_eq!(count(&store).await, 1);
    store.close().await;
}

#[tokio::test]
async fn a_log_of_writes_that_stayed_alone_is_not_played_into_the_copy() {
    let file = File::new();
    let store = file.open().await;
    write(&store, vec![change(1)]).await;
    let to = file.folder().join("a.backup");
    make_backup(&file.settings(), &to).await.expect("copied");
    write(&store, vec![change(2)]).await;
    let wal = file.path().with_extension("db-wal");
    let log = std::fs::read(&wal).expect("there is a log");
    store.close().await;
    // Somebody removed the database and overlooked its log.
    std::fs::remove_file(file.path()).expect("removed");
    std::fs::write(&wal, log).expect("left behind");
    let restored = restore_backup(&file.settings(), &to, &RestoreOptions::default()).await;
    assert!(restored.expect("brought back").aside.is_some(), "it is kept aside");
    let store = file.open().await;
    assert_eq!(count(&store).await, 1, "the copy, and nothing else");
    store.close().await;
}

#[tokio::test]
async fn what_is_no_copy_and_no_database_is_told_in_a_sentence() {
    let file = File::new();
    let none = file.folder().join("none.backup");
    let told = verify_backup(&none).await.expect_err("there is none").to_string();
    assert!(told.contains("there is no such file"), "{told}");
    std::fs::write(&none, "x").expect("written");
    let told = verify_backup(&none).await.expect_err("it has no manifest").to_string();
    assert!(told.contains("has no manifest beside it"), "{told}");
    std::fs::create_dir_all(file.path()).expect("a folder stands there");
    let told = Store::open(&file.settings(), &Registry::new()).await.expect_err("a folder");
    assert!(told.to_string().contains("cannot be opened: see that it is a file"), "{told}");
    std::fs::remove_dir(file.path()).expect("removed");
    std::fs::write(file.path(), [7; 9_000]).expect("written");
    let told = Store::open(&file.settings(), &Registry::new()).await.expect_err("no database");
    assert!(told.to_string().contains("is no database of SQLite"), "{told}");
}
