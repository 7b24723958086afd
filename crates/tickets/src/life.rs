//! The lives of tickets: who may do what when, and what the charger's evidence does.

use mendpoint_model::Actor;

use crate::kit::{Kit, MIN, START, assign, resolve};
use crate::{
    ClockState, CommandKind, EvidenceKind, Refusal, Status, Ticket, TicketCommand, TicketEventKind,
    TicketKind, Visibility, WaitKind, WorkMode, available_commands,
};

fn evidence(kind: EvidenceKind) -> TicketCommand {
    TicketCommand::Evidence { kind, text: "as seen".to_owned() }
}

fn names(kit: &Kit) -> Vec<&'static str> {
    kit.events.iter().map(|event| event.kind.name()).collect()
}

#[test]
fn resolved_by_a_technician_closes_only_by_the_chargers_evidence() {
    let mut kit = Kit::on_site();
    kit.does(TicketCommand::Start);
    kit.does(resolve());
    assert_eq!(kit.ticket().status, Status::Verifying);
    assert!(kit.tries(TicketCommand::Confirm).is_err(), "nobody can talk it shut");
    kit.after(20 * MIN).does(evidence(EvidenceKind::Proven));
    let ticket = kit.ticket();
    assert_eq!(ticket.status, Status::Closed);
    assert_eq!(ticket.proven_at, Some(START + 20 * MIN));
    assert_eq!((ticket.cause.as_str(), ticket.action.as_str()), ("wear", "part_replaced"));
    assert_eq!(
        names(&kit),
        [
            "opened",
            "assigned",
            "accepted",
            "travel_started",
            "arrived",
            "work_started",
            "resolved",
            "verification_began",
            "evidence_seen",
            "closed"
        ]
    );
    assert!(kit.events.iter().zip(1..).all(|(event, seq)| event.seq == seq));
}

#[test]
fn the_fault_returning_reopens_it_with_its_assignee() {
    let mut kit = Kit::on_site();
    kit.does(resolve());
    kit.does(evidence(EvidenceKind::FaultReturned));
    let ticket = kit.ticket();
    assert_eq!(ticket.status, Status::Assigned);
    assert_eq!(ticket.reopen_count, 1);
    assert_eq!(ticket.assignee_user.as_deref(), Some("volt"));
    assert_eq!((ticket.resolved_at, ticket.accepted_at), (None, None));
}

#[test]
fn a_ticket_resolves_itself_only_after_the_proof() {
    for accept in [false, true] {
        let mut kit = Kit::assigned();
        if accept {
            kit.does(TicketCommand::Accept);
        }
        kit.does(evidence(EvidenceKind::Recovered));
        assert_eq!(kit.ticket().status, Status::Verifying, "recovered, and not yet proven");
        assert!(kit.does(evidence(EvidenceKind::Recovered)).is_empty(), "told once is enough");
        assert_eq!(kit.ticket().status, Status::Verifying);
        kit.does(evidence(EvidenceKind::Proven));
        assert_eq!(kit.ticket().status, Status::Closed);
    }
    let mut kit = Kit::assigned();
    kit.does(evidence(EvidenceKind::Recovered));
    kit.does(evidence(EvidenceKind::FaultReturned));
    assert_eq!(kit.ticket().status, Status::Assigned, "it was no repair");
}

#[test]
fn a_charger_that_heals_while_somebody_is_there_waits_for_their_word() {
    let mut kit = Kit::on_site();
    kit.does(evidence(EvidenceKind::Recovered));
    assert_eq!(kit.ticket().status, Status::OnSite);
    assert!(kit.ticket().is_recovered_unconfirmed());
    kit.does(resolve());
    assert_eq!(kit.ticket().status, Status::Closed);
}

#[test]
fn evidence_that_was_taken_back_no_longer_closes() {
    let mut kit = Kit::on_site();
    kit.does(evidence(EvidenceKind::Recovered));
    kit.does(evidence(EvidenceKind::FaultReturned));
    kit.does(resolve());
    assert_eq!(kit.ticket().status, Status::Verifying);
}

#[test]
fn what_is_closed_stays_closed_and_says_what_to_do() {
    let mut kit = Kit::on_site();
    kit.does(resolve());
    kit.does(evidence(EvidenceKind::Recovered));
    assert_eq!(kit.tries(TicketCommand::Accept), Err(Refusal::Closed));
    assert_eq!(Refusal::Closed.to_string(), "this ticket is already closed; open a new one");
    assert_eq!(kit.tries(evidence(EvidenceKind::FaultReturned)), Err(Refusal::Closed));
    assert!(available_commands(kit.ticket()).is_empty());
}

#[test]
fn a_request_without_a_charger_fault_is_closed_by_a_person() {
    let mut kit = Kit::opened(TicketKind::ServiceRequest, WorkMode::Remote);
    kit.does(TicketCommand::Start);
    kit.does(resolve());
    assert_eq!(kit.ticket().status, Status::Resolved);
    kit.does(TicketCommand::Confirm);
    assert_eq!(kit.ticket().status, Status::Closed);
}

#[test]
fn work_on_site_goes_step_by_step() {
    let mut kit = Kit::assigned();
    for early in [TicketCommand::Start, TicketCommand::Arrive, resolve()] {
        assert!(matches!(kit.tries(early), Err(Refusal::NotNow { .. })));
    }
    let refusal = kit.tries(resolve()).expect_err("nobody was there yet");
    assert_eq!(
        refusal.to_string(),
        "the ticket is assigned; only work that has begun can be resolved; arrive or start work \
         first"
    );
    assert_eq!(
        available_commands(kit.ticket()),
        [
            CommandKind::Assign,
            CommandKind::Accept,
            CommandKind::Wait,
            CommandKind::Note,
            CommandKind::AskProgress,
            CommandKind::Decline,
            CommandKind::Unassign,
            CommandKind::Cancel,
        ]
    );
}

#[test]
fn declining_needs_a_reason_and_puts_it_back_into_the_queue() {
    let mut kit = Kit::assigned();
    assert!(matches!(
        kit.tries(TicketCommand::Decline { reason: "  ".to_owned() }),
        Err(Refusal::Missing(_))
    ));
    kit.does(TicketCommand::Decline { reason: "no part".to_owned() });
    assert_eq!(kit.ticket().status, Status::New);
    assert_eq!(kit.ticket().assignee, None);
    kit.does(assign());
    assert_eq!(kit.ticket().status, Status::Assigned);
}

#[test]
fn waiting_goes_back_to_where_it_was() {
    let mut kit = Kit::on_site();
    kit.does(TicketCommand::Wait { kind: WaitKind::Parts, reason: "RCD".to_owned() });
    kit.does(TicketCommand::Wait { kind: WaitKind::Access, reason: "gate".to_owned() });
    assert_eq!(kit.ticket().waiting_kind(), Some(WaitKind::Access));
    assert_eq!(kit.ticket().waiting_reason, "gate");
    kit.does(TicketCommand::Resume);
    assert_eq!(kit.ticket().status, Status::OnSite);
    assert_eq!(kit.ticket().waiting_reason, "");
}

#[test]
fn notes_keep_who_may_see_them_and_change_nothing_else() {
    let mut kit = Kit::assigned();
    let before = kit.ticket().status;
    kit.does(TicketCommand::Note {
        text: "gate code 4711".to_owned(),
        visibility: Visibility::Customer,
    });
    let note = &kit.ticket().notes[0];
    assert_eq!(note.visibility, Visibility::Customer);
    assert_eq!(note.actor, Actor::User("ion".to_owned()));
    assert_eq!(kit.ticket().status, before);
}

#[test]
fn the_respond_clock_stops_with_the_acceptance() {
    let mut kit = Kit::assigned();
    assert_eq!(kit.ticket().respond_by(), Some(START + 60 * MIN));
    assert_eq!(kit.ticket().repair_by(), Some(START + 8 * 60 * MIN));
    assert_eq!(kit.ticket().due_at(), Some(START + 60 * MIN));
    kit.after(61 * MIN).does(TicketCommand::Accept);
    assert_eq!(kit.ticket().respond_by(), None);
    assert_eq!(kit.ticket().respond.state(kit.now), ClockState::Breached { at: START + 60 * MIN });
}

#[test]
fn the_repair_clock_stands_still_for_the_customer_only() {
    let mut kit = Kit::on_site();
    let wait = |kind| TicketCommand::Wait { kind, reason: "x".to_owned() };
    kit.after(60 * MIN).does(wait(WaitKind::Parts));
    assert_eq!(kit.ticket().repair_by(), Some(START + 480 * MIN), "parts are ours to hurry");
    kit.after(60 * MIN).does(wait(WaitKind::Customer));
    assert_eq!(kit.ticket().repair_by(), None);
    kit.after(600 * MIN).does(wait(WaitKind::ThirdParty));
    assert_eq!(kit.ticket().repair_by(), Some(START + 1_080 * MIN));
    kit.does(TicketCommand::Resume);
    kit.after(60 * MIN).does(resolve());
    assert_eq!(kit.ticket().repair.spent_ms, 180 * MIN);
    // What it was resolved for in vain does not count.
    kit.after(600 * MIN).does(evidence(EvidenceKind::FaultReturned));
    assert_eq!(kit.ticket().repair_by(), Some(kit.now + 300 * MIN));
}

#[test]
fn a_history_folds_to_the_same_ticket_also_through_json() {
    let mut kit = Kit::on_site();
    kit.does(resolve());
    kit.does(evidence(EvidenceKind::Proven));
    let text = serde_json::to_string(&kit.events).expect("events are data");
    let read: Vec<crate::TicketEvent> = serde_json::from_str(&text).expect("as written");
    assert_eq!(Ticket::fold(&read).as_ref(), kit.ticket.as_ref());
    assert!(Ticket::fold(&read[1..]).is_none(), "a history begins with its opening");
}

#[test]
fn a_ticket_is_opened_once_and_with_a_title() {
    let mut kit = Kit::nothing();
    assert_eq!(kit.tries(TicketCommand::Accept), Err(Refusal::NoTicket));
    let mut new = crate::kit::new_ticket();
    new.title.clear();
    assert!(matches!(kit.tries(TicketCommand::Open(Box::new(new))), Err(Refusal::Missing(_))));
    let mut kit = Kit::assigned();
    let again = TicketCommand::Open(Box::new(crate::kit::new_ticket()));
    assert_eq!(kit.tries(again), Err(Refusal::AlreadyOpen));
}

#[test]
fn the_history_reads_in_words() {
    let kit = Kit::on_site();
    assert!(matches!(&kit.events[0].kind, TicketEventKind::Opened(new) if new.title.len() > 3));
    let titles: Vec<_> = kit.events.iter().map(|event| event.kind.title()).collect();
    assert_eq!(
        titles,
        [
            "Opened: GroundFailure on connector 2",
            "Assigned to Volt & Sons",
            "Accepted",
            "On the way",
            "Arrived on site",
        ]
    );
}
