//! What 2.x chargers answer to our commands.

use std::borrow::Cow;

use mendpoint_model::{
    Action, AttributeKind, DeviceReport, DeviceSource, EventKind, MonitorReport, MonitorsReport,
    UnixMs, VariableRef, VariableReport,
};

use super::device_model::read_monitor_field;
use super::parts::{Named, variable_ref};
use crate::command::{AnswerParts, top_level_text};
use crate::payload::Payload;
use crate::signal;
use crate::v16::read_data_transfer_answer;

/// Reads an answer.
pub(crate) fn read_answer(action: &Action, payload: &str) -> AnswerParts {
    let mut parts = AnswerParts {
        status: top_level_text(payload, "status").unwrap_or_default(),
        ..AnswerParts::default()
    };
    // Of our typed GetConfiguration the answer tells which request it was written as.
    let mut reader = Payload::new(payload, UnixMs::default());
    if reader.open() {
        while let Some(key) = reader.key() {
            match &*key {
                "getVariableResult" => read_variables(&mut reader, &mut parts),
                "setVariableResult" => read_written(&mut reader, action, &mut parts),
                "setMonitoringResult" => read_monitors(&mut reader, &mut parts),
                "clearMonitoringResult" => read_statuses(&mut reader, "status", &mut parts),
                _ => reader.skip(),
            }
        }
    }
    if action.name() == "DataTransfer" {
        read_data_transfer_answer(action, payload, &mut parts);
    }
    parts
}

/// The status of a list of results: the first that is not `Accepted`, or `Accepted`.
fn read_statuses(reader: &mut Payload<'_>, field: &'static str, parts: &mut AnswerParts) {
    let mut worst: Option<String> = None;
    reader.list("result", |reader| {
        if !reader.object("result") {
            return;
        }
        while let Some(key) = reader.key() {
            if key != field {
                reader.skip();
                continue;
            }
            let status = reader.filled(field);
            if worst.as_deref().is_none_or(|worst| worst == "Accepted") {
                worst = status.or(worst.take());
            }
        }
    });
    parts.status = worst.unwrap_or_default();
}

fn told(source: DeviceSource, variables: Vec<VariableReport>) -> EventKind {
    EventKind::Device(DeviceReport { source, request: None, seq_no: 0, more: false, variables })
}

/// The status of the worst result: the first that is not `Accepted`, or `Accepted`.
fn note_status(parts: &mut AnswerParts, status: Option<String>) {
    if parts.status.is_empty() || parts.status == "Accepted" {
        parts.status = status.unwrap_or_default();
    }
}

/// What was set: the values that we sent, where the charger took them.
fn read_written(reader: &mut Payload<'_>, action: &Action, parts: &mut AnswerParts) {
    let mut values = Vec::new();
    let sent = sent_values(action);
    parts.status = String::new();
    reader.list("setVariableResult", |reader| {
        if !reader.object("setVariableResult") {
            return;
        }
        let mut component = Named::default();
        let mut variable = Named::default();
        let mut status = None;
        let mut attribute = AttributeKind::Actual;
        while let Some(key) = reader.key() {
            match &*key {
                "component" => component = Named::read(reader, "component"),
                "variable" => variable = Named::read(reader, "variable"),
                "attributeStatus" => status = reader.filled("attributeStatus"),
                "attributeType" => {
                    let kind = reader.text("attributeType");
                    attribute =
                        kind.and_then(|kind| AttributeKind::from_name(&kind)).unwrap_or_default();
                }
                _ => reader.skip(),
            }
        }
        let at = variable_ref(&component, &variable);
        if matches!(status.as_deref(), Some("Accepted" | "RebootRequired"))
            && let Some((_, _, value)) =
                sent.iter().find(|(sent, kind, _)| *sent == at && *kind == attribute)
        {
            values.push(VariableReport {
                at,
                attribute,
                value: Some(value.clone()),
                ..VariableReport::default()
            });
        }
        note_status(parts, status);
    });
    if !values.is_empty() {
        parts.events.push(told(DeviceSource::Written, values));
    }
}

/// What a `SetVariables` of ours asked for.
fn sent_values(action: &Action) -> Vec<(VariableRef, AttributeKind, String)> {
    let Action::Raw { payload, .. } = action else { return Vec::new() };
    let mut reader = Payload::new(payload, UnixMs::default());
    let mut sent = Vec::new();
    if !reader.open() {
        return sent;
    }
    while let Some(key) = reader.key() {
        if key != "setVariableData" {
            reader.skip();
            continue;
        }
        reader.list("setVariableData", |reader| {
            if !reader.object("setVariableData") {
                return;
            }
            let mut component = Named::default();
            let mut variable = Named::default();
            let mut value = String::new();
            let mut attribute = AttributeKind::Actual;
            while let Some(key) = reader.key() {
                match &*key {
                    "component" => component = Named::read(reader, "component"),
                    "variable" => variable = Named::read(reader, "variable"),
                    "attributeValue" => {
                        value = reader.loose_text().unwrap_or_default().into_owned();
                    }
                    "attributeType" => {
                        let kind = reader.text("attributeType");
                        attribute = kind
                            .and_then(|kind| AttributeKind::from_name(&kind))
                            .unwrap_or_default();
                    }
                    _ => reader.skip(),
                }
            }
            sent.push((variable_ref(&component, &variable), attribute, value));
        });
    }
    sent
}

/// What became of every monitor that was asked for.
fn read_monitors(reader: &mut Payload<'_>, parts: &mut AnswerParts) {
    let mut monitors = Vec::new();
    parts.status = String::new();
    reader.list("setMonitoringResult", |reader| {
        if !reader.object("setMonitoringResult") {
            return;
        }
        let mut component = Named::default();
        let mut variable = Named::default();
        let mut monitor = MonitorReport::default();
        while let Some(key) = reader.key() {
            match &*key {
                "component" => component = Named::read(reader, "component"),
                "variable" => variable = Named::read(reader, "variable"),
                key => read_monitor_field(reader, key, &mut monitor),
            }
        }
        monitor.at = variable_ref(&component, &variable);
        note_status(parts, Some(monitor.status.clone()));
        monitors.push(monitor);
    });
    parts.events.push(EventKind::Monitors(MonitorsReport {
        set: true,
        request: None,
        seq_no: 0,
        more: false,
        monitors,
    }));
}

/// Every variable that was told. The answer means yes when at least one was.
fn read_variables(reader: &mut Payload<'_>, parts: &mut AnswerParts) {
    let mut values = Vec::new();
    let mut signals = Vec::new();
    let mut refusal = None;
    reader.list("getVariableResult", |reader| {
        if !reader.object("getVariableResult") {
            return;
        }
        let mut component = Named::default();
        let mut variable = Named::default();
        let mut value = None;
        let mut status = None;
        let mut attribute = AttributeKind::Actual;
        while let Some(key) = reader.key() {
            match &*key {
                "component" => component = Named::read(reader, "component"),
                "variable" => variable = Named::read(reader, "variable"),
                "attributeValue" => value = reader.loose_text(),
                "attributeStatus" => status = reader.filled("attributeStatus"),
                "attributeType" => {
                    let kind = reader.text("attributeType");
                    attribute =
                        kind.and_then(|kind| AttributeKind::from_name(&kind)).unwrap_or_default();
                }
                _ => reader.skip(),
            }
        }
        if let Some(status) = status.filter(|status| status != "Accepted") {
            refusal.get_or_insert(status);
            return;
        }
        if component.name == "DataLink" && variable.name == "SignalStrength" {
            let names = format!("{} {}", component.instance(), variable.instance());
            signals
                .extend(value.as_deref().and_then(|value| signal::from_data_link(&names, value)));
        }
        values.push(VariableReport {
            at: variable_ref(&component, &variable),
            attribute,
            value: value.map(Cow::into_owned),
            ..VariableReport::default()
        });
    });
    parts.status = match (values.is_empty(), refusal) {
        (true, Some(refusal)) => refusal,
        _ => "Accepted".to_owned(),
    };
    if !values.is_empty() {
        parts.events.push(told(DeviceSource::Answer, values));
    }
    parts.events.extend(signals.into_iter().map(EventKind::Signal));
}
