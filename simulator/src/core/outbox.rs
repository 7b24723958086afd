//! What a charger says: one call in flight, the rest in order; what must not be lost waits through
//! disconnections and is said again under a new message id.

use rust_ocpp::v1_6::messages::{
    meter_values::MeterValuesRequest, start_transaction::StartTransactionRequest,
    stop_transaction::StopTransactionRequest,
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::io::{Note, Output};
use super::link::{Line, Registration};
use super::{ChargerCore, Job, Queue};
use crate::{v16, v201};
use mendpoint_model::UnixMs;

/// Most messages that wait; beyond it the oldest meter values go (a charger's flash is small too).
const QUEUE_LIMIT: usize = 1_000;
/// How often a transaction message is tried (`TransactionMessageAttempts`).
const ATTEMPTS: u32 = 3;

/// The messages of one charger.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Queue<Message>,
    flight: Option<Flight>,
    flights: u64,
    /// 1.6: the server's numbers of transactions that still have messages to come.
    numbers: BTreeMap<u64, i32>,
    /// Not before this time, after an error.
    pause_until: UnixMs,
}

#[derive(Debug)]
struct Flight {
    number: u64,
    id: String,
    sent_at: UnixMs,
    message: Message,
}

/// One message to the server.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    action: &'static str,
    body: Body,
    purpose: Purpose,
    triggered: bool,
    attempts: u32,
}

/// Its payload. In 1.6 the number of a transaction is only known once the server has answered its
/// start, so messages about it are filled in when they are sent.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Ready(String),
    Start16(Box<StartTransactionRequest>),
    Meter16(Box<MeterValuesRequest>),
    Stop16(Box<StopTransactionRequest>),
}

/// What a message is for, so that its answer finds its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Boot,
    Heartbeat,
    Status {
        connector: u16,
    },
    Authorize {
        connector: u16,
        turn: u32,
    },
    /// A transaction message, by the charger's own count of transactions.
    Start {
        tx: u64,
    },
    During {
        tx: u64,
    },
    Stop {
        tx: u64,
    },
    /// News that must arrive though it belongs to no transaction (2.0.1 events that were queued).
    Kept,
    Other,
}

impl Purpose {
    /// Whether it must reach the server (start, stop, what happened in between).
    fn is_transactional(self) -> bool {
        self == Self::Kept || self.transaction().is_some()
    }

    fn transaction(self) -> Option<u64> {
        match self {
            Self::Start { tx } | Self::During { tx } | Self::Stop { tx } => Some(tx),
            _ => None,
        }
    }
}

impl Message {
    /// A message with a payload that is known now.
    pub(crate) fn new<T: Serialize>(action: &'static str, purpose: Purpose, payload: &T) -> Self {
        Self::with_body(action, purpose, Body::Ready(json(payload)))
    }

    pub(crate) fn with_body(action: &'static str, purpose: Purpose, body: Body) -> Self {
        Self { action, body, purpose, triggered: false, attempts: 0 }
    }

    /// Marks it as asked for by the server: it may go while the registration is pending.
    pub(crate) fn triggered(mut self, triggered: bool) -> Self {
        self.triggered |= triggered;
        self
    }
}

/// The JSON text of a payload. The types that go through here are plain structs, for which serde
/// has no way to fail.
pub(crate) fn json<T: Serialize>(payload: &T) -> String {
    serde_json::to_string(payload).unwrap_or_else(|_| "{}".to_owned())
}

impl Outbox {
    pub(crate) fn transactional(&self) -> usize {
        let waiting = self.queue.iter().filter(|message| message.purpose.is_transactional());
        waiting.count()
            + usize::from(
                self.flight.as_ref().is_some_and(|f| f.message.purpose.is_transactional()),
            )
    }

    pub(crate) fn holds(&self, purpose: Purpose) -> bool {
        self.queue.iter().any(|message| message.purpose == purpose)
            || self.flight.as_ref().is_some_and(|flight| flight.message.purpose == purpose)
    }

    /// The server's number of a transaction (1.6), once it is known.
    pub(crate) fn number_of(&self, tx: u64) -> Option<i32> {
        self.numbers.get(&tx).copied()
    }
}

impl ChargerCore {
    /// Puts a message at the end of the queue. What is no transaction message is not kept for
    /// later: a charger without a connection says nothing (6.1 of the Open Charge Point Protocol).
    pub(crate) fn say(&mut self, message: Message) {
        if !message.purpose.is_transactional() && self.link.line != Line::Up {
            return;
        }
        if self.outbox.queue.len() >= QUEUE_LIMIT {
            let meter = |message: &Message| matches!(message.purpose, Purpose::During { .. });
            if let Some(oldest) = self.outbox.queue.iter().position(meter) {
                self.outbox.queue.remove(oldest);
            }
        }
        self.outbox.queue.push_back(message);
    }

    /// Sends the next message that may go, if none is in flight.
    pub(super) fn pump(&mut self) {
        while self.outbox.flight.is_none()
            && self.link.line == Line::Up
            && self.now >= self.outbox.pause_until
        {
            let registration = self.link.registration;
            let may_go = |message: &Message| match registration {
                Registration::Accepted => true,
                Registration::Pending => message.triggered || message.purpose == Purpose::Boot,
                Registration::Unbooted | Registration::Rejected => message.purpose == Purpose::Boot,
            };
            let Some(next) = self.outbox.queue.iter().position(may_go) else { return };
            let Some(message) = self.outbox.queue.remove(next) else { return };
            self.transmit(message);
        }
    }

    fn transmit(&mut self, mut message: Message) {
        let number = message.purpose.transaction().and_then(|tx| self.outbox.number_of(tx));
        let payload = match &mut message.body {
            Body::Ready(text) => text.clone(),
            Body::Start16(start) => json(&**start),
            Body::Meter16(meter) => {
                meter.transaction_id = number;
                json(&**meter)
            }
            Body::Stop16(stop) => {
                let Some(number) = number else {
                    // Its start never reached the server: there is nothing to stop there.
                    self.note(Note::GaveUp(message.action.to_owned()));
                    return;
                };
                stop.transaction_id = number;
                json(&**stop)
            }
        };
        let id = self.fresh_id();
        self.emit(Output::Send(format!(
            "[2,\"{id}\",\"{action}\",{payload}]",
            action = message.action
        )));
        self.outbox.flights += 1;
        let flight = Flight { number: self.outbox.flights, id, sent_at: self.now, message };
        self.plan(self.behaviour.call_timeout_ms, Job::CallTimeout(flight.number));
        self.outbox.flight = Some(flight);
    }

    /// An id that no other message has (a UUID from the charger's own generator).
    pub(crate) fn fresh_id(&mut self) -> String {
        uuid::Builder::from_random_bytes(rand::Rng::random(&mut self.rng)).into_uuid().to_string()
    }

    /// The connection is gone: what must arrive goes back to the front, the rest is forgotten.
    pub(super) fn outbox_disconnected(&mut self) {
        if let Some(flight) = self.outbox.flight.take() {
            self.outbox.queue.push_front(flight.message);
        }
        let mut lost = Vec::new();
        self.outbox.queue.retain(|message| {
            let keep = message.purpose.is_transactional();
            if !keep {
                lost.push(message.purpose);
            }
            keep
        });
        self.outbox.pause_until = UnixMs(0);
        for purpose in lost {
            self.lost(purpose);
        }
    }

    /// A message that will not arrive.
    fn lost(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Status { connector } => self.status_lost(connector),
            // Nobody answers: the charger decides by itself (LocalAuthorizeOffline).
            Purpose::Authorize { connector, turn } => self.authorized(connector, turn, true),
            _ => {}
        }
    }

    pub(super) fn call_timed_out(&mut self, number: u64) {
        if self.outbox.flight.as_ref().is_none_or(|flight| flight.number != number) {
            return;
        }
        let Some(flight) = self.outbox.flight.take() else { return };
        self.note(Note::NoAnswer(flight.message.action.to_owned()));
        self.try_again(flight.message);
    }

    fn try_again(&mut self, mut message: Message) {
        message.attempts += 1;
        if message.purpose == Purpose::Boot {
            self.plan(self.behaviour.backoff_ms.1.min(30_000), Job::Boot);
            return;
        }
        if !message.purpose.is_transactional() {
            self.lost(message.purpose);
            return;
        }
        if message.attempts >= ATTEMPTS {
            self.note(Note::GaveUp(message.action.to_owned()));
            return;
        }
        // A longer wait with each attempt (`TransactionMessageRetryInterval`), a new id each time
        // (behaviour 32 is about exactly this).
        let wait = self.behaviour.backoff_ms.0 * i64::from(message.attempts);
        self.outbox.pause_until = self.now + wait;
        self.outbox.queue.push_front(message);
        self.plan(wait, Job::Pump);
    }

    /// A frame of the server.
    pub(super) fn text(&mut self, text: &str) {
        if self.link.line != Line::Up {
            return;
        }
        let Ok(parts) = serde_json::from_str::<Vec<&RawValue>>(text) else { return };
        let kind = parts.first().map_or("", |part| part.get());
        let word = |at: usize| {
            parts.get(at).and_then(|part| serde_json::from_str::<String>(part.get()).ok())
        };
        let Some(id) = word(1) else { return };
        match kind {
            "2" => {
                let action = word(2).unwrap_or_default();
                let payload = parts.get(3).map_or("{}", |part| part.get());
                self.command(&id, &action, payload);
            }
            "3" => {
                let payload = parts.get(2).map_or("{}", |part| part.get());
                if let Some(message) = self.landed(&id) {
                    self.answered(&message, payload);
                }
            }
            "4" => {
                let error =
                    format!("{} {}", word(2).unwrap_or_default(), word(3).unwrap_or_default());
                if let Some(message) = self.landed(&id) {
                    let action = message.action.to_owned();
                    let unknown_to_server = error.starts_with("SecurityError");
                    self.note(Note::CallError { action, error });
                    self.try_again(message);
                    if unknown_to_server && self.link.registration == Registration::Accepted {
                        // The server does not count it as accepted (B02.FR.09): it boots anew.
                        self.link.registration = Registration::Unbooted;
                        self.boot();
                    }
                }
            }
            _ => {}
        }
    }

    fn landed(&mut self, id: &str) -> Option<Message> {
        if self.outbox.flight.as_ref().is_none_or(|flight| flight.id != id) {
            return None;
        }
        let flight = self.outbox.flight.take()?;
        self.note(Note::Answered(self.now.since_ms(flight.sent_at)));
        Some(flight.message)
    }

    fn answered(&mut self, message: &Message, payload: &str) {
        let read = if self.spec.is_v16() {
            v16::hear::answer(self, message.action, message.purpose, payload)
        } else {
            v201::hear::answer(self, message.action, message.purpose, payload)
        };
        if let Err(why) = read {
            let action = message.action.to_owned();
            self.note(Note::BadAnswer { action, why: why.to_string() });
            if message.purpose == Purpose::Boot {
                self.try_again(message.clone());
            } else if let Purpose::Authorize { .. } = message.purpose {
                self.lost(message.purpose);
            }
        }
        if let Purpose::Stop { tx } = message.purpose {
            self.outbox.numbers.remove(&tx);
        }
    }

    /// The server's number of a transaction that just started (1.6).
    pub(crate) fn number_transaction(&mut self, tx: u64, number: i32) {
        self.outbox.numbers.insert(tx, number);
    }

    /// Answers a call of the server.
    pub(crate) fn reply(&mut self, id: &str, payload: &str) {
        let id = json(&id);
        self.emit(Output::Send(format!("[3,{id},{payload}]")));
    }

    /// Answers a call of the server with an error.
    pub(crate) fn reply_error(&mut self, id: &str, code: &str, description: &str) {
        let (id, description) = (json(&id), json(&description));
        self.emit(Output::Send(format!("[4,{id},\"{code}\",{description},{{}}]")));
    }
}
