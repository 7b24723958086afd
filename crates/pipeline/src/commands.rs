//! Commands of people and scripts: sent at once, or kept until the charger is back.

use std::time::Duration;

use mendpoint_model::{
    Action, COMMAND_TIMEOUT_MS, ChargerKey, Command, CommandId, CommandOutcome, DAY_MS, Origin,
    UnixMs,
};
use tokio::sync::{broadcast, oneshot};
use tokio::time::timeout;

use crate::message::ShardMessage;
use crate::{AuditActor, Error, Handle, clock};

/// How long whoever asks waits for the database to take a command down.
const ON_DISK_WITHIN: Duration = Duration::from_secs(10);
/// And for what becomes of one that leaves at once: the time of an answer, behind another command.
const OVER_WITHIN: Duration = Duration::from_millis(2 * COMMAND_TIMEOUT_MS as u64 + 10_000);

/// The longest time a command may wait for its charger.
pub const WAIT_MAX_MS: i64 = 7 * DAY_MS;

/// A command that was carried out, or was not.
#[derive(Clone, Debug)]
pub struct CommandReport {
    /// Its id: also the OCPP message id.
    pub id: CommandId,
    /// What became of it.
    pub outcome: CommandOutcome,
    /// How long that took, in milliseconds.
    pub took_ms: i64,
}

/// What is asked of a charger, by whom, and whether it may wait.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What to do.
    pub action: Action,
    /// Who asks.
    pub by: Origin,
    /// How long it may wait for a charger that is away, milliseconds; `None`: not at all.
    pub wait_ms: Option<i64>,
}

/// A command that was taken in.
#[derive(Debug)]
pub struct Taken {
    /// Its id: also the OCPP message id.
    pub id: CommandId,
    /// When it was asked for.
    pub asked_at: UnixMs,
    /// Until when it waits for its charger; `None`: it is on its way.
    pub waits_until: Option<UnixMs>,
    outcome: oneshot::Receiver<CommandOutcome>,
}

impl Taken {
    /// Waits for what becomes of it.
    ///
    /// # Errors
    /// When the program stops first, or the database keeps it from leaving for too long.
    pub async fn outcome(self) -> Result<CommandReport, Error> {
        let outcome = match timeout(OVER_WITHIN, self.outcome).await {
            Ok(outcome) => outcome.map_err(|_| Error::Stopping)?,
            Err(_) => return Err(Error::NotWritten),
        };
        let took_ms = clock::now().since_ms(self.asked_at);
        Ok(CommandReport { id: self.id, outcome, took_ms })
    }
}

impl Handle {
    /// Takes a command in. It leaves at once when the charger is connected; else it waits when it
    /// may, and is checked again when the charger is back (behaviour 67).
    ///
    /// # Errors
    /// When the charger is not registered, too many commands wait for it already, or the program is
    /// stopping.
    pub async fn submit(&self, charger: ChargerKey, asked: Asked) -> Result<Taken, Error> {
        let record = self.directory().charger(charger).ok_or(Error::UnknownCharger)?;
        let refusal = self.0.rollout_refusal(&record, &asked.action);
        if let Some(why) = refusal.or_else(|| self.0.weakening(charger, &asked.action)) {
            return Err(Error::Refused(why));
        }
        let now = clock::now();
        let id = CommandId(format!("u-{}", uuid::Uuid::now_v7().simple()).into());
        let wait_ms = asked.wait_ms.map(|wait_ms| wait_ms.clamp(0, WAIT_MAX_MS));
        let command = Command {
            id: id.clone(),
            charger,
            action: asked.action,
            origin: asked.by,
            created_at: now,
            timeout_ms: COMMAND_TIMEOUT_MS,
            not_after: now + wait_ms.unwrap_or(2 * COMMAND_TIMEOUT_MS),
        };
        let (waiter, outcome) = oneshot::channel();
        let message = if wait_ms.is_some() {
            let (kept, answer) = oneshot::channel();
            let until = command.not_after;
            self.0.to_shard(record.site, ShardMessage::Keep(command, kept, waiter)).await?;
            let answer = timeout(ON_DISK_WITHIN, answer).await.map_err(|_| Error::NotWritten)?;
            let is_kept = answer.map_err(|_| Error::Stopping)?;
            let waits_until = is_kept.map_err(Error::Refused)?.then_some(until);
            return Ok(Taken { id, asked_at: now, waits_until, outcome });
        } else {
            ShardMessage::Command(command, Some(waiter))
        };
        self.0.to_shard(record.site, message).await?;
        Ok(Taken { id, asked_at: now, waits_until: None, outcome })
    }

    /// Sends a command and waits for its outcome: the charger's own answer, or why there is none.
    ///
    /// # Errors
    /// When the charger is not registered, or the program is stopping.
    pub async fn command(
        &self,
        charger: ChargerKey,
        action: Action,
        user: &str,
    ) -> Result<CommandReport, Error> {
        let asked = Asked { action, by: AuditActor::origin(user), wait_ms: None };
        self.submit(charger, asked).await?.outcome().await
    }

    /// Takes a command back that waits for its charger. Its outcome is written down before this
    /// returns.
    ///
    /// # Errors
    /// When the charger is not registered, the command does not wait (any more), or the program is
    /// stopping.
    pub async fn take_back(
        &self,
        charger: ChargerKey,
        command: CommandId,
        user: &str,
    ) -> Result<(), Error> {
        let record = self.directory().charger(charger).ok_or(Error::UnknownCharger)?;
        let (sender, answer) = oneshot::channel();
        let message = ShardMessage::TakeBack(charger, command, user.to_owned(), sender);
        self.0.to_shard(record.site, message).await?;
        if !answer.await.map_err(|_| Error::Stopping)? {
            let why = "this command does not wait any more: it was sent, or is over";
            return Err(Error::Refused(why.to_owned()));
        }
        self.settle(record.site).await;
        Ok(())
    }

    /// Tells of which charger a command changed: taken in, sent, answered, dropped. When it tells,
    /// the database has it.
    pub fn command_news(&self) -> broadcast::Receiver<ChargerKey> {
        self.0.command_news.subscribe()
    }
}
