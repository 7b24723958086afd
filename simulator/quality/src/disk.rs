//! What is on disk when our own server restarts, beside incidents and states of chargers: what repairs
//! taught, and when connectors were used. The program reads both back at its start
//! (`pipeline/src/pipeline.rs`, `pipeline/src/usage.rs`).

use std::collections::BTreeMap;

use mendpoint_incidents::{Memory, Usage};
use mendpoint_model::{ChargerKey, ConnectorRef, DAY_MS, Fact, UnixMs};

/// What makes a session, Wh.
const SESSION_WH: f64 = 100.0;
/// How far back past use is read at a start.
const BACK_MS: i64 = 28 * DAY_MS;

/// The tables that matter here.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    memory: BTreeMap<(&'static str, String), Memory>,
    sessions: BTreeMap<(ChargerKey, ConnectorRef), Vec<UnixMs>>,
}

impl Disk {
    /// A row of what is remembered of repairs.
    pub(crate) fn remember(&mut self, row: Memory) {
        self.memory.insert((row.kind, row.key.clone()), row);
    }

    /// A fact: sessions are kept.
    pub(crate) fn note(&mut self, charger: ChargerKey, fact: &Fact) {
        if let Fact::TransactionClosed { transaction, ended_at, energy_wh, .. } = fact
            && energy_wh.is_some_and(|energy| energy >= SESSION_WH)
        {
            self.sessions.entry((charger, transaction.connector)).or_default().push(*ended_at);
        }
    }

    /// The rows of repairs.
    pub(crate) fn memory(&self) -> Vec<Memory> {
        self.memory.values().cloned().collect()
    }

    /// When each connector was used, as the program reads it at its start.
    pub(crate) fn usage(
        &self,
        start: UnixMs,
        now: UnixMs,
    ) -> impl Iterator<Item = (ChargerKey, ConnectorRef, Usage)> {
        let since = (now + -BACK_MS).max(start);
        self.sessions.iter().filter_map(move |((charger, connector), ends)| {
            let mut counted = Usage::new(since);
            ends.iter().filter(|at| **at >= since).for_each(|at| counted.note(*at));
            let Usage { hours, days, last, .. } = counted;
            let usage = Usage::counted(hours, days, since, last);
            (last > since).then_some((*charger, *connector, usage))
        })
    }
}
