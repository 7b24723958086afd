//! What the engine alone costs, with all shipped rules: nanoseconds an event on one core, memory a
//! charger, and timers:
//! `cargo run --release -p mendpoint-incidents --example engine_cost`, and to look closer
//! `-- --chargers 1000 --only heartbeat` (`meter`, `status`, `mix`).

#![expect(clippy::disallowed_methods, reason = "this measures; the crate itself has no clock")]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mendpoint_incidents::{Catalogue, Effect, Engine, EngineSettings, IdSequence};
use mendpoint_model::{
    Boot, ChargerEvent, ChargerKey, ChargerState, Chargers, Connected, ConnectorRef,
    ConnectorState, ConnectorStatus, Disconnected, EventKind, Fact, Link, MeterReading, Protocol,
    SiteKey, StatusReport, UnixMs,
};

const CHARGERS: u32 = 100_000;
const TIMERS: u32 = 1_000_000;
const EVENTS: u32 = 2_000_000;
const ROUNDS: usize = 3;
const START: UnixMs = UnixMs(1_795_305_600_000);

/// The chargers; with `one_for_all` a single state stands for all of them, so that the memory of many
/// is the engine's alone.
struct Fleet {
    states: Vec<ChargerState>,
    one_for_all: bool,
}

impl Chargers for Fleet {
    fn charger(&self, key: ChargerKey) -> Option<&ChargerState> {
        let index = if self.one_for_all { 0 } else { key.0 as usize - 1 };
        self.states.get(index)
    }

    fn of_site(&self, _site: SiteKey) -> &[ChargerKey] {
        &[]
    }
}

fn state(key: u32) -> ChargerState {
    let connector = |n| ConnectorState {
        at: ConnectorRef::v16(n),
        status: ConnectorStatus::Available,
        since: Some(START),
        ..ConnectorState::default()
    };
    ChargerState {
        key: ChargerKey(key),
        site: SiteKey(key / 20),
        identity: format!("CP-{key}").into(),
        link: Link { connected: true, since: Some(START), ..Link::default() },
        boot: Some(Box::new(Boot {
            vendor: "ACME".to_owned(),
            model: format!("M{}", key % 20),
            ..Boot::default()
        })),
        booted_at: Some(START),
        whole: ConnectorState::default(),
        connectors: [connector(1), connector(2)].into_iter().collect(),
        transactions: smallvec::SmallVec::new(),
        signals: smallvec::SmallVec::new(),
        firmware_status: None,
        diagnostics_status: None,
        configuration: std::collections::BTreeMap::new(),
        clock_skew_ms: None,
        carded_at: None,
        drift: None,
    }
}

/// What is asked of this run.
struct Asked {
    chargers: u32,
    /// One kind of event; all of them when left out.
    only: Option<String>,
}

impl Asked {
    fn read() -> Self {
        let value = |name: &str| {
            let words: Vec<String> = std::env::args().collect();
            let place = words.iter().position(|word| word == name)?;
            words.get(place + 1).cloned()
        };
        let chargers = value("--chargers").and_then(|n| n.parse().ok()).unwrap_or(CHARGERS);
        Self { chargers, only: value("--only") }
    }
}

/// Memory of this process, bytes; 0 where the system does not tell.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| {
        text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok())
    });
    pages.unwrap_or(0) * 4_096
}

fn catalogue() -> Result<Arc<Catalogue>, Box<dyn std::error::Error>> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let read = |folder: std::path::PathBuf| -> std::io::Result<Vec<(String, String)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                files.push((path.display().to_string(), std::fs::read_to_string(&path)?));
            }
        }
        Ok(files)
    };
    let parsed = Catalogue::parse(&read(config.join("rules"))?, &read(config.join("playbooks"))?);
    parsed.map(Arc::new).map_err(|problems| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into()
    })
}

struct Bench {
    engine: Engine,
    fleet: Fleet,
    now: UnixMs,
    frame: u64,
    out: Vec<Effect>,
    effects: usize,
}

impl Bench {
    fn new(catalogue: &Arc<Catalogue>, fleet: Fleet) -> Self {
        let numbers = IdSequence { next: 1, step: 1 };
        let engine = Engine::new(Arc::clone(catalogue), EngineSettings::default(), numbers);
        Self { engine, fleet, now: START, frame: 0, out: Vec::new(), effects: 0 }
    }

    fn event(&mut self, key: u32, kind: EventKind, facts: &[Fact]) {
        self.frame += 1;
        let event = ChargerEvent {
            charger: ChargerKey(key),
            site: SiteKey(key / 20),
            received_at: self.now,
            epoch: 1,
            frame: self.frame,
            kind,
        };
        self.engine.handle(self.now, &event, facts, &self.fleet, &mut self.out);
        self.effects += self.out.len();
        self.out.clear();
    }

    fn connect(&mut self, key: u32) {
        let kind = EventKind::Connected(Connected {
            protocol: Protocol::V16,
            remote: String::new(),
            replaced: false,
            certificate_ends: None,
        });
        self.event(key, kind, &[Fact::LinkUp { away_ms: None }]);
        self.event(key, EventKind::Boot(Boot::default()), &[Fact::Booted { changed: false }]);
    }

    fn seen(&mut self, key: u32) -> &mut ChargerState {
        let now = self.now;
        let state = &mut self.fleet.states[key as usize - 1];
        state.link.last_seen_at = Some(now);
        state
    }

    fn heartbeat(&mut self, key: u32) {
        self.seen(key);
        self.event(key, EventKind::Heartbeat, &[]);
    }

    fn meter(&mut self, key: u32) {
        self.seen(key);
        let at = ConnectorRef::v16(1);
        let reading =
            MeterReading { connector: at, power_w: Some(7_000.0), ..MeterReading::default() };
        let fact = Fact::Metered { connector: at, power_w: Some(7_000.0) };
        self.event(key, EventKind::Meter(reading), &[fact]);
    }

    fn status(&mut self, key: u32, to: ConnectorStatus) {
        let now = self.now;
        let at = ConnectorRef::v16(1);
        let state = self.seen(key);
        let from = std::mem::replace(&mut state.connectors[0].status, to);
        state.connectors[0].since = Some(now);
        state.connectors[0].plugged_at = to.is_plugged().then_some(now);
        let report =
            StatusReport { connector: at, status: to, raw_status: None, error: None, at: None };
        let fact = Fact::StatusChanged {
            connector: at,
            from,
            to,
            error: None,
            historical: false,
            since: now,
        };
        self.event(key, EventKind::Status(report), &[fact]);
    }

    /// Nanoseconds an event of one kind, for all chargers in turn.
    fn measure(&mut self, name: &str, act: impl Fn(&mut Self, u32, u32)) -> Option<f64> {
        let Asked { chargers, only } = Asked::read();
        if only.is_some_and(|only| only != name) {
            return None;
        }
        let mut best = f64::MAX;
        for _ in 0..ROUNDS {
            let began = Instant::now();
            for n in 0..EVENTS {
                // A stride that meets every charger and few caches.
                let key = (n.wrapping_mul(7_919) % chargers) + 1;
                if n % 1_000 == 0 {
                    self.now = self.now + 1;
                }
                act(self, key, n);
            }
            best = best.min(began.elapsed().as_nanos() as f64 / f64::from(EVENTS));
        }
        Some(best)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    let catalogue = catalogue()?;
    let chargers = Asked::read().chargers;
    writeln!(out, "{} rules, {} chargers", catalogue.rules().len(), chargers)?;

    let states = (1..=chargers).map(state).collect();
    let before = memory();
    let mut bench = Bench::new(&catalogue, Fleet { states, one_for_all: false });
    let began = Instant::now();
    (1..=chargers).for_each(|key| bench.connect(key));
    let connect = began.elapsed().as_nanos() as f64 / f64::from(2 * chargers);
    let state_bytes = memory().saturating_sub(before) / u64::from(chargers);

    let rows = [
        ("Heartbeat", bench.measure("heartbeat", |bench, key, _| bench.heartbeat(key))),
        ("MeterValues", bench.measure("meter", |bench, key, _| bench.meter(key))),
        (
            "StatusNotification, a change",
            bench.measure("status", |bench, key, n| {
                let to = if (n / chargers).is_multiple_of(2) {
                    ConnectorStatus::Preparing
                } else {
                    ConnectorStatus::Available
                };
                bench.status(key, to);
            }),
        ),
        (
            "mix: 60 % Heartbeat, 30 % MeterValues, 10 % status",
            bench.measure("mix", |bench, key, n| match n % 10 {
                0 => {
                    let to = if (n / chargers).is_multiple_of(2) {
                        ConnectorStatus::Preparing
                    } else {
                        ConnectorStatus::Available
                    };
                    bench.status(key, to);
                }
                1..4 => bench.meter(key),
                _ => bench.heartbeat(key),
            }),
        ),
    ];
    writeln!(out, "{:52} {connect:6.0} ns", "first connection and boot, an event")?;
    for (name, ns) in rows {
        let Some(ns) = ns else { continue };
        writeln!(out, "{name:52} {ns:6.0} ns {:9.0} events/s", 1e9 / ns)?;
    }
    let all = memory().saturating_sub(before) / u64::from(chargers);
    writeln!(out, "{:52} {state_bytes:6} bytes, after all that {all}", "state of a charger")?;
    writeln!(out, "effects on the way: {}", bench.effects)?;
    drop(bench);

    if std::env::var("ONLY").is_ok() {
        return Ok(());
    }
    let mut one = state(1);
    one.link.connected = false;
    let before = memory();
    let mut bench = Bench::new(&catalogue, Fleet { states: vec![one], one_for_all: true });
    let reason = || "gone".to_owned();
    let began = Instant::now();
    for key in 1..=TIMERS {
        bench.now = START + i64::from(key / 1_000);
        let kind = EventKind::Disconnected(Disconnected { reason: reason(), replaced: false });
        bench.event(key, kind, &[Fact::LinkDown { reason: reason() }]);
    }
    let arm = began.elapsed().as_nanos() as f64 / f64::from(TIMERS);
    let bytes = memory().saturating_sub(before) / u64::from(TIMERS);
    let began = Instant::now();
    for n in 1..=1_000_000_u32 {
        bench.now = bench.now + i64::from(n % 100 == 0);
        bench.engine.advance(bench.now, &bench.fleet, &mut bench.out);
    }
    let advance = began.elapsed().as_nanos() as f64 / 1e6;
    writeln!(out, "{TIMERS} chargers lose their connection, a timer and more each:")?;
    writeln!(out, "{:52} {arm:6.0} ns, {bytes} bytes a charger", "the end of a connection")?;
    writeln!(out, "{:52} {advance:6.0} ns", "a tick with nothing due, beside them all")?;
    Ok(())
}
