//! Commands that were sent live, read back from their frames.

use mendpoint_model::{Action, ConnectorRef, Protocol, TransactionId};
use serde_json::Value;

/// What a call of ours asked for. What the state of a charger depends on becomes a typed action;
/// the rest stays as it was written.
pub(crate) fn read_order(protocol: Protocol, name: &str, payload: &str) -> Action {
    typed(protocol, name, payload)
        .unwrap_or_else(|| Action::Raw { action: name.to_owned(), payload: payload.to_owned() })
}

fn typed(protocol: Protocol, name: &str, payload: &str) -> Option<Action> {
    if !matches!(
        name,
        "Reset"
            | "UnlockConnector"
            | "ChangeAvailability"
            | "RemoteStartTransaction"
            | "RequestStartTransaction"
            | "RemoteStopTransaction"
    ) {
        return None;
    }
    let payload: Value = serde_json::from_str(payload).ok()?;
    let number = |value: &Value, field: &str| {
        value.get(field).and_then(Value::as_u64).and_then(|number| u16::try_from(number).ok())
    };
    let place = || {
        if protocol == Protocol::V16 {
            return number(&payload, "connectorId").map(ConnectorRef::v16);
        }
        match payload.get("evse") {
            Some(evse) => Some(ConnectorRef {
                evse: number(evse, "id")?,
                connector: number(evse, "connectorId").unwrap_or(0),
            }),
            None => Some(ConnectorRef {
                evse: number(&payload, "evseId")?,
                connector: number(&payload, "connectorId").unwrap_or(0),
            }),
        }
    };
    let word = |field: &str| payload.get(field).and_then(Value::as_str);
    Some(match name {
        "Reset" => Action::Reset {
            hard: matches!(word("type")?, "Hard" | "Immediate"),
            evse: number(&payload, "evseId"),
        },
        "UnlockConnector" => Action::Unlock { connector: place()? },
        "ChangeAvailability" => Action::SetAvailability {
            connector: place().unwrap_or(ConnectorRef::CHARGER),
            operative: word("type").or_else(|| word("operationalStatus"))? == "Operative",
        },
        "RemoteStartTransaction" => {
            Action::RemoteStart { connector: place(), id_token: word("idTag")?.to_owned() }
        }
        "RequestStartTransaction" => Action::RemoteStart {
            connector: place(),
            id_token: payload.get("idToken")?.get("idToken")?.as_str()?.to_owned(),
        },
        "RemoteStopTransaction" => Action::RemoteStop {
            transaction: TransactionId(payload.get("transactionId")?.as_i64()?),
            external_id: String::new(),
        },
        _ => return None,
    })
}
