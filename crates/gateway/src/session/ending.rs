//! How connections end: by us, by the charger, or by accident.

use std::borrow::Cow;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use mendpoint_model::{EventKind, IdentityContest};
use smallvec::smallvec;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::address_book::{CloseHow, CloseRequest};
use crate::contest::ALIVE;
use crate::handshake::drain;
use crate::intake::{Delivery, GatewayEvent, Intake};
use crate::metered::{Metered, NoMessage};

use super::Session;

/// How long answers that are owed may take to leave before we close at a shutdown.
const DRAIN_TIME: Duration = Duration::from_secs(3);
/// How long the charger may take to answer our close.
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// How long a peer that broke the protocol may take to read why it is cut off.
const GOODBYE_TIME: Duration = Duration::from_secs(1);

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// In words for people.
    pub(crate) reason: Cow<'static, str>,
    /// Whether a newer connection took its place.
    pub(crate) replaced: bool,
    /// Whether the charger or the network ended it.
    pub(crate) by_peer: bool,
    /// A close frame that is still to be said, where the library can no longer do it in turn.
    last_words: Option<(u16, &'static str)>,
}

impl Ending {
    fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), replaced: false, by_peer: false, last_words: None }
    }

    pub(crate) fn lost() -> Self {
        Self { by_peer: true, ..Self::new("connection lost") }
    }

    pub(crate) fn dead(why: &'static str) -> Self {
        Self { last_words: Some((1001, why)), ..Self::new(why) }
    }

    pub(crate) fn closed_by_charger(frame: Option<&CloseFrame>) -> Self {
        let reason = match frame {
            None => "charger closed".to_owned(),
            Some(frame) if frame.reason.is_empty() => {
                format!("charger closed ({})", u16::from(frame.code))
            }
            Some(frame) => format!("charger closed ({}: {})", u16::from(frame.code), frame.reason),
        };
        Self { by_peer: true, ..Self::new(reason) }
    }
}

/// Where a connection is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// All is well.
    Open,
    /// We will close; answers that are owed leave first, nothing more is read (behaviour 23).
    Draining { until: Instant, request: Box<CloseRequest> },
    /// One side said close; the other has until then to agree.
    Closing { until: Instant, ending: Box<Ending>, can_write: bool },
}

impl Phase {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    pub(crate) fn can_write(&self) -> bool {
        !matches!(self, Self::Closing { can_write: false, .. })
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Open => None,
            Self::Draining { until, .. } | Self::Closing { until, .. } => Some(*until),
        }
    }

    /// The charger said close. If we said it first, it is our ending that counts.
    pub(crate) fn remember(&mut self, ending: Ending) {
        if !matches!(self, Self::Closing { .. }) {
            let until = Instant::now() + CLOSE_TIME;
            *self = Self::Closing { until, ending: Box::new(ending), can_write: false };
        }
    }
}

impl<S, I> Session<S, I>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    I: Intake,
{
    pub(super) fn note_protocol_error(&mut self, why: impl Into<String>) {
        let (charger, epoch) = (self.charger, self.epoch);
        self.gateway.intake.note(GatewayEvent::ProtocolError { charger, epoch, why: why.into() });
    }

    /// Ends the connection; the first reason counts, and one given with a close before it.
    pub(super) fn end(&mut self, ending: Ending) {
        if self.ending.is_none() {
            self.ending = Some(match &self.phase {
                Phase::Closing { ending: told, .. } => told.clone(),
                Phase::Draining { request, .. } => Box::new(closed_by_us(request)),
                Phase::Open => Box::new(ending),
            });
        }
    }

    /// Says close and gives the charger a moment to answer it.
    pub(super) fn start_closing(&mut self, code: u16, reason: &'static str) {
        let request = CloseRequest { code, reason: reason.into(), how: CloseHow::Asked };
        self.close_with(&request);
    }

    pub(super) fn on_close_request(&mut self, request: CloseRequest) {
        if let CloseHow::Replaced { by } = request.how
            && self.phase.is_open()
        {
            self.note_push(by.ip());
        }
        match self.phase {
            Phase::Open if request.how == CloseHow::Shutdown && !self.pending.is_empty() => {
                let until = Instant::now() + DRAIN_TIME;
                self.phase = Phase::Draining { until, request: Box::new(request) };
            }
            Phase::Open => self.close_with(&request),
            // Already on its way.
            Phase::Draining { .. } | Phase::Closing { .. } => {}
        }
    }

    /// This connection was pushed out. If it was alive, two devices may have one identity
    /// (behaviour 4).
    fn note_push(&mut self, by: IpAddr) {
        let now = Instant::now();
        if now > self.socket.get_ref().last_heard() + ALIVE {
            return;
        }
        let (charger, old) = (self.charger, self.mailbox.remote.ip());
        if let Some(contest) = self.gateway.contests.pushed_out(charger, old, by, now) {
            self.tell_contest(contest);
        }
    }

    /// Tells of two devices with one identity, in the name of the connection that is the charger's
    /// now: what an old one says is history.
    pub(super) fn tell_contest(&mut self, contest: IdentityContest) {
        let charger = self.charger;
        let parties = contest.parties.clone();
        self.gateway.intake.note(GatewayEvent::IdentityContested { charger, parties });
        let epoch = self.gateway.book.epoch(charger).unwrap_or(self.epoch);
        let delivery = self.delivery(self.gateway.clock.now());
        let events = smallvec![EventKind::IdentityContested(contest)];
        self.deliver(Delivery { epoch, events, ..delivery });
    }

    /// Closes as soon as nothing is owed any more.
    pub(super) fn go_on_closing(&mut self) {
        if let Phase::Draining { request, .. } = &self.phase
            && self.pending.is_empty()
        {
            let request = (**request).clone();
            self.close_with(&request);
        }
    }

    /// What the clock says about closing.
    pub(super) fn on_phase_timer(&mut self, now: Instant) {
        match &self.phase {
            Phase::Draining { until, request } if now >= *until => {
                let request = (**request).clone();
                self.pending.clear();
                self.close_with(&request);
            }
            Phase::Closing { until, .. } if now >= *until => self.end(Ending::lost()),
            Phase::Open | Phase::Draining { .. } | Phase::Closing { .. } => {}
        }
    }

    fn close_with(&mut self, request: &CloseRequest) {
        self.write(Message::Close(Some(close_frame(request.code, &request.reason))));
        let until = Instant::now() + CLOSE_TIME;
        let ending = Box::new(closed_by_us(request));
        self.pending.clear();
        self.phase = Phase::Closing { until, ending, can_write: false };
        self.arm_timer();
    }

    /// The socket failed, or what came over it cannot be read further.
    pub(super) fn on_broken(&mut self, error: &SocketError) {
        let mut ending = match error {
            SocketError::WriteBufferFull(_) => {
                self.gateway.metrics.slow_readers.inc();
                Ending::new("charger did not read what it was sent")
            }
            SocketError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                let reason = format!("message of {size} bytes, at most {max_size} are taken");
                let words = Some((1009, "message too long"));
                Ending { last_words: words, ..Ending::new(reason) }
            }
            SocketError::Utf8(_) => {
                let words = Some((1007, "text is not UTF-8"));
                Ending { last_words: words, ..Ending::new("text that is not UTF-8") }
            }
            SocketError::Io(error) if is_no_message(error) => {
                let words = Some((1008, "no message in all these frames"));
                Ending { last_words: words, ..Ending::new("frames without a message") }
            }
            SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake)
            | SocketError::Io(_)
            | SocketError::ConnectionClosed
            | SocketError::AlreadyClosed => Ending::lost(),
            SocketError::Protocol(ProtocolError::NonZeroReservedBits) => {
                // Behaviour 20: said clearly, because firmware that compresses unasked exists.
                let words = Some((1002, "reserved bits are set: no compression was agreed"));
                let reason = "reserved bits set: compression that was not agreed";
                Ending { last_words: words, ..Ending::new(reason) }
            }
            SocketError::Protocol(error) => {
                let words = Some((1002, "WebSocket protocol error"));
                Ending { last_words: words, ..Ending::new(format!("WebSocket: {error}")) }
            }
            _ => Ending::new(error.to_string()),
        };
        if ending.last_words.is_some() {
            if self.phase.is_open() {
                self.note_protocol_error(ending.reason.clone());
            }
            if !self.phase.can_write() {
                ending.last_words = None;
            }
        }
        self.end(ending);
    }

    /// Says the last words, if there are any, to whoever may still listen.
    pub(super) async fn say_goodbye(&mut self) {
        let Some((code, reason)) = self.ending.as_ref().and_then(|ending| ending.last_words) else {
            return;
        };
        let frame = Message::Close(Some(close_frame(code, reason)));
        if Pin::new(&mut self.socket).start_send_unpin(frame).is_ok() {
            Box::pin(timeout(GOODBYE_TIME, linger(&mut self.socket))).await.unwrap_or_default();
        }
    }
}

fn is_no_message(error: &std::io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<NoMessage>())
}

fn closed_by_us(request: &CloseRequest) -> Ending {
    match request.how {
        CloseHow::Replaced { .. } => Ending { replaced: true, ..Ending::new("replaced") },
        CloseHow::Shutdown | CloseHow::Asked => {
            Ending::new(format!("closed by us ({}: {})", request.code, request.reason))
        }
    }
}

/// A close frame; its reason cut to what a control frame can hold.
fn close_frame(code: u16, reason: &str) -> CloseFrame {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    CloseFrame { code: CloseCode::from(code), reason: reason[..end].into() }
}

/// Lets a close frame leave and reads what is still on its way, because closing a socket with
/// unread bytes resets it, and the frame with it.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<Metered<S>>) {
    if socket.flush().await.is_ok() {
        let stream = socket.get_mut();
        stream.message_ended();
        if stream.shutdown().await.is_ok() {
            // It is over whether this works or not.
            let _ = drain(stream).await;
        }
    }
}

/// Closes a connection that never became a session: says why and waits for the answer.
pub(crate) async fn close_politely<S>(
    mut socket: WebSocketStream<Metered<S>>,
    code: u16,
    reason: &'static str,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let farewell = async {
        if socket.send(Message::Close(Some(close_frame(code, reason)))).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    // Whether the peer agrees does not matter.
    let _ = timeout(CLOSE_TIME, farewell).await;
}
