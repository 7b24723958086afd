//! The REST API under `/api/v1`, for scripts and other programs.
//!
//! Every request carries `Authorization: Bearer TOKEN`. Lists answer `{"items": [..], "next": ..}`;
//! `next` is a cursor for `?cursor=`, or `null`. Errors answer
//! `{"error": {"code": "..", "message": ".."}}` with a sentence that says what to do.

mod audit;
mod auth;
mod chargers;
mod commands;
mod conformance;
mod desired;
mod device;
mod duty;
mod error;
mod events;
mod extract;
pub(crate) mod frames;
mod healing;
mod history;
mod incidents;
mod json;
mod neutral;
mod openapi;
mod orders;
mod persons;
mod replay;
mod rules;
mod security;
mod sites;
mod system;
pub(crate) mod tickets;
mod ties;
mod tokens;
mod transactions;
mod uptime;

pub(crate) use audit::table as audit_table;
use axum::Router;
use axum::routing::{delete, get, post, put};
#[cfg(test)]
pub(crate) use error::ApiError;
pub(crate) use error::RETRY_AFTER;
pub(crate) use healing::healing_json;
pub(crate) use transactions::table as transactions_table;

use crate::AppState;

pub use auth::{hash_token, new_token};

/// The largest body of a request, in bytes.
const BODY_MAX: usize = 256 * 1024;

/// The routes of the API.
pub(crate) fn router() -> Router<AppState> {
    let v1 = Router::new()
        .route("/openapi.json", get(openapi::document))
        .route("/chargers", get(chargers::list).post(chargers::create))
        .route("/chargers/{id}", get(chargers::one).patch(chargers::change))
        .route("/chargers/{id}/commands", get(commands::list).post(commands::ask))
        .route("/chargers/{id}/commands/{command}", get(commands::one).delete(commands::take_back))
        .route("/chargers/{id}/frames", get(frames::list))
        .route("/chargers/{id}/security", get(security::one).patch(security::change))
        .route("/chargers/{id}/security/password", post(security::new_password))
        .route("/chargers/{id}/security/rotate", post(security::rotate))
        .route("/chargers/{id}/security/upgrade", post(security::upgrade))
        .route("/security", get(security::listeners))
        .route("/security-events", get(security::events))
        .route("/conformance", get(conformance::report))
        .route("/conformance.csv", get(conformance::file))
        .route("/conformance/models", get(conformance::models))
        .route("/chargers/{id}/variables", get(device::variables))
        .route("/chargers/{id}/variables.csv", get(device::csv))
        .route("/chargers/{id}/variables/history", get(device::history))
        .route("/chargers/{id}/history", get(history::history))
        .route("/chargers/{id}/monitors", get(device::monitors))
        .route("/chargers/{id}/upkeep", get(device::upkeep))
        .route("/capabilities", get(device::capabilities))
        .route("/signal-keys", get(device::signal_keys).put(device::put_signal_key))
        .route("/desired-keys", get(desired::list).put(desired::put))
        .route("/chargers/{id}/desired-keys", get(desired::of_charger))
        .route("/transactions", get(transactions::list))
        .route("/transactions.csv", get(transactions::csv))
        .route("/transactions/{id}", get(transactions::one))
        .route("/transactions/{id}/notes", get(transactions::notes))
        .route("/transactions/{id}/look", post(transactions::look))
        .route("/orphans", get(transactions::orphans))
        .route(
            "/chargers/{id}/local-list",
            get(orders::local_list_of).post(orders::send_local_list),
        )
        .route("/chargers/{id}/reservations", post(orders::reserve))
        .route("/reservations", get(orders::reservations))
        .route("/reservations/{id}", get(orders::reservation))
        .route("/reservations/{id}/cancel", post(orders::cancel_reservation))
        .route(
            "/chargers/{id}/charging-profiles",
            get(orders::profiles_of).post(orders::set_profile),
        )
        .route("/chargers/{id}/charging-profiles/reported", get(orders::reported_profiles))
        .route("/chargers/{id}/charging-profiles/{profile}", delete(orders::clear_profile))
        .route("/chargers/{id}/composite-schedule", get(orders::composite_schedule))
        .route("/orphans/{id}/look", post(transactions::look_at_orphan))
        .route("/cohorts", get(ties::cohorts))
        .route("/vehicles", get(ties::vehicles))
        .route("/rollouts", get(ties::rollouts))
        .route("/rollouts/{id}/lift", post(ties::lift))
        .route("/incidents", get(incidents::list).post(incidents::report))
        .route("/incidents/{id}", get(incidents::one))
        .route("/incidents/{id}/evidence", get(incidents::evidence))
        .route("/incidents/{id}/chain", get(incidents::chain))
        .route("/incidents/{id}/{action}", post(incidents::act))
        .route("/tickets", get(tickets::list).post(tickets::open))
        .route("/tickets/{id}", get(tickets::one))
        .route("/tickets/{id}/{command}", post(tickets::act))
        .route("/sites", get(sites::list).post(sites::put))
        .route("/duty/on-call", get(duty::on_call))
        .route("/duty/chains", get(duty::chains))
        .route("/duty/breaches", get(duty::breaches))
        .route("/duty/rotas", get(duty::rotas).put(duty::put_rota))
        .route("/duty/rotas/{name}", delete(duty::delete_rota))
        .route("/duty/silences", get(duty::silences).post(duty::add_silence))
        .route("/duty/silences/{id}", delete(duty::end_silence))
        .route("/duty/windows", get(duty::windows).post(duty::add_window))
        .route("/duty/windows/{id}", delete(duty::cancel_window))
        .route("/duty/persons", get(duty::persons))
        .route("/duty/persons/{name}", put(duty::put_person))
        .route("/duty/places", get(duty::places).put(duty::put_place))
        .route("/rules", get(rules::list).post(rules::create_rule))
        .route("/rules/check", post(rules::check))
        .route("/rules/reload", post(rules::reload))
        .route("/rules/together", post(rules::put_together))
        .route("/rules/{id}", get(rules::rule).put(rules::put_rule).patch(rules::change))
        .route("/rules/{id}/shadow", get(rules::shadow))
        .route("/rules/{id}/versions", get(rules::rule_versions))
        .route("/rules/{id}/take-back", post(rules::take_back_rule))
        .route("/rules/{id}/thresholds", put(rules::put_threshold))
        .route("/playbooks", get(rules::playbooks).post(rules::create_playbook))
        .route("/playbooks/{id}", get(rules::playbook).put(rules::put_playbook))
        .route("/playbooks/{id}/versions", get(rules::playbook_versions))
        .route("/playbooks/{id}/take-back", post(rules::take_back_playbook))
        .route("/rules/replay", get(replay::list).post(replay::start))
        .route("/rules/replay/{id}", get(replay::one).delete(replay::stop))
        .route("/uptime", get(uptime::figures))
        .route("/uptime.csv", get(uptime::file))
        .route("/kpis", get(uptime::kpis))
        .route("/kpis.csv", get(uptime::kpi_file))
        .route("/uptime/exclusions", get(uptime::exclusions).post(uptime::propose))
        .route("/uptime/exclusions/{id}/{decision}", post(uptime::decide))
        .route("/uptime/outages/{id}/{decision}", post(uptime::decide_outage))
        .route("/uptime/hours", put(uptime::hours))
        .route("/chargers/{id}/uptime-burn", get(uptime::burn))
        .route("/outbox", get(system::outbox))
        .route("/system", get(system::vitals))
        .route("/healing", get(healing::report).put(system::healing))
        .route("/chargers/{id}/healing/allow", post(healing::allow))
        .route("/id-tokens", get(tokens::list).post(tokens::put))
        .route("/id-tokens.csv", get(tokens::export).post(tokens::import))
        .route("/id-tokens/{token}", get(tokens::one).delete(tokens::delete))
        .route("/persons/export", post(persons::export))
        .route("/persons/erase", post(persons::erase))
        .route("/persons/erased", get(persons::list))
        .route("/audit", get(audit::list))
        .route("/audit.csv", get(audit::csv))
        .route("/audit/verify", get(audit::verify))
        .route("/events", get(events::stream))
        .fallback(error::no_such_address)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(axum::extract::DefaultBodyLimit::max(BODY_MAX));
    Router::new().nest("/api/v1", v1)
}
