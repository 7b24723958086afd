//! Stories of incidents that belong together (1.7): parents and children, groups, what people merge,
//! and vehicles.

use mendpoint_model::{ChargerKey, ConnectorStatus as S, IncidentId, IncidentState, SiteKey};

use crate::Effect;
use crate::correlate::{Notice, NoticeKind, suggestions};
use crate::request::{Request, RequestError};
use crate::world::{ONE, World, world};

const TWO: ChargerKey = ChargerKey(2);

fn notices(world: &World) -> Vec<&Notice> {
    let effects = world.effects.iter();
    effects
        .filter_map(
            |effect| if let Effect::Notice(notice) = effect { Some(&**notice) } else { None },
        )
        .collect()
}

/// Two chargers with a fault that no command heals.
fn two_faults() -> (World, IncidentId, IncidentId) {
    let mut world = world();
    world.add(TWO);
    for key in [ONE, TWO] {
        world.status(key, 1, S::Faulted, "OverVoltage");
        world.wait(70);
    }
    let ids: Vec<IncidentId> = world.incidents.keys().copied().collect();
    (world, ids[0], ids[1])
}

fn merge(world: &mut World, incident: IncidentId, into: IncidentId) -> Result<(), RequestError> {
    let user = "Ana".to_owned();
    world.request(Request::MergeIn { incident: into, child: incident, user: user.clone() })?;
    world.request(Request::Merge { incident, into, user })?;
    Ok(())
}

#[test]
fn a_merged_incident_asks_nobody_and_splitting_undoes_it() {
    let (mut world, first, second) = two_faults();
    merge(&mut world, second, first).expect("both are open");
    assert_eq!(world.incidents[&second].ties.merged_into, Some(first));
    assert_eq!(world.incidents[&first].ties.merged, [second]);
    assert_eq!(world.incidents[&second].next, format!("Waits for the end of {first}"));
    world.live(ONE, 120);
    assert!(world.tickets.iter().all(|ticket| ticket.incident == first), "only one asks");
    let user = || "Ben".to_owned();
    world.request(Request::Split { incident: second, user: user() }).expect("it is merged");
    world
        .request(Request::SplitOut { incident: first, child: second, user: user() })
        .expect("it is open");
    assert_eq!(world.incidents[&second].ties.merged_into, None);
    assert!(world.incidents[&first].ties.merged.is_empty());
    world.heartbeat(TWO);
    world.live(ONE, 120);
    assert!(world.tickets.iter().any(|ticket| ticket.incident == second), "it asks by itself now");
    for kind in ["merged", "merged_in", "split", "split_out"] {
        assert!(world.kinds().contains(&kind), "{kind} stands in a history");
    }
}

#[test]
fn merges_that_make_no_sense_are_refused_in_words() {
    let (mut world, first, second) = two_faults();
    let refused = merge(&mut world, first, first).expect_err("the same");
    assert!(matches!(refused, RequestError::MergeSelf(_)), "{refused}");
    merge(&mut world, second, first).expect("both are open");
    let refused = merge(&mut world, first, second).expect_err("the other way round");
    assert!(matches!(refused, RequestError::MergedAlready(..)), "{refused}");
    let refused = world
        .request(Request::Split { incident: first, user: "Ana".to_owned() })
        .expect_err("it is not merged");
    assert_eq!(refused, RequestError::NotMerged(first));
}

#[test]
fn when_the_parent_is_over_its_members_are_judged_by_themselves() {
    let (mut world, first, second) = two_faults();
    merge(&mut world, second, first).expect("both are open");
    let user = "Ana".to_owned();
    world
        .request(Request::Resolve { incident: first, user, reason: String::new(), safe: false })
        .expect("it is open");
    let child = &world.incidents[&second];
    assert_eq!((child.ties.merged_into, child.ties.is_quiet()), (None, false));
    assert!(!child.state.is_over(), "its fault is still there");
    world.status(TWO, 1, S::Available, "");
    world.heartbeat(TWO);
    world.live(TWO, 7);
    let child = &world.incidents[&second];
    assert!(child.state.is_over(), "{:?} {child:?}", world.kinds());
}

#[test]
fn incidents_of_a_site_that_ask_together_are_told_together() {
    let mut world = world();
    for n in 2..8 {
        world.add(ChargerKey(n));
    }
    for n in 1..8 {
        world.status(ChargerKey(n), 1, S::Faulted, "PowerSwitchFailure");
        world.wait(2);
    }
    world.wait(120);
    let told = notices(&world);
    assert_eq!(told.len(), 1, "one for all of them");
    assert_eq!(told[0].kind, NoticeKind::First);
    assert_eq!(told[0].incidents.len(), 7);
    assert_eq!(told[0].group, "1/fault");
    for incident in world.incidents.values() {
        assert_eq!(incident.ties.group, "1/fault", "each points to its group");
    }
    let ids = told[0].incidents.clone();
    for n in 1..8 {
        world.heartbeat(ChargerKey(n));
    }
    world.wait(4 * 3_600 + 60);
    let repeats: Vec<_> =
        notices(&world).into_iter().filter(|n| n.kind == NoticeKind::Repeat).collect();
    assert_eq!(repeats.len(), 1, "told again after four hours");
    assert_eq!(repeats[0].incidents, ids);
}

#[test]
fn what_comes_later_is_told_at_intervals() {
    let mut world = world();
    world.add(TWO);
    world.add(ChargerKey(3));
    world.status(ONE, 1, S::Faulted, "PowerSwitchFailure");
    world.wait(60);
    assert_eq!(notices(&world).len(), 1);
    let first = notices(&world)[0].at;
    world.status(TWO, 1, S::Faulted, "PowerSwitchFailure");
    world.wait(60);
    world.status(ChargerKey(3), 1, S::Faulted, "PowerSwitchFailure");
    world.wait(600);
    let told = notices(&world);
    assert_eq!(told.len(), 2);
    assert_eq!((told[1].kind, told[1].fresh.len()), (NoticeKind::More, 2));
    assert!(told[1].at.since_ms(first) >= 300_000);
}

#[test]
fn an_offline_charger_explains_its_weak_signal() {
    let mut world = world();
    for _ in 0..4 {
        world.signal(ONE, -95.0);
        world.wait(100);
    }
    let weak = world.incident().id;
    assert_eq!(world.incident().rule, "WEAK_WIFI");
    world.disconnect(ONE);
    world.wait(700);
    let offline = world.incident().id;
    assert_eq!(world.incident().rule, "CP_OFFLINE");
    assert_eq!(world.incidents[&weak].ties.inhibited_by, Some(offline));
    world.connect(ONE);
    world.live(ONE, 3);
    assert!(world.incidents[&offline].state.is_over());
    let weak = &world.incidents[&weak];
    assert_eq!(weak.ties.inhibited_by, None, "judged anew");
    assert_eq!(weak.state, IncidentState::Open);
}

#[test]
fn suggestions_go_by_place_time_and_habit() {
    let (world, first, second) = two_faults();
    let all: Vec<_> = world.incidents.values().cloned().collect();
    let found = suggestions(&world.incidents[&second], &all, &[], None);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].into, first);
    assert_eq!(found[0].why, "The same site, the same code, began within five minutes");
    let mut far = world.incidents[&first].clone();
    far.site = SiteKey(9);
    far.charger = ChargerKey(99);
    far.code = "ReaderFailure".to_owned();
    assert!(suggestions(&world.incidents[&second], &[far], &[], None).is_empty());
    // Chargers without a site have nothing in common.
    let nowhere = Some(world.incidents[&second].site);
    let found = suggestions(&world.incidents[&second], &all, &[], nowhere);
    assert_eq!(found[0].why, "The same code, began within five minutes");
    let mut other = world.incidents[&first].clone();
    other.code = "ReaderFailure".to_owned();
    assert_eq!(suggestions(&world.incidents[&second], &[other.clone()], &[], None).len(), 1);
    assert!(suggestions(&world.incidents[&second], &[other], &[], nowhere).is_empty());
}

/// A car charges as it should.
fn charge(world: &mut World, key: ChargerKey, card: &str) {
    world.authorize(key, card);
    world.start(key, 1, card);
    world.wait(600);
    world.stop(key, 1, 9_000.0, "EVDisconnected");
}

/// One car tries to charge, in vain.
fn fail(world: &mut World, key: ChargerKey) {
    world.heartbeat(key);
    world.authorize(key, "BADCAR");
    world.start(key, 1, "BADCAR");
    world.wait(20);
    world.stop(key, 1, 0.0, "Other");
    world.wait(60);
}

#[test]
fn a_vehicle_that_fails_everywhere_opens_no_incident() {
    let mut world = World::new();
    let (a, b, c) = (ChargerKey(1), ChargerKey(2), ChargerKey(3));
    for (key, site) in [(a, 1), (b, 2), (c, 3)] {
        world.add_at(key, SiteKey(site));
    }
    // Others charge everywhere.
    for key in [a, b, c] {
        charge(&mut world, key, "OTHER");
    }
    fail(&mut world, a);
    fail(&mut world, b);
    assert!(world.overseer.vehicles().next().is_none(), "two are no proof");
    fail(&mut world, a);
    let suspect = world.overseer.vehicles().next().expect("it is suspected").clone();
    assert_eq!((&*suspect.token, suspect.failures, suspect.sites), ("BADCAR", 3, 2));
    for _ in 0..4 {
        fail(&mut world, c);
    }
    assert!(world.incidents.is_empty(), "its failures are not the chargers'");
    // It charges after all: the suspicion is gone.
    charge(&mut world, c, "BADCAR");
    assert!(world.overseer.vehicles().next().is_none());
    for _ in 0..3 {
        fail(&mut world, c);
    }
    assert_eq!(world.incidents.len(), 1, "now it is the charger");
}

#[test]
fn an_incident_that_one_vehicle_made_is_ended_when_it_is_found_out() {
    let mut world = World::new();
    let (a, b) = (ChargerKey(1), ChargerKey(2));
    world.add_at(a, SiteKey(1));
    world.add_at(b, SiteKey(2));
    for key in [a, b] {
        charge(&mut world, key, "OTHER");
    }
    for _ in 0..3 {
        fail(&mut world, a);
    }
    assert_eq!(world.incident().rule, "FAILED_BURST");
    assert!(!world.incident().state.is_over());
    fail(&mut world, b);
    assert!(world.incident().state.is_over());
    assert!(world.kinds().contains(&"vehicle"));
}

/// The incidents after two connectors of one charger reported a code each, some minutes apart.
fn faults_of_connectors(codes: [&str; 2], apart_s: i64) -> World {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, codes[0]);
    world.wait(apart_s);
    world.status(ONE, 2, S::Faulted, codes[1]);
    world.live(ONE, 3);
    world
}

#[test]
fn connectors_with_the_same_fault_at_once_are_one_incident() {
    let mut world = faults_of_connectors(["OverVoltage", "OverVoltage"], 4);
    let incidents: Vec<_> = world.incidents.values().collect();
    assert_eq!(incidents.len(), 1);
    let title = &incidents[0].title;
    assert!(title.ends_with(", and on other connectors"), "{title}");
    let told = world.lines.iter().filter(|it| it.kind == "also").map(|it| it.title.as_str());
    let told: Vec<&str> = told.collect();
    assert_eq!(told, ["Connector 2 reports the same: part of this incident"]);
    // The first recovers, the second does not: what is left has an incident of its own.
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 40);
    let left = world.incidents.values().nth(1);
    assert_eq!(left.map(|it| it.connector.to_string()), Some("2".to_owned()));
}

#[test]
fn another_fault_another_time_or_a_danger_is_an_incident_of_its_own() {
    for (codes, apart_s) in [
        (["OverVoltage", "HighTemperature"], 4),
        (["OverVoltage", "OverVoltage"], 120),
        (["GroundFailure", "GroundFailure"], 4),
    ] {
        let world = faults_of_connectors(codes, apart_s);
        assert_eq!(world.incidents.len(), 2, "{codes:?} {apart_s} s apart");
    }
}
