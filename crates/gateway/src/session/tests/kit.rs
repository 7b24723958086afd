//! A charger at one end of a pipe, a session at the other, and an intake that remembers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use mendpoint_model::{
    Action, ChargerKey, Command, CommandAnswered, CommandId, Disconnected, EventKind, Origin,
    Protocol, SecurityProfile, SiteKey, TransactionId, UnixMs,
};
use mendpoint_ocpp::BootStatus;
use smallvec::smallvec;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::address_book::Mailbox;
use crate::clock::Clock;
use crate::intake::{Admit, Admitted, Answer, Delivery, GatewayEvent, Hello, Intake, SignOfLife};
use crate::listener::Shared;
use crate::metered::Metered;
use crate::metrics::Metrics;
use crate::session::{Session, SessionStart};
use crate::{AddressBook, GatewaySettings};

/// The charger of these tests.
pub(super) const CHARGER: ChargerKey = ChargerKey(7);
/// A transaction number to recognise.
pub(super) const TRANSACTION: TransactionId = TransactionId(4_711);

/// An intake that remembers everything and answers when it is told to.
#[derive(Debug, Default)]
pub(super) struct FakeIntake {
    pub(super) hold_answers: bool,
    deliveries: Mutex<Vec<Delivery>>,
    /// The frame log: direction and text, in the order on the wire.
    frames: Mutex<Vec<(&'static str, String)>>,
    held: Mutex<Vec<oneshot::Sender<Answer>>>,
    pub(super) notes: Mutex<Vec<GatewayEvent>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) const ANSWER: Answer =
    Answer { transaction: TRANSACTION, token_accepted: true, token: None };

impl Intake for FakeIntake {
    async fn admit(&self, _hello: Hello) -> Admit {
        Admit::Unknown
    }

    fn try_deliver(&self, mut delivery: Delivery) -> Result<(), Delivery> {
        if let Some(answer) = delivery.answer.take() {
            if self.hold_answers {
                lock(&self.held).push(answer);
            } else {
                let _ = answer.send(ANSWER);
            }
        }
        lock(&self.deliveries).push(delivery);
        Ok(())
    }

    fn heard(&self, sign: SignOfLife) -> bool {
        let SignOfLife { charger, site, epoch, received_at, frame } = sign;
        lock(&self.deliveries).push(Delivery {
            charger,
            site,
            epoch,
            received_at,
            frame,
            events: smallvec![EventKind::Heartbeat],
            quirks: Vec::new(),
            sample: None,
            answer: None,
        });
        true
    }

    async fn deliver(&self, delivery: Delivery) {
        assert!(self.try_deliver(delivery).is_ok(), "there is always room");
    }

    fn received(&self, _charger: ChargerKey, _at: UnixMs, frame: &str) -> u64 {
        let mut frames = lock(&self.frames);
        frames.push(("in", frame.to_owned()));
        frames.len() as u64
    }

    fn sent(&self, _charger: ChargerKey, _at: UnixMs, frame: &str) {
        lock(&self.frames).push(("out", frame.to_owned()));
    }

    fn sign_certificate(
        &self,
        _charger: ChargerKey,
        _profile: SecurityProfile,
        payload: &str,
    ) -> Result<(), String> {
        if payload.contains("good") { Ok(()) } else { Err("not good".to_owned()) }
    }

    fn note(&self, event: GatewayEvent) {
        lock(&self.notes).push(event);
    }
}

impl FakeIntake {
    /// Everything delivered, in words.
    pub(super) fn told(&self) -> Vec<String> {
        lock(&self.deliveries).iter().map(|it| format!("{:?}", it.events)).collect()
    }
}

/// The pair.
pub(super) struct Pair {
    pub(super) charger: WebSocketStream<DuplexStream>,
    pub(super) intake: Arc<FakeIntake>,
    pub(super) shared: Arc<Shared<FakeIntake>>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) session: JoinHandle<()>,
    pub(super) task_bytes: usize,
    commands: u32,
    epoch: u64,
    heartbeat_interval_s: u32,
}

/// How a pair is to be.
#[derive(Default)]
pub(super) struct With {
    pub(super) settings: GatewaySettings,
    pub(super) hold_answers: bool,
    pub(super) boot: BootStatus,
    pub(super) strict: bool,
    pub(super) profile: SecurityProfile,
    pub(super) pipe_bytes: Option<usize>,
    /// OCPP 1.6 when left out.
    pub(super) protocol: Option<Protocol>,
    /// 300 when left out.
    pub(super) heartbeat_interval_s: Option<u32>,
}

/// A session that was just started, and the other end of its pipe.
struct Running {
    charger: WebSocketStream<DuplexStream>,
    mailbox: Arc<Mailbox>,
    session: JoinHandle<()>,
    task_bytes: usize,
}

/// Starts a session as the handshake does.
async fn run(
    shared: &Arc<Shared<FakeIntake>>,
    admitted: Admitted,
    protocol: Protocol,
    pipe_bytes: usize,
) -> Running {
    let (ours, theirs) = tokio::io::duplex(pipe_bytes);
    let remote: SocketAddr = "192.0.2.7:1234".parse().expect("an address");
    let queue = shared.book.metrics().clone();
    let queue_max = shared.settings.command_queue_max;
    let mailbox = Mailbox::new(admitted.epoch, remote, admitted.boot, queue_max, queue);
    let mailbox = Arc::new(mailbox);
    shared.book.register(CHARGER, &mailbox);
    let start = SessionStart {
        admitted,
        protocol,
        replaced: false,
        certificate_ends: None,
        mailbox: Arc::clone(&mailbox),
    };
    let stream = Metered::new(ours, shared.settings.max_message_bytes);
    let config = Some(shared.settings.websocket());
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, config).await;
    let (alive, _) = mpsc::channel(1);
    let task = Session::new(socket, Arc::clone(shared), start, alive).run();
    let task_bytes = size_of_val(&task);
    let session = tokio::spawn(task);
    let charger = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    Running { charger, mailbox, session, task_bytes }
}

impl Pair {
    pub(super) async fn new() -> Self {
        Self::with(With::default()).await
    }

    pub(super) async fn with(with: With) -> Self {
        let intake =
            Arc::new(FakeIntake { hold_answers: with.hold_answers, ..FakeIntake::default() });
        let clock = Clock::Virtual(Instant::now());
        let book = AddressBook::new();
        let registry = prometheus::Registry::new();
        let metrics = Metrics::new(&registry, &book).expect("a fresh registry");
        let shared =
            Arc::new(Shared::new(Arc::clone(&intake), with.settings, metrics, book, clock));
        let heartbeat_interval_s = with.heartbeat_interval_s.unwrap_or(300);
        let admitted = Admitted {
            charger: CHARGER,
            site: SiteKey(1),
            boot: with.boot,
            epoch: 1,
            heartbeat_interval_s,
            strict: with.strict,
            profile: with.profile,
        };
        let protocol = with.protocol.unwrap_or(Protocol::V16);
        let running = run(&shared, admitted, protocol, with.pipe_bytes.unwrap_or(64 << 10)).await;
        let Running { charger, mailbox, session, task_bytes } = running;
        let epoch = 1;
        Self {
            charger,
            intake,
            shared,
            mailbox,
            session,
            task_bytes,
            commands: 0,
            epoch,
            heartbeat_interval_s,
        }
    }

    /// The network takes the connection away, and the charger connects anew.
    pub(super) async fn reconnect(&mut self) {
        self.epoch += 1;
        let admitted = Admitted {
            charger: CHARGER,
            site: SiteKey(1),
            boot: BootStatus::Accepted,
            epoch: self.epoch,
            heartbeat_interval_s: self.heartbeat_interval_s,
            strict: false,
            profile: SecurityProfile::default(),
        };
        let (nobody, _) = tokio::io::duplex(1);
        self.charger = WebSocketStream::from_raw_socket(nobody, Role::Client, None).await;
        self.settle().await;
        let running = run(&self.shared, admitted, Protocol::V16, 64 << 10).await;
        (self.charger, self.mailbox, self.session) =
            (running.charger, running.mailbox, running.session);
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.charger.send(Message::text(text)).await.expect("the session reads");
    }

    /// The next text; pings are answered on the way.
    pub(super) async fn hear(&mut self) -> String {
        loop {
            match self.next().await {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) => {}
                other => panic!("expected a text, got {other:?}"),
            }
        }
    }

    pub(super) async fn next(&mut self) -> Message {
        let message = timeout(Duration::from_hours(1), self.charger.next()).await;
        message.expect("within an hour").expect("still open").expect("no error")
    }

    /// That nothing comes for a second.
    pub(super) async fn hear_nothing(&mut self) {
        let heard = timeout(Duration::from_secs(1), self.charger.next()).await;
        assert!(heard.is_err(), "expected silence, got {heard:?}");
    }

    /// The code and reason of the close that comes next.
    pub(super) async fn hear_close(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Message::Close(frame) => {
                    let frame = frame.expect("a close with a code");
                    return (frame.code.into(), frame.reason.to_string());
                }
                Message::Ping(_) | Message::Text(_) => {}
                other => panic!("expected a close, got {other:?}"),
            }
        }
    }

    /// Lets the session take in what it was sent.
    pub(super) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// Releases the held answers, all of them.
    pub(super) fn release(&self) {
        for answer in lock(&self.intake.held).drain(..) {
            let _ = answer.send(ANSWER);
        }
    }

    /// Lets the first held answer go without a word.
    pub(super) fn drop_answer(&self) {
        lock(&self.intake.held).remove(0);
    }

    pub(super) fn held(&self) -> usize {
        lock(&self.intake.held).len()
    }

    /// Queues a Reset and tells its id.
    pub(super) fn command(&mut self) -> String {
        self.command_of(Action::Reset { hard: false, evse: None })
    }

    pub(super) fn command_of(&mut self, action: Action) -> String {
        self.commands += 1;
        let id = format!("c{}", self.commands);
        let now = self.shared.clock.now();
        let command = Command {
            id: CommandId(id.as_str().into()),
            charger: CHARGER,
            action,
            origin: Origin::System,
            created_at: now,
            timeout_ms: 30_000,
            not_after: now + 60_000,
        };
        self.shared.book.send(command).expect("the queue has room");
        id
    }

    /// Everything delivered so far, as events, without the connect.
    pub(super) fn events(&self) -> Vec<EventKind> {
        let deliveries = lock(&self.intake.deliveries);
        let all = deliveries.iter().flat_map(|delivery| delivery.events.iter());
        all.filter(|event| !matches!(event, EventKind::Connected(_))).cloned().collect()
    }

    pub(super) fn outcomes(&self) -> Vec<CommandAnswered> {
        self.events()
            .into_iter()
            .filter_map(|event| match event {
                EventKind::CommandAnswered(answered) => Some(answered),
                _ => None,
            })
            .collect()
    }

    pub(super) fn disconnected(&self) -> Option<Disconnected> {
        self.events().into_iter().find_map(|event| match event {
            EventKind::Disconnected(disconnected) => Some(disconnected),
            _ => None,
        })
    }

    /// What the frame log holds: direction and text, in the order on the wire.
    pub(super) fn log(&self) -> Vec<(&'static str, String)> {
        lock(&self.intake.frames).clone()
    }

    pub(super) fn now(&self) -> UnixMs {
        self.shared.clock.now()
    }
}
