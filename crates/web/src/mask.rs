//! Cards' numbers in what chargers and we said, hidden from those who need not see them (S21).

use serde_json::Value;

use crate::search::masked;

/// JSON with every card's number shortened; as it is when it names none. What cannot be read and
/// speaks of cards is not shown.
pub(crate) fn json(text: &str) -> String {
    if !speaks_of_cards(text) {
        return text.to_owned();
    }
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            hide(&mut value, false);
            value.to_string()
        }
        Err(_) => "(not shown: it names a card and cannot be read)".to_owned(),
    }
}

fn speaks_of_cards(text: &str) -> bool {
    let small = text.to_ascii_lowercase();
    ["token", "idtag", "id_tag", "emaid"].iter().any(|word| small.contains(word))
}

fn hide(value: &mut Value, is_token: bool) {
    match value {
        Value::String(text) if text.starts_with(['{', '[']) => *text = json(text),
        Value::String(text) if is_token => *text = masked(text),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, is_token)),
        Value::Object(fields) => {
            for (key, field) in fields {
                let key = key.to_ascii_lowercase();
                // What kind of token it is, and whether it may charge, tells of nobody.
                let is_token = !key.ends_with("info")
                    && !key.ends_with("type")
                    && (["token", "idtag", "id_tag", "emaid"]
                        .iter()
                        .any(|word| key.contains(word)));
                hide(field, is_token);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::json;

    #[test]
    fn cards_are_shortened_wherever_they_stand() {
        for (text, shown) in [
            (
                r#"[2,"1","Authorize",{"idTag":"04A2B3C4"}]"#,
                r#"[2,"1","Authorize",{"idTag":"…B3C4"}]"#,
            ),
            (
                r#"{"idToken":{"idToken":"04A2B3C4","type":"ISO14443"}}"#,
                r#"{"idToken":{"idToken":"…B3C4","type":"ISO14443"}}"#,
            ),
            (
                r#"{"localAuthorizationList":[{"idTag":"04A2B3C4","idTagInfo":{"status":"Accepted"}}]}"#,
                r#"{"localAuthorizationList":[{"idTag":"…B3C4","idTagInfo":{"status":"Accepted"}}]}"#,
            ),
            (
                r#"[3,"1",{"idTagInfo":{"parentIdTag":"FLEET99"}}]"#,
                r#"[3,"1",{"idTagInfo":{"parentIdTag":"…ET99"}}]"#,
            ),
            (r#"[2,"1","Heartbeat",{}]"#, r#"[2,"1","Heartbeat",{}]"#),
        ] {
            assert_eq!(json(text), shown);
        }
        assert!(!json(r#"[2,"1","Authorize",{"idTag":"04A2B3C4""#).contains("04A2"));
        let inner = json(r#"{"data":"{\"idTag\":\"04A2B3C4\"}"}"#);
        assert!(!inner.contains("04A2"), "{inner}");
    }
}
