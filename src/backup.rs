//! `mendpoint backup` and `mendpoint restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use mendpoint_model::UnixMs;
use mendpoint_store::{
    Manifest, RestoreOptions, Store, StoreSettings, backup_name, make_backup, restore_backup,
    verify_backup,
};
use prometheus::Registry;

use crate::cli::{Backup, BackupVerb, Restore};
use crate::people::{BY, now};
use crate::settings::Settings;
use crate::terminal::say;

pub(crate) fn store_settings(settings: &Settings) -> StoreSettings {
    settings.database.store()
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
        None => Path::new(&settings.backup.folder).join(backup_name(now())),
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

pub(crate) fn name_of(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// `mendpoint restore FILE`.
pub(crate) async fn restore(
    command: Restore,
    read: impl Fn(Option<&Path>) -> Result<Settings>,
) -> Result<ExitCode> {
    let settings = read(command.config.config.as_deref())?;
    let folder = &settings.backup.folder;
    let backups = Some(PathBuf::from(folder)).filter(|_| !folder.is_empty());
    let options = RestoreOptions { force: command.force, backups };
    let restored = restore_backup(&store_settings(&settings), &command.file, &options)
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
