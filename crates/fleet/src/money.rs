//! Nothing that was charged is lost: ends without a start, ends that came twice or late, messages
//! that never came, values after the end. The number is the behaviour's.

use mendpoint_model::{
    ConnectorRef, EventKind, Fact, FindingCode, HOUR_MS, LedgerLine, MeterReading, NoteKind,
    ONLY_UPDATES, TransactionEnded, TransactionId, TransactionStarted, TransactionUpdated,
};

use crate::kit::{Kit, MIN, START, boot, end, meter, start, start2, update2};

use FindingCode as Code;

fn begin(kit: &mut Kit, started: TransactionStarted) -> Vec<Fact> {
    kit.send(EventKind::TransactionStarted(started))
}

fn finish(kit: &mut Kit, ended: TransactionEnded) -> Vec<Fact> {
    kit.send(EventKind::TransactionEnded(ended))
}

fn energy(facts: &[Fact]) -> Option<f64> {
    facts.iter().find_map(|fact| match fact {
        Fact::TransactionClosed { energy_wh, .. } => *energy_wh,
        _ => None,
    })
}

#[test]
fn b58_an_end_of_an_unknown_transaction_is_kept_whole() {
    let mut kit = Kit::new();
    let sent = TransactionEnded { id_token: Some("TAG".to_owned()), ..end(812, "", 9_500) };
    let facts = finish(&mut kit, sent.clone());
    let [Fact::TransactionOrphaned { id, ended, .. }] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!((*id, &**ended), (TransactionId(812), &sent), "register, card and reason are kept");
}

#[test]
fn b59_a_second_end_changes_nothing_and_another_one_is_hard() {
    let mut kit = Kit::new();
    begin(&mut kit, start(41, 1, Some(START)));
    finish(&mut kit, end(41, "", 1_500));
    kit.lines();
    assert!(finish(&mut kit, end(41, "", 1_500)).is_empty(), "answered, and that is all");
    assert_eq!(kit.notes(), [(41, NoteKind::EndedAgain)]);
    assert!(finish(&mut kit, end(41, "", 1_900)).is_empty(), "the first end stands");
    assert_eq!(kit.found(), [(41, Code::EndTwice, true)]);
    assert!(Code::EndTwice.is_hard());
}

#[test]
fn b59_a_second_end_is_known_after_a_restart_too() {
    let mut kit = Kit::new();
    let facts = begin(&mut kit, start(41, 1, Some(START)));
    let [Fact::TransactionOpened(opened)] = &facts[..] else { panic!("{facts:?}") };
    let mut closed = opened.clone();
    closed.meter_wh = Some(1_500.0);
    let mut kit = Kit::unconnected();
    kit.fleet.restore_closed(crate::kit::KEY, &closed, START + MIN, "Local");
    kit.connect(1);
    assert!(finish(&mut kit, end(41, "", 1_500)).is_empty());
    assert!(kit.found().is_empty());
    assert!(finish(&mut kit, end(41, "", 1_800)).is_empty());
    assert_eq!(kit.found(), [(41, Code::EndTwice, true)]);
}

#[test]
fn b59_a_stop_before_its_start_ends_it_when_it_comes() {
    let mut kit = Kit::new();
    let stop = TransactionEnded {
        id_token: Some("TAG".to_owned()),
        at: Some(START + 30 * MIN),
        ..end(-1, "", 5_000)
    };
    kit.after(HOUR_MS);
    let facts = finish(&mut kit, stop.clone());
    assert!(matches!(facts[..], [Fact::TransactionOrphaned { .. }]), "{facts:?}");
    // Somebody else's start, and one that began later, are not what was stopped.
    let other = TransactionStarted { id_token: "OTHER".into(), ..start(40, 2, Some(START)) };
    assert_eq!(begin(&mut kit, other).len(), 1);
    kit.lines();
    let facts = begin(&mut kit, start(41, 1, Some(START)));
    assert_eq!(energy(&facts), Some(4_000.0), "{facts:?}");
    assert_eq!(kit.state().transactions.len(), 1, "the other one runs on");
    let lines = kit.lines();
    assert!(lines.iter().any(|line| matches!(
        line,
        LedgerLine::Joined { transaction: TransactionId(41), sent: TransactionId(-1), .. }
    )));
    assert!(lines.iter().any(
        |line| matches!(line, LedgerLine::Found(_, finding) if finding.code == Code::EndFirst)
    ));
}

#[test]
fn b59_a_stop_by_another_card_is_soft_and_by_the_same_one_is_nothing() {
    for (card, found) in [("tag", false), ("OTHER", true)] {
        let mut kit = Kit::new();
        begin(&mut kit, start(41, 1, Some(START)));
        kit.after(MIN);
        let stop = TransactionEnded { id_token: Some(card.to_owned()), ..end(41, "", 1_100) };
        finish(&mut kit, stop);
        let codes: Vec<_> = kit.found().into_iter().map(|(_, code, _)| code).collect();
        assert_eq!(codes.contains(&Code::StoppedByOther), found, "{card}: {codes:?}");
    }
}

#[test]
fn b59_a_register_below_the_start_is_hard_and_kept() {
    let mut kit = Kit::new();
    begin(&mut kit, start(41, 1, Some(START)));
    kit.after(MIN);
    let over = TransactionEnded { at: Some(kit.now), ..end(41, "", 400) };
    assert_eq!(energy(&finish(&mut kit, over)), Some(0.0));
    assert_eq!(kit.found(), [(41, Code::RegisterBackwards, true)]);
}

#[test]
fn b59_two_transactions_at_once_on_a_connector_are_found() {
    let mut kit = Kit::new();
    begin(&mut kit, start(41, 1, Some(START)));
    kit.after(HOUR_MS);
    let now = kit.now;
    finish(&mut kit, TransactionEnded { at: Some(now), ..end(41, "", 9_000) });
    kit.lines();
    // From the queue: it says to have begun while the first one ran.
    begin(&mut kit, start(42, 1, Some(START + 30 * MIN)));
    kit.after(MIN);
    let now = kit.now;
    finish(&mut kit, TransactionEnded { at: Some(now), ..end(42, "", 9_000) });
    let found = kit.found();
    assert!(found.contains(&(42, Code::Overlap, true)), "{found:?}");
}

#[test]
fn b59_an_absurd_clock_is_found_and_hides_no_end_before_the_start() {
    let mut kit = Kit::new();
    begin(&mut kit, start(41, 1, Some(mendpoint_model::UnixMs(0))));
    kit.after(MIN);
    let now = kit.now;
    finish(&mut kit, TransactionEnded { at: Some(now - 4 * MIN), ..end(41, "", 1_100) });
    assert_eq!(kit.found(), [(41, Code::ClockOdd, true)]);
    begin(&mut kit, start(42, 1, Some(now)));
    finish(&mut kit, TransactionEnded { at: Some(now - 4 * MIN), ..end(42, "", 1_100) });
    assert_eq!(kit.found(), [(42, Code::EndBeforeStart, true)]);
}

#[test]
fn b53_a_late_stop_after_a_reboot_corrects_the_closure_with_its_history() {
    let mut kit = Kit::new();
    begin(&mut kit, start(41, 1, Some(START)));
    kit.after(MIN).send(boot());
    kit.after(10 * MIN).advance();
    let lines = kit.found();
    assert_eq!(lines, [(41, Code::EndNotTold, true)]);
    // A sample from the queue first: the guess gets better.
    let queued = MeterReading {
        transaction: Some(TransactionId(41)),
        ..meter(1, 1_700.0, 0.0, Some(START + MIN / 2))
    };
    let facts = kit.after(MIN).send(EventKind::Meter(queued));
    assert_eq!(energy(&facts), Some(700.0), "{facts:?}");
    assert!(kit.state().transactions.is_empty(), "nothing is resurrected");
    assert_eq!(kit.notes(), [(41, NoteKind::MeterAfterEnd)]);
    let facts = kit.after(MIN).send(EventKind::TransactionEnded(end(41, "", 1_900)));
    assert_eq!(energy(&facts), Some(900.0), "{facts:?}");
    let lines = kit.lines();
    let told = lines.iter().find_map(|line| match line {
        LedgerLine::Note(_, note) if note.kind == NoteKind::Corrected => Some(note.text.clone()),
        _ => None,
    });
    assert!(told.expect("a note").contains("700 Wh"), "{lines:?}");
    assert!(lines.contains(&LedgerLine::Cleared(TransactionId(41), Code::EndNotTold)));
    let late = lines.iter().find_map(|line| match line {
        LedgerLine::Found(_, finding) if finding.code == Code::Offline => {
            Some(finding.sentence.clone())
        }
        _ => None,
    });
    let late = late.expect("it was told late");
    assert!(late.contains("its own end replaced ours"), "{late}");
    assert!(!late.contains("offline"), "it was connected all the time: {late}");
}

#[test]
fn b61_values_after_the_end_stay_with_it() {
    let mut kit = Kit::new();
    begin(&mut kit, start(41, 1, Some(START)));
    kit.after(10 * MIN);
    let over = TransactionEnded { at: Some(kit.now), ..end(41, "", 2_000) };
    finish(&mut kit, over);
    kit.lines();
    // By its number, and by place and time.
    let numbered =
        MeterReading { transaction: Some(TransactionId(41)), ..meter(1, 2_000.0, 0.0, None) };
    assert!(energy(&kit.send(EventKind::Meter(numbered))).is_none(), "the end stands");
    let placed = meter(1, 1_900.0, 0.0, Some(START + 9 * MIN));
    kit.send(EventKind::Meter(placed));
    assert_eq!(
        kit.notes(),
        [(41, NoteKind::MeterAfterEnd), (41, NoteKind::MeterAfterEnd)],
        "both are kept with it"
    );
    // Another connector, and a time after it, are no values of it.
    kit.send(EventKind::Meter(meter(2, 1_900.0, 0.0, Some(START + 9 * MIN))));
    let later = kit.after(HOUR_MS).now;
    kit.send(EventKind::Meter(meter(1, 2_000.0, 0.0, Some(later))));
    assert!(kit.notes().is_empty());
    assert!(kit.state().transactions.is_empty());
}

#[test]
fn b61_the_end_register_that_came_late_completes_the_energy() {
    let mut kit = Kit::new();
    begin(&mut kit, start(41, 1, Some(START)));
    let now = kit.after(20 * MIN).now;
    let over = TransactionEnded { meter_wh: None, at: Some(now), ..end(41, "", 0) };
    assert_eq!(energy(&finish(&mut kit, over)), None, "not taken for nothing");
    assert_eq!(kit.found(), [(41, Code::NoRegister, true)]);
    let late = MeterReading {
        transaction: Some(TransactionId(41)),
        ..meter(1, 4_000.0, 0.0, Some(START + 20 * MIN))
    };
    assert_eq!(energy(&kit.send(EventKind::Meter(late))), Some(3_000.0));
    assert_eq!(kit.found(), [(41, Code::NoRegister, false)]);
}

#[test]
fn b61_an_older_sample_does_not_move_the_register_back() {
    let mut kit = Kit::new();
    begin(&mut kit, start(41, 1, Some(START)));
    kit.after(MIN).send(EventKind::Meter(meter(1, 1_500.0, 7_000.0, Some(START + MIN))));
    kit.send(EventKind::Meter(meter(1, 1_200.0, 7_000.0, Some(START + MIN / 2))));
    assert_eq!(kit.state().transactions[0].meter_wh, Some(1_500.0));
}

#[test]
fn b61_a_register_that_jumps_is_found_once() {
    let mut kit = Kit::new();
    begin(&mut kit, start(41, 1, Some(START)));
    kit.after(MIN).send(EventKind::Meter(meter(1, 900_000.0, 7_000.0, None)));
    kit.after(MIN).send(EventKind::Meter(meter(1, 2_900_000.0, 7_000.0, None)));
    assert_eq!(kit.found(), [(41, Code::RegisterJumped, true)]);
}

#[test]
fn b62_missing_messages_are_noted_and_filled_when_they_come() {
    let mut kit = Kit::new();
    begin(&mut kit, start2(41, "tx-a", "Charging"));
    kit.send(EventKind::TransactionUpdated(update2("tx-a", 1, "Charging")));
    kit.send(EventKind::TransactionUpdated(update2("tx-a", 4, "Charging")));
    assert_eq!(kit.state().transactions[0].missing, [(2, 3)]);
    kit.send(EventKind::TransactionUpdated(update2("tx-a", 3, "SuspendedEV")));
    assert_eq!(kit.state().transactions[0].missing, [(2, 2)]);
    assert_eq!(kit.state().transactions[0].charging_state.as_deref(), Some("Charging"));
    let over = TransactionEnded { seq_no: 6, ..end(0, "tx-a", 1_200) };
    finish(&mut kit, over);
    let found = kit.found();
    assert!(found.contains(&(41, Code::SeqGap, true)), "{found:?}");
    kit.send(EventKind::TransactionUpdated(update2("tx-a", 2, "Charging")));
    assert!(kit.found().is_empty(), "5 is still missing");
    kit.send(EventKind::TransactionUpdated(update2("tx-a", 5, "Charging")));
    assert_eq!(kit.found(), [(41, Code::SeqGap, false)]);
    assert!(kit.state().transactions.is_empty());
}

#[test]
fn b62_the_same_id_with_other_content_is_hard() {
    let mut kit = Kit::new();
    let first = TransactionStarted { at: Some(START), ..start2(41, "tx-a", "Charging") };
    begin(&mut kit, first.clone());
    kit.lines();
    begin(&mut kit, TransactionStarted { id: TransactionId(0), ..first.clone() });
    assert_eq!(kit.notes(), [(41, NoteKind::StartedAgain)]);
    for other in [
        TransactionStarted { id_token: "OTHER".into(), ..first.clone() },
        TransactionStarted { connector: ConnectorRef::v16(2), ..first.clone() },
        TransactionStarted { at: Some(START - HOUR_MS), ..first.clone() },
    ] {
        let mut kit = Kit::new();
        begin(&mut kit, first.clone());
        kit.lines();
        assert!(begin(&mut kit, other.clone()).is_empty());
        assert_eq!(kit.found(), [(41, Code::IdReused, true)], "{other:?}");
    }
}

#[test]
fn b62_samples_of_one_second_are_sorted_by_their_register() {
    let mut kit = Kit::new();
    kit.send(EventKind::TransactionStarted(start2(41, "tx-a", "Charging")));
    kit.after(MIN);
    let at = Some(kit.now);
    let sample = |wh| EventKind::Meter(meter(1, wh, 7_000.0, at));
    kit.send(sample(1_100.0));
    kit.after(MIN);
    let at = Some(kit.now);
    let sample = |wh| EventKind::Meter(meter(1, wh, 7_000.0, at));
    kit.send(sample(1_200.0));
    // The one before it, with the same second of the charger's clock.
    kit.send(sample(1_150.0));
    let found = kit.found();
    assert!(!found.iter().any(|(_, code, _)| *code == Code::RegisterBackwards), "{found:?}");
    assert_eq!(kit.state().transactions[0].meter_wh, Some(1_200.0));
}

#[test]
fn b62_updates_without_a_start_are_put_on_record_once() {
    let mut kit = Kit::new();
    let at = ConnectorRef::v16(1);
    let update = |id: &str, seq_no| {
        EventKind::TransactionUpdated(TransactionUpdated {
            connector: Some(at),
            id_token: Some("TAG".to_owned()),
            ..update2(id, seq_no, "Charging")
        })
    };
    let orphans = |facts: &[Fact]| {
        let orphan = |fact: &Fact| match fact {
            Fact::TransactionOrphaned { external_id, ended, .. } => {
                Some((external_id.clone(), ended.reason.clone(), ended.id_token.clone()))
            }
            _ => None,
        };
        facts.iter().filter_map(orphan).collect::<Vec<_>>()
    };
    let told = orphans(&kit.send(update("tx-a", 3)));
    assert_eq!(told, [("tx-a".to_owned(), ONLY_UPDATES.to_owned(), Some("TAG".to_owned()))]);
    assert_eq!(orphans(&kit.send(update("tx-a", 4))), []);
    assert!(kit.state().transactions.is_empty(), "there is nothing to count by");
    // After a restart it is still the same one.
    kit.restart();
    kit.fleet.restore_orphan(
        crate::kit::KEY,
        TransactionEnded { reason: ONLY_UPDATES.to_owned(), ..end(0, "tx-a", 0) },
    );
    kit.connect(2);
    assert_eq!(orphans(&kit.event(2, update("tx-a", 5))), []);
    // Its end is a record of its own, with the register. Its start takes them both.
    let over = kit.event(2, EventKind::TransactionEnded(end(0, "tx-a", 4_000)));
    assert_eq!(orphans(&over).len(), 1, "{over:?}");
    kit.lines();
    let facts = kit.event(2, EventKind::TransactionStarted(start2(41, "tx-a", "Charging")));
    assert_eq!(energy(&facts), Some(3_000.0), "{facts:?}");
    let joined = |line: &&LedgerLine| {
        matches!(line, LedgerLine::Joined { transaction: TransactionId(41), .. })
    };
    assert!(kit.lines().iter().filter(joined).count() >= 1);
}

#[test]
fn b62_a_start_that_comes_behind_its_updates_takes_their_record() {
    let mut kit = Kit::new();
    kit.send(EventKind::TransactionUpdated(update2("tx-a", 1, "Charging")));
    kit.lines();
    let facts = begin(&mut kit, start2(41, "tx-a", "Charging"));
    assert!(matches!(facts[0], Fact::TransactionOpened(_)), "it runs: {facts:?}");
    assert!(kit.lines().iter().any(|line| matches!(
        line,
        LedgerLine::Joined { transaction: TransactionId(41), sent: TransactionId(0), external_id }
            if external_id == "tx-a"
    )));
    assert_eq!(kit.state().transactions.len(), 1);
}

#[test]
fn b62_ever_new_updates_without_a_start_are_bounded() {
    let mut kit = Kit::new();
    for number in 0..100 {
        let id = format!("tx-{number}");
        kit.send(EventKind::TransactionUpdated(update2(&id, 1, "Charging")));
    }
    let again = kit.send(EventKind::TransactionUpdated(update2("tx-99", 2, "Charging")));
    let is_orphan = |fact: &Fact| matches!(fact, Fact::TransactionOrphaned { .. });
    assert!(!again.iter().any(is_orphan), "the newest are known");
}

#[test]
fn b59_a_start_without_card_or_register_is_suspect_at_once() {
    for (card, meter_wh, sentence) in [
        ("TAG", Some(1_000), None),
        ("", Some(1_000), Some("The charger began it with no card.")),
        ("TAG", None, Some("The charger began it with no register.")),
        ("", None, Some("The charger began it with neither a card nor a register.")),
    ] {
        let mut kit = Kit::new();
        let started =
            TransactionStarted { id_token: card.to_owned(), meter_wh, ..start(41, 1, Some(START)) };
        begin(&mut kit, started);
        let told = kit.lines().into_iter().find_map(|line| match line {
            LedgerLine::Found(_, finding) if finding.code == Code::StartIncomplete => {
                Some(finding.sentence)
            }
            _ => None,
        });
        assert_eq!(told.as_deref(), sentence);
    }
    // In 2.x both may come later.
    let mut kit = Kit::new();
    let later = TransactionStarted {
        id_token: String::new(),
        meter_wh: None,
        at: Some(START),
        ..start2(41, "tx-a", "EVConnected")
    };
    begin(&mut kit, later);
    assert!(kit.found().is_empty());
}

/// What the decoder takes for no time at all (1970, 2099, nothing) is told as well.
#[test]
fn b44_a_start_without_a_time_that_can_be_is_found() {
    let mut kit = Kit::new();
    begin(&mut kit, start(41, 1, None));
    assert_eq!(kit.found(), [(41, Code::ClockOdd, true)]);
}

#[test]
fn b62_an_orphan_of_before_a_restart_finds_its_start() {
    let mut kit = Kit::new();
    let over = end(0, "tx-a", 4_000);
    finish(&mut kit, over.clone());
    kit.restart();
    kit.fleet.restore_orphan(crate::kit::KEY, over);
    kit.connect(2);
    let facts = begin(&mut kit, start2(41, "tx-a", "Charging"));
    assert_eq!(energy(&facts), Some(3_000.0), "{facts:?}");
    assert!(kit.state().transactions.is_empty());
}

#[test]
fn what_a_queue_delivered_late_is_marked() {
    let mut kit = Kit::new();
    kit.after(HOUR_MS);
    begin(&mut kit, start(41, 1, Some(START)));
    finish(&mut kit, TransactionEnded { at: Some(START + 30 * MIN), ..end(41, "", 4_000) });
    assert_eq!(kit.found(), [(41, Code::Offline, true)]);
}
