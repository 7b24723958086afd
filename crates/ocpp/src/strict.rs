//! The strict reading: what the specification says of a payload, by types that somebody else wrote.

use mendpoint_model::Protocol;
use serde::de::DeserializeOwned;

use crate::action::ActionList;
use crate::{v16, v201};

/// A refusal of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub struct RpcError {
    /// OCPP-J error code in the version's own spelling (behaviour 34).
    pub code: &'static str,
    /// What is wrong, in words.
    pub description: String,
}

/// What the strict reading knows of one action.
pub(crate) struct Check {
    pub(crate) action: &'static str,
    pub(crate) read: fn(&str) -> serde_json::Result<()>,
    /// Longest text of fields of the payload's own level, in characters.
    pub(crate) len_max: &'static [(&'static str, usize)],
}

/// Reads a payload as a type.
pub(crate) fn reads_as<T: DeserializeOwned>(payload: &str) -> serde_json::Result<()> {
    serde_json::from_str::<T>(payload).map(drop)
}

/// The error codes of a version.
struct Codes {
    format: &'static str,
    occurrence: &'static str,
}

impl Codes {
    fn of(protocol: Protocol) -> Self {
        match protocol {
            // The misspelling is the specification's (J16 s4.2.3).
            Protocol::V16 => {
                Self { format: "FormationViolation", occurrence: "OccurenceConstraintViolation" }
            }
            Protocol::V201 | Protocol::V21 => {
                Self { format: "FormatViolation", occurrence: "OccurrenceConstraintViolation" }
            }
        }
    }
}

/// Checks the payload of a charger's request against the specification, for `validation = strict`
/// and for reports about chargers.
///
/// # Errors
/// The code with which the specification wants the request refused, and why in words.
pub fn check_strict(protocol: Protocol, action: &str, payload: &str) -> Result<(), RpcError> {
    let checks = match protocol {
        Protocol::V16 => v16::CHECKS,
        Protocol::V201 | Protocol::V21 => v201::CHECKS,
    };
    let codes = Codes::of(protocol);
    let Some(check) = checks.iter().find(|check| check.action == action) else {
        let list = ActionList::of(protocol);
        return Err(match list.find_sendable(action) {
            Some(_) => RpcError {
                code: "NotSupported",
                description: format!("{action} is sent to chargers, not by them"),
            },
            None => RpcError {
                code: "NotImplemented",
                description: format!("{} has no such action", list.version),
            },
        });
    };
    if !payload.trim_start().starts_with('{') {
        return Err(RpcError {
            code: codes.format,
            description: "the payload is not a JSON object".to_owned(),
        });
    }
    if let Err(error) = (check.read)(payload) {
        return Err(RpcError { code: code_of(&error, &codes), description: error.to_string() });
    }
    check_lengths(check, payload)
}

/// The OCPP-J code of a `serde_json` error. Its kind is told by its words only.
fn code_of(error: &serde_json::Error, codes: &Codes) -> &'static str {
    let text = error.to_string();
    if !error.is_data() {
        codes.format
    } else if text.starts_with("missing field") || text.starts_with("duplicate field") {
        codes.occurrence
    } else if text.starts_with("invalid type") {
        "TypeConstraintViolation"
    } else {
        // An unknown word, a number out of range, a time that is none.
        "PropertyConstraintViolation"
    }
}

fn check_lengths(check: &Check, payload: &str) -> Result<(), RpcError> {
    for (field, len_max) in check.len_max {
        let text = crate::command::top_level_text(payload, field).unwrap_or_default();
        let len = text.chars().count();
        if len > *len_max {
            return Err(RpcError {
                code: "PropertyConstraintViolation",
                description: format!("{field} has {len} characters, at most {len_max} are allowed"),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(protocol: Protocol, action: &str, payload: &str) -> Option<&'static str> {
        check_strict(protocol, action, payload).err().map(|error| error.code)
    }

    #[test]
    fn b34_codes_are_spelt_as_each_version_spells_them() {
        use Protocol::{V16, V21, V201};
        for (protocol, payload, expected) in [
            (V16, "[]", "FormationViolation"),
            (V201, "[]", "FormatViolation"),
            (V16, "{\"a\":", "FormationViolation"),
            (V21, "{\"a\":", "FormatViolation"),
            (V16, "{}", "OccurenceConstraintViolation"),
            (V201, "{}", "OccurrenceConstraintViolation"),
        ] {
            assert_eq!(code(protocol, "StatusNotification", payload), Some(expected), "{payload}");
        }
    }

    #[test]
    fn types_words_and_lengths_are_told_apart() {
        let status = |connector: &str, code: &str, info: &str| {
            format!(
                r#"{{"connectorId":{connector},"errorCode":"{code}","status":"Available","info":"{info}"}}"#
            )
        };
        let check = |payload: &str| code(Protocol::V16, "StatusNotification", payload);
        assert_eq!(check(&status("1", "NoError", "")), None);
        assert_eq!(check(&status("\"1\"", "NoError", "")), Some("TypeConstraintViolation"));
        assert_eq!(check(&status("1", "Error", "")), Some("PropertyConstraintViolation"));
        let long = "x".repeat(51);
        assert_eq!(check(&status("1", "NoError", &long)), Some("PropertyConstraintViolation"));
        assert_eq!(code(Protocol::V16, "TransactionEvent", "{}"), Some("NotImplemented"));
        assert_eq!(code(Protocol::V16, "Reset", "{}"), Some("NotSupported"));
    }
}
