//! Whole incidents, told with the shipped rules: Mendpoint itself is late (G11).

use mendpoint_model::{CommandOutcome, ConnectorStatus as S, IncidentState, Rung, StepState};

use crate::world::{ONE, World, accepted, fault, steps, world};

/// The engine is told how late it is, every two seconds.
fn late(world: &mut World, seconds: i64, lag_ms: i64) {
    for _ in 0..seconds / 2 {
        world.wait(2);
        world.lag(lag_ms);
    }
}

fn titles(world: &World) -> Vec<&str> {
    world.lines.iter().map(|line| line.title.as_str()).collect()
}

#[test]
fn nothing_is_sent_while_we_are_late_and_it_goes_on_by_itself() {
    let mut world = world();
    world.lag(61_000);
    fault(&mut world, "InternalError");
    late(&mut world, 120, 90_000);
    assert_eq!(world.actions(), [""; 0]);
    assert_eq!(steps(&world), [(Rung::L1, StepState::Waiting)]);
    let why = "Waits: Mendpoint itself is late, so nothing is sent (G11)";
    assert_eq!(world.incident().next, why);
    assert!(
        titles(&world)
            .iter()
            .any(|title| title
                .ends_with("waits: Mendpoint itself is late, so nothing is sent (G11)"))
    );
    late(&mut world, 58, 10_000);
    assert_eq!(world.actions(), [""; 0], "not before it was calm for a minute");
    late(&mut world, 6, 0);
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1"]);
    assert!(titles(&world).contains(&"Healing goes on: Mendpoint is in time again (G11)"));
}

#[test]
fn a_repair_under_way_is_told_and_stops_where_it_is() {
    let mut world = world();
    fault(&mut world, "InternalError");
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1", "Reset Soft"]);
    world.lag(75_000);
    assert!(titles(&world).contains(&"Healing waits: Mendpoint itself is late (G11)"));
    // The reset is watched to its end; the hard one does not follow.
    world.status(ONE, 1, S::Faulted, "InternalError");
    late(&mut world, 600, 75_000);
    assert_eq!(world.actions().len(), 2);
    assert_eq!(steps(&world).last(), Some(&(Rung::L5, StepState::Waiting)));
}

#[test]
fn nothing_ends_and_no_silence_counts_while_we_are_late() {
    let mut world = world();
    fault(&mut world, "OverVoltage");
    world.status(ONE, 1, S::Available, "");
    world.lag(61_000);
    late(&mut world, 700, 61_000);
    assert_eq!(world.incidents.len(), 1, "the charger was silent for twelve minutes, or we deaf");
    assert!(!world.incident().state.is_over(), "its return may wait in the queue");
    late(&mut world, 80, 0);
    assert_eq!(world.incident().state, IncidentState::Resolved);
}

#[test]
fn a_connector_is_switched_on_again_when_we_are_in_time() {
    let mut world = world();
    fault(&mut world, "ConnectorLockFailure");
    world.wait(30);
    world.status(ONE, 1, S::Faulted, "ConnectorLockFailure");
    world.wait(600);
    let last = || "ChangeAvailability 1 Inoperative".to_owned();
    let off = world.actions().iter().position(|words| *words == last());
    assert!(off.is_some(), "{:?}", world.actions());
    // Once more, and late between off and on.
    let mut world = self::world();
    fault(&mut world, "ConnectorLockFailure");
    let mut guard = 0;
    while world.actions().last() != Some(&last()) {
        world.wait(1);
        guard += 1;
        assert!(guard < 1_000, "{:?}", world.actions());
    }
    world.lag(61_000);
    late(&mut world, 100, 61_000);
    assert_eq!(world.actions().last(), Some(&last()));
    late(&mut world, 80, 0);
    assert!(world.actions().iter().any(|words| words == "ChangeAvailability 1 Operative"));
}

#[test]
fn an_answer_is_waited_for_longer_when_its_command_left_late() {
    let mut world = world();
    world.answers = |words| (words != "Reset Soft").then(accepted);
    fault(&mut world, "InternalError");
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Soft"));
    late(&mut world, 50, 40_000);
    assert_eq!(steps(&world)[1], (Rung::L4, StepState::Sent), "it may not have left us yet");
    late(&mut world, 40, 0);
    assert_eq!(steps(&world)[1], (Rung::L4, StepState::Blocked));
}

#[test]
fn a_command_that_never_left_us_does_not_use_its_rung_up() {
    for outcome in [CommandOutcome::Expired, CommandOutcome::QueueFull] {
        let mut world = world();
        world.answers = |words| (words != "Reset Soft").then(accepted);
        fault(&mut world, "InternalError");
        let command = world.sent.last().expect("the reset").1.id.clone();
        world.epoch = 0;
        world.answer(ONE, command, outcome.clone());
        world.epoch = 1;
        world.wait(32);
        let tried: Vec<Rung> = steps(&world).iter().map(|(rung, _)| *rung).collect();
        assert_eq!(tried, [Rung::L1, Rung::L4, Rung::L4], "{outcome:?}: no hard reset");
        let resets = world.actions().iter().filter(|words| *words == "Reset Soft").count();
        assert_eq!(resets, 2);
    }
}

#[test]
fn a_security_event_that_waited_in_the_charger_calls_nobody() {
    let mut world = world();
    let now = world.now;
    world.security(ONE, "TamperDetectionActivated", now + -301_000);
    assert!(world.incidents.is_empty() && world.tickets.is_empty());
    world.security(ONE, "TamperDetectionActivated", now + -300_000);
    assert_eq!(world.incident().rule, "SECURITY_EVENT");
}
