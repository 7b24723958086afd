//! Answers of the server to a 2.0.1 charger, read with rust-ocpp's types.

use rust_ocpp::v2_0_1::enumerations::{
    authorization_status_enum_type::AuthorizationStatusEnumType,
    registration_status_enum_type::RegistrationStatusEnumType,
};
use rust_ocpp::v2_0_1::messages::{
    authorize::AuthorizeResponse, boot_notification::BootNotificationResponse,
    firmware_status_notification::FirmwareStatusNotificationResponse, heartbeat::HeartbeatResponse,
    log_status_notification::LogStatusNotificationResponse, meter_values::MeterValuesResponse,
    notify_event::NotifyEventResponse, notify_report::NotifyReportResponse,
    status_notification::StatusNotificationResponse, transaction_event::TransactionEventResponse,
};

use crate::core::ChargerCore;
use crate::core::outbox::Purpose;

/// Reads an answer and acts on it; the error says why it does not read.
pub(crate) fn answer(
    core: &mut ChargerCore,
    action: &str,
    purpose: Purpose,
    payload: &str,
) -> serde_json::Result<()> {
    match action {
        "BootNotification" => {
            let boot: BootNotificationResponse = serde_json::from_str(payload)?;
            let status = match boot.status {
                RegistrationStatusEnumType::Accepted => "Accepted",
                RegistrationStatusEnumType::Pending => "Pending",
                RegistrationStatusEnumType::Rejected => "Rejected",
            };
            core.boot_answered(status, i64::from(boot.interval));
        }
        "Authorize" => {
            let answer: AuthorizeResponse = serde_json::from_str(payload)?;
            if let Purpose::Authorize { connector, turn } = purpose {
                let status = answer.id_token_info.status;
                core.authorized(connector, turn, status == AuthorizationStatusEnumType::Accepted);
            }
        }
        "TransactionEvent" => {
            let answer: TransactionEventResponse = serde_json::from_str(payload)?;
            let refused = answer
                .id_token_info
                .is_some_and(|info| info.status != AuthorizationStatusEnumType::Accepted);
            if let Purpose::Start { tx } | Purpose::During { tx } = purpose
                && refused
            {
                core.token_refused(tx);
            }
        }
        "Heartbeat" => {
            serde_json::from_str::<HeartbeatResponse>(payload)?;
        }
        "StatusNotification" => {
            serde_json::from_str::<StatusNotificationResponse>(payload)?;
        }
        "MeterValues" => {
            serde_json::from_str::<MeterValuesResponse>(payload)?;
        }
        "NotifyEvent" => {
            serde_json::from_str::<NotifyEventResponse>(payload)?;
        }
        "NotifyReport" => {
            serde_json::from_str::<NotifyReportResponse>(payload)?;
        }
        "LogStatusNotification" => {
            serde_json::from_str::<LogStatusNotificationResponse>(payload)?;
        }
        "FirmwareStatusNotification" => {
            serde_json::from_str::<FirmwareStatusNotificationResponse>(payload)?;
        }
        // The rest have empty answers; an object is all that is asked.
        _ => {
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(payload)?;
        }
    }
    Ok(())
}
