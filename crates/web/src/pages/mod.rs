//! The pages, one file each, with the address each has.

mod audit;
mod charger;
mod chargers;
mod charging;
mod conformance;
pub(crate) mod duty;
pub(crate) mod errors;
pub(crate) mod extract;
mod healing;
pub(crate) mod incident;
mod incidents;
mod kpis;
mod live;
mod outbox;
pub(crate) mod persons;
mod public;
mod replay;
pub(crate) mod rule;
mod rules;
mod security;
mod shadow;
mod sign_in;
mod sites;
mod system;
mod take;
mod ticket;
mod tickets;
mod tokens;
mod transaction;
mod transactions;
mod uptime;

pub(crate) use shadow::incident_id;

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
        .merge(transactions::routes())
        .merge(transaction::routes())
        .merge(tokens::routes())
        .merge(chargers::routes())
        .merge(charger::routes())
        .merge(charging::routes())
        .merge(conformance::routes())
        .merge(sites::routes())
        .merge(duty::routes())
        .merge(take::routes())
        .merge(rules::routes())
        .merge(healing::routes())
        .merge(uptime::routes())
        .merge(kpis::routes())
        .merge(rule::routes())
        .merge(replay::routes())
        .merge(outbox::routes())
        .merge(security::routes())
        .merge(system::routes())
        .merge(audit::routes())
        .merge(persons::routes())
        .merge(public::routes())
}
