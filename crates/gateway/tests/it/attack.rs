//! Peers that mean no good, or are broken in the same way.

use super::kit::*;
use futures_util::SinkExt;
use mendpoint_gateway::{GatewayEvent, GatewaySettings};
use mendpoint_model::EventKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn r8_stalled_handshakes_do_not_keep_a_charger_waiting() {
    const PLACES: usize = 200;
    // Whoever had to wait for the handshake time-out would be too late for this test.
    let settings = GatewaySettings {
        handshakes_max: PLACES,
        handshake_timeout_ms: 600_000,
        ..GatewaySettings::default()
    };
    let server = Server::with(settings, Register::default());
    // More than there are places, and more than the time-out would free in the time of the test.
    let mut silent = Vec::new();
    for number in 0..PLACES * 2 {
        let mut stream = from_host(9, server.address).await;
        if number % 2 == 0 {
            stream.write_all(b"GET /CP-1 HT").await.expect("writes");
        }
        silent.push(stream);
    }
    let connecting = server.connect("CP-2", Some("ocpp1.6"));
    let mut charger = timeout(SOON, connecting).await.expect("gets its turn");
    charger.send(Message::text(r#"[2,"1","Heartbeat",{}]"#)).await.expect("sends");
    assert!(hear(&mut charger).await.contains("currentTime"));
    let evicted = server.metric("mendpoint_gateway_handshakes_evicted_total ").expect("counted");
    assert!(evicted >= 1.0, "{evicted}");
    drop(silent);
}

#[tokio::test]
async fn b03_and_s23_a_wrong_password_never_touches_the_connection_of_the_real_charger() {
    let server = Server::start();
    let right = ("Authorization", "Basic Q1AtMTAwOnNlY3JldA==");
    let mut real = server.connect_with("CP-100", right).await;
    for round in 0..1_000 {
        let headers = match round % 3 {
            0 => "",
            1 => "Authorization: Basic Q1AtMTAwOndyb25n\r\n",
            _ => "Authorization: Basic Q1AtMTAxOnNlY3JldA==\r\n",
        };
        let refused = server.ask("/CP-100", headers).await;
        assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    }
    real.send(Message::text(r#"[2,"1","Heartbeat",{}]"#)).await.expect("sends");
    assert!(hear(&mut real).await.contains("currentTime"), "b03: it was never disconnected");
    let notes = server.register.notes();
    assert!(!notes.iter().any(|note| matches!(note, GatewayEvent::Replaced { .. })));
    let refused = notes.iter().filter(|note| matches!(note, GatewayEvent::LoginRefused { .. }));
    assert_eq!(refused.count(), 1_000);
    assert_eq!(server.book.len(), 1);
}

#[tokio::test]
async fn b20_compression_is_never_agreed_and_reserved_bits_close_with_a_reason() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    let request = "GET /CP-1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut heard = [0; 1_024];
    let length = timeout(SOON, stream.read(&mut heard)).await.expect("in time").expect("reads");
    let head = String::from_utf8_lossy(&heard[..length]).to_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && !head.contains("extensions"), "{head}");
    // A text frame of one byte with the first reserved bit: compressed, as if it had been agreed.
    stream.write_all(&[0xc1, 0x81, 0, 0, 0, 0, b'x']).await.expect("writes");
    let mut closing = Vec::new();
    timeout(SOON, stream.read_to_end(&mut closing)).await.expect("in time").expect("reads");
    assert_eq!(closing[0], 0x88, "a close frame: {closing:?}");
    assert_eq!(u16::from_be_bytes([closing[2], closing[3]]), 1002);
    let reason = String::from_utf8_lossy(&closing[4..2 + usize::from(closing[1])]);
    assert!(reason.contains("compression"), "{reason}");
}

#[tokio::test]
async fn b04_two_devices_with_one_identity_are_told_and_stop_pushing_each_other_out() {
    let server = Server::start();
    let mut refused = None;
    let mut open = Vec::new();
    for round in 0..10 {
        let host = if round % 2 == 0 { 11 } else { 12 };
        match server.connect_from(host, "CP-1").await {
            Ok(mut charger) => {
                // It is alive: a dead connection that is pushed out is nothing.
                charger.send(Message::text(r#"[2,"1","Heartbeat",{}]"#)).await.expect("sends");
                let heard = |event: &EventKind| matches!(event, EventKind::Heartbeat);
                server.register.wait_for_count(round + 1, heard).await;
                open.push(charger);
            }
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let refused = refused.expect("the other one has to wait");
    assert!(refused.contains("429"), "{refused}");
    let told = |event: &EventKind| matches!(event, EventKind::IdentityContested(_));
    let (_, event) = server.register.wait_for(told).await;
    let EventKind::IdentityContested(contest) = event else { panic!("{event:?}") };
    assert_eq!(contest.parties, ["127.0.0.11", "127.0.0.12"]);
    assert_eq!(server.book.len(), 1, "one of them stays");
}

#[tokio::test]
async fn b28_a_station_that_is_stuck_freezes_nobody_else() {
    // The queue is full for everybody, so that every charger goes the slow way.
    let server =
        Server::with(GatewaySettings::default(), Register { full: true, ..Register::default() });
    let path = format!("CP-{}", STUCK.0);
    let mut stuck = server.connect(&path, Some("ocpp1.6")).await;
    for _ in 0..50 {
        stuck.send(Message::text(r#"[2,"1","Heartbeat",{}]"#)).await.expect("sends");
    }
    for number in 1..=10 {
        let mut charger = server.connect(&format!("CP-{number}"), Some("ocpp1.6")).await;
        charger.send(Message::text(r#"[2,"1","Heartbeat",{}]"#)).await.expect("sends");
        assert!(hear(&mut charger).await.contains("currentTime"));
    }
}
