//! How much power a car draws.

use rand::Rng;
use rand::rngs::SmallRng;

use crate::Current;

/// The battery of the car at a connector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Battery {
    pub(crate) capacity_wh: f64,
    /// State of charge, percent.
    pub(crate) soc: f64,
    /// Where the driver set the limit, percent.
    pub(crate) full_at: f64,
    /// What the car itself can take, W.
    pub(crate) car_limit_w: f64,
}

impl Battery {
    /// A car as they come.
    pub(crate) fn random(rng: &mut SmallRng, current: Current) -> Self {
        let car_limit_w = match current {
            Current::Ac => *pick(rng, &[7_400.0, 11_000.0, 11_000.0, 22_000.0]),
            Current::Dc => *pick(rng, &[50_000.0, 85_000.0, 125_000.0, 170_000.0]),
        };
        Self {
            capacity_wh: rng.random_range(38_000.0..82_000.0),
            soc: rng.random_range(12.0..58.0),
            full_at: *pick(rng, &[80.0, 90.0, 100.0]),
            car_limit_w,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.soc >= self.full_at
    }

    /// Takes energy in; losses are left out.
    pub(crate) fn charge(&mut self, wh: f64) {
        self.soc = (self.soc + wh / self.capacity_wh * 100.0).min(100.0);
    }

    /// Power drawn now, W: a ramp over the first seconds, then what charger, car and limit allow,
    /// falling from 60 % on for direct current and from 95 % on for alternating.
    pub(crate) fn power_w(&self, current: Current, offered_w: f64, elapsed_s: f64) -> f64 {
        if self.is_full() {
            return 0.0;
        }
        let most = offered_w.min(self.car_limit_w);
        let ramp = (elapsed_s / 15.0).clamp(0.15, 1.0);
        let taper = match current {
            Current::Dc => (1.0 - (self.soc - 60.0).max(0.0) / 45.0).max(0.1),
            Current::Ac => (1.0 - (self.soc - 95.0).max(0.0) / 6.0).max(0.1),
        };
        most * ramp * taper
    }
}

fn pick<'a, T>(rng: &mut SmallRng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn car(soc: f64) -> Battery {
        Battery { capacity_wh: 60_000.0, soc, full_at: 100.0, car_limit_w: 120_000.0 }
    }

    #[test]
    fn direct_current_falls_as_the_battery_fills() {
        let power = |soc| car(soc).power_w(Current::Dc, 150_000.0, 600.0);
        assert!((power(30.0) - 120_000.0).abs() < 1.0);
        assert!(power(80.0) < 70_000.0);
        assert!(power(95.0) < power(80.0));
        assert!(power(100.0) < 1.0);
    }

    #[test]
    fn it_starts_slowly() {
        assert!(car(30.0).power_w(Current::Dc, 150_000.0, 1.0) < 20_000.0);
    }
}
