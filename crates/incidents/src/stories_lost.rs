//! Whole incidents, told with the shipped rules: commands that were lost with the connection.

use mendpoint_model::{
    Action, Command, CommandId, CommandOutcome, ConnectorStatus as S, IncidentState, Origin, Rung,
    StepState, TicketId,
};

use crate::EngineSettings;
use crate::world::{ONE, World, accepted, fault, restart, steps, world};

/// The newest command was lost: told by its session, or because there was none.
fn lose(world: &mut World, in_session: bool) {
    let command = world.sent.last().expect("one was sent").1.id.clone();
    world.epoch = u64::from(in_session);
    world.answer(ONE, command, CommandOutcome::NotConnected);
    world.epoch = 1;
}

fn back(world: &mut World) {
    world.connect(ONE);
    world.heartbeat(ONE);
    world.status(ONE, 1, S::Faulted, "InternalError");
}

#[test]
fn after_a_lost_question_nothing_is_sent_until_the_charger_is_back() {
    let mut world = world();
    world.answers = |words| (!words.starts_with("Trigger")).then(accepted);
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.wait(61);
    // The session tells what was lost before it tells its own end.
    lose(&mut world, true);
    assert_eq!(steps(&world), [(Rung::L1, StepState::Blocked), (Rung::L1, StepState::Waiting)]);
    world.disconnect(ONE);
    world.wait(120);
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1"]);
    world.answers = |_| Some(accepted());
    back(&mut world);
    world.status(ONE, 1, S::Faulted, "InternalError");
    assert_eq!(
        world.actions(),
        [
            "TriggerMessage StatusNotification 1",
            "TriggerMessage StatusNotification 1",
            "Reset Soft"
        ]
    );
}

#[test]
fn a_reset_that_never_left_is_sent_when_the_charger_is_back() {
    let mut world = world();
    world.answers = |words| (words != "Reset Soft").then(accepted);
    fault(&mut world, "InternalError");
    world.disconnect(ONE);
    world.wait(2);
    lose(&mut world, false);
    assert_eq!(
        steps(&world)[1..],
        [(Rung::L4, StepState::Blocked), (Rung::L4, StepState::Waiting)]
    );
    let incident = world.incidents.values().next().expect("the fault");
    let lost = &incident.healing.as_ref().expect("healing").steps[1];
    assert_eq!(lost.accepted_at, None);
    world.wait(30);
    world.answers = |_| Some(accepted());
    back(&mut world);
    world.wait(31);
    let resets: Vec<_> = world.actions().into_iter().filter(|it| it.starts_with("Reset")).collect();
    assert_eq!(resets, ["Reset Soft", "Reset Soft"]);
    restart(&mut world, S::Available, "");
    world.live(ONE, 6);
    assert_eq!(steps(&world)[2], (Rung::L4, StepState::Fixed));
}

#[test]
fn a_connection_that_ends_at_once_was_not_ended_by_the_reset() {
    let mut world = world();
    world.answers = |words| (words != "Reset Soft").then(accepted);
    fault(&mut world, "InternalError");
    lose(&mut world, true);
    assert_eq!(steps(&world)[1], (Rung::L4, StepState::Blocked));
    // Nothing harder follows.
    world.disconnect(ONE);
    world.wait(30);
    back(&mut world);
    world.live(ONE, 3);
    assert!(!world.actions().contains(&"Reset Hard".to_owned()));
}

#[test]
fn a_lost_rung_is_tried_twice_and_then_left() {
    let mut world = world();
    world.answers = |words| (words != "Reset Soft").then(accepted);
    fault(&mut world, "InternalError");
    for _ in 0..2 {
        world.disconnect(ONE);
        lose(&mut world, false);
        world.wait(30);
        back(&mut world);
        world.wait(31);
    }
    let soft = world.actions().iter().filter(|words| *words == "Reset Soft").count();
    assert_eq!(soft, 2);
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Hard"));
}

#[test]
fn a_person_is_told_at_once_when_taking_out_of_service_was_lost() {
    let mut world = world();
    world.answers = |_| None;
    world.status(ONE, 1, S::Preparing, "");
    world.status(ONE, 1, S::Faulted, "GroundFailure");
    lose(&mut world, true);
    world.disconnect(ONE);
    assert_eq!(world.tickets.len(), 1);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    world.wait(60);
    // The ticket was written, and we start anew.
    for incident in world.incidents.values_mut() {
        incident.ticket = Some(TicketId(1));
    }
    world.restart(EngineSettings::default());
    world.answers = |_| Some(accepted());
    world.connect(ONE);
    world.heartbeat(ONE);
    world.wait(31);
    assert_eq!(world.actions(), ["ChangeAvailability 1 Inoperative"; 2]);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    assert_eq!(world.tickets.len(), 1);
}

/// A driver was let in on connector 2 while connector 1 waits for its status.
fn let_in(how: impl Fn(&mut World)) -> Vec<String> {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.wait(30);
    how(&mut world);
    world.wait(31);
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.wait(30);
    let early = world.actions();
    world.live(ONE, 3);
    assert!(world.actions().contains(&"Reset Soft".to_owned()), "it only waits");
    early
}

#[test]
fn nothing_is_reset_soon_after_a_driver_was_let_in() {
    let early = |how: fn(&mut World)| let_in(how).contains(&"Reset Soft".to_owned());
    assert!(early(|_| {}));
    assert!(!early(|world| {
        world.start(ONE, 2, "A");
        world.stop(ONE, 2, 500.0, "Local");
    }));
    let command = |world: &mut World, action: Action, accept: bool| {
        let id = CommandId("person-1".into());
        let command = Command {
            id: id.clone(),
            charger: ONE,
            action,
            origin: Origin::System,
            created_at: world.now,
            timeout_ms: 30_000,
            not_after: world.now + 60_000,
        };
        world.engine.note_command(world.now, &command, &world.fleet);
        let outcome = if accept { accepted() } else { crate::world::rejected() };
        world.answer(ONE, id, outcome);
    };
    let raw = |name: &str| Action::Raw { action: name.to_owned(), payload: "{}".to_owned() };
    let start = || Action::RemoteStart { connector: None, id_token: "A".to_owned() };
    let acts = |how: &dyn Fn(&mut World)| let_in(how).contains(&"Reset Soft".to_owned());
    assert!(!acts(&|world| command(world, start(), true)));
    assert!(acts(&|world| command(world, start(), false)));
    assert!(!acts(&|world| command(world, raw("RequestStartTransaction"), true)));
    assert!(!acts(&|world| command(world, raw("RemoteStartTransaction"), true)));
    assert!(acts(&|world| command(world, raw("ClearCache"), true)));
}
