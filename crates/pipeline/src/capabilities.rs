//! What models can do, counted from every answer, for all shards (behaviour 64).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use mendpoint_model::{Capabilities, CapabilityCounts, Lesson, ModelKey, UnixMs, Verdict};

/// Pairs of a model and a capability that are counted. Chargers say themselves what they are, so
/// that one of them could name a new model at every boot (behaviour 71).
const PAIRS_MAX: usize = 20_000;

/// The counts, and a snapshot of what they come to.
pub(crate) struct CapabilityBook {
    counts: Mutex<BTreeMap<(ModelKey, Box<str>), CapabilityCounts>>,
    snapshot: ArcSwap<Capabilities>,
}

impl CapabilityBook {
    /// What was counted before a restart.
    pub(crate) fn new(rows: Vec<(ModelKey, String, CapabilityCounts)>) -> Self {
        let counts: BTreeMap<_, _> = rows
            .into_iter()
            .map(|(model, name, counts)| ((model, name.into_boxed_str()), counts))
            .collect();
        let snapshot = ArcSwap::from_pointee(summary(&counts));
        Self { counts: Mutex::new(counts), snapshot }
    }

    /// Counts an answer; gives the counts to be written down. The snapshot is replaced only when it
    /// says something else than before.
    pub(crate) fn learn(
        &self,
        model: &ModelKey,
        name: &str,
        lesson: Lesson,
        at: UnixMs,
    ) -> Option<CapabilityCounts> {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (model.clone(), Box::from(name));
        if !all.contains_key(&key) && all.len() >= PAIRS_MAX {
            return None;
        }
        let counts = all.entry(key).or_default();
        let before = counts.verdict() == Verdict::Unsupported;
        counts.add(lesson, at);
        let now = *counts;
        if before != (now.verdict() == Verdict::Unsupported) {
            self.snapshot.store(Arc::new(summary(&all)));
        }
        Some(now)
    }

    /// What is known now.
    pub(crate) fn snapshot(&self) -> Arc<Capabilities> {
        self.snapshot.load_full()
    }

    /// The counts of one model, or of all, in the order of their names.
    pub(crate) fn list(
        &self,
        model: Option<&ModelKey>,
    ) -> Vec<(ModelKey, Box<str>, CapabilityCounts)> {
        let all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .filter(|((key, _), _)| model.is_none_or(|model| key == model))
            .map(|((key, name), counts)| (key.clone(), name.clone(), *counts))
            .collect()
    }
}

fn summary(counts: &BTreeMap<(ModelKey, Box<str>), CapabilityCounts>) -> Capabilities {
    let mut summary = Capabilities::default();
    for ((model, name), counts) in counts {
        if counts.verdict() == Verdict::Unsupported {
            summary.forbid(model, name, counts.refusal());
        }
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b64_a_verdict_reaches_all_shards_and_takes_itself_back() {
        let book = CapabilityBook::new(Vec::new());
        let model = ModelKey { vendor: "A".into(), model: "X".into(), firmware: "1".into() };
        let empty = book.snapshot();
        book.learn(&model, "Reset Hard", Lesson::Rejected, UnixMs(1));
        assert!(Arc::ptr_eq(&empty, &book.snapshot()), "one refusal changes nothing");
        book.learn(&model, "Reset Hard", Lesson::NotSupported, UnixMs(2));
        assert_eq!(book.snapshot().refusal(&model, "Reset Hard"), Some("NotSupported"));
        let other = ModelKey { firmware: "2".into(), ..model.clone() };
        assert_eq!(book.snapshot().refusal(&other, "Reset Hard"), None);
        let rows = book.list(None);
        let again = CapabilityBook::new(
            rows.into_iter().map(|(model, name, counts)| (model, name.into(), counts)).collect(),
        );
        assert_eq!(again.snapshot(), book.snapshot(), "known after a restart");
        book.learn(&model, "Reset Hard", Lesson::Works, UnixMs(3));
        assert_eq!(book.snapshot().refusal(&model, "Reset Hard"), None);
    }
}
