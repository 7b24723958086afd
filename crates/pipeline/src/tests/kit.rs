//! A running pipeline with one charger whose connection is a list.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::{Catalogue, EngineSettings, RuleOverride};
use mendpoint_model::{
    Boot, ChargerKey, ChargerRecord, Command, Connected, ConnectorRef, ConnectorStatus,
    ErrorReport, EventKind, Protocol, StatusReport,
};
use mendpoint_store::{Store, StoreSettings};
use prometheus::Registry;
use smallvec::SmallVec;
use sqlx::{Connection as _, Executor as _};

use crate::{
    Handle, Incoming, NewCharger, Outbound, Pipeline, PipelineSettings, ReplyTo, SendRefused,
    UnknownChargers,
};

/// Keeps the commands that left.
#[derive(Debug, Default)]
pub(super) struct Sent(Mutex<Vec<Command>>);

impl Sent {
    /// Their actions, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().map(|command| command.action.name().to_owned()).collect()
    }
}

impl Outbound for Sent {
    fn send(&self, command: Command) -> Result<(), SendRefused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(command);
        Ok(())
    }

    fn set_accepted(&self, _charger: ChargerKey, _accepted: bool) -> bool {
        true
    }

    fn close(&self, _charger: ChargerKey, _reason: &str) {}
}

/// A pipeline over a database file, and one charger.
pub(super) struct Kit {
    pub(super) pipeline: Pipeline,
    pub(super) store: Store,
    pub(super) sent: Arc<Sent>,
    pub(super) charger: Arc<ChargerRecord>,
    epoch: u64,
    path: String,
    _folder: tempfile::TempDir,
}

/// The rules that these tests are about, as they are shipped.
fn catalogue() -> Arc<Catalogue> {
    let file = |name: &str, text: &str| vec![(name.to_owned(), text.to_owned())];
    let mut rules =
        file("err_faulted.toml", include_str!("../../../../config/rules/err_faulted.toml"));
    rules.extend(file(
        "identity_contested.toml",
        include_str!("../../../../config/rules/identity_contested.toml"),
    ));
    let playbooks =
        file("err_faulted.toml", include_str!("../../../../config/playbooks/err_faulted.toml"));
    Arc::new(Catalogue::parse(&rules, &playbooks).expect("what is shipped is right"))
}

impl Kit {
    pub(super) async fn start(engine: EngineSettings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = format!("{}/pipeline.db", folder.path().display());
        let registry = Registry::new();
        let settings =
            StoreSettings { url: format!("sqlite://{path}"), ..StoreSettings::default() };
        let store = Store::open(&settings, &registry).await.expect("a database");
        let sent = Arc::new(Sent::default());
        // A fault is an incident at once: tests here cannot wait a minute.
        let rules =
            [("ERR_FAULTED".to_owned(), RuleOverride { for_ms: Some(0), ..Default::default() })];
        let settings = PipelineSettings {
            power_hooks: std::collections::BTreeMap::new(),
            shipped_rules: std::collections::BTreeSet::new(),
            shards: 1,
            queue: 64,
            unknown_chargers: UnknownChargers::Reject,
            accept_unknown_tokens: true,
            concurrent_transactions: true,
            heartbeat_interval_s: 60,
            strict: false,
            identity_case: crate::IdentityCase::Exact,
            operator_name: String::new(),
            credential_pepper: "pepper".to_owned(),
            public_url: String::new(),
            dispatch_email: String::new(),
            platform_email: String::new(),
            fleet: FleetSettings::default(),
            engine: EngineSettings { rules: rules.into(), ..engine },
            upkeep: mendpoint_upkeep::UpkeepSettings { enabled: false, ..Default::default() },
            profiles: mendpoint_upkeep::Profiles::default(),
        };
        let outbound = Arc::<Sent>::clone(&sent);
        let pipeline = Pipeline::start(settings, store.clone(), catalogue(), outbound, &registry)
            .await
            .expect("a pipeline");
        let new = NewCharger { identity: "CP-1".to_owned(), ..NewCharger::default() };
        let charger = pipeline.handle().register_charger(new).await.expect("a charger");
        let mut kit = Self { pipeline, store, sent, charger, epoch: 1, path, _folder: folder };
        kit.connect().await;
        kit
    }

    pub(super) fn handle(&self) -> Handle {
        self.pipeline.handle()
    }

    async fn connect(&mut self) {
        self.epoch += 1;
        let protocol = Protocol::V16;
        let connected =
            Connected { protocol, remote: String::new(), replaced: false, certificate_ends: None };
        self.take(EventKind::Connected(connected)).await;
        self.take(EventKind::Boot(Boot::default())).await;
    }

    pub(super) async fn take(&self, event: EventKind) {
        self.take_and_answer(event, None).await;
    }

    pub(super) async fn take_and_answer(&self, event: EventKind, answer: Option<ReplyTo>) {
        let incoming = Incoming {
            charger: self.charger.key,
            site: self.charger.site,
            epoch: self.epoch,
            received_at: self.handle().now(),
            frame: 0,
            events: SmallVec::from_iter([event]),
            quirks: Vec::new(),
            sample: None,
            answer,
        };
        self.handle().take(incoming).await;
    }

    pub(super) async fn faulted(&self, code: &str) {
        let error = Some(ErrorReport { code: code.to_owned(), ..ErrorReport::default() });
        self.take(EventKind::Status(StatusReport {
            connector: ConnectorRef::v16(1),
            status: ConnectorStatus::Faulted,
            raw_status: None,
            error,
            at: None,
        }))
        .await;
    }

    /// Takes the database's write lock: until the connection is dropped nothing is written.
    pub(super) async fn stall_the_disk(&self) -> sqlx::SqliteConnection {
        let url = format!("sqlite://{}", self.path);
        let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("a connection");
        connection.execute("BEGIN IMMEDIATE").await.expect("the lock");
        connection
    }

    /// Waits until something holds; for as long as the slowest machine needs.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..3_000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("waited in vain until {what}");
    }
}
