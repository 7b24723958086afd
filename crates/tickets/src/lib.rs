//! Tickets: the work of people, as a fold of append-only events.
//!
//! [`decide`] says which events a command leads to, or refuses it with a sentence;
//! [`Ticket::apply`] folds them. [`Clock`]s of the service level are part of the same fold, so no
//! counter can drift. [`mails`] says who is told of an event. Pure: no clock, no database, no mail
//! server; whoever calls keeps the events and sends the mails.
//!
//! A technician's "resolved" never closes a charger's ticket by itself: the charger's own evidence
//! does ([`TicketCommand::Evidence`]).
//!
//! Read [`Ticket`], [`TicketEvent`] and [`TicketCommand`] first.

mod clock;
mod command;
mod decide;
mod event;
mod mail;
mod refusal;
mod status;
mod ticket;

#[cfg(test)]
mod kit;
#[cfg(test)]
mod letters;
#[cfg(test)]
mod life;
#[cfg(test)]
mod properties;

pub use clock::{Clock, ClockState, Targets};
pub use command::{CommandKind, NewTicket, TicketCommand, available_commands};
pub use decide::decide;
pub use event::{EvidenceKind, TicketEvent, TicketEventKind, Visibility};
pub use mail::{Mail, MailContext, mails};
pub use refusal::Refusal;
pub use status::{Status, TicketKind, WaitKind, WorkMode};
pub use ticket::{Note, Ticket};
