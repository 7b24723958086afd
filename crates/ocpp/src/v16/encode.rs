//! Our typed commands as 1.6 says them.

use mendpoint_model::{Action, ConnectorRef, TriggeredMessage};
use rust_ocpp::v1_6::messages::change_availability::ChangeAvailabilityRequest;
use rust_ocpp::v1_6::messages::get_configuration::GetConfigurationRequest;
use rust_ocpp::v1_6::messages::remote_start_transaction::RemoteStartTransactionRequest;
use rust_ocpp::v1_6::messages::remote_stop_transaction::RemoteStopTransactionRequest;
use rust_ocpp::v1_6::messages::reset::ResetRequest;
use rust_ocpp::v1_6::messages::trigger_message::TriggerMessageRequest;
use rust_ocpp::v1_6::messages::unlock_connector::UnlockConnectorRequest;
use rust_ocpp::v1_6::types::{AvailabilityType, MessageTrigger, ResetRequestStatus};

use crate::command::to_json;
use crate::files;

/// The name and the payload of a typed action.
pub(crate) fn encode(action: &Action) -> Result<(&'static str, String), String> {
    match action {
        Action::Trigger { message, connector } => {
            let request = TriggerMessageRequest {
                requested_message: trigger(*message),
                connector_id: connector.filter(|at| !at.is_charger()).map(number),
            };
            Ok(("TriggerMessage", to_json(&request)?))
        }
        Action::Unlock { connector } if connector.is_charger() => {
            Err("UnlockConnector needs a connector from 1, not the whole charger".to_owned())
        }
        Action::Unlock { connector } => {
            let request = UnlockConnectorRequest { connector_id: number(*connector) };
            Ok(("UnlockConnector", to_json(&request)?))
        }
        Action::SetAvailability { connector, operative } => {
            let kind = if *operative {
                AvailabilityType::Operative
            } else {
                AvailabilityType::Inoperative
            };
            let request = ChangeAvailabilityRequest { connector_id: number(*connector), kind };
            Ok(("ChangeAvailability", to_json(&request)?))
        }
        Action::Reset { evse: Some(evse), .. } => Err(format!(
            "OCPP 1.6 can only reset the whole charger, not EVSE {evse}; leave the EVSE out"
        )),
        Action::Reset { hard, evse: None } => {
            let kind = if *hard { ResetRequestStatus::Hard } else { ResetRequestStatus::Soft };
            Ok(("Reset", to_json(&ResetRequest { kind })?))
        }
        Action::RemoteStart { id_token, .. } if id_token.is_empty() => {
            Err("RemoteStartTransaction needs an idTag".to_owned())
        }
        Action::RemoteStart { connector, id_token } => {
            let request = RemoteStartTransactionRequest {
                connector_id: connector.filter(|at| !at.is_charger()).map(number),
                id_tag: id_token.clone(),
                charging_profile: None,
            };
            Ok(("RemoteStartTransaction", to_json(&request)?))
        }
        Action::RemoteStop { transaction, .. } => {
            let transaction_id = i32::try_from(transaction.0).map_err(|_| {
                format!("transaction {transaction} cannot be named in OCPP 1.6: it has 32 bits")
            })?;
            let request = RemoteStopTransactionRequest { transaction_id };
            Ok(("RemoteStopTransaction", to_json(&request)?))
        }
        Action::GetConfiguration { keys } => {
            let request = GetConfigurationRequest { key: (!keys.is_empty()).then(|| keys.clone()) };
            Ok(("GetConfiguration", to_json(&request)?))
        }
        Action::GetLog(request) => files::v16_log(request),
        Action::UpdateFirmware(request) => files::v16_firmware(request),
        Action::ClearCache => Ok(("ClearCache", "{}".to_owned())),
        Action::Raw { action, .. } => Err(format!("{action} is not a typed action")),
    }
}

fn number(connector: ConnectorRef) -> u32 {
    connector.evse.into()
}

fn trigger(message: TriggeredMessage) -> MessageTrigger {
    match message {
        TriggeredMessage::BootNotification => MessageTrigger::BootNotification,
        TriggeredMessage::StatusNotification => MessageTrigger::StatusNotification,
        TriggeredMessage::Heartbeat => MessageTrigger::Heartbeat,
        TriggeredMessage::MeterValues => MessageTrigger::MeterValues,
        TriggeredMessage::FirmwareStatus => MessageTrigger::FirmwareStatusNotification,
        TriggeredMessage::LogStatus => MessageTrigger::DiagnosticsStatusNotification,
    }
}
