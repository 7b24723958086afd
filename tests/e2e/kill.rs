//! kill -9 in the middle of transactions: what was acknowledged is there after the restart. The
//! chargers' own log of acknowledgements is the oracle.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::kit::Server;

const CHARGERS: usize = 12;
const ROUNDS: u64 = 5;

/// A transaction as the charger remembers it: by our number, the meter at the start, and the meter
/// at the end once that was acknowledged.
type Acknowledged = Arc<Mutex<BTreeMap<i64, (i64, Option<i64>)>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_kill_9() {
    let mut server = Server::start();
    let acknowledged = Acknowledged::default();
    for round in 0..ROUNDS {
        let mut chargers = Vec::new();
        for number in 0..CHARGERS {
            let charger = server.charger(&format!("KILL-{number}")).await.expect("connected");
            let acknowledged = Arc::clone(&acknowledged);
            chargers.push(tokio::spawn(charge_for_ever(charger, number, round, acknowledged)));
        }
        // A different moment of the work each time.
        tokio::time::sleep(Duration::from_millis(300 + 137 * round)).await;
        server.kill();
        for charger in chargers {
            charger.await.expect("a charger only ends when the server does");
        }
        server.start_again();

        let stored: BTreeMap<i64, serde_json::Value> = server
            .all("/transactions")
            .into_iter()
            .map(|transaction| (transaction["id"].as_i64().expect("a number"), transaction))
            .collect();
        let acknowledged = acknowledged.lock().expect("no charger panicked");
        assert!(acknowledged.len() > CHARGERS, "too little happened before the kill");
        for (id, (start, stop)) in acknowledged.iter() {
            let transaction =
                stored.get(id).unwrap_or_else(|| panic!("round {round}: transaction {id} is gone"));
            assert_eq!(transaction["meter_start_wh"].as_i64(), Some(*start), "{transaction}");
            if let Some(stop) = stop {
                assert!(transaction["ended_at"].is_string(), "the end of {id} is gone");
                assert_eq!(transaction["meter_stop_wh"].as_i64(), Some(*stop), "{transaction}");
            }
        }
    }
}

/// Starts and stops transactions until the connection ends, and remembers what was acknowledged.
async fn charge_for_ever(
    mut charger: crate::kit::Charger,
    number: usize,
    round: u64,
    acknowledged: Acknowledged,
) {
    let boot = json!({"chargePointVendor": "Test", "chargePointModel": "Kill"});
    if charger.call("BootNotification", boot).await.is_none() {
        return;
    }
    for turn in 0i64.. {
        let meter_start = 1_000_000 * round as i64 + 1_000 * turn + number as i64;
        let meter_stop = meter_start + 500;
        // Unlike any other start of this charger, as real ones are.
        let at = format!("2026-01-{:02}T{:02}:{:02}:00Z", 1 + round, turn / 60 % 24, turn % 60);
        let start = json!({
            "connectorId": 1, "idTag": "TAG", "meterStart": meter_start, "timestamp": at,
        });
        let Some(answer) = charger.call("StartTransaction", start).await else { return };
        let id = answer["transactionId"].as_i64().expect("a transaction number");
        let known =
            acknowledged.lock().expect("no charger panicked").insert(id, (meter_start, None));
        assert!(known.is_none(), "transaction {id} was given out twice");
        let stop = json!({"transactionId": id, "meterStop": meter_stop, "timestamp": at});
        if charger.call("StopTransaction", stop).await.is_none() {
            return;
        }
        acknowledged
            .lock()
            .expect("no charger panicked")
            .insert(id, (meter_start, Some(meter_stop)));
    }
}
