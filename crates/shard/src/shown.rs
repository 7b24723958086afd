//! The state of a connector as its history shows it.

use mendpoint_model::{ChargerState, ConnectorRef, ConnectorStatus};

/// The state of a connector as its history shows it: the status, and the code beside it. A charger of
/// OCPP 2.x says "Available" beside a fault that it reported by `NotifyEvent` (behaviour 63): while
/// such a fault is there, the connector is faulted, whatever its status says. `told` is what it said
/// just now.
pub fn shown_status(
    state: &ChargerState,
    connector: ConnectorRef,
    told: Option<(ConnectorStatus, String)>,
) -> Option<(ConnectorStatus, String)> {
    let now = if connector.is_charger() {
        Some(&state.whole)
    } else {
        state.connectors.iter().find(|one| one.at == connector)
    };
    if let Some(fault) = now.and_then(|now| now.faults.first()) {
        let named = || format!("{}.{}", fault.component, fault.variable);
        return Some((ConnectorStatus::Faulted, fault.code.clone().unwrap_or_else(named)));
    }
    told.or_else(|| {
        let now = now?;
        let error = now.error.as_ref().map(|error| error.code.clone());
        Some((now.status, error.unwrap_or_default()))
    })
}
