//! An incident as the engine holds it: what everybody sees, and what only the engine needs.

use std::sync::Arc;

use mendpoint_model::{
    Actor, CommandId, ConnectorRef, FrameSeq, Healing, Incident, IncidentId, IncidentState, Link,
    Rung, SiteKey, Step, StepState, TimelineEntry, UnixMs,
};
use smallvec::SmallVec;

use crate::alert::Alert;
use crate::attempts::{AttemptLog, Failure};
use crate::boots::Boots;
use crate::calls::Calls;
use crate::cohort::CohortId;
use crate::correlate::{Damper, Habit, Paused};
use crate::credit::{Credit, Hand};
use crate::guardrail::ActionRecord;
use crate::memory::Memory;
use crate::program::Program;
use crate::repeats::{Repeats, SeenSkew};
use crate::rule::{Occurrence, Rule};
use crate::signal::SignalLog;
use crate::watches::Watches;

/// For how long a lost command says that the connection is over, when nothing else does.
const LOST_MS: i64 = 30_000;
/// How many kinds of past incidents of a charger are remembered.
const PAST_MAX: usize = 32;
/// How many failed charges are kept as evidence.
const FAILURES_MAX: usize = 10;

/// What the engine knows of a charger besides its state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    pub(crate) site: SiteKey,
    pub(crate) alerts: SmallVec<[Alert; 0]>,
    pub(crate) signals: Option<Box<SignalLog>>,
    pub(crate) attempts: Option<Box<AttemptLog>>,
    pub(crate) cases: SmallVec<[IncidentId; 1]>,
    /// Actions sent within the window of G4, oldest first.
    pub(crate) actions: Vec<ActionRecord>,
    /// The newest failed charges: when, by which frame, where and why.
    pub(crate) failures: Vec<(UnixMs, FrameSeq, ConnectorRef, Failure)>,
    /// The newest incident of each fingerprint that is over, oldest first. Codes are what chargers
    /// make them, so it is bounded (behaviour 71).
    pub(crate) past: Vec<(Fingerprint, IncidentId)>,
    /// Counting rules that fired, where, and until when they do not fire again (`cooldown`).
    pub(crate) cooling: SmallVec<[(u16, ConnectorRef, UnixMs); 1]>,
    /// When a command could not reach the charger. That is known a moment before the connection's
    /// end is told.
    pub(crate) lost_at: Option<UnixMs>,
    /// Rungs that it said it does not support, with the word it said so with (behaviour 64).
    pub(crate) lacks: SmallVec<[(Rung, Box<str>); 1]>,
    /// Whether it answers commands.
    pub(crate) calls: Calls,
    pub(crate) calls_armed: Option<UnixMs>,
    /// When it was last asked for its diagnostics and said yes or no.
    pub(crate) diagnostics_at: Option<UnixMs>,
    /// Until when no more commands are queued for it: its queue was full.
    pub(crate) full_until: Option<UnixMs>,
    /// Whether the permits know it; whether it is offline, and in trouble (G6).
    pub(crate) enrolled: bool,
    pub(crate) offline: bool,
    pub(crate) unwell: bool,
    /// Silence counts for nothing before this moment: an outage it was in just ended.
    pub(crate) grace_until: UnixMs,
    /// Whether the overseer knows what it is.
    pub(crate) told_cohort: bool,
    /// How it behaves at its returns.
    pub(crate) habit: Habit,
    /// How restless its fingerprints are.
    pub(crate) damper: Option<Box<Damper>>,
    /// Statuses that were looked at already.
    pub(crate) repeats: Repeats,
    /// How wrong its clock was when rules last looked at it.
    pub(crate) skew: SeenSkew,
    /// What is known of its boots.
    pub(crate) boots: Boots,
    /// What rules look back on; none while none does.
    pub(crate) memory: Option<Box<Memory>>,
    /// Rules whose thresholds are set otherwise for this charger, in the order of their places.
    pub(crate) variants: SmallVec<[(u16, Arc<Rule>); 0]>,
    /// Its own kind, as far as it is known.
    pub(crate) cohort: Option<CohortId>,
    /// When countable things last happened.
    pub(crate) last: SmallVec<[(Occurrence, UnixMs); 2]>,
}

/// The rule of a case as it holds for its charger, with its own thresholds.
pub(crate) fn rule_of(watches: &Watches, program: &Program, case: &Case) -> Option<Arc<Rule>> {
    let place = case.rule?;
    Some(match watches.get(&case.incident.charger) {
        Some(watch) => watch.rule(program, place),
        None => Arc::clone(&program.rules[usize::from(place)]),
    })
}

/// How long nobody is asked about a case that nothing heals, in milliseconds.
pub(crate) fn patience_ms(watches: &Watches, program: &Program, case: &Case) -> i64 {
    rule_of(watches, program, case).map_or(0, |rule| rule.escalate_after_ms)
}

impl Watch {
    /// Whether any message of this charger may change an incident.
    pub(crate) fn is_hot(&self) -> bool {
        !self.cases.is_empty()
            || self.alerts.iter().any(|alert| !matches!(alert.phase, crate::alert::Phase::Pending))
    }

    /// Whether it is known to all who count chargers, no attempt to charge goes on, and there is no
    /// incident.
    pub(crate) fn is_quiet(&self) -> bool {
        self.enrolled && self.attempts.is_none() && self.cases.is_empty()
    }

    /// A rule as it holds for this charger.
    pub(crate) fn rule(&self, program: &Program, place: u16) -> Arc<Rule> {
        self.own_rule(place).unwrap_or_else(|| Arc::clone(&program.rules[usize::from(place)]))
    }

    /// A rule with thresholds of this charger's own, where it has some.
    pub(crate) fn own_rule(&self, place: u16) -> Option<Arc<Rule>> {
        if self.variants.is_empty() {
            return None;
        }
        let own = self.variants.binary_search_by_key(&place, |(of, _)| *of);
        own.ok().map(|index| Arc::clone(&self.variants[index].1))
    }

    pub(crate) fn alert(&self, rule: u16, at: ConnectorRef) -> Option<usize> {
        self.alerts.iter().position(|alert| alert.rule == rule && alert.at == at)
    }

    /// Whether commands reach the charger: it is connected, and no command was lost since it was
    /// last heard.
    pub(crate) fn reaches(&self, now: UnixMs, link: &Link) -> bool {
        let is_lost = self.lost_at.is_some_and(|at| {
            now.since_ms(at) < LOST_MS && link.last_seen_at.max(link.since) <= Some(at)
        });
        link.connected && !is_lost
    }

    /// An incident is over.
    pub(crate) fn remember(&mut self, fingerprint: Fingerprint, id: IncidentId) {
        self.past.retain(|(known, _)| *known != fingerprint);
        if self.past.len() == PAST_MAX {
            self.past.remove(0);
        }
        self.past.push((fingerprint, id));
    }

    /// It does not support a rung. There are not many of them.
    pub(crate) fn note_lacking(&mut self, rung: Rung, word: &str) {
        if self.lacks.iter().all(|(known, _)| *known != rung) {
            self.lacks.push((rung, word.into()));
        }
    }

    /// Keeps a failed charge as evidence.
    pub(crate) fn note_failure(
        &mut self,
        at: UnixMs,
        frame: FrameSeq,
        connector: ConnectorRef,
        why: Failure,
    ) {
        if self.failures.len() == FAILURES_MAX {
            self.failures.remove(0);
        }
        self.failures.push((at, frame, connector, why));
    }

    pub(crate) fn last_at(&self, kind: Occurrence) -> Option<UnixMs> {
        self.last.iter().find(|(of, _)| *of == kind).map(|(_, at)| *at)
    }

    pub(crate) fn note(&mut self, kind: Occurrence, at: UnixMs) {
        match self.last.iter_mut().find(|(of, _)| *of == kind) {
            Some((_, last)) => *last = at,
            None => self.last.push((kind, at)),
        }
    }
}

/// An incident and what the engine needs to go on with it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) incident: Incident,
    /// The rule's place in the program; `None` for reports of people and for rules that are gone.
    pub(crate) rule: Option<u16>,
    /// When a person is asked, if nothing changes.
    pub(crate) escalate_at: Option<UnixMs>,
    /// A ticket was asked for.
    pub(crate) ticket_asked: bool,
    /// Reopened by a failed charge: the condition of the rule need not hold.
    pub(crate) by_attempt: bool,
    pub(crate) snoozed_until: Option<UnixMs>,
    /// When it became recovered, not yet proven.
    pub(crate) recovered_at: Option<UnixMs>,
    /// Who gets the credit for it; known once it recovered.
    pub(crate) credit: Option<Credit>,
    /// How far a person got with its ticket.
    pub(crate) hand: Option<Hand>,
    pub(crate) run: Run,
    /// Its history says already why no diagnostics are fetched.
    pub(crate) said_no_diagnostics: bool,
    /// The devices that its history names, for an incident about an identity.
    pub(crate) contest: String,
    /// How many status lines its history has: a flapping charger must not fill the disk.
    pub(crate) status_lines: u32,
    /// What it did before something quieted it.
    pub(crate) paused: Option<Paused>,
    /// The condition is gone, and it stays open because it flaps.
    pub(crate) calm: bool,
    pub(crate) armed: Option<UnixMs>,
}

/// What healing needs to know besides the steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Whether steps may be begun.
    pub(crate) active: bool,
    /// The next place on the ladder.
    pub(crate) position: usize,
    /// When the newest command was sent.
    pub(crate) sent_at: Option<UnixMs>,
    /// When the connection last ended.
    pub(crate) dropped_at: Option<UnixMs>,
    /// When a stuck transaction was asked to stop for the waiting step (G1).
    pub(crate) freed_at: Option<UnixMs>,
    /// When the charger came back after the step.
    pub(crate) back_at: Option<UnixMs>,
    /// When the charger last told the subject's status.
    pub(crate) told_at: Option<UnixMs>,
    /// When a status of the subject came after the step.
    pub(crate) status_at: Option<UnixMs>,
    /// Since when the condition stays away.
    pub(crate) healthy_since: Option<UnixMs>,
    /// A charge failed after the step.
    pub(crate) failed_since: bool,
    /// When the step's watch began anew: at a start of ours, the charger's own restart is ours.
    pub(crate) watched_from: Option<UnixMs>,
    /// When switching a connector on again may be tried again (L3).
    pub(crate) debt_at: Option<UnixMs>,
    /// Until when the step waits for a quiet hour (G12).
    pub(crate) patient_until: Option<UnixMs>,
    /// How long the reset may take (`T_boot`), as it was known when it was sent.
    pub(crate) boot_ms: Option<i64>,
    /// How many connectors were out of order before the step (G9).
    pub(crate) bad_before: Option<usize>,
    /// How often the charger started since the step (G9).
    pub(crate) boots: u32,
}

impl Run {
    /// Forgets what belonged to the step before.
    pub(crate) fn begin_step(&mut self) {
        *self = Self {
            active: self.active,
            position: self.position,
            told_at: self.told_at,
            ..Self::default()
        };
    }
}

impl Run {
    /// Begins to watch the effect of a command that is about to be sent.
    pub(crate) fn begin_watch(&mut self) {
        self.back_at = None;
        self.status_at = None;
        self.healthy_since = None;
        self.failed_since = false;
        self.watched_from = None;
        self.boot_ms = None;
        self.bad_before = None;
        self.boots = 0;
    }
}

impl Case {
    pub(crate) fn new(incident: Incident, rule: Option<u16>) -> Self {
        Self {
            incident,
            rule,
            escalate_at: None,
            ticket_asked: false,
            by_attempt: false,
            snoozed_until: None,
            recovered_at: None,
            credit: None,
            hand: None,
            run: Run::default(),
            said_no_diagnostics: false,
            contest: String::new(),
            status_lines: 0,
            paused: None,
            calm: false,
            armed: None,
        }
    }

    /// Whether it is open and its condition was there until now: it may explain other incidents.
    pub(crate) fn is_firing(&self) -> bool {
        let state = self.incident.state;
        !state.is_over() && state != IncidentState::RecoveredUnproven
    }

    /// The step under way, if any.
    pub(crate) fn step(&self) -> Option<&Step> {
        self.incident.healing.as_ref()?.steps.last().filter(|step| !step.state.is_over())
    }

    pub(crate) fn step_mut(&mut self) -> Option<&mut Step> {
        self.incident.healing.as_mut()?.steps.last_mut().filter(|step| !step.state.is_over())
    }

    pub(crate) fn steps(&self) -> &[Step] {
        self.incident.healing.as_ref().map_or(&[], |healing| &healing.steps)
    }

    pub(crate) fn healing(&self) -> Option<&Healing> {
        self.incident.healing.as_ref()
    }

    /// Whether there is a playbook, and nobody stopped it.
    pub(crate) fn may_heal(&self) -> bool {
        self.healing().is_some_and(|healing| healing.stopped_by.is_none())
    }

    /// Whether the healing goes on by itself.
    pub(crate) fn is_healing(&self) -> bool {
        self.run.active && self.may_heal()
    }

    /// The state of a case that nothing is done about at the moment.
    pub(crate) fn resting(&self) -> IncidentState {
        match (self.incident.owner.is_some(), self.ticket_asked) {
            (true, _) => IncidentState::Acknowledged,
            (false, true) => IncidentState::Escalated,
            (false, false) => IncidentState::Open,
        }
    }

    /// Whether a command is on its way or its effect is being watched.
    pub(crate) fn is_acting(&self) -> bool {
        self.step().is_some_and(|step| {
            !matches!(step.rung, Rung::L0 | Rung::D | Rung::L7)
                && matches!(step.state, StepState::Sent | StepState::Verifying)
        })
    }

    /// Whether an action that disturbs is under way (G4, G5).
    pub(crate) fn is_disturbing(&self) -> bool {
        self.is_acting() && self.step().is_some_and(|step| crate::guardrail::acts(step.rung))
    }

    /// Whether anything was really tried: then a session has to prove the end.
    pub(crate) fn was_tried(&self) -> bool {
        self.steps().iter().any(|step| {
            !matches!(step.rung, Rung::Q | Rung::L0 | Rung::D | Rung::L7 | Rung::L1S | Rung::C)
                && matches!(step.state, StepState::Fixed | StepState::NotFixed | StepState::Unknown)
        })
    }

    /// Says when a person will be asked.
    pub(crate) fn will_ask(&mut self, at: UnixMs) {
        let lasts = crate::duration::duration_words(at.since_ms(self.incident.began_at));
        self.incident.next = format!("A person is asked when it has lasted {lasts}");
        self.incident.next_at = Some(at);
    }

    /// Whether the connector is kept out of service by us.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.steps()
            .iter()
            .any(|step| step.rung == Rung::Q && matches!(step.state, StepState::Fixed))
    }
}

/// A line of history being written.
pub(crate) struct Line {
    pub(crate) kind: &'static str,
    pub(crate) actor: Actor,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) command: Option<CommandId>,
    pub(crate) rung: Option<Rung>,
}

impl Line {
    pub(crate) fn new(kind: &'static str, title: impl Into<String>) -> Self {
        Self {
            kind,
            actor: Actor::Engine,
            title: title.into(),
            text: String::new(),
            command: None,
            rung: None,
        }
    }

    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    pub(crate) fn by(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    pub(crate) fn rung(mut self, rung: Rung) -> Self {
        self.rung = Some(rung);
        self
    }

    pub(crate) fn command(mut self, command: CommandId) -> Self {
        self.command = Some(command);
        self
    }

    pub(crate) fn entry(self, incident: IncidentId, at: UnixMs, frame: u64) -> TimelineEntry {
        TimelineEntry {
            incident,
            at,
            actor: self.actor,
            kind: self.kind.to_owned(),
            title: self.title,
            text: self.text,
            frame,
            command: self.command,
            rung: self.rung,
        }
    }
}

/// What counts as one thing over time: a rule, a subject and a code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint {
    pub(crate) rule: String,
    pub(crate) charger: mendpoint_model::ChargerKey,
    pub(crate) connector: ConnectorRef,
    pub(crate) code: String,
}

impl Fingerprint {
    pub(crate) fn of(incident: &Incident) -> Self {
        Self {
            rule: incident.rule.clone(),
            charger: incident.charger,
            connector: incident.connector,
            code: incident.code.clone(),
        }
    }
}
