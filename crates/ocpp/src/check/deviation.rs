//! One place where a payload is not as the specification says.

use std::fmt;

/// Which kind of rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The payload is not JSON.
    Json,
    /// A field that the message does not have.
    Unknown,
    /// A required field is not there.
    Missing,
    /// A field stands there more than once.
    Doubled,
    /// A list has too few or too many items.
    Count,
    /// A value of the wrong kind: text for a number, `null`, ..
    Type,
    /// Text that is no date and time.
    Time,
    /// Text that is too long.
    Length,
    /// A word that is not in the list.
    Word,
    /// A number out of its bounds.
    Range,
}

impl Rule {
    /// Every rule.
    pub const EVERY: [Self; 10] = [
        Self::Json,
        Self::Unknown,
        Self::Missing,
        Self::Doubled,
        Self::Count,
        Self::Type,
        Self::Time,
        Self::Length,
        Self::Word,
        Self::Range,
    ];

    /// A word for tables and databases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Unknown => "unknown",
            Self::Missing => "missing",
            Self::Doubled => "doubled",
            Self::Count => "count",
            Self::Type => "type",
            Self::Time => "time",
            Self::Length => "length",
            Self::Word => "word",
            Self::Range => "range",
        }
    }
}

/// A deviation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// Where, as in `meterValue[0].sampledValue[2].unit`; empty for the payload as a whole.
    pub path: String,
    /// Which rule it breaks.
    pub rule: Rule,
    /// What is allowed there, in words: `at most 20 characters`.
    pub allowed: String,
    /// What stood there: cut, and hidden where it may name a person or a secret. Empty when
    /// nothing did.
    pub found: String,
}

impl Deviation {
    /// Bytes of a value that are shown.
    pub const FOUND_LEN_MAX: usize = 64;

    pub(super) fn of_whole(rule: Rule, allowed: &str, found: &str) -> Self {
        Self { path: String::new(), rule, allowed: allowed.to_owned(), found: found.to_owned() }
    }

    /// The path without the numbers of items, the same for every message with this habit:
    /// `meterValue[].sampledValue[].unit`.
    pub fn place(&self) -> String {
        let mut place = String::with_capacity(self.path.len());
        let mut in_brackets = false;
        for character in self.path.chars() {
            in_brackets = match character {
                '[' => true,
                ']' => false,
                _ => in_brackets,
            };
            if !in_brackets || character == '[' {
                place.push(character);
            }
        }
        place
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "payload" } else { &self.path };
        let Self { allowed, found, .. } = self;
        match self.rule {
            Rule::Json => write!(f, "{path}: not JSON: {found}"),
            Rule::Unknown => write!(f, "{path}: {allowed}"),
            Rule::Missing => write!(f, "{path}: required and not there"),
            Rule::Doubled => write!(f, "{path}: stands there more than once"),
            Rule::Word => write!(f, "{path}: {found} is none of {allowed}"),
            Rule::Count | Rule::Type | Rule::Time | Rule::Length | Rule::Range => {
                write!(f, "{path}: {found} where {allowed} is allowed")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_without_numbers() {
        let deviation = Deviation {
            path: "meterValue[0].sampledValue[12].unit".to_owned(),
            rule: Rule::Word,
            allowed: "Wh, kWh".to_owned(),
            found: "\"kWh \"".to_owned(),
        };
        assert_eq!(deviation.place(), "meterValue[].sampledValue[].unit");
        assert_eq!(
            deviation.to_string(),
            "meterValue[0].sampledValue[12].unit: \"kWh \" is none of Wh, kWh"
        );
    }
}
