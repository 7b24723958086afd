//! Settings of who is told.

use std::collections::BTreeMap;

use mendpoint_escalation::{Book, Routes, Webhook};
use mendpoint_model::{HOUR_MS, MINUTE_MS, SECOND_MS};

/// Who is told, and how noisily.
#[derive(Clone, Debug)]
pub struct DutySettings {
    /// Routes and chains.
    pub routes: Routes,
    /// Programs that are told, by name.
    pub webhooks: BTreeMap<String, Webhook>,
    /// How long a first notification waits for others of its group, milliseconds.
    pub group_wait_ms: i64,
    /// How long after one the next of the same group comes, milliseconds.
    pub group_interval_ms: i64,
    /// How long after a digest the next one comes, milliseconds.
    pub digest_ms: i64,
}

impl Default for DutySettings {
    fn default() -> Self {
        Self {
            routes: Routes::built_in(1.0),
            webhooks: BTreeMap::new(),
            group_wait_ms: 30 * SECOND_MS,
            group_interval_ms: 5 * MINUTE_MS,
            digest_ms: 4 * HOUR_MS,
        }
    }
}

impl DutySettings {
    /// A book with what stands in the settings and nothing that people set on pages.
    pub(crate) fn book(&self, base_url: &str) -> Book {
        let mut book = Book::new(self.routes.clone());
        book.group_wait_ms = self.group_wait_ms;
        book.group_interval_ms = self.group_interval_ms;
        book.digest_ms = self.digest_ms;
        base_url.clone_into(&mut book.base_url);
        book.webhooks.clone_from(&self.webhooks);
        book
    }
}
