use std::collections::BTreeMap;

use mendpoint_model::{ChargerKey, DAY_MS, SiteKey, Transaction, TransactionId, UnixMs};

use crate::cursor::{page, rows_of};
use crate::db::{Columns, all, one, read};
use crate::{Cursor, Page, Result, Store, row_id};

const OPEN: &str = "SELECT charger_key, json FROM charge_transaction WHERE ended_at_ms IS NULL
    ORDER BY charger_key, opened_at_ms, transaction_id";
macro_rules! columns {
    () => {
        "SELECT charger_key, ended_at_ms, energy_wh, reason, suspect, json, severity, findings,
            looked_at_ms, looked_by, look_note FROM charge_transaction "
    };
}
const CARDS: &str = "SELECT id_token FROM charge_transaction
    ORDER BY opened_at_ms DESC, transaction_id DESC LIMIT $1";
const RECENT: &str = concat!(
    columns!(),
    "WHERE opened_at_ms >= $1 AND ended_at_ms IS NOT NULL
     ORDER BY opened_at_ms DESC, transaction_id DESC LIMIT $2"
);
const ONE: &str = concat!(columns!(), "WHERE transaction_id = $1");
/// One text for each choice, so that each finds its index; `$1` is used in all of them. `$5` is the
/// earliest time.
macro_rules! list {
    ($place:literal, $state:literal) => {
        concat!(
            columns!(),
            "WHERE ",
            $place,
            $state,
            " AND (opened_at_ms, transaction_id) < ($2, $3) AND opened_at_ms >= $5
             ORDER BY opened_at_ms DESC, transaction_id DESC LIMIT $4"
        )
    };
}
/// The texts of one place, in the order of [`TransactionState`].
macro_rules! lists {
    ($place:literal) => {
        [
            list!($place, ""),
            list!($place, " AND ended_at_ms IS NULL"),
            list!($place, " AND ended_at_ms IS NOT NULL"),
            list!($place, " AND severity > 0"),
            list!($place, " AND severity > 0 AND looked_at_ms IS NULL"),
            list!($place, " AND severity = 2 AND severity > 0"),
        ]
    };
}
const LIST: [&str; 6] = lists!("CAST($1 AS BIGINT) IS NULL");
const LIST_OF: [&str; 6] = lists!("charger_key = $1");
const LIST_AT: [&str; 6] =
    lists!("charger_key IN (SELECT charger_key FROM charger WHERE site_key = $1)");

/// How far back closed transactions are remembered against a start that a charger sends again.
pub(crate) const RECENT_MS: i64 = 7 * DAY_MS;
/// And how many at most.
const RECENT_MAX: i64 = 50_000;

/// How sound a record is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is odd.
    #[default]
    Sound,
    /// Somebody should look.
    Soft,
    /// The money is wrong.
    Hard,
}

impl Severity {
    pub(crate) fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Sound,
            1 => Self::Soft,
            _ => Self::Hard,
        }
    }

    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Soft => "soft",
            Self::Hard => "hard",
        }
    }
}

/// Who looked at a suspect record, when, and what they made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub at: UnixMs,
    /// Who.
    pub by: String,
    /// What they wrote; may be empty.
    pub note: String,
}

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
    /// The worst thing that is odd about the record, if any is.
    pub suspect: Option<String>,
    /// How bad that is.
    pub severity: Severity,
    /// How many things are odd.
    pub findings: u32,
    /// Who looked at it.
    pub look: Option<Look>,
}

/// Which transactions, by their state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionState {
    /// All of them.
    #[default]
    Any,
    /// Those that run.
    Open,
    /// Those that are over.
    Over,
    /// Those about which something is odd.
    Suspect,
    /// Of those, the ones nobody looked at.
    Unseen,
    /// Those whose money is wrong.
    Hard,
}

/// Which transactions a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransactionFilter {
    /// Of this charger.
    pub charger: Option<ChargerKey>,
    /// Of the chargers that are at this site now; `charger` comes first.
    pub site: Option<SiteKey>,
    /// In this state.
    pub state: TransactionState,
    /// Learned of at this time or later.
    pub from: Option<UnixMs>,
    /// Learned of before this time.
    pub until: Option<UnixMs>,
}

impl TransactionFilter {
    /// All transactions of a charger.
    pub fn of(charger: ChargerKey) -> Self {
        Self { charger: Some(charger), ..Self::default() }
    }
}

fn keyed(row: &impl Columns) -> Result<(ChargerKey, Transaction)> {
    Ok((ChargerKey(row.number(0)?), row.json(1, "a transaction")?))
}

/// Reads `looked_at_ms, looked_by, look_note` from a column on.
pub(crate) fn look(row: &impl Columns, first: usize) -> Result<Option<Look>> {
    let Some(at) = row.int_or_null(first)? else { return Ok(None) };
    Ok(Some(Look {
        at: UnixMs(at),
        by: row.text_or_null(first + 1)?.unwrap_or_default(),
        note: row.text_or_null(first + 2)?.unwrap_or_default(),
    }))
}

fn transaction(row: &impl Columns) -> Result<TransactionRow> {
    Ok(TransactionRow {
        charger: ChargerKey(row.number(0)?),
        transaction: row.json(5, "a transaction")?,
        ended_at: row.int_or_null(1)?.map(UnixMs),
        energy_wh: row.real_or_null(2)?,
        reason: row.text(3)?,
        suspect: row.text_or_null(4)?,
        severity: Severity::from_number(row.int(6)?),
        findings: row.number(7)?,
        look: look(row, 8)?,
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

    /// Transactions closed within the last days, newest first: a charger may send their start or
    /// their end again (behaviours 32, 53, 59).
    pub async fn recent_transactions(&self) -> Result<Vec<TransactionRow>> {
        let since = row_id::now() - RECENT_MS;
        read!(&self.db, conn => {
            let query = sqlx::query(RECENT).bind(since.0).bind(RECENT_MAX);
            all(&query.fetch_all(conn).await?, transaction)
        })
    }

    /// The cards of the newest transactions, newest first, with repetitions.
    pub async fn card_numbers(&self, limit: u32) -> Result<Vec<String>> {
        read!(&self.db, conn => {
            let query = sqlx::query(CARDS).bind(i64::from(limit));
            all(&query.fetch_all(conn).await?, |row| row.text(0))
        })
    }

    /// One transaction.
    pub async fn transaction(&self, id: TransactionId) -> Result<Option<TransactionRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(id.0);
            one(query.fetch_optional(conn).await?.as_ref(), transaction)
        })
    }

    /// Transactions, newest first.
    pub async fn transactions(
        &self,
        filter: &TransactionFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<TransactionRow>> {
        let mut from = Cursor::or_start(cursor);
        if let Some(until) = filter.until.filter(|until| until.0 <= from.at) {
            // Before the first one of that moment.
            from = Cursor { at: until.0, id: i64::MIN };
        }
        let (sqls, key) = match (filter.charger, filter.site) {
            (Some(charger), _) => (&LIST_OF, Some(i64::from(charger.0))),
            (None, Some(site)) => (&LIST_AT, Some(i64::from(site.0))),
            (None, None) => (&LIST, None),
        };
        let sql = sqls[filter.state as usize];
        let rows = read!(&self.db, conn => {
            let rows = sqlx::query(sql)
                .bind(key)
                .bind(from.at)
                .bind(from.id)
                .bind(rows_of(limit))
                .bind(filter.from.map_or(i64::MIN, |from| from.0))
                .fetch_all(conn)
                .await?;
            all(&rows, transaction)
        })?;
        let at = |row: &TransactionRow| (row.transaction.opened_at.0, row.transaction.id.0);
        Ok(page(rows, limit, at))
    }
}
