//! Small words that several letters use.

use mendpoint_model::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// Reads `15m`, `4h`, `1h30m`, `0s`: numbers with units, largest first.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let (mut rest, mut total, mut last) = (text.trim(), 0_i64, i64::MAX);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes()[digits] {
            b's' => SECOND_MS,
            b'm' => MINUTE_MS,
            b'h' => HOUR_MS,
            b'd' => DAY_MS,
            _ => return None,
        };
        if unit >= last {
            return None;
        }
        last = unit;
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    Some(total)
}

/// "15 min", "4 h", "2 days".
pub(crate) fn duration(ms: i64) -> String {
    let minutes = ms.max(0) / MINUTE_MS;
    match (minutes / 1_440, minutes / 60 % 24, minutes % 60) {
        (0, 0, 0) => format!("{} s", ms.max(0) / SECOND_MS),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (1, 0, _) => "1 day".to_owned(),
        (days, 0, _) => format!("{days} days"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// "Ana, Ion and Mihai".
pub(crate) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// One line, without what could begin a header.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace()
        .map(|word| word.chars().filter(|c| !c.is_control()).collect::<String>())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A pattern with `*` for any run of characters, whatever the case.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.trim().to_lowercase(), text.trim().to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_spoken() {
        assert_eq!(parse_duration("1h30m"), Some(90 * MINUTE_MS));
        assert_eq!(parse_duration("0s"), Some(0));
        for wrong in ["", "15", "m", "5x", "5m1h"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
        assert_eq!(duration(15 * MINUTE_MS), "15 min");
        assert_eq!(duration(90 * MINUTE_MS), "1 h 30 min");
        assert_eq!(duration(30 * SECOND_MS), "30 s");
        assert_eq!(duration(DAY_MS), "1 day");
    }

    #[test]
    fn stars_stand_for_anything() {
        assert!(fits("ERR_*", "ERR_FAULTED"));
        assert!(fits("*", "x") && fits("a*c*e", "abcde") && fits("CP_OFFLINE", "cp_offline"));
        assert!(!fits("ERR_*", "CP_OFFLINE") && !fits("a*c", "acd") && !fits("ab", "abc"));
    }
}
