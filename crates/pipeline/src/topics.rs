//! Versions of what pages show: a page asks for a part again when its version grew.

use tokio::sync::watch;

/// The version of each kind of thing. Sent to browsers as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Versions {
    /// Incidents and their timelines.
    pub incidents: u64,
    /// Tickets.
    pub tickets: u64,
    /// The register of chargers and sites.
    pub chargers: u64,
    /// Mail waiting and sent.
    pub outbox: u64,
}

/// Where changes are told.
#[derive(Debug)]
pub struct Topics(watch::Sender<Versions>);

impl Default for Topics {
    fn default() -> Self {
        Self(watch::Sender::new(Versions::default()))
    }
}

impl Topics {
    /// Tells a change.
    pub fn touch(&self, change: impl FnOnce(&mut Versions)) {
        self.0.send_modify(change);
    }

    /// The versions, to look at or to wait for.
    pub fn subscribe(&self) -> watch::Receiver<Versions> {
        self.0.subscribe()
    }

    /// The versions now.
    pub fn now(&self) -> Versions {
        *self.0.borrow()
    }
}
