//! What follows an alarm of a silent connector: a repair, a test charge when it does not help, and the
//! proof by the next real session.

use std::sync::Arc;

use mendpoint_model::{
    ChargerKey, ConnectorStatus as S, HOUR_MS, IncidentState, Rung, SiteKey, StepState,
};

use crate::EngineSettings;
use crate::catalogue::Catalogue;
use crate::world::{ONE, World, rejected, restart, shipped_with, steps};

const SILENT: &str = include_str!("../../../config/rules/silent_charger.toml");

fn rules() -> Arc<Catalogue> {
    shipped_with(|_, text| text.to_owned(), &[("silent_charger.toml", SILENT)])
}

/// A connector with four charges a day, until the minute in which its silence is told.
fn silent(answers: crate::world::Answers) -> World {
    let mut world = World::of(rules(), EngineSettings::default());
    world.answers = answers;
    world.add(ONE);
    world.boot(ONE);
    world.status(ONE, 1, S::Available, "");
    world.used(ONE, 1, 6 * HOUR_MS, 28);
    for _ in 0..90 * 60 {
        world.live(ONE, 1);
        if !world.incidents.is_empty() {
            return world;
        }
    }
    panic!("the silence was never told");
}

/// The same, and the reset that follows brought it back.
fn repaired() -> World {
    let mut world = silent(|_| Some(crate::world::accepted()));
    world.wait(31);
    restart(&mut world, S::Available, "");
    world.live(ONE, 8);
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1", "Reset Soft"]);
    assert_eq!(world.incident().state, IncidentState::RecoveredUnproven, "nobody charged yet");
    assert!(world.tickets.is_empty());
    world
}

/// Somebody charges at connector 1.
fn charge(world: &mut World, energy_wh: f64) {
    world.status(ONE, 1, S::Preparing, "");
    world.wait(20);
    world.start(ONE, 1, "A");
    world.status(ONE, 1, S::Charging, "");
    world.live(ONE, 30);
    world.meter(ONE, 1, energy_wh);
    world.stop(ONE, 1, energy_wh, "Local");
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 2);
}

#[test]
fn a_real_session_after_the_repair_is_its_proof_and_nobody_is_asked() {
    let mut world = repaired();
    world.live(ONE, 5 * 60);
    charge(&mut world, 8_000.0);
    assert_eq!(world.incident().state, IncidentState::Resolved);
    assert_eq!(steps(&world).last(), Some(&(Rung::L4, StepState::Fixed)));
    world.live(ONE, 30 * 60);
    assert!(world.tickets.is_empty() && world.incidents.len() == 1);
}

#[test]
fn a_repair_that_brings_nobody_back_asks_for_a_test_charge_a_day_later() {
    let mut world = repaired();
    world.live(ONE, 23 * 60 + 30);
    assert!(world.tickets.is_empty(), "not before a day has passed");
    world.live(ONE, 60);
    let ticket = world.tickets.first().expect("a person is asked");
    assert!(ticket.description.contains("make a test charge"), "{}", ticket.description);
    assert!(ticket.tried.iter().any(|line| line.starts_with("Soft reset")), "{:?}", ticket.tried);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    // A test charge that delivers nothing proves nothing.
    charge(&mut world, 20.0);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    world.live(ONE, 60);
    charge(&mut world, 900.0);
    assert_eq!(world.incident().state, IncidentState::Resolved, "the next real session");
    assert_eq!((world.tickets.len(), world.incidents.len()), (1, 1));
    // The silence that was is forgotten: nothing new opens for as long as before.
    world.live(ONE, 48 * 60);
    assert_eq!(world.incidents.len(), 1);
}

#[test]
fn a_charger_that_refuses_the_repair_gets_a_test_charge_too() {
    let mut world = silent(|_| Some(rejected()));
    assert!(world.tickets.is_empty(), "the rule leaves a day");
    world.live(ONE, 25 * 60);
    assert_eq!(world.tickets.len(), 1);
    assert!(world.tickets[0].description.contains("make a test charge"));
    charge(&mut world, 5_000.0);
    assert_eq!(world.incident().state, IncidentState::Resolved);
}

#[test]
fn whole_chargers_that_are_silent_make_an_incident_of_their_site() {
    let many = "id = \"MANY_SILENT\"\nversion = 1\ntitle = \"Many are silent\"\ndescription = \"No session \
                anywhere.\"\nseverity = 5\nscope = \"site\"\nauto_heal = \"off\"\nproof = \"clear\"\n[condition]\nwhen \
                = 'connected and expected_usage_silence(0.001)'\nchargers = { at_least = 2 }\n[[test]]\nname = \
                \"fires\"\nsteps = [{ at = \"0s\", connect = true }, { at = \"1s\", expect = { incidents = \
                [\"MANY_SILENT\"] } }]\n[[test]]\nname = \"is silent\"\nsteps = [{ at = \"0s\", connect = true }, { \
                at = \"1s\", expect = { incidents = [] } }]\n";
    let catalogue = shipped_with(|_, text| text.to_owned(), &[("many_silent.toml", many)]);
    let mut world = World::of(catalogue, EngineSettings::default());
    let keys = [ChargerKey(1), ChargerKey(2)];
    for key in keys {
        world.add_at(key, SiteKey(1));
        world.status(key, 1, S::Available, "");
        world.used(key, 0, HOUR_MS, 28);
    }
    for _ in 0..10 * 60 {
        world.wait(60);
        for key in keys {
            world.heartbeat(key);
        }
    }
    let found: Vec<_> = world.incidents.values().map(|incident| incident.rule.as_str()).collect();
    assert_eq!(found, ["MANY_SILENT"]);
}
