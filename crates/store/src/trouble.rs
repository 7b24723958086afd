//! What is wrong with the database now, for people and for machines. One task looks every second: at
//! how long the journal has been waiting, at what it was told last, and, while nothing is written, at
//! whether the database still answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mendpoint_model::UnixMs;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};
use tokio::sync::watch;

use crate::db::Db;
use crate::{Journal, Result, row_id};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(1);
/// A write that takes longer than this is told.
const SLOW_MS: i64 = 3_000;
/// How long the database may take to say that it is there.
const PROBE: Duration = Duration::from_secs(3);

/// The kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// A write takes long, and there is no word yet why.
    Slow,
    /// Another program holds the database.
    Locked,
    /// There is no room on its disk.
    Full,
    /// The server cannot be reached, or the file cannot be opened.
    Away,
    /// It takes no writes, as a standby does.
    ReadOnly,
    /// Its disk gives errors.
    Failing,
}

impl TroubleKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Slow, Self::Locked, Self::Full, Self::Away, Self::ReadOnly, Self::Failing];

    /// One word, for metrics and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Locked => "locked",
            Self::Full => "full",
            Self::Away => "away",
            Self::ReadOnly => "read_only",
            Self::Failing => "failing",
        }
    }

    /// What it is and what to do, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Slow => "The database takes long to write.",
            Self::Locked => "Another program holds the database: end it, or let it finish.",
            Self::Full => "The disk of the database is full: make room there.",
            Self::Away => "The database cannot be reached: see that it runs and can be reached.",
            Self::ReadOnly => {
                "The database takes no writes: see whether database.url names a standby or a file \
                 that may not be written."
            }
            Self::Failing => "The disk of the database gives errors: look at the system's log.",
        }
    }
}

/// What is wrong with the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What.
    pub kind: TroubleKind,
    /// Since when, by our clock.
    pub since: UnixMs,
    /// What the database said; empty when it said nothing.
    pub said: String,
}

impl Trouble {
    /// What people are told: what it is, what to do, and what happens meanwhile.
    pub fn sentence(&self) -> String {
        format!(
            "{} Chargers stay connected; what must be on disk first waits, and goes on by itself.",
            self.kind.sentence()
        )
    }
}

/// Where the trouble is kept.
#[derive(Clone, Debug)]
pub(crate) struct TroubleBoard {
    now: Arc<Mutex<Option<Trouble>>>,
    gauges: Arc<[(TroubleKind, IntGauge)]>,
}

impl TroubleBoard {
    pub(crate) fn new(registry: &Registry) -> Result<Self> {
        let gauge = IntGaugeVec::new(
            Opts::new(
                "mendpoint_database_trouble",
                "1 while the database has this kind of trouble: slow, locked, full, away, \
                 read_only, failing.",
            ),
            &["kind"],
        )?;
        registry.register(Box::new(gauge.clone()))?;
        let gauges = TroubleKind::ALL.map(|kind| (kind, gauge.with_label_values(&[kind.name()])));
        Ok(Self { now: Arc::default(), gauges: gauges.into() })
    }

    /// What is wrong now, if something is.
    pub(crate) fn get(&self) -> Option<Trouble> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes in what was found, and tells what is new of it.
    fn set(&self, found: Option<(TroubleKind, i64, String)>) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let before = now.take();
        *now = found.map(|(kind, for_ms, said)| {
            let began = row_id::now() - for_ms;
            let since = before.as_ref().map_or(began, |before| before.since.min(began));
            Trouble { kind, since, said }
        });
        for (kind, gauge) in &*self.gauges {
            gauge.set(i64::from(now.as_ref().is_some_and(|trouble| trouble.kind == *kind)));
        }
        match (&before, &*now) {
            (Some(before), None) => {
                let duration_ms = row_id::now().since_ms(before.since);
                tracing::info!(duration_ms, "the database is well again");
            }
            (before, Some(trouble))
                if before.as_ref().map(|before| before.kind) != Some(trouble.kind) =>
            {
                tracing::error!(
                    database.trouble = trouble.kind.name(),
                    database.said = trouble.said,
                    "{}",
                    trouble.sentence()
                );
            }
            _ => {}
        }
    }
}

/// Looks until the store is closed.
pub(crate) async fn watch_over(
    db: Db,
    journal: Journal,
    board: TroubleBoard,
    mut closed: watch::Receiver<bool>,
) {
    let mut durable = journal.durable();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = closed.wait_for(|closed| *closed) => return,
        }
        let health = journal.health();
        let found = if let Some((kind, said)) = health.trouble {
            Some((kind, health.lag_ms, said))
        } else if health.lag_ms >= SLOW_MS {
            Some((TroubleKind::Slow, health.lag_ms, String::new()))
        } else if durable.has_changed().unwrap_or(false) {
            // It wrote something since the last look: no need to ask.
            durable.borrow_and_update();
            None
        } else {
            probe(&db).await
        };
        board.set(found);
    }
}

/// Asks whether it is there.
async fn probe(db: &Db) -> Option<(TroubleKind, i64, String)> {
    match tokio::time::timeout(PROBE, db.ping()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some((error.trouble(), 0, error.to_string())),
        Err(_) => Some((TroubleKind::Away, PROBE.as_millis() as i64, String::new())),
    }
}
