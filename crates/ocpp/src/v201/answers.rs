//! What 2.x chargers answer to our commands.

use mendpoint_model::{Action, ConfigurationValue, EventKind, UnixMs};

use super::parts::{Named, variable_key};
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
                "setVariableResult" => read_statuses(&mut reader, "attributeStatus", &mut parts),
                "setMonitoringResult" | "clearMonitoringResult" => {
                    read_statuses(&mut reader, "status", &mut parts);
                }
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
        while let Some(key) = reader.key() {
            match &*key {
                "component" => component = Named::read(reader, "component"),
                "variable" => variable = Named::read(reader, "variable"),
                "attributeValue" => value = reader.loose_text(),
                "attributeStatus" => status = reader.filled("attributeStatus"),
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
        values.push(ConfigurationValue {
            key: variable_key(&component, &variable),
            value: value.map(std::borrow::Cow::into_owned),
            readonly: false,
        });
    });
    parts.status = match (values.is_empty(), refusal) {
        (true, Some(refusal)) => refusal,
        _ => "Accepted".to_owned(),
    };
    if !values.is_empty() {
        parts.events.push(EventKind::Configuration(values));
    }
    parts.events.extend(signals.into_iter().map(EventKind::Signal));
}
