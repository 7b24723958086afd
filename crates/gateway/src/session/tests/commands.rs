//! What we ask.

use std::time::Duration;

use mendpoint_model::{Action, CommandOutcome};

use super::kit::{CHARGER, Pair, With};
use crate::{GatewaySettings, WhyRefused};

const START: &str = r#"[2,"s1","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-09-21T14:13:20Z"}]"#;

#[tokio::test(start_paused = true)]
async fn b24_one_call_is_in_flight_and_the_rest_wait_their_turn() {
    let mut pair = Pair::new().await;
    let (first, second) = (pair.command(), pair.command());
    assert_eq!(pair.hear().await, format!(r#"[2,"{first}","Reset",{{"type":"Soft"}}]"#));
    pair.hear_nothing().await;
    pair.say(&format!(r#"[3,"{first}",{{"status":"Accepted"}}]"#)).await;
    assert!(pair.hear().await.contains(&second));
    pair.say(&format!(r#"[4,"{second}","NotSupported","no",{{}}]"#)).await;
    pair.settle().await;
    let outcomes = pair.outcomes();
    assert!(outcomes[0].outcome.is_accepted());
    assert!(!outcomes[0].late);
    let refused =
        CommandOutcome::Refused { code: "NotSupported".to_owned(), description: "no".to_owned() };
    assert_eq!(outcomes[1].outcome, refused);
}

#[tokio::test(start_paused = true)]
async fn b25_crossing_calls_are_answered_at_once() {
    let mut pair = Pair::new().await;
    let id = pair.command();
    assert!(pair.hear().await.contains(&id));
    pair.say(r#"[2,"h1","Heartbeat",{}]"#).await;
    assert!(pair.hear().await.starts_with(r#"[3,"h1","#));
    assert_eq!(pair.outcomes(), []);
    pair.say(&format!(r#"[3,"{id}",{{"status":"Accepted"}}]"#)).await;
    pair.settle().await;
    assert_eq!(pair.outcomes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn b26_no_call_of_ours_leaves_before_the_answer_the_charger_waits_for() {
    let mut pair = Pair::with(With { hold_answers: true, ..With::default() }).await;
    pair.say(START).await;
    pair.settle().await;
    let id = pair.command();
    pair.hear_nothing().await;
    pair.release();
    assert!(pair.hear().await.starts_with(r#"[3,"s1","#));
    assert!(pair.hear().await.contains(&id));
}

#[tokio::test(start_paused = true)]
async fn b29_a_timeout_counts_from_sending_and_a_late_answer_is_told_as_late() {
    let mut pair = Pair::new().await;
    let (first, second) = (pair.command(), pair.command());
    pair.hear().await;
    let sent_at = pair.now();
    // The second leaves when the first has timed out.
    assert!(pair.hear().await.contains(&second));
    assert_eq!(pair.now().since_ms(sent_at), 30_000);
    assert_eq!(pair.outcomes()[0].outcome, CommandOutcome::TimedOut);
    pair.say(&format!(r#"[3,"{first}",{{"status":"Accepted"}}]"#)).await;
    // It waited half a minute for its turn, and has its own thirty seconds all the same.
    tokio::time::sleep(Duration::from_secs(29)).await;
    pair.say(&format!(r#"[3,"{second}",{{"status":"Accepted"}}]"#)).await;
    pair.settle().await;
    let outcomes = pair.outcomes();
    assert_eq!((&*outcomes[1].command.0, outcomes[1].late), (first.as_str(), true));
    assert_eq!((&*outcomes[2].command.0, outcomes[2].late), (second.as_str(), false));
    // A third time is an answer to nothing.
    pair.say(&format!(r#"[3,"{first}",{{"status":"Accepted"}}]"#)).await;
    pair.settle().await;
    assert_eq!(pair.outcomes().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn b71_only_the_last_calls_without_an_answer_are_remembered() {
    let mut pair = Pair::new().await;
    let mut ids = Vec::new();
    for _ in 0..9 {
        ids.push(pair.command());
        pair.hear().await;
        tokio::time::sleep(Duration::from_secs(31)).await;
    }
    assert_eq!(pair.outcomes().len(), 9);
    for id in &ids {
        pair.say(&format!(r#"[3,"{id}",{{"status":"Accepted"}}]"#)).await;
    }
    pair.settle().await;
    let late: Vec<_> = pair.outcomes().split_off(9);
    let late: Vec<_> = late.iter().map(|answered| &*answered.command.0).collect();
    assert_eq!(late, ids[1..], "the first of nine is an answer to nothing by now");
}

#[tokio::test(start_paused = true)]
async fn b67_a_command_that_waited_too_long_is_not_sent() {
    let mut pair = Pair::with(With { hold_answers: true, ..With::default() }).await;
    pair.say(START).await;
    pair.settle().await;
    pair.command();
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(pair.outcomes()[0].outcome, CommandOutcome::Expired);
    pair.release();
    assert!(pair.hear().await.starts_with(r#"[3,"s1","#));
    pair.hear_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn b24_the_queue_is_bounded() {
    let settings = GatewaySettings { command_queue_max: 2, ..GatewaySettings::default() };
    let mut pair = Pair::with(With { settings, ..With::default() }).await;
    pair.command();
    pair.hear().await;
    pair.command();
    pair.command();
    let mut command = pair.mailbox.pop().expect("one waits");
    pair.mailbox.push(command.clone()).expect("its place is free");
    command.charger = CHARGER;
    let refused = pair.shared.book.send(command).expect_err("the queue is full");
    assert_eq!(refused.why, WhyRefused::QueueFull);
}

#[tokio::test(start_paused = true)]
async fn what_the_version_cannot_say_is_told_and_not_sent() {
    let mut pair = Pair::new().await;
    let payload = "{}".to_owned();
    pair.command_of(Action::Raw { action: "Nonsense".to_owned(), payload });
    pair.hear_nothing().await;
    let outcomes = pair.outcomes();
    assert!(matches!(outcomes[0].outcome, CommandOutcome::Unsupported(_)), "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn commands_of_a_lost_connection_are_told_as_not_connected() {
    let mut pair = Pair::new().await;
    pair.command();
    pair.command();
    pair.hear().await;
    let command = pair.mailbox.pop().expect("one waits");
    pair.mailbox.push(command.clone()).expect("its place is free");
    let Pair { charger, intake, shared, mailbox, session, .. } = pair;
    drop(charger);
    session.await.expect("the session ends");
    let deliveries = intake.told();
    let lost: Vec<_> = deliveries.iter().filter(|it| it.contains("NotConnected")).collect();
    assert_eq!(lost.len(), 2, "{deliveries:?}");
    assert!(deliveries.last().is_some_and(|it| it.contains("connection lost")), "{deliveries:?}");
    assert!(shared.book.is_empty());
    let refused = mailbox.push(command).expect_err("it has ended");
    assert_eq!(refused.why, WhyRefused::NotConnected);
}
