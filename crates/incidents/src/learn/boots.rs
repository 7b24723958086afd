//! How long a model takes to be back after a reset: the verify window is learned from it.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// How many of a model's starts are kept.
const KEPT_MAX: usize = 50;
/// From so many on they say something.
const KNOWN_FROM: usize = 5;
/// How many models are kept: what chargers call themselves is theirs to choose (behaviour 71).
const MODELS_MAX: usize = 2_000;

/// The starts of every model, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Boots(BTreeMap<(Box<str>, Box<str>), Times>);

/// The newest starts of one model, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Times(VecDeque<i64>);

impl Times {
    /// The time that 95 of 100 starts do not exceed, once enough are known.
    pub(crate) fn p95(&self) -> Option<i64> {
        let mut sorted: Vec<i64> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let place = (sorted.len() * 95).div_ceil(100);
        sorted.get(place.checked_sub(1)?).copied().filter(|_| sorted.len() >= KNOWN_FROM)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Boots {
    /// A charger of a model was back after so long. Says whether it was taken in.
    pub(crate) fn note(&mut self, vendor: &str, model: &str, took_ms: i64) -> bool {
        let key = (vendor.into(), model.into());
        if took_ms < 0 || (self.0.len() >= MODELS_MAX && !self.0.contains_key(&key)) {
            return false;
        }
        let times = &mut self.0.entry(key).or_default().0;
        if times.len() == KEPT_MAX {
            times.pop_front();
        }
        times.push_back(took_ms);
        true
    }

    pub(crate) fn of(&self, vendor: &str, model: &str) -> Option<&Times> {
        self.0.get(&(Box::from(vendor), Box::from(model)))
    }

    pub(crate) fn put(&mut self, vendor: &str, model: &str, times: Times) {
        self.0.insert((vendor.into(), model.into()), times);
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str, &Times)> {
        self.0.iter().map(|((vendor, model), times)| (&**vendor, &**model, times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_starts_say_nothing_and_many_say_how_long_nearly_all_take() {
        let mut boots = Boots::default();
        for _ in 0..4 {
            boots.note("ACME", "X", 40_000);
        }
        assert_eq!(boots.of("ACME", "X").and_then(Times::p95), None);
        for n in 0..20 {
            boots.note("ACME", "X", 40_000 + n * 1_000);
        }
        assert_eq!(boots.of("ACME", "X").and_then(Times::p95), Some(58_000));
        // Old ones are forgotten.
        for _ in 0..KEPT_MAX {
            boots.note("ACME", "X", 90_000);
        }
        assert_eq!(boots.of("ACME", "X").and_then(Times::p95), Some(90_000));
    }
}
