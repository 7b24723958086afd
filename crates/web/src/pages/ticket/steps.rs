//! The way of a ticket from its opening to the charger's own proof.

use mendpoint_model::UnixMs;
use mendpoint_tickets::{EvidenceKind, Status, Ticket, TicketEvent, TicketEventKind, TicketKind};

use crate::place::Moment;

/// A step as it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StepView {
    pub(super) name: &'static str,
    /// Class: `done`, `now`, `skip` or nothing.
    pub(super) class: &'static str,
    pub(super) at: Option<Moment>,
    /// A word beside the time: to whom, expected when.
    pub(super) note: String,
}

const NAMES: [&str; 7] = [
    "Opened",
    "Assigned",
    "Accepted",
    "On the way",
    "On site",
    "Repaired",
    "Verified by the charger",
];

/// The steps with their times. A ticket that came back begins again: older times do not count.
pub(super) fn steps(ticket: &Ticket, events: &[TicketEvent], now: UnixMs) -> Vec<StepView> {
    let mut times: [Option<UnixMs>; 7] = [None; 7];
    let mut by_itself = false;
    for event in events {
        match &event.kind {
            TicketEventKind::Opened(_) => times[0] = Some(event.at),
            TicketEventKind::Assigned { .. } => {
                times[1] = Some(event.at);
                times[2..].fill(None);
            }
            TicketEventKind::Unassigned | TicketEventKind::Declined { .. } => times[1..].fill(None),
            TicketEventKind::Accepted => times[2] = Some(event.at),
            TicketEventKind::TravelStarted { .. } => times[3] = Some(event.at),
            TicketEventKind::Arrived => times[4] = Some(event.at),
            TicketEventKind::WorkStarted => {
                times[4].get_or_insert(event.at);
            }
            TicketEventKind::Resolved { .. } | TicketEventKind::SelfHealed => {
                times[5] = Some(event.at);
                by_itself = event.kind == TicketEventKind::SelfHealed;
            }
            TicketEventKind::EvidenceSeen { kind: EvidenceKind::FaultReturned, .. } => {
                times[6] = None;
            }
            TicketEventKind::Reopened { .. } => times[2..].fill(None),
            TicketEventKind::EvidenceSeen { .. }
            | TicketEventKind::Closed { .. }
            | TicketEventKind::Cancelled { .. } => {
                times[6].get_or_insert(event.at);
            }
            _ => {}
        }
    }
    let reached = reached(ticket);
    NAMES
        .into_iter()
        .enumerate()
        .map(|(index, name)| {
            let is_last = index == NAMES.len() - 1;
            StepView {
                name: match index {
                    5 if by_itself => "Recovered",
                    _ if is_last => last_name(ticket),
                    _ => name,
                },
                class: match index {
                    _ if index == reached => "now",
                    _ if index > reached => "",
                    _ if times[index].is_none() => "skip",
                    _ => "done",
                },
                // The charger may show that it works while somebody is still there: that is
                // evidence, and no step of the way yet.
                at: times[index].filter(|_| index <= reached).map(|at| Moment::new(now, at)),
                note: note(index, ticket, now),
            }
        })
        .collect()
}

fn last_name(ticket: &Ticket) -> &'static str {
    match (ticket.status, ticket.kind) {
        (Status::Cancelled, _) => "Cancelled",
        (_, TicketKind::ServiceRequest) => "Confirmed",
        (_, TicketKind::Incident) => "Verified by the charger",
    }
}

/// Which step a ticket stands on; one more than the last when it is over.
fn reached(ticket: &Ticket) -> usize {
    let of = |status: Status| match status {
        Status::New | Status::Waiting { .. } => 0,
        Status::Assigned => 1,
        Status::Accepted => 2,
        Status::EnRoute => 3,
        Status::OnSite | Status::InProgress => 4,
        Status::Resolved => 5,
        Status::Verifying => 6,
        Status::Closed | Status::Cancelled => NAMES.len(),
    };
    match ticket.status {
        Status::Waiting { .. } => ticket.before_waiting.map_or(0, of),
        status => of(status),
    }
}

fn note(index: usize, ticket: &Ticket, now: UnixMs) -> String {
    match index {
        1 => ticket.assignee.as_ref().map(|a| format!("to {}", a.name)).unwrap_or_default(),
        3 => {
            ticket.eta.map(|eta| format!("about {}", super::day_time(now, eta))).unwrap_or_default()
        }
        6 if ticket.status == Status::Verifying => "being watched".to_owned(),
        _ => String::new(),
    }
}
