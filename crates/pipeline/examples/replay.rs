//! How many stored frames a second are lived through again, on one core: writes the frames of a
//! fleet into a new database, then replays them. `replay [CHARGERS] [HOURS] [CONFIG FOLDER]`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mendpoint_fleet::{Fleet, FleetSettings};
use mendpoint_incidents::{Catalogue, EngineSettings};
use mendpoint_model::{
    Admission, ChargerKey, ChargerState, Chargers as _, HOUR_MS, Protocol, SiteKey, SiteRecord,
    UnixMs,
};
use mendpoint_pipeline::{
    IdentityCase, PipelineSettings, Progress, ReplayAsk, UnknownChargers, replay_past,
};
use mendpoint_store::{Direction, Entry, Store, StoreSettings};

const START: UnixMs = UnixMs(1_767_225_600_000);

fn files(folder: &Path) -> Vec<(String, String)> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of rules or playbooks")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).expect("a rule or a playbook");
        (path.display().to_string(), text)
    };
    paths.iter().map(read).collect()
}

/// What one charger sends in one minute of the bench, and what it is answered: a heartbeat every five
/// minutes, a session every three hours with values every minute. Now and then a fault.
fn minute(charger: u32, minute: i64, texts: &mut Vec<(i64, Direction, String)>) {
    let phase = (minute + i64::from(charger) * 7) % 180;
    let at = minute * 60_000 + i64::from(charger % 60_000);
    let id = format!("{charger:06}-{minute:08}");
    let time = (START + at).rfc3339();
    let mut say = |action: &str, payload: &str, answer: &str| {
        let id = format!("{id}-{}", texts.len());
        texts.push((at, Direction::In, format!("[2,\"{id}\",\"{action}\",{payload}]")));
        texts.push((at + 4, Direction::Out, format!("[3,\"{id}\",{answer}]")));
    };
    let number = i64::from(charger) * 100_000 + minute / 180 + 1;
    let status = |word: &str, code: &str| {
        format!(
            "{{\"connectorId\":1,\"errorCode\":\"{code}\",\"status\":\"{word}\",\"timestamp\":\"{time}\"}}"
        )
    };
    match phase {
        0 => {
            say(
                "Authorize",
                "{\"idTag\":\"RO123456\"}",
                "{\"idTagInfo\":{\"status\":\"Accepted\"}}",
            );
            say("StatusNotification", &status("Preparing", "NoError"), "{}");
            let start = format!(
                "{{\"connectorId\":1,\"idTag\":\"RO123456\",\"meterStart\":1000,\"timestamp\":\"{time}\"}}"
            );
            let answer =
                format!("{{\"idTagInfo\":{{\"status\":\"Accepted\"}},\"transactionId\":{number}}}");
            say("StartTransaction", &start, &answer);
            say("StatusNotification", &status("Charging", "NoError"), "{}");
        }
        1..=45 => {
            let mut values = String::new();
            for (name, unit, value) in [
                ("Energy.Active.Import.Register", "Wh", 1_000 + phase * 300),
                ("Power.Active.Import", "W", 18_000),
                ("Current.Import", "A", 26),
                ("Voltage", "V", 231),
                ("Temperature", "Celsius", 31),
            ] {
                let comma = if values.is_empty() { "" } else { "," };
                let _ = write!(
                    values,
                    "{comma}{{\"value\":\"{value}\",\"context\":\"Sample.Periodic\",\"measurand\":\"{name}\",\"unit\":\"{unit}\"}}"
                );
            }
            let meter = format!(
                "{{\"connectorId\":1,\"transactionId\":{number},\"meterValue\":[{{\"timestamp\":\"{time}\",\"sampledValue\":[{values}]}}]}}"
            );
            say("MeterValues", &meter, "{}");
        }
        46 => {
            let stop = format!(
                "{{\"transactionId\":{number},\"meterStop\":14500,\"timestamp\":\"{time}\",\"reason\":\"Local\"}}"
            );
            say("StopTransaction", &stop, "{\"idTagInfo\":{\"status\":\"Accepted\"}}");
            say("StatusNotification", &status("Finishing", "NoError"), "{}");
        }
        47 => say("StatusNotification", &status("Available", "NoError"), "{}"),
        90 if charger.is_multiple_of(50) => {
            say("StatusNotification", &status("Faulted", "InternalError"), "{}");
        }
        100 if charger.is_multiple_of(50) => {
            say("StatusNotification", &status("Available", "NoError"), "{}");
        }
        _ if minute % 5 == i64::from(charger % 5) => {
            say("Heartbeat", "{}", &format!("{{\"currentTime\":\"{time}\"}}"));
        }
        _ => {}
    }
}

async fn write(store: &Store, chargers: u32, hours: i64) -> u64 {
    let site = store
        .put_site(&SiteRecord { name: "Bench".to_owned(), ..SiteRecord::default() })
        .await
        .expect("a site");
    let mut keys = Vec::new();
    for index in 0..chargers {
        let identity = format!("B{index:06}");
        let record = store
            .insert_charger(&identity, &identity, site.key, Admission::Accepted)
            .await
            .expect("a charger");
        keys.push(record.key);
    }
    let journal = store.journal();
    let states = keys.iter().map(|key| Entry::State(Box::new(state(*key, site.key)))).collect();
    journal.append(states).await;
    let log = store.frame_log();
    let (mut seq, mut texts) = (START.0.unsigned_abs() << 10, Vec::new());
    let mut frames = 0;
    for at in 0..hours * 60 {
        let mut of_minute = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            minute(index as u32, at, &mut texts);
            of_minute.extend(texts.drain(..).map(|text| (*key, text)));
        }
        of_minute.sort_by_key(|(_, (at, ..))| *at);
        for (key, (at, direction, text)) in of_minute {
            seq += 1;
            frames += 1;
            log.push(seq, key, START + at, direction, &text);
        }
        let due = log.due(START + (at + 1) * 60_000, false);
        let last = journal.append(due).await;
        journal.wait(last).await;
    }
    let last = journal.append(log.due(START, true)).await;
    journal.wait(last).await;
    frames
}

fn state(key: ChargerKey, site: SiteKey) -> ChargerState {
    let mut fleet = Fleet::new(FleetSettings::default());
    fleet.register(key, site, "bench".into());
    let mut state = fleet.charger(key).expect("it was registered").clone();
    state.link.protocol = Some(Protocol::V16);
    state
}

fn settings() -> PipelineSettings {
    PipelineSettings {
        power_hooks: std::collections::BTreeMap::new(),
        shipped_rules: std::collections::BTreeSet::new(),
        shards: 1,
        queue: 1,
        unknown_chargers: UnknownChargers::Accept,
        identity_case: IdentityCase::Exact,
        operator_name: String::new(),
        accept_unknown_tokens: true,
        concurrent_transactions: true,
        heartbeat_interval_s: 300,
        strict: false,
        credential_pepper: "bench".to_owned(),
        public_url: String::new(),
        dispatch_email: String::new(),
        platform_email: String::new(),
        fleet: FleetSettings::default(),
        engine: EngineSettings::default(),
        upkeep: mendpoint_upkeep::UpkeepSettings::default(),
        profiles: mendpoint_upkeep::Profiles::default(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number =
        |otherwise: u32| arguments.next().map_or(otherwise, |text| text.parse().expect("a number"));
    let (chargers, hours) = (number(500), number(24));
    let config = arguments.next().unwrap_or_else(|| "config".to_owned());
    let config = Path::new(&config);
    let rules = Catalogue::parse(&files(&config.join("rules")), &files(&config.join("playbooks")))
        .expect("valid rules");
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("bench.db").display());
    let store_settings = StoreSettings { url, ..StoreSettings::default() };
    let store =
        Store::open(&store_settings, &prometheus::Registry::new()).await.expect("a database");
    let written = write(&store, chargers, i64::from(hours)).await;
    let ask = ReplayAsk {
        rules: Arc::new(rules),
        only: None,
        from: START,
        until: START + i64::from(hours) * HOUR_MS,
        site: None,
        charger: None,
        lead_ms: 0,
        by: "bench".to_owned(),
    };
    for _ in 0..3 {
        let progress = Progress::default();
        let began = Instant::now();
        let report = replay_past(&store, &settings(), &ask, &progress, false).await.expect("done");
        let took_s = began.elapsed().as_secs_f64();
        writeln!(
            std::io::stdout(),
            "{written} frames stored, {} lived through in {took_s:.2} s: {:.0} a second; {}",
            report.frames,
            report.frames as f64 / took_s,
            report.sentence
        )
        .expect("written");
    }
    store.close().await;
}
