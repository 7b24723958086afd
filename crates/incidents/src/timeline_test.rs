//! The tests that every rule file carries: a timeline of what chargers do, in virtual time, and
//! what must be true at which moment. This module reads them; the `shard` crate runs them.

use std::collections::BTreeMap;

use mendpoint_model::{Action, Protocol, SignalUnit, Transport};
use serde::Deserialize;

/// One test of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineTest {
    /// Its name, for the report.
    pub name: String,
    /// The line it begins at.
    pub line: usize,
    /// What the charger speaks.
    pub protocol: Protocol,
    /// Whether it looks at the incidents of all rules, and not only at those that it names.
    pub looks_at_all: bool,
    /// How the charger answers our actions, by OCPP 1.6 name (`Reset`, ..); what is not here is
    /// answered `Accepted` at once.
    pub answers: BTreeMap<String, TestAnswer>,
    /// What happens, in the order of time.
    pub steps: Vec<TestStep>,
}

/// How a charger answers an action in a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestAnswer {
    /// With this status word. `Accepted`, `Unlocked` and `Scheduled` mean yes.
    Status(String),
    /// With CALLERROR of this code.
    Error(String),
    /// Not at all.
    Nothing,
}

/// One moment of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct TestStep {
    /// The line it stands on.
    pub line: usize,
    /// Milliseconds from the beginning. A repeated step stands here as often as it happens.
    pub at_ms: i64,
    /// Which charger does it: 1 unless the step says otherwise.
    pub charger: u16,
    /// What happens or must be true.
    pub act: Act,
}

/// What happens or must be true.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// The charger connects.
    Connect,
    /// It connects with a certificate that is good for so many days.
    Certificate(u32),
    /// The connection ends.
    Disconnect,
    /// It boots.
    Boot(TestBoot),
    /// It sends a heartbeat.
    Heartbeat,
    /// It reports a status.
    Status(TestStatus),
    /// It reports a 2.x fault (`NotifyEvent`).
    Fault(TestFault),
    /// A token is presented and accepted.
    Authorize(TestAuthorize),
    /// A transaction begins.
    TransactionStart(TestStart),
    /// It ends.
    TransactionStop(TestStop),
    /// Measured values.
    Meter(TestMeter),
    /// A reading of the radio link.
    Signal {
        /// Which link.
        transport: Transport,
        /// The unit of `value`.
        unit: SignalUnit,
        /// The reading.
        value: f64,
    },
    /// A person sends it this command, by its OCPP 1.6 name.
    Command(String),
    /// Another device is seen to use its identity.
    Contested,
    /// It is made known: from now on it is missed.
    Registered,
    /// It tells how far an update of its firmware is.
    Firmware(String),
    /// It sends a security event of this type.
    Security(String),
    /// It tells a configuration key, or we want a value of it.
    Configuration(TestKey),
    /// From now on this is usual for chargers of its kind.
    Cohort(TestCohort),
    /// How fast it uses up its budget of uptime.
    UptimeBurn(TestBurn),
    /// It was used so often before the test began.
    Used {
        /// The time between two successful sessions, milliseconds.
        every_ms: i64,
        /// For how many days.
        days: u16,
    },
    /// What must be true now. What is `None` is not asked.
    Expect(Expect),
}

/// What must be true at a moment of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// The rules of all incidents that are not over, sorted; each as often as it has one.
    pub incidents: Option<Vec<String>>,
    /// Rules that have an incident that is not over, whatever others have.
    pub has: Option<Vec<String>>,
    /// Rules that have none.
    pub has_not: Option<Vec<String>>,
    /// Every command sent since the beginning, in order, in the words of [`action_words`].
    pub actions: Option<Vec<String>>,
    /// The states of all incidents that ever were, in the order of their opening.
    pub states: Option<Vec<String>>,
    /// The severity of the newest incident.
    pub severity: Option<u8>,
    /// The title of the newest incident.
    pub title: Option<String>,
    /// How many tickets were asked for since the beginning.
    pub tickets: Option<usize>,
}

/// What is usual for chargers of a kind, in a test.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestCohort {
    /// How many there are.
    pub chargers: u32,
    /// For how many days each of them was watched.
    pub days: f64,
    /// How often each kind of thing happened to one of them in a day.
    #[serde(default)]
    pub a_day: BTreeMap<String, f64>,
    /// How much power their sessions get, W.
    pub session_power_w: Option<f64>,
}

impl TestCohort {
    /// Sessions by the class of their power.
    pub fn powers(&self) -> Vec<f64> {
        let Some(class) = self.session_power_w.and_then(crate::power::class_of) else {
            return Vec::new();
        };
        let mut powers = vec![0.0; crate::power::CLASSES];
        powers[class] = f64::from(self.chargers) * self.days;
        powers
    }
}

/// How fast a budget of uptime is used up, in a test: as multiples of what would use it up by the end of
/// the year.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TestBurn {
    /// Over the last five minutes.
    pub five_minutes: f64,
    /// Over the last hour.
    pub hour: f64,
    /// Over the last six hours.
    pub six_hours: f64,
    /// Over the last three days.
    pub three_days: f64,
}

/// A boot in a test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TestBoot {
    /// Manufacturer.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Firmware version.
    pub firmware: Option<String>,
    /// SIM card number.
    pub iccid: Option<String>,
    /// Subscriber number.
    pub imsi: Option<String>,
    /// 2.x reason.
    pub reason: Option<String>,
}

/// A status report in a test.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestStatus {
    /// Connector number; 0 is the whole charger.
    #[serde(default = "one")]
    pub connector: u16,
    /// OCPP's word.
    pub status: String,
    /// `errorCode`; none means `NoError`.
    pub error: Option<String>,
    /// `info`.
    pub info: Option<String>,
    /// `vendorErrorCode`.
    pub vendor_code: Option<String>,
    /// How late it comes, as a duration: the charger's own time lies that far back (1.2).
    pub late: Option<String>,
}

/// A 2.x fault in a test.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFault {
    /// EVSE number; 0 is the whole charger.
    #[serde(default = "one")]
    pub connector: u16,
    /// Component name.
    pub component: String,
    /// Variable name.
    pub variable: String,
    /// Whether it is there now.
    #[serde(default = "yes")]
    pub active: bool,
    /// `techCode`.
    pub code: Option<String>,
    /// OCPP severity.
    pub severity: Option<u8>,
}

/// A token in a test.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestAuthorize {
    /// The token.
    pub id_token: String,
    /// Connector number, where the version tells.
    pub connector: Option<u16>,
    /// Whether we accept it.
    #[serde(default = "yes")]
    pub accepted: bool,
}

/// A transaction's start in a test.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestStart {
    /// Connector number.
    #[serde(default = "one")]
    pub connector: u16,
    /// The token.
    #[serde(default = "some_token")]
    pub id_token: String,
    /// Register at the start, Wh.
    #[serde(default)]
    pub meter_wh: i64,
}

/// A transaction's end in a test.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestStop {
    /// Connector number.
    #[serde(default = "one")]
    pub connector: u16,
    /// Energy delivered, Wh.
    #[serde(default)]
    pub energy_wh: i64,
    /// Why, OCPP's word.
    #[serde(default = "local")]
    pub reason: String,
    /// How late it comes, as a duration (1.2).
    pub late: Option<String>,
}

/// A configuration key in a test.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestKey {
    /// Its name.
    pub key: String,
    /// The value that the charger tells.
    pub value: Option<String>,
    /// The value that somebody wants.
    pub desired: Option<String>,
}

/// Measured values in a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TestMeter {
    /// Connector number.
    pub connector: u16,
    /// Power, W.
    pub power_w: Option<f64>,
    /// Register, Wh.
    pub energy_wh: Option<f64>,
    /// What the charger offers, A.
    pub offered_a: Option<f64>,
    /// State of charge, percent.
    pub soc_percent: Option<f64>,
}

fn one() -> u16 {
    1
}

fn yes() -> bool {
    true
}

fn some_token() -> String {
    "TOKEN-1".to_owned()
}

fn local() -> String {
    "Local".to_owned()
}

impl TimelineTest {
    /// Whether it shows the rule firing.
    pub fn fires(&self, rule: &str) -> bool {
        self.expects().any(|expect| {
            let ids = expect.incidents.iter().chain(&expect.has).flatten();
            ids.into_iter().any(|id| id == rule)
        })
    }

    /// Whether it shows the rule staying silent throughout.
    pub fn is_silent(&self, rule: &str) -> bool {
        let is_asked = self.expects().any(|expect| {
            expect.incidents.is_some() || expect.has_not.iter().flatten().any(|id| id == rule)
        });
        is_asked && !self.fires(rule)
    }

    /// The incidents that it names, with the line of each.
    pub fn expected(&self) -> impl Iterator<Item = (usize, &str)> {
        self.steps.iter().flat_map(|step| {
            let expect = match &step.act {
                Act::Expect(expect) => Some(expect),
                _ => None,
            };
            expect.into_iter().flat_map(move |expect| {
                let ids =
                    expect.incidents.iter().chain(&expect.has).chain(&expect.has_not).flatten();
                ids.map(move |id| (step.line, id.as_str()))
            })
        })
    }

    fn expects(&self) -> impl Iterator<Item = &Expect> {
        self.steps.iter().filter_map(|step| match &step.act {
            Act::Expect(expect) => Some(expect),
            _ => None,
        })
    }
}

/// A command in the words of the tests: `Reset Soft`, `UnlockConnector 1`,
/// `ChangeAvailability 1 Inoperative`, `TriggerMessage StatusNotification 1`.
pub fn action_words(action: &Action) -> String {
    let name = action.name();
    match action {
        Action::Trigger { message, connector: Some(at) } if !at.is_charger() => {
            format!("{name} {} {at}", message.name())
        }
        Action::Trigger { message, .. } => format!("{name} {}", message.name()),
        Action::Unlock { connector } => format!("{name} {connector}"),
        Action::SetAvailability { connector, operative } => {
            format!("{name} {connector} {}", if *operative { "Operative" } else { "Inoperative" })
        }
        Action::Reset { hard, .. } => format!("{name} {}", if *hard { "Hard" } else { "Soft" }),
        Action::RemoteStart { .. }
        | Action::RemoteStop { .. }
        | Action::GetConfiguration { .. }
        | Action::GetLog(_)
        | Action::UpdateFirmware(_)
        | Action::ClearCache
        | Action::Raw { .. } => name.to_owned(),
    }
}
