//! Mails on their way out. A mail is written down in the transaction of what it tells about, and
//! sent by whoever claims it: nothing is told that did not happen, and nothing is forgotten.

use mendpoint_model::{TicketId, UnixMs};

use crate::cursor::{page, rows_of};
use crate::db::{Columns, Db, all, one, read, tx, write};
use crate::{Cursor, Error, Page, Result, Store, row_id};

pub(crate) const INSERT: &str = "INSERT INTO outbox (id, dedupe_key, recipient, subject,
    text_body, html_body, reply_to, ticket_id, created_at_ms, not_before_ms, claimed_until_ms,
    attempts, last_error, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, '',
    'queued') ON CONFLICT (dedupe_key) DO NOTHING";
const LIST: &str = "SELECT id, dedupe_key, recipient, subject, text_body, html_body, reply_to,
    ticket_id, created_at_ms, not_before_ms, attempts, last_error, state, sent_at_ms
    FROM outbox WHERE (CAST($1 AS TEXT) IS NULL OR state = $1)
      AND (CAST($2 AS BIGINT) IS NULL OR ticket_id = $2)
      AND (created_at_ms, id) < ($3, $4) ORDER BY created_at_ms DESC, id DESC LIMIT $5";
const ONE: &str = "SELECT id, dedupe_key, recipient, subject, text_body, html_body, reply_to,
    ticket_id, created_at_ms, not_before_ms, attempts, last_error, state, sent_at_ms
    FROM outbox WHERE id = $1";
const CLAIM_SQLITE: &str = claim!("", "");
/// The one word of dialect: two programs on one PostgreSQL take different mails.
const CLAIM_POSTGRES: &str = claim!("", "FOR UPDATE SKIP LOCKED");
/// Letters to programs: their recipient is `webhook:NAME`.
const CLAIM_WEB_SQLITE: &str = claim!("AND recipient LIKE 'webhook:%'", "");
const CLAIM_WEB_POSTGRES: &str = claim!("AND recipient LIKE 'webhook:%'", "FOR UPDATE SKIP LOCKED");
const SENT: &str = "UPDATE outbox SET state = 'sent', sent_at_ms = $2, last_error = '',
    claimed_until_ms = 0 WHERE id = $1";
const RETRY: &str = "UPDATE outbox SET state = $2, last_error = $3, not_before_ms = $4,
    claimed_until_ms = 0 WHERE id = $1";
const HOLD: &str = "UPDATE outbox SET state = 'held', claimed_until_ms = 0
    WHERE state = 'queued' AND recipient NOT LIKE 'webhook:%'";
const RELEASE: &str = "UPDATE outbox SET state = 'queued', not_before_ms = $1
    WHERE state = 'held'";
const AGAIN: &str = "UPDATE outbox SET state = 'queued', attempts = 0, not_before_ms = $2,
    claimed_until_ms = 0 WHERE id = $1 AND state = 'failed'";
const COUNTS: &str = "SELECT state, COUNT(*) FROM outbox GROUP BY state ORDER BY state";
const NEXT_DUE: &str = "SELECT MIN(CASE WHEN claimed_until_ms > not_before_ms
    THEN claimed_until_ms ELSE not_before_ms END) FROM outbox WHERE state = 'queued'";

macro_rules! claim {
    ($which:literal, $lock:literal) => {
        concat!(
            "UPDATE outbox SET claimed_until_ms = $2, attempts = attempts + 1 WHERE id IN (
                SELECT id FROM outbox WHERE state = 'queued' AND not_before_ms <= $1
                    AND claimed_until_ms <= $1 ",
            $which,
            " ORDER BY not_before_ms, id LIMIT $3 ",
            $lock,
            ") RETURNING id, dedupe_key, recipient, subject, text_body, html_body, reply_to,
                ticket_id, created_at_ms, not_before_ms, attempts, last_error, state, sent_at_ms"
        )
    };
}
use claim;

/// A mail to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMail {
    /// The same key is taken once and never again, so that a repeated act sends no second mail.
    pub dedupe_key: String,
    /// The address it goes to; for a program `webhook:` and its name.
    pub recipient: String,
    /// The subject.
    pub subject: String,
    /// The body as plain text.
    pub text: String,
    /// The body as HTML; empty for none.
    pub html: String,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// The ticket it is about.
    pub ticket: Option<TicketId>,
    /// Not sent before this time.
    pub not_before: UnixMs,
}

/// Where a mail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailState {
    /// It waits for its time, or for the next try.
    Queued,
    /// It was taken by the server it goes through.
    Sent,
    /// It was given up after many tries.
    Failed,
    /// It waits because no mail server is set.
    Held,
}

impl MailState {
    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Held => "held",
        }
    }

    /// The state of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Queued, Self::Sent, Self::Failed, Self::Held]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A mail as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailRow {
    /// Its number.
    pub id: i64,
    /// What it says and to whom.
    pub mail: NewMail,
    /// When it was written down.
    pub created_at: UnixMs,
    /// How often sending was tried.
    pub attempts: u32,
    /// Why the last try failed; empty when none did.
    pub last_error: String,
    /// Where it stands.
    pub state: MailState,
    /// When it was sent.
    pub sent_at: Option<UnixMs>,
}

fn mail(row: &impl Columns) -> Result<MailRow> {
    let state = row.text(12)?;
    Ok(MailRow {
        id: row.int(0)?,
        mail: NewMail {
            dedupe_key: row.text(1)?,
            recipient: row.text(2)?,
            subject: row.text(3)?,
            text: row.text(4)?,
            html: row.text(5)?,
            reply_to: row.text_or_null(6)?,
            ticket: row.int_or_null(7)?.map(TicketId),
            not_before: UnixMs(row.int(9)?),
        },
        created_at: UnixMs(row.int(8)?),
        attempts: row.number(10)?,
        last_error: row.text(11)?,
        state: MailState::from_name(&state)
            .ok_or_else(|| Error::Unreadable(format!("the mail state \"{state}\"")))?,
        sent_at: row.int_or_null(13)?.map(UnixMs),
    })
}

/// Writes one mail down inside a transaction.
macro_rules! insert_mail {
    ($conn:ident, $mail:ident) => {
        sqlx::query($crate::outbox::INSERT)
            .bind($crate::row_id::next())
            .bind(&$mail.dedupe_key)
            .bind(&$mail.recipient)
            .bind(&$mail.subject)
            .bind(&$mail.text)
            .bind(&$mail.html)
            .bind($mail.reply_to.as_deref())
            .bind($mail.ticket.map(|ticket| ticket.0))
            .bind($crate::row_id::now().0)
            .bind($mail.not_before.0)
            .execute(&mut *$conn)
            .await?
    };
}
pub(crate) use insert_mail;

impl Store {
    /// Puts mails into the outbox that belong to no ticket event. One whose key was there already
    /// is left out.
    pub async fn put_mails(&self, mails: &[NewMail]) -> Result<()> {
        tx!(&self.db, conn => {
            for mail in mails {
                insert_mail!(conn, mail);
            }
            Ok(())
        })
    }

    /// The outbox, newest first, of one state or all, about one ticket or all.
    pub async fn mails(
        &self,
        state: Option<MailState>,
        ticket: Option<TicketId>,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<MailRow>> {
        let from = Cursor::or_start(cursor);
        let rows = read!(&self.db, conn => {
            let rows = sqlx::query(LIST)
                .bind(state.map(MailState::name))
                .bind(ticket.map(|ticket| ticket.0))
                .bind(from.at)
                .bind(from.id)
                .bind(rows_of(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, mail)
        })?;
        Ok(page(rows, limit, |row| (row.created_at.0, row.id)))
    }

    /// One mail.
    pub async fn mail(&self, id: i64) -> Result<Option<MailRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(id);
            one(query.fetch_optional(conn).await?.as_ref(), mail)
        })
    }

    /// How many mails there are by state.
    pub async fn mail_counts(&self) -> Result<Vec<(String, u64)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(COUNTS).fetch_all(conn).await?;
            all(&rows, |row| Ok((row.text(0)?, row.number(1)?)))
        })
    }

    /// Takes due mails for sending. Nobody else gets them before `lease_ms` have passed; then they
    /// are due again, because whoever took them must have died. The try is counted.
    pub async fn claim_mails(
        &self,
        now: UnixMs,
        lease_ms: i64,
        limit: u32,
    ) -> Result<Vec<MailRow>> {
        self.claim([CLAIM_SQLITE, CLAIM_POSTGRES], now, lease_ms, limit).await
    }

    /// The same, of those only that go to programs: they need no mail server.
    pub async fn claim_web_mails(
        &self,
        now: UnixMs,
        lease_ms: i64,
        limit: u32,
    ) -> Result<Vec<MailRow>> {
        self.claim([CLAIM_WEB_SQLITE, CLAIM_WEB_POSTGRES], now, lease_ms, limit).await
    }

    async fn claim(
        &self,
        [sqlite, postgres]: [&'static str; 2],
        now: UnixMs,
        lease_ms: i64,
        limit: u32,
    ) -> Result<Vec<MailRow>> {
        let sql = match &self.db {
            Db::Sqlite { .. } => sqlite,
            Db::Postgres(_) => postgres,
        };
        write!(&self.db, conn => {
            let rows = sqlx::query(sql)
                .bind(now.0)
                .bind((now + lease_ms).0)
                .bind(i64::from(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, mail)
        })
    }

    /// A mail was taken by the server.
    pub async fn mail_sent(&self, id: i64, at: UnixMs) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(SENT).bind(id).bind(at.0).execute(conn).await?;
            Ok(())
        })
    }

    /// A mail was not taken: it is tried again at `again_at`, or given up with `None`.
    pub async fn mail_failed(&self, id: i64, error: &str, again_at: Option<UnixMs>) -> Result<()> {
        let state = if again_at.is_some() { MailState::Queued } else { MailState::Failed };
        write!(&self.db, conn => {
            sqlx::query(RETRY)
                .bind(id)
                .bind(state.name())
                .bind(error)
                .bind(again_at.unwrap_or_else(row_id::now).0)
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// Holds every queued mail to a person, because no mail server is set; gives how many.
    pub async fn hold_mails(&self) -> Result<u64> {
        write!(&self.db, conn => Ok(sqlx::query(HOLD).execute(conn).await?.rows_affected()))
    }

    /// Queues every held mail again, because a mail server is set now; gives how many.
    pub async fn release_mails(&self, now: UnixMs) -> Result<u64> {
        write!(&self.db, conn => {
            Ok(sqlx::query(RELEASE).bind(now.0).execute(conn).await?.rows_affected())
        })
    }

    /// Queues a mail that was given up once more; `false` when it was not.
    pub async fn retry_mail(&self, id: i64, now: UnixMs) -> Result<bool> {
        write!(&self.db, conn => {
            let query = sqlx::query(AGAIN).bind(id).bind(now.0);
            Ok(query.execute(conn).await?.rows_affected() > 0)
        })
    }

    /// When the next queued mail is due; `None` when none is queued.
    pub async fn next_mail_at(&self) -> Result<Option<UnixMs>> {
        read!(&self.db, conn => {
            let row = sqlx::query(NEXT_DUE).fetch_one(conn).await?;
            Ok(row.int_or_null(0)?.map(UnixMs))
        })
    }
}
