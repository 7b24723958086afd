use mendpoint_model::{ChargerKey, IncidentId, SiteKey, TicketId, UnixMs};

use crate::audit_chain::{self, Line, chain};
use crate::cursor::{page, rows_of};
use crate::db::{Columns, all, one, read, tx};
use crate::incident::pattern;
use crate::outbox::insert_mail;
use crate::{Cursor, Error, NewMail, Page, Result, Store, row_id};

const ONE: &str = "SELECT ticket_id, status, title, priority, incident_id, charger_key, site_key,
    assignee, opened_at_ms, updated_at_ms, due_at_ms, json FROM ticket WHERE ticket_id = $1";
/// What the two lists have in common. Fifteen statuses at most, as many as there are: a shorter
/// choice repeats its first.
macro_rules! list {
    ($after:literal) => {
        concat!(
            "SELECT ticket_id, status, title, priority, incident_id, charger_key, site_key,
    assignee, opened_at_ms, updated_at_ms, due_at_ms, json FROM ticket
    WHERE (CAST($1 AS BIGINT) = 0
        OR status IN ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
            $13, $14, $15, $16))
      AND (CAST($17 AS TEXT) IS NULL OR assignee = $17)
      AND (CAST($18 AS BIGINT) IS NULL OR charger_key = $18)
      AND (CAST($19 AS BIGINT) IS NULL OR site_key = $19)
      AND (CAST($20 AS TEXT) IS NULL OR LOWER(title) LIKE $20 ESCAPE '!')
      AND (CAST($21 AS BIGINT) IS NULL OR incident_id = $21)
      AND ",
            $after,
            " LIMIT $24"
        )
    };
}
const NEWEST: &str =
    list!("(opened_at_ms, ticket_id) < ($22, $23) ORDER BY opened_at_ms DESC, ticket_id DESC");
/// The statuses a second time, without a condition on them: those that are not over are few among
/// many, and are found by the index of statuses.
const BY_DUE: &str = list!(
    "status IN ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
      AND (COALESCE(due_at_ms, 9223372036854775807), ticket_id) > ($22, $23)
    ORDER BY COALESCE(due_at_ms, 9223372036854775807), ticket_id"
);
const STATUSES: usize = 15;
const COUNTS: &str = "SELECT status, COUNT(*) FROM ticket GROUP BY status ORDER BY status";
const EVENTS: &str = "SELECT ticket_id, seq, at_ms, actor, kind, visibility, json
    FROM ticket_event WHERE ticket_id = $1 ORDER BY seq";
const LAST_SEQ: &str = "SELECT last_seq FROM ticket WHERE ticket_id = $1";
const PUT: &str = "INSERT INTO ticket (ticket_id, status, title, priority, incident_id,
    charger_key, site_key, assignee, opened_at_ms, updated_at_ms, due_at_ms, last_seq, json)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT (ticket_id) DO UPDATE SET status = excluded.status, title = excluded.title,
    priority = excluded.priority, incident_id = excluded.incident_id,
    charger_key = excluded.charger_key, site_key = excluded.site_key,
    assignee = excluded.assignee, opened_at_ms = excluded.opened_at_ms,
    updated_at_ms = excluded.updated_at_ms, due_at_ms = excluded.due_at_ms,
    last_seq = excluded.last_seq, json = excluded.json WHERE ticket.last_seq = $14";
const ADD_EVENT: &str = "INSERT INTO ticket_event
    (ticket_id, seq, at_ms, actor, kind, visibility, json) VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// A ticket as it is kept: columns to find it by, and the whole of it as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketRow {
    /// Its number.
    pub id: TicketId,
    /// Its status, one word.
    pub status: String,
    /// A line for lists.
    pub title: String,
    /// `P1` to `P4`.
    pub priority: String,
    /// The incident it came from.
    pub incident: Option<IncidentId>,
    /// The charger it is about.
    pub charger: Option<ChargerKey>,
    /// The site it is about.
    pub site: Option<SiteKey>,
    /// Who has it.
    pub assignee: Option<String>,
    /// When it was opened.
    pub opened_at: UnixMs,
    /// When it last changed.
    pub updated_at: UnixMs,
    /// When it is due, if a clock runs.
    pub due_at: Option<UnixMs>,
    /// The whole of it.
    pub json: String,
}

/// One thing that happened to a ticket. Append-only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketEventRow {
    /// The ticket.
    pub ticket: TicketId,
    /// Its place in the ticket's history, from 1 without gaps.
    pub seq: i64,
    /// When.
    pub at: UnixMs,
    /// Who.
    pub actor: String,
    /// What, one word.
    pub kind: String,
    /// Who may see it, one word.
    pub visibility: String,
    /// The whole of it.
    pub json: String,
}

/// In which order tickets are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TicketOrder {
    /// The newest first.
    #[default]
    Newest,
    /// What is overdue longest first, then what is due soonest; those that no clock runs for come
    /// last, the oldest of them first. Without a status, nothing is listed: it is meant for tickets
    /// that are not over.
    Due,
}

impl TicketOrder {
    /// Before the first page.
    fn start(self) -> Cursor {
        match self {
            Self::Newest => Cursor::START,
            Self::Due => Cursor { at: i64::MIN, id: i64::MIN },
        }
    }

    /// Where a ticket stands.
    fn place(self, ticket: &TicketRow) -> (i64, i64) {
        match self {
            Self::Newest => (ticket.opened_at.0, ticket.id.0),
            Self::Due => (ticket.due_at.map_or(i64::MAX, |due| due.0), ticket.id.0),
        }
    }
}

/// Which tickets to list; what is `None` or empty does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TicketFilter {
    /// With one of these statuses (the first fifteen count, as many as there are).
    pub statuses: Vec<String>,
    /// Held by.
    pub assignee: Option<String>,
    /// About this charger.
    pub charger: Option<ChargerKey>,
    /// About this site.
    pub site: Option<SiteKey>,
    /// From this incident.
    pub incident: Option<IncidentId>,
    /// With this text in the title; any case for Latin letters.
    pub text: Option<String>,
    /// What comes first.
    pub order: TicketOrder,
}

fn ticket(row: &impl Columns) -> Result<TicketRow> {
    let key = |index| {
        let number = row.int_or_null(index)?.map(u32::try_from).transpose();
        number.map_err(|_| Error::Unreadable("a ticket's charger or site".to_owned()))
    };
    Ok(TicketRow {
        id: TicketId(row.int(0)?),
        status: row.text(1)?,
        title: row.text(2)?,
        priority: row.text(3)?,
        incident: row.int_or_null(4)?.map(IncidentId),
        charger: key(5)?.map(ChargerKey),
        site: key(6)?.map(SiteKey),
        assignee: row.text_or_null(7)?,
        opened_at: UnixMs(row.int(8)?),
        updated_at: UnixMs(row.int(9)?),
        due_at: row.int_or_null(10)?.map(UnixMs),
        json: row.text(11)?,
    })
}

fn event(row: &impl Columns) -> Result<TicketEventRow> {
    Ok(TicketEventRow {
        ticket: TicketId(row.int(0)?),
        seq: row.int(1)?,
        at: UnixMs(row.int(2)?),
        actor: row.text(3)?,
        kind: row.text(4)?,
        visibility: row.text(5)?,
        json: row.text(6)?,
    })
}

impl Store {
    /// Tickets in the order that the filter names. A cursor goes on in the order it was given in.
    pub async fn tickets(
        &self,
        filter: &TicketFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<TicketRow>> {
        let from = cursor.unwrap_or_else(|| filter.order.start());
        let sql = match filter.order {
            TicketOrder::Newest => NEWEST,
            TicketOrder::Due => BY_DUE,
        };
        let chosen = &filter.statuses;
        let statuses = (0..STATUSES)
            .map(|index| chosen.get(index).or(chosen.first()).map_or("", String::as_str));
        let rows = read!(&self.db, conn => {
            let mut query = sqlx::query(sql).bind(i64::from(!chosen.is_empty()));
            for status in statuses.clone() {
                query = query.bind(status);
            }
            let rows = query
                .bind(filter.assignee.as_deref())
                .bind(filter.charger.map(|charger| i64::from(charger.0)))
                .bind(filter.site.map(|site| i64::from(site.0)))
                .bind(filter.text.as_deref().map(pattern))
                .bind(filter.incident.map(|incident| incident.0))
                .bind(from.at)
                .bind(from.id)
                .bind(rows_of(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, ticket)
        })?;
        Ok(page(rows, limit, |ticket| filter.order.place(ticket)))
    }

    /// One ticket.
    pub async fn ticket(&self, id: TicketId) -> Result<Option<TicketRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(id.0);
            one(query.fetch_optional(conn).await?.as_ref(), ticket)
        })
    }

    /// What happened to a ticket, in order. The `seq` of the last one is its version.
    pub async fn ticket_events(&self, id: TicketId) -> Result<Vec<TicketEventRow>> {
        read!(&self.db, conn => {
            all(&sqlx::query(EVENTS).bind(id.0).fetch_all(conn).await?, event)
        })
    }

    /// How many tickets there are by status.
    pub async fn ticket_counts(&self) -> Result<Vec<(String, u64)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(COUNTS).fetch_all(conn).await?;
            all(&rows, |row| Ok((row.text(0)?, row.number(1)?)))
        })
    }

    /// Adds events to a ticket and writes its new state, the mails that follow from them and an
    /// audit line each, all or nothing. `expected_seq` is the `seq` of the last event the caller
    /// had seen; 0 creates the ticket.
    ///
    /// # Errors
    /// [`Error::Conflict`] when somebody else added events in between.
    pub async fn append_ticket(
        &self,
        expected_seq: i64,
        events: &[TicketEventRow],
        ticket: &TicketRow,
        mails: &[NewMail],
    ) -> Result<()> {
        let last_seq = events.last().map_or(expected_seq, |event| event.seq);
        let conflict = |found| Error::Conflict { expected: expected_seq, found };
        let lines: Vec<Line> = events
            .iter()
            .map(|event| {
                let action = format!("ticket {}", event.kind);
                let subject = ticket.id.to_string();
                Line::new(
                    row_id::next(),
                    event.at,
                    [&event.actor, &action, &subject, &ticket.status],
                )
            })
            .collect();
        let appended = tx!(&self.db, conn => {
            let row = sqlx::query(LAST_SEQ).bind(ticket.id.0).fetch_optional(&mut *conn).await?;
            let found = one(row.as_ref(), |row| row.int(0))?.unwrap_or(0);
            if found != expected_seq {
                return Err(conflict(found));
            }
            // The condition is checked again by the statement: on PostgreSQL another transaction
            // may have come in between.
            let put = sqlx::query(PUT)
                .bind(ticket.id.0)
                .bind(&ticket.status)
                .bind(&ticket.title)
                .bind(&ticket.priority)
                .bind(ticket.incident.map(|incident| incident.0))
                .bind(ticket.charger.map(|charger| i64::from(charger.0)))
                .bind(ticket.site.map(|site| i64::from(site.0)))
                .bind(ticket.assignee.as_deref())
                .bind(ticket.opened_at.0)
                .bind(ticket.updated_at.0)
                .bind(ticket.due_at.map(|at| at.0))
                .bind(last_seq)
                .bind(&ticket.json)
                .bind(expected_seq)
                .execute(&mut *conn)
                .await?;
            if put.rows_affected() == 0 {
                return Err(conflict(-1));
            }
            for event in events {
                sqlx::query(ADD_EVENT)
                    .bind(ticket.id.0)
                    .bind(event.seq)
                    .bind(event.at.0)
                    .bind(&event.actor)
                    .bind(&event.kind)
                    .bind(&event.visibility)
                    .bind(&event.json)
                    .execute(&mut *conn)
                    .await?;
            }
            for mail in mails {
                insert_mail!(conn, mail);
            }
            // Last: the head of the chain is held until the commit.
            chain!(conn, &lines);
            Ok(())
        });
        appended.map_err(|error| match &error {
            Error::Database(sqlx::Error::Database(inner)) if inner.is_unique_violation() => {
                conflict(-1)
            }
            _ => error,
        })
    }
}
