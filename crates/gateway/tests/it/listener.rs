//! The listener: connecting, being refused, being replaced, stopping.

use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt;
use mendpoint_gateway::{Gateway, GatewayError, GatewayEvent, GatewaySettings, ListenerSettings};
use mendpoint_model::{ChargerKey, EventKind, Protocol};
use prometheus::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::kit::*;

#[tokio::test]
async fn a_charger_connects_and_is_answered() {
    let server = Server::start();
    let mut charger = server.connect("any/prefix/CP-1/?x=y", Some("ocpp1.6")).await;
    charger.send(Message::text(r#"[2,"1","Heartbeat",{}]"#)).await.expect("sends");
    assert!(hear(&mut charger).await.starts_with(r#"[3,"1",{"currentTime":""#));
    let (epoch, event) =
        server.register.wait_for(|event| matches!(event, EventKind::Connected(_))).await;
    let EventKind::Connected(connected) = event else { panic!("{event:?}") };
    assert_eq!((epoch, connected.protocol, connected.replaced), (1, Protocol::V16, false));
    assert_eq!(server.book.len(), 1);
    assert_eq!(server.metric("mendpoint_gateway_sessions "), Some(1.0));
    let heartbeats = server.metric(r#"mendpoint_gateway_messages_total{action="Heartbeat"} "#);
    assert_eq!(heartbeats, Some(1.0));
    charger.close(None).await.expect("closes");
    server.register.wait_for(|event| matches!(event, EventKind::Disconnected(_))).await;
    assert!(server.book.is_empty());
}

#[tokio::test]
async fn b12_who_may_not_connect_is_told_in_plain_http() {
    let server = Server::start();
    let stranger = server.ask("/ocpp/NOBODY", "").await;
    assert!(stranger.starts_with("HTTP/1.1 404 "), "{stranger}");
    let bare = server.ask("/ocpp/CP-100", "").await;
    assert!(bare.starts_with("HTTP/1.1 401 "), "{bare}");
    assert!(bare.contains("\r\nWWW-Authenticate: Basic realm="), "{bare}");
    // CP-100:wrong
    let wrong = server.ask("/ocpp/CP-100", "Authorization: Basic Q1AtMTAwOndyb25n\r\n").await;
    assert!(wrong.starts_with("HTTP/1.1 401 "), "{wrong}");
    let busy = server.ask("/BUSY", "").await;
    assert!(
        busy.starts_with("HTTP/1.1 429 ") && busy.contains("\r\nRetry-After: 17\r\n"),
        "{busy}"
    );
    let dark = server.ask("/DARK", "").await;
    assert!(dark.starts_with("HTTP/1.1 503 ") && dark.contains("\r\nRetry-After: "), "{dark}");
    let malformed = server.ask("/CP-%zz", "").await;
    assert!(malformed.starts_with("HTTP/1.1 400 ") && malformed.contains('%'), "{malformed}");
    let browser = server.talk("GET /CP-1 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(browser.starts_with("HTTP/1.1 426 ") && browser.contains("WebSocket"), "{browser}");
    let tls = server.talk("\x16\x03\x01\x02").await;
    assert!(tls.starts_with("HTTP/1.1 400 ") && tls.contains("TLS"), "{tls}");
    let long = server.talk(&format!("GET /{} HTTP/1.1", "a".repeat(20_000))).await;
    assert!(long.starts_with("HTTP/1.1 400 "), "{long}");

    let notes = server.register.notes();
    let refused: Vec<&str> = notes
        .iter()
        .filter_map(|note| match note {
            GatewayEvent::LoginRefused { why, .. } => Some(*why),
            _ => None,
        })
        .collect();
    assert_eq!(refused, ["wrong password"; 2]);
    assert!(
        matches!(&notes[0], GatewayEvent::UnknownCharger { identity, .. } if identity == "NOBODY")
    );
    assert_eq!(
        server.metric(r#"mendpoint_gateway_handshakes_total{result="unauthorized"} "#),
        Some(2.0)
    );
}

#[tokio::test]
async fn the_right_password_opens_the_door() {
    let server = Server::start();
    // CP-100:secret, and the answer to the key of RFC 6455's example.
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    let request = "GET /CP-100 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: x, ocpp1.6\r\n\
        Authorization: Basic Q1AtMTAwOnNlY3JldA==\r\n\r\n";
    // The head in two pieces, as a slow modem would deliver it.
    stream.write_all(&request.as_bytes()[..50]).await.expect("writes");
    sleep(Duration::from_millis(20)).await;
    // The first frame comes along with the end of the head: an unmasked-by-zero heartbeat.
    let call = br#"[2,"1","Heartbeat",{}]"#;
    let mut rest = request.as_bytes()[50..].to_vec();
    rest.extend([0x81, 0x80 | call.len() as u8, 0, 0, 0, 0]);
    rest.extend(call);
    stream.write_all(&rest).await.expect("writes");
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("currentTime") {
        let read = timeout(SOON, stream.read_buf(&mut heard)).await;
        assert!(read.expect("in time").expect("reads") > 0);
    }
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.starts_with("HTTP/1.1 101 "), "{heard}");
    assert!(heard.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert!(heard.contains("\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"), "{heard}");
}

#[tokio::test]
async fn b12_no_common_version_completes_the_handshake_and_closes() {
    let server = Server::start();
    for (path, headers) in [("/CP-1", "ocpp1.5"), ("/CP-1", "")] {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        let offer = match headers {
            "" => String::new(),
            offered => format!("Sec-WebSocket-Protocol: {offered}\r\n"),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("writes");
        let mut heard = Vec::new();
        // 0x88 begins a close frame; 1002 is 0x03ea.
        while !heard.windows(2).any(|pair| pair == [0x03, 0xea]) {
            let read = timeout(SOON, stream.read_buf(&mut heard)).await;
            assert!(read.expect("in time").expect("reads") > 0);
        }
        let heard = String::from_utf8_lossy(&heard);
        assert!(heard.starts_with("HTTP/1.1 101 "), "{heard}");
        assert!(!heard.contains("Sec-WebSocket-Protocol"), "{heard}");
    }
    assert!(server.book.is_empty());
    let notes = server.register.notes();
    assert!(
        matches!(&notes[0], GatewayEvent::NoCommonProtocol { offered, .. } if offered == &["ocpp1.5"])
    );
}

#[tokio::test]
async fn b13_a_charger_without_the_header_gets_the_legacy_version() {
    let settings =
        GatewaySettings { legacy_protocol: Some(Protocol::V16), ..GatewaySettings::default() };
    let server = Server::with(settings, Register::default());
    let mut charger = server.connect("CP-1", None).await;
    charger.send(Message::text(r#"[2,"1","Heartbeat",{}]"#)).await.expect("sends");
    assert!(hear(&mut charger).await.contains("currentTime"));
}

#[tokio::test]
async fn b01_the_newest_connection_wins_and_the_old_ones_end_does_not_matter() {
    let server = Server::start();
    let mut old = server.connect("CP-1", Some("ocpp1.6")).await;
    server.register.wait_for(|event| matches!(event, EventKind::Connected(_))).await;
    let mut new = server.connect("CP-1", Some("ocpp1.6")).await;
    let (code, reason) = hear_close(&mut old).await;
    assert_eq!((code, reason.as_str()), (1008, "replaced by a newer connection"));
    let (epoch, event) =
        server.register.wait_for(|event| matches!(event, EventKind::Disconnected(_))).await;
    let EventKind::Disconnected(disconnected) = event else { panic!("{event:?}") };
    assert_eq!((epoch, disconnected.replaced), (1, true));
    assert_eq!(server.book.epoch(ChargerKey(1)), Some(2));
    new.send(Message::text(r#"[2,"1","Heartbeat",{}]"#)).await.expect("sends");
    assert!(hear(&mut new).await.contains("currentTime"));
    let replaced = |event: &EventKind| matches!(event, EventKind::Connected(it) if it.replaced);
    assert_eq!(server.register.wait_for(replaced).await.0, 2);
    assert!(server.register.notes().iter().any(|it| matches!(it, GatewayEvent::Replaced { .. })));
}

#[tokio::test]
async fn b02_a_half_open_connection_does_not_keep_the_newcomer_out() {
    let server = Server::start();
    // Never read again: to us it looks like a peer whose network is gone.
    let zombie = server.connect("CP-1", Some("ocpp1.6")).await;
    let mut charger = server.connect("CP-1", Some("ocpp1.6")).await;
    charger.send(Message::text(r#"[2,"1","Heartbeat",{}]"#)).await.expect("sends");
    assert!(hear(&mut charger).await.contains("currentTime"));
    drop(zombie);
}

#[tokio::test]
async fn b05_a_full_house_lets_in_who_is_there_already() {
    let settings = GatewaySettings { max_connections: 1, ..GatewaySettings::default() };
    let server = Server::with(settings, Register::default());
    let _zombie = server.connect("CP-1", Some("ocpp1.6")).await;
    let refused = server.ask("/CP-2", "").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    server.connect("CP-1", Some("ocpp1.6")).await;
}

#[tokio::test]
async fn half_open_handshakes_are_closed_and_do_not_block_the_rest() {
    let settings = GatewaySettings {
        handshake_timeout_ms: 300,
        handshakes_max: 4,
        ..GatewaySettings::default()
    };
    let server = Server::with(settings, Register::default());
    let mut silent = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        stream.write_all(b"GET /CP-1 HT").await.expect("writes");
        silent.push(stream);
    }
    let connecting = server.connect("CP-2", Some("ocpp1.6"));
    timeout(SOON, connecting).await.expect("gets its turn");
    let mut byte = [0];
    for stream in &mut silent {
        let read = timeout(SOON, stream.read(&mut byte)).await.expect("is closed");
        assert_eq!(read.unwrap_or(0), 0);
    }
    assert_eq!(
        server.metric(r#"mendpoint_gateway_handshakes_total{result="timed_out"} "#),
        Some(4.0)
    );
}

#[tokio::test]
async fn a_register_that_does_not_answer_in_time_is_a_503() {
    let settings = GatewaySettings { handshake_timeout_ms: 200, ..GatewaySettings::default() };
    let server = Server::with(settings, Register { slow: true, ..Register::default() });
    let answer = server.ask("/CP-1", "").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test]
async fn b23_stopping_closes_everybody_with_1001_and_returns() {
    let server = Server::start();
    let mut chargers = Vec::new();
    for number in 0..20 {
        chargers.push(server.connect(&format!("CP-{number}"), Some("ocpp1.6")).await);
    }
    server.stop.send(true).expect("the gateway runs");
    for charger in &mut chargers {
        assert_eq!(hear_close(charger).await.0, 1001);
    }
    timeout(SOON, server.task).await.expect("returns").expect("without a panic");
    let gone = server.register.events().into_iter();
    let gone = gone.filter_map(|(_, event)| match event {
        EventKind::Disconnected(gone) => Some(gone.reason),
        _ => None,
    });
    let gone: Vec<String> = gone.collect();
    assert_eq!(gone.len(), 20);
    // The ledgers and rules know by it that nobody lost anything.
    assert!(gone.iter().all(|reason| mendpoint_model::is_our_stop(reason)), "{gone:?}");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_charger_can_be_closed_from_outside() {
    let server = Server::start();
    let mut charger = server.connect("CP-1", Some("ocpp1.6")).await;
    server.register.wait_for(|event| matches!(event, EventKind::Connected(_))).await;
    assert!(server.book.close(ChargerKey(1), 1000, "no answers for hours"));
    assert_eq!(hear_close(&mut charger).await, (1000, "no answers for hours".to_owned()));
    assert!(!server.book.close(ChargerKey(2), 1000, "nobody"));
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_sentence() {
    let server = Server::start();
    let settings = GatewaySettings {
        listeners: vec![ListenerSettings { listen: server.address, ..any_port() }],
        ..GatewaySettings::default()
    };
    let failed = Gateway::bind(settings, Arc::clone(&server.register), &Registry::new());
    let error = failed.expect_err("the port is taken");
    assert!(matches!(error, GatewayError::Listen { .. }));
    assert!(error.to_string().contains("another server"), "{error}");
}

#[tokio::test]
async fn b20_compression_is_not_agreed_on_by_accident() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    let request = "GET /ocpp/CP-1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ocpp2.1\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(SOON, stream.read_u8()).await.expect("soon").expect("reads"));
    }
    let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-protocol: ocpp2.1"), "{head}");
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
}
