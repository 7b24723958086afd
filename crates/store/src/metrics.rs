use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

use crate::Result;

/// Numbers about the journal.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) rows: IntCounter,
    pub(crate) commits: IntCounter,
    pub(crate) commit_seconds: Histogram,
    pub(crate) queued: IntGauge,
    pub(crate) retries: IntCounter,
    pub(crate) rejected: IntCounter,
    pub(crate) frames_dropped: IntCounter,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self> {
        let metrics = Self {
            rows: IntCounter::new(
                "mendpoint_journal_rows_total",
                "Entries that the journal wrote to disk.",
            )?,
            commits: IntCounter::new(
                "mendpoint_journal_commits_total",
                "Transactions that the journal committed.",
            )?,
            commit_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "mendpoint_journal_commit_seconds",
                    "Time from the begin of a journal transaction to its commit.",
                )
                .buckets(vec![
                    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
                ]),
            )?,
            queued: IntGauge::new(
                "mendpoint_journal_queue_entries",
                "Room taken in the journal's queue, in entries; blocks of frames count as many.",
            )?,
            retries: IntCounter::new(
                "mendpoint_journal_retries_total",
                "Journal transactions that failed and were tried again.",
            )?,
            rejected: IntCounter::new(
                "mendpoint_journal_rejected_total",
                "Entries the database refused for good; they are kept in journal_reject.",
            )?,
            frames_dropped: IntCounter::new(
                "mendpoint_frames_dropped_total",
                "Raw frames that were not kept because the database took nothing for too long.",
            )?,
        };
        registry.register(Box::new(metrics.frames_dropped.clone()))?;
        registry.register(Box::new(metrics.rows.clone()))?;
        registry.register(Box::new(metrics.commits.clone()))?;
        registry.register(Box::new(metrics.commit_seconds.clone()))?;
        registry.register(Box::new(metrics.queued.clone()))?;
        registry.register(Box::new(metrics.retries.clone()))?;
        registry.register(Box::new(metrics.rejected.clone()))?;
        Ok(metrics)
    }
}
