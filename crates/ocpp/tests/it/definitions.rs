//! The definitions against types that somebody else wrote: what those serialise passes.

use mendpoint_model::Protocol;
use mendpoint_ocpp::{deviations, encode_action};
use rust_ocpp::v1_6::messages as m16;
use rust_ocpp::v2_0_1::messages as m201;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::canonical::every_case;
use crate::commands::typed_actions;

/// Reads a payload as a type and writes it again, without the nulls that some of them write.
fn rewritten<T: DeserializeOwned + Serialize>(payload: &str) -> String {
    let request: T = serde_json::from_str(payload).expect("is of the type");
    serde_json::to_string(&request).expect("can be written")
}

type Rewrite = fn(&str) -> String;

macro_rules! rewrites {
    ($($action:literal => $request:ty;)*) => {
        [$(($action, rewritten::<$request> as Rewrite),)*]
    };
}

fn check(protocol: Protocol, rewrites: &[(&str, Rewrite)]) {
    for (action, rewrite) in rewrites {
        let cases = every_case();
        let case = cases.iter().find(|case| case.protocol == protocol && case.action == *action);
        let payload = rewrite(case.expect("is in the table").payload);
        assert_eq!(deviations(protocol, action, &payload), [], "{action}: {payload}");
    }
}

#[test]
fn what_rust_ocpp_writes_for_1_6_passes() {
    check(
        Protocol::V16,
        &rewrites! {
            "Authorize" => m16::authorize::AuthorizeRequest;
            "BootNotification" => m16::boot_notification::BootNotificationRequest;
            "DataTransfer" => m16::data_transfer::DataTransferRequest;
            "DiagnosticsStatusNotification" => m16::diagnostics_status_notification::DiagnosticsStatusNotificationRequest;
            "FirmwareStatusNotification" => m16::firmware_status_notification::FirmwareStatusNotificationRequest;
            "Heartbeat" => m16::heart_beat::HeartbeatRequest;
            "MeterValues" => m16::meter_values::MeterValuesRequest;
            "StartTransaction" => m16::start_transaction::StartTransactionRequest;
            "StatusNotification" => m16::status_notification::StatusNotificationRequest;
            "StopTransaction" => m16::stop_transaction::StopTransactionRequest;
        },
    );
}

#[test]
fn what_rust_ocpp_writes_for_2_0_1_passes() {
    check(
        Protocol::V201,
        &rewrites! {
            "Authorize" => m201::authorize::AuthorizeRequest;
            "BootNotification" => m201::boot_notification::BootNotificationRequest;
            "FirmwareStatusNotification" => m201::firmware_status_notification::FirmwareStatusNotificationRequest;
            "MeterValues" => m201::meter_values::MeterValuesRequest;
            "NotifyChargingLimit" => m201::notify_charging_limit::NotifyChargingLimitRequest;
            "NotifyEVChargingNeeds" => m201::notify_ev_charging_needs::NotifyEVChargingNeedsRequest;
            "NotifyEVChargingSchedule" => m201::notify_ev_charging_schedule::NotifyEVChargingScheduleRequest;
            "NotifyEvent" => m201::notify_event::NotifyEventRequest;
            "NotifyReport" => m201::notify_report::NotifyReportRequest;
            "ReportChargingProfiles" => m201::report_charging_profiles::ReportChargingProfilesRequest;
            "SecurityEventNotification" => m201::security_event_notification::SecurityEventNotificationRequest;
            "SignCertificate" => m201::sign_certificate::SignCertificateRequest;
            "StatusNotification" => m201::status_notification::StatusNotificationRequest;
            "TransactionEvent" => m201::transaction_event::TransactionEventRequest;
        },
    );
}

#[test]
fn what_we_send_is_as_the_definitions_say() {
    for protocol in [Protocol::V16, Protocol::V201, Protocol::V21] {
        for action in typed_actions() {
            let (name, payload) = encode_action(protocol, &action).expect("is in the version");
            assert_eq!(deviations(protocol, &name, &payload), [], "{protocol:?} {name}: {payload}");
        }
    }
}
