//! Reads the timeline tests of a rule file.

use std::collections::BTreeMap;

use mendpoint_model::{
    ConnectorStatus, IncidentState, Protocol, SignalUnit, Transport, TriggeredMessage,
};
use serde::Deserialize;
use serde_spanned::Spanned;

use crate::duration::parse_duration;
use crate::expression::STATUSES;
use crate::playbook::duration;
use crate::problem::{Reader, nearest, suggestion};
use crate::rule::Occurrence;
use crate::timeline_test::{
    Act, Expect, TestAnswer, TestAuthorize, TestBoot, TestBurn, TestCohort, TestFault, TestKey,
    TestMeter, TestStart, TestStatus, TestStep, TestStop, TimelineTest,
};

/// A `[[test]]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTest {
    name: Spanned<String>,
    #[serde(default)]
    protocol: Option<Spanned<String>>,
    #[serde(default)]
    answers: BTreeMap<Spanned<String>, String>,
    #[serde(default)]
    all_rules: bool,
    steps: Vec<Spanned<RawStep>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    at: Option<Spanned<String>>,
    every: Option<Spanned<String>>,
    times: Option<Spanned<u32>>,
    connect: Option<bool>,
    disconnect: Option<bool>,
    heartbeat: Option<bool>,
    boot: Option<TestBoot>,
    status: Option<Spanned<TestStatus>>,
    fault: Option<TestFault>,
    authorize: Option<TestAuthorize>,
    transaction_start: Option<TestStart>,
    transaction_stop: Option<Spanned<TestStop>>,
    meter: Option<TestMeter>,
    signal: Option<RawSignal>,
    command: Option<Spanned<String>>,
    contested: Option<bool>,
    registered: Option<bool>,
    firmware: Option<String>,
    security: Option<String>,
    configuration: Option<TestKey>,
    certificate_days: Option<u32>,
    cohort: Option<Spanned<TestCohort>>,
    used: Option<RawUsed>,
    uptime_burn: Option<TestBurn>,
    charger: Option<Spanned<u16>>,
    expect: Option<Spanned<Expect>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUsed {
    every: Spanned<String>,
    days: Spanned<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignal {
    transport: Spanned<String>,
    unit: Spanned<String>,
    value: f64,
}

impl RawTest {
    /// Where it is.
    pub(crate) fn at(&self) -> usize {
        self.name.span().start
    }
}

/// The most steps of one test, repetitions counted: a typing error must not eat the machine.
const STEPS_MAX: usize = 10_000;
/// The most chargers of one test.
const CHARGERS_MAX: u16 = 100;

/// Actions of ours that a test may give an answer for.
const ANSWERED: [&str; 8] = [
    "TriggerMessage",
    "UnlockConnector",
    "ChangeAvailability",
    "Reset",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "GetConfiguration",
    "GetDiagnostics",
];

/// What else may be sent.
const SENT: [&str; 7] = [
    "GetLog",
    "GetReport",
    "GetVariables",
    "SetVariables",
    "UpdateFirmware",
    "SignedUpdateFirmware",
    "ClearCache",
];

/// Reads one test, noting what is wrong with it.
pub(crate) fn parse_test(reader: &mut Reader<'_>, raw: RawTest) -> TimelineTest {
    let start = raw.name.span().start;
    let line = reader.line(start);
    let protocol = match &raw.protocol {
        None => Protocol::V16,
        Some(word) => Protocol::from_name(word.get_ref()).unwrap_or_else(|| {
            let hint = suggestion(word.get_ref(), &["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]);
            let message = format!("unknown protocol \"{}\"{hint}", word.get_ref());
            reader.refuse(word.span().start, message);
            Protocol::V16
        }),
    };
    let mut answers = BTreeMap::new();
    for (action, answer) in raw.answers {
        if !ANSWERED.contains(&action.get_ref().as_str()) {
            let hint = suggestion(action.get_ref(), &ANSWERED);
            let message = format!("unknown action \"{}\"{hint}", action.get_ref());
            reader.refuse(action.span().start, message);
        }
        let answer = match answer.as_str() {
            "nothing" => TestAnswer::Nothing,
            "NotSupported" | "NotImplemented" | "InternalError" => TestAnswer::Error(answer),
            _ => TestAnswer::Status(answer),
        };
        answers.insert(action.into_inner(), answer);
    }
    let mut steps = Vec::new();
    let mut clock = 0;
    for raw in raw.steps {
        add_step(reader, raw, &mut clock, &mut steps);
        if steps.len() > STEPS_MAX {
            reader.refuse(start, format!("this test has more than {STEPS_MAX} steps"));
            break;
        }
    }
    TimelineTest {
        name: raw.name.into_inner(),
        line,
        protocol,
        looks_at_all: raw.all_rules,
        answers,
        steps,
    }
}

fn add_step(
    reader: &mut Reader<'_>,
    raw: Spanned<RawStep>,
    clock: &mut i64,
    steps: &mut Vec<TestStep>,
) {
    let offset = raw.span().start;
    let line = reader.line(offset);
    let step = raw.into_inner();
    let (first_ms, every_ms, times) = when(reader, offset, &step, *clock);
    if first_ms < *clock {
        reader.refuse(offset, "this step lies before the one above it");
        return;
    }
    let charger = step.charger.as_ref().map_or(1, |charger| *charger.get_ref());
    if let Some(word) = step.charger.as_ref()
        && !(1..=CHARGERS_MAX).contains(&charger)
    {
        reader.refuse(word.span().start, format!("charger goes from 1 to {CHARGERS_MAX}"));
    }
    let mut acts = acts(reader, step);
    if acts.len() != 1 {
        let message = format!(
            "a step does exactly one thing, this one does {}; the things are connect, disconnect, \
             heartbeat, boot, status, fault, authorize, transaction_start, transaction_stop, \
             meter, signal, command, contested, registered, firmware, security, configuration, \
             certificate_days, cohort, used, uptime_burn and expect",
            acts.len()
        );
        reader.refuse(offset, message);
        return;
    }
    let act = acts.remove(0);
    let times = times.min(STEPS_MAX as u32 + 1);
    for n in 0..i64::from(times) {
        let at_ms = first_ms + n * every_ms;
        steps.push(TestStep { line, at_ms, charger, act: act.clone() });
        *clock = at_ms;
    }
}

/// First time, distance and number of a step.
fn when(reader: &mut Reader<'_>, offset: usize, step: &RawStep, clock: i64) -> (i64, i64, u32) {
    let at = step.at.as_ref().map(|at| duration(reader, at));
    match (&step.every, &step.times) {
        (Some(every), Some(times)) => {
            let known = reader.problems.len();
            let every_ms = duration(reader, every);
            if every_ms == 0 && reader.problems.len() == known {
                let message = "`every` must be longer than nothing, as in every = \"1m\"";
                reader.refuse(every.span().start, message);
            }
            if *times.get_ref() == 0 {
                let message = "`times` counts from 1; a step that never happens tests nothing";
                reader.refuse(times.span().start, message);
            }
            (at.unwrap_or(clock + every_ms), every_ms, *times.get_ref())
        }
        (None, None) => {
            if at.is_none() {
                reader.refuse(offset, "a step needs `at`, or `every` and `times`");
            }
            (at.unwrap_or(clock), 0, 1)
        }
        _ => {
            reader.refuse(offset, "`every` and `times` belong together");
            (clock, 0, 1)
        }
    }
}

fn acts(reader: &mut Reader<'_>, step: RawStep) -> Vec<Act> {
    let mut acts = Vec::new();
    let yes = |flag: Option<bool>| flag == Some(true);
    if yes(step.connect) {
        acts.push(Act::Connect);
    }
    if yes(step.disconnect) {
        acts.push(Act::Disconnect);
    }
    if yes(step.heartbeat) {
        acts.push(Act::Heartbeat);
    }
    acts.extend(step.boot.map(Act::Boot));
    if let Some(status) = step.status {
        let offset = status.span().start;
        let status = status.into_inner();
        check_late(reader, offset, status.late.as_deref());
        let names = STATUSES.map(ConnectorStatus::name);
        if !names.contains(&status.status.as_str()) {
            let hint = suggestion(&status.status, &names);
            reader.refuse(offset, format!("unknown status \"{}\"{hint}", status.status));
        }
        acts.push(Act::Status(status));
    }
    acts.extend(step.fault.map(Act::Fault));
    acts.extend(step.authorize.map(Act::Authorize));
    acts.extend(step.transaction_start.map(Act::TransactionStart));
    if let Some(stop) = step.transaction_stop {
        let offset = stop.span().start;
        check_late(reader, offset, stop.get_ref().late.as_deref());
        acts.push(Act::TransactionStop(stop.into_inner()));
    }
    acts.extend(step.meter.map(Act::Meter));
    if let Some(signal) = step.signal {
        acts.extend(read_signal(reader, &signal));
    }
    if let Some(command) = step.command {
        if !ANSWERED.contains(&command.get_ref().as_str()) {
            let hint = suggestion(command.get_ref(), &ANSWERED);
            let message = format!("unknown action \"{}\"{hint}", command.get_ref());
            reader.refuse(command.span().start, message);
        }
        acts.push(Act::Command(command.into_inner()));
    }
    if yes(step.contested) {
        acts.push(Act::Contested);
    }
    if yes(step.registered) {
        acts.push(Act::Registered);
    }
    acts.extend(step.firmware.map(Act::Firmware));
    acts.extend(step.security.map(Act::Security));
    acts.extend(step.configuration.map(Act::Configuration));
    acts.extend(step.certificate_days.map(Act::Certificate));
    if let Some(cohort) = step.cohort {
        let names: Vec<_> = Occurrence::NAMES.iter().map(|(name, _)| *name).collect();
        for kind in cohort.get_ref().a_day.keys().filter(|kind| !names.contains(&kind.as_str())) {
            let message = format!("unknown kind `{kind}`{}", suggestion(kind, &names));
            reader.refuse(cohort.span().start, message);
        }
        acts.push(Act::Cohort(cohort.into_inner()));
    }
    if let Some(used) = step.used {
        let every_ms = duration(reader, &used.every);
        if every_ms == 0 {
            reader.refuse(used.every.span().start, "`every` must be longer than nothing");
        }
        if !(1..=56).contains(used.days.get_ref()) {
            reader.refuse(used.days.span().start, "`days` goes from 1 to 56");
        }
        acts.push(Act::Used { every_ms: every_ms.max(60_000), days: *used.days.get_ref() });
    }
    acts.extend(step.uptime_burn.map(Act::UptimeBurn));
    if let Some(expect) = step.expect {
        let offset = expect.span().start;
        let expect = expect.into_inner();
        check_expected(reader, offset, &expect);
        acts.push(Act::Expect(expect));
    }
    acts
}

/// Whether what a test expects can ever be: the state of an incident, an action of ours.
fn check_expected(reader: &mut Reader<'_>, offset: usize, expect: &Expect) {
    let states = IncidentState::ALL.map(IncidentState::name);
    for state in expect.states.iter().flatten() {
        if !states.contains(&state.as_str()) {
            let hint = suggestion(state, &states);
            reader.refuse(offset, format!("unknown state \"{state}\"{hint}"));
        }
    }
    let known: Vec<&str> = ANSWERED.into_iter().chain(SENT).collect();
    for action in expect.actions.iter().flatten() {
        let (name, rest) = action.split_once(' ').unwrap_or((action, ""));
        if !known.contains(&name) {
            let hint = suggestion(name, &known);
            reader.refuse(offset, format!("unknown action \"{name}\"{hint}"));
        } else if let Some(instead) = never_sent(action, name, rest) {
            reader.refuse(offset, format!("no action is ever \"{action}\"; {instead}"));
        }
    }
}

/// What to write in the place of an action whose name is known, and whose words are none that
/// [`action_words`](crate::timeline_test::action_words) writes. The name alone is what a person's
/// command (`command = ".."`) is told by.
fn never_sent(action: &str, name: &str, rest: &str) -> Option<String> {
    if action == name {
        return None;
    }
    let words: Vec<&str> = rest.split(' ').collect();
    let meant = |word: &str, valid: &[&str], write: &dyn Fn(&str) -> String, form: &str| {
        let all = || format!("write {form}, with one of {}", valid.join(", "));
        nearest(word, valid.iter().copied())
            .map_or_else(all, |near| format!("did you mean `{}`?", write(near)))
    };
    match (name, words.as_slice()) {
        ("Reset", ["Soft" | "Hard"]) => None,
        ("Reset", words) => {
            Some(meant(words[0], &["Soft", "Hard"], &|near| format!("{name} {near}"), "Reset KIND"))
        }
        ("TriggerMessage", [message, at @ ..]) => {
            let names = TriggeredMessage::ALL.map(TriggeredMessage::name);
            let at = match at {
                [] => "",
                [at] if is_connector(at) => at,
                _ => return Some(format!("write it as {name} StatusNotification 1")),
            };
            let write = |near: &str| format!("{name} {near} {at}").trim_end().to_owned();
            (!names.contains(message))
                .then(|| meant(message, &names, &write, "TriggerMessage MESSAGE CONNECTOR"))
        }
        ("UnlockConnector", [at]) if is_connector(at) => None,
        ("UnlockConnector", _) => Some(format!("write it as {name} 1")),
        ("ChangeAvailability", [at, "Operative" | "Inoperative"]) if is_place(at) => None,
        ("ChangeAvailability", [at, word]) if is_place(at) => {
            let write = |near: &str| format!("{name} {at} {near}");
            let valid = ["Operative", "Inoperative"];
            Some(meant(word, &valid, &write, "ChangeAvailability CONNECTOR KIND"))
        }
        ("ChangeAvailability", _) => Some(format!("write it as {name} 1 Inoperative")),
        _ => Some(format!("write {name} alone")),
    }
}

/// A connector as actions name it: `2`, or `2.3` for the third of EVSE 2.
fn is_connector(word: &str) -> bool {
    let is_number = |part: &str| part.parse::<u16>().is_ok_and(|number| number > 0);
    word.split_once('.').map_or_else(
        || is_number(word),
        |(evse, connector)| is_number(evse) && is_number(connector),
    )
}

/// A connector, or the whole charger.
fn is_place(word: &str) -> bool {
    word == "charger" || is_connector(word)
}

fn check_late(reader: &mut Reader<'_>, offset: usize, late: Option<&str>) {
    if let Some(late) = late
        && parse_duration(late).is_none()
    {
        reader.refuse(offset, format!("late = \"{late}\" is no duration; write it as 10m or 2h"));
    }
}

fn read_signal(reader: &mut Reader<'_>, signal: &RawSignal) -> Option<Act> {
    let transport = match signal.transport.get_ref().as_str() {
        "wifi" => Some(Transport::Wifi),
        "cell" => Some(Transport::Cellular),
        word => {
            let hint = suggestion(word, &["wifi", "cell"]);
            reader.refuse(signal.transport.span().start, format!("unknown link \"{word}\"{hint}"));
            None
        }
    };
    let unit = match signal.unit.get_ref().as_str() {
        "dbm" | "rssi_dbm" => Some(SignalUnit::RssiDbm),
        "rsrp_dbm" => Some(SignalUnit::RsrpDbm),
        "csq" => Some(SignalUnit::Csq),
        "percent" => Some(SignalUnit::Percent),
        word => {
            let hint = suggestion(word, &["dbm", "rssi_dbm", "rsrp_dbm", "csq", "percent"]);
            reader.refuse(signal.unit.span().start, format!("unknown unit \"{word}\"{hint}"));
            None
        }
    };
    Some(Act::Signal { transport: transport?, unit: unit?, value: signal.value })
}
