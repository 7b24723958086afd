//! Whole incidents, told with the shipped rules: what is a matter of safety (G3).

use mendpoint_model::{ConnectorStatus as S, IncidentState};

use crate::request::{Request, RequestError};
use crate::world::{ONE, World, fault, world};

fn acted(world: &World) -> bool {
    world.actions().iter().any(|words| words.starts_with("Reset") || words.starts_with("Unlock"))
}

#[test]
fn an_active_sensor_of_danger_is_told_at_once_and_never_reset() {
    for (component, code) in [
        ("EmergencyStopSensor", "EmergencyStop"),
        ("FloodSensor", "FloodSensor"),
        ("ShockSensor", "TiltSensor"),
        ("TamperSensor", "EnclosureOpen"),
        ("GroundIsolationProtection", "ResistanceFault"),
    ] {
        let mut world = world();
        world.component(ONE, 1, (component, "Active"), true);
        assert_eq!(world.incident().code, code);
        assert!(world.incident().needs_person);
        assert_eq!(world.actions(), ["ChangeAvailability 1 Inoperative"]);
        assert_eq!(world.tickets.len(), 1);
        // An error that a reset would cure, reported beside it, changes nothing.
        world.status(ONE, 1, S::Faulted, "InternalError");
        world.live(ONE, 60);
        assert_eq!(world.incident().code, code);
        assert!(!acted(&world), "{component}: {:?}", world.actions());
    }
}

#[test]
fn a_danger_that_comes_beside_a_fault_stops_its_repair() {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.wait(30);
    world.component(ONE, 1, ("EmergencyStopSensor", "Active"), true);
    assert_eq!(world.incident().code, "EmergencyStop");
    world.live(ONE, 60);
    assert!(!acted(&world));
}

#[test]
fn a_danger_beside_heat_is_followed_too() {
    let mut world = world();
    fault(&mut world, "HighTemperature");
    world.component(ONE, 1, ("FloodSensor", "Active"), true);
    assert_eq!(world.incident().code, "FloodSensor");
    assert_eq!(world.actions(), ["ChangeAvailability 1 Inoperative"]);
}

#[test]
fn nothing_is_done_to_a_charger_with_a_danger_anywhere() {
    for code in ["InternalError", "ConnectorLockFailure"] {
        let mut world = world();
        world.component(ONE, 2, ("EmergencyStopSensor", "Active"), true);
        fault(&mut world, code);
        world.live(ONE, 60);
        assert!(!acted(&world), "{code}: {:?}", world.actions());
        assert_eq!(world.incident().state, IncidentState::Escalated);
    }
}

#[test]
fn a_danger_held_out_of_service_still_forbids_a_reset() {
    let mut world = world();
    world.status(ONE, 2, S::Preparing, "");
    world.status(ONE, 2, S::Faulted, "GroundFailure");
    // Out of service: the charger reports the fault no longer.
    world.state(ONE).connectors[1].desired_operative = Some(false);
    world.status(ONE, 2, S::Unavailable, "");
    fault(&mut world, "InternalError");
    world.live(ONE, 60);
    assert!(!acted(&world), "{:?}", world.actions());
}

#[test]
fn a_danger_that_is_still_reported_is_not_talked_away() {
    let mut world = world();
    world.component(ONE, 1, ("EmergencyStopSensor", "Active"), true);
    let incident = world.incident().id;
    let resolve = |safe| Request::Resolve {
        incident,
        user: "Ana".to_owned(),
        reason: "known and accepted".to_owned(),
        safe,
    };
    let refused = || Err(RequestError::StillDangerous(incident, "EmergencyStop".to_owned()));
    assert_eq!(world.request(resolve(false)), refused());
    // Taken out of service it reports the fault no longer, and is as dangerous as before.
    world.status(ONE, 1, S::Unavailable, "");
    world.component(ONE, 1, ("EmergencyStopSensor", "Active"), false);
    assert_eq!(world.request(resolve(false)), refused());
    assert!(!world.incident().state.is_over());
    world.request(resolve(true)).expect("somebody looked at it");
    assert_eq!(world.incidents[&incident].state, IncidentState::Resolved);
}

#[test]
fn what_is_no_matter_of_safety_is_resolved_as_before() {
    let mut world = world();
    fault(&mut world, "InternalError");
    let incident = world.incident().id;
    let user = "Ana".to_owned();
    let request = Request::Resolve { incident, user, reason: String::new(), safe: false };
    world.request(request).expect("it is resolved");
}
