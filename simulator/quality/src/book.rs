//! What the engine did: incidents, commands and pages, as they left it.

use std::collections::BTreeMap;

use mendpoint_model::{
    Breadth, ChargerKey, Incident, IncidentId, StepState, TimelineEntry, UnixMs,
};

/// One incident, as far as it is judged.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) rule: String,
    pub(crate) opened_at: UnixMs,
    pub(crate) resolved_at: Option<UnixMs>,
    /// When the first command of its healing was sent, or waited for a guardrail.
    pub(crate) first_step_at: Option<UnixMs>,
    pub(crate) has_playbook: bool,
    pub(crate) proven: bool,
    pub(crate) fixed: bool,
    pub(crate) paged_at: Option<UnixMs>,
    /// Failures on its charger when it was opened.
    pub(crate) failures: Vec<usize>,
    /// Whether the charger was in truth connected when it was opened.
    pub(crate) was_online: bool,
    /// How long the charger had been without a connection when it was opened, ms.
    pub(crate) away_ms: Option<i64>,
    /// The outage of a site or of more that told of the same loss: its members have no incident of their
    /// own until it is over (1.7), and then some time to come back.
    pub(crate) told_by: Option<IncidentId>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) entries: BTreeMap<IncidentId, Entry>,
    /// The last state of those that may have to be restored.
    pub(crate) last: BTreeMap<IncidentId, Incident>,
    pub(crate) commands: u64,
    pub(crate) disruptive: u64,
    pub(crate) resets_in_transaction: u64,
}

impl Book {
    /// Takes an incident in; `true` when it is new.
    pub(crate) fn incident(&mut self, incident: Incident) -> bool {
        let id = incident.id;
        let is_new = !self.entries.contains_key(&id);
        let entry = self.entries.entry(id).or_insert_with(|| Entry {
            rule: incident.rule.clone(),
            opened_at: incident.opened_at,
            resolved_at: None,
            first_step_at: None,
            has_playbook: incident.healing.is_some(),
            proven: false,
            fixed: false,
            paged_at: None,
            failures: Vec::new(),
            was_online: false,
            away_ms: None,
            told_by: None,
        });
        entry.resolved_at = incident.resolved_at;
        let steps = incident.healing.iter().flat_map(|healing| &healing.steps);
        entry.fixed = steps.clone().any(|step| step.state == StepState::Fixed);
        if entry.first_step_at.is_none() {
            entry.first_step_at = steps.clone().map(|step| step.at).min();
        }
        entry.has_playbook |= incident.healing.is_some();
        self.last.insert(id, incident);
        is_new
    }

    /// An outage that had this charger among those it lost, and was not over when the charger was lost.
    /// One of the fleet explains every lost connection while it lasts.
    pub(crate) fn outage_of(&self, charger: ChargerKey, since: UnixMs) -> Option<IncidentId> {
        let found = self.last.values().rev().find(|incident| {
            incident.resolved_at.is_none_or(|at| at >= since)
                && incident.ties.outage.as_ref().is_some_and(|outage| {
                    incident.ties.breadth == Breadth::Fleet
                        || outage.members.iter().any(|member| member.charger == charger)
                })
        });
        found.map(|incident| incident.id)
    }

    pub(crate) fn line(&mut self, line: &TimelineEntry) {
        if let Some(entry) = self.entries.get_mut(&line.incident) {
            entry.proven |= line.kind == "proven";
        }
    }

    /// What a restart of ours takes over: open incidents, and those of the last 24 hours.
    pub(crate) fn kept(&mut self, since: UnixMs) -> Vec<Incident> {
        self.last.retain(|_, incident| !incident.state.is_over() || incident.updated_at >= since);
        self.last.values().cloned().collect()
    }
}
