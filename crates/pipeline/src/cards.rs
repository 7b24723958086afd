//! Cards' numbers that are known here, so that they can be hidden in words: in what chargers, drivers
//! and people wrote, where no field says that a number is a card's (S21).

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use mendpoint_cards::{
    Ending, TextForm, Words, decoded, is_distinct, masked_card, reversed, stands_at,
};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::pipeline::Inner;

/// Numbers of a generation of cards that nobody registered; two generations are kept.
const SEEN_MAX: usize = 50_000;
/// A number in small letters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    text: Box<str>,
    /// Its bytes are the other way round than they are known.
    is_turned: bool,
}

/// Numbers by what they end with: those of a series begin alike.
type ByEnding = FxHashMap<Ending, SmallVec<[Known; 1]>>;

/// Registered cards, and those that were used lately.
#[derive(Debug, Default)]
pub(crate) struct Cards {
    registered: DashMap<Ending, SmallVec<[Known; 1]>>,
    seen: Mutex<Seen>,
    marks: Marks,
}

#[derive(Debug, Default)]
struct Seen {
    now: ByEnding,
    count: usize,
    before: ByEnding,
}

/// A bit for every ending that any number has had: most places of a text are passed over by it alone.
#[derive(Debug)]
struct Marks(Box<[AtomicU64]>);

/// 128 KiB: a tenth of the bits is set by as many numbers as are kept.
const MARKS: usize = 1 << 20;

impl Default for Marks {
    fn default() -> Self {
        Self((0..MARKS / 64).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Marks {
    fn add(&self, ending: Ending) {
        let bit = ending.mark(MARKS);
        self.0[bit / 64].fetch_or(1 << (bit % 64), Ordering::Relaxed);
    }

    fn has(&self, ending: Ending) -> bool {
        let bit = ending.mark(MARKS);
        self.0[bit / 64].load(Ordering::Relaxed) >> (bit % 64) & 1 == 1
    }
}

/// Learns the cards of the newest transactions again after a start, beside everything else.
pub(crate) async fn read_back(inner: Arc<Inner>) {
    match inner.store.card_numbers(SEEN_MAX as u32).await {
        Ok(numbers) => numbers.iter().for_each(|number| inner.tokens.cards.note(number)),
        Err(error) => tracing::warn!(%error, "cards that were used before are not known yet"),
    }
}

impl Known {
    /// A number both ways round, each with what it ends with.
    fn both(token: &str) -> impl Iterator<Item = (Ending, Self)> {
        let turned = reversed(token).map(|turned| (turned, true));
        let own = Some((token.to_ascii_lowercase(), false));
        own.into_iter().chain(turned).filter_map(|(text, is_turned)| {
            Some((Ending::of(&text)?, Self { text: text.into(), is_turned }))
        })
    }

    /// Where it stands, ending at a place of a text, and what is shown of it. The other end of a number
    /// would tell the rest of it: it is shown as it is known.
    fn stands_at(&self, text: &str, at: usize) -> Option<(usize, usize, String)> {
        let (begin, end, shown) = stands_at(text, at, &self.text)?;
        let known = reversed(&self.text).filter(|_| self.is_turned);
        Some((begin, end, known.map_or(shown, |known| masked_card(&known.to_ascii_uppercase()))))
    }
}

impl Cards {
    /// A card that was registered.
    pub(crate) fn register(&self, token: &str) {
        if !is_distinct(token) {
            return;
        }
        for (last, number) in Known::both(token) {
            let mut all = self.registered.entry(last).or_default();
            if !all.contains(&number) {
                all.push(number);
            }
            self.marks.add(last);
        }
    }

    /// A card that was held up somewhere.
    pub(crate) fn note(&self, token: &str) {
        if !is_distinct(token) {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (last, number) in Known::both(token) {
            let has = |of: &ByEnding| of.get(&last).is_some_and(|all| all.contains(&number));
            if has(&seen.now) {
                return;
            }
            if !number.is_turned {
                if seen.count >= SEEN_MAX {
                    seen.before = std::mem::take(&mut seen.now);
                    seen.count = 0;
                }
                seen.count += 1;
            }
            seen.now.entry(last).or_default().push(number);
            self.marks.add(last);
        }
    }

    /// A card that is not known any more: its number is nobody's.
    pub(crate) fn forget(&self, token: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = &mut *seen;
        for (last, number) in Known::both(token) {
            if let Some(mut all) = self.registered.get_mut(&last) {
                all.retain(|known| *known != number);
            }
            for of in [&mut seen.now, &mut seen.before] {
                if let Some(all) = of.get_mut(&last) {
                    all.retain(|known| *known != number);
                }
            }
        }
    }

    /// The text with every known number shortened to its last four characters: as it is, with other
    /// separators or none, within another word, and in base64.
    pub(crate) fn hide<'a>(&self, text: &'a str, form: TextForm) -> Cow<'a, str> {
        let mut out = String::new();
        let mut kept = 0;
        for word in Words::new(text, form) {
            let (mut at, to) = (word.0.max(kept), word.1);
            if at == word.0
                && let Some(hidden) = self.in_base64(&text[word.0..word.1])
            {
                out.push_str(&text[kept..at]);
                out.push_str(&hidden);
                kept = to;
                continue;
            }
            while at < to {
                let found = self.ends_at(text, at).filter(|(begin, ..)| *begin >= kept);
                at += 1;
                if let Some((begin, end, shown)) = found {
                    out.push_str(&text[kept..begin]);
                    out.push_str(&shown);
                    (kept, at) = (end, end);
                }
            }
        }
        if kept == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(&text[kept..]);
        Cow::Owned(out)
    }

    /// The number whose last letter or digit is at a place: where it begins and ends, with the signs that
    /// belong to it, and what is shown of it.
    fn ends_at(&self, text: &str, at: usize) -> Option<(usize, usize, String)> {
        let endings = Ending::all_at(text.as_bytes(), at);
        endings.into_iter().flatten().filter(|last| self.marks.has(*last)).find_map(|last| {
            let longest = |all: &[Known]| {
                let found = all.iter().filter_map(|number| number.stands_at(text, at));
                found.max_by_key(|(begin, end, _)| end - begin)
            };
            if let Some(found) = self.registered.get(&last).and_then(|all| longest(&all)) {
                return Some(found);
            }
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            [&seen.now, &seen.before]
                .into_iter()
                .find_map(|of| of.get(&last).and_then(|all| longest(all)))
        })
    }

    /// What is shown of a word that is the base64 of a text with a known number in it.
    fn in_base64(&self, word: &str) -> Option<String> {
        let inside = decoded(word)?;
        for (from, to) in Words::new(&inside, TextForm::Plain) {
            let mut found = (from..to).filter_map(|at| self.ends_at(&inside, at));
            if let Some((_, _, shown)) = found.next() {
                return Some(shown);
            }
        }
        None
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
            (
                "E04C0FFEE99AB77 is hidden within another word",
                "E…AB77 is hidden within another word",
            ),
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
    fn a_number_is_found_however_it_is_written() {
        let cards = cards(&["04A22B3C4D5E60", "04A2B3C4", "DE-ABC-C12345-X", "12345678"]);
        cards.register("04-FF-EE-DD-CC-BB-A0");
        for (text, shown) in [
            // What readers print.
            ("UID 04:A2:2B:3C:4D:5E:60.", "UID …5E60."),
            ("04-a2-2b-3c-4d-5e-60", "…5e60"),
            ("card 04 A2 2B 3C 4D 5E 60 was", "card …5E60 was"),
            ("04A2 2B3C 4D5E 60", "…5E60"),
            ("uid=04%3AA2%3A2B%3A3C%3A4D%3A5E%3A60&x", "uid=…5E60&x"),
            ("1234 5678", "…5678"),
            // The other way round.
            ("04ffeeddccbba0", "…bba0"),
            ("04:FF:EE:DD:CC:BB:A0", "…BBA0"),
            ("DEABCC12345X and DE*ABC*C12345*X", "…345X and …345X"),
            // Glued to what is no part of it.
            ("card04A22B3C4D5E60was", "card…5E60was"),
            ("card04A2B3C4", "card…B3C4"),
            ("tag_04A2B3C4_x", "tag_…B3C4_x"),
            ("UID04:A2:2B:3C:4D:5E:60", "UID…5E60"),
            ("nr12345678x", "nr…5678x"),
            // base64 of a number, and of a sentence with one.
            ("MDRBMjJCM0M0RDVFNjA=", "…5E60="),
            ("(Y2FyZCAwNEEyMkIzQzRENUU2MCBzZWVu)", "(…5E60)"),
        ] {
            assert_eq!(cards.hide(text, TextForm::Plain), shown);
        }
        for other in [
            // Parts of longer numbers, dates, sums, and numbers that only begin alike.
            "A04A2B3C4 04A2B3C4FF",
            "5712345678 123456789",
            "00:04:A2:B3:C4 04:A2:B3:C4:00",
            "12 345 678",
            "04:A2-B3:C4",
            "04A2, B3C4",
            "DE*ABC*C1*2345*X",
            "04A22B3C4D5E6",
            "019a04a2-b3c4-7000-8000-04a2b3c4d5e6",
            "QXZhaWxhYmxlIDEyMzQ",
        ] {
            assert_eq!(cards.hide(other, TextForm::Plain), other);
        }
        let json = r#"{"a":"\n04:A2:B3:C4\t","b":12345678,"04A2B3C4":"x04A22B3C4D5E60"}"#;
        let hidden = cards.hide(json, TextForm::Json);
        assert_eq!(hidden, r#"{"a":"\n…B3C4\t","b":12345678,"…B3C4":"x…5E60"}"#);
    }

    #[test]
    fn s21_a_chip_is_found_with_its_bytes_the_other_way_round() {
        let cards = cards(&["04A1B2C3", "04A22B3C4D5E60"]);
        cards.register("04-FF-EE-DD");
        for (text, shown) in [
            ("the reader says C3B2A104", "the reader says …B2C3"),
            ("c3:b2:a1:04 here", "…B2C3 here"),
            ("605E4D3C2BA204", "…5E60"),
            ("DDEEFF04 and 04FFEEDD", "…EEDD and …EEDD"),
            // base64 of C3B2A104.
            ("QzNCMkExMDQ=", "…B2C3="),
        ] {
            assert_eq!(cards.hide(text, TextForm::Plain), shown);
        }
        cards.forget("04A1B2C3");
        assert_eq!(cards.hide("C3B2A104", TextForm::Plain), "C3B2A104");
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
