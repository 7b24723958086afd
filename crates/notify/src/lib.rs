//! Mail on its way out.
//!
//! Whoever has something to tell writes a mail into the outbox of the store, in the transaction of
//! what it tells about. Here is the one task that takes due mails and gives them to an SMTP
//! server. With no server set, mails are held where people can see them; setting one later sends
//! them. Letters to programs (`webhook:NAME`) are posted to their addresses. It decides neither what is written nor to whom.
//!
//! Read [`Notifier`] first.

mod error;
mod message;
mod metrics;
mod notifier;
mod settings;
mod webhook;

#[cfg(test)]
mod sink;

pub use error::Error;
pub use notifier::{Delivered, Notifier, check};
pub use settings::{NotifySettings, WebhookAddress};
pub use webhook::is_web_address;
