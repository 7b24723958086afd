//! Commands of a 2.0.1 server and their answers: all forty of the specification.

use rust_ocpp::v2_0_1::datatypes::evse_type::EVSEType;
use rust_ocpp::v2_0_1::enumerations::{
    authorization_status_enum_type::AuthorizationStatusEnumType as TokenStatus,
    cancel_reservation_status_enum_type::CancelReservationStatusEnumType,
    certificate_signed_status_enum_type::CertificateSignedStatusEnumType,
    change_availability_status_enum_type::ChangeAvailabilityStatusEnumType,
    clear_message_status_enum_type::ClearMessageStatusEnumType,
    customer_information_status_enum_type::CustomerInformationStatusEnumType,
    data_transfer_status_enum_type::DataTransferStatusEnumType,
    delete_certificate_status_enum_type::DeleteCertificateStatusEnumType,
    generic_status_enum_type::GenericStatusEnumType,
    get_display_messages_status_enum_type::GetDisplayMessagesStatusEnumType,
    get_installed_certificate_status_enum_type::GetInstalledCertificateStatusEnumType,
    install_certificate_status_enum_type::InstallCertificateStatusEnumType,
    log_status_enum_type::LogStatusEnumType, message_trigger_enum_type::MessageTriggerEnumType,
    operational_status_enum_type::OperationalStatusEnumType,
    request_start_stop_status_enum_type::RequestStartStopStatusEnumType,
    reserve_now_status_enum_type::ReserveNowStatusEnumType, reset_enum_type::ResetEnumType,
    reset_status_enum_type::ResetStatusEnumType,
    send_local_list_status_enum_type::SendLocalListStatusEnumType,
    trigger_message_status_enum_type::TriggerMessageStatusEnumType,
    unlock_status_enum_type::UnlockStatusEnumType,
    unpublish_firmware_status_enum_type::UnpublishFirmwareStatusEnumType,
    update_enum_type::UpdateEnumType,
};
use rust_ocpp::v2_0_1::messages::{
    cancel_reservation::{CancelReservationRequest, CancelReservationResponse},
    certificate_signed::{CertificateSignedRequest, CertificateSignedResponse},
    change_availability::{ChangeAvailabilityRequest, ChangeAvailabilityResponse},
    clear_cache::{ClearCacheRequest, ClearCacheResponse},
    clear_display_message::{ClearDisplayMessageRequest, ClearDisplayMessageResponse},
    cost_updated::{CostUpdatedRequest, CostUpdatedResponse},
    customer_information::{CustomerInformationRequest, CustomerInformationResponse},
    datatransfer::{DataTransferRequest, DataTransferResponse},
    delete_certificate::{DeleteCertificateRequest, DeleteCertificateResponse},
    get_display_message::{GetDisplayMessagesRequest, GetDisplayMessagesResponse},
    get_installed_certificate_ids::{
        GetInstalledCertificateIdsRequest, GetInstalledCertificateIdsResponse,
    },
    get_local_list_version::{GetLocalListVersionRequest, GetLocalListVersionResponse},
    get_log::{GetLogRequest, GetLogResponse},
    get_transaction_status::{GetTransactionStatusRequest, GetTransactionStatusResponse},
    install_certificate::{InstallCertificateRequest, InstallCertificateResponse},
    notify_customer_information::NotifyCustomerInformationRequest,
    notify_display_messages::NotifyDisplayMessagesRequest,
    publish_firmware::{PublishFirmwareRequest, PublishFirmwareResponse},
    request_start_transaction::{RequestStartTransactionRequest, RequestStartTransactionResponse},
    request_stop_transaction::{RequestStopTransactionRequest, RequestStopTransactionResponse},
    reserve_now::{ReserveNowRequest, ReserveNowResponse},
    reset::{ResetRequest, ResetResponse},
    send_local_list::{SendLocalListRequest, SendLocalListResponse},
    set_display_message::{SetDisplayMessageRequest, SetDisplayMessageResponse},
    set_network_profile::{SetNetworkProfileRequest, SetNetworkProfileResponse},
    trigger_message::{TriggerMessageRequest, TriggerMessageResponse},
    unlock_connector::{UnlockConnectorRequest, UnlockConnectorResponse},
    unpublish_firmware::{UnpublishFirmwareRequest, UnpublishFirmwareResponse},
    update_firmware::{UpdateFirmwareRequest, UpdateFirmwareResponse},
};
use serde::de::DeserializeOwned;

use super::{device, profiles, say, time};
use crate::core::ChargerCore;
use crate::core::commands::{Availability, Refusal};
use crate::core::outbox::{Message, Purpose, json};

/// Decides one command: the answer's payload, or an error.
pub(crate) fn decide(
    core: &mut ChargerCore,
    action: &str,
    payload: &str,
) -> Result<String, Refusal> {
    Ok(match action {
        "CancelReservation" => {
            let request: CancelReservationRequest = read(payload)?;
            let mut answer = CancelReservationResponse::default();
            if !core.cancel_reservation(request.reservation_id) {
                answer.status = CancelReservationStatusEnumType::Rejected;
            }
            json(&answer)
        }
        "CertificateSigned" => {
            let request: CertificateSignedRequest = read(payload)?;
            let mut answer = CertificateSignedResponse::default();
            if !request.certificate_chain.contains("BEGIN CERTIFICATE") {
                answer.status = CertificateSignedStatusEnumType::Rejected;
            }
            json(&answer)
        }
        "ChangeAvailability" => change_availability(core, &read(payload)?),
        "ClearCache" => {
            read::<ClearCacheRequest>(payload)?;
            json(&ClearCacheResponse::default())
        }
        "ClearChargingProfile" => profiles::clear(core, read(payload)?),
        "ClearDisplayMessage" => {
            let request: ClearDisplayMessageRequest = read(payload)?;
            let before = core.device.messages.len();
            core.device.messages.retain(|message| message.id != request.id);
            let mut answer = ClearDisplayMessageResponse::default();
            if core.device.messages.len() == before {
                answer.status = ClearMessageStatusEnumType::Unknown;
            }
            json(&answer)
        }
        "ClearVariableMonitoring" => device::clear_monitors(core, &read(payload)?),
        "CostUpdated" => {
            read::<CostUpdatedRequest>(payload)?;
            json(&CostUpdatedResponse {})
        }
        "CustomerInformation" => customer_information(core, &read(payload)?),
        "DataTransfer" => data_transfer(core, &read(payload)?),
        "DeleteCertificate" => {
            read::<DeleteCertificateRequest>(payload)?;
            let status = DeleteCertificateStatusEnumType::NotFound;
            json(&DeleteCertificateResponse { status, status_info: None })
        }
        "GetBaseReport" => device::base_report(core, &read(payload)?),
        "GetChargingProfiles" => profiles::report(core, &read(payload)?),
        "GetCompositeSchedule" => profiles::composite(core, &read(payload)?),
        "GetDisplayMessages" => display_messages(core, &read(payload)?),
        "GetInstalledCertificateIds" => {
            read::<GetInstalledCertificateIdsRequest>(payload)?;
            let status = GetInstalledCertificateStatusEnumType::NotFound;
            json(&GetInstalledCertificateIdsResponse {
                status,
                certificate_hash_data_chain: None,
                status_info: None,
            })
        }
        "GetLocalListVersion" => {
            read::<GetLocalListVersionRequest>(payload)?;
            json(&GetLocalListVersionResponse { version_number: core.local_list.0 })
        }
        "GetLog" => {
            let request: GetLogRequest = read(payload)?;
            let (name, stopped) =
                core.upload(&request.log.remote_location, Some(request.request_id));
            let status = if stopped {
                LogStatusEnumType::AcceptedCanceled
            } else {
                LogStatusEnumType::Accepted
            };
            json(&GetLogResponse { status, filename: Some(name), status_info: None })
        }
        "GetMonitoringReport" => device::monitoring_report(core, &read(payload)?),
        "GetReport" => device::report(core, &read(payload)?),
        "GetTransactionStatus" => transaction_status(core, &read(payload)?),
        "GetVariables" => device::get(core, read(payload)?),
        "InstallCertificate" => {
            let request: InstallCertificateRequest = read(payload)?;
            let mut answer = InstallCertificateResponse::default();
            if !request.certificate.contains("BEGIN CERTIFICATE") {
                answer.status = InstallCertificateStatusEnumType::Rejected;
            }
            json(&answer)
        }
        "PublishFirmware" => {
            read::<PublishFirmwareRequest>(payload)?;
            // No local controller: it publishes nothing to others.
            let status = GenericStatusEnumType::Rejected;
            json(&PublishFirmwareResponse { status, status_info: None })
        }
        "RequestStartTransaction" => request_start(core, &read(payload)?),
        "RequestStopTransaction" => {
            let request: RequestStopTransactionRequest = read(payload)?;
            let runs = transaction(core, &request.transaction_id);
            let mut answer = RequestStopTransactionResponse::default();
            if !core.remote_stop(runs) {
                answer.status = RequestStartStopStatusEnumType::Rejected;
            }
            json(&answer)
        }
        "ReserveNow" => reserve_now(core, read(payload)?),
        "Reset" => reset(core, &read(payload)?),
        "SendLocalList" => send_local_list(core, read(payload)?),
        "SetChargingProfile" => profiles::set(core, &read(payload)?),
        "SetDisplayMessage" => {
            let request: SetDisplayMessageRequest = read(payload)?;
            core.device.messages.retain(|message| message.id != request.message.id);
            core.device.messages.push(request.message);
            json(&SetDisplayMessageResponse::default())
        }
        "SetMonitoringBase" => device::set_monitoring_base(core, &read(payload)?),
        "SetMonitoringLevel" => device::set_monitoring_level(&read(payload)?),
        "SetNetworkProfile" => {
            read::<SetNetworkProfileRequest>(payload)?;
            json(&SetNetworkProfileResponse::default())
        }
        "SetVariableMonitoring" => device::set_monitors(core, read(payload)?),
        "SetVariables" => device::set(core, read(payload)?),
        "TriggerMessage" => trigger(core, payload)?,
        "UnlockConnector" => unlock(core, &read(payload)?),
        "UnpublishFirmware" => {
            read::<UnpublishFirmwareRequest>(payload)?;
            let status = UnpublishFirmwareStatusEnumType::NoFirmware;
            json(&UnpublishFirmwareResponse { status })
        }
        "UpdateFirmware" => {
            let request: UpdateFirmwareRequest = read(payload)?;
            let firmware = &request.firmware;
            let wait_ms = firmware.retrieve_date_time.timestamp_millis() - core.now.0;
            let signed = firmware.signature.is_some();
            core.update_firmware(&firmware.location, wait_ms, Some(request.request_id), signed);
            json(&UpdateFirmwareResponse::default())
        }
        unknown => {
            return Err(Refusal {
                code: "NotImplemented",
                description: format!("this charger does not know {unknown}"),
            });
        }
    })
}

/// Reads a payload; what does not fit is a `FormatViolation`, as 2.0.1 spells it (behaviour 34).
fn read<T: DeserializeOwned>(payload: &str) -> Result<T, Refusal> {
    let payload = if payload == "null" { "{}" } else { payload };
    if !payload.starts_with('{') {
        // serde would read a list as the fields of a struct in their order.
        let description = "the payload is no object".to_owned();
        return Err(Refusal { code: "FormatViolation", description });
    }
    serde_json::from_str(payload)
        .map_err(|why| Refusal { code: "FormatViolation", description: why.to_string() })
}

pub(super) fn number_of(id: i32) -> u16 {
    u16::try_from(id).unwrap_or(u16::MAX)
}

fn transaction(core: &ChargerCore, id: &str) -> Option<usize> {
    core.connectors.iter().position(|connector| {
        connector.tx.as_ref().is_some_and(|tx| tx.external.eq_ignore_ascii_case(id))
    })
}

fn change_availability(core: &mut ChargerCore, request: &ChangeAvailabilityRequest) -> String {
    let number = request.evse.as_ref().map_or(0, |evse: &EVSEType| number_of(evse.id));
    let operative = request.operational_status == OperationalStatusEnumType::Operative;
    let status = match core.change_availability(number, operative) {
        Availability::Accepted => ChangeAvailabilityStatusEnumType::Accepted,
        Availability::Rejected => ChangeAvailabilityStatusEnumType::Rejected,
        Availability::Scheduled => ChangeAvailabilityStatusEnumType::Scheduled,
    };
    json(&ChangeAvailabilityResponse { status, status_info: None })
}

fn customer_information(core: &mut ChargerCore, request: &CustomerInformationRequest) -> String {
    let named = [
        request.customer_identifier.is_some(),
        request.id_token.is_some(),
        request.customer_certificate.is_some(),
    ];
    let mut answer = CustomerInformationResponse::default();
    if named.iter().filter(|given| **given).count() > 1 {
        // Exactly one way to name the customer (N09.FR.09).
        answer.status = CustomerInformationStatusEnumType::Invalid;
        return json(&answer);
    }
    if request.report {
        let data = match &request.id_token {
            Some(token) if core.local_list.1.contains_key(&token.id_token) => {
                format!("idToken {} is in the local list", token.id_token)
            }
            _ => String::new(),
        };
        let message = NotifyCustomerInformationRequest {
            data,
            tbc: None,
            seq_no: 0,
            generated_at: time(core.now),
            request_id: request.request_id,
        };
        core.say(Message::new("NotifyCustomerInformation", Purpose::Other, &message));
    }
    if request.clear
        && let Some(token) = &request.id_token
    {
        core.local_list.1.remove(&token.id_token);
    }
    json(&answer)
}

fn data_transfer(core: &mut ChargerCore, request: &DataTransferRequest) -> String {
    let own = request.vendor_id.eq_ignore_ascii_case(&core.spec.vendor);
    let wired = core.spec.link == crate::LinkKind::Ethernet;
    let asked = request.message_id.as_deref().unwrap_or("");
    let mut answer = DataTransferResponse::default();
    if !own {
        answer.status = DataTransferStatusEnumType::UnknownVendorId;
    } else if matches!(asked, "GetRSSI" | "GetNetStat") && !wired {
        let dbm = core.signal_now();
        answer.data = Some(format!("{{\"rssi\":{dbm}}}"));
    } else {
        answer.status = DataTransferStatusEnumType::UnknownMessageId;
    }
    json(&answer)
}

fn display_messages(core: &mut ChargerCore, request: &GetDisplayMessagesRequest) -> String {
    let fits = |id: i32| request.id.as_ref().is_none_or(|ids| ids.contains(&id));
    let found: Vec<_> =
        core.device.messages.iter().filter(|message| fits(message.id)).cloned().collect();
    let mut answer = GetDisplayMessagesResponse::default();
    if found.is_empty() {
        answer.status = GetDisplayMessagesStatusEnumType::Unknown;
    } else {
        let message = NotifyDisplayMessagesRequest {
            request_id: request.request_id,
            tbc: None,
            message_info: Some(found),
        };
        core.say(Message::new("NotifyDisplayMessages", Purpose::Other, &message));
    }
    json(&answer)
}

fn transaction_status(core: &ChargerCore, request: &GetTransactionStatusRequest) -> String {
    let ongoing = request.transaction_id.as_ref().map(|id| transaction(core, id).is_some());
    json(&GetTransactionStatusResponse {
        ongoing_indicator: ongoing,
        messages_in_queue: core.queued() > 0,
    })
}

fn request_start(core: &mut ChargerCore, request: &RequestStartTransactionRequest) -> String {
    let number = request.evse_id.map(number_of);
    let began = core.remote_start(number, &request.id_token.id_token, request.remote_start_id);
    if let (Some(number), Some(profile)) = (began, &request.charging_profile) {
        profiles::install(core, number, profile);
    }
    let mut answer = RequestStartTransactionResponse::default();
    if began.is_none() {
        answer.status = RequestStartStopStatusEnumType::Rejected;
    }
    json(&answer)
}

fn reserve_now(core: &mut ChargerCore, request: ReserveNowRequest) -> String {
    let number = request.evse_id.map(number_of);
    let for_ms = request.expiry_date_time.timestamp_millis() - core.now.0;
    let status = match core.reserve_now(number, request.id, request.id_token.id_token, for_ms) {
        "Accepted" => ReserveNowStatusEnumType::Accepted,
        "Faulted" => ReserveNowStatusEnumType::Faulted,
        "Occupied" => ReserveNowStatusEnumType::Occupied,
        "Unavailable" => ReserveNowStatusEnumType::Unavailable,
        _ => ReserveNowStatusEnumType::Rejected,
    };
    json(&ReserveNowResponse { status, status_info: None })
}

fn reset(core: &mut ChargerCore, request: &ResetRequest) -> String {
    let hard = request.request_type == ResetEnumType::Immediate;
    let status = match request.evse_id {
        Some(id) => match core.index(number_of(id)) {
            None => ResetStatusEnumType::Rejected,
            Some(index) if !hard && core.connectors[index].tx.is_some() => {
                ResetStatusEnumType::Rejected
            }
            Some(_) => {
                core.reset_evse(number_of(id));
                ResetStatusEnumType::Accepted
            }
        },
        // OnIdle waits for the last transaction (B11.FR.03, B12.FR.01).
        None if !hard && core.any_transaction() => {
            core.reset_when_idle = Some(false);
            ResetStatusEnumType::Scheduled
        }
        None => {
            core.reset(hard);
            ResetStatusEnumType::Accepted
        }
    };
    json(&ResetResponse { status, status_info: None })
}

fn send_local_list(core: &mut ChargerCore, request: SendLocalListRequest) -> String {
    let entries = request.local_authorization_list.unwrap_or_default().into_iter().map(|entry| {
        let info = entry.id_token_info;
        (entry.id_token.id_token, info.map(|info| info.status == TokenStatus::Accepted))
    });
    let full = request.update_type == UpdateEnumType::Full;
    let mut answer = SendLocalListResponse::default();
    if !core.update_local_list(request.version_number, full, entries.collect()) {
        answer.status = SendLocalListStatusEnumType::VersionMismatch;
    }
    json(&answer)
}

fn trigger(core: &mut ChargerCore, payload: &str) -> Result<String, Refusal> {
    let answer = |status| json(&TriggerMessageResponse { status, status_info: None });
    let Ok(request) = read::<TriggerMessageRequest>(payload) else {
        // A message we do not know is no broken frame: it has a status of its own (F06.FR.08).
        let loose: serde_json::Value = read(payload)?;
        if loose.get("requestedMessage").is_some_and(serde_json::Value::is_string) {
            return Ok(answer(TriggerMessageStatusEnumType::NotImplemented));
        }
        return Err(Refusal {
            code: "FormatViolation",
            description: "requestedMessage is missing or no text".to_owned(),
        });
    };
    let wanted = request.evse.as_ref().map(|evse| number_of(evse.id)).filter(|id| *id != 0);
    if wanted.is_some_and(|number| core.index(number).is_none()) {
        return Ok(answer(TriggerMessageStatusEnumType::Rejected));
    }
    let numbers: Vec<u16> = match wanted {
        Some(number) => vec![number],
        None => (1..=core.spec.connectors).collect(),
    };
    match request.requested_message {
        MessageTriggerEnumType::BootNotification => core.say_boot_again(),
        MessageTriggerEnumType::Heartbeat => core.say_heartbeat(true),
        MessageTriggerEnumType::LogStatusNotification => core.say_upload(true),
        MessageTriggerEnumType::FirmwareStatusNotification => core.say_firmware(true),
        MessageTriggerEnumType::StatusNotification => {
            for number in numbers {
                core.say_status(number, true);
            }
        }
        MessageTriggerEnumType::MeterValues => {
            for number in numbers {
                if let Some(index) = core.index(number) {
                    core.meter(index);
                    core.say_meter(index, true);
                }
            }
        }
        MessageTriggerEnumType::TransactionEvent => {
            let running: Vec<usize> = numbers
                .into_iter()
                .filter_map(|number| core.index(number))
                .filter(|index| core.connectors[*index].tx.is_some())
                .collect();
            if running.is_empty() {
                return Ok(answer(TriggerMessageStatusEnumType::Rejected));
            }
            for index in running {
                core.meter(index);
                if let Some(message) = say::triggered_transaction(core, index) {
                    core.say(message.triggered(true));
                }
            }
        }
        MessageTriggerEnumType::SignChargingStationCertificate
        | MessageTriggerEnumType::SignV2GCertificate
        | MessageTriggerEnumType::SignCombinedCertificate
        | MessageTriggerEnumType::PublishFirmwareStatusNotification => {
            return Ok(answer(TriggerMessageStatusEnumType::NotImplemented));
        }
    }
    Ok(answer(TriggerMessageStatusEnumType::Accepted))
}

fn unlock(core: &mut ChargerCore, request: &UnlockConnectorRequest) -> String {
    let number = number_of(request.evse_id);
    let status = match core.index(number) {
        None => UnlockStatusEnumType::UnknownConnector,
        Some(_) if request.connector_id != 1 => UnlockStatusEnumType::UnknownConnector,
        Some(index) if core.connectors[index].tx.is_some() => {
            UnlockStatusEnumType::OngoingAuthorizedTransaction
        }
        Some(_) if core.unlock(number) => UnlockStatusEnumType::Unlocked,
        Some(_) => UnlockStatusEnumType::UnlockFailed,
    };
    json(&UnlockConnectorResponse { status, status_info: None })
}
