//! The log: to standard error, one line an event.

use anyhow::Result;
use tracing_subscriber::EnvFilter;

/// Whether a text is a filter.
pub(crate) fn check(filter: &str) -> Result<()> {
    EnvFilter::try_new(filter).map(drop).map_err(|_| {
        anyhow::anyhow!(
            "log.filter is {filter:?}; write error, warn, info, debug or trace, or a list such as \
             info,mendpoint_gateway=debug"
        )
    })
}

/// Starts the log with a filter such as `info,mendpoint_gateway=debug`.
pub(crate) fn start(filter: &str) -> Result<()> {
    check(filter)?;
    tracing_subscriber::fmt()
        // What cannot be written, as on a full disk, is no reason to end a task.
        .log_internal_errors(false)
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .try_init()
        .map_err(|error| anyhow::anyhow!("failed to start the log: {error}"))
}
