//! idTags and idTokens: who may charge.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use mendpoint_model::TokenStatus;
use mendpoint_store::{IdTokenRow, TokenFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Admin, Caller, Operator};
use super::error::{ApiError, Result};
use super::extract::{Body, Params, Path, limit};
use super::json::{Page, time};
use crate::AppState;
use crate::cards::{self, Typed};

/// A registered token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenJson {
    /// The idTag or idToken; shortened unless an administrator asks: tokens are personal data.
    token: String,
    /// `accepted`, `blocked`, `expired`, `invalid` or `concurrent_tx`.
    status: String,
    /// The group: any token of a group may end what another one of it began.
    #[serde(default)]
    parent: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    expires_at: Option<String>,
    /// What OCPP 2.x knows it as: `ISO14443`, `eMAID`, ..; empty when nobody said.
    #[serde(default, rename = "type")]
    kind: String,
    /// Whose it is; administrators only.
    #[serde(default)]
    note: String,
}

impl TokenJson {
    fn new(row: IdTokenRow, caller: &Caller) -> Self {
        Self {
            token: caller.token_words(&row.token),
            status: row.status.name().to_owned(),
            parent: row.parent.map(|parent| caller.token_words(&parent)),
            expires_at: time(row.expires_at),
            kind: row.kind,
            note: if caller.is_admin() { row.note } else { String::new() },
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    status: Option<String>,
    group: Option<String>,
    /// A part of the token or of the note; administrators only.
    q: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

fn status_of(word: &str) -> Result<TokenStatus> {
    TokenStatus::from_name(word).ok_or_else(|| {
        ApiError::bad_request(format!(
            "status is accepted, blocked, expired, invalid or concurrent_tx, not {word:?}"
        ))
    })
}

pub(super) async fn list(
    Admin(caller): Admin,
    State(state): State<AppState>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<TokenJson>>> {
    let filter = TokenFilter {
        status: query.status.as_deref().map(status_of).transpose()?,
        parent: query.group,
        text: query.q,
    };
    let after = query.cursor.unwrap_or_default();
    let store = state.handle().store();
    let (rows, next) = store.id_tokens_page(&filter, &after, limit(query.limit)?).await?;
    let items = rows.into_iter().map(|row| TokenJson::new(row, &caller)).collect();
    Ok(Json(Page { items, next }))
}

pub(super) async fn put(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<TokenJson>,
) -> Result<Json<TokenJson>> {
    let typed = Typed {
        token: &body.token,
        status: &body.status,
        parent: body.parent.as_deref().unwrap_or_default(),
        expires_at: body.expires_at.as_deref().unwrap_or_default(),
        kind: &body.kind,
        note: &body.note,
    };
    let row = typed.read().map_err(ApiError::bad_request)?;
    state.handle().put_tokens(vec![row.clone()]).await?;
    let subject = format!("card {}", crate::search::masked(&row.token));
    state.handle().audit(&caller.name, row.status.name(), &subject).await;
    Ok(Json(body))
}

pub(super) async fn one(
    caller: Caller,
    State(state): State<AppState>,
    Path(token): Path<String>,
) -> Result<Json<TokenJson>> {
    // Whether a card is known tells of somebody, too: the same answer for all of them (S21).
    if !caller.sees_tokens() {
        return Err(ApiError::unseen("whose card it is, and which cards are known"));
    }
    let row = state.handle().token(&token).await?;
    let row = row.ok_or_else(|| ApiError::not_found("this token is not registered"))?;
    Ok(Json(TokenJson::new(row, &caller)))
}

pub(super) async fn delete(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(token): Path<String>,
) -> Result<Json<serde_json::Value>> {
    if !state.handle().delete_token(&token).await? {
        return Err(ApiError::not_found("this token is not registered"));
    }
    let subject = format!("card {}", crate::search::masked(&token));
    state.handle().audit(&caller.name, "forgotten", &subject).await;
    Ok(Json(serde_json::json!({ "deleted": true })))
}

/// All tokens as a file.
pub(super) async fn export(
    Admin(caller): Admin,
    State(state): State<AppState>,
) -> Result<Response> {
    let rows = state.handle().store().id_tokens().await?;
    state.handle().exported(&caller.name, "all cards").await?;
    Ok(cards::file(&rows).into_file("tokens.csv"))
}

/// What became of a file of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Imported {
    /// How many were written; 0 when a line is wrong.
    imported: usize,
    errors: Vec<LineError>,
}

/// What is wrong with a line of a file.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineError {
    /// From 1; 0 for the whole file.
    line: usize,
    message: String,
}

/// Takes a file of tokens: all of it, or nothing and what is wrong with which lines.
pub(super) async fn import(
    Operator(caller): Operator,
    State(state): State<AppState>,
    text: String,
) -> Result<(axum::http::StatusCode, Json<Imported>)> {
    match cards::read_file(&text) {
        Ok(rows) => {
            let imported = rows.len();
            state.handle().put_tokens(rows).await?;
            let subject = crate::number::counted(imported, "card");
            state.handle().audit(&caller.name, "imported", &subject).await;
            let done = Imported { imported, errors: Vec::new() };
            Ok((axum::http::StatusCode::OK, Json(done)))
        }
        Err(errors) => {
            let errors =
                errors.into_iter().map(|(line, message)| LineError { line, message }).collect();
            Ok((axum::http::StatusCode::BAD_REQUEST, Json(Imported { imported: 0, errors })))
        }
    }
}
