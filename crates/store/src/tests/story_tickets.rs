//! The tickets of the story: written with their events, found again, listed by when they are due.

use mendpoint_model::{ChargerKey, HOUR_MS, IncidentState, SiteKey, TicketId, UnixMs};

use super::kit::{incident, write};
use super::story_people::new_mail;
use crate::{Entry, Error, Store, TicketEventRow, TicketFilter, TicketOrder, TicketRow};

pub(crate) async fn tickets(store: &Store, one: ChargerKey) {
    let row = TicketRow {
        id: TicketId(1882),
        status: "new".to_owned(),
        title: "Faulted bay".to_owned(),
        priority: "P2".to_owned(),
        incident: Some(mendpoint_model::IncidentId(11)),
        charger: Some(one),
        site: None,
        assignee: None,
        opened_at: UnixMs(100),
        updated_at: UnixMs(100),
        due_at: None,
        json: "{}".to_owned(),
    };
    let event = |seq, kind: &str| TicketEventRow {
        ticket: row.id,
        seq,
        at: UnixMs(100),
        actor: "ana".to_owned(),
        kind: kind.to_owned(),
        visibility: "public".to_owned(),
        json: "{}".to_owned(),
    };
    let mail = new_mail("ticket-1882-1", UnixMs(500));
    store
        .append_ticket(0, &[event(1, "opened"), event(2, "assigned")], &row, &[mail])
        .await
        .expect("created");
    let mut changed = row.clone();
    changed.status = "accepted".to_owned();
    changed.assignee = Some("Volt".to_owned());
    changed.due_at = Some(UnixMs(900));
    store.append_ticket(2, &[event(3, "accepted")], &changed, &[]).await.expect("changed");
    // Somebody who had seen version 2 only, and somebody who thinks there is none.
    for expected in [2, 0] {
        let late = event(expected + 1, "noted");
        let mail = new_mail("never", UnixMs(0));
        let result = store.append_ticket(expected, &[late], &row, &[mail]).await;
        assert!(matches!(result, Err(Error::Conflict { found: 3, .. })), "{result:?}");
    }
    assert_eq!(store.ticket(row.id).await.expect("read"), Some(changed.clone()));
    let events = store.ticket_events(row.id).await.expect("read");
    assert_eq!(events, [event(1, "opened"), event(2, "assigned"), event(3, "accepted")]);
    let (mails, _) = store.mails(None, Some(row.id), None, 10).await.expect("read");
    assert_eq!(mails.len(), 1, "what failed left no mail behind");

    let list = async |filter: TicketFilter| store.tickets(&filter, None, 10).await.expect("read").0;
    let none = TicketFilter::default;
    let found = [changed];
    let nothing: [TicketRow; 0] = [];
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(list(none()).await, found);
    assert_eq!(list(TicketFilter { statuses: words(&["new", "accepted"]), ..none() }).await, found);
    assert_eq!(list(TicketFilter { statuses: words(&["new"]), ..none() }).await, nothing);
    assert_eq!(list(TicketFilter { assignee: Some("Volt".to_owned()), ..none() }).await, found);
    assert_eq!(list(TicketFilter { charger: Some(ChargerKey(99)), ..none() }).await, nothing);
    assert_eq!(list(TicketFilter { incident: found[0].incident, ..none() }).await, found);
    assert_eq!(list(TicketFilter { site: Some(SiteKey(1)), ..none() }).await, nothing);
    assert_eq!(list(TicketFilter { text: Some("FAULT".to_owned()), ..none() }).await, found);
    let counts = store.ticket_counts().await.expect("read");
    assert_eq!(counts, [("accepted".to_owned(), 1)]);

    // Somebody accepted the one; the other's ticket was closed before anybody had read it.
    let now = UnixMs(3_000 * HOUR_MS);
    let over = |id, ticket| {
        let mut incident = incident(id, one, now.0 - 5);
        incident.state = IncidentState::Closed;
        incident.ticket = Some(ticket);
        incident.resolved_at = Some(now);
        Entry::Incident(Box::new(incident))
    };
    write(store, vec![over(13, row.id), over(14, TicketId(1883))]).await;
    let parts = store.incident_parts(now, HOUR_MS / 12, 12).await.expect("read");
    let last = parts.last().expect("twelve parts");
    assert_eq!((parts.len(), last.opened), (12, 2));
    assert_eq!((last.by_person, last.by_itself, last.healed), (1, 1, 0));

    let entry = Entry::Audit {
        at: UnixMs(1),
        actor: "ion".to_owned(),
        action: "reset".to_owned(),
        subject: "CP-1".to_owned(),
        detail: String::new(),
    };
    write(store, vec![entry]).await;
    let (rows, _) = store.audit(Some("T-1882"), None, None, 10).await.expect("read");
    let told: Vec<_> = rows.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(told, ["ticket accepted", "ticket assigned", "ticket opened"]);
    let (rows, next) = store.audit(None, None, None, 3).await.expect("read");
    assert_eq!((rows.len(), rows[0].actor.as_str()), (3, "ion"));
    let (rows, next) = store.audit(None, None, next, 3).await.expect("read");
    assert_eq!((rows.len(), next), (1, None));
    assert_eq!(store.audit(None, Some("ana"), None, 9).await.expect("read").0.len(), 3);
}

/// What is late comes first and what no clock runs for last, page after page.
pub(crate) async fn tickets_by_due(store: &Store) {
    let dues = [Some(700), None, Some(-5), Some(1), Some(700), None];
    for (id, due) in (1..).zip(dues) {
        let id = TicketId(id);
        let status = if id.0 == 4 { "over" } else { "seen" };
        let event = TicketEventRow {
            ticket: id,
            seq: 1,
            at: UnixMs(1),
            actor: "ana".to_owned(),
            kind: "opened".to_owned(),
            visibility: "public".to_owned(),
            json: "{}".to_owned(),
        };
        let row = TicketRow {
            id,
            status: status.to_owned(),
            title: String::new(),
            priority: "P4".to_owned(),
            incident: None,
            charger: None,
            site: None,
            assignee: None,
            opened_at: UnixMs(100 - id.0),
            updated_at: UnixMs(1),
            due_at: due.map(UnixMs),
            json: "{}".to_owned(),
        };
        store.append_ticket(0, &[event], &row, &[]).await.expect("created");
    }
    let filter = TicketFilter {
        statuses: vec!["seen".to_owned()],
        order: TicketOrder::Due,
        ..TicketFilter::default()
    };
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let (page, next) = store.tickets(&filter, cursor, 2).await.expect("read");
        seen.extend(page.iter().map(|row| row.id.0));
        let Some(next) = next else { break };
        cursor = Some(next);
    }
    assert_eq!(seen, [3, 1, 5, 2, 6]);
    let newest = TicketFilter { order: TicketOrder::Newest, ..filter };
    let (page, _) = store.tickets(&newest, None, 9).await.expect("read");
    assert_eq!(page.iter().map(|row| row.id.0).collect::<Vec<_>>(), [1, 2, 3, 5, 6]);
}
