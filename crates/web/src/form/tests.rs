//! Forms of real messages, filled in well and badly.

use super::build::Built;
use super::*;

fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn built(protocol: Protocol, action: &str, pairs: &[(&str, &str)]) -> Built {
    let message = definition(protocol, action).expect("can be sent");
    build(protocol, message, &Filled::from_fields(&fields(pairs)))
}

#[test]
fn a_filled_form_becomes_the_payload() {
    let reset = built(Protocol::V16, "Reset", &[("f:type", "Soft"), ("action", "Reset")]);
    assert_eq!((&*reset.payload, reset.wrong.len()), (r#"{"type":"Soft"}"#, 0));

    let profile = built(
        Protocol::V16,
        "SetChargingProfile",
        &[
            ("f:connectorId", "1"),
            ("f:csChargingProfiles.chargingProfileId", "7"),
            ("f:csChargingProfiles.stackLevel", "0"),
            ("f:csChargingProfiles.chargingProfilePurpose", "TxDefaultProfile"),
            ("f:csChargingProfiles.chargingProfileKind", "Absolute"),
            ("f:csChargingProfiles.validFrom", "2026-09-21T14:00"),
            ("f:csChargingProfiles.chargingSchedule.chargingRateUnit", "A"),
            ("n:csChargingProfiles.chargingSchedule.chargingSchedulePeriod", "3"),
            ("f:csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].startPeriod", "0"),
            ("f:csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit", "16.5"),
            ("f:csChargingProfiles.chargingSchedule.chargingSchedulePeriod[2].startPeriod", "60"),
            ("f:csChargingProfiles.chargingSchedule.chargingSchedulePeriod[2].limit", "8"),
        ],
    );
    assert!(profile.wrong.is_empty() && profile.other.is_empty(), "{profile:?}");
    let payload: serde_json::Value = serde_json::from_str(&profile.payload).expect("JSON");
    let profile = &payload["csChargingProfiles"];
    assert_eq!(profile["validFrom"], "2026-09-21T14:00:00Z");
    let periods = &profile["chargingSchedule"]["chargingSchedulePeriod"];
    assert_eq!(
        periods.to_string(),
        r#"[{"limit":16.5,"startPeriod":0},{"limit":8,"startPeriod":60}]"#
    );
}

#[test]
fn what_is_wrong_is_said_beside_its_field() {
    let start = built(
        Protocol::V16,
        "RemoteStartTransaction",
        &[("f:idTag", "123456789012345678901"), ("f:connectorId", "one")],
    );
    assert!(start.wrong["idTag"].contains("20"), "{start:?}");
    assert!(start.wrong["connectorId"].contains("number"), "{start:?}");
    let reset = built(Protocol::V201, "Reset", &[("f:type", "Soft")]);
    assert!(reset.wrong["type"].contains("OnIdle"), "{reset:?}");
    let empty = built(Protocol::V16, "Reset", &[]);
    assert_eq!(empty.wrong["type"], "required and not there");
}

#[test]
fn an_error_in_an_item_stands_at_the_item_that_was_filled_in() {
    let set = built(
        Protocol::V201,
        "SetVariables",
        &[
            ("n:setVariableData", "3"),
            ("f:setVariableData[2].attributeValue", "300"),
            ("f:setVariableData[2].component.name", "OCPPCommCtrlr"),
        ],
    );
    // In the payload it is the first and only one.
    assert!(set.wrong.contains_key("setVariableData[2].variable.name"), "{set:?}");
    assert_eq!(set.wrong.len(), 1, "{set:?}");
    let none = built(Protocol::V201, "SetVariables", &[]);
    assert!(none.wrong.contains_key("setVariableData[0].attributeValue"), "{none:?}");
}

#[test]
fn what_may_be_left_out_is_left_out() {
    let firmware = built(
        Protocol::V201,
        "ChangeAvailability",
        &[("f:operationalStatus", "Operative"), ("f:evse.id", "  ")],
    );
    assert_eq!(firmware.payload, r#"{"operationalStatus":"Operative"}"#);
    let half = built(
        Protocol::V201,
        "ChangeAvailability",
        &[("f:operationalStatus", "Operative"), ("f:evse.connectorId", "1")],
    );
    assert_eq!(half.wrong["evse.id"], "required and not there");
}

#[test]
fn a_payload_fills_its_form_and_comes_out_again() {
    let payload = r#"{"getVariableData":[{"component":{"evse":{"id":1},"name":"EVSE"},"variable":{"name":"Power"}},{"component":{"name":"ClockCtrlr"},"variable":{"name":"DateTime"}}]}"#;
    let message = definition(Protocol::V201, "GetVariables").expect("can be sent");
    let filled = Filled::from_payload(payload);
    assert_eq!(build(Protocol::V201, message, &filled).payload, payload);
    let shown = nodes(message, &filled, &BTreeMap::new());
    let items = shown.iter().filter(|node| matches!(node, Node::Item(_))).count();
    assert_eq!(items, 2);
    let is_open = |wanted: &str| {
        shown.iter().any(
            |node| matches!(node, Node::Option(option) if option.name == wanted && option.is_open),
        )
    };
    assert!(is_open("evse"), "what is filled in is shown");
}

#[test]
fn every_message_has_a_form_of_a_bearable_size() {
    let mut largest = (0, "");
    for protocol in [Protocol::V16, Protocol::V201, Protocol::V21] {
        for action in mendpoint_ocpp::sendable_actions(protocol) {
            let message = definition(protocol, action).expect("is defined");
            let shown = nodes(message, &Filled::default(), &BTreeMap::new());
            let mut depth = 0_i32;
            for node in &shown {
                depth += match node {
                    Node::Group { .. } | Node::Option(_) | Node::List(_) | Node::Item(_) => 1,
                    Node::GroupEnd | Node::OptionEnd | Node::ListEnd(_) | Node::ItemEnd => -1,
                    Node::Field(_) => 0,
                };
                assert!(depth >= 0, "{action}");
            }
            assert_eq!(depth, 0, "{action}: what begins also ends");
            let fields = shown.iter().filter(|node| matches!(node, Node::Field(_))).count();
            largest = largest.max((fields, action));
        }
    }
    assert!(largest.0 < 400, "{largest:?}");
}

#[test]
fn one_more_item_is_shown_when_asked_for_and_not_without_end() {
    let filled = Filled::from_fields(&fields(&[("n:key", "2"), ("add", "key")]));
    assert_eq!(filled.items("key"), 3);
    let filled = Filled::from_fields(&fields(&[("n:key", "99999"), ("add", "key")]));
    assert_eq!(filled.items("key"), ITEMS_MAX);
}
