//! Charging attempts of one charger, and which of them failed (1.5, F1 to F6).
//!
//! An attempt is the first of: a token accepted, a remote start sent, a transaction begun. What is
//! not a failure is as important as what is: refused cards, drivers who change their mind, full
//! batteries and pauses by the power manager are none.

use mendpoint_model::{
    ChargerState, CommandId, CommandOutcome, ConnectorRef, ConnectorStatus, Fact, MINUTE_MS,
    SECOND_MS, Transaction, TransactionId, UnixMs,
};
use smallvec::SmallVec;

use crate::predicate::connector_state;
use crate::verdict::Verdict;
use crate::visits::Outcome;

/// The energy that makes a session, Wh.
pub(crate) const SESSION_WH: f64 = 100.0;
/// F4: no energy after this time is a failure.
pub(crate) const NO_ENERGY_MS: i64 = 300 * SECOND_MS;
/// F6: a fault this soon after the start belongs to the attempt, even when that has ended.
const FAULT_AFTER_START_MS: i64 = 60 * SECOND_MS;
/// F5: our own reset or unlock explains an end for this long.
const OURS_MS: i64 = 10 * MINUTE_MS;
/// A transaction that began longer ago than this is history, not live (1.2).
const LATE_MS: i64 = 300 * SECOND_MS;
/// A driver who gave up and tries again within this time did not change their mind: it failed.
const SECOND_TRY_MS: i64 = 5 * MINUTE_MS;
/// Charges that a loss of power or a start of the charger ends within this time were ended by the same.
const CUT_MS: i64 = 30 * SECOND_MS;
/// The most attempts kept open on a charger.
const OPEN_MAX: usize = 8;

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// F1: the charger refused a remote start, or did not answer it.
    RemoteStartRefused,
    /// F2: authorised and plugged in, and no transaction came.
    NeverStarted,
    /// F3: it ended at once without energy.
    EndedAtOnce,
    /// F4: it runs and delivers nothing.
    NoEnergy,
    /// F5: the charger broke it off.
    BrokenOff,
    /// F6: the connector became faulted.
    Faulted,
}

impl Failure {
    /// A few words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::RemoteStartRefused => "the charger refused the remote start",
            Self::NeverStarted => "authorised and plugged in, but it never started",
            Self::EndedAtOnce => "it ended within two minutes without energy",
            Self::NoEnergy => "no energy after five minutes",
            Self::BrokenOff => "the charger broke it off",
            Self::Faulted => "the connector became faulted",
        }
    }
}

/// What became known of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AttemptNews {
    pub(crate) connector: ConnectorRef,
    pub(crate) id_token: Box<str>,
    pub(crate) kind: NewsKind,
}

/// See [`AttemptNews`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NewsKind {
    /// It began, or ended without a verdict.
    Seen,
    Failed(Failure),
    /// It delivered this many Wh, at least [`SESSION_WH`].
    Succeeded(f64),
    /// Nothing more will be known of it. What it failed by, or delivered, was told before.
    Over(Over),
}

/// What is known of an attempt when it is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Over {
    pub(crate) began_at: UnixMs,
    /// Whether a transaction began.
    pub(crate) started: bool,
    pub(crate) outcome: Outcome,
    pub(crate) energy_wh: Option<f64>,
}

/// Durations an attempt is judged by, with the engine's pace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptTimes {
    pub(crate) connection_timeout_ms: i64,
    pub(crate) pace: f64,
}

impl AttemptTimes {
    pub(crate) fn ms(self, ms: i64) -> i64 {
        crate::duration::paced(ms, self.pace)
    }

    /// How long a charger may take from card and cable to a transaction (F2).
    fn start_ms(self, charger: &ChargerState) -> i64 {
        let told = ["ConnectionTimeOut", "TxCtrlr.EVConnectionTimeOut"].iter().find_map(|key| {
            charger.configuration.get(*key)?.value.as_deref()?.trim().parse::<i64>().ok()
        });
        let timeout = told
            .filter(|seconds| (1..=3_600).contains(seconds))
            .map_or(self.connection_timeout_ms, |seconds| self.ms(seconds * SECOND_MS));
        timeout + self.ms(MINUTE_MS)
    }
}

#[derive(Clone, Debug)]
struct Attempt {
    id_token: Box<str>,
    connector: Option<ConnectorRef>,
    /// When the first of it was seen: the card, the remote start, or the transaction.
    first_at: UnixMs,
    /// When the present stage began.
    began_at: UnixMs,
    stage: Stage,
    check_at: Option<UnixMs>,
    failed: Option<Failure>,
    energy_wh: Option<f64>,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Wanted: a card was accepted, or a remote start was sent.
    Wanted { remote: Option<CommandId> },
    /// A transaction runs.
    Running { id: TransactionId, paused: bool },
    /// It ended without a verdict; a fault soon after its start still counts.
    Ended { suspended: bool },
    /// The driver unplugged at once; a second try makes it a failure.
    GaveUp,
}

/// When, where and by which times something is judged.
#[derive(Clone, Copy)]
struct Scene<'a> {
    now: UnixMs,
    charger: &'a ChargerState,
    times: AttemptTimes,
}

/// The attempts of one charger.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttemptLog {
    attempts: SmallVec<[Attempt; 2]>,
    /// When we last reset or unlocked it: then its broken sessions are our doing (F5).
    ours_at: Option<UnixMs>,
    /// When a driver was last let in: a token was accepted, a charge began, or a remote start was
    /// accepted (G2).
    pub(crate) authorised_at: Option<UnixMs>,
    /// When a loss of power or a start of the charger last broke a charge off.
    cut_at: Option<UnixMs>,
    /// The card that was refused last, and when.
    refused: Option<(UnixMs, Box<str>)>,
    /// Remote starts that are not answered yet.
    starts: SmallVec<[CommandId; 1]>,
    pub(crate) armed: Option<UnixMs>,
}

impl AttemptLog {
    /// When it wants to be looked at.
    pub(crate) fn next_check(&self) -> Option<UnixMs> {
        self.attempts.iter().filter_map(|attempt| attempt.check_at).min()
    }

    /// A reset or unlock of ours, or of a person, is on its way.
    pub(crate) fn note_our_action(&mut self, now: UnixMs) {
        self.ours_at = Some(now);
    }

    /// A remote start is on its way, in whatever words (G2).
    pub(crate) fn await_start(&mut self, command: CommandId) {
        if self.starts.len() == OPEN_MAX {
            self.starts.remove(0);
        }
        self.starts.push(command);
    }

    /// A remote start is on its way: an attempt.
    pub(crate) fn note_remote_start(
        &mut self,
        now: UnixMs,
        command: CommandId,
        connector: Option<ConnectorRef>,
        id_token: &str,
        times: AttemptTimes,
        charger: &ChargerState,
    ) {
        let stage = Stage::Wanted { remote: Some(command) };
        let check_at = Some(now + times.start_ms(charger));
        let id_token = id_token.into();
        self.push(Attempt { connector, check_at, ..Attempt::new(id_token, now, stage) });
    }

    /// The end of a command, which may have been a remote start (F1).
    pub(crate) fn command_ended(
        &mut self,
        now: UnixMs,
        command: &CommandId,
        outcome: &CommandOutcome,
        charger: &ChargerState,
        news: &mut Vec<AttemptNews>,
    ) {
        if let Some(index) = self.starts.iter().position(|id| id == command) {
            self.starts.remove(index);
            if outcome.is_accepted() {
                self.authorised_at = Some(now);
            }
        }
        let found = self.attempts.iter().position(
            |attempt| matches!(&attempt.stage, Stage::Wanted { remote: Some(id) } if id == command),
        );
        let Some(index) = found else { return };
        if outcome.is_accepted() {
            return;
        }
        let attempt = self.attempts.remove(index);
        let was_sent = matches!(
            outcome,
            CommandOutcome::Answered { .. }
                | CommandOutcome::Refused { .. }
                | CommandOutcome::TimedOut
        );
        let connector = attempt.connector.or_else(|| free_plugged(charger));
        let status =
            connector.and_then(|at| connector_state(charger, at)).map(|state| state.status);
        let was_ready =
            matches!(status, Some(ConnectorStatus::Preparing | ConnectorStatus::Available));
        if was_sent && was_ready {
            news.push(attempt.news(NewsKind::Failed(Failure::RemoteStartRefused)));
            news.push(attempt.over(Outcome::Failed(Failure::RemoteStartRefused)));
        } else {
            // Reserved for somebody, in use, or the charger was away: nobody could charge there.
            news.push(attempt.over(Outcome::Excused));
        }
    }

    /// Takes in what changed.
    pub(crate) fn observe(
        &mut self,
        now: UnixMs,
        fact: &Fact,
        charger: &ChargerState,
        times: AttemptTimes,
        news: &mut Vec<AttemptNews>,
    ) {
        let scene = Scene { now, charger, times };
        match fact {
            Fact::Authorized { id_token, accepted: true, connector } => {
                self.authorised_at = Some(now);
                self.authorised(&scene, id_token, *connector, news);
            }
            Fact::Authorized { id_token, accepted: false, .. } => {
                self.refused = Some((now, id_token.as_str().into()));
            }
            Fact::TransactionOpened(transaction) => self.opened(&scene, transaction, news),
            Fact::TransactionClosed { transaction, reason, ended_at, energy_wh, historical } => {
                let verdict = Verdict { reason, ended_at: *ended_at, energy_wh: *energy_wh };
                self.closed(&scene, transaction, &verdict, *historical, news);
            }
            Fact::Metered { connector, .. } => self.metered(&scene, *connector, news),
            Fact::StatusChanged { connector, to, historical: false, .. } => {
                self.status(now, *connector, *to, times, news);
            }
            _ => {}
        }
    }

    /// A second try of somebody who gave up: the first one failed.
    fn second_try(&mut self, id_token: &str, news: &mut Vec<AttemptNews>) {
        let given_up = self.attempts.iter().position(|attempt| {
            matches!(attempt.stage, Stage::GaveUp)
                && *attempt.id_token == *id_token
                && !id_token.is_empty()
        });
        if let Some(index) = given_up {
            let attempt = self.attempts.remove(index);
            news.push(attempt.news(NewsKind::Failed(Failure::EndedAtOnce)));
            news.push(attempt.over(Outcome::Failed(Failure::EndedAtOnce)));
        }
    }

    /// Whether somebody with this card tries now.
    pub(crate) fn is_trying(&self, id_token: &str) -> bool {
        self.attempts.iter().any(|attempt| *attempt.id_token == *id_token)
    }

    fn authorised(
        &mut self,
        scene: &Scene<'_>,
        id_token: &str,
        connector: Option<ConnectorRef>,
        news: &mut Vec<AttemptNews>,
    ) {
        let Scene { now, charger, times } = *scene;
        // A card held up during one's own transaction ends it.
        let ends = charger.transactions.iter().any(|tx| *tx.id_token == *id_token);
        let same = self.attempts.iter().any(|attempt| {
            *attempt.id_token == *id_token && matches!(attempt.stage, Stage::Wanted { .. })
        });
        if ends || same || !charger.link.connected {
            return;
        }
        self.second_try(id_token, news);
        let attempt = Attempt {
            connector: connector.or_else(|| free_plugged(charger)),
            check_at: Some(now + times.start_ms(charger)),
            ..Attempt::new(id_token.into(), now, Stage::Wanted { remote: None })
        };
        news.push(attempt.news(NewsKind::Seen));
        self.push(attempt);
    }

    fn opened(
        &mut self,
        scene: &Scene<'_>,
        transaction: &Transaction,
        news: &mut Vec<AttemptNews>,
    ) {
        let now = scene.now;
        let token = &transaction.id_token;
        let wanted = self.attempts.iter().position(|attempt| {
            matches!(attempt.stage, Stage::Wanted { .. })
                && (attempt.id_token == *token
                    || attempt.connector.is_some_and(|at| at == transaction.connector))
        });
        let first_at = wanted.map(|index| self.attempts.remove(index).first_at);
        if transaction.offline || now.since_ms(transaction.started_at) > LATE_MS {
            return;
        }
        // A charger may begin before it asks. A card that we refuse is no driver who charges, and
        // the end of it no failed charge.
        let is_refused = |(at, card): (UnixMs, Box<str>)| at == now && card == *token;
        if self.refused.take().is_some_and(is_refused) {
            return;
        }
        if !token.is_empty() {
            self.authorised_at = Some(now);
        }
        self.second_try(token, news);
        let stage = Stage::Running { id: transaction.id, paused: false };
        let attempt = Attempt {
            connector: Some(transaction.connector),
            first_at: first_at.unwrap_or(now),
            ..Attempt::new(token.clone(), now, stage)
        };
        news.push(attempt.news(NewsKind::Seen));
        self.push(attempt);
    }

    fn closed(
        &mut self,
        scene: &Scene<'_>,
        transaction: &Transaction,
        verdict: &Verdict<'_>,
        historical: bool,
        news: &mut Vec<AttemptNews>,
    ) {
        let Scene { now, charger, times } = *scene;
        let found = self.attempts.iter().position(
            |attempt| matches!(attempt.stage, Stage::Running { id, .. } if id == transaction.id),
        );
        let Some(index) = found else { return };
        let mut attempt = self.attempts.remove(index);
        attempt.energy_wh = verdict.energy_wh;
        if historical {
            news.push(attempt.over(Outcome::Unknown));
            return;
        }
        // Only what was running when we acted can have been ended by it.
        let ours = self
            .ours_at
            .is_some_and(|at| at >= attempt.began_at && now.since_ms(at) <= times.ms(OURS_MS));
        let paused = matches!(attempt.stage, Stage::Running { paused: true, .. })
            || transaction.suspended_by_ev;
        let plugged_at = connector_state(charger, transaction.connector)
            .and_then(|state| state.plugged_at)
            .unwrap_or(transaction.started_at);
        let failure = verdict.failure(transaction, ours, paused, times);
        if failure == Some(Failure::EndedAtOnce)
            && verdict.changed_mind(transaction, plugged_at, times)
        {
            attempt.stage = Stage::GaveUp;
            attempt.check_at = Some(now + times.ms(SECOND_TRY_MS));
            news.push(attempt.news(NewsKind::Seen));
            self.push(attempt);
            return;
        }
        // What ends all charges of a charger at once is one failure, however many there were: each
        // driver's own is a failed one, and rules that count hear of it once.
        let is_told = verdict.is_cut() && {
            let before = self.cut_at.replace(verdict.ended_at);
            before.is_some_and(|at| verdict.ended_at.since_ms(at).abs() <= CUT_MS)
        };
        if let Some(failure) = failure.filter(|_| attempt.failed.is_none()) {
            attempt.failed = Some(failure);
            let kind = if is_told { NewsKind::Seen } else { NewsKind::Failed(failure) };
            news.push(attempt.news(kind));
        } else if failure.is_none()
            && let Some(energy) = verdict.energy_wh.filter(|energy| *energy >= SESSION_WH)
        {
            news.push(attempt.news(NewsKind::Succeeded(energy)));
        } else {
            news.push(attempt.news(NewsKind::Seen));
        }
        let fault_until = attempt.began_at + times.ms(FAULT_AFTER_START_MS);
        attempt.stage = Stage::Ended { suspended: transaction.suspended_by_ev };
        if attempt.failed.is_none() && now < fault_until {
            attempt.check_at = Some(fault_until);
            self.push(attempt);
            return;
        }
        news.push(attempt.over(attempt.outcome()));
    }

    fn status(
        &mut self,
        now: UnixMs,
        connector: ConnectorRef,
        to: ConnectorStatus,
        times: AttemptTimes,
        news: &mut Vec<AttemptNews>,
    ) {
        for attempt in &mut self.attempts {
            let here = connector.is_charger() || attempt.connector == Some(connector);
            if !here {
                continue;
            }
            match (&mut attempt.stage, to) {
                (Stage::Running { paused, .. }, ConnectorStatus::SuspendedEvse) => *paused = true,
                (Stage::Running { .. }, ConnectorStatus::Faulted) if attempt.failed.is_none() => {
                    attempt.failed = Some(Failure::Faulted);
                    news.push(attempt.news(NewsKind::Failed(Failure::Faulted)));
                }
                (Stage::Ended { .. }, ConnectorStatus::Faulted)
                    if now.since_ms(attempt.began_at) <= times.ms(FAULT_AFTER_START_MS)
                        && attempt.failed.is_none() =>
                {
                    attempt.failed = Some(Failure::Faulted);
                    news.push(attempt.news(NewsKind::Failed(Failure::Faulted)));
                }
                _ => {}
            }
        }
    }

    /// F4: a reading from later than its time shows that nothing was delivered. One from the beginning
    /// says nothing, however long ago that is: where meter values come every quarter of an hour, the
    /// first that can tell comes after a quarter of an hour.
    fn metered(&mut self, scene: &Scene<'_>, at: ConnectorRef, news: &mut Vec<AttemptNews>) {
        let no_energy_ms = scene.times.ms(NO_ENERGY_MS);
        for attempt in &mut self.attempts {
            let Stage::Running { id, paused: false } = attempt.stage else { continue };
            let is_late_enough = scene.now.since_ms(attempt.began_at) >= no_energy_ms;
            if is_late_enough
                && attempt.connector == Some(at)
                && attempt.failed.is_none()
                && delivers_nothing(id, scene.charger)
            {
                attempt.failed = Some(Failure::NoEnergy);
                news.push(attempt.news(NewsKind::Failed(Failure::NoEnergy)));
            }
        }
    }

    /// Looks at what is due: F2, and what can be forgotten.
    pub(crate) fn advance(
        &mut self,
        now: UnixMs,
        charger: &ChargerState,
        times: AttemptTimes,
        news: &mut Vec<AttemptNews>,
    ) {
        for index in (0..self.attempts.len()).rev() {
            if self.attempts[index].check_at.is_none_or(|at| at > now) {
                continue;
            }
            self.attempts[index].check_at = None;
            let keep = match self.attempts[index].stage {
                Stage::Wanted { .. } => {
                    self.check_wanted(index, &Scene { now, charger, times }, news)
                }
                // Its meter values tell, and its end.
                Stage::Running { .. } => true,
                Stage::Ended { .. } | Stage::GaveUp => {
                    let attempt = &self.attempts[index];
                    news.push(attempt.over(attempt.outcome()));
                    false
                }
            };
            if !keep {
                self.attempts.remove(index);
            }
        }
    }

    /// F2. Says whether the attempt goes on.
    fn check_wanted(
        &mut self,
        index: usize,
        scene: &Scene<'_>,
        news: &mut Vec<AttemptNews>,
    ) -> bool {
        let Scene { now, charger, times } = *scene;
        let attempt = &mut self.attempts[index];
        attempt.connector = attempt.connector.or_else(|| free_plugged(charger));
        // Offline: the truth is unknown, so it is no failure.
        let Some(connector) = attempt.connector.filter(|_| charger.link.connected) else {
            let away = !charger.link.connected;
            let outcome = if away { Outcome::Unknown } else { Outcome::Excused };
            news.push(attempt.over(outcome));
            return false;
        };
        let plugged_at = connector_state(charger, connector).and_then(|state| state.plugged_at);
        let busy = charger.transactions.iter().any(|tx| tx.connector == connector);
        let Some(plugged_at) = plugged_at.filter(|_| !busy) else {
            // Nobody plugged in, or somebody else charges there.
            news.push(attempt.over(Outcome::Excused));
            return false;
        };
        let due = attempt.began_at.max(plugged_at) + times.start_ms(charger);
        if due > now {
            attempt.check_at = Some(due);
            return true;
        }
        news.push(attempt.news(NewsKind::Failed(Failure::NeverStarted)));
        news.push(attempt.over(Outcome::Failed(Failure::NeverStarted)));
        false
    }

    fn push(&mut self, attempt: Attempt) {
        if self.attempts.len() == OPEN_MAX {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
    }
}

impl Attempt {
    fn new(id_token: Box<str>, now: UnixMs, stage: Stage) -> Self {
        Self {
            id_token,
            connector: None,
            first_at: now,
            began_at: now,
            stage,
            check_at: None,
            failed: None,
            energy_wh: None,
        }
    }

    /// What it came to, once its transaction has ended.
    fn outcome(&self) -> Outcome {
        let suspended = matches!(self.stage, Stage::Ended { suspended: true });
        match self.failed {
            Some(failure) => Outcome::Failed(failure),
            None if self.energy_wh.is_some_and(|energy| energy >= SESSION_WH) => Outcome::Completed,
            // A full car takes nothing, and has what it came for.
            None if suspended => Outcome::Completed,
            None => Outcome::Excused,
        }
    }

    fn over(&self, outcome: Outcome) -> AttemptNews {
        let started = !matches!(self.stage, Stage::Wanted { .. });
        let energy_wh = self.energy_wh;
        self.news(NewsKind::Over(Over { began_at: self.first_at, started, outcome, energy_wh }))
    }

    fn news(&self, kind: NewsKind) -> AttemptNews {
        AttemptNews {
            connector: self.connector.unwrap_or(ConnectorRef::CHARGER),
            id_token: self.id_token.clone(),
            kind,
        }
    }
}

/// Whether a transaction that was asked for has delivered next to nothing, and the car did not stop it.
fn delivers_nothing(id: TransactionId, charger: &ChargerState) -> bool {
    let Some(tx) = charger.transactions.iter().find(|tx| tx.id == id) else { return false };
    let paused = connector_state(charger, tx.connector).is_some_and(|state| {
        matches!(state.status, ConnectorStatus::SuspendedEvse | ConnectorStatus::SuspendedEv)
    });
    let is_wanted = !tx.id_token.is_empty() || tx.had_power;
    let empty = tx.energy_wh().is_some_and(|energy| energy < SESSION_WH);
    empty && is_wanted && !paused && !tx.suspended_by_ev
}

/// The one connector with a car and without a transaction, when there is exactly one.
fn free_plugged(charger: &ChargerState) -> Option<ConnectorRef> {
    let mut free = charger.connectors.iter().filter(|connector| {
        connector.plugged_at.is_some()
            && !charger.transactions.iter().any(|tx| tx.connector == connector.at)
    });
    let first = free.next()?;
    free.next().is_none().then_some(first.at)
}
