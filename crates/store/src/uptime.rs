//! Uptime ledgers: days of connectors, exclusions, opening hours, and when our own server was down.

use std::collections::BTreeMap;

use mendpoint_model::{ChargerKey, ConnectorRef, DAY_MS, IncidentId, MINUTE_MS, SiteKey, UnixMs};
use mendpoint_uptime::{Class, Decision, Exclusion, Reason, Span, Stop};

use crate::db::{Columns, all, one, read, tx, write};
use crate::{Error, Result, Store, row_id};

const PUT_DAY: &str = "INSERT INTO uptime_day
    (charger_key, evse, connector, day_at_ms, spans, folded_at_ms) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (charger_key, evse, connector, day_at_ms)
    DO UPDATE SET spans = excluded.spans, folded_at_ms = excluded.folded_at_ms";
const DAYS: &str = "SELECT d.charger_key, d.evse, d.connector, d.day_at_ms, d.spans
    FROM uptime_day d JOIN charger c ON c.charger_key = d.charger_key
    WHERE d.day_at_ms >= $1 AND d.day_at_ms < $2
      AND (CAST($3 AS BIGINT) IS NULL OR c.site_key = $3)
      AND (CAST($4 AS BIGINT) IS NULL OR d.charger_key = $4)
    ORDER BY d.charger_key, d.evse, d.connector, d.day_at_ms";
const SESSIONS: &str = "SELECT evse, connector, started_at_ms, ended_at_ms FROM charge_transaction
    WHERE charger_key = $1 AND ended_at_ms > $2 AND started_at_ms < $3 AND energy_wh >= 100.0
    ORDER BY started_at_ms LIMIT 20000";
const LATE: &str = "SELECT charger_key, evse, connector, started_at_ms, ended_at_ms
    FROM charge_transaction
    WHERE opened_at_ms >= $1 AND started_at_ms < $2 AND ended_at_ms IS NOT NULL
      AND energy_wh >= 100.0
    ORDER BY charger_key, evse, connector, started_at_ms LIMIT 20000";
const CHARGES: &str = "SELECT
    COALESCE(SUM(CASE WHEN energy_wh >= 100.0 THEN 1 ELSE 0 END), 0),
    COALESCE(SUM(CASE WHEN energy_wh < 100.0 THEN 1 ELSE 0 END), 0)
    FROM charge_transaction WHERE charger_key = $1 AND opened_at_ms > $2 AND opened_at_ms <= $3
      AND ended_at_ms IS NOT NULL AND ($4 = 0 OR (evse = $4 AND connector = $5))";
const ADD: &str = "INSERT INTO uptime_exclusion (id, site_key, charger_key, evse, connector,
    from_at_ms, until_at_ms, reason, evidence, decision, proposed_by, proposed_at_ms, decided_by,
    decided_at_ms, incident_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', NULL,
    $13)";
/// What the program proposed once it does not propose again; a person may, with better evidence.
const SAME: &str = "SELECT id FROM uptime_exclusion
    WHERE site_key = $1 AND reason = $2 AND from_at_ms = $3 AND COALESCE(charger_key, -1) = $4
      AND COALESCE(evse, -1) = $5 AND COALESCE(connector, -1) = $6
      AND (proposed_by = 'engine' OR until_at_ms = $7) AND ($8 = 1 OR decision <> 'refused') LIMIT 1";
const LIST: &str = "SELECT id, site_key, charger_key, evse, connector, from_at_ms, until_at_ms,
    reason, evidence, decision, proposed_by, proposed_at_ms, decided_by, decided_at_ms, incident_id
    FROM uptime_exclusion
    WHERE (CAST($1 AS BIGINT) IS NULL OR site_key = $1) AND until_at_ms > $2 AND from_at_ms < $3
    ORDER BY from_at_ms DESC, id DESC LIMIT 2000";
const ONE: &str = "SELECT id, site_key, charger_key, evse, connector, from_at_ms, until_at_ms,
    reason, evidence, decision, proposed_by, proposed_at_ms, decided_by, decided_at_ms, incident_id
    FROM uptime_exclusion WHERE id = $1";
const OF_INCIDENT: &str =
    "SELECT id, site_key, charger_key, evse, connector, from_at_ms, until_at_ms,
    reason, evidence, decision, proposed_by, proposed_at_ms, decided_by, decided_at_ms, incident_id
    FROM uptime_exclusion WHERE incident_id = $1 ORDER BY charger_key, from_at_ms, id LIMIT 10000";
const WAITING: &str =
    "SELECT p.incident_id, p.charger_key, p.from_ms, p.until_ms, p.cause, p.evidence,
    c.site_key FROM exclusion_proposal p LEFT JOIN charger c ON c.charger_key = p.charger_key
    ORDER BY p.incident_id, p.charger_key, p.from_ms LIMIT 1000";
const KNOWN: &str = "SELECT id FROM uptime_exclusion
    WHERE incident_id = $1 AND charger_key = $2 AND from_at_ms = $3 LIMIT 1";
const TAKEN: &str = "DELETE FROM exclusion_proposal
    WHERE incident_id = $1 AND charger_key = $2 AND from_ms = $3";
const DECIDE: &str = "UPDATE uptime_exclusion
    SET decision = $2, decided_by = $3, decided_at_ms = $4 WHERE id = $1";
const HOURS: &str = "SELECT site_key, hours FROM site_hours ORDER BY site_key";
const PUT_HOURS: &str = "INSERT INTO site_hours (site_key, hours) VALUES ($1, $2)
    ON CONFLICT (site_key) DO UPDATE SET hours = excluded.hours";
const ADD_GAP: &str = "INSERT INTO server_gap (id, from_at_ms, until_at_ms, grace_until_ms)
    VALUES ($1, $2, $3, $4)";
const GAPS: &str = "SELECT from_at_ms, until_at_ms, grace_until_ms FROM server_gap
    WHERE from_at_ms < $1 ORDER BY from_at_ms DESC LIMIT 10000";
const WRITTEN: &str = "SELECT MAX(id) FROM (
    SELECT MAX(id) AS id FROM link_change WHERE id < $1 UNION ALL
    SELECT MAX(id) AS id FROM state_change WHERE id < $1 UNION ALL
    SELECT MAX(id) AS id FROM boot WHERE id < $1) AS newest";
/// States that were told since a moment of a time before another one.
const TOLD_LATE: &str = "SELECT charger_key, MIN(at_ms) FROM state_change
    WHERE id >= $1 AND at_ms < $2 GROUP BY charger_key ORDER BY charger_key";
/// Who proposes what the program finds by itself.
const ENGINE: &str = "engine";
/// What a start gave before it was written down (1.2).
const GRACE_MS: i64 = 10 * MINUTE_MS;

/// A connector's day in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UptimeDayRow {
    /// The charger.
    pub charger: ChargerKey,
    /// The connector.
    pub connector: ConnectorRef,
    /// When the day began (UTC).
    pub day: UnixMs,
    /// What its minutes were.
    pub spans: Vec<Span>,
}

/// An exclusion and who stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExclusionRow {
    /// What it excludes.
    pub exclusion: Exclusion,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    pub proposed_at: UnixMs,
    /// Who decided; empty while nobody has.
    pub decided_by: String,
    /// When.
    pub decided_at: Option<UnixMs>,
    /// The outage that proposed it, if one did.
    pub incident: Option<IncidentId>,
}

/// Spans as text: minutes of the day and a letter.
fn write_spans(day: UnixMs, spans: &[Span]) -> String {
    let minute = |at: UnixMs| at.since_ms(day) / MINUTE_MS;
    let words: Vec<String> = spans
        .iter()
        .map(|span| format!("{}-{}:{}", minute(span.from), minute(span.until), span.class.name()))
        .collect();
    words.join(",")
}

fn read_spans(day: UnixMs, text: &str) -> Option<Vec<Span>> {
    let at = |text: &str| Some(day + text.parse::<i64>().ok()? * MINUTE_MS);
    text.split(',')
        .filter(|word| !word.is_empty())
        .map(|word| {
            let (times, class) = word.split_once(':')?;
            let (from, until) = times.split_once('-')?;
            Some(Span { from: at(from)?, until: at(until)?, class: Class::from_name(class)? })
        })
        .collect()
}

fn day(row: &impl Columns) -> Result<UptimeDayRow> {
    let day = UnixMs(row.int(3)?);
    let spans = read_spans(day, &row.text(4)?);
    Ok(UptimeDayRow {
        charger: ChargerKey(row.number(0)?),
        connector: ConnectorRef { evse: row.number(1)?, connector: row.number(2)? },
        day,
        spans: spans.ok_or_else(|| Error::Unreadable("a day of an uptime ledger".to_owned()))?,
    })
}

fn exclusion(row: &impl Columns) -> Result<ExclusionRow> {
    let broken = |what: &str| Error::Unreadable(format!("the {what} of an exclusion"));
    let number = |index, what: &str| {
        row.int_or_null(index)?.map(u16::try_from).transpose().map_err(|_| broken(what))
    };
    let place = number(3, "connector")?.zip(number(4, "connector")?);
    let charger = row.int_or_null(2)?.map(u32::try_from).transpose();
    Ok(ExclusionRow {
        exclusion: Exclusion {
            id: row.int(0)?,
            site: SiteKey(row.number(1)?),
            charger: charger.map_err(|_| broken("charger"))?.map(ChargerKey),
            connector: place.map(|(evse, connector)| ConnectorRef { evse, connector }),
            from: UnixMs(row.int(5)?),
            until: UnixMs(row.int(6)?),
            reason: Reason::from_name(&row.text(7)?).ok_or_else(|| broken("reason"))?,
            evidence: row.text(8)?,
            decision: Decision::from_name(&row.text(9)?).ok_or_else(|| broken("decision"))?,
        },
        proposed_by: row.text(10)?,
        proposed_at: UnixMs(row.int(11)?),
        decided_by: row.text(12)?,
        decided_at: row.int_or_null(13)?.map(UnixMs),
        incident: row.int_or_null(14)?.map(IncidentId),
    })
}

impl Store {
    /// Writes days of the ledger down, in one transaction; those that are there are replaced.
    pub async fn put_uptime_days(&self, days: &[UptimeDayRow]) -> Result<()> {
        let now = row_id::now();
        tx!(&self.db, conn => {
            for row in days {
                sqlx::query(PUT_DAY)
                    .bind(i64::from(row.charger.0))
                    .bind(i64::from(row.connector.evse))
                    .bind(i64::from(row.connector.connector))
                    .bind(row.day.0)
                    .bind(write_spans(row.day, &row.spans))
                    .bind(now.0)
                    .execute(&mut *conn)
                    .await?;
            }
            Ok(())
        })
    }

    /// The days that touch a range, of one site, of one charger, or of all, by charger, connector and
    /// day.
    pub async fn uptime_days(
        &self,
        from: UnixMs,
        until: UnixMs,
        site: Option<SiteKey>,
        charger: Option<ChargerKey>,
    ) -> Result<Vec<UptimeDayRow>> {
        let first = from.0.div_euclid(DAY_MS) * DAY_MS;
        read!(&self.db, conn => {
            let rows = sqlx::query(DAYS)
                .bind(first)
                .bind(until.0)
                .bind(site.map(|site| i64::from(site.0)))
                .bind(charger.map(|charger| i64::from(charger.0)))
                .fetch_all(conn)
                .await?;
            all(&rows, day)
        })
    }

    /// Sessions of a charger that delivered energy in a range, by the charger's time: connector,
    /// beginning, end.
    pub async fn delivered_sessions(
        &self,
        charger: ChargerKey,
        from: UnixMs,
        until: UnixMs,
    ) -> Result<Vec<(ConnectorRef, UnixMs, UnixMs)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(SESSIONS)
                .bind(i64::from(charger.0))
                .bind(from.0)
                .bind(until.0)
                .fetch_all(conn)
                .await?;
            all(&rows, |row| {
                let at = ConnectorRef { evse: row.number(0)?, connector: row.number(1)? };
                Ok((at, UnixMs(row.int(2)?), UnixMs(row.int(3)?)))
            })
        })
    }

    /// Sessions that delivered energy, began before a moment by the charger's time, and were told at or
    /// after another: charger, connector, beginning, end.
    pub async fn late_sessions(
        &self,
        told_since: UnixMs,
        began_before: UnixMs,
    ) -> Result<Vec<(ChargerKey, ConnectorRef, UnixMs, UnixMs)>> {
        read!(&self.db, conn => {
            let query = sqlx::query(LATE).bind(told_since.0).bind(began_before.0);
            all(&query.fetch_all(conn).await?, |row| {
                let at = ConnectorRef { evse: row.number(1)?, connector: row.number(2)? };
                let charger = ChargerKey(row.number(0)?);
                Ok((charger, at, UnixMs(row.int(3)?), UnixMs(row.int(4)?)))
            })
        })
    }

    /// How many charges at a connector, or at the whole charger, delivered 100 Wh and how many did not,
    /// of those that began within a time and ended.
    pub async fn charges_between(
        &self,
        charger: ChargerKey,
        at: ConnectorRef,
        from: UnixMs,
        until: UnixMs,
    ) -> Result<(u32, u32)> {
        let counts = read!(&self.db, conn => {
            let query = sqlx::query(CHARGES)
                .bind(i64::from(charger.0))
                .bind(from.0)
                .bind(until.0)
                .bind(i64::from(at.evse))
                .bind(i64::from(at.connector));
            one(query.fetch_optional(conn).await?.as_ref(), |row| Ok((row.number(0)?, row.number(1)?)))
        })?;
        Ok(counts.unwrap_or_default())
    }

    /// Proposes an exclusion; `None` when the same was proposed before: by the program with the same
    /// place, reason and beginning, whatever became of it; by a person with the same end, too, and not
    /// refused. The number in it is not used.
    pub async fn propose_exclusion(&self, new: &Exclusion, by: &str) -> Result<Option<i64>> {
        let known = read!(&self.db, conn => {
            let query = sqlx::query(SAME)
                .bind(i64::from(new.site.0))
                .bind(new.reason.name())
                .bind(new.from.0)
                .bind(new.charger.map_or(-1, |charger| i64::from(charger.0)))
                .bind(new.connector.map_or(-1, |at| i64::from(at.evse)))
                .bind(new.connector.map_or(-1, |at| i64::from(at.connector)))
                .bind(new.until.0)
                .bind(i64::from(by == ENGINE));
            one(query.fetch_optional(conn).await?.as_ref(), |row| row.int(0))
        })?;
        if known.is_some() {
            return Ok(None);
        }
        let id = row_id::next();
        write!(&self.db, conn => {
            sqlx::query(ADD)
                .bind(id)
                .bind(i64::from(new.site.0))
                .bind(new.charger.map(|charger| i64::from(charger.0)))
                .bind(new.connector.map(|at| i64::from(at.evse)))
                .bind(new.connector.map(|at| i64::from(at.connector)))
                .bind(new.from.0)
                .bind(new.until.0)
                .bind(new.reason.name())
                .bind(&new.evidence)
                .bind(Decision::Proposed.name())
                .bind(by)
                .bind(row_id::now().0)
                .bind(None::<i64>)
                .execute(conn)
                .await?;
            Ok(Some(id))
        })
    }

    /// Takes over what outages proposed since this was asked last: from then on each waits for a
    /// person's decision like any other. How many there were.
    pub async fn take_in_proposals(&self) -> Result<usize> {
        tx!(&self.db, conn => {
            let rows = sqlx::query(WAITING).fetch_all(&mut *conn).await?;
            let waiting = all(&rows, |row| {
                Ok((row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?, row.text(4)?, row.text(5)?, row.int_or_null(6)?))
            })?;
            let mut taken = 0;
            for (incident, charger, from, until, cause, evidence, site) in waiting {
                let known = sqlx::query(KNOWN).bind(incident).bind(charger).bind(from);
                let known = known.fetch_optional(&mut *conn).await?.is_some();
                // Of the causes that an outage shows only the loss of power is a reason in the rules.
                if let Some(site) = site.filter(|_| !known && cause == "power") {
                    sqlx::query(ADD)
                        .bind(row_id::next())
                        .bind(site)
                        .bind(Some(charger))
                        .bind(None::<i64>)
                        .bind(None::<i64>)
                        .bind(from)
                        .bind(until)
                        .bind(Reason::Utility.name())
                        .bind(format!("INC-{incident}: {evidence}"))
                        .bind(Decision::Proposed.name())
                        .bind("engine")
                        .bind(row_id::now().0)
                        .bind(Some(incident))
                        .execute(&mut *conn)
                        .await?;
                    taken += 1;
                }
                sqlx::query(TAKEN).bind(incident).bind(charger).bind(from).execute(&mut *conn).await?;
            }
            Ok(taken)
        })
    }

    /// The exclusions that an outage proposed, by charger.
    pub async fn exclusions_of(&self, incident: IncidentId) -> Result<Vec<ExclusionRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(OF_INCIDENT).bind(incident.0);
            all(&query.fetch_all(conn).await?, exclusion)
        })
    }

    /// Exclusions that touch a range, newest first, of one site or all.
    pub async fn exclusions(
        &self,
        site: Option<SiteKey>,
        from: UnixMs,
        until: UnixMs,
    ) -> Result<Vec<ExclusionRow>> {
        read!(&self.db, conn => {
            let query =
                sqlx::query(LIST).bind(site.map(|site| i64::from(site.0))).bind(from.0).bind(until.0);
            all(&query.fetch_all(conn).await?, exclusion)
        })
    }

    /// One exclusion.
    pub async fn exclusion(&self, id: i64) -> Result<Option<ExclusionRow>> {
        read!(&self.db, conn => {
            one(sqlx::query(ONE).bind(id).fetch_optional(conn).await?.as_ref(), exclusion)
        })
    }

    /// Writes down what a person made of an exclusion; `false` when there is none of that number.
    pub async fn decide_exclusion(&self, id: i64, decision: Decision, by: &str) -> Result<bool> {
        write!(&self.db, conn => {
            let done = sqlx::query(DECIDE)
                .bind(id)
                .bind(decision.name())
                .bind(by)
                .bind(row_id::now().0)
                .execute(conn)
                .await?;
            Ok(done.rows_affected() > 0)
        })
    }

    /// Opening hours of the sites that have any.
    pub async fn site_hours(&self) -> Result<BTreeMap<SiteKey, String>> {
        let rows = read!(&self.db, conn => {
            let rows = sqlx::query(HOURS).fetch_all(conn).await?;
            all(&rows, |row| Ok((SiteKey(row.number(0)?), row.text(1)?)))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// Sets the opening hours of a site, as text that was read before.
    pub async fn put_site_hours(&self, site: SiteKey, hours: &str) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(PUT_HOURS).bind(i64::from(site.0)).bind(hours).execute(conn).await?;
            Ok(())
        })
    }

    /// Writes down that our own server was down.
    pub async fn add_server_gap(&self, gap: &Stop) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(ADD_GAP)
                .bind(row_id::next())
                .bind(gap.from.0)
                .bind(gap.until.0)
                .bind(gap.grace_until.0)
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// When our own server was down, of all stops that began before a moment, in order: what was
    /// connected then is not known afterwards, however long ago it was.
    pub async fn server_gaps(&self, until: UnixMs) -> Result<Vec<Stop>> {
        let mut gaps = read!(&self.db, conn => {
            let rows = sqlx::query(GAPS).bind(until.0).fetch_all(conn).await?;
            all(&rows, |row| {
                let until = UnixMs(row.int(1)?);
                let grace_until = row.int_or_null(2)?.map_or(until + GRACE_MS, UnixMs);
                Ok(Stop { from: UnixMs(row.int(0)?), until, grace_until })
            })
        })?;
        gaps.reverse();
        Ok(gaps)
    }

    /// When anything of a charger's connection or state was last written down before a moment.
    pub async fn last_written(&self, before: UnixMs) -> Result<Option<UnixMs>> {
        let id = read!(&self.db, conn => {
            let query = sqlx::query(WRITTEN).bind(row_id::first_of(before));
            one(query.fetch_optional(conn).await?.as_ref(), |row| row.int_or_null(0))
        })?;
        Ok(id.flatten().map(row_id::time_of))
    }

    /// Chargers that told since a moment what their state was before another one, with the earliest
    /// time that they told of.
    pub async fn states_told_late(
        &self,
        told_since: UnixMs,
        before: UnixMs,
    ) -> Result<Vec<(ChargerKey, UnixMs)>> {
        read!(&self.db, conn => {
            let query = sqlx::query(TOLD_LATE).bind(row_id::first_of(told_since)).bind(before.0);
            all(&query.fetch_all(conn).await?, |row| {
                Ok((ChargerKey(row.number(0)?), UnixMs(row.int(1)?)))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_back() {
        let day = UnixMs(1_767_225_600_000);
        let at = |minutes: i64| day + minutes * MINUTE_MS;
        let spans = vec![
            Span { from: at(0), until: at(600), class: Class::Up },
            Span { from: at(600), until: at(1_440), class: Class::Offline },
        ];
        let text = write_spans(day, &spans);
        assert_eq!(text, "0-600:up,600-1440:offline");
        assert_eq!(read_spans(day, &text), Some(spans));
        assert_eq!(read_spans(day, ""), Some(Vec::new()));
        assert_eq!(read_spans(day, "0-1:sideways"), None);
    }
}
