//! Keeps the uptime ledgers: folds days of connectors from what was written down of them, proposes
//! exclusions, and notes when our own server was down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mendpoint_model::{
    ChargerKey, ChargerRecord, ConnectorRef, ConnectorStatus, DAY_MS, MINUTE_MS, SiteKey, UnixMs,
};
use mendpoint_store::{ExclusionRow, UptimeDayRow};
use mendpoint_uptime::{
    Burn, Decision, Exclusion, Gap, Hours, Observed, Proposal, Span, Tally, burn, fold, overlay,
    propose, tally,
};

use crate::burn::Burns;
use crate::message::ShardMessage;
use crate::pipeline::Inner;
use crate::{Error, Handle, clock, kpi_gauges};

/// How often we write down that we live.
const ALIVE_EVERY: Duration = Duration::from_secs(30);
/// A gap that long between two signs of our own life is one of our own outages.
const GAP_MS: i64 = 2 * MINUTE_MS;
/// Where the last sign of life is kept.
const ALIVE: &str = "uptime.alive_at";
/// Where the next day to be folded is kept.
const NEXT_DAY: &str = "uptime.next_day";
/// How many days are folded anew each time: late messages arrive, and sessions of an offline queue.
const AGAIN_DAYS: i64 = 7;
/// How far back the first fold goes.
const FIRST_DAYS: i64 = 90;
/// How long after midnight a day is folded.
const SETTLE_MS: i64 = 10 * MINUTE_MS;
/// Up to so many chargers the page folds what is not in the ledger yet by itself.
pub(crate) const FRESH_MAX: usize = 200;

/// A connector with its minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortTally {
    /// Its site.
    pub site: SiteKey,
    /// Its charger.
    pub charger: ChargerKey,
    /// The connector.
    pub connector: ConnectorRef,
    /// Its minutes.
    pub tally: Tally,
    /// When it was down, in the ledger's own classes.
    pub outages: Vec<Span>,
}

/// What of the ledgers is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct UptimeScope {
    /// Only this site.
    pub site: Option<SiteKey>,
    /// Only this charger.
    pub charger: Option<ChargerKey>,
}

fn day_of(at: UnixMs) -> UnixMs {
    UnixMs(at.0.div_euclid(DAY_MS) * DAY_MS)
}

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

impl Inner {
    async fn known(
        &self,
        charger: ChargerKey,
        from: UnixMs,
        until: UnixMs,
        blind: &[(UnixMs, UnixMs)],
    ) -> Result<Known, Error> {
        let links = self.store.link_history(charger, from, until).await?;
        let states = self.store.state_history(charger, from, until).await?;
        let sessions = self.store.delivered_sessions(charger, from, until).await?;
        let links: Vec<_> = links.into_iter().map(|row| (row.at, row.online)).collect();
        let mut whole = Vec::new();
        let mut connectors: BTreeMap<ConnectorRef, Observed> = BTreeMap::new();
        for row in states {
            let status = (row.at, status_of(&row.status));
            if row.connector.is_charger() {
                whole.push(status);
            } else {
                connectors.entry(row.connector).or_default().statuses.push(status);
            }
        }
        for (connector, begun, ended) in sessions {
            connectors.entry(connector).or_default().sessions.push((begun, ended));
        }
        if connectors.is_empty() && !links.is_empty() {
            // It never said anything of its connectors: it has one.
            connectors.entry(ConnectorRef::v16(1)).or_default();
        }
        for observed in connectors.values_mut() {
            observed.links.clone_from(&links);
            observed.whole.clone_from(&whole);
            observed.blind = blind.to_vec();
        }
        let mut gaps = Vec::new();
        for (index, (at, online)) in links.iter().enumerate() {
            if !online {
                let back = links[index + 1..].iter().find(|(_, online)| *online);
                gaps.push((*at, back.map(|(at, _)| *at)));
            }
        }
        Ok(Known { connectors, gaps })
    }

    /// Folds whole days (the last one up to now) of a charger.
    async fn fold_days(
        &self,
        charger: ChargerKey,
        from: UnixMs,
        until: UnixMs,
        blind: &[(UnixMs, UnixMs)],
    ) -> Result<(Vec<UptimeDayRow>, Vec<(UnixMs, Option<UnixMs>)>), Error> {
        let known = self.known(charger, from, until, blind).await?;
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
    async fn fold_all(&self, now: UnixMs) -> Result<(), Error> {
        let today = day_of(now);
        let next = self.store.get_value(NEXT_DAY).await?.and_then(|text| text.parse().ok());
        let next = next.map_or(today - FIRST_DAYS * DAY_MS, UnixMs);
        if next >= today || now.since_ms(today) < SETTLE_MS {
            return Ok(());
        }
        let from = next.min(today - AGAIN_DAYS * DAY_MS).max(today - FIRST_DAYS * DAY_MS);
        let blind = self.store.server_gaps(from, today).await?;
        let mut gaps: BTreeMap<SiteKey, Vec<Gap>> = BTreeMap::new();
        let mut sizes: BTreeMap<SiteKey, usize> = BTreeMap::new();
        for record in self.directory.chargers() {
            *sizes.entry(record.site).or_default() += 1;
            let (days, away) = self.fold_days(record.key, from, today, &blind).await?;
            self.store.put_uptime_days(&days).await?;
            if !away.is_empty() {
                self.add_gaps(&record, &away, gaps.entry(record.site).or_default()).await?;
            }
            tokio::task::yield_now().await;
        }
        self.fold_late(from).await?;
        for (site, gaps) in gaps {
            if site != self.unassigned {
                self.propose(site, &propose(sizes[&site], &gaps)).await?;
            }
        }
        self.store.set_value(NEXT_DAY, &today.0.to_string()).await?;
        Ok(())
    }

    /// Lays sessions over days before those that are folded anew, that were told since then: a charger
    /// may keep months of them while it is away. Doing it twice changes nothing.
    async fn fold_late(&self, from: UnixMs) -> Result<(), Error> {
        let told = self.store.late_sessions(from, from).await?;
        let mut late: BTreeMap<(ChargerKey, ConnectorRef), Vec<(UnixMs, UnixMs)>> = BTreeMap::new();
        for (charger, connector, begun, ended) in told {
            late.entry((charger, connector)).or_default().push((begun, ended));
        }
        for ((charger, connector), sessions) in late {
            let first = sessions.iter().map(|(begun, _)| *begun).min().unwrap_or(from);
            let mut days = self.store.uptime_days(first, from, None, Some(charger)).await?;
            days.retain(|row| row.connector == connector);
            for row in &mut days {
                row.spans = overlay(&row.spans, &sessions);
            }
            self.store.put_uptime_days(&days).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
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

/// A connector's part of the ledger, as it is read.
pub(crate) struct Ledger {
    site: SiteKey,
    charger: ChargerKey,
    connector: ConnectorRef,
    spans: Vec<Span>,
    exclusions: Vec<Exclusion>,
    hours: Hours,
}

impl Ledger {
    fn tally(&self, from: UnixMs, until: UnixMs) -> Tally {
        tally(&self.spans, from, until, &self.hours, &self.exclusions)
    }
}

impl Inner {
    /// The ledger of connectors over a range. What is not in it yet is folded now, unless that is too
    /// much.
    async fn ledger(
        &self,
        scope: UptimeScope,
        from: UnixMs,
        until: UnixMs,
    ) -> Result<Vec<Ledger>, Error> {
        let UptimeScope { site, charger } = scope;
        let now = clock::now();
        let until = until.min(now);
        let mut days = self.store.uptime_days(from, until, site, charger).await?;
        let chargers: BTreeMap<ChargerKey, SiteKey> = self
            .directory
            .chargers()
            .iter()
            .filter(|record| site.is_none_or(|site| record.site == site))
            .filter(|record| charger.is_none_or(|charger| record.key == charger))
            .map(|record| (record.key, record.site))
            .collect();
        let yesterday = day_of(now) - DAY_MS;
        if until > yesterday && chargers.len() <= FRESH_MAX {
            let begin = yesterday.max(day_of(from));
            let blind = self.store.server_gaps(begin, until).await?;
            days.retain(|row| row.day < begin);
            for key in chargers.keys() {
                days.extend(self.fold_days(*key, begin, until, &blind).await?.0);
            }
        }
        let exclusions = self.store.exclusions(site, from, until).await?;
        let exclusions: Vec<Exclusion> = exclusions.into_iter().map(|row| row.exclusion).collect();
        let hours = self.opening_hours().await?;
        let mut ports: BTreeMap<(SiteKey, ChargerKey, ConnectorRef), Vec<Span>> = BTreeMap::new();
        for row in days {
            let Some(site) = chargers.get(&row.charger) else { continue };
            ports.entry((*site, row.charger, row.connector)).or_default().extend(row.spans);
        }
        Ok(ports
            .into_iter()
            .map(|((site, charger, connector), mut spans)| {
                spans.sort_by_key(|span| span.from);
                let of_port = |exclusion: &&Exclusion| exclusion.concerns(site, charger, connector);
                let exclusions = exclusions.iter().filter(of_port).cloned().collect();
                let hours = hours.get(&site).cloned().unwrap_or_default();
                Ledger { site, charger, connector, spans, exclusions, hours }
            })
            .collect())
    }

    pub(crate) async fn opening_hours(&self) -> Result<BTreeMap<SiteKey, Hours>, Error> {
        let texts = self.store.site_hours().await?;
        // They were read before they were written down.
        let read = |(site, text): (SiteKey, String)| Some((site, Hours::parse(&text).ok()?));
        Ok(texts.into_iter().filter_map(read).collect())
    }

    /// Lets the engine know when sites are open (G12).
    pub(crate) async fn tell_opening_hours(&self) -> Result<(), Error> {
        let mut hours = self.opening_hours().await?;
        hours.retain(|_, hours| !hours.is_always());
        let hours = Arc::new(hours);
        self.to_all_shards(|| ShardMessage::OpeningHours(Arc::clone(&hours))).await
    }

    /// How fast the worst connector of a charger uses up the budget of a target.
    pub(crate) async fn burn(
        &self,
        charger: ChargerKey,
        target_percent: f64,
    ) -> Result<Burn, Error> {
        let now = UnixMs(clock::now().0.div_euclid(MINUTE_MS) * MINUTE_MS);
        let scope = UptimeScope { charger: Some(charger), ..UptimeScope::default() };
        let ports = self.ledger(scope, now - 3 * DAY_MS, now).await?;
        let windows = [5, 60, 360, 4_320].map(|minutes| {
            ports.iter().fold(0.0, |worst, port| {
                let tally = port.tally(now - minutes * MINUTE_MS, now);
                let lost = mendpoint_uptime::formula::nevi_outage(&tally) - tally.excluded();
                f64::max(worst, burn(lost, minutes, target_percent))
            })
        });
        let [five_minutes, hour, six_hours, three_days] = windows;
        Ok(Burn { five_minutes, hour, six_hours, three_days })
    }
}

/// Notes the gap between our last sign of life and now, then lives: signs of life, and the ledgers'
/// days as they end.
pub(crate) async fn run(inner: Arc<Inner>) {
    match inner.store.get_value(ALIVE).await {
        Ok(Some(text)) => {
            let now = clock::now();
            let last = text.parse().ok().map(UnixMs);
            if let Some(last) = last.filter(|last| now.since_ms(*last) >= GAP_MS)
                && let Err(error) = inner.store.add_server_gap(last, now).await
            {
                tracing::warn!(%error, "our own outage could not be written down");
            }
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "our last sign of life could not be read"),
    }
    let mut burns = Burns::default();
    let mut hours_told = false;
    let mut measured_at: Option<UnixMs> = None;
    loop {
        let now = clock::now();
        if !hours_told {
            match inner.tell_opening_hours().await {
                Ok(()) => hours_told = true,
                Err(error) => tracing::debug!(%error, "opening hours wait for the database"),
            }
        }
        match inner.store.take_in_proposals().await {
            Ok(0) => {}
            Ok(many) => tracing::info!(many, "an outage proposes minutes that may be excluded"),
            Err(error) => tracing::debug!(%error, "proposed exclusions wait for the database"),
        }
        if let Err(error) = burns.look(&inner, now).await {
            tracing::debug!(%error, "budgets of uptime wait for the database");
        }
        if measured_at.is_none_or(|at| now.since_ms(at) >= kpi_gauges::EVERY_MS) {
            measured_at = Some(now);
            if let Err(error) = Handle(Arc::clone(&inner)).measure_kpis(now).await {
                tracing::debug!(%error, "figures of charging wait for the database");
            }
        }
        // A database that is away is told of elsewhere; the next turn tries again.
        if let Err(error) = inner.store.set_value(ALIVE, &now.0.to_string()).await {
            tracing::debug!(%error, "our sign of life was not written down");
        }
        if let Err(error) = inner.kpis.flush(&inner.store).await {
            tracing::debug!(%error, "figures of charging wait for the database");
        }
        if let Err(error) = inner.fold_all(now).await {
            tracing::warn!(%error, "the uptime ledgers could not be folded");
        }
        tokio::time::sleep(ALIVE_EVERY).await;
    }
}

impl Handle {
    /// The minutes of connectors from `from` up to before `until`, by site, charger and connector.
    /// What is not in the ledger yet is folded now, unless that is too much for a page.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn uptime(
        &self,
        scope: UptimeScope,
        from: UnixMs,
        until: UnixMs,
    ) -> Result<Vec<PortTally>, Error> {
        let ports = self.0.ledger(scope, from, until).await?;
        let until = until.min(clock::now());
        Ok(ports
            .into_iter()
            .map(|port| {
                let tally = port.tally(from, until);
                let outages =
                    join(port.spans.into_iter().filter(|span| {
                        span.class.is_down() && span.until > from && span.from < until
                    }));
                let Ledger { site, charger, connector, .. } = port;
                PortTally { site, charger, connector, tally, outages }
            })
            .collect())
    }

    /// The opening hours of sites that have any.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn opening_hours(&self) -> Result<BTreeMap<SiteKey, Hours>, Error> {
        self.0.opening_hours().await
    }

    /// Sets the opening hours of a site: for its uptime, and for what healing does while it is closed.
    ///
    /// # Errors
    /// What cannot be read of them, in a sentence, or that the database cannot be written.
    pub async fn set_opening_hours(
        &self,
        site: SiteKey,
        hours: &str,
        user: &str,
    ) -> Result<(), Error> {
        Hours::parse(hours).map_err(Error::Refused)?;
        let record = self.0.directory.site(site);
        let record = record.ok_or_else(|| Error::Refused("that site is not there".to_owned()))?;
        self.0.store.put_site_hours(site, hours.trim()).await?;
        self.0.audit(user, "opening hours set", &record.name).await;
        self.0.tell_opening_hours().await
    }

    /// How fast a charger uses up the budget of a target, over the windows of the burn rates.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn burn(&self, charger: ChargerKey, target_percent: f64) -> Result<Burn, Error> {
        self.0.burn(charger, target_percent).await
    }

    /// Folds the days of a charger anew and writes them down: after its history was mended.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn refold_uptime(&self, charger: ChargerKey, days: i64) -> Result<(), Error> {
        let now = clock::now();
        let (from, today) = (day_of(now) - days * DAY_MS, day_of(now));
        let blind = self.0.store.server_gaps(from, today).await?;
        let (rows, _) = self.0.fold_days(charger, from, today, &blind).await?;
        Ok(self.0.store.put_uptime_days(&rows).await?)
    }
}

/// Outages that touch are one.
fn join(spans: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if last.until == span.from && last.class == span.class => {
                last.until = span.until;
            }
            _ => joined.push(span),
        }
    }
    joined
}
