//! Secrets are taken out of everything that is kept: raw frames, commands, their answers and
//! configuration values (S20). The one place for it; what goes to a charger is not touched.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memchr2_iter;
use memchr::memmem::Finder;
use mendpoint_model::{Action, Command, CommandOutcome, ConfigurationValue, is_secret_name};
use serde_json::Value;

/// What stands where a secret stood.
pub(crate) const HIDDEN: &str = "***";

/// What chargers say all day, with no place in it for a configuration: looked through quickly, as
/// everything that is done with nearly every message.
const EVERYDAY: [&str; 8] = [
    "Heartbeat",
    "StatusNotification",
    "MeterValues",
    "TransactionEvent",
    "StartTransaction",
    "StopTransaction",
    "Authorize",
    "BootNotification",
];

static ADDRESS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("://"));

/// A frame as it may be kept; `is_ours` when we sent it.
pub(crate) fn frame(text: &str, is_ours: bool) -> Cow<'_, str> {
    let is_everyday = if is_ours {
        // Our answers are made here; our calls, in whatever words a person wrote them.
        text.starts_with("[3,") || text.starts_with("[4,")
    } else {
        action_of(text).is_some_and(|action| EVERYDAY.contains(&action))
    };
    let has_sign = if is_everyday { has_usual_sign(text) } else { may_hold_secret(text) };
    if has_sign { json(text) } else { Cow::Borrowed(text) }
}

/// The action of a call that is written as nearly all are; `None` for every other text.
fn action_of(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("[2,\"")?;
    let (id, rest) = rest.split_once('"')?;
    let action = rest.strip_prefix(",\"")?;
    (!id.contains('\\')).then(|| action.split_once('"')).flatten().map(|(action, _)| action)
}

/// JSON text without its secrets. What cannot be read is not kept.
fn json(text: &str) -> Cow<'_, str> {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return Cow::Borrowed("(not kept: it names a secret and cannot be read)");
    };
    if hide(&mut value) { Cow::Owned(value.to_string()) } else { Cow::Borrowed(text) }
}

/// Whether a text names a password or an authorization key, in any capitals, or has an address in
/// it. One quick pass for each, by its rarest letter.
fn has_usual_sign(text: &str) -> bool {
    let bytes = text.as_bytes();
    let names = |word: &[u8], rare: usize| {
        let letter = word[rare];
        memchr2_iter(letter, letter.to_ascii_uppercase(), bytes).any(|at| {
            let found = at.checked_sub(rare).and_then(|from| bytes.get(from..from + word.len()));
            found.is_some_and(|found| found.eq_ignore_ascii_case(word))
        })
    };
    names(b"passw", 4) || names(b"authorizationkey", 7) || ADDRESS.find(bytes).is_some()
}

/// Whether a text names anything that [`is_secret_name`] knows, however it is spelt, or has an
/// address or a VPN's key in it. Rather once too often: what is named is then looked at.
fn may_hold_secret(text: &str) -> bool {
    ADDRESS.find(text.as_bytes()).is_some()
        || text.contains("\\u")
        || text.split('"').any(|part| part.eq_ignore_ascii_case("vpn") || is_secret_name(part))
}

/// A command as it may be kept.
pub(crate) fn command(command: &Command) -> Cow<'_, Command> {
    let action = match &command.action {
        Action::Raw { action, payload } if may_hold_secret(payload) => {
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
        && may_hold_secret(payload)
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
    fn s20_a_secret_is_found_however_it_is_spelt() {
        for text in [
            r#"[3,"1",{"configurationKey":[{"key":"aUTHORIZATIONkEY","value":"CANARY"}]}]"#,
            r#"[3, "1", {"configurationKey":[{"key":"WPA-PSK","value":"CANARY"}]}]"#,
            r#"[2,"1","ChangeConfiguration",{"key":"Modem Pin-Code","value":"CANARY"}]"#,
            r#"[2,"1","SetVariables",{"setVariableData":[{"variable":{"name":"api_key"},"attributeValue":"CANARY"}]}]"#,
            r#"[2,"1","NotifyReport",{"reportData":[{"variable":{"name":"ClientSecret"},"variableAttribute":[{"value":"CANARY"}]}]}]"#,
            r#"[2,"1","NotifyReport",{"reportData":[{"variable":{"name":"Pass\u0077ord"},"variableAttribute":[{"value":"CANARY"}]}]}]"#,
            r#"[2,"1","DataTransfer",{"wifiPassPhrase":"CANARY"}]"#,
            r#"[2,"1","MeterValues",{"pAssWord":"CANARY"}]"#,
            r#"[2 ,"1","Heartbeat",{"privateKey":"CANARY"}]"#,
        ] {
            let text = text.replace("CANARY", CANARY);
            for is_ours in [false, true] {
                let kept = frame(&text, is_ours);
                if !is_ours || text.starts_with("[2") {
                    assert!(!kept.contains(CANARY), "{kept}");
                }
            }
        }
    }

    #[test]
    fn what_has_no_secret_is_kept_letter_by_letter() {
        for text in [
            r#"[2,"1","DataTransfer",{"data":"a broken \"text"#,
            r#"[3,"1",{"configurationKey":[{"key":"PinPad","value":"1.50"}]}]"#,
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
