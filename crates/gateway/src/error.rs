//! What can keep the gateway from starting.

use std::io;
use std::net::SocketAddr;

/// Why the gateway could not start. Once it runs it does not fail: a bad connection ends alone.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address cannot be listened on.
    #[error("listen for chargers on {address}: {source}; is another server using that port?")]
    Listen {
        /// The address from the settings.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A listener's certificates cannot be used.
    #[error("use the certificates of the listener {address}: {why}")]
    Certificates {
        /// The listener.
        address: SocketAddr,
        /// A sentence that names the file.
        why: String,
    },
    /// Two gateways in one metrics registry, or a name that is taken.
    #[error("register the gateway's metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// A setting that cannot work.
    #[error("use the gateway's settings: {0}")]
    Settings(String),
}
