//! Whole incidents, told with the shipped rules: healing.

use mendpoint_model::{CommandOutcome, ConnectorStatus as S, IncidentState, Rung, StepState};

use crate::world::{ONE, World, accepted, fault, rejected, restart, steps, world};
use crate::{Effect, EngineSettings, Overlay};

#[test]
fn healed_by_a_soft_reset_and_proven_by_a_session() {
    let mut world = world();
    fault(&mut world, "InternalError");
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1", "Reset Soft"]);
    assert_eq!(world.engine.overlay(ONE), Some(Overlay::Healing));
    restart(&mut world, S::Available, "");
    world.live(ONE, 6);
    assert_eq!(world.incident().state, IncidentState::RecoveredUnproven);
    assert_eq!(world.engine.overlay(ONE), None);
    world.start(ONE, 1, "A");
    world.wait(1_800);
    world.stop(ONE, 1, 8_400.0, "Local");
    assert_eq!(world.incident().state, IncidentState::Resolved);
    assert_eq!(world.incident().resolution, "Healed by Soft reset, proven by a session of 8.4 kWh");
    assert!(world.tickets.is_empty());
    assert_eq!(steps(&world), [(Rung::L1, StepState::NotFixed), (Rung::L4, StepState::Fixed)]);
}

#[test]
fn what_no_reset_cures_goes_to_a_person_with_what_was_tried() {
    let mut world = world();
    fault(&mut world, "InternalError");
    restart(&mut world, S::Faulted, "InternalError");
    world.live(ONE, 6);
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Hard"));
    restart(&mut world, S::Faulted, "InternalError");
    world.live(ONE, 10);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    assert!(world.incident().needs_person);
    assert_eq!(world.tickets.len(), 1);
    let tried = &world.tickets[0].tried;
    assert_eq!(tried.len(), 3);
    assert!(tried[1].starts_with("Soft reset: did not help."), "{}", tried[1]);
    assert!(world.lines.iter().any(|l| l.title == "Fault returned after the hard reset"));
    assert_eq!(world.actions().len(), 3);
}

#[test]
fn a_failed_first_charge_undoes_the_repair() {
    let mut world = world();
    fault(&mut world, "InternalError");
    restart(&mut world, S::Available, "");
    world.live(ONE, 6);
    world.start(ONE, 1, "A");
    world.wait(30);
    world.stop(ONE, 1, 0.0, "Local");
    assert!(world.kinds().contains(&"reopened"));
    assert_eq!(steps(&world)[1], (Rung::L4, StepState::NotFixed));
    world.live(ONE, 3);
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Hard"));
}

#[test]
fn a_fault_that_goes_away_before_anything_was_done() {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, "OverVoltage");
    world.wait(61);
    assert_eq!(world.incident().state, IncidentState::Healing);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 6);
    assert_eq!(world.incident().state, IncidentState::Resolved);
    assert_eq!(world.incident().resolution, "Went away by itself");
    assert_eq!(world.actions(), Vec::<String>::new());
}

#[test]
fn the_same_fault_within_the_hour_reopens_later_it_is_linked() {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, "OverVoltage");
    world.wait(61);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 6);
    assert_eq!(world.incident().state, IncidentState::Resolved);
    world.live(ONE, 30);
    world.status(ONE, 1, S::Faulted, "OverVoltage");
    world.wait(61);
    assert_eq!(world.incidents.len(), 1);
    assert_eq!(world.incident().occurrences, 2);
    assert!(!world.incident().state.is_over());
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 70);
    assert!(world.incident().state.is_over());
    world.status(ONE, 1, S::Faulted, "OverVoltage");
    world.wait(61);
    assert_eq!(world.incidents.len(), 2);
    assert_eq!(world.incident().previous, Some(mendpoint_model::IncidentId(1)));
}

#[test]
fn a_rejected_reset_is_blocked_and_the_next_rung_follows() {
    let mut world = world();
    world.answers = |words| Some(if words == "Reset Soft" { rejected() } else { accepted() });
    fault(&mut world, "InternalError");
    let steps = steps(&world);
    assert_eq!(steps[1], (Rung::L4, StepState::Blocked));
    assert_eq!(steps[2].0, Rung::L5);
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Hard"));
}

#[test]
fn an_answer_that_never_comes_is_blocked_too() {
    let mut world = world();
    world.answers = |words| (!words.starts_with("Trigger")).then(accepted);
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.wait(61);
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1"]);
    world.wait(36);
    assert_eq!(steps(&world)[0], (Rung::L1, StepState::Blocked));
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Soft"));
}

#[test]
fn an_availability_cycle_is_off_seen_on() {
    let mut world = world();
    world.answers = |words| Some(if words.starts_with("Unlock") { rejected() } else { accepted() });
    fault(&mut world, "ConnectorLockFailure");
    world.live(ONE, 1);
    assert_eq!(
        world.actions()[..3],
        [
            "TriggerMessage StatusNotification 1",
            "UnlockConnector 1",
            "ChangeAvailability 1 Inoperative"
        ]
    );
    // No Unavailable was seen: after 15 s it is switched on all the same.
    assert_eq!(world.actions()[3], "ChangeAvailability 1 Operative");
    let times: Vec<i64> = world.sent.iter().map(|(at, _)| at.0).collect();
    assert_eq!(times[3] - times[2], 15_000);
}

#[test]
fn a_cycle_that_a_restart_of_ours_cut_off_is_taken_back() {
    let mut world = world();
    world.answers = |words| {
        if words.ends_with("Inoperative") {
            return None;
        }
        Some(if words.starts_with("Unlock") { rejected() } else { accepted() })
    };
    fault(&mut world, "ConnectorLockFailure");
    assert_eq!(
        world.actions().last().map(String::as_str),
        Some("ChangeAvailability 1 Inoperative")
    );
    let before = world.sent.len();
    world.restart(EngineSettings::default());
    assert_eq!(world.sent.len(), before);
    world.wait(10);
    world.connect(ONE);
    assert_eq!(world.actions().last().map(String::as_str), Some("ChangeAvailability 1 Operative"));
    let all: std::collections::BTreeSet<_> = world.sent.iter().map(|(_, c)| c.id.clone()).collect();
    assert_eq!(all.len(), world.sent.len(), "no command id is used twice");
}

#[test]
fn after_a_crash_a_reset_is_looked_at_and_never_sent_again() {
    let mut world = world();
    world.answers = |words| (!words.starts_with("Reset")).then(accepted);
    fault(&mut world, "InternalError");
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Soft"));
    assert_eq!(steps(&world)[1].1, StepState::Sent);
    let sent = world.sent.len();
    world.restart(EngineSettings::default());
    assert_eq!(steps(&world)[1].1, StepState::Verifying);
    let told = |world: &World| world.lines.last().expect("a line").title.clone();
    assert!(told(&world).contains("restarted before the answer came"), "{}", told(&world));
    // Once more, now while it is watched.
    world.restart(EngineSettings::default());
    assert_eq!(told(&world), "The program restarted: the watch over the soft reset begins anew");
    world.wait(30);
    world.connect(ONE);
    world.boot(ONE);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 9);
    assert_eq!(world.sent.len(), sent);
    assert_eq!(steps(&world)[1].1, StepState::Fixed);
    assert_eq!(world.incident().state, IncidentState::RecoveredUnproven);
}

#[test]
fn intent_is_written_before_the_command() {
    let mut world = world();
    fault(&mut world, "InternalError");
    let send = world
        .effects
        .iter()
        .position(|e| matches!(e, Effect::Send(c) if c.id.0.as_ref() == "i1-2-1"))
        .expect("the soft reset was sent");
    let intent = world.effects.iter().position(|e| {
        matches!(e, Effect::Incident(i) if i.healing.as_ref().is_some_and(|h| {
            h.steps.iter().any(|s| s.commands.iter().any(|(id, _)| id.0.as_ref() == "i1-2-1"))
        }))
    });
    assert!(intent.expect("the intent was written") < send);
}

#[test]
fn nothing_is_reset_while_a_car_charges_and_people_are_told_why() {
    let mut world = world();
    world.start(ONE, 2, "A");
    world.status(ONE, 2, S::Charging, "");
    fault(&mut world, "InternalError");
    world.live(ONE, 30);
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1"]);
    assert_eq!(world.incident().next, "Waits: a car is charging on connector 2");
    assert_eq!(world.kinds().iter().filter(|kind| **kind == "step_waiting").count(), 1);
    world.stop(ONE, 2, 9_000.0, "Local");
    world.status(ONE, 2, S::Available, "");
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Soft"));
}

#[test]
fn a_dead_charge_is_stopped_first() {
    let mut world = world();
    world.start(ONE, 1, "A");
    fault(&mut world, "InternalError");
    let since = world.now;
    world.state(ONE).transactions[0].idle_since = Some(since);
    world.live(ONE, 29);
    assert_eq!(world.actions().len(), 1);
    world.live(ONE, 2);
    assert_eq!(world.actions().last().map(String::as_str), Some("RemoteStopTransaction"));
    world.live(ONE, 3);
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Soft"));
}

#[test]
fn a_fault_that_becomes_dangerous_is_not_reset_any_more() {
    let mut world = world();
    world.start(ONE, 2, "A");
    world.status(ONE, 2, S::Charging, "");
    fault(&mut world, "InternalError");
    world.live(ONE, 2);
    world.status(ONE, 1, S::Faulted, "GroundFailure");
    assert_eq!(
        world.actions(),
        ["TriggerMessage StatusNotification 1", "ChangeAvailability 1 Inoperative"]
    );
    assert_eq!(world.incident().severity, 1);
    assert_eq!(world.incident().title, "GroundFailure, connector 1");
    world.stop(ONE, 2, 9_000.0, "Local");
    world.live(ONE, 60);
    assert_eq!(world.actions().len(), 2);
    assert_eq!(world.tickets.len(), 1);
}

#[test]
fn a_connector_held_out_of_service_is_not_healed_by_being_unavailable() {
    let mut world = world();
    world.status(ONE, 1, S::Preparing, "");
    world.status(ONE, 1, S::Faulted, "GroundFailure");
    assert_eq!(world.actions(), ["ChangeAvailability 1 Inoperative"]);
    world.state(ONE).connectors[0].desired_operative = Some(false);
    world.status(ONE, 1, S::Unavailable, "");
    world.live(ONE, 20);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    // A person switched it on again after the repair.
    world.state(ONE).connectors[0].desired_operative = Some(true);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 6);
    assert_eq!(world.incident().state, IncidentState::RecoveredUnproven);
}

#[test]
fn one_safety_fault_keeps_the_whole_charger_from_a_reset() {
    let mut world = world();
    world.status(ONE, 2, S::Faulted, "PowerSwitchFailure");
    fault(&mut world, "InternalError");
    world.live(ONE, 60);
    assert!(!world.actions().iter().any(|words| words.starts_with("Reset")));
}

#[test]
fn a_charger_that_does_not_come_back_is_worse_off() {
    let mut world = world();
    fault(&mut world, "InternalError");
    world.wait(2);
    world.disconnect(ONE);
    world.wait(1_000);
    let of_fault = world.incidents.values().next().expect("the fault");
    assert_eq!(of_fault.severity, 2);
    assert_eq!(of_fault.state, IncidentState::Escalated);
    let steps = &of_fault.healing.as_ref().expect("healing").steps;
    assert_eq!(steps[1].state, StepState::Worse);
    // Its silence is an incident of its own.
    assert_eq!(world.incident().rule, "CP_OFFLINE");
}

#[test]
fn blind_while_offline_nothing_begins_and_nothing_ends() {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.wait(30);
    world.disconnect(ONE);
    world.wait(120);
    assert!(world.incidents.is_empty());
    world.connect(ONE);
    world.wait(59);
    assert!(world.incidents.is_empty());
    world.wait(2);
    assert_eq!(world.incidents.len(), 1);
    world.disconnect(ONE);
    assert!(world.incident().blind);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_lost_connection_instead_of_an_answer_to_a_reset_is_looked_at() {
    let mut world = world();
    world.answers = |words| (words != "Reset Soft").then(accepted);
    fault(&mut world, "InternalError");
    world.wait(3);
    let command = world.sent[1].1.id.clone();
    world.answer(ONE, command, CommandOutcome::NotConnected);
    assert_eq!(steps(&world)[1].1, StepState::Verifying);
    restart(&mut world, S::Available, "");
    world.live(ONE, 6);
    assert_eq!(steps(&world)[1].1, StepState::Fixed);
}

#[test]
fn a_charge_that_works_closes_what_a_failed_charge_reopened() {
    let mut world = world();
    fault(&mut world, "ReaderFailure");
    restart(&mut world, S::Available, "");
    world.live(ONE, 6);
    world.start(ONE, 1, "A");
    world.wait(30);
    world.stop(ONE, 1, 0.0, "Local");
    assert!(!world.incident().state.is_over());
    world.live(ONE, 12);
    world.start(ONE, 1, "B");
    world.wait(900);
    world.stop(ONE, 1, 6_000.0, "Local");
    assert_eq!(world.incident().state, IncidentState::Resolved);
}

#[test]
fn rules_can_be_changed_while_something_fires() {
    let mut world = world();
    fault(&mut world, "InternalError");
    let now = world.now;
    world.engine.set_catalogue(now, &crate::world::shipped(), &world.fleet);
    restart(&mut world, S::Available, "");
    world.live(ONE, 6);
    assert_eq!(world.incident().state, IncidentState::RecoveredUnproven);
    world.engine.set_catalogue(now, &crate::Catalogue::default(), &world.fleet);
    world.live(ONE, 1);
    assert_eq!(world.incident().resolution, "Its rule was taken away");
}
