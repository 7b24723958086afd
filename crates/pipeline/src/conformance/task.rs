//! The task that checks samples and writes the counts down.

use std::sync::Arc;
use std::time::Duration;

use mendpoint_model::DAY_MS;
use mendpoint_store::{ConformanceChange, ModelKey};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Work;
use super::book::Book;
use crate::clock;
use crate::pipeline::Inner;

/// How often the counts are written down.
const FLUSH_EVERY: Duration = Duration::from_secs(30);

/// What was not seen for so long is forgotten, in milliseconds: a firmware that nobody has any
/// more.
const KEPT_MS: i64 = 400 * DAY_MS;

/// Works until it is told to stop.
pub(crate) async fn run(inner: Arc<Inner>, mut work: mpsc::Receiver<Work>) {
    let mut book = open_book(&inner).await;
    // A write that failed is tried again with what came meanwhile: counts are added, so it must
    // not be made twice, and the transaction sees to that.
    let mut unwritten: Option<ConformanceChange> = None;
    let mut flush_at = Instant::now() + FLUSH_EVERY;
    let mut prune_at = clock::now() + DAY_MS;
    loop {
        let next = tokio::select! {
            next = work.recv() => next,
            () = sleep_until(flush_at) => {
                flush(&inner, &mut book, &mut unwritten).await;
                flush_at = Instant::now() + FLUSH_EVERY;
                if clock::now() >= prune_at {
                    prune_at = clock::now() + DAY_MS;
                    prune(&inner).await;
                }
                continue;
            }
        };
        match next {
            Some(Work::Sample(sample)) => {
                let Some(record) = inner.directory.charger(sample.charger) else { continue };
                let of = ModelKey {
                    vendor: record.vendor.clone(),
                    model: record.model.clone(),
                    firmware: record.firmware.clone(),
                };
                book.take(&of, &sample);
            }
            Some(Work::Flush(done)) => {
                flush(&inner, &mut book, &mut unwritten).await;
                // Whoever asked may have gone.
                let _ = done.send(());
            }
            Some(Work::Stop) | None => {
                flush(&inner, &mut book, &mut unwritten).await;
                return;
            }
        }
    }
}

async fn prune(inner: &Inner) {
    if let Err(error) = inner.store.prune_conformance(clock::now() - KEPT_MS).await {
        tracing::warn!(%error, "old conformance reports could not be forgotten");
    }
}

async fn open_book(inner: &Inner) -> Book {
    prune(inner).await;
    let read = async {
        let models = inner.store.conformance_models().await?;
        let keys = inner.store.conformance_keys().await?;
        Ok::<_, mendpoint_store::Error>((models, keys))
    };
    match read.await {
        Ok((models, keys)) => Book::new(models.into_iter().map(|row| row.of).collect(), keys),
        Err(error) => {
            // Then the bounds count from here; nothing else depends on what was.
            tracing::warn!(%error, "the conformance reports could not be read");
            Book::default()
        }
    }
}

async fn flush(inner: &Inner, book: &mut Book, unwritten: &mut Option<ConformanceChange>) {
    for change in [unwritten.take(), Some(book.take_change())].into_iter().flatten() {
        if change.checked.is_empty() && change.found.is_empty() {
            continue;
        }
        if let Err(error) = inner.store.add_conformance(&change).await {
            tracing::warn!(%error, "the conformance reports could not be written");
            // One is kept; while the database is away for longer, counts are lost.
            unwritten.get_or_insert(change);
        }
    }
}
