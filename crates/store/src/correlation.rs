//! What belongs together: merges, suspected vehicles, firmware histories.

use mendpoint_model::{ChargerKey, Cohort, Incident, IncidentId, UnixMs};

use crate::db::{Columns, all, read, write};
use crate::{Result, Store, row_id};

const MERGED: &str = "INSERT INTO incident_merge (id, incident_id, into_id, rule, into_rule,
    merged_at_ms, merged_by, split_at_ms, split_by) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, NULL)";
const SPLIT: &str = "UPDATE incident_merge SET split_at_ms = $2, split_by = $3
    WHERE incident_id = $1 AND split_at_ms IS NULL";
const HABITS: &str = "SELECT rule, into_rule, COUNT(*),
    SUM(CASE WHEN split_at_ms IS NULL THEN 0 ELSE 1 END)
    FROM incident_merge GROUP BY rule, into_rule ORDER BY rule, into_rule";
const VEHICLES: &str = "SELECT token, since_ms, last_at_ms, failures, sites FROM vehicle_suspect
    WHERE cleared_at_ms IS NULL ORDER BY last_at_ms DESC, token LIMIT $1";
/// The two newest of each charger are enough to compare.
const FIRMWARE: &str = "SELECT charger_key, since_ms, vendor, model, firmware
    FROM charger_firmware ORDER BY charger_key, since_ms";
const ALERTS: &str = "SELECT charger_key, code, rule, opened_at_ms FROM incident
    WHERE opened_at_ms >= $1 AND source = 'system' AND breadth = 'charger'
    ORDER BY opened_at_ms, incident_id LIMIT 1000000";
const CHILDREN: &str = "SELECT json FROM incident WHERE parent_id = $1
    ORDER BY opened_at_ms DESC, incident_id DESC LIMIT $2";

/// A vehicle or card whose failures are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VehicleRow {
    /// The card or vehicle.
    pub token: String,
    /// Since when it is suspected.
    pub since: UnixMs,
    /// Its newest failure.
    pub last_at: UnixMs,
    /// How often it failed.
    pub failures: u32,
    /// At how many sites.
    pub sites: u32,
}

/// How often people merged incidents of a rule into those of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeCount {
    /// The rule of the merged incident.
    pub rule: String,
    /// The rule of the other one.
    pub into: String,
    /// How often.
    pub merged: u32,
    /// How many were split again.
    pub split: u32,
}

impl Store {
    /// A person merged an incident into another one.
    pub async fn note_merge(
        &self,
        incident: &Incident,
        into: &Incident,
        at: UnixMs,
        user: &str,
    ) -> Result<()> {
        let id = row_id::next();
        write!(&self.db, conn => {
            sqlx::query(MERGED)
                .bind(id)
                .bind(incident.id.0)
                .bind(into.id.0)
                .bind(&incident.rule)
                .bind(&into.rule)
                .bind(at.0)
                .bind(user)
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// A person split an incident off again.
    pub async fn note_split(&self, incident: IncidentId, at: UnixMs, user: &str) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(SPLIT).bind(incident.0).bind(at.0).bind(user).execute(conn).await?;
            Ok(())
        })
    }

    /// What people merged so far, counted by rules.
    pub async fn merge_counts(&self) -> Result<Vec<MergeCount>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(HABITS).fetch_all(conn).await?;
            all(&rows, |row| {
                Ok(MergeCount {
                    rule: row.text(0)?,
                    into: row.text(1)?,
                    merged: row.number(2)?,
                    split: row.number(3)?,
                })
            })
        })
    }

    /// Vehicles that are suspected now, the newest failure first.
    pub async fn vehicle_suspects(&self, limit: u32) -> Result<Vec<VehicleRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(VEHICLES).bind(i64::from(limit)).fetch_all(conn).await?;
            all(&rows, |row| {
                Ok(VehicleRow {
                    token: row.text(0)?,
                    since: UnixMs(row.int(1)?),
                    last_at: UnixMs(row.int(2)?),
                    failures: row.number(3)?,
                    sites: row.number(4)?,
                })
            })
        })
    }

    /// Which firmware every charger had since when, oldest first.
    pub async fn firmware_histories(&self) -> Result<Vec<(ChargerKey, UnixMs, Cohort)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(FIRMWARE).fetch_all(conn).await?;
            all(&rows, |row| {
                let cohort = Cohort {
                    vendor: row.text(2)?,
                    model: row.text(3)?,
                    firmware: row.text(4)?,
                };
                Ok((ChargerKey(row.number(0)?), UnixMs(row.int(1)?), cohort))
            })
        })
    }

    /// What rules found at single chargers since then: charger, code (or rule) and when.
    pub async fn alerts_since(&self, since: UnixMs) -> Result<Vec<(ChargerKey, String, UnixMs)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(ALERTS).bind(since.0).fetch_all(conn).await?;
            all(&rows, |row| {
                let code = row.text(1)?;
                let code = if code.is_empty() { row.text(2)? } else { code };
                Ok((ChargerKey(row.number(0)?), code, UnixMs(row.int(3)?)))
            })
        })
    }

    /// The incidents that another one explains, or that were merged into it, newest first.
    pub async fn incident_children(&self, parent: IncidentId, limit: u32) -> Result<Vec<Incident>> {
        read!(&self.db, conn => {
            let query = sqlx::query(CHILDREN).bind(parent.0).bind(i64::from(limit));
            all(&query.fetch_all(conn).await?, |row| row.json(0, "an incident"))
        })
    }
}
