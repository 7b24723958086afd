//! Commands on their way, whoever sent them: what their answers say about a model (behaviour 64).

use mendpoint_model::{
    Action, ChargerKey, Command, CommandAnswered, CommandId, Lesson, MINUTE_MS, Origin, UnixMs,
};
use rustc_hash::FxHashMap;

/// How long an answer, also a late one, is waited for.
const KEPT_MS: i64 = 10 * MINUTE_MS;
/// How many commands are kept before the old ones are looked for.
const TIDY_AT: usize = 1_024;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    sent: FxHashMap<CommandId, Sent>,
    tidy_at: usize,
}

#[derive(Debug)]
struct Sent {
    charger: ChargerKey,
    action: Action,
    origin: Origin,
    at: UnixMs,
}

impl Ledger {
    pub(crate) fn note(&mut self, command: &Command) {
        if self.sent.len() >= self.tidy_at.max(TIDY_AT) {
            let now = command.created_at;
            self.sent.retain(|_, sent| now.since_ms(sent.at) < KEPT_MS);
            self.tidy_at = self.sent.len() * 2;
        }
        let sent = Sent {
            charger: command.charger,
            action: command.action.clone(),
            origin: command.origin.clone(),
            at: command.created_at,
        };
        self.sent.insert(command.id.clone(), sent);
    }

    /// Who asked for a command that is on its way.
    pub(crate) fn asker(&self, command: &CommandId) -> Option<&Origin> {
        self.sent.get(command).map(|sent| &sent.origin)
    }

    /// What an outcome says: the charger, what it was asked for, and the lesson.
    pub(crate) fn answered(
        &mut self,
        answered: &CommandAnswered,
    ) -> Option<(ChargerKey, Action, Lesson)> {
        let sent = self.sent.get(&answered.command)?;
        let lesson = Lesson::of(&sent.action, &answered.outcome);
        let told = lesson.map(|lesson| (sent.charger, sent.action.clone(), lesson));
        // After a time-out the answer may still come.
        if lesson != Some(Lesson::NoAnswer) {
            self.sent.remove(&answered.command);
        }
        told
    }
}
