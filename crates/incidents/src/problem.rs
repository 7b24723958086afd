//! What is wrong with a rule or playbook file, and where.

use std::collections::BTreeSet;
use std::fmt;

use crate::reading::NOWHERE;
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

/// What a rule names that must be elsewhere; each with its place, also when the rest of the file is wrong.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// Its playbook, at a byte.
    pub(crate) playbook: Option<(usize, String)>,
    /// Its route, at a byte.
    pub(crate) route: Option<(usize, String)>,
    /// The incidents that its tests expect, each in a line.
    pub(crate) expected: Vec<(usize, String)>,
}

/// A file being read, and the problems found in it so far.
pub(crate) struct Reader<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    pub(crate) problems: Vec<Problem>,
    /// What may stand for a number or a duration in this file.
    pub(crate) thresholds: Thresholds,
    /// What the file names that is in others.
    pub(crate) named: Named,
    /// Lines that are no TOML.
    torn: BTreeSet<usize>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            text,
            problems: Vec::new(),
            thresholds: Thresholds::default(),
            named: Named::default(),
            torn: BTreeSet::new(),
        }
    }

    /// Notes a problem at a byte offset of the file. Of what stands at no place of it, in a line that is
    /// no TOML or has no words, nothing is noted: that was told where it is.
    pub(crate) fn refuse(&mut self, offset: usize, message: impl Into<String>) {
        let message = message.into();
        if offset >= NOWHERE || message.is_empty() || self.is_torn_at(offset) {
            return;
        }
        let (line, column) = position(self.text, offset);
        let file = self.file.to_owned();
        self.problems.push(Problem { file, line, column, message });
    }

    /// The line of a byte offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        position(self.text, offset).0
    }

    /// Reads the file's TOML into `T` and notes all that is wrong with its form; `None` when nothing can
    /// be made of it.
    pub(crate) fn toml<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        crate::reading::read(self)
    }

    /// Notes a line that is no TOML: nothing else is told of it.
    pub(crate) fn tear(&mut self, offset: usize, message: &str) {
        if !self.is_torn_at(offset) {
            self.refuse(offset, message);
            let line = self.line(offset);
            self.torn.insert(line);
        }
    }

    fn is_torn_at(&self, offset: usize) -> bool {
        self.torn.contains(&self.line(offset))
    }

    /// Whether some line is no TOML, so that what is missing may be there.
    pub(crate) fn is_torn(&self) -> bool {
        !self.torn.is_empty()
    }

    /// Whether something is wrong from a byte offset on.
    pub(crate) fn is_wrong_from(&self, offset: usize) -> bool {
        let line = self.line(offset);
        self.problems.iter().any(|problem| problem.line >= line)
    }

    /// What was noted, each once, from the top of the file to its end.
    pub(crate) fn take_problems(&mut self) -> Vec<Problem> {
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.dedup();
        problems
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
pub(crate) fn with_suggestion(message: &str) -> String {
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
        None if valid.is_empty() => "; there is none".to_owned(),
        None => format!("; expected one of {}", valid.join(", ")),
    }
}

/// How many letters are wrong, missing or too many; two neighbours that changed places are one mistake
/// (the distance of Damerau and Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        assert_eq!(nearest("sevrity", ["severity", "scope"]), Some("severity"));
        assert_eq!(nearest("groundfailure", ["GroundFailure"]), Some("GroundFailure"));
        assert_eq!(nearest("banana", ["severity", "scope"]), None);
        // A swap is one mistake, two other letters are two.
        assert_eq!(nearest("mni", ["default", "max", "min"]), Some("min"));
        assert_eq!([distance("mni", "min"), distance("", "ab"), distance("ab", "ab")], [1, 2, 0]);
    }

    #[test]
    fn every_unknown_key_is_told() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            severity: u8,
            #[serde(default)]
            scope: String,
        }
        let told = |text: &str| {
            let mut reader = Reader::new("a.toml", text);
            let is_read =
                reader.toml::<File>().is_some_and(|file| file.severity > 9 || file.scope.len() > 9);
            assert!(!is_read && reader.problems.len() < 3, "{:?}", reader.problems);
            let all = reader.take_problems();
            let problems = all.iter();
            let mut told: Vec<_> =
                problems.map(|problem| (problem.line, problem.message.clone())).collect();
            told.sort();
            told
        };
        let all = told("sevrity = 4\nscpe = \"site\"\n");
        assert_eq!(all.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2]);
        assert!(all[0].1.contains("did you mean `severity`?"), "{all:?}");
        assert!(all[1].1.contains("did you mean `scope`?"), "{all:?}");
        // Nothing untrue follows, and what is wrong besides is told.
        assert_eq!(told("sevrity = 4\n").len(), 1);
        assert_eq!(told("scpe = 4\nseverity = \"much\"\n").len(), 2);
        // One over several lines hides nothing.
        assert_eq!(told("severity = 4\nmore = [\n1 ]\nscpe = 1\n").len(), 2);
    }

    #[test]
    fn positions_count_from_one() {
        assert_eq!(position("ab\ncd", 0), (1, 1));
        assert_eq!(position("ab\ncd", 4), (2, 2));
        assert_eq!(position("ă=1", 2), (1, 2));
        assert_eq!(position("x", 99), (1, 2));
    }
}
