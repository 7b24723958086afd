//! Chargers over real sockets, against a small server: what the shell adds to the charger's core.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use mendpoint_model::{ConnectorStatus, Protocol};
use mendpoint_simulator::{
    Charger, ChargerSpec, Cure, DriverReport, Fault, Reporter, Scenario, Simulation, Target,
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

const WAIT: Duration = Duration::from_secs(10);

/// A server that answers every call and sends the commands it is given to every charger.
#[derive(Clone, Default)]
struct Server {
    seen: Arc<Mutex<Vec<(String, Value)>>>,
    commands: Arc<Mutex<Vec<mpsc::UnboundedSender<String>>>>,
}

impl Server {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("ws://{}/ocpp", listener.local_addr().expect("an address"));
        let server = Self::default();
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(stream));
            }
        });
        (server, url)
    }

    // The library's callback returns its error by value.
    #[expect(clippy::result_large_err, reason = "the signature is the library's")]
    async fn serve(self, stream: TcpStream) {
        let mut identity = String::new();
        let socket = accept_hdr_async(stream, |request: &Request, mut response: Response| {
            request.uri().path().rsplit('/').next().unwrap_or("").clone_into(&mut identity);
            let protocol = request.headers()["sec-websocket-protocol"].clone();
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok::<Response, ErrorResponse>(response)
        });
        let Ok(mut socket) = socket.await else { return };
        let (sender, mut commands) = mpsc::unbounded_channel();
        self.commands.lock().expect("no panic").push(sender);
        loop {
            tokio::select! {
                frame = socket.next() => {
                    let Some(Ok(Message::Text(text))) = frame else { return };
                    let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
                    self.seen.lock().expect("no panic").push((identity.clone(), frame.clone()));
                    if frame[0] == 2 {
                        let answer = json!([3, frame[1], answer(&frame)]).to_string();
                        if socket.send(Message::text(answer)).await.is_err() {
                            return;
                        }
                    }
                }
                command = commands.recv() => {
                    let Some(command) = command else { return };
                    if socket.send(Message::text(command)).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn send(&self, frame: &Value) {
        for commands in self.commands.lock().expect("no panic").iter() {
            // Connections that have ended are still listed.
            let _ = commands.send(frame.to_string());
        }
    }

    fn seen(&self, action: &str) -> usize {
        self.seen.lock().expect("no panic").iter().filter(|(_, frame)| frame[2] == action).count()
    }
}

fn answer(frame: &Value) -> Value {
    let time = "2026-09-21T14:13:20Z";
    match frame[2].as_str().unwrap_or("") {
        "BootNotification" => json!({"currentTime": time, "interval": 300, "status": "Accepted"}),
        "Heartbeat" => json!({"currentTime": time}),
        "Authorize" if frame[3]["idTag"].is_string() => {
            json!({"idTagInfo": {"status": "Accepted"}})
        }
        "Authorize" => json!({"idTokenInfo": {"status": "Accepted"}}),
        "StartTransaction" => json!({"transactionId": 7, "idTagInfo": {"status": "Accepted"}}),
        "DataTransfer" => json!({"status": "Accepted"}),
        _ => json!({}),
    }
}

#[tokio::test]
async fn a_charger_charges_breaks_and_is_mended() {
    for protocol in [Protocol::V16, Protocol::V201] {
        let (server, url) = Server::start().await;
        let charger = Charger::new(ChargerSpec::new("SOCK-1", protocol), Target::new(&url))
            .connect()
            .await
            .expect("the server accepts it");
        charger.start_session(1, "TAG").expect("it is on");
        assert!(charger.wait_until(WAIT, |view| view.charging[0]).await);
        charger.stop_session(1).expect("it is on");
        charger.unplug(1).expect("it is on");
        let free = |view: &mendpoint_simulator::View| {
            view.statuses[0] == ConnectorStatus::Available && view.queued == 0
        };
        assert!(charger.wait_until(WAIT, free).await);

        charger.fault(Fault::new("InternalError", 1, Cure::SoftReset)).expect("it is on");
        let faulted =
            |view: &mendpoint_simulator::View| view.statuses[0] == ConnectorStatus::Faulted;
        assert!(charger.wait_until(WAIT, faulted).await);
        let kind = if protocol == Protocol::V16 { "Soft" } else { "OnIdle" };
        server.send(&json!([2, "r1", "Reset", {"type": kind}]));
        assert!(charger.wait_until(WAIT, |view| !view.online).await);
        assert!(charger.wait_until(WAIT, |view| view.online && free(view)).await);
        let commands = charger.commands();
        assert_eq!((commands.len(), commands[0].action.as_str()), (1, "Reset"));
        assert_eq!(server.seen("BootNotification"), 2);
        charger.power_off().await;
    }
}

#[tokio::test]
async fn an_offline_session_arrives_after_the_return() {
    let (server, url) = Server::start().await;
    let charger = Charger::new(ChargerSpec::new("SOCK-2", Protocol::V16), Target::new(&url))
        .connect()
        .await
        .expect("the server accepts it");
    charger.go_offline().expect("it is on");
    charger.start_session(1, "TAG").expect("it is on");
    assert!(charger.wait_until(WAIT, |view| view.charging[0] && !view.online).await);
    charger.stop_session(1).expect("it is on");
    assert!(charger.wait_until(WAIT, |view| view.queued >= 2).await);
    assert_eq!(server.seen("StartTransaction"), 0);
    charger.come_back().expect("it is on");
    assert!(charger.wait_until(WAIT, |view| view.online && view.queued == 0).await);
    assert_eq!((server.seen("StartTransaction"), server.seen("StopTransaction")), (1, 1));
}

#[tokio::test]
async fn nobody_there_is_a_sentence() {
    let nobody = Target::new("http://127.0.0.1:1/ocpp");
    let simulation = Simulation::new(Scenario::builtin("steady").expect("built in"), nobody, 1);
    let (_stop, stopped) = watch::channel(false);
    let refused = simulation.run(stopped).await.expect_err("no WebSocket address");
    assert!(refused.to_string().contains("ws://"), "{refused}");
}

#[derive(Default)]
struct Reports(Mutex<Vec<DriverReport>>);

impl Reporter for Reports {
    fn report(&self, report: DriverReport) {
        self.0.lock().expect("no panic").push(report);
    }
}

const SMALL: &str = r#"
description = "a small fleet in a hurry"
[fleet]
identity = "{code}-{n}"
[behaviour]
speed = 200
sessions_per_hour = 3000
meter_interval = "1s"
session = ["5m", "10m"]
[[site]]
name = "A"
code = "A"
chargers = 6
[[model]]
vendor = "V"
model = "M"
firmware = ["1"]
protocol = "ocpp1.6"
power_kw = 22
current = "ac"
[[model]]
vendor = "V"
model = "N"
firmware = ["1"]
protocol = "ocpp2.0.1"
power_kw = 60
current = "dc"
[[event]]
kind = "report"
at = "200ms"
[[event]]
kind = "site_down"
at = "2s"
lasts = "1s"
"#;

#[tokio::test]
async fn a_scenario_runs_and_ends_when_it_is_told_to() {
    let (server, url) = Server::start().await;
    let reports = Arc::new(Reports::default());
    let scenario = Scenario::parse("small.toml", SMALL).expect("a good scenario");
    let simulation =
        Arc::new(Simulation::new(scenario, Target::new(&url), 3).with_reporter(reports.clone()));
    let (stop, stopped) = watch::channel(false);
    let running = simulation.clone();
    let task = tokio::spawn(async move { running.run(stopped).await });
    tokio::time::sleep(Duration::from_secs(6)).await;
    let stats = simulation.stats();
    stop.send(true).expect("it runs");
    tokio::time::timeout(WAIT, task)
        .await
        .expect("it ends")
        .expect("without a panic")
        .expect("without an error");
    assert_eq!(stats.connected, 6, "{stats:?}");
    assert!(stats.connects >= 12, "the site went down once: {stats:?}");
    assert!(stats.sessions_ended >= 6, "{stats:?}");
    assert_eq!((stats.bad_answers, stats.call_errors, stats.gave_up), (0, 0, 0), "{stats:?}");
    assert_eq!(reports.0.lock().expect("no panic").len(), 1);
    assert!(server.seen("TransactionEvent") > 0 && server.seen("StopTransaction") > 0);
    assert_eq!(simulation.stats().connected, 0);
}
