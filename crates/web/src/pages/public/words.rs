//! What drivers are told: no codes, no names, no insides.

use mendpoint_model::{ChargerState, ConnectorStatus, Incident, IncidentState};

use crate::pages::charger::now::cell_of;
use crate::shell::Glyph;

/// A connector as a driver sees it.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    /// "Connector 1".
    pub(super) name: String,
    /// What the form sends.
    pub(super) value: String,
    pub(super) glyph: Glyph,
    /// "free", "in use", ..
    pub(super) word: &'static str,
}

/// The connectors, in the order of their numbers.
pub(super) fn connectors(state: &ChargerState) -> Vec<Connector> {
    use mendpoint_model::CellState;
    let is_broken =
        state.whole.status == ConnectorStatus::Faulted || !state.whole.faults.is_empty();
    let is_closed = state.whole.status == ConnectorStatus::Unavailable;
    state
        .connectors
        .iter()
        .map(|connector| {
            let (cell, word) = if !state.link.connected {
                (CellState::Offline, "no connection, it may still work")
            } else if is_broken {
                (CellState::Faulted, "not working")
            } else if is_closed {
                (CellState::Planned, "out of service")
            } else {
                (cell_of(connector), word(connector))
            };
            Connector {
                name: format!("Connector {}", connector.at),
                value: connector.at.to_string(),
                glyph: cell.into(),
                word,
            }
        })
        .collect()
}

fn word(connector: &mendpoint_model::ConnectorState) -> &'static str {
    match connector.status {
        ConnectorStatus::Faulted => "not working",
        _ if !connector.faults.is_empty() => "not working",
        ConnectorStatus::Available if connector.error.is_some() => "may not work",
        ConnectorStatus::Available => "free",
        ConnectorStatus::Preparing => "plugged in",
        ConnectorStatus::Charging
        | ConnectorStatus::SuspendedEvse
        | ConnectorStatus::SuspendedEv => "in use",
        ConnectorStatus::Finishing => "still plugged in",
        ConnectorStatus::Reserved => "reserved",
        ConnectorStatus::Unavailable => "out of service",
        ConnectorStatus::Unknown => "not known",
    }
}

/// A problem we know about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// "We know about connector 2".
    pub(super) title: String,
    pub(super) sentence: &'static str,
}

/// What a driver is told about the open incidents of a charger; the furthest one counts.
pub(super) fn known(open: &[Incident]) -> Option<Known> {
    let furthest = open.iter().filter(|one| !one.state.is_over()).max_by_key(|one| stage(one))?;
    let mut where_: Vec<_> = open.iter().map(|one| one.connector).collect();
    where_.sort_unstable();
    where_.dedup();
    let title = match where_.as_slice() {
        [one] if !one.is_charger() => format!("We know about connector {one}"),
        _ => "We know about a problem here".to_owned(),
    };
    let sentence = match stage(furthest) {
        Stage::Informed => "A technician has been informed. You do not need to report it again.",
        Stage::Repairing => {
            "The charger is being repaired automatically. It often works again within minutes."
        }
        Stage::Received | Stage::Works => "Somebody is on it. You do not need to report it again.",
    };
    Some(Known { title, sentence })
}

/// How far the work on an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Received,
    Repairing,
    Informed,
    Works,
}

fn stage(incident: &Incident) -> Stage {
    if incident.state.is_over() {
        return Stage::Works;
    }
    if incident.ticket.is_some() {
        return Stage::Informed;
    }
    match incident.state {
        IncidentState::Healing | IncidentState::Verifying | IncidentState::RecoveredUnproven => {
            Stage::Repairing
        }
        _ => Stage::Received,
    }
}

/// How a report is getting on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) sentence: &'static str,
    pub(super) steps: Vec<Step>,
    /// Whether it is over.
    pub(super) works: bool,
}

/// A step on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) label: &'static str,
    /// `done`, `now` or nothing.
    pub(super) class: &'static str,
}

/// The progress of a report that became this incident, or none yet.
pub(super) fn progress(incident: Option<&Incident>) -> Progress {
    let at = incident.map_or(Stage::Received, stage);
    let was_healed = incident
        .is_some_and(|one| one.healing.as_ref().is_some_and(|healing| !healing.steps.is_empty()));
    let had_ticket = incident.is_some_and(|one| one.ticket.is_some());
    let is_taken = incident.is_some_and(|one| one.owner.is_some() || one.needs_person);
    let sentence = match at {
        Stage::Works => "It works again. Thank you for telling us.",
        Stage::Informed => "A technician has been informed.",
        Stage::Repairing => {
            "The charger is being repaired automatically. It often works again within minutes."
        }
        Stage::Received if is_taken => "Your report is here, and somebody looks at it.",
        Stage::Received => "Your report is here. We look at what the charger says first.",
    };
    let class = |step: Stage, passed: bool| match at.cmp(&step) {
        std::cmp::Ordering::Equal => "now",
        std::cmp::Ordering::Greater if passed => "done",
        _ => "",
    };
    let steps = vec![
        Step { label: "Received", class: class(Stage::Received, true) },
        // What was not needed is left open: a report need not go through every step.
        Step { label: "Being repaired automatically", class: class(Stage::Repairing, was_healed) },
        Step { label: "Technician informed", class: class(Stage::Informed, had_ticket) },
        Step { label: "Works again", class: class(Stage::Works, true) },
    ];
    Progress { sentence, steps, works: at == Stage::Works }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{
        ChargerKey, ConnectorRef, IncidentId, SiteKey, Source, TicketId, UnixMs,
    };

    use super::*;

    fn incident(state: IncidentState) -> Incident {
        Incident {
            state,
            severity: 4,
            source: Source::User,
            reporter: "a driver".to_owned(),
            connector: ConnectorRef::v16(2),
            code: "GroundFailure".to_owned(),
            title: "GroundFailure on RO-MIL-03".to_owned(),
            ..Incident::opened(
                IncidentId(1),
                "CP_ERR_FAULTED",
                ChargerKey(1),
                SiteKey(1),
                UnixMs(0),
            )
        }
    }

    #[test]
    fn drivers_are_told_what_is_done_and_nothing_inside() {
        assert_eq!(known(&[]), None);
        let healing = known(&[incident(IncidentState::Healing)]).expect("known");
        assert_eq!(healing.title, "We know about connector 2");
        assert!(healing.sentence.contains("automatically"));
        let mut handed = incident(IncidentState::Escalated);
        handed.ticket = Some(TicketId(7));
        handed.connector = ConnectorRef::CHARGER;
        let both = known(&[incident(IncidentState::Healing), handed]).expect("known");
        assert_eq!(both.title, "We know about a problem here");
        assert!(both.sentence.contains("technician"));
        for text in [healing.title, both.title] {
            assert!(!text.contains("GroundFailure") && !text.contains("RO-MIL"), "{text}");
        }
    }

    #[test]
    fn a_report_goes_forward_step_by_step() {
        let classes =
            |progress: &Progress| progress.steps.iter().map(|step| step.class).collect::<Vec<_>>();
        let received = progress(None);
        assert_eq!(classes(&received), ["now", "", "", ""]);
        let healing = progress(Some(&incident(IncidentState::Healing)));
        assert_eq!(classes(&healing), ["done", "now", "", ""]);
        let mut handed = incident(IncidentState::Escalated);
        handed.ticket = Some(TicketId(7));
        assert_eq!(classes(&progress(Some(&handed))), ["done", "", "now", ""]);
        handed.state = IncidentState::Resolved;
        let over = progress(Some(&handed));
        assert_eq!(classes(&over), ["done", "", "done", "now"]);
        assert!(over.works && over.sentence.contains("works again"));
    }
}
