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
fn b30_a_refusal_is_an_answer() {
    let mut world = world();
    let refused =
        || CommandOutcome::Refused { code: "NotImplemented".into(), description: String::new() };
    world.answers = move |_| {
        Some(CommandOutcome::Refused { code: "NotImplemented".into(), description: String::new() })
    };
    for _ in 0..5 {
        world.person(ONE, CommandOutcome::TimedOut);
        world.live(ONE, 3);
        world.person(ONE, refused());
    }
    assert_eq!(open(&world), [""; 0], "who says no is there");
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

#[test]
fn a_connector_that_faults_beside_its_charger_is_the_same_incident() {
    let mut world = world();
    world.component(ONE, 0, ("Controller", "Problem"), true);
    world.wait(61);
    assert_eq!(open(&world), ["ERR_FAULTED"]);
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.wait(61);
    assert_eq!(open(&world), ["ERR_FAULTED"], "one cause, one incident");
    assert!(world.kinds().contains(&"connector_faulted"));
    // It is over only when both places are well, also after a restart of ours.
    world.component(ONE, 0, ("Controller", "Problem"), false);
    world.live(ONE, 10);
    assert_eq!(open(&world), ["ERR_FAULTED"]);
    world.restart(EngineSettings::default());
    world.connect(ONE);
    world.live(ONE, 30);
    assert_eq!(open(&world), ["ERR_FAULTED"]);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 10);
    assert_ne!(world.incident().state, IncidentState::Escalated);
    assert_eq!(world.incidents.len(), 1);
}

#[test]
fn a_danger_at_a_connector_is_not_its_chargers_and_stays_its_own() {
    let mut world = world();
    world.component(ONE, 0, ("Controller", "Problem"), true);
    world.wait(61);
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.wait(61);
    assert_eq!(open(&world).len(), 1);
    world.status(ONE, 1, S::Faulted, "PowerSwitchFailure");
    world.wait(1);
    assert_eq!(open(&world), ["ERR_FAULTED", "ERR_FAULTED"]);
    assert_eq!(
        world.actions().last().map(String::as_str),
        Some("ChangeAvailability 1 Inoperative")
    );
}

#[test]
fn after_a_crash_a_connection_alone_is_no_restart_of_the_charger() {
    for booted in [false, true] {
        let mut world = world();
        world.answers = |words| (words != "Reset Soft").then(accepted);
        fault(&mut world, "InternalError");
        assert_eq!(world.actions().last().map(String::as_str), Some("Reset Soft"));
        world.wait(5);
        world.restart(EngineSettings::default());
        world.connect(ONE);
        if booted {
            world.boot(ONE);
        }
        world.status(ONE, 1, S::Available, "");
        world.live(ONE, 12);
        let outcome = if booted { StepState::Fixed } else { StepState::Unknown };
        assert_eq!(steps(&world)[1], (Rung::L4, outcome), "booted: {booted}");
    }
}

#[test]
fn a_card_that_is_refused_keeps_no_repair_waiting_and_its_end_is_no_failed_charge() {
    let mut world = world();
    for _ in 0..3 {
        world.refuse(ONE, "STRANGER");
        world.start(ONE, 2, "STRANGER");
        world.wait(2);
        world.stop(ONE, 2, 0.0, "DeAuthorized");
        world.wait(10);
    }
    world.wait(400);
    assert_eq!(open(&world), [""; 0], "three refusals are no burst");
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.wait(59);
    world.refuse(ONE, "STRANGER");
    world.start(ONE, 2, "STRANGER");
    world.stop(ONE, 2, 0.0, "DeAuthorized");
    world.wait(2);
    world.status(ONE, 1, S::Faulted, "InternalError");
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1", "Reset Soft"]);
}

#[test]
fn b64_what_a_charger_does_not_support_is_skipped_until_its_firmware_changes() {
    let mut world = world();
    world.answers = |words| {
        Some(if words.starts_with("Trigger") {
            CommandOutcome::Refused {
                code: "NotImplemented".to_owned(),
                description: String::new(),
            }
        } else {
            accepted()
        })
    };
    fault(&mut world, "InternalError");
    assert_eq!(steps(&world)[0], (Rung::L1, StepState::Blocked));
    let asked = |world: &World| {
        world.actions().iter().filter(|words| words.starts_with("TriggerMessage Status")).count()
    };
    assert_eq!(asked(&world), 1);
    // The other connector: it is not asked for what it cannot do, also after a restart of ours.
    world.restart(EngineSettings::default());
    world.connect(ONE);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 10);
    world.status(ONE, 2, S::Faulted, "InternalError");
    world.live(ONE, 20);
    assert_eq!(asked(&world), 1);
    assert_eq!(steps(&world)[0], (Rung::L1, StepState::Skipped));
    let note = world.incident().healing.as_ref().map(|healing| healing.steps[0].note.clone());
    assert_eq!(
        note.as_deref(),
        Some("The charger does not support it: it answered NotImplemented")
    );
    // Another firmware may.
    world.booted(ONE, true);
    world.status(ONE, 2, S::Available, "");
    world.start(ONE, 2, "A");
    world.live(ONE, 10);
    world.stop(ONE, 2, 9_000.0, "Local");
    world.live(ONE, 90);
    world.status(ONE, 2, S::Faulted, "OtherError");
    world.live(ONE, 3);
    assert_eq!(asked(&world), 2);
}

#[test]
fn b04_it_is_not_over_while_they_still_take_turns() {
    let mut world = world();
    world.contested(ONE);
    for _ in 0..6 {
        world.live(ONE, 30);
        world.replaced(ONE);
    }
    assert_eq!(open(&world), ["IDENTITY_CONTESTED"], "three hours after it was told");
    world.live(ONE, 61);
    assert_eq!(open(&world), [""; 0]);
    // Alone, a connection that is replaced is nothing.
    world.replaced(ONE);
    world.live(ONE, 5);
    assert_eq!(open(&world), [""; 0]);
}

/// What a connector's status leads to in a day, when it is told once, or again every minute.
fn day_of(status: S, again: bool) -> Vec<(String, mendpoint_model::UnixMs)> {
    let mut world = world();
    world.status(ONE, 1, status, "");
    for _ in 0..24 * 60 {
        if again {
            world.wait(60);
            world.status(ONE, 1, status, "");
        } else {
            world.live(ONE, 1);
        }
    }
    let opened = |incident: &mendpoint_model::Incident| (incident.rule.clone(), incident.opened_at);
    world.incidents.values().map(opened).collect()
}

#[test]
fn a_status_that_is_told_every_minute_leads_to_the_same_as_one_that_is_told_once() {
    let mut found = 0;
    for status in [S::Available, S::Preparing, S::Finishing, S::Unavailable, S::Faulted] {
        let once = day_of(status, false);
        found += once.len();
        assert_eq!(day_of(status, true), once, "{status:?}");
    }
    assert!(found > 0, "a connector that stays faulted is told");
}
