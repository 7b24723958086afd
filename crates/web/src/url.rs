//! Text in addresses.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but what may stand in a part of an address as it is (RFC 3986, 2.3).
const MEANS_SOMETHING: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as a part of an address: everything that could mean something there is `%XX`.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, MEANS_SOMETHING).to_string()
}

/// What may stand in a segment of a path as it is (RFC 3986, 3.3).
const IN_SEGMENT: &AsciiSet = &MEANS_SOMETHING
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The address that a charger is given: its identity is the last segment.
pub(crate) fn of_charger(base: &str, identity: &str) -> String {
    format!("{base}{}", utf8_percent_encode(identity, IN_SEGMENT))
}

/// The address of a page with the fields that say something.
pub(crate) fn with_fields(page: &str, fields: &[(&str, &str)]) -> String {
    let mut href = page.to_owned();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let joint = if href.contains('?') { '&' } else { '?' };
        // Writing to a string cannot fail.
        let _ = write!(href, "{joint}{name}={}", encode(value));
    }
    href
}

/// Whether an address leads to a page of ours: browsers read `//host` and `/\host` as another
/// host, and drop tabs and line ends before they look.
pub(crate) fn is_local(address: &str) -> bool {
    let mut chars = address.chars();
    chars.next() == Some('/')
        && !matches!(chars.next(), Some('/' | '\\'))
        && !address.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charger_is_given_an_address_that_every_client_reads() {
        let of = |identity| of_charger("wss://x.example/ocpp/", identity);
        assert_eq!(of("DE*ABC*E1:2"), "wss://x.example/ocpp/DE*ABC*E1:2");
        assert_eq!(of("  sp "), "wss://x.example/ocpp/%20%20sp%20");
        assert_eq!(of("RDAM|123"), "wss://x.example/ocpp/RDAM%7C123");
        assert_eq!(of("café?#"), "wss://x.example/ocpp/caf%C3%A9%3F%23");
    }

    #[test]
    fn nothing_of_a_text_means_anything_in_an_address() {
        assert_eq!(encode("CP 1/ä?&#"), "CP%201%2F%C3%A4%3F%26%23");
        assert_eq!(encode("INC-7_a.b~"), "INC-7_a.b~");
    }

    #[test]
    fn only_pages_of_ours_are_led_back_to() {
        assert!(is_local("/"));
        assert!(is_local("/incidents?state=open"));
        for foreign in ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\n/b"] {
            assert!(!is_local(foreign), "{foreign:?}");
        }
    }
}
