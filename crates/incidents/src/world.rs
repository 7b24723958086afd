//! A small world for tests: chargers, a clock moved by hand, and everything the engine did.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_model::{
    Authorize, Boot, ChargerEvent, ChargerKey, ChargerState, Chargers, Command, CommandAnswered,
    CommandId, CommandOutcome, Connected, ConnectorRef, ConnectorState, ConnectorStatus,
    Disconnected, ErrorReport, EventKind, Fact, FaultReport, IdentityContest, Incident, IncidentId,
    Link, Protocol, Rung, SiteKey, StatusReport, StepState, TimelineEntry, Transaction,
    TransactionId, TransactionStarted, UnixMs,
};

use crate::overseer::Overseer;
use crate::timeline_test::action_words;
use crate::{
    Catalogue, Effect, Engine, EngineSettings, IdSequence, KillScope, Memory, Permits, Request,
    RequestError, TicketRequest,
};

/// The chargers, folded as simply as tests need.
#[derive(Default)]
pub(crate) struct Fleet {
    states: BTreeMap<ChargerKey, ChargerState>,
    keys: Vec<ChargerKey>,
    sites: BTreeMap<SiteKey, Vec<ChargerKey>>,
}

impl Chargers for Fleet {
    fn charger(&self, key: ChargerKey) -> Option<&ChargerState> {
        self.states.get(&key)
    }

    fn of_site(&self, site: SiteKey) -> &[ChargerKey] {
        self.sites.get(&site).map_or(&[], Vec::as_slice)
    }

    fn keys(&self) -> Vec<ChargerKey> {
        self.keys.clone()
    }
}

/// How the chargers answer: the words of the action to the outcome.
pub(crate) type Answers = fn(&str) -> Option<CommandOutcome>;

pub(crate) fn accepted() -> CommandOutcome {
    CommandOutcome::Answered {
        accepted: true,
        status: "Accepted".to_owned(),
        payload: "{}".to_owned(),
    }
}

pub(crate) fn rejected() -> CommandOutcome {
    CommandOutcome::Answered {
        accepted: false,
        status: "Rejected".to_owned(),
        payload: "{}".to_owned(),
    }
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) overseer: Overseer,
    pub(crate) fleet: Fleet,
    pub(crate) now: UnixMs,
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    pub(crate) lines: Vec<TimelineEntry>,
    pub(crate) sent: Vec<(UnixMs, Command)>,
    pub(crate) tickets: Vec<TicketRequest>,
    pub(crate) effects: Vec<Effect>,
    /// What is kept of what healing learned, by kind and key.
    pub(crate) memory: BTreeMap<(&'static str, String), Memory>,
    pub(crate) catalogue: Arc<Catalogue>,
    settings: EngineSettings,
    first_id: i64,
    pub(crate) answers: Answers,
    pub(crate) pending: Vec<(ChargerKey, CommandId, CommandOutcome)>,
    frame: u64,
    transactions: i64,
    /// The session events come from; 0 is what no session told.
    pub(crate) epoch: u64,
}

/// The rules and playbooks that are shipped.
pub(crate) fn shipped() -> Arc<Catalogue> {
    shipped_with(|_, text| text.to_owned(), &[])
}

/// The same with some files changed and others added.
pub(crate) fn shipped_with(
    change: impl Fn(&str, &str) -> String,
    more: &[(&str, &str)],
) -> Arc<Catalogue> {
    let rules = [
        ("cmd_unresponsive.toml", include_str!("../../../config/rules/cmd_unresponsive.toml")),
        ("identity_contested.toml", include_str!("../../../config/rules/identity_contested.toml")),
        ("cert_expiry.toml", include_str!("../../../config/rules/cert_expiry.toml")),
        ("cert_expiry_soon.toml", include_str!("../../../config/rules/cert_expiry_soon.toml")),
        ("cert_expiry_now.toml", include_str!("../../../config/rules/cert_expiry_now.toml")),
        ("cp_offline.toml", include_str!("../../../config/rules/cp_offline.toml")),
        ("err_faulted.toml", include_str!("../../../config/rules/err_faulted.toml")),
        ("failed_burst.toml", include_str!("../../../config/rules/failed_burst.toml")),
        ("security_event.toml", include_str!("../../../config/rules/security_event.toml")),
        ("weak_cell.toml", include_str!("../../../config/rules/weak_cell.toml")),
        ("weak_wifi.toml", include_str!("../../../config/rules/weak_wifi.toml")),
    ];
    let playbooks = [
        ("cmd_unresponsive.toml", include_str!("../../../config/playbooks/cmd_unresponsive.toml")),
        ("err_faulted.toml", include_str!("../../../config/playbooks/err_faulted.toml")),
        ("failed_burst.toml", include_str!("../../../config/playbooks/failed_burst.toml")),
    ];
    let owned = |files: &[(&str, &str)]| {
        files.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect::<Vec<_>>()
    };
    let mut rules = owned(&rules);
    for (name, text) in &mut rules {
        *text = change(name, text);
    }
    rules.extend(owned(more));
    Arc::new(Catalogue::parse(&rules, &owned(&playbooks)).expect("what is shipped is right"))
}

pub(crate) fn engine(settings: EngineSettings, next: i64) -> Engine {
    Engine::new(shipped(), settings, IdSequence { next, step: 1 })
}

/// The overseer's settings that go with an engine's.
pub(crate) fn oversight(settings: &EngineSettings) -> crate::overseer::OverseerSettings {
    settings.correlation.scaled(settings.pace, &settings.guardrails, settings.startup_grace_ms)
}

pub(crate) const ONE: ChargerKey = ChargerKey(1);

impl World {
    pub(crate) fn new() -> Self {
        Self::with(EngineSettings::default())
    }

    pub(crate) fn with(settings: EngineSettings) -> Self {
        Self {
            overseer: Overseer::new(oversight(&settings)),
            engine: engine(settings.clone(), 1),
            fleet: Fleet::default(),
            now: UnixMs(1_000_000_000_000),
            incidents: BTreeMap::new(),
            lines: Vec::new(),
            sent: Vec::new(),
            tickets: Vec::new(),
            effects: Vec::new(),
            memory: BTreeMap::new(),
            catalogue: shipped(),
            settings,
            first_id: 1,
            answers: |_| Some(accepted()),
            pending: Vec::new(),
            frame: 0,
            transactions: 0,
            epoch: 1,
        }
    }

    /// The same with other rules or playbooks.
    pub(crate) fn of(catalogue: Arc<Catalogue>, settings: EngineSettings) -> Self {
        let ids = IdSequence { next: 1, step: 1 };
        let engine = Engine::new(Arc::clone(&catalogue), settings.clone(), ids);
        Self { engine, catalogue, ..Self::with(settings) }
    }

    /// Says of which model a charger is.
    pub(crate) fn model(&mut self, key: ChargerKey, model: &str, firmware: &str) {
        let boot = Boot {
            vendor: "ACME".to_owned(),
            model: model.to_owned(),
            firmware: Some(firmware.to_owned()),
            ..Boot::default()
        };
        self.state(key).boot = Some(Box::new(boot));
        self.booted(key, true);
    }

    /// Lets it share permits with other worlds; its incidents get numbers of their own.
    pub(crate) fn share(&mut self, permits: Permits, nth: usize) {
        self.first_id = (nth as i64 + 1) * 1_000_000;
        self.begin_sharing(permits);
    }

    fn begin_sharing(&mut self, permits: Permits) {
        let ids = IdSequence { next: self.first_id + self.incidents.len() as i64, step: 1 };
        let catalogue = Arc::clone(&self.catalogue);
        self.engine = Engine::new(catalogue, self.settings.clone(), ids).with_permits(permits);
    }

    /// Every charger.
    pub(crate) fn keys(&self) -> Vec<ChargerKey> {
        self.fleet.keys.clone()
    }

    pub(crate) fn is_offline(&self, key: ChargerKey) -> bool {
        !self.fleet.states[&key].link.connected
    }

    /// Replaces the engine by a new one that shares permits.
    pub(crate) fn restart_sharing(&mut self, settings: EngineSettings, permits: Permits) {
        self.settings = settings;
        let kept: Vec<Incident> = self.incidents.values().cloned().collect();
        self.begin_sharing(permits);
        self.restore(kept);
    }

    /// Adds a connected charger with two free connectors.
    pub(crate) fn add(&mut self, key: ChargerKey) {
        self.add_at(key, SiteKey(1));
    }

    /// The same at a site.
    pub(crate) fn add_at(&mut self, key: ChargerKey, site: SiteKey) {
        let connector = |n| ConnectorState {
            at: ConnectorRef::v16(n),
            status: ConnectorStatus::Available,
            ..ConnectorState::default()
        };
        let state = ChargerState {
            key,
            site,
            identity: format!("CP-{}", key.0).into(),
            link: Link::default(),
            boot: None,
            booted_at: None,
            whole: ConnectorState::default(),
            connectors: [connector(1), connector(2)].into_iter().collect(),
            transactions: smallvec::SmallVec::new(),
            signals: smallvec::SmallVec::new(),
            firmware_status: None,
            diagnostics_status: None,
            configuration: BTreeMap::new(),
            clock_skew_ms: None,
            drift: None,
            carded_at: None,
        };
        self.fleet.states.insert(key, state);
        self.fleet.keys = self.fleet.states.keys().copied().collect();
        self.fleet.sites.entry(site).or_default().push(key);
        self.connect(key);
    }

    pub(crate) fn state(&mut self, key: ChargerKey) -> &mut ChargerState {
        self.fleet.states.get_mut(&key).expect("the test added it")
    }

    fn handle(&mut self, key: ChargerKey, kind: EventKind, facts: &[Fact]) {
        self.frame += 1;
        let event = ChargerEvent {
            charger: key,
            site: self.fleet.states.get(&key).map_or(SiteKey(1), |state| state.site),
            received_at: self.now,
            epoch: self.epoch,
            frame: self.frame,
            kind,
        };
        let mut out = Vec::new();
        self.engine.handle(self.now, &event, facts, &self.fleet, &mut out);
        self.take(out);
        self.oversee();
    }

    /// Lets the overseer weigh what the engine told, and the engine do what it says.
    fn oversee(&mut self) {
        for _ in 0..1_000 {
            let mut reports = Vec::new();
            self.engine.take_reports(&mut reports);
            for report in reports {
                self.overseer.report(report);
            }
            let mut directives = Vec::new();
            self.overseer.advance(self.now, &mut directives);
            if directives.is_empty() {
                return;
            }
            for directive in directives {
                let mut out = Vec::new();
                self.engine.direct(self.now, directive.order, &self.fleet, &mut out);
                self.take(out);
            }
        }
        panic!("engine and overseer never agree");
    }

    fn next_deadline(&self) -> Option<UnixMs> {
        [self.engine.next_deadline(), self.overseer.next_deadline()].into_iter().flatten().min()
    }

    /// Takes in what the engine wants, and lets the chargers answer.
    pub(crate) fn take(&mut self, out: Vec<Effect>) {
        for effect in out {
            match &effect {
                Effect::Incident(incident) => {
                    self.incidents.insert(incident.id, (**incident).clone());
                }
                Effect::Timeline(entry) => self.lines.push(entry.clone()),
                Effect::Send(command) => {
                    self.sent.push((self.now, command.clone()));
                    if let Some(outcome) = (self.answers)(&action_words(&command.action)) {
                        self.pending.push((command.charger, command.id.clone(), outcome));
                    }
                }
                Effect::OpenTicket(request) => self.tickets.push(request.clone()),
                Effect::Remember(row) => {
                    self.memory.insert((row.kind, row.key.clone()), row.clone());
                }
                Effect::SwitchPower { command, charger, .. } => {
                    if let Some(outcome) = (self.answers)("SwitchPower") {
                        self.pending.push((*charger, command.clone(), outcome));
                    }
                }
                _ => {}
            }
            self.effects.push(effect);
        }
        while !self.pending.is_empty() {
            let (key, command, outcome) = self.pending.remove(0);
            self.answer(key, command, outcome);
        }
    }

    pub(crate) fn answer(&mut self, key: ChargerKey, command: CommandId, outcome: CommandOutcome) {
        let heard =
            matches!(outcome, CommandOutcome::Answered { .. } | CommandOutcome::Refused { .. });
        let now = self.now;
        if heard {
            self.state(key).link.last_seen_at = Some(now);
        }
        let kind = EventKind::CommandAnswered(CommandAnswered { command, outcome, late: false });
        self.handle(key, kind, &[]);
    }

    /// A connection takes the place of another.
    pub(crate) fn replaced(&mut self, key: ChargerKey) {
        self.heard(key);
        let kind = EventKind::Connected(Connected {
            protocol: Protocol::V16,
            remote: String::new(),
            replaced: true,
            certificate_ends: None,
        });
        self.handle(key, kind, &[]);
    }

    pub(crate) fn connect(&mut self, key: ChargerKey) {
        let now = self.now;
        let link = &mut self.state(key).link;
        link.connected = true;
        link.since = Some(now);
        link.last_seen_at = Some(now);
        let kind = EventKind::Connected(Connected {
            protocol: Protocol::V16,
            remote: String::new(),
            replaced: false,
            certificate_ends: None,
        });
        self.handle(key, kind, &[Fact::LinkUp { away_ms: None }]);
    }

    pub(crate) fn disconnect(&mut self, key: ChargerKey) {
        self.end_connection(key, "the charger closed it");
    }

    pub(crate) fn end_connection(&mut self, key: ChargerKey, reason: &str) {
        let now = self.now;
        let link = &mut self.state(key).link;
        link.connected = false;
        link.since = Some(now);
        link.last_close = reason.into();
        let reason = reason.to_owned();
        let kind =
            EventKind::Disconnected(Disconnected { reason: reason.clone(), replaced: false });
        self.handle(key, kind, &[Fact::LinkDown { reason }]);
    }

    pub(crate) fn boot(&mut self, key: ChargerKey) {
        self.booted(key, false);
    }

    /// A boot; `changed` says whether what it says of itself did.
    pub(crate) fn booted(&mut self, key: ChargerKey, changed: bool) {
        self.heard(key);
        self.state(key).boot.get_or_insert_default();
        let kind = EventKind::Boot(Boot::default());
        self.handle(key, kind, &[Fact::Booted { changed }]);
    }

    fn heard(&mut self, key: ChargerKey) {
        let now = self.now;
        self.state(key).link.last_seen_at = Some(now);
    }

    /// A reading of the Wi-Fi, dBm.
    pub(crate) fn signal(&mut self, key: ChargerKey, value: f64) {
        self.heard(key);
        let reading = mendpoint_model::SignalReading {
            transport: mendpoint_model::Transport::Wifi,
            value,
            unit: mendpoint_model::SignalUnit::RssiDbm,
        };
        let now = self.now;
        self.state(key).signals = smallvec::smallvec![(now, reading)];
        self.handle(key, EventKind::Signal(reading), &[Fact::SignalRead(reading)]);
    }

    pub(crate) fn heartbeat(&mut self, key: ChargerKey) {
        self.heard(key);
        self.handle(key, EventKind::Heartbeat, &[]);
    }

    pub(crate) fn status(&mut self, key: ChargerKey, n: u16, status: ConnectorStatus, code: &str) {
        self.heard(key);
        let now = self.now;
        let at = ConnectorRef::v16(n);
        let error = (!code.is_empty())
            .then(|| ErrorReport { code: code.to_owned(), ..ErrorReport::default() });
        let charger = self.state(key);
        let state = if n == 0 {
            &mut charger.whole
        } else {
            charger.connectors.iter_mut().find(|state| state.at == at).expect("a connector")
        };
        let same = state.status == status
            && state.error.as_ref().map(|e| e.code.as_str())
                == error.as_ref().map(|e| e.code.as_str());
        let from = std::mem::replace(&mut state.status, status);
        state.error = error.clone().map(Box::new);
        state.since = Some(now);
        if status.is_plugged() {
            state.plugged_at = state.plugged_at.or(Some(now));
        } else if status != ConnectorStatus::Faulted {
            state.plugged_at = None;
        }
        let fact = if same {
            Fact::StatusRepeated { connector: at }
        } else {
            let error = error.clone();
            Fact::StatusChanged {
                connector: at,
                from,
                to: status,
                error,
                historical: false,
                since: now,
            }
        };
        let kind = EventKind::Status(StatusReport {
            connector: at,
            status,
            raw_status: None,
            error,
            at: None,
        });
        self.handle(key, kind, &[fact]);
    }

    /// A fault of OCPP 2.x on a connector, or its end.
    pub(crate) fn component(
        &mut self,
        key: ChargerKey,
        n: u16,
        (component, variable): (&str, &str),
        active: bool,
    ) {
        self.heard(key);
        let fault = FaultReport {
            connector: ConnectorRef::v16(n),
            component: component.to_owned(),
            variable: variable.to_owned(),
            active,
            code: None,
            info: None,
            severity: None,
            at: None,
        };
        let charger = self.state(key);
        let state = if n == 0 {
            &mut charger.whole
        } else {
            charger.connectors.iter_mut().find(|state| state.at == fault.connector).expect("there")
        };
        state.faults.retain(|known| known.component != component || known.variable != variable);
        if active {
            state.faults.push(fault.clone());
        }
        self.handle(key, EventKind::Fault(fault.clone()), &[Fact::FaultChanged(fault)]);
    }

    /// A security event, of this time by the charger's own clock.
    pub(crate) fn security(&mut self, key: ChargerKey, word: &str, at: UnixMs) {
        self.heard(key);
        let kind = word.to_owned();
        let report = mendpoint_model::SecurityReport { kind, info: None, at: Some(at) };
        self.handle(key, EventKind::Security(report), &[]);
    }

    /// Another device is seen to use its identity.
    pub(crate) fn contested(&mut self, key: ChargerKey) {
        self.heard(key);
        let parties = vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()];
        let contest = IdentityContest { parties, swaps: 4 };
        self.handle(key, EventKind::IdentityContested(contest), &[]);
    }

    /// The end of a command that a person sent.
    pub(crate) fn person(&mut self, key: ChargerKey, outcome: CommandOutcome) {
        self.answer(key, CommandId("u-1".into()), outcome);
    }

    /// News of an upload.
    pub(crate) fn upload(&mut self, key: ChargerKey, word: &str) {
        self.heard(key);
        let now = self.now;
        self.state(key).diagnostics_status = Some((now, word.into()));
        self.handle(key, EventKind::Diagnostics(word.to_owned()), &[]);
    }

    pub(crate) fn authorize(&mut self, key: ChargerKey, token: &str) {
        self.heard(key);
        let kind = EventKind::Authorize(Authorize {
            id_token: token.to_owned(),
            accepted: true,
            connector: None,
        });
        let fact = Fact::Authorized { id_token: token.to_owned(), accepted: true, connector: None };
        self.handle(key, kind, &[fact]);
    }

    /// A card is shown inside a start, and refused.
    pub(crate) fn refuse(&mut self, key: ChargerKey, token: &str) {
        self.heard(key);
        let id_token = token.to_owned();
        let connector = None;
        let kind = EventKind::Authorize(Authorize {
            id_token: id_token.clone(),
            accepted: false,
            connector,
        });
        self.handle(key, kind, &[Fact::Authorized { id_token, accepted: false, connector }]);
    }

    pub(crate) fn start(&mut self, key: ChargerKey, n: u16, token: &str) {
        self.heard(key);
        self.transactions += 1;
        let at = ConnectorRef::v16(n);
        let transaction = Transaction {
            id: TransactionId(self.transactions),
            connector: at,
            id_token: token.into(),
            opened_at: self.now,
            started_at: self.now,
            meter_start_wh: Some(0),
            ..Transaction::default()
        };
        self.state(key).transactions.push(transaction.clone());
        let kind = EventKind::TransactionStarted(TransactionStarted {
            id: transaction.id,
            external_id: String::new(),
            connector: at,
            id_token: token.to_owned(),
            meter_wh: Some(0),
            at: None,
            seq_no: 0,
            offline: false,
            charging_state: None,
        });
        self.handle(key, kind, &[Fact::TransactionOpened(transaction)]);
    }

    /// A reading of the transaction on a connector.
    pub(crate) fn meter(&mut self, key: ChargerKey, n: u16, energy_wh: f64) {
        self.heard(key);
        let connector = ConnectorRef::v16(n);
        let state = self.state(key);
        if let Some(tx) = state.transactions.iter_mut().find(|tx| tx.connector == connector) {
            tx.meter_wh = Some(energy_wh);
        }
        let reading = mendpoint_model::MeterReading {
            connector,
            energy_wh: Some(energy_wh),
            ..mendpoint_model::MeterReading::default()
        };
        let fact = Fact::Metered { connector, power_w: None };
        self.handle(key, EventKind::Meter(reading), &[fact]);
    }

    pub(crate) fn stop(&mut self, key: ChargerKey, n: u16, energy_wh: f64, reason: &str) {
        self.heard(key);
        let at = ConnectorRef::v16(n);
        let ended_at = self.now;
        let charger = self.state(key);
        let Some(index) = charger.transactions.iter().position(|tx| tx.connector == at) else {
            return;
        };
        let transaction = charger.transactions.remove(index);
        let fact = Fact::TransactionClosed {
            transaction,
            reason: reason.to_owned(),
            ended_at,
            energy_wh: Some(energy_wh),
            historical: false,
        };
        self.handle(key, EventKind::Other("StopTransaction".to_owned()), &[fact]);
    }

    /// Lets time pass, deadline by deadline.
    pub(crate) fn wait(&mut self, seconds: i64) {
        let until = self.now + seconds * 1_000;
        for _ in 0..100_000 {
            let Some(next) = self.next_deadline().filter(|at| *at <= until) else { break };
            self.now = self.now.max(next);
            let mut out = Vec::new();
            self.engine.advance(self.now, &self.fleet, &mut out);
            self.take(out);
            self.oversee();
            let again = self.next_deadline();
            assert!(again.is_none_or(|at| at > self.now), "the engine spins at {again:?}");
        }
        self.now = until;
    }

    /// Lets time pass with a heartbeat a minute.
    pub(crate) fn live(&mut self, key: ChargerKey, minutes: i64) {
        for _ in 0..minutes {
            self.wait(60);
            self.heartbeat(key);
        }
    }

    /// The engine is told how late it is.
    pub(crate) fn lag(&mut self, lag_ms: i64) {
        let mut out = Vec::new();
        self.engine.note_lag(self.now, lag_ms, &self.fleet, &mut out);
        self.take(out);
    }

    /// A connector (0: the whole charger) was used so often until now.
    pub(crate) fn used(&mut self, key: ChargerKey, n: u16, every_ms: i64, days: i64) {
        let since = self.now - days * mendpoint_model::DAY_MS;
        let mut counted = crate::Usage::new(since);
        let mut at = since + every_ms;
        while at <= self.now {
            counted.note(at);
            at = at + every_ms;
        }
        let crate::Usage { hours, days, since, last, .. } = counted;
        let usage = crate::Usage::counted(hours, days, since, last);
        let mut out = Vec::new();
        let at = (key, ConnectorRef::v16(n));
        self.engine.restore_usage(self.now, at, &usage, &self.fleet, &mut out);
        self.take(out);
        self.oversee();
    }

    /// Where people work by plan, and until when.
    pub(crate) fn maintenance(&mut self, places: &[(KillScope, UnixMs)]) {
        let mut out = Vec::new();
        self.engine.set_maintenance(self.now, places, &self.fleet, &mut out);
        self.take(out);
    }

    pub(crate) fn request(&mut self, request: Request) -> Result<IncidentId, RequestError> {
        let mut out = Vec::new();
        let result = self.engine.request(self.now, request, &self.fleet, &mut out);
        self.take(out);
        self.oversee();
        result
    }

    /// Replaces the engine by a new one that restores what was written.
    pub(crate) fn restart(&mut self, settings: EngineSettings) {
        let kept: Vec<Incident> = self.incidents.values().cloned().collect();
        self.overseer = Overseer::new(oversight(&settings));
        self.overseer.restore(self.now, &kept);
        let ids = IdSequence { next: kept.len() as i64 + 1, step: 1 };
        self.engine = Engine::new(Arc::clone(&self.catalogue), settings, ids);
        let memory = self.memory.values().cloned().collect();
        assert_eq!(self.engine.permits().recall(memory), []);
        self.restore(kept);
    }

    fn restore(&mut self, kept: Vec<Incident>) {
        for key in self.fleet.keys.clone() {
            self.state(key).link.connected = false;
        }
        self.pending.clear();
        let mut out = Vec::new();
        self.engine.restore(self.now, kept, &self.fleet, &mut out);
        self.take(out);
        self.oversee();
    }

    pub(crate) fn actions(&self) -> Vec<String> {
        self.sent.iter().map(|(_, command)| action_words(&command.action)).collect()
    }

    pub(crate) fn incident(&self) -> &Incident {
        self.incidents.values().next_back().expect("there is an incident")
    }

    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line.kind.as_str()).collect()
    }
}

/// A world with one connected charger.
pub(crate) fn world() -> World {
    let mut world = World::new();
    world.add(ONE);
    world
}

/// Lets the charger restart after a reset, coming back with the given status on connector 1.
pub(crate) fn restart(world: &mut World, status: ConnectorStatus, code: &str) {
    world.wait(2);
    world.disconnect(ONE);
    world.wait(40);
    world.connect(ONE);
    world.boot(ONE);
    world.status(ONE, 1, status, code);
}

/// A fault that lasts, and is confirmed when the engine asks for the status.
pub(crate) fn fault(world: &mut World, code: &str) {
    world.status(ONE, 1, ConnectorStatus::Faulted, code);
    world.wait(61);
    world.status(ONE, 1, ConnectorStatus::Faulted, code);
}

/// The steps of the newest incident.
pub(crate) fn steps(world: &World) -> Vec<(Rung, StepState)> {
    let healing = world.incident().healing.as_ref().expect("it is healed");
    healing.steps.iter().map(|step| (step.rung, step.state)).collect()
}
