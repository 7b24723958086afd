//! The way back from a copy, killed at any moment.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::backup::{CARD, charged_and_copied, program};
use crate::kit::Server;

/// How often the restore is killed, each time a little later.
const KILLS: u32 = 14;

/// Begins a restore and ends it as a power cut does.
fn cut_off(url: &str, copy: &str, after: Duration) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mendpoint"))
        .args(["restore", copy, "--force"])
        .env("MENDPOINT__DATABASE__URL", url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    std::thread::sleep(after);
    child.kill().expect("kill -9");
    child.wait().expect("it is gone");
    settled(url);
}

/// Waits until a server of `PostgreSQL` has seen that its clients are gone.
fn settled(url: &str) {
    if url.starts_with("sqlite") {
        return;
    }
    let others = "SELECT COUNT(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    loop {
        let told = Command::new("psql").args([url, "-tAc", others]).output().expect("psql runs");
        if told.stdout == b"0\n" {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_s21_a_restore_that_is_killed_leaves_the_database_of_before_or_the_copy() {
    let mut server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let copy = &charged_and_copied(&server, folder.path()).await;
    let url = server.database_url();
    let (status, told) =
        server.request("POST", "/persons/erase", &json!({ "token": CARD }).to_string());
    assert_eq!(status, 200, "{told}");
    assert!(server.stop(Duration::from_secs(30)), "it ends");

    // What tells the database of before from the copy.
    let later = |number: u32| format!("later-{number}");
    let make = |number: u32| program(&url, &["token", "create", &later(number)]);
    let begun = std::time::Instant::now();
    let (ok, told) = program(&url, &["restore", copy, "--force"]);
    assert!(ok && told.contains("is kept as"), "{told}");
    let whole = begun.elapsed();
    let mut newest = 0;
    assert!(make(newest).0);
    let mut outcomes = [0; 2];
    for kill in 0..KILLS {
        cut_off(&url, copy, whole * kill / (KILLS - 2));
        let (ok, told) = program(&url, &["audit", "verify"]);
        assert!(ok && told.contains("is whole"), "kill {kill}: {told}");
        let (ok, told) = program(&url, &["person", "export", CARD]);
        assert!(ok && told.contains("\"messages\": []"), "kill {kill}: {told}");
        assert!(told.contains("\"records\": {}"), "kill {kill}: {told}");
        let (ok, told) = program(&url, &["token", "list"]);
        let is_before = told.contains(&later(newest));
        assert!(ok, "kill {kill}: {told}");
        if !is_before {
            let (_, lines) = program(&url, &["audit", "list"]);
            assert!(lines.contains("backup restored"), "kill {kill}: {lines}");
        }
        outcomes[usize::from(is_before)] += 1;
        if !is_before {
            newest += 1;
            assert!(make(newest).0);
        }
    }
    assert!(outcomes[1] > 0, "none of {KILLS} kills came before the last step: {outcomes:?}");
    let (ok, told) = program(&url, &["restore", copy, "--force"]);
    assert!(ok, "{told}");
    server.start_again();
    let transactions = server.all("/transactions");
    assert_eq!(transactions.len(), 1, "{transactions:?}");
}
