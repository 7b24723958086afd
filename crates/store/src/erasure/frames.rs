//! Raw frames are packed, many to a row: each block is unpacked, looked through, and packed anew where
//! the token is in it. One block at a time, so that the writer never waits long.

use std::collections::BTreeSet;

use super::text::{Exchange, tokens_in};
use crate::db::{Columns as _, Db, one, read, write};
use crate::frame_block::{Gathering, unpack};
use crate::{FrameRecord, Result};

const NEXT: &str = "SELECT first_seq, bucket, data FROM frame_block WHERE first_seq > $1
    ORDER BY first_seq LIMIT 1";
const SET: &str = "UPDATE frame_block SET data = $2 WHERE first_seq = $1";

/// Messages of one person that an export holds at most.
const EXPORTED_MAX: usize = 10_000;

struct Block {
    first_seq: i64,
    bucket: u8,
    records: Vec<FrameRecord>,
}

async fn next(db: &Db, after: i64) -> Result<Option<Block>> {
    read!(db, conn => {
        let row = sqlx::query(NEXT).bind(after).fetch_optional(conn).await?;
        one(row.as_ref(), |row| {
            let records = unpack(&row.bytes(2)?).unwrap_or_default();
            Ok(Block { first_seq: row.int(0)?, bucket: row.number(1)?, records })
        })
    })
}

/// Exchanges the token in all blocks; gives how many were written anew.
pub(super) async fn exchange(db: &Db, exchange: &Exchange) -> Result<u64> {
    let (mut after, mut changed) = (i64::MIN, 0);
    while let Some(block) = next(db, after).await? {
        after = block.first_seq;
        let mut is_changed = false;
        let mut gathering = Gathering::default();
        for record in &block.records {
            let text = exchange.in_json(&record.text);
            is_changed |= text.is_some();
            let text = text.as_deref().unwrap_or(&record.text);
            gathering.push(record.seq, record.charger, record.at, record.direction, text);
        }
        if let Some(packed) = gathering.pack(block.bucket).filter(|_| is_changed) {
            changed += write!(db, conn => {
                let query = sqlx::query(SET).bind(block.first_seq).bind(packed.data.to_vec());
                Ok(query.execute(conn).await?.rows_affected())
            })?;
        }
        tokio::task::yield_now().await;
    }
    Ok(changed)
}

/// Whether any message names a token.
pub(super) async fn has(db: &Db, exchange: &Exchange) -> Result<bool> {
    let mut after = i64::MIN;
    while let Some(block) = next(db, after).await? {
        after = block.first_seq;
        if block.records.iter().any(|record| exchange.in_json(&record.text).is_some()) {
            return Ok(true);
        }
        tokio::task::yield_now().await;
    }
    Ok(false)
}

/// Collects the tokens of all frames.
pub(super) async fn tokens(db: &Db, tokens: &mut BTreeSet<String>) -> Result<()> {
    let mut after = i64::MIN;
    while let Some(block) = next(db, after).await? {
        after = block.first_seq;
        for record in &block.records {
            tokens_in(&record.text, &mut |token| {
                tokens.insert(token.to_ascii_lowercase());
            });
        }
    }
    Ok(())
}

/// The messages that name a token, oldest first.
pub(super) async fn of_token(db: &Db, exchange: &Exchange) -> Result<Vec<serde_json::Value>> {
    let (mut after, mut found) = (i64::MIN, Vec::new());
    while let Some(block) = next(db, after).await? {
        after = block.first_seq;
        let named = block.records.into_iter().filter(|one| exchange.in_json(&one.text).is_some());
        found.extend(named.map(|record| {
            serde_json::json!({
                "at": record.at.rfc3339(), "charger": record.charger.0, "text": record.text,
            })
        }));
        if found.len() >= EXPORTED_MAX {
            break;
        }
    }
    Ok(found)
}
