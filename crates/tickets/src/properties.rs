//! What holds for every sequence of commands whatever.

use mendpoint_model::{Contact, UnixMs};
use proptest::prelude::*;

use crate::kit::{Kit, assign, new_ticket, resolve};
use crate::{
    EvidenceKind, MailContext, Refusal, Status, Ticket, TicketCommand, TicketKind, Visibility,
    WaitKind, WorkMode, available_commands, mails,
};

fn command() -> impl Strategy<Value = TicketCommand> {
    let text = || prop_oneof![1 => Just(String::new()), 4 => Just("because".to_owned())];
    prop_oneof![
        Just(assign()),
        Just(TicketCommand::Assign { assignee: Contact::default(), user: None }),
        Just(TicketCommand::Unassign),
        Just(TicketCommand::Accept),
        text().prop_map(|reason| TicketCommand::Decline { reason }),
        proptest::option::of(any::<i64>().prop_map(UnixMs))
            .prop_map(|eta| TicketCommand::StartTravel { eta }),
        Just(TicketCommand::Arrive),
        Just(TicketCommand::Start),
        (proptest::sample::select(WaitKind::ALL.to_vec()), text())
            .prop_map(|(kind, reason)| TicketCommand::Wait { kind, reason }),
        Just(TicketCommand::Resume),
        text().prop_map(|text| TicketCommand::Note { text, visibility: Visibility::Internal }),
        Just(resolve()),
        proptest::sample::select(vec![
            EvidenceKind::Recovered,
            EvidenceKind::Proven,
            EvidenceKind::FaultReturned,
        ])
        .prop_map(|kind| TicketCommand::Evidence { kind, text: "seen".to_owned() }),
        Just(TicketCommand::Confirm),
        text().prop_map(|reason| TicketCommand::Reopen { reason }),
        text().prop_map(|reason| TicketCommand::Cancel { reason }),
        Just(TicketCommand::AskProgress),
        Just(TicketCommand::Open(Box::new(new_ticket()))),
    ]
}

fn commands() -> impl Strategy<Value = (bool, bool, Vec<(i64, TicketCommand)>)> {
    (
        any::<bool>(),
        any::<bool>(),
        proptest::collection::vec((-60_000_i64..36_000_000, command()), 0..60),
    )
}

fn kit(is_request: bool, is_remote: bool) -> Kit {
    let kind = if is_request { TicketKind::ServiceRequest } else { TicketKind::Incident };
    Kit::opened(kind, if is_remote { WorkMode::Remote } else { WorkMode::OnSite })
}

/// The transitions of a person's or the engine's command that exist at all.
fn is_legal(from: Status, to: Status) -> bool {
    use Status::{
        Accepted, Assigned, Cancelled, Closed, EnRoute, InProgress, New, OnSite, Resolved,
        Verifying, Waiting,
    };
    if from == to {
        return !from.is_over();
    }
    match (from, to) {
        (Closed | Cancelled, _) => false,
        (_, Cancelled | Assigned | Waiting { .. }) if from.is_active() => true,
        (Waiting { .. }, to) => to.is_active() || matches!(to, Resolved | Verifying | Closed),
        steps => matches!(
            steps,
            (Assigned | Accepted, New)
                | (New | Assigned | Accepted | OnSite | InProgress, Resolved | Verifying | Closed)
                | (Assigned, Accepted)
                | (Accepted, EnRoute | OnSite)
                | (EnRoute, OnSite)
                | (New | Assigned | Accepted | OnSite, InProgress)
                | (Resolved | Verifying, Closed | Assigned | New)
        ),
    }
}

proptest! {
    #[test]
    fn no_sequence_panics_or_takes_an_illegal_step((request, remote, commands) in commands()) {
        let mut kit = kit(request, remote);
        for (step_ms, command) in commands {
            kit.after(step_ms);
            let before = kit.ticket().clone();
            let kind = command.kind();
            let told = format!("{command:?}");
            let result = kit.tries(command);
            let after = kit.ticket();
            match result {
                Ok(events) => {
                    prop_assert!(is_legal(before.status, after.status), "{told}: {:?} to {:?}", before.status, after.status);
                    prop_assert_eq!(after.seq, before.seq + events.len() as u32);
                    prop_assert!(events.iter().all(|event| event.at >= before.opened_at - 60_000));
                }
                Err(refusal) => {
                    prop_assert_eq!(after, &before);
                    let is_offered = available_commands(&before).contains(&kind);
                    prop_assert!(!is_offered || matches!(refusal, Refusal::Missing(_)), "{told} was offered: {refusal}");
                    prop_assert!(!refusal.to_string().is_empty());
                }
            }
        }
    }

    #[test]
    fn every_history_folds_to_the_ticket_it_made((request, remote, commands) in commands()) {
        let mut kit = kit(request, remote);
        let mut all = Vec::new();
        let context = MailContext { dispatch: vec!["a@b.example".to_owned()], ..MailContext::default() };
        for (step_ms, command) in commands {
            kit.after(step_ms);
            if let Ok(events) = kit.tries(command) {
                for event in &events {
                    all.extend(mails(event, kit.ticket(), &context));
                }
            }
        }
        prop_assert_eq!(Ticket::fold(&kit.events), kit.ticket.clone());
        let mut keys: Vec<_> = all.iter().map(|mail| mail.dedupe_key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        prop_assert_eq!(keys.len(), all.len(), "two mails with one key");
    }

    #[test]
    fn a_fold_of_any_events_in_any_order_never_panics(
        (request, remote, commands) in commands(),
        order in any::<u64>(),
    ) {
        let mut kit = kit(request, remote);
        for (step_ms, command) in commands {
            // Refusals are the point of another test.
            let _ = kit.after(step_ms).tries(command);
        }
        let mut ticket = kit.ticket().clone();
        let count = kit.events.len();
        for step in 0..count {
            let index = (order as usize).wrapping_mul(step + 1) % count;
            ticket.apply(&kit.events[index]);
        }
        prop_assert!(ticket.repair.spent_ms >= 0 && ticket.respond.spent_ms >= 0);
    }

    #[test]
    fn a_chargers_ticket_is_never_closed_without_evidence((_, remote, commands) in commands()) {
        let mut kit = kit(false, remote);
        for (step_ms, command) in commands {
            let _ = kit.after(step_ms).tries(command);
            let ticket = kit.ticket();
            if ticket.status == Status::Closed {
                prop_assert!(ticket.recovered_at.is_some());
            }
        }
    }
}
