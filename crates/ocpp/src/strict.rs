//! The strict reading: the first deviation from the definition, with the code that the version
//! wants it refused with.

use mendpoint_model::Protocol;

use crate::action::ActionList;
use crate::check::{Deviation, Rule, of_shape};
use crate::definition::{Shape, message};

/// A refusal of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub struct RpcError {
    /// OCPP-J error code in the version's own spelling (behaviour 34).
    pub code: &'static str,
    /// What is wrong, in words: the path of the field, what stood there, what is allowed.
    pub description: String,
}

/// The code of a broken rule in the spelling of a version (J16 s4.2.3, P4 s4.3).
fn code_of(protocol: Protocol, rule: Rule) -> &'static str {
    match (rule, protocol) {
        // Not the structure of the message.
        (Rule::Json | Rule::Unknown, Protocol::V16) => "FormationViolation",
        (Rule::Json | Rule::Unknown, _) => "FormatViolation",
        // The misspelling is the specification's.
        (Rule::Missing | Rule::Doubled | Rule::Count, Protocol::V16) => {
            "OccurenceConstraintViolation"
        }
        (Rule::Missing | Rule::Doubled | Rule::Count, _) => "OccurrenceConstraintViolation",
        (Rule::Type, _) => "TypeConstraintViolation",
        // The right kind of value, and not one that is allowed.
        (Rule::Time | Rule::Length | Rule::Word | Rule::Range, _) => "PropertyConstraintViolation",
    }
}

fn refusal(protocol: Protocol, shape: &'static Shape, payload: &str) -> Result<(), RpcError> {
    let Some(deviation) = of_shape(protocol, shape, payload, 1).pop() else { return Ok(()) };
    // A payload that is text or a list is not a wrong value but no payload at all.
    let is_whole = deviation.path.is_empty();
    let rule = if is_whole { Rule::Json } else { deviation.rule };
    Err(RpcError { code: code_of(protocol, rule), description: describe(&deviation) })
}

fn describe(deviation: &Deviation) -> String {
    if deviation.path.is_empty() && deviation.rule == Rule::Type {
        return "the payload is not a JSON object".to_owned();
    }
    deviation.to_string()
}

/// Checks the payload of a charger's request against the specification, for `validation = strict`.
///
/// # Errors
/// The code with which the specification wants the request refused, and why in words.
pub fn check_strict(protocol: Protocol, action: &str, payload: &str) -> Result<(), RpcError> {
    match message(protocol, action) {
        Some(message) if message.sender.is_charger() => {
            refusal(protocol, &message.request, payload)
        }
        Some(_) => Err(RpcError {
            code: "NotSupported",
            description: format!("{action} is sent to chargers, not by them"),
        }),
        None => Err(RpcError {
            code: "NotImplemented",
            description: format!("{} has no such action", ActionList::of(protocol).version),
        }),
    }
}

/// The longest message id (J16 and J201 s4.1.4), in characters.
const ID_MAX: usize = 36;

/// Checks the envelope of a charger's request, `[2, "id", "Action", {..}]`, for `validation = strict`.
/// What the tolerant reading takes for what was meant is refused: a number as an id, a payload that
/// is not there, parts behind it.
///
/// # Errors
/// As [`check_strict`], with the code for what is no request.
pub fn check_envelope(protocol: Protocol, text: &str) -> Result<(), RpcError> {
    let Some((_, description)) = envelope_deviation(text) else { return Ok(()) };
    let code = match protocol {
        Protocol::V16 => "FormationViolation",
        Protocol::V201 | Protocol::V21 => "RpcFrameworkError",
    };
    Err(RpcError { code, description })
}

/// What is not as the specifications say in the envelope of a request: which part of it, and why.
pub fn envelope_deviation(text: &str) -> Option<(&'static str, String)> {
    let parts = match serde_json::from_str::<Vec<serde_json::Value>>(text) {
        Err(error) => return Some(("message", format!("the message is not JSON: {error}"))),
        Ok(parts) => parts,
    };
    if parts.len() != 4 {
        let why = format!("a request has 4 parts; this one has {}", parts.len());
        return Some(("parts", why));
    }
    let wrong = if !parts[0].is_u64() {
        ("messageTypeId", "the message type is not a number")
    } else if !parts[3].is_object() {
        ("payload", "the payload is not a JSON object")
    } else {
        match parts[1].as_str() {
            None => ("messageId", "the message id is not text"),
            Some("") => ("messageId", "the message id is empty"),
            Some(id) if id.chars().count() > ID_MAX => {
                let why = format!("the message id has more than {ID_MAX} characters");
                return Some(("messageId", why));
            }
            Some(_) => return None,
        }
    };
    Some((wrong.0, wrong.1.to_owned()))
}

/// Checks a charger's answer to a request of ours. OCPP 2.1 can be told about it
/// ([`write_call_result_error`](crate::write_call_result_error)); the earlier versions cannot.
///
/// # Errors
/// As [`check_strict`].
pub fn check_answer_strict(
    protocol: Protocol,
    action: &str,
    payload: &str,
) -> Result<(), RpcError> {
    match message(protocol, action) {
        Some(message) => refusal(protocol, &message.response, payload),
        None => Ok(()),
    }
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
            (V16, "{\"a\":1}", "FormationViolation"),
            (V21, "{\"a\":1}", "FormatViolation"),
            (V16, "{}", "OccurenceConstraintViolation"),
            (V201, "{}", "OccurrenceConstraintViolation"),
            (V21, "{}", "OccurrenceConstraintViolation"),
        ] {
            assert_eq!(code(protocol, "StatusNotification", payload), Some(expected), "{payload}");
        }
    }

    #[test]
    fn whole_numbers_are_what_the_schemas_of_each_version_say() {
        let seq = |number: &str| {
            let payload = format!(
                r#"{{"eventType":"Updated","timestamp":"2026-09-21T14:13:00Z","triggerReason":"Trigger","seqNo":{number},"transactionInfo":{{"transactionId":"a"}}}}"#
            );
            code(Protocol::V201, "TransactionEvent", &payload)
        };
        for good in ["1", "1.0", "1e0", "99999999999999999999"] {
            assert_eq!(seq(good), None, "{good}");
        }
        assert_eq!(seq("1.5"), Some("TypeConstraintViolation"));
        let status = |number: &str| {
            let payload =
                format!(r#"{{"connectorId":{number},"errorCode":"NoError","status":"Available"}}"#);
            code(Protocol::V16, "StatusNotification", &payload)
        };
        assert_eq!(status("1.0"), Some("TypeConstraintViolation"), "draft 4 has no such integers");
        assert_eq!(status("-99999999999999999999"), Some("PropertyConstraintViolation"));
    }

    #[test]
    fn an_envelope_has_four_parts_of_the_right_kind() {
        let code = |protocol, text: &str| check_envelope(protocol, text).err().map(|it| it.code);
        assert_eq!(code(Protocol::V16, r#"[2,"a","Heartbeat",{}]"#), None);
        let long = format!(r#"[2,"{}","Heartbeat",{{}}]"#, "é".repeat(37));
        for wrong in [
            r#"[2,7,"Heartbeat",{}]"#,
            r#"["2","a","Heartbeat",{}]"#,
            r#"[2,"a","Heartbeat"]"#,
            r#"[2,"a","Heartbeat",null]"#,
            r#"[2,"a","Heartbeat",{},"more"]"#,
            r#"[2,"","Heartbeat",{}]"#,
            &long,
        ] {
            assert_eq!(code(Protocol::V16, wrong), Some("FormationViolation"), "{wrong}");
            assert_eq!(code(Protocol::V201, wrong), Some("RpcFrameworkError"), "{wrong}");
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
        assert_eq!(check(&status("1.5", "NoError", "")), Some("TypeConstraintViolation"));
        assert_eq!(check(&status("-1", "NoError", "")), Some("PropertyConstraintViolation"));
        assert_eq!(check(&status("1", "Error", "")), Some("PropertyConstraintViolation"));
        assert_eq!(check(&status("1", "NoError", &"é".repeat(50))), None);
        let long = "x".repeat(51);
        assert_eq!(check(&status("1", "NoError", &long)), Some("PropertyConstraintViolation"));
        assert_eq!(code(Protocol::V16, "TransactionEvent", "{}"), Some("NotImplemented"));
        assert_eq!(code(Protocol::V16, "Reset", "{}"), Some("NotSupported"));
        assert_eq!(code(Protocol::V16, "InstallCertificate", "{}"), Some("NotSupported"));
        assert_eq!(code(Protocol::V201, "BatterySwap", "{}"), Some("NotImplemented"));
    }

    #[test]
    fn the_description_names_the_place_and_what_is_allowed() {
        let payload = r#"{"connectorId":1,"meterValue":[{"timestamp":"2026-09-21T14:13:00Z",
            "sampledValue":[{"value":"1"},{"value":"2"},{"value":"3","unit":"kWh "}]}]}"#;
        let error = check_strict(Protocol::V16, "MeterValues", payload).expect_err("is refused");
        assert_eq!(error.code, "PropertyConstraintViolation");
        let begin = "meterValue[0].sampledValue[2].unit: \"kWh \" is none of Wh, kWh, varh";
        assert!(error.description.starts_with(begin), "{}", error.description);
    }

    #[test]
    fn an_answer_is_checked_as_well() {
        let check = |payload| check_answer_strict(Protocol::V21, "Reset", payload);
        assert_eq!(check(r#"{"status":"Accepted"}"#), Ok(()));
        let error = check(r#"{"status":"Fine"}"#).expect_err("is refused");
        assert_eq!(error.code, "PropertyConstraintViolation");
    }
}
