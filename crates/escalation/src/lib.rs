//! Who is told of an incident, when, and what keeps them from being told.
//!
//! [`Duty`] is the machine: it is told of incidents, of what people decide and of the time, and
//! answers with [`Order`]s: letters, lines for an incident's history, work orders for installers.
//! [`Book`] is what people set: routes and chains, rotas, silences, maintenance windows, persons with
//! their quiet hours. Pure: no clock, no database, no mail server; whoever calls keeps the [`Case`]s
//! and [`Inbox`]es and sends the letters.
//!
//! It decides neither what is an incident nor how it is healed.
//!
//! Read [`Duty`], [`Book`] and [`Chain`] first.

mod book;
mod case;
mod chain;
mod duty;
mod error;
mod family;
mod inbox;
mod letter;
mod part;
mod person;
mod pick;
mod place;
mod rota;
mod routes;
mod signing;
mod silence;
mod window;
mod words;
mod zone;

#[cfg(test)]
mod kit;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod stories_noise;
#[cfg(test)]
mod stories_silence;

pub use book::{Access, Book, Brief, PlaceTags, Webhook, WebhookFormat};
pub use case::{Case, Held, HeldBy, Taken, Told};
pub use chain::{Chain, CountsFrom, Step, Target};
pub use duty::{Duty, Order};
pub use error::Error;
pub use family::family;
pub use inbox::{Inbox, Item, News};
pub use letter::Letter;
pub use part::suspected_part;
pub use person::{Person, QuietHours};
pub use place::Place;
pub use rota::{Gap, Hours, OnCall, Override, Rota, Turn};
pub use routes::{Route, Routes};
pub use signing::{Claim, Signer};
pub use silence::{Matcher, SILENCE_MAX_MS, Silence};
pub use window::{Occurrence, Scope, Window};
