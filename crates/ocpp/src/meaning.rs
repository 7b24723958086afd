//! What a raw command means: the typed action with the same effect, where there is one.
//!
//! People and scripts send raw payloads. Whoever decides about a command (is a reset still wanted,
//! does a switch-off of ours explain the connector's state?) must see that a raw `Reset` is a reset.

use mendpoint_model::{Action, ConnectorRef, Protocol, TransactionId, TriggeredMessage};
use serde_json::Value;

use crate::encode_action;

/// The typed action that a raw one stands for, when it is written to exactly the same payload; else
/// the action as it is.
pub fn meaning(protocol: Protocol, action: Action) -> Action {
    let Action::Raw { action: name, payload } = &action else { return action };
    let Ok(payload) = serde_json::from_str::<Value>(payload) else { return action };
    let typed = match protocol {
        Protocol::V16 => v16(name, &payload),
        Protocol::V201 | Protocol::V21 => v201(name, &payload),
    };
    let says_the_same = |typed: &Action| {
        encode_action(protocol, typed).is_ok_and(|(written, text)| {
            written == *name
                && serde_json::from_str::<Value>(&text).is_ok_and(|value| value == payload)
        })
    };
    typed.filter(says_the_same).unwrap_or(action)
}

fn v16(name: &str, payload: &Value) -> Option<Action> {
    let connector = || small(&payload["connectorId"]).map(ConnectorRef::v16);
    Some(match name {
        "Reset" => Action::Reset { hard: payload["type"] == "Hard", evse: None },
        "UnlockConnector" => Action::Unlock { connector: connector()? },
        "ChangeAvailability" => Action::SetAvailability {
            connector: connector()?,
            operative: operative(&payload["type"])?,
        },
        "RemoteStartTransaction" => Action::RemoteStart {
            connector: connector(),
            id_token: payload["idTag"].as_str()?.to_owned(),
        },
        "RemoteStopTransaction" => Action::RemoteStop {
            transaction: TransactionId(payload["transactionId"].as_i64()?),
            external_id: String::new(),
        },
        "TriggerMessage" => Action::Trigger {
            message: TriggeredMessage::from_name(payload["requestedMessage"].as_str()?)?,
            connector: connector(),
        },
        "ClearCache" => Action::ClearCache,
        _ => return None,
    })
}

fn v201(name: &str, payload: &Value) -> Option<Action> {
    let place = |evse: &Value, connector: &Value| {
        Some(ConnectorRef { evse: small(evse)?, connector: small(connector).unwrap_or(0) })
    };
    let evse = &payload["evse"];
    Some(match name {
        "Reset" => {
            Action::Reset { hard: payload["type"] == "Immediate", evse: small(&payload["evseId"]) }
        }
        "UnlockConnector" => {
            Action::Unlock { connector: place(&payload["evseId"], &payload["connectorId"])? }
        }
        "ChangeAvailability" => Action::SetAvailability {
            connector: place(&evse["id"], &evse["connectorId"]).unwrap_or(ConnectorRef::CHARGER),
            operative: operative(&payload["operationalStatus"])?,
        },
        "RequestStartTransaction" => Action::RemoteStart {
            connector: place(&payload["evseId"], &Value::Null),
            id_token: payload["idToken"]["idToken"].as_str()?.to_owned(),
        },
        "RequestStopTransaction" => Action::RemoteStop {
            transaction: TransactionId(0),
            external_id: payload["transactionId"].as_str()?.to_owned(),
        },
        "TriggerMessage" => Action::Trigger {
            message: TriggeredMessage::from_name(payload["requestedMessage"].as_str()?)?,
            connector: place(&evse["id"], &evse["connectorId"]),
        },
        "ClearCache" => Action::ClearCache,
        _ => return None,
    })
}

fn small(value: &Value) -> Option<u16> {
    u16::try_from(value.as_u64()?).ok()
}

fn operative(word: &Value) -> Option<bool> {
    match word.as_str()? {
        "Operative" => Some(true),
        "Inoperative" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_understood_again() {
        let at = ConnectorRef { evse: 2, connector: 1 };
        let message = TriggeredMessage::StatusNotification;
        for protocol in [Protocol::V16, Protocol::V201, Protocol::V21] {
            for action in [
                Action::Reset { hard: false, evse: None },
                Action::Reset { hard: true, evse: None },
                Action::Unlock { connector: at },
                Action::SetAvailability { connector: at, operative: false },
                Action::SetAvailability { connector: ConnectorRef::CHARGER, operative: true },
                Action::Trigger { message, connector: Some(at) },
                Action::Trigger { message, connector: None },
                Action::ClearCache,
            ] {
                let (name, payload) = encode_action(protocol, &action).expect("is in the version");
                let raw = Action::Raw { action: name.into_owned(), payload };
                assert_eq!(meaning(protocol, raw), action, "{protocol:?}");
            }
        }
    }

    #[test]
    fn what_has_no_typed_form_stays_as_it_is() {
        for (name, payload) in [
            ("DataTransfer", "{\"vendorId\": \"x\"}"),
            ("UnlockConnector", "{\"connectorId\": \"one\"}"),
            ("ChangeAvailability", "{\"connectorId\": 1, \"type\": \"Off\"}"),
            ("RemoteStopTransaction", "not JSON"),
            // A typed one would leave out what is said besides.
            ("Reset", "{\"type\": \"Soft\", \"why\": \"because\"}"),
            ("Reset", "{\"type\": \"soft\"}"),
        ] {
            let raw = Action::Raw { action: name.to_owned(), payload: payload.to_owned() };
            assert_eq!(meaning(Protocol::V16, raw.clone()), raw);
        }
    }
}
