//! The hook of a site that switches a charger's power off and on (L6P): one signed HTTP request.
//!
//! `POST` with JSON; `X-Mendpoint-Signature` is `sha256=` and the HMAC-SHA256, in hexadecimal, of the
//! time in `X-Mendpoint-Timestamp`, a dot and the body. 2xx means that it will be done. The id in
//! `Idempotency-Key` is never used for two requests.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use mendpoint_model::{ChargerKey, CommandId, CommandOutcome, IncidentId, SiteKey, UnixMs};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::pipeline::Inner;
use crate::settings::PowerHook;
use crate::{clock, release};

/// How long a hook may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// The most of an answer that is read: its first line is enough.
const ANSWER_MAX: usize = 4_096;

/// A hook to be asked.
#[derive(Clone, Debug)]
pub(crate) struct PowerRequest {
    pub(crate) command: CommandId,
    pub(crate) charger: ChargerKey,
    pub(crate) site: SiteKey,
    pub(crate) incident: IncidentId,
    pub(crate) not_after: UnixMs,
}

/// Asks a site's hook, in a task of its own; the shard is told what it says.
pub(crate) fn begin(inner: &Arc<Inner>, request: PowerRequest) {
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        let outcome = ask(&inner, &request).await;
        if !outcome.is_accepted() {
            tracing::warn!(
                site.id = request.site.0,
                outcome = outcome.summary(),
                "the hook of a site did not switch the power"
            );
        }
        release::refuse(&inner, request.command, request.charger, outcome);
    });
}

async fn ask(inner: &Inner, request: &PowerRequest) -> CommandOutcome {
    let no = |why: &str| CommandOutcome::Dropped(why.to_owned());
    let Some(site) = inner.directory.site(request.site) else { return no("The site is gone") };
    let Some(hook) = inner.settings.power_hooks.get(&site.name) else {
        return no("The site has no hook that switches the power");
    };
    let Some(charger) = inner.directory.charger(request.charger) else {
        return no("The charger is gone");
    };
    let body = serde_json::json!({
        "action": "power_cycle",
        "charger": charger.identity,
        "serial": charger.serial,
        "site": site.name,
        "incident": request.incident.to_string(),
        "command": request.command.0,
    })
    .to_string();
    let text = request_text(hook, &request.command.0, clock::now(), &body);
    let Some((target, text)) = text else { return no("The hook's address is not usable") };
    match tokio::time::timeout(ANSWER_WITHIN, exchange(&target, text.as_bytes())).await {
        Err(_) => CommandOutcome::TimedOut,
        Ok(Err(error)) => CommandOutcome::Refused {
            code: "Unreachable".to_owned(),
            description: format!("the hook could not be asked: {error}"),
        },
        Ok(Ok(status)) => CommandOutcome::Answered {
            accepted: (200..300).contains(&status),
            status: if (200..300).contains(&status) {
                "Accepted".to_owned()
            } else {
                format!("HTTP {status}")
            },
            payload: "{}".to_owned(),
        },
    }
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    host: String,
    port: u16,
}

/// The address of a hook, taken apart: host, port and path. Plain HTTP only: the signature, not the
/// line, is what protects it.
fn target(url: &str) -> Option<(Target, String)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, 80),
    };
    let clean = |text: &str| !text.bytes().any(|byte| byte <= b' ' || byte == 0x7f);
    let usable = !host.is_empty() && !host.contains('@') && clean(host) && clean(path);
    usable.then(|| (Target { host: host.to_owned(), port }, path.to_owned()))
}

fn request_text(hook: &PowerHook, id: &str, now: UnixMs, body: &str) -> Option<(Target, String)> {
    let (target, path) = target(&hook.url)?;
    let at = now.0 / 1_000;
    let signature = sign(&hook.secret, at, body);
    let text = format!(
        "POST {path} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\nUser-Agent: mendpoint\r\n\
         Idempotency-Key: {id}\r\nX-Mendpoint-Timestamp: {at}\r\n\
         X-Mendpoint-Signature: sha256={signature}\r\n\r\n{body}",
        target.host,
        target.port,
        body.len()
    );
    Some((target, text))
}

fn sign(secret: &str, at: i64, body: &str) -> String {
    use std::fmt::Write as _;
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{at}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

async fn exchange(target: &Target, text: &[u8]) -> std::io::Result<u16> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    talk(stream, text).await
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    text: &[u8],
) -> std::io::Result<u16> {
    stream.write_all(text).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    let mut part = [0_u8; 512];
    while answer.len() < ANSWER_MAX && !answer.contains(&b'\n') {
        let count = stream.read(&mut part).await?;
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&part[..count]);
    }
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    status
        .and_then(|status| status.trim().parse().ok())
        .ok_or_else(|| std::io::Error::other("its answer is not HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_signed_over_its_time_and_body() {
        let hook = PowerHook {
            url: "http://127.0.0.1:8099/relay/7?x=1".to_owned(),
            secret: "key".to_owned(),
        };
        let (to, text) =
            request_text(&hook, "i7-3-1", UnixMs(1_700_000_000_123), "{}").expect("usable");
        assert_eq!(to, Target { host: "127.0.0.1".to_owned(), port: 8_099 });
        assert!(text.starts_with("POST /relay/7?x=1 HTTP/1.1\r\nHost: 127.0.0.1:8099\r\n"));
        assert!(text.contains("Idempotency-Key: i7-3-1\r\n"));
        // echo -n '1700000000.{}' | openssl dgst -sha256 -hmac key
        let expected = sign("key", 1_700_000_000, "{}");
        assert_eq!(expected.len(), 64);
        assert!(text.contains(&format!("X-Mendpoint-Signature: sha256={expected}\r\n")));
        assert_ne!(expected, sign("other", 1_700_000_000, "{}"));
        assert_ne!(expected, sign("key", 1_700_000_001, "{}"));
    }

    #[test]
    fn addresses_that_would_break_a_request_are_refused() {
        assert!(target("http://relay.local/on").is_some());
        for url in ["ftp://relay/", "http://", "http://a b/", "http://u:p@host/", "http://h:x/"] {
            assert_eq!(target(url), None, "{url}");
        }
    }

    #[tokio::test]
    async fn the_status_line_is_the_answer() {
        for (answer, status) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", Some(204)),
            ("HTTP/1.0 500 Oops\r\n", Some(500)),
            ("SSH-2.0-x\r\n", None),
            ("", None),
        ] {
            let (ours, mut theirs) = tokio::io::duplex(1_024);
            theirs.write_all(answer.as_bytes()).await.expect("room");
            let hook = tokio::spawn(async move {
                let mut seen = [0; 4];
                theirs.read_exact(&mut seen).await.expect("a request");
                drop(theirs);
            });
            assert_eq!(talk(ours, b"POST").await.ok(), status, "{answer:?}");
            hook.await.expect("done");
        }
    }
}
