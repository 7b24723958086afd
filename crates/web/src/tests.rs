//! The whole of it over a real socket: headers, signing in, sessions, forms of other sites.

mod approve;
mod audit;
mod device;
mod duty;
mod editor;
mod money;
mod ties;

use std::net::SocketAddr;
use std::sync::Arc;

use mendpoint_incidents::Catalogue;
use mendpoint_model::{ChargerKey, Command};
use mendpoint_pipeline::{
    NewCharger, Outbound, Pipeline, PipelineSettings, SendRefused, UnknownChargers,
};
use mendpoint_store::{NewUser, Store, StoreSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::security::CONTENT_SECURITY_POLICY;
use crate::session::{IDLE_MS, LIFE_MS};
use crate::{AppState, WebSettings, hash_password, hash_token, serve};

struct NoChargers;

impl Outbound for NoChargers {
    fn send(&self, _: Command) -> Result<(), SendRefused> {
        Err(SendRefused::NotConnected)
    }

    fn set_accepted(&self, _charger: ChargerKey, _accepted: bool) -> bool {
        false
    }

    fn close(&self, _: ChargerKey, _: &str) {}
}

/// A running program without chargers, with a user of each kind.
struct Server {
    address: SocketAddr,
    store: Store,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<()>,
    pipeline: Pipeline,
    backups: crate::BackupBoard,
    _folder: tempfile::TempDir,
}

/// An answer.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The cookie it sets, as it is sent back.
    fn cookie(&self) -> String {
        let cookie = self.header("set-cookie").expect("a cookie");
        cookie.split(';').next().expect("a pair").to_owned()
    }
}

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const TOKEN: &str = "mp_for_tests";
const PASSWORD: &str = "correct horse battery";

impl Server {
    async fn start() -> Self {
        Self::start_with(Arc::new(NoChargers)).await
    }

    async fn start_with(outbound: Arc<dyn Outbound>) -> Self {
        let engine = mendpoint_incidents::EngineSettings::default();
        Self::start_as(outbound, engine, Catalogue::default()).await
    }

    async fn start_as(
        outbound: Arc<dyn Outbound>,
        engine: mendpoint_incidents::EngineSettings,
        catalogue: Catalogue,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}/web.db", folder.path().display());
        let registry = prometheus::Registry::new();
        let settings = StoreSettings { url, ..StoreSettings::default() };
        let store = Store::open(&settings, &registry).await.expect("a database");
        let hash = hash_password(PASSWORD).expect("a hash");
        for (name, role) in [("ana", "admin"), ("oto", "operator"), ("vio", "viewer")] {
            let user = NewUser { name, display_name: name, email: "", password_hash: &hash, role };
            store.insert_user(user).await.expect("a user");
        }
        let pipeline = Pipeline::start(
            PipelineSettings {
                power_hooks: std::collections::BTreeMap::new(),
                shipped_rules: std::collections::BTreeSet::new(),
                shards: 1,
                queue: 64,
                identity_case: mendpoint_pipeline::IdentityCase::Exact,
                operator_name: String::new(),
                unknown_chargers: UnknownChargers::Reject,
                accept_unknown_tokens: true,
                concurrent_transactions: true,
                heartbeat_interval_s: 60,
                strict: false,
                credential_pepper: "pepper".to_owned(),
                public_url: String::new(),
                dispatch_email: String::new(),
                platform_email: String::new(),
                fleet: mendpoint_fleet::FleetSettings::default(),
                engine,
                upkeep: mendpoint_upkeep::UpkeepSettings::default(),
                profiles: mendpoint_upkeep::Profiles::default(),
                duty: mendpoint_pipeline::DutySettings::default(),
            },
            store.clone(),
            Arc::new(catalogue),
            outbound,
            &registry,
        )
        .await
        .expect("a pipeline");
        let backups = crate::BackupBoard::default();
        let settings = WebSettings {
            backups: backups.clone(),
            ocpp_url: "ws://127.0.0.1:9000/ocpp/".to_owned(),
            pace: 1.0,
            bootstrap_token: TOKEN.to_owned(),
            ..WebSettings::default()
        };
        let state = AppState::new(pipeline.handle(), registry, settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(serve(listener, state, stopped));
        Self { address, store, stop, served, pipeline, backups, _folder: folder }
    }

    async fn send(&self, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let fields: String =
            headers.iter().map(|(name, value)| name.to_string() + ": " + value + "\r\n").collect();
        let is_told = headers.iter().any(|(name, _)| *name == "content-type");
        let kind = if body.is_empty() || is_told { "" } else { FORM };
        let text = format!(
            "{request} HTTP/1.1\r\nhost: {}\r\n{fields}{kind}content-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            self.address,
            body.len(),
        );
        let mut socket = TcpStream::connect(self.address).await.expect("a connection");
        socket.write_all(text.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send(&format!("GET {path}"), &[("cookie", cookie)], "").await
    }

    async fn sign_in(&self, name: &str, password: &str) -> Answer {
        let body =
            format!("name={name}&password={}&next=%2Fincidents", crate::url::encode(password));
        self.send("POST /sign-in", &[("sec-fetch-site", "same-origin")], &body).await
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = Server::start().await;
    for path in [
        "/",
        "/sign-in",
        "/incidents",
        "/tickets",
        "/chargers",
        "/transactions",
        "/tokens",
        "/sites",
        "/rules",
        "/outbox",
        "/audit",
        "/system",
        "/live/events",
        "/live/fleet.bin",
        "/live/fleet.idx.json",
        "/static/site.css",
        "/static/nothing",
        "/api/v1/system",
        "/healthz",
        "/readyz",
        "/metrics",
        "/c/nobody",
        "/r/nothing",
        "/nothing",
    ] {
        let answer = server.get(path, "").await;
        assert_eq!(
            answer.header("content-security-policy"),
            Some(CONTENT_SECURITY_POLICY),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        let cache = answer.header("cache-control").unwrap_or_default();
        let is_asset = path == "/static/site.css";
        assert_eq!(cache.contains("no-store"), !is_asset, "{path}: {cache}");
    }
}

#[tokio::test]
async fn strangers_are_sent_to_sign_in_and_come_back() {
    let server = Server::start().await;
    for path in ["/", "/incidents?tab=all", "/chargers", "/live/fleet.bin", "/live/events"] {
        let answer = server.get(path, "session=forged").await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").expect("a place").starts_with("/sign-in"), "{path}");
    }
    let answer = server.get("/incidents?tab=all", "").await;
    assert_eq!(answer.header("location"), Some("/sign-in?next=%2Fincidents%3Ftab%3Dall"));
    let fragment = [("hx-request", "true")];
    let answer = server.send("GET /?fragment=queue", &fragment, "").await;
    assert_eq!((answer.status, answer.header("hx-redirect")), (401, Some("/sign-in")));
    let answer = server.get("/sign-in?next=//evil.example", "").await;
    assert!(!answer.body.contains("evil"), "no way out to another site");
}

#[tokio::test]
async fn signing_in_and_out() {
    let server = Server::start().await;
    let answer = server.sign_in("ana", "wrong password").await;
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains("not right"), "{}", answer.body);
    assert!(answer.header("set-cookie").is_none());
    let nobody = server.sign_in("nobody", "wrong password").await;
    assert_eq!(nobody.status, 401, "the same answer for somebody who is not there");

    let answer = server.sign_in("Ana", PASSWORD).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/incidents")));
    let set = answer.header("set-cookie").expect("a cookie");
    for part in ["session=mp_", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(part), "{part} in {set}");
    }
    let cookie = answer.cookie();
    let page = server.get("/", &cookie).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Connect the first charger"), "an empty fleet says what to do");
    assert!(page.body.contains("ws://127.0.0.1:9000/ocpp/"));
    for fragment in ["kpis", "queue", "strip"] {
        let part = server.get(&format!("/?fragment={fragment}"), &cookie).await;
        assert_eq!(part.status, 200, "{fragment}");
        assert!(part.body.contains(&format!("id=\"{fragment}\"")), "{fragment}: {}", part.body);
        assert!(!part.body.contains("<html"), "{fragment} is a part");
    }
    let rail = server.get("/live/rail?section=incidents", &cookie).await;
    assert!(rail.body.contains("id=\"rail\"") && !rail.body.contains("<html"), "{}", rail.body);

    let answer = server.send("POST /sign-out", &[("cookie", &cookie)], "").await;
    assert_eq!(answer.status, 303);
    assert!(answer.header("set-cookie").expect("a cookie").contains("Max-Age=0"));
    assert_eq!(server.get("/", &cookie).await.status, 303, "the old cookie is dead");
}

#[tokio::test]
async fn sessions_end() {
    let server = Server::start().await;
    let user = server.store.user_by_name("ana").await.expect("read").expect("ana");
    let now = mendpoint_model::UnixMs(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_millis() as i64,
    );
    let store = &server.store;
    for (token, begun, life) in
        [("good", now, LIFE_MS), ("idle", now - IDLE_MS - 1, LIFE_MS), ("old", now - 5, 4)]
    {
        store
            .insert_session(&hash_token(token), user.id, begun, begun + life, "")
            .await
            .expect("a session");
    }
    assert_eq!(server.get("/", "other=1; session=good").await.status, 200);
    assert_eq!(server.get("/", "session=idle").await.status, 303);
    assert_eq!(server.get("/", "session=old").await.status, 303);
    let disabled = mendpoint_store::UserRow { disabled: true, ..user };
    store.update_user(&disabled).await.expect("disabled");
    assert_eq!(server.get("/", "session=good").await.status, 303, "whoever is disabled is out");
}

#[tokio::test]
async fn what_is_sent_wrong_gets_a_page_that_says_so() {
    let server = Server::start().await;
    let form = |length: usize| {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        (kind, format!("name=ana&password={}", "x".repeat(length)))
    };
    for (body, told) in [
        ("", "Type your name and your password."),
        ("password=secret", "Type your name and your password."),
        ("name=ana", "Type your password."),
    ] {
        let headers = [form(0).0];
        let answer = server.send("POST /sign-in", &headers, body).await;
        assert_eq!(answer.status, 422, "{body}");
        assert!(answer.body.contains(told) && answer.body.contains("<form"), "{}", answer.body);
    }
    let answer = server.send("POST /sign-in", &[form(0).0], "name=ana&name=bo").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("The field name was sent twice."), "{}", answer.body);
    let (kind, large) = form(300 * 1024);
    let answer = server.send("POST /sign-in", &[kind], &large).await;
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("The form holds more than is taken here"), "{}", answer.body);
    let answer = server.get("/transactions?from=1&from=2", "").await;
    assert_eq!(answer.status, 303, "who is not signed in signs in first");

    let cookie = server.sign_in("ana", PASSWORD).await.cookie();
    for (query, told) in [
        ("from=foo", "is a day as 2026-11-21"),
        ("site=foo", "There is no site"),
        ("charger=nobody", "No charger has the identity or name"),
    ] {
        let answer = server.get(&format!("/transactions?{query}"), &cookie).await;
        let list = answer.body.split("id=\"transaction-list\"").nth(1).unwrap_or_default();
        assert!(list.contains(told), "{query}: {list}");
    }
    let answer = server.get("/transactions?from=1&from=2", &cookie).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("The field from was sent twice."), "{}", answer.body);
}

#[tokio::test]
async fn forms_of_other_sites_do_nothing() {
    let server = Server::start().await;
    let cookie = server.sign_in("ana", PASSWORD).await.cookie();
    for foreign in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let answer = server.send("POST /sign-out", &[("cookie", &cookie), foreign], "").await;
        assert_eq!(answer.status, 403, "{foreign:?}");
    }
    assert_eq!(server.get("/", &cookie).await.status, 200, "still signed in");
    // A program with a token has no cookie to be abused.
    let headers = [("sec-fetch-site", "cross-site"), ("authorization", "Bearer nothing")];
    let answer = server.send("POST /api/v1/tickets", &headers, "").await;
    assert_eq!(answer.status, 401, "refused for its token, not for where it comes from");
}

#[tokio::test]
async fn many_wrong_passwords_close_the_door() {
    let server = Server::start().await;
    // Each failure doubles the wait, so tries go side by side here.
    let tries = (0..15).map(|_| server.sign_in("vio", "wrong password"));
    let answers = futures_util::future::join_all(tries).await;
    let read = answers.iter().filter(|answer| answer.status == 401).count();
    // Two passwords are looked at side by side, so one more than ten may slip in.
    assert!((10..=11).contains(&read), "{read} were looked at, however many came at once");
    assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)));
    let answer = server.sign_in("vio", PASSWORD).await;
    assert_eq!(answer.status, 429, "even the right one waits now");
    assert_eq!(server.sign_in("ana", PASSWORD).await.status, 303, "others are not locked out");
}

#[tokio::test]
async fn roles_may_do_what_they_may() {
    let server = Server::start().await;
    let looking = server.sign_in("vio", PASSWORD).await.cookie();
    assert_eq!(server.get("/", &looking).await.status, 200);
    let cookie = [("cookie", looking.as_str())];
    for path in ["/incidents/INC-1/take", "/chargers/A/command", "/system/healing"] {
        let answer = server.send(&format!("POST {path}"), &cookie, "").await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.body.contains("signed in as vio"), "it says who may: {}", answer.body);
    }
}

#[tokio::test]
async fn the_honeycomb_is_told_who_stands_where() {
    let server = Server::start().await;
    let cookie = server.sign_in("ana", PASSWORD).await.cookie();
    let handle = server.pipeline.handle();
    let empty = server.get("/live/fleet.idx.json", &cookie).await;
    let tag = empty.header("etag").expect("a tag").to_owned();
    let headers = [("cookie", cookie.as_str()), ("if-none-match", tag.as_str())];
    assert_eq!(server.send("GET /live/fleet.idx.json", &headers, "").await.status, 304);
    let new = NewCharger { identity: "CP-1".to_owned(), ..NewCharger::default() };
    let charger = handle.register_charger(new).await.expect("registered");
    let answer = server.send("GET /live/fleet.idx.json", &headers, "").await;
    assert_eq!(answer.status, 200, "the register changed");
    let index: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let place = charger.key.0 as usize;
    assert_eq!(index["ids"][place], "CP-1");
    assert_eq!(
        index["sites"][index["site"][place].as_u64().expect("a place") as usize]["name"],
        "Unassigned"
    );
    let snapshot = server.get("/live/fleet.bin", &cookie).await;
    assert_eq!(snapshot.header("content-length"), Some(&*(8 + place + 1).to_string()));
    assert_eq!(snapshot.body.as_bytes().last(), Some(&8), "never seen");
}

#[tokio::test]
async fn files_are_asked_for_again_for_a_few_bytes() {
    let server = Server::start().await;
    let answer = server.get("/static/site.css", "").await;
    assert_eq!(answer.header("content-type"), Some("text/css; charset=utf-8"));
    let etag = answer.header("etag").expect("a tag").to_owned();
    let again = server.send("GET /static/site.css", &[("if-none-match", &etag)], "").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let font = server.get("/static/fonts/ibm-plex-sans-latin-wght-normal.woff2", "").await;
    assert!(font.header("cache-control").expect("a rule").contains("immutable"));
    assert_eq!(server.get("/static/../Cargo.toml", "").await.status, 404);
}

#[tokio::test]
async fn health_metrics_and_stopping() {
    let mut server = Server::start().await;
    assert_eq!(server.get("/healthz", "").await.status, 200);
    assert_eq!(server.get("/readyz", "").await.status, 200);
    let metrics = server.get("/metrics", "").await;
    assert!(metrics.body.contains("# TYPE mendpoint_"), "{}", metrics.body);

    // A feed that listens does not keep the program from stopping.
    let cookie = server.sign_in("ana", PASSWORD).await.cookie();
    let mut feed = TcpStream::connect(server.address).await.expect("a connection");
    let request = format!("GET /live/events HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\n\r\n");
    feed.write_all(request.as_bytes()).await.expect("sent");
    let mut heard = String::new();
    while !(heard.contains("event: heartbeat") && heard.contains("event: versions")) {
        let mut bytes = [0; 4096];
        let count = feed.read(&mut bytes).await.expect("the feed");
        assert!(count > 0, "the feed ended: {heard}");
        heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    assert!(heard.contains("content-type: text/event-stream"), "{heard}");
    server.stop.send(true).expect("somebody listens");
    let served = tokio::time::timeout(std::time::Duration::from_secs(8), &mut server.served).await;
    served.expect("in time").expect("without a panic");
}
