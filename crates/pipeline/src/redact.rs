//! Secrets are taken out of everything that is kept: raw frames, commands, their answers and
//! configuration values (S20). The one place for it; what goes to a charger is not touched.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use mendpoint_model::{Action, Command, CommandOutcome, ConfigurationValue};
use serde_json::Value;

/// What stands where a secret stood.
pub(crate) const HIDDEN: &str = "***";

/// What a text with a secret in it also has in it. Most frames have none of them, and are looked
/// through once for each, which costs nothing beside reading them.
static SIGNS: LazyLock<[Finder<'static>; 7]> = LazyLock::new(|| {
    [
        Finder::new("AuthorizationKey"),
        Finder::new("authorizationkey"),
        Finder::new("AUTHORIZATIONKEY"),
        Finder::new("assword"),
        Finder::new("ASSWORD"),
        Finder::new("\"vpn\""),
        Finder::new("://"),
    ]
});

/// A frame as it may be kept; `is_ours` when we sent it.
pub(crate) fn frame(text: &str, is_ours: bool) -> Cow<'_, str> {
    // Our own calls are few: they are always read, in whatever capitals a person wrote them.
    let is_call_of_ours = is_ours && text.starts_with("[2,");
    let has_sign = SIGNS.iter().any(|sign| sign.find(text.as_bytes()).is_some());
    if has_sign || (is_call_of_ours && has_sign_in_any_case(text)) {
        return json(text);
    }
    Cow::Borrowed(text)
}

/// JSON text without its secrets. What cannot be read is not kept.
fn json(text: &str) -> Cow<'_, str> {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return Cow::Borrowed("(not kept: it names a secret and cannot be read)");
    };
    if hide(&mut value) { Cow::Owned(value.to_string()) } else { Cow::Borrowed(text) }
}

fn has_sign_in_any_case(text: &str) -> bool {
    let small = text.to_ascii_lowercase();
    ["authorizationkey", "password", "\"vpn\"", "://"].iter().any(|sign| small.contains(sign))
}

/// A command as it may be kept.
pub(crate) fn command(command: &Command) -> Cow<'_, Command> {
    let action = match &command.action {
        Action::Raw { action, payload } if has_sign_in_any_case(payload) => {
            let hidden = json(payload);
            if matches!(hidden, Cow::Borrowed(kept) if kept == payload) {
                return Cow::Borrowed(command);
            }
            Action::Raw { action: action.clone(), payload: hidden.into_owned() }
        }
        Action::GetLog(request) => {
            let mut request = request.clone();
            if !hide_in_address(&mut request.location) {
                return Cow::Borrowed(command);
            }
            Action::GetLog(request)
        }
        Action::UpdateFirmware(request) => {
            let mut request = request.clone();
            if !hide_in_address(&mut request.location) {
                return Cow::Borrowed(command);
            }
            Action::UpdateFirmware(request)
        }
        _ => return Cow::Borrowed(command),
    };
    Cow::Owned(Command { action, ..command.clone() })
}

/// Takes secrets out of an answer.
pub(crate) fn outcome(outcome: &mut CommandOutcome) {
    if let CommandOutcome::Answered { payload, .. } = outcome
        && has_sign_in_any_case(payload)
    {
        *payload = json(payload).into_owned();
    }
}

/// Takes secrets out of what a charger says of its configuration.
pub(crate) fn configuration(values: &mut [ConfigurationValue]) {
    for value in values {
        let name = value.key.rsplit('.').next().unwrap_or_default();
        if is_secret_name(name)
            && let Some(text) = &mut value.value
            && !text.is_empty()
        {
            HIDDEN.clone_into(text);
        }
    }
}

/// Whether a key or variable of this name holds a secret.
fn is_secret_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("AuthorizationKey") || {
        let small = name.to_ascii_lowercase();
        small.ends_with("password") || small.ends_with("passphrase")
    }
}

/// Hides every secret in a value; whether there was one.
fn hide(value: &mut Value) -> bool {
    match value {
        Value::Array(all) => all.iter_mut().fold(false, |any, one| hide(one) | any),
        Value::String(text) => hide_in_address(text),
        Value::Object(fields) => {
            let mut any = false;
            // 1.6: {"key": "AuthorizationKey", "value": ".."}; 2.x: {"variable": {"name": ".."},
            // "attributeValue": ".."} or "variableAttribute": [{"value": ".."}].
            let named =
                |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(is_secret_name);
            let of_variable = fields.get("variable").and_then(|variable| variable.get("name"));
            if named(fields.get("key")) || named(of_variable) {
                for name in ["value", "attributeValue", "actualValue"] {
                    any |= fields.get_mut(name).is_some_and(replace);
                }
                if let Some(Value::Array(attributes)) = fields.get_mut("variableAttribute") {
                    for attribute in attributes {
                        any |= attribute.get_mut("value").is_some_and(replace);
                    }
                }
            }
            // A VPN's shared key is called just that.
            let is_vpn = fields.contains_key("server") && fields.contains_key("user");
            for (name, field) in fields {
                any |= if is_secret_name(name) || (is_vpn && name == "key") {
                    replace(field)
                } else {
                    hide(field)
                };
            }
            any
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn replace(value: &mut Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) if text.is_empty() || text == HIDDEN => false,
        other => {
            *other = Value::String(HIDDEN.to_owned());
            true
        }
    }
}

/// `ftp://user:password@host`: where diagnostics go and firmware comes from.
fn hide_in_address(text: &mut String) -> bool {
    let Some(scheme) = text.find("://") else { return false };
    let begin = scheme + 3;
    let end = text[begin..].find(['/', '?', '#']).map_or(text.len(), |at| begin + at);
    let Some(at) = text[begin..end].rfind('@') else { return false };
    let Some(colon) = text[begin..begin + at].find(':') else { return false };
    text.replace_range(begin + colon + 1..begin + at, HIDDEN);
    true
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{ChargerKey, CommandId, Origin, UnixMs};

    use super::*;

    /// What must never be found anywhere.
    const CANARY: &str = "CANARY0123456789CANARY0123456789CANARY01";

    #[test]
    fn s20_no_secret_survives_in_a_frame() {
        for text in [
            r#"[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"CANARY"}]"#,
            r#"[2,"1","ChangeConfiguration",{"key":"authorizationKEY","value":"CANARY"}]"#,
            r#"[3,"1",{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"CANARY"}]}]"#,
            r#"[2,"1","SetVariables",{"setVariableData":[{"component":{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"},"attributeValue":"CANARY"}]}]"#,
            r#"[2,"1","NotifyReport",{"reportData":[{"variable":{"name":"BasicAuthPassword"},"variableAttribute":[{"value":"CANARY"}]}]}]"#,
            r#"[2,"1","SetNetworkProfile",{"configurationSlot":1,"connectionData":{"apn":{"apn":"a","apnPassword":"CANARY"},"vpn":{"server":"s","user":"u","password":"CANARY","key":"CANARY","type":"IKEv2"},"basicAuthPassword":"CANARY"}}]"#,
            r#"[2,"1","GetDiagnostics",{"location":"ftp://user:CANARY@host/upload"}]"#,
        ] {
            let text = text.replace("CANARY", CANARY);
            let kept = frame(&text, true);
            assert!(!kept.contains(CANARY), "{kept}");
            assert!(kept.contains(HIDDEN), "{kept}");
        }
        let broken =
            format!(r#"[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{CANARY}"#);
        assert!(!frame(&broken, true).contains(CANARY));
    }

    #[test]
    fn what_has_no_secret_is_kept_letter_by_letter() {
        for text in [
            r#"[2,"1","Heartbeat",{}]"#,
            r#"[2,"1","GetConfiguration",{"key":["AuthorizationKey"]}]"#,
            r#"[2,"1","UpdateFirmware",{"location":"https://host/a@b.bin","retries":1.50}]"#,
            r#"[2,"1","ChangeConfiguration",{"key":"MeterValueSampleInterval","value":"60"}]"#,
            "not even json",
        ] {
            assert_eq!(frame(text, true), text);
        }
    }

    #[test]
    fn s20_no_secret_survives_in_commands_answers_and_configuration() {
        let asked = Command {
            id: CommandId("c".into()),
            charger: ChargerKey(1),
            action: Action::Raw {
                action: "ChangeConfiguration".to_owned(),
                payload: format!(r#"{{"key":"AuthorizationKey","value":"{CANARY}"}}"#),
            },
            origin: Origin::System,
            created_at: UnixMs(0),
            timeout_ms: 1,
            not_after: UnixMs(1),
        };
        assert!(!format!("{:?}", command(&asked)).contains(CANARY));
        let mut answered = CommandOutcome::Answered {
            accepted: true,
            status: String::new(),
            payload: format!(
                r#"{{"configurationKey":[{{"key":"AuthorizationKey","value":"{CANARY}"}}]}}"#
            ),
        };
        outcome(&mut answered);
        assert!(!format!("{answered:?}").contains(CANARY));
        let mut values = vec![ConfigurationValue {
            key: "SecurityCtrlr.BasicAuthPassword".to_owned(),
            value: Some(CANARY.to_owned()),
            readonly: false,
        }];
        configuration(&mut values);
        assert!(!format!("{values:?}").contains(CANARY));
    }
}
