//! Crashes at every step of a playbook: whatever was on disk, the rest goes on from there, nothing is
//! sent twice, and how it goes on is written down in `transcripts/`.
//!
//! `MENDPOINT_WRITE_TRANSCRIPTS=1 cargo test -p mendpoint-incidents crash` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use mendpoint_model::{Action, ConnectorStatus as S, StepState};

use crate::timeline_test::action_words;
use crate::world::{ONE, World, accepted, rejected};
use crate::{Catalogue, Effect, EngineSettings};

/// How often the charger looks for commands, and how long a play lasts, in seconds.
const STEP_S: i64 = 20;
const PLAY_S: i64 = 2_400;

/// What the charger does in a play.
#[derive(Clone, Copy)]
struct Play {
    name: &'static str,
    ladder: &'static str,
    /// How many resets it takes until it works again.
    resets: usize,
    /// Whether off and on again helps.
    cycle_helps: bool,
    /// Whether it refuses the soft reset.
    refuses_soft: bool,
}

const PLAYS: [Play; 4] = [
    Play {
        name: "soft_reset_helps",
        ladder: "[\"L1\", \"L4\", \"L5\"]",
        resets: 1,
        cycle_helps: false,
        refuses_soft: false,
    },
    Play {
        name: "only_the_hard_reset_helps",
        ladder: "[\"L1\", \"L4\", \"L5\"]",
        resets: 1,
        cycle_helps: false,
        refuses_soft: true,
    },
    Play {
        name: "off_and_on_helps",
        ladder: "[\"L1\", \"L2\", \"L3\", \"L4\"]",
        resets: 9,
        cycle_helps: true,
        refuses_soft: false,
    },
    Play {
        name: "nothing_helps",
        ladder: "[\"L1\", \"L3\", \"L4\", \"L5\", \"L6\", \"Q\"]",
        resets: 9,
        cycle_helps: false,
        refuses_soft: false,
    },
];

fn catalogue(play: &Play) -> Arc<Catalogue> {
    let rule = include_str!("../../../config/rules/err_faulted.toml").to_owned();
    let playbook = format!(
        "id = \"err_faulted\"\nversion = 1\ntitle = \"Faulted\"\nladder = {}\n",
        play.ladder
    );
    let rules = [("err_faulted.toml".to_owned(), rule)];
    let playbooks = [("err_faulted.toml".to_owned(), playbook)];
    Arc::new(Catalogue::parse(&rules, &playbooks).expect("it is well formed"))
}

/// The charger, as it answers what reaches it.
struct Charger {
    play: Play,
    /// Commands that it was given.
    seen: usize,
    resets: usize,
    /// Connections that were closed by us.
    closes: usize,
    is_off: bool,
    is_well: bool,
}

/// A world, a charger and the point at which the program dies.
struct Stage {
    world: World,
    charger: Charger,
    /// Ids that left, over all lives.
    left: BTreeSet<String>,
    /// After so many effects the program dies.
    dies_at: Option<usize>,
}

impl Stage {
    fn new(play: Play) -> Self {
        let mut world = World::of(catalogue(&play), EngineSettings::default());
        // The charger answers by itself here, so that a crash can come in between.
        world.answers = |_| None;
        world.add(ONE);
        world.model(ONE, "X", "1.4");
        world.status(ONE, 1, S::Faulted, "InternalError");
        let charger =
            Charger { play, seen: 0, resets: 0, closes: 0, is_off: false, is_well: false };
        Self { world, charger, left: BTreeSet::new(), dies_at: None }
    }

    fn status(&mut self) {
        let (status, code) = match (self.charger.is_off, self.charger.is_well) {
            (true, _) => (S::Unavailable, ""),
            (false, true) => (S::Available, ""),
            (false, false) => (S::Faulted, "InternalError"),
        };
        self.world.status(ONE, 1, status, code);
    }

    /// Whether the program is dead: so many effects are decided.
    fn is_dead(&self) -> bool {
        self.dies_at.is_some_and(|at| self.decided() >= at)
    }

    fn starts_anew(&mut self) {
        self.charger.resets += 1;
        self.charger.is_well |= self.charger.resets >= self.charger.play.resets;
        let steps: [fn(&mut Self); 6] = [
            |stage| stage.world.wait(2),
            |stage| stage.world.disconnect(ONE),
            |stage| stage.world.wait(30),
            |stage| stage.world.connect(ONE),
            |stage| stage.world.boot(ONE),
            Self::status,
        ];
        for step in steps {
            if !self.is_dead() {
                step(self);
            }
        }
    }

    /// Lets what was sent reach the charger, and its answers come back.
    fn exchange(&mut self) {
        while let Some((_, command)) = self.world.sent.get(self.charger.seen).cloned() {
            if self.is_dead() {
                return;
            }
            self.charger.seen += 1;
            assert!(self.left.insert(command.id.0.to_string()), "sent twice: {}", command.id.0);
            let refused = self.charger.play.refuses_soft
                && matches!(command.action, Action::Reset { hard: false, .. });
            let outcome = if refused { rejected() } else { accepted() };
            if let Action::SetAvailability { operative, .. } = &command.action {
                self.charger.is_off = !operative;
                self.charger.is_well |= *operative && self.charger.play.cycle_helps;
            }
            self.world.answer(ONE, command.id.clone(), outcome);
            if self.is_dead() {
                return;
            }
            match &command.action {
                Action::Trigger { .. } | Action::SetAvailability { .. } => self.status(),
                Action::Reset { .. } if !refused => self.starts_anew(),
                _ => {}
            }
        }
        let closed = self.world.effects.iter().filter(|e| matches!(e, Effect::CloseSocket(_)));
        let closed = closed.count();
        if closed > self.charger.closes && !self.is_dead() {
            self.charger.closes = closed;
            self.world.disconnect(ONE);
            self.world.wait(5);
            self.world.connect(ONE);
            self.status();
        }
    }

    /// Lets time pass, and the charger live.
    fn run(&mut self, seconds: i64) {
        for _ in 0..seconds / STEP_S {
            self.world.wait(STEP_S);
            if self.is_dead() {
                return;
            }
            self.exchange();
            if self.is_dead() {
                return;
            }
        }
    }

    /// The program ends with only the first effects on disk: what was decided after them is lost,
    /// and never left.
    fn cut(&mut self, effects: usize) {
        let world = &mut self.world;
        world.effects.truncate(effects);
        let (mut incidents, mut memory, mut lines, mut sends, mut tickets) =
            (BTreeMap::new(), BTreeMap::new(), Vec::new(), 0, 0);
        for effect in &world.effects {
            match effect {
                Effect::Incident(incident) => {
                    incidents.insert(incident.id, (**incident).clone());
                }
                Effect::Remember(row) => {
                    memory.insert((row.kind, row.key.clone()), row.clone());
                }
                Effect::Timeline(line) => lines.push(line.clone()),
                Effect::Send(_) => sends += 1,
                Effect::OpenTicket(_) => tickets += 1,
                _ => {}
            }
        }
        world.incidents = incidents;
        world.memory = memory;
        world.lines = lines;
        world.sent.truncate(sends);
        world.tickets.truncate(tickets);
    }

    /// How many things the engine has decided so far.
    fn decided(&self) -> usize {
        self.world.effects.len()
    }

    fn is_over(&self) -> bool {
        self.world.incidents.values().all(|incident| {
            incident.state.is_over()
                || incident.state == mendpoint_model::IncidentState::RecoveredUnproven
                || incident.ticket.is_some()
                || !self.world.tickets.is_empty()
        }) && !self.world.incidents.is_empty()
    }
}

/// One play whole: how many effects it has.
fn length(play: Play) -> usize {
    let mut stage = Stage::new(play);
    stage.run(PLAY_S);
    stage.decided()
}

/// Plays until so many effects are on disk, dies, and goes on. Whether the command that was written
/// last had left is not known to the disk: it holds the intent in both cases.
fn crashed_at(play: Play, effects: usize, has_left: bool) -> (String, Stage) {
    let mut stage = Stage::new(play);
    stage.dies_at = Some(effects);
    stage.run(PLAY_S);
    stage.dies_at = None;
    stage.cut(effects);
    let before = words(&stage).len();
    let in_flight: Vec<_> = stage.world.sent.iter().skip(stage.charger.seen).cloned().collect();
    let mut resets = false;
    for (_, command) in in_flight.iter().filter(|_| has_left) {
        stage.left.insert(command.id.0.to_string());
        match &command.action {
            Action::SetAvailability { operative, .. } => {
                stage.charger.is_off = !operative;
                stage.charger.is_well |= *operative && play.cycle_helps;
            }
            Action::Reset { hard, .. } => resets |= *hard || !play.refuses_soft,
            _ => {}
        }
    }
    // What had not left never leaves.
    stage.charger.seen = stage.world.sent.len();
    let closed = stage.world.effects.iter().filter(|e| matches!(e, Effect::CloseSocket(_)));
    stage.charger.closes = closed.count();
    stage.world.restart(EngineSettings::default());
    stage.world.wait(3);
    stage.world.connect(ONE);
    if resets {
        stage.charger.resets += 1;
        stage.charger.is_well |= stage.charger.resets >= play.resets;
        stage.world.boot(ONE);
    }
    stage.status();
    stage.run(PLAY_S);
    let mut text = format!("crash after {effects} effects");
    if !in_flight.is_empty() {
        text.push_str(if has_left { ", the command had left" } else { ", the command was lost" });
    }
    text.push('\n');
    for line in words(&stage).iter().skip(before) {
        let _ = writeln!(text, "  {line}");
    }
    (text, stage)
}

/// What was sent, the steps and the state.
fn words(stage: &Stage) -> Vec<String> {
    let start = 1_000_000_000_000;
    stage
        .world
        .lines
        .iter()
        .map(|line| format!("{:>5} s  {}", (line.at.0 - start) / 1_000, line.title))
        .collect()
}

fn check(stage: &Stage, text: &str) {
    assert!(stage.is_over(), "every incident ends somewhere: {text}");
    let steps: Vec<_> = stage
        .world
        .incidents
        .values()
        .flat_map(|incident| incident.healing.iter().flat_map(|healing| &healing.steps))
        .collect();
    for step in &steps {
        assert!(step.state != StepState::Sent, "left hanging: {text}");
    }
    // A reset in a row twice would be one too many.
    for rung in [mendpoint_model::Rung::L4, mendpoint_model::Rung::L5] {
        let many = steps.iter().filter(|step| step.rung == rung && !step.commands.is_empty());
        assert!(many.count() <= 1, "{} twice: {text}", rung.name());
    }
    // What was switched off is on again, unless it was taken out of service.
    let quarantined =
        steps.iter().any(|step| step.rung == mendpoint_model::Rung::Q && !step.commands.is_empty());
    assert!(!stage.charger.is_off || quarantined, "left switched off: {text}");
}

#[test]
fn after_a_crash_at_every_step_the_rest_goes_on_as_it_is_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/transcripts");
    let writes = std::env::var_os("MENDPOINT_WRITE_TRANSCRIPTS").is_some();
    for play in PLAYS {
        let mut transcript = format!("{}: {}\n", play.name, play.ladder);
        let mut last = String::new();
        for effects in 1..=length(play) {
            for has_left in [false, true] {
                let (text, stage) = crashed_at(play, effects, has_left);
                check(&stage, &text);
                // Many crashes fall between two decisions and look alike.
                let body = text.split_once('\n').map_or("", |(_, body)| body).to_owned();
                if body != last {
                    transcript.push_str(&text);
                    last = body;
                }
            }
        }
        let path = format!("{folder}/{}.txt", play.name);
        if writes {
            std::fs::create_dir_all(folder).expect("a folder");
            std::fs::write(&path, &transcript).expect("written");
        }
        let kept = std::fs::read_to_string(&path).expect("a transcript");
        if kept != transcript {
            let differ = kept.lines().zip(transcript.lines()).position(|(a, b)| a != b);
            let line =
                differ.unwrap_or_else(|| kept.lines().count().min(transcript.lines().count()));
            panic!(
                "{} differs at line {}:\n kept {:?}\n now  {:?}",
                play.name,
                line + 1,
                kept.lines().nth(line),
                transcript.lines().nth(line)
            );
        }
    }
}

#[test]
fn the_actions_of_a_play_are_those_of_its_ladder() {
    let mut stage = Stage::new(PLAYS[0]);
    stage.run(1_200);
    let actions: Vec<String> =
        stage.world.sent.iter().map(|(_, command)| action_words(&command.action)).collect();
    assert_eq!(actions, ["TriggerMessage StatusNotification 1", "Reset Soft"]);
}
