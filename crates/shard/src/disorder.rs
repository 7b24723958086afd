//! R15: messages that come twice and out of order, 10,000 histories of them. What the charger did
//! once stays one transaction, one record with the right energy, and one incident.

use std::collections::BTreeSet;

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::{Effect, EngineSettings, IdSequence};
use mendpoint_model::{
    Boot, ChargerEvent, ChargerKey, Chargers, Connected, ConnectorRef, ConnectorStatus,
    ErrorReport, EventKind, Fact, HOUR_MS, IncidentId, LedgerLine, MINUTE_MS, MeterReading,
    Protocol, SiteKey, StatusReport, TransactionEnded, TransactionId, TransactionStarted,
    TransactionUpdated, UnixMs,
};
use proptest::prelude::*;

use crate::tests::{FIRES, SILENT, catalogue};
use crate::{Outputs, Shard};

const START: UnixMs = UnixMs(1_790_000_000_000);
const CHARGER: ChargerKey = ChargerKey(1);
const SITE: SiteKey = SiteKey(1);
const AT: ConnectorRef = ConnectorRef { evse: 1, connector: 1 };
const ENERGY_WH: i64 = 12_345;

/// One message of the session, as the charger made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Start,
    /// Meter values, the n-th.
    Meter(u8),
    End,
    Fault,
}

/// How the network and the charger's own queue treat the messages: to each its delay in places, and
/// how often it is said.
#[derive(Clone, Debug)]
struct Disorder {
    meters: u8,
    delays: Vec<u8>,
    copies: Vec<u8>,
    gap_ms: Vec<i64>,
}

fn disorder() -> impl Strategy<Value = Disorder> {
    let many = |most: u8| proptest::collection::vec(0..most, 16);
    let gaps = proptest::collection::vec(1_i64..30_000, 64);
    (0_u8..8, many(12), many(3), gaps).prop_map(|(meters, delays, copies, gap_ms)| Disorder {
        meters,
        delays,
        copies,
        gap_ms,
    })
}

impl Disorder {
    /// The messages in the order in which they arrive. `start_first`: a charger of 1.6 cannot name
    /// its transaction before it was told the number.
    fn arrivals(&self, start_first: bool) -> Vec<Said> {
        let told = std::iter::once(Said::Start)
            .chain((0..self.meters).map(Said::Meter))
            .chain([Said::End]);
        let mut arrivals: Vec<(usize, Said)> = Vec::new();
        for (place, said) in told.enumerate() {
            for copy in 0..=usize::from(self.copies[place]) {
                // The first copy of a message in its turn or later, the others later still.
                let delay = usize::from(self.delays[(place + 5 * copy) % self.delays.len()]);
                let is_first_start = said == Said::Start && copy == 0 && start_first;
                arrivals.push((if is_first_start { 0 } else { 1 + place + delay + copy }, said));
            }
        }
        arrivals.sort_by_key(|&(place, _)| place);
        let faults = usize::from(self.copies[15]) + 1;
        let mut said: Vec<Said> = arrivals.into_iter().map(|(_, said)| said).collect();
        said.extend(std::iter::repeat_n(Said::Fault, faults));
        said
    }
}

/// What is left of it all.
struct World {
    shard: Shard,
    protocol: Protocol,
    now: UnixMs,
    number: TransactionId,
    records: BTreeSet<TransactionId>,
    orphans: usize,
    closed: Vec<(TransactionId, Option<f64>)>,
    incidents: BTreeSet<IncidentId>,
}

impl World {
    fn new(protocol: Protocol) -> Self {
        let numbers = IdSequence { next: 1, step: 1 };
        let catalogue = catalogue(&[FIRES, SILENT], "\"L4\"");
        let (fleet, engine) = (FleetSettings::default(), EngineSettings::default());
        let mut shard = Shard::new(fleet, catalogue, engine, numbers, numbers);
        shard.register(CHARGER, SITE, "CP-1".into());
        let mut world = Self {
            shard,
            protocol,
            now: START,
            number: TransactionId(0),
            records: BTreeSet::new(),
            orphans: 0,
            closed: Vec::new(),
            incidents: BTreeSet::new(),
        };
        let remote = String::new();
        world.take(EventKind::Connected(Connected {
            protocol,
            remote,
            replaced: false,
            certificate_ends: None,
        }));
        world.take(EventKind::Boot(Boot::default()));
        world
    }

    fn take(&mut self, kind: EventKind) {
        let mut out = Outputs::default();
        let (charger, site, received_at) = (CHARGER, SITE, self.now);
        let event = ChargerEvent { charger, site, received_at, epoch: 1, frame: 1, kind };
        self.shard.handle(event, &mut out);
        if let Some(number) = out.answer {
            self.number = number;
        }
        self.note(out);
    }

    /// Lets hours pass, so that everything that waits for something has given up.
    fn pass(&mut self, ms: i64) {
        let until = self.now + ms;
        while let Some(due) = self.shard.next_deadline().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            let mut out = Outputs::default();
            self.shard.advance(self.now, &mut out);
            self.note(out);
        }
        self.now = until;
    }

    fn note(&mut self, out: Outputs) {
        for (_, _, _, fact) in out.facts {
            match fact {
                Fact::TransactionOpened(transaction) => {
                    self.records.insert(transaction.id);
                }
                Fact::TransactionClosed { transaction, energy_wh, .. } => {
                    self.closed.push((transaction.id, energy_wh));
                }
                Fact::TransactionOrphaned { .. } => self.orphans += 1,
                _ => {}
            }
        }
        for (_, _, _, line) in out.lines {
            // An end that came before its start is kept, and taken back when the start comes.
            if let LedgerLine::Joined { .. } = line {
                self.orphans = self.orphans.saturating_sub(1);
            }
        }
        for effect in out.effects {
            if let Effect::Incident(incident) = effect {
                self.incidents.insert(incident.id);
            }
        }
    }

    fn say(&mut self, said: Said, meters: u8) {
        let is_v16 = self.protocol == Protocol::V16;
        let external_id = if is_v16 { String::new() } else { "S-1".to_owned() };
        let at = |minutes: u8| Some(START + i64::from(minutes) * 10_000);
        match said {
            Said::Start => self.take(EventKind::TransactionStarted(TransactionStarted {
                id: TransactionId(0),
                external_id,
                connector: AT,
                id_token: "TAG".to_owned(),
                meter_wh: Some(1_000),
                at: at(0),
                seq_no: 0,
                offline: false,
                charging_state: None,
            })),
            Said::Meter(n) => {
                if !is_v16 {
                    self.take(EventKind::TransactionUpdated(TransactionUpdated {
                        external_id,
                        connector: None,
                        id_token: None,
                        seq_no: i64::from(n) + 1,
                        offline: false,
                        charging_state: None,
                        trigger: "MeterValuePeriodic".to_owned(),
                        at: at(n + 1),
                    }));
                }
                let transaction = Some(self.number).filter(|_| is_v16);
                let energy_wh = Some(1_000.0 + 100.0 * f64::from(n));
                let connector = AT;
                let at = at(n + 1);
                let reading =
                    MeterReading { connector, transaction, at, energy_wh, ..Default::default() };
                self.take(EventKind::Meter(reading));
            }
            Said::End => self.take(EventKind::TransactionEnded(TransactionEnded {
                id: if is_v16 { self.number } else { TransactionId(0) },
                external_id,
                connector: None,
                id_token: None,
                meter_wh: Some(1_000 + ENERGY_WH),
                reason: "Local".to_owned(),
                at: at(meters + 1),
                seq_no: i64::from(meters) + 1,
                offline: false,
            })),
            Said::Fault => self.take(EventKind::Status(StatusReport {
                connector: AT,
                status: ConnectorStatus::Faulted,
                raw_status: None,
                error: Some(ErrorReport {
                    code: "InternalError".to_owned(),
                    ..ErrorReport::default()
                }),
                at: Some(self.now),
            })),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn r15_doubled_and_reordered_messages_are_one_transaction_one_record_and_one_incident(
        disorder in disorder(),
        is_v16 in any::<bool>(),
    ) {
        let protocol = if is_v16 { Protocol::V16 } else { Protocol::V201 };
        let mut world = World::new(protocol);
        let arrivals = disorder.arrivals(is_v16);
        for (said, gap_ms) in arrivals.iter().zip(disorder.gap_ms.iter().cycle()) {
            world.pass(*gap_ms);
            world.say(*said, disorder.meters);
        }
        world.pass(2 * MINUTE_MS);
        prop_assert_eq!(world.incidents.len(), 1, "{:?}", arrivals);
        world.pass(26 * HOUR_MS);
        prop_assert_eq!(world.records.len(), 1, "{:?}: {:?}", arrivals, world.records);
        prop_assert_eq!(world.orphans, 0, "{:?}", arrivals);
        prop_assert_eq!(world.closed.len(), 1, "{:?}: {:?}", arrivals, world.closed);
        prop_assert_eq!(world.closed[0].1, Some(ENERGY_WH as f64), "{:?}", arrivals);
        prop_assert!(world.shard.fleet().charger(CHARGER).is_some_and(|state| state.transactions.is_empty()));
    }
}
