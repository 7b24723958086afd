//! What the messages of 2.x mean.

use mendpoint_model::{
    AttributeKind, Authorize, Boot, ConnectorRef, ConnectorStatus, DeviceReport, DeviceSource,
    EventKind, FaultReport, FirmwareReport, MeterReading, Mutability, Protocol, SecurityReport,
    SignalReading, SignalUnit, StatusReport, TransactionEnded, TransactionId, TransactionStarted,
    TransactionUpdated, Transport, UnixMs, VariableRef, VariableReport,
};
use mendpoint_ocpp::Reply;

use crate::canonical;

/// 2026-09-21T14:13:00Z, the time in the canonical payloads.
const AT: UnixMs = UnixMs(1_789_999_980_000);

fn canonical_events(action: &str) -> Vec<EventKind> {
    let cases = canonical::v201();
    let case = cases.iter().find(|case| case.action == action).expect("is in the table");
    read(action, case.payload)
}

fn read(action: &str, payload: &str) -> Vec<EventKind> {
    canonical::read(Protocol::V201, action, payload).events.into_vec()
}

/// The one variable of the canonical `NotifyReport`.
fn heartbeat_interval() -> DeviceReport {
    let at = VariableRef {
        component: "OCPPCommCtrlr".into(),
        variable: "HeartbeatInterval".into(),
        ..VariableRef::default()
    };
    DeviceReport {
        source: DeviceSource::Report,
        request: Some(1),
        seq_no: 0,
        more: false,
        variables: vec![VariableReport {
            at,
            value: Some("300".into()),
            mutability: Some(Mutability::ReadWrite),
            ..VariableReport::default()
        }],
    }
}

fn at(evse: u16, connector: u16) -> ConnectorRef {
    ConnectorRef { evse, connector }
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
                firmware: text("2.0"),
                iccid: text("8940"),
                imsi: text("226"),
                reason: text("RemoteReset"),
            }),
        ),
        (
            "FirmwareStatusNotification",
            EventKind::Firmware(FirmwareReport { status: "Downloading".into() }),
        ),
        ("Heartbeat", EventKind::Heartbeat),
        ("LogStatusNotification", EventKind::Diagnostics("Uploading".into())),
        (
            "MeterValues",
            EventKind::Meter(MeterReading {
                connector: at(1, 0),
                at: Some(AT),
                energy_wh: Some(1_500.0),
                power_w: Some(7_200.0),
                ..MeterReading::default()
            }),
        ),
        (
            "NotifyEvent",
            EventKind::Fault(FaultReport {
                connector: at(1, 1),
                component: "Connector".into(),
                variable: "Problem".into(),
                active: true,
                code: text("CX002"),
                info: text("RCD"),
                severity: None,
                at: Some(AT),
            }),
        ),
        ("NotifyReport", EventKind::Device(heartbeat_interval())),
        (
            "SecurityEventNotification",
            EventKind::Security(SecurityReport {
                kind: "SettingSystemTime".into(),
                info: None,
                at: Some(AT),
            }),
        ),
        (
            "StatusNotification",
            EventKind::Status(StatusReport {
                connector: at(1, 2),
                status: ConnectorStatus::Preparing,
                raw_status: None,
                error: None,
                at: Some(AT),
            }),
        ),
    ] {
        assert_eq!(canonical_events(action), [expected], "{action}");
    }
}

#[test]
fn messages_that_decide_nothing_are_kept() {
    for action in [
        "ClearedChargingLimit",
        "DataTransfer",
        "Get15118EVCertificate",
        "GetCertificateStatus",
        "NotifyChargingLimit",
        "NotifyCustomerInformation",
        "NotifyDisplayMessages",
        "NotifyEVChargingNeeds",
        "NotifyEVChargingSchedule",
        "PublishFirmwareStatusNotification",
        "ReportChargingProfiles",
        "SignCertificate",
    ] {
        assert_eq!(canonical_events(action), [EventKind::Other(action.to_owned())]);
    }
}

#[test]
fn a_started_transaction_comes_before_its_values() {
    let reading = EventKind::Meter(MeterReading {
        connector: at(1, 1),
        at: Some(AT),
        energy_wh: Some(1_200.4),
        ..MeterReading::default()
    });
    let started = EventKind::TransactionStarted(TransactionStarted {
        id: TransactionId(0),
        external_id: "T-1".into(),
        connector: at(1, 1),
        id_token: "04A1B2C3".into(),
        meter_wh: Some(1_200),
        at: Some(AT),
        seq_no: 0,
        offline: true,
        charging_state: Some("Charging".into()),
    });
    assert_eq!(canonical_events("TransactionEvent"), [started, reading]);
}

#[test]
fn b62_a_missing_connector_is_not_connector_1() {
    let events = read(
        "TransactionEvent",
        r#"{"eventType":"Updated","timestamp":"2026-09-21T14:13:00Z","triggerReason":"ChargingStateChanged","seqNo":3,"transactionInfo":{"transactionId":"T-1","chargingState":"SuspendedEV"}}"#,
    );
    let updated = EventKind::TransactionUpdated(TransactionUpdated {
        external_id: "T-1".into(),
        connector: None,
        id_token: None,
        seq_no: 3,
        offline: false,
        charging_state: Some("SuspendedEV".into()),
        trigger: "ChargingStateChanged".into(),
        at: Some(AT),
    });
    assert_eq!(events, [updated]);
    let events = read(
        "TransactionEvent",
        r#"{"eventType":"Updated","seqNo":4,"transactionInfo":{"transactionId":"T-1"},"evse":{"id":2}}"#,
    );
    let [EventKind::TransactionUpdated(updated)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(updated.connector, Some(at(2, 0)));
}

#[test]
fn an_ended_transaction_comes_after_its_values() {
    let events = read(
        "TransactionEvent",
        r#"{"eventType":"Ended","timestamp":"2026-09-21T14:13:00Z","triggerReason":"EVCommunicationLost","seqNo":9,"transactionInfo":{"transactionId":"T-1","stoppedReason":"EVDisconnected"},
            "meterValue":[{"timestamp":"2026-09-21T14:12:00Z","sampledValue":[{"value":100,"context":"Transaction.Begin"}]},
                          {"timestamp":"2026-09-21T14:13:00Z","sampledValue":[{"value":8800,"context":"Transaction.End"}]}]}"#,
    );
    let [EventKind::Meter(reading), EventKind::TransactionEnded(ended)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(reading.connector, ConnectorRef::CHARGER);
    assert_eq!(
        *ended,
        TransactionEnded {
            id: TransactionId(0),
            external_id: "T-1".into(),
            connector: None,
            id_token: None,
            meter_wh: Some(8_800),
            reason: "EVDisconnected".into(),
            at: Some(AT),
            seq_no: 9,
            offline: false,
        }
    );
}

#[test]
fn only_a_message_with_a_token_is_answered_about_it() {
    let reply = |token: &str| {
        let payload = format!(
            r#"{{"eventType":"Updated","seqNo":1,"transactionInfo":{{"transactionId":"T"}}{token}}}"#
        );
        canonical::read(Protocol::V201, "TransactionEvent", &payload).reply
    };
    assert_eq!(reply(""), Reply::TransactionEvent);
    assert_eq!(
        reply(r#","idToken":{"idToken":"A","type":"Local"}"#),
        Reply::TransactionEventWithToken
    );
}

fn event(fields: &str) -> Vec<EventKind> {
    read("NotifyEvent", &format!(r#"{{"seqNo":0,"eventData":[{{{fields}}}]}}"#))
}

fn fault(fields: &str) -> FaultReport {
    match event(fields).as_slice() {
        [EventKind::Fault(report)] => report.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn b63_faults_come_and_go_by_value_and_by_cleared() {
    let problem = r#""component":{"name":"EVSE","evse":{"id":2}},"variable":{"name":"Problem"}"#;
    let report = fault(&format!(r#"{problem},"actualValue":"true","severity":2"#));
    assert_eq!((report.connector, report.active, report.severity), (at(2, 0), true, Some(2)));
    assert!(!fault(&format!(r#"{problem},"actualValue":"false""#)).active);
    assert!(!fault(&format!(r#"{problem},"actualValue":"true","cleared":true"#)).active);
    assert!(fault(&format!(r#"{problem},"actualValue":true"#)).active);
    let report = fault(
        r#""component":{"name":"RCD"},"variable":{"name":"Tripped"},"actualValue":"true","severity":77"#,
    );
    assert_eq!((report.connector, report.severity), (ConnectorRef::CHARGER, None));
    assert!(fault(r#""component":{"name":"EmergencyStopSensor"},"variable":{"name":"Active"},"actualValue":"1""#).active);
    assert!(fault(r#""component":{"name":"GroundIsolationProtection"},"variable":{"name":"Active"},"actualValue":"1""#).active);
}

#[test]
fn events_that_are_no_faults_are_not_taken_for_any() {
    for fields in [
        r#""component":{"name":"BayOccupancySensor"},"variable":{"name":"Active"},"actualValue":"true""#,
        r#""component":{"name":"FiscalMetering"},"variable":{"name":"Power"},"actualValue":"7000""#,
        r#""component":{"name":"DataLink"},"variable":{"name":"SignalStrength"},"actualValue":"strong""#,
    ] {
        assert_eq!(event(fields), [EventKind::Other("NotifyEvent".into())], "{fields}");
    }
}

#[test]
fn signal_strength_is_read_from_the_data_link() {
    let signal = |instance: &str, value: &str| {
        let fields = format!(
            r#""component":{{"name":"DataLink","instance":"{instance}"}},"variable":{{"name":"SignalStrength"}},"actualValue":{value}"#
        );
        match event(&fields).as_slice() {
            [EventKind::Signal(reading)] => *reading,
            other => panic!("{other:?}"),
        }
    };
    let reading = |transport, value, unit| SignalReading { transport, value, unit };
    assert_eq!(signal("WiFi0", "\"-83\""), reading(Transport::Wifi, -83.0, SignalUnit::RssiDbm));
    assert_eq!(signal("wwan0", "18"), reading(Transport::Cellular, 18.0, SignalUnit::Percent));
}

#[test]
fn connector_states_by_event_are_statuses() {
    let events = event(
        r#""component":{"name":"Connector","evse":{"id":1,"connectorId":2}},"variable":{"name":"AvailabilityState"},"actualValue":"Faulted""#,
    );
    let [EventKind::Status(report)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((report.connector, report.status), (at(1, 2), ConnectorStatus::Faulted));
}

#[test]
fn a_report_tells_values_and_what_they_mean() {
    let events = read(
        "NotifyReport",
        r#"{"requestId":1,"seqNo":0,"reportData":[
            {"component":{"name":"Connector","evse":{"id":1,"connectorId":1}},"variable":{"name":"Problem"},"variableAttribute":[{"value":"true","mutability":"ReadOnly"}]},
            {"component":{"name":"EVSE","evse":{"id":1}},"variable":{"name":"Problem"},"variableAttribute":[{"mutability":"ReadOnly"}]},
            {"component":{"name":"DataLink","instance":"wlan"},"variable":{"name":"SignalStrength"},"variableAttribute":[{"type":"MinSet","value":"-1"},{"type":"Actual","value":"-70"}]}, 7]}"#,
    );
    let [EventKind::Device(part), EventKind::Fault(fault), EventKind::Signal(signal)] =
        events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!((part.request, part.seq_no, part.more), (Some(1), 0, false));
    let values = &part.variables;
    let names: Vec<_> = values.iter().map(|value| value.at.to_string()).collect();
    let link = "DataLink[wlan].SignalStrength";
    assert_eq!(names, ["Connector:1:1.Problem", "EVSE:1.Problem", link, link]);
    assert_eq!(values[0].mutability, Some(Mutability::ReadOnly));
    assert_eq!(
        (values[2].attribute, values[2].value.as_deref()),
        (AttributeKind::MinSet, Some("-1"))
    );
    assert_eq!(values[3].value.as_deref(), Some("-70"));
    assert!(fault.active);
    assert_eq!((signal.transport, signal.value), (Transport::Wifi, -70.0));
}

#[test]
fn a_report_of_monitors_tells_each_of_them() {
    let events = read(
        "NotifyMonitoringReport",
        r#"{"requestId":2,"seqNo":1,"tbc":true,"generatedAt":"2026-09-21T14:13:20Z","monitor":[
            {"component":{"name":"DataLink"},"variable":{"name":"SignalStrength"},"variableMonitoring":[
                {"id":1,"transaction":false,"value":-80,"type":"LowerThreshold","severity":6},
                {"id":2,"transaction":false,"value":60.5,"type":"Periodic","severity":9}]}]}"#,
    );
    let [EventKind::Monitors(part)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((part.set, part.request, part.seq_no, part.more), (false, Some(2), 1, true));
    assert_eq!(part.monitors.len(), 2);
    assert_eq!(part.monitors[0].kind, "LowerThreshold");
    assert_eq!(part.monitors[1].value, Some(60.5));
}
