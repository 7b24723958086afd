//! idTags and idTokens: who may charge.

use axum::Json;
use axum::extract::State;
use mendpoint_model::UnixMs;
use mendpoint_store::{IdTokenRow, TokenStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Admin, Operator};
use super::error::{ApiError, Result};
use super::extract::Body;
use super::json::{Page, time};
use crate::AppState;

/// A registered token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenJson {
    token: String,
    /// `accepted`, `blocked`, `expired` or `invalid`.
    status: String,
    #[serde(default)]
    parent: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    note: String,
}

pub(super) async fn list(_: Admin, State(state): State<AppState>) -> Result<Json<Page<TokenJson>>> {
    let rows = state.handle().store().id_tokens().await?;
    let items = rows
        .into_iter()
        .map(|row| TokenJson {
            token: row.token,
            status: row.status.name().to_owned(),
            parent: row.parent,
            expires_at: time(row.expires_at),
            note: row.note,
        })
        .collect();
    Ok(Json(Page { items, next: None }))
}

pub(super) async fn put(
    _: Operator,
    State(state): State<AppState>,
    Body(body): Body<TokenJson>,
) -> Result<Json<TokenJson>> {
    if body.token.is_empty() || body.token.chars().count() > 255 {
        return Err(ApiError::bad_request("a token has 1 to 255 characters"));
    }
    let status = TokenStatus::from_name(&body.status).ok_or_else(|| {
        ApiError::bad_request(format!(
            "status is accepted, blocked, expired or invalid, not {:?}",
            body.status
        ))
    })?;
    let expires_at = match &body.expires_at {
        None => None,
        Some(text) => Some(
            UnixMs::parse_rfc3339(text)
                .ok_or_else(|| ApiError::bad_request("expires_at is RFC 3339 with a zone"))?,
        ),
    };
    let row = IdTokenRow {
        token: body.token.clone(),
        status,
        parent: body.parent.clone(),
        expires_at,
        note: body.note.clone(),
    };
    state.handle().put_token(row).await?;
    Ok(Json(body))
}
