//! `mendpoint demo`: the server, a database and a simulated fleet with faults, in one command.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use mendpoint_incidents::Request;
use mendpoint_model::{ConnectorRef, Contact, SiteRecord, Source};
use mendpoint_pipeline::{Handle, NewCharger, UnknownChargers};
use mendpoint_simulator::{DriverReport, Reporter, Scenario, Simulation, Target};
use tokio::sync::watch;

use crate::cli::Demo;
use crate::server::{Server, wait_for_stop};
use crate::settings::{Secret, Settings};
use crate::terminal::say;
use crate::{logging, people};

/// What every duration of the engine is multiplied by: ten minutes become forty seconds.
const PACE: f64 = 1.0 / 15.0;

/// Heartbeats of the demo's chargers, in seconds.
const HEARTBEAT_S: u32 = 30;

/// What a kilowatt-hour brings in, in cents, so that losses can be shown.
const PRICE_CENTS: i64 = 49;

/// The name to sign in with.
const USER: &str = "demo";

/// `mendpoint demo`.
pub(crate) async fn run(options: Demo, mut settings: Settings) -> Result<ExitCode> {
    logging::start("warn")?;
    let scenario = Scenario::builtin(&options.scenario)?;
    // Lives as long as the demo; with --data the folder is the caller's and stays.
    let temporary;
    let folder = match &options.data {
        Some(folder) => folder.as_path(),
        None => {
            temporary = TemporaryFolder::new()?;
            &temporary.0
        }
    };
    settings.ocpp.listen = options.ocpp.unwrap_or(settings.ocpp.listen);
    settings.ocpp.unknown_chargers = UnknownChargers::Accept;
    settings.ocpp.heartbeat_interval_s = HEARTBEAT_S;
    settings.web.listen = options.web.unwrap_or(settings.web.listen);
    settings.database.url = Secret(format!("sqlite://{}/demo.db", folder.display()));
    settings.engine.pace = PACE;
    settings.engine.startup_grace_s = 30;

    let server = Server::start(settings, true).await.map_err(|error| {
        error.context(
            "the demo could not start; are --web and --ocpp free, or is another one running?",
        )
    })?;
    let password = people::new_password()?;
    let store = server.handle.store();
    if store.user_by_name(USER).await?.is_none() {
        people::add(store, USER, "admin", "", &password).await?;
        say(&format!(
            "\n  Mendpoint demo\n\n  Open      http://{}\n  Sign in   {USER}\n  Password  {password}\n",
            server.web
        ));
    } else {
        say(&format!(
            "\n  Mendpoint demo\n\n  Open      http://{}\n  Sign in as before: the database was there already.\n",
            server.web
        ));
    }
    register(&server.handle, &scenario).await?;
    say(&format!(
        "  {} on {} to connect to ws://{}/ocpp. The first problems come within seconds.\n  Ctrl-C ends it.\n",
        mendpoint_store::counted(scenario.chargers().len(), "charger"),
        mendpoint_store::counted(scenario.sites().len(), "site"),
        server.ocpp
    ));

    let target = Target::new(&format!("ws://{}/ocpp", server.ocpp));
    let reporter = Arc::new(ToHandle(server.handle.clone()));
    let simulation = Simulation::new(scenario, target, options.seed).with_reporter(reporter);
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(async move { simulation.run(stopped).await });
    wait_for_stop().await?;
    // The server first: it closes the connections, as at any other stop of a server, and chargers that
    // lost theirs to it are no outage of their own.
    server.stop().await;
    stop.send_replace(true);
    running.await??;
    Ok(ExitCode::SUCCESS)
}

/// Enters the scenario's sites and chargers, as an operator would before the first charger comes.
async fn register(handle: &Handle, scenario: &Scenario) -> Result<()> {
    for site in scenario.sites() {
        let installer = (!site.installer.is_empty()).then(|| Contact {
            name: site.installer.clone(),
            email: site.installer_email.clone(),
            phone: String::new(),
        });
        let known = handle.directory().site_named(&site.name);
        handle
            .put_site(SiteRecord {
                key: known.map(|site| site.key).unwrap_or_default(),
                name: site.name,
                region: site.region,
                address: site.address,
                latitude: Some(site.latitude),
                longitude: Some(site.longitude),
                time_zone: "Europe/Bucharest".to_owned(),
                operator: "Mendpoint Demo Energy".to_owned(),
                owner: "Demo Properties".to_owned(),
                installer,
                price_cents_per_kwh: PRICE_CENTS,
            })
            .await?;
    }
    let sites = handle.directory().sites();
    for charger in scenario.chargers() {
        if handle.directory().by_identity(&charger.identity).is_some() {
            continue;
        }
        let site = sites.iter().find(|site| site.name == charger.site);
        handle
            .register_charger(NewCharger {
                identity: charger.identity,
                site: site.map(|site| site.key),
                ..NewCharger::default()
            })
            .await?;
    }
    Ok(())
}

/// Drivers of the simulation report like drivers at a QR code.
struct ToHandle(Handle);

impl Reporter for ToHandle {
    fn report(&self, report: DriverReport) {
        let handle = self.0.clone();
        tokio::spawn(async move {
            let Some(charger) = handle.directory().by_identity(&report.identity) else { return };
            let request = Request::Report {
                charger: charger.key,
                connector: report.connector.map(ConnectorRef::v16),
                reason: report.reason.to_owned(),
                text: report.text,
                reporter: "Driver, by QR code".to_owned(),
                source: Source::User,
            };
            if let Err(error) = handle.request(request).await {
                tracing::warn!(%error, "a driver's report was not taken");
            }
        });
    }
}

/// A folder that goes when the demo ends.
struct TemporaryFolder(std::path::PathBuf);

impl TemporaryFolder {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("mendpoint-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("failed to make the folder {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Nothing to do about it at the end of the program.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
