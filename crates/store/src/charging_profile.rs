use mendpoint_model::{ChargerKey, TransactionId, UnixMs};

use crate::db::{Columns, all, one, read, write};
use crate::{Result, Store};

macro_rules! columns {
    () => {
        "SELECT profile_id, charger_key, evse, purpose, stack_level, transaction_id, state, problem,
            set_by, set_at_ms, changed_at_ms, json FROM charging_profile "
    };
}
const ONE: &str = concat!(columns!(), "WHERE profile_id = $1");
const LIST: &str = concat!(columns!(), "WHERE charger_key = $1 ORDER BY profile_id DESC LIMIT $2");
const INSERT: &str = "INSERT INTO charging_profile (profile_id, charger_key, evse, purpose,
        stack_level, transaction_id, state, problem, set_by, set_at_ms, changed_at_ms, json)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)";
const UPDATE: &str = "UPDATE charging_profile SET state = $2, problem = $3, changed_at_ms = $4,
    json = CASE WHEN $5 = '' THEN json ELSE $5 END WHERE profile_id = $1";

const REPLACE: &str = "UPDATE charging_profile SET state = 'replaced', changed_at_ms = $6,
        problem = 'Profile ' || CAST($1 AS TEXT) || ' took its place.'
    WHERE charger_key = $2 AND evse = $3 AND purpose = $4 AND stack_level = $5
        AND state = 'accepted' AND profile_id < $1";

/// A charging profile that a charger was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargingProfileRow {
    /// Its number, unique among all chargers.
    pub id: i64,
    /// Where.
    pub charger: ChargerKey,
    /// The EVSE (connector of 1.6); 0 is the whole charger.
    pub evse: u16,
    /// The purpose in the words of 1.6: `TxDefaultProfile`, `ChargePointMaxProfile`, `TxProfile`.
    pub purpose: String,
    /// Higher wins.
    pub stack_level: u32,
    /// For which transaction.
    pub transaction: Option<TransactionId>,
    /// `requested`, `accepted`, `rejected`, `failed`, `replaced`, `cleared`.
    pub state: String,
    /// Why it failed; empty when it did not.
    pub problem: String,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub set_at: UnixMs,
    /// When its state changed last.
    pub changed_at: UnixMs,
    /// The payload that was sent.
    pub json: String,
}

fn profile(row: &impl Columns) -> Result<ChargingProfileRow> {
    Ok(ChargingProfileRow {
        id: row.int(0)?,
        charger: ChargerKey(row.number(1)?),
        evse: row.number(2)?,
        purpose: row.text(3)?,
        stack_level: row.number(4)?,
        transaction: row.int_or_null(5)?.map(TransactionId),
        state: row.text(6)?,
        problem: row.text(7)?,
        set_by: row.text(8)?,
        set_at: UnixMs(row.int(9)?),
        changed_at: UnixMs(row.int(10)?),
        json: row.text(11)?,
    })
}

impl Store {
    /// Keeps a new profile under a number of its own, which it gives.
    pub async fn insert_charging_profile(&self, row: &ChargingProfileRow) -> Result<i64> {
        let id = self.db.next_id("charging_profile").await?;
        write!(&self.db, conn => {
            sqlx::query(INSERT)
                .bind(id)
                .bind(i64::from(row.charger.0))
                .bind(i64::from(row.evse))
                .bind(&row.purpose)
                .bind(i64::from(row.stack_level))
                .bind(row.transaction.map(|id| id.0))
                .bind(&row.state)
                .bind(&row.problem)
                .bind(&row.set_by)
                .bind(row.set_at.0)
                .bind(&row.json)
                .execute(conn)
                .await?;
            Ok(id)
        })
    }

    /// Writes down what became of a profile; `json` is what was sent, empty to leave it.
    pub async fn update_charging_profile(
        &self,
        id: i64,
        state: &str,
        problem: &str,
        at: UnixMs,
        json: &str,
    ) -> Result<bool> {
        write!(&self.db, conn => {
            let query = sqlx::query(UPDATE).bind(id).bind(state).bind(problem).bind(at.0).bind(json);
            Ok(query.execute(conn).await?.rows_affected() > 0)
        })
    }

    /// Writes down that a profile took the place of those before it of the same place, purpose and
    /// level.
    pub async fn replace_charging_profiles(
        &self,
        by: &ChargingProfileRow,
        at: UnixMs,
    ) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(REPLACE)
                .bind(by.id)
                .bind(i64::from(by.charger.0))
                .bind(i64::from(by.evse))
                .bind(&by.purpose)
                .bind(i64::from(by.stack_level))
                .bind(at.0)
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// One profile.
    pub async fn charging_profile(&self, id: i64) -> Result<Option<ChargingProfileRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(id);
            one(query.fetch_optional(conn).await?.as_ref(), profile)
        })
    }

    /// The profiles that a charger was given, newest first.
    pub async fn charging_profiles(
        &self,
        charger: ChargerKey,
        limit: u32,
    ) -> Result<Vec<ChargingProfileRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(LIST).bind(i64::from(charger.0)).bind(i64::from(limit));
            all(&query.fetch_all(conn).await?, profile)
        })
    }
}
