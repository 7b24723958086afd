//! The ticket desk and the duty machine of a replay: who would have been handed what, and when. They
//! decide as live, with the same machines; nobody is written to.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_escalation::{Book, Brief, Duty, Order, Place, Routes, Scope, Signer};
use mendpoint_incidents::{Catalogue, Evidence, KillScope, Request, TicketRequest};
use mendpoint_model::{
    Actor, ChargerKey, Contact, DAY_MS, Incident, IncidentId, Priority, SiteKey, TicketId, UnixMs,
};
use mendpoint_tickets::{
    EvidenceKind, NewTicket, Ticket, TicketCommand, TicketKind, WorkMode, decide,
};

use crate::past::PastSubject;

/// So many incidents at least are kept before old ones are forgotten.
const KEPT_MIN: usize = 1_000;

/// What people set of who is told, and whose chargers they are.
#[derive(Clone, Debug)]
pub struct DeskSettings {
    /// Routes and chains, rotas, silences, maintenance windows.
    pub book: Arc<Book>,
    /// What people call the places of chargers.
    pub places: BTreeMap<ChargerKey, Place>,
    /// Who gets the tickets of a site.
    pub installers: BTreeMap<SiteKey, Contact>,
}

impl Default for DeskSettings {
    fn default() -> Self {
        Self {
            book: Arc::new(Book::new(Routes::built_in(1.0))),
            places: BTreeMap::new(),
            installers: BTreeMap::new(),
        }
    }
}

/// The desk.
#[derive(Debug)]
pub(crate) struct Desk {
    duty: Duty,
    catalogue: Arc<Catalogue>,
    places: BTreeMap<ChargerKey, Place>,
    installers: BTreeMap<SiteKey, Contact>,
    /// Incidents that are not over or were until a day ago, as they stand.
    known: BTreeMap<IncidentId, Box<Incident>>,
    /// The newest ticket of each incident.
    tickets: BTreeMap<IncidentId, Ticket>,
    opened: i64,
    /// How many incidents were left when they were last looked through.
    kept: usize,
    /// When the duty machine has something to do.
    due: Option<UnixMs>,
    /// Whether the duty machine was told something since it was asked last.
    is_told: bool,
    /// Where people work by plan, as the engine knows it.
    planned: Vec<(Scope, UnixMs)>,
}

impl Desk {
    pub(crate) fn new(settings: DeskSettings, catalogue: Arc<Catalogue>) -> Self {
        let DeskSettings { book, places, installers } = settings;
        Self {
            // Its letters go nowhere, so nothing has to be signed.
            duty: Duty::new(book, Signer::new(b"")),
            catalogue,
            places,
            installers,
            known: BTreeMap::new(),
            tickets: BTreeMap::new(),
            opened: 0,
            kept: 0,
            due: Some(UnixMs(i64::MIN)),
            is_told: true,
            planned: Vec::new(),
        }
    }

    /// When something is due.
    pub(crate) fn next_deadline(&self) -> Option<UnixMs> {
        self.due
    }

    /// An incident was opened or changed.
    pub(crate) fn hear(&mut self, now: UnixMs, incident: &Incident) {
        let place = self.places.get(&incident.charger).cloned().unwrap_or_default();
        let route = self.catalogue.rule(&incident.rule).map(|rule| rule.route.clone());
        self.duty.incident(now, Brief::of(incident, place, route));
        self.is_told = true;
        self.known.insert(incident.id, Box::new(incident.clone()));
        if self.known.len() >= 2 * self.kept.max(KEPT_MIN) {
            self.incidents(now);
            self.kept = self.known.len();
        }
    }

    /// What a program that starts now would read: incidents that are open, and those of the last day.
    pub(crate) fn incidents(&mut self, now: UnixMs) -> Vec<Incident> {
        let is_recent = |incident: &Incident| incident.updated_at > now - DAY_MS;
        self.known.retain(|_, incident| !incident.state.is_over() || is_recent(incident));
        self.known.values().map(|incident| Incident::clone(incident)).collect()
    }

    /// The open incident that stands for one of the past.
    pub(crate) fn standing_for(&self, past: &PastSubject) -> Option<IncidentId> {
        let is_it = |incident: &Incident| {
            !incident.state.is_over()
                && incident.rule == past.rule
                && incident.charger == past.charger
                && incident.connector == past.connector
        };
        let all = self.known.values().rev().map(|incident| &**incident);
        all.filter(|incident| is_it(incident)).map(|incident| incident.id).next()
    }

    /// A shard that begins anew knows of no planned work.
    pub(crate) fn begin_anew(&mut self) {
        self.planned.clear();
        self.is_told = true;
    }

    /// An incident that is not over.
    fn open(&self, id: IncidentId) -> Option<&Incident> {
        self.known.get(&id).map(|one| &**one).filter(|incident| !incident.state.is_over())
    }

    /// The engine hands an incident over.
    pub(crate) fn open_for(&mut self, now: UnixMs, request: TicketRequest) -> Option<Request> {
        if let Some(open) = self.open_ticket_of(request.incident) {
            return Some(told(open, &Actor::Engine));
        }
        self.is_told = true;
        if !self.duty.may_open_ticket(now, request.incident) {
            return None;
        }
        let TicketRequest { incident, charger, site, connector, priority, title, .. } = request;
        let new = NewTicket {
            id: TicketId(0),
            kind: TicketKind::Incident,
            mode: WorkMode::OnSite,
            incident: Some(incident),
            charger,
            site,
            connector,
            priority,
            title,
            description: String::new(),
            tried: Vec::new(),
            requester: "system".to_owned(),
        };
        self.put(now, new, false)
    }

    /// The charger of a ticket shows something.
    pub(crate) fn evidence(
        &mut self,
        now: UnixMs,
        (id, incident): (TicketId, IncidentId),
        kind: Evidence,
        text: String,
    ) -> Option<Request> {
        let kind = match kind {
            Evidence::Recovered => EvidenceKind::Recovered,
            Evidence::Proven => EvidenceKind::Proven,
            Evidence::Cleared => EvidenceKind::Cleared,
            Evidence::FaultReturned => EvidenceKind::FaultReturned,
        };
        let ticket = self.tickets.get(&incident)?;
        if kind == EvidenceKind::FaultReturned && (ticket.id != id || ticket.status.is_over()) {
            // It is closed for good: a new one goes on where it ended.
            if let Some(open) = self.open_ticket_of(incident) {
                return Some(told(open, &Actor::Engine));
            }
            let new = ticket_of(self.open(incident)?);
            return self.put(now, new, true);
        }
        let ticket = self.tickets.get_mut(&incident).filter(|ticket| ticket.id == id)?;
        let was = ticket.status;
        let command = TicketCommand::Evidence { kind, text };
        for event in decide(Some(ticket), command, now, &Actor::Charger).ok()? {
            ticket.apply(&event);
        }
        (ticket.status != was).then(|| told(ticket, &Actor::Charger))
    }

    /// Does what is due; gives what the engine is to know of it.
    pub(crate) fn settle(&mut self, now: UnixMs) -> Vec<Request> {
        if !self.is_told && self.due.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.is_told = false;
        self.duty.tick(now);
        let mut requests = Vec::new();
        for order in self.duty.take_orders() {
            requests.extend(match order {
                Order::WorkOrder(id) => self.order_work(now, id),
                Order::OpenTicket(id) => self.open_held(now, id),
                Order::Letter(_) | Order::Line { .. } | Order::SilenceEnded(_) => None,
            });
        }
        self.duty.take_changed_cases();
        self.duty.take_changed_inboxes();
        self.due = self.duty.next_deadline().filter(|at| *at < UnixMs(i64::MAX));
        requests
    }

    /// Where people work by plan, when that changed since it was asked last.
    pub(crate) fn take_planned(&mut self) -> Option<Vec<(KillScope, UnixMs)>> {
        let planned = self.duty.maintenance();
        if planned == self.planned {
            return None;
        }
        self.planned.clone_from(&planned);
        let scope = |(scope, until)| match scope {
            Scope::Site(site) => (KillScope::Site(site), until),
            Scope::Charger(charger) => (KillScope::Charger(charger), until),
        };
        Some(planned.into_iter().map(scope).collect())
    }

    fn open_ticket_of(&self, incident: IncidentId) -> Option<&Ticket> {
        self.tickets.get(&incident).filter(|ticket| !ticket.status.is_over())
    }

    /// The chain of an incident has come to the installer.
    fn order_work(&mut self, now: UnixMs, id: IncidentId) -> Option<Request> {
        let incident = self.open(id)?;
        let site = incident.site;
        let Some(open) = self.open_ticket_of(id) else {
            let new = ticket_of(incident);
            return self.put(now, new, true);
        };
        if open.assignee.is_some() {
            return None;
        }
        let installer = self.installers.get(&site)?.clone();
        let ticket = self.tickets.get_mut(&id)?;
        assign(ticket, now, installer);
        Some(told(ticket, &Actor::Engine))
    }

    /// What held the ticket of an incident back is over.
    fn open_held(&mut self, now: UnixMs, id: IncidentId) -> Option<Request> {
        let incident = self.open(id)?;
        if incident.ticket.is_some() || self.open_ticket_of(id).is_some() {
            return None;
        }
        let new = ticket_of(incident);
        self.put(now, new, false)
    }

    /// Opens a ticket; `assigned` gives it to the installer of its site, if there is one.
    fn put(&mut self, now: UnixMs, new: NewTicket, assigned: bool) -> Option<Request> {
        self.opened += 1;
        let new = NewTicket { id: TicketId(self.opened), ..new };
        let (incident, site) = (new.incident?, new.site);
        let open = TicketCommand::Open(Box::new(new));
        let events = decide(None, open, now, &Actor::Engine).ok()?;
        let mut ticket = Ticket::fold(&events)?;
        if let Some(installer) = self.installers.get(&site).filter(|_| assigned) {
            assign(&mut ticket, now, installer.clone());
        }
        let request = told(&ticket, &Actor::Engine);
        self.tickets.insert(incident, ticket);
        Some(request)
    }
}

fn assign(ticket: &mut Ticket, now: UnixMs, assignee: Contact) {
    let command = TicketCommand::Assign { assignee, user: None };
    for event in decide(Some(ticket), command, now, &Actor::Engine).unwrap_or_default() {
        ticket.apply(&event);
    }
}

/// The ticket that an incident leads to; nobody reads more of it than its line.
fn ticket_of(incident: &Incident) -> NewTicket {
    NewTicket {
        id: TicketId(0),
        kind: TicketKind::Incident,
        mode: WorkMode::OnSite,
        incident: Some(incident.id),
        charger: incident.charger,
        site: incident.site,
        connector: incident.connector,
        priority: Priority::of_severity(incident.severity),
        title: incident.title.clone(),
        description: String::new(),
        tried: Vec::new(),
        requester: incident.reporter.clone(),
    }
}

/// What the engine hears of a ticket.
fn told(ticket: &Ticket, actor: &Actor) -> Request {
    let user = match actor {
        Actor::Engine => "engine",
        Actor::Charger => "charger",
        Actor::User(name) => name,
    };
    Request::TicketChanged {
        incident: ticket.incident.unwrap_or_default(),
        ticket: ticket.id,
        status: ticket.status.name().to_owned(),
        user: user.to_owned(),
    }
}
