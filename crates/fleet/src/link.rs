//! The connection and the boot.

use mendpoint_model::{
    Boot, ChargerEvent, Connected, ConnectorStatus, Disconnected, Fact, Transaction, UnixMs,
};

use crate::recent::How;
use crate::settings::FleetSettings;
use crate::slot::Slot;

impl Slot {
    pub(crate) fn connected(
        &mut self,
        event: &ChargerEvent,
        connected: &Connected,
        facts: &mut Vec<Fact>,
    ) {
        let link = &mut self.state.link;
        link.protocol = Some(connected.protocol);
        link.certificate_ends = connected.certificate_ends;
        if *link.remote != *connected.remote {
            link.remote = connected.remote.as_str().into();
        }
        self.up(event, facts);
        self.state.link.since = Some(event.received_at);
    }

    /// A sign of life on a connection (behaviour 10). Whoever talks is connected, also when the
    /// news of the connection was never told, because the charger was registered after it
    /// (behaviour 51).
    pub(crate) fn seen(&mut self, event: &ChargerEvent, facts: &mut Vec<Fact>) {
        let link = &mut self.state.link;
        if event.epoch > link.epoch || link.since.is_none() {
            self.up(event, facts);
        }
        self.state.link.last_seen_at = Some(event.received_at);
    }

    fn up(&mut self, event: &ChargerEvent, facts: &mut Vec<Fact>) {
        let link = &mut self.state.link;
        link.epoch = event.epoch;
        link.last_seen_at = Some(event.received_at);
        // A connection that replaced an open one brings nobody back who was never gone.
        if !link.connected {
            let away_ms = link.since.map(|since| event.received_at.since_ms(since).max(0));
            link.connected = true;
            link.since = Some(event.received_at);
            facts.push(Fact::LinkUp { away_ms });
        }
    }

    pub(crate) fn disconnected(
        &mut self,
        event: &ChargerEvent,
        disconnected: &Disconnected,
        facts: &mut Vec<Fact>,
    ) {
        let link = &mut self.state.link;
        link.epoch = event.epoch;
        link.last_close = disconnected.reason.as_str().into();
        if disconnected.replaced || !link.connected {
            return;
        }
        link.connected = false;
        link.since = Some(event.received_at);
        facts.push(Fact::LinkDown { reason: disconnected.reason.clone() });
    }

    pub(crate) fn booted(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        boot: &Boot,
        facts: &mut Vec<Fact>,
    ) {
        let changed = self.state.boot.as_deref().is_some_and(|before| {
            before.vendor != boot.vendor
                || before.model != boot.model
                || before.serial != boot.serial
                || before.firmware != boot.firmware
        });
        self.state.boot = Some(Box::new(boot.clone()));
        self.state.booted_at = Some(event.received_at);
        facts.push(Fact::Booted { changed });
        // A notification that was asked for is no boot (2.x says so).
        if boot.reason.as_deref() == Some("Triggered") {
            return;
        }
        // The answer to a boot sets the clock, so what was learned of it is void.
        self.state.clock_skew_ms = None;
        self.memory.skew_candidate = None;
        self.interrupt_open_transactions(settings, event.received_at);
    }

    /// Marks what was open at a boot: the charger may have forgotten it (behaviour 53).
    fn interrupt_open_transactions(&mut self, settings: &FleetSettings, booted_at: UnixMs) {
        if self.state.transactions.is_empty() {
            return;
        }
        for index in 0..self.state.transactions.len() {
            let id = self.state.transactions[index].id;
            self.remember(id, How::Interrupted);
        }
        self.memory.interrupted_until = Some(booted_at + settings.interrupted_wait_ms);
    }

    /// After a restart the marks are gone: finds them again from what the state tells.
    pub(crate) fn after_restore(&mut self, settings: &FleetSettings, now: UnixMs) {
        // No connection outlives our own process, and the numbers of the new ones may begin anew.
        let link = &mut self.state.link;
        if link.connected {
            link.connected = false;
            link.since = link.last_seen_at.or(link.since);
        }
        link.epoch = 0;
        let transactions = std::mem::take(&mut self.state.transactions);
        for transaction in &transactions {
            let was_booted = self.state.booted_at.is_some_and(|at| transaction.opened_at <= at);
            if was_booted && !self.is_charging_at(transaction) {
                self.remember_restored(settings, transaction, How::Interrupted);
                self.memory.interrupted_until = Some(now + settings.interrupted_wait_ms);
            } else {
                self.remember_restored(settings, transaction, How::Open);
            }
        }
        self.state.transactions = transactions;
    }

    fn is_charging_at(&self, transaction: &Transaction) -> bool {
        self.connector_index(transaction.connector).is_some_and(|index| {
            matches!(
                self.state.connectors[index].status,
                ConnectorStatus::Charging
                    | ConnectorStatus::SuspendedEv
                    | ConnectorStatus::SuspendedEvse
            )
        })
    }
}
