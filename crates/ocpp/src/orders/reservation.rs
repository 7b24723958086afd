//! `ReserveNow` and `CancelReservation`.

use mendpoint_model::{Action, ConnectorRef, Protocol, UnixMs};
use serde_json::json;

use super::{id_token, raw};

/// A connector to be held for a card.
#[derive(Clone, Copy, Debug)]
pub struct Reserve<'a> {
    /// Our number: positive and at most 2^31-1.
    pub id: i64,
    /// Which connector; the whole charger when any will do.
    pub connector: ConnectorRef,
    /// For whom.
    pub token: &'a str,
    /// What 2.x knows the token as; empty for a card.
    pub kind: &'a str,
    /// And for whoever belongs to this group.
    pub parent: Option<&'a str>,
    /// Until when.
    pub until: UnixMs,
}

/// Writes a `ReserveNow`.
pub fn reserve_now(protocol: Protocol, reserve: &Reserve<'_>) -> Action {
    let until = reserve.until.rfc3339();
    if protocol == Protocol::V16 {
        let mut payload = json!({
            "connectorId": reserve.connector.evse,
            "expiryDate": until,
            "idTag": reserve.token,
            "reservationId": reserve.id,
        });
        if let Some(parent) = reserve.parent {
            payload["parentIdTag"] = parent.into();
        }
        return raw("ReserveNow", &payload);
    }
    let mut payload = json!({
        "id": reserve.id,
        "expiryDateTime": until,
        "idToken": id_token(reserve.token, reserve.kind),
    });
    if !reserve.connector.is_charger() {
        payload["evseId"] = reserve.connector.evse.into();
    }
    if let Some(parent) = reserve.parent {
        payload["groupIdToken"] = id_token(parent, "Central");
    }
    raw("ReserveNow", &payload)
}

/// Writes a `CancelReservation`.
pub fn cancel_reservation(id: i64) -> Action {
    raw("CancelReservation", &json!({ "reservationId": id }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_has_the_form_of_its_version() {
        let reserve = Reserve {
            id: 5,
            connector: ConnectorRef::v16(2),
            token: "A",
            kind: "eMAID",
            parent: Some("FLEET"),
            until: UnixMs(1_790_000_000_000),
        };
        let text = |protocol, reserve: &Reserve<'_>| match reserve_now(protocol, reserve) {
            Action::Raw { payload, .. } => payload,
            other => panic!("{other:?}"),
        };
        let value = |text: String| serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
        assert_eq!(
            value(text(Protocol::V16, &reserve)),
            json!({
                "connectorId": 2, "expiryDate": "2026-09-21T14:13:20Z", "idTag": "A",
                "parentIdTag": "FLEET", "reservationId": 5,
            })
        );
        assert_eq!(
            value(text(Protocol::V21, &reserve)),
            json!({
                "id": 5, "expiryDateTime": "2026-09-21T14:13:20Z", "evseId": 2,
                "idToken": { "idToken": "A", "type": "eMAID" },
                "groupIdToken": { "idToken": "FLEET", "type": "Central" },
            })
        );
        let any = Reserve { connector: ConnectorRef::CHARGER, parent: None, ..reserve };
        assert_eq!(value(text(Protocol::V16, &any))["connectorId"], 0);
        assert!(value(text(Protocol::V201, &any)).get("evseId").is_none());
    }
}
