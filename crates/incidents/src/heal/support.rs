//! What is left out because a charger does not do it (behaviour 64): it said so itself, or every
//! charger of its model does.

use mendpoint_model::{ChargerKey, CommandOutcome, IncidentId, Rung, Step, StepState};

use crate::engine::{Cx, Engine};

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
    /// Why a rung is of no use in a case, if it is not. What the charger said itself comes first; of
    /// its model, taking out of service is tried all the same: somebody may get hurt (G3).
    pub(crate) fn left_out(&self, cx: &Cx<'_>, id: IncidentId, rung: Rung) -> Option<String> {
        let charger = self.cases.get(&id)?.incident.charger;
        if let Some(word) = self.lacks(charger, rung) {
            return Some(format!("The charger does not support it: it answered {word}"));
        }
        if rung == Rung::Q {
            return None;
        }
        if rung == Rung::C {
            return (!self.was_asked_to_stop(id))
                .then(|| "The charger has not refused to stop it".to_owned());
        }
        if rung == Rung::L6P {
            let site = self.cases.get(&id)?.incident.site;
            let has_hook = self.settings.power_hooks.contains(&site);
            return (!has_hook).then(|| "The site has no hook that switches the power".to_owned());
        }
        let word = cx.fleet.refusal(charger, &self.action_of(cx, id, rung)?)?;
        Some(format!("Left out: chargers of this model answer {word}"))
    }

    /// Whether the charger was asked to stop the charge and did not, or cannot be asked.
    fn was_asked_to_stop(&self, id: IncidentId) -> bool {
        let Some(case) = self.cases.get(&id) else { return false };
        let mut stops = case.steps().iter().filter(|step| step.rung == Rung::S);
        stops.next_back().is_some_and(|step| match step.state {
            StepState::NotFixed | StepState::Skipped => true,
            StepState::Blocked => !step.commands.iter().any(|(_, outcome)| {
                matches!(
                    outcome,
                    None | Some(
                        CommandOutcome::NotConnected
                            | CommandOutcome::Expired
                            | CommandOutcome::QueueFull
                    )
                )
            }),
            _ => false,
        })
    }

    /// The word with which a charger itself said that it does not do a rung.
    pub(crate) fn lacks(&self, key: ChargerKey, rung: Rung) -> Option<&str> {
        let lacks = &self.watches.get(&key)?.lacks;
        lacks.iter().find(|(lacking, _)| *lacking == rung).map(|(_, word)| word.as_ref())
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
