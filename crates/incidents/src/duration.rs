//! Durations as people write them: `10m`, `60s`, `1h30m`, `24h`, `7d`.

use mendpoint_model::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// Reads a duration in milliseconds. `None` for anything but numbers with the units `ms`, `s`,
/// `m`, `h` and `d`, largest first.
pub fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0_i64;
    let mut last_unit = i64::MAX;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => SECOND_MS,
            "m" => MINUTE_MS,
            "h" => HOUR_MS,
            "d" => DAY_MS,
            _ => return None,
        };
        if unit >= last_unit {
            return None;
        }
        last_unit = unit;
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[letters..];
    }
    Some(total)
}

/// A duration in words: "10 min", "40 s", "1 hour", "1 h 20 min", "2 days".
pub fn duration_words(ms: i64) -> String {
    let ms = ms.max(0);
    let seconds = (ms + 500) / SECOND_MS;
    if seconds < 1 {
        return format!("{ms} ms");
    }
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    if days > 0 {
        let unit = if days == 1 { "day" } else { "days" };
        return if hours == 0 { format!("{days} {unit}") } else { format!("{days} d {hours} h") };
    }
    if hours > 0 {
        return match (hours, minutes) {
            (1, 0) => "1 hour".to_owned(),
            (_, 0) => format!("{hours} hours"),
            _ => format!("{hours} h {minutes} min"),
        };
    }
    match (minutes, rest) {
        (0, _) => format!("{rest} s"),
        // Past ten minutes nobody counts seconds.
        (_, 0) | (10.., _) => format!("{minutes} min"),
        _ => format!("{minutes} min {rest} s"),
    }
}

/// Scales a duration by the pace of the engine; never below one millisecond unless it was 0.
pub(crate) fn paced(ms: i64, pace: f64) -> i64 {
    if ms == 0 || (pace - 1.0).abs() < f64::EPSILON {
        return ms;
    }
    ((ms as f64 * pace).round() as i64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(parse_duration("10m"), Some(600_000));
        assert_eq!(parse_duration("60s"), Some(60_000));
        assert_eq!(parse_duration("1h30m"), Some(5_400_000));
        assert_eq!(parse_duration("0s"), Some(0));
        assert_eq!(parse_duration("250ms"), Some(250));
        for wrong in ["", "10", "m", "10 m", "-5s", "10x", "30m1h", "99999999999999999d"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn speaks_as_people_do() {
        assert_eq!(duration_words(600_000), "10 min");
        assert_eq!(duration_words(40_000), "40 s");
        assert_eq!(duration_words(78_000), "1 min 18 s");
        assert_eq!(duration_words(3_600_000), "1 hour");
        assert_eq!(duration_words(4_800_000), "1 h 20 min");
        assert_eq!(duration_words(86_400_000), "1 day");
        assert_eq!(duration_words(200), "200 ms");
    }

    #[test]
    fn pace_shortens_and_keeps_zero() {
        assert_eq!(paced(600_000, 0.1), 60_000);
        assert_eq!(paced(0, 0.1), 0);
        assert_eq!(paced(3, 0.01), 1);
    }
}
