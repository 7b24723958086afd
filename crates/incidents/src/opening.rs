//! From a condition that lasted to an incident: a new one, or the one there is.

use mendpoint_model::{
    Actor, ChargerKey, ConnectorRef, HealMode, Healing, Incident, IncidentId, IncidentState, UnixMs,
};

use crate::alert::Phase;
use crate::attempts::Failure;
use crate::case::{Case, Fingerprint, Line};
use crate::duration::duration_words;
use crate::engine::{Cx, Engine};
use crate::predicate::connector_state;
use crate::rule::{Condition, Occurrence, Rule};
use crate::timers::Timer;
use crate::words::{Places, headline, subject_words};

/// What a counting rule has counted: how many, and how many different ones.
pub(crate) type Counted = (u32, u32);

/// What an incident is opened with.
struct Opening {
    place: u16,
    began: UnixMs,
    counted: Counted,
    key: ChargerKey,
    at: ConnectorRef,
    code: String,
    title: String,
}

impl Engine {
    /// A rule's condition has lasted.
    pub(crate) fn fire(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        place: u16,
        at: ConnectorRef,
        began: UnixMs,
    ) {
        self.fire_counted(cx, key, place, at, began, (0, 0));
    }

    /// A rule's condition holds: opens an incident, or goes on with the one there is.
    pub(crate) fn fire_counted(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        place: u16,
        at: ConnectorRef,
        began: UnixMs,
        counted: Counted,
    ) {
        if self.program.wide[usize::from(place)].is_some() {
            self.member_fires(cx, key, (place, at), began);
            return;
        }
        let program = std::sync::Arc::clone(&self.program);
        let Some(charger) = cx.fleet.charger(key) else { return };
        let Some(watch) = self.watches.get(&key) else { return };
        let rule = &*watch.rule(&program, place);
        let subject = self.subject(cx, charger, at);
        let code = if reads_code(rule) { subject.code() } else { String::new() };
        let value = match &rule.condition {
            Condition::State { when, .. } => when.evidence(&subject),
            Condition::Count(count) if count.kind == Occurrence::SecurityAlarm => {
                let watch = self.watches.get(&key);
                let counted = watch.and_then(|watch| {
                    let alert = &watch.alerts[watch.alert(place, at)?];
                    Some(alert.counted.back()?.1.to_string())
                });
                counted.filter(|kind| !kind.is_empty())
            }
            _ => None,
        };
        let places = Places {
            code: &code,
            at,
            for_ms: rule.for_ms(&code),
            count: counted.0,
            within_ms: rule.within_ms().unwrap_or(0),
            value,
        };
        let title = headline(rule, &places);
        let same = self.same_case(key, rule, at, &code);
        let same = same.filter(|id| !self.put_to_rest(cx, *id));
        let is_open = same.is_some_and(|id| self.is_firing(id));
        if !is_open && let Some(parent) = self.inhibitor(cx, key, rule, (at, &code)) {
            self.hold_alert(cx, key, place, at, parent);
            return;
        }
        let id = match same {
            Some(id) => {
                self.join(cx, id, place);
                id
            }
            None if let Some(id) = self.connector_case(key, rule, at, &code) => {
                self.join_whole(cx, id, place, &code);
                id
            }
            None if let Some(id) = self.charger_case(key, rule, at, &code) => {
                self.join_connector(cx, id, place, (at, &code));
                id
            }
            None => {
                let place = Opening { place, began, counted, key, at, code, title };
                self.open_case(cx, place)
            }
        };
        if let Some(watch) = self.watches.get_mut(&key)
            && let Some(index) = watch.alert(place, at)
        {
            let alert = &mut watch.alerts[index];
            alert.phase = Phase::Firing(id);
            alert.holding = true;
            alert.gone_at = None;
            alert.clear_since.fill(None);
            alert.clear_counts.fill(0);
            self.timers.set(&mut alert.armed, Timer::Alert(key, place, at), Some(cx.now + 1));
        }
        if let Condition::Count(count) = &rule.condition
            && count.kind == Occurrence::AttemptFailed
        {
            self.show_failures(cx, id, count.within_ms);
        }
        self.tend(cx, id);
    }

    /// Shows the failed charges that made an incident, each at its own time.
    fn show_failures(&mut self, cx: &Cx<'_>, id: IncidentId, within_ms: i64) {
        let Some(key) = self.cases.get(&id).map(|case| case.incident.charger) else { return };
        let Some(watch) = self.watches.get(&key) else { return };
        for (at, frame, connector, why) in &watch.failures {
            if cx.now.since_ms(*at) <= within_ms {
                let line = failure_line(*connector, *why);
                self.lines.push(line.entry(id, *at, *frame));
            }
        }
    }

    /// The case of the same fingerprint that is open, or was until a short while ago.
    fn same_case(
        &self,
        key: ChargerKey,
        rule: &Rule,
        at: ConnectorRef,
        code: &str,
    ) -> Option<IncidentId> {
        let watch = self.watches.get(&key)?;
        watch.cases.iter().rev().copied().find(|id| {
            self.cases.get(id).is_some_and(|case| {
                let incident = &case.incident;
                let same = incident.rule == rule.id && incident.connector == at;
                same && (!incident.state.is_over() || incident.code == code)
            })
        })
    }

    /// Whether an incident is one of before: it recovered and stayed away for as long as a failed
    /// charge would have undone it. No session came to prove it, and what comes now is new, with a
    /// repair of its own.
    fn put_to_rest(&mut self, cx: &Cx<'_>, id: IncidentId) -> bool {
        let Some(case) = self.cases.get(&id) else { return false };
        let is_old = case.incident.state == IncidentState::RecoveredUnproven
            && case.recovered_at.is_some_and(|at| cx.now.since_ms(at) > self.settings.proof_ms);
        if is_old {
            let after = duration_words(self.settings.proof_ms);
            let words = format!("Recovered; it stayed away for more than {after}");
            self.resolve(cx, id, &words, &Actor::Engine, None);
        }
        is_old
    }

    /// Whether an incident is open and its condition was there until now.
    fn is_firing(&self, id: IncidentId) -> bool {
        self.cases.get(&id).is_some_and(Case::is_firing)
    }

    /// The condition of an incident that is known is back.
    fn join(&mut self, cx: &Cx<'_>, id: IncidentId, place: u16) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.rule = Some(place);
        match case.incident.state {
            IncidentState::RecoveredUnproven => {
                self.came_back(cx, id, "It came back", false);
            }
            IncidentState::Resolved | IncidentState::Closed => {
                let after = case.incident.resolved_at.map_or(0, |at| cx.now.since_ms(at));
                let why = format!("It came back {} after it was resolved", duration_words(after));
                self.came_back(cx, id, &why, false);
            }
            _ => self.seen_again(cx, id),
        }
    }

    fn open_case(&mut self, cx: &Cx<'_>, opening: Opening) -> IncidentId {
        let Opening { place, began, counted, key, at, code, title } = opening;
        let program = std::sync::Arc::clone(&self.program);
        let id = IncidentId(self.ids.take());
        let watch = self.watches.entry(key).or_default();
        let rule = &*watch.rule(&program, place);
        let site = watch.site;
        let mut severity = rule.severity_of(&code);
        if let Some((at_least, other)) = rule.severity_by_distinct
            && counted.1 >= at_least
        {
            severity = other;
        }
        let severity = self.raised(key, rule, severity);
        let mut incident = Incident {
            rule_version: rule.version,
            severity,
            connector: at,
            code,
            title,
            began_at: began,
            occurrences: counted.0.max(1),
            ties: crate::correlate::ties_of(site, &rule.id),
            ..Incident::opened(id, &rule.id, key, site, cx.now)
        };
        incident.description = describe(cx, rule, &incident, counted);
        incident.previous = self.past(&Fingerprint::of(&incident));
        incident.healing = self.healing_for(cx, key, rule, &incident.code);
        let lasted = duration_words(cx.now.since_ms(began));
        let line =
            Line::new("opened", format!("Opened: {}", incident.title)).text(if cx.now > began {
                format!("{} Seen for {lasted}.", incident.description)
            } else {
                incident.description.clone()
            });
        let mut case = Case::new(incident, Some(place));
        case.run.active = case.incident.healing.is_some();
        if !case.run.active {
            let at = cx.now + rule.escalate_after_ms;
            case.escalate_at = Some(at);
            case.incident.needs_person = rule.escalate_after_ms == 0;
            if rule.escalate_after_ms > 0 {
                case.will_ask(at);
            }
        }
        self.watches.entry(key).or_default().cases.push(id);
        self.cases.insert(id, case);
        self.say(cx, id, line);
        self.raise_others(cx, id);
        self.tell_alert(cx, id);
        self.hard_change(cx, id);
        self.inhibit_children(cx, id);
        id
    }

    /// The repair a rule has for a code; `None` when nothing is to be done from afar.
    pub(crate) fn healing_for(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        rule: &Rule,
        code: &str,
    ) -> Option<Healing> {
        rule.playbook.as_ref()?;
        let mode = self.mode_of(cx, key, rule);
        // It may be the first that is heard of the rule.
        self.has_news = true;
        if mode == HealMode::Off { None } else { self.healing_in(rule, code, mode) }
    }

    /// The same in a given mode.
    pub(crate) fn healing_in(&self, rule: &Rule, code: &str, mode: HealMode) -> Option<Healing> {
        let playbook = self.program.playbook(rule.playbook.as_deref()?)?;
        let ladder = playbook.ladder(code).to_vec();
        (!ladder.is_empty()).then(|| Healing {
            playbook: playbook.id.clone(),
            mode,
            ladder,
            steps: Vec::new(),
            stopped_by: None,
        })
    }
}

/// The line of a failed charge.
pub(crate) fn failure_line(connector: ConnectorRef, why: Failure) -> Line {
    let place =
        if connector.is_charger() { String::new() } else { format!(" on connector {connector}") };
    Line::new("attempt_failed", format!("Charge failed{place}"))
        .text(format!("{}.", sentence(why.words())))
        .by(Actor::Charger)
}

/// The same words with a capital letter.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Whether a rule tells its incidents apart by error code.
pub(crate) fn reads_code(rule: &Rule) -> bool {
    !rule.severity_by_code.is_empty() || rule.headline.contains("{code}")
}

/// What happened, in sentences.
pub(crate) fn describe(cx: &Cx<'_>, rule: &Rule, incident: &Incident, counted: Counted) -> String {
    let mut text = rule.description.clone();
    let Some(charger) = cx.fleet.charger(incident.charger) else { return text };
    if reads_code(rule)
        && let Some(state) = connector_state(charger, incident.connector)
    {
        let subject = subject_words(incident.connector);
        let code = if incident.code.is_empty() { "a fault" } else { &incident.code };
        text = format!("{text} {subject} reports {code}");
        if let Some(info) = crate::codes::code_info(&incident.code) {
            text = format!("{text}: {}", info.meaning);
        }
        let error = state.error.as_deref();
        let several = error.map(crate::codes::listed).unwrap_or_default();
        let more = [
            error.and_then(|error| error.vendor_code.as_deref()),
            error.and_then(|error| error.info.as_deref()),
        ];
        let more: Vec<&str> = more.into_iter().flatten().filter(|text| !text.is_empty()).collect();
        if !more.is_empty() {
            text = format!("{text} ({})", more.join(", "));
        }
        text.push('.');
        if several.len() > 1 {
            let each = several.iter().map(|(word, value)| match value.as_str() {
                "" => (*word).to_owned(),
                value => format!("{word} at {value}"),
            });
            text = format!("{text} Together: {}.", each.collect::<Vec<_>>().join(", "));
        }
        if let Some(info) = crate::codes::code_info(&incident.code) {
            text = format!("{text} {}", info.advice);
        }
    }
    if rule.judges_link() && !charger.link.last_close.is_empty() {
        text = format!("{text} The connection ended: {}.", charger.link.last_close);
    }
    if counted.0 > 0 {
        let who = match counted.1 {
            0 => "nobody knows by whom".to_owned(),
            1 => "all by the same card, so probably one vehicle or user".to_owned(),
            many => format!("by {many} different cards"),
        };
        text = format!("{text} Counted {}, {who}.", counted.0);
    }
    text
}
