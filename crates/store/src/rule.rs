//! Rules and playbooks that people edited, which of them are on, and thresholds set otherwise.

use mendpoint_model::UnixMs;

use crate::db::{Columns, all, one, read, tx, write};
use crate::{Result, Store};

macro_rules! text_columns {
    () => {
        "SELECT kind, name, version, text, note, saved_at_ms, saved_by FROM rule_text t "
    };
}
const TEXTS: &str = concat!(
    text_columns!(),
    "WHERE version = (SELECT MAX(version) FROM rule_text o WHERE o.kind = t.kind AND o.name = t.name)
     ORDER BY kind, name"
);
const VERSIONS: &str =
    concat!(text_columns!(), "WHERE kind = $1 AND name = $2 ORDER BY version DESC LIMIT 200");
const VERSION: &str = concat!(text_columns!(), "WHERE kind = $1 AND name = $2 AND version = $3");
const NEWEST: &str =
    "SELECT COALESCE(MAX(version), 0) FROM rule_text WHERE kind = $1 AND name = $2";
const PUT_TEXT: &str = "INSERT INTO rule_text
        (kind, name, version, text, note, saved_at_ms, saved_by) VALUES ($1, $2, $3, $4, $5, $6, $7)";

const SWITCHES: &str = "SELECT name, is_on, mode, first_at_ms, changed_at_ms, changed_by, on_trial
    FROM rule_switch ORDER BY name";
const PUT_SWITCH: &str = "INSERT INTO rule_switch
        (name, is_on, mode, first_at_ms, changed_at_ms, changed_by, on_trial)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (name) DO UPDATE SET is_on = excluded.is_on, mode = excluded.mode,
    changed_at_ms = excluded.changed_at_ms, changed_by = excluded.changed_by,
    on_trial = excluded.on_trial";
const DELETE_SWITCH: &str = "DELETE FROM rule_switch WHERE name = $1";

const THRESHOLDS: &str =
    "SELECT rule, target_kind, target, name, setting, set_at_ms, set_by FROM rule_threshold
    ORDER BY rule, target_kind, target, name";
const PUT_THRESHOLD: &str = "INSERT INTO rule_threshold
        (rule, target_kind, target, name, setting, set_at_ms, set_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (rule, target_kind, target, name) DO UPDATE SET
    setting = excluded.setting, set_at_ms = excluded.set_at_ms, set_by = excluded.set_by";
const DELETE_THRESHOLD: &str = "DELETE FROM rule_threshold
    WHERE rule = $1 AND target_kind = $2 AND target = $3 AND name = $4";

/// One version of a rule or playbook as a person saved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTextRow {
    /// `rule` or `playbook`.
    pub kind: String,
    /// Its id.
    pub name: String,
    /// Counts from 1.
    pub version: i64,
    /// The file's text; empty where the edit was taken back.
    pub text: String,
    /// Why, in the person's words.
    pub note: String,
    /// When.
    pub saved_at: UnixMs,
    /// Who.
    pub saved_by: String,
}

/// What a person decided about a rule as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSwitchRow {
    /// The rule's id.
    pub name: String,
    /// Whether it opens incidents.
    pub is_on: bool,
    /// Whether it is on trial: it opens nothing, and what it would open is written down.
    pub on_trial: bool,
    /// How much it may do by itself (`off`, `shadow`, `approve`, `on`); empty: as its file says.
    pub mode: String,
    /// When the rule was first known here: it stays in shadow for a while from then on (G10).
    pub first_at: UnixMs,
    /// When this was decided.
    pub changed_at: UnixMs,
    /// By whom.
    pub changed_by: String,
}

/// A threshold of a rule, set otherwise for some chargers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleThresholdRow {
    /// The rule's id.
    pub rule: String,
    /// `model`, `site` or `charger`.
    pub target_kind: String,
    /// The number of the site or charger; vendor and model, with a line break between them.
    pub target: String,
    /// The threshold.
    pub name: String,
    /// Its value there.
    pub setting: String,
    /// When it was set.
    pub set_at: UnixMs,
    /// By whom.
    pub set_by: String,
}

fn text(row: &impl Columns) -> Result<RuleTextRow> {
    Ok(RuleTextRow {
        kind: row.text(0)?,
        name: row.text(1)?,
        version: row.int(2)?,
        text: row.text(3)?,
        note: row.text(4)?,
        saved_at: UnixMs(row.int(5)?),
        saved_by: row.text(6)?,
    })
}

fn switch(row: &impl Columns) -> Result<RuleSwitchRow> {
    Ok(RuleSwitchRow {
        name: row.text(0)?,
        is_on: row.int(1)? != 0,
        on_trial: row.int(6)? != 0,
        mode: row.text(2)?,
        first_at: UnixMs(row.int(3)?),
        changed_at: UnixMs(row.int(4)?),
        changed_by: row.text(5)?,
    })
}

fn threshold(row: &impl Columns) -> Result<RuleThresholdRow> {
    Ok(RuleThresholdRow {
        rule: row.text(0)?,
        target_kind: row.text(1)?,
        target: row.text(2)?,
        name: row.text(3)?,
        setting: row.text(4)?,
        set_at: UnixMs(row.int(5)?),
        set_by: row.text(6)?,
    })
}

impl Store {
    /// The newest version of every rule and playbook that was ever edited.
    pub async fn rule_texts(&self) -> Result<Vec<RuleTextRow>> {
        read!(&self.db, conn => all(&sqlx::query(TEXTS).fetch_all(conn).await?, text))
    }

    /// The versions of one, newest first, at most 200.
    pub async fn rule_versions(&self, kind: &str, name: &str) -> Result<Vec<RuleTextRow>> {
        read!(&self.db, conn => {
            all(&sqlx::query(VERSIONS).bind(kind).bind(name).fetch_all(conn).await?, text)
        })
    }

    /// One version.
    pub async fn rule_version(
        &self,
        kind: &str,
        name: &str,
        version: i64,
    ) -> Result<Option<RuleTextRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(VERSION).bind(kind).bind(name).bind(version);
            one(query.fetch_optional(conn).await?.as_ref(), text)
        })
    }

    /// Keeps a new version. `row.version` is the one it was made from: when there is a newer one
    /// already, nothing is kept and `None` comes back; else the new version's number.
    pub async fn put_rule_text(&self, row: &RuleTextRow) -> Result<Option<i64>> {
        let kept = self.put_rule_texts(std::slice::from_ref(row)).await?;
        Ok(kept.and_then(|versions| versions.first().copied()))
    }

    /// Keeps new versions of several, all of them or none, and gives their numbers. `None` when one
    /// has a newer version than the one it was made from.
    pub async fn put_rule_texts(&self, rows: &[RuleTextRow]) -> Result<Option<Vec<i64>>> {
        tx!(&self.db, conn => {
            let mut is_newest = true;
            for row in rows {
                let query = sqlx::query(NEWEST).bind(&row.kind).bind(&row.name);
                is_newest &= query.fetch_one(&mut *conn).await?.int(0)? == row.version;
            }
            let mut versions = Vec::new();
            for row in rows.iter().filter(|_| is_newest) {
                sqlx::query(PUT_TEXT)
                    .bind(&row.kind)
                    .bind(&row.name)
                    .bind(row.version + 1)
                    .bind(&row.text)
                    .bind(&row.note)
                    .bind(row.saved_at.0)
                    .bind(&row.saved_by)
                    .execute(&mut *conn)
                    .await?;
                versions.push(row.version + 1);
            }
            Ok(is_newest.then_some(versions))
        })
    }

    /// What people decided about rules as they stand.
    pub async fn rule_switches(&self) -> Result<Vec<RuleSwitchRow>> {
        read!(&self.db, conn => all(&sqlx::query(SWITCHES).fetch_all(conn).await?, switch))
    }

    /// Writes such a decision down. The time at which a rule was first known stays.
    pub async fn put_rule_switch(&self, row: &RuleSwitchRow) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(PUT_SWITCH)
                .bind(&row.name)
                .bind(i64::from(row.is_on))
                .bind(&row.mode)
                .bind(row.first_at.0)
                .bind(row.changed_at.0)
                .bind(&row.changed_by)
                .bind(i64::from(row.on_trial))
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// Forgets it, so that the rule is as its file says; `false` when there was none.
    pub async fn delete_rule_switch(&self, name: &str) -> Result<bool> {
        write!(&self.db, conn => {
            let query = sqlx::query(DELETE_SWITCH).bind(name);
            Ok(query.execute(conn).await?.rows_affected() > 0)
        })
    }

    /// Thresholds that are set otherwise somewhere.
    pub async fn rule_thresholds(&self) -> Result<Vec<RuleThresholdRow>> {
        read!(&self.db, conn => all(&sqlx::query(THRESHOLDS).fetch_all(conn).await?, threshold))
    }

    /// Sets one.
    pub async fn put_rule_threshold(&self, row: &RuleThresholdRow) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(PUT_THRESHOLD)
                .bind(&row.rule)
                .bind(&row.target_kind)
                .bind(&row.target)
                .bind(&row.name)
                .bind(&row.setting)
                .bind(row.set_at.0)
                .bind(&row.set_by)
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// Takes one back; `false` when there was none.
    pub async fn delete_rule_threshold(
        &self,
        rule: &str,
        target_kind: &str,
        target: &str,
        name: &str,
    ) -> Result<bool> {
        write!(&self.db, conn => {
            let query =
                sqlx::query(DELETE_THRESHOLD).bind(rule).bind(target_kind).bind(target).bind(name);
            Ok(query.execute(conn).await?.rows_affected() > 0)
        })
    }
}
