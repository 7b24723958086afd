//! What a person saw when they decided. A page is a picture of a moment: what it was decided on may
//! be otherwise by the time the order comes in, and then nothing is done that they did not see.

use mendpoint_model::{IncidentId, IncidentState, Priority};

use crate::case::Case;
use crate::request::RequestError;

/// What was seen of an incident. `None`: it does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Whose it was; empty for nobody's.
    pub owner: Option<String>,
    /// How severe it was, 0 to 9. Less severe is no surprise.
    pub severity: Option<u8>,
    /// Whether the fault was gone, not yet proven.
    pub recovered: Option<bool>,
    /// How many steps its playbook had begun.
    pub steps: Option<u32>,
    /// What it was merged into; `IncidentId(0)` for nothing.
    pub parent: Option<IncidentId>,
}

impl Seen {
    /// Whether an incident is still as it was seen.
    pub(crate) fn check(&self, case: &Case) -> Result<(), RequestError> {
        let changed = |what: String| Err(RequestError::Changed(case.incident.id, what));
        let incident = &case.incident;
        let owner = incident.owner.as_deref().unwrap_or_default();
        if self.owner.as_deref().is_some_and(|seen| seen != owner) {
            return changed(match owner {
                "" => "it was given back".to_owned(),
                owner => format!("{owner} took it"),
            });
        }
        if self.severity.is_some_and(|seen| incident.severity < seen) {
            let priority = Priority::of_severity(incident.severity);
            return changed(format!("it became more severe and is {} now", priority.name()));
        }
        let recovered = incident.state == IncidentState::RecoveredUnproven;
        if self.recovered.is_some_and(|seen| seen && !recovered) {
            return changed("the fault came back".to_owned());
        }
        let steps = case.steps().len() as u32;
        if self.steps.is_some_and(|seen| seen < steps) {
            return changed("its playbook went on".to_owned());
        }
        let parent = incident.ties.merged_into.unwrap_or_default();
        if self.parent.is_some_and(|seen| seen != parent) {
            return changed(match parent {
                IncidentId(0) => "it was split off".to_owned(),
                parent => format!("it was merged into {parent}"),
            });
        }
        Ok(())
    }
}
