//! Stories of rules that read the same failed charges: one cause is told once (1.7), whichever rule is
//! first, and what was mended counts no more.

use std::collections::BTreeMap;

use mendpoint_model::{ConnectorStatus as S, Incident, IncidentId, IncidentState, TicketId};

use crate::cohort::CohortFigures;
use crate::request::Request;
use crate::world::{Answers, ONE, World, accepted, rejected, restart, shipped_with};
use crate::{EngineSettings, KillScope};

const DROP: &str = include_str!("../../../config/rules/start_success_drop.toml");
const SILENT: &str = include_str!("../../../config/rules/silent_charger.toml");

/// A charger of a kind of which 95 % of all charges succeed.
fn world(answers: Answers) -> World {
    // Without the playbook, which the tests of rules know: a person is asked after two hours.
    let drop = DROP.replace("playbook = \"soft_reset_once\"\n", "");
    let drop = drop.replace("auto_heal = \"shadow\"", "auto_heal = \"off\"");
    let more = [("start_success_drop.toml", drop.as_str()), ("silent_charger.toml", SILENT)];
    let catalogue = shipped_with(|_, text| text.to_owned(), &more);
    let mut world = World::of(catalogue, EngineSettings::default());
    world.answers = answers;
    world.add(ONE);
    world.boot(ONE);
    world.status(ONE, 1, S::Available, "");
    let boot = world.state(ONE).boot.clone().expect("it booted");
    let counts = [("attempt_succeeded", 9.5), ("attempt_failed", 0.5)];
    let figures = CohortFigures {
        vendor: boot.vendor.clone(),
        model: boot.model.clone(),
        firmware: boot.firmware.clone().unwrap_or_default(),
        chargers: 50,
        charger_days: 1_500.0,
        counts: counts
            .into_iter()
            .map(|(kind, a_day)| (kind.to_owned(), a_day * 1_500.0))
            .collect::<BTreeMap<_, _>>(),
        powers: Vec::new(),
    };
    world.engine.set_cohorts(world.now, &[figures]);
    world
}

/// One charge, and then quiet for as many minutes.
fn charge(world: &mut World, card: &str, works: bool, quiet_minutes: i64) {
    world.status(ONE, 1, S::Preparing, "");
    world.wait(150);
    world.start(ONE, 1, card);
    world.status(ONE, 1, S::Charging, "");
    world.live(ONE, if works { 6 } else { 1 });
    let (energy_wh, reason) = if works { (9_000.0, "Local") } else { (0.0, "Other") };
    world.stop(ONE, 1, energy_wh, reason);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, quiet_minutes.max(2));
}

/// Every second charge fails, never three in an hour.
fn now_and_then(world: &mut World, many: usize) {
    for n in 0..many {
        charge(world, &format!("N{n}"), n % 2 == 0, 40);
    }
}

/// Three charges fail within half an hour.
fn burst(world: &mut World) {
    for n in 0..3 {
        charge(world, &format!("B{n}"), false, 2);
    }
}

fn of<'a>(world: &'a World, rule: &str) -> Vec<&'a Incident> {
    world.incidents.values().filter(|incident| incident.rule == rule).collect()
}

fn ticket(world: &mut World, incident: IncidentId, status: &str) {
    let user = "Ana".to_owned();
    let status = status.to_owned();
    let request = Request::TicketChanged { incident, ticket: TicketId(1), status, user };
    world.request(request).expect("it is known");
}

#[test]
fn fewer_charges_that_succeed_are_told_where_none_failed_in_a_row() {
    let mut world = world(|_| Some(rejected()));
    now_and_then(&mut world, 20);
    assert_eq!(of(&world, "START_SUCCESS_DROP").len(), 1);
    assert!(of(&world, "FAILED_BURST").is_empty());
}

#[test]
fn charges_that_fail_in_a_row_are_asked_about_once_though_fewer_succeed_too() {
    let mut world = world(|_| Some(rejected()));
    now_and_then(&mut world, 17);
    assert!(world.incidents.is_empty());
    burst(&mut world);
    world.live(ONE, 30);
    let told = world.incident();
    assert_eq!((told.rule.as_str(), told.state), ("FAILED_BURST", IncidentState::Escalated));
    assert_eq!(told.ties.also, ["START_SUCCESS_DROP"], "it says what else it stands for");
    world.live(ONE, 4 * 60);
    assert_eq!(world.tickets.len(), 1);
    assert!(of(&world, "START_SUCCESS_DROP").is_empty(), "no incident of its own");
}

#[test]
fn what_a_repair_ended_is_not_told_afterwards() {
    let mut world = world(|_| Some(accepted()));
    now_and_then(&mut world, 17);
    burst(&mut world);
    world.wait(300);
    restart(&mut world, S::Available, "");
    world.live(ONE, 10);
    assert!(world.actions().contains(&"Reset Soft".to_owned()), "{:?}", world.actions());
    charge(&mut world, "C", true, 10);
    assert!(world.incident().state.is_over(), "proven: {:?}", world.incident());
    // Eleven of the last twenty had failed.
    for n in 0..6 {
        charge(&mut world, &format!("D{n}"), true, 30);
    }
    assert!(of(&world, "START_SUCCESS_DROP").is_empty(), "{:?}", world.incidents);
    assert!(world.tickets.is_empty());
}

#[test]
fn what_went_away_by_itself_stays_counted() {
    // Healing is switched off: nothing was done when the next charge succeeds.
    let mut world = world(|_| Some(accepted()));
    let user = "Ana".to_owned();
    let switch = Request::KillSwitch { scope: KillScope::Global, on: true, user };
    world.request(switch).expect("it is heard");
    now_and_then(&mut world, 17);
    burst(&mut world);
    charge(&mut world, "C", true, 10);
    assert!(of(&world, "FAILED_BURST")[0].state.is_over());
    charge(&mut world, "D", false, 10);
    assert_eq!(of(&world, "START_SUCCESS_DROP").len(), 1, "charges fail here all the time");
}

#[test]
fn who_is_asked_because_fewer_succeed_is_not_asked_again_when_several_fail_in_a_row() {
    let mut world = world(|_| Some(rejected()));
    now_and_then(&mut world, 22);
    let first = of(&world, "START_SUCCESS_DROP")[0].id;
    world.live(ONE, 3 * 60);
    assert_eq!(world.tickets.len(), 1, "asked after two hours");
    ticket(&mut world, first, "new");
    burst(&mut world);
    world.live(ONE, 3 * 60);
    assert_eq!(world.tickets.len(), 1);
    assert!(of(&world, "FAILED_BURST").is_empty());
    assert_eq!(world.incidents[&first].ties.also, ["FAILED_BURST"]);
}

#[test]
fn several_in_a_row_are_repaired_also_where_fewer_succeed_was_told_first() {
    let mut world = world(|_| Some(accepted()));
    now_and_then(&mut world, 21);
    let first = of(&world, "START_SUCCESS_DROP")[0].id;
    assert!(world.tickets.is_empty());
    burst(&mut world);
    let second = of(&world, "FAILED_BURST")[0].id;
    assert_eq!(world.incidents[&first].ties.inhibited_by, Some(second), "it rests");
    world.wait(300);
    restart(&mut world, S::Available, "");
    world.live(ONE, 10);
    assert_eq!(world.incidents[&second].state, IncidentState::RecoveredUnproven);
    assert_eq!(world.incidents[&first].ties.inhibited_by, Some(second), "it waits for the proof");
    charge(&mut world, "C", true, 10);
    assert!(world.incidents[&second].state.is_over());
    let rested = &world.incidents[&first];
    assert!(rested.state.is_over(), "{rested:?}");
    assert_eq!(rested.resolution, format!("The same charges as {second}, which is mended"));
    world.live(ONE, 4 * 60);
    assert!(world.tickets.is_empty(), "nobody was needed");
}

#[test]
fn several_in_a_row_that_no_repair_ends_are_asked_about_once_in_this_order_too() {
    let mut world = world(|_| Some(rejected()));
    now_and_then(&mut world, 21);
    let first = of(&world, "START_SUCCESS_DROP")[0].id;
    burst(&mut world);
    let second = of(&world, "FAILED_BURST")[0].id;
    world.live(ONE, 5 * 60);
    let asked: Vec<IncidentId> = world.tickets.iter().map(|ticket| ticket.incident).collect();
    assert_eq!(asked, [second]);
    // Somebody repairs it, and a charge proves that.
    ticket(&mut world, second, "new");
    ticket(&mut world, second, "resolved");
    charge(&mut world, "C", true, 10);
    assert!(world.incidents[&second].state.is_over(), "{:?}", world.incidents[&second]);
    assert!(world.incidents[&first].state.is_over(), "{:?}", world.incidents[&first]);
}

#[test]
fn a_connector_whose_charges_fail_is_not_told_as_silent_too() {
    let mut world = world(|_| Some(rejected()));
    world.used(ONE, 1, 30 * 60_000, 28);
    burst(&mut world);
    let told = world.incident().id;
    for n in 0..12 {
        charge(&mut world, &format!("F{n}"), false, 50);
    }
    world.live(ONE, 60);
    assert_eq!(world.incidents.keys().copied().collect::<Vec<_>>(), [told]);
    assert_eq!(world.tickets.len(), 1);
    assert_eq!(world.incidents[&told].ties.also, ["SILENT_CHARGER"]);
}
