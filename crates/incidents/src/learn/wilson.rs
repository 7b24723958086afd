//! How sure a share is: Wilson's bounds, which hold for few tries as well.

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The 95 % bounds of a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// It is hardly less than this.
    pub low: f64,
    /// It is hardly more than this.
    pub high: f64,
}

/// The bounds of the share behind `hits` of `tries`. Nothing is known of no tries.
pub fn wilson(hits: f64, tries: f64) -> Bounds {
    if tries <= 0.0 {
        return Bounds { low: 0.0, high: 1.0 };
    }
    let share = (hits / tries).clamp(0.0, 1.0);
    let z2 = Z * Z;
    let middle = share + z2 / (2.0 * tries);
    let half = Z * (share * (1.0 - share) / tries + z2 / (4.0 * tries * tries)).sqrt();
    let whole = 1.0 + z2 / tries;
    Bounds {
        low: ((middle - half) / whole).clamp(0.0, 1.0),
        high: ((middle + half) / whole).clamp(0.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_those_of_the_specification() {
        let close = |a: f64, b: f64| (a - b).abs() < 0.000_5;
        assert!(close(wilson(0.0, 10.0).high, 0.278), "{:?}", wilson(0.0, 10.0));
        assert!(close(wilson(0.0, 8.0).high, 0.324), "{:?}", wilson(0.0, 8.0));
        let of = wilson(18.0, 20.0);
        assert!(close(of.low, 0.699) && close(of.high, 0.972), "{of:?}");
        assert_eq!(wilson(0.0, 0.0), Bounds { low: 0.0, high: 1.0 });
    }
}
