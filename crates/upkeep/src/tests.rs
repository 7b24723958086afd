//! Timelines: what is asked when.

use std::sync::Arc;

use mendpoint_model::{
    Action, Capabilities, ChargerKey, Command, CommandOutcome, ConfigurationValue, ConnectorRef,
    DAY_MS, DeviceReport, DeviceSource, EventKind, HOUR_MS, Lesson, MINUTE_MS, MonitorReport,
    MonitorsReport, Origin, Protocol, TransactionEnded, TransactionId, TransactionStarted,
    Transport, VariableRef, VariableReport,
};

use crate::kit::{KEY, Kit, no, yes};
use crate::progress::Stage;
use crate::{Profiles, UpkeepEffect, UpkeepSettings};

/// The longest a first question may wait: settle window and spread.
const FIRST: i64 = 6 * MINUTE_MS;

fn accepts(_: &Command) -> (CommandOutcome, Vec<EventKind>) {
    (yes("{}"), Vec::new())
}

fn silent(_: &Command) -> (CommandOutcome, Vec<EventKind>) {
    (CommandOutcome::TimedOut, Vec::new())
}

fn field(command: &Command, name: &str) -> serde_json::Value {
    let Action::Raw { payload, .. } = &command.action else { return serde_json::Value::Null };
    let payload: serde_json::Value = serde_json::from_str(payload).expect("we write JSON");
    payload.get(name).cloned().unwrap_or_default()
}

fn variable(component: &str, evse: Option<u16>, name: &str, value: &str) -> VariableReport {
    VariableReport {
        at: VariableRef {
            component: component.into(),
            evse,
            variable: name.into(),
            ..VariableRef::default()
        },
        value: Some(value.into()),
        ..VariableReport::default()
    }
}

fn part(command: &Command, seq_no: i64, more: bool, variables: Vec<VariableReport>) -> EventKind {
    EventKind::Device(DeviceReport {
        source: DeviceSource::Report,
        request: field(command, "requestId").as_i64(),
        seq_no,
        more,
        variables,
    })
}

/// A 2.x charger with a device model in two parts that takes every monitor.
fn station(command: &Command) -> (CommandOutcome, Vec<EventKind>) {
    let follow = match command.action.name() {
        "GetBaseReport" => vec![
            part(
                command,
                0,
                true,
                vec![
                    variable("EVSE", Some(1), "Problem", "false"),
                    variable("EVSE", Some(1), "Power", "0"),
                    variable("RCD", Some(1), "Tripped", "false"),
                ],
            ),
            part(command, 1, false, vec![variable("DataLink", None, "SignalStrength", "-70")]),
        ],
        "SetVariableMonitoring" => vec![EventKind::Monitors(monitors(command, true))],
        "GetMonitoringReport" => vec![EventKind::Monitors(MonitorsReport {
            set: false,
            request: field(command, "requestId").as_i64(),
            seq_no: 0,
            more: false,
            monitors: vec![
                monitor("RCD", Some(1), "Tripped", "Delta"),
                monitor("EVSE", Some(1), "Problem", "Delta"),
                monitor("DataLink", None, "SignalStrength", "LowerThreshold"),
            ],
        })],
        _ => Vec::new(),
    };
    (yes("{}"), follow)
}

fn monitor(component: &str, evse: Option<u16>, name: &str, kind: &str) -> MonitorReport {
    MonitorReport {
        at: variable(component, evse, name, "").at,
        kind: kind.into(),
        id: Some(1),
        status: "Accepted".into(),
        ..MonitorReport::default()
    }
}

/// The results of a `SetVariableMonitoring`: everything is taken.
fn monitors(command: &Command, set: bool) -> MonitorsReport {
    let data = field(command, "setMonitoringData");
    let monitors = data.as_array().into_iter().flatten().map(|one| {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        monitor(
            &text(&one["component"]["name"]),
            one["component"]["evse"]["id"].as_i64().map(|id| id as u16),
            &text(&one["variable"]["name"]),
            &text(&one["type"]),
        )
    });
    MonitorsReport { set, request: None, seq_no: 0, more: false, monitors: monitors.collect() }
}

#[test]
fn b22_a_flapping_station_is_left_alone_and_asked_once_when_it_holds() {
    let mut kit = Kit::new(accepts);
    for _ in 0..20 {
        kit.connect(KEY, Protocol::V16);
        kit.boot(KEY, "1");
        kit.wait(50_000);
        kit.disconnect(KEY);
        kit.wait(10_000);
    }
    assert!(kit.sent.is_empty(), "{:?}", kit.asked(KEY));
    kit.connect(KEY, Protocol::V16);
    kit.wait(50 * MINUTE_MS);
    assert!(kit.sent.is_empty(), "the window doubled with every connection");
    kit.wait(30 * MINUTE_MS);
    assert_eq!(kit.asked(KEY), ["GetConfiguration"]);
    kit.boot(KEY, "1");
    kit.wait(DAY_MS);
    assert_eq!(kit.sent.len(), 1, "a further boot on the same connection asks nothing again");
}

#[test]
fn b22_each_question_is_asked_once_a_connection() {
    let mut kit = Kit::new(silent);
    kit.connect(KEY, Protocol::V16);
    kit.boot(KEY, "1");
    kit.wait(DAY_MS);
    assert_eq!(kit.asked(KEY), ["GetConfiguration"]);
    kit.disconnect(KEY);
    kit.wait(2 * HOUR_MS);
    kit.connect(KEY, Protocol::V16);
    kit.wait(FIRST);
    assert_eq!(kit.sent.len(), 2, "the next connection may be luckier");
}

#[test]
fn a_thousand_returning_chargers_are_asked_one_after_the_other() {
    let mut kit = Kit::new(accepts);
    for key in 1..=1_000 {
        kit.connect(ChargerKey(key), Protocol::V16);
        kit.boot(ChargerKey(key), "1");
    }
    kit.wait(59_000);
    assert!(kit.sent.is_empty());
    kit.wait(FIRST);
    assert_eq!(kit.sent.len(), 1_000);
    let mut seconds: Vec<_> = kit.sent.iter().map(|(at, _)| at / 1_000).collect();
    seconds.sort_unstable();
    let busiest = seconds.chunk_by(|a, b| a == b).map(<[i64]>::len).max().unwrap_or_default();
    assert!(busiest <= 10, "{busiest} within one second");
}

#[test]
fn a_16_charger_is_read_at_first_sight_at_new_firmware_and_once_a_week() {
    let mut kit = Kit::new(accepts);
    kit.connect(KEY, Protocol::V16);
    kit.boot(KEY, "1");
    kit.wait(FIRST);
    assert_eq!(kit.asked(KEY), ["GetConfiguration"]);
    let Origin::Upkeep(why) = &kit.sent[0].1.origin else { panic!("{:?}", kit.sent[0]) };
    assert_eq!(why, "configuration, first sight of this firmware");
    kit.wait(6 * DAY_MS);
    kit.disconnect(KEY);
    kit.connect(KEY, Protocol::V16);
    kit.wait(FIRST);
    assert_eq!(kit.sent.len(), 1, "known for less than a week");
    kit.wait(DAY_MS);
    assert_eq!(kit.sent.len(), 2, "a week is over");
    kit.disconnect(KEY);
    kit.connect(KEY, Protocol::V16);
    kit.boot(KEY, "2");
    kit.wait(FIRST);
    assert_eq!(kit.sent.len(), 3, "another firmware");
}

#[test]
fn what_was_read_is_known_after_a_restart() {
    let mut kit = Kit::new(station);
    kit.connect(KEY, Protocol::V201);
    kit.boot(KEY, "1");
    kit.wait(HOUR_MS / 4);
    let kept = kit.written[&KEY].clone();
    let text = serde_json::to_string(&kept).expect("it serialises");

    let mut again = Kit::new(station);
    again.upkeep.restore(KEY, serde_json::from_str(&text).expect("it reads back"));
    again.connect(KEY, Protocol::V201);
    again.boot(KEY, "1");
    again.wait(2 * MINUTE_MS);
    assert!(again.asked(KEY).iter().all(|name| *name == "GetConfiguration"));
    assert_eq!(again.progress().monitors.stage, Stage::Done);
}

#[test]
fn only_an_idle_charger_is_asked() {
    let mut kit = Kit::new(accepts);
    kit.connect(KEY, Protocol::V16);
    kit.boot(KEY, "1");
    kit.event(
        KEY,
        EventKind::TransactionStarted(TransactionStarted {
            id: TransactionId(5),
            external_id: String::new(),
            connector: ConnectorRef::v16(1),
            id_token: "A".into(),
            meter_wh: Some(0),
            at: None,
            offline: false,
            seq_no: 0,
            charging_state: None,
        }),
    );
    kit.wait(3 * HOUR_MS);
    assert!(kit.sent.is_empty());
    kit.event(
        KEY,
        EventKind::TransactionEnded(TransactionEnded {
            id: TransactionId(5),
            external_id: String::new(),
            connector: None,
            id_token: None,
            meter_wh: Some(1_000),
            reason: "Local".into(),
            at: None,
            seq_no: 0,
            offline: false,
        }),
    );
    kit.wait(3 * MINUTE_MS);
    assert_eq!(kit.asked(KEY), ["GetConfiguration"]);
}

#[test]
fn a_station_is_listed_and_gets_its_monitors_in_order() {
    let mut kit = Kit::new(station);
    kit.connect(KEY, Protocol::V201);
    kit.boot(KEY, "1");
    kit.wait(10 * MINUTE_MS);
    assert_eq!(
        kit.asked(KEY)[..5],
        [
            "GetBaseReport",
            "SetMonitoringBase",
            "SetMonitoringLevel",
            "SetVariableMonitoring",
            "GetMonitoringReport"
        ]
    );
    assert_eq!(field(&kit.sent[0].1, "reportBase"), "FullInventory");
    assert_eq!(field(&kit.sent[1].1, "monitoringBase"), "All");
    assert_eq!(field(&kit.sent[2].1, "severity"), 6, "down to warnings");
    let data = field(&kit.sent[3].1, "setMonitoringData");
    let data = data.as_array().expect("a list");
    let severities: Vec<_> = data.iter().map(|one| one["severity"].as_i64()).collect();
    assert_eq!(severities, [Some(1), Some(4), Some(6)], "danger first");
    assert_eq!(data[2]["type"], "LowerThreshold");
    assert_eq!(data[0]["component"]["evse"]["id"], 1);
    let progress = kit.progress();
    assert_eq!((progress.values, progress.installed()), (4, 3));
    assert_eq!(progress.monitors.stage, Stage::Done);
    let at: Vec<_> = kit.sent.iter().map(|(at, _)| *at).collect();
    assert!(at.windows(2).all(|pair| pair[1] > pair[0]), "never two at once");
}

#[test]
fn monitors_that_a_station_does_not_take_are_told_with_its_word() {
    let mut kit = Kit::new(station);
    kit.connect(KEY, Protocol::V201);
    kit.boot(KEY, "1");
    kit.wait(10 * MINUTE_MS);
    let mut progress = kit.progress().clone();
    assert_eq!(progress.monitors_refused().count(), 0);
    "Rejected".clone_into(&mut progress.monitors.wanted[0].status);
    "Duplicate".clone_into(&mut progress.monitors.wanted[1].status);
    progress.monitors.wanted[2].status.clear();
    let refused: Vec<_> = progress.monitors_refused().map(|one| one.status.as_str()).collect();
    assert_eq!(
        refused,
        ["Rejected"],
        "not the one that is there already, nor one not asked for yet"
    );
}

#[test]
fn a_station_that_stumbles_over_the_base_gets_its_monitors_all_the_same() {
    fn stumbles(command: &Command) -> (CommandOutcome, Vec<EventKind>) {
        let error = CommandOutcome::Refused {
            code: "InternalError".to_owned(),
            description: String::new(),
        };
        match command.action.name() {
            "SetMonitoringBase" | "SetMonitoringLevel" => (error, Vec::new()),
            _ => station(command),
        }
    }
    fn falls_silent(command: &Command) -> (CommandOutcome, Vec<EventKind>) {
        match command.action.name() {
            "SetMonitoringBase" | "SetMonitoringLevel" => (CommandOutcome::TimedOut, Vec::new()),
            _ => station(command),
        }
    }
    for mut kit in [Kit::new(stumbles), Kit::new(falls_silent)] {
        kit.connect(KEY, Protocol::V201);
        kit.boot(KEY, "1");
        kit.wait(HOUR_MS);
        assert_eq!(kit.progress().installed(), 3, "{:?}", kit.asked(KEY));
        assert_eq!(kit.progress().monitors.stage, Stage::Done);
    }
}

#[test]
fn a_station_without_monitoring_is_not_asked_for_it_again() {
    fn deaf(command: &Command) -> (CommandOutcome, Vec<EventKind>) {
        match command.action.name() {
            name if name.contains("Monitoring") => (no("NotSupported"), Vec::new()),
            _ => station(command),
        }
    }
    let mut kit = Kit::new(deaf);
    kit.connect(KEY, Protocol::V201);
    kit.boot(KEY, "1");
    kit.wait(10 * MINUTE_MS);
    let set = "SetVariableMonitoring";
    assert_eq!(kit.asked(KEY).iter().filter(|name| **name == set).count(), 1);
    assert_eq!(kit.progress().monitors.stage, Stage::Done);
    for _ in 0..3 {
        kit.wait(3 * HOUR_MS);
        kit.disconnect(KEY);
        kit.connect(KEY, Protocol::V201);
    }
    kit.wait(3 * HOUR_MS);
    assert_eq!(kit.asked(KEY).iter().filter(|name| **name == set).count(), 1);
    kit.disconnect(KEY);
    kit.connect(KEY, Protocol::V201);
    kit.boot(KEY, "2");
    kit.wait(2 * HOUR_MS);
    assert_eq!(
        kit.asked(KEY).iter().filter(|name| **name == set).count(),
        2,
        "another firmware may know it"
    );
}

#[test]
fn a_charger_in_quarantine_is_read_and_nothing_is_installed_on_it() {
    let mut kit = Kit::new(station);
    kit.upkeep.admit(KEY, false);
    kit.connect(KEY, Protocol::V201);
    kit.boot(KEY, "1");
    kit.wait(HOUR_MS);
    assert_eq!(kit.asked(KEY), ["GetBaseReport"]);
    kit.upkeep.admit(KEY, true);
    kit.disconnect(KEY);
    kit.connect(KEY, Protocol::V201);
    kit.wait(HOUR_MS / 4);
    assert!(kit.asked(KEY).contains(&"SetVariableMonitoring"));
}

#[test]
fn b64_what_another_charger_of_the_model_does_not_know_is_not_asked() {
    let mut kit = Kit::new(|_| (no("NotImplemented"), Vec::new()));
    kit.connect(KEY, Protocol::V16);
    kit.boot(KEY, "1");
    kit.wait(FIRST);
    let [UpkeepEffect::Learned { model, capability, lesson, .. }] = kit.learned.as_slice() else {
        panic!("{:?}", kit.learned)
    };
    assert_eq!((capability.as_str(), *lesson), ("GetConfiguration", Lesson::NotImplemented));
    assert_eq!(model.to_string(), "ACME X 1");

    let mut known = Capabilities::default();
    known.forbid(model, capability, "NotImplemented");
    kit.upkeep.set_capabilities(Arc::new(known));
    let (twin, newer) = (ChargerKey(8), ChargerKey(9));
    kit.connect(twin, Protocol::V16);
    kit.boot(twin, "1");
    kit.connect(newer, Protocol::V16);
    kit.boot(newer, "2");
    kit.wait(FIRST);
    assert!(kit.asked(twin).is_empty());
    let refusal = &kit.upkeep.progress(twin).expect("known").refused["configuration"];
    assert!(refusal.by_model);
    assert_eq!(kit.asked(newer), ["GetConfiguration"], "another firmware is another model");
}

#[test]
fn b38_a_report_without_end_is_given_up_and_a_flood_is_cut() {
    fn flood(command: &Command) -> (CommandOutcome, Vec<EventKind>) {
        let many = |seq_no: i64| {
            let values = (0..5_000).map(|n| variable("X", None, &format!("V{seq_no}-{n}"), "1"));
            part(command, seq_no, true, values.collect())
        };
        (yes("{}"), (0..20).map(many).collect())
    }
    let mut kit = Kit::new(flood);
    kit.connect(KEY, Protocol::V201);
    kit.boot(KEY, "1");
    kit.wait(HOUR_MS);
    assert_eq!(kit.asked(KEY), ["GetBaseReport"], "not again on this connection");
    assert_eq!(kit.progress().dropped, 90_000);
    assert!(kit.progress().read_at.is_none());
    let last = kit.progress().last.as_ref().expect("a line");
    assert_eq!(last.words, "inventory: 20 parts came, and no end");
}

fn evnex() -> Profiles {
    let text = "[[profile]]\nvendor = \"ACME\"\nmodel = \"X*\"\nsource = \"dataTransfer\"\n\
        vendor_id = \"Evnex\"\nmessage_id = \"GetRSSI\"\n\
        [[profile.reading]]\npath = \"rssi\"\nunit = \"dbm\"\ntransport = \"wifi\"\n\
        [[profile]]\nvendor = \"ACME\"\nsource = \"configKey\"\nkey = \"ModemRSSI\"\n\
        [[profile.reading]]\nunit = \"dbm\"\ntransport = \"cellular\"\n";
    Profiles::parse(&[("x.toml".to_owned(), text.to_owned())]).expect("valid")
}

#[test]
fn a_radio_link_is_asked_for_at_most_every_fifteen_minutes() {
    let data = |_: &Command| (yes(r#"{"data":"{\"rssi\":-82}"}"#), Vec::new());
    let mut kit = Kit::with(UpkeepSettings::default(), evnex(), data);
    kit.connect(KEY, Protocol::V16);
    kit.boot(KEY, "1");
    kit.wait(HOUR_MS + FIRST);
    let of = |name: &str| {
        let of = kit.sent.iter().filter(|(_, command)| command.action.name() == name);
        of.map(|(at, _)| *at).collect::<Vec<_>>()
    };
    let asked = of("DataTransfer");
    assert!((4..=5).contains(&asked.len()), "{asked:?}");
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= 15 * MINUTE_MS), "{asked:?}");
    let signals = &kit.fleet.iter().next().expect("one").signals;
    assert_eq!(signals.len(), 1);
    assert_eq!((signals[0].1.transport, signals[0].1.value), (Transport::Wifi, -82.0));
}

#[test]
fn a_charger_that_does_not_know_the_vendors_question_is_left_alone() {
    fn rejects(command: &Command) -> (CommandOutcome, Vec<EventKind>) {
        if command.action.name() == "DataTransfer" {
            let status = "UnknownMessageId".to_owned();
            return (
                CommandOutcome::Answered { accepted: false, status, payload: "{}".into() },
                Vec::new(),
            );
        }
        (yes("{}"), Vec::new())
    }
    let mut kit = Kit::with(UpkeepSettings::default(), evnex(), rejects);
    kit.connect(KEY, Protocol::V16);
    kit.boot(KEY, "1");
    kit.wait(3 * HOUR_MS);
    assert_eq!(kit.asked(KEY).iter().filter(|name| **name == "DataTransfer").count(), 1);
}

#[test]
fn a_key_is_a_signal_only_where_a_profile_says_so() {
    let mut kit = Kit::with(UpkeepSettings::default(), evnex(), accepts);
    kit.connect(KEY, Protocol::V16);
    kit.boot(KEY, "1");
    let told = |key: &str| {
        EventKind::Configuration(vec![ConfigurationValue {
            key: key.into(),
            value: Some("-101 dBm".into()),
            readonly: true,
        }])
    };
    assert_eq!(kit.event(KEY, told("OtherRSSI")).len(), 1);
    let events = kit.event(KEY, told("ModemRSSI"));
    let [_, EventKind::Signal(reading)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((reading.transport, reading.value), (Transport::Cellular, -101.0));
}

#[test]
fn secrets_leave_nothing_behind() {
    let mut kit = Kit::new(accepts);
    kit.connect(KEY, Protocol::V16);
    let events = kit.event(
        KEY,
        EventKind::Configuration(vec![ConfigurationValue {
            key: "AuthorizationKey".into(),
            value: Some("0011".into()),
            readonly: false,
        }]),
    );
    assert!(!format!("{events:?}").contains("0011"));
}

#[test]
fn what_is_switched_off_asks_nothing() {
    let settings = UpkeepSettings { enabled: false, ..UpkeepSettings::default() };
    let mut kit = Kit::with(settings, evnex(), accepts);
    kit.connect(KEY, Protocol::V16);
    kit.boot(KEY, "1");
    kit.wait(2 * DAY_MS);
    assert!(kit.sent.is_empty());
}

/// The files of makers that are shipped.
fn shipped() -> Profiles {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/vendors");
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.display().to_string(), std::fs::read_to_string(path).expect("reads")))
        .collect();
    files.sort();
    Profiles::parse(&files).expect("what is shipped is right")
}

/// What each maker's chargers are asked about their radio link, and that the others are asked
/// nothing (2.2c).
#[test]
fn makers_are_asked_what_they_know() {
    for (vendor, model, asked) in [
        ("Evnex", "R7", Some("GetRSSI")),
        ("Evnex", "E2", Some("GetNetStat")),
        ("Evnex", "X22", Some("GetNetStat")),
        ("Zaptec", "Pro", None),
        ("Easee", "Home", None),
        ("go-e", "Gemini", None),
        ("Alfen BV", "NG910", None),
        ("ABB", "Terra AC", None),
        ("Wall Box Chargers", "Pulsar", None),
        ("Kempower", "S", None),
        ("Autel", "MaxiCharger", None),
        ("EVBox", "Elvi", None),
        ("ebee", "CC612", None),
    ] {
        let data = |_: &Command| (yes(r#"{"data":"{\"rssi\":-82}"}"#), Vec::new());
        let mut kit = Kit::with(UpkeepSettings::default(), shipped(), data);
        kit.connect(KEY, Protocol::V16);
        kit.boot_as(KEY, (vendor, model, "1"));
        kit.wait(HOUR_MS);
        let of = kit.sent.iter().find(|(_, command)| command.action.name() == "DataTransfer");
        let message = of.map(|(_, command)| field(command, "messageId"));
        assert_eq!(message.as_ref().and_then(|word| word.as_str()), asked, "{vendor} {model}");
    }
}
