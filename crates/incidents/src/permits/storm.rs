//! The short circuit (G6): when many chargers of a site, a cohort or the fleet get into trouble, the
//! cause is not theirs, and nothing new is started.

use mendpoint_model::UnixMs;

/// How many chargers of one place there are, and how many are in trouble.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge {
    pub(crate) known: usize,
    pub(crate) unwell: usize,
    since: Option<UnixMs>,
    calm_at: Option<UnixMs>,
}

/// When trouble is a storm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StormLimit {
    /// More than this part, in percent.
    pub(crate) percent: f64,
    /// Among so many chargers at least.
    pub(crate) min: usize,
    /// How long it lasts after the part is back.
    pub(crate) cool_ms: i64,
}

impl StormLimit {
    fn is_above(&self, gauge: &Gauge) -> bool {
        let most = (gauge.known as f64 * self.percent / 100.0).floor() as usize;
        gauge.known >= self.min && gauge.unwell > most
    }
}

impl Gauge {
    /// Looks at the part anew, after a count changed.
    pub(crate) fn look(&mut self, limit: &StormLimit, now: UnixMs) {
        if limit.is_above(self) {
            if self.holds(limit, now).is_none() {
                self.since = Some(now);
            }
            self.calm_at = None;
        } else if self.since.is_some() && self.calm_at.is_none() {
            self.calm_at = Some(now);
        }
    }

    /// Since when it is a storm, if it is one, and when it ends, once that is known.
    pub(crate) fn holds(
        &self,
        limit: &StormLimit,
        now: UnixMs,
    ) -> Option<(UnixMs, Option<UnixMs>)> {
        let since = self.since?;
        let until = self.calm_at.map(|at| at + limit.cool_ms);
        until.is_none_or(|until| now < until).then_some((since, until))
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::MINUTE_MS;

    use super::*;

    const SITE: StormLimit = StormLimit { percent: 40.0, min: 3, cool_ms: 10 * MINUTE_MS };

    fn at(minutes: i64) -> UnixMs {
        UnixMs(minutes * MINUTE_MS)
    }

    #[test]
    fn g06_more_than_two_fifths_of_a_site_are_a_storm_until_ten_minutes_after() {
        let mut site = Gauge { known: 5, ..Gauge::default() };
        for (unwell, now, is_storm) in [
            (2, 0, false),
            (3, 1, true),
            (2, 2, true),
            (3, 10, true),
            (2, 11, true),
            (2, 20, true),
            (2, 21, false),
            (3, 22, true),
        ] {
            site.unwell = unwell;
            site.look(&SITE, at(now));
            assert_eq!(site.holds(&SITE, at(now)).is_some(), is_storm, "minute {now}");
        }
        let mut pair = Gauge { known: 2, unwell: 2, ..Gauge::default() };
        pair.look(&SITE, at(0));
        assert_eq!(pair.holds(&SITE, at(0)), None, "two are no crowd");
    }
}
