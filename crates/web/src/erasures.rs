//! Whether somebody's card was erased while something was on its way that had been read before: then it
//! is not written down again.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{RwLock, RwLockReadGuard};

/// The erasures of this run.
#[derive(Debug, Default)]
pub(crate) struct Erasures {
    /// How many began.
    begun: AtomicU64,
    /// How many go on.
    running: AtomicU64,
    /// Read by whoever writes what they had read before; an erasure begins between two of them.
    gate: RwLock<()>,
}

/// How many erasures there had been when something was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ErasureMark(u64);

/// An erasure that goes on.
#[derive(Debug)]
pub(crate) struct Erasing<'a>(&'a Erasures);

impl Erasing<'_> {
    /// Nobody was erased: what is on its way goes on.
    pub(crate) fn refused(self) {
        // Nothing could be marked since it began.
        self.0.begun.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Erasing<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Erasures {
    /// Begins an erasure: what was read until now is not written any more.
    pub(crate) async fn begin(&self) -> Erasing<'_> {
        let _gate = self.gate.write().await;
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.running.fetch_add(1, Ordering::SeqCst);
        Erasing(self)
    }

    /// A mark for what is read from now on; `None` while somebody is being erased.
    pub(crate) async fn mark(&self) -> Option<ErasureMark> {
        let _gate = self.gate.read().await;
        let is_calm = self.running.load(Ordering::SeqCst) == 0;
        is_calm.then(|| ErasureMark(self.begun.load(Ordering::SeqCst)))
    }

    /// Whether nobody was erased since; while the answer is held, nobody begins to be.
    pub(crate) async fn unchanged(&self, mark: ErasureMark) -> Option<RwLockReadGuard<'_, ()>> {
        let gate = self.gate.read().await;
        (self.begun.load(Ordering::SeqCst) == mark.0).then_some(gate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_read_before_an_erasure_is_seen_to_be_old() {
        let erasures = Erasures::default();
        let before = erasures.mark().await.expect("nobody is being erased");
        assert!(erasures.unchanged(before).await.is_some());
        let erasing = erasures.begin().await;
        assert_eq!(erasures.mark().await, None, "what is read now may be half erased");
        assert!(erasures.unchanged(before).await.is_none());
        drop(erasing);
        assert!(erasures.unchanged(before).await.is_none());
        let calm = erasures.mark().await.expect("it is over");
        erasures.begin().await.refused();
        assert!(erasures.unchanged(calm).await.is_some(), "nobody was erased");
        let after = erasures.mark().await.expect("it is over");
        assert!(erasures.unchanged(after).await.is_some());
    }
}
