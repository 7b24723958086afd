//! Times and numbers as pages show them.

use mendpoint_model::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs};

/// `14:07:32`, in UTC.
pub(crate) fn clock(at: UnixMs) -> String {
    at.to_string().chars().skip(11).take(8).collect()
}

/// `2026-11-21 14:07`, in UTC.
pub(crate) fn date_time(at: UnixMs) -> String {
    at.minute()
}

/// A length of time in at most two units: `12 s`, `4 min`, `1 h 10`, `3 days`.
pub(crate) fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    match ms {
        0..MINUTE_MS => format!("{} s", ms / SECOND_MS),
        MINUTE_MS..HOUR_MS => format!("{} min", ms / MINUTE_MS),
        HOUR_MS..DAY_MS if ms % HOUR_MS < MINUTE_MS => format!("{} h", ms / HOUR_MS),
        HOUR_MS..DAY_MS => format!("{} h {:02}", ms / HOUR_MS, ms % HOUR_MS / MINUTE_MS),
        _ if ms < 2 * DAY_MS => "1 day".to_owned(),
        _ => format!("{} days", ms / DAY_MS),
    }
}

/// How long ago: `12 s ago`; a date when it is more than a week.
pub(crate) fn ago(now: UnixMs, at: UnixMs) -> String {
    let since = now.since_ms(at);
    if since > 7 * DAY_MS { date_time(at) } else { format!("{} ago", duration(since)) }
}

/// Energy: `840 Wh`, `31.2 kWh`.
pub(crate) fn energy(wh: f64) -> String {
    if wh < 1_000.0 { format!("{wh:.0} Wh") } else { format!("{:.1} kWh", wh / 1_000.0) }
}

/// Power: `840 W`, `84.2 kW`.
pub(crate) fn power(w: f64) -> String {
    if w < 1_000.0 { format!("{w:.0} W") } else { format!("{:.1} kW", w / 1_000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(duration(12_400), "12 s");
        assert_eq!(duration(4 * MINUTE_MS + 5), "4 min");
        assert_eq!(duration(HOUR_MS + 10 * MINUTE_MS), "1 h 10");
        assert_eq!(duration(2 * HOUR_MS + 5), "2 h");
        assert_eq!(duration(3 * DAY_MS), "3 days");
        assert_eq!(clock(UnixMs(1_790_000_000_000)), "14:13:20");
        assert_eq!(date_time(UnixMs(1_790_000_000_000)), "2026-09-21 14:13");
        assert_eq!(energy(31_200.0), "31.2 kWh");
        assert_eq!(power(840.0), "840 W");
    }
}
