//! What a charger cannot afford any more makes its other incidents more serious (1.4, `UPTIME_BUDGET`:
//! "raises the priority of open incidents").

use mendpoint_model::{ChargerKey, IncidentId};

use crate::case::{Case, Line};
use crate::engine::{Cx, Engine};
use crate::rule::Rule;

impl Engine {
    fn raises(&self, case: &Case) -> bool {
        let rule = case.rule.map(|place| &self.program.rules[usize::from(place)]);
        rule.is_some_and(|rule| rule.raises_others) && !case.incident.state.is_over()
    }

    /// How serious an incident of a charger is at least, because of what else is open there.
    pub(crate) fn raised(&self, key: ChargerKey, rule: &Rule, severity: u8) -> u8 {
        if rule.raises_others {
            return severity;
        }
        let Some(watch) = self.watches.get(&key) else { return severity };
        let cases = watch.cases.iter().filter_map(|id| self.cases.get(id));
        let least = cases.filter(|case| self.raises(case)).map(|case| case.incident.severity).min();
        severity.min(least.unwrap_or(severity))
    }

    /// An incident that makes others more serious was opened.
    pub(crate) fn raise_others(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(case) = self.cases.get(&id).filter(|case| self.raises(case)) else { return };
        let (key, severity) = (case.incident.charger, case.incident.severity);
        let title = format!("More urgent: {}", case.incident.title);
        let Some(watch) = self.watches.get(&key) else { return };
        let is_lesser = |id: &&IncidentId| {
            self.cases.get(id).is_some_and(|other| {
                !other.incident.state.is_over()
                    && other.incident.severity > severity
                    && !self.raises(other)
            })
        };
        let ids: Vec<IncidentId> = watch.cases.iter().filter(is_lesser).copied().collect();
        for other in ids {
            if let Some(case) = self.cases.get_mut(&other) {
                case.incident.severity = severity;
            }
            self.say(cx, other, Line::new("severity_changed", title.clone()));
        }
    }
}
