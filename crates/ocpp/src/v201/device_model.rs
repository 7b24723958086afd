//! The device model: what components report of their variables. Faults, signal strength and, from
//! chargers that no longer send `StatusNotification`, the state of connectors (behaviour 63).

use std::borrow::Cow;

use mendpoint_model::{
    ConfigurationValue, ConnectorRef, EventKind, FaultReport, StatusReport, UnixMs,
};

use super::decode::{Events, read_v201_status};
use super::parts::{Named, variable_key};
use crate::payload::{Payload, read_flag};
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
            _ => {}
        }
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

/// Reads a `NotifyReport`: every variable with its value, and what the values mean.
pub(super) fn notify_report(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut values = Vec::new();
    let mut told = Events::new();
    while let Some(key) = payload.key() {
        match &*key {
            "reportData" => payload.list("reportData", |payload| {
                let Some((value, report)) = read_report(payload) else { return };
                values.push(value);
                // A report of everything lists hundreds of variables without a value.
                if report.value.is_some() {
                    report.tell(payload, &mut told);
                }
            }),
            _ => payload.skip(),
        }
    }
    if !values.is_empty() {
        events.push(EventKind::Configuration(values));
    }
    events.append(&mut told);
    Reply::Empty
}

fn read_report<'a>(payload: &mut Payload<'a>) -> Option<(ConfigurationValue, Report<'a>)> {
    if !payload.object("reportData") {
        return None;
    }
    let mut report = Report::default();
    let mut readonly = false;
    while let Some(key) = payload.key() {
        match &*key {
            "component" => report.component = Named::read(payload, "component"),
            "variable" => report.variable = Named::read(payload, "variable"),
            "variableAttribute" => payload.list("variableAttribute", |payload| {
                let Some(attribute) = Attribute::read(payload) else { return };
                if attribute.is_actual {
                    report.value = attribute.value;
                    readonly = attribute.is_readonly;
                }
            }),
            _ => payload.skip(),
        }
    }
    let value = ConfigurationValue {
        key: variable_key(&report.component, &report.variable),
        value: report.value.as_deref().map(str::to_owned),
        readonly,
    };
    Some((value, report))
}

#[derive(Debug)]
struct Attribute<'a> {
    is_actual: bool,
    is_readonly: bool,
    value: Option<Cow<'a, str>>,
}

impl<'a> Attribute<'a> {
    fn read(payload: &mut Payload<'a>) -> Option<Self> {
        if !payload.object("variableAttribute") {
            return None;
        }
        let mut attribute = Self { is_actual: true, is_readonly: false, value: None };
        while let Some(key) = payload.key() {
            match &*key {
                "type" => {
                    let kind = payload.text("type");
                    attribute.is_actual = kind.is_none_or(|kind| kind == "Actual");
                }
                "mutability" => {
                    let word = payload.text("mutability");
                    attribute.is_readonly = word.is_some_and(|word| word == "ReadOnly");
                }
                "value" => attribute.value = payload.loose_text(),
                _ => payload.skip(),
            }
        }
        Some(attribute)
    }
}
