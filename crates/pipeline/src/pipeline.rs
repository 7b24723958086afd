//! The pipeline itself: what all its tasks share, how it starts and how it stops.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use dashmap::DashMap;
use mendpoint_incidents::{
    Catalogue, EngineSettings, IdSequence, Memory, Permits, Request, ThresholdOverride,
};
use mendpoint_model::{
    Boot, ChargerKey, ChargerRecord, Command, CommandOutcome, Desired, IncidentId, SiteKey, UnixMs,
};
use mendpoint_shard::Shard;
use mendpoint_store::{Entry, FrameLog, Journal, MemoryRow, SignalKeyRow, Store};
use mendpoint_upkeep::Profiles;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::admission::LastFailure;
use crate::attempts::Attempts;
use crate::capabilities::CapabilityBook;
use crate::conformance::Conformance;
use crate::desk::Desk;
use crate::duty::DutyDesk;
use crate::kept::Kept;
use crate::keyring::Keyring;
use crate::kpi::KpiBook;
use crate::lag::LagBoard;
use crate::message::{Incoming, ShardMessage};
use crate::metrics::Metrics;
use crate::oversight::{self, Past, Pauses, Reports, Sight};
use crate::pulse::{Pulse, Pulses};
use crate::release;
use crate::replay::ReplayBoard;
use crate::rule_book::{RuleEdits, compose};
use crate::security_log::SecurityLog;
use crate::shard_task::{ShardTask, Working};
use crate::tokens::{Presented, Tokens, Verdict};
use crate::upkeep::with_confirmed;
use crate::uptime::Lately;
use crate::{
    AuditActor, Board, Directory, Error, Handle, Outbound, PipelineSettings, Topics, Vitals, clock,
};
use mendpoint_cards::TextForm;

/// How many batches may wait for the disk per shard before the shard waits too.
const WAITING_BATCHES: usize = 4_096;

/// For how long it is kept what rules on trial found.
const TRIALS_KEPT_MS: i64 = 90 * mendpoint_model::DAY_MS;

/// How many changes of commands a listener may be behind; one that is further behind looks anew.
const COMMAND_NEWS: usize = 1_024;

/// How long people wait for a line of the audit log to be on disk.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// Reads the files of rules again, or says why it cannot.
type RuleReader = Box<dyn Fn() -> Result<Arc<Catalogue>, String> + Send + Sync>;

/// The running pipeline.
pub struct Pipeline {
    handle: Handle,
    /// The ticket desk, then the shards with their releasers.
    tasks: (JoinHandle<()>, Vec<JoinHandle<()>>),
    /// The task that holds messages against the specification.
    conformance: JoinHandle<()>,
    /// The task that keeps the uptime ledgers.
    uptime: JoinHandle<()>,
}

/// What all tasks of the pipeline share.
pub(crate) struct Inner {
    pub(crate) settings: PipelineSettings,
    pub(crate) store: Store,
    pub(crate) journal: Journal,
    pub(crate) frames: FrameLog,
    pub(crate) directory: Directory,
    pub(crate) board: Board,
    pub(crate) topics: Topics,
    /// The rules and playbooks in force.
    pub(crate) catalogue: ArcSwap<Catalogue>,
    /// Those of the files alone.
    pub(crate) rule_files: ArcSwap<Catalogue>,
    /// What people made of them.
    pub(crate) rule_edits: ArcSwap<RuleEdits>,
    /// One change of rules at a time.
    pub(crate) rule_change: tokio::sync::Mutex<()>,
    /// Reads the files again.
    pub(crate) rule_reader: OnceLock<RuleReader>,
    pub(crate) metrics: Metrics,
    pub(crate) lag: LagBoard,
    pub(crate) outbound: Arc<dyn Outbound>,
    pub(crate) desk: Desk,
    pub(crate) duty: DutyDesk,
    pub(crate) conformance: Conformance,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) enter_failed: LastFailure,
    pub(crate) security_log: SecurityLog,
    pub(crate) epoch: AtomicU64,
    pub(crate) attempts: Attempts,
    /// Of which charger a command changed.
    pub(crate) command_news: broadcast::Sender<ChargerKey>,
    pub(crate) capabilities: CapabilityBook,
    /// Vendor profiles with the keys that people confirmed.
    pub(crate) profiles: ArcSwap<Profiles>,
    /// What people said of keys that may tell of a radio link.
    pub(crate) signal_keys: ArcSwap<Vec<SignalKeyRow>>,
    /// What configuration keys should be.
    pub(crate) desired: ArcSwap<Desired>,
    pub(crate) tokens: Tokens,
    /// What healing may do beyond a site, and what it learned.
    pub(crate) permits: Permits,
    pub(crate) replays: ReplayBoard,
    pub(crate) kpis: KpiBook,
    /// What chargers told of days whose ledgers are folded.
    pub(crate) lately: Lately,
    quirks: DashMap<ChargerKey, u64>,
    /// What the overseer sees, for pages.
    pub(crate) sight: Sight,
    /// Firmware that is not rolled out any further.
    pub(crate) rollouts: Pauses,
    /// Incidents whose pause people lifted.
    pub(crate) lifted: Mutex<BTreeSet<i64>>,
    pub(crate) kill_switches: Mutex<crate::switches::Switches>,
    frame_seq: AtomicU64,
    pub(crate) unassigned: SiteKey,
    /// Emptied at the stop: a shard ends when the last sender of its queue is gone.
    pub(crate) shards: ArcSwapOption<Vec<mpsc::Sender<ShardMessage>>>,
    feedback: Vec<mpsc::WeakUnboundedSender<ShardMessage>>,
    /// Signs of life, for each shard.
    pub(crate) pulses: Vec<Pulses>,
    pub(crate) started_at: UnixMs,
}

impl Pipeline {
    /// Reads everything back from the database and starts the shards.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn start(
        settings: PipelineSettings,
        store: Store,
        catalogue: Arc<Catalogue>,
        outbound: Arc<dyn Outbound>,
        registry: &prometheus::Registry,
    ) -> Result<Self, Error> {
        // Boxed: all that is read is held across many waits.
        Box::pin(Self::begin(settings, store, catalogue, outbound, registry)).await
    }

    async fn begin(
        settings: PipelineSettings,
        store: Store,
        catalogue: Arc<Catalogue>,
        outbound: Arc<dyn Outbound>,
        registry: &prometheus::Registry,
    ) -> Result<Self, Error> {
        let now = clock::now();
        let kept = Kept::read(&store, &settings, now).await?;
        let (kill_switches, highest) = (kept.kill_switches, kept.highest);
        let count = settings.shards.max(1) as usize;
        let (queues, receivers): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::channel(settings.queue.max(1))).unzip();
        let (feedback, feedback_receivers): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        let (desk, desk_work) = Desk::new(highest.ticket);
        let metrics = Metrics::new(registry)?;
        let (conformance, samples) =
            Conformance::new(metrics.samples_waiting.clone(), metrics.samples_left_out.clone());
        // What rules on trial had open when the program ended is not known to go on.
        store.end_rule_trials(None, now).await?;
        store.forget_rule_trials(now - TRIALS_KEPT_MS).await?;
        let mut edits = RuleEdits::read(&store).await?;
        let files = Arc::clone(&catalogue);
        let catalogue = compose(&files, &mut edits);
        for (kind, id, problems) in &edits.set_aside {
            let why = problems.first().map(ToString::to_string).unwrap_or_default();
            tracing::error!("the edited {} {id} is set aside: {why}", kind.name());
        }
        let overrides = edits.overrides();
        let inner = Arc::new(Inner {
            journal: store.journal(),
            frames: store.frame_log(),
            lag: LagBoard::new(count, &metrics),
            metrics,
            conformance,
            catalogue: ArcSwap::new(Arc::clone(&catalogue)),
            rule_files: ArcSwap::new(files),
            rule_edits: ArcSwap::from_pointee(edits),
            rule_change: tokio::sync::Mutex::new(()),
            rule_reader: OnceLock::new(),
            directory: kept.directory,
            board: Board::default(),
            topics: Topics::default(),
            outbound,
            desk,
            duty: DutyDesk::new(settings.duty.clone(), &store.secret("duty_links").await?),
            keyring: kept.keyring,
            enter_failed: LastFailure::default(),
            security_log: SecurityLog::new(store.journal()),
            epoch: AtomicU64::new(now.0.unsigned_abs() * 1_000),
            attempts: Attempts::default(),
            command_news: broadcast::Sender::new(COMMAND_NEWS),
            capabilities: kept.capabilities,
            profiles: ArcSwap::from_pointee(with_confirmed(&settings.profiles, &kept.signal_keys)),
            signal_keys: ArcSwap::from_pointee(kept.signal_keys),
            desired: ArcSwap::from_pointee(kept.desired),
            tokens: kept.tokens,
            permits: recalled(&settings, &catalogue, highest.incident, kept.memories),
            replays: ReplayBoard::default(),
            kpis: KpiBook::default(),
            lately: Lately::default(),
            quirks: DashMap::new(),
            sight: Sight::default(),
            rollouts: Pauses::default(),
            lifted: Mutex::default(),
            kill_switches: Mutex::new(kill_switches.clone()),
            frame_seq: AtomicU64::new(highest.frame + 1),
            unassigned: kept.unassigned,
            shards: ArcSwapOption::from_pointee(queues),
            feedback: feedback.iter().map(mpsc::UnboundedSender::downgrade).collect(),
            pulses: (0..count).map(|_| Pulses::default()).collect(),
            started_at: now,
            store,
            settings,
        });

        let engine = EngineSettings {
            unassigned: Some(inner.unassigned),
            power_hooks: inner.power_sites(),
            ..inner.settings.engine.clone()
        };
        let mut shards: Vec<Shard> = (0..count)
            .map(|index| {
                Shard::new(
                    inner.settings.fleet.clone(),
                    Arc::clone(&catalogue),
                    engine.clone(),
                    sequence(highest.incident, index, count),
                    sequence(highest.transaction, index, count),
                )
                .with_permits(inner.permits.clone())
                .with_upkeep(inner.settings.upkeep.clone(), inner.profiles.load_full())
            })
            .collect();
        for shard in &mut shards {
            shard.set_thresholds(now, overrides.clone());
        }
        for incident in kept.fleet.incidents() {
            inner.metrics.incident(incident);
            inner.note_rollout(incident);
        }
        let oversight =
            engine.correlation.scaled(engine.pace, &engine.guardrails, engine.startup_grace_ms);
        inner.restore_rollouts().await?;
        inner.replays.restore(&inner.store).await?;
        let past = Past::read(&inner.store, &oversight, now).await?;
        let overseer = past.overseer(oversight, now, kept.fleet.incidents());
        let (reports, told) = mpsc::channel(oversight::QUEUE);
        let backlogs = kept.fleet.hand_out(now, &inner.directory, &mut shards);
        forget_unanswered(&inner, kept.unanswered, now).await;

        let desk = tokio::spawn(crate::desk::run(Arc::clone(&inner), desk_work));
        let conformance = tokio::spawn(crate::conformance::run(Arc::clone(&inner), samples));
        let queued = inner.metrics.overseer_queue.clone();
        // Ends with the last shard.
        tokio::spawn(oversight::run(Arc::clone(&inner), overseer, told, queued));
        let mut tasks = Vec::with_capacity(2 * count);
        let queues = receivers.into_iter().zip(feedback_receivers).zip(feedback);
        for (index, ((shard, backlog), ((queue, feedback_receiver), sender))) in
            shards.into_iter().zip(backlogs).zip(queues).enumerate()
        {
            let label = index.to_string();
            let (releases, waiting) = mpsc::channel(WAITING_BATCHES);
            let mut task = ShardTask {
                index,
                inner: Arc::clone(&inner),
                shard,
                queue,
                feedback: feedback_receiver,
                releases,
                reports: Reports::new(reports.clone(), inner.metrics.overseer_dropped.clone()),
                queued: inner.metrics.queued.with_label_values(&[label.as_str()]),
                waiting: inner.metrics.waiting.with_label_values(&[label.as_str()]),
                state: Working::default(),
            };
            task.restore(now, backlog.incidents, &kill_switches);
            task.restore_waiting(backlog.waiting);
            let releaser = tokio::spawn(release::run(Arc::clone(&inner), waiting));
            tasks.push(tokio::spawn(async move {
                // The shard's own sender keeps the feedback channel open as long as it works.
                let _feedback = sender;
                task.run().await;
            }));
            tasks.push(releaser);
        }
        drop(reports);
        tokio::spawn(crate::usage::restore(Arc::clone(&inner), now));
        tokio::spawn(crate::cards::read_back(Arc::clone(&inner)));
        let uptime = tokio::spawn(crate::uptime::run(Arc::clone(&inner)));
        Ok(Self { handle: Handle(inner), tasks: (desk, tasks), conformance, uptime })
    }

    /// The way in.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Lets the shards finish what is queued, and waits until all of it is on disk.
    pub async fn stop(self) {
        let Self { handle, tasks, conformance, uptime } = self;
        handle.0.shards.store(None);
        handle.0.replays.stop_all();
        uptime.abort();
        let (desk, shards) = tasks;
        for task in shards {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the pipeline ended badly");
            }
        }
        // The desk last: what the shards handed over at the end is still written.
        handle.0.desk.stop();
        if let Err(error) = desk.await {
            tracing::error!(%error, "the ticket desk ended badly");
        }
        handle.0.conformance.stop().await;
        if let Err(error) = conformance.await {
            tracing::error!(%error, "the task of the conformance reports ended badly");
        }
        if let Err(error) = handle.0.kpis.flush(&handle.0.store).await {
            tracing::warn!(%error, "the last figures of charging were not written down");
        }
        let last = handle.0.journal.append(handle.0.frames.due(clock::now(), true)).await;
        handle.0.journal.wait(last).await;
        crate::uptime::farewell(&handle.0).await;
    }
}

/// The permits with what they remember from before.
fn recalled(
    settings: &PipelineSettings,
    catalogue: &Catalogue,
    incidents: i64,
    (rows, highest): (Vec<MemoryRow>, u64),
) -> Permits {
    let permits = Permits::new(&settings.engine);
    if !settings.shipped_rules.is_empty() {
        permits.watch_new_rules(settings.shipped_rules.iter().cloned());
    }
    permits.begin_after(highest);
    let known = rows.into_iter().filter_map(|row| {
        let MemoryRow { kind, key, json, revision } = row;
        let memory = Memory::kept(&kind, key, json, revision);
        if memory.is_none() {
            tracing::warn!(kind, "healing remembered what this version does not know");
        }
        memory
    });
    for (kind, key) in permits.recall(known.collect()) {
        tracing::warn!(kind, key, "what healing remembered is unreadable and learned anew");
    }
    if incidents > 0 && !permits.knows_rules() {
        // Of a version that did not keep them: they are in use already.
        permits.know_rules(catalogue.rules().iter().map(|rule| rule.id.clone()));
    }
    permits
}

/// The answers to what was on its way at the stop went to the program that ran before: nobody waits
/// for them any more.
async fn forget_unanswered(inner: &Inner, unanswered: Vec<Command>, now: UnixMs) {
    let lost = unanswered.into_iter().map(|command| {
        let outcome = CommandOutcome::NotConnected;
        Entry::CommandOutcome {
            charger: command.charger,
            id: command.id,
            outcome,
            at: now,
            late: false,
        }
    });
    inner.journal.append(lost.collect()).await;
}

/// Numbers for one of several shards that never meet another shard's: `index` modulo `count`.
fn sequence(highest: i64, index: usize, count: usize) -> IdSequence {
    let (index, count) = (index as i64, count as i64);
    let first = highest.max(0) + 1;
    let next = first + (index - first).rem_euclid(count);
    IdSequence { next, step: count }
}

impl Inner {
    /// Hands a message to the shard of a site; waits while its queue is full.
    pub(crate) async fn to_shard(&self, site: SiteKey, message: ShardMessage) -> Result<(), Error> {
        let sender = {
            let shards = self.shards.load();
            let shards = shards.as_ref().ok_or(Error::Stopping)?;
            shards[site.0 as usize % shards.len()].clone()
        };
        sender.send(message).await.map_err(|_| Error::Stopping)
    }

    /// Hands a charger's message to its shard, if there is room in its queue. At the stop it is
    /// dropped: the charger will send it again.
    pub(crate) fn try_incoming(&self, site: SiteKey, incoming: impl FnOnce() -> Option<Incoming>) {
        let shards = self.shards.load();
        let Some(shards) = shards.as_ref() else {
            drop(incoming());
            return;
        };
        if let Ok(room) = shards[site.0 as usize % shards.len()].try_reserve()
            && let Some(incoming) = incoming()
        {
            room.send(ShardMessage::Incoming(incoming));
        }
    }

    /// Hands a sign of life to its shard. False: there is no room for it.
    pub(crate) fn pulse(&self, pulse: Pulse) -> bool {
        self.pulses[pulse.site.0 as usize % self.pulses.len()].push(pulse)
    }

    /// Hands a message to every shard.
    pub(crate) async fn to_all_shards(
        &self,
        message: impl Fn() -> ShardMessage,
    ) -> Result<(), Error> {
        let shards = self.shards.load_full().ok_or(Error::Stopping)?;
        for shard in shards.iter() {
            shard.send(message()).await.map_err(|_| Error::Stopping)?;
        }
        Ok(())
    }

    /// Puts rules and thresholds in force in every shard.
    pub(crate) async fn put_in_force(
        &self,
        catalogue: Arc<Catalogue>,
        overrides: Vec<ThresholdOverride>,
    ) -> Result<(), Error> {
        self.catalogue.store(Arc::clone(&catalogue));
        self.to_all_shards(|| ShardMessage::Catalogue(Arc::clone(&catalogue), overrides.clone()))
            .await?;
        self.topics.touch(|versions| versions.incidents += 1);
        Ok(())
    }

    /// Hands a message of our own making to the shard of a site. Never waits, because the releaser
    /// calls it and the shard may be waiting for the releaser.
    pub(crate) fn feed_back(&self, site: SiteKey, message: ShardMessage) {
        let sender = self.feedback[site.0 as usize % self.feedback.len()].upgrade();
        if let Some(sender) = sender {
            let _ = sender.send(message);
        }
    }

    /// The same to every shard.
    pub(crate) fn feed_back_all(&self, message: impl Fn() -> ShardMessage) {
        for sender in self.feedback.iter().filter_map(mpsc::WeakUnboundedSender::upgrade) {
            let _ = sender.send(message());
        }
    }

    pub(crate) async fn request(&self, request: Request) -> Result<IncidentId, Error> {
        let site = match &request {
            Request::KillSwitch { scope, on, user } => {
                let (scope, on, user) = (scope.clone(), *on, user.clone());
                return self.kill_switch(scope, on, user).await;
            }
            Request::Report { charger, .. } => {
                self.directory.charger(*charger).ok_or(Error::UnknownCharger)?.site
            }
            other => {
                let id = other.incident().ok_or(Error::UnknownIncident)?;
                let incident = self.store.incident(id).await?.ok_or(Error::UnknownIncident)?;
                incident.site
            }
        };
        let (sender, receiver) = oneshot::channel();
        self.to_shard(site, ShardMessage::Request(request, sender)).await?;
        Ok(receiver.await.map_err(|_| Error::Stopping)??)
    }

    /// Writes a line of the audit log, and waits until it is on disk; whether it is. What was done
    /// stands already, so a database that is away keeps nobody waiting for long: the line follows.
    pub(crate) async fn audit(&self, actor: &str, action: &str, subject: &str) -> bool {
        let entry = Entry::Audit {
            at: clock::now(),
            actor: AuditActor::named(actor),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: String::new(),
        };
        self.write_down(entry).await
    }

    /// The same for what leaves: not without the line.
    pub(crate) async fn hand_out(
        &self,
        actor: &str,
        action: &str,
        what: &str,
    ) -> Result<(), Error> {
        if self.audit(actor, action, what).await { Ok(()) } else { Err(Error::NotAudited) }
    }

    /// Journals an entry, and waits until it is on disk, as long as people wait for a page.
    pub(crate) async fn write_down(&self, entry: Entry) -> bool {
        let journal = self.journal.clone();
        // In a task of its own: it is written also when nobody waits for it any more.
        let written = tokio::spawn(async move {
            let seq = journal.append(vec![entry]).await;
            journal.wait(seq).await;
        });
        matches!(tokio::time::timeout(WRITTEN_WITHIN, written).await, Ok(Ok(())))
    }

    /// A letter as it may leave: whoever reads it need not know whose card it was (S21).
    pub(crate) fn without_cards(&self, text: String) -> String {
        match self.tokens.cards.hide(&text, TextForm::Plain) {
            std::borrow::Cow::Owned(hidden) => hidden,
            std::borrow::Cow::Borrowed(_) => text,
        }
    }

    /// Whether a token may charge there, and what else is known of it.
    pub(crate) fn verdict(
        &self,
        token: &str,
        charger: ChargerKey,
        connector: Option<mendpoint_model::ConnectorRef>,
    ) -> Verdict {
        let presented = Presented { charger, connector, at: clock::now() };
        let settings = &self.settings;
        self.tokens.verdict(
            token,
            presented,
            settings.accept_unknown_tokens,
            settings.concurrent_transactions,
        )
    }

    /// The sites whose chargers' power can be switched by a hook.
    fn power_sites(&self) -> BTreeSet<SiteKey> {
        let hooks = &self.settings.power_hooks;
        let sites = self.directory.sites();
        for name in hooks.keys().filter(|name| sites.iter().all(|site| site.name != **name)) {
            tracing::warn!(site.name = name, "a power hook names a site that does not exist (yet)");
        }
        sites.iter().filter(|site| hooks.contains_key(&site.name)).map(|site| site.key).collect()
    }

    pub(crate) fn next_frame(&self) -> u64 {
        self.frame_seq.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes in what a charger says of itself.
    pub(crate) fn note_boot(&self, charger: ChargerKey, boot: &Boot) {
        let Some(record) = self.directory.charger(charger) else { return };
        let serial = boot.serial.clone().unwrap_or_else(|| record.serial.clone());
        let firmware = boot.firmware.clone().unwrap_or_else(|| record.firmware.clone());
        let same = record.vendor == boot.vendor
            && record.model == boot.model
            && record.serial == serial
            && record.firmware == firmware;
        if !same {
            self.directory.put_charger(ChargerRecord {
                vendor: boot.vendor.clone(),
                model: boot.model.clone(),
                serial,
                firmware,
                ..ChargerRecord::clone(&record)
            });
            self.topics.touch(|versions| versions.chargers += 1);
        }
    }

    /// Counts what a charger does not say as the standard does.
    pub(crate) fn note_quirks(&self, charger: ChargerKey, quirks: &[(String, String)]) {
        *self.quirks.entry(charger).or_default() += quirks.len() as u64;
        for (field, why) in quirks {
            tracing::debug!(charger.key = charger.0, field, why, "not as the standard says");
        }
    }

    pub(crate) fn vitals(&self) -> Vitals {
        let (lag_ms, held) = self.lag.worst();
        let journal = self.journal.health();
        Vitals {
            lag_ms: lag_ms.max(journal.lag_ms),
            held,
            started_at: self.started_at,
            chargers: self.directory.len(),
            events: self.metrics.events.get(),
            delay_p99_ms: self.metrics.delay_ms(0.99),
            journal,
            trouble: self.store.trouble(),
            kill_switches: self.kill_switches(),
            quirks: self.quirks.iter().map(|count| *count).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_never_give_out_the_same_number() {
        let mut seen = BTreeSet::new();
        for index in 0..3 {
            let sequence = sequence(20_430, index, 3);
            assert!(sequence.next > 20_430);
            assert_eq!(sequence.next.rem_euclid(3), index as i64);
            assert!(seen.insert(sequence.next));
        }
    }
}
