//! Chargers that remember what they were told, and hold it against what is stored. They send again
//! what was not answered, as real ones do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mendpoint_model::UnixMs;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::kit::{Charger, Doors, Server};

/// The energy of every transaction here.
const ENERGY_WH: i64 = 500;

/// Chargers of a run.
const CHARGERS: usize = 12;

/// What chargers have been told, by identity and turn.
type Told = Arc<Mutex<BTreeMap<(String, i64), Fate>>>;

/// A transaction as its charger remembers it. The meter at the start is the turn's number, so that
/// a record can be found by it.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    /// Our number for it (OCPP 1.6).
    id: Option<i64>,
    ended: bool,
    /// In which shift it was told last.
    shift: u64,
    /// When its charger turned to it.
    since: i64,
}

/// Where a charger is: what it will send next, again if it was not answered.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    number: i64,
    /// Whether the start was answered, with which number.
    started: Option<i64>,
    /// When the charger turned to it. On a busy machine that may be several kills ago.
    since: i64,
}

/// Chargers that charge without a pause, every other one with OCPP 2.0.1, and what they were told.
pub(crate) struct Fleet {
    turns: Vec<Turn>,
    told: Told,
    shift: u64,
    /// Of how many transactions chargers were told in this shift.
    heard: Arc<AtomicUsize>,
}

/// Chargers at work: they end when the server does.
pub(crate) struct Shift(Vec<JoinHandle<(Turn, Option<u16>)>>);

impl Fleet {
    pub(crate) fn new() -> Self {
        let turns = vec![Turn::default(); CHARGERS];
        let (told, heard) = (Told::default(), Arc::default());
        Self { turns, told, shift: 0, heard }
    }

    /// All connect and go on where they were.
    pub(crate) fn set_out(&mut self, server: &Server) -> Shift {
        self.shift += 1;
        self.heard = Arc::default();
        let (doors, shift) = (server.doors(), self.shift);
        let turns = std::mem::take(&mut self.turns).into_iter().enumerate();
        let working = turns.map(|(number, turn)| {
            let (told, heard) = (Arc::clone(&self.told), Arc::clone(&self.heard));
            tokio::spawn(async move { work(doors, number, turn, shift, (&told, &heard)).await })
        });
        Shift(working.collect())
    }

    /// Waits until enough happened in this shift to be held against what is stored, however busy the
    /// machine is.
    pub(crate) async fn at_work(&self) {
        while self.heard.load(Ordering::Relaxed) <= CHARGERS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits for the chargers of a shift; with which codes the server closed their connections.
    pub(crate) async fn come_home(&mut self, shift: Shift) -> Vec<Option<u16>> {
        let mut codes = Vec::new();
        for charger in shift.0 {
            let (turn, code) = charger.await.expect("a charger only ends when the server does");
            self.turns.push(turn);
            codes.push(code);
        }
        codes
    }

    /// How many transactions were acknowledged.
    pub(crate) fn told(&self) -> usize {
        self.told.lock().expect("no charger panicked").len()
    }

    /// What is stored, held against what was told in the last shift, or ever: sentences about what
    /// is wrong.
    pub(crate) fn wrong(&self, server: &Server, ever: bool) -> Vec<String> {
        let known: Vec<_> = {
            let told = self.told.lock().expect("no charger panicked");
            let asked = |fate: &Fate| ever || fate.shift == self.shift;
            let pairs = told.iter().filter(|(_, fate)| asked(fate));
            pairs.map(|(turn, fate)| (turn.clone(), *fate)).collect()
        };
        assert!(known.len() > CHARGERS, "too little happened in shift {}", self.shift);
        let since = known.iter().map(|(_, fate)| fate.since).min().unwrap_or_default();
        let from = UnixMs(since).rfc3339_ms();
        compare(&known, &server.all(&format!("/transactions?from={from}")))
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

fn compare(known: &[((String, i64), Fate)], stored: &[Value]) -> Vec<String> {
    let mut by_turn = BTreeMap::<(String, i64), Vec<&Value>>::new();
    for transaction in stored {
        let charger = transaction["charger"].as_str().expect("an identity").to_owned();
        let Some(turn) = transaction["meter_start_wh"].as_i64() else { continue };
        by_turn.entry((charger, turn)).or_default().push(transaction);
    }
    let mut wrong = Vec::new();
    for (turn, records) in &by_turn {
        if records.len() > 1 {
            wrong.push(format!("{turn:?} is stored {} times", records.len()));
        }
    }
    for (turn, fate) in known {
        let Some(record) = by_turn.get(turn).and_then(|records| records.first()) else {
            wrong.push(format!("the start of {turn:?} is gone"));
            continue;
        };
        if fate.id.is_some() && record["id"].as_i64() != fate.id {
            wrong.push(format!("{turn:?} was told {:?}: {record}", fate.id));
        }
        let stop = record["meter_stop_wh"].as_i64();
        if fate.ended && (stop != Some(turn.1 + ENERGY_WH) || !record["ended_at"].is_string()) {
            wrong.push(format!("the end of {turn:?} is gone: {record}"));
        }
    }
    wrong
}

/// Starts and stops transactions until the connection ends, and remembers what was acknowledged.
async fn work(
    doors: Doors,
    number: usize,
    mut turn: Turn,
    shift: u64,
    (told, heard): (&Told, &AtomicUsize),
) -> (Turn, Option<u16>) {
    let is_v16 = number.is_multiple_of(2);
    let protocol = if is_v16 { "ocpp1.6" } else { "ocpp2.0.1" };
    let identity = format!("KILL-{number}");
    let Some(mut charger) = doors.charger(&identity, protocol).await else { return (turn, None) };
    let boot = if is_v16 {
        json!({"chargePointVendor": "Test", "chargePointModel": "Kill"})
    } else {
        let station = json!({"vendorName": "Test", "model": "Kill"});
        json!({"reason": "PowerUp", "chargingStation": station})
    };
    if charger.call("BootNotification", boot).await.is_none() {
        return (turn, charger.closed_with());
    }
    loop {
        let answer = if is_v16 {
            say_v16(&mut charger, turn).await
        } else {
            say_v201(&mut charger, turn, number).await
        };
        let Some(answer) = answer else { return (turn, charger.closed_with()) };
        let mut told = told.lock().expect("no charger panicked");
        let fate = told.entry((identity.clone(), turn.number)).or_default();
        heard.fetch_add(usize::from(fate.shift != shift), Ordering::Relaxed);
        (fate.shift, fate.since) = (shift, turn.since);
        if turn.started.is_some() {
            fate.ended = true;
            turn = Turn { number: turn.number + 1, started: None, since: now() };
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
