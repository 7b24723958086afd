//! Whole incidents, told with the shipped rules: who gets the credit, and faults of a connector and
//! of the whole charger at once.

use mendpoint_model::{
    Boot, ChargerKey, ConnectorRef, ConnectorStatus as S, IncidentId, IncidentState, SiteKey,
    TicketId,
};

use crate::world::{ONE, World, accepted, fault, rejected, restart, world};
use crate::{Effect, EngineSettings, Request};

/// The ticket of an incident changes.
fn ticket(world: &mut World, incident: IncidentId, status: &str, user: &str) {
    let request = Request::TicketChanged {
        incident,
        ticket: TicketId(7),
        status: status.to_owned(),
        user: user.to_owned(),
    };
    world.request(request).expect("the incident is known");
}

/// The newest line of a kind.
fn last_line<'a>(world: &'a World, kind: &str) -> &'a str {
    let line = world.lines.iter().rfind(|line| line.kind == kind);
    line.map_or("", |line| line.title.as_str())
}

/// The newest words to the ticket.
fn last_evidence(world: &World) -> &str {
    let texts = world.effects.iter().rev().find_map(|effect| match effect {
        Effect::TicketEvidence { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.unwrap_or_default()
}

/// A soft reset that fails and a hard reset from which the charger does not come back.
fn lost_after_hard_reset() -> (World, IncidentId) {
    let mut world = world();
    fault(&mut world, "InternalError");
    let id = world.incident().id;
    restart(&mut world, S::Faulted, "InternalError");
    world.live(ONE, 6);
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Hard"));
    world.wait(2);
    world.disconnect(ONE);
    world.wait(1_000);
    assert_eq!(world.incidents[&id].state, IncidentState::Escalated);
    ticket(&mut world, id, "new", "engine");
    (world, id)
}

fn comes_back(world: &mut World) {
    world.wait(3_600);
    world.connect(ONE);
    world.boot(ONE);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 6);
}

fn charges(world: &mut World, n: u16) {
    world.start(ONE, n, "A");
    world.wait(1_800);
    world.stop(ONE, n, 8_400.0, "Local");
}

#[test]
fn a_reset_that_failed_gets_no_credit_when_the_charger_returns_alone() {
    let (mut world, id) = lost_after_hard_reset();
    comes_back(&mut world);
    assert_eq!(world.incidents[&id].state, IncidentState::RecoveredUnproven);
    assert_eq!(last_line(&world, "recovered"), "Recovered by itself, not yet proven");
    assert_eq!(last_evidence(&world), "Recovered by itself, not yet proven");
    charges(&mut world, 1);
    let words = "Recovered by itself, proven by a session of 8.4 kWh";
    assert_eq!(world.incidents[&id].resolution, words);
    assert_eq!(last_evidence(&world), words);
}

#[test]
fn a_person_who_was_there_gets_the_credit() {
    let (mut world, id) = lost_after_hard_reset();
    ticket(&mut world, id, "accepted", "Radu");
    ticket(&mut world, id, "on_site", "Radu");
    comes_back(&mut world);
    assert_eq!(last_evidence(&world), "Recovered after Radu worked on it, not yet proven");
    charges(&mut world, 1);
    let words = "Recovered after Radu worked on it, proven by a session of 8.4 kWh";
    assert_eq!(world.incidents[&id].resolution, words);
}

#[test]
fn a_ticket_that_is_accepted_is_in_hand_also_after_a_restart() {
    let (mut world, id) = lost_after_hard_reset();
    ticket(&mut world, id, "accepted", "Radu");
    world.restart(EngineSettings::default());
    comes_back(&mut world);
    let words = format!("Recovered, {} in hand, not yet proven", TicketId(7));
    assert_eq!(last_line(&world, "recovered"), words);
    world.restart(EngineSettings::default());
    world.connect(ONE);
    charges(&mut world, 1);
    assert_eq!(world.incidents[&id].resolution, "Recovered, proven by a session of 8.4 kWh");
}

#[test]
fn a_step_that_worked_keeps_its_credit_over_a_restart() {
    let mut world = world();
    fault(&mut world, "InternalError");
    restart(&mut world, S::Available, "");
    world.live(ONE, 6);
    assert_eq!(last_line(&world, "recovered"), "Recovered after Soft reset, not yet proven");
    world.restart(EngineSettings::default());
    world.connect(ONE);
    charges(&mut world, 1);
    assert_eq!(world.incident().resolution, "Healed by Soft reset, proven by a session of 8.4 kWh");
}

#[test]
fn a_fault_of_the_whole_charger_joins_the_incident_of_its_connector() {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, "OverCurrentFailure");
    world.wait(61);
    let id = world.incident().id;
    ticket(&mut world, id, "new", "engine");
    world.status(ONE, 0, S::Faulted, "InternalError");
    world.wait(61);
    world.live(ONE, 5);
    assert_eq!(world.incidents.len(), 1);
    assert_eq!(world.tickets.len(), 1);
    assert_eq!(world.incident().occurrences, 2);
    // The whole charger's code is the milder one.
    assert_eq!(world.incident().severity, 2);
    let joined = "The whole charger is faulted now: InternalError";
    assert_eq!(last_line(&world, "whole_faulted"), joined);
    // One of the two is well again: that is not enough, also not after a restart of ours.
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 10);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    world.restart(EngineSettings::default());
    world.connect(ONE);
    world.live(ONE, 10);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    assert_eq!(world.incidents.len(), 1);
    assert_eq!(world.kinds().iter().filter(|kind| **kind == "whole_faulted").count(), 1);
    world.status(ONE, 0, S::Available, "");
    world.live(ONE, 4);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    world.live(ONE, 2);
    assert_eq!(world.incident().state, IncidentState::RecoveredUnproven);
}

#[test]
fn the_connector_keeps_it_open_when_the_whole_charger_is_well_again() {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, "OverCurrentFailure");
    world.wait(61);
    world.status(ONE, 0, S::Faulted, "OtherError");
    world.wait(61);
    world.status(ONE, 0, S::Available, "");
    world.live(ONE, 10);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 6);
    assert_eq!(world.incident().state, IncidentState::RecoveredUnproven);
    assert_eq!(world.incidents.len(), 1);
}

#[test]
fn what_joins_can_only_make_it_more_serious() {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, "PartialInsertion");
    world.wait(61);
    assert_eq!(world.incident().severity, 6);
    world.status(ONE, 0, S::Faulted, "InternalError");
    world.wait(61);
    assert_eq!(world.incident().severity, 3);
    world.status(ONE, 1, S::Faulted, "EVCommunicationError");
    assert_eq!(world.incident().severity, 3);
    assert_eq!(world.incidents.len(), 1);
}

#[test]
fn a_danger_of_the_whole_charger_moves_the_incident_and_takes_it_out_of_service() {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, "OverCurrentFailure");
    world.wait(61);
    let id = world.incident().id;
    ticket(&mut world, id, "new", "engine");
    world.status(ONE, 0, S::Faulted, "InternalError");
    world.wait(61);
    assert!(world.actions().is_empty());
    world.status(ONE, 0, S::Faulted, "PowerSwitchFailure");
    assert_eq!(world.actions(), ["ChangeAvailability charger Inoperative"]);
    let incident = world.incident();
    assert_eq!((incident.connector, incident.severity), (ConnectorRef::CHARGER, 1));
    assert_eq!(incident.title, "PowerSwitchFailure");
    assert_eq!(incident.state, IncidentState::Escalated);
    assert_eq!(world.tickets.len(), 1);
    // After a restart the connector still belongs to it.
    world.restart(EngineSettings::default());
    world.connect(ONE);
    world.status(ONE, 0, S::Available, "");
    world.live(ONE, 10);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    assert_eq!(world.incidents.len(), 1);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 6);
    assert_eq!(world.incident().state, IncidentState::RecoveredUnproven);
    assert_eq!(world.actions().len(), 1);
}

#[test]
fn a_danger_is_an_incident_of_its_own_while_a_connector_must_be_switched_on_again() {
    let mut world = world();
    world.answers = |words| {
        if words.ends_with("Inoperative") {
            return None;
        }
        Some(if words.starts_with("Unlock") { rejected() } else { accepted() })
    };
    fault(&mut world, "ConnectorLockFailure");
    world.status(ONE, 0, S::Faulted, "InternalError");
    let asked = "ChangeAvailability 1 Inoperative";
    assert_eq!(world.actions().last().map(String::as_str), Some(asked));
    world.wait(10);
    world.status(ONE, 0, S::Faulted, "PowerSwitchFailure");
    assert_eq!(world.incidents.len(), 2);
    assert_eq!(world.incident().connector, ConnectorRef::CHARGER);
    assert_eq!(world.incidents[&IncidentId(1)].connector, ConnectorRef::v16(1));
}

#[test]
fn a_joined_fault_that_becomes_dangerous_leaves_while_a_connector_is_owed() {
    let mut world = world();
    world.answers = |words| {
        (!words.ends_with("Operative"))
            .then(|| if words.starts_with("Unlock") { rejected() } else { accepted() })
    };
    fault(&mut world, "ConnectorLockFailure");
    world.status(ONE, 0, S::Faulted, "InternalError");
    world.live(ONE, 2);
    assert_eq!(
        last_line(&world, "whole_faulted"),
        "The whole charger is faulted now: InternalError"
    );
    assert_eq!(world.incidents.len(), 1);
    world.status(ONE, 0, S::Faulted, "PowerSwitchFailure");
    assert_eq!(world.incidents.len(), 2);
    assert_eq!((world.incident().connector, world.incident().severity), (ConnectorRef::CHARGER, 1));
    assert_eq!(world.incidents[&IncidentId(1)].connector, ConnectorRef::v16(1));
}

#[test]
fn a_connector_is_no_news_while_the_whole_charger_is_faulted() {
    let mut world = world();
    world.status(ONE, 0, S::Faulted, "OverCurrentFailure");
    world.wait(61);
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.live(ONE, 5);
    assert_eq!(world.incidents.len(), 1);
    assert!(!world.kinds().contains(&"whole_faulted"));
}

/// Faults on both connectors, and a soft reset for one of them; that one's incident and the other.
/// Connector 2 is well again so many seconds after the charger is back.
fn one_reset_for_two(code: &str, well_after: i64) -> (World, IncidentId, IncidentId) {
    let mut world = world();
    world.status(ONE, 2, S::Faulted, code);
    fault(&mut world, "InternalError");
    world.wait(40);
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Soft"));
    let reset = world.sent.last().map(|(_, command)| command.id.0.to_string());
    let of_reset = |id: &IncidentId| {
        reset.as_ref().is_some_and(|command| command.starts_with(&format!("i{}-", id.0)))
    };
    let mut ids: Vec<IncidentId> = world.incidents.keys().copied().collect();
    ids.sort_by_key(|id| !of_reset(id));
    restart(&mut world, S::Available, "");
    world.wait(well_after);
    world.status(ONE, 2, S::Available, "");
    world.live(ONE, 8);
    let resets = world.actions().iter().filter(|words| words.starts_with("Reset")).count();
    assert_eq!((resets, ids.len()), (1, 2));
    (world, ids[0], ids[1])
}

#[test]
fn a_reset_for_another_incident_is_named_when_it_helped() {
    let (world, first, second) = one_reset_for_two("OverVoltage", 20);
    let words = format!("Went away after the soft reset for {first}");
    assert_eq!(world.incidents[&second].resolution, words);
    assert_eq!(last_line(&world, "recovered"), "Recovered after Soft reset, not yet proven");
}

#[test]
fn it_is_named_too_where_a_session_has_to_prove_it() {
    let (world, first, second) = one_reset_for_two("OtherError", 20);
    let words = format!("Went away after the soft reset for {first}, not yet proven");
    assert!(world.lines.iter().any(|line| line.incident == second && line.title == words));
}

#[test]
fn a_reset_after_which_it_was_still_there_gets_no_credit() {
    let (world, _, second) = one_reset_for_two("OverVoltage", 240);
    assert_eq!(world.incidents[&second].resolution, "Went away by itself");
}

/// Two chargers of one place are faulted at once; how many are reset while nobody is back yet.
fn resets_at_once(settings: EngineSettings) -> usize {
    const TWO: ChargerKey = ChargerKey(2);
    let mut world = World::with(settings);
    for key in [ONE, TWO] {
        world.add(key);
        // Of two models, so that only the site holds the second back.
        let model = format!("M{}", key.0);
        world.state(key).boot = Some(Box::new(Boot { model, ..Boot::default() }));
        world.booted(key, true);
        world.status(key, 1, S::Faulted, "InternalError");
    }
    world.wait(61);
    for key in [ONE, TWO] {
        world.status(key, 1, S::Faulted, "InternalError");
    }
    world.wait(40);
    world.actions().iter().filter(|words| words.starts_with("Reset")).count()
}

#[test]
fn a_site_is_repaired_one_by_one_and_chargers_without_a_site_each_by_itself() {
    assert_eq!(resets_at_once(EngineSettings::default()), 1, "G5: at most a fifth of a site");
    let unassigned = Some(SiteKey(1));
    assert_eq!(resets_at_once(EngineSettings { unassigned, ..EngineSettings::default() }), 2);
}
