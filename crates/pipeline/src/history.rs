//! What is written down of a connector's state, for ribbons and reports.

use mendpoint_model::{ChargerKey, Chargers as _, ConnectorRef, ConnectorStatus, UnixMs};
use mendpoint_shard::shown_status;
use mendpoint_store::Entry;

use crate::shard_task::ShardTask;

impl ShardTask {
    /// The state of a connector as its history shows it: see [`shown_status`].
    pub(crate) fn state_entry(
        &self,
        charger: ChargerKey,
        at: UnixMs,
        connector: ConnectorRef,
        told: Option<(ConnectorStatus, String)>,
    ) -> Option<Entry> {
        let state = self.shard.fleet().charger(charger)?;
        let (status, error) = shown_status(state, connector, told)?;
        Some(Entry::StateChange { charger, connector, at, status, error })
    }
}
