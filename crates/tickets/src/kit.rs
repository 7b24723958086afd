//! What the tests drive tickets with.

use mendpoint_model::{
    Actor, ChargerKey, ConnectorRef, Contact, IncidentId, Priority, SiteKey, TicketId, UnixMs,
};

use crate::{NewTicket, Refusal, Ticket, TicketCommand, TicketEvent, TicketKind, WorkMode, decide};

pub(crate) const START: UnixMs = UnixMs(1_790_000_000_000);
pub(crate) const MIN: i64 = mendpoint_model::MINUTE_MS;

/// A ticket with its history and a clock.
pub(crate) struct Kit {
    pub(crate) events: Vec<TicketEvent>,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) now: UnixMs,
}

impl Kit {
    pub(crate) fn nothing() -> Self {
        Self { events: Vec::new(), ticket: None, now: START }
    }

    pub(crate) fn opened(kind: TicketKind, mode: WorkMode) -> Self {
        let mut kit = Self::nothing();
        let new = NewTicket { kind, mode, ..new_ticket() };
        kit.does(TicketCommand::Open(Box::new(new)));
        kit
    }

    /// An incident's ticket that the installer was asked to do on site.
    pub(crate) fn assigned() -> Self {
        let mut kit = Self::opened(TicketKind::Incident, WorkMode::OnSite);
        kit.does(assign());
        kit
    }

    /// The installer is at the charger.
    pub(crate) fn on_site() -> Self {
        let mut kit = Self::assigned();
        kit.does(TicketCommand::Accept);
        kit.does(TicketCommand::StartTravel { eta: None });
        kit.does(TicketCommand::Arrive);
        kit
    }

    pub(crate) fn after(&mut self, ms: i64) -> &mut Self {
        self.now = self.now + ms;
        self
    }

    pub(crate) fn tries(&mut self, command: TicketCommand) -> Result<Vec<TicketEvent>, Refusal> {
        let actor = Actor::User("ion".to_owned());
        let events = decide(self.ticket.as_ref(), command, self.now, &actor)?;
        for event in &events {
            match &mut self.ticket {
                Some(ticket) => ticket.apply(event),
                None => self.ticket = Ticket::opened(event),
            }
        }
        self.events.extend(events.iter().cloned());
        Ok(events)
    }

    pub(crate) fn does(&mut self, command: TicketCommand) -> Vec<TicketEvent> {
        let told = format!("{command:?}");
        self.tries(command).unwrap_or_else(|refusal| panic!("{told}: {refusal}"))
    }

    pub(crate) fn ticket(&self) -> &Ticket {
        self.ticket.as_ref().expect("the ticket was opened")
    }
}

pub(crate) fn new_ticket() -> NewTicket {
    NewTicket {
        id: TicketId(1882),
        kind: TicketKind::Incident,
        mode: WorkMode::OnSite,
        incident: Some(IncidentId(20431)),
        charger: ChargerKey(7),
        site: SiteKey(3),
        connector: ConnectorRef::v16(2),
        priority: Priority::P2,
        title: "GroundFailure on connector 2".to_owned(),
        description: "Faulted for 12 min.".to_owned(),
        tried: vec!["Soft reset: accepted, no change".to_owned()],
        requester: "system".to_owned(),
    }
}

pub(crate) fn assign() -> TicketCommand {
    TicketCommand::Assign {
        assignee: Contact {
            name: "Volt & Sons".to_owned(),
            email: "jobs@volt.example".to_owned(),
            phone: String::new(),
        },
        user: Some("volt".to_owned()),
    }
}

pub(crate) fn resolve() -> TicketCommand {
    TicketCommand::Resolve {
        cause: "wear".to_owned(),
        action: "part_replaced".to_owned(),
        text: "New RCD".to_owned(),
    }
}
