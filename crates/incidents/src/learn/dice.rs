//! Chance that can be replayed: the same seed gives the same numbers.

/// A small generator (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice for the n-th choice of an incident.
    pub(crate) fn of(seed: u64, nth: u64) -> Self {
        let mut dice = Self(seed ^ nth.wrapping_mul(0xA24B_AED4_963E_E407));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly between 0 and 1, never 0.
    pub(crate) fn share(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (a, b) = (self.share(), self.share());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    /// Marsaglia and Tsang, for shapes above 0.
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let power = 1.0 / shape;
            return self.gamma(shape + 1.0) * self.share().powf(power);
        }
        let size = shape - 1.0 / 3.0;
        let scale = 1.0 / (9.0 * size).sqrt();
        // Nine of ten tries are taken; the bound is for the proof only.
        for _ in 0..256 {
            let drawn = self.normal();
            let cube = (1.0 + scale * drawn).powi(3);
            let luck = self.share().ln();
            if cube > 0.0 && luck < 0.5 * drawn * drawn + size - size * cube + size * cube.ln() {
                return size * cube;
            }
        }
        size
    }

    /// A share of which `hits` and `misses` are known, drawn at random.
    pub(crate) fn beta(&mut self, hits: f64, misses: f64) -> f64 {
        let a = self.gamma(hits.max(0.01));
        let b = self.gamma(misses.max(0.01));
        a / (a + b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_others() {
        let draw = |seed| Dice::of(seed, 1).share().to_bits();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(Dice::of(7, 1).share().to_bits(), Dice::of(7, 2).share().to_bits());
    }

    #[test]
    fn draws_of_a_share_lie_around_it() {
        let mut dice = Dice::of(42, 0);
        let many = 4_000;
        let sum: f64 = (0..many).map(|_| dice.beta(18.0, 2.0)).sum();
        assert!((sum / f64::from(many) - 0.9).abs() < 0.01);
        let sum: f64 = (0..many).map(|_| dice.beta(0.5, 0.5)).sum();
        assert!((sum / f64::from(many) - 0.5).abs() < 0.03);
    }
}
