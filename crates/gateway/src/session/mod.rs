//! One charger's connection: a small task that reads, answers and sends our commands.
//!
//! The task holds the socket whole and is the only one that writes to it; everything is done by
//! plain functions between two waits, so that an idle connection keeps little memory.

mod calls;
mod certificates;
mod commands;
mod ending;
mod liveness;
mod pace;
mod recent;
mod sampler;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream};
use mendpoint_model::{
    ChargerKey, Connected, Disconnected, EventKind, Protocol, SecurityProfile, SiteKey, UnixMs,
};
use prometheus::IntGauge;
use smallvec::{SmallVec, smallvec};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::AddressBook;
use crate::address_book::Mailbox;
use crate::intake::{Admitted, Answer, Delivery, Intake};
use crate::listener::Shared;
use crate::metered::Metered;

use self::calls::Pending;
use self::commands::Commands;
pub(crate) use self::ending::close_politely;
use self::ending::{Ending, Phase};
pub(crate) use self::liveness::PingMemory;
use self::liveness::{Liveness, Verdict};
use self::pace::Pace;
use self::recent::Recent;
use self::sampler::Sampler;

/// Held by every session; when all are dropped the gateway has drained.
pub(crate) type Alive = mpsc::Sender<()>;

/// What the handshake found out.
pub(crate) struct SessionStart {
    pub(crate) admitted: Admitted,
    pub(crate) protocol: Protocol,
    pub(crate) replaced: bool,
    /// When the certificate that the charger showed ends.
    pub(crate) certificate_ends: Option<UnixMs>,
    pub(crate) mailbox: Arc<Mailbox>,
}

/// A running connection.
pub(crate) struct Session<S, I> {
    socket: WebSocketStream<Metered<S>>,
    gateway: Arc<Shared<I>>,
    mailbox: Arc<Mailbox>,
    charger: ChargerKey,
    site: SiteKey,
    epoch: u64,
    protocol: Protocol,
    heartbeat_interval_s: u32,
    strict: bool,
    profile: SecurityProfile,
    replaced: bool,
    certificate_ends: Option<UnixMs>,
    /// Whether a boot came over this connection: calls are gated only after one (behaviour 50).
    boot_seen: bool,
    /// Whether a message of this connection was delivered whole.
    is_introduced: bool,
    /// Something was written that has not left.
    needs_flush: bool,
    phase: Phase,
    /// Calls whose answer has not been written, in their order (behaviour 27).
    pending: VecDeque<Pending>,
    recent: Recent,
    sampler: Sampler,
    commands: Commands,
    /// Commands may wait in the mailbox.
    has_mail: bool,
    liveness: Liveness,
    pace: Pace,
    timer: Pin<Box<Sleep>>,
    /// What it is set to, once it was asked since: it will wake the task.
    timer_set_to: Option<Instant>,
    /// What the intake had no room for; empty, without memory, between turns.
    outbox: Vec<Delivery>,
    /// Set when the connection cannot go on.
    ending: Option<Box<Ending>>,
    registration: Option<Registration>,
    _alive: Alive,
}

/// The session's entry in the address book and in the gauge; taken out when dropped, so that even
/// a task that panicked leaves no charger behind that looks connected.
struct Registration {
    book: AddressBook,
    gauge: IntGauge,
    mailbox: Arc<Mailbox>,
    charger: ChargerKey,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.book.unregister(self.charger, self.mailbox.epoch);
        self.gauge.dec();
    }
}

/// Why the task woke up.
enum Wake {
    /// Something is in the mailbox.
    Mail,
    /// The first pending call may be answered; `None`: there will be no answer.
    Answer(Option<Answer>),
    /// A deadline.
    Timer,
    /// A message came.
    Message(Message),
    /// The socket failed.
    Broken(SocketError),
    /// The closing handshake is over.
    Gone,
}

type Delivering<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl<S, I> Session<S, I>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    I: Intake,
{
    /// A session for a socket whose handshake is done.
    pub(crate) fn new(
        socket: WebSocketStream<Metered<S>>,
        gateway: Arc<Shared<I>>,
        start: SessionStart,
        alive: Alive,
    ) -> Self {
        let SessionStart { admitted, protocol, replaced, certificate_ends, mailbox } = start;
        let now = Instant::now();
        let liveness = Liveness::new(
            now,
            gateway.settings.ping_interval(),
            gateway.pings.are_off(admitted.charger),
            admitted.heartbeat_interval_s,
            u64::from(admitted.charger.0) ^ admitted.epoch.rotate_left(32),
        );
        let timer = Box::pin(sleep_until(liveness.next_deadline(now)));
        gateway.metrics.sessions.inc();
        let registration = Registration {
            book: gateway.book.clone(),
            gauge: gateway.metrics.sessions.clone(),
            mailbox: Arc::clone(&mailbox),
            charger: admitted.charger,
        };
        Self {
            socket,
            gateway,
            mailbox,
            charger: admitted.charger,
            site: admitted.site,
            epoch: admitted.epoch,
            protocol,
            heartbeat_interval_s: admitted.heartbeat_interval_s,
            strict: admitted.strict,
            profile: admitted.profile,
            replaced,
            certificate_ends,
            boot_seen: false,
            is_introduced: false,
            needs_flush: false,
            phase: Phase::Open,
            pending: VecDeque::new(),
            recent: Recent::default(),
            sampler: Sampler::default(),
            commands: Commands::default(),
            // What was sent between the entry in the book and now.
            has_mail: true,
            liveness,
            pace: Pace::new(now),
            timer,
            timer_set_to: None,
            outbox: Vec::new(),
            ending: None,
            registration: Some(registration),
            _alive: alive,
        }
    }

    /// Runs until the connection has ended and that has been told.
    #[expect(clippy::manual_async_fn, reason = "an async fn keeps its argument twice: 860 bytes")]
    pub(crate) fn run(mut self) -> impl Future<Output = ()> + Send {
        async move {
            self.tell_connected();
            loop {
                self.hand_over().await;
                if self.ending.is_some() {
                    break;
                }
                let wake = poll_fn(|cx| self.poll_wake(cx)).await;
                self.on_wake(wake);
            }
            // First out of the book, so that nobody sends to a session that no longer looks.
            self.registration = None;
            self.tell_disconnected();
            self.hand_over().await;
            self.say_goodbye().await;
            self.count_bytes();
        }
    }

    /// Waits with what the intake had no room for. Boxed one by one: a delivery is large, and idle
    /// tasks, which have none, are many.
    async fn hand_over(&mut self) {
        while !self.outbox.is_empty() {
            let delivery = self.outbox.remove(0);
            self.start_delivering(delivery).await;
            self.socket.get_mut().was_not_listened_to();
        }
        if self.outbox.capacity() > 0 {
            // Not even an empty vector's capacity is kept.
            self.outbox = Vec::new();
        }
    }

    fn start_delivering(&self, delivery: Delivery) -> Delivering<'_> {
        Box::pin(self.gateway.intake.deliver(delivery))
    }

    /// Waits for whatever comes first. Order matters: orders and answers before more reading. What
    /// only must be heard of while there is nothing to read is asked last: a message costs no
    /// waking call that way, and no socket can be read for ever without a pause.
    fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<Wake> {
        if self.mailbox.take_changed() {
            return Poll::Ready(Wake::Mail);
        }
        if let Some(Pending::Waiting { answer, .. }) = self.pending.front_mut()
            && let Poll::Ready(answer) = Pin::new(answer).poll(cx)
        {
            return Poll::Ready(Wake::Answer(answer.ok()));
        }
        if let Poll::Ready(wake) = self.poll_socket(cx) {
            return Poll::Ready(wake);
        }
        if self.poll_timer(cx).is_ready() {
            return Poll::Ready(Wake::Timer);
        }
        if self.mailbox.poll_changed(cx.waker()) {
            return Poll::Ready(Wake::Mail);
        }
        Poll::Pending
    }

    /// Asks the timer only when it is due: until then it is set, and will wake the task.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer_set_to.is_some_and(|at| Instant::now() < at) {
            return Poll::Pending;
        }
        let due = self.timer.as_mut().poll(cx);
        self.timer_set_to = due.is_pending().then(|| self.timer.deadline());
        due
    }

    /// What was written leaves before more is read, which makes a slow reader slow for itself.
    fn poll_socket(&mut self, cx: &mut Context<'_>) -> Poll<Wake> {
        if self.needs_flush {
            match ready!(Pin::new(&mut self.socket).poll_flush(cx)) {
                Ok(()) => self.needs_flush = false,
                Err(error) => return Poll::Ready(Wake::Broken(error)),
            }
        }
        if !self.may_read() {
            return Poll::Pending;
        }
        Poll::Ready(match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
            Some(Ok(message)) => Wake::Message(message),
            Some(Err(error)) => Wake::Broken(error),
            None => Wake::Gone,
        })
    }

    /// Whether more may be read: not while the charger is owed too many answers, and not while the
    /// last of them leave before we close.
    fn may_read(&self) -> bool {
        match self.phase {
            Phase::Open => {
                self.pending.len() < self.gateway.settings.pending_answers_max
                    && self.paused_until().is_none()
            }
            Phase::Draining { .. } => false,
            Phase::Closing { .. } => true,
        }
    }

    /// When more may be read, of a charger that floods (behaviour 39). The clock is asked only when
    /// the time of the last bytes does not settle it.
    fn paused_until(&self) -> Option<Instant> {
        let each = self.gateway.settings.message_time();
        self.pace.wait_until(self.socket.get_ref().last_heard(), each)?;
        self.pace.wait_until(Instant::now(), each)
    }

    fn on_wake(&mut self, wake: Wake) {
        match wake {
            Wake::Message(message) => self.on_message(message),
            Wake::Answer(answer) => self.on_answer(answer),
            Wake::Mail => self.on_mail(),
            Wake::Timer => self.on_timer(),
            Wake::Broken(error) => self.on_broken(&error),
            Wake::Gone => self.end(Ending::closed_by_charger(None)),
        }
        self.go_on_closing();
        self.send_commands();
    }

    fn on_message(&mut self, message: Message) {
        if message.is_text() || message.is_binary() {
            self.socket.get_mut().message_ended();
        }
        match message {
            Message::Text(text) if self.phase.is_open() => {
                self.liveness.heard_message();
                self.take_pace();
                self.on_text(text.as_str());
            }
            Message::Binary(_) if self.phase.is_open() => {
                // Behaviour 36: OCPP-J is text; said politely, and nothing is forgotten.
                self.note_protocol_error("a binary frame: OCPP-J is text");
                self.start_closing(1003, "OCPP-J messages are text frames");
            }
            Message::Pong(_) => {
                if self.liveness.heard_pong() {
                    self.gateway.pings.forget(self.charger);
                }
            }
            Message::Close(frame) => {
                let ending = Ending::closed_by_charger(frame.as_ref());
                self.phase.remember(ending);
            }
            // Pings are answered by the library at the next read; what comes after we said that
            // we close is not taken in.
            Message::Ping(_) | Message::Frame(_) | Message::Text(_) | Message::Binary(_) => {}
        }
    }

    /// Counts a message, and sets the timer when it was one too many for now.
    fn take_pace(&mut self) {
        let heard = self.socket.get_ref().last_heard();
        self.pace.took(heard, self.gateway.settings.message_time());
        if self.paused_until().is_some() {
            self.gateway.metrics.slowed_down.inc();
            self.arm_timer();
        }
    }

    fn on_mail(&mut self) {
        self.has_mail = true;
        if let Some(request) = self.mailbox.close_request() {
            self.on_close_request(request);
        }
        self.arm_timer();
    }

    fn on_timer(&mut self) {
        let now = Instant::now();
        self.count_bytes();
        self.on_phase_timer(now);
        self.on_command_timer(now);
        if self.phase.is_open() {
            if !self.may_read() {
                self.socket.get_mut().was_not_listened_to();
            }
            match self.liveness.on_timer(now, self.socket.get_ref().last_heard()) {
                Verdict::Fine => {}
                Verdict::Ping => self.write(Message::Ping(bytes::Bytes::new())),
                Verdict::PingsStopped => {
                    self.gateway.metrics.pings_disabled.inc();
                    self.gateway.pings.switch_off(self.charger);
                }
                Verdict::Dead => {
                    self.gateway.metrics.dead_peers.inc();
                    if self.liveness.never_answered() {
                        // Behaviours 7 and 9: it may be alive and never answer pings.
                        self.gateway.pings.strike(self.charger);
                    }
                    let why = if self.liveness.pings() { "no answer to pings" } else { "silence" };
                    self.end(Ending::dead(why));
                }
            }
        }
        self.arm_timer();
    }

    /// Sets the timer to the earliest deadline. Never called for an ordinary message: what those
    /// change, the timer finds out when it comes (a lazy deadline costs nothing to move).
    fn arm_timer(&mut self) {
        let now = Instant::now();
        let mut deadline = self.liveness.next_deadline(self.socket.get_ref().last_heard());
        for other in [
            self.phase.deadline(),
            self.commands.deadline(),
            self.mailbox.first_expiry().map(|at| now + self.until(at)),
            self.paused_until(),
        ]
        .into_iter()
        .flatten()
        {
            deadline = deadline.min(other);
        }
        self.timer.as_mut().reset(deadline);
        self.timer_set_to = None;
    }

    fn until(&self, at: UnixMs) -> std::time::Duration {
        let ms = at.since_ms(self.gateway.clock.now()).max(0);
        std::time::Duration::from_millis(ms as u64)
    }

    /// Puts a message into the write buffer; it leaves before the next read.
    fn write(&mut self, message: Message) {
        if !self.phase.can_write() {
            return;
        }
        match Pin::new(&mut self.socket).start_send(message) {
            Ok(()) => self.needs_flush = true,
            Err(error) => self.on_broken(&error),
        }
    }

    /// Writes a frame and keeps it in the frame log.
    fn write_text(&mut self, text: String, at: UnixMs) {
        self.gateway.intake.sent(self.charger, at, &text);
        self.write(Message::Text(text.into()));
    }

    /// Hands something to the intake; what it has no room for waits for [`Session::hand_over`].
    fn deliver(&mut self, delivery: Delivery) {
        if !self.outbox.is_empty() {
            return self.outbox.push(delivery);
        }
        if let Err(delivery) = self.gateway.intake.try_deliver(delivery) {
            self.outbox.reserve_exact(1);
            self.outbox.push(delivery);
        }
    }

    /// A delivery of this session with nothing in it.
    fn delivery(&self, received_at: UnixMs) -> Delivery {
        Delivery {
            charger: self.charger,
            site: self.site,
            epoch: self.epoch,
            received_at,
            frame: 0,
            events: SmallVec::new(),
            quirks: Vec::new(),
            sample: None,
            answer: None,
        }
    }

    fn tell_connected(&mut self) {
        let connected = EventKind::Connected(Connected {
            protocol: self.protocol,
            remote: self.mailbox.remote.to_string(),
            replaced: self.replaced,
            certificate_ends: self.certificate_ends,
        });
        let delivery = self.delivery(self.gateway.clock.now());
        self.deliver(Delivery { events: smallvec![connected], ..delivery });
    }

    fn tell_disconnected(&mut self) {
        self.abandon_commands();
        let ending = self.ending.clone().map_or_else(Ending::lost, |ending| *ending);
        if ending.by_peer && self.liveness.was_just_pinged(Instant::now()) {
            // Behaviour 7: some chargers drop the socket when they are pinged.
            self.gateway.pings.strike(self.charger);
        }
        let disconnected = EventKind::Disconnected(Disconnected {
            reason: ending.reason.into_owned(),
            replaced: ending.replaced,
        });
        let delivery = self.delivery(self.gateway.clock.now());
        self.deliver(Delivery { events: smallvec![disconnected], ..delivery });
    }

    fn count_bytes(&mut self) {
        let (received, sent) = self.socket.get_mut().take_bytes();
        self.gateway.metrics.received_bytes.inc_by(received);
        self.gateway.metrics.sent_bytes.inc_by(sent);
    }
}
