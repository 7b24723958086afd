//! What every page and every address of the API gets.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mendpoint_model::{ChargerKey, DAY_MS, SecurityProfile, UnixMs};
use mendpoint_pipeline::Handle;
use prometheus::Registry;

use crate::erasures::Erasures;

/// Settings of the pages and the API.
#[derive(Clone, Default)]
pub struct WebSettings {
    /// The address people use, without a slash at the end.
    pub public_url: String,
    /// An administrator's API token for automation; empty for none.
    pub bootstrap_token: String,
    /// Where chargers connect, up to the identity: `ws://HOST:9000/ocpp/`.
    pub ocpp_url: String,
    /// What durations of the engine are multiplied by; pages say so when it is not 1.
    pub pace: f64,
    /// Whether this is the demonstration.
    pub is_demo: bool,
    /// Whether mail is sent; when not, pages say that it waits.
    pub mail_is_sent: bool,
    /// How chargers' connections are secured.
    pub security: SecurityFacts,
    /// What is known of the copies of the database.
    pub backups: BackupBoard,
}

/// What is known of the copies of the database that are made every day. Cheap to clone; whoever
/// makes them writes here, pages read.
#[derive(Clone, Debug, Default)]
pub struct BackupBoard(Arc<Mutex<BackupNews>>);

/// The newest of it.
#[derive(Clone, Debug, Default)]
pub struct BackupNews {
    /// Where they are; empty when none are made.
    pub folder: String,
    /// When the newest was made, by the server or by hand, its name and its size in bytes.
    pub newest: Option<(UnixMs, String, u64)>,
    /// When the last try failed, and why; `None` since one went well.
    pub failed: Option<(UnixMs, String)>,
    /// Of those of every few minutes: what the newest holds was there at this time; how long it took, in
    /// milliseconds; and its size in bytes.
    pub recent: Option<(UnixMs, i64, u64)>,
    /// When the last try of those failed, and why; `None` since one went well.
    pub recent_failed: Option<(UnixMs, String)>,
    /// Why the list of erased persons beside the copies is not up to date; `None` when it is.
    pub unlisted: Option<String>,
}

impl BackupBoard {
    fn change(&self, change: impl FnOnce(&mut BackupNews)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Says where copies are made.
    pub fn set_folder(&self, folder: &str) {
        self.change(|news| folder.clone_into(&mut news.folder));
    }

    /// A copy was made.
    pub fn made(&self, at: UnixMs, name: &str, bytes: u64) {
        self.change(|news| {
            news.newest = Some((at, name.to_owned(), bytes));
            news.failed = None;
        });
    }

    /// The newest copy in the folder, whoever made it. That one was made by hand does not end a
    /// failure of the daily one.
    pub fn found(&self, newest: Option<(UnixMs, String, u64)>) {
        self.change(|news| news.newest = newest);
    }

    /// A copy could not be made.
    pub fn failed(&self, at: UnixMs, why: &str) {
        self.change(|news| news.failed = Some((at, why.to_owned())));
    }

    /// One of those of every few minutes was made.
    pub fn made_recent(&self, at: UnixMs, took_ms: i64, bytes: u64) {
        self.change(|news| {
            news.recent = Some((at, took_ms, bytes));
            news.recent_failed = None;
        });
    }

    /// One of those of every few minutes could not be made.
    pub fn failed_recent(&self, at: UnixMs, why: &str) {
        self.change(|news| news.recent_failed = Some((at, why.to_owned())));
    }

    /// The list of erased persons beside the copies is up to date, or why it is not.
    pub fn listed(&self, unlisted: Option<String>) {
        self.change(|news| news.unlisted = unlisted);
    }

    /// What is known now.
    pub fn news(&self) -> BackupNews {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How chargers' connections are secured.
#[derive(Clone, Default)]
pub struct SecurityFacts {
    /// Where chargers connect, with the weakest profile there.
    pub listeners: Vec<(SocketAddr, SecurityProfile)>,
    /// What encrypted listeners present now.
    pub certificates: Option<Arc<dyn Fn() -> Vec<ListenerCertificate> + Send + Sync>>,
    /// Whether certificates that chargers ask for are signed.
    pub signs_certificates: bool,
}

/// What an encrypted listener presents.
#[derive(Clone, Debug)]
pub struct ListenerCertificate {
    /// The listener.
    pub listener: SocketAddr,
    /// The file it is read from.
    pub file: String,
    /// When it ends.
    pub not_after: UnixMs,
}

/// Days before the end of a certificate of ours from which on every page says so.
const NOTICE_DAYS: i64 = 14;

impl SecurityFacts {
    /// What is presented now.
    pub(crate) fn certificates(&self) -> Vec<ListenerCertificate> {
        self.certificates.as_ref().map(|read| read()).unwrap_or_default()
    }

    /// A sentence about the first certificate of ours that ends within two weeks, for every page.
    pub(crate) fn ends_soon(&self, now: UnixMs) -> Option<String> {
        let first = self.certificates().into_iter().min_by_key(|one| one.not_after)?;
        let left_ms = first.not_after.since_ms(now);
        let of = format!("The certificate of the listener {}", first.listener);
        if left_ms > NOTICE_DAYS * DAY_MS {
            return None;
        }
        Some(if left_ms <= 0 {
            format!("{of} has ended: chargers refuse it. Replace its file; see System, Security.")
        } else {
            let days = left_ms / DAY_MS;
            format!(
                "{of} ends in {}; chargers will refuse it then. Replace its file; see \
                 System, Security.",
                crate::number::counted(days, "day")
            )
        })
    }

    /// Whether chargers without a password come in from other machines (profile 0).
    pub(crate) fn is_open_to_others(&self) -> bool {
        self.listeners.iter().any(|(address, profile)| {
            *profile == SecurityProfile::Open && !address.ip().is_loopback()
        })
    }
}

impl std::fmt::Debug for WebSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSettings")
            .field("public_url", &self.public_url)
            .field("ocpp_url", &self.ocpp_url)
            .field("pace", &self.pace)
            .field("is_demo", &self.is_demo)
            .field("mail_is_sent", &self.mail_is_sent)
            .finish_non_exhaustive()
    }
}

/// What every handler gets. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

struct Shared {
    handle: Handle,
    registry: Registry,
    settings: WebSettings,
    stopping: AtomicBool,
    lists_under_way: Mutex<BTreeSet<ChargerKey>>,
    erasures: Erasures,
}

/// While this is held, no other local list is sent to the charger.
pub(crate) struct ListUnderWay {
    state: AppState,
    charger: ChargerKey,
}

impl Drop for ListUnderWay {
    fn drop(&mut self) {
        self.state.lists_under_way().remove(&self.charger);
    }
}

impl AppState {
    /// Pages over a running pipeline. `registry` is what `/metrics` shows.
    pub fn new(handle: Handle, registry: Registry, settings: WebSettings) -> Self {
        let stopping = AtomicBool::new(false);
        let lists_under_way = Mutex::default();
        Self(Arc::new(Shared {
            handle,
            registry,
            settings,
            stopping,
            lists_under_way,
            erasures: Erasures::default(),
        }))
    }

    fn lists_under_way(&self) -> MutexGuard<'_, BTreeSet<ChargerKey>> {
        self.0.lists_under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is being erased.
    pub(crate) fn erasures(&self) -> &Erasures {
        &self.0.erasures
    }

    /// Whether a local list is on its way to a charger.
    pub(crate) fn is_list_under_way(&self, charger: ChargerKey) -> bool {
        self.lists_under_way().contains(&charger)
    }

    /// Begins to send a local list; `None` while another one is on its way to the charger.
    pub(crate) fn begin_list(&self, charger: ChargerKey) -> Option<ListUnderWay> {
        let is_first = self.lists_under_way().insert(charger);
        is_first.then(|| ListUnderWay { state: self.clone(), charger })
    }

    /// The way into the program.
    pub(crate) fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// What `/metrics` shows.
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The settings.
    pub(crate) fn settings(&self) -> &WebSettings {
        &self.0.settings
    }

    /// Whether the program is stopping: live feeds end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// Ends the live feeds.
    pub(crate) fn stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }
}
