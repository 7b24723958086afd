//! OCPP-J for a central system: the frames of OCPP 1.6, 2.0.1 and 2.1, what chargers' messages mean,
//! how they are answered, and how our commands are written.
//!
//! Pure text in, text and [events](mendpoint_model::EventKind) out: no sockets, no clock, no state.
//! Whether a message may be answered yet (boot gating, durability), which message id belongs to
//! which command, and what a charger's state is, is decided elsewhere.
//!
//! Chargers are read as they are and not as the specification wants them (see [`decode`]); the
//! strict reading is a function of its own ([`check_strict`]). Read [`Frame`], [`Inbound`] and
//! [`Reply`] first.
//!
//! ```
//! use mendpoint_model::{EventKind, Protocol, TransactionId, UnixMs};
//! use mendpoint_ocpp::{BootStatus, Frame, ReplyFacts, decode, read_frame, write_reply};
//!
//! let Ok(Frame::Call { id, action, payload }) = read_frame(r#"[2,"17","Heartbeat",{}]"#) else {
//!     panic!("is a request")
//! };
//! let inbound = decode(Protocol::V16, &action, payload, UnixMs(1_790_000_000_000));
//! assert_eq!(inbound.events.as_slice(), [EventKind::Heartbeat]);
//!
//! let facts = ReplyFacts {
//!     now: "2026-09-21T14:13:20Z",
//!     boot: BootStatus::Accepted,
//!     heartbeat_interval_s: 300,
//!     transaction: TransactionId(0),
//!     token_accepted: true,
//!     token: None,
//! };
//! let mut answer = String::new();
//! write_reply(&mut answer, Protocol::V16, &id, &inbound.reply, &facts);
//! assert_eq!(answer, r#"[3,"17",{"currentTime":"2026-09-21T14:13:20Z"}]"#);
//! ```

mod action;
mod check;
mod command;
pub mod definition;
mod files;
mod frame;
mod inbound;
mod json;
mod meaning;
mod meter;
pub mod orders;
mod payload;
mod quirk;
mod reply;
mod security_event;
mod shared;
mod signal;
mod strict;
mod time;
mod v16;
mod v201;
mod write;

pub use action::sendable_actions;
pub use check::{DEVIATIONS_MAX, Deviation, Rule, answer_deviations, deviations};
pub use command::{encode_action, read_answer};
pub use frame::{BadFrame, BadFrameKind, Frame, read_frame};
pub use inbound::{Inbound, decode};
pub use meaning::meaning;
pub use quirk::Quirk;
pub use reply::{BootStatus, Reply, ReplyFacts, write_reply};
pub use security_event::{Critical, SecurityEvent, SecurityRating, security_event};
pub use strict::{RpcError, check_answer_strict, check_envelope, check_strict, envelope_deviation};
pub use write::{
    write_bad_frame_answer, write_call, write_call_error, write_call_result,
    write_call_result_error,
};
