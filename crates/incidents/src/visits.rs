//! Attempts that are over, the visits they make, and the figures that come of both (1.5).
//!
//! A visit is one driver's business at one site: attempts with the same card within five minutes of
//! each other. Cards do not leave this module.

use std::collections::BTreeMap;

use mendpoint_model::{ChargerKey, ConnectorRef, MINUTE_MS, SiteKey, UnixMs};

use crate::attempts::{AttemptNews, Failure, Over};
use crate::duration::paced;
use crate::effect::Effect;
use crate::engine::{Cx, Engine};
use crate::timers::Timer;

/// Attempts that are further apart are two visits.
const APART_MS: i64 = 5 * MINUTE_MS;
/// The most visits open in one engine: beyond that the oldest ends.
const OPEN_MAX: usize = 65_536;

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It delivered 100 Wh or more, or the car was full, and nothing broke it off.
    Completed,
    /// It failed (F1 to F6).
    Failed(Failure),
    /// It is no failure and no success of the charger: the driver's choice, a refused or reserved
    /// place, a pause, our own doing.
    Excused,
    /// Nobody knows: the charger was away, or told of it late.
    Unknown,
}

impl Outcome {
    /// Whether it counts in figures.
    pub fn is_judged(self) -> bool {
        matches!(self, Self::Completed | Self::Failed(_))
    }
}

/// An attempt that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttemptEnded {
    /// The charger.
    pub charger: ChargerKey,
    /// Its site.
    pub site: SiteKey,
    /// The connector; the whole charger where that was never known.
    pub connector: ConnectorRef,
    /// When the first of it was seen: the card, the remote start, or the transaction.
    pub began_at: UnixMs,
    /// When it was over.
    pub ended_at: UnixMs,
    /// Whether a transaction began.
    pub started: bool,
    /// What it came to.
    pub outcome: Outcome,
    /// Energy delivered, Wh, if known.
    pub energy_wh: Option<f64>,
}

/// A visit that is over. Attempts that are not judged make none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisitEnded {
    /// The site.
    pub site: SiteKey,
    /// The charger of its first attempt.
    pub charger: ChargerKey,
    /// When its first attempt began.
    pub began_at: UnixMs,
    /// When its last attempt was over.
    pub ended_at: UnixMs,
    /// How many attempts it took.
    pub attempts: u32,
    /// Whether the first one succeeded.
    pub first_succeeded: bool,
    /// Whether one of them did.
    pub succeeded: bool,
}

/// Visits that may go on, by site and card. Attempts without a card are visits of their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visits {
    open: BTreeMap<(SiteKey, Box<str>), VisitEnded>,
}

impl Visits {
    /// Takes in an attempt; gives back the visits that are over by it.
    fn note(&mut self, id_token: &str, attempt: &AttemptEnded, apart_ms: i64) -> Vec<VisitEnded> {
        if !attempt.outcome.is_judged() {
            return Vec::new();
        }
        let well = attempt.outcome == Outcome::Completed;
        let fresh = VisitEnded {
            site: attempt.site,
            charger: attempt.charger,
            began_at: attempt.began_at,
            ended_at: attempt.ended_at,
            attempts: 1,
            first_succeeded: well,
            succeeded: well,
        };
        if id_token.is_empty() {
            return vec![fresh];
        }
        let mut over = Vec::new();
        let key = (attempt.site, Box::from(id_token));
        match self.open.get_mut(&key) {
            Some(visit) if attempt.began_at.since_ms(visit.ended_at) <= apart_ms => {
                visit.attempts += 1;
                visit.succeeded |= well;
                visit.ended_at = visit.ended_at.max(attempt.ended_at);
            }
            Some(visit) => over.push(std::mem::replace(visit, fresh)),
            None => {
                if self.open.len() >= OPEN_MAX
                    && let Some(oldest) = self.open.iter().min_by_key(|(_, visit)| visit.ended_at)
                    && let key = oldest.0.clone()
                {
                    over.extend(self.open.remove(&key));
                }
                self.open.insert(key, fresh);
            }
        }
        over
    }

    /// When the next one may be over.
    fn next(&self, apart_ms: i64) -> Option<UnixMs> {
        self.open.values().map(|visit| visit.ended_at).min().map(|at| at + apart_ms + 1)
    }
}

impl Engine {
    fn apart_ms(&self) -> i64 {
        paced(APART_MS, self.settings.pace)
    }

    /// An attempt is over.
    pub(crate) fn attempt_over(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        news: &AttemptNews,
        over: Over,
    ) {
        let Some(site) = self.watches.get(&key).map(|watch| watch.site) else { return };
        let ended = AttemptEnded {
            charger: key,
            site,
            connector: news.connector,
            began_at: over.began_at,
            ended_at: cx.now,
            started: over.started,
            outcome: over.outcome,
            energy_wh: over.energy_wh,
        };
        self.tail.push(Effect::Attempt(ended));
        let apart_ms = self.apart_ms();
        let visits = self.visits.note(&news.id_token, &ended, apart_ms);
        self.tail.extend(visits.into_iter().map(Effect::Visit));
        self.arm_visits(cx.now);
    }

    /// Ends the visits to which nobody came back.
    pub(crate) fn visits_due(&mut self, cx: &Cx<'_>) {
        self.visits_armed = None;
        let apart_ms = self.apart_ms();
        let due: Vec<_> = self
            .visits
            .open
            .iter()
            .filter(|(_, visit)| cx.now.since_ms(visit.ended_at) > apart_ms)
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            // Somebody who charges now came within the time: it is told when that is over.
            let is_trying = cx.fleet.of_site(key.0).iter().any(|charger| {
                let log = self.watches.get(charger).and_then(|watch| watch.attempts.as_ref());
                log.is_some_and(|log| log.is_trying(&key.1))
            });
            if is_trying {
                continue;
            }
            if let Some(visit) = self.visits.open.remove(&key) {
                self.tail.push(Effect::Visit(visit));
            }
        }
        self.arm_visits(cx.now);
    }

    fn arm_visits(&mut self, now: UnixMs) {
        let apart_ms = self.apart_ms();
        // What waits for a charge that still runs is looked at again after the same time.
        let next = self.visits.next(apart_ms);
        let at = next.map(|at| if at <= now { now + apart_ms } else { at });
        if self.visits_armed.is_none() || at.is_none() {
            self.timers.set(&mut self.visits_armed, Timer::Visits, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(began: i64, until: i64, outcome: Outcome) -> AttemptEnded {
        AttemptEnded {
            charger: ChargerKey(1),
            site: SiteKey(1),
            connector: ConnectorRef::v16(1),
            began_at: UnixMs(began * 1_000),
            ended_at: UnixMs(until * 1_000),
            started: true,
            outcome,
            energy_wh: None,
        }
    }

    const FAILED: Outcome = Outcome::Failed(Failure::NoEnergy);

    #[test]
    fn attempts_within_five_minutes_are_one_visit() {
        let mut visits = Visits::default();
        assert!(visits.note("A", &ended(0, 60, FAILED), APART_MS).is_empty());
        assert!(visits.note("A", &ended(360, 900, Outcome::Completed), APART_MS).is_empty());
        let over = visits.note("A", &ended(1_201, 1_300, FAILED), APART_MS);
        let [visit] = over[..] else { panic!("{over:?}") };
        assert_eq!(visit.attempts, 2);
        assert!(visit.succeeded && !visit.first_succeeded);
        // Another card, and no card, are other visits.
        assert!(visits.note("B", &ended(1_301, 1_310, FAILED), APART_MS).is_empty());
        assert_eq!(visits.note("", &ended(1_301, 1_310, FAILED), APART_MS).len(), 1);
        assert!(visits.note("A", &ended(1_302, 1_310, Outcome::Excused), APART_MS).is_empty());
    }
}
