//! Commands as pages and the API both see them: what was asked, by whom, and how it went.

use mendpoint_model::{Action, ChargerState, CommandOutcome, Origin, Protocol, UnixMs};
use mendpoint_ocpp::{encode_action, meaning};
use mendpoint_store::CommandRow;

/// How far a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It waits for its charger to come back.
    Waiting,
    /// It is behind other commands, or on its way to the connection.
    Queued,
    /// It left; no answer yet.
    Sent,
    /// It is over.
    Over,
}

impl Stage {
    pub(crate) fn of(row: &CommandRow) -> Self {
        if row.outcome.is_some() {
            return Self::Over;
        }
        match row.sent_at {
            Some(_) => Self::Sent,
            None if row.is_waiting() => Self::Waiting,
            None => Self::Queued,
        }
    }

    /// The word of the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Over => "over",
        }
    }
}

/// Who asked: the kind of asker and the name.
pub(crate) fn asker(origin: &Origin) -> (&'static str, String) {
    match origin {
        Origin::Engine(incident) => ("engine", incident.to_string()),
        Origin::User(name) => ("person", name.clone()),
        Origin::Token(name) => ("token", name.clone()),
        Origin::System => ("upkeep", "Mendpoint".to_owned()),
        Origin::Upkeep(why) => ("upkeep", why.clone()),
    }
}

/// The version that a charger speaks or spoke last; 1.6 when it never connected.
pub(crate) fn protocol_of(live: Option<&ChargerState>) -> Protocol {
    live.and_then(|live| live.link.protocol).unwrap_or(Protocol::V16)
}

/// The name and the payload with which a command goes over the wire; the neutral name and nothing
/// when the version has no such action.
pub(crate) fn on_the_wire(protocol: Protocol, action: &Action) -> (String, String) {
    match encode_action(protocol, action) {
        Ok((name, payload)) => (name.into_owned(), payload),
        Err(_) => (action.name().to_owned(), String::new()),
    }
}

/// A raw action, ready to be sent: checked against the version's definition unless `unchecked`, and
/// in typed words where it says nothing else (then it is known for what it is).
///
/// # Errors
/// A sentence: no such action, no JSON object, or which field is wrong and what is allowed there.
pub(crate) fn raw(
    protocol: Protocol,
    name: &str,
    payload: &str,
    unchecked: bool,
) -> Result<Action, String> {
    let payload = match payload.trim() {
        "" => "{}",
        payload => payload,
    };
    let action = Action::Raw { action: name.to_owned(), payload: payload.to_owned() };
    encode_action(protocol, &action)?;
    if !unchecked {
        fits(protocol, name, payload).map_err(|wrong| {
            format!("the payload of {name} is not as the version says: {wrong}")
        })?;
    }
    Ok(meaning(protocol, action))
}

/// Whether what is sent for an action is as the version says: what a charger would refuse or
/// misunderstand is not sent.
///
/// # Errors
/// A sentence: the version has no such action, or which field is wrong and what is allowed there.
pub(crate) fn check(protocol: Protocol, action: &Action) -> Result<(), String> {
    let (name, payload) = encode_action(protocol, action)?;
    fits(protocol, &name, &payload)
        .map_err(|wrong| format!("{name} cannot be sent to this charger: {wrong}"))
}

/// Whether a payload is as the version says; else what is not, field by field.
fn fits(protocol: Protocol, action: &str, payload: &str) -> Result<(), String> {
    let wrong = crate::form::deviations(protocol, action, payload);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// What the outcome of a command means, in plain words.
pub(crate) fn words(outcome: &CommandOutcome) -> String {
    match outcome {
        CommandOutcome::Answered { accepted: true, status, .. } if status.is_empty() => {
            "The charger answered.".to_owned()
        }
        CommandOutcome::Answered { accepted: true, .. } => {
            "The charger said yes. Whether it does it shows below.".to_owned()
        }
        CommandOutcome::Answered { .. } => "The charger said no.".to_owned(),
        CommandOutcome::Refused { description, .. } if description.is_empty() => {
            "The charger answered with an error.".to_owned()
        }
        CommandOutcome::Refused { description, .. } => {
            format!("The charger answered with an error: {description}")
        }
        CommandOutcome::TimedOut => {
            "It is connected but did not answer. It may still do it; look at the messages below."
                .to_owned()
        }
        CommandOutcome::NotConnected => {
            "It is not connected, so nothing was sent or no answer came back.".to_owned()
        }
        CommandOutcome::Expired => "Its time was over before it could be sent.".to_owned(),
        CommandOutcome::QueueFull => {
            "Too many commands were waiting for this charger already, so it was not sent."
                .to_owned()
        }
        CommandOutcome::Unsupported(why) | CommandOutcome::Dropped(why) => {
            format!("It was not sent: {why}.")
        }
    }
}

/// JSON with line breaks, as it is where it is none.
pub(crate) fn pretty(json: &str) -> String {
    if json.is_empty() {
        return String::new();
    }
    serde_json::from_str::<serde_json::Value>(json)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| json.to_owned())
}

/// The time between two moments, in the units of an answer.
pub(crate) fn took(from: UnixMs, to: UnixMs) -> String {
    let ms = to.since_ms(from).max(0);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        _ => crate::show::duration(ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_reset_is_known_as_a_reset() {
        let action = raw(Protocol::V16, "Reset", r#"{"type": "Soft"}"#, false);
        assert_eq!(action, Ok(Action::Reset { hard: false, evse: None }));
        let error = raw(Protocol::V16, "reset", "{}", false).expect_err("misspelt");
        assert!(error.contains("nearest one is Reset"), "{error}");
        let odd = raw(Protocol::V16, "Reset", r#"{"type": "Warm"}"#, true);
        assert!(matches!(odd, Ok(Action::Raw { .. })), "unchecked goes as it is: {odd:?}");
    }

    #[test]
    fn a_length_of_time_has_the_units_of_an_answer() {
        let took = |ms| took(UnixMs(0), UnixMs(ms));
        assert_eq!((took(640), took(1_240)), ("640 ms".to_owned(), "1.2 s".to_owned()));
        assert_eq!(took(-5), "0 ms");
        assert_eq!(took(120_000), "2 min");
    }
}
