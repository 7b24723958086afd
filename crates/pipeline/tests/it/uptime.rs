//! The uptime ledgers through the whole pipeline: what we did not see is unknown, and what chargers tell
//! late changes the days that it is about, also those of a month before and those that are excused.

use std::sync::Arc;

use mendpoint_model::{
    Breadth, ChargeFigures, ChargerKey, ChargerRecord, CommandId, ConnectorRef, ConnectorStatus,
    DAY_MS, EventKind, HealMode, Healing, Incident, IncidentId, IncidentState, MINUTE_MS, Protocol,
    Rung, StatusReport, Step, StepState, TicketId, Ties, TransactionEnded, TransactionStarted,
    UnixMs,
};
use mendpoint_pipeline::{KpiBy, UptimeScope};
use mendpoint_store::{ChargeDayRow, Entry};
use mendpoint_uptime::{Decision, Exclusion, Reason, Stop, Tally, formula};
use tokio::time::{sleep, timeout};

use crate::kit::{Program, SOON};

/// What is written down when we stop in order.
const OUR_STOP: &str = "closed by us (1001: the central system is stopping)";

async fn write(program: &Program, entries: Vec<Entry>) {
    let journal = program.store.journal();
    let seq = journal.append(entries).await;
    journal.wait(seq).await;
}

fn link(charger: ChargerKey, at: UnixMs, online: bool, reason: &str) -> Entry {
    Entry::LinkChange { charger, at, online, reason: reason.to_owned() }
}

/// A whole minute, so that minutes can be counted by hand.
fn minute(program: &Program) -> UnixMs {
    UnixMs(program.handle.now().0.div_euclid(MINUTE_MS) * MINUTE_MS)
}

async fn tally(program: &Program, charger: ChargerKey, from: UnixMs, until: UnixMs) -> Tally {
    let scope = UptimeScope { charger: Some(charger), ..UptimeScope::default() };
    let ports = program.handle.uptime(scope, from, until).await.expect("read");
    assert_eq!(ports.len(), 1, "{ports:?}");
    ports[0].tally.clone()
}

#[tokio::test]
async fn what_we_did_not_see_is_neither_up_nor_down() {
    let program = Program::start().await;
    let now = minute(&program);
    let at = |minutes: i64| now - minutes * MINUTE_MS;
    let mut chargers: Vec<Arc<ChargerRecord>> = Vec::new();
    for name in ["BACK", "NEVER", "BEFORE", "IN-ORDER", "BLIND"] {
        chargers.push(program.register(name, None).await);
    }
    let [back, never, before, in_order, blind] =
        [0, 1, 2, 3, 4].map(|index: usize| chargers[index].key);
    // We did not run from 60 minutes ago to 50 minutes ago, and gave ten minutes to come back.
    let stop = Stop { from: at(60), until: at(50), grace_until: at(40) };
    program.store.add_server_gap(&stop).await.expect("written");
    let mut entries: Vec<Entry> =
        chargers.iter().map(|charger| link(charger.key, at(100), true, "")).collect();
    entries.extend([
        link(back, at(45), true, ""),
        link(before, at(80), false, "connection lost"),
        link(in_order, at(60) - 400, false, OUR_STOP),
        link(in_order, at(49), true, ""),
        link(blind, at(50), true, ""),
        link(blind, at(28), false, "connection lost"),
        link(blind, at(22), true, ""),
    ]);
    // Much of the fleet vanished half an hour ago, for ten minutes.
    entries.push(Entry::Incident(Box::new(Incident {
        state: IncidentState::Resolved,
        began_at: at(30),
        updated_at: at(20),
        resolved_at: Some(at(20)),
        ties: Ties { breadth: Breadth::Fleet, ..Ties::default() },
        ..Incident::opened(IncidentId(900_001), "FLEET_BLIND", blind, chargers[4].site, at(29))
    })));
    write(&program, entries).await;
    let minutes = async |charger| {
        let tally = tally(&program, charger, at(100), now).await;
        assert_eq!(tally.open(), 100, "every minute is something");
        (tally.up, tally.down(), tally.blind)
    };
    assert_eq!(minutes(back).await, (85, 0, 15), "until it is back");
    assert_eq!(minutes(never).await, (40, 40, 20), "ten minutes to come back, then it is away");
    assert_eq!(minutes(before).await, (20, 80, 0), "it was away before");
    assert_eq!(minutes(in_order).await, (89, 0, 11), "we closed the connection ourselves");
    assert_eq!(
        minutes(blind).await,
        (84, 0, 16),
        "the stop, and six minutes of the fleet's blindness"
    );
    let known = tally(&program, back, at(100), now).await;
    assert_eq!(formula::nevi_outage(&known), 0);
    assert_eq!(formula::nevi_of(&known).map(|percent| percent as i64), Some(100));
}

/// The first day of a month that ended at least 40 days ago.
fn month_border(now: UnixMs) -> UnixMs {
    let today = UnixMs(now.0.div_euclid(DAY_MS) * DAY_MS);
    let first = |day: &UnixMs| day.to_string().get(8..10) == Some("01");
    let mut days = (40_i64..).map(|back| today - back * DAY_MS);
    days.find(first).expect("every month has a first day")
}

#[tokio::test]
async fn what_is_told_late_changes_its_days_also_over_the_end_of_a_month_and_where_excused() {
    let program = Program::start().await;
    let charger = program.register("LATE", None).await;
    let (now, border) = (program.handle.now(), month_border(program.handle.now()));
    let hour = |hours: i64| border + hours * 60 * MINUTE_MS;
    // Away from a day before the end of the month to a day after it; folded and written down.
    write(
        &program,
        vec![
            link(charger.key, hour(-48), true, ""),
            link(charger.key, hour(-24), false, "connection lost"),
            link(charger.key, hour(24), true, ""),
            link(charger.key, now - MINUTE_MS, false, "connection lost"),
        ],
    )
    .await;
    program.handle.refold_uptime(charger.key, 110).await.expect("folded");
    let before = async || tally(&program, charger.key, hour(-48), border).await;
    let after = async || tally(&program, charger.key, border, hour(48)).await;
    assert_eq!((before().await.offline, after().await.offline), (1_440, 1_440));
    // The last six hours of the month are excused: the grid was down, as it seemed.
    let exclusion = Exclusion {
        id: 0,
        site: charger.site,
        charger: Some(charger.key),
        connector: None,
        from: hour(-6),
        until: border,
        reason: Reason::Utility,
        evidence: "the grid operator's letter".to_owned(),
        decision: Decision::Proposed,
    };
    let id = program.store.propose_exclusion(&exclusion, "ana").await.expect("written");
    let id = id.expect("new");
    program.store.decide_exclusion(id, Decision::Approved, "ben").await.expect("written");
    let tally_before = before().await;
    assert_eq!((tally_before.excluded(), tally_before.offline), (360, 1_080));

    // It comes back and tells: it charged from two hours before midnight to three hours after it, and
    // it was broken for an hour on the next morning.
    program.connect(&charger, 7, Protocol::V16).await;
    let connector = ConnectorRef::v16(1);
    let started = TransactionStarted {
        id: mendpoint_model::TransactionId(0),
        external_id: String::new(),
        connector,
        id_token: "CARD".to_owned(),
        meter_wh: Some(1_000),
        at: Some(hour(-2)),
        seq_no: 0,
        offline: false,
        charging_state: None,
    };
    let answer = program.call(&charger, 7, EventKind::TransactionStarted(started)).await;
    let ended = TransactionEnded {
        id: answer.transaction,
        external_id: String::new(),
        connector: None,
        id_token: None,
        meter_wh: Some(21_000),
        reason: "Local".to_owned(),
        at: Some(hour(3)),
        seq_no: 0,
        offline: false,
    };
    program.call(&charger, 7, EventKind::TransactionEnded(ended)).await;
    for (hours, status) in [(8, ConnectorStatus::Faulted), (9, ConnectorStatus::Available)] {
        let report = StatusReport {
            connector,
            status,
            raw_status: None,
            error: None,
            at: Some(hour(hours)),
        };
        program.say(&charger, 7, EventKind::Status(report)).await;
    }
    let told = async {
        while program.store.states_told_late(now, hour(9)).await.expect("read").is_empty() {
            sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, told).await.expect("it is written down");
    program.handle.mend_uptime().await.expect("mended");

    let (before, after) = (before().await, after().await);
    assert_eq!((before.up, before.offline, before.excluded()), (1_440 + 120, 1_080, 240));
    assert_eq!((after.up, after.offline, after.faulted), (1_440 + 180, 1_440 - 240, 60));
    // And once more is the same.
    program.handle.refold_uptime(charger.key, 110).await.expect("folded");
    assert_eq!(tally(&program, charger.key, border, hour(48)).await, after);
}

/// An incident that took so long to be over; with the step that was sent for it.
fn incident(
    id: i64,
    of: &ChargerRecord,
    at: UnixMs,
    took_s: i64,
    step: Option<StepState>,
) -> Entry {
    let over = at + took_s * 1_000;
    let step = step.map(|state| Step {
        number: 1,
        rung: Rung::L4,
        state,
        at,
        commands: vec![(CommandId("c-1".into()), None)],
        accepted_at: None,
        ended_at: Some(over),
        note: String::new(),
        guardrail: String::new(),
        why: String::new(),
    });
    Entry::Incident(Box::new(Incident {
        state: IncidentState::Resolved,
        updated_at: over,
        resolved_at: Some(over),
        // Whoever needed no step was handed over and went by itself.
        ticket: step.is_none().then_some(TicketId(1)),
        healing: step.map(|step| Healing {
            playbook: "reset".to_owned(),
            mode: HealMode::On,
            ladder: vec![Rung::L4],
            steps: vec![step],
            stopped_by: None,
        }),
        ..Incident::opened(IncidentId(id), "ERR_FAULTED", of.key, of.site, at)
    }))
}

#[tokio::test]
async fn figures_of_charging_and_healing_are_what_a_hand_works_out() {
    let program = Program::start().await;
    let (one, other) = (program.register("ONE", None).await, program.register("TWO", None).await);
    let day = UnixMs(program.handle.now().0.div_euclid(DAY_MS) * DAY_MS) - DAY_MS;
    let figures = ChargeFigures {
        attempts: 8,
        started: 8,
        completed: 6,
        excused: 2,
        visits: 5,
        visits_first: 3,
        visits_succeeded: 4,
    };
    let few = ChargeFigures {
        attempts: 2,
        started: 1,
        completed: 1,
        excused: 0,
        visits: 3,
        visits_first: 1,
        visits_succeeded: 1,
    };
    let rows = [(one.key, figures), (other.key, few)];
    let rows = rows.map(|(charger, figures)| ChargeDayRow { charger, day, figures });
    program.store.put_charge_days(&rows).await.expect("written");
    write(
        &program,
        vec![
            incident(1, &one, day + 1_000, 60, Some(StepState::Fixed)),
            incident(2, &one, day + 2_000, 120, Some(StepState::Fixed)),
            incident(3, &other, day + 3_000, 600, Some(StepState::Worse)),
            incident(4, &other, day + 4_000, 30, None),
        ],
    )
    .await;
    let kpis = program.handle.kpis(day, day + DAY_MS, None, KpiBy::Day).await.expect("read");
    assert_eq!(kpis.len(), 1, "{kpis:?}");
    let of = kpis.values().next().expect("one");
    assert_eq!(of.charging.ftcsr(), Some(4.0 / 8.0), "3 of 5 and 1 of 3 visits");
    assert_eq!(of.charging.visit_success(), Some(5.0 / 8.0), "4 of 5 and 1 of 3");
    assert_eq!(of.charging.csr(), Some(7.0 / 12.0), "7 of 10 attempts and 2 broken off");
    assert_eq!(of.charging.tsr(), Some(7.0 / 10.0));
    assert_eq!(of.healing.healed_share(), Some(2.0 / 4.0), "two of four");
    assert_eq!(of.healing.heal_ms, Some(90_000), "a minute and two");
    assert_eq!(of.healing.false_alarm_share(), Some(1.0), "the one that was handed over");
    assert_eq!(of.healing.worse_share(), Some(1.0 / 3.0), "one of three steps");
    let by_model = program.handle.kpis(day, day + DAY_MS, None, KpiBy::Model).await.expect("read");
    assert_eq!(by_model.values().map(|of| of.healing.incidents).sum::<u64>(), 4);
}
