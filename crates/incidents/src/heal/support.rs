//! What a charger does not support (behaviour 64): it said so, and is not asked for it again.
//!
//! This is what one charger said itself. What its model is known to lack belongs here too, in
//! [`Engine::unsupported`], as soon as that is learned.

use mendpoint_model::{ChargerKey, CommandOutcome, IncidentId, Rung, Step};

use crate::engine::Engine;

/// The word with which a charger says that it does not have an action at all. `Rejected` is none:
/// that may be another time.
pub(crate) fn lacking(outcome: &CommandOutcome) -> Option<&str> {
    let word = match outcome {
        CommandOutcome::Answered { accepted: false, status, .. } => status.as_str(),
        CommandOutcome::Refused { code, .. } => code.as_str(),
        _ => return None,
    };
    ["NotSupported", "NotImplemented"].into_iter().find(|known| known.eq_ignore_ascii_case(word))
}

/// What a step of the past says: its rung is not supported.
pub(crate) fn lacking_in(step: &Step) -> Option<(Rung, &str)> {
    let word = step.commands.iter().find_map(|(_, outcome)| lacking(outcome.as_ref()?))?;
    Some((step.rung, word))
}

impl Engine {
    /// Why a rung is of no use at a charger, if it is not.
    pub(crate) fn unsupported(&self, key: ChargerKey, rung: Rung) -> Option<String> {
        let (_, word) =
            self.watches.get(&key)?.lacks.iter().find(|(lacking, _)| *lacking == rung)?;
        Some(format!("The charger does not support it: it answered {word}"))
    }

    /// Notes what an answer to a rung says.
    pub(crate) fn note_support(&mut self, id: IncidentId, rung: Rung, outcome: &CommandOutcome) {
        let Some(key) = self.cases.get(&id).map(|case| case.incident.charger) else { return };
        let Some(watch) = self.watches.get_mut(&key) else { return };
        if let Some(word) = lacking(outcome) {
            watch.note_lacking(rung, word);
        } else if outcome.is_accepted() {
            watch.lacks.retain(|(lacking, _)| *lacking != rung);
        }
    }
}
