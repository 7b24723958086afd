//! What models can do, and what people said of keys that may tell of a radio link.

use mendpoint_model::{CapabilityCounts, ModelKey, SignalUnit, Transport, UnixMs};

use crate::db::{Columns, all, read, write};
use crate::{Error, Result, Store};

const LIST: &str = "SELECT vendor, model, firmware, name, works, not_supported, not_implemented,
        rejected, no_answer, last_at_ms
    FROM capability ORDER BY vendor, model, firmware, name";
const KEYS: &str =
    "SELECT vendor, model, name, confirmed, unit, transport, decided_by, decided_at_ms
    FROM signal_key ORDER BY vendor, model, name";
const PUT_KEY: &str = "INSERT INTO signal_key (vendor, model, name, confirmed, unit, transport,
        decided_by, decided_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (vendor, model, name) DO UPDATE SET confirmed = excluded.confirmed,
        unit = excluded.unit, transport = excluded.transport, decided_by = excluded.decided_by,
        decided_at_ms = excluded.decided_at_ms";
const DELETE_KEY: &str = "DELETE FROM signal_key WHERE vendor = $1 AND model = $2 AND name = $3";

/// What a person said of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalKeyRow {
    /// Vendor, exactly as chargers send it.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// The key (1.6) or variable (2.x).
    pub name: String,
    /// Whether it tells of the radio link; `false`: it does not, and is not offered any more.
    pub confirmed: bool,
    /// Its unit.
    pub unit: SignalUnit,
    /// Its link.
    pub transport: Transport,
    /// Who said so.
    pub decided_by: String,
    /// When.
    pub decided_at: UnixMs,
}

fn unit_word(unit: SignalUnit) -> &'static str {
    match unit {
        SignalUnit::RssiDbm => "dbm",
        SignalUnit::RsrpDbm => "rsrp",
        SignalUnit::Csq => "csq",
        SignalUnit::Percent => "percent",
    }
}

fn unit_of(word: &str) -> Result<SignalUnit> {
    [SignalUnit::RssiDbm, SignalUnit::RsrpDbm, SignalUnit::Csq, SignalUnit::Percent]
        .into_iter()
        .find(|unit| unit_word(*unit) == word)
        .ok_or_else(|| Error::Unreadable(format!("the unit {word}")))
}

impl Store {
    /// What all models were seen to do.
    pub async fn capabilities(&self) -> Result<Vec<(ModelKey, String, CapabilityCounts)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(LIST).fetch_all(conn).await?;
            all(&rows, |row| {
                let model = ModelKey {
                    vendor: row.text(0)?.into(),
                    model: row.text(1)?.into(),
                    firmware: row.text(2)?.into(),
                };
                let counts = CapabilityCounts {
                    works: row.number(4)?,
                    not_supported: row.number(5)?,
                    not_implemented: row.number(6)?,
                    rejected: row.number(7)?,
                    no_answer: row.number(8)?,
                    last_at: UnixMs(row.int(9)?),
                };
                Ok((model, row.text(3)?, counts))
            })
        })
    }

    /// What people said of keys.
    pub async fn signal_keys(&self) -> Result<Vec<SignalKeyRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(KEYS).fetch_all(conn).await?;
            all(&rows, |row| Ok(SignalKeyRow {
                vendor: row.text(0)?,
                model: row.text(1)?,
                name: row.text(2)?,
                confirmed: row.truth(3)?,
                unit: unit_of(&row.text(4)?)?,
                transport: match row.text(5)?.as_str() {
                    "wifi" => Transport::Wifi,
                    _ => Transport::Cellular,
                },
                decided_by: row.text(6)?,
                decided_at: UnixMs(row.int(7)?),
            }))
        })
    }

    /// Keeps what a person said of a key.
    pub async fn put_signal_key(&self, row: &SignalKeyRow) -> Result<()> {
        let transport = match row.transport {
            Transport::Wifi => "wifi",
            Transport::Cellular => "cellular",
        };
        write!(&self.db, conn => {
            sqlx::query(PUT_KEY)
                .bind(&row.vendor)
                .bind(&row.model)
                .bind(&row.name)
                .bind(i64::from(row.confirmed))
                .bind(unit_word(row.unit))
                .bind(transport)
                .bind(&row.decided_by)
                .bind(row.decided_at.0)
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// Forgets what was said of a key; `false` when nothing was.
    pub async fn delete_signal_key(&self, vendor: &str, model: &str, name: &str) -> Result<bool> {
        write!(&self.db, conn => {
            let query = sqlx::query(DELETE_KEY).bind(vendor).bind(model).bind(name);
            Ok(query.execute(conn).await?.rows_affected() > 0)
        })
    }
}
