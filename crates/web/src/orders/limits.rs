//! What a charger told of its own limits, under the names of 1.6 and of 2.x.

use mendpoint_model::{Action, ChargerState, Protocol};
use mendpoint_ocpp::orders::{Limited, MessageLimit};

use super::OrderError;
use crate::AppState;
use crate::commands::on_the_wire;

/// A value that a charger told under any of these names. What can be set is known at once; the rest of
/// the device model of 2.x is on disk.
pub(crate) async fn told_text(
    state: &AppState,
    live: &ChargerState,
    names: &[&str],
) -> Result<Option<String>, OrderError> {
    for name in names {
        let entry = live.configuration.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        if let Some(value) = entry.and_then(|(_, entry)| entry.value.as_deref()) {
            return Ok(Some(value.to_owned()));
        }
        if let Some(value) = state.handle().store().variable_value(live.key, name).await? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The same for a number.
pub(crate) async fn told_number(
    state: &AppState,
    live: &ChargerState,
    names: &[&str],
) -> Result<Option<usize>, OrderError> {
    let told = told_text(state, live, names).await?;
    Ok(told.and_then(|text| text.trim().parse().ok()))
}

/// How much a charger takes in one message of a kind. None at all is a charger's mistake, and no limit.
pub(crate) async fn told_of(
    state: &AppState,
    live: &ChargerState,
    limited: &Limited,
) -> Result<MessageLimit, OrderError> {
    let items = told_number(state, live, limited.items).await?;
    let bytes = told_number(state, live, limited.bytes).await?;
    Ok(MessageLimit {
        items: items.filter(|most| *most > 0),
        bytes: bytes.filter(|most| *most > 0),
    })
}

/// Whether the charger takes as much in one message as an action has.
///
/// # Errors
/// A sentence, when it told that it takes less.
pub(crate) async fn check_size(
    state: &AppState,
    live: &ChargerState,
    protocol: Protocol,
    action: &Action,
) -> Result<(), OrderError> {
    let (name, _) = on_the_wire(protocol, action);
    let Some(limited) = Limited::of(&name) else { return Ok(()) };
    let limit = told_of(state, live, limited).await?;
    limited.check(protocol, action, limit).map_err(OrderError::Wrong)
}
