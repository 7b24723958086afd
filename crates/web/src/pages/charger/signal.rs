//! How well a charger hears its network: the last reading of each link and a small line of a day.

use std::fmt::Write as _;

use mendpoint_model::{ChargerState, DAY_MS, SignalReading, SignalUnit, Transport, UnixMs};

use crate::place::Moment;

/// Size of the line, in its own units.
const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 36.0;
/// The most points of a line: more cannot be told apart.
const POINTS: usize = 120;

/// A radio link.
#[derive(Clone, Debug)]
pub(super) struct Signal {
    pub(super) name: &'static str,
    /// `-87 dBm`.
    pub(super) value: String,
    /// "good", "fair" or "weak".
    pub(super) word: &'static str,
    /// The word of the style sheet.
    pub(super) token: &'static str,
    pub(super) at: Moment,
    /// The line of the last day as SVG; empty when there is nothing to draw.
    pub(super) line: String,
    /// `-112 to -87 dBm` over the day; empty when there is nothing to say.
    pub(super) range: String,
}

/// The links a charger told of, with their last day.
pub(super) fn of(
    now: UnixMs,
    state: &ChargerState,
    day: &[(UnixMs, SignalReading)],
) -> Vec<Signal> {
    state
        .signals
        .iter()
        .map(|(at, reading)| {
            let values: Vec<(UnixMs, f64)> = day
                .iter()
                .filter(|(_, one)| one.transport == reading.transport && one.unit == reading.unit)
                .map(|(at, one)| (*at, one.value))
                .collect();
            let (word, token) = quality(reading);
            Signal {
                name: match reading.transport {
                    Transport::Wifi => "Wi-Fi",
                    Transport::Cellular => "Mobile network",
                },
                value: written(reading.value, reading.unit),
                word,
                token,
                at: Moment::new(now, *at),
                line: line(values.first().map_or(now - DAY_MS, |(at, _)| *at), now, &values),
                range: range(&values, reading.unit),
            }
        })
        .collect()
}

fn written(value: f64, unit: SignalUnit) -> String {
    match unit {
        SignalUnit::RssiDbm => format!("{value:.0} dBm"),
        SignalUnit::RsrpDbm => format!("{value:.0} dBm RSRP"),
        SignalUnit::Csq => {
            let reading = SignalReading { transport: Transport::Cellular, value, unit };
            let dbm = reading.dbm().unwrap_or_default();
            format!("CSQ {value:.0} ({dbm:.0} dBm)")
        }
        SignalUnit::Percent => format!("{value:.0} %"),
    }
}

/// The usual steps of installers; what counts as weak for an incident is the rules' business.
fn quality(reading: &SignalReading) -> (&'static str, &'static str) {
    let (good, fair) = match (reading.unit, reading.transport) {
        (SignalUnit::RssiDbm, Transport::Wifi) => (-67.0, -75.0),
        (SignalUnit::RssiDbm, Transport::Cellular) => (-85.0, -100.0),
        (SignalUnit::RsrpDbm, _) => (-100.0, -110.0),
        (SignalUnit::Csq, _) => (14.0, 7.0),
        (SignalUnit::Percent, _) => (50.0, 25.0),
    };
    match reading.value {
        value if value >= good => ("good", "ok"),
        value if value >= fair => ("fair", "busy"),
        _ => ("weak", "warn"),
    }
}

fn range(values: &[(UnixMs, f64)], unit: SignalUnit) -> String {
    let lowest = values.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    let highest = values.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
    if values.len() < 2 || highest - lowest < 0.5 {
        return String::new();
    }
    format!("{lowest:.0} to {}", written(highest, unit))
}

/// A line over time. Only numbers of ours go into it, so it needs no escaping.
fn line(from: UnixMs, to: UnixMs, values: &[(UnixMs, f64)]) -> String {
    if values.len() < 2 {
        return String::new();
    }
    let step = values.len().div_ceil(POINTS);
    let lowest = values.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    let highest = values.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
    // A link that keeps steady is a steady line, not noise blown up.
    let height = (highest - lowest).max(6.0);
    let length = to.since_ms(from).max(1) as f64;
    let mut points = String::new();
    let mut end = (0.0, 0.0);
    let last = values.len() - 1;
    for (index, (at, value)) in values.iter().enumerate() {
        if index % step != 0 && index != last {
            continue;
        }
        let x = (at.since_ms(from) as f64 / length).clamp(0.0, 1.0) * (WIDTH - 8.0) + 4.0;
        let y = HEIGHT - 5.0 - (value - lowest) / height * (HEIGHT - 10.0);
        end = (x, y);
        // Writing to a string cannot fail.
        let _ = write!(points, "{x:.1},{y:.1} ");
    }
    format!(
        r#"<svg class="sig" viewBox="0 0 {WIDTH:.0} {HEIGHT:.0}" aria-hidden="true" preserveAspectRatio="none"><polyline points="{}" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round" vector-effect="non-scaling-stroke"/><circle cx="{:.1}" cy="{:.1}" r="2.5" fill="currentColor"/></svg>"#,
        points.trim_end(),
        end.0,
        end.1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn reading(value: f64, unit: SignalUnit) -> SignalReading {
        SignalReading { transport: Transport::Cellular, value, unit }
    }

    #[test]
    fn a_reading_gets_a_word() {
        assert_eq!(quality(&reading(-112.0, SignalUnit::RsrpDbm)).0, "weak");
        assert_eq!(quality(&reading(-90.0, SignalUnit::RssiDbm)).0, "fair");
        assert_eq!(quality(&reading(20.0, SignalUnit::Csq)).0, "good");
        assert_eq!(written(-112.4, SignalUnit::RsrpDbm), "-112 dBm RSRP");
    }

    #[test]
    fn a_line_stays_in_its_frame_and_keeps_few_points() {
        assert_eq!(line(NOW - DAY_MS, NOW, &[(NOW, -80.0)]), "");
        let many: Vec<_> =
            (0..1_000_i64).map(|n| (NOW - n * 60_000, -80.0 - (n % 30) as f64)).rev().collect();
        let svg = line(NOW - DAY_MS, NOW, &many);
        let points = svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next());
        let points: Vec<_> = points.unwrap_or_default().split(' ').collect();
        assert!((50..=POINTS + 1).contains(&points.len()), "{}", points.len());
        for point in points {
            let (x, y) = point.split_once(',').expect("x,y");
            let inside = |text: &str, most: f64| {
                text.parse::<f64>().is_ok_and(|n| (0.0..=most).contains(&n))
            };
            assert!(inside(x, WIDTH) && inside(y, HEIGHT), "{point}");
        }
        assert_eq!(range(&many, SignalUnit::RssiDbm), "-109 to -80 dBm");
    }
}
