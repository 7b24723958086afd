//! Letters to programs: a POST of JSON, signed, over HTTP/1.1.
//!
//! One request a connection and no redirect followed: what is told goes where the operator wrote, or
//! nowhere. A small client of our own, so that no large one has to be trusted with it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use mendpoint_store::MailRow;
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::WebhookAddress;
use crate::notifier::NotTaken;

/// The most that is read of an answer.
const ANSWER_MAX: usize = 16 * 1024;

/// An address taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    encrypted: bool,
    host: &'a str,
    port: u16,
    path: &'a str,
}

/// Whether something is told at this address: `https://HOST/PATH` or `http://HOST:PORT/PATH`.
pub fn is_web_address(url: &str) -> bool {
    target(url).is_some()
}

fn target(url: &str) -> Option<Target<'_>> {
    let (encrypted, rest) = match url.split_once("://")? {
        ("https", rest) => (true, rest),
        ("http", rest) => (false, rest),
        _ => return None,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // Names and passwords in addresses end up in logs; there is a signature for that.
    if authority.contains('@') || url.chars().any(|c| c.is_control() || c == ' ' || c == '#') {
        return None;
    }
    let default = if encrypted { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        // An address of IPv6 has colons of its own.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, default),
    };
    let is_good = !host.is_empty() && (path.is_empty() || path.starts_with('/'));
    is_good.then_some(Target {
        encrypted,
        host,
        port,
        path: if path.is_empty() { "/" } else { path },
    })
}

/// Sends a letter to a program.
pub(crate) async fn post(
    address: Option<&WebhookAddress>,
    row: &MailRow,
    timeout: Duration,
) -> Result<(), NotTaken> {
    let Some(address) = address else {
        let why = "there is no webhook of this name in duty.webhooks any more".to_owned();
        return Err(NotTaken { why, for_good: false });
    };
    let Some(target) = target(&address.url) else {
        let why = "its url is no address of the web".to_owned();
        return Err(NotTaken { why, for_good: false });
    };
    let request = request(&target, address, row);
    let answered = tokio::time::timeout(timeout, exchange(&target, &request)).await;
    let not_now = |why: String| Err(NotTaken { why, for_good: false });
    match answered {
        Err(_) => not_now(format!("{} did not answer in time", target.host)),
        Ok(Err(error)) => not_now(format!("{}: {error}", target.host)),
        Ok(Ok(status)) if (200..300).contains(&status) => Ok(()),
        // What is wrong with the request stays wrong; 408 and 429 ask for another try.
        Ok(Ok(status)) => Err(NotTaken {
            why: format!("{} answered {status}", target.host),
            for_good: (400..500).contains(&status) && status != 408 && status != 429,
        }),
    }
}

/// The signature of a body: lower-case hexadecimal HMAC-SHA256.
fn signature(secret: &str, body: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn request(target: &Target<'_>, address: &WebhookAddress, row: &MailRow) -> String {
    let body = &row.mail.text;
    let port = match (target.encrypted, target.port) {
        (true, 443) | (false, 80) => String::new(),
        (_, port) => format!(":{port}"),
    };
    let signed = if address.secret.is_empty() {
        String::new()
    } else {
        format!("X-Mendpoint-Signature: sha256={}\r\n", signature(&address.secret, body))
    };
    format!(
        "POST {} HTTP/1.1\r\nHost: {}{port}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nUser-Agent: Mendpoint\r\nX-Mendpoint-Id: {}\r\n{signed}\
         Connection: close\r\n\r\n{body}",
        target.path,
        target.host,
        body.len(),
        row.id,
    )
}

async fn exchange(target: &Target<'_>, request: &str) -> Result<u16, String> {
    let host = target.host.trim_matches(['[', ']']);
    let words = |error: std::io::Error| error.to_string();
    let stream = TcpStream::connect((host, target.port)).await.map_err(words)?;
    if !target.encrypted {
        return talk(stream, request).await;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let stream = connector()?.connect(name, stream).await.map_err(words)?;
    talk(stream, request).await
}

fn connector() -> Result<TlsConnector, String> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Sends the request; gives the status of the answer.
async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> Result<u16, String> {
    let words = |error: std::io::Error| error.to_string();
    stream.write_all(request.as_bytes()).await.map_err(words)?;
    stream.flush().await.map_err(words)?;
    let mut answer = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        match head.parse(&answer) {
            Ok(httparse::Status::Complete(_)) => {
                return head.code.ok_or_else(|| "the answer has no status".to_owned());
            }
            Ok(httparse::Status::Partial) if answer.len() < ANSWER_MAX => {}
            Ok(httparse::Status::Partial) => return Err("the answer is too long".to_owned()),
            Err(error) => return Err(format!("the answer is no HTTP ({error})")),
        }
        if stream.read_buf(&mut answer).await.map_err(words)? == 0 {
            return Err("it closed the connection without an answer".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::UnixMs;
    use mendpoint_store::{MailState, NewMail};
    use tokio::net::TcpListener;

    use super::*;

    fn row() -> MailRow {
        MailRow {
            id: 7,
            mail: NewMail {
                dedupe_key: "k".to_owned(),
                recipient: "webhook:noc".to_owned(),
                subject: "s".to_owned(),
                text: "{\"a\":1}".to_owned(),
                html: String::new(),
                reply_to: None,
                ticket: None,
                not_before: UnixMs(0),
            },
            created_at: UnixMs(0),
            attempts: 1,
            last_error: String::new(),
            state: MailState::Queued,
            sent_at: None,
        }
    }

    /// Answers one request; gives what was asked.
    async fn answering(answer: &'static str) -> (WebhookAddress, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("it comes");
            let mut asked = Vec::new();
            while !asked.ends_with(b"{\"a\":1}") {
                if stream.read_buf(&mut asked).await.expect("read") == 0 {
                    break;
                }
            }
            stream.write_all(answer.as_bytes()).await.expect("written");
            String::from_utf8(asked).expect("text")
        });
        let url = format!("http://127.0.0.1:{port}/hook?x=1");
        (WebhookAddress { url, secret: "Jefe".to_owned() }, task)
    }

    async fn send(address: &WebhookAddress) -> Result<(), (String, bool)> {
        let sent = post(Some(address), &row(), Duration::from_secs(5)).await;
        sent.map_err(|not| (not.why, not.for_good))
    }

    #[tokio::test]
    async fn a_body_is_posted_and_signed() {
        let (address, asked) = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(send(&address).await, Ok(()));
        let asked = asked.await.expect("it ended");
        assert!(asked.starts_with("POST /hook?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"), "{asked}");
        let signed =
            format!("X-Mendpoint-Signature: sha256={}\r\n", signature("Jefe", "{\"a\":1}"));
        assert!(asked.contains(&signed) && asked.contains("X-Mendpoint-Id: 7\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn a_refusal_is_for_good_and_trouble_is_not() {
        for (answer, for_good) in [
            ("HTTP/1.1 404 Not Found\r\n\r\n", true),
            ("HTTP/1.1 429 Too Many Requests\r\n\r\n", false),
            ("HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n\r\n", false),
            ("HTTP/1.1 503 Busy\r\n\r\n", false),
            ("nonsense\r\n\r\n", false),
            ("", false),
        ] {
            let (address, _asked) = answering(answer).await;
            let (why, was) = send(&address).await.expect_err(answer);
            assert_eq!(was, for_good, "{answer}: {why}");
        }
        let gone = post(None, &row(), Duration::from_secs(1)).await;
        assert!(gone.is_err_and(|not| !not.for_good));
    }

    #[test]
    fn a_body_has_the_signature_that_others_compute() {
        // RFC 4231, test case 2.
        assert_eq!(
            signature("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn addresses_are_taken_apart() {
        let of =
            |url| target(url).map(|t| (t.encrypted, t.host.to_owned(), t.port, t.path.to_owned()));
        let good = Some((true, "noc.example".to_owned(), 443, "/".to_owned()));
        assert_eq!(of("https://noc.example"), good);
        let other = Some((false, "[::1]".to_owned(), 80, "/a".to_owned()));
        assert_eq!(of("http://[::1]/a"), other);
        for wrong in
            ["noc.example", "ftp://x", "https://", "https://u:p@x", "http://a b", "http://a:x/"]
        {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
