//! A pipeline on an SQLite file, with connections that remember what they were told.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mendpoint_incidents::Catalogue;
use mendpoint_model::{
    Action, ChargerKey, ChargerRecord, ClientCertificate, Command, CommandAnswered, CommandId,
    CommandOutcome, Connected, EventKind, Protocol, SecurityProfile,
};
use mendpoint_pipeline::{
    Admitted, Answer, Door, Handle, IdentityCase, Incoming, NewCharger, NotAdmitted, Outbound,
    Pipeline, PipelineSettings, ReplyTo, SendRefused, UnknownChargers,
};
use mendpoint_store::{SecurityRow, Store, StoreSettings};
use smallvec::smallvec;
use tokio::time::{sleep, timeout};

/// Long enough for a slow machine, short enough to fail in.
pub(crate) const SOON: Duration = Duration::from_secs(20);
pub(crate) const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// What the connections were told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) commands: Mutex<Vec<Command>>,
    pub(crate) closed: Mutex<Vec<(ChargerKey, String)>>,
    pub(crate) accepted: Mutex<Vec<(ChargerKey, bool)>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outbound for Told {
    fn send(&self, command: Command) -> Result<(), SendRefused> {
        lock(&self.commands).push(command);
        Ok(())
    }

    fn set_accepted(&self, charger: ChargerKey, accepted: bool) -> bool {
        lock(&self.accepted).push((charger, accepted));
        true
    }

    fn close(&self, charger: ChargerKey, reason: &str) {
        lock(&self.closed).push((charger, reason.to_owned()));
    }
}

/// The program under test.
pub(crate) struct Program {
    pub(crate) handle: Handle,
    pub(crate) store: Store,
    pub(crate) told: Arc<Told>,
    pub(crate) folder: Arc<tempfile::TempDir>,
    pipeline: Pipeline,
}

pub(crate) fn settings() -> PipelineSettings {
    PipelineSettings {
        power_hooks: std::collections::BTreeMap::new(),
        shipped_rules: std::collections::BTreeSet::new(),
        shards: 2,
        queue: 64,
        identity_case: IdentityCase::Exact,
        operator_name: "Volt AG".to_owned(),
        unknown_chargers: UnknownChargers::Reject,
        accept_unknown_tokens: true,
        heartbeat_interval_s: 60,
        strict: false,
        credential_pepper: "pepper".to_owned(),
        public_url: String::new(),
        dispatch_email: String::new(),
        platform_email: String::new(),
        fleet: mendpoint_fleet::FleetSettings::default(),
        engine: mendpoint_incidents::EngineSettings::default(),
        concurrent_transactions: true,
        upkeep: mendpoint_upkeep::UpkeepSettings { enabled: false, ..Default::default() },
        profiles: mendpoint_upkeep::Profiles::default(),
        duty: mendpoint_pipeline::DutySettings::default(),
    }
}

impl Program {
    pub(crate) async fn start() -> Self {
        Self::with(settings()).await
    }

    pub(crate) async fn with(settings: PipelineSettings) -> Self {
        Self::on(settings, Arc::new(tempfile::tempdir().expect("a folder"))).await
    }

    /// On a database that is there already.
    pub(crate) async fn on(settings: PipelineSettings, folder: Arc<tempfile::TempDir>) -> Self {
        Self::of(settings, folder, Catalogue::default()).await
    }

    /// The same with rules.
    pub(crate) async fn of(
        settings: PipelineSettings,
        folder: Arc<tempfile::TempDir>,
        catalogue: Catalogue,
    ) -> Self {
        let url = format!("sqlite://{}/p.db", folder.path().display());
        let registry = prometheus::Registry::new();
        let store_settings = StoreSettings { url, ..StoreSettings::default() };
        let store = Store::open(&store_settings, &registry).await.expect("a database");
        let told = Arc::new(Told::default());
        let outbound: Arc<dyn Outbound> = Arc::<Told>::clone(&told);
        let catalogue = Arc::new(catalogue);
        let pipeline = Pipeline::start(settings, store.clone(), catalogue, outbound, &registry)
            .await
            .expect("a pipeline");
        Self { handle: pipeline.handle(), store, told, folder, pipeline }
    }

    /// Stops as a crash would: nothing is settled, only what is on disk counts.
    pub(crate) async fn crash(self) -> Arc<tempfile::TempDir> {
        let Self { store, folder, pipeline, .. } = self;
        drop(pipeline);
        store.close().await;
        folder
    }

    pub(crate) async fn register(
        &self,
        identity: &str,
        password: Option<&str>,
    ) -> Arc<ChargerRecord> {
        let new = NewCharger {
            identity: identity.to_owned(),
            password: password.map(|password| password.as_bytes().to_vec()),
            ..NewCharger::default()
        };
        self.handle.register_charger(new).await.expect("registered")
    }

    /// Tries to come in.
    pub(crate) async fn knock(&self, try_: &Try<'_>) -> Result<Admitted, NotAdmitted> {
        let certificate = try_.certificate.map(|(name, operator)| ClientCertificate {
            common_name: name.to_owned(),
            organization: operator.to_owned(),
            sha256: "ab".to_owned(),
            not_after: None,
        });
        let door = Door {
            identity: try_.identity,
            credentials: try_
                .password
                .map(|password| (try_.user.unwrap_or(try_.identity).as_bytes(), password)),
            remote: try_.from,
            tls: try_.listener.is_encrypted(),
            listener: try_.listener,
            certificate: certificate.as_ref(),
        };
        self.handle.admit(door).await
    }

    /// Connects, so that commands reach it.
    pub(crate) async fn connect(&self, record: &ChargerRecord, epoch: u64, protocol: Protocol) {
        let connected = Connected {
            protocol,
            remote: "192.0.2.1:1".to_owned(),
            replaced: false,
            certificate_ends: None,
        };
        self.say(record, epoch, EventKind::Connected(connected)).await;
    }

    /// Takes an event in.
    pub(crate) async fn say(&self, record: &ChargerRecord, epoch: u64, event: EventKind) {
        self.handle.take(incoming(&self.handle, record, epoch, event, None)).await;
    }

    /// Takes a call in and waits for the leave to answer it.
    pub(crate) async fn call(
        &self,
        record: &ChargerRecord,
        epoch: u64,
        event: EventKind,
    ) -> Answer {
        let (sender, answer) = tokio::sync::oneshot::channel();
        let reply = ReplyTo::new(move |answer| {
            let _ = sender.send(answer);
        });
        self.handle.take(incoming(&self.handle, record, epoch, event, Some(reply))).await;
        timeout(SOON, answer).await.expect("in time").expect("an answer")
    }

    /// The next command that was sent to a charger with this action.
    pub(crate) async fn sent(&self, action: &str) -> Command {
        let found = async {
            loop {
                let sent = lock(&self.told.commands)
                    .iter()
                    .position(|command| command.action.name() == action);
                if let Some(index) = sent {
                    return lock(&self.told.commands).remove(index);
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(SOON, found).await.expect("the command is sent")
    }

    /// Answers a command.
    pub(crate) async fn answer(
        &self,
        record: &ChargerRecord,
        command: CommandId,
        outcome: CommandOutcome,
    ) {
        let answered = CommandAnswered { command, outcome, late: false };
        self.say(record, 1, EventKind::CommandAnswered(answered)).await;
    }

    /// Waits for a row of the security log.
    pub(crate) async fn security_event(&self, kind: &str) -> SecurityRow {
        let found = async {
            loop {
                let rows = self.store.security_events(None, None, 100).await.expect("reads");
                if let Some(row) = rows.into_iter().find(|row| row.report.kind == kind) {
                    return row;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, found).await.expect("the event is written down")
    }
}

fn incoming(
    handle: &Handle,
    record: &ChargerRecord,
    epoch: u64,
    event: EventKind,
    answer: Option<ReplyTo>,
) -> Incoming {
    Incoming {
        charger: record.key,
        site: record.site,
        epoch,
        received_at: handle.now(),
        frame: 0,
        sample: None,
        events: smallvec![event],
        quirks: Vec::new(),
        answer,
    }
}

/// The secret in a command that brings one.
pub(crate) fn secret_in(command: &Command) -> String {
    let Action::Raw { payload, .. } = &command.action else { panic!("{command:?}") };
    let payload: serde_json::Value = serde_json::from_str(payload).expect("JSON");
    let value =
        payload.get("value").or_else(|| payload.pointer("/setVariableData/0/attributeValue"));
    value.and_then(serde_json::Value::as_str).expect("a value").to_owned()
}

pub(crate) fn answered(status: &str) -> CommandOutcome {
    CommandOutcome::Answered {
        accepted: status == "Accepted",
        status: status.to_owned(),
        payload: format!(r#"{{"status":"{status}"}}"#),
    }
}

/// One try to come in.
#[derive(Clone, Copy)]
pub(crate) struct Try<'a> {
    pub(crate) identity: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) password: Option<&'a [u8]>,
    pub(crate) listener: SecurityProfile,
    pub(crate) certificate: Option<(&'a str, &'a str)>,
    pub(crate) from: IpAddr,
}

impl<'a> Try<'a> {
    pub(crate) fn of(identity: &'a str) -> Self {
        Self {
            identity,
            user: None,
            password: None,
            listener: SecurityProfile::Open,
            certificate: None,
            from: HOME,
        }
    }

    pub(crate) fn password(self, password: &'a str) -> Self {
        Self { password: Some(password.as_bytes()), ..self }
    }

    pub(crate) fn on(self, listener: SecurityProfile) -> Self {
        Self { listener, ..self }
    }

    pub(crate) fn showing(self, name: &'a str, operator: &'a str) -> Self {
        Self { certificate: Some((name, operator)), listener: SecurityProfile::Mutual, ..self }
    }
}
