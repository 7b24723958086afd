//! Payloads to begin with, so that nobody has to look up the names of fields.

use mendpoint_model::Protocol;

/// A payload that the form suggests for an action; `{}` where nothing is needed or nothing is known.
pub(super) fn payload(protocol: Protocol, action: &str) -> &'static str {
    let is_v16 = protocol == Protocol::V16;
    match (action, is_v16) {
        ("ChangeAvailability", true) => r#"{"connectorId": 1, "type": "Operative"}"#,
        ("ChangeAvailability", false) => r#"{"operationalStatus": "Operative"}"#,
        ("ChangeConfiguration", true) => r#"{"key": "HeartbeatInterval", "value": "300"}"#,
        ("DataTransfer", _) => r#"{"vendorId": "", "messageId": "", "data": ""}"#,
        ("GetDiagnostics", true) => r#"{"location": "ftp://example.com/"}"#,
        ("GetConfiguration", true) => r#"{"key": ["HeartbeatInterval"]}"#,
        ("GetVariables", false) => {
            r#"{"getVariableData": [{"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}]}"#
        }
        ("SetVariables", false) => {
            r#"{"setVariableData": [{"attributeValue": "300", "component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}]}"#
        }
        ("GetBaseReport", false) => r#"{"requestId": 1, "reportBase": "FullInventory"}"#,
        ("GetCompositeSchedule", true) => r#"{"connectorId": 1, "duration": 3600}"#,
        ("GetCompositeSchedule", false) => r#"{"evseId": 1, "duration": 3600}"#,
        ("RemoteStartTransaction", true) => r#"{"connectorId": 1, "idTag": ""}"#,
        ("RemoteStopTransaction", true) => r#"{"transactionId": 1}"#,
        ("RequestStartTransaction", false) => {
            r#"{"remoteStartId": 1, "evseId": 1, "idToken": {"idToken": "", "type": "Central"}}"#
        }
        ("RequestStopTransaction", false) => r#"{"transactionId": ""}"#,
        ("Reset", true) => r#"{"type": "Soft"}"#,
        ("Reset", false) => r#"{"type": "OnIdle"}"#,
        ("TriggerMessage", _) => r#"{"requestedMessage": "StatusNotification"}"#,
        ("UnlockConnector", true) => r#"{"connectorId": 1}"#,
        ("UnlockConnector", false) => r#"{"evseId": 1, "connectorId": 1}"#,
        ("UpdateFirmware", true) => {
            r#"{"location": "https://example.com/fw.bin", "retrieveDate": "2026-01-01T00:00:00Z"}"#
        }
        _ => "{}",
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{Action, Protocol};

    use super::*;

    #[test]
    fn every_suggestion_can_be_sent() {
        for protocol in [Protocol::V16, Protocol::V201, Protocol::V21] {
            for action in mendpoint_ocpp::sendable_actions(protocol) {
                let payload = payload(protocol, action).to_owned();
                let raw = Action::Raw { action: action.to_owned(), payload };
                let written = mendpoint_ocpp::encode_action(protocol, &raw);
                assert!(written.is_ok(), "{protocol:?} {action}: {written:?}");
            }
        }
        assert!(payload(Protocol::V16, "Reset").contains("Soft"));
        assert!(payload(Protocol::V201, "Reset").contains("OnIdle"));
    }
}
