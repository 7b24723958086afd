//! The server: starts the parts in order, runs until asked to stop, and stops them in the reverse
//! order.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mendpoint_gateway::{
    AddressBook, Authority, Certificates, Gateway, GatewayError, GatewaySettings, ProxyWords,
};
use mendpoint_model::DAY_MS;
use mendpoint_notify::{Notifier, NotifySettings};
use mendpoint_pipeline::{Handle, Pipeline};
use mendpoint_store::{ServerClaim, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::daily::Daily;
use crate::people::now;
use crate::recent::{self, Recent};
use crate::settings::Settings;
use crate::vendors;
use crate::wiring::{ToChargers, ToPipeline};
use crate::{descriptors, housekeeping, rules, security};

/// How long everything may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(25);

/// A server that runs.
pub(crate) struct Server {
    pub(crate) handle: Handle,
    pub(crate) ocpp: SocketAddr,
    pub(crate) web: SocketAddr,
    certificates: Certificates,
    pipeline: Pipeline,
    store: Store,
    /// Keeps other servers from this database.
    claim: ServerClaim,
    /// Told first: no new connections, sessions closed.
    stop_gateway: watch::Sender<bool>,
    gateway: JoinHandle<()>,
    /// Told last.
    stop_rest: watch::Sender<bool>,
    rest: Vec<JoinHandle<()>>,
}

/// `mendpoint serve`.
pub(crate) async fn run(settings: Settings) -> Result<ExitCode> {
    if cfg!(feature = "planted-early-answers") {
        tracing::error!(
            "this build answers before the commit and loses data: it is for tests only"
        );
    }
    let server = Server::start(settings, false).await?;
    tracing::info!(
        "Mendpoint serves pages at http://{} and chargers at ws://{}/ocpp/{{identity}}",
        server.web,
        server.ocpp
    );
    if server.handle.store().users().await?.is_empty() {
        tracing::warn!(
            "nobody can sign in yet: add a person with `mendpoint user add NAME --role admin`"
        );
    }
    tokio::select! {
        stopped = wait_for_stop() => stopped?,
        reloading = reload(&server) => reloading?,
        () = server.claim.lost() => {
            server.stop().await;
            anyhow::bail!(
                "another Mendpoint server took the database while this one could not reach it; only \
                 one of them may run"
            );
        }
    }
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Reads rules, playbooks and certificates again at SIGHUP. What cannot be used is told and changes
/// nothing; no charger is disconnected.
async fn reload(server: &Server) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hang_up = signal(SignalKind::hangup())?;
    while hang_up.recv().await.is_some() {
        match server.handle.reload_rules("command line").await {
            Ok(_) => tracing::info!("the rules were read again"),
            Err(error) => tracing::error!("the rules stay as they were: {error}"),
        }
        let certificates = server.certificates.clone();
        match tokio::task::spawn_blocking(move || certificates.reload()).await? {
            Ok(()) => tracing::info!("the certificates were read again"),
            Err(why) => tracing::error!("certificates stay as they were: {why}"),
        }
    }
    std::future::pending().await
}

/// Why an address cannot be listened on, with the setting to change.
fn cannot_listen(
    setting: &str,
    address: SocketAddr,
    error: &dyn std::error::Error,
) -> anyhow::Error {
    anyhow::anyhow!(
        "failed to listen on {address}: {}; is another server using it? Change {setting}",
        root_cause(error)
    )
}

/// The same for chargers, whose listeners may have other troubles.
fn cannot_accept_chargers(error: GatewayError) -> anyhow::Error {
    match &error {
        GatewayError::Listen { address, .. } => cannot_listen("ocpp.listen", *address, &error),
        _ => anyhow::Error::new(error).context("failed to listen for chargers"),
    }
}

/// The words of the system at the bottom of a chain of errors.
fn root_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn wait_for_stop() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

impl Server {
    /// Starts everything. `is_demo` puts a notice on every page.
    pub(crate) async fn start(settings: Settings, is_demo: bool) -> Result<Self> {
        let registry = prometheus::Registry::new();
        let (rules, playbooks) = (settings.engine.rules.clone(), settings.engine.playbooks.clone());
        let catalogue = rules::load(&rules, &playbooks)?;
        let profiles = vendors::load(&settings.ocpp.vendors)?;
        let duty = settings.duty.settings(settings.engine.pace)?;
        rules::check_routes(&catalogue, &duty.routes)?;
        let store = Store::open(&settings.database.store(), &registry)
            .await
            .context("failed to open the database")?;
        let claim = store.claim_for_server().await.context("failed to claim the database")?;
        heed_erasures(&store, &settings).await?;

        let book = AddressBook::new();
        let pipeline = Pipeline::start(
            settings.pipeline(profiles, duty),
            store.clone(),
            catalogue,
            Arc::new(ToChargers(book.clone())),
            &registry,
        )
        .await
        .context("failed to read the fleet back from the database")?;
        let handle = pipeline.handle();
        handle.set_rule_reader(move || {
            rules::load(&rules, &playbooks).map_err(|error| format!("{error:#}"))
        });
        audit_start(&store, &settings).await.context("failed to write the audit log")?;

        let (stop_gateway, gateway_stopped) = watch::channel(false);
        let (stop_rest, rest_stopped) = watch::channel(false);
        let mut gateway_settings = GatewaySettings {
            listeners: settings.ocpp.listeners()?,
            trusted_proxies: settings.ocpp.trusted_proxies.clone(),
            proxy_words: ProxyWords {
                certificate_header: settings.ocpp.proxy_certificate_header.clone(),
            },
            ping_interval_ms: u64::from(settings.ocpp.ping_interval_s) * 1_000,
            max_message_bytes: settings.ocpp.max_message_bytes,
            max_connections: settings.ocpp.max_connections,
            messages_per_second: settings.ocpp.messages_per_second,
            legacy_protocol: settings.ocpp.legacy_protocol.protocol(),
            ..GatewaySettings::default()
        };
        descriptors::fit(&mut gateway_settings);
        let authority = settings.ocpp.authority()?;
        let signs_certificates = authority.is_some();
        let authority_ends = authority.as_ref().map(Authority::not_after);
        let intake = Arc::new(ToPipeline { handle: handle.clone(), authority });
        let gateway = Gateway::bind_with_book(gateway_settings, intake, &registry, book)
            .map_err(cannot_accept_chargers)?;
        let ocpp = gateway.local_addr();
        let certificates = gateway.certificates();
        let listeners = gateway.listeners();
        security::warn_of_open_listeners(&listeners);
        let gateway = tokio::spawn(gateway.run(gateway_stopped));

        let board = mendpoint_web::BackupBoard::default();
        let daily = Daily::new(&settings, &store, &board, &registry, now())?;
        let recent = Recent::new(&settings, &store, &board, &registry)?;
        let web = tokio::net::TcpListener::bind(settings.web.listen)
            .await
            .map_err(|error| cannot_listen("web.listen", settings.web.listen, &error))?;
        let web_address = web.local_addr()?;
        let state = mendpoint_web::AppState::new(
            handle.clone(),
            registry.clone(),
            mendpoint_web::WebSettings {
                public_url: settings.public_url(),
                bootstrap_token: settings.web.bootstrap_token.0.clone(),
                ocpp_url: security::address_for_people(&listeners),
                security: security::facts(listeners, &certificates, signs_certificates),
                pace: settings.engine.pace,
                is_demo,
                mail_is_sent: !settings.mail.smtp_url.0.is_empty(),
                backups: board,
            },
        );
        let notifier = Notifier::new(
            NotifySettings {
                smtp_url: settings.mail.smtp_url.0.clone(),
                from: settings.mail.from.clone(),
                webhooks: settings.duty.addresses(),
                ..NotifySettings::default()
            },
            store.clone(),
            &registry,
        )
        .context("the mail settings cannot be used")?;
        let rest = vec![
            tokio::spawn(daily_backup(daily, rest_stopped.clone())),
            tokio::spawn(recent::run(recent, rest_stopped.clone())),
            tokio::spawn(security::watch_certificates(
                certificates.clone(),
                authority_ends,
                handle.clone(),
                registry.clone(),
                rest_stopped.clone(),
            )),
            tokio::spawn(mendpoint_web::follow_cards(state.clone(), rest_stopped.clone())),
            tokio::spawn(mendpoint_web::serve(web, state, rest_stopped.clone())),
            tokio::spawn(notifier.run(rest_stopped.clone())),
            tokio::spawn(housekeeping::run(
                store.clone(),
                i64::from(settings.database.keep_frames_days) * DAY_MS,
                settings.retention(),
                rest_stopped,
            )),
        ];
        Ok(Self {
            handle,
            ocpp,
            web: web_address,
            certificates,
            pipeline,
            store,
            claim,
            stop_gateway,
            gateway,
            stop_rest,
            rest,
        })
    }

    /// Stops in order: chargers are told to come back, the shards finish what is queued, the
    /// journal gets to disk, then pages and mail end.
    pub(crate) async fn stop(self) {
        tracing::info!("stopping");
        let stopped = tokio::time::timeout(STOP_WITHIN, async {
            self.stop_gateway.send_replace(true);
            if let Err(error) = self.gateway.await {
                tracing::error!(%error, "the gateway ended badly");
            }
            self.pipeline.stop().await;
            self.stop_rest.send_replace(true);
            for task in self.rest {
                if let Err(error) = task.await {
                    tracing::error!(%error, "a task ended badly");
                }
            }
            self.store.close().await;
            drop(self.claim);
        })
        .await;
        match stopped {
            Ok(()) => tracing::info!("stopped"),
            Err(_) => tracing::error!("gave up waiting for everything to stop"),
        }
    }
}

/// The name under which the settings of the last start are kept, without their secrets.
const LAST_SETTINGS: &str = "settings.last";

/// Writes down that the server started, and which settings are not as they were.
async fn audit_start(store: &Store, settings: &Settings) -> Result<(), mendpoint_store::Error> {
    let now = format!("{settings:#?}");
    let before = store.get_value(LAST_SETTINGS).await?;
    let version = env!("CARGO_PKG_VERSION");
    store.add_audit("system", "server started", "server", version).await?;
    if before.as_ref().is_some_and(|before| *before != now) {
        let changed = changed_lines(&before.unwrap_or_default(), &now);
        store.add_audit("system", "settings changed", "server", &changed).await?;
    }
    store.set_value(LAST_SETTINGS, &now).await
}

/// The lines of settings that are new, in one line.
fn changed_lines(before: &str, now: &str) -> String {
    let old: std::collections::BTreeSet<&str> = before.lines().collect();
    let lines: Vec<&str> = now
        .lines()
        .filter(|line| !old.contains(line))
        .map(|line| line.trim().trim_end_matches(','))
        .collect();
    lines.join(", ")
}

/// Erases persons again whom a list knows and the database does not: a restore was cut off before it came
/// to that, or somebody put an older file into the place of the database.
async fn heed_erasures(store: &Store, settings: &Settings) -> Result<()> {
    let folder = Some(settings.backup.folder.as_str()).filter(|folder| !folder.is_empty());
    match store.heed_erasures(folder.map(Path::new)).await {
        Ok(0) => Ok(()),
        Ok(cards) => {
            tracing::warn!(
                cards,
                "the database was older than its list of erased persons: erased again"
            );
            Ok(())
        }
        // Chargers are served whatever the folder of copies is like.
        Err(
            error @ (mendpoint_store::Error::File { .. } | mendpoint_store::Error::Corrupt { .. }),
        ) => {
            tracing::error!("a list of erased persons cannot be read: {error}");
            Ok(())
        }
        Err(error) => Err(error).context("failed to erase persons again"),
    }
}

/// The copy of every day, where one is asked for.
async fn daily_backup(daily: Option<Daily>, mut stop: watch::Receiver<bool>) {
    match daily {
        Some(daily) => daily.run(stop).await,
        None => _ = stop.changed().await,
    }
}
