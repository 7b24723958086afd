//! Our commands and the answers to them.

use mendpoint_model::{
    Action, CommandOutcome, ConnectorRef, DeviceSource, EventKind, Protocol, SignalReading,
    SignalUnit, TransactionId, Transport, TriggeredMessage, VariableRef,
};
use mendpoint_ocpp::{encode_action, read_answer, sendable_actions};
use rust_ocpp::v1_6::messages as m16;
use rust_ocpp::v2_0_1::messages as m201;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use Protocol::{V16, V201};

fn at(evse: u16, connector: u16) -> ConnectorRef {
    ConnectorRef { evse, connector }
}

/// Every typed action, with and without what is optional.
pub(crate) fn typed_actions() -> Vec<Action> {
    let mut actions = vec![
        Action::Trigger { message: TriggeredMessage::Heartbeat, connector: None },
        Action::Unlock { connector: at(2, 1) },
        Action::SetAvailability { connector: ConnectorRef::CHARGER, operative: true },
        Action::SetAvailability { connector: at(1, 1), operative: false },
        Action::Reset { hard: false, evse: None },
        Action::Reset { hard: true, evse: None },
        Action::RemoteStart { connector: Some(at(1, 1)), id_token: "A\"1".into() },
        Action::RemoteStart { connector: None, id_token: "A".into() },
        Action::RemoteStop { transaction: TransactionId(7), external_id: "T-7".into() },
        Action::GetDiagnostics { location: "ftp://files.example/in".into(), request: 107 },
        Action::GetConfiguration { keys: Vec::new() },
        Action::GetConfiguration { keys: vec!["OCPPCommCtrlr.HeartbeatInterval".into()] },
    ];
    for message in [
        TriggeredMessage::BootNotification,
        TriggeredMessage::StatusNotification,
        TriggeredMessage::MeterValues,
    ] {
        actions.push(Action::Trigger { message, connector: Some(at(1, 1)) });
    }
    actions
}

fn reread<T: DeserializeOwned + Serialize>(text: &str) -> Value {
    let request: T = serde_json::from_str(text).expect("has the form of the version");
    serde_json::to_value(request).expect("can be written")
}

#[test]
fn every_typed_action_has_the_form_of_every_version() {
    for protocol in [Protocol::V16, Protocol::V201, Protocol::V21] {
        for action in typed_actions() {
            let (name, payload) = encode_action(protocol, &action).expect("is in the version");
            let reread: fn(&str) -> Value = match (protocol, &*name) {
                (Protocol::V16, "TriggerMessage") => {
                    reread::<m16::trigger_message::TriggerMessageRequest>
                }
                (Protocol::V16, "UnlockConnector") => {
                    reread::<m16::unlock_connector::UnlockConnectorRequest>
                }
                (Protocol::V16, "ChangeAvailability") => {
                    reread::<m16::change_availability::ChangeAvailabilityRequest>
                }
                (Protocol::V16, "Reset") => reread::<m16::reset::ResetRequest>,
                (Protocol::V16, "RemoteStartTransaction") => {
                    reread::<m16::remote_start_transaction::RemoteStartTransactionRequest>
                }
                (Protocol::V16, "RemoteStopTransaction") => {
                    reread::<m16::remote_stop_transaction::RemoteStopTransactionRequest>
                }
                (Protocol::V16, "GetConfiguration") => {
                    reread::<m16::get_configuration::GetConfigurationRequest>
                }
                (Protocol::V16, "GetDiagnostics") => {
                    reread::<m16::get_diagnostics::GetDiagnosticsRequest>
                }
                (_, "GetLog") => reread::<m201::get_log::GetLogRequest>,
                (_, "TriggerMessage") => reread::<m201::trigger_message::TriggerMessageRequest>,
                (_, "UnlockConnector") => reread::<m201::unlock_connector::UnlockConnectorRequest>,
                (_, "ChangeAvailability") => {
                    reread::<m201::change_availability::ChangeAvailabilityRequest>
                }
                (_, "Reset") => reread::<m201::reset::ResetRequest>,
                (_, "RequestStartTransaction") => {
                    reread::<m201::request_start_transaction::RequestStartTransactionRequest>
                }
                (_, "RequestStopTransaction") => {
                    reread::<m201::request_stop_transaction::RequestStopTransactionRequest>
                }
                (_, "GetVariables") => reread::<m201::get_variables::GetVariablesRequest>,
                (_, "GetBaseReport") => reread::<m201::get_base_report::GetBaseReportRequest>,
                (_, other) => panic!("{other} is not expected"),
            };
            let sent: Value = serde_json::from_str(&payload).expect("is JSON");
            assert_eq!(reread(&payload), sent, "{name}");
            assert!(sendable_actions(protocol).contains(&&*name), "{name}");
        }
    }
}

#[test]
pub(crate) fn typed_actions_say_what_is_meant() {
    let encode = |protocol, action: Action| {
        let (name, payload) = encode_action(protocol, &action).expect("is in the version");
        let payload: Value = serde_json::from_str(&payload).expect("is JSON");
        json!([name, payload])
    };
    for (protocol, action, expected) in [
        (V16, Action::Reset { hard: false, evse: None }, json!(["Reset", {"type": "Soft"}])),
        (V16, Action::Reset { hard: true, evse: None }, json!(["Reset", {"type": "Hard"}])),
        (V201, Action::Reset { hard: false, evse: None }, json!(["Reset", {"type": "OnIdle"}])),
        (
            V201,
            Action::Reset { hard: true, evse: Some(2) },
            json!(["Reset", {"type": "Immediate", "evseId": 2}]),
        ),
        (
            V16,
            Action::SetAvailability { connector: at(2, 1), operative: false },
            json!(["ChangeAvailability", {"connectorId": 2, "type": "Inoperative"}]),
        ),
        (
            V201,
            Action::SetAvailability { connector: at(2, 0), operative: true },
            json!(["ChangeAvailability", {"operationalStatus": "Operative", "evse": {"id": 2}}]),
        ),
        (
            V201,
            Action::Trigger {
                message: TriggeredMessage::StatusNotification,
                connector: Some(at(1, 2)),
            },
            json!(["TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 2}}]),
        ),
        (
            V16,
            Action::Trigger { message: TriggeredMessage::Heartbeat, connector: Some(at(0, 0)) },
            json!(["TriggerMessage", {"requestedMessage": "Heartbeat"}]),
        ),
        (
            V16,
            Action::GetDiagnostics { location: "ftp://files.example/in".into(), request: 107 },
            json!(["GetDiagnostics", {"location": "ftp://files.example/in"}]),
        ),
        (
            V201,
            Action::GetDiagnostics { location: "ftp://files.example/in".into(), request: 107 },
            json!(["GetLog", {"logType": "DiagnosticsLog", "requestId": 107, "log": {"remoteLocation": "ftp://files.example/in"}}]),
        ),
        (
            V201,
            Action::Unlock { connector: at(3, 0) },
            json!(["UnlockConnector", {"evseId": 3, "connectorId": 1}]),
        ),
        (
            V201,
            Action::GetConfiguration {
                keys: vec![
                    "DataLink[wlan.0].SignalStrength".into(),
                    "Connector:1:2.Problem[x]".into(),
                ],
            },
            json!(["GetVariables", {"getVariableData": [
                {"component": {"name": "DataLink", "instance": "wlan.0"}, "variable": {"name": "SignalStrength"}},
                {"component": {"name": "Connector", "evse": {"id": 1, "connectorId": 2}}, "variable": {"name": "Problem", "instance": "x"}},
            ]}]),
        ),
    ] {
        assert_eq!(encode(protocol, action), expected);
    }
}

#[test]
fn what_cannot_be_sent_is_refused_in_words() {
    let raw = |action: &str, payload: &str| Action::Raw {
        action: action.to_owned(),
        payload: payload.to_owned(),
    };
    for (protocol, action, why) in [
        (V16, raw("Resett", "{}"), "OCPP 1.6 has no action \"Resett\"; the nearest one is Reset"),
        (
            V201,
            raw("GetConfiguration", "{}"),
            "OCPP 2.0.1 has no action GetConfiguration; there it is called GetVariables",
        ),
        (
            V16,
            raw("BootNotification", "{}"),
            "BootNotification is sent by chargers, not to them; ask for it with TriggerMessage",
        ),
        (V16, raw("Reset", "[]"), "the payload of Reset must be a JSON object, as in {\"key\": 1}"),
        (
            V16,
            Action::Unlock { connector: ConnectorRef::CHARGER },
            "UnlockConnector needs a connector from 1, not the whole charger",
        ),
        (
            V16,
            Action::Reset { hard: true, evse: Some(1) },
            "OCPP 1.6 can only reset the whole charger, not EVSE 1; leave the EVSE out",
        ),
        (
            V16,
            Action::RemoteStop { transaction: TransactionId(i64::MAX), external_id: String::new() },
            "transaction 9223372036854775807 cannot be named in OCPP 1.6: it has 32 bits",
        ),
        (
            V201,
            Action::RemoteStop { transaction: TransactionId(1), external_id: String::new() },
            "RequestStopTransaction needs the charger's own transaction id",
        ),
        (
            V201,
            Action::GetConfiguration { keys: vec!["HeartbeatInterval".into()] },
            "\"HeartbeatInterval\" is no variable; write Component.Variable, as in OCPPCommCtrlr.HeartbeatInterval",
        ),
    ] {
        assert_eq!(encode_action(protocol, &action), Err(why.to_owned()));
    }
    let error = encode_action(V16, &raw("Reset", "{\"type\":")).expect_err("is not JSON");
    assert!(error.starts_with("the payload of Reset is not JSON: "), "{error}");
}

#[test]
fn raw_actions_go_out_as_they_are() {
    for protocol in [Protocol::V16, Protocol::V201, Protocol::V21] {
        for action in sendable_actions(protocol) {
            let raw = Action::Raw { action: action.to_owned(), payload: " {\"x\": [1]} ".into() };
            let sent = encode_action(protocol, &raw).expect("is in the version");
            assert_eq!(sent, (action.into(), "{\"x\": [1]}".to_owned()));
        }
    }
}

fn outcome(protocol: Protocol, action: &Action, payload: &str) -> (bool, String) {
    match read_answer(protocol, action, payload).0 {
        CommandOutcome::Answered { accepted, status, .. } => (accepted, status),
        other => panic!("{other:?}"),
    }
}

#[test]
fn status_words_mean_yes_or_no() {
    let reset = Action::Reset { hard: false, evse: None };
    for (word, accepted) in [
        ("Accepted", true),
        ("accepted", true),
        ("Unlocked", true),
        ("Scheduled", true),
        ("AcceptedCanceled", true),
        ("RebootRequired", true),
        ("Rejected", false),
        ("NotSupported", false),
        ("NotImplemented", false),
        ("UnlockFailed", false),
        ("UnknownVendorId", false),
        ("Occupied", false),
        ("VersionMismatch", false),
        ("OngoingAuthorizedTransaction", false),
        ("EmptyResultSet", false),
    ] {
        for protocol in [Protocol::V16, Protocol::V201] {
            let payload = format!(r#"{{"statusInfo":{{"reasonCode":"x"}},"status":"{word}"}}"#);
            assert_eq!(outcome(protocol, &reset, &payload), (accepted, word.to_owned()));
        }
    }
    for payload in ["{}", "null", "", r#"{"listVersion":3}"#] {
        assert_eq!(outcome(Protocol::V16, &reset, payload), (true, String::new()), "{payload}");
    }
}

#[test]
fn results_in_lists_count_by_their_worst() {
    let set = Action::Raw { action: "SetVariables".into(), payload: "{}".into() };
    let payload = r#"{"setVariableResult":[{"attributeStatus":"Accepted","component":{"name":"a"},"variable":{"name":"b"}},{"attributeStatus":"RebootRequired"}]}"#;
    assert_eq!(outcome(Protocol::V201, &set, payload), (true, "RebootRequired".into()));
    let payload =
        r#"{"setVariableResult":[{"attributeStatus":"Rejected"},{"attributeStatus":"Accepted"}]}"#;
    assert_eq!(outcome(Protocol::V201, &set, payload), (false, "Rejected".into()));
}

#[test]
fn variables_are_told_with_their_signal() {
    let get = Action::GetConfiguration { keys: vec!["A.B".into()] };
    let payload = r#"{"getVariableResult":[
        {"attributeStatus":"Accepted","attributeValue":"-88","component":{"name":"DataLink","instance":"wifi"},"variable":{"name":"SignalStrength"}},
        {"attributeStatus":"UnknownVariable","component":{"name":"A"},"variable":{"name":"B"}}]}"#;
    let (outcome, events) = read_answer(Protocol::V201, &get, payload);
    assert!(outcome.is_accepted());
    let [EventKind::Device(told), EventKind::Signal(signal)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(told.source, DeviceSource::Answer);
    assert_eq!(told.variables[0].at.to_string(), "DataLink[wifi].SignalStrength");
    assert_eq!(told.variables[0].value.as_deref(), Some("-88"));
    let reading =
        SignalReading { transport: Transport::Wifi, value: -88.0, unit: SignalUnit::RssiDbm };
    assert_eq!(*signal, reading);
    let payload = r#"{"getVariableResult":[{"attributeStatus":"UnknownComponent"}]}"#;
    let (outcome, events) = read_answer(Protocol::V201, &get, payload);
    assert_eq!((outcome.summary(), events.len()), ("UnknownComponent", 0));
    assert!(!outcome.is_accepted());
}

#[test]
fn the_answer_to_a_vendors_question_may_be_a_signal() {
    let ask = Action::Raw {
        action: "DataTransfer".into(),
        payload: r#"{"vendorId":"Evnex","messageId":"GetRSSI"}"#.into(),
    };
    for protocol in [Protocol::V16, Protocol::V201] {
        let (outcome, events) =
            read_answer(protocol, &ask, r#"{"status":"Accepted","data":"-74"}"#);
        assert!(outcome.is_accepted());
        let reading = SignalReading {
            transport: Transport::Cellular,
            value: -74.0,
            unit: SignalUnit::RssiDbm,
        };
        assert_eq!(events.as_slice(), [EventKind::Signal(reading)]);
    }
}

#[test]
fn what_was_set_is_told_where_the_charger_took_it() {
    let set = Action::Raw {
        action: "SetVariables".into(),
        payload: r#"{"setVariableData":[
            {"component":{"name":"OCPPCommCtrlr"},"variable":{"name":"HeartbeatInterval"},"attributeValue":"60"},
            {"component":{"name":"X"},"variable":{"name":"Y"},"attributeValue":"1"}]}"#
            .into(),
    };
    let (outcome, events) = read_answer(
        Protocol::V201,
        &set,
        r#"{"setVariableResult":[
            {"attributeStatus":"RebootRequired","component":{"name":"OCPPCommCtrlr"},"variable":{"name":"HeartbeatInterval"}},
            {"attributeStatus":"UnknownComponent","component":{"name":"X"},"variable":{"name":"Y"}}]}"#,
    );
    assert_eq!(outcome.summary(), "RebootRequired");
    let [EventKind::Device(told)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((told.source, told.variables.len()), (DeviceSource::Written, 1));
    assert_eq!(told.variables[0].value.as_deref(), Some("60"));

    let set = Action::Raw {
        action: "ChangeConfiguration".into(),
        payload: r#"{"key":"HeartbeatInterval","value":"60"}"#.into(),
    };
    let (_, events) = read_answer(Protocol::V16, &set, r#"{"status":"Accepted"}"#);
    let [EventKind::Device(told)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(told.variables[0].at, VariableRef::key("HeartbeatInterval"));
    let (_, events) = read_answer(Protocol::V16, &set, r#"{"status":"NotSupported"}"#);
    assert!(events.is_empty(), "{events:?}");
}

#[test]
fn every_monitor_has_its_own_answer() {
    let set = Action::Raw { action: "SetVariableMonitoring".into(), payload: "{}".into() };
    let (outcome, events) = read_answer(
        Protocol::V201,
        &set,
        r#"{"setMonitoringResult":[
            {"id":7,"status":"Accepted","type":"Delta","severity":4,"component":{"name":"EVSE","evse":{"id":1}},"variable":{"name":"Problem"}},
            {"status":"UnsupportedMonitorType","type":"LowerThreshold","severity":6,"component":{"name":"DataLink"},"variable":{"name":"SignalStrength"}}]}"#,
    );
    assert!(!outcome.is_accepted());
    let [EventKind::Monitors(told)] = events.as_slice() else { panic!("{events:?}") };
    assert!(told.set);
    assert_eq!((told.monitors[0].id, told.monitors[0].severity), (Some(7), 4));
    assert_eq!(told.monitors[0].at.to_string(), "EVSE:1.Problem");
    assert_eq!(told.monitors[1].status, "UnsupportedMonitorType");
}
