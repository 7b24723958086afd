//! Fleet and engine together, and the timeline tests of rules.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::{Catalogue, EngineSettings, IdSequence};
use mendpoint_model::{
    Boot, CellState, ChargerEvent, ChargerKey, Chargers, Connected, ConnectorRef, EventKind, Fact,
    MINUTE_MS, Protocol, SiteKey, TransactionEnded, TransactionId, TransactionStarted, UnixMs,
};

use crate::timeline_test::{clock_words, run_all};
use crate::{Outputs, Shard};

const START: UnixMs = UnixMs(1_790_000_000_000);

const RULE: &str = r#"
id = "TEST_FAULTED"
version = 1
title = "Faulted"
description = "A connector is faulted."
headline = "{code}{where}"
severity = 4
scope = "connector"
playbook = "test"
auto_heal = "on"

[condition]
when = 'status == "Faulted"'
for = "60s"

[[clear]]
when = 'status != "Faulted"'
for = "300s"
"#;

const PLAYBOOK: &str = r#"
id = "test"
version = 1
title = "Test"
ladder = [LADDER]
"#;

pub(crate) const FIRES: &str = r#"
[[test]]
name = "a fault that lasts is told and a reset is sent"
answers = { Reset = "Rejected" }
steps = [
    { at = "0s", connect = true },
    { at = "10s", status = { status = "Faulted", error = "InternalError" } },
    { at = "69s", expect = { incidents = [], actions = [], tickets = 0 } },
    { at = "1m10s", expect = { incidents = ["TEST_FAULTED"], actions = ["Reset Soft"], severity = 4 } },
    { at = "10m", expect = { tickets = 1 } },
]
"#;

pub(crate) const SILENT: &str = r#"
[[test]]
name = "a short fault is not told"
steps = [
    { at = "0s", connect = true },
    { at = "10s", status = { status = "Faulted", error = "InternalError" } },
    { at = "69s", status = { status = "Available" } },
    { at = "10m", expect = { incidents = [], actions = [] } },
]
"#;

/// A catalogue of the one rule with these tests and this ladder.
pub(crate) fn catalogue(tests: &[&str], ladder: &str) -> Arc<Catalogue> {
    let rule = format!("{RULE}{}", tests.concat());
    let playbook = PLAYBOOK.replace("LADDER", ladder);
    let files = |name: &str, text: &str| [(name.to_owned(), text.to_owned())];
    match Catalogue::parse(&files("t.toml", &rule), &files("p.toml", &playbook)) {
        Ok(catalogue) => Arc::new(catalogue),
        Err(problems) => panic!("{}", problems.iter().map(ToString::to_string).collect::<String>()),
    }
}

/// The rules and playbooks that come with the program.
pub(crate) fn delivered() -> Arc<Catalogue> {
    static DELIVERED: OnceLock<Arc<Catalogue>> = OnceLock::new();
    let read = |folder: &str| -> Vec<(String, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(folder);
        let files = std::fs::read_dir(folder).expect("the folder is part of the repository");
        let mut files: Vec<_> = files
            .map(|file| file.expect("the folder can be read").path())
            .map(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (name, std::fs::read_to_string(&path).expect("the file can be read"))
            })
            .collect();
        files.sort();
        files
    };
    let parse = || match Catalogue::parse(&read("rules"), &read("playbooks")) {
        Ok(catalogue) => Arc::new(catalogue),
        Err(problems) => {
            let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
            panic!("{}", told.join("\n"));
        }
    };
    Arc::clone(DELIVERED.get_or_init(parse))
}

struct Kit {
    shard: Shard,
    now: UnixMs,
}

impl Kit {
    fn new() -> Self {
        let mut shard = Shard::new(
            FleetSettings::default(),
            catalogue(&[FIRES, SILENT], "\"L4\""),
            EngineSettings::default(),
            IdSequence { next: 2, step: 4 },
            IdSequence { next: 2, step: 4 },
        );
        for key in [1, 2] {
            shard.register(ChargerKey(key), SiteKey(1), Arc::from("CP"));
        }
        let mut kit = Self { shard, now: START };
        for key in [1, 2] {
            kit.send(
                key,
                EventKind::Connected(Connected {
                    protocol: Protocol::V16,
                    remote: String::new(),
                    replaced: false,
                    certificate_ends: None,
                }),
            );
        }
        kit
    }

    fn send(&mut self, charger: u32, kind: EventKind) -> Outputs {
        let mut out = Outputs::default();
        let event = ChargerEvent {
            charger: ChargerKey(charger),
            site: SiteKey(1),
            received_at: self.now,
            epoch: 1,
            frame: 77,
            kind,
        };
        self.shard.handle(event, &mut out);
        out
    }
}

fn start(at: UnixMs) -> EventKind {
    EventKind::TransactionStarted(TransactionStarted {
        id: TransactionId(0),
        external_id: String::new(),
        connector: ConnectorRef::v16(1),
        id_token: "TAG".to_owned(),
        meter_wh: Some(0),
        at: Some(at),
        seq_no: 0,
        offline: false,
        charging_state: None,
    })
}

fn end(id: i64) -> EventKind {
    EventKind::TransactionEnded(TransactionEnded {
        id: TransactionId(id),
        external_id: String::new(),
        connector: None,
        id_token: None,
        meter_wh: Some(9_000),
        reason: "Local".to_owned(),
        at: None,
        seq_no: 0,
        offline: false,
    })
}

#[test]
fn b32_and_b46_every_start_gets_a_number_and_its_retry_the_same() {
    let mut kit = Kit::new();
    let out = kit.send(1, start(START));
    assert_eq!(out.answer, Some(TransactionId(2)));
    assert!(
        matches!(&out.facts[..], [(ChargerKey(1), START, 77, Fact::TransactionOpened(opened))]
            if opened.id == TransactionId(2)),
        "{:?}",
        out.facts
    );
    let retry = kit.send(1, start(START));
    assert_eq!(retry.answer, Some(TransactionId(2)));
    assert!(retry.facts.is_empty());
    assert_eq!(kit.send(2, start(START)).answer, Some(TransactionId(6)));
    kit.send(1, end(2));
    assert_eq!(kit.send(1, start(START)).answer, Some(TransactionId(2)), "also after the end");
    assert_eq!(kit.send(1, start(START + 5_000)).answer, Some(TransactionId(10)));
}

#[test]
fn an_end_is_looked_up_with_its_own_charger_only() {
    let mut kit = Kit::new();
    kit.send(1, start(START));
    let out = kit.send(2, end(2));
    assert!(matches!(out.facts[..], [(_, _, _, Fact::TransactionOrphaned { .. })]));
    let state = kit.shard.fleet().charger(ChargerKey(1)).expect("registered");
    assert_eq!(state.transactions.len(), 1);
}

#[test]
fn b53_time_alone_closes_what_a_boot_interrupted() {
    let mut kit = Kit::new();
    kit.send(1, start(START));
    kit.now = START + MINUTE_MS;
    kit.send(1, EventKind::Boot(Boot::default()));
    let mut out = Outputs::default();
    kit.shard.advance(kit.now + 10 * MINUTE_MS, &mut out);
    assert!(
        matches!(&out.facts[..], [(ChargerKey(1), _, 0, Fact::TransactionClosed { reason, .. })]
            if reason == "Interrupted"),
        "{:?}",
        out.facts
    );
}

#[test]
fn what_was_due_before_an_event_happens_before_it() {
    let mut kit = Kit::new();
    kit.send(1, start(START));
    kit.send(1, EventKind::Boot(Boot::default()));
    kit.now = START + 30 * MINUTE_MS;
    let out = kit.send(2, EventKind::Heartbeat);
    assert!(matches!(out.facts[..], [(ChargerKey(1), _, 0, Fact::TransactionClosed { .. })]));
}

#[test]
fn a_heartbeat_of_a_healthy_charger_leaves_nothing_to_do() {
    let mut kit = Kit::new();
    let out = kit.send(1, EventKind::Heartbeat);
    assert!(out.facts.is_empty() && out.effects.is_empty() && out.answer.is_none());
    assert_eq!(kit.shard.cell(ChargerKey(1)), CellState::Available);
    assert_eq!(kit.shard.cell(ChargerKey(9)), CellState::NeverSeen);
}

#[test]
fn the_delivered_rules_pass_their_own_tests() {
    let outcomes = run_all(&delivered());
    assert!(!outcomes.is_empty());
    let failures: Vec<_> =
        outcomes.iter().flat_map(|outcome| &outcome.failures).map(ToString::to_string).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn the_delivered_rules_do_not_disturb_each_other() {
    let outcomes = crate::timeline_test::run_all_together(&delivered());
    let failures: Vec<_> =
        outcomes.iter().flat_map(|outcome| &outcome.failures).map(ToString::to_string).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// A rule of somebody's own that opens an incident wherever a charger connects.
const EVERYWHERE: &str = r#"
id = "AAA_EVERYWHERE"
version = 1
title = "It is there"
description = "It is there."
severity = 1
scope = "charger"
auto_heal = "off"
[condition]
when = 'connected'
[[clear]]
person = true
[[test]]
name = "fires"
steps = [{ at = "0s", connect = true }, { at = "1m", expect = { incidents = ["AAA_EVERYWHERE"] } }]
[[test]]
name = "is silent"
steps = [{ at = "0s", registered = true }, { at = "1m", expect = { incidents = [] } }]
"#;

#[test]
fn a_rule_of_ones_own_does_not_make_the_tests_of_others_fail() {
    let more = [("everywhere.toml".to_owned(), EVERYWHERE.to_owned())];
    let catalogue = Arc::new(delivered().overlaid(&more, &[]).expect("it is good"));
    let failures: Vec<_> = run_all(&catalogue)
        .iter()
        .flat_map(|outcome| &outcome.failures)
        .map(ToString::to_string)
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(
        crate::timeline_test::run_all_together(&catalogue).iter().any(|outcome| !outcome.passed()),
        "looking at all of them, it is seen"
    );
}

#[test]
fn right_tests_pass() {
    let outcomes = run_all(&catalogue(&[FIRES, SILENT], "\"L4\""));
    assert_eq!(outcomes.len(), 2);
    for outcome in outcomes {
        let told: Vec<_> = outcome.failures.iter().map(ToString::to_string).collect();
        assert!(outcome.passed(), "{}", told.join("\n"));
    }
}

#[test]
fn a_wrong_test_says_what_was_expected_what_came_and_when() {
    let wrong = FIRES.replace(
        "69s\", expect = { incidents = []",
        "69s\", expect = { incidents = [\"TEST_FAULTED\"]",
    );
    let outcomes = run_all(&catalogue(&[&wrong, SILENT], "\"L4\""));
    let failures: Vec<_> = outcomes.iter().flat_map(|outcome| &outcome.failures).collect();
    let [failure] = &failures[..] else { panic!("{failures:?}") };
    let told = failure.to_string();
    let first = told.lines().next().unwrap_or_default();
    assert_eq!(
        first,
        "t.toml:26: TEST_FAULTED, \"a fault that lasts is told and a reset is sent\": at 1m9s the \
         incidents should be [\"TEST_FAULTED\"], got []"
    );
}

#[test]
fn times_are_told_as_they_are_written() {
    assert_eq!(clock_words(0), "0s");
    assert_eq!(clock_words(601_000), "10m1s");
    assert_eq!(clock_words(90_000_000), "1d1h");
    assert_eq!(clock_words(1_500), "1s500ms");
}

const COOLING: &str = r#"
id = "TEST_BOOTS"
version = 1
title = "Boots"
description = "It boots too often."
severity = 5
scope = "charger"
auto_heal = "off"
proof = "clear"

[condition]
count = { kind = "boot", at_least = 2, within = "10m", cooldown = "3h" }

[[clear]]
absent = "boot"
for = "20m"

[[test]]
name = "two boots, and not again for three hours"
steps = [
    { at = "0s", connect = true },
    { at = "1m", boot = { model = "X" } },
    { at = "2m", boot = { model = "X" } },
    { at = "3m", expect = { incidents = ["TEST_BOOTS"] } },
    { at = "23m", expect = { incidents = [], states = ["resolved"] } },
    { at = "2h", boot = { model = "X" } },
    { at = "2h1m", boot = { model = "X" } },
    { at = "2h2m", expect = { incidents = [] } },
    { at = "3h2m", boot = { model = "X" } },
    { at = "3h3m", boot = { model = "X" } },
    { at = "3h4m", expect = { incidents = ["TEST_BOOTS"] } },
]

[[test]]
name = "one boot"
steps = [
    { at = "0s", connect = true },
    { at = "1m", boot = { model = "X" } },
    { at = "1h", expect = { incidents = [] } },
]
"#;

#[test]
fn a_cooldown_keeps_a_count_from_opening_again() {
    let files = [("boots.toml".to_owned(), COOLING.to_owned())];
    let catalogue = Catalogue::parse(&files, &[]).expect("it is well formed");
    for outcome in run_all(&Arc::new(catalogue)) {
        let told: Vec<_> = outcome.failures.iter().map(ToString::to_string).collect();
        assert!(outcome.passed(), "{}", told.join("\n"));
    }
}
