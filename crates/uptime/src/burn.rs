//! How fast an uptime budget is being used: the numbers for the rule `UPTIME_BUDGET`.

use mendpoint_model::{MINUTE_MS, UnixMs};
use serde::Serialize;

use crate::Tally;
use crate::formula::nevi_outage;

/// What a connector owes in a year, in percent (23 CFR 680.116(b)).
pub const TARGET_PERCENT: f64 = 97.0;

/// How fast a budget is used, as multiples of what would use it up exactly by the end of the year.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Burn {
    /// Over the last five minutes.
    pub five_minutes: f64,
    /// Over the last hour.
    pub hour: f64,
    /// Over the last six hours.
    pub six_hours: f64,
    /// Over the last three days.
    pub three_days: f64,
}

/// What a burn calls for (multi-window burn rates).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BurnLevel {
    /// 14.4 x over an hour, and still over the last five minutes: severity 4.
    Fast,
    /// 6 x over six hours: severity 5.
    Steady,
    /// 1 x over three days: severity 6.
    Slow,
}

/// The burn of lost minutes in a window: `lost / window / (1 - target)`.
pub fn burn(lost_minutes: i64, window_minutes: i64, target_percent: f64) -> f64 {
    let budget = 1.0 - target_percent / 100.0;
    if window_minutes <= 0 || budget <= 0.0 {
        return 0.0;
    }
    lost_minutes as f64 / window_minutes as f64 / budget
}

impl Burn {
    /// How fast the worst connector of a charger uses up the budget of a target. `tallies` gives the
    /// minutes of its connectors from one whole minute up to before another.
    pub fn of(
        target_percent: f64,
        now: UnixMs,
        mut tallies: impl FnMut(UnixMs, UnixMs) -> Vec<Tally>,
    ) -> Self {
        let now = UnixMs(now.0.div_euclid(MINUTE_MS) * MINUTE_MS);
        let windows = [5, 60, 360, 4_320].map(|minutes| {
            let ports = tallies(now - minutes * MINUTE_MS, now);
            ports.iter().fold(0.0, |worst, port| {
                let lost = nevi_outage(port) - port.excluded();
                f64::max(worst, burn(lost, minutes, target_percent))
            })
        });
        let [five_minutes, hour, six_hours, three_days] = windows;
        Self { five_minutes, hour, six_hours, three_days }
    }

    /// What it calls for, the most urgent first.
    pub fn level(&self) -> Option<BurnLevel> {
        if self.hour >= 14.4 && self.five_minutes >= 14.4 {
            Some(BurnLevel::Fast)
        } else if self.six_hours >= 6.0 {
            Some(BurnLevel::Steady)
        } else if self.three_days >= 1.0 {
            Some(BurnLevel::Slow)
        } else {
            None
        }
    }
}

/// The uptime that a year would end with when it goes on as in its part so far.
pub fn projected_percent(lost_minutes: i64, counted_minutes: i64) -> Option<f64> {
    (counted_minutes > 0)
        .then(|| (1.0 - lost_minutes as f64 / counted_minutes as f64).max(0.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burn_of_one_uses_the_budget_up_by_the_end_of_the_year() {
        let year = 525_600;
        assert!((burn(15_768, year, 97.0) - 1.0).abs() < 1e-9);
        assert!((burn(26, 60, 97.0) - 14.444).abs() < 0.001);
        assert!(burn(1, 0, 97.0).abs() < 1e-9);
    }

    #[test]
    fn the_worst_connector_counts_in_whole_minutes() {
        let fine = Tally { up: 5, ..Tally::default() };
        let half = |from: UnixMs, until: UnixMs| {
            assert_eq!(until, UnixMs(7_200_000), "the minute that goes on is not over");
            vec![fine.clone(), Tally { offline: until.since_ms(from) / 120_000, ..fine.clone() }]
        };
        let burn = Burn::of(97.0, UnixMs(7_259_999), half);
        assert!((burn.hour - 0.5 / 0.03).abs() < 1e-9, "{burn:?}");
        assert!((burn.five_minutes - 0.4 / 0.03).abs() < 1e-9, "{burn:?}");
    }

    #[test]
    fn the_levels_want_their_windows() {
        let fast = Burn { five_minutes: 20.0, hour: 14.4, six_hours: 2.4, three_days: 0.2 };
        assert_eq!(fast.level(), Some(BurnLevel::Fast));
        let at_most = Burn { five_minutes: 14.4, hour: 14.4, ..Burn::default() };
        assert_eq!(at_most.level(), Some(BurnLevel::Fast));
        assert_eq!(Burn { hour: 14.39, ..at_most }.level(), None);
        assert_eq!(Burn { five_minutes: 14.39, ..at_most }.level(), None);
        assert_eq!(Burn { six_hours: 5.99, ..Burn::default() }.level(), None);
        assert_eq!(Burn { three_days: 0.99, ..Burn::default() }.level(), None);
        // It is over: the last five minutes were good.
        let over = Burn { five_minutes: 0.0, ..fast };
        assert_eq!(over.level(), None);
        let steady = Burn { six_hours: 6.0, ..Burn::default() };
        assert_eq!(steady.level(), Some(BurnLevel::Steady));
        let slow = Burn { three_days: 1.0, ..Burn::default() };
        assert_eq!(slow.level(), Some(BurnLevel::Slow));
    }

    #[test]
    fn a_projection_goes_on_as_it_was() {
        assert_eq!(projected_percent(0, 0), None);
        assert!((projected_percent(30, 1_000).expect("some") - 97.0).abs() < 1e-9);
    }
}
