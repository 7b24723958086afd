//! Cards' numbers that are known here, so that they can be hidden in words: in what chargers, drivers
//! and people wrote, where no field says that a number is a card's (S21).

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::pipeline::Inner;

/// Numbers of a generation of cards that nobody registered; two generations are kept.
const SEEN_MAX: usize = 50_000;
/// A shorter number is too much like any other word, and so is one without a digit.
const LEAST: usize = 6;
/// One of digits only must be longer: the program's own numbers are of digits too.
const LEAST_DIGITS: usize = 8;

/// A text's form: what a number may stand beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextForm {
    /// Words, a page, a table.
    Plain,
    /// JSON: only what stands in quotation marks is looked at, so that it stays JSON.
    Json,
}

/// Numbers by their first run of letters and digits, all in small letters.
type ByBeginning = FxHashMap<Box<str>, SmallVec<[Box<str>; 1]>>;

/// Registered cards, and those that were used lately.
#[derive(Debug, Default)]
pub(crate) struct Cards {
    registered: DashMap<Box<str>, SmallVec<[Box<str>; 1]>>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    now: ByBeginning,
    count: usize,
    before: ByBeginning,
}

/// Learns the cards of the newest transactions again after a start, beside everything else.
pub(crate) async fn read_back(inner: Arc<Inner>) {
    match inner.store.card_numbers(SEEN_MAX as u32).await {
        Ok(numbers) => numbers.iter().for_each(|number| inner.tokens.cards.note(number)),
        Err(error) => tracing::warn!(%error, "cards that were used before are not known yet"),
    }
}

/// A token with its beginning hidden: tokens are personal data.
pub fn masked_card(token: &str) -> String {
    let count = token.chars().count();
    if count <= 4 {
        return "*".repeat(count);
    }
    let tail: String = token.chars().skip(count - 4).collect();
    format!("…{tail}")
}

/// Whether a number is unlike a word or a number of our own.
fn is_distinct(token: &str) -> bool {
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    let least = if digits == token.len() { LEAST_DIGITS } else { LEAST };
    digits > 0 && token.len() >= least && token.is_ascii()
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The first run of letters and digits in a number, and where it begins.
fn beginning(token: &str) -> Option<(usize, &str)> {
    let at = token.bytes().position(is_part)?;
    let rest = &token[at..];
    let end = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
    Some((at, &rest[..end]))
}

impl Cards {
    /// A card that was registered.
    pub(crate) fn register(&self, token: &str) {
        let token = token.to_ascii_lowercase();
        if !is_distinct(&token) {
            return;
        }
        if let Some((_, first)) = beginning(&token) {
            let mut all = self.registered.entry(first.into()).or_default();
            if !all.iter().any(|known| **known == *token) {
                all.push(token.into());
            }
        }
    }

    /// A card that was held up somewhere.
    pub(crate) fn note(&self, token: &str) {
        if !is_distinct(token) {
            return;
        }
        let token = token.to_ascii_lowercase();
        let Some((_, first)) = beginning(&token) else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |of: &ByBeginning| {
            of.get(first).is_some_and(|all| all.iter().any(|known| **known == *token))
        };
        if has(&seen.now) {
            return;
        }
        if seen.count >= SEEN_MAX {
            seen.before = std::mem::take(&mut seen.now);
            seen.count = 0;
        }
        seen.count += 1;
        let first = Box::from(first);
        seen.now.entry(first).or_default().push(token.into());
    }

    /// A card that is not known any more: its number is nobody's.
    pub(crate) fn forget(&self, token: &str) {
        let token = token.to_ascii_lowercase();
        let Some((_, first)) = beginning(&token) else { return };
        if let Some(mut all) = self.registered.get_mut(first) {
            all.retain(|known| **known != *token);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = &mut *seen;
        for of in [&mut seen.now, &mut seen.before] {
            if let Some(all) = of.get_mut(first) {
                all.retain(|known| **known != *token);
            }
        }
    }

    /// The text with every known number shortened to its last four characters.
    pub(crate) fn hide<'a>(&self, text: &'a str, form: TextForm) -> Cow<'a, str> {
        let mut out = String::new();
        let (mut kept, mut small) = (0, String::new());
        let mut words = Words { text: text.as_bytes(), at: 0, form, is_quoted: false };
        while let Some((from, to)) = words.next() {
            if from < kept || to - from > 64 {
                continue;
            }
            small.clear();
            small.push_str(&text[from..to]);
            small.make_ascii_lowercase();
            let Some((begin, end)) = self.stands_at(text, from, &small) else { continue };
            out.push_str(&text[kept..begin.max(kept)]);
            out.push_str(&masked_card(&text[begin..end]));
            kept = end;
        }
        if kept == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(&text[kept..]);
        Cow::Owned(out)
    }

    /// Where the number begins and ends whose first run is the one at `from`.
    fn stands_at(&self, text: &str, from: usize, run: &str) -> Option<(usize, usize)> {
        let fits = |token: &str| {
            let (lead, _) = beginning(token)?;
            let begin = from.checked_sub(lead)?;
            let end = begin + token.len();
            let found = text.get(begin..end)?;
            let is_whole = found.eq_ignore_ascii_case(token)
                && !text.as_bytes().get(end).copied().is_some_and(is_part);
            is_whole.then_some((begin, end))
        };
        let longest = |all: &[Box<str>]| {
            all.iter().filter_map(|token| fits(token)).max_by_key(|(begin, end)| end - begin)
        };
        if let Some(found) = self.registered.get(run).and_then(|all| longest(&all)) {
            return Some(found);
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        [&seen.now, &seen.before]
            .into_iter()
            .find_map(|of| of.get(run).and_then(|all| longest(all)))
    }
}

/// The runs of letters and digits in a text.
struct Words<'a> {
    text: &'a [u8],
    at: usize,
    form: TextForm,
    is_quoted: bool,
}

impl Words<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    /// What is written for another letter is no part of a word: `\n`, `\u0022`, `%20`.
    fn skip_written(&mut self) {
        match self.byte(0) {
            Some(b'\\') => match self.byte(1) {
                Some(b'u') => self.at += 6,
                Some(b'\\') => self.at += 1,
                _ => self.at += 2,
            },
            Some(b'%')
                if [1, 2].iter().all(|ahead| {
                    self.byte(*ahead).is_some_and(|byte| byte.is_ascii_hexdigit())
                }) =>
            {
                self.at += 3;
            }
            Some(b'"') => {
                self.is_quoted = !self.is_quoted;
                self.at += 1;
            }
            _ => self.at += 1,
        }
    }

    fn next(&mut self) -> Option<(usize, usize)> {
        loop {
            while !is_part(self.byte(0)?) {
                self.skip_written();
            }
            let from = self.at;
            while self.byte(0).is_some_and(is_part) {
                self.at += 1;
            }
            if self.form == TextForm::Plain || self.is_quoted {
                return Some((from, self.at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cards(tokens: &[&str]) -> Cards {
        let cards = Cards::default();
        for token in tokens {
            cards.note(token);
        }
        cards
    }

    #[test]
    fn a_known_number_is_hidden_in_words_and_nothing_else_is() {
        let cards = cards(&["04C0FFEE99AB77", "DE-ABC-C12345-X", "#77120042"]);
        cards.register("FLEET-0007");
        for (text, shown) in [
            ("the card 04c0ffee99ab77, twice", "the card …ab77, twice"),
            ("E04C0FFEE99AB77 is another word", "E04C0FFEE99AB77 is another word"),
            ("by DE-ABC-C12345-X or DE-ABC-C1", "by …45-X or DE-ABC-C1"),
            ("card=#77120042;", "card=…0042;"),
            ("<td>&#34;fleet-0007&#34;</td>", "<td>&#34;…0007&#34;</td>"),
            ("?q=%2204C0FFEE99AB77%22", "?q=%22…AB77%22"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(cards.hide(text, TextForm::Plain), shown);
        }
        cards.forget("fleet-0007");
        assert_eq!(cards.hide("FLEET-0007", TextForm::Plain), "FLEET-0007");
    }

    #[test]
    fn json_stays_json() {
        let cards = cards(&["04C0FFEE99AB77", "12345678"]);
        let text =
            r#"{"seq":12345678,"text":"a\n04C0FFEE99AB77 \"12345678\" \\u002204C0FFEE99AB77"}"#;
        let hidden = cards.hide(text, TextForm::Json);
        assert_eq!(hidden, r#"{"seq":12345678,"text":"a\n…AB77 \"…5678\" \\u0022…AB77"}"#);
        assert!(serde_json::from_str::<serde_json::Value>(&hidden).is_ok());
        // JSON that stands in JSON, as in a log of messages.
        let inner = serde_json::json!({ "text": text }).to_string();
        let hidden = cards.hide(&inner, TextForm::Json);
        assert!(
            !hidden.contains("04C0") && serde_json::from_str::<serde_json::Value>(&hidden).is_ok()
        );
    }

    #[test]
    fn words_of_our_own_are_left_alone() {
        let cards = cards(&["Local", "1234", "2026123", "Available", "TAG1"]);
        let text = "Local 1234 2026123 Available TAG1";
        assert_eq!(cards.hide(text, TextForm::Plain), text);
    }

    #[test]
    fn what_was_not_used_for_long_gives_way_and_registered_ones_stay() {
        let cards = cards(&["AAAA0001"]);
        cards.register("BBBB0001");
        for number in 0..3 * SEEN_MAX {
            cards.note(&format!("C{number:07}"));
        }
        assert_eq!(cards.hide("AAAA0001 BBBB0001", TextForm::Plain), "AAAA0001 …0001");
        let seen = cards.seen.lock().expect("not poisoned");
        assert!(seen.now.len() + seen.before.len() <= 2 * SEEN_MAX);
    }
}
