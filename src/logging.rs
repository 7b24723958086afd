//! The log: to standard error, one line an event.

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

/// Starts the log with a filter such as `info,mendpoint_gateway=debug`.
pub(crate) fn start(filter: &str) -> Result<()> {
    let filter = EnvFilter::try_new(filter)
        .with_context(|| format!("log.filter is not a filter: {filter:?}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .try_init()
        .map_err(|error| anyhow::anyhow!("failed to start the log: {error}"))
}
