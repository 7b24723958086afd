//! What an event means for the cases of its charger: it came back, it reported something.

use mendpoint_model::{
    Actor, ChargerEvent, ConnectorRef, ConnectorStatus, EventKind, Fact, IdentityContest,
    IncidentId, Rung, StepState,
};

use crate::case::Line;
use crate::duration::duration_words;
use crate::engine::{Cx, Engine};
use crate::rule::{Condition, Occurrence};
use crate::words::subject_words;

/// The most status lines in the history of one incident.
const STATUS_LINES_MAX: u32 = 60;

impl Engine {
    /// Notes what healing and history want to know of an event.
    pub(crate) fn note_cases(&mut self, cx: &Cx<'_>, event: &ChargerEvent, facts: &[Fact]) {
        let Some(watch) = self.watches.get(&event.charger) else { return };
        if watch.cases.is_empty() {
            return;
        }
        let booted = matches!(event.kind, EventKind::Boot(_));
        let came_back = booted || matches!(event.kind, EventKind::Connected(_));
        for id in watch.cases.clone() {
            let over = self.cases.get(&id).is_none_or(|case| case.incident.state.is_over());
            if came_back {
                self.note_back(cx, id, booted);
            }
            if over {
                continue;
            }
            if let EventKind::IdentityContested(contest) = &event.kind {
                self.note_contest(cx, id, contest);
            }
            if let EventKind::Diagnostics(word) = &event.kind {
                self.note_upload(cx, id, word);
            }
            for fact in facts {
                self.note_fact(cx, id, fact);
            }
        }
    }

    fn note_back(&mut self, cx: &Cx<'_>, id: IncidentId, booted: bool) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        case.run.debt_at = None;
        case.run.boots += u32::from(booted);
        let Some(step) = case.step() else { return };
        let resets = matches!(step.rung, Rung::L4 | Rung::L5 | Rung::L6 | Rung::L6P);
        let sent = matches!(step.state, StepState::Sent | StepState::Verifying);
        if !resets || !sent || case.run.back_at.is_some() {
            return;
        }
        // After a start of ours every charger connects anew: that is our restart and not its own. A
        // boot is, and so is a connection that ended since.
        let ours = case
            .run
            .watched_from
            .is_some_and(|from| case.run.dropped_at.is_none_or(|dropped| dropped < from));
        if ours && !booted && !matches!(step.rung, Rung::L6 | Rung::L6P) {
            return;
        }
        let rung = step.rung;
        let took_ms = cx.now.since_ms(step.accepted_at.unwrap_or(step.at));
        let away = duration_words(took_ms);
        case.run.back_at = Some(cx.now);
        if matches!(rung, Rung::L4 | Rung::L5) && case.run.watched_from.is_none() {
            let charger = case.incident.charger;
            self.permits.lock().booted(charger, took_ms);
            self.has_news = true;
        }
        let line = Line::new("back", format!("Charger back after {away}"));
        self.say(cx, id, line.by(Actor::Charger).rung(rung));
    }

    /// Who the devices are, when that is news: they may be more than two, and change.
    fn note_contest(&mut self, cx: &Cx<'_>, id: IncidentId, contest: &IdentityContest) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let place = case.rule.map(|place| &self.program.rules[usize::from(place)].condition);
        let is_about = matches!(
            place,
            Some(Condition::Count(count)) if count.kind == Occurrence::IdentityContested
        );
        let who = contest.parties.join(" and ");
        if !is_about || case.contest == who || case.status_lines >= STATUS_LINES_MAX {
            return;
        }
        case.contest.clone_from(&who);
        case.status_lines += 1;
        let text = match contest.swaps {
            0 => String::new(),
            swaps => format!("One took the other's place {swaps} times lately."),
        };
        self.say(cx, id, Line::new("identity", format!("Seen: {who}")).text(text));
    }

    fn note_fact(&mut self, cx: &Cx<'_>, id: IncidentId, fact: &Fact) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let at = case.incident.connector;
        // The history of what flaps is kept short (1.8).
        let most = if case.incident.ties.flapping { 0 } else { STATUS_LINES_MAX };
        let here = |connector: ConnectorRef| at.is_charger() || connector == at;
        match fact {
            Fact::StatusRepeated { connector } if here(*connector) => {
                case.run.status_at = Some(cx.now);
                case.run.told_at = Some(cx.now);
            }
            Fact::Metered { connector, .. }
                if here(*connector) && case.step().is_some_and(|step| step.rung == Rung::L1M) =>
            {
                case.run.status_at = Some(cx.now);
            }
            Fact::FaultChanged(fault) if here(fault.connector) => {
                case.run.status_at = Some(cx.now);
                case.run.told_at = Some(cx.now);
            }
            Fact::StatusChanged { connector, to, error, historical: false, .. }
                if here(*connector) =>
            {
                case.run.status_at = Some(cx.now);
                case.run.told_at = Some(cx.now);
                if case.status_lines >= most {
                    return;
                }
                case.status_lines += 1;
                let subject = subject_words(*connector);
                let title = match to {
                    ConnectorStatus::Faulted => format!("Fault on {}", subject.to_lowercase()),
                    other => format!("{subject} {}", other.name()),
                };
                let text = error.as_ref().map_or_else(String::new, |error| {
                    let code = crate::codes::normalise_error(error);
                    [Some(code), error.vendor_code.clone(), error.info.clone()]
                        .into_iter()
                        .flatten()
                        .filter(|text| !text.is_empty())
                        .collect::<Vec<_>>()
                        .join(" · ")
                });
                self.say(cx, id, Line::new("status", title).text(text).by(Actor::Charger));
            }
            Fact::LinkDown { reason } => {
                case.run.dropped_at = Some(cx.now);
                if case.status_lines >= most {
                    return;
                }
                case.status_lines += 1;
                let line = Line::new("offline", "Connection lost").text(reason.clone());
                self.say(cx, id, line.by(Actor::Charger));
            }
            _ => {}
        }
    }
}
