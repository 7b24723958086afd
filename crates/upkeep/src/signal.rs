//! Reading a radio link's strength where a profile says it is, and guessing which configuration keys
//! may hold it.

use mendpoint_model::{SignalReading, SignalUnit, Transport};
use serde_json::Value;

use crate::profile::ReadingRule;

/// Words in the name of a key that may tell of a radio link (2.2c).
const WORDS: [&str; 6] = ["rssi", "rsrp", "rsrq", "csq", "signal", "dbm"];

/// Words that make a name one of a setting about signals rather than of a signal.
const SETTING_WORDS: [&str; 7] =
    ["threshold", "interval", "limit", "enable", "period", "warning", "hysteresis"];

/// Words that speak of Wi-Fi.
const WIFI_WORDS: [&str; 5] = ["wifi", "wlan", "wi-fi", "wireless", "ssid"];

/// Reads what a profile promises out of the data of an answer, the value of a key or a text.
pub(crate) fn read(rules: &[ReadingRule], data: &str) -> Vec<SignalReading> {
    let json: Option<Value> = serde_json::from_str(data).ok();
    let read = |rule: &ReadingRule| {
        let unit = rule.unit?;
        let number = match &json {
            Some(json) => number_at(json, &rule.path),
            None => number_in_text(data, &rule.path),
        }?;
        reading(rule.transport, unit, number)
    };
    rules.iter().filter_map(read).collect()
}

/// A reading, when the number is one of its unit. 99 is `CSQ` for "not known".
pub(crate) fn reading(transport: Transport, unit: SignalUnit, value: f64) -> Option<SignalReading> {
    let fits = match unit {
        SignalUnit::RssiDbm | SignalUnit::RsrpDbm => (-150.0..0.0).contains(&value),
        SignalUnit::Csq => (0.0..=31.0).contains(&value),
        SignalUnit::Percent => (0.0..=100.0).contains(&value),
    };
    fits.then_some(SignalReading { transport, value, unit })
}

/// The number at a path. At its end an object is searched for a name that speaks of a signal.
fn number_at(json: &Value, path: &str) -> Option<f64> {
    let mut here = json;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        here = match here {
            Value::Object(fields) => {
                let found = fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
                found?.1
            }
            Value::Array(items) => match name.parse::<usize>() {
                Ok(index) => items.get(index)?,
                // [{"name": "cell", "rssi": -70}]: the item that calls itself so.
                Err(_) => items.iter().find(|item| {
                    let named = item.as_object().into_iter().flatten();
                    named.into_iter().any(|(_, value)| {
                        value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(name))
                    })
                })?,
            },
            _ => return None,
        };
    }
    scalar(here).or_else(|| {
        let fields = here.as_object()?;
        let named = fields.iter().find(|(field, value)| speaks(field) && scalar(value).is_some());
        scalar(named?.1)
    })
}

fn scalar(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => leading_number(text),
        _ => None,
    }
}

/// The number in text that is not JSON: the text's own for an empty path, else the one behind
/// `path=` or `path:`.
fn number_in_text(text: &str, path: &str) -> Option<f64> {
    if path.is_empty() {
        if let Some(number) = leading_number(text) {
            return Some(number);
        }
        let text = text.to_ascii_lowercase();
        return WORDS.iter().find_map(|word| number_in_text(&text, word));
    }
    let lower = text.to_ascii_lowercase();
    let last = path.rsplit('.').next().unwrap_or(path).to_ascii_lowercase();
    let behind = &text[lower.find(&last)? + last.len()..];
    let behind = behind.trim_start_matches([' ', '=', ':', '"', '\'', '\t', '(', '[']);
    leading_number(behind)
}

/// The number that a text begins with: `-71 dBm`, `45%`.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|letter: char| !matches!(letter, '0'..='9' | '-' | '+' | '.'));
    let number: f64 = text[..end.unwrap_or(text.len())].parse().ok()?;
    number.is_finite().then_some(number)
}

fn speaks(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
        && !SETTING_WORDS.iter().any(|word| name.contains(word))
}

/// What a configuration key may be: a guess for a person to confirm, never used by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// The unit.
    pub unit: SignalUnit,
    /// The link.
    pub transport: Transport,
    /// The number it holds now.
    pub value: f64,
}

/// Guesses whether a key tells of a radio link: by its name, and by a value that can be one.
pub fn guess(key: &str, value: &str) -> Option<Guess> {
    if !speaks(key) {
        return None;
    }
    let number = leading_number(value)?;
    let name = key.to_ascii_lowercase();
    let unit = if name.contains("csq") {
        SignalUnit::Csq
    } else if number < 0.0 && name.contains("rsrp") {
        SignalUnit::RsrpDbm
    } else if number < 0.0 {
        SignalUnit::RssiDbm
    } else {
        SignalUnit::Percent
    };
    let is_wifi = WIFI_WORDS.iter().any(|word| name.contains(word));
    let transport = if is_wifi { Transport::Wifi } else { Transport::Cellular };
    reading(transport, unit, number)?;
    Some(Guess { unit, transport, value: number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str, unit: Option<SignalUnit>) -> ReadingRule {
        ReadingRule { path: path.to_owned(), unit, transport: Transport::Wifi }
    }

    #[test]
    fn a_number_is_found_in_every_dress() {
        for (path, data, expected) in [
            ("", "-74", Some(-74.0)),
            ("", "-74 dBm", Some(-74.0)),
            ("", r#"{"rssi":-61}"#, Some(-61.0)),
            ("", "RSSI: -70 dBm", Some(-70.0)),
            ("pp2", r#"{"en1":{"up":true},"pp2":{"RSSI":"-66"}}"#, Some(-66.0)),
            ("pp2.level", r#"{"pp2":{"level":-50}}"#, Some(-50.0)),
            ("cell", r#"[{"name":"cell","rssi":-101}]"#, Some(-101.0)),
            ("pp2", "en1=down; pp2=-81; cell=-99", Some(-81.0)),
            ("cell", r#"{"pp2":{"rssi":-66}}"#, None),
            ("", r#"{"temperature":-5}"#, None),
            ("", "12", None),
        ] {
            let found = read(&[rule(path, Some(SignalUnit::RssiDbm))], data);
            assert_eq!(found.first().map(|reading| reading.value), expected, "{path} in {data}");
        }
        assert!(read(&[rule("", None)], "4").is_empty(), "bars are no measure");
        assert!(read(&[rule("", Some(SignalUnit::Csq))], "99").is_empty(), "99 is not known");
    }

    #[test]
    fn keys_are_guessed_by_name_and_value() {
        let found = guess("WifiRSSI", "-71").expect("is one");
        assert_eq!((found.unit, found.transport), (SignalUnit::RssiDbm, Transport::Wifi));
        let found = guess("ModemCSQ", "17").expect("is one");
        assert_eq!((found.unit, found.transport), (SignalUnit::Csq, Transport::Cellular));
        assert_eq!(guess("SignalStrength", "45%").map(|one| one.unit), Some(SignalUnit::Percent));
        assert_eq!(guess("SignalThreshold", "-80"), None);
        assert_eq!(guess("HeartbeatInterval", "60"), None);
        assert_eq!(guess("RSSI", "n/a"), None);
    }
}
