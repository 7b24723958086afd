//! Our own stops in the uptime ledgers: the program itself is stopped, and killed, while chargers from
//! outside are connected. What it did not see is unknown, and no outage of theirs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::kit::{Charger, Server};

async fn boot(server: &Server, identity: &str) -> Charger {
    let mut charger = server.charger(identity).await.expect("connected");
    let boot = json!({ "chargePointVendor": "Test", "chargePointModel": "Uptime" });
    charger.call("BootNotification", boot).await.expect("an answer");
    let status = json!({ "connectorId": 1, "status": "Available", "errorCode": "NoError" });
    charger.call("StatusNotification", status).await.expect("an answer");
    charger
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("a time")
}

/// Waits until so long before the end of a minute: the class of a minute is the one that holds at its
/// beginning.
async fn before_the_minute(ms: u64) {
    let now = now_ms();
    let wait = (2 * 60_000 - ms - now % 60_000) % 60_000;
    tokio::time::sleep(Duration::from_millis(wait)).await;
}

/// The ledger of a charger from a minute on: minutes up, down and unknown, and its outages.
fn ledger(server: &Server, identity: &str, from: &str) -> (i64, i64, i64, Vec<Value>) {
    let figures = server.get(&format!("/uptime?charger={identity}&from={from}"));
    let port = &figures["connectors"][0];
    let minutes = |name: &str| port[name].as_i64().unwrap_or_default();
    let down = minutes("offline_min") + minutes("faulted_min") + minutes("unavailable_min");
    let outages = port["outages"].as_array().cloned().unwrap_or_default();
    (minutes("up_min"), down, minutes("unknown_min"), outages)
}

/// The beginning of the minute that comes next, as the API reads it.
fn next_minute() -> String {
    let seconds = (now_ms() / 60_000 + 1) * 60;
    let day = seconds % 86_400;
    let date = std::process::Command::new("date")
        .args(["-u", "-d", &format!("@{}", seconds - day), "+%F"])
        .output()
        .expect("date runs");
    let date = String::from_utf8(date.stdout).expect("a date");
    format!("{}T{:02}:{:02}:00Z", date.trim(), day / 3_600, day / 60 % 60)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_stop_is_unknown_and_nobodys_outage() {
    let mut stopped = Server::start();
    let mut killed = Server::start();
    let mut chargers = Vec::new();
    for server in [&stopped, &killed] {
        // Connected; connected and never back; lost before the stop.
        for identity in ["BACK", "NEVER", "BEFORE"] {
            chargers.push(boot(server, identity).await);
        }
    }
    before_the_minute(15_000).await;
    let from = next_minute();
    // The last of each is lost by itself, and the program sees it.
    drop(chargers.remove(5));
    drop(chargers.remove(2));
    for server in [&stopped, &killed] {
        while server.get("/chargers/BEFORE")["online"] == json!(true) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    // What is written down within half a second is on disk.
    tokio::time::sleep(Duration::from_millis(800)).await;
    before_the_minute(9_000).await;
    killed.kill();
    // These chargers do not answer the close; the program waits five seconds for them.
    let (server, ended) = tokio::task::spawn_blocking(move || {
        let ended = stopped.stop(Duration::from_secs(20));
        (stopped, ended)
    })
    .await
    .expect("it stops");
    let mut stopped = server;
    assert!(ended, "it stops in order");
    chargers.clear();
    before_the_minute(59_000).await;
    for server in [&mut stopped, &mut killed] {
        server.start_again();
        let mut charger = boot(server, "BACK").await;
        charger.call("Heartbeat", json!({})).await.expect("an answer");
        chargers.push(charger);
    }
    // A minute counts when it is over.
    before_the_minute(59_000).await;
    for (server, how) in [(&stopped, "stopped"), (&killed, "killed")] {
        for identity in ["BACK", "NEVER"] {
            let (_, down, unknown, outages) = ledger(server, identity, &from);
            assert_eq!((down, outages.len()), (0, 0), "{how}: {identity} lost nothing");
            assert!(unknown >= 1, "{how}: nobody knows what {identity} did");
        }
        let (up, down, unknown, outages) = ledger(server, "BEFORE", &from);
        assert_eq!((up, unknown, outages.len()), (0, 0, 1), "{how}: away before: {outages:?}");
        assert!(down >= 1, "{how}");
        let fleet = server.get(&format!("/uptime?from={from}"));
        assert_eq!(fleet["together"]["t_outage_min"].as_i64(), Some(down), "{how}: only its own");
        let incidents = server.all("/incidents");
        assert!(incidents.is_empty(), "{how}: nothing is told of our own stop: {incidents:?}");
    }
}
