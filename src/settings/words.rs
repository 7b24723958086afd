//! The libraries' errors as sentences that say what to write instead.

use config::ConfigError;

/// The libraries' errors as sentences that say what to write instead.
pub(super) fn in_words(error: &ConfigError) -> String {
    let ConfigError::At { error: inner, key, .. } = error else {
        let text = plain(error);
        let key = text.split_once(" for key `").and_then(|(_, rest)| rest.split('`').next());
        return key.and_then(|key| number_words(key, &text)).unwrap_or(text);
    };
    let key = key.as_deref().unwrap_or("a setting");
    let text = plain(inner);
    if text.contains("socket address") {
        return format!("{key} is not ADDRESS:PORT, as in 0.0.0.0:9000");
    }
    if let Some(rest) = text.strip_prefix("enum ")
        && let Some((_, word)) = rest.split_once("does not have variant constructor ")
    {
        return format!("{key} cannot be {word:?}; {}", known_words(key));
    }
    if let Some(words) = number_words(key, &text) {
        return words;
    }
    format!("{key}: {text}")
}

/// A number that does not fit, in words; the library names the width of a machine's word.
fn number_words(key: &str, text: &str) -> Option<String> {
    let (given, wanted) = text.split_once(", expected ")?;
    let is = |words: &[&str]| words.iter().any(|word| wanted.contains(word));
    let largest = match key {
        "backup.every_s" => "86400".to_owned(),
        "backup.hour" => "23".to_owned(),
        "backup.keep" => "10000".to_owned(),
        _ if is(&["u8", "8 bit"]) => u8::MAX.to_string(),
        _ if is(&["u16", "16 bit"]) => u16::MAX.to_string(),
        _ if is(&["u32", "32 bit"]) => u32::MAX.to_string(),
        _ => String::new(),
    };
    if !is(&["u8", "u16", "u32", "u64", "unsigned"]) {
        return None;
    }
    let given = given.split(['`', '"']).nth(1).unwrap_or_default();
    Some(if largest.is_empty() {
        format!("{key} is a whole number, 0 or more, and is {given}")
    } else {
        format!("{key} is a whole number from 0 to {largest}, and is {given}")
    })
}

/// The words that a setting may be, from the comments of the file with the defaults.
fn known_words(key: &str) -> &'static str {
    match key {
        "ocpp.unknown_chargers" => "it is reject, quarantine or accept",
        "ocpp.identity_case" => "it is exact or ignore",
        "ocpp.validation" => "it is tolerant or strict",
        "ocpp.legacy_protocol" => "it is none or ocpp1.6",
        "engine.default_mode" => "it is off, shadow, approve or on",
        _ => "`mendpoint config defaults` says what it may be",
    }
}

/// An error of the settings without the library's own preamble. A name that does not exist gets
/// the nearest one that does.
fn plain(error: &ConfigError) -> String {
    let text = error.to_string();
    let Some(rest) = text.strip_prefix("unknown field `") else { return text };
    let Some((wrong, known)) = rest.split_once('`') else { return text };
    let nearest = known
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|name| (distance(wrong, name), name))
        .min()
        .filter(|(distance, name)| *distance <= name.len() / 2);
    match nearest {
        Some((_, name)) => format!("there is no setting {wrong:?}; did you mean {name}?"),
        None => {
            format!("there is no setting {wrong:?}; `mendpoint config defaults` lists all")
        }
    }
}

/// How many letters have to change to make one word of the other (Levenshtein).
pub(crate) fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
