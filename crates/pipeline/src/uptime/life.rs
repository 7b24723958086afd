//! When we ran ourselves: signs of our own life, and what is made of their absence at the next start.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mendpoint_model::{ChargerKey, MINUTE_MS, UnixMs};
use mendpoint_uptime::Stop;

use mendpoint_store::Store;

use crate::Error;
use crate::pipeline::Inner;

/// Where the last sign of life is kept.
const ALIVE: &str = "uptime.alive_at";

/// What chargers told of times that are over, for the ledgers of those times: the earliest time that
/// each told of.
#[derive(Debug, Default)]
pub(crate) struct Lately(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// Since the last turn: it may not be on disk yet.
    fresh: BTreeMap<ChargerKey, UnixMs>,
    /// Before that.
    settled: BTreeMap<ChargerKey, UnixMs>,
}

impl Lately {
    /// A charger told what was at a time that is over.
    pub(crate) fn told(&self, charger: ChargerKey, since: UnixMs) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = told.fresh.entry(charger).or_insert(since);
        *known = since.min(*known);
    }

    /// Those that were told of before this was asked last.
    pub(crate) fn take(&self) -> BTreeMap<ChargerKey, UnixMs> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = std::mem::take(&mut told.fresh);
        std::mem::replace(&mut told.settled, fresh)
    }
}

/// Writes down that we live.
pub(crate) async fn tell(inner: &Inner, now: UnixMs) -> Result<(), Error> {
    Ok(inner.store.set_value(ALIVE, &now.0.to_string()).await?)
}

/// When we did not run before this start, if we ever ran. However short it was: no connection outlives
/// our process, so every charger has to come back.
pub(crate) async fn last_stop(inner: &Inner) -> Result<Option<Stop>, Error> {
    let until = inner.started_at;
    let Some(from) = last_sign(&inner.store, until).await? else { return Ok(None) };
    Ok(Some(Stop { from, until, grace_until: until + grace_ms(inner) }))
}

/// The last sign of life of a program before a moment; `None` where none ever ran.
pub(crate) async fn last_sign(store: &Store, until: UnixMs) -> Result<Option<UnixMs>, Error> {
    let alive = store.get_value(ALIVE).await?.and_then(|text| text.parse().ok());
    let Some(alive) = alive.map(UnixMs) else { return Ok(None) };
    // What was written down after the last sign of life shows that we still ran.
    let written = store.last_written(until).await?;
    Ok(Some(written.map_or(alive, |written| written.max(alive)).min(until)))
}

/// How long a charger has after our start, before it counts as offline: as for the rules about absence
/// (1.2), a minute at least, because the ledgers count whole ones.
fn grace_ms(inner: &Inner) -> i64 {
    let engine = &inner.settings.engine;
    let pace = if engine.pace.is_finite() && engine.pace > 0.0 { engine.pace } else { 1.0 };
    ((engine.startup_grace_ms as f64 * pace) as i64).max(MINUTE_MS)
}
