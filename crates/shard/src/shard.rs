//! Fleet and engine, joined.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_fleet::{Fleet, FleetSettings};
use mendpoint_incidents::overseer::{Order, Overseer};
use mendpoint_incidents::{
    Catalogue, CohortFigures, Effect, Engine, EngineSettings, IdSequence, KillScope, Permits,
    Request, RequestError, ThresholdOverride, UptimeBurn, Usage,
};
use mendpoint_model::{
    Capabilities, CellState, ChargerEvent, ChargerKey, ChargerState, Chargers, Command,
    ConnectorRef, Desired, EventKind, Events, Fact, Hours, Incident, IncidentId, MeterReading,
    SiteKey, Transaction, TransactionEnded, TransactionId, TransactionStarted, UnixMs,
};
use mendpoint_upkeep::{Profiles, Progress, Upkeep, UpkeepEffect, UpkeepSettings};

use crate::number::TransactionNumbers;
use crate::outputs::Outputs;
use crate::trial::{Rehearsal, on_trial};

/// The state of some sites and the engine that decides about them.
#[derive(Debug)]
pub struct Shard {
    fleet: Fleet,
    engine: Engine,
    upkeep: Upkeep,
    numbers: TransactionNumbers,
    /// Where one shard is all there is, it sees beyond itself too.
    overseer: Option<Box<Overseer>>,
    /// The rules it was made with, until those on trial live on their own.
    begun_with: Option<Arc<Catalogue>>,
    /// What lives with the rules on trial, where there are some.
    rehearsal: Option<Box<Rehearsal>>,
    /// Kept between events so that a heartbeat allocates nothing.
    facts: Vec<Fact>,
    timed_facts: Vec<(ChargerKey, Fact)>,
}

impl Shard {
    /// A shard without chargers. The two sequences give out the numbers of incidents and of
    /// transactions; those of two shards must never meet.
    pub fn new(
        fleet: FleetSettings,
        catalogue: Arc<Catalogue>,
        engine: EngineSettings,
        incidents: IdSequence,
        transactions: IdSequence,
    ) -> Self {
        Self {
            fleet: Fleet::new(fleet),
            begun_with: Some(Arc::clone(&catalogue)).filter(|rules| on_trial(rules).is_some()),
            rehearsal: None,
            engine: Engine::new(catalogue, engine, incidents),
            upkeep: Upkeep::new(
                UpkeepSettings { enabled: false, ..UpkeepSettings::default() },
                Arc::default(),
            ),
            numbers: TransactionNumbers::new(transactions),
            overseer: None,
            facts: Vec::new(),
            timed_facts: Vec::new(),
        }
    }

    /// The same with permits that it shares with other shards: what healing may do beyond a site.
    #[must_use]
    pub fn with_permits(mut self, permits: Permits) -> Self {
        self.engine = self.engine.with_permits(permits);
        self
    }

    /// The same with an upkeep that asks chargers about themselves; without it none is asked.
    #[must_use]
    pub fn with_upkeep(mut self, settings: UpkeepSettings, profiles: Arc<Profiles>) -> Self {
        self.upkeep = Upkeep::new(settings, profiles);
        self
    }

    /// The same with an overseer inside (1.7), for tests and replays: this shard is the whole fleet.
    /// Without it what the overseer is to know leaves as [`Outputs::reports`].
    #[must_use]
    pub fn with_overseer(mut self, overseer: Overseer) -> Self {
        self.overseer = Some(Box::new(overseer));
        self
    }

    /// The overseer inside, if there is one: to go on with another shard.
    pub fn take_overseer(&mut self) -> Option<Overseer> {
        self.overseer.take().map(|overseer| *overseer)
    }

    /// Does what the overseer orders.
    pub fn direct(&mut self, now: UnixMs, order: Order, out: &mut Outputs) {
        let before = out.effects.len();
        if let Some(trial) = &mut self.rehearsal {
            let (fleet, order) = (&self.fleet, order.clone());
            trial.run(&mut out.trials, |engine, out| engine.direct(now, order, fleet, out));
        }
        self.engine.direct(now, order, &self.fleet, &mut out.effects);
        self.note_commands(now, &out.effects[before..]);
        self.engine.take_reports(&mut out.reports);
    }

    /// Hands over what the engine tells; an overseer inside weighs it at once.
    fn consult(&mut self, now: UnixMs, out: &mut Outputs) {
        self.engine.take_reports(&mut out.reports);
        let Some(mut overseer) = self.overseer.take() else { return };
        let mut directives = Vec::new();
        loop {
            for report in out.reports.drain(..) {
                overseer.report(report);
            }
            overseer.advance(now, &mut directives);
            if directives.is_empty() {
                break;
            }
            for directive in directives.drain(..) {
                self.direct(now, directive.order, out);
            }
        }
        self.overseer = Some(overseer);
    }

    /// Whether a person accepted a charger: else nothing is installed on it.
    pub fn admit(&mut self, key: ChargerKey, accepted: bool) {
        self.upkeep.admit(key, accepted);
    }

    /// Takes over how far the upkeep of a charger is.
    pub fn restore_progress(&mut self, key: ChargerKey, progress: Progress) {
        self.upkeep.restore(key, progress);
    }

    /// Goes on with other vendor profiles.
    pub fn set_profiles(&mut self, now: UnixMs, profiles: Arc<Profiles>) {
        self.upkeep.set_profiles(now, profiles);
    }

    /// Goes on with other wishes for configuration keys.
    pub fn set_desired(&mut self, now: UnixMs, desired: Arc<Desired>, out: &mut Outputs) {
        for charger in self.fleet.set_desired(desired) {
            self.watch(now, charger, out);
        }
    }

    /// Which sites and chargers are in planned maintenance now, and until when: nothing is healed
    /// there meanwhile.
    pub fn set_maintenance(
        &mut self,
        now: UnixMs,
        places: &[(KillScope, UnixMs)],
        out: &mut Outputs,
    ) {
        let before = out.effects.len();
        self.engine.set_maintenance(now, places, &self.fleet, &mut out.effects);
        if let Some(trial) = &mut self.rehearsal {
            let fleet = &self.fleet;
            trial.run(&mut out.trials, |engine, out| {
                engine.set_maintenance(now, places, fleet, out);
            });
        }
        self.note_commands(now, &out.effects[before..]);
    }

    /// When sites are open: see
    /// [`Engine::set_opening_hours`](mendpoint_incidents::Engine::set_opening_hours).
    pub fn set_opening_hours(
        &mut self,
        now: UnixMs,
        hours: Arc<BTreeMap<SiteKey, Hours>>,
        out: &mut Outputs,
    ) {
        let before = out.effects.len();
        if let Some(trial) = &mut self.rehearsal {
            let (fleet, hours) = (&self.fleet, Arc::clone(&hours));
            trial.run(&mut out.trials, |engine, out| {
                engine.set_opening_hours(now, hours, fleet, out);
            });
        }
        self.engine.set_opening_hours(now, hours, &self.fleet, &mut out.effects);
        self.note_commands(now, &out.effects[before..]);
    }

    /// What this shard counted of each kind of charger.
    pub fn cohort_figures(&self) -> Vec<CohortFigures> {
        self.engine.cohort_figures()
    }

    /// Goes on with what is known of models now: neither the engine nor the upkeep tries what they
    /// do not know (behaviour 64).
    pub fn set_capabilities(&mut self, capabilities: &Arc<Capabilities>) {
        self.fleet.set_capabilities(Arc::clone(capabilities));
        self.upkeep.set_capabilities(Arc::clone(capabilities));
    }

    /// Makes the events of one message ready before they are handled: values are made fit to be
    /// kept, and what a vendor profile knows of becomes a reading.
    pub fn prepare(&mut self, now: UnixMs, charger: ChargerKey, events: &mut Events) {
        self.upkeep.prepare(now, charger, self.fleet.charger(charger), events);
    }

    /// Makes a charger known, or gives it another site or identity.
    pub fn register(&mut self, key: ChargerKey, site: SiteKey, identity: Arc<str>) {
        self.fleet.register(key, site, identity);
    }

    /// Notes when a charger was made known, so that one that never comes is missed.
    pub fn note_registered(&mut self, key: ChargerKey, at: UnixMs) {
        self.fleet.note_registered(key, at);
    }

    /// Lets the engine watch a registered charger that never said anything, so that its silence is
    /// seen. The others are watched by what they say, or from [`Shard::restore`] on.
    pub fn watch(&mut self, now: UnixMs, charger: ChargerKey, out: &mut Outputs) {
        let before = out.effects.len();
        self.engine.watch(now, charger, &self.fleet, &mut out.effects);
        if let Some(trial) = &mut self.rehearsal {
            let fleet = &self.fleet;
            trial.run(&mut out.trials, |engine, out| engine.watch(now, charger, fleet, out));
        }
        self.note_commands(now, &out.effects[before..]);
        self.consult(now, out);
    }

    /// Forgets a charger, and what was worked on for it.
    pub fn remove(&mut self, now: UnixMs, key: ChargerKey) {
        self.fleet.remove(key);
        self.engine.forget(now, key);
        if let Some(trial) = &mut self.rehearsal {
            trial.engine.forget(now, key);
        }
        self.upkeep.forget(key);
    }

    /// Takes over the state of a charger from disk; `now` is the time of our start. Before
    /// [`Shard::restore`].
    pub fn restore_charger(&mut self, now: UnixMs, state: ChargerState) {
        self.fleet.restore(now, state);
    }

    /// Takes over open transactions of a charger whose state was not kept, oldest first.
    pub fn restore_transactions(&mut self, charger: ChargerKey, transactions: Vec<Transaction>) {
        self.fleet.restore_transactions(charger, transactions);
    }

    /// Remembers a transaction that ended lately, with when and why (behaviours 32, 53, 59).
    pub fn restore_closed(
        &mut self,
        charger: ChargerKey,
        transaction: &Transaction,
        ended_at: UnixMs,
        reason: &str,
    ) {
        self.fleet.restore_closed(charger, transaction, ended_at, reason);
    }

    /// Remembers an end whose start never came (behaviours 58, 62).
    pub fn restore_orphan(&mut self, charger: ChargerKey, ended: TransactionEnded) {
        self.fleet.restore_orphan(charger, ended);
    }

    /// We do not run from now until then, as a replay knows beforehand: see
    /// [`Engine::expect_stop`](mendpoint_incidents::Engine::expect_stop).
    pub fn expect_stop(&mut self, until: UnixMs) {
        self.engine.expect_stop(until);
        if let Some(trial) = &mut self.rehearsal {
            trial.engine.expect_stop(until);
        }
        if let Some(overseer) = &mut self.overseer {
            overseer.expect_stop(until);
        }
    }

    /// Lets the engine go on where it was: with the incidents that are open, and those that had a
    /// step in the last 24 hours.
    pub fn restore(&mut self, now: UnixMs, incidents: Vec<Incident>, out: &mut Outputs) {
        if let Some(overseer) = &mut self.overseer {
            overseer.restore(now, &incidents);
        }
        let before = out.effects.len();
        self.engine.restore(now, incidents, &self.fleet, &mut out.effects);
        self.note_commands(now, &out.effects[before..]);
        self.consult(now, out);
        if let Some(rules) = self.begun_with.take() {
            self.rehearse(now, &rules, None);
        }
    }

    /// Finds out to which transaction a reading belongs that names none, and where it was taken:
    /// OCPP 2.x may leave the EVSE out after a transaction's first message, and `StopTransaction`
    /// of 1.6 has none. `external_id` is the transaction that the same message is about, empty for
    /// 1.6.
    pub fn place_reading(
        &self,
        charger: ChargerKey,
        external_id: &str,
        reading: &mut MeterReading,
    ) {
        let is_placed = !reading.connector.is_charger();
        if is_placed && external_id.is_empty() {
            return;
        }
        let Some((id, connector)) = self.fleet.place_of(charger, reading.transaction, external_id)
        else {
            return;
        };
        reading.transaction = Some(id);
        if !is_placed {
            reading.connector = connector;
        }
    }

    /// Takes in one event. What was due before it happens before it.
    pub fn handle(&mut self, mut event: ChargerEvent, out: &mut Outputs) {
        let now = event.received_at;
        if self.next_deadline().is_some_and(|due| due < now) {
            self.advance(now, out);
        }
        if let EventKind::TransactionStarted(started) = &mut event.kind {
            if started.id.0 <= 0 {
                started.id = self.number_of(event.charger, started);
            }
            out.answer = Some(started.id);
        }
        self.fleet.apply(&event, &mut self.facts);
        let of_charger = |(charger, line)| (charger, now, event.frame, line);
        out.lines.extend(self.fleet.take_lines().map(of_charger));
        let before = out.effects.len();
        self.engine.handle(now, &event, &self.facts, &self.fleet, &mut out.effects);
        if let Some(trial) = &mut self.rehearsal {
            let (fleet, facts) = (&self.fleet, &self.facts);
            trial.run(&mut out.trials, |engine, out| engine.handle(now, &event, facts, fleet, out));
        }
        self.note_commands(now, &out.effects[before..]);
        let asked = out.upkeep.len();
        self.upkeep.handle(&event, &self.fleet, &mut out.upkeep);
        self.note_questions(&out.upkeep[asked..]);
        let of_event = |fact| (event.charger, now, event.frame, fact);
        out.facts.extend(self.facts.drain(..).map(of_event));
        self.consult(now, out);
    }

    /// Takes in that a charger said on its connection that it is there, where nobody waits for such a
    /// word: the same as [`Shard::handle`] of a heartbeat, at a fraction of its cost. Nothing else may
    /// be due by then. False: nothing was done, and it is an event like others.
    pub fn heard(&mut self, charger: ChargerKey, epoch: u64, at: UnixMs) -> bool {
        let trial = self.rehearsal.as_mut().is_some_and(|it| it.engine.heeds_signs_of(charger));
        !trial && !self.engine.heeds_signs_of(charger) && self.fleet.heard(charger, epoch, at)
    }

    /// Lets time pass: gives up interrupted transactions, and does what the engine had to wait for.
    pub fn advance(&mut self, now: UnixMs, out: &mut Outputs) {
        self.let_fleet_advance(now, out);
        let before = out.effects.len();
        self.engine.advance(now, &self.fleet, &mut out.effects);
        if let Some(trial) = &mut self.rehearsal {
            let fleet = &self.fleet;
            trial.run(&mut out.trials, |engine, out| engine.advance(now, fleet, out));
        }
        self.note_commands(now, &out.effects[before..]);
        // A charge that was given up just now is closed in the same moment.
        while self.fleet.next_deadline().is_some_and(|due| due <= now) {
            self.let_fleet_advance(now, out);
        }
        let asked = out.upkeep.len();
        self.upkeep.advance(now, &self.fleet, &mut out.upkeep);
        self.note_questions(&out.upkeep[asked..]);
        self.consult(now, out);
    }

    /// Gives up what is due, and lets the engine hear of it.
    fn let_fleet_advance(&mut self, now: UnixMs, out: &mut Outputs) {
        let before = out.effects.len();
        let mut timed = std::mem::take(&mut self.timed_facts);
        self.fleet.advance(now, &mut timed);
        out.lines.extend(self.fleet.take_lines().map(|(charger, line)| (charger, now, 0, line)));
        for (charger, fact) in timed.drain(..) {
            if let Some(event) = self.timer_event(charger, now) {
                let facts = std::slice::from_ref(&fact);
                self.engine.handle(now, &event, facts, &self.fleet, &mut out.effects);
                if let Some(trial) = &mut self.rehearsal {
                    let fleet = &self.fleet;
                    trial.run(&mut out.trials, |engine, out| {
                        engine.handle(now, &event, facts, fleet, out);
                    });
                }
            }
            out.facts.push((charger, now, 0, fact));
        }
        self.timed_facts = timed;
        self.note_commands(now, &out.effects[before..]);
    }

    /// When [`Shard::advance`] has something to do next.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        let mut next = self.fleet.next_deadline();
        // Asked before each event: `flatten` over an array of five became 3,000 instructions.
        let mut meet = |at: Option<UnixMs>| {
            next = match (next, at) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        };
        meet(self.engine.next_deadline());
        meet(self.rehearsal.as_ref().and_then(|trial| trial.engine.next_deadline()));
        meet(self.upkeep.next_deadline());
        meet(self.overseer.as_ref().and_then(|overseer| overseer.next_deadline()));
        next
    }

    /// Does what a person or the ticket desk wants of an incident.
    ///
    /// # Errors
    /// What the engine refuses, in words for people.
    pub fn request(
        &mut self,
        now: UnixMs,
        request: Request,
        out: &mut Outputs,
    ) -> Result<IncidentId, RequestError> {
        let before = out.effects.len();
        let result = self.engine.request(now, request, &self.fleet, &mut out.effects);
        self.note_commands(now, &out.effects[before..]);
        self.consult(now, out);
        result
    }

    /// Tells the engine how late we are (G11), in milliseconds: see
    /// [`Engine::note_lag`](mendpoint_incidents::Engine::note_lag).
    pub fn note_lag(&mut self, now: UnixMs, lag_ms: i64, out: &mut Outputs) {
        let before = out.effects.len();
        self.engine.note_lag(now, lag_ms, &self.fleet, &mut out.effects);
        self.note_commands(now, &out.effects[before..]);
    }

    /// Notes a command that a person or the program sends; those of the engine are noted as they
    /// leave it.
    pub fn note_command(&mut self, command: &Command) {
        self.fleet.note_command(command);
        self.engine.note_command(command.created_at, command, &self.fleet);
        self.upkeep.note_command(command);
        if let Some(trial) = &mut self.rehearsal {
            trial.engine.note_command(command.created_at, command, &self.fleet);
        }
    }

    /// Goes on with other rules.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a catalogue is handed over, here as in `new`; what the engine keeps of it is its own"
    )]
    pub fn set_catalogue(&mut self, now: UnixMs, catalogue: Arc<Catalogue>) {
        self.engine.set_catalogue(now, &catalogue, &self.fleet);
        self.rehearse(now, &catalogue, None);
    }

    /// Takes over when a connector was used before our start: see
    /// [`Engine::restore_usage`](mendpoint_incidents::Engine::restore_usage).
    pub fn restore_usage(
        &mut self,
        now: UnixMs,
        place: (ChargerKey, ConnectorRef),
        usage: &Usage,
        out: &mut Outputs,
    ) {
        let before = out.effects.len();
        self.engine.restore_usage(now, place, usage, &self.fleet, &mut out.effects);
        if let Some(trial) = &mut self.rehearsal {
            let fleet = &self.fleet;
            trial.run(&mut out.trials, |engine, out| {
                engine.restore_usage(now, place, usage, fleet, out);
            });
        }
        self.note_commands(now, &out.effects[before..]);
    }

    /// How fast a charger uses up its budget of uptime now: see
    /// [`Engine::note_burn`](mendpoint_incidents::Engine::note_burn).
    pub fn note_burn(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        burn: UptimeBurn,
        out: &mut Outputs,
    ) {
        let before = out.effects.len();
        if let Some(trial) = &mut self.rehearsal {
            let fleet = &self.fleet;
            trial.run(&mut out.trials, |engine, out| {
                engine.note_burn(now, charger, burn, fleet, out);
            });
        }
        self.engine.note_burn(now, charger, burn, &self.fleet, &mut out.effects);
        self.note_commands(now, &out.effects[before..]);
        self.consult(now, out);
    }

    /// Takes over what is usual for chargers of each kind in the whole fleet.
    pub fn set_cohorts(&mut self, now: UnixMs, figures: &[CohortFigures]) {
        self.engine.set_cohorts(now, figures);
        if let Some(trial) = &mut self.rehearsal {
            trial.engine.set_cohorts(now, figures);
        }
    }

    /// Goes on with other thresholds for some chargers.
    pub fn set_thresholds(&mut self, now: UnixMs, overrides: Vec<ThresholdOverride>) {
        if let Some(trial) = &mut self.rehearsal {
            trial.engine.set_thresholds(now, overrides.clone(), &self.fleet);
        }
        self.engine.set_thresholds(now, overrides, &self.fleet);
    }

    /// Goes on with other rules and other thresholds at once, so that nothing is judged by the new of
    /// the one and the old of the other.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a catalogue is handed over, here as in `new`; what the engine keeps of it is its own"
    )]
    pub fn set_rules(
        &mut self,
        now: UnixMs,
        catalogue: Arc<Catalogue>,
        overrides: Vec<ThresholdOverride>,
    ) {
        self.engine.set_rules(now, &catalogue, overrides.clone(), &self.fleet);
        self.rehearse(now, &catalogue, Some(overrides));
    }

    /// Lets the rules on trial live beside the others, or ends that when there is none.
    fn rehearse(
        &mut self,
        now: UnixMs,
        catalogue: &Arc<Catalogue>,
        overrides: Option<Vec<ThresholdOverride>>,
    ) {
        self.begun_with = None;
        let Some(rules) = on_trial(catalogue) else {
            self.rehearsal = None;
            return;
        };
        let live = &self.engine;
        let trial = self.rehearsal.get_or_insert_with(|| Box::new(Rehearsal::of(live)));
        match overrides {
            Some(overrides) => trial.engine.set_rules(now, &rules, overrides, &self.fleet),
            None => trial.engine.set_catalogue(now, &rules, &self.fleet),
        }
        trial.set_rules(catalogue);
    }

    /// What the charger's cell of the honeycomb shows.
    pub fn cell(&self, charger: ChargerKey) -> CellState {
        self.fleet.cell(charger, self.engine.overlay(charger))
    }

    /// The chargers.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Puts other words into what is held of a charger; whether it did.
    pub fn amend_charger(
        &mut self,
        key: ChargerKey,
        change: impl FnOnce(&ChargerState) -> Option<ChargerState>,
    ) -> bool {
        self.fleet.amend(key, change)
    }

    /// Puts other words into what is held of incidents.
    pub fn amend_incidents(&mut self, change: impl Fn(&Incident) -> Option<Incident>) {
        if let Some(trial) = &mut self.rehearsal {
            trial.engine.amend_incidents(&change);
        }
        self.engine.amend_incidents(change);
    }

    /// The upkeep.
    pub fn upkeep(&self) -> &Upkeep {
        &self.upkeep
    }

    /// How far the upkeep of a charger is.
    pub fn progress(&self, charger: ChargerKey) -> Option<&Progress> {
        self.upkeep.progress(charger)
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The number of a transaction that begins: the one it has, when it is a retry (behaviour 32),
    /// else a new one.
    fn number_of(&mut self, charger: ChargerKey, started: &TransactionStarted) -> TransactionId {
        if let Some(known) = self.fleet.known_transaction(charger, started) {
            return known;
        }
        let fleet = &self.fleet;
        let wrapped = self.numbers.wrapped;
        self.numbers.take(|id| {
            fleet.uses_transaction_id(charger, id)
                || (wrapped
                    && fleet.iter().any(|state| state.transactions.iter().any(|t| t.id == id)))
        })
    }

    fn note_questions(&mut self, effects: &[UpkeepEffect]) {
        for effect in effects {
            if let UpkeepEffect::Send(command) = effect {
                self.engine.note_command(command.created_at, command, &self.fleet);
                if let Some(trial) = &mut self.rehearsal {
                    trial.engine.note_command(command.created_at, command, &self.fleet);
                }
            }
        }
    }

    fn note_commands(&mut self, now: UnixMs, effects: &[Effect]) {
        for effect in effects {
            if let Effect::AskSignal(charger) = effect {
                self.upkeep.ask_signal(now, *charger);
            }
            if let Effect::CloseTransaction { charger, transaction } = effect {
                self.fleet.give_up_stuck(*charger, *transaction, now);
            }
            if let Effect::Send(command) = effect {
                self.fleet.note_command(command);
                self.upkeep.note_command(command);
                if let Some(trial) = &mut self.rehearsal {
                    trial.engine.note_command(now, command, &self.fleet);
                }
            }
        }
    }

    /// The event under which the engine hears of a fact that time alone brought. It is none of the
    /// charger's messages and so no sign of life.
    fn timer_event(&self, charger: ChargerKey, now: UnixMs) -> Option<ChargerEvent> {
        let state = self.fleet.charger(charger)?;
        Some(ChargerEvent {
            charger,
            site: state.site,
            received_at: now,
            epoch: state.link.epoch,
            frame: 0,
            kind: EventKind::Other("Timer".to_owned()),
        })
    }
}
