//! Dates and times as RFC 3339 has them, which is what the JSON schemas of every version ask for.

/// Whether text is `YYYY-MM-DDTHH:MM:SS[.fraction](Z|+HH:MM)` and such a moment exists.
pub(super) fn is_rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some((date_time, rest)) = bytes.split_at_checked(19) else { return false };
    let has_form = date_time.iter().zip(b"0000-00-00T00:00:00").all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't'),
        form => byte == form,
    });
    let zone_at = rest.iter().position(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'));
    let (true, Some(zone_at)) = (has_form, zone_at) else { return false };
    let (fraction, zone) = rest.split_at(zone_at);
    let fraction_fits = match fraction {
        [] => true,
        [b'.', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let zone_fits = match zone {
        [b'Z' | b'z'] => true,
        [_, h1, h2, b':', m1, m2] => {
            let digits = [h1, h2, m1, m2];
            digits.iter().all(|digit| digit.is_ascii_digit())
                && (*h1, *h2) <= (b'2', b'3')
                && *m1 <= b'5'
        }
        _ => false,
    };
    fraction_fits && zone_fits && crate::time::exists(date_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_time_and_what_only_looks_like_one() {
        for text in [
            "2026-09-21T14:13:20Z",
            "2026-09-21t14:13:20.123456z",
            "2026-09-21T14:13:20+05:45",
            "2024-02-29T23:59:60Z",
            "0001-01-01T00:00:00Z",
        ] {
            assert!(is_rfc3339(text), "{text}");
        }
        for text in [
            "",
            "2026-09-21",
            "2026-09-21 14:13:20Z",
            "2026-09-21T14:13:20",
            "2026-09-21T14:13:20.Z",
            "2026-09-21T14:13:20,5Z",
            "2026-09-21T14:13:20+0200",
            "2026-09-21T14:13:20+02",
            "2026-09-21T14:13:20+24:00",
            "2026-13-21T14:13:20Z",
            "2025-02-29T14:13:20Z",
            "2026-09-21T24:00:00Z",
            "2026-09-21T14:13:20ZZ",
            "2026-09-21T14:13:2éZ",
        ] {
            assert!(!is_rfc3339(text), "{text}");
        }
    }
}
