//! What must hold for every sequence of events: the guardrails, and sameness.

use mendpoint_model::{
    Action, ChargerKey, CommandOutcome, ConnectorStatus as S, IncidentState, UnixMs,
};
use proptest::prelude::*;

use crate::stories_reload::with_another;
use crate::world::{World, accepted, rejected, shipped};
use crate::{Effect, EngineSettings, Request};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Happens {
    Wait(u16),
    Beat(u8),
    Status(u8, u8, u8, u8),
    Start(u8, u8, u8),
    Stop(u8, u8, bool),
    Drop(u8),
    Back(u8),
    Playbook,
    Resolve,
    /// We are so many seconds late.
    Late(u8),
    Upload(u8, bool),
}

const STATUSES: [S; 6] =
    [S::Available, S::Preparing, S::Charging, S::Faulted, S::Faulted, S::Unavailable];
const CODES: [&str; 5] =
    ["", "InternalError", "ConnectorLockFailure", "GroundFailure", "ReaderFailure"];

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (1_u16..2_000).prop_map(Happens::Wait),
        1 => (0_u8..2).prop_map(Happens::Beat),
        4 => (0_u8..2, 0_u8..3, 0_u8..6, 0_u8..5)
            .prop_map(|(c, n, s, e)| Happens::Status(c, n, s, e)),
        2 => (0_u8..2, 1_u8..3, 0_u8..3).prop_map(|(c, n, t)| Happens::Start(c, n, t)),
        2 => (0_u8..2, 1_u8..3, any::<bool>()).prop_map(|(c, n, good)| Happens::Stop(c, n, good)),
        1 => (0_u8..2).prop_map(Happens::Drop),
        2 => (0_u8..2).prop_map(Happens::Back),
        1 => Just(Happens::Playbook),
        1 => Just(Happens::Resolve),
        1 => (0_u8..120).prop_map(Happens::Late),
        1 => (0_u8..2, any::<bool>()).prop_map(|(c, done)| Happens::Upload(c, done)),
    ]
}

fn key(n: u8) -> ChargerKey {
    ChargerKey(u32::from(n) + 1)
}

/// Answers that differ by action, so that every way of a run is taken.
fn mixed(words: &str) -> Option<CommandOutcome> {
    match words {
        "UnlockConnector 2" => Some(rejected()),
        "Reset Hard" => Some(CommandOutcome::TimedOut),
        "TriggerMessage StatusNotification 2" => None,
        _ => Some(accepted()),
    }
}

/// Plays a sequence, looking at every command the moment it is sent.
fn play(script: &[Happens]) -> World {
    play_with(script, |_, _| {})
}

/// The same, with something done before each step.
fn play_with(script: &[Happens], between: impl Fn(&mut World, usize)) -> World {
    let diagnostics_url = "ftp://files.example/in".to_owned();
    let mut world = World::with(EngineSettings { diagnostics_url, ..EngineSettings::default() });
    world.answers = mixed;
    world.add(key(0));
    world.add(key(1));
    let mut seen = 0;
    for (step, happens) in script.iter().enumerate() {
        between(&mut world, step);
        let (held, sent) = (world.engine.held(world.now).is_some(), world.sent.len());
        match *happens {
            Happens::Late(seconds) => world.lag(i64::from(seconds) * 1_000),
            Happens::Upload(c, done) => {
                world.upload(key(c), if done { "Uploaded" } else { "Uploading" });
            }
            Happens::Wait(seconds) => world.wait(i64::from(seconds)),
            Happens::Beat(c) => world.heartbeat(key(c)),
            Happens::Status(c, n, s, e) => {
                let status = STATUSES[usize::from(s)];
                let code = if status == S::Faulted { CODES[usize::from(e)] } else { "" };
                world.status(key(c), u16::from(n), status, code);
            }
            Happens::Start(c, n, t) => {
                let at = mendpoint_model::ConnectorRef::v16(u16::from(n));
                if world.state(key(c)).transactions.iter().any(|tx| tx.connector == at) {
                    continue;
                }
                world.start(key(c), u16::from(n), ["A", "B", "C"][usize::from(t)]);
            }
            Happens::Stop(c, n, good) => {
                let energy = if good { 5_000.0 } else { 0.0 };
                world.stop(key(c), u16::from(n), energy, "Local");
            }
            Happens::Drop(c) => world.disconnect(key(c)),
            Happens::Back(c) => {
                world.connect(key(c));
                world.boot(key(c));
            }
            Happens::Playbook | Happens::Resolve => {
                let Some((id, incident)) = world.incidents.iter().next_back() else { continue };
                let (incident, over, user) = (*id, incident.state.is_over(), "Ana".to_owned());
                let request = match happens {
                    Happens::Playbook => Request::RunPlaybook { incident, user },
                    _ => Request::Resolve { incident, user, reason: String::new(), safe: false },
                };
                let done = world.request(request);
                assert!(!over || done.is_err(), "nothing is done to what is over");
            }
        }
        let still_held = held && world.engine.held(world.now).is_some();
        assert!(!still_held || world.sent.len() == sent, "G11: sent while we are late");
        // Transactions change only by a step of the script, never while time passes in between.
        while seen < world.sent.len() {
            let (_, command) = &world.sent[seen];
            let charger = command.charger;
            let at = match &command.action {
                Action::Unlock { connector } => Some(*connector),
                Action::Reset { .. } => None,
                _ => {
                    seen += 1;
                    continue;
                }
            };
            let open = world
                .state(charger)
                .transactions
                .iter()
                .any(|tx| at.is_none_or(|at| tx.connector == at));
            assert!(!open, "G1: acted while a car was charging");
            seen += 1;
        }
    }
    world
}

fn times_of(world: &World, charger: ChargerKey, wanted: fn(&Action) -> bool) -> Vec<UnixMs> {
    world
        .sent
        .iter()
        .filter(|(_, command)| command.charger == charger && wanted(&command.action))
        .map(|(at, _)| *at)
        .collect()
}

fn resets(action: &Action) -> bool {
    matches!(action, Action::Reset { .. })
}

fn hard(action: &Action) -> bool {
    matches!(action, Action::Reset { hard: true, .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn guardrails_hold_for_every_sequence(script in proptest::collection::vec(happens(), 1..120)) {
        let world = play(&script);
        for charger in [key(0), key(1)] {
            let all = times_of(&world, charger, resets);
            for pair in all.windows(2) {
                prop_assert!(pair[1].since_ms(pair[0]) >= 300_000, "G4: 5 min between actions");
            }
            for four in all.windows(4) {
                prop_assert!(four[3].since_ms(four[0]) >= 86_400_000, "G4: 3 in 24 h");
            }
            for pair in times_of(&world, charger, hard).windows(2) {
                prop_assert!(pair[1].since_ms(pair[0]) >= 21_600_000, "G4: 1 hard reset in 6 h");
            }
        }
        // G4: at most two tries of a rung in an incident.
        for incident in world.incidents.values() {
            let steps = incident.healing.iter().flat_map(|healing| &healing.steps);
            let soft = steps.filter(|step| {
                step.rung == mendpoint_model::Rung::L4 && !step.commands.is_empty()
            });
            prop_assert!(soft.count() <= 2);
            prop_assert!(incident.state != IncidentState::Escalated || !incident.next.is_empty());
        }
        // No command is ever sent twice.
        let ids: std::collections::BTreeSet<_> =
            world.sent.iter().map(|(_, command)| command.id.clone()).collect();
        prop_assert_eq!(ids.len(), world.sent.len());
        // One open incident a rule and subject.
        let mut open: Vec<_> = world
            .engine
            .open()
            .map(|incident| (incident.rule.clone(), incident.charger, incident.connector))
            .collect();
        let before = open.len();
        open.sort();
        open.dedup();
        prop_assert_eq!(open.len(), before);
    }

    #[test]
    fn what_was_dangerous_is_never_reset_but_a_ground_fault_once_a_week(
        script in proptest::collection::vec(happens(), 1..120),
    ) {
        let world = play(&script);
        let mut ground = Vec::new();
        for incident in world.incidents.values().filter(|i| i.code == "GroundFailure") {
            let steps = incident.healing.iter().flat_map(|healing| &healing.steps);
            let opened_so = world.effects.iter().find_map(|effect| match effect {
                Effect::Incident(first) if first.id == incident.id => Some(first.code.clone()),
                _ => None,
            });
            if opened_so.as_deref() == Some("GroundFailure") {
                for step in steps {
                    let acted = crate::guardrail::acts(step.rung) && !step.commands.is_empty();
                    let may = step.rung == mendpoint_model::Rung::L4
                        && step.at.since_ms(incident.began_at) >= 900_000;
                    prop_assert!(!acted || may, "G3: {:?}", step);
                    if acted {
                        ground.push((incident.charger, step.at));
                    }
                }
            }
        }
        ground.sort_unstable();
        for pair in ground.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            prop_assert!(pair[1].1.since_ms(pair[0].1) >= 604_800_000, "G3: one in seven days");
        }
    }

    #[test]
    fn the_same_input_gives_the_same_bytes(script in proptest::collection::vec(happens(), 1..80)) {
        let bytes = |world: World| format!("{:?}", world.effects);
        prop_assert_eq!(bytes(play(&script)), bytes(play(&script)));
    }

    #[test]
    fn rules_read_again_change_nothing(
        script in proptest::collection::vec(happens(), 1..80),
        often in 1_usize..8,
    ) {
        let other = with_another();
        let reloaded = play_with(&script, |world, step| {
            if step % often == 0 {
                // Every second time the places of all rules move by one.
                let catalogue = if step / often % 2 == 0 { &other } else { &shipped() };
                world.engine.set_catalogue(world.now, catalogue, &world.fleet);
            }
        });
        let left = play(&script);
        let titles = |world: &World| -> Vec<String> {
            world.lines.iter().map(|line| format!("{} {}", line.at, line.title)).collect()
        };
        prop_assert_eq!(titles(&reloaded), titles(&left));
        prop_assert_eq!(&reloaded.sent, &left.sent);
        for (one, other) in reloaded.incidents.values().zip(left.incidents.values()) {
            prop_assert_eq!(one, other);
        }
    }
}
