//! What commands are worth (`ocpp.md`, behaviours 65 to 70), told with the shipped rules.

use mendpoint_model::{CommandOutcome, ConnectorStatus as S, IncidentState, Rung, StepState};

use crate::EngineSettings;
use crate::world::{ONE, World, accepted, fault, restart, steps, world};

const OFF: &str = "ChangeAvailability 1 Inoperative";
const ON: &str = "ChangeAvailability 1 Operative";

fn sent(world: &World, words: &str) -> usize {
    world.actions().iter().filter(|action| *action == words).count()
}

/// A fault whose ladder switches off and on, up to the moment when it is switched off.
fn switched_off() -> World {
    let mut world = world();
    fault(&mut world, "ConnectorLockFailure");
    for _ in 0..1_000 {
        if world.actions().last().is_some_and(|last| last == OFF) {
            return world;
        }
        world.wait(1);
    }
    panic!("it is never switched off: {:?}", world.actions());
}

#[test]
fn b65_a_reset_that_is_accepted_and_not_done_is_no_repair() {
    let mut world = world();
    fault(&mut world, "InternalError");
    assert_eq!(steps(&world)[1], (Rung::L4, StepState::Verifying));
    world.wait(181);
    assert_eq!(steps(&world)[1], (Rung::L4, StepState::NotFixed));
    let note = world.incident().healing.as_ref().map(|healing| healing.steps[1].note.clone());
    assert_eq!(note.as_deref(), Some("It accepted but did not restart"));
}

#[test]
fn b65_a_status_that_is_promised_and_never_comes_is_no_answer() {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.wait(61);
    assert_eq!(steps(&world)[0], (Rung::L1, StepState::Verifying));
    world.wait(31);
    assert_eq!(steps(&world)[0], (Rung::L1, StepState::NotFixed));
}

#[test]
fn b65_a_change_of_availability_that_is_only_scheduled_changes_nothing_yet() {
    let mut world = world();
    world.answers = |words| {
        Some(if words.starts_with("ChangeAvailability") {
            CommandOutcome::Answered {
                accepted: true,
                status: "Scheduled".to_owned(),
                payload: r#"{"status":"Scheduled"}"#.to_owned(),
            }
        } else {
            accepted()
        })
    };
    fault(&mut world, "ConnectorLockFailure");
    world.live(ONE, 15);
    let healing = world.incident().healing.as_ref().expect("it is healed");
    let cycle = healing.steps.iter().find(|step| step.rung == Rung::L3).expect("it was tried");
    assert_eq!(cycle.state, StepState::NotFixed, "the connector is faulted as before");
}

#[test]
fn b66_a_cycle_that_a_lost_connection_cut_off_is_finished_after_it() {
    let mut world = switched_off();
    world.disconnect(ONE);
    world.wait(300);
    assert_eq!(sent(&world, ON), 0);
    world.connect(ONE);
    world.heartbeat(ONE);
    assert_eq!(sent(&world, ON), 1);
}

#[test]
fn b66_a_cycle_that_our_restart_cut_off_is_finished_after_it() {
    let mut world = switched_off();
    world.restart(EngineSettings::default());
    world.wait(5);
    assert_eq!(sent(&world, ON), 0);
    world.connect(ONE);
    world.heartbeat(ONE);
    world.wait(16);
    assert_eq!(sent(&world, ON), 1, "inoperative outlives a reboot, so somebody must end it");
    world.live(ONE, 30);
    assert_eq!(sent(&world, ON), 1, "once is enough");
}

#[test]
fn b66_who_refuses_to_be_switched_on_is_asked_again_and_not_for_ever() {
    let mut world = switched_off();
    world.answers = |words| (words != ON).then(accepted);
    world.disconnect(ONE);
    world.wait(5);
    world.connect(ONE);
    world.live(ONE, 600);
    let times = sent(&world, ON);
    assert!((10..=20).contains(&times), "{times} times");
}

#[test]
fn b66_nothing_is_reset_while_a_car_charges_on_any_connector() {
    let mut world = world();
    world.start(ONE, 2, "A");
    fault(&mut world, "InternalError");
    world.live(ONE, 50);
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1"]);
    world.stop(ONE, 2, 9_000.0, "Local");
    world.wait(1);
    world.status(ONE, 1, S::Faulted, "InternalError");
    assert_eq!(sent(&world, "Reset Soft"), 1);
}

#[test]
fn b67_a_reset_that_waited_for_the_connection_is_judged_anew() {
    let mut world = world();
    world.answers = |words| (!words.starts_with("Trigger")).then(accepted);
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.wait(61);
    world.disconnect(ONE);
    world.wait(3_600);
    assert_eq!(sent(&world, "Reset Soft"), 0);
    // It comes back well: the reset of an hour ago is none any more.
    world.connect(ONE);
    world.boot(ONE);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 60);
    assert_eq!(sent(&world, "Reset Soft") + sent(&world, "Reset Hard"), 0);
}

#[test]
fn b67_every_command_says_until_when_it_is_worth_sending() {
    let mut world = world();
    fault(&mut world, "InternalError");
    restart(&mut world, S::Faulted, "InternalError");
    world.live(ONE, 30);
    assert!(world.sent.len() > 2);
    for (at, command) in &world.sent {
        let lasts = command.not_after.since_ms(*at);
        assert!((1..=60_000).contains(&lasts), "{:?} for {lasts} ms", command.action);
        // One that waited for a stalled disk may find a driver charging.
        let is_reset = matches!(command.action, mendpoint_model::Action::Reset { .. });
        assert!(!is_reset || lasts <= 3_000, "a reset is worth sending for {lasts} ms");
    }
}

#[test]
fn b68_a_fault_that_always_returns_is_reset_three_times_a_day_and_then_a_persons() {
    let mut world = world();
    let mut resets_before = 0;
    for _ in 0..24 {
        world.status(ONE, 1, S::Faulted, "OtherError");
        world.live(ONE, 2);
        if sent(&world, "Reset Soft") + sent(&world, "Reset Hard") > resets_before {
            resets_before = sent(&world, "Reset Soft") + sent(&world, "Reset Hard");
            restart(&mut world, S::Faulted, "OtherError");
        }
        world.live(ONE, 20);
        world.status(ONE, 1, S::Available, "");
        world.live(ONE, 38);
    }
    let resets = sent(&world, "Reset Soft") + sent(&world, "Reset Hard");
    assert!((1..=3).contains(&resets), "{resets} resets within a day");
    assert!(!world.tickets.is_empty(), "a person is asked");
}

#[test]
fn b69_short_faults_and_short_outages_are_nobodys_matter() {
    let mut world = world();
    for _ in 0..20 {
        world.status(ONE, 1, S::Faulted, "OtherError");
        world.wait(50);
        world.status(ONE, 1, S::Available, "");
        world.disconnect(ONE);
        world.wait(280);
        world.connect(ONE);
        world.live(ONE, 2);
    }
    assert_eq!(world.incidents.len(), 0);
}

#[test]
fn b69_one_cause_is_one_open_incident_and_ends_by_itself() {
    let mut world = world();
    world.answers = |_| None;
    world.status(ONE, 1, S::Faulted, "OverVoltage");
    world.wait(61);
    for _ in 0..30 {
        world.status(ONE, 1, S::Faulted, "OverVoltage");
        world.wait(5);
        world.status(ONE, 1, S::Available, "");
        world.wait(5);
        world.status(ONE, 1, S::Faulted, "OverVoltage");
        world.wait(5);
    }
    assert_eq!(world.incidents.len(), 1);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 6);
    assert_eq!(world.incident().state, IncidentState::Resolved);
    assert_eq!(world.tickets.len(), 0);
}

#[test]
fn b70_a_silent_connection_is_asked_before_it_is_called_dead() {
    let mut world = world();
    world.answers = |_| {
        Some(CommandOutcome::Refused {
            code: "NotImplemented".to_owned(),
            description: String::new(),
        })
    };
    world.wait(3_600);
    assert!(sent(&world, "TriggerMessage Heartbeat") >= 1);
    assert_eq!(world.incidents.len(), 0, "a refusal is a sign of life");
    world.answers = |_| None;
    world.wait(1_800);
    assert_eq!(world.incident().rule, "CP_OFFLINE");
}
