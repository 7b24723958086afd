//! The journal: many tasks add entries, one task writes them down in groups.
//!
//! What is acknowledged to a charger is on disk first, and a commit is shared by everything that
//! came in while the commit before it ran: nothing that anybody waits for ever waits for a timer.
//! What nobody waits for (the history of statuses, states, frames) waits a moment for company: rows
//! of one charger lie side by side on disk, and a page is written once for all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::db::{Db, write};
use crate::error::Fault;
use crate::frame_log::FrameLog;
use crate::metrics::Metrics;
use crate::sheet::{sheets, text};
use crate::trouble::TroubleKind;
use crate::{Entry, Error, Result, commit, row_id};

/// The most of one transaction, weighed: about 4 MiB.
const BATCH_WEIGHT: u32 = 8_192;
/// The most entries taken at once.
const BATCH_ENTRIES: usize = 2_048;
/// How long entries wait for company that nobody waits for.
const PATIENCE: Duration = Duration::from_millis(500);
/// The first and the longest pause before a failed transaction is tried again.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(2);
/// A commit that takes longer than this means that the disk is behind.
const BEHIND: Duration = Duration::from_secs(2);

/// The way into the journal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    capacity: u32,
    room: Semaphore,
    line: Mutex<Line>,
    durable: watch::Sender<u64>,
    /// The highest number that somebody waits for.
    wanted: AtomicU64,
    /// Tells the writer that `wanted` grew.
    hurry: Notify,
    progress: Mutex<Progress>,
    metrics: Metrics,
}

/// Where entries get their numbers, in the order they are written in.
#[derive(Debug)]
struct Line {
    last_seq: u64,
    sender: Option<mpsc::UnboundedSender<Queued>>,
}

#[derive(Debug)]
struct Queued {
    seq: u64,
    row_id: i64,
    added_at: Instant,
    entry: Entry,
}

#[derive(Debug, Default)]
struct Progress {
    /// When the oldest entry that is being written was added.
    oldest: Option<Instant>,
    last_error: Option<(TroubleKind, String)>,
}

/// How the journal is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalHealth {
    /// How long the oldest entry that is not on disk yet has been waiting, milliseconds.
    pub lag_ms: i64,
    /// Room taken in the queue, in entries.
    pub queued: u64,
    /// Room there is in all.
    pub capacity: u64,
    /// What the database said when the last try failed; `None` when the last try went through.
    pub last_error: Option<String>,
    /// What is wrong with the database then, and what it said.
    pub(crate) trouble: Option<(TroubleKind, String)>,
}

impl Journal {
    /// Starts the writer. It ends when [`Journal::close`] was called and all is written.
    pub(crate) fn start(
        db: Db,
        frames: FrameLog,
        metrics: Metrics,
        queue_entries: u32,
    ) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let capacity = queue_entries.max(1);
        let inner = Arc::new(Inner {
            capacity,
            room: Semaphore::new(capacity as usize),
            line: Mutex::new(Line { last_seq: 0, sender: Some(sender) }),
            durable: watch::Sender::new(0),
            wanted: AtomicU64::new(0),
            hurry: Notify::new(),
            progress: Mutex::default(),
            metrics,
        });
        let writer = Writer { db, frames, inner: Arc::clone(&inner) };
        let task = tokio::spawn(writer.run(receiver));
        (Self { inner }, task)
    }

    /// Adds entries, in order, and gives the number to wait for. Waits itself while the queue is
    /// full. Entries of one call are written after those of every earlier call of the same task.
    ///
    /// After [`crate::Store::close`] nothing is taken any more: the number then given never becomes
    /// durable, so that nothing is acknowledged that is not on disk.
    pub async fn append(&self, entries: Vec<Entry>) -> u64 {
        let mut last = self.last_seq();
        let mut entries = entries.into_iter().peekable();
        let mut chunk = Vec::new();
        while entries.peek().is_some() {
            // A chunk never needs more room than there is, or it would wait for ever.
            let mut weight = 0_u32;
            while let Some(entry) = entries.peek() {
                let with_it = weight.saturating_add(entry.weight());
                if with_it > self.inner.capacity && !chunk.is_empty() {
                    break;
                }
                weight = with_it.min(self.inner.capacity);
                chunk.extend(entries.next());
            }
            if self.inner.room.available_permits() < weight as usize {
                self.inner.hurry(self.last_seq());
            }
            let Ok(room) = self.inner.room.acquire_many(weight).await else {
                return u64::MAX;
            };
            let Some(seq) = self.inner.enqueue(&mut chunk) else { return u64::MAX };
            room.forget();
            last = seq;
        }
        self.inner.note_queue();
        last
    }

    /// Waits until everything up to this number is on disk.
    pub async fn wait(&self, seq: u64) {
        let mut durable = self.inner.durable.subscribe();
        if *durable.borrow() < seq {
            self.inner.hurry(seq);
        }
        // The sender lives as long as this handle, so this cannot fail.
        let _ = durable.wait_for(|written| *written >= seq).await;
    }

    /// The number up to which everything is on disk, as it grows.
    pub fn durable(&self) -> watch::Receiver<u64> {
        self.inner.durable.subscribe()
    }

    /// The number of the newest entry added.
    pub fn last_seq(&self) -> u64 {
        self.inner.line.lock().unwrap_or_else(PoisonError::into_inner).last_seq
    }

    /// How it is doing.
    pub fn health(&self) -> JournalHealth {
        let progress = self.inner.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let lag = progress.oldest.map_or(Duration::ZERO, |oldest| oldest.elapsed());
        JournalHealth {
            lag_ms: i64::try_from(lag.as_millis()).unwrap_or(i64::MAX),
            queued: self.inner.queued(),
            capacity: u64::from(self.inner.capacity),
            last_error: progress.last_error.as_ref().map(|(_, said)| said.clone()),
            trouble: progress.last_error.clone(),
        }
    }

    /// Whether the disk is behind: what can wait, or be replaced by something newer, should.
    pub fn is_behind(&self) -> bool {
        let lag = {
            let progress = self.inner.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.oldest.map_or(Duration::ZERO, |oldest| oldest.elapsed())
        };
        lag >= BEHIND || self.inner.queued() * 2 > u64::from(self.inner.capacity)
    }

    /// Takes no more entries; what was added is still written.
    pub(crate) fn close(&self) {
        self.inner.room.close();
        self.inner.line.lock().unwrap_or_else(PoisonError::into_inner).sender = None;
    }
}

impl Inner {
    /// Numbers the entries and puts them in line. `None` when the journal is closed.
    fn enqueue(&self, entries: &mut Vec<Entry>) -> Option<u64> {
        let added_at = Instant::now();
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seq = line.last_seq;
        let sender = line.sender.as_ref()?;
        for entry in entries.drain(..) {
            seq += 1;
            let queued = Queued { seq, row_id: row_id::next(), added_at, entry };
            sender.send(queued).ok()?;
        }
        line.last_seq = seq;
        Some(seq)
    }

    /// Somebody waits for this number.
    fn hurry(&self, seq: u64) {
        if self.wanted.fetch_max(seq, Ordering::AcqRel) < seq {
            self.hurry.notify_one();
        }
    }

    fn queued(&self) -> u64 {
        u64::from(self.capacity).saturating_sub(self.room.available_permits() as u64)
    }

    fn note_queue(&self) {
        self.metrics.queued.set(i64::try_from(self.queued()).unwrap_or(i64::MAX));
    }

    fn progress(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The one task that writes.
struct Writer {
    db: Db,
    frames: FrameLog,
    inner: Arc<Inner>,
}

impl Writer {
    async fn run(self, mut receiver: mpsc::UnboundedReceiver<Queued>) {
        let mut batch = Vec::with_capacity(BATCH_ENTRIES);
        while receiver.recv_many(&mut batch, BATCH_ENTRIES).await > 0 {
            self.wait_for_company(&mut receiver, &mut batch).await;
            let oldest = batch.first().map(|queued| queued.added_at);
            self.inner.progress(|progress| progress.oldest = oldest);
            self.write(&batch).await;
            self.finish(&mut batch);
        }
    }

    /// Takes more entries for a moment, as long as nobody waits for any of them.
    async fn wait_for_company(
        &self,
        receiver: &mut mpsc::UnboundedReceiver<Queued>,
        batch: &mut Vec<Queued>,
    ) {
        let Some(first) = batch.first() else { return };
        let patience = tokio::time::sleep_until((first.added_at + PATIENCE).into());
        tokio::pin!(patience);
        let first_seq = first.seq;
        let mut looked_at = 0;
        let mut weight = 0_u32;
        loop {
            let new = &batch[looked_at..];
            weight = new.iter().fold(weight, |sum, it| sum.saturating_add(it.entry.weight()));
            if weight >= BATCH_WEIGHT
                || self.inner.wanted.load(Ordering::Acquire) >= first_seq
                || !new.iter().all(|queued| queued.entry.can_wait())
            {
                return;
            }
            looked_at = batch.len();
            tokio::select! {
                biased;
                () = self.inner.hurry.notified() => {}
                () = &mut patience => return,
                count = receiver.recv_many(batch, BATCH_ENTRIES) => {
                    if count == 0 {
                        return;
                    }
                }
            }
        }
    }

    /// Tells everybody that these entries are on disk, and makes room.
    fn finish(&self, batch: &mut Vec<Queued>) {
        let inner = &self.inner;
        let last = batch.last().map_or(0, |queued| queued.seq);
        let mut room = 0_usize;
        for queued in batch.drain(..) {
            room += queued.entry.weight().min(inner.capacity) as usize;
            inner.metrics.rows.inc();
            if let Entry::Frames(block) = &queued.entry {
                self.frames.written(block);
            }
        }
        inner.progress(|progress| progress.oldest = None);
        inner.room.add_permits(room);
        inner.note_queue();
        inner.durable.send_replace(last);
    }

    /// Writes a batch, for as long as it takes. When the data of an entry is refused, the batch is
    /// halved until that entry stands alone, and its text is kept in `journal_reject`.
    async fn write(&self, batch: &[Queued]) {
        let mut pieces = vec![batch];
        while let Some(piece) = pieces.pop() {
            let Err(error) = self.write_or_refuse(piece).await else { continue };
            if piece.len() > 1 {
                let (first, second) = piece.split_at(piece.len() / 2);
                pieces.push(second);
                pieces.push(first);
            } else if let Some(queued) = piece.first() {
                self.reject(queued, &error).await;
            }
        }
    }

    /// Writes a piece, trying again while the fault is a passing one.
    async fn write_or_refuse(&self, piece: &[Queued]) -> Result<()> {
        let sheets = sheets(piece.iter().map(|queued| (queued.row_id, &queued.entry)))?;
        let metrics = &self.inner.metrics;
        let mut pause = RETRY_FIRST;
        loop {
            let began = Instant::now();
            let Err(error) = commit::commit(&self.db, &sheets).await else {
                metrics.commits.inc();
                metrics.commit_seconds.observe(began.elapsed().as_secs_f64());
                self.recovered();
                return Ok(());
            };
            if error.fault() == Fault::Data {
                return Err(error);
            }
            self.pause(&error, &mut pause).await;
        }
    }

    /// Keeps what cannot be written where it belongs.
    async fn reject(&self, queued: &Queued, error: &Error) {
        tracing::error!(%error, entry = ?queued.entry, "the database refused a journal entry");
        self.inner.metrics.rejected.inc();
        let body =
            serde_json::to_string(&queued.entry).unwrap_or_else(|_| format!("{:?}", queued.entry));
        let mut pause = RETRY_FIRST;
        loop {
            match reject(&self.db, queued.row_id, &error.to_string(), &text(&body)).await {
                Err(again) if again.fault() == Fault::Passing => {
                    self.pause(&again, &mut pause).await;
                }
                Err(refused) => {
                    tracing::error!(error = %refused, "even the refused entry was refused");
                    return;
                }
                Ok(()) => return self.recovered(),
            }
        }
    }

    async fn pause(&self, error: &Error, pause: &mut Duration) {
        self.inner.metrics.retries.inc();
        let mut is_news = false;
        self.inner.progress(|progress| {
            is_news = progress.last_error.is_none();
            progress.last_error = Some((error.trouble(), error.to_string()));
        });
        if is_news {
            tracing::error!(%error, "the journal cannot write; it tries again until it can");
        }
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(RETRY_LONGEST);
    }

    fn recovered(&self) {
        let mut was_failing = false;
        self.inner.progress(|progress| was_failing = progress.last_error.take().is_some());
        if was_failing {
            tracing::info!("the journal writes again");
        }
    }
}

const REJECT: &str = "INSERT INTO journal_reject (id, at_ms, error, entry)
    VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING";

async fn reject(db: &Db, id: i64, error: &str, entry: &str) -> Result<()> {
    write!(db, conn => {
        sqlx::query(REJECT)
            .bind(id)
            .bind(row_id::time_of(id).0)
            .bind(error)
            .bind(entry)
            .execute(conn)
            .await?;
        Ok(())
    })
}
