//! Rules on trial: what they would do, without anything being done.
//!
//! A second engine lives through the same events beside the first, with all rules and those on trial
//! among them. Of what it wants done only the incidents of the rules on trial leave, as findings; no
//! command, no ticket, no notice does, and the first engine knows nothing of it. It is there only while
//! a rule is on trial.

use std::collections::BTreeSet;
use std::sync::Arc;

use mendpoint_incidents::overseer::Report;
use mendpoint_incidents::{Catalogue, Effect, Engine};
use mendpoint_model::{Incident, IncidentId};

/// What a rule on trial would have opened, as it stands now.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The incident that there would be.
    pub incident: Incident,
    /// Whether a person would have been asked, with a ticket.
    pub asks: bool,
}

/// The second engine.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    pub(crate) engine: Engine,
    rules: BTreeSet<String>,
    asked: BTreeSet<IncidentId>,
    effects: Vec<Effect>,
    reports: Vec<Report>,
}

impl Rehearsal {
    /// One that goes on from where `live` is.
    pub(crate) fn of(live: &Engine) -> Self {
        Self {
            engine: live.rehearsal(),
            rules: BTreeSet::new(),
            asked: BTreeSet::new(),
            effects: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// Which rules are on trial.
    pub(crate) fn set_rules(&mut self, catalogue: &Catalogue) {
        let on_trial = catalogue.rules().iter().filter(|rule| rule.on_trial);
        self.rules = on_trial.map(|rule| rule.id.clone()).collect();
    }

    /// Lets the engine do something, and keeps what the rules on trial would do of it.
    pub(crate) fn run(
        &mut self,
        found: &mut Vec<Trial>,
        what: impl FnOnce(&mut Engine, &mut Vec<Effect>),
    ) {
        what(&mut self.engine, &mut self.effects);
        self.engine.take_reports(&mut self.reports);
        self.reports.clear();
        for effect in &self.effects {
            if let Effect::OpenTicket(request) = effect {
                self.asked.insert(request.incident);
            }
        }
        for effect in self.effects.drain(..) {
            let Effect::Incident(incident) = effect else { continue };
            let asks = self.asked.contains(&incident.id);
            if incident.state.is_over() {
                self.asked.remove(&incident.id);
            }
            if self.rules.contains(&incident.rule) {
                found.push(Trial { incident: *incident, asks });
            }
        }
    }
}

/// The rules that a second engine lives with; `None` when none is on trial.
pub(crate) fn on_trial(catalogue: &Catalogue) -> Option<Arc<Catalogue>> {
    catalogue.rehearsed(&[]).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use mendpoint_fleet::FleetSettings;
    use mendpoint_incidents::{EngineSettings, IdSequence};
    use mendpoint_model::{
        Boot, ChargerEvent, ChargerKey, Connected, ConnectorRef, ConnectorStatus, ErrorReport,
        EventKind, IncidentState, MINUTE_MS, Protocol, SiteKey, StatusReport, UnixMs,
    };

    use super::*;
    use crate::tests::{FIRES, SILENT};
    use crate::{Outputs, Shard};

    const START: UnixMs = UnixMs(1_790_000_000_000);
    /// It is more serious than the rule that is on, sooner, and forbids resets.
    const MINE: &str = r#"
id = "MINE"
version = 1
title = "Mine"
description = "Every fault, at once."
severity = 1
scope = "connector"
playbook = "err_faulted"
auto_heal = "on"
forbids_reset = true
raises_others = true
[condition]
when = 'status == "Faulted"'
for = "5s"
"#;

    fn catalogue(change: impl FnOnce(&mut Catalogue)) -> Arc<Catalogue> {
        let [fires, silent] = [FIRES, SILENT].map(|text| text.replace("TEST_FAULTED", "MINE"));
        let rules = [
            include_str!("../../../config/rules/err_faulted.toml").to_owned(),
            include_str!("../../../config/rules/cp_offline.toml").to_owned(),
            format!("{MINE}{fires}{silent}"),
        ];
        let rules = rules.map(|text| ("rule.toml".to_owned(), text));
        let playbook = include_str!("../../../config/playbooks/err_faulted.toml").to_owned();
        let playbooks = [("book.toml".to_owned(), playbook)];
        let mut catalogue = Catalogue::parse(&rules, &playbooks).expect("all are well formed");
        change(&mut catalogue);
        Arc::new(catalogue)
    }

    /// An hour with a fault that lasts and one that comes and goes; what was to be done of it.
    fn an_hour(catalogue: Arc<Catalogue>) -> (Vec<Effect>, Vec<Trial>) {
        let ids = IdSequence { next: 1, step: 1 };
        let settings = EngineSettings::default();
        let mut shard = Shard::new(FleetSettings::default(), catalogue, settings, ids, ids);
        let mut out = Outputs::default();
        shard.restore(START, Vec::new(), &mut out);
        let (charger, site) = (ChargerKey(1), SiteKey(1));
        shard.register(charger, site, "CP-1".into());
        let mut send = |at_ms: i64, kind: EventKind| {
            let received_at = START + at_ms;
            let event = ChargerEvent { charger, site, received_at, epoch: 1, frame: 0, kind };
            shard.handle(event, &mut out);
        };
        let protocol = Protocol::V16;
        let connected =
            Connected { protocol, remote: String::new(), replaced: false, certificate_ends: None };
        send(0, EventKind::Connected(connected));
        send(1, EventKind::Boot(Boot::default()));
        let status = |is_faulted: bool| {
            EventKind::Status(StatusReport {
                connector: ConnectorRef::v16(1),
                status: if is_faulted {
                    ConnectorStatus::Faulted
                } else {
                    ConnectorStatus::Available
                },
                raw_status: None,
                error: is_faulted.then(|| ErrorReport {
                    code: "InternalError".to_owned(),
                    ..ErrorReport::default()
                }),
                at: None,
            })
        };
        send(MINUTE_MS, status(true));
        for minute in 2..40 {
            send(minute * MINUTE_MS, EventKind::Heartbeat);
        }
        send(40 * MINUTE_MS, status(false));
        send(50 * MINUTE_MS, status(true));
        send(60 * MINUTE_MS, status(false));
        (out.effects, out.trials)
    }

    #[test]
    fn a_rule_on_trial_writes_down_what_it_would_open_and_changes_nothing_else() {
        let (without, none) = an_hour(catalogue(|all| all.set_enabled("MINE", false)));
        let (with, found) = an_hour(catalogue(|all| all.set_on_trial("MINE")));
        assert!(none.is_empty(), "nothing is on trial: {none:?}");
        assert!(without.iter().any(|effect| matches!(effect, Effect::Send(_))), "it is healed");
        assert_eq!(with, without, "commands, incidents, tickets, notices: all as without it");

        let first = found.first().expect("it finds something");
        assert!(found.iter().all(|trial| trial.incident.rule == "MINE"), "{found:?}");
        // With the first message after its five seconds: nothing else moves the clock here.
        assert_eq!(first.incident.opened_at, START + 2 * MINUTE_MS);
        assert_eq!(first.incident.severity, 1);
        assert!(found.iter().any(|trial| trial.asks), "a person would have been asked");
        let steps = found.iter().flat_map(|trial| &trial.incident.healing);
        let sent =
            steps.flat_map(|healing| &healing.steps).filter(|step| !step.commands.is_empty());
        assert_eq!(sent.count(), 0, "what it would send is only written down");
        let last = found.last().expect("some");
        assert_eq!(last.incident.state, IncidentState::RecoveredUnproven, "its end is seen too");
        // On, the same rule does something.
        let (on, trials) = an_hour(catalogue(|_| {}));
        assert!(trials.is_empty() && on != without);
    }
}
