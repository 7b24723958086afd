//! One charger that makes load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use mendpoint_model::UnixMs;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::bare::socket_config;
use super::frames::{Heard, Kind, now, read_frame, write_frame};
use super::tls::Wire;
use super::{LoadOptions, Pace};

/// Attempts a charger makes to connect.
const ATTEMPTS: u32 = 5;
/// How long one attempt may take.
const ATTEMPT_TIME: Duration = Duration::from_secs(30);
/// Histograms that share the recording, so that chargers do not wait for each other.
const SHARDS: usize = 16;

/// Why a charger stopped early.
pub(super) type Trouble = String;

type Socket = WebSocketStream<Box<dyn Wire>>;

/// What all chargers share.
pub(super) struct Shared {
    pub(super) options: LoadOptions,
    pub(super) address: std::net::SocketAddr,
    /// For an encrypted server.
    pub(super) tls: Option<TlsConnector>,
    pub(super) connecting: Semaphore,
    /// Set once: when sending begins, and when it ends.
    pub(super) begin: watch::Receiver<Option<(Instant, Instant)>>,
    /// Messages that are due, a semaphore for every charger (open loop).
    pub(super) due: Vec<Semaphore>,
    /// What is written as the time of a message; a second old at most.
    pub(super) clock_ms: AtomicU64,
    pub(super) settled: AtomicUsize,
    pub(super) connected: AtomicUsize,
    pub(super) connect_errors: AtomicU64,
    pub(super) call_errors: AtomicU64,
    pub(super) in_flight: AtomicUsize,
    pub(super) lost: AtomicU64,
    pub(super) over: AtomicBool,
    last_error: Mutex<Trouble>,
    latencies: Vec<Mutex<Histogram<u64>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(
        options: LoadOptions,
        address: std::net::SocketAddr,
        tls: Option<TlsConnector>,
        begin: watch::Receiver<Option<(Instant, Instant)>>,
    ) -> Self {
        let shards =
            if matches!(options.pace, Pace::OpenLoop { .. }) { options.chargers } else { 0 };
        Self {
            address,
            tls,
            connecting: Semaphore::new(options.connecting_max.max(1)),
            begin,
            due: (0..shards).map(|_| Semaphore::new(0)).collect(),
            clock_ms: AtomicU64::new(now().0 as u64),
            settled: AtomicUsize::new(0),
            connected: AtomicUsize::new(0),
            connect_errors: AtomicU64::new(0),
            call_errors: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            over: AtomicBool::new(false),
            last_error: Mutex::default(),
            latencies: (0..SHARDS).map(|_| Mutex::new(empty_histogram())).collect(),
            options,
        }
    }

    /// When the `count`th message of a charger is due in an open loop: they take turns.
    pub(super) fn due_after(&self, charger: usize, count: u64, messages_per_s: f64) -> Duration {
        let turn = count as f64 * self.options.chargers as f64 + charger as f64;
        Duration::from_secs_f64(turn / messages_per_s)
    }

    /// All that was recorded.
    pub(super) fn histogram(&self) -> Histogram<u64> {
        let mut all = empty_histogram();
        for shard in &self.latencies {
            // All are made alike, so that adding cannot fail.
            let _ = all.add(&*lock(shard));
        }
        all
    }

    pub(super) fn last_error(&self) -> Trouble {
        lock(&self.last_error).clone()
    }

    fn note(&self, trouble: Trouble) {
        *lock(&self.last_error) = trouble;
    }

    fn clock(&self) -> UnixMs {
        UnixMs(self.clock_ms.load(Ordering::Relaxed) as i64)
    }
}

/// From 1 ns to 10 minutes with three digits.
fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_max(600_000_000_000, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are constants that fit"))
}

/// A connected charger.
struct Charger {
    number: usize,
    shared: Arc<Shared>,
    socket: Socket,
    next_id: u64,
    frame: String,
}

/// Connects, boots, reports, waits for the start, and sends until the end.
pub(super) async fn run(number: usize, shared: Arc<Shared>) {
    let charger = connect(number, &shared).await;
    if charger.is_some() {
        shared.connected.fetch_add(1, Ordering::Relaxed);
    }
    shared.settled.fetch_add(1, Ordering::Release);
    let Some(mut charger) = charger else { return };
    if let Err(trouble) = charger.live().await
        && !shared.over.load(Ordering::Relaxed)
    {
        shared.lost.fetch_add(1, Ordering::Relaxed);
        shared.note(trouble);
    }
    // Whether the server agrees to part does not matter.
    let _ = timeout(Duration::from_secs(1), charger.socket.close(None)).await;
}

/// Connects and makes itself known, in a few attempts.
async fn connect(number: usize, shared: &Arc<Shared>) -> Option<Charger> {
    let _permit = shared.connecting.acquire().await.ok()?;
    for attempt in 1..=ATTEMPTS {
        let tried = timeout(ATTEMPT_TIME, introduce(number, shared)).await;
        match tried.unwrap_or_else(|_| Err("no answer while connecting".to_owned())) {
            Ok(charger) => return Some(charger),
            Err(trouble) => {
                shared.connect_errors.fetch_add(1, Ordering::Relaxed);
                shared.note(trouble);
            }
        }
        if attempt < ATTEMPTS {
            sleep(Duration::from_millis(100) * attempt).await;
        }
    }
    None
}

async fn introduce(number: usize, shared: &Arc<Shared>) -> Result<Charger, Trouble> {
    let identity = shared.options.identity_of(number);
    let url = format!("{}/{identity}", shared.options.url.trim_end_matches('/'));
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static("ocpp1.6"));
    if let Some(password) = &shared.options.password {
        let pair = BASE64_STANDARD.encode(format!("{identity}:{password}"));
        let value = HeaderValue::from_str(&format!("Basic {pair}"));
        headers.insert("Authorization", value.map_err(|error| error.to_string())?);
    }
    let stream = TcpStream::connect(shared.address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let stream: Box<dyn Wire> = match &shared.tls {
        Some(tls) => {
            let name = ServerName::from(shared.address.ip());
            Box::new(tls.connect(name, stream).await.map_err(|error| error.to_string())?)
        }
        None => Box::new(stream),
    };
    let (socket, _) = client_async_with_config(request, stream, Some(socket_config()))
        .await
        .map_err(|error| error.to_string())?;
    let shared = Arc::clone(shared);
    let mut charger = Charger { number, shared, socket, next_id: 0, frame: String::new() };
    charger.ask(Kind::Boot).await?;
    charger.ask(Kind::Status).await?;
    charger.ask(Kind::Status).await?;
    Ok(charger)
}

impl Charger {
    /// Waits for the start, sends in its pace, and stays until the end.
    async fn live(&mut self) -> Result<(), Trouble> {
        let mut begin = self.shared.begin.clone();
        let (began, ends) = loop {
            let told = *begin.borrow_and_update();
            if let Some(times) = told {
                break times;
            }
            tokio::select! {
                changed = begin.changed() => changed.map_err(|_| "called off".to_owned())?,
                message = self.socket.next() => self.take(message.as_ref()).map(drop)?,
            }
        };
        sleep_until(began.into()).await;
        let shard = self.number % SHARDS;
        let shared = Arc::clone(&self.shared);
        for count in 0.. {
            let due = match shared.options.pace {
                Pace::Idle => return self.stay(ends).await,
                Pace::ClosedLoop => Instant::now(),
                Pace::OpenLoop { messages_per_s } => {
                    let due = began + shared.due_after(self.number, count, messages_per_s);
                    if due >= ends || !self.wait_until_due(&shared, ends).await? {
                        return self.stay(ends).await;
                    }
                    due
                }
            };
            if Instant::now() >= ends {
                return Ok(());
            }
            shared.in_flight.fetch_add(1, Ordering::Relaxed);
            let kind = shared.options.mix.kind(self.number, count);
            let asked = self.ask(kind).await;
            shared.in_flight.fetch_sub(1, Ordering::Relaxed);
            asked?;
            let took = due.elapsed().as_nanos();
            lock(&shared.latencies[shard])
                .saturating_record(u64::try_from(took).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Reads on until the next message is due; false when the run is over before.
    async fn wait_until_due(&mut self, shared: &Shared, ends: Instant) -> Result<bool, Trouble> {
        loop {
            tokio::select! {
                biased;
                permit = shared.due[self.number].acquire() => {
                    permit.map_err(|_| "called off".to_owned())?.forget();
                    return Ok(true);
                }
                message = self.socket.next() => { self.answer_if_asked(message).await?; }
                () = sleep_until(ends.into()) => return Ok(false),
            }
        }
    }

    /// Stays connected and answers until the end.
    async fn stay(&mut self, ends: Instant) -> Result<(), Trouble> {
        loop {
            tokio::select! {
                message = self.socket.next() => { self.answer_if_asked(message).await?; }
                () = sleep_until(ends.into()) => return Ok(()),
            }
        }
    }

    /// Sends one message and waits for its answer; requests of the server are refused meanwhile.
    async fn ask(&mut self, kind: Kind) -> Result<(), Trouble> {
        self.next_id += 1;
        let id = self.next_id;
        let mix = self.shared.options.mix;
        write_frame(&mut self.frame, kind, id, self.shared.clock(), mix);
        let message = Message::text(self.frame.as_str());
        self.socket.send(message).await.map_err(|error| error.to_string())?;
        loop {
            let message = self.socket.next().await;
            if self.answer_if_asked(message).await? == Some(id) {
                return Ok(());
            }
        }
    }

    /// Takes in a message: the number of ours that it answers, if it does; a request is refused.
    async fn answer_if_asked(&mut self, message: Received) -> Result<Option<u64>, Trouble> {
        match self.take(message.as_ref())? {
            Taken::Answer(id) => Ok(Some(id)),
            Taken::Nothing => Ok(None),
            Taken::Asked(id) => {
                let refusal = format!(r#"[4,"{id}","NotImplemented","",{{}}]"#);
                let sent = self.socket.send(Message::text(refusal)).await;
                sent.map(|()| None).map_err(|error| error.to_string())
            }
        }
    }

    fn take(&self, message: Option<&Result<Message, SocketError>>) -> Result<Taken, Trouble> {
        match message {
            Some(Ok(Message::Text(text))) => Ok(match read_frame(text.as_str()) {
                Heard::Result(id) => id.parse().map_or(Taken::Nothing, Taken::Answer),
                Heard::Error(id) => {
                    self.shared.call_errors.fetch_add(1, Ordering::Relaxed);
                    self.shared.note(text.to_string());
                    id.parse().map_or(Taken::Nothing, Taken::Answer)
                }
                Heard::Call(id) => Taken::Asked(id.to_owned()),
                Heard::Other => Taken::Nothing,
            }),
            Some(Ok(Message::Close(Some(frame)))) => {
                Err(format!("the server closed: {} {}", u16::from(frame.code), frame.reason))
            }
            Some(Ok(Message::Close(None))) | None => Err("the server closed".to_owned()),
            Some(Ok(_)) => Ok(Taken::Nothing),
            Some(Err(error)) => Err(error.to_string()),
        }
    }
}

type SocketError = tokio_tungstenite::tungstenite::Error;
type Received = Option<Result<Message, SocketError>>;

/// What a message meant.
enum Taken {
    /// The answer to a message of ours.
    Answer(u64),
    /// The server asks something.
    Asked(String),
    /// Nothing that matters here.
    Nothing,
}
