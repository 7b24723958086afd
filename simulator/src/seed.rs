//! Where randomness comes from: one seed, split by names, so that the same seed gives the same run
//! whatever the order in which chargers are started.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Mixes a name into a seed (FNV-1a with a final avalanche), the same on every machine.
pub(crate) fn mix(seed: u64, name: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed.rotate_left(17);
    for byte in name.bytes() {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// The generator of a named part of the simulation.
pub(crate) fn rng(seed: u64, name: &str) -> SmallRng {
    SmallRng::seed_from_u64(mix(seed, name))
}

/// A whole number of milliseconds between the two, both included.
pub(crate) fn between(rng: &mut SmallRng, range: (i64, i64)) -> i64 {
    if range.1 <= range.0 { range.0 } else { rng.random_range(range.0..=range.1) }
}

/// Picks an index by weights; any when all weights are 0.
pub(crate) fn weighted(rng: &mut SmallRng, weights: &[f64]) -> usize {
    let total: f64 = weights.iter().sum();
    if total <= 0.0 {
        return rng.random_range(0..weights.len().max(1));
    }
    let mut at = rng.random::<f64>() * total;
    for (index, weight) in weights.iter().enumerate() {
        if at < *weight {
            return index;
        }
        at -= weight;
    }
    0
}

/// A waiting time of a Poisson process, in milliseconds; `None` when nothing ever happens.
pub(crate) fn waiting_ms(rng: &mut SmallRng, per_hour: f64) -> Option<i64> {
    if per_hour <= 0.0 {
        return None;
    }
    let uniform = rng.random::<f64>().max(1e-12);
    Some((-uniform.ln() * 3_600_000.0 / per_hour) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_gives_the_same_stream_and_another_name_another() {
        let draw = |seed, name| rng(seed, name).random::<u64>();
        assert_eq!(draw(7, "PKL-01"), draw(7, "PKL-01"));
        assert_ne!(draw(7, "PKL-01"), draw(7, "PKL-02"));
        assert_ne!(draw(7, "PKL-01"), draw(8, "PKL-01"));
    }

    #[test]
    fn weights_of_nothing_are_never_picked() {
        let mut source = rng(1, "weights");
        assert!((0..200).all(|_| weighted(&mut source, &[0.0, 1.0, 0.0]) == 1));
    }
}
