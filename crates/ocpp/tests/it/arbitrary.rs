//! Input that nobody meant: nothing panics, and every request that can be answered is.

use mendpoint_model::{Action, Protocol};
use mendpoint_ocpp::{
    Reply, check_strict, decode, encode_action, read_answer, read_frame, sendable_actions,
    write_bad_frame_answer, write_call,
};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::canonical::{FACTS, NOW, every_case};
use crate::replies::{answer, assert_fits};
use crate::tolerance::refusal_of_nothing;

fn any_protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::V16), Just(Protocol::V201), Just(Protocol::V21)]
}

/// Values of every kind, with a liking for those that are nearly right.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f32>().prop_map(|number| Value::from(f64::from(number))),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.+Z]{0,12}".prop_map(Value::from),
        "-?[0-9]{1,20}(\\.[0-9]{1,4})?".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Replaces the `index`-th value of a document, counted depth first.
fn replace(value: &mut Value, index: &mut usize, by: &Value) {
    if *index == 0 {
        value.clone_from(by);
        *index = usize::MAX;
        return;
    }
    *index = index.saturating_sub(1);
    let inner: Vec<&mut Value> = match value {
        Value::Object(map) => map.values_mut().collect(),
        Value::Array(list) => list.iter_mut().collect(),
        _ => Vec::new(),
    };
    for value in inner {
        if *index == usize::MAX {
            return;
        }
        replace(value, index, by);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn reading_a_frame_never_panics(text in any::<String>(), near in "[\\[\\]{}\", \\\\2345a\\-]{0,40}") {
        for text in [text.as_str(), near.as_str()] {
            match read_frame(text) {
                Ok(frame) => drop(format!("{frame:?}")),
                Err(bad) => {
                    let mut out = String::new();
                    for protocol in [Protocol::V16, Protocol::V201, Protocol::V21] {
                        write_bad_frame_answer(&mut out, protocol, &bad);
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_written_is_read_back(id in any::<String>(), action in any::<String>(), payload in any_json()) {
        let payload = Value::Object(Map::from_iter([("x".to_owned(), payload)])).to_string();
        let mut out = String::new();
        write_call(&mut out, &id, &action, &payload);
        let frame = read_frame(&out).expect("is a frame");
        let expected = mendpoint_ocpp::Frame::Call {
            id: id.into(), action: action.into(), payload: &payload,
        };
        prop_assert_eq!(frame, expected);
    }

    #[test]
    fn mutated_frames_never_panic(case in 0..76_usize, at in any::<prop::sample::Index>(), cut in 0..4_usize, insert in "[\\[\\]{}\",:\\\\ é0-9]{0,3}") {
        let case = &every_case()[case];
        let mut text = String::new();
        write_call(&mut text, "1", case.action, case.payload);
        let start = text.floor_char_boundary(at.index(text.len()));
        let end = text.floor_char_boundary((start + cut).min(text.len()));
        text.replace_range(start..end, &insert);
        if let Ok(mendpoint_ocpp::Frame::Call { action, payload, .. }) = read_frame(&text) {
            let inbound = decode(case.protocol, &action, payload, NOW);
            prop_assert!(!inbound.events.is_empty());
        }
    }

    #[test]
    fn one_wrong_value_never_costs_the_answer(case in 0..76_usize, index in 0..40_usize, by in any_json()) {
        let case = &every_case()[case];
        let mut payload: Value = serde_json::from_str(case.payload).expect("is JSON");
        replace(&mut payload, &mut index.clone(), &by);
        let inbound = decode(case.protocol, case.action, &payload.to_string(), NOW);
        prop_assert!(!inbound.events.is_empty());
        // Only a transaction of which nothing at all is known cannot be given a number.
        if matches!(inbound.reply, Reply::Error { .. }) {
            prop_assert!(refusal_of_nothing(case.action).is_some());
            prop_assert!(!payload.is_object() || case.action == "GetCertificateChainStatus");
        } else {
            assert_fits(case, &answer(case.protocol, &inbound.reply, &FACTS));
        }
    }

    #[test]
    fn arbitrary_payloads_never_panic(case in 0..76_usize, payload in any_json(), text in any::<String>()) {
        let case = &every_case()[case];
        for payload in [payload.to_string(), text] {
            let inbound = decode(case.protocol, case.action, &payload, NOW);
            prop_assert!(!inbound.events.is_empty());
            let _ = check_strict(case.protocol, case.action, &payload);
        }
    }

    #[test]
    fn arbitrary_answers_never_panic(protocol in any_protocol(), index in any::<prop::sample::Index>(), payload in any_json(), text in any::<String>()) {
        let actions = sendable_actions(protocol);
        let action = Action::Raw { action: (*index.get(&actions)).to_owned(), payload: text.clone() };
        read_answer(protocol, &action, &payload.to_string());
        read_answer(protocol, &action, &text);
        read_answer(protocol, &Action::GetConfiguration { keys: vec![text.clone()] }, &text);
        let _ = encode_action(protocol, &action);
        let _ = encode_action(protocol, &Action::GetConfiguration { keys: vec![text.clone()] });
        let _ = encode_action(protocol, &Action::Raw { action: text, payload: payload.to_string() });
    }
}
