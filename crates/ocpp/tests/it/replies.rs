//! Every message gets the answer of its version, by types that somebody else wrote.

use mendpoint_model::Protocol;
use mendpoint_ocpp::definition::message;
use mendpoint_ocpp::{
    Frame, Reply, ReplyFacts, answer_deviations, check_strict, read_frame, write_reply,
};
use serde_json::Value;

use crate::canonical::{Case, FACTS, every_case, read};

/// The payload of the answer to a message, as written on the wire.
pub(crate) fn answer(protocol: Protocol, reply: &Reply, facts: &ReplyFacts<'_>) -> Value {
    let mut out = String::new();
    write_reply(&mut out, protocol, "id \"1\"", reply, facts);
    match read_frame(&out).expect("an answer is a frame") {
        Frame::CallResult { id, payload } => {
            assert_eq!(id, "id \"1\"");
            serde_json::from_str(payload).expect("an answer is JSON")
        }
        other => panic!("{other:?} is no answer"),
    }
}

/// The names of all fields of a document, with their place.
fn fields(value: &Value, place: &str, out: &mut Vec<String>) {
    if let Value::Object(map) = value {
        for (key, inner) in map {
            let place = format!("{place}/{key}");
            fields(inner, &place, out);
            out.push(place);
        }
    }
}

/// Checks that an answer has the version's form, and no field besides.
pub(crate) fn assert_fits(case: &Case, answer: &Value) {
    let action = case.action;
    let reread = (case.reread_answer)(&answer.to_string());
    let reread = reread.unwrap_or_else(|error| panic!("{action}: {error}: {answer}"));
    let (mut sent, mut known) = (Vec::new(), Vec::new());
    fields(answer, "", &mut sent);
    fields(&reread, "", &mut known);
    assert_eq!(sent, known, "{action}");
    assert_eq!(answer_deviations(case.protocol, action, &answer.to_string()), [], "{action}");
}

#[test]
fn every_message_is_read_without_a_quirk_and_answered_in_form() {
    for case in every_case() {
        let Case { protocol, action, payload, .. } = case;
        check_strict(protocol, action, payload)
            .unwrap_or_else(|error| panic!("{action} of the table is not correct: {error}"));
        let inbound = read(protocol, action, payload);
        assert_eq!(inbound.quirks, [], "{action}");
        assert!(!inbound.events.is_empty(), "{action}");
        for token_accepted in [true, false] {
            let facts = ReplyFacts { token_accepted, ..FACTS };
            assert_fits(&case, &answer(protocol, &inbound.reply, &facts));
        }
    }
}

#[test]
fn the_table_has_every_message_of_every_version() {
    let count = |protocol| every_case().iter().filter(|case| case.protocol == protocol).count();
    assert_eq!(count(Protocol::V16), 14);
    assert_eq!(count(Protocol::V201), 25);
    assert_eq!(count(Protocol::V21), 37);
    for case in every_case() {
        let message = message(case.protocol, case.action).expect("is defined");
        assert!(message.sender.is_charger(), "{}", case.action);
    }
}

#[test]
fn ocpp_2_1_is_answered_as_2_0_1() {
    for case in every_case().iter().filter(|case| case.protocol == Protocol::V201) {
        let inbound = read(Protocol::V21, case.action, case.payload);
        assert_eq!(inbound, read(Protocol::V201, case.action, case.payload), "{}", case.action);
    }
    let reply = |protocol| read(protocol, "NotifyDERAlarm", "{}").reply;
    assert_eq!(reply(Protocol::V21), Reply::Empty);
    assert!(matches!(reply(Protocol::V201), Reply::Error { code: "NotImplemented", .. }));
}

#[test]
fn answers_carry_what_was_decided() {
    let facts =
        ReplyFacts { token_accepted: false, boot: mendpoint_ocpp::BootStatus::Pending, ..FACTS };
    for (protocol, reply, facts, expected) in [
        (Protocol::V16, Reply::Heartbeat, FACTS, r#"{"currentTime":"2026-09-21T14:13:20Z"}"#),
        (
            Protocol::V201,
            Reply::Boot,
            facts,
            r#"{"currentTime":"2026-09-21T14:13:20Z","interval":300,"status":"Pending"}"#,
        ),
        (
            Protocol::V16,
            Reply::StartTransaction,
            FACTS,
            r#"{"transactionId":4711,"idTagInfo":{"status":"Accepted"}}"#,
        ),
        (Protocol::V16, Reply::Authorize, facts, r#"{"idTagInfo":{"status":"Invalid"}}"#),
        (Protocol::V201, Reply::Authorize, FACTS, r#"{"idTokenInfo":{"status":"Accepted"}}"#),
        (
            Protocol::V201,
            Reply::TransactionEventWithToken,
            facts,
            r#"{"idTokenInfo":{"status":"Invalid"}}"#,
        ),
        (Protocol::V201, Reply::TransactionEvent, facts, "{}"),
    ] {
        let mut out = String::new();
        write_reply(&mut out, protocol, "7", &reply, &facts);
        assert_eq!(out, format!(r#"[3,"7",{expected}]"#));
    }
}

#[test]
fn b57_a_refused_token_still_gets_a_transaction_number() {
    let facts = ReplyFacts { token_accepted: false, ..FACTS };
    let answer = answer(Protocol::V16, &Reply::StartTransaction, &facts);
    assert_eq!(answer["transactionId"], 4711);
    assert_eq!(answer["idTagInfo"]["status"], "Invalid");
}

#[test]
fn b60_only_transaction_messages_wait_for_the_disk() {
    let durable = ["StartTransaction", "StopTransaction", "TransactionEvent"];
    for case in every_case() {
        let reply = read(case.protocol, case.action, case.payload).reply;
        assert_eq!(reply.is_durable(), durable.contains(&case.action), "{}", case.action);
        let waits = reply.is_durable() || case.action == "Authorize";
        assert_eq!(reply.needs_answer(), waits, "{}", case.action);
    }
}

#[test]
fn b47_unknown_actions_are_refused_without_side_effects() {
    for (protocol, action, code) in [
        (Protocol::V16, "TransactionEvent", "NotImplemented"),
        (Protocol::V16, "heartbeat", "NotImplemented"),
        (Protocol::V16, "", "NotImplemented"),
        (Protocol::V16, "Reset", "NotSupported"),
        (Protocol::V201, "StartTransaction", "NotImplemented"),
        (Protocol::V201, "GetVariables", "NotSupported"),
    ] {
        let inbound = read(protocol, action, "{\"a\":1}");
        assert!(
            matches!(&inbound.reply, Reply::Error { code: found, .. } if *found == code),
            "{action}: {:?}",
            inbound.reply
        );
        assert_eq!(
            inbound.events.as_slice(),
            [mendpoint_model::EventKind::Other(action.to_owned())]
        );
    }
}
