//! A person decides about a step that waits (G10): about the one they were shown, and no other.

use std::fmt;

use mendpoint_model::{Actor, IncidentId, Rung, Step, StepState};

use crate::case::{Case, Line};
use crate::engine::{Cx, Engine};
use crate::request::RequestError;

/// A step of a repair, as a person was shown it. The next one may be harsher, so a decision names
/// the one it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepAsked {
    /// Its number in the run, from 1.
    pub number: u32,
    /// What it does.
    pub rung: Rung,
}

impl From<&Step> for StepAsked {
    fn from(step: &Step) -> Self {
        Self { number: step.number, rung: step.rung }
    }
}

impl fmt::Display for StepAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}, {}", self.number, self.rung.label().to_lowercase())
    }
}

impl Engine {
    /// A person approved or refused a step. Only the one that waits can be decided about: an order
    /// given twice, or on an old page, does not go on to the next one.
    pub(crate) fn decide_step(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        asked: StepAsked,
        user: &str,
        yes: bool,
    ) -> Result<(), RequestError> {
        let waits = self
            .cases
            .get(&id)
            .and_then(Case::step)
            .filter(|step| step.state == StepState::AwaitingApproval)
            .map(StepAsked::from);
        match waits {
            None => return Err(RequestError::NothingToApprove(id)),
            Some(waits) if waits != asked => {
                return Err(RequestError::OtherStep { incident: id, asked, waits });
            }
            Some(_) => {}
        }
        let rung = asked.rung;
        let label = rung.label().to_lowercase();
        let actor = Actor::User(user.to_owned());
        if let Some(case) = self.cases.get_mut(&id) {
            case.incident.needs_person = false;
            if let Some(step) = case.step_mut().filter(|_| yes) {
                step.state = StepState::Waiting;
            }
        }
        if yes {
            let line = Line::new("approved", format!("{user} approved: {label}"));
            self.say(cx, id, line.by(actor).rung(rung));
        } else {
            let line = Line::new("refused", format!("{user} refused: {label}"));
            self.say(cx, id, line.by(actor).rung(rung));
            self.set_guardrail(id, "");
            self.end_step(cx, id, StepState::Skipped, &format!("Refused by {user}"));
        }
        self.tend(cx, id);
        Ok(())
    }
}
