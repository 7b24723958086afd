use mendpoint_model::UnixMs;

use crate::audit_chain::{self, Line, chain};
use crate::cursor::{page, rows_of};
use crate::db::{Columns, Db, all, one, read, tx};
use crate::{Cursor, Page, Result, Store, row_id};

const LIST: &str = "SELECT id, at_ms, actor, action, subject, detail, COALESCE(seq, 0),
    COALESCE(hash, '') FROM audit_entry
    WHERE (CAST($1 AS TEXT) IS NULL OR subject = $1)
      AND (CAST($2 AS TEXT) IS NULL OR actor IN ($2, 'user ' || $2, 'token ' || $2)) AND id < $3
    ORDER BY id DESC LIMIT $4";
const IN_ORDER: &str = "SELECT id, at_ms, actor, action, subject, detail, COALESCE(seq, 0),
    COALESCE(hash, '') FROM audit_entry
    WHERE (seq, id) > ($1, $2) ORDER BY seq, id LIMIT $3";
const UNCHAINED: &str = "SELECT id, at_ms, actor, action, subject, detail FROM audit_entry
    WHERE seq IS NULL ORDER BY id LIMIT $1";
/// Places begin with 1.
const COUNT_UNCHAINED: &str = "SELECT COUNT(*) FROM audit_entry WHERE seq IS NULL OR seq < 1";
const LAST_CHAINED: &str = "SELECT seq, hash FROM audit_entry WHERE seq IS NOT NULL
    ORDER BY seq DESC LIMIT 1";
const PUT_INTO_CHAIN: &str = "UPDATE audit_entry SET seq = $2, hash = $3 WHERE id = $1";
const HEAD: &str = "SELECT seq, hash FROM audit_head WHERE head_id = 1";

/// The version of the schema that brought the chain.
pub(crate) const CHAINED_SINCE: i64 = 7;
/// Lines that are checked, or chained for the first time, at once.
const CHUNK: i64 = 2_000;

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number; larger is later.
    pub id: i64,
    /// When.
    pub at: UnixMs,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// More; may be empty.
    pub detail: String,
    /// Its place in the chain, from 1; 0 for none.
    pub seq: i64,
    /// The hash of this line and of all before it; empty for none.
    pub hash: String,
}

/// How far the chain goes: whoever notes it elsewhere can tell later that nothing before it was
/// changed, even by somebody who could write the whole chain anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditHead {
    /// The place of the last line; 0 for none.
    pub seq: i64,
    /// Its hash; empty for none.
    pub hash: String,
}

/// What checking the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditVerdict {
    /// Every line is there and as it was written.
    Whole(AuditHead),
    /// The first place that is not as it was written.
    Broken {
        /// The place in the chain.
        seq: i64,
        /// What is wrong there, a sentence.
        why: String,
    },
}

fn audit_row(row: &impl Columns) -> Result<AuditRow> {
    Ok(AuditRow {
        id: row.int(0)?,
        at: UnixMs(row.int(1)?),
        actor: row.text(2)?,
        action: row.text(3)?,
        subject: row.text(4)?,
        detail: row.text(5)?,
        seq: row.int(6)?,
        hash: row.text(7)?,
    })
}

fn line(row: &impl Columns) -> Result<Line> {
    Ok(Line {
        id: row.int(0)?,
        at_ms: row.int(1)?,
        actor: row.text(2)?,
        action: row.text(3)?,
        subject: row.text(4)?,
        detail: row.text(5)?,
    })
}

impl AuditRow {
    fn line(&self) -> Line {
        Line::new(self.id, self.at, [&self.actor, &self.action, &self.subject, &self.detail])
    }

    /// "by ana at 2026-..: signed in, 10.0.0.1".
    fn words(&self) -> String {
        format!("{} by {}: {} {}", self.at.rfc3339(), self.actor, self.action, self.subject)
    }
}

impl AuditHead {
    /// Goes on by one line, or says what is wrong with it.
    fn follow(&mut self, row: &AuditRow) -> std::result::Result<(), AuditVerdict> {
        let seq = self.seq + 1;
        let broken = |why: String| Err(AuditVerdict::Broken { seq, why });
        if row.seq == self.seq {
            return broken(format!("there are two lines in the place before ({})", row.words()));
        }
        if row.seq != seq {
            let last = row.seq - 1;
            return broken(if last == seq {
                "the line was deleted".to_owned()
            } else {
                format!("the lines up to {last} were deleted")
            });
        }
        if row.line().hash(seq, &self.hash) != row.hash {
            return broken(format!(
                "the line was changed, or the one before it together with its hash ({})",
                row.words()
            ));
        }
        *self = Self { seq, hash: row.hash.clone() };
        Ok(())
    }
}

/// What cannot have come into the database without a line.
const WITH_A_LINE: &str =
    "SELECT (SELECT COUNT(*) FROM app_user) + (SELECT COUNT(*) FROM api_token)
    + (SELECT COUNT(*) FROM kv WHERE name = 'settings.last')";

impl Store {
    /// What people did, newest first, to one thing or all, by one person or all: by the whole name of the
    /// line, or by the name of an account or a token alone.
    pub async fn audit(
        &self,
        subject: Option<&str>,
        actor: Option<&str>,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<AuditRow>> {
        let rows = read!(&self.db, conn => {
            let rows = sqlx::query(LIST)
                .bind(subject)
                .bind(actor)
                .bind(Cursor::or_start(cursor).id)
                .bind(rows_of(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, audit_row)
        })?;
        Ok(page(rows, limit, |row| (row.at.0, row.id)))
    }

    /// Adds a line at once, for commands that run without a server's journal.
    pub async fn add_audit(
        &self,
        actor: &str,
        action: &str,
        subject: &str,
        detail: &str,
    ) -> Result<()> {
        let lines = [Line::new(row_id::next(), row_id::now(), [actor, action, subject, detail])];
        tx!(&self.db, conn => {
            chain!(conn, &lines);
            Ok(())
        })
    }

    /// How far the chain goes.
    pub async fn audit_head(&self) -> Result<AuditHead> {
        let head = read!(&self.db, conn => {
            let row = sqlx::query(HEAD).fetch_optional(conn).await?;
            one(row.as_ref(), |row| Ok(AuditHead { seq: row.int(0)?, hash: row.text(1)? }))
        })?;
        Ok(head.unwrap_or_default())
    }

    /// Checks every line against the chain, and the end against the head. `noted` is a head that
    /// was noted earlier, outside of this database.
    pub async fn verify_audit(&self, noted: Option<&AuditHead>) -> Result<AuditVerdict> {
        loop {
            // The head first: lines that are added meanwhile lie behind it.
            let head = self.audit_head().await?;
            let verdict = self.verify_up_to(&head, noted).await?;
            let is_whole = matches!(verdict, AuditVerdict::Whole(_));
            // A head only moves on, but where a copy took the place of the database meanwhile.
            if is_whole || self.audit_head().await?.seq >= head.seq {
                return Ok(verdict);
            }
        }
    }

    async fn verify_up_to(
        &self,
        head: &AuditHead,
        noted: Option<&AuditHead>,
    ) -> Result<AuditVerdict> {
        let unchained = read!(&self.db, conn => {
            sqlx::query(COUNT_UNCHAINED).fetch_one(conn).await?.int(0)
        })?;
        if unchained > 0 {
            let have = if unchained == 1 { "line has" } else { "lines have" };
            let why = format!("{unchained} {have} no place in the chain");
            return Ok(AuditVerdict::Broken { seq: head.seq + 1, why });
        }
        let mut at = AuditHead::default();
        let (mut last_id, mut is_noted) = (i64::MIN, noted.is_none_or(|noted| noted.seq == 0));
        loop {
            let rows = read!(&self.db, conn => {
                let query = sqlx::query(IN_ORDER).bind(at.seq).bind(last_id).bind(CHUNK);
                all(&query.fetch_all(conn).await?, audit_row)
            })?;
            let count = rows.len();
            for row in rows {
                if let Err(broken) = at.follow(&row) {
                    return Ok(broken);
                }
                last_id = row.id;
                if let Some(noted) = noted.filter(|noted| noted.seq == at.seq) {
                    if noted.hash != at.hash {
                        let why = "it is not the line that was noted: the chain was written anew \
                                   up to here"
                            .to_owned();
                        return Ok(AuditVerdict::Broken { seq: at.seq, why });
                    }
                    is_noted = true;
                }
            }
            if (count as i64) < CHUNK {
                break;
            }
        }
        if at.seq < head.seq {
            let why = format!("the lines from here to {} were cut off the end", head.seq);
            return Ok(AuditVerdict::Broken { seq: at.seq + 1, why });
        }
        if !is_noted {
            let why = "the chain ends before the line that was noted".to_owned();
            return Ok(AuditVerdict::Broken { seq: at.seq + 1, why });
        }
        // The head that was read may be older than the last lines; if it is not, it must fit.
        if at.seq == head.seq && at.hash != head.hash {
            let why = "the last line is not the one that the head holds".to_owned();
            return Ok(AuditVerdict::Broken { seq: at.seq, why });
        }
        if head.seq == 0 && at.seq > 0 && self.audit_head().await?.seq == 0 {
            let why = "the head of the chain was deleted".to_owned();
            return Ok(AuditVerdict::Broken { seq: at.seq, why });
        }
        if at.seq == 0 {
            let left = read!(&self.db, conn => {
                sqlx::query(WITH_A_LINE).fetch_one(conn).await?.int(0)
            })?;
            if left > 0 {
                let why =
                    "there is no line at all, and there are accounts, tokens or a server's start, \
                           each of which left one"
                        .to_owned();
                return Ok(AuditVerdict::Broken { seq: 1, why });
            }
        }
        Ok(AuditVerdict::Whole(at))
    }
}

/// Gives lines from before there was a chain their places in it, oldest first. Once there is a chain,
/// a line without a place is one that somebody put there, and is for [`Store::verify_audit`] to name.
///
/// The head stays at 0 until all of them have one, so that a start that is killed goes on here.
pub(crate) async fn chain_old_rows(db: &Db) -> Result<()> {
    loop {
        let done = tx!(db, conn => {
            let head = sqlx::query(HEAD).fetch_optional(&mut *conn).await?;
            let is_chain = head.map(|head| head.int(0)).transpose()?.unwrap_or(0) > 0;
            let rows = sqlx::query(UNCHAINED).bind(CHUNK + 1).fetch_all(&mut *conn).await?;
            let mut lines = if is_chain { Vec::new() } else { all(&rows, line)? };
            let is_last = lines.len() as i64 <= CHUNK;
            lines.truncate(CHUNK as usize);
            let last = sqlx::query(LAST_CHAINED).fetch_optional(&mut *conn).await?;
            let last = one(last.as_ref(), |row| Ok((row.int(0)?, row.text(1)?)))?;
            let (mut seq, mut hash) = last.unwrap_or_default();
            for line in &lines {
                seq += 1;
                hash = line.hash(seq, &hash);
                sqlx::query(PUT_INTO_CHAIN)
                    .bind(line.id)
                    .bind(seq)
                    .bind(&hash)
                    .execute(&mut *conn)
                    .await?;
            }
            if is_last && !lines.is_empty() {
                let locked = sqlx::query(audit_chain::LOCK).fetch_optional(&mut *conn).await?;
                if locked.is_none() {
                    sqlx::query(audit_chain::FIRST).fetch_one(&mut *conn).await?;
                }
                sqlx::query(audit_chain::MOVE).bind(seq).bind(&hash).execute(&mut *conn).await?;
            }
            Ok(is_last)
        })?;
        if done {
            return Ok(());
        }
    }
}
