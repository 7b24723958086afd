//! Reads a file's TOML as far as it can be read, so that all that is wrong with it is told at once.
//!
//! What stands in the way is told and mended in memory: an unknown key becomes the one that was meant or
//! goes, a value of the wrong kind becomes one of the right kind, a missing key is added. What was put
//! there stands at no place of the file, and of what stands at no place nothing is told.

use std::ops::Range;

use serde_spanned::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use crate::problem::{Reader, nearest, with_suggestion};

/// The most mistakes of a file's form that are mended.
const MENDED_MAX: usize = 100;

/// From here on there is no place in a file: what was put there by us.
pub(crate) const NOWHERE: usize = usize::MAX / 2;

/// The values and tables of a file, with what was mended in them.
struct Document<'t> {
    root: Spanned<DeValue<'t>>,
    /// How much was put there.
    added: usize,
    /// Values whose key was misspelt: told already.
    renamed: Vec<Range<usize>>,
    /// Whether it is no TOML somewhere, so that what is missing may be there.
    is_torn: bool,
}

/// Reads a file's TOML into `T`; what is wrong is noted. `None` when too much is.
pub(crate) fn read<T: serde::de::DeserializeOwned>(reader: &mut Reader<'_>) -> Option<T> {
    let text = reader.text;
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        reader.tear(error.span().map_or(0, |span| span.start), &syntax_words(error.message()));
    }
    let span = table.span();
    let root = Spanned::new(span, DeValue::Table(table.into_inner()));
    let is_torn = !errors.is_empty();
    let mut document = Document { root, added: 0, renamed: Vec::new(), is_torn };
    for _ in 0..MENDED_MAX {
        let error = match T::deserialize(toml::de::ValueDeserializer::from(document.root.clone())) {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        if !document.mend(reader, &span, error.message()) {
            reader.refuse(span.start, error.message().trim());
            return None;
        }
    }
    None
}

/// What is wrong with the form of a line, as a sentence.
fn syntax_words(message: &str) -> String {
    let message = message.trim().replace('\n', ", ");
    format!("this is no TOML: {message}")
}

impl Document<'_> {
    /// Tells a mistake and mends it; false when it is none that can be mended.
    fn mend(&mut self, reader: &mut Reader<'_>, span: &Range<usize>, message: &str) -> bool {
        let message = message.trim();
        let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        if message.starts_with("unknown field") {
            reader.refuse(span.start, with_suggestion(message));
            let near = quoted
                .split_first()
                .and_then(|(wrong, valid)| nearest(wrong, valid.iter().copied()));
            return self.rename(span, near);
        }
        if message.starts_with("missing field")
            && let Some(key) = quoted.first()
        {
            if !self.is_torn {
                reader.refuse(span.start, format!("missing key `{key}`"));
            }
            return self.add(span, key);
        }
        let expected = match message.split_once(", expected ") {
            Some((_, expected)) if message.starts_with("invalid ") => expected,
            // A number that no variable holds.
            _ if message.contains("overflowed") => "f64",
            _ => return false,
        };
        let is_told = self.renamed.contains(span);
        let Some(put) = self.next_place() else { return false };
        let Some(found) = find(self.root.get_mut(), None, span) else { return false };
        let Found { key, is_part, value } = found;
        if !is_told {
            reader.refuse(span.start, wrong_kind(&key, is_part, value.get_ref(), expected));
        }
        *value = Spanned::new(put, stand_in(expected));
        true
    }

    /// A place of its own for what is put there.
    fn next_place(&mut self) -> Option<Range<usize>> {
        self.added += 1;
        let at = NOWHERE.checked_add(self.added)?;
        Some(at..at)
    }

    /// Takes an unknown key away, or gives it the name that was meant.
    fn rename(&mut self, span: &Range<usize>, name: Option<&str>) -> bool {
        let DeValue::Table(root) = self.root.get_mut() else { return false };
        let Some(table) = table_with_key(root, span) else { return false };
        let found = table.keys().find(|key| key.span() == *span).cloned();
        let Some((key, value)) = found.and_then(|key| table.remove_entry(key.get_ref().as_ref()))
        else {
            return false;
        };
        if let Some(name) = name.filter(|name| !table.contains_key(*name)) {
            self.renamed.push(value.span());
            let key = Spanned::new(key.span(), DeString::Owned(name.to_owned()));
            table.insert(key, value);
        }
        true
    }

    /// Adds a missing key.
    fn add(&mut self, span: &Range<usize>, name: &str) -> bool {
        let Some(put) = self.next_place() else { return false };
        let table = if self.root.span() == *span {
            self.root.get_mut()
        } else {
            match find(self.root.get_mut(), None, span) {
                Some(found) => found.value.get_mut(),
                None => return false,
            }
        };
        let DeValue::Table(table) = table else { return false };
        let key = Spanned::new(put.clone(), DeString::Owned(name.to_owned()));
        table.insert(key, Spanned::new(put, stand_in("a string")));
        true
    }
}

/// The table in which a key stands at a place.
fn table_with_key<'a, 't>(
    table: &'a mut DeTable<'t>,
    span: &Range<usize>,
) -> Option<&'a mut DeTable<'t>> {
    if table.keys().any(|key| key.span() == *span) {
        return Some(table);
    }
    for (_, value) in table.iter_mut() {
        let found = match value.get_mut() {
            DeValue::Table(inner) => table_with_key(inner, span),
            DeValue::Array(items) => items.iter_mut().find_map(|item| match item.get_mut() {
                DeValue::Table(inner) => table_with_key(inner, span),
                _ => None,
            }),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// A value of a file.
struct Found<'a, 't> {
    /// The key that it stands at, or that its list does.
    key: String,
    /// Whether it is a part of a list.
    is_part: bool,
    value: &'a mut Spanned<DeValue<'t>>,
}

/// The value at a place, below another; of several the innermost.
fn find<'a, 't>(
    value: &'a mut DeValue<'t>,
    key: Option<&str>,
    span: &Range<usize>,
) -> Option<Found<'a, 't>> {
    let one = |key: String, is_part: bool, inner: &'a mut Spanned<DeValue<'t>>| {
        let is_here = inner.span() == *span;
        if find(inner.get_mut(), Some(&key), span).is_some() {
            return find(inner.get_mut(), Some(&key), span);
        }
        is_here.then_some(Found { key, is_part, value: inner })
    };
    match value {
        DeValue::Table(table) => {
            table.iter_mut().find_map(|(name, inner)| one(name.get_ref().to_string(), false, inner))
        }
        DeValue::Array(items) => {
            items.iter_mut().find_map(|inner| one(key.unwrap_or_default().to_owned(), true, inner))
        }
        _ => None,
    }
}

/// What stands where something of another kind stood, or nothing.
fn stand_in<'t>(expected: &str) -> DeValue<'t> {
    match expected {
        "a boolean" => DeValue::Boolean(false),
        "a sequence" => DeValue::Array(DeArray::new()),
        "f32" | "f64" | "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => {
            whole_one()
        }
        _ if expected.starts_with("a map") || expected.starts_with("struct") => {
            DeValue::Table(DeTable::new())
        }
        _ => DeValue::String(DeString::Borrowed("")),
    }
}

/// The number 1.
fn whole_one<'t>() -> DeValue<'t> {
    DeValue::parse("1").map_or(DeValue::Boolean(false), Spanned::into_inner)
}

/// That a value is of another kind than its key asks for, in the words of the file.
fn wrong_kind(key: &str, is_part: bool, found: &DeValue<'_>, expected: &str) -> String {
    let wanted = match expected {
        "a string" if is_part => "a text in quotes".to_owned(),
        "a string" => format!("a text in quotes, as in {key} = \"..\""),
        "a boolean" => "true or false, without quotes".to_owned(),
        "a sequence" => format!("a list, as in {key} = [\"..\", \"..\"]"),
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        _ => format!("a table, as in {key} = {{ .. }} or [{key}]"),
    };
    let found = match found {
        DeValue::String(text) => {
            let is_number = text.trim().parse::<f64>().is_ok();
            let wants_number = wanted.contains("number");
            let wants_list = expected == "a sequence";
            let hint = match (is_number && wants_number, wants_list) {
                (true, _) => format!("; write it without quotes: {key} = {}", text.trim()),
                (_, true) => format!("; write {key} = [\"{text}\"]"),
                _ => String::new(),
            };
            format!("the text \"{text}\"{hint}")
        }
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(value) if value.is_finite() => format!("the number {number}"),
            _ => format!("{number}, which is larger than any that can be compared"),
        },
        DeValue::Boolean(yes) => format!("{yes}"),
        DeValue::Datetime(moment) => format!("the moment {moment}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    };
    let which = if is_part { "each part of " } else { "" };
    format!("{which}`{key}` is {wanted}; this is {found}")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        id: String,
        version: u32,
        #[serde(default)]
        ladder: Vec<String>,
        #[serde(default)]
        step: Vec<Step>,
        inner: Option<Spanned<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(default)]
        deep: bool,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Step {
        times: Option<Spanned<u16>>,
        share: Option<f64>,
    }

    fn told(text: &str) -> Vec<String> {
        let mut reader = Reader::new("a.toml", text);
        let file: Option<File> = read(&mut reader);
        if let Some(file) = file {
            let _ = (file.id, file.version, file.ladder, file.inner.map(|of| of.get_ref().deep));
            let _ = file.step.first().map(|step| (step.times.is_some(), step.share));
        }
        let problems = reader.take_problems();
        problems.iter().map(|problem| format!("{}: {}", problem.line, problem.message)).collect()
    }

    #[test]
    fn every_mistake_is_told_in_the_words_of_the_file() {
        let text = "verson = \"2\"\nladder = \"RESET\"\n[[step]]\ntimes = -1\nshare = \"much\"\n\
                    extra = 1\n[[step]]\ntimes = \"3\"\nshare = 1e400\n[inner]\ndeep = \"yes\"\n";
        assert_eq!(
            told(text),
            [
                "1: unknown key `verson`, expected one of `id`, `version`, `ladder`, `step`, \
                 `inner`; did you mean `version`?",
                "1: missing key `id`",
                "2: `ladder` is a list, as in ladder = [\"..\", \"..\"]; this is the text \
                 \"RESET\"; write ladder = [\"RESET\"]",
                "4: `times` is a whole number from 0 to 65535; this is the number -1",
                "5: `share` is a number; this is the text \"much\"",
                "6: unknown key `extra`, expected `times` or `share`",
                "8: `times` is a whole number from 0 to 65535; this is the text \"3\"; write it \
                 without quotes: times = 3",
                "9: `share` is a number; this is 1e400, which is larger than any that can be \
                 compared",
                "11: `deep` is true or false, without quotes; this is the text \"yes\"",
            ]
        );
    }

    #[test]
    fn a_line_that_is_no_toml_hides_no_other() {
        let all = told("id = \"a\nversion = 1\nladder = [1]\nlader = []\n");
        assert!(all[0].starts_with("1: this is no TOML: "), "{all:?}");
        assert!(
            all.iter().any(|line| line.starts_with("3: each part of `ladder` is a text")),
            "{all:?}"
        );
        assert!(all.iter().any(|line| line.starts_with("4: unknown key `lader`")), "{all:?}");
        // Nothing untrue follows of what cannot be read.
        assert_eq!(all.len(), 3, "{all:?}");
        assert_eq!(told("id = \"a\"\nversion = 1\n").len(), 0);
    }
}
