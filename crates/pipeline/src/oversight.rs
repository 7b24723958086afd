//! What no shard sees alone (1.7): one task with the [`Overseer`], fed by all shards.
//!
//! A shard hands its reports over without ever waiting. While the queue is full they wait at the
//! shard, which bounds them; nothing of a charger's message waits for this task. What is ordered goes
//! to the shards by the way of their own feedback, before what chargers send.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use mendpoint_cards::Number;
use mendpoint_incidents::CohortFigures;
use mendpoint_incidents::correlate::FW_REGRESSION;
use mendpoint_incidents::overseer::{
    CohortRate, Directive, Order, Overseer, OverseerSettings, Report, ReportKind, Target, UsualRow,
    VehicleSuspect,
};
use mendpoint_model::{ChargerKey, Cohort, Incident, UnixMs};
use mendpoint_store::{Entry, Store};
use prometheus::IntGauge;
use tokio::sync::{Notify, mpsc};

use crate::message::ShardMessage;
use crate::pipeline::Inner;
use crate::{Error, clock};

/// How many batches of reports may wait.
pub(crate) const QUEUE: usize = 1_024;
/// How many reports wait at a shard while the queue is full; past that the oldest are dropped and
/// counted. A loss or return that is dropped is seen again with the next one of that charger.
const WAITING_MAX: usize = 100_000;
/// The longest sleep.
const SLEEP_MS: i64 = 60_000;

/// What is read by others of what the overseer knows.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    pub(crate) rates: ArcSwap<Vec<CohortRate>>,
    pub(crate) vehicles: ArcSwap<Vec<VehicleSuspect>>,
    /// Cards that were erased and of which the overseer must forget.
    forgotten: Mutex<Vec<String>>,
    forget: Notify,
}

impl Sight {
    /// A card is erased.
    pub(crate) fn forget(&self, number: &Number) {
        let mut spellings = vec![number.token().to_owned()];
        self.vehicles.rcu(|all| {
            spellings.truncate(1);
            let (gone, left): (Vec<_>, Vec<_>) =
                all.iter().cloned().partition(|one| number.is(&one.token));
            spellings.extend(gone.into_iter().map(|one| one.token.to_string()));
            left
        });
        self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).extend(spellings);
        self.forget.notify_one();
    }

    fn take_forgotten(&self) -> Vec<String> {
        std::mem::take(&mut *self.forgotten.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the overseer begins with.
pub(crate) struct Past {
    alerts: Vec<(ChargerKey, String, UnixMs)>,
    firmware: Vec<(ChargerKey, UnixMs, Cohort)>,
    vehicles: Vec<VehicleSuspect>,
    usual: Usual,
}

/// What is usual at places, as it is kept.
#[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Usual {
    since: Option<UnixMs>,
    rows: Vec<UsualRow>,
}

/// Where that is kept.
const USUAL: &str = "overseer.usual";
/// How often it is written down.
const USUAL_EVERY_MS: i64 = 10 * 60_000;
/// How often what shards counted of each kind of charger is added up.
const COHORTS_EVERY_MS: i64 = 5 * 60_000;

impl Past {
    /// Reads what rules found lately, and which firmware chargers had when.
    pub(crate) async fn read(
        store: &Store,
        settings: &OverseerSettings,
        now: UnixMs,
    ) -> Result<Self, Error> {
        let since = now - settings.cohort_before_ms - 2 * settings.cohort_window_ms;
        let vehicles = store.vehicle_suspects(10_000).await?.into_iter();
        let usual = store.get_value(USUAL).await?;
        Ok(Self {
            usual: usual.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
            alerts: store.alerts_since(since).await?,
            firmware: store.firmware_histories().await?,
            vehicles: vehicles
                .map(|row| VehicleSuspect {
                    token: row.token.into(),
                    since: row.since,
                    last_at: row.last_at,
                    failures: row.failures,
                    sites: row.sites,
                })
                .collect(),
        })
    }

    /// An overseer that goes on where the last one was.
    pub(crate) fn overseer(
        self,
        settings: OverseerSettings,
        now: UnixMs,
        incidents: &[Incident],
    ) -> Overseer {
        let mut overseer = Overseer::new(settings);
        for (charger, since, cohort) in &self.firmware {
            overseer.remember_firmware(*charger, cohort, *since);
        }
        for (charger, code, at) in &self.alerts {
            overseer.remember_alert(*charger, code, *at);
        }
        for suspect in self.vehicles {
            overseer.remember_vehicle(suspect);
        }
        overseer.remember_usual(self.usual.since, self.usual.rows);
        overseer.restore(now, incidents);
        overseer
    }
}

/// The shard's end: what waits to be told.
pub(crate) struct Reports {
    sender: mpsc::Sender<Vec<Report>>,
    waiting: Vec<Report>,
    dropped: prometheus::IntCounter,
}

impl Reports {
    pub(crate) fn new(sender: mpsc::Sender<Vec<Report>>, dropped: prometheus::IntCounter) -> Self {
        Self { sender, waiting: Vec::new(), dropped }
    }

    /// Hands over what there is, without waiting.
    pub(crate) fn hand_over(&mut self, reports: &mut Vec<Report>) {
        self.waiting.append(reports);
        if self.waiting.is_empty() {
            return;
        }
        match self.sender.try_reserve() {
            Ok(room) => room.send(std::mem::take(&mut self.waiting)),
            Err(_) if self.waiting.len() > WAITING_MAX => {
                let many = self.waiting.len() - WAITING_MAX;
                self.waiting.drain(..many);
                self.dropped.inc_by(many as u64);
            }
            Err(_) => {}
        }
    }
}

/// Works until every shard is gone.
pub(crate) async fn run(
    inner: Arc<Inner>,
    mut overseer: Overseer,
    mut reports: mpsc::Receiver<Vec<Report>>,
    queued: IntGauge,
) {
    let mut batch = Vec::new();
    let mut directives = Vec::new();
    let mut now = clock::now();
    let mut kept = (now, Usual::default());
    let mut added_up_at = now;
    loop {
        let wake = overseer.next_deadline().map_or(SLEEP_MS, |at| at.since_ms(clock::now()));
        let wake = Duration::from_millis(wake.clamp(1, SLEEP_MS) as u64);
        let open = tokio::select! {
            count = reports.recv_many(&mut batch, 64) => count > 0,
            () = inner.sight.forget.notified() => true,
            () = tokio::time::sleep(wake) => true,
        };
        if !open {
            return;
        }
        queued.set(reports.len() as i64);
        now = now.max(clock::now());
        if now.since_ms(kept.0) >= USUAL_EVERY_MS {
            kept.0 = now;
            let (since, rows) = overseer.usual();
            let usual = Usual { since, rows };
            if usual != kept.1 {
                let text = serde_json::to_string(&usual).unwrap_or_default();
                match inner.store.set_value(USUAL, &text).await {
                    Ok(()) => kept.1 = usual,
                    Err(error) => tracing::debug!(%error, "what is usual was not written down"),
                }
            }
        }
        if now.since_ms(added_up_at) >= COHORTS_EVERY_MS {
            added_up_at = now;
            // In a task of its own: a shard may wait for this one.
            tokio::spawn(add_up_cohorts(Arc::clone(&inner)));
        }
        let mut news = Vec::new();
        for report in batch.drain(..).flatten() {
            if let ReportKind::Known { cohort: Some(cohort), .. } = &report.kind
                && overseer.is_news(report.charger, cohort)
            {
                let cohort = Cohort::clone(cohort);
                news.push(Entry::Firmware { charger: report.charger, at: report.at, cohort });
            }
            overseer.report(report);
        }
        for token in inner.sight.take_forgotten() {
            if let Some(suspect) = overseer.forget_vehicle(&token) {
                let order = Order::Vehicle { suspect: Box::new(suspect), suspected: false };
                inner.direct(now, Directive { to: Target::All, order });
            }
        }
        overseer.advance(now, &mut directives);
        for directive in directives.drain(..) {
            match &directive.order {
                // For pages; rules compare by what the shards count.
                Order::Rates(rates) => {
                    inner.sight.rates.store(Arc::new(rates.to_vec()));
                    continue;
                }
                Order::Vehicle { suspect, suspected } => {
                    news.push(Entry::Vehicle {
                        token: suspect.token.to_string(),
                        since: suspect.since,
                        last_at: suspect.last_at,
                        seen: (suspect.failures, suspect.sites),
                        cleared_at: (!suspected).then_some(now),
                    });
                    inner.sight.vehicles.store(Arc::new(overseer.vehicles().cloned().collect()));
                    inner.topics.touch(|versions| versions.incidents += 1);
                }
                Order::Hold { on } => {
                    tracing::warn!(
                        on,
                        "much of the fleet vanished at once: healing is held, or goes on"
                    );
                }
                _ => {}
            }
            inner.direct(now, directive);
        }
        if !news.is_empty() {
            inner.journal.append(news).await;
        }
    }
}

/// Adds up what all shards counted of each kind of charger, and tells them the sums: a rule compares
/// with the fleet, and not with the few chargers of one shard.
async fn add_up_cohorts(inner: Arc<Inner>) {
    if inner.settings.shards <= 1 {
        return;
    }
    let mut sums: BTreeMap<[String; 3], CohortFigures> = BTreeMap::new();
    let Some(answers) = inner.ask_shards_for_cohorts().await else { return };
    for answer in answers {
        let Ok(figures) = answer.await else { return };
        for of in figures {
            let key = [of.vendor.clone(), of.model.clone(), of.firmware.clone()];
            match sums.entry(key) {
                std::collections::btree_map::Entry::Occupied(mut sum) => sum.get_mut().merge(&of),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(of);
                }
            }
        }
    }
    let sums: Arc<[CohortFigures]> = sums.into_values().collect();
    let message = || ShardMessage::FleetCohorts(Arc::clone(&sums));
    if let Err(error) = inner.to_all_shards(message).await {
        tracing::debug!(%error, "the shards are not told of the fleet any more");
    }
}

impl Inner {
    async fn ask_shards_for_cohorts(
        &self,
    ) -> Option<Vec<tokio::sync::oneshot::Receiver<Vec<CohortFigures>>>> {
        let answers = std::sync::Mutex::new(Vec::new());
        let message = || {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(receiver);
            ShardMessage::Cohorts(sender)
        };
        self.to_all_shards(message).await.ok()?;
        answers.into_inner().ok()
    }

    /// Hands an order to the shards that are to do it.
    fn direct(&self, at: UnixMs, directive: Directive) {
        let Directive { to, order } = directive;
        match to {
            Target::Site(site) => self.feed_back(site, ShardMessage::Order(at, order)),
            Target::All => self.feed_back_all(|| ShardMessage::Order(at, order.clone())),
        }
    }

    /// The open incidents of firmware that is worse than the one before: their updates are paused.
    pub(crate) fn note_rollout(&self, incident: &Incident) {
        let mendpoint_model::Breadth::Cohort(cohort) = &incident.ties.breadth else { return };
        if incident.rule != FW_REGRESSION {
            return;
        }
        let lifted = self.lifted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if lifted.contains(&incident.id.0) {
            return;
        }
        drop(lifted);
        let mut pauses = self.rollouts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if incident.state.is_over() {
            pauses.remove(&incident.id);
        } else {
            pauses.entry(incident.id).or_insert_with(|| Pause {
                cohort: cohort.clone(),
                before: incident
                    .ties
                    .regression
                    .as_ref()
                    .map(|regression| regression.before.clone())
                    .unwrap_or_default(),
            });
        }
    }
}

/// A rollout that is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Vendor, model and the firmware that is worse.
    pub cohort: Cohort,
    /// The firmware before it.
    pub before: String,
}

/// Paused rollouts by their incidents.
pub(crate) type Pauses = std::sync::Mutex<BTreeMap<mendpoint_model::IncidentId, Pause>>;
