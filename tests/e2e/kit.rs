//! Starts the real program, talks to its API and plays simple chargers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::database::Database;

/// The administrator's token of every server here.
const TOKEN: &str = "end-to-end-test-token-0123456789";

/// `mendpoint serve` with a database and ports of its own; stopped when dropped.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    database: Database,
    web: SocketAddr,
    ocpp: SocketAddr,
    child: Option<Child>,
    environment: Vec<(&'static str, &'static str)>,
    /// Whether there is a file of settings in the folder.
    has_file: bool,
}

impl Server {
    /// Starts a server with settings from a file.
    pub(crate) fn start_configured(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("mendpoint.toml"), settings).expect("writes");
        let (web, ocpp) = (free_address(), free_address());
        let database = Database::new(folder.path());
        let (child, environment) = (None, Vec::new());
        let mut server = Self { folder, database, web, ocpp, child, environment, has_file: true };
        server.start_again();
        server
    }

    /// Sends the program a signal: `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Starts a server and waits until it is ready.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with other settings, as variables of the environment.
    pub(crate) fn start_with(environment: &[(&'static str, &'static str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut server = Self {
            database: Database::new(folder.path()),
            folder,
            web: free_address(),
            ocpp: free_address(),
            child: None,
            environment: environment.to_vec(),
            has_file: false,
        };
        server.start_again();
        server
    }

    /// Where its database is, as `database.url`.
    pub(crate) fn database_url(&self) -> String {
        self.database.url.clone()
    }

    /// Starts the program on the same database as before.
    pub(crate) fn start_again(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("server.log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_mendpoint"))
            .arg("serve")
            .args(if self.has_file { &["--config", "mendpoint.toml"][..] } else { &[] })
            .current_dir(self.folder.path())
            .env("MENDPOINT__OCPP__LISTEN", self.ocpp.to_string())
            .env("MENDPOINT__OCPP__UNKNOWN_CHARGERS", "accept")
            .env("MENDPOINT__WEB__LISTEN", self.web.to_string())
            .env("MENDPOINT__WEB__BOOTSTRAP_TOKEN", TOKEN)
            .env("MENDPOINT__DATABASE__URL", &self.database.url)
            .envs(self.environment.iter().copied())
            .stdout(Stdio::from(log.try_clone().expect("a second handle of the log")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("the program starts");
        self.child = Some(child);
        let begun = Instant::now();
        while !self.is_ready() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "not ready after 30 s:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the program at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill -9");
            child.wait().expect("the program is gone");
        }
    }

    /// Ends the program as an orchestrator does (SIGTERM); whether it ended well within this time.
    pub(crate) fn stop(&mut self, within: Duration) -> bool {
        self.signal("TERM");
        let mut child = self.child.take().expect("it runs");
        let begun = Instant::now();
        while begun.elapsed() < within {
            if let Some(status) = child.try_wait().expect("a child of ours") {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child = Some(child);
        false
    }

    /// A page of the API as JSON.
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.request("GET", path, "");
        assert_eq!(status, 200, "{path}: {body}\n{}", self.log());
        serde_json::from_str(&body).expect("JSON")
    }

    /// Any request of the API: the status and the body.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.request_as(TOKEN, method, path, body)
    }

    /// The same with another token.
    pub(crate) fn request_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> (u16, String) {
        http(self.web, token, method, &format!("/api/v1{path}"), body).expect("an answer")
    }

    /// All items of a list of the API, page by page.
    pub(crate) fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{joint}limit=200{cursor}"));
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// Connects a charger.
    pub(crate) async fn charger(&self, identity: &str) -> Option<Charger> {
        self.doors().charger(identity, "ocpp1.6").await
    }

    /// The way in for chargers, for tasks of their own.
    pub(crate) fn doors(&self) -> Doors {
        Doors(self.ocpp)
    }

    /// Connects a charger with a password. `None`: it is turned away.
    pub(crate) async fn charger_with(&self, identity: &str, password: &str) -> Option<Charger> {
        let url = format!("ws://{}/ocpp/{identity}", self.ocpp);
        let mut request = url.into_client_request().expect("a request");
        let headers = request.headers_mut();
        headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static("ocpp1.6"));
        let value = super::security::basic(identity, password);
        headers.insert("Authorization", HeaderValue::from_str(&value).expect("a header"));
        let (socket, _) = tokio_tungstenite::connect_async(request).await.ok()?;
        Some(Charger { socket, calls: 0, closed_with: None })
    }

    /// A request of the API in a thread of its own; the program may be killed under it.
    pub(crate) fn request_later(
        &self,
        method: &'static str,
        path: &str,
        body: &'static str,
    ) -> std::thread::JoinHandle<()> {
        let (web, path) = (self.web, format!("/api/v1{path}"));
        std::thread::spawn(move || drop(http(web, TOKEN, method, &path, body)))
    }

    fn is_ready(&self) -> bool {
        http(self.web, TOKEN, "GET", "/readyz", "").is_ok_and(|(status, _)| status == 200)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where chargers connect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doors(SocketAddr);

impl Doors {
    /// Connects a charger that speaks this version; `None` when it is not let in.
    pub(crate) async fn charger(self, identity: &str, protocol: &'static str) -> Option<Charger> {
        let url = format!("ws://{}/ocpp/{identity}", self.0);
        let mut request = url.into_client_request().expect("a request");
        let protocol = HeaderValue::from_static(protocol);
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        let (socket, _) = tokio_tungstenite::connect_async(request).await.ok()?;
        Some(Charger { socket, calls: 0, closed_with: None })
    }
}

/// A charger that says what it is told to and waits for the answer.
pub(crate) struct Charger {
    socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
    calls: u64,
    closed_with: Option<u16>,
}

impl Charger {
    /// Sends a frame as it is, and does not wait for an answer.
    pub(crate) async fn send_raw(&mut self, frame: &str) -> Option<()> {
        self.socket.send(Message::text(frame)).await.ok()
    }

    /// Sends a frame as it is; the next frame that answers it, a refusal too.
    pub(crate) async fn exchange(&mut self, frame: &str) -> Option<Value> {
        let sent: Value = serde_json::from_str(frame).expect("JSON");
        self.send_raw(frame).await?;
        loop {
            let Message::Text(text) = self.socket.next().await?.ok()? else { continue };
            let heard: Value = serde_json::from_str(&text).expect("JSON from the server");
            if heard[0] != 2 && heard[1] == sent[1] {
                return Some(heard);
            }
        }
    }

    /// With which code the server closed the connection, if it said one.
    pub(crate) fn closed_with(&self) -> Option<u16> {
        self.closed_with
    }

    /// The next call of the server with this action; others are refused.
    pub(crate) async fn hear_call(&mut self, action: &str) -> Option<Value> {
        loop {
            let Message::Text(text) = self.socket.next().await?.ok()? else { continue };
            let heard: Value = serde_json::from_str(&text).expect("JSON from the server");
            if heard[0] == 2 && heard[2] == action {
                return Some(heard);
            }
            if heard[0] == 2 {
                let refusal =
                    serde_json::json!([4, heard[1], "NotSupported", "a test charger", {}]);
                self.send_raw(&refusal.to_string()).await?;
            }
        }
    }

    /// Sends a call; the answer's payload, or `None` when the connection ended first.
    pub(crate) async fn call(&mut self, action: &str, payload: Value) -> Option<Value> {
        self.calls += 1;
        let id = format!("c{}", self.calls);
        let frame = serde_json::json!([2, id, action, payload]).to_string();
        self.socket.send(Message::text(frame)).await.ok()?;
        loop {
            let text = match self.socket.next().await?.ok()? {
                Message::Text(text) => text,
                Message::Close(Some(close)) => {
                    self.closed_with = Some(close.code.into());
                    continue;
                }
                _ => continue,
            };
            let frame: Value = serde_json::from_str(&text).expect("JSON from the server");
            match (frame[0].as_i64(), frame[1].as_str()) {
                (Some(3), Some(answered)) if answered == id => return Some(frame[2].clone()),
                (Some(4), Some(answered)) if answered == id => panic!("{action}: {frame}"),
                (Some(2), Some(asked)) => {
                    let refusal =
                        serde_json::json!([4, asked, "NotSupported", "a test charger", {}]);
                    self.socket.send(Message::text(refusal.to_string())).await.ok()?;
                }
                _ => {}
            }
        }
    }
}

/// An address on this machine that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}

/// A request with a token: the status and the body.
fn http(
    address: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
    body: &str,
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}
