//! The figures of charging and healing: what is counted by charger and day, and what is made of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mendpoint_incidents::{AttemptEnded, HealFigures, VisitEnded};
use mendpoint_model::{ChargeFigures, ChargerKey, DAY_MS, Incident, SiteKey, UnixMs};
use mendpoint_store::{ChargeDayRow, IncidentFilter, PAGE_MAX, Store};

use crate::{Error, Handle};

/// Days of chargers that were counted since the last time they were written down. Sums of a day are
/// written whole, so that writing them twice changes nothing.
#[derive(Debug, Default)]
pub(crate) struct KpiBook {
    days: Mutex<BTreeMap<(ChargerKey, UnixMs), ChargeFigures>>,
    /// One adds at a time: sums are read, added to and written.
    adding: tokio::sync::Mutex<()>,
}

fn day_of(at: UnixMs) -> UnixMs {
    UnixMs(at.0.div_euclid(DAY_MS) * DAY_MS)
}

impl KpiBook {
    fn count(&self, charger: ChargerKey, at: UnixMs, count: impl FnOnce(&mut ChargeFigures)) {
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        count(days.entry((charger, day_of(at))).or_default());
    }

    /// An attempt is over.
    pub(crate) fn attempt(&self, ended: &AttemptEnded) {
        self.count(ended.charger, ended.began_at, |figures| ended.count_in(figures));
    }

    /// A visit is over.
    pub(crate) fn visit(&self, ended: &VisitEnded) {
        self.count(ended.charger, ended.began_at, |figures| ended.count_in(figures));
    }

    /// Adds what was counted to what is kept; put back when the database does not take it.
    pub(crate) async fn flush(&self, store: &Store) -> Result<(), Error> {
        let _alone = self.adding.lock().await;
        let counted = {
            let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *days)
        };
        let Some((first, last)) = counted
            .keys()
            .map(|(_, day)| *day)
            .min()
            .zip(counted.keys().map(|(_, day)| *day).max())
        else {
            return Ok(());
        };
        let written = async {
            let kept = store.charge_days(first, last + DAY_MS, None).await?;
            let kept: BTreeMap<_, _> =
                kept.into_iter().map(|row| ((row.charger, row.day), row)).collect();
            let rows: Vec<ChargeDayRow> = counted
                .iter()
                .map(|((charger, day), figures)| {
                    let row = kept.get(&(*charger, *day));
                    let mut sum = row.map(|row| row.figures).unwrap_or_default();
                    sum += *figures;
                    ChargeDayRow { charger: *charger, day: *day, figures: sum }
                })
                .collect();
            store.put_charge_days(&rows).await
        };
        if let Err(error) = written.await {
            let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, figures) in counted {
                *days.entry(key).or_default() += figures;
            }
            return Err(error.into());
        }
        Ok(())
    }
}

/// Figures of a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kpis {
    /// Charging.
    pub charging: ChargeFigures,
    /// Incidents.
    pub healing: HealFigures,
}

/// What figures are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KpiBy {
    /// Days.
    Day,
    /// Sites.
    Site,
    /// Vendor and model.
    Model,
}

impl KpiBy {
    /// The word for it in addresses and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Site => "site",
            Self::Model => "model",
        }
    }

    /// What a word means; nothing is meant by days.
    ///
    /// # Errors
    /// A sentence with the words there are.
    pub fn from_name(name: &str) -> Result<Self, String> {
        match name {
            "" | "day" => Ok(Self::Day),
            "site" => Ok(Self::Site),
            "model" => Ok(Self::Model),
            other => Err(format!("`by` is day, site or model, not {other:?}")),
        }
    }
}

impl Handle {
    /// Figures of a range, of one site or all, by what tells them apart, in its order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn kpis(
        &self,
        from: UnixMs,
        until: UnixMs,
        site: Option<SiteKey>,
        by: KpiBy,
    ) -> Result<BTreeMap<String, Kpis>, Error> {
        let inner = &self.0;
        if let Err(error) = inner.kpis.flush(&inner.store).await {
            tracing::debug!(%error, "figures of charging wait for the database");
        }
        let name = |charger: ChargerKey, at: UnixMs| -> String {
            let record = inner.directory.charger(charger);
            match by {
                KpiBy::Day => at.to_string().chars().take(10).collect(),
                KpiBy::Site => record
                    .and_then(|record| inner.directory.site(record.site))
                    .map_or_else(|| "gone".to_owned(), |site| site.name.clone()),
                KpiBy::Model => record.map_or_else(
                    || "gone".to_owned(),
                    |record| format!("{} {}", record.vendor, record.model).trim().to_owned(),
                ),
            }
        };
        let mut kpis: BTreeMap<String, Kpis> = BTreeMap::new();
        for row in inner.store.charge_days(from, until, site).await? {
            kpis.entry(name(row.charger, row.day)).or_default().charging += row.figures;
        }
        let mut incidents: BTreeMap<String, Vec<Incident>> = BTreeMap::new();
        let filter = IncidentFilter { site, ..IncidentFilter::default() };
        let mut cursor = None;
        'pages: loop {
            let (rows, next) = inner.store.incidents(&filter, cursor, PAGE_MAX).await?;
            for incident in rows {
                if incident.opened_at < from {
                    break 'pages;
                }
                if incident.opened_at < until {
                    let name = name(incident.charger, incident.opened_at);
                    incidents.entry(name).or_default().push(incident);
                }
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        for (name, incidents) in incidents {
            kpis.entry(name).or_default().healing = HealFigures::of(&incidents);
        }
        Ok(kpis)
    }
}
