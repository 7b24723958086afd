//! One correct payload of every message of every version, and the type of its answer.

use mendpoint_model::{Protocol, TransactionId, UnixMs};
use mendpoint_ocpp::{BootStatus, Inbound, ReplyFacts, decode};
use rust_ocpp::v1_6::messages as m16;
use rust_ocpp::v2_0_1::messages as m201;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// 2026-09-21T14:13:20Z.
pub(crate) const NOW: UnixMs = UnixMs(1_790_000_000_000);

pub(crate) const FACTS: ReplyFacts<'static> = ReplyFacts {
    now: "2026-09-21T14:13:20Z",
    boot: BootStatus::Accepted,
    heartbeat_interval_s: 300,
    transaction: TransactionId(4711),
    token_accepted: true,
    token: None,
};

pub(crate) struct Case {
    pub(crate) protocol: Protocol,
    pub(crate) action: &'static str,
    pub(crate) payload: &'static str,
    /// Reads an answer as the version's own type and writes it again.
    pub(crate) reread_answer: fn(&str) -> serde_json::Result<Value>,
}

fn reread<T: DeserializeOwned + Serialize>(text: &str) -> serde_json::Result<Value> {
    serde_json::to_value(serde_json::from_str::<T>(text)?)
}

/// Reads a message as received at [`NOW`].
pub(crate) fn read(protocol: Protocol, action: &str, payload: &str) -> Inbound {
    decode(protocol, action, payload, NOW)
}

macro_rules! cases {
    ($protocol:expr; $($action:literal => $answer:ty, $payload:expr;)*) => {
        vec![$(Case {
            protocol: $protocol,
            action: $action,
            payload: $payload,
            reread_answer: reread::<$answer>,
        },)*]
    };
}

pub(crate) fn every_case() -> Vec<Case> {
    let mut cases = v16();
    cases.extend(v201());
    cases.extend(v21());
    cases
}

pub(crate) fn v16() -> Vec<Case> {
    cases! { Protocol::V16;
        "Authorize" => m16::authorize::AuthorizeResponse, r#"{"idTag":"04A1B2C3"}"#;
        "BootNotification" => m16::boot_notification::BootNotificationResponse,
            r#"{"chargePointVendor":"ACME","chargePointModel":"X2","chargePointSerialNumber":"S1","chargeBoxSerialNumber":"B1","firmwareVersion":"1.4","iccid":"8940","imsi":"226","meterType":"M","meterSerialNumber":"7"}"#;
        "DataTransfer" => m16::data_transfer::DataTransferResponse,
            r#"{"vendorId":"com.acme","messageId":"hello","data":"world"}"#;
        "DiagnosticsStatusNotification" => m16::diagnostics_status_notification::DiagnosticsStatusNotificationResponse,
            r#"{"status":"Uploading"}"#;
        "FirmwareStatusNotification" => m16::firmware_status_notification::FirmwareStatusNotificationResponse,
            r#"{"status":"InstallationFailed"}"#;
        "Heartbeat" => m16::heart_beat::HeartbeatResponse, "{}";
        "LogStatusNotification" => m201::log_status_notification::LogStatusNotificationResponse,
            r#"{"status":"Uploaded","requestId":3}"#;
        "MeterValues" => m16::meter_values::MeterValuesResponse,
            r#"{"connectorId":2,"transactionId":4711,"meterValue":[{"timestamp":"2026-09-21T14:13:00Z","sampledValue":[{"value":"12345.6","context":"Sample.Periodic","format":"Raw","measurand":"Energy.Active.Import.Register","location":"Outlet","unit":"Wh"},{"value":"7.2","measurand":"Power.Active.Import","unit":"kW"},{"value":"31","measurand":"Temperature","unit":"Celsius"},{"value":"230.5","measurand":"Voltage","phase":"L1-N","unit":"V"},{"value":"16","measurand":"Current.Import","phase":"L1","unit":"A"},{"value":"32","measurand":"Current.Offered","unit":"A"},{"value":"55","measurand":"SoC","unit":"Percent","location":"EV"}]}]}"#;
        "SecurityEventNotification" => m201::security_event_notification::SecurityEventNotificationResponse,
            r#"{"type":"TamperDetectionActivated","timestamp":"2026-09-21T14:13:00Z","techInfo":"lid"}"#;
        "SignCertificate" => m201::sign_certificate::SignCertificateResponse, r#"{"csr":"-----BEGIN"}"#;
        "SignedFirmwareStatusNotification" => m201::firmware_status_notification::FirmwareStatusNotificationResponse,
            r#"{"status":"InvalidSignature","requestId":3}"#;
        "StartTransaction" => m16::start_transaction::StartTransactionResponse,
            r#"{"connectorId":1,"idTag":"04A1B2C3","meterStart":1200,"timestamp":"2026-09-21T14:13:00Z"}"#;
        "StatusNotification" => m16::status_notification::StatusNotificationResponse,
            r#"{"connectorId":1,"errorCode":"GroundFailure","status":"Faulted","info":"RCD","timestamp":"2026-09-21T14:13:00Z","vendorId":"https://chargex.inl.gov","vendorErrorCode":"CX002"}"#;
        "StopTransaction" => m16::stop_transaction::StopTransactionResponse,
            r#"{"transactionId":4711,"idTag":"04A1B2C3","meterStop":8800,"timestamp":"2026-09-21T14:13:00Z","reason":"EVDisconnected","transactionData":[{"timestamp":"2026-09-21T14:12:59Z","sampledValue":[{"value":"8800","context":"Transaction.End"}]}]}"#;
    }
}

pub(crate) fn v201() -> Vec<Case> {
    cases! { Protocol::V201;
        "Authorize" => m201::authorize::AuthorizeResponse,
            r#"{"idToken":{"idToken":"04A1B2C3","type":"ISO14443"}}"#;
        "BootNotification" => m201::boot_notification::BootNotificationResponse,
            r#"{"reason":"RemoteReset","chargingStation":{"model":"X2","vendorName":"ACME","serialNumber":"S1","firmwareVersion":"2.0","modem":{"iccid":"8940","imsi":"226"}}}"#;
        "ClearedChargingLimit" => m201::cleared_charging_limit::ClearedChargingLimitResponse,
            r#"{"chargingLimitSource":"EMS","evseId":1}"#;
        "DataTransfer" => m201::datatransfer::DataTransferResponse,
            r#"{"vendorId":"com.acme","messageId":"hello","data":"world"}"#;
        "FirmwareStatusNotification" => m201::firmware_status_notification::FirmwareStatusNotificationResponse,
            r#"{"status":"Downloading","requestId":1}"#;
        "Get15118EVCertificate" => m201::get_15118ev_certificate::Get15118EVCertificateResponse,
            r#"{"iso15118SchemaVersion":"urn:iso:15118:2:2013:MsgDef","action":"Install","exiRequest":"gAA="}"#;
        "GetCertificateStatus" => m201::get_certificate_status::GetCertificateStatusResponse,
            r#"{"ocspRequestData":{"hashAlgorithm":"SHA256","issuerNameHash":"a","issuerKeyHash":"b","serialNumber":"1","responderURL":"http://ocsp"}}"#;
        "Heartbeat" => m201::heartbeat::HeartbeatResponse, "{}";
        "LogStatusNotification" => m201::log_status_notification::LogStatusNotificationResponse,
            r#"{"status":"Uploading","requestId":1}"#;
        "MeterValues" => m201::meter_values::MeterValuesResponse,
            r#"{"evseId":1,"meterValue":[{"timestamp":"2026-09-21T14:13:00Z","sampledValue":[{"value":1.5,"measurand":"Energy.Active.Import.Register","unitOfMeasure":{"unit":"Wh","multiplier":3}},{"value":7200,"measurand":"Power.Active.Import"}]}]}"#;
        "NotifyChargingLimit" => m201::notify_charging_limit::NotifyChargingLimitResponse,
            r#"{"chargingLimit":{"chargingLimitSource":"EMS"}}"#;
        "NotifyCustomerInformation" => m201::notify_customer_information::NotifyCustomerInformationResponse,
            r#"{"data":"none","seqNo":0,"generatedAt":"2026-09-21T14:13:00Z","requestId":1}"#;
        "NotifyDisplayMessages" => m201::notify_display_messages::NotifyDisplayMessagesResponse,
            r#"{"requestId":1}"#;
        "NotifyEVChargingNeeds" => m201::notify_ev_charging_needs::NotifyEVChargingNeedsResponse,
            r#"{"evseId":1,"chargingNeeds":{"requestedEnergyTransfer":"AC_three_phase"}}"#;
        "NotifyEVChargingSchedule" => m201::notify_ev_charging_schedule::NotifyEVChargingScheduleResponse,
            r#"{"timeBase":"2026-09-21T14:13:00Z","evseId":1,"chargingSchedule":{"id":1,"chargingRateUnit":"W","chargingSchedulePeriod":[{"startPeriod":0,"limit":11000}]}}"#;
        "NotifyEvent" => m201::notify_event::NotifyEventResponse,
            r#"{"generatedAt":"2026-09-21T14:13:00Z","seqNo":0,"eventData":[{"eventId":1,"timestamp":"2026-09-21T14:13:00Z","trigger":"Alerting","actualValue":"true","techCode":"CX002","techInfo":"RCD","eventNotificationType":"HardWiredNotification","component":{"name":"Connector","evse":{"id":1,"connectorId":1}},"variable":{"name":"Problem"}}]}"#;
        "NotifyMonitoringReport" => m201::notify_monitoring_report::NotifyMonitoringReportResponse,
            r#"{"requestId":1,"seqNo":0,"generatedAt":"2026-09-21T14:13:00Z"}"#;
        "NotifyReport" => m201::notify_report::NotifyReportResponse,
            r#"{"requestId":1,"generatedAt":"2026-09-21T14:13:00Z","seqNo":0,"reportData":[{"component":{"name":"OCPPCommCtrlr"},"variable":{"name":"HeartbeatInterval"},"variableAttribute":[{"type":"Actual","value":"300","mutability":"ReadWrite"}]}]}"#;
        "PublishFirmwareStatusNotification" => m201::publish_firmware_status_notification::PublishFirmwareStatusNotificationResponse,
            r#"{"status":"Published","location":["http://x"]}"#;
        "ReportChargingProfiles" => m201::report_charging_profiles::ReportChargingProfilesResponse,
            r#"{"requestId":1,"chargingLimitSource":"CSO","evseId":1,"chargingProfile":[{"id":1,"stackLevel":0,"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":[{"id":1,"chargingRateUnit":"W","chargingSchedulePeriod":[{"startPeriod":0,"limit":11000}]}]}]}"#;
        "ReservationStatusUpdate" => m201::reservation_status_update::ReservationStatusUpdateResponse,
            r#"{"reservationId":1,"reservationUpdateStatus":"Expired"}"#;
        "SecurityEventNotification" => m201::security_event_notification::SecurityEventNotificationResponse,
            r#"{"type":"SettingSystemTime","timestamp":"2026-09-21T14:13:00Z"}"#;
        "SignCertificate" => m201::sign_certificate::SignCertificateResponse,
            r#"{"csr":"-----BEGIN","certificateType":"ChargingStationCertificate"}"#;
        "StatusNotification" => m201::status_notification::StatusNotificationResponse,
            r#"{"timestamp":"2026-09-21T14:13:00Z","connectorStatus":"Occupied","evseId":1,"connectorId":2}"#;
        "TransactionEvent" => m201::transaction_event::TransactionEventResponse,
            r#"{"eventType":"Started","timestamp":"2026-09-21T14:13:00Z","triggerReason":"Authorized","seqNo":0,"offline":true,"transactionInfo":{"transactionId":"T-1","chargingState":"Charging"},"idToken":{"idToken":"04A1B2C3","type":"ISO14443"},"evse":{"id":1,"connectorId":1},"meterValue":[{"timestamp":"2026-09-21T14:13:00Z","sampledValue":[{"value":1200.4,"context":"Transaction.Begin","measurand":"Energy.Active.Import.Register"}]}]}"#;
    }
}

/// Nobody else's types for 2.1 are to be had: what it added is held against the definitions alone.
fn reread_any(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text)
}

/// What 2.1 added, and what it changed in the messages of before.
pub(crate) fn v21() -> Vec<Case> {
    let hash =
        r#"{"hashAlgorithm":"SHA256","issuerNameHash":"a","issuerKeyHash":"b","serialNumber":"1"}"#;
    let chain = format!(
        r#"{{"certificateStatusRequests":[{{"certificateHashData":{hash},"source":"CRL","urls":["http://crl"]}},{{"certificateHashData":{hash},"source":"OCSP","urls":["http://ocsp"]}}]}}"#
    );
    let added = [
        (
            "BatterySwap",
            r#"{"batteryData":[{"evseId":1,"serialNumber":"B1","soC":80.5,"soH":99}],"eventType":"BatteryIn","idToken":{"idToken":"04A1","type":"ISO14443"},"requestId":1}"#,
        ),
        ("ClosePeriodicEventStream", r#"{"id":4}"#),
        ("GetCertificateChainStatus", Box::leak(chain.into_boxed_str())),
        (
            "NotifyDERAlarm",
            r#"{"controlType":"VoltVar","gridEventFault":"OverVoltage","alarmEnded":false,"timestamp":"2026-09-21T14:13:00Z"}"#,
        ),
        (
            "NotifyDERStartStop",
            r#"{"controlId":"c-1","started":true,"timestamp":"2026-09-21T14:13:00Z"}"#,
        ),
        (
            "NotifyPeriodicEventStream",
            r#"{"id":4,"pending":0,"basetime":"2026-09-21T14:13:00Z","data":[{"t":0.5,"v":"230"}]}"#,
        ),
        ("NotifyPriorityCharging", r#"{"transactionId":"T-1","activated":true}"#),
        (
            "NotifySettlement",
            r#"{"pspRef":"psp-1","status":"Settled","settlementAmount":12.34,"settlementTime":"2026-09-21T14:13:00Z"}"#,
        ),
        (
            "OpenPeriodicEventStream",
            r#"{"constantStreamData":{"id":4,"params":{"interval":10,"values":5},"variableMonitoringId":2}}"#,
        ),
        ("PullDynamicScheduleUpdate", r#"{"chargingProfileId":9}"#),
        ("ReportDERControl", r#"{"requestId":1,"tbc":false}"#),
        ("VatNumberValidation", r#"{"vatNumber":"ATU12345678","evseId":1}"#),
    ];
    let added = added.into_iter().map(|(action, payload)| Case {
        protocol: Protocol::V21,
        action,
        payload,
        reread_answer: reread_any,
    });
    // The fields of 2.1 stand beside those of 2.0.1.
    let grown = cases! { Protocol::V21;
        "TransactionEvent" => m201::transaction_event::TransactionEventResponse,
            r#"{"eventType":"Updated","timestamp":"2026-09-21T14:13:00Z","triggerReason":"RunningCost","seqNo":3,"preconditioningStatus":"Preconditioning","evseSleep":false,"transactionInfo":{"transactionId":"T-1","chargingState":"Charging","operationMode":"ChargingOnly","tariffId":"t-1","transactionLimit":{"maxCost":20.5}},"costDetails":{"totalCost":{"currency":"EUR","typeOfCost":"NormalCost","total":{"exclTax":1.5}},"totalUsage":{"energy":5,"chargingTime":60,"idleTime":0}},"evse":{"id":1,"connectorId":1},"idToken":{"idToken":"04A1B2C3","type":"ISO14443"}}"#;
        "NotifyEvent" => m201::notify_event::NotifyEventResponse,
            r#"{"generatedAt":"2026-09-21T14:13:00Z","seqNo":0,"eventData":[{"eventId":1,"timestamp":"2026-09-21T14:13:00Z","trigger":"Alerting","severity":2,"actualValue":"true","eventNotificationType":"HardWiredNotification","component":{"name":"Connector","evse":{"id":1,"connectorId":1}},"variable":{"name":"Problem"}}]}"#;
    };
    let same = v201()
        .into_iter()
        .filter(|case| grown.iter().all(|other| other.action != case.action))
        .map(|case| Case { protocol: Protocol::V21, ..case });
    let same: Vec<_> = same.collect();
    same.into_iter().chain(added).chain(grown).collect()
}
