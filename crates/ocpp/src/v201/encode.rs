//! Our typed commands as 2.x says them.

use mendpoint_model::{Action, ConnectorRef, TriggeredMessage};
use rust_ocpp::v2_0_1::datatypes::component_type::ComponentType;
use rust_ocpp::v2_0_1::datatypes::evse_type::EVSEType;
use rust_ocpp::v2_0_1::datatypes::get_variable_data_type::GetVariableDataType;
use rust_ocpp::v2_0_1::datatypes::id_token_type::IdTokenType;
use rust_ocpp::v2_0_1::datatypes::variable_type::VariableType;
use rust_ocpp::v2_0_1::enumerations::id_token_enum_type::IdTokenEnumType;
use rust_ocpp::v2_0_1::enumerations::message_trigger_enum_type::MessageTriggerEnumType;
use rust_ocpp::v2_0_1::enumerations::operational_status_enum_type::OperationalStatusEnumType;
use rust_ocpp::v2_0_1::enumerations::report_base_enum_type::ReportBaseEnumType;
use rust_ocpp::v2_0_1::enumerations::reset_enum_type::ResetEnumType;
use rust_ocpp::v2_0_1::messages::change_availability::ChangeAvailabilityRequest;
use rust_ocpp::v2_0_1::messages::get_base_report::GetBaseReportRequest;
use rust_ocpp::v2_0_1::messages::get_variables::GetVariablesRequest;
use rust_ocpp::v2_0_1::messages::request_start_transaction::RequestStartTransactionRequest;
use rust_ocpp::v2_0_1::messages::request_stop_transaction::RequestStopTransactionRequest;
use rust_ocpp::v2_0_1::messages::reset::ResetRequest;
use rust_ocpp::v2_0_1::messages::trigger_message::TriggerMessageRequest;
use rust_ocpp::v2_0_1::messages::unlock_connector::UnlockConnectorRequest;

use crate::command::to_json;
use crate::files;

/// The name and the payload of a typed action.
pub(crate) fn encode(action: &Action) -> Result<(&'static str, String), String> {
    match action {
        Action::Trigger { message, connector } => {
            let request = TriggerMessageRequest {
                requested_message: trigger(*message),
                evse: connector.and_then(evse),
            };
            Ok(("TriggerMessage", to_json(&request)?))
        }
        Action::Unlock { connector } if connector.is_charger() => {
            Err("UnlockConnector needs an EVSE from 1, not the whole charger".to_owned())
        }
        Action::Unlock { connector } => {
            let request = UnlockConnectorRequest {
                evse_id: connector.evse.into(),
                // The whole EVSE has no lock of its own; nearly all have one connector.
                connector_id: connector.connector.max(1).into(),
            };
            Ok(("UnlockConnector", to_json(&request)?))
        }
        Action::SetAvailability { connector, operative } => {
            let request = ChangeAvailabilityRequest {
                operational_status: if *operative {
                    OperationalStatusEnumType::Operative
                } else {
                    OperationalStatusEnumType::Inoperative
                },
                evse: evse(*connector),
            };
            Ok(("ChangeAvailability", to_json(&request)?))
        }
        Action::Reset { hard, evse } => {
            let request = ResetRequest {
                request_type: if *hard { ResetEnumType::Immediate } else { ResetEnumType::OnIdle },
                evse_id: evse.map(i32::from),
            };
            Ok(("Reset", to_json(&request)?))
        }
        Action::RemoteStart { id_token, .. } if id_token.is_empty() => {
            Err("RequestStartTransaction needs an idToken".to_owned())
        }
        Action::RemoteStart { connector, id_token } => {
            let request = RequestStartTransactionRequest {
                evse_id: connector.filter(|at| !at.is_charger()).map(|at| at.evse.into()),
                remote_start_id: remote_start_id(*connector, id_token),
                id_token: IdTokenType {
                    id_token: id_token.clone(),
                    // Not read from a card: given out by the central system (part 2 s3.43).
                    kind: IdTokenEnumType::Central,
                    additional_info: None,
                },
                charging_profile: None,
                group_id_token: None,
            };
            Ok(("RequestStartTransaction", to_json(&request)?))
        }
        Action::RemoteStop { external_id, .. } if external_id.is_empty() => {
            Err("RequestStopTransaction needs the charger's own transaction id".to_owned())
        }
        Action::RemoteStop { external_id, .. } => {
            let request = RequestStopTransactionRequest { transaction_id: external_id.clone() };
            Ok(("RequestStopTransaction", to_json(&request)?))
        }
        // GetVariables must name at least one; everything there is comes as NotifyReport.
        Action::GetConfiguration { keys } if keys.is_empty() => {
            let request = GetBaseReportRequest {
                request_id: BASE_REPORT_REQUEST_ID,
                report_base: ReportBaseEnumType::FullInventory,
            };
            Ok(("GetBaseReport", to_json(&request)?))
        }
        Action::GetConfiguration { keys } => {
            let variables: Result<_, _> = keys.iter().map(|key| variable(key)).collect();
            let request = GetVariablesRequest { get_variable_data: variables? };
            Ok(("GetVariables", to_json(&request)?))
        }
        Action::GetLog(request) => files::v201_log(request),
        Action::UpdateFirmware(request) => files::v201_firmware(request),
        Action::ClearCache => Ok(("ClearCache", "{}".to_owned())),
        Action::Raw { action, .. } => Err(format!("{action} is not a typed action")),
    }
}

/// The request id of a report of everything. Reports are taken in whoever asked for them, so one
/// number does for all.
const BASE_REPORT_REQUEST_ID: i32 = 1;

fn evse(at: ConnectorRef) -> Option<EVSEType> {
    (!at.is_charger()).then(|| EVSEType {
        id: at.evse.into(),
        connector_id: (at.connector != 0).then_some(at.connector.into()),
    })
}

fn trigger(message: TriggeredMessage) -> MessageTriggerEnumType {
    match message {
        TriggeredMessage::BootNotification => MessageTriggerEnumType::BootNotification,
        TriggeredMessage::StatusNotification => MessageTriggerEnumType::StatusNotification,
        TriggeredMessage::Heartbeat => MessageTriggerEnumType::Heartbeat,
        TriggeredMessage::MeterValues => MessageTriggerEnumType::MeterValues,
        TriggeredMessage::FirmwareStatus => MessageTriggerEnumType::FirmwareStatusNotification,
        TriggeredMessage::LogStatus => MessageTriggerEnumType::LogStatusNotification,
    }
}

/// A positive number that stays the same for the same request, so that a request that is sent once
/// more is known as such. FNV-1a.
fn remote_start_id(connector: Option<ConnectorRef>, id_token: &str) -> i32 {
    let place = connector.unwrap_or_default();
    let place = [place.evse.to_be_bytes(), place.connector.to_be_bytes()].concat();
    let hash = place
        .iter()
        .chain(id_token.as_bytes())
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    ((hash >> 1) as i32).max(1)
}

/// `Component.Variable` in the form in which reports are kept:
/// `Component[instance]:evse:connector.Variable[instance]`.
fn variable(key: &str) -> Result<GetVariableDataType, String> {
    let wrong = || {
        format!(
            "{key:?} is no variable; write Component.Variable, as in OCPPCommCtrlr.HeartbeatInterval"
        )
    };
    let dot = dot_outside_brackets(key).ok_or_else(wrong)?;
    let (component, variable) = (&key[..dot], &key[dot + 1..]);
    let (component, instance, place) = named(component).ok_or_else(wrong)?;
    let (variable, variable_instance, rest) = named(variable).ok_or_else(wrong)?;
    if !rest.is_empty() {
        return Err(wrong());
    }
    let mut numbers = place.split(':').skip(1).map(str::parse);
    let evse = match numbers.next() {
        None => None,
        Some(id) => Some(EVSEType {
            id: id.map_err(|_| wrong())?,
            connector_id: numbers.next().transpose().map_err(|_| wrong())?,
        }),
    };
    Ok(GetVariableDataType {
        attribute_type: None,
        component: ComponentType { name: component, instance, evse },
        variable: VariableType { name: variable, instance: variable_instance },
    })
}

fn dot_outside_brackets(key: &str) -> Option<usize> {
    let mut depth = 0_usize;
    key.char_indices().find_map(|(index, letter)| {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '.' if depth == 0 => return Some(index),
            _ => {}
        }
        None
    })
}

/// Splits `Name[instance]:1:2` into its name, its instance and what follows.
fn named(text: &str) -> Option<(String, Option<String>, &str)> {
    let end = text.find(['[', ':']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let (instance, rest) = match rest.strip_prefix('[') {
        None => (None, rest),
        Some(rest) => {
            let (instance, rest) = rest.split_once(']')?;
            (Some(instance.to_owned()), rest)
        }
    };
    let is_place = rest.is_empty() || rest.starts_with(':');
    (!name.is_empty() && is_place).then(|| (name.to_owned(), instance, rest))
}
