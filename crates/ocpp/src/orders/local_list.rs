//! `SendLocalList` and `GetLocalListVersion`.

use mendpoint_model::{Action, Protocol, TokenInfo};
use serde_json::{Value, json};

use super::{MessageLimit, id_token, raw, token_info};

/// A card of a local list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// The idTag or idToken.
    pub token: String,
    /// What 2.x knows it as; empty for a card.
    pub kind: String,
    /// What the charger is to know of it; `None` takes it off the list (differential updates).
    pub info: Option<TokenInfo>,
}

/// An update of a local list.
#[derive(Clone, Copy, Debug)]
pub struct ListUpdate<'a> {
    /// The version that the charger has afterwards.
    pub version: i64,
    /// Whether it replaces the list; otherwise it changes it.
    pub full: bool,
    /// What it tells.
    pub entries: &'a [ListEntry],
}

impl ListEntry {
    fn json(&self, protocol: Protocol) -> Value {
        let is_v16 = protocol == Protocol::V16;
        let mut value = if is_v16 {
            json!({ "idTag": self.token })
        } else {
            json!({ "idToken": id_token(&self.token, &self.kind) })
        };
        if let Some(info) = &self.info {
            let name = if is_v16 { "idTagInfo" } else { "idTokenInfo" };
            value[name] = token_info(protocol, info);
        }
        value
    }
}

/// Cuts a list into the messages that a charger takes; a list of nobody is one message, too.
pub fn local_list_parts(
    protocol: Protocol,
    entries: &[ListEntry],
    limit: MessageLimit,
) -> Vec<&[ListEntry]> {
    let nobody = ListUpdate { version: i64::from(i32::MAX), full: false, entries: &[] };
    let Action::Raw { payload, .. } = send_local_list(protocol, nobody) else {
        return vec![entries];
    };
    let around = payload.len() + r#","localAuthorizationList":[]"#.len();
    let size = |entry: &ListEntry| entry.json(protocol).to_string().len();
    let parts = limit.parts(entries, around, size);
    if parts.is_empty() { vec![&[]] } else { parts }
}

/// Writes a `SendLocalList`.
pub fn send_local_list(protocol: Protocol, update: ListUpdate<'_>) -> Action {
    let is_v16 = protocol == Protocol::V16;
    let entries: Vec<Value> = update.entries.iter().map(|entry| entry.json(protocol)).collect();
    let mut payload = json!({ "updateType": if update.full { "Full" } else { "Differential" } });
    payload[if is_v16 { "listVersion" } else { "versionNumber" }] = update.version.into();
    // A list of nobody has no list: 2.x allows no empty one.
    if !entries.is_empty() {
        payload["localAuthorizationList"] = Value::Array(entries);
    }
    raw("SendLocalList", &payload)
}

/// Writes a `GetLocalListVersion`.
pub fn get_local_list_version() -> Action {
    raw("GetLocalListVersion", &json!({}))
}

/// The version that a charger told: 0 has no list, -1 (1.6) keeps none at all. `None` when the
/// answer tells no number.
pub fn list_version_of(payload: &str) -> Option<i64> {
    let value: Value = serde_json::from_str(payload).ok()?;
    ["listVersion", "versionNumber"].into_iter().find_map(|name| {
        let version = value.get(name)?;
        version.as_i64().or_else(|| version.as_str()?.trim().parse().ok())
    })
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{TokenStatus, UnixMs};

    use super::*;

    fn payload(protocol: Protocol, update: ListUpdate<'_>) -> Value {
        let Action::Raw { payload, .. } = send_local_list(protocol, update) else {
            panic!("raw");
        };
        serde_json::from_str(&payload).expect("JSON")
    }

    #[test]
    fn a_list_has_the_form_of_its_version() {
        let known = TokenInfo {
            expires_at: Some(UnixMs(1_790_000_000_000)),
            parent: Some("FLEET".into()),
            ..TokenInfo::of(TokenStatus::Blocked)
        };
        let entry =
            |token: &str, info| ListEntry { token: token.to_owned(), kind: String::new(), info };
        let entries = [entry("A", Some(known)), entry("B", None)];
        let update = ListUpdate { version: 7, full: false, entries: &entries };
        assert_eq!(
            payload(Protocol::V16, update),
            json!({
                "listVersion": 7, "updateType": "Differential",
                "localAuthorizationList": [
                    { "idTag": "A", "idTagInfo": {
                        "status": "Blocked", "expiryDate": "2026-09-21T14:13:20Z", "parentIdTag": "FLEET"
                    } },
                    { "idTag": "B" },
                ],
            })
        );
        assert_eq!(
            payload(Protocol::V201, update),
            json!({
                "versionNumber": 7, "updateType": "Differential",
                "localAuthorizationList": [
                    { "idToken": { "idToken": "A", "type": "ISO14443" }, "idTokenInfo": {
                        "status": "Blocked", "cacheExpiryDateTime": "2026-09-21T14:13:20Z",
                        "groupIdToken": { "idToken": "FLEET", "type": "Central" },
                    } },
                    { "idToken": { "idToken": "B", "type": "ISO14443" } },
                ],
            })
        );
        let nobody = payload(Protocol::V201, ListUpdate { version: 1, full: true, entries: &[] });
        assert_eq!(nobody, json!({ "versionNumber": 1, "updateType": "Full" }));
    }

    #[test]
    fn no_part_of_a_list_is_longer_than_the_charger_takes() {
        let entries: Vec<ListEntry> = (0..60)
            .map(|number| ListEntry {
                token: format!("CARD-{number}"),
                kind: String::new(),
                info: Some(TokenInfo::of(TokenStatus::Accepted)),
            })
            .collect();
        let limit = MessageLimit { items: Some(16), bytes: Some(1_000) };
        for protocol in [Protocol::V16, Protocol::V201, Protocol::V21] {
            let parts = local_list_parts(protocol, &entries, limit);
            assert_eq!(parts.concat(), entries);
            let limited = super::super::Limited::of("SendLocalList").expect("limited");
            for entries in &parts {
                let update = ListUpdate { version: 2_147_000_000, full: true, entries };
                let action = send_local_list(protocol, update);
                assert_eq!(limited.check(protocol, &action, limit), Ok(()));
            }
            assert!(parts.len() < 20, "and none is nearly empty: {}", parts.len());
        }
        assert_eq!(local_list_parts(Protocol::V201, &[], limit), [&[][..]]);
    }

    #[test]
    fn the_version_is_read_from_either_answer() {
        assert_eq!(list_version_of(r#"{"listVersion":-1}"#), Some(-1));
        assert_eq!(list_version_of(r#"{"versionNumber":"12"}"#), Some(12));
        assert_eq!(list_version_of("{}"), None);
        assert_eq!(list_version_of("nonsense"), None);
    }
}
