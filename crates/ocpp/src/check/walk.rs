//! The walk through a payload along its shape.

use std::borrow::Cow;
use std::fmt::Write;

use mendpoint_model::Protocol;

use super::deviation::{Deviation, Rule};
use super::secret::is_secret;
use super::time::is_rfc3339;
use crate::definition::{Choice, Field, Kind, Many, Shape};
use crate::json::{Scalar, Scanner};
use crate::quirk::truncated;

/// Bytes of a name that a charger made up and that are shown.
const NAME_LEN_MAX: usize = 64;

/// Walks through a payload that is a JSON object.
pub(super) fn walk(
    protocol: Protocol,
    shape: &'static Shape,
    payload: &str,
    max: usize,
) -> Vec<Deviation> {
    let mut walk = Walk {
        scanner: Scanner::new(payload),
        has_fractions: protocol != Protocol::V16,
        path: String::new(),
        hidden: 0,
        found: Vec::new(),
        max,
    };
    walk.object(shape);
    walk.found
}

/// What a JSON value is, in words.
pub(super) fn kind_of_text(value: &str) -> &'static str {
    match value.trim_start().bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "text",
        Some(b't' | b'f') => "a truth value",
        Some(b'n') => "null",
        Some(_) => "a number",
        None => "nothing",
    }
}

/// A whole number of any size; one too large for anything stands for all of those. `1.0` is one where
/// the schema's version says so: draft 6, which 2.x uses, and not draft 4, which 1.6 uses.
fn whole(text: &str, has_fractions: bool) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let largest = if text.starts_with('-') { i128::MIN } else { i128::MAX };
        return Some(text.parse().unwrap_or(largest));
    }
    let number: f64 = text.parse().ok()?;
    (has_fractions && number.is_finite() && number.fract() == 0.0).then_some(number as i128)
}

struct Walk<'a> {
    scanner: Scanner<'a>,
    /// Whether `1.0` is a whole number.
    has_fractions: bool,
    /// Where the walk is.
    path: String,
    /// How many of the fields around are secret.
    hidden: usize,
    found: Vec<Deviation>,
    max: usize,
}

impl<'a> Walk<'a> {
    fn is_full(&self) -> bool {
        self.found.len() >= self.max
    }

    fn note(&mut self, rule: Rule, allowed: impl Into<String>, found: String) {
        if !self.is_full() {
            self.found.push(Deviation {
                path: self.path.clone(),
                rule,
                allowed: allowed.into(),
                found,
            });
        }
    }

    /// As `note`, one field deeper.
    fn note_at(&mut self, name: &str, rule: Rule, allowed: impl Into<String>, found: String) {
        let len = self.enter(name);
        self.note(rule, allowed, found);
        self.path.truncate(len);
    }

    /// Goes one field deeper; gives what the path is to be cut to afterwards.
    fn enter(&mut self, name: &str) -> usize {
        let len = self.path.len();
        if len > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        len
    }

    /// The object whose brace is next.
    fn object(&mut self, shape: &'static Shape) {
        self.scanner.open_object();
        // No shape has so many fields: a test looks.
        let mut seen = 0_u128;
        while let Some(key) = self.scanner.key() {
            if self.is_full() {
                self.scanner.skip();
                continue;
            }
            let known = shape.fields.iter().enumerate().find(|(_, field)| field.name == key);
            let Some((index, field)) = known else {
                let value = self.scanner.raw();
                if !shape.is_open {
                    let name = truncated(&key, NAME_LEN_MAX);
                    let allowed = format!("{} has no such field", shape.name);
                    self.note_at(name, Rule::Unknown, allowed, kind_of_text(value).to_owned());
                }
                continue;
            };
            let bit = 1_u128 << index;
            if seen & bit != 0 {
                self.note_at(field.name, Rule::Doubled, "once", String::new());
            }
            seen |= bit;
            let len = self.enter(field.name);
            self.hidden += usize::from(is_secret(field.name));
            self.value(field);
            self.hidden -= usize::from(is_secret(field.name));
            self.path.truncate(len);
        }
        for (index, field) in shape.fields.iter().enumerate() {
            if field.required && seen & (1_u128 << index) == 0 {
                self.note_at(field.name, Rule::Missing, "required", String::new());
            }
        }
    }

    fn value(&mut self, field: &'static Field) {
        let Some(many) = field.many else { return self.one(field.kind) };
        if self.scanner.peek() != Some(b'[') {
            return self.wrong_type("a list");
        }
        self.scanner.open_array();
        let mut count = 0_u32;
        while self.scanner.item() {
            if self.is_full() {
                self.scanner.skip();
                continue;
            }
            let len = self.path.len();
            // Writing into a String cannot fail.
            let _ = write!(self.path, "[{count}]");
            self.one(field.kind);
            self.path.truncate(len);
            count = count.saturating_add(1);
        }
        if count < many.min || many.max.is_some_and(|max| count > max) {
            let found = if count == 1 { "1 item".to_owned() } else { format!("{count} items") };
            self.note(Rule::Count, allowed_count(many), found);
        }
    }

    fn one(&mut self, kind: Kind) {
        let is_object = self.scanner.peek() == Some(b'{');
        match kind {
            Kind::Any => self.scanner.skip(),
            Kind::Object(shape) if is_object => self.object(shape),
            Kind::Object(_) => self.wrong_type("an object"),
            Kind::Text { max } => {
                let Some(text) = self.text("text") else { return };
                let Some(max) = max else { return };
                // Most texts are short enough whatever they are made of.
                if text.len() > max as usize {
                    let len = text.chars().count();
                    if len > max as usize {
                        self.note(
                            Rule::Length,
                            format!("at most {max} characters"),
                            format!("{len} characters"),
                        );
                    }
                }
            }
            Kind::DateTime => {
                let Some(text) = self.text("a date and time") else { return };
                if !is_rfc3339(&text) {
                    let shown = self.shown_text(&text);
                    self.note(Rule::Time, "a date and time with its zone (RFC 3339)", shown);
                }
            }
            Kind::Choice(choice) => {
                let Some(text) = self.text("text") else { return };
                if !choice.words.contains(&&*text) {
                    let shown = self.shown_text(&text);
                    self.note(Rule::Word, words(choice), shown);
                }
            }
            Kind::Boolean => {
                if !matches!(self.scanner.peek(), Some(b't' | b'f')) {
                    return self.wrong_type("true or false");
                }
                self.scanner.skip();
            }
            Kind::Integer { min, max } => self.integer(min, max),
            Kind::Decimal { min, max } => self.decimal(min, max),
        }
    }

    fn integer(&mut self, min: Option<i64>, max: Option<i64>) {
        let Some(text) = self.number("a whole number") else { return };
        let Some(number) = whole(text, self.has_fractions) else {
            let shown = self.shown(text);
            return self.note(Rule::Type, "a whole number", shown);
        };
        let is_low = min.is_some_and(|min| number < i128::from(min));
        if is_low || max.is_some_and(|max| number > i128::from(max)) {
            let shown = self.shown(text);
            self.note(Rule::Range, allowed_range(min, max), shown);
        }
    }

    fn decimal(&mut self, min: Option<i64>, max: Option<i64>) {
        let Some(text) = self.number("a number") else { return };
        let number: f64 = text.parse().unwrap_or_default();
        if min.is_some_and(|min| number < min as f64) || max.is_some_and(|max| number > max as f64)
        {
            let shown = self.shown(text);
            self.note(Rule::Range, allowed_range(min, max), shown);
        }
    }

    fn text(&mut self, allowed: &'static str) -> Option<Cow<'a, str>> {
        if self.scanner.peek() != Some(b'"') {
            self.wrong_type(allowed);
            return None;
        }
        match self.scanner.scalar() {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number(&mut self, allowed: &'static str) -> Option<&'a str> {
        if !matches!(self.scanner.peek(), Some(b'-' | b'0'..=b'9')) {
            self.wrong_type(allowed);
            return None;
        }
        match self.scanner.scalar() {
            Scalar::Bare(text) => Some(text),
            _ => None,
        }
    }

    /// Leaves out a value that is not of the kind that is allowed.
    fn wrong_type(&mut self, allowed: &'static str) {
        let value = self.scanner.raw();
        let kind = kind_of_text(value);
        let is_long = matches!(kind, "an object" | "a list" | "null");
        let found = if is_long || self.hidden > 0 {
            kind.to_owned()
        } else {
            let kind = kind.trim_start_matches("a ");
            format!("{kind} {}", truncated(value, Deviation::FOUND_LEN_MAX))
        };
        self.note(Rule::Type, allowed, found);
    }

    /// A value as it is shown.
    fn shown(&self, value: &str) -> String {
        if self.hidden > 0 {
            "(hidden)".to_owned()
        } else {
            truncated(value, Deviation::FOUND_LEN_MAX).to_owned()
        }
    }

    fn shown_text(&self, text: &str) -> String {
        if self.hidden > 0 {
            return format!("(hidden: {} characters)", text.chars().count());
        }
        format!("{:?}", truncated(text, Deviation::FOUND_LEN_MAX))
    }
}

fn words(choice: &Choice) -> String {
    choice.words.join(", ")
}

fn allowed_count(many: Many) -> String {
    match (many.min, many.max) {
        (min, Some(max)) if min == max => format!("exactly {min}"),
        (min, Some(max)) => format!("{min} to {max}"),
        (min, None) => format!("at least {min}"),
    }
}

fn allowed_range(min: Option<i64>, max: Option<i64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any number".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::Protocol;

    use super::*;
    use crate::check::deviations;
    use crate::definition::messages;

    fn told(protocol: Protocol, action: &str, payload: &str) -> Vec<String> {
        deviations(protocol, action, payload).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_kind_of_deviation_is_told_with_its_place() {
        let payload = r#"{"connectorId":"1","meterValue":[
            {"timestamp":"2026-09-21T14:13:00","sampledValue":[]},
            {"sampledValue":[{"value":12.5},{"value":"1","unit":null,"unit":"Wh"}]}, 7],
            "vendorThing":{"a":1}}"#;
        assert_eq!(
            told(Protocol::V16, "MeterValues", payload),
            [
                "connectorId: text \"1\" where a whole number is allowed",
                "meterValue[0].timestamp: \"2026-09-21T14:13:00\" where a date and time with its zone (RFC 3339) is allowed",
                "meterValue[0].sampledValue: 0 items where at least 1 is allowed",
                "meterValue[1].sampledValue[0].value: number 12.5 where text is allowed",
                "meterValue[1].sampledValue[1].unit: null where text is allowed",
                "meterValue[1].sampledValue[1].unit: stands there more than once",
                "meterValue[1].timestamp: required and not there",
                "meterValue[2]: number 7 where an object is allowed",
                "vendorThing: MeterValues has no such field",
            ]
        );
        assert_eq!(
            told(
                Protocol::V201,
                "NotifyEvent",
                r#"{"generatedAt":"2026-09-21T14:13:00Z","seqNo":1.5,"eventData":{}}"#
            ),
            [
                "seqNo: 1.5 where a whole number is allowed",
                "eventData: an object where a list is allowed",
            ]
        );
        let soc = r#"{"evseId":1,"chargingNeeds":{"requestedEnergyTransfer":"DC","dcChargingParameters":{"evMaxCurrent":1,"evMaxVoltage":1,"stateOfCharge":101}}}"#;
        assert_eq!(
            told(Protocol::V201, "NotifyEVChargingNeeds", soc),
            ["chargingNeeds.dcChargingParameters.stateOfCharge: 101 where 0 to 100 is allowed"]
        );
    }

    #[test]
    fn what_names_a_person_is_never_shown() {
        let long = "04A1B2C3D4E5F60718293";
        let payload = format!(r#"{{"idTag":"{long}","vendorCard":"{long}"}}"#);
        let found = deviations(Protocol::V16, "Authorize", &payload);
        assert_eq!(found.len(), 2);
        let shown = format!("{found:?}");
        assert!(!shown.contains("04A1"), "{shown}");
        let payload = r#"{"idToken":{"idToken":12345678,"type":"Card 12345678"}}"#;
        let shown = format!("{:?}", deviations(Protocol::V201, "Authorize", payload));
        assert!(shown.contains("a number") && !shown.contains("12345678"), "{shown}");
        assert!(shown.contains("(hidden: 13 characters)"), "{shown}");
    }

    #[test]
    fn custom_data_may_hold_anything_beside_its_vendor() {
        let payload = |custom: &str| format!(r#"{{"customData":{custom}}}"#);
        let check = |custom: &str| told(Protocol::V201, "Heartbeat", &payload(custom));
        assert!(check(r#"{"vendorId":"acme","x":[1,{"y":null}]}"#).is_empty());
        assert_eq!(check(r#"{"x":1}"#), ["customData.vendorId: required and not there"]);
    }

    #[test]
    fn no_more_than_a_screenful_is_told() {
        let samples = r#"{"value":1},"#.repeat(1_000);
        let payload = format!(
            r#"{{"connectorId":1,"meterValue":[{{"timestamp":"x","sampledValue":[{}]}}]}}"#,
            samples.trim_end_matches(',')
        );
        let found = deviations(Protocol::V16, "MeterValues", &payload);
        assert_eq!(found.len(), crate::DEVIATIONS_MAX);
    }

    #[test]
    fn what_is_not_json_is_one_deviation() {
        for payload in ["", "{", "{\"a\":NaN}", "{,}", "{} {}", r#"{"a":"\ud800"}"#] {
            let found = deviations(Protocol::V16, "Heartbeat", payload);
            assert_eq!(found.len(), 1, "{payload}");
            assert_eq!(found[0].rule, Rule::Json, "{payload}");
        }
    }

    #[test]
    fn every_shape_fits_into_the_set_of_seen_fields() {
        for protocol in [Protocol::V16, Protocol::V201, Protocol::V21] {
            for message in messages(protocol) {
                let mut shapes = vec![&message.request, &message.response];
                while let Some(shape) = shapes.pop() {
                    assert!(shape.fields.len() <= 128, "{}", shape.name);
                    shapes.extend(shape.fields.iter().filter_map(|field| match field.kind {
                        Kind::Object(shape) => Some(shape),
                        _ => None,
                    }));
                }
            }
        }
    }
}
