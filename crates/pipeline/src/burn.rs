//! How fast chargers use up their budgets of uptime, worked out from the ledgers and told to the engine
//! (`UPTIME_BUDGET`).
//!
//! A charger that is up uses nothing up, so only those are looked at that are down now, or that were
//! within the longest window.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mendpoint_incidents::UptimeBurn;
use mendpoint_model::{CellState, ChargerKey, DAY_MS, MINUTE_MS, SiteKey, UnixMs};
use mendpoint_uptime::Burn;

use crate::message::ShardMessage;
use crate::pipeline::Inner;
use crate::{Error, clock};

/// How often budgets are looked at: the shortest window.
const EVERY_MS: i64 = 5 * MINUTE_MS;
/// What a connector owes in a year, in percent (23 CFR 680.116(b)).
pub(crate) const TARGET_PERCENT: f64 = 97.0;
/// How many chargers are looked at in a round; the others come in the next ones.
const ROUND_MAX: usize = 300;

/// Which chargers are looked at.
#[derive(Debug, Default)]
pub(crate) struct Burns {
    looked_at: Option<UnixMs>,
    /// Those that used something up when they were looked at last.
    burning: BTreeSet<ChargerKey>,
    /// Those that did not have their turn, oldest first.
    waiting: VecDeque<ChargerKey>,
}

impl Burns {
    /// Looks at the budgets, if it is time to.
    pub(crate) async fn look(&mut self, inner: &Inner, now: UnixMs) -> Result<(), Error> {
        if self.looked_at.is_some_and(|at| now.since_ms(at) < EVERY_MS) {
            return Ok(());
        }
        let is_first = self.looked_at.is_none();
        if is_first {
            // What was lost before our start counts as well.
            let days = inner.store.uptime_days(now - 3 * DAY_MS, now, None, None).await?;
            let lost = days.iter().filter(|day| day.spans.iter().any(|span| span.class.is_down()));
            self.burning.extend(lost.map(|day| day.charger));
        }
        self.looked_at = Some(now);
        let down = inner.board.snapshot().1.into_iter().filter(|(_, cell)| is_down(*cell));
        let due = self.turn(down.map(|(charger, _)| charger));
        let mut told: BTreeMap<SiteKey, Vec<(ChargerKey, UptimeBurn)>> = BTreeMap::new();
        for charger in due {
            let Some(record) = inner.directory.charger(charger) else {
                self.burning.remove(&charger);
                continue;
            };
            let burn = inner.burn(charger, TARGET_PERCENT).await?;
            let was = self.burning.contains(&charger);
            let burns = uses(&burn);
            if burns {
                self.burning.insert(charger);
            } else {
                self.burning.remove(&charger);
            }
            if burns || was {
                let burn = UptimeBurn {
                    five_minutes: burn.five_minutes,
                    hour: burn.hour,
                    six_hours: burn.six_hours,
                    three_days: burn.three_days,
                    at: clock::now(),
                };
                told.entry(record.site).or_default().push((charger, burn));
            }
            tokio::task::yield_now().await;
        }
        for (site, burns) in told {
            inner.to_shard(site, ShardMessage::Burns(burns)).await?;
        }
        Ok(())
    }

    /// The chargers whose turn it is.
    fn turn(&mut self, down: impl Iterator<Item = ChargerKey>) -> Vec<ChargerKey> {
        let mut known: BTreeSet<ChargerKey> = self.waiting.iter().copied().collect();
        let all: BTreeSet<ChargerKey> = down.chain(self.burning.iter().copied()).collect();
        self.waiting.extend(all.into_iter().filter(|charger| known.insert(*charger)));
        let many = self.waiting.len().min(ROUND_MAX);
        self.waiting.drain(..many).collect()
    }
}

/// Whether a charger may lose minutes now.
fn is_down(cell: CellState) -> bool {
    !matches!(cell, CellState::Available | CellState::Charging | CellState::NeverSeen)
}

fn uses(burn: &Burn) -> bool {
    [burn.five_minutes, burn.hour, burn.six_hours, burn.three_days].iter().any(|part| *part > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_and_nobody_two_in_a_round() {
        let mut burns = Burns::default();
        burns.burning.insert(ChargerKey(5));
        let down = || (0..700).map(ChargerKey);
        let mut seen = BTreeSet::new();
        for round in 0..3 {
            let turn = burns.turn(down());
            assert!(turn.len() <= ROUND_MAX);
            let before = seen.len();
            seen.extend(turn.iter().copied());
            assert_eq!(seen.len(), (before + turn.len()).min(700), "round {round}");
        }
        assert_eq!(seen.len(), 700);
    }
}
