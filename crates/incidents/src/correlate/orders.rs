//! What the overseer orders, and incidents about more than a charger.

use mendpoint_model::{Actor, Breadth, Chargers, Incident, IncidentId, Ties};

use super::{FLEET_BLIND, SITE_OUTAGE};
use crate::case::{Case, Line};
use crate::duration::duration_words;
use crate::effect::{Effect, Evidence};
use crate::engine::{Cx, Engine};
use crate::overseer::{Order, ReportKind, Wide};

/// The label of rules whose incidents are for those who run Mendpoint.
const PLATFORM: &str = "platform";

impl Engine {
    /// Does what the overseer orders.
    pub fn direct(
        &mut self,
        now: mendpoint_model::UnixMs,
        order: Order,
        fleet: &dyn Chargers,
        out: &mut Vec<Effect>,
    ) {
        let cx = Cx { now, fleet, frame: 0, from: None };
        self.do_order(&cx, order);
        self.run_due(&cx);
        self.flush(now, out);
    }

    fn do_order(&mut self, cx: &Cx<'_>, order: Order) {
        match order {
            Order::Open(wide) => {
                let (rule, breadth, code) =
                    (wide.rule.clone(), wide.breadth.clone(), wide.code.clone());
                let (charger, site) = (wide.charger, wide.site);
                let incident = self.open_wide(cx, *wide);
                let kind = ReportKind::Opened { rule, breadth, code, incident };
                self.tell(charger, site, cx.now, kind);
            }
            Order::Update { incident, outage } => self.set_outage(incident, *outage),
            Order::Close { incident, words, outage } => {
                if let Some(outage) = outage {
                    self.set_outage(incident, *outage);
                }
                let open = |case: &Case| !case.incident.state.is_over();
                if self.cases.get(&incident).is_some_and(open) {
                    self.resolve(cx, incident, &words, &Actor::Engine, Some(Evidence::Cleared));
                    self.tend(cx, incident);
                }
            }
            Order::Cover { incident, chargers: None } => {
                self.correlation.fleet_cover = Some(incident);
                let mut keys: Vec<_> = self.watches.keys().copied().collect();
                keys.sort_unstable();
                for key in keys {
                    self.inhibit_links(cx, key, incident);
                }
                self.review_sites(cx);
            }
            Order::Cover { incident, chargers: Some(chargers) } => {
                for key in chargers {
                    if self.watches.contains_key(&key) {
                        self.correlation.covers.insert(key, incident);
                        self.inhibit_links(cx, key, incident);
                    }
                }
                self.review_sites(cx);
            }
            Order::Release { incident } => {
                if self.correlation.fleet_cover == Some(incident) {
                    self.correlation.fleet_cover = None;
                }
                self.correlation.covers.retain(|_, by| *by != incident);
                self.release_children(cx, incident);
                self.review_sites(cx);
            }
            Order::Hold { on } => {
                self.correlation.hold = on;
                self.say_hold(cx, on);
            }
            Order::Vehicle { suspect, suspected } => {
                // Every shard is told; who writes it down knows it once.
                self.tail.push(Effect::Vehicle(suspect.clone(), suspected));
                if suspected {
                    self.correlation.vehicles.insert(suspect.token.clone());
                    self.blame_vehicle(cx, &suspect);
                } else {
                    self.correlation.vehicles.remove(&suspect.token);
                }
            }
            // For those who read them; rules compare by what `cohort.rs` counts.
            Order::Rates(_) => {}
        }
    }

    /// Healing that is under way says why it waits, and goes on afterwards.
    fn say_hold(&mut self, cx: &Cx<'_>, on: bool) {
        let ids: Vec<IncidentId> = self
            .cases
            .values()
            .filter(|case| case.run.active)
            .map(|case| case.incident.id)
            .collect();
        for id in ids {
            let line = if on {
                Line::new("healing_held", "Healing waits: much of the fleet vanished at once (G11)")
            } else {
                Line::new("healing_resumed", "Healing goes on: the fleet is seen again (G11)")
            };
            self.say(cx, id, line);
            self.tend(cx, id);
        }
    }

    /// Opens an incident about more than a charger.
    pub(crate) fn open_wide(&mut self, cx: &Cx<'_>, wide: Wide) -> IncidentId {
        let id = IncidentId(self.ids.take());
        let lasted = duration_words(cx.now.since_ms(wide.began_at).max(0));
        let group = super::group::name(wide.site, &wide.rule);
        let line = Line::new("opened", format!("Opened: {}", wide.title))
            .text(format!("{} Seen for {lasted}.", wide.description));
        let mut incident = Incident {
            rule_version: wide.version,
            severity: wide.severity,
            code: wide.code,
            title: wide.title,
            description: wide.description,
            began_at: wide.began_at,
            needs_person: wide.ask_after_ms == 0,
            ties: Ties { breadth: wide.breadth, group, ..Ties::default() },
            ..Incident::opened(id, &wide.rule, wide.charger, wide.site, cx.now)
        };
        incident.ties.outage = wide.outage.map(Box::new);
        incident.ties.regression = wide.regression.map(Box::new);
        let mut case = Case::new(incident, None);
        if wide.ask_after_ms > 0 {
            let at = cx.now + wide.ask_after_ms;
            case.escalate_at = Some(at);
            case.will_ask(at);
        }
        self.cases.insert(id, case);
        self.say(cx, id, line);
        self.group_in(cx, id);
        self.inhibit_grid(cx, id);
        self.tend(cx, id);
        id
    }

    /// Takes a wide incident up after a restart.
    pub(crate) fn take_up_wide(&mut self, cx: &Cx<'_>, incident: Incident) {
        let id = incident.id;
        let over = incident.state.is_over();
        let is_site = incident.rule == SITE_OUTAGE;
        let patience_ms = if is_site {
            Some(self.settings.correlation.site_escalate_ms)
        } else {
            self.wide_patience_ms(&incident).filter(|ms| *ms > 0)
        };
        let mut case = Case::new(incident, None);
        case.ticket_asked = case.incident.ticket.is_some();
        if let Some(patience_ms) = patience_ms
            && !over
            && case.incident.ticket.is_none()
        {
            let at = case.incident.opened_at + patience_ms;
            case.escalate_at = Some(at.max(self.grace_until));
        }
        self.cases.insert(id, case);
        if is_site && !over {
            self.restore_site(cx, id);
        }
    }

    /// A wide incident is over: whoever goes by it must know.
    pub(crate) fn wide_over(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(incident) = self.cases.get(&id).map(|case| &case.incident) else { return };
        match &incident.ties.breadth {
            Breadth::Charger => {}
            Breadth::Site if incident.rule == SITE_OUTAGE => self.site_ended(id),
            breadth => {
                let (rule, code) = (incident.rule.as_str().into(), incident.code.clone());
                let kind = ReportKind::Ended { rule, breadth: breadth.clone(), code };
                let (charger, site) = (incident.charger, incident.site);
                self.tell(charger, site, cx.now, kind);
            }
        }
    }

    /// Why nothing is sent to anybody, by order of the overseer.
    pub(crate) fn fleet_hold(&self) -> Option<&'static str> {
        const WHY: &str = "many chargers vanished at once, so nothing is sent (G11)";
        self.correlation.hold.then_some(WHY)
    }

    /// Whether a page about an incident goes to the platform's people.
    pub(crate) fn is_platforms(&self, rule: &str) -> bool {
        let is_labelled = |place: u16| {
            self.program.rules[usize::from(place)].labels.iter().any(|label| label == PLATFORM)
        };
        rule == FLEET_BLIND || self.program.place(rule).is_some_and(is_labelled)
    }
}
