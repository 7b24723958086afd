//! After a restart: incidents go on where they stood, and nothing is sent twice (G11).

use mendpoint_model::{
    Chargers, CommandOutcome, Incident, IncidentId, IncidentState, Rung, StepState, UnixMs,
};

use crate::alert::Alert;
use crate::case::{Case, Fingerprint, Line, patience_ms};
use crate::credit::{Credit, Hand};
use crate::effect::Effect;
use crate::engine::{Cx, Engine};
use crate::guardrail::ActionRecord;
use crate::heal::ladder::position_after;
use crate::heal::support::lacking_in;
use crate::predicate::Inputs;
use crate::timers::Timer;

impl Engine {
    /// We do not run from now until then, as a replay knows beforehand: silence meanwhile, and until
    /// chargers had their chance to come back, is nobody's (1.2).
    pub fn expect_stop(&mut self, until: UnixMs) {
        self.grace_until = self.grace_until.max(until + self.settings.startup_grace_ms);
    }

    /// Takes up the incidents that are open, and those with steps in the last 24 hours, and begins
    /// to watch every charger the fleet knows. Silence counts from now on only (startup grace). A
    /// step whose command was sent and whose outcome is not known is watched, never sent again.
    pub fn restore(
        &mut self,
        now: UnixMs,
        incidents: Vec<Incident>,
        fleet: &dyn Chargers,
        out: &mut Vec<Effect>,
    ) {
        let cx = Cx { now, fleet, frame: 0, from: None };
        self.grace_until = now + self.settings.startup_grace_ms;
        for key in fleet.keys() {
            if let Some(charger) = fleet.charger(key) {
                let watch = self.watches.entry(key).or_default();
                watch.enrolled = true;
                for (at, reading) in &charger.signals {
                    watch.signals.get_or_insert_default().read(*at, reading);
                }
                self.enrol(now, charger);
            }
        }
        self.restored_at = now;
        let mut incidents = incidents;
        incidents.sort_by_key(|incident| incident.id);
        let ids: Vec<IncidentId> = incidents.iter().map(|incident| incident.id).collect();
        for incident in incidents {
            if incident.is_wide() {
                self.take_up_wide(&cx, incident);
            } else {
                self.take_up(&cx, incident);
            }
        }
        self.take_up_ties(&cx, &ids);
        for id in &ids {
            self.take_up_places(&cx, *id);
        }
        for key in fleet.keys() {
            if let Some(charger) = fleet.charger(key) {
                self.watches.entry(key).or_default().site = charger.site;
                self.tell_known(&cx, key);
                self.note_cohort(&cx, key);
                self.note_variants(&cx, key);
                self.evaluate_all(&cx, key, None, Inputs::ALL);
            }
        }
        for id in ids {
            self.tend(&cx, id);
        }
        self.flush(now, out);
    }

    fn take_up(&mut self, cx: &Cx<'_>, incident: Incident) {
        let id = incident.id;
        let key = incident.charger;
        let place = self.program.place(&incident.rule);
        let over = incident.state.is_over();
        let recovered = incident.state == IncidentState::RecoveredUnproven;
        let watch = self.watches.entry(key).or_default();
        watch.site = incident.site;
        watch.cases.push(id);
        if over {
            watch.remember(Fingerprint::of(&incident), id);
        }
        let window = self.settings.guardrails.disruptive_window_ms;
        let tries = self.settings.guardrails.tries_per_rung as usize;
        for step in incident.healing.iter().flat_map(|healing| &healing.steps) {
            if step.rung == Rung::D
                && crate::heal::diagnostics::was_answered(step)
                && cx.now.since_ms(step.at) < self.settings.diagnostics_every_ms
            {
                watch.diagnostics_at = watch.diagnostics_at.max(Some(step.at));
            }
            if let Some((rung, word)) = lacking_in(step) {
                watch.note_lacking(rung, word);
            }
            let sent = !step.commands.is_empty() || step.rung == Rung::L6;
            if sent && crate::guardrail::acts(step.rung) && !step.state.is_over() && !over {
                self.permits.lock().resume(key, id, step.rung, step.at);
            }
            if sent && step.state != StepState::Waiting && cx.now.since_ms(step.at) < window {
                let refused = step.state == StepState::Blocked
                    && step.commands.last().is_some_and(|(_, outcome)| {
                        !matches!(
                            outcome,
                            None | Some(CommandOutcome::TimedOut | CommandOutcome::NotConnected)
                        )
                    });
                watch.actions.push(ActionRecord {
                    refused,
                    at: step.at,
                    rung: step.rung,
                    incident: id,
                    connector: incident.connector,
                });
            }
        }
        watch.actions.sort_by_key(|action| action.at);
        if let Some(place) = place
            && !over
            && !recovered
        {
            let clears = self.program.rules[usize::from(place)].clears.len();
            let mut alert = Alert::firing(place, incident.connector, clears, id, incident.began_at);
            let timer = Timer::Alert(key, place, incident.connector);
            self.timers.set(&mut alert.armed, timer, Some(cx.now + 1));
            watch.alerts.push(alert);
        }
        if !over && !recovered {
            self.restore_calls(key, place);
        }
        let mut case = Case::new(incident, place);
        case.recovered_at = recovered.then_some(case.incident.updated_at);
        case.ticket_asked = case.incident.ticket.is_some();
        case.credit = recovered.then(|| Credit::kept(&case));
        let in_hand =
            matches!(case.incident.state, IncidentState::Acknowledged | IncidentState::InProgress);
        case.hand = case.incident.ticket.filter(|_| in_hand).map(Hand::Accepted);
        if let Some(healing) = &case.incident.healing {
            let going = matches!(
                case.incident.state,
                IncidentState::Open | IncidentState::Healing | IncidentState::Verifying
            );
            // Taking out of service goes on when the charger is back, also with a person at it.
            let holds = case
                .step()
                .is_some_and(|step| step.rung == Rung::Q && step.state == StepState::Waiting);
            case.run.active = (going || (holds && !over)) && healing.stopped_by.is_none();
            case.run.position = position_after(healing, tries);
        } else if !over && !recovered && case.incident.ticket.is_none() {
            let wait = patience_ms(&self.watches, &self.program, &case);
            case.escalate_at = Some((case.incident.opened_at + wait).max(cx.now));
        }
        let lost_ticket =
            case.incident.state == IncidentState::Escalated && case.incident.ticket.is_none();
        self.cases.insert(id, case);
        if lost_ticket {
            if let Some(case) = self.cases.get_mut(&id) {
                case.escalate_at = None;
            }
            self.ask_for_ticket(id, "");
        }
        self.take_up_step(cx, id);
    }

    /// A step that was under way: its effect is watched from now on.
    fn take_up_step(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.run.watched_from = Some(cx.now);
        let Some(step) = case.step_mut() else { return };
        let rung = step.rung;
        match step.state {
            StepState::Sent => {}
            // How long it had been gone already is known to nobody. Waiting (L0) goes on.
            StepState::Verifying if !matches!(rung, Rung::L0 | Rung::D) => {
                let what = rung.label().to_lowercase();
                let title = format!("The program restarted: the watch over the {what} begins anew");
                self.say(cx, id, Line::new("step_taken_up", title).rung(rung));
                return;
            }
            _ => return,
        }
        let answered = step.commands.last().is_some_and(|(_, outcome)| outcome.is_some());
        match rung {
            // Off and on again is finished or taken back; both mean switching on.
            Rung::L3 if answered => {}
            Rung::L3 => {
                self.end_step(cx, id, StepState::Unknown, "The program restarted in between");
            }
            Rung::Q => {
                let note = "The program restarted before the answer came";
                self.end_step(cx, id, StepState::Unknown, note);
            }
            _ => {
                step.state = StepState::Verifying;
                step.accepted_at = Some(step.at);
                let title = "The program restarted before the answer came: looking first";
                self.say(cx, id, Line::new("step_taken_up", title).rung(rung));
            }
        }
    }
}
