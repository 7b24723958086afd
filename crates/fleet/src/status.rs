//! Statuses and faults of connectors.

use mendpoint_model::{
    ChargerEvent, ConnectorRef, ConnectorState, ConnectorStatus, ErrorReport, Fact, FaultReport,
    MINUTE_MS, Protocol, StatusReport, TransactionUpdated, UnixMs,
};

use crate::settings::FleetSettings;
use crate::slot::Slot;
use crate::trace::trace_error;

/// How much older than the newest report another one has to be to count as older. Chargers cut
/// their times to whole seconds, and two reports of one second keep the order they came in.
const OLDER_MS: i64 = 1_000;

/// How long the last word must stand before it is the present.
const PRESENT_AFTER_MS: i64 = MINUTE_MS;

impl Slot {
    pub(crate) fn status(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        report: &StatusReport,
        is_old: bool,
        facts: &mut Vec<Fact>,
    ) {
        let timing = self.time(settings, event, report.at, false);
        let status = self.shown_status(report.connector, report.status);
        let Some(connector) = self.connector_entry(settings, report.connector) else { return };
        let at = connector.at;
        let from = connector.status;
        // Older than what is known: history, not the present (behaviour 55). The same goes for what
        // an older connection still brings (behaviour 1).
        let is_older = timing.told
            && connector.reported_at.is_some_and(|newest| newest.since_ms(timing.at) >= OLDER_MS);
        if is_older || is_old {
            facts.push(Fact::StatusChanged {
                connector: at,
                from,
                to: status,
                error: report.error.clone(),
                historical: true,
                since: timing.at,
            });
            return;
        }
        if timing.told {
            connector.reported_at = Some(timing.at);
        }
        let is_repeat = connector.since.is_some()
            && from == status
            && connector.raw_status.as_deref() == report.raw_status.as_deref()
            && is_same_error(connector.error.as_deref(), report.error.as_ref());
        if !timing.historical {
            let same = is_same_error(connector.error.as_deref(), report.error.as_ref());
            trace_error(connector, report.error.as_ref(), same, event.received_at);
        }
        connector.error = report.error.clone().map(Box::new);
        // A status from the queue has held since it was reported, a live one since now.
        let since = if timing.historical { timing.at } else { event.received_at };
        if is_repeat && timing.historical {
            // Nothing changes, but it is a word about a time in which nothing was heard.
            let (error, historical) = (report.error.clone(), true);
            facts.push(Fact::StatusChanged {
                connector: at,
                from,
                to: status,
                error,
                historical,
                since,
            });
        } else if is_repeat {
            facts.push(Fact::StatusRepeated { connector: at });
        } else {
            connector.raw_status = report.raw_status.as_deref().map(Into::into);
            set_status(connector, status, since);
            facts.push(Fact::StatusChanged {
                connector: at,
                from,
                to: status,
                error: report.error.clone(),
                historical: timing.historical,
                since,
            });
        }
        if timing.historical {
            self.memory.present_at = Some(event.received_at + PRESENT_AFTER_MS);
        } else {
            self.status_of_transaction(at, status, event.received_at, facts);
            self.trace_status(at, status, event.received_at);
        }
    }

    /// A status that seemed to come from a queue was the last word of a connected charger for a
    /// minute. A queue is replayed at once and ends with the present, so this is the present: the
    /// charger's clock is slow, or nothing has changed since (1.2 keeps the past from acting, not
    /// the present from being seen).
    pub(crate) fn believe_the_last_word(&mut self, now: UnixMs, facts: &mut Vec<Fact>) {
        if self.memory.present_at.is_none_or(|at| at > now) {
            return;
        }
        self.memory.present_at = None;
        if !self.state.link.connected {
            return;
        }
        let whole = std::iter::once(&self.state.whole);
        for connector in whole.chain(&self.state.connectors) {
            if connector.since.is_none() {
                continue;
            }
            facts.push(Fact::StatusChanged {
                connector: connector.at,
                from: connector.status,
                to: connector.status,
                error: connector.error.as_deref().cloned(),
                historical: false,
                since: now,
            });
        }
    }

    /// What a live status tells of the transaction at that place.
    fn status_of_transaction(
        &mut self,
        at: ConnectorRef,
        status: ConnectorStatus,
        now: UnixMs,
        facts: &mut Vec<Fact>,
    ) {
        let is_running = matches!(
            status,
            ConnectorStatus::Charging
                | ConnectorStatus::SuspendedEv
                | ConnectorStatus::SuspendedEvse
        );
        let Some(transaction) =
            self.state.transactions.iter_mut().find(|open| is_same_evse(open.connector, at))
        else {
            return;
        };
        if status == ConnectorStatus::SuspendedEv {
            transaction.suspended_by_ev = true;
        }
        if is_running {
            let id = transaction.id;
            self.goes_on(id, now, facts);
        }
    }

    /// The status to show for a reported one: 2.x says `Occupied` (here Preparing) where 1.6 says
    /// Charging or Suspended, and tells the rest with the transaction.
    fn shown_status(&self, at: ConnectorRef, reported: ConnectorStatus) -> ConnectorStatus {
        if reported != ConnectorStatus::Preparing {
            return reported;
        }
        let charging = self
            .state
            .transactions
            .iter()
            // What was so before a boot says nothing of now.
            .filter(|open| !open.offline && open.interrupted.is_none())
            .filter(|open| is_same_evse(open.connector, at))
            .find_map(|open| charging_status(open.charging_state.as_deref()?));
        // 2.x says Occupied before a transaction and after it; the car that was charged is leaving.
        let is_leaving = self.state.link.protocol != Some(Protocol::V16)
            && self.connector_index(at).is_some_and(|index| {
                self.state.connectors[index].status == ConnectorStatus::Finishing
            });
        charging.unwrap_or(if is_leaving { ConnectorStatus::Finishing } else { reported })
    }

    /// Shows what a 2.x transaction says of its connector, when a car is there at all.
    pub(crate) fn show_charging_state(
        &mut self,
        at: ConnectorRef,
        charging_state: Option<&str>,
        received_at: UnixMs,
        facts: &mut Vec<Fact>,
    ) {
        let status = charging_state.and_then(charging_status).unwrap_or(ConnectorStatus::Preparing);
        self.show_status(at, status, received_at, facts);
    }

    /// Shows a session that began before we knew the charger: somebody is charging there, whatever
    /// the last status said (G1 goes by it). Only a fault or an outage is stronger.
    pub(crate) fn show_unknown_session(
        &mut self,
        at: ConnectorRef,
        updated: &TransactionUpdated,
        received_at: UnixMs,
        facts: &mut Vec<Fact>,
    ) {
        let Some(status) = updated.charging_state.as_deref().and_then(charging_status) else {
            return;
        };
        if let Some(index) = self.connector_index(at) {
            let connector = &mut self.state.connectors[index];
            let is_free =
                matches!(connector.status, ConnectorStatus::Available | ConnectorStatus::Unknown);
            if is_free {
                let from = connector.status;
                set_status(connector, status, received_at);
                facts.push(Fact::StatusChanged {
                    connector: connector.at,
                    from,
                    to: status,
                    error: connector.error.as_deref().cloned(),
                    historical: false,
                    since: received_at,
                });
                return;
            }
        }
        self.show_status(at, status, received_at, facts);
    }

    /// Shows a status that follows from a 2.x transaction.
    pub(crate) fn show_status(
        &mut self,
        at: ConnectorRef,
        status: ConnectorStatus,
        received_at: UnixMs,
        facts: &mut Vec<Fact>,
    ) {
        let Some(index) = self.connector_index(at) else { return };
        let connector = &mut self.state.connectors[index];
        let from = connector.status;
        // A fault or an outage is never painted over, and Available waits for its own report.
        if !from.is_plugged() || from == status {
            return;
        }
        set_status(connector, status, received_at);
        facts.push(Fact::StatusChanged {
            connector: connector.at,
            from,
            to: status,
            error: connector.error.as_deref().cloned(),
            historical: false,
            since: received_at,
        });
    }

    /// Keeps the 2.x faults that are there now (behaviour 63).
    pub(crate) fn fault(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        report: &FaultReport,
        facts: &mut Vec<Fact>,
    ) {
        let timing = self.time(settings, event, report.at, false);
        let Some(connector) = self.connector_entry(settings, report.connector) else { return };
        let faults = &mut connector.faults;
        let known = faults.iter().position(|fault| {
            fault.component == report.component && fault.variable == report.variable
        });
        let mut report = report.clone();
        if let Some(known) = known.map(|index| &faults[index])
            && report.code.is_none()
        {
            // A report of everything says that it is there, and not why: it is the same fault.
            report.code.clone_from(&known.code);
            report.info = report.info.or_else(|| known.info.clone());
            report.severity = report.severity.or(known.severity);
        }
        let report = &report;
        match (known, report.active) {
            (Some(index), true) => {
                // A severity that changed is news: it may be a danger now (G3).
                let is_repeat =
                    faults[index].code == report.code && faults[index].severity == report.severity;
                faults[index] = report.clone();
                if is_repeat {
                    return;
                }
            }
            (Some(index), false) => {
                faults.remove(index);
            }
            (None, true) => {
                if faults.len() >= settings.faults_max {
                    return;
                }
                faults.push(report.clone());
            }
            (None, false) => return,
        }
        // A fault from the queue is no reason to act; that one went away may always be told.
        if !(timing.historical && report.active) {
            facts.push(Fact::FaultChanged(report.clone()));
        }
    }
}

/// Sets a status and what follows from it.
fn set_status(connector: &mut ConnectorState, status: ConnectorStatus, since: UnixMs) {
    let was = connector.status;
    if was != status || connector.since.is_none() {
        connector.since = Some(since);
    }
    connector.status = status;
    if status.is_plugged() {
        connector.plugged_at.get_or_insert(since);
    } else if matches!(status, ConnectorStatus::Available | ConnectorStatus::Reserved) {
        connector.plugged_at = None;
        connector.power_w = None;
        connector.soc_percent = None;
    }
    // Faulted, Unavailable and Unknown say nothing of the cable: what was known stays (G3 asks
    // whether a car is plugged in while the connector is faulted).
}

/// The status of a 2.x charging state; `None` for those that are no more than plugged in.
fn charging_status(charging_state: &str) -> Option<ConnectorStatus> {
    match charging_state {
        "Charging" => Some(ConnectorStatus::Charging),
        "SuspendedEV" => Some(ConnectorStatus::SuspendedEv),
        "SuspendedEVSE" => Some(ConnectorStatus::SuspendedEvse),
        _ => None,
    }
}

/// Whether two reports name the same error. The free text beside it may carry a temperature and
/// change with every report.
fn is_same_error(known: Option<&ErrorReport>, reported: Option<&ErrorReport>) -> bool {
    match (known, reported) {
        (None, None) => true,
        (Some(known), Some(reported)) => {
            known.code == reported.code
                && known.vendor_code == reported.vendor_code
                && known.vendor_id == reported.vendor_id
        }
        _ => false,
    }
}

/// Whether two places are the same as far as both tell: an EVSE has one transaction at a time.
pub(crate) fn is_same_evse(one: ConnectorRef, other: ConnectorRef) -> bool {
    !one.is_charger() && one.evse == other.evse
}
