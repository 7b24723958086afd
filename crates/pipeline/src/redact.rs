//! Secrets leave no copy: neither in the frame log nor in the list of commands.

use std::borrow::Cow;

use mendpoint_model::{Action, Command, CommandOutcome, is_secret_name};
use serde_json::Value;

/// What stands in the place of a secret.
const HIDDEN: &str = "(hidden)";
/// Names without which a frame holds no secret; looked for before a frame is read.
const MARKS: [&str; 3] = ["AuthorizationKey", "BasicAuthPassword", "assword"];
/// Fields that name what the value beside them is.
const VALUES: [&str; 3] = ["value", "attributeValue", "basicAuthPassword"];

/// A frame as it may be kept.
pub(crate) fn frame(text: &str) -> Cow<'_, str> {
    if !MARKS.iter().any(|mark| text.contains(mark)) {
        return Cow::Borrowed(text);
    }
    hide_in(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// A command as it may be kept.
pub(crate) fn command(command: &Command) -> Cow<'_, Command> {
    if let Action::Raw { action, payload } = &command.action
        && let Some(payload) = hide_in(payload)
    {
        let action = Action::Raw { action: action.clone(), payload };
        return Cow::Owned(Command { action, ..command.clone() });
    }
    Cow::Borrowed(command)
}

/// An outcome as it may be kept.
pub(crate) fn outcome(outcome: &CommandOutcome) -> CommandOutcome {
    if let CommandOutcome::Answered { accepted, status, payload } = outcome
        && let Cow::Owned(payload) = frame(payload)
    {
        return CommandOutcome::Answered { accepted: *accepted, status: status.clone(), payload };
    }
    outcome.clone()
}

/// The JSON text without its secrets; `None` when it has none.
fn hide_in(text: &str) -> Option<String> {
    let mut json: Value = serde_json::from_str(text).ok()?;
    hide(&mut json).then(|| json.to_string())
}

/// Hides every value that a secret name stands beside: `{"key": .., "value": ..}` of 1.6,
/// `{"variable": {"name": ..}, "attributeValue": ..}` of 2.x, also inside lists of attributes.
fn hide(json: &mut Value) -> bool {
    match json {
        Value::Array(items) => items.iter_mut().fold(false, |hidden, item| hide(item) | hidden),
        Value::Object(fields) => {
            let named =
                |name: Option<&Value>| name.and_then(Value::as_str).is_some_and(is_secret_name);
            let variable = fields.get("variable").and_then(|variable| variable.get("name"));
            let mut hidden = false;
            if named(fields.get("key")) || named(variable) {
                hidden |= hide_values(fields);
                if let Some(Value::Array(attributes)) = fields.get_mut("variableAttribute") {
                    for attribute in attributes.iter_mut().filter_map(Value::as_object_mut) {
                        hidden |= hide_values(attribute);
                    }
                }
            }
            if let Some(password) = fields.get_mut("basicAuthPassword") {
                *password = Value::from(HIDDEN);
                hidden = true;
            }
            fields.iter_mut().fold(hidden, |hidden, (_, field)| hide(field) | hidden)
        }
        _ => false,
    }
}

fn hide_values(fields: &mut serde_json::Map<String, Value>) -> bool {
    let mut hidden = false;
    for name in VALUES {
        if let Some(value) = fields.get_mut(name) {
            *value = Value::from(HIDDEN);
            hidden = true;
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_frames_carry_them() {
        for text in [
            r#"[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"s3cret"}]"#,
            r#"[3,"1",{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"s3cret"}]}]"#,
            r#"[2,"1","SetVariables",{"setVariableData":[{"component":{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"},"attributeValue":"s3cret"}]}]"#,
            r#"[2,"1","NotifyReport",{"reportData":[{"variable":{"name":"BasicAuthPassword"},"variableAttribute":[{"value":"s3cret"}]}]}]"#,
        ] {
            let kept = frame(text);
            assert!(!kept.contains("s3cret"), "{kept}");
            assert!(kept.contains(HIDDEN), "{kept}");
        }
        let plain = r#"[2,"1","Heartbeat",{}]"#;
        assert!(matches!(frame(plain), Cow::Borrowed(_)));
    }
}
