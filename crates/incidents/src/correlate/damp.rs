//! Flap damping (1.8): what comes and goes too often is told once, repaired once, and stays open
//! until it is calm.

use mendpoint_model::{ConnectorRef, IncidentId, IncidentState, UnixMs};

use crate::case::{Line, patience_ms};
use crate::engine::{Cx, Engine};
use crate::flap::{FlapClock, FlapRing};

/// From here on it flaps, in percent.
const BEGINS: f64 = 20.0;
/// From here on it does not any more.
const ENDS: f64 = 5.0;
/// The most fingerprints of a charger that are watched: codes are what chargers make them.
const FINGERPRINTS_MAX: usize = 16;

/// How restless the fingerprints of a charger are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Damper {
    clocks: Vec<(Box<str>, ConnectorRef, FlapClock)>,
}

impl Damper {
    /// The clock of a fingerprint, a new one if it has none.
    fn clock(&mut self, rule: &str, at: ConnectorRef, now: UnixMs, look_ms: i64) -> &mut FlapClock {
        let found = self.clocks.iter().position(|(of, place, _)| **of == *rule && *place == at);
        let index = found.unwrap_or_else(|| {
            self.clocks.retain(|(_, _, clock)| clock.percent(now, look_ms) > 0.0);
            if self.clocks.len() >= FINGERPRINTS_MAX {
                self.clocks.remove(0);
            }
            self.clocks.push((rule.into(), at, FlapClock::new(now)));
            self.clocks.len() - 1
        });
        &mut self.clocks[index].2
    }
}

impl Engine {
    /// The hard state of an incident's fingerprint changed: it fires, or fires again. Its ends are
    /// not counted beside that: what came twice in an hour and went twice is not restless yet.
    pub(crate) fn hard_change(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let look_ms = self.settings.flap_look_ms;
        let Some(case) = self.cases.get_mut(&id) else { return };
        if case.rule.is_none() {
            return;
        }
        let (rule, at) = (case.incident.rule.clone(), case.incident.connector);
        let Some(watch) = self.watches.get_mut(&case.incident.charger) else { return };
        let clock = watch.damper.get_or_insert_default().clock(&rule, at, cx.now, look_ms);
        clock.changed(cx.now, look_ms);
        let percent = clock.percent(cx.now, look_ms);
        case.incident.ties.flap_bits = Some(clock.kept());
        if case.incident.ties.flapping {
            case.incident.ties.flaps += 1;
            self.dirty.insert(id);
        } else if percent >= BEGINS {
            case.incident.ties.flapping = true;
            case.incident.ties.flaps = 1;
            // Only the first run of its playbook goes on; then it is a person's.
            let first_run = case.run.active && case.incident.occurrences <= 1;
            case.run.active = first_run;
            if !first_run && case.escalate_at.is_none() && !case.ticket_asked {
                let wait = patience_ms(&self.watches, &self.program, case);
                case.escalate_at = Some(cx.now + wait);
            }
            let line =
                Line::new("flapping", format!("Flapping: {percent:.0} % of its looks changed"))
                    .text(
                        "It comes and goes. It stays open and is told once; after its first repair \
                     nothing more is tried until it is calm.",
                    );
            self.say(cx, id, line);
        }
    }

    /// The condition is gone. Says whether the incident stays open all the same, because it flaps.
    pub(crate) fn is_damped(&mut self, id: IncidentId) -> bool {
        let Some(case) = self.cases.get(&id) else { return false };
        if case.calm {
            return case.incident.ties.flapping;
        }
        if case.incident.state == IncidentState::RecoveredUnproven {
            return false;
        }
        let Some(case) = self.cases.get_mut(&id) else { return false };
        if !case.incident.ties.flapping {
            return false;
        }
        case.calm = true;
        case.run.active = false;
        if !matches!(
            case.incident.state,
            IncidentState::Escalated | IncidentState::Acknowledged | IncidentState::InProgress
        ) {
            case.incident.state = IncidentState::Open;
        }
        "Gone for the moment; it flaps, so it stays open until it is calm"
            .clone_into(&mut case.incident.next);
        case.incident.next_at = None;
        self.dirty.insert(id);
        true
    }

    /// The condition of a damped incident is back.
    pub(crate) fn damped_again(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        if !std::mem::take(&mut case.calm) {
            return;
        }
        "It flaps: nothing more is tried until it is calm".clone_into(&mut case.incident.next);
        self.hard_change(cx, id);
        self.dirty.insert(id);
    }

    /// Looks whether a flapping incident is calm by now. Says when to look again.
    pub(crate) fn tend_flapping(&mut self, cx: &Cx<'_>, id: IncidentId) -> Option<UnixMs> {
        let look_ms = self.settings.flap_look_ms;
        let case = self.cases.get_mut(&id).filter(|case| case.incident.ties.flapping)?;
        if case.incident.state.is_over() {
            case.incident.ties.flapping = false;
            return None;
        }
        let (rule, at) = (case.incident.rule.clone(), case.incident.connector);
        let watch = self.watches.get_mut(&case.incident.charger)?;
        let clock = watch.damper.get_or_insert_default().clock(&rule, at, cx.now, look_ms);
        if clock.percent(cx.now, look_ms) > ENDS {
            return Some(clock.calm_at(cx.now, look_ms, ENDS));
        }
        let ties = &mut case.incident.ties;
        ties.flapping = false;
        let flaps = std::mem::take(&mut ties.flaps);
        ties.flap_bits = Some(clock.kept());
        let calm = std::mem::take(&mut case.calm);
        let line = Line::new("flapping_ended", format!("Calm again after {flaps} changes"));
        self.say(cx, id, line);
        let asked = self.cases.get(&id).is_some_and(|case| case.ticket_asked);
        if calm {
            self.settle_calm(cx, id);
        } else if asked {
            self.escalate(cx, id, "It came and went, and stays now.");
        } else if let Some(case) = self.cases.get_mut(&id) {
            // It is there, and stays: it is judged as if it had begun now.
            let stopped = case.healing().is_none_or(|healing| healing.stopped_by.is_some());
            case.run.active = !stopped && case.incident.ticket.is_none() && !case.ticket_asked;
            if !case.run.active && case.incident.ticket.is_none() && !case.ticket_asked {
                let wait = patience_ms(&self.watches, &self.program, case);
                case.escalate_at = Some(cx.now + wait);
                case.will_ask(cx.now + wait);
            }
        }
        None
    }

    /// Takes the looks of a fingerprint over from before a restart.
    pub(crate) fn restore_damper(&mut self, id: IncidentId) {
        let look_ms = self.settings.flap_look_ms;
        let Some(case) = self.cases.get(&id) else { return };
        let incident = &case.incident;
        let Some((began, bits)) = incident.ties.flap_bits else { return };
        let Some(watch) = self.watches.get_mut(&incident.charger) else { return };
        let clock = watch.damper.get_or_insert_default().clock(
            &incident.rule,
            incident.connector,
            began,
            look_ms,
        );
        *clock = FlapClock::restored(FlapRing::from_bits(bits), began);
    }
}
