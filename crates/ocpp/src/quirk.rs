//! What was odd about a message that was read all the same.

use std::fmt;

/// Something a charger sent that the specification does not allow, and that was read anyway
/// (behaviours 40 to 49). Kept so that the caller can count them by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quirk {
    /// The field, by its OCPP name; `payload` for the message as a whole.
    pub field: &'static str,
    /// What is odd about it: a short fixed sentence, fit to be a label.
    pub why: &'static str,
    /// The value as sent, cut after [`Quirk::VALUE_LEN_MAX`] bytes.
    pub value: String,
}

impl Quirk {
    /// Bytes of a value that are kept.
    pub const VALUE_LEN_MAX: usize = 64;

    pub(crate) fn new(field: &'static str, why: &'static str, value: &str) -> Self {
        Self { field, why, value: truncated(value, Self::VALUE_LEN_MAX).to_owned() }
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({:?})", self.field, self.why, self.value)
    }
}

/// The longest beginning of `text` that has at most `len_max` bytes.
pub(crate) fn truncated(text: &str, len_max: usize) -> &str {
    &text[..text.floor_char_boundary(len_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_cut_between_characters() {
        let long = "é".repeat(100);
        let quirk = Quirk::new("info", "too long", &long);
        assert_eq!(quirk.value.len(), 64);
        assert_eq!(truncated("aé", 2), "a");
        assert_eq!(truncated("aé", 99), "aé");
    }
}
