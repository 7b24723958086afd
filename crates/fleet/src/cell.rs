//! What one cell of the honeycomb shows.

use mendpoint_model::{CellState, ChargerState, ConnectorState, ConnectorStatus, Overlay};

/// The cell of a charger: the worst that is true of it, with the repair in progress above all.
pub(crate) fn cell(state: &ChargerState, overlay: Option<Overlay>) -> CellState {
    if state.link.since.is_none() && state.booted_at.is_none() {
        return CellState::NeverSeen;
    }
    // A charger that is being repaired may be away for its reset.
    if overlay == Some(Overlay::Healing) {
        return CellState::Healing;
    }
    if !state.link.connected {
        return CellState::Offline;
    }
    // A connector in quarantine is out of service because it is broken, not by plan.
    if overlay == Some(Overlay::Faulted) {
        return CellState::Faulted;
    }
    if is_planned(state) {
        return CellState::Planned;
    }
    let in_service = || state.connectors.iter().filter(|c| c.desired_operative != Some(false));
    if is_faulted(&state.whole) || in_service().any(is_faulted) {
        return CellState::Faulted;
    }
    let is_out_of_service =
        |connector: &ConnectorState| connector.status == ConnectorStatus::Unavailable;
    let all_out = !state.connectors.is_empty() && in_service().all(is_out_of_service);
    if overlay == Some(Overlay::Degraded) || is_out_of_service(&state.whole) || all_out {
        return CellState::Degraded;
    }
    if in_service().any(|connector| connector.status == ConnectorStatus::Charging) {
        return CellState::Charging;
    }
    if in_service().any(|connector| connector.status.is_plugged()) {
        return CellState::PluggedIn;
    }
    CellState::Available
}

/// Whether the operator took the charger, or all of its connectors, out of service.
fn is_planned(state: &ChargerState) -> bool {
    let is_out = |connector: &ConnectorState| connector.desired_operative == Some(false);
    is_out(&state.whole) || (!state.connectors.is_empty() && state.connectors.iter().all(is_out))
}

/// Whether a connector is broken: 1.6 says so by its status, 2.x by an active `Problem` or `Tripped`
/// (behaviour 63).
fn is_faulted(connector: &ConnectorState) -> bool {
    connector.status == ConnectorStatus::Faulted
        || connector
            .faults
            .iter()
            .any(|fault| fault.active && matches!(fault.variable.as_str(), "Problem" | "Tripped"))
}
