//! Rules that read the same failed charges (1.7): several in a row, and fewer that succeed than at
//! others of its kind. One cause is told once, whichever of them is first, and what a repair ended
//! counts for none of them any more.

use mendpoint_model::{ConnectorRef, IncidentId, IncidentState, Rung, StepState};

use crate::case::Case;
use crate::engine::Engine;
use crate::rule::Occurrence;

/// What a rule makes of failed charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charges {
    /// Several failed in a row.
    Burst,
    /// Fewer succeed than should, or several fail over a longer time.
    Share,
    /// None succeeds.
    Silence,
}

/// What a rule makes of failed charges, by its id; operators' own rules begin with the same words.
pub(crate) fn charges_of(rule: &str) -> Option<Charges> {
    const PREFIXES: [(&str, Charges); 4] = [
        ("FAILED_BURST", Charges::Burst),
        ("START_SUCCESS", Charges::Share),
        ("EV_COMMUNICATION", Charges::Share),
        ("SILENT_", Charges::Silence),
    ];
    PREFIXES.iter().find(|(prefix, _)| rule.starts_with(prefix)).map(|(_, what)| *what)
}

/// Whether somebody was asked about an incident.
fn is_asked(case: &Case) -> bool {
    case.ticket_asked || case.incident.ticket.is_some()
}

impl Engine {
    /// Whether an incident about failed charges explains what another rule makes of the same ones.
    /// Charges that fail in a row explain the others, because they are repaired at once; but where a
    /// person was asked because fewer succeed, that person is on the way already.
    pub(crate) fn explains_charges(&self, parent: &Case, rule: &str, at: ConnectorRef) -> bool {
        match (charges_of(&parent.incident.rule), charges_of(rule)) {
            (Some(Charges::Burst), Some(Charges::Share)) => true,
            (Some(Charges::Burst), Some(Charges::Silence)) => {
                let began = parent.incident.began_at;
                let watch = self.watches.get(&parent.incident.charger);
                let mut failures = watch.into_iter().flat_map(|watch| &watch.failures);
                failures.any(|(when, _, connector, _)| *when >= began && *connector == at)
            }
            (Some(Charges::Share), Some(Charges::Burst)) => is_asked(parent),
            _ => false,
        }
    }

    /// The incident of the same charger and the same failed charges about which a person was asked.
    pub(crate) fn asked_about_charges(&self, id: IncidentId) -> Option<IncidentId> {
        let incident = &self.cases.get(&id)?.incident;
        let watch = self.watches.get(&incident.charger)?;
        watch.cases.iter().copied().find(|other| {
            let case = self.cases.get(other).filter(|case| case.is_firing());
            *other != id
                && case.is_some_and(|case| {
                    !case.incident.ties.is_quiet()
                        && is_asked(case)
                        && self.explains_charges(case, &incident.rule, incident.connector)
                })
        })
    }

    /// An incident about failed charges ends. When something was done, a repair or a person's visit,
    /// the failures until now are those which that ended: they count for no rule any more. What only
    /// went away by itself stays counted, for it says how often charges fail.
    pub(crate) fn charges_mended(&mut self, id: IncidentId) {
        let Some(case) = self.cases.get(&id) else { return };
        let what = charges_of(&case.incident.rule);
        if !matches!(what, Some(Charges::Burst | Charges::Share)) || !is_mended(case) {
            return;
        }
        let key = case.incident.charger;
        let program = std::sync::Arc::clone(&self.program);
        let Some(watch) = self.watches.get_mut(&key) else { return };
        if let Some(memory) = watch.memory.as_mut() {
            memory.forget(Occurrence::AttemptFailed);
        }
        for alert in &mut watch.alerts {
            let rule = program.rules.get(usize::from(alert.rule));
            if rule.is_some_and(|rule| charges_of(&rule.id) == Some(Charges::Share)) {
                alert.counted.clear();
            }
        }
    }

    /// Whether what an incident explains still waits for its end: charges that failed in a row and
    /// are repaired, which only the next one proves.
    pub(crate) fn waits_for_proof(&self, parent: IncidentId, rule: &str) -> bool {
        charges_of(rule) == Some(Charges::Share)
            && self.cases.get(&parent).is_some_and(|case| {
                charges_of(&case.incident.rule) == Some(Charges::Burst)
                    && case.incident.state == IncidentState::RecoveredUnproven
            })
    }

    /// Whether an incident was about what another one, which is over now, has mended.
    pub(crate) fn is_mended_with(&self, child: IncidentId, parent: IncidentId) -> bool {
        let (Some(child), Some(parent)) = (self.cases.get(&child), self.cases.get(&parent)) else {
            return false;
        };
        charges_of(&child.incident.rule) == Some(Charges::Share)
            && charges_of(&parent.incident.rule) == Some(Charges::Burst)
            && parent.incident.state.is_over()
            && is_mended(parent)
    }
}

/// Whether something was done that can have ended it: a step that changes something, or a person.
fn is_mended(case: &Case) -> bool {
    let steps = case.healing().into_iter().flat_map(|healing| &healing.steps);
    let mut done = steps.filter(|step| step.state == StepState::Fixed);
    is_asked(case)
        || done.any(|step| {
            matches!(
                step.rung,
                Rung::L2 | Rung::L3 | Rung::L4 | Rung::L5 | Rung::L6 | Rung::L6P | Rung::S
            )
        })
}
