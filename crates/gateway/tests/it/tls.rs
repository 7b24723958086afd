//! Encrypted listeners: what they take, what they refuse, and how certificates change under way.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::SinkExt;
use mendpoint_gateway::{GatewayEvent, GatewaySettings, ListenerSettings, TlsFiles};
use mendpoint_model::{EventKind, SecurityProfile};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, SupportedProtocolVersion};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::authority::{Authority, Good};
use super::kit::*;

const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// A listener that presents a certificate of this authority, and asks for one on profile 3.
fn listener(
    authority: &Authority,
    profile: SecurityProfile,
    client_crl: Option<std::path::PathBuf>,
) -> ListenerSettings {
    let (certificate, key) = authority.present("server", &authority.server(1));
    let client_ca = (profile == SecurityProfile::Mutual).then(|| authority.file());
    ListenerSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        profile,
        tls: Some(TlsFiles { certificate, key, client_ca, client_crl }),
    }
}

fn start(authority: &Authority, profile: SecurityProfile) -> Server {
    start_with(listener(authority, profile, None))
}

fn start_with(listener: ListenerSettings) -> Server {
    let settings = GatewaySettings { listeners: vec![listener], ..GatewaySettings::default() };
    Server::on(settings, Register::default())
}

async fn encrypt(
    server: &Server,
    client: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(client).connect(name, stream).await
}

async fn connect(
    server: &Server,
    client: Arc<ClientConfig>,
    path: &str,
) -> Result<WebSocketStream<TlsStream<TcpStream>>, String> {
    let stream = encrypt(server, client).await.map_err(|error| error.to_string())?;
    let mut request = format!("wss://localhost/{path}").into_client_request().expect("an address");
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("ocpp1.6"));
    tokio_tungstenite::client_async(request, stream)
        .await
        .map(|(charger, _)| charger)
        .map_err(|error| error.to_string())
}

/// Sends a heartbeat and reads its answer.
async fn beat(charger: &mut WebSocketStream<TlsStream<TcpStream>>) {
    use futures_util::StreamExt;
    charger.send(Message::text(r#"[2,"1","Heartbeat",{}]"#)).await.expect("sends");
    loop {
        let message = timeout(SOON, charger.next()).await.expect("in time").expect("open");
        match message.expect("no error") {
            // Where a thousand sessions take their time, some are asked whether they are there.
            Message::Ping(_) => {}
            answer => return assert!(answer.to_string().contains("currentTime"), "{answer}"),
        }
    }
}

/// The sentence of the security event for the connection that was refused in TLS.
fn refused(server: &Server) -> Vec<String> {
    server
        .register
        .notes()
        .into_iter()
        .filter_map(|note| match note {
            GatewayEvent::TlsRefused { why, .. } | GatewayEvent::BadRequest { why, .. } => {
                Some(why)
            }
            _ => None,
        })
        .collect()
}

/// Waits until a connection was refused, and gives the sentence.
async fn hear_of_refusal(server: &Server) -> String {
    let heard = async {
        loop {
            if let Some(why) = refused(server).pop() {
                return why;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, heard).await.expect("a security event comes")
}

#[tokio::test]
async fn s1_both_versions_of_tls_carry_a_charger() {
    let authority = Authority::new("Volt Root");
    let server = start(&authority, SecurityProfile::Tls);
    for (number, versions) in [(1, &[&TLS12][..]), (2, &[&TLS13]), (3, BOTH)] {
        let client = authority.client(None, versions);
        let mut charger = connect(&server, client, &format!("CP-{number}")).await.expect("open");
        beat(&mut charger).await;
    }
    let hellos = server.register.hellos();
    assert!(hellos.iter().all(|hello| hello.tls && hello.listener == SecurityProfile::Tls));
}

#[tokio::test]
async fn s1_wrong_credentials_end_before_any_message_on_tls_too() {
    let authority = Authority::new("Volt Root");
    let server = start(&authority, SecurityProfile::Tls);
    let client = authority.client(None, BOTH);
    let error = connect(&server, client, "CP-100").await.expect_err("needs a password");
    assert!(error.contains("401"), "{error}");
    assert!(server.register.events().is_empty(), "no message was read");
}

#[tokio::test]
async fn a_charger_that_does_not_trust_us_leaves_its_word_for_it() {
    let server = start(&Authority::new("Volt Root"), SecurityProfile::Tls);
    let stranger = Authority::new("Other Root").client(None, BOTH);
    connect(&server, stranger, "CP-1").await.expect_err("unknown issuer");
    let why = hear_of_refusal(&server).await;
    assert!(why.contains("refused our side"), "{why}");
}

#[tokio::test]
async fn s3_a_certificate_opens_only_if_its_chain_is_good() {
    let authority = Authority::new("Volt Root");
    let revoked = authority.revoking(66);
    let server = start_with(listener(&authority, SecurityProfile::Mutual, Some(revoked)));
    let own = authority.charger("SN-1", "Volt AG", 65, Good::Now);
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let client = authority.client(Some(&own), versions);
        let mut charger = connect(&server, client, "CP-1").await.expect("its chain is good");
        beat(&mut charger).await;
    }
    let shown = server.register.hellos()[0].certificate.clone().expect("it was read");
    assert_eq!((&*shown.common_name, &*shown.organization), ("SN-1", "Volt AG"));
    assert_eq!(shown.sha256.len(), 64);

    let accepted = server.register.hellos().len();
    let other = Authority::new("Other Root");
    for (identity, told) in [
        (Some(authority.charger("SN-1", "Volt AG", 66, Good::Now)), "revoked"),
        (Some(authority.charger("SN-1", "Volt AG", 67, Good::LongAgo)), "expired"),
        (Some(other.charger("SN-1", "Volt AG", 68, Good::Now)), "not signed by the authority"),
        (None, "no certificate"),
    ] {
        for versions in [&[&TLS12][..], &[&TLS13]] {
            let client = authority.client(identity.as_ref(), versions);
            connect(&server, client, "CP-1").await.expect_err(told);
            let heard = async {
                while !refused(&server).last().is_some_and(|why| why.contains(told)) {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            };
            timeout(SOON, heard).await.unwrap_or_else(|_| panic!("{told}: {:?}", refused(&server)));
        }
    }
    assert_eq!(server.register.hellos().len(), accepted, "nobody else got as far as the identity");
}

/// Chargers that stay connected while certificates are read anew.
const SESSIONS: u32 = 1_000;

#[tokio::test]
async fn s04_a_new_certificate_is_presented_and_none_of_1_000_sessions_is_dropped() {
    // Two descriptors a session: both ends are here.
    let wanted = u64::from(SESSIONS) * 2 + 200;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let allowed = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(allowed.max(256)), maximum })
        .expect("the soft limit may be raised to the hard one");
    let sessions = SESSIONS.min(u32::try_from(allowed.saturating_sub(200) / 2).unwrap_or(SESSIONS));
    let authority = Authority::new("Volt Root");
    let listener = listener(&authority, SecurityProfile::Tls, None);
    let server = start_with(listener);
    let client = authority.client(None, BOTH);
    let mut connected = Vec::new();
    for number in 0..sessions {
        let path = format!("CP-{}", OPEN_FROM + number);
        let charger = connect(&server, Arc::clone(&client), &path).await;
        connected.push(charger.expect("open"));
    }
    let presented = |stream: &TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().expect("shown")[0].clone()
    };
    let first = presented(connected[0].get_ref());
    let before = server.certificates.status();

    let renewed = authority.server(2);
    authority.present("server", &renewed);
    server.certificates.reload().expect("good files");
    let fresh = authority.client(None, BOTH);
    let newcomer = connect(&server, fresh, "CP-99").await.expect("open");
    assert_ne!(presented(newcomer.get_ref()), first);
    assert_eq!(presented(newcomer.get_ref()), renewed.certificate);
    for charger in &mut connected {
        beat(charger).await;
    }
    assert_eq!(server.book.len(), sessions as usize + 1);
    let is_down = |event: &EventKind| matches!(event, EventKind::Disconnected(_));
    assert!(!server.register.events().iter().any(|(_, event)| is_down(event)));

    // Half a file changes nothing, and says so.
    std::fs::write(&before[0].file, "-----BEGIN CERTIFICATE-----\n").expect("writes");
    let why = server.certificates.reload().expect_err("not a certificate");
    assert!(why.contains("server.pem"), "{why}");
    connect(&server, authority.client(None, BOTH), "CP-98").await.expect("still open");
}

#[tokio::test]
async fn what_speaks_no_tls_gets_a_sentence_and_is_noted() {
    let authority = Authority::new("Volt Root");
    let server = start(&authority, SecurityProfile::Tls);
    let heard = server.ask("/CP-1", "").await;
    assert!(heard.starts_with("HTTP/1.1 400 ") && heard.contains("wss://"), "{heard}");
    assert!(hear_of_refusal(&server).await.contains("TLS"));
}

/// A greeting of TLS 1.0 or 1.1 with the cipher suites of its time.
fn old_greeting(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    // No session; TLS_RSA_WITH_AES_128_CBC_SHA and _256_; no compression.
    body.extend([0, 0, 4, 0x00, 0x2f, 0x00, 0x35, 1, 0]);
    let mut handshake = vec![1, 0, 0, body.len() as u8];
    handshake.extend(body);
    let mut record = vec![0x16, 3, 1, 0, handshake.len() as u8];
    record.extend(handshake);
    record
}

#[tokio::test]
async fn b19_old_tls_ends_with_an_alert_and_a_sentence_that_says_what_to_do() {
    let authority = Authority::new("Volt Root");
    let server = start(&authority, SecurityProfile::Tls);
    for minor in [1, 2] {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        stream.write_all(&old_greeting(minor)).await.expect("writes");
        let mut heard = Vec::new();
        timeout(SOON, stream.read_to_end(&mut heard)).await.expect("it ends").expect("cleanly");
        // An alert record: fatal, and not a reset that a charger could not tell from a bad line.
        assert_eq!((heard[0], heard[5]), (0x15, 2), "{heard:?}");
        let why = hear_of_refusal(&server).await;
        assert!(why.contains("TLS 1.2") && why.contains("proxy"), "{why}");
    }
    assert_eq!(
        server.metric(r#"mendpoint_gateway_handshakes_total{result="bad_tls"} "#),
        Some(2.0)
    );
}

#[tokio::test]
async fn b19_a_suite_without_forward_secrecy_ends_the_same_way() {
    let authority = Authority::new("Volt Root");
    let server = start(&authority, SecurityProfile::Tls);
    let mut greeting = old_greeting(3);
    // TLS_RSA_WITH_AES_128_GCM_SHA256 and TLS_RSA_WITH_AES_256_GCM_SHA384 (A00.FR.318).
    let suites = greeting.windows(4).position(|four| four == [0x00, 0x2f, 0x00, 0x35]);
    let suites = suites.expect("they are there");
    greeting[suites..suites + 4].copy_from_slice(&[0x00, 0x9c, 0x00, 0x9d]);
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(&greeting).await.expect("writes");
    let mut heard = Vec::new();
    timeout(SOON, stream.read_to_end(&mut heard)).await.expect("it ends").expect("cleanly");
    assert_eq!(heard[0], 0x15, "an alert");
    assert!(hear_of_refusal(&server).await.contains("proxy"));
}

#[tokio::test]
async fn files_that_do_not_fit_together_are_a_sentence_at_the_start() {
    let authority = Authority::new("Volt Root");
    let mut wrong = listener(&authority, SecurityProfile::Tls, None);
    let (_, other_key) = authority.present("other", &authority.server(9));
    let tls = wrong.tls.as_mut().expect("it has files");
    tls.key = other_key;
    assert!(refuses_to_start(wrong.clone()).contains("cannot be used"));
    wrong.tls.as_mut().expect("it has files").key = "/nowhere/server.key".into();
    assert!(refuses_to_start(wrong.clone()).contains("/nowhere/server.key"));
    wrong.tls = None;
    assert!(refuses_to_start(wrong.clone()).contains("needs a certificate"));
    wrong.profile = SecurityProfile::Mutual;
    wrong.tls = listener(&authority, SecurityProfile::Tls, None).tls;
    assert!(refuses_to_start(wrong).contains("client_ca"));
}

fn refuses_to_start(listener: ListenerSettings) -> String {
    let settings = GatewaySettings { listeners: vec![listener], ..GatewaySettings::default() };
    let register = Arc::new(Register::default());
    mendpoint_gateway::Gateway::bind(settings, register, &prometheus::Registry::new())
        .expect_err("it cannot work")
        .to_string()
}
