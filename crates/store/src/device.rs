//! What chargers say of themselves: variables with their changes, monitors, and how far the upkeep
//! is.

use mendpoint_model::{
    AttributeKind, ChargerKey, MonitorReport, Mutability, UnixMs, VariableRef, VariableReport,
};

use crate::db::{Columns, all, read, write};
use crate::{Result, Store};

const LIST: &str = "SELECT name, attribute, component, instance, evse, connector, variable,
        variable_instance, value, cut_from, mutability, data_type, unit, supports_monitoring,
        since_ms, seen_ms, changed_by
    FROM device_variable
    WHERE charger_key = $1 AND (name > $2 OR (name = $2 AND attribute > $3))
      AND (CAST($4 AS TEXT) IS NULL OR LOWER(name) LIKE $4 ESCAPE '\\'
        OR LOWER(COALESCE(value, '')) LIKE $4 ESCAPE '\\')
    ORDER BY name, attribute LIMIT $5";
const RECENT: &str = "SELECT name, attribute, component, instance, evse, connector, variable,
        variable_instance, value, cut_from, mutability, data_type, unit, supports_monitoring,
        since_ms, seen_ms, changed_by
    FROM device_variable
    WHERE charger_key = $1 AND (CAST($2 AS TEXT) IS NULL OR LOWER(name) LIKE $2 ESCAPE '\\'
        OR LOWER(COALESCE(value, '')) LIKE $2 ESCAPE '\\')
    ORDER BY since_ms DESC, name, attribute LIMIT $3";
/// A charger may tell a name in other letters than OCPP has it.
const VALUE: &str = "SELECT value FROM device_variable
    WHERE charger_key = $1 AND LOWER(name) = $2 AND attribute = 'Actual' ORDER BY seen_ms DESC LIMIT 1";
const COUNT: &str = "SELECT COUNT(*) FROM device_variable WHERE charger_key = $1";
const CHANGES: &str = "SELECT name, attribute, at_ms, value_before, value, changed_by
    FROM variable_change
    WHERE charger_key = $1 AND (CAST($2 AS TEXT) IS NULL OR name = $2)
    ORDER BY at_ms DESC, name, attribute LIMIT $3";
const MONITORS: &str = "SELECT d.component, d.instance, d.evse, d.connector, d.variable,
        d.variable_instance, m.name, m.kind, m.monitor_id, m.value, m.severity, m.status
    FROM device_monitor m LEFT JOIN device_variable d
        ON d.charger_key = m.charger_key AND d.name = m.name AND d.attribute = 'Actual'
    WHERE m.charger_key = $1 ORDER BY m.severity, m.name, m.kind LIMIT $2";
const PROGRESS: &str = "SELECT charger_key, json FROM upkeep ORDER BY charger_key";
const PRUNE_CHANGES: &str =
    "DELETE FROM variable_change WHERE (charger_key, name, attribute, at_ms)
    IN (SELECT charger_key, name, attribute, at_ms FROM variable_change WHERE at_ms < $1 LIMIT $2)";
/// A charger that renames its variables all the time keeps the ones it told last.
const PRUNE_VARIABLES: &str = "DELETE FROM device_variable WHERE (charger_key, name, attribute)
    IN (SELECT charger_key, name, attribute FROM (
        SELECT charger_key, name, attribute,
            ROW_NUMBER() OVER (PARTITION BY charger_key ORDER BY seen_ms DESC, name) AS place
        FROM device_variable WHERE charger_key IN (
            SELECT charger_key FROM device_variable GROUP BY charger_key HAVING COUNT(*) > $1)
        ) AS ranked WHERE place > $1 LIMIT $2)";
/// Rows deleted by one statement.
const PRUNE_CHUNK: i64 = 2_000;
/// The most changes that are listed.
const CHANGES_MAX: u32 = 1_000;

/// A value that a charger told, and since when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableRow {
    /// Its unique name, see [`VariableRef`].
    pub name: String,
    /// What the charger told.
    pub report: VariableReport,
    /// Since when the value holds, as far as we saw.
    pub since: UnixMs,
    /// When it was last told.
    pub seen: UnixMs,
    /// Who set it: a user's name, or "charger".
    pub changed_by: String,
}

/// A change of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableChangeRow {
    /// The variable's name.
    pub name: String,
    /// Which of its values.
    pub attribute: AttributeKind,
    /// When we saw it.
    pub at: UnixMs,
    /// What it was.
    pub before: Option<String>,
    /// What it became.
    pub value: Option<String>,
    /// Who set it: a user's name, or "charger".
    pub changed_by: String,
}

fn variable(row: &impl Columns) -> Result<VariableRow> {
    let place = |index| -> Result<Option<u16>> {
        Ok(row.int_or_null(index)?.and_then(|number| u16::try_from(number).ok()))
    };
    Ok(VariableRow {
        name: row.text(0)?,
        report: VariableReport {
            at: VariableRef {
                component: row.text(2)?,
                instance: row.text(3)?,
                evse: place(4)?,
                connector: place(5)?,
                variable: row.text(6)?,
                variable_instance: row.text(7)?,
            },
            attribute: AttributeKind::from_name(&row.text(1)?).unwrap_or_default(),
            value: row.text_or_null(8)?,
            cut_from: row.int_or_null(9)?.and_then(|number| u32::try_from(number).ok()),
            mutability: Mutability::from_name(&row.text(10)?),
            data_type: row.text(11)?,
            unit: row.text(12)?,
            supports_monitoring: row.int_or_null(13)?.map(|flag| flag != 0),
        },
        since: UnixMs(row.int(14)?),
        seen: UnixMs(row.int(15)?),
        changed_by: row.text(16)?,
    })
}

/// What a search for part of a name or value is written as.
fn pattern(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    (!text.is_empty()).then(|| format!("%{escaped}%"))
}

impl Store {
    /// The variables of a charger by name, behind `after` (name and attribute) when given; `text`
    /// is part of a name or a value. The second value is where the next page begins.
    pub async fn variables(
        &self,
        charger: ChargerKey,
        text: &str,
        after: Option<(String, AttributeKind)>,
        limit: u32,
    ) -> Result<(Vec<VariableRow>, Option<(String, AttributeKind)>)> {
        let (name, attribute) =
            after.map_or((String::new(), ""), |(name, kind)| (name, kind.name()));
        let mut rows = read!(&self.db, conn => {
            let rows = sqlx::query(LIST)
                .bind(i64::from(charger.0))
                .bind(name)
                .bind(attribute)
                .bind(pattern(text))
                .bind(i64::from(limit) + 1)
                .fetch_all(conn)
                .await?;
            all(&rows, variable)
        })?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more);
        let next = next.map(|row| (row.name.clone(), row.report.attribute));
        Ok((rows, next))
    }

    /// The variables of a charger, those that changed last first.
    pub async fn recent_variables(
        &self,
        charger: ChargerKey,
        text: &str,
        limit: u32,
    ) -> Result<Vec<VariableRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(RECENT)
                .bind(i64::from(charger.0))
                .bind(pattern(text))
                .bind(i64::from(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, variable)
        })
    }

    /// The value of one variable or key of 1.6, whatever the case of its name; `None` when the charger
    /// never told it.
    pub async fn variable_value(&self, charger: ChargerKey, name: &str) -> Result<Option<String>> {
        let row = read!(&self.db, conn => {
            let row = sqlx::query(VALUE)
                .bind(i64::from(charger.0))
                .bind(name.to_lowercase())
                .fetch_optional(conn)
                .await?;
            row.map(|row| row.text_or_null(0)).transpose()
        })?;
        Ok(row.flatten())
    }

    /// How many variables of a charger are known.
    pub async fn variable_count(&self, charger: ChargerKey) -> Result<u64> {
        read!(&self.db, conn => {
            let row = sqlx::query(COUNT).bind(i64::from(charger.0)).fetch_one(conn).await?;
            row.number(0)
        })
    }

    /// Changes of one variable, or of all, newest first.
    pub async fn variable_changes(
        &self,
        charger: ChargerKey,
        name: Option<&str>,
        limit: u32,
    ) -> Result<Vec<VariableChangeRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(CHANGES)
                .bind(i64::from(charger.0))
                .bind(name)
                .bind(i64::from(limit.min(CHANGES_MAX)))
                .fetch_all(conn)
                .await?;
            all(&rows, |row| Ok(VariableChangeRow {
                name: row.text(0)?,
                attribute: AttributeKind::from_name(&row.text(1)?).unwrap_or_default(),
                at: UnixMs(row.int(2)?),
                before: row.text_or_null(3)?,
                value: row.text_or_null(4)?,
                changed_by: row.text(5)?,
            }))
        })
    }

    /// The monitors of a charger with the name of their variable, the most severe first.
    pub async fn monitors(
        &self,
        charger: ChargerKey,
        limit: u32,
    ) -> Result<Vec<(String, MonitorReport)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(MONITORS)
                .bind(i64::from(charger.0))
                .bind(i64::from(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, |row| {
                let text = |index| Ok::<_, crate::Error>(row.text_or_null(index)?.unwrap_or_default());
                let place = |index| -> Result<Option<u16>> {
                    Ok(row.int_or_null(index)?.and_then(|number| u16::try_from(number).ok()))
                };
                let monitor = MonitorReport {
                    at: VariableRef {
                        component: text(0)?,
                        instance: text(1)?,
                        evse: place(2)?,
                        connector: place(3)?,
                        variable: text(4)?,
                        variable_instance: text(5)?,
                    },
                    kind: row.text(7)?,
                    id: Some(row.int(8)?).filter(|id| *id != 0),
                    value: row.real_or_null(9)?,
                    severity: row.number(10)?,
                    status: row.text(11)?,
                };
                Ok((row.text(6)?, monitor))
            })
        })
    }

    /// How far the upkeep of every charger is, as JSON text.
    pub async fn upkeep(&self) -> Result<Vec<(ChargerKey, String)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(PROGRESS).fetch_all(conn).await?;
            all(&rows, |row| Ok((ChargerKey(row.number(0)?), row.text(1)?)))
        })
    }

    /// Deletes changes older than this, and of chargers that told more than `most` variables those
    /// that were not told for the longest; gives how many rows.
    pub async fn prune_variables(&self, older_than: UnixMs, most: u32) -> Result<u64> {
        let mut deleted = 0;
        for (sql, bound) in [(PRUNE_CHANGES, older_than.0), (PRUNE_VARIABLES, i64::from(most))] {
            loop {
                let step = write!(&self.db, conn => {
                    let query = sqlx::query(sql).bind(bound).bind(PRUNE_CHUNK);
                    Ok(query.execute(conn).await?.rows_affected())
                })?;
                deleted += step;
                if step < PRUNE_CHUNK.cast_unsigned() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(deleted)
    }
}
