//! What can go wrong when something is asked of the pipeline.

/// Fit to be shown to the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No charger of that name.
    #[error("no such charger")]
    UnknownCharger,
    /// No incident of that number.
    #[error("no such incident")]
    UnknownIncident,
    /// No ticket of that number.
    #[error("no such ticket")]
    UnknownTicket,
    /// It cannot be done; the sentence says why.
    #[error("{0}")]
    Refused(String),
    /// What was written is not good; the sentences say where and what was expected.
    #[error("{0}")]
    Unfit(String),
    /// The database is behind, so a command could not leave or be kept in time.
    #[error(
        "the database did not take the command down in time; look at the charger's commands before you \
         send it again"
    )]
    NotWritten,
    /// What is handed out stands in the audit log first, and the database is behind.
    #[error(
        "the database does not take down now who was given this, and nothing is handed out without \
         that; try again in a moment"
    )]
    NotAudited,
    /// The program is stopping.
    #[error("the program is stopping; try again in a moment")]
    Stopping,
    /// The numbers could not be registered.
    #[error("the metrics could not be set up: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The database refused.
    #[error("the database did not take it: {0}")]
    Store(#[from] mendpoint_store::Error),
}
