//! Copies, the way back and the audit log, from the command line of the real program.

use std::process::Command;

use serde_json::json;

use crate::kit::Server;

/// The program on a database of its own.
fn program(url: &str, args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mendpoint"))
        .args(args)
        .env("MENDPOINT__DATABASE__URL", url)
        .output()
        .expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_s19_s21_a_copy_of_a_running_server_comes_back_whole_and_forgets_who_was_erased() {
    let server = Server::start();
    let mut charger = server.charger("KEEP-1").await.expect("connected");
    let boot = json!({ "chargePointVendor": "Test", "chargePointModel": "Keep" });
    charger.call("BootNotification", boot).await.expect("an answer");
    let start = json!({
        "connectorId": 1, "idTag": "04A2B3C4D5E6", "meterStart": 100,
        "timestamp": "2026-01-01T00:00:00Z",
    });
    let answer = charger.call("StartTransaction", start).await.expect("an answer");
    let stop = json!({
        "transactionId": answer["transactionId"], "meterStop": 900,
        "timestamp": "2026-01-01T01:00:00Z",
    });
    charger.call("StopTransaction", stop).await.expect("an answer");

    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("a.backup");
    let copy = copy.to_str().expect("a name");
    let url = server.database_url();
    let (ok, told) = program(&url, &["backup", copy]);
    assert!(ok && told.contains("1 chargers, 1 transactions"), "{told}");
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
