//! The pages, one file each, with the address each has.

mod charger;
mod chargers;
mod conformance;
pub(crate) mod errors;
mod incident;
mod incidents;
mod live;
mod outbox;
mod public;
mod rules;
mod sign_in;
mod sites;
mod system;
mod ticket;
mod tickets;

use axum::Router;

use crate::AppState;

/// All pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .merge(live::routes())
        .merge(sign_in::routes())
        .merge(incidents::routes())
        .merge(incident::routes())
        .merge(tickets::routes())
        .merge(ticket::routes())
        .merge(chargers::routes())
        .merge(charger::routes())
        .merge(conformance::routes())
        .merge(sites::routes())
        .merge(rules::routes())
        .merge(outbox::routes())
        .merge(system::routes())
        .merge(public::routes())
}
