//! What is written down of a connector's state, for ribbons and reports.

use mendpoint_model::{ChargerKey, Chargers as _, ConnectorRef, ConnectorStatus, UnixMs};
use mendpoint_store::Entry;

use crate::shard_task::ShardTask;

impl ShardTask {
    /// The state of a connector as its history shows it. A charger of OCPP 2.x says "Available"
    /// beside a fault that it reported by `NotifyEvent` (behaviour 63): while such a fault is there,
    /// the connector is faulted, whatever its status says.
    pub(crate) fn state_entry(
        &self,
        charger: ChargerKey,
        at: UnixMs,
        connector: ConnectorRef,
        told: Option<(ConnectorStatus, String)>,
    ) -> Option<Entry> {
        let state = self.shard.fleet().charger(charger)?;
        let now = if connector.is_charger() {
            Some(&state.whole)
        } else {
            state.connectors.iter().find(|one| one.at == connector)
        };
        let fault = now.and_then(|now| now.faults.first());
        let (status, error) = match (fault, told) {
            (Some(fault), _) => {
                let named = || format!("{}.{}", fault.component, fault.variable);
                (ConnectorStatus::Faulted, fault.code.clone().unwrap_or_else(named))
            }
            (None, Some(told)) => told,
            (None, None) => {
                let now = now?;
                let error = now.error.as_ref().map(|error| error.code.clone());
                (now.status, error.unwrap_or_default())
            }
        };
        Some(Entry::StateChange { charger, connector, at, status, error })
    }
}
