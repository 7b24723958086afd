//! Copies of the database between the daily ones, so that a lost disk costs minutes and not a day.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use mendpoint_model::UnixMs;
use mendpoint_store::{Store, StoreSettings, backup_name, make_backup, prune_backups};
use mendpoint_web::BackupBoard;
use prometheus::{Gauge, IntCounter, IntGauge, Registry};
use tokio::sync::watch;

use crate::backup::store_settings;
use crate::daily::words;
use crate::people::now;
use crate::settings::Settings;

/// The folder in `backup.folder` where they are: the daily ones are counted apart.
const FOLDER: &str = "recent";
/// How many are kept: one is being replaced while another may be read.
const KEPT: usize = 3;

/// The copies of every few minutes.
pub(crate) struct Recent {
    folder: PathBuf,
    every_ms: i64,
    settings: StoreSettings,
    store: Store,
    board: BackupBoard,
    made_at: IntGauge,
    took: Gauge,
    failures: IntCounter,
    /// Whether the last one failed: a line in the audit log for each would be 1,440 a day.
    is_failing: bool,
    /// Whether it was said that they take longer than they should.
    is_slow: bool,
}

impl Recent {
    /// Nothing when none are asked for.
    pub(crate) fn new(
        settings: &Settings,
        store: &Store,
        board: &BackupBoard,
        registry: &Registry,
    ) -> Result<Option<Self>> {
        if settings.backup.folder.is_empty() || settings.backup.every_s == 0 {
            return Ok(None);
        }
        let made_at = IntGauge::new(
            "mendpoint_backup_recent_made_timestamp_seconds",
            "When the newest copy of backup.every_s was made; 0 for none.",
        )?;
        let took = Gauge::new(
            "mendpoint_backup_recent_duration_seconds",
            "How long the newest copy of backup.every_s took.",
        )?;
        let failures = IntCounter::new(
            "mendpoint_backup_recent_failures_total",
            "Copies of backup.every_s that failed.",
        )?;
        registry.register(Box::new(made_at.clone()))?;
        registry.register(Box::new(took.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        Ok(Some(Self {
            folder: PathBuf::from(&settings.backup.folder).join(FOLDER),
            every_ms: i64::from(settings.backup.every_s) * 1_000,
            settings: store_settings(settings),
            store: store.clone(),
            board: board.clone(),
            made_at,
            took,
            failures,
            is_failing: false,
            is_slow: false,
        }))
    }

    /// Makes one after the other until the program stops. One that is being made then is given up.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let began = now();
            tokio::select! {
                () = self.make(began) => {}
                _ = stop.changed() => return,
            }
            let wait_ms = rest_ms(self.every_ms, now().since_ms(began));
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn make(&mut self, began: UnixMs) {
        match self.copy(began).await {
            Ok(bytes) => {
                let took_ms = now().since_ms(began);
                self.made_at.set(began.0 / 1_000);
                self.took.set(took_ms as f64 / 1_000.0);
                self.board.made_recent(began, took_ms, bytes);
                self.is_failing = false;
                let is_slow = took_ms * 2 > self.every_ms;
                if is_slow && !self.is_slow {
                    tracing::warn!(
                        took_ms,
                        every_ms = self.every_ms,
                        "a copy of the database takes longer than half of backup.every_s; they are \
                         made as often as leaves half of the time free"
                    );
                }
                self.is_slow = is_slow;
            }
            Err(error) => {
                self.failures.inc();
                let why = words(&error);
                self.board.failed_recent(began, &why);
                if !self.is_failing {
                    tracing::error!("a copy of backup.every_s failed: {why}");
                    let subject = "copy of backup.every_s";
                    self.store.add_audit("system", "backup failed", subject, &why).await.ok();
                }
                self.is_failing = true;
            }
        }
    }

    async fn copy(&self, at: UnixMs) -> Result<u64> {
        // Only the folder of our own: where a disk is not mounted, nothing is put in its place.
        if let Some(parent) = self.folder.parent().filter(|parent| parent.is_dir())
            && !self.folder.is_dir()
        {
            std::fs::create_dir(&self.folder)
                .with_context(|| format!("failed to make a folder in {}", parent.display()))?;
        }
        let manifest = make_backup(&self.settings, &self.folder.join(backup_name(at))).await?;
        // The list of who was erased meanwhile, for whoever restores it.
        self.store.write_erasures(Some(&self.folder)).await?;
        prune_backups(&self.folder, KEPT)?;
        Ok(manifest.bytes)
    }
}

/// How long to wait after one that took so long: the rest of the time, and at least as long as it
/// took, so that half of the time is free of it.
fn rest_ms(every_ms: i64, took_ms: i64) -> u64 {
    (every_ms - took_ms).max(took_ms).max(1_000).unsigned_abs()
}

/// The copies of every few minutes, where they are asked for.
pub(crate) async fn run(recent: Option<Recent>, mut stop: watch::Receiver<bool>) {
    match recent {
        Some(recent) => recent.run(stop).await,
        None => _ = stop.changed().await,
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_store::automatic_backups;

    use super::*;

    #[test]
    fn half_of_the_time_is_free_of_copies() {
        assert_eq!(rest_ms(60_000, 2_000), 58_000);
        assert_eq!(rest_ms(60_000, 30_000), 30_000);
        assert_eq!(rest_ms(60_000, 90_000), 90_000);
        assert_eq!(rest_ms(5_000, 0), 5_000);
    }

    #[tokio::test]
    async fn three_are_kept_beside_the_daily_ones_and_a_failure_is_told_once() {
        let place = tempfile::tempdir().expect("a folder");
        let mut settings = Settings::read(None).expect("the defaults are right");
        let name = |end: &str| place.path().join(end).display().to_string();
        settings.database.url.0 = format!("sqlite://{}", name("a.db"));
        settings.backup.folder = name("copies");
        std::fs::create_dir(name("copies")).expect("made");
        let registry = Registry::new();
        let store = Store::open(&store_settings(&settings), &Registry::new()).await;
        let store = store.expect("it opens");
        let board = BackupBoard::default();
        let none = Recent::new(&settings, &store, &board, &registry).expect("no trouble");
        assert!(none.is_none(), "nobody asked for them");
        settings.backup.every_s = 60;
        let recent = Recent::new(&settings, &store, &board, &registry).expect("no trouble");
        let mut recent = recent.expect("they are asked for");
        let start = now();
        for number in 0..5_i64 {
            recent.make(start + number * 60_000).await;
        }
        let copies = automatic_backups(&recent.folder).expect("read");
        assert_eq!(copies.len(), KEPT);
        let daily = automatic_backups(std::path::Path::new(&settings.backup.folder));
        assert_eq!(daily.expect("read").len(), 0, "they are none of the daily ones");
        assert_eq!(recent.made_at.get(), (start.0 + 240_000) / 1_000);
        assert!(board.news().recent.is_some_and(|(at, _, _)| at == start + 240_000));
        std::fs::remove_dir_all(&recent.folder).expect("removed");
        std::fs::write(&recent.folder, "in the way").expect("written");
        recent.make(start + 300_000).await;
        recent.make(start + 360_000).await;
        assert_eq!(recent.failures.get(), 2);
        let (lines, _) = store.audit(None, None, None, 100).await.expect("read");
        let failed = lines.iter().filter(|line| line.action == "backup failed").count();
        assert_eq!(failed, 1, "once, and not each time");
        assert!(board.news().recent_failed.is_some());
        std::fs::remove_file(&recent.folder).expect("removed");
        recent.make(start + 420_000).await;
        assert!(board.news().recent_failed.is_none(), "it is over");
    }
}
