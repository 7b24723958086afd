//! One charger of the fleet: its state, and what the fold has to remember beside it.

use std::sync::Arc;

use mendpoint_model::{
    ChargerEvent, ChargerKey, ChargerState, CommandOutcome, ConnectorRef, ConnectorState,
    EventKind, Fact, LedgerLine, Link, SiteKey, TransactionEnded, UnixMs,
};
use smallvec::SmallVec;

use crate::clock::{self, SkewCandidate, Timing};
use crate::command::PendingAvailability;
use crate::recent::Recent;
use crate::settings::FleetSettings;

/// One charger.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) state: ChargerState,
    pub(crate) memory: Memory,
}

/// What the fold remembers beside the state. All of it can be lost in a restart without harm: a
/// retried start is then known by the open transaction, a late end becomes an orphan.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Open and recently ended transactions, oldest first.
    pub(crate) recent: SmallVec<[Recent; 0]>,
    /// When the newest status is the present even though it seemed to come from a queue.
    pub(crate) present_at: Option<UnixMs>,
    /// Ends that came before their start, oldest first (behaviours 59, 62).
    pub(crate) early_ends: SmallVec<[TransactionEnded; 0]>,
    /// Transactions of which only updates came, by the charger's own ids, oldest first (behaviour 62).
    pub(crate) only_updated: SmallVec<[Box<str>; 0]>,
    /// Lines of the ledger that were not fetched yet; empty between events.
    pub(crate) lines: SmallVec<[LedgerLine; 0]>,
    /// A new skew that is not believed yet.
    pub(crate) skew_candidate: Option<Box<SkewCandidate>>,
    /// When a card was accepted for a car that is not plugged in yet.
    pub(crate) authorised_at: Option<UnixMs>,
    /// Availability commands without an answer, with what was wanted before.
    pub(crate) pending_availability: SmallVec<[PendingAvailability; 0]>,
}

impl Slot {
    pub(crate) fn new(key: ChargerKey, site: SiteKey, identity: Arc<str>) -> Self {
        let state = ChargerState {
            key,
            site,
            identity,
            link: Link::default(),
            boot: None,
            booted_at: None,
            whole: ConnectorState::default(),
            connectors: SmallVec::new(),
            transactions: SmallVec::new(),
            signals: SmallVec::new(),
            firmware_status: None,
            diagnostics_status: None,
            configuration: std::collections::BTreeMap::new(),
            clock_skew_ms: None,
            drift: None,
            carded_at: None,
        };
        Self { state, memory: Memory::default() }
    }

    /// When something is to be done without a message.
    pub(crate) fn deadline(&self) -> Option<UnixMs> {
        let interrupted = self.state.transactions.iter().filter_map(|open| open.interrupted);
        interrupted.map(|doubt| doubt.until).chain(self.memory.present_at).min()
    }

    /// Folds one event.
    pub(crate) fn fold(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        facts: &mut Vec<Fact>,
    ) {
        // Of an older connection only what is kept for good still counts (behaviour 1).
        let is_old = event.epoch < self.state.link.epoch;
        match &event.kind {
            EventKind::Connected(connected) if !is_old => self.connected(event, connected, facts),
            EventKind::Disconnected(disconnected) if !is_old => {
                self.disconnected(event, disconnected, facts);
            }
            EventKind::Connected(_) | EventKind::Disconnected(_) => {}
            EventKind::CommandAnswered(answered) => {
                let is_from_charger = matches!(
                    answered.outcome,
                    CommandOutcome::Answered { .. } | CommandOutcome::Refused { .. }
                );
                if is_from_charger && !is_old {
                    self.seen(event, facts);
                }
                self.command_answered(answered);
            }
            kind => {
                if !is_old {
                    self.seen(event, facts);
                }
                let before = facts.len();
                self.message(settings, event, kind, is_old, facts);
                self.trace_transactions(&facts[before..], event.received_at);
            }
        }
    }

    fn message(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        kind: &EventKind,
        is_old: bool,
        facts: &mut Vec<Fact>,
    ) {
        match kind {
            EventKind::Boot(boot) if !is_old => self.booted(settings, event, boot, facts),
            EventKind::Status(report) => self.status(settings, event, report, is_old, facts),
            EventKind::Fault(report) if !is_old => self.fault(settings, event, report, facts),
            EventKind::Authorize(authorize) => {
                if !is_old {
                    self.state.carded_at = Some(event.received_at);
                    if authorize.accepted {
                        self.authorised(event.received_at, authorize.connector);
                    }
                }
                facts.push(Fact::Authorized {
                    id_token: authorize.id_token.clone(),
                    accepted: authorize.accepted,
                    connector: authorize.connector,
                });
            }
            EventKind::TransactionStarted(started) => {
                self.transaction_started(settings, event, started, is_old, facts);
            }
            EventKind::TransactionUpdated(updated) => {
                self.transaction_updated(settings, event, updated, is_old, facts);
            }
            EventKind::TransactionEnded(ended) => {
                self.transaction_ended(settings, event, ended, is_old, facts);
            }
            EventKind::Meter(reading) => self.metered(settings, event, reading, is_old, facts),
            EventKind::Signal(reading) if !is_old => self.signal(event, *reading, facts),
            EventKind::Firmware(report) if !is_old => {
                // A charger that says "Downloading" every minute is downloading since the first.
                let is_repeat = self
                    .state
                    .firmware_status
                    .as_ref()
                    .is_some_and(|(_, word)| **word == *report.status);
                if !is_repeat {
                    self.state.firmware_status =
                        Some((event.received_at, report.status.as_str().into()));
                }
            }
            EventKind::Diagnostics(status) if !is_old => {
                self.state.diagnostics_status = Some((event.received_at, status.as_str().into()));
            }
            EventKind::Configuration(values) if !is_old => {
                self.configured(settings, event, values);
            }
            EventKind::Device(report) if !is_old => self.device(settings, event, report),
            _ => {}
        }
    }

    /// Judges the charger's own time of a message, and learns its skew from it.
    ///
    /// `offline`: the charger itself says that the message waited.
    pub(crate) fn time(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        own: Option<UnixMs>,
        offline: bool,
    ) -> Timing {
        let received_at = event.received_at;
        if let Some(own) = own
            && !offline
            && event.epoch == self.state.link.epoch
        {
            let link = &self.state.link;
            clock::observe(
                settings,
                &mut self.state.clock_skew_ms,
                &mut self.memory.skew_candidate,
                link.since.filter(|_| link.connected),
                received_at,
                own,
            );
        }
        let mut timing = clock::judge(settings, self.state.clock_skew_ms, received_at, own);
        timing.historical |= offline;
        timing
    }

    /// The connector that a reference means. A missing connector number is the first connector of
    /// the EVSE, whatever its number (behaviour 62).
    pub(crate) fn connector_index(&self, at: ConnectorRef) -> Option<usize> {
        let connectors = &self.state.connectors;
        connectors.iter().position(|connector| connector.at == at).or_else(|| {
            (at.connector == 0 && !at.is_charger())
                .then(|| connectors.iter().position(|connector| connector.at.evse == at.evse))
                .flatten()
        })
    }

    /// The connector that a reference means, known from now on; the whole charger for `0/0`
    /// (behaviour 54). `None` when the charger claims more connectors than are kept.
    pub(crate) fn connector_entry(
        &mut self,
        settings: &FleetSettings,
        at: ConnectorRef,
    ) -> Option<&mut ConnectorState> {
        if at.is_charger() {
            return Some(&mut self.state.whole);
        }
        if let Some(index) = self.connector_index(at) {
            return self.state.connectors.get_mut(index);
        }
        // What was said of the EVSE before any of its connectors was named belongs to the first
        // one that is.
        let unnamed = ConnectorRef { evse: at.evse, connector: 0 };
        let connectors = &mut self.state.connectors;
        if let Some(index) = connectors.iter().position(|connector| connector.at == unnamed) {
            connectors[index].at = at;
            return connectors.get_mut(index);
        }
        if connectors.len() >= settings.connectors_max {
            return None;
        }
        let index = connectors.partition_point(|connector| connector.at < at);
        connectors.insert(index, ConnectorState { at, ..ConnectorState::default() });
        connectors.get_mut(index)
    }
}
