//! Copies, the way back and the audit log, from the command line of the real program.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::kit::Server;

/// The card of somebody who is erased.
pub(crate) const CARD: &str = "04A2B3C4D5E6";

/// A charger that charges once with a card.
pub(crate) async fn charge(server: &Server, card: &str) {
    let mut charger = server.charger("KEEP-1").await.expect("connected");
    let boot = json!({ "chargePointVendor": "Test", "chargePointModel": "Keep" });
    charger.call("BootNotification", boot).await.expect("an answer");
    let start = json!({
        "connectorId": 1, "idTag": card, "meterStart": 100, "timestamp": "2026-01-01T00:00:00Z",
    });
    let answer = charger.call("StartTransaction", start).await.expect("an answer");
    let stop = json!({
        "transactionId": answer["transactionId"], "meterStop": 900,
        "timestamp": "2026-01-01T01:00:00Z",
    });
    charger.call("StopTransaction", stop).await.expect("an answer");
}

/// A copy, in a folder, of a server where one card charged once.
pub(crate) async fn charged_and_copied(server: &Server, folder: &Path) -> String {
    charge(server, CARD).await;
    let copy = folder.join("a.backup").display().to_string();
    let (ok, told) = program(&server.database_url(), &["backup", &copy]);
    assert!(ok && told.contains("1 charger, 1 transaction,"), "{told}");
    copy
}

/// The program on a database of its own.
pub(crate) fn program(url: &str, args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mendpoint"))
        .args(args)
        .env("MENDPOINT__DATABASE__URL", url)
        .output()
        .expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_database_that_is_not_there_is_said_not_to_be_there_and_is_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let url = format!("sqlite://{}", path("data/typo.db"));
    let copy = path("a.backup");
    for args in [
        &["audit", "verify"][..],
        &["audit", "list"],
        &["person", "export", "04A2B3C4D5E6"],
        &["person", "erase", "04A2B3C4D5E6"],
        &["user", "list"],
        &["user", "disable", "ana"],
        &["token", "list"],
        &["token", "revoke", "script"],
        &["rules", "replay"],
        &["backup", &copy],
    ] {
        let (ok, told) = program(&url, args);
        assert!(!ok && told.contains("there is no database of Mendpoint at"), "{args:?}: {told}");
        assert!(!folder.path().join("data").exists(), "{args:?} made something");
    }
    assert!(!folder.path().join("a.backup").exists());
    // A file of nothing, and a database of somebody else.
    std::fs::create_dir(folder.path().join("data")).expect("made");
    std::fs::write(folder.path().join("data/typo.db"), "").expect("written");
    let (ok, told) = program(&url, &["audit", "verify"]);
    assert!(!ok && told.contains("there is no database of Mendpoint at"), "{told}");

    // What is done before the first start makes one, and says so.
    let url = format!("sqlite://{}", path("first/mend.db"));
    let (ok, told) = program(&url, &["user", "add", "ana", "--role", "admin"]);
    assert!(ok && told.contains("this one is new"), "{told}");
    let (ok, told) = program(&url, &["token", "create", "script"]);
    assert!(ok && !told.contains("this one is new"), "{told}");
    // Nobody acts under another's name.
    for args in [
        ["token", "create", "ana", "--role", "admin"],
        ["user", "add", "script", "--role", "admin"],
    ] {
        let (ok, told) = program(&url, &args);
        assert!(!ok && told.contains("would not tell the two apart"), "{told}");
    }
    let (ok, told) = program(&url, &["audit", "verify"]);
    assert!(ok && told.contains("2 lines"), "{told}");
}

#[test]
fn a_server_that_does_not_answer_is_told_of_after_two_seconds() {
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let url = format!("postgres://mend:hunter2secret@127.0.0.1:{port}/mend");
    let (ok, told) = program(&url, &["audit", "verify"]);
    let sentence = format!("the database at 127.0.0.1:{port} does not answer; trying on until 20");
    assert!(!ok && told.contains(&sentence), "{told}");
    assert!(told.find(&sentence) < told.find("cannot be reached"), "first that: {told}");
    assert!(!told.contains("hunter2secret"), "{told}");
}

#[test]
fn what_is_no_card_is_not_erased_and_a_list_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/mend.db", folder.path().display());
    assert!(program(&url, &["user", "add", "ana", "--role", "admin"]).0);
    for (wrong, why) in [
        ("04FFFFFFFFFF99", "nothing of that card is known"),
        ("Local", "a word of OCPP"),
        ("ERASED-0123456789ab", "the pseudonym of somebody"),
    ] {
        let (ok, told) = program(&url, &["person", "erase", wrong]);
        assert!(!ok && told.contains(why), "{wrong}: {told}");
    }
    let list = folder.path().join("mend.db.erasures");
    assert!(!list.exists(), "nobody is on it");
    let (ok, told) = program(&url, &["person", "erase", "04FFFFFFFFFF99", "--unknown"]);
    assert!(ok && told.contains("Erased in 0 rows"), "{told}");
    assert!(list.exists());
    std::fs::remove_file(&list).and_then(|()| std::fs::create_dir(&list)).expect("made");
    let (ok, told) = program(&url, &["person", "erase", "04FFFFFFFFFF99"]);
    assert!(!ok && told.contains("Erased in 0 rows"), "it is erased: {told}");
    assert!(told.contains("could not be written") && told.contains("mend.db.erasures"), "{told}");
    let (_, told) = program(&url, &["audit", "list"]);
    assert!(told.contains("user ana") && told.contains("command line"), "{told}");
}

#[tokio::test]
async fn a_copy_of_a_locked_database_is_a_copy_all_the_same() {
    use sqlx::Connection as _;

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mend.db");
    let url = format!("sqlite://{}", file.display());
    assert!(program(&url, &["user", "add", "ana", "--role", "admin"]).0);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut other = sqlx::SqliteConnection::connect_with(&options).await.expect("a connection");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("locked");
    let copy = folder.path().join("a.backup").display().to_string();
    let (ok, told) = program(&url, &["backup", &copy]);
    assert!(ok && told.contains("the copy is good") && told.contains("locked"), "{told}");
    assert!(program(&url, &["backup", "verify", &copy]).0);
    let (ok, told) = program(&url, &["backup", &copy]);
    assert!(!ok && told.contains("not written over") && !told.contains("entity"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_s19_s21_a_copy_of_a_running_server_comes_back_whole_and_forgets_who_was_erased() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let copy = &charged_and_copied(&server, folder.path()).await;
    let url = server.database_url();
    assert!(program(&url, &["backup", "verify", copy]).0);
    let (ok, told) = program(&url, &["restore", copy, "--force"]);
    assert!(!ok && told.contains("stop it first"), "{told}");
    let (ok, told) = program(&url, &["person", "erase", "04A2B3C4D5E6"]);
    assert!(!ok && told.contains("running server"), "{told}");
    let body = r#"{"token":"04a2b3c4d5e6"}"#;
    let (status, told) = server.request("POST", "/persons/erase", body);
    assert!(status == 200 && told.contains("ERASED-"), "{told}");
    let (ok, told) = program(&url, &["audit", "verify"]);
    assert!(ok && told.contains("is whole"), "{told}");
    let (_, told) = program(&url, &["audit", "list"]);
    assert!(told.contains("backup made") && told.contains("person erased"), "{told}");
    assert!(!told.to_lowercase().contains("04a2b3c4d5e6"), "{told}");
    if !url.starts_with("sqlite:") {
        // Where else a copy of PostgreSQL is brought back, the store's own tests say.
        return;
    }
    let list = format!("{}.erasures", url.trim_start_matches("sqlite://"));
    std::fs::copy(list, format!("{copy}.erasures")).expect("the list of erasures is beside it");
    drop(server);

    let other = format!("sqlite://{}/other/mend.db", folder.path().display());
    let (ok, told) = program(&other, &["restore", copy]);
    assert!(ok, "{told}");
    let (ok, told) = program(&other, &["person", "export", "04A2B3C4D5E6"]);
    assert!(ok && told.contains("\"messages\": []"), "{told}");
    let (ok, told) = program(&other, &["restore", copy]);
    assert!(!ok && told.contains("--force"), "{told}");
    let mut bytes = std::fs::read(copy).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(copy, bytes).expect("written");
    let (ok, told) = program(&other, &["restore", copy, "--force"]);
    assert!(!ok && told.contains("is damaged"), "{told}");
}
