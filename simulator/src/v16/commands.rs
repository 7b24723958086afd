//! Commands of a 1.6 server and their answers: all nineteen of the specification.

use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_ocpp::v1_6::messages::{
    cancel_reservation::{CancelReservationRequest, CancelReservationResponse},
    change_availability::{ChangeAvailabilityRequest, ChangeAvailabilityResponse},
    change_configuration::{ChangeConfigurationRequest, ChangeConfigurationResponse},
    clear_cache::{ClearCacheRequest, ClearCacheResponse},
    clear_charging_profile::{ClearChargingProfileRequest, ClearChargingProfileResponse},
    data_transfer::{DataTransferRequest, DataTransferResponse},
    get_composite_schedule::{GetCompositeScheduleRequest, GetCompositeScheduleResponse},
    get_configuration::{GetConfigurationRequest, GetConfigurationResponse},
    get_diagnostics::{GetDiagnosticsRequest, GetDiagnosticsResponse},
    get_local_list_version::{GetLocalListVersionRequest, GetLocalListVersionResponse},
    remote_start_transaction::{RemoteStartTransactionRequest, RemoteStartTransactionResponse},
    remote_stop_transaction::{RemoteStopTransactionRequest, RemoteStopTransactionResponse},
    reserve_now::{ReserveNowRequest, ReserveNowResponse},
    reset::{ResetRequest, ResetResponse},
    send_local_list::{SendLocalListRequest, SendLocalListResponse},
    set_charging_profile::{SetChargingProfileRequest, SetChargingProfileResponse},
    trigger_message::{TriggerMessageRequest, TriggerMessageResponse},
    unlock_connector::{UnlockConnectorRequest, UnlockConnectorResponse},
    update_firmware::{UpdateFirmwareRequest, UpdateFirmwareResponse},
};
use rust_ocpp::v1_6::types::{
    AuthorizationStatus, AvailabilityStatus, AvailabilityType, CancelReservationStatus,
    ChargingProfile, ChargingProfilePurposeType, ChargingProfileStatus, ChargingRateUnitType,
    ChargingSchedule, ChargingSchedulePeriod, ClearCacheStatus, ClearChargingProfileStatus,
    ConfigurationStatus, DataTransferStatus, GetCompositeScheduleStatus, KeyValue, MessageTrigger,
    RemoteStartStopStatus, ReservationStatus, ResetRequestStatus, ResetResponseStatus,
    TriggerMessageStatus, UnlockStatus, UpdateStatus, UpdateType,
};
use serde::de::DeserializeOwned;

use super::time;
use crate::core::ChargerCore;
use crate::core::commands::{Availability, Refusal};
use crate::core::connector::StopReason;
use crate::core::device::{Access, Change};
use crate::core::outbox::json;
use crate::core::profile::{Profile, Purpose};
use crate::{Current, LinkKind};

/// Decides one command: the answer's payload, or an error.
pub(crate) fn decide(
    core: &mut ChargerCore,
    action: &str,
    payload: &str,
) -> Result<String, Refusal> {
    Ok(match action {
        "CancelReservation" => {
            let request: CancelReservationRequest = read(payload)?;
            let status = if core.cancel_reservation(request.reservation_id) {
                CancelReservationStatus::Accepted
            } else {
                CancelReservationStatus::Rejected
            };
            json(&CancelReservationResponse { status })
        }
        "ChangeAvailability" => {
            let request: ChangeAvailabilityRequest = read(payload)?;
            let operative = request.kind == AvailabilityType::Operative;
            let number = connector_of(request.connector_id);
            let status = match core.change_availability(number, operative) {
                Availability::Accepted => AvailabilityStatus::Accepted,
                Availability::Rejected => AvailabilityStatus::Rejected,
                Availability::Scheduled => AvailabilityStatus::Scheduled,
            };
            json(&ChangeAvailabilityResponse { status })
        }
        "ChangeConfiguration" => change_configuration(core, &read(payload)?),
        "ClearCache" => {
            read::<ClearCacheRequest>(payload)?;
            json(&ClearCacheResponse { status: ClearCacheStatus::Accepted })
        }
        "ClearChargingProfile" => {
            let request: ClearChargingProfileRequest = read(payload)?;
            let cleared = core.profiles.clear(
                request.id,
                request.connector_id.map(small),
                request.charging_profile_purpose.as_ref().map(purpose_of),
                request.stack_level,
            );
            let status = if cleared {
                ClearChargingProfileStatus::Accepted
            } else {
                ClearChargingProfileStatus::Unknown
            };
            json(&ClearChargingProfileResponse { status })
        }
        "DataTransfer" => data_transfer(core, &read(payload)?),
        "GetCompositeSchedule" => composite_schedule(core, &read(payload)?),
        "GetConfiguration" => get_configuration(core, read(payload)?),
        "GetDiagnostics" => {
            let request: GetDiagnosticsRequest = read(payload)?;
            let (name, _) = core.upload(&request.location, None);
            json(&GetDiagnosticsResponse { file_name: Some(name) })
        }
        "GetLocalListVersion" => {
            read::<GetLocalListVersionRequest>(payload)?;
            json(&GetLocalListVersionResponse { list_version: core.local_list.0 })
        }
        "RemoteStartTransaction" => remote_start(core, &read(payload)?),
        "RemoteStopTransaction" => {
            let request: RemoteStopTransactionRequest = read(payload)?;
            let runs = core.connectors.iter().position(|connector| {
                let tx = connector.tx.as_ref();
                tx.and_then(|tx| core.outbox.number_of(tx.local)) == Some(request.transaction_id)
            });
            let status = accepted(core.remote_stop(runs));
            json(&RemoteStopTransactionResponse { status })
        }
        "ReserveNow" => reserve_now(core, read(payload)?),
        "Reset" => {
            let request: ResetRequest = read(payload)?;
            core.reset(request.kind == ResetRequestStatus::Hard);
            json(&ResetResponse { status: ResetResponseStatus::Accepted })
        }
        "SendLocalList" => send_local_list(core, read(payload)?),
        "SetChargingProfile" => set_charging_profile(core, &read(payload)?),
        "TriggerMessage" => trigger(core, payload)?,
        "UnlockConnector" => {
            let request: UnlockConnectorRequest = read(payload)?;
            json(&UnlockConnectorResponse { status: unlock(core, request.connector_id) })
        }
        "UpdateFirmware" => {
            let request: UpdateFirmwareRequest = read(payload)?;
            let wait_ms = request.retrieve_date.timestamp_millis() - core.now.0;
            core.update_firmware(&request.location, wait_ms, None, false);
            json(&UpdateFirmwareResponse {})
        }
        unknown => {
            return Err(Refusal {
                code: "NotImplemented",
                description: format!("this charger does not know {unknown}"),
            });
        }
    })
}

/// Reads a payload; what does not fit is a `FormationViolation`, as 1.6 spells it (behaviour 34).
fn read<T: DeserializeOwned>(payload: &str) -> Result<T, Refusal> {
    let payload = if payload == "null" { "{}" } else { payload };
    if !payload.starts_with('{') {
        // serde would read a list as the fields of a struct in their order.
        let description = "the payload is no object".to_owned();
        return Err(Refusal { code: "FormationViolation", description });
    }
    serde_json::from_str(payload)
        .map_err(|why| Refusal { code: "FormationViolation", description: why.to_string() })
}

fn connector_of(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn small(number: i32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn accepted(yes: bool) -> RemoteStartStopStatus {
    if yes { RemoteStartStopStatus::Accepted } else { RemoteStartStopStatus::Rejected }
}

fn change_configuration(core: &mut ChargerCore, request: &ChangeConfigurationRequest) -> String {
    let status = match core.device.change("", &request.key, &request.value) {
        Change::Done => ConfigurationStatus::Accepted,
        Change::AfterReboot => ConfigurationStatus::RebootRequired,
        Change::ReadOnly | Change::BadValue => ConfigurationStatus::Rejected,
        Change::Unknown => ConfigurationStatus::NotSupported,
    };
    if status == ConfigurationStatus::Accepted
        && request.key.eq_ignore_ascii_case("HeartbeatInterval")
    {
        let seconds = core.device.heartbeat_s();
        core.set_heartbeat_interval(seconds);
    }
    json(&ChangeConfigurationResponse { status })
}

fn get_configuration(core: &ChargerCore, request: GetConfigurationRequest) -> String {
    let show = |setting: &crate::core::device::Setting| KeyValue {
        key: setting.name.to_owned(),
        readonly: setting.access == Access::ReadOnly,
        value: Some(if setting.name.ends_with("_RSSI") {
            core.signal_level().to_string()
        } else {
            setting.value.clone()
        }),
    };
    let asked = request.key.unwrap_or_default();
    let visible = |setting: &&crate::core::device::Setting| setting.access != Access::WriteOnly;
    if asked.is_empty() {
        let all = core.device.settings.iter().filter(visible).map(show).collect();
        return json(&GetConfigurationResponse { configuration_key: Some(all), unknown_key: None });
    }
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for key in asked {
        match core.device.find("", &key).filter(visible) {
            Some(setting) => known.push(show(setting)),
            None => unknown.push(key),
        }
    }
    json(&GetConfigurationResponse {
        configuration_key: Some(known),
        unknown_key: (!unknown.is_empty()).then_some(unknown),
    })
}

/// A charger knows its own maker's messages: the strength of its radio link, for one.
fn data_transfer(core: &mut ChargerCore, request: &DataTransferRequest) -> String {
    let own = request.vendor_string.eq_ignore_ascii_case(&core.spec.vendor);
    let asked = request.message_id.as_deref().unwrap_or("");
    let (status, data) = match (own, asked) {
        (false, _) => (DataTransferStatus::UnknownVendorId, None),
        (true, "GetRSSI" | "GetNetStat") if core.spec.link != LinkKind::Ethernet => {
            let transport = if core.spec.link == LinkKind::Wifi { "wifi" } else { "cellular" };
            let dbm = core.signal_now();
            let data = format!("{{\"transport\":\"{transport}\",\"rssi\":{dbm}}}");
            (DataTransferStatus::Accepted, Some(data))
        }
        (true, _) => (DataTransferStatus::UnknownMessageId, None),
    };
    json(&DataTransferResponse { status, data })
}

fn composite_schedule(core: &ChargerCore, request: &GetCompositeScheduleRequest) -> String {
    let number = small(request.connector_id);
    if number != 0 && core.index(number).is_none() {
        let status = GetCompositeScheduleStatus::Rejected;
        return json(&GetCompositeScheduleResponse { status, ..Default::default() });
    }
    let offered = match core.index(number) {
        Some(index) => core.offered_w(index),
        None => core.spec.power_w * f64::from(core.spec.connectors),
    };
    let in_watts = request.charging_rate_unit == Some(ChargingRateUnitType::W);
    let volts = if core.spec.current == Current::Ac { 690.0 } else { 400.0 };
    let limit = if in_watts { offered } else { offered / volts };
    let schedule = ChargingSchedule {
        duration: Some(request.duration),
        start_schedule: Some(time(core.now)),
        charging_rate_unit: if in_watts {
            ChargingRateUnitType::W
        } else {
            ChargingRateUnitType::A
        },
        charging_schedule_period: vec![ChargingSchedulePeriod {
            start_period: 0,
            limit: Decimal::from_f64(limit).unwrap_or_default().round_dp(1),
            number_phases: None,
        }],
        min_charging_rate: None,
    };
    json(&GetCompositeScheduleResponse {
        status: GetCompositeScheduleStatus::Accepted,
        connector_id: Some(request.connector_id),
        schedule_start: Some(time(core.now)),
        charging_schedule: Some(schedule),
    })
}

fn remote_start(core: &mut ChargerCore, request: &RemoteStartTransactionRequest) -> String {
    let number = request.connector_id.map(connector_of);
    let began = core.remote_start(number, &request.id_tag, 0);
    if let (Some(number), Some(profile)) = (began, &request.charging_profile) {
        let profile = profile_of(core, number, profile);
        core.profiles.install(profile);
    }
    json(&RemoteStartTransactionResponse { status: accepted(began.is_some()) })
}

fn reserve_now(core: &mut ChargerCore, request: ReserveNowRequest) -> String {
    let number = (request.connector_id != 0).then(|| connector_of(request.connector_id));
    let for_ms = request.expiry_date.timestamp_millis() - core.now.0;
    let status = match core.reserve_now(number, request.reservation_id, request.id_tag, for_ms) {
        "Accepted" => ReservationStatus::Accepted,
        "Faulted" => ReservationStatus::Faulted,
        "Occupied" => ReservationStatus::Occupied,
        "Unavailable" => ReservationStatus::Unavailable,
        _ => ReservationStatus::Rejected,
    };
    json(&ReserveNowResponse { status })
}

fn send_local_list(core: &mut ChargerCore, request: SendLocalListRequest) -> String {
    let entries = request.local_authorization_list.unwrap_or_default().into_iter().map(|entry| {
        let info = entry.id_tag_info;
        (entry.id_tag, info.map(|info| info.status == AuthorizationStatus::Accepted))
    });
    let full = request.update_type == UpdateType::Full;
    let taken = core.update_local_list(request.list_version, full, entries.collect());
    let status = if taken { UpdateStatus::Accepted } else { UpdateStatus::VersionMismatch };
    json(&SendLocalListResponse { status })
}

fn purpose_of(purpose: &ChargingProfilePurposeType) -> Purpose {
    match purpose {
        ChargingProfilePurposeType::ChargePointMaxProfile => Purpose::Max,
        ChargingProfilePurposeType::TxDefaultProfile => Purpose::TxDefault,
        ChargingProfilePurposeType::TxProfile => Purpose::Tx,
    }
}

fn profile_of(core: &ChargerCore, number: u16, profile: &ChargingProfile) -> Profile {
    let schedule = &profile.charging_schedule;
    let start = schedule.start_schedule.or(profile.valid_from);
    Profile {
        id: profile.charging_profile_id,
        connector: number,
        purpose: purpose_of(&profile.charging_profile_purpose),
        stack_level: i32::try_from(profile.stack_level).unwrap_or(i32::MAX),
        in_watts: schedule.charging_rate_unit == ChargingRateUnitType::W,
        periods: schedule
            .charging_schedule_period
            .iter()
            .map(|period| (period.start_period, period.limit.to_f64().unwrap_or(0.0)))
            .collect(),
        starts_at: start.map_or(core.now, |at| mendpoint_model::UnixMs(at.timestamp_millis())),
        duration_s: schedule.duration,
        as_sent: json(profile),
    }
}

fn set_charging_profile(core: &mut ChargerCore, request: &SetChargingProfileRequest) -> String {
    let number = small(request.connector_id);
    let profile = profile_of(core, number, &request.cs_charging_profiles);
    let runs = core.index(number).is_some_and(|index| core.connectors[index].tx.is_some());
    let fits = match profile.purpose {
        Purpose::Max => number == 0,
        Purpose::TxDefault => number == 0 || core.index(number).is_some(),
        Purpose::Tx => runs,
    };
    let status = if fits && profile.stack_level <= 8 {
        core.profiles.install(profile);
        ChargingProfileStatus::Accepted
    } else {
        ChargingProfileStatus::Rejected
    };
    json(&SetChargingProfileResponse { status })
}

fn trigger(core: &mut ChargerCore, payload: &str) -> Result<String, Refusal> {
    let Ok(request) = read::<TriggerMessageRequest>(payload) else {
        // A message we do not know is no broken frame: it has a status of its own (5.17 of 1.6).
        let loose: serde_json::Value = read(payload)?;
        if loose.get("requestedMessage").is_some_and(serde_json::Value::is_string) {
            let status = TriggerMessageStatus::NotImplemented;
            return Ok(json(&TriggerMessageResponse { status }));
        }
        return Err(Refusal {
            code: "FormationViolation",
            description: "requestedMessage is missing or no text".to_owned(),
        });
    };
    let wanted = request.connector_id.map(connector_of);
    if wanted.is_some_and(|number| number != 0 && core.index(number).is_none()) {
        return Ok(json(&TriggerMessageResponse { status: TriggerMessageStatus::Rejected }));
    }
    let numbers: Vec<u16> = match wanted {
        Some(number) => vec![number],
        None => (0..=core.spec.connectors).collect(),
    };
    match request.requested_message {
        MessageTrigger::BootNotification => core.say_boot_again(),
        MessageTrigger::Heartbeat => core.say_heartbeat(true),
        MessageTrigger::StatusNotification => {
            for number in numbers {
                core.say_status(number, true);
            }
        }
        MessageTrigger::MeterValues => {
            for number in numbers {
                if let Some(index) = core.index(number) {
                    core.meter(index);
                    core.say_meter(index, true);
                }
            }
        }
        MessageTrigger::DiagnosticsStatusNotification => core.say_upload(true),
        MessageTrigger::FirmwareStatusNotification => core.say_firmware(true),
    }
    Ok(json(&TriggerMessageResponse { status: TriggerMessageStatus::Accepted }))
}

fn unlock(core: &mut ChargerCore, number: u32) -> UnlockStatus {
    let number = connector_of(number);
    let Some(index) = core.index(number) else { return UnlockStatus::NotSupported };
    core.stop_transaction(index, StopReason::UnlockCommand);
    if core.unlock(number) { UnlockStatus::Unlocked } else { UnlockStatus::UnlockFailed }
}
