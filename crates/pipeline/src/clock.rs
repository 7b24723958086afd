//! The one place where the pipeline reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use mendpoint_model::UnixMs;

/// The time now. A machine whose clock stands before 1970 gets 1970.
pub(crate) fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(since.as_millis() as i64)
}
