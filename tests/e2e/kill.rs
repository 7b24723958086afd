//! R1: kill -9 in the middle of transactions. What was acknowledged is there after the restart, and
//! nothing is there twice.
//!
//! `MENDPOINT_KILL_ROUNDS=1000` is the long form. Built with the feature `planted-early-answers`,
//! the program answers before the commit, and the oracle must find that out.

use std::time::{Duration, Instant};

use crate::kit::Server;
use crate::oracle::Fleet;

/// The short form.
const ROUNDS: u64 = 50;

#[expect(clippy::print_stderr, reason = "the figures for docs/reliability.md")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r01_nothing_acknowledged_is_lost_or_doubled_by_kill_9() {
    let wanted = std::env::var("MENDPOINT_KILL_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds = wanted.unwrap_or(ROUNDS);
    let mut server = Server::start();
    let mut fleet = Fleet::new();
    let mut slowest = Duration::ZERO;
    let mut wrong = Vec::new();
    let mut kills = 0;
    while kills < rounds {
        let shift = fleet.set_out(&server);
        fleet.at_work().await;
        // A different moment of the work each time.
        tokio::time::sleep(Duration::from_millis(200 + 37 * (kills % 11))).await;
        server.kill();
        kills += 1;
        fleet.come_home(shift).await;
        let killed = Instant::now();
        server.start_again();
        slowest = slowest.max(killed.elapsed());
        wrong.extend(fleet.wrong(&server, kills == rounds));
        if cfg!(feature = "planted-early-answers") && !wrong.is_empty() {
            break;
        }
    }
    eprintln!(
        "{kills} kills, {} transactions acknowledged, {} wrong; ready again within {} ms",
        fleet.told(),
        wrong.len(),
        slowest.as_millis()
    );
    if cfg!(feature = "planted-early-answers") {
        assert!(!wrong.is_empty(), "the program answers too early and nobody noticed");
    } else {
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
