//! Answers to questions: reports in their parts, what became of monitors, and what is learned when a
//! question is answered in full or given up.

use mendpoint_model::{
    ChargerKey, CommandOutcome, DeviceReport, DeviceSource, Lesson, MonitorsReport, UnixMs,
};

use crate::monitors;
use crate::progress::{Monitors, Refusal, Stage, Wanted};
use crate::task::Task;
use crate::upkeep::{Upkeep, UpkeepEffect};
use crate::ward::{Question, Ward};

/// Readings without an end after which a charger is left alone until the next week.
const FAILURES_MAX: u32 = 3;

impl Upkeep {
    /// A part of a report.
    pub(crate) fn told(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        report: &DeviceReport,
        out: &mut Vec<UpkeepEffect>,
    ) {
        if report.source != DeviceSource::Report {
            return;
        }
        let wait = self.settings.report_wait_ms;
        let Some(question) = self.question_of(charger, &Task::Inventory, report.request) else {
            return;
        };
        question.values += u32::try_from(report.variables.len()).unwrap_or(u32::MAX);
        for variable in &report.variables {
            question.wanted.extend(monitors::wanted(variable));
            question.watches_nothing |= monitors::says_no(variable);
        }
        self.part_came(now, charger, report.seq_no, report.more, wait, out);
    }

    pub(crate) fn told_monitors(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        report: &MonitorsReport,
        out: &mut Vec<UpkeepEffect>,
    ) {
        if report.set {
            self.set_results(now, charger, report, out);
            return;
        }
        let wait = self.settings.report_wait_ms;
        let task = Task::MonitoringReport;
        let Some(question) = self.question_of(charger, &task, report.request) else { return };
        question.monitors.extend(report.monitors.iter().cloned());
        question.values = question.monitors.len().try_into().unwrap_or(u32::MAX);
        self.part_came(now, charger, report.seq_no, report.more, wait, out);
    }

    /// What became of the monitors of one message. It comes right behind the answer itself.
    fn set_results(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        report: &MonitorsReport,
        out: &mut Vec<UpkeepEffect>,
    ) {
        let max = self.settings.monitors_a_message;
        let Some(ward) = self.wards.get_mut(&charger) else { return };
        if ward.progress.monitors.stage != Stage::Set {
            return;
        }
        monitors::note_results(&mut ward.progress.monitors, max, &report.monitors);
        if monitors::set_payload(&ward.progress.monitors, max).is_none() {
            ward.progress.monitors.stage = Stage::Report;
        }
        self.write_down(now, charger, None, out);
    }

    fn question_of(
        &mut self,
        charger: ChargerKey,
        task: &Task,
        request: Option<i64>,
    ) -> Option<&mut Question> {
        let question = self.wards.get_mut(&charger)?.round.as_mut()?.question.as_mut()?;
        (question.task == *task && request.is_none_or(|request| request == question.request))
            .then_some(question)
    }

    fn part_came(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        seq_no: i64,
        more: bool,
        wait: i64,
        out: &mut Vec<UpkeepEffect>,
    ) {
        let ward = self.wards.get_mut(&charger);
        let question = ward.and_then(|ward| ward.round.as_mut()?.question.as_mut());
        let Some(question) = question else { return };
        question.parts += 1;
        question.until = question.until.max(now + wait);
        if !more {
            question.last_part = Some(seq_no);
            // The answer may come behind the last part: directions are independent (behaviour 25).
            if question.answered {
                self.finish(now, charger, out);
            }
        }
    }

    /// A question is answered in full.
    pub(crate) fn finish(&mut self, now: UnixMs, charger: ChargerKey, out: &mut Vec<UpkeepEffect>) {
        let Some(question) = self.end_question(charger) else { return };
        let max = self.settings.monitors_max;
        let Some(ward) = self.wards.get_mut(&charger) else { return };
        let progress = &mut ward.progress;
        let words = match &question.task {
            Task::Configuration => {
                progress.read_at = Some(now);
                progress.failures = 0;
                Some("configuration: read".to_owned())
            }
            Task::Inventory => {
                progress.read_at = Some(now);
                progress.failures = 0;
                progress.values = question.values;
                progress.parts_missing = parts_missing(&question);
                if question.full {
                    progress.inventory_at = Some(now);
                    progress.monitors = monitors_of(&question, max);
                }
                Some(format!("inventory: {} values", question.values))
            }
            Task::MonitoringBase | Task::MonitoringLevel => {
                pass(&mut progress.monitors, &question.task);
                None
            }
            Task::MonitoringReport => {
                let missing = monitors::reconcile(&mut progress.monitors, &question.monitors);
                progress.monitors.stage = if missing { Stage::Set } else { Stage::Done };
                progress.monitors.done_at = (!missing).then_some(now);
                Some(format!("monitors: {} installed", progress.installed()))
            }
            Task::SetMonitors(_) | Task::Signal(_) => None,
        };
        if !matches!(question.task, Task::Signal(_)) {
            self.write_down(now, charger, words, out);
        }
        self.wake(charger, now + self.settings.pause_ms);
    }

    /// A report that never ended, or an outcome that nobody told.
    pub(crate) fn give_up(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        out: &mut Vec<UpkeepEffect>,
    ) {
        let Some(question) = self.end_question(charger) else { return };
        let max = self.settings.monitors_max;
        let Some(ward) = self.wards.get_mut(&charger) else { return };
        let progress = &mut ward.progress;
        progress.failures += 1;
        progress.parts_missing = parts_missing(&question).max(1);
        if question.task == Task::MonitoringReport {
            progress.monitors.stage = Stage::Done;
        }
        if question.task == Task::Inventory && progress.failures >= FAILURES_MAX {
            // What came is all there will be: it is used, and asked for again in a week.
            progress.read_at = Some(now);
            progress.failures = 0;
            if question.full {
                progress.inventory_at = Some(now);
                progress.monitors = monitors_of(&question, max);
            }
        }
        let words = format!("{}: {} parts came, and no end", question.task, question.parts);
        self.write_down(now, charger, Some(words), out);
        self.wake(charger, now + self.settings.busy_retry_ms);
    }
}

/// What an outcome says to the question. A charger that knows none of the variables it is asked for
/// has none of them, whatever that says about its model.
pub(crate) fn lesson_of(task: &Task, outcome: &CommandOutcome) -> Option<Lesson> {
    match outcome {
        CommandOutcome::Answered { accepted: true, .. } => Some(Lesson::Works),
        CommandOutcome::Answered { status, .. } if status == "EmptyResultSet" => {
            Some(Lesson::Works)
        }
        // Each monitor has its own word.
        CommandOutcome::Answered { .. } if matches!(task, Task::SetMonitors(_)) => {
            Some(Lesson::Works)
        }
        CommandOutcome::Answered { .. } => Some(Lesson::Rejected),
        CommandOutcome::Refused { code, .. } if code == "NotSupported" => {
            Some(Lesson::NotSupported)
        }
        CommandOutcome::Refused { code, .. } if code == "NotImplemented" => {
            Some(Lesson::NotImplemented)
        }
        // Not in this version: as good as never.
        CommandOutcome::Unsupported(_) => Some(Lesson::NotSupported),
        CommandOutcome::TimedOut => Some(Lesson::NoAnswer),
        // It stumbled (InternalError, ..), or was not asked: the next connection may be luckier.
        CommandOutcome::Refused { .. }
        | CommandOutcome::NotConnected
        | CommandOutcome::Expired
        | CommandOutcome::QueueFull
        | CommandOutcome::Dropped(_) => None,
    }
}

pub(crate) fn refuse(ward: &mut Ward, now: UnixMs, task: &Task, word: &str, by_model: bool) {
    let refusal = Refusal { at: now, word: word.to_owned(), by_model };
    ward.progress.refused.insert(task.name(), refusal);
    pass(&mut ward.progress.monitors, task);
}

/// Goes on behind a step of the monitors.
pub(crate) fn pass(monitors: &mut Monitors, task: &Task) {
    monitors.stage = match task {
        Task::MonitoringBase => Stage::Level,
        Task::MonitoringLevel => Stage::Set,
        Task::SetMonitors(_) if monitors.wanted.iter().any(Wanted::is_installed) => Stage::Report,
        // Without a monitor of ours there is nothing to compare.
        Task::SetMonitors(_) | Task::MonitoringReport => Stage::Done,
        _ => return,
    };
}

fn monitors_of(question: &Question, max: usize) -> Monitors {
    let mut wanted = question.wanted.clone();
    wanted.sort_by(|a, b| (a.severity, &a.at, &a.kind).cmp(&(b.severity, &b.at, &b.kind)));
    wanted.dedup_by(|a, b| a.at == b.at && a.kind == b.kind);
    wanted.truncate(max);
    let nothing = wanted.is_empty() || question.watches_nothing;
    let stage = if nothing { Stage::Done } else { Stage::Base };
    Monitors { stage, wanted, ..Monitors::default() }
}

fn parts_missing(question: &Question) -> u32 {
    let parts = question.last_part.map_or(i64::from(question.parts), |last| last + 1);
    u32::try_from(parts).unwrap_or_default().saturating_sub(question.parts)
}
