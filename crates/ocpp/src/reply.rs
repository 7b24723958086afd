//! Answers to chargers.

use std::borrow::Cow;
use std::fmt::Write;

use mendpoint_model::{Protocol, TokenInfo, TokenStatus, TransactionId};

use crate::json::push_json_string;
use crate::write::write_call_error;
use crate::{v16, v201};

/// What we say to a `BootNotification`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootStatus {
    /// Welcome.
    #[default]
    Accepted,
    /// Known, not let in yet: come back after the interval.
    Pending,
    /// Not welcome.
    Rejected,
}

impl BootStatus {
    /// The OCPP word, the same in every version.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Pending => "Pending",
            Self::Rejected => "Rejected",
        }
    }
}

/// How a request is to be answered. What the answer needs beyond it stands in [`ReplyFacts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `{}`.
    Empty,
    /// The time.
    Heartbeat,
    /// Time, interval and [`BootStatus`].
    Boot,
    /// Whether the token is accepted.
    Authorize,
    /// 1.6: our transaction number, and whether the token is accepted.
    StartTransaction,
    /// 1.6: `{}`, after the message is on disk.
    StopTransaction,
    /// As [`Reply::StopTransaction`], for a message with a token: it is told to be accepted, as
    /// whoever could stop the transaction was allowed to (1.6 s4.10).
    StopTransactionWithToken,
    /// 2.x: `{}`, after the message is on disk.
    TransactionEvent,
    /// As [`Reply::TransactionEvent`], for a message with a token: whether it is accepted.
    TransactionEventWithToken,
    /// This JSON text.
    Literal(Cow<'static, str>),
    /// A refusal.
    Error {
        /// OCPP-J error code in the version's own spelling (behaviour 34).
        code: &'static str,
        /// Why, in words.
        description: String,
    },
}

impl Reply {
    /// Whether the message must be on disk before the answer leaves (behaviour 60): with the answer
    /// the charger forgets it.
    pub fn is_durable(&self) -> bool {
        matches!(
            self,
            Self::StartTransaction
                | Self::StopTransaction
                | Self::StopTransactionWithToken
                | Self::TransactionEvent
                | Self::TransactionEventWithToken
        )
    }

    /// Whether the answer waits for whoever keeps the state: the durable ones and `Authorize`.
    pub fn needs_answer(&self) -> bool {
        self.is_durable() || matches!(self, Self::Authorize)
    }

    pub(crate) fn literal(text: &'static str) -> Self {
        Self::Literal(Cow::Borrowed(text))
    }
}

/// What answers are made of.
#[derive(Clone, Copy, Debug)]
pub struct ReplyFacts<'a> {
    /// Our time as `YYYY-MM-DDTHH:MM:SSZ`, the one form that every charger reads (behaviour 43).
    pub now: &'a str,
    /// For `BootNotification`.
    pub boot: BootStatus,
    /// For `BootNotification`: seconds between heartbeats, or until the next try.
    pub heartbeat_interval_s: u32,
    /// For `StartTransaction`: our number, positive and at most 2^31-1 (behaviour 46).
    pub transaction: TransactionId,
    /// Whether the token of the message is accepted.
    pub token_accepted: bool,
    /// What else is known of the token; `None` for one that nobody registered.
    pub token: Option<&'a TokenInfo>,
}

/// Appends the whole answer frame to `out`.
pub fn write_reply(
    out: &mut String,
    protocol: Protocol,
    id: &str,
    reply: &Reply,
    facts: &ReplyFacts<'_>,
) {
    if let Reply::Error { code, description } = reply {
        return write_call_error(out, id, code, description);
    }
    out.push_str("[3,");
    push_json_string(out, id);
    out.push(',');
    match reply {
        Reply::Empty | Reply::StopTransaction | Reply::TransactionEvent | Reply::Error { .. } => {
            out.push_str("{}");
        }
        Reply::Heartbeat => {
            out.push_str("{\"currentTime\":\"");
            out.push_str(facts.now);
            out.push_str("\"}");
        }
        Reply::Boot => push_boot(out, facts),
        Reply::Literal(text) => out.push_str(text),
        Reply::Authorize
        | Reply::StartTransaction
        | Reply::StopTransactionWithToken
        | Reply::TransactionEventWithToken => match protocol {
            Protocol::V16 => v16::push_token_reply(out, reply, facts),
            Protocol::V201 | Protocol::V21 => v201::push_token_reply(out, facts),
        },
    }
    out.push(']');
}

/// The status word of an answer about a token.
pub(crate) fn token_word(facts: &ReplyFacts<'_>) -> &'static str {
    match facts.token {
        // Accepted once and refused now: it expired since.
        Some(info) if !facts.token_accepted && info.status == TokenStatus::Accepted => {
            TokenStatus::Expired.ocpp_word()
        }
        Some(info) if !facts.token_accepted => info.status.ocpp_word(),
        _ if facts.token_accepted => TokenStatus::Accepted.ocpp_word(),
        _ => TokenStatus::Invalid.ocpp_word(),
    }
}

/// `BootNotification` is answered alike in every version.
fn push_boot(out: &mut String, facts: &ReplyFacts<'_>) {
    out.push_str("{\"currentTime\":\"");
    out.push_str(facts.now);
    out.push_str("\",\"interval\":");
    push_number(out, facts.heartbeat_interval_s.into());
    out.push_str(",\"status\":\"");
    out.push_str(facts.boot.name());
    out.push_str("\"}");
}

pub(crate) fn push_number(out: &mut String, number: i64) {
    // Writing into a String cannot fail.
    let _ = write!(out, "{number}");
}
