use mendpoint_model::{ChargerKey, Command, CommandId, CommandOutcome, UnixMs};

use crate::cursor::{page, rows_of};
use crate::db::{Columns, all, one, read};
use crate::{Cursor, Error, Page, Result, Store};

const LIST: &str = "SELECT json, outcome, answered_at_ms, late, row_id, sent_at_ms, wait_until_ms
    FROM command
    WHERE charger_key = $1 AND row_id < $2 ORDER BY row_id DESC LIMIT $3";
const ONE: &str =
    "SELECT json, outcome, answered_at_ms, late, row_id, sent_at_ms, wait_until_ms FROM command
    WHERE command_id = $1";
const WAITING: &str = "SELECT json FROM command
    WHERE wait_until_ms IS NOT NULL AND outcome IS NULL AND sent_at_ms IS NULL ORDER BY row_id";
const UNANSWERED: &str = "SELECT json FROM command
    WHERE outcome IS NULL AND (wait_until_ms IS NULL OR sent_at_ms IS NOT NULL) ORDER BY row_id";

/// A command and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandRow {
    /// The command.
    pub command: Command,
    /// What became of it; `None` while nothing is known.
    pub outcome: Option<CommandOutcome>,
    /// When that was known.
    pub answered_at: Option<UnixMs>,
    /// Whether the answer came after the time-out had been told.
    pub late: bool,
    /// When it left for the charger; `None` while it waits, and when it never did.
    pub sent_at: Option<UnixMs>,
    /// Until when it may wait for a charger that is away; `None` when it was sent at once.
    pub wait_until: Option<UnixMs>,
    row_id: i64,
}

fn command(row: &impl Columns) -> Result<CommandRow> {
    let outcome = row.text_or_null(1)?.map(|text| serde_json::from_str(&text)).transpose();
    let corrupt = |source| Error::Corrupt { what: "a command's outcome".to_owned(), source };
    Ok(CommandRow {
        command: row.json(0, "a command")?,
        outcome: outcome.map_err(corrupt)?,
        answered_at: row.int_or_null(2)?.map(UnixMs),
        late: row.truth(3)?,
        row_id: row.int(4)?,
        sent_at: row.int_or_null(5)?.map(UnixMs),
        wait_until: row.int_or_null(6)?.map(UnixMs),
    })
}

impl CommandRow {
    /// Whether it still waits for its charger to come back.
    pub fn is_waiting(&self) -> bool {
        self.wait_until.is_some() && self.sent_at.is_none() && self.outcome.is_none()
    }
}

impl Store {
    /// The commands that wait for a charger to come back, oldest first: read at the start.
    pub async fn waiting_commands(&self) -> Result<Vec<Command>> {
        self.commands_by(WAITING).await
    }

    /// The commands that left, or were about to, and of which nothing more is known, oldest first.
    /// Read at the start: their answers went to the program that ran before.
    pub async fn unanswered_commands(&self) -> Result<Vec<Command>> {
        self.commands_by(UNANSWERED).await
    }

    async fn commands_by(&self, query: &'static str) -> Result<Vec<Command>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(query).fetch_all(conn).await?;
            all(&rows, |row| row.json(0, "a command"))
        })
    }

    /// The commands to a charger, newest first.
    pub async fn commands(
        &self,
        charger: ChargerKey,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<CommandRow>> {
        let rows = read!(&self.db, conn => {
            let rows = sqlx::query(LIST)
                .bind(i64::from(charger.0))
                .bind(Cursor::or_start(cursor).id)
                .bind(rows_of(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, command)
        })?;
        Ok(page(rows, limit, |row| (row.command.created_at.0, row.row_id)))
    }

    /// One command.
    pub async fn command(&self, id: &CommandId) -> Result<Option<CommandRow>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(&*id.0);
            one(query.fetch_optional(conn).await?.as_ref(), command)
        })
    }
}
