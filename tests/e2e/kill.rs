//! R1: kill -9 in the middle of transactions. What was acknowledged is there after the restart, and
//! nothing is there twice. The chargers' own memory of acknowledgements is the oracle; as real ones
//! do, they send again what was not answered.
//!
//! `MENDPOINT_KILL_ROUNDS=1000` is the long form. Built with the feature `planted-early-answers`,
//! the program answers before the commit, and the oracle must find that out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mendpoint_model::UnixMs;
use serde_json::{Value, json};

use crate::kit::{Charger, Server};

const CHARGERS: usize = 12;
/// The short form.
const ROUNDS: u64 = 50;
/// The energy of every transaction here.
const ENERGY_WH: i64 = 500;

/// What chargers have been told, by charger and turn.
type Acknowledged = Arc<Mutex<BTreeMap<(String, i64), Fate>>>;

/// A transaction as its charger remembers it. The meter at the start is the turn's number, so that
/// a record can be found by it.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    /// Our number for it (OCPP 1.6).
    id: Option<i64>,
    ended: bool,
    round: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r01_nothing_acknowledged_is_lost_or_doubled_by_kill_9() {
    let wanted = std::env::var("MENDPOINT_KILL_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds = wanted.unwrap_or(ROUNDS);
    let mut server = Server::start();
    let acknowledged = Acknowledged::default();
    let mut turns = vec![Turn::default(); CHARGERS];
    let mut slowest = Duration::ZERO;
    let mut wrong = Vec::new();
    let mut since = now();
    let mut kills = 0;
    for round in 0..rounds {
        kills += 1;
        let began = now();
        let working: Vec<_> = std::mem::take(&mut turns)
            .into_iter()
            .enumerate()
            .map(|(number, turn)| {
                let (server, acknowledged) = (server.doors(), Arc::clone(&acknowledged));
                tokio::spawn(async move { work(server, number, turn, round, &acknowledged).await })
            })
            .collect();
        // A different moment of the work each time.
        tokio::time::sleep(Duration::from_millis(200 + 37 * (round % 11))).await;
        server.kill();
        for charger in working {
            turns.push(charger.await.expect("a charger only ends when the server does"));
        }
        let restarted = Instant::now();
        server.start_again();
        slowest = slowest.max(restarted.elapsed());
        // What this round and the one before were told; at the end, everything.
        let known: Vec<_> = {
            let acknowledged = acknowledged.lock().expect("no charger panicked");
            let recent = |fate: &Fate| round + 1 == rounds || fate.round == round;
            let pairs = acknowledged.iter().filter(|(_, fate)| recent(fate));
            pairs.map(|(key, fate)| (key.clone(), *fate)).collect()
        };
        assert!(known.len() > CHARGERS, "too little happened in round {round}");
        let filter = match round + 1 == rounds {
            true => String::new(),
            false => format!("?from={}", UnixMs(since).rfc3339_ms()),
        };
        wrong.extend(compare(&known, &server.all(&format!("/transactions{filter}")), round));
        since = began;
        if cfg!(feature = "planted-early-answers") && !wrong.is_empty() {
            break;
        }
    }
    let told = acknowledged.lock().expect("no charger panicked").len();
    eprintln!(
        "{kills} kills, {told} transactions acknowledged, {} wrong; ready again within {} ms",
        wrong.len(),
        slowest.as_millis()
    );
    if cfg!(feature = "planted-early-answers") {
        assert!(!wrong.is_empty(), "the program answers too early and nobody noticed");
    } else {
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

/// What is stored, held against what chargers were told: sentences about what is wrong.
fn compare(known: &[((String, i64), Fate)], stored: &[Value], round: u64) -> Vec<String> {
    let mut by_turn = BTreeMap::<(String, i64), Vec<&Value>>::new();
    for transaction in stored {
        let charger = transaction["charger"].as_str().expect("an identity").to_owned();
        let Some(turn) = transaction["meter_start_wh"].as_i64() else { continue };
        by_turn.entry((charger, turn)).or_default().push(transaction);
    }
    let mut wrong = Vec::new();
    for (turn, records) in &by_turn {
        if records.len() > 1 {
            wrong.push(format!("round {round}: {turn:?} is stored {} times", records.len()));
        }
    }
    for (turn, fate) in known {
        let Some(record) = by_turn.get(turn).and_then(|records| records.first()) else {
            wrong.push(format!("round {round}: the start of {turn:?} is gone"));
            continue;
        };
        if fate.id.is_some() && record["id"].as_i64() != fate.id {
            wrong.push(format!("round {round}: {turn:?} was told {:?}: {record}", fate.id));
        }
        let stop = record["meter_stop_wh"].as_i64();
        if fate.ended && (stop != Some(turn.1 + ENERGY_WH) || !record["ended_at"].is_string()) {
            wrong.push(format!("round {round}: the end of {turn:?} is gone: {record}"));
        }
    }
    wrong
}

/// Where a charger is: what it will send next, again if it was not answered.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    number: i64,
    /// Whether the start was answered, with which number.
    started: Option<i64>,
}

/// Starts and stops transactions until the connection ends, and remembers what was acknowledged.
async fn work(
    server: crate::kit::Doors,
    number: usize,
    mut turn: Turn,
    round: u64,
    acknowledged: &Acknowledged,
) -> Turn {
    let is_v16 = number.is_multiple_of(2);
    let protocol = if is_v16 { "ocpp1.6" } else { "ocpp2.0.1" };
    let identity = format!("KILL-{number}");
    let Some(mut charger) = server.charger(&identity, protocol).await else { return turn };
    let boot = if is_v16 {
        json!({"chargePointVendor": "Test", "chargePointModel": "Kill"})
    } else {
        let station = json!({"vendorName": "Test", "model": "Kill"});
        json!({"reason": "PowerUp", "chargingStation": station})
    };
    if charger.call("BootNotification", boot).await.is_none() {
        return turn;
    }
    loop {
        let answer = if is_v16 {
            say_v16(&mut charger, turn).await
        } else {
            say_v201(&mut charger, turn, number).await
        };
        let Some(answer) = answer else { return turn };
        let mut acknowledged = acknowledged.lock().expect("no charger panicked");
        let fate = acknowledged.entry((identity.clone(), turn.number)).or_default();
        fate.round = round;
        if turn.started.is_some() {
            fate.ended = true;
            turn = Turn { number: turn.number + 1, started: None };
        } else {
            fate.id = answer["transactionId"].as_i64();
            assert!(fate.id.is_some() == is_v16, "{answer}");
            turn.started = Some(fate.id.unwrap_or_default());
        }
    }
}

/// A moment of a charger's clock, unlike that of any other start of this charger, as real ones are.
fn at(turn: Turn) -> String {
    UnixMs(1_767_225_600_000 + turn.number * 60_000).rfc3339_ms()
}

/// The next message of OCPP 1.6.
async fn say_v16(charger: &mut Charger, turn: Turn) -> Option<Value> {
    match turn.started {
        None => {
            let start = json!({
                "connectorId": 1, "idTag": "TAG", "meterStart": turn.number, "timestamp": at(turn),
            });
            charger.call("StartTransaction", start).await
        }
        Some(id) => {
            let stop = json!({
                "transactionId": id, "meterStop": turn.number + ENERGY_WH, "timestamp": at(turn),
            });
            charger.call("StopTransaction", stop).await
        }
    }
}

/// The next message of OCPP 2.0.1.
async fn say_v201(charger: &mut Charger, turn: Turn, number: usize) -> Option<Value> {
    let (kind, trigger, context, register) = match turn.started {
        None => ("Started", "Authorized", "Transaction.Begin", turn.number),
        Some(_) => ("Ended", "StopAuthorized", "Transaction.End", turn.number + ENERGY_WH),
    };
    let sampled = json!({
        "value": register, "context": context, "measurand": "Energy.Active.Import.Register",
    });
    let event = json!({
        "eventType": kind,
        "timestamp": at(turn),
        "triggerReason": trigger,
        "seqNo": i64::from(turn.started.is_some()),
        "transactionInfo": {"transactionId": format!("K{number}-{}", turn.number)},
        "evse": {"id": 1, "connectorId": 1},
        "idToken": {"idToken": "TAG", "type": "ISO14443"},
        "meterValue": [{"timestamp": at(turn), "sampledValue": [sampled]}],
    });
    charger.call("TransactionEvent", event).await
}
