//! The device model of a 2.0.1 charger: variables, reports, monitors.

use rust_ocpp::v2_0_1::datatypes::{
    clear_monitoring_result_type::ClearMonitoringResultType, component_type::ComponentType,
    evse_type::EVSEType, get_variable_result_type::GetVariableResultType,
    monitoring_data_type::MonitoringDataType, report_data_type::ReportDataType,
    set_monitoring_data_type::SetMonitoringDataType,
    set_monitoring_result_type::SetMonitoringResultType,
    set_variable_result_type::SetVariableResultType,
    variable_attribute_type::VariableAttributeType,
    variable_characteristics_type::VariableCharacteristicsType,
    variable_monitoring_type::VariableMonitoringType, variable_type::VariableType,
};
use rust_ocpp::v2_0_1::enumerations::{
    attribute_enum_type::AttributeEnumType,
    clear_monitoring_status_enum_type::ClearMonitoringStatusEnumType, data_enum_type::DataEnumType,
    generic_device_model_status_enum_type::GenericDeviceModelStatusEnumType,
    generic_status_enum_type::GenericStatusEnumType,
    get_variable_status_enum_type::GetVariableStatusEnumType,
    monitoring_base_enum_type::MonitoringBaseEnumType, mutability_enum_type::MutabilityEnumType,
    report_base_enum_type::ReportBaseEnumType,
    set_monitoring_status_enum_type::SetMonitoringStatusEnumType,
    set_variable_status_enum_type::SetVariableStatusEnumType,
};
use rust_ocpp::v2_0_1::messages::{
    clear_variable_monitoring::{ClearVariableMonitoringRequest, ClearVariableMonitoringResponse},
    get_base_report::{GetBaseReportRequest, GetBaseReportResponse},
    get_monitoring_report::{GetMonitoringReportRequest, GetMonitoringReportResponse},
    get_report::{GetReportRequest, GetReportResponse},
    get_variables::{GetVariablesRequest, GetVariablesResponse},
    notify_monitoring_report::NotifyMonitoringReportRequest,
    notify_report::NotifyReportRequest,
    set_monitoring_base::{SetMonitoringBaseRequest, SetMonitoringBaseResponse},
    set_monitoring_level::{SetMonitoringLevelRequest, SetMonitoringLevelResponse},
    set_variable_monitoring::{SetVariableMonitoringRequest, SetVariableMonitoringResponse},
    set_variables::{SetVariablesRequest, SetVariablesResponse},
};

use super::time;
use crate::core::ChargerCore;
use crate::core::device::{Access, Change, Kind, Setting};
use crate::core::outbox::{Message, Purpose, json};

/// Entries a `NotifyReport`: a report is sent in parts, as small chargers do.
const PART: usize = 12;

/// `GetVariables`.
pub(super) fn get(core: &ChargerCore, request: GetVariablesRequest) -> String {
    let results = request.get_variable_data.into_iter().map(|wanted| {
        let evse = wanted.component.evse.as_ref().map_or(0, |evse| number(evse.id));
        let setting = core.device.find_at(&wanted.component.name, evse, &wanted.variable.name);
        let actual = matches!(wanted.attribute_type, None | Some(AttributeEnumType::Actual));
        let (status, value) = match setting {
            Some(_) if !actual => (GetVariableStatusEnumType::NotSupportedAttributeType, None),
            Some(setting) if setting.access == Access::WriteOnly => {
                (GetVariableStatusEnumType::Rejected, None)
            }
            Some(setting) => (GetVariableStatusEnumType::Accepted, Some(present(core, setting))),
            None if core.device.has_component(&wanted.component.name) => {
                (GetVariableStatusEnumType::UnknownVariable, None)
            }
            None => (GetVariableStatusEnumType::UnknownComponent, None),
        };
        GetVariableResultType {
            attribute_status: status,
            attribute_type: wanted.attribute_type,
            attribute_value: value,
            component: wanted.component,
            variable: wanted.variable,
            attribute_status_info: None,
        }
    });
    json(&GetVariablesResponse { get_variable_result: results.collect() })
}

fn number(id: i32) -> u16 {
    u16::try_from(id).unwrap_or(u16::MAX)
}

/// The value now: a fault shows in the `Problem` or `Tripped` of its component.
fn present(core: &ChargerCore, setting: &Setting) -> String {
    let visible = || core.faults.iter().filter(|active| active.fault.is_visible());
    match (setting.component, setting.name) {
        (component, name @ ("Problem" | "Tripped")) => visible()
            .any(|active| {
                let fault = &active.fault;
                fault.component == component
                    && fault.variable == name
                    && setting.evse == fault.connector
            })
            .to_string(),
        ("ChargingStation", "AvailabilityState") => {
            let broken = visible().any(|active| active.fault.connector == 0);
            let word = match (broken, core.operative) {
                (true, _) => "Faulted",
                (false, false) => "Unavailable",
                (false, true) => "Available",
            };
            word.to_owned()
        }
        ("DataLink", "SignalStrength") => core.signal_level().to_string(),
        _ => setting.value.clone(),
    }
}

/// `SetVariables`.
pub(super) fn set(core: &mut ChargerCore, request: SetVariablesRequest) -> String {
    let mut results = Vec::new();
    for wanted in request.set_variable_data {
        let (component, variable) = (&wanted.component.name, &wanted.variable.name);
        let actual = matches!(wanted.attribute_type, None | Some(AttributeEnumType::Actual));
        let status = if actual {
            match core.device.change(component, variable, &wanted.attribute_value) {
                Change::Done => SetVariableStatusEnumType::Accepted,
                Change::AfterReboot => SetVariableStatusEnumType::RebootRequired,
                Change::ReadOnly | Change::BadValue => SetVariableStatusEnumType::Rejected,
                Change::Unknown if core.device.has_component(component) => {
                    SetVariableStatusEnumType::UnknownVariable
                }
                Change::Unknown => SetVariableStatusEnumType::UnknownComponent,
            }
        } else {
            SetVariableStatusEnumType::NotSupportedAttributeType
        };
        if status == SetVariableStatusEnumType::Accepted
            && variable.eq_ignore_ascii_case("HeartbeatInterval")
        {
            let seconds = core.device.heartbeat_s();
            core.set_heartbeat_interval(seconds);
        }
        results.push(SetVariableResultType {
            attribute_type: wanted.attribute_type,
            attribute_status: status,
            component: wanted.component,
            variable: wanted.variable,
            attribute_status_info: None,
        });
    }
    json(&SetVariablesResponse { set_variable_result: results })
}

fn component_of(setting: &Setting) -> ComponentType {
    ComponentType {
        name: setting.component.to_owned(),
        instance: (!setting.instance.is_empty()).then(|| setting.instance.to_owned()),
        evse: (setting.evse > 0).then(|| EVSEType {
            id: i32::from(setting.evse),
            connector_id: (setting.component == "Connector").then_some(1),
        }),
    }
}

fn entry(core: &ChargerCore, setting: &Setting) -> ReportDataType {
    let mutability = match setting.access {
        Access::ReadOnly => MutabilityEnumType::ReadOnly,
        Access::ReadWrite | Access::Reboot => MutabilityEnumType::ReadWrite,
        Access::WriteOnly => MutabilityEnumType::WriteOnly,
    };
    ReportDataType {
        component: component_of(setting),
        variable: VariableType { name: setting.name.to_owned(), instance: None },
        variable_attribute: vec![VariableAttributeType {
            kind: Some(AttributeEnumType::Actual),
            value: (setting.access != Access::WriteOnly).then(|| present(core, setting)),
            mutability: Some(mutability),
            persistent: Some(true),
            constant: Some(false),
        }],
        variable_characteristics: Some(VariableCharacteristicsType {
            unit: (!setting.unit.is_empty()).then(|| setting.unit.to_owned()),
            data_type: match setting.kind {
                Kind::Text => DataEnumType::String,
                Kind::Number => DataEnumType::Integer,
                Kind::Switch => DataEnumType::Boolean,
            },
            min_limit: None,
            max_limit: None,
            values_list: None,
            supports_monitoring: matches!(
                setting.name,
                "SignalStrength" | "Problem" | "Tripped" | "Active"
            ),
        }),
    }
}

fn send_report(core: &mut ChargerCore, request_id: i32, entries: &[ReportDataType]) {
    let parts = entries.len().div_ceil(PART);
    for (at, part) in entries.chunks(PART).enumerate() {
        let request = NotifyReportRequest {
            request_id,
            tbc: Some(at + 1 < parts),
            seq_no: i32::try_from(at).unwrap_or(i32::MAX),
            generated_at: time(core.now),
            report_data: Some(part.to_vec()),
        };
        core.say(Message::new("NotifyReport", Purpose::Other, &request));
    }
}

/// `GetBaseReport`.
pub(super) fn base_report(core: &mut ChargerCore, request: &GetBaseReportRequest) -> String {
    let wanted = |setting: &&Setting| match request.report_base {
        ReportBaseEnumType::ConfigurationInventory => setting.access != Access::ReadOnly,
        ReportBaseEnumType::FullInventory => true,
        ReportBaseEnumType::SummaryInventory => {
            matches!(setting.name, "Available" | "AvailabilityState" | "Problem")
        }
    };
    let entries: Vec<_> =
        core.device.settings.iter().filter(wanted).map(|setting| entry(core, setting)).collect();
    send_report(core, request.request_id, &entries);
    json(&GetBaseReportResponse::default())
}

/// `GetReport`.
pub(super) fn report(core: &mut ChargerCore, request: &GetReportRequest) -> String {
    let wanted = |setting: &&Setting| {
        request.component_variable.as_ref().is_none_or(|list| {
            list.iter().any(|asked| {
                asked.component.name.eq_ignore_ascii_case(setting.component)
                    && asked
                        .component
                        .evse
                        .as_ref()
                        .is_none_or(|evse| number(evse.id) == setting.evse)
                    && asked
                        .variable
                        .as_ref()
                        .is_none_or(|variable| variable.name.eq_ignore_ascii_case(setting.name))
            })
        })
    };
    let entries: Vec<_> =
        core.device.settings.iter().filter(wanted).map(|setting| entry(core, setting)).collect();
    let mut answer = GetReportResponse::default();
    if entries.is_empty() {
        answer.status = GenericDeviceModelStatusEnumType::EmptyResultSet;
    }
    send_report(core, request.request_id, &entries);
    json(&answer)
}

/// `SetVariableMonitoring`.
pub(super) fn set_monitors(
    core: &mut ChargerCore,
    request: SetVariableMonitoringRequest,
) -> String {
    let mut results = Vec::new();
    for mut wanted in request.set_monitoring_data {
        let evse = wanted.component.evse.as_ref().map_or(0, |evse| number(evse.id));
        let known = core.device.find_at(&wanted.component.name, evse, &wanted.variable.name);
        let twin = core.device.monitors.iter().any(|held| {
            wanted.id.is_none()
                && held.component == wanted.component
                && held.variable == wanted.variable
                && held.kind == wanted.kind
                && held.severity == wanted.severity
        });
        let status = if twin {
            SetMonitoringStatusEnumType::Duplicate
        } else if known.is_some() {
            SetMonitoringStatusEnumType::Accepted
        } else if core.device.has_component(&wanted.component.name) {
            SetMonitoringStatusEnumType::UnknownVariable
        } else {
            SetMonitoringStatusEnumType::UnknownComponent
        };
        let accepted = status == SetMonitoringStatusEnumType::Accepted;
        let held = &mut core.device.monitors;
        // The number 1 is the maker's own monitor.
        let free = held.iter().filter_map(|monitor| monitor.id).max().unwrap_or(1) + 1;
        let id = wanted.id.unwrap_or(free);
        results.push(SetMonitoringResultType {
            id: accepted.then_some(id),
            status,
            kind: wanted.kind.clone(),
            severity: wanted.severity,
            component: wanted.component.clone(),
            variable: wanted.variable.clone(),
            status_info: None,
        });
        if accepted {
            held.retain(|monitor| monitor.id != Some(id));
            wanted.id = Some(id);
            held.push(wanted);
        }
    }
    json(&SetVariableMonitoringResponse { set_monitoring_result: results })
}

/// `ClearVariableMonitoring`.
pub(super) fn clear_monitors(
    core: &mut ChargerCore,
    request: &ClearVariableMonitoringRequest,
) -> String {
    let mut results = Vec::new();
    for id in &request.id {
        let before = core.device.monitors.len();
        core.device.monitors.retain(|monitor| monitor.id != Some(*id));
        let status = if core.device.monitors.len() < before {
            ClearMonitoringStatusEnumType::Accepted
        } else {
            ClearMonitoringStatusEnumType::NotFound
        };
        results.push(ClearMonitoringResultType { status, id: *id, status_info: None });
    }
    json(&ClearVariableMonitoringResponse { clear_monitoring_result: results })
}

/// `SetMonitoringBase`: custom monitors go unless all are to stay.
pub(super) fn set_monitoring_base(
    core: &mut ChargerCore,
    request: &SetMonitoringBaseRequest,
) -> String {
    if request.monitoring_base != MonitoringBaseEnumType::All {
        core.device.monitors.clear();
    }
    json(&SetMonitoringBaseResponse::default())
}

/// `SetMonitoringLevel`: severities go from 0 to 9.
pub(super) fn set_monitoring_level(request: &SetMonitoringLevelRequest) -> String {
    let mut answer = SetMonitoringLevelResponse::default();
    if request.severity > 9 {
        answer.status = GenericStatusEnumType::Rejected;
    }
    json(&answer)
}

/// `GetMonitoringReport`.
pub(super) fn monitoring_report(
    core: &mut ChargerCore,
    request: &GetMonitoringReportRequest,
) -> String {
    let show = |monitor: &SetMonitoringDataType| MonitoringDataType {
        component: monitor.component.clone(),
        variable: monitor.variable.clone(),
        variable_monitoring: vec![VariableMonitoringType {
            id: monitor.id.unwrap_or(0),
            transaction: monitor.transaction.unwrap_or(false),
            value: monitor.value,
            kind: monitor.kind.clone(),
            severity: monitor.severity,
        }],
    };
    let monitors: Vec<_> = core.device.monitors.iter().map(show).collect();
    let mut answer = GetMonitoringReportResponse::default();
    if monitors.is_empty() {
        answer.status = GenericDeviceModelStatusEnumType::EmptyResultSet;
        return json(&answer);
    }
    let message = NotifyMonitoringReportRequest {
        request_id: request.request_id,
        tbc: None,
        seq_no: 0,
        generated_at: time(core.now),
        monitor: Some(monitors),
    };
    core.say(Message::new("NotifyMonitoringReport", Purpose::Other, &message));
    json(&answer)
}
