//! A ticket from the engine's hand-over to its end, and what happens when the fault comes back
//! after that.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Charger, Server};

async fn status(charger: &mut Charger, status: &str, error: &str) {
    let payload = json!({ "connectorId": 1, "status": status, "errorCode": error });
    charger.call("StatusNotification", payload).await.expect("an answer");
}

/// Keeps the charger talking until a ticket is as wanted, and gives that ticket.
async fn ticket(
    server: &Server,
    charger: &mut Charger,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let begun = Instant::now();
    loop {
        let tickets = server.all("/tickets?charger=TICKET-1");
        if let Some(ticket) = tickets.iter().find(|ticket| wanted(ticket)) {
            return ticket.clone();
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "waited 30 s for {what}: {tickets:?}, {:?}",
            server.all("/incidents?charger=TICKET-1")
        );
        charger.call("Heartbeat", json!({})).await.expect("an answer");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_comes_back_after_its_ticket_was_closed_gets_a_new_one() {
    let server = Server::start_with(&[("MENDPOINT__ENGINE__PACE", "0.02")]);
    let site = r#"{"name": "Harbour", "installer": {"name": "Ana", "email": "ana@example.org"}}"#;
    assert_eq!(server.request("POST", "/sites", site).0, 200);
    let new = r#"{"identity": "TICKET-1", "site": "Harbour"}"#;
    assert_eq!(server.request("POST", "/chargers", new).0, 201);
    let mut charger = server.charger("TICKET-1").await.expect("connected");
    let boot = json!({ "chargePointVendor": "Test", "chargePointModel": "Ticket" });
    charger.call("BootNotification", boot).await.expect("an answer");
    status(&mut charger, "Available", "NoError").await;

    // The test charger refuses every command, so the ladder is used up at once.
    status(&mut charger, "Faulted", "InternalError").await;
    let first = ticket(&server, &mut charger, "a ticket", |_| true).await;
    assert_eq!(first["assignee"], json!("Ana"));
    assert_eq!(first["status"], json!("assigned"));
    let id = first["id"].as_str().expect("an id").to_owned();
    let mails = server.get("/outbox")["items"].clone();
    let to_ana = mails
        .as_array()
        .expect("items")
        .iter()
        .filter(|mail| mail["to"] == json!("ana@example.org") && mail["ticket"] == json!(id));
    assert_eq!(to_ana.count(), 1, "the installer gets one mail: {mails}");

    for command in ["accept", "arrive", "start"] {
        let (code, answer) = server.request("POST", &format!("/tickets/{id}/{command}"), "");
        assert_eq!(code, 200, "{command}: {answer}");
    }
    status(&mut charger, "Available", "NoError").await;
    let resolve = r#"{"cause": "power module", "action": "replaced"}"#;
    let (code, answer) = server.request("POST", &format!("/tickets/{id}/resolve"), resolve);
    assert_eq!(code, 200, "{answer}");
    ticket(&server, &mut charger, "the charger to close it", |ticket| {
        ticket["status"] == json!("closed")
    })
    .await;

    status(&mut charger, "Faulted", "InternalError").await;
    let second =
        ticket(&server, &mut charger, "a new ticket", |ticket| ticket["id"] != json!(id)).await;
    assert_eq!(second["incident"], first["incident"], "the same incident, reopened");
    assert_eq!(second["assignee"], json!("Ana"), "she is told again");
}
