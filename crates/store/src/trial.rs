//! What rules on trial found, and what became of rules that were tried on the past.

use std::collections::BTreeMap;

use mendpoint_model::{Incident, IncidentState, UnixMs};

use crate::db::{Columns, all, read, tx, write};
use crate::{Result, Store};

const TRIALS: &str = "SELECT json, asks, ended_at_ms FROM rule_trial
    WHERE rule = $1 AND opened_at_ms >= $2 ORDER BY opened_at_ms DESC, charger_key LIMIT $3";
const COUNTS: &str = "SELECT rule, COUNT(*) FROM rule_trial WHERE opened_at_ms >= $1 GROUP BY rule";
const END: &str = "UPDATE rule_trial SET ended_at_ms = $2
    WHERE ended_at_ms IS NULL AND (CAST($1 AS TEXT) IS NULL OR rule = $1)";
const FORGET: &str = "DELETE FROM rule_trial WHERE opened_at_ms < $1";

const REPLAYS: &str = "SELECT json FROM rule_replay ORDER BY replay_id DESC LIMIT $1";
const PUT_REPLAY: &str = "INSERT INTO rule_replay (replay_id, started_at_ms, json)
    VALUES ($1, $2, $3) ON CONFLICT (replay_id) DO UPDATE SET
    started_at_ms = excluded.started_at_ms, json = excluded.json";
const FORGET_REPLAYS: &str = "DELETE FROM rule_replay WHERE replay_id NOT IN
    (SELECT replay_id FROM rule_replay ORDER BY replay_id DESC LIMIT $1)";

/// What a rule on trial would have opened.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialRow {
    /// The incident that there would have been.
    pub incident: Incident,
    /// Whether a person would have been asked.
    pub asks: bool,
}

fn trial(row: &impl Columns) -> Result<TrialRow> {
    let mut incident: Incident = row.json(0, "what a rule on trial found")?;
    let asks = row.truth(1)?;
    // The trial ended before it did.
    if let Some(at) = row.int_or_null(2)?
        && !incident.state.is_over()
    {
        incident.state = IncidentState::Resolved;
        incident.resolved_at = Some(UnixMs(at));
        "The trial ended before it did".clone_into(&mut incident.resolution);
    }
    Ok(TrialRow { incident, asks })
}

impl Store {
    /// What a rule on trial found since a time, newest first.
    pub async fn rule_trials(
        &self,
        rule: &str,
        since: UnixMs,
        limit: u32,
    ) -> Result<Vec<TrialRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(TRIALS).bind(rule).bind(since.0).bind(i64::from(limit));
            all(&query.fetch_all(conn).await?, trial)
        })
    }

    /// How much each rule on trial found since a time.
    pub async fn rule_trial_counts(&self, since: UnixMs) -> Result<BTreeMap<String, u64>> {
        let rows = read!(&self.db, conn => {
            let rows = sqlx::query(COUNTS).bind(since.0).fetch_all(conn).await?;
            all(&rows, |row| Ok((row.text(0)?, row.number::<u64>(1)?)))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// What a rule on trial has open is over, because its trial is; of every rule, when none is named.
    pub async fn end_rule_trials(&self, rule: Option<&str>, at: UnixMs) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(END).bind(rule).bind(at.0).execute(conn).await?;
            Ok(())
        })
    }

    /// Forgets what rules on trial found before a time.
    pub async fn forget_rule_trials(&self, before: UnixMs) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(FORGET).bind(before.0).execute(conn).await?;
            Ok(())
        })
    }

    /// The last replays that were kept, newest first, as JSON.
    pub async fn rule_replays(&self, limit: u32) -> Result<Vec<String>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(REPLAYS).bind(i64::from(limit)).fetch_all(conn).await?;
            all(&rows, |row| row.text(0))
        })
    }

    /// Keeps a replay under its number, and forgets all but the newest `keep`.
    pub async fn put_rule_replay(
        &self,
        id: i64,
        started_at: UnixMs,
        json: &str,
        keep: u32,
    ) -> Result<()> {
        tx!(&self.db, conn => {
            let query = sqlx::query(PUT_REPLAY).bind(id).bind(started_at.0).bind(json);
            query.execute(&mut *conn).await?;
            sqlx::query(FORGET_REPLAYS).bind(i64::from(keep)).execute(&mut *conn).await?;
            Ok(())
        })
    }
}
