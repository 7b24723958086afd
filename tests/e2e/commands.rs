//! Commands from the outside: in neutral words, in the charger's own, kept for a charger that is
//! away, and never an old reset.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Charger, Server};

async fn boot(charger: &mut Charger) {
    let boot = json!({"chargePointVendor": "Test", "chargePointModel": "Commands"});
    charger.call("BootNotification", boot).await.expect("an answer");
}

async fn status(charger: &mut Charger, status: &str) {
    let payload = json!({"connectorId": 1, "status": status, "errorCode": "NoError"});
    charger.call("StatusNotification", payload).await.expect("an answer");
}

/// Asks for a command; the answer's status and body.
fn ask(server: &Server, charger: &str, body: &Value) -> (u16, Value) {
    let (status, body) =
        server.request("POST", &format!("/chargers/{charger}/commands"), &body.to_string());
    (status, serde_json::from_str(&body).expect("JSON"))
}

/// A command as the history has it.
fn told(server: &Server, charger: &str, id: &Value) -> Value {
    server.get(&format!("/chargers/{charger}/commands/{}", id.as_str().expect("an id")))
}

fn wait_until(what: &str, mut check: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !check() {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited 20 s for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Lets a charger live until a command of the history is over; what it was asked meanwhile.
async fn live_until_over(server: &Server, charger: &mut Charger, name: &str, id: &Value) -> Value {
    let begun = Instant::now();
    loop {
        let item = told(server, name, id);
        if item["stage"] == "over" {
            return item;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "waited 20 s for {id}: {item}");
        charger.call("Heartbeat", json!({})).await.expect("an answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn leave(server: &Server, charger: Charger, name: &str) {
    drop(charger);
    let path = format!("/chargers/{name}");
    wait_until("the charger to be away", || server.get(&path)["online"] == json!(false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b67_what_waits_survives_a_restart_and_an_old_reset_is_never_sent() {
    let mut server = Server::start();
    for name in ["WAITS-1", "WAITS-2"] {
        let mut charger = server.charger(name).await.expect("connected");
        boot(&mut charger).await;
        status(&mut charger, "Available").await;
        leave(&server, charger, name);
    }
    let reset = json!({"command": "reset", "wait_s": 3600});
    let (status_1, first) = ask(&server, "WAITS-1", &reset);
    let (_, second) = ask(&server, "WAITS-2", &reset);
    assert_eq!((status_1, &first["outcome"]), (202, &json!("waiting")), "{first}");
    let unwanted = json!({"command": "clear_cache", "wait_s": 3600});
    let (_, unwanted) = ask(&server, "WAITS-2", &unwanted);
    let (code, answer) = ask(&server, "WAITS-1", &json!({"command": "reset"}));
    assert_eq!((code, &answer["outcome"]), (200, &json!("not_connected")), "{answer}");

    server.kill();
    server.start_again();

    assert_eq!(told(&server, "WAITS-1", &first["id"])["stage"], "waiting");
    let unwanted = unwanted["id"].as_str().expect("an id");
    let path = format!("/chargers/WAITS-2/commands/{unwanted}");
    let (code, body) = server.request("DELETE", &path, "");
    assert!(code == 200 && body.contains("took it back"), "{code} {body}");
    assert_eq!(server.request("DELETE", &path, "").0, 409, "only once");

    // The first one restarted while it was away: its reset is dropped.
    let mut charger = server.charger("WAITS-1").await.expect("connected");
    boot(&mut charger).await;
    let item = live_until_over(&server, &mut charger, "WAITS-1", &first["id"]).await;
    assert_eq!(item["outcome"]["outcome"], "dropped", "{item}");
    assert_eq!(item["outcome"]["description"], "it restarted by itself");
    assert_eq!(item["sent_at"], Value::Null);

    // The second one only lost its connection: it is reset, once. (A test charger refuses.)
    let mut charger = server.charger("WAITS-2").await.expect("connected");
    status(&mut charger, "Available").await;
    let item = live_until_over(&server, &mut charger, "WAITS-2", &second["id"]).await;
    assert_eq!(item["outcome"]["status"], "NotSupported", "{item}");
    assert!(item["sent_at"].is_string() && item["late"] == json!(false), "{item}");
    leave(&server, charger, "WAITS-2");
    let mut charger = server.charger("WAITS-2").await.expect("connected");
    for _ in 0..70 {
        charger.call("Heartbeat", json!({})).await.expect("an answer");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let frames = server.all("/chargers/WAITS-2/frames?direction=out&action=Reset");
    let calls = frames.iter().filter(|frame| frame["kind"] == "call").count();
    assert_eq!(calls, 1, "{frames:?}");
    let cleared = server.all("/chargers/WAITS-2/frames?action=ClearCache");
    assert!(cleared.is_empty(), "what was taken back is not sent: {cleared:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_asked_gets_a_sentence() {
    let server = Server::start();
    let mut charger = server.charger("SAYS-1").await.expect("connected");
    boot(&mut charger).await;
    for (body, part) in [
        (json!({}), "send either `action`"),
        (json!({"action": "Reset", "command": "reset"}), "send either `action`"),
        (json!({"action": "GetBaseReport"}), "OCPP 2.0.1 has it"),
        (json!({"action": "Heartbeat"}), "TriggerMessage"),
        (json!({"action": "UnlockConector", "payload": {}}), "nearest one is UnlockConnector"),
        (json!({"action": "Reset", "payload": {"type": "Warm"}}), "type:"),
        (json!({"action": "Reset", "payload": []}), "must be an object"),
        (json!({"action": "Reset", "payload": {"type": "Soft"}, "wait_s": 0}), "7 days"),
        (json!({"command": "reset", "evse": 2}), "leave the EVSE out"),
        (json!({"command": "dance"}), "set_availability"),
    ] {
        let (code, answer) = ask(&server, "SAYS-1", &body);
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(code == 400 && message.contains(part), "{body}: {code} {answer}");
    }
    assert_eq!(ask(&server, "NOBODY", &json!({"command": "reset"})).0, 404);
    for (path, part) in [
        ("/chargers?limit=abc", "limit is a whole number"),
        ("/chargers/SAYS-1/frames?direction=up", "in (from the charger)"),
        ("/chargers/SAYS-1/frames?from=noon", "a time with a zone"),
        ("/incidents?rule=CP_OFLINE", "rule is one of "),
        ("/incidents?needs_person=perhaps", "true or false"),
        ("/chargers?colour=red", "unknown field"),
    ] {
        let (code, body) = server.request("GET", path, "");
        assert!(code == 400 && body.contains(part), "{path}: {code} {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_can_be_narrowed_and_exported() {
    let server = Server::start();
    let mut charger = server.charger("WIRE-1").await.expect("connected");
    boot(&mut charger).await;
    status(&mut charger, "Available").await;
    status(&mut charger, "Charging").await;
    let kinds = |query: &str| -> Vec<String> {
        let items = server.all(&format!("/chargers/WIRE-1/frames?{query}"));
        let of = |item: &Value| format!("{} {}", item["action"], item["kind"]).replace('"', "");
        items.iter().map(of).collect()
    };
    assert_eq!(
        kinds("action=StatusNotification"),
        ["StatusNotification answer", "StatusNotification call"].repeat(2)
    );
    assert_eq!(kinds("text=charging"), ["StatusNotification call"]);
    assert_eq!(kinds("direction=in&action=BootNotification"), ["BootNotification call"]);
    assert!(kinds("to=2020-01-01T00:00:00Z").is_empty());
    assert!(!kinds("from=2020-01-01T00:00:00Z").is_empty());
    let (code, csv) = server.request("GET", "/chargers/WIRE-1/frames?format=csv", "");
    assert_eq!(
        (code, csv.lines().next()),
        (200, Some("seq,at,direction,kind,action,message_id,latency_ms,text"))
    );
    assert!(csv.lines().nth(1).is_some_and(|line| line.contains("BootNotification")), "{csv}");
    let (_, lines) = server.request("GET", "/chargers/WIRE-1/frames?format=jsonl", "");
    for line in lines.lines() {
        serde_json::from_str::<Value>(line).expect("JSON");
    }
}
