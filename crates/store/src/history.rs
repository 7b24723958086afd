//! What happened to a charger over time: statuses, connections, readings of its radio, boots.

use mendpoint_model::{Boot, ChargerKey, ConnectorRef, SecurityReport, SignalReading, UnixMs};

use crate::db::{Columns as _, all, read};
use crate::{Error, Result, Store, row_id};

/// The changes between two times, with the last one before them, so that a ribbon knows what it
/// begins with.
const STATES: &str = "SELECT evse, connector, at_ms, status, error, id FROM state_change s
    WHERE charger_key = $1 AND at_ms < $3 AND (at_ms >= $2 OR id = (
        SELECT b.id FROM state_change b WHERE b.charger_key = $1 AND b.evse = s.evse
            AND b.connector = s.connector AND b.at_ms < $2
        ORDER BY b.at_ms DESC, b.id DESC LIMIT 1))
      AND at_ms >= COALESCE((
        SELECT MIN(c.at_ms) FROM (
            SELECT MAX(d.at_ms) AS at_ms FROM state_change d
            WHERE d.charger_key = $1 AND d.at_ms < $2 GROUP BY d.evse, d.connector) AS c), $2)
    ORDER BY at_ms, id LIMIT $4";
const LINKS: &str = "SELECT at_ms, online, reason FROM link_change
    WHERE charger_key = $1 AND at_ms < $3 AND at_ms >= COALESCE((
        SELECT MAX(at_ms) FROM link_change WHERE charger_key = $1 AND at_ms < $2), $2)
    ORDER BY at_ms, id LIMIT $4";
const SIGNALS: &str = "SELECT at_ms, json FROM signal_reading
    WHERE charger_key = $1 AND at_ms >= $2 AND at_ms < $3 ORDER BY at_ms, id LIMIT $4";
const BOOTS: &str = "SELECT at_ms, json FROM boot WHERE charger_key = $1
    ORDER BY id DESC LIMIT $2";
const SECURITY: &str = "SELECT charger_key, at_ms, kind, info, charger_at_ms, remote, identity, id
    FROM security_event WHERE (CAST($1 AS BIGINT) IS NULL OR charger_key = $1
        OR (charger_key IS NULL AND identity = $4)) AND id < $2
    ORDER BY id DESC LIMIT $3";
/// The most rows of one history.
const HISTORY_MAX: i64 = 20_000;

/// A change of a connector's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChangeRow {
    /// The connector, or the whole charger.
    pub connector: ConnectorRef,
    /// Since when it held: told later, this is the charger's own time.
    pub at: UnixMs,
    /// When it was told.
    pub told_at: UnixMs,
    /// The status as an OCPP word.
    pub status: String,
    /// The error beside it; empty for none.
    pub error: String,
}

/// A connection that opened or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkChangeRow {
    /// When.
    pub at: UnixMs,
    /// Whether it was open from then on.
    pub online: bool,
    /// Why it ended.
    pub reason: String,
}

/// A security event: reported by a charger, or noticed by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityRow {
    /// Its number; larger is later.
    pub id: i64,
    /// The charger; `None` when it is not known which.
    pub charger: Option<ChargerKey>,
    /// The identity that a refused connection asked for; empty otherwise.
    pub identity: String,
    /// When, by our clock.
    pub at: UnixMs,
    /// What it reported; `LoginRefused` and the like with the reason for what we noticed.
    pub report: SecurityReport,
    /// The address it came from.
    pub remote: String,
}

impl Store {
    /// The status changes of a charger from `from` up to before `until`, oldest first, and before
    /// them for each connector the last change before `from`.
    pub async fn state_history(
        &self,
        charger: ChargerKey,
        from: UnixMs,
        until: UnixMs,
    ) -> Result<Vec<StateChangeRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(STATES)
                .bind(i64::from(charger.0))
                .bind(from.0)
                .bind(until.0)
                .bind(HISTORY_MAX)
                .fetch_all(conn)
                .await?;
            all(&rows, |row| Ok(StateChangeRow {
                connector: ConnectorRef { evse: row.number(0)?, connector: row.number(1)? },
                at: UnixMs(row.int(2)?),
                status: row.text(3)?,
                error: row.text(4)?,
                told_at: row_id::time_of(row.int(5)?),
            }))
        })
    }

    /// The connections of a charger likewise.
    pub async fn link_history(
        &self,
        charger: ChargerKey,
        from: UnixMs,
        until: UnixMs,
    ) -> Result<Vec<LinkChangeRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(LINKS)
                .bind(i64::from(charger.0))
                .bind(from.0)
                .bind(until.0)
                .bind(HISTORY_MAX)
                .fetch_all(conn)
                .await?;
            all(&rows, |row| Ok(LinkChangeRow {
                at: UnixMs(row.int(0)?),
                online: row.truth(1)?,
                reason: row.text(2)?,
            }))
        })
    }

    /// Readings of a charger's radio link from `from` up to before `until`, oldest first.
    pub async fn signals(
        &self,
        charger: ChargerKey,
        from: UnixMs,
        until: UnixMs,
    ) -> Result<Vec<(UnixMs, SignalReading)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(SIGNALS)
                .bind(i64::from(charger.0))
                .bind(from.0)
                .bind(until.0)
                .bind(HISTORY_MAX)
                .fetch_all(conn)
                .await?;
            all(&rows, |row| Ok((UnixMs(row.int(0)?), row.json(1, "a signal")?)))
        })
    }

    /// The last boots of a charger, newest first.
    pub async fn boots(&self, charger: ChargerKey, limit: u32) -> Result<Vec<(UnixMs, Boot)>> {
        read!(&self.db, conn => {
            let query = sqlx::query(BOOTS).bind(i64::from(charger.0)).bind(i64::from(limit));
            let rows = query.fetch_all(conn).await?;
            all(&rows, |row| Ok((UnixMs(row.int(0)?), row.json(1, "a boot")?)))
        })
    }

    /// The last security events, newest first, of one charger or all; those before a number. Whoever
    /// was refused at the door under a charger's identity is among the charger's.
    pub async fn security_events(
        &self,
        charger: Option<(ChargerKey, &str)>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<SecurityRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(SECURITY)
                .bind(charger.map(|(key, _)| i64::from(key.0)))
                .bind(before.unwrap_or(i64::MAX))
                .bind(i64::from(limit))
                .bind(charger.map_or("", |(_, identity)| identity))
                .fetch_all(conn)
                .await?;
            let key = |number: i64| {
                let number = u32::try_from(number).map(ChargerKey);
                number.map_err(|_| Error::Unreadable("a security event's charger".to_owned()))
            };
            all(&rows, |row| Ok(SecurityRow {
                id: row.int(7)?,
                charger: row.int_or_null(0)?.map(key).transpose()?,
                identity: row.text(6)?,
                at: UnixMs(row.int(1)?),
                report: SecurityReport {
                    kind: row.text(2)?,
                    info: Some(row.text(3)?).filter(|info| !info.is_empty()),
                    at: row.int_or_null(4)?.map(UnixMs),
                },
                remote: row.text(5)?,
            }))
        })
    }

    /// Deletes raw frames older than this; gives how many blocks.
    pub async fn prune_frames(&self, older_than: UnixMs) -> Result<u64> {
        self.frame_log().prune(older_than).await
    }
}
