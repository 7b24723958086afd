//! Commands of a run: sent after their intent is written (G11), answered once, never sent again.

use mendpoint_model::{
    Action, Command, CommandAnswered, CommandId, CommandOutcome, ConnectorRef, IncidentId,
    IncidentState, Origin, Rung, SECOND_MS, StepState, Transaction, TriggeredMessage, UnixMs,
};

use crate::case::Line;
use crate::duration::duration_words;
use crate::effect::Effect;
use crate::engine::{Cx, Engine};
use crate::guardrail::ActionRecord;
use crate::heal::ladder::{may_try_again, owes_switching_on, rung_at};
use crate::words::subject_words;

/// A connection that ends sooner after sending was over before a charger could reset itself.
const AT_ONCE_MS: i64 = 1_000;
/// How long after a failed try a connector is switched on again (L3).
const DEBT_RETRY_MS: i64 = 60_000;
/// How often switching on is tried before a person must do it.
const DEBT_TRIES_MAX: usize = 20;

/// How long after its decision a step may leave. A commit takes milliseconds.
const SEND_WITHIN_MS: i64 = 3 * SECOND_MS;

impl Engine {
    /// Sends the first command of the step that waited.
    pub(crate) fn send_step(&mut self, cx: &Cx<'_>, id: IncidentId, rung: Rung) {
        let action = self.action_of(cx, id, rung);
        let Some(case) = self.cases.get_mut(&id) else { return };
        let key = case.incident.charger;
        let is_ground = rung == Rung::L4 && case.incident.code == "GroundFailure";
        let at = case.incident.connector;
        let in_hand = matches!(
            case.incident.state,
            IncidentState::Escalated | IncidentState::Acknowledged | IncidentState::InProgress
        );
        // Only taking out of service goes on when a person has it already.
        if rung != Rung::Q || !in_hand {
            case.incident.state = IncidentState::Healing;
        }
        // What was seen while the step waited says nothing of its effect.
        case.run.begin_watch();
        case.run.bad_before = Some(Self::bad_connectors(cx, key));
        if matches!(rung, Rung::L4 | Rung::L5 | Rung::L6 | Rung::L6P) {
            case.run.boot_ms = Some(self.permits.lock().boot_ms(key));
        }
        if let Some(step) = case.step_mut() {
            step.state = StepState::Sent;
            step.at = cx.now;
            step.note = format!("{} decided", rung.label());
            step.guardrail.clear();
        }
        if let Some(watch) = self.watches.get_mut(&key) {
            let window = self.settings.guardrails.disruptive_window_ms;
            watch.actions.retain(|action| cx.now.since_ms(action.at) < window);
            watch.actions.push(ActionRecord {
                at: cx.now,
                rung,
                incident: id,
                connector: at,
                refused: false,
            });
            if crate::guardrail::acts(rung) {
                watch.attempts.get_or_insert_default().note_our_action(cx.now);
            }
        }
        if is_ground {
            self.permits.lock().note_ground_reset(cx.now, key);
            self.has_news = true;
        }
        match action {
            Some(action) => self.send_command(cx, id, action, 1),
            None if rung == Rung::L6P => self.switch_power(cx, id),
            None if rung == Rung::L1S => {
                self.tail.push(Effect::AskSignal(key));
                self.end_step(cx, id, StepState::Done, "Its signal is to be asked for");
            }
            None if rung == Rung::S => {
                self.end_step(cx, id, StepState::Skipped, "No charge is open there any more");
            }
            None if rung == Rung::C => self.close_stuck(cx, id),
            None => {
                // L6: the socket is closed, there is no answer to wait for.
                if let Some(step) = self.cases.get_mut(&id).and_then(|case| case.step_mut()) {
                    step.state = StepState::Verifying;
                    step.accepted_at = Some(cx.now);
                }
                self.tail.push(Effect::CloseSocket(key));
                self.say(
                    cx,
                    id,
                    Line::new("step_sent", "The connection is to be dropped").rung(rung),
                );
            }
        }
    }

    /// Asks the site's hook to switch the charger's power off and on.
    fn switch_power(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let (charger, site) = (case.incident.charger, case.incident.site);
        case.run.sent_at = Some(cx.now);
        let Some(step) = case.step_mut() else { return };
        let command = CommandId(format!("i{}-{}-1", id.0, step.number).into());
        step.commands.push((command.clone(), None));
        let title = "The power is to be switched off and on by the site's hook";
        let line = Line::new("step_sent", title).rung(Rung::L6P).command(command.clone());
        self.say(cx, id, line);
        self.tail.push(Effect::SwitchPower {
            command,
            charger,
            site,
            incident: id,
            not_after: cx.now + SEND_WITHIN_MS,
        });
    }

    /// Writes a command into the step under way and sends it.
    fn send_command(&mut self, cx: &Cx<'_>, id: IncidentId, action: Action, number: u32) {
        let timeout_ms = self.settings.command_timeout_ms;
        let Some(case) = self.cases.get_mut(&id) else { return };
        let key = case.incident.charger;
        case.run.sent_at = Some(cx.now);
        let at = case.incident.connector;
        let Some(step) =
            case.incident.healing.as_mut().and_then(|healing| healing.steps.last_mut())
        else {
            return;
        };
        let command = CommandId(format!("i{}-{}-{number}", id.0, step.number).into());
        step.commands.push((command.clone(), None));
        let rung = step.rung;
        let title = decided_words(&action, at);
        case.incident.next = format!("{title}, waiting for the answer");
        case.incident.next_at = None;
        self.say(cx, id, Line::new("step_sent", title).rung(rung).command(command.clone()));
        self.tail.push(Effect::Send(Command {
            id: command,
            charger: key,
            action,
            origin: Origin::Engine(id),
            created_at: cx.now,
            timeout_ms,
            // What waits for the disk or behind other commands is old news by then: a driver may
            // have begun to charge. Not sent, it is decided anew, with every guardrail asked.
            not_after: cx.now + SEND_WITHIN_MS,
        }));
    }

    /// Whether a reset may have ended its own connection: it did not end at once after sending,
    /// or its end was told after sending.
    fn was_cut_off(&self, cx: &Cx<'_>, id: IncidentId) -> bool {
        let Some(run) = self.cases.get(&id).map(|case| &case.run) else { return false };
        let Some(sent_at) = run.sent_at else { return true };
        run.dropped_at.is_some_and(|at| at >= sent_at) || cx.now.since_ms(sent_at) >= AT_ONCE_MS
    }

    /// A step whose command was lost does not use its rung up: it comes again when the charger is
    /// back.
    fn try_again(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let tries_max = self.settings.guardrails.tries_per_rung as usize;
        let Some(case) = self.cases.get_mut(&id) else { return };
        let Some(healing) = case.incident.healing.as_ref() else { return };
        let Some(rung) = healing.steps.last().map(|step| step.rung) else { return };
        let place = case.run.position.checked_sub(1);
        let is_next = place.is_some_and(|place| rung_at(healing, place) == Some(rung));
        if !is_next || !may_try_again(healing, tries_max) {
            return;
        }
        case.run.position -= 1;
        if rung == Rung::Q {
            // A person need not wait for the connection.
            self.escalate(cx, id, "It could not be taken out of service, the charger is offline.");
        }
    }

    /// The charger said no: nothing was disturbed (G4).
    fn note_refusal(&mut self, id: IncidentId, rung: Rung) {
        let Some(key) = self.cases.get(&id).map(|case| case.incident.charger) else { return };
        let action = self.watches.get_mut(&key).and_then(|watch| {
            watch.actions.iter_mut().rfind(|action| action.incident == id && action.rung == rung)
        });
        if let Some(action) = action {
            action.refused = true;
        }
    }

    /// Stops a transaction that is dead but open, before the waiting step may act (G1).
    pub(crate) fn stop_stuck(&mut self, cx: &Cx<'_>, id: IncidentId, transaction: &Transaction) {
        if let Some(case) = self.cases.get_mut(&id) {
            case.run.freed_at = Some(cx.now);
        }
        let action = Action::RemoteStop {
            transaction: transaction.id,
            external_id: transaction.external_id.to_string(),
        };
        self.send_command(cx, id, action, 0);
    }

    /// C: closes a charge here that the charger was asked to stop and did not.
    fn close_stuck(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(stuck) = self.stuck_charge(cx, id) else {
            self.end_step(cx, id, StepState::Skipped, "No charge is open there any more");
            return;
        };
        let (transaction, charger) = (stuck.id, self.cases[&id].incident.charger);
        self.tail.push(Effect::CloseTransaction { charger, transaction });
        let note = format!(
            "Charge {} is closed here with the last reading, and marked: its charger did not end it",
            transaction.0
        );
        self.end_step(cx, id, StepState::Done, &note);
    }

    /// L3: switches the connector on again.
    pub(crate) fn switch_on(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(case) = self.cases.get(&id) else { return };
        let at = case.incident.connector;
        let number = case.step().map_or(2, next_number);
        self.send_command(
            cx,
            id,
            Action::SetAvailability { connector: at, operative: true },
            number,
        );
    }

    /// L3 that broke off between off and on: the connector is switched on again whenever the
    /// charger is there, also after a restart of ours, also when nobody heals any more.
    pub(crate) fn settle_debts(&mut self, cx: &Cx<'_>, id: IncidentId) -> Option<UnixMs> {
        let retry_ms = crate::duration::paced(DEBT_RETRY_MS, self.settings.pace);
        let timeout_ms = self.settings.command_timeout_ms;
        let is_late = self.lag.holds().is_some();
        let case = self.cases.get_mut(&id)?;
        let (key, at) = (case.incident.charger, case.incident.connector);
        let steps = &mut case.incident.healing.as_mut()?.steps;
        let step = steps
            .iter_mut()
            .rfind(|step| step.state != StepState::Sent && owes_switching_on(step))?;
        let connected = cx.fleet.charger(key).is_some_and(|charger| charger.link.connected);
        if !connected || is_late || step.commands.len() >= DEBT_TRIES_MAX {
            return None;
        }
        if let Some(due) = case.run.debt_at
            && due > cx.now
        {
            return Some(due);
        }
        let number = next_number(step);
        let command = CommandId(format!("i{}-{}-{number}", id.0, step.number).into());
        step.commands.push((command.clone(), None));
        let due = cx.now + retry_ms.max(timeout_ms);
        case.run.debt_at = Some(due);
        let title = format!("{} is to be switched on again", subject_words(at));
        let line = Line::new("step_rollback", title).rung(Rung::L3).command(command.clone());
        self.say(cx, id, line);
        self.tail.push(Effect::Send(Command {
            id: command,
            charger: key,
            action: Action::SetAvailability { connector: at, operative: true },
            origin: Origin::Engine(id),
            created_at: cx.now,
            timeout_ms,
            not_after: cx.now + 2 * timeout_ms,
        }));
        Some(due)
    }

    /// The end of one of our commands. Says whether it belonged to a case.
    pub(crate) fn answered(&mut self, cx: &Cx<'_>, epoch: u64, answer: &CommandAnswered) -> bool {
        let CommandAnswered { command, outcome, late } = answer;
        let Some((id, step_number, number)) = read_id(command) else { return false };
        let Some(case) = self.cases.get_mut(&id) else { return false };
        let Some(steps) = case.incident.healing.as_mut().map(|healing| &mut healing.steps) else {
            return false;
        };
        let Some(index) = steps.iter().position(|step| step.number == step_number) else {
            return false;
        };
        let is_last = index + 1 == steps.len();
        let step = &mut steps[index];
        let Some(slot) = step.commands.iter_mut().find(|(id, _)| id == command) else {
            return false;
        };
        let first_answer = slot.1.is_none();
        slot.1 = Some(outcome.clone());
        self.dirty.insert(id);
        if !first_answer || *late {
            let title = format!("Late answer: {}", outcome.summary());
            let line = Line::new("late_answer", title).rung(step.rung).command(command.clone());
            self.say(cx, id, line);
            return true;
        }
        let awaited = number > 0 && is_last && step.state == StepState::Sent;
        if !awaited {
            return true;
        }
        let rung = step.rung;
        self.step_answered(cx, id, (rung, number), epoch, answer);
        true
    }

    fn step_answered(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        (rung, number): (Rung, u32),
        epoch: u64,
        answer: &CommandAnswered,
    ) {
        let CommandAnswered { command, outcome, .. } = answer;
        self.note_support(id, rung, outcome);
        let resets = matches!(rung, Rung::L4 | Rung::L5);
        let lost = matches!(outcome, CommandOutcome::NotConnected);
        // An outcome that no session told never left us.
        let unsent = matches!(outcome, CommandOutcome::Expired | CommandOutcome::QueueFull);
        let never_left = lost && epoch == 0;
        let cut_off = resets && lost && !never_left && self.was_cut_off(cx, id);
        if !outcome.is_accepted() && !cut_off {
            let words = if never_left {
                "The charger was offline, it was not sent".to_owned()
            } else {
                Self::blocked_words(outcome)
            };
            self.end_step(cx, id, StepState::Blocked, &words);
            let unclear =
                matches!(outcome, CommandOutcome::TimedOut | CommandOutcome::NotConnected);
            if never_left || !unclear {
                self.note_refusal(id, rung);
            }
            if rung == Rung::D && !never_left && !unclear && !unsent {
                self.note_diagnostics(id, cx.now);
            }
            if lost || unsent {
                self.try_again(cx, id);
            }
            return;
        }
        let took_ms = self
            .cases
            .get(&id)
            .and_then(|case| case.run.sent_at)
            .map_or(0, |at| cx.now.since_ms(at));
        let Some(case) = self.cases.get_mut(&id) else { return };
        let at = case.incident.connector;
        let done = rung != Rung::L3 || number > 1;
        let title = if lost {
            // A charger that resets at once may not answer any more: look before judging.
            format!("{}: the connection ended before the answer", rung.label())
        } else {
            match outcome {
                CommandOutcome::Answered { status, .. } if status.is_empty() => {
                    format!("{}: the charger answered", rung.label())
                }
                _ => format!("{} answered {}", rung.label(), outcome.summary()),
            }
        };
        if done && let Some(step) = case.step_mut() {
            step.state = StepState::Verifying;
            step.accepted_at = Some(cx.now);
            step.note = format!("{} in {}", outcome.summary(), duration_words(took_ms));
        }
        if !done {
            case.run.sent_at = Some(cx.now);
        }
        let line = Line::new("step_answered", title).rung(rung).command(command.clone());
        self.say(cx, id, line);
        if rung == Rung::D {
            self.diagnostics_accepted(cx, id, outcome);
        }
        if rung == Rung::L1
            && number == 1
            && let Some(report) = self.problem_report(cx, id)
        {
            self.send_command(cx, id, report, 2);
        }
        if rung == Rung::Q {
            self.end_step(cx, id, StepState::Fixed, &Self::held_words(at));
        }
    }
}

/// The next number for a command that switches on.
fn next_number(step: &mendpoint_model::Step) -> u32 {
    step.commands
        .iter()
        .filter_map(|(id, _)| id.0.rsplit('-').next()?.parse::<u32>().ok())
        .max()
        .map_or(2, |last| (last + 1).max(2))
}

/// `i{incident}-{step}-{try}`.
fn read_id(command: &CommandId) -> Option<(IncidentId, u32, u32)> {
    let mut parts = command.0.strip_prefix('i')?.split('-');
    let id = IncidentId(parts.next()?.parse().ok()?);
    let step = parts.next()?.parse().ok()?;
    let number = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some((id, step, number))
}

/// What is to be done, for people. It leaves when it is on disk, and may be dropped before.
fn decided_words(action: &Action, at: ConnectorRef) -> String {
    match action {
        Action::Trigger { message: TriggeredMessage::MeterValues, .. } => {
            "Its meter values are to be asked for".to_owned()
        }
        Action::Trigger { .. } => "Its status is to be asked for".to_owned(),
        Action::Raw { action, .. } if action == "GetReport" => {
            "Which of its parts have a problem is to be asked for".to_owned()
        }
        Action::Unlock { connector } => format!("Unlock of connector {connector} decided"),
        Action::SetAvailability { operative: false, .. } => {
            format!("{} is to be switched off", subject_words(at))
        }
        Action::SetAvailability { .. } => format!("{} is to be switched on", subject_words(at)),
        Action::Reset { hard: false, .. } => "Soft reset decided".to_owned(),
        Action::Reset { .. } => "Hard reset decided".to_owned(),
        Action::GetLog(_) => "Its diagnostics are to be asked for".to_owned(),
        Action::RemoteStop { .. } => "A charge without power is to be stopped first".to_owned(),
        other => format!("{} decided", other.name()),
    }
}
