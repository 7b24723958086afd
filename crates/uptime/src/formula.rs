//! The formulas, each with the rule it is from. All in percent; `None` when no minute counts.

use crate::exclusion::Reason;
use crate::tally::Tally;

/// Minutes of a year in 23 CFR 680.116(b)(3).
pub const YEAR_MINUTES: i64 = 525_600;
/// What a year at 97 % may lose.
pub const NEVI_BUDGET_MINUTES: i64 = 15_768;
/// What a year at 99 % may lose.
pub const UK_BUDGET_MINUTES: i64 = 5_256;

/// California: excused vandalism per incident at most, in minutes (10 days).
const CALIFORNIA_VANDALISM: i64 = 10 * 1_440;
/// California: excused maintenance a year at most, in minutes (72 hours).
const CALIFORNIA_MAINTENANCE: i64 = 72 * 60;

/// 23 CFR 680.116(b)(3): `((525,600 - (T_outage - T_excluded)) / 525,600) x 100`, with the minutes of
/// the last year. Loss of the network counts as outage. What nobody knows, because our own server did
/// not run or did not see, is none: it is told apart.
pub fn nevi(outage: i64, excluded: i64) -> f64 {
    percent_of(YEAR_MINUTES, outage - excluded)
}

fn percent_of(total: i64, lost: i64) -> f64 {
    (total - lost) as f64 / total as f64 * 100.0
}

/// `T_outage` of a tally: what was down inside the hours of operation.
pub fn nevi_outage(tally: &Tally) -> i64 {
    tally.down() + tally.excluded()
}

/// The same formula for a stretch that is no year: its own open minutes of which anything is known
/// take the place of 525,600.
pub fn nevi_of(tally: &Tally) -> Option<f64> {
    let known = tally.known();
    (known > 0).then(|| percent_of(known, nevi_outage(tally) - tally.excluded()))
}

/// SI 2023/1168 regulation 7: the network's average, `100 x sum (T_open - T_inoperative -
/// T_outoforder) / sum T_open`. Unknown, which is also what OCPI says of a charger that is offline,
/// does not count against it; the regulation knows no exclusions.
pub fn uk(network: &Tally) -> Option<f64> {
    let open = network.open();
    let excused = network.excluded() - network.excluded_offline;
    let lost = network.faulted + network.unavailable + excused;
    (open > 0).then(|| percent_of(open, lost))
}

/// California (CEC) for one port: as NEVI, but vandalism is excused for ten days an incident and
/// maintenance for 72 hours a year at most. The caps are those of the stretch that was counted.
pub fn california(tally: &Tally) -> Option<f64> {
    california_of([tally])
}

/// The same over several ports: each has its own ten days an incident and its own 72 hours.
pub fn california_of<'a>(ports: impl IntoIterator<Item = &'a Tally>) -> Option<f64> {
    let (mut known, mut lost) = (0, 0);
    for tally in ports {
        known += tally.known();
        lost += nevi_outage(tally) - california_excused(tally);
    }
    (known > 0).then(|| percent_of(known, lost))
}

fn california_excused(tally: &Tally) -> i64 {
    let mut excused = 0;
    let mut maintenance = 0;
    for ((reason, _), minutes) in &tally.excluded {
        match reason {
            Reason::Vandalism => excused += (*minutes).min(CALIFORNIA_VANDALISM),
            Reason::Maintenance => maintenance += minutes,
            Reason::Utility | Reason::Disaster => excused += minutes,
            // Not in the list of California.
            Reason::Vehicle => {}
        }
    }
    excused + maintenance.min(CALIFORNIA_MAINTENANCE)
}

/// What a driver finds: up, of all open minutes of which anything is known; nothing is excused.
pub fn strict(tally: &Tally) -> Option<f64> {
    let known = tally.known();
    (known > 0).then(|| percent_of(known, known - tally.up))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn the_numbers_of_the_regulation() {
        // A year without an outage, one with exactly the budget, and one with it excused.
        assert!(close(nevi(0, 0), 100.0));
        assert!(close(nevi(NEVI_BUDGET_MINUTES, 0), 97.0));
        assert!(close(nevi(2 * NEVI_BUDGET_MINUTES, NEVI_BUDGET_MINUTES), 97.0));
        assert_eq!(YEAR_MINUTES * 3 / 100, NEVI_BUDGET_MINUTES);
        assert_eq!(YEAR_MINUTES / 100, UK_BUDGET_MINUTES);
    }

    #[test]
    fn an_offline_charger_hurts_nevi_and_not_the_uk() {
        let tally = Tally { up: 900, offline: 100, ..Tally::default() };
        assert!(close(nevi_of(&tally).expect("open"), 90.0));
        assert!(close(uk(&tally).expect("open"), 100.0));
        assert!(close(strict(&tally).expect("open"), 90.0));
    }

    #[test]
    fn out_of_order_hurts_both_and_the_uk_excuses_nothing() {
        let mut tally = Tally { up: 900, faulted: 40, unavailable: 10, ..Tally::default() };
        tally.excluded.insert((Reason::Vandalism, 1), 50);
        assert!(close(nevi_of(&tally).expect("open"), 95.0));
        assert!(close(uk(&tally).expect("open"), 90.0));
        assert!(close(strict(&tally).expect("open"), 90.0));
    }

    #[test]
    fn california_caps_vandalism_by_incident_and_maintenance_by_year() {
        let mut tally = Tally { up: 100_000, ..Tally::default() };
        tally.excluded.insert((Reason::Vandalism, 1), 20_000);
        tally.excluded.insert((Reason::Vandalism, 2), 1_000);
        tally.excluded.insert((Reason::Maintenance, 3), 3_000);
        tally.excluded.insert((Reason::Maintenance, 4), 3_000);
        tally.excluded.insert((Reason::Vehicle, 5), 10);
        let lost = (20_000 - 14_400) + (6_000 - 4_320) + 10;
        let open = tally.open();
        let expected = (open - lost) as f64 / open as f64 * 100.0;
        assert!(close(california(&tally).expect("open"), expected));
        assert!(close(nevi_of(&tally).expect("open"), 100.0));
    }

    #[test]
    fn each_port_has_its_own_ten_days_and_72_hours_in_california() {
        // One incident and one maintenance that concern both ports of a site.
        let mut port = Tally { up: 100_000, ..Tally::default() };
        port.excluded.insert((Reason::Vandalism, 1), 14_400);
        port.excluded.insert((Reason::Maintenance, 2), 4_320);
        assert!(close(california(&port).expect("open"), 100.0));
        assert!(close(california_of([&port, &port]).expect("open"), 100.0));
        // Added up to one first they would look like one incident of twenty days.
        let mut both = port.clone();
        both.add(&port);
        assert!(california(&both).expect("open") < 100.0);
        // A minute more of either is not excused.
        for reason in [Reason::Vandalism, Reason::Maintenance] {
            let mut more = port.clone();
            let key = if reason == Reason::Vandalism { 1 } else { 2 };
            *more.excluded.entry((reason, key)).or_default() += 1;
            let open = more.open() as f64;
            assert!(close(california(&more).expect("open"), (open - 1.0) / open * 100.0));
        }
    }

    #[test]
    fn what_each_rule_excuses() {
        let of = |reason| {
            let mut tally = Tally { up: 90, ..Tally::default() };
            tally.excluded.insert((reason, 1), 10);
            let figures = [nevi_of(&tally), california(&tally), uk(&tally), strict(&tally)];
            figures.map(|figure| figure.expect("open").round() as i64)
        };
        assert_eq!(of(Reason::Utility), [100, 100, 90, 90]);
        assert_eq!(of(Reason::Vehicle), [100, 90, 90, 90]);
        assert_eq!(of(Reason::Maintenance), [100, 100, 90, 90]);
        assert_eq!(of(Reason::Vandalism), [100, 100, 90, 90]);
        assert_eq!(of(Reason::Disaster), [100, 100, 90, 90]);
    }

    #[test]
    fn hours_that_are_closed_count_nowhere() {
        let open = Tally { up: 90, offline: 6, faulted: 4, ..Tally::default() };
        let closed = Tally { closed: 500, ..open.clone() };
        for figure in [nevi_of, uk, california, strict] {
            assert!(close(figure(&open).expect("open"), figure(&closed).expect("open")));
        }
    }

    #[test]
    fn the_uk_takes_the_average_of_the_network_and_not_of_its_chargers() {
        let mut network = Tally { up: 100, ..Tally::default() };
        network.add(&Tally { up: 0, faulted: 900, ..Tally::default() });
        assert!(close(uk(&network).expect("open"), 10.0));
    }

    #[test]
    fn what_nobody_knows_is_neither_up_nor_down() {
        let tally = Tally { up: 45, offline: 5, faulted: 10, blind: 40, ..Tally::default() };
        assert_eq!(nevi_outage(&tally), 15, "T_outage has no minute that nobody knows");
        // Of the 60 minutes that are known, 45 were up.
        for figure in [nevi_of, california, strict] {
            assert!(close(figure(&tally).expect("known"), 75.0));
        }
        // The UK counts what is unknown as reliable (OCPI: ineligible for measurement).
        assert!(close(uk(&tally).expect("open"), 90.0));
        let nothing = Tally { blind: 60, ..Tally::default() };
        assert_eq!([nevi_of(&nothing), california(&nothing), strict(&nothing)], [None; 3]);
        assert_eq!(strict(&Tally::default()), None);
    }
}
