//! Charging profiles, as far as a charger needs them to obey: purpose, level, periods.

use mendpoint_model::UnixMs;

/// The profiles of one charger.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    pub(crate) list: Vec<Profile>,
}

/// One profile, of either version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile {
    pub(crate) id: i32,
    /// Connector or EVSE; 0 for the whole charger.
    pub(crate) connector: u16,
    pub(crate) purpose: Purpose,
    pub(crate) stack_level: i32,
    /// Limits in watts; otherwise in amperes per phase.
    pub(crate) in_watts: bool,
    /// Start of each period in seconds, and its limit.
    pub(crate) periods: Vec<(i32, f64)>,
    pub(crate) starts_at: UnixMs,
    pub(crate) duration_s: Option<i32>,
    /// The profile as it came, to be reported back (2.0.1).
    pub(crate) as_sent: String,
}

/// What a profile is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Max,
    TxDefault,
    Tx,
}

impl Profiles {
    /// Takes a profile in; one of the same id, or of the same place, purpose and level, goes.
    pub(crate) fn install(&mut self, profile: Profile) {
        self.list.retain(|held| {
            held.id != profile.id
                && (held.connector, held.purpose, held.stack_level)
                    != (profile.connector, profile.purpose, profile.stack_level)
        });
        self.list.push(profile);
    }

    /// Removes what fits all the given terms. `false`: nothing did.
    pub(crate) fn clear(
        &mut self,
        id: Option<i32>,
        connector: Option<u16>,
        purpose: Option<Purpose>,
        stack_level: Option<i32>,
    ) -> bool {
        let before = self.list.len();
        self.list.retain(|held| {
            !(id.is_none_or(|id| held.id == id)
                && connector.is_none_or(|connector| held.connector == connector)
                && purpose.is_none_or(|purpose| held.purpose == purpose)
                && stack_level.is_none_or(|level| held.stack_level == level))
        });
        self.list.len() < before
    }

    /// A transaction is over: its own profiles go (3.13.1 of 1.6).
    pub(crate) fn end_transaction(&mut self, connector: u16) {
        self.list.retain(|held| held.purpose != Purpose::Tx || held.connector != connector);
    }

    /// The limit at a connector, W; `None` for none. `volts` turns amperes into watts.
    pub(crate) fn limit(&self, connector: u16, now: UnixMs, volts: f64) -> Option<f64> {
        let of = |purpose: Purpose| {
            let here = self.list.iter().filter(|held| {
                held.purpose == purpose && (held.connector == connector || held.connector == 0)
            });
            let top = here.max_by_key(|held| (held.connector, held.stack_level));
            top.and_then(|held| held.limit_w(now, volts))
        };
        let session = of(Purpose::Tx).or_else(|| of(Purpose::TxDefault));
        [of(Purpose::Max), session].into_iter().flatten().reduce(f64::min)
    }
}

impl Profile {
    fn limit_w(&self, now: UnixMs, volts: f64) -> Option<f64> {
        let elapsed_s = now.since_ms(self.starts_at) / 1_000;
        if self.duration_s.is_some_and(|duration| elapsed_s >= i64::from(duration)) {
            return None;
        }
        let current = self.periods.iter().rev().find(|(start, _)| i64::from(*start) <= elapsed_s);
        let (_, limit) = current?;
        Some(if self.in_watts { *limit } else { limit * volts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(id: i32, connector: u16, purpose: Purpose, limit: f64) -> Profile {
        Profile {
            id,
            connector,
            purpose,
            stack_level: 0,
            in_watts: false,
            periods: vec![(0, limit), (60, 6.0)],
            starts_at: UnixMs(0),
            duration_s: None,
            as_sent: String::new(),
        }
    }

    #[test]
    fn the_smallest_of_charger_and_session_limit_counts_and_periods_follow_the_clock() {
        let mut profiles = Profiles::default();
        profiles.install(profile(1, 0, Purpose::TxDefault, 32.0));
        assert_eq!(profiles.limit(1, UnixMs(0), 690.0), Some(32.0 * 690.0));
        assert_eq!(profiles.limit(1, UnixMs(61_000), 690.0), Some(6.0 * 690.0));
        profiles.install(profile(2, 0, Purpose::Max, 16.0));
        assert_eq!(profiles.limit(1, UnixMs(0), 690.0), Some(16.0 * 690.0));
        assert!(profiles.clear(Some(2), None, None, None));
        assert!(!profiles.clear(Some(2), None, None, None));
    }

    #[test]
    fn a_profile_of_a_transaction_goes_with_it() {
        let mut profiles = Profiles::default();
        profiles.install(profile(1, 1, Purpose::Tx, 10.0));
        profiles.end_transaction(2);
        assert!(profiles.limit(1, UnixMs(0), 690.0).is_some());
        profiles.end_transaction(1);
        assert!(profiles.limit(1, UnixMs(0), 690.0).is_none());
    }
}
