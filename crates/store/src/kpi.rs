//! Sums of charging and of incidents, for the figures.

use mendpoint_model::{ChargeFigures, ChargerKey, SiteKey, UnixMs};

use crate::db::{Columns as _, all, read, tx};
use crate::{Result, Store};

const PUT: &str = "INSERT INTO charge_day (charger_key, day_at_ms, attempts, started, completed,
    excused, visits, visits_first, visits_succeeded) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (charger_key, day_at_ms) DO UPDATE SET attempts = excluded.attempts,
    started = excluded.started, completed = excluded.completed, excused = excluded.excused,
    visits = excluded.visits, visits_first = excluded.visits_first,
    visits_succeeded = excluded.visits_succeeded";
const DAYS: &str = "SELECT d.charger_key, d.day_at_ms, d.attempts, d.started, d.completed,
    d.excused, d.visits, d.visits_first, d.visits_succeeded
    FROM charge_day d JOIN charger c ON c.charger_key = d.charger_key
    WHERE d.day_at_ms >= $1 AND d.day_at_ms < $2
      AND (CAST($3 AS BIGINT) IS NULL OR c.site_key = $3)
    ORDER BY d.charger_key, d.day_at_ms";

/// What became of charging at a charger on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChargeDayRow {
    /// The charger.
    pub charger: ChargerKey,
    /// When the day began (UTC).
    pub day: UnixMs,
    /// The sums of that day.
    pub figures: ChargeFigures,
}

impl Store {
    /// Writes days down in one transaction; those that are there are replaced.
    pub async fn put_charge_days(&self, rows: &[ChargeDayRow]) -> Result<()> {
        tx!(&self.db, conn => {
            for row in rows {
                let mut query =
                    sqlx::query(PUT).bind(i64::from(row.charger.0)).bind(row.day.0);
                for count in [
                    row.figures.attempts,
                    row.figures.started,
                    row.figures.completed,
                    row.figures.excused,
                    row.figures.visits,
                    row.figures.visits_first,
                    row.figures.visits_succeeded,
                ] {
                    query = query.bind(count.cast_signed());
                }
                query.execute(&mut *conn).await?;
            }
            Ok(())
        })
    }

    /// The days of a range, of one site or all, by charger and day.
    pub async fn charge_days(
        &self,
        from: UnixMs,
        until: UnixMs,
        site: Option<SiteKey>,
    ) -> Result<Vec<ChargeDayRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(DAYS)
                .bind(from.0)
                .bind(until.0)
                .bind(site.map(|site| i64::from(site.0)));
            all(&query.fetch_all(conn).await?, |row| Ok(ChargeDayRow {
                charger: ChargerKey(row.number(0)?),
                day: UnixMs(row.int(1)?),
                figures: ChargeFigures {
                    attempts: row.number(2)?,
                    started: row.number(3)?,
                    completed: row.number(4)?,
                    excused: row.number(5)?,
                    visits: row.number(6)?,
                    visits_first: row.number(7)?,
                    visits_succeeded: row.number(8)?,
                },
            }))
        })
    }
}
