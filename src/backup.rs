//! `mendpoint backup` and `mendpoint restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use mendpoint_model::UnixMs;
use mendpoint_store::{
    Error, Manifest, RestoreOptions, Store, StoreSettings, backup_name, counted, make_backup,
    restore_backup, verify_backup,
};
use prometheus::Registry;

use crate::cli::{Backup, BackupVerb, Restore};
use crate::people::{BY, now};
use crate::settings::{Settings, distance};
use crate::terminal::{complain, say};

pub(crate) fn store_settings(settings: &Settings) -> StoreSettings {
    settings.database.store()
}

fn words(manifest: &Manifest) -> String {
    let count = |table: &str, what: &str| {
        let rows =
            manifest.rows.iter().find(|(name, _)| name == table).map_or(0, |(_, rows)| *rows);
        counted(rows.unsigned_abs(), what)
    };
    format!(
        "{} bytes, schema {}, made {}: {}, {}, {}, {}, {} of messages, audit log up to {}:{}",
        manifest.bytes,
        manifest.schema,
        UnixMs(manifest.made_at_ms).rfc3339(),
        count("charger", "charger"),
        count("charge_transaction", "transaction"),
        count("incident", "incident"),
        count("ticket", "ticket"),
        count("frame_block", "block"),
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
        Some(file) => place_of(file)?,
        None if settings.backup.folder.is_empty() => {
            bail!("say where to: mendpoint backup FILE, or set backup.folder")
        }
        None => Path::new(&settings.backup.folder).join(backup_name(now())),
    };
    let store_settings = store_settings(&settings);
    let manifest = make_backup(&store_settings, &file).await.context("failed to make a copy")?;
    say(&format!("{}: {}.", file.display(), words(&manifest)));
    // An older or newer program must not migrate the database of a running server.
    if manifest.schema == mendpoint_store::schema_version()
        && let Err(error) = write_down(&store_settings, &file, &manifest).await
    {
        // The copy is whole all the same, and whoever asked for it must not throw it away.
        complain(&format!(
            "the copy is good, but that it was made could not be written down: {}",
            crate::sentence(&error)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts a line about the copy into the audit log, and the list of erased persons beside the copy.
async fn write_down(settings: &StoreSettings, file: &Path, manifest: &Manifest) -> Result<()> {
    let store = Store::open_existing(settings, &Registry::new()).await?;
    // The list first: it only has to be read.
    let listed = store.write_erasures(file.parent()).await;
    let added = store.add_audit(BY, "backup made", &name_of(file), &manifest.sha256).await;
    store.close().await;
    listed.context("failed to write the list of erased persons beside it")?;
    added.context("failed to write into the audit log")
}

/// Words that somebody takes for commands of `mendpoint backup`.
const NO_COMMANDS: [&str; 8] =
    ["restore", "check", "list", "create", "make", "now", "delete", "prune"];

/// The file that somebody named: a new one in a folder, or the name itself if one can be made there.
fn place_of(named: PathBuf) -> Result<PathBuf> {
    if named.is_dir() {
        return Ok(named.join(backup_name(now())));
    }
    let text = named.to_string_lossy();
    let is_bare = !text.contains(['/', '.']);
    if is_bare && distance(&text, "verify") <= 2 {
        bail!(
            "{text:?} is no command; did you mean `mendpoint backup verify FILE`? For a copy in a \
             file of that name write ./{text}"
        );
    }
    if is_bare && NO_COMMANDS.contains(&&*text) {
        bail!(
            "{text:?} is no command of `mendpoint backup`: `mendpoint backup FILE` makes a copy, \
             `mendpoint backup verify FILE` checks one, `mendpoint restore FILE` brings it back. For \
             a copy in a file of that name write ./{text}"
        );
    }
    let folder = named.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!("there is no folder {}: make it first, or see how it is spelt", folder.display());
    }
    if text.ends_with('/') {
        bail!("there is no folder {text}: make it first, or see how it is spelt");
    }
    Ok(named)
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
        .map_err(|error| {
            let is_as_it_was = !matches!(error, Error::Unfinished(_));
            let what = "failed to restore; the database is as it was";
            let error = anyhow::Error::new(error);
            if is_as_it_was { error.context(what) } else { error }
        })?;
    say(&format!("Restored {}: {}.", command.file.display(), words(&restored.manifest)));
    if let Some(aside) = restored.aside {
        say(&format!("The database of before is kept as {aside}."));
    }
    if restored.erased_again > 0 {
        say(&format!("{} erased persons were erased again.", restored.erased_again));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_no_copy_and_a_folder_gets_a_new_file() {
        for slip in ["verfiy", "verify", "Verify", "very", "restore", "list"] {
            let told = place_of(slip.into()).expect_err(slip).to_string();
            assert!(told.contains("mendpoint backup verify FILE"), "{told}");
            assert!(told.contains(&format!("./{slip}")), "{told}");
        }
        for good in ["monday", "verfiy.backup", "./verfiy", "copy.db"] {
            assert_eq!(place_of(good.into()).expect(good), Path::new(good));
        }
        let folder = tempfile::tempdir().expect("a folder");
        let place = place_of(folder.path().to_owned()).expect("a file in it");
        assert_eq!(place.parent(), Some(folder.path()));
        for missing in ["none/a.backup", "none/"] {
            let told = place_of(folder.path().join(missing)).expect_err(missing).to_string();
            assert!(told.contains("there is no folder") && told.contains("none"), "{told}");
        }
    }
}
