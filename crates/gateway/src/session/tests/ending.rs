//! Silence, pings and the ways to end.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::kit::{CHARGER, Pair, With};
use crate::GatewaySettings;
use crate::address_book::{CloseHow, CloseRequest};

const START: &str = r#"[2,"s1","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-09-21T14:13:20Z"}]"#;

fn closing(code: u16, how: CloseHow) -> CloseRequest {
    CloseRequest { code, reason: "enough".into(), how }
}

#[tokio::test(start_paused = true)]
async fn b08_a_quiet_charger_is_pinged_within_a_minute_and_stays() {
    let mut pair = Pair::new().await;
    let began = pair.now();
    for _ in 0..100 {
        // Reading also answers the ping.
        assert!(pair.next().await.is_ping());
    }
    let each_ms = pair.now().since_ms(began) / 100;
    assert!((30_000..60_000).contains(&each_ms), "{each_ms}");
    assert_eq!(pair.disconnected(), None);
}

#[tokio::test(start_paused = true)]
async fn b06_a_peer_that_is_gone_is_found_by_the_clock() {
    let pair = Pair::new().await;
    tokio::time::sleep(Duration::from_secs(119)).await;
    assert_eq!(pair.disconnected(), None);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let disconnected = pair.disconnected().expect("given up");
    assert_eq!(
        (disconnected.reason.as_str(), disconnected.replaced),
        ("no answer to pings", false)
    );
    assert!(pair.shared.book.is_empty());
}

#[tokio::test(start_paused = true)]
async fn b07_a_charger_that_ignores_pings_but_talks_stays_and_is_left_in_peace() {
    let mut pair = Pair::new().await;
    for number in 0..12 {
        // Written straight to the pipe: the client would answer pings if it were read.
        pair.say(&format!(r#"[2,"{number}","Heartbeat",{{}}]"#)).await;
        tokio::time::sleep(Duration::from_secs(100)).await;
    }
    assert_eq!(pair.disconnected(), None);
    assert!(pair.shared.pings.are_off(CHARGER));
    let mut pings = 0;
    while let Ok(Some(Ok(message))) = timeout(Duration::from_secs(1), pair.charger.next()).await {
        pings += u32::from(message.is_ping());
    }
    assert_eq!(pings, 3);
}

#[tokio::test(start_paused = true)]
async fn b07_a_charger_that_breaks_off_when_it_is_pinged_is_pinged_no_more() {
    let mut pair = Pair::new().await;
    for _ in 0..3 {
        assert!(!pair.shared.pings.are_off(CHARGER));
        pair.say(r#"[2,"h","Heartbeat",{}]"#).await;
        // The answer to the heartbeat, then the ping, and the connection is gone.
        while !pair.next().await.is_ping() {}
        pair.reconnect().await;
    }
    assert!(pair.shared.pings.are_off(CHARGER));
    let heard = timeout(Duration::from_mins(14), pair.charger.next()).await;
    assert!(heard.is_err(), "left in peace for three heartbeats, and not {heard:?}");
    assert!(!pair.session.is_finished());
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert!(pair.session.is_finished(), "behaviour 9: not longer than that");
}

#[tokio::test(start_paused = true)]
async fn b07_a_charger_that_was_lost_without_a_pong_is_remembered() {
    let mut pair = Pair::new().await;
    for _ in 0..3 {
        assert!(!pair.shared.pings.are_off(CHARGER));
        pair.reconnect().await;
        // It never reads, so it answers no ping.
        tokio::time::sleep(Duration::from_mins(3)).await;
        assert!(pair.session.is_finished());
    }
    assert!(pair.shared.pings.are_off(CHARGER));
}

#[tokio::test(start_paused = true)]
async fn b09_silence_is_measured_by_the_interval_that_this_charger_was_given() {
    for interval_s in [120, 900] {
        let heartbeat_interval_s = Some(interval_s);
        let settings = GatewaySettings { ping_interval_ms: 0, ..GatewaySettings::default() };
        let pair = Pair::with(With { settings, heartbeat_interval_s, ..With::default() }).await;
        tokio::time::sleep(Duration::from_secs(u64::from(interval_s) * 3 - 1)).await;
        assert_eq!(pair.disconnected(), None, "{interval_s} s");
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(pair.disconnected().expect("given up").reason, "silence");
    }
}

#[tokio::test(start_paused = true)]
async fn b10_a_trickle_of_bytes_is_a_sign_of_life() {
    use tokio::io::AsyncWriteExt;
    let mut pair = Pair::new().await;
    // A frame of 20 bytes that takes ten minutes to arrive: header, mask, then byte by byte.
    let raw = pair.charger.get_mut();
    raw.write_all(&[0x81, 0x80 | 0x14, 0, 0, 0, 0]).await.expect("writes");
    for byte in b"[2,\"1\",\"Heartbeat\",{" {
        tokio::time::sleep(Duration::from_secs(30)).await;
        raw.write_all(&[*byte]).await.expect("writes");
    }
    assert_eq!(pair.disconnected(), None);
}

#[tokio::test(start_paused = true)]
async fn the_charger_closes_and_its_reason_is_told() {
    let mut pair = Pair::new().await;
    pair.charger.close(None).await.expect("closes");
    pair.settle().await;
    assert_eq!(pair.disconnected().expect("ended").reason, "charger closed");
}

#[tokio::test(start_paused = true)]
async fn b23_a_stop_lets_the_answers_out_first() {
    let mut pair = Pair::with(With { hold_answers: true, ..With::default() }).await;
    pair.say(START).await;
    pair.settle().await;
    pair.mailbox.close(closing(1001, CloseHow::Shutdown));
    pair.hear_nothing().await;
    pair.release();
    assert!(pair.hear().await.starts_with(r#"[3,"s1","#));
    assert_eq!(pair.hear_close().await, (1001, "enough".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_ever_for_an_answer() {
    let mut pair = Pair::with(With { hold_answers: true, ..With::default() }).await;
    pair.say(START).await;
    pair.settle().await;
    let began = pair.now();
    pair.mailbox.close(closing(1001, CloseHow::Shutdown));
    assert_eq!(pair.hear_close().await.0, 1001);
    assert_eq!(pair.now().since_ms(began), 3_000);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_nobody_answers_ends_after_a_while() {
    let pair = Pair::new().await;
    pair.mailbox
        .close(closing(1008, CloseHow::Replaced { by: SocketAddr::from(([192, 0, 2, 8], 1)) }));
    pair.settle().await;
    assert_eq!(pair.disconnected(), None);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let disconnected = pair.disconnected().expect("ended");
    assert_eq!((disconnected.reason.as_str(), disconnected.replaced), ("replaced", true));
}

#[tokio::test(start_paused = true)]
async fn a_charger_that_never_reads_is_let_go() {
    let settings =
        GatewaySettings { write_buffer_bytes_max: 16 << 10, ..GatewaySettings::default() };
    let with = With { settings, pipe_bytes: Some(1 << 10), ..With::default() };
    let mut pair = Pair::with(with).await;
    let asking = async {
        for number in 0..1_000 {
            let text = format!(r#"[2,"{number}","Heartbeat",{{}}]"#);
            if futures_util::SinkExt::send(&mut pair.charger, Message::text(text)).await.is_err() {
                break;
            }
        }
    };
    // The session stops reading as soon as its answers do not leave, so this never finishes.
    assert!(timeout(Duration::from_secs(100), asking).await.is_err());
    tokio::time::sleep(Duration::from_mins(15)).await;
    assert!(pair.disconnected().is_some());
    assert!(pair.session.is_finished());
}
