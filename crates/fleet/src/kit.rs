//! What the tests drive a fleet with.

use std::sync::Arc;

use mendpoint_model::{
    Boot, ChargerEvent, ChargerKey, ChargerState, Chargers, Connected, ConnectorRef,
    ConnectorState, ConnectorStatus, Disconnected, EventKind, Fact, FindingCode, LedgerLine,
    MeterReading, NoteKind, Protocol, SiteKey, StatusReport, TransactionEnded, TransactionId,
    TransactionStarted, TransactionUpdated, UnixMs,
};

use crate::{Fleet, FleetSettings};

pub(crate) const KEY: ChargerKey = ChargerKey(7);
pub(crate) const SITE: SiteKey = SiteKey(3);
pub(crate) const START: UnixMs = UnixMs(1_790_000_000_000);
pub(crate) const MIN: i64 = mendpoint_model::MINUTE_MS;

/// A fleet with one charger that is connected with epoch 1, and a clock.
pub(crate) struct Kit {
    pub(crate) fleet: Fleet,
    pub(crate) now: UnixMs,
    pub(crate) epoch: u64,
}

impl Kit {
    pub(crate) fn new() -> Self {
        let mut kit = Self::unconnected();
        kit.connect(1);
        kit
    }

    pub(crate) fn unconnected() -> Self {
        let mut fleet = Fleet::new(FleetSettings::default());
        fleet.register(KEY, SITE, Arc::from("CP-7"));
        Self { fleet, now: START, epoch: 1 }
    }

    pub(crate) fn connect(&mut self, epoch: u64) -> Vec<Fact> {
        self.epoch = epoch;
        self.event(epoch, connected(false))
    }

    pub(crate) fn after(&mut self, ms: i64) -> &mut Self {
        self.now = self.now + ms;
        self
    }

    pub(crate) fn event(&mut self, epoch: u64, kind: EventKind) -> Vec<Fact> {
        let event =
            ChargerEvent { charger: KEY, site: SITE, received_at: self.now, epoch, frame: 0, kind };
        let mut facts = Vec::new();
        self.fleet.apply(&event, &mut facts);
        facts
    }

    pub(crate) fn send(&mut self, kind: EventKind) -> Vec<Fact> {
        self.event(self.epoch, kind)
    }

    pub(crate) fn advance(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        self.fleet.advance(self.now, &mut facts);
        facts.into_iter().map(|(_, fact)| fact).collect()
    }

    /// What was found so far, and what of it was taken back, since this was asked last.
    pub(crate) fn found(&mut self) -> Vec<(i64, FindingCode, bool)> {
        let found = self.lines().into_iter().filter_map(|line| match line {
            LedgerLine::Found(id, finding) => Some((id.0, finding.code, true)),
            LedgerLine::Cleared(id, code) => Some((id.0, code, false)),
            _ => None,
        });
        found.collect()
    }

    /// The kinds of the notes since this was asked last.
    pub(crate) fn notes(&mut self) -> Vec<(i64, NoteKind)> {
        let notes = self.lines().into_iter().filter_map(|line| match line {
            LedgerLine::Note(id, note) => Some((id.0, note.kind)),
            _ => None,
        });
        notes.collect()
    }

    /// The lines of the ledger since this was asked last.
    pub(crate) fn lines(&mut self) -> Vec<LedgerLine> {
        self.fleet.take_lines().map(|(_, line)| line).collect()
    }

    pub(crate) fn state(&self) -> &ChargerState {
        self.fleet.charger(KEY).expect("the charger is registered")
    }

    pub(crate) fn connector(&self, number: u16) -> &ConnectorState {
        let at = ConnectorRef::v16(number);
        self.state().connectors.iter().find(|c| c.at == at).expect("the connector was reported")
    }

    /// The state goes to disk and comes back, as in a restart.
    pub(crate) fn restart(&mut self) {
        let state = self.state().clone();
        self.fleet = Fleet::new(FleetSettings::default());
        self.fleet.restore(self.now, state);
    }
}

pub(crate) fn connected(replaced: bool) -> EventKind {
    EventKind::Connected(Connected {
        protocol: Protocol::V16,
        remote: "192.0.2.7:40000".to_owned(),
        replaced,
        certificate_ends: None,
    })
}

pub(crate) fn disconnected(replaced: bool) -> EventKind {
    EventKind::Disconnected(Disconnected { reason: "closed".to_owned(), replaced })
}

pub(crate) fn boot() -> EventKind {
    EventKind::Boot(Boot { vendor: "ACME".to_owned(), ..Boot::default() })
}

pub(crate) fn status(number: u16, status: ConnectorStatus, at: Option<UnixMs>) -> EventKind {
    EventKind::Status(StatusReport {
        connector: ConnectorRef::v16(number),
        status,
        raw_status: None,
        error: None,
        at,
    })
}

pub(crate) fn start(id: i64, number: u16, at: Option<UnixMs>) -> TransactionStarted {
    TransactionStarted {
        id: TransactionId(id),
        external_id: String::new(),
        connector: ConnectorRef::v16(number),
        id_token: "TAG".to_owned(),
        meter_wh: Some(1_000),
        at,
        seq_no: 0,
        offline: false,
        charging_state: None,
    }
}

pub(crate) fn start2(id: i64, external_id: &str, charging_state: &str) -> TransactionStarted {
    TransactionStarted {
        external_id: external_id.to_owned(),
        charging_state: Some(charging_state.to_owned()),
        ..start(id, 1, None)
    }
}

pub(crate) fn update2(external_id: &str, seq_no: i64, charging_state: &str) -> TransactionUpdated {
    TransactionUpdated {
        external_id: external_id.to_owned(),
        connector: None,
        id_token: None,
        seq_no,
        offline: false,
        charging_state: Some(charging_state.to_owned()),
        trigger: "ChargingStateChanged".to_owned(),
        at: None,
    }
}

pub(crate) fn end(id: i64, external_id: &str, meter_wh: i64) -> TransactionEnded {
    TransactionEnded {
        id: TransactionId(id),
        external_id: external_id.to_owned(),
        connector: None,
        id_token: None,
        meter_wh: Some(meter_wh),
        reason: "Local".to_owned(),
        at: None,
        seq_no: 9,
        offline: false,
    }
}

pub(crate) fn meter(number: u16, energy_wh: f64, power_w: f64, at: Option<UnixMs>) -> MeterReading {
    MeterReading {
        connector: ConnectorRef::v16(number),
        at,
        energy_wh: Some(energy_wh),
        power_w: Some(power_w),
        ..MeterReading::default()
    }
}
