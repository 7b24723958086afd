//! What we notice at the door and on connections goes into the security log, without letting a
//! guesser fill the disk: the same thing from the same address is one row a minute, with its count.

use std::sync::Arc;

use dashmap::DashMap;
use mendpoint_model::{ChargerKey, MINUTE_MS, TransactionId, UnixMs};
use mendpoint_store::{Entry, Journal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock;
use crate::pipeline::Inner;

/// How many rows may wait for the journal. What comes beyond that while the disk does not answer is
/// counted and not kept.
const WAITING_MAX: usize = 256;
/// How many different things are remembered at once (behaviour 71).
const REMEMBERED: usize = 8_192;

/// Something to note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityNote {
    /// The charger, if it is known.
    pub charger: Option<ChargerKey>,
    /// The identity that was asked for, which may be made up; empty when there was none.
    pub identity: String,
    /// What, as one word: `LoginRefused`.
    pub kind: &'static str,
    /// Why, in words.
    pub info: String,
    /// The address it came from, without a port; empty when there is none.
    pub remote: String,
}

type Same = (&'static str, Option<ChargerKey>, String, String);

/// Writes notes down.
pub(crate) struct SecurityLog {
    journal: Journal,
    waiting: Arc<Semaphore>,
    recent: DashMap<Same, Recent>,
}

#[derive(Clone, Copy, Debug)]
struct Recent {
    told_at: UnixMs,
    since: u32,
}

impl SecurityLog {
    pub(crate) fn new(journal: Journal) -> Self {
        let waiting = Arc::new(Semaphore::new(WAITING_MAX));
        Self { journal, waiting, recent: DashMap::new() }
    }

    /// Notes something. Never waits. Must be called inside a tokio runtime.
    pub(crate) fn note(&self, note: SecurityNote) {
        let now = clock::now();
        let Some(repeats) = self.is_news(&note, now) else { return };
        let SecurityNote { charger, identity, kind, mut info, remote } = note;
        tracing::info!(
            charger.identity = identity,
            charger.key = charger.map(|charger| charger.0),
            remote,
            kind,
            "security: {info}"
        );
        if repeats > 0 {
            info = format!("{info} ({repeats} more times before this)");
        }
        let Ok(permit) = Arc::clone(&self.waiting).try_acquire_owned() else {
            tracing::warn!(kind, "a security event was not kept: the disk is too slow");
            return;
        };
        let entry = Entry::Noted { charger, identity, at: now, kind, info, remote };
        let journal = self.journal.clone();
        tokio::spawn(async move {
            journal.append(vec![entry]).await;
            drop(permit);
        });
    }

    /// Whether to look whose transaction this is: at most once a minute for each, and not while many
    /// such questions wait already.
    pub(crate) fn may_ask(
        &self,
        charger: ChargerKey,
        id: TransactionId,
    ) -> Option<OwnedSemaphorePermit> {
        let note = SecurityNote {
            charger: Some(charger),
            identity: id.0.to_string(),
            kind: "question",
            info: String::new(),
            remote: String::new(),
        };
        self.is_news(&note, clock::now())?;
        Arc::clone(&self.waiting).try_acquire_owned().ok()
    }

    /// Whether this is worth a row now, and how often it came without one.
    fn is_news(&self, note: &SecurityNote, now: UnixMs) -> Option<u32> {
        if self.recent.len() >= REMEMBERED {
            self.recent.retain(|_, recent| now.since_ms(recent.told_at) < MINUTE_MS);
            if self.recent.len() >= REMEMBERED {
                self.recent.clear();
            }
        }
        // Refusals at the door have reasons of ours; elsewhere the words may be a charger's own,
        // and a new word each time shall not be a new row.
        let what = if note.kind == "LoginRefused" { &*note.info } else { "" };
        let same =
            (note.kind, note.charger, format!("{} {what}", note.identity), note.remote.clone());
        let mut is_new = false;
        let mut recent = self.recent.entry(same).or_insert_with(|| {
            is_new = true;
            Recent { told_at: now, since: 0 }
        });
        if is_new {
            return Some(0);
        }
        if now.since_ms(recent.told_at) < MINUTE_MS {
            recent.since = recent.since.saturating_add(1);
            return None;
        }
        recent.told_at = now;
        Some(std::mem::take(&mut recent.since))
    }
}

impl Inner {
    /// A charger spoke of a transaction that it has not open. If another charger has, that has had
    /// no effect, because transactions are only ever looked up with their charger
    /// (CVE-2026-28230); somebody wants to know of it all the same (S25).
    pub(crate) fn look_for_owner(self: &Arc<Self>, charger: ChargerKey, id: TransactionId) {
        if id.0 <= 0 {
            return;
        }
        let Some(permit) = self.security_log.may_ask(charger, id) else { return };
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let found = inner.store.transaction(id).await;
            drop(permit);
            let Ok(Some(row)) = found else { return };
            if row.charger != charger {
                inner.security_log.note(SecurityNote {
                    charger: Some(charger),
                    identity: String::new(),
                    kind: "ForeignTransaction",
                    info: format!("it spoke of transaction {}, which is another charger's", id.0),
                    remote: String::new(),
                });
            }
        });
    }
}
