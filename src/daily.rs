//! The copy of the database that a server makes every day.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use mendpoint_model::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs};
use mendpoint_store::{
    Store, StoreSettings, automatic_backups, backup_name, make_backup, newest_backup, prune_backups,
};
use mendpoint_web::BackupBoard;
use prometheus::{IntCounter, IntGauge, Registry};
use tokio::sync::watch;

use crate::backup::{name_of, store_settings};
use crate::people::now;
use crate::settings::Settings;

/// How long after a failure it is tried again.
const AGAIN_MS: i64 = HOUR_MS;
/// How long after a start a copy is made whose time passed while no server ran.
const MAKE_UP_MS: i64 = MINUTE_MS;

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
    /// When the next one is to be made.
    due: UnixMs,
    /// Whether the folder is not there.
    is_missing: bool,
}

impl Daily {
    /// Nothing when no folder is set.
    pub(crate) fn new(
        settings: &Settings,
        store: &Store,
        board: &BackupBoard,
        registry: &Registry,
        now: UnixMs,
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
        let hour = settings.backup.hour;
        let mut daily = Self {
            folder: PathBuf::from(&settings.backup.folder),
            hour,
            keep: settings.backup.keep,
            settings: store_settings(settings),
            store: store.clone(),
            board: board.clone(),
            made_at,
            failures,
            due: next_due(now, hour),
            is_missing: false,
        };
        daily.board.set_folder(&settings.backup.folder);
        // Chargers are served whatever the folder of copies is like; people are told.
        let newest_at = daily.newest().unwrap_or_else(|error| {
            let why = words(&error);
            tracing::error!("backup.folder cannot be read: {why}");
            daily.board.failed(now, &why);
            None
        });
        daily.find_folder(now);
        if daily.is_missing {
            tracing::error!("no copies are made: {}", missing(&daily.folder));
        }
        // A server that is off at that hour would never make one.
        if newest_at.is_none_or(|at| at < daily.due - DAY_MS) {
            daily.due = daily.due.min(now + MAKE_UP_MS);
        }
        Ok(Some(daily))
    }

    /// Looks for the newest copy in the folder.
    fn newest(&self) -> Result<Option<UnixMs>> {
        let Some(newest) = automatic_backups(&self.folder)?.pop() else { return Ok(None) };
        let file = std::fs::metadata(&newest)?;
        let at = file.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let at = UnixMs(at.as_millis() as i64);
        self.made_at.set(at.0 / 1_000);
        self.show_newest();
        Ok(Some(at))
    }

    /// Shows people the newest copy in the folder: `mendpoint backup` puts some there too, and somebody
    /// may take them away. A folder that cannot be read is told when the next one is made.
    fn show_newest(&self) {
        if let Ok(newest) = newest_backup(&self.folder) {
            self.board.found(newest.map(|(file, manifest)| {
                (UnixMs(manifest.made_at_ms), name_of(&file), manifest.bytes)
            }));
        }
    }

    /// Makes one every day at its hour until the program stops. One that is being made then is given
    /// up: chargers do not wait for it.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let wait = (self.due - now().0).0.clamp(1_000, 60_000) as u64;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                _ = stop.changed() => return,
            }
            tokio::select! {
                () = self.look(now()) => {}
                _ = stop.changed() => return,
            }
        }
    }

    /// Makes one when it is time.
    pub(crate) async fn look(&mut self, now: UnixMs) {
        self.keep_list().await;
        self.find_folder(now);
        if now < self.due {
            self.show_newest();
            return;
        }
        self.due = match self.make(now).await {
            Ok(()) => next_due(now, self.hour),
            Err(error) => {
                self.failures.inc();
                let why = words(&error);
                tracing::error!("the daily backup failed and is tried again in an hour: {why}");
                self.board.failed(now, &why);
                let subject = "daily backup";
                self.store.add_audit("system", "backup failed", subject, &why).await.ok();
                now + AGAIN_MS
            }
        };
    }

    /// Writes the list of erased persons beside the copies again where it could not be written: a copy
    /// that is brought back would know them once more.
    async fn keep_list(&self) {
        match self.store.unlisted_erasures(Some(&self.folder)).await {
            Ok(0) => return self.board.listed(None),
            Ok(_) => {}
            // The database is away: the board keeps what it says.
            Err(_) => return,
        }
        let written = self.store.write_erasures(Some(&self.folder)).await;
        match &written {
            Ok(()) => tracing::info!("the list of erased persons is up to date again"),
            Err(error) => tracing::error!("the list of erased persons is not written: {error}"),
        }
        self.board.listed(written.err().map(|error| error.to_string()));
    }

    /// Says so when the folder is not there, and makes a copy as soon as it is.
    fn find_folder(&mut self, now: UnixMs) {
        let is_there = self.folder.is_dir();
        if !is_there {
            self.board.failed(now, &missing(&self.folder));
        } else if self.is_missing {
            self.due = self.due.min(now);
        }
        self.is_missing = !is_there;
    }

    async fn make(&self, now: UnixMs) -> Result<()> {
        let file = self.folder.join(backup_name(now));
        let manifest = make_backup(&self.settings, &file).await?;
        let name = name_of(&file);
        self.store.add_audit("system", "backup made", &name, &manifest.sha256).await?;
        self.store.write_erasures(Some(&self.folder)).await?;
        let pruned = prune_backups(&self.folder, self.keep as usize)?;
        self.made_at.set(manifest.made_at_ms / 1_000);
        self.board.made(UnixMs(manifest.made_at_ms), &name, manifest.bytes);
        tracing::info!(file = name, bytes = manifest.bytes, pruned, "a backup was made");
        Ok(())
    }
}

/// What is said of a folder that is not there.
fn missing(folder: &Path) -> String {
    format!("the folder {} is not there", folder.display())
}

/// An error and what led to it. What the store says is whole: the system's own words are in it already.
pub(crate) fn words(error: &anyhow::Error) -> String {
    let mut parts = Vec::new();
    for cause in error.chain() {
        let is_whole = cause.is::<mendpoint_store::Error>();
        match cause.downcast_ref::<std::io::Error>() {
            Some(cause) => parts.push(mendpoint_store::io_words(cause)),
            None => parts.push(cause.to_string()),
        }
        if is_whole {
            break;
        }
    }
    parts.join(": ")
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

    struct Stage {
        folder: tempfile::TempDir,
        store: Store,
        settings: Settings,
        board: BackupBoard,
    }

    impl Stage {
        async fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let mut settings = Settings::read(None).expect("the defaults are right");
            let name = |end: &str| folder.path().join(end).display().to_string();
            settings.database.url.0 = format!("sqlite://{}", name("a.db"));
            settings.backup.folder = name("copies");
            std::fs::create_dir(name("copies")).expect("made");
            settings.backup.keep = 3;
            let store = Store::open(&store_settings(&settings), &Registry::new()).await;
            let store = store.expect("it opens");
            Self { folder, store, settings, board: BackupBoard::default() }
        }

        fn daily(&self, now: UnixMs) -> Daily {
            let daily = Daily::new(&self.settings, &self.store, &self.board, &Registry::new(), now);
            daily.expect("it looks into the folder").expect("there is a folder")
        }

        fn copies(&self) -> usize {
            let folder = std::path::Path::new(&self.settings.backup.folder);
            automatic_backups(folder).expect("read").len()
        }
    }

    #[tokio::test]
    async fn one_is_made_a_day_and_the_oldest_give_way() {
        let stage = Stage::new().await;
        let day = UnixMs(20_000 * DAY_MS);
        let mut daily = stage.daily(day);
        daily.look(day).await;
        assert_eq!(stage.copies(), 0, "it is not time");
        // There is none at all, so the first does not wait for the night.
        daily.look(day + MAKE_UP_MS).await;
        assert_eq!(stage.copies(), 1);
        for number in 0..5_i64 {
            let three = day + number * DAY_MS + 3 * HOUR_MS;
            daily.look(three - 1).await;
            daily.look(three).await;
            daily.look(three + HOUR_MS).await;
            assert_eq!(stage.copies() as i64, (number + 2).min(3), "one a day, three are kept");
        }
        assert_eq!(daily.due, day + 5 * DAY_MS + 3 * HOUR_MS);
        let newest = stage.board.news().newest.map(|(_, name, _)| name);
        assert_eq!(newest.as_deref(), Some("mendpoint-20241008T030000Z.backup"));
        let (lines, _) = stage.store.audit(None, None, None, 100).await.expect("read");
        let made = lines.iter().filter(|line| line.action == "backup made").count();
        assert_eq!(made, 6, "each is in the audit log");
    }

    #[tokio::test]
    async fn a_copy_that_was_made_by_hand_is_shown_too_and_ends_no_failure() {
        let stage = Stage::new().await;
        let now = now();
        let mut daily = stage.daily(now);
        daily.board.failed(now, "the disk was full");
        let by_hand = daily.folder.join("before-the-works.db");
        make_backup(&store_settings(&stage.settings), &by_hand).await.expect("copied");
        daily.look(now + 1).await;
        let shown = || stage.board.news().newest.map(|(_, name, _)| name);
        assert_eq!(shown().as_deref(), Some("before-the-works.db"));
        assert!(stage.board.news().failed.is_some(), "the daily one did not go well");
        assert_eq!(daily.made_at.get(), 0, "alarms are for the daily one");
        daily.look(now + MAKE_UP_MS).await;
        assert!(shown().is_some_and(|name| name.starts_with("mendpoint-")));
        assert!(stage.board.news().failed.is_none());
        std::fs::remove_dir_all(&daily.folder).expect("removed");
        daily.look(now + MAKE_UP_MS + 1).await;
        assert_eq!(shown(), None, "nothing is there any more");
    }

    #[tokio::test]
    async fn a_failure_is_told_and_tried_again_in_an_hour() {
        let stage = Stage::new().await;
        let day = UnixMs(20_000 * DAY_MS);
        let mut daily = stage.daily(day);
        // The disk of the folder is not mounted: nothing may be put where it should be.
        std::fs::remove_dir(&stage.settings.backup.folder).expect("removed");
        let first = day + MAKE_UP_MS;
        daily.look(first).await;
        assert_eq!(daily.failures.get(), 1);
        let (_, told) = stage.board.news().failed.expect("people are told");
        assert!(told.contains("mount the disk"), "{told}");
        assert!(!daily.folder.exists());
        daily.look(first + AGAIN_MS - 1).await;
        assert_eq!(daily.failures.get(), 1, "not yet");
        std::fs::create_dir(&stage.settings.backup.folder).expect("mounted");
        daily.look(first + AGAIN_MS).await;
        assert_eq!((daily.failures.get(), stage.copies()), (1, 1));
        assert!(stage.board.news().failed.is_none(), "it is over");
    }

    #[tokio::test]
    async fn what_was_missed_is_made_up_for_and_what_was_broken_off_is_swept_away() {
        let stage = Stage::new().await;
        let now = now();
        stage.daily(now).look(now + MAKE_UP_MS).await;
        assert_eq!(stage.copies(), 1);
        let again = stage.daily(now);
        assert!(again.due > now + MAKE_UP_MS, "there is one of today");
        let later = stage.daily(now + 2 * DAY_MS);
        assert_eq!(later.due, now + 2 * DAY_MS + MAKE_UP_MS, "two nights were missed");
        let part = stage.folder.path().join("copies/mendpoint-20200101T030000Z.backup.part");
        let file = std::fs::File::create(&part).expect("made");
        file.set_modified(std::time::SystemTime::now() - Duration::from_hours(2)).expect("set");
        let fresh = stage.folder.path().join("copies/mendpoint-20300101T030000Z.backup.part");
        std::fs::File::create(&fresh).expect("made");
        stage.daily(now).look(now + DAY_MS).await;
        assert!(!part.exists(), "it was broken off long ago");
        assert!(fresh.exists(), "somebody may be writing it");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_told_and_looked_for() {
        let stage = Stage::new().await;
        let copies = stage.folder.path().join("copies");
        std::fs::remove_dir(&copies).expect("it was empty");
        let at = now();
        let mut daily = stage.daily(at);
        let (_, why) = stage.board.news().failed.expect("told at once");
        assert!(why.contains("is not there") && !why.contains("os error"), "{why}");
        daily.look(at).await;
        assert!(stage.board.news().failed.is_some(), "still");
        std::fs::create_dir(&copies).expect("made");
        daily.look(at).await;
        let news = stage.board.news();
        assert!(
            news.failed.is_none() && news.newest.is_some(),
            "made as soon as it is there: {news:?}"
        );
    }

    #[tokio::test]
    async fn s21_the_list_of_erased_persons_follows_when_its_folder_is_back() {
        let stage = Stage::new().await;
        let copies = stage.folder.path().join("copies");
        let mut daily = stage.daily(now());
        std::fs::remove_dir(&copies).expect("it was empty");
        let unknown = mendpoint_store::IfUnknown::Remember;
        stage.store.begin_erasure("04A2B3C4D5E6", "ana", unknown).await.expect("remembered");
        daily.due = now() + HOUR_MS;
        daily.look(now()).await;
        let why = stage.board.news().unlisted.expect("it could not be written");
        assert!(why.contains("mendpoint.erasures"), "{why}");
        std::fs::create_dir(&copies).expect("made");
        daily.look(now()).await;
        assert_eq!(stage.board.news().unlisted, None);
        assert!(copies.join("mendpoint.erasures").exists());
    }

    #[test]
    fn an_error_is_told_once() {
        let source = std::io::Error::from_raw_os_error(2);
        let path = std::path::PathBuf::from("/backups/a");
        let error = anyhow::Error::from(mendpoint_store::Error::File { path, source });
        let error = error.context("failed to look");
        assert_eq!(words(&error), "failed to look: /backups/a: there is no such file or folder");
        let error = anyhow::Error::from(std::io::Error::from_raw_os_error(13)).context("failed");
        assert_eq!(words(&error), "failed: this user may not use it");
    }
}
