//! Files that nobody but their owner may read: a database holds cards, addresses and the keyed hashes
//! of passwords, and so does everything that was copied from it.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Read and written by the owner.
const OURS: u32 = 0o600;

/// An empty file to write, in the place of what is there.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(OURS).open(path)?;
    // One that was there kept its permissions.
    file.set_permissions(Permissions::from_mode(OURS))?;
    Ok(file)
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    io::Write::write_all(&mut create(path)?, bytes)
}

/// Makes an empty file where there is none. SQLite takes it for a new database, and gives its log the
/// same permissions.
pub(crate) fn touch(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(OURS).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Takes the rights of all others away from the files of a database and what lies beside it under its
/// name: the log, copies of before an upgrade or a restore, the list of erasures. What belongs to
/// somebody else stays as it is.
pub(crate) fn tighten(database: &Path) {
    let Some(name) = database.file_name().map(|name| name.to_string_lossy().into_owned()) else {
        return;
    };
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten();
    for entry in entries.flatten() {
        let other = entry.file_name().to_string_lossy().into_owned();
        let Some(ending) = other.strip_prefix(&name) else { continue };
        if !ending.is_empty() && !ending.starts_with(['-', '.']) {
            continue;
        }
        // Not what a link leads to, but for the database itself.
        let about = if ending.is_empty() { entry.path().metadata() } else { entry.metadata() };
        let is_open =
            about.is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o077 != 0);
        if !is_open {
            continue;
        }
        match std::fs::set_permissions(entry.path(), Permissions::from_mode(OURS)) {
            Ok(()) => tracing::info!(file = other, "others may not read it any more"),
            Err(error) => tracing::debug!(file = other, %error, "its permissions stay"),
        }
    }
}
