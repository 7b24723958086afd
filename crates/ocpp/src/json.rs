//! A pull reader of JSON text that never fails: what cannot be read ends the reading, and what was
//! read before stays.
//!
//! Chargers send numbers as text, text as numbers, `NaN`, doubled keys and lists with a comma too
//! many. A parser that answers "error" loses the whole message for one of them, so this one reads
//! a value where it stands and as what it is asked for. It allocates only for text with escapes.
//! `tests` compares it with `serde_json` on generated documents.

use std::borrow::Cow;

/// A value that is not an object or an array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// Anything written without quotes: a number, `true`, `NaN`, ..
    Bare(&'a str),
    /// `null`, or nothing at all.
    Null,
    /// An object or an array, left out.
    Nested,
}

impl<'a> Scalar<'a> {
    /// The value as text; `None` for `null` and for what is nested.
    #[inline]
    pub(crate) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bare(text) => Some(Cow::Borrowed(text)),
            Self::Null | Self::Nested => None,
        }
    }
}

/// The place in a JSON text up to which it was read.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    broken: bool,
}

impl<'a> Scanner<'a> {
    /// Starts at the first character.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, broken: false }
    }

    /// Whether something was met that is not JSON; everything after it was given up.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether nothing but white space is left.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Where the reading stands, in bytes.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next character that is not white space.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                _ => return Some(byte),
            }
        }
        None
    }

    /// Takes `byte` if it is next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.at += 1;
        }
        is_next
    }

    /// Enters an object. Anything else is left out and gives `false`.
    pub(crate) fn open_object(&mut self) -> bool {
        self.open(b'{')
    }

    /// Enters an array. Anything else is left out and gives `false`.
    pub(crate) fn open_array(&mut self) -> bool {
        self.open(b'[')
    }

    fn open(&mut self, bracket: u8) -> bool {
        let found = self.take(bracket);
        if !found {
            self.skip();
        }
        found
    }

    /// The next key of the object that was entered, or `None` behind its end. The value must be
    /// read or skipped before the next call.
    #[inline]
    pub(crate) fn key(&mut self) -> Option<Cow<'a, str>> {
        while self.take(b',') {}
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                let key = self.string();
                if !self.take(b':') {
                    self.give_up();
                    return None;
                }
                Some(key)
            }
            Some(b'}') => {
                self.at += 1;
                None
            }
            _ => {
                self.give_up();
                None
            }
        }
    }

    /// Whether the array that was entered has another item, which then must be read or skipped.
    pub(crate) fn item(&mut self) -> bool {
        while self.take(b',') {}
        match self.peek() {
            Some(b']') => {
                self.at += 1;
                false
            }
            Some(b'}' | b':') | None => {
                self.give_up();
                false
            }
            Some(_) => true,
        }
    }

    /// Reads a value that should be text, a number, a truth value or `null`.
    #[inline]
    pub(crate) fn scalar(&mut self) -> Scalar<'a> {
        match self.peek() {
            None => {
                self.give_up();
                Scalar::Null
            }
            Some(b'"') => {
                self.at += 1;
                Scalar::Text(self.string())
            }
            Some(b'{' | b'[') => {
                self.skip();
                Scalar::Nested
            }
            Some(_) => match self.bare() {
                "" | "null" => Scalar::Null,
                word => Scalar::Bare(word),
            },
        }
    }

    /// Leaves one value out, however deep.
    pub(crate) fn skip(&mut self) {
        match self.peek() {
            None => self.give_up(),
            Some(b'"') => {
                self.at += 1;
                self.string_end();
            }
            Some(b'{' | b'[') => self.skip_nested(),
            Some(_) => {
                self.bare();
            }
        }
    }

    /// Leaves one value out and gives its text.
    pub(crate) fn raw(&mut self) -> &'a str {
        self.peek();
        let start = self.at;
        self.skip();
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn skip_nested(&mut self) {
        let bytes = self.text.as_bytes();
        let mut depth = 0_usize;
        while let Some(&byte) = bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => {
                    self.string_end();
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
        self.give_up();
    }

    /// A word without quotes. An empty one means that no value stands here.
    fn bare(&mut self) -> &'a str {
        let start = self.at;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if matches!(
                byte,
                b',' | b':' | b'}' | b']' | b'{' | b'[' | b'"' | b' ' | b'\t' | b'\n' | b'\r'
            ) {
                break;
            }
            self.at += 1;
        }
        let word = self.text.get(start..self.at).unwrap_or_default();
        if word.is_empty() {
            self.give_up();
        }
        word
    }

    /// The text behind an opening quote.
    #[inline]
    fn string(&mut self) -> Cow<'a, str> {
        let start = self.at;
        let has_escapes = self.string_end();
        let end = if self.broken { self.at } else { self.at.saturating_sub(1) };
        let inner = self.text.get(start..end).unwrap_or_default();
        if has_escapes { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) }
    }

    /// Goes behind the closing quote. Says whether there were escapes.
    fn string_end(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        let mut has_escapes = false;
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let offset = plain_length(rest);
            match rest.get(offset) {
                None => {
                    self.give_up();
                    return has_escapes;
                }
                Some(b'"') => {
                    self.at += offset + 1;
                    return has_escapes;
                }
                Some(_) => {
                    has_escapes = true;
                    self.at = (self.at + offset + 2).min(bytes.len());
                }
            }
        }
    }

    fn give_up(&mut self) {
        self.broken = true;
        self.at = self.text.len();
    }
}

/// How many bytes stand before the first quote or backslash. Eight at a time: nearly all texts are
/// shorter than what a search made for long ones needs to get going.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    /// The highest bit of each byte that is zero; above the first such byte, of others as well.
    fn zeroes(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word & HIGHS
    }
    let mut length = 0;
    let mut rest = bytes;
    while let Some((eight, after)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight);
        let quotes = zeroes(word ^ (ONES * u64::from(b'"')));
        let backslashes = zeroes(word ^ (ONES * u64::from(b'\\')));
        let found = quotes | backslashes;
        if found != 0 {
            return length + (found.trailing_zeros() / 8) as usize;
        }
        length += 8;
        rest = after;
    }
    length + rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len())
}

/// Resolves the escapes of a JSON string. A wrong escape stays as it was written, and half a
/// surrogate pair becomes the replacement character.
fn unescape(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(offset) = rest.find('\\') {
        out.push_str(&rest[..offset]);
        rest = &rest[offset + 1..];
        let Some(escape) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        let mut length = escape.len_utf8();
        match escape {
            '"' | '\\' | '/' => out.push(escape),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => match code_unit(rest) {
                None => out.push_str("\\u"),
                Some(unit) => {
                    length = 5;
                    let low = rest.get(5..).and_then(|next| {
                        next.starts_with("\\u").then(|| code_unit(&next[1..])).flatten()
                    });
                    let pair = low.and_then(|low| {
                        char::decode_utf16([unit, low])
                            .next()
                            .and_then(Result::ok)
                            .filter(|_| (0xD800..0xDC00).contains(&unit))
                    });
                    if pair.is_some() {
                        length = 11;
                    }
                    let single = || char::from_u32(u32::from(unit));
                    out.push(pair.or_else(single).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
            },
            other => {
                out.push('\\');
                out.push(other);
            }
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The four hexadecimal digits behind a `u`.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.get(1..5)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok()
}

/// Appends `text` as a JSON string with its quotes.
pub(crate) fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    let mut start = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[start..index]);
        if escape.is_empty() {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            out.push_str("\\u00");
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        } else {
            out.push_str(escape);
        }
        start = index + 1;
    }
    out.push_str(&text[start..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Number, Value};

    use super::*;

    /// Reads everything that the scanner can see into a `serde_json` value.
    fn read(scanner: &mut Scanner<'_>) -> Value {
        match scanner.peek() {
            Some(b'{') => {
                let mut map = Map::new();
                scanner.open_object();
                while let Some(key) = scanner.key() {
                    map.insert(key.into_owned(), read(scanner));
                }
                Value::Object(map)
            }
            Some(b'[') => {
                let mut list = Vec::new();
                scanner.open_array();
                while scanner.item() {
                    list.push(read(scanner));
                }
                Value::Array(list)
            }
            _ => match scanner.scalar() {
                Scalar::Text(text) => Value::String(text.into_owned()),
                Scalar::Bare("true") => Value::Bool(true),
                Scalar::Bare("false") => Value::Bool(false),
                Scalar::Bare(number) => number.parse::<Number>().map_or(Value::Null, Value::Number),
                Scalar::Null | Scalar::Nested => Value::Null,
            },
        }
    }

    pub(crate) fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f32>().prop_map(|number| Value::from(f64::from(number))),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_text_ends_at_its_first_quote_or_backslash(text in "[a-z\"\\\\\u{80}-\u{ff}!#\\[\\]]{0,40}") {
            let bytes = text.as_bytes();
            let first = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(plain_length(bytes), first.unwrap_or(bytes.len()));
        }

        #[test]
        fn reads_what_serde_json_reads(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&value)
            } else {
                serde_json::to_string(&value)
            }.expect("a value can be written");
            let mut scanner = Scanner::new(&text);
            prop_assert_eq!(read(&mut scanner), value);
            prop_assert!(!scanner.is_broken());
            prop_assert!(scanner.is_at_end());
            let mut skipping = Scanner::new(&text);
            prop_assert_eq!(skipping.raw(), text.as_str());
        }

        #[test]
        fn never_panics_and_always_ends(text in any::<String>()) {
            let mut scanner = Scanner::new(&text);
            while !scanner.is_at_end() {
                scanner.open_object();
                while scanner.key().is_some() {
                    scanner.raw();
                }
                if scanner.open_array() {
                    while scanner.item() {
                        scanner.scalar();
                    }
                }
            }
        }

        #[test]
        fn writes_strings_that_serde_json_reads(text in any::<String>()) {
            let mut out = String::new();
            push_json_string(&mut out, &text);
            let back: String = serde_json::from_str(&out).expect("is a JSON string");
            prop_assert_eq!(back, text);
        }
    }

    #[test]
    fn keeps_what_was_read_before_the_text_broke() {
        let mut scanner = Scanner::new(r#"{"a": 1, "b": NaN, "c": "cut off"#);
        assert!(scanner.open_object());
        assert_eq!(scanner.key().as_deref(), Some("a"));
        assert_eq!(scanner.scalar(), Scalar::Bare("1"));
        assert_eq!(scanner.key().as_deref(), Some("b"));
        assert_eq!(scanner.scalar(), Scalar::Bare("NaN"));
        assert_eq!(scanner.key().as_deref(), Some("c"));
        assert_eq!(scanner.scalar(), Scalar::Text("cut off".into()));
        assert!(scanner.is_broken());
        assert_eq!(scanner.key(), None);
    }

    #[test]
    fn resolves_escapes_and_leaves_wrong_ones() {
        let text = r#""a\u00e9\ud83d\ude00\ud800\x\/\"""#;
        assert_eq!(
            Scanner::new(text).scalar(),
            Scalar::Text("a\u{e9}\u{1f600}\u{fffd}\\x/\"".into())
        );
    }
}
