//! What is kept of chargers for long: hours and days, made from what is kept for a while.
//!
//! Hours are made one after another once they are over, from the rows that came in them; their ends
//! carry on who is online. Sessions are counted where they ended by the charger's own clock, which may
//! be told days later, so the sessions of the last week are counted anew with every hour.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mendpoint_model::{ChargerKey, DAY_MS, HOUR_MS, MINUTE_MS, NoteKind, SignalReading, UnixMs};

use crate::db::{Columns as _, all, json, read, tx, write};
use crate::{Result, Store, row_id};

const LINKS: &str = "SELECT charger_key, at_ms, online FROM link_change
    WHERE id >= $1 AND id < $2 ORDER BY id";
const FAULTS: &str = "SELECT charger_key, COUNT(*) FROM state_change
    WHERE id >= $1 AND id < $2 AND status = 'Faulted' GROUP BY charger_key";
const SIGNALS: &str = "SELECT charger_key, json FROM signal_reading WHERE id >= $1 AND id < $2";
const ONLINE: &str = "SELECT charger_key FROM charger_span
    WHERE span_ms = $1 AND began_at_ms = $2 AND is_online = 1";
const FIRST: &str = "SELECT MIN(at_ms) FROM (
    SELECT MIN(at_ms) AS at_ms FROM link_change UNION ALL
    SELECT MIN(at_ms) AS at_ms FROM state_change) AS first";
const PUT: &str =
    "INSERT INTO charger_span (charger_key, span_ms, began_at_ms, sessions, energy_wh,
    faults, online_ms, is_online, signals, signal_sum, signal_min, signal_max)
    VALUES ($1, $2, $3, 0, 0, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (charger_key, span_ms, began_at_ms) DO UPDATE SET faults = excluded.faults,
    online_ms = excluded.online_ms, is_online = excluded.is_online, signals = excluded.signals,
    signal_sum = excluded.signal_sum, signal_min = excluded.signal_min,
    signal_max = excluded.signal_max";
/// Sessions of a stretch of time by hour. `WHERE TRUE` tells SQLite where the question ends.
const SESSIONS: &str = "INSERT INTO charger_span (charger_key, span_ms, began_at_ms, sessions,
    energy_wh, faults, online_ms, is_online, signals, signal_sum)
    SELECT charger_key, CAST($1 AS BIGINT), (ended_at_ms / $1) * $1, COUNT(*),
        COALESCE(SUM(energy_wh), 0), 0, 0, 0, 0, 0
    FROM charge_transaction WHERE ended_at_ms >= $2 AND ended_at_ms < $3
    GROUP BY charger_key, (ended_at_ms / $1) * $1
    ON CONFLICT (charger_key, span_ms, began_at_ms) DO UPDATE SET sessions = excluded.sessions,
    energy_wh = excluded.energy_wh";
const DAYS: &str =
    "INSERT INTO charger_span (charger_key, span_ms, began_at_ms, sessions, energy_wh,
    faults, online_ms, is_online, signals, signal_sum, signal_min, signal_max)
    SELECT charger_key, CAST($1 AS BIGINT), (began_at_ms / $1) * $1, CAST(SUM(sessions) AS BIGINT),
        SUM(energy_wh), CAST(SUM(faults) AS BIGINT), CAST(SUM(online_ms) AS BIGINT), 0,
        CAST(SUM(signals) AS BIGINT), SUM(signal_sum), MIN(signal_min), MAX(signal_max)
    FROM charger_span WHERE span_ms = $2 AND began_at_ms >= $3 AND began_at_ms < $4
    GROUP BY charger_key, (began_at_ms / $1) * $1
    ON CONFLICT (charger_key, span_ms, began_at_ms) DO UPDATE SET sessions = excluded.sessions,
    energy_wh = excluded.energy_wh, faults = excluded.faults, online_ms = excluded.online_ms,
    signals = excluded.signals, signal_sum = excluded.signal_sum,
    signal_min = excluded.signal_min, signal_max = excluded.signal_max";
const LIST: &str =
    "SELECT began_at_ms, sessions, energy_wh, faults, online_ms, signals, signal_sum,
    signal_min, signal_max FROM charger_span
    WHERE charger_key = $1 AND span_ms = $2 AND began_at_ms >= $3 AND began_at_ms < $4
    ORDER BY began_at_ms";

macro_rules! prune {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE id IN (SELECT id FROM ",
            $table,
            " WHERE id < $1 ORDER BY id LIMIT $2)"
        )
    };
}
const PRUNE_SIGNALS: &str = prune!("signal_reading");
const PRUNE_STATES: &str = prune!("state_change");
const PRUNE_LINKS: &str = prune!("link_change");
const PRUNE_BOOTS: &str = prune!("boot");
const PRUNE_SECURITY: &str = prune!("security_event");
const PRUNE_REPORTS: &str = "DELETE FROM driver_report WHERE row_id IN
    (SELECT row_id FROM driver_report WHERE row_id < $1 ORDER BY row_id LIMIT $2)";
/// What waits to be sent is kept.
const PRUNE_LETTERS: &str = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox
    WHERE created_at_ms < $1 AND state IN ('sent', 'failed') ORDER BY created_at_ms, id LIMIT $2)";
const NOTES: &str =
    "SELECT id FROM transaction_note WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3";
const PRUNE_READINGS: &str =
    "DELETE FROM transaction_note WHERE id >= $1 AND id <= $2 AND json LIKE $3";
const PRUNE_SPANS: &str = "DELETE FROM charger_span WHERE span_ms = $3
    AND (charger_key, began_at_ms) IN (SELECT charger_key, began_at_ms FROM charger_span
        WHERE span_ms = $3 AND began_at_ms < $1 ORDER BY began_at_ms LIMIT $2)";

/// Rows that one statement deletes: the writer waits a few milliseconds at most.
const CHUNK: i64 = 500;
/// Sessions that are told later than this are counted in their transactions only.
const TOLD_LATE_MS: i64 = 7 * DAY_MS;
/// How long after its end an hour is made: what waits for the disk gets there first.
const SETTLE_MS: i64 = 5 * MINUTE_MS;
/// The name under which the next hour to be made is kept.
const NEXT_HOUR: &str = "history.next_hour";

/// The name under which is kept how far readings of meters were deleted.
const READINGS_DELETED: &str = "history.readings_deleted";

/// An hour or a day of a charger.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanRow {
    /// When it began.
    pub began_at: UnixMs,
    /// Sessions that ended in it.
    pub sessions: u64,
    /// Their energy, Wh.
    pub energy_wh: f64,
    /// How often a connector went to Faulted.
    pub faults: u64,
    /// How long the charger was connected, milliseconds.
    pub online_ms: i64,
    /// Readings of its radio link: least, mean and greatest, in the charger's own unit.
    pub signal: Option<(f64, f64, f64)>,
}

/// How long what is kept for a while is kept, in days; 0 is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Readings of radio links.
    pub signals: u32,
    /// Values of meters within a transaction. Its start, its end and its energy stay.
    pub meter_values: u32,
    /// Changes of connectors' states and of connections, boots, and security events.
    pub changes: u32,
    /// What people left: drivers' reports, and letters.
    pub people: u32,
    /// Photos that drivers sent with their reports.
    pub photos: u32,
    /// Hours of chargers.
    pub hours: u32,
    /// Days of chargers.
    pub days: u32,
}

/// Lets others write for as long as this step took: deleting what is old takes half of the writer at
/// most.
pub(crate) async fn give_way(begun: Instant) {
    tokio::time::sleep(begun.elapsed().max(Duration::from_millis(1))).await;
}

#[derive(Default)]
struct Hour {
    faults: i64,
    online_ms: i64,
    /// When it came online, while it is.
    online_since: Option<i64>,
    signals: i64,
    sum: f64,
    least: Option<f64>,
    greatest: Option<f64>,
}

impl Store {
    /// Hours (`span_ms` of an hour) or days of a charger, oldest first.
    pub async fn spans(
        &self,
        charger: ChargerKey,
        span_ms: i64,
        from: UnixMs,
        until: UnixMs,
    ) -> Result<Vec<SpanRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(LIST)
                .bind(i64::from(charger.0))
                .bind(span_ms)
                .bind(from.0)
                .bind(until.0);
            all(&query.fetch_all(conn).await?, |row| {
                let (count, sum): (i64, _) = (row.int(5)?, row.real_or_null(6)?.unwrap_or(0.0));
                let ends = row.real_or_null(7)?.zip(row.real_or_null(8)?);
                Ok(SpanRow {
                    began_at: UnixMs(row.int(0)?),
                    sessions: row.number(1)?,
                    energy_wh: row.real_or_null(2)?.unwrap_or(0.0),
                    faults: row.number(3)?,
                    online_ms: row.int(4)?,
                    signal: ends.map(|(least, most)| (least, sum / count.max(1) as f64, most)),
                })
            })
        })
    }

    /// Makes the hours that are over and were not made yet, and their days; at most `most` hours, so
    /// that a start after a long time away holds nobody up. Gives how many were made.
    pub async fn summarise(&self, now: UnixMs, most: usize) -> Result<usize> {
        let hour_of = |at: i64| at - at.rem_euclid(HOUR_MS);
        let next = self.get_value(NEXT_HOUR).await?.and_then(|text| text.parse::<i64>().ok());
        let first = match next {
            Some(next) => Some(next),
            None => read!(&self.db, conn => {
                sqlx::query(FIRST).fetch_one(conn).await?.int_or_null(0)
            })?,
        };
        let Some(begin) = first.map(hour_of) else { return Ok(0) };
        let (mut hour, mut made) = (begin, 0);
        while hour + HOUR_MS + SETTLE_MS <= now.0 && made < most {
            self.make_hour(hour).await?;
            hour += HOUR_MS;
            made += 1;
            self.set_value(NEXT_HOUR, &hour.to_string()).await?;
            tokio::task::yield_now().await;
        }
        if made > 0 {
            let from = (begin.min(hour - TOLD_LATE_MS)).div_euclid(DAY_MS) * DAY_MS;
            self.make_sessions_and_days(from, hour).await?;
        }
        Ok(made)
    }

    async fn make_hour(&self, hour: i64) -> Result<()> {
        let (first, end) =
            (row_id::first_of(UnixMs(hour)), row_id::first_of(UnixMs(hour + HOUR_MS)));
        let (online, links, faults, signals) = read!(&self.db, conn => {
            let query = sqlx::query(ONLINE).bind(HOUR_MS).bind(hour - HOUR_MS);
            let online = all(&query.fetch_all(&mut *conn).await?, |row| row.int(0))?;
            let query = sqlx::query(LINKS).bind(first).bind(end);
            let links = all(&query.fetch_all(&mut *conn).await?, |row| {
                Ok((row.int(0)?, row.int(1)?, row.truth(2)?))
            })?;
            let query = sqlx::query(FAULTS).bind(first).bind(end);
            let faults = all(&query.fetch_all(&mut *conn).await?, |row| {
                Ok((row.int(0)?, row.int(1)?))
            })?;
            let query = sqlx::query(SIGNALS).bind(first).bind(end);
            let signals = all(&query.fetch_all(&mut *conn).await?, |row| {
                Ok((row.int(0)?, row.json::<SignalReading>(1, "a signal")?))
            })?;
            Ok::<_, crate::Error>((online, links, faults, signals))
        })?;
        let mut hours = BTreeMap::<i64, Hour>::new();
        for charger in online {
            hours.entry(charger).or_default().online_since = Some(hour);
        }
        for (charger, at, is_online) in links {
            let at = at.clamp(hour, hour + HOUR_MS);
            let one = hours.entry(charger).or_default();
            match (one.online_since, is_online) {
                (None, true) => one.online_since = Some(at),
                (Some(since), false) => {
                    one.online_ms += at - since;
                    one.online_since = None;
                }
                _ => {}
            }
        }
        for (charger, count) in faults {
            hours.entry(charger).or_default().faults = count;
        }
        for (charger, reading) in signals {
            let one = hours.entry(charger).or_default();
            one.signals += 1;
            one.sum += reading.value;
            one.least = Some(one.least.map_or(reading.value, |least| least.min(reading.value)));
            one.greatest = Some(one.greatest.map_or(reading.value, |most| most.max(reading.value)));
        }
        let rows: Vec<_> = hours.into_iter().collect();
        for chunk in rows.chunks(500) {
            tx!(&self.db, conn => {
                for (charger, one) in chunk {
                    let rest = one.online_since.map_or(0, |since| hour + HOUR_MS - since);
                    sqlx::query(PUT)
                        .bind(*charger)
                        .bind(HOUR_MS)
                        .bind(hour)
                        .bind(one.faults)
                        .bind(one.online_ms + rest)
                        .bind(i64::from(one.online_since.is_some()))
                        .bind(one.signals)
                        .bind(one.sum)
                        .bind(one.least)
                        .bind(one.greatest)
                        .execute(&mut *conn)
                        .await?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    async fn make_sessions_and_days(&self, from: i64, until: i64) -> Result<()> {
        let mut day = from;
        while day < until {
            let end = (day + DAY_MS).min(until);
            tx!(&self.db, conn => {
                let query = sqlx::query(SESSIONS).bind(HOUR_MS).bind(day).bind(end);
                query.execute(&mut *conn).await?;
                let query = sqlx::query(DAYS).bind(DAY_MS).bind(HOUR_MS).bind(day).bind(end);
                query.execute(&mut *conn).await?;
                Ok(())
            })?;
            day += DAY_MS;
        }
        Ok(())
    }

    /// Deletes what is older than it is to be kept, in small steps between which others write. Gives
    /// the number of rows. What was not summarised yet is kept.
    pub async fn prune_to(&self, now: UnixMs, keep: Retention) -> Result<u64> {
        let next = self.get_value(NEXT_HOUR).await?.and_then(|text| text.parse::<i64>().ok());
        let until = |days: u32| {
            let at = now.0 - i64::from(days) * DAY_MS;
            row_id::first_of(UnixMs(at.min(next.unwrap_or(0) - HOUR_MS).max(0)))
        };
        let mut deleted = 0;
        for (sql, days) in [
            (PRUNE_SIGNALS, keep.signals),
            (PRUNE_STATES, keep.changes),
            (PRUNE_LINKS, keep.changes),
        ] {
            if days > 0 {
                deleted += self.prune_chunks(sql, until(days), None).await?;
            }
        }
        let before = |days: u32| row_id::first_of(now - i64::from(days) * DAY_MS);
        for (sql, days) in [
            (PRUNE_BOOTS, keep.changes),
            (PRUNE_SECURITY, keep.changes),
            (PRUNE_REPORTS, keep.people),
        ] {
            if days > 0 {
                deleted += self.prune_chunks(sql, before(days), None).await?;
            }
        }
        if keep.people > 0 {
            let bound = now.0 - i64::from(keep.people) * DAY_MS;
            deleted += self.prune_chunks(PRUNE_LETTERS, bound, None).await?;
        }
        if keep.meter_values > 0 {
            deleted += self.prune_readings(before(keep.meter_values)).await?;
        }
        if keep.photos > 0 {
            deleted += self.prune_photos(now - i64::from(keep.photos) * DAY_MS).await?;
        }
        for (span_ms, days) in [(HOUR_MS, keep.hours), (DAY_MS, keep.days)] {
            if days > 0 {
                let bound = now.0 - i64::from(days) * DAY_MS;
                deleted += self.prune_chunks(PRUNE_SPANS, bound, Some(span_ms)).await?;
            }
        }
        Ok(deleted)
    }

    /// Deletes the readings among the notes up to a number. Starts and ends stay, so it is kept how
    /// far this came: they need not be looked at again.
    async fn prune_readings(&self, bound: i64) -> Result<u64> {
        let meter = format!("%\"kind\":{}%", json(&NoteKind::Meter, "a word")?);
        let known = self.get_value(READINGS_DELETED).await?;
        let mut from = known.and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let mut deleted = 0;
        loop {
            let ids = read!(&self.db, conn => {
                let query = sqlx::query(NOTES).bind(from).bind(bound).bind(CHUNK);
                all(&query.fetch_all(conn).await?, |row| row.int(0))
            })?;
            let Some(last) = ids.last() else { break };
            let begun = Instant::now();
            deleted += write!(&self.db, conn => {
                let query = sqlx::query(PRUNE_READINGS).bind(from).bind(last).bind(&meter);
                Ok(query.execute(conn).await?.rows_affected())
            })?;
            from = last + 1;
            self.set_value(READINGS_DELETED, &from.to_string()).await?;
            give_way(begun).await;
        }
        Ok(deleted)
    }

    async fn prune_chunks(
        &self,
        sql: &'static str,
        bound: i64,
        span_ms: Option<i64>,
    ) -> Result<u64> {
        let mut deleted = 0;
        loop {
            let begun = Instant::now();
            let step = write!(&self.db, conn => {
                let mut query = sqlx::query(sql).bind(bound).bind(CHUNK);
                if let Some(span_ms) = span_ms {
                    query = query.bind(span_ms);
                }
                Ok(query.execute(conn).await?.rows_affected())
            })?;
            deleted += step;
            if step == 0 {
                return Ok(deleted);
            }
            give_way(begun).await;
        }
    }
}
