//! The run of a playbook: one step after the other, each through precheck, command, answer, watch
//! and outcome (1.6).

use mendpoint_model::{
    Action, CommandAnswered, CommandOutcome, ConnectorStatus, HealMode, IncidentState, Rung, Step,
    StepState, Transaction, UnixMs,
};

use crate::case::{Case, Line};
use crate::engine::{Cx, Engine};
use crate::guardrail::{Question, Verdict, judge, may_deliver};
use crate::heal::beyond::{Next, PATIENCE_MS};
use crate::heal::ladder::{first_action, fits, rung_at};
use crate::heal::verify::{Look, View, look};
use crate::permits::Held;
use crate::predicate::{connector_state, is_in_doubt};
use crate::rule::{Condition, Occurrence};
use crate::words::subject_words;
use mendpoint_model::IncidentId;

/// How often a wait without a known end is looked at again, besides when something comes in.
const POLL_MS: i64 = 30_000;
/// The most turns of one look: a ladder has eight rungs and each few states.
const TURNS_MAX: usize = 64;
/// The most steps of an incident that comes back again and again: then it is a person's
/// (behaviours 68, 71).
const STEPS_MAX: usize = 64;
/// How much longer than the gateway an answer is waited for, in case its news is lost.
const ANSWER_SLACK_MS: i64 = 5_000;

/// What one turn of a run says.
enum Turn {
    /// Something changed: look again at once.
    Again,
    /// Nothing to do until then, or until something comes in.
    Sleep(Option<UnixMs>),
}

impl Engine {
    /// Goes on with a case's healing as far as possible now; says when to look again.
    pub(crate) fn run_case(&mut self, cx: &Cx<'_>, id: IncidentId) -> Option<UnixMs> {
        for _ in 0..TURNS_MAX {
            match self.turn(cx, id) {
                Turn::Again => {}
                Turn::Sleep(at) => return at,
            }
        }
        None
    }

    fn turn(&mut self, cx: &Cx<'_>, id: IncidentId) -> Turn {
        let Some(case) = self.cases.get(&id) else { return Turn::Sleep(None) };
        match case.step().map(|step| step.state) {
            Some(StepState::Sent) => self.turn_sent(cx, id),
            Some(StepState::Verifying) => self.turn_verifying(cx, id),
            Some(StepState::Waiting) if case.is_healing() => self.turn_waiting(cx, id),
            None if case.is_healing() => self.turn_next(cx, id),
            _ => Turn::Sleep(None),
        }
    }

    /// Chooses the next rung, or ends the run.
    fn turn_next(&mut self, cx: &Cx<'_>, id: IncidentId) -> Turn {
        self.danger_first(cx, id);
        let Some(case) = self.cases.get_mut(&id) else { return Turn::Sleep(None) };
        let at = case.incident.connector;
        let Some(healing) = case.incident.healing.as_mut() else { return Turn::Sleep(None) };
        let next = rung_at(healing, case.run.position).filter(|_| healing.steps.len() < STEPS_MAX);
        let Some(rung) = next else {
            self.exhausted(cx, id);
            return Turn::Sleep(None);
        };
        let mode = healing.mode;
        let next = self.choose_rung(cx, id, rung);
        let rung = next.rung;
        let fetches = next.left_out.is_none()
            && mode != HealMode::Shadow
            && self.wants_diagnostics(cx, id, rung);
        let next =
            if fetches { Next { rung: Rung::D, why: String::new(), left_out: None } } else { next };
        let rung = next.rung;
        let Some(case) = self.cases.get_mut(&id) else { return Turn::Sleep(None) };
        case.run.position += usize::from(!fetches);
        if !fits(rung, at) {
            return Turn::Again;
        }
        let Some(healing) = case.incident.healing.as_mut() else { return Turn::Sleep(None) };
        let number = healing.steps.len() as u32 + 1;
        let state = match mode {
            _ if next.left_out.is_some() => StepState::Waiting,
            HealMode::Shadow => StepState::Shadowed,
            // Waiting and looking need nobody's leave.
            HealMode::Approve if !matches!(rung, Rung::L0 | Rung::D | Rung::L7) => {
                StepState::AwaitingApproval
            }
            _ => StepState::Waiting,
        };
        let ended_at = state.is_over().then_some(cx.now);
        healing.steps.push(Step {
            number,
            rung,
            state,
            at: cx.now,
            commands: Vec::new(),
            accepted_at: None,
            ended_at,
            note: String::new(),
            guardrail: String::new(),
            why: next.why.clone(),
        });
        case.run.begin_step();
        if let Some((guardrail, why)) = next.left_out {
            self.set_guardrail(id, guardrail);
            self.end_step(cx, id, StepState::Skipped, &why);
            return Turn::Again;
        }
        if !next.why.is_empty() {
            let title = format!("Next: {}", rung.label().to_lowercase());
            self.say(cx, id, Line::new("step_chosen", title).text(next.why).rung(rung));
        }
        // Nobody is asked to approve what is of no use.
        if state == StepState::AwaitingApproval
            && let Some(why) = self.left_out(cx, id, rung)
        {
            self.end_step(cx, id, StepState::Skipped, &why);
            return Turn::Again;
        }
        match state {
            StepState::Shadowed => {
                let label = rung.label();
                let note = format!("Would have been done: {}", label.to_lowercase());
                self.set_note(id, &note);
                let line = Line::new("step_shadowed", format!("Shadow mode: {label} not sent"))
                    .text("The rule only writes down what it would do.")
                    .rung(rung);
                self.say(cx, id, line);
                self.stop_run(id);
                if let Some(rule) = self.cases.get(&id).map(|case| case.incident.rule.clone()) {
                    self.permits.lock().shadowed(cx.now, &rule);
                    self.has_news = true;
                }
                self.exhausted(cx, id);
                Turn::Sleep(None)
            }
            StepState::AwaitingApproval => {
                self.set_note(id, "Waits for a person to approve it");
                let next = format!("Waits for approval: {}", rung.label().to_lowercase());
                if let Some(case) = self.cases.get_mut(&id) {
                    case.incident.needs_person = true;
                    case.incident.next.clone_from(&next);
                    case.incident.next_at = None;
                }
                let line = Line::new("approval_asked", next).rung(rung);
                self.say(cx, id, line);
                Turn::Sleep(None)
            }
            _ => Turn::Again,
        }
    }

    /// Precheck: may it be done now?
    fn turn_waiting(&mut self, cx: &Cx<'_>, id: IncidentId) -> Turn {
        let Some(case) = self.cases.get(&id) else { return Turn::Sleep(None) };
        let Some(rung) = case.step().map(|step| step.rung) else { return Turn::Sleep(None) };
        let gone = self.condition_now(cx, id) == Some(false);
        if gone && !case.by_attempt && !self.counts(id) {
            self.hold_step(cx, id, "Waits: it is gone, watching whether it stays gone", None, "");
            return Turn::Sleep(None);
        }
        if rung == Rung::L0 {
            self.begin_waiting(cx, id);
            return Turn::Again;
        }
        if rung == Rung::L7 {
            let proposal = self.firmware_proposal(id);
            self.end_step(cx, id, StepState::Done, &proposal);
            return Turn::Again;
        }
        if let Some(why) = self.left_out(cx, id, rung) {
            self.end_step(cx, id, StepState::Skipped, &why);
            return Turn::Again;
        }
        let verdict = match self.ask_guardrails(cx, id, rung) {
            Verdict::Go => self.ask_permit(cx, id, rung),
            other => other,
        };
        match verdict {
            Verdict::Go => {
                self.send_step(cx, id, rung);
                Turn::Again
            }
            Verdict::Wait(held) => {
                if self.waited_too_long(cx, id) {
                    let reason = held.why;
                    self.set_guardrail(id, held.guardrail);
                    self.end_step(cx, id, StepState::Skipped, &format!("Not done: {reason}"));
                    self.stop_run(id);
                    let words =
                        crate::duration::duration_words(self.settings.guardrails.wait_max_ms);
                    self.escalate(cx, id, &format!("The repair waited for {words}: {reason}."));
                    return Turn::Sleep(None);
                }
                let until = held.until;
                self.hold_step(cx, id, &format!("Waits: {}", held.why), until, held.guardrail);
                let poll = cx.now + crate::duration::paced(POLL_MS, self.settings.pace);
                Turn::Sleep(Some(until.map_or(poll, |at| at.min(poll)).max(cx.now + 1)))
            }
            Verdict::StopFirst(transaction) => {
                self.stop_stuck(cx, id, &transaction);
                Turn::Again
            }
            Verdict::Forbid(held) => {
                self.set_guardrail(id, held.guardrail);
                self.end_step(cx, id, StepState::Skipped, &held.why);
                Turn::Again
            }
        }
    }

    /// Whether a step waits for so long that a person had better know. An offline charger is
    /// another matter: it has an incident of its own, and nothing can be known of it (`blind`).
    fn waited_too_long(&self, cx: &Cx<'_>, id: IncidentId) -> bool {
        let Some(case) = self.cases.get(&id) else { return false };
        let charger = cx.fleet.charger(case.incident.charger);
        let is_online = charger.is_some_and(|charger| charger.link.connected);
        // A wait for a quiet hour is no trouble.
        let patient = case.run.patient_until;
        let waits_since = case.step().map(|step| step.at.max(patient.unwrap_or(step.at)));
        let is_old = |at: UnixMs| cx.now.since_ms(at) >= PATIENCE_MS;
        if patient.is_some() && case.step().is_some_and(|step| is_old(step.at)) {
            return true;
        }
        let planned = self.maintenance_until(case.incident.site, case.incident.charger);
        is_online
            && planned.is_none_or(|until| until <= cx.now)
            && waits_since
                .is_some_and(|at| cx.now.since_ms(at) >= self.settings.guardrails.wait_max_ms)
    }

    fn ask_guardrails(&self, cx: &Cx<'_>, id: IncidentId, rung: Rung) -> Verdict {
        let gone = || {
            let why = "the charger is unknown".to_owned();
            Verdict::Wait(Held { guardrail: "", why, until: None })
        };
        let Some(case) = self.cases.get(&id) else { return gone() };
        let incident = &case.incident;
        let Some(charger) = cx.fleet.charger(incident.charger) else { return gone() };
        let Some(watch) = self.watches.get(&incident.charger) else { return gone() };
        if let Some(until) = watch.full_until.filter(|until| cx.now < *until) {
            let why = "too many commands wait for the charger already".to_owned();
            return Verdict::Wait(Held { guardrail: "", why, until: Some(until) });
        }
        let code = self.code_now(cx, case);
        let freed_at = case.run.freed_at.or_else(|| {
            // Sent before a restart of ours: not a second time.
            let step = case.step()?;
            step.commands.iter().any(|(id, _)| id.0.ends_with("-0")).then_some(step.at)
        });
        let evse_only = self.resets_evse(cx, id, rung);
        let last_of = self.last_of(cx, case, rung, evse_only);
        let question = Question {
            evse_only,
            last_of: last_of.as_deref(),
            ground_reset: rung == Rung::L4 && self.may_reset_ground(cx, case),
            now: cx.now,
            rung,
            at: incident.connector,
            code: &code,
            incident: id,
            charger,
            actions: &watch.actions,
            switched_off: self
                .switched_off(incident.site, incident.charger)
                .or_else(|| self.held(cx.now))
                .or_else(|| self.contested(watch)),
            maintenance_until: self.maintenance_until(incident.site, incident.charger),
            other_running: watch.cases.iter().any(|other| {
                *other != id && self.cases.get(other).is_some_and(crate::case::Case::is_acting)
            }),
            site_running: self.site_running(cx, incident.site, incident.charger),
            site_size: cx.fleet.of_site(incident.site).len(),
            connected: watch.reaches(cx.now, &charger.link),
            // What began after it connected was told after it connected.
            told: [case.run.told_at, Some(case.incident.began_at)]
                .into_iter()
                .flatten()
                .any(|at| Some(at) >= charger.link.since),
            danger: self.other_danger(cx, watch, id),
            restarts: self.restarts_by_itself(watch),
            authorised_at: watch.attempts.as_ref().and_then(|log| log.authorised_at),
            freed_at,
        };
        judge(&self.settings.guardrails, &question)
    }

    /// Why nothing is sent to a charger whose identity two devices use (behaviour 4).
    pub(crate) fn contested(&self, watch: &crate::case::Watch) -> Option<&'static str> {
        let is_contest = |id: &IncidentId| {
            let case = self.cases.get(id).filter(|case| !case.incident.state.is_over())?;
            match &self.program.rules[usize::from(case.rule?)].condition {
                Condition::Count(count) => {
                    (count.kind == Occurrence::IdentityContested).then_some(())
                }
                _ => None,
            }
        };
        let why = "two devices use its identity, and nobody knows which one would get it";
        watch.cases.iter().find_map(is_contest).map(|()| why)
    }

    /// Whether an open incident of the charger forbids resets (`BOOT_LOOP`).
    pub(crate) fn restarts_by_itself(&self, watch: &crate::case::Watch) -> bool {
        watch.cases.iter().any(|id| {
            let case = self.cases.get(id).filter(|case| !case.incident.state.is_over());
            let place = case.and_then(|case| case.rule);
            place.is_some_and(|place| self.program.rules[usize::from(place)].forbids_reset)
        })
    }

    /// A matter of safety among the other open incidents of a charger: one that is held out of
    /// service reports its fault no longer.
    fn other_danger<'a>(
        &'a self,
        cx: &Cx<'_>,
        watch: &'a crate::case::Watch,
        id: IncidentId,
    ) -> Option<&'a str> {
        let others = watch.cases.iter().filter(|other| **other != id);
        others.filter_map(|other| self.cases.get(other)).find_map(|case| {
            let incident = &case.incident;
            let over =
                incident.state.is_over() || incident.state == IncidentState::RecoveredUnproven;
            let code = incident.code.as_str();
            (!over && incident.opened_at <= cx.now && crate::codes::is_safety(code)).then_some(code)
        })
    }

    /// L0: nothing is sent, time passes.
    fn begin_waiting(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let wait_ms = self.wait_ms(id);
        let Some(case) = self.cases.get_mut(&id) else { return };
        if let Some(step) = case.step_mut() {
            step.state = StepState::Verifying;
            step.at = cx.now;
            step.accepted_at = Some(cx.now);
            "Waiting whether it goes away by itself".clone_into(&mut step.note);
        }
        case.incident.state = IncidentState::Healing;
        let words = crate::duration::duration_words(wait_ms);
        let line =
            Line::new("step_sent", format!("Waiting {words} whether it goes away by itself"))
                .rung(Rung::L0);
        self.say(cx, id, line);
    }

    /// Sent: waits for the answer. The answers themselves come in by [`Engine::answered`].
    fn turn_sent(&mut self, cx: &Cx<'_>, id: IncidentId) -> Turn {
        let Some(case) = self.cases.get(&id) else { return Turn::Sleep(None) };
        let Some(step) = case.step() else { return Turn::Sleep(None) };
        let answered = step.commands.last().is_some_and(|(_, outcome)| outcome.is_some());
        if step.rung == Rung::L3 && answered {
            return self.turn_cycle(cx, id);
        }
        let sent_at = case.run.sent_at.unwrap_or(step.at);
        let waits_from = self.lag.waits_from(sent_at);
        let until = waits_from + self.settings.command_timeout_ms + ANSWER_SLACK_MS;
        if cx.now < until {
            return Turn::Sleep(Some(until));
        }
        let Some((command, None)) = step.commands.last().cloned() else {
            return Turn::Sleep(None);
        };
        let outcome = CommandOutcome::TimedOut;
        let answer = CommandAnswered { command, outcome, late: false };
        self.answered(cx, 0, &answer);
        Turn::Again
    }

    /// L3 between switching off and switching on.
    fn turn_cycle(&mut self, cx: &Cx<'_>, id: IncidentId) -> Turn {
        let Some(case) = self.cases.get(&id) else { return Turn::Sleep(None) };
        let Some(step) = case.step() else { return Turn::Sleep(None) };
        let (at, key) = (case.incident.connector, case.incident.charger);
        let off_at = case.run.sent_at.unwrap_or(step.at);
        let Some(charger) = cx.fleet.charger(key) else { return Turn::Sleep(None) };
        if !charger.link.connected || self.lag.holds().is_some() {
            // Switched on again when it comes back, or when we are in time again.
            return Turn::Sleep(None);
        }
        let seen = connector_state(charger, at)
            .is_some_and(|state| state.status == ConnectorStatus::Unavailable);
        let until = off_at + self.settings.unavailable_ms;
        if !seen && cx.now < until {
            return Turn::Sleep(Some(until));
        }
        self.switch_on(cx, id);
        Turn::Again
    }

    /// Accepted: is it better?
    fn turn_verifying(&mut self, cx: &Cx<'_>, id: IncidentId) -> Turn {
        let condition = self.condition_now(cx, id);
        let counts = self.counts(id);
        let wait_ms = self.wait_ms(id);
        if let Some(why) = self.is_worse_already(id) {
            self.end_step(cx, id, StepState::Worse, &why);
            self.worse(cx, id);
            return Turn::Sleep(None);
        }
        let rung = self.cases.get(&id).and_then(Case::step).map_or(Rung::L0, |step| step.rung);
        let evse_only = self.resets_evse(cx, id, rung);
        let Some(case) = self.cases.get_mut(&id) else { return Turn::Sleep(None) };
        let Some(step) = case.step().cloned() else { return Turn::Sleep(None) };
        let charger = cx.fleet.charger(case.incident.charger);
        let status = charger
            .and_then(|charger| connector_state(charger, case.incident.connector))
            .map_or(ConnectorStatus::Unknown, |state| state.status);
        let view = View {
            now: cx.now,
            settings: &self.settings,
            connected: charger.is_some_and(|charger| charger.link.connected),
            condition,
            unusable: status == ConnectorStatus::Unavailable,
            counts,
            status: status.name(),
            wait_ms,
            boot_ms: case.run.boot_ms.unwrap_or(self.settings.boot_ms),
            evse_only,
            upload: charger
                .and_then(|charger| charger.diagnostics_status.as_ref())
                .filter(|(at, _)| *at >= step.at)
                .map(|(_, word)| word.as_ref()),
        };
        match look(&step, &mut case.run, &view) {
            Look::Pending { wake, next } => {
                let state = if matches!(step.rung, Rung::L0 | Rung::D) {
                    IncidentState::Healing
                } else {
                    IncidentState::Verifying
                };
                let incident = &mut case.incident;
                if incident.next != next || incident.state != state || incident.next_at != wake {
                    incident.next = next;
                    incident.next_at = wake;
                    incident.state = state;
                    self.dirty.insert(id);
                }
                Turn::Sleep(wake)
            }
            Look::Done(state, note) => {
                let (state, note) = self.with_harm(cx, id, step.rung, (state, note));
                self.end_step(cx, id, state, &note);
                match state {
                    _ if step.rung == Rung::D => Turn::Again,
                    StepState::Fixed | StepState::Unknown if condition == Some(false) => {
                        let fixed = state == StepState::Fixed && step.rung != Rung::Q;
                        self.recovered(cx, id, fixed.then_some(step.rung));
                        Turn::Sleep(None)
                    }
                    StepState::Worse => {
                        self.worse(cx, id);
                        Turn::Sleep(None)
                    }
                    _ => Turn::Again,
                }
            }
        }
    }

    /// Whether a charger starts again and again since a step (G9).
    fn is_worse_already(&self, id: IncidentId) -> Option<String> {
        let case = self.cases.get(&id)?;
        let step = case.step().filter(|step| crate::guardrail::acts(step.rung))?;
        let asked_for = u32::from(matches!(step.rung, Rung::L4 | Rung::L5 | Rung::L6P));
        let by_itself = case.run.boots.saturating_sub(asked_for);
        (by_itself >= self.settings.guardrails.boot_loop)
            .then(|| format!("It started {by_itself} times by itself since"))
    }

    /// A step that did not help and after which more is out of order made it worse (G9).
    fn with_harm(
        &self,
        cx: &Cx<'_>,
        id: IncidentId,
        rung: Rung,
        (state, note): (StepState, String),
    ) -> (StepState, String) {
        let Some(case) = self.cases.get(&id) else { return (state, note) };
        let bad = Self::bad_connectors(cx, case.incident.charger);
        match case.run.bad_before {
            Some(before)
                if state == StepState::NotFixed && crate::guardrail::acts(rung) && bad > before =>
            {
                (StepState::Worse, format!("{} {note}", more_broken(bad, before)))
            }
            _ => (state, note),
        }
    }

    /// Whether the condition of a case's rule holds now. `None`: it cannot be seen.
    pub(crate) fn condition_now(&self, cx: &Cx<'_>, id: IncidentId) -> Option<bool> {
        let case = self.cases.get(&id)?;
        let charger = cx.fleet.charger(case.incident.charger)?;
        let rule = self.watches.get(&case.incident.charger)?.rule(&self.program, case.rule?);
        if !charger.link.connected && !rule.judges_link() {
            return None;
        }
        match &rule.condition {
            Condition::State { .. }
                if rule.judges_charge() && is_in_doubt(charger, case.incident.connector) =>
            {
                None
            }
            Condition::State { when, .. } if !rule.judges_silence() => {
                // A fault of the whole charger may have joined it: then there are two places.
                let watch = self.watches.get(&case.incident.charger);
                let others = watch.into_iter().flat_map(|watch| &watch.alerts);
                let mut places = others
                    .filter(|alert| alert.incident() == Some(id))
                    .map(|alert| alert.at)
                    .chain([case.incident.connector]);
                Some(places.any(|at| when.holds(&self.subject(cx, charger, at)).at(cx.now)))
            }
            _ => {
                let faulted = charger
                    .connectors
                    .iter()
                    .any(|connector| connector.status == ConnectorStatus::Faulted);
                Some(faulted || case.run.failed_since)
            }
        }
    }

    /// Whether a case's rule counts things instead of looking at a state. A silence is something
    /// counted too: no look at the charger shows whether it is over, only the next charge does.
    pub(crate) fn counts(&self, id: IncidentId) -> bool {
        let rule = self.cases.get(&id).and_then(|case| case.rule);
        rule.is_some_and(|rule| {
            let rule = &self.program.rules[usize::from(rule)];
            !matches!(rule.condition, Condition::State { .. }) || rule.judges_silence()
        })
    }

    /// How long L0 waits in a case.
    fn wait_ms(&self, id: IncidentId) -> i64 {
        self.cases
            .get(&id)
            .and_then(|case| {
                let playbook = self.program.playbook(&case.healing()?.playbook)?;
                Some(playbook.wait_ms(&case.incident.code))
            })
            .unwrap_or(0)
    }

    /// What there is to say when a charger answers that it does not do it.
    pub(crate) fn blocked_words(outcome: &CommandOutcome) -> String {
        match outcome {
            CommandOutcome::Answered { status, .. } => format!("The charger answered {status}"),
            CommandOutcome::Refused { code, description } if description.is_empty() => {
                format!("The charger answered {code}")
            }
            CommandOutcome::Refused { code, description } => {
                format!("The charger answered {code}: {description}")
            }
            CommandOutcome::TimedOut => "The charger did not answer".to_owned(),
            CommandOutcome::NotConnected => "The connection was lost before the answer".to_owned(),
            CommandOutcome::Expired => "It could not be sent in time".to_owned(),
            CommandOutcome::QueueFull => "Too many commands wait for the charger".to_owned(),
            CommandOutcome::Unsupported(why) | CommandOutcome::Dropped(why) => why.clone(),
        }
    }

    /// Whether a rung takes the connector out of service, in words.
    pub(crate) fn held_words(at: mendpoint_model::ConnectorRef) -> String {
        format!("{} is out of service, no new driver can start", subject_words(at))
    }

    /// What a rung sends, for a case.
    pub(crate) fn action_of(&self, cx: &Cx<'_>, id: IncidentId, rung: Rung) -> Option<Action> {
        if rung == Rung::D {
            return self.diagnostics_action(id);
        }
        if rung == Rung::S {
            return self.stop_action(cx, id);
        }
        let at = self.cases.get(&id)?.incident.connector;
        match first_action(rung, at)? {
            Action::Reset { hard, .. } if self.resets_evse(cx, id, rung) => {
                Some(Action::Reset { hard, evse: Some(at.evse) })
            }
            action => Some(action),
        }
    }

    /// The stuck charge that a step stops.
    fn stop_action(&self, cx: &Cx<'_>, id: IncidentId) -> Option<Action> {
        let stuck = self.stuck_charge(cx, id)?;
        Some(Action::RemoteStop {
            transaction: stuck.id,
            external_id: stuck.external_id.to_string(),
        })
    }

    /// The charge of a case that delivers nothing.
    pub(crate) fn stuck_charge<'a>(&self, cx: &Cx<'a>, id: IncidentId) -> Option<&'a Transaction> {
        let incident = &self.cases.get(&id)?.incident;
        let at = incident.connector;
        let charger = cx.fleet.charger(incident.charger)?;
        let mut open = charger.transactions.iter();
        open.find(|tx| (at.is_charger() || tx.connector == at) && !may_deliver(charger, tx))
    }
}

/// That more connectors are out of order than before, in a sentence.
fn more_broken(bad: usize, before: usize) -> String {
    let connectors = |number| if number == 1 { "connector is" } else { "connectors are" };
    let were = if before == 1 { "was" } else { "were" };
    format!("{bad} {} out of order, and {before} {were} before.", connectors(bad))
}

#[cfg(test)]
mod tests {
    use super::more_broken;

    #[test]
    fn one_connector_was_and_two_were() {
        assert_eq!(more_broken(1, 0), "1 connector is out of order, and 0 were before.");
        assert_eq!(more_broken(2, 1), "2 connectors are out of order, and 1 was before.");
        assert_eq!(more_broken(3, 2), "3 connectors are out of order, and 2 were before.");
    }
}
