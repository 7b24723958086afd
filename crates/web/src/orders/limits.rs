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
    // A charger that once spoke 1.6 is not held to what it said then.
    let is_v16 = live.link.protocol == Some(Protocol::V16);
    for name in names.iter().filter(|name| name.contains('.') != is_v16) {
        let entry = live.configuration.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        let mut told = entry.and_then(|(_, entry)| entry.value.as_deref()).map(ToOwned::to_owned);
        if told.is_none() {
            told = state.handle().store().variable_value(live.key, name).await?;
        }
        if let Some(value) = told.filter(|value| !value.trim().is_empty()) {
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

/// The fewest bytes that can be meant: one card alone needs as much.
const BYTES_LEAST: usize = 256;

/// How much a charger takes in one message of a kind. Next to nothing is a charger's mistake, and no limit.
pub(crate) async fn told_of(
    state: &AppState,
    live: &ChargerState,
    limited: &Limited,
) -> Result<MessageLimit, OrderError> {
    let items = told_number(state, live, limited.items).await?;
    let bytes = told_number(state, live, limited.bytes).await?;
    Ok(MessageLimit {
        items: items.filter(|most| *most > 0),
        bytes: bytes.filter(|most| *most >= BYTES_LEAST),
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
