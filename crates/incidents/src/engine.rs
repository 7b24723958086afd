//! The engine: one per shard, a pure state machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mendpoint_model::{
    ChargerEvent, ChargerKey, ChargerState, Chargers, Command, ConnectorRef, FrameSeq, HealMode,
    Hours, Incident, IncidentId, IncidentState, Overlay, SiteKey, TimelineEntry, UnixMs,
};

use crate::attempts::AttemptTimes;
use crate::case::{Case, Fingerprint, Line};
use crate::catalogue::Catalogue;
use crate::cohort::{CohortFigures, Cohorts};
use crate::correlate::Correlation;
use crate::effect::Effect;
use crate::lag::LagStop;
use crate::memory::Wants;
use crate::permits::Permits;
use crate::power::UptimeBurn;
use crate::predicate::{Inputs, Subject};
use crate::program::Program;
use crate::request::KillScope;
use crate::rule::Rule;
use crate::settings::{EngineSettings, IdSequence};
use crate::threshold::Overrides;
use crate::timers::{Timer, Timers};
use crate::usage::Usage;
use crate::visits::Visits;
use crate::watches::Watches;

/// What one call of the engine goes by.
pub(crate) struct Cx<'a> {
    pub(crate) now: UnixMs,
    pub(crate) fleet: &'a dyn Chargers,
    /// The frame that is evidence for what is decided now; 0 for none.
    pub(crate) frame: FrameSeq,
    /// The charger the frame came from.
    pub(crate) from: Option<ChargerKey>,
}

/// How far the numbers of a rehearsal are from those of its engine.
const REHEARSED: i64 = 1 << 40;

/// Rules with thresholds of their own, by place and values; `None` where a value is refused.
pub(crate) type VariantTable = BTreeMap<(u16, BTreeMap<String, String>), Option<Arc<Rule>>>;

/// Finds what is wrong, repairs what can be repaired from afar, and hands over the rest.
///
/// It owns no clock, no socket and no database: events and moments come in, effects go out. The
/// same input gives the same effects, byte for byte.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) settings: EngineSettings,
    pub(crate) program: Arc<Program>,
    /// Thresholds that are set otherwise for some chargers.
    pub(crate) overrides: Overrides,
    /// The rules with such thresholds, by place and values: chargers share them.
    pub(crate) variants: VariantTable,
    /// What all of them look back on, and the rules as they are.
    pub(crate) wants: Wants,
    pub(crate) ids: IdSequence,
    pub(crate) watches: Watches,
    pub(crate) cases: BTreeMap<IncidentId, Case>,
    pub(crate) timers: Timers,
    pub(crate) switches: BTreeSet<KillScope>,
    /// Where people work by plan, and until when.
    maintenance: BTreeMap<KillScope, UnixMs>,
    /// When sites are open; those that are not in it always are.
    pub(crate) opening_hours: Arc<BTreeMap<SiteKey, Hours>>,
    pub(crate) correlation: Correlation,
    pub(crate) lag: LagStop,
    pub(crate) visits: Visits,
    pub(crate) visits_armed: Option<UnixMs>,
    /// Before this moment silence counts for nothing (startup grace).
    pub(crate) grace_until: UnixMs,
    /// When we started: what rules look back on is known from then on.
    pub(crate) restored_at: UnixMs,
    /// What is usual for chargers of a kind.
    pub(crate) cohorts: Cohorts,
    /// Incidents to be written when the call ends.
    pub(crate) dirty: BTreeSet<IncidentId>,
    pub(crate) lines: Vec<TimelineEntry>,
    /// What goes beyond this engine's chargers; shared with the engines of other shards.
    pub(crate) permits: Permits,
    /// Chargers that may have got into trouble, or out of it, in this call.
    pub(crate) health: BTreeSet<ChargerKey>,
    /// Whether the permits may have something to be remembered.
    pub(crate) has_news: bool,
    /// What comes after incidents and lines: commands, tickets.
    pub(crate) tail: Vec<Effect>,
}

impl Engine {
    /// An engine that knows of no charger and no incident yet.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers share one catalogue and give every engine its own settings"
    )]
    pub fn new(catalogue: Arc<Catalogue>, settings: EngineSettings, ids: IdSequence) -> Self {
        let permits = Permits::new(&settings);
        let settings = settings.scaled();
        let program = Arc::new(Program::new(&catalogue, &settings));
        Self {
            settings,
            wants: program.wants.clone(),
            program,
            overrides: Overrides::default(),
            variants: BTreeMap::new(),
            ids,
            watches: Watches::default(),
            cases: BTreeMap::new(),
            timers: Timers::default(),
            switches: BTreeSet::new(),
            maintenance: BTreeMap::new(),
            opening_hours: Arc::default(),
            correlation: Correlation::default(),
            lag: LagStop::default(),
            visits: Visits::default(),
            visits_armed: None,
            grace_until: UnixMs(i64::MIN),
            restored_at: UnixMs(i64::MIN),
            cohorts: Cohorts::default(),
            dirty: BTreeSet::new(),
            lines: Vec::new(),
            permits,
            health: BTreeSet::new(),
            has_news: false,
            tail: Vec::new(),
        }
    }

    /// The same with permits that it shares with the engines of other shards.
    #[must_use]
    pub fn with_permits(mut self, permits: Permits) -> Self {
        self.permits = permits;
        self
    }

    /// An engine that knows all that this one does and goes on by itself, to see what other rules would
    /// do: it may only write down what it would send (G10), and shares nothing with this one.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        let mode = match self.settings.default_mode {
            HealMode::Off => HealMode::Off,
            _ => HealMode::Shadow,
        };
        // They are scaled already.
        let settings = EngineSettings { pace: 1.0, ..self.settings.clone() };
        Self {
            permits: Permits::new(&settings),
            // No incident of the other has such a number.
            ids: IdSequence { next: self.ids.next + REHEARSED, step: self.ids.step },
            settings: EngineSettings { default_mode: mode, ..self.settings.clone() },
            dirty: BTreeSet::new(),
            lines: Vec::new(),
            health: BTreeSet::new(),
            tail: Vec::new(),
            ..self.clone()
        }
    }

    /// What goes beyond this engine's chargers.
    pub fn permits(&self) -> &Permits {
        &self.permits
    }

    /// Takes in one event, after the fleet did, with the facts the fleet drew from it.
    pub fn handle(
        &mut self,
        now: UnixMs,
        event: &ChargerEvent,
        facts: &[mendpoint_model::Fact],
        fleet: &dyn Chargers,
        out: &mut Vec<Effect>,
    ) {
        let cx = Cx { now, fleet, frame: event.frame, from: Some(event.charger) };
        if !facts.is_empty() {
            self.note_link(&cx, event, facts);
        }
        self.take_in(&cx, event, facts);
        self.run_due(&cx);
        self.flush(now, out);
    }

    /// Whether a message that says nothing but that a charger is there may change anything. Where it
    /// may not, [`Engine::handle`] need not hear of it.
    pub fn heeds_signs_of(&mut self, charger: ChargerKey) -> bool {
        self.watches.heeds(charger)
    }

    /// Does what is due by now.
    pub fn advance(&mut self, now: UnixMs, fleet: &dyn Chargers, out: &mut Vec<Effect>) {
        let cx = Cx { now, fleet, frame: 0, from: None };
        self.run_due(&cx);
        self.flush(now, out);
    }

    /// When [`Engine::advance`] is next needed, if nothing comes in before.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        self.timers.next()
    }

    /// A charger exists: from now on its silence is seen. For chargers that are restored or
    /// registered; those that send something are known by that.
    pub fn watch(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        fleet: &dyn Chargers,
        out: &mut Vec<Effect>,
    ) {
        let cx = Cx { now, fleet, frame: 0, from: None };
        if let Some(state) = fleet.charger(charger) {
            let watch = self.watches.entry(charger).or_default();
            watch.site = state.site;
            watch.enrolled = true;
            self.enrol(now, state);
            self.tell_known(&cx, charger);
            self.note_cohort(&cx, charger);
            self.note_variants(&cx, charger);
            self.evaluate_all(&cx, charger, None, Inputs::ALL);
        }
        self.flush(now, out);
    }

    /// A charger is gone from the register: its incidents are no longer worked on.
    pub fn forget(&mut self, now: UnixMs, charger: ChargerKey) {
        self.permits.lock().leave(now, charger);
        if let Some(watch) = self.watches.remove(&charger) {
            let now = self.cohorts.counted_to(watch.cohort);
            self.cohorts.move_charger(now, watch.cohort, None);
            for id in watch.cases {
                self.cases.remove(&id);
            }
            self.site_forget(charger);
            self.tell(charger, watch.site, UnixMs(0), crate::overseer::ReportKind::Gone);
        }
    }

    /// A command of a person or of the program is on its way: remote starts are attempts (1.5 F1),
    /// resets and unlocks explain broken sessions (F5).
    pub fn note_command(&mut self, now: UnixMs, command: &Command, fleet: &dyn Chargers) {
        use mendpoint_model::Action;
        let times = self.attempt_times();
        let Some(charger) = fleet.charger(command.charger) else { return };
        let watch = self.watches.entry(command.charger).or_default();
        watch.site = charger.site;
        watch.boots.note_command(now, &command.action);
        let log = watch.attempts.get_or_insert_default();
        match &command.action {
            Action::RemoteStart { connector, id_token } => {
                let id = command.id.clone();
                log.await_start(id.clone());
                log.note_remote_start(now, id, *connector, id_token, times, charger);
            }
            Action::Reset { .. } | Action::Unlock { .. } | Action::SetAvailability { .. } => {
                log.note_our_action(now);
            }
            Action::Raw { action, .. }
                if matches!(
                    action.as_str(),
                    "RemoteStartTransaction" | "RequestStartTransaction"
                ) =>
            {
                log.await_start(command.id.clone());
            }
            _ => return,
        }
        self.arm_attempts(command.charger);
    }

    /// What this engine counted of each kind of charger, by vendor, model and firmware: to be added
    /// up with those of the other engines.
    pub fn cohort_figures(&self) -> Vec<CohortFigures> {
        self.cohorts.own()
    }

    /// Takes over what is usual in the whole fleet: from now on rules compare with that, and no
    /// longer with this engine's own chargers.
    pub fn set_cohorts(&mut self, now: UnixMs, figures: &[CohortFigures]) {
        self.cohorts.set_fleet(now, figures);
    }

    /// Takes over when a connector was used before our start, for rules about unusual silence. What
    /// was counted since is added to it.
    pub fn restore_usage(
        &mut self,
        now: UnixMs,
        (charger, connector): (ChargerKey, ConnectorRef),
        usage: &Usage,
        fleet: &dyn Chargers,
        out: &mut Vec<Effect>,
    ) {
        let wants = &self.wants;
        if !wants.usage || (connector.is_charger() && !wants.usage_of_whole) {
            return;
        }
        let watch = self.watches.entry(charger).or_default();
        let memory = watch.memory.get_or_insert_default();
        memory.join_usage(now, connector, usage, fleet.charger(charger));
        let cx = Cx { now, fleet, frame: 0, from: None };
        self.evaluate_all(&cx, charger, None, Inputs::HAPPENED);
        self.flush(now, out);
    }

    /// How fast a charger uses up its budget of uptime now, for rules about that.
    pub fn note_burn(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        burn: UptimeBurn,
        fleet: &dyn Chargers,
        out: &mut Vec<Effect>,
    ) {
        if fleet.charger(charger).is_none() {
            return;
        }
        let memory = self.watches.entry(charger).or_default().memory.get_or_insert_default();
        memory.burn = Some(Box::new(burn));
        let cx = Cx { now, fleet, frame: 0, from: None };
        self.evaluate_all(&cx, charger, None, Inputs::HAPPENED);
        self.run_due(&cx);
        self.flush(now, out);
    }

    /// The incidents that are not over, by number.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.cases.values().map(|case| &case.incident).filter(|incident| !incident.state.is_over())
    }

    /// Puts other words into what is held of incidents: `change` gives the incident as it shall be.
    pub fn amend_incidents(&mut self, change: impl Fn(&Incident) -> Option<Incident>) {
        for case in self.cases.values_mut() {
            if let Some(amended) = change(&case.incident) {
                case.incident = amended;
            }
        }
    }

    /// An incident that is not over, or not long ago was.
    pub fn incident(&self, id: IncidentId) -> Option<&Incident> {
        self.cases.get(&id).map(|case| &case.incident)
    }

    /// What the open incidents of a charger make of its cell.
    pub fn overlay(&self, charger: ChargerKey) -> Option<Overlay> {
        let watch = self.watches.get(&charger)?;
        let cases = watch.cases.iter().filter_map(|id| self.cases.get(id));
        cases
            .filter_map(|case| match case.incident.state {
                IncidentState::Resolved
                | IncidentState::Closed
                | IncidentState::RecoveredUnproven => None,
                IncidentState::Healing | IncidentState::Verifying => Some(Overlay::Healing),
                // What another incident explains shows by that.
                _ if case.incident.ties.parent().is_some() || case.calm => None,
                _ if case.incident.severity <= 4 => Some(Overlay::Faulted),
                _ => Some(Overlay::Degraded),
            })
            .max()
    }

    /// Where healing is switched off (G11).
    pub fn kill_switches(&self) -> impl Iterator<Item = &KillScope> {
        self.switches.iter()
    }

    // What the other modules share.

    /// The newest incident of a fingerprint that is over, as long as it is remembered.
    pub(crate) fn past(&self, fingerprint: &Fingerprint) -> Option<IncidentId> {
        let past = &self.watches.get(&fingerprint.charger)?.past;
        past.iter().rev().find(|(known, _)| known == fingerprint).map(|(_, id)| *id)
    }

    pub(crate) fn subject<'a>(
        &'a self,
        cx: &Cx<'_>,
        charger: &'a ChargerState,
        at: ConnectorRef,
    ) -> Subject<'a> {
        match self.watches.get(&charger.key) {
            Some(watch) => {
                Subject::watched(cx.now, charger, at, watch.signals.as_deref(), watch.calls)
                    .remembering(watch.memory.as_deref(), self.cohorts.get(watch.cohort))
            }
            None => Subject::new(cx.now, charger, at),
        }
    }

    /// Writes a line of history; the incident itself is written too.
    pub(crate) fn say(&mut self, cx: &Cx<'_>, id: IncidentId, line: Line) {
        let of = self.cases.get(&id).map(|case| case.incident.charger);
        let frame = if of.is_some() && of == cx.from { cx.frame } else { 0 };
        self.lines.push(line.entry(id, cx.now, frame));
        self.dirty.insert(id);
    }

    /// Hands out what the call decided: incidents, lines, then commands and tickets.
    pub(crate) fn flush(&mut self, now: UnixMs, out: &mut Vec<Effect>) {
        for id in std::mem::take(&mut self.dirty) {
            if let Some(case) = self.cases.get_mut(&id) {
                self.health.insert(case.incident.charger);
                case.incident.updated_at = now;
                out.push(Effect::Incident(Box::new(case.incident.clone())));
            }
        }
        if !self.health.is_empty() || self.has_news {
            self.tell_permits(now);
        }
        out.extend(self.lines.drain(..).map(Effect::Timeline));
        out.append(&mut self.tail);
    }

    pub(crate) fn run_due(&mut self, cx: &Cx<'_>) {
        while let Some(timer) = self.timers.pop(cx.now) {
            match timer {
                Timer::Alert(charger, rule, at) => {
                    if let Some(watch) = self.watches.get_mut(&charger)
                        && let Some(index) = watch.alert(rule, at)
                    {
                        watch.alerts[index].armed = None;
                        self.alert_due(cx, charger, rule, at);
                    }
                }
                Timer::Attempts(charger) => self.attempts_due(cx, charger),
                Timer::Calls(charger) => self.calls_due(cx, charger),
                Timer::Site(site) => self.site_due(cx, site),
                Timer::Group(key) => self.group_due(cx, key),
                Timer::Visits => self.visits_due(cx),
                Timer::Case(id) => {
                    if let Some(case) = self.cases.get_mut(&id) {
                        case.armed = None;
                        self.tend(cx, id);
                    }
                }
            }
        }
    }

    pub(crate) fn attempt_times(&self) -> AttemptTimes {
        AttemptTimes {
            connection_timeout_ms: self.settings.connection_timeout_ms,
            pace: self.settings.pace,
        }
    }

    /// Why nothing is sent to a charger now, by order of a person (G11).
    pub(crate) fn switched_off(&self, site: SiteKey, charger: ChargerKey) -> Option<&'static str> {
        if self.switches.contains(&KillScope::Global) {
            Some("healing is switched off everywhere")
        } else if self.switches.contains(&KillScope::Site(site)) {
            Some("healing is switched off for this site")
        } else if self.switches.contains(&KillScope::Charger(charger)) {
            Some("healing is switched off for this charger")
        } else {
            None
        }
    }

    /// Until when people work at a charger or its site by plan.
    pub(crate) fn maintenance_until(&self, site: SiteKey, charger: ChargerKey) -> Option<UnixMs> {
        let at = |scope| self.maintenance.get(&scope).copied();
        at(KillScope::Charger(charger)).max(at(KillScope::Site(site)))
    }

    /// Which sites and chargers are in planned maintenance now, and until when: all of them, over
    /// what was known before. Healing waits there; what happens is still written down.
    pub fn set_maintenance(
        &mut self,
        now: UnixMs,
        places: &[(KillScope, UnixMs)],
        fleet: &dyn Chargers,
        out: &mut Vec<Effect>,
    ) {
        let mut maintenance = BTreeMap::new();
        for (scope, until) in places {
            let known: &mut UnixMs = maintenance.entry(scope.clone()).or_insert(*until);
            *known = (*known).max(*until);
        }
        if maintenance == self.maintenance {
            return;
        }
        self.maintenance = maintenance;
        let cx = Cx { now, fleet, frame: 0, from: None };
        let active: Vec<IncidentId> =
            self.cases.iter().filter(|(_, case)| case.run.active).map(|(id, _)| *id).collect();
        for id in active {
            self.tend(&cx, id);
        }
        self.run_due(&cx);
        self.flush(now, out);
    }

    /// When sites are open: all that close at some time, over what was known before. What disturbs
    /// and can wait is done while a site is closed (G12).
    pub fn set_opening_hours(
        &mut self,
        now: UnixMs,
        hours: Arc<BTreeMap<SiteKey, Hours>>,
        fleet: &dyn Chargers,
        out: &mut Vec<Effect>,
    ) {
        if self.opening_hours == hours {
            return;
        }
        self.opening_hours = hours;
        let cx = Cx { now, fleet, frame: 0, from: None };
        let patient = |case: &Case| case.run.active && case.run.patient_until.is_some();
        let waiting: Vec<IncidentId> =
            self.cases.iter().filter(|(_, case)| patient(case)).map(|(id, _)| *id).collect();
        for id in waiting {
            self.tend(&cx, id);
        }
        self.run_due(&cx);
        self.flush(now, out);
    }

    /// How many other chargers of a site are being disturbed now (G5).
    pub(crate) fn site_running(&self, cx: &Cx<'_>, site: SiteKey, but: ChargerKey) -> usize {
        if self.settings.unassigned == Some(site) {
            return 0;
        }
        let others = cx.fleet.of_site(site).iter().filter(|key| **key != but);
        others.filter(|key| self.is_disturbed(**key)).count()
    }

    /// What a rule may do on a charger: never more than the setting for all, than that for its
    /// model, and than a rule that is new (G10).
    pub(crate) fn mode_of(
        &self,
        cx: &Cx<'_>,
        charger: ChargerKey,
        rule: &crate::rule::Rule,
    ) -> HealMode {
        let rank = |mode: HealMode| match mode {
            HealMode::Off => 0,
            HealMode::Shadow => 1,
            HealMode::Approve => 2,
            HealMode::On => 3,
        };
        let boot = cx.fleet.charger(charger).and_then(|charger| charger.boot.as_deref());
        let of_model = boot
            .filter(|_| !self.settings.models.is_empty())
            .map(|boot| (boot.vendor.to_lowercase(), boot.model.to_lowercase()))
            .and_then(|model| self.settings.models.get(&model));
        let is_new = self.permits.lock().shadow_until(cx.now, &rule.id).is_some();
        let modes = [
            Some(rule.auto_heal),
            Some(self.settings.default_mode),
            of_model.copied(),
            is_new.then_some(HealMode::Shadow),
        ];
        modes.into_iter().flatten().min_by_key(|mode| rank(*mode)).unwrap_or_default()
    }
}
