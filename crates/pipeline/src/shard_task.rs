//! One shard at work: it owns the state of its sites and turns messages into journal entries,
//! answers and commands.

mod outputs;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mendpoint_fleet::WaitingRoom;
use mendpoint_incidents::Request;
use mendpoint_model::{
    Admission, Authorize, Capabilities, ChargerEvent, ChargerKey, Chargers, Command, CommandId,
    CommandOutcome, EventKind, Finding, FindingCode, Incident, ReservationStatus, TransactionId,
    UnixMs, external_id_of,
};
use mendpoint_shard::{Outputs, Shard};
use mendpoint_store::{Entry, ReservationState};
use mendpoint_upkeep::Profiles;
use prometheus::IntGauge;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::outputs::memory_entry;
use crate::conformance::Sample;
use crate::message::{Answer, Incoming, Sampled, ShardMessage};
use crate::oversight::Reports;
use crate::pipeline::Inner;
use crate::pulse::Pulse;
use crate::release::{Batch, Release};
use crate::{clock, redact};

/// How many messages are taken from the queue at once.
const BATCH: usize = 256;

/// How often changed states are written down whole, and frames older than that are put on disk.
const FLUSH_EVERY_MS: i64 = 2_000;
/// How many states are written down in one go, and when the next of them follow. A fleet that
/// returns changes all of them at once: copies of all would take more memory than the fleet does.
const FLUSH_STATES: usize = 512;
const FLUSH_REST_MS: i64 = 100;
/// How often the states are written down of which only the times changed.
const REPEATED_EVERY_MS: i64 = 60_000;

/// The task of one shard.
pub(crate) struct ShardTask {
    /// The shard's number.
    pub(crate) index: usize,
    pub(crate) inner: Arc<Inner>,
    pub(crate) shard: Shard,
    pub(crate) queue: mpsc::Receiver<ShardMessage>,
    /// Messages of our own making. Unbounded, and bounded by what causes them: one for each command
    /// that could not be sent.
    pub(crate) feedback: mpsc::UnboundedReceiver<ShardMessage>,
    pub(crate) releases: mpsc::Sender<Batch>,
    /// What the overseer is to know.
    pub(crate) reports: Reports,
    /// How many messages wait, for the metrics.
    pub(crate) queued: IntGauge,
    /// How many batches wait for the disk, for the metrics.
    pub(crate) waiting: IntGauge,
    pub(crate) state: Working,
}

/// What a shard keeps between batches.
#[derive(Default)]
pub(crate) struct Working {
    pub(crate) outputs: Outputs,
    pub(crate) entries: Vec<Entry>,
    pub(crate) released: Vec<Release>,
    /// Since when they wait for room at the releaser.
    released_since: Option<UnixMs>,
    /// Commands that wait for their chargers to come back.
    pub(crate) waiting: WaitingRoom,
    pub(crate) waiters: FxHashMap<CommandId, oneshot::Sender<CommandOutcome>>,
    /// Chargers whose state changed since it was last written down.
    dirty: FxHashSet<ChargerKey>,
    /// Chargers that said again what they had said before: what that changes, such as when it was
    /// last said, can wait a minute for the disk.
    repeated: FxHashSet<ChargerKey>,
    /// Chargers whose state goes to disk with this batch, because an incident of theirs does: after
    /// a crash both tell the same story.
    urgent: BTreeSet<ChargerKey>,
    /// Chargers whose cell may have changed in this batch.
    touched: FxHashSet<ChargerKey>,
    settling: Vec<oneshot::Sender<()>>,
    /// Signs of life that are being taken in; empty between batches.
    pulses: Vec<Pulse>,
    /// When the first part of a report of monitors came.
    pub(crate) monitors_since: FxHashMap<ChargerKey, UnixMs>,
    /// What the shard was told last of models and of vendors.
    pub(crate) capabilities: Arc<Capabilities>,
    pub(crate) profiles: Option<Arc<Profiles>>,
    pub(crate) desired: Option<Arc<mendpoint_model::Desired>>,
    last_flush_at: UnixMs,
    last_repeated_at: UnixMs,
    last_seq: u64,
    pub(crate) now: UnixMs,
}

impl ShardTask {
    /// Takes back what was open before the start.
    pub(crate) fn restore(
        &mut self,
        now: UnixMs,
        incidents: Vec<Incident>,
        kill_switches: &crate::switches::Switches,
    ) {
        self.state.now = now;
        self.state.last_flush_at = now;
        self.state.last_repeated_at = now;
        for scope in kill_switches.keys() {
            let request =
                Request::KillSwitch { scope: scope.clone(), on: true, user: "restart".to_owned() };
            if let Err(error) = self.shard.request(now, request, &mut self.state.outputs) {
                tracing::error!(%error, "a kill switch could not be set again");
            }
        }
        self.shard.restore(now, incidents, &mut self.state.outputs);
        self.take_outputs();
    }

    /// Works until every sender of the queue is gone, then writes down what is left.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        self.refresh_all_cells();
        loop {
            let wake = self.next_wake_ms();
            let open = tokio::select! {
                biased;
                Some(message) = self.feedback.recv() => {
                    batch.push(message);
                    true
                }
                count = self.queue.recv_many(&mut batch, BATCH) => count > 0,
                () = self.inner.pulses[self.index].gathered() => true,
                () = tokio::time::sleep(Duration::from_millis(wake)) => true,
            };
            self.queued.set(self.queue.len() as i64);
            self.note_lag(&batch);
            self.take_what_all_know();
            self.take_pulses();
            for message in batch.drain(..) {
                self.message(message);
            }
            self.advance();
            if self.state.now.since_ms(self.state.last_flush_at) >= FLUSH_EVERY_MS || !open {
                self.flush(!open);
            }
            let urgent = std::mem::take(&mut self.state.urgent);
            self.write_states(urgent);
            self.refresh_touched_cells();
            self.hand_over(!open).await;
            if !open {
                return;
            }
        }
    }

    /// Tells the engine how late it is, before it works on what waited (G11): how long the oldest
    /// message waited, by how much the next deadline is overdue, and how long the oldest decision
    /// waits for the disk, whichever is most.
    fn note_lag(&mut self, batch: &[ShardMessage]) {
        let clock = clock::now();
        self.state.now = self.state.now.max(clock);
        let oldest = batch.iter().filter_map(|message| match message {
            ShardMessage::Incoming(incoming) => Some(incoming.received_at),
            _ => None,
        });
        let due = self.shard.next_deadline();
        let late_ms = oldest.chain(due).map(|at| clock.since_ms(at)).max().unwrap_or(0);
        let lag_ms = late_ms.max(self.inner.journal.health().lag_ms).max(0);
        self.shard.note_lag(self.state.now, lag_ms, &mut self.state.outputs);
        self.take_outputs();
        let held = self.shard.engine().held(self.state.now);
        self.inner.lag.say(self.index, lag_ms, held);
    }

    /// How long to sleep when nothing comes: to the next deadline of a rule, at most to the next
    /// flush.
    fn next_wake_ms(&self) -> u64 {
        let flush = FLUSH_EVERY_MS - self.state.now.since_ms(self.state.last_flush_at);
        let next = [self.shard.next_deadline(), self.state.waiting.next_deadline()];
        let next = next.into_iter().flatten().min();
        let deadline = next.map_or(flush, |at| at.since_ms(clock::now()).min(flush));
        deadline.clamp(1, FLUSH_EVERY_MS) as u64
    }

    /// Takes in who was heard. Before the messages of the batch: what a charger said first comes
    /// first.
    fn take_pulses(&mut self) {
        let mut pulses = std::mem::take(&mut self.state.pulses);
        self.inner.pulses[self.index].take(&mut pulses);
        if let Some(first) = pulses.first() {
            let delay_ms = clock::now().since_ms(first.received_at).max(0);
            self.inner.metrics.delay_seconds.observe(delay_ms as f64 / 1_000.0);
            self.inner.metrics.events.inc_by(pulses.len() as u64);
        }
        let mut due = self.shard.next_deadline();
        for pulse in pulses.drain(..) {
            let Pulse { charger, site, epoch, received_at, frame } = pulse;
            if due.is_none_or(|due| due > received_at)
                && self.shard.heard(charger, epoch, received_at)
            {
                self.state.now = self.state.now.max(received_at);
                continue;
            }
            // One that overtook its connection in the queue says nothing that the next does not.
            let state = self.shard.fleet().charger(charger);
            if state.is_some_and(|state| state.link.epoch == epoch) {
                self.state.now = self.state.now.max(received_at);
                let kind = EventKind::Heartbeat;
                let event = ChargerEvent { charger, site, received_at, epoch, frame, kind };
                self.shard.handle(event, &mut self.state.outputs);
                if !self.state.outputs.is_empty() {
                    self.take_outputs();
                }
                due = self.shard.next_deadline();
            }
        }
        self.state.pulses = pulses;
    }

    fn message(&mut self, message: ShardMessage) {
        match message {
            ShardMessage::Incoming(incoming) => self.incoming(incoming),
            ShardMessage::Command(command, waiter) => self.command(command, waiter),
            ShardMessage::Keep(command, kept, waiter) => self.keep(command, kept, waiter),
            ShardMessage::Sent(charger, id, at) => {
                self.state.entries.push(Entry::CommandSent { id, at });
                self.tell_news(charger);
            }
            ShardMessage::TakeBack(charger, command, user, answer) => {
                let _ = answer.send(self.take_back(charger, &command, &user));
            }
            ShardMessage::Request(request, answer) => {
                let result = self.shard.request(self.state.now, request, &mut self.state.outputs);
                self.take_outputs();
                // Whoever asked may have closed the page; the effects stand all the same.
                let _ = answer.send(result);
            }
            ShardMessage::Register(record) => {
                self.shard.register(record.key, record.site, Arc::clone(&record.identity));
                self.shard.admit(record.key, record.admission == Admission::Accepted);
                self.shard.note_registered(record.key, record.created_at);
                let now = self.state.now;
                self.shard.watch(now, record.key, &mut self.state.outputs);
                self.take_outputs();
                self.state.touched.insert(record.key);
            }
            ShardMessage::Look(charger, answer) => {
                let state = self.shard.fleet().charger(charger).cloned().map(Box::new);
                let _ = answer.send(state);
            }
            ShardMessage::LookUpkeep(charger, answer) => {
                let _ = answer.send(self.shard.progress(charger).cloned().map(Box::new));
            }
            ShardMessage::Order(at, order) => {
                self.state.now = self.state.now.max(at);
                self.shard.direct(self.state.now, order, &mut self.state.outputs);
                self.take_outputs();
            }
            ShardMessage::Catalogue(catalogue, overrides) => {
                self.shard.set_rules(self.state.now, catalogue, overrides);
            }
            ShardMessage::Burns(chargers) => {
                for (charger, burn) in chargers {
                    let (now, out) = (self.state.now, &mut self.state.outputs);
                    self.shard.note_burn(now, charger, burn, out);
                }
                self.take_outputs();
            }
            ShardMessage::OpeningHours(hours) => {
                let (now, out) = (self.state.now, &mut self.state.outputs);
                self.shard.set_opening_hours(now, hours, out);
                self.take_outputs();
            }
            ShardMessage::Cohorts(answer) => {
                let _ = answer.send(self.shard.cohort_figures());
            }
            ShardMessage::FleetCohorts(figures) => {
                self.shard.set_cohorts(self.state.now, &figures);
            }
            ShardMessage::Usage(chargers) => {
                for (place, usage) in chargers {
                    let (now, out) = (self.state.now, &mut self.state.outputs);
                    self.shard.restore_usage(now, place, &usage, out);
                }
                self.take_outputs();
            }
            ShardMessage::Maintenance(places) => {
                self.shard.set_maintenance(self.state.now, &places, &mut self.state.outputs);
                self.take_outputs();
            }
            ShardMessage::Settle(done) => self.state.settling.push(done),
            ShardMessage::Erase(erasure, chargers, done) => {
                self.erase(&erasure, &chargers);
                let _ = done.send(());
            }
        }
    }

    fn incoming(&mut self, incoming: Incoming) {
        let Incoming {
            charger,
            site,
            epoch,
            received_at,
            frame,
            mut events,
            quirks,
            sample,
            answer,
        } = incoming;
        self.state.now = self.state.now.max(received_at);
        self.inner.metrics.events.inc_by(events.len() as u64);
        if !quirks.is_empty() {
            self.inner.note_quirks(charger, &quirks);
        }
        let mut reply = Answer { transaction: TransactionId(0), token_accepted: true, token: None };
        let mut refused_start = false;
        let mut durable = false;
        let mut is_start = false;
        let external_id = external_id_of(&events);
        let entries_before = self.state.entries.len();
        self.shard.prepare(received_at, charger, &mut events);
        self.write_device(charger, received_at, &events);
        for mut kind in events {
            match &mut kind {
                EventKind::Meter(reading) => {
                    self.suspect_foreign(charger, reading.transaction);
                    self.shard.place_reading(charger, &external_id, reading);
                }
                EventKind::Authorize(authorize) => {
                    let verdict =
                        self.inner.verdict(&authorize.id_token, charger, authorize.connector);
                    authorize.accepted = verdict.accepted;
                    reply.judge(verdict);
                }
                EventKind::TransactionStarted(started) => {
                    is_start = true;
                    let at = Some(started.connector);
                    // A 2.x start without a token presents none: the cable came first.
                    if !started.id_token.is_empty() || started.external_id.is_empty() {
                        reply.judge(self.inner.verdict(&started.id_token, charger, at));
                        refused_start = !reply.token_accepted;
                    }
                    durable = true;
                    if !reply.token_accepted {
                        // The card was presented inside the message: what was said to it goes first.
                        let kind = EventKind::Authorize(Authorize {
                            id_token: started.id_token.clone(),
                            accepted: false,
                            connector: Some(started.connector),
                        });
                        let event = ChargerEvent { charger, site, received_at, epoch, frame, kind };
                        self.shard.handle(event, &mut self.state.outputs);
                        self.take_outputs();
                    }
                }
                EventKind::TransactionUpdated(updated) => {
                    if let Some(token) = &updated.id_token {
                        let at = updated.connector;
                        reply.judge(self.inner.verdict(token, charger, at));
                    }
                    durable = true;
                }
                EventKind::TransactionEnded(ended) => {
                    if let Some(token) = &ended.id_token {
                        reply.judge(self.inner.verdict(token, charger, None));
                    }
                    durable = true;
                }
                EventKind::Configuration(values) => redact::configuration(values),
                EventKind::CommandAnswered(answered) => {
                    redact::outcome(&mut answered.outcome);
                    self.state.entries.push(Entry::CommandOutcome {
                        charger,
                        id: answered.command.clone(),
                        outcome: answered.outcome.clone(),
                        at: received_at,
                        late: answered.late,
                    });
                    self.tell_news(charger);
                    if let Some(waiter) = self.state.waiters.remove(&answered.command) {
                        let _ = waiter.send(answered.outcome.clone());
                    }
                }
                EventKind::Reservation(report) => {
                    // The event stands behind the start that used it, so its number is known.
                    let (state, transaction) = match report.status {
                        ReservationStatus::Used => {
                            (ReservationState::Used, Some(reply.transaction).filter(|id| id.0 > 0))
                        }
                        ReservationStatus::Expired => (ReservationState::Expired, None),
                        ReservationStatus::Removed => (ReservationState::Removed, None),
                    };
                    self.state.entries.push(Entry::Reservation {
                        charger,
                        reservation: report.id,
                        state,
                        transaction,
                        at: received_at,
                    });
                }
                EventKind::Boot(boot) => {
                    self.state.entries.push(Entry::Boot { charger, boot: boot.clone() });
                    self.inner.note_boot(charger, boot);
                }
                EventKind::Security(report) => self.state.entries.push(Entry::Security {
                    charger,
                    at: received_at,
                    report: report.clone(),
                    remote: String::new(),
                }),
                _ => {}
            }
            match &kind {
                EventKind::Heartbeat => {}
                // What follows from it says whether it was news.
                EventKind::Status(_) => {
                    self.state.repeated.insert(charger);
                }
                _ => {
                    self.state.dirty.insert(charger);
                }
            }
            let event = ChargerEvent { charger, site, received_at, epoch, frame, kind };
            self.shard.handle(event, &mut self.state.outputs);
            if let Some(transaction) = self.state.outputs.answer.take() {
                reply.transaction = transaction;
            }
            self.take_outputs();
        }
        // It gets its number all the same, and the attempt is on record (behaviour 57).
        if refused_start && reply.transaction.0 > 0 {
            let word = reply.token.as_ref().map_or("not registered", |info| info.status.name());
            let sentence = format!("It began with a card that may not charge: {word}.");
            self.state.entries.push(Entry::TransactionFinding {
                transaction: reply.transaction,
                at: received_at,
                finding: Finding::new(FindingCode::RefusedToken, sentence),
            });
        }
        if let Some(session) = answer {
            if durable {
                // A start that was sent again, because its answer waits for the disk, changes nothing:
                // what its answer waits for is in the journal already.
                let said = &self.state.entries[entries_before..];
                let is_news = !is_start
                    || said.iter().any(|entry| !matches!(entry, Entry::TransactionNote { .. }));
                if is_news {
                    self.journal_open_transactions(charger);
                }
                self.state.released.push(Release::Answer(session, reply));
            } else {
                session.send(reply);
            }
        }
        if let Some(sample) = sample {
            self.offer_sample(charger, received_at, *sample, quirks);
        }
        let delay_ms = clock::now().since_ms(received_at).max(0);
        self.inner.metrics.delay_seconds.observe(delay_ms as f64 / 1_000.0);
    }

    /// Whether a reading names a transaction that this charger has not open.
    fn suspect_foreign(&self, charger: ChargerKey, named: Option<TransactionId>) {
        let Some(id) = named else { return };
        let state = self.shard.fleet().charger(charger);
        if !state.is_some_and(|state| state.transactions.iter().any(|open| open.id == id)) {
            self.inner.look_for_owner(charger, id);
        }
    }

    /// Hands a message over to be held against the specification. After everything else, when what
    /// a boot says of its charger is known.
    fn offer_sample(
        &self,
        charger: ChargerKey,
        at: UnixMs,
        sample: Sampled,
        quirks: Vec<(String, String)>,
    ) {
        let state = self.shard.fleet().charger(charger);
        let Some(protocol) = state.and_then(|state| state.link.protocol) else { return };
        let Sampled { text, answers } = sample;
        // Examples of what was odd are kept: never with a secret in them.
        let hidden = match redact::frame(&text, false) {
            std::borrow::Cow::Owned(hidden) => Some(hidden.into()),
            std::borrow::Cow::Borrowed(_) => None,
        };
        let text = hidden.unwrap_or(text);
        self.inner.conformance.offer(Sample { charger, protocol, at, text, answers, quirks });
    }

    /// A transaction message is on disk before its answer leaves: the newest state of the charger's
    /// open transactions goes into the same commit.
    fn journal_open_transactions(&mut self, charger: ChargerKey) {
        if let Some(state) = self.shard.fleet().charger(charger) {
            for transaction in &state.transactions {
                self.state
                    .entries
                    .push(Entry::TransactionChanged { charger, transaction: transaction.clone() });
            }
        }
    }

    pub(crate) fn command(
        &mut self,
        command: Command,
        waiter: Option<oneshot::Sender<CommandOutcome>>,
    ) {
        if let Some(waiter) = waiter {
            self.state.waiters.retain(|_, waiter| !waiter.is_closed());
            self.state.waiters.insert(command.id.clone(), waiter);
        }
        self.shard.note_command(&command);
        self.send(command);
    }

    /// Journals the intent, then lets the command leave (G11).
    pub(crate) fn send(&mut self, command: Command) {
        self.audit_command(&command);
        self.state.entries.push(Entry::Command(redact::command(&command).into_owned()));
        self.tell_news(command.charger);
        self.state.released.push(Release::Command(command));
    }

    /// The audit line of a command goes into the same commit as the command.
    pub(crate) fn audit_command(&mut self, command: &Command) {
        let record = self.inner.directory.charger(command.charger);
        let identity = record.map(|record| record.identity.to_string()).unwrap_or_default();
        self.state.entries.extend(crate::audited::line(command, &identity));
    }

    fn advance(&mut self) {
        self.check_waiting();
        let due = self.shard.next_deadline().is_some_and(|at| at <= self.state.now);
        if due {
            self.shard.advance(self.state.now, &mut self.state.outputs);
            self.take_outputs();
        }
    }

    /// Writes down changed states whole, and lets old frames go to disk.
    ///
    /// While the disk is behind they wait here, where a newer state takes the place of the one
    /// before: the room in the journal is for what chargers wait for.
    fn flush(&mut self, everything: bool) {
        self.state.last_flush_at = self.state.now;
        if !everything && self.inner.journal.is_behind() {
            return;
        }
        let since_repeated = self.state.now.since_ms(self.state.last_repeated_at);
        if everything || since_repeated >= REPEATED_EVERY_MS {
            self.state.last_repeated_at = self.state.now;
            self.state.dirty.extend(self.state.repeated.drain());
        }
        let all = &mut self.state.dirty;
        let dirty: Vec<_> = if everything || all.len() <= FLUSH_STATES {
            all.drain().collect()
        } else {
            self.state.last_flush_at = self.state.now - (FLUSH_EVERY_MS - FLUSH_REST_MS);
            let some: Vec<_> = all.iter().copied().take(FLUSH_STATES).collect();
            for charger in &some {
                all.remove(charger);
            }
            some
        };
        self.write_states(dirty);
        self.state.entries.extend(self.inner.frames.due(self.state.now, everything));
    }

    fn write_states(&mut self, chargers: impl IntoIterator<Item = ChargerKey>) {
        for charger in chargers {
            if let Some(state) = self.shard.fleet().charger(charger) {
                self.state.entries.push(Entry::State(Box::new(state.clone())));
            }
            // What a running transaction has measured so far.
            self.journal_open_transactions(charger);
        }
    }

    /// Puts a pseudonym in the place of a card in memory, before that is done on disk.
    fn erase(&mut self, erasure: &mendpoint_store::Erasure, chargers: &[ChargerKey]) {
        for charger in chargers {
            self.shard.amend_charger(*charger, |state| erasure.amended(state));
        }
        if chargers.is_empty() {
            self.shard.amend_incidents(|incident| erasure.amended(incident));
        }
    }

    fn refresh_touched_cells(&mut self) {
        let mut touched = std::mem::take(&mut self.state.touched);
        for charger in touched.drain() {
            self.refresh_cell(charger);
        }
        if touched.capacity() <= 2 * BATCH {
            self.state.touched = touched;
        }
    }

    fn refresh_all_cells(&self) {
        let chargers: Vec<_> = self.shard.fleet().iter().map(|state| state.key).collect();
        for charger in chargers {
            self.refresh_cell(charger);
        }
    }

    fn refresh_cell(&self, charger: ChargerKey) {
        self.inner.board.set(charger, self.shard.cell(charger));
    }

    /// Gives the batch's entries to the journal, and what waits for them to the releaser. While that
    /// has no room, because the disk is away, what waits goes along with a later batch: heartbeats
    /// must not wait for it. It is bounded by the answers that a charger may be owed.
    async fn hand_over(&mut self, is_last: bool) {
        let working = &mut self.state;
        if !working.entries.is_empty() {
            let entries = std::mem::take(&mut working.entries);
            working.last_seq = self.inner.journal.append(entries).await;
        }
        if !working.released.is_empty() {
            working.released_since.get_or_insert(working.now);
            // The releaser ends only after this task did.
            let room = if is_last {
                self.releases.reserve().await.ok()
            } else {
                self.releases.try_reserve().ok()
            };
            if let Some(room) = room {
                let releases = std::mem::take(&mut working.released);
                let since = working.released_since.take().unwrap_or(working.now);
                room.send(Batch { seq: working.last_seq, since, releases });
            }
            self.waiting.set((self.releases.max_capacity() - self.releases.capacity()) as i64);
        }
        if !working.settling.is_empty() {
            // Waits in a task of its own: the shard goes on.
            let (journal, seq) = (self.inner.journal.clone(), working.last_seq);
            let settling = std::mem::take(&mut working.settling);
            tokio::spawn(async move {
                journal.wait(seq).await;
                for done in settling {
                    let _ = done.send(());
                }
            });
        }
    }
}
