//! Forms made from the definition of a message: fields to fill in, and the payload that comes of
//! them.
//!
//! A field is named by its path in the payload, `chargingProfile.chargingSchedule[0].limit`. What is
//! left empty is left out, with everything that is empty in it. The payload is checked against the
//! definition, and what is wrong is said beside the field.

mod build;
mod nodes;

use std::collections::BTreeMap;

use mendpoint_model::Protocol;
use mendpoint_ocpp::definition::{Message, message};

pub(crate) use build::build;
pub(crate) use nodes::{Control, Node, nodes};

/// What in a payload is not as the version says, each with the path of its field.
pub(crate) fn deviations(protocol: Protocol, action: &str, payload: &str) -> Vec<String> {
    mendpoint_ocpp::deviations(protocol, action, payload).iter().map(ToString::to_string).collect()
}

/// The definition of an action that we may send.
pub(crate) fn definition(protocol: Protocol, action: &str) -> Option<&'static Message> {
    message(protocol, action).filter(|message| message.sender.is_central_system())
}

/// Fields that forms leave out: vendors' own data goes into raw payloads.
const LEFT_OUT: &str = "customData";

/// What was filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    /// Values by the path of their field.
    pub(crate) values: BTreeMap<String, String>,
    /// How many items a list shows, by its path.
    pub(crate) items: BTreeMap<String, usize>,
}

/// The most items of a list in a form; longer ones are written as raw JSON.
const ITEMS_MAX: usize = 50;

impl Filled {
    /// Reads the fields of a form: `f:` and a path for values, `n:` for numbers of items. `add` is
    /// the path of a list that gets one more.
    pub(crate) fn from_fields(fields: &[(String, String)]) -> Self {
        let mut filled = Self::default();
        for (name, value) in fields {
            if let Some(path) = name.strip_prefix("f:") {
                if !value.trim().is_empty() {
                    filled.values.insert(path.to_owned(), value.trim().to_owned());
                }
            } else if let Some(path) = name.strip_prefix("n:") {
                filled.items.insert(path.to_owned(), value.parse().unwrap_or(1).min(ITEMS_MAX));
            }
        }
        for (name, path) in fields {
            if name == "add" {
                let items = filled.items.entry(path.clone()).or_insert(1);
                *items = (*items + 1).min(ITEMS_MAX);
            }
        }
        filled
    }

    /// The fields of a payload that is there already.
    pub(crate) fn from_payload(payload: &str) -> Self {
        let mut filled = Self::default();
        if let Ok(payload) = serde_json::from_str(payload) {
            filled.take("", &payload);
        }
        filled
    }

    fn take(&mut self, path: &str, value: &serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::Null => {}
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.take(&joined(path, name), value);
                }
            }
            Value::Array(items) => {
                self.items.insert(path.to_owned(), items.len().clamp(1, ITEMS_MAX));
                for (index, item) in items.iter().take(ITEMS_MAX).enumerate() {
                    self.take(&format!("{path}[{index}]"), item);
                }
            }
            Value::String(text) => {
                self.values.insert(path.to_owned(), text.clone());
            }
            Value::Bool(_) | Value::Number(_) => {
                self.values.insert(path.to_owned(), value.to_string());
            }
        }
    }

    /// How many items a list shows.
    fn items(&self, path: &str) -> usize {
        self.items.get(path).copied().unwrap_or(1).max(1)
    }

    /// Whether anything is filled in at or under a path.
    fn has(&self, path: &str) -> bool {
        let is_under = |known: &str| {
            known.strip_prefix(path).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('.') || rest.starts_with('[')
            })
        };
        self.values.keys().any(|known| is_under(known))
            || self.items.iter().any(|(known, items)| *items > 1 && is_under(known))
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests;
