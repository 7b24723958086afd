use std::cell::RefCell;
use std::sync::Arc;

use mendpoint_model::{ChargerKey, FrameSeq, UnixMs};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the charger to us.
    In,
    /// From us to the charger.
    Out,
}

/// A raw frame, as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRecord {
    /// Its number.
    pub seq: FrameSeq,
    /// The charger.
    pub charger: ChargerKey,
    /// When it came or went, by our clock.
    pub at: UnixMs,
    /// Which way.
    pub direction: Direction,
    /// The text as it was on the wire.
    pub text: Box<str>,
}

/// Many frames of a bucket of chargers, packed: one row of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FrameBlock {
    pub(crate) bucket: u8,
    pub(crate) first_seq: FrameSeq,
    pub(crate) last_seq: FrameSeq,
    pub(crate) first_at: UnixMs,
    pub(crate) last_at: UnixMs,
    /// Two bits a charger, so that most blocks without a charger need not be unpacked.
    pub(crate) presence: i64,
    pub(crate) records: u32,
    pub(crate) data: Arc<[u8]>,
}

/// How many buckets chargers are spread over.
pub(crate) const BUCKETS: u8 = 64;

/// Spreads the dense numbers of chargers (Fibonacci hashing).
fn hash(charger: ChargerKey) -> u64 {
    (u64::from(charger.0) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The bucket of a charger.
pub(crate) fn bucket_of(charger: ChargerKey) -> u8 {
    (hash(charger) >> 58) as u8
}

/// The bits a charger sets in a block's presence.
pub(crate) fn presence_of(charger: ChargerKey) -> i64 {
    let hash = hash(charger);
    ((1_u64 << ((hash >> 52) & 63)) | (1_u64 << ((hash >> 46) & 63))).cast_signed()
}

/// Bytes before a frame's text: seq 8, at 8, charger 4, direction 1, length 4.
const HEAD_BYTES: usize = 25;

/// The most a block unpacks to: a bucket is packed above 64 KiB, and a frame has 1 MiB at most.
const RAW_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Records on their way into a block, already in the form that is packed: one buffer that is used
/// again, so that keeping a frame costs a copy and no allocation.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    raw: Vec<u8>,
    /// What the block will say of them; `None` while there are none.
    head: Option<Head>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    first_seq: FrameSeq,
    last_seq: FrameSeq,
    first_at: UnixMs,
    last_at: UnixMs,
    presence: i64,
    records: u32,
}

impl Gathering {
    /// Adds a record at the end.
    pub(crate) fn push(
        &mut self,
        seq: FrameSeq,
        charger: ChargerKey,
        at: UnixMs,
        direction: Direction,
        text: &str,
    ) {
        let head = self.head.get_or_insert(Head {
            first_seq: seq,
            last_seq: seq,
            first_at: at,
            last_at: at,
            presence: 0,
            records: 0,
        });
        head.first_seq = head.first_seq.min(seq);
        head.last_seq = head.last_seq.max(seq);
        head.first_at = head.first_at.min(at);
        head.last_at = head.last_at.max(at);
        head.presence |= presence_of(charger);
        head.records += 1;
        self.raw.reserve(HEAD_BYTES + text.len());
        self.raw.extend_from_slice(&seq.to_le_bytes());
        self.raw.extend_from_slice(&at.0.to_le_bytes());
        self.raw.extend_from_slice(&charger.0.to_le_bytes());
        self.raw.push(u8::from(direction == Direction::Out));
        self.raw.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.raw.extend_from_slice(text.as_bytes());
    }

    /// Room the records take before packing.
    pub(crate) fn bytes(&self) -> usize {
        self.raw.len()
    }

    /// When the oldest of them came or went.
    pub(crate) fn first_at(&self) -> Option<UnixMs> {
        self.head.map(|head| head.first_at)
    }

    /// The records, in the order they were added.
    pub(crate) fn records(&self) -> Vec<FrameRecord> {
        // They were written by `push`.
        read_records(&self.raw).unwrap_or_default()
    }

    /// Packs what there is and begins anew; `None` when there is nothing.
    pub(crate) fn pack(&mut self, bucket: u8) -> Option<FrameBlock> {
        let head = self.head.take()?;
        let data = compress(&self.raw);
        // Room for as much as this time: neither a burst nor a busy hour keeps its memory.
        let kept = self.raw.len().min(KEPT_BYTES);
        self.raw.clear();
        self.raw.shrink_to(kept);
        let Head { first_seq, last_seq, first_at, last_at, presence, records } = head;
        Some(FrameBlock { bucket, first_seq, last_seq, first_at, last_at, presence, records, data })
    }
}

thread_local! {
    /// Where blocks are packed: kept, because room for the worst case would be cleared each time.
    static PACKING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// LZ4 with the size in front, as [`unpack`] reads it.
fn compress(raw: &[u8]) -> Arc<[u8]> {
    PACKING.with_borrow_mut(|room| {
        let most = lz4_flex::block::get_maximum_output_size(raw.len());
        if room.len() < SIZE_BYTES + most {
            room.resize(SIZE_BYTES + most, 0);
        }
        let (size, packed) = room.split_at_mut(SIZE_BYTES);
        size.copy_from_slice(&(raw.len() as u32).to_le_bytes());
        let data = match lz4_flex::block::compress_into(raw, packed) {
            Ok(count) => room[..SIZE_BYTES + count].into(),
            // There is always room for the worst case.
            Err(_) => lz4_flex::block::compress_prepend_size(raw).into(),
        };
        if room.len() > 2 * KEPT_BYTES {
            *room = Vec::new();
        }
        data
    })
}

/// The size of what a block unpacks to stands before it.
const SIZE_BYTES: usize = 4;

/// Room that a buffer keeps between two blocks.
const KEPT_BYTES: usize = 80 * 1024;

/// A frame in place, in the buffer it was unpacked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameView<'a> {
    /// Its number.
    pub seq: FrameSeq,
    /// The charger.
    pub charger: ChargerKey,
    /// When it came or went, by our clock.
    pub at: UnixMs,
    /// Which way.
    pub direction: Direction,
    /// The text as it was on the wire.
    pub text: &'a str,
}

impl From<FrameView<'_>> for FrameRecord {
    fn from(view: FrameView<'_>) -> Self {
        let FrameView { seq, charger, at, direction, text } = view;
        Self { seq, charger, at, direction, text: text.into() }
    }
}

fn broken() -> Error {
    Error::Unreadable("a block of frames".to_owned())
}

/// The bytes of a packed block.
pub(crate) fn unpack_raw(data: &[u8]) -> Result<Vec<u8>> {
    // A damaged length must not ask for all memory.
    let (size, _) = lz4_flex::block::uncompressed_size(data).map_err(|_| broken())?;
    if size > RAW_BYTES_MAX {
        return Err(broken());
    }
    lz4_flex::block::decompress_size_prepended(data).map_err(|_| broken())
}

/// The records of a packed block, in the order they were added.
pub(crate) fn unpack(data: &[u8]) -> Result<Vec<FrameRecord>> {
    read_records(&unpack_raw(data)?).ok_or_else(broken)
}

fn read_records(mut rest: &[u8]) -> Option<Vec<FrameRecord>> {
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (record, after) = read_record(rest)?;
        records.push(record.into());
        rest = after;
    }
    Some(records)
}

/// The numbers of the frames in unpacked bytes, each with where it begins.
pub(crate) fn places(raw: &[u8]) -> Result<Vec<(FrameSeq, u32)>> {
    let mut places = Vec::new();
    let mut rest = raw;
    while !rest.is_empty() {
        let offset = (raw.len() - rest.len()) as u32;
        let (head, after) = rest.split_at_checked(HEAD_BYTES).ok_or_else(broken)?;
        let (seq, _) = head.split_first_chunk::<8>().ok_or_else(broken)?;
        let (_, length) = head.split_last_chunk::<4>().ok_or_else(broken)?;
        let length = u32::from_le_bytes(*length) as usize;
        rest = after.split_at_checked(length).ok_or_else(broken)?.1;
        places.push((u64::from_le_bytes(*seq), offset));
    }
    Ok(places)
}

/// The frame that begins at a place of unpacked bytes; `None` when they are damaged.
pub(crate) fn view(raw: &[u8], offset: u32) -> Option<FrameView<'_>> {
    Some(read_record(raw.get(offset as usize..)?)?.0)
}

fn read_record(bytes: &[u8]) -> Option<(FrameView<'_>, &[u8])> {
    let (seq, bytes) = bytes.split_first_chunk::<8>()?;
    let (at, bytes) = bytes.split_first_chunk::<8>()?;
    let (charger, bytes) = bytes.split_first_chunk::<4>()?;
    let (direction, bytes) = bytes.split_first()?;
    let (length, bytes) = bytes.split_first_chunk::<4>()?;
    let (text, rest) = bytes.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let view = FrameView {
        seq: u64::from_le_bytes(*seq),
        charger: ChargerKey(u32::from_le_bytes(*charger)),
        at: UnixMs(i64::from_le_bytes(*at)),
        direction: if *direction == 0 { Direction::In } else { Direction::Out },
        text: std::str::from_utf8(text).ok()?,
    };
    Some((view, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64, charger: u32, text: &str) -> FrameRecord {
        FrameRecord {
            seq,
            charger: ChargerKey(charger),
            at: UnixMs(1_000 + seq as i64),
            direction: if seq.is_multiple_of(2) { Direction::In } else { Direction::Out },
            text: text.into(),
        }
    }

    fn packed(bucket: u8, records: &[FrameRecord]) -> FrameBlock {
        let mut gathering = Gathering::default();
        for record in records {
            let FrameRecord { seq, charger, at, direction, text } = record;
            gathering.push(*seq, *charger, *at, *direction, text);
        }
        assert_eq!(gathering.records(), records);
        let block = gathering.pack(bucket).expect("there are records");
        assert!(gathering.pack(bucket).is_none());
        block
    }

    #[test]
    fn what_is_packed_unpacks() {
        let records = [record(5, 1, "[2,\"a\"]"), record(4, 2, ""), record(9, 1, "ș")];
        let block = packed(3, &records);
        assert_eq!((block.first_seq, block.last_seq, block.records), (4, 9, 3));
        assert_eq!((block.first_at, block.last_at), (UnixMs(1_004), UnixMs(1_009)));
        assert_eq!(unpack(&block.data).expect("it is whole"), records);
        assert_eq!(block.presence & presence_of(ChargerKey(2)), presence_of(ChargerKey(2)));
    }

    #[test]
    fn a_cut_block_is_an_error_and_no_panic() {
        let block = packed(0, &[record(1, 1, "hello hello hello")]);
        for cut in 0..block.data.len() {
            assert!(unpack(&block.data[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_block_that_claims_to_be_huge_is_refused() {
        let block = packed(0, &[record(1, 1, "hello")]);
        let mut data = block.data.to_vec();
        data[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(unpack(&data).is_err());
    }

    #[test]
    fn chargers_spread_over_the_buckets() {
        let mut counts = [0_u32; BUCKETS as usize];
        for charger in 0..6_400 {
            counts[usize::from(bucket_of(ChargerKey(charger)))] += 1;
        }
        assert!(counts.iter().all(|count| (60..=140).contains(count)), "{counts:?}");
    }
}
