//! The device model: what components report of their variables. Faults, signal strength and, from
//! chargers that no longer send `StatusNotification`, the state of connectors (behaviour 63).

use std::borrow::Cow;

use mendpoint_model::{
    AttributeKind, ConnectorRef, DeviceReport, DeviceSource, EventKind, Events, FaultReport,
    MonitorReport, MonitorsReport, Mutability, StatusReport, UnixMs, VariableReport,
};

use super::decode::read_v201_status;
use super::parts::{Named, variable_ref};
use crate::payload::{Payload, read_flag, read_float};
use crate::quirk::truncated;
use crate::reply::Reply;
use crate::signal;

/// Sensors whose `Active` is a fault (2.2b). Those of presence and weather are not.
const FAULT_SENSORS: [&str; 7] = [
    "EmergencyStopSensor",
    "GroundIsolationProtection",
    "FloodSensor",
    "ShockSensor",
    "TiltSensor",
    "VandalismSensor",
    "TamperSensor",
];

/// What a component says of one of its variables.
#[derive(Debug, Default)]
struct Report<'a> {
    component: Named<'a>,
    variable: Named<'a>,
    value: Option<Cow<'a, str>>,
    cleared: bool,
    code: Option<String>,
    info: Option<String>,
    severity: Option<u8>,
    at: Option<UnixMs>,
}

/// Reads a `NotifyEvent`: every event that means something here.
pub(super) fn notify_event(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    while let Some(key) = payload.key() {
        match &*key {
            "eventData" => payload.list("eventData", |payload| {
                if let Some(report) = read_event(payload) {
                    report.tell(payload, events);
                }
            }),
            _ => payload.skip(),
        }
    }
    Reply::Empty
}

fn read_event<'a>(payload: &mut Payload<'a>) -> Option<Report<'a>> {
    if !payload.object("eventData") {
        return None;
    }
    let mut report = Report::default();
    while let Some(key) = payload.key() {
        match &*key {
            "component" => report.component = Named::read(payload, "component"),
            "variable" => report.variable = Named::read(payload, "variable"),
            "actualValue" => report.value = payload.loose_text(),
            "cleared" => report.cleared = payload.flag("cleared").unwrap_or_default(),
            "techCode" => report.code = payload.filled("techCode"),
            "techInfo" => report.info = payload.filled("techInfo"),
            "timestamp" => report.at = payload.time("timestamp"),
            "severity" => {
                let severity = payload.int("severity");
                report.severity = severity
                    .and_then(|severity| u8::try_from(severity).ok())
                    .filter(|severity| *severity <= 9);
            }
            _ => payload.skip(),
        }
    }
    Some(report)
}

impl Report<'_> {
    fn connector(&self) -> ConnectorRef {
        self.component.evse.at().unwrap_or(ConnectorRef::CHARGER)
    }

    /// Turns the report into an event, if it means something here.
    fn tell(self, payload: &mut Payload<'_>, events: &mut Events) {
        let component = &*self.component.name;
        let value = self.value.as_deref().unwrap_or_default();
        match &*self.variable.name {
            "SignalStrength" if component == "DataLink" => {
                let names = format!("{} {}", self.component.instance(), self.variable.instance());
                let reading = signal::from_data_link(&names, value);
                if reading.is_none() {
                    payload.note("actualValue", "not a signal strength", value);
                }
                events.extend(reading.map(EventKind::Signal));
            }
            "AvailabilityState"
                if matches!(component, "Connector" | "EVSE" | "ChargingStation") =>
            {
                let (status, raw_status) = read_v201_status(payload, value);
                events.push(EventKind::Status(StatusReport {
                    connector: self.connector(),
                    status,
                    raw_status,
                    error: None,
                    at: self.at,
                }));
            }
            variable if self.is_fault(component, variable) => {
                let is_on = read_flag(value).unwrap_or_else(|| {
                    payload.note("actualValue", "not a truth value", value);
                    // A fault that tells its number or its name is there all the same.
                    !value.is_empty()
                });
                events.push(EventKind::Fault(FaultReport {
                    connector: self.connector(),
                    component: component.to_owned(),
                    variable: variable.to_owned(),
                    active: is_on && !self.cleared,
                    code: self.code,
                    info: self.info,
                    severity: self.severity,
                    at: self.at,
                }));
            }
            variable if signal::speaks_of_signal(variable) => {
                // A vendor's own word for the radio link: a profile may know what it means.
                let value = VariableReport {
                    at: variable_ref(&self.component, &self.variable),
                    value: Some(value.to_owned()),
                    ..VariableReport::default()
                };
                events.push(EventKind::Device(DeviceReport {
                    source: DeviceSource::Event,
                    request: None,
                    seq_no: 0,
                    more: false,
                    variables: vec![value],
                }));
            }
            _ => {}
        }
    }

    fn is_vendors_signal(&self) -> bool {
        self.component.name != "DataLink" && signal::speaks_of_signal(&self.variable.name)
    }

    fn is_fault(&self, component: &str, variable: &str) -> bool {
        match variable {
            "Problem" | "Tripped" | "Overload" => true,
            "Active" => FAULT_SENSORS.contains(&component),
            // Whatever else carries an error code (MREC, design 2.2) and can be on or off.
            _ => self.code.is_some() && self.value.as_deref().and_then(read_flag).is_some(),
        }
    }
}

/// Reads a `NotifyReport`: every variable with its values, and what the values mean.
pub(super) fn notify_report(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut part = DeviceReport {
        source: DeviceSource::Report,
        request: None,
        seq_no: 0,
        more: false,
        variables: Vec::new(),
    };
    let mut told = Events::new();
    while let Some(key) = payload.key() {
        match &*key {
            "requestId" => part.request = payload.int("requestId"),
            "seqNo" => part.seq_no = payload.int("seqNo").unwrap_or_default(),
            "tbc" => part.more = payload.flag("tbc").unwrap_or_default(),
            "reportData" => payload.list("reportData", |payload| {
                let Some(report) = read_report(payload, &mut part.variables) else { return };
                // A report of everything lists hundreds of variables without a value.
                if report.value.is_some() && !report.is_vendors_signal() {
                    report.tell(payload, &mut told);
                }
            }),
            _ => payload.skip(),
        }
    }
    events.push(EventKind::Device(part));
    events.append(&mut told);
    Reply::Empty
}

/// Reads one variable: its values go to `variables`, the actual one also into what is returned.
fn read_report<'a>(
    payload: &mut Payload<'a>,
    variables: &mut Vec<VariableReport>,
) -> Option<Report<'a>> {
    if !payload.object("reportData") {
        return None;
    }
    let mut report = Report::default();
    let mut attributes = Vec::new();
    let mut characteristics = Characteristics::default();
    while let Some(key) = payload.key() {
        match &*key {
            "component" => report.component = Named::read(payload, "component"),
            "variable" => report.variable = Named::read(payload, "variable"),
            "variableAttribute" => payload.list("variableAttribute", |payload| {
                attributes.extend(Attribute::read(payload));
            }),
            "variableCharacteristics" => characteristics = Characteristics::read(payload),
            _ => payload.skip(),
        }
    }
    if attributes.is_empty() {
        attributes.push(Attribute { kind: AttributeKind::Actual, mutability: None, value: None });
    }
    let at = variable_ref(&report.component, &report.variable);
    for attribute in attributes {
        if attribute.kind == AttributeKind::Actual {
            report.value.clone_from(&attribute.value);
        }
        variables.push(VariableReport {
            at: at.clone(),
            attribute: attribute.kind,
            value: attribute.value.map(Cow::into_owned),
            mutability: attribute.mutability,
            data_type: characteristics.data_type.clone(),
            unit: characteristics.unit.clone(),
            supports_monitoring: characteristics.supports_monitoring,
            cut_from: None,
        });
    }
    Some(report)
}

/// `VariableCharacteristicsType`, as far as it is kept.
#[derive(Debug, Default)]
struct Characteristics {
    unit: String,
    data_type: String,
    supports_monitoring: Option<bool>,
}

impl Characteristics {
    fn read(payload: &mut Payload<'_>) -> Self {
        let mut read = Self::default();
        if !payload.object("variableCharacteristics") {
            return read;
        }
        while let Some(key) = payload.key() {
            match &*key {
                "unit" => read.unit = short(payload.filled("unit")),
                "dataType" => read.data_type = short(payload.filled("dataType")),
                "supportsMonitoring" => {
                    read.supports_monitoring = payload.flag("supportsMonitoring");
                }
                _ => payload.skip(),
            }
        }
        read
    }
}

fn short(text: Option<String>) -> String {
    truncated(&text.unwrap_or_default(), WORD_LEN_MAX).to_owned()
}

/// Bytes of a unit or a data type that are kept.
const WORD_LEN_MAX: usize = 32;

#[derive(Debug)]
struct Attribute<'a> {
    kind: AttributeKind,
    mutability: Option<Mutability>,
    value: Option<Cow<'a, str>>,
}

impl<'a> Attribute<'a> {
    fn read(payload: &mut Payload<'a>) -> Option<Self> {
        if !payload.object("variableAttribute") {
            return None;
        }
        let mut attribute = Self { kind: AttributeKind::Actual, mutability: None, value: None };
        while let Some(key) = payload.key() {
            match &*key {
                "type" => {
                    let kind = payload.text("type");
                    attribute.kind =
                        kind.and_then(|kind| AttributeKind::from_name(&kind)).unwrap_or_default();
                }
                "mutability" => {
                    let word = payload.text("mutability");
                    attribute.mutability = word.and_then(|word| Mutability::from_name(&word));
                }
                "value" => attribute.value = payload.loose_text(),
                _ => payload.skip(),
            }
        }
        Some(attribute)
    }
}

/// Reads a `NotifyMonitoringReport`: what is installed.
pub(super) fn notify_monitoring_report(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut part =
        MonitorsReport { set: false, request: None, seq_no: 0, more: false, monitors: Vec::new() };
    while let Some(key) = payload.key() {
        match &*key {
            "requestId" => part.request = payload.int("requestId"),
            "seqNo" => part.seq_no = payload.int("seqNo").unwrap_or_default(),
            "tbc" => part.more = payload.flag("tbc").unwrap_or_default(),
            "monitor" => {
                payload.list("monitor", |payload| read_monitored(payload, &mut part.monitors));
            }
            _ => payload.skip(),
        }
    }
    events.push(EventKind::Monitors(part));
    Reply::Empty
}

fn read_monitored(payload: &mut Payload<'_>, monitors: &mut Vec<MonitorReport>) {
    if !payload.object("monitor") {
        return;
    }
    let mut component = Named::default();
    let mut variable = Named::default();
    let mut found = Vec::new();
    while let Some(key) = payload.key() {
        match &*key {
            "component" => component = Named::read(payload, "component"),
            "variable" => variable = Named::read(payload, "variable"),
            "variableMonitoring" => payload.list("variableMonitoring", |payload| {
                if payload.object("variableMonitoring") {
                    let mut monitor = MonitorReport::default();
                    while let Some(key) = payload.key() {
                        read_monitor_field(payload, &key, &mut monitor);
                    }
                    found.push(monitor);
                }
            }),
            _ => payload.skip(),
        }
    }
    let at = variable_ref(&component, &variable);
    monitors.extend(found.into_iter().map(|monitor| MonitorReport { at: at.clone(), ..monitor }));
}

/// Reads one field of a monitor; both messages that tell of monitors name them alike.
pub(super) fn read_monitor_field(
    payload: &mut Payload<'_>,
    key: &str,
    monitor: &mut MonitorReport,
) {
    match key {
        "id" => monitor.id = payload.int("id"),
        "type" => monitor.kind = short(payload.filled("type")),
        "value" => monitor.value = payload.loose_text().and_then(|text| read_float(&text)),
        "severity" => {
            let severity = payload.int("severity");
            monitor.severity =
                severity.and_then(|severity| u8::try_from(severity).ok()).unwrap_or(9).min(9);
        }
        "status" => monitor.status = short(payload.filled("status")),
        _ => payload.skip(),
    }
}
