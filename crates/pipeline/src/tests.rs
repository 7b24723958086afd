//! The whole pipeline with a database and without sockets.

use std::sync::{Arc, Mutex};

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::{Catalogue, EngineSettings};
use mendpoint_model::{
    Action, ChargerKey, ChargerRecord, Command, CommandOutcome, Connected, ConnectorRef,
    ConnectorStatus, DAY_MS, Disconnected, EventKind, FaultReport, Origin, Protocol, StatusReport,
};
use mendpoint_store::{Store, StoreSettings};
use smallvec::smallvec;

use crate::{
    Asked, Handle, Incoming, NewCharger, Outbound, Pipeline, PipelineSettings, SendRefused,
    UnknownChargers, clock,
};

/// Takes every command and answers none.
#[derive(Debug, Default)]
struct Taker(Mutex<Vec<Command>>);

impl Outbound for Taker {
    fn send(&self, command: Command) -> Result<(), SendRefused> {
        self.0.lock().expect("not poisoned").push(command);
        Ok(())
    }

    fn close(&self, _: ChargerKey, _: &str) {}
}

struct Kit {
    pipeline: Pipeline,
    handle: Handle,
    taker: Arc<Taker>,
    record: Arc<ChargerRecord>,
    epoch: u64,
    _folder: tempfile::TempDir,
}

impl Kit {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let registry = prometheus::Registry::new();
        let url = format!("sqlite://{}/pipeline.db", folder.path().display());
        let settings = StoreSettings { url, ..StoreSettings::default() };
        let store = Store::open(&settings, &registry).await.expect("a database");
        let taker = Arc::new(Taker::default());
        let settings = PipelineSettings {
            shards: 1,
            queue: 64,
            unknown_chargers: UnknownChargers::Reject,
            accept_unknown_tokens: true,
            heartbeat_interval_s: 300,
            strict: false,
            credential_pepper: "pepper".to_owned(),
            public_url: String::new(),
            dispatch_email: String::new(),
            fleet: FleetSettings::default(),
            engine: EngineSettings::default(),
        };
        let outbound: Arc<dyn Outbound> = Arc::<Taker>::clone(&taker);
        let catalogue = Arc::new(Catalogue::default());
        let pipeline = Pipeline::start(settings, store, catalogue, outbound, &registry);
        let pipeline = pipeline.await.expect("a pipeline");
        let handle = pipeline.handle();
        let new = NewCharger { identity: "CP-1".to_owned(), ..NewCharger::default() };
        let record = handle.register_charger(new).await.expect("registered");
        Self { pipeline, handle, taker, record, epoch: 1, _folder: folder }
    }

    async fn tell(&self, kind: EventKind) {
        self.handle
            .take(Incoming {
                charger: self.record.key,
                site: self.record.site,
                epoch: self.epoch,
                received_at: clock::now(),
                frame: 0,
                events: smallvec![kind],
                quirks: Vec::new(),
                sample: None,
                answer: None,
            })
            .await;
    }

    async fn connect(&mut self) {
        self.epoch += 1;
        let remote = "192.0.2.7:1".to_owned();
        let connected = Connected { protocol: Protocol::V201, remote, replaced: false };
        self.tell(EventKind::Connected(connected)).await;
    }

    async fn disconnect(&self) {
        let disconnected = Disconnected { reason: "closed".to_owned(), replaced: false };
        self.tell(EventKind::Disconnected(disconnected)).await;
    }

    async fn status(&self, status: ConnectorStatus) {
        let connector = ConnectorRef::v16(1);
        let report = StatusReport { connector, status, raw_status: None, error: None, at: None };
        self.tell(EventKind::Status(report)).await;
    }

    async fn fault(&self, active: bool) {
        self.tell(EventKind::Fault(FaultReport {
            connector: ConnectorRef::v16(1),
            component: "Connector".to_owned(),
            variable: "Problem".to_owned(),
            active,
            code: Some("CX002".to_owned()),
            info: None,
            severity: None,
            at: None,
        }))
        .await;
    }
}

#[tokio::test]
async fn b63_a_fault_of_2x_stands_in_the_history_as_a_fault_until_it_is_cleared() {
    let mut kit = Kit::start().await;
    kit.connect().await;
    kit.status(ConnectorStatus::Available).await;
    kit.fault(true).await;
    // The status beside it does not know of the fault.
    kit.status(ConnectorStatus::Unavailable).await;
    kit.fault(false).await;
    kit.handle.settle(kit.record.site).await;
    let now = clock::now();
    let store = kit.handle.store();
    let history = store.state_history(kit.record.key, now - DAY_MS, now + DAY_MS).await;
    let history = history.expect("read");
    let told: Vec<_> = history.iter().map(|row| (&*row.status, &*row.error)).collect();
    assert_eq!(
        told,
        [("Available", ""), ("Faulted", "CX002"), ("Faulted", "CX002"), ("Unavailable", "")]
    );
    kit.pipeline.stop().await;
}

fn reset(wait_ms: Option<i64>) -> Asked {
    let by = Origin::User("ana".to_owned());
    Asked { action: Action::Reset { hard: false, evse: None }, by, wait_ms }
}

#[tokio::test]
async fn b67_a_command_waits_only_for_a_charger_that_is_away() {
    let mut kit = Kit::start().await;
    let mut news = kit.handle.command_news();
    kit.connect().await;
    let here = kit.handle.ask(kit.record.key, reset(Some(60_000))).await.expect("taken");
    assert_eq!(here.waits_until, None, "it is there: nothing to wait for");
    assert_eq!(news.recv().await, Ok(kit.record.key));
    kit.handle.settle(kit.record.site).await;
    kit.disconnect().await;
    let away = kit.handle.ask(kit.record.key, reset(Some(60_000))).await.expect("taken");
    assert_eq!(away.waits_until, Some(away.asked_at + 60_000));
    let id = away.id.clone();
    kit.handle.take_back(kit.record.key, id.clone(), "ana").await.expect("it waits");
    let outcome = away.outcome().await.expect("told").outcome;
    assert_eq!(outcome, CommandOutcome::Dropped("ana took it back".to_owned()));
    let again = kit.handle.take_back(kit.record.key, id.clone(), "ana").await;
    assert!(again.expect_err("only once").to_string().contains("does not wait"));
    let row = kit.handle.store().command(&id).await.expect("read").expect("it is kept");
    assert_eq!((row.outcome, row.sent_at), (Some(outcome), None));
    let sent = kit.taker.0.lock().expect("not poisoned").len();
    assert_eq!(sent, 1, "only the first one left");
    kit.pipeline.stop().await;
}

#[tokio::test]
async fn b67_no_more_wait_than_may() {
    let kit = Kit::start().await;
    for _ in 0..mendpoint_fleet::WAITING_MAX {
        kit.handle.ask(kit.record.key, reset(Some(60_000))).await.expect("there is room");
    }
    let error = kit.handle.ask(kit.record.key, reset(Some(60_000))).await.expect_err("it is full");
    assert!(error.to_string().contains("take one back first"), "{error}");
    kit.pipeline.stop().await;
}
