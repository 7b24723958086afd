//! Stories of what comes and goes (1.8).

use mendpoint_model::{ConnectorStatus as S, IncidentState};

use crate::settings::EngineSettings;
use crate::world::{ONE, World, shipped_with, world};

/// A fault that nothing heals, on and off.
fn round(world: &mut World, on: i64, off: i64) {
    world.heartbeat(ONE);
    world.status(ONE, 1, S::Faulted, "OverVoltage");
    world.wait(on);
    world.status(ONE, 1, S::Available, "");
    world.wait(off);
}

#[test]
fn what_comes_and_goes_stays_open_and_is_told_once() {
    let mut world = world();
    for _ in 0..8 {
        round(&mut world, 90, 310);
    }
    assert_eq!(world.incidents.len(), 1);
    let incident = world.incident();
    assert!(incident.ties.flapping);
    assert!(!incident.state.is_over(), "it stays open while it is gone for the moment");
    assert!(world.tickets.len() <= 1, "one notification");
    let resolved = world.kinds().iter().filter(|kind| **kind == "resolved").count();
    assert!(resolved <= 4, "its history is short: {resolved}");
    assert_eq!(world.kinds().iter().filter(|kind| **kind == "flapping").count(), 1);
    assert!(incident.ties.flaps > 3, "{}", incident.ties.flaps);
    // Calm for as long as the ring remembers.
    world.live(ONE, 110);
    let incident = world.incident();
    assert!(!incident.ties.flapping);
    assert!(
        matches!(incident.state, IncidentState::Resolved | IncidentState::RecoveredUnproven),
        "{:?}",
        incident.state
    );
    assert_eq!(world.kinds().iter().filter(|kind| **kind == "flapping_ended").count(), 1);
}

#[test]
fn a_fault_that_comes_back_now_and_then_is_not_flapping() {
    let mut world = world();
    for _ in 0..4 {
        round(&mut world, 400, 2_000);
    }
    assert!(world.kinds().iter().all(|kind| *kind != "flapping"));
}

#[test]
fn only_the_first_run_of_a_playbook_heals_what_flaps() {
    let mut world = world();
    let faults = |world: &mut World, on: bool| {
        let (status, code) = if on { (S::Faulted, "InternalError") } else { (S::Available, "") };
        world.heartbeat(ONE);
        world.status(ONE, 1, status, code);
        world.wait(if on { 70 } else { 310 });
    };
    for _ in 0..10 {
        faults(&mut world, true);
        faults(&mut world, false);
    }
    let early = world.actions().len();
    assert!(world.incidents.values().any(|incident| incident.ties.flapping));
    for _ in 0..20 {
        faults(&mut world, true);
        faults(&mut world, false);
    }
    assert_eq!(world.actions().len(), early, "no more commands while it flaps");
}

#[test]
fn what_stays_after_it_flapped_is_worked_on_again() {
    let mut world = world();
    for _ in 0..8 {
        round(&mut world, 90, 310);
    }
    assert!(world.incident().ties.flapping);
    world.status(ONE, 1, S::Faulted, "OverVoltage");
    world.live(ONE, 120);
    let incident = world.incident();
    assert!(!incident.ties.flapping, "it stays, so it does not flap");
    assert!(!incident.state.is_over());
    assert!(
        matches!(incident.state, IncidentState::Escalated) || incident.next_at.is_some(),
        "{incident:?}"
    );
}

#[test]
fn how_restless_it_was_is_known_after_a_restart() {
    let mut world = world();
    for _ in 0..8 {
        round(&mut world, 90, 310);
    }
    let bits = world.incident().ties.flap_bits;
    assert!(bits.is_some_and(|(_, bits)| bits.count_ones() >= 3));
    world.restart(EngineSettings::default());
    world.connect(ONE);
    world.live(ONE, 1);
    assert!(world.incident().ties.flapping);
    world.live(ONE, 120);
    assert!(!world.incident().ties.flapping, "it ends after a restart too");
}

#[test]
fn a_link_that_holds_for_six_hours_comes_and_goes_no_more_also_over_our_own_restart() {
    const RULE: &str = include_str!("../../../config/rules/cp_flapping_link.toml");
    let catalogue = shipped_with(|_, text| text.to_owned(), &[("cp_flapping_link.toml", RULE)]);
    let mut world = World::of(catalogue, EngineSettings::default());
    world.add(ONE);
    // Twelve times within two hours: for a day more than ten are counted.
    for _ in 0..12 {
        world.live(ONE, 9);
        world.disconnect(ONE);
        world.wait(60);
        world.connect(ONE);
    }
    assert_eq!(world.incident().rule, "CP_FLAPPING_LINK");
    world.live(ONE, 30);
    world.restart(EngineSettings::default());
    world.connect(ONE);
    world.live(ONE, 5 * 60 + 55);
    assert!(!world.incident().state.is_over(), "it is watched for six hours first");
    world.live(ONE, 10);
    assert!(world.incident().state.is_over(), "{:?}", world.incident().state);
    world.live(ONE, 20 * 60);
    assert_eq!((world.tickets.len(), world.incidents.len()), (0, 1));
}
