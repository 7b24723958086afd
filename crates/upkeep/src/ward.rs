//! What the upkeep keeps of one charger: its progress, and the conversation of this connection.

use mendpoint_model::{CommandId, HOUR_MS, MonitorReport, UnixMs};

use crate::progress::{Progress, Wanted};
use crate::settings::{SETTLE_MAX_MS, UpkeepSettings};
use crate::task::Task;

/// One charger.
#[derive(Debug)]
pub(crate) struct Ward {
    /// Whether a person accepted it: else it is read and nothing is installed on it.
    pub(crate) admitted: bool,
    pub(crate) progress: Progress,
    pub(crate) round: Option<Box<Round>>,
    /// When it is looked at next.
    pub(crate) deadline: Option<UnixMs>,
    /// Connections since the beginning of the hour that is counted.
    connections: (UnixMs, u32),
    /// Values taken in since the beginning of the hour that is counted.
    values: (UnixMs, usize),
}

/// The conversation of one connection.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) epoch: u64,
    /// Before it nothing is asked.
    pub(crate) settled_at: UnixMs,
    /// What was asked, and when.
    pub(crate) asked: Vec<(Task, UnixMs)>,
    pub(crate) question: Option<Box<Question>>,
    /// Questions about the radio link that got no answer, in a row.
    pub(crate) silences: u32,
}

/// The question on its way.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) command: CommandId,
    pub(crate) task: Task,
    /// Whether the answer came; a report may still be coming.
    pub(crate) answered: bool,
    /// When it is given up.
    pub(crate) until: UnixMs,
    /// The number of the report that was asked for.
    pub(crate) request: i64,
    /// Whether everything was asked for, or only what can be set.
    pub(crate) full: bool,
    pub(crate) parts: u32,
    /// The number of the last part, when it came.
    pub(crate) last_part: Option<i64>,
    pub(crate) values: u32,
    pub(crate) wanted: Vec<Wanted>,
    /// Whether the charger says that it watches nothing.
    pub(crate) watches_nothing: bool,
    pub(crate) monitors: Vec<MonitorReport>,
}

impl Default for Ward {
    fn default() -> Self {
        Self {
            admitted: true,
            progress: Progress::default(),
            round: None,
            deadline: None,
            connections: (UnixMs::default(), 0),
            values: (UnixMs::default(), 0),
        }
    }
}

impl Ward {
    /// A connection opened: nothing is asked before it has held for a while. The while doubles with
    /// every connection of the last hour, so that a flapping station is left alone (behaviour 22).
    pub(crate) fn connected(
        &mut self,
        settings: &UpkeepSettings,
        now: UnixMs,
        epoch: u64,
        share: f64,
    ) {
        if now.since_ms(self.connections.0) >= HOUR_MS {
            self.connections = (now, 0);
        }
        self.connections.1 += 1;
        self.round = Some(Box::new(Round {
            epoch,
            settled_at: now,
            asked: Vec::new(),
            question: None,
            silences: 0,
        }));
        self.settle(settings, now, share);
    }

    /// Begins the settle window anew: after a connection and after a boot.
    pub(crate) fn settle(&mut self, settings: &UpkeepSettings, now: UnixMs, share: f64) {
        let doublings = self.connections.1.saturating_sub(1).min(10);
        let longest = SETTLE_MAX_MS.max(settings.settle_ms);
        let wait = settings.settle_ms.saturating_mul(1 << doublings).min(longest);
        let spread = ((settings.spread_ms as f64) * share) as i64;
        if let Some(round) = &mut self.round {
            round.settled_at = now + (wait + spread);
        }
    }

    /// How many of `count` values may be taken in now.
    pub(crate) fn take_values(&mut self, now: UnixMs, count: usize, max: usize) -> usize {
        if now.since_ms(self.values.0) >= HOUR_MS {
            self.values = (now, 0);
        }
        let taken = count.min(max.saturating_sub(self.values.1));
        self.values.1 += taken;
        self.progress.dropped += (count - taken) as u64;
        taken
    }
}

impl Round {
    /// Whether a question was asked within this connection and is not to be repeated yet.
    pub(crate) fn asked_at(&self, task: &Task) -> Option<UnixMs> {
        self.asked.iter().find(|(asked, _)| asked == task).map(|(_, at)| *at)
    }

    pub(crate) fn note_asked(&mut self, task: &Task, now: UnixMs) {
        match self.asked.iter_mut().find(|(asked, _)| asked == task) {
            Some((_, at)) => *at = now,
            None => self.asked.push((task.clone(), now)),
        }
    }
}
