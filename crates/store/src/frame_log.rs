//! The log of raw frames. Frames gather in memory per bucket of chargers and go to disk as packed
//! blocks, because a row each would cost more than everything else. At every moment a frame can be
//! read: from the gathering records, from blocks on their way to disk, or from the database.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mendpoint_model::{ChargerKey, FrameSeq, UnixMs};
use prometheus::IntCounter;
use tokio::sync::broadcast;

use crate::db::{Columns as _, Db, all, read, write};
use crate::frame_block::{BUCKETS, Gathering, bucket_of, presence_of, unpack};
use crate::{Direction, Entry, FrameBlock, FrameRecord, Result};

/// A bucket with more than this is packed.
const BLOCK_BYTES: usize = 64 * 1024;
/// A bucket whose oldest record is older than this is packed.
const BLOCK_AGE_MS: i64 = 5_000;
/// Blocks looked at in one round of a read.
const BLOCKS_PER_ROUND: i64 = 16;
/// The most frames of one read.
const FRAMES_MAX: usize = 2_000;
/// Blocks deleted by one statement of the retention.
const PRUNE_CHUNK: i64 = 100;

/// Packed blocks kept here while they cannot go to disk; beyond that the oldest are dropped, and
/// counted. Sixteen million bytes are some hundred million bytes of frames.
const PACKED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many frames a listener may be behind before it misses some.
const LISTENER_FRAMES: usize = 512;
/// The most of a frame's text that listeners get; the whole of it is in the log.
const LISTENER_TEXT_BYTES: usize = 16 * 1024;

/// The log of raw frames. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FrameLog {
    db: Db,
    buckets: Arc<[Mutex<Bucket>]>,
    /// Bytes of all blocks that are packed and not handed to the journal.
    packed_bytes: Arc<AtomicUsize>,
    dropped: IntCounter,
    /// Whoever watches the frames of a charger as they come.
    listeners: Arc<Listeners>,
}

#[derive(Debug, Default)]
struct Listeners {
    /// How many chargers are watched: nearly always none, and then a frame costs one read of this.
    count: AtomicUsize,
    by_charger: Mutex<BTreeMap<ChargerKey, broadcast::Sender<FrameRecord>>>,
}

/// A stretch of time: from its beginning, to before its end. Open where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameTimes {
    /// The earliest time.
    pub from: Option<UnixMs>,
    /// The time that is too late.
    pub to: Option<UnixMs>,
}

#[derive(Debug, Default)]
struct Bucket {
    /// Records that are gathering.
    gathering: Gathering,
    /// Blocks packed and not handed to the journal yet, oldest first.
    packed: VecDeque<FrameBlock>,
    /// Blocks handed to the journal and not on disk yet.
    leaving: VecDeque<FrameBlock>,
}

impl Bucket {
    /// Packs what has gathered; gives the bytes of the block.
    fn pack(&mut self, number: u8) -> usize {
        let Some(block) = self.gathering.pack(number) else { return 0 };
        let bytes = block.data.len();
        self.packed.push_back(block);
        bytes
    }
}

impl FrameLog {
    pub(crate) fn new(db: Db, dropped: IntCounter) -> Self {
        let buckets = (0..BUCKETS).map(|_| Mutex::default()).collect();
        Self { db, buckets, packed_bytes: Arc::default(), dropped, listeners: Arc::default() }
    }

    /// The frames of a charger as they come, from now on; of very long ones the beginning. A listener that is too slow is told how
    /// many it missed; nobody waits for it.
    pub fn listen(&self, charger: ChargerKey) -> broadcast::Receiver<FrameRecord> {
        let mut listeners =
            self.listeners.by_charger.lock().unwrap_or_else(PoisonError::into_inner);
        // Those whose listeners all went away.
        listeners.retain(|_, sender| sender.receiver_count() > 0);
        let sender =
            listeners.entry(charger).or_insert_with(|| broadcast::Sender::new(LISTENER_FRAMES));
        let receiver = sender.subscribe();
        self.listeners.count.store(listeners.len(), Ordering::Release);
        receiver
    }

    fn tell_listeners(
        &self,
        seq: FrameSeq,
        charger: ChargerKey,
        at: UnixMs,
        direction: Direction,
        text: &str,
    ) {
        if self.listeners.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut listeners =
            self.listeners.by_charger.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = listeners.get(&charger) else { return };
        let told = FrameRecord { seq, charger, at, direction, text: beginning(text) };
        if sender.send(told).is_err() {
            listeners.remove(&charger);
            self.listeners.count.store(listeners.len(), Ordering::Release);
        }
    }

    fn bucket<T>(&self, number: u8, act: impl FnOnce(&mut Bucket) -> T) -> T {
        let bucket = &self.buckets[usize::from(number % BUCKETS)];
        act(&mut bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a frame in. It can be read at once; it is on disk when the block that
    /// [`FrameLog::due`] gives out for it is.
    pub fn push(
        &self,
        seq: FrameSeq,
        charger: ChargerKey,
        at: UnixMs,
        direction: Direction,
        text: &str,
    ) {
        self.tell_listeners(seq, charger, at, direction, text);
        let number = bucket_of(charger);
        self.bucket(number, |bucket| {
            bucket.gathering.push(seq, charger, at, direction, text);
            if bucket.gathering.bytes() > BLOCK_BYTES {
                let bytes = bucket.pack(number);
                self.keep_bounds(bucket, bytes);
            }
        });
    }

    /// Counts a block that was packed. While the database takes nothing, evidence gives way before
    /// chargers have to wait.
    fn keep_bounds(&self, bucket: &mut Bucket, added: usize) {
        let mut kept = self.packed_bytes.fetch_add(added, Ordering::Relaxed) + added;
        while kept > PACKED_BYTES_MAX
            && let Some(block) = bucket.packed.pop_front()
        {
            let bytes = block.data.len();
            kept = self.packed_bytes.fetch_sub(bytes, Ordering::Relaxed) - bytes;
            self.dropped.inc_by(u64::from(block.records));
        }
    }

    /// The blocks that are large or old enough to go to disk, or with `everything` all of them,
    /// as entries that the caller must give to the journal. Call it every second or so.
    pub fn due(&self, now: UnixMs, everything: bool) -> Vec<Entry> {
        let mut entries = Vec::new();
        for number in 0..BUCKETS {
            self.bucket(number, |bucket| {
                let is_old =
                    bucket.gathering.first_at().is_some_and(|at| now.since_ms(at) >= BLOCK_AGE_MS);
                if everything || is_old {
                    let bytes = bucket.pack(number);
                    self.keep_bounds(bucket, bytes);
                }
                for block in bucket.packed.drain(..) {
                    self.packed_bytes.fetch_sub(block.data.len(), Ordering::Relaxed);
                    bucket.leaving.push_back(block.clone());
                    entries.push(Entry::Frames(block));
                }
            });
        }
        entries
    }

    /// A block is on disk: it need not be kept here any more.
    pub(crate) fn written(&self, block: &FrameBlock) {
        self.bucket(block.bucket, |bucket| {
            bucket.leaving.retain(|kept| kept.first_seq != block.first_seq);
        });
    }

    /// Frames that are not known to be on disk, in no order.
    fn in_memory(&self, number: u8, wanted: impl Fn(&FrameRecord) -> bool) -> Vec<FrameRecord> {
        let (mut found, blocks) = self.bucket(number, |bucket| {
            let records = bucket.gathering.records().into_iter().filter(&wanted);
            let blocks: Vec<FrameBlock> =
                bucket.packed.iter().chain(&bucket.leaving).cloned().collect();
            (records.collect::<Vec<_>>(), blocks)
        });
        for block in blocks {
            // They were packed by this process a moment ago.
            let records = unpack(&block.data).unwrap_or_default();
            found.extend(records.into_iter().filter(|record| wanted(record)));
        }
        found
    }

    /// The newest frames of a charger before the frame `before` (`None`: the newest of all),
    /// newest first, at most `limit` and never more than 2,000. The last one's number is the `before` of the next page.
    pub async fn frames_of(
        &self,
        charger: ChargerKey,
        before: Option<FrameSeq>,
        limit: usize,
    ) -> Result<Vec<FrameRecord>> {
        self.frames_in(charger, FrameTimes::default(), before, limit).await
    }

    /// The same, of a stretch of time only.
    pub async fn frames_in(
        &self,
        charger: ChargerKey,
        times: FrameTimes,
        before: Option<FrameSeq>,
        limit: usize,
    ) -> Result<Vec<FrameRecord>> {
        let before = before.unwrap_or(FrameSeq::MAX);
        let limit = limit.clamp(1, FRAMES_MAX);
        let FrameTimes { from, to } = times;
        let from = from.unwrap_or(UnixMs(i64::MIN));
        let to = to.unwrap_or(UnixMs(i64::MAX));
        let wanted = |record: &FrameRecord| {
            record.charger == charger && record.seq < before && (from..to).contains(&record.at)
        };
        let number = bucket_of(charger);
        // Memory first: a block that reaches the disk in between is then seen twice, not missed.
        let mut found = self.in_memory(number, wanted);
        settle(&mut found, limit);
        let mut last_seq_below = i64::MAX;
        let mut first_seq_below = i64::MAX;
        loop {
            let blocks = read!(&self.db, conn => {
                let rows = sqlx::query(BLOCKS)
                    .bind(i64::from(number))
                    .bind(presence_of(charger))
                    .bind(i64::try_from(before).unwrap_or(i64::MAX))
                    .bind(last_seq_below)
                    .bind(first_seq_below)
                    .bind(from.0)
                    .bind(to.0)
                    .bind(BLOCKS_PER_ROUND)
                    .fetch_all(conn)
                    .await?;
                all(&rows, |row| Ok((row.int(0)?, row.int(1)?, row.bytes(2)?)))
            })?;
            let is_end = (blocks.len() as i64) < BLOCKS_PER_ROUND;
            for (first_seq, last_seq, data) in blocks {
                // Blocks of a bucket may overlap a little, because shards fill them side by side.
                let is_full = found.len() >= limit;
                let smallest = found.last().map_or(0, |record| record.seq);
                if is_full && last_seq.cast_unsigned() < smallest {
                    return Ok(found);
                }
                found.extend(unpack(&data)?.into_iter().filter(wanted));
                settle(&mut found, limit);
                (last_seq_below, first_seq_below) = (last_seq, first_seq);
            }
            if is_end {
                return Ok(found);
            }
        }
    }

    /// One frame by its number; `None` when it is not kept any more.
    pub async fn frame(&self, seq: FrameSeq) -> Result<Option<FrameRecord>> {
        let Ok(wanted) = i64::try_from(seq) else { return Ok(None) };
        for number in 0..BUCKETS {
            let found = self.in_memory(number, |record| record.seq == seq);
            if let Some(record) = found.into_iter().next() {
                return Ok(Some(record));
            }
        }
        for number in 0..BUCKETS {
            if let Some(record) = self.frame_on_disk(number, wanted).await? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The same, when the charger is known: looks in one bucket instead of all.
    pub async fn frame_of(
        &self,
        charger: ChargerKey,
        seq: FrameSeq,
    ) -> Result<Option<FrameRecord>> {
        let number = bucket_of(charger);
        let found = self.in_memory(number, |record| record.seq == seq);
        if let Some(record) = found.into_iter().next() {
            return Ok(Some(record));
        }
        let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
        let found = self.frame_on_disk(number, seq).await?;
        Ok(found.filter(|record| record.charger == charger))
    }

    async fn frame_on_disk(&self, number: u8, seq: i64) -> Result<Option<FrameRecord>> {
        let blocks = read!(&self.db, conn => {
            let query = sqlx::query(BLOCKS_WITH).bind(i64::from(number)).bind(seq);
            let rows = query.fetch_all(conn).await?;
            all(&rows, |row| Ok((row.int(0)?, row.bytes(1)?)))
        })?;
        for (first_seq, data) in blocks {
            if first_seq <= seq {
                let records = unpack(&data)?;
                let found = records.into_iter().find(|record| record.seq == seq.cast_unsigned());
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }

    /// Deletes blocks whose newest frame is older than this, in small steps so that the journal is
    /// not held up. Gives the number of blocks deleted.
    pub async fn prune(&self, older_than: UnixMs) -> Result<u64> {
        let mut deleted = 0;
        loop {
            let begun = std::time::Instant::now();
            let step = write!(&self.db, conn => {
                let query = sqlx::query(PRUNE).bind(older_than.0).bind(PRUNE_CHUNK);
                Ok(query.execute(conn).await?.rows_affected())
            })?;
            deleted += step;
            if step < PRUNE_CHUNK.cast_unsigned() {
                return Ok(deleted);
            }
            crate::summary::give_way(begun).await;
        }
    }
}

/// As much of a text as listeners are told: many long ones must not fill the memory.
fn beginning(text: &str) -> Box<str> {
    if text.len() <= LISTENER_TEXT_BYTES {
        return text.into();
    }
    let mut cut = text[..text.floor_char_boundary(LISTENER_TEXT_BYTES)].to_owned();
    cut.push('…');
    cut.into_boxed_str()
}

/// Newest first, each once, not more than asked for.
fn settle(records: &mut Vec<FrameRecord>, limit: usize) {
    records.sort_unstable_by_key(|record| std::cmp::Reverse(record.seq));
    records.dedup_by_key(|record| record.seq);
    records.truncate(limit);
}

const BLOCKS: &str = "SELECT first_seq, last_seq, data FROM frame_block
    WHERE bucket = $1 AND (presence & $2) = $2 AND first_seq < $3
      AND (last_seq, first_seq) < ($4, $5) AND last_at_ms >= $6 AND first_at_ms < $7
    ORDER BY last_seq DESC, first_seq DESC LIMIT $8";
const BLOCKS_WITH: &str = "SELECT first_seq, data FROM frame_block
    WHERE bucket = $1 AND last_seq >= $2 ORDER BY last_seq LIMIT 4";
const PRUNE: &str = "DELETE FROM frame_block WHERE first_seq IN
    (SELECT first_seq FROM frame_block WHERE last_at_ms < $1 ORDER BY last_at_ms LIMIT $2)";
