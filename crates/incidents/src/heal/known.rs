//! What a model is known not to do is not tried (behaviour 64).

use mendpoint_model::{IncidentId, Rung};

use crate::engine::{Cx, Engine};

impl Engine {
    /// Why a rung is left out: the charger's model answers its command with `NotSupported` or
    /// `NotImplemented`. Taking out of service is always tried: somebody may get hurt (G3).
    pub(crate) fn known_refusal(&self, cx: &Cx<'_>, id: IncidentId, rung: Rung) -> Option<String> {
        if rung == Rung::Q {
            return None;
        }
        let charger = self.cases.get(&id)?.incident.charger;
        let word = cx.fleet.refusal(charger, &self.action_of(id, rung)?)?;
        Some(format!("Left out: chargers of this model answer {word}"))
    }
}
