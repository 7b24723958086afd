//! For whoever watches the program: is it up, is it ready, how is it doing.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder as _, TextEncoder};

use crate::AppState;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);
/// How far the journal or the engine may lag before new work should go elsewhere, in milliseconds.
const LAG_MAX_MS: i64 = 10_000;

/// The routes of this file.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// 200 whenever the program can answer at all.
async fn alive() -> &'static str {
    "ok\n"
}

/// 200 while the database answers, and the journal and the engine keep up; 503 with the reason
/// otherwise. A stop of healing (G11) is told beside `ready`: chargers are served all the same.
async fn ready(State(state): State<AppState>) -> Response {
    match trouble(&state).await {
        None => match state.handle().vitals().held {
            Some(why) => format!("ready\nhealing waits: {why}\n").into_response(),
            None => "ready\n".into_response(),
        },
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn trouble(state: &AppState) -> Option<String> {
    if state.is_stopping() {
        return Some("stopping".to_owned());
    }
    let handle = state.handle();
    if let Some(trouble) = handle.store().trouble() {
        return Some(format!("database {}: {}", trouble.kind.name(), trouble.sentence()));
    }
    match tokio::time::timeout(PATIENCE, handle.store().ping()).await {
        Err(_) => return Some("the database does not answer".to_owned()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database failed the check of readiness");
            return Some("the database fails".to_owned());
        }
        Ok(Ok(())) => {}
    }
    let vitals = handle.vitals();
    let journal = vitals.journal;
    if journal.last_error.is_some() {
        return Some("the journal cannot write".to_owned());
    }
    if journal.lag_ms > LAG_MAX_MS {
        return Some(format!("the journal lags {} ms", journal.lag_ms));
    }
    (vitals.lag_ms > LAG_MAX_MS).then(|| format!("the engine is late by {} ms", vitals.lag_ms))
}

/// The numbers in the text format of Prometheus.
async fn metrics(State(state): State<AppState>) -> Response {
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    match encoder.encode(&state.registry().gather(), &mut text) {
        Ok(()) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            (kind, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
