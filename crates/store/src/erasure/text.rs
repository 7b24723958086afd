//! Finding one card's number in text and JSON, and putting another word in its place.

use mendpoint_cards::{Number, is_distinct};
use serde_json::{Map, Value};

use super::places::Kind;

/// A token that is looked for, and what is put in its place.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    number: Number,
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

/// Whether a field of JSON names a charger, a transaction or a message: it leads to them, and is no
/// card's number.
fn names_a_thing(key: &str) -> bool {
    matches!(
        key,
        "identity"
            | "external_id"
            | "transactionId"
            | "transaction_id"
            | "messageId"
            | "message_id"
    )
}

/// Whether an array is a message of OCPP: its kind and its number come first.
fn is_frame(items: &[Value]) -> bool {
    items.len() > 2 && items[0].is_u64() && items[1].is_string()
}

/// Whether a text is a moment, as `2026-11-22T10:00:00Z`: a number of eight digits can be like its day.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
    bytes.len() >= 19
        && bytes.len() <= 40
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':')]
            .iter()
            .all(|(at, sign)| bytes[*at] == *sign)
        && [0..4, 5..7, 8..10, 11..13].into_iter().all(digits)
}

impl Exchange {
    pub(crate) fn new(number: Number, pseudonym: &str) -> Self {
        let is_distinct = is_distinct(number.token());
        Self { number, pseudonym: pseudonym.to_owned(), is_distinct }
    }

    /// The same token, looked for in the fields alone that hold tokens: what stands elsewhere only, as the
    /// name of a charger does, is no card's number.
    pub(crate) fn in_card_fields(number: Number) -> Self {
        Self { number, pseudonym: String::new(), is_distinct: false }
    }

    /// Whether a text has the token in it anywhere, as it is or as JSON writes it.
    fn may_be_in(&self, text: &str) -> bool {
        let text_in_small = text.to_ascii_lowercase();
        let escaped = self.escaped();
        text_in_small.contains(self.number.token())
            || (escaped != self.number.token() && text_in_small.contains(&escaped))
            || self.number.is_in(text)
    }

    /// The token as it stands inside of a JSON text.
    fn escaped(&self) -> String {
        let quoted = Value::from(self.number.token()).to_string();
        quoted.trim_matches('"').to_owned()
    }

    pub(crate) fn number(&self) -> &Number {
        &self.number
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
        self.number.is(text).then(|| self.pseudonym.clone())
    }

    /// Prose, with every occurrence exchanged, however it is spelt; `None` when there is none.
    pub(crate) fn in_words(&self, text: &str) -> Option<String> {
        if !self.is_distinct {
            return None;
        }
        if self.number.is(text) {
            return Some(self.pseudonym.clone());
        }
        let exact = self.as_it_is(text);
        let text = exact.as_deref().unwrap_or(text);
        let places = self.number.places(text);
        if places.is_empty() {
            return exact;
        }
        let (mut out, mut kept) = (String::new(), 0);
        for place in places {
            out.push_str(&text[kept..place.begin]);
            out.push_str(&self.pseudonym);
            kept = place.end;
        }
        out.push_str(&text[kept..]);
        Some(out)
    }

    /// The token as it is, as a whole word, whatever signs it has.
    fn as_it_is(&self, text: &str) -> Option<String> {
        let token = self.number.token();
        let (mut out, mut rest, mut found) = (String::new(), text, false);
        let mut before = None;
        while let Some(at) = rest.to_ascii_lowercase().find(token) {
            let end = at + token.len();
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
            Ok(Value::Array(mut frame)) if is_frame(&frame) => {
                // The number of a message is its sender's, and both sides must know it again.
                let walk = |any, item: &mut Value| self.walk(item, false) | any;
                let is_changed = frame.iter_mut().skip(2).fold(false, walk);
                is_changed.then(|| Value::Array(frame).to_string())
            }
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
        let mut is_changed = false;
        if let Value::Object(fields) = &mut value {
            is_changed = self.forget_groups(fields);
        }
        is_changed |= self.walk(&mut value, false);
        if let Value::Object(fields) = &mut value {
            is_changed |= self.rename(fields);
        }
        is_changed.then(|| value.to_string())
    }

    /// What a charger was told of a card, `status|end|group|type`, is forgotten where the token is the
    /// group, and so told anew.
    fn forget_groups(&self, fields: &mut Map<String, Value>) -> bool {
        let mut is_changed = false;
        for told in fields.values_mut() {
            let Some(text) = told.as_str() else { continue };
            let mut parts = text.split('|').skip(2);
            if parts.next().is_some_and(|group| self.number.is(group)) {
                let kind = parts.next().unwrap_or_default();
                *told = format!("|||{kind}").into();
                is_changed = true;
            }
        }
        is_changed
    }

    /// Exchanges keys that are the token.
    fn rename(&self, fields: &mut Map<String, Value>) -> bool {
        let keys: Vec<String> = fields.keys().filter(|key| self.number.is(key)).cloned().collect();
        for key in &keys {
            if let Some(field) = fields.remove(key) {
                fields.insert(self.pseudonym.clone(), field);
            }
        }
        !keys.is_empty()
    }

    fn walk(&self, value: &mut Value, is_token: bool) -> bool {
        match value {
            Value::String(text) => {
                let is_inner = text.starts_with(['{', '[']);
                let changed = if is_token && self.number.is(text) {
                    Some(self.pseudonym.clone())
                } else if is_inner {
                    self.in_json(text)
                } else if self.is_distinct && !is_time(text) {
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
                let others = fields.iter_mut().filter(|(key, _)| !names_a_thing(key));
                let is_changed = others.fold(false, |any, (key, field)| {
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

    fn exchange_of(token: &str, pseudonym: &str) -> Exchange {
        Exchange::new(Number::new(token), pseudonym)
    }

    #[test]
    fn s21_every_spelling_that_is_hidden_is_exchanged_too() {
        let exchange = exchange_of("04A1B2C3", "ERASED-1");
        for (text, changed) in [
            ("seen 04:a1:b2:c3, twice", "seen ERASED-1, twice"),
            ("the other reader says C3B2A104.", "the other reader says ERASED-1."),
            ("card04A1B2C3was", "cardERASED-1was"),
            ("MDRBMUIyQzM=", "ERASED-1="),
            ("C3 B2 A1 04", "ERASED-1"),
        ] {
            assert_eq!(exchange.in_words(text).as_deref(), Some(changed));
            let frame = serde_json::json!([2, "1", "DataTransfer", { "data": text }]).to_string();
            assert!(exchange.in_json(&frame).expect("it is there").contains(changed), "{text}");
        }
        let frame = r#"[2,"9","Authorize",{"idTag":"C3B2A104"}]"#;
        assert!(exchange.in_json(frame).expect("it is there").contains("ERASED-1"));
        assert_eq!(exchange.in_cell("04-A1-B2-C3").as_deref(), Some("ERASED-1"));
        let list = r#"{"04:A1:B2:C3":"{}","C3B2A104":"{}","04A1B2C4":"{}"}"#;
        assert_eq!(exchange.in_keys(list).as_deref(), Some(r#"{"04A1B2C4":"{}","ERASED-1":"{}"}"#));
        let group = r#"{"X7":"Accepted||04:A1:B2:C3|Local","X8":"Accepted||G|Local"}"#;
        let told = r#"{"X7":"|||Local","X8":"Accepted||G|Local"}"#;
        assert_eq!(exchange.in_keys(group).as_deref(), Some(told));
        assert_eq!(exchange.in_words("C3B2A105 04A1B2 A1B2C304"), None);
    }

    #[test]
    fn s21_a_short_number_is_exchanged_in_the_fields_of_cards_alone() {
        let time = "2026-11-22T15:47:52Z";
        let frame = format!(r#"[2,"bc80-2026-a1b2","Authorize",{{"at":"{time}","idTag":"2026"}}]"#);
        let changed = exchange_of("2026", "ERASED-1").in_json(&frame);
        assert_eq!(changed, Some(frame.replace("\"2026\"", "\"ERASED-1\"")));
        for (token, other) in [
            ("2026", format!(r#"[3,"7",{{"currentTime":"{time}"}}]"#)),
            ("a1b2", r#"[2,"bc80-a1b2","Heartbeat",{}]"#.to_owned()),
            ("1b3ecef1", r#"[2,"1b3ecef1-00","Heartbeat",{}]"#.to_owned()),
            ("20261122", format!(r#"[3,"7",{{"currentTime":"{time}"}}]"#)),
            ("EV-0042-A", r#"{"identity":"EV-0042-A","transactionId":"EV-0042-A"}"#.to_owned()),
        ] {
            assert_eq!(exchange_of(token, "ERASED-1").in_json(&other), None, "{token}");
        }
        assert_eq!(exchange_of("1", "ERASED-1").in_words("1"), None, "a value of a variable");
        let in_fields = Exchange::in_card_fields(Number::new("EV-0042-A"));
        assert_eq!(in_fields.in_json(r#"{"name":"EV-0042-A"}"#), None);
        assert_eq!(in_fields.in_words("EV-0042-A"), None);
        assert!(in_fields.in_json(r#"{"idTag":"EV-0042-A"}"#).is_some());
    }

    #[test]
    fn a_token_is_exchanged_wherever_it_stands_and_nothing_else_is() {
        let exchange = exchange_of("04A2B3C4", "ERASED-1");
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
        let slash = exchange_of("RO/ABC12345", "ERASED-2");
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
        let exchange = exchange_of("Local", "ERASED-1");
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
        let changed = exchange_of("04a2b3c4", "ERASED-1").in_json(list).expect("it is there");
        assert!(changed.contains(r#""ERASED-1":"{"#) && !changed.contains("04A2"), "{changed}");
        let word = exchange_of("Local", "ERASED-1");
        assert!(!word.in_json(list).unwrap_or_default().contains(r#""ERASED-1":"#), "a word stays");
        let changed = word.in_keys(list).expect("it is a key");
        assert!(!changed.to_lowercase().contains("local"), "{changed}");
        let mut found = Vec::new();
        keys_in(list, &mut |token| found.push(token.to_owned()));
        assert_eq!(found, ["04A2B3C4", "LOCAL"]);
    }

    #[test]
    fn odd_letters_are_found_as_json_writes_them() {
        let exchange = exchange_of("a\"1\\b9", "ERASED-1");
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
