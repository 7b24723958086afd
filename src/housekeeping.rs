//! What is deleted because it was kept long enough, and the summaries that are made before.

use std::time::Duration;

use mendpoint_model::{DAY_MS, UnixMs};
use mendpoint_store::{Retention, Store};
use tokio::sync::watch;

use crate::people::now;

/// How often.
const EVERY: Duration = Duration::from_mins(10);
/// How long changes of a charger's settings are kept.
const KEEP_CHANGES_MS: i64 = 365 * DAY_MS;
/// Hours that are summarised at once when there are many to make up for.
const HOURS_AT_ONCE: usize = 24 * 31;
/// Variables of one charger that are kept.
const KEEP_VARIABLES: u32 = 10_000;

/// Goes on until the program stops. A round that is going on then is left where it is: each of its
/// steps stands by itself.
pub(crate) async fn run(
    store: Store,
    keep_frames_ms: i64,
    keep: Retention,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = once(&store, now(), keep_frames_ms, keep) => {}
            _ = stop.changed() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

/// One round.
async fn once(store: &Store, now: UnixMs, keep_frames_ms: i64, keep: Retention) {
    match store.frame_log().prune(now - keep_frames_ms).await {
        Ok(0) => {}
        Ok(blocks) => tracing::info!(blocks, "old frames were deleted"),
        Err(error) => tracing::warn!(%error, "old frames could not be deleted"),
    }
    match store.prune_variables(now - KEEP_CHANGES_MS, KEEP_VARIABLES).await {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "old changes of chargers' settings were deleted"),
        Err(error) => tracing::warn!(%error, "old changes could not be deleted"),
    }
    match store.summarise(now, HOURS_AT_ONCE).await {
        Ok(0) => {}
        Ok(hours) => tracing::debug!(hours, "hours of chargers were summarised"),
        Err(error) => tracing::warn!(%error, "hours could not be summarised"),
    }
    match store.prune_to(now, keep).await {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "old history was deleted"),
        Err(error) => tracing::warn!(%error, "old history could not be deleted"),
    }
}
