//! What the engine wants done. The order counts: a command comes after the entries that say why.

use crate::correlate::Notice;
use crate::overseer::VehicleSuspect;
use mendpoint_model::{
    ChargerKey, Command, CommandId, ConnectorRef, ExclusionProposal, Incident, IncidentId,
    Priority, SiteKey, TicketId, TimelineEntry, TransactionId, UnixMs,
};

use crate::permits::Memory;
use crate::visits::{AttemptEnded, VisitEnded};

/// One thing to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The incident as it is now, to be written over what was known of it.
    Incident(Box<Incident>),
    /// A line of an incident's history.
    Timeline(TimelineEntry),
    /// A command to a charger. It may leave only when everything before it is on disk (G11).
    Send(Command),
    /// A person is asked. Opening the same incident's ticket twice must give one ticket: after a
    /// restart the engine asks again when it does not know the answer.
    OpenTicket(TicketRequest),
    /// The charger itself shows something about a ticket's repair.
    TicketEvidence {
        /// Which ticket.
        ticket: TicketId,
        /// Of which incident.
        incident: IncidentId,
        /// What it shows.
        kind: Evidence,
        /// When.
        at: UnixMs,
        /// In a sentence.
        text: String,
    },
    /// The charger's connection is to be dropped, so that it connects anew.
    CloseSocket(ChargerKey),
    /// The site's own hook is to switch the charger's power off and on. Answered like a command.
    SwitchPower {
        /// Under which id the answer is awaited.
        command: CommandId,
        /// Which charger.
        charger: ChargerKey,
        /// Whose hook.
        site: SiteKey,
        /// For which incident.
        incident: IncidentId,
        /// When it is no longer worth asking.
        not_after: UnixMs,
    },
    /// A stuck charge that its charger does not end is to be closed here, as one whose end was never
    /// told. What the charger says of it later still replaces that.
    CloseTransaction {
        /// Whose.
        charger: ChargerKey,
        /// Which.
        transaction: TransactionId,
    },
    /// The charger is to be asked how strong its radio link is, if anybody knows how.
    AskSignal(ChargerKey),
    /// What healing must remember over a restart: replaces the row of the same kind and key.
    Remember(Memory),
    /// A time that may be excluded from a charger's uptime: a person decides (2.3).
    Exclusion(ExclusionProposal),
    /// People are to be told, once for a group of incidents.
    Notice(Box<Notice>),
    /// A card or vehicle is suspected, or is not any more.
    Vehicle(Box<VehicleSuspect>, bool),
    /// An attempt to charge is over: for the figures (1.5).
    Attempt(AttemptEnded),
    /// A visit is over: for the figures (1.5).
    Visit(VisitEnded),
}

/// What a charger shows about its repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The condition is gone; no session has proved it yet.
    Recovered,
    /// It is gone, and proved by a session.
    Proven,
    /// It is gone, and that is all the proof that is wanted.
    Cleared,
    /// It came back.
    FaultReturned,
}

/// What a ticket is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketRequest {
    /// The incident.
    pub incident: IncidentId,
    /// Its charger.
    pub charger: ChargerKey,
    /// Its site: the ticket goes to whom the site is bound to.
    pub site: SiteKey,
    /// The connector, or the whole charger.
    pub connector: ConnectorRef,
    /// How urgent.
    pub priority: Priority,
    /// What is wrong, in a line.
    pub title: String,
    /// What happened, in sentences.
    pub description: String,
    /// What was tried, a line a step.
    pub tried: Vec<String>,
}
