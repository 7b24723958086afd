//! Whether a charger answers commands (behaviour 30): some keep sending heartbeats for hours and
//! answer nothing. After one command without an answer it is asked again before anything is
//! declared (behaviour 70), and asked once more after it connected anew.

use mendpoint_model::{
    Action, ChargerKey, Command, CommandAnswered, CommandId, CommandOutcome, Fact, MINUTE_MS,
    Origin, SECOND_MS, TriggeredMessage, UnixMs,
};

use crate::duration::paced;
use crate::effect::Effect;
use crate::engine::{Cx, Engine};
use crate::predicate::Inputs;
use crate::timers::Timer;

/// How long after a command without an answer it is asked again.
const AGAIN_MS: i64 = MINUTE_MS;
/// How long after connecting it is asked: a charger that just connected has its own to say first
/// (behaviour 22).
const SETTLE_MS: i64 = 10 * SECOND_MS;
/// How often it is asked whether it answers again, once that is known.
const KNOWN_MS: i64 = 30 * MINUTE_MS;
/// From so many commands without an answer, one after the other, it counts as known.
pub(crate) const UNANSWERED: u32 = 3;

/// What became of the last commands to a charger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    /// Commands without an answer since the last answer.
    pub(crate) unanswered: u32,
    /// Whether it answered since the last command without one.
    pub(crate) answers: bool,
}

impl Calls {
    /// Takes in the end of a command. What never reached the charger says nothing of it.
    fn note(&mut self, outcome: &CommandOutcome) {
        match outcome {
            CommandOutcome::Answered { .. } | CommandOutcome::Refused { .. } => {
                *self = Self { unanswered: 0, answers: true };
            }
            CommandOutcome::TimedOut => {
                self.unanswered = self.unanswered.saturating_add(1);
                self.answers = false;
            }
            CommandOutcome::NotConnected
            | CommandOutcome::Expired
            | CommandOutcome::QueueFull
            | CommandOutcome::Unsupported(_)
            | CommandOutcome::Dropped(_) => {}
        }
    }
}

impl Engine {
    /// The end of any command, whoever sent it. A late answer is an answer.
    pub(crate) fn note_call(&mut self, cx: &Cx<'_>, key: ChargerKey, answer: &CommandAnswered) {
        let Some(watch) = self.watches.get_mut(&key) else { return };
        watch.calls.note(&answer.outcome);
        let again_ms = match watch.calls.unanswered {
            0 => None,
            1..UNANSWERED => Some(AGAIN_MS),
            _ => Some(KNOWN_MS),
        };
        let at = again_ms.map(|ms| cx.now + paced(ms, self.settings.pace));
        self.ask_at(key, at);
    }

    /// It connected: does it answer now?
    pub(crate) fn note_calls_link(&mut self, cx: &Cx<'_>, key: ChargerKey, facts: &[Fact]) {
        let is_up = facts.iter().any(|fact| matches!(fact, Fact::LinkUp { .. }));
        let owes = self.watches.get(&key).is_some_and(|watch| watch.calls.unanswered > 0);
        if is_up && owes {
            self.ask_at(key, Some(cx.now + paced(SETTLE_MS, self.settings.pace)));
        }
    }

    fn ask_at(&mut self, key: ChargerKey, at: Option<UnixMs>) {
        if !self.program.reads_calls {
            return;
        }
        if let Some(watch) = self.watches.get_mut(&key) {
            self.timers.set(&mut watch.calls_armed, Timer::Calls(key), at);
        }
    }

    /// Time to ask whether it answers.
    pub(crate) fn calls_due(&mut self, cx: &Cx<'_>, key: ChargerKey) {
        let Some(watch) = self.watches.get_mut(&key) else { return };
        watch.calls_armed = None;
        let is_online = cx.fleet.charger(key).is_some_and(|charger| charger.link.connected);
        if watch.calls.unanswered == 0 || !is_online {
            // When it connects, that is asked again.
            return;
        }
        let known = paced(KNOWN_MS, self.settings.pace);
        // In case the news of this one's end is lost.
        self.ask_at(key, Some(cx.now + known));
        if self.lag.holds().is_some() {
            return;
        }
        let timeout_ms = self.settings.command_timeout_ms;
        self.tail.push(Effect::Send(Command {
            id: CommandId(format!("a{}-{}", key.0, cx.now.0).into()),
            charger: key,
            action: Action::Trigger { message: TriggeredMessage::Heartbeat, connector: None },
            origin: Origin::System,
            created_at: cx.now,
            timeout_ms,
            not_after: cx.now + 2 * timeout_ms,
        }));
    }

    /// After a restart of ours: a charger with an incident about its answers answered nothing when
    /// it was last asked.
    pub(crate) fn restore_calls(&mut self, key: ChargerKey, place: Option<u16>) {
        let reads = place.is_some_and(|place| {
            let (before, firing) = self.program.inputs[usize::from(place)];
            Inputs(before.0 | firing.0).meets(Inputs::CALLS)
        });
        if let Some(watch) = self.watches.get_mut(&key).filter(|_| reads) {
            watch.calls = Calls { unanswered: UNANSWERED, answers: false };
        }
    }
}
