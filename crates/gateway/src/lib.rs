//! The OCPP listener: accepts chargers, asks who they are before the upgrade, and runs one small
//! task per charger that reads frames, writes answers in order and sends our commands.
//!
//! What it deliberately does not do: it keeps no state of chargers, decides nothing about
//! incidents and touches no database. Whoever owns those implements [`Intake`]; commands come the
//! other way through the [`AddressBook`].
//!
//! Read first: [`Intake`] (what the gateway needs from the rest), [`Delivery`] (what it hands
//! over) and [`Gateway`].

mod address_book;
mod clock;
mod contest;
mod error;
mod handshake;
mod head;
mod intake;
#[cfg(test)]
mod interleavings;
mod listener;
mod lobby;
mod metered;
mod metrics;
mod session;
mod settings;
mod tls;

pub use address_book::{AddressBook, SendRefused, WhyRefused};
pub use error::GatewayError;
pub use head::ProxyWords;
pub use intake::{
    Admit, Admitted, Answer, Delivery, GatewayEvent, Hello, Intake, Sample, SignOfLife,
};
pub use listener::Gateway;
pub use mendpoint_ocpp::{BootStatus, Quirk};
pub use settings::{GatewaySettings, ListenerSettings};
pub use tls::{Authority, CertificateStatus, Certificates, SigningRequest, TlsFiles};
