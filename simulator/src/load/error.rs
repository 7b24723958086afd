//! Why a load could not be run at all.

/// What keeps a load from running. A single connection that fails is counted in the report, not
/// told here.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// An option that cannot work, in a sentence that says what to change.
    #[error("read the load's options: {0}")]
    Options(String),
    /// Not one charger could connect.
    #[error("connect to {url}: {why}; does the server run, and does it accept these chargers?")]
    NobodyConnected {
        /// Where to.
        url: String,
        /// The last reason.
        why: String,
    },
    /// The server's process cannot be looked at.
    #[error("read the server's memory and processor time: {0}; is --pid the server's process id?")]
    Process(String),
}
