//! Every command of both versions gets an answer that rust-ocpp's own types read.

use super::*;
use serde::de::DeserializeOwned;

fn reads<T: DeserializeOwned>(text: &str) -> Result<(), String> {
    serde_json::from_str::<T>(text).map(|_| ()).map_err(|why| why.to_string())
}

type Reader = fn(&str) -> Result<(), String>;

#[test]
fn every_command_of_1_6_gets_an_answer_that_fits_its_type() {
    use rust_ocpp::v1_6::messages as m;
    let profile = json!({
        "chargingProfileId": 5, "stackLevel": 1, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": 16.0 }]
        }
    });
    let commands: [(&str, Value, Reader, Option<&str>); 19] = [
        (
            "GetConfiguration",
            json!({}),
            reads::<m::get_configuration::GetConfigurationResponse>,
            None,
        ),
        (
            "ChangeConfiguration",
            json!({"key": "HeartbeatInterval", "value": "120"}),
            reads::<m::change_configuration::ChangeConfigurationResponse>,
            Some("Accepted"),
        ),
        ("ClearCache", json!({}), reads::<m::clear_cache::ClearCacheResponse>, Some("Accepted")),
        (
            "DataTransfer",
            json!({"vendorId": "Somebody"}),
            reads::<m::data_transfer::DataTransferResponse>,
            Some("UnknownVendorId"),
        ),
        (
            "GetLocalListVersion",
            json!({}),
            reads::<m::get_local_list_version::GetLocalListVersionResponse>,
            None,
        ),
        (
            "SendLocalList",
            json!({"listVersion": 3, "updateType": "Full", "localAuthorizationList": [{"idTag": "A", "idTagInfo": {"status": "Accepted"}}]}),
            reads::<m::send_local_list::SendLocalListResponse>,
            Some("Accepted"),
        ),
        (
            "SetChargingProfile",
            json!({"connectorId": 0, "csChargingProfiles": profile}),
            reads::<m::set_charging_profile::SetChargingProfileResponse>,
            Some("Accepted"),
        ),
        (
            "GetCompositeSchedule",
            json!({"connectorId": 1, "duration": 600}),
            reads::<m::get_composite_schedule::GetCompositeScheduleResponse>,
            Some("Accepted"),
        ),
        (
            "ClearChargingProfile",
            json!({"id": 5}),
            reads::<m::clear_charging_profile::ClearChargingProfileResponse>,
            Some("Accepted"),
        ),
        (
            "ReserveNow",
            json!({"connectorId": 2, "expiryDate": "2027-01-01T00:00:00Z", "idTag": "A", "reservationId": 7}),
            reads::<m::reserve_now::ReserveNowResponse>,
            Some("Accepted"),
        ),
        (
            "CancelReservation",
            json!({"reservationId": 7}),
            reads::<m::cancel_reservation::CancelReservationResponse>,
            Some("Accepted"),
        ),
        (
            "TriggerMessage",
            json!({"requestedMessage": "StatusNotification"}),
            reads::<m::trigger_message::TriggerMessageResponse>,
            Some("Accepted"),
        ),
        (
            "RemoteStartTransaction",
            json!({"idTag": "A", "connectorId": 1}),
            reads::<m::remote_start_transaction::RemoteStartTransactionResponse>,
            Some("Accepted"),
        ),
        (
            "RemoteStopTransaction",
            json!({"transactionId": 999}),
            reads::<m::remote_stop_transaction::RemoteStopTransactionResponse>,
            Some("Rejected"),
        ),
        (
            "UnlockConnector",
            json!({"connectorId": 1}),
            reads::<m::unlock_connector::UnlockConnectorResponse>,
            Some("Unlocked"),
        ),
        (
            "ChangeAvailability",
            json!({"connectorId": 0, "type": "Inoperative"}),
            reads::<m::change_availability::ChangeAvailabilityResponse>,
            Some("Accepted"),
        ),
        (
            "GetDiagnostics",
            json!({"location": "ftp://files.example/in"}),
            reads::<m::get_diagnostics::GetDiagnosticsResponse>,
            None,
        ),
        (
            "UpdateFirmware",
            json!({"location": "https://files.example/fw-9.9.9.bin", "retrieveDate": "2026-01-01T00:00:00Z"}),
            reads::<m::update_firmware::UpdateFirmwareResponse>,
            None,
        ),
        ("Reset", json!({"type": "Soft"}), reads::<m::reset::ResetResponse>, Some("Accepted")),
    ];
    let mut bench = Bench::started(Protocol::V16);
    for (action, payload, read, status) in commands {
        let answer = bench.command(action, &payload);
        assert_eq!(answer[0], 3, "{action}: {answer}");
        read(&answer[2].to_string()).unwrap_or_else(|why| panic!("{action}: {why}"));
        if let Some(status) = status {
            assert_eq!(answer[2]["status"], status, "{action}");
        }
        let broken = bench.command(action, &json!([1]));
        assert_eq!((&broken[0], &broken[2]), (&json!(4), &json!("FormationViolation")), "{action}");
    }
    let unknown = bench.command("MakeCoffee", &json!({}));
    assert_eq!(unknown[2], "NotImplemented");
    bench.advance_s(600);
    let uploads = bench.said("DiagnosticsStatusNotification");
    assert!(uploads.is_empty() || uploads[0]["status"] == "Uploading");
    assert_eq!(bench.core.firmware, "9.9.9");
}

#[test]
fn every_command_of_2_0_1_gets_an_answer_that_fits_its_type() {
    use rust_ocpp::v2_0_1::messages as m;
    let profile = json!({
        "id": 5, "stackLevel": 1, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [{
            "id": 1, "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": 16.0 }]
        }]
    });
    let token = json!({"idToken": "A", "type": "Central"});
    let link = json!({"name": "DataLink"});
    let strength = json!({"name": "SignalStrength"});
    let hash = json!({"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "1"});
    let message = json!({"id": 9, "priority": "NormalCycle", "message": {"format": "UTF8", "content": "hello"}});
    let commands: [(&str, Value, Reader, Option<&str>); 40] = [
        (
            "GetVariables",
            json!({"getVariableData": [{"component": link, "variable": strength}, {"component": {"name": "Nothing"}, "variable": {"name": "X"}}]}),
            reads::<m::get_variables::GetVariablesResponse>,
            None,
        ),
        (
            "SetVariables",
            json!({"setVariableData": [{"attributeValue": "120", "component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}]}),
            reads::<m::set_variables::SetVariablesResponse>,
            None,
        ),
        (
            "GetBaseReport",
            json!({"requestId": 1, "reportBase": "FullInventory"}),
            reads::<m::get_base_report::GetBaseReportResponse>,
            Some("Accepted"),
        ),
        (
            "GetReport",
            json!({"requestId": 2, "componentVariable": [{"component": link}]}),
            reads::<m::get_report::GetReportResponse>,
            Some("Accepted"),
        ),
        (
            "SetVariableMonitoring",
            json!({"setMonitoringData": [{"value": -100.0, "type": "LowerThreshold", "severity": 6, "component": link, "variable": strength}]}),
            reads::<m::set_variable_monitoring::SetVariableMonitoringResponse>,
            None,
        ),
        (
            "GetMonitoringReport",
            json!({"requestId": 3}),
            reads::<m::get_monitoring_report::GetMonitoringReportResponse>,
            Some("Accepted"),
        ),
        (
            "ClearVariableMonitoring",
            json!({"id": [1, 77]}),
            reads::<m::clear_variable_monitoring::ClearVariableMonitoringResponse>,
            None,
        ),
        (
            "SetMonitoringBase",
            json!({"monitoringBase": "All"}),
            reads::<m::set_monitoring_base::SetMonitoringBaseResponse>,
            Some("Accepted"),
        ),
        (
            "SetMonitoringLevel",
            json!({"severity": 6}),
            reads::<m::set_monitoring_level::SetMonitoringLevelResponse>,
            Some("Accepted"),
        ),
        ("ClearCache", json!({}), reads::<m::clear_cache::ClearCacheResponse>, Some("Accepted")),
        (
            "DataTransfer",
            json!({"vendorId": "Somebody"}),
            reads::<m::datatransfer::DataTransferResponse>,
            Some("UnknownVendorId"),
        ),
        (
            "GetLocalListVersion",
            json!({}),
            reads::<m::get_local_list_version::GetLocalListVersionResponse>,
            None,
        ),
        (
            "SendLocalList",
            json!({"versionNumber": 3, "updateType": "Full", "localAuthorizationList": [{"idToken": token, "idTokenInfo": {"status": "Accepted"}}]}),
            reads::<m::send_local_list::SendLocalListResponse>,
            Some("Accepted"),
        ),
        (
            "SetChargingProfile",
            json!({"evseId": 0, "chargingProfile": profile}),
            reads::<m::set_charging_profile::SetChargingProfileResponse>,
            Some("Accepted"),
        ),
        (
            "GetChargingProfiles",
            json!({"requestId": 4, "chargingProfile": {}}),
            reads::<m::get_charging_profiles::GetChargingProfilesResponse>,
            Some("Accepted"),
        ),
        (
            "GetCompositeSchedule",
            json!({"duration": 600, "evseId": 1}),
            reads::<m::get_composite_schedule::GetCompositeScheduleResponse>,
            Some("Accepted"),
        ),
        (
            "ClearChargingProfile",
            json!({"chargingProfileId": 5}),
            reads::<m::clear_charging_profile::ClearChargingProfileResponse>,
            Some("Accepted"),
        ),
        (
            "ReserveNow",
            json!({"id": 7, "expiryDateTime": "2027-01-01T00:00:00Z", "idToken": token, "evseId": 2}),
            reads::<m::reserve_now::ReserveNowResponse>,
            Some("Accepted"),
        ),
        (
            "CancelReservation",
            json!({"reservationId": 7}),
            reads::<m::cancel_reservation::CancelReservationResponse>,
            Some("Accepted"),
        ),
        (
            "SetDisplayMessage",
            json!({"message": message}),
            reads::<m::set_display_message::SetDisplayMessageResponse>,
            Some("Accepted"),
        ),
        (
            "GetDisplayMessages",
            json!({"requestId": 5}),
            reads::<m::get_display_message::GetDisplayMessagesResponse>,
            Some("Accepted"),
        ),
        (
            "ClearDisplayMessage",
            json!({"id": 9}),
            reads::<m::clear_display_message::ClearDisplayMessageResponse>,
            Some("Accepted"),
        ),
        (
            "CostUpdated",
            json!({"totalCost": 1.5, "transactionId": "x"}),
            reads::<m::cost_updated::CostUpdatedResponse>,
            None,
        ),
        (
            "CustomerInformation",
            json!({"requestId": 6, "report": true, "clear": false, "idToken": token}),
            reads::<m::customer_information::CustomerInformationResponse>,
            Some("Accepted"),
        ),
        (
            "CertificateSigned",
            json!({"certificateChain": "-----BEGIN CERTIFICATE-----"}),
            reads::<m::certificate_signed::CertificateSignedResponse>,
            Some("Accepted"),
        ),
        (
            "InstallCertificate",
            json!({"certificateType": "CSMSRootCertificate", "certificate": "-----BEGIN CERTIFICATE-----"}),
            reads::<m::install_certificate::InstallCertificateResponse>,
            Some("Accepted"),
        ),
        (
            "DeleteCertificate",
            json!({"certificateHashData": hash}),
            reads::<m::delete_certificate::DeleteCertificateResponse>,
            Some("NotFound"),
        ),
        (
            "GetInstalledCertificateIds",
            json!({}),
            reads::<m::get_installed_certificate_ids::GetInstalledCertificateIdsResponse>,
            Some("NotFound"),
        ),
        (
            "SetNetworkProfile",
            json!({"configurationSlot": 1, "connectionData": {"ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": "ws://x.example", "messageTimeout": 30, "securityProfile": 1, "ocppInterface": "Wired0"}}),
            reads::<m::set_network_profile::SetNetworkProfileResponse>,
            Some("Accepted"),
        ),
        (
            "PublishFirmware",
            json!({"location": "https://x.example/f", "checksum": "0", "requestId": 8}),
            reads::<m::publish_firmware::PublishFirmwareResponse>,
            Some("Rejected"),
        ),
        (
            "UnpublishFirmware",
            json!({"checksum": "0"}),
            reads::<m::unpublish_firmware::UnpublishFirmwareResponse>,
            Some("NoFirmware"),
        ),
        (
            "TriggerMessage",
            json!({"requestedMessage": "StatusNotification", "evse": {"id": 1}}),
            reads::<m::trigger_message::TriggerMessageResponse>,
            Some("Accepted"),
        ),
        (
            "GetTransactionStatus",
            json!({}),
            reads::<m::get_transaction_status::GetTransactionStatusResponse>,
            None,
        ),
        (
            "RequestStartTransaction",
            json!({"evseId": 1, "remoteStartId": 11, "idToken": token}),
            reads::<m::request_start_transaction::RequestStartTransactionResponse>,
            Some("Accepted"),
        ),
        (
            "RequestStopTransaction",
            json!({"transactionId": "none"}),
            reads::<m::request_stop_transaction::RequestStopTransactionResponse>,
            Some("Rejected"),
        ),
        (
            "UnlockConnector",
            json!({"evseId": 1, "connectorId": 1}),
            reads::<m::unlock_connector::UnlockConnectorResponse>,
            Some("Unlocked"),
        ),
        (
            "ChangeAvailability",
            json!({"operationalStatus": "Inoperative"}),
            reads::<m::change_availability::ChangeAvailabilityResponse>,
            Some("Accepted"),
        ),
        (
            "GetLog",
            json!({"logType": "DiagnosticsLog", "requestId": 12, "log": {"remoteLocation": "https://files.example/in"}}),
            reads::<m::get_log::GetLogResponse>,
            Some("Accepted"),
        ),
        (
            "UpdateFirmware",
            json!({"requestId": 13, "firmware": {"location": "https://files.example/fw-9.9.9.bin", "retrieveDateTime": "2026-01-01T00:00:00Z"}}),
            reads::<m::update_firmware::UpdateFirmwareResponse>,
            Some("Accepted"),
        ),
        ("Reset", json!({"type": "OnIdle"}), reads::<m::reset::ResetResponse>, Some("Accepted")),
    ];
    let mut bench = Bench::started(Protocol::V201);
    for (action, payload, read, status) in commands {
        let answer = bench.command(action, &payload);
        assert_eq!(answer[0], 3, "{action}: {answer}");
        read(&answer[2].to_string()).unwrap_or_else(|why| panic!("{action}: {why}"));
        if let Some(status) = status {
            assert_eq!(answer[2]["status"], status, "{action}");
        }
        let broken = bench.command(action, &json!([1]));
        assert_eq!((&broken[0], &broken[2]), (&json!(4), &json!("FormatViolation")), "{action}");
    }
    assert_eq!(bench.command("MakeCoffee", &json!({}))[2], "NotImplemented");
    let parts = bench.said("NotifyReport");
    assert!(parts.len() >= 4, "a full report comes in parts");
    let of_first: Vec<_> = parts.iter().filter(|part| part["requestId"] == 1).collect();
    let last = of_first.last().expect("it has parts");
    assert_eq!((&of_first[0]["tbc"], &last["tbc"]), (&json!(true), &json!(false)));
    bench.advance_s(600);
    assert_eq!(bench.core.firmware, "9.9.9");
}

#[test]
fn availability_waits_for_a_running_transaction() {
    for protocol in [Protocol::V16, Protocol::V201] {
        let mut bench = Bench::started(protocol);
        bench.charge();
        let payload = if protocol == Protocol::V16 {
            json!({"connectorId": 1, "type": "Inoperative"})
        } else {
            json!({"operationalStatus": "Inoperative", "evse": {"id": 1}})
        };
        assert_eq!(bench.command("ChangeAvailability", &payload)[2]["status"], "Scheduled");
        assert_eq!(bench.status(1), ConnectorStatus::Charging);
        bench.act(Act::StopSession { connector: 1 });
        assert_eq!(bench.status(1), ConnectorStatus::Unavailable);
    }
}

#[test]
fn an_on_idle_reset_waits_for_the_last_transaction() {
    let mut bench = Bench::started(Protocol::V201);
    bench.charge();
    assert_eq!(bench.command("Reset", &json!({"type": "OnIdle"}))[2]["status"], "Scheduled");
    bench.advance_s(300);
    assert_eq!(bench.said("BootNotification").len(), 1);
    bench.act(Act::StopSession { connector: 1 });
    bench.advance_s(300);
    assert_eq!(bench.said("BootNotification").len(), 2);
}

#[test]
fn a_reset_while_charging_stops_the_transaction_with_its_reason() {
    let mut bench = Bench::started(Protocol::V16);
    bench.charge();
    bench.command("Reset", &json!({"type": "Hard"}));
    bench.advance_s(300);
    assert_eq!(bench.said("StopTransaction")[0]["reason"], "HardReset");
}

#[test]
fn remote_start_and_stop_work() {
    for protocol in [Protocol::V16, Protocol::V201] {
        let mut bench = Bench::started(protocol);
        bench.act(Act::PlugIn { connector: 1 });
        if protocol == Protocol::V16 {
            let payload = json!({"connectorId": 1, "idTag": "APP"});
            bench.command("RemoteStartTransaction", &payload);
            bench.advance_s(10);
            let payload = json!({"transactionId": 41});
            let answer = bench.command("RemoteStopTransaction", &payload);
            assert_eq!(answer[2]["status"], "Accepted");
            assert_eq!(bench.said("StopTransaction")[0]["reason"], "Remote");
        } else {
            let token = json!({"idToken": "APP", "type": "Central"});
            let payload = json!({"evseId": 1, "remoteStartId": 5, "idToken": token});
            bench.command("RequestStartTransaction", &payload);
            bench.advance_s(10);
            let started = bench.said("TransactionEvent")[0];
            assert_eq!(started["transactionInfo"]["remoteStartId"], 5);
            let id = started["transactionInfo"]["transactionId"].clone();
            let answer = bench.command("RequestStopTransaction", &json!({"transactionId": id}));
            assert_eq!(answer[2]["status"], "Accepted");
        }
        assert!(!bench.core.is_charging(1));
    }
}

#[test]
fn an_unknown_trigger_is_not_implemented() {
    for protocol in [Protocol::V16, Protocol::V201] {
        let mut bench = Bench::started(protocol);
        let answer = bench.command("TriggerMessage", &json!({"requestedMessage": "Weather"}));
        assert_eq!(answer[2]["status"], "NotImplemented");
    }
}

#[test]
fn uploads_and_updates_tell_their_progress() {
    let mut bench = Bench::started(Protocol::V16);
    bench.command("GetDiagnostics", &json!({"location": "ftp://files.example/in"}));
    bench.advance_s(60);
    let words: Vec<&Value> = bench
        .said("DiagnosticsStatusNotification")
        .iter()
        .map(|status| &status["status"])
        .collect();
    assert_eq!(words, ["Uploading", "Uploaded"]);
    let payload = json!({
        "location": "https://files.example/unreachable.bin", "retrieveDate": "2026-01-01T00:00:00Z"
    });
    bench.command("UpdateFirmware", &payload);
    bench.advance_s(200);
    let words: Vec<&Value> =
        bench.said("FirmwareStatusNotification").iter().map(|status| &status["status"]).collect();
    assert_eq!(words, ["Downloading", "DownloadFailed"]);
}

#[test]
fn a_reservation_ends_by_itself() {
    let mut bench = Bench::started(Protocol::V201);
    let expiry = (bench.now + 60_000).rfc3339();
    let payload = json!({
        "id": 3, "expiryDateTime": expiry, "evseId": 1,
        "idToken": {"idToken": "A", "type": "Central"}
    });
    bench.command("ReserveNow", &payload);
    assert_eq!(bench.status(1), ConnectorStatus::Reserved);
    bench.advance_s(61);
    assert_eq!(bench.status(1), ConnectorStatus::Available);
    assert_eq!(bench.said("ReservationStatusUpdate")[0]["reservationUpdateStatus"], "Expired");
}

#[test]
fn installed_monitors_speak_when_a_fault_comes_and_the_signal_falls() {
    let mut bench = Bench::started(Protocol::V201);
    let monitor = |component: Value, variable: &str, kind: &str, value: f64| {
        json!({
            "transaction": false, "value": value, "type": kind, "severity": 4,
            "component": component, "variable": {"name": variable},
        })
    };
    let wanted = json!({"setMonitoringData": [
        monitor(json!({"name": "PowerContactor", "evse": {"id": 1}}), "Problem", "Delta", 1.0),
        monitor(json!({"name": "DataLink", "instance": "Cellular"}), "SignalStrength", "LowerThreshold", -100.0),
        monitor(json!({"name": "PowerContactor", "evse": {"id": 9}}), "Problem", "Delta", 1.0),
    ]});
    let answer = bench.command("SetVariableMonitoring", &wanted);
    let results = &answer[2]["setMonitoringResult"];
    assert_eq!(results[0]["status"], "Accepted");
    assert_eq!(results[1]["status"], "Accepted");
    assert_eq!(results[2]["status"], "UnknownVariable", "there is no EVSE 9");
    let again = bench.command("SetVariableMonitoring", &wanted);
    assert_eq!(again[2]["setMonitoringResult"][0]["status"], "Duplicate");

    bench.act(Act::Fault(crate::Fault::new("PowerSwitchFailure", 1, crate::Cure::Never)));
    bench.act(Act::WeakSignal { dbm: -107, for_ms: 60_000, error_code: false });
    let events: Vec<Value> =
        bench.said("NotifyEvent").iter().map(|event| event["eventData"][0].clone()).collect();
    let of = |component: &str| {
        let found = events.iter().find(|event| event["component"]["name"] == component);
        found.unwrap_or_else(|| panic!("{events:?}")).clone()
    };
    let fault = of("PowerContactor");
    assert_eq!(fault["variableMonitoringId"], results[0]["id"]);
    assert_eq!(fault["eventNotificationType"], "CustomMonitor");
    let signal = of("DataLink");
    assert_eq!(
        (&signal["trigger"], &signal["variableMonitoringId"]),
        (&json!("Alerting"), &results[1]["id"])
    );
}
