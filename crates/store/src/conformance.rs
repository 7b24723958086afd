//! What chargers send that is not as the specification says, by model and firmware.

use mendpoint_model::{ChargerKey, UnixMs};

use crate::db::{Columns, all, read, tx};
use crate::{Error, Result, Store, row_id};

const CHECKED: &str = "INSERT INTO conformance_checked (vendor, model, firmware, protocol, message,
    checked, first_seen_at_ms, last_seen_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
    ON CONFLICT (vendor, model, firmware, protocol, message) DO UPDATE SET
    checked = conformance_checked.checked + excluded.checked,
    last_seen_at_ms = excluded.last_seen_at_ms";
const FOUND: &str = "INSERT INTO conformance_deviation (deviation_id, vendor, model, firmware,
    protocol, message, place, rule, allowed, example, found, first_seen_at_ms, last_seen_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
    ON CONFLICT (vendor, model, firmware, protocol, message, place, rule) DO UPDATE SET
    found = conformance_deviation.found + excluded.found, allowed = excluded.allowed,
    example = excluded.example, last_seen_at_ms = excluded.last_seen_at_ms
    RETURNING deviation_id";
const FOUND_AT: &str = "INSERT INTO conformance_charger (deviation_id, charger_key, found,
    last_seen_at_ms) VALUES ($1, $2, $3, $4)
    ON CONFLICT (deviation_id, charger_key) DO UPDATE SET
    found = conformance_charger.found + excluded.found,
    last_seen_at_ms = excluded.last_seen_at_ms";
const MODELS: &str = "SELECT c.vendor, c.model, c.firmware, CAST(SUM(c.checked) AS BIGINT),
    MIN(c.first_seen_at_ms), MAX(c.last_seen_at_ms),
    (SELECT COUNT(*) FROM conformance_deviation d WHERE d.vendor = c.vendor
        AND d.model = c.model AND d.firmware = c.firmware),
    (SELECT CAST(COALESCE(SUM(d.found), 0) AS BIGINT) FROM conformance_deviation d
        WHERE d.vendor = c.vendor AND d.model = c.model AND d.firmware = c.firmware)
    FROM conformance_checked c GROUP BY c.vendor, c.model, c.firmware
    ORDER BY c.vendor, c.model, c.firmware";
const MESSAGES: &str = "SELECT protocol, message, checked FROM conformance_checked
    WHERE vendor = $1 AND model = $2 AND firmware = $3 ORDER BY protocol, message";
const KEYS: &str = "SELECT vendor, model, firmware, protocol, message, place, rule
    FROM conformance_deviation";
const REPORT: &str = "SELECT d.deviation_id, d.protocol, d.message, d.place, d.rule, d.allowed,
    d.example, d.found, d.first_seen_at_ms, d.last_seen_at_ms,
    (SELECT COUNT(*) FROM conformance_charger c WHERE c.deviation_id = d.deviation_id),
    COALESCE(k.checked, 0)
    FROM conformance_deviation d LEFT JOIN conformance_checked k ON k.vendor = d.vendor
        AND k.model = d.model AND k.firmware = d.firmware AND k.protocol = d.protocol
        AND k.message = d.message
    WHERE d.vendor = $1 AND d.model = $2 AND d.firmware = $3
    ORDER BY d.protocol, d.message, d.place, d.rule";
const OF_CHARGER: &str = "SELECT d.deviation_id, d.protocol, d.message, d.place, d.rule, d.allowed,
    d.example, c.found, d.first_seen_at_ms, c.last_seen_at_ms,
    (SELECT COUNT(*) FROM conformance_charger o WHERE o.deviation_id = d.deviation_id),
    COALESCE(k.checked, 0)
    FROM conformance_charger c JOIN conformance_deviation d ON d.deviation_id = c.deviation_id
    LEFT JOIN conformance_checked k ON k.vendor = d.vendor
        AND k.model = d.model AND k.firmware = d.firmware AND k.protocol = d.protocol
        AND k.message = d.message
    WHERE c.charger_key = $1 AND d.vendor = $2 AND d.model = $3 AND d.firmware = $4
    ORDER BY c.found DESC, d.message, d.place, d.rule LIMIT $5";
const PRUNE_FOUND: &str = "DELETE FROM conformance_deviation WHERE last_seen_at_ms < $1";
const PRUNE_CHECKED: &str = "DELETE FROM conformance_checked WHERE last_seen_at_ms < $1";

/// A model in one firmware version: what a report is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelKey {
    /// Manufacturer, as the charger says.
    pub vendor: String,
    /// Model, likewise.
    pub model: String,
    /// Firmware version, likewise; empty when it does not say.
    pub firmware: String,
}

/// One way in which a model deviates: what is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviationKey {
    /// Of which model.
    pub of: ModelKey,
    /// The version of OCPP, by the name of its sub-protocol.
    pub protocol: String,
    /// The message; with ` answer` behind it for an answer of the charger.
    pub message: String,
    /// The field, without the numbers of items.
    pub place: String,
    /// The rule that is broken, one word.
    pub rule: String,
}

/// How often a deviation was found since it was last written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviationCount {
    /// What the specification allows.
    pub allowed: String,
    /// What was found there last.
    pub example: String,
    /// When.
    pub at: UnixMs,
    /// How often at each charger.
    pub chargers: Vec<(ChargerKey, u64)>,
}

/// What was found since it was last written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConformanceChange {
    /// Messages that were looked at: model, protocol, message, how many, when the last.
    pub checked: Vec<(ModelKey, String, String, u64, UnixMs)>,
    /// Deviations in them.
    pub found: Vec<(DeviationKey, DeviationCount)>,
}

/// A model that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRow {
    /// Which.
    pub of: ModelKey,
    /// Messages that were looked at.
    pub checked: u64,
    /// Ways in which it deviates.
    pub deviations: u64,
    /// How often it did.
    pub found: u64,
    /// When the first message was looked at.
    pub first_seen: UnixMs,
    /// When the last.
    pub last_seen: UnixMs,
}

/// A line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviationRow {
    /// Its number.
    pub id: i64,
    /// The version of OCPP, by the name of its sub-protocol.
    pub protocol: String,
    /// The message.
    pub message: String,
    /// The field; empty for the message as a whole.
    pub place: String,
    /// The rule that is broken, one word.
    pub rule: String,
    /// What the specification allows.
    pub allowed: String,
    /// What was found there last; never what may name a person or a secret.
    pub example: String,
    /// How often.
    pub found: u64,
    /// When first.
    pub first_seen: UnixMs,
    /// When last.
    pub last_seen: UnixMs,
    /// At how many chargers.
    pub chargers: u64,
    /// In how many messages of this kind it was looked for, of all chargers of the model.
    pub checked: u64,
}

fn deviation(row: &impl Columns) -> Result<DeviationRow> {
    Ok(DeviationRow {
        id: row.int(0)?,
        protocol: row.text(1)?,
        message: row.text(2)?,
        place: row.text(3)?,
        rule: row.text(4)?,
        allowed: row.text(5)?,
        example: row.text(6)?,
        found: row.number(7)?,
        first_seen: UnixMs(row.int(8)?),
        last_seen: UnixMs(row.int(9)?),
        chargers: row.number(10)?,
        checked: row.number(11)?,
    })
}

fn model_key(row: &impl Columns) -> Result<ModelKey> {
    Ok(ModelKey { vendor: row.text(0)?, model: row.text(1)?, firmware: row.text(2)? })
}

/// A count as the database has it.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Store {
    /// Adds what was found to what is written down.
    pub async fn add_conformance(&self, change: &ConformanceChange) -> Result<()> {
        tx!(&self.db, conn => {
            for (of, protocol, message, count, at) in &change.checked {
                sqlx::query(CHECKED)
                    .bind(&of.vendor)
                    .bind(&of.model)
                    .bind(&of.firmware)
                    .bind(protocol)
                    .bind(message)
                    .bind(number(*count))
                    .bind(at.0)
                    .execute(&mut *conn)
                    .await?;
            }
            for (key, count) in &change.found {
                let total = count.chargers.iter().map(|(_, found)| *found).sum();
                let id = sqlx::query(FOUND)
                    .bind(row_id::next())
                    .bind(&key.of.vendor)
                    .bind(&key.of.model)
                    .bind(&key.of.firmware)
                    .bind(&key.protocol)
                    .bind(&key.message)
                    .bind(&key.place)
                    .bind(&key.rule)
                    .bind(&count.allowed)
                    .bind(&count.example)
                    .bind(number(total))
                    .bind(count.at.0)
                    .fetch_one(&mut *conn)
                    .await?
                    .int(0)?;
                for (charger, found) in &count.chargers {
                    sqlx::query(FOUND_AT)
                        .bind(id)
                        .bind(i64::from(charger.0))
                        .bind(number(*found))
                        .bind(count.at.0)
                        .execute(&mut *conn)
                        .await?;
                }
            }
            Ok::<_, Error>(())
        })
    }

    /// Every model that was looked at, also those without a deviation.
    pub async fn conformance_models(&self) -> Result<Vec<ModelRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(MODELS).fetch_all(conn).await?;
            all(&rows, |row| Ok(ModelRow {
                of: model_key(row)?,
                checked: row.number(3)?,
                first_seen: UnixMs(row.int(4)?),
                last_seen: UnixMs(row.int(5)?),
                deviations: row.number(6)?,
                found: row.number(7)?,
            }))
        })
    }

    /// How many messages of each kind were looked at: version, message, count.
    pub async fn conformance_messages(&self, of: &ModelKey) -> Result<Vec<(String, String, u64)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(MESSAGES)
                .bind(&of.vendor)
                .bind(&of.model)
                .bind(&of.firmware)
                .fetch_all(conn)
                .await?;
            all(&rows, |row| Ok((row.text(0)?, row.text(1)?, row.number(2)?)))
        })
    }

    /// Every deviation that is written down, for whoever must not let them become too many.
    pub async fn conformance_keys(&self) -> Result<Vec<DeviationKey>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(KEYS).fetch_all(conn).await?;
            all(&rows, |row| Ok(DeviationKey {
                of: model_key(row)?,
                protocol: row.text(3)?,
                message: row.text(4)?,
                place: row.text(5)?,
                rule: row.text(6)?,
            }))
        })
    }

    /// The deviations of a model, by message and field.
    pub async fn conformance_report(&self, of: &ModelKey) -> Result<Vec<DeviationRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(REPORT)
                .bind(&of.vendor)
                .bind(&of.model)
                .bind(&of.firmware)
                .fetch_all(conn)
                .await?;
            all(&rows, deviation)
        })
    }

    /// The deviations that were found at one charger in its present firmware, the most frequent
    /// first. `found` and `last_seen` are its own.
    pub async fn conformance_of_charger(
        &self,
        charger: ChargerKey,
        of: &ModelKey,
        limit: u32,
    ) -> Result<Vec<DeviationRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(OF_CHARGER)
                .bind(i64::from(charger.0))
                .bind(&of.vendor)
                .bind(&of.model)
                .bind(&of.firmware)
                .bind(i64::from(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, deviation)
        })
    }

    /// Forgets what was not seen since. Gives how many deviations went.
    pub async fn prune_conformance(&self, before: UnixMs) -> Result<u64> {
        tx!(&self.db, conn => {
            sqlx::query(PRUNE_CHECKED).bind(before.0).execute(&mut *conn).await?;
            let done = sqlx::query(PRUNE_FOUND).bind(before.0).execute(&mut *conn).await?;
            Ok::<_, Error>(done.rows_affected())
        })
    }
}
