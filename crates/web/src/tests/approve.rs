//! A step that waits for a person, over the wire: one decision lets one step go, on the page and in
//! the API, and what was decided on an old page is not done.

use std::sync::{Arc, Mutex};

use mendpoint_incidents::{Catalogue, EngineSettings, HealMode};
use mendpoint_model::{
    ChargerKey, ChargerRecord, Command, CommandAnswered, CommandOutcome, Connected, ConnectorRef,
    ConnectorStatus, ErrorReport, EventKind, Protocol, StatusReport, UnixMs,
};
use mendpoint_pipeline::{Incoming, NewCharger, Outbound, SendRefused};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{PASSWORD, Server};

/// A charger that refuses everything, so that the next step comes at once.
struct Refusing {
    queue: mpsc::UnboundedSender<Command>,
}

impl Outbound for Refusing {
    fn send(&self, command: Command) -> Result<(), SendRefused> {
        self.queue.send(command).map_err(|_| SendRefused::NotConnected)
    }

    fn set_accepted(&self, _: ChargerKey, _: bool) -> bool {
        true
    }

    fn close(&self, _: ChargerKey, _: &str) {}
}

fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMs(since.expect("after 1970").as_millis() as i64)
}

fn incoming(record: &ChargerRecord, event: EventKind) -> Incoming {
    Incoming {
        charger: record.key,
        site: record.site,
        epoch: 1,
        received_at: now(),
        frame: 0,
        events: std::iter::once(event).collect(),
        quirks: Vec::new(),
        sample: None,
        answer: None,
    }
}

/// A faulted charger whose repair waits for a person, and what it was asked.
struct Stage {
    server: Server,
    asked: Arc<Mutex<Vec<String>>>,
    incident: String,
}

impl Stage {
    async fn new() -> Self {
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let rule = include_str!("../../../../config/rules/err_faulted.toml");
        let playbook = include_str!("../../../../config/playbooks/err_faulted.toml");
        let catalogue = Catalogue::parse(
            &[file("err_faulted.toml", rule)],
            &[file("err_faulted.toml", playbook)],
        )
        .expect("what is shipped is right");
        let engine = EngineSettings {
            default_mode: HealMode::Approve,
            pace: 0.002,
            ..EngineSettings::default()
        };
        let (queue, mut commands) = mpsc::unbounded_channel::<Command>();
        let server = Server::start_as(Arc::new(Refusing { queue }), engine, catalogue).await;
        let new = NewCharger { identity: "CP-1".to_owned(), ..NewCharger::default() };
        let handle = server.pipeline.handle();
        let record = handle.register_charger(new).await.expect("registered");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (listens, kept, its) = (handle.clone(), Arc::clone(&asked), Arc::clone(&record));
        tokio::spawn(async move {
            while let Some(command) = commands.recv().await {
                kept.lock().expect("not poisoned").push(command.action.name().to_owned());
                let outcome = CommandOutcome::Answered {
                    accepted: false,
                    status: "Rejected".to_owned(),
                    payload: "{}".to_owned(),
                };
                let answered = CommandAnswered { command: command.id, outcome, late: false };
                listens.take(incoming(&its, EventKind::CommandAnswered(answered))).await;
            }
        });
        let connected = EventKind::Connected(Connected {
            protocol: Protocol::V16,
            remote: "192.0.2.1:40000".to_owned(),
            replaced: false,
            certificate_ends: None,
        });
        handle.take(incoming(&record, connected)).await;
        let faulted = EventKind::Status(StatusReport {
            connector: ConnectorRef::v16(1),
            status: ConnectorStatus::Faulted,
            raw_status: None,
            error: Some(ErrorReport { code: "InternalError".to_owned(), ..ErrorReport::default() }),
            at: None,
        });
        handle.take(incoming(&record, faulted)).await;
        let mut stage = Self { server, asked, incident: String::new() };
        let list = stage.until("GET /api/v1/incidents", |list| {
            list["items"][0]["healing"]["steps"][0]["state"] == "awaiting_approval"
        });
        stage.incident = list.await["items"][0]["id"].as_str().expect("a number").to_owned();
        stage
    }

    /// Asks until it is so.
    async fn until(&self, request: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..400 {
            let (_, body) = self.server.call(request, Value::Null).await;
            if is_so(&body) {
                return body;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{request} never is what it should be");
    }

    /// Until the given step waits for a person.
    async fn waits(&self, number: usize) {
        self.until(&format!("GET /api/v1/incidents/{}", self.incident), |incident| {
            incident["healing"]["steps"][number - 1]["state"] == "awaiting_approval"
        })
        .await;
    }

    async fn act(&self, action: &str, body: Value) -> (u16, String) {
        let request = format!("POST /api/v1/incidents/{}/{action}", self.incident);
        let (status, answer) = self.server.call(&request, body).await;
        (status, answer["error"]["message"].as_str().unwrap_or_default().to_owned())
    }

    /// Presses a button; where it leads says what came of it.
    async fn press(&self, cookie: &str, action: &str, form: &str) -> (u16, String) {
        let request = format!("POST /incidents/{}/{action}", self.incident);
        let headers = [("cookie", cookie), ("sec-fetch-site", "same-origin")];
        let answer = self.server.send(&request, &headers, form).await;
        let told = answer.header("location").unwrap_or_default();
        (answer.status, told.replace("%20", " ").replace("%2C", ","))
    }

    fn resets(&self) -> usize {
        let asked = self.asked.lock().expect("not poisoned");
        asked.iter().filter(|action| action.starts_with("Reset")).count()
    }
}

#[tokio::test]
async fn an_approval_sent_twice_lets_one_step_go() {
    let stage = Stage::new().await;
    let (status, why) = stage.act("approve", Value::Null).await;
    assert_eq!(status, 400, "{why}");
    assert!(why.contains(r#"step 1, ask for status, waits now: {"step":1,"rung":"L1"}"#), "{why}");
    let first = json!({ "step": 1, "rung": "L1", "user": "Ana" });
    assert_eq!(stage.act("approve", first.clone()).await, (200, String::new()));
    stage.waits(2).await;
    for action in ["approve", "refuse"] {
        let (status, why) = stage.act(action, first.clone()).await;
        assert_eq!(status, 409, "{why}");
        assert!(why.contains("that is not what waits; step 2, soft reset, waits now"), "{why}");
    }
    let (status, why) = stage.act("approve", json!({ "step": 2, "rung": "L5" })).await;
    assert!(status == 409 && why.contains("soft reset, waits now"), "{why}");
    let (status, why) = stage.act("approve", json!({ "step": 2, "rung": "hard" })).await;
    assert!(status == 400 && why.contains("rung is one of"), "{why}");
    assert_eq!(stage.resets(), 0, "nobody approved a reset");
    let seen = json!({ "seen": { "owner": "Bo" } });
    let (status, why) = stage.act("take", seen).await;
    assert!(status == 409 && why.contains("it was given back"), "{why}");
    stage.server.audited("step approved").await;
    let (_, audit) = stage.server.call("GET /api/v1/audit?limit=50", Value::Null).await;
    let step = format!("{}: step 1, ask for status", stage.incident);
    assert!(audit.to_string().contains(&step), "{audit}");
}

#[tokio::test]
async fn the_page_of_an_older_step_approves_nothing() {
    let stage = Stage::new().await;
    let path = format!("/incidents/{}", stage.incident);
    let operator = stage.server.sign_in("oto", PASSWORD).await.cookie();
    let viewer = stage.server.sign_in("vio", PASSWORD).await.cookie();
    let page = stage.server.get(&path, &operator).await.body;
    assert!(page.contains("Approve: ask for status"), "{page}");
    assert!(page.contains("name=\"step\" value=\"1\""), "{page}");
    let seen = stage.server.get(&path, &viewer).await.body;
    assert!(seen.contains("Waits for approval: ask for status"), "a viewer sees that it waits");
    assert!(!seen.contains("/approve\""), "{seen}");
    let first = "step=1&rung=L1";
    assert_eq!(stage.press(&viewer, "approve", first).await.0, 403);
    let (_, told) = stage.press(&operator, "approve", "text=").await;
    assert!(told.contains("Open the incident anew"), "{told}");
    let (status, told) = stage.press(&operator, "approve", first).await;
    assert!(status == 303 && told.contains("goes on with the approved step"), "{told}");
    stage.waits(2).await;
    // The second half of a double click, and a page that was open all the while.
    let (_, told) = stage.press(&operator, "approve", first).await;
    assert!(told.contains("soft reset, waits now"), "{told}");
    let (_, told) = stage.press(&operator, "run-playbook", "steps=1").await;
    assert!(told.contains("its playbook went on"), "{told}");
    assert_eq!(stage.resets(), 0, "nobody approved a reset");
    let page = stage.server.get(&path, &operator).await.body;
    assert!(page.contains("Approve: soft reset") && page.contains("name=\"step\" value=\"2\""));
}
