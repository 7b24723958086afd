//! Charging profiles of a 2.0.1 charger.

use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_ocpp::v2_0_1::datatypes::{
    charging_profile_type::ChargingProfileType,
    charging_schedule_period_type::ChargingSchedulePeriodType,
    composite_schedule_type::CompositeScheduleType,
};
use rust_ocpp::v2_0_1::enumerations::{
    charging_limit_source_enum_type::ChargingLimitSourceEnumType,
    charging_profile_purpose_enum_type::ChargingProfilePurposeEnumType,
    charging_profile_status_enum_type::ChargingProfileStatusEnumType,
    charging_rate_unit_enum_type::ChargingRateUnitEnumType,
    clear_charging_profile_status_enum_type::ClearChargingProfileStatusEnumType,
    generic_status_enum_type::GenericStatusEnumType,
    get_charging_profile_status_enum_type::GetChargingProfileStatusEnumType,
};
use rust_ocpp::v2_0_1::messages::{
    clear_charging_profile::{ClearChargingProfileRequest, ClearChargingProfileResponse},
    get_charging_profiles::{GetChargingProfilesRequest, GetChargingProfilesResponse},
    get_composite_schedule::{GetCompositeScheduleRequest, GetCompositeScheduleResponse},
    report_charging_profiles::ReportChargingProfilesRequest,
    set_charging_profile::{SetChargingProfileRequest, SetChargingProfileResponse},
};

use super::commands::number_of;
use super::time;
use crate::Current;
use crate::core::ChargerCore;
use crate::core::outbox::{Message, Purpose as MessagePurpose, json};
use crate::core::profile::{Profile, Purpose};

/// The purpose in the charger's words; external constraints are nobody's to set from afar.
fn purpose_of(purpose: &ChargingProfilePurposeEnumType) -> Option<Purpose> {
    match purpose {
        ChargingProfilePurposeEnumType::ChargingStationExternalConstraints => None,
        ChargingProfilePurposeEnumType::ChargingStationMaxProfile => Some(Purpose::Max),
        ChargingProfilePurposeEnumType::TxDefaultProfile => Some(Purpose::TxDefault),
        ChargingProfilePurposeEnumType::TxProfile => Some(Purpose::Tx),
    }
}

fn profile_of(core: &ChargerCore, number: u16, profile: &ChargingProfileType) -> Option<Profile> {
    let schedule = profile.charging_schedule.first()?;
    let start = schedule.start_schedule.or(profile.valid_from);
    Some(Profile {
        id: profile.id,
        connector: number,
        purpose: purpose_of(&profile.charging_profile_purpose)?,
        stack_level: profile.stack_level,
        in_watts: schedule.charging_rate_unit == ChargingRateUnitEnumType::W,
        periods: schedule
            .charging_schedule_period
            .iter()
            .map(|period| (period.start_period, period.limit.to_f64().unwrap_or(0.0)))
            .collect(),
        starts_at: start.map_or(core.now, |at| mendpoint_model::UnixMs(at.timestamp_millis())),
        duration_s: schedule.duration,
        as_sent: json(profile),
    })
}

/// Takes in the profile of a remote start.
pub(super) fn install(core: &mut ChargerCore, number: u16, profile: &ChargingProfileType) {
    if let Some(profile) = profile_of(core, number, profile) {
        core.profiles.install(profile);
    }
}

/// `SetChargingProfile`.
pub(super) fn set(core: &mut ChargerCore, request: &SetChargingProfileRequest) -> String {
    let number = number_of(request.evse_id);
    let runs = core.index(number).is_some_and(|index| core.connectors[index].tx.is_some());
    let known = number == 0 || core.index(number).is_some();
    let profile = profile_of(core, number, &request.charging_profile).filter(|profile| {
        let fits = match profile.purpose {
            Purpose::Max => number == 0,
            Purpose::TxDefault => known,
            Purpose::Tx => runs,
        };
        fits && (0..=8).contains(&profile.stack_level)
    });
    let mut answer = SetChargingProfileResponse::default();
    match profile {
        Some(profile) => core.profiles.install(profile),
        None => answer.status = ChargingProfileStatusEnumType::Rejected,
    }
    json(&answer)
}

/// `ClearChargingProfile`.
pub(super) fn clear(core: &mut ChargerCore, request: ClearChargingProfileRequest) -> String {
    let criteria = request.charging_profile_criteria.unwrap_or_default();
    let cleared = core.profiles.clear(
        request.charging_profile_id,
        criteria.evse_id.map(number_of),
        criteria.charging_profile_purpose.as_ref().and_then(purpose_of),
        criteria.stack_level,
    );
    let mut answer = ClearChargingProfileResponse::default();
    if !cleared {
        answer.status = ClearChargingProfileStatusEnumType::Unknown;
    }
    json(&answer)
}

/// `GetChargingProfiles`: reported one by one.
pub(super) fn report(core: &mut ChargerCore, request: &GetChargingProfilesRequest) -> String {
    let wanted = &request.charging_profile;
    let purpose = wanted.charging_profile_purpose.as_ref().and_then(purpose_of);
    let found: Vec<(u16, ChargingProfileType)> = core
        .profiles
        .list
        .iter()
        .filter(|held| {
            request.evse_id.is_none_or(|id| held.connector == number_of(id))
                && purpose.is_none_or(|purpose| held.purpose == purpose)
                && wanted.stack_level.is_none_or(|level| held.stack_level == level)
                && wanted.charging_profile_id.as_ref().is_none_or(|ids| ids.contains(&held.id))
        })
        .filter_map(|held| Some((held.connector, serde_json::from_str(&held.as_sent).ok()?)))
        .collect();
    let mut answer = GetChargingProfilesResponse::default();
    if found.is_empty() {
        answer.status = GetChargingProfileStatusEnumType::NoProfiles;
    }
    let last = found.len();
    for (at, (number, profile)) in found.into_iter().enumerate() {
        let message = ReportChargingProfilesRequest {
            request_id: request.request_id,
            charging_limit_source: ChargingLimitSourceEnumType::CSO,
            tbc: Some(at + 1 < last),
            evse_id: i32::from(number),
            charging_profile: vec![profile],
        };
        core.say(Message::new("ReportChargingProfiles", MessagePurpose::Other, &message));
    }
    json(&answer)
}

/// `GetCompositeSchedule`.
pub(super) fn composite(core: &ChargerCore, request: &GetCompositeScheduleRequest) -> String {
    let number = number_of(request.evse_id);
    let mut answer = GetCompositeScheduleResponse::default();
    if number != 0 && core.index(number).is_none() {
        answer.status = GenericStatusEnumType::Rejected;
        return json(&answer);
    }
    let offered = match core.index(number) {
        Some(index) => core.offered_w(index),
        None => core.spec.power_w * f64::from(core.spec.connectors),
    };
    let unit = request.charging_rate_unit.clone().unwrap_or(ChargingRateUnitEnumType::A);
    let volts = if core.spec.current == Current::Ac { 690.0 } else { 400.0 };
    let limit = if unit == ChargingRateUnitEnumType::W { offered } else { offered / volts };
    answer.schedule = Some(CompositeScheduleType {
        evse_id: request.evse_id,
        duration: request.duration,
        schedule_start: time(core.now),
        charging_rate_unit: unit,
        charging_schedule_period: vec![ChargingSchedulePeriodType {
            start_period: 0,
            limit: Decimal::from_f64(limit).unwrap_or_default().round_dp(1),
            number_phases: None,
            phase_to_use: None,
        }],
    });
    json(&answer)
}
