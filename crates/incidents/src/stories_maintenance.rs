//! Planned maintenance (1.9): healing waits for its end, and everything is written down meanwhile.

use mendpoint_model::{ConnectorStatus, HOUR_MS, IncidentState, UnixMs};

use crate::request::KillScope;
use crate::world::{ONE, World, fault, world};

fn planned(world: &mut World, until: Option<UnixMs>) {
    let places: Vec<_> = until.map(|at| (KillScope::Charger(ONE), at)).into_iter().collect();
    world.maintenance(&places);
}

#[test]
fn healing_waits_for_the_end_of_planned_maintenance_and_goes_on_then() {
    let mut world = world();
    let until = world.now + HOUR_MS / 2;
    planned(&mut world, Some(until));
    world.status(ONE, 1, ConnectorStatus::Faulted, "InternalError");
    world.live(ONE, 10);
    assert!(!world.incidents.is_empty(), "it is written down");
    assert!(world.actions().is_empty(), "nothing is sent: {:?}", world.actions());
    let healing = world.incident().healing.as_ref().expect("it has a playbook");
    let note = &healing.steps.last().expect("a step waits").note;
    assert!(note.contains("planned maintenance until"), "{note}");
    assert_ne!(world.incident().state, IncidentState::Escalated);
    planned(&mut world, None);
    world.live(ONE, 2);
    assert!(!world.actions().is_empty(), "it goes on");
}

#[test]
fn maintenance_of_another_charger_stops_nothing() {
    let mut world = world();
    let elsewhere = KillScope::Charger(mendpoint_model::ChargerKey(99));
    let until = world.now + HOUR_MS;
    world.maintenance(&[(elsewhere, until)]);
    fault(&mut world, "InternalError");
    world.live(ONE, 2);
    assert!(!world.actions().is_empty());
}
