use std::collections::BTreeMap;

use mendpoint_model::{ChargerKey, UnixMs};

use crate::db::{Columns, all, json, one, read, write};
use crate::{Result, Store};

const ONE: &str = "SELECT charger_key, wanted, token_group, version, charger_version, state,
    problem, sent_at_ms, json FROM local_list WHERE charger_key = $1";
const FOLLOWED: &str = "SELECT charger_key FROM local_list
    WHERE state <> 'not_supported'
        AND (wanted <> 'none' OR json <> '{}' OR state IN ('failed', 'sending'))
    ORDER BY charger_key";
const PUT: &str = "INSERT INTO local_list (charger_key, wanted, token_group, version,
        charger_version, state, problem, sent_at_ms, json)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (charger_key) DO UPDATE SET
    wanted = excluded.wanted, token_group = excluded.token_group, version = excluded.version,
    charger_version = excluded.charger_version, state = excluded.state,
    problem = excluded.problem, sent_at_ms = excluded.sent_at_ms, json = excluded.json";
const BREAK_OFF: &str = "UPDATE local_list
    SET state = 'failed', problem = $2, version = 0, json = '{}' WHERE charger_key = $1";

/// Which cards a charger should know by heart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WantedList {
    /// None: it asks each time.
    #[default]
    None,
    /// All that are registered.
    All,
    /// Those of a group.
    Group(String),
}

/// The local list of a charger: what it should know, and what it knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalListRow {
    /// Which cards it should know.
    pub wanted: WantedList,
    /// The version that it took last; 0 for none.
    pub version: i64,
    /// The version that it told last.
    pub charger_version: Option<i64>,
    /// `none`, `sending`, `accepted`, `failed`, `not_supported`.
    pub state: String,
    /// Why it failed; empty when it did not.
    pub problem: String,
    /// When it took a list last.
    pub sent_at: Option<UnixMs>,
    /// What it knows: of each token what was told of it.
    pub known: BTreeMap<String, String>,
}

fn list(row: &impl Columns) -> Result<LocalListRow> {
    let wanted = match (&*row.text(1)?, row.text_or_null(2)?) {
        ("all", _) => WantedList::All,
        ("group", Some(group)) => WantedList::Group(group),
        _ => WantedList::None,
    };
    Ok(LocalListRow {
        wanted,
        version: row.int(3)?,
        charger_version: row.int_or_null(4)?,
        state: row.text(5)?,
        problem: row.text(6)?,
        sent_at: row.int_or_null(7)?.map(UnixMs),
        known: row.json(8, "a local list")?,
    })
}

impl Store {
    /// The local list of a charger; `None` when nobody asked for one.
    pub async fn local_list(&self, charger: ChargerKey) -> Result<Option<LocalListRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(i64::from(charger.0));
            one(query.fetch_optional(conn).await?.as_ref(), list)
        })
    }

    /// The chargers that should know cards, or know some that they should not, but for those that keep
    /// no list.
    pub async fn chargers_with_local_lists(&self) -> Result<Vec<ChargerKey>> {
        read!(&self.db, conn => {
            let query = sqlx::query(FOLLOWED);
            all(&query.fetch_all(conn).await?, |row| Ok(ChargerKey(row.number(0)?)))
        })
    }

    /// Writes down that a sending was broken off, and nothing that was read before it began.
    pub async fn break_off_local_list(&self, charger: ChargerKey, why: &str) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(BREAK_OFF)
                .bind(i64::from(charger.0))
                .bind(why)
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// Writes the local list of a charger down.
    pub async fn put_local_list(&self, charger: ChargerKey, row: &LocalListRow) -> Result<()> {
        let (wanted, group) = match &row.wanted {
            WantedList::None => ("none", None),
            WantedList::All => ("all", None),
            WantedList::Group(group) => ("group", Some(group.as_str())),
        };
        let known = json(&row.known, "a local list")?;
        write!(&self.db, conn => {
            sqlx::query(PUT)
                .bind(i64::from(charger.0))
                .bind(wanted)
                .bind(group)
                .bind(row.version)
                .bind(row.charger_version)
                .bind(&row.state)
                .bind(&row.problem)
                .bind(row.sent_at.map(|at| at.0))
                .bind(&known)
                .execute(conn)
                .await?;
            Ok(())
        })
    }
}
