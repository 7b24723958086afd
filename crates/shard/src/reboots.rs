//! Chargers that start anew with open charges (1.6, behaviour 53): whether a charge goes on is not
//! known until its end comes, it is heard of again, or the wait is over. No rule about charges fires
//! before that, and nothing is stopped from afar.

use std::collections::BTreeSet;
use std::sync::Arc;

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::overseer::Overseer;
use mendpoint_incidents::{Effect, EngineSettings, IdSequence};
use mendpoint_model::{
    Action, Boot, ChargerEvent, ChargerKey, ChargerState, Chargers, Connected, ConnectorRef,
    ConnectorStatus, Disconnected, EventKind, Fact, MINUTE_MS, MeterReading, Protocol, SECOND_MS,
    SiteKey, StatusReport, Transaction, TransactionEnded, TransactionId, TransactionStarted,
    TransactionUpdated, UnixMs,
};

use crate::tests::delivered;
use crate::{Outputs, Shard};

const START: UnixMs = UnixMs(1_790_000_000_000);
/// Those of the site.
const CHARGERS: u32 = 50;
/// With others, where nothing happens: who starts anew is less than a fifth of the fleet.
const ALL: u32 = 300;

/// What a charger does about its open charge after the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// It sends the end late, from its queue.
    Ends,
    /// It goes on charging, and says so.
    Resumes,
    /// It is there, and never speaks of the charge again.
    Forgets,
    /// It never says a word again.
    Dies,
}

impl After {
    fn of(key: u32) -> Self {
        [Self::Ends, Self::Resumes, Self::Forgets, Self::Dies][key as usize % 4]
    }
}

/// A site of many chargers.
struct Site {
    shard: Shard,
    protocol: Protocol,
    pace: f64,
    out: Outputs,
    now: UnixMs,
    epoch: u64,
    /// Rule and charger of every incident.
    opened: BTreeSet<(String, u32)>,
    /// How charges ended: the charger's key, the reason, and when, from the boot on.
    closed: Vec<(u32, String)>,
    stops: usize,
    tickets: usize,
    causes: Vec<mendpoint_model::Cause>,
}

fn settings(pace: f64) -> (FleetSettings, EngineSettings) {
    (FleetSettings::default().paced(pace), EngineSettings { pace, ..EngineSettings::default() })
}

fn shard(pace: f64) -> Shard {
    let numbers = IdSequence { next: 1, step: 1 };
    let (fleet, engine) = settings(pace);
    let overseer = Overseer::beside(&engine);
    let mut shard =
        Shard::new(fleet, delivered(), engine, numbers, numbers).with_overseer(overseer);
    for key in 1..=ALL {
        shard.register(ChargerKey(key), site_of(key), Arc::from(format!("CP-{key}")));
    }
    shard
}

fn site_of(key: u32) -> SiteKey {
    SiteKey(if key <= CHARGERS { 1 } else { 2 })
}

impl Site {
    fn new(protocol: Protocol, pace: f64) -> Self {
        Self {
            shard: shard(pace),
            protocol,
            pace,
            out: Outputs::default(),
            now: START,
            epoch: 0,
            opened: BTreeSet::new(),
            closed: Vec::new(),
            stops: 0,
            tickets: 0,
            causes: Vec::new(),
        }
    }

    fn send(&mut self, key: u32, kind: EventKind) {
        let event = ChargerEvent {
            charger: ChargerKey(key),
            site: site_of(key),
            received_at: self.now,
            epoch: if key <= CHARGERS { self.epoch } else { 1 },
            frame: 0,
            kind,
        };
        self.shard.handle(event, &mut self.out);
        self.take();
    }

    fn all(&mut self, kind: impl Fn(u32) -> EventKind) {
        (1..=CHARGERS).for_each(|key| self.send(key, kind(key)));
    }

    /// Some minutes of the engine's clock pass; those that live say so each minute of ours.
    fn wait(&mut self, minutes: i64, lives: impl Fn(u32) -> bool) {
        let until = self.now + self.paced(minutes * MINUTE_MS);
        while self.now < until {
            self.now = (self.now + self.paced(MINUTE_MS)).min(until);
            self.shard.advance(self.now, &mut self.out);
            self.take();
            for key in (1..=ALL).filter(|key| lives(*key)) {
                self.send(key, EventKind::Heartbeat);
            }
        }
    }

    fn paced(&self, ms: i64) -> i64 {
        (ms as f64 * self.pace) as i64
    }

    fn take(&mut self) {
        for effect in &self.out.effects {
            match effect {
                Effect::Incident(incident) => {
                    self.opened.insert((incident.rule.clone(), incident.charger.0));
                    let outage = incident.ties.outage.as_deref();
                    self.causes.extend(outage.and_then(|outage| outage.cause));
                }
                Effect::OpenTicket(_) => self.tickets += 1,
                Effect::Send(command) => {
                    self.stops += usize::from(matches!(command.action, Action::RemoteStop { .. }));
                }
                _ => {}
            }
        }
        for (key, _, _, fact) in &self.out.facts {
            if let Fact::TransactionClosed { reason, .. } = fact {
                self.closed.push((key.0, reason.clone()));
            }
        }
        self.out = Outputs::default();
    }

    fn state(&self, key: u32) -> &ChargerState {
        self.shard.fleet().charger(ChargerKey(key)).expect("registered")
    }

    fn open(&self, key: u32) -> Option<&Transaction> {
        self.state(key).transactions.first()
    }

    /// The rules of the incidents so far.
    fn rules(&self) -> Vec<&str> {
        let mut rules: Vec<_> = self.opened.iter().map(|(rule, _)| rule.as_str()).collect();
        rules.dedup();
        rules
    }

    fn connect(&mut self) {
        self.epoch += 1;
        let protocol = self.protocol;
        self.all(|_| {
            EventKind::Connected(Connected {
                protocol,
                remote: "192.0.2.1:1".to_owned(),
                replaced: false,
                certificate_ends: None,
            })
        });
    }

    fn boot(&mut self) {
        let boot = Boot { vendor: "V".to_owned(), model: "M".to_owned(), ..Boot::default() };
        self.all(|_| EventKind::Boot(boot.clone()));
    }

    fn external_id(&self, key: u32) -> String {
        if self.protocol == Protocol::V16 { String::new() } else { format!("tx-{key}") }
    }

    /// Everybody charges for a quarter of an hour.
    fn charge(&mut self) {
        let is_v16 = self.protocol == Protocol::V16;
        self.connect();
        self.boot();
        let now = self.now;
        self.all(|_| status(ConnectorStatus::Available, now));
        (CHARGERS + 1..=ALL).for_each(|key| self.send(key, EventKind::Heartbeat));
        self.wait(5, |_| true);
        for key in 1..=CHARGERS {
            let started = TransactionStarted {
                id: TransactionId(0),
                external_id: self.external_id(key),
                connector: ConnectorRef::v16(1),
                id_token: format!("TAG-{key}"),
                meter_wh: Some(1_000),
                at: Some(self.now),
                seq_no: 0,
                offline: false,
                charging_state: (!is_v16).then(|| "Charging".to_owned()),
            };
            self.send(key, EventKind::TransactionStarted(started));
            self.send(key, status(ConnectorStatus::Charging, self.now));
        }
        for minute in 1..=15 {
            self.wait(1, |_| true);
            (1..=CHARGERS).for_each(|key| self.meter(key, 1_000.0 + f64::from(minute) * 100.0));
        }
    }

    fn meter(&mut self, key: u32, energy_wh: f64) {
        let transaction = self.open(key).map(|open| open.id);
        let at = Some(self.now);
        self.send(
            key,
            EventKind::Meter(MeterReading {
                connector: ConnectorRef::v16(1),
                transaction,
                at,
                energy_wh: Some(energy_wh),
                power_w: Some(6_000.0),
                ..MeterReading::default()
            }),
        );
    }

    /// Their power is lost for three seconds: shorter than any outage is told.
    fn start_anew(&mut self) {
        self.lose();
        self.now = self.now + 3 * SECOND_MS;
        self.shard.advance(self.now, &mut self.out);
        self.take();
        self.come_back();
    }

    fn lose(&mut self) {
        self.all(|_| {
            let reason = "connection reset".to_owned();
            EventKind::Disconnected(Disconnected { reason, replaced: false })
        });
    }

    fn come_back(&mut self) {
        self.connect();
        self.boot();
        let now = self.now;
        // The plugs are in, as far as the chargers can tell.
        self.all(|_| status(ConnectorStatus::Preparing, now));
    }

    fn end_late(&mut self, key: u32, at: UnixMs) {
        let Some(open) = self.open(key) else { return };
        let ended = TransactionEnded {
            id: open.id,
            external_id: self.external_id(key),
            connector: Some(ConnectorRef::v16(1)),
            id_token: None,
            meter_wh: Some(2_500),
            reason: "PowerLoss".to_owned(),
            at: Some(at),
            seq_no: 1,
            offline: self.protocol != Protocol::V16,
        };
        self.send(key, EventKind::TransactionEnded(ended));
        self.send(key, status(ConnectorStatus::Available, self.now));
    }

    fn resume(&mut self, key: u32) {
        if self.protocol == Protocol::V16 {
            self.send(key, status(ConnectorStatus::Charging, self.now));
            return;
        }
        let updated = TransactionUpdated {
            external_id: self.external_id(key),
            connector: Some(ConnectorRef::v16(1)),
            id_token: None,
            seq_no: 1,
            offline: false,
            charging_state: Some("Charging".to_owned()),
            trigger: "TxResumed".to_owned(),
            at: Some(self.now),
        };
        self.send(key, EventKind::TransactionUpdated(updated));
    }
}

fn status(status: ConnectorStatus, at: UnixMs) -> EventKind {
    EventKind::Status(StatusReport {
        connector: ConnectorRef::v16(1),
        status,
        raw_status: None,
        error: None,
        at: Some(at),
    })
}

fn lives(key: u32) -> bool {
    key > CHARGERS || After::of(key) != After::Dies
}

/// A site starts anew while everybody charges.
fn a_site_starts_anew(protocol: Protocol, pace: f64) {
    let mut site = Site::new(protocol, pace);
    site.charge();
    assert_eq!(site.rules(), [""; 0]);
    let lost_at = site.now;
    site.start_anew();
    assert!((1..=CHARGERS).all(|key| site.open(key).is_some_and(|tx| tx.interrupted.is_some())));
    site.wait(8, lives);
    // Nothing was said of the charges for eight minutes, longer than any rule about them waits.
    site.opened.retain(|(rule, _)| rule != "SITE_OUTAGE");
    assert_eq!(site.rules(), [""; 0], "{protocol:?}, pace {pace}");
    for key in 1..=CHARGERS {
        match After::of(key) {
            After::Ends => site.end_late(key, lost_at),
            After::Resumes => site.resume(key),
            After::Forgets | After::Dies => {}
        }
    }
    for minute in 1..=30 {
        site.wait(1, lives);
        for key in (1..=CHARGERS).filter(|key| After::of(*key) == After::Resumes) {
            site.meter(key, 2_500.0 + f64::from(minute) * 100.0);
        }
        if minute == 4 {
            // The cars of those that forgot are driven away.
            for key in (1..=CHARGERS).filter(|key| After::of(*key) == After::Forgets) {
                site.send(key, status(ConnectorStatus::Available, site.now));
            }
        }
    }
    site.opened.retain(|(rule, _)| rule != "SITE_OUTAGE");
    // Whoever is silent is offline; that is all.
    assert_eq!(site.rules(), ["CP_OFFLINE"], "{protocol:?}, pace {pace}");
    assert!(site.opened.iter().all(|(_, key)| After::of(*key) == After::Dies), "{:?}", site.opened);
    assert_eq!(site.stops, 0, "nothing is stopped");
    for key in 1..=CHARGERS {
        let how: Vec<_> =
            site.closed.iter().filter(|(of, _)| *of == key).map(|(_, how)| how.as_str()).collect();
        match After::of(key) {
            After::Ends => assert_eq!(how, ["PowerLoss"]),
            After::Resumes => {
                assert_eq!(how, [""; 0]);
                assert!(site.open(key).is_some_and(|tx| tx.resumed_at.is_some()));
            }
            After::Forgets | After::Dies => assert_eq!(how, ["Interrupted"]),
        }
    }
}

#[test]
fn b53_a_site_that_starts_anew_while_everybody_charges_opens_what_is_true_and_no_more() {
    a_site_starts_anew(Protocol::V16, 1.0);
    a_site_starts_anew(Protocol::V201, 1.0);
}

#[test]
fn b53_a_site_without_power_while_everybody_charges_is_one_incident() {
    let mut site = Site::new(Protocol::V16, 1.0);
    site.charge();
    let lost_at = site.now;
    site.lose();
    site.wait(20, |key| key > CHARGERS);
    site.come_back();
    site.wait(8, |_| true);
    (1..=CHARGERS).filter(|key| key % 2 == 0).for_each(|key| site.end_late(key, lost_at));
    site.wait(60, |_| true);
    let rules: Vec<_> = site.opened.iter().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(rules, ["SITE_OUTAGE"]);
    assert_eq!((site.stops, site.tickets), (0, 0));
    assert_eq!(site.closed.len(), CHARGERS as usize, "every charge has its end");
    assert_eq!(site.shard.engine().open().count(), 0);
    assert_eq!(site.causes.last(), Some(&mendpoint_model::Cause::Power));
}

#[test]
fn b53_the_wait_after_a_boot_follows_the_pace_as_the_rules_do() {
    a_site_starts_anew(Protocol::V16, 0.2);
}

#[test]
fn b53_a_charge_that_goes_on_and_then_stands_still_is_told_from_then_on() {
    let mut site = Site::new(Protocol::V16, 1.0);
    site.charge();
    site.start_anew();
    site.wait(8, |_| true);
    // One sample of its transaction: it goes on, and does not charge.
    let reading = MeterReading {
        connector: ConnectorRef::v16(1),
        transaction: site.open(1).map(|open| open.id),
        at: Some(site.now),
        energy_wh: Some(2_500.0),
        power_w: Some(0.0),
        ..MeterReading::default()
    };
    site.send(1, EventKind::Meter(reading));
    let zombies = |site: &Site| {
        site.opened
            .iter()
            .filter(|(rule, _)| rule == "ZOMBIE_TX")
            .map(|(_, key)| *key)
            .collect::<Vec<_>>()
    };
    site.wait(4, |_| true);
    assert_eq!(zombies(&site), [0; 0]);
    site.wait(2, |_| true);
    assert_eq!(zombies(&site), [1], "the others were closed");
}

#[test]
fn b53_what_was_told_before_the_boot_neither_acts_nor_ends_while_nothing_is_known() {
    let mut site = Site::new(Protocol::V16, 1.0);
    site.charge();
    site.send(1, status(ConnectorStatus::Available, site.now));
    for _ in 0..4 {
        site.wait(1, |_| true);
        (2..=CHARGERS).for_each(|key| site.meter(key, 3_000.0));
    }
    let lost_at = site.now;
    // It begins anew before it answers.
    while site.stops == 0 {
        site.wait(1, |_| true);
    }
    assert_eq!(site.rules(), ["ZOMBIE_TX"]);
    let stops = site.stops;
    let incident = |site: &Site| {
        let mut open = site.shard.engine().open().filter(|incident| incident.rule == "ZOMBIE_TX");
        open.next().cloned()
    };
    site.start_anew();
    site.wait(5, |_| true);
    assert!(incident(&site).is_some_and(|incident| incident.blind), "it waits");
    assert_eq!(site.stops, stops);
    site.end_late(1, lost_at);
    site.wait(6, |_| true);
    assert_eq!(incident(&site), None, "the end that came late is its end");
}

#[test]
fn b53_our_own_restart_keeps_what_is_in_doubt_in_doubt() {
    let mut site = Site::new(Protocol::V16, 1.0);
    site.charge();
    site.start_anew();
    site.wait(2, |_| true);
    site.resume(1);
    site.meter(1, 2_600.0);
    site.wait(1, |_| true);
    let states: Vec<_> = (1..=CHARGERS).map(|key| site.state(key).clone()).collect();
    site.shard = shard(1.0);
    for state in states {
        site.shard.restore_charger(site.now, state);
    }
    site.connect();
    site.now = site.now + SECOND_MS;
    // Its status after the restart says nothing: what it said before it does.
    site.all(|_| EventKind::Heartbeat);
    assert_eq!(site.open(1).and_then(|tx| tx.interrupted), None, "it had been heard of");
    site.wait(9, |_| true);
    assert!(site.open(2).is_some_and(|tx| tx.interrupted.is_some()), "ten minutes from our start");
    site.wait(2, |_| true);
    assert!(site.open(2).is_none());
    assert!(!site.rules().contains(&"ZOMBIE_TX"), "{:?}", site.rules());
}
