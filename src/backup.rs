//! `mendpoint backup` and `mendpoint restore`, and the copy that a server makes every day.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mendpoint_model::{DAY_MS, HOUR_MS, UnixMs};
use mendpoint_store::{
    Manifest, RestoreOptions, Store, StoreSettings, automatic_backups, backup_name, make_backup,
    prune_backups, restore_backup, verify_backup,
};
use mendpoint_web::BackupBoard;
use prometheus::{IntCounter, IntGauge, Registry};
use tokio::sync::watch;

use crate::cli::{Backup, BackupVerb, Restore};
use crate::people::BY;
use crate::settings::Settings;
use crate::terminal::say;

fn store_settings(settings: &Settings) -> StoreSettings {
    StoreSettings { url: settings.database.url.0.clone(), ..StoreSettings::default() }
}

fn words(manifest: &Manifest) -> String {
    let count = |table: &str| {
        manifest.rows.iter().find(|(name, _)| name == table).map_or(0, |(_, rows)| *rows)
    };
    format!(
        "{} bytes, schema {}, made {}: {} chargers, {} transactions, {} incidents, {} tickets, \
         {} blocks of messages, audit log up to {}:{}",
        manifest.bytes,
        manifest.schema,
        UnixMs(manifest.made_at_ms).rfc3339(),
        count("charger"),
        count("charge_transaction"),
        count("incident"),
        count("ticket"),
        count("frame_block"),
        manifest.audit_seq,
        manifest.audit_hash,
    )
}

/// `mendpoint backup ..`.
pub(crate) async fn backup(
    command: Backup,
    read: impl Fn(Option<&Path>) -> Result<Settings>,
) -> Result<ExitCode> {
    if let Some(BackupVerb::Verify { file }) = command.verb {
        let manifest = verify_backup(&file).await?;
        say(&format!("{} is whole: {}.", file.display(), words(&manifest)));
        return Ok(ExitCode::SUCCESS);
    }
    let settings = read(command.config.config.as_deref())?;
    let file = match command.file {
        Some(file) => file,
        None if settings.backup.folder.is_empty() => {
            bail!("say where to: mendpoint backup FILE, or set backup.folder")
        }
        None => Path::new(&settings.backup.folder).join(backup_name()),
    };
    let store_settings = store_settings(&settings);
    let manifest = make_backup(&store_settings, &file).await.context("failed to make a copy")?;
    say(&format!("{}: {}.", file.display(), words(&manifest)));
    // An older or newer program must not migrate the database of a running server.
    if manifest.schema == mendpoint_store::schema_version() {
        let store = Store::open(&store_settings, &Registry::new()).await?;
        store.add_audit(BY, "backup made", &name_of(&file), &manifest.sha256).await?;
        store.write_erasures(file.parent()).await?;
        store.close().await;
    }
    Ok(ExitCode::SUCCESS)
}

fn name_of(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// `mendpoint restore FILE`.
pub(crate) async fn restore(
    command: Restore,
    read: impl Fn(Option<&Path>) -> Result<Settings>,
) -> Result<ExitCode> {
    let settings = read(command.config.config.as_deref())?;
    let options = RestoreOptions { force: command.force };
    let restored = restore_backup(&store_settings(&settings), &command.file, options)
        .await
        .context("failed to restore; the database is as it was")?;
    say(&format!("Restored {}: {}.", command.file.display(), words(&restored.manifest)));
    if let Some(aside) = restored.aside {
        say(&format!("The database of before is kept as {aside}."));
    }
    if restored.erased_again > 0 {
        say(&format!("{} erased persons were erased again.", restored.erased_again));
    }
    Ok(ExitCode::SUCCESS)
}

/// The copy of every day.
pub(crate) struct Daily {
    folder: PathBuf,
    /// UTC.
    hour: u32,
    keep: u32,
    settings: StoreSettings,
    store: Store,
    board: BackupBoard,
    made_at: IntGauge,
    failures: IntCounter,
}

/// How long after a failure it is tried again.
const AGAIN_MS: i64 = HOUR_MS;

impl Daily {
    /// Nothing when no folder is set.
    pub(crate) fn new(
        settings: &Settings,
        store: &Store,
        board: &BackupBoard,
        registry: &Registry,
    ) -> Result<Option<Self>> {
        if settings.backup.folder.is_empty() {
            return Ok(None);
        }
        let made_at = IntGauge::new(
            "mendpoint_backup_made_timestamp_seconds",
            "When the newest automatic copy of the database was made; 0 for none.",
        )?;
        let failures = IntCounter::new(
            "mendpoint_backup_failures_total",
            "Automatic copies of the database that failed.",
        )?;
        registry.register(Box::new(made_at.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        let daily = Self {
            folder: PathBuf::from(&settings.backup.folder),
            hour: settings.backup.hour,
            keep: settings.backup.keep,
            settings: store_settings(settings),
            store: store.clone(),
            board: board.clone(),
            made_at,
            failures,
        };
        daily.board.set_folder(&settings.backup.folder);
        if let Some(newest) = automatic_backups(&daily.folder)?.pop() {
            let at = std::fs::metadata(&newest)?.modified()?;
            let at = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            daily.made(
                UnixMs(at.as_millis() as i64),
                &name_of(&newest),
                std::fs::metadata(&newest)?.len(),
            );
        }
        Ok(Some(daily))
    }

    fn made(&self, at: UnixMs, name: &str, bytes: u64) {
        self.made_at.set(at.0 / 1_000);
        self.board.made(at, name, bytes);
    }

    /// Makes one every day at its hour until the program stops.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut due = next_due(now(), self.hour);
        loop {
            let wait = (due - now().0).0.clamp(1_000, 60_000) as u64;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                _ = stop.changed() => return,
            }
            if now() < due {
                continue;
            }
            due = match self.make().await {
                Ok(()) => next_due(now(), self.hour),
                Err(error) => {
                    self.failures.inc();
                    tracing::error!(
                        "the daily backup failed and is tried again in an hour: {error:#}"
                    );
                    self.board.failed(now(), &format!("{error:#}"));
                    let subject = "daily backup";
                    let why = error.to_string();
                    self.store.add_audit("system", "backup failed", subject, &why).await.ok();
                    now() + AGAIN_MS
                }
            };
        }
    }

    async fn make(&self) -> Result<()> {
        let file = self.folder.join(backup_name());
        let manifest = make_backup(&self.settings, &file).await?;
        let name = name_of(&file);
        self.store.add_audit("system", "backup made", &name, &manifest.sha256).await?;
        self.store.write_erasures(Some(&self.folder)).await?;
        let pruned = prune_backups(&self.folder, self.keep as usize)?;
        self.made(UnixMs(manifest.made_at_ms), &name, manifest.bytes);
        tracing::info!(file = name, bytes = manifest.bytes, pruned, "a backup was made");
        Ok(())
    }
}

fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMs(since.unwrap_or_default().as_millis() as i64)
}

/// The next time this hour of the day begins.
fn next_due(now: UnixMs, hour: u32) -> UnixMs {
    let today = now.0 - now.0.rem_euclid(DAY_MS) + i64::from(hour) * HOUR_MS;
    UnixMs(if today > now.0 { today } else { today + DAY_MS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_today_or_tomorrow() {
        let at = |hour: i64| UnixMs(20 * DAY_MS + hour * HOUR_MS);
        assert_eq!(next_due(at(1), 3), at(3));
        assert_eq!(next_due(at(3), 3), at(27));
        assert_eq!(next_due(at(4), 3), at(27));
    }
}
