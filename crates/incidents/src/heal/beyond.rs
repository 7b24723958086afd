//! What a case asks of the whole fleet's permits, and tells them.

use mendpoint_model::{
    Action, ChargerKey, ChargerState, ConnectorRef, ConnectorStatus, Fact, HOUR_MS, IncidentId,
    IncidentState, Rung, StepState, UnixMs,
};

use crate::case::Case;
use crate::credit::Credit;
use crate::effect::Effect;
use crate::engine::{Cx, Engine};
use crate::guardrail::{Verdict, acts, is_charger_wide};
use crate::learn::next_hour;
use crate::permits::{Ended, Held, Permit, Truth};
use crate::predicate::connector_state;

/// From this severity on a fault is no reason to disturb anybody at a busy hour (G12).
const NOT_URGENT_FROM: u8 = 5;
/// Up to this severity a charger counts as in trouble (G6).
const IN_TROUBLE_UP_TO: u8 = 4;

/// The rung that comes next.
pub(crate) struct Next {
    pub(crate) rung: Rung,
    /// Why it was chosen; empty when the playbook's order was.
    pub(crate) why: String,
    /// Why it is left out, if it is, and by which guardrail.
    pub(crate) left_out: Option<(&'static str, String)>,
}

impl Engine {
    /// Makes a charger known to the permits, or that it is another one than it was.
    pub(crate) fn enrol(&mut self, now: UnixMs, charger: &ChargerState) {
        let site = Some(charger.site).filter(|site| self.settings.unassigned != Some(*site));
        let model = charger.boot.as_deref().and_then(mendpoint_model::ModelKey::of);
        self.permits.lock().enrol(now, charger.key, site, model.as_ref());
    }

    /// What an event says about the charger itself: who it is, whether it is there, whether it is
    /// used.
    pub(crate) fn note_member(&mut self, cx: &Cx<'_>, key: ChargerKey, facts: &[Fact]) {
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let mut is_news = !std::mem::replace(&mut watch.enrolled, true);
        let mut changed = false;
        for fact in facts {
            match fact {
                Fact::Booted { changed: other } => {
                    is_news = true;
                    changed |= other;
                }
                Fact::LinkUp { .. } | Fact::LinkDown { .. } => {
                    watch.offline = matches!(fact, Fact::LinkDown { .. });
                    self.health.insert(key);
                }
                Fact::TransactionOpened(_) => {
                    let site = watch.site;
                    if self.settings.unassigned != Some(site) {
                        self.permits.lock().session(cx.now, site);
                        self.has_news = true;
                    }
                }
                _ => {}
            }
        }
        if is_news && let Some(charger) = cx.fleet.charger(key) {
            self.enrol(cx.now, charger);
            // Another firmware may bear what the one before did not (G9).
            if changed && self.permits.lock().allow_again(key) {
                self.has_news = true;
            }
        }
    }

    /// Tells the permits which chargers got into trouble, or out of it (G6), and gives out what they
    /// want remembered.
    pub(crate) fn tell_permits(&mut self, now: UnixMs) {
        for key in std::mem::take(&mut self.health) {
            let Some(watch) = self.watches.get(&key) else { continue };
            let unwell = watch.offline
                || watch.cases.iter().any(|id| self.cases.get(id).is_some_and(is_in_trouble));
            if unwell != watch.unwell {
                self.permits.lock().set_unwell(now, key, unwell);
                if let Some(watch) = self.watches.get_mut(&key) {
                    watch.unwell = unwell;
                }
            }
        }
        if std::mem::take(&mut self.has_news) {
            let changes = self.permits.lock().take_changes();
            // Before what it follows from leaves.
            self.tail.splice(0..0, changes.into_iter().map(Effect::Remember));
        }
    }

    /// May a step that the charger and its site allow be done, as far as the fleet goes?
    pub(crate) fn ask_permit(&mut self, cx: &Cx<'_>, id: IncidentId, rung: Rung) -> Verdict {
        let Some(case) = self.cases.get(&id) else { return Verdict::Go };
        let charger = case.incident.charger;
        if !acts(rung) {
            // Even asking is of no use in a storm; what is dangerous is taken out of service.
            let is_held = matches!(rung, Rung::L1 | Rung::L1M | Rung::L1S | Rung::S | Rung::C);
            let storm = if is_held { self.permits.lock().storm(cx.now, charger) } else { None };
            return storm.map_or(Verdict::Go, Verdict::Wait);
        }
        if let Some(held) = self.quiet_hour(cx, case, rung) {
            if let Some(case) = self.cases.get_mut(&id) {
                case.run.patient_until = held.until;
            }
            return Verdict::Wait(held);
        }
        match self.permits.lock().ask(cx.now, charger, id, rung) {
            Permit::Go => Verdict::Go,
            Permit::Wait(held) => Verdict::Wait(held),
            Permit::Never(held) => Verdict::Forbid(held),
        }
    }

    /// G12: what disturbs and can wait, waits for the hour in which the site is used least.
    fn quiet_hour(&self, cx: &Cx<'_>, case: &Case, rung: Rung) -> Option<Held> {
        let incident = &case.incident;
        if !rung.is_disruptive() || incident.severity < NOT_URGENT_FROM {
            return None;
        }
        let charger = cx.fleet.charger(incident.charger)?;
        if !is_usable(charger, incident.connector) {
            return None;
        }
        let learned = self.permits.lock().quiet_hour(cx.now, incident.site);
        let hour = self.settings.quiet_hour.or(learned);
        let quiet = hour.map(|hour| next_hour(cx.now, hour));
        let closes = self.opening_hours.get(&incident.site).and_then(|open| open.closes_at(cx.now));
        // It waits a day at most.
        let closes = closes.filter(|at| at.since_ms(cx.now) <= mendpoint_model::DAY_MS);
        let until = [quiet, closes].into_iter().flatten().min()?;
        if until <= cx.now || self.settings.pace < 1.0 {
            return None;
        }
        let why = match hour {
            Some(hour) if quiet == Some(until) => format!(
                "the connector still works, so it is done when this site is used least, at {hour}:00 UTC"
            ),
            _ => "the connector still works, so it is done when this site is closed".to_owned(),
        };
        Some(Held { guardrail: "G12", why, until: Some(until) })
    }

    /// A step ended.
    pub(crate) fn tell_ended(&mut self, cx: &Cx<'_>, id: IncidentId, rung: Rung, state: StepState) {
        if !acts(rung) {
            return;
        }
        let Some(case) = self.cases.get(&id) else { return };
        let Some(step) = case.steps().last() else { return };
        let gone_at = case.run.healthy_since.unwrap_or(cx.now);
        let ended = Ended {
            charger: case.incident.charger,
            incident: id,
            rung,
            code: &case.incident.code,
            state,
            took_ms: gone_at.since_ms(step.at),
        };
        self.permits.lock().ended(cx.now, &ended);
        self.has_news = true;
    }

    /// A step that ended as fixed did not hold.
    pub(crate) fn tell_undone(&mut self, cx: &Cx<'_>, id: IncidentId, rung: Rung, seen_at: UnixMs) {
        let Some(case) = self.cases.get(&id).filter(|_| acts(rung)) else { return };
        let incident = &case.incident;
        self.permits.lock().undo(cx.now, incident.charger, &incident.code, rung, seen_at);
        self.has_news = true;
    }

    /// What comes next on the ladder, of what there is to choose among.
    pub(crate) fn choose_rung(&mut self, cx: &Cx<'_>, id: IncidentId, rung: Rung) -> Next {
        let mut next = Next { rung, why: String::new(), left_out: None };
        if !crate::learn::is_chosen(rung) {
            return next;
        }
        let Some(case) = self.cases.get(&id) else { return next };
        let Some(healing) = case.healing() else { return next };
        let (charger, position) = (case.incident.charger, case.run.position);
        let permits = self.permits.lock();
        let mut among: Vec<(usize, Rung)> = Vec::new();
        let to_come = healing.ladder.iter().copied().enumerate().skip(position);
        for (place, rung) in to_come.take_while(|(_, rung)| crate::learn::is_chosen(*rung)) {
            let barred = permits.is_barred(cx.now, charger, rung);
            if place == position
                && let Some(held) = barred
            {
                next.left_out = Some((held.guardrail, held.why));
                return next;
            }
            let is_left_out = barred.is_some()
                || !super::ladder::fits(rung, case.incident.connector)
                || self.left_out(cx, id, rung).is_some();
            if place == position || !is_left_out {
                among.push((place, rung));
            }
        }
        if !self.settings.learn {
            return next;
        }
        let nth = healing.steps.iter().filter(|step| step.rung != Rung::D).count() as u64;
        let rungs: Vec<Rung> = among.iter().map(|(_, rung)| *rung).collect();
        let about = (charger, case.incident.code.as_str(), case.incident.severity);
        let choice = permits.choose(cx.now, about, (id.0.unsigned_abs(), nth), &rungs);
        drop(permits);
        if let Some((_, words)) = choice.useless.iter().find(|(place, _)| *place == 0) {
            next.left_out = Some(("", format!("Left out. {words}")));
            return next;
        }
        let (place, chosen) = among[choice.place];
        next.why = choice.why;
        next.rung = chosen;
        if place != position
            && let Some(case) = self.cases.get_mut(&id)
            && let Some(healing) = case.incident.healing.as_mut()
        {
            let moved = healing.ladder.remove(place);
            healing.ladder.insert(position, moved);
        }
        next
    }

    /// Whether a reset takes only the EVSE of the subject (2.x, `EVSE.AllowReset`).
    pub(crate) fn resets_evse(&self, cx: &Cx<'_>, id: IncidentId, rung: Rung) -> bool {
        if !matches!(rung, Rung::L4 | Rung::L5) {
            return false;
        }
        let Some(case) = self.cases.get(&id) else { return false };
        let at = case.incident.connector;
        let Some(charger) = cx.fleet.charger(case.incident.charger) else { return false };
        let is_v2x = charger.link.protocol.is_some_and(|p| p != mendpoint_model::Protocol::V16);
        is_v2x
            && !at.is_charger()
            && setting_of(charger, &format!("EVSE:{}.AllowReset", at.evse))
                .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A plug type of which the site would have no usable connector while a rung is done, if it has
    /// one now and another charger could have one (G5). A site of one charger is disturbed all the
    /// same: nothing else could ever be repaired there.
    pub(crate) fn last_of(
        &self,
        cx: &Cx<'_>,
        case: &Case,
        rung: Rung,
        evse_only: bool,
    ) -> Option<String> {
        let incident = &case.incident;
        if !rung.is_disruptive() || self.settings.unassigned == Some(incident.site) {
            return None;
        }
        let site = cx.fleet.of_site(incident.site);
        if site.len() < 2 {
            return None;
        }
        let charger = cx.fleet.charger(incident.charger)?;
        let at = incident.connector;
        let is_taken = |other: ConnectorRef| {
            if evse_only {
                other.evse == at.evse
            } else {
                is_charger_wide(rung) || at.is_charger() || other == at
            }
        };
        let taken = charger.connectors.iter().filter(|c| is_taken(c.at));
        let mut kinds: Vec<String> = taken
            .filter(|connector| is_usable(charger, connector.at))
            .map(|connector| plug_of(charger, connector.at))
            .collect();
        kinds.sort();
        kinds.dedup();
        kinds.into_iter().find(|kind| {
            let here = charger.connectors.iter().any(|other| {
                !is_taken(other.at)
                    && is_usable(charger, other.at)
                    && plug_of(charger, other.at) == *kind
            });
            let elsewhere = site.iter().filter(|key| **key != charger.key).any(|key| {
                !self.is_disturbed(*key)
                    && cx.fleet.charger(*key).is_some_and(|other| {
                        let mut connectors = other.connectors.iter();
                        connectors.any(|c| is_usable(other, c.at) && plug_of(other, c.at) == *kind)
                    })
            });
            !here && !elsewhere
        })
    }

    /// Whether a charger is being disturbed now.
    pub(crate) fn is_disturbed(&self, key: ChargerKey) -> bool {
        self.watches.get(&key).is_some_and(|watch| {
            watch.cases.iter().any(|id| self.cases.get(id).is_some_and(Case::is_disturbing))
        })
    }

    /// How many connectors of a charger are out of order.
    pub(crate) fn bad_connectors(cx: &Cx<'_>, key: ChargerKey) -> usize {
        let Some(charger) = cx.fleet.charger(key) else { return 0 };
        let is_bad = |state: &&mendpoint_model::ConnectorState| {
            matches!(state.status, ConnectorStatus::Faulted | ConnectorStatus::Unavailable)
                && state.desired_operative != Some(false)
        };
        charger.connectors.iter().filter(is_bad).count()
    }

    /// What became of a fault for which a step was only written down (G10).
    pub(crate) fn tell_shadow(&mut self, cx: &Cx<'_>, id: IncidentId, by_person: bool) {
        let Some(case) = self.cases.get(&id) else { return };
        let Some(place) = case.steps().iter().rposition(|step| step.state == StepState::Shadowed)
        else {
            return;
        };
        let step = &case.steps()[place];
        if !step.why.is_empty() {
            return;
        }
        let waited = crate::duration::duration_words(cx.now.since_ms(step.at));
        let label = step.rung.label().to_lowercase();
        let credit = case.credit.clone().unwrap_or_else(|| self.credit(cx, id));
        let worked_on = by_person || case.hand.is_some() || case.incident.owner.is_some();
        let (truth, words) = match credit {
            Credit::Neighbour(rung, other) => (
                Truth::Neighbour,
                format!("it went away after {} for {other}", rung.label().to_lowercase()),
            ),
            Credit::Person(_) | Credit::InHand(_) => (Truth::Person, "a person ended it".into()),
            _ if worked_on => (Truth::Person, "a person ended it".to_owned()),
            _ => (Truth::Itself, "it went away by itself".to_owned()),
        };
        let words = format!("Without the {label} {words}, {waited} later");
        let rule = case.incident.rule.clone();
        if let Some(case) = self.cases.get_mut(&id)
            && let Some(healing) = case.incident.healing.as_mut()
        {
            healing.steps[place].why.clone_from(&words);
        }
        self.say(cx, id, crate::case::Line::new("shadow_truth", words));
        self.permits.lock().shadow_truth(&rule, truth);
        self.has_news = true;
    }

    /// What another firmware would change, for a person to decide (L7).
    pub(crate) fn firmware_proposal(&self, id: IncidentId) -> String {
        let Some(case) = self.cases.get(&id) else { return String::new() };
        self.permits.lock().firmware_words(case.incident.charger)
    }

    /// Asks a 2.x charger which of its components have a problem, beside its status (L1).
    pub(crate) fn problem_report(&self, cx: &Cx<'_>, id: IncidentId) -> Option<Action> {
        let case = self.cases.get(&id)?;
        let charger = cx.fleet.charger(case.incident.charger)?;
        let is_v2x = charger.link.protocol.is_some_and(|p| p != mendpoint_model::Protocol::V16);
        let number = (id.0.rem_euclid(20_000_000) * 100 + 99) as i32;
        let tripped = r#"{"component":{"name":"EVSE"},"variable":{"name":"Tripped"}}"#;
        let action = Action::Raw {
            action: "GetReport".to_owned(),
            payload: format!(
                r#"{{"requestId":{number},"componentCriteria":["Problem"],"componentVariable":[{tripped}]}}"#
            ),
        };
        (is_v2x && cx.fleet.refusal(charger.key, &action).is_none()).then_some(action)
    }

    /// Whether a ground fault may have its one reset: none within a week, and nobody has it (G3).
    pub(crate) fn may_reset_ground(&self, cx: &Cx<'_>, case: &Case) -> bool {
        let incident = &case.incident;
        let taken = incident.owner.is_some()
            || matches!(incident.state, IncidentState::Acknowledged | IncidentState::InProgress);
        let again_ms = self.settings.guardrails.ground_again_ms;
        let last = self.permits.lock().ground_reset_at(incident.charger);
        !taken && last.is_none_or(|at| cx.now.since_ms(at) >= again_ms)
    }

    /// What is dangerous with a car at a plug is taken out of service before anything else, and a person
    /// is asked at once: nothing is tried while the car stands there (G3).
    pub(crate) fn danger_first(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(case) = self.cases.get(&id) else { return };
        if !crate::codes::is_safety(&case.incident.code) {
            return;
        }
        let Some(charger) = cx.fleet.charger(case.incident.charger) else { return };
        let plugged = charger.connectors.iter().any(|connector| connector.plugged_at.is_some());
        if !plugged {
            return;
        }
        let position = case.run.position;
        let Some(healing) = self.cases.get_mut(&id).and_then(|c| c.incident.healing.as_mut())
        else {
            return;
        };
        let place = healing.ladder.iter().skip(position + 1).position(|rung| *rung == Rung::Q);
        if let Some(ahead) = place {
            let moved = healing.ladder.remove(position + 1 + ahead);
            healing.ladder.insert(position, moved);
            healing.ladder.truncate(position + 1);
        }
    }
}

/// Whether an incident counts its charger as in trouble (G6).
fn is_in_trouble(case: &Case) -> bool {
    let incident = &case.incident;
    let over = incident.state.is_over() || incident.state == IncidentState::RecoveredUnproven;
    !over && incident.severity <= IN_TROUBLE_UP_TO
}

/// Whether a driver can use a connector now, or is using it.
fn is_usable(charger: &ChargerState, at: ConnectorRef) -> bool {
    let works = |state: &mendpoint_model::ConnectorState| {
        !matches!(
            state.status,
            ConnectorStatus::Faulted | ConnectorStatus::Unavailable | ConnectorStatus::Unknown
        )
    };
    let whole = charger.whole.status == ConnectorStatus::Unknown || works(&charger.whole);
    let own = if at.is_charger() {
        charger.connectors.iter().any(works)
    } else {
        connector_state(charger, at).is_some_and(works)
    };
    charger.link.connected && whole && own
}

fn setting_of<'a>(charger: &'a ChargerState, name: &str) -> Option<&'a str> {
    charger.configuration.get(name)?.value.as_deref()
}

/// The kind of plug, where the charger tells it (2.x); all that do not tell count as of one kind.
fn plug_of(charger: &ChargerState, at: ConnectorRef) -> String {
    let name = format!("Connector:{}:{}.ConnectorType", at.evse, at.connector.max(1));
    setting_of(charger, &name).unwrap_or_default().to_owned()
}

/// How long a wait for a quiet hour may be: a day and a little.
pub(crate) const PATIENCE_MS: i64 = 25 * HOUR_MS;
