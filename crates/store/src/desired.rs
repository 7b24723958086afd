//! What configuration keys should be.

use mendpoint_model::{ChargerKey, DesiredFor, DesiredKey, SiteKey, UnixMs};

use crate::db::{Columns, all, read, write};
use crate::{Error, Result, Store};

const LIST: &str = "SELECT target_kind, target, name, setting, set_by, set_at_ms FROM desired_key
    ORDER BY target_kind, target, name";
const PUT: &str = "INSERT INTO desired_key (target_kind, target, name, setting, set_by, set_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (target_kind, target, name) DO UPDATE SET setting = excluded.setting,
        set_by = excluded.set_by, set_at_ms = excluded.set_at_ms";
const DELETE: &str = "DELETE FROM desired_key WHERE target_kind = $1 AND target = $2 AND name = $3";

/// What stands between vendor and model of a target.
const BETWEEN: char = '\u{1f}';

fn words(target: &DesiredFor) -> (&'static str, String) {
    match target {
        DesiredFor::Model(vendor, model) => ("model", format!("{vendor}{BETWEEN}{model}")),
        DesiredFor::Site(site) => ("site", site.0.to_string()),
        DesiredFor::Charger(charger) => ("charger", charger.0.to_string()),
    }
}

fn target(kind: &str, target: &str) -> Result<DesiredFor> {
    let unreadable = || Error::Unreadable(format!("the target {kind} of a desired key"));
    let number = || target.parse().map_err(|_| unreadable());
    match kind {
        "model" => {
            let (vendor, model) = target.split_once(BETWEEN).ok_or_else(unreadable)?;
            Ok(DesiredFor::Model(vendor.to_owned(), model.to_owned()))
        }
        "site" => Ok(DesiredFor::Site(SiteKey(number()?))),
        "charger" => Ok(DesiredFor::Charger(ChargerKey(number()?))),
        _ => Err(unreadable()),
    }
}

impl Store {
    /// Everything that is wanted of configuration keys.
    pub async fn desired_keys(&self) -> Result<Vec<DesiredKey>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(LIST).fetch_all(conn).await?;
            all(&rows, |row| Ok(DesiredKey {
                target: target(&row.text(0)?, &row.text(1)?)?,
                name: row.text(2)?,
                value: row.text(3)?,
                set_by: row.text(4)?,
                set_at: UnixMs(row.int(5)?),
            }))
        })
    }

    /// Keeps what a key should be.
    pub async fn put_desired_key(&self, row: &DesiredKey) -> Result<()> {
        let (kind, target) = words(&row.target);
        write!(&self.db, conn => {
            sqlx::query(PUT)
                .bind(kind)
                .bind(&target)
                .bind(&row.name)
                .bind(&row.value)
                .bind(&row.set_by)
                .bind(row.set_at.0)
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// Nothing is wanted of a key any more; `false` when nothing was.
    pub async fn delete_desired_key(&self, target: &DesiredFor, name: &str) -> Result<bool> {
        let (kind, target) = words(target);
        write!(&self.db, conn => {
            let query = sqlx::query(DELETE).bind(kind).bind(&target).bind(name);
            Ok(query.execute(conn).await?.rows_affected() > 0)
        })
    }
}
