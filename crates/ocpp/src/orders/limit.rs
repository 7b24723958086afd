//! How much a charger takes in one message. Beyond that it may refuse all of it.

use mendpoint_model::{Action, Protocol};
use serde_json::Value;

use crate::encode_action;

/// The envelope of a message around its payload, bytes: type, id, name of the action.
const ENVELOPE: usize = 96;

/// A message with a list whose length a charger may limit.
#[derive(Debug, PartialEq, Eq)]
pub struct Limited {
    /// The action.
    pub action: &'static str,
    /// The field that has the list.
    field: &'static str,
    /// One thing of the list, in words.
    noun: &'static str,
    /// The keys of 1.6 and the variables of 2.x that tell how many things a message may have.
    pub items: &'static [&'static str],
    /// Those that tell how long a message may be, bytes.
    pub bytes: &'static [&'static str],
}

/// Chapter 9 of 1.6 and the referenced components of 2.0.1 name the keys; that they are obeyed is asked
/// by B06.FR.05 and its like.
const LIMITED: [Limited; 7] = [
    Limited {
        action: "SendLocalList",
        field: "localAuthorizationList",
        noun: "card",
        items: &["SendLocalListMaxLength", "LocalAuthListCtrlr.ItemsPerMessage"],
        bytes: &["LocalAuthListCtrlr.BytesPerMessage"],
    },
    Limited {
        action: "GetConfiguration",
        field: "key",
        noun: "key",
        items: &["GetConfigurationMaxKeys"],
        bytes: &[],
    },
    Limited {
        action: "GetVariables",
        field: "getVariableData",
        noun: "variable",
        items: &["DeviceDataCtrlr.ItemsPerMessage[GetVariables]"],
        bytes: &["DeviceDataCtrlr.BytesPerMessage[GetVariables]"],
    },
    Limited {
        action: "SetVariables",
        field: "setVariableData",
        noun: "variable",
        items: &["DeviceDataCtrlr.ItemsPerMessage[SetVariables]"],
        bytes: &["DeviceDataCtrlr.BytesPerMessage[SetVariables]"],
    },
    Limited {
        action: "GetReport",
        field: "componentVariable",
        noun: "variable",
        items: &["DeviceDataCtrlr.ItemsPerMessage[GetReport]"],
        bytes: &["DeviceDataCtrlr.BytesPerMessage[GetReport]"],
    },
    Limited {
        action: "SetVariableMonitoring",
        field: "setMonitoringData",
        noun: "monitor",
        items: &["MonitoringCtrlr.ItemsPerMessage[SetVariableMonitoring]"],
        bytes: &["MonitoringCtrlr.BytesPerMessage[SetVariableMonitoring]"],
    },
    Limited {
        action: "ClearVariableMonitoring",
        field: "id",
        noun: "monitor",
        items: &["MonitoringCtrlr.ItemsPerMessage[ClearVariableMonitoring]"],
        bytes: &["MonitoringCtrlr.BytesPerMessage[ClearVariableMonitoring]"],
    },
];

/// What a charger told of a message; nothing told is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageLimit {
    /// The most things of the list.
    pub items: Option<usize>,
    /// The most bytes, envelope and all.
    pub bytes: Option<usize>,
}

impl Limited {
    /// The limits that there may be for an action; `None` when chargers have none for it.
    pub fn of(action: &str) -> Option<&'static Self> {
        LIMITED.iter().find(|limited| limited.action == action)
    }

    /// Whether an action is within what the charger told.
    ///
    /// # Errors
    /// A sentence: how much the charger takes and how much this is.
    pub fn check(
        &self,
        protocol: Protocol,
        action: &Action,
        limit: MessageLimit,
    ) -> Result<(), String> {
        let Ok((name, payload)) = encode_action(protocol, action) else { return Ok(()) };
        let value: Value = serde_json::from_str(&payload).unwrap_or_default();
        let items = value.get(self.field).and_then(Value::as_array).map_or(0, Vec::len);
        if let Some(most) = limit.items.filter(|most| items > *most) {
            let plural = if most == 1 { "" } else { "s" };
            return Err(format!(
                "This charger takes at most {most} {}{plural} in one {name}, and this has {items}. \
                 Send it in parts.",
                self.noun
            ));
        }
        let bytes = payload.len() + ENVELOPE;
        if let Some(most) = limit.bytes.filter(|most| bytes > *most) {
            let advice = if items > 1 { " Send it in parts." } else { "" };
            return Err(format!(
                "This charger takes at most {most} bytes in one {name}, and this has \
                 {bytes}.{advice}"
            ));
        }
        Ok(())
    }
}

impl MessageLimit {
    /// Cuts a list into parts that one message each can carry: `size` tells the bytes of a thing, the
    /// message has `around` more. A thing that is too large by itself is a part of its own.
    pub fn parts<T>(self, list: &[T], around: usize, size: impl Fn(&T) -> usize) -> Vec<&[T]> {
        let items = self.items.unwrap_or(usize::MAX).max(1);
        let room = self.bytes.map(|most| most.saturating_sub(around + ENVELOPE));
        let mut parts = Vec::new();
        let (mut begin, mut bytes) = (0, 0);
        for (index, thing) in list.iter().enumerate() {
            // And the comma behind it.
            let needs = size(thing) + 1;
            let is_full = index - begin >= items || room.is_some_and(|room| bytes + needs > room);
            if is_full && index > begin {
                parts.push(&list[begin..index]);
                (begin, bytes) = (index, 0);
            }
            bytes += needs;
        }
        if begin < list.len() {
            parts.push(&list[begin..]);
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(action: &str, payload: &str) -> Action {
        Action::Raw { action: action.to_owned(), payload: payload.to_owned() }
    }

    #[test]
    fn what_is_too_much_for_a_charger_gets_a_sentence() {
        let limited = Limited::of("ClearVariableMonitoring").expect("limited");
        let action = raw("ClearVariableMonitoring", r#"{"id":[1,2,3]}"#);
        let check = |limit| limited.check(Protocol::V201, &action, limit);
        assert_eq!(check(MessageLimit::default()), Ok(()));
        assert_eq!(check(MessageLimit { items: Some(3), bytes: Some(200) }), Ok(()));
        let many = check(MessageLimit { items: Some(2), bytes: None }).expect_err("3 of 2");
        assert!(many.contains("at most 2 monitors in one ClearVariableMonitoring"), "{many}");
        let long = check(MessageLimit { items: None, bytes: Some(100) }).expect_err("too long");
        assert!(long.contains("at most 100 bytes"), "{long}");
    }

    #[test]
    fn neutral_commands_are_measured_as_they_are_sent() {
        let limited = Limited::of("GetConfiguration").expect("limited");
        let action = Action::GetConfiguration { keys: vec!["A".to_owned(), "B".to_owned()] };
        let limit = MessageLimit { items: Some(1), bytes: None };
        let sentence = limited.check(Protocol::V16, &action, limit).expect_err("2 of 1");
        assert!(sentence.contains("at most 1 key in one"), "{sentence}");
        assert!(Limited::of("Reset").is_none());
    }

    #[test]
    fn a_list_is_cut_where_its_message_is_full() {
        let list = [10, 10, 10, 50, 10];
        let lengths = |limit: MessageLimit| -> Vec<usize> {
            limit.parts(&list, 0, |size| *size).iter().map(|part| part.len()).collect()
        };
        assert_eq!(lengths(MessageLimit::default()), [5]);
        assert_eq!(lengths(MessageLimit { items: Some(2), bytes: None }), [2, 2, 1]);
        // Room for 33 bytes: three things with their commas; what is larger goes alone.
        let bytes = Some(ENVELOPE + 33);
        assert_eq!(lengths(MessageLimit { items: None, bytes }), [3, 1, 1]);
        assert_eq!(lengths(MessageLimit { items: Some(2), bytes }), [2, 1, 1, 1]);
        assert!(MessageLimit::default().parts(&[0; 0], 0, |size| *size).is_empty());
    }
}
