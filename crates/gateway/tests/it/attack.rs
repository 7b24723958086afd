//! Peers that mean no good, or are broken in the same way.

use std::net::SocketAddr;
use std::time::Instant;

use super::kit::*;
use futures_util::SinkExt;
use mendpoint_gateway::{GatewayEvent, GatewaySettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// Connects from another address of this machine, as another host would.
async fn from_host(host: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).expect("an address of its own");
    socket.connect(to).await.expect("connects")
}

#[tokio::test]
async fn r8_stalled_handshakes_do_not_keep_a_charger_waiting() {
    const PLACES: usize = 200;
    let settings = GatewaySettings { handshakes_max: PLACES, ..GatewaySettings::default() };
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
    let began = Instant::now();
    let mut charger = server.connect("CP-2", Some("ocpp1.6")).await;
    charger.send(Message::text(r#"[2,"1","Heartbeat",{}]"#)).await.expect("sends");
    assert!(hear(&mut charger).await.contains("currentTime"));
    // The handshake time-out is 10 s: whoever had to wait for it would be later than that.
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
    let evicted = server.metric("mendpoint_gateway_handshakes_evicted_total ").expect("counted");
    assert!(evicted >= 1.0, "{evicted}");
    drop(silent);
}

#[tokio::test]
async fn s23_a_wrong_password_never_touches_the_connection_of_the_real_charger() {
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
