//! What is wrong with a rule or playbook file, and where.

use std::fmt;

use crate::threshold::Thresholds;

/// A mistake in a file: where it is and what was expected instead.
///
/// Displays as `rules/x.toml:12:5: unknown key `sevrity`, did you mean `severity`?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file's name as it was given.
    pub file: String,
    /// Line from 1.
    pub line: usize,
    /// Column from 1, in characters.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

impl std::error::Error for Problem {}

/// A file being read, and the problems found in it so far.
pub(crate) struct Reader<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    pub(crate) problems: Vec<Problem>,
    /// What may stand for a number or a duration in this file.
    pub(crate) thresholds: Thresholds,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, problems: Vec::new(), thresholds: Thresholds::default() }
    }

    /// Notes a problem at a byte offset of the file.
    pub(crate) fn refuse(&mut self, offset: usize, message: impl Into<String>) {
        let (line, column) = position(self.text, offset);
        let file = self.file.to_owned();
        self.problems.push(Problem { file, line, column, message: message.into() });
    }

    /// The line of a byte offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        position(self.text, offset).0
    }

    /// Reads the file's TOML into `T`, or notes why not.
    pub(crate) fn toml<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        match toml::from_str(self.text) {
            Ok(value) => Some(value),
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                self.refuse(offset, with_suggestion(error.message()));
                None
            }
        }
    }
}

/// Line and column, both from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Adds the nearest valid word to serde's "unknown field `x`, expected one of `a`, `b`".
fn with_suggestion(message: &str) -> String {
    let message = message.trim();
    let message =
        message.replace("unknown field", "unknown key").replace("missing field", "missing key");
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let unknown = message.starts_with("unknown");
    match words.split_first() {
        Some((wrong, valid)) if unknown && !valid.is_empty() => {
            match nearest(wrong, valid.iter().copied()) {
                Some(word) => format!("{message}; did you mean `{word}`?"),
                None => message,
            }
        }
        _ => message,
    }
}

/// The valid word nearest to a wrong one, when it is near enough to be what was meant.
pub(crate) fn nearest<'w>(
    wrong: &str,
    valid: impl IntoIterator<Item = &'w str>,
) -> Option<&'w str> {
    let limit = (wrong.chars().count() / 3).max(1) + 1;
    valid
        .into_iter()
        .map(|word| (distance(&wrong.to_lowercase(), &word.to_lowercase()), word))
        .filter(|(far, _)| *far <= limit)
        .min()
        .map(|(_, word)| word)
}

/// "; did you mean `word`?", or the list of what is valid when nothing is near.
pub(crate) fn suggestion(wrong: &str, valid: &[&str]) -> String {
    match nearest(wrong, valid.iter().copied()) {
        Some(word) => format!("; did you mean `{word}`?"),
        None => format!("; expected one of {}", valid.join(", ")),
    }
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(ca != *cb)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        assert_eq!(nearest("sevrity", ["severity", "scope"]), Some("severity"));
        assert_eq!(nearest("groundfailure", ["GroundFailure"]), Some("GroundFailure"));
        assert_eq!(nearest("banana", ["severity", "scope"]), None);
    }

    #[test]
    fn positions_count_from_one() {
        assert_eq!(position("ab\ncd", 0), (1, 1));
        assert_eq!(position("ab\ncd", 4), (2, 2));
        assert_eq!(position("ă=1", 2), (1, 2));
        assert_eq!(position("x", 99), (1, 2));
    }
}
