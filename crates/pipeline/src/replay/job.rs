//! Replays that people asked for: one at a time, the last few remembered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use mendpoint_incidents::Catalogue;
use mendpoint_model::{ChargerKey, DAY_MS, SiteKey, UnixMs};
use mendpoint_replay::Report;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::past::{Progress, replay_past};
use crate::pipeline::Inner;
use crate::{Error, clock};

/// How many replays are remembered.
const KEPT: usize = 16;
/// The longest range, in milliseconds: a year and a month.
const RANGE_MAX_MS: i64 = 400 * DAY_MS;

/// A replay that somebody wants.
#[derive(Clone, Debug)]
pub struct ReplayAsk {
    /// The rules to be tried out: all of them.
    pub rules: Arc<Catalogue>,
    /// Only what this rule does is reported.
    pub only: Option<String>,
    /// From when on incidents count.
    pub from: UnixMs,
    /// Until when, this moment not included.
    pub until: UnixMs,
    /// Only this site.
    pub site: Option<SiteKey>,
    /// Only this charger.
    pub charger: Option<ChargerKey>,
    /// How long before the range the engine is warmed up, in milliseconds: rules look back up to a
    /// day.
    pub lead_ms: i64,
    /// Who wants it.
    pub by: String,
}

/// How a replay stands.
#[derive(Clone, Debug)]
pub enum ReplayStatus {
    /// It works.
    Running,
    /// It is done.
    Done(Arc<Report>),
    /// It could not be done: why.
    Failed(String),
    /// Somebody stopped it.
    Stopped,
}

impl ReplayStatus {
    /// The word of the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// A replay as it stands now.
#[derive(Clone, Debug)]
pub struct ReplayView {
    /// Its number.
    pub id: u64,
    /// What was asked for; of one before the start of the program without the rules themselves.
    pub ask: ReplayAsk,
    /// What the rules that it was about said: by id, a digest of the text and of its playbook's.
    pub digests: BTreeMap<String, String>,
    /// When it began.
    pub started_at: UnixMs,
    /// When it ended.
    pub ended_at: Option<UnixMs>,
    /// Frames taken in so far.
    pub frames: u64,
    /// Frames there are, about.
    pub frames_total: u64,
    /// The time it has come to.
    pub at: Option<UnixMs>,
    /// How it stands.
    pub status: ReplayStatus,
}

struct Job {
    id: u64,
    ask: ReplayAsk,
    digests: BTreeMap<String, String>,
    started_at: UnixMs,
    progress: Arc<Progress>,
    end: Mutex<Option<(UnixMs, ReplayStatus)>>,
}

impl Job {
    fn view(&self) -> ReplayView {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let at = self.progress.at.load(Ordering::Relaxed);
        ReplayView {
            id: self.id,
            ask: self.ask.clone(),
            digests: self.digests.clone(),
            started_at: self.started_at,
            ended_at: end.as_ref().map(|(at, _)| *at),
            frames: self.progress.frames.load(Ordering::Relaxed),
            frames_total: self.progress.total.load(Ordering::Relaxed),
            at: (at != 0).then_some(UnixMs(at)),
            status: end.map_or(ReplayStatus::Running, |(_, status)| status),
        }
    }

    /// As it is kept on disk, once it is done.
    fn kept(&self) -> Option<KeptReplay> {
        let view = self.view();
        let ReplayStatus::Done(report) = view.status else { return None };
        Some(KeptReplay {
            id: self.id,
            only: self.ask.only.clone(),
            from: self.ask.from,
            until: self.ask.until,
            site: self.ask.site,
            charger: self.ask.charger,
            by: self.ask.by.clone(),
            digests: self.digests.clone(),
            started_at: self.started_at,
            ended_at: view.ended_at.unwrap_or(self.started_at),
            frames: view.frames,
            frames_total: view.frames_total,
            report: (*report).clone(),
        })
    }

    fn is_running(&self) -> bool {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// A replay that is done, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct KeptReplay {
    id: u64,
    only: Option<String>,
    from: UnixMs,
    until: UnixMs,
    site: Option<SiteKey>,
    charger: Option<ChargerKey>,
    by: String,
    digests: BTreeMap<String, String>,
    started_at: UnixMs,
    ended_at: UnixMs,
    frames: u64,
    frames_total: u64,
    report: Report,
}

impl KeptReplay {
    fn job(self) -> Job {
        let progress = Progress::default();
        progress.frames.store(self.frames, Ordering::Relaxed);
        progress.total.store(self.frames_total, Ordering::Relaxed);
        progress.at.store(self.until.0, Ordering::Relaxed);
        Job {
            id: self.id,
            ask: ReplayAsk {
                rules: Arc::default(),
                only: self.only,
                from: self.from,
                until: self.until,
                site: self.site,
                charger: self.charger,
                lead_ms: DAY_MS,
                by: self.by,
            },
            digests: self.digests,
            started_at: self.started_at,
            progress: Arc::new(progress),
            end: Mutex::new(Some((self.ended_at, ReplayStatus::Done(Arc::new(self.report))))),
        }
    }
}

/// What a rule says and does: its text, and that of its playbook, shortened to a few letters.
pub fn rule_digest(catalogue: &Catalogue, rule: &str) -> Option<String> {
    use std::fmt::Write as _;
    let rule = catalogue.rule(rule)?;
    let mut hash = Sha256::new();
    hash.update(rule.source.as_bytes());
    if let Some(playbook) = rule.playbook.as_deref().and_then(|id| catalogue.playbook(id)) {
        hash.update([0]);
        hash.update(playbook.source.as_bytes());
    }
    let mut digest = String::new();
    for byte in hash.finalize().iter().take(12) {
        let _ = write!(digest, "{byte:02x}");
    }
    Some(digest)
}

/// The last replays.
#[derive(Default)]
pub struct ReplayBoard {
    jobs: Mutex<(u64, VecDeque<Arc<Job>>)>,
}

impl ReplayBoard {
    fn jobs(&self) -> std::sync::MutexGuard<'_, (u64, VecDeque<Arc<Job>>)> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last ones of before the start of the program.
    pub(crate) async fn restore(&self, store: &mendpoint_store::Store) -> Result<(), Error> {
        let rows = store.rule_replays(KEPT as u32).await?;
        let mut jobs = self.jobs();
        for row in rows {
            match serde_json::from_str::<KeptReplay>(&row) {
                Ok(kept) => {
                    jobs.0 = jobs.0.max(kept.id);
                    jobs.1.push_back(Arc::new(kept.job()));
                }
                Err(error) => tracing::warn!(%error, "a replay that was kept cannot be read"),
            }
        }
        Ok(())
    }

    /// Begins one.
    pub(crate) fn start(&self, inner: &Arc<Inner>, mut ask: ReplayAsk) -> Result<u64, Error> {
        let now = clock::now();
        check(&ask, now)?;
        // What comes from now on is no past, and would be counted while it comes.
        ask.until = ask.until.min(now);
        let meant = ask
            .rules
            .rules()
            .iter()
            .filter(|rule| ask.only.as_ref().is_none_or(|only| *only == rule.id));
        let digests = meant
            .filter_map(|rule| Some((rule.id.clone(), rule_digest(&ask.rules, &rule.id)?)))
            .collect();
        let job = {
            let mut jobs = self.jobs();
            if let Some(running) = jobs.1.iter().find(|job| job.is_running()) {
                return Err(Error::Refused(format!(
                    "replay {} of {} is running; wait for it or stop it first",
                    running.id, running.ask.by
                )));
            }
            jobs.0 += 1;
            let job = Arc::new(Job {
                id: jobs.0,
                ask,
                digests,
                started_at: now,
                progress: Arc::default(),
                end: Mutex::new(None),
            });
            jobs.1.push_front(Arc::clone(&job));
            jobs.1.truncate(KEPT);
            job
        };
        let id = job.id;
        let (inner, runtime) = (Arc::clone(inner), tokio::runtime::Handle::current());
        // A thread of its own: it computes for minutes, and the tasks of chargers must not wait
        // for it.
        let spawned = std::thread::Builder::new().name("replay".to_owned()).spawn({
            let job = Arc::clone(&job);
            move || {
                let work =
                    replay_past(&inner.store, &inner.settings, &job.ask, &job.progress, true);
                let status = match runtime.block_on(work) {
                    Ok(report) => ReplayStatus::Done(Arc::new(report)),
                    Err(_) if job.progress.stop.load(Ordering::Relaxed) => ReplayStatus::Stopped,
                    Err(error) => {
                        tracing::warn!(%error, "a replay failed");
                        ReplayStatus::Failed(error.to_string())
                    }
                };
                *job.end.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((clock::now(), status));
                if let Some(kept) = job.kept() {
                    runtime.block_on(keep(&inner, &kept));
                }
            }
        });
        if let Err(error) = spawned {
            let status = ReplayStatus::Failed(format!("no thread for it: {error}"));
            let mut end = job.end.lock().unwrap_or_else(PoisonError::into_inner);
            *end = Some((clock::now(), status));
        }
        Ok(id)
    }

    /// One of them.
    pub fn one(&self, id: u64) -> Option<ReplayView> {
        self.jobs().1.iter().find(|job| job.id == id).map(|job| job.view())
    }

    /// The last ones, newest first.
    pub fn all(&self) -> Vec<ReplayView> {
        self.jobs().1.iter().map(|job| job.view()).collect()
    }

    /// Ends one; `false` when it is not running.
    pub fn stop(&self, id: u64) -> bool {
        let jobs = self.jobs();
        let Some(job) = jobs.1.iter().find(|job| job.id == id && job.is_running()) else {
            return false;
        };
        job.progress.stop.store(true, Ordering::Relaxed);
        true
    }

    /// Ends all, at the stop of the program.
    pub(crate) fn stop_all(&self) {
        for job in &self.jobs().1 {
            job.progress.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Keeps a replay over a restart.
async fn keep(inner: &Inner, kept: &KeptReplay) {
    let json = match serde_json::to_string(kept) {
        Ok(json) => json,
        Err(error) => {
            tracing::warn!(%error, "a replay cannot be written down");
            return;
        }
    };
    let id = i64::try_from(kept.id).unwrap_or(i64::MAX);
    let done = inner.store.put_rule_replay(id, kept.started_at, &json, KEPT as u32).await;
    if let Err(error) = done {
        tracing::warn!(%error, "a replay is not kept over a restart");
    }
}

/// Refuses what cannot be meant.
fn check(ask: &ReplayAsk, now: UnixMs) -> Result<(), Error> {
    let long_ms = ask.until.since_ms(ask.from);
    if long_ms <= 0 {
        return Err(Error::Unfit("the end of the range must be after its beginning".to_owned()));
    }
    if ask.from >= now {
        return Err(Error::Unfit(format!(
            "the range begins at {}, which is still to come: rules are tried on what happened, so let \
             it begin before now",
            ask.from
        )));
    }
    if long_ms > RANGE_MAX_MS {
        return Err(Error::Unfit("a range may be 400 days long at most".to_owned()));
    }
    if let Some(rule) = &ask.only
        && ask.rules.rule(rule).is_none()
    {
        return Err(Error::Unfit(format!("there is no rule {rule} among the rules to be tried")));
    }
    Ok(())
}
