//! What differs between the versions: the message types of 2.1, and the strict reading of each.

use mendpoint_model::{EventKind, Protocol};

use super::kit::{Pair, With, lock};

const STREAM: &str = r#"[6,"p1","NotifyPeriodicEventStream",{"id":4,"pending":0,"basetime":"2026-09-21T14:13:00Z","data":[{"t":0.5,"v":"230"}]}]"#;

async fn pair(protocol: Protocol, strict: bool) -> Pair {
    Pair::with(With { protocol: Some(protocol), strict, ..With::default() }).await
}

fn notes(pair: &Pair) -> String {
    format!("{:?}", lock(&pair.intake.notes))
}

#[tokio::test(start_paused = true)]
async fn b33_a_send_is_taken_in_and_never_answered() {
    for strict in [false, true] {
        let mut pair = pair(Protocol::V21, strict).await;
        pair.say(STREAM).await;
        pair.hear_nothing().await;
        assert_eq!(pair.events(), [EventKind::Other("NotifyPeriodicEventStream".into())]);
        assert_eq!(notes(&pair), "[]");
    }
}

#[tokio::test(start_paused = true)]
async fn b33_a_send_that_is_wrong_is_noted_and_not_answered_either() {
    let mut pair = pair(Protocol::V21, true).await;
    pair.say(r#"[6,"p1","NotifyPeriodicEventStream",{"id":-4}]"#).await;
    pair.hear_nothing().await;
    assert!(notes(&pair).contains("PropertyConstraintViolation: id: -4"), "{}", notes(&pair));
    // A message that wants an answer is not taken in as one that wants none.
    pair.say(r#"[6,"t1","TransactionEvent",{}]"#).await;
    pair.hear_nothing().await;
    assert_eq!(pair.events(), [EventKind::Heartbeat, EventKind::Heartbeat]);
}

#[tokio::test(start_paused = true)]
async fn b33_the_types_of_2_1_are_unknown_before_it() {
    let mut old = pair(Protocol::V16, false).await;
    old.say(STREAM).await;
    old.hear_nothing().await;
    assert_eq!(old.events(), [EventKind::Heartbeat]);
    let mut newer = pair(Protocol::V201, false).await;
    newer.say(STREAM).await;
    assert!(newer.hear().await.starts_with(r#"[4,"p1","MessageTypeNotSupported","#));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_answer_is_refused_in_2_1_when_the_reading_is_strict() {
    for (protocol, strict, is_told) in
        [(Protocol::V21, true, true), (Protocol::V21, false, false), (Protocol::V201, true, false)]
    {
        let mut pair = pair(protocol, strict).await;
        let id = pair.command();
        pair.hear().await;
        pair.say(&format!(r#"[3,"{id}",{{"status":"Accepted","extra":1}}]"#)).await;
        if is_told {
            let heard = pair.hear().await;
            assert!(heard.starts_with(&format!(r#"[5,"{id}","FormatViolation","#)), "{heard}");
        } else {
            pair.hear_nothing().await;
        }
        pair.settle().await;
        // What was done is done, whatever the words.
        assert!(pair.outcomes()[0].outcome.is_accepted());
    }
}

#[tokio::test(start_paused = true)]
async fn b34_the_strict_reading_speaks_the_language_of_each_version() {
    for (protocol, text, code) in [
        (Protocol::V16, r#"[2,"n1","StatusNotification",{}]"#, "OccurenceConstraintViolation"),
        (Protocol::V201, r#"[2,"n1","StatusNotification",{}]"#, "OccurrenceConstraintViolation"),
        (Protocol::V16, r#"[2,"n1","Authorize",{"idTag":7}]"#, "TypeConstraintViolation"),
        (Protocol::V16, r#"[2,"n1","SignCertificate",{"csr":"x","a":1}]"#, "FormationViolation"),
        (Protocol::V21, r#"[2,"n1","BatterySwap",[]]"#, "FormatViolation"),
        (Protocol::V21, r#"[2,"n1","MakeCoffee",{}]"#, "NotImplemented"),
        (Protocol::V21, r#"[2,"n1","NotifyWebPaymentStarted",{}]"#, "NotSupported"),
    ] {
        let mut pair = pair(protocol, true).await;
        pair.say(text).await;
        let heard = pair.hear().await;
        assert!(heard.starts_with(&format!(r#"[4,"n1","{code}","#)), "{text}: {heard}");
    }
}
