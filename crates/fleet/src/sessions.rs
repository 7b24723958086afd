//! A test for each behaviour of real chargers around transactions. The number is the behaviour's.

use mendpoint_model::{
    Boot, ConnectorRef, ConnectorStatus, EventKind, Fact, FindingCode, MeterReading,
    TransactionEnded, TransactionId, TransactionStarted,
};

use crate::kit::{KEY, Kit, MIN, START, boot, end, meter, start, start2, status, update2};

use ConnectorStatus::{Charging, Preparing, SuspendedEv};

fn started(kit: &mut Kit, started: TransactionStarted) -> Vec<Fact> {
    kit.send(EventKind::TransactionStarted(started))
}

fn ended(kit: &mut Kit, ended: TransactionEnded) -> Vec<Fact> {
    kit.send(EventKind::TransactionEnded(ended))
}

#[test]
fn b32_a_retried_start_is_known_while_it_is_open_and_after_it_ended() {
    let mut kit = Kit::new();
    let first = start(41, 1, Some(START));
    assert_eq!(kit.fleet.known_transaction(KEY, &first), None);
    assert_eq!(started(&mut kit, first.clone()).len(), 1);
    let retry = TransactionStarted { id: TransactionId(0), ..first.clone() };
    assert_eq!(kit.fleet.known_transaction(KEY, &retry), Some(TransactionId(41)));
    for other in [
        TransactionStarted { connector: ConnectorRef::v16(2), ..retry.clone() },
        TransactionStarted { at: Some(START + 1_000), ..retry.clone() },
        TransactionStarted { id_token: "OTHER".into(), ..retry.clone() },
        TransactionStarted { meter_wh: Some(1_001), ..retry.clone() },
    ] {
        assert_eq!(kit.fleet.known_transaction(KEY, &other), None, "{other:?}");
    }
    ended(&mut kit, end(41, "", 1_500));
    assert_eq!(kit.fleet.known_transaction(KEY, &retry), Some(TransactionId(41)));
    assert!(started(&mut kit, first).is_empty(), "the same start opens nothing twice");
    assert!(kit.state().transactions.is_empty());
}

#[test]
fn b32_a_retried_start_is_known_after_a_restart() {
    let mut kit = Kit::new();
    let first = start(41, 1, Some(START));
    started(&mut kit, first.clone());
    kit.restart();
    assert_eq!(kit.fleet.known_transaction(KEY, &first), Some(TransactionId(41)));
    let other = start(0, 1, Some(START + 2_000));
    assert_eq!(kit.fleet.known_transaction(KEY, &other), None);
}

#[test]
fn b32_a_closed_one_read_back_from_disk_knows_its_retry_and_its_late_end() {
    let mut kit = Kit::new();
    let first = start(41, 1, Some(START));
    let facts = started(&mut kit, first.clone());
    let [Fact::TransactionOpened(transaction)] = &facts[..] else { panic!("{facts:?}") };
    let mut kit = Kit::unconnected();
    kit.fleet.restore_closed(KEY, transaction, START + MIN, "Interrupted");
    kit.connect(1);
    assert_eq!(kit.fleet.known_transaction(KEY, &first), Some(TransactionId(41)));
    let facts = ended(&mut kit, end(41, "", 1_400));
    assert!(matches!(
        facts[..],
        [Fact::TransactionClosed { historical: true, energy_wh: Some(400.0), .. }]
    ));
}

#[test]
fn b32_an_open_one_read_back_without_its_charger_goes_on() {
    let mut kit = Kit::new();
    let facts = started(&mut kit, start(41, 1, Some(START)));
    let [Fact::TransactionOpened(transaction)] = &facts[..] else { panic!("{facts:?}") };
    let mut kit = Kit::unconnected();
    kit.fleet.restore_transactions(KEY, vec![transaction.clone(), transaction.clone()]);
    kit.connect(1);
    assert_eq!(kit.state().transactions.len(), 1);
    let facts = ended(&mut kit, end(41, "", 1_400));
    assert!(matches!(facts[..], [Fact::TransactionClosed { historical: false, .. }]));
}

#[test]
fn b32_what_is_remembered_is_bounded() {
    let mut kit = Kit::new();
    for id in 1..=200 {
        let at = kit.after(MIN).now;
        started(&mut kit, start(id, 1, Some(at)));
        ended(&mut kit, end(id, "", 2_000));
    }
    let newest = start(0, 1, Some(kit.now));
    assert_eq!(kit.fleet.known_transaction(KEY, &newest), Some(TransactionId(200)));
    let oldest = start(0, 1, Some(START + MIN));
    assert_eq!(kit.fleet.known_transaction(KEY, &oldest), None);
}

#[test]
fn b45_strange_transaction_numbers_are_orphans_and_nothing_else() {
    let mut kit = Kit::new();
    started(&mut kit, start(41, 1, None));
    for id in [-1, 0, i64::MAX, i64::MIN, 42] {
        let facts = ended(&mut kit, end(id, "", 1_500));
        assert!(
            matches!(&facts[..], [Fact::TransactionOrphaned { id: told, .. }] if told.0 == id),
            "{facts:?}"
        );
    }
    assert_eq!(kit.state().transactions.len(), 1);
}

#[test]
fn a_stuck_charge_is_closed_here_marked_and_replaced_by_its_own_end() {
    let mut kit = Kit::new();
    started(&mut kit, start(41, 1, None));
    kit.after(MIN).send(EventKind::Meter(meter(1, 1_800.0, 0.0, None)));
    kit.after(30 * MIN);
    kit.fleet.give_up_stuck(KEY, TransactionId(41), kit.now);
    assert_eq!(kit.fleet.next_deadline(), Some(kit.now));
    // A restart between the decision and the closing loses nothing.
    kit.restart();
    assert_eq!(kit.fleet.next_deadline(), Some(kit.now));
    let facts = kit.advance();
    match &facts[..] {
        [Fact::TransactionClosed { reason, ended_at, energy_wh, historical: false, .. }] => {
            assert_eq!(reason, "Interrupted");
            assert_eq!(*ended_at, kit.now);
            assert_eq!(*energy_wh, Some(800.0));
        }
        other => panic!("{other:?}"),
    }
    assert!(kit.found().iter().any(|(id, code, _)| (*id, *code) == (41, FindingCode::EndNotTold)));
    assert!(kit.state().transactions.is_empty());
    assert_eq!(kit.fleet.next_deadline(), None);
    kit.connect(2);
    let facts = kit.after(MIN).event(2, EventKind::TransactionEnded(end(41, "", 1_900)));
    let [Fact::TransactionClosed { historical: true, energy_wh, .. }] = &facts[..] else {
        panic!("{facts:?}")
    };
    assert_eq!(*energy_wh, Some(900.0));
    kit.fleet.give_up_stuck(KEY, TransactionId(41), kit.now);
    assert!(kit.advance().is_empty(), "there is none of that number any more");
}

#[test]
fn a_charge_that_goes_on_after_it_was_closed_here_is_seen() {
    let mut kit = Kit::new();
    started(&mut kit, start2(41, "T", "Idle"));
    kit.fleet.give_up_stuck(KEY, TransactionId(41), kit.now);
    kit.advance();
    kit.send(status(1, ConnectorStatus::Available, None));
    kit.after(MIN).send(EventKind::TransactionUpdated(update2("T", 2, "Charging")));
    assert_eq!(kit.connector(1).status, Charging);
}

#[test]
fn b53_an_open_transaction_is_closed_ten_minutes_after_a_boot() {
    let mut kit = Kit::new();
    started(&mut kit, start(41, 1, None));
    kit.after(MIN).send(EventKind::Meter(meter(1, 1_800.0, 7_000.0, None)));
    kit.after(MIN).send(boot());
    assert_eq!(kit.fleet.next_deadline(), Some(START + 12 * MIN));
    assert!(kit.after(10 * MIN - 1).advance().is_empty());
    let facts = kit.after(1).advance();
    match &facts[..] {
        [Fact::TransactionClosed { reason, ended_at, energy_wh, historical: false, .. }] => {
            assert_eq!(reason, "Interrupted");
            assert_eq!(*ended_at, START + 2 * MIN);
            assert_eq!(*energy_wh, Some(800.0));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(kit.fleet.next_deadline(), None);
    // The queued end comes after all: history is corrected, once.
    let facts = kit.after(MIN).send(EventKind::TransactionEnded(end(41, "", 1_900)));
    match &facts[..] {
        [Fact::TransactionClosed { reason, energy_wh, historical: true, .. }] => {
            assert_eq!(reason, "Local");
            assert_eq!(*energy_wh, Some(900.0));
        }
        other => panic!("{other:?}"),
    }
    assert!(ended(&mut kit, end(41, "", 1_900)).is_empty());
}

#[test]
fn b53_something_else_that_is_due_sooner_closes_nothing() {
    let mut kit = Kit::new();
    started(&mut kit, start(41, 1, None));
    kit.after(MIN).send(boot());
    // A status that seems to come from a queue: looked at again after a minute.
    let an_hour_ago = kit.now - 60 * MIN;
    kit.send(status(2, ConnectorStatus::Available, Some(an_hour_ago)));
    assert_eq!(kit.fleet.next_deadline(), Some(START + 2 * MIN));
    kit.after(MIN).advance();
    assert_eq!(kit.state().transactions.len(), 1, "its ten minutes are not over");
    assert_eq!(kit.fleet.next_deadline(), Some(START + 11 * MIN));
}

#[test]
fn b53_the_late_end_in_time_closes_as_usual() {
    let mut kit = Kit::new();
    started(&mut kit, start(41, 1, None));
    kit.after(MIN).send(boot());
    let facts = kit.after(9 * MIN).send(EventKind::TransactionEnded(end(41, "", 1_500)));
    assert!(matches!(&facts[..], [Fact::TransactionClosed { reason, .. }] if reason == "Local"));
    assert!(kit.after(5 * MIN).advance().is_empty());
}

#[test]
fn b53_a_transaction_that_goes_on_after_the_boot_is_left_alone() {
    for evidence in [
        EventKind::Meter(MeterReading {
            transaction: Some(TransactionId(41)),
            ..meter(1, 1_100.0, 0.0, None)
        }),
        EventKind::Meter(meter(1, 1_100.0, 7_000.0, None)),
        status(1, Charging, None),
    ] {
        let mut kit = Kit::new();
        kit.send(status(1, Preparing, None));
        started(&mut kit, start(41, 1, None));
        kit.after(MIN).send(boot());
        kit.after(MIN).send(evidence.clone());
        assert!(kit.after(20 * MIN).advance().is_empty(), "{evidence:?}");
        assert_eq!(kit.state().transactions.len(), 1);
    }
}

#[test]
fn b53_a_boot_that_was_asked_for_interrupts_nothing() {
    let mut kit = Kit::new();
    started(&mut kit, start(41, 1, None));
    let reason = Some("Triggered".to_owned());
    kit.send(EventKind::Boot(Boot { reason, ..Boot::default() }));
    assert_eq!(kit.fleet.next_deadline(), None);
}

#[test]
fn b53_a_restart_of_ours_does_not_forget_the_interruption() {
    let mut kit = Kit::new();
    started(&mut kit, start(41, 1, None));
    kit.after(MIN).send(boot());
    // While we were away the end could not come: it is waited for from our start.
    kit.after(30 * MIN).restart();
    assert_eq!(kit.fleet.next_deadline(), Some(START + 41 * MIN));
    kit.after(10 * MIN);
    assert!(matches!(kit.advance()[..], [Fact::TransactionClosed { .. }]));
}

#[test]
fn b59_a_register_that_runs_backwards_gives_no_negative_energy() {
    let mut kit = Kit::new();
    started(&mut kit, start(41, 1, None));
    let facts = ended(&mut kit, end(41, "", 400));
    match &facts[..] {
        [Fact::TransactionClosed { transaction, energy_wh, .. }] => {
            assert_eq!(*energy_wh, Some(0.0));
            assert_eq!(transaction.meter_wh, Some(400.0), "the odd value is kept as evidence");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn b61_values_attach_by_place_and_time_and_never_resurrect() {
    let mut kit = Kit::new();
    kit.send(EventKind::Meter(meter(1, 900.0, 0.0, None)));
    assert!(kit.state().transactions.is_empty());
    started(&mut kit, start(41, 1, None));
    kit.send(EventKind::Meter(meter(2, 5_000.0, 3_000.0, None)));
    assert_eq!(kit.state().transactions[0].meter_wh, Some(1_000.0));
    kit.after(MIN).send(EventKind::Meter(meter(1, 1_300.0, 7_000.0, None)));
    let transaction = &kit.state().transactions[0];
    assert_eq!((transaction.meter_wh, transaction.had_power), (Some(1_300.0), true));
    // A sample from long before the start belongs to the session before.
    let before = Some(START - 4 * MIN);
    kit.send(EventKind::Meter(meter(1, 700.0, 0.0, before)));
    assert_eq!(kit.state().transactions[0].meter_wh, Some(1_300.0));
    ended(&mut kit, end(41, "", 1_300));
    started(&mut kit, start(42, 1, None));
    let straggler =
        MeterReading { transaction: Some(TransactionId(41)), ..meter(1, 1_299.0, 0.0, None) };
    kit.send(EventKind::Meter(straggler));
    assert_eq!(kit.state().transactions.len(), 1);
    assert_eq!(kit.state().transactions[0].meter_wh, Some(1_000.0));
}

#[test]
fn b61_idle_time_is_counted_from_the_first_sample_without_power() {
    let mut kit = Kit::new();
    started(&mut kit, start(41, 1, None));
    for (power_w, idle_since) in [
        (0.0, Some(START + MIN)),
        (20.0, Some(START + MIN)),
        (3_000.0, None),
        (49.0, Some(START + 4 * MIN)),
    ] {
        kit.after(MIN).send(EventKind::Meter(meter(1, 1_000.0, power_w, None)));
        assert_eq!(kit.state().transactions[0].idle_since, idle_since, "{power_w} W");
    }
}

#[test]
fn b62_updates_are_ordered_by_number_not_by_arrival() {
    let mut kit = Kit::new();
    kit.send(status(1, Preparing, None));
    started(&mut kit, start2(41, "tx-a", "EVConnected"));
    kit.send(EventKind::TransactionUpdated(update2("tx-a", 3, "SuspendedEV")));
    kit.send(EventKind::TransactionUpdated(update2("tx-a", 2, "Charging")));
    assert_eq!(kit.connector(1).status, SuspendedEv);
    assert_eq!(kit.state().transactions[0].seq_no, 3);
    assert!(kit.state().transactions[0].suspended_by_ev);
}

#[test]
fn b62_what_happened_offline_does_not_move_the_present() {
    let mut kit = Kit::new();
    kit.send(status(1, Preparing, None));
    let offline = TransactionStarted { offline: true, ..start2(41, "tx-a", "Charging") };
    let facts = started(&mut kit, offline);
    assert!(matches!(&facts[..], [Fact::TransactionOpened(t)] if t.offline), "{facts:?}");
    assert_eq!(kit.connector(1).status, Preparing);
    let facts = ended(&mut kit, TransactionEnded { offline: true, ..end(0, "tx-a", 1_200) });
    assert!(matches!(facts[..], [Fact::TransactionClosed { historical: true, .. }]), "{facts:?}");
}

#[test]
fn b62_a_session_that_began_before_us_is_shown_until_it_ends() {
    let mut kit = Kit::new();
    kit.send(status(1, ConnectorStatus::Available, None));
    let updated = mendpoint_model::TransactionUpdated {
        connector: Some(mendpoint_model::ConnectorRef::v16(1)),
        ..update2("tx-before", 7, "Charging")
    };
    kit.send(EventKind::TransactionUpdated(updated));
    assert_eq!(kit.connector(1).status, Charging);
    let over = TransactionEnded {
        connector: Some(mendpoint_model::ConnectorRef::v16(1)),
        ..end(0, "tx-before", 5_000)
    };
    ended(&mut kit, over);
    assert_eq!(kit.connector(1).status, ConnectorStatus::Finishing);
}

#[test]
fn b62_an_end_that_overtakes_its_start_ends_it() {
    let mut kit = Kit::new();
    ended(&mut kit, end(0, "tx-a", 1_200));
    let facts = started(&mut kit, start2(41, "tx-a", "Charging"));
    assert!(matches!(
        facts.last(),
        Some(Fact::TransactionClosed { .. } | Fact::StatusChanged { .. })
    ));
    assert!(kit.state().transactions.is_empty(), "nobody is charging any more");
}

#[test]
fn b62_an_end_without_a_start_is_kept_as_an_orphan() {
    let mut kit = Kit::new();
    let facts = ended(&mut kit, end(0, "tx-unknown", 1_200));
    assert!(matches!(
        &facts[..],
        [Fact::TransactionOrphaned { external_id, .. }] if external_id == "tx-unknown"
    ));
}

#[test]
fn b62_a_missing_connector_is_the_evses_own_and_not_connector_1() {
    let mut kit = Kit::new();
    let second = ConnectorRef { evse: 1, connector: 2 };
    let mut report = match status(1, Preparing, None) {
        EventKind::Status(report) => report,
        other => panic!("{other:?}"),
    };
    report.connector = second;
    kit.send(EventKind::Status(report));
    let reading = MeterReading {
        connector: ConnectorRef { evse: 1, connector: 0 },
        ..meter(1, 10.0, 7_000.0, None)
    };
    let facts = kit.send(EventKind::Meter(reading));
    assert!(matches!(facts[..], [Fact::Metered { connector, .. }] if connector == second));
    assert_eq!(kit.state().connectors.len(), 1);
}

#[test]
fn a_start_on_an_evse_ends_the_transaction_that_was_forgotten_there() {
    let mut kit = Kit::new();
    started(&mut kit, start(41, 1, Some(START)));
    started(&mut kit, start(42, 2, Some(START)));
    let facts = kit.after(MIN).send(EventKind::TransactionStarted(start(43, 1, Some(START + MIN))));
    assert!(matches!(
        &facts[..],
        [Fact::TransactionClosed { transaction, .. }, Fact::TransactionOpened(_)]
            if transaction.id == TransactionId(41)
    ));
    assert_eq!(kit.state().transactions.len(), 2);
}
