//! The past in order: frames of all chargers as they came and went, and connections that opened and
//! ended. For whoever lives through it again; read in pieces, so that thirty days of a fleet take no
//! more memory than a minute.

use std::collections::VecDeque;

use mendpoint_model::{ChargerKey, FrameSeq, MINUTE_MS, UnixMs};

use crate::db::{Columns as _, Db, all, one, read};
use crate::frame_block::{FrameView, bucket_of, places, presence_of, unpack_raw, view};
use crate::{LinkChangeRow, Result, Store, row_id};

/// Blocks read at a time: at most some megabytes unpacked.
const BLOCKS: i64 = 64;
/// Blocks that are looked at for the smallest number: they overlap a little.
const OVERLAP: i64 = 256;
/// How far behind the end of the range blocks are still looked at: they overlap a little.
const SLACK_MS: i64 = MINUTE_MS;
/// Connections read at a time.
const LINKS: i64 = 4_096;
/// How long a change of a connection may have waited for the disk.
const LATE_MS: i64 = 10 * MINUTE_MS;

const FIRST: &str = "SELECT MIN(first_seq) FROM (SELECT first_seq FROM frame_block
    WHERE last_at_ms >= $1 ORDER BY last_at_ms LIMIT $2) AS earliest";
const NEXT: &str = "SELECT first_seq, first_at_ms, data FROM frame_block
    WHERE first_seq >= $1 AND last_at_ms >= $2
      AND (CAST($3 AS BIGINT) IS NULL OR (bucket = $3 AND (presence & $4) = $4))
    ORDER BY first_seq LIMIT $5";
const EXTENT: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(records), 0) AS BIGINT) FROM frame_block
    WHERE last_at_ms >= $1 AND first_at_ms < $2
      AND (CAST($3 AS BIGINT) IS NULL OR (bucket = $3 AND (presence & $4) = $4))";
const LINK_CHANGES: &str = "SELECT id, charger_key, at_ms, online, reason FROM link_change
    WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3";

/// Frames in the order of their numbers, a piece at a time.
#[derive(Debug)]
pub struct PastFrames {
    db: Db,
    from: UnixMs,
    until: UnixMs,
    only: Option<ChargerKey>,
    /// The number the next blocks begin at; `None` before the first piece.
    next: Option<FrameSeq>,
    /// A block that was read to know where the ones before it end.
    ahead: VecDeque<(FrameSeq, UnixMs, Vec<u8>)>,
    ended: bool,
    piece: Piece,
}

/// Some frames, in order.
#[derive(Debug, Default)]
pub struct Piece {
    raws: Vec<Vec<u8>>,
    /// Number of the frame, its buffer, its place there.
    places: Vec<(FrameSeq, u32, u32)>,
    /// How many of the places are given out; the rest waits for what may come before it.
    ready: usize,
    from: UnixMs,
    until: UnixMs,
    only: Option<ChargerKey>,
}

impl Piece {
    /// The frames. Damaged ones are left out.
    pub fn iter(&self) -> impl Iterator<Item = FrameView<'_>> {
        self.places[..self.ready].iter().filter_map(|&(_, raw, offset)| {
            let frame = view(&self.raws[raw as usize], offset)?;
            let is_meant = frame.at >= self.from
                && frame.at < self.until
                && self.only.is_none_or(|only| only == frame.charger);
            is_meant.then_some(frame)
        })
    }

    /// Lets go of what was given out; what waits moves to the front.
    fn shift(&mut self) {
        self.places.drain(..self.ready);
        self.ready = 0;
        let mut kept: Vec<Option<u32>> = vec![None; self.raws.len()];
        let mut raws = Vec::new();
        for (_, raw, _) in &mut self.places {
            let old = *raw as usize;
            *raw = *kept[old].get_or_insert_with(|| {
                raws.push(std::mem::take(&mut self.raws[old]));
                raws.len() as u32 - 1
            });
        }
        self.raws = raws;
    }

    fn add(&mut self, data: &[u8]) -> Result<()> {
        let raw = unpack_raw(data)?;
        let number = self.raws.len() as u32;
        self.places.extend(places(&raw)?.into_iter().map(|(seq, offset)| (seq, number, offset)));
        self.raws.push(raw);
        Ok(())
    }
}

impl PastFrames {
    /// The next piece; `None` when there is no more.
    pub async fn next(&mut self) -> Result<Option<&Piece>> {
        self.piece.shift();
        loop {
            if self.ended && self.ahead.is_empty() && self.piece.places.is_empty() {
                return Ok(None);
            }
            if !self.ended {
                self.read_blocks().await?;
            }
            // All but the last one, whose beginning says how far the others are complete.
            let keep = usize::from(!self.ended);
            while self.ahead.len() > keep {
                let Some((_, _, data)) = self.ahead.pop_front() else { break };
                self.piece.add(&data)?;
            }
            let complete = self.ahead.front().map_or(FrameSeq::MAX, |(first, _, _)| *first);
            self.piece.places.sort_unstable();
            self.piece.ready = self.piece.places.partition_point(|(seq, ..)| *seq < complete);
            if self.piece.ready > 0 {
                return Ok(Some(&self.piece));
            }
        }
    }

    async fn read_blocks(&mut self) -> Result<()> {
        let from = match self.next {
            Some(next) => next,
            None => self.first().await?,
        };
        let (bucket, presence) = bound_to(self.only);
        let blocks = read!(&self.db, conn => {
            let rows = sqlx::query(NEXT)
                .bind(i64::try_from(from).unwrap_or(i64::MAX))
                .bind(self.from.0)
                .bind(bucket)
                .bind(presence)
                .bind(BLOCKS)
                .fetch_all(conn)
                .await?;
            all(&rows, |row| Ok((row.number::<u64>(0)?, UnixMs(row.int(1)?), row.bytes(2)?)))
        })?;
        let is_last = (blocks.len() as i64) < BLOCKS;
        let is_past = blocks.last().is_some_and(|(_, at, _)| *at >= self.until + SLACK_MS);
        self.ended = is_last || is_past;
        self.next = blocks.last().map(|(first, ..)| first + 1);
        self.ahead.extend(blocks);
        Ok(())
    }

    async fn first(&self) -> Result<FrameSeq> {
        read!(&self.db, conn => {
            let query = sqlx::query(FIRST).bind(self.from.0).bind(OVERLAP);
            let first = one(query.fetch_optional(conn).await?.as_ref(), |row| row.int_or_null(0))?;
            Ok(first.flatten().map_or(FrameSeq::MAX >> 1, i64::cast_unsigned))
        })
    }
}

/// The bucket and the bits of the one charger, if it is only one.
fn bound_to(only: Option<ChargerKey>) -> (Option<i64>, i64) {
    (only.map(|charger| i64::from(bucket_of(charger))), only.map_or(0, presence_of))
}

/// Connections that opened and ended, in the order they were written down, a piece at a time.
#[derive(Debug)]
pub struct PastLinks {
    db: Db,
    from: UnixMs,
    until: UnixMs,
    after: i64,
    ended: bool,
}

impl PastLinks {
    /// The next piece in the order of time; empty when there is no more.
    pub async fn next(&mut self) -> Result<Vec<(ChargerKey, LinkChangeRow)>> {
        while !self.ended {
            let rows = read!(&self.db, conn => {
                let rows = sqlx::query(LINK_CHANGES)
                    .bind(self.after)
                    .bind(row_id::first_of(self.until + LATE_MS))
                    .bind(LINKS)
                    .fetch_all(conn)
                    .await?;
                all(&rows, |row| Ok((row.int(0)?, ChargerKey(row.number(1)?), LinkChangeRow {
                    at: UnixMs(row.int(2)?),
                    online: row.truth(3)?,
                    reason: row.text(4)?,
                })))
            })?;
            self.ended = (rows.len() as i64) < LINKS;
            let Some((last, ..)) = rows.last() else { break };
            self.after = *last;
            let mut piece: Vec<_> = rows
                .into_iter()
                .filter(|(_, _, row)| row.at >= self.from && row.at < self.until)
                .map(|(_, charger, row)| (charger, row))
                .collect();
            piece.sort_by_key(|(_, row)| row.at);
            if !piece.is_empty() {
                return Ok(piece);
            }
        }
        Ok(Vec::new())
    }
}

impl Store {
    /// The frames of a range as they came and went, of all chargers or one.
    pub fn past_frames(&self, from: UnixMs, until: UnixMs, only: Option<ChargerKey>) -> PastFrames {
        let piece = Piece { from, until, only, ..Piece::default() };
        let db = self.db.clone();
        PastFrames {
            db,
            from,
            until,
            only,
            next: None,
            ahead: VecDeque::new(),
            ended: false,
            piece,
        }
    }

    /// How many frames the blocks of a range hold: a little more than the range has.
    pub async fn count_past_frames(
        &self,
        from: UnixMs,
        until: UnixMs,
        only: Option<ChargerKey>,
    ) -> Result<u64> {
        let (bucket, presence) = bound_to(only);
        read!(&self.db, conn => {
            let query =
                sqlx::query(EXTENT).bind(from.0).bind(until.0).bind(bucket).bind(presence);
            let row = query.fetch_one(conn).await?;
            row.number::<u64>(1)
        })
    }

    /// The changes of connections of a range, of all chargers.
    pub fn past_links(&self, from: UnixMs, until: UnixMs) -> PastLinks {
        let db = self.db.clone();
        PastLinks { db, from, until, after: row_id::first_of(from) - 1, ended: false }
    }
}
