//! Connectors that are held for a card.

use mendpoint_model::{ChargerRecord, ConnectorRef, UnixMs};
use mendpoint_ocpp::orders::{Reserve, cancel_reservation, reserve_now};
use mendpoint_store::{ReservationRow, ReservationState};

use super::{OrderError, ask, has_connector, spoken};
use crate::AppState;

/// How long a connector may be held at most, in milliseconds.
const LONGEST_MS: i64 = 7 * mendpoint_model::DAY_MS;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) connector: ConnectorRef,
    pub(crate) token: String,
    /// Whoever belongs to this group may use it too; the card's own group when `None`.
    pub(crate) parent: Option<String>,
    pub(crate) until: UnixMs,
}

/// Holds a connector. The row says what the charger made of it.
pub(crate) async fn reserve(
    state: &AppState,
    record: &ChargerRecord,
    wanted: Ask,
    user: &str,
) -> Result<ReservationRow, OrderError> {
    let handle = state.handle();
    let now = handle.now();
    if wanted.token.trim().is_empty() || wanted.token.chars().count() > 255 {
        return Err(OrderError::Wrong("Say for which card: 1 to 255 characters.".to_owned()));
    }
    if wanted.until <= now {
        return Err(OrderError::Wrong("A reservation ends in the future.".to_owned()));
    }
    if wanted.until.since_ms(now) > LONGEST_MS {
        return Err(OrderError::Wrong("A reservation lasts at most 7 days.".to_owned()));
    }
    let (live, protocol) = spoken(state, record).await?;
    if !has_connector(&live, wanted.connector) {
        let sentence = format!("This charger has no connector {}.", wanted.connector);
        return Err(OrderError::Wrong(sentence));
    }
    let known = handle.token(wanted.token.trim()).await?;
    let kind = known.as_ref().map(|row| row.kind.clone()).unwrap_or_default();
    let parent = wanted.parent.or_else(|| known.and_then(|row| row.parent));
    let mut row = ReservationRow {
        id: 0,
        charger: record.key,
        connector: wanted.connector,
        id_token: wanted.token.trim().to_owned(),
        parent,
        state: ReservationState::Requested,
        problem: String::new(),
        created_by: user.to_owned(),
        created_at: now,
        changed_at: now,
        expires_at: wanted.until,
        transaction: None,
    };
    let action_of = |row: &ReservationRow| {
        let reserve = Reserve {
            id: row.id,
            connector: row.connector,
            token: &row.id_token,
            kind: &kind,
            parent: row.parent.as_deref(),
            until: row.expires_at,
        };
        reserve_now(protocol, &reserve)
    };
    crate::commands::check(protocol, &action_of(&row)).map_err(OrderError::Wrong)?;
    row.id = handle.store().insert_reservation(&row).await?;
    let told = ask(state, record, action_of(&row), user).await?;
    let word = ReservationState::from_name(&told.status).filter(|state| {
        matches!(
            state,
            ReservationState::Accepted
                | ReservationState::Faulted
                | ReservationState::Occupied
                | ReservationState::Rejected
                | ReservationState::Unavailable
        )
    });
    let became = word.unwrap_or(ReservationState::Failed);
    handle.store().update_reservation(row.id, became, &told.problem, handle.now()).await?;
    let subject = format!("reservation {} at {}", row.id, record.identity);
    handle.audit(user, became.name(), &subject).await;
    read(state, row.id).await
}

/// One reservation.
pub(crate) async fn read(state: &AppState, id: i64) -> Result<ReservationRow, OrderError> {
    let handle = state.handle();
    handle
        .store()
        .reservation(id, handle.now())
        .await?
        .ok_or_else(|| OrderError::Missing(format!("There is no reservation {id}.")))
}

/// Takes a reservation back.
pub(crate) async fn cancel(
    state: &AppState,
    id: i64,
    user: &str,
) -> Result<ReservationRow, OrderError> {
    let row = read(state, id).await?;
    let handle = state.handle();
    if !row.state.is_open() {
        let sentence = format!("Reservation {id} is {} already.", row.state.name());
        return Err(OrderError::Wrong(sentence));
    }
    let record = handle
        .directory()
        .charger(row.charger)
        .ok_or_else(|| OrderError::Missing("Its charger is not registered any more.".to_owned()))?;
    let told = ask(state, &record, cancel_reservation(id), user).await?;
    // "Rejected" means that the charger knows of no such reservation: then it holds nothing.
    if told.accepted || told.status == "Rejected" {
        let problem = if told.accepted {
            String::new()
        } else {
            "The charger knew nothing of it any more.".to_owned()
        };
        let became = ReservationState::Cancelled;
        handle.store().update_reservation(id, became, &problem, handle.now()).await?;
        handle.audit(user, "cancelled", &format!("reservation {id}")).await;
    } else {
        return Err(OrderError::Wrong(format!("It still holds. {}", told.problem)));
    }
    read(state, id).await
}
