use futures_util::TryStreamExt as _;
use mendpoint_model::{ChargerKey, ChargerState, SiteKey};

use crate::db::{Columns as _, read};
use crate::{Result, Store, row_id};

const ALL: &str = "SELECT charger_key, json FROM charger_state ORDER BY charger_key";
const SOME: &str = "SELECT s.charger_key, s.json FROM charger_state s
    JOIN charger c ON c.charger_key = s.charger_key
    WHERE (CAST($1 AS BIGINT) IS NULL OR c.site_key = $1)
      AND (CAST($2 AS BIGINT) IS NULL OR c.charger_key = $2) ORDER BY s.charger_key";
const HIGHEST: &str = "SELECT
    (SELECT COALESCE(MAX(incident_id), 0) FROM incident),
    (SELECT COALESCE(MAX(ticket_id), 0) FROM ticket),
    (SELECT COALESCE(MAX(transaction_id), 0) FROM charge_transaction),
    (SELECT COALESCE(MAX(last_seq), 0) FROM frame_block)";

/// The highest numbers in use, so that new ones begin after them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HighestIds {
    /// Of incidents.
    pub incident: i64,
    /// Of tickets.
    pub ticket: i64,
    /// Of transactions.
    pub transaction: i64,
    /// Of frames. Never lower than the clock says ([`Store::highest_ids`]).
    pub frame: u64,
}

impl Store {
    /// The states of all chargers as last written down. One that cannot be read any more is left
    /// out and logged: the charger tells its state again when it connects.
    pub async fn load_states(&self) -> Result<Vec<ChargerState>> {
        let mut states = Vec::new();
        // Row by row: decoding goes on while the database reads, and no text is kept twice.
        read!(&self.db, conn => {
            let mut rows = sqlx::query(ALL).fetch(conn);
            while let Some(row) = rows.try_next().await? {
                match serde_json::from_str(&row.text(1)?) {
                    Ok(state) => states.push(state),
                    Err(error) => tracing::warn!(
                        charger.id = row.int(0)?, %error, "a stored state is unreadable"
                    ),
                }
            }
            Ok::<_, crate::Error>(())
        })?;
        Ok(states)
    }

    /// The same of one site, of one charger, or of all.
    pub async fn states_of(
        &self,
        site: Option<SiteKey>,
        charger: Option<ChargerKey>,
    ) -> Result<Vec<ChargerState>> {
        let mut states = Vec::new();
        read!(&self.db, conn => {
            let mut rows = sqlx::query(SOME)
                .bind(site.map(|site| i64::from(site.0)))
                .bind(charger.map(|charger| i64::from(charger.0)))
                .fetch(conn);
            while let Some(row) = rows.try_next().await? {
                match serde_json::from_str(&row.text(1)?) {
                    Ok(state) => states.push(state),
                    Err(error) => tracing::warn!(
                        charger.id = row.int(0)?, %error, "a stored state is unreadable"
                    ),
                }
            }
            Ok::<_, crate::Error>(())
        })?;
        Ok(states)
    }

    /// The highest numbers in use.
    ///
    /// That of frames is the milliseconds of our clock times 1,024, or the highest kept when that
    /// is higher: frames that gathered in memory are lost in a crash and old ones are deleted, and
    /// a line of an incident's history that names such a frame must not come to show another. The
    /// numbers stay below 2^53, so that a browser reads them exactly.
    pub async fn highest_ids(&self) -> Result<HighestIds> {
        read!(&self.db, conn => {
            let row = sqlx::query(HIGHEST).fetch_one(conn).await?;
            Ok(HighestIds {
                incident: row.int(0)?,
                ticket: row.int(1)?,
                transaction: row.int(2)?,
                frame: row.number::<u64>(3)?.max(row_id::now().0.unsigned_abs() << 10),
            })
        })
    }
}
