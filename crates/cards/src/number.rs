//! One number and all of its spellings.

use crate::find::{Words, decoded, is_part, stands_at};
use crate::{TextForm, masked_card};

/// A shorter number is too much like any other word, and so is one without a digit.
const LEAST: usize = 6;
/// One of digits only must be longer: the program's own numbers are of digits too.
pub(crate) const LEAST_DIGITS: usize = 8;
/// Signs that stand between the letters of a number.
const SEPARATORS: [char; 7] = [':', '-', ' ', '.', '_', '*', '+'];
/// Hexadecimal digits of a chip's number: ISO 14443 has 4, 7 or 10 bytes, ISO 15693 has 8.
const CHIP: [usize; 4] = [8, 14, 16, 20];

/// Whether a number is unlike a word or a number of our own, so that it can be looked for anywhere.
pub fn is_distinct(token: &str) -> bool {
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    let least = if digits == token.len() { LEAST_DIGITS } else { LEAST };
    digits > 0 && token.len() >= least && token.is_ascii()
}

/// The letters and digits of a number in small letters; `None` when other signs than separators are in
/// it.
fn letters(token: &str) -> Option<String> {
    let kept = |c: &char| !SEPARATORS.contains(c);
    let letters: String = token.trim().chars().filter(kept).collect();
    letters.bytes().all(|byte| byte.is_ascii_alphanumeric()).then(|| letters.to_ascii_lowercase())
}

/// The number of a chip with its bytes the other way round, in small letters: readers do not agree on
/// which end of it comes first. `None` for what is no chip's number, and for one that reads the same
/// from both ends.
pub fn reversed(token: &str) -> Option<String> {
    let letters = letters(token)?;
    let is_chip = CHIP.contains(&letters.len()) && letters.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_chip {
        return None;
    }
    let bytes: Vec<&str> = (0..letters.len()).step_by(2).map(|at| &letters[at..at + 2]).collect();
    let turned: String = bytes.into_iter().rev().collect();
    (turned != letters).then_some(turned)
}

/// Where a number stands in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The place of its first byte.
    pub begin: usize,
    /// The place behind its last byte.
    pub end: usize,
    /// What is shown of it to those who may not see it.
    pub shown: String,
}

/// A number that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// In small letters: idTags are compared without case (`CiString`).
    token: String,
    letters: Option<String>,
    reversed: Option<String>,
    /// Whether it is looked for in other spellings than its own.
    is_distinct: bool,
}

impl Number {
    /// A number as somebody wrote it.
    pub fn new(token: &str) -> Self {
        let token = token.trim().to_ascii_lowercase();
        let is_distinct = is_distinct(&token);
        let (letters, reversed) = (letters(&token), reversed(&token));
        Self { token, letters, reversed, is_distinct }
    }

    /// The same number where its bytes are not looked at the other way round, too: where the other way
    /// round it is somebody else's.
    #[must_use]
    pub fn one_way(mut self) -> Self {
        self.reversed = None;
        self
    }

    /// As it was written, in small letters.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// With its bytes the other way round, if it is a chip's.
    pub fn reversed(&self) -> Option<&str> {
        self.reversed.as_deref()
    }

    /// One text for all spellings of the number. Of a chip's number it is the smaller one of both ways
    /// round; one of digits only may be a number that somebody made up, and stays as it is.
    pub fn canonical(&self) -> &str {
        let letters = match &self.letters {
            Some(letters) if self.is_distinct => letters,
            _ => return &self.token,
        };
        match &self.reversed {
            Some(turned) if !letters.bytes().all(|byte| byte.is_ascii_digit()) => {
                letters.min(turned)
            }
            _ => letters,
        }
    }

    /// Whether a text is this number and nothing else, in any spelling.
    pub fn is(&self, text: &str) -> bool {
        let text = text.trim();
        if text.eq_ignore_ascii_case(&self.token) {
            return true;
        }
        if !self.is_distinct {
            return false;
        }
        let Some(other) = letters(text) else { return false };
        self.letters.as_deref() == Some(&*other) || self.reversed.as_deref() == Some(&*other)
    }

    /// Whether it stands in a text.
    pub fn is_in(&self, text: &str) -> bool {
        self.spellings().any(|(last, spelling, _)| {
            ends(text, last).any(|at| stands_at(text, at, spelling).is_some())
        }) || self.in_base64(text).next().is_some()
    }

    /// Where it stands in a text, in any spelling, from the first to the last; they do not overlap. A
    /// number that is like a word is not looked for.
    pub fn places(&self, text: &str) -> Vec<Found> {
        let mut found: Vec<Found> = self.in_base64(text).collect();
        for (last, spelling, is_turned) in self.spellings() {
            found.extend(ends(text, last).filter_map(|at| {
                let (begin, end, shown) = stands_at(text, at, spelling)?;
                // The other end of the number would tell the rest of it.
                let shown = if is_turned { masked_card(&self.token) } else { shown };
                Some(Found { begin, end, shown })
            }));
        }
        found.sort_by_key(|one| (one.begin, std::cmp::Reverse(one.end)));
        let mut free = 0;
        found.retain(|one| {
            let is_free = one.begin >= free;
            free = free.max(one.end);
            is_free
        });
        found
    }

    /// The last letter or digit of each spelling, the spelling, and whether it is the other way round.
    fn spellings(&self) -> impl Iterator<Item = (u8, &str, bool)> {
        let own = Some((&*self.token, false));
        let turned = self.reversed.as_deref().map(|turned| (turned, true));
        own.into_iter().chain(turned).filter(|_| self.is_distinct).filter_map(
            |(text, is_turned)| {
                let last = text.bytes().rev().find(u8::is_ascii_alphanumeric)?;
                Some((last, text, is_turned))
            },
        )
    }

    /// The words that are the base64 of a text with the number in it.
    fn in_base64<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Found> + 'a {
        let words = Words::new(text, TextForm::Plain);
        words.filter(|_| self.is_distinct).filter_map(move |(begin, end)| {
            let inside = decoded(&text[begin..end])?;
            let found = self.spellings().any(|(last, spelling, _)| {
                ends(&inside, last).any(|at| stands_at(&inside, at, spelling).is_some())
            });
            found.then(|| Found { begin, end, shown: masked_card(&self.token) })
        })
    }
}

/// Where a letter or digit stands in a text.
fn ends(text: &str, last: u8) -> impl Iterator<Item = usize> {
    let is_last = move |byte: u8| is_part(byte) && byte.eq_ignore_ascii_case(&last);
    text.bytes().enumerate().filter(move |(_, byte)| is_last(*byte)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_has_its_bytes_the_other_way_round_at_another_reader() {
        for (token, turned) in [
            ("04A1B2C3", Some("c3b2a104")),
            ("04:A2:2B:3C:4D:5E:60", Some("605e4d3c2ba204")),
            ("E004015000112233", Some("33221100500104e0")),
            ("04A104", None),
            ("DE-ABC-C1", None),
            ("12/34567", None),
        ] {
            assert_eq!(reversed(token).as_deref(), turned, "{token}");
        }
        assert_eq!(reversed("A1B2B2A1"), None, "it reads the same from both ends");
    }

    #[test]
    fn every_spelling_is_the_number_and_has_one_name() {
        let number = Number::new("04A1B2C3");
        for text in ["04a1b2c3", "04:A1:B2:C3", "C3B2A104", "c3-b2-a1-04", " 04A1 B2C3 "] {
            assert!(number.is(text), "{text}");
            assert_eq!(Number::new(text).canonical(), "04a1b2c3", "{text}");
        }
        for other in ["04A1B2C4", "A104C3B2", "04A1B2C300", "04/A1/B2/C3", ""] {
            assert!(!number.is(other), "{other}");
        }
        // A number that somebody made up has no other way round to be known by.
        assert_eq!(Number::new("12345678").canonical(), "12345678");
        assert_eq!(Number::new("Local").canonical(), "local");
        assert!(!Number::new("TAG1").is("TAG-1") && Number::new("TAG1").is("tag1"));
        assert!(!number.one_way().is("C3B2A104"));
    }

    #[test]
    fn a_number_is_found_in_words_in_every_spelling() {
        let number = Number::new("04A1B2C3");
        for (text, begin, end) in [
            ("card 04a1b2c3.", 5, 13),
            ("card C3B2A104.", 5, 13),
            ("UID C3:B2:A1:04!", 4, 15),
            ("cardC3B2A104", 4, 12),
            ("MDRBMUIyQzM=", 0, 11),
            ("QzNCMkExMDQ=", 0, 11),
        ] {
            let found = number.places(text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!((found[0].begin, found[0].end), (begin, end), "{text}");
            assert!(found[0].shown.to_lowercase().ends_with("b2c3"), "{text}: {found:?}");
            assert!(number.is_in(text));
        }
        for other in ["C3B2A10455", "04A1B2", "C3:B2:A1:04:05", "nothing"] {
            assert!(number.places(other).is_empty() && !number.is_in(other), "{other}");
        }
        let both = number.places("04A1B2C3, C3B2A104 and 04-A1-B2-C3");
        assert_eq!(both.len(), 3, "{both:?}");
    }
}
