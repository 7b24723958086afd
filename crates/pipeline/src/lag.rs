//! How late the shards are, and why healing waits (G11), for metrics and the system page.

use std::sync::{Mutex, PoisonError};

use prometheus::{Gauge, IntGauge};

use crate::metrics::Metrics;

/// What one shard last said of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    lag_ms: i64,
    held: Option<&'static str>,
}

/// What all shards last said of themselves.
#[derive(Debug)]
pub(crate) struct LagBoard {
    shards: Vec<Mutex<Said>>,
    gauges: Vec<(Gauge, IntGauge)>,
}

impl LagBoard {
    pub(crate) fn new(shards: usize, metrics: &Metrics) -> Self {
        let gauge = |index: usize| {
            let label = index.to_string();
            let labels = &[label.as_str()];
            (metrics.lag_seconds.with_label_values(labels), metrics.held.with_label_values(labels))
        };
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            gauges: (0..shards).map(gauge).collect(),
        }
    }

    /// A shard says how late it is, in milliseconds, and why it sends nothing, if so.
    pub(crate) fn say(&self, shard: usize, lag_ms: i64, held: Option<&'static str>) {
        let (Some(place), Some((lag, is_held))) = (self.shards.get(shard), self.gauges.get(shard))
        else {
            return;
        };
        let said = Said { lag_ms, held };
        let before =
            std::mem::replace(&mut *place.lock().unwrap_or_else(PoisonError::into_inner), said);
        lag.set(lag_ms as f64 / 1_000.0);
        is_held.set(i64::from(held.is_some()));
        match (before.held, held) {
            (None, Some(why)) => {
                tracing::warn!(shard.number = shard, lag_ms, why, "healing waits");
            }
            (Some(_), None) => tracing::info!(shard.number = shard, "healing goes on"),
            _ => {}
        }
    }

    /// The greatest lag, in milliseconds, and why some shard sends nothing, if one does.
    pub(crate) fn worst(&self) -> (i64, Option<&'static str>) {
        let said =
            self.shards.iter().map(|place| *place.lock().unwrap_or_else(PoisonError::into_inner));
        said.fold((0, None), |(lag_ms, held), shard| {
            (shard.lag_ms.max(lag_ms), held.or(shard.held))
        })
    }
}
