//! Text that others wrote, inside markup.

/// A text made safe inside HTML and XML, between tags and inside quoted attributes: what a charger,
/// a driver or a file says is text, never markup.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_could_be_markup_is_text() {
        let said = "<b title='a' class=\"b\">Volt & Sons</b>";
        let safe = escape(said);
        assert!(!safe.contains(['<', '>', '"', '\'']), "{safe}");
        assert!(safe.ends_with("Volt &amp; Sons&lt;/b&gt;"), "{safe}");
        assert_eq!(escape("Pia\u{21b}a Unirii\n2"), "Pia\u{21b}a Unirii\n2");
    }
}
