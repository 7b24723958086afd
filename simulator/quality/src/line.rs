//! The server's end of a connection without a socket: what the gateway does, as far as the engine
//! can tell.

use std::collections::VecDeque;

use mendpoint_model::{Command, CommandId, CommandOutcome, EventKind, Events, Protocol, UnixMs};
use mendpoint_ocpp::{
    BootStatus, Frame, Reply, ReplyFacts, decode, encode_action, read_answer, read_frame,
    write_call, write_reply,
};
use smallvec::SmallVec;

/// How often chargers are told to send heartbeats, seconds.
const HEARTBEAT_S: u32 = 300;

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) open: bool,
    pub(crate) epoch: u64,
    in_flight: Option<Command>,
    queue: VecDeque<Command>,
}

/// What a frame of the charger's means.
pub(crate) struct Heard {
    pub(crate) events: Events,
    /// A call that wants an answer: its id and the answer.
    pub(crate) reply: Option<(String, Reply)>,
    /// The end of a command.
    pub(crate) answered: Option<(CommandId, CommandOutcome)>,
}

impl Line {
    /// Reads a frame.
    pub(crate) fn hear(&mut self, protocol: Protocol, text: &str, at: UnixMs) -> Heard {
        let mut heard = Heard { events: SmallVec::new(), reply: None, answered: None };
        match read_frame(text) {
            Ok(Frame::Call { id, action, payload }) => {
                let inbound = decode(protocol, &action, payload, at);
                heard.events = inbound.events;
                heard.reply = Some((id.into_owned(), inbound.reply));
            }
            Ok(Frame::CallResult { id, payload }) => {
                if let Some(command) = self.in_flight.take_if(|command| *command.id.0 == *id) {
                    let (outcome, told) = read_answer(protocol, &command.action, payload);
                    heard.events = told.into_iter().collect();
                    heard.answered = Some((command.id, outcome));
                }
            }
            Ok(Frame::CallError { id, code, description, .. }) => {
                if let Some(command) = self.in_flight.take_if(|command| *command.id.0 == *id) {
                    let (code, description) = (code.into_owned(), description.into_owned());
                    heard.answered =
                        Some((command.id, CommandOutcome::Refused { code, description }));
                }
            }
            _ => heard.events.push(EventKind::Heartbeat),
        }
        heard
    }

    /// Writes the answer to a call.
    pub(crate) fn answer(
        protocol: Protocol,
        id: &str,
        reply: &Reply,
        now: UnixMs,
        transaction: mendpoint_model::TransactionId,
    ) -> String {
        let mut out = String::with_capacity(96);
        let time = now.rfc3339();
        let facts = ReplyFacts {
            now: &time,
            boot: BootStatus::Accepted,
            heartbeat_interval_s: HEARTBEAT_S,
            transaction,
            token_accepted: true,
            token: None,
        };
        write_reply(&mut out, protocol, id, reply, &facts);
        out
    }

    /// Takes a command over.
    pub(crate) fn queue(&mut self, command: Command) {
        self.queue.push_back(command);
    }

    /// The next command's frame, if it is its turn; or why there will be none.
    pub(crate) fn next(
        &mut self,
        protocol: Protocol,
    ) -> Option<Result<(Command, String), (CommandId, CommandOutcome)>> {
        if self.in_flight.is_some() {
            return None;
        }
        let command = self.queue.pop_front()?;
        if !self.open {
            return Some(Err((command.id, CommandOutcome::NotConnected)));
        }
        match encode_action(protocol, &command.action) {
            Ok((action, payload)) => {
                let mut text = String::new();
                write_call(&mut text, &command.id.0, &action, &payload);
                self.in_flight = Some(command.clone());
                Some(Ok((command, text)))
            }
            Err(why) => Some(Err((command.id, CommandOutcome::Unsupported(why)))),
        }
    }

    /// No answer came in time.
    pub(crate) fn time_out(&mut self, command: &CommandId) -> bool {
        self.in_flight.take_if(|waiting| waiting.id == *command).is_some()
    }

    /// The connection is gone, and what was on its way with it.
    pub(crate) fn close(&mut self) -> Vec<CommandId> {
        self.open = false;
        self.in_flight.take().into_iter().chain(self.queue.drain(..)).map(|c| c.id).collect()
    }
}
