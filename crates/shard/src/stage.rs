//! The stage of a timeline test: a shard, one charger and a clock that is moved by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::overseer::Overseer;
use mendpoint_incidents::timeline_test::{
    Act, Expect, TestAnswer, TestCohort, TestStart, TestStatus, TestStop, TimelineTest,
    action_words,
};
use mendpoint_incidents::{
    Catalogue, CohortFigures, Effect, EngineSettings, IdSequence, Request, UptimeBurn, Usage,
    parse_duration,
};
use mendpoint_model::{
    Action, Authorize, Boot, COMMAND_TIMEOUT_MS, ChargerEvent, ChargerKey, Chargers, Command,
    CommandAnswered, CommandId, CommandOutcome, ConfigurationValue, Connected, ConnectorRef,
    ConnectorStatus, Desired, DesiredFor, DesiredKey, Disconnected, ErrorReport, EventKind,
    FaultReport, FirmwareReport, IdentityContest, Incident, IncidentId, MeterReading, Origin,
    Protocol, SecurityReport, SignalReading, SiteKey, StatusReport, TicketId, TransactionEnded,
    TransactionId, TransactionStarted, UnixMs,
};

use crate::outputs::Outputs;
use crate::shard::Shard;
use crate::timeline_test::clock_words;

const CHARGER: ChargerKey = ChargerKey(1);
const SITE: SiteKey = SiteKey(1);

/// When every test begins: 2026-01-01T00:00:00Z. Any time would do.
const START: UnixMs = UnixMs(1_767_225_600_000);

/// How many things may happen between two steps of a test before the engine counts as stuck.
const TURNS_MAX: usize = 100_000;

/// One test being played.
pub(crate) struct Stage<'a> {
    shard: Shard,
    test: &'a TimelineTest,
    now: UnixMs,
    /// Who acts in the present step.
    actor: ChargerKey,
    chargers: BTreeMap<ChargerKey, Played>,
    out: Outputs,
    /// Answers on their way, by time and order of sending.
    answers: BTreeMap<(UnixMs, u64), (ChargerKey, CommandId, CommandOutcome)>,
    sent: Vec<String>,
    incidents: BTreeMap<IncidentId, Incident>,
    tickets: usize,
    /// The incidents that a ticket was asked for, each as often as that.
    asked_for: Vec<IncidentId>,
    sessions: BTreeMap<(ChargerKey, u16), Session>,
    sessions_begun: u32,
    history: Vec<String>,
}

/// A charger of the test.
#[derive(Debug, Default)]
struct Played {
    epoch: u64,
    connected: bool,
}

/// A running transaction, as the charger knows it.
struct Session {
    id: TransactionId,
    external_id: String,
    meter_start_wh: i64,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(catalogue: Arc<Catalogue>, test: &'a TimelineTest) -> Self {
        let numbers = IdSequence { next: 1, step: 1 };
        let shard = Shard::new(
            FleetSettings::default(),
            catalogue,
            EngineSettings::default(),
            numbers,
            numbers,
        );
        let settings = EngineSettings::default();
        let mut shard = shard.with_overseer(Overseer::beside(&settings));
        shard.register(CHARGER, SITE, Arc::from("TEST"));
        Self {
            shard,
            test,
            now: START,
            actor: CHARGER,
            chargers: BTreeMap::from([(CHARGER, Played::default())]),
            out: Outputs::default(),
            answers: BTreeMap::new(),
            sent: Vec::new(),
            incidents: BTreeMap::new(),
            tickets: 0,
            asked_for: Vec::new(),
            sessions: BTreeMap::new(),
            sessions_begun: 0,
            history: Vec::new(),
        }
    }

    /// What happened so far, a line each.
    pub(crate) fn history(&self) -> Vec<String> {
        self.history.clone()
    }

    /// Lets time pass, with everything that is due until then and at that moment.
    pub(crate) fn wait_until(&mut self, at_ms: i64) -> Result<(), String> {
        let until = START + at_ms;
        for _ in 0..TURNS_MAX {
            let answer = self.answers.first_key_value().map(|(&(at, _), _)| at);
            let deadline = self.shard.next_deadline();
            let Some(next) = [answer, deadline].into_iter().flatten().min() else { break };
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            // What the charger answered comes before what the engine does for want of an answer.
            if answer.is_some_and(|at| at <= self.now)
                && let Some((_, (charger, command, outcome))) = self.answers.pop_first()
            {
                let answered = CommandAnswered { command, outcome, late: false };
                self.deliver_of(charger, EventKind::CommandAnswered(answered));
            } else {
                self.shard.advance(self.now, &mut self.out);
                self.take_outputs();
                if self.shard.next_deadline().is_some_and(|due| due <= self.now)
                    && self.shard.next_deadline() == deadline
                    && self.answers.is_empty()
                {
                    return Err(format!("{} over and over", clock_words(next.since_ms(START))));
                }
            }
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// A charger does something.
    pub(crate) fn act(&mut self, number: u16, act: &Act) {
        let now = self.now;
        let actor = ChargerKey(u32::from(number));
        self.actor = actor;
        if let std::collections::btree_map::Entry::Vacant(new) = self.chargers.entry(actor) {
            new.insert(Played::default());
            self.shard.register(actor, SITE, Arc::from(format!("TEST-{number}")));
        }
        match act {
            Act::Connect => self.connect(None),
            Act::Certificate(days) => {
                self.connect(Some(now + i64::from(*days) * mendpoint_model::DAY_MS));
            }
            Act::Disconnect => self.disconnect("closed by the charger"),
            Act::Boot(boot) => self.deliver(EventKind::Boot(Boot {
                vendor: boot.vendor.clone(),
                model: boot.model.clone(),
                serial: None,
                firmware: boot.firmware.clone(),
                iccid: boot.iccid.clone(),
                imsi: boot.imsi.clone(),
                reason: boot.reason.clone(),
            })),
            Act::Heartbeat => self.deliver(EventKind::Heartbeat),
            Act::Status(status) => self.deliver(EventKind::Status(status_report(status, now))),
            Act::Fault(fault) => self.deliver(EventKind::Fault(FaultReport {
                connector: ConnectorRef::v16(fault.connector),
                component: fault.component.clone(),
                variable: fault.variable.clone(),
                active: fault.active,
                code: fault.code.clone(),
                info: None,
                severity: fault.severity,
                at: Some(now),
            })),
            Act::Authorize(authorize) => self.deliver(EventKind::Authorize(Authorize {
                id_token: authorize.id_token.clone(),
                accepted: authorize.accepted,
                connector: authorize.connector.map(ConnectorRef::v16),
            })),
            Act::TransactionStart(start) => self.start(start),
            Act::TransactionStop(stop) => self.stop(stop),
            Act::Meter(meter) => self.deliver(EventKind::Meter(MeterReading {
                connector: ConnectorRef::v16(meter.connector),
                transaction: self.sessions.get(&(actor, meter.connector)).map(|session| session.id),
                at: Some(now),
                energy_wh: meter.energy_wh,
                power_w: meter.power_w,
                offered_a: meter.offered_a,
                soc_percent: meter.soc_percent,
                ..MeterReading::default()
            })),
            Act::Signal { transport, unit, value } => {
                self.deliver(EventKind::Signal(SignalReading {
                    transport: *transport,
                    value: *value,
                    unit: *unit,
                }));
            }
            Act::Command(action) => {
                let command = Command {
                    id: CommandId(format!("u-{}", self.sent.len()).into()),
                    charger: actor,
                    action: Action::Raw { action: action.clone(), payload: "{}".to_owned() },
                    origin: Origin::User("ana".to_owned()),
                    created_at: now,
                    timeout_ms: COMMAND_TIMEOUT_MS,
                    not_after: now + 2 * COMMAND_TIMEOUT_MS,
                };
                self.shard.note_command(&command);
                self.send(&command);
            }
            Act::Contested => self.deliver(EventKind::IdentityContested(IdentityContest {
                parties: vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()],
                swaps: 4,
            })),
            Act::Registered => {
                self.shard.note_registered(actor, now);
                self.shard.watch(now, actor, &mut self.out);
                self.take_outputs();
            }
            Act::Firmware(status) => {
                self.deliver(EventKind::Firmware(FirmwareReport { status: status.clone() }));
            }
            Act::Security(kind) => self.deliver(EventKind::Security(SecurityReport {
                kind: kind.clone(),
                info: None,
                at: Some(now),
            })),
            Act::Configuration(key) => {
                if let Some(value) = &key.desired {
                    let wanted = DesiredKey {
                        target: DesiredFor::Charger(actor),
                        name: key.key.clone(),
                        value: value.clone(),
                        set_by: "ana".to_owned(),
                        set_at: now,
                    };
                    let desired = Arc::new(Desired::new(vec![wanted]));
                    self.shard.set_desired(now, desired, &mut self.out);
                    self.take_outputs();
                }
                if let Some(value) = &key.value {
                    self.deliver(EventKind::Configuration(vec![ConfigurationValue {
                        key: key.key.clone(),
                        value: Some(value.clone()),
                        readonly: false,
                    }]));
                }
            }
            Act::Cohort(cohort) => self.cohort(cohort),
            Act::UptimeBurn(burn) => {
                let burn = UptimeBurn {
                    five_minutes: burn.five_minutes,
                    hour: burn.hour,
                    six_hours: burn.six_hours,
                    three_days: burn.three_days,
                    at: now,
                };
                self.shard.note_burn(now, actor, burn, &mut self.out);
                self.take_outputs();
            }
            Act::Used { every_ms, days } => {
                let since = now - i64::from(*days) * mendpoint_model::DAY_MS;
                let mut counted = Usage::new(since);
                let mut at = since + *every_ms;
                while at <= now {
                    counted.note(at);
                    at = at + *every_ms;
                }
                let Usage { hours, days, since, last, .. } = counted;
                let usage = Usage::counted(hours, days, since, last);
                for at in [ConnectorRef::v16(1), ConnectorRef::CHARGER] {
                    self.shard.restore_usage(now, (actor, at), &usage, &mut self.out);
                }
                self.take_outputs();
            }
            // Looked at where the failures are collected.
            Act::Expect(_) => {}
        }
    }

    /// What is not as the test says: the thing, expected, got.
    /// `seen` are the rules whose incidents are looked at; `None` for all.
    pub(crate) fn differences(
        &self,
        expect: &Expect,
        seen: Option<&BTreeSet<String>>,
    ) -> Vec<(&'static str, String, String)> {
        let is_seen = |incident: &&Incident| seen.is_none_or(|ids| ids.contains(&incident.rule));
        let all = || self.incidents.values().filter(is_seen);
        let open = || all().filter(|incident| !incident.state.is_over());
        let mut incidents: Vec<_> = open().map(|incident| incident.rule.clone()).collect();
        incidents.sort_unstable();
        let mut expected_incidents = expect.incidents.clone();
        if let Some(expected) = &mut expected_incidents {
            expected.sort_unstable();
        }
        let states: Vec<_> = all().map(|incident| incident.state.name().to_owned()).collect();
        let missing = wrong(expect.has.as_ref(), |id| !incidents.contains(id));
        let too_many = wrong(expect.has_not.as_ref(), |id| incidents.contains(id));
        let newest = all().next_back();
        let tickets = self
            .asked_for
            .iter()
            .filter(|id| self.incidents.get(id).is_none_or(|incident| is_seen(&incident)))
            .count();
        let severity = newest.map(|incident| incident.severity);
        let title = newest.map(|incident| incident.title.clone());
        [
            difference("incidents", expected_incidents.as_ref(), &incidents),
            missing.map(|ids| ("incidents", format!("with {ids:?}"), format!("{incidents:?}"))),
            too_many.map(|ids| ("incidents", format!("without {ids:?}"), format!("{incidents:?}"))),
            difference("actions", expect.actions.as_ref(), &self.sent),
            difference("states", expect.states.as_ref(), &states),
            difference_of_newest("severity of the newest incident", expect.severity, severity),
            difference_of_newest(
                "title of the newest incident",
                expect.title.as_ref(),
                title.as_ref(),
            ),
            difference("number of tickets", expect.tickets.as_ref(), &tickets),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn connect(&mut self, certificate_ends: Option<UnixMs>) {
        let played = self.chargers.entry(self.actor).or_default();
        played.epoch += 1;
        played.connected = true;
        self.deliver(EventKind::Connected(Connected {
            protocol: self.test.protocol,
            remote: "192.0.2.1:9000".to_owned(),
            replaced: false,
            certificate_ends,
        }));
    }

    fn disconnect(&mut self, reason: &str) {
        let actor = self.actor;
        self.chargers.entry(actor).or_default().connected = false;
        let reason = reason.to_owned();
        self.deliver(EventKind::Disconnected(Disconnected { reason, replaced: false }));
        // What was on its way is lost with the connection.
        let now = self.now;
        for ((at, order), (charger, command, outcome)) in std::mem::take(&mut self.answers) {
            if charger == actor {
                let lost = (charger, command, CommandOutcome::NotConnected);
                self.answers.insert((at.min(now), order), lost);
            } else {
                self.answers.insert((at, order), (charger, command, outcome));
            }
        }
    }

    /// What is usual for chargers that say of themselves what this one did.
    fn cohort(&mut self, cohort: &TestCohort) {
        let boot = self.shard.fleet().charger(self.actor).and_then(|charger| charger.boot.clone());
        let boot = boot.unwrap_or_default();
        let charger_days = f64::from(cohort.chargers) * cohort.days;
        let counts = cohort.a_day.iter().map(|(kind, n)| (kind.clone(), n * charger_days));
        let figures = CohortFigures {
            vendor: boot.vendor.clone(),
            model: boot.model.clone(),
            firmware: boot.firmware.clone().unwrap_or_default(),
            chargers: cohort.chargers,
            charger_days,
            counts: counts.collect(),
            powers: cohort.powers(),
        };
        self.shard.set_cohorts(self.now, &[figures]);
    }

    fn start(&mut self, start: &TestStart) {
        self.sessions_begun += 1;
        let is_v16 = self.test.protocol == Protocol::V16;
        let external_id =
            if is_v16 { String::new() } else { format!("tx-{}", self.sessions_begun) };
        self.deliver(EventKind::TransactionStarted(TransactionStarted {
            id: TransactionId(0),
            external_id: external_id.clone(),
            connector: ConnectorRef::v16(start.connector),
            id_token: start.id_token.clone(),
            meter_wh: Some(start.meter_wh),
            at: Some(self.now),
            seq_no: 0,
            offline: false,
            charging_state: (!is_v16).then(|| "Charging".to_owned()),
        }));
        let session = Session {
            id: self.out.answer.take().unwrap_or_default(),
            external_id,
            meter_start_wh: start.meter_wh,
        };
        self.sessions.insert((self.actor, start.connector), session);
    }

    fn stop(&mut self, stop: &TestStop) {
        // Without a start the charger knows a number that nobody here does (behaviour 58).
        let session = self.sessions.remove(&(self.actor, stop.connector)).unwrap_or_else(|| {
            Session { id: TransactionId(-1), external_id: String::new(), meter_start_wh: 0 }
        });
        self.deliver(EventKind::TransactionEnded(TransactionEnded {
            id: session.id,
            external_id: session.external_id,
            connector: Some(ConnectorRef::v16(stop.connector)),
            id_token: None,
            meter_wh: Some(session.meter_start_wh.saturating_add(stop.energy_wh)),
            reason: stop.reason.clone(),
            at: Some(self.now - late_ms(stop.late.as_deref())),
            seq_no: 1,
            offline: false,
        }));
    }

    fn deliver(&mut self, kind: EventKind) {
        self.deliver_of(self.actor, kind);
    }

    fn deliver_of(&mut self, charger: ChargerKey, kind: EventKind) {
        let epoch = self.chargers.get(&charger).map_or(0, |played| played.epoch);
        self.shard.handle(
            ChargerEvent { charger, site: SITE, received_at: self.now, epoch, frame: 0, kind },
            &mut self.out,
        );
        self.take_outputs();
    }

    /// Does what the engine wants done, as the live program would.
    fn take_outputs(&mut self) {
        self.out.facts.clear();
        self.out.lines.clear();
        let mut close = None;
        let mut tickets = Vec::new();
        for effect in std::mem::take(&mut self.out.effects) {
            match effect {
                Effect::Incident(incident) => {
                    self.incidents.insert(incident.id, *incident);
                }
                Effect::Timeline(entry) => self.note(&entry.title),
                Effect::Send(command) => self.send(&command),
                Effect::OpenTicket(request) => {
                    self.tickets += 1;
                    self.asked_for.push(request.incident);
                    self.note("a ticket is asked for");
                    tickets.push((request.incident, TicketId(self.tickets as i64)));
                }
                Effect::TicketEvidence { text, .. } => self.note(&text),
                Effect::CloseSocket(charger) => close = Some(charger),
                Effect::SwitchPower { .. } => self.note("the power is to be switched off and on"),
                Effect::Notice(notice) => self.note(&format!("people are told: {}", notice.title)),
                Effect::AskSignal(_)
                | Effect::CloseTransaction { .. }
                | Effect::Remember(_)
                | Effect::Exclusion(_)
                | Effect::Vehicle(..)
                | Effect::Attempt(_)
                | Effect::Visit(_) => {}
            }
        }
        for (incident, ticket) in tickets {
            let request = Request::TicketChanged {
                incident,
                ticket,
                status: "new".to_owned(),
                user: "system".to_owned(),
            };
            if let Err(error) = self.shard.request(self.now, request, &mut self.out) {
                self.note(&format!("the ticket was not taken: {error}"));
            }
            self.take_outputs();
        }
        if let Some(charger) = close
            && self.is_connected(charger)
        {
            let actor = std::mem::replace(&mut self.actor, charger);
            self.disconnect("closed by us");
            self.actor = actor;
        }
    }

    /// The charger gets a command and answers as the test says, at once where it says nothing.
    fn send(&mut self, command: &Command) {
        self.sent.push(action_words(&command.action));
        self.note(&format!("sent {}", action_words(&command.action)));
        let name = command.action.name();
        let (after_ms, outcome) = if self.is_connected(command.charger) {
            match self.test.answers.get(name) {
                None if name == "UnlockConnector" => (0, answered("Unlocked")),
                None => (0, answered("Accepted")),
                Some(TestAnswer::Status(word)) => (0, answered(word)),
                Some(TestAnswer::Error(code)) => {
                    let description = String::new();
                    (0, CommandOutcome::Refused { code: code.clone(), description })
                }
                Some(TestAnswer::Nothing) => (command.timeout_ms, CommandOutcome::TimedOut),
            }
        } else {
            (0, CommandOutcome::NotConnected)
        };
        let order = self.sent.len() as u64;
        let answer = (command.charger, command.id.clone(), outcome);
        self.answers.insert((self.now + after_ms, order), answer);
    }

    fn is_connected(&self, charger: ChargerKey) -> bool {
        self.chargers.get(&charger).is_some_and(|played| played.connected)
    }

    fn note(&mut self, what: &str) {
        let at = clock_words(self.now.since_ms(START));
        self.history.push(format!("{at}: {what}"));
    }
}

fn answered(status: &str) -> CommandOutcome {
    CommandOutcome::Answered {
        accepted: matches!(status, "Accepted" | "Unlocked" | "Scheduled"),
        status: status.to_owned(),
        payload: format!("{{\"status\":\"{status}\"}}"),
    }
}

fn status_report(status: &TestStatus, now: UnixMs) -> StatusReport {
    let error = status.error.as_deref().filter(|&code| code != "NoError");
    StatusReport {
        connector: ConnectorRef::v16(status.connector),
        status: status_of(&status.status),
        raw_status: None,
        error: error.map(|code| ErrorReport {
            code: code.to_owned(),
            info: status.info.clone(),
            vendor_id: None,
            vendor_code: status.vendor_code.clone(),
        }),
        at: Some(now - late_ms(status.late.as_deref())),
    }
}

/// The status of OCPP's word; the words were checked when the file was read.
fn status_of(word: &str) -> ConnectorStatus {
    match word {
        "Available" => ConnectorStatus::Available,
        "Preparing" | "Occupied" => ConnectorStatus::Preparing,
        "Charging" => ConnectorStatus::Charging,
        "SuspendedEVSE" => ConnectorStatus::SuspendedEvse,
        "SuspendedEV" => ConnectorStatus::SuspendedEv,
        "Finishing" => ConnectorStatus::Finishing,
        "Reserved" => ConnectorStatus::Reserved,
        "Unavailable" => ConnectorStatus::Unavailable,
        "Faulted" => ConnectorStatus::Faulted,
        _ => ConnectorStatus::Unknown,
    }
}

/// How late a message comes; the durations were checked when the file was read.
fn late_ms(late: Option<&str>) -> i64 {
    late.and_then(parse_duration).unwrap_or(0)
}

/// The named rules that are not as they should be; `None` for none.
fn wrong(named: Option<&Vec<String>>, is_wrong: impl Fn(&String) -> bool) -> Option<Vec<&String>> {
    let wrong: Vec<_> = named?.iter().filter(|id| is_wrong(id)).collect();
    (!wrong.is_empty()).then_some(wrong)
}

fn difference<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    expected: Option<&T>,
    got: &T,
) -> Option<(&'static str, String, String)> {
    let expected = expected.filter(|&expected| expected != got)?;
    Some((what, brief(format!("{expected:?}")), brief(format!("{got:?}"))))
}

/// A list that fits on a screen: a rule that goes wrong may send hundreds of commands in one test.
fn brief(mut text: String) -> String {
    const MOST: usize = 400;
    if text.len() > MOST {
        let cut = (0..=MOST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let cut = text[..cut].rfind(", ").unwrap_or(cut);
        text.truncate(cut);
        text.push_str(", and more");
    }
    text
}

fn difference_of_newest<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    expected: Option<T>,
    got: Option<T>,
) -> Option<(&'static str, String, String)> {
    let expected = expected?;
    match got {
        Some(got) if got == expected => None,
        Some(got) => Some((what, format!("{expected:?}"), format!("{got:?}"))),
        None => Some((what, format!("{expected:?}"), "no incident at all".to_owned())),
    }
}
