//! A server with a register that remembers, and chargers that talk to it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use mendpoint_gateway::{
    Admit, Admitted, Answer, Delivery, Gateway, GatewayEvent, GatewaySettings, Hello, Intake,
    ListenerSettings, SignOfLife,
};
use mendpoint_model::{ChargerKey, EventKind, SecurityProfile, SiteKey, TransactionId, UnixMs};
use mendpoint_ocpp::BootStatus;
use prometheus::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Long enough for a slow machine, short enough to fail in.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) type Charger = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A charger whose messages nobody takes in.
pub(crate) const STUCK: ChargerKey = ChargerKey(77);

/// From here on chargers need no password either.
pub(crate) const OPEN_FROM: u32 = 10_000;

/// Knows `CP-<number>`; those from 100 on need the password `secret`, up to [`OPEN_FROM`].
#[derive(Debug, Default)]
pub(crate) struct Register {
    pub(crate) epoch: AtomicU64,
    pub(crate) slow: bool,
    /// There is never room at once: everything has to wait a moment.
    pub(crate) full: bool,
    pub(crate) events: Mutex<Vec<(u64, EventKind)>>,
    pub(crate) notes: Mutex<Vec<GatewayEvent>>,
    pub(crate) hellos: Mutex<Vec<Hello>>,
}

impl Intake for Register {
    async fn admit(&self, hello: Hello) -> Admit {
        if self.slow {
            sleep(Duration::from_mins(1)).await;
        }
        self.hellos.lock().unwrap_or_else(PoisonError::into_inner).push(hello.clone());
        let number = hello.identity.strip_prefix("CP-").and_then(|number| number.parse().ok());
        let expected = (hello.identity.clone().into_bytes(), b"secret".to_vec());
        match number {
            None if hello.identity == "BUSY" => Admit::TooMany { retry_after_s: 17 },
            None if hello.identity == "DARK" => Admit::Unavailable,
            None => Admit::Unknown,
            Some(100..OPEN_FROM) if hello.credentials != Some(expected) => {
                Admit::Unauthorized { why: "wrong password" }
            }
            Some(number) => Admit::Accept(Admitted {
                charger: ChargerKey(number),
                site: SiteKey(1),
                boot: BootStatus::Accepted,
                epoch: self.epoch.fetch_add(1, Ordering::Relaxed) + 1,
                heartbeat_interval_s: 300,
                strict: false,
                profile: hello.listener,
            }),
        }
    }

    fn try_deliver(&self, delivery: Delivery) -> Result<(), Delivery> {
        if delivery.charger == STUCK || self.full {
            return Err(delivery);
        }
        self.take(delivery);
        Ok(())
    }

    fn heard(&self, _sign: SignOfLife) -> bool {
        false
    }

    async fn deliver(&self, delivery: Delivery) {
        if delivery.charger == STUCK {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        self.take(delivery);
    }

    fn received(&self, _charger: ChargerKey, _at: UnixMs, _frame: &str) -> u64 {
        0
    }

    fn sent(&self, _charger: ChargerKey, _at: UnixMs, _frame: &str) {}

    fn sign_certificate(
        &self,
        _charger: ChargerKey,
        _profile: SecurityProfile,
        _payload: &str,
    ) -> Result<(), String> {
        Err("nobody signs here".to_owned())
    }

    fn note(&self, event: GatewayEvent) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

impl Register {
    fn take(&self, delivery: Delivery) {
        if let Some(answer) = delivery.answer {
            let _ = answer.send(Answer {
                transaction: TransactionId(5),
                token_accepted: true,
                token: None,
            });
        }
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.extend(delivery.events.into_iter().map(|event| (delivery.epoch, event)));
    }

    pub(crate) fn events(&self) -> Vec<(u64, EventKind)> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn hellos(&self) -> Vec<Hello> {
        self.hellos.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn notes(&self) -> Vec<GatewayEvent> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many events of a kind were delivered.
    pub(crate) async fn wait_for_count(&self, count: usize, wanted: impl Fn(&EventKind) -> bool) {
        let found = async {
            while self.events().iter().filter(|(_, event)| wanted(event)).count() < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, found).await.expect("the events come");
    }

    /// Waits until an event of this kind was delivered, and gives its connection.
    pub(crate) async fn wait_for(&self, wanted: impl Fn(&EventKind) -> bool) -> (u64, EventKind) {
        let found = async {
            loop {
                if let Some(found) = self.events().into_iter().find(|(_, event)| wanted(event)) {
                    return found;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, found).await.expect("the event comes")
    }
}

/// A plain listener on a port of the system's choice.
pub(crate) fn any_port() -> ListenerSettings {
    ListenerSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..ListenerSettings::default()
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) register: Arc<Register>,
    pub(crate) registry: Registry,
    pub(crate) book: mendpoint_gateway::AddressBook,
    pub(crate) certificates: mendpoint_gateway::Certificates,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) task: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(GatewaySettings::default(), Register::default())
    }

    pub(crate) fn with(settings: GatewaySettings, register: Register) -> Self {
        Self::on(GatewaySettings { listeners: vec![any_port()], ..settings }, register)
    }

    /// On listeners of its own.
    pub(crate) fn on(settings: GatewaySettings, register: Register) -> Self {
        let register = Arc::new(register);
        let registry = Registry::new();
        let gateway =
            Gateway::bind(settings, Arc::clone(&register), &registry).expect("a free port");
        let (stop, stopped) = watch::channel(false);
        let (address, book) = (gateway.local_addr(), gateway.address_book());
        let certificates = gateway.certificates();
        let task = tokio::spawn(gateway.run(stopped));
        Self { address, register, registry, book, certificates, stop, task }
    }

    pub(crate) async fn connect(&self, path: &str, protocols: Option<&str>) -> Charger {
        self.connect_as(path, protocols).await.expect("connects")
    }

    pub(crate) async fn connect_as(
        &self,
        path: &str,
        protocols: Option<&str>,
    ) -> Result<Charger, tokio_tungstenite::tungstenite::Error> {
        let mut request =
            format!("ws://{}/{path}", self.address).into_client_request().expect("an address");
        if let Some(protocols) = protocols {
            let value = HeaderValue::from_str(protocols).expect("a header");
            request.headers_mut().insert("Sec-WebSocket-Protocol", value);
        }
        Ok(connect_async(request).await?.0)
    }

    pub(crate) async fn connect_with(&self, path: &str, header: (&'static str, &str)) -> Charger {
        let mut request =
            format!("ws://{}/{path}", self.address).into_client_request().expect("an address");
        let headers = request.headers_mut();
        headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static("ocpp1.6"));
        headers.insert(header.0, HeaderValue::from_str(header.1).expect("a header"));
        connect_async(request).await.expect("connects").0
    }

    /// Connects from another address of this machine, as another host would.
    pub(crate) async fn connect_from(
        &self,
        host: u8,
        path: &str,
    ) -> Result<WebSocketStream<TcpStream>, String> {
        let stream = from_host(host, self.address).await;
        let mut request =
            format!("ws://{}/{path}", self.address).into_client_request().expect("an address");
        let headers = request.headers_mut();
        headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static("ocpp1.6"));
        let connected = tokio_tungstenite::client_async(request, stream).await;
        connected.map(|(charger, _)| charger).map_err(|error| error.to_string())
    }

    /// Sends bytes as they are and reads until the server closes.
    pub(crate) async fn talk(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("connects");
        stream.write_all(request.as_bytes()).await.expect("writes");
        let mut heard = Vec::new();
        let read = timeout(SOON, stream.read_to_end(&mut heard)).await;
        read.expect("the server closes").expect("reads");
        String::from_utf8(heard).expect("text")
    }

    /// An upgrade request with more headers.
    pub(crate) async fn ask(&self, path: &str, headers: &str) -> String {
        self.talk(&format!(
            "GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: ocpp1.6\r\n{headers}\r\n"
        ))
        .await
    }

    /// The value of a metric line that begins so.
    pub(crate) fn metric(&self, beginning: &str) -> Option<f64> {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).ok()?;
        text.lines().find_map(|line| line.strip_prefix(beginning)?.trim().parse().ok())
    }
}

pub(crate) async fn hear(charger: &mut Charger) -> String {
    loop {
        let message = timeout(SOON, charger.next()).await.expect("in time").expect("open");
        match message.expect("no error") {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) => {}
            other => panic!("expected a text, got {other:?}"),
        }
    }
}

pub(crate) async fn hear_close(charger: &mut Charger) -> (u16, String) {
    loop {
        let message = timeout(SOON, charger.next()).await.expect("in time").expect("open");
        if let Message::Close(frame) = message.expect("no error") {
            let frame = frame.expect("a code");
            // Our answer to the close leaves with the next read.
            let end = timeout(SOON, charger.next()).await.expect("in time");
            assert!(end.is_none(), "{end:?}");
            return (frame.code.into(), frame.reason.to_string());
        }
    }
}

/// A connection from another address of this machine.
pub(crate) async fn from_host(host: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).expect("an address of its own");
    socket.connect(to).await.expect("connects")
}
