//! The life of an incident (1.1): recovered, proven, resolved, reopened, handed over.

use mendpoint_model::{
    Actor, ChargerKey, ConnectorState, IncidentId, IncidentState, Priority, Rung, StepState,
};

use crate::attempts::{AttemptNews, Failure, NewsKind};
use crate::case::{Case, Fingerprint, Line, patience_ms, rule_of};
use crate::credit::Credit;
use crate::duration::duration_words;
use crate::effect::{Effect, Evidence, TicketRequest};
use crate::engine::{Cx, Engine};
use crate::heal::ladder::is_waiting;
use crate::opening::{describe, failure_line, reads_code};
use crate::predicate::connector_state;
use crate::rule::Proof;
use crate::timers::Timer;
use crate::words::{Places, energy_words, headline, tried_lines};

/// The most failed charges in the history of one incident.
const FAILURE_LINES_MAX: u32 = 60;

/// What the ticket of a silent connector asks for (1.4): nothing that can be read from afar says whether
/// it works.
const TEST_CHARGE: &str = "Please make a test charge there: a session of 100 Wh or more ends this.";

impl Engine {
    /// The condition was gone for a moment and is there again.
    pub(crate) fn seen_again(&mut self, cx: &Cx<'_>, id: IncidentId) {
        if let Some(case) = self.cases.get_mut(&id) {
            case.incident.occurrences += 1;
            self.dirty.insert(id);
        }
        self.damped_again(cx, id);
    }

    /// A counting rule that fires has counted one more.
    pub(crate) fn counted_again(&mut self, cx: &Cx<'_>, id: IncidentId, many: u32, distinct: u32) {
        self.damped_again(cx, id);
        let program = std::sync::Arc::clone(&self.program);
        let Some(case) = self.cases.get_mut(&id) else { return };
        let Some(rule) = rule_of(&self.watches, &program, case) else { return };
        let rule = &*rule;
        let incident = &mut case.incident;
        incident.occurrences += 1;
        let failure = self.watches.get(&incident.charger).and_then(|watch| watch.failures.last());
        if let Some((at, _, connector, why)) = failure.copied()
            && at == cx.now
            && incident.occurrences <= FAILURE_LINES_MAX
        {
            self.say(cx, id, failure_line(connector, why));
        }
        let Some(case) = self.cases.get_mut(&id) else { return };
        let incident = &mut case.incident;
        self.dirty.insert(id);
        if let Some((at_least, severity)) = rule.severity_by_distinct
            && distinct >= at_least
            && severity < incident.severity
        {
            incident.severity = severity;
            incident.description = describe(cx, rule, incident, (many, distinct));
            let line = Line::new("severity_changed", format!("More serious: {distinct} drivers"));
            self.say(cx, id, line);
        }
    }

    /// The code beside a fault changed: the incident follows it, to a safety code at once.
    pub(crate) fn follow_code(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let program = std::sync::Arc::clone(&self.program);
        let Some(case) = self.cases.get(&id) else { return };
        let Some(rule) = rule_of(&self.watches, &program, case) else { return };
        let rule = &*rule;
        let acting = case.is_acting();
        if !reads_code(rule) || self.condition_now(cx, id) != Some(true) {
            return;
        }
        let code = self.code_now(cx, case);
        let stricter = crate::codes::forbids_reset(&code);
        if code.is_empty() || code == case.incident.code || (acting && !stricter) {
            return;
        }
        let charger = case.incident.charger;
        let healing = self.healing_for(cx, charger, rule, &code);
        let Some(case) = self.cases.get_mut(&id) else { return };
        let at = case.incident.connector;
        let old = std::mem::replace(&mut case.incident.code, code.clone());
        let severity = rule.severity_of(&code);
        case.incident.severity =
            if case.has_whole() { severity.min(case.incident.severity) } else { severity };
        let places = Places {
            code: &code,
            at,
            for_ms: rule.for_ms(&code),
            count: 0,
            within_ms: 0,
            value: None,
        };
        case.incident.title = headline(rule, &places);
        if case.run.active
            && let (Some(new), Some(now)) = (healing, case.incident.healing.as_mut())
            && (stricter || now.steps.is_empty())
        {
            now.ladder = new.ladder;
            case.run.position = 0;
        }
        let old = if old.is_empty() { "no code" } else { &old };
        let line = Line::new("code_changed", format!("Now {code}, before {old}"));
        self.say(cx, id, line.by(Actor::Charger));
        let waits = self.cases.get(&id).and_then(Case::step).is_some_and(is_waiting);
        if stricter && waits {
            self.end_step(cx, id, StepState::Skipped, &format!("The fault is now {code}"));
        }
    }

    /// The code of a case's subject as it is now; the incident's own when there is none.
    pub(crate) fn code_now(&self, cx: &Cx<'_>, case: &Case) -> String {
        let incident = &case.incident;
        if incident.code.is_empty() && !incident.connector.is_charger() {
            return String::new();
        }
        let now = cx
            .fleet
            .charger(incident.charger)
            .map(|charger| self.subject(cx, charger, incident.connector).code())
            .unwrap_or_default();
        // What was dangerous stays dangerous when a restart hides the code; only a matter of safety
        // comes before what merely no reset cures.
        let known = &incident.code;
        let safer = crate::codes::is_safety(&now) && !crate::codes::is_safety(known);
        if now.is_empty() || (crate::codes::forbids_reset(known) && !safer) {
            known.clone()
        } else {
            now
        }
    }

    /// A rule says it is over.
    pub(crate) fn cleared(&mut self, cx: &Cx<'_>, id: IncidentId, unproven: bool) {
        let Some(case) = self.cases.get(&id) else { return };
        if case.is_acting() || case.by_attempt {
            // The watch over the step decides.
            return;
        }
        let at = case.incident.connector;
        let held = cx.fleet.charger(case.incident.charger).is_some_and(|charger| {
            let is_out = |state: &ConnectorState| state.desired_operative == Some(false);
            connector_state(charger, at).is_some_and(is_out)
                || (at.is_charger() && charger.connectors.iter().any(is_out))
        });
        if case.is_quarantined() && held {
            return;
        }
        if self.is_damped(id) {
            return;
        }
        let Some(case) = self.cases.get(&id) else { return };
        if case.was_tried() || unproven || case.ticket_asked {
            self.recovered(cx, id, None);
            return;
        }
        self.gone(cx, id);
    }

    /// What was kept open only because it flapped is over.
    pub(crate) fn settle_calm(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(case) = self.cases.get(&id) else { return };
        if case.was_tried() || case.ticket_asked {
            self.recovered(cx, id, None);
        } else {
            self.gone(cx, id);
        }
    }

    /// It is over, and that needs no proof.
    fn gone(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(case) = self.cases.get(&id) else { return };
        let rule = case.rule.map(|place| &self.program.rules[usize::from(place)]);
        let words = if rule.is_some_and(|rule| rule.is_about_presence()) {
            let lasted = duration_words(cx.now.since_ms(case.incident.began_at));
            format!("Back online after {lasted}")
        } else {
            self.credit(cx, id).gone_words()
        };
        self.resolve(cx, id, &words, &Actor::Engine, Some(Evidence::Cleared));
    }

    /// The condition is gone. Where a session must prove it, that is still open. `cure` is the step
    /// whose watch ended as fixed, if one did.
    pub(crate) fn recovered(&mut self, cx: &Cx<'_>, id: IncidentId, cure: Option<Rung>) {
        let Some(case) = self.cases.get(&id) else { return };
        let rule = case.rule.map(|place| &self.program.rules[usize::from(place)]);
        let is_clear = rule.is_some_and(|rule| rule.proof == Proof::Clear);
        if self.is_damped(id) {
            return;
        }
        if is_clear {
            self.gone(cx, id);
            return;
        }
        let credit = cure.map_or_else(|| self.credit(cx, id), Credit::Step);
        let title = format!("{}, not yet proven", credit.words());
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.credit = Some(credit);
        case.run.active = false;
        case.by_attempt = false;
        case.recovered_at = Some(cx.now);
        case.escalate_at = None;
        case.incident.state = IncidentState::RecoveredUnproven;
        case.incident.needs_person = false;
        "The next session that delivers energy proves it".clone_into(&mut case.incident.next);
        case.incident.next_at = None;
        if case.is_acting() {
            self.end_step(cx, id, StepState::Unknown, "A person was done first");
        } else if case.step().is_some() {
            self.end_step(cx, id, StepState::Skipped, "It was gone before this was needed");
        }
        self.charges_mended(id);
        self.drop_alert(cx, id);
        self.evidence(cx, id, Evidence::Recovered, &title);
        self.say(cx, id, Line::new("recovered", title));
        self.release_children(cx, id);
    }

    /// An attempt is the proof of a repair, or the proof against it (1.6).
    pub(crate) fn prove(&mut self, cx: &Cx<'_>, key: ChargerKey, news: &AttemptNews) {
        let Some(watch) = self.watches.get(&key) else { return };
        for id in watch.cases.clone() {
            let Some(case) = self.cases.get_mut(&id) else { continue };
            let at = case.incident.connector;
            if !at.is_charger() && at != news.connector {
                continue;
            }
            let recovered = case.incident.state == IncidentState::RecoveredUnproven;
            match news.kind {
                NewsKind::Succeeded(energy) => {
                    let counts = self.counts(id);
                    let open = !self.cases[&id].incident.state.is_over();
                    let by_attempt = self.cases[&id].by_attempt;
                    if recovered || (open && (counts || by_attempt)) {
                        self.proven(cx, id, energy);
                    }
                }
                NewsKind::Failed(why) => {
                    case.run.failed_since |= case.step().is_some();
                    let recent = case
                        .recovered_at
                        .is_some_and(|at| cx.now.since_ms(at) <= self.settings.proof_ms);
                    if recovered && recent && (case.was_tried() || case.incident.ticket.is_some()) {
                        self.disproved(cx, id, why);
                    }
                }
                NewsKind::Seen | NewsKind::Over(_) => {}
            }
        }
    }

    fn proven(&mut self, cx: &Cx<'_>, id: IncidentId, energy: f64) {
        let Some(case) = self.cases.get(&id) else { return };
        let session = format!("a session of {}", energy_words(energy));
        let acted = case.is_acting();
        let running = case.step().filter(|step| acted && step.rung != Rung::Q);
        let credit = match (running, &case.credit) {
            (Some(step), _) => Credit::Step(step.rung),
            (None, Some(credit)) => credit.clone(),
            (None, None) => self.credit(cx, id),
        };
        let words = credit.proven_words(&session);
        let worked = format!("Proven meanwhile by {session}");
        if case.step().is_some() {
            let state = if acted { StepState::Fixed } else { StepState::Skipped };
            self.end_step(cx, id, state, &worked);
        }
        self.say(cx, id, Line::new("proven", format!("Proven by {session}")).by(Actor::Charger));
        self.resolve(cx, id, &words, &Actor::Engine, Some(Evidence::Proven));
    }

    fn disproved(&mut self, cx: &Cx<'_>, id: IncidentId, why: Failure) {
        let note = format!("The next charge failed: {}", why.words());
        self.came_back(cx, id, &note, true);
    }

    /// An incident that was over, or nearly, is open again.
    pub(crate) fn came_back(&mut self, cx: &Cx<'_>, id: IncidentId, why: &str, by_attempt: bool) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let was_over = case.incident.state.is_over();
        case.incident.state = IncidentState::Open;
        case.incident.resolved_at = None;
        case.incident.resolution.clear();
        case.incident.occurrences += 1;
        case.incident.next.clear();
        case.incident.next_at = None;
        case.recovered_at = None;
        let credited = matches!(case.credit.take(), Some(Credit::Step(_)));
        case.by_attempt = by_attempt;
        case.run.begin_step();
        let has_ticket = case.incident.ticket.is_some() || case.ticket_asked;
        let mut undone = None;
        let fixed = case.incident.healing.as_mut().and_then(|healing| {
            healing
                .steps
                .iter_mut()
                .rfind(|step| step.state == StepState::Fixed && step.rung != Rung::Q)
        });
        if let Some(step) = fixed
            && !was_over
            && credited
        {
            step.state = StepState::NotFixed;
            step.note = format!("{}. {why}", step.note);
            undone = Some((step.rung, step.ended_at.unwrap_or(step.at)));
        }
        if let Some((rung, seen_at)) = undone {
            self.tell_undone(cx, id, rung, seen_at);
        }
        let Some(case) = self.cases.get_mut(&id) else { return };
        // What was cured goes on with the next rung; what only went away begins anew.
        if was_over && !case.was_tried() {
            case.run.position = 0;
        }
        case.run.active = !has_ticket && case.may_heal();
        let active = case.run.active;
        // Where nothing heals it, the rule says how long a person is not asked.
        let wait_ms = if !active && !has_ticket && case.incident.healing.is_none() {
            patience_ms(&self.watches, &self.program, case)
        } else {
            0
        };
        if wait_ms > 0 {
            case.escalate_at = Some(cx.now + wait_ms);
            case.will_ask(cx.now + wait_ms);
        }
        let fingerprint = Fingerprint::of(&self.cases[&id].incident);
        if let Some(watch) = self.watches.get_mut(&fingerprint.charger) {
            watch.past.retain(|(known, _)| *known != fingerprint);
        }
        self.say(cx, id, Line::new("reopened", why));
        self.hard_change(cx, id);
        self.inhibit_children(cx, id);
        let Some(case) = self.cases.get_mut(&id) else { return };
        if case.incident.ties.flapping {
            case.run.active = false;
        }
        let active = case.run.active;
        self.evidence(cx, id, Evidence::FaultReturned, why);
        if !active && wait_ms == 0 {
            self.escalate(cx, id, why);
        }
    }

    /// Hands an incident to a person, with a ticket.
    pub(crate) fn escalate(&mut self, cx: &Cx<'_>, id: IncidentId, why: &str) {
        if let Some(asked) = self.asked_about_charges(id) {
            self.inhibit_case(cx, id, asked);
        }
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.escalate_at = None;
        if case.incident.ties.is_quiet() {
            // Asked when the parent is over, if it is still wanted then.
            case.escalate_at = Some(cx.now);
            self.hush(cx, id);
            return;
        }
        let incident = &mut case.incident;
        if incident.state.is_over() {
            return;
        }
        let in_hand =
            matches!(incident.state, IncidentState::Acknowledged | IncidentState::InProgress);
        if !in_hand {
            incident.state = IncidentState::Escalated;
        }
        incident.needs_person = case.snoozed_until.is_none_or(|until| until <= cx.now);
        incident.next_at = None;
        "A person has to look at it".clone_into(&mut incident.next);
        let known = incident.ticket.is_some() || case.ticket_asked;
        self.say(cx, id, Line::new("escalated", "Handed to a person").text(why));
        self.group_in(cx, id);
        if !known {
            self.ask_for_ticket(id, why);
        }
    }

    /// Asks for an incident's ticket.
    pub(crate) fn ask_for_ticket(&mut self, id: IncidentId, why: &str) {
        let test_charge = if self.is_about_silence(id) { TEST_CHARGE } else { "" };
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.ticket_asked = true;
        let incident = &case.incident;
        let parts = [incident.description.as_str(), why, test_charge];
        let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let description = said.join(" ");
        let request = TicketRequest {
            incident: id,
            charger: incident.charger,
            site: incident.site,
            connector: incident.connector,
            priority: Priority::of_severity(incident.severity),
            title: incident.title.clone(),
            description,
            tried: tried_lines(incident),
        };
        self.tail.push(Effect::OpenTicket(request));
    }

    /// It is over. What the engine itself resolves is shown by the charger, unless nothing proved it
    /// in time: `shown` is what its ticket hears.
    pub(crate) fn resolve(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        words: &str,
        actor: &Actor,
        shown: Option<Evidence>,
    ) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        if case.step().is_some() {
            let acted = case.is_acting();
            let state = if acted { StepState::Unknown } else { StepState::Skipped };
            self.set_guardrail(id, "");
            self.end_step(cx, id, state, "The incident was resolved first");
        }
        self.tell_shadow(cx, id, matches!(actor, Actor::User(_)));
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.run.active = false;
        case.by_attempt = false;
        case.escalate_at = None;
        case.recovered_at = None;
        case.paused = None;
        case.calm = false;
        let incident = &mut case.incident;
        incident.state = IncidentState::Resolved;
        incident.resolved_at = Some(cx.now);
        incident.needs_person = false;
        incident.blind = false;
        incident.ties.flapping = false;
        incident.next.clear();
        incident.next_at = None;
        words.clone_into(&mut incident.resolution);
        let fingerprint = Fingerprint::of(incident);
        if let Some(watch) = self.watches.get_mut(&fingerprint.charger) {
            watch.remember(fingerprint, id);
        }
        self.charges_mended(id);
        self.drop_alert(cx, id);
        if let Some(shown) = shown {
            self.evidence(cx, id, shown, words);
        }
        self.say(cx, id, Line::new("resolved", words).by(actor.clone()));
        if matches!(actor, Actor::User(_)) {
            self.wide_over(cx, id);
        }
        self.release_children(cx, id);
    }

    /// Tells a ticket what the charger itself shows.
    fn evidence(&mut self, cx: &Cx<'_>, id: IncidentId, kind: Evidence, text: &str) {
        if let Some(ticket) = self.cases.get(&id).and_then(|case| case.incident.ticket) {
            self.tail.push(Effect::TicketEvidence {
                ticket,
                incident: id,
                kind,
                at: cx.now,
                text: text.to_owned(),
            });
        }
    }

    /// The alert of an incident that is over begins anew.
    fn drop_alert(&mut self, cx: &Cx<'_>, id: IncidentId) {
        self.begin_silence_anew(cx, id);
        let Some(case) = self.cases.get(&id) else { return };
        let key = case.incident.charger;
        let Some(watch) = self.watches.get_mut(&key) else { return };
        while let Some(index) = watch.alerts.iter().position(|alert| alert.incident() == Some(id)) {
            let alert = &mut watch.alerts[index];
            let timer = Timer::Alert(key, alert.rule, alert.at);
            self.timers.set(&mut alert.armed, timer, None);
            watch.alerts.remove(index);
        }
    }

    /// Looks after every case of a charger.
    pub(crate) fn tend_charger(&mut self, cx: &Cx<'_>, key: ChargerKey) {
        let Some(watch) = self.watches.get(&key) else { return };
        for id in watch.cases.clone() {
            self.tend(cx, id);
        }
    }

    /// Looks after a case: what is due is done, and the next look is arranged.
    pub(crate) fn tend(&mut self, cx: &Cx<'_>, id: IncidentId) {
        self.hush(cx, id);
        let mut wakes = [None; 5];
        wakes[4] = self.tend_flapping(cx, id);
        wakes[0] = self.settle_debts(cx, id);
        wakes[1] = self.run_case(cx, id);
        let Some(case) = self.cases.get_mut(&id) else { return };
        if case.snoozed_until.is_some_and(|until| until <= cx.now) {
            case.snoozed_until = None;
            if matches!(case.incident.state, IncidentState::Escalated | IncidentState::Open) {
                case.incident.needs_person = !case.run.active;
                self.dirty.insert(id);
            }
        }
        let Some(case) = self.cases.get_mut(&id) else { return };
        wakes[2] = case.snoozed_until;
        let state = case.incident.state;
        if state.is_over() {
            let gone_at = case.incident.resolved_at.unwrap_or(cx.now) + self.settings.reopen_ms + 1;
            if gone_at <= cx.now && wakes[0].is_none() {
                self.put_away(id);
                return;
            }
            wakes[3] = Some(gone_at.max(cx.now + 1));
        } else if state == IncidentState::RecoveredUnproven {
            let close_at = case.recovered_at.unwrap_or(cx.now) + self.settings.unproven_close_ms;
            if close_at <= cx.now {
                let after = duration_words(self.settings.unproven_close_ms);
                let words = format!("Recovered; no session in {after} to prove it");
                self.resolve(cx, id, &words, &Actor::Engine, None);
                self.tend(cx, id);
                return;
            }
            let (missed_at, is_back) = self.tend_silence(cx, id);
            if is_back {
                self.tend(cx, id);
                return;
            }
            wakes[3] = Some(missed_at.map_or(close_at, |at| at.min(close_at)));
        } else if let Some(at) = case.escalate_at {
            if at <= cx.now {
                let lasted = duration_words(cx.now.since_ms(case.incident.began_at));
                let why = format!("It has lasted for {lasted}, and nothing can be done from afar.");
                self.escalate(cx, id, &why);
            } else {
                wakes[3] = Some(at);
            }
        }
        if let Some(case) = self.cases.get_mut(&id) {
            let wake = wakes.into_iter().flatten().min().map(|at| at.max(cx.now + 1));
            self.timers.set(&mut case.armed, Timer::Case(id), wake);
        }
    }

    /// Forgets a case that is over for good.
    fn put_away(&mut self, id: IncidentId) {
        if let Some(mut case) = self.cases.remove(&id) {
            self.timers.set(&mut case.armed, Timer::Case(id), None);
            if let Some(watch) = self.watches.get_mut(&case.incident.charger) {
                watch.cases.retain(|other| *other != id);
            }
        }
    }
}
