//! Which commands stand in the audit log, and as what (S19): all that people, scripts and the engine
//! ask for. What the program itself asks of chargers is there when it changes something; its questions
//! are not, as there are some for every charger every day and they are in the raw frames.

use mendpoint_incidents::{Request, StepAsked};
use mendpoint_model::{Action, Command, IncidentId, Origin};
use mendpoint_store::Entry;

use crate::AuditActor;

fn only_asks(action: &Action) -> bool {
    let name = action.name();
    name.starts_with("Get") || name.starts_with("TriggerMessage")
}

/// The line for a command that is about to be sent, or to wait. Its parameters are not in it: they may
/// hold a card's number. They are in the command itself, whose id is here.
pub(crate) fn line(command: &Command, identity: &str) -> Option<Entry> {
    let is_own = matches!(command.origin, Origin::System | Origin::Upkeep(_));
    if is_own && only_asks(&command.action) {
        return None;
    }
    Some(Entry::Audit {
        at: command.created_at,
        actor: AuditActor::from(&command.origin).to_string(),
        action: format!("command {}", command.action.name()),
        subject: identity.to_owned(),
        detail: command.id.0.to_string(),
    })
}

/// Who decided what about an incident. Notes and reports are in its history and change nothing; kill
/// switches have a line of their own.
pub(crate) fn decision(request: &Request) -> Option<(String, &'static str, String)> {
    // Which step it was: the next one may be a harsher one.
    let of_step = |incident: &IncidentId, step: &StepAsked| format!("{incident}: {step}");
    match request {
        Request::IfSeen { request, .. } => return decision(request),
        Request::Approve { incident, step, user } => {
            return Some((user.clone(), "step approved", of_step(incident, step)));
        }
        Request::Refuse { incident, step, user } => {
            return Some((user.clone(), "step refused", of_step(incident, step)));
        }
        _ => {}
    }
    let (user, what, incident) = match request {
        Request::Take { incident, user } => (user, "incident taken", incident),
        Request::Release { incident, user } => (user, "incident given back", incident),
        Request::Snooze { incident, user, .. } => (user, "incident snoozed", incident),
        Request::Resolve { incident, user, .. } => (user, "incident resolved", incident),
        Request::StopHealing { incident, user } => (user, "healing of incident stopped", incident),
        Request::RunPlaybook { incident, user } => (user, "playbook begun anew", incident),
        _ => return None,
    };
    Some((user.clone(), what, incident.to_string()))
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{ChargerKey, CommandId, UnixMs};

    use super::*;

    fn command(action: Action, origin: Origin) -> Command {
        Command {
            id: CommandId("m-1".into()),
            charger: ChargerKey(1),
            action,
            origin,
            created_at: UnixMs(5),
            timeout_ms: 1,
            not_after: UnixMs(9),
        }
    }

    #[test]
    fn a_decision_names_the_step_and_whoever_decided() {
        let step = StepAsked { number: 2, rung: mendpoint_model::Rung::L4 };
        let approve = Request::Approve { incident: IncidentId(7), step, user: "Ana".to_owned() };
        let seen = mendpoint_incidents::Seen::default();
        let told = decision(&Request::IfSeen { seen, request: Box::new(approve) });
        let wanted = ("Ana".to_owned(), "step approved", "INC-7: step 2, soft reset".to_owned());
        assert_eq!(told, Some(wanted));
    }

    #[test]
    fn what_changes_something_is_told_and_no_card_with_it() {
        let raw = |name: &str| Action::Raw {
            action: name.to_owned(),
            payload: r#"{"idTag":"04A2B3C4"}"#.to_owned(),
        };
        let told = |action, origin| line(&command(action, origin), "CP-1");
        let upkeep = || Origin::Upkeep("asks".to_owned());
        assert!(told(raw("GetVariables"), upkeep()).is_none());
        assert!(told(raw("SetVariableMonitoring"), upkeep()).is_some());
        assert!(told(raw("GetVariables"), Origin::User("ana".to_owned())).is_some());
        let entry = told(raw("SendLocalList"), Origin::Token("script".to_owned()));
        let Some(Entry::Audit { actor, action, subject, detail, .. }) = entry else {
            panic!("it is told")
        };
        assert_eq!((&*actor, &*action), ("token script", "command SendLocalList"));
        assert_eq!((&*subject, &*detail), ("CP-1", "m-1"));
    }
}
