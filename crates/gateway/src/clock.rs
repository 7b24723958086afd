//! The wall clock, and its text as answers carry it.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use mendpoint_model::{SECOND_MS, UnixMs};

/// Where the time of receipt comes from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// Tests: a fixed start plus the runtime's own, pausable time.
    #[cfg(test)]
    Virtual(tokio::time::Instant),
}

impl Clock {
    /// Now.
    pub(crate) fn now(self) -> UnixMs {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            #[cfg(test)]
            Self::Virtual(origin) => {
                UnixMs(1_790_000_000_000 + origin.elapsed().as_millis() as i64)
            }
        }
    }
}

thread_local! {
    /// The second last written as text, and that text: a heartbeat's answer then costs a copy.
    static SECOND_TEXT: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

/// Calls `write` with the RFC 3339 text of `at` in whole seconds.
pub(crate) fn with_text<R>(at: UnixMs, write: impl FnOnce(&str) -> R) -> R {
    SECOND_TEXT.with_borrow_mut(|(second, text)| {
        let wanted = at.0.div_euclid(SECOND_MS);
        if *second != wanted {
            *text = at.rfc3339();
            *second = wanted;
        }
        write(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_follows_the_second() {
        let at = UnixMs(1_790_000_000_999);
        assert_eq!(with_text(at, str::to_owned), "2026-09-21T14:13:20Z");
        assert_eq!(with_text(at + 1, str::to_owned), "2026-09-21T14:13:21Z");
        assert_eq!(with_text(at, str::to_owned), "2026-09-21T14:13:20Z");
    }
}
