//! Numbers of a running simulation.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::Note;

/// Counters that all chargers of a simulation share.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connected: AtomicI64,
    connects: AtomicU64,
    failed_connects: AtomicU64,
    sent: AtomicU64,
    answers: AtomicU64,
    answer_ms: AtomicU64,
    answer_ms_max: AtomicU64,
    no_answers: AtomicU64,
    call_errors: AtomicU64,
    bad_answers: AtomicU64,
    commands: AtomicU64,
    sessions_started: AtomicU64,
    sessions_ended: AtomicU64,
    energy_wh: AtomicI64,
    faults: AtomicU64,
    cured: AtomicU64,
    gave_up: AtomicU64,
    pub(crate) reports: AtomicU64,
}

/// The numbers at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Open connections now.
    pub connected: u64,
    /// Connections opened so far.
    pub connects: u64,
    /// Attempts that failed, and connections that the server or the network ended.
    pub closed: u64,
    /// Frames sent: calls and answers.
    pub sent: u64,
    /// Answers of the server.
    pub answers: u64,
    /// Mean time to an answer, ms.
    pub answer_ms_mean: u64,
    /// Longest time to an answer, ms.
    pub answer_ms_max: u64,
    /// Calls that were not answered in time.
    pub no_answers: u64,
    /// Calls that the server answered with an error.
    pub call_errors: u64,
    /// Answers that do not read as their version says.
    pub bad_answers: u64,
    /// Commands of the server.
    pub commands: u64,
    /// Transactions begun.
    pub sessions_started: u64,
    /// Transactions ended.
    pub sessions_ended: u64,
    /// Energy of ended transactions, Wh.
    pub energy_wh: u64,
    /// Faults that began.
    pub faults: u64,
    /// Faults that something done from afar mended, or that healed by themselves.
    pub cured: u64,
    /// Transaction messages given up after all attempts.
    pub gave_up: u64,
    /// Reports of drivers.
    pub reports: u64,
}

impl Counters {
    pub(crate) fn opened(&self) {
        self.connected.fetch_add(1, Ordering::Relaxed);
        self.connects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self, was_open: bool) {
        if was_open {
            self.connected.fetch_sub(1, Ordering::Relaxed);
        }
        self.failed_connects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note(&self, note: &Note) {
        let one = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        match note {
            // A repair on the spot is nobody's healing.
            Note::Booted(_) | Note::FaultEnded(_, "repaired") | Note::Reset { .. } => {}
            Note::Command { .. } => one(&self.commands),
            Note::CallError { .. } => one(&self.call_errors),
            Note::BadAnswer { .. } => one(&self.bad_answers),
            Note::NoAnswer(_) => one(&self.no_answers),
            Note::Answered(ms) => {
                one(&self.answers);
                let ms = u64::try_from(*ms).unwrap_or(0);
                self.answer_ms.fetch_add(ms, Ordering::Relaxed);
                self.answer_ms_max.fetch_max(ms, Ordering::Relaxed);
            }
            Note::TransactionStarted(_) => one(&self.sessions_started),
            Note::TransactionEnded(_, wh) => {
                one(&self.sessions_ended);
                self.energy_wh.fetch_add(*wh, Ordering::Relaxed);
            }
            Note::FaultBegan(_) => one(&self.faults),
            Note::FaultEnded(..) => one(&self.cured),
            Note::GaveUp(_) => one(&self.gave_up),
        }
    }

    pub(crate) fn read(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let signed =
            |counter: &AtomicI64| u64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(0);
        let answers = get(&self.answers);
        Stats {
            connected: signed(&self.connected),
            connects: get(&self.connects),
            closed: get(&self.failed_connects),
            sent: get(&self.sent),
            answers,
            answer_ms_mean: get(&self.answer_ms).checked_div(answers).unwrap_or(0),
            answer_ms_max: get(&self.answer_ms_max),
            no_answers: get(&self.no_answers),
            call_errors: get(&self.call_errors),
            bad_answers: get(&self.bad_answers),
            commands: get(&self.commands),
            sessions_started: get(&self.sessions_started),
            sessions_ended: get(&self.sessions_ended),
            energy_wh: signed(&self.energy_wh),
            faults: get(&self.faults),
            cured: get(&self.cured),
            gave_up: get(&self.gave_up),
            reports: get(&self.reports),
        }
    }
}
