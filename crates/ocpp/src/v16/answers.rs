//! What 1.6 chargers answer to our commands.

use mendpoint_model::{
    Action, ConfigurationValue, DeviceReport, DeviceSource, EventKind, VariableRef, VariableReport,
};

use crate::command::{AnswerParts, top_level_text};
use crate::json::Scanner;
use crate::payload::read_flag;
use crate::signal;

/// Reads an answer.
pub(crate) fn read_answer(action: &Action, payload: &str) -> AnswerParts {
    let mut parts = AnswerParts {
        status: top_level_text(payload, "status").unwrap_or_default(),
        ..AnswerParts::default()
    };
    match action.name() {
        "GetConfiguration" => read_configuration(payload, &mut parts),
        "ChangeConfiguration" => read_written(action, &mut parts),
        "DataTransfer" => read_data_transfer_answer(action, payload, &mut parts),
        _ => {}
    }
    parts
}

/// The signal in the answer to a vendor's question, as to `GetRSSI` (design 2.2c).
pub(crate) fn read_data_transfer_answer(action: &Action, payload: &str, parts: &mut AnswerParts) {
    let Some(data) = top_level_text(payload, "data") else { return };
    let asked = |field| match action {
        Action::Raw { payload, .. } => top_level_text(payload, field).unwrap_or_default(),
        _ => String::new(),
    };
    let reading = signal::from_vendor_data(&asked("vendorId"), &asked("messageId"), &data);
    parts.events.extend(reading.map(EventKind::Signal));
}

fn read_configuration(payload: &str, parts: &mut AnswerParts) {
    let mut values = Vec::new();
    let mut scanner = Scanner::new(payload);
    scanner.open_object();
    while let Some(key) = scanner.key() {
        if key != "configurationKey" || !scanner.open_array() {
            if key != "configurationKey" {
                scanner.skip();
            }
            continue;
        }
        while scanner.item() {
            values.extend(read_value(&mut scanner));
        }
    }
    if !values.is_empty() {
        parts.events.push(EventKind::Configuration(values));
    }
}

/// What was set: the value that we sent, when the charger took it.
fn read_written(action: &Action, parts: &mut AnswerParts) {
    let Action::Raw { payload, .. } = action else { return };
    let taken = ["Accepted", "RebootRequired"];
    if !taken.iter().any(|word| parts.status.trim().eq_ignore_ascii_case(word)) {
        return;
    }
    let Some(key) = top_level_text(payload, "key") else { return };
    let value = VariableReport {
        at: VariableRef::key(key),
        value: top_level_text(payload, "value"),
        ..VariableReport::default()
    };
    parts.events.push(EventKind::Device(DeviceReport {
        source: DeviceSource::Written,
        request: None,
        seq_no: 0,
        more: false,
        variables: vec![value],
    }));
}

fn read_value(scanner: &mut Scanner<'_>) -> Option<ConfigurationValue> {
    if !scanner.open_object() {
        return None;
    }
    let mut name = None;
    let mut value = None;
    let mut readonly = false;
    while let Some(key) = scanner.key() {
        match &*key {
            "key" => name = scanner.scalar().into_text(),
            // Numbers and truth values are text to us (behaviour 42).
            "value" => value = scanner.scalar().into_text(),
            "readonly" => {
                let flag = scanner.scalar().into_text();
                readonly = flag.as_deref().and_then(read_flag).unwrap_or_default();
            }
            _ => scanner.skip(),
        }
    }
    Some(ConfigurationValue {
        key: name?.into_owned(),
        value: value.map(std::borrow::Cow::into_owned),
        readonly,
    })
}
