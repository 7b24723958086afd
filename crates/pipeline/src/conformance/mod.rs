//! What chargers send that is not as the specification says: looked for in a part of the messages,
//! beside the way of the message, counted by model and firmware, and written down.
//!
//! The session picks the messages (its sampler says which), a shard hands them over without ever
//! waiting; one task checks them against the definitions, counts ([`Book`](book::Book)) and writes
//! every half minute. When it falls behind, samples are left out and counted as such.

mod book;
mod task;

use mendpoint_model::{ChargerKey, Protocol, UnixMs};
use prometheus::{IntCounter, IntGauge};
use tokio::sync::{mpsc, oneshot};

pub(crate) use task::run;

/// Samples that may wait to be checked; past that they are left out.
const QUEUE: usize = 1_024;

/// A message to be looked at.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) charger: ChargerKey,
    pub(crate) protocol: Protocol,
    pub(crate) at: UnixMs,
    /// The frame as received.
    pub(crate) text: Box<str>,
    /// For an answer of the charger: the action that it answers.
    pub(crate) answers: Option<Box<str>>,
    /// What the tolerant reading noted: field and reason.
    pub(crate) quirks: Vec<(String, String)>,
}

/// What goes to the task.
#[derive(Debug)]
pub(crate) enum Work {
    Sample(Box<Sample>),
    /// Write everything down and say so.
    Flush(oneshot::Sender<()>),
    /// Write everything down and end.
    Stop,
}

/// The way to the task.
#[derive(Debug)]
pub(crate) struct Conformance {
    work: mpsc::Sender<Work>,
    waiting: IntGauge,
    left_out: IntCounter,
}

impl Conformance {
    /// The way to a task that is still to be started.
    pub(crate) fn new(waiting: IntGauge, left_out: IntCounter) -> (Self, mpsc::Receiver<Work>) {
        let (work, receiver) = mpsc::channel(QUEUE);
        (Self { work, waiting, left_out }, receiver)
    }

    /// Hands a sample over, or leaves it out when too many wait.
    pub(crate) fn offer(&self, sample: Sample) {
        if self.work.try_send(Work::Sample(Box::new(sample))).is_err() {
            self.left_out.inc();
        }
        self.waiting.set((QUEUE - self.work.capacity()) as i64);
    }

    /// Waits until everything that was handed over is written down.
    pub(crate) async fn flush(&self) {
        let (done, waiting) = oneshot::channel();
        if self.work.send(Work::Flush(done)).await.is_ok() {
            // Gone without a word only when the program stops.
            let _ = waiting.await;
        }
    }

    /// Lets the task end.
    pub(crate) async fn stop(&self) {
        // It may have ended already.
        let _ = self.work.send(Work::Stop).await;
    }
}
