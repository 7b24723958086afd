//! The replay itself: frames in, decisions out.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::overseer::Overseer;
use mendpoint_incidents::timeline_test::action_words;
use mendpoint_incidents::{
    Catalogue, Effect, EngineSettings, IdSequence, Memory, Outcome, Permits, Request,
    ThresholdOverride,
};
use mendpoint_model::{
    Authorize, ChargerEvent, ChargerKey, ChargerState, Chargers as _, Command, CommandAnswered,
    CommandId, CommandOutcome, Connected, Disconnected, EventKind, Events, FrameSeq, Hours,
    Incident, IncidentId, Origin, Protocol, SiteKey, Source, UnixMs, external_id_of,
};
use mendpoint_ocpp::{Frame, decode, encode_action, read_answer, read_frame};
use mendpoint_shard::{Outputs, Shard};
use mendpoint_upkeep::{Profiles, UpkeepSettings};
use rustc_hash::FxHashMap;

use crate::answer::Verdict;
use crate::budget::{BudgetSettings, Budgets};
use crate::desk::{Desk, DeskSettings};
use crate::found::{Found, WouldBe};
use crate::order::read_order;
use crate::past::{Deed, Direction, PastAct, PastFrame, PastLink, PastSubject, Start};
use crate::wire::{Flight, Held, Wanted, Wire};

/// Numbers of transactions that the log does not tell begin here, far from those it tells.
const FIRST_TRANSACTION: i64 = 1_900_000_000;
/// And each start of ours has so many.
const TRANSACTIONS_EACH: i64 = 1_000_000;
/// How long the log is searched for the same command, before it is taken as accepted.
const LOOK_MS: i64 = 5_000;
/// The most would-be actions that are kept; more are counted.
const ACTIONS_MAX: usize = 5_000;
/// The most incidents that are kept; more are counted.
const INCIDENTS_MAX: usize = 50_000;
/// Before the name of a live command that the replayed engine did not send.
const LIVE: &str = "live:";

/// What a replay runs with.
#[derive(Clone, Debug)]
pub struct ReplaySettings {
    /// How transactions and statuses are read, as live.
    pub fleet: FleetSettings,
    /// The engine's numbers, as live.
    pub engine: EngineSettings,
    /// Vendor profiles: where signals are read from.
    pub profiles: Arc<Profiles>,
    /// Only incidents opened from here on count; what is before warms the engine up.
    pub from: UnixMs,
    /// Thresholds that are set otherwise for some chargers.
    pub thresholds: Vec<ThresholdOverride>,
    /// Who is handed what.
    pub desk: DeskSettings,
    /// What is laid over the ledgers of uptime.
    pub budgets: BudgetSettings,
}

/// What a replay gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Incidents that rules opened in the range, by number.
    pub incidents: Vec<Found>,
    /// How many more there were than are kept.
    pub incidents_left_out: u64,
    /// What would have been sent in the range, in order.
    pub actions: Vec<WouldBe>,
    /// How many commands would have been sent.
    pub actions_counted: u64,
    /// Charges that failed at this time on this charger, by the log.
    pub failed_charges: Vec<(UnixMs, ChargerKey)>,
    /// Frames taken in.
    pub frames: u64,
    /// Frames of chargers that are not part of it, or not registered any more.
    pub frames_left_out: u64,
    /// Frames that no version can read.
    pub frames_unreadable: u64,
}

/// The past, lived through once more.
#[derive(Debug)]
pub struct Replay {
    shard: Shard,
    /// What a shard begins with.
    begins: Begins,
    wires: FxHashMap<ChargerKey, Wire>,
    out: Outputs,
    from: UnixMs,
    now: UnixMs,
    found: BTreeMap<IncidentId, Found>,
    /// Who is handed what.
    desk: Desk,
    /// Whether the desk's news is being told.
    settling: bool,
    /// How fast budgets of uptime are used up.
    budgets: Budgets,
    /// What healing remembers over a restart.
    memories: BTreeMap<(&'static str, String), Memory>,
    /// Our own server does not run until then.
    asleep_until: Option<UnixMs>,
    /// Answers that are due, in order.
    due: BTreeMap<(UnixMs, u64), (ChargerKey, CommandId, CommandOutcome)>,
    next_due: u64,
    run: Run,
}

impl Replay {
    /// A replay of a fleet that is told by [`Replay::begin`], with rules of its own.
    pub fn new(catalogue: Arc<Catalogue>, settings: ReplaySettings) -> Self {
        let ReplaySettings { fleet, engine, profiles, from, thresholds, desk, budgets } = settings;
        let desk = Desk::new(desk, Arc::clone(&catalogue));
        let hours = budgets.hours.iter().filter(|(_, hours)| !hours.is_always());
        let hours = Arc::new(hours.map(|(site, hours)| (*site, hours.clone())).collect());
        let mut begins = Begins {
            fleet,
            catalogue,
            engine,
            profiles,
            thresholds,
            hours,
            incident: 1,
            shards: 0,
        };
        Self {
            shard: begins.shard(&BTreeMap::new(), None),
            begins,
            wires: FxHashMap::default(),
            out: Outputs::default(),
            from,
            now: UnixMs(i64::MIN),
            found: BTreeMap::new(),
            desk,
            settling: false,
            budgets: Budgets::new(budgets),
            memories: BTreeMap::new(),
            asleep_until: None,
            due: BTreeMap::new(),
            next_due: 0,
            run: Run::default(),
        }
    }

    /// Sets the scene: the chargers as they were when the first frame came.
    pub fn begin(&mut self, now: UnixMs, chargers: Vec<Start>) {
        self.now = now;
        let mut online = Vec::new();
        let mut states = Vec::new();
        for Start { mut state, history } in chargers {
            let protocol = state.link.protocol.unwrap_or(Protocol::V16);
            let mut wire = Wire::new(state.site, protocol);
            wire.epoch = state.link.epoch;
            if state.link.connected {
                online.push((state.key, state.link.remote.to_string()));
                state.link.connected = false;
            }
            self.wires.insert(state.key, wire);
            self.budgets.remember(state.key, state.site, history);
            states.push(state);
        }
        self.go_on(states, Vec::new());
        for (charger, remote) in online {
            self.connected(charger, now, remote);
        }
    }

    /// The shard begins, with what was known.
    fn go_on(&mut self, states: Vec<ChargerState>, incidents: Vec<Incident>) {
        let now = self.now;
        for state in states {
            self.shard.register(state.key, state.site, Arc::clone(&state.identity));
            self.shard.restore_charger(now, state);
        }
        let hours = Arc::clone(&self.begins.hours);
        self.shard.set_opening_hours(now, hours, &mut self.out);
        self.shard.restore(now, incidents, &mut self.out);
        self.budgets.begin(now);
        self.take_outputs();
        self.look_at_budgets();
    }

    /// Takes in that our own server did not run: what chargers did not tell meanwhile is nobody's. To
    /// be told before anything that came after `from`.
    pub fn stop(&mut self, from: UnixMs, until: UnixMs) {
        if until <= self.now {
            return;
        }
        self.catch_up(from.max(self.now));
        self.asleep_until = Some(until);
    }

    /// Our own server runs again, with what it had kept.
    fn restart(&mut self, now: UnixMs) {
        self.now = self.now.max(now);
        self.asleep_until = None;
        let states: Vec<ChargerState> = self.shard.fleet().iter().cloned().collect();
        let incidents = self.desk.incidents(self.now);
        let overseer = self.shard.take_overseer().map(Overseer::restarted);
        self.shard = self.begins.shard(&self.memories, overseer);
        // Nobody waits for the answers to what was on its way.
        self.due.clear();
        for wire in self.wires.values_mut() {
            wire.online = false;
            wire.wanted.clear();
            wire.renew();
        }
        self.desk.begin_anew();
        self.go_on(states, incidents);
    }

    /// Takes in a change of a connection.
    pub fn link(&mut self, change: &PastLink) {
        self.catch_up(change.at);
        let Some(wire) = self.wires.get_mut(&change.charger) else { return };
        match (change.online, wire.online) {
            // Up twice: what ended it in between was an end of ours, which no charger notices.
            (true, _) => self.connected(change.charger, change.at, String::new()),
            (false, true) => {
                wire.online = false;
                let lost = wire.renew();
                let reason = change.reason.clone();
                let kind = EventKind::Disconnected(Disconnected { reason, replaced: false });
                self.event(change.charger, change.at, 0, kind);
                for command in lost {
                    let outcome = CommandOutcome::NotConnected;
                    self.answered(change.charger, change.at, 0, command, outcome);
                }
            }
            (false, false) => {}
        }
    }

    /// Takes in what a person did, if the replay has what it was done to.
    pub fn act(&mut self, act: PastAct) {
        let PastAct { at, deed } = act;
        self.catch_up(at);
        let standing = |past: &PastSubject| self.desk.standing_for(past);
        let request = match deed {
            Deed::Report { charger, connector, reason, text, reporter, source } => {
                Some(Request::Report { charger, connector, reason, text, reporter, source })
            }
            Deed::Take(past, user) => {
                standing(&past).map(|incident| Request::Take { incident, user })
            }
            Deed::Release(past, user) => {
                standing(&past).map(|incident| Request::Release { incident, user })
            }
            Deed::Resolve(past, user) => standing(&past).map(|incident| Request::Resolve {
                incident,
                user,
                reason: String::new(),
                safe: true,
            }),
        };
        self.tell(request);
        self.take_outputs();
    }

    /// Takes in a frame. Frames come in the order of their numbers.
    pub fn frame(&mut self, frame: PastFrame<'_>) {
        if !self.wires.contains_key(&frame.charger) {
            self.run.frames_left_out += 1;
            return;
        }
        self.run.frames += 1;
        self.catch_up(frame.at);
        match frame.direction {
            Direction::In => self.heard(frame),
            Direction::Out => self.said(frame),
        }
    }

    /// Lets time pass until the end, and gives what came of it.
    pub fn finish(mut self, until: UnixMs) -> Run {
        self.catch_up(until);
        self.run.incidents = self.found.into_values().collect();
        self.run
    }

    /// How many incidents the range has so far.
    pub fn found(&self) -> usize {
        self.found.len()
    }

    /// The time it has come to.
    pub fn now(&self) -> UnixMs {
        self.now
    }

    fn catch_up(&mut self, now: UnixMs) {
        match self.asleep_until {
            // Nobody looks at a clock.
            Some(until) if now < until => {
                self.now = self.now.max(now);
                return;
            }
            Some(until) => self.restart(until),
            None => {}
        }
        while let Some((&key, _)) = self.due.first_key_value()
            && key.0 <= now
        {
            if let Some((charger, command, outcome)) = self.due.remove(&key) {
                if let Some(wire) = self.wires.get_mut(&charger) {
                    wire.wanted.retain(|wanted| wanted.command != command);
                }
                self.advance(key.0);
                self.answered(charger, key.0, 0, command, outcome);
            }
        }
        self.advance(now);
    }

    fn next_deadline(&self) -> Option<UnixMs> {
        let own = [self.desk.next_deadline(), self.budgets.next_deadline()];
        own.into_iter().chain([self.shard.next_deadline()]).flatten().min()
    }

    fn advance(&mut self, now: UnixMs) {
        while let Some(at) = self.next_deadline()
            && at <= now
        {
            // At its own time, so that what is decided carries the time it would have had live.
            self.now = self.now.max(at);
            if self.shard.next_deadline().is_some_and(|due| due <= self.now) {
                self.shard.advance(self.now, &mut self.out);
            }
            self.take_outputs();
            self.look_at_budgets();
            if self.next_deadline() == Some(at) {
                // It could not be worked off: live, a later message would bring it on too.
                break;
            }
        }
        self.now = self.now.max(now);
    }

    fn look_at_budgets(&mut self) {
        for (charger, burn) in self.budgets.look(self.now, &self.shard) {
            self.shard.note_burn(self.now, charger, burn, &mut self.out);
            self.take_outputs();
        }
    }

    /// A frame of the charger's.
    fn heard(&mut self, frame: PastFrame<'_>) {
        let Some(wire) = self.wires.get_mut(&frame.charger) else { return };
        if !wire.online {
            // The first frame shows that it is connected; the row that says so may be gone.
            self.connected(frame.charger, frame.at, String::new());
        }
        let Some(wire) = self.wires.get_mut(&frame.charger) else { return };
        let protocol = wire.protocol;
        let read = read_frame(frame.text).and_then(|read| read.known_to(protocol));
        match read {
            Ok(Frame::Call { id, action, payload }) => {
                if wire.held.is_some() {
                    // The answer to what it asked before is not in the log.
                    self.release(frame.charger, frame.at, Verdict::UNKNOWN);
                }
                self.called(frame, &id, &action, payload);
            }
            Ok(Frame::Send { action, payload, .. }) => {
                let events = decode(protocol, &action, payload, frame.at).events;
                self.deliver(frame.charger, frame.at, frame.seq, events, Verdict::UNKNOWN);
            }
            Ok(Frame::CallResult { id, payload }) => {
                let Some(flight) = wire.take_flight(&id) else { return self.alive(frame) };
                let (outcome, told) = read_answer(protocol, &flight.action, payload);
                let events = told.into_iter().collect();
                self.deliver(frame.charger, frame.at, frame.seq, events, Verdict::UNKNOWN);
                self.answered(frame.charger, frame.at, frame.seq, flight.command, outcome);
            }
            Ok(Frame::CallError { id, code, description, .. }) => {
                let Some(flight) = wire.take_flight(&id) else { return self.alive(frame) };
                let (code, description) = (code.into_owned(), description.into_owned());
                let outcome = CommandOutcome::Refused { code, description };
                self.answered(frame.charger, frame.at, frame.seq, flight.command, outcome);
            }
            Ok(Frame::CallResultError { .. }) => self.alive(frame),
            Err(_) => {
                self.run.frames_unreadable += 1;
                self.alive(frame);
            }
        }
    }

    fn called(&mut self, frame: PastFrame<'_>, id: &str, action: &str, payload: &str) {
        let Some(wire) = self.wires.get_mut(&frame.charger) else { return };
        if wire.is_repeated(frame.text) {
            return self.alive(frame);
        }
        if action == "BootNotification" {
            self.speak(frame.charger, frame.at, payload);
        }
        let Some(wire) = self.wires.get_mut(&frame.charger) else { return };
        let events = decode(wire.protocol, action, payload, frame.at).events;
        if events.iter().any(depends_on_answer) {
            wire.held = Some(Box::new(Held { id: id.into(), seq: frame.seq, events }));
            return;
        }
        self.deliver(frame.charger, frame.at, frame.seq, events, Verdict::UNKNOWN);
    }

    /// A boot tells which version the charger speaks.
    fn speak(&mut self, charger: ChargerKey, at: UnixMs, payload: &str) {
        let Some(wire) = self.wires.get_mut(&charger) else { return };
        let is_v16 = payload.contains("\"chargePointVendor\"");
        let is_v2 = payload.contains("\"chargingStation\"");
        let spoken = match wire.protocol {
            Protocol::V16 if is_v2 && !is_v16 => Protocol::V201,
            Protocol::V201 | Protocol::V21 if is_v16 && !is_v2 => Protocol::V16,
            _ => return,
        };
        wire.protocol = spoken;
        self.connected(charger, at, String::new());
    }

    /// A frame of ours.
    fn said(&mut self, frame: PastFrame<'_>) {
        let Some(wire) = self.wires.get_mut(&frame.charger) else { return };
        let kind = frame.text.bytes().skip(1).find(|byte| !byte.is_ascii_whitespace());
        match kind {
            // Nearly all: an answer that nothing hangs on.
            Some(b'3' | b'4') if wire.held.is_none() => {}
            Some(b'3' | b'4') => {
                let verdict = match read_frame(frame.text) {
                    Ok(Frame::CallResult { id, payload })
                        if wire.held.as_ref().is_some_and(|held| *held.id == *id) =>
                    {
                        Verdict::read(payload)
                    }
                    _ => return,
                };
                self.release(frame.charger, frame.at, verdict);
            }
            Some(b'2') => {
                let protocol = wire.protocol;
                if let Ok(Frame::Call { id, action, payload }) = read_frame(frame.text) {
                    self.ordered(frame, protocol, &id, &action, payload);
                }
            }
            _ => {}
        }
    }

    /// A call of ours: the answer to what the replayed engine wants, or somebody else's.
    fn ordered(
        &mut self,
        frame: PastFrame<'_>,
        protocol: Protocol,
        id: &str,
        name: &str,
        payload: &str,
    ) {
        let Some(wire) = self.wires.get_mut(&frame.charger) else { return };
        let action = read_order(protocol, name, payload);
        if let Some(wanted) = wire.take_wanted(name) {
            self.due.remove(&wanted.due);
            let Wanted { command, action, timeout_ms, index, .. } = wanted;
            // The charger may never have answered.
            self.next_due += 1;
            let due = (frame.at + timeout_ms, self.next_due);
            self.due.insert(due, (frame.charger, command.clone(), CommandOutcome::TimedOut));
            wire.add_flight(Flight { id: id.into(), command, action });
            if let Some(would) = index.and_then(|index| self.run.actions.get_mut(index)) {
                would.was_sent = true;
            }
            return;
        }
        let command = Command {
            id: CommandId(format!("{LIVE}{id}").into()),
            charger: frame.charger,
            action: action.clone(),
            origin: Origin::User("the log".to_owned()),
            created_at: frame.at,
            timeout_ms: mendpoint_model::COMMAND_TIMEOUT_MS,
            not_after: frame.at + mendpoint_model::COMMAND_TIMEOUT_MS,
        };
        wire.add_flight(Flight { id: id.into(), command: command.id.clone(), action });
        self.shard.note_command(&command);
    }

    fn release(&mut self, charger: ChargerKey, at: UnixMs, verdict: Verdict) {
        let Some(held) = self.wires.get_mut(&charger).and_then(|wire| wire.held.take()) else {
            return;
        };
        self.deliver(charger, at, held.seq, held.events, verdict);
    }

    fn alive(&mut self, frame: PastFrame<'_>) {
        self.event(frame.charger, frame.at, frame.seq, EventKind::Heartbeat);
    }

    fn connected(&mut self, charger: ChargerKey, at: UnixMs, remote: String) {
        let Some(wire) = self.wires.get_mut(&charger) else { return };
        let replaced = wire.online;
        wire.online = true;
        wire.epoch += 1;
        let lost = wire.renew();
        let protocol = wire.protocol;
        let connected = Connected { protocol, remote, replaced, certificate_ends: None };
        self.event(charger, at, 0, EventKind::Connected(connected));
        for command in lost {
            self.answered(charger, at, 0, command, CommandOutcome::NotConnected);
        }
    }

    fn answered(
        &mut self,
        charger: ChargerKey,
        at: UnixMs,
        seq: FrameSeq,
        command: CommandId,
        outcome: CommandOutcome,
    ) {
        self.due.retain(|_, (_, waiting, _)| *waiting != command);
        let answer = CommandAnswered { command, outcome, late: false };
        self.event(charger, at, seq, EventKind::CommandAnswered(answer));
    }

    /// Takes in the events of one message, as the live program does.
    fn deliver(
        &mut self,
        charger: ChargerKey,
        at: UnixMs,
        seq: FrameSeq,
        mut events: Events,
        verdict: Verdict,
    ) {
        self.shard.prepare(at, charger, &mut events);
        let external_id = external_id_of(&events);
        for mut kind in events {
            match &mut kind {
                EventKind::Meter(reading) => {
                    self.shard.place_reading(charger, &external_id, reading);
                }
                EventKind::Authorize(authorize) => authorize.accepted = verdict.accepted,
                EventKind::TransactionStarted(started) => {
                    if started.external_id.is_empty() {
                        started.id = verdict.transaction;
                    }
                    if !verdict.accepted {
                        let refused = Authorize {
                            id_token: started.id_token.clone(),
                            accepted: false,
                            connector: Some(started.connector),
                        };
                        self.event(charger, at, seq, EventKind::Authorize(refused));
                    }
                }
                _ => {}
            }
            self.event(charger, at, seq, kind);
        }
    }

    fn event(&mut self, charger: ChargerKey, at: UnixMs, frame: FrameSeq, kind: EventKind) {
        let Some(wire) = self.wires.get(&charger) else { return };
        let (site, epoch) = (wire.site, wire.epoch);
        // Our clock may have been set back; the engine's never goes back.
        let received_at = at.max(self.now);
        if let EventKind::Boot(boot) = &kind
            && boot.reason.as_deref() == Some("PowerUp")
        {
            self.budgets.power_up(charger, received_at);
        }
        let event = ChargerEvent { charger, site, received_at, epoch, frame, kind };
        self.shard.handle(event, &mut self.out);
        self.take_outputs();
    }

    /// Takes in what the shard decided, and tells it what became of it at the desk.
    fn take_outputs(&mut self) {
        self.sort_outputs();
        if self.settling {
            return;
        }
        self.settling = true;
        loop {
            let requests = self.desk.settle(self.now);
            if let Some(places) = self.desk.take_planned() {
                self.shard.set_maintenance(self.now, &places, &mut self.out);
                self.sort_outputs();
            } else if requests.is_empty() {
                break;
            }
            self.tell(requests);
        }
        self.settling = false;
    }

    fn tell(&mut self, requests: impl IntoIterator<Item = Request>) {
        for request in requests {
            // An incident that was just put away takes no ticket, live as here.
            let _ = self.shard.request(self.now, request, &mut self.out);
            self.sort_outputs();
        }
    }

    fn sort_outputs(&mut self) {
        let mut facts = std::mem::take(&mut self.out.facts);
        for (charger, at, _, fact) in facts.drain(..) {
            self.budgets.note(charger, at, &fact, self.shard.fleet().charger(charger));
        }
        self.out.facts = facts;
        self.out.lines.clear();
        self.out.upkeep.clear();
        self.out.answer = None;
        if self.out.effects.is_empty() {
            return;
        }
        let now = self.now;
        let mut requests = Vec::new();
        for effect in std::mem::take(&mut self.out.effects) {
            match effect {
                Effect::Incident(incident) => {
                    self.note_incident(&incident);
                    self.desk.hear(now, &incident);
                }
                Effect::Remember(memory) => {
                    self.memories.insert((memory.kind, memory.key.clone()), memory);
                }
                Effect::Send(command) => self.want(command),
                Effect::OpenTicket(request) => requests.extend(self.desk.open_for(now, request)),
                Effect::TicketEvidence { ticket, incident, kind, text, .. } => {
                    requests.extend(self.desk.evidence(now, (ticket, incident), kind, text));
                }
                Effect::CloseSocket(charger) => {
                    self.would(now, charger, None, "close the connection".to_owned());
                }
                Effect::SwitchPower { charger, .. } => {
                    self.would(now, charger, None, "switch the power off and on".to_owned());
                }
                Effect::Attempt(ended) => {
                    if matches!(ended.outcome, Outcome::Failed(_)) && ended.ended_at >= self.from {
                        self.run.failed_charges.push((ended.ended_at, ended.charger));
                    }
                }
                Effect::Timeline(_)
                | Effect::AskSignal(_)
                | Effect::CloseTransaction { .. }
                | Effect::Exclusion(_)
                | Effect::Notice(_)
                | Effect::Vehicle(..)
                | Effect::Visit(_) => {}
            }
        }
        self.tell(requests);
    }

    fn note_incident(&mut self, incident: &Incident) {
        self.begins.incident = self.begins.incident.max(incident.id.0 + 1);
        if let Some(found) = self.found.get_mut(&incident.id) {
            found.update(incident);
            return;
        }
        if incident.opened_at < self.from || incident.source != Source::System {
            return;
        }
        if self.found.len() >= INCIDENTS_MAX {
            self.run.incidents_left_out += 1;
            return;
        }
        self.found.insert(incident.id, Found::of(incident));
    }

    /// A command leaves the engine: written down, and answered later.
    fn want(&mut self, command: Command) {
        let words = action_words(&command.action);
        let incident = match command.origin {
            Origin::Engine(incident) => Some(incident),
            _ => None,
        };
        let index = self.would(self.now, command.charger, incident, words);
        let Some(wire) = self.wires.get_mut(&command.charger) else { return };
        self.next_due += 1;
        let name = encode_action(wire.protocol, &command.action)
            .map_or_else(|_| command.action.name().into(), |(name, _)| Box::from(&*name));
        let (outcome, after_ms) = if wire.online {
            (accepted(&command), LOOK_MS.min(command.timeout_ms.max(1)))
        } else {
            (CommandOutcome::NotConnected, 1)
        };
        let due = (self.now + after_ms, self.next_due);
        wire.wanted.push(Wanted {
            command: command.id.clone(),
            action: command.action,
            name,
            timeout_ms: command.timeout_ms,
            due,
            index,
        });
        self.due.insert(due, (command.charger, command.id, outcome));
    }

    fn would(
        &mut self,
        at: UnixMs,
        charger: ChargerKey,
        incident: Option<IncidentId>,
        action: String,
    ) -> Option<usize> {
        if at < self.from {
            return None;
        }
        self.run.actions_counted += 1;
        if self.run.actions.len() >= ACTIONS_MAX {
            return None;
        }
        self.run.actions.push(WouldBe { at, charger, incident, action, was_sent: false });
        Some(self.run.actions.len() - 1)
    }

    /// The rules of all incidents that are open, those of people included.
    #[cfg(test)]
    pub(crate) fn shard_open(&self) -> Vec<&str> {
        self.shard.engine().open().map(|incident| incident.rule.as_str()).collect()
    }

    /// The site of a charger.
    pub fn site(&self, charger: ChargerKey) -> Option<SiteKey> {
        self.wires.get(&charger).map(|wire| wire.site)
    }
}

/// What a shard begins with, at first and after every start of ours.
#[derive(Debug)]
struct Begins {
    fleet: FleetSettings,
    catalogue: Arc<Catalogue>,
    engine: EngineSettings,
    profiles: Arc<Profiles>,
    thresholds: Vec<ThresholdOverride>,
    hours: Arc<BTreeMap<SiteKey, Hours>>,
    /// The number of the next incident.
    incident: i64,
    /// How many shards there were.
    shards: i64,
}

impl Begins {
    fn shard(
        &mut self,
        memories: &BTreeMap<(&'static str, String), Memory>,
        overseer: Option<Overseer>,
    ) -> Shard {
        let incidents = IdSequence { next: self.incident, step: 1 };
        let first = FIRST_TRANSACTION + self.shards * TRANSACTIONS_EACH;
        let transactions = IdSequence { next: first, step: 1 };
        self.shards += 1;
        let upkeep = UpkeepSettings { enabled: false, ..UpkeepSettings::default() };
        let permits = Permits::new(&self.engine);
        permits.begin_after(memories.values().map(|memory| memory.revision).max().unwrap_or(0));
        // What this very program wrote can be read.
        permits.recall(memories.values().cloned().collect());
        let (catalogue, engine) = (Arc::clone(&self.catalogue), self.engine.clone());
        let overseer = overseer.unwrap_or_else(|| Overseer::beside(&self.engine));
        let mut shard = Shard::new(self.fleet.clone(), catalogue, engine, incidents, transactions)
            .with_permits(permits)
            .with_upkeep(upkeep, Arc::clone(&self.profiles))
            .with_overseer(overseer);
        shard.set_thresholds(UnixMs(i64::MIN), self.thresholds.clone());
        shard
    }
}

/// A charger's yes to a command that nobody sent.
fn accepted(command: &Command) -> CommandOutcome {
    let is_unlock = command.action.name() == "UnlockConnector";
    let status = if is_unlock { "Unlocked" } else { "Accepted" }.to_owned();
    let payload = format!("{{\"status\":\"{status}\"}}");
    CommandOutcome::Answered { accepted: true, status, payload }
}

/// Whether what an event means depends on what we answered.
fn depends_on_answer(kind: &EventKind) -> bool {
    match kind {
        EventKind::Authorize(_) => true,
        EventKind::TransactionStarted(started) => {
            started.external_id.is_empty() || !started.id_token.is_empty()
        }
        _ => false,
    }
}
