//! What the charger asks: its calls, in their order, and our answers, in the same order.

use std::time::Duration;

use mendpoint_model::{EventKind, Events, FrameSeq, TransactionId, UnixMs};
use mendpoint_ocpp::definition::message;
use mendpoint_ocpp::{
    BadFrame, BootStatus, Frame, Inbound, Reply, ReplyFacts, check_envelope, check_strict,
};
use smallvec::smallvec;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::clock;
use crate::intake::{Answer, Delivery, GatewayEvent, Intake, Sample, SignOfLife};
use crate::metrics::Counted;

use super::Session;
use super::recent::{CallHash, Seen};

/// A call that has not been answered on the wire.
pub(super) enum Pending {
    /// Its answer waits for leave: it must be on disk first (behaviour 60).
    Waiting {
        call: CallHash,
        id: Box<str>,
        reply: Reply,
        answer: oneshot::Receiver<Answer>,
        since: Instant,
        _counted: Counted,
    },
    /// Its answer is ready and waits for the ones before it.
    Ready(Box<str>),
}

/// How long an answer may wait for the disk before those to later calls overtake it. Chargers wait
/// longer than that before they ask again.
const GIVEN_UP: Duration = Duration::from_secs(5);

/// What an answer says when nobody has to be asked.
const NOTHING_ASKED: Answer =
    Answer { transaction: TransactionId(0), token_accepted: true, token: None };

impl<S, I> Session<S, I>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    I: Intake,
{
    pub(super) fn on_text(&mut self, text: &str) {
        let received_at = self.gateway.clock.now();
        let frame = mendpoint_ocpp::read_frame(text);
        match frame.and_then(|frame| frame.known_to(self.protocol)) {
            Ok(Frame::Call { id, action, payload }) => {
                self.on_call(text, &id, &action, payload, received_at);
            }
            Ok(Frame::CallResult { id, payload }) => {
                self.on_call_result(text, &id, payload, received_at);
            }
            Ok(Frame::CallError { id, code, description, .. }) => {
                self.on_call_error(text, &id, &code, &description, received_at);
            }
            Ok(Frame::CallResultError { code, description, .. }) => {
                // OCPP 2.1: it did not understand an answer of ours. Nothing to do but to say so.
                self.note_protocol_error(format!("our answer was refused: {code} {description}"));
                self.deliver_frame(text, received_at);
            }
            Ok(Frame::Send { action, payload, .. }) => {
                self.on_send(text, &action, payload, received_at);
            }
            Err(bad) => self.on_bad_frame(text, &bad, received_at),
        }
    }

    /// Answers what the version says, or nothing; never closes (behaviours 33 and 35).
    fn on_bad_frame(&mut self, text: &str, bad: &BadFrame, received_at: UnixMs) {
        self.gateway.metrics.bad_frames.inc();
        self.note_protocol_error(bad.why.clone());
        self.deliver_frame(text, received_at);
        let mut answer = String::new();
        if mendpoint_ocpp::write_bad_frame_answer(&mut answer, self.protocol, bad) {
            self.answer(answer, received_at);
        }
    }

    /// OCPP 2.1: a message without an answer, not even a refusal.
    fn on_send(&mut self, text: &str, action: &str, payload: &str, at: UnixMs) {
        self.gateway.metrics.message(action);
        let is_send = message(self.protocol, action).is_some_and(|message| message.is_send);
        let refused = if is_send {
            let checked = self.strict.then(|| check_strict(self.protocol, action, payload));
            checked.and_then(Result::err).map(|error| error.to_string())
        } else {
            // Whoever sends it so waits for no answer, and would miss what we say to it.
            Some(format!("{action} wants an answer and came as one that wants none"))
        };
        if let Some(why) = refused {
            self.note_protocol_error(why);
            return self.deliver_frame(text, at);
        }
        let inbound = mendpoint_ocpp::decode(self.protocol, action, payload, at);
        let frame = self.log(text, at);
        let sample = self.sample(text, None, !inbound.quirks.is_empty());
        let delivery = self.delivery(at);
        self.deliver(Delivery {
            frame,
            sample,
            events: inbound.events,
            quirks: inbound.quirks,
            ..delivery
        });
    }

    fn on_call(&mut self, text: &str, id: &str, action: &str, payload: &str, at: UnixMs) {
        self.gateway.metrics.message(action);
        let call = CallHash::of(id, text);
        let repeated = match self.recent.look(call) {
            Seen::New => false,
            Seen::Repeated => true,
            Seen::Answered(answer) => {
                let answer = answer.to_owned();
                self.gateway.metrics.duplicates.inc();
                self.deliver_frame(text, at);
                return self.answer(answer, at);
            }
        };
        if repeated {
            self.gateway.metrics.duplicates.inc();
            if self.is_pending(call) {
                // Its answer is on the way.
                return self.deliver_frame(text, at);
            }
        }
        let boot = self.mailbox.boot();
        if action == "BootNotification" {
            self.boot_seen = true;
            self.sampler.booted();
        } else if self.boot_seen && boot != BootStatus::Accepted {
            let why = "the boot notification of this charger has not been accepted";
            return self.answer_error(text, id, "SecurityError", why, at);
        }
        let checked = self.strict.then(|| {
            check_strict(self.protocol, action, payload)
                .and_then(|()| check_envelope(self.protocol, text))
        });
        if let Some(Err(error)) = checked {
            return self.answer_error(text, id, error.code, &error.description, at);
        }

        let mut inbound = mendpoint_ocpp::decode(self.protocol, action, payload, at);
        if action == "SignCertificate" && !repeated && self.gets_a_certificate(payload) {
            inbound.reply = Reply::Literal(r#"{"status":"Accepted"}"#.into());
        }
        if action == "BootNotification" && !repeated {
            self.note_serial(&inbound.events);
        }
        let frame = self.log(text, at);
        let sample = self.sample(text, None, !inbound.quirks.is_empty());
        // It tells the time and nothing else, so it need not keep its turn: a charger whose start
        // waits for the disk still hears that the line is good.
        let is_sign_of_life = is_sign_of_life(&inbound);
        if is_sign_of_life && sample.is_none() && self.tell_alive(frame, at) {
            let answer = self.write_reply(id, &inbound.reply, &NOTHING_ASKED, at);
            return self.write_text(answer, at);
        }
        let mut delivery = self.delivery(at);
        delivery.frame = frame;
        delivery.sample = sample;
        delivery.quirks = inbound.quirks;
        // The same message twice is one event; that it was sent again is only a sign of life.
        delivery.events = if repeated { alive() } else { inbound.events };
        if inbound.reply.needs_answer() && !repeated {
            let (leave, answer) = oneshot::channel();
            delivery.answer = Some(leave);
            let id = id.into();
            let reply = inbound.reply;
            self.make_room();
            self.pending.push_back(Pending::Waiting {
                call,
                id,
                reply,
                answer,
                since: Instant::now(),
                _counted: Counted::new(&self.gateway.metrics.answers_waiting),
            });
        } else {
            let answer = self.write_reply(id, &inbound.reply, &NOTHING_ASKED, at);
            if is_sign_of_life {
                self.write_text(answer, at);
            } else {
                self.answer(answer, at);
            }
        }
        self.deliver(delivery);
        self.is_introduced = true;
    }

    /// Two serial numbers that take turns are two devices (behaviour 4).
    fn note_serial(&mut self, events: &[EventKind]) {
        let serial = events.iter().find_map(|event| match event {
            EventKind::Boot(boot) => boot.serial.as_deref(),
            _ => None,
        });
        let Some(serial) = serial.filter(|serial| !serial.is_empty()) else { return };
        if let Some(contest) = self.gateway.contests.booted(self.charger, serial, Instant::now()) {
            self.tell_contest(contest);
        }
    }

    /// Whether a request for a certificate is in order. It is signed and sent later, as a command:
    /// never before the answer that the charger waits for (behaviour 26).
    fn gets_a_certificate(&self, payload: &str) -> bool {
        let signed = if self.profile.is_encrypted() {
            self.gateway.intake.sign_certificate(self.charger, self.profile, payload)
        } else {
            let number = self.profile.number();
            Err(format!("certificates are not signed on security profile {number}"))
        };
        let charger = self.charger;
        if let Err(why) = signed {
            self.gateway.intake.note(GatewayEvent::CertificateRefused { charger, why });
            return false;
        }
        true
    }

    /// The pipeline spoke about the first pending call.
    pub(super) fn on_answer(&mut self, answer: Option<Answer>) {
        let Some(Pending::Waiting { call, id, reply, .. }) = self.pending.pop_front() else {
            return;
        };
        if let Some(answer) = answer {
            let now = self.gateway.clock.now();
            let text = self.write_reply(&id, &reply, &answer, now);
            if reply.is_durable() {
                self.recent.answered(call, &text);
            }
            self.write_text(text, now);
        } else {
            // Nobody could take it in. An error would make the charger drop or block it
            // (behaviour 72); silence makes it ask again.
            self.recent.forget(call);
        }
        while let Some(Pending::Ready(text)) =
            self.pending.pop_front_if(|next| matches!(next, Pending::Ready(_)))
        {
            let now = self.gateway.clock.now();
            self.write_text(text.into_string(), now);
        }
    }

    fn is_pending(&self, wanted: CallHash) -> bool {
        self.pending
            .iter()
            .any(|pending| matches!(pending, Pending::Waiting { call, .. } if *call == wanted))
    }

    /// Writes an answer, or queues it behind the ones that must go first (behaviour 27). Not behind
    /// one that the disk keeps waiting: whoever asks on has given that call up.
    fn answer(&mut self, text: String, at: UnixMs) {
        let may_leave = match self.pending.front() {
            None => true,
            Some(Pending::Waiting { since, .. }) => since.elapsed() >= GIVEN_UP,
            Some(Pending::Ready(_)) => false,
        };
        if may_leave {
            self.write_text(text, at);
        } else {
            self.make_room();
            self.pending.push_back(Pending::Ready(text.into_boxed_str()));
        }
    }

    /// Room for one call, which is what nearly every charger has open: a queue that grows by itself
    /// begins with four.
    fn make_room(&mut self) {
        if self.pending.capacity() == 0 {
            self.pending.reserve_exact(1);
        }
    }

    fn answer_error(&mut self, text: &str, id: &str, code: &str, description: &str, at: UnixMs) {
        self.deliver_frame(text, at);
        let mut answer = String::new();
        mendpoint_ocpp::write_call_error(&mut answer, id, code, description);
        self.answer(answer, at);
    }

    fn write_reply(&self, id: &str, reply: &Reply, answer: &Answer, now: UnixMs) -> String {
        let mut out = String::with_capacity(128);
        clock::with_text(now, |text| {
            let facts = ReplyFacts {
                now: text,
                boot: self.mailbox.boot(),
                heartbeat_interval_s: self.heartbeat_interval_s,
                transaction: answer.transaction,
                token_accepted: answer.token_accepted,
                token: answer.token.as_deref(),
            };
            mendpoint_ocpp::write_reply(&mut out, self.protocol, id, reply, &facts);
        });
        out
    }

    /// A frame that changes nothing but shows that the charger lives (behaviour 10).
    pub(super) fn deliver_frame(&mut self, text: &str, at: UnixMs) {
        let delivery = self.delivery(at);
        let frame = self.log(text, at);
        let sample = self.sample(text, None, false);
        self.deliver(Delivery { frame, sample, events: alive(), ..delivery });
    }

    /// Tells briefly that the charger was heard. Not before its first message has gone the long way,
    /// behind the news of its connection.
    fn tell_alive(&self, frame: FrameSeq, at: UnixMs) -> bool {
        let sign = SignOfLife {
            charger: self.charger,
            site: self.site,
            epoch: self.epoch,
            received_at: at,
            frame,
        };
        self.is_introduced && self.outbox.is_empty() && self.gateway.intake.heard(sign)
    }

    /// A copy of a frame, if it is one of those that are held against the specification; `answers`
    /// is the action of ours that it answers.
    pub(super) fn sample(
        &mut self,
        text: &str,
        answers: Option<&str>,
        is_odd: bool,
    ) -> Option<Box<Sample>> {
        // Answers are few, and each is one of a kind.
        let is_wanted = answers.is_some() || self.sampler.pick(is_odd);
        is_wanted.then(|| Box::new(Sample { text: text.into(), answers: answers.map(Into::into) }))
    }

    /// Keeps a frame of the charger's in the frame log.
    pub(super) fn log(&self, text: &str, at: UnixMs) -> FrameSeq {
        self.gateway.intake.received(self.charger, at, text)
    }

    /// Calls not yet answered.
    pub(super) fn owes_answers(&self) -> bool {
        !self.pending.is_empty()
    }
}

/// Whether a message says nothing but that its charger is there.
fn is_sign_of_life(inbound: &Inbound) -> bool {
    inbound.quirks.is_empty()
        && !inbound.reply.needs_answer()
        && matches!(inbound.events.as_slice(), [EventKind::Heartbeat])
}

fn alive() -> Events {
    smallvec![EventKind::Heartbeat]
}
