//! The connection and the boot.

use mendpoint_model::{
    Boot, ChargerEvent, Connected, ConnectorStatus, Disconnected, Fact, Interruption, Transaction,
    UnixMs,
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

    /// Marks what was open at a boot: the charger may have forgotten it (behaviour 53). The wait is
    /// counted from the first boot, so that one that boots over and over does not hold it up.
    fn interrupt_open_transactions(&mut self, settings: &FleetSettings, booted_at: UnixMs) {
        let until = booted_at + settings.interrupted_wait_ms;
        for open in &mut self.state.transactions {
            open.interrupted.get_or_insert(Interruption { at: booted_at, until, stuck: false });
            open.resumed_at = None;
        }
    }

    /// After a restart of ours: what was waited for is waited for anew. Where the mark was not kept,
    /// the state tells what a boot interrupted.
    pub(crate) fn after_restore(&mut self, settings: &FleetSettings, now: UnixMs) {
        // No connection outlives our own process, and the numbers of the new ones may begin anew.
        let link = &mut self.state.link;
        if link.connected {
            link.connected = false;
            link.since = link.last_seen_at.or(link.since);
        }
        link.epoch = 0;
        let mut transactions = std::mem::take(&mut self.state.transactions);
        for transaction in &mut transactions {
            let unmarked = || {
                self.state.booted_at.filter(|booted_at| {
                    transaction.opened_at <= *booted_at
                        && transaction.resumed_at.is_none()
                        && !self.is_charging_at(transaction)
                })
            };
            let is_stuck = transaction.interrupted.is_some_and(|doubt| doubt.stuck);
            if !is_stuck {
                let booted_at = transaction.interrupted.map(|doubt| doubt.at).or_else(unmarked);
                let until = now + settings.interrupted_wait_ms;
                transaction.interrupted =
                    booted_at.map(|at| Interruption { at, until, stuck: false });
            }
            self.remember_restored(settings, transaction, How::Open);
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
