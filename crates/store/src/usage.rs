//! When chargers are used: successful sessions by the hour of the day, for rules about silence.

use mendpoint_model::{ChargerKey, UnixMs};

use crate::db::{Columns as _, read};
use crate::{Result, Store};

const HOURS: &str = "SELECT charger_key, (ended_at_ms / 3600000) % 24, COUNT(*), MAX(ended_at_ms)
    FROM charge_transaction
    WHERE opened_at_ms >= $1 AND ended_at_ms < $2 AND energy_wh >= $3
    GROUP BY charger_key, (ended_at_ms / 3600000) % 24 ORDER BY charger_key";

/// The sessions of one charger in one hour of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourOfUse {
    /// The charger.
    pub charger: ChargerKey,
    /// The hour of the day in UTC, 0 to 23.
    pub hour: u8,
    /// How many ended in it.
    pub sessions: u32,
    /// When the newest of them ended.
    pub last: UnixMs,
}

impl Store {
    /// How many sessions of at least `energy_wh` began at or after `since` and ended before `until`,
    /// by charger and hour of the day.
    pub async fn hours_of_use(
        &self,
        since: UnixMs,
        until: UnixMs,
        energy_wh: f64,
    ) -> Result<Vec<HourOfUse>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(HOURS)
                .bind(since.0)
                .bind(until.0)
                .bind(energy_wh)
                .fetch_all(conn)
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(HourOfUse {
                        charger: ChargerKey(u32::try_from(row.int(0)?).unwrap_or_default()),
                        hour: u8::try_from(row.int(1)?).unwrap_or_default().min(23),
                        sessions: u32::try_from(row.int(2)?).unwrap_or(u32::MAX),
                        last: UnixMs(row.int(3)?),
                    })
                })
                .collect()
        })
    }
}
