//! Numbers for rows that are only ever added: made here and not by the database, so that a write
//! whose outcome is not known can be repeated without making the row twice.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use mendpoint_model::UnixMs;

static LAST: AtomicI64 = AtomicI64::new(0);

/// Numbers a millisecond has room for.
const PER_MS_BITS: u32 = 20;

/// Our clock.
pub(crate) fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The next number: larger than every one before it in this process, and larger than those of
/// earlier processes as long as the clock was not set back.
pub(crate) fn next() -> i64 {
    let floor = now().0 << PER_MS_BITS;
    let step = |last: i64| Some(floor.max(last + 1));
    match LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step) {
        Ok(last) | Err(last) => floor.max(last + 1),
    }
}

/// The smallest number that is made at this time.
pub(crate) fn first_of(at: UnixMs) -> i64 {
    at.0.clamp(0, i64::MAX >> PER_MS_BITS) << PER_MS_BITS
}

/// When a number was made, to the millisecond, unless more were asked for than fit into one.
pub(crate) fn time_of(id: i64) -> UnixMs {
    UnixMs(id >> PER_MS_BITS)
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_grow() {
        let numbers: Vec<i64> = (0..1000).map(|_| super::next()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
