//! When connectors are used: successful sessions by the hour of the day and the day of the week, for
//! rules about silence.

use mendpoint_model::{ChargerKey, ConnectorRef, UnixMs};

use crate::db::{Columns as _, read};
use crate::{Result, Store};

/// Part 0: hours of the day; part 1: days of the week.
const PARTS: &str =
    "SELECT charger_key, evse, connector, CAST(0 AS BIGINT), (ended_at_ms / 3600000) % 24,
        COUNT(*), MAX(ended_at_ms)
    FROM charge_transaction
    WHERE opened_at_ms >= $1 AND ended_at_ms < $2 AND energy_wh >= $3
    GROUP BY charger_key, evse, connector, (ended_at_ms / 3600000) % 24
    UNION ALL SELECT charger_key, evse, connector, CAST(1 AS BIGINT), (ended_at_ms / 86400000) % 7,
        COUNT(*), MAX(ended_at_ms)
    FROM charge_transaction
    WHERE opened_at_ms >= $1 AND ended_at_ms < $2 AND energy_wh >= $3
    GROUP BY charger_key, evse, connector, (ended_at_ms / 86400000) % 7
    ORDER BY 1, 2, 3, 4, 5";

/// The sessions of one connector in one part of the day, or of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartOfUse {
    /// The charger.
    pub charger: ChargerKey,
    /// The connector.
    pub connector: ConnectorRef,
    /// Which part.
    pub part: DayPart,
    /// How many ended in it.
    pub sessions: u32,
    /// When the newest of them ended.
    pub last: UnixMs,
}

/// A part of the day, or of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayPart {
    /// The hour of the day in UTC, 0 to 23.
    Hour(u8),
    /// The day of the week in UTC, from Thursday (0) to Wednesday (6).
    Weekday(u8),
}

impl Store {
    /// How many sessions of at least `energy_wh` began at or after `since` and ended before `until`,
    /// by connector, and by hour of the day and again by day of the week.
    pub async fn parts_of_use(
        &self,
        since: UnixMs,
        until: UnixMs,
        energy_wh: f64,
    ) -> Result<Vec<PartOfUse>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(PARTS)
                .bind(since.0)
                .bind(until.0)
                .bind(energy_wh)
                .fetch_all(conn)
                .await?;
            rows.iter()
                .map(|row| {
                    let small = |value: i64| u16::try_from(value).unwrap_or_default();
                    let part = small(row.int(4)?) as u8;
                    Ok(PartOfUse {
                        charger: ChargerKey(u32::try_from(row.int(0)?).unwrap_or_default()),
                        connector: ConnectorRef {
                            evse: small(row.int(1)?),
                            connector: small(row.int(2)?),
                        },
                        part: match row.int(3)? {
                            0 => DayPart::Hour(part.min(23)),
                            _ => DayPart::Weekday(part.min(6)),
                        },
                        sessions: u32::try_from(row.int(5)?).unwrap_or(u32::MAX),
                        last: UnixMs(row.int(6)?),
                    })
                })
                .collect()
        })
    }
}
