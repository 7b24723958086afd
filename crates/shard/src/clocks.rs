//! Chargers whose clocks are wrong, by seconds or by decades (R14): they count as connected, no
//! incident but one about a clock is opened, and what they charge is never less than nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::{Effect, EngineSettings, IdSequence};
use mendpoint_model::{
    Boot, ChargerEvent, ChargerKey, Chargers, Connected, ConnectorRef, ConnectorStatus, DAY_MS,
    EventKind, Fact, HOUR_MS, MINUTE_MS, MeterReading, Protocol, SECOND_MS, SiteKey, StatusReport,
    TransactionEnded, TransactionId, TransactionStarted, UnixMs,
};

use crate::tests::delivered;
use crate::{Outputs, Shard};

const START: UnixMs = UnixMs(1_790_000_000_000);
/// 2038-01-19T03:14:07Z, the end of a signed 32-bit clock.
const YEAR_2038: UnixMs = UnixMs(2_147_483_647_000);

/// One of many chargers with the same kind of clock.
struct Fleet {
    shard: Shard,
    out: Outputs,
    now: UnixMs,
    opened: BTreeSet<String>,
    energies: Vec<Option<f64>>,
}

const CHARGERS: u32 = 20;

impl Fleet {
    fn new() -> Self {
        let numbers = IdSequence { next: 1, step: 1 };
        let mut shard = Shard::new(
            FleetSettings::default(),
            delivered(),
            EngineSettings::default(),
            numbers,
            numbers,
        );
        for key in 1..=CHARGERS {
            shard.register(ChargerKey(key), SiteKey(1), Arc::from(format!("CP-{key}")));
        }
        let (out, now) = (Outputs::default(), START);
        Self { shard, out, now, opened: BTreeSet::new(), energies: Vec::new() }
    }

    /// Every charger sends this; `kind` is given its key and the number of its transaction.
    fn all(&mut self, kind: impl Fn(u32, TransactionId) -> EventKind) {
        for key in 1..=CHARGERS {
            let charger = ChargerKey(key);
            let open = self.shard.fleet().charger(charger);
            let open = open.and_then(|state| state.transactions.first().map(|open| open.id));
            let event = ChargerEvent {
                charger,
                site: SiteKey(1),
                received_at: self.now,
                epoch: 1,
                frame: 0,
                kind: kind(key, open.unwrap_or_default()),
            };
            self.shard.handle(event, &mut self.out);
            self.take();
        }
    }

    fn wait(&mut self, ms: i64) {
        self.now = self.now + ms;
        self.shard.advance(self.now, &mut self.out);
        self.take();
    }

    fn take(&mut self) {
        for effect in &self.out.effects {
            if let Effect::Incident(incident) = effect {
                self.opened.insert(incident.rule.clone());
            }
        }
        for (_, _, _, fact) in &self.out.facts {
            if let Fact::TransactionClosed { energy_wh, .. } = fact {
                self.energies.push(*energy_wh);
            }
        }
        self.out = Outputs::default();
    }
}

/// What their clocks show at a moment.
type Clock = fn(UnixMs) -> Option<UnixMs>;

fn status(connector: u16, status: ConnectorStatus, at: Option<UnixMs>) -> EventKind {
    EventKind::Status(StatusReport {
        connector: ConnectorRef::v16(connector),
        status,
        raw_status: None,
        error: None,
        at,
    })
}

/// An hour of charging of every charger, by clocks that show what `before` says, and `after` from
/// half of the session on.
fn an_hour(name: &str, before: Clock, after: Clock) {
    let mut fleet = Fleet::new();
    fleet.all(|_, _| {
        EventKind::Connected(Connected {
            protocol: Protocol::V16,
            remote: "192.0.2.1:1".to_owned(),
            replaced: false,
            certificate_ends: None,
        })
    });
    fleet.wait(SECOND_MS);
    let boot = Boot { vendor: "V".to_owned(), model: "M".to_owned(), ..Boot::default() };
    fleet.all(|_, _| EventKind::Boot(boot.clone()));
    let at = before(fleet.now);
    fleet.all(|_, _| status(1, ConnectorStatus::Available, at));
    fleet.wait(5 * MINUTE_MS);
    let at = before(fleet.now);
    fleet.all(|_, _| status(1, ConnectorStatus::Preparing, at));
    fleet.all(|key, _| {
        EventKind::TransactionStarted(TransactionStarted {
            id: TransactionId(0),
            external_id: String::new(),
            connector: ConnectorRef::v16(1),
            id_token: format!("TAG-{key}"),
            meter_wh: Some(1_000),
            at,
            seq_no: 0,
            offline: false,
            charging_state: None,
        })
    });
    fleet.all(|_, _| status(1, ConnectorStatus::Charging, at));
    for minute in 1..=60 {
        fleet.wait(MINUTE_MS);
        let clock = if minute <= 30 { before } else { after };
        let at = clock(fleet.now);
        fleet.all(|_, _| EventKind::Heartbeat);
        fleet.all(|_, id| {
            EventKind::Meter(MeterReading {
                connector: ConnectorRef::v16(1),
                transaction: Some(id),
                at,
                energy_wh: Some(1_000.0 + f64::from(minute) * 100.0),
                power_w: Some(6_000.0),
                ..MeterReading::default()
            })
        });
        for key in (1..=CHARGERS).map(ChargerKey) {
            let state = fleet.shard.fleet().charger(key).expect("registered");
            assert!(state.link.connected, "{name}: offline after {minute} min");
            assert_eq!(state.transactions.len(), 1, "{name}: {minute} min");
        }
    }
    let at = after(fleet.now);
    fleet.all(|_, id| {
        EventKind::TransactionEnded(TransactionEnded {
            id,
            external_id: String::new(),
            connector: None,
            id_token: None,
            meter_wh: Some(7_000),
            reason: "Local".to_owned(),
            at,
            seq_no: 0,
            offline: false,
        })
    });
    fleet.all(|_, _| status(1, ConnectorStatus::Available, at));
    fleet.wait(2 * MINUTE_MS);
    assert_eq!(fleet.energies, vec![Some(6_000.0); CHARGERS as usize], "{name}");
    fleet.opened.retain(|rule| !rule.starts_with("CLOCK_DRIFT"));
    assert_eq!(fleet.opened, BTreeSet::new(), "{name}: nothing is wrong with them but the clock");
    let connector =
        |key| fleet.shard.fleet().charger(key).expect("registered").connectors[0].status;
    for key in (1..=CHARGERS).map(ChargerKey) {
        assert_eq!(connector(key), ConnectorStatus::Available, "{name}");
    }
}

#[test]
fn r14_wrong_clocks_are_no_mass_offline_and_no_negative_energy() {
    let clocks: [(&str, Clock); 11] = [
        ("right", Some),
        ("10 s slow", |now| Some(now - 10 * SECOND_MS)),
        ("10 s fast", |now| Some(now + 10 * SECOND_MS)),
        ("an hour slow", |now| Some(now - HOUR_MS)),
        ("an hour fast", |now| Some(now + HOUR_MS)),
        ("a day slow", |now| Some(now - DAY_MS)),
        ("a day fast", |now| Some(now + DAY_MS)),
        ("1970", |now| Some(UnixMs(now.since_ms(START)))),
        ("2038", |now| Some(YEAR_2038 + now.since_ms(START))),
        ("before 1970", |now| Some(UnixMs(i64::MIN / 2) + now.since_ms(START))),
        ("none", |_| None),
    ];
    for (name, clock) in clocks {
        an_hour(name, clock, clock);
        an_hour(&format!("{name}, then set right"), clock, Some);
        an_hour(&format!("right, then {name}"), Some, clock);
    }
}
