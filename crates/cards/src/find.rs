//! Where a number stands in a text, however it is written: a card's number comes out of one reader as
//! `04A22B3C`, out of another as `04:a2:2b:3c`, and people put it into words.

use crate::number::LEAST_DIGITS;
use crate::{TextForm, masked_card};

/// Letters and digits that a number is found by.
const LAST: usize = 6;
/// Fewer than these are found in no text.
const FEW: usize = 4;
/// A shorter one is not looked for within other words.
const LEAST_WITHIN: usize = 8;
/// One that is not shorter is no part of a longer hexadecimal number by chance.
const LEAST_IN_HEX: usize = 14;
/// The longest word that is tried as base64.
const DECODED_MAX: usize = 512;

pub(crate) fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The last letters and digits of a number, in small letters, the last one first: what it is looked up
/// by where many are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ending([u8; LAST]);

impl Ending {
    /// Of a number; none where it has too few letters and digits.
    pub fn of(token: &str) -> Option<Self> {
        let mut last = Self::default();
        let letters = token.bytes().rev().filter(u8::is_ascii_alphanumeric);
        for (place, byte) in last.0.iter_mut().zip(letters) {
            *place = byte.to_ascii_lowercase();
        }
        (last.0[FEW - 1] != 0).then_some(last)
    }

    /// One of so many numbers for it, a power of two.
    pub fn mark(self, of: usize) -> usize {
        let packed = self.0.iter().fold(0_u64, |packed, byte| packed << 8 | u64::from(*byte));
        (packed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & (of - 1)
    }

    /// What the number may end with whose last letter or digit is at a place of a text. Those with few
    /// are found as whole words only.
    pub fn all_at(text: &[u8], at: usize) -> [Option<Self>; 1 + LAST - FEW] {
        let mut all = [None; 1 + LAST - FEW];
        if !text.get(at).is_some_and(u8::is_ascii_alphanumeric) {
            return all;
        }
        let (mut last, mut place) = (Self::default(), at);
        for count in 1..=LAST {
            last.0[count - 1] = text[place].to_ascii_lowercase();
            let before = previous(text, place);
            let is_start = !matches!(before, Some((None, _)));
            if count == LAST || (is_start && count >= FEW) {
                all[LAST - count] = Some(last);
            }
            match before {
                Some((_, before)) => place = before,
                None => break,
            }
        }
        all
    }
}

/// The separator that ends before a place, and its length; `%3A` is one in an address.
fn separator(text: &[u8], end: usize) -> Option<(u8, usize)> {
    if let Some(from) = end.checked_sub(3)
        && text[from] == b'%'
    {
        let sign = match &text[from + 1..end] {
            b"3A" | b"3a" => b':',
            b"2D" | b"2d" => b'-',
            b"2A" | b"2a" => b'*',
            b"20" => b' ',
            _ => return None,
        };
        return Some((sign, 3));
    }
    match *text.get(end.checked_sub(1)?)? {
        sign @ (b':' | b'-' | b' ' | b'.' | b'_' | b'*') => Some((sign, 1)),
        b'+' => Some((b' ', 1)),
        _ => None,
    }
}

/// The letter or digit before a place, and the separator in between if there is one.
fn previous(text: &[u8], at: usize) -> Option<(Option<u8>, usize)> {
    let sign = separator(text, at);
    let end = at - sign.map_or(0, |(_, len)| len);
    let before = end.checked_sub(1)?;
    text[before].is_ascii_alphanumeric().then_some((sign.map(|(sign, _)| sign), before))
}

/// Where a number begins and ends whose last letter or digit is the one at `at`, and what is shown of
/// it.
pub fn stands_at(text: &str, at: usize, token: &str) -> Option<(usize, usize, String)> {
    as_it_is(text, at, token).or_else(|| written_otherwise(text, at, token))
}

/// The number as it was registered, with its own signs, as whole words.
fn as_it_is(text: &str, at: usize, token: &str) -> Option<(usize, usize, String)> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric();
    let lead = token.bytes().position(is_letter)?;
    let trail = token.bytes().rev().position(is_letter)?;
    let end = at + 1 + trail;
    let begin = end.checked_sub(token.len())?;
    let found = text.get(begin..end).filter(|found| found.eq_ignore_ascii_case(token))?;
    let bytes = text.as_bytes();
    let is_whole = run_before(bytes, begin + lead).is_empty() && run_from(bytes, end).is_empty();
    is_whole.then(|| (begin, end, masked_card(found)))
}

/// The number with other separators or none, or within another word.
fn written_otherwise(text: &str, at: usize, token: &str) -> Option<(usize, usize, String)> {
    let bytes = text.as_bytes();
    let wanted: Vec<u8> = token.bytes().filter(u8::is_ascii_alphanumeric).collect();
    if wanted.len() < LAST {
        return None;
    }
    let (mut found, mut between) = (Vec::with_capacity(wanted.len()), None);
    let (mut groups, mut group, mut begin) = (Vec::new(), 0, at);
    for (number, letter) in wanted.iter().rev().enumerate() {
        let (sign, place) = if number == 0 { (None, at) } else { previous(bytes, begin)? };
        if let Some(sign) = sign {
            if between.is_some_and(|between| between != sign) {
                return None;
            }
            between = Some(sign);
            groups.push(std::mem::take(&mut group));
        }
        if !bytes[place].eq_ignore_ascii_case(letter) {
            return None;
        }
        found.push(char::from(bytes[place]));
        group += 1;
        begin = place;
    }
    groups.push(group);
    groups.reverse();
    let fits = is_grouped(&groups, token)
        && !goes_on(bytes, begin, at + 1, between)
        && may_be_within(&wanted, run_before(bytes, begin), run_from(bytes, at + 1));
    fits.then(|| (begin, at + 1, masked_card(&found.iter().rev().collect::<String>())))
}

/// The letters and digits that follow without a separator.
fn run_from(text: &[u8], from: usize) -> &[u8] {
    let rest = text.get(from..).unwrap_or_default();
    let len = rest.iter().position(|byte| !is_part(*byte)).unwrap_or(rest.len());
    &rest[..len]
}

/// The letters and digits that stand before without a separator, but for what is written for another
/// sign: `\n`, `\u0022`, `%22`.
fn run_before(text: &[u8], end: usize) -> &[u8] {
    let len = text[..end].iter().rev().position(|byte| !is_part(*byte)).unwrap_or(end);
    let from = end - len;
    let written = match from.checked_sub(1).map(|sign| text[sign]) {
        Some(b'\\') if text[from..end].first() == Some(&b'u') => 5,
        Some(b'\\') => 1,
        Some(b'%') => 2,
        _ => 0,
    };
    &text[(from + written).min(end)..end]
}

/// Whether the groups are those of a number that is written out: all alike but for a shorter last one, or
/// the number's own. Sums and dates are not.
fn is_grouped(groups: &[usize], token: &str) -> bool {
    let [all @ .., last] = groups else { return false };
    let first = all.first().copied().unwrap_or(*last);
    if all.iter().all(|group| *group == first) && *last <= first {
        return true;
    }
    let own = token.split(|c: char| !c.is_ascii_alphanumeric()).filter(|group| !group.is_empty());
    own.map(str::len).eq(groups.iter().copied())
}

/// Whether there are more groups of the same kind before or behind: then it is a part of a longer
/// number. A space stands between words too.
fn goes_on(text: &[u8], begin: usize, end: usize, between: Option<u8>) -> bool {
    let Some(between) = between.filter(|between| *between != b' ') else { return false };
    let is_before = matches!(previous(text, begin), Some((Some(sign), _)) if sign == between);
    let behind = text.get(end) == Some(&between) && text.get(end + 1).copied().is_some_and(is_part);
    is_before || behind
}

/// Whether a number may stand between these letters and digits: it is not a part of a longer one.
fn may_be_within(number: &[u8], before: &[u8], after: &[u8]) -> bool {
    if before.is_empty() && after.is_empty() {
        return true;
    }
    if number.len() < LEAST_WITHIN {
        return false;
    }
    if number.iter().all(u8::is_ascii_digit) {
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        return number.len() >= LEAST_DIGITS
            && !is_digit(before.last())
            && !is_digit(after.first());
    }
    let is_hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    number.len() >= LEAST_IN_HEX || !(is_hex(number) && is_hex(before) && is_hex(after))
}

/// The text that a word is the base64 of, if it is one of plain signs. Letters and digits give letters
/// and digits only, so that the two other signs of base64 and its end need not be looked for.
pub fn decoded(word: &str) -> Option<String> {
    if !(LAST + 2..=DECODED_MAX).contains(&word.len()) {
        return None;
    }
    let mut out = String::with_capacity(word.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in word.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [.., sign] = (bits >> count).to_be_bytes();
            // Most words end here.
            if !(b' '..=b'~').contains(&sign) {
                return None;
            }
            out.push(char::from(sign));
        }
    }
    Some(out)
}

/// The runs of letters and digits in a text.
#[derive(Debug)]
pub struct Words<'a> {
    text: &'a [u8],
    at: usize,
    form: TextForm,
    is_quoted: bool,
}

impl<'a> Words<'a> {
    /// Those of a text.
    pub fn new(text: &'a str, form: TextForm) -> Self {
        Self { text: text.as_bytes(), at: 0, form, is_quoted: false }
    }

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
}

impl Iterator for Words<'_> {
    /// Where it begins and ends.
    type Item = (usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
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
