//! R18: a server that is stopped and started again for a new version, with chargers at work.

use std::time::{Duration, Instant};

use crate::kit::Server;
use crate::oracle::Fleet;

/// What an orchestrator gives a process before it kills it.
const GRACE: Duration = Duration::from_secs(30);

#[expect(clippy::print_stderr, reason = "the figures for docs/reliability.md")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_a_rolling_restart_tells_chargers_to_come_back_and_loses_nothing() {
    let mut server = Server::start();
    let mut fleet = Fleet::new();
    let mut slowest = Duration::ZERO;
    for round in 0..5 {
        let shift = fleet.set_out(&server);
        fleet.at_work().await;
        tokio::time::sleep(Duration::from_millis(300 + 91 * round)).await;
        let began = Instant::now();
        assert!(server.stop(GRACE), "it did not end within {GRACE:?}, or not well");
        slowest = slowest.max(began.elapsed());
        let codes = fleet.come_home(shift).await;
        assert!(codes.iter().all(|code| *code == Some(1001)), "going away is 1001: {codes:?}");
        server.start_again();
        let wrong = fleet.wrong(&server, round == 4);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    eprintln!("stopped within {} ms", slowest.as_millis());
}
