//! Reading the fields of a payload, with a note of everything odd.

use std::borrow::Cow;

use mendpoint_model::{TransactionId, UnixMs};

use crate::json::{Scalar, Scanner};
use crate::quirk::Quirk;
use crate::time::read_time;

/// Quirks kept of one message: a charger with one wrong habit shows it in every sample.
const QUIRKS_MAX: usize = 16;

/// A payload while it is read.
///
/// Every reading method takes the field's name, for the notes, and consumes exactly one value.
#[derive(Debug)]
pub(crate) struct Payload<'a> {
    scanner: Scanner<'a>,
    received_at: UnixMs,
    pub(crate) quirks: Vec<Quirk>,
}

impl<'a> Payload<'a> {
    pub(crate) fn new(text: &'a str, received_at: UnixMs) -> Self {
        Self { scanner: Scanner::new(text), received_at, quirks: Vec::new() }
    }

    /// When the message was received.
    pub(crate) fn received_at(&self) -> UnixMs {
        self.received_at
    }

    /// Enters the payload. `false`, and a note, when it is not an object.
    pub(crate) fn open(&mut self) -> bool {
        let is_object = self.scanner.peek() == Some(b'{');
        if is_object {
            self.scanner.open_object();
        } else {
            let value = self.scanner.raw();
            self.note("payload", "not an object", value);
        }
        is_object
    }

    /// Notes whether the payload was one whole JSON object. To be called behind its last field.
    pub(crate) fn close(&mut self) {
        if self.scanner.is_broken() {
            self.note("payload", "not JSON, read as far as possible", "");
        } else if !self.scanner.is_at_end() {
            self.note("payload", "something follows the object", "");
        }
    }

    /// The next field of the object that was entered.
    pub(crate) fn key(&mut self) -> Option<Cow<'a, str>> {
        self.scanner.key()
    }

    /// Leaves out what is left of the object that was entered.
    pub(crate) fn skip_fields(&mut self) {
        while self.scanner.key().is_some() {
            self.scanner.skip();
        }
    }

    /// Leaves a value out.
    pub(crate) fn skip(&mut self) {
        self.scanner.skip();
    }

    /// Leaves a value out and gives its JSON text.
    pub(crate) fn raw(&mut self) -> &'a str {
        self.scanner.raw()
    }

    /// Enters an object; `null` and anything else is left out, the latter with a note.
    pub(crate) fn object(&mut self, field: &'static str) -> bool {
        if self.scanner.peek() == Some(b'{') {
            return self.scanner.open_object();
        }
        let value = self.scanner.raw();
        if value != "null" {
            self.note(field, "not an object", value);
        }
        false
    }

    /// Whether the next value is an object or a list.
    pub(crate) fn is_nested(&mut self) -> bool {
        matches!(self.scanner.peek(), Some(b'{' | b'['))
    }

    /// Calls `read` for every item of a list. One that is not in a list counts as a list of one.
    /// `read` must consume exactly one value.
    pub(crate) fn list(&mut self, field: &'static str, mut read: impl FnMut(&mut Self)) {
        match self.scanner.peek() {
            Some(b'[') => {
                self.scanner.open_array();
                while self.scanner.item() {
                    read(self);
                }
            }
            Some(b'{') => {
                self.note(field, "not in a list", "");
                read(self);
            }
            _ => {
                let value = self.scanner.raw();
                if value != "null" {
                    self.note(field, "not a list", value);
                }
            }
        }
    }

    /// Text; numbers and truth values count as their own text (behaviour 42).
    #[inline]
    pub(crate) fn text(&mut self, field: &'static str) -> Option<Cow<'a, str>> {
        match self.scanner.scalar() {
            Scalar::Text(text) => Some(text),
            Scalar::Bare(text) => {
                self.note(field, "not in quotes", text);
                Some(Cow::Borrowed(text))
            }
            Scalar::Null => None,
            Scalar::Nested => {
                self.note(field, "not text", "");
                None
            }
        }
    }

    /// Text that may as well be a number: the value of a sample, of a configuration key.
    #[inline]
    pub(crate) fn loose_text(&mut self) -> Option<Cow<'a, str>> {
        self.scanner.scalar().into_text()
    }

    /// Text, owned, and `None` when it is empty.
    pub(crate) fn filled(&mut self, field: &'static str) -> Option<String> {
        self.text(field).filter(|text| !text.trim().is_empty()).map(Cow::into_owned)
    }

    /// A whole number; text and fractions are read too (behaviour 42), `null` is nothing and never
    /// 0 (behaviour 49).
    pub(crate) fn int(&mut self, field: &'static str) -> Option<i64> {
        self.rounded(field).map(|(number, _)| number)
    }

    /// The number of a transaction. One with a fraction is nobody's: rounded it would be another's.
    pub(crate) fn transaction(&mut self, field: &'static str) -> Option<TransactionId> {
        self.rounded(field).filter(|(_, is_rounded)| !is_rounded).map(|(id, _)| TransactionId(id))
    }

    /// A number, and whether it had to be rounded.
    fn rounded(&mut self, field: &'static str) -> Option<(i64, bool)> {
        let (text, why) = match self.scanner.scalar() {
            Scalar::Bare(text) => (Cow::Borrowed(text), None),
            Scalar::Text(text) => (text, Some("number as text")),
            Scalar::Null => return None,
            Scalar::Nested => {
                self.note(field, "not a number", "");
                return None;
            }
        };
        let trimmed = text.trim();
        if let Ok(number) = trimmed.parse() {
            if let Some(why) = why {
                self.note(field, why, &text);
            }
            return Some((number, false));
        }
        let exact = read_float(trimmed);
        let rounded = exact.map(f64::round);
        // The bounds are exact as floats, so that a number that does not fit is never bent to one.
        let rounded = rounded.filter(|number| (-9.2e18..9.2e18).contains(number));
        self.note(
            field,
            if rounded.is_some() { "not a whole number" } else { "not a number" },
            &text,
        );
        rounded.map(|number| (number as i64, exact != Some(number)))
    }

    /// A number that names an EVSE or a connector.
    pub(crate) fn number(&mut self, field: &'static str) -> Option<u16> {
        let number = self.int(field)?;
        let small = u16::try_from(number).ok();
        if small.is_none() {
            self.note(field, "out of range", &number.to_string());
        }
        small
    }

    /// A truth value; `"true"`, `1` and `"1"` count as well.
    pub(crate) fn flag(&mut self, field: &'static str) -> Option<bool> {
        let scalar = self.scanner.scalar();
        match &scalar {
            Scalar::Bare("true") => return Some(true),
            Scalar::Bare("false") => return Some(false),
            Scalar::Null => return None,
            _ => {}
        }
        let text = scalar.into_text().unwrap_or_default();
        self.note(field, "not a truth value", &text);
        read_flag(&text)
    }

    /// A time of the charger (behaviours 43, 44).
    pub(crate) fn time(&mut self, field: &'static str) -> Option<UnixMs> {
        let text = self.loose_text()?;
        let read = read_time(&text, self.received_at);
        if let Some(why) = read.odd {
            self.note(field, why, &text);
        }
        read.at
    }

    /// Remembers where the reading stands, for a value that can only be read later.
    pub(crate) fn mark(&self) -> Mark<'a> {
        Mark(self.scanner.clone())
    }

    /// Reads from a remembered place, then goes back to where the reading stood.
    pub(crate) fn at_mark(&mut self, mark: Mark<'a>, read: impl FnOnce(&mut Self)) {
        let here = std::mem::replace(&mut self.scanner, mark.0);
        read(self);
        self.scanner = here;
    }

    /// Notes a required field that was not there.
    pub(crate) fn missing(&mut self, field: &'static str) {
        self.note(field, "missing", "");
    }

    /// Notes something odd.
    #[cold]
    pub(crate) fn note(&mut self, field: &'static str, why: &'static str, value: &str) {
        if self.quirks.len() < QUIRKS_MAX {
            self.quirks.push(Quirk::new(field, why, value));
        }
    }
}

/// A place in a payload.
#[derive(Clone, Debug)]
pub(crate) struct Mark<'a>(Scanner<'a>);

/// A finite number; a comma counts as the decimal point.
pub(crate) fn read_float(text: &str) -> Option<f64> {
    let text = trimmed(text);
    if let Some(number) = read_short_decimal(text) {
        return Some(number);
    }
    let number: f64 = match text.parse() {
        Ok(number) => number,
        Err(_) if text.contains(',') => text.replacen(',', ".", 1).parse().ok()?,
        Err(_) => return None,
    };
    number.is_finite().then_some(number)
}

/// `str::trim`, with an early answer for what nearly every text is.
#[inline]
pub(crate) fn trimmed(text: &str) -> &str {
    let is_plain = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_graphic);
    if is_plain(text.as_bytes().first()) && is_plain(text.as_bytes().last()) {
        return text;
    }
    text.trim()
}

/// A number of up to fifteen digits with at most one point in it, as meters write them; `None` for
/// every other text. Both parts of the fraction are exact as floats, so that its value is the
/// nearest one there is: what the general reading gives as well.
fn read_short_decimal(text: &str) -> Option<f64> {
    const POWERS: [f64; 16] =
        [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let bytes = text.as_bytes();
    let (is_negative, digits) = match bytes.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, bytes),
    };
    if digits.len() > POWERS.len() {
        return None;
    }
    let mut number = 0_u64;
    let mut count = 0_usize;
    let mut point = None;
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                number = number * 10 + u64::from(byte - b'0');
                count += 1;
            }
            b'.' if point.is_none() => point = Some(count),
            _ => return None,
        }
    }
    if count == 0 || count >= POWERS.len() {
        return None;
    }
    let value = number as f64 / POWERS[count - point.unwrap_or(count)];
    Some(if is_negative { -value } else { value })
}

/// A truth value as chargers write it in text.
pub(crate) fn read_flag(text: &str) -> Option<bool> {
    let text = text.trim();
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["true", "1", "yes", "on"]) {
        Some(true)
    } else if is(&["false", "0", "no", "off"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn short_decimals_are_read_as_the_library_reads_them(text in "-?[0-9]{0,17}\\.?[0-9]{0,17}") {
            let expected = text.parse::<f64>().ok();
            prop_assert_eq!(read_float(&text).map(f64::to_bits), expected.map(f64::to_bits));
        }
    }

    fn payload(text: &str) -> Payload<'_> {
        Payload::new(text, UnixMs(1_790_000_000_000))
    }

    #[test]
    fn b42_numbers_are_read_in_every_dress() {
        for (text, number) in [
            ("3", 3),
            ("\"3\"", 3),
            ("26008.333", 26_008),
            ("\" 7 \"", 7),
            ("-1", -1),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(payload(text).int("meterStop"), Some(number), "{text}");
        }
        for text in ["\"three\"", "{}", "[1]", "true", "1e300", ""] {
            assert_eq!(payload(text).int("meterStop"), None, "{text}");
        }
    }

    #[test]
    fn b49_null_is_not_zero() {
        let mut payload = payload("null");
        assert_eq!(payload.int("meterStart"), None);
        assert!(payload.quirks.is_empty());
    }

    #[test]
    fn what_is_odd_is_noted_and_bounded() {
        let text = format!("[{}]", "\"x\",".repeat(100));
        let mut payload = payload(&text);
        payload.list("value", |payload| {
            payload.int("value");
        });
        assert_eq!(payload.quirks.len(), QUIRKS_MAX);
        assert_eq!(payload.quirks[0], Quirk::new("value", "not a number", "x"));
    }

    #[test]
    fn a_list_of_one_may_go_without_its_brackets() {
        let mut payload = payload(r#"{"a":1}"#);
        let mut count = 0;
        payload.list("sampledValue", |payload| {
            count += 1;
            payload.skip();
        });
        assert_eq!(count, 1);
    }
}
