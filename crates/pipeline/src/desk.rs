//! The ticket desk: takes what people, the engine and chargers want of tickets, lets the `tickets`
//! crate decide, writes history and mail in one transaction, and tells the engine.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use mendpoint_incidents::correlate::Notice;
use mendpoint_incidents::{Evidence, Request, TicketRequest};
use mendpoint_model::{
    Actor, ChargerKey, ConnectorRef, Contact, Incident, IncidentId, Priority, StepState, TicketId,
};
use mendpoint_store::{NewMail, TicketEventRow, TicketFilter, TicketRow};
use mendpoint_tickets::{
    EvidenceKind, MailContext, NewTicket, Ticket, TicketCommand, TicketEvent, TicketKind, WorkMode,
    decide, mails,
};
use tokio::sync::mpsc;

use crate::pipeline::Inner;
use crate::release::TicketEvidence;
use crate::{Error, clock};

/// How long to wait before a write that the database refused is tried again.
const RETRY_MS: u64 = 1_000;

/// What the engine and chargers want of tickets.
pub(crate) enum Work {
    /// An incident was opened or changed.
    Incident(Box<Incident>),
    /// An incident is handed over.
    Open(TicketRequest),
    /// The charger shows something.
    Evidence(TicketEvidence),
    /// People set something else of who is told: look again at once.
    Look,
    /// People are told of a group of incidents.
    Notice(Box<Notice>),
}

/// The desk.
pub(crate) struct Desk {
    /// Unbounded, and bounded by what causes it: one for each incident that is handed over and each
    /// turn that it takes. `None` once the program stops.
    work: Mutex<Option<mpsc::UnboundedSender<Work>>>,
    /// One ticket at a time: a person and a charger may act on the same one.
    turn: tokio::sync::Mutex<()>,
    next: AtomicI64,
    inner: OnceLock<Weak<Inner>>,
}

impl Desk {
    pub(crate) fn new(highest: i64) -> (Self, mpsc::UnboundedReceiver<Work>) {
        let (work, receiver) = mpsc::unbounded_channel();
        let desk = Self {
            work: Mutex::new(Some(work)),
            turn: tokio::sync::Mutex::new(()),
            next: AtomicI64::new(highest.max(0) + 1),
            inner: OnceLock::new(),
        };
        (desk, receiver)
    }

    pub(crate) fn incident(&self, incident: Box<Incident>) {
        self.queue(Work::Incident(incident));
    }

    /// Does at once what is due of the duty machine.
    pub(crate) fn look(&self) {
        self.queue(Work::Look);
    }

    pub(crate) fn open_for_incident(&self, request: TicketRequest) {
        self.queue(Work::Open(request));
    }

    pub(crate) fn evidence(&self, evidence: TicketEvidence) {
        self.queue(Work::Evidence(evidence));
    }

    pub(crate) fn notice(&self, notice: Box<Notice>) {
        self.queue(Work::Notice(notice));
    }

    /// No more work is taken; what is queued is still done.
    pub(crate) fn stop(&self) {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn queue(&self, work: Work) {
        let sender = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        match sender.as_ref() {
            Some(sender) if sender.send(work).is_ok() => {}
            // The incident is on disk without its ticket; the next start hands it over again.
            _ => tracing::warn!("the ticket desk is closed; the next start goes on with it"),
        }
    }

    fn inner(&self) -> Result<Arc<Inner>, Error> {
        self.inner.get().and_then(Weak::upgrade).ok_or(Error::Stopping)
    }

    /// Does something with a ticket.
    pub(crate) async fn act(
        &self,
        id: TicketId,
        command: TicketCommand,
        actor: Actor,
    ) -> Result<Ticket, Error> {
        let inner = self.inner()?;
        let _turn = self.turn.lock().await;
        let ticket = inner.ticket(id).await?.ok_or(Error::UnknownTicket)?;
        let was = ticket.status;
        let events = decide(Some(&ticket), command, clock::now(), &actor)
            .map_err(|refusal| Error::Refused(refusal.to_string()))?;
        let ticket = inner.write_ticket(Some(ticket), &events).await?;
        if ticket.status != was {
            inner.tell_engine(&ticket, &actor).await;
        }
        Ok(ticket)
    }

    /// Opens a ticket by hand.
    pub(crate) async fn open_by_hand(
        &self,
        charger: ChargerKey,
        title: String,
        description: String,
        user: &str,
    ) -> Result<Ticket, Error> {
        let inner = self.inner()?;
        let record = inner.directory.charger(charger).ok_or(Error::UnknownCharger)?;
        let new = NewTicket {
            id: self.next_id(),
            kind: TicketKind::ServiceRequest,
            mode: WorkMode::OnSite,
            incident: None,
            charger,
            site: record.site,
            connector: ConnectorRef::CHARGER,
            priority: Priority::P3,
            title,
            description,
            tried: Vec::new(),
            requester: user.to_owned(),
        };
        let _turn = self.turn.lock().await;
        inner.open_ticket(new, &Actor::User(user.to_owned())).await
    }

    /// Hands an incident over because a person wants it.
    pub(crate) async fn hand_over(&self, id: IncidentId, user: &str) -> Result<Ticket, Error> {
        let inner = self.inner()?;
        let actor = Actor::User(user.to_owned());
        // One at a time, and looked at in one's turn: a second click finds the ticket of the first.
        let _turn = self.turn.lock().await;
        let incident = inner.store.incident(id).await?.ok_or(Error::UnknownIncident)?;
        let open = inner.open_ticket_of(id).await?.map(|ticket| ticket.id);
        if let Some(ticket) = incident.ticket.or(open) {
            return Err(Error::Refused(format!("{id} was handed over already, with {ticket}")));
        }
        if incident.state.is_over() {
            return Err(Error::Refused(format!("{id} is over already: nothing is handed over")));
        }
        let ticket = inner.open_ticket(self.ticket_of(&incident), &actor).await?;
        inner.tell_engine(&ticket, &actor).await;
        Ok(ticket)
    }

    fn next_id(&self) -> TicketId {
        TicketId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The ticket that an incident leads to.
    fn ticket_of(&self, incident: &Incident) -> NewTicket {
        NewTicket {
            id: self.next_id(),
            kind: TicketKind::Incident,
            mode: WorkMode::OnSite,
            incident: Some(incident.id),
            charger: incident.charger,
            site: incident.site,
            connector: incident.connector,
            priority: Priority::of_severity(incident.severity),
            title: incident.title.clone(),
            description: incident.description.clone(),
            tried: tried(incident),
            requester: incident.reporter.clone(),
        }
    }
}

/// A line for each step that was tried.
fn tried(incident: &Incident) -> Vec<String> {
    let steps = incident.healing.iter().flat_map(|healing| &healing.steps);
    steps
        .filter(|step| step.state.is_over() && step.state != StepState::Skipped)
        .map(|step| format!("{}: {}", step.rung.label(), step.note))
        .collect()
}

/// Works through the queue until it is closed, and tells people when it is time to. A write that fails
/// is tried until it succeeds: a ticket is never dropped.
pub(crate) async fn run(inner: Arc<Inner>, mut work: mpsc::UnboundedReceiver<Work>) {
    // Set once, here; the desk is part of what it points to, so it must not keep it alive.
    let _ = inner.desk.inner.set(Arc::downgrade(&inner));
    inner.begin_duty().await;
    loop {
        let pause = inner.settle_duty().await;
        let next = tokio::select! {
            biased;
            next = work.recv() => next,
            () = tokio::time::sleep(pause) => continue,
        };
        let Some(first) = next else { return };
        inner.do_until_done(first).await;
        // What is queued behind it comes first; the times of the duty machine are in minutes.
        while let Ok(next) = work.try_recv() {
            inner.do_until_done(next).await;
        }
    }
}

impl Inner {
    async fn do_until_done(&self, work: Work) {
        loop {
            match self.do_work(&work).await {
                Ok(()) => return,
                Err(Error::Store(error)) => {
                    tracing::warn!(%error, "a ticket could not be written; trying again");
                    tokio::time::sleep(std::time::Duration::from_millis(RETRY_MS)).await;
                }
                Err(error) => {
                    tracing::info!(%error, "the ticket desk refused something");
                    return;
                }
            }
        }
    }

    async fn do_work(&self, work: &Work) -> Result<(), Error> {
        match work {
            Work::Incident(incident) => {
                self.duty_hears(incident);
                Ok(())
            }
            Work::Look => Ok(()),
            Work::Open(request) => self.open_for(request).await,
            Work::Notice(notice) => self.page(notice).await,
            Work::Evidence(evidence) => {
                let kind = match evidence.kind {
                    Evidence::Recovered => EvidenceKind::Recovered,
                    Evidence::Proven => EvidenceKind::Proven,
                    Evidence::Cleared => EvidenceKind::Cleared,
                    Evidence::FaultReturned => EvidenceKind::FaultReturned,
                };
                let ticket = self.ticket(evidence.ticket).await?;
                let is_over = ticket.as_ref().is_some_and(|ticket| ticket.status.is_over());
                if is_over && kind == EvidenceKind::FaultReturned {
                    return self.follow_up(evidence).await;
                }
                let command = TicketCommand::Evidence { kind, text: evidence.text.clone() };
                self.desk.act(evidence.ticket, command, Actor::Charger).await?;
                Ok(())
            }
        }
    }

    /// The fault is back and its ticket is closed for good: a new one goes on where it ended.
    async fn follow_up(&self, evidence: &TicketEvidence) -> Result<(), Error> {
        let _turn = self.desk.turn.lock().await;
        if let Some(open) = self.open_ticket_of(evidence.incident).await? {
            self.tell_engine(&open, &Actor::Engine).await;
            return Ok(());
        }
        let incident =
            self.store.incident(evidence.incident).await?.ok_or(Error::UnknownIncident)?;
        let mut new = self.desk.ticket_of(&incident);
        new.description = format!(
            "{}\n\nIt came back after {} was closed: {}",
            new.description, evidence.ticket, evidence.text
        );
        let ticket = self.open_ticket(new, &Actor::Engine).await?;
        self.tell_engine(&ticket, &Actor::Engine).await;
        Ok(())
    }

    async fn open_for(&self, request: &TicketRequest) -> Result<(), Error> {
        let _turn = self.desk.turn.lock().await;
        // The same request comes again after a restart in the wrong moment.
        if let Some(ticket) = self.open_ticket_of(request.incident).await? {
            self.tell_engine(&ticket, &Actor::Engine).await;
            return Ok(());
        }
        if !self.may_open_ticket(request.incident) {
            return Ok(());
        }
        let new = NewTicket {
            id: self.desk.next_id(),
            kind: TicketKind::Incident,
            mode: WorkMode::OnSite,
            incident: Some(request.incident),
            charger: request.charger,
            site: request.site,
            connector: request.connector,
            priority: request.priority,
            title: request.title.clone(),
            description: request.description.clone(),
            tried: request.tried.clone(),
            requester: "system".to_owned(),
        };
        // The installer gets it when the chain says so.
        let ticket = self.open_unassigned(new, &Actor::Engine).await?;
        self.tell_engine(&ticket, &Actor::Engine).await;
        Ok(())
    }

    /// The newest ticket of an incident, unless it is over.
    async fn open_ticket_of(&self, incident: IncidentId) -> Result<Option<Ticket>, Error> {
        let filter = TicketFilter { incident: Some(incident), ..TicketFilter::default() };
        let (tickets, _) = self.store.tickets(&filter, None, 1).await?;
        let Some(newest) = tickets.first() else { return Ok(None) };
        let ticket = self.ticket(newest.id).await?;
        Ok(ticket.filter(|ticket| !ticket.status.is_over()))
    }

    /// Opens a ticket and, where the site has an installer, assigns it at once: nobody has to pick
    /// up a telephone (feature B-04).
    async fn open_ticket(&self, new: NewTicket, actor: &Actor) -> Result<Ticket, Error> {
        let site = self.directory.site(new.site);
        let mut events = opening(new, actor)?;
        if let Some(installer) = site.and_then(|site| site.installer.clone()) {
            let opened = Ticket::fold(&events);
            events.extend(assignment(opened.as_ref(), installer)?);
        }
        self.write_ticket(None, &events).await
    }

    async fn open_unassigned(&self, new: NewTicket, actor: &Actor) -> Result<Ticket, Error> {
        let events = opening(new, actor)?;
        self.write_ticket(None, &events).await
    }

    /// The chain of an incident has come to the installer: the ticket becomes theirs. Doing it twice
    /// does it once. `None`: the site has no installer.
    pub(crate) async fn order_work(&self, id: IncidentId) -> Result<Option<String>, Error> {
        let _turn = self.desk.turn.lock().await;
        let incident = self.store.incident(id).await?.ok_or(Error::UnknownIncident)?;
        let site = self.directory.site(incident.site);
        let installer = site.and_then(|site| site.installer.clone());
        let name = installer.as_ref().map(|installer| installer.name.clone());
        if incident.state.is_over() {
            return Ok(name);
        }
        let Some(open) = self.open_ticket_of(id).await? else {
            let ticket = self.open_ticket(self.desk.ticket_of(&incident), &Actor::Engine).await?;
            self.tell_engine(&ticket, &Actor::Engine).await;
            return Ok(name);
        };
        if open.assignee.is_some() {
            return Ok(name);
        }
        if let Some(installer) = installer {
            let events = assignment(Some(&open), installer)?;
            let ticket = self.write_ticket(Some(open), &events).await?;
            self.tell_engine(&ticket, &Actor::Engine).await;
        }
        Ok(name)
    }

    /// What held the ticket of an incident back is over.
    pub(crate) async fn open_held_ticket(&self, id: IncidentId) -> Result<(), Error> {
        let _turn = self.desk.turn.lock().await;
        let incident = self.store.incident(id).await?.ok_or(Error::UnknownIncident)?;
        let is_there = incident.ticket.is_some() || self.open_ticket_of(id).await?.is_some();
        if incident.state.is_over() || is_there {
            return Ok(());
        }
        let ticket = self.open_unassigned(self.desk.ticket_of(&incident), &Actor::Engine).await?;
        self.tell_engine(&ticket, &Actor::Engine).await;
        Ok(())
    }

    /// The ticket of a number, folded from its history.
    pub(crate) async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, Error> {
        let events = self.ticket_events(id).await?;
        Ok(Ticket::fold(&events))
    }

    /// The history of a ticket.
    pub(crate) async fn ticket_events(&self, id: TicketId) -> Result<Vec<TicketEvent>, Error> {
        let rows = self.store.ticket_events(id).await?;
        rows.iter()
            .map(|row| {
                serde_json::from_str(&row.json).map_err(|error| {
                    Error::Refused(format!("event {} of {id} cannot be read: {error}", row.seq))
                })
            })
            .collect()
    }

    /// Writes events, what the ticket is after them, and the mails they lead to, all or nothing.
    async fn write_ticket(
        &self,
        before: Option<Ticket>,
        events: &[TicketEvent],
    ) -> Result<Ticket, Error> {
        let expected = before.as_ref().map_or(0, |ticket| i64::from(ticket.seq));
        let mut ticket = before;
        let mut letters = Vec::new();
        let mut rows = Vec::new();
        for event in events {
            match &mut ticket {
                Some(ticket) => ticket.apply(event),
                None => ticket = Ticket::opened(event),
            }
            let Some(ticket) = &ticket else { continue };
            letters.extend(mails(event, ticket, &self.mail_context(ticket)));
            rows.push(TicketEventRow {
                ticket: event.ticket,
                seq: i64::from(event.seq),
                at: event.at,
                actor: actor_name(&event.actor).to_owned(),
                kind: event.kind.name().to_owned(),
                visibility: event.visibility.name().to_owned(),
                json: to_json(event),
            });
        }
        let ticket = ticket.ok_or(Error::UnknownTicket)?;
        if rows.is_empty() {
            return Ok(ticket);
        }
        let row = TicketRow {
            id: ticket.id,
            status: ticket.status.name().to_owned(),
            title: ticket.title.clone(),
            priority: ticket.priority.name().to_owned(),
            incident: ticket.incident,
            charger: Some(ticket.charger),
            site: Some(ticket.site),
            assignee: ticket.assignee.as_ref().map(|assignee| assignee.name.clone()),
            opened_at: ticket.opened_at,
            updated_at: ticket.updated_at,
            due_at: ticket.due_at(),
            json: to_json(&ticket),
        };
        let letters: Vec<_> = letters
            .into_iter()
            .map(|mail| NewMail {
                dedupe_key: mail.dedupe_key,
                recipient: mail.to,
                subject: self.without_cards(mail.subject),
                text: self.without_cards(mail.text_body),
                html: self.without_cards(mail.html_body),
                reply_to: None,
                ticket: Some(ticket.id),
                not_before: ticket.updated_at,
            })
            .collect();
        self.store.append_ticket(expected, &rows, &row, &letters).await?;
        self.topics.touch(|versions| {
            versions.tickets += 1;
            versions.outbox += u64::from(!letters.is_empty());
        });
        Ok(ticket)
    }

    fn mail_context(&self, ticket: &Ticket) -> MailContext {
        let charger = self.directory.charger(ticket.charger);
        let site = self.directory.site(ticket.site);
        MailContext {
            site_name: site.as_ref().map(|site| site.name.clone()).unwrap_or_default(),
            site_address: site.as_ref().map(|site| site.address.clone()).unwrap_or_default(),
            charger_name: charger.as_ref().map(|c| c.name.clone()).unwrap_or_default(),
            charger_model: charger
                .map(|charger| format!("{} {}", charger.vendor, charger.model).trim().to_owned())
                .unwrap_or_default(),
            base_url: self.settings.public_url.clone(),
            operator: site.map(|site| site.operator.clone()).unwrap_or_default(),
            dispatch: Some(self.settings.dispatch_email.clone())
                .filter(|address| !address.is_empty())
                .into_iter()
                .collect(),
        }
    }

    /// Tells the engine what became of the ticket of an incident.
    async fn tell_engine(&self, ticket: &Ticket, actor: &Actor) {
        let Some(incident) = ticket.incident else { return };
        let request = Request::TicketChanged {
            incident,
            ticket: ticket.id,
            status: ticket.status.name().to_owned(),
            user: actor_name(actor).to_owned(),
        };
        if let Err(error) = self.request(request).await {
            tracing::info!(%error, incident.id = incident.0, "the engine did not take a ticket's news");
        }
    }
}

fn refused(refusal: &mendpoint_tickets::Refusal) -> Error {
    Error::Refused(refusal.to_string())
}

/// The event that opens a ticket.
fn opening(new: NewTicket, actor: &Actor) -> Result<Vec<TicketEvent>, Error> {
    decide(None, TicketCommand::Open(Box::new(new)), clock::now(), actor)
        .map_err(|refusal| refused(&refusal))
}

/// The events that give a ticket to an installer.
fn assignment(ticket: Option<&Ticket>, installer: Contact) -> Result<Vec<TicketEvent>, Error> {
    let assign = TicketCommand::Assign { assignee: installer, user: None };
    decide(ticket, assign, clock::now(), &Actor::Engine).map_err(|refusal| refused(&refusal))
}

fn actor_name(actor: &Actor) -> &str {
    match actor {
        Actor::Engine => "engine",
        Actor::Charger => "charger",
        Actor::User(name) => name,
    }
}

/// Tickets and their events are plain data; writing them as JSON cannot fail.
fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
