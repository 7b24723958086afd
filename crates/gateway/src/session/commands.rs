//! What we ask: one call in flight (behaviour 24), the rest waits in the mailbox.

use std::collections::VecDeque;
use std::time::Duration;

use mendpoint_model::{
    Command, CommandAnswered, CommandId, CommandOutcome, EventKind, Events, Protocol, UnixMs,
};
use smallvec::{SmallVec, smallvec};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::intake::{Delivery, Intake, Sample};

use super::Session;
use super::certificates::may_send;

/// How many calls that timed out are remembered for a late answer (behaviour 29).
const LATE_KEPT: usize = 8;

/// Our calls on one connection.
#[derive(Default)]
pub(super) struct Commands {
    in_flight: Option<Box<InFlight>>,
    timed_out: VecDeque<Command>,
}

struct InFlight {
    command: Command,
    deadline: Instant,
}

impl Commands {
    /// When the call in flight times out.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.in_flight.as_ref().map(|call| call.deadline)
    }

    /// The command an answer belongs to, and whether it comes late. Never another one's.
    fn take(&mut self, id: &str) -> Option<(Command, bool)> {
        if let Some(call) = self.in_flight.take_if(|call| &*call.command.id.0 == id) {
            return Some((call.command, false));
        }
        let late = self.timed_out.iter().position(|command| &*command.id.0 == id)?;
        self.timed_out.remove(late).map(|command| (command, true))
    }
}

impl<S, I> Session<S, I>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    I: Intake,
{
    /// Sends the next command, if it is our turn: nothing of ours is in flight, and the charger
    /// waits for no answer (behaviour 26).
    pub(super) fn send_commands(&mut self) {
        while self.has_mail
            && self.commands.in_flight.is_none()
            && !self.owes_answers()
            && self.phase.is_open()
            && self.ending.is_none()
        {
            let Some(command) = self.mailbox.pop() else {
                self.has_mail = false;
                return;
            };
            let now = self.gateway.clock.now();
            if command.not_after <= now {
                self.gateway.metrics.commands_expired.inc();
                self.tell_outcome(command.id, CommandOutcome::Expired, now);
                continue;
            }
            if let Err(why) = may_send(self.profile, &command.action) {
                self.tell_outcome(command.id, CommandOutcome::Unsupported(why), now);
                continue;
            }
            match mendpoint_ocpp::encode_action(self.protocol, &command.action) {
                Ok((action, payload)) => self.send_call(command, &action, &payload, now),
                Err(reason) => {
                    self.tell_outcome(command.id, CommandOutcome::Unsupported(reason), now);
                }
            }
        }
    }

    fn send_call(&mut self, command: Command, action: &str, payload: &str, now: UnixMs) {
        let mut text = String::with_capacity(payload.len() + action.len() + 48);
        mendpoint_ocpp::write_call(&mut text, &command.id.0, action, payload);
        self.write_text(text, now);
        self.gateway.metrics.calls_sent.inc();
        // The time-out runs from here, not from when it was asked for (behaviour 29).
        let timeout = Duration::from_millis(command.timeout_ms.max(0) as u64);
        let deadline = Instant::now() + timeout;
        self.commands.in_flight = Some(Box::new(InFlight { command, deadline }));
        self.arm_timer();
    }

    pub(super) fn on_call_result(&mut self, text: &str, id: &str, payload: &str, at: UnixMs) {
        let Some((command, late)) = self.commands.take(id) else {
            return self.on_strange_answer(text, id, at);
        };
        let action = mendpoint_ocpp::encode_action(self.protocol, &command.action);
        let action = action.as_ref().ok().map(|(action, _)| &**action);
        let sample = self.sample(text, action, false);
        let (outcome, told) = mendpoint_ocpp::read_answer(self.protocol, &command.action, payload);
        let answered = CommandAnswered { command: command.id, outcome, late };
        self.deliver_answer(text, answered, told, sample, at);
        if let Some(action) = action {
            self.check_answer(action, id, payload, at);
        }
    }

    /// In the strict mode, OCPP 2.1: tells the charger what is wrong with its answer. What the
    /// answer says counts all the same, as what was done is done.
    fn check_answer(&mut self, action: &str, id: &str, payload: &str, at: UnixMs) {
        if !self.strict || self.protocol != Protocol::V21 {
            return;
        }
        let checked = mendpoint_ocpp::check_answer_strict(self.protocol, action, payload);
        if let Err(error) = checked {
            let mut text = String::new();
            mendpoint_ocpp::write_call_result_error(&mut text, id, error.code, &error.description);
            self.write_text(text, at);
            self.note_protocol_error(format!("the answer to {action}: {error}"));
        }
    }

    pub(super) fn on_call_error(
        &mut self,
        text: &str,
        id: &str,
        code: &str,
        description: &str,
        at: UnixMs,
    ) {
        let Some((command, late)) = self.commands.take(id) else {
            return self.on_strange_answer(text, id, at);
        };
        let outcome =
            CommandOutcome::Refused { code: code.to_owned(), description: description.to_owned() };
        let answered = CommandAnswered { command: command.id, outcome, late };
        self.deliver_answer(text, answered, SmallVec::new(), None, at);
    }

    /// An answer to nothing we asked.
    fn on_strange_answer(&mut self, text: &str, id: &str, at: UnixMs) {
        let shown: String = id.chars().take(36).collect();
        self.note_protocol_error(format!("an answer to a call we did not send: {shown}"));
        self.deliver_frame(text, at);
    }

    fn deliver_answer(
        &mut self,
        text: &str,
        answered: CommandAnswered,
        told: Events,
        sample: Option<Box<Sample>>,
        at: UnixMs,
    ) {
        if answered.late {
            self.gateway.metrics.late_answers.inc();
        }
        let mut events: Events = smallvec![EventKind::CommandAnswered(answered)];
        events.extend(told);
        let delivery = self.delivery(at);
        let frame = self.log(text, at);
        self.deliver(Delivery { frame, events, sample, ..delivery });
    }

    /// What the clock says about our calls.
    pub(super) fn on_command_timer(&mut self, now: Instant) {
        let at = self.gateway.clock.now();
        if let Some(call) = self.commands.in_flight.take_if(|call| now >= call.deadline) {
            self.gateway.metrics.call_timeouts.inc();
            self.tell_outcome(call.command.id.clone(), CommandOutcome::TimedOut, at);
            if self.commands.timed_out.len() == LATE_KEPT {
                self.commands.timed_out.pop_front();
            }
            self.commands.timed_out.push_back(call.command);
        }
        for command in self.mailbox.take_expired(at) {
            self.gateway.metrics.commands_expired.inc();
            self.tell_outcome(command.id, CommandOutcome::Expired, at);
        }
    }

    /// The connection is over: everything that was asked gets its answer.
    pub(super) fn abandon_commands(&mut self) {
        let at = self.gateway.clock.now();
        let in_flight = self.commands.in_flight.take().map(|call| call.command);
        for command in in_flight.into_iter().chain(self.mailbox.end()) {
            self.tell_outcome(command.id, CommandOutcome::NotConnected, at);
        }
    }

    fn tell_outcome(&mut self, command: CommandId, outcome: CommandOutcome, at: UnixMs) {
        let answered = CommandAnswered { command, outcome, late: false };
        let delivery = self.delivery(at);
        self.deliver(Delivery {
            events: smallvec![EventKind::CommandAnswered(answered)],
            ..delivery
        });
    }
}
