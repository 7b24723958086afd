//! Our commands: written for the charger's version, and its answers read.

use std::borrow::Cow;

use mendpoint_model::{Action, CommandOutcome, EventKind, Protocol};
use serde::Serialize;
use smallvec::SmallVec;

use crate::action::ActionList;
use crate::json::{Scalar, Scanner};
use crate::{v16, v201};

/// The action and the payload of a command in the words of a version.
///
/// A typed action is written with the types of `rust-ocpp`; a raw one must exist in the version and
/// have a JSON object for its payload, whose content is the asker's own affair.
///
/// # Errors
/// In words that say what to do: the version has no such action, or the payload is not an object.
pub fn encode_action(
    protocol: Protocol,
    action: &Action,
) -> Result<(Cow<'static, str>, String), String> {
    if let Action::Raw { action, payload } = action {
        return encode_raw(protocol, action, payload);
    }
    let (name, payload) = match protocol {
        Protocol::V16 => v16::encode(action)?,
        Protocol::V201 | Protocol::V21 => v201::encode(action)?,
    };
    Ok((Cow::Borrowed(name), payload))
}

fn encode_raw(
    protocol: Protocol,
    name: &str,
    payload: &str,
) -> Result<(Cow<'static, str>, String), String> {
    let list = ActionList::of(protocol);
    let Some(name) = list.find_sendable(name) else { return Err(list.explain_unknown(name)) };
    let payload = payload.trim();
    let payload = if payload.is_empty() { "{}" } else { payload };
    // The one place where a payload is read in full by serde_json: what we send is JSON.
    if let Err(error) = crate::check::is_json(payload) {
        return Err(format!("the payload of {name} is not JSON: {error}"));
    }
    if !payload.starts_with('{') {
        return Err(format!("the payload of {name} must be a JSON object, as in {{\"key\": 1}}"));
    }
    Ok((Cow::Borrowed(name), payload.to_owned()))
}

/// Writes a request of `rust-ocpp`.
pub(crate) fn to_json(request: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(request)
        .map_err(|error| format!("the request cannot be written: {error}"))
}

/// Reads the answer to a command of ours: whether it means yes, and what it tells besides
/// (configuration values, a signal strength). Never fails; an answer without a status means yes.
pub fn read_answer(
    protocol: Protocol,
    action: &Action,
    payload: &str,
) -> (CommandOutcome, SmallVec<[EventKind; 1]>) {
    let payload = payload.trim();
    let payload = if payload.is_empty() || payload == "null" { "{}" } else { payload };
    let mut answer = match protocol {
        Protocol::V16 => v16::read_answer(action, payload),
        Protocol::V201 | Protocol::V21 => v201::read_answer(action, payload),
    };
    let status = std::mem::take(&mut answer.status);
    let accepted = status.is_empty() || means_yes(&status);
    let outcome = CommandOutcome::Answered { accepted, status, payload: payload.to_owned() };
    (outcome, answer.events)
}

/// What an answer tells.
#[derive(Debug, Default)]
pub(crate) struct AnswerParts {
    /// The status word, empty when there is none.
    pub(crate) status: String,
    /// What it tells besides.
    pub(crate) events: SmallVec<[EventKind; 1]>,
}

/// The status words that mean yes. `RebootRequired` is a change that was taken, `AcceptedCanceled`
/// a request that ended another one of its kind. `NotSupported`, `UnlockFailed`, `Unknown` and
/// everything else means no.
fn means_yes(status: &str) -> bool {
    const YES: [&str; 6] =
        ["Accepted", "Unlocked", "Scheduled", "AcceptedCanceled", "RebootRequired", "Unpublished"];
    YES.iter().any(|word| status.trim().eq_ignore_ascii_case(word))
}

/// The text of a field of the answer's own level.
pub(crate) fn top_level_text(payload: &str, field: &str) -> Option<String> {
    let mut scanner = Scanner::new(payload);
    scanner.open_object();
    while let Some(key) = scanner.key() {
        if key == field {
            return match scanner.peek() {
                Some(b'{' | b'[') => Some(scanner.raw().to_owned()),
                _ => match scanner.scalar() {
                    Scalar::Null => None,
                    scalar => scalar.into_text().map(Cow::into_owned),
                },
            };
        }
        scanner.skip();
    }
    None
}
