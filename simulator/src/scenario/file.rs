//! The text form of a scenario.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use toml::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) description: String,
    pub(super) fleet: Fleet,
    #[serde(default)]
    pub(super) behaviour: Behaviour,
    pub(super) site: Vec<Spanned<Site>>,
    pub(super) model: Vec<Spanned<Model>>,
    #[serde(default)]
    pub(super) fault: Vec<Spanned<Fault>>,
    #[serde(default)]
    pub(super) event: Vec<Spanned<Event>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fleet {
    /// Pattern of identities: `{code}` the site's code, `{n}` and `{nn}` and `{nnn}` the number.
    pub(super) identity: Spanned<String>,
    #[serde(default = "one")]
    pub(super) max_broken: Spanned<f64>,
}

fn one() -> Spanned<f64> {
    Spanned::new(0..0, 1.0)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Behaviour {
    pub(super) sessions_per_hour: Option<f64>,
    pub(super) speed: Option<Spanned<f64>>,
    pub(super) session: Option<Between>,
    pub(super) boot: Option<Between>,
    pub(super) meter_interval: Option<Length>,
    pub(super) heartbeat_at_most: Option<Length>,
    pub(super) prove_within: Option<Length>,
    pub(super) connect_spread: Option<Length>,
    pub(super) backoff: Option<Between>,
    pub(super) signal_every: Option<Length>,
    pub(super) call_timeout: Option<Length>,
    /// When somebody repairs what nothing else mends; wall-clock time.
    pub(super) repaired_after: Option<Length>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Site {
    pub(super) name: Spanned<String>,
    pub(super) code: Spanned<String>,
    #[serde(default)]
    pub(super) region: String,
    #[serde(default)]
    pub(super) address: String,
    #[serde(default)]
    pub(super) latitude: f64,
    #[serde(default)]
    pub(super) longitude: f64,
    #[serde(default)]
    pub(super) installer: String,
    #[serde(default)]
    pub(super) installer_email: String,
    pub(super) chargers: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    pub(super) vendor: Spanned<String>,
    #[serde(rename = "model")]
    pub(super) name: Spanned<String>,
    pub(super) firmware: Vec<String>,
    pub(super) protocol: Spanned<String>,
    #[serde(default = "one_u16")]
    pub(super) connectors: u16,
    pub(super) power_kw: f64,
    pub(super) current: Current,
    #[serde(default)]
    pub(super) link: Link,
    #[serde(default = "one_f64")]
    pub(super) weight: f64,
}

fn one_u16() -> u16 {
    1
}

fn one_f64() -> f64 {
    1.0
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Current {
    Ac,
    Dc,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Link {
    #[default]
    Ethernet,
    Wifi,
    Cellular,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    pub(super) name: Spanned<String>,
    pub(super) code: Spanned<String>,
    pub(super) vendor_code: Option<String>,
    pub(super) info: Option<String>,
    pub(super) component: Option<String>,
    pub(super) variable: Option<String>,
    pub(super) connector: Option<u16>,
    pub(super) cure: Cure,
    /// With `cure = "itself"`: after what time, before the speed factor.
    pub(super) after: Option<Length>,
    #[serde(default)]
    pub(super) shows: Shows,
    #[serde(default = "one_f64")]
    pub(super) weight: f64,
    pub(super) repaired_after: Option<Length>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cure {
    Itself,
    SoftReset,
    HardReset,
    Unlock,
    AvailabilityCycle,
    Never,
    WorseFaulted,
    WorseOffline,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shows {
    #[default]
    Faulted,
    Warning,
    FailsSessions,
    FaultsInSession,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub(super) kind: Kind,
    pub(super) at: Option<Length>,
    pub(super) every: Option<Length>,
    #[serde(default)]
    pub(super) jitter: Length,
    pub(super) until: Option<Length>,
    #[serde(default)]
    pub(super) sites: Vec<Spanned<String>>,
    pub(super) charger: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) faults: Vec<Spanned<String>>,
    pub(super) lasts: Option<Between>,
    #[serde(default)]
    pub(super) power: bool,
    pub(super) times: Option<u32>,
    pub(super) up: Option<Length>,
    pub(super) dbm: Option<(i32, i32)>,
    #[serde(default)]
    pub(super) error_code: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Fault,
    Offline,
    Flap,
    SiteDown,
    CarrierDown,
    WeakWifi,
    WeakCell,
    Session,
    FailedSession,
    Report,
}

/// A length of time in text: `"90s"`, `"1m30s"`, `"500ms"`, `"2h"`. In milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Length(pub(super) i64);

/// Two lengths: `["30s", "90s"]`, or one for both: `"30s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Between(pub(super) i64, pub(super) i64);

impl Length {
    fn parse(text: &str) -> Option<Self> {
        let mut total = 0_i64;
        let mut rest = text.trim();
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let number: f64 = rest[..digits].parse().ok()?;
            let tail = &rest[digits..];
            let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let factor = match tail[..unit_end].trim() {
                "ms" => 1.0,
                "s" => 1_000.0,
                "m" | "min" => 60_000.0,
                "h" => 3_600_000.0,
                "d" => 86_400_000.0,
                _ => return None,
            };
            total = total.checked_add((number * factor) as i64)?;
            rest = &tail[unit_end..];
        }
        Some(Self(total))
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no length of time; write it like \"90s\", \"1m30s\" or \"2h\""
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Between {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Between;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a length of time like \"90s\", or two like [\"30s\", \"90s\"]")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Between, E> {
                let length = Length::parse(text)
                    .ok_or_else(|| E::custom(format!("`{text}` is no length of time")))?;
                Ok(Between(length.0, length.0))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Between, A::Error> {
                let pair = (seq.next_element::<Length>()?, seq.next_element::<Length>()?);
                let (Some(from), Some(to)) = pair else {
                    return Err(A::Error::custom("two lengths are needed: [\"30s\", \"90s\"]"));
                };
                if from.0 > to.0 {
                    return Err(A::Error::custom("the first length must not exceed the second"));
                }
                Ok(Between(from.0, to.0))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Line and column, from 1, of a place in the text.
pub(super) fn place(text: &str, span: &Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lengths() {
        assert_eq!(Length::parse("90s"), Some(Length(90_000)));
        assert_eq!(Length::parse("1m30s"), Some(Length(90_000)));
        assert_eq!(Length::parse("500ms"), Some(Length(500)));
        assert_eq!(Length::parse("1.5h"), Some(Length(5_400_000)));
        assert_eq!(Length::parse("90"), None);
        assert_eq!(Length::parse("soon"), None);
    }
}
