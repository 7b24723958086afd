//! What no shard can see alone (1.7): carriers, cohorts of one firmware, vehicles, the whole fleet.
//!
//! A shard owns whole sites, so a site's outage is decided inside it. Everything wider is decided
//! here: shards tell in compact [`Report`]s what happened, and are told in [`Directive`]s what to
//! make of it. The overseer writes nothing itself; its incidents are opened by the shard of the
//! first charger concerned, which owns them like any other.
//!
//! Pure, like the engine: the same reports in the same order give the same directives. Reports of
//! one moment are weighed together, when that moment is over, so that their order does not matter.

mod blind;
mod burst;
mod carrier;
mod census;
mod cohort;
mod headline;
mod report;
mod seen;
mod settings;
mod statistics;
#[cfg(test)]
mod tests;
mod vehicle;

use std::collections::BTreeMap;

use mendpoint_model::{Breadth, ChargerKey, Incident, IncidentId, SiteKey, UnixMs};

pub use carrier::carrier_of;
pub use census::{PlaceOf, UsualRow, WideCount, WideRule};
pub use cohort::CohortRate;
pub use report::{Directive, Order, Report, ReportKind, Target, Wide};
pub use settings::OverseerSettings;
pub use statistics::{holm, rate_p};
pub use vehicle::VehicleSuspect;

pub(crate) use headline::headline;

use blind::Blind;
use carrier::Carriers;
use census::{Census, place_in};
use cohort::Cohorts;
use seen::Fleet;
use vehicle::Vehicles;

/// Sees beyond a shard. See the module.
#[derive(Debug)]
pub struct Overseer {
    settings: OverseerSettings,
    fleet: Fleet,
    blind: Blind,
    carriers: Carriers,
    cohorts: Cohorts,
    vehicles: Vehicles,
    census: Census,
    /// Wide incidents that are open, with the shard's site and the number it gave them.
    opened: BTreeMap<Breadth, BTreeMap<String, Opened>>,
    /// Before this moment nothing wide is opened (startup grace).
    grace_until: UnixMs,
    /// When something is to be looked at.
    look_at: Option<UnixMs>,
}

/// A wide incident that a shard was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    site: SiteKey,
    /// `None`: the shard has not answered yet.
    id: Option<IncidentId>,
}

impl Overseer {
    /// One that knows of no charger yet.
    pub fn new(settings: OverseerSettings) -> Self {
        Self {
            fleet: Fleet::default(),
            blind: Blind::default(),
            carriers: Carriers::default(),
            cohorts: Cohorts::default(),
            vehicles: Vehicles::default(),
            census: Census::default(),
            opened: BTreeMap::new(),
            grace_until: UnixMs(i64::MIN),
            look_at: None,
            settings,
        }
    }

    /// One that goes with an engine of these settings.
    pub fn beside(engine: &crate::EngineSettings) -> Self {
        Self::new(engine.correlation.scaled(
            engine.pace,
            &engine.guardrails,
            engine.startup_grace_ms,
        ))
    }

    /// Goes on after a restart of ours: with the wide incidents that are open. Chargers that come
    /// back now were not lost, and nothing wide is opened until the grace is over.
    pub fn restore(&mut self, now: UnixMs, incidents: &[Incident]) {
        self.grace_until = now + self.settings.startup_grace_ms;
        for incident in incidents.iter().filter(|incident| !incident.state.is_over()) {
            if !is_built_in(&incident.rule) {
                let opened = Opened { site: incident.site, id: Some(incident.id) };
                self.restore_census(incident, opened);
                continue;
            }
            match &incident.ties.breadth {
                Breadth::Charger | Breadth::Site => continue,
                Breadth::Fleet => self.blind.restore(incident),
                Breadth::Carrier(carrier) => self.carriers.restore(now, carrier, incident),
                Breadth::Cohort(cohort) => self.cohorts.restore(cohort, incident),
            }
            let opened = Opened { site: incident.site, id: Some(incident.id) };
            self.opened
                .entry(incident.ties.breadth.clone())
                .or_default()
                .insert(incident.code.clone(), opened);
        }
        self.wake(now + 1);
    }

    /// The one that a start of ours would make of what this one knows: rates of codes and firmware,
    /// vehicles, and what is usual at places are kept; who is there is learned anew.
    #[must_use]
    pub fn restarted(self) -> Self {
        let (since, rows) = self.usual();
        let Self { settings, cohorts, vehicles, .. } = self;
        let mut overseer = Self { cohorts, vehicles, ..Self::new(settings) };
        overseer.remember_usual(since, rows);
        overseer
    }

    /// We do not run until then: see [`Engine::expect_stop`](crate::Engine::expect_stop).
    pub fn expect_stop(&mut self, until: UnixMs) {
        self.grace_until = self.grace_until.max(until + self.settings.startup_grace_ms);
    }

    /// What was known of a charger's past before a restart: an alert of a code at a time.
    pub fn remember_alert(&mut self, charger: ChargerKey, code: &str, at: UnixMs) {
        self.cohorts.remember(charger, code, at);
    }

    /// What was known of a charger's past before a restart: its firmware and since when.
    pub fn remember_firmware(
        &mut self,
        charger: ChargerKey,
        cohort: &mendpoint_model::Cohort,
        since: UnixMs,
    ) {
        self.cohorts.note_firmware(charger, cohort, 1, since);
    }

    /// A card is erased: nothing is known of it any more. Gives the suspect that it was.
    pub fn forget_vehicle(&mut self, token: &str) -> Option<VehicleSuspect> {
        self.vehicles.forget(token)
    }

    /// A vehicle that was suspected before a restart.
    pub fn remember_vehicle(&mut self, suspect: VehicleSuspect) {
        self.vehicles.restore(suspect);
    }

    /// Takes in a report. What follows from it comes with [`Overseer::advance`].
    pub fn report(&mut self, report: Report) {
        let Report { at, charger, site, kind } = report;
        self.wake(at + 1);
        match kind {
            ReportKind::Known { cohort, carrier, connectors, online } => {
                self.fleet.known(charger, site, carrier.as_deref(), online, at);
                if let Some(cohort) = cohort {
                    self.cohorts.note_firmware(charger, &cohort, connectors, at);
                }
            }
            ReportKind::Up => {
                self.fleet.up(charger, site, at);
                self.blind.up(charger);
                self.carriers.up(charger, &self.fleet);
            }
            ReportKind::Down => {
                self.fleet.down(charger, site, at);
                self.blind.down(charger, at);
                self.carriers.down(charger, at, &self.fleet);
            }
            ReportKind::Alert { code } => self.cohorts.alert(charger, &code, at),
            ReportKind::ChargeFailed { token } => self.vehicles.failed(charger, site, &token, at),
            ReportKind::ChargeWorked { token } => self.vehicles.worked(charger, &token, at),
            ReportKind::Gone => {
                self.fleet.gone(charger);
                self.blind.up(charger);
                self.carriers.gone(charger);
                self.cohorts.gone(charger);
                self.census.gone(charger, at);
            }
            ReportKind::Member { rule, at: connector, since, shows } => {
                self.note_member(&rule, (charger, site), (connector, since, shows), at);
            }
            ReportKind::Counted { rule } => self.note_counted(&rule, (charger, site), at),
            ReportKind::WideRules(ids) => self.census.set_rules(&ids, at),
            ReportKind::Opened { rule, breadth, incident, .. } if !is_built_in(&rule) => {
                if let Some(place) = place_in(&breadth, site) {
                    self.census_opened(&(rule, place), incident);
                }
            }
            ReportKind::Ended { rule, breadth, .. } if !is_built_in(&rule) => {
                if let Some(place) = place_in(&breadth, site) {
                    self.census_ended(&(rule, place));
                }
            }
            ReportKind::Opened { breadth, code, incident, .. } => {
                if let Some(opened) =
                    self.opened.get_mut(&breadth).and_then(|codes| codes.get_mut(&code))
                {
                    opened.id = Some(incident);
                }
            }
            ReportKind::Ended { breadth, code, .. } => {
                // A person ended it: nothing is covered by it any more.
                match &breadth {
                    Breadth::Fleet => self.blind.ended_by_hand(at),
                    Breadth::Carrier(carrier) => self.carriers.ended_by_hand(carrier),
                    Breadth::Cohort(cohort) => self.cohorts.ended_by_hand(cohort, &code, at),
                    Breadth::Charger | Breadth::Site => {}
                }
            }
        }
    }

    /// Whether a charger is not known to have this firmware.
    pub fn is_news(&self, charger: ChargerKey, cohort: &mendpoint_model::Cohort) -> bool {
        self.cohorts.is_news(charger, cohort)
    }

    /// When [`Overseer::advance`] is next needed.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        self.look_at
    }

    /// Weighs what was reported before `now`.
    pub fn advance(&mut self, now: UnixMs, out: &mut Vec<Directive>) {
        if self.look_at.is_none_or(|at| at > now) {
            return;
        }
        self.look_at = None;
        let mut wakes = [None; 5];
        wakes[0] = self.look_at_fleet(now, out);
        wakes[1] = self.look_at_carriers(now, out);
        wakes[2] = self.look_at_cohorts(now, out);
        wakes[3] = self.look_at_vehicles(now, out);
        wakes[4] = self.look_at_census(now, out);
        if let Some(at) = wakes.into_iter().flatten().min() {
            self.wake(at.max(now + 1));
        }
    }

    /// Alerts per 1,000 connector-hours of every vendor, model and firmware in the last 24 hours.
    pub fn cohort_rates(&self, now: UnixMs) -> Vec<CohortRate> {
        self.cohorts.rates(now, &self.settings)
    }

    /// Vehicles that fail at several sites where others charge.
    pub fn vehicles(&self) -> impl Iterator<Item = &VehicleSuspect> {
        self.vehicles.suspects()
    }

    fn wake(&mut self, at: UnixMs) {
        self.look_at = Some(self.look_at.map_or(at, |other| other.min(at)));
    }

    /// Asks the shard of a charger for an incident, once.
    fn open(&mut self, wide: Wide, out: &mut Vec<Directive>) {
        let codes = self.opened.entry(wide.breadth.clone()).or_default();
        if codes.contains_key(&wide.code) {
            return;
        }
        codes.insert(wide.code.clone(), Opened { site: wide.site, id: None });
        out.push(Directive { to: Target::Site(wide.site), order: Order::Open(Box::new(wide)) });
    }

    fn opened(&self, breadth: &Breadth, code: &str) -> Option<Opened> {
        self.opened.get(breadth)?.get(code).copied()
    }

    fn forget_opened(&mut self, breadth: &Breadth, code: &str) {
        if let Some(codes) = self.opened.get_mut(breadth) {
            codes.remove(code);
            if codes.is_empty() {
                self.opened.remove(breadth);
            }
        }
    }
}

/// Whether a wide rule is part of the program, and not of a file.
fn is_built_in(rule: &str) -> bool {
    crate::correlate::BUILT_IN.iter().any(|(id, ..)| *id == rule)
}
