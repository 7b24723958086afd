//! Finding one card's number in text and JSON, and putting another word in its place.

use serde_json::{Map, Value};

use super::places::Kind;

/// A token that is looked for, and what is put in its place.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// In small letters: idTags are compared without case (`CiString`).
    token: String,
    pseudonym: String,
    /// Whether it is unlike a word of any language or protocol. Only such a token is looked for
    /// outside of the fields that hold tokens: a card named "Local" must not change every reason.
    is_distinct: bool,
}

/// Whether a field of JSON holds tokens by its name: what kind of token it is and what is known of it
/// tells of nobody.
fn names_token(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    if key.ends_with("type") || key.ends_with("info") {
        return false;
    }
    key.contains("token") || key.contains("idtag") || key.contains("id_tag") || key == "parent"
}

impl Exchange {
    pub(crate) fn new(token: &str, pseudonym: &str) -> Self {
        let token = token.to_ascii_lowercase();
        let is_distinct = token.chars().count() >= 4 && token.chars().any(|c| c.is_ascii_digit());
        Self { token, pseudonym: pseudonym.to_owned(), is_distinct }
    }

    /// Whether a text has the token in it anywhere, as it is or as JSON writes it.
    pub(crate) fn may_be_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        text.contains(&self.token) || (self.has_escape() && text.contains(self.escaped().as_str()))
    }

    /// The token as it stands inside of a JSON text.
    pub(crate) fn escaped(&self) -> String {
        let quoted = Value::from(self.token.as_str()).to_string();
        quoted.trim_matches('"').to_owned()
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    fn has_escape(&self) -> bool {
        self.escaped() != self.token
    }

    /// A text of some kind with the token exchanged; `None` when it is not in it.
    pub(crate) fn in_kind(&self, kind: Kind, text: &str) -> Option<String> {
        match kind {
            Kind::Token => self.in_cell(text),
            Kind::Json => self.in_json(text),
            Kind::Keys => self.in_keys(text),
            Kind::Words => self.in_words(text),
        }
    }

    /// A cell that is a token or none.
    pub(crate) fn in_cell(&self, text: &str) -> Option<String> {
        (text.to_ascii_lowercase() == self.token).then(|| self.pseudonym.clone())
    }

    /// Prose, with every whole occurrence exchanged; `None` when there is none.
    pub(crate) fn in_words(&self, text: &str) -> Option<String> {
        if text.to_ascii_lowercase() == self.token {
            return Some(self.pseudonym.clone());
        }
        if !self.is_distinct {
            return None;
        }
        let (mut out, mut rest, mut found) = (String::new(), text, false);
        let mut before = None;
        while let Some(at) = rest.to_ascii_lowercase().find(&self.token) {
            let end = at + self.token.len();
            let left = rest[..at].chars().next_back().or(before);
            let right = rest[end..].chars().next();
            let is_whole = ![left, right].into_iter().flatten().any(char::is_alphanumeric);
            out.push_str(&rest[..at]);
            out.push_str(if is_whole { &self.pseudonym } else { &rest[at..end] });
            found |= is_whole;
            before = rest[at..end].chars().next_back();
            rest = &rest[end..];
        }
        out.push_str(rest);
        found.then_some(out)
    }

    /// Whether it is worth reading a JSON text. Any letter may be written as an escape, and some encoders
    /// do that with a slash or with all that is not ASCII: only reading such a text shows what it says.
    fn may_be_in_json(&self, text: &str) -> bool {
        self.may_be_in(text) || text.contains('\\')
    }

    /// JSON, or what should be JSON, with the token exchanged; `None` when it is not in it.
    pub(crate) fn in_json(&self, text: &str) -> Option<String> {
        if !self.may_be_in_json(text) {
            return None;
        }
        match serde_json::from_str::<Value>(text) {
            Ok(mut value) => self.walk(&mut value, false).then(|| value.to_string()),
            Err(_) => self.in_words(text),
        }
    }

    /// A JSON object whose keys are tokens, with the token exchanged in keys and fields; `None` when it
    /// is not in it.
    pub(crate) fn in_keys(&self, text: &str) -> Option<String> {
        if !self.may_be_in_json(text) {
            return None;
        }
        let Ok(mut value) = serde_json::from_str::<Value>(text) else { return self.in_words(text) };
        let mut is_changed = self.walk(&mut value, false);
        if let Value::Object(fields) = &mut value {
            is_changed |= self.rename(fields);
        }
        is_changed.then(|| value.to_string())
    }

    /// Exchanges a key that is the token.
    fn rename(&self, fields: &mut Map<String, Value>) -> bool {
        let Some(key) = fields.keys().find(|key| key.to_ascii_lowercase() == self.token).cloned()
        else {
            return false;
        };
        if let Some(field) = fields.remove(&key) {
            fields.insert(self.pseudonym.clone(), field);
        }
        true
    }

    fn walk(&self, value: &mut Value, is_token: bool) -> bool {
        match value {
            Value::String(text) => {
                let is_inner = text.starts_with(['{', '[']);
                let changed = if is_token && text.to_ascii_lowercase() == self.token {
                    Some(self.pseudonym.clone())
                } else if is_inner {
                    self.in_json(text)
                } else if self.is_distinct {
                    self.in_words(text)
                } else {
                    None
                };
                let is_changed = changed.is_some();
                if let Some(changed) = changed {
                    *text = changed;
                }
                is_changed
            }
            Value::Array(items) => {
                items.iter_mut().fold(false, |any, item| self.walk(item, is_token) | any)
            }
            Value::Object(fields) => {
                let is_changed = fields.iter_mut().fold(false, |any, (key, field)| {
                    let is_token = names_token(key) || (is_token && key == "id");
                    self.walk(field, is_token) | any
                });
                self.is_distinct && self.rename(fields) || is_changed
            }
            _ => false,
        }
    }
}

/// Every key of a JSON object whose keys are tokens.
pub(crate) fn keys_in(text: &str, found: &mut dyn FnMut(&str)) {
    if let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(text) {
        fields.keys().for_each(|key| found(key));
    }
}

/// Every text in a field that holds tokens, for finding those whose hash is known.
pub(crate) fn tokens_in(text: &str, found: &mut dyn FnMut(&str)) {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        collect(&value, false, found);
    }
}

fn collect(value: &Value, is_token: bool, found: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) if text.starts_with(['{', '[']) => tokens_in(text, found),
        Value::String(text) if is_token => found(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, is_token, found)),
        Value::Object(fields) => {
            for (key, field) in fields {
                collect(field, names_token(key), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_exchanged_wherever_it_stands_and_nothing_else_is() {
        let exchange = Exchange::new("04A2B3C4", "ERASED-1");
        let frame =
            r#"[2,"9","StartTransaction",{"connectorId":1,"idTag":"04a2b3c4","meterStart":105}]"#;
        let changed = exchange.in_json(frame).expect("it is there");
        assert_eq!(
            changed,
            r#"[2,"9","StartTransaction",{"connectorId":1,"idTag":"ERASED-1","meterStart":105}]"#
        );
        assert_eq!(exchange.in_json(r#"{"a":"04A2B3C4D5"}"#), None, "another card");
        assert_eq!(
            exchange.in_words("the card 04A2B3C4, at 04A2B3C45.").as_deref(),
            Some("the card ERASED-1, at 04A2B3C45.")
        );
        // Encoders may write any letter as an escape.
        let escaped = r#"[2,"9","Authorize",{"idTag":"\u0030\u0034A2B3C4"}]"#;
        assert!(exchange.in_json(escaped).expect("it says the same").contains("ERASED-1"));
        let slash = Exchange::new("RO/ABC12345", "ERASED-2");
        let escaped = r#"[2,"9","Authorize",{"idTag":"RO\/ABC12345"}]"#;
        assert!(slash.in_json(escaped).expect("it says the same").contains("ERASED-2"));
        let inner = r#"{"payload":"{\"idTag\":\"04A2B3C4\"}"}"#;
        assert!(!exchange.in_json(inner).expect("inside").contains("04A2"));
        assert_eq!(
            exchange.in_words("cut {\"idTag\":\"04A2B3C4\"").as_deref(),
            Some("cut {\"idTag\":\"ERASED-1\"")
        );
    }

    #[test]
    fn a_card_with_the_name_of_a_word_is_exchanged_in_its_fields_only() {
        let exchange = Exchange::new("Local", "ERASED-1");
        assert_eq!(
            exchange.in_json(r#"{"id_token":"LOCAL","reason":"Local"}"#).as_deref(),
            Some(r#"{"id_token":"ERASED-1","reason":"Local"}"#)
        );
        assert_eq!(exchange.in_words("ended for Local"), None);
        let nested = r#"{"idToken":{"idToken":"local","type":"Local"}}"#;
        assert!(exchange.in_json(nested).expect("it is there").contains("ERASED-1"));
    }

    #[test]
    fn a_token_that_is_a_key_is_exchanged_too() {
        let list =
            r#"{"04A2B3C4":"{\"status\":\"Accepted\"}","LOCAL":"{\"parentIdTag\":\"Local\"}"}"#;
        let changed = Exchange::new("04a2b3c4", "ERASED-1").in_json(list).expect("it is there");
        assert!(changed.contains(r#""ERASED-1":"{"#) && !changed.contains("04A2"), "{changed}");
        let word = Exchange::new("Local", "ERASED-1");
        assert!(!word.in_json(list).unwrap_or_default().contains(r#""ERASED-1":"#), "a word stays");
        let changed = word.in_keys(list).expect("it is a key");
        assert!(!changed.to_lowercase().contains("local"), "{changed}");
        let mut found = Vec::new();
        keys_in(list, &mut |token| found.push(token.to_owned()));
        assert_eq!(found, ["04A2B3C4", "LOCAL"]);
    }

    #[test]
    fn odd_letters_are_found_as_json_writes_them() {
        let exchange = Exchange::new("a\"1\\b9", "ERASED-1");
        let text = serde_json::json!({ "idTag": "A\"1\\B9" }).to_string();
        assert_eq!(exchange.in_json(&text).as_deref(), Some(r#"{"idTag":"ERASED-1"}"#));
    }

    #[test]
    fn tokens_are_found_where_tokens_stand() {
        let mut found = Vec::new();
        let text = r#"[2,"1","X",{"idToken":{"idToken":"A","type":"B"},"x":"{\"idTag\":\"C\"}"}]"#;
        tokens_in(text, &mut |token| found.push(token.to_owned()));
        assert_eq!(found, ["A", "C"]);
    }
}
