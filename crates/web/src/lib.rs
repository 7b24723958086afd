//! Pages for people, the REST API for programs, and the live feed for both.
//!
//! Pages are rendered on the server ([askama]) and work without JavaScript; htmx and small modules
//! make them live. Nothing here decides: lists and history come from the store, live state and every
//! act go through the pipeline's [`mendpoint_pipeline::Handle`].
//!
//! Read [`AppState`] first, then `router.rs`.

mod api;
mod assets;
mod cards;
mod commands;
mod conformance;
mod csv;
mod device;
mod diff;
mod erasures;
mod evidence;
mod form;
mod health;
mod kpis;
mod live;
mod mask;
mod number;
mod orders;
mod pages;
mod password;
mod photo;
mod place;
mod qr;
mod reasons;
mod ribbon;
mod router;
mod scope;
mod search;
mod security;
mod sentence;
mod serve;
mod session;
mod shell;
mod show;
mod state;
mod table;
mod targets;
mod tickets;
mod uptime;
mod url;
mod veil;
mod wire;

#[cfg(test)]
mod tests;

pub use api::{hash_token, new_token};
pub use orders::follow::follow_cards;
pub use password::{BadPassword, hash_password, verify_password};
pub use router::router;
pub use serve::serve;
pub use state::{
    AppState, BackupBoard, BackupNews, ListenerCertificate, SecurityFacts, WebSettings,
};
