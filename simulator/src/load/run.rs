//! One run: connect, settle, send, report.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use super::charger::{self, Shared};
use super::frames::now;
use super::process::{Usage, usage};
use super::report::{LatencyReport, LoadReport, ServerReport};
use super::{LoadError, LoadOptions, Pace, tls};

/// From the word that sending begins to its beginning: waking thousands of tasks takes a moment,
/// which must not count as the server's.
const RUN_UP: Duration = Duration::from_millis(300);
/// How long after the end answers are still waited for.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Runs a load to its end and tells what was measured.
///
/// # Errors
/// When an option cannot work, nobody could connect, or the server's process cannot be looked at.
pub async fn run(options: LoadOptions) -> Result<LoadReport, LoadError> {
    let address = options.check()?;
    // An authority that is named for a plain address is of no use and does no harm.
    let tls = match options.ca.as_deref().filter(|_| options.url.starts_with("wss://")) {
        Some(ca) => Some(tls::connector(ca).map_err(LoadError::Options)?),
        None => None,
    };
    let before = options.pid.map(usage).transpose()?;
    let (start, begin) = watch::channel(None);
    let shared = Arc::new(Shared::new(options, address, tls, begin));
    let options = &shared.options;

    let connecting_began = Instant::now();
    let mut chargers = JoinSet::new();
    for number in 0..options.chargers {
        chargers.spawn(charger::run(number, Arc::clone(&shared)));
    }
    while shared.settled.load(Ordering::Acquire) < options.chargers {
        sleep(Duration::from_millis(1)).await;
    }
    let connecting_s = connecting_began.elapsed().as_secs_f64();
    let connected = shared.connected.load(Ordering::Relaxed);
    if connected == 0 {
        let (url, why) = (options.url.clone(), shared.last_error());
        return Err(LoadError::NobodyConnected { url, why });
    }
    let after_connecting = options.pid.map(usage).transpose()?;
    sleep(options.settle).await;
    let silent = options.pid.map(usage).transpose()?;

    let began = Instant::now() + RUN_UP;
    let ends = began + options.duration;
    let ticker = tokio::spawn(tick(Arc::clone(&shared)));
    let pacer = pacer(&shared, began, ends);
    start.send_replace(Some((began, ends)));
    sleep_until(ends.into()).await;
    let sending_s = began.elapsed().as_secs_f64();
    // What has been answered until now counts; what is late, as well, in its latency.
    let answered = shared.histogram().len();
    let after = options.pid.map(usage).transpose()?;
    let all_done = async { while chargers.join_next().await.is_some() {} };
    let in_time = timeout(LAST_ANSWERS, all_done).await.is_ok();
    shared.over.store(true, Ordering::Relaxed);
    let unanswered = if in_time { 0 } else { shared.in_flight.load(Ordering::Relaxed) };
    chargers.abort_all();
    ticker.abort();
    if let Some(pacer) = pacer {
        // It has seen the end by itself; a panic in it would show in the rate.
        let _ = tokio::task::spawn_blocking(move || pacer.join()).await;
    }

    let server = before.zip(after_connecting).zip(silent.zip(after)).map(
        |((before, connecting), (silent, after))| {
            server_report(before, connecting, silent, after, connected, answered)
        },
    );
    Ok(LoadReport {
        url: options.url.clone(),
        chargers: options.chargers,
        connected,
        connecting_s,
        sending_s,
        answered,
        messages_per_s: answered as f64 / sending_s,
        latency: LatencyReport::of(&shared.histogram()),
        connect_errors: shared.connect_errors.load(Ordering::Relaxed),
        call_errors: shared.call_errors.load(Ordering::Relaxed),
        unanswered: unanswered as u64,
        lost: shared.lost.load(Ordering::Relaxed),
        last_error: shared.last_error(),
        server,
    })
}

/// Keeps the time that messages carry.
async fn tick(shared: Arc<Shared>) {
    loop {
        shared.clock_ms.store(now().0 as u64, Ordering::Relaxed);
        sleep(Duration::from_millis(500)).await;
    }
}

/// Hands out the turns of an open loop. A thread of its own, because the runtime's timers know
/// milliseconds and an answer takes a tenth of one.
fn pacer(shared: &Arc<Shared>, began: Instant, ends: Instant) -> Option<thread::JoinHandle<()>> {
    let Pace::OpenLoop { messages_per_s } = shared.options.pace else { return None };
    let shared = Arc::clone(shared);
    Some(thread::spawn(move || {
        for count in 0.. {
            for number in 0..shared.options.chargers {
                let due = began + shared.due_after(number, count, messages_per_s);
                if due >= ends || shared.over.load(Ordering::Relaxed) {
                    return;
                }
                if let Some(early) = due.checked_duration_since(Instant::now()) {
                    thread::sleep(early);
                }
                shared.due[number].add_permits(1);
            }
        }
    }))
}

fn server_report(
    before: Usage,
    after_connecting: Usage,
    silent: Usage,
    after: Usage,
    connected: usize,
    answered: u64,
) -> ServerReport {
    let grown = silent.rss_bytes.saturating_sub(before.rss_bytes) as f64;
    ServerReport {
        rss_before_bytes: before.rss_bytes,
        rss_connected_bytes: silent.rss_bytes,
        rss_after_bytes: after.rss_bytes,
        rss_per_connection_bytes: grown / connected as f64,
        cpu_us_per_connect: (after_connecting.cpu_s - before.cpu_s) * 1e6 / connected as f64,
        cpu_us_per_message: (after.cpu_s - silent.cpu_s) * 1e6 / answered.max(1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::load::ServerFiles;
    use crate::load::bare::{agree, listen, serve_on};

    fn bare_server() -> SocketAddr {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("has an address");
        tokio::spawn(serve_on(listener, None));
        address
    }

    fn options(address: SocketAddr) -> LoadOptions {
        LoadOptions {
            url: format!("ws://{address}/ocpp"),
            chargers: 20,
            duration: Duration::from_millis(500),
            settle: Duration::ZERO,
            pid: Some(std::process::id()),
            ..LoadOptions::default()
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_closed_loop_sends_as_fast_as_it_is_answered() {
        let report = run(options(bare_server())).await.expect("runs");
        assert_eq!((report.connected, report.lost, report.unanswered), (20, 0, 0));
        assert!(report.answered > 100, "{report}");
        assert!(report.latency.p50_us > 0.0 && report.latency.max_us >= report.latency.p999_us);
        assert!(report.server.is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_encrypted_server_is_loaded_when_its_authority_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let [certificate, key, other] =
            ["c.pem", "k.pem", "o.pem"].map(|it| folder.path().join(it));
        let made = || rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let ours = made().expect("a certificate");
        std::fs::write(&certificate, ours.cert.pem()).expect("writes");
        std::fs::write(&key, ours.signing_key.serialize_pem()).expect("writes");
        std::fs::write(&other, made().expect("another").cert.pem()).expect("writes");
        let acceptor = ServerFiles { certificate: certificate.clone(), key }.acceptor();
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("has an address");
        tokio::spawn(serve_on(listener, Some(acceptor.expect("fits"))));
        let url = format!("wss://{address}/ocpp");

        let encrypted = LoadOptions { url, ca: Some(certificate), ..options(address) };
        let report = run(encrypted.clone()).await.expect("runs");
        assert_eq!((report.connected, report.lost), (20, 0), "{report}");
        assert!(report.answered > 20, "{report}");

        let strangers = LoadOptions { ca: Some(other), chargers: 1, ..encrypted };
        let error = run(strangers).await.expect_err("signed by somebody else").to_string();
        assert!(error.contains("certificate"), "{error}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_open_loop_keeps_its_rate() {
        let pace = Pace::OpenLoop { messages_per_s: 400.0 };
        let report = run(LoadOptions { pace, ..options(bare_server()) }).await.expect("runs");
        assert!((150..=200).contains(&report.answered), "{report}");
        assert_eq!(report.unanswered, 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_open_loop_counts_the_wait_of_messages_that_a_stall_held_back() {
        // A server that takes connections and boots, then never answers again but once.
        use futures_util::{SinkExt, StreamExt};
        use tokio_tungstenite::accept_hdr_async_with_config;
        use tokio_tungstenite::tungstenite::Message;
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("has an address");
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("one comes");
            let accepted = accept_hdr_async_with_config(stream, agree, None).await;
            let mut socket = accepted.expect("upgrades");
            for count in 1.. {
                if count == 10 {
                    sleep(Duration::from_millis(200)).await;
                }
                let Some(Ok(Message::Text(_))) = socket.next().await else { return };
                socket.send(Message::text(format!("[3,\"{count}\",{{}}]"))).await.expect("sends");
            }
        });
        let pace = Pace::OpenLoop { messages_per_s: 100.0 };
        let options = LoadOptions { chargers: 1, pace, ..options(address) };
        let report = run(LoadOptions { pid: None, ..options }).await.expect("runs");
        // One stall of 200 ms holds back some twenty messages, not one: the slowest tenth of fifty
        // waited for more than half of it.
        assert!(report.latency.p90_us > 100_000.0, "{report}");
    }

    #[tokio::test]
    async fn nobody_there_is_a_sentence() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("has an address");
        drop(listener);
        let options = LoadOptions { chargers: 2, pid: None, ..options(address) };
        let error = run(options).await.expect_err("nobody listens").to_string();
        assert!(error.contains("does the server run"), "{error}");
    }
}
