use std::path::PathBuf;

use mendpoint_model::{
    ChargerKey, ChargerState, ConnectorRef, ConnectorState, ConnectorStatus, HealMode, Healing,
    Incident, IncidentId, IncidentState, Link, Rung, SiteKey, Step, StepState, Transaction,
    TransactionEnded, TransactionId, UnixMs,
};
use prometheus::Registry;

use crate::{Entry, Store, StoreSettings};

/// A database file in a folder of its own.
pub(crate) struct File {
    folder: tempfile::TempDir,
}

impl File {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("data").join("mend.db")
    }

    pub(crate) fn settings(&self) -> StoreSettings {
        StoreSettings {
            url: format!("sqlite://{}", self.path().display()),
            ..StoreSettings::default()
        }
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.settings(), &Registry::new()).await.expect("it opens")
    }
}

/// Adds entries and waits until they are on disk.
pub(crate) async fn write(store: &Store, entries: Vec<Entry>) {
    let journal = store.journal();
    let seq = journal.append(entries).await;
    journal.wait(seq).await;
}

pub(crate) fn transaction(id: i64, opened_at: i64) -> Transaction {
    Transaction {
        id: TransactionId(id),
        connector: ConnectorRef::v16(1),
        id_token: "TAG".into(),
        opened_at: UnixMs(opened_at),
        started_at: UnixMs(opened_at - 5),
        meter_start_wh: Some(100),
        ..Transaction::default()
    }
}

pub(crate) fn closed(charger: ChargerKey, transaction: Transaction, at: i64) -> Entry {
    Entry::TransactionClosed {
        charger,
        transaction,
        reason: "Local".to_owned(),
        ended_at: UnixMs(at),
        energy_wh: Some(1_250.5),
    }
}

pub(crate) fn end(external_id: &str) -> TransactionEnded {
    TransactionEnded {
        id: TransactionId(-1),
        external_id: external_id.to_owned(),
        connector: None,
        id_token: Some("TAG".to_owned()),
        meter_wh: Some(9_500),
        reason: "Local".to_owned(),
        at: Some(UnixMs(7)),
        seq_no: 3,
        offline: true,
    }
}

pub(crate) fn incident(id: i64, charger: ChargerKey, opened_at: i64) -> Incident {
    let (id, at) = (IncidentId(id), UnixMs(opened_at));
    Incident {
        severity: 3,
        connector: ConnectorRef::v16(1),
        code: "GroundFailure".to_owned(),
        title: "Connector 1 is faulted: 100% GroundFailure".to_owned(),
        ..Incident::opened(id, "ERR_FAULTED", charger, SiteKey(1), at)
    }
}

/// The same incident, ended by our own repair.
pub(crate) fn healed(mut incident: Incident, at: i64) -> Incident {
    incident.state = IncidentState::Resolved;
    incident.updated_at = UnixMs(at);
    incident.resolved_at = Some(UnixMs(at));
    let step = Step {
        number: 1,
        rung: Rung::L4,
        state: StepState::Fixed,
        at: incident.opened_at,
        commands: Vec::new(),
        accepted_at: None,
        ended_at: Some(UnixMs(at)),
        note: String::new(),
        guardrail: String::new(),
        why: String::new(),
    };
    incident.healing = Some(Healing {
        playbook: "soft".to_owned(),
        mode: HealMode::On,
        ladder: vec![Rung::L4],
        steps: vec![step],
        stopped_by: None,
    });
    incident
}

pub(crate) fn state(key: ChargerKey, site: SiteKey) -> ChargerState {
    let connector = ConnectorState {
        at: ConnectorRef::v16(1),
        status: ConnectorStatus::Charging,
        power_w: Some(7_360.25),
        ..ConnectorState::default()
    };
    ChargerState {
        key,
        site,
        identity: "CP-1".into(),
        link: Link::default(),
        boot: None,
        booted_at: None,
        whole: ConnectorState::default(),
        connectors: [connector].into_iter().collect(),
        transactions: [transaction(1, 10)].into_iter().collect(),
        signals: std::iter::empty().collect(),
        firmware_status: None,
        diagnostics_status: None,
        configuration: std::collections::BTreeMap::default(),
        clock_skew_ms: Some(-3),
        drift: None,
        carded_at: None,
    }
}
