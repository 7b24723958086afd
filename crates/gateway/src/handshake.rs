//! From an accepted socket to a session, or to a refusal in plain HTTP.
//!
//! Who may connect is decided before the upgrade is answered (behaviour 12), which is why the
//! request is read here and not by the WebSocket library: its callback cannot wait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mendpoint_model::Protocol;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::address_book::{CloseHow, CloseRequest, Mailbox, Registered};
use crate::head::{BadRequest, HEAD_BYTES_MAX, Upgrade, read_head};
use crate::intake::{Admit, Admitted, GatewayEvent, Hello, Intake};
use crate::listener::Shared;
use crate::metered::Metered;
use crate::metrics::HandshakeResult;
use crate::session::{Alive, Session, SessionStart, close_politely};

/// How long a refused peer may take to read its refusal.
const REFUSAL_LINGER: Duration = Duration::from_secs(1);

/// Speaks the handshake and, when all is well, starts the session as a task of its own, so that
/// what the handshake needed is freed.
pub(crate) async fn serve<S, I>(
    mut stream: S,
    peer: SocketAddr,
    gateway: Arc<Shared<I>>,
    alive: Alive,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    I: Intake,
{
    let deadline = Instant::now() + gateway.settings.handshake_timeout();
    let (upgrade, rest) = match timeout_at(deadline, receive_head(&mut stream)).await {
        Ok(Ok(Received::Upgrade(upgrade, rest))) => (upgrade, rest),
        Ok(Ok(Received::Bad(bad))) => {
            gateway.metrics.handshake(HandshakeResult::BadRequest);
            gateway.intake.note(GatewayEvent::BadRequest { remote: peer, why: bad.why.clone() });
            let extra = if bad.status.starts_with("426") {
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            } else {
                ""
            };
            return refuse(stream, bad.status, extra, &bad.why).await;
        }
        Ok(Err(_)) => return gateway.metrics.handshake(HandshakeResult::Lost),
        Err(_) => return gateway.metrics.handshake(HandshakeResult::TimedOut),
    };

    let hello = hello(&upgrade, peer, &gateway.settings.trusted_proxies);
    let remote = hello.remote;
    let had_credentials = hello.credentials.is_some();
    let admit = timeout_at(deadline, gateway.intake.admit(hello)).await;
    let admitted = match admit.unwrap_or(Admit::Unavailable) {
        Admit::Accept(admitted) if is_full(&gateway, &admitted) => {
            gateway.metrics.handshake(HandshakeResult::Full);
            let why = "the central system has all the connections it can hold; try again later";
            return refuse(stream, "503 Service Unavailable", "Retry-After: 30\r\n", why).await;
        }
        Admit::Accept(admitted) => admitted,
        refused => {
            let identity = upgrade.identity;
            return refuse_admission(stream, refused, identity, remote, had_credentials, &gateway)
                .await;
        }
    };

    let agreed = agree(&upgrade.protocols, gateway.settings.legacy_protocol);
    let head = switching_protocols(&upgrade.accept_key, agreed.and_then(|(_, name)| name));
    match timeout_at(deadline, stream.write_all(head.as_bytes())).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return gateway.metrics.handshake(HandshakeResult::Lost),
        Err(_) => return gateway.metrics.handshake(HandshakeResult::TimedOut),
    }
    let config = Some(gateway.settings.websocket());
    let stream = Metered::new(stream, gateway.settings.max_message_bytes);
    let socket = if rest.is_empty() {
        WebSocketStream::from_raw_socket(stream, Role::Server, config).await
    } else {
        WebSocketStream::from_partially_read(stream, rest, Role::Server, config).await
    };

    let Some((protocol, _)) = agreed else {
        // Behaviours 11 and 12: the handshake is completed without a sub-protocol, then closed.
        gateway.metrics.handshake(HandshakeResult::NoCommonProtocol);
        gateway.intake.note(GatewayEvent::NoCommonProtocol {
            charger: admitted.charger,
            remote,
            offered: upgrade.protocols,
        });
        return close_politely(socket, 1002, "no common sub-protocol: offer ocpp1.6 or ocpp2.0.1")
            .await;
    };
    let queue_max = gateway.settings.command_queue_max;
    let metrics = gateway.book.metrics().clone();
    let mailbox = Mailbox::new(admitted.epoch, remote, admitted.boot, queue_max, metrics);
    let mailbox = Arc::new(mailbox);
    let replaced = match gateway.book.register(admitted.charger, &mailbox) {
        Registered::First => false,
        Registered::Replaced(old) => {
            gateway.metrics.replaced.inc();
            let charger = admitted.charger;
            gateway.intake.note(GatewayEvent::Replaced { charger, old, new: remote });
            true
        }
        Registered::Stale => {
            return close_politely(socket, 1008, "replaced by a newer connection").await;
        }
    };
    gateway.metrics.handshake(HandshakeResult::Accepted);
    if gateway.is_stopping() {
        mailbox.close(CloseRequest {
            code: 1001,
            reason: "the central system is stopping".into(),
            how: CloseHow::Shutdown,
        });
    }
    let start = SessionStart { admitted, protocol, replaced, mailbox };
    tokio::spawn(Session::new(socket, gateway, start, alive).run());
}

/// What came instead of silence.
enum Received {
    Upgrade(Upgrade, Vec<u8>),
    Bad(BadRequest),
}

/// Reads until the request head is complete, wrong, or too long.
async fn receive_head<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Received> {
    let mut bytes = Vec::with_capacity(1_024);
    loop {
        let room = (HEAD_BYTES_MAX - bytes.len()) as u64;
        let seen = bytes.len();
        if (&mut *stream).take(room).read_buf(&mut bytes).await? == 0 && room > 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        // A head ends with an empty line: without one in sight there is nothing to parse again,
        // unless it is the very beginning or the end of our patience.
        let tail = &bytes[seen.saturating_sub(3)..];
        let has_end = tail.windows(2).any(|pair| pair == b"\n\n")
            || tail.windows(4).any(|four| four == b"\r\n\r\n");
        if seen > 0 && !has_end && bytes.len() < HEAD_BYTES_MAX {
            continue;
        }
        match read_head(&bytes) {
            Ok(Some((upgrade, length))) => {
                return Ok(Received::Upgrade(upgrade, bytes.split_off(length)));
            }
            Ok(None) => {}
            Err(bad) => return Ok(Received::Bad(bad)),
        }
    }
}

/// Who is at the door, believing the words of a trusted proxy (behaviour 17).
fn hello(upgrade: &Upgrade, peer: SocketAddr, trusted: &[std::net::IpAddr]) -> Hello {
    let is_trusted = trusted.contains(&peer.ip().to_canonical());
    let forwarded = upgrade.forwarded_for.filter(|_| is_trusted);
    Hello {
        identity: upgrade.identity.clone(),
        credentials: upgrade.credentials.clone(),
        remote: forwarded.map_or(peer, |address| SocketAddr::new(address, peer.port())),
        protocols: upgrade.protocols.clone(),
        tls: is_trusted && upgrade.forwarded_tls,
    }
}

/// Whether there is no room for this charger. One that is connected already takes its own place
/// (behaviour 5).
fn is_full<I: Intake>(gateway: &Shared<I>, admitted: &Admitted) -> bool {
    let connected = usize::try_from(gateway.metrics.sessions.get()).unwrap_or(0);
    connected >= gateway.settings.max_connections && !gateway.book.is_connected(admitted.charger)
}

/// The first of the charger's offers that we speak (behaviour 11), with the name to answer. A
/// charger that offers nothing gets the legacy version without a name (behaviour 13).
fn agree(offered: &[String], legacy: Option<Protocol>) -> Option<(Protocol, Option<&str>)> {
    if offered.is_empty() {
        return legacy.map(|protocol| (protocol, None));
    }
    offered.iter().find_map(|name| {
        let protocol = Protocol::from_name(&name.to_ascii_lowercase())?;
        // Answered as it was offered: a client compares letter by letter.
        Some((protocol, Some(name.as_str())))
    })
}

fn switching_protocols(accept_key: &str, protocol: Option<&str>) -> String {
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept_key}\r\n"
    );
    if let Some(protocol) = protocol {
        head.push_str("Sec-WebSocket-Protocol: ");
        head.push_str(protocol);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head
}

/// Says no in the words of the reason, and notes it.
async fn refuse_admission<S, I>(
    stream: S,
    refused: Admit,
    identity: String,
    remote: SocketAddr,
    had_credentials: bool,
    gateway: &Shared<I>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    I: Intake,
{
    let (result, event, status, extra, why) = match refused {
        Admit::Unknown => (
            HandshakeResult::Unknown,
            Some(GatewayEvent::UnknownCharger { identity, remote }),
            "404 Not Found",
            String::new(),
            "no charger of this identity is registered here",
        ),
        Admit::Unauthorized => (
            HandshakeResult::Unauthorized,
            Some(GatewayEvent::LoginRefused { identity, remote, had_credentials }),
            "401 Unauthorized",
            "WWW-Authenticate: Basic realm=\"ocpp\", charset=\"UTF-8\"\r\n".to_owned(),
            "wrong or missing name and password",
        ),
        Admit::TooMany { retry_after_s } => (
            HandshakeResult::TooMany,
            Some(GatewayEvent::TooManyAttempts { identity, remote }),
            "429 Too Many Requests",
            format!("Retry-After: {retry_after_s}\r\n"),
            "too many attempts; try again later",
        ),
        Admit::Unavailable | Admit::Accept(_) => (
            HandshakeResult::Unavailable,
            None,
            "503 Service Unavailable",
            "Retry-After: 10\r\n".to_owned(),
            "the central system cannot tell now whether this charger may connect; try again later",
        ),
    };
    gateway.metrics.handshake(result);
    if let Some(event) = event {
        gateway.intake.note(event);
    }
    refuse(stream, status, &extra, why).await;
}

/// Answers in plain HTTP and waits a moment for the peer to read it: closing a socket with unread
/// bytes in it resets the connection, and the charger's log would say nothing of the reason.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    status: &str,
    extra: &str,
    why: &str,
) {
    let length = why.len() + 1;
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n{extra}\r\n{why}\n"
    );
    let farewell = async {
        stream.write_all(response.as_bytes()).await?;
        stream.shutdown().await?;
        drain(&mut stream).await
    };
    // Whether the peer took it in does not matter: it is gone either way.
    let _ = timeout(REFUSAL_LINGER, farewell).await;
}

/// Reads and forgets until the peer closes, within a bound.
pub(crate) async fn drain<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<()> {
    let mut scratch = [0_u8; 512];
    for _ in 0..4_096 {
        if stream.read(&mut scratch).await? == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(offered: &[&str]) -> Vec<String> {
        offered.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn b11_the_first_offer_that_we_speak_wins() {
        let offered = names(&["ocpp1.5", "ocpp2.0.1", "ocpp1.6"]);
        assert_eq!(agree(&offered, None), Some((Protocol::V201, Some("ocpp2.0.1"))));
        assert_eq!(agree(&names(&["OCPP1.6"]), None), Some((Protocol::V16, Some("OCPP1.6"))));
        assert_eq!(agree(&names(&["ocpp1.5"]), Some(Protocol::V16)), None);
    }

    #[test]
    fn b13_no_offer_at_all_is_the_legacy_version_if_there_is_one() {
        assert_eq!(agree(&[], Some(Protocol::V16)), Some((Protocol::V16, None)));
        assert_eq!(agree(&[], None), None);
    }

    #[test]
    fn b17_only_a_trusted_proxy_is_believed() {
        let upgrade = Upgrade {
            identity: "CP".to_owned(),
            accept_key: String::new(),
            protocols: Vec::new(),
            credentials: None,
            forwarded_for: "203.0.113.9".parse().ok(),
            forwarded_tls: true,
        };
        let peer: SocketAddr = "192.0.2.1:5000".parse().expect("an address");
        let stranger = hello(&upgrade, peer, &[]);
        assert_eq!((stranger.remote, stranger.tls), (peer, false));
        let proxied = hello(&upgrade, peer, &[peer.ip()]);
        assert_eq!(proxied.remote.to_string(), "203.0.113.9:5000");
        assert!(proxied.tls);
    }
}
