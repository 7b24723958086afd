//! Silences.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mendpoint_escalation::{Matcher, Silence};
use mendpoint_model::UnixMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{all, at};
use crate::AppState;
use crate::api::auth::{Caller, Operator};
use crate::api::error::{ApiError, Result};
use crate::api::extract::{Body, Path};
use crate::api::json::Page;

/// A silence.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SilenceJson {
    id: i64,
    #[schema(inline)]
    matcher: MatcherJson,
    from: String,
    until: String,
    reason: String,
    author: String,
    /// `later`, `active` or `over`.
    state: &'static str,
    ended_by: Option<String>,
}

/// What a silence is about: all that is said must fit; `*` stands for anything.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MatcherJson {
    rule: String,
    /// OCPP identity.
    charger: String,
    /// A site's name.
    site: String,
    /// Vendor and model.
    model: String,
    label: String,
}

/// A silence to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddSilence {
    #[schema(inline)]
    matcher: MatcherJson,
    /// RFC 3339; now when left out.
    from: Option<String>,
    /// RFC 3339, at most 30 days later.
    until: String,
    reason: String,
}

impl SilenceJson {
    fn of(silence: &Silence, now: UnixMs) -> Self {
        let matcher = silence.matcher.clone();
        Self {
            id: silence.id,
            matcher: MatcherJson {
                rule: matcher.rule,
                charger: matcher.charger,
                site: matcher.site,
                model: matcher.model,
                label: matcher.label,
            },
            from: silence.from.rfc3339(),
            until: silence.until.rfc3339(),
            reason: silence.reason.clone(),
            author: silence.author.clone(),
            state: if silence.is_over(now) {
                "over"
            } else if silence.is_active(now) {
                "active"
            } else {
                "later"
            },
            ended_by: Some(silence.ended_by.clone()).filter(|by| !by.is_empty()),
        }
    }
}

/// `GET /duty/silences`
pub(crate) async fn silences(_: Caller, State(state): State<AppState>) -> Json<Page<SilenceJson>> {
    let now = state.handle().now();
    let book = state.handle().duty_book();
    all(book.silences.values().rev().map(|one| SilenceJson::of(one, now)).collect())
}

/// `POST /duty/silences`
pub(crate) async fn add_silence(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<AddSilence>,
) -> Result<(StatusCode, Json<SilenceJson>)> {
    let asked = state.handle().now();
    let MatcherJson { rule, charger, site, model, label } = body.matcher;
    let silence = Silence {
        matcher: Matcher { rule, charger, site, model, label },
        from: body.from.as_deref().map(|text| at("from", text)).transpose()?.unwrap_or(asked),
        until: at("until", &body.until)?,
        reason: body.reason,
        ..Silence::default()
    };
    let id = state.handle().add_silence(silence, &caller.name).await?;
    let book = state.handle().duty_book();
    let silence =
        book.silences.get(&id).ok_or_else(|| ApiError::not_found("it is gone already"))?;
    // Read again: the book may have begun it a moment after it was asked for.
    Ok((StatusCode::CREATED, Json(SilenceJson::of(silence, state.handle().now()))))
}

/// `DELETE /duty/silences/{id}`
pub(crate) async fn end_silence(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<i64>,
) -> Result<StatusCode> {
    state.handle().end_silence(id, &caller.name).await?;
    Ok(StatusCode::NO_CONTENT)
}
