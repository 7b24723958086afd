use mendpoint_model::{HOUR_MS, SECOND_MS};
use proptest::prelude::*;

use super::*;

const T: UnixMs = UnixMs(1_767_225_600_000);

fn at(minutes: i64) -> UnixMs {
    T + minutes * MINUTE_MS
}

fn words(spans: &[Span]) -> Vec<(i64, i64, Class)> {
    let minute = |at: UnixMs| at.since_ms(T) / MINUTE_MS;
    spans.iter().map(|span| (minute(span.from), minute(span.until), span.class)).collect()
}

fn link(at: UnixMs, open: bool) -> (UnixMs, Link) {
    (at, if open { Link::Opened } else { Link::Ended })
}

/// A stop of ours, with ten minutes to come back.
fn stop(from: i64, until: i64) -> Stop {
    Stop { from: at(from), until: at(until), grace_until: at(until + 10) }
}

fn late(of: i64, told: i64, status: ConnectorStatus) -> Said {
    Said { at: at(of), told_at: at(told), status }
}

fn folded(observed: &Observed, minutes: i64) -> Vec<(i64, i64, Class)> {
    words(&fold(observed, T, at(minutes)))
}

/// A connector that works since the beginning.
fn working(links: Vec<(UnixMs, Link)>, stops: Vec<Stop>) -> Observed {
    let statuses = vec![Said::live(T, ConnectorStatus::Available)];
    Observed { links, statuses, stops, ..Observed::default() }
}

#[test]
fn a_minute_is_what_holds_at_its_beginning() {
    let observed = Observed {
        links: vec![link(T, true), link(at(10) + 1, false), link(at(12) + 59_000, true)],
        statuses: vec![
            Said::live(T, ConnectorStatus::Available),
            Said::live(at(20), ConnectorStatus::Faulted),
            Said::live(at(25), ConnectorStatus::Unavailable),
            Said::live(at(30), ConnectorStatus::Charging),
        ],
        ..Observed::default()
    };
    assert_eq!(
        folded(&observed, 60),
        [
            (0, 11, Class::Up),
            (11, 13, Class::Offline),
            (13, 20, Class::Up),
            (20, 25, Class::Faulted),
            (25, 30, Class::Unavailable),
            (30, 60, Class::Up),
        ]
    );
}

#[test]
fn before_anything_is_known_nothing_counts() {
    let observed = Observed { links: vec![link(at(30), true)], ..Observed::default() };
    assert_eq!(folded(&observed, 60), [(30, 60, Class::Up)]);
    assert!(fold(&Observed::default(), T, at(60)).is_empty());
    // What it told of the time before its first connection does not count either, nor does a stop of ours.
    let observed = Observed {
        statuses: vec![
            late(5, 30, ConnectorStatus::Faulted),
            Said::live(at(31), ConnectorStatus::Available),
        ],
        stops: vec![stop(10, 20)],
        ..observed
    };
    assert_eq!(folded(&observed, 60), [(30, 31, Class::Faulted), (31, 60, Class::Up)]);
}

#[test]
fn a_session_told_late_shows_that_it_worked() {
    let mut observed = Observed {
        links: vec![link(T, true), link(at(10), false), link(at(100), true)],
        ..Observed::default()
    };
    assert_eq!(fold(&observed, T, at(120))[1].minutes(), 90);
    observed.sessions.push((at(40), at(70)));
    assert_eq!(
        folded(&observed, 120)[1..4],
        [(10, 40, Class::Offline), (40, 70, Class::Up), (70, 100, Class::Offline)]
    );
}

#[test]
fn while_we_did_not_run_nobody_knows_and_a_charger_has_its_chance_to_come_back() {
    // Killed: no end of any connection was written down.
    let killed = |back: Option<i64>| {
        let links = [Some(link(T, true)), back.map(|back| link(at(back), true))];
        working(links.into_iter().flatten().collect(), vec![stop(20, 30)])
    };
    let unknown = |until| [(0, 20, Class::Up), (20, until, Class::Blind), (until, 60, Class::Up)];
    assert_eq!(folded(&killed(Some(31)), 60), unknown(31), "it is back at once");
    assert_eq!(folded(&killed(Some(39)), 60), unknown(39), "within the grace");
    assert_eq!(
        folded(&killed(Some(50)), 60),
        [(0, 20, Class::Up), (20, 40, Class::Blind), (40, 50, Class::Offline), (50, 60, Class::Up)],
        "later: what is after the grace is its own"
    );
    assert_eq!(
        folded(&killed(None), 60)[1..],
        [(20, 40, Class::Blind), (40, 60, Class::Offline)],
        "never"
    );
}

#[test]
fn an_end_that_our_own_stop_caused_is_no_outage() {
    let ended = (at(20) - 700, Link::EndedByUs);
    let stopped = |stops| working(vec![link(T, true), ended, link(at(31), true)], stops);
    let expected = [(0, 20, Class::Up), (20, 31, Class::Blind), (31, 60, Class::Up)];
    assert_eq!(folded(&stopped(vec![stop(20, 30)]), 60), expected);
    // The last sign of life is older than the end.
    let older = stopped(vec![Stop { from: at(19), ..stop(20, 30) }]);
    assert_eq!(folded(&older, 60), [(0, 19, Class::Up), (19, 31, Class::Blind), expected[2]]);
    // Nor is it when nobody wrote down that we stopped.
    let short = working(vec![link(T, true), ended, link(at(29), true)], Vec::new());
    assert_eq!(folded(&short, 60)[1], (20, 29, Class::Blind));
}

#[test]
fn who_was_offline_before_our_stop_stays_an_outage_of_its_own() {
    let links = vec![link(T, true), link(at(5), false), link(at(35), true)];
    assert_eq!(
        folded(&working(links, vec![stop(20, 30)]), 60),
        [(0, 5, Class::Up), (5, 35, Class::Offline), (35, 60, Class::Up)]
    );
    // And who is lost again within the grace, too.
    let links = vec![link(T, true), link(at(31), true), link(at(33), false)];
    assert_eq!(
        folded(&working(links, vec![stop(20, 30)]), 60)[1..],
        [(20, 31, Class::Blind), (31, 33, Class::Up), (33, 60, Class::Offline)]
    );
}

#[test]
fn every_start_gives_its_grace_to_those_that_were_not_back() {
    // Stopped again two minutes after the start: who was not back yet has ten minutes from the second.
    let stops = vec![stop(20, 30), stop(32, 34)];
    assert_eq!(
        folded(&working(vec![link(T, true)], stops.clone()), 60)[1..],
        [(20, 44, Class::Blind), (44, 60, Class::Offline)]
    );
    // After the first grace the second stop changes nothing.
    let later = vec![stop(20, 30), stop(45, 47)];
    assert_eq!(
        folded(&working(vec![link(T, true)], later), 60)[1..],
        [(20, 40, Class::Blind), (40, 60, Class::Offline)]
    );
    // Back in between: the second one begins anew.
    let links = vec![link(T, true), link(at(31), true), link(at(35), true)];
    assert_eq!(
        folded(&working(links, stops), 60)[1..],
        [(20, 31, Class::Blind), (31, 32, Class::Up), (32, 35, Class::Blind), (35, 60, Class::Up)]
    );
}

#[test]
fn a_session_during_our_stop_shows_that_it_worked() {
    let mut observed = working(vec![link(T, true), link(at(31), true)], vec![stop(20, 30)]);
    observed.sessions.push((at(15), at(27)));
    assert_eq!(
        folded(&observed, 60),
        [(0, 27, Class::Up), (27, 31, Class::Blind), (31, 60, Class::Up)]
    );
}

#[test]
fn statuses_with_times_show_what_was_during_our_stop() {
    let mut observed = working(vec![link(T, true), link(at(31), true)], vec![stop(20, 30)]);
    observed
        .statuses
        .extend([late(22, 31, ConnectorStatus::Faulted), late(25, 31, ConnectorStatus::Available)]);
    assert_eq!(
        folded(&observed, 60),
        [(0, 20, Class::Up), (20, 22, Class::Blind), (22, 25, Class::Faulted), (25, 60, Class::Up)]
    );
    // A status that was told before the stop shows nothing of it.
    let mut observed = working(vec![link(T, true), link(at(31), true)], vec![stop(20, 30)]);
    observed.statuses.push(Said::live(at(20), ConnectorStatus::Available));
    assert_eq!(folded(&observed, 60)[1], (20, 31, Class::Blind));
}

#[test]
fn a_fault_from_before_that_is_still_there_was_there_meanwhile() {
    let mut observed = working(vec![link(T, true), link(at(31), true)], vec![stop(20, 30)]);
    observed.statuses.push(Said::live(at(10), ConnectorStatus::Faulted));
    assert_eq!(folded(&observed, 60), [(0, 10, Class::Up), (10, 60, Class::Faulted)]);
    // It is gone when the charger is back: nobody knows since when.
    observed.statuses.push(Said::live(at(31) + 20 * SECOND_MS, ConnectorStatus::Available));
    assert_eq!(folded(&observed, 60)[2], (20, 31, Class::Blind));
    // It never came back: after the grace it is offline.
    let mut gone = working(vec![link(T, true)], vec![stop(20, 30)]);
    gone.statuses.push(Said::live(at(10), ConnectorStatus::Faulted));
    assert_eq!(
        folded(&gone, 60)[1..],
        [(10, 20, Class::Faulted), (20, 40, Class::Blind), (40, 60, Class::Offline)]
    );
}

#[test]
fn power_that_came_back_shows_that_the_charger_had_none() {
    let mut observed = working(vec![link(T, true), link(at(36), true)], vec![stop(20, 30)]);
    observed.power_ups = vec![at(36) + 5 * SECOND_MS];
    assert_eq!(
        folded(&observed, 60),
        [(0, 20, Class::Up), (20, 30, Class::Blind), (30, 36, Class::Offline), (36, 60, Class::Up)],
        "we ran and it was dark; before that nobody knows"
    );
    // Later than the grace: the same.
    let mut dark = working(vec![link(T, true), link(at(50), true)], vec![stop(20, 30)]);
    dark.power_ups = vec![at(50)];
    assert_eq!(folded(&dark, 60)[1..3], [(20, 30, Class::Blind), (30, 50, Class::Offline)]);
    // A boot of another day shows nothing.
    observed.power_ups = vec![at(48), at(2)];
    assert_eq!(folded(&observed, 60)[1], (20, 36, Class::Blind));
}

#[test]
fn while_the_fleet_is_blind_a_lost_connection_is_unknown() {
    let blind = |links| Observed { blind: vec![(at(20), at(40))], ..working(links, Vec::new()) };
    let lost = |back: i64| vec![link(T, true), link(at(21), false), link(at(back), true)];
    assert_eq!(
        folded(&blind(lost(35)), 60),
        [(0, 21, Class::Up), (21, 35, Class::Blind), (35, 60, Class::Up)]
    );
    assert_eq!(
        folded(&blind(lost(50)), 60)[1..],
        [(21, 40, Class::Blind), (40, 50, Class::Offline), (50, 60, Class::Up)],
        "it is over and the charger is still away"
    );
    let before = vec![link(T, true), link(at(19), false), link(at(35), true)];
    assert_eq!(folded(&blind(before), 60)[1], (19, 35, Class::Offline), "away before it began");
    let away = vec![link(T, true), link(at(21), false)];
    let open = Observed { blind: vec![(at(20), UnixMs(i64::MAX))], ..working(away, Vec::new()) };
    assert_eq!(folded(&open, 60)[1..], [(21, 60, Class::Blind)], "it is not over");
    let mut dark = blind(lost(35));
    dark.power_ups = vec![at(35)];
    assert_eq!(folded(&dark, 60)[1], (21, 35, Class::Offline), "it had lost its power");
}

#[test]
fn what_it_says_later_of_a_lost_connection_may_be_worse_and_never_better() {
    let mut observed =
        working(vec![link(T, true), link(at(10), false), link(at(50), true)], Vec::new());
    observed
        .statuses
        .extend([late(20, 50, ConnectorStatus::Faulted), late(30, 50, ConnectorStatus::Available)]);
    assert_eq!(
        folded(&observed, 60),
        [
            (0, 10, Class::Up),
            (10, 20, Class::Offline),
            (20, 30, Class::Faulted),
            (30, 50, Class::Offline),
            (50, 60, Class::Up)
        ]
    );
}

#[test]
fn a_slow_clock_is_no_late_message() {
    // Connected all along, and it tells of 45 minutes ago: its clock is wrong.
    let mut observed = working(vec![link(T, true)], Vec::new());
    observed.statuses.push(late(5, 50, ConnectorStatus::Faulted));
    assert_eq!(folded(&observed, 60), [(0, 60, Class::Up)]);
    // A minute later it is taken for the present.
    observed.statuses.push(Said::live(at(51), ConnectorStatus::Faulted));
    assert_eq!(folded(&observed, 60), [(0, 51, Class::Up), (51, 60, Class::Faulted)]);
}

#[test]
fn only_what_charger_or_network_did_tells_of_power() {
    let links = vec![
        link(T, true),
        link(at(5), false),
        link(at(7), true),
        (at(20), Link::EndedByUs),
        link(at(50), true),
        link(at(55), false),
    ];
    let observed = working(links, vec![stop(20, 30)]);
    assert_eq!(losses(&observed), [(at(5), Some(at(7))), (at(55), None)]);
}

#[test]
fn the_whole_charger_takes_its_connectors_along() {
    let observed = Observed {
        links: vec![link(T, true)],
        statuses: vec![Said::live(T, ConnectorStatus::Available)],
        whole: vec![
            Said::live(at(5), ConnectorStatus::Faulted),
            Said::live(at(9), ConnectorStatus::Available),
        ],
        ..Observed::default()
    };
    assert_eq!(fold(&observed, T, at(10))[1].class, Class::Faulted);
}

#[test]
fn what_can_no_longer_be_folded_stays_as_it_was() {
    let span = |from, until, class| Span { from: at(from), until: at(until), class };
    let old = [span(0, 30, Class::Up), span(30, 60, Class::Offline)];
    let new = [span(40, 50, Class::Offline), span(50, 60, Class::Up)];
    assert_eq!(
        mend(&old, &new),
        [span(0, 30, Class::Up), span(30, 50, Class::Offline), span(50, 60, Class::Up)]
    );
    assert_eq!(mend(&old, &[]), old);
    assert_eq!(mend(&[], &new), new);
    let all = [span(0, 60, Class::Blind)];
    assert_eq!(mend(&old, &all), all);
}

/// Links of every kind and stops, in order.
fn anything() -> impl Strategy<Value = Observed> {
    let links = proptest::collection::vec((0_i64..7_200_000, 0_u8..3), 0..12);
    let stops = proptest::collection::vec((0_i64..7_200_000, 0_i64..900_000), 0..3);
    let blind = proptest::collection::vec((0_i64..7_200_000, 0_i64..900_000), 0..2);
    let power = proptest::collection::vec(0_i64..7_200_000, 0..3);
    (links, stops, blind, power).prop_map(|(links, stops, blind, power)| {
        let kinds = [Link::Opened, Link::Ended, Link::EndedByUs];
        let mut links: Vec<_> =
            links.into_iter().map(|(ms, kind)| (T + ms, kinds[usize::from(kind)])).collect();
        links.sort_by_key(|(at, _)| *at);
        let stop = |(ms, long): (i64, i64)| Stop {
            from: T + ms,
            until: T + ms + long,
            grace_until: T + ms + long + 600_000,
        };
        Observed {
            links,
            stops: stops.into_iter().map(stop).collect(),
            blind: blind.into_iter().map(|(ms, long)| (T + ms, T + ms + long)).collect(),
            power_ups: power.into_iter().map(|ms| T + ms).collect(),
            ..Observed::default()
        }
    })
}

proptest! {
    #[test]
    fn laying_a_late_session_over_is_folding_with_it(
        before in anything(),
        sessions in proptest::collection::vec((0_i64..7_200_000, 0_i64..3_600_000), 0..4),
    ) {
        let sessions: Vec<_> =
            sessions.into_iter().map(|(ms, long)| (T + ms, T + ms + long)).collect();
        let until = T + 3 * HOUR_MS;
        let with = Observed { sessions: sessions.clone(), ..before.clone() };
        prop_assert_eq!(overlay(&fold(&before, T, until), &sessions), fold(&with, T, until));
    }

    #[test]
    fn folding_in_pieces_gives_the_same_minutes(observed in anything(), cut in 0_i64..120) {
        let minutes = |spans: &[Span]| {
            Class::EVERY.map(|class| {
                spans.iter().filter(|s| s.class == class).map(Span::minutes).sum::<i64>()
            })
        };
        let whole = minutes(&fold(&observed, T, T + 2 * HOUR_MS));
        let first = minutes(&fold(&observed, T, at(cut)));
        let second = minutes(&fold(&observed, at(cut), T + 2 * HOUR_MS));
        for index in 0..whole.len() {
            prop_assert_eq!(whole[index], first[index] + second[index]);
        }
    }

    #[test]
    fn stretches_are_in_order_and_touch(observed in anything()) {
        let Observed { links, stops, blind, power_ups, .. } = &observed;
        let found = stretches(links, stops, blind, power_ups);
        for pair in found.windows(2) {
            prop_assert_eq!(pair[0].until, Some(pair[1].from));
            prop_assert!(pair[0].from <= pair[1].from);
        }
        prop_assert_eq!(found.last().and_then(|last| last.until), None);
    }
}
