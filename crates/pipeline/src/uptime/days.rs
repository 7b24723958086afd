//! Folds days of connectors from what was written down of them, anew when chargers tell more of them, and
//! proposes exclusions.

use std::collections::BTreeMap;

use mendpoint_incidents::correlate::FLEET_BLIND;
use mendpoint_model::{
    ChargerKey, ChargerRecord, ConnectorRef, ConnectorStatus, DAY_MS, MINUTE_MS, SiteKey, UnixMs,
    is_our_stop,
};
use mendpoint_store::{ExclusionRow, IncidentFilter, PAGE_MAX, Store, UptimeDayRow};
use mendpoint_uptime::{
    Decision, Exclusion, Gap, History, Link, Observed, Proposal, Said, Span, Unseen, fold, losses,
    mend, overlay, propose,
};

use super::day_of;
use crate::Error;
use crate::pipeline::Inner;

/// Where the next day to be folded is kept.
const NEXT_DAY: &str = "uptime.next_day";
/// How many days are folded anew each time: late messages arrive, and sessions of an offline queue.
const AGAIN_DAYS: i64 = 7;
/// How far back the first fold goes.
const FIRST_DAYS: i64 = 90;
/// How long after midnight a day is folded.
const SETTLE_MS: i64 = 10 * MINUTE_MS;

fn status_of(word: &str) -> ConnectorStatus {
    match word {
        "Faulted" => ConnectorStatus::Faulted,
        "Unavailable" => ConnectorStatus::Unavailable,
        // What else it says does not matter here: it works.
        _ => ConnectorStatus::Available,
    }
}

/// What is known of a charger's connectors over a range.
struct Known {
    connectors: BTreeMap<ConnectorRef, Observed>,
    gaps: Vec<(UnixMs, Option<UnixMs>)>,
}

/// When we could not see, up to a moment.
pub(crate) async fn unseen(store: &Store, until: UnixMs) -> Result<Unseen, Error> {
    let stops = store.server_gaps(until).await?;
    let filter = IncidentFilter { rule: Some(FLEET_BLIND.to_owned()), ..Default::default() };
    let (incidents, _) = store.incidents(&filter, None, PAGE_MAX).await?;
    let mut blind: Vec<_> = incidents
        .into_iter()
        .map(|incident| {
            let over = incident.resolved_at.or(Some(incident.updated_at));
            let ended = over.filter(|_| incident.state.is_over());
            (incident.began_at, ended.unwrap_or(UnixMs(i64::MAX)))
        })
        .collect();
    blind.sort_unstable();
    Ok(Unseen { stops, blind })
}

/// What was written down of a charger over a range, and what says how it was when that begins.
pub(crate) async fn history(
    store: &Store,
    charger: ChargerKey,
    from: UnixMs,
    until: UnixMs,
    unseen: &Unseen,
) -> Result<History, Error> {
    let mut history = History::default();
    for row in store.link_history(charger, from, until).await? {
        history.link(row.at, link_of(row.online, &row.reason));
    }
    for row in store.state_history(charger, from, until).await? {
        let status = status_of(&row.status);
        history.said(row.connector, Said { at: row.at, told_at: row.told_at, status });
    }
    for (connector, begun, ended) in store.delivered_sessions(charger, from, until).await? {
        history.delivered(connector, begun, ended);
    }
    if !unseen.stops.is_empty() || !unseen.blind.is_empty() {
        let boots = store.boots(charger, 1_000).await?.into_iter();
        let powered = boots.filter(|(_, boot)| boot.reason.as_deref() == Some("PowerUp"));
        powered.for_each(|(at, _)| history.power_up(at));
    }
    Ok(history)
}

/// What became of a connection.
fn link_of(online: bool, reason: &str) -> Link {
    if online {
        Link::Opened
    } else if is_our_stop(reason) {
        Link::EndedByUs
    } else {
        Link::Ended
    }
}

impl Inner {
    pub(super) async fn unseen(&self, until: UnixMs) -> Result<Unseen, Error> {
        unseen(&self.store, until).await
    }

    async fn known(
        &self,
        charger: ChargerKey,
        from: UnixMs,
        until: UnixMs,
        unseen: &Unseen,
    ) -> Result<Known, Error> {
        let history = history(&self.store, charger, from, until, unseen).await?;
        let connectors = history.connectors(unseen);
        let shared = connectors.values().next();
        Ok(Known { gaps: shared.map(losses).unwrap_or_default(), connectors })
    }

    /// Folds whole days (the last one up to now) of a charger.
    pub(super) async fn fold_days(
        &self,
        charger: ChargerKey,
        from: UnixMs,
        until: UnixMs,
        unseen: &Unseen,
    ) -> Result<(Vec<UptimeDayRow>, Vec<(UnixMs, Option<UnixMs>)>), Error> {
        let known = self.known(charger, from, until, unseen).await?;
        let mut days = Vec::new();
        for (connector, observed) in &known.connectors {
            let mut day = day_of(from);
            while day < until {
                let spans = fold(observed, day.max(from), (day + DAY_MS).min(until));
                if !spans.is_empty() {
                    days.push(UptimeDayRow { charger, connector: *connector, day, spans });
                }
                day = day + DAY_MS;
            }
        }
        Ok((days, known.gaps))
    }

    /// Folds the days that are over and were not folded, and some before them anew.
    pub(super) async fn fold_all(&self, now: UnixMs) -> Result<(), Error> {
        let today = day_of(now);
        let next = self.store.get_value(NEXT_DAY).await?.and_then(|text| text.parse().ok());
        let next = next.map_or(today - FIRST_DAYS * DAY_MS, UnixMs);
        if next >= today || now.since_ms(today) < SETTLE_MS {
            return Ok(());
        }
        let from = next.min(today - AGAIN_DAYS * DAY_MS).max(today - FIRST_DAYS * DAY_MS);
        let unseen = self.unseen(today).await?;
        let mut gaps: BTreeMap<SiteKey, Vec<Gap>> = BTreeMap::new();
        let mut sizes: BTreeMap<SiteKey, usize> = BTreeMap::new();
        for record in self.directory.chargers() {
            *sizes.entry(record.site).or_default() += 1;
            let (days, away) = self.fold_days(record.key, from, today, &unseen).await?;
            self.store.put_uptime_days(&days).await?;
            if !away.is_empty() {
                self.add_gaps(&record, &away, gaps.entry(record.site).or_default()).await?;
            }
            tokio::task::yield_now().await;
        }
        self.fold_late(from, &unseen).await?;
        for (site, gaps) in gaps {
            if site != self.unassigned {
                self.propose(site, &propose(sizes[&site], &gaps)).await?;
            }
        }
        self.store.set_value(NEXT_DAY, &today.0.to_string()).await?;
        Ok(())
    }

    /// Mends days before those that are folded anew, of chargers that told of them since then: a
    /// charger may keep months of sessions and states while it is away. Doing it twice changes nothing.
    async fn fold_late(&self, from: UnixMs, unseen: &Unseen) -> Result<(), Error> {
        let mut late: BTreeMap<ChargerKey, UnixMs> = BTreeMap::new();
        let sessions = self.store.late_sessions(from, from).await?.into_iter();
        let sessions = sessions.map(|(charger, _, begun, _)| (charger, begun));
        for (charger, since) in sessions.chain(self.store.states_told_late(from, from).await?) {
            let known = late.entry(charger).or_insert(since);
            *known = since.min(*known);
        }
        for (charger, since) in late {
            self.mend_days(charger, day_of(since), from, unseen).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Folds days of a charger anew with what it told of them since, and keeps of the old ones what can
    /// no longer be folded; there, sessions are laid over what is kept.
    async fn mend_days(
        &self,
        charger: ChargerKey,
        from: UnixMs,
        until: UnixMs,
        unseen: &Unseen,
    ) -> Result<(), Error> {
        let (folded, _) = self.fold_days(charger, from, until, unseen).await?;
        let mut sessions: BTreeMap<ConnectorRef, Vec<(UnixMs, UnixMs)>> = BTreeMap::new();
        for (connector, begun, ended) in self.store.delivered_sessions(charger, from, until).await?
        {
            sessions.entry(connector).or_default().push((begun, ended));
        }
        let mut days: BTreeMap<(ConnectorRef, UnixMs), Vec<Span>> = BTreeMap::new();
        for row in self.store.uptime_days(from, until, None, Some(charger)).await? {
            days.insert((row.connector, row.day), row.spans);
        }
        for row in folded {
            let spans = days.entry((row.connector, row.day)).or_default();
            *spans = mend(spans, &row.spans);
        }
        let rows: Vec<UptimeDayRow> = days
            .into_iter()
            .map(|((connector, day), spans)| {
                let told = sessions.get(&connector).map(Vec::as_slice).unwrap_or_default();
                UptimeDayRow { charger, connector, day, spans: overlay(&spans, told) }
            })
            .collect();
        Ok(self.store.put_uptime_days(&rows).await?)
    }

    /// Mends the days that chargers told of before this was done last.
    pub(super) async fn mend_lately(&self, now: UnixMs) -> Result<(), Error> {
        let mut told = self.lately.take();
        let today = day_of(now);
        told.retain(|_, since| *since < today);
        if told.is_empty() {
            return Ok(());
        }
        let mended = async {
            let unseen = self.unseen(today).await?;
            while let Some((charger, since)) = told.first_key_value().map(|(key, at)| (*key, *at)) {
                self.mend_days(charger, day_of(since), today, &unseen).await?;
                told.remove(&charger);
                tokio::task::yield_now().await;
            }
            Ok(())
        }
        .await;
        // What is left comes with the next turn.
        for (charger, since) in told {
            self.lately.told(charger, since);
        }
        mended
    }

    async fn add_gaps(
        &self,
        record: &ChargerRecord,
        away: &[(UnixMs, Option<UnixMs>)],
        gaps: &mut Vec<Gap>,
    ) -> Result<(), Error> {
        let boots = self.store.boots(record.key, 1_000).await?;
        for (from, until) in away {
            let after = |at: &UnixMs| until.is_some_and(|until| *at >= until);
            let booted_at = boots.iter().map(|(at, _)| *at).filter(after).min();
            gaps.push(Gap { from: *from, charger: record.key, until: *until, booted_at });
        }
        Ok(())
    }

    async fn propose(&self, site: SiteKey, proposals: &[Proposal]) -> Result<(), Error> {
        for proposal in proposals {
            let known = self.store.exclusions(Some(site), proposal.from, proposal.until).await?;
            let of_outage = |row: &ExclusionRow| {
                row.incident.is_some() && row.exclusion.reason == proposal.reason
            };
            if known.iter().any(of_outage) {
                // The incident of the outage proposed it already, charger by charger.
                continue;
            }
            let exclusion = Exclusion {
                id: 0,
                site,
                charger: None,
                connector: None,
                from: proposal.from,
                until: proposal.until,
                reason: proposal.reason,
                evidence: proposal.evidence.clone(),
                decision: Decision::Proposed,
            };
            self.store.propose_exclusion(&exclusion, "engine").await?;
        }
        Ok(())
    }
}
