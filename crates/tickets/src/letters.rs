//! Who gets which mail.

use crate::kit::{Kit, MIN, resolve};
use crate::{EvidenceKind, Mail, MailContext, TicketCommand, TicketEvent, mails};

fn context() -> MailContext {
    MailContext {
        site_name: "Harbour <b>".to_owned(),
        site_address: "Quay 3, Constanța".to_owned(),
        charger_name: "HB-03".to_owned(),
        charger_model: "ACME X".to_owned(),
        base_url: "https://mend.example/".to_owned(),
        operator: "Seaside Charging".to_owned(),
        dispatch: vec!["desk@sea.example".to_owned()],
    }
}

fn sent(kit: &Kit, events: &[TicketEvent]) -> Vec<Mail> {
    events.iter().flat_map(|event| mails(event, kit.ticket(), &context())).collect()
}

#[test]
fn the_installer_gets_one_mail_with_all_that_is_needed() {
    let kit = Kit::assigned();
    let all = sent(&kit, &kit.events);
    let [mail] = &all[..] else { panic!("{all:#?}") };
    assert_eq!(mail.to, "jobs@volt.example");
    assert_eq!(mail.subject, "[T-1882] P2 HB-03: GroundFailure on connector 2");
    for needed in [
        "HB-03 (ACME X), connector 2",
        "Harbour <b>",
        "Quay 3, Constanța",
        "Faulted for 12 min.",
        "- Soft reset: accepted, no change",
        "https://mend.example/tickets/T-1882\n",
        "Please accept by: 2026-09-21 15:13 UTC",
    ] {
        assert!(mail.text_body.contains(needed), "{needed} is not in\n{}", mail.text_body);
    }
    assert!(mail.html_body.contains("Harbour &lt;b&gt;"));
    assert!(mail.html_body.contains("Volt &amp; Sons"));
    assert!(!mail.html_body.contains("<b>"));
}

#[test]
fn dispatch_hears_of_every_step_of_the_technician_once() {
    let mut kit = Kit::on_site();
    kit.does(resolve());
    let to_dispatch: Vec<_> =
        sent(&kit, &kit.events).into_iter().filter(|mail| mail.to == "desk@sea.example").collect();
    assert_eq!(to_dispatch.len(), 4, "accepted, travels, arrived, resolved");
    assert!(to_dispatch[0].text_body.starts_with("ion: Accepted."));
    assert!(to_dispatch[3].text_body.contains("Cause: wear. Action: part_replaced. New RCD"));
    let mut keys: Vec<_> = to_dispatch.iter().map(|mail| &mail.dedupe_key).collect();
    keys.dedup();
    assert_eq!(keys.len(), 4);
}

#[test]
fn an_installer_who_need_not_go_is_told() {
    let mut kit = Kit::assigned();
    let events = kit.after(MIN).does(TicketCommand::Evidence {
        kind: EvidenceKind::Recovered,
        text: "Available for 5 min".to_owned(),
    });
    let all = sent(&kit, &events);
    let [mail] = &all[..] else { panic!("{all:#?}") };
    assert_eq!(mail.to, "jobs@volt.example");
    assert!(mail.text_body.contains("no need to go"), "{}", mail.text_body);
}

#[test]
fn nothing_that_others_wrote_becomes_a_header() {
    let mut kit = Kit::assigned();
    kit.ticket.as_mut().expect("opened").title = "a\r\nBcc: x@y.example".to_owned();
    let mut context = context();
    context.dispatch = vec!["a@b.example\r\nBcc: x@y.example".to_owned(), "no address".to_owned()];
    let events = kit.events.clone();
    for event in &events {
        for mail in mails(event, kit.ticket(), &context) {
            assert!(!mail.subject.contains(char::is_control), "{:?}", mail.subject);
        }
    }
    let accepted = kit.does(TicketCommand::Accept);
    assert!(mails(&accepted[0], kit.ticket(), &context).is_empty());
}
