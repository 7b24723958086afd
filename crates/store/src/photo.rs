//! Photos that drivers sent with their reports.

use mendpoint_model::UnixMs;

use crate::db::{Columns, all, one, read, write};
use crate::{Result, Store, row_id};

const ADD: &str = "INSERT INTO report_photo (id, reference, kind, created_at_ms, data)
    VALUES ($1, $2, $3, $4, $5)";
const OF_REPORT: &str =
    "SELECT id, reference, kind, created_at_ms FROM report_photo WHERE reference = $1 ORDER BY id";
/// In small steps, so that the journal is not held up.
const PRUNE: &str = "DELETE FROM report_photo WHERE id IN
    (SELECT id FROM report_photo WHERE created_at_ms < $1 ORDER BY id LIMIT 50)";
const DATA: &str = "SELECT kind, data FROM report_photo WHERE id = $1";

/// A photo without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoRow {
    /// Its number.
    pub id: i64,
    /// The report it came with.
    pub reference: String,
    /// `image/jpeg` or `image/png`.
    pub kind: String,
    /// When.
    pub created_at: UnixMs,
}

impl Store {
    /// Keeps a photo; gives its number.
    pub async fn add_photo(
        &self,
        reference: &str,
        kind: &str,
        at: UnixMs,
        data: &[u8],
    ) -> Result<i64> {
        let id = row_id::next();
        write!(&self.db, conn => {
            sqlx::query(ADD)
                .bind(id)
                .bind(reference)
                .bind(kind)
                .bind(at.0)
                .bind(data)
                .execute(conn)
                .await?;
            Ok(id)
        })
    }

    /// The photos of a report, in the order they came.
    pub async fn photos(&self, reference: &str) -> Result<Vec<PhotoRow>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(OF_REPORT).bind(reference).fetch_all(conn).await?;
            all(&rows, |row| {
                Ok(PhotoRow {
                    id: row.int(0)?,
                    reference: row.text(1)?,
                    kind: row.text(2)?,
                    created_at: UnixMs(row.int(3)?),
                })
            })
        })
    }

    /// Deletes photos that were sent before a moment; how many there were.
    pub async fn prune_photos(&self, before: UnixMs) -> Result<u64> {
        let mut deleted = 0;
        loop {
            let begun = std::time::Instant::now();
            let step = write!(&self.db, conn => {
                let query = sqlx::query(PRUNE).bind(before.0);
                Ok(query.execute(conn).await?.rows_affected())
            })?;
            deleted += step;
            if step == 0 {
                return Ok(deleted);
            }
            crate::summary::give_way(begun).await;
        }
    }

    /// Kind and bytes of a photo.
    pub async fn photo(&self, id: i64) -> Result<Option<(String, Vec<u8>)>> {
        read!(&self.db, conn => {
            let query = sqlx::query(DATA).bind(id);
            one(query.fetch_optional(conn).await?.as_ref(), |row| Ok((row.text(0)?, row.bytes(1)?)))
        })
    }
}
