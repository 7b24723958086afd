//! What the operator wants, learned from the commands that are sent.

use mendpoint_model::{Action, Command, CommandAnswered, CommandId, CommandOutcome, ConnectorRef};

use crate::slot::Slot;

/// An availability command without an answer.
#[derive(Debug)]
pub(crate) struct PendingAvailability {
    command: CommandId,
    /// What was wanted before, of each place it changed.
    before: Vec<(ConnectorRef, Option<bool>)>,
}

/// How many unanswered availability commands are kept; older ones just stay as sent.
const PENDING_MAX: usize = 4;

impl Slot {
    /// Notes what a command that is being sent wants: after an own `Inoperative` the connector is
    /// out of service by plan and not broken (behaviour 66).
    pub(crate) fn note_command(&mut self, command: &Command) {
        let Action::SetAvailability { connector, operative } = command.action else { return };
        let mut before = Vec::new();
        let wanted = Some(operative);
        if connector.is_charger() {
            // Connector 0 changes the charger and every connector.
            before.push((ConnectorRef::CHARGER, self.state.whole.desired_operative));
            self.state.whole.desired_operative = wanted;
        }
        for state in &mut self.state.connectors {
            let is_meant = connector.is_charger()
                || state.at == connector
                || (connector.connector == 0 && state.at.evse == connector.evse);
            if is_meant {
                before.push((state.at, state.desired_operative));
                state.desired_operative = wanted;
            }
        }
        let pending = &mut self.memory.pending_availability;
        if pending.len() >= PENDING_MAX {
            pending.remove(0);
        }
        pending.push(PendingAvailability { command: command.id.clone(), before });
    }

    /// Takes back what was noted when the charger refused it or never got it. A time-out stays as
    /// noted: the charger may well have done it.
    pub(crate) fn command_answered(&mut self, answered: &CommandAnswered) {
        let pending = &mut self.memory.pending_availability;
        let Some(index) = pending.iter().position(|p| p.command == answered.command) else {
            return;
        };
        let PendingAvailability { before, .. } = pending.remove(index);
        if answered.outcome.is_accepted() || answered.outcome == CommandOutcome::TimedOut {
            return;
        }
        for (at, desired) in before {
            if at.is_charger() {
                self.state.whole.desired_operative = desired;
            } else if let Some(state) = self.state.connectors.iter_mut().find(|c| c.at == at) {
                state.desired_operative = desired;
            }
        }
    }
}
