//! The way out to chargers: whoever holds the connections.

use mendpoint_model::{ChargerKey, Command};

/// Holds the connections of chargers. The program wires the gateway in here.
pub trait Outbound: Send + Sync + 'static {
    /// Queues a command on the charger's connection.
    ///
    /// # Errors
    /// Why it could not be queued.
    fn send(&self, command: Command) -> Result<(), SendRefused>;

    /// Changes what the boots of a connected charger are answered, once a person decided. False: it
    /// is not connected.
    fn set_accepted(&self, charger: ChargerKey, accepted: bool) -> bool;

    /// Drops the charger's connection; it will come back by itself.
    fn close(&self, charger: ChargerKey, reason: &str);
}

/// Why a command could not be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendRefused {
    /// There is no connection.
    #[error("the charger is not connected")]
    NotConnected,
    /// Too many commands wait already.
    #[error("too many commands wait for this charger already")]
    QueueFull,
}
