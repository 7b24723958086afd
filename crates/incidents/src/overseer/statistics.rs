//! The comparison of two rates, exactly: no approximation that fails for small numbers.

/// The two-sided p-value of `a` events in `exposure_a` against `b` in `exposure_b`, when both came
/// at the same rate: the exact conditional test of two Poisson rates. Given all events, those of `a`
/// are binomial; what is no more likely than what was seen is summed. 1 where nothing can be said.
pub fn rate_p(a: u32, exposure_a: f64, b: u32, exposure_b: f64) -> f64 {
    let total = a + b;
    let usable = |exposure: f64| exposure.is_finite() && exposure > 0.0;
    if total == 0 || !usable(exposure_a) || !usable(exposure_b) {
        return 1.0;
    }
    let share = exposure_a / (exposure_a + exposure_b);
    let (ln_yes, ln_no) = (share.ln(), (-share).ln_1p());
    let factorials = ln_factorials(total);
    let ln_chance = |k: u32| {
        factorials[total as usize] - factorials[k as usize] - factorials[(total - k) as usize]
            + f64::from(k) * ln_yes
            + f64::from(total - k) * ln_no
    };
    // A little more than equal, because sums of logarithms are not exact.
    let seen = ln_chance(a) + 1e-9;
    let sum: f64 = (0..=total).map(ln_chance).filter(|ln| *ln <= seen).map(f64::exp).sum();
    sum.min(1.0)
}

/// The logarithms of 0! to n!.
fn ln_factorials(n: u32) -> Vec<f64> {
    let mut sum = 0.0;
    std::iter::once(0.0)
        .chain((1..=n).map(|k| {
            sum += f64::from(k).ln();
            sum
        }))
        .collect()
}

/// Holm's correction: each p-value times the number of tests that are not better than it, never less
/// than that of a better one, in the order given.
pub fn holm(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]).then(a.cmp(b)));
    let mut corrected = vec![1.0; values.len()];
    let mut least = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        let times = (values.len() - rank) as f64;
        least = least.max((values[index] * times).min(1.0));
        corrected[index] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn the_exact_test_gives_known_values() {
        // binom.test(10, 10, 0.5) of R: 0.001953125.
        assert!(close(rate_p(10, 1.0, 0, 1.0), 0.001_953_125));
        // binom.test(7, 10, 0.5): 0.34375.
        assert!(close(rate_p(7, 5.0, 3, 5.0), 0.343_75));
        // binom.test(5, 6, 1/15): the tail of 5 and 6 of 6.
        let tail = 6.0 * (1.0_f64 / 15.0).powi(5) * (14.0 / 15.0) + (1.0_f64 / 15.0).powi(6);
        assert!(close(rate_p(5, 1.0, 1, 14.0), tail));
        assert!(close(rate_p(0, 1.0, 0, 1.0), 1.0));
        assert!(close(rate_p(3, 0.0, 1, 1.0), 1.0));
        assert!(close(rate_p(1, f64::NAN, 1, 1.0), 1.0));
    }

    #[test]
    fn it_works_for_many_events() {
        let p = rate_p(4_000, 1.0, 2_000, 1.0);
        assert!((0.0..1e-100).contains(&p), "{p}");
        assert!(rate_p(2_010, 1.0, 2_000, 1.0) > 0.8);
    }

    #[test]
    fn holm_goes_by_rank_and_never_down() {
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        for (is, should) in corrected.iter().zip(expected) {
            assert!(close(*is, should), "{corrected:?}");
        }
        assert!(holm(&[]).is_empty());
        assert!(close(holm(&[0.9, 0.8])[0], 1.0));
    }
}
