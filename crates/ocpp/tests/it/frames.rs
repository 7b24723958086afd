//! The envelope.

use std::borrow::Cow;

use mendpoint_model::Protocol;
use mendpoint_ocpp::{
    BadFrame, BadFrameKind, Frame, read_frame, write_bad_frame_answer, write_call,
    write_call_error, write_call_result_error,
};

fn call(text: &str) -> (String, String, String) {
    match read_frame(text) {
        Ok(Frame::Call { id, action, payload }) => {
            (id.into_owned(), action.into_owned(), payload.to_owned())
        }
        other => panic!("{text} is {other:?}"),
    }
}

fn bad(text: &str) -> BadFrame {
    read_frame(text).expect_err(text)
}

fn answer(protocol: Protocol, text: &str) -> Option<String> {
    let mut out = String::new();
    write_bad_frame_answer(&mut out, protocol, &bad(text)).then_some(out)
}

#[test]
fn a_request_is_cut_without_copying() {
    let frame = read_frame(r#"[2,"19223201","Heartbeat",{}]"#).expect("is a frame");
    let Frame::Call { id, action, payload } = frame else { panic!("{frame:?}") };
    assert!(matches!(id, Cow::Borrowed("19223201")));
    assert!(matches!(action, Cow::Borrowed("Heartbeat")));
    assert_eq!(payload, "{}");
}

#[test]
fn white_space_is_allowed_everywhere() {
    let text = "\r\n [ 2 ,\t\"1\" , \"BootNotification\" ,\n { \"a\" : [1, 2] } ]\n";
    let (id, action, payload) = call(text);
    assert_eq!((&*id, &*action, &*payload), ("1", "BootNotification", "{ \"a\" : [1, 2] }"));
}

#[test]
fn b37_ids_are_any_text_and_numbers() {
    for (sent, id) in [
        ("\"a\\\"b\\u0041\"", "a\"bA".to_owned()),
        ("100020678", "100020678".to_owned()),
        ("\"\"", String::new()),
        (&format!("\"{}\"", "x".repeat(60)), "x".repeat(60)),
    ] {
        assert_eq!(call(&format!(r#"[2,{sent},"Heartbeat",{{}}]"#)).0, id);
    }
}

#[test]
fn b35_null_and_missing_payloads_are_empty_objects() {
    for text in [r#"[2,"1","Heartbeat",null]"#, r#"[2,"1","Heartbeat"]"#, r#"[2,"1","Heartbeat",]"#]
    {
        assert_eq!(call(text).2, "{}");
    }
    for text in [r#"[3,"1",null]"#, r#"[3,"1"]"#] {
        assert_eq!(read_frame(text), Ok(Frame::CallResult { id: "1".into(), payload: "{}" }));
    }
}

#[test]
fn b35_a_refusal_without_its_tail_still_completes_the_call() {
    for (text, code, description, details) in [
        (r#"[4,"1","NotSupported","why",{"a":1}]"#, "NotSupported", "why", r#"{"a":1}"#),
        (r#"[4,"1","NotSupported","why"]"#, "NotSupported", "why", "{}"),
        (r#"[4,"1","NotSupported"]"#, "NotSupported", "", "{}"),
        (r#"[4,"1","NotSupported",null,null]"#, "NotSupported", "", "{}"),
        (r#"[4,"1","",""]"#, "GenericError", "", "{}"),
        (r#"[4,"1"]"#, "GenericError", "", "{}"),
    ] {
        assert_eq!(
            read_frame(text),
            Ok(Frame::CallError {
                id: "1".into(),
                code: code.into(),
                description: description.into(),
                details,
            }),
            "{text}"
        );
    }
}

#[test]
fn the_types_of_ocpp_2_1() {
    assert_eq!(
        read_frame(r#"[5,"1","FormatViolation","no",{}]"#),
        Ok(Frame::CallResultError {
            id: "1".into(),
            code: "FormatViolation".into(),
            description: "no".into(),
            details: "{}",
        })
    );
    assert_eq!(
        read_frame(r#"[6,"1","NotifyPeriodicEventStream",{"id":1}]"#),
        Ok(Frame::Send {
            id: "1".into(),
            action: "NotifyPeriodicEventStream".into(),
            payload: r#"{"id":1}"#,
        })
    );
}

#[test]
fn b33_what_is_no_frame_says_why() {
    for (text, id, why) in [
        ("hello", None, "the message is not a JSON array"),
        ("{}", None, "the message is not a JSON array"),
        ("[2,\"1\",\"Heartbeat\",{}", None, "the JSON array does not end with the message"),
        (
            "[2,\"1\",\"Heartbeat\",{}] and more",
            None,
            "the JSON array does not end with the message",
        ),
        ("[]", None, "the message type is not a whole number"),
        ("[{},\"1\"]", None, "the message type is not a whole number"),
        ("[2]", None, "the message id is neither text nor a number"),
        ("[2,{},\"Heartbeat\",{}]", None, "the message id is neither text nor a number"),
        ("[2,\"1\"]", Some("1"), "the action is not text"),
        ("[2,\"1\",7,{}]", Some("1"), "the action is not text"),
        ("[2,\"1\",\"Heartbeat]", Some("1"), "the action does not end"),
        (
            "[2,\"1\",\"Heartbeat\",{}]]",
            Some("1"),
            "something follows the payload, or it does not end",
        ),
        (
            "[2,\"1\",\"Heartbeat\",{} 7]",
            Some("1"),
            "something follows the payload, or it does not end",
        ),
        ("[2,\"1\",\"Heartbeat\",[],7]", Some("1"), "the payload is not one JSON value"),
        ("[2,\"1\",\"Heartbeat\" {}]", Some("1"), "a comma is missing"),
    ] {
        let bad = bad(text);
        assert_eq!((bad.id.as_deref(), &*bad.why), (id, why), "{text}");
        assert_eq!(bad.kind, BadFrameKind::Malformed, "{text}");
    }
}

#[test]
fn b33_a_payload_that_is_no_object_is_still_a_frame() {
    for payload in ["[]", "\"text\"", "7", "true"] {
        assert_eq!(call(&format!(r#"[2,"1","Heartbeat",{payload}]"#)).2, payload);
    }
}

#[test]
fn b33_parts_behind_the_payload_cost_nothing() {
    for more in ["7", "\"sig\"", "null", "[1,{}]", "\"a}\",2"] {
        let (id, action, payload) = call(&format!(r#"[2,"1","Heartbeat",{{"a":"}}"}},{more}]"#));
        assert_eq!((&*id, &*action, &*payload), ("1", "Heartbeat", r#"{"a":"}"}"#), "{more}");
    }
    let answer = read_frame(r#"[3,"1",{"status":"Accepted"},"extra"]"#).expect("an answer");
    assert!(matches!(answer, Frame::CallResult { payload: r#"{"status":"Accepted"}"#, .. }));
}

#[test]
fn b33_each_version_answers_a_bad_frame_in_its_own_way() {
    use Protocol::{V16, V21, V201};
    let cut = r#"[2,"1","Heartbeat",{}"#;
    assert_eq!(answer(V16, cut), None);
    let rpc = r#"[4,"-1","RpcFrameworkError","the JSON array does not end with the message",{}]"#;
    assert_eq!(answer(V201, cut).as_deref(), Some(rpc));
    assert_eq!(answer(V21, cut).as_deref(), Some(rpc));

    let no_action = r#"[2,"1",7,{}]"#;
    assert_eq!(
        answer(V16, no_action).as_deref(),
        Some(r#"[4,"1","FormationViolation","the action is not text",{}]"#)
    );
    assert_eq!(
        answer(V201, no_action).as_deref(),
        Some(r#"[4,"1","RpcFrameworkError","the action is not text",{}]"#)
    );

    let unknown = r#"[9,"1",{}]"#;
    assert_eq!(bad(unknown).kind, BadFrameKind::UnknownType(9));
    assert_eq!((answer(V16, unknown), answer(V21, unknown)), (None, None));
    assert_eq!(
        answer(V201, unknown).as_deref(),
        Some(r#"[4,"1","MessageTypeNotSupported","9 is not a message type",{}]"#)
    );
}

#[test]
fn b33_the_types_of_2_1_are_unknown_to_the_versions_before() {
    use Protocol::{V16, V21, V201};
    for text in [r#"[5,"1","FormatViolation","",{}]"#, r#"[6,"1","NotifyPeriodicEventStream",{}]"#]
    {
        let frame = || read_frame(text).expect("is a frame");
        assert!(frame().known_to(V21).is_ok());
        let bad = frame().known_to(V16).expect_err("is not of 1.6");
        assert!(matches!(bad.kind, BadFrameKind::UnknownType(5 | 6)));
        let mut out = String::new();
        assert!(!write_bad_frame_answer(&mut out, V16, &bad));
        let bad = frame().known_to(V201).expect_err("is not of 2.0.1");
        assert!(write_bad_frame_answer(&mut out, V201, &bad));
        assert!(out.starts_with(r#"[4,"1","MessageTypeNotSupported","#), "{out}");
    }
    let call = read_frame(r#"[2,"1","Heartbeat",{}]"#).expect("is a frame");
    assert!(call.known_to(V16).is_ok());
}

#[test]
fn a_refused_answer_is_written_as_2_1_wants() {
    let mut out = String::new();
    write_call_result_error(&mut out, "7", "FormatViolation", "why");
    assert_eq!(out, r#"[5,"7","FormatViolation","why",{}]"#);
    assert!(matches!(read_frame(&out), Ok(Frame::CallResultError { .. })));
}

#[test]
fn b35_an_empty_text_and_a_broken_answer_get_no_answer() {
    for text in ["", " \r\n", "[3,{},{}]", r#"[4,"1","x" "y"]"#, r#"[6,"1",7,{}]"#] {
        for protocol in [Protocol::V16, Protocol::V201, Protocol::V21] {
            assert_eq!(answer(protocol, text), None, "{text}");
        }
    }
    assert_eq!(bad(" ").kind, BadFrameKind::Empty);
}

#[test]
fn what_we_write_we_can_read() {
    let mut out = String::new();
    write_call(&mut out, "i\"1\\", "Reset", r#"{"type":"Soft"}"#);
    assert_eq!(call(&out), ("i\"1\\".into(), "Reset".into(), r#"{"type":"Soft"}"#.into()));

    let mut out = String::new();
    write_call_error(&mut out, "1", "GenericError", &"é\n".repeat(300));
    let Ok(Frame::CallError { description, .. }) = read_frame(&out) else { panic!("{out}") };
    assert_eq!(description.chars().count(), 255);
}
