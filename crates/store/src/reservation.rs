use mendpoint_model::{ChargerKey, ConnectorRef, TransactionId, UnixMs};

use crate::db::{Columns, all, one, read, write};
use crate::{Error, Result, Store};

macro_rules! columns {
    () => {
        "SELECT reservation_id, charger_key, evse, connector, id_token, parent, state, problem,
            created_by, created_at_ms, changed_at_ms, expires_at_ms, transaction_id
         FROM reservation "
    };
}
const ONE: &str = concat!(columns!(), "WHERE reservation_id = $1");
const LIST: &str = concat!(
    columns!(),
    "WHERE (CAST($1 AS BIGINT) IS NULL OR charger_key = $1) AND reservation_id < $2
     ORDER BY reservation_id DESC LIMIT $3"
);
const INSERT: &str = "INSERT INTO reservation (reservation_id, charger_key, evse, connector,
        id_token, parent, state, problem, created_by, created_at_ms, changed_at_ms, expires_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)";
/// What was used or went away meanwhile stays so: a late answer does not change it back.
const UPDATE: &str = "UPDATE reservation SET state = $2, problem = $3, changed_at_ms = $4
    WHERE reservation_id = $1 AND state IN ('requested', 'accepted')";
const EXPIRE: &str = "UPDATE reservation SET state = 'expired', changed_at_ms = expires_at_ms
    WHERE state = 'accepted' AND expires_at_ms <= $1";

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum ReservationState {
    /// The charger was asked.
    Requested,
    /// The connector is held.
    Accepted,
    /// Refused: the connector is broken.
    Faulted,
    /// Refused: the connector is in use.
    Occupied,
    /// Refused.
    Rejected,
    /// Refused: out of service.
    Unavailable,
    /// The charger gave no answer that says yes or no.
    Failed,
    /// A transaction began with it.
    Used,
    /// Its time is over.
    Expired,
    /// Taken back.
    Cancelled,
    /// The charger dropped it.
    Removed,
}

impl ReservationState {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Requested,
        Self::Accepted,
        Self::Faulted,
        Self::Occupied,
        Self::Rejected,
        Self::Unavailable,
        Self::Failed,
        Self::Used,
        Self::Expired,
        Self::Cancelled,
        Self::Removed,
    ];

    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Accepted => "accepted",
            Self::Faulted => "faulted",
            Self::Occupied => "occupied",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Removed => "removed",
        }
    }

    /// The state of a word, whatever its case: the words of `ReserveNow`'s answer are among them.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name().eq_ignore_ascii_case(name))
    }

    /// Whether it holds a connector, or may soon.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Accepted)
    }
}

/// A connector that is held for a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservationRow {
    /// Our number: positive and at most 2^31-1.
    pub id: i64,
    /// Where.
    pub charger: ChargerKey,
    /// Which connector; the whole charger when any will do.
    pub connector: ConnectorRef,
    /// For whom.
    pub id_token: String,
    /// And for whoever belongs to this group.
    pub parent: Option<String>,
    /// Where it stands.
    pub state: ReservationState,
    /// Why it failed; empty when it did not.
    pub problem: String,
    /// Who asked for it.
    pub created_by: String,
    /// When.
    pub created_at: UnixMs,
    /// When it changed last.
    pub changed_at: UnixMs,
    /// Until when it holds.
    pub expires_at: UnixMs,
    /// The transaction that began with it.
    pub transaction: Option<TransactionId>,
}

fn reservation(row: &impl Columns) -> Result<ReservationRow> {
    let state = row.text(6)?;
    Ok(ReservationRow {
        id: row.int(0)?,
        charger: ChargerKey(row.number(1)?),
        connector: ConnectorRef { evse: row.number(2)?, connector: row.number(3)? },
        id_token: row.text(4)?,
        parent: row.text_or_null(5)?,
        state: ReservationState::from_name(&state)
            .ok_or_else(|| Error::Unreadable(format!("the reservation state \"{state}\"")))?,
        problem: row.text(7)?,
        created_by: row.text(8)?,
        created_at: UnixMs(row.int(9)?),
        changed_at: UnixMs(row.int(10)?),
        expires_at: UnixMs(row.int(11)?),
        transaction: row.int_or_null(12)?.map(TransactionId),
    })
}

impl Store {
    /// Keeps a new reservation under a number of its own, which it gives.
    pub async fn insert_reservation(&self, row: &ReservationRow) -> Result<i64> {
        let id = self.db.next_id("reservation").await?;
        write!(&self.db, conn => {
            sqlx::query(INSERT)
                .bind(id)
                .bind(i64::from(row.charger.0))
                .bind(i64::from(row.connector.evse))
                .bind(i64::from(row.connector.connector))
                .bind(&row.id_token)
                .bind(row.parent.as_deref())
                .bind(row.state.name())
                .bind(&row.problem)
                .bind(&row.created_by)
                .bind(row.created_at.0)
                .bind(row.expires_at.0)
                .execute(conn)
                .await?;
            Ok(id)
        })
    }

    /// Writes down what became of an open reservation; `false` when it is over already.
    pub async fn update_reservation(
        &self,
        id: i64,
        state: ReservationState,
        problem: &str,
        at: UnixMs,
    ) -> Result<bool> {
        write!(&self.db, conn => {
            let query = sqlx::query(UPDATE).bind(id).bind(state.name()).bind(problem).bind(at.0);
            Ok(query.execute(conn).await?.rows_affected() > 0)
        })
    }

    /// One reservation, as it stands `now`.
    pub async fn reservation(&self, id: i64, now: UnixMs) -> Result<Option<ReservationRow>> {
        self.expire_reservations(now).await?;
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(id);
            one(query.fetch_optional(conn).await?.as_ref(), reservation)
        })
    }

    /// Reservations as they stand `now`, newest first, of one charger or all, with a number below
    /// `before`.
    pub async fn reservations(
        &self,
        charger: Option<ChargerKey>,
        before: Option<i64>,
        limit: u32,
        now: UnixMs,
    ) -> Result<Vec<ReservationRow>> {
        self.expire_reservations(now).await?;
        read!(&self.db, conn => {
            let rows = sqlx::query(LIST)
                .bind(charger.map(|charger| i64::from(charger.0)))
                .bind(before.unwrap_or(i64::MAX))
                .bind(i64::from(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, reservation)
        })
    }

    /// Closes those whose time is over: no charger has to say so.
    async fn expire_reservations(&self, now: UnixMs) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(EXPIRE).bind(now.0).execute(conn).await?;
            Ok(())
        })
    }
}
