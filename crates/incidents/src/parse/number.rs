//! Numbers of a rule that stand outside of its expressions: each may be the name of a threshold.

use std::ops::RangeInclusive;

use serde_spanned::Spanned;

use crate::problem::{Reader, nearest};

/// What a severity may be, for people.
const SEVERITY: &str = "a severity goes from 0 (danger) to 9 (debug)";

/// A number, or the threshold that is named in its place.
fn read(reader: &Reader<'_>, word: &toml::Value, key: &str) -> Result<f64, String> {
    match word {
        toml::Value::Integer(number) => Ok(*number as f64),
        toml::Value::Float(number) => Ok(*number),
        toml::Value::String(name) => reader.thresholds.number(name).unwrap_or_else(|| {
            let names = reader.thresholds.names();
            let what = kind_words(key);
            Err(if name.trim().parse::<f64>().is_ok() {
                format!("{what}, without quotes: {key} = {}", name.trim())
            } else if names.is_empty() {
                format!("{what}; \"{name}\" is none, and this rule declares no threshold")
            } else {
                let hint = nearest(name, names.iter().copied()).map_or_else(
                    || format!("; this rule declares {}", names.join(", ")),
                    |near| format!("; did you mean `{near}`?"),
                );
                format!("{what}, or the name of a threshold; \"{name}\" is neither{hint}")
            })
        }),
        _ => Err(format!("{}, or the name of a threshold", kind_words(key))),
    }
}

/// What stands at a key, for people.
fn kind_words(key: &str) -> String {
    if key == "severity" { SEVERITY.to_owned() } else { format!("{key} is a number") }
}

/// A whole number within bounds; where it is wrong, that is noted and the least one goes on.
pub(super) fn whole(
    reader: &mut Reader<'_>,
    word: &Spanned<toml::Value>,
    key: &str,
    bounds: RangeInclusive<u32>,
) -> u32 {
    let (least, most) = (*bounds.start(), *bounds.end());
    let number = read(reader, word.get_ref(), key).and_then(|number| {
        let is_fit =
            number.fract() == 0.0 && (f64::from(least)..=f64::from(most)).contains(&number);
        is_fit.then_some(number as u32).ok_or_else(|| {
            format!("{key} goes from {least} to {most}, as a whole number; this is {number}")
        })
    });
    number.unwrap_or_else(|message| {
        reader.refuse(word.span().start, message);
        least
    })
}

/// A number within bounds.
pub(super) fn number(
    reader: &mut Reader<'_>,
    word: &Spanned<toml::Value>,
    key: &str,
    bounds: RangeInclusive<f64>,
) -> f64 {
    let (least, most) = (*bounds.start(), *bounds.end());
    let number = read(reader, word.get_ref(), key).and_then(|number| {
        let is_fit = number.is_finite() && bounds.contains(&number);
        is_fit
            .then_some(number)
            .ok_or_else(|| format!("{key} goes from {least} to {most}; this is {number}"))
    });
    number.unwrap_or_else(|message| {
        reader.refuse(word.span().start, message);
        least
    })
}

/// How serious something is.
pub(super) fn severity(reader: &mut Reader<'_>, word: &Spanned<toml::Value>) -> u8 {
    let number = read(reader, word.get_ref(), "severity").and_then(|number| {
        let is_fit = number.fract() == 0.0 && (0.0..=9.0).contains(&number);
        is_fit.then_some(number as u8).ok_or_else(|| format!("{SEVERITY}; {number} is none"))
    });
    number.unwrap_or_else(|message| {
        reader.refuse(word.span().start, message);
        9
    })
}
