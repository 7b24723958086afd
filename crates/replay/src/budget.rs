//! How fast chargers use up their budgets of uptime in a replay: the same ledgers as live, kept of what
//! is lived through.

use std::collections::BTreeMap;

use mendpoint_incidents::UptimeBurn;
use mendpoint_model::{
    ChargerKey, ChargerState, ConnectorRef, ConnectorStatus, DAY_MS, Fact, Hours, SiteKey, UnixMs,
    is_our_stop,
};
use mendpoint_shard::{Shard, shown_status};
use mendpoint_uptime::{
    Burn, Exclusion, History, Link, Rounds, Said, Span, TARGET_PERCENT, Unseen, fold, may_lose,
    tally,
};

/// The longest window, and a day more for what began before it.
const KEPT_MS: i64 = 4 * DAY_MS;
/// What makes a session that shows that a connector worked, Wh.
const DELIVERED_WH: f64 = 100.0;

/// What is laid over the ledgers.
#[derive(Clone, Debug, Default)]
pub struct BudgetSettings {
    /// When we could not see.
    pub unseen: Unseen,
    /// When sites are open; those that are not in it always are.
    pub hours: BTreeMap<SiteKey, Hours>,
    /// Minutes that were excluded, and when that was decided.
    pub exclusions: Vec<(UnixMs, Exclusion)>,
}

/// The budgets of all chargers.
#[derive(Debug)]
pub(crate) struct Budgets {
    settings: BudgetSettings,
    histories: BTreeMap<ChargerKey, (SiteKey, History)>,
    rounds: Rounds,
    forgot_at: UnixMs,
}

impl Budgets {
    pub(crate) fn new(settings: BudgetSettings) -> Self {
        Self {
            settings,
            histories: BTreeMap::new(),
            rounds: Rounds::default(),
            forgot_at: UnixMs(i64::MIN),
        }
    }

    /// What was known of a charger before.
    pub(crate) fn remember(&mut self, charger: ChargerKey, site: SiteKey, history: History) {
        self.histories.insert(charger, (site, history));
    }

    /// We begin, or begin again after a stop: what was lost before counts as well.
    pub(crate) fn begin(&mut self, now: UnixMs) {
        self.rounds = Rounds::default();
        let uses = |charger: &ChargerKey| self.burn(now, *charger).three_days > 0.0;
        let lost: Vec<ChargerKey> = self.histories.keys().copied().filter(uses).collect();
        self.rounds.lost_before(lost);
    }

    /// When they are looked at next; `None` for at once.
    pub(crate) fn next_deadline(&self) -> Option<UnixMs> {
        self.rounds.next()
    }

    /// Takes in what changed.
    pub(crate) fn note(
        &mut self,
        charger: ChargerKey,
        at: UnixMs,
        fact: &Fact,
        state: Option<&ChargerState>,
    ) {
        let Some((_, history)) = self.histories.get_mut(&charger) else { return };
        let shown = |connector: ConnectorRef, told: Option<ConnectorStatus>| {
            let told = told.map(|status| (status, String::new()));
            shown_status(state?, connector, told).map(|(status, _)| Said::live(at, status))
        };
        match fact {
            Fact::LinkUp { .. } => history.link(at, Link::Opened),
            Fact::LinkDown { reason } => {
                history.link(at, if is_our_stop(reason) { Link::EndedByUs } else { Link::Ended });
            }
            Fact::StatusChanged { connector, to, since, .. } if *since < at => {
                history.said(*connector, Said { at: *since, told_at: at, status: *to });
            }
            Fact::StatusChanged { connector, to, historical: false, .. } => {
                if let Some(said) = shown(*connector, Some(*to)) {
                    history.said(*connector, said);
                }
            }
            Fact::FaultChanged(fault) => {
                if let Some(said) = shown(fault.connector, None) {
                    history.said(fault.connector, said);
                }
            }
            Fact::TransactionClosed { transaction, ended_at, energy_wh, .. }
                if energy_wh.is_some_and(|energy| energy >= DELIVERED_WH) =>
            {
                history.delivered(transaction.connector, transaction.started_at, *ended_at);
            }
            _ => {}
        }
    }

    /// A charger said that it booted because its power was back.
    pub(crate) fn power_up(&mut self, charger: ChargerKey, at: UnixMs) {
        if let Some((_, history)) = self.histories.get_mut(&charger) {
            history.power_up(at);
        }
    }

    /// Looks at the budgets, if it is time to; gives what the engine is to know.
    pub(crate) fn look(&mut self, now: UnixMs, shard: &Shard) -> Vec<(ChargerKey, UptimeBurn)> {
        if !self.rounds.is_due(now) {
            return Vec::new();
        }
        if now.since_ms(self.forgot_at) >= DAY_MS {
            self.forgot_at = now;
            for (_, history) in self.histories.values_mut() {
                history.forget(now - KEPT_MS);
            }
        }
        let down = self.histories.keys().copied().filter(|key| may_lose(shard.cell(*key)));
        let mut told = Vec::new();
        for charger in self.rounds.turn(now, down) {
            let burn = self.burn(now, charger);
            if self.rounds.note(charger, &burn) {
                let Burn { five_minutes, hour, six_hours, three_days } = burn;
                told.push((
                    charger,
                    UptimeBurn { five_minutes, hour, six_hours, three_days, at: now },
                ));
            }
        }
        told
    }

    fn burn(&self, now: UnixMs, charger: ChargerKey) -> Burn {
        let Some((site, history)) = self.histories.get(&charger) else { return Burn::default() };
        let BudgetSettings { unseen, hours, exclusions } = &self.settings;
        let hours = hours.get(site).cloned().unwrap_or_default();
        let from = now - 3 * DAY_MS;
        let connectors = history.connectors(&unseen.known_at(now));
        let ports: Vec<(Vec<Span>, Vec<Exclusion>)> = connectors
            .iter()
            .map(|(connector, observed)| {
                let concerns = |(decided_at, one): &&(UnixMs, Exclusion)| {
                    *decided_at <= now && one.concerns(*site, charger, *connector)
                };
                let of_port = exclusions.iter().filter(concerns).map(|(_, one)| one.clone());
                (fold(observed, from, now), of_port.collect())
            })
            .collect();
        Burn::of(TARGET_PERCENT, now, |from, until| {
            let of_port = |(spans, exclusions): &(Vec<Span>, Vec<Exclusion>)| {
                tally(spans, from, until, &hours, exclusions)
            };
            ports.iter().map(of_port).collect()
        })
    }
}
