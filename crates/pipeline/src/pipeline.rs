//! The pipeline itself: what all its tasks share, how it starts and how it stops.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use dashmap::DashMap;
use mendpoint_incidents::{Catalogue, IdSequence, KillScope, Request};
use mendpoint_model::{
    Admission, Boot, ChargerKey, ChargerRecord, CommandOutcome, IncidentId, SiteKey, SiteRecord,
    UnixMs,
};
use mendpoint_shard::Shard;
use mendpoint_store::{Entry, FrameLog, Journal, SignalKeyRow, Store};
use mendpoint_upkeep::Profiles;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::admission::LastFailure;
use crate::attempts::Attempts;
use crate::capabilities::CapabilityBook;
use crate::conformance::Conformance;
use crate::desk::Desk;
use crate::keyring::Keyring;
use crate::lag::LagBoard;
use crate::message::{Incoming, ShardMessage};
use crate::metrics::Metrics;
use crate::release;
use crate::security_log::SecurityLog;
use crate::shard_task::{ShardTask, Working};
use crate::tokens::{Presented, Tokens, Verdict};
use crate::upkeep::with_confirmed;
use crate::{Board, Directory, Error, Handle, Outbound, PipelineSettings, Topics, Vitals, clock};

/// How many batches may wait for the disk per shard before the shard waits too.
const WAITING_BATCHES: usize = 4_096;

/// How many changes of commands a listener may be behind; one that is further behind looks anew.
const COMMAND_NEWS: usize = 1_024;

/// The running pipeline.
pub struct Pipeline {
    handle: Handle,
    /// The ticket desk, then the shards with their releasers.
    tasks: (JoinHandle<()>, Vec<JoinHandle<()>>),
    /// The task that holds messages against the specification.
    conformance: JoinHandle<()>,
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
    pub(crate) catalogue: ArcSwap<Catalogue>,
    pub(crate) metrics: Metrics,
    pub(crate) lag: LagBoard,
    pub(crate) outbound: Arc<dyn Outbound>,
    pub(crate) desk: Desk,
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
    pub(crate) tokens: Tokens,
    quirks: DashMap<ChargerKey, u64>,
    kill_switches: Mutex<BTreeSet<KillScope>>,
    frame_seq: AtomicU64,
    pub(crate) unassigned: SiteKey,
    /// Emptied at the stop: a shard ends when the last sender of its queue is gone.
    shards: ArcSwapOption<Vec<mpsc::Sender<ShardMessage>>>,
    feedback: Vec<mpsc::WeakUnboundedSender<ShardMessage>>,
    started_at: UnixMs,
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
        let now = clock::now();
        let directory = Directory::default();
        for site in store.all_sites().await? {
            directory.put_site(site);
        }
        let unassigned = match directory.sites().iter().find(|site| site.name == UNASSIGNED) {
            Some(site) => site.key,
            None => {
                let site = SiteRecord { name: UNASSIGNED.to_owned(), ..SiteRecord::default() };
                let site = store.put_site(&site).await?;
                let key = site.key;
                directory.put_site(site);
                key
            }
        };
        for charger in store.all_chargers().await? {
            directory.put_charger(charger);
        }
        let highest = store.highest_ids().await?;
        let tokens = Tokens::default();
        for row in store.id_tokens().await? {
            tokens.put(&row);
        }
        let pepper = if settings.credential_pepper.is_empty() {
            store.secret("credential_pepper").await?
        } else {
            settings.credential_pepper.clone().into_bytes()
        };
        let keyring = Arc::new(Keyring::read(store.clone(), &pepper).await?);
        let kill_switches: BTreeSet<KillScope> = match store.get_value(KILL_SWITCHES).await? {
            Some(text) => serde_json::from_str(&text).unwrap_or_else(|_| {
                // Unreadable means somebody wrote into it: the safe reading is "stop".
                tracing::error!("the stored kill switches are unreadable; healing stays off");
                BTreeSet::from([KillScope::Global])
            }),
            None => BTreeSet::new(),
        };

        let signal_keys = store.signal_keys().await?;
        let count = settings.shards.max(1) as usize;
        let (queues, receivers): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::channel(settings.queue.max(1))).unzip();
        let (feedback, feedback_receivers): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        let (desk, desk_work) = Desk::new(highest.ticket);
        let metrics = Metrics::new(registry)?;
        let (conformance, samples) =
            Conformance::new(metrics.samples_waiting.clone(), metrics.samples_left_out.clone());
        let inner = Arc::new(Inner {
            journal: store.journal(),
            frames: store.frame_log(),
            lag: LagBoard::new(count, &metrics),
            metrics,
            conformance,
            catalogue: ArcSwap::new(Arc::clone(&catalogue)),
            directory,
            board: Board::default(),
            topics: Topics::default(),
            outbound,
            desk,
            keyring,
            enter_failed: LastFailure::default(),
            security_log: SecurityLog::new(store.journal()),
            epoch: AtomicU64::new(now.0.unsigned_abs() * 1_000),
            attempts: Attempts::default(),
            command_news: broadcast::Sender::new(COMMAND_NEWS),
            capabilities: CapabilityBook::new(store.capabilities().await?),
            profiles: ArcSwap::from_pointee(with_confirmed(&settings.profiles, &signal_keys)),
            signal_keys: ArcSwap::from_pointee(signal_keys),
            tokens,
            quirks: DashMap::new(),
            kill_switches: Mutex::new(kill_switches.clone()),
            frame_seq: AtomicU64::new(highest.frame + 1),
            unassigned,
            shards: ArcSwapOption::from_pointee(queues),
            feedback: feedback.iter().map(mpsc::UnboundedSender::downgrade).collect(),
            started_at: now,
            store,
            settings,
        });

        let mut shards: Vec<Shard> = (0..count)
            .map(|index| {
                Shard::new(
                    inner.settings.fleet.clone(),
                    Arc::clone(&catalogue),
                    inner.settings.engine.clone(),
                    sequence(highest.incident, index, count),
                    sequence(highest.transaction, index, count),
                )
                .with_upkeep(inner.settings.upkeep.clone(), inner.profiles.load_full())
            })
            .collect();
        for record in inner.directory.chargers() {
            let shard = &mut shards[record.site.0 as usize % count];
            shard.register(record.key, record.site, Arc::clone(&record.identity));
            shard.admit(record.key, record.admission == Admission::Accepted);
        }
        for (charger, json) in inner.store.upkeep().await? {
            let Some(record) = inner.directory.charger(charger) else { continue };
            match serde_json::from_str(&json) {
                Ok(progress) => {
                    shards[record.site.0 as usize % count].restore_progress(charger, progress);
                }
                // It is asked again, that is all.
                Err(error) => tracing::warn!(charger.id = charger.0, %error,
                    "how far a charger's upkeep was is unreadable"),
            }
        }
        let mut open_transactions = inner.store.open_transactions().await?;
        for (charger, transactions) in &open_transactions {
            for transaction in transactions {
                inner.tokens.began(*charger, transaction);
            }
        }
        for mut state in inner.store.load_states().await? {
            let Some(record) = inner.directory.charger(state.key) else { continue };
            state.site = record.site;
            state.transactions =
                open_transactions.remove(&state.key).unwrap_or_default().into_iter().collect();
            shards[state.site.0 as usize % count].restore_charger(now, state);
        }
        for (charger, transactions) in open_transactions {
            let Some(record) = inner.directory.charger(charger) else { continue };
            shards[record.site.0 as usize % count].restore_transactions(charger, transactions);
        }
        for row in inner.store.recent_transactions().await? {
            let Some(record) = inner.directory.charger(row.charger) else { continue };
            let ended_at = row.ended_at.unwrap_or(row.transaction.opened_at);
            shards[record.site.0 as usize % count].restore_closed(
                row.charger,
                &row.transaction,
                ended_at,
                &row.reason,
            );
        }
        for orphan in inner.store.recent_orphans().await? {
            let Some(record) = inner.directory.charger(orphan.charger) else { continue };
            if let Some(ended) = orphan.ended {
                shards[record.site.0 as usize % count].restore_orphan(orphan.charger, ended);
            }
        }
        let mut incidents = vec![Vec::new(); count];
        for incident in inner.store.open_and_recent_incidents(now - mendpoint_model::DAY_MS).await?
        {
            inner.metrics.incident(&incident);
            incidents[incident.site.0 as usize % count].push(incident);
        }

        let mut waiting = vec![Vec::new(); count];
        for command in inner.store.waiting_commands().await? {
            let Some(record) = inner.directory.charger(command.charger) else { continue };
            waiting[record.site.0 as usize % count].push(command);
        }
        forget_unanswered(&inner, now).await?;

        let desk = tokio::spawn(crate::desk::run(Arc::clone(&inner), desk_work));
        let conformance = tokio::spawn(crate::conformance::run(Arc::clone(&inner), samples));
        let mut tasks = Vec::with_capacity(2 * count);
        let parts = shards.into_iter().zip(receivers).zip(feedback_receivers);
        let parts = parts.zip(incidents.into_iter().zip(waiting)).zip(feedback);
        for (
            index,
            ((((shard, queue), feedback_receiver), (restored, waiting_commands)), sender),
        ) in parts.enumerate()
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
                queued: inner.metrics.queued.with_label_values(&[label.as_str()]),
                waiting: inner.metrics.waiting.with_label_values(&[label.as_str()]),
                state: Working::default(),
            };
            task.restore(now, restored, &kill_switches);
            task.restore_waiting(waiting_commands);
            let releaser = tokio::spawn(release::run(Arc::clone(&inner), waiting));
            tasks.push(tokio::spawn(async move {
                // The shard's own sender keeps the feedback channel open as long as it works.
                let _feedback = sender;
                task.run().await;
            }));
            tasks.push(releaser);
        }
        Ok(Self { handle: Handle(inner), tasks: (desk, tasks), conformance })
    }

    /// The way in.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Lets the shards finish what is queued, and waits until all of it is on disk.
    pub async fn stop(self) {
        let Self { handle, tasks, conformance } = self;
        handle.0.shards.store(None);
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
        let last = handle.0.journal.append(handle.0.frames.due(clock::now(), true)).await;
        handle.0.journal.wait(last).await;
    }
}

/// Where chargers without a site are.
const UNASSIGNED: &str = "Unassigned";

/// Where the kill switches are kept.
const KILL_SWITCHES: &str = "kill_switches";

/// The answers to what was on its way at the stop went to the program that ran before: nobody waits
/// for them any more.
async fn forget_unanswered(inner: &Inner, now: UnixMs) -> Result<(), Error> {
    let lost = inner.store.unanswered_commands().await?.into_iter().map(|command| {
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
    Ok(())
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

    /// Hands a message of our own making to the shard of a site. Never waits, because the releaser
    /// calls it and the shard may be waiting for the releaser.
    pub(crate) fn feed_back(&self, site: SiteKey, message: ShardMessage) {
        let sender = self.feedback[site.0 as usize % self.feedback.len()].upgrade();
        if let Some(sender) = sender {
            let _ = sender.send(message);
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

    /// Turns healing off or on again, in every shard, and keeps it over restarts.
    async fn kill_switch(
        &self,
        scope: KillScope,
        on: bool,
        user: String,
    ) -> Result<IncidentId, Error> {
        let text = {
            let mut switches = self.kill_switches.lock().unwrap_or_else(PoisonError::into_inner);
            if on {
                switches.insert(scope.clone());
            } else {
                switches.remove(&scope);
            }
            serde_json::to_string(&*switches).unwrap_or_default()
        };
        // First the shards, then the disk: stopping must not wait for a slow database.
        let shards = self.shards.load_full().ok_or(Error::Stopping)?;
        for shard in shards.iter() {
            let request = Request::KillSwitch { scope: scope.clone(), on, user: user.clone() };
            let (sender, receiver) = oneshot::channel();
            shard
                .send(ShardMessage::Request(request, sender))
                .await
                .map_err(|_| Error::Stopping)?;
            receiver.await.map_err(|_| Error::Stopping)??;
        }
        self.store.set_value(KILL_SWITCHES, &text).await?;
        self.audit(
            &user,
            if on { "healing stopped" } else { "healing allowed" },
            &format!("{scope:?}"),
        )
        .await;
        self.topics.touch(|versions| versions.incidents += 1);
        Ok(IncidentId(0))
    }

    /// Which parts of the fleet are not healed now, by order of a person.
    pub(crate) fn kill_switches(&self) -> Vec<KillScope> {
        let switches = self.kill_switches.lock().unwrap_or_else(PoisonError::into_inner);
        switches.iter().cloned().collect()
    }

    /// Writes a line of the audit log.
    pub(crate) async fn audit(&self, actor: &str, action: &str, subject: &str) {
        let entry = Entry::Audit {
            at: clock::now(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: String::new(),
        };
        self.journal.append(vec![entry]).await;
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
