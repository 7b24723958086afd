//! A fault of the whole charger while one of its connectors has an incident (1.7, parent and
//! child): it joins that incident instead of opening a second one.
//!
//! The incident then has two alerts, one a place, and is over only when neither of them fires. It
//! keeps its place, so that what was done to the connector is taken back on the connector. A matter
//! of safety is different: it moves the incident to the whole charger, which is taken out of service.

use mendpoint_model::{
    Actor, ChargerKey, ConnectorRef, IncidentId, IncidentState, StepState, UnixMs,
};

use crate::alert::{Alert, Phase};
use crate::case::{Case, Line, rule_of};
use crate::engine::{Cx, Engine};
use crate::heal::ladder::{is_waiting, owes_switching_on};
use crate::rule::{Condition, Rule, Scope};
use crate::timers::Timer;
use crate::words::{Places, headline, subject_words};

/// The sentence in a description that says so; by it a restart knows of it.
const WHOLE_TOO: &str = "The whole charger is faulted too";
/// What it has in common with the sentence about a connector beside its charger.
const TOO: &str = "is faulted too";

impl Case {
    /// Whether a fault of the whole charger has joined it.
    pub(crate) fn has_whole(&self) -> bool {
        self.incident.description.contains(WHOLE_TOO)
    }

    /// Whether a fault at another place has joined it.
    fn has_places(&self) -> bool {
        self.incident.description.contains(TOO)
    }

    /// Whether it may move to the whole charger: a connector that it still has to switch on again
    /// would be forgotten.
    fn may_widen(&self) -> bool {
        !self.steps().iter().any(owes_switching_on)
    }
}

impl Engine {
    /// The open incident of a connector that a fault of the whole charger belongs to.
    pub(crate) fn connector_case(
        &self,
        key: ChargerKey,
        rule: &Rule,
        at: ConnectorRef,
        code: &str,
    ) -> Option<IncidentId> {
        let fits = at.is_charger()
            && rule.scope == Scope::Connector
            && matches!(rule.condition, Condition::State { .. });
        if !fits {
            return None;
        }
        let safety = crate::codes::is_safety(code);
        let cases = self.watches.get(&key)?.cases.iter().filter_map(|id| self.cases.get(id));
        cases
            .filter(|case| {
                let incident = &case.incident;
                incident.rule == rule.id
                    && !incident.state.is_over()
                    && !incident.connector.is_charger()
                    && (!safety || case.may_widen())
            })
            .map(|case| &case.incident)
            .min_by_key(|incident| {
                (incident.state == IncidentState::RecoveredUnproven, incident.id)
            })
            .map(|incident| incident.id)
    }

    /// A fault of the whole charger joins the incident of a connector.
    pub(crate) fn join_whole(&mut self, cx: &Cx<'_>, id: IncidentId, place: u16, code: &str) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.rule = Some(place);
        let named = if code.is_empty() { "no code" } else { code };
        if !case.has_whole() {
            let description = &mut case.incident.description;
            *description = format!("{description} {WHOLE_TOO}: {named}.");
        }
        let title = format!("The whole charger is faulted now: {named}");
        if case.incident.state == IncidentState::RecoveredUnproven {
            self.came_back(cx, id, &title, false);
        } else {
            case.incident.occurrences += 1;
            self.say(cx, id, Line::new("whole_faulted", title).by(Actor::Charger));
        }
        self.heed_whole(cx, id, code);
    }

    /// The open incident of the whole charger that the fault of a connector belongs to: one cause,
    /// one incident, and the parent takes it (1.7). A danger at the connector that the charger
    /// itself is not in stays an incident of its own: only that connector is taken out of service.
    pub(crate) fn charger_case(
        &self,
        key: ChargerKey,
        rule: &Rule,
        at: ConnectorRef,
        code: &str,
    ) -> Option<IncidentId> {
        let fits = !at.is_charger()
            && rule.scope == Scope::Connector
            && matches!(rule.condition, Condition::State { .. });
        if !fits {
            return None;
        }
        let cases = self.watches.get(&key)?.cases.iter().filter_map(|id| self.cases.get(id));
        cases
            .map(|case| &case.incident)
            .filter(|incident| {
                incident.rule == rule.id
                    && !incident.state.is_over()
                    && incident.state != IncidentState::RecoveredUnproven
                    && incident.connector.is_charger()
                    && stays_together(code, &incident.code)
            })
            .map(|incident| incident.id)
            .min()
    }

    /// The fault of a connector joins the incident of its charger.
    pub(crate) fn join_connector(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        place: u16,
        (at, code): (ConnectorRef, &str),
    ) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.rule = Some(place);
        let rule = rule_of(&self.watches, &self.program, case);
        let severity = rule.map_or(case.incident.severity, |rule| rule.severity_of(code));
        let named = if code.is_empty() { "no code" } else { code };
        let subject = subject_words(at);
        if !case.has_places() {
            let description = &mut case.incident.description;
            *description = format!("{description} {subject} {TOO}: {named}.");
        }
        case.incident.occurrences += 1;
        case.incident.severity = case.incident.severity.min(severity);
        let line = Line::new("connector_faulted", format!("{subject} is faulted now: {named}"));
        self.say(cx, id, line.by(Actor::Charger));
    }

    /// A connector whose fault became a danger leaves the incident of its charger.
    pub(crate) fn must_leave(&self, id: IncidentId, at: ConnectorRef, code: &str) -> bool {
        let parent = self.cases.get(&id).map(|case| &case.incident);
        !at.is_charger()
            && parent.is_some_and(|incident| {
                incident.connector.is_charger() && !stays_together(code, &incident.code)
            })
    }

    /// Takes the whole charger's code into account. Says whether the incident can carry it.
    pub(crate) fn heed_whole(&mut self, cx: &Cx<'_>, id: IncidentId, code: &str) -> bool {
        let program = std::sync::Arc::clone(&self.program);
        let Some(case) = self.cases.get(&id) else { return true };
        let Some(rule) = rule_of(&self.watches, &program, case) else { return true };
        let rule = &*rule;
        if crate::codes::is_safety(code) {
            if !case.may_widen() {
                return false;
            }
            self.widen(cx, id, rule, code);
        }
        let severity = rule.severity_of(code);
        let Some(key) = self.cases.get(&id).map(|case| case.incident.charger) else { return true };
        let healing = self.healing_for(cx, key, rule, code);
        let Some(case) = self.cases.get_mut(&id) else { return true };
        if code.is_empty() || severity >= case.incident.severity {
            return true;
        }
        case.incident.severity = severity;
        let untouched = case.steps().iter().all(|step| step.commands.is_empty());
        if case.run.active
            && untouched
            && let (Some(new), Some(now)) = (healing, case.incident.healing.as_mut())
            && now.ladder != new.ladder
        {
            now.ladder = new.ladder;
            case.run.position = 0;
        }
        let title = format!("More serious: the whole charger, {code}");
        self.say(cx, id, Line::new("severity_changed", title));
        true
    }

    /// Moves an incident from a connector to the whole charger, whose fault is a matter of safety.
    fn widen(&mut self, cx: &Cx<'_>, id: IncidentId, rule: &Rule, code: &str) {
        let Some(key) = self.cases.get(&id).map(|case| case.incident.charger) else { return };
        let healing = self.healing_for(cx, key, rule, code);
        let Some(case) = self.cases.get_mut(&id) else { return };
        let incident = &mut case.incident;
        let old = subject_words(incident.connector);
        incident.connector = ConnectorRef::CHARGER;
        code.clone_into(&mut incident.code);
        incident.title = headline(
            rule,
            &Places {
                code,
                at: ConnectorRef::CHARGER,
                for_ms: rule.for_ms(code),
                count: 0,
                within_ms: 0,
                value: None,
            },
        );
        if let Some(new) = healing {
            match incident.healing.as_mut() {
                Some(now) => now.ladder = new.ladder,
                None => incident.healing = Some(new),
            }
            case.run.position = 0;
            case.run.active =
                case.incident.healing.as_ref().is_some_and(|now| now.stopped_by.is_none());
            case.escalate_at = None;
        }
        let line = Line::new("widened", format!("{old} before, now the whole charger: {code}"));
        self.say(cx, id, line.by(Actor::Charger));
        let waits = self.cases.get(&id).and_then(Case::step).is_some_and(is_waiting);
        if waits {
            self.end_step(cx, id, StepState::Skipped, &format!("The fault is now {code}"));
        }
    }

    /// The rule is satisfied at one of an incident's places. Says whether the incident is over: it
    /// is when nothing fires at another.
    pub(crate) fn clear_place(
        &mut self,
        key: ChargerKey,
        place: u16,
        at: ConnectorRef,
        id: IncidentId,
    ) -> Cleared {
        let Some(own) = self.cases.get(&id).map(|case| case.incident.connector) else {
            return Cleared::Over;
        };
        let Some(watch) = self.watches.get(&key) else { return Cleared::Over };
        let others: Vec<ConnectorRef> = watch
            .alerts
            .iter()
            .filter(|alert| alert.at != at && alert.incident() == Some(id))
            .map(|alert| alert.at)
            .collect();
        if others.is_empty() {
            return Cleared::Over;
        }
        if at == own {
            return Cleared::Waits;
        }
        self.leave_place(key, place, at);
        others.into_iter().find(|other| *other == own).map_or(Cleared::Waits, Cleared::Look)
    }

    /// Stops watching one place.
    pub(crate) fn leave_place(&mut self, key: ChargerKey, place: u16, at: ConnectorRef) {
        let Some(watch) = self.watches.get_mut(&key) else { return };
        if let Some(index) = watch.alert(place, at) {
            let timer = Timer::Alert(key, place, at);
            self.timers.set(&mut watch.alerts[index].armed, timer, None);
            watch.alerts.remove(index);
        }
    }

    /// After a restart: the other places at which an incident fires.
    pub(crate) fn take_up_places(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(case) = self.cases.get(&id).filter(|case| case.has_places()) else { return };
        let Some(place) = case.rule else { return };
        let (key, own, began) =
            (case.incident.charger, case.incident.connector, case.incident.began_at);
        let Some(charger) = cx.fleet.charger(key) else { return };
        let Some(watch) = self.watches.get(&key) else { return };
        let rule = watch.rule(&self.program, place);
        let Condition::State { when, .. } = &rule.condition else { return };
        let clears = rule.clears.len();
        let mut places: Vec<ConnectorRef> = if own.is_charger() {
            charger.connectors.iter().map(|connector| connector.at).collect()
        } else {
            vec![ConnectorRef::CHARGER]
        };
        places.retain(|at| when.holds(&self.subject(cx, charger, *at)).at(cx.now));
        let Some(watch) = self.watches.get_mut(&key) else { return };
        for at in places {
            // A place with an incident of its own stays with it.
            if watch.alert(place, at).is_none() {
                let mut alert = Alert::firing(place, at, clears, id, began);
                let timer = Timer::Alert(key, place, at);
                self.timers.set(&mut alert.armed, timer, Some(cx.now + 1));
                watch.alerts.push(alert);
            }
        }
    }
}

/// Whether a connector's fault may be part of its charger's incident.
fn stays_together(code: &str, parent: &str) -> bool {
    !crate::codes::is_safety(code) || crate::codes::is_safety(parent)
}

/// What the end of the condition at one place means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cleared {
    /// The incident is over.
    Over,
    /// Another place still fires.
    Waits,
    /// This place is done with; the incident's own may be too.
    Look(ConnectorRef),
}

impl Alert {
    /// One that fires already.
    pub(crate) fn firing(
        rule: u16,
        at: ConnectorRef,
        clears: usize,
        id: IncidentId,
        began: UnixMs,
    ) -> Self {
        let mut alert = Self::new(rule, at, clears);
        alert.phase = Phase::Firing(id);
        alert.began = Some(began);
        alert.holding = true;
        alert
    }
}
