//! Answers of the server to a 1.6 charger, read with rust-ocpp's types.

use rust_ocpp::v1_6::messages::{
    authorize::AuthorizeResponse, boot_notification::BootNotificationResponse,
    data_transfer::DataTransferResponse,
    diagnostics_status_notification::DiagnosticsStatusNotificationResponse,
    firmware_status_notification::FirmwareStatusNotificationResponse,
    heart_beat::HeartbeatResponse, meter_values::MeterValuesResponse,
    start_transaction::StartTransactionResponse, status_notification::StatusNotificationResponse,
    stop_transaction::StopTransactionResponse,
};
use rust_ocpp::v1_6::types::{AuthorizationStatus, RegistrationStatus};

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
                RegistrationStatus::Accepted => "Accepted",
                RegistrationStatus::Pending => "Pending",
                RegistrationStatus::Rejected => "Rejected",
            };
            core.boot_answered(status, i64::from(boot.interval));
        }
        "Authorize" => {
            let answer: AuthorizeResponse = serde_json::from_str(payload)?;
            if let Purpose::Authorize { connector, turn } = purpose {
                let accepted = answer.id_tag_info.status == AuthorizationStatus::Accepted;
                core.authorized(connector, turn, accepted);
            }
        }
        "StartTransaction" => {
            let answer: StartTransactionResponse = serde_json::from_str(payload)?;
            if let Purpose::Start { tx } = purpose {
                core.number_transaction(tx, answer.transaction_id);
                if answer.id_tag_info.status != AuthorizationStatus::Accepted {
                    core.token_refused(tx);
                }
            }
        }
        "StopTransaction" => {
            serde_json::from_str::<StopTransactionResponse>(payload)?;
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
        "DataTransfer" => {
            serde_json::from_str::<DataTransferResponse>(payload)?;
        }
        "DiagnosticsStatusNotification" => {
            serde_json::from_str::<DiagnosticsStatusNotificationResponse>(payload)?;
        }
        _ => {
            serde_json::from_str::<FirmwareStatusNotificationResponse>(payload)?;
        }
    }
    Ok(())
}
