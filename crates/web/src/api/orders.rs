//! Local lists, reservations and charging profiles of a charger.

use axum::Json;
use axum::extract::State;
use mendpoint_model::{ChargerKey, UnixMs};
use mendpoint_ocpp::orders::Period;
use mendpoint_pipeline::Directory;
use mendpoint_store::{ChargingProfileRow, LocalListRow, ReservationRow, WantedList};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::{Caller, Operator};
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{Body, MaybeBody, Params, Path, limit};
use super::json::{Page, text_or_number, time};
use crate::AppState;
use crate::orders::{OrderError, connector_of, local_list, profiles, reservations};

impl From<OrderError> for ApiError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Wrong(sentence) => Self::bad_request(sentence),
            OrderError::Refused(sentence) => Self::conflict(sentence),
            OrderError::Missing(sentence) => Self::not_found(sentence),
            OrderError::Failed(error) => error.into(),
        }
    }
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<UnixMs>> {
    let Some(text) = text else { return Ok(None) };
    UnixMs::parse_rfc3339(text).map(Some).ok_or_else(|| {
        ApiError::bad_request(format!("{name} is RFC 3339 with a zone, 2026-11-21T18:00:00Z"))
    })
}

/// The cards that a charger knows by heart.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LocalListJson {
    /// Which cards it should know: `none`, `all` or `group`.
    wanted: &'static str,
    group: Option<String>,
    /// `none`, `sending`, `accepted`, `failed` or `not_supported`.
    state: String,
    /// Why it failed.
    problem: Option<String>,
    /// The version that it took last; 0 for none.
    version: i64,
    /// The version that it told last.
    charger_version: Option<i64>,
    /// How many cards it knows.
    known: usize,
    /// How many cards differ from what it should know; `null` when it did not take the last list, so that
    /// nobody knows which it has.
    behind: Option<usize>,
    sent_at: Option<String>,
}

impl LocalListJson {
    async fn new(state: &AppState, charger: ChargerKey, row: LocalListRow) -> Result<Self> {
        let behind = local_list::behind(state, charger, &row).await?;
        let (wanted, group) = match row.wanted {
            WantedList::None => ("none", None),
            WantedList::All => ("all", None),
            WantedList::Group(group) => ("group", Some(group)),
        };
        Ok(Self {
            wanted,
            group,
            state: row.state,
            problem: Some(row.problem).filter(|problem| !problem.is_empty()),
            version: row.version,
            charger_version: row.charger_version,
            known: row.known.len(),
            behind,
            sent_at: time(row.sent_at),
        })
    }
}

/// Which cards a charger should know.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LocalListBody {
    /// `none`, `all` or `group`; left out to send what was wanted before.
    wanted: Option<String>,
    group: Option<String>,
    /// Send the whole list even where the changes would do.
    full: bool,
}

pub(super) async fn local_list_of(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<LocalListJson>> {
    let record = find(&state, &id)?;
    let row = local_list::read(&state, &record).await?;
    Ok(Json(LocalListJson::new(&state, record.key, row).await?))
}

pub(super) async fn send_local_list(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    MaybeBody(body): MaybeBody<LocalListBody>,
) -> Result<Json<LocalListJson>> {
    let record = find(&state, &id)?;
    let wanted = match (body.wanted.as_deref(), body.group) {
        (None, None) => None,
        (Some("none"), None) => Some(WantedList::None),
        (Some("all"), None) => Some(WantedList::All),
        (Some("group") | None, Some(group)) => Some(WantedList::Group(group)),
        _ => {
            return Err(ApiError::bad_request(
                "wanted is none, all or group; group comes with the name of a group",
            ));
        }
    };
    let row = local_list::send(&state, &record, wanted, body.full, &caller.name).await?;
    Ok(Json(LocalListJson::new(&state, record.key, row).await?))
}

/// A connector that is held for a card.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReservationJson {
    id: i64,
    charger: String,
    connector: String,
    /// Shortened unless an administrator asks.
    id_token: String,
    parent: Option<String>,
    /// `requested`, `accepted`, `faulted`, `occupied`, `rejected`, `unavailable`, `failed`, `used`,
    /// `expired`, `cancelled` or `removed`.
    state: &'static str,
    problem: Option<String>,
    created_by: String,
    created_at: String,
    expires_at: String,
    /// The session that began with it.
    transaction: Option<i64>,
}

impl ReservationJson {
    fn new(row: ReservationRow, directory: &Directory, caller: &Caller) -> Self {
        Self {
            id: row.id,
            charger: directory
                .charger(row.charger)
                .map(|charger| charger.identity.to_string())
                .unwrap_or_default(),
            connector: row.connector.to_string(),
            id_token: caller.token_words(&row.id_token),
            parent: row.parent.map(|parent| caller.token_words(&parent)),
            state: row.state.name(),
            problem: Some(row.problem).filter(|problem| !problem.is_empty()),
            created_by: row.created_by,
            created_at: row.created_at.rfc3339_ms(),
            expires_at: row.expires_at.rfc3339_ms(),
            transaction: row.transaction.map(|id| id.0),
        }
    }
}

/// A connector to be held.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReserveBody {
    /// `1`, `2.1`, or left out when any will do.
    #[serde(default, deserialize_with = "text_or_number")]
    connector: String,
    id_token: String,
    #[serde(default)]
    parent: Option<String>,
    /// RFC 3339, at most 7 days ahead.
    expires_at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReservationsQuery {
    charger: Option<String>,
    limit: Option<u32>,
    cursor: Option<i64>,
}

pub(super) async fn reservations(
    caller: Caller,
    State(state): State<AppState>,
    Params(query): Params<ReservationsQuery>,
) -> Result<Json<Page<ReservationJson>>> {
    let charger = match &query.charger {
        Some(id) => Some(find(&state, id)?.key),
        None => None,
    };
    let limit = limit(query.limit)?;
    let handle = state.handle();
    let rows = handle.store().reservations(charger, query.cursor, limit, handle.now()).await?;
    let next = (rows.len() == limit as usize)
        .then(|| rows.last().map(|last| last.id.to_string()))
        .flatten();
    let directory = handle.directory();
    let items = rows.into_iter().map(|row| ReservationJson::new(row, directory, &caller)).collect();
    Ok(Json(Page { items, next }))
}

pub(super) async fn reserve(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<ReserveBody>,
) -> Result<Json<ReservationJson>> {
    let record = find(&state, &id)?;
    let until = moment("expires_at", Some(&body.expires_at))?
        .ok_or_else(|| ApiError::bad_request("say until when"))?;
    let ask = reservations::Ask {
        connector: connector_of(&body.connector)?,
        token: body.id_token,
        parent: body.parent,
        until,
    };
    let row = reservations::reserve(&state, &record, ask, &caller.name).await?;
    Ok(Json(ReservationJson::new(row, state.handle().directory(), &caller)))
}

pub(super) async fn reservation(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<i64>,
) -> Result<Json<ReservationJson>> {
    let row = reservations::read(&state, id).await?;
    Ok(Json(ReservationJson::new(row, state.handle().directory(), &caller)))
}

pub(super) async fn cancel_reservation(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<i64>,
) -> Result<Json<ReservationJson>> {
    let row = reservations::cancel(&state, id, &caller.name).await?;
    Ok(Json(ReservationJson::new(row, state.handle().directory(), &caller)))
}

/// A charging profile that a charger was given.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProfileJson {
    id: i64,
    /// `charger` or the number of the EVSE.
    connector: String,
    /// `TxDefaultProfile`, `ChargePointMaxProfile` or `TxProfile`.
    purpose: String,
    stack_level: u32,
    transaction: Option<i64>,
    /// `requested`, `accepted`, `rejected`, `failed`, `replaced` (by one of the same purpose and level) or `cleared`.
    state: String,
    problem: Option<String>,
    set_by: String,
    set_at: String,
    /// What was sent.
    #[schema(value_type = Object)]
    sent: Value,
}

impl ProfileJson {
    fn new(row: ChargingProfileRow) -> Self {
        Self {
            id: row.id,
            connector: match row.evse {
                0 => "charger".to_owned(),
                evse => evse.to_string(),
            },
            purpose: row.purpose,
            stack_level: row.stack_level,
            transaction: row.transaction.map(|id| id.0),
            state: row.state,
            problem: Some(row.problem).filter(|problem| !problem.is_empty()),
            set_by: row.set_by,
            set_at: row.set_at.rfc3339_ms(),
            sent: serde_json::from_str(&row.json).unwrap_or_default(),
        }
    }
}

/// A charging profile to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileBody {
    /// `TxDefaultProfile`, `ChargePointMaxProfile` (`ChargingStationMaxProfile`) or `TxProfile`.
    purpose: String,
    /// `1`; left out or `0` for the whole charger.
    #[serde(default, deserialize_with = "text_or_number")]
    connector: String,
    #[serde(default)]
    stack_level: u32,
    /// `Absolute`, `Relative`, `Daily` or `Weekly`.
    #[serde(default)]
    kind: String,
    /// RFC 3339: when the schedule begins; now when left out of an absolute one.
    #[serde(default)]
    start_at: Option<String>,
    #[serde(default)]
    duration_s: Option<i64>,
    #[serde(default)]
    valid_from: Option<String>,
    #[serde(default)]
    valid_to: Option<String>,
    /// `A` or `W`.
    unit: String,
    periods: Vec<PeriodJson>,
}

/// A stretch of a schedule.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PeriodJson {
    /// Seconds after the schedule's start; 0 for the first.
    start_s: i64,
    limit: f64,
    #[serde(default)]
    phases: Option<u8>,
}

pub(super) async fn profiles_of(
    _: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Page<ProfileJson>>> {
    let record = find(&state, &id)?;
    let rows = state.handle().store().charging_profiles(record.key, 200).await?;
    Ok(Json(Page { items: rows.into_iter().map(ProfileJson::new).collect(), next: None }))
}

pub(super) async fn set_profile(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Body(body): Body<ProfileBody>,
) -> Result<Json<ProfileJson>> {
    let record = find(&state, &id)?;
    let period = |period: &PeriodJson| Period {
        start_s: period.start_s,
        limit: period.limit,
        phases: period.phases,
    };
    let wanted = profiles::Wanted {
        purpose: body.purpose,
        connector: body.connector,
        stack_level: body.stack_level,
        kind: body.kind,
        start_at: moment("start_at", body.start_at.as_deref())?,
        duration_s: body.duration_s,
        valid_from: moment("valid_from", body.valid_from.as_deref())?,
        valid_to: moment("valid_to", body.valid_to.as_deref())?,
        unit: body.unit,
        periods: body.periods.iter().map(period).collect(),
    };
    let row = profiles::set(&state, &record, &wanted, &caller.name).await?;
    Ok(Json(ProfileJson::new(row)))
}

pub(super) async fn clear_profile(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path((id, profile)): Path<(String, i64)>,
) -> Result<Json<ProfileJson>> {
    let record = find(&state, &id)?;
    let row = profiles::clear(&state, &record, profile, &caller.name).await?;
    Ok(Json(ProfileJson::new(row)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompositeQuery {
    #[serde(default)]
    connector: String,
    /// Seconds; a day when left out.
    duration: Option<i64>,
    #[serde(default)]
    unit: String,
}

pub(super) async fn composite_schedule(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Params(query): Params<CompositeQuery>,
) -> Result<Json<Value>> {
    let record = find(&state, &id)?;
    let connector = connector_of(&query.connector)?;
    let duration_s = query.duration.unwrap_or(86_400);
    let answer =
        profiles::composite(&state, &record, connector, duration_s, &query.unit, &caller.name)
            .await?;
    Ok(Json(answer))
}

pub(super) async fn reported_profiles(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Page<Value>>> {
    let record = find(&state, &id)?;
    let items = profiles::reported(&state, &record, &caller.name).await?;
    Ok(Json(Page { items, next: None }))
}
