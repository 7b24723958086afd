//! What is kept of a person, who is known here by the number of a card, and erasing it (S21). The
//! number is in the body: addresses are written into logs.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Admin;
use super::error::Result;
use super::extract::Body;
use super::json::Page;
use crate::AppState;
use crate::pages::persons;

/// Who is meant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonBody {
    /// The number of the card: idTag or idToken.
    token: String,
}

/// Who is erased.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EraseBody {
    /// The number of the card: idTag or idToken.
    token: String,
    /// Keeps a record also of a number that is nowhere here: it may be in an older copy of the database,
    /// and is erased in it when that one is brought back.
    #[serde(default)]
    even_if_unknown: bool,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErasureJson {
    /// What stands in the place of the number now.
    pseudonym: String,
    /// Rows in which something was exchanged.
    rows: Option<u64>,
    erased_at: Option<String>,
    erased_by: String,
    /// Why the list that keeps them erased after a restore could not be written; it is tried again every
    /// minute. The card is erased all the same.
    list_error: Option<String>,
}

pub(super) async fn export(
    Admin(caller): Admin,
    State(state): State<AppState>,
    Body(body): Body<PersonBody>,
) -> Result<Json<serde_json::Value>> {
    Ok(Json(state.handle().export_person(&body.token, &caller.name).await?))
}

pub(super) async fn erase(
    Admin(caller): Admin,
    State(state): State<AppState>,
    Body(body): Body<EraseBody>,
) -> Result<Json<ErasureJson>> {
    let if_unknown = persons::if_unknown(body.even_if_unknown);
    let report = persons::erase_person(&state, &body.token, &caller.name, if_unknown).await?;
    Ok(Json(ErasureJson {
        pseudonym: report.pseudonym,
        rows: Some(report.rows),
        erased_at: None,
        erased_by: caller.name,
        list_error: report.unlisted,
    }))
}

/// Who was erased: pseudonyms and nothing else.
pub(super) async fn list(
    _: Admin,
    State(state): State<AppState>,
) -> Result<Json<Page<ErasureJson>>> {
    let items = state.handle().store().erasures().await?.into_iter().map(|one| ErasureJson {
        pseudonym: one.pseudonym,
        rows: None,
        erased_at: Some(mendpoint_model::UnixMs(one.erased_at_ms).rfc3339()),
        erased_by: one.erased_by,
        list_error: None,
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}
