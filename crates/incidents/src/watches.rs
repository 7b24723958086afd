//! What is known of each charger, and to whom a mere sign of life does not matter.

use std::collections::hash_map::Entry;
use std::ops::Deref;

use mendpoint_model::ChargerKey;
use rustc_hash::FxHashMap;

use crate::case::Watch;

/// Chargers with larger keys are never noted as calm: one of them must not cost a bit for each of
/// four thousand million others.
const KEYS_MAX: u32 = 1 << 24;

/// The watches, by charger. Boxed, because a map of whole ones would keep half of its room empty.
///
/// Signs of life are most of all messages, and matter only where something is wrong. Finding that
/// out reads three places of memory that nothing else has touched lately; so whoever was found calm
/// is noted in a bit, until its watch is changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watches {
    known: FxHashMap<ChargerKey, Box<Watch>>,
    calm: Vec<u64>,
}

impl Watches {
    /// A watch that may be changed.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "like the map that it is")]
    pub(crate) fn get_mut(&mut self, key: &ChargerKey) -> Option<&mut Box<Watch>> {
        self.rouse(*key);
        self.known.get_mut(key)
    }

    /// The place of a watch, there or not.
    pub(crate) fn entry(&mut self, key: ChargerKey) -> Entry<'_, ChargerKey, Box<Watch>> {
        self.rouse(key);
        self.known.entry(key)
    }

    /// Forgets a charger.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "like the map that it is")]
    pub(crate) fn remove(&mut self, key: &ChargerKey) -> Option<Box<Watch>> {
        self.rouse(*key);
        self.known.remove(key)
    }

    /// Whether it was found that no sign of life of a charger matters, and nothing changed since.
    pub(crate) fn is_calm(&self, key: ChargerKey) -> bool {
        let (word, bit) = place(key);
        self.calm.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// Whether a sign of life of a charger may change an incident, looked up.
    pub(crate) fn heeds(&mut self, key: ChargerKey) -> bool {
        if self.is_calm(key) {
            return false;
        }
        if self.known.get(&key).is_some_and(|watch| watch.is_hot()) {
            return true;
        }
        self.calm_down(key);
        false
    }

    fn calm_down(&mut self, key: ChargerKey) {
        if key.0 >= KEYS_MAX {
            return;
        }
        let (word, bit) = place(key);
        if self.calm.len() <= word {
            self.calm.resize(word + 1, 0);
        }
        self.calm[word] |= bit;
    }

    fn rouse(&mut self, key: ChargerKey) {
        let (word, bit) = place(key);
        if let Some(bits) = self.calm.get_mut(word) {
            *bits &= !bit;
        }
    }
}

impl Deref for Watches {
    type Target = FxHashMap<ChargerKey, Box<Watch>>;

    fn deref(&self) -> &Self::Target {
        &self.known
    }
}

fn place(key: ChargerKey) -> (usize, u64) {
    ((key.0 / 64) as usize, 1 << (key.0 % 64))
}

#[cfg(test)]
mod tests {
    use mendpoint_model::IncidentId;

    use super::*;

    #[test]
    fn whoever_was_found_calm_is_so_until_its_watch_is_changed() {
        let (mut watches, one) = (Watches::default(), ChargerKey(100));
        assert!(!watches.heeds(one) && watches.is_calm(one), "nobody knows it");
        assert!(!watches.is_calm(ChargerKey(101)) && !watches.is_calm(ChargerKey(164)));
        watches.entry(one).or_default().cases.push(IncidentId(1));
        assert!(!watches.is_calm(one) && watches.heeds(one), "it has an incident");
        watches.get_mut(&one).expect("it is there").cases.clear();
        assert!(!watches.is_calm(one) && !watches.heeds(one) && watches.is_calm(one));
        watches.remove(&one);
        assert!(!watches.is_calm(one), "one that comes again is looked at anew");
    }

    #[test]
    fn a_huge_key_takes_no_room() {
        let mut watches = Watches::default();
        assert!(!watches.heeds(ChargerKey(u32::MAX)));
        assert!(watches.calm.is_empty() && !watches.is_calm(ChargerKey(u32::MAX)));
    }
}
