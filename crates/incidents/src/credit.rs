//! Who gets the credit when a fault is gone: a step only where its watch showed that it helped.

use mendpoint_model::{IncidentId, Rung, Step, StepState, TicketId};

use crate::case::Case;
use crate::engine::{Cx, Engine};
use crate::guardrail::is_charger_wide;
use crate::words::cure_words;

/// What ended a fault, as far as anybody can know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credit {
    /// A step of its own repair: its watch ended as fixed, or was running.
    Step(Rung),
    /// A person who worked on its ticket.
    Person(String),
    /// A person had it, but is not known to have begun; in words.
    InHand(String),
    /// A step of the whole charger, done for another incident.
    Neighbour(Rung, IncidentId),
    /// Its charge was closed here, not by its charger.
    Closed,
    /// Nobody did anything that could have helped.
    Itself,
    /// A restart of the program hides who it was.
    Unsaid,
}

/// How far a person got with the ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    /// It was accepted.
    Accepted(TicketId),
    /// This person was there or worked on it.
    Worked(String),
}

impl Hand {
    /// What a ticket's new state says of it, after what was known.
    pub(crate) fn after(
        old: Option<Self>,
        ticket: TicketId,
        status: &str,
        user: &str,
    ) -> Option<Self> {
        let is_person = !matches!(user, "engine" | "charger" | "system");
        match (status, old) {
            ("on_site" | "in_progress" | "resolved", _) if is_person => {
                Some(Self::Worked(user.to_owned()))
            }
            ("cancelled", _) => None,
            ("opened" | "new" | "assigned", old) => {
                old.filter(|hand| matches!(hand, Self::Worked(_)))
            }
            (_, None) => Some(Self::Accepted(ticket)),
            (_, old) => old,
        }
    }
}

impl Credit {
    /// In a sentence without its end.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Step(rung) => format!("Recovered after {}", cure_words(*rung)),
            Self::Person(name) => format!("Recovered after {name} worked on it"),
            Self::InHand(hand) => format!("Recovered, {hand}"),
            Self::Neighbour(rung, id) => {
                let step = match rung {
                    Rung::L4 | Rung::L5 => rung.label().to_lowercase(),
                    _ => cure_words(*rung).to_owned(),
                };
                format!("Went away after the {step} for {id}")
            }
            Self::Closed => "The charge was closed here".to_owned(),
            Self::Itself => "Recovered by itself".to_owned(),
            Self::Unsaid => "Recovered".to_owned(),
        }
    }

    /// The end of an incident that a session proved.
    pub(crate) fn proven_words(&self, session: &str) -> String {
        match self {
            Self::Step(rung) => format!("Healed by {}, proven by {session}", cure_words(*rung)),
            other => format!("{}, proven by {session}", other.words()),
        }
    }

    /// The end of an incident that needs no proof.
    pub(crate) fn gone_words(&self) -> String {
        match self {
            Self::Itself => "Went away by itself".to_owned(),
            other => other.words(),
        }
    }

    /// The credit of an incident that recovered before a restart of ours: what was sent last, if
    /// its watch ended as fixed.
    pub(crate) fn kept(case: &Case) -> Self {
        let sent = case.steps().iter().rev().find(|step| {
            !matches!(step.rung, Rung::Q | Rung::L0 | Rung::D | Rung::L7 | Rung::L1S | Rung::C)
                && !matches!(step.state, StepState::Skipped | StepState::Shadowed)
        });
        match sent {
            Some(step) if step.state == StepState::Fixed => Self::Step(step.rung),
            _ if case.incident.ticket.is_some() || case.incident.owner.is_some() => Self::Unsaid,
            _ => Self::Itself,
        }
    }
}

impl Engine {
    /// Who gets the credit for an incident that is gone now, without a step of its own that
    /// helped.
    pub(crate) fn credit(&self, cx: &Cx<'_>, id: IncidentId) -> Credit {
        let Some(case) = self.cases.get(&id) else { return Credit::Itself };
        if let Some(Hand::Worked(name)) = &case.hand {
            return Credit::Person(name.clone());
        }
        let closes = |step: &Step| step.rung == Rung::C && step.state == StepState::Done;
        if case.steps().iter().any(closes) {
            return Credit::Closed;
        }
        if let Some((rung, other)) = self.neighbour(cx, case) {
            return Credit::Neighbour(rung, other);
        }
        match (&case.hand, &case.incident.owner) {
            (Some(Hand::Accepted(ticket)), _) => Credit::InHand(format!("{ticket} in hand")),
            (_, Some(owner)) => Credit::InHand(format!("{owner} had taken it")),
            _ => Credit::Itself,
        }
    }

    /// The reset for another incident after which this one's condition was gone: the charger came
    /// back from it, and within the time of a start the condition was no more.
    fn neighbour(&self, cx: &Cx<'_>, case: &Case) -> Option<(Rung, IncidentId)> {
        let id = case.incident.id;
        let watch = self.watches.get(&case.incident.charger)?;
        let charger = cx.fleet.charger(case.incident.charger)?;
        let alerts = watch.alerts.iter().filter(|alert| alert.incident() == Some(id));
        let gone_at = alerts.filter_map(|alert| alert.gone_at).max()?;
        let back_at = charger.link.since.max(charger.booted_at)?;
        let away_max = self.settings.boot_ms + self.settings.worse_after_ms;
        let found = watch.actions.iter().rev().find(|action| {
            is_charger_wide(action.rung)
                && !action.refused
                && action.incident != id
                && action.at >= case.incident.began_at
                && back_at >= action.at
                && back_at.since_ms(action.at) <= away_max
                && gone_at >= action.at
                && gone_at.since_ms(back_at) <= self.settings.boot_ms
        })?;
        Some((found.rung, found.incident))
    }
}
