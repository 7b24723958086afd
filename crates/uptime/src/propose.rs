//! Proposes exclusions from what chargers show: a person decides.

use mendpoint_model::{ChargerKey, SECOND_MS, UnixMs};

use crate::exclusion::Reason;

/// Chargers of a site lose their power within this time of each other (design 1.7).
const TOGETHER_MS: i64 = 120 * SECOND_MS;
/// A boot so soon after the return belongs to it.
const BOOT_MS: i64 = 600 * SECOND_MS;
/// So much of a site must be gone, in percent, and so much of that must boot when it is back.
const PERCENT: usize = 60;
/// And at least so many chargers.
const LEAST: usize = 2;

/// A time without a connection of one charger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// When it began.
    pub from: UnixMs,
    /// The charger.
    pub charger: ChargerKey,
    /// When it was back; `None` while it is not.
    pub until: Option<UnixMs>,
    /// When it booted next after that, if it did.
    pub booted_at: Option<UnixMs>,
}

impl Gap {
    fn booted(&self) -> bool {
        let Some((until, booted)) = self.until.zip(self.booted_at) else { return false };
        booted.since_ms(until) <= BOOT_MS
    }
}

/// An exclusion that the evidence suggests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// From when on.
    pub from: UnixMs,
    /// Until before when.
    pub until: UnixMs,
    /// Why.
    pub reason: Reason,
    /// The chargers that show it.
    pub chargers: Vec<ChargerKey>,
    /// What shows it.
    pub evidence: String,
}

/// Looks for power failures of a site: at least 60 % of its chargers, two at least, went away within
/// two minutes, and at least 60 % of those booted when they were back. One that returns without a boot
/// kept its power: then it was the network, which no rule excuses.
pub fn propose(site_size: usize, gaps: &[Gap]) -> Vec<Proposal> {
    let mut gaps = gaps.to_vec();
    gaps.sort();
    let mut proposals = Vec::new();
    let mut at = 0;
    while at < gaps.len() {
        let first = gaps[at].from;
        let end = gaps[at..]
            .iter()
            .position(|gap| gap.from.since_ms(first) > TOGETHER_MS)
            .map_or(gaps.len(), |more| at + more);
        let group = &gaps[at..end];
        at = end;
        let mut chargers: Vec<ChargerKey> = group.iter().map(|gap| gap.charger).collect();
        chargers.sort_unstable();
        chargers.dedup();
        if chargers.len() < LEAST || chargers.len() * 100 < site_size * PERCENT {
            continue;
        }
        // As long as one of them is away the end is not known.
        let Some(until) = group.iter().map(|gap| gap.until).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let booted = group.iter().filter(|gap| gap.booted()).count();
        if booted * 100 < group.len() * PERCENT {
            continue;
        }
        let last = until.into_iter().max().unwrap_or(first);
        let last_from = group.iter().map(|gap| gap.from).max().unwrap_or(first);
        proposals.push(Proposal {
            from: first,
            until: last,
            reason: Reason::Utility,
            evidence: format!(
                "{} of {site_size} chargers of the site lost their connection within {} s, and \
                 {booted} of them booted when they were back: they had lost their power.",
                chargers.len(),
                last_from.since_ms(first) / SECOND_MS
            ),
            chargers,
        });
    }
    proposals
}

#[cfg(test)]
mod tests {
    use mendpoint_model::HOUR_MS;

    use super::*;

    const T: UnixMs = UnixMs(1_767_225_600_000);

    fn gap(charger: u32, after_s: i64, boots: bool) -> Gap {
        let until = T + HOUR_MS;
        Gap {
            from: T + after_s * SECOND_MS,
            charger: ChargerKey(charger),
            until: Some(until),
            booted_at: boots.then(|| until + 30 * SECOND_MS),
        }
    }

    #[test]
    fn a_site_that_boots_as_one_had_lost_its_power() {
        let gaps = [gap(1, 0, true), gap(2, 3, true), gap(3, 90, true), gap(4, 1, false)];
        let found = propose(5, &gaps);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].from, found[0].until), (T, T + HOUR_MS));
        assert_eq!(
            found[0].evidence,
            "4 of 5 chargers of the site lost their connection within 90 s, and 3 of them booted \
             when they were back: they had lost their power."
        );
    }

    #[test]
    fn sixty_percent_of_the_site_and_sixty_percent_of_those_are_enough() {
        let gaps =
            [gap(1, 0, true), gap(2, 0, true), gap(3, 0, true), gap(4, 0, false), gap(5, 0, false)];
        assert_eq!(propose(5, &gaps).len(), 1, "3 of 5 booted");
        assert!(propose(5, &[gaps[0], gaps[1], gaps[2]]).len() == 1, "3 of 5 were lost");
        assert!(propose(6, &[gaps[0], gaps[1], gaps[2]]).is_empty(), "half of them are not enough");
        let half = [gap(1, 0, true), gap(2, 0, true), gap(3, 0, false), gap(4, 0, false)];
        assert!(propose(4, &half).is_empty(), "nor half of the boots");
    }

    #[test]
    fn two_minutes_are_together_and_ten_minutes_belong_to_the_return() {
        assert_eq!(propose(2, &[gap(1, 0, true), gap(2, 120, true)]).len(), 1);
        let booted = |after_s: i64| {
            let one = gap(1, 0, true);
            let booted_at = one.until.map(|until| until + after_s * SECOND_MS);
            propose(2, &[Gap { booted_at, ..one }, Gap { booted_at, ..gap(2, 1, true) }]).len()
        };
        assert_eq!((booted(600), booted(601)), (1, 0));
    }

    #[test]
    fn without_boots_it_was_the_network() {
        assert!(propose(2, &[gap(1, 0, false), gap(2, 3, false)]).is_empty());
    }

    #[test]
    fn one_charger_is_no_site_and_two_of_ten_are_none_either() {
        assert!(propose(1, &[gap(1, 0, true)]).is_empty());
        assert!(propose(10, &[gap(1, 0, true), gap(2, 1, true)]).is_empty());
        assert!(propose(2, &[gap(1, 0, true), gap(2, 121, true)]).is_empty());
    }

    #[test]
    fn as_long_as_one_is_away_it_is_not_over() {
        let away = Gap { until: None, booted_at: None, ..gap(2, 3, true) };
        assert!(propose(2, &[gap(1, 0, true), away]).is_empty());
    }
}
