//! What a message of a charger means, and how it is to be answered.

use mendpoint_model::{EventKind, Events, Protocol, UnixMs};
use smallvec::SmallVec;

use crate::payload::Payload;
use crate::quirk::{Quirk, truncated};
use crate::reply::Reply;
use crate::{v16, v201};

/// A message of a charger, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    /// What happened, in the order in which it is to be taken in. Never empty.
    pub events: Events,
    /// How to answer.
    pub reply: Reply,
    /// What was odd.
    pub quirks: Vec<Quirk>,
}

/// Bytes of an unknown action's name that are kept.
const ACTION_LEN_MAX: usize = 64;

/// Reads the request of a charger (or an OCPP 2.1 SEND, whose reply is then left out).
///
/// Never fails: an unknown word is kept raw, an odd value is noted, and a payload that tells
/// nothing becomes [`EventKind::Other`] with a normal answer wherever one can be built, because a
/// charger would send a refused message again for ever (behaviours 40 to 49).
pub fn decode(protocol: Protocol, action: &str, payload: &str, received_at: UnixMs) -> Inbound {
    let mut payload = Payload::new(payload, received_at);
    let mut events = SmallVec::new();
    let reply = match protocol {
        Protocol::V16 => v16::decode(action, &mut payload, &mut events),
        Protocol::V201 | Protocol::V21 => v201::decode(protocol, action, &mut payload, &mut events),
    };
    if events.is_empty() {
        events.push(EventKind::Other(truncated(action, ACTION_LEN_MAX).to_owned()));
    }
    Inbound { events, reply, quirks: payload.quirks }
}
