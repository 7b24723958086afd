//! Whole incidents, told for one guardrail each: G1 to G12.

use std::sync::Arc;

use mendpoint_model::{
    Action, ChargerKey, ConfigurationEntry, ConnectorStatus as S, DAY_MS, HOUR_MS, HealMode,
    IncidentState, MINUTE_MS, Protocol, Rung, SiteKey, StepState, UnixMs,
};

use crate::world::{ONE, World, accepted, fault, restart, steps, world};
use crate::{Catalogue, EngineSettings, KillScope, Request};

const TWO: ChargerKey = ChargerKey(2);
const THREE: ChargerKey = ChargerKey(3);

/// The shipped rules with another ladder for faults.
fn with_ladder(code: &str, ladder: &str, wait: &str) -> Arc<Catalogue> {
    let rule = include_str!("../../../config/rules/err_faulted.toml").to_owned();
    let playbook = format!(
        "id = \"err_faulted\"\nversion = 1\ntitle = \"Faulted\"\nladder = [\"L1\"]\n\
         [by_code]\n{code} = {ladder}\n[wait_by_code]\n{code} = \"{wait}\"\n"
    );
    let rules = [("err_faulted.toml".to_owned(), rule)];
    let playbooks = [("err_faulted.toml".to_owned(), playbook)];
    Arc::new(Catalogue::parse(&rules, &playbooks).expect("it is well formed"))
}

fn of(catalogue: Arc<Catalogue>) -> World {
    let mut world = World::of(catalogue, EngineSettings::default());
    world.add(ONE);
    world
}

/// How often each action was sent, of those that act.
fn acts(world: &World) -> Vec<String> {
    let acts = ["Reset", "Unlock", "ChangeAvailability", "RemoteStop"];
    world.actions().into_iter().filter(|a| acts.iter().any(|act| a.starts_with(act))).collect()
}

fn waiting(world: &World) -> (String, String) {
    let step = world.incident().healing.as_ref().and_then(|healing| healing.steps.last());
    step.map(|step| (step.guardrail.clone(), step.note.clone())).unwrap_or_default()
}

fn set(world: &mut World, key: ChargerKey, name: &str, value: &str) {
    let entry = ConfigurationEntry { value: Some(value.into()), readonly: true, at: UnixMs(0) };
    world.state(key).configuration.insert(name.into(), entry);
}

#[test]
fn g01_nothing_is_reset_while_a_car_charges_anywhere_on_it() {
    let mut world = world();
    world.start(ONE, 2, "A");
    world.status(ONE, 2, S::Charging, "");
    fault(&mut world, "InternalError");
    world.live(ONE, 30);
    assert_eq!(acts(&world), [""; 0]);
    assert_eq!(waiting(&world).0, "G1");
    world.stop(ONE, 2, 9_000.0, "Local");
    world.status(ONE, 2, S::Available, "");
    world.live(ONE, 2);
    assert_eq!(acts(&world), ["Reset Soft"]);
}

#[test]
fn g01_an_evse_that_may_be_reset_alone_does_not_wait_for_the_other() {
    for (value, expected) in [("true", Some(1)), ("false", None)] {
        let mut world = world();
        world.state(ONE).link.protocol = Some(Protocol::V201);
        set(&mut world, ONE, "EVSE:1.AllowReset", value);
        world.start(ONE, 2, "A");
        world.status(ONE, 2, S::Charging, "");
        fault(&mut world, "InternalError");
        world.live(ONE, 2);
        let resets: Vec<Option<u16>> = world
            .sent
            .iter()
            .filter_map(|(_, command)| match command.action {
                Action::Reset { evse, .. } => Some(evse),
                _ => None,
            })
            .collect();
        assert_eq!(resets, expected.map(Some).into_iter().collect::<Vec<_>>(), "{value}");
        if expected.is_none() {
            assert_eq!(waiting(&world).0, "G1");
            continue;
        }
        // It does not start anew: that the fault is gone and stays gone is the proof.
        world.status(ONE, 1, S::Available, "");
        world.live(ONE, 6);
        assert_eq!(world.incident().state, IncidentState::RecoveredUnproven);
        assert_eq!(steps(&world).last(), Some(&(Rung::L4, StepState::Fixed)));
    }
}

#[test]
fn g01_a_stuck_charge_is_stopped_and_one_that_delivers_is_not() {
    for (power, expected) in [(0.0, 1), (7_000.0, 0)] {
        let mut world = of(with_ladder("InternalError", "[\"S\"]", "5m"));
        world.start(ONE, 1, "A");
        let now = world.now;
        let tx = &mut world.state(ONE).transactions[0];
        tx.power_w = Some(power);
        tx.idle_since = (power < 50.0).then_some(now);
        world.wait(300);
        fault(&mut world, "InternalError");
        world.live(ONE, 5);
        let stops = world.actions().iter().filter(|a| a.starts_with("RemoteStop")).count();
        assert_eq!(stops, expected, "{power} W");
        if expected == 0 {
            assert_eq!(waiting(&world).0, "G1");
        }
    }
}

#[test]
fn g02_nobody_who_just_came_is_disturbed() {
    let mut world = world();
    fault(&mut world, "InternalError");
    world.authorize(ONE, "A");
    let mut other = super::world::world();
    other.status(ONE, 2, S::Preparing, "");
    fault(&mut other, "InternalError");
    assert_eq!((waiting(&other).0, acts(&other).len()), ("G2".to_owned(), 0));
    other.live(ONE, 3);
    assert_eq!(acts(&other), ["Reset Soft"]);
}

#[test]
fn g03_a_ground_fault_has_one_reset_after_the_car_is_gone_and_a_quarter_of_an_hour() {
    let mut world = world();
    world.status(ONE, 1, S::Faulted, "GroundFailure");
    world.live(ONE, 14);
    assert_eq!(acts(&world), [""; 0], "it may clear by itself");
    world.live(ONE, 2);
    assert_eq!(acts(&world), ["Reset Soft"]);
    restart(&mut world, S::Faulted, "GroundFailure");
    world.live(ONE, 10);
    assert_eq!(
        acts(&world),
        ["Reset Soft", "ChangeAvailability 1 Inoperative"],
        "it did not help: out of service"
    );
    assert_eq!(world.tickets.len(), 1);
    // Another one within seven days is not reset, also after a restart of ours.
    world.restart(EngineSettings::default());
    world.connect(ONE);
    world.status(ONE, 2, S::Faulted, "GroundFailure");
    world.live(ONE, 40);
    let resets = acts(&world).iter().filter(|action| action.starts_with("Reset")).count();
    assert_eq!(resets, 1);
}

#[test]
fn g03_a_ground_fault_with_a_car_is_taken_out_of_service_at_once() {
    let mut world = world();
    world.status(ONE, 1, S::Charging, "");
    world.status(ONE, 1, S::Faulted, "GroundFailure");
    assert_eq!(acts(&world), ["ChangeAvailability 1 Inoperative"]);
    assert_eq!(world.tickets.len(), 1, "a person is asked at once");
    world.live(ONE, 60);
    assert_eq!(acts(&world).len(), 1, "and never reset while it is there");
}

#[test]
fn g04_the_gap_between_two_actions_and_the_tries_of_a_rung_hold() {
    let mut world = of(with_ladder("InternalError", "[\"L3\", \"L4\", \"L5\"]", "5m"));
    fault(&mut world, "InternalError");
    for _ in 0..200 {
        world.live(ONE, 1);
        world.heartbeat(ONE);
    }
    let of_acts: Vec<UnixMs> = world
        .sent
        .iter()
        .filter(|(_, command)| match &command.action {
            Action::Reset { .. } => true,
            Action::SetAvailability { operative, .. } => !*operative,
            _ => false,
        })
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(of_acts.len(), 3, "a rung each, three a day at most");
    assert!(of_acts.windows(2).all(|two| two[1].since_ms(two[0]) >= 5 * MINUTE_MS));
}

#[test]
fn g05_the_last_usable_connector_of_a_plug_type_stays_in_use() {
    // Three chargers: the first has the only CHAdeMO that works, on its other connector.
    let mut world = World::new();
    for key in [ONE, TWO, THREE] {
        world.add(key);
        set(&mut world, key, "Connector:1:1.ConnectorType", "cCCS2");
        set(&mut world, key, "Connector:2:1.ConnectorType", "cCCS2");
    }
    set(&mut world, ONE, "Connector:2:1.ConnectorType", "cG105");
    fault(&mut world, "InternalError");
    world.live(ONE, 20);
    assert_eq!(acts(&world), [""; 0]);
    let (guardrail, note) = waiting(&world);
    assert_eq!(guardrail, "G5");
    assert_eq!(note, "Waits: this site would be without any cG105 meanwhile");
    // Another one is there: now it may.
    set(&mut world, TWO, "Connector:2:1.ConnectorType", "cG105");
    world.live(ONE, 2);
    assert_eq!(acts(&world), ["Reset Soft"]);
}

#[test]
fn g05_a_site_of_one_charger_is_repaired_all_the_same() {
    let mut world = world();
    fault(&mut world, "InternalError");
    world.live(ONE, 2);
    assert_eq!(acts(&world), ["Reset Soft"]);
}

#[test]
fn g06_many_chargers_of_a_site_in_trouble_hold_every_repair_back() {
    let mut world = World::new();
    for n in 1..=5 {
        world.add(ChargerKey(n));
        world.model(ChargerKey(n), &format!("M{n}"), "1");
    }
    for n in 1..=3 {
        world.status(ChargerKey(n), 1, S::Faulted, "InternalError");
    }
    world.wait(61);
    for n in 1..=3 {
        world.status(ChargerKey(n), 1, S::Faulted, "InternalError");
    }
    world.wait(60);
    // The first asked before anybody could know.
    assert_eq!(acts(&world).len(), 0, "{:?}", acts(&world));
    let (guardrail, note) = waiting(&world);
    assert_eq!(guardrail, "G6", "{note}");
    let report = world.engine.permits().report(world.now);
    assert_eq!((report.storms[0].site, report.storms[0].unwell), (Some(SiteKey(1)), 3));
    // A fourth makes it another number, not another reason.
    let told = |world: &World| world.kinds().iter().filter(|it| **it == "step_waiting").count();
    assert_eq!(told(&world), 3);
    world.status(ChargerKey(4), 1, S::Faulted, "InternalError");
    world.wait(121);
    assert!(waiting(&world).1.contains("4 of 5 chargers"), "{}", waiting(&world).1);
    assert_eq!(told(&world), 4, "the fourth's own");
    // Three recover: ten minutes later the third is repaired.
    for n in [1, 2, 4] {
        world.status(ChargerKey(n), 1, S::Available, "");
    }
    world.live(THREE, 16);
    assert_eq!(acts(&world), ["Reset Soft"]);
}

#[test]
fn g07_the_second_charger_of_a_new_model_waits_for_the_first() {
    let unassigned = Some(SiteKey(1));
    let mut world = World::with(EngineSettings { unassigned, ..EngineSettings::default() });
    for key in [ONE, TWO] {
        world.add(key);
        world.model(key, "X", "1.4");
    }
    // 95 more, so that a twentieth of the cohort is more than one.
    for n in 10..110 {
        world.add(ChargerKey(n));
        world.model(ChargerKey(n), "X", "1.4");
    }
    for key in [ONE, TWO] {
        world.status(key, 1, S::Faulted, "InternalError");
    }
    world.wait(61);
    for key in [ONE, TWO] {
        world.status(key, 1, S::Faulted, "InternalError");
    }
    world.wait(30);
    assert_eq!(acts(&world), ["Reset Soft"]);
    let (guardrail, note) = waiting(&world);
    assert_eq!(guardrail, "G7");
    assert_eq!(
        note,
        "Waits: soft reset is new on ACME X 1.4: one charger at a time until 3 went well (0 so far)"
    );
}

#[test]
fn g08_an_open_breaker_leaves_the_step_out() {
    let mut world = of(with_ladder("InternalError", "[\"L4\"]", "5m"));
    world.model(ONE, "X", "1.4");
    let mut tried = 0;
    for round in 0..9 {
        world.status(ONE, 1, S::Available, "");
        world.live(ONE, 10);
        world.start(ONE, 1, "A");
        world.wait(600);
        world.stop(ONE, 1, 9_000.0, "Local");
        world.live(ONE, 9 * 60);
        fault(&mut world, "InternalError");
        world.live(ONE, 2);
        let softs = acts(&world).iter().filter(|action| *action == "Reset Soft").count();
        if softs == tried {
            let healing = world.incident().healing.as_ref().expect("healed");
            let soft = healing.steps.iter().find(|step| step.rung == Rung::L4);
            let soft = soft.expect("it is on the ladder");
            assert_eq!((soft.state, soft.guardrail.as_str()), (StepState::Skipped, "G8"));
            assert_eq!(round, 6, "0 of 6: {}", soft.note);
            return;
        }
        tried = softs;
        restart(&mut world, S::Faulted, "InternalError");
        world.live(ONE, 90);
    }
    panic!("it was tried {tried} times");
}

#[test]
fn g09_a_charger_that_starts_again_and_again_is_worse_off() {
    let mut world = world();
    world.model(ONE, "X", "1.4");
    fault(&mut world, "InternalError");
    world.live(ONE, 1);
    assert_eq!(acts(&world), ["Reset Soft"]);
    restart(&mut world, S::Faulted, "InternalError");
    for _ in 0..3 {
        world.wait(20);
        world.disconnect(ONE);
        world.wait(5);
        world.connect(ONE);
        world.boot(ONE);
    }
    assert_eq!(steps(&world).last(), Some(&(Rung::L4, StepState::Worse)));
    assert_eq!(world.incident().severity, 2);
    assert_eq!(world.tickets.len(), 1);
    // The step is off for this charger from now on, also after a restart of ours.
    world.restart(EngineSettings::default());
    let off = world.engine.permits().report(world.now).off;
    assert_eq!((off[0].charger, off[0].rung), (ONE, Rung::L4));
    // Another firmware may bear it.
    world.connect(ONE);
    world.model(ONE, "X", "1.5");
    assert_eq!(world.engine.permits().report(world.now).off, []);
}

#[test]
fn g09_more_broken_connectors_than_before_are_worse() {
    let mut world = world();
    fault(&mut world, "InternalError");
    world.live(ONE, 1);
    restart(&mut world, S::Faulted, "InternalError");
    world.status(ONE, 2, S::Faulted, "OtherError");
    world.live(ONE, 4);
    let first = world.incidents.values().next().expect("an incident");
    let last = first.healing.as_ref().and_then(|healing| healing.steps.last()).expect("a step");
    assert_eq!(last.state, StepState::Worse, "{}", last.note);
    assert_eq!(first.severity, 2);
}

#[test]
fn g10_a_step_in_shadow_is_not_sent_and_its_truth_is_told_later() {
    let shadow = EngineSettings { default_mode: HealMode::Shadow, ..EngineSettings::default() };
    let mut world = World::with(shadow);
    world.add(ONE);
    fault(&mut world, "InternalError");
    assert_eq!(world.actions(), [""; 0]);
    world.live(ONE, 10);
    world.status(ONE, 1, S::Available, "");
    world.live(ONE, 10);
    world.start(ONE, 1, "A");
    world.status(ONE, 1, S::Charging, "");
    world.wait(600);
    world.stop(ONE, 1, 8_000.0, "Local");
    assert!(world.incident().state.is_over());
    let truth = world.lines.iter().find(|line| line.kind == "shadow_truth").expect("told");
    assert!(truth.title.starts_with("Without the ask for status it went away by itself"));
    let report = world.engine.permits().report(world.now);
    let (rule, tally) = &report.shadows[0];
    assert_eq!((rule.as_str(), tally.steps, tally.by_itself), ("ERR_FAULTED", 1, 1));
}

#[test]
fn g10_a_model_may_have_a_mode_of_its_own_and_a_new_rule_begins_in_shadow() {
    let key = ("acme".to_owned(), "x".to_owned());
    let models = [(key, HealMode::Approve)].into_iter().collect();
    let mut world = World::with(EngineSettings { models, ..EngineSettings::default() });
    world.add(ONE);
    world.model(ONE, "X", "1");
    fault(&mut world, "InternalError");
    assert_eq!(steps(&world), [(Rung::L1, StepState::AwaitingApproval)]);

    let mut world = World::new();
    world.engine.permits().watch_new_rules([]);
    world.add(ONE);
    fault(&mut world, "InternalError");
    assert_eq!(steps(&world), [(Rung::L1, StepState::Shadowed)]);
    world.status(ONE, 1, S::Available, "");
    world.start(ONE, 1, "A");
    world.wait(600);
    world.stop(ONE, 1, 9_000.0, "Local");
    // A week later it acts.
    world.wait(7 * DAY_MS / 1_000);
    world.heartbeat(ONE);
    fault(&mut world, "InternalError");
    assert_eq!(steps(&world)[0], (Rung::L1, StepState::NotFixed));
}

#[test]
fn g11_the_kill_switch_holds_at_once_and_a_single_charger_may_be_spared() {
    for scope in [KillScope::Global, KillScope::Site(SiteKey(1)), KillScope::Charger(ONE)] {
        let mut world = world();
        let switch = |world: &mut World, on| {
            let user = "Ana".to_owned();
            world.request(Request::KillSwitch { scope: scope.clone(), on, user }).expect("done");
        };
        switch(&mut world, true);
        fault(&mut world, "InternalError");
        world.live(ONE, 10);
        assert_eq!(world.actions(), [""; 0], "{scope:?}");
        assert_eq!(waiting(&world).0, "G11");
        switch(&mut world, false);
        assert_eq!(world.actions().len(), 1, "{scope:?}: it goes on at once");
    }
}

#[test]
fn g12_what_can_wait_is_done_in_the_quiet_hour() {
    // One driver's failed charges on a connector that works: nothing is urgent.
    let quiet_hour = Some(15);
    let mut world = World::with(EngineSettings { quiet_hour, ..EngineSettings::default() });
    world.now = UnixMs(19_000 * DAY_MS + 12 * HOUR_MS);
    world.add(ONE);
    for _ in 0..3 {
        world.authorize(ONE, "A");
        world.start(ONE, 1, "A");
        world.wait(30);
        world.stop(ONE, 1, 0.0, "Other");
        world.wait(60);
    }
    world.live(ONE, 5);
    let incident = world.incident();
    assert_eq!((incident.rule.as_str(), incident.severity), ("FAILED_BURST", 5));
    assert_eq!(acts(&world), [""; 0]);
    let (guardrail, note) = waiting(&world);
    assert_eq!(guardrail, "G12", "{note}");
    world.live(ONE, 150);
    assert_eq!(acts(&world), [""; 0], "until then, though a wait is an hour at most");
    world.live(ONE, 60);
    assert_eq!(acts(&world), ["Reset Soft"]);
    let at = world.sent.last().expect("sent").0;
    assert_eq!(at.0.rem_euclid(DAY_MS) / HOUR_MS, 15);
}

#[test]
fn g12_what_can_wait_is_done_when_the_site_is_closed() {
    for (hours, done_at) in [
        // 12:00 is noon of a Thursday plus the failed charges.
        ("mo-su 06:00-14:00", Some(14)),
        ("mo-su 06:00-14:00 utc+1", Some(13)),
        ("mo-su 18:00-20:00", Some(12)),
        // Nothing is known of when it is used: nothing to wait for.
        ("24/7", Some(12)),
    ] {
        let mut world = World::with(EngineSettings::default());
        world.now = UnixMs(19_000 * DAY_MS + 12 * HOUR_MS);
        world.add(ONE);
        let hours = mendpoint_model::Hours::parse(hours).expect("they can be read");
        let mut out = Vec::new();
        let table = std::sync::Arc::new([(SiteKey(1), hours)].into());
        let World { engine, fleet, now, .. } = &mut world;
        engine.set_opening_hours(*now, table, &*fleet, &mut out);
        for _ in 0..3 {
            world.authorize(ONE, "A");
            world.start(ONE, 1, "A");
            world.wait(30);
            world.stop(ONE, 1, 0.0, "Other");
            world.wait(60);
        }
        world.live(ONE, 180);
        assert_eq!(acts(&world), ["Reset Soft"]);
        let at = world.sent.last().expect("sent").0;
        assert_eq!(Some(at.0.rem_euclid(DAY_MS) / HOUR_MS), done_at);
    }
}

#[test]
fn other_opening_hours_are_heeded_at_once() {
    let mut world =
        World::with(EngineSettings { quiet_hour: Some(3), ..EngineSettings::default() });
    world.now = UnixMs(19_000 * DAY_MS + 12 * HOUR_MS);
    world.add(ONE);
    for _ in 0..3 {
        world.authorize(ONE, "A");
        world.start(ONE, 1, "A");
        world.wait(30);
        world.stop(ONE, 1, 0.0, "Other");
        world.wait(60);
    }
    world.live(ONE, 30);
    assert_eq!(waiting(&world).0, "G12");
    let hours = mendpoint_model::Hours::parse("mo-su 18:00-20:00").expect("they can be read");
    let mut out = Vec::new();
    let World { engine, fleet, now, .. } = &mut world;
    engine.set_opening_hours(
        *now,
        std::sync::Arc::new([(SiteKey(1), hours)].into()),
        &*fleet,
        &mut out,
    );
    world.take(out);
    world.live(ONE, 5);
    assert_eq!(acts(&world), ["Reset Soft"], "it is closed now");
}

#[test]
fn steps_of_the_catalogue_ask_and_propose_and_switch_the_power() {
    let ladder = "[\"L1M\", \"L1S\", \"L6P\", \"L7\"]";
    let settings = EngineSettings { power_hooks: [SiteKey(1)].into(), ..EngineSettings::default() };
    let mut world = World::of(with_ladder("InternalError", ladder, "5m"), settings);
    world.add(ONE);
    world.model(ONE, "X", "1.4");
    world.add(TWO);
    world.model(TWO, "X", "1.5");
    world.answers = |_| Some(accepted());
    fault(&mut world, "InternalError");
    world.live(ONE, 1);
    assert_eq!(world.actions(), ["TriggerMessage MeterValues 1"]);
    let effects = |world: &World, wanted: fn(&crate::Effect) -> bool| {
        world.effects.iter().filter(|effect| wanted(effect)).count()
    };
    assert_eq!(effects(&world, |e| matches!(e, crate::Effect::AskSignal(_))), 1);
    assert_eq!(effects(&world, |e| matches!(e, crate::Effect::SwitchPower { .. })), 1);
    restart(&mut world, S::Faulted, "InternalError");
    world.live(ONE, 5);
    let healing = world.incident().healing.as_ref().expect("healed");
    let proposal = healing.steps.last().expect("steps");
    assert_eq!((proposal.rung, proposal.state), (Rung::L7, StepState::Done));
    assert!(proposal.note.contains("Others: 1.5: 0 of 1 in trouble"), "{}", proposal.note);
    assert_eq!(world.tickets.len(), 1, "a person decides");
    assert!(!world.actions().iter().any(|action| action.contains("Firmware")));
}

#[test]
fn without_a_hook_the_power_is_left_alone() {
    let mut world = of(with_ladder("InternalError", "[\"L6P\"]", "5m"));
    fault(&mut world, "InternalError");
    assert_eq!(steps(&world), [(Rung::L6P, StepState::Skipped)]);
    assert_eq!(world.tickets.len(), 1);
}

#[test]
fn a_2x_charger_is_asked_for_its_problems_beside_its_status() {
    let mut world = world();
    world.state(ONE).link.protocol = Some(Protocol::V201);
    fault(&mut world, "InternalError");
    let sent: Vec<_> = world.sent.iter().map(|(_, command)| &command.action).collect();
    let Some(Action::Raw { action, payload }) = sent.get(1) else { panic!("{sent:?}") };
    assert_eq!(action, "GetReport");
    let payload: serde_json::Value = serde_json::from_str(payload).expect("JSON");
    assert_eq!(payload["componentCriteria"][0], "Problem");
    assert_eq!(payload["componentVariable"][0]["variable"]["name"], "Tripped");
}

/// Six times, more than a day apart: a fault, some minutes later a restart, and a charge that proves it.
fn resets_help(world: &mut World, minutes: i64) {
    for _ in 0..6 {
        fault(world, "InternalError");
        world.live(ONE, minutes);
        restart(world, S::Available, "");
        world.live(ONE, 10);
        world.start(ONE, 1, "A");
        world.wait(600);
        world.stop(ONE, 1, 9_000.0, "Local");
        world.live(ONE, 26 * 60);
    }
}

#[test]
fn what_helped_is_tried_first_and_says_so() {
    let mut world = of(with_ladder("InternalError", "[\"L3\", \"L4\"]", "5m"));
    world.model(ONE, "X", "1.4");
    // Off and on does not help, the reset does.
    resets_help(&mut world, 6);
    let before = world.sent.len();
    fault(&mut world, "InternalError");
    world.live(ONE, 1);
    let first = &world.actions()[before];
    assert_eq!(first, "Reset Soft");
    let healing = world.incident().healing.as_ref().expect("healed");
    let step = healing.steps.iter().find(|step| step.rung == Rung::L4).expect("chosen");
    assert!(step.why.starts_with("On ACME X, firmware 1.4, soft reset fixed "), "{}", step.why);
    assert!(step.why.contains("Before switch off and on: on ACME X"), "{}", step.why);
    // What was learned is there after a restart.
    let learned = world.engine.permits().learned(world.now, None);
    world.restart(EngineSettings::default());
    let again = world.engine.permits().learned(world.now, None);
    assert_eq!(learned.len(), again.len());
    assert!((learned[0].tally.n - again[0].tally.n).abs() < 1e-6);
}

#[test]
fn the_verify_window_is_the_models() {
    let mut world = world();
    world.model(ONE, "X", "1.4");
    resets_help(&mut world, 1);
    let boots = world.engine.permits().report(world.now).boots;
    assert!(boots[0].starts >= 5, "{boots:?}");
    fault(&mut world, "InternalError");
    world.live(ONE, 1);
    world.wait(2);
    let incident = world.incident();
    let step = incident.healing.as_ref().and_then(|healing| healing.steps.last());
    let accepted_at = step.and_then(|step| step.accepted_at).expect("accepted");
    let until = incident.next_at.expect("it is watched");
    assert_eq!(until.since_ms(accepted_at), 102_000, "so long it takes, and not three minutes");
}
