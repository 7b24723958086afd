//! The program's settings: built-in defaults, then a file, then the environment.

#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use config::{Config, Environment, File, FileFormat};
use mendpoint_escalation::{self as escalation, Routes, Target, WebhookFormat};
use mendpoint_gateway::{Authority, ListenerSettings, TlsFiles};
use mendpoint_incidents::{EngineSettings, HealMode};
use mendpoint_model::{Protocol, SECOND_MS, SecurityProfile};
use mendpoint_notify::WebhookAddress;
use mendpoint_pipeline::{DutySettings, IdentityCase, PipelineSettings, UnknownChargers};
use mendpoint_store::StoreSettings;
use mendpoint_upkeep::{Profiles, UpkeepSettings};
use serde::Deserialize;

pub(crate) use self::words::distance;
use self::words::in_words;
use crate::healing::Healing;

/// The file with every setting; its values are the defaults.
pub(crate) const DEFAULTS: &str = include_str!("../config/mendpoint.toml");

/// The routes and chains that are built in.
pub(crate) const ROUTES: &str = include_str!("../config/routes.toml");

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) ocpp: Ocpp,
    pub(crate) web: Web,
    pub(crate) database: Database,
    pub(crate) backup: Backup,
    pub(crate) engine: Engine,
    pub(crate) healing: Healing,
    pub(crate) duty: Duty,
    pub(crate) mail: Mail,
    pub(crate) log: Log,
}

/// Where and how chargers connect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ocpp {
    pub(crate) listen: SocketAddr,
    pub(crate) profile: SecurityProfile,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) operator_name: String,
    pub(crate) ca_certificate: String,
    pub(crate) ca_key: String,
    pub(crate) trusted_proxies: Vec<IpAddr>,
    pub(crate) proxy_certificate_header: String,
    pub(crate) unknown_chargers: UnknownChargers,
    pub(crate) identity_case: IdentityCase,
    pub(crate) validation: Validation,
    pub(crate) heartbeat_interval_s: u32,
    pub(crate) ping_interval_s: u32,
    pub(crate) max_message_bytes: usize,
    pub(crate) max_connections: usize,
    pub(crate) messages_per_second: u32,
    pub(crate) legacy_protocol: LegacyProtocol,
    pub(crate) accept_unknown_tokens: bool,
    pub(crate) concurrent_transactions: bool,
    pub(crate) connector_power_max_kw: f64,
    pub(crate) credential_pepper: Secret,
    pub(crate) upkeep: bool,
    pub(crate) vendors: String,
}

/// One of several addresses that chargers connect to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    pub(crate) listen: SocketAddr,
    pub(crate) profile: SecurityProfile,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    client_crl: Option<PathBuf>,
}

impl Listener {
    /// In the gateway's words. What is missing is named.
    fn settings(&self) -> Result<ListenerSettings> {
        let (listen, profile) = (self.listen, self.profile);
        let (certificate, key) = (self.certificate.clone(), self.key.clone());
        let tls = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(TlsFiles {
                certificate,
                key,
                client_ca: self.client_ca.clone(),
                client_crl: self.client_crl.clone(),
            }),
            (None, None) => {
                anyhow::ensure!(
                    self.client_ca.is_none() && self.client_crl.is_none(),
                    "the listener {listen} asks chargers for certificates without having one; set \
                     certificate and key"
                );
                None
            }
            (Some(_), None) => anyhow::bail!("the listener {listen} has a certificate but no key"),
            (None, Some(_)) => anyhow::bail!("the listener {listen} has a key but no certificate"),
        };
        Ok(ListenerSettings { listen, profile, tls })
    }
}

impl Ocpp {
    /// The operator's own certificate authority, if there is one.
    pub(crate) fn authority(&self) -> Result<Option<Authority>> {
        if self.ca_certificate.is_empty() {
            return Ok(None);
        }
        let (certificate, key) = (Path::new(&self.ca_certificate), Path::new(&self.ca_key));
        Authority::read(certificate, key, &self.operator_name)
            .map(Some)
            .map_err(|why| anyhow::anyhow!("failed to use ocpp.ca_certificate: {why}"))
    }

    /// Where chargers connect: the listeners, or the one address of the simple form.
    pub(crate) fn listeners(&self) -> Result<Vec<ListenerSettings>> {
        if !self.listeners.is_empty() {
            return self.listeners.iter().map(Listener::settings).collect();
        }
        anyhow::ensure!(
            !self.profile.is_encrypted(),
            "ocpp.profile = {} needs certificates, which [[ocpp.listeners]] has; see \
             docs/security-profiles.md",
            self.profile.number()
        );
        Ok(vec![ListenerSettings { listen: self.listen, profile: self.profile, tls: None }])
    }
}

/// How payloads are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Validation {
    Tolerant,
    Strict,
}

/// What is spoken with chargers that name no sub-protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum LegacyProtocol {
    #[serde(rename = "none")]
    None,
    #[serde(rename = "ocpp1.6")]
    V16,
}

impl LegacyProtocol {
    pub(crate) fn protocol(self) -> Option<Protocol> {
        match self {
            Self::None => None,
            Self::V16 => Some(Protocol::V16),
        }
    }
}

/// Where the pages are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Web {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: String,
    pub(crate) bootstrap_token: Secret,
}

/// Where the records are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    pub(crate) url: Secret,
    pub(crate) keep_frames_days: u32,
    pub(crate) keep_signals_days: u32,
    pub(crate) keep_meter_values_days: u32,
    pub(crate) keep_changes_days: u32,
    pub(crate) keep_people_days: u32,
    pub(crate) keep_photos_days: u32,
    pub(crate) keep_hours_days: u32,
    pub(crate) keep_days_days: u32,
    pub(crate) dump_folder: PathBuf,
}

impl Database {
    /// In the store's words.
    pub(crate) fn store(&self) -> StoreSettings {
        StoreSettings {
            url: self.url.0.clone(),
            dump_folder: self.dump_folder.clone(),
            ..StoreSettings::default()
        }
    }
}

/// The copies that are made every day.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backup {
    pub(crate) folder: String,
    pub(crate) hour: u32,
    pub(crate) keep: u32,
    pub(crate) every_s: u32,
}

/// How the engine works.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Engine {
    pub(crate) rules: String,
    pub(crate) playbooks: String,
    pub(crate) default_mode: HealMode,
    pub(crate) pace: f64,
    pub(crate) startup_grace_s: u32,
    pub(crate) shards: u32,
    pub(crate) queue: usize,
    pub(crate) diagnostics_url: Secret,
}

/// Who is told of incidents.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Duty {
    pub(crate) routes: String,
    pub(crate) group_wait_s: u32,
    pub(crate) group_interval_s: u32,
    pub(crate) digest_s: u32,
    pub(crate) webhooks: Vec<Webhook>,
}

/// A program that is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    pub(crate) name: String,
    pub(crate) url: Secret,
    #[serde(default)]
    pub(crate) secret: Secret,
    #[serde(default)]
    format: WebhookFormat,
    #[serde(default)]
    topic: String,
}

impl Duty {
    /// Where programs are, and what signs for us there.
    pub(crate) fn addresses(&self) -> BTreeMap<String, WebhookAddress> {
        let address = |webhook: &Webhook| WebhookAddress {
            url: webhook.url.0.clone(),
            secret: webhook.secret.0.clone(),
        };
        self.webhooks.iter().map(|webhook| (webhook.name.clone(), address(webhook))).collect()
    }

    /// In the pipeline's words. Durations are multiplied by `pace`.
    pub(crate) fn settings(&self, pace: f64) -> Result<DutySettings> {
        let routes = if self.routes.is_empty() {
            Routes::built_in(pace)
        } else {
            let text = std::fs::read_to_string(&self.routes)
                .with_context(|| format!("failed to read duty.routes, {}", self.routes))?;
            Routes::parse(&text, pace)
                .map_err(|error| anyhow::anyhow!("failed to {error} ({})", self.routes))?
        };
        let mut webhooks = BTreeMap::new();
        for webhook in &self.webhooks {
            let url = &webhook.url.0;
            anyhow::ensure!(
                mendpoint_notify::is_web_address(url),
                "duty.webhooks: the url of \"{}\" begins with https:// or http://",
                webhook.name
            );
            anyhow::ensure!(
                webhook.format != WebhookFormat::Ntfy || !webhook.topic.is_empty(),
                "duty.webhooks: \"{}\" needs a topic for ntfy",
                webhook.name
            );
            let settings =
                escalation::Webhook { format: webhook.format, topic: webhook.topic.clone() };
            let is_new = webhooks.insert(webhook.name.clone(), settings).is_none();
            anyhow::ensure!(is_new, "duty.webhooks: two are named \"{}\"", webhook.name);
        }
        let targets = routes.chains.iter().flat_map(|chain| &chain.steps);
        for target in targets.flat_map(|step| &step.tell) {
            if let Target::Webhook(name) = target {
                anyhow::ensure!(
                    webhooks.contains_key(name),
                    "a chain tells webhook:{name}, and there is no such one in duty.webhooks"
                );
            }
        }
        let ms =
            |seconds: u32| ((f64::from(seconds) * pace * SECOND_MS as f64).round() as i64).max(1);
        Ok(DutySettings {
            routes,
            webhooks,
            group_wait_ms: ms(self.group_wait_s),
            group_interval_ms: ms(self.group_interval_s),
            digest_ms: ms(self.digest_s),
        })
    }
}

/// How mail is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mail {
    pub(crate) smtp_url: Secret,
    pub(crate) from: String,
    pub(crate) dispatch: String,
    /// Who is paged when the trouble seems to be Mendpoint's own; `dispatch` when empty.
    pub(crate) platform: String,
}

/// What is logged.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) filter: String,
}

/// A text that is never shown.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "\"***\"" })
    }
}

impl Settings {
    /// Reads the settings. `file` adds to the defaults, the environment adds to both.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self> {
        let environment = Environment::with_prefix("MENDPOINT")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("ocpp.trusted_proxies");
        Self::read_from(file, environment)
    }

    fn read_from(file: Option<&Path>, environment: Environment) -> Result<Self> {
        let mut sources = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = file {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("failed to read {}", file.display()))?;
            toml_check(&text).with_context(|| format!("{} is not valid", file.display()))?;
            sources = sources.add_source(File::from_str(&text, FileFormat::Toml));
        }
        let settings: Self = sources
            .add_source(environment)
            .build()
            .and_then(Config::try_deserialize)
            .map_err(|error| anyhow::anyhow!(in_words(&error)))?;
        settings.check()?;
        Ok(settings)
    }

    /// What types cannot say.
    fn check(&self) -> Result<()> {
        let pace = self.engine.pace;
        anyhow::ensure!(
            pace.is_finite() && (0.001..=1_000.0).contains(&pace),
            "engine.pace must be between 0.001 and 1000, and is {pace}"
        );
        let power = self.ocpp.connector_power_max_kw;
        anyhow::ensure!(
            power.is_finite() && (1.0..=100_000.0).contains(&power),
            "ocpp.connector_power_max_kw must be between 1 and 100000, and is {power}"
        );
        anyhow::ensure!(
            (5..=86_400).contains(&self.ocpp.heartbeat_interval_s),
            "ocpp.heartbeat_interval_s must be between 5 and 86400 seconds, and is {}",
            self.ocpp.heartbeat_interval_s
        );
        self.ocpp.listeners()?;
        self.healing.check()?;
        anyhow::ensure!(
            self.ocpp.ca_certificate.is_empty() == self.ocpp.ca_key.is_empty(),
            "ocpp.ca_certificate and ocpp.ca_key belong together: set both or none"
        );
        anyhow::ensure!(
            self.ocpp.proxy_certificate_header.is_empty() || !self.ocpp.trusted_proxies.is_empty(),
            "ocpp.proxy_certificate_header is believed of nobody; name the proxy in \
             ocpp.trusted_proxies"
        );
        anyhow::ensure!(
            (1..=3_600).contains(&self.ocpp.ping_interval_s),
            "ocpp.ping_interval_s must be between 1 and 3600 seconds, and is {}",
            self.ocpp.ping_interval_s
        );
        anyhow::ensure!(
            (4_096..=64 * 1024 * 1024).contains(&self.ocpp.max_message_bytes),
            "ocpp.max_message_bytes must be between 4096 and 67108864, and is {}",
            self.ocpp.max_message_bytes
        );
        anyhow::ensure!(
            (16..=1_000_000).contains(&self.engine.queue),
            "engine.queue must be between 16 and 1000000 messages, and is {}",
            self.engine.queue
        );
        let upload = &self.engine.diagnostics_url.0;
        anyhow::ensure!(
            upload.is_empty()
                || (["ftp://", "ftps://", "sftp://", "http://", "https://"]
                    .iter()
                    .any(|scheme| upload.starts_with(scheme))
                    && upload.len() <= 512),
            "engine.diagnostics_url must be an address to upload to, as in \
             ftp://files.example.org/in, of at most 512 characters"
        );
        anyhow::ensure!(
            self.engine.shards <= 64,
            "engine.shards must be between 0 (one a core) and 64, and is {}",
            self.engine.shards
        );
        anyhow::ensure!(
            self.ocpp.max_connections > 0,
            "ocpp.max_connections must be at least 1: with 0 nobody could connect"
        );
        let platform = &self.mail.platform;
        anyhow::ensure!(
            platform.is_empty() || platform.contains('@'),
            "mail.platform is {platform:?}; write an address, as in platform@example.org"
        );
        let dispatch = &self.mail.dispatch;
        anyhow::ensure!(
            dispatch.is_empty() || dispatch.contains('@'),
            "mail.dispatch is {dispatch:?}; write an address, as in dispatch@example.org"
        );
        let server = self.mail.smtp_url.0.trim();
        anyhow::ensure!(
            server.is_empty() || server.starts_with("smtp://") || server.starts_with("smtps://"),
            "mail.smtp_url begins with smtp:// or smtps://, as in \
             smtp://USER:PASSWORD@HOST:587?tls=required, and here with {:?}",
            scheme_of(server)
        );
        mendpoint_notify::check(server)?;
        self.duty.settings(1.0)?;
        let public_url = &self.web.public_url;
        anyhow::ensure!(
            public_url.is_empty()
                || public_url.starts_with("http://")
                || public_url.starts_with("https://"),
            "web.public_url is {public_url:?}; it begins with http:// or https://"
        );
        anyhow::ensure!(
            self.database.keep_frames_days > 0,
            "database.keep_frames_days must be at least 1: with 0 every raw message would be deleted \
             at once, and with it the evidence of incidents"
        );
        let hours = self.database.keep_hours_days;
        anyhow::ensure!(
            hours == 0 || hours >= 9,
            "database.keep_hours_days must be 0 (for ever) or at least 9, because days are made from \
             hours for a week, and is {hours}"
        );
        anyhow::ensure!(
            self.backup.hour < 24,
            "backup.hour is an hour of the day in UTC, from 0 to 23, and is {}",
            self.backup.hour
        );
        anyhow::ensure!(
            (1..=10_000).contains(&self.backup.keep),
            "backup.keep must be between 1 and 10000 copies, and is {}",
            self.backup.keep
        );
        let every = self.backup.every_s;
        anyhow::ensure!(
            every == 0 || (5..=86_400).contains(&every),
            "backup.every_s must be 0 (none beside the daily ones) or from 5 to 86400 seconds, and is \
             {every}"
        );
        anyhow::ensure!(
            every == 0 || !self.backup.folder.is_empty(),
            "backup.every_s asks for copies, and backup.folder does not say where"
        );
        crate::logging::check(&self.log.filter)?;
        let url = &self.database.url.0;
        anyhow::ensure!(
            ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme)),
            "database.url must begin with sqlite:// or postgres://"
        );
        let token = &self.web.bootstrap_token.0;
        anyhow::ensure!(
            token.is_empty() || token.len() >= 20,
            "web.bootstrap_token must have at least 20 characters: it opens everything"
        );
        Ok(())
    }

    /// How long history is kept.
    pub(crate) fn retention(&self) -> mendpoint_store::Retention {
        let database = &self.database;
        mendpoint_store::Retention {
            signals: database.keep_signals_days,
            meter_values: database.keep_meter_values_days,
            changes: database.keep_changes_days,
            people: database.keep_people_days,
            photos: database.keep_photos_days,
            hours: database.keep_hours_days,
            days: database.keep_days_days,
        }
    }

    /// The address people use, without a slash at the end.
    pub(crate) fn public_url(&self) -> String {
        match self.web.public_url.trim_end_matches('/') {
            "" => format!("http://{}", self.web.listen),
            url => url.to_owned(),
        }
    }

    /// How long absence waits after a start of ours (1.2): a charger that did not notice that its
    /// connection is gone tries its next heartbeat on it, and may be told then at the earliest.
    pub(crate) fn startup_grace_ms(&self) -> i64 {
        let two_heartbeats_s = 2 * i64::from(self.ocpp.heartbeat_interval_s);
        i64::from(self.engine.startup_grace_s).max(two_heartbeats_s) * SECOND_MS
    }

    /// The part that the pipeline needs.
    pub(crate) fn pipeline(&self, profiles: Profiles, duty: DutySettings) -> PipelineSettings {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32;
        PipelineSettings {
            shards: if self.engine.shards == 0 { cores.min(8) } else { self.engine.shards },
            queue: self.engine.queue,
            unknown_chargers: self.ocpp.unknown_chargers,
            identity_case: self.ocpp.identity_case,
            operator_name: self.ocpp.operator_name.clone(),
            accept_unknown_tokens: self.ocpp.accept_unknown_tokens,
            concurrent_transactions: self.ocpp.concurrent_transactions,
            heartbeat_interval_s: self.ocpp.heartbeat_interval_s,
            strict: self.ocpp.validation == Validation::Strict,
            credential_pepper: self.ocpp.credential_pepper.0.clone(),
            public_url: self.public_url(),
            dispatch_email: self.mail.dispatch.clone(),
            platform_email: self.mail.platform.clone(),
            fleet: mendpoint_fleet::FleetSettings {
                // A demonstration that runs faster charges faster.
                connector_power_max_w: self.ocpp.connector_power_max_kw * 1_000.0
                    / self.engine.pace.min(1.0),
                ..mendpoint_fleet::FleetSettings::default()
            }
            .paced(self.engine.pace),
            engine: self.healing.apply(EngineSettings {
                pace: self.engine.pace,
                default_mode: self.engine.default_mode,
                diagnostics_url: self.engine.diagnostics_url.0.clone(),
                startup_grace_ms: self.startup_grace_ms(),
                ..EngineSettings::default()
            }),
            power_hooks: self.healing.power_hooks(),
            shipped_rules: crate::rules::shipped_ids(),
            upkeep: UpkeepSettings { enabled: self.ocpp.upkeep, ..UpkeepSettings::default() }
                .paced(self.engine.pace),
            profiles,
            duty,
        }
    }
}

/// What an address begins with. The rest may hold a password.
fn scheme_of(address: &str) -> &str {
    address.split_once("://").map_or("", |(scheme, _)| scheme)
}

/// Finds what is wrong with the form of a file, with its place.
fn toml_check(text: &str) -> Result<()> {
    toml::from_str::<toml::Table>(text).map(drop).map_err(|error| anyhow::anyhow!("{error}"))
}
