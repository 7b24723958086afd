//! What a command leads to.

use mendpoint_model::{Actor, TicketId, UnixMs};

use crate::command::{CommandKind, TicketCommand};
use crate::event::{EvidenceKind, TicketEvent, TicketEventKind, Visibility};
use crate::refusal::Refusal;
use crate::status::{Status, TicketKind, WorkMode};
use crate::ticket::Ticket;

/// Decides what `command` leads to: the events to keep, in order, or why not.
///
/// The events carry the next numbers of the ticket. An empty list means that there is nothing new
/// in it (the same evidence again).
///
/// # Errors
/// A [`Refusal`] with a sentence that says what to do instead.
pub fn decide(
    ticket: Option<&Ticket>,
    command: TicketCommand,
    at: UnixMs,
    actor: &Actor,
) -> Result<Vec<TicketEvent>, Refusal> {
    let (id, seq, at, kinds) = match (ticket, command) {
        (None, TicketCommand::Open(new)) => {
            if new.title.trim().is_empty() {
                return Err(Refusal::Missing("say in a line what is wrong: the title is empty"));
            }
            (new.id, 0, at, vec![TicketEventKind::Opened(new)])
        }
        (Some(_), TicketCommand::Open(_)) => return Err(Refusal::AlreadyOpen),
        (None, _) => return Err(Refusal::NoTicket),
        (Some(ticket), command) => {
            guard(ticket, command.kind())?;
            if let TicketCommand::Note { text, visibility } = command {
                let text = required(text, "write something into the note")?;
                let kind = TicketEventKind::Noted { text };
                let mut events = number(ticket.id, ticket.seq, at, actor, vec![kind]);
                for event in &mut events {
                    event.visibility = visibility;
                }
                return Ok(events);
            }
            // Clocks of the callers may differ; a history never runs backwards.
            let at = at.max(ticket.updated_at);
            (ticket.id, ticket.seq, at, events_of(ticket, command)?)
        }
    };
    Ok(number(id, seq, at, actor, kinds))
}

/// Whether a command is possible at all as the ticket stands.
pub(crate) fn guard(ticket: &Ticket, command: CommandKind) -> Result<(), Refusal> {
    let status = ticket.status;
    match status {
        Status::Closed => return Err(Refusal::Closed),
        Status::Cancelled => return Err(Refusal::Cancelled),
        _ => {}
    }
    let is_remote = ticket.mode == WorkMode::Remote;
    let (is_possible, instead) = match command {
        CommandKind::Open => return Err(Refusal::AlreadyOpen),
        CommandKind::Note | CommandKind::Evidence => (true, ""),
        CommandKind::Assign => (status.is_active(), "reopen it before you assign it"),
        CommandKind::Unassign => (
            ticket.assignee.is_some() && status.is_active() && !status.has_somebody_at_it(),
            "only an assigned ticket that nobody works on can be taken back",
        ),
        CommandKind::Accept => {
            (status == Status::Assigned, "only a ticket that is assigned can be accepted")
        }
        CommandKind::Decline => (
            matches!(status, Status::Assigned | Status::Accepted),
            "only a ticket that is assigned and not begun can be declined",
        ),
        CommandKind::StartTravel => (
            status == Status::Accepted && !is_remote,
            "accept it before you set out (work from afar needs no travel)",
        ),
        CommandKind::Arrive => (
            matches!(status, Status::Accepted | Status::EnRoute) && !is_remote,
            "accept it before you arrive (work from afar needs no travel)",
        ),
        CommandKind::Start if is_remote => (
            matches!(status, Status::New | Status::Assigned | Status::Accepted),
            "work on it has begun already or is over",
        ),
        CommandKind::Start => (status == Status::OnSite, "say that you have arrived first"),
        CommandKind::Wait => (status.is_active(), "there is nothing left to wait for"),
        CommandKind::Resume => (matches!(status, Status::Waiting { .. }), "it does not wait"),
        CommandKind::Resolve => (
            matches!(status, Status::OnSite | Status::InProgress),
            "only work that has begun can be resolved; arrive or start work first",
        ),
        CommandKind::Confirm => (
            matches!(status, Status::Resolved | Status::Verifying)
                && ticket.kind == TicketKind::ServiceRequest,
            "a charger's ticket closes by itself when the charger shows that it works",
        ),
        CommandKind::Reopen => (
            matches!(status, Status::Resolved | Status::Verifying),
            "only a resolved ticket can be reopened",
        ),
        CommandKind::Cancel => {
            (status.is_active(), "it is resolved; reopen it before you cancel it")
        }
        CommandKind::AskProgress => {
            (status.is_active() && ticket.assignee.is_some(), "there is nobody to ask")
        }
    };
    if is_possible {
        Ok(())
    } else {
        Err(Refusal::NotNow { status: status.label().to_lowercase(), instead })
    }
}

fn events_of(ticket: &Ticket, command: TicketCommand) -> Result<Vec<TicketEventKind>, Refusal> {
    let event = match command {
        TicketCommand::Open(_) => return Err(Refusal::AlreadyOpen),
        TicketCommand::Assign { assignee, user } => {
            if assignee.name.trim().is_empty() && assignee.email.trim().is_empty() {
                return Err(Refusal::Missing("say who it is assigned to"));
            }
            TicketEventKind::Assigned { assignee, user }
        }
        TicketCommand::Unassign => TicketEventKind::Unassigned,
        TicketCommand::Accept => TicketEventKind::Accepted,
        TicketCommand::Decline { reason } => TicketEventKind::Declined {
            reason: required(reason, "say why you decline, so that the next one knows")?,
        },
        TicketCommand::StartTravel { eta } => TicketEventKind::TravelStarted { eta },
        TicketCommand::Arrive => TicketEventKind::Arrived,
        TicketCommand::Start => TicketEventKind::WorkStarted,
        TicketCommand::Wait { kind, reason } => TicketEventKind::WaitingBegan {
            kind,
            reason: required(reason, "say what is waited for and why")?,
        },
        TicketCommand::Resume => TicketEventKind::Resumed,
        TicketCommand::Note { text, .. } => TicketEventKind::Noted { text },
        TicketCommand::Resolve { cause, action, text } => {
            let cause = required(cause, "choose the cause before you resolve it")?;
            let action = required(action, "choose what was done before you resolve it")?;
            return Ok(after_resolve(ticket, TicketEventKind::Resolved { cause, action, text }));
        }
        TicketCommand::Evidence { kind, text } => return Ok(after_evidence(ticket, kind, text)),
        TicketCommand::Confirm => {
            TicketEventKind::Closed { reason: "Confirmed by a person.".to_owned() }
        }
        TicketCommand::Reopen { reason } => {
            TicketEventKind::Reopened { reason: required(reason, "say what is still wrong")? }
        }
        TicketCommand::Cancel { reason } => {
            TicketEventKind::Cancelled { reason: required(reason, "say why it is cancelled")? }
        }
        TicketCommand::AskProgress => TicketEventKind::ProgressAsked,
    };
    Ok(vec![event])
}

/// A person says that it is mended: the charger decides whether that is so. Where it has shown it
/// already, the ticket closes at once.
fn after_resolve(ticket: &Ticket, resolved: TicketEventKind) -> Vec<TicketEventKind> {
    if ticket.kind == TicketKind::ServiceRequest {
        return vec![resolved];
    }
    let mut kinds = vec![resolved, TicketEventKind::VerificationBegan];
    if ticket.recovered_at.is_some() {
        kinds.push(closed_by(if ticket.proven_at.is_some() {
            EvidenceKind::Proven
        } else {
            EvidenceKind::Recovered
        }));
    }
    kinds
}

fn after_evidence(ticket: &Ticket, kind: EvidenceKind, text: String) -> Vec<TicketEventKind> {
    let is_known = match kind {
        EvidenceKind::Recovered => ticket.recovered_at.is_some(),
        EvidenceKind::Proven => ticket.proven_at.is_some(),
        EvidenceKind::Cleared => ticket.recovered_at.is_some() && ticket.evidence == text,
        EvidenceKind::FaultReturned => false,
    };
    if is_known {
        return Vec::new();
    }
    let mut kinds = vec![TicketEventKind::EvidenceSeen { kind, text }];
    match (kind, ticket.status) {
        (EvidenceKind::FaultReturned, Status::Resolved | Status::Verifying) => {
            kinds.push(TicketEventKind::Reopened {
                reason: "The charger shows the same fault again.".to_owned(),
            });
        }
        (EvidenceKind::FaultReturned, _) => {}
        // Whoever is there decides what it means: "recovered, confirm".
        (_, status) if status.has_somebody_at_it() => {}
        (EvidenceKind::Proven | EvidenceKind::Cleared, Status::Resolved)
        | (_, Status::Verifying) => {
            kinds.push(closed_by(kind));
        }
        // Recovered by itself and waiting for the proof.
        (EvidenceKind::Recovered, Status::Resolved) => {}
        (kind, _) => {
            kinds.push(TicketEventKind::SelfHealed);
            // Recovered is not yet proven: it resolves itself only with the proof (1.9).
            kinds.push(if kind == EvidenceKind::Recovered {
                TicketEventKind::VerificationBegan
            } else {
                closed_by(kind)
            });
        }
    }
    kinds
}

fn closed_by(kind: EvidenceKind) -> TicketEventKind {
    let reason = match kind {
        EvidenceKind::Proven => "A charging session proved the repair.",
        _ => "The charger works again and stayed well.",
    };
    TicketEventKind::Closed { reason: reason.to_owned() }
}

fn required(text: String, or_else: &'static str) -> Result<String, Refusal> {
    if text.trim().is_empty() { Err(Refusal::Missing(or_else)) } else { Ok(text) }
}

fn number(
    ticket: TicketId,
    seq: u32,
    at: UnixMs,
    actor: &Actor,
    kinds: Vec<TicketEventKind>,
) -> Vec<TicketEvent> {
    (seq + 1..)
        .zip(kinds)
        .map(|(seq, kind)| TicketEvent {
            ticket,
            seq,
            at,
            actor: actor.clone(),
            visibility: visibility_of(&kind),
            kind,
        })
        .collect()
}

/// Where the ticket stands is for the requester too; who was asked, who declined and what the
/// charger shows is not.
fn visibility_of(kind: &TicketEventKind) -> Visibility {
    match kind {
        TicketEventKind::Opened(_)
        | TicketEventKind::Accepted
        | TicketEventKind::TravelStarted { .. }
        | TicketEventKind::Arrived
        | TicketEventKind::WorkStarted
        | TicketEventKind::WaitingBegan { .. }
        | TicketEventKind::Resumed
        | TicketEventKind::Resolved { .. }
        | TicketEventKind::SelfHealed
        | TicketEventKind::Reopened { .. }
        | TicketEventKind::Closed { .. }
        | TicketEventKind::Cancelled { .. } => Visibility::Customer,
        TicketEventKind::Assigned { .. }
        | TicketEventKind::Unassigned
        | TicketEventKind::Declined { .. }
        | TicketEventKind::Noted { .. }
        | TicketEventKind::VerificationBegan
        | TicketEventKind::EvidenceSeen { .. }
        | TicketEventKind::ProgressAsked => Visibility::Internal,
    }
}
