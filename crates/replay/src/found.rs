//! What a replay found, in the size that thirty days of a fleet can be kept in.

use mendpoint_model::{
    ChargerKey, ConnectorRef, Incident, IncidentId, IncidentState, SiteKey, StepState, UnixMs,
};
use serde::{Deserialize, Serialize};

/// An incident, live or replayed, as far as the two are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its number; those of a replay begin at 1 and are nobody else's.
    pub id: IncidentId,
    /// The rule.
    pub rule: String,
    /// The charger.
    pub charger: ChargerKey,
    /// Its site.
    pub site: SiteKey,
    /// The connector, or the whole charger.
    pub connector: ConnectorRef,
    /// The error code; empty when the rule has none.
    pub code: String,
    /// The line for lists.
    pub title: String,
    /// OCPP severity.
    pub severity: u8,
    /// When the condition began.
    pub began_at: UnixMs,
    /// When it was opened.
    pub opened_at: UnixMs,
    /// When it was first seen to be gone: recovered or resolved.
    pub gone_at: Option<UnixMs>,
    /// When it was resolved.
    pub resolved_at: Option<UnixMs>,
    /// Whether a person was asked, or would have been.
    pub escalated: bool,
    /// Whether it has a ticket, or would have had one.
    #[serde(default)]
    pub ticket: bool,
    /// Whether a person did something about it (live only).
    pub had_person: bool,
    /// Commands that were sent, or would have been.
    pub actions: u32,
}

impl Found {
    /// An incident as it begins.
    pub fn of(incident: &Incident) -> Self {
        let mut found = Self {
            id: incident.id,
            rule: incident.rule.clone(),
            charger: incident.charger,
            site: incident.site,
            connector: incident.connector,
            code: incident.code.clone(),
            title: incident.title.clone(),
            severity: incident.severity,
            began_at: incident.began_at,
            opened_at: incident.opened_at,
            gone_at: None,
            resolved_at: None,
            escalated: false,
            ticket: false,
            had_person: false,
            actions: 0,
        };
        found.update(incident);
        found
    }

    /// Takes in how it stands now.
    pub fn update(&mut self, incident: &Incident) {
        if self.title != incident.title {
            self.title.clone_from(&incident.title);
        }
        if self.code != incident.code {
            self.code.clone_from(&incident.code);
        }
        self.severity = incident.severity;
        let is_gone =
            incident.state.is_over() || incident.state == IncidentState::RecoveredUnproven;
        self.gone_at = is_gone.then(|| self.gone_at.unwrap_or(incident.updated_at));
        self.resolved_at = incident.resolved_at;
        self.escalated |= incident.ticket.is_some() || incident.needs_person;
        self.ticket |= incident.ticket.is_some();
        self.had_person |= incident.owner.is_some();
        let commands = incident.healing.iter().flat_map(|healing| &healing.steps);
        self.actions = commands
            .filter(|step| step.state != StepState::Shadowed)
            .map(|step| step.commands.len() as u32)
            .sum();
    }
}

/// A command that the engine would have sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WouldBe {
    /// When.
    pub at: UnixMs,
    /// To which charger.
    pub charger: ChargerKey,
    /// For which incident of the replay; `None` for a question of the engine's own.
    pub incident: Option<IncidentId>,
    /// What, in OCPP's words: `Reset Soft`.
    pub action: String,
    /// Whether the same command was really sent then, so that the answer is the real one.
    pub was_sent: bool,
}
