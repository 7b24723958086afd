use std::collections::BTreeMap;

use mendpoint_model::{ChargerKey, DAY_MS, Transaction, TransactionId, UnixMs};

use crate::cursor::{page, rows_of};
use crate::db::{Columns, all, one, read};
use crate::{Cursor, Page, Result, Store, row_id};

const OPEN: &str = "SELECT charger_key, json FROM charge_transaction WHERE ended_at_ms IS NULL
    ORDER BY charger_key, opened_at_ms, transaction_id";
const RECENT: &str = "SELECT charger_key, json FROM charge_transaction
    WHERE opened_at_ms >= $1 AND ended_at_ms IS NOT NULL
    ORDER BY opened_at_ms DESC, transaction_id DESC LIMIT $2";
const ONE: &str = "SELECT charger_key, ended_at_ms, energy_wh, reason, suspect, json
    FROM charge_transaction WHERE transaction_id = $1";
/// One text for each choice, so that each finds its index; `$1` is used in all of them.
macro_rules! list {
    ($choice:literal) => {
        concat!(
            "SELECT charger_key, ended_at_ms, energy_wh, reason, suspect, json
             FROM charge_transaction WHERE ",
            $choice,
            " AND (opened_at_ms, transaction_id) < ($2, $3)
             ORDER BY opened_at_ms DESC, transaction_id DESC LIMIT $4"
        )
    };
}
const LIST: &str = list!("CAST($1 AS BIGINT) IS NULL");
const LIST_OPEN: &str = list!("CAST($1 AS BIGINT) IS NULL AND ended_at_ms IS NULL");
const LIST_OF: &str = list!("charger_key = $1");
const LIST_OPEN_OF: &str = list!("charger_key = $1 AND ended_at_ms IS NULL");
const ORPHANS: &str = "SELECT charger_key, at_ms, transaction_id, external_id, id
    FROM transaction_orphan WHERE (CAST($1 AS BIGINT) IS NULL OR charger_key = $1)
    ORDER BY id DESC LIMIT $2";

/// How far back closed transactions are remembered against a start that a charger sends again.
const RECENT_MS: i64 = 7 * DAY_MS;
/// And how many at most.
const RECENT_MAX: i64 = 50_000;

/// A transaction as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct TransactionRow {
    /// Where.
    pub charger: ChargerKey,
    /// Its last state.
    pub transaction: Transaction,
    /// When it ended; `None` while it is open.
    pub ended_at: Option<UnixMs>,
    /// Energy delivered, Wh, if known; only when it ended.
    pub energy_wh: Option<f64>,
    /// Why it ended, as sent; empty while it is open.
    pub reason: String,
    /// Why the record is not to be trusted as it is, if so.
    pub suspect: Option<String>,
}

/// The end of a transaction that was not known (behaviour 58).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrphanRow {
    /// Where.
    pub charger: ChargerKey,
    /// When it came.
    pub at: UnixMs,
    /// The number the charger sent.
    pub id: TransactionId,
    /// The charger's own id; empty for 1.6.
    pub external_id: String,
}

fn keyed(row: &impl Columns) -> Result<(ChargerKey, Transaction)> {
    Ok((ChargerKey(row.number(0)?), row.json(1, "a transaction")?))
}

fn transaction(row: &impl Columns) -> Result<TransactionRow> {
    Ok(TransactionRow {
        charger: ChargerKey(row.number(0)?),
        transaction: row.json(5, "a transaction")?,
        ended_at: row.int_or_null(1)?.map(UnixMs),
        energy_wh: row.real_or_null(2)?,
        reason: row.text(3)?,
        suspect: row.text_or_null(4)?,
    })
}

impl Store {
    /// Open transactions by charger, oldest first.
    pub async fn open_transactions(&self) -> Result<BTreeMap<ChargerKey, Vec<Transaction>>> {
        let rows = read!(&self.db, conn => {
            all(&sqlx::query(OPEN).fetch_all(conn).await?, keyed)
        })?;
        let mut open = BTreeMap::<_, Vec<_>>::new();
        for (charger, transaction) in rows {
            open.entry(charger).or_default().push(transaction);
        }
        Ok(open)
    }

    /// Transactions closed within the last days, newest first: a charger may send their start
    /// again, and must then get the same number (behaviour 32).
    pub async fn recent_transactions(&self) -> Result<Vec<(ChargerKey, Transaction)>> {
        let since = row_id::now() - RECENT_MS;
        read!(&self.db, conn => {
            let query = sqlx::query(RECENT).bind(since.0).bind(RECENT_MAX);
            all(&query.fetch_all(conn).await?, keyed)
        })
    }

    /// One transaction.
    pub async fn transaction(&self, id: TransactionId) -> Result<Option<TransactionRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(id.0);
            one(query.fetch_optional(conn).await?.as_ref(), transaction)
        })
    }

    /// Transactions, newest first, of one charger or all, open ones only or all.
    pub async fn transactions(
        &self,
        charger: Option<ChargerKey>,
        open_only: bool,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<TransactionRow>> {
        let from = Cursor::or_start(cursor);
        let sql = match (charger, open_only) {
            (None, false) => LIST,
            (None, true) => LIST_OPEN,
            (Some(_), false) => LIST_OF,
            (Some(_), true) => LIST_OPEN_OF,
        };
        let rows = read!(&self.db, conn => {
            let rows = sqlx::query(sql)
                .bind(charger.map(|charger| i64::from(charger.0)))
                .bind(from.at)
                .bind(from.id)
                .bind(rows_of(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, transaction)
        })?;
        let at = |row: &TransactionRow| (row.transaction.opened_at.0, row.transaction.id.0);
        Ok(page(rows, limit, at))
    }

    /// Ends of unknown transactions, newest first, of one charger or all.
    pub async fn orphans(&self, charger: Option<ChargerKey>, limit: u32) -> Result<Vec<OrphanRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(ORPHANS)
                .bind(charger.map(|charger| i64::from(charger.0)))
                .bind(i64::from(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, |row| Ok(OrphanRow {
                charger: ChargerKey(row.number(0)?),
                at: UnixMs(row.int(1)?),
                id: TransactionId(row.int(2)?),
                external_id: row.text(3)?,
            }))
        })
    }
}
