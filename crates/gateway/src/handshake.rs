//! From an accepted socket to a session, or to a refusal in plain HTTP.
//!
//! Who may connect is decided before the upgrade is answered (behaviour 12), which is why the
//! request is read here and not by the WebSocket library: its callback cannot wait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mendpoint_model::{ClientCertificate, Protocol, SecurityProfile};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::address_book::{CloseHow, CloseRequest, Mailbox, Registered};
use crate::head::{BadRequest, HEAD_BYTES_MAX, ProxyWords, Upgrade, read_head};
use crate::intake::{Admit, Admitted, GatewayEvent, Hello, Intake};
use crate::listener::Shared;
use crate::lobby::Place;
use crate::metered::Metered;
use crate::metrics::HandshakeResult;
use crate::session::{Alive, Session, SessionStart, close_politely};
use crate::tls::read_client;

/// How long a refused peer may take to read its refusal.
const REFUSAL_LINGER: Duration = Duration::from_secs(1);

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The profile of the listener it came to.
    pub(crate) listener: SecurityProfile,
    /// What it showed, once its chain was found good.
    pub(crate) certificate: Option<ClientCertificate>,
}

/// The first byte of TLS: a record with a handshake in it.
const TLS_HANDSHAKE: u8 = 0x16;

/// Encrypts, then goes on as [`serve`] within the same time.
pub(crate) async fn serve_tls<I: Intake>(
    mut stream: TcpStream,
    tls: TlsAcceptor,
    peer: Peer,
    place: Place,
    gateway: Arc<Shared<I>>,
    alive: Alive,
) {
    let deadline = Instant::now() + gateway.settings.handshake_timeout();
    let mut first = [0_u8];
    match timeout_at(deadline, stream.peek(&mut first)).await {
        Ok(Ok(0) | Err(_)) => return gateway.metrics.handshake(HandshakeResult::Lost),
        Err(_) => return gateway.metrics.handshake(HandshakeResult::TimedOut),
        Ok(Ok(_)) if first[0] != TLS_HANDSHAKE => {
            gateway.metrics.handshake(HandshakeResult::BadRequest);
            let why = "this port speaks TLS: connect with wss://";
            let remote = peer.address;
            gateway.intake.note(GatewayEvent::BadRequest { remote, why: why.to_owned() });
            return refuse(&mut stream, "400 Bad Request", "", why).await;
        }
        Ok(Ok(_)) => {}
    }
    let accepted = timeout_at(deadline, tls.accept(stream).into_fallible()).await;
    let stream = match accepted {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, mut stream))) => {
            // The alert that says why has left; it would be lost with what we did not read.
            let _ = timeout(REFUSAL_LINGER, drain(&mut stream)).await;
            let Some(why) = tls_failure(&error) else {
                return gateway.metrics.handshake(HandshakeResult::Lost);
            };
            gateway.metrics.handshake(HandshakeResult::BadTls);
            gateway.intake.note(GatewayEvent::TlsRefused { remote: peer.address, why });
            return;
        }
        Err(_) => return gateway.metrics.handshake(HandshakeResult::TimedOut),
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = shown.and_then(read_client);
    let peer = Peer { certificate, ..peer };
    serve_until(deadline, stream, peer, place, gateway, alive).await;
}

/// Why encryption failed, in words; `None` when the peer just went away.
fn tls_failure(error: &std::io::Error) -> Option<String> {
    use tokio_rustls::rustls::{CertificateError as Bad, Error};
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        // Behaviour 19: clearly said, because the charger's own log will not say it.
        Error::PeerIncompatible(_) => "the charger offers nothing that this server has: it speaks \
             TLS 1.2 and 1.3 with ECDHE, not TLS 1.0, 1.1 or RSA key exchange (a TLS proxy in \
             front can, see docs/security-profiles.md)"
            .to_owned(),
        Error::NoCertificatesPresented => {
            "the charger showed no certificate, and profile 3 asks for one".to_owned()
        }
        Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "the charger's certificate has expired".to_owned()
        }
        Error::InvalidCertificate(Bad::Revoked) => {
            "the charger's certificate has been revoked".to_owned()
        }
        Error::InvalidCertificate(Bad::UnknownIssuer) => {
            "the charger's certificate was not signed by the authority set as client_ca".to_owned()
        }
        Error::InvalidCertificate(other) => {
            format!("the charger's certificate is not good: {other}")
        }
        Error::AlertReceived(alert) => {
            format!("the charger refused our side of TLS: {alert:?}")
        }
        other => format!("TLS failed: {other}"),
    })
}

/// Speaks the handshake and, when all is well, starts the session as a task of its own, so that
/// what the handshake needed is freed.
pub(crate) async fn serve<S, I>(
    stream: S,
    peer: Peer,
    place: Place,
    gateway: Arc<Shared<I>>,
    alive: Alive,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    I: Intake,
{
    let deadline = Instant::now() + gateway.settings.handshake_timeout();
    serve_until(deadline, stream, peer, place, gateway, alive).await;
}

async fn serve_until<S, I>(
    deadline: Instant,
    mut stream: S,
    peer: Peer,
    mut place: Place,
    gateway: Arc<Shared<I>>,
    alive: Alive,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    I: Intake,
{
    let proxy = gateway.settings.proxy_of(peer.address.ip());
    let (upgrade, rest) = match timeout_at(deadline, receive_head(&mut stream, proxy)).await {
        Ok(Ok(Received::Upgrade(upgrade, rest))) => (upgrade, rest),
        Ok(Ok(Received::Bad(bad))) => {
            gateway.metrics.handshake(HandshakeResult::BadRequest);
            gateway
                .intake
                .note(GatewayEvent::BadRequest { remote: peer.address, why: bad.why.clone() });
            let extra = if bad.status.starts_with("426") {
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            } else {
                ""
            };
            return refuse(&mut stream, bad.status, extra, &bad.why).await;
        }
        Ok(Err(_)) => return gateway.metrics.handshake(HandshakeResult::Lost),
        Err(_) => return gateway.metrics.handshake(HandshakeResult::TimedOut),
    };

    place.busy();
    let hello = hello(&upgrade, peer);
    let remote = hello.remote;
    let certificate_ends = hello.certificate.as_ref().and_then(|shown| shown.not_after);
    let admit = timeout_at(deadline, gateway.intake.admit(hello)).await;
    let admitted = match admit.unwrap_or(Admit::Unavailable) {
        Admit::Accept(admitted) if is_full(&gateway, &admitted) => {
            gateway.metrics.handshake(HandshakeResult::Full);
            let why = "the central system has all the connections it can hold; try again later";
            return refuse(&mut stream, "503 Service Unavailable", "Retry-After: 30\r\n", why)
                .await;
        }
        Admit::Accept(admitted) => {
            match gateway.contests.wait_s(admitted.charger, remote.ip(), Instant::now()) {
                // Behaviour 4: whoever holds it keeps it for a while, as long as it is there.
                Some(retry_after_s) if gateway.book.is_connected(admitted.charger) => {
                    gateway.metrics.contested.inc();
                    gateway.metrics.handshake(HandshakeResult::TooMany);
                    let why = "another device is connected with this identity; try again later";
                    let extra = format!("Retry-After: {retry_after_s}\r\n");
                    return refuse(&mut stream, "429 Too Many Requests", &extra, why).await;
                }
                _ => admitted,
            }
        }
        refused => {
            let identity = upgrade.identity;
            return refuse_admission(stream, refused, identity, remote, &gateway).await;
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
        return close_politely(
            socket,
            1002,
            "no common sub-protocol: offer ocpp1.6, ocpp2.0.1 or ocpp2.1",
        )
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
            reason: mendpoint_model::STOPPING.into(),
            how: CloseHow::Shutdown,
        });
    }
    let start = SessionStart { admitted, protocol, replaced, certificate_ends, mailbox };
    tokio::spawn(Session::new(socket, gateway, start, alive).run());
}

/// What came instead of silence.
enum Received {
    Upgrade(Box<Upgrade>, Vec<u8>),
    Bad(BadRequest),
}

/// Reads until the request head is complete, wrong, or too long.
async fn receive_head<S: AsyncRead + Unpin>(
    stream: &mut S,
    proxy: Option<&ProxyWords>,
) -> std::io::Result<Received> {
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
        match read_head(&bytes, proxy) {
            Ok(Some((upgrade, length))) => {
                return Ok(Received::Upgrade(Box::new(upgrade), bytes.split_off(length)));
            }
            Ok(None) => {}
            Err(bad) => return Ok(Received::Bad(bad)),
        }
    }
}

/// Who is at the door. What a proxy says was read only if it is trusted (behaviour 17).
fn hello(upgrade: &Upgrade, peer: Peer) -> Hello {
    let told = upgrade.forwarded.clone().unwrap_or_default();
    let remote = told.address.map_or(peer.address, |it| SocketAddr::new(it, peer.address.port()));
    Hello {
        identity: upgrade.identity.clone(),
        credentials: upgrade.credentials.clone(),
        remote,
        protocols: upgrade.protocols.clone(),
        tls: peer.listener.is_encrypted() || told.tls,
        listener: peer.listener,
        certificate: peer.certificate.or(told.certificate),
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
    mut stream: S,
    refused: Admit,
    identity: String,
    remote: SocketAddr,
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
        Admit::Unauthorized { why } => (
            HandshakeResult::Unauthorized,
            Some(GatewayEvent::LoginRefused { identity, remote, why }),
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
    refuse(&mut stream, status, &extra, why).await;
}

/// Answers in plain HTTP and waits a moment for the peer to read it: closing a socket with unread
/// bytes in it resets the connection, and the charger's log would say nothing of the reason.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
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
        drain(stream).await
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
    use crate::head::Forwarded;

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
    fn b17_a_proxys_words_stand_for_the_chargers_own() {
        let address: SocketAddr = "192.0.2.1:5000".parse().expect("an address");
        let peer = Peer { address, listener: SecurityProfile::Basic, certificate: None };
        let mut upgrade = Upgrade {
            identity: "CP".to_owned(),
            accept_key: String::new(),
            protocols: Vec::new(),
            credentials: None,
            forwarded: None,
        };
        let direct = hello(&upgrade, peer.clone());
        assert_eq!((direct.remote, direct.tls), (address, false));
        upgrade.forwarded =
            Some(Forwarded { address: "203.0.113.9".parse().ok(), tls: true, certificate: None });
        let proxied = hello(&upgrade, peer);
        assert_eq!(proxied.remote.to_string(), "203.0.113.9:5000");
        assert!(proxied.tls);
    }

    #[test]
    fn what_went_wrong_in_tls_is_told_in_words() {
        use tokio_rustls::rustls::{CertificateError, Error, PeerIncompatible};
        let said = |error: Error| tls_failure(&std::io::Error::other(error)).unwrap_or_default();
        let old = said(Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled));
        assert!(old.contains("TLS 1.2"), "{old}");
        let expired = said(Error::InvalidCertificate(CertificateError::Expired));
        assert!(expired.contains("expired"), "{expired}");
        assert!(said(Error::NoCertificatesPresented).contains("no certificate"));
        assert_eq!(tls_failure(&std::io::ErrorKind::ConnectionReset.into()), None);
    }
}
