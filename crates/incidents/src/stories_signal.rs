//! Weak radio links, and our own restarts.

use mendpoint_model::IncidentState;

use crate::settings::EngineSettings;
use crate::world::{ONE, World, world};

fn restart(world: &mut World) {
    world.restart(EngineSettings::default());
    world.connect(ONE);
}

#[test]
fn what_was_measured_is_still_weak_after_our_restart() {
    let mut world = world();
    for value in [-90.0, -91.0, -90.0] {
        world.signal(ONE, value);
        world.wait(20);
    }
    assert_eq!(world.incident().rule, "WEAK_WIFI");
    restart(&mut world);
    // It says nothing of its link for a day, as it does where nobody asks it.
    world.live(ONE, 24 * 60 - 30);
    assert!(!world.incident().state.is_over(), "{:?}", world.incident().state);
    world.signal(ONE, -60.0);
    world.live(ONE, 29);
    assert!(!world.incident().state.is_over());
    world.live(ONE, 2);
    assert_eq!(world.incident().state, IncidentState::Resolved);
    assert_eq!(world.incidents.len(), 1);
}

#[test]
fn a_warning_is_over_when_it_was_not_repeated_for_its_whole_window_after_our_restart() {
    let mut world = world();
    world.status(ONE, 0, mendpoint_model::ConnectorStatus::Available, "WeakSignal");
    assert_eq!(world.incident().rule, "WEAK_WIFI");
    world.live(ONE, 5);
    restart(&mut world);
    world.live(ONE, 14);
    assert!(!world.incident().state.is_over(), "{:?}", world.incident().state);
    world.live(ONE, 2);
    assert_eq!(world.incident().state, IncidentState::Resolved);
}
