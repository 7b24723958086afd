//! Which rung comes next, and what it sends.

use mendpoint_model::{Action, ConnectorRef, Healing, Rung, Step, StepState, TriggeredMessage};

/// How often taking out of service is tried when the connection is lost.
const QUARANTINE_TRIES_MAX: usize = 20;

/// The rung at a place of the ladder.
pub(crate) fn rung_at(healing: &Healing, position: usize) -> Option<Rung> {
    healing.ladder.get(position).copied()
}

/// The last step that was one of the ladder's own.
fn last_rung(healing: &Healing) -> Option<&Step> {
    healing.steps.iter().rfind(|step| step.rung != Rung::D)
}

/// Where a run goes on after a restart: after the last rung it tried, or with that rung again when
/// it never reached the charger.
pub(crate) fn position_after(healing: &Healing, tries_max: usize) -> usize {
    let Some(last) = last_rung(healing) else { return 0 };
    let after = usize::from(!may_try_again(healing, tries_max));
    healing.ladder.iter().position(|rung| *rung == last.rung).map_or(0, |place| place + after)
}

/// Whether a step has done nothing yet, so that something more urgent may come before it.
pub(crate) fn is_waiting(step: &Step) -> bool {
    matches!(step.state, StepState::Waiting | StepState::AwaitingApproval)
        || (matches!(step.rung, Rung::L0 | Rung::D) && step.state == StepState::Verifying)
}

/// Whether the last step is to be tried again: the connection was gone before it could be done, or
/// it never left us. It counts as a try all the same.
pub(crate) fn may_try_again(healing: &Healing, tries_max: usize) -> bool {
    use mendpoint_model::CommandOutcome::{Expired, NotConnected, QueueFull};
    let Some(last) = last_rung(healing) else { return false };
    let lost = last.state == StepState::Blocked
        && matches!(last.commands.last(), Some((_, Some(NotConnected | Expired | QueueFull))));
    // Taking out of service disturbs nobody, and matters more than a limit.
    let tries_max = if last.rung == Rung::Q { QUARANTINE_TRIES_MAX } else { tries_max };
    let tries = healing
        .steps
        .iter()
        .filter(|step| step.rung == last.rung && !step.commands.is_empty())
        .count();
    lost && tries < tries_max
}

/// What a rung sends first. `None` for the ones that send nothing.
pub(crate) fn first_action(rung: Rung, at: ConnectorRef) -> Option<Action> {
    let connector = Some(at).filter(|at| !at.is_charger());
    match rung {
        // What D sends depends on the settings and not on the place alone.
        Rung::L0 | Rung::L6 | Rung::L6P | Rung::L7 | Rung::L1S | Rung::S | Rung::C | Rung::D => {
            None
        }
        Rung::L1M => Some(Action::Trigger { message: TriggeredMessage::MeterValues, connector }),
        Rung::L1 => {
            Some(Action::Trigger { message: TriggeredMessage::StatusNotification, connector })
        }
        Rung::L2 => Some(Action::Unlock { connector: at }),
        Rung::L3 | Rung::Q => Some(Action::SetAvailability { connector: at, operative: false }),
        Rung::L4 => Some(Action::Reset { hard: false, evse: None }),
        Rung::L5 => Some(Action::Reset { hard: true, evse: None }),
    }
}

/// Whether a rung makes sense for a subject: an unlock needs a connector.
pub(crate) fn fits(rung: Rung, at: ConnectorRef) -> bool {
    rung != Rung::L2 || !at.is_charger()
}

/// Whether an availability cycle left the connector switched off: it was switched off, or that is
/// not known, and no switching on was accepted.
pub(crate) fn owes_switching_on(step: &Step) -> bool {
    if step.rung != Rung::L3 || step.state == StepState::Waiting {
        return false;
    }
    // Number 0 stops a stuck charge, 1 switches off, every later one switches on.
    let numbered = || {
        step.commands.iter().filter_map(|(id, outcome)| {
            let number: u32 = id.0.rsplit('-').next()?.parse().ok()?;
            Some((number, outcome))
        })
    };
    let off = numbered().any(|(number, outcome)| {
        use mendpoint_model::CommandOutcome as O;
        number == 1
            && match outcome {
                None | Some(O::TimedOut | O::NotConnected) => true,
                Some(outcome) => outcome.is_accepted(),
            }
    });
    let on = numbered().any(|(number, outcome)| {
        number > 1 && outcome.as_ref().is_some_and(mendpoint_model::CommandOutcome::is_accepted)
    });
    off && !on
}
