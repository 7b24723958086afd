//! What belongs together (1.7, 1.8), as far as one shard sees it: the outage of a site, what an
//! incident explains of others, groups, flapping, and what people merge.
//!
//! What goes beyond a shard is decided by the [`Overseer`](crate::overseer::Overseer): the engine
//! tells it [`Report`]s and does what its [`Directive`](crate::overseer::Directive)s say.

mod charges;
mod damp;
mod family;
mod grid;
mod group;
mod inhibit;
mod merge;
mod orders;
mod raise;
mod site;
mod suggest;
mod wide;

use std::collections::BTreeMap;

use mendpoint_model::{
    ChargerEvent, ChargerKey, Cohort, ConnectorRef, Fact, IncidentId, SiteKey, Ties, UnixMs,
    is_our_stop,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::attempts::{AttemptNews, NewsKind};
use crate::engine::{Cx, Engine};
use crate::overseer::{Report, ReportKind, carrier_of};

pub use family::Family;
pub use group::{Audience, Notice, NoticeKind};
pub use suggest::{MergeHabit, Suggestion, suggestions};

pub(crate) use damp::Damper;
pub(crate) use group::GroupKey;
pub(crate) use inhibit::Paused;
pub(crate) use site::Habit;
pub(crate) use wide::NOBODYS;

/// Chargers of one site that went away together.
pub const SITE_OUTAGE: &str = "SITE_OUTAGE";
/// Chargers behind one mobile network that went away together.
pub const CARRIER_OUTAGE: &str = "CARRIER_OUTAGE";
/// Much of the fleet that went away together.
pub const FLEET_BLIND: &str = "FLEET_BLIND";
/// A firmware that fails more often than the one before it.
pub const FW_REGRESSION: &str = "FW_REGRESSION";

/// The rules that are built in: id, name and what they look for, for the page of rules.
pub const BUILT_IN: [(&str, &str, &str); 4] = [
    (
        SITE_OUTAGE,
        "Outage of a site",
        "At least 2 chargers and 60 % of a site's online ones lose their connection within 120 s",
    ),
    (
        CARRIER_OUTAGE,
        "Outage of a mobile network",
        "At least 10 chargers at 3 sites with SIM cards of one operator lose their connection within 5 min",
    ),
    (FLEET_BLIND, "Fleet blind", "More than 20 % of the fleet loses its connection within 60 s"),
    (
        FW_REGRESSION,
        "Firmware regression",
        "The same fault on at least 3 of 5 chargers of one firmware in 24 h, at least 3 times as often \
         as with the firmware before (p < 0.01)",
    ),
];

/// The ties of an incident that is opened by a rule.
pub(crate) fn ties_of(site: SiteKey, rule: &str) -> Ties {
    Ties { group: group::name(site, rule), ..Ties::default() }
}

/// What the engine keeps for all this.
#[derive(Clone, Debug, Default)]
pub(crate) struct Correlation {
    sites: BTreeMap<SiteKey, site::SiteWatch>,
    /// The incident that explains every lost connection.
    fleet_cover: Option<IncidentId>,
    /// Those that explain the lost connection of single chargers.
    covers: FxHashMap<ChargerKey, IncidentId>,
    /// Alerts that wait for the end of an incident, by that incident.
    held: BTreeMap<IncidentId, Vec<(ChargerKey, u16, ConnectorRef)>>,
    groups: BTreeMap<GroupKey, group::Group>,
    /// Cards and vehicles whose failures are their own.
    vehicles: FxHashSet<Box<str>>,
    /// Nothing is sent to anybody (G11).
    pub(crate) hold: bool,
    pub(crate) reports: Vec<Report>,
}

impl Engine {
    /// Takes in what an event says of the connection, before the rules do.
    pub(crate) fn note_link(&mut self, cx: &Cx<'_>, event: &ChargerEvent, facts: &[Fact]) {
        for fact in facts {
            match fact {
                // We stop: nobody lost anything.
                Fact::LinkDown { reason } if is_our_stop(reason) => {}
                Fact::LinkDown { .. } => {
                    self.tell(event.charger, event.site, cx.now, ReportKind::Down);
                    self.site_lost(cx, event.site, event.charger);
                }
                Fact::LinkUp { .. } => {
                    self.tell(event.charger, event.site, cx.now, ReportKind::Up);
                    self.site_back(cx, event.site, event.charger);
                }
                Fact::Booted { changed } => {
                    let is_first = !self.watches.contains_key(&event.charger);
                    self.site_boot(cx, event.site, event.charger);
                    let watch = self.watches.entry(event.charger).or_default();
                    if *changed || is_first || !watch.told_cohort {
                        watch.told_cohort = true;
                        self.tell_known(cx, event.charger);
                    }
                }
                _ => {}
            }
        }
    }

    /// Tells the overseer what a charger is.
    pub(crate) fn tell_known(&mut self, cx: &Cx<'_>, key: ChargerKey) {
        let Some(charger) = cx.fleet.charger(key) else { return };
        let boot = charger.boot.as_deref();
        let cohort = boot.map(|boot| {
            Box::new(Cohort {
                vendor: boot.vendor.clone(),
                model: boot.model.clone(),
                firmware: boot.firmware.clone().unwrap_or_default(),
            })
        });
        let kind = ReportKind::Known {
            cohort,
            carrier: boot.and_then(carrier_of),
            connectors: charger.connectors.len() as u16,
            online: charger.link.connected,
        };
        self.tell(key, charger.site, cx.now, kind);
    }

    pub(crate) fn tell(
        &mut self,
        charger: ChargerKey,
        site: SiteKey,
        at: UnixMs,
        kind: ReportKind,
    ) {
        self.correlation.reports.push(Report { at, charger, site, kind });
    }

    /// Tells the overseer of an alert: its code counts for the firmware of its charger.
    pub(crate) fn tell_alert(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(incident) = self.cases.get(&id).map(|case| &case.incident) else { return };
        let code = if incident.code.is_empty() { &incident.rule } else { &incident.code };
        let kind = ReportKind::Alert { code: code.as_str().into() };
        let (charger, site) = (incident.charger, incident.site);
        self.tell(charger, site, cx.now, kind);
    }

    /// Tells the overseer of a charge that failed or worked.
    pub(crate) fn tell_attempt(&mut self, cx: &Cx<'_>, key: ChargerKey, news: &AttemptNews) {
        if news.id_token.is_empty() {
            return;
        }
        let token = news.id_token.clone();
        let kind = match news.kind {
            NewsKind::Failed(_) => ReportKind::ChargeFailed { token },
            NewsKind::Succeeded(_) => ReportKind::ChargeWorked { token },
            NewsKind::Seen | NewsKind::Over(_) => return,
        };
        let Some(site) = self.watches.get(&key).map(|watch| watch.site) else { return };
        self.tell(key, site, cx.now, kind);
    }

    /// What there is to tell the overseer.
    pub fn take_reports(&mut self, out: &mut Vec<Report>) {
        out.append(&mut self.correlation.reports);
    }

    /// Whether a card's or vehicle's failures are its own.
    pub(crate) fn is_suspect(&self, token: &str) -> bool {
        !self.correlation.vehicles.is_empty() && self.correlation.vehicles.contains(token)
    }
}
