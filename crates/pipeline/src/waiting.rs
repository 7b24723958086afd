//! The shard's side of commands that wait for their charger to come back (behaviour 67). Whether
//! one is still wanted is decided by [`WaitingRoom`](mendpoint_fleet::WaitingRoom).

use std::borrow::Cow;

use mendpoint_fleet::{Checked, Verdict, WAITING_MAX};
use mendpoint_model::{
    Admission, ChargerKey, Chargers as _, Command, CommandId, CommandOutcome, Fact, UnixMs,
};
use mendpoint_store::Entry;
use tokio::sync::oneshot;

use crate::message::ShardMessage;
use crate::pipeline::Inner;
use crate::redact;
use crate::release::Release;
use crate::shard_task::ShardTask;

/// Whether a command waits now (`true`) or leaves at once, or why it cannot be kept.
pub(crate) type Kept = Result<bool, String>;

impl Inner {
    /// Notes when a command of ours left: a call is logged as it is put on the wire.
    pub(crate) fn note_sent(&self, charger: ChargerKey, at: UnixMs, text: &str) {
        // Calls are written by ourselves, `[2,"id",..`, and our ids need no escapes.
        let Some(id) = text.strip_prefix("[2,\"").and_then(|rest| rest.split('"').next()) else {
            return;
        };
        let Some(record) = self.directory.charger(charger) else { return };
        self.feed_back(record.site, ShardMessage::Sent(charger, CommandId(id.into()), at));
    }
}

impl ShardTask {
    /// Takes back what waited before the start.
    pub(crate) fn restore_waiting(&mut self, commands: Vec<Command>) {
        for command in commands {
            // A room that is full cannot be: it was not when it was written down.
            let _ = self.state.waiting.add(command);
        }
    }

    /// A command that may wait: it leaves at once when the charger is there.
    pub(crate) fn keep(
        &mut self,
        command: Command,
        kept: oneshot::Sender<Kept>,
        waiter: oneshot::Sender<CommandOutcome>,
    ) {
        let is_connected =
            self.shard.fleet().charger(command.charger).is_some_and(|state| state.link.connected);
        if is_connected {
            let _ = kept.send(Ok(false));
            return self.command(command, Some(waiter));
        }
        if matches!(redact::command(&command), Cow::Owned(_)) {
            let why = "it carries a secret, and secrets are not kept: send it when the charger is \
                       connected";
            let _ = kept.send(Err(why.to_owned()));
            return;
        }
        match self.state.waiting.add(command.clone()) {
            Ok(()) => {
                self.state.waiters.retain(|_, waiter| !waiter.is_closed());
                self.state.waiters.insert(command.id.clone(), waiter);
                self.tell_news(command.charger);
                self.audit_command(&command);
                self.state.entries.push(Entry::CommandWaiting(command));
                // Whoever is told that it waits may rely on that over a power cut.
                self.state.released.push(Release::Kept(kept));
            }
            Err(_) => {
                let why = format!(
                    "{WAITING_MAX} commands wait for this charger already; take one back first"
                );
                let _ = kept.send(Err(why));
            }
        }
    }

    /// A person does not want a command any more.
    pub(crate) fn take_back(&mut self, charger: ChargerKey, id: &CommandId, user: &str) -> bool {
        let Some(command) = self.state.waiting.cancel(charger, id) else { return false };
        let outcome = CommandOutcome::Dropped(format!("{user} took it back"));
        self.over(&command, outcome);
        true
    }

    /// What a fact means for commands that wait.
    pub(crate) fn note_link(&mut self, charger: ChargerKey, at: UnixMs, fact: &Fact) {
        match fact {
            Fact::LinkUp { .. } => {
                let record = self.inner.directory.charger(charger);
                // Who was not accepted gets no commands; it connects anew when it is.
                if record.is_some_and(|record| record.admission == Admission::Accepted) {
                    self.state.waiting.came_back(at, charger);
                }
            }
            Fact::LinkDown { .. } => self.state.waiting.went_away(charger),
            _ => {}
        }
    }

    /// Sends or drops what need not wait any more.
    pub(crate) fn check_waiting(&mut self) {
        let now = self.state.now;
        if self.state.waiting.next_deadline().is_none_or(|due| due > now) {
            return;
        }
        for Checked { command, verdict } in self.state.waiting.due(now, self.shard.fleet()) {
            match verdict {
                Verdict::Not(outcome) => self.over(&command, outcome),
                Verdict::Send => {
                    // Written down as sent before it leaves: after a crash it is not sent again.
                    let id = command.id.clone();
                    self.state.entries.push(Entry::CommandSent { id, at: now });
                    self.shard.note_command(&Command { created_at: now, ..command.clone() });
                    self.tell_news(command.charger);
                    self.state.released.push(Release::Command(command));
                }
            }
        }
    }

    /// Writes down what became of a command that never left.
    fn over(&mut self, command: &Command, outcome: CommandOutcome) {
        if let Some(waiter) = self.state.waiters.remove(&command.id) {
            let _ = waiter.send(outcome.clone());
        }
        self.state.entries.push(Entry::CommandOutcome {
            charger: command.charger,
            id: command.id.clone(),
            outcome,
            at: self.state.now,
            late: false,
        });
        self.tell_news(command.charger);
    }

    /// Lets pages know, once it is on disk, that a command of this charger changed.
    pub(crate) fn tell_news(&mut self, charger: ChargerKey) {
        self.state.released.push(Release::CommandNews(charger));
    }
}
