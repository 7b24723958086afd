//! A test for each behaviour of real chargers around connections and statuses. The number is the
//! behaviour's.

use mendpoint_model::{
    Action, CellState, Command, CommandAnswered, CommandId, CommandOutcome, ConnectorRef,
    ConnectorStatus, ErrorReport, EventKind, Fact, FaultReport, Origin, Overlay, StatusReport,
    TransactionEnded, TransactionStarted, UnixMs,
};

use crate::kit::{KEY, Kit, MIN, START, connected, disconnected, end, start, start2, status};

use ConnectorStatus::{Available, Charging, Faulted, Finishing, Preparing, Unavailable};

fn started(kit: &mut Kit, started: TransactionStarted) -> Vec<Fact> {
    kit.send(EventKind::TransactionStarted(started))
}

fn ended(kit: &mut Kit, ended: TransactionEnded) -> Vec<Fact> {
    kit.send(EventKind::TransactionEnded(ended))
}

fn is_historical(fact: &Fact) -> bool {
    match fact {
        Fact::StatusChanged { historical, .. } | Fact::TransactionClosed { historical, .. } => {
            *historical
        }
        _ => false,
    }
}

#[test]
fn b01_the_late_end_of_an_old_connection_does_not_take_the_charger_offline() {
    let mut kit = Kit::new();
    assert!(kit.event(2, connected(true)).is_empty(), "who was never gone does not come back");
    assert!(kit.event(1, disconnected(false)).is_empty());
    assert!(kit.state().link.connected);
    assert_eq!(kit.event(2, disconnected(false)), [Fact::LinkDown { reason: "closed".to_owned() }]);
    assert!(!kit.state().link.connected);
}

#[test]
fn b01_a_replaced_connection_is_not_down() {
    let mut kit = Kit::new();
    assert!(kit.send(disconnected(true)).is_empty());
    assert!(kit.state().link.connected);
}

#[test]
fn b01_an_old_connection_brings_history_only() {
    let mut kit = Kit::new();
    kit.send(status(1, Available, None));
    kit.after(MIN).connect(2);
    let facts = kit.event(1, status(1, Faulted, None));
    assert!(facts.iter().all(is_historical) && facts.len() == 1, "{facts:?}");
    assert_eq!(kit.connector(1).status, Available);
    // A transaction is kept for good, whatever connection it came over.
    let facts = kit.event(1, EventKind::TransactionStarted(start(5, 1, None)));
    assert!(matches!(facts[..], [Fact::TransactionOpened(_)]), "{facts:?}");
}

#[test]
fn b10_any_message_and_any_answer_is_a_sign_of_life() {
    let mut kit = Kit::new();
    kit.after(MIN).send(EventKind::Other("DataTransfer".to_owned()));
    assert_eq!(kit.state().link.last_seen_at, Some(START + MIN));
    let answer = |outcome| {
        EventKind::CommandAnswered(CommandAnswered {
            command: CommandId("i1-1-1".into()),
            outcome,
            late: false,
        })
    };
    kit.after(MIN).send(answer(CommandOutcome::TimedOut));
    assert_eq!(kit.state().link.last_seen_at, Some(START + MIN), "silence is no sign of life");
    kit.send(answer(CommandOutcome::Refused {
        code: "NotSupported".into(),
        description: String::new(),
    }));
    assert_eq!(kit.state().link.last_seen_at, Some(START + 2 * MIN));
}

#[test]
fn b44_a_charger_from_1970_is_taken_at_our_time() {
    let mut kit = Kit::new();
    let facts = kit.send(status(1, Faulted, Some(UnixMs(12_000))));
    assert!(!facts.iter().any(is_historical), "{facts:?}");
    assert_eq!(kit.connector(1).since, Some(START));
    kit.after(1_000).send(status(1, Available, Some(UnixMs(i64::MAX))));
    assert_eq!(kit.connector(1).status, Available);
    started(&mut kit, start(1, 1, Some(UnixMs(i64::MIN))));
    assert_eq!(kit.state().transactions[0].started_at, START + 1_000);
}

#[test]
fn b54_connector_0_does_not_touch_the_connectors() {
    let mut kit = Kit::new();
    kit.send(status(1, Charging, None));
    let facts = kit.send(status(0, Unavailable, None));
    assert!(matches!(
        facts[..],
        [Fact::StatusChanged { connector: ConnectorRef::CHARGER, to: Unavailable, .. }]
    ));
    assert_eq!(kit.connector(1).status, Charging);
    assert_eq!(kit.state().connectors.len(), 1);
    assert_eq!(kit.state().whole.status, Unavailable);
}

#[test]
fn b55_an_older_status_is_history_and_one_without_a_time_is_taken() {
    let mut kit = Kit::new();
    kit.after(MIN).send(status(1, Charging, Some(START + MIN)));
    let facts = kit.after(1_000).send(status(1, Faulted, Some(START)));
    assert!(facts.iter().all(is_historical) && facts.len() == 1, "{facts:?}");
    assert_eq!(kit.connector(1).status, Charging);
    kit.send(status(1, Finishing, None));
    assert_eq!(kit.connector(1).status, Finishing);
}

#[test]
fn b55_a_replayed_queue_is_history_and_the_newest_of_it_is_what_is_known() {
    let mut kit = Kit::new();
    kit.send(status(1, Available, Some(START)));
    kit.send(disconnected(false));
    kit.after(60 * MIN).connect(2);
    let facts = kit.send(status(1, Faulted, Some(START + 10 * MIN)));
    assert!(facts.iter().all(is_historical) && facts.len() == 1, "{facts:?}");
    assert_eq!(kit.connector(1).status, Faulted);
    assert_eq!(kit.connector(1).since, Some(START + 10 * MIN));
    assert_eq!(kit.state().clock_skew_ms, Some(0), "a queue does not set the clock");
}

#[test]
fn b56_odd_pairs_of_status_and_error_are_kept_as_they_are() {
    let mut kit = Kit::new();
    let report = |status, error: Option<&str>| {
        EventKind::Status(StatusReport {
            connector: ConnectorRef::v16(1),
            status,
            raw_status: None,
            error: error.map(|code| ErrorReport { code: code.into(), ..ErrorReport::default() }),
            at: None,
        })
    };
    kit.send(report(Faulted, None));
    assert!(kit.connector(1).error.is_none());
    kit.send(report(Available, Some("WeakSignal")));
    assert_eq!(kit.connector(1).error.as_ref().map(|e| e.code.as_str()), Some("WeakSignal"));
    let facts = kit.send(report(Available, Some("WeakSignal")));
    assert!(matches!(facts[..], [Fact::StatusRepeated { .. }]), "{facts:?}");
    let facts = kit.send(report(Available, None));
    assert!(matches!(facts[..], [Fact::StatusChanged { error: None, .. }]), "{facts:?}");
}

#[test]
fn b63_faults_of_2x_are_kept_and_count_as_faulted() {
    let mut kit = Kit::new();
    kit.send(status(1, Available, None));
    let fault = |active| {
        EventKind::Fault(FaultReport {
            connector: ConnectorRef { evse: 1, connector: 0 },
            component: "RCD".to_owned(),
            variable: "Tripped".to_owned(),
            active,
            code: Some("CX002".to_owned()),
            info: None,
            severity: Some(1),
            at: None,
        })
    };
    assert_eq!(kit.fleet.cell(KEY, None), CellState::Available);
    assert_eq!(kit.send(fault(true)).len(), 1);
    assert!(kit.send(fault(true)).is_empty(), "the same fault again is no news");
    assert_eq!(kit.fleet.cell(KEY, None), CellState::Faulted);
    assert_eq!(kit.send(fault(false)).len(), 1);
    assert_eq!(kit.fleet.cell(KEY, None), CellState::Available);
    assert!(kit.send(fault(false)).is_empty());
}

#[test]
fn b44_a_fault_told_by_a_slow_clock_is_the_present_a_minute_later() {
    let mut kit = Kit::new();
    let an_hour_ago = kit.now - 60 * MIN;
    let facts = kit.send(status(1, Faulted, Some(an_hour_ago)));
    assert!(
        matches!(facts[..], [Fact::StatusChanged { historical: true, since, .. }] if since == an_hour_ago),
        "{facts:?}"
    );
    let due = kit.fleet.next_deadline().expect("something is to be done");
    let mut facts = Vec::new();
    kit.fleet.advance(due, &mut facts);
    assert!(
        facts.iter().any(|(_, fact)| matches!(
            fact,
            Fact::StatusChanged { to: Faulted, historical: false, .. }
        )),
        "{facts:?}"
    );
    assert_eq!(kit.fleet.next_deadline(), None);
}

#[test]
fn b63_an_occupied_connector_shows_what_its_transaction_says() {
    let mut kit = Kit::new();
    kit.send(status(1, Preparing, None));
    let facts = started(&mut kit, start2(41, "tx-a", "Charging"));
    assert!(matches!(
        facts[..],
        [Fact::TransactionOpened(_), Fact::StatusChanged { from: Preparing, to: Charging, .. }]
    ));
    // Reported once more as Occupied: still charging.
    let facts = kit.send(status(1, Preparing, None));
    assert!(matches!(facts[..], [Fact::StatusRepeated { .. }]), "{facts:?}");
    assert_eq!(kit.fleet.cell(KEY, None), CellState::Charging);
    ended(&mut kit, end(0, "tx-a", 1_500));
    assert_eq!(kit.connector(1).status, Finishing);
    // A fault is never painted over.
    kit.send(status(1, Faulted, None));
    started(&mut kit, start2(42, "tx-b", "Charging"));
    assert_eq!(kit.connector(1).status, Faulted);
}

#[test]
fn b66_what_we_switched_off_is_out_of_service_by_plan_unless_it_was_refused() {
    let mut kit = Kit::new();
    kit.send(status(1, Available, None));
    let command = Command {
        id: CommandId("u-1".into()),
        charger: KEY,
        action: Action::SetAvailability { connector: ConnectorRef::CHARGER, operative: false },
        origin: Origin::User("ana".to_owned()),
        created_at: START,
        timeout_ms: 30_000,
        not_after: START + MIN,
    };
    kit.fleet.note_command(&command);
    assert_eq!(kit.connector(1).desired_operative, Some(false));
    assert_eq!(kit.fleet.cell(KEY, None), CellState::Planned);
    assert_eq!(
        kit.fleet.cell(KEY, Some(Overlay::Faulted)),
        CellState::Faulted,
        "quarantine is no plan"
    );
    let outcome = CommandOutcome::Answered {
        accepted: false,
        status: "Rejected".to_owned(),
        payload: String::new(),
    };
    // The answer counts over whatever connection it comes.
    kit.event(
        0,
        EventKind::CommandAnswered(CommandAnswered { command: command.id, outcome, late: false }),
    );
    assert_eq!(kit.connector(1).desired_operative, None);
    assert_eq!(kit.fleet.cell(KEY, None), CellState::Available);
}

#[test]
fn plugging_in_is_dated_and_a_fault_does_not_pull_the_plug() {
    let mut kit = Kit::new();
    kit.send(status(1, Available, None));
    kit.after(MIN).send(status(1, Preparing, None));
    kit.after(MIN).send(status(1, Charging, None));
    kit.after(MIN).send(status(1, Faulted, None));
    assert_eq!(kit.connector(1).plugged_at, Some(START + MIN));
    kit.send(status(1, Available, None));
    assert_eq!(kit.connector(1).plugged_at, None);
}

#[test]
fn the_link_tells_how_long_the_charger_was_away() {
    let mut kit = Kit::unconnected();
    assert_eq!(kit.fleet.cell(KEY, None), CellState::NeverSeen);
    assert_eq!(kit.connect(1), [Fact::LinkUp { away_ms: None }]);
    kit.after(MIN).send(disconnected(false));
    assert_eq!(kit.fleet.cell(KEY, None), CellState::Offline);
    assert_eq!(kit.fleet.cell(KEY, Some(Overlay::Healing)), CellState::Healing);
    kit.after(2 * MIN);
    assert_eq!(kit.connect(2), [Fact::LinkUp { away_ms: Some(2 * MIN) }]);
}

#[test]
fn after_a_restart_nobody_is_connected_and_any_epoch_is_new() {
    let mut kit = Kit::new();
    kit.connect(900);
    kit.restart();
    assert!(!kit.state().link.connected);
    kit.after(MIN);
    assert_eq!(kit.connect(1), [Fact::LinkUp { away_ms: Some(MIN) }]);
}

#[test]
fn the_worst_that_is_true_is_what_the_cell_shows() {
    let mut kit = Kit::new();
    kit.send(status(1, Available, None));
    kit.send(status(2, Charging, None));
    assert_eq!(kit.fleet.cell(KEY, None), CellState::Charging);
    kit.send(status(2, Finishing, None));
    assert_eq!(kit.fleet.cell(KEY, None), CellState::PluggedIn);
    assert_eq!(kit.fleet.cell(KEY, Some(Overlay::Degraded)), CellState::Degraded);
    kit.send(status(1, Unavailable, None));
    assert_eq!(kit.fleet.cell(KEY, None), CellState::PluggedIn, "one connector still works");
    kit.send(status(2, Unavailable, None));
    assert_eq!(kit.fleet.cell(KEY, None), CellState::Degraded);
    kit.send(status(2, Faulted, None));
    assert_eq!(kit.fleet.cell(KEY, None), CellState::Faulted);
}
