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
