//! From news to alerts: which rules an event concerns, and what they make of it.

use mendpoint_model::{
    ChargerEvent, ChargerKey, ChargerState, CommandOutcome, ConnectorRef, EventKind, Fact,
    IncidentId, Transport, UnixMs,
};

use crate::alert::{Alert, Next, Phase};
use crate::attempts::{AttemptNews, NewsKind};
use crate::correlate::NOBODYS;
use crate::engine::{Cx, Engine};
use crate::news::{Happening, focus_of, happenings, inputs_of, is_late};
use crate::predicate::{Holds, Inputs, Subject};
use crate::program::{News, Program};
use crate::repeats::repeated;
use crate::rule::{ClearWay, Condition, Occurrence, Scope};
use crate::timers::Timer;
use crate::whole::Cleared;

/// How long nothing more is queued for a charger whose queue was full.
const FULL_MS: i64 = 30_000;
/// How often an end is looked for again while we are late.
pub(crate) const LATE_POLL_MS: i64 = 10_000;

/// Whether an event is a status without an error or a reading, and nothing followed from it that
/// anything but rules would hear.
fn is_plain(event: &ChargerEvent, facts: &[Fact]) -> bool {
    let plain = match &event.kind {
        EventKind::Status(report) => report.error.is_none(),
        EventKind::Meter(_) => true,
        _ => false,
    };
    plain
        && facts.iter().all(|fact| {
            matches!(
                fact,
                Fact::StatusChanged { .. } | Fact::StatusRepeated { .. } | Fact::Metered { .. }
            )
        })
}

impl Engine {
    /// One event: signals, answers, attempts, alerts, cases, in this order.
    pub(crate) fn take_in(&mut self, cx: &Cx<'_>, event: &ChargerEvent, facts: &[Fact]) {
        let key = event.charger;
        let inputs = inputs_of(event, facts);
        let is_answer = matches!(event.kind, EventKind::CommandAnswered(_));
        if inputs == Inputs::MESSAGE && facts.is_empty() && !is_answer {
            // A sign of life, the most frequent event by far: it matters only where something is
            // wrong already.
            if !self.watches.heeds(key) {
                return;
            }
        }
        let watch = self.watches.entry(key).or_default();
        watch.site = event.site;
        let mut inputs = inputs;
        if inputs.meets(Inputs::CLOCK)
            && let Some(charger) = cx.fleet.charger(key)
            && !watch.skew.is_news(charger.clock_skew_ms)
        {
            inputs.remove(Inputs::CLOCK);
        }
        match repeated(event, facts) {
            Some(at) if watch.is_quiet() && !watch.is_hot() => {
                if watch.repeats.again(at) {
                    inputs.remove(Inputs::STATUS);
                    if inputs == Inputs::MESSAGE {
                        return;
                    }
                }
            }
            _ => watch.repeats.forget(),
        }
        if is_plain(event, facts) && watch.is_quiet() {
            // The next most frequent ones, where nothing is going on.
            self.note_memory(cx, key, facts);
            self.evaluate_all(cx, key, focus_of(event, facts), inputs);
            self.happen(cx, key, &happenings(event, facts));
            self.tend_charger(cx, key);
            return;
        }
        if let EventKind::CommandAnswered(answer) = &event.kind {
            match answer.outcome {
                CommandOutcome::NotConnected => watch.lost_at = Some(cx.now),
                CommandOutcome::QueueFull => watch.full_until = Some(cx.now + FULL_MS),
                _ => {}
            }
        }
        self.note_member(cx, key, facts);
        self.note_signals(cx, event);
        if let EventKind::CommandAnswered(answer) = &event.kind {
            self.note_call(cx, key, answer);
        }
        if facts.iter().any(|fact| matches!(fact, Fact::Booted { changed: true }))
            && let Some(watch) = self.watches.get_mut(&key)
        {
            // Another firmware, or another device: what it lacks is to be found out anew.
            watch.lacks.clear();
        }
        self.note_calls_link(cx, key, facts);
        self.note_memory(cx, key, facts);
        if let EventKind::CommandAnswered(answer) = &event.kind
            && !self.answered(cx, event.epoch, answer)
        {
            self.probe_answered(cx, key, &answer.command, &answer.outcome);
        }
        let mut news = Vec::new();
        self.observe_attempts(cx, event, facts, &mut news);
        let focus = focus_of(event, facts);
        self.note_cases(cx, event, facts);
        self.evaluate_all(cx, key, focus, inputs);
        if facts.iter().any(|fact| matches!(fact, Fact::TransactionClosed { historical: true, .. }))
        {
            self.look_at_open(cx, key);
        }
        let mut happened = happenings(event, facts);
        if matches!(&event.kind, EventKind::Connected(connected) if connected.replaced)
            && self.watches.get(&key).is_some_and(|watch| self.contested(watch).is_some())
        {
            // They still take turns (behaviour 4).
            let (kind, connector) = (Occurrence::IdentityContested, ConnectorRef::CHARGER);
            happened.push(Happening { kind, connector, id_token: Box::default() });
        }
        if let EventKind::Security(report) = &event.kind
            && report.at.is_some_and(|at| is_late(cx, key, at))
        {
            // It waited in the charger: the log of security events has it, nobody is called (1.2).
            happened.retain(|item| item.kind != Occurrence::SecurityAlarm);
        }
        if let EventKind::Boot(boot) = &event.kind
            && let Some(charger) = cx.fleet.charger(key)
            && let Some(watch) = self.watches.get_mut(&key)
            && watch.is_unasked_boot(cx.now, event.epoch, boot.reason.as_deref(), charger)
        {
            happened.push(Happening::of(Occurrence::BootUnasked));
        }
        self.happen(cx, key, &happened);
        if matches!(event.kind, EventKind::IdentityContested(_)) {
            // The incident may be of just now.
            self.note_cases(cx, event, &[]);
        }
        self.attempt_news(cx, key, &news);
        self.tend_charger(cx, key);
    }

    /// Warnings without a number, and readings.
    fn note_signals(&mut self, cx: &Cx<'_>, event: &ChargerEvent) {
        let Some(watch) = self.watches.get_mut(&event.charger) else { return };
        match &event.kind {
            EventKind::Signal(reading) => {
                watch.signals.get_or_insert_default().read(cx.now, reading);
            }
            EventKind::Status(report) => {
                let Some(error) = &report.error else { return };
                let is_late = report.at.is_some_and(|at| is_late(cx, event.charger, at));
                if crate::codes::normalise_error(error) == "WeakSignal" && !is_late {
                    let boot = cx.fleet.charger(event.charger).and_then(|c| c.boot.as_deref());
                    let log = watch.signals.get_or_insert_default();
                    let transport = log.transport_of(error, boot);
                    log.warn(cx.now, transport);
                }
            }
            EventKind::Fault(fault) => {
                let weak = crate::codes::normalise_fault(fault) == "WeakSignal" && fault.active;
                let is_late = fault.at.is_some_and(|at| is_late(cx, event.charger, at));
                if weak && !is_late {
                    let boot = cx.fleet.charger(event.charger).and_then(|c| c.boot.as_deref());
                    let error = mendpoint_model::ErrorReport {
                        code: "WeakSignal".to_owned(),
                        info: fault.info.clone(),
                        ..Default::default()
                    };
                    let log = watch.signals.get_or_insert_default();
                    let transport: Transport = log.transport_of(&error, boot);
                    log.warn(cx.now, transport);
                }
            }
            _ => {}
        }
    }

    fn observe_attempts(
        &mut self,
        cx: &Cx<'_>,
        event: &ChargerEvent,
        facts: &[Fact],
        news: &mut Vec<AttemptNews>,
    ) {
        let times = self.attempt_times();
        let Some(charger) = cx.fleet.charger(event.charger) else { return };
        let Some(watch) = self.watches.get_mut(&event.charger) else { return };
        let concerned = facts
            .iter()
            .any(|fact| matches!(fact, Fact::Authorized { .. } | Fact::TransactionOpened(_)));
        if watch.attempts.is_none() && !concerned {
            return;
        }
        let log = watch.attempts.get_or_insert_default();
        if let EventKind::CommandAnswered(answer) = &event.kind {
            log.command_ended(cx.now, &answer.command, &answer.outcome, charger, news);
        }
        for fact in facts {
            log.observe(cx.now, fact, charger, times, news);
        }
        self.arm_attempts(event.charger);
    }

    pub(crate) fn arm_attempts(&mut self, key: ChargerKey) {
        let Some(log) = self.watches.get_mut(&key).and_then(|watch| watch.attempts.as_mut()) else {
            return;
        };
        let at = log.next_check();
        self.timers.set(&mut log.armed, Timer::Attempts(key), at);
    }

    pub(crate) fn attempts_due(&mut self, cx: &Cx<'_>, key: ChargerKey) {
        let times = self.attempt_times();
        let mut news = Vec::new();
        if let Some(charger) = cx.fleet.charger(key)
            && let Some(log) = self.watches.get_mut(&key).and_then(|watch| watch.attempts.as_mut())
        {
            log.armed = None;
            log.advance(cx.now, charger, times, &mut news);
        }
        self.arm_attempts(key);
        self.attempt_news(cx, key, &news);
        self.tend_charger(cx, key);
    }

    /// What became known of attempts goes to counting rules and to proofs.
    fn attempt_news(&mut self, cx: &Cx<'_>, key: ChargerKey, news: &[AttemptNews]) {
        for item in news {
            if let NewsKind::Over(over) = item.kind {
                self.attempt_over(cx, key, item, over);
                continue;
            }
            self.tell_attempt(cx, key, item);
            let suspect = self.is_suspect(&item.id_token);
            self.prove(cx, key, item);
            let mut happened = Vec::with_capacity(2);
            let mut add = |kind| {
                let id_token = item.id_token.clone();
                happened.push(Happening { kind, connector: item.connector, id_token });
            };
            add(Occurrence::Attempt);
            match item.kind {
                NewsKind::Failed(why) => {
                    // A vehicle that fails everywhere is not the charger's fault (1.7).
                    if !suspect {
                        add(Occurrence::AttemptFailed);
                    }
                    if let Some(watch) = self.watches.get_mut(&key) {
                        watch.note_failure(cx.now, cx.frame, item.connector, why);
                    }
                }
                NewsKind::Succeeded(_) => add(Occurrence::AttemptSucceeded),
                NewsKind::Seen | NewsKind::Over(_) => {}
            }
            self.happen(cx, key, &happened);
        }
    }

    /// Looks at every rule that listens to this news.
    pub(crate) fn evaluate_all(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        focus: Option<ConnectorRef>,
        inputs: Inputs,
    ) {
        let program = std::sync::Arc::clone(&self.program);
        for (place, at) in self.due(cx, &program, key, focus, News::Of(inputs)) {
            self.evaluate_in(cx, &program, key, place, at);
        }
    }

    /// Looks at what fires about charges: one is over, as came late. That begins nothing (1.2), but
    /// what was open about it has its end.
    fn look_at_open(&mut self, cx: &Cx<'_>, key: ChargerKey) {
        let program = std::sync::Arc::clone(&self.program);
        let Some(watch) = self.watches.get(&key) else { return };
        let firing: smallvec::SmallVec<[(u16, ConnectorRef); 2]> = watch
            .alerts
            .iter()
            .filter(|alert| alert.incident().is_some())
            .filter(|alert| program.judges_charge[usize::from(alert.rule)])
            .map(|alert| (alert.rule, alert.at))
            .collect();
        for (place, at) in firing {
            self.evaluate_in(cx, &program, key, place, at);
        }
    }

    /// Looks at every rule that looks back on things of this kind.
    pub(crate) fn evaluate_kind(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        at: ConnectorRef,
        kind: Occurrence,
    ) {
        let program = std::sync::Arc::clone(&self.program);
        let focus = Some(at).filter(|at| !at.is_charger());
        for (place, at) in self.due(cx, &program, key, focus, News::Happened(kind)) {
            self.evaluate_in(cx, &program, key, place, at);
        }
    }

    /// Looks at one rule, wherever it may hold.
    pub(crate) fn evaluate_place(
        &mut self,
        cx: &Cx<'_>,
        program: &Program,
        (key, charger): (ChargerKey, &ChargerState),
        place: u16,
        scope: Scope,
        focus: Option<ConnectorRef>,
    ) {
        if scope == Scope::Charger {
            self.evaluate_in(cx, program, key, place, ConnectorRef::CHARGER);
            return;
        }
        for connector in &charger.connectors {
            if focus.is_none_or(|at| at.is_charger() || at == connector.at) {
                self.evaluate_in(cx, program, key, place, connector.at);
            }
        }
        if focus.is_none_or(ConnectorRef::is_charger) {
            self.evaluate_in(cx, program, key, place, ConnectorRef::CHARGER);
        }
    }

    /// Looks at one rule for one subject.
    pub(crate) fn evaluate(&mut self, cx: &Cx<'_>, key: ChargerKey, place: u16, at: ConnectorRef) {
        let program = std::sync::Arc::clone(&self.program);
        self.evaluate_in(cx, &program, key, place, at);
    }

    /// The same, for whoever holds the program already.
    fn evaluate_in(
        &mut self,
        cx: &Cx<'_>,
        program: &Program,
        key: ChargerKey,
        place: u16,
        at: ConnectorRef,
    ) {
        let Some(charger) = cx.fleet.charger(key) else { return };
        let Some(watch) = self.watches.get_mut(&key) else { return };
        // Nearly always the rule as it is; a charger with thresholds of its own holds its own.
        let own = watch.own_rule(place);
        let rule = own.as_deref().unwrap_or_else(|| &program.rules[usize::from(place)]);
        let found = watch.alert(place, at);
        if program.is_blind(place, charger, at) {
            self.blind(cx, key, place, at);
            return;
        }
        let firing = found.and_then(|index| watch.alerts[index].incident());
        if let Some(id) = firing {
            self.evaluate_firing(cx, key, place, at, id);
            return;
        }
        if !program.enabled[usize::from(place)] {
            return;
        }
        if matches!(rule.condition, Condition::Sequence { .. } | Condition::NotFollowed { .. }) {
            self.moment_due(cx, key, place, at);
            return;
        }
        let subject = Subject::watched(cx.now, charger, at, watch.signals.as_deref(), watch.calls)
            .remembering(watch.memory.as_deref(), self.cohorts.get(watch.cohort));
        let mut holds = match &rule.condition {
            Condition::State { when, .. } => when.holds(&subject),
            Condition::Absent { kind, .. } => match watch.last_at(*kind) {
                Some(last) => Holds { from: last, ..Holds::ALWAYS },
                None => Holds::ALWAYS,
            },
            Condition::Count(_) | Condition::Sequence { .. } | Condition::NotFollowed { .. } => {
                return;
            }
        };
        let is_excluded = holds != Holds::NEVER
            && rule.exclusions.iter().any(|part| part.holds(&subject).at(cx.now));
        if is_excluded {
            holds = Holds::NEVER;
        }
        if found.is_none() && (holds == Holds::NEVER || holds.until <= cx.now) {
            return;
        }
        let for_ms = rule.for_ms_of(&subject);
        let index = found.unwrap_or_else(|| {
            watch.alerts.push(Alert::new(place, at, rule.clears.len()));
            watch.alerts.len() - 1
        });
        let alert = &mut watch.alerts[index];
        // Silence of some kind is what it looks for: then a start of ours gives it grace.
        let grace = match (program.judges_link[usize::from(place)], self.lag.holds()) {
            (false, _) => UnixMs(i64::MIN),
            (true, None) => self.grace_until.max(watch.grace_until),
            (true, Some(_)) => self.grace_until.max(cx.now + LATE_POLL_MS),
        };
        // On an open connection silence is only a suspicion, which a probe settles. Once it has ended
        // the time counts from then: a charger that is quiet between heartbeats was not away.
        let since = charger.link.since.filter(|_| rule.probe && !charger.link.connected);
        let not_before = since.map_or(grace, |since| grace.max(since + for_ms));
        let next = alert.pend(holds, cx.now, for_ms, not_before);
        let timer = Timer::Alert(key, place, at);
        match next {
            Next::Drop => {
                self.timers.set(&mut alert.armed, timer, None);
                watch.alerts.remove(index);
            }
            Next::Wait(until) => {
                alert.phase = Phase::Pending;
                self.timers.set(&mut alert.armed, timer, Some(until.max(cx.now + 1)));
            }
            Next::Fire(began) => {
                let probing = matches!(alert.phase, Phase::Probing { .. });
                if rule.probe && charger.link.connected && !probing {
                    self.probe(cx, key, place, at);
                } else if !probing || !charger.link.connected {
                    self.fire(cx, key, place, at, began);
                }
            }
        }
    }

    /// A timer of an alert is due.
    pub(crate) fn alert_due(&mut self, cx: &Cx<'_>, key: ChargerKey, place: u16, at: ConnectorRef) {
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let Some(index) = watch.alert(place, at) else { return };
        let alert = &mut watch.alerts[index];
        if let Phase::Probing { sent_at, .. } = alert.phase {
            // No news of the probe at all: then there is no sign of life.
            self.probe_failed(cx, key, place, at, sent_at, cx.now + 1);
            return;
        }
        self.evaluate(cx, key, place, at);
        self.tend_charger(cx, key);
    }

    /// The truth is unknown: nothing begins, nothing ends (1.1).
    fn blind(&mut self, cx: &Cx<'_>, key: ChargerKey, place: u16, at: ConnectorRef) {
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let Some(index) = watch.alert(place, at) else { return };
        let counts = self.program.rules[usize::from(place)].counts();
        let alert = &mut watch.alerts[index];
        self.timers.set(&mut alert.armed, Timer::Alert(key, place, at), None);
        match alert.incident() {
            Some(id) => {
                alert.clear_since.fill(None);
                self.set_blind(cx, id, true);
            }
            // What was counted stays true while the charger is away.
            None if counts => {}
            None => {
                watch.alerts.remove(index);
            }
        }
    }

    fn set_blind(&mut self, _cx: &Cx<'_>, id: IncidentId, blind: bool) {
        if let Some(case) = self.cases.get_mut(&id)
            && case.incident.blind != blind
        {
            case.incident.blind = blind;
            self.dirty.insert(id);
        }
    }

    /// A rule that fires: does it still hold, and is it over?
    pub(crate) fn evaluate_firing(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        place: u16,
        at: ConnectorRef,
        id: IncidentId,
    ) {
        self.set_blind(cx, id, false);
        let program = std::sync::Arc::clone(&self.program);
        let Some(charger) = cx.fleet.charger(key) else { return };
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let rule = watch.rule(&program, place);
        let Some(index) = watch.alert(place, at) else { return };
        let subject = Subject::watched(cx.now, charger, at, watch.signals.as_deref(), watch.calls)
            .remembering(watch.memory.as_deref(), self.cohorts.get(watch.cohort));
        let mut again = false;
        if let Condition::State { when, .. } = &rule.condition {
            let holds = when.holds(&subject).at(cx.now);
            again = holds && !watch.alerts[index].holding;
            let alert = &mut watch.alerts[index];
            if alert.holding != holds {
                alert.gone_at = (!holds).then_some(cx.now);
            }
            alert.holding = holds;
        }
        // After a start of ours, what a rule remembers begins anew: nothing ends by that, until it was
        // watched for as long as it looks back.
        let restored_at = self.restored_at;
        let remembers = restored_at + rule.memory_ms <= cx.now;
        let fired_at = watch.alerts[index].began.unwrap_or(cx.now);
        let opened_at = self.cases.get(&id).map_or(fired_at, |case| case.incident.opened_at);
        // While we are late, the fault's return may wait for us: nothing ends (blind).
        let is_late = self.lag.holds().is_some();
        let mut cleared = None;
        let mut wake: Option<UnixMs> = None;
        let mut look_at = |at: UnixMs| wake = Some(wake.map_or(at, |other| other.min(at)));
        for (n, clear) in rule.clears.iter().enumerate() {
            let since = match &clear.way {
                ClearWay::When(when)
                    if !remembers
                        && when.memory_ms() > 0
                        && restored_at + when.memory_ms() > cx.now =>
                {
                    look_at(restored_at + when.memory_ms());
                    None
                }
                ClearWay::When(when) => {
                    let holds = when.holds(&subject);
                    if holds.at(cx.now) {
                        let from = if holds.from == UnixMs(i64::MIN) { cx.now } else { holds.from };
                        let kept = watch.alerts[index].clear_since[n].unwrap_or(from);
                        if holds.until < UnixMs(i64::MAX) {
                            look_at(holds.until);
                        }
                        Some(kept.max(holds.from))
                    } else {
                        if let Some(change) = holds.next_change(cx.now) {
                            look_at(change);
                        }
                        None
                    }
                }
                ClearWay::Absent(kind) => {
                    Some(watch.last_at(*kind).unwrap_or(opened_at).max(opened_at))
                }
                ClearWay::Person => None,
                ClearWay::Count { at_least, .. } => {
                    let counted = watch.alerts[index].clear_counts[n];
                    (counted >= *at_least).then_some(cx.now)
                }
            };
            watch.alerts[index].clear_since[n] = since;
            let Some(since) = since else { continue };
            if is_late {
                look_at(cx.now + LATE_POLL_MS);
            } else if since + clear.for_ms <= cx.now {
                cleared = cleared.or(Some(clear.unproven));
            } else {
                look_at(since + clear.for_ms);
            }
        }
        let armed = wake.map(|at| at.max(cx.now + 1));
        self.timers.set(&mut watch.alerts[index].armed, Timer::Alert(key, place, at), armed);
        let holds = watch.alerts[index].holding;
        let code = subject.code();
        if again {
            self.seen_again(cx, id);
        }
        let is_own = self.cases.get(&id).is_none_or(|case| case.incident.connector == at);
        if is_own {
            self.follow_code(cx, id);
        } else if holds
            && (self.must_leave(id, at, &code)
                || (at.is_charger() && !self.heed_whole(cx, id, &code)))
        {
            // It goes on as an incident of its own.
            self.leave_place(key, place, at);
            self.evaluate(cx, key, place, at);
            return;
        }
        if let Some(unproven) = cleared {
            if id == NOBODYS {
                self.member_over(cx.now, key, place, at);
                return;
            }
            match self.clear_place(key, place, at, id) {
                Cleared::Over => self.cleared(cx, id, unproven),
                Cleared::Look(own) => self.evaluate_firing(cx, key, place, own, id),
                Cleared::Waits => {}
            }
        }
    }
}
