//! What chargers ask, and what they are answered.

use std::time::Duration;

use futures_util::SinkExt;
use mendpoint_model::EventKind;
use mendpoint_ocpp::BootStatus;
use tokio_tungstenite::tungstenite::Message;

use super::kit::{Pair, With, lock};
use crate::GatewaySettings;

const START: &str = r#"[2,"s1","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-09-21T14:13:20Z"}]"#;
const STATUS: &str =
    r#"[2,"n1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]"#;
const STARTED: &str = r#""transactionId":4711"#;

#[tokio::test(start_paused = true)]
async fn a_heartbeat_is_answered_with_the_time() {
    let mut pair = Pair::new().await;
    pair.say(r#"[2,"h1","Heartbeat",{}]"#).await;
    assert_eq!(pair.hear().await, r#"[3,"h1",{"currentTime":"2026-09-21T14:13:20Z"}]"#);
    let log = pair.log();
    assert_eq!(log[0], ("in", r#"[2,"h1","Heartbeat",{}]"#.to_owned()));
    assert_eq!((log[1].0, log[1].1.contains("currentTime")), ("out", true));
}

#[tokio::test(start_paused = true)]
async fn b60_a_transaction_is_answered_only_with_leave_and_in_its_turn() {
    let mut pair = Pair::with(With { hold_answers: true, ..With::default() }).await;
    pair.say(START).await;
    pair.say(STATUS).await;
    pair.hear_nothing().await;
    assert_eq!(pair.shared.metrics.answers_waiting.get(), 1);
    // Both have been taken in, although the first is not answered.
    assert!(pair.events().iter().any(|event| matches!(event, EventKind::Status(_))));
    pair.release();
    assert!(pair.hear().await.contains(STARTED));
    assert!(pair.hear().await.starts_with(r#"[3,"n1","#));
    assert_eq!(pair.shared.metrics.answers_waiting.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn b27_a_charger_that_is_owed_too_much_is_not_read_further() {
    let settings = GatewaySettings { pending_answers_max: 4, ..GatewaySettings::default() };
    let mut pair = Pair::with(With { settings, hold_answers: true, ..With::default() }).await;
    for number in 0..10 {
        pair.say(&START.replace("s1", &format!("s{number}"))).await;
    }
    pair.settle().await;
    assert_eq!(pair.held(), 4);
    for _ in 0..10 {
        pair.release();
        pair.settle().await;
    }
    for number in 0..10 {
        assert!(pair.hear().await.starts_with(&format!("[3,\"s{number}\",")));
    }
}

#[tokio::test(start_paused = true)]
async fn b27_a_heartbeat_overtakes_an_answer_that_the_disk_keeps_waiting() {
    let mut pair = Pair::with(With { hold_answers: true, ..With::default() }).await;
    // The first one goes the long way, behind the news of the connection; the second the short one.
    pair.say(START).await;
    for heartbeat in ["h1", "h2"] {
        pair.say(&format!(r#"[2,"{heartbeat}","Heartbeat",{{}}]"#)).await;
        assert!(pair.hear().await.starts_with(&format!("[3,\"{heartbeat}\",")));
    }
    pair.release();
    assert!(pair.hear().await.contains(STARTED));
}

#[tokio::test(start_paused = true)]
async fn b27_what_is_asked_after_an_answer_was_given_up_overtakes_it() {
    let mut pair = Pair::with(With { hold_answers: true, ..With::default() }).await;
    pair.say(START).await;
    pair.say(STATUS).await;
    pair.settle().await;
    pair.hear_nothing().await;
    tokio::time::advance(std::time::Duration::from_secs(30)).await;
    pair.say(&STATUS.replace("n1", "n2")).await;
    assert!(pair.hear().await.starts_with(r#"[3,"n2","#));
    pair.release();
    assert!(pair.hear().await.contains(STARTED));
    assert!(pair.hear().await.starts_with(r#"[3,"n1","#));
}

#[tokio::test(start_paused = true)]
async fn b31_a_repeated_start_gets_the_same_answer_and_is_taken_in_once() {
    let mut pair = Pair::new().await;
    pair.say(START).await;
    let first = pair.hear().await;
    pair.say(START).await;
    assert_eq!(pair.hear().await, first);
    let starts = pair.events().iter().filter(|event| **event != EventKind::Heartbeat).count();
    assert_eq!(starts, 1);
}

#[tokio::test(start_paused = true)]
async fn b31_a_start_repeated_before_its_answer_is_answered_once() {
    let mut pair = Pair::with(With { hold_answers: true, ..With::default() }).await;
    pair.say(START).await;
    pair.say(START).await;
    pair.settle().await;
    assert_eq!(pair.held(), 1);
    pair.release();
    assert!(pair.hear().await.contains(STARTED));
    pair.hear_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn b72_without_leave_there_is_no_answer_and_the_repeat_is_taken_in_again() {
    let mut pair = Pair::with(With { hold_answers: true, ..With::default() }).await;
    pair.say(START).await;
    pair.settle().await;
    pair.drop_answer();
    pair.hear_nothing().await;
    pair.say(START).await;
    pair.settle().await;
    pair.release();
    assert!(pair.hear().await.contains(STARTED));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_status_is_answered_and_counts_once() {
    let mut pair = Pair::new().await;
    let status = r#"[2,"n1","StatusNotification",{"connectorId":1,"status":"Faulted"}]"#;
    for _ in 0..2 {
        pair.say(status).await;
        assert_eq!(pair.hear().await, r#"[3,"n1",{}]"#);
    }
    let reports = pair.events().iter().filter(|event| **event != EventKind::Heartbeat).count();
    assert_eq!(reports, 1);
}

#[tokio::test(start_paused = true)]
async fn b33_nonsense_never_closes_the_connection() {
    let mut pair = Pair::new().await;
    for nonsense in ["", "nonsense", "{}", "[]", "[9,\"x\"]", "[2", "[2,\"a\"]", "null"] {
        pair.say(nonsense).await;
    }
    pair.say(r#"[2,"h1","Heartbeat",{}]"#).await;
    loop {
        let heard = pair.hear().await;
        if heard.starts_with(r#"[3,"h1","#) {
            break;
        }
        assert!(heard.starts_with("[4,"), "{heard}");
    }
    assert!(!lock(&pair.intake.notes).is_empty());
}

#[tokio::test(start_paused = true)]
async fn b36_a_binary_frame_is_refused_politely() {
    let mut pair = Pair::new().await;
    pair.charger.send(Message::binary(vec![1, 2])).await.expect("sends");
    let (code, reason) = pair.hear_close().await;
    assert_eq!(code, 1003);
    assert!(reason.contains("text"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn b38_a_message_that_is_too_long_ends_it_with_the_reason() {
    let settings = GatewaySettings { max_message_bytes: 2_000, ..GatewaySettings::default() };
    let mut pair = Pair::with(With { settings, ..With::default() }).await;
    pair.say(&format!(r#"[2,"d1","DataTransfer",{{"data":"{}"}}]"#, "x".repeat(3_000))).await;
    assert_eq!(pair.hear_close().await.0, 1009);
    pair.settle().await;
    let reason = pair.disconnected().expect("has ended").reason;
    assert!(reason.contains("at most 2000"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn b38_frames_without_a_message_end_it_and_messages_in_between_do_not() {
    let settings = GatewaySettings { max_message_bytes: 2_000, ..GatewaySettings::default() };
    let mut pair = Pair::with(With { settings, ..With::default() }).await;
    // 131 bytes each; 4,000 and 65,536 are granted.
    for round in 0..4 {
        for _ in 0..300 {
            let ping = Message::Ping(vec![0; 125].into());
            pair.charger.send(ping).await.expect("is taken");
        }
        pair.say(&format!(r#"[2,"h{round}","Heartbeat",{{}}]"#)).await;
        while !matches!(pair.next().await, Message::Text(_)) {}
    }
    for _ in 0..600 {
        if pair.charger.send(Message::Ping(vec![0; 125].into())).await.is_err() {
            break;
        }
    }
    while matches!(pair.next().await, Message::Pong(_)) {}
    pair.settle().await;
    let reason = pair.disconnected().expect("has ended").reason;
    assert!(reason.contains("without a message"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn b50_a_charger_not_let_in_is_gated_only_after_its_boot() {
    let mut pair = Pair::with(With { boot: BootStatus::Pending, ..With::default() }).await;
    let status = |number: u32| {
        format!(r#"[2,"n{number}","StatusNotification",{{"connectorId":1,"status":"Available"}}]"#)
    };
    pair.say(&status(1)).await;
    assert_eq!(pair.hear().await, r#"[3,"n1",{}]"#);
    pair.say(r#"[2,"b1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]"#)
        .await;
    assert!(pair.hear().await.contains("Pending"));
    pair.say(&status(2)).await;
    assert!(pair.hear().await.starts_with(r#"[4,"n2","SecurityError""#));
    // A person lets it in.
    assert!(pair.shared.book.set_boot(super::kit::CHARGER, BootStatus::Accepted));
    pair.say(&status(3)).await;
    assert_eq!(pair.hear().await, r#"[3,"n3",{}]"#);
}

#[tokio::test(start_paused = true)]
async fn the_strict_reading_refuses_what_breaks_the_schema() {
    let strict = |strict| With { strict, ..With::default() };
    let broken = r#"[2,"n1","StatusNotification",{"status":"Available"}]"#;
    let mut pair = Pair::with(strict(true)).await;
    pair.say(broken).await;
    assert!(pair.hear().await.starts_with(r#"[4,"n1","#));
    let mut pair = Pair::with(strict(false)).await;
    pair.say(broken).await;
    assert_eq!(pair.hear().await, r#"[3,"n1",{}]"#);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_a_small_task() {
    let pair = Pair::new().await;
    // Ten thousand of them idle: what a wait keeps alive must stay far below the read buffer.
    // With what the runtime adds it has a place of 1,024 bytes.
    assert!(pair.task_bytes <= 896, "{} bytes", pair.task_bytes);
}

#[tokio::test(start_paused = true)]
async fn a_week_of_heartbeats_passes_on_one_connection() {
    let mut pair = Pair::new().await;
    for number in 0..7 * 24 * 12 {
        pair.say(&format!(r#"[2,"{number}","Heartbeat",{{}}]"#)).await;
        assert!(pair.hear().await.starts_with(&format!("[3,\"{number}\",")));
        // Reading answers the pings that came meanwhile.
        let quiet = tokio::time::timeout(Duration::from_mins(5), pair.next()).await;
        if let Ok(message) = quiet {
            assert!(message.is_ping(), "{message:?}");
        }
    }
    assert_eq!(pair.disconnected(), None);
}

#[tokio::test(start_paused = true)]
async fn b39_a_flood_is_slowed_down_and_loses_nothing() {
    let settings = GatewaySettings { pending_answers_max: 4, ..GatewaySettings::default() };
    let mut pair = Pair::with(With { settings, hold_answers: true, ..With::default() }).await;
    for number in 0..200 {
        let text = if number % 10 == 0 {
            START.replace("s1", &number.to_string())
        } else {
            format!(
                r#"[2,"{number}","StatusNotification",{{"connectorId":1,"status":"Available"}}]"#
            )
        };
        pair.say(&text).await;
    }
    pair.settle().await;
    assert!(pair.held() <= 4, "it is read no faster than it is answered");
    for number in 0..200 {
        pair.release();
        let heard = pair.hear().await;
        assert!(heard.starts_with(&format!("[3,\"{number}\",")), "{heard}");
    }
    let is_start = |event: &&EventKind| matches!(event, EventKind::TransactionStarted(_));
    assert_eq!(pair.events().iter().filter(is_start).count(), 20);
}

#[tokio::test(start_paused = true)]
async fn b20_a_compressed_frame_that_nobody_agreed_on_ends_it_with_the_reason() {
    let mut pair = Pair::new().await;
    // Text, final, RSV1 set; masked with zeros; two bytes.
    let frame = [0xC1, 0x82, 0, 0, 0, 0, b'h', b'i'];
    tokio::io::AsyncWriteExt::write_all(pair.charger.get_mut(), &frame).await.expect("is sent");
    let (code, _) = pair.hear_close().await;
    assert_eq!(code, 1002);
    pair.settle().await;
    let reason = pair.disconnected().expect("has ended").reason;
    assert!(reason.contains("eserved bits"), "{reason}");
    assert!(!lock(&pair.intake.notes).is_empty());
}
