//! The bodies of the fuzz targets. No target may panic, and each checks what holds for all input.

use mendpoint_model::{Action, Protocol, TransactionId, UnixMs};
use mendpoint_ocpp::definition::{Message, check_notation, messages};
use mendpoint_ocpp::{
    BootStatus, DEVIATIONS_MAX, Frame, Reply, ReplyFacts, answer_deviations, check_answer_strict,
    check_strict, deviations, encode_action, read_answer, read_frame, write_bad_frame_answer,
    write_reply,
};

const PROTOCOLS: [Protocol; 3] = [Protocol::V16, Protocol::V201, Protocol::V21];
const NOW: UnixMs = UnixMs(1_790_000_000_000);

/// The frame reader, and everything behind it for what turns out to be a frame.
pub fn frame(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for protocol in PROTOCOLS {
        match read_frame(&text).and_then(|frame| frame.known_to(protocol)) {
            Ok(Frame::Call { id, action, payload } | Frame::Send { id, action, payload }) => {
                read(protocol, &id, &action, payload);
                let _ = check_strict(protocol, &action, payload);
            }
            Ok(Frame::CallResult { .. } | Frame::CallError { .. }) => {}
            Ok(Frame::CallResultError { .. }) => assert_eq!(protocol, Protocol::V21),
            Err(bad) => {
                let mut out = String::new();
                if write_bad_frame_answer(&mut out, protocol, &bad) {
                    assert_is_frame(&out);
                }
            }
        }
    }
}

/// The decoders: the first two bytes choose the message, the rest is its payload.
pub fn decode(data: &[u8]) {
    let Some((message, protocol, payload)) = chosen(data) else { return };
    read(protocol, "1", message.action, &payload);
}

/// The strict reading and the search for deviations, of requests and of answers.
pub fn strict(data: &[u8]) {
    let Some((message, protocol, payload)) = chosen(data) else { return };
    let action = message.action;
    let found = deviations(protocol, action, &payload);
    assert!(found.len() <= DEVIATIONS_MAX);
    for deviation in &found {
        drop((deviation.place(), deviation.to_string()));
    }
    let strict = check_strict(protocol, action, &payload);
    if message.sender.is_charger() {
        assert_eq!(strict.is_ok(), found.is_empty());
    }
    if found.is_empty() {
        assert!(serde_json::from_str::<serde_json::Value>(&payload).is_ok_and(|it| it.is_object()));
    }
    let in_answer = answer_deviations(protocol, action, &payload);
    assert_eq!(check_answer_strict(protocol, action, &payload).is_ok(), in_answer.is_empty());
}

/// The reader of answers to our commands, and the writer of commands that somebody typed.
pub fn answer(data: &[u8]) {
    let Some((message, protocol, payload)) = chosen(data) else { return };
    let action = Action::Raw { action: message.action.to_owned(), payload: payload.clone() };
    read_answer(protocol, &action, &payload);
    read_answer(protocol, &Action::GetConfiguration { keys: Vec::new() }, &payload);
    if let Ok((name, written)) = encode_action(protocol, &action) {
        assert_eq!(name, message.action);
        assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok());
    }
}

/// The reader of the definitions.
pub fn notation(data: &[u8]) {
    let _ = check_notation(&String::from_utf8_lossy(data));
}

/// The message that the first two bytes name, and the payload behind them.
fn chosen(data: &[u8]) -> Option<(&'static Message, Protocol, String)> {
    let [version, number, payload @ ..] = data else { return None };
    let protocol = PROTOCOLS[usize::from(*version) % PROTOCOLS.len()];
    let count = messages(protocol).count();
    let message = messages(protocol).nth(usize::from(*number) % count)?;
    Some((message, protocol, String::from_utf8_lossy(payload).into_owned()))
}

/// A request is always read as something, and always has an answer that is a frame.
fn read(protocol: Protocol, id: &str, action: &str, payload: &str) {
    let inbound = mendpoint_ocpp::decode(protocol, action, payload, NOW);
    assert!(!inbound.events.is_empty());
    let facts = ReplyFacts {
        now: "2026-09-21T14:13:20Z",
        boot: BootStatus::Accepted,
        heartbeat_interval_s: 300,
        transaction: TransactionId(1),
        token_accepted: true,
        token: None,
    };
    let mut out = String::new();
    write_reply(&mut out, protocol, id, &inbound.reply, &facts);
    assert_is_frame(&out);
    if let Reply::Literal(text) = &inbound.reply {
        assert!(answer_deviations(protocol, action, text).is_empty(), "{action}: {text}");
    }
}

/// What we write is JSON, and a frame.
fn assert_is_frame(text: &str) {
    assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
    assert!(read_frame(text).is_ok(), "{text}");
}
