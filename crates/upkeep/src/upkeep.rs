//! The upkeep of all chargers of one shard.

use std::collections::BTreeSet;
use std::sync::Arc;

use mendpoint_model::{
    COMMAND_TIMEOUT_MS, Capabilities, ChargerEvent, ChargerKey, ChargerState, Chargers, Command,
    CommandAnswered, CommandId, CommandOutcome, EventKind, Lesson, ModelKey, MonitorsReport,
    Origin, UnixMs, capability_name,
};
use rustc_hash::FxHashMap;

use crate::answers::{lesson_of, pass, refuse};
use crate::ledger::Ledger;
use crate::profile::Profiles;
use crate::progress::{Line, Progress};
use crate::questions::{Next, is_idle, model_of, put};
use crate::settings::UpkeepSettings;
use crate::task::Task;
use crate::ward::{Question, Ward};

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum UpkeepEffect {
    /// Ask a charger.
    Send(Command),
    /// Write down how far a charger is.
    Progress(ChargerKey, Box<Progress>),
    /// A model showed what it can do, or cannot.
    Learned {
        /// The model.
        model: ModelKey,
        /// What: see [`capability_name`].
        capability: String,
        /// What its answer says.
        lesson: Lesson,
        /// When.
        at: UnixMs,
    },
}

/// The upkeep of all chargers of one shard.
#[derive(Debug, Default)]
pub struct Upkeep {
    pub(crate) settings: UpkeepSettings,
    pub(crate) profiles: Arc<Profiles>,
    capabilities: Arc<Capabilities>,
    /// Boxed, because a map of whole ones would keep half of its room empty.
    pub(crate) wards: FxHashMap<ChargerKey, Box<Ward>>,
    deadlines: BTreeSet<(UnixMs, ChargerKey)>,
    ledger: Ledger,
    /// Questions on their way.
    asking: usize,
}

/// A repair that asks for the signal asks no more often than this (2.2c).
const SIGNAL_LEAST_MS: i64 = 15 * mendpoint_model::MINUTE_MS;

/// How long after its time-out a question is given up whose outcome nobody told.
const LOST_MS: i64 = 60_000;

impl Upkeep {
    /// Without chargers.
    pub fn new(settings: UpkeepSettings, profiles: Arc<Profiles>) -> Self {
        Self { settings, profiles, ..Self::default() }
    }

    /// Takes over what was learned before a restart.
    pub fn restore(&mut self, charger: ChargerKey, progress: Progress) {
        self.wards.entry(charger).or_default().progress = progress;
    }

    /// Whether a person accepted the charger. One that waits is read, and nothing is installed on it.
    pub fn admit(&mut self, charger: ChargerKey, admitted: bool) {
        self.wards.entry(charger).or_default().admitted = admitted;
    }

    /// A repair wants to know how strong the radio link is now: it is asked once more, unless that
    /// was done a short while ago.
    pub fn ask_signal(&mut self, now: UnixMs, charger: ChargerKey) {
        let Some(ward) = self.wards.get_mut(&charger) else { return };
        ward.progress.signal_asked.retain(|_, at| now.since_ms(*at) < SIGNAL_LEAST_MS);
        if ward.round.is_some() {
            self.wake(charger, now + self.settings.pause_ms);
        }
    }

    /// Forgets a charger.
    pub fn forget(&mut self, charger: ChargerKey) {
        if let Some(ward) = self.wards.remove(&charger) {
            if let Some(at) = ward.deadline {
                self.deadlines.remove(&(at, charger));
            }
            if ward.round.is_some_and(|round| round.question.is_some()) {
                self.asking -= 1;
            }
        }
    }

    /// Goes on with other profiles.
    pub fn set_profiles(&mut self, now: UnixMs, profiles: Arc<Profiles>) {
        self.profiles = profiles;
        // A new question may be due at once, for any charger that is connected.
        let mut open: Vec<_> = self
            .wards
            .iter()
            .filter(|(_, ward)| ward.round.is_some())
            .map(|(charger, _)| *charger)
            .collect();
        open.sort_unstable();
        for charger in open {
            self.wake(charger, now + self.settings.pause_ms);
        }
    }

    /// Goes on with what is known of models now.
    pub fn set_capabilities(&mut self, capabilities: Arc<Capabilities>) {
        self.capabilities = capabilities;
    }

    /// How far a charger is.
    pub fn progress(&self, charger: ChargerKey) -> Option<&Progress> {
        self.wards.get(&charger).map(|ward| &ward.progress)
    }

    /// Who asked for a command that is on its way.
    pub fn asker(&self, command: &CommandId) -> Option<&Origin> {
        self.ledger.asker(command)
    }

    /// Whether a command is a question about the radio link: its answer is a reading, and no setting
    /// that changed.
    pub fn is_signal_question(&self, charger: ChargerKey, command: &CommandId) -> bool {
        let question =
            self.wards.get(&charger).and_then(|ward| ward.round.as_ref()?.question.as_ref());
        question.is_some_and(|question| {
            question.command == *command && matches!(question.task, Task::Signal(_))
        })
    }

    /// Whether a report of monitors is the whole one that the upkeep asked for.
    pub fn asked_for_monitors(&self, charger: ChargerKey, report: &MonitorsReport) -> bool {
        let question =
            self.wards.get(&charger).and_then(|ward| ward.round.as_ref()?.question.as_ref());
        !report.set
            && question.is_some_and(|question| {
                question.task == Task::MonitoringReport
                    && report.request.is_none_or(|request| request == question.request)
            })
    }

    /// Notes a command that is being sent, whoever asked for it.
    pub fn note_command(&mut self, command: &Command) {
        self.ledger.note(command);
    }

    /// Takes in an event that the fleet has folded already.
    pub fn handle(
        &mut self,
        event: &ChargerEvent,
        fleet: &impl Chargers,
        out: &mut Vec<UpkeepEffect>,
    ) {
        let (now, charger) = (event.received_at, event.charger);
        match &event.kind {
            EventKind::Connected(_) => self.connected(now, charger, event.epoch),
            EventKind::Disconnected(_) => self.disconnected(charger, event.epoch),
            EventKind::Boot(_) => self.booted(now, charger),
            EventKind::Device(report) => self.told(now, charger, report, out),
            EventKind::Monitors(report) => self.told_monitors(now, charger, report, out),
            EventKind::CommandAnswered(answered) => {
                self.learn(now, answered, fleet, out);
                self.answered(now, charger, answered, out);
            }
            _ => {}
        }
    }

    /// Asks whoever is due.
    pub fn advance(&mut self, now: UnixMs, fleet: &impl Chargers, out: &mut Vec<UpkeepEffect>) {
        while let Some(&(at, charger)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.pop_first();
            if let Some(ward) = self.wards.get_mut(&charger) {
                ward.deadline = None;
            }
            if let Some(state) = fleet.charger(charger) {
                self.look(now, charger, state, out);
            }
        }
    }

    /// When [`Upkeep::advance`] has something to do next.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    fn connected(&mut self, now: UnixMs, charger: ChargerKey, epoch: u64) {
        if !self.settings.enabled {
            return;
        }
        self.end_question(charger);
        let share = share_of(charger);
        let ward = self.wards.entry(charger).or_default();
        ward.connected(&self.settings, now, epoch, share);
        self.wake_when_settled(charger);
    }

    fn disconnected(&mut self, charger: ChargerKey, epoch: u64) {
        let is_current = self
            .wards
            .get(&charger)
            .is_some_and(|ward| ward.round.as_ref().is_some_and(|round| round.epoch == epoch));
        if !is_current {
            return;
        }
        self.end_question(charger);
        if let Some(ward) = self.wards.get_mut(&charger) {
            ward.round = None;
        }
        self.sleep(charger);
    }

    /// A boot begins the settle window anew: what a charger says right after it changes still.
    fn booted(&mut self, now: UnixMs, charger: ChargerKey) {
        let Some(ward) = self.wards.get_mut(&charger) else { return };
        if ward.round.as_ref().is_some_and(|round| round.question.is_none()) {
            ward.settle(&self.settings, now, share_of(charger));
            self.wake_when_settled(charger);
        }
    }

    /// Looks at a charger whose time has come.
    fn look(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        state: &ChargerState,
        out: &mut Vec<UpkeepEffect>,
    ) {
        let Some(ward) = self.wards.get(&charger) else { return };
        let Some(round) = &ward.round else { return };
        if let Some(question) = &round.question {
            if question.until <= now {
                self.give_up(now, charger, out);
            } else {
                self.wake(charger, question.until);
            }
            return;
        }
        if round.settled_at > now || !state.link.connected {
            self.wake(charger, round.settled_at.max(now + self.settings.busy_retry_ms));
            return;
        }
        self.take_model(now, charger, state, out);
        loop {
            let Some(ward) = self.wards.get(&charger) else { return };
            match ward.next(&self.settings, &self.profiles, state, now) {
                Next::Nothing => return,
                Next::Wait(until) => return self.wake(charger, until),
                // "Only idle" and "not all at once" are looked at again soon.
                Next::Ask(_) if !is_idle(state) => {
                    return self.wake(charger, now + self.settings.busy_retry_ms);
                }
                Next::Ask(_) if self.asking >= self.settings.asked_at_once_max => {
                    return self.wake(charger, now + self.settings.pause_ms.max(1));
                }
                Next::Ask(task) => {
                    if self.ask(now, charger, state, task, out) {
                        return;
                    }
                }
            }
        }
    }

    /// Another model or firmware is another charger.
    fn take_model(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        state: &ChargerState,
        out: &mut Vec<UpkeepEffect>,
    ) {
        let model = model_of(state);
        let Some(ward) = self.wards.get_mut(&charger) else { return };
        if ward.progress.model == model {
            return;
        }
        ward.progress.begin_for(model);
        if let Some(round) = &mut ward.round {
            round.asked.clear();
        }
        self.write_down(now, charger, None, out);
    }

    /// Puts a question. `false`: it is known that there is no use, and the next one may be put.
    fn ask(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        state: &ChargerState,
        task: Task,
        out: &mut Vec<UpkeepEffect>,
    ) -> bool {
        let request = (now.0 / 1_000).rem_euclid(1_000_000_000);
        let Some(ward) = self.wards.get_mut(&charger) else { return true };
        let put = put(ward, &self.settings, &self.profiles, state, &task, request);
        let Some((action, why)) = put else {
            // Nothing is left of it: all monitors were asked for.
            pass(&mut ward.progress.monitors, &task);
            if matches!(task, Task::Signal(_)) {
                self.wake(charger, now + self.settings.signal_every_ms);
                return true;
            }
            return false;
        };
        let capability = capability_name(state.link.protocol, &action);
        let word = self.capabilities.refusal(&ward.progress.model, &capability);
        if let Some(word) = word {
            refuse(ward, now, &task, word, true);
            let words = format!("{task}: not asked, other chargers of this model say {word}");
            self.write_down(now, charger, Some(words), out);
            return false;
        }
        let full = ward.progress.inventory_at.is_none();
        let Some(round) = &mut ward.round else { return true };
        round.note_asked(&task, now);
        if let Task::Signal(name) = &task {
            ward.progress.signal_asked.insert(name.clone(), now);
        }
        let id = CommandId(format!("k{charger}-{}", now.0).into());
        let command = Command {
            id: id.clone(),
            charger,
            action,
            origin: Origin::Upkeep(why),
            created_at: now,
            timeout_ms: COMMAND_TIMEOUT_MS,
            not_after: now + 2 * COMMAND_TIMEOUT_MS,
        };
        let until = command.not_after + (command.timeout_ms + LOST_MS);
        round.question = Some(Box::new(Question {
            command: id,
            task,
            answered: false,
            until,
            request,
            full,
            parts: 0,
            last_part: None,
            values: 0,
            wanted: Vec::new(),
            watches_nothing: false,
            monitors: Vec::new(),
        }));
        self.asking += 1;
        self.ledger.note(&command);
        out.push(UpkeepEffect::Send(command));
        self.wake(charger, until);
        true
    }

    /// What the answer to any command says about the model.
    fn learn(
        &mut self,
        now: UnixMs,
        answered: &CommandAnswered,
        fleet: &impl Chargers,
        out: &mut Vec<UpkeepEffect>,
    ) {
        let Some((charger, action, lesson)) = self.ledger.answered(answered) else { return };
        let Some(state) = fleet.charger(charger) else { return };
        if let Some(model) = state.boot.as_deref().and_then(ModelKey::of) {
            let capability = capability_name(state.link.protocol, &action);
            out.push(UpkeepEffect::Learned { model, capability, lesson, at: now });
        }
    }

    /// The answer to a question.
    fn answered(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        answered: &CommandAnswered,
        out: &mut Vec<UpkeepEffect>,
    ) {
        let report_wait = self.settings.report_wait_ms;
        let Some(ward) = self.wards.get_mut(&charger) else { return };
        let Some(round) = &mut ward.round else { return };
        let Some(question) = &mut round.question else { return };
        if question.command != answered.command {
            return;
        }
        let task = question.task.clone();
        let outcome = &answered.outcome;
        let word = outcome.summary().to_owned();
        match lesson_of(&task, outcome) {
            Some(Lesson::Works) => {
                round.silences = 0;
                let comes = matches!(task, Task::Inventory | Task::MonitoringReport);
                if comes && word != "EmptyResultSet" && question.last_part.is_none() {
                    question.answered = true;
                    question.until = now + report_wait;
                    let until = question.until;
                    return self.wake(charger, until);
                }
                self.finish(now, charger, out);
            }
            Some(Lesson::NoAnswer) | None => {
                if matches!(task, Task::Signal(_)) {
                    round.silences += 1;
                }
                // The monitors do without these two: a charger that stumbles over one goes on.
                let can_do_without = matches!(task, Task::MonitoringBase | Task::MonitoringLevel);
                let was_asked =
                    matches!(outcome, CommandOutcome::Refused { .. } | CommandOutcome::TimedOut);
                if can_do_without && was_asked {
                    pass(&mut ward.progress.monitors, &task);
                }
                self.end_question(charger);
                self.write_down(now, charger, Some(format!("{task}: {word}")), out);
                self.wake(charger, now + self.settings.busy_retry_ms);
            }
            Some(Lesson::NotSupported | Lesson::NotImplemented | Lesson::Rejected) => {
                refuse(ward, now, &task, &word, false);
                self.end_question(charger);
                self.write_down(now, charger, Some(format!("{task}: {word}")), out);
                self.wake(charger, now + self.settings.pause_ms);
            }
        }
    }

    pub(crate) fn end_question(&mut self, charger: ChargerKey) -> Option<Box<Question>> {
        let question = self.wards.get_mut(&charger)?.round.as_mut()?.question.take()?;
        self.asking -= 1;
        Some(question)
    }

    pub(crate) fn write_down(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        words: Option<String>,
        out: &mut Vec<UpkeepEffect>,
    ) {
        let Some(ward) = self.wards.get_mut(&charger) else { return };
        if let Some(words) = words {
            ward.progress.last = Some(Line { at: now, words });
        }
        out.push(UpkeepEffect::Progress(charger, Box::new(ward.progress.clone())));
    }

    fn wake_when_settled(&mut self, charger: ChargerKey) {
        let settled = self.wards.get(&charger).and_then(|ward| ward.round.as_ref());
        if let Some(at) = settled.map(|round| round.settled_at) {
            self.wake(charger, at);
        }
    }

    pub(crate) fn wake(&mut self, charger: ChargerKey, at: UnixMs) {
        self.sleep(charger);
        if let Some(ward) = self.wards.get_mut(&charger) {
            ward.deadline = Some(at);
            self.deadlines.insert((at, charger));
        }
    }

    fn sleep(&mut self, charger: ChargerKey) {
        let deadline = self.wards.get_mut(&charger).and_then(|ward| ward.deadline.take());
        if let Some(at) = deadline {
            self.deadlines.remove(&(at, charger));
        }
    }
}

/// Where in the spread a charger stands: 0 to 1, the same for the same charger, unlike for its
/// neighbours (Fibonacci hashing).
fn share_of(charger: ChargerKey) -> f64 {
    f64::from(charger.0.wrapping_mul(0x9E37_79B9)) / (f64::from(u32::MAX) + 1.0)
}
