//! Nothing that was charged is lost, from the message of a charger to the page of a person: what is
//! on disk when the charger gets its answer, what is shown, who may see which card. And the orders
//! about cards, reservations and charging profiles, against a charger that answers by script.

use std::sync::{Arc, Mutex};

use mendpoint_model::{
    ChargerKey, ChargerRecord, Command, CommandAnswered, CommandOutcome, ConfigurationValue,
    Connected, ConnectorRef, ConnectorStatus, DeviceReport, DeviceSource, Disconnected, EventKind,
    Mutability, Protocol, ReservationReport, ReservationStatus, StatusReport, TransactionEnded,
    TransactionId, TransactionStarted, UnixMs, VariableRef, VariableReport,
};
use mendpoint_pipeline::{
    Answer as Decision, Incoming, NewCharger, Outbound, ReplyTo, SendRefused,
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::{PASSWORD, Server, TOKEN};
use crate::orders::follow::Follower;
use crate::{AppState, WebSettings};

type Script = Box<dyn Fn(&str, &Value) -> CommandOutcome + Send + Sync>;

/// A charger that answers by script, and remembers what it was asked.
struct Scripted {
    queue: mpsc::UnboundedSender<Command>,
}

impl Outbound for Scripted {
    fn send(&self, command: Command) -> Result<(), SendRefused> {
        self.queue.send(command).map_err(|_| SendRefused::NotConnected)
    }

    fn set_accepted(&self, _: ChargerKey, _: bool) -> bool {
        true
    }

    fn close(&self, _: ChargerKey, _: &str) {}
}

/// A program with one charger.
struct Stage {
    server: Server,
    charger: Arc<ChargerRecord>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    /// While somebody holds it, the charger does not answer.
    gate: Arc<tokio::sync::Mutex<()>>,
}

fn connected(protocol: Protocol) -> EventKind {
    EventKind::Connected(Connected {
        protocol,
        remote: "192.0.2.1:40000".to_owned(),
        replaced: false,
        certificate_ends: None,
    })
}

fn yes(status: &str) -> CommandOutcome {
    answer(true, status, &json!({ "status": status }))
}

fn no(status: &str) -> CommandOutcome {
    answer(false, status, &json!({ "status": status }))
}

fn answer(accepted: bool, status: &str, payload: &Value) -> CommandOutcome {
    CommandOutcome::Answered { accepted, status: status.to_owned(), payload: payload.to_string() }
}

impl Stage {
    async fn new(protocol: Protocol, script: Script) -> Self {
        let (queue, mut commands) = mpsc::unbounded_channel::<Command>();
        let server = Server::start_with(Arc::new(Scripted { queue })).await;
        let new = NewCharger { identity: "CP-1".to_owned(), ..NewCharger::default() };
        let charger = server.pipeline.handle().register_charger(new).await.expect("registered");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(tokio::sync::Mutex::new(()));
        let stage = Self { server, charger, asked: Arc::clone(&asked), gate: Arc::clone(&gate) };
        stage.tell(connected(protocol)).await;
        stage
            .tell(EventKind::Status(StatusReport {
                connector: ConnectorRef::v16(1),
                status: ConnectorStatus::Available,
                raw_status: None,
                error: None,
                at: None,
            }))
            .await;
        let (handle, record) = (stage.server.pipeline.handle(), Arc::clone(&stage.charger));
        tokio::spawn(async move {
            while let Some(command) = commands.recv().await {
                let mendpoint_model::Action::Raw { action, payload } = &command.action else {
                    continue;
                };
                let payload: Value = serde_json::from_str(payload).expect("JSON");
                let outcome = script(action, &payload);
                asked.lock().expect("not poisoned").push((action.clone(), payload));
                drop(gate.lock().await);
                let answered = CommandAnswered { command: command.id, outcome, late: false };
                let event = EventKind::CommandAnswered(answered);
                handle.take(incoming(&record, event, None)).await;
            }
        });
        stage
    }

    /// The charger says something that needs no answer.
    async fn tell(&self, event: EventKind) {
        self.server.pipeline.handle().take(incoming(&self.charger, event, None)).await;
    }

    /// The charger says something and waits for its answer.
    async fn ask(&self, event: EventKind) -> Decision {
        let (sender, receiver) = oneshot::channel();
        let reply = ReplyTo::new(move |decision| {
            sender.send(decision).expect("somebody waits");
        });
        self.server.pipeline.handle().take(incoming(&self.charger, event, Some(reply))).await;
        receiver.await.expect("an answer")
    }

    /// What the charger was asked since this was called last.
    fn asked(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut *self.asked.lock().expect("not poisoned"))
    }

    async fn api(&self, request: &str, body: &Value) -> (u16, Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let (status, body) = self.text(request, "application/json", &text).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    async fn text(&self, request: &str, kind: &str, body: &str) -> (u16, String) {
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        let (method, path) = request.split_once(' ').expect("a method");
        let answer = self.server.send(&format!("{method} /api/v1{path}"), &headers, body).await;
        (answer.status, answer.body)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.api(&format!("GET {path}"), &Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

fn incoming(record: &ChargerRecord, event: EventKind, answer: Option<ReplyTo>) -> Incoming {
    Incoming {
        charger: record.key,
        site: record.site,
        epoch: 1,
        received_at: now(),
        frame: 0,
        events: std::iter::once(event).collect(),
        quirks: Vec::new(),
        sample: None,
        answer,
    }
}

fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMs(since.expect("after 1970").as_millis() as i64)
}

fn begun(token: &str, meter_wh: i64) -> EventKind {
    EventKind::TransactionStarted(TransactionStarted {
        id: TransactionId(0),
        external_id: String::new(),
        connector: ConnectorRef::v16(1),
        id_token: token.to_owned(),
        meter_wh: Some(meter_wh),
        at: Some(now()),
        seq_no: 0,
        offline: false,
        charging_state: None,
    })
}

fn ended(id: TransactionId, token: Option<&str>, meter_wh: i64) -> EventKind {
    EventKind::TransactionEnded(TransactionEnded {
        id,
        external_id: String::new(),
        connector: None,
        id_token: token.map(str::to_owned),
        meter_wh: Some(meter_wh),
        reason: "Local".to_owned(),
        at: Some(now()),
        seq_no: 0,
        offline: false,
    })
}

fn silent() -> Script {
    Box::new(|_, _| CommandOutcome::TimedOut)
}

/// The codes of what is odd about a session.
async fn codes(stage: &Stage, id: TransactionId) -> Vec<String> {
    let one = stage.get(&format!("/transactions/{id}")).await;
    let findings = one["findings"].as_array().expect("a list");
    findings.iter().map(|found| found["code"].as_str().expect("a word").to_owned()).collect()
}

#[tokio::test]
async fn b57_a_refused_card_gets_its_number_and_the_attempt_is_on_record() {
    let stage = Stage::new(Protocol::V16, silent()).await;
    let body = json!({ "token": "STOLEN", "status": "blocked" });
    assert_eq!(stage.api("POST /id-tokens", &body).await.0, 200);
    let decision = stage.ask(begun("stolen", 1_000)).await;
    assert!(decision.transaction.0 > 0 && !decision.token_accepted);
    let status = decision.token.expect("it is registered").status;
    assert_eq!(status, mendpoint_model::TokenStatus::Blocked);
    assert_eq!(codes(&stage, decision.transaction).await, ["REFUSED_TOKEN"]);
}

#[tokio::test]
async fn b58_an_end_of_an_unknown_transaction_is_answered_kept_and_shown() {
    let stage = Stage::new(Protocol::V16, silent()).await;
    let decision = stage.ask(ended(TransactionId(4_711), Some("04A2B3C4"), 9_500)).await;
    assert_eq!(decision.transaction, TransactionId(0), "answered, and nothing is begun");
    // With the answer the charger forgets it: so it is on disk by then (behaviour 60).
    let (rows, _) = stage.server.store.orphans(None, None, 9).await.expect("read");
    assert_eq!((rows.len(), rows[0].sent), (1, TransactionId(4_711)));
    assert_eq!(rows[0].ended.as_ref().and_then(|ended| ended.meter_wh), Some(9_500));
    let orphans = stage.get("/orphans").await;
    let one = &orphans["items"][0];
    assert_eq!((&one["charger"], &one["meter_stop_wh"]), (&json!("CP-1"), &json!(9_500)));

    let ana = stage.server.sign_in("ana", PASSWORD).await.cookie();
    let page = stage.server.get("/transactions?tab=orphans", &ana).await;
    assert!(page.body.contains("4711") && page.body.contains("04A2B3C4"), "{}", page.body);
    let vio = stage.server.sign_in("vio", PASSWORD).await.cookie();
    let page = stage.server.get("/transactions?tab=orphans", &vio).await;
    assert!(!page.body.contains("04A2B3C4") && page.body.contains("…B3C4"), "cards are masked");
    let request = format!("POST /transactions/orphans/{}/look", rows[0].id);
    let answer = stage.server.send(&request, &[("cookie", &vio)], "note=x").await;
    assert_eq!(answer.status, 403, "viewers only look");
    let answer = stage.server.send(&request, &[("cookie", &ana)], "note=paid").await;
    assert_eq!(answer.status, 303);
    let one = &stage.get("/orphans").await["items"][0];
    assert_eq!((&one["looked"]["by"], &one["looked"]["note"]), (&json!("ana"), &json!("paid")));
}

#[tokio::test]
async fn b59_a_card_of_the_same_group_may_end_it_and_a_stranger_is_noted() {
    let stage = Stage::new(Protocol::V16, silent()).await;
    for token in ["A", "B"] {
        let body = json!({ "token": token, "status": "accepted", "parent": "FAMILY" });
        assert_eq!(stage.api("POST /id-tokens", &body).await.0, 200);
    }
    let first = stage.ask(begun("A", 1_000)).await;
    assert_eq!(first.token.expect("registered").parent.as_deref(), Some("FAMILY"));
    stage.ask(ended(first.transaction, Some("b"), 1_500)).await;
    assert!(codes(&stage, first.transaction).await.is_empty());
    let second = stage.ask(begun("A", 1_500)).await;
    stage.ask(ended(second.transaction, Some("STRANGER"), 400)).await;
    let found = codes(&stage, second.transaction).await;
    assert_eq!(found, ["REGISTER_BACKWARDS", "STOPPED_BY_OTHER"], "the worst comes first");
    // The same number again, with another register: the first end stands.
    stage.ask(ended(second.transaction, None, 2_000)).await;
    let one = stage.get(&format!("/transactions/{}", second.transaction)).await;
    assert_eq!((&one["severity"], &one["meter_stop_wh"]), (&json!("hard"), &json!(400)));
    assert!(codes(&stage, second.transaction).await.contains(&"END_TWICE".to_owned()));
    let suspects = stage.get("/transactions?suspect=true").await;
    assert_eq!(suspects["items"].as_array().expect("a list").len(), 1);
    let looked = format!("POST /transactions/{}/look", second.transaction);
    assert_eq!(stage.api(&looked, &json!({ "note": "credited" })).await.0, 200);
    let unseen = stage.get("/transactions?suspect=unseen").await;
    assert_eq!(unseen["items"], json!([]));
    let (status, _) =
        stage.api(&format!("POST /transactions/{}/look", first.transaction), &json!({})).await;
    assert_eq!(status, 409, "nothing is odd about it");
    let notes = stage.get(&format!("/transactions/{}/notes", second.transaction)).await;
    let kinds: Vec<_> =
        notes["items"].as_array().expect("a list").iter().map(|n| &n["kind"]).collect();
    assert_eq!(kinds, ["started", "ended", "ended_again"]);
    let (_, csv) = stage.text("GET /transactions.csv?suspect=hard", "text/csv", "").await;
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.contains("REGISTER") || csv.contains("ran backwards"), "{csv}");
}

#[tokio::test]
async fn b32_b60_a_start_that_is_sent_again_gets_the_number_that_is_on_disk() {
    let stage = Stage::new(Protocol::V16, silent()).await;
    let start = begun("A", 1_000);
    let first = stage.ask(start.clone()).await.transaction;
    let kept = stage.server.store.transaction(first).await.expect("read");
    assert!(kept.is_some(), "on disk before the answer");
    assert_eq!(stage.ask(start).await.transaction, first);
    let all = stage.get("/transactions").await;
    assert_eq!(all["items"].as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn the_pages_show_a_transaction_and_mask_its_card() {
    let stage = Stage::new(Protocol::V16, silent()).await;
    let id = stage.ask(begun("04A2B3C4", 1_000)).await.transaction;
    stage.ask(ended(id, None, 400)).await;
    let (ana, vio) = (
        stage.server.sign_in("ana", PASSWORD).await.cookie(),
        stage.server.sign_in("vio", PASSWORD).await.cookie(),
    );
    for path in ["/transactions".to_owned(), format!("/transactions/{id}")] {
        let page = stage.server.get(&path, &ana).await;
        assert_eq!(page.status, 200, "{path}");
        let masked = stage.server.get(&path, &vio).await.body;
        assert!(!masked.contains("04A2B3C4"), "{path}");
    }
    let page = stage.server.get(&format!("/transactions/{id}?raw=1"), &ana).await.body;
    for part in ["04A2B3C4", "ran backwards", "REGISTER_BACKWARDS", "Started", "Ended"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let suspects = stage.server.get("/transactions?suspect=1", &ana).await.body;
    assert!(suspects.contains("ran backwards") && suspects.contains("Looked at"));
    for path in ["/transactions?charger=nobody", "/transactions?from=yesterday"] {
        let page = stage.server.get(path, &ana).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.body.contains("role=\"alert\""), "a sentence: {path}");
    }
    assert_eq!(stage.server.get("/transactions/999", &ana).await.status, 404);
}

#[tokio::test]
async fn a_file_of_cards_is_taken_whole_or_its_lines_are_told() {
    let stage = Stage::new(Protocol::V16, silent()).await;
    let wrong = "token,status\nA,accepted\nB,perhaps\n";
    let (status, body) = stage.text("POST /id-tokens.csv", "text/csv", wrong).await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &body["errors"][0]["line"]), (400, &json!(3)));
    assert_eq!(stage.get("/id-tokens").await["items"], json!([]), "nothing of it was written");
    let right = "token,status,group,note\nA,accepted,F,Ana\nB,blocked,,\n";
    let (status, body) = stage.text("POST /id-tokens.csv", "text/csv", right).await;
    assert_eq!(status, 200, "{body}");
    let (_, csv) = stage.text("GET /id-tokens.csv", "text/csv", "").await;
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert_eq!(stage.get("/id-tokens/a").await["parent"], "F", "whatever its case");
    // The cards of people who look only are masked, and cannot be guessed by their letters.
    let vio = stage.server.sign_in("vio", PASSWORD).await.cookie();
    let body = json!({ "token": "04A2B3C4D5", "status": "accepted", "note": "Ana Pop" });
    stage.api("POST /id-tokens", &body).await;
    let page = stage.server.get("/tokens", &vio).await.body;
    assert!(page.contains("…C4D5") && !page.contains("04A2B3C4D5") && !page.contains("Ana Pop"));
    let page = stage.server.get("/tokens?q=04A2", &vio).await.body;
    assert!(!page.contains("…C4D5"), "a part finds nothing");
    assert_eq!(stage.api("DELETE /id-tokens/04a2b3c4d5", &Value::Null).await.0, 200);
    assert_eq!(stage.api("DELETE /id-tokens/04a2b3c4d5", &Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_local_list_is_sent_whole_then_by_its_changes_and_once_again_on_a_mismatch() {
    let version = Arc::new(Mutex::new(0_i64));
    let refuse = Arc::new(Mutex::new(false));
    let (at, once) = (Arc::clone(&version), Arc::clone(&refuse));
    let script: Script = Box::new(move |action, payload| match action {
        "GetLocalListVersion" => {
            let version = *at.lock().expect("not poisoned");
            answer(true, "", &json!({ "listVersion": version }))
        }
        "SendLocalList" => {
            let is_full = payload["updateType"] == "Full";
            if std::mem::take(&mut *once.lock().expect("not poisoned")) && !is_full {
                return no("VersionMismatch");
            }
            *at.lock().expect("not poisoned") = payload["listVersion"].as_i64().expect("a number");
            yes("Accepted")
        }
        _ => no("Rejected"),
    });
    let stage = Stage::new(Protocol::V16, script).await;
    stage.text("POST /id-tokens.csv", "text/csv", "token,group\nA,F\nB,F\nC,\n").await;
    let send = "POST /chargers/CP-1/local-list";
    let (_, list) = stage.api(send, &json!({ "wanted": "group", "group": "F" })).await;
    assert_eq!((&list["state"], &list["known"]), (&json!("accepted"), &json!(2)), "{list}");
    let asked = stage.asked();
    assert_eq!(asked[1].1["updateType"], "Full");
    assert_eq!(asked[1].1["localAuthorizationList"].as_array().map(Vec::len), Some(2));
    // Nothing changed: nothing is sent.
    stage.api(send, &json!({})).await;
    assert_eq!(stage.asked().len(), 1, "only the version is asked for");
    stage
        .api("POST /id-tokens", &json!({ "token": "B", "status": "blocked", "parent": "F" }))
        .await;
    assert_eq!(stage.get("/chargers/CP-1/local-list").await["behind"], 1);
    stage.api(send, &json!({})).await;
    let asked = stage.asked();
    assert_eq!(asked[1].1["updateType"], "Differential");
    assert_eq!(asked[1].1["localAuthorizationList"][0]["idTagInfo"]["status"], "Blocked");
    // One that is over is told as that: a charger need not look at the date.
    let over = json!({ "token": "A", "status": "accepted", "parent": "F",
        "expires_at": "2020-01-01T00:00:00Z" });
    assert_eq!(stage.api("POST /id-tokens", &over).await.0, 200);
    stage.api(send, &json!({})).await;
    let told = stage.asked()[1].1["localAuthorizationList"][0].clone();
    assert_eq!((&told["idTag"], &told["idTagInfo"]["status"]), (&json!("A"), &json!("Expired")));
    // The charger says that the changes do not fit: everything, once.
    *refuse.lock().expect("not poisoned") = true;
    stage.api("DELETE /id-tokens/B", &Value::Null).await;
    let (_, list) = stage.api(send, &json!({})).await;
    let kinds: Vec<_> =
        stage.asked().iter().skip(1).map(|(_, payload)| payload["updateType"].clone()).collect();
    assert_eq!(kinds, ["Differential", "Full"]);
    assert_eq!((&list["state"], &list["known"]), (&json!("accepted"), &json!(1)));
    // A charger that lost its list tells version 0 and gets everything.
    *version.lock().expect("not poisoned") = 0;
    stage.api(send, &json!({})).await;
    assert_eq!(stage.asked()[1].1["updateType"], "Full");
    // More cards than it keeps are not sent.
    stage
        .tell(EventKind::Configuration(vec![ConfigurationValue {
            key: "LocalAuthListMaxLength".to_owned(),
            value: Some("1".to_owned()),
            readonly: true,
        }]))
        .await;
    let (_, list) = stage.api(send, &json!({ "wanted": "all" })).await;
    assert_eq!(list["state"], "failed");
    assert!(list["problem"].as_str().expect("a sentence").contains("at most 1"), "{list}");
    assert_eq!(stage.asked().len(), 1, "only the version is asked for");
    // But whoever of them may not charge any more is told of.
    let blocked = json!({ "token": "A", "status": "blocked", "parent": "F" });
    assert_eq!(stage.api("POST /id-tokens", &blocked).await.0, 200);
    let (_, list) = stage.api(send, &json!({})).await;
    assert_eq!((&list["state"], &list["known"]), (&json!("failed"), &json!(1)), "{list}");
    let told = stage.asked()[1].1["localAuthorizationList"].clone();
    assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told[0]["idTagInfo"]["status"], "Blocked");
}

/// Two looks: the first one waits whether more cards change.
async fn follow(stage: &Stage, follower: &mut Follower) {
    for _ in 0..2 {
        // What the charger said is heard first.
        stage.get("/chargers/CP-1").await;
        follower.look().await;
        follower.settle().await;
    }
}

fn follower(stage: &Stage) -> Follower {
    let handle = stage.server.pipeline.handle();
    Follower::new(AppState::new(handle, prometheus::Registry::new(), WebSettings::default()))
}

#[tokio::test]
async fn a_card_that_is_blocked_or_erased_leaves_the_lists_of_chargers_by_itself() {
    let version = Arc::new(Mutex::new(0_i64));
    let at = Arc::clone(&version);
    let script: Script = Box::new(move |action, payload| match action {
        "GetLocalListVersion" => {
            answer(true, "", &json!({ "listVersion": *at.lock().expect("not poisoned") }))
        }
        "SendLocalList" => {
            *at.lock().expect("not poisoned") = payload["listVersion"].as_i64().expect("a number");
            yes("Accepted")
        }
        _ => no("Rejected"),
    });
    let stage = Stage::new(Protocol::V16, script).await;
    let mut follower = follower(&stage);
    stage.text("POST /id-tokens.csv", "text/csv", "token\nCARD-A\nCARD-B\n").await;
    follow(&stage, &mut follower).await;
    assert!(stage.asked().is_empty(), "nobody asked for a list there");
    let send = "POST /chargers/CP-1/local-list";
    stage.api(send, &json!({ "wanted": "all" })).await;
    stage.asked();
    follow(&stage, &mut follower).await;
    assert!(stage.asked().is_empty(), "it knows them");

    let blocked = json!({ "token": "CARD-B", "status": "blocked" });
    assert_eq!(stage.api("POST /id-tokens", &blocked).await.0, 200);
    // While it is away nothing is tried; it hears of it when it is back.
    let gone = Disconnected { reason: "gone".to_owned(), replaced: false };
    stage.tell(EventKind::Disconnected(gone)).await;
    follow(&stage, &mut follower).await;
    assert!(stage.asked().is_empty(), "it is away");
    stage.tell(connected(Protocol::V16)).await;
    follow(&stage, &mut follower).await;
    let asked = stage.asked();
    let told = &asked[1].1;
    assert_eq!(told["updateType"], "Differential");
    assert_eq!(told["localAuthorizationList"][0]["idTagInfo"]["status"], "Blocked");
    let commands = stage.get("/chargers/CP-1/commands").await;
    assert_eq!(commands["items"][0]["by"], "Mendpoint", "{commands}");

    // An erased number is not known here any more: only the whole list takes it out there.
    let erase = json!({ "token": "CARD-A" });
    assert_eq!(stage.api("POST /persons/erase", &erase).await.0, 200);
    follow(&stage, &mut follower).await;
    let asked = stage.asked();
    let told = &asked[1].1;
    assert_eq!(told["updateType"], "Full");
    assert_eq!(told["localAuthorizationList"].as_array().map(Vec::len), Some(1), "{told}");
    follow(&stage, &mut follower).await;
    assert!(stage.asked().is_empty());
}

#[tokio::test]
async fn a_list_that_was_not_taken_is_in_doubt_and_sent_again() {
    let refuse = Arc::new(Mutex::new(false));
    let once = Arc::clone(&refuse);
    let script: Script = Box::new(move |action, _| match action {
        "GetLocalListVersion" => answer(true, "", &json!({ "listVersion": 1 })),
        "SendLocalList" if std::mem::take(&mut *once.lock().expect("not poisoned")) => no("Failed"),
        "SendLocalList" => yes("Accepted"),
        _ => no("Rejected"),
    });
    let stage = Stage::new(Protocol::V16, script).await;
    let send = "POST /chargers/CP-1/local-list";
    stage.text("POST /id-tokens.csv", "text/csv", "token,group\nCARD-A,F\n").await;
    for (wrong, word) in [
        (json!({ "wanted": "group", "group": " " }), "which group"),
        (json!({ "wanted": "group", "group": "G" }), "No registered card"),
    ] {
        let (status, body) = stage.api(send, &wrong).await;
        assert_eq!((status, body.to_string().contains(word)), (400, true), "{body}");
    }
    stage.api(send, &json!({ "wanted": "group", "group": "F" })).await;
    *refuse.lock().expect("not poisoned") = true;
    let (_, list) = stage.api(send, &json!({ "wanted": "none" })).await;
    assert_eq!((&list["state"], &list["behind"]), (&json!("failed"), &Value::Null), "{list}");
    stage.asked();
    // Another start of the program: it still knows that it does not know.
    follow(&stage, &mut follower(&stage)).await;
    assert_eq!(stage.asked()[1].1["updateType"], "Full");
    let list = stage.get("/chargers/CP-1/local-list").await;
    assert_eq!((&list["state"], &list["behind"]), (&json!("accepted"), &json!(0)), "{list}");
}

#[tokio::test]
async fn a_list_that_the_end_of_the_program_broke_off_is_sent_again() {
    let script: Script = Box::new(|action, _| match action {
        "GetLocalListVersion" => answer(true, "", &json!({ "listVersion": 1 })),
        "SendLocalList" => yes("Accepted"),
        _ => no("Rejected"),
    });
    let stage = Stage::new(Protocol::V16, script).await;
    stage.text("POST /id-tokens.csv", "text/csv", "token\nCARD-A\n").await;
    let send = "POST /chargers/CP-1/local-list";
    let (_, list) = stage.api(send, &json!({ "wanted": "all" })).await;
    assert_eq!(list["state"], "accepted", "{list}");
    stage.asked();

    let was_asked = async || {
        while stage.asked().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let first = stage.gate.lock().await;
    let everything = json!({ "full": true });
    let mut sending = Box::pin(stage.api(send, &everything));
    let on_its_way = async {
        was_asked().await;
        drop(first);
        // Behind the charger, which answers the question for its version first.
        let second = stage.gate.lock().await;
        was_asked().await;
        second
    };
    let gate = tokio::select! {
        answer = &mut sending => panic!("the charger did not answer: {answer:?}"),
        gate = on_its_way => gate,
    };
    drop(sending);
    let list = stage.get("/chargers/CP-1/local-list").await;
    assert_eq!((&list["state"], &list["behind"]), (&json!("sending"), &Value::Null), "{list}");
    drop(gate);
    follow(&stage, &mut follower(&stage)).await;
    assert_eq!(stage.asked()[1].1["updateType"], "Full");
    let list = stage.get("/chargers/CP-1/local-list").await;
    assert_eq!((&list["state"], &list["behind"]), (&json!("accepted"), &json!(0)), "{list}");
}

#[tokio::test]
async fn who_is_erased_while_a_list_is_on_its_way_is_not_written_down_again() {
    erased_meanwhile(json!({ "wanted": "all", "full": true })).await;
}

#[tokio::test]
async fn a_group_that_is_erased_while_its_list_is_on_its_way_is_not_written_down_again() {
    erased_meanwhile(json!({ "wanted": "group", "group": "VICTIM04A1B2C3D", "full": true })).await;
}

async fn erased_meanwhile(wish: Value) {
    let script: Script = Box::new(|action, _| match action {
        "GetLocalListVersion" => answer(true, "", &json!({ "listVersion": 0 })),
        "SendLocalList" => yes("Accepted"),
        _ => no("Rejected"),
    });
    let stage = Stage::new(Protocol::V16, script).await;
    let cards = "token,group\nVICTIM04A1B2C3D,\nCARD-B,VICTIM04A1B2C3D\n";
    stage.text("POST /id-tokens.csv", "text/csv", cards).await;
    let (_, list) = stage.api("POST /chargers/CP-1/local-list", &wish).await;
    assert_eq!(list["state"], "accepted", "{list}");
    stage.asked();
    let gate = stage.gate.lock().await;
    let sending = stage.api("POST /chargers/CP-1/local-list", &wish);
    let erasing = async {
        while stage.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        let (status, _) =
            stage.api("POST /chargers/CP-1/local-list", &json!({ "wanted": "all" })).await;
        assert_eq!(status, 409, "one is on its way");
        let erase = json!({ "token": "VICTIM04A1B2C3D" });
        assert_eq!(stage.api("POST /persons/erase", &erase).await.0, 200);
        drop(gate);
    };
    let ((status, list), ()) = tokio::join!(sending, erasing);
    assert_eq!((status, &list["state"], &list["known"]), (200, &json!("failed"), &json!(0)));
    assert!(stage.asked().is_empty(), "nothing is sent that holds the number");
    follow(&stage, &mut follower(&stage)).await;
    let told = stage.asked()[1].1.to_string();
    assert!(told.contains("CARD-B") && !told.contains("VICTIM"), "{told}");
    let list = stage.get("/chargers/CP-1/local-list").await;
    assert_eq!((&list["state"], &list["behind"]), (&json!("accepted"), &json!(0)), "{list}");
    assert!(!list.to_string().contains("VICTIM"), "{list}");
}

/// What a charger of 2.x tells of itself and nobody can set.
fn told_of_itself(component: &str, variable: &str, value: &str) -> VariableReport {
    VariableReport {
        at: VariableRef {
            component: component.to_owned(),
            variable: variable.to_owned(),
            ..VariableRef::default()
        },
        value: Some(value.to_owned()),
        mutability: Some(Mutability::ReadOnly),
        ..VariableReport::default()
    }
}

#[tokio::test]
async fn what_a_charger_takes_at_once_is_what_it_told_in_its_report() {
    let script: Script = Box::new(|action, _| match action {
        "GetLocalListVersion" => answer(true, "", &json!({ "versionNumber": 0 })),
        _ => yes("Accepted"),
    });
    let stage = Stage::new(Protocol::V201, script).await;
    stage
        .tell(EventKind::Device(DeviceReport {
            source: DeviceSource::Report,
            request: Some(1),
            seq_no: 0,
            more: false,
            variables: vec![
                told_of_itself("LocalAuthListCtrlr", "ItemsPerMessage", "4"),
                told_of_itself("LocalAuthListCtrlr", "BytesPerMessage", "450"),
                told_of_itself("SmartChargingCtrlr", "RateUnit", "W"),
                told_of_itself("SmartChargingCtrlr", "ProfileStackLevel", "2"),
            ],
        }))
        .await;
    let is_written = async || {
        stage.get("/chargers/CP-1/variables").await["items"].as_array().map(Vec::len) == Some(4)
    };
    while !is_written().await {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let long = "X".repeat(36);
    let cards = format!("token\nA\nB\nC\nD\n{long}\n");
    stage.text("POST /id-tokens.csv", "text/csv", &cards).await;
    let (_, list) = stage.api("POST /chargers/CP-1/local-list", &json!({ "wanted": "all" })).await;
    assert_eq!((&list["state"], &list["known"]), (&json!("accepted"), &json!(5)), "{list}");
    let sent: Vec<usize> = stage
        .asked()
        .iter()
        .filter(|(action, _)| action == "SendLocalList")
        .map(|(_, payload)| {
            assert!(payload.to_string().len() < 450, "{payload}");
            payload["localAuthorizationList"].as_array().map_or(0, Vec::len)
        })
        .collect();
    assert_eq!(sent, [3, 2], "four have more bytes than it takes");

    let profile = |unit: &str, level: u32| {
        json!({ "purpose": "TxDefaultProfile", "connector": "1", "stack_level": level,
            "unit": unit, "periods": [{ "start_s": 0, "limit": 16 }] })
    };
    for (body, why) in [(profile("A", 1), "limits in W only"), (profile("W", 3), "levels up to 2")]
    {
        let (status, told) = stage.api("POST /chargers/CP-1/charging-profiles", &body).await;
        assert_eq!((status, told.to_string().contains(why)), (400, true), "{told}");
    }
    assert!(stage.asked().is_empty());
}

#[tokio::test]
async fn a_charger_without_local_lists_is_believed() {
    let script: Script = Box::new(|_, _| CommandOutcome::Refused {
        code: "NotSupported".to_owned(),
        description: String::new(),
    });
    let stage = Stage::new(Protocol::V201, script).await;
    let (_, list) = stage.api("POST /chargers/CP-1/local-list", &json!({ "wanted": "all" })).await;
    assert_eq!(list["state"], "not_supported", "{list}");
}

#[tokio::test]
async fn a_reservation_is_held_used_and_cancelled() {
    let script: Script = Box::new(|action, payload| match action {
        "ReserveNow" if payload["connectorId"] == 0 => no("Occupied"),
        "ReserveNow" | "CancelReservation" => yes("Accepted"),
        _ => no("Rejected"),
    });
    let stage = Stage::new(Protocol::V16, script).await;
    let until = (now() + mendpoint_model::HOUR_MS).rfc3339();
    let reserve = "POST /chargers/CP-1/reservations";
    let body = json!({ "connector": "1", "id_token": "A", "expires_at": until });
    let (status, held) = stage.api(reserve, &body).await;
    assert_eq!((status, &held["state"]), (200, &json!("accepted")), "{held}");
    let id = held["id"].as_i64().expect("a number");
    assert_eq!(stage.asked()[0].1["reservationId"], id);
    // The charger begins with it.
    let mut incoming = incoming(&stage.charger, begun("A", 1_000), None);
    let report = ReservationReport { id, status: ReservationStatus::Used };
    incoming.events.push(EventKind::Reservation(report));
    let (sender, receiver) = oneshot::channel();
    incoming.answer = Some(ReplyTo::new(move |decision: Decision| {
        sender.send(decision.transaction).expect("somebody waits");
    }));
    stage.server.pipeline.handle().take(incoming).await;
    let transaction = receiver.await.expect("an answer");
    let used = stage.get(&format!("/reservations/{id}")).await;
    assert_eq!((&used["state"], &used["transaction"]), (&json!("used"), &json!(transaction.0)));
    let (status, _) = stage.api(&format!("POST /reservations/{id}/cancel"), &json!({})).await;
    assert_eq!(status, 400, "it is used already");

    let (_, other) = stage.api(reserve, &body).await;
    let cancel = format!("POST /reservations/{}/cancel", other["id"]);
    assert_eq!(stage.api(&cancel, &json!({})).await.1["state"], "cancelled");
    let number = json!({ "connector": 1, "id_token": "A", "expires_at": until });
    assert_eq!(stage.api(reserve, &number).await.1["state"], "accepted", "as text or as a number");
    let any = json!({ "id_token": "A", "expires_at": until });
    assert_eq!(stage.api(reserve, &any).await.1["state"], "occupied");
    for (wrong, word) in [
        (json!({ "connector": "7", "id_token": "A", "expires_at": until }), "no connector"),
        (json!({ "id_token": " ", "expires_at": until }), "which card"),
        (json!({ "id_token": "A", "expires_at": "2020-01-01T00:00:00Z" }), "future"),
        (json!({ "connector": [1], "id_token": "A", "expires_at": until }), "text or a number"),
        (json!({ "id_token": "x".repeat(21), "expires_at": until }), "at most 20"),
    ] {
        let (status, body) = stage.api(reserve, &wrong).await;
        assert_eq!(status, 400);
        assert!(body.to_string().contains(word), "{body}");
    }
    let start = json!({ "command": "start", "id_token": "x".repeat(21), "connector": 1 });
    let (status, body) = stage.api("POST /chargers/CP-1/commands", &start).await;
    assert_eq!((status, body.to_string().contains("at most 20")), (400, true), "{body}");
}

#[tokio::test]
async fn a_charging_profile_is_checked_set_and_cleared() {
    let script: Script = Box::new(|action, _| match action {
        "SetChargingProfile" | "ClearChargingProfile" => yes("Accepted"),
        "GetCompositeSchedule" => answer(
            true,
            "Accepted",
            &json!({ "status": "Accepted", "chargingSchedule": { "chargingRateUnit": "A" } }),
        ),
        _ => no("Rejected"),
    });
    let stage = Stage::new(Protocol::V16, script).await;
    let set = "POST /chargers/CP-1/charging-profiles";
    let profile = |purpose: &str, connector: &str, periods: Value| {
        json!({ "purpose": purpose, "connector": connector, "stack_level": 1, "unit": "A",
            "periods": periods })
    };
    let periods = json!([{ "start_s": 0, "limit": 16 }, { "start_s": 3_600, "limit": 8.5 }]);
    let (status, body) = stage.api(set, &profile("TxProfile", "1", periods.clone())).await;
    assert_eq!(status, 400);
    assert!(body.to_string().contains("running transaction"), "{body}");
    let (status, body) = stage
        .api(set, &profile("TxDefaultProfile", "1", json!([{ "start_s": 5, "limit": 1 }])))
        .await;
    assert_eq!((status, body.to_string().contains("0 seconds")), (400, true), "{body}");
    let fine = json!([{ "start_s": 0, "limit": 16.123 }]);
    let (status, body) = stage.api(set, &profile("TxDefaultProfile", "1", fine)).await;
    assert_eq!((status, body.to_string().contains("one decimal")), (400, true), "{body}");
    assert!(stage.asked().is_empty(), "nothing wrong is sent");

    let id = stage.ask(begun("A", 1_000)).await.transaction;
    let (status, row) = stage.api(set, &profile("TxProfile", "1", periods.clone())).await;
    assert_eq!((status, &row["state"]), (200, &json!("accepted")), "{row}");
    assert_eq!(stage.asked()[0].1["csChargingProfiles"]["transactionId"], id.0);
    assert_eq!(row["sent"]["csChargingProfiles"]["stackLevel"], 1, "what was sent is kept");
    let (_, max) = stage.api(set, &profile("ChargingStationMaxProfile", "", periods)).await;
    assert_eq!(max["purpose"], "ChargePointMaxProfile");
    let clear = format!("DELETE /chargers/CP-1/charging-profiles/{}", row["id"]);
    assert_eq!(stage.api(&clear, &Value::Null).await.1["state"], "cleared");
    let rows = stage.get("/chargers/CP-1/charging-profiles").await;
    assert_eq!(rows["items"].as_array().map(Vec::len), Some(2));
    let schedule =
        stage.get("/chargers/CP-1/composite-schedule?connector=1&duration=600&unit=A").await;
    assert_eq!(schedule["chargingSchedule"]["chargingRateUnit"], "A");
    let ana = stage.server.sign_in("ana", PASSWORD).await.cookie();
    let page = stage.server.get("/chargers/CP-1/charging", &ana).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("ChargePointMaxProfile") && page.body.contains("Reservations"));
}

#[tokio::test]
async fn s21_cards_are_hidden_by_role_on_every_page_and_a_person_can_be_erased() {
    const CARD: &str = "04A2B3C4D5E6";
    let stage = Stage::new(Protocol::V16, silent()).await;
    let server = &stage.server;
    let handle = server.pipeline.handle();
    let now = handle.now();
    let frame = format!(r#"[2,"7","StartTransaction",{{"connectorId":1,"idTag":"{CARD}"}}]"#);
    handle.log_frame(stage.charger.key, now, mendpoint_store::Direction::In, &frame);
    let id = stage.ask(begun(CARD, 1_000)).await.transaction;
    let expiry = "2030-01-01T00:00:00Z";
    let payload =
        json!({"connectorId": 1, "expiryDate": expiry, "idTag": CARD, "reservationId": 7});
    let start = json!({"action": "ReserveNow", "payload": payload});
    stage.api("POST /chargers/CP-1/commands", &start).await;
    stage.api("POST /id-tokens", &json!({"token": CARD, "status": "accepted"})).await;
    let hash = crate::hash_password(PASSWORD).expect("a hash");
    for (name, role) in [("olga", "operator"), ("tom", "technician")] {
        let email = "";
        let user = mendpoint_store::NewUser {
            name,
            display_name: name,
            email,
            password_hash: &hash,
            role,
        };
        server.store.insert_user(user).await.expect("a user");
        let token = format!("mp_of_{name}");
        let hash = crate::hash_token(&token);
        server.store.insert_api_token(&hash, name, role, "test", None).await.expect("a token");
    }
    let pages = [
        "/chargers/CP-1".to_owned(),
        "/chargers/CP-1/frames.csv".to_owned(),
        "/transactions".to_owned(),
        "/transactions.csv".to_owned(),
        format!("/transactions/{id}?raw=1"),
        "/tokens".to_owned(),
        "/incidents".to_owned(),
        "/api/v1/chargers/CP-1/frames".to_owned(),
        "/api/v1/chargers/CP-1/frames?format=jsonl".to_owned(),
        "/api/v1/chargers/CP-1/commands".to_owned(),
        "/api/v1/transactions".to_owned(),
        format!("/api/v1/transactions/{id}/notes"),
        format!("/api/v1/id-tokens/{CARD}"),
    ];
    let mut seen = 0;
    for (name, sees) in [("ana", true), ("olga", true), ("tom", false), ("vio", false)] {
        let cookie = server.sign_in(name, PASSWORD).await.cookie();
        for path in &pages {
            let bearer = format!("Bearer mp_of_{name}");
            let headers = [("cookie", &*cookie), ("authorization", &*bearer)];
            let answer = server.send(&format!("GET {path}"), &headers, "").await;
            // The address itself is the caller's own word.
            let shows = answer.body.contains(CARD);
            assert!(sees || !shows, "{path} shows a card to {name}: {}", answer.body);
            seen += usize::from(shows);
        }
    }
    assert!(seen >= 12, "those who may see them do: {seen}");
    // That a card is known tells of somebody, too.
    let ask = async |card: &str| {
        let address = format!("GET /api/v1/id-tokens/{card}");
        server.send(&address, &[("authorization", "Bearer mp_of_tom")], "").await
    };
    let (known, unknown) = (ask(CARD).await, ask("04FFFFFFFFFF99").await);
    assert_eq!((known.status, unknown.status), (403, 403), "{}", known.body);
    assert_eq!(known.body, unknown.body);
    // The live feed of messages, from its first lines.
    let hidden = server.sign_in("tom", PASSWORD).await.cookie();
    let found = server.get("/chargers/CP-1/frames?text=04a2b3c4", &hidden).await.body;
    assert!(!found.contains("…D5E6"), "what is hidden cannot be searched for");

    stage.ask(ended(id, None, 1_400)).await;
    let ana = server.sign_in("ana", PASSWORD).await.cookie();
    let cookie = [("cookie", &*ana), ("sec-fetch-site", "same-origin")];
    let told = server.send("POST /persons/export", &cookie, &format!("token={CARD}")).await;
    assert!(told.status == 200 && told.body.contains("StartTransaction"), "{}", told.body);
    let unknown = "token=04FFFF&again=04FFFF";
    let no = server.send("POST /persons/erase", &cookie, unknown).await;
    let told = no.header("location").expect("back").to_owned();
    assert!(told.contains("error=Nothing%20of%20that%20card"), "{told}");
    let bearer = format!("Bearer {TOKEN}");
    let token = [("authorization", &*bearer), ("content-type", "application/json")];
    for (body, status) in [
        (r#"{"token":"04FFFF"}"#, 404),
        (r#"{"token":"Local"}"#, 400),
        (r#"{"token":"ERASED-0123456789ab"}"#, 400),
    ] {
        let no = server.send("POST /api/v1/persons/erase", &token, body).await;
        assert_eq!(no.status, status, "{}", no.body);
    }
    assert!(!server.get("/persons", &ana).await.body.contains("ERASED-"), "no record");
    let once = server.send("POST /persons/erase", &cookie, &format!("token={CARD}")).await;
    assert!(once.header("location").expect("back").contains("error="), "typed twice or not at all");
    let twice = format!("token={CARD}&again={CARD}");
    let done = server.send("POST /persons/erase", &cookie, &twice).await;
    assert!(done.header("location").expect("back").contains("done=Erased"), "{}", done.head);
    for path in pages.iter().filter(|path| !path.contains(CARD)) {
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("cookie", &*ana), ("authorization", &*bearer)];
        let answer = server.send(&format!("GET {path}"), &headers, "").await;
        assert!(!answer.body.contains(CARD), "{path} still shows it: {}", answer.body);
    }
    assert!(server.get("/persons", &ana).await.body.contains("ERASED-"));
    // The list beside the copies cannot be written: that is told, and what was done is.
    server.backups.set_folder("/nonexistent/copies");
    let body = format!(r#"{{"token":"{CARD}"}}"#);
    let done = server.send("POST /api/v1/persons/erase", &token, &body).await;
    assert!(done.status == 200 && done.body.contains("ERASED-"), "{}", done.body);
    assert!(done.body.contains(r#""list_error":"/nonexistent/copies/mendpoint"#), "{}", done.body);
    let done = server.send("POST /persons/erase", &cookie, &twice).await;
    let told = done.header("location").expect("back").to_owned();
    assert!(told.contains("error=Erased%20in%200%20rows"), "{told}");
    for page in ["/persons", "/system"] {
        let body = server.get(page, &ana).await.body;
        let banner = body.split("notice warn").nth(1).expect("a banner");
        assert!(banner.contains("could not be written"), "{page}: {banner}");
    }
    server
        .backups
        .failed(mendpoint_model::UnixMs(1), "the folder /nonexistent/copies is not there");
    let body = server.get("/system", &ana).await.body;
    let banner = body.split("notice warn").nth(1).expect("a banner");
    assert!(banner.contains("is not there") && banner.contains("mendpoint backup"), "{banner}");
    assert!(!body.contains("none yet"), "{body}");
    let audit = server.get("/audit", &ana).await.body;
    assert!(!audit.contains(CARD) && audit.contains("person"), "{audit}");
    assert_eq!(server.get("/persons", &hidden).await.status, 403);
}
