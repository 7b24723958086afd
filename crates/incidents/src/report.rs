//! What people report: it joins what is open, or becomes an incident.

use mendpoint_model::{Actor, ChargerKey, ConnectorRef, Incident, IncidentId, Source};

use crate::case::{Case, Line};
use crate::engine::{Cx, Engine};
use crate::request::RequestError;

/// The reasons of reports: code, words, severity.
pub const REASONS: [(&str, &str, u8); 8] = [
    ("not_working", "Charge point is not working", 4),
    ("not_in_location", "Charge point is not in location", 5),
    ("inaccessible", "Charge point is unaccessible", 5),
    ("broken", "Charge point is broken", 3),
    ("charge_interrupted", "Charge interrupted", 4),
    ("blocked_by_car", "Car blocking the parking space", 6),
    ("other", "Something else", 5),
    ("tax_refund", "Tax refund issue", 6),
];

/// The codes, for a refusal.
pub(crate) const REASON_LIST: &str = "not_working, not_in_location, inaccessible, broken, \
                           charge_interrupted, blocked_by_car, other, tax_refund";

/// A report on its way in.
pub(crate) struct Report {
    pub(crate) charger: ChargerKey,
    pub(crate) connector: Option<ConnectorRef>,
    pub(crate) reason: String,
    pub(crate) text: String,
    pub(crate) reporter: String,
    pub(crate) source: Source,
}

impl Engine {
    /// Takes in a report.
    pub(crate) fn report(
        &mut self,
        cx: &Cx<'_>,
        report: Report,
    ) -> Result<IncidentId, RequestError> {
        let known = REASONS.iter().find(|(code, ..)| *code == report.reason);
        let Some((code, words, severity)) = known.copied() else {
            return Err(RequestError::UnknownReason(report.reason));
        };
        let charger = cx.fleet.charger(report.charger).ok_or(RequestError::UnknownCharger)?;
        if code == "other" && report.text.trim().is_empty() {
            return Err(RequestError::EmptyText);
        }
        let site = charger.site;
        let at = report.connector.unwrap_or(ConnectorRef::CHARGER);
        if let Some(id) = self.joins(cx, &report, at) {
            if let Some(case) = self.cases.get_mut(&id) {
                case.incident.occurrences += 1;
            }
            let line = Line::new("report", format!("Report joined: {words}"))
                .text(report.text)
                .by(Actor::User(report.reporter));
            self.say(cx, id, line);
            return Ok(id);
        }
        let id = IncidentId(self.ids.take());
        let rule = match report.source {
            Source::User => "USER_REPORT",
            _ => "MANUAL",
        };
        let mut description = format!("{words}.");
        if !report.text.trim().is_empty() {
            description = format!("{description} \u{201c}{}\u{201d}", report.text.trim());
        }
        let incident = Incident {
            severity,
            source: report.source,
            reporter: report.reporter.clone(),
            connector: at,
            code: code.to_owned(),
            title: words.to_owned(),
            description,
            needs_person: true,
            ties: crate::correlate::ties_of(site, rule),
            ..Incident::opened(id, rule, report.charger, site, cx.now)
        };
        let watch = self.watches.entry(report.charger).or_default();
        watch.site = site;
        watch.cases.push(id);
        self.cases.insert(id, Case::new(incident, None));
        let line = Line::new("opened", format!("Reported: {words}")).text(report.text);
        self.say(cx, id, line.by(Actor::User(report.reporter)));
        self.escalate(cx, id, "");
        Ok(id)
    }

    /// The open incident of the charger that a report belongs to (1.9).
    fn joins(&self, cx: &Cx<'_>, report: &Report, at: ConnectorRef) -> Option<IncidentId> {
        let watch = self.watches.get(&report.charger)?;
        watch.cases.iter().rev().copied().find(|id| {
            self.cases.get(id).is_some_and(|case| {
                let incident = &case.incident;
                let reported = incident.rule == "USER_REPORT" || incident.rule == "MANUAL";
                let fresh = !reported
                    || cx.now.since_ms(incident.opened_at) <= self.settings.report_join_ms;
                let same_place =
                    at.is_charger() || incident.connector.is_charger() || incident.connector == at;
                !incident.state.is_over() && fresh && same_place && incident.severity <= 5
            })
        })
    }
}
