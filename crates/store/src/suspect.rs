//! What is odd about transactions, what was said of them, and orphans: ends without a start.

use mendpoint_model::{
    ChargerKey, Finding, FindingCode, KeptNote, TransactionEnded, TransactionId, UnixMs,
};

use crate::cursor::{page, rows_of};
use crate::db::{Columns, all, one, read, write};
use crate::transaction::{Look, RECENT_MS, look};
use crate::{Cursor, Error, Page, Result, Store, row_id};

const FINDINGS: &str = "SELECT code, sentence, found_at_ms, cleared_at_ms FROM transaction_finding
    WHERE transaction_id = $1 ORDER BY hard DESC, found_at_ms, code";
const NOTES: &str = "SELECT at_ms, frame, json, id FROM transaction_note
    WHERE transaction_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const LOOK: &str = "UPDATE charge_transaction
    SET looked_at_ms = $2, looked_by = $3, look_note = $4
    WHERE transaction_id = $1 AND severity > 0";
/// More than this many is "many"; counting on would only take time.
const UNSEEN: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM charge_transaction
    WHERE severity > 0 AND looked_at_ms IS NULL LIMIT 1000) AS unseen";

macro_rules! orphan_columns {
    () => {
        "SELECT id, charger_key, at_ms, transaction_id, external_id, frame, json, joined,
            looked_at_ms, looked_by, look_note FROM transaction_orphan "
    };
}
const ORPHANS: &str = concat!(
    orphan_columns!(),
    "WHERE (CAST($1 AS BIGINT) IS NULL OR charger_key = $1) AND (at_ms, id) < ($2, $3)
     ORDER BY at_ms DESC, id DESC LIMIT $4"
);
const ORPHANS_OF: &str = concat!(
    orphan_columns!(),
    "WHERE charger_key = $1 AND (at_ms, id) < ($2, $3) ORDER BY at_ms DESC, id DESC LIMIT $4"
);
const ORPHAN: &str = concat!(orphan_columns!(), "WHERE id = $1");
const RECENT_ORPHANS: &str = concat!(
    orphan_columns!(),
    "WHERE at_ms >= $1 AND joined IS NULL ORDER BY at_ms, id LIMIT 10000"
);
const LOOK_ORPHAN: &str = "UPDATE transaction_orphan
    SET looked_at_ms = $2, looked_by = $3, look_note = $4 WHERE id = $1";
const UNSEEN_ORPHANS: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM transaction_orphan
    WHERE joined IS NULL AND looked_at_ms IS NULL LIMIT 1000) AS unseen";

/// What was found about a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingRow {
    /// Code and sentence.
    pub finding: Finding,
    /// When it was found.
    pub found_at: UnixMs,
    /// Since when it does not hold any more.
    pub cleared_at: Option<UnixMs>,
}

/// The end of a transaction that was not known (behaviour 58).
#[derive(Clone, Debug, PartialEq)]
pub struct OrphanRow {
    /// Its number among the orphans.
    pub id: i64,
    /// Where.
    pub charger: ChargerKey,
    /// When it came.
    pub at: UnixMs,
    /// The number the charger sent.
    pub sent: TransactionId,
    /// The charger's own id; empty for 1.6.
    pub external_id: String,
    /// The frame that brought it; 0 for none.
    pub frame: u64,
    /// All that it said; `None` for those of before there was room for it.
    pub ended: Option<TransactionEnded>,
    /// The transaction that it turned out to end.
    pub joined: Option<TransactionId>,
    /// Who looked at it.
    pub look: Option<Look>,
}

fn finding(row: &impl Columns) -> Result<FindingRow> {
    let code = row.text(0)?;
    let code = FindingCode::from_name(&code)
        .ok_or_else(|| Error::Unreadable(format!("the finding \"{code}\"")))?;
    Ok(FindingRow {
        finding: Finding { code, sentence: row.text(1)? },
        found_at: UnixMs(row.int(2)?),
        cleared_at: row.int_or_null(3)?.map(UnixMs),
    })
}

fn orphan(row: &impl Columns) -> Result<OrphanRow> {
    let ended = match row.text_or_null(6)? {
        Some(_) => Some(row.json(6, "the end of a transaction")?),
        None => None,
    };
    Ok(OrphanRow {
        id: row.int(0)?,
        charger: ChargerKey(row.number(1)?),
        at: UnixMs(row.int(2)?),
        sent: TransactionId(row.int(3)?),
        external_id: row.text(4)?,
        frame: row.number(5)?,
        ended,
        joined: row.int_or_null(7)?.map(TransactionId),
        look: look(row, 8)?,
    })
}

impl Store {
    /// What was found about a transaction, worst first.
    pub async fn findings(&self, id: TransactionId) -> Result<Vec<FindingRow>> {
        read!(&self.db, conn => {
            all(&sqlx::query(FINDINGS).bind(id.0).fetch_all(conn).await?, finding)
        })
    }

    /// What was said of a transaction, oldest first, from after the row `after` (0 for the first).
    /// At most `limit` of them.
    pub async fn notes(&self, id: TransactionId, after: i64, limit: u32) -> Result<Vec<KeptNote>> {
        read!(&self.db, conn => {
            let query = sqlx::query(NOTES).bind(id.0).bind(after).bind(i64::from(limit));
            all(&query.fetch_all(conn).await?, |row| Ok(KeptNote {
                id: row.int(3)?,
                at: UnixMs(row.int(0)?),
                frame: row.number(1)?,
                note: row.json(2, "a note on a transaction")?,
            }))
        })
    }

    /// Writes down that somebody looked at a suspect transaction; `false` when it is not suspect.
    pub async fn look_at_transaction(&self, id: TransactionId, look: &Look) -> Result<bool> {
        write!(&self.db, conn => {
            let done = sqlx::query(LOOK)
                .bind(id.0)
                .bind(look.at.0)
                .bind(&look.by)
                .bind(&look.note)
                .execute(conn)
                .await?;
            Ok(done.rows_affected() > 0)
        })
    }

    /// How many suspect transactions and how many orphans nobody looked at, each at most 1,000.
    pub async fn unseen_suspects(&self) -> Result<(u64, u64)> {
        read!(&self.db, conn => {
            let suspect: u64 = sqlx::query(UNSEEN).fetch_one(&mut *conn).await?.number(0)?;
            let orphans = sqlx::query(UNSEEN_ORPHANS).fetch_one(&mut *conn).await?.number(0)?;
            Ok((suspect, orphans))
        })
    }

    /// Ends of unknown transactions, newest first, of one charger or all.
    pub async fn orphans(
        &self,
        charger: Option<ChargerKey>,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<OrphanRow>> {
        let from = Cursor::or_start(cursor);
        let sql = if charger.is_some() { ORPHANS_OF } else { ORPHANS };
        let rows = read!(&self.db, conn => {
            let rows = sqlx::query(sql)
                .bind(charger.map(|charger| i64::from(charger.0)))
                .bind(from.at)
                .bind(from.id)
                .bind(rows_of(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, orphan)
        })?;
        Ok(page(rows, limit, |row: &OrphanRow| (row.at.0, row.id)))
    }

    /// One orphan.
    pub async fn orphan(&self, id: i64) -> Result<Option<OrphanRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ORPHAN).bind(id);
            one(query.fetch_optional(conn).await?.as_ref(), orphan)
        })
    }

    /// Orphans of the last days whose start may still come, oldest first.
    pub async fn recent_orphans(&self) -> Result<Vec<OrphanRow>> {
        let since = row_id::now() - RECENT_MS;
        read!(&self.db, conn => {
            all(&sqlx::query(RECENT_ORPHANS).bind(since.0).fetch_all(conn).await?, orphan)
        })
    }

    /// Writes down that somebody looked at an orphan; `false` when there is none of that number.
    pub async fn look_at_orphan(&self, id: i64, look: &Look) -> Result<bool> {
        write!(&self.db, conn => {
            let done = sqlx::query(LOOK_ORPHAN)
                .bind(id)
                .bind(look.at.0)
                .bind(&look.by)
                .bind(&look.note)
                .execute(conn)
                .await?;
            Ok(done.rows_affected() > 0)
        })
    }
}
