//! Whole incidents, told with the shipped rules: drivers, people, connections, settings.

use mendpoint_model::{
    ChargerKey, ConnectorRef, ConnectorStatus as S, IncidentState, Rung, Source, StepState,
    TicketId,
};

use crate::world::{ONE, World, fault, rejected, restart, steps, world};
use crate::{
    Effect, EngineSettings, Evidence, HealMode, KillScope, Request, RequestError, Seen, StepAsked,
};

#[test]
fn people_switch_healing_off_and_on() {
    let mut world = world();
    let switch = |on| Request::KillSwitch { scope: KillScope::Global, on, user: "Ana".to_owned() };
    assert_eq!(world.request(switch(true)), Ok(mendpoint_model::IncidentId(0)));
    assert_eq!(world.engine.kill_switches().count(), 1);
    fault(&mut world, "InternalError");
    world.live(ONE, 10);
    assert!(world.actions().is_empty());
    assert_eq!(world.incident().next, "Waits: healing is switched off everywhere");
    world.request(switch(false)).expect("it can be switched on again");
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1"]);
    assert_eq!(steps(&world), [(Rung::L1, StepState::Verifying)]);
}

#[test]
fn nothing_is_sent_while_much_of_the_fleet_vanishes() {
    let mut world = world();
    let others: Vec<_> = (100..112).map(ChargerKey).collect();
    for key in &others {
        world.add(*key);
        world.status(*key, 1, S::Available, "");
    }
    for key in &others {
        world.disconnect(*key);
    }
    fault(&mut world, "InternalError");
    assert!(world.actions().iter().all(|action| !action.contains("Status")), "nothing is sent");
    assert!(world.incident().next.contains("vanished"), "{}", world.incident().next);
}

#[test]
fn a_repair_that_may_not_begin_for_an_hour_is_a_matter_for_a_person() {
    let mut world = world();
    let off = Request::KillSwitch { scope: KillScope::Global, on: true, user: "Ana".to_owned() };
    world.request(off).expect("it can be switched off");
    fault(&mut world, "InternalError");
    world.live(ONE, 58);
    assert!(world.tickets.is_empty());
    world.live(ONE, 4);
    assert!(world.actions().is_empty());
    assert_eq!(world.incident().state, IncidentState::Escalated);
    assert_eq!(steps(&world), [(Rung::L1, StepState::Skipped)]);
    assert_eq!(world.tickets.len(), 1);
}

#[test]
fn what_a_person_stopped_is_not_laid_at_a_guardrails_door() {
    // One waits for a driver who just plugged in (G2), then somebody ends it.
    let held = || {
        let mut world = world();
        world.status(ONE, 1, S::Preparing, "");
        fault(&mut world, "InternalError");
        world.answers = |action| action.starts_with("Trigger").then(rejected);
        world.start(ONE, 1, "A");
        world.live(ONE, 2);
        let step = world.incident().healing.as_ref().and_then(|healing| healing.steps.last());
        let step = step.expect("a step waits").clone();
        assert_eq!((step.state, step.guardrail.as_str()), (StepState::Waiting, "G1"), "{step:?}");
        world
    };
    let guardrail = |world: &World| {
        let healing = world.incident().healing.as_ref().expect("it has a playbook");
        let step = healing.steps.iter().rfind(|step| step.state == StepState::Skipped);
        step.map(|step| (step.note.clone(), step.guardrail.clone())).expect("a skipped step")
    };
    let mut world = held();
    let incident = world.incident().id;
    let user = || "Ana".to_owned();
    world.request(Request::StopHealing { incident, user: user() }).expect("it stops");
    assert_eq!(guardrail(&world), ("Stopped by Ana".to_owned(), String::new()));
    let mut world = held();
    let resolve = Request::Resolve { incident, user: user(), reason: String::new(), safe: false };
    world.request(resolve).expect("it is over");
    assert_eq!(guardrail(&world).1, "");
}

#[test]
fn who_has_it_and_stops_the_healing_goes_on_by_hand() {
    let mut world = world();
    fault(&mut world, "InternalError");
    world.answers = |action| action.starts_with("Trigger").then(rejected);
    world.live(ONE, 1);
    let (incident, user) = (world.incident().id, || "Ana".to_owned());
    world.request(Request::Take { incident, user: user() }).expect("it is hers");
    world.request(Request::StopHealing { incident, user: user() }).expect("it stops");
    let sent = world.actions().len();
    // What was under way is watched to its end, and nothing more is sent.
    world.live(ONE, 60);
    assert_eq!(
        (world.incident().state, world.actions().len()),
        (IncidentState::Acknowledged, sent)
    );
    assert!(world.tickets.is_empty(), "she has it already");
}

#[test]
fn a_text_has_an_end() {
    let mut world = world();
    fault(&mut world, "InternalError");
    let incident = world.incident().id;
    let mut note = |length| {
        let (user, text) = ("Ana".to_owned(), "ä".repeat(length));
        world.request(Request::Note { incident, user, text })
    };
    assert_eq!(note(4_000), Ok(incident));
    let told = note(4_001).expect_err("nobody reads that").to_string();
    assert!(told.contains("at most 4000 characters"), "{told}");
}

#[test]
fn what_nothing_heals_is_not_stopped() {
    let mut world = world();
    for _ in 0..3 {
        world.signal(ONE, -90.0);
    }
    let incident = world.incident().id;
    let stop = Request::StopHealing { incident, user: "Ana".to_owned() };
    assert_eq!(world.request(stop), Err(RequestError::NotHealed(incident)));
    assert!(world.tickets.is_empty() && world.incident().state == IncidentState::Open);
}

/// The newest step, as a person is shown it.
fn asked(world: &World) -> StepAsked {
    let healing = world.incident().healing.as_ref().expect("it is healed");
    healing.steps.last().expect("a step").into()
}

#[test]
fn two_approvals_of_one_step_let_one_step_go() {
    let settings = EngineSettings { default_mode: HealMode::Approve, ..EngineSettings::default() };
    let mut world = World::with(settings);
    world.add(ONE);
    world.answers = |action| action.starts_with("Trigger").then(rejected);
    fault(&mut world, "InternalError");
    let id = world.incident().id;
    let first = asked(&world);
    let approve = Request::Approve { incident: id, step: first, user: "Ana".to_owned() };
    world.request(approve.clone()).expect("a step waits");
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1"]);
    world.wait(1);
    let waits = asked(&world);
    assert_eq!((waits.number, waits.rung), (2, Rung::L4), "the charger refused the first one");
    let refused = world.request(approve).expect_err("that one is decided");
    assert_eq!(refused, RequestError::OtherStep { incident: id, asked: first, waits });
    assert_eq!(
        refused.to_string(),
        "decide about step 1, ask for status of INC-1: that is not what waits; step 2, soft reset, \
         waits now"
    );
    world.live(ONE, 10);
    assert_eq!(world.actions().len(), 1, "nobody approved a reset");
    let refuse = Request::Refuse { incident: id, step: first, user: "Bo".to_owned() };
    assert!(world.request(refuse).is_err(), "nor is it refused by what was meant for another");
    assert_eq!(steps(&world)[1], (Rung::L4, StepState::AwaitingApproval));
    // Its rung alone is not it, and its number alone is not it either.
    for step in [StepAsked { number: 1, ..waits }, StepAsked { rung: Rung::L5, ..waits }] {
        let other = Request::Approve { incident: id, step, user: "Ana".to_owned() };
        assert!(world.request(other).is_err(), "{step}");
    }
}

#[test]
fn what_was_decided_on_an_old_page_is_not_done() {
    let mut world = world();
    fault(&mut world, "InternalError");
    let incident = world.incident().id;
    let by = |user: &str| user.to_owned();
    let seen = |seen: Seen, request| Request::IfSeen { seen, request: Box::new(request) };
    let changed = |result: Result<_, RequestError>, words: &str| {
        let error = result.expect_err("it changed meanwhile");
        assert!(error.to_string().contains(words), "{error}");
    };
    // Nobody had it, and then Bo took it.
    world.request(Request::Take { incident, user: by("Bo") }).expect("it is free");
    let free = Seen { owner: Some(String::new()), ..Seen::default() };
    let take = Request::Take { incident, user: by("Ana") };
    changed(world.request(seen(free, take.clone())), "since you looked, Bo took it");
    assert_eq!(world.incident().owner.as_deref(), Some("Bo"));
    let release = |user| Request::Release { incident, user: by(user) };
    assert_eq!(
        world.request(release("Ana")),
        Err(RequestError::NotTheirs(incident, by("Ana"))),
        "it is Bo's"
    );
    let bos = Seen { owner: Some(by("Bo")), ..Seen::default() };
    world.request(seen(bos, take)).expect("Ana saw that Bo has it");
    world.request(release("Ana")).expect("it is hers");
    assert!(world.request(release("Ana")).is_err(), "once");
    // A second click on "Run playbook".
    world.live(ONE, 1);
    let run = Request::RunPlaybook { incident, user: by("Ana") };
    assert_eq!(world.request(run.clone()), Err(RequestError::UnderWay(incident)));
    let stop = || Request::StopHealing { incident, user: by("Ana") };
    world.request(stop()).expect("it stops");
    let told = world.lines.len();
    world.request(stop()).expect("it is stopped");
    assert_eq!(world.lines.len(), told, "the second click says nothing new");
    let before = Seen { steps: Some(0), ..Seen::default() };
    changed(world.request(seen(before, run)), "its playbook went on");
    // It was mild and gone when the page was made.
    let resolve =
        || Request::Resolve { incident, user: by("Ana"), reason: String::new(), safe: false };
    let severity = world.incident().severity;
    let mild = Seen { severity: Some(severity + 1), ..Seen::default() };
    changed(world.request(seen(mild, resolve())), "it became more severe");
    let gone = Seen { recovered: Some(true), ..Seen::default() };
    changed(world.request(seen(gone, resolve())), "the fault came back");
    let alone = Seen { parent: Some(mendpoint_model::IncidentId(9)), ..Seen::default() };
    changed(world.request(seen(alone, resolve())), "it was split off");
    let as_it_is = Seen { severity: Some(severity), recovered: Some(false), ..Seen::default() };
    world.request(seen(as_it_is, resolve())).expect("it is as it was seen");
}

#[test]
fn nothing_is_put_off_into_the_past_or_for_good() {
    let mut world = world();
    fault(&mut world, "InternalError");
    let incident = world.incident().id;
    let snooze = |until| Request::Snooze { incident, user: "Ana".to_owned(), until };
    let now = world.now;
    for (until, why) in
        [(now, "is over already"), (now - 1, "is over already"), (now + 31 * 86_400_000, "30 days")]
    {
        let error = world.request(snooze(until)).expect_err("no good time");
        assert!(error.to_string().contains(why), "{error}");
    }
    world.request(snooze(now + 3_600_000)).expect("an hour");
    assert!(world.lines.iter().any(|line| line.kind == "snoozed"));
}

#[test]
fn in_approve_mode_a_person_decides_step_by_step() {
    let settings = EngineSettings { default_mode: HealMode::Approve, ..EngineSettings::default() };
    let mut world = World::with(settings);
    world.add(ONE);
    fault(&mut world, "InternalError");
    assert!(world.actions().is_empty());
    assert!(world.incident().needs_person);
    let id = world.incident().id;
    let approve = |step| Request::Approve { incident: id, step, user: "Ana".to_owned() };
    world.request(approve(asked(&world))).expect("a step waits");
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1"]);
    world.wait(31);
    let step = asked(&world);
    let refuse = Request::Refuse { incident: id, step, user: "Ana".to_owned() };
    world.request(refuse).expect("the next step waits");
    assert_eq!(steps(&world)[1], (Rung::L4, StepState::Skipped));
    assert_eq!(steps(&world)[2], (Rung::L5, StepState::AwaitingApproval));
    let third = asked(&world);
    world.request(Request::StopHealing { incident: id, user: "Ana".to_owned() }).expect("stops");
    assert_eq!(world.request(approve(third)), Err(RequestError::NothingToApprove(id)));
    assert_eq!(world.incident().state, IncidentState::Escalated);
}

#[test]
fn shadow_mode_writes_and_sends_nothing() {
    let settings = EngineSettings { default_mode: HealMode::Shadow, ..EngineSettings::default() };
    let mut world = World::with(settings);
    world.add(ONE);
    fault(&mut world, "InternalError");
    world.live(ONE, 30);
    assert!(world.actions().is_empty());
    assert_eq!(steps(&world), [(Rung::L1, StepState::Shadowed)]);
    assert_eq!(world.tickets.len(), 1);
}

#[test]
fn a_person_may_start_the_playbook_where_the_engine_may_not() {
    let settings = EngineSettings { default_mode: HealMode::Off, ..EngineSettings::default() };
    let mut world = World::with(settings);
    world.add(ONE);
    fault(&mut world, "InternalError");
    assert!(world.actions().is_empty());
    assert_eq!(world.incident().state, IncidentState::Escalated);
    let incident = world.incident().id;
    world.request(Request::RunPlaybook { incident, user: "Ana".to_owned() }).expect("it runs");
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1"]);
    world.disconnect(ONE);
    world.wait(600);
    let offline = world.incident().id;
    assert_ne!(offline, incident);
    assert_eq!(
        world.request(Request::RunPlaybook { incident: offline, user: "Ana".to_owned() }),
        Err(RequestError::NoPlaybook(offline))
    );
}

#[test]
fn ticket_and_charger_tell_each_other() {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, "OverCurrentFailure");
    world.wait(61);
    let id = world.incident().id;
    let ticket = |status: &str| Request::TicketChanged {
        incident: id,
        ticket: TicketId(7),
        status: status.to_owned(),
        user: "Radu".to_owned(),
    };
    assert_eq!(world.tickets.len(), 1);
    world.request(ticket("opened")).expect("opened");
    assert_eq!(world.incident().ticket, Some(TicketId(7)));
    assert_eq!(world.incident().next, "T-7 waits for somebody to accept it");
    let ana = || "Ana".to_owned();
    world.request(Request::Take { incident: id, user: ana() }).expect("taken");
    assert_eq!(world.incident().next, "Ana has it; nobody accepted T-7 yet");
    world.request(Request::Release { incident: id, user: ana() }).expect("given back");
    assert_eq!(world.incident().next, "T-7 waits for somebody to accept it");
    world.request(Request::Take { incident: id, user: ana() }).expect("taken");
    world.request(ticket("assigned")).expect("assigned");
    assert_eq!(world.incident().next, "Ana has it; nobody accepted T-7 yet");
    world.request(Request::Release { incident: id, user: ana() }).expect("given back");
    world.request(ticket("accepted")).expect("accepted");
    assert_eq!(world.incident().state, IncidentState::Acknowledged);
    assert!(!world.incident().needs_person);
    world.request(ticket("resolved")).expect("resolved");
    let evidence = |world: &World| {
        world
            .effects
            .iter()
            .filter_map(|e| match e {
                Effect::TicketEvidence { kind, .. } => Some(*kind),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(evidence(&world), [Evidence::FaultReturned]);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 6);
    assert_eq!(world.incident().state, IncidentState::RecoveredUnproven);
    world.start(ONE, 1, "A");
    world.wait(600);
    world.stop(ONE, 1, 5_000.0, "Local");
    assert_eq!(evidence(&world), [Evidence::FaultReturned, Evidence::Recovered, Evidence::Proven]);
    assert_eq!(
        world.incident().resolution,
        "Recovered after Radu worked on it, proven by a session of 5.0 kWh"
    );
}

#[test]
fn reports_of_drivers_join_what_is_open() {
    let mut world = world();
    let report = |connector| Request::Report {
        charger: ONE,
        connector,
        reason: "not_working".to_owned(),
        text: "Red light".to_owned(),
        reporter: "a driver".to_owned(),
        source: Source::User,
    };
    let first = world.request(report(None)).expect("a report");
    assert_eq!(world.incident().rule, "USER_REPORT");
    assert_eq!(world.tickets.len(), 1);
    assert_eq!(world.request(report(Some(ConnectorRef::v16(1)))), Ok(first));
    assert_eq!(world.incident().occurrences, 2);
    let mut wrong = report(None);
    if let Request::Report { reason, .. } = &mut wrong {
        "nonsense".clone_into(reason);
    }
    assert!(matches!(world.request(wrong), Err(RequestError::UnknownReason(_))));
    let resolve = Request::Resolve {
        incident: first,
        user: "Ana".to_owned(),
        reason: "cable replaced".to_owned(),
        safe: false,
    };
    world.request(resolve.clone()).expect("it is open");
    assert_eq!(world.incident().resolution, "Resolved by Ana: cable replaced");
    assert_eq!(world.request(resolve), Err(RequestError::Over(first)));
}

#[test]
fn an_offline_charger_is_back_after_a_minute_of_life() {
    let mut world = world();
    world.heartbeat(ONE);
    world.disconnect(ONE);
    world.wait(599);
    assert!(world.incidents.is_empty());
    world.wait(1);
    assert_eq!(world.incident().title, "Offline for 10 min");
    assert_eq!(world.incident().state, IncidentState::Open);
    assert_eq!(world.incident().next, "A person is asked when it has lasted 25 min");
    assert_eq!(world.incident().next_at, Some(world.now + 900_000));
    assert!(!world.incident().needs_person);
    world.wait(899);
    assert!(world.tickets.is_empty());
    world.wait(1);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    assert_eq!(world.tickets.len(), 1);
    assert!(world.incident().needs_person);
    world.connect(ONE);
    world.wait(5);
    world.heartbeat(ONE);
    world.wait(59);
    assert!(!world.incident().state.is_over());
    world.wait(1);
    assert_eq!(world.incident().state, IncidentState::Resolved);
    assert_eq!(world.incident().resolution, "Back online after 26 min");
}

#[test]
fn short_outages_one_after_the_other_ask_nobody() {
    let mut world = world();
    for round in 1..=3 {
        world.heartbeat(ONE);
        world.disconnect(ONE);
        world.wait(1_200);
        assert_eq!(world.incident().occurrences, round);
        assert_eq!(world.incident().state, IncidentState::Open);
        assert_eq!(world.incident().next_at, Some(world.now + 300_000));
        world.connect(ONE);
        world.live(ONE, 5);
        assert_eq!(world.incident().state, IncidentState::Resolved);
    }
    assert_eq!(world.incidents.len(), 1);
    assert!(world.tickets.is_empty());
}

#[test]
fn after_our_own_start_silence_counts_from_then() {
    let mut world = world();
    world.heartbeat(ONE);
    world.disconnect(ONE);
    world.wait(300);
    world.restart(EngineSettings::default());
    world.wait(599);
    assert!(world.incidents.is_empty());
    world.wait(1);
    assert_eq!(world.incident().rule, "CP_OFFLINE");
}

#[test]
fn a_charger_that_never_connected_is_not_offline() {
    let mut world = world();
    world.add(ChargerKey(2));
    let state = world.state(ChargerKey(2));
    state.link = mendpoint_model::Link::default();
    world.restart(EngineSettings::default());
    world.state(ChargerKey(2)).link = mendpoint_model::Link::default();
    world.wait(100_000);
    assert!(world.incidents.values().all(|incident| incident.charger == ONE));
}

#[test]
fn the_pace_shortens_everything() {
    let settings = EngineSettings { pace: 0.1, ..EngineSettings::default() };
    let mut world = World::with(settings);
    world.add(ONE);
    world.heartbeat(ONE);
    world.disconnect(ONE);
    world.wait(59);
    assert!(world.incidents.is_empty());
    world.wait(1);
    assert_eq!(world.incident().title, "Offline for 1 min");
}

#[test]
fn a_card_and_a_cable_without_a_charge_fail_and_three_of_them_are_a_burst() {
    let mut world = world();
    for token in ["A", "B", "C"] {
        world.status(ONE, 1, S::Preparing, "");
        world.authorize(ONE, token);
        // ConnectionTimeOut and a minute.
        world.live(ONE, 3);
        world.status(ONE, 1, S::Available, "");
        world.live(ONE, 3);
    }
    assert_eq!(world.incident().rule, "FAILED_BURST");
    assert_eq!(world.incident().severity, 3);
    let failed: Vec<_> = world.lines.iter().filter(|l| l.kind == "attempt_failed").collect();
    assert_eq!(failed.len(), 3);
    assert!(failed[0].at < failed[1].at, "each at its own time");
    assert_eq!(failed[0].title, "Charge failed on connector 1");
    // Nobody is there: it asks, then resets softly.
    world.live(ONE, 3);
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification", "Reset Soft"]);
    restart(&mut world, S::Available, "");
    world.live(ONE, 10);
    assert_eq!(world.incident().state, IncidentState::RecoveredUnproven);
    world.start(ONE, 2, "D");
    world.wait(600);
    world.stop(ONE, 2, 7_000.0, "Local");
    assert_eq!(world.incident().resolution, "Healed by Soft reset, proven by a session of 7.0 kWh");
}

#[test]
fn who_never_plugged_in_did_not_fail() {
    let mut world = world();
    for token in ["A", "B", "C", "D"] {
        world.authorize(ONE, token);
        world.live(ONE, 3);
    }
    assert!(world.incidents.is_empty());
}

#[test]
fn a_driver_who_tries_again_at_once_did_not_change_their_mind() {
    let mut world = world();
    for _ in 0..4 {
        world.status(ONE, 1, S::Preparing, "");
        world.start(ONE, 1, "A");
        world.wait(20);
        world.stop(ONE, 1, 0.0, "EVDisconnected");
        world.status(ONE, 1, S::Available, "");
        world.wait(30);
    }
    // The fourth may still be a change of mind; the three before were not.
    assert_eq!(world.incident().rule, "FAILED_BURST");
    assert_eq!(world.incident().severity, 5);
}

#[test]
fn a_burst_that_nobody_disproves_is_unproven_after_six_hours() {
    let settings = EngineSettings { default_mode: HealMode::Off, ..EngineSettings::default() };
    let mut world = World::with(settings);
    world.add(ONE);
    for token in ["A", "B", "C"] {
        world.start(ONE, 1, token);
        world.wait(20);
        world.stop(ONE, 1, 0.0, "Local");
    }
    assert_eq!(world.incident().state, IncidentState::Escalated);
    world.live(ONE, 359);
    assert_eq!(world.incident().state, IncidentState::Escalated);
    world.live(ONE, 2);
    assert_eq!(world.incident().state, IncidentState::RecoveredUnproven);
}
