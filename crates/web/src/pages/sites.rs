use axum::Router;

use crate::AppState;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
}
