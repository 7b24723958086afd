//! Numbers as pages show them.

use std::fmt::Display;

pub(crate) use mendpoint_store::counted;

/// A count with commas between thousands: `2,016`.
pub(crate) fn grouped(count: impl Display) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A short time that was measured: `0.4 ms`, `84 ms`, `1.2 s`.
pub(crate) fn short_ms(ms: impl std::borrow::Borrow<f64>) -> String {
    match *ms.borrow() {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1_000.0),
    }
}

/// A share in per cent with one digit behind the point; 100.0 only when it is all of them.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = part * 1_000 / whole;
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(7_u64), "7");
        assert_eq!(grouped(999_usize), "999");
        assert_eq!(grouped(2_016_usize), "2,016");
        assert_eq!(grouped(1_234_567_u64), "1,234,567");
        assert_eq!(short_ms(0.42), "0.4 ms");
        assert_eq!(short_ms(84.2), "84 ms");
        assert_eq!(short_ms(1_240.0), "1.2 s");
        assert_eq!(percent(1_999, 2_000), "99.9");
        assert_eq!(percent(2, 2), "100.0");
        assert_eq!(percent(0, 0), "–");
    }
}
