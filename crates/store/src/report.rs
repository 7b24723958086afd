use mendpoint_model::{ChargerKey, ConnectorRef, IncidentId, UnixMs};

use crate::cursor::{page, rows_of};
use crate::db::{Columns, all, one, read, write};
use crate::{Cursor, Error, Page, Result, Store, row_id};

const ADD: &str = "INSERT INTO driver_report (reference, row_id, charger_key, evse, connector,
    reason, text, contact, incident_id, created_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const ONE: &str = "SELECT reference, charger_key, evse, connector, reason, text, contact,
    incident_id, created_at_ms, row_id FROM driver_report WHERE reference = $1";
const LIST: &str = "SELECT reference, charger_key, evse, connector, reason, text, contact,
    incident_id, created_at_ms, row_id FROM driver_report
    WHERE (CAST($1 AS BIGINT) IS NULL OR charger_key = $1)
      AND (CAST($2 AS BIGINT) IS NULL OR incident_id = $2) AND row_id < $3
    ORDER BY row_id DESC LIMIT $4";
const LINK: &str = "UPDATE driver_report SET incident_id = $2 WHERE reference = $1";

/// What a driver reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    /// The code the driver can ask with later; hard to guess.
    pub reference: String,
    /// The charger.
    pub charger: ChargerKey,
    /// The connector, if said.
    pub connector: Option<ConnectorRef>,
    /// The reason, one word (`not_working`, ..).
    pub reason: String,
    /// In the driver's own words.
    pub text: String,
    /// How to reach the driver; empty for not at all.
    pub contact: String,
    /// The incident it became or joined.
    pub incident: Option<IncidentId>,
    /// When.
    pub created_at: UnixMs,
    /// Its place among all; given out when it is written down.
    pub(crate) row_id: i64,
}

impl ReportRow {
    /// A report that is not written down yet.
    pub fn new(
        reference: String,
        charger: ChargerKey,
        connector: Option<ConnectorRef>,
        reason: String,
        text: String,
        contact: String,
        created_at: UnixMs,
    ) -> Self {
        let incident = None;
        Self {
            reference,
            charger,
            connector,
            reason,
            text,
            contact,
            incident,
            created_at,
            row_id: row_id::next(),
        }
    }
}

fn report(row: &impl Columns) -> Result<ReportRow> {
    let number = |index| {
        let number = row.int_or_null(index)?.map(u16::try_from).transpose();
        number.map_err(|_| Error::Unreadable("the connector of a report".to_owned()))
    };
    let connector = number(2)?.zip(number(3)?);
    Ok(ReportRow {
        reference: row.text(0)?,
        charger: ChargerKey(row.number(1)?),
        connector: connector.map(|(evse, connector)| ConnectorRef { evse, connector }),
        reason: row.text(4)?,
        text: row.text(5)?,
        contact: row.text(6)?,
        incident: row.int_or_null(7)?.map(IncidentId),
        created_at: UnixMs(row.int(8)?),
        row_id: row.int(9)?,
    })
}

impl Store {
    /// Writes a driver's report down.
    ///
    /// # Errors
    /// [`Error::Exists`] when the reference is taken: make another.
    pub async fn insert_report(&self, row: &ReportRow) -> Result<()> {
        let written = async {
            write!(&self.db, conn => {
                sqlx::query(ADD)
                    .bind(&row.reference)
                    .bind(row.row_id)
                    .bind(i64::from(row.charger.0))
                    .bind(row.connector.map(|connector| i64::from(connector.evse)))
                    .bind(row.connector.map(|connector| i64::from(connector.connector)))
                    .bind(&row.reason)
                    .bind(&row.text)
                    .bind(&row.contact)
                    .bind(row.incident.map(|incident| incident.0))
                    .bind(row.created_at.0)
                    .execute(conn)
                    .await?;
                Ok::<_, Error>(())
            })
        };
        let taken = || format!("there is a report {} already", row.reference);
        written.await.map_err(|error: Error| error.exists(taken))
    }

    /// The report of a reference code.
    pub async fn report(&self, reference: &str) -> Result<Option<ReportRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(reference);
            one(query.fetch_optional(conn).await?.as_ref(), report)
        })
    }

    /// Reports, newest first, about one charger or all, of one incident or all.
    pub async fn reports(
        &self,
        charger: Option<ChargerKey>,
        incident: Option<IncidentId>,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<ReportRow>> {
        let rows = read!(&self.db, conn => {
            let rows = sqlx::query(LIST)
                .bind(charger.map(|charger| i64::from(charger.0)))
                .bind(incident.map(|incident| incident.0))
                .bind(Cursor::or_start(cursor).id)
                .bind(rows_of(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, report)
        })?;
        Ok(page(rows, limit, |row| (row.created_at.0, row.row_id)))
    }

    /// Ties a report to its incident.
    pub async fn link_report(&self, reference: &str, incident: IncidentId) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(LINK).bind(reference).bind(incident.0).execute(conn).await?;
            Ok(())
        })
    }
}
