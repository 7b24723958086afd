//! Commands that wait, and what the history says of faults.

use mendpoint_incidents::EngineSettings;
use mendpoint_model::{
    Action, CommandAnswered, CommandOutcome, ConnectorRef, ConnectorStatus, DAY_MS, Disconnected,
    EventKind, FaultReport, Origin, StatusReport,
};

use super::kit::Kit;
use crate::{Asked, clock};

async fn disconnect(kit: &Kit) {
    let disconnected = Disconnected { reason: "closed".to_owned(), replaced: false };
    kit.take(EventKind::Disconnected(disconnected)).await;
}

async fn status(kit: &Kit, status: ConnectorStatus) {
    let connector = ConnectorRef::v16(1);
    let report = StatusReport { connector, status, raw_status: None, error: None, at: None };
    kit.take(EventKind::Status(report)).await;
}

async fn fault(kit: &Kit, active: bool) {
    kit.take(EventKind::Fault(FaultReport {
        connector: ConnectorRef::v16(1),
        component: "Connector".to_owned(),
        variable: "Problem".to_owned(),
        active,
        code: Some("CX002".to_owned()),
        info: None,
        severity: None,
        at: None,
    }))
    .await;
}

#[tokio::test]
async fn b63_a_fault_of_2x_stands_in_the_history_as_a_fault_until_it_is_cleared() {
    let kit = Kit::start(EngineSettings::default()).await;
    let handle = kit.handle();
    status(&kit, ConnectorStatus::Available).await;
    fault(&kit, true).await;
    // The status beside it does not know of the fault.
    status(&kit, ConnectorStatus::Unavailable).await;
    fault(&kit, false).await;
    handle.settle(kit.charger.site).await;
    let now = clock::now();
    let store = handle.store();
    let history = store.state_history(kit.charger.key, now - DAY_MS, now + DAY_MS).await;
    let history = history.expect("read");
    let told: Vec<_> = history.iter().map(|row| (&*row.status, &*row.error)).collect();
    assert_eq!(
        told,
        [("Available", ""), ("Faulted", "CX002"), ("Faulted", "CX002"), ("Unavailable", "")]
    );
    kit.pipeline.stop().await;
}

fn reset(wait_ms: Option<i64>) -> Asked {
    let by = Origin::User("ana".to_owned());
    Asked { action: Action::Reset { hard: false, evse: None }, by, wait_ms }
}

#[tokio::test]
async fn b67_a_command_waits_only_for_a_charger_that_is_away() {
    let kit = Kit::start(EngineSettings::default()).await;
    let handle = kit.handle();
    handle.settle(kit.charger.site).await;
    let mut news = handle.command_news();
    let here = handle.submit(kit.charger.key, reset(Some(60_000))).await.expect("taken");
    assert_eq!(here.waits_until, None, "it is there: nothing to wait for");
    assert_eq!(news.recv().await, Ok(kit.charger.key));
    handle.settle(kit.charger.site).await;
    disconnect(&kit).await;
    let away = handle.submit(kit.charger.key, reset(Some(60_000))).await.expect("taken");
    assert_eq!(away.waits_until, Some(away.asked_at + 60_000));
    let id = away.id.clone();
    handle.take_back(kit.charger.key, id.clone(), "ana").await.expect("it waits");
    let outcome = away.outcome().await.expect("told").outcome;
    assert_eq!(outcome, CommandOutcome::Dropped("ana took it back".to_owned()));
    let again = handle.take_back(kit.charger.key, id.clone(), "ana").await;
    assert!(again.expect_err("only once").to_string().contains("does not wait"));
    let row = handle.store().command(&id).await.expect("read").expect("it is kept");
    assert_eq!((row.outcome, row.sent_at), (Some(outcome), None));
    let resets = kit.sent.names().into_iter().filter(|name| name == "Reset").count();
    assert_eq!(resets, 1, "only the first one left");
    kit.pipeline.stop().await;
}

#[tokio::test]
async fn b67_no_more_wait_than_may() {
    let kit = Kit::start(EngineSettings::default()).await;
    let handle = kit.handle();
    disconnect(&kit).await;
    for _ in 0..mendpoint_fleet::WAITING_MAX {
        handle.submit(kit.charger.key, reset(Some(60_000))).await.expect("there is room");
    }
    let error = handle.submit(kit.charger.key, reset(Some(60_000))).await.expect_err("it is full");
    assert!(error.to_string().contains("take one back first"), "{error}");
    kit.pipeline.stop().await;
}

#[tokio::test]
async fn b67_a_command_with_a_secret_is_not_kept() {
    let kit = Kit::start(EngineSettings::default()).await;
    let handle = kit.handle();
    disconnect(&kit).await;
    for (key, is_kept) in [("AuthorizationKey", false), ("HeartbeatInterval", true)] {
        let payload = format!(r#"{{"key":"{key}","value":"300"}}"#);
        let action = Action::Raw { action: "ChangeConfiguration".to_owned(), payload };
        let asked = Asked { action, ..reset(Some(60_000)) };
        let taken = handle.submit(kit.charger.key, asked).await;
        assert_eq!(taken.is_ok(), is_kept, "{key}: {taken:?}");
    }
    kit.pipeline.stop().await;
}

#[tokio::test]
async fn b29_a_late_answer_replaces_the_time_out_and_is_told_as_late() {
    let kit = Kit::start(EngineSettings::default()).await;
    let handle = kit.handle();
    let taken = handle.submit(kit.charger.key, reset(None)).await.expect("taken");
    let id = taken.id.clone();
    let answered = |outcome, late| {
        EventKind::CommandAnswered(CommandAnswered { command: id.clone(), outcome, late })
    };
    kit.take(answered(CommandOutcome::TimedOut, false)).await;
    let report = taken.outcome().await.expect("told");
    assert_eq!(report.outcome, CommandOutcome::TimedOut, "whoever waits is told in time");
    let accepted = CommandOutcome::Answered {
        accepted: true,
        status: "Accepted".to_owned(),
        payload: "{\"status\":\"Accepted\"}".to_owned(),
    };
    handle.settle(kit.charger.site).await;
    let mut news = handle.command_news();
    kit.take(answered(accepted.clone(), true)).await;
    assert_eq!(news.recv().await, Ok(kit.charger.key), "pages hear of it");
    let row = handle.store().command(&report.id).await.expect("read").expect("it is kept");
    assert_eq!((row.outcome, row.late), (Some(accepted), true));
    kit.pipeline.stop().await;
}
