//! Rules about a site, a cohort or the fleet, as a shard sees them: which of its chargers show it.
//!
//! A charger's alert of such a rule opens nothing. It is told to the overseer, which counts all of them
//! (see [`crate::overseer`]), and so is what a wide rule counts.

use std::sync::Arc;

use mendpoint_model::{ChargerKey, ConnectorRef, Incident, IncidentId, SiteKey, UnixMs};

use crate::alert::Phase;
use crate::engine::{Cx, Engine};
use crate::overseer::{ReportKind, WideRule};
use crate::timers::Timer;

/// What the alert of a wide rule fires for: no incident of its own. Numbers of incidents begin at 1.
pub(crate) const NOBODYS: IncidentId = IncidentId(0);

impl Engine {
    /// A charger shows what a wide rule looks for.
    pub(crate) fn member_fires(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        (place, at): (u16, ConnectorRef),
        began: UnixMs,
    ) {
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let Some(index) = watch.alert(place, at) else { return };
        let alert = &mut watch.alerts[index];
        alert.phase = Phase::Firing(NOBODYS);
        alert.began = Some(began);
        alert.holding = true;
        alert.gone_at = None;
        alert.clear_since.fill(None);
        alert.clear_counts.fill(0);
        self.timers.set(&mut alert.armed, Timer::Alert(key, place, at), Some(cx.now + 1));
        self.tell_member(cx.now, key, (place, at), began, true);
    }

    /// It shows it no more.
    pub(crate) fn member_over(
        &mut self,
        now: UnixMs,
        key: ChargerKey,
        place: u16,
        at: ConnectorRef,
    ) {
        self.leave_place(key, place, at);
        self.tell_member(now, key, (place, at), now, false);
    }

    fn tell_member(
        &mut self,
        now: UnixMs,
        key: ChargerKey,
        (place, at): (u16, ConnectorRef),
        since: UnixMs,
        shows: bool,
    ) {
        let Some((rule, site)) = self.wide_rule(key, place) else { return };
        self.tell(key, site, now, ReportKind::Member { rule, at, since, shows });
    }

    /// A wide rule with the numbers that hold where a charger stands, and its site.
    fn wide_rule(&self, key: ChargerKey, place: u16) -> Option<(Arc<WideRule>, SiteKey)> {
        let rule = self.program.wide[usize::from(place)].as_ref()?;
        let watch = self.watches.get(&key)?;
        let own = watch.own_rule(place).and_then(|own| own.wide());
        Some((own.map_or_else(|| Arc::clone(rule), Arc::new), watch.site))
    }

    /// Something happened that a wide rule counts.
    pub(crate) fn tell_counted(&mut self, cx: &Cx<'_>, key: ChargerKey, place: u16) {
        let Some((rule, site)) = self.wide_rule(key, place) else { return };
        self.tell(key, site, cx.now, ReportKind::Counted { rule });
    }

    /// Other rules: what the overseer counts for those that are gone is over.
    pub(crate) fn tell_wide_rules(&mut self, now: UnixMs) {
        let ids = self.program.wide_ids();
        self.tell(
            ChargerKey::default(),
            SiteKey::default(),
            now,
            ReportKind::WideRules(ids.into()),
        );
    }

    /// How long nobody is asked about a wide incident of a rule; `None` for what is built in.
    pub(crate) fn wide_patience_ms(&self, incident: &Incident) -> Option<i64> {
        let place = self.program.place(&incident.rule)?;
        let rule = self.program.wide[usize::from(place)].as_ref()?;
        let watch = self.watches.get(&incident.charger);
        let own = watch.and_then(|watch| watch.own_rule(place));
        Some(own.map_or(rule.escalate_after_ms, |own| own.escalate_after_ms))
    }
}
