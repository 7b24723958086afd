//! The OCPP-J envelope: `[2, "id", "Action", {..}]` and its kin.
//!
//! Id and action are found by hand and the payload is cut out without being read: reading it twice
//! would cost more than everything else that is done with a message.

use std::borrow::Cow;

use mendpoint_model::Protocol;

use crate::json::{Scalar, Scanner};

/// One message as it stands on the wire, borrowing from it.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame<'a> {
    /// Type 2: a request.
    Call {
        /// Message id; a number is taken as its digits (behaviour 37).
        id: Cow<'a, str>,
        /// The action's name.
        action: Cow<'a, str>,
        /// The payload's text; `{}` where it was `null` or missing (behaviour 35).
        payload: &'a str,
    },
    /// Type 3: the answer to a request.
    CallResult {
        /// Message id of the request.
        id: Cow<'a, str>,
        /// The payload's text; `{}` where it was `null` or missing.
        payload: &'a str,
    },
    /// Type 4: the refusal of a request.
    CallError {
        /// Message id of the request.
        id: Cow<'a, str>,
        /// Error code; `GenericError` where it was missing.
        code: Cow<'a, str>,
        /// Description; empty where it was missing (behaviour 35).
        description: Cow<'a, str>,
        /// Details as JSON text; `{}` where they were missing.
        details: &'a str,
    },
    /// Type 5, OCPP 2.1: the other side could not use our answer.
    CallResultError {
        /// Message id of the request that we answered.
        id: Cow<'a, str>,
        /// Error code.
        code: Cow<'a, str>,
        /// Description.
        description: Cow<'a, str>,
        /// Details as JSON text.
        details: &'a str,
    },
    /// Type 6, OCPP 2.1: a request that wants no answer.
    Send {
        /// Message id.
        id: Cow<'a, str>,
        /// The action's name.
        action: Cow<'a, str>,
        /// The payload's text.
        payload: &'a str,
    },
}

impl Frame<'_> {
    /// The frame, if its version has such a type: 5 and 6 came with OCPP 2.1, and are to the
    /// earlier versions what any unknown number is to them (behaviour 33).
    ///
    /// # Errors
    /// What [`read_frame`] says of an unknown type.
    pub fn known_to(self, protocol: Protocol) -> Result<Self, BadFrame> {
        let (message_type, id) = match &self {
            Self::CallResultError { id, .. } => (5, id),
            Self::Send { id, .. } => (6, id),
            Self::Call { .. } | Self::CallResult { .. } | Self::CallError { .. } => {
                return Ok(self);
            }
        };
        if protocol == Protocol::V21 {
            return Ok(self);
        }
        Err(BadFrame {
            kind: BadFrameKind::UnknownType(message_type),
            ..BadFrame::malformed(&format!("{message_type} is a message type of OCPP 2.1 only"))
        }
        .of(id, true))
    }
}

/// Why a text is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFrameKind {
    /// Nothing but white space: to be ignored (behaviour 35).
    Empty,
    /// Not an OCPP-J array, or one whose parts cannot be told apart.
    Malformed,
    /// An OCPP-J array with a message type that does not exist.
    UnknownType(i64),
}

/// A text that is no frame (behaviour 33).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct BadFrame {
    /// The message id, where it could be read.
    pub id: Option<String>,
    /// What kind of trouble.
    pub kind: BadFrameKind,
    /// What is wrong, in words.
    pub why: String,
    /// Whether it may have been a request, so that somebody may wait for an answer.
    pub expects_answer: bool,
}

impl BadFrame {
    fn malformed(why: &str) -> Self {
        Self { id: None, kind: BadFrameKind::Malformed, why: why.to_owned(), expects_answer: true }
    }

    fn of(self, id: &str, expects_answer: bool) -> Self {
        Self { id: Some(id.to_owned()), expects_answer, ..self }
    }
}

/// What stands for a payload that is not there.
const EMPTY_PAYLOAD: &str = "{}";

/// Reads the envelope of a text message.
///
/// The payload is not read: of an object only the two braces are looked at. Whatever is wrong
/// inside it is the decoder's to live with.
pub fn read_frame(text: &str) -> Result<Frame<'_>, BadFrame> {
    let text = text.trim_matches(is_space);
    if text.is_empty() {
        return Err(BadFrame {
            id: None,
            kind: BadFrameKind::Empty,
            why: "the message is empty".to_owned(),
            expects_answer: false,
        });
    }
    let Some(inner) = text.strip_prefix('[') else {
        return Err(BadFrame::malformed("the message is not a JSON array"));
    };
    let Some(inner) = inner.strip_suffix(']') else {
        return Err(BadFrame::malformed("the JSON array does not end with the message"));
    };
    let mut parts = Parts { scanner: Scanner::new(inner), inner };

    let message_type = parts.message_type()?;
    let id = parts.id(message_type)?;
    let frame = match message_type {
        2 | 6 => parts.request(message_type, &id),
        3 => parts.payload().map(|payload| Frame::CallResult { id: id.clone(), payload }),
        4 | 5 => parts.error(message_type, &id),
        other => {
            return Err(BadFrame {
                id: Some(id.into_owned()),
                kind: BadFrameKind::UnknownType(other),
                why: format!("{other} is not a message type"),
                expects_answer: true,
            });
        }
    };
    frame.map_err(|why| BadFrame::malformed(why).of(&id, message_type == 2))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// The parts of the array, read one after the other.
struct Parts<'a> {
    scanner: Scanner<'a>,
    inner: &'a str,
}

impl<'a> Parts<'a> {
    fn message_type(&mut self) -> Result<i64, BadFrame> {
        let text = self.scanner.scalar().into_text();
        text.and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| BadFrame::malformed("the message type is not a whole number"))
    }

    fn id(&mut self, message_type: i64) -> Result<Cow<'a, str>, BadFrame> {
        let expects_answer = !matches!(message_type, 3..=6);
        let found = self.scanner.take(b',').then(|| self.scanner.scalar());
        let id = match found {
            Some(Scalar::Text(id)) => Some(id),
            Some(Scalar::Bare(id)) if !matches!(id, "true" | "false") => Some(Cow::Borrowed(id)),
            // A refusal of a request whose id could not be read; it answers nothing of ours.
            Some(Scalar::Null) if message_type == 4 => Some(Cow::Borrowed("")),
            _ => None,
        };
        let id = id.filter(|_| !self.scanner.is_broken());
        id.ok_or_else(|| {
            if (2..=6).contains(&message_type) {
                BadFrame {
                    expects_answer,
                    ..BadFrame::malformed("the message id is neither text nor a number")
                }
            } else {
                BadFrame {
                    id: None,
                    kind: BadFrameKind::UnknownType(message_type),
                    why: format!("{message_type} is not a message type"),
                    expects_answer: true,
                }
            }
        })
    }

    fn request(&mut self, message_type: i64, id: &Cow<'a, str>) -> Result<Frame<'a>, &'static str> {
        let found = self.scanner.take(b',').then(|| self.scanner.scalar());
        let Some(Scalar::Text(action)) = found else { return Err("the action is not text") };
        if self.scanner.is_broken() {
            return Err("the action does not end");
        }
        let payload = self.payload()?;
        let id = id.clone();
        Ok(if message_type == 2 {
            Frame::Call { id, action, payload }
        } else {
            Frame::Send { id, action, payload }
        })
    }

    fn error(&mut self, message_type: i64, id: &Cow<'a, str>) -> Result<Frame<'a>, &'static str> {
        let code = self.tail_text()?.filter(|code| !code.is_empty());
        let code = code.unwrap_or(Cow::Borrowed("GenericError"));
        let description = self.tail_text()?.unwrap_or_default();
        let details = self.payload()?;
        let id = id.clone();
        Ok(if message_type == 4 {
            Frame::CallError { id, code, description, details }
        } else {
            Frame::CallResultError { id, code, description, details }
        })
    }

    /// A text of the tail of a refusal, which may be missing from here on (behaviour 35).
    fn tail_text(&mut self) -> Result<Option<Cow<'a, str>>, &'static str> {
        if self.scanner.is_at_end() {
            return Ok(None);
        }
        if !self.scanner.take(b',') {
            return Err("a comma is missing");
        }
        let text = self.scanner.scalar().into_text();
        if self.scanner.is_broken() { Err("a text does not end") } else { Ok(text) }
    }

    /// The object that stands next, with more parts behind it than there should be: those are left
    /// out, for what is wanted was read.
    fn leading_object(&mut self) -> Result<&'a str, &'static str> {
        let object = self.scanner.raw();
        let ends = !self.scanner.is_broken() && object.ends_with('}');
        if ends && self.scanner.take(b',') {
            Ok(object)
        } else {
            Err("something follows the payload, or it does not end")
        }
    }

    /// Everything up to the end of the array.
    fn payload(&mut self) -> Result<&'a str, &'static str> {
        if self.scanner.is_at_end() {
            return Ok(EMPTY_PAYLOAD);
        }
        if !self.scanner.take(b',') {
            return Err("a comma is missing");
        }
        self.scanner.peek();
        let payload = self.inner.get(self.scanner.position()..).unwrap_or_default();
        let payload = payload.trim_end_matches(is_space);
        if payload.starts_with('{') {
            return if payload.ends_with('}') { Ok(payload) } else { self.leading_object() };
        }
        if payload.is_empty() || payload == "null" {
            return Ok(EMPTY_PAYLOAD);
        }
        // Not an object, so no message of any use: small or rare, and worth a closer look.
        self.scanner.skip();
        if self.scanner.is_broken() || !self.scanner.is_at_end() {
            return Err("the payload is not one JSON value");
        }
        Ok(payload)
    }
}
