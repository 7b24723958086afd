//! Keeps the uptime ledgers: folds days of connectors from what was written down of them, proposes
//! exclusions, and notes when our own server was down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mendpoint_model::{ChargerKey, ConnectorRef, DAY_MS, MINUTE_MS, SiteKey, UnixMs};
use mendpoint_store::Store;
use mendpoint_uptime::{Burn, Exclusion, Hours, Rounds, Span, Tally, tally};

use crate::burn;
use crate::message::ShardMessage;
use crate::pipeline::Inner;
use crate::{Error, Handle, clock, kpi_gauges};

mod days;
mod life;

pub(crate) use days::{history, unseen};
pub(crate) use life::{Lately, last_sign};

/// How often we write down that we live.
const ALIVE_EVERY: Duration = Duration::from_secs(30);
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

/// When sites are open, where that is set.
pub(crate) async fn opening_hours(store: &Store) -> Result<BTreeMap<SiteKey, Hours>, Error> {
    let texts = store.site_hours().await?;
    // They were read before they were written down.
    let read = |(site, text): (SiteKey, String)| Some((site, Hours::parse(&text).ok()?));
    Ok(texts.into_iter().filter_map(read).collect())
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
            let unseen = self.unseen(until).await?;
            days.retain(|row| row.day < begin);
            for key in chargers.keys() {
                days.extend(self.fold_days(*key, begin, until, &unseen).await?.0);
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
        opening_hours(&self.store).await
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
        let now = clock::now();
        let scope = UptimeScope { charger: Some(charger), ..UptimeScope::default() };
        let begin = now - 3 * DAY_MS - MINUTE_MS;
        let ports = self.ledger(scope, begin, now).await?;
        let tallies = |from, until| ports.iter().map(|port| port.tally(from, until)).collect();
        Ok(Burn::of(target_percent, now, tallies))
    }
}

/// The last sign of life of one that stops in order.
pub(crate) async fn farewell(inner: &Inner) {
    if let Err(error) = life::tell(inner, clock::now()).await {
        tracing::debug!(%error, "our last sign of life was not written down");
    }
}

/// Notes the gap between our last sign of life and our start, then lives: signs of life, and the
/// ledgers' days as they end.
pub(crate) async fn run(inner: Arc<Inner>) {
    while let Err(error) = note_stop(&inner).await {
        // Without it every charger would have been where it was all the time.
        tracing::warn!(%error, "our own outage could not be written down yet");
        tokio::time::sleep(ALIVE_EVERY).await;
    }
    let mut rounds = Rounds::default();
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
        if let Err(error) = burn::look(&mut rounds, &inner, now).await {
            tracing::debug!(%error, "budgets of uptime wait for the database");
        }
        if measured_at.is_none_or(|at| now.since_ms(at) >= kpi_gauges::EVERY_MS) {
            measured_at = Some(now);
            if let Err(error) = Handle(Arc::clone(&inner)).measure_kpis(now).await {
                tracing::debug!(%error, "figures of charging wait for the database");
            }
        }
        // A database that is away is told of elsewhere; the next turn tries again.
        if let Err(error) = life::tell(&inner, now).await {
            tracing::debug!(%error, "our sign of life was not written down");
        }
        if let Err(error) = inner.kpis.flush(&inner.store).await {
            tracing::debug!(%error, "figures of charging wait for the database");
        }
        if let Err(error) = inner.fold_all(now).await {
            tracing::warn!(%error, "the uptime ledgers could not be folded");
        }
        if let Err(error) = inner.mend_lately(now).await {
            tracing::warn!(%error, "what chargers told late waits for the database");
        }
        tokio::time::sleep(ALIVE_EVERY).await;
    }
}

/// Writes down when we did not run, if we did before.
async fn note_stop(inner: &Inner) -> Result<(), Error> {
    if let Some(stop) = life::last_stop(inner).await? {
        inner.store.add_server_gap(&stop).await?;
    }
    life::tell(inner, clock::now()).await
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

    /// Mends the ledgers of days that chargers told more of since they were folded. It is done every
    /// minute; whoever cannot wait asks for it, once what was told is on disk.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn mend_uptime(&self) -> Result<(), Error> {
        let now = clock::now();
        self.0.mend_lately(now).await?;
        self.0.mend_lately(now).await
    }

    /// Folds the days of a charger anew and writes them down: after its history was mended.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn refold_uptime(&self, charger: ChargerKey, days: i64) -> Result<(), Error> {
        let now = clock::now();
        let (from, today) = (day_of(now) - days * DAY_MS, day_of(now));
        let unseen = self.0.unseen(today).await?;
        let (rows, _) = self.0.fold_days(charger, from, today, &unseen).await?;
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
