//! Behaviours of real chargers and operators that the engine must bear (`ocpp.md`), told with the
//! shipped rules.

use mendpoint_model::{CommandOutcome, ConnectorStatus as S, IncidentState, Rung, StepState};

use crate::EngineSettings;
use crate::effect::Effect;
use crate::world::{ONE, World, accepted, fault, steps, world};

fn dropped(world: &World) -> usize {
    world.effects.iter().filter(|effect| matches!(effect, Effect::CloseSocket(_))).count()
}

fn open(world: &World) -> Vec<&str> {
    let open = world.incidents.values().filter(|incident| !incident.state.is_over());
    open.map(|incident| incident.rule.as_str()).collect()
}

/// A charger that answers nothing, after a person found that out.
fn zombie() -> World {
    let mut world = world();
    world.answers = |_| None;
    world.person(ONE, CommandOutcome::TimedOut);
    for _ in 0..2 {
        world.live(ONE, 1);
        world.wait(1);
        let asked = world.sent.last().expect("it is asked again").1.id.clone();
        world.answer(ONE, asked, CommandOutcome::TimedOut);
    }
    world
}

#[test]
fn b30_a_charger_that_answers_nothing_gets_its_connection_dropped_and_is_asked_again() {
    let mut world = zombie();
    assert_eq!(open(&world), ["CMD_UNRESPONSIVE"]);
    assert_eq!(dropped(&world), 1);
    world.disconnect(ONE);
    world.wait(5);
    world.connect(ONE);
    world.heartbeat(ONE);
    let before = world.sent.len();
    world.answers = |_| Some(accepted());
    world.wait(11);
    assert_eq!(world.actions()[before..], ["TriggerMessage Heartbeat"]);
    world.live(ONE, 7);
    assert_eq!(world.incident().state, IncidentState::Resolved);
    assert_eq!(steps(&world), [(Rung::L6, StepState::Fixed)]);
}

#[test]
fn b30_what_a_new_connection_does_not_cure_goes_to_a_person() {
    let mut world = zombie();
    world.disconnect(ONE);
    world.wait(5);
    world.connect(ONE);
    world.live(ONE, 30);
    assert_eq!(steps(&world)[0], (Rung::L6, StepState::NotFixed));
    assert_eq!(steps(&world)[1], (Rung::L4, StepState::Blocked));
    assert_eq!(world.incident().state, IncidentState::Escalated);
    // It is asked now and then all the same, and its answer ends the incident.
    world.answers = |_| Some(accepted());
    world.live(ONE, 40);
    assert_eq!(world.incident().state, IncidentState::Resolved);
    assert_eq!(world.incidents.len(), 1);
}

#[test]
fn b30_an_answer_in_between_is_a_sign_of_life() {
    let mut world = world();
    for _ in 0..5 {
        world.person(ONE, CommandOutcome::TimedOut);
        world.live(ONE, 3);
    }
    assert_eq!(open(&world), [""; 0], "every question of ours was answered");
    assert_eq!(dropped(&world), 0);
}

#[test]
fn b30_a_restart_of_ours_does_not_make_it_answer() {
    let mut world = zombie();
    world.restart(EngineSettings::default());
    world.connect(ONE);
    world.heartbeat(ONE);
    world.live(ONE, 10);
    assert_eq!(open(&world), ["CMD_UNRESPONSIVE"], "nobody answered");
    world.answers = |_| Some(accepted());
    world.live(ONE, 40);
    assert_eq!(open(&world), [""; 0]);
}

#[test]
fn b04_two_devices_with_one_identity_are_one_incident_and_nothing_is_sent() {
    let mut world = world();
    for _ in 0..20 {
        world.contested(ONE);
        world.wait(60);
    }
    assert_eq!(open(&world), ["IDENTITY_CONTESTED"]);
    assert_eq!(world.tickets.len(), 1);
    let seen = world.lines.iter().filter(|line| line.kind == "identity").count();
    assert_eq!(seen, 1, "told once, not at every change of turns");
    fault(&mut world, "InternalError");
    world.live(ONE, 5);
    assert_eq!(world.actions(), [""; 0]);
    let why = "Waits: two devices use its identity, and nobody knows which one would get it";
    assert_eq!(world.incident().next, why);
    // An hour of peace ends it, and the repair goes on.
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.live(ONE, 60);
    assert_eq!(
        world.actions().first().map(String::as_str),
        Some("TriggerMessage StatusNotification 1")
    );
}
