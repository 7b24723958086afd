//! Incidents about nobody charging any more. No look at the charger shows whether such a one is over:
//! only the next charge does, and its absence says a little more every hour.

use mendpoint_model::{IncidentId, IncidentState, UnixMs};

use crate::case::patience_ms;
use crate::duration::duration_words;
use crate::engine::{Cx, Engine};

impl Engine {
    /// Whether a case's rule is about nobody charging any more.
    pub(crate) fn is_about_silence(&self, id: IncidentId) -> bool {
        let rule = self.cases.get(&id).and_then(|case| case.rule);
        rule.is_some_and(|rule| self.program.rules[usize::from(rule)].judges_silence())
    }

    /// Something was done, or the incident is over: the silence before says nothing of the time after.
    pub(crate) fn begin_silence_anew(&mut self, cx: &Cx<'_>, id: IncidentId) {
        if !self.is_about_silence(id) {
            return;
        }
        let Some(incident) = self.cases.get(&id).map(|case| &case.incident) else { return };
        let (key, at) = (incident.charger, incident.connector);
        if let Some(memory) = self.watches.get_mut(&key).and_then(|watch| watch.memory.as_mut()) {
            memory.begin_anew(cx.now, at);
        }
    }

    /// A repair after which nobody charged for as long as the rule leaves a person alone did not
    /// help: goes on with the next rung. Says when to look again, and whether it went on.
    pub(crate) fn tend_silence(&mut self, cx: &Cx<'_>, id: IncidentId) -> (Option<UnixMs>, bool) {
        if !self.is_about_silence(id) {
            return (None, false);
        }
        let Some(case) = self.cases.get(&id) else { return (None, false) };
        let incident = &case.incident;
        let Some(recovered_at) =
            case.recovered_at.filter(|_| incident.state == IncidentState::RecoveredUnproven)
        else {
            return (None, false);
        };
        // One that a person has done is theirs to look at.
        if incident.ticket.is_some() || case.ticket_asked || !case.was_tried() {
            return (None, false);
        }
        let wait_ms = patience_ms(&self.watches, &self.program, case);
        let due = recovered_at + wait_ms;
        if due > cx.now {
            return (Some(due), false);
        }
        let waited = duration_words(cx.now.since_ms(recovered_at));
        let why = format!("Nobody has charged in the {waited} since the repair");
        self.came_back(cx, id, &why, false);
        (None, true)
    }
}
