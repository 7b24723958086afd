//! What a failed charge is (1.5), clause by clause, told with whole engines.

use mendpoint_model::{
    Action, COMMAND_TIMEOUT_MS, ChargerKey, Command, CommandId, CommandOutcome, ConnectorRef,
    ConnectorState, ConnectorStatus as S, Origin,
};

use crate::visits::{Outcome, VisitEnded};
use crate::world::{ONE, World, accepted, rejected, world};
use crate::{AttemptEnded, Effect, Failure};

fn ended(world: &World) -> Vec<AttemptEnded> {
    let attempts = world.effects.iter().filter_map(|effect| match effect {
        Effect::Attempt(ended) => Some(*ended),
        _ => None,
    });
    attempts.collect()
}

fn outcomes(world: &World) -> Vec<Outcome> {
    ended(world).into_iter().map(|ended| ended.outcome).collect()
}

fn visits(world: &World) -> Vec<VisitEnded> {
    let visits = world.effects.iter().filter_map(|effect| match effect {
        Effect::Visit(visit) => Some(*visit),
        _ => None,
    });
    visits.collect()
}

/// What failed so far, also in charges that still run.
fn failures(world: &World) -> Vec<Failure> {
    world.engine.watches[&ONE].failures.iter().map(|(.., why)| *why).collect()
}

fn failed(why: Failure) -> Vec<Outcome> {
    vec![Outcome::Failed(why)]
}

/// A person starts a charge from afar, and the charger answers.
fn remote_start(world: &mut World, outcome: CommandOutcome) {
    let connector = Some(ConnectorRef::v16(1));
    let command = send(world, Action::RemoteStart { connector, id_token: "A".to_owned() });
    world.answer(ONE, command, outcome);
}

/// A person sends a command.
fn send(world: &mut World, action: Action) -> CommandId {
    let command = Command {
        id: CommandId("u-9".into()),
        charger: ONE,
        action,
        origin: Origin::User("ana".to_owned()),
        created_at: world.now,
        timeout_ms: COMMAND_TIMEOUT_MS,
        not_after: world.now + COMMAND_TIMEOUT_MS,
    };
    world.engine.note_command(world.now, &command, &world.fleet);
    command.id
}

/// A car is plugged in, and after a while its transaction begins.
fn begin(world: &mut World) {
    world.status(ONE, 1, S::Preparing, "");
    world.wait(150);
    world.start(ONE, 1, "A");
}

/// A car charges; `seconds` later its transaction ends.
fn session(world: &mut World, seconds: i64, energy_wh: f64, reason: &str) {
    begin(world);
    world.wait(seconds);
    world.stop(ONE, 1, energy_wh, reason);
    world.wait(61);
}

#[test]
fn f1_a_remote_start_that_is_refused_or_not_answered_fails_on_a_ready_connector() {
    for outcome in [rejected(), CommandOutcome::TimedOut] {
        for status in [S::Available, S::Preparing] {
            let mut world = world();
            world.status(ONE, 1, status, "");
            remote_start(&mut world, outcome.clone());
            assert_eq!(outcomes(&world), failed(Failure::RemoteStartRefused), "{status:?}");
        }
    }
    // Reserved for somebody else, or in use: nobody could charge there.
    for status in [S::Reserved, S::Unavailable, S::Charging] {
        let mut world = world();
        world.status(ONE, 1, status, "");
        remote_start(&mut world, rejected());
        assert_eq!(outcomes(&world), [Outcome::Excused], "{status:?}");
    }
}

#[test]
fn f2_authorised_and_plugged_in_and_no_transaction_in_the_time_of_the_charger_and_a_minute() {
    let mut world = world();
    world.status(ONE, 1, S::Preparing, "");
    world.authorize(ONE, "A");
    world.wait(119);
    assert_eq!(outcomes(&world), []);
    world.wait(2);
    assert_eq!(outcomes(&world), failed(Failure::NeverStarted));
    // Nobody plugged in.
    let mut world = self::world();
    world.authorize(ONE, "A");
    world.wait(121);
    assert_eq!(outcomes(&world), [Outcome::Excused]);
}

#[test]
fn f3_less_than_100_wh_in_less_than_two_minutes_fails() {
    let mut world = world();
    session(&mut world, 119, 99.0, "Local");
    assert_eq!(outcomes(&world), failed(Failure::EndedAtOnce));
    let mut world = self::world();
    session(&mut world, 119, 100.0, "Local");
    assert_eq!(outcomes(&world), [Outcome::Completed]);
    let mut world = self::world();
    session(&mut world, 120, 99.0, "Local");
    assert_eq!(outcomes(&world), [Outcome::Excused]);
}

#[test]
fn f3_unless_the_driver_ended_it_after_a_minute_with_power() {
    for (seconds, had_power, reason, outcome) in [
        (60, true, "Local", Outcome::Excused),
        (60, true, "Remote", Outcome::Excused),
        (59, true, "Local", Outcome::Failed(Failure::EndedAtOnce)),
        (60, false, "Local", Outcome::Failed(Failure::EndedAtOnce)),
    ] {
        let mut world = world();
        begin(&mut world);
        world.state(ONE).transactions[0].had_power = had_power;
        world.wait(seconds);
        world.stop(ONE, 1, 40.0, reason);
        world.wait(61);
        assert_eq!(outcomes(&world), [outcome], "{seconds} s, power {had_power}, {reason}");
    }
}

#[test]
fn f4_less_than_100_wh_after_300_seconds_fails_and_a_full_car_does_not() {
    let mut world = world();
    session(&mut world, 400, 99.0, "Local");
    assert_eq!(outcomes(&world), failed(Failure::NoEnergy));
    // A full battery: SuspendedEV came first.
    let mut world = self::world();
    begin(&mut world);
    world.state(ONE).transactions[0].suspended_by_ev = true;
    world.wait(400);
    world.stop(ONE, 1, 20.0, "EVDisconnected");
    world.wait(61);
    assert_eq!(outcomes(&world), [Outcome::Completed]);
}

#[test]
fn f4_is_judged_by_a_reading_from_after_its_time() {
    // Values each quarter of an hour, the first with the start.
    let mut world = world();
    world.status(ONE, 1, S::Preparing, "");
    world.wait(150);
    world.start(ONE, 1, "A");
    world.status(ONE, 1, S::Charging, "");
    world.meter(ONE, 1, 0.0);
    world.wait(840);
    world.meter(ONE, 1, 4_000.0);
    world.wait(300);
    world.stop(ONE, 1, 5_000.0, "Local");
    world.wait(61);
    assert_eq!(outcomes(&world), [Outcome::Completed]);
    // Nothing came by then: it failed, and that is told while it runs.
    let mut world = self::world();
    world.status(ONE, 1, S::Preparing, "");
    world.wait(150);
    world.start(ONE, 1, "A");
    world.status(ONE, 1, S::Charging, "");
    world.meter(ONE, 1, 0.0);
    world.wait(299);
    world.meter(ONE, 1, 0.0);
    assert!(failures(&world).is_empty(), "not yet five minutes");
    world.wait(1);
    world.meter(ONE, 1, 0.0);
    assert_eq!(failures(&world), [Failure::NoEnergy]);
}

#[test]
fn f4_a_pause_of_the_power_manager_is_no_failure() {
    let mut world = world();
    begin(&mut world);
    world.status(ONE, 1, S::SuspendedEvse, "");
    world.wait(400);
    world.stop(ONE, 1, 0.0, "Local");
    world.wait(61);
    assert_eq!(outcomes(&world), [Outcome::Excused]);
}

#[test]
fn f5_what_the_charger_breaks_off_fails_whatever_it_delivered() {
    let reasons = [
        "EmergencyStop",
        "PowerLoss",
        "HardReset",
        "SoftReset",
        "Reboot",
        "UnlockCommand",
        "Other",
    ];
    for reason in reasons {
        let mut world = world();
        session(&mut world, 600, 9_000.0, reason);
        assert_eq!(outcomes(&world), failed(Failure::BrokenOff), "{reason}");
    }
    for reason in ["Local", "Remote", "EVDisconnected"] {
        let mut world = world();
        session(&mut world, 600, 9_000.0, reason);
        assert_eq!(outcomes(&world), [Outcome::Completed], "{reason}");
    }
}

#[test]
fn f5_unless_a_reset_or_unlock_of_ours_explains_it() {
    let mut world = world();
    begin(&mut world);
    world.wait(60);
    send(&mut world, Action::Reset { hard: false, evse: None });
    world.wait(20);
    world.stop(ONE, 1, 500.0, "SoftReset");
    world.wait(61);
    assert_eq!(outcomes(&world), [Outcome::Completed], "it delivered, and we ended it");
}

#[test]
fn f6_a_fault_in_the_transaction_or_within_a_minute_of_its_start_fails() {
    let mut world = world();
    begin(&mut world);
    world.wait(600);
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.stop(ONE, 1, 5_000.0, "Local");
    assert_eq!(outcomes(&world), failed(Failure::Faulted));
    for (after, outcome) in [(59, Outcome::Failed(Failure::Faulted)), (61, Outcome::Completed)] {
        let mut world = self::world();
        begin(&mut world);
        world.wait(30);
        world.stop(ONE, 1, 300.0, "Local");
        world.wait(after - 30);
        world.status(ONE, 1, S::Faulted, "InternalError");
        world.wait(61);
        assert_eq!(outcomes(&world), [outcome], "{after} s after the start");
    }
}

#[test]
fn a_refused_card_is_no_attempt() {
    let mut world = world();
    world.status(ONE, 1, S::Preparing, "");
    world.refuse(ONE, "A");
    world.wait(300);
    assert_eq!(outcomes(&world), []);
}

/// A driver plugged in, began, and unplugged within half a minute.
fn unplugged_at_once() -> World {
    let mut world = world();
    world.status(ONE, 1, S::Preparing, "");
    world.wait(10);
    world.start(ONE, 1, "A");
    world.wait(20);
    world.stop(ONE, 1, 0.0, "EVDisconnected");
    world.status(ONE, 1, S::Available, "");
    world
}

#[test]
fn a_driver_who_unplugs_at_once_and_does_not_try_again_has_changed_their_mind() {
    let mut world = unplugged_at_once();
    world.wait(301);
    assert_eq!(outcomes(&world), [Outcome::Excused]);
}

#[test]
fn a_driver_who_unplugs_at_once_and_tries_again_met_a_failure() {
    let mut world = unplugged_at_once();
    world.wait(120);
    world.status(ONE, 1, S::Preparing, "");
    world.start(ONE, 1, "A");
    assert_eq!(outcomes(&world), failed(Failure::EndedAtOnce));
}

#[test]
fn an_attempt_begins_with_the_card_and_not_with_the_transaction() {
    let mut world = world();
    world.status(ONE, 1, S::Preparing, "");
    world.authorize(ONE, "A");
    let shown = world.now;
    world.wait(30);
    world.start(ONE, 1, "A");
    world.wait(600);
    world.stop(ONE, 1, 4_000.0, "Local");
    world.wait(61);
    let [attempt] = ended(&world)[..] else { panic!("one attempt: {:?}", ended(&world)) };
    assert_eq!(attempt.began_at, shown);
    assert!(attempt.started && attempt.energy_wh == Some(4_000.0));
}

#[test]
fn a_second_try_within_five_minutes_is_the_same_visit() {
    let mut world = world();
    world.answers = |_| Some(accepted());
    session(&mut world, 60, 0.0, "Other");
    session(&mut world, 900, 6_000.0, "Local");
    world.wait(3_600);
    let [visit] = visits(&world)[..] else { panic!("one visit: {:?}", visits(&world)) };
    assert_eq!(visit.attempts, 2);
    assert!(visit.succeeded && !visit.first_succeeded);
    session(&mut world, 900, 6_000.0, "Local");
    world.wait(3_600);
    assert_eq!(visits(&world).len(), 2);
    assert!(visits(&world)[1].first_succeeded);
}

#[test]
fn f5_charges_that_one_loss_of_power_ends_are_one_failure_of_the_charger() {
    let cut = |world: &mut World, apart: i64, reason: &str| {
        let key = ChargerKey(7);
        world.add(key);
        let like = world.state(key).connectors[0].clone();
        for n in 3..=4 {
            let at = ConnectorRef::v16(n);
            world.state(key).connectors.push(ConnectorState { at, ..like.clone() });
        }
        for n in 1..=4 {
            world.start(key, n, &format!("CARD-{n}"));
        }
        world.wait(600);
        for n in 1..=4 {
            world.stop(key, n, 2_000.0, reason);
            world.wait(apart);
        }
        world.wait(61);
    };
    for reason in ["PowerLoss", "Reboot"] {
        let mut world = world();
        cut(&mut world, 2, reason);
        assert_eq!(world.incidents.len(), 0, "{reason}: nobody failed to charge there");
        assert_eq!(outcomes(&world), [Outcome::Failed(Failure::BrokenOff); 4], "to each driver");
    }
    // One after the other, or broken off for another reason, they are several.
    let mut world = world();
    cut(&mut world, 31, "PowerLoss");
    assert_eq!(world.incident().rule, "FAILED_BURST");
    let mut world = crate::world::world();
    cut(&mut world, 2, "Other");
    assert_eq!(world.incident().rule, "FAILED_BURST");
}
