//! Rotas: people who take turns.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mendpoint_escalation::{Hours, Override, Rota, Turn};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{all, at};
use crate::AppState;
use crate::api::auth::{Caller, Operator};
use crate::api::error::{ApiError, Result};
use crate::api::extract::{Body, Path};
use crate::api::json::Page;

/// A rota.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotaJson {
    /// `default` is the one that chains mean when they name none.
    name: String,
    /// By the names they sign in with, in their order.
    people: Vec<String>,
    /// `daily` or `weekly`.
    turn: String,
    /// The day on which the first begins: `2026-11-23`.
    since: String,
    /// When turns change: `08:00`.
    at: String,
    /// IANA time zone; UTC when left out.
    #[serde(default)]
    zone: String,
    /// Only in these hours is anybody on call; always when empty.
    #[serde(default)]
    hours: Vec<HoursJson>,
    /// Who stands in.
    #[serde(default)]
    overrides: Vec<OverrideJson>,
}

/// Hours of some weekdays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HoursJson {
    /// Monday is 1, Sunday is 7.
    days: Vec<u8>,
    from: String,
    to: String,
}

/// Somebody else, for a while.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OverrideJson {
    /// RFC 3339.
    from: String,
    to: String,
    /// Empty: nobody.
    person: String,
}

impl RotaJson {
    fn of(rota: &Rota) -> Self {
        let hours = rota.hours.iter().map(|one| HoursJson {
            days: one.days.clone(),
            from: one.from.clone(),
            to: one.to.clone(),
        });
        let overrides = rota.overrides.iter().map(|one| OverrideJson {
            from: one.from.rfc3339(),
            to: one.to.rfc3339(),
            person: one.person.clone(),
        });
        Self {
            name: rota.name.clone(),
            people: rota.people.clone(),
            turn: match rota.turn {
                Turn::Daily => "daily".to_owned(),
                Turn::Weekly => "weekly".to_owned(),
            },
            since: rota.since.clone(),
            at: rota.at.clone(),
            zone: rota.zone.clone(),
            hours: hours.collect(),
            overrides: overrides.collect(),
        }
    }

    fn read(self, by: &str) -> Result<Rota> {
        let turn = match self.turn.as_str() {
            "daily" => Turn::Daily,
            "weekly" => Turn::Weekly,
            other => {
                let sentence = format!("turn is daily or weekly, not {other:?}");
                return Err(ApiError::bad_request(sentence));
            }
        };
        let mut overrides = Vec::new();
        for one in self.overrides {
            overrides.push(Override {
                from: at("from", &one.from)?,
                to: at("to", &one.to)?,
                person: one.person,
                by: by.to_owned(),
            });
        }
        let hours = self.hours.into_iter();
        Ok(Rota {
            name: self.name,
            zone: self.zone,
            people: self.people,
            turn,
            since: self.since,
            at: self.at,
            hours: hours.map(|one| Hours { days: one.days, from: one.from, to: one.to }).collect(),
            overrides,
        })
    }
}

/// `GET /duty/rotas`
pub(crate) async fn rotas(_: Caller, State(state): State<AppState>) -> Json<Page<RotaJson>> {
    all(state.handle().duty_book().rotas.values().map(RotaJson::of).collect())
}

/// `PUT /duty/rotas`
pub(crate) async fn put_rota(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<RotaJson>,
) -> Result<Json<RotaJson>> {
    let rota = body.read(&caller.name)?;
    let name = rota.name.trim().to_owned();
    state.handle().put_rota(rota, &caller.name).await?;
    let book = state.handle().duty_book();
    let rota = book.rotas.get(&name).ok_or_else(|| ApiError::not_found("it is gone already"))?;
    Ok(Json(RotaJson::of(rota)))
}

/// `DELETE /duty/rotas/{name}`
pub(crate) async fn delete_rota(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    if state.handle().delete_rota(&name, &caller.name).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::not_found(format!("there is no rota {name:?}")))
}
