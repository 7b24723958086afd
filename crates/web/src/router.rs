//! All addresses, and what stands before them.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use mendpoint_pipeline::AuditActor;

use crate::pages::errors::PageError;
use crate::{AppState, api, assets, health, live, pages, security, veil};

/// The largest form, in bytes. The API has its own limit.
const FORM_MAX: usize = 256 * 1024;

/// Everything that is served: pages, API, live feed, files, health.
pub fn router(state: AppState) -> Router {
    Router::new()
        .merge(pages::routes())
        .merge(live::routes())
        .merge(health::routes())
        .route("/static/{*path}", get(assets::file))
        .merge(api::router())
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(FORM_MAX))
        .layer(from_fn_with_state(state.clone(), veil::veil))
        .layer(from_fn_with_state(state.clone(), security::origin))
        .layer(from_fn_with_state(state.clone(), security::headers))
        .layer(from_fn(named))
        .with_state(state)
}

/// Whoever asks is named in the audit log by what they showed, and not by what they say.
async fn named(request: Request, next: Next) -> Response {
    AuditActor::serving(next.run(request)).await
}

async fn nothing_here() -> PageError {
    PageError::not_found("There is nothing at this address.")
}
