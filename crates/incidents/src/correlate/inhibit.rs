//! What one incident explains of others (1.7, parent and child). What is explained opens no
//! incident; what is open already rests. When the parent is over, all of it is judged anew.

use mendpoint_model::{
    Actor, ChargerKey, ConnectorRef, IncidentId, IncidentState, StepState, UnixMs,
};

use super::charges::{Charges, charges_of};
use super::family::{Family, family_of};
use crate::alert::Phase;
use crate::case::{Case, Line, patience_ms};
use crate::effect::Evidence;
use crate::engine::{Cx, Engine};
use crate::heal::ladder::is_waiting;
use crate::predicate::connector_state;
use crate::rule::{Condition, Rule, Scope};
use crate::timers::Timer;

/// What a title ends with when other connectors report the same fault.
const ELSEWHERE: &str = ", and on other connectors";

/// What an incident did before another one quieted it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paused {
    healed: bool,
    /// How long a person was still left alone, milliseconds.
    escalate_in_ms: Option<i64>,
    needed_person: bool,
    /// A step was given up before it began: it comes again.
    skipped: bool,
    /// What was to happen next.
    next: String,
    next_at: Option<UnixMs>,
}

impl Engine {
    /// The open incident that explains why a rule fires here.
    pub(crate) fn inhibitor(
        &self,
        cx: &Cx<'_>,
        key: ChargerKey,
        rule: &Rule,
        (at, code): (ConnectorRef, &str),
    ) -> Option<IncidentId> {
        // A danger is explained by nothing.
        if crate::codes::is_safety(code) {
            return None;
        }
        let family = family_of(&rule.id);
        let watch = self.watches.get(&key)?;
        if is_of_link(&rule.id, family) {
            if let Some(id) = self.correlation.fleet_cover {
                return Some(id);
            }
            if let Some(id) = self.correlation.covers.get(&key) {
                return Some(*id);
            }
            if let Some(id) = self.site_outage_of(watch.site, key) {
                return Some(id);
            }
        }
        if let Some(id) = self.grid_incident(watch.site, code) {
            return Some(id);
        }
        watch.cases.iter().copied().find(|id| {
            let case = self.cases.get(id).filter(|case| case.is_firing());
            case.is_some_and(|case| {
                // Chains end at their head: a child explains nothing.
                !case.incident.ties.is_quiet()
                    && if case.incident.rule == rule.id {
                        self.is_same_fault(cx, case, (at, code))
                    } else {
                        Self::is_parent(case, family, rule.scope, at)
                            || self.explains_charges(case, &rule.id, at)
                    }
            })
        })
    }

    /// Whether an incident is the same fault that another connector of its charger reported in the same
    /// moment: what both share broke, and one repair and one visit are for both.
    fn is_same_fault(&self, cx: &Cx<'_>, case: &Case, (at, code): (ConnectorRef, &str)) -> bool {
        let incident = &case.incident;
        let is_elsewhere =
            incident.connector != at && !incident.connector.is_charger() && !at.is_charger();
        if !is_elsewhere
            || code.is_empty()
            || incident.code != code
            || family_of(&incident.rule) != Family::Fault
        {
            return false;
        }
        let Some(charger) = cx.fleet.charger(incident.charger) else { return false };
        let since = |at| connector_state(charger, at)?.since;
        match (since(incident.connector), since(at)) {
            (Some(one), Some(other)) => one.since_ms(other).abs() <= self.settings.group_wait_ms,
            _ => false,
        }
    }

    /// Whether an incident explains trouble of a family at a place of its charger.
    fn is_parent(parent: &Case, family: Family, scope: Scope, at: ConnectorRef) -> bool {
        let incident = &parent.incident;
        match family_of(&incident.rule) {
            Family::Offline => matches!(family, Family::Connectivity | Family::Charging),
            Family::Connectivity => family == Family::Connectivity,
            Family::Fault => {
                incident.connector.is_charger()
                    && incident.rule.starts_with("ERR_FAULTED")
                    && scope == Scope::Connector
                    && !at.is_charger()
                    && matches!(family, Family::Fault | Family::Charging)
            }
            _ => false,
        }
    }

    /// An alert fires, and an incident explains it.
    pub(crate) fn hold_alert(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        place: u16,
        at: ConnectorRef,
        parent: IncidentId,
    ) {
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let Some(index) = watch.alert(place, at) else { return };
        let alert = &mut watch.alerts[index];
        self.timers.set(&mut alert.armed, Timer::Alert(key, place, at), None);
        if alert.phase == Phase::Inhibited(parent) {
            return;
        }
        alert.phase = Phase::Inhibited(parent);
        let held = self.correlation.held.entry(parent).or_default();
        if !held.contains(&(key, place, at)) {
            held.push((key, place, at));
        }
        // An incident of the same charger says what else it stands for; an outage has its members.
        let rule = self.program.rules[usize::from(place)].id.clone();
        let title = self.program.rules[usize::from(place)].title.clone();
        let Some(case) = self.cases.get_mut(&parent) else { return };
        if case.incident.rule == rule {
            if !case.incident.title.ends_with(ELSEWHERE) {
                case.incident.title.push_str(ELSEWHERE);
            }
            let title = format!("Connector {at} reports the same: part of this incident");
            return self.say(cx, parent, Line::new("also", title));
        }
        if case.incident.is_wide() || case.incident.ties.also.contains(&rule) {
            return;
        }
        case.incident.ties.also.push(rule);
        let merged = family_of(&case.incident.rule) == Family::Connectivity;
        if merged && !case.incident.title.starts_with("Connectivity: ") {
            case.incident.title = format!("Connectivity: {}", lower(&case.incident.title));
        }
        let line = Line::new("also", format!("{title} too: part of this incident"));
        self.say(cx, parent, line);
    }

    /// What is open on a charger because of its connection, and is explained by something wider.
    pub(crate) fn inhibit_links(&mut self, cx: &Cx<'_>, key: ChargerKey, parent: IncidentId) {
        let Some(watch) = self.watches.get(&key) else { return };
        let of_link = |id: &IncidentId| {
            let case = self.cases.get(id).filter(|case| case.is_firing());
            case.is_some_and(|case| is_of_link(&case.incident.rule, family_of(&case.incident.rule)))
        };
        let ids: Vec<IncidentId> = watch.cases.iter().copied().filter(of_link).collect();
        for id in ids {
            self.inhibit_case(cx, id, parent);
        }
    }

    /// An incident was opened or came back: what it explains of its own charger rests.
    pub(crate) fn inhibit_children(&mut self, cx: &Cx<'_>, parent: IncidentId) {
        let Some(case) = self.cases.get(&parent).filter(|case| case.is_firing()) else { return };
        if case.incident.ties.is_quiet() {
            return;
        }
        let Some(watch) = self.watches.get(&case.incident.charger) else { return };
        let is_child = |id: &IncidentId| {
            let Some(child) = self.cases.get(id).filter(|child| child.is_firing()) else {
                return false;
            };
            let incident = &child.incident;
            let rule = child.rule.map(|place| &self.program.rules[usize::from(place)]);
            *id != parent
                && incident.rule != case.incident.rule
                && !crate::codes::is_safety(&incident.code)
                // Of two that explain each other the older one stays.
                && family_of(&case.incident.rule) != Family::Connectivity
                && rule.is_some_and(|rule| {
                    Self::is_parent(case, family_of(&rule.id), rule.scope, incident.connector)
                        // Of two that explain each other the one that is repaired goes on.
                        || (charges_of(&case.incident.rule) == Some(Charges::Burst)
                            && self.explains_charges(case, &rule.id, incident.connector))
                })
        };
        let ids: Vec<IncidentId> = watch.cases.iter().copied().filter(is_child).collect();
        for id in ids {
            self.inhibit_case(cx, id, parent);
        }
    }

    /// An incident rests, because another one explains it.
    pub(crate) fn inhibit_case(&mut self, cx: &Cx<'_>, id: IncidentId, parent: IncidentId) {
        if id == parent {
            return;
        }
        let Some(case) = self.cases.get_mut(&id) else { return };
        if case.incident.state.is_over() || case.incident.ties.inhibited_by == Some(parent) {
            return;
        }
        let before = case.incident.ties.inhibited_by.replace(parent);
        self.hush(cx, id);
        if before.is_none() {
            let line = Line::new("inhibited", format!("{parent} explains it"))
                .text("Nothing is repaired and nobody is asked here until that is over.");
            self.say(cx, id, line);
        }
        self.dirty.insert(id);
    }

    /// Stops what an incident does of its own accord, as long as something keeps it quiet.
    pub(crate) fn hush(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        if !case.incident.ties.is_quiet() || case.incident.state.is_over() {
            return;
        }
        let restless = case.run.active || case.escalate_at.is_some() || case.incident.needs_person;
        if !restless && case.paused.is_some() {
            return;
        }
        if case.paused.is_none() {
            case.paused = Some(Paused {
                next: case.incident.next.clone(),
                next_at: case.incident.next_at,
                ..Paused::default()
            });
        }
        let paused = case.paused.get_or_insert_default();
        paused.healed |= case.run.active;
        paused.needed_person |= case.incident.needs_person;
        if let Some(at) = case.escalate_at.take() {
            paused.escalate_in_ms = Some(at.since_ms(cx.now).max(0));
        }
        case.run.active = false;
        case.incident.needs_person = false;
        let words = match case.incident.ties.parent() {
            Some(parent) => format!("Waits for the end of {parent}"),
            None => "Kept quiet".to_owned(),
        };
        case.incident.next = words;
        case.incident.next_at = None;
        if case.step().is_some_and(is_waiting) {
            if let Some(paused) = case.paused.as_mut() {
                paused.skipped = true;
            }
            self.end_step(cx, id, StepState::Skipped, "Another incident explains it");
        }
        self.dirty.insert(id);
    }

    /// Goes on where an incident was quieted.
    pub(crate) fn unhush(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        if case.incident.ties.is_quiet() {
            return;
        }
        let paused = case.paused.take().unwrap_or_default();
        if case.incident.state.is_over() {
            return;
        }
        let stopped = case.healing().is_some_and(|healing| healing.stopped_by.is_some());
        case.run.active = paused.healed && !stopped;
        if paused.skipped {
            case.run.position = case.run.position.saturating_sub(1);
        }
        case.incident.needs_person = paused.needed_person;
        case.incident.next = paused.next;
        case.incident.next_at = paused.next_at.filter(|at| *at > cx.now);
        let recovered = case.incident.state == IncidentState::RecoveredUnproven;
        if recovered {
            "The next session that delivers energy proves it".clone_into(&mut case.incident.next);
        } else if let Some(left) = paused.escalate_in_ms {
            let at = cx.now + left.max(self.settings.correlation.settle_ms);
            case.escalate_at = Some(at);
            case.will_ask(at);
        } else if !case.run.active && !paused.needed_person && !case.ticket_asked {
            let wait = patience_ms(&self.watches, &self.program, case);
            let at = cx.now + wait;
            case.escalate_at = Some(at);
            case.will_ask(at);
        }
        self.dirty.insert(id);
        self.tend(cx, id);
    }

    /// A parent is over, or explains nothing any more: what it held is judged anew.
    pub(crate) fn release_children(&mut self, cx: &Cx<'_>, parent: IncidentId) {
        if let Some(held) = self.correlation.held.remove(&parent) {
            let grace = cx.now + self.settings.correlation.release_grace_ms;
            for alert in held {
                let rule = self.program.rules.get(usize::from(alert.1));
                if rule.is_some_and(|rule| self.waits_for_proof(parent, &rule.id)) {
                    self.correlation.held.entry(parent).or_default().push(alert);
                    continue;
                }
                self.release_alert(cx, alert, parent, grace);
            }
        }
        let ids: Vec<IncidentId> = self
            .cases
            .values()
            .filter(|case| case.incident.ties.parent() == Some(parent))
            .filter(|case| {
                case.incident.ties.merged_into.is_some()
                    || !self.waits_for_proof(parent, &case.incident.rule)
            })
            .map(|case| case.incident.id)
            .collect();
        for id in ids {
            let mended = self.is_mended_with(id, parent);
            let Some(case) = self.cases.get_mut(&id) else { continue };
            let merged = case.incident.ties.merged_into.is_some();
            case.incident.ties.inhibited_by = None;
            if case.incident.ties.merged_into == Some(parent) {
                case.incident.ties.merged_into = None;
            }
            self.dirty.insert(id);
            if mended && !merged {
                let words = format!("The same charges as {parent}, which is mended");
                self.resolve(cx, id, &words, &Actor::Engine, Some(Evidence::Cleared));
                continue;
            }
            if self.cases.get(&id).is_some_and(|case| !case.incident.state.is_over()) {
                let line = Line::new("released", format!("{parent} is over: judged by itself now"));
                self.say(cx, id, line);
            }
            self.unhush(cx, id);
        }
    }

    /// After the rules were read again: their places are others.
    pub(crate) fn rehold(&mut self) {
        self.correlation.held.clear();
        let mut keys: Vec<ChargerKey> = self.watches.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            let Some(watch) = self.watches.get(&key) else { continue };
            for alert in &watch.alerts {
                if let Phase::Inhibited(parent) = alert.phase {
                    let held = self.correlation.held.entry(parent).or_default();
                    held.push((key, alert.rule, alert.at));
                }
            }
        }
    }

    /// After a restart: what was explained by an incident of this shard still is. What something
    /// wider explained is said again by the overseer.
    pub(crate) fn take_up_ties(&mut self, cx: &Cx<'_>, ids: &[IncidentId]) {
        for id in ids {
            let Some(case) = self.cases.get(id) else { continue };
            let parent = case.incident.ties.inhibited_by;
            let holds =
                parent.is_some_and(|parent| self.cases.get(&parent).is_some_and(Case::is_firing));
            if parent.is_some()
                && !holds
                && let Some(case) = self.cases.get_mut(id)
            {
                case.incident.ties.inhibited_by = None;
                self.dirty.insert(*id);
            }
            self.hush(cx, *id);
            self.restore_damper(*id);
        }
    }

    fn release_alert(
        &mut self,
        cx: &Cx<'_>,
        (key, place, at): (ChargerKey, u16, ConnectorRef),
        parent: IncidentId,
        grace: UnixMs,
    ) {
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let Some(index) = watch.alert(place, at) else { return };
        if watch.alerts[index].phase != Phase::Inhibited(parent) {
            return;
        }
        let Some(rule) = self.program.rules.get(usize::from(place)) else { return };
        if rule.judges_link() {
            // Whoever is a little late is no incident of its own.
            watch.grace_until = watch.grace_until.max(grace);
        }
        let alert = &mut watch.alerts[index];
        alert.phase = Phase::Pending;
        if let Condition::Count(count) = &rule.condition {
            alert.forget_counted(cx.now, count.within_ms);
            let many = alert.counted.len() as u32;
            if many == 0 {
                self.leave_place(key, place, at);
            }
            // Counting goes on; the next one fires it.
            return;
        }
        self.timers.set(&mut alert.armed, Timer::Alert(key, place, at), Some(cx.now + 1));
    }
}

/// Whether a rule speaks of the connection, so that a wider outage explains it.
fn is_of_link(rule: &str, family: Family) -> bool {
    matches!(family, Family::Offline | Family::Connectivity) || rule == "CMD_UNRESPONSIVE"
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
