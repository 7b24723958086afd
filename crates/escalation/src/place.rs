//! What is known of the place of an incident.

use mendpoint_model::{ChargerRecord, Incident, IncidentState, SiteRecord};

use crate::book::Brief;
use crate::family;

/// The incident of a blind fleet: who runs the platform is told of it by its page.
const FLEET_BLIND: &str = "FLEET_BLIND";

/// What people call the place of an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The charger's OCPP identity.
    pub identity: String,
    /// Its name for people.
    pub charger_name: String,
    /// Vendor and model.
    pub model: String,
    /// The name of its site; empty where it has none.
    pub site_name: String,
}

impl Place {
    /// The place of a charger; `site` is none for those without one.
    pub fn of(charger: Option<&ChargerRecord>, site: Option<&SiteRecord>) -> Self {
        let model = |one: &ChargerRecord| format!("{} {}", one.vendor, one.model).trim().to_owned();
        Self {
            identity: charger.map(|one| one.identity.to_string()).unwrap_or_default(),
            charger_name: charger.map(|one| one.name.clone()).unwrap_or_default(),
            model: charger.map(model).unwrap_or_default(),
            site_name: site.map(|site| site.name.clone()).unwrap_or_default(),
        }
    }
}

impl Brief {
    /// What the machine needs to know of an incident. `route` is the one that its rule names.
    pub fn of(incident: &Incident, place: Place, route: Option<String>) -> Self {
        let Place { identity, charger_name, model, site_name } = place;
        let where_ = if site_name.is_empty() { &charger_name } else { &site_name };
        let state = incident.state;
        Self {
            incident: incident.id,
            group: format!("{where_}, {}", family(&incident.rule)),
            rule: incident.rule.clone(),
            route: route.unwrap_or_else(|| "default".to_owned()),
            severity: incident.severity,
            charger: incident.charger,
            identity,
            model,
            charger_name,
            site: incident.site,
            site_name,
            title: incident.title.clone(),
            text: incident.description.clone(),
            opened_at: incident.opened_at,
            state,
            handed_over: incident.needs_person
                || incident.ticket.is_some()
                || matches!(
                    state,
                    IncidentState::Escalated
                        | IncidentState::Acknowledged
                        | IncidentState::InProgress
                ),
            // A blind fleet is nobody's on site.
            inhibited: incident.ties.parent().is_some() || incident.rule == FLEET_BLIND,
            taken_by: incident.owner.clone(),
            ticket: incident.ticket,
            resolution: incident.resolution.clone(),
        }
    }
}
