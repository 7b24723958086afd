//! Encrypted listeners of the real program: a charger's way from a password to a certificate of its
//! own, and certificates that change while chargers are connected.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::authority::{Authority, Identity};
use super::kit::{Server, free_address};

const SOON: Duration = Duration::from_secs(20);

type Charger = WebSocketStream<TlsStream<TcpStream>>;

/// A server with a listener of profile 2 and one of profile 3.
struct Operator {
    authority: Authority,
    server: Server,
    tls: SocketAddr,
    mutual: SocketAddr,
}

impl Operator {
    fn start() -> Self {
        let authority = Authority::new("Volt Root");
        let (certificate, key) = authority.present("server", &authority.server(1));
        let (tls, mutual) = (free_address(), free_address());
        let shown = |path: &Path| path.display().to_string();
        let (ca, ca_key) = (shown(&authority.file()), shown(&authority.key_file()));
        let presented =
            format!("certificate = {:?}\nkey = {:?}\n", shown(&certificate), shown(&key));
        let settings = format!(
            "[ocpp]\noperator_name = \"Volt AG\"\nca_certificate = {ca:?}\nca_key = {ca_key:?}\n\
             [[ocpp.listeners]]\nlisten = \"{tls}\"\nprofile = 2\n{presented}\
             [[ocpp.listeners]]\nlisten = \"{mutual}\"\nprofile = 3\n{presented}client_ca = {ca:?}\n",
        );
        let server = Server::start_configured(&settings);
        Self { authority, server, tls, mutual }
    }

    fn client(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        self.authority.client(identity, &[&TLS12, &TLS13])
    }

    async fn connect(
        &self,
        to: SocketAddr,
        client: Arc<ClientConfig>,
        identity: &str,
        password: Option<&str>,
    ) -> Result<Charger, String> {
        let stream = TcpStream::connect(to).await.map_err(|error| error.to_string())?;
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(client).connect(name, stream).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let mut request =
            format!("wss://localhost/ocpp/{identity}").into_client_request().expect("an address");
        let headers = request.headers_mut();
        headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static("ocpp1.6"));
        if let Some(password) = password {
            let value = basic(identity, password);
            headers.insert("Authorization", HeaderValue::from_str(&value).expect("a header"));
        }
        let connected = tokio_tungstenite::client_async(request, stream).await;
        connected.map(|(charger, _)| charger).map_err(|error| error.to_string())
    }

    fn security_events(&self) -> Vec<Value> {
        self.server.get("/security-events")["items"].as_array().expect("items").clone()
    }
}

/// A Basic header; the letters of base64 by hand, so that nothing of ours is in it.
pub(crate) fn basic(user: &str, password: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let pair = format!("{user}:{password}");
    let mut text = String::from("Basic ");
    for chunk in pair.as_bytes().chunks(3) {
        let mut bits = 0_u32;
        for index in 0..3 {
            bits = bits << 8 | u32::from(chunk.get(index).copied().unwrap_or(0));
        }
        for index in 0..4 {
            if index <= chunk.len() {
                text.push(char::from(LETTERS[(bits >> (18 - 6 * index) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// The next frame that is wanted; calls of the server that are not are refused.
async fn hear(charger: &mut Charger, wanted: impl Fn(&Value) -> bool) -> Value {
    let heard = async {
        loop {
            let message = charger.next().await.expect("open").expect("no error");
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            if wanted(&frame) {
                return frame;
            }
            if frame[0] == 2 {
                let refusal = json!([4, frame[1], "NotSupported", "", {}]);
                charger.send(Message::text(refusal.to_string())).await.expect("sends");
            }
        }
    };
    timeout(SOON, heard).await.expect("it comes")
}

async fn call(charger: &mut Charger, id: &str, action: &str, payload: Value) -> Value {
    let call = json!([2, id, action, payload]).to_string();
    charger.send(Message::text(call)).await.expect("sends");
    hear(charger, |frame| frame[0] == 3 && frame[1] == id).await[2].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_a_charger_goes_from_a_password_to_its_own_certificate_and_not_back() {
    let operator = Operator::start();
    let body = r#"{"identity":"CP-1","generate_password":true,"security_profile":2}"#;
    let (status, created) = operator.server.request("POST", "/chargers", body);
    assert_eq!(status, 201, "{created}");
    let created: Value = serde_json::from_str(&created).expect("JSON");
    let password = created["password"].as_str().expect("shown once").to_owned();
    let (tls, mutual) = (operator.tls, operator.mutual);

    let plain = operator.client(None);
    let wrong = operator.connect(tls, Arc::clone(&plain), "CP-1", Some("wrong")).await;
    assert!(wrong.expect_err("S1").contains("401"));
    let mut charger = operator
        .connect(tls, Arc::clone(&plain), "CP-1", Some(&password))
        .await
        .expect("profile 2");
    let boot = json!({
        "chargePointVendor": "V", "chargePointModel": "M", "chargePointSerialNumber": "SN-1",
    });
    assert_eq!(call(&mut charger, "b", "BootNotification", boot).await["status"], "Accepted");
    // The serial number of the boot is on record a moment later.
    let (key, csr) = Authority::request("SN-1", "Volt AG");
    let mut signed = None;
    for round in 0..50 {
        let answer =
            call(&mut charger, &format!("s{round}"), "SignCertificate", json!({ "csr": csr }))
                .await;
        if answer["status"] == "Accepted" {
            signed = Some(hear(&mut charger, |frame| frame[2] == "CertificateSigned").await);
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let signed = signed.expect("signed, and sent after the answer (behaviour 26)");
    let accepted = json!([3, signed[1], { "status": "Accepted" }]).to_string();
    charger.send(Message::text(accepted)).await.expect("sends");
    let (_, other) = Authority::request("SN-2", "Volt AG");
    let refused = call(&mut charger, "o", "SignCertificate", json!({ "csr": other })).await;
    assert_eq!(refused["status"], "Rejected", "S6: another charger's name");

    let chain = signed[3]["certificateChain"].as_str().expect("a chain");
    let certificate = CertificateDer::from_pem_slice(chain.as_bytes()).expect("PEM");
    let own = Identity { certificate, pem: chain.to_owned(), key };
    let with_own = operator.client(Some(&own));
    let mut charger = operator
        .connect(mutual, Arc::clone(&with_own), "CP-1", None)
        .await
        .expect("profile 3 with what was signed");
    assert!(call(&mut charger, "h", "Heartbeat", json!({})).await["currentTime"].is_string());

    let down = operator.connect(tls, plain, "CP-1", Some(&password)).await;
    assert!(down.expect_err("S7: never back").contains("401"));
    operator.server.request("POST", "/chargers", r#"{"identity":"CP-2"}"#);
    let another = operator.connect(mutual, with_own, "CP-2", None).await;
    assert!(another.expect_err("b18: another charger's certificate").contains("401"));
    let security = operator.server.get("/chargers/CP-1/security");
    assert_eq!(security["reached_profile"], 3);
    assert_eq!(security["certificate_name"], "SN-1");
    let noted = async {
        loop {
            let events = operator.security_events();
            let refused = events.iter().filter(|event| event["kind"] == "LoginRefused").count();
            if refused >= 3 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, noted).await.expect("each refusal is in the security log");
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_a_signal_brings_the_new_certificate_and_every_session_stays() {
    let operator = Operator::start();
    let plain = operator.client(None);
    let mut connected = Vec::new();
    for number in 0..30 {
        let identity = format!("CP-{number}");
        let body = json!({ "identity": identity, "generate_password": true }).to_string();
        let (_, created) = operator.server.request("POST", "/chargers", &body);
        let created: Value = serde_json::from_str(&created).expect("JSON");
        let password = created["password"].as_str().expect("shown once").to_owned();
        let charger =
            operator.connect(operator.tls, Arc::clone(&plain), &identity, Some(&password)).await;
        connected.push((charger.expect("open"), identity, password));
    }
    let presented = |charger: &Charger| {
        charger.get_ref().get_ref().1.peer_certificates().expect("shown")[0].clone()
    };
    let before = presented(&connected[0].0);
    operator.authority.present("server", &operator.authority.server(2));
    operator.server.signal("HUP");
    let (_, identity, password) = &connected[0];
    let changed = async {
        loop {
            let fresh = operator.client(None);
            let again = operator.connect(operator.tls, fresh, identity, Some(password)).await;
            if presented(&again.expect("open")) != before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, changed).await.expect("the new certificate is presented");
    // The first one was replaced by its own newer connections; all others are as they were.
    for (charger, ..) in &mut connected[1..] {
        let answer = call(charger, "h", "Heartbeat", json!({})).await;
        assert!(answer["currentTime"].is_string());
    }
}
