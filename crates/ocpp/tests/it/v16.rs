//! What the messages of 1.6 mean.

use mendpoint_model::{
    Authorize, Boot, ConfigurationValue, ConnectorRef, ConnectorStatus, ErrorReport, EventKind,
    FirmwareReport, MeterReading, Protocol, SecurityReport, SignalReading, SignalUnit,
    StatusReport, TransactionEnded, TransactionId, TransactionStarted, Transport, UnixMs,
};
use mendpoint_ocpp::Reply;

use crate::canonical;

/// 2026-09-21T14:13:00Z, the time in the canonical payloads.
const AT: UnixMs = UnixMs(1_789_999_980_000);

fn canonical_events(action: &str) -> Vec<EventKind> {
    let cases = canonical::v16();
    let case = cases.iter().find(|case| case.action == action).expect("is in the table");
    read(action, case.payload)
}

fn read(action: &str, payload: &str) -> Vec<EventKind> {
    canonical::read(Protocol::V16, action, payload).events.into_vec()
}

fn status(payload: &str) -> StatusReport {
    match read("StatusNotification", payload).as_slice() {
        [EventKind::Status(report)] => report.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_message_becomes_its_event() {
    let text = |text: &str| Some(text.to_owned());
    for (action, expected) in [
        (
            "Authorize",
            EventKind::Authorize(Authorize {
                id_token: "04A1B2C3".into(),
                accepted: true,
                connector: None,
            }),
        ),
        (
            "BootNotification",
            EventKind::Boot(Boot {
                vendor: "ACME".into(),
                model: "X2".into(),
                serial: text("S1"),
                firmware: text("1.4"),
                iccid: text("8940"),
                imsi: text("226"),
                reason: None,
            }),
        ),
        ("DataTransfer", EventKind::Other("DataTransfer".into())),
        ("DiagnosticsStatusNotification", EventKind::Diagnostics("Uploading".into())),
        (
            "FirmwareStatusNotification",
            EventKind::Firmware(FirmwareReport { status: "InstallationFailed".into() }),
        ),
        ("Heartbeat", EventKind::Heartbeat),
        ("LogStatusNotification", EventKind::Diagnostics("Uploaded".into())),
        (
            "MeterValues",
            EventKind::Meter(MeterReading {
                connector: ConnectorRef::v16(2),
                transaction: Some(TransactionId(4711)),
                at: Some(AT),
                energy_wh: Some(12_345.6),
                power_w: Some(7_200.0),
                current_a: Some(16.0),
                offered_a: Some(32.0),
                voltage_v: Some(230.5),
                temperature_c: Some(31.0),
                soc_percent: Some(55.0),
            }),
        ),
        (
            "SecurityEventNotification",
            EventKind::Security(SecurityReport {
                kind: "TamperDetectionActivated".into(),
                info: text("lid"),
                at: Some(AT),
            }),
        ),
        ("SignCertificate", EventKind::Other("SignCertificate".into())),
        (
            "SignedFirmwareStatusNotification",
            EventKind::Firmware(FirmwareReport { status: "InvalidSignature".into() }),
        ),
        (
            "StartTransaction",
            EventKind::TransactionStarted(TransactionStarted {
                id: TransactionId(0),
                external_id: String::new(),
                connector: ConnectorRef::v16(1),
                id_token: "04A1B2C3".into(),
                meter_wh: Some(1_200),
                at: Some(AT),
                seq_no: 0,
                offline: false,
                charging_state: None,
            }),
        ),
        (
            "StatusNotification",
            EventKind::Status(StatusReport {
                connector: ConnectorRef::v16(1),
                status: ConnectorStatus::Faulted,
                raw_status: None,
                error: Some(ErrorReport {
                    code: "GroundFailure".into(),
                    info: text("RCD"),
                    vendor_id: text("https://chargex.inl.gov"),
                    vendor_code: text("CX002"),
                }),
                at: Some(AT),
            }),
        ),
    ] {
        assert_eq!(canonical_events(action), [expected], "{action}");
    }
}

#[test]
fn a_stop_tells_its_values_before_the_end() {
    let events = canonical_events("StopTransaction");
    let [EventKind::Meter(reading), EventKind::TransactionEnded(ended)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(reading.transaction, Some(TransactionId(4711)));
    assert_eq!(reading.energy_wh, Some(8_800.0));
    assert_eq!(
        *ended,
        TransactionEnded {
            id: TransactionId(4711),
            external_id: String::new(),
            connector: None,
            id_token: Some("04A1B2C3".into()),
            meter_wh: Some(8_800),
            reason: "EVDisconnected".into(),
            at: Some(AT),
            seq_no: 0,
            offline: false,
        }
    );
}

#[test]
fn every_status_word_of_the_version_is_known() {
    for word in [
        "Available",
        "Preparing",
        "Charging",
        "SuspendedEVSE",
        "SuspendedEV",
        "Finishing",
        "Reserved",
        "Unavailable",
        "Faulted",
    ] {
        let report =
            status(&format!(r#"{{"connectorId":1,"status":"{word}","errorCode":"NoError"}}"#));
        assert_eq!((report.status.name(), report.raw_status, report.error), (word, None, None));
    }
}

#[test]
fn b40_a_status_outside_the_enumeration_is_kept_raw() {
    let report = status(r#"{"connectorId":1,"status":"Error","errorCode":"mode3Error"}"#);
    assert_eq!(report.status, ConnectorStatus::Unknown);
    assert_eq!(report.raw_status.as_deref(), Some("Error"));
    assert_eq!(report.error.expect("has an error").code, "mode3Error");
    let report = status(r#"{"connectorId":1,"status":"Occupied","errorCode":"NoError"}"#);
    assert_eq!(report.status, ConnectorStatus::Preparing);
    assert_eq!(report.raw_status.as_deref(), Some("Occupied"));
}

#[test]
fn b54_connector_zero_is_the_whole_charger_and_a_missing_one_is_not() {
    let report = status(r#"{"connectorId":0,"status":"Available","errorCode":"NoError"}"#);
    assert_eq!(report.connector, ConnectorRef::CHARGER);
    for payload in [
        r#"{"status":"Faulted","errorCode":"NoError"}"#,
        r#"{"connectorId":null,"status":"Faulted","errorCode":"NoError"}"#,
        r#"{"connectorId":-1,"status":"Faulted","errorCode":"NoError"}"#,
    ] {
        let events = read("StatusNotification", payload);
        assert_eq!(events, [EventKind::Other("StatusNotification".into())], "{payload}");
    }
}

#[test]
fn b56_errors_and_statuses_come_in_every_mix() {
    let error = |payload: &str| status(payload).error.map(|error| error.code);
    assert_eq!(error(r#"{"connectorId":1,"status":"Faulted","errorCode":"NoError"}"#), None);
    assert_eq!(error(r#"{"connectorId":1,"status":"Faulted"}"#), None);
    assert_eq!(
        error(r#"{"connectorId":1,"status":"Available","errorCode":"WeakSignal"}"#).as_deref(),
        Some("WeakSignal")
    );
    // All the truth in the vendor's field.
    assert_eq!(
        error(
            r#"{"connectorId":1,"status":"Faulted","errorCode":"NoError","vendorErrorCode":"E12"}"#
        )
        .as_deref(),
        Some("OtherError")
    );
    assert_eq!(
        error(
            r#"{"connectorId":1,"status":"Available","errorCode":"NoError","vendorErrorCode":"0"}"#
        ),
        None
    );
}

#[test]
fn b45_any_transaction_number_is_taken() {
    for (sent, id) in [
        ("9223372036854775807", i64::MAX),
        ("-1", -1),
        ("0", 0),
        ("\"17\"", 17),
        ("null", -1),
        ("\"none\"", -1),
    ] {
        let payload = format!(r#"{{"transactionId":{sent},"meterStop":1}}"#);
        let events = read("StopTransaction", &payload);
        let [EventKind::TransactionEnded(ended)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(ended.id, TransactionId(id), "{sent}");
        assert_eq!(ended.reason, "Local");
    }
}

#[test]
fn b49_a_null_register_is_not_zero() {
    let events = read("StartTransaction", r#"{"connectorId":1,"idTag":"A","meterStart":null}"#);
    let [EventKind::TransactionStarted(started)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(started.meter_wh, None);
    // The values of a stop tell what its own field does not.
    let events = read(
        "StopTransaction",
        r#"{"transactionId":1,"meterStop":null,"transactionData":[{"sampledValue":[{"value":"1.5","unit":"kWh"}]}]}"#,
    );
    let Some(EventKind::TransactionEnded(ended)) = events.last() else { panic!("{events:?}") };
    assert_eq!(ended.meter_wh, Some(1_500));
}

#[test]
fn b61_values_without_a_transaction_are_taken_by_connector() {
    let values =
        r#""meterValue":[{"timestamp":"2026-09-21T14:13:00Z","sampledValue":[{"value":"5"}]}]"#;
    let events = read("MeterValues", &format!(r#"{{"connectorId":1,{values}}}"#));
    let [EventKind::Meter(reading)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((reading.connector, reading.transaction), (ConnectorRef::v16(1), None));
    // Nobody knows where these belong.
    let events = read("MeterValues", &format!("{{{values}}}"));
    assert_eq!(events, [EventKind::Other("MeterValues".into())]);
}

#[test]
fn a_vendor_message_with_a_signal_strength_is_read_and_accepted() {
    let payload =
        r#"{"vendorId":"Evnex","messageId":"NetStat","data":"{\"wifi\":{\"rssi\":-83}}"}"#;
    let inbound = canonical::read(Protocol::V16, "DataTransfer", payload);
    let signal = EventKind::Signal(SignalReading {
        transport: Transport::Wifi,
        value: -83.0,
        unit: SignalUnit::RssiDbm,
    });
    assert_eq!(inbound.events.as_slice(), [signal]);
    assert_eq!(inbound.reply, Reply::Literal("{\"status\":\"Accepted\"}".into()));
    let payload = r#"{"vendorId":"Evnex","data":{"csq":7}}"#;
    let signal = EventKind::Signal(SignalReading {
        transport: Transport::Cellular,
        value: 7.0,
        unit: SignalUnit::Csq,
    });
    assert_eq!(read("DataTransfer", payload), [signal]);
}

#[test]
fn configuration_values_are_text_whatever_they_were() {
    let (_, events) = mendpoint_ocpp::read_answer(
        Protocol::V16,
        &mendpoint_model::Action::GetConfiguration { keys: Vec::new() },
        r#"{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":300},
            {"key":"LocalPreAuthorize","readonly":"true","value":true},
            {"key":"Password","readonly":false}, 7, {"value":"no key"},
            {"key":"ModemRSSI","readonly":true,"value":"-101 dBm"}],"unknownKey":["x"]}"#,
    );
    let value = |key: &str, value: Option<&str>, readonly| ConfigurationValue {
        key: key.to_owned(),
        value: value.map(str::to_owned),
        readonly,
    };
    // A key that looks like a signal is one only when a person says so: see the upkeep crate.
    assert_eq!(
        events.as_slice(),
        [EventKind::Configuration(vec![
            value("HeartbeatInterval", Some("300"), false),
            value("LocalPreAuthorize", Some("true"), true),
            value("Password", None, false),
            value("ModemRSSI", Some("-101 dBm"), true),
        ])]
    );
}
