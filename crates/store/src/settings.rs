use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// Settings of the store (`[database]`).
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// `sqlite://data/mendpoint.db` (a path from the working folder; `sqlite:///var/..` from the
    /// root) or `postgres://user:password@host/database`.
    pub url: String,
    /// Connections for reading (SQLite), or for everything (PostgreSQL).
    pub connections: u32,
    /// Entries that may wait for the disk before whoever adds more has to wait as well. Large ones
    /// count as several, about one for half a KiB, so the default is about 32 MiB.
    pub queue_entries: u32,
    /// How long a statement waits for a lock that another process holds on the file (SQLite), such
    /// as a backup. Milliseconds.
    pub busy_timeout_ms: u64,
    /// Where a copy of a PostgreSQL database is put by `pg_dump` before its schema is migrated; empty
    /// for no copy. SQLite's is put beside the file.
    pub dump_folder: PathBuf,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            url: "sqlite://data/mendpoint.db".to_owned(),
            connections: 4,
            queue_entries: 65_536,
            busy_timeout_ms: 5_000,
            dump_folder: "data".into(),
        }
    }
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("url", &without_password(&self.url))
            .field("connections", &self.connections)
            .field("queue_entries", &self.queue_entries)
            .field("busy_timeout_ms", &self.busy_timeout_ms)
            .field("dump_folder", &self.dump_folder)
            .finish()
    }
}

/// The address with its password replaced by stars. A password can also hide in the query.
pub(crate) fn without_password(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(a, q)| (a, Some(q)));
    let mut shown = match (address.find("://"), address.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            let user = address[scheme + 3..at].split(':').next().unwrap_or_default();
            let has_password = address[scheme + 3..at].contains(':');
            let stars = if has_password { ":***" } else { "" };
            format!("{}{user}{stars}{}", &address[..scheme + 3], &address[at..])
        }
        _ => address.to_owned(),
    };
    if let Some(query) = query {
        shown.push('?');
        shown.push_str(if query.contains("password") { "***" } else { query });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_password() {
        let settings = StoreSettings {
            url: "postgres://mend:s3cr:et@db.example/mend?password=s3cret".to_owned(),
            ..StoreSettings::default()
        };
        let shown = format!("{settings:?}");
        assert!(shown.contains("postgres://mend:***@db.example/mend?***"), "{shown}");
        assert!(!shown.contains("s3cr"), "{shown}");
        assert_eq!(without_password("sqlite://data/a.db"), "sqlite://data/a.db");
    }
}
