//! Why a command was refused: a sentence that says what to do.

use thiserror::Error;

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no such ticket.
    #[error("there is no such ticket")]
    NoTicket,
    /// It was opened before.
    #[error("this ticket is open already")]
    AlreadyOpen,
    /// It is closed.
    #[error("this ticket is already closed; open a new one")]
    Closed,
    /// It was cancelled.
    #[error("this ticket was cancelled; open a new one")]
    Cancelled,
    /// Something has to happen before.
    #[error("the ticket is {status}; {instead}")]
    NotNow {
        /// Where it stands, in small letters.
        status: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// Something is missing in the command.
    #[error("{0}")]
    Missing(&'static str),
}
