//! What a charger knows by heart, what is reserved at it, and what it may draw.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use mendpoint_model::{ChargerRecord, UnixMs};
use mendpoint_store::{ReservationState, WantedList};
use serde::Deserialize;

use super::errors::{Page, PageError, back, render};
use crate::AppState;
use crate::orders::{OrderError, connector_of, local_list, profiles, reservations};
use crate::pages::extract::{Form, Query};
use crate::place::{Moment, charger_href};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;

/// Rows of each list.
const ROWS: u32 = 20;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/chargers/{identity}/charging", get(page))
        .route("/chargers/{identity}/local-list", post(send_list))
        .route("/chargers/{identity}/reservations", post(reserve))
        .route("/chargers/{identity}/reservations/{id}/cancel", post(cancel))
        .route("/chargers/{identity}/charging-profiles", post(set_profile))
        .route("/chargers/{identity}/charging-profiles/{id}/clear", post(clear_profile))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// Ask the charger what its profiles come to.
    schedule: String,
    done: Option<String>,
    error: Option<String>,
}

struct List {
    wanted: &'static str,
    group: String,
    state: &'static str,
    glyph: &'static str,
    problem: String,
    version: i64,
    charger_version: String,
    known: usize,
    behind: usize,
    is_in_doubt: bool,
    sent: Option<Moment>,
}

struct Reservation {
    id: i64,
    connector: String,
    token: String,
    state: &'static str,
    glyph: &'static str,
    problem: String,
    until: Moment,
    by: String,
    is_open: bool,
    transaction: Option<String>,
}

struct Profile {
    id: i64,
    place: String,
    purpose: String,
    stack_level: u32,
    state: String,
    glyph: &'static str,
    problem: String,
    by: String,
    at: Moment,
    sent: String,
    is_set: bool,
}

#[derive(Template)]
#[template(path = "charging.html")]
struct ChargingPage {
    shell: Shell,
    name: String,
    home: String,
    list: List,
    reservations: Vec<Reservation>,
    profiles: Vec<Profile>,
    connectors: Vec<String>,
    is_v16: bool,
    schedule: String,
    schedule_problem: String,
}

fn find(state: &AppState, identity: &str) -> Result<std::sync::Arc<ChargerRecord>, PageError> {
    state.handle().directory().by_identity(identity).ok_or_else(|| {
        PageError::not_found(format!(
            "No charger has the identity {identity:?}. Look for it in the list of chargers."
        ))
    })
}

async fn page(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Query(asked): Query<Asked>,
) -> Page {
    let record = find(&state, &identity)?;
    let handle = state.handle();
    let (store, now) = (handle.store(), handle.now());
    let row = local_list::read(&state, &record).await?;
    let behind = local_list::behind(&state, record.key, &row).await?;
    let live = handle.charger(record.key).await;
    let held = store.reservations(Some(record.key), None, ROWS, now).await?;
    let set = store.charging_profiles(record.key, ROWS).await?;
    let (mut schedule, mut schedule_problem) = (String::new(), String::new());
    if !asked.schedule.is_empty() && viewer.can_act() {
        let at = connector_of(&asked.schedule).map_err(page_error)?;
        match profiles::composite(&state, &record, at, 86_400, "", &viewer.name).await {
            Ok(answer) => schedule = serde_json::to_string_pretty(&answer).unwrap_or_default(),
            Err(error) => schedule_problem = error.sentence(),
        }
    }
    let (wanted, group) = match &row.wanted {
        WantedList::None => ("none", String::new()),
        WantedList::All => ("all", String::new()),
        WantedList::Group(group) => ("group", group.clone()),
    };
    let (state_word, glyph) = match row.state.as_str() {
        "accepted" => ("taken", "ok"),
        "failed" => ("failed", "fault"),
        "not_supported" => ("not supported", "offline"),
        "sending" if state.is_list_under_way(record.key) => ("on its way", "new"),
        "sending" => ("broken off", "fault"),
        _ => ("never sent", "new"),
    };
    render(ChargingPage {
        name: record.name.clone(),
        home: charger_href(&record.identity),
        list: List {
            wanted,
            group,
            state: state_word,
            glyph,
            problem: row.problem.clone(),
            version: row.version,
            charger_version: row
                .charger_version
                .map(|version| version.to_string())
                .unwrap_or_default(),
            known: row.known.len(),
            is_in_doubt: behind.is_none(),
            behind: behind.unwrap_or_default(),
            sent: row.sent_at.map(|at| Moment::new(now, at)),
        },
        reservations: held
            .into_iter()
            .map(|row| Reservation {
                id: row.id,
                connector: row.connector.to_string(),
                token: viewer.token_words(&row.id_token),
                state: row.state.name(),
                glyph: match row.state {
                    ReservationState::Accepted | ReservationState::Used => "ok",
                    ReservationState::Requested => "busy",
                    ReservationState::Expired
                    | ReservationState::Cancelled
                    | ReservationState::Removed => "offline",
                    _ => "fault",
                },
                problem: row.problem,
                until: Moment::new(now, row.expires_at),
                by: row.created_by,
                is_open: row.state.is_open(),
                transaction: row.transaction.map(|id| id.to_string()),
            })
            .collect(),
        profiles: set
            .into_iter()
            .map(|row| Profile {
                id: row.id,
                place: match row.evse {
                    0 => "whole charger".to_owned(),
                    evse => format!("connector {evse}"),
                },
                purpose: row.purpose,
                stack_level: row.stack_level,
                glyph: match row.state.as_str() {
                    "accepted" => "ok",
                    "cleared" | "replaced" => "offline",
                    "requested" => "busy",
                    _ => "fault",
                },
                is_set: row.state == "accepted",
                state: row.state,
                problem: row.problem,
                by: row.set_by,
                at: Moment::new(now, row.set_at),
                sent: row.json,
            })
            .collect(),
        connectors: live.as_ref().map_or_else(Vec::new, |live| {
            live.connectors.iter().map(|connector| connector.at.to_string()).collect()
        }),
        is_v16: live.is_none_or(|live| live.link.protocol == Some(mendpoint_model::Protocol::V16)),
        schedule,
        schedule_problem,
        shell: Shell::new(&state, &viewer, "chargers", format!("Charging at {}", record.name))
            .await
            .with_messages(asked.done, asked.error),
    })
}

fn page_error(error: OrderError) -> PageError {
    match error {
        OrderError::Wrong(sentence) | OrderError::Refused(sentence) => {
            PageError::bad_request(sentence)
        }
        OrderError::Missing(sentence) => PageError::not_found(sentence),
        OrderError::Failed(error) => error.into(),
    }
}

/// Back to the page with what was done, or why it was not.
fn home(record: &ChargerRecord, result: Result<String, OrderError>) -> Page {
    let to = format!("{}/charging", charger_href(&record.identity));
    match result {
        Ok(done) => Ok(back(&to, Ok(done))),
        Err(OrderError::Failed(error)) => Err(error.into()),
        Err(error) => Ok(back(&to, Err(error.sentence()))),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListForm {
    wanted: String,
    group: String,
    full: String,
}

async fn send_list(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(form): Form<ListForm>,
) -> Page {
    let record = find(&state, &identity)?;
    let wanted = match form.wanted.as_str() {
        "all" | "none" if !form.group.trim().is_empty() => {
            let error = "A group goes with “the cards of a group”; leave it empty otherwise.";
            return home(&record, Err(OrderError::Wrong(error.to_owned())));
        }
        "all" => WantedList::All,
        "group" => WantedList::Group(form.group.trim().to_owned()),
        "none" => WantedList::None,
        _ => {
            let error = "Say what it should know: no card, every card or those of a group.";
            return home(&record, Err(OrderError::Wrong(error.to_owned())));
        }
    };
    let full = !form.full.is_empty();
    let result = local_list::send(&state, &record, Some(wanted), full, &viewer.name).await;
    let result = result.and_then(|row| match row.state.as_str() {
        "accepted" => Ok(format!(
            "The charger knows {} now.",
            crate::number::counted(row.known.len(), "card")
        )),
        _ => Err(OrderError::Wrong(row.problem)),
    });
    home(&record, result)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReserveForm {
    connector: String,
    token: String,
    minutes: String,
}

async fn reserve(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(form): Form<ReserveForm>,
) -> Page {
    let record = find(&state, &identity)?;
    let ask = || {
        let minutes: i64 = form.minutes.trim().parse().map_err(|_| {
            OrderError::Wrong(format!("{:?} is no number of minutes.", form.minutes))
        })?;
        Ok(reservations::Ask {
            connector: connector_of(&form.connector)?,
            token: form.token.clone(),
            parent: None,
            until: state.handle().now() + minutes.saturating_mul(mendpoint_model::MINUTE_MS),
        })
    };
    let result = match ask() {
        Ok(ask) => reservations::reserve(&state, &record, ask, &viewer.name).await,
        Err(error) => Err(error),
    };
    let result = result.and_then(|row| match row.state {
        ReservationState::Accepted => Ok(format!("Reservation {} is accepted.", row.id)),
        state => Err(OrderError::Wrong(format!("{} It is {}.", row.problem, state.name()))),
    });
    home(&record, result)
}

async fn cancel(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path((identity, id)): Path<(String, i64)>,
) -> Page {
    let record = find(&state, &identity)?;
    let result = reservations::cancel(&state, id, &viewer.name).await;
    home(&record, result.map(|row| format!("Reservation {} is cancelled.", row.id)))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProfileForm {
    purpose: String,
    connector: String,
    stack_level: String,
    kind: String,
    /// `2026-11-21T18:00`, UTC.
    start_at: String,
    duration: String,
    unit: String,
    periods: String,
}

impl ProfileForm {
    fn read(&self) -> Result<profiles::Wanted, OrderError> {
        let number = |name: &str, text: &str| match text.trim() {
            "" => Ok(None),
            text => text
                .parse::<i64>()
                .map(Some)
                .map_err(|_| OrderError::Wrong(format!("{name} is a whole number, not {text:?}."))),
        };
        let level = number("The stack level", &self.stack_level)?.unwrap_or(0);
        let start_at = match self.start_at.trim() {
            "" => None,
            text => Some(
                UnixMs::parse_rfc3339(&format!("{text}:00Z"))
                    .or_else(|| UnixMs::parse_rfc3339(text))
                    .ok_or_else(|| {
                        OrderError::Wrong(format!("{text:?} is no time; 2026-11-21T18:00 is."))
                    })?,
            ),
        };
        Ok(profiles::Wanted {
            purpose: self.purpose.clone(),
            connector: self.connector.clone(),
            stack_level: u32::try_from(level)
                .map_err(|_| OrderError::Wrong("The stack level is 0 or more.".to_owned()))?,
            kind: self.kind.clone(),
            start_at,
            duration_s: number("The duration", &self.duration)?,
            valid_from: None,
            valid_to: None,
            unit: self.unit.clone(),
            periods: profiles::periods_of(&self.periods)?,
        })
    }
}

async fn set_profile(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(form): Form<ProfileForm>,
) -> Page {
    let record = find(&state, &identity)?;
    let result = match form.read() {
        Ok(wanted) => profiles::set(&state, &record, &wanted, &viewer.name).await,
        Err(error) => Err(error),
    };
    let result = result.and_then(|row| match row.state.as_str() {
        "accepted" => Ok(format!("Charging profile {} is set.", row.id)),
        _ => Err(OrderError::Wrong(row.problem)),
    });
    home(&record, result)
}

async fn clear_profile(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path((identity, id)): Path<(String, i64)>,
) -> Page {
    let record = find(&state, &identity)?;
    let result = profiles::clear(&state, &record, id, &viewer.name).await;
    home(&record, result.map(|row| format!("Charging profile {} is cleared.", row.id)))
}
