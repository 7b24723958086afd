//! What holds for every sequence of events whatever.

use std::sync::Arc;

use mendpoint_model::{
    Boot, ChargerEvent, Chargers, ConnectorRef, ConnectorStatus, EventKind, Fact, FaultReport,
    MeterReading, SignalReading, SignalUnit, StatusReport, TransactionEnded, TransactionId,
    TransactionStarted, TransactionUpdated, Transport, UnixMs,
};
use proptest::prelude::*;

use crate::kit::{KEY, Kit, SITE, START, connected, disconnected};
use crate::slot::Slot;
use crate::{Fleet, FleetSettings};

fn time() -> impl Strategy<Value = Option<UnixMs>> {
    prop_oneof![
        Just(None),
        (-7_200_000_i64..7_200_000).prop_map(|ms| Some(START + ms)),
        any::<i64>().prop_map(|ms| Some(UnixMs(ms))),
    ]
}

fn place() -> impl Strategy<Value = ConnectorRef> {
    prop_oneof![
        4 => (0_u16..4).prop_map(ConnectorRef::v16),
        1 => any::<(u16, u16)>().prop_map(|(evse, connector)| ConnectorRef { evse, connector }),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..20_000.0_f64, any::<f64>()]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("tx-a".to_owned()), Just("tx-b".to_owned())]
}

fn charging_state() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(prop_oneof![
        Just("Charging".to_owned()),
        Just("SuspendedEV".to_owned()),
        Just("Idle".to_owned()),
    ])
}

fn connector_status() -> impl Strategy<Value = ConnectorStatus> {
    proptest::sample::select(vec![
        ConnectorStatus::Available,
        ConnectorStatus::Preparing,
        ConnectorStatus::Charging,
        ConnectorStatus::SuspendedEv,
        ConnectorStatus::Faulted,
        ConnectorStatus::Unknown,
    ])
}

fn kind() -> impl Strategy<Value = EventKind> {
    let id = || prop_oneof![4 => 0_i64..6, 1 => any::<i64>()].prop_map(TransactionId);
    let meter_wh = || proptest::option::of(prop_oneof![0_i64..5_000, any::<i64>()]);
    prop_oneof![
        any::<bool>().prop_map(connected),
        any::<bool>().prop_map(disconnected),
        Just(EventKind::Heartbeat),
        proptest::option::of(Just("Triggered".to_owned()))
            .prop_map(|reason| EventKind::Boot(Boot { reason, ..Boot::default() })),
        (place(), connector_status(), time()).prop_map(|(connector, status, at)| {
            EventKind::Status(StatusReport { connector, status, raw_status: None, error: None, at })
        }),
        (place(), any::<bool>(), time()).prop_map(|(connector, active, at)| {
            EventKind::Fault(FaultReport {
                connector,
                component: "Connector".to_owned(),
                variable: "Problem".to_owned(),
                active,
                code: None,
                info: None,
                severity: None,
                at,
            })
        }),
        (id(), name(), place(), meter_wh(), time(), any::<bool>(), charging_state()).prop_map(
            |(id, external_id, connector, meter_wh, at, offline, charging_state)| {
                EventKind::TransactionStarted(TransactionStarted {
                    id,
                    external_id,
                    connector,
                    id_token: "TAG".to_owned(),
                    meter_wh,
                    at,
                    seq_no: 0,
                    offline,
                    charging_state,
                })
            }
        ),
        (name(), any::<i64>(), time(), any::<bool>(), charging_state()).prop_map(
            |(external_id, seq_no, at, offline, charging_state)| {
                EventKind::TransactionUpdated(TransactionUpdated {
                    external_id,
                    connector: None,
                    id_token: None,
                    seq_no,
                    offline,
                    charging_state,
                    trigger: String::new(),
                    at,
                })
            }
        ),
        (id(), name(), meter_wh(), time(), any::<bool>()).prop_map(
            |(id, external_id, meter_wh, at, offline)| {
                EventKind::TransactionEnded(TransactionEnded {
                    id,
                    external_id,
                    connector: None,
                    id_token: None,
                    meter_wh,
                    reason: "Local".to_owned(),
                    at,
                    seq_no: 1,
                    offline,
                })
            }
        ),
        (place(), proptest::option::of(id()), number(), number(), time()).prop_map(
            |(connector, transaction, energy_wh, power_w, at)| {
                EventKind::Meter(MeterReading {
                    connector,
                    transaction,
                    at,
                    energy_wh: Some(energy_wh),
                    power_w: Some(power_w),
                    ..MeterReading::default()
                })
            }
        ),
        number().prop_map(|value| {
            let transport = Transport::Wifi;
            EventKind::Signal(SignalReading { transport, value, unit: SignalUnit::RssiDbm })
        }),
    ]
}

/// Steps of time, connection numbers and events.
fn history() -> impl Strategy<Value = Vec<(i64, u64, EventKind)>> {
    proptest::collection::vec((0_i64..900_000, 0_u64..4, kind()), 0..80)
}

/// Folds a history and gives all facts.
fn fold(kit: &mut Kit, history: &[(i64, u64, EventKind)]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (step_ms, epoch, kind) in history {
        kit.after(*step_ms);
        facts.extend(kit.advance());
        facts.extend(kit.event(*epoch, kind.clone()));
    }
    facts
}

proptest! {
    #[test]
    fn no_history_panics_and_energy_is_never_negative(history in history()) {
        let mut kit = Kit::unconnected();
        for fact in fold(&mut kit, &history) {
            if let Fact::TransactionClosed { energy_wh: Some(energy_wh), transaction, ended_at, .. } = fact {
                prop_assert!(energy_wh >= 0.0, "{energy_wh}");
                prop_assert!(transaction.started_at <= transaction.opened_at);
                prop_assert!(ended_at <= kit.now);
            }
        }
        let settings = FleetSettings::default();
        let state = kit.state();
        prop_assert!(state.transactions.len() <= settings.open_transactions_max);
        prop_assert!(state.connectors.len() <= settings.connectors_max);
        prop_assert!(state.connectors.is_sorted_by_key(|connector| connector.at));
    }

    #[test]
    fn the_same_history_gives_the_same_facts(history in history()) {
        let (mut one, mut other) = (Kit::unconnected(), Kit::unconnected());
        prop_assert_eq!(
            format!("{:?}", fold(&mut one, &history)),
            format!("{:?}", fold(&mut other, &history))
        );
    }

    #[test]
    fn a_transaction_is_opened_once_and_closed_at_most_once_live(history in history()) {
        let mut kit = Kit::unconnected();
        let facts = fold(&mut kit, &history);
        let mut open = std::collections::BTreeSet::new();
        for fact in facts {
            match fact {
                Fact::TransactionOpened(transaction) => {
                    prop_assert!(open.insert(transaction.id), "{} opened twice", transaction.id);
                }
                Fact::TransactionClosed { transaction, historical, .. } => {
                    let was_open = open.remove(&transaction.id);
                    prop_assert!(was_open || historical, "{} was not open", transaction.id);
                }
                _ => {}
            }
        }
        let known: std::collections::BTreeSet<_> =
            kit.state().transactions.iter().map(|transaction| transaction.id).collect();
        prop_assert_eq!(open, known);
    }

    #[test]
    fn an_older_connection_moves_nothing_live(kind in kind()) {
        let mut kit = Kit::new();
        kit.connect(5);
        let before = kit.state().clone();
        kit.after(1_000);
        kit.event(3, kind);
        let after = kit.state();
        prop_assert_eq!(&after.link, &before.link);
        prop_assert_eq!(&after.boot, &before.boot);
        prop_assert_eq!(&after.whole, &before.whole);
        prop_assert_eq!(after.clock_skew_ms, before.clock_skew_ms);
        // A place may become known; what is shown of it stays.
        for connector in &after.connectors {
            prop_assert_eq!(connector.status, ConnectorStatus::Unknown);
            prop_assert!(connector.faults.is_empty() && connector.power_w.is_none());
        }
    }
}

#[test]
fn a_charger_takes_no_more_than_a_kilobyte() {
    // One byte more, and the allocator gives each 1,280.
    assert!(size_of::<Slot>() <= 1_024, "{} bytes", size_of::<Slot>());
}

#[test]
fn chargers_are_found_by_site_in_the_order_of_their_keys() {
    let mut fleet = Fleet::new(FleetSettings::default());
    for key in [9, 2, 5, 7] {
        fleet.register(mendpoint_model::ChargerKey(key), SITE, Arc::from("CP"));
    }
    let keys = |fleet: &Fleet| fleet.of_site(SITE).iter().map(|key| key.0).collect::<Vec<_>>();
    assert_eq!(keys(&fleet), [2, 5, 7, 9]);
    assert_eq!(fleet.keys(), [2, 5, 7, 9].map(mendpoint_model::ChargerKey));
    assert!(fleet.remove(mendpoint_model::ChargerKey(2)));
    assert!(!fleet.remove(mendpoint_model::ChargerKey(2)));
    assert_eq!(keys(&fleet), [5, 7, 9]);
    fleet.register(KEY, mendpoint_model::SiteKey(4), Arc::from("CP"));
    assert_eq!(keys(&fleet), [5, 9]);
    assert_eq!(fleet.len(), 3);
    let event = ChargerEvent {
        charger: KEY,
        site: SITE,
        received_at: START,
        epoch: 1,
        frame: 0,
        kind: connected(false),
    };
    let mut facts = Vec::new();
    fleet.apply(&event, &mut facts);
    assert_eq!(facts.len(), 1, "a charger is still found after another one was removed");
}
