//! A restart in the middle: the fleet, open transactions and open incidents are there again, and a
//! step that had been sent is looked at, not sent twice.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Charger, Server};

/// Shortens the engine's waiting times: a minute becomes 1.2 seconds.
const PACE: &str = "0.02";

async fn boot(server: &Server, identity: &str) -> Charger {
    let mut charger = server.charger(identity).await.expect("connected");
    let boot = json!({
        "chargePointVendor": "Test", "chargePointModel": "Restart", "firmwareVersion": "1.0",
    });
    charger.call("BootNotification", boot).await.expect("an answer");
    charger
}

async fn status(charger: &mut Charger, connector: u16, status: &str, error: &str) {
    let payload = json!({ "connectorId": connector, "status": status, "errorCode": error });
    charger.call("StatusNotification", payload).await.expect("an answer");
}

/// Keeps the charger answering while something is waited for.
async fn until(
    server: &Server,
    charger: &mut Charger,
    what: &str,
    mut check: impl FnMut(&Server) -> bool,
) {
    let begun = Instant::now();
    while !check(server) {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited 20 s for {what}");
        charger.call("Heartbeat", json!({})).await.expect("an answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn incidents(server: &Server) -> Vec<Value> {
    server.all("/incidents?charger=RESTART-1&rule=ERR_FAULTED")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fleet_and_what_is_open_survive_a_restart() {
    let mut server = Server::start_with(&[("MENDPOINT__ENGINE__PACE", PACE)]);
    let mut charger = boot(&server, "RESTART-1").await;
    status(&mut charger, 1, "Available", "NoError").await;
    status(&mut charger, 2, "Charging", "NoError").await;
    let start = json!({
        "connectorId": 2, "idTag": "TAG", "meterStart": 100, "timestamp": "2026-01-01T00:00:00Z",
    });
    let answer = charger.call("StartTransaction", start.clone()).await.expect("an answer");
    let transaction = answer["transactionId"].as_i64().expect("a number");
    status(&mut charger, 1, "Faulted", "InternalError").await;
    until(&server, &mut charger, "the fault to become an incident", |server| {
        !incidents(server).is_empty()
    })
    .await;
    let before = incidents(&server).remove(0);

    server.kill();
    server.start_again();

    let seen = server.get("/chargers/RESTART-1");
    assert_eq!(seen["online"], json!(false), "nobody is connected yet");
    assert_eq!(seen["charger"]["model"], json!("Restart"));
    assert_eq!(seen["connectors"][0]["status"], json!("Faulted"));
    assert_eq!(seen["open_transactions"], json!([transaction]));
    let after = incidents(&server).remove(0);
    assert_eq!(after["id"], before["id"]);

    // The charger comes back without booting, as real ones do, and sends its start again.
    let mut charger = server.charger("RESTART-1").await.expect("connected");
    let answer = charger.call("StartTransaction", start).await.expect("an answer");
    assert_eq!(answer["transactionId"].as_i64(), Some(transaction), "the same start, the same id");
    until(&server, &mut charger, "the charger to be online", |server| {
        server.get("/chargers/RESTART-1")["online"] == json!(true)
    })
    .await;
    status(&mut charger, 1, "Available", "NoError").await;
    until(&server, &mut charger, "the incident to end", |server| {
        let state = incidents(server).remove(0)["state"].clone();
        state == json!("recovered_unproven") || state == json!("resolved")
    })
    .await;
    assert_eq!(incidents(&server).len(), 1, "one fault, one incident");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_was_sent_is_not_sent_again_after_a_restart() {
    let mut server = Server::start_with(&[("MENDPOINT__ENGINE__PACE", PACE)]);
    let mut charger = boot(&server, "RESTART-1").await;
    status(&mut charger, 1, "Faulted", "InternalError").await;
    // The test charger refuses everything, so the ladder goes up until the resets are used up.
    until(&server, &mut charger, "a soft reset to be asked for", |_| true).await;
    until(&server, &mut charger, "a step of the ladder", |server| {
        let open = incidents(server);
        open.first().is_some_and(|incident| {
            incident["healing"]["steps"].as_array().is_some_and(|steps| !steps.is_empty())
        })
    })
    .await;
    let commands = |server: &Server| -> Vec<String> {
        let items = server.get("/chargers/RESTART-1/commands")["items"].clone();
        let items = items.as_array().expect("items").clone();
        items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
    };
    server.kill();
    server.start_again();
    let sent_before = commands(&server);
    let mut charger = server.charger("RESTART-1").await.expect("connected");
    status(&mut charger, 1, "Faulted", "InternalError").await;
    until(&server, &mut charger, "the incident to be handed over", |server| {
        incidents(server).remove(0)["state"] == json!("escalated")
    })
    .await;
    let sent = commands(&server);
    let mut once = sent.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), sent.len(), "no command id was used twice: {sent:?}");
    assert!(sent_before.iter().all(|id| sent.contains(id)), "the log of commands only grows");
    let tickets = server.all("/tickets?charger=RESTART-1");
    assert_eq!(tickets.len(), 1, "one incident, one ticket");
}
