//! Finding radio signal strength in what chargers say.
//!
//! OCPP 1.6 has no word for it (design 2.2c): it stands in vendor `DataTransfer` messages, under
//! names that contain `rssi`, `rsrp`, `csq`, `signal` or `dbm`. OCPP 2.x has
//! `DataLink.SignalStrength`. Configuration keys with such names are only read when a vendor
//! profile or a person says what they mean: see the `upkeep` crate.

use mendpoint_model::{SignalReading, SignalUnit, Transport};

use crate::json::Scanner;
use crate::payload::read_float;

/// Words that make a name one of a setting about signals rather than of a signal.
const SETTING_WORDS: [&str; 7] =
    ["threshold", "interval", "limit", "enable", "period", "warning", "hysteresis"];

/// The most bars that a display has.
const BARS_MAX: f64 = 5.0;

/// Words that speak of Wi-Fi.
const WIFI_WORDS: [&str; 4] = ["wifi", "wlan", "wi-fi", "wireless"];

/// Words that speak of a mobile network.
const CELLULAR_WORDS: [&str; 9] =
    ["cell", "gsm", "lte", "modem", "mobile", "wwan", "gprs", "umts", "rsrp"];

/// Whether a name may be one of a radio link's strength.
pub(crate) fn speaks_of_signal(name: &str) -> bool {
    Kind::of(&name.to_ascii_lowercase()).is_some()
}

/// A named value as a signal reading, if it is one. `context` is text that may tell the transport
/// where the name does not.
pub(crate) fn from_named_value(name: &str, value: &str, context: &str) -> Option<SignalReading> {
    let name = name.to_ascii_lowercase();
    let kind = Kind::of(&name)?;
    let number = leading_number(value)?;
    let unit = kind.unit(number, value)?;
    // A small number without a unit may as well count bars, which are no measure (design 2.2c).
    if unit == SignalUnit::Percent && number <= BARS_MAX && !value.contains('%') {
        return None;
    }
    let transport = transport(&name).or_else(|| match unit {
        SignalUnit::RsrpDbm | SignalUnit::Csq => Some(Transport::Cellular),
        SignalUnit::RssiDbm | SignalUnit::Percent => transport(&context.to_ascii_lowercase()),
    });
    let reading =
        SignalReading { transport: transport.unwrap_or(Transport::Cellular), value: number, unit };
    Some(reading)
}

/// The value of `DataLink.SignalStrength`: dBm when negative, else a quality in percent. `names`
/// are the names of the component's and the variable's instance.
pub(crate) fn from_data_link(names: &str, value: &str) -> Option<SignalReading> {
    let names = names.to_ascii_lowercase();
    let number = leading_number(value)?;
    let kind = if names.contains("rsrp") { Kind::Rsrp } else { Kind::Strength };
    let unit = kind.unit(number, value)?;
    let is_wifi = WIFI_WORDS.iter().any(|word| names.contains(word));
    let transport = if is_wifi { Transport::Wifi } else { Transport::Cellular };
    Some(SignalReading { transport, value: number, unit })
}

/// The signal in a vendor message: `data` is JSON, or `key=value` pairs, or a bare number whose
/// meaning the message id tells.
pub(crate) fn from_vendor_data(vendor: &str, message: &str, data: &str) -> Option<SignalReading> {
    let data = data.trim();
    let context = || format!("{vendor} {message} {data}");
    if data.starts_with(['{', '[']) {
        return from_json(&mut Scanner::new(data), "", &context(), 0);
    }
    let pairs = data.split([',', ';', '&', '|', '\n']).flat_map(named_values);
    let mut readings = pairs.filter_map(|(name, value)| from_named_value(name, value, &context()));
    readings.next().or_else(|| from_named_value(message, data, &context()))
}

/// The pairs of `uptime=12 rssi: -70 dBm`: the word before a separator, and what follows up to the
/// next one.
fn named_values(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.match_indices(['=', ':']).filter_map(|(separator, _)| {
        let name = text[..separator].split_whitespace().next_back()?;
        let value = text[separator + 1..].split(['=', ':']).next()?;
        Some((name, value))
    })
}

/// Levels of nesting that vendor data is looked through.
const DEPTH_MAX: u8 = 4;

fn from_json(
    scanner: &mut Scanner<'_>,
    name: &str,
    context: &str,
    depth: u8,
) -> Option<SignalReading> {
    let mut found = None;
    match scanner.peek() {
        Some(b'{') if depth < DEPTH_MAX => {
            scanner.open_object();
            while let Some(key) = scanner.key() {
                // The names above tell the transport: {"wifi": {"rssi": -60}}.
                let path = format!("{name}.{key}");
                found = found.or(from_json(scanner, &path, context, depth + 1));
            }
        }
        Some(b'[') if depth < DEPTH_MAX => {
            scanner.open_array();
            while scanner.item() {
                found = found.or(from_json(scanner, name, context, depth + 1));
            }
        }
        _ => {
            let value = scanner.scalar().into_text().unwrap_or_default();
            found = from_named_value(name, &value, context);
        }
    }
    found
}

/// What a name promises its value to be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Rsrp,
    Csq,
    Rssi,
    /// A strength in a unit that only the value tells.
    Strength,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        if SETTING_WORDS.iter().any(|word| name.contains(word)) {
            None
        } else if name.contains("rsrp") {
            Some(Self::Rsrp)
        } else if name.contains("csq") {
            Some(Self::Csq)
        } else if name.contains("rssi") || name.contains("dbm") {
            Some(Self::Rssi)
        } else if name.contains("signal") {
            Some(Self::Strength)
        } else {
            None
        }
    }

    /// The unit that fits name and number, or `None` when the number is none of a radio link (99
    /// is `CSQ` for unknown).
    fn unit(self, number: f64, value: &str) -> Option<SignalUnit> {
        let is_dbm = (-150.0..0.0).contains(&number);
        let is_percent = (0.0..=100.0).contains(&number);
        match self {
            Self::Rsrp => is_dbm.then_some(SignalUnit::RsrpDbm),
            Self::Csq => (0.0..=31.0).contains(&number).then_some(SignalUnit::Csq),
            Self::Rssi | Self::Strength if is_dbm => Some(SignalUnit::RssiDbm),
            // An RSSI above 0 is a quality only where that is said.
            Self::Rssi => (is_percent && value.contains('%')).then_some(SignalUnit::Percent),
            Self::Strength => is_percent.then_some(SignalUnit::Percent),
        }
    }
}

fn transport(words: &str) -> Option<Transport> {
    if WIFI_WORDS.iter().any(|word| words.contains(word)) {
        Some(Transport::Wifi)
    } else if CELLULAR_WORDS.iter().any(|word| words.contains(word)) {
        Some(Transport::Cellular)
    } else {
        None
    }
}

/// The number that a text begins with: `-71 dBm`, `45%`.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|character: char| !matches!(character, '0'..='9' | '-' | '+' | '.'));
    read_float(&text[..end.unwrap_or(text.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(transport: Transport, value: f64, unit: SignalUnit) -> SignalReading {
        SignalReading { transport, value, unit }
    }

    #[test]
    fn names_tell_unit_and_transport() {
        use SignalUnit::{Csq, Percent, RsrpDbm, RssiDbm};
        use Transport::{Cellular, Wifi};
        for (name, value, expected) in [
            ("WifiRSSI", "-71 dBm", Some(reading(Wifi, -71.0, RssiDbm))),
            ("cellRSSI", "-101", Some(reading(Cellular, -101.0, RssiDbm))),
            ("ModemRSRP", "-112dBm", Some(reading(Cellular, -112.0, RsrpDbm))),
            ("CSQ", "9", Some(reading(Cellular, 9.0, Csq))),
            ("CSQ", "99", None),
            ("SignalStrength", "45%", Some(reading(Cellular, 45.0, Percent))),
            ("WlanSignalQuality", "80", Some(reading(Wifi, 80.0, Percent))),
            ("SignalLevel", "4", None),
            ("SignalLevel", "4 %", Some(reading(Cellular, 4.0, Percent))),
            ("SignalThreshold", "-80", None),
            ("WeakSignalEnabled", "1", None),
            ("SignalStrength", "true", None),
            ("rssi", "17", None),
            ("HeartbeatInterval", "60", None),
        ] {
            assert_eq!(from_named_value(name, value, ""), expected, "{name} = {value}");
        }
    }

    #[test]
    fn vendor_data_is_looked_through() {
        use SignalUnit::{Csq, RssiDbm};
        use Transport::{Cellular, Wifi};
        for (message, data, expected) in [
            ("NetStat", r#"{"type":"wifi","rssi":-82}"#, Some(reading(Wifi, -82.0, RssiDbm))),
            ("NetStat", r#"{"pp2":{"wlan":{"rssi":"-60"}}}"#, Some(reading(Wifi, -60.0, RssiDbm))),
            ("NetStat", r#"[{"name":"cell","csq":6}]"#, Some(reading(Cellular, 6.0, Csq))),
            ("Status", "uptime=12;rssi=-77;mode=4G", Some(reading(Cellular, -77.0, RssiDbm))),
            ("Status", "up: 12:30 rssi: -70 dBm wlan=1", Some(reading(Wifi, -70.0, RssiDbm))),
            ("GetRSSI", "-55", Some(reading(Cellular, -55.0, RssiDbm))),
            ("Status", r#"{"temperature":-55}"#, None),
            ("Status", "hello", None),
            ("Status", r#"{"rssi":"#, None),
        ] {
            assert_eq!(from_vendor_data("ACME", message, data), expected, "{data}");
        }
    }

    #[test]
    fn data_link_is_dbm_when_negative() {
        assert_eq!(
            from_data_link("WLAN0", "-85"),
            Some(reading(Transport::Wifi, -85.0, SignalUnit::RssiDbm))
        );
        assert_eq!(
            from_data_link("", "35"),
            Some(reading(Transport::Cellular, 35.0, SignalUnit::Percent))
        );
    }
}
