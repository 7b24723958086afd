//! A ticket as it stands: the fold of its events.

use mendpoint_model::{
    Actor, ChargerKey, ConnectorRef, Contact, IncidentId, Priority, SiteKey, TicketId, UnixMs,
};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Targets};
use crate::event::{EvidenceKind, TicketEvent, TicketEventKind, Visibility};
use crate::status::{Status, TicketKind, WaitKind, WorkMode};

/// A ticket as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// `T-..`.
    pub id: TicketId,
    /// Number of the newest event folded in.
    pub seq: u32,
    /// Where it stands.
    pub status: Status,
    /// The incident it was handed over from.
    pub incident: Option<IncidentId>,
    /// The charger.
    pub charger: ChargerKey,
    /// Its site.
    pub site: SiteKey,
    /// The connector, or the whole charger.
    pub connector: ConnectorRef,
    /// Where it came from.
    pub kind: TicketKind,
    /// How the work is done.
    pub mode: WorkMode,
    /// How urgent.
    pub priority: Priority,
    /// A line for lists.
    pub title: String,
    /// What is wrong, and how it is known.
    pub description: String,
    /// What was tried from afar, a line each.
    pub tried: Vec<String>,
    /// Who was asked.
    pub assignee: Option<Contact>,
    /// Their account, if they have one.
    pub assignee_user: Option<String>,
    /// Who asked: `system`, or a name.
    pub requester: String,
    /// When it was opened.
    pub opened_at: UnixMs,
    /// When it last changed.
    pub updated_at: UnixMs,
    /// When the assignee took it.
    pub accepted_at: Option<UnixMs>,
    /// When the assignee expects to arrive.
    pub eta: Option<UnixMs>,
    /// When the assignee arrived.
    pub on_site_at: Option<UnixMs>,
    /// When it was said to be mended.
    pub resolved_at: Option<UnixMs>,
    /// When it was closed or cancelled.
    pub closed_at: Option<UnixMs>,
    /// How often it came back.
    pub reopen_count: u32,
    /// Why it waits, while it waits.
    pub waiting_reason: String,
    /// Where it goes on after waiting.
    pub before_waiting: Option<Status>,
    /// When the charger was seen to work again; `None` again when the fault came back.
    pub recovered_at: Option<UnixMs>,
    /// When a charging session proved it; `None` again when the fault came back.
    pub proven_at: Option<UnixMs>,
    /// What the charger showed last, in words.
    pub evidence: String,
    /// The coded cause; empty until resolved by a person.
    pub cause: String,
    /// The coded action.
    pub action: String,
    /// How it ended, in words.
    pub resolution: String,
    /// What people wrote.
    pub notes: Vec<Note>,
    /// Until somebody took it: from the opening to the first acceptance, over all assignments.
    pub respond: Clock,
    /// Until it is mended.
    pub repair: Clock,
}

/// What somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    pub at: UnixMs,
    /// Who.
    pub actor: Actor,
    /// What.
    pub text: String,
    /// Who may see it.
    pub visibility: Visibility,
}

impl Ticket {
    /// Folds a whole history. `None` when it does not begin with the opening.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a TicketEvent>) -> Option<Self> {
        let mut events = events.into_iter();
        let mut ticket = Self::opened(events.next()?)?;
        for event in events {
            ticket.apply(event);
        }
        Some(ticket)
    }

    /// The ticket that an opening makes; `None` for any other event.
    pub fn opened(event: &TicketEvent) -> Option<Self> {
        let TicketEventKind::Opened(new) = &event.kind else { return None };
        let targets = Targets::of(new.priority);
        Some(Self {
            id: event.ticket,
            seq: event.seq,
            status: Status::New,
            incident: new.incident,
            charger: new.charger,
            site: new.site,
            connector: new.connector,
            kind: new.kind,
            mode: new.mode,
            priority: new.priority,
            title: new.title.clone(),
            description: new.description.clone(),
            tried: new.tried.clone(),
            assignee: None,
            assignee_user: None,
            requester: new.requester.clone(),
            opened_at: event.at,
            updated_at: event.at,
            accepted_at: None,
            eta: None,
            on_site_at: None,
            resolved_at: None,
            closed_at: None,
            reopen_count: 0,
            waiting_reason: String::new(),
            before_waiting: None,
            recovered_at: None,
            proven_at: None,
            evidence: String::new(),
            cause: String::new(),
            action: String::new(),
            resolution: String::new(),
            notes: Vec::new(),
            respond: Clock::started(targets.respond_ms, event.at),
            repair: Clock::started(targets.repair_ms, event.at),
        })
    }

    /// What is waited for, while it waits.
    pub fn waiting_kind(&self) -> Option<WaitKind> {
        match self.status {
            Status::Waiting { kind } => Some(kind),
            _ => None,
        }
    }

    /// When somebody has to have taken it; `None` when that is done or stands still.
    pub fn respond_by(&self) -> Option<UnixMs> {
        self.respond.due_at()
    }

    /// When it has to be mended; `None` when that is done or stands still.
    pub fn repair_by(&self) -> Option<UnixMs> {
        self.repair.due_at()
    }

    /// The clock to sort a board by: the earliest that runs.
    pub fn due_at(&self) -> Option<UnixMs> {
        [self.respond_by(), self.repair_by()].into_iter().flatten().min()
    }

    /// Whether the charger shows that it works while somebody is still at it: "recovered, confirm".
    pub fn is_recovered_unconfirmed(&self) -> bool {
        self.recovered_at.is_some() && self.status.is_active()
    }

    /// Folds one event. Every event of every history can be folded; what [`crate::decide`] would
    /// never have let happen is taken as it says.
    pub fn apply(&mut self, event: &TicketEvent) {
        let at = event.at;
        self.seq = event.seq;
        self.updated_at = self.updated_at.max(at);
        match &event.kind {
            TicketEventKind::Opened(_)
            | TicketEventKind::VerificationBegan
            | TicketEventKind::Resumed
            | TicketEventKind::ProgressAsked => {}
            TicketEventKind::Assigned { assignee, user } => {
                self.assignee = Some(assignee.clone());
                self.assignee_user.clone_from(user);
                self.leave_work();
            }
            TicketEventKind::Unassigned | TicketEventKind::Declined { .. } => {
                self.assignee = None;
                self.assignee_user = None;
                self.leave_work();
            }
            TicketEventKind::Accepted => {
                self.accepted_at = Some(at);
                self.respond.stop(at);
            }
            TicketEventKind::TravelStarted { eta } => self.eta = *eta,
            TicketEventKind::Arrived => {
                self.on_site_at = Some(at);
                self.eta = None;
            }
            TicketEventKind::WorkStarted => {
                // Work from afar needs no acceptance before it.
                self.accepted_at.get_or_insert(at);
                self.respond.stop(at);
            }
            TicketEventKind::WaitingBegan { kind, reason } => {
                self.waiting_reason.clone_from(reason);
                if !matches!(self.status, Status::Waiting { .. }) {
                    self.before_waiting = Some(self.status);
                }
                // From one kind of waiting to another the clock may start or stop.
                if kind.pauses_clocks() {
                    self.repair.pause(at);
                } else {
                    self.repair.resume(at);
                }
            }
            TicketEventKind::Noted { text } => self.notes.push(Note {
                at,
                actor: event.actor.clone(),
                text: text.clone(),
                visibility: event.visibility,
            }),
            TicketEventKind::Resolved { cause, action, text } => {
                self.cause.clone_from(cause);
                self.action.clone_from(action);
                self.resolution.clone_from(text);
                self.stop_clocks(at);
            }
            TicketEventKind::SelfHealed => {
                "The charger recovered by itself.".clone_into(&mut self.resolution);
                self.stop_clocks(at);
            }
            TicketEventKind::EvidenceSeen { kind, text } => self.see(*kind, text, at),
            TicketEventKind::Reopened { .. } => {
                self.reopen_count += 1;
                self.resolved_at = None;
                self.leave_work();
                self.repair.reopen(at);
            }
            TicketEventKind::Closed { .. } | TicketEventKind::Cancelled { .. } => {
                self.closed_at = Some(at);
                self.respond.stop(at);
                self.repair.stop(at);
            }
        }
        self.status = self.status_after(&event.kind);
        if !matches!(self.status, Status::Waiting { .. }) {
            self.waiting_reason.clear();
            self.before_waiting = None;
            if self.status.is_active() {
                self.repair.resume(at);
            }
        }
    }

    fn status_after(&self, kind: &TicketEventKind) -> Status {
        match kind {
            TicketEventKind::Assigned { .. } => Status::Assigned,
            TicketEventKind::Accepted => Status::Accepted,
            TicketEventKind::TravelStarted { .. } => Status::EnRoute,
            TicketEventKind::Arrived => Status::OnSite,
            TicketEventKind::WorkStarted => Status::InProgress,
            TicketEventKind::WaitingBegan { kind, .. } => Status::Waiting { kind: *kind },
            TicketEventKind::Resumed => self.before_waiting.unwrap_or(self.status),
            TicketEventKind::Resolved { .. } | TicketEventKind::SelfHealed => Status::Resolved,
            TicketEventKind::VerificationBegan => Status::Verifying,
            TicketEventKind::Reopened { .. } if self.assignee.is_some() => Status::Assigned,
            TicketEventKind::Opened(_)
            | TicketEventKind::Unassigned
            | TicketEventKind::Declined { .. }
            | TicketEventKind::Reopened { .. } => Status::New,
            TicketEventKind::Closed { .. } => Status::Closed,
            TicketEventKind::Cancelled { .. } => Status::Cancelled,
            TicketEventKind::Noted { .. }
            | TicketEventKind::EvidenceSeen { .. }
            | TicketEventKind::ProgressAsked => self.status,
        }
    }

    fn see(&mut self, kind: EvidenceKind, text: &str, at: UnixMs) {
        text.clone_into(&mut self.evidence);
        match kind {
            EvidenceKind::Recovered => self.recovered_at = Some(at),
            EvidenceKind::Cleared => {
                self.recovered_at.get_or_insert(at);
            }
            EvidenceKind::Proven => {
                self.recovered_at.get_or_insert(at);
                self.proven_at = Some(at);
            }
            EvidenceKind::FaultReturned => {
                self.recovered_at = None;
                self.proven_at = None;
            }
        }
    }

    /// Whoever is asked next begins at the beginning.
    fn leave_work(&mut self) {
        self.accepted_at = None;
        self.on_site_at = None;
        self.eta = None;
    }

    fn stop_clocks(&mut self, at: UnixMs) {
        self.resolved_at = Some(at);
        self.respond.stop(at);
        self.repair.stop(at);
    }
}
